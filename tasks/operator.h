/* operator.h - linear operators on an image that take something away: y = A x.
 *
 *     blur     a Gaussian of `size` pixels standard deviation, y as large as x; borders half-sample symmetric
 *     box      the mean of blocks of `size` x `size` pixels, y ceil(h / size) x ceil(w / size); blocks at the
 *              borders are as large as there are pixels
 *     missing  pixels that are not seen are 0 in y, which is as large as x
 *     bicubic  super-resolution's: 1/size of the pixels, by Keys' cubic (a = -1/2) stretched to `size` (Keys 1981,
 *              "Cubic convolution interpolation"), y ceil(h / size) x ceil(w / size); weights beyond the border are
 *              left out, and the others scaled up
 *     motion   convolution with a kernel, such as of a camera's motion; borders half-sample symmetric
 *     fourier  samples of the unitary DFT as real numbers (pyramid/ideal.h: Hartley's transform), 0 where the
 *              frequency is not seen; zero frequency first, y as large as x
 *     identity y = x: nothing but noise
 *
 * On host doubles, h w c. */
#ifndef PYR_TASKS_OPERATOR_H
#define PYR_TASKS_OPERATOR_H

#include "kernels/kernels.h"

typedef enum pyr_operator_kind {
    PYR_OPERATOR_BLUR,
    PYR_OPERATOR_BOX,
    PYR_OPERATOR_MISSING,
    PYR_OPERATOR_BICUBIC,
    PYR_OPERATOR_MOTION,
    PYR_OPERATOR_FOURIER,
    PYR_OPERATOR_IDENTITY
} pyr_operator_kind;
extern const char *const pyr_operator_names[]; /* "blur", "box", ... */

/* Along one axis: out[o] = sum over j < width of tap[o * width + j] in[start[o] + j]. */
typedef struct pyr_host_axis {
    int n_in, n_out, width;
    int *start;
    double *tap;
} pyr_host_axis;

typedef struct pyr_operator {
    pyr_operator_kind kind;
    pyr_shape in, out; /* n = 1 */
    pyr_host_axis rows, cols;
    uint8_t *seen; /* missing, fourier: h w, 1 where the pixel or frequency is seen */
    int kernel_h, kernel_w;
    double
        *kernel; /* motion: kernel_h kernel_w, its sum is 1; the middle is at half its sides, rounded down */
    struct pyr_hartley *hartley;
} pyr_operator;

/* The caller frees it, on failure too. `missing` (h w: 1 where the pixel is not seen; of fourier, the frequency, and
 * with it the opposite one) is copied, of other kinds it is not looked at. Of motion the kernel is a line of `size`
 * pixels to the right. PYR_E_ARG: a size out of range (blur over 0 and at most 64; box whole, 1 to the larger side;
 * bicubic 1 to the larger side; motion 1 to 1024). PYR_E_NOMEM. */
pyr_status pyr_operator_new(pyr_operator *out, pyr_operator_kind kind, double size, const uint8_t *missing,
                            pyr_shape image);
/* motion with a kernel h x w of its own (copied), any numbers of a sum over 0: it is divided by that. PYR_E_ARG. */
pyr_status pyr_operator_motion(pyr_operator *out, const double *kernel, int h, int w, pyr_shape image);

/* A line of `length` pixels, at `angle` degrees against the clock from the right, as a kernel of *side x *side, a new
 * block. */
pyr_status pyr_line_kernel(double **out, int *side, double length, double angle);

/* missing[h w] = 1 for a share of the frequencies: each with its opposite at random (Philox, by `seed`; not zero
 * frequency), or those off an Archimedean spiral from zero frequency to half a cycle a pixel. */
typedef enum pyr_pattern { PYR_PATTERN_RANDOM, PYR_PATTERN_SPIRAL } pyr_pattern;
extern const char *const pyr_pattern_names[];
void pyr_fourier_pattern(uint8_t *missing, pyr_pattern pattern, double share, uint64_t seed, int h, int w);
void pyr_operator_free(pyr_operator *a); /* no-op on {0} */

/* y = A x and x = A^T y; `work` holds as many numbers as x or y, whichever has more. */
void pyr_operator_apply(const pyr_operator *a, double *y, const double *x, double *work);
void pyr_operator_adjoint(const pyr_operator *a, double *x, const double *y, double *work);

#endif
