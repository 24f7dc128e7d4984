/* tile.h - convolutions by register tiles: bf16 products, f32 sums, by AVX-512 (VDPBF16PS) or by AMX (TDPBF16PS; amx.h says in
 * which order it sums). Both take denormal numbers for zeros.
 *
 * For 3x3 (zero padding of 1) and 1x1 kernels of stride 1, whose result is as large as what they read;
 * conv2d_cpu.c uses them beside oneDNN. One thread each; the images of a micro-batch one
 * after the other (weights' gradient: two at a time). Nothing is allocated.
 *
 * Inside, 32 bf16 channels of a pixel are 16 words of 32 bits: 64 bytes, a "block". An image is laid out as
 * [block][padded row][padded column][16 words] in scratch, so that a pixel is a constant distance away
 * whatever the number of channels. */
#ifndef PYR_KERNELS_TILES_TILE_H
#define PYR_KERNELS_TILES_TILE_H

#include "kernels/simd/conv_images.h"

/* Does the instruction set have what it takes? Otherwise nothing below may be called. */
bool pyr_tile_available(void);

/* How the products of a 3x3 convolution are made: plainly, of what is read only, exact until they are
 * summed; or 16 where these are 36, of sums that are rounded to bf16 once more (winograd.c says what that
 * costs in accuracy). */
typedef enum pyr_products { PYR_BY_MODEL, PYR_PLAIN, PYR_WINOGRAD } pyr_products;

typedef struct pyr_tile_size {
    int n, h, w; /* images; of the result */
    int in, out; /* channels read, channels of the result: any numbers; multiples of 32 are the fast ones */
    int kernel;  /* 1 or 3 */
    pyr_products products; /* of 3x3, forward and by data */
    /* With AMX, of 3x3: of the result (dy) there is every second row and column, the first among them; or of what is read,
     * with zeros between (by data). h and w are those of the other, halves are rounded up. */
    bool strided, spread;
} pyr_tile_size;

/* ---- forward, and backward by data, which is the same with the weights turned around ---- */

size_t pyr_tile_packed_bytes(const pyr_tile_size *size);
/* Weights to bf16 in the layout of pyr_tile_run: that of output o, input i, tap t (ky * kernel + kx) is at
 * o * stride_out + i * stride_in + t of w, `turned`: + kernel^2 - 1 - t. So with W[o][i][ky][kx] forward has
 * the strides in * kernel^2, kernel^2; backward by data, whose inputs are the convolution's outputs,
 * kernel^2, in * kernel^2 and `turned`. */
void pyr_tile_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
                   bool turned, void *packed);
size_t pyr_tile_scratch(const pyr_tile_size *size);
void pyr_tile_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                  const pyr_conv_result *y, void *scratch);

/* ---- backward by weights ---- */

/* Bytes of a gradient in this part's own layout: f32, then the bias's `out` floats. Scratch is aligned to 64
 * bytes. */
size_t pyr_tile_gradient_bytes(const pyr_tile_size *size);
size_t pyr_tile_gradient_scratch(const pyr_tile_size *size);
/* gradient (+)= dL/dW and dL/db for dy over all images. dvector (n x out, may be NULL): the sum of dy * scale over the
 * pixels of each image, written or added (vector_add). */
void pyr_tile_gradient(const pyr_tile_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                       float scale, float *gradient, bool add, float *dvector, bool vector_add,
                       void *scratch);
/* dw (out x in x kernel x kernel, PyTorch's order) += scale * the sum of `count` gradients in order; db likewise
 * (NULL: left out). */
void pyr_tile_collect(const pyr_tile_size *size, const float *const *gradients, int count, float scale,
                      float *dw, float *db);

#endif
