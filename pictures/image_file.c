/* image_file.c - the table of picture formats. */
#include "pictures/image_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "pictures/exif.h"

#define ROW(row, name) {name, &pyr_picture_##row},
const pyr_picture_row pyr_picture_rows[] = {PYR_PICTURE_FORMATS(ROW, ROW){NULL, NULL}};

bool pyr_magic_is(const pyr_magic *magic, const void *bytes, size_t n)
{
    const char *at = (const char *)bytes + magic->offset;
    bool is = magic->n && n >= magic->offset + magic->n;

    for (size_t i = 0; i < magic->n && is; i++)
        is = magic->at[i] == '?' || at[i] == magic->at[i];
    return is;
}

const pyr_picture_row *pyr_image_is(const void *bytes, size_t n)
{
    for (const pyr_picture_row *row = pyr_picture_rows; row->name; row++)
        for (size_t i = 0; i < sizeof row->format->magic / sizeof *row->format->magic; i++)
            if (pyr_magic_is(&row->format->magic[i], bytes, n))
                return row;
    return NULL;
}

pyr_status pyr_image_decode(pyr_image *out, const void *bytes, size_t n, const char *name)
{
    const pyr_picture_row *row = pyr_image_is(bytes, n);
    int orientation = 1;
    pyr_status status;

    *out = (pyr_image){0};
    if (n == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", name);
    if (!row)
        return pyr_fail(PYR_E_FORMAT, "%s: none of " PYR_IMAGE_FORMATS " by its content; convert it", name);
    PYR_TRY_OUT(row->format->decode(out, &orientation, bytes, n, name));
    PYR_TRY_OUT(pyr_image_turn(out, orientation, name));
out:
    if (status != PYR_OK)
        pyr_image_free(out);
    return status;
}

pyr_status pyr_image_read(pyr_image *out, const char *path)
{
    char *bytes;
    size_t n;
    pyr_status status;

    *out = (pyr_image){0};
    PYR_TRY(pyr_file_read(&bytes, &n, path, PYR_IMAGE_FILE));
    status = pyr_image_decode(out, bytes, n, path);
    pyr_free(bytes);
    return status;
}

bool pyr_image_named(const char *name)
{
    size_t ending = 0;

    for (const pyr_picture_row *row = pyr_picture_rows; row->name && !ending; row++)
        ending = pyr_ending_of(name, row->format->endings);
    return ending && name[ending]; /* ".png" is hidden and no picture's name */
}
