/* denoiser.h - a trained level as a denoiser for samplers.
 *
 *     D(x, s) = x / (1 + s^2) + s / sqrt(1 + s^2) F(x / sqrt(1 + s^2), c, tau)
 *
 * in the standardised units of the level (loss.h has the same in training; other predictions than F have
 * other factors, see diffusion/prediction.h). The condition c stays the same for all evaluations of an image,
 * so what the network's first convolution makes of it is computed once, by a graph of its own.
 *
 * Guidance (Ho & Salimans 2022, equation 6; Karras et al. 2024, "Guiding a diffusion model with a bad version
 * of itself", equation 3; for denoisers instead of scores, which are linear in them): D = D_other + G (D_this
 * - D_other) with D_other the same network without a class, or a weaker network. It may be limited to an
 * interval of noise levels (Kynkaanniemi et al. 2024); outside D = D_this alone is computed. Without an
 * interval, and with one network, both are places of one batch: images with their classes, then the same
 * images with the row that stands for no class. What guidance made too strong may be rescaled
 * (guidance_rescale.h).
 *
 * Guidance by a classifier's gradient (noise_classifier.h) is added to that, whatever the network knows of
 * classes, in the same interval. */
#ifndef PYR_LEVELS_DENOISER_H
#define PYR_LEVELS_DENOISER_H

#include "graph/graph.h"
#include "levels/guidance_rescale.h"
#include "levels/level.h"
#include "levels/noise_classifier.h"

/* A lane's noise levels as the mixes and the time embedding of the graph read them: for each
 * place [in 0], for each [skip out], for each its time; numbers of the table's `real`. */
typedef struct pyr_denoiser_lane {
    void *host[2]; /* filled alternately: the other one may still be being copied */
    void *device;
    int next;
    void *recording; /* of an evaluation; the table's */
} pyr_denoiser_lane;

/* Whether D can be run backwards (denoiser_gradient.h), and to what. Each takes more memory. */
typedef enum pyr_denoiser_gradient {
    PYR_GRADIENT_NONE,
    PYR_GRADIENT_OF_X,
    PYR_GRADIENT_OF_X_AND_CONDITION
} pyr_denoiser_gradient;

typedef struct pyr_denoiser {
    pyr_kernels *k;
    pyr_graph *g;
    pyr_graph *conditioner; /* condition -> features; NULL without a condition */
    const pyr_level *level;
    int batch;       /* images a lane takes at a time */
    int places;      /* of the graph's batch: batch, or twice that with both in one batch */
    int part;        /* images that are computed at a time, a lane's batch being cut into parts of as many */
    double guidance; /* G; 1: none */
    double lo, hi;   /* noise levels that it acts at */
    pyr_denoiser_gradient gradient;
    double *weight; /* of D_this in the last call's images, batch of each lane; NULL without gradient */
    pyr_noise_classifier *classifier; /* borrowed, set by the owner before the first begin; NULL: none */
    double *pull;                     /* G s^2 of the classifier in the last call, batch of each lane */
    pyr_guidance_rescale rescale;     /* {0}: none */
    pyr_denoiser_lane *levels;        /* [lane] */
    void *units;                      /* laid out as the lanes' noise levels; backend memory */
    uint32_t *labels;                 /* places of each lane */
    void **kept; /* [lane]: D_this while the same graph computes D_other; NULL: not needed */
    pyr_value x, mix_in, mix_out, time, label, d;
    pyr_value features;                         /* input of g: what conv_in makes of the condition */
    pyr_value condition, noise_channel, result; /* of `conditioner` */
} pyr_denoiser;

/* Whether the level's settings, with its classes or a weaker network, give guidance (two evaluations for one)
 * at noise level s, or (s < 0) anywhere. */
bool pyr_level_guided(const pyr_level *level, double s);

/* Whether guidance, if there is any, has images with and without classes side by side: twice the places. */
bool pyr_guidance_in_one_batch(const pyr_level_settings *settings, bool weaker);

/* `batch`: images a lane takes at a time. The parameters come in the order of the loss's graph. With a gradient,
 * guidance without a weaker network always has both in one batch. */
pyr_status pyr_denoiser_new(pyr_denoiser *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                            int batch, pyr_denoiser_gradient gradient);
/* Whether calls at one noise level for all images can be recorded: not where classes change in between. */
bool pyr_denoiser_recordable(const pyr_denoiser *d);
void pyr_denoiser_free(pyr_denoiser *d); /* no-op on {0} */
/* Use the parameters of `block` (borrowed until the next pack); whole machine. */
pyr_status pyr_denoiser_pack(pyr_denoiser *d, const void *block);

pyr_graph_memory pyr_denoiser_bytes(const pyr_denoiser *d);
/* Floating-point operations of one image: `evaluations` of the network (guidance has two for one), and what
 * is done once. */
double pyr_denoiser_flop(const pyr_denoiser *d, int evaluations);

/* What a sampler needs beside x: which lane, how many images, their condition (image units; NULL without)
 * and class rows (NULL: no class). The context of pyr_denoiser_call. */
typedef struct pyr_denoising {
    pyr_denoiser *denoiser;
    int lane, n;
    const void *condition;
    const uint32_t *rows;
    const struct pyr_denoising *weaker; /* of the weaker network, same lane and images; NULL: there is none */
    bool in_recording;                  /* the caller records what is called (the weaker network's too) */
} pyr_denoising;

/* Places of the graph's batch that these images take: whole parts. With both in one batch those without classes begin
 * there. */
int pyr_denoising_places(const pyr_denoising *denoising);
/* Bytes of what the conditioner makes for that many places. */
size_t pyr_denoising_feature_bytes(const pyr_denoising *denoising);

/* Before the first call for these images: take in their condition and rows, which stay until the next
 * begin on this lane. The weaker network's too. */
pyr_status pyr_denoiser_begin(const pyr_denoising *denoising);

/* A pyr_denoise: x and out hold n x variable, and may be the same. */
pyr_status pyr_denoiser_call(void *denoising, const void *x, const double *s, void *out);

#endif
