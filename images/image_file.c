#include "images/image_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "images/jpeg_file.h"
#include "images/png_file.h"
#include <string.h>
#include <strings.h>

pyr_status pyr_image_decode(pyr_image *out, const void *bytes, size_t n, const char *name)
{
    *out = (pyr_image){0};
    if (n == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", name);
    if (pyr_png_is(bytes, n))
        return pyr_png_decode(out, bytes, n, name);
    if (pyr_jpeg_is(bytes, n))
        return pyr_jpeg_decode(out, bytes, n, name);
    return pyr_fail(PYR_E_FORMAT, "%s: neither PNG nor JPEG by its content; convert it", name);
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
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);

        if (n > length && strcasecmp(name + n - length, endings[i]) == 0)
            return true;
    }
    return false;
}
