/* latent.h - images as the noise that the probability-flow ODE makes of them, level by level, and back.
 *
 * From x = z at the smallest noise level s of a level's sampling schedule up to its largest,
 *
 *     dx / d log s = x - D(x, s)
 *
 * (Song et al. 2021, section 4.3 and equation 13, in x = z + s eps). Each level is conditioned on the
 * image itself. The latent of a level is x at the largest s: about s times standard normals. The way back is
 * sampling from there with a solver of the same ODE. */
#ifndef PYR_TASKS_LATENT_H
#define PYR_TASKS_LATENT_H

#include "tasks/lanes.h"

typedef struct pyr_latent {
    int n;                      /* images */
    int levels;                 /* of the model */
    double *at[PYR_MAX_LEVELS]; /* n x variable each: x at the largest s */
} pyr_latent;

/* Whether latents can be made with, and drawn from by, this sampler of level `level`: one of the ODE, without
 * noise of its own. PYR_E_ARG. */
pyr_status pyr_latent_check_sampler(const pyr_sampler *sampler, int level);

/* Room for n images of the model, zeros. The caller frees it, on failure too. PYR_E_NOMEM. */
pyr_status pyr_latent_new(pyr_latent *out, const pyr_model *m, int n);
void pyr_latent_free(pyr_latent *latent); /* no-op on {0} */

/* Latents of n images I_0 (n h w c, in [-1, 1]), by RK45 to this tolerance (relative and absolute, with x in
 * units of its own spread); `label`: class of all, -1 none. *nfe: evaluations of the network for an image, on
 * average over all levels' sum; NULL: not wanted. Fails as pyr_rk45_solve. Whole machine. */
pyr_status pyr_latent_encode(pyr_latent *out, pyr_model *m, int n, const float *images, int label,
                             double tolerance, double *nfe);

/* What sampling with these seeds, row i of class labels[i] (NULL: none), starts from. */
pyr_status pyr_latent_of_seeds(pyr_latent *out, pyr_model *m, int n, const uint64_t *seeds,
                               const int32_t *labels);

/* Row `frame` of `out` = the point at t (0: row i of a, 1: row j of b, bit for bit) of the great circle
 * through them, level by level: sin((1 - t) w)/sin w a + sin(t w)/sin w b with the angle w between the two
 * (Shoemake 1985, "slerp"); straight when they are parallel. */
void pyr_latent_slerp(pyr_latent *out, int frame, const pyr_latent *a, int i, const pyr_latent *b, int j,
                      double t, const pyr_model *m);

/* Sampling from latents: image i of a drawing starts from row first + i. Valid as long as the latent, which
 * is borrowed. */
typedef struct pyr_from_latent {
    const pyr_latent *latent;
    int first;
    pyr_task_lanes lanes;
    pyr_model_hooks hooks;
} pyr_from_latent;
pyr_status pyr_from_latent_new(pyr_from_latent *out, pyr_model *m, const pyr_latent *latent);
void pyr_from_latent_free(pyr_from_latent *from); /* no-op on {0} */

/* Latents in a safetensors file: level-I (n, h, w, c; float) and in the metadata pyrdiff_latent (the version
 * of this format) and weights (pyr_model.hash). */
pyr_status pyr_latent_write(const char *path, const pyr_latent *latent, const pyr_model *m);
/* Nothing in the file is trusted: PYR_E_FORMAT, PYR_E_SHAPE for latents of another pyramid. *same_weights:
 * whether they were made with this model. The caller frees *out. */
pyr_status pyr_latent_read(pyr_latent *out, const char *path, const pyr_model *m, bool *same_weights);

#endif
