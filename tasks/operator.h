/* operator.h - linear operators on an image that take something away: y = A x.
 *
 *     blur     a Gaussian of `size` pixels standard deviation, y as large as x; borders half-sample symmetric
 *     box      the mean of blocks of `size` x `size` pixels, y ceil(h / size) x ceil(w / size); blocks at the
 *              borders are as large as there are pixels
 *     missing  pixels that are not seen are 0 in y, which is as large as x
 *
 * On host doubles, h w c. */
#ifndef PYR_TASKS_OPERATOR_H
#define PYR_TASKS_OPERATOR_H

#include "kernels/kernels.h"

typedef enum pyr_operator_kind {
    PYR_OPERATOR_BLUR,
    PYR_OPERATOR_BOX,
    PYR_OPERATOR_MISSING
} pyr_operator_kind;
extern const char *const pyr_operator_names[]; /* "blur", "box", "missing" */

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
    uint8_t *seen; /* missing: h w, 1 where the pixel is seen */
} pyr_operator;

/* The caller frees it, on failure too. `missing` (h w: 1 where the pixel is not seen) is copied, of other
 * kinds it is not looked at. PYR_E_ARG: a size out of range (blur over 0 and at most 64; box whole, 1 to the
 * larger side). PYR_E_NOMEM. */
pyr_status pyr_operator_new(pyr_operator *out, pyr_operator_kind kind, double size, const uint8_t *missing,
                            pyr_shape image);
void pyr_operator_free(pyr_operator *a); /* no-op on {0} */

/* y = A x and x = A^T y; `work` holds as many numbers as x or y, whichever has more. */
void pyr_operator_apply(const pyr_operator *a, double *y, const double *x, double *work);
void pyr_operator_adjoint(const pyr_operator *a, double *x, const double *y, double *work);

#endif
