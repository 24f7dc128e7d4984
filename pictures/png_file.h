/* png_file.h - PNG in and out, on libpng.
 *
 * Every kind of PNG is read: 1, 2, 4, 8 and 16 bits; grey, RGB, palette, with or without alpha or tRNS;
 * interlaced or not. What comes out is 8 or 16 bits of 1..4 channels: fewer than 8 bits are spread over
 * 0..255, 16 bits are kept, a palette becomes RGB (grey when all of its colours are grey), tRNS becomes
 * alpha. The orientation is that of the eXIf chunk. A file that is damaged, cut short or implausibly large
 * is refused with PYR_E_FORMAT. */
#ifndef PYR_PICTURES_PNG_FILE_H
#define PYR_PICTURES_PNG_FILE_H

#include "pictures/image.h"

enum { PYR_PNG_HEAD = 16384 }; /* so many bytes of a file hold the texts that this program writes */

/* A text chunk: key of 1..79 Latin-1 characters; value ASCII (tEXt) or UTF-8 (iTXt). */
typedef struct pyr_png_text {
    const char *key, *value;
} pyr_png_text;

bool pyr_png_is(const void *bytes, size_t n); /* does it begin as a PNG does? */

/* The value of the tEXt chunk `key` among those before the pixels, in `room` bytes of `out` (cut to that).
 * `bytes`: the first n of the file. false: no PNG, or no such text in these bytes. */
bool pyr_png_head_text(char *out, size_t room, const void *bytes, size_t n, const char *key);

/* Write an image of 1..4 channels, 8 or 16 bits, with `texts` pairs of text
 * (text may be NULL when 0). The file appears whole or not at all. */
pyr_status pyr_png_write(const char *path, const pyr_image *image, const pyr_png_text *text, size_t texts);

#endif
