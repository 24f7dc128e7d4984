/* image_file.h - a picture file of whichever kind it is, told by its first bytes. */
#ifndef PYR_PICTURES_IMAGE_FILE_H
#define PYR_PICTURES_IMAGE_FILE_H

#include "pictures/image.h"

/* The kinds that are read, for sentences. */
#define PYR_IMAGE_FORMATS "PNG, JPEG, WebP, TIFF"

/* Read a picture, turned as the orientation of its Exif or TIFF says (then out->turned is true; see exif.h);
 * the caller ends *out with pyr_image_free. PYR_E_FORMAT: empty, none of these formats, damaged, cut short,
 * too large, or of a kind that is not read (see the header of each format). PYR_E_IO: cannot be opened. The
 * sentence begins with the path. */
pyr_status pyr_image_read(pyr_image *out, const char *path);

/* The same on n bytes that are there already. */
pyr_status pyr_image_decode(pyr_image *out, const void *bytes, size_t n, const char *name);

/* Does it begin as one of these formats does? */
bool pyr_image_is(const void *bytes, size_t n);

/* Does the name end as the files of these formats do (.png, .jpg, ...), in any case? */
bool pyr_image_named(const char *name);

#endif
