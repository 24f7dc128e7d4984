/* level_sample.h - draw the variable of one level for a few images, on one lane. */
#ifndef PYR_LEVELS_LEVEL_SAMPLE_H
#define PYR_LEVELS_LEVEL_SAMPLE_H

#include "levels/class_fit.h"
#include "levels/denoiser.h"
#include "levels/gaussian.h"
#include "levels/score_moments.h"
#include "network/unet_find.h"

/* A lane's recording of a whole sampling (pyr_sampling), and what it was recorded with. */
typedef struct pyr_level_recording {
    void *recording; /* the table's; NULL: none yet */
    int n;
    const void *start, *work, *variable; /* n 0: nothing was drawn yet */
} pyr_level_recording;

/* A level that is ready to be sampled: weights loaded, graph packed. */
typedef struct pyr_sampled_level {
    pyr_level level;
    pyr_params params;
    void *block; /* weights */
    pyr_denoiser denoiser;
    pyr_schedule schedule; /* of sampling */
    void *vector;          /* of pyr_level_destandardise, for `batch` images */
    int batch;
    int guided; /* evaluations that guidance doubles; -1: all */
    /* What sampler.start gaussian starts from. Empty after _new: the caller reads or measures it (owned
     * then); empty still, the start is as with unit. */
    pyr_gaussian gaussian;
    /* What ancestral sampling of a measured variance goes by (pyr_sampler_measured); n 0 after _new. */
    pyr_score_moments moments;
    /* What sampler.start class starts from; as `gaussian`. */
    pyr_class_fit classes;
    /* Empty after _new; one that the caller made is owned, and the denoiser's `classifier` is to lead to it. */
    pyr_noise_classifier classifier;
    pyr_level_recording *recordings;    /* [lane] */
    struct pyr_sampled_level *weaker;   /* what guidance leads away from, borrowed; NULL: there is none */
    _Atomic int64_t drawn, evaluations; /* so far, of rk45 */
} pyr_sampled_level;

/* From weights in the files, or (files NULL) from a block of the same kernels that is borrowed; `level` is
 * copied. The caller frees it, on failure too. It must not move once made; when something has been drawn, its
 * settings, schedule, weaker network and packed weights stay as they are (recordings have them). */
pyr_status pyr_sampled_level_new(pyr_sampled_level *out, pyr_kernels *k, const pyr_level *level,
                                 const pyr_unet_files *files, const void *block, int batch);
void pyr_sampled_level_free(pyr_sampled_level *s, pyr_kernels *k);

/* Whether an image's class means something to it: to its network, or to a classifier that guides it. */
bool pyr_level_takes_class(const pyr_sampled_level *s);

/* Cost of one image: evaluations of the network (with guidance each counts twice), floating-point
 * operations. Of rk45, which knows only afterwards: the mean of the images drawn so far; 0: none yet. */
int pyr_level_nfe(const pyr_sampled_level *s);
double pyr_level_sample_flop(const pyr_sampled_level *s);

/* Numbers of backend memory for `work`, in bytes. */
size_t pyr_level_sample_work(const pyr_sampled_level *s, const pyr_kernels *k, int n);

typedef struct pyr_level_draw {
    int lane, n;
    const uint64_t *seeds; /* n, host */
    const void *condition; /* n x condition, image units; NULL at the coarsest level */
    const uint32_t *rows;  /* class rows, or NULL */
    void *work;
    /* What tasks add (diffusion/sampler.h); zero otherwise. All in standardised units of x = z + s eps. */
    const void *start; /* n x variable at s_max, or at `from`; NULL: drawn from the prior */
    double from;       /* the noise level that sampling starts from; 0: the schedule's */
    pyr_after_step after;
    void *after_ctx;
    pyr_after_move moved;
    int repeats;
    bool once;           /* its memory is given up afterwards: nothing is worth being recorded */
    pyr_denoise denoise; /* called instead of the level's own denoiser, to which `denoise_ctx` may lead: it is
                            ready on this lane; NULL: its own */
    void *denoise_ctx;
    bool stiff; /* it is pulled hard towards something given (diffusion/sampler.h) */
} pyr_level_draw;

/* variable: n x variable, in image units. */
pyr_status pyr_level_sample(pyr_sampled_level *s, pyr_kernels *k, const pyr_level_draw *draw, void *variable);

#endif
