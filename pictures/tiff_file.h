/* tiff_file.h - TIFF in, on libtiff (4.5 or newer).
 *
 * Unsigned samples of 1 to 16 bits; grey (also min-is-white), RGB, palettes, CMYK (by the usual product) and
 * YCbCr; with alpha or without; strips or tiles, planes together or apart, BigTIFF, either byte order, every
 * compression that the installed libtiff knows. What comes out is 8 or 16 bits of 1..4 channels: fewer than 8
 * bits are spread over 0..255 and 9 to 15 over 0..65535; a palette becomes RGB of 8 bits (grey when all of
 * its colours are grey); associated (premultiplied) alpha becomes straight.
 *
 * One picture a file: of pages that are marked as thumbnails or masks nothing is read, and two or more pages
 * are refused, as are floats, signed, complex and 32-bit samples, CIE L*a*b*, raw photographs, more bands
 * than a picture has, and what is damaged or cut short: PYR_E_FORMAT and a sentence that begins with the
 * file's name. */
#ifndef PYR_PICTURES_TIFF_FILE_H
#define PYR_PICTURES_TIFF_FILE_H

#include "pictures/image.h"

bool pyr_tiff_is(const void *bytes, size_t n);

/* Decode n bytes, as they are stored; *orientation (1..8) says how to turn them. The caller ends *out with
 * pyr_image_free. `name` is the file in sentences. */
pyr_status pyr_tiff_decode(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name);

#endif
