/* mask.h - a picture as a mask: which pixels are to be drawn anew (or are not seen).
 *
 * White is drawn, black stays. What other programs save is understood where it can mean one thing only:
 *
 *     grey, black to white          white is drawn: half of white and over, so that soft edges and JPEG's
 * ringing do no harm 0 and one other value         that value is drawn: 0/1 of label files (8 or 16 bits),
 * 0/128 black and one colour          the colour is drawn: red brush on black, a palette's one class a
 * picture with transparency   transparent pixels are drawn: a hole that was cut into it, or into black
 *
 * and refused otherwise: several labels, a brush on a photo, one grey throughout, paint on a transparent
 * layer (which might as well be a sheet with a hole). */
#ifndef PYR_TASKS_MASK_H
#define PYR_TASKS_MASK_H

#include "base/text.h"
#include "pictures/image.h"

/* The mask as grey of the same size, near white (half and over) where it is drawn; soft edges stay soft, so
 * that it can be brought to another size. A mask of black to white comes out as it is. `name` is the file in
 * sentences; how it was read, unless plainly, is appended to *note. PYR_E_FORMAT, PYR_E_NOMEM; the caller
 * frees *out. */
pyr_status pyr_mask_understand(pyr_image *out, const pyr_image *image, const char *name, pyr_text *note);

#endif
