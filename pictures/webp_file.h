/* webp_file.h - WebP in, on libwebp.
 *
 * RGB, or RGBA where the file says that it has alpha; 8 bits; lossy files with the decoder's defaults (smooth
 * chroma upsampling), as Pillow reads them. An animation is refused, as is a file that is damaged or cut
 * short: PYR_E_FORMAT and a sentence that begins with its name. */
#ifndef PYR_PICTURES_WEBP_FILE_H
#define PYR_PICTURES_WEBP_FILE_H

#include "pictures/image.h"

bool pyr_webp_is(const void *bytes, size_t n);

/* Decode n bytes, as they are stored; *orientation (1..8) says how to turn them: that of the EXIF chunk. The
 * caller ends *out with pyr_image_free. `name` is the file in sentences. */
pyr_status pyr_webp_decode(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name);

#endif
