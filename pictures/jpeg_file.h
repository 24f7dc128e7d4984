/* jpeg_file.h - JPEG in, on libjpeg (-turbo).
 *
 * Grey files give 1 channel, all others RGB (CMYK by the usual product); 8
 * bits. The decoder runs with its defaults (slow integer DCT, smooth chroma
 * upsampling), as Pillow's does. A file that is damaged or cut short is refused
 * with PYR_E_FORMAT, although libjpeg would fill the rest with grey. */
#ifndef PYR_PICTURES_JPEG_FILE_H
#define PYR_PICTURES_JPEG_FILE_H

#include "pictures/image.h"

bool pyr_jpeg_is(const void *bytes, size_t n);

/* Decode n bytes, as they are stored; *orientation (1..8) says how to turn them:
 * that of the first Exif marker. The caller ends *out with pyr_image_free.
 * `name` is the file in sentences. */
pyr_status pyr_jpeg_decode(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name);

#endif
