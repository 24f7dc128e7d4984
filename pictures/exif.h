/* exif.h - which way up a picture is: the orientation of Exif and TIFF (tag 274), and turning by it.
 *
 * Values as in Exif 2.32, table 6; where row 0 and column 0 of the stored picture belong when it is seen:
 * 1 top left (nothing to do), 2 top right (mirrored), 3 bottom right (turned by 180 degrees), 4 bottom left
 * (upside down), 5 left top (transposed), 6 right top (to be turned clockwise), 7 right bottom, 8 left bottom
 * (to be turned counterclockwise). Only Exif and TIFF count: an orientation in XMP or in a PNG's text "Raw
 * profile type exif" is left aside, as browsers do (Pillow reads those two as well). */
#ifndef PYR_PICTURES_EXIF_H
#define PYR_PICTURES_EXIF_H

#include "pictures/image.h"

/* The orientation in a block of Exif, with or without "Exif\0\0" in front: 1..8. 1 when there is none, or the
 * block is damaged, or the tag is not one SHORT of 1..8. Any bytes may be given. */
int pyr_exif_orientation(const void *bytes, size_t n);

/* Turn and mirror a picture of orientation 1..8 so that it is upright, and note it in `turned`; 1 does
 * nothing. From 5 on height and width change places. PYR_E_NOMEM leaves it as it was; `name` is the file in
 * the sentence. */
pyr_status pyr_image_turn(pyr_image *image, int orientation, const char *name);

#endif
