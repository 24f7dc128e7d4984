/* idx_file.c - the header of an IDX file. */
#include "arrays/idx_file.h"

/* By the type byte. */
static const pyr_npy_type types[] = {
    [8] = PYR_NPY_U1,  [9] = PYR_NPY_I1,  [11] = PYR_NPY_I2,
    [12] = PYR_NPY_I4, [13] = PYR_NPY_F4, [14] = PYR_NPY_F8,
};

pyr_status pyr_idx_header(pyr_value_file *file)
{
    unsigned char bytes[4];

    PYR_TRY(pyr_value_file_head(file, bytes, 4));
    if (bytes[0] || bytes[1])
        return pyr_fail(PYR_E_FORMAT, "%s: not an IDX file (it begins with %02x %02x, should be 00 00)",
                        file->path, bytes[0], bytes[1]);
    file->type = bytes[2] < sizeof types / sizeof *types ? types[bytes[2]] : PYR_NPY_OTHER;
    if (file->type == PYR_NPY_OTHER)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "%s: IDX values of type 0x%02x, should be 0x08, 0x09 or 0x0b to 0x0e", file->path,
                        bytes[2]);
    file->big_endian = true;
    file->rank = bytes[3];
    if (file->rank < 1 || file->rank > 4)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: IDX of rank %d, should be 1 or 2 (labels), 3 (n, h, w) or 4 (n, h, w, c)",
                        file->path, file->rank);
    for (int i = 0; i < file->rank; i++) {
        PYR_TRY(pyr_value_file_head(file, bytes, 4));
        file->size[i] = (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
    }
    return PYR_OK;
}
