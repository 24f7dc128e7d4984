/* image_file.h - an image file of whichever kind it is, told by its first bytes. */
#ifndef PYR_IMAGES_IMAGE_FILE_H
#define PYR_IMAGES_IMAGE_FILE_H

#include "images/image.h"

/* Read a PNG or JPEG; the caller ends *out with pyr_image_free. PYR_E_FORMAT:
 * empty, neither of the two, damaged, cut short, too large. PYR_E_IO: cannot be
 * opened. The sentence begins with the path. */
pyr_status pyr_image_read(pyr_image *out, const char *path);

/* The same on n bytes that are there already. */
pyr_status pyr_image_decode(pyr_image *out, const void *bytes, size_t n, const char *name);

/* Does the name end in .png, .jpg or .jpeg, in any case? */
bool pyr_image_named(const char *name);

#endif
