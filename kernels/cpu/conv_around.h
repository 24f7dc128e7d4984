/* conv_around.h - what oneDNN's convolutions leave to passes before and behind them: types, neighbours taken
 * in (kernels.h: PYR_X_…, up_h), scale.
 *
 * `sums` are f32 of the convolution's shape. */
#ifndef PYR_KERNELS_CPU_CONV_AROUND_H
#define PYR_KERNELS_CPU_CONV_AROUND_H

#include "kernels/kernels.h"

/* dst (n, h, w, all channels), of `type` = the image that is convolved: enlarged, concatenated, converted. */
void pyr_around_source(const pyr_op *op, int h, int w, pyr_type type, void *dst);
void pyr_around_convert(void *dst, pyr_type to, const void *src, pyr_type from, size_t count);
/* y = (sums + vector + residual) * scale */
void pyr_around_result(const pyr_op *op, const float *sums, float scale);
/* dx0 and dx3 (NULL: not wanted) = or += sums (n, h, w, all channels; used up) * scale */
void pyr_around_dx(const pyr_op *op, int h, int w, float *sums, float scale, void *dx0, void *dx3);
/* dx of the residual from op->dy. */
void pyr_around_dx_residual(const pyr_op *op, float scale);
/* dx of the vector (where it is wanted) = or += the sum of dy * scale over the pixels of each image; bias (NULL: not
 * wanted) = or += that over all images. */
void pyr_around_dy_sums(const pyr_op *op, float scale, float *bias, bool add);

#endif
