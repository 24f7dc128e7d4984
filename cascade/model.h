/* model.h - a trained run, ready to draw images: coarsest level first, then residuals (paper, section 5.2).
 *
 *     I_k ~ level k;  for i = k-1 .. 0:  l_i = u_i(I_{i+1}),  r_i ~ level i given l_i,
 *     r_i projected so that d_i(l_i + r_i) = I_{i+1},  I_i = l_i + r_i clamped to [-1, 1] */
#ifndef PYR_CASCADE_MODEL_H
#define PYR_CASCADE_MODEL_H

#include "cascade/run.h"
#include "levels/level_sample.h"

enum { PYR_SAMPLER_WORDS = 176 };

/* To be read alone, and of `level` what its graphs run on by one lane at a time. */
typedef struct pyr_model {
    pyr_kernels *k; /* borrowed */
    pyr_pyramid *pyramid;
    int levels;                /* of the pyramid */
    int only;                  /* the one level that was opened; -1: all */
    int bits;                  /* of the data's samples, 8 or 16 */
    int classes;               /* that its networks know; 0: they are unconditional */
    int batch;                 /* images a lane takes at a time */
    pyr_class_list class_list; /* of all opened levels together; without networks that know any, those of the
                                  classifiers that guide them */
    pyr_sampled_level *level;  /* [levels] */
    pyr_sampled_level *weaker; /* [levels], or NULL */
    uint64_t hash; /* of all weights (as numbers, not as files): identifies the model that made a picture */
    char sampler[PYR_MAX_LEVELS][PYR_SAMPLER_WORDS]; /* "heun 18", "heun 18 guidance 2" */
    struct pyr_model_lane *memory;                   /* [lane] */
    size_t lane_bytes;
} pyr_model;

/* Open all levels of RUN with these settings of sampling (the run's own, changed or not). PYR_E_IO names a
 * level that is not trained yet; PYR_E_CONFIG levels that do not fit together. `k` is borrowed. */
pyr_status pyr_model_open(pyr_model **out, pyr_kernels *k, const char *run, const pyr_config *config);
/* The same of one level only (-1: all), whatever the others are: not trained, still in training, of another
 * pyramid. Guidance, cost and memory of the others then count as nothing, and `level` has none of them.
 * `weaker`: guided away from the weaker networks of that run (autoguidance, Karras et al. 2024), which has the
 * same pyramid and data; PYR_E_CONFIG when it has not. NULL: not. */
pyr_status pyr_model_open_level(pyr_model **out, pyr_kernels *k, const char *run, const char *weaker,
                                const pyr_config *config, int level);
void pyr_model_free(pyr_model *m); /* NULL is a no-op */

bool pyr_model_has(const pyr_model *m, int level);        /* whether that level was opened */
pyr_shape pyr_model_image(const pyr_model *m, int level); /* n = 1 */
/* Cost of one image: network evaluations (guidance doubles them), and floating-point operations, at `level`.
 * Of rk45 the mean of what was drawn so far, 0 before. */
int pyr_model_nfe(const pyr_model *m, int level);
double pyr_model_flop(const pyr_model *m, int level);
size_t pyr_model_bytes(const pyr_model *m); /* of memory, for all lanes */

/* A stage of drawing: one level of images first .. first + n - 1, on one lane. Backend memory unless noted. */
typedef struct pyr_model_stage {
    pyr_model *model;
    int lane, level, first, n;
    const uint64_t *seeds; /* n, host */
    const void *coarse;    /* n x I_{level+1} as drawn; NULL at the coarsest level */
    const void *condition; /* n x condition, without noise; NULL at the coarsest level */
    void *scratch;         /* pyr_pyramid_scratch bytes */
} pyr_model_stage;

/* What a task does in between (tasks/): any of the three may be NULL. Called from all lanes at once. */
typedef struct pyr_model_hooks {
    void *ctx;
    /* Before the level is drawn: may set draw->start, from, after, after_ctx, moved and repeats. */
    pyr_status (*before)(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw);
    /* The variable (image units, n x variable), after the sampler and before the projection: may change
     * it. */
    pyr_status (*drawn)(void *ctx, const pyr_model_stage *stage, void *variable);
    /* I_level (n x image), projected, before it is clamped: may change it. */
    pyr_status (*synthesized)(void *ctx, const pyr_model_stage *stage, void *image);
} pyr_model_hooks;

typedef struct pyr_model_draw {
    int n;
    const uint64_t *seeds;            /* n */
    int label;                        /* class of all of them; -1: none */
    const int32_t *labels;            /* n: the class of each; NULL: `label` */
    const float *coarse;              /* n images I_given to start from; NULL: the coarsest are drawn */
    int given;                        /* their level: coarser ones are not looked at; 0: the coarsest */
    float *image[PYR_MAX_LEVELS];     /* results: image[i] is n x I_i, host; NULL: that level is not wanted.
                                         Levels coarser than the given one stay as they are */
    float *variable[PYR_MAX_LEVELS];  /* results: variable[i] is n x what level i drew (a residual as it was
                                         projected), host; NULL: not wanted */
    const pyr_model_hooks *hooks;     /* NULL: none */
    double *mismatch[PYR_MAX_LEVELS]; /* n mean squares of d(I_i) - I_{i+1}, taken before I_i is clamped;
                                         NULL: not wanted; of the coarsest level there are none */
} pyr_model_draw;

/* The classes that images are to be of, from the text of --class (pyr_class_choose). Guidance, if it is on, needs
 * a class to lead to, and a trained "no class" or a weaker network to lead away from.
 * PYR_E_ARG. */
pyr_status pyr_model_choose_class(pyr_class_choice *out, const pyr_model *m, const char *typed);

/* Draw n images; whole machine. Image j is the same bytes whatever n and the number of lanes are. Of a model
 * of one level I: I_I to the coarser images `coarse` (given = I + 1; level I must have been opened, level I +
 * 1 need not be); without them, which only a level without a condition can do, the coarsest image, or of a
 * finer level `variable` alone. */
pyr_status pyr_model_sample(pyr_model *m, const pyr_model_draw *draw);

#endif
