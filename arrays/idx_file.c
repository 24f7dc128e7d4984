#include "arrays/idx_file.h"

#include "pictures/image.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

/* Why gzread gave less than was asked for. */
static pyr_status short_of(const pyr_idx *idx, const char *what)
{
    int code = Z_OK;
    const char *reason = gzerror(idx->stream, &code);

    if (code == Z_ERRNO)
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", idx->path, strerror(errno));
    if (code == Z_MEM_ERROR)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in zlib", idx->path);
    if (code == Z_OK || code == Z_BUF_ERROR || code == Z_STREAM_END)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is cut short in its %s; copy or download it again",
                        idx->path, what);
    return pyr_fail(PYR_E_FORMAT, "%s: the gzip data is damaged (%s); copy or download it again", idx->path,
                    reason);
}

/* By the type byte. */
static const pyr_npy_type types[] = {
    [8] = PYR_NPY_U1,  [9] = PYR_NPY_I1,  [11] = PYR_NPY_I2,
    [12] = PYR_NPY_I4, [13] = PYR_NPY_F4, [14] = PYR_NPY_F8,
};

static pyr_status header(pyr_idx *idx, uint64_t file_bytes)
{
    unsigned char bytes[4 + 4 * 4];
    uint64_t product = 1, start, all;

    if (gzread(idx->stream, bytes, 4) != 4)
        return short_of(idx, "header");
    if (bytes[0] || bytes[1])
        return pyr_fail(PYR_E_FORMAT, "%s: not an IDX file (it begins with %02x %02x, should be 00 00)",
                        idx->path, bytes[0], bytes[1]);
    idx->type = bytes[2] < sizeof types / sizeof *types ? types[bytes[2]] : PYR_NPY_OTHER;
    if (idx->type == PYR_NPY_OTHER)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "%s: IDX values of type 0x%02x, should be 0x08, 0x09 or 0x0b to 0x0e", idx->path,
                        bytes[2]);
    idx->rank = bytes[3];
    if (idx->rank < 1 || idx->rank > 4)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: IDX of rank %d, should be 1 or 2 (labels), 3 (n, h, w) or 4 (n, h, w, c)",
                        idx->path, idx->rank);
    if (gzread(idx->stream, bytes + 4, 4 * (unsigned)idx->rank) != 4 * idx->rank)
        return short_of(idx, "header");
    for (int i = 0; i < 4; i++) {
        const unsigned char *at = bytes + 4 + 4 * i;

        idx->size[i] = i < idx->rank ? (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3] : 1;
        if (idx->size[i] == 0)
            return pyr_fail(PYR_E_FORMAT, "%s: dimension %d of %d is 0: nothing is in it", idx->path, i + 1,
                            idx->rank);
        if (__builtin_mul_overflow(product, (uint64_t)idx->size[i], &product))
            return pyr_fail(PYR_E_FORMAT, "%s: the IDX header promises more than 2^64 values", idx->path);
    }
    idx->count = product;
    if (__builtin_mul_overflow(product, pyr_npy_type_size(idx->type), &all))
        return pyr_fail(PYR_E_FORMAT, "%s: the IDX header promises more than 2^64 bytes", idx->path);
    start = 4 + 4 * (uint64_t)idx->rank;
    if (gzdirect(idx->stream)) {
        if (file_bytes - start != all)
            return pyr_fail(PYR_E_FORMAT,
                            "%s: %llu bytes follow the header, it promises %llu; copy or download it again",
                            idx->path, (unsigned long long)(file_bytes - start), (unsigned long long)all);
    } else if (all / 1032 > file_bytes) /* deflate makes at most 1032 bytes of one */
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the header promises %llu bytes, %llu bytes of gzip cannot hold them; copy or "
                        "download it again",
                        idx->path, (unsigned long long)all, (unsigned long long)file_bytes);
    if (idx->rank > 2 && (idx->size[1] > PYR_IMAGE_SIDE || idx->size[2] > PYR_IMAGE_SIDE ||
                          idx->size[3] > 4 || product / (uint64_t)idx->size[0] > PYR_IMAGE_BYTES))
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: images of %lldx%lld with %lld channels, sides should be at most %d, channels 1..4",
            idx->path, (long long)idx->size[1], (long long)idx->size[2], (long long)idx->size[3],
            PYR_IMAGE_SIDE);
    return PYR_OK;
}

pyr_status pyr_idx_open(pyr_idx *out, const char *path)
{
    struct stat info;
    pyr_status status;

    *out = (pyr_idx){.path = path};
    if (stat(path, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return pyr_fail(PYR_E_IO, "%s: not a regular file", path);
    if (info.st_size == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", path);
    out->stream = gzopen(path, "rb"); /* reads plain files as they are */
    if (!out->stream)
        return pyr_fail(PYR_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    gzbuffer(out->stream, 1 << 17);
    status = header(out, (uint64_t)info.st_size);
    if (status != PYR_OK)
        pyr_idx_close(out);
    return status;
}

pyr_status pyr_idx_read(pyr_idx *idx, void *dst, uint64_t count)
{
    size_t size = pyr_npy_type_size(idx->type);
    uint64_t left = count * size;
    char *at = dst;

    while (left) {
        unsigned part = left < (1u << 30) ? (unsigned)left : 1u << 30;

        if (gzread(idx->stream, at, part) != (int)part)
            return short_of(idx, "values");
        at += part;
        left -= part;
    }
    if (size > 1)
        pyr_npy_swap(dst, (size_t)count, size);
    return PYR_OK;
}

pyr_status pyr_idx_end(pyr_idx *idx)
{
    char extra;
    /* Reading on reaches the trailer of gzip, and so its checksum; a trailer that
     * is cut short shows in the code only. */
    int code = Z_OK, more = gzread(idx->stream, &extra, 1);

    gzerror(idx->stream, &code);
    if (more < 0 || (more == 0 && code != Z_OK))
        return short_of(idx, "checksum");
    if (more > 0)
        return pyr_fail(PYR_E_FORMAT, "%s: more follows the %llu values that the header promises", idx->path,
                        (unsigned long long)idx->count);
    return PYR_OK;
}

void pyr_idx_close(pyr_idx *idx)
{
    if (idx->stream)
        gzclose(idx->stream);
    idx->stream = NULL;
}
