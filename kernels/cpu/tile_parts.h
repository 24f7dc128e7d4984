/* tile_parts.h - what the files behind tile.h share. */
#ifndef PYR_KERNELS_CPU_TILE_PARTS_H
#define PYR_KERNELS_CPU_TILE_PARTS_H

#include "base/inline.h"
#include "kernels/cpu/tile.h"
#include "kernels/simd/unroll.h"

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
