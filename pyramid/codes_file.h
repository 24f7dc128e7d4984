/* codes_file.h - the exact codes of a picture as a file, codes.safetensors.
 *
 * Tensors level-0 … level-k (HWC; float, or double where float would not hold them) and in the metadata, as text:
 * pyrdiff_codes (the version of this format), filter, sigma, levels, h, w, c, bits. */
#ifndef PYR_PYRAMID_CODES_FILE_H
#define PYR_PYRAMID_CODES_FILE_H

#include "graph/safetensors.h"
#include "pyramid/codes.h"

#define PYR_CODES_NAME "codes.safetensors"

pyr_status pyr_codes_write(const char *path, const pyr_codes *codes);

/* The codes of `path`, the file or its folder. Nothing in it is trusted; the sentence of PYR_E_FORMAT begins
 * with the file. The caller ends *out with pyr_codes_free. */
pyr_status pyr_codes_read(pyr_codes *out, const char *path);

/* "480x640 RGB, 8 bits; 4 levels, filter box" (height first, as everywhere). */
void pyr_codes_describe(const pyr_codes *codes, pyr_text *text);

/* What a level is: "image", "residual", "details". */
const char *pyr_codes_kind(const pyr_codes *codes, int level);

#endif
