#include "pictures/image_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "pictures/exif.h"
#include "pictures/jpeg_file.h"
#include "pictures/png_file.h"
#include "pictures/tiff_file.h"
#include "pictures/webp_file.h"
#include <string.h>
#include <strings.h>

/* A format is a row here, and a word in PYR_IMAGE_FORMATS. */
static const struct format {
    const char *endings[5]; /* of file names */
    bool (*is)(const void *bytes, size_t n);
    pyr_status (*decode)(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name);
} formats[] = {
    {{".png"}, pyr_png_is, pyr_png_decode},
    {{".jpg", ".jpeg", ".jpe", ".jfif"}, pyr_jpeg_is, pyr_jpeg_decode},
    {{".webp"}, pyr_webp_is, pyr_webp_decode},
    {{".tif", ".tiff"}, pyr_tiff_is, pyr_tiff_decode},
};

enum { FORMATS = sizeof formats / sizeof *formats };

static const struct format *format_of(const void *bytes, size_t n)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (formats[i].is(bytes, n))
            return &formats[i];
    return NULL;
}

bool pyr_image_is(const void *bytes, size_t n)
{
    return format_of(bytes, n) != NULL;
}

pyr_status pyr_image_decode(pyr_image *out, const void *bytes, size_t n, const char *name)
{
    const struct format *format = format_of(bytes, n);
    int orientation;
    pyr_status status;

    *out = (pyr_image){0};
    if (n == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", name);
    if (!format)
        return pyr_fail(PYR_E_FORMAT, "%s: none of " PYR_IMAGE_FORMATS " by its content; convert it", name);
    PYR_TRY(format->decode(out, &orientation, bytes, n, name));
    status = pyr_image_turn(out, orientation, name);
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
    size_t n = strlen(name);

    for (size_t i = 0; i < FORMATS; i++)
        for (const char *const *ending = formats[i].endings; *ending; ending++) {
            size_t length = strlen(*ending);

            if (n > length && strcasecmp(name + n - length, *ending) == 0)
                return true;
        }
    return false;
}
