/* parzen.h - the training set of a level as the density that it is: a point for each image.
 *
 * With noise s that density is the Parzen window q_s(x) = 1/N sum_i N(x; z_i, s^2), whose score is known:
 *
 *     grad log q_s(x) = (D*(x, s) - x)/s^2,   D* = E[z | x] = sum_i w_i z_i,   w_i ~ exp(-|x - z_i|^2 / (2 s^2))
 *
 * which is what explicit score matching goes by (Vincent 2011, section 4.2, whose q_sigma it is). D* costs N d
 * operations an image, so the set must be small. */
#ifndef PYR_LEVELS_PARZEN_H
#define PYR_LEVELS_PARZEN_H

#include "levels/level.h"

/* Numbers of all images together, N d, at most. */
enum { PYR_PARZEN_MOST = 1 << 23 };

typedef struct pyr_parzen {
    int64_t n;
    size_t size;
    float *z;     /* n x size, standardised, in the order of the training set; host */
    double *half; /* [n]: |z|^2 / 2 */
    double *room; /* [2 size + n], of whoever draws: one thread at a time */
} pyr_parzen;

/* Whole machine. PYR_E_CONFIG for a set that is too large; PYR_E_NOMEM. The caller frees *out, on failure too. */
pyr_status pyr_parzen_new(pyr_parzen *out, const pyr_level *level, pyr_feed *feed);
void pyr_parzen_free(pyr_parzen *p); /* {0} is a no-op */

/* mean[size] = D*(x, s); `weight` is room for n numbers. Any thread. */
void pyr_parzen_mean(const pyr_parzen *p, const double *x, double s, double *mean, double *weight);

#endif
