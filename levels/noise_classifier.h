/* noise_classifier.h - a classifier of a level's noised variable, and the gradient of what it says.
 *
 * p(y | x, s, c) of x = z + s eps (schedule.h), of its noise level s and of the level's condition c. Its
 * gradient makes the score of p(x) that of p(x | y) (Bayes' rule; Song et al. 2021, "Score-based generative
 * modeling through SDEs", appendix I; Dhariwal & Nichol 2021, "Diffusion models beat GANs", equation 10, with
 * their scale G), for denoisers
 *
 *     D'(x, s) = D(x, s) + G s^2 grad_x log p(y | x, s, c)
 *
 * whether D knows classes or not. At a residual level the condition is the coarser image that the residual goes
 * with, which mostly shows the class already: then the gradient is small, as it should be.
 *
 * The network: x / sqrt(1 + s^2) and the condition, scaled, as channels; patches of 2x2 where a side has 16
 * pixels or more; then 3x3 convolutions of 64 channels, each with a group norm whose scale and shift come from the noise
 * level, and SiLU, three or more, halved by 2x2 means (maxima would make the gradient jump) until the image is 4x4 or
 * smaller; the mean over the image, and a linear layer. */
#ifndef PYR_LEVELS_NOISE_CLASSIFIER_H
#define PYR_LEVELS_NOISE_CLASSIFIER_H

#include "graph/graph.h"
#include "levels/level.h"

/* ---- the network -------------------------------------------------------------------------------- */

/* x: of the level's variable, scaled; condition: scaled, as many channels as level->condition, -1 for none; time: (1,1,1)
 * as pyr_level_coefs has it for positional features. The logits: (1,1,classes), real. */
pyr_value pyr_noise_classifier_build(pyr_graph *g, pyr_value x, pyr_value condition, pyr_value time,
                                     int classes);
/* The number that `time` holds at noise level s. */
double pyr_noise_classifier_time(double s);

/* ---- its file ----------------------------------------------------------------------------------- */

#define PYR_NOISE_CLASSIFIER_NAME "classifier.safetensors" /* in a level's folder */

/* Write it into a level's folder in one piece, with the level's facts and the classes. */
pyr_status pyr_noise_classifier_write(const char *folder, const pyr_level_facts *facts,
                                      const pyr_class_list *classes, const pyr_params *params, pyr_kernels *k,
                                      const void *block);

/* ---- as a gradient ------------------------------------------------------------------------------ */

typedef struct pyr_noise_classifier {
    pyr_kernels *k; /* borrowed */
    const pyr_level *level;
    pyr_class_list classes;
    pyr_graph *g;
    pyr_params params;
    void *block;  /* weights */
    void *ones;   /* batch numbers 1 */
    int batch;    /* images a lane takes at a time */
    double scale; /* G */
    uint64_t hash;
    uint32_t *labels; /* batch of each lane */
    double *s;        /* batch of each lane: of the last gradient */
    void **point;     /* blocks of each lane, for differences */
    pyr_value x, condition, time, label, weight, logits, loss;
} pyr_noise_classifier;

/* That of a level's folder; `run` stands in sentences. The caller frees it, on failure too. PYR_E_IO when there is none, with what makes one; PYR_E_FORMAT when it is damaged or of
 * another level, of other data or another standardisation. */
pyr_status pyr_noise_classifier_new(pyr_noise_classifier *out, pyr_kernels *k, const pyr_level *level,
                                    const char *folder, const char *run, int batch);
void pyr_noise_classifier_free(pyr_noise_classifier *c); /* no-op on {0} */
size_t pyr_noise_classifier_bytes(const pyr_noise_classifier *c);
/* Floating-point operations of a gradient, for one image. */
double pyr_noise_classifier_flop(const pyr_noise_classifier *c);

/* Images to come on a lane: their classes (n) and condition (n x condition, image units; NULL without), which stay until
 * the next begin. */
pyr_status pyr_noise_classifier_begin(pyr_noise_classifier *c, int lane, int n, const uint32_t *rows,
                                      const void *condition);
/* The gradient at x (n x variable) and noise levels s (n, host), which stays with the lane; and out_i += factor_i times it
 * (factor: n, host). */
pyr_status pyr_noise_classifier_gradient(pyr_noise_classifier *c, int lane, int n, const void *x,
                                         const double *s);
void pyr_noise_classifier_add(const pyr_noise_classifier *c, int lane, int n, const double *factor,
                              void *out);
/* H_i v_i (v: n x variable), H the matrix of second derivatives of log p at the x and s of the last gradient, by central
 * differences of it; stays with the lane, in place of the gradient; and out_i += factor_i times it. */
pyr_status pyr_noise_classifier_curve(pyr_noise_classifier *c, int lane, int n, const void *v);
void pyr_noise_classifier_add_curve(const pyr_noise_classifier *c, int lane, int n, const double *factor,
                                    void *out);
/* log p of all classes (n x classes, host) at x and s, under the condition that was begun with. */
pyr_status pyr_noise_classifier_log_p(pyr_noise_classifier *c, int lane, int n, const void *x,
                                      const double *s, double *log_p);

#endif
