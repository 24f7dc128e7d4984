/* png_head.h - the texts of a PNG that stand before its pixels, without decoding it. */
#ifndef PYR_PICTURES_PNG_HEAD_H
#define PYR_PICTURES_PNG_HEAD_H

#include <stdbool.h>
#include <stddef.h>

enum { PYR_PNG_HEAD = 16384 }; /* so many bytes of a file hold the texts that this program writes */

/* The value of the tEXt chunk `key` among those before the pixels, in `room` bytes of `out` (cut to that).
 * `bytes`: the first n of the file. false: no PNG, or no such text in these bytes. */
bool pyr_png_head_text(char *out, size_t room, const void *bytes, size_t n, const char *key);

#endif
