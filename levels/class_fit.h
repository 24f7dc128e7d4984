/* class_fit.h - mean and spread of each class in a level's standardised variable.
 *
 * The per-class SDE (toys/class_sde.h; Padova & Liu 2023, equation 5) draws a class's images towards its own mean m_y. In
 * x = z + s eps that changes the noise that sampling begins with: N(m_y, (1 + s^2) I) instead of N(m, (1 + s^2) I), m the
 * mean of all. Its divergence from the class's true distribution at s, which the fit takes for N(m_y, C_y + s^2 I), is
 * smaller by |m_y - m|^2 / (2 (1 + s^2)). */
#ifndef PYR_LEVELS_CLASS_FIT_H
#define PYR_LEVELS_CLASS_FIT_H

#include "levels/gaussian.h"

typedef struct pyr_class_fit {
    int classes;    /* 0: there is none */
    size_t size;    /* numbers of the variable, D */
    double *centre; /* [D]: the mean of all images that have a class, m */
    double *mean;   /* [classes][D]: m_y; that of a class without images is the centre */
    double *
        variance; /* [classes][D]: of the coefficients in the basis of the level's Gaussian: the diagonal of C_y there */
    double *images; /* [classes]: that it was measured on */
} pyr_class_fit;

/* Of the training set (the images that pyr_gaussian_measure takes), which has labels: PYR_E_ARG otherwise, and for more
 * than PYR_CLASS_FIT_NUMBERS numbers of all classes. `g` is the level's Gaussian. The caller frees it, on failure too. */
enum { PYR_CLASS_FIT_NUMBERS = 1 << 22 };
pyr_status pyr_class_fit_measure(pyr_class_fit *out, const pyr_level *level, pyr_feed *feed,
                                 const pyr_gaussian *g);
void pyr_class_fit_free(pyr_class_fit *f); /* back to {0}; {0} is a no-op */

#define PYR_CLASS_FIT_NAME "classes.safetensors" /* in a level's folder */
pyr_status pyr_class_fit_write(const pyr_class_fit *f, const pyr_level_facts *facts, const char *folder);
/* PYR_E_IO when there is none, with what makes one; PYR_E_FORMAT when it is damaged or of another level. */
pyr_status pyr_class_fit_read(pyr_class_fit *out, const pyr_level *level, const char *folder,
                              const char *run);

/* Kullback-Leibler divergence, in nats, of class y at noise s, N(m_y, C_y + s^2 I), from N(m_y, prior I) (`own`) or from
 * N(m, prior I). */
double pyr_class_fit_mismatch(const pyr_class_fit *f, int y, double s, double prior, bool own);
/* Mean over the images of |m_y - m|^2 / (2 prior): how much nearer the start is when it is each class's own. */
double pyr_class_fit_gain(const pyr_class_fit *f, double prior);

/* start (n x D, backend) = m_y of each image (rows; NULL: m) + sqrt(1 + s^2) times noise of the streams (seed, PYR_RNG_PRIOR,
 * level). `streams`: n x PYR_STREAM_WORDS words of backend memory. */
pyr_status pyr_class_fit_draw(const pyr_class_fit *f, pyr_kernels *k, int n, const uint64_t *seeds, int level,
                              double s, const uint32_t *rows, void *start, uint32_t *streams);

#endif
