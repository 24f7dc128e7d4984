/* tile_parts.h - what the files behind tile.h share. */
#ifndef PYR_KERNELS_TILES_TILE_PARTS_H
#define PYR_KERNELS_TILES_TILE_PARTS_H

#include "base/inline.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/counts.h"
#include "kernels/simd/unroll.h"
#include "kernels/tiles/tile.h"

/* A block of channels of a pixel: words of two; a word of the weights of as many outputs. */
enum { BLOCK = 32, BLOCK_BYTES = 64, WORDS = 16, WORD_BYTES = 4, WEIGHT_BYTES = 2 * BLOCK_BYTES };

/* ---- tile_vectors.c, or tile_amx.c for the set that has AMX; for tile.c ---- */

/* How an image lies in scratch, for 3x3 with a row of zeros above and below, and a pixel of them before each row, which is
 * the one behind the row before it, too. */
enum { PYR_TILE_TAPS = 9 };
typedef struct pyr_tile_layout {
    int h, w;                /* the image */
    int rows, columns, step; /* of results; pixels from one to the next: 1, or 2 by 2 */
    int border;              /* 1 for 3x3 */
    int words;               /* of two channels each, in all */
    int kernel;
    size_t row, block;         /* bytes to the pixel below, to the same pixel's next 32 channels */
    size_t tap[PYR_TILE_TAPS]; /* bytes from the pixel at the top left of a window */
} pyr_tile_layout;

/* Pixels behind an image that may be read, whatever they hold. */
enum { PYR_TILE_BEHIND = PYR_BY_AMX ? 64 : 0 };

/* Takes sums of rows x columns pixels, 32 each; the first pixel is number `at` of the results. */
typedef void pyr_tile_take(const void *ctx, const float *sums, size_t at, int rows, int columns);
/* The sums of 32 outputs (`few`: at most 16, the rest are anything finite) for all pixels, w: these outputs' weights. */
void pyr_tile_sums(const pyr_tile_layout *l, const char *image, const char *w, bool few, pyr_tile_take *take,
                   const void *ctx);

/* Around all sums of a call. */
PYR_INLINE void pyr_tile_begin(void)
{
#if PYR_BY_AMX
    pyr_amx_begin();
#endif
}

PYR_INLINE void pyr_tile_end(void)
{
#if PYR_BY_AMX
    pyr_amx_end();
#endif
}

/* ---- tile.c, for winograd.c ---- */

/* Image n as [block of 32 channels][row][column][32 bf16], `row` and `block` bytes apart; dst: its first
 * pixel. */
void pyr_tile_copy(char *dst, const pyr_tile_size *size, const pyr_conv_source *x, size_t n, size_t row,
                   size_t block);
/* rows x columns pixels of 32 sums each, the first at `pixel` (counted over all images), to the outputs from
 * `output` on. offset: bias and vector of these outputs. */
void pyr_tile_put(const pyr_tile_size *size, const pyr_conv_result *y, const float *offset, int output,
                  const float *sums, size_t pixel, int rows, int columns);
/* The same for a result that is smaller: added to pool (y->h x y->w x 32); `pixel` is counted in the
 * image. */
void pyr_tile_pool(const pyr_tile_size *size, const pyr_conv_result *y, float *pool, const float *sums,
                   size_t pixel, int rows, int columns);
/* The pool's sums to image n. */
void pyr_tile_put_pool(const pyr_tile_size *size, const pyr_conv_result *y, const float *offset, int output,
                       const float *pool, size_t n);

/* ---- winograd.c, for tile.c: the four functions of tile.h, where they are faster ---- */

bool pyr_winograd_suits(const pyr_tile_size *size);
size_t pyr_winograd_packed_bytes(const pyr_tile_size *size);
void pyr_winograd_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
                       bool turned, void *packed);
size_t pyr_winograd_scratch(const pyr_tile_size *size);
void pyr_winograd_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                      const pyr_conv_result *y, void *scratch);

#endif
