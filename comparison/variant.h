/* variant.h - the kinds of model that are compared: each is a change of settings. */
#ifndef PYR_COMPARISON_VARIANT_H
#define PYR_COMPARISON_VARIANT_H

#include "training/train_run.h"

typedef enum pyr_variant {
    PYR_VARIANT_SEPARATE,   /* levels trained by themselves, on real coarse images */
    PYR_VARIANT_CASCADE,    /* all levels in each step, own networks, on real coarse images */
    PYR_VARIANT_END_TO_END, /* likewise, given the coarser network's own estimate */
    PYR_VARIANT_SHARED,     /* one trunk for all levels */
    PYR_VARIANT_SINGLE      /* no pyramid */
} pyr_variant;
enum { PYR_VARIANTS = 5 };
extern const char *const pyr_variant_names[PYR_VARIANTS]; /* "separate", "cascade", "end-to-end", ... */

/* "separate,single" into out[0 .. *n). PYR_E_ARG names the part that is none, or stands there twice. */
pyr_status pyr_parse_variants(const char *text, pyr_variant out[PYR_VARIANTS], int *n);

/* The settings of a variant, for the caller to free: those of `config` with its change. single: those of
 * `baseline`, with the sections data and train of `config`; without a baseline (NULL) the finest level of
 * `config`. PYR_E_CONFIG. */
pyr_status pyr_variant_settings(pyr_settings **out, pyr_variant variant, const pyr_settings *config,
                                const pyr_settings *baseline);

/* ---- equal cost -------------------------------------------------------------------------------- */

/* What training may cost: so many seconds, or so many floating-point operations. */
typedef struct pyr_budget {
    double value;
    bool flop; /* or else seconds */
} pyr_budget;
/* "10m", "90s", "2e14flop". PYR_E_ARG. */
pyr_status pyr_parse_budget(const char *text, pyr_budget *out);

/* What is known of a model before it is trained. */
typedef struct pyr_plan_facts {
    int levels;
    bool one_block;               /* all levels have one block of parameters */
    bool joint;                   /* every image goes through all levels */
    double flop[PYR_MAX_LEVELS];  /* forward, of one image at that level */
    double share[PYR_MAX_LEVELS]; /* of the images, summing to 1 */
    int64_t parameters;
    pyr_sampler sampler[PYR_MAX_LEVELS];
} pyr_plan_facts;

/* Images of training, summed over the levels, that cost so many operations: an image costs 3 times its
 * forward pass (forward, and backward to data and weights). */
double pyr_images_of_flop(const pyr_plan_facts *facts, double flop);

/* Operations of drawing one image. */
double pyr_sampling_flop(const pyr_plan_facts *facts);
/* Change the samplers' steps, in their proportions (each level to less than a step), so that an image costs
 * as near to `flop` as can be, or within half a percent of it. */
void pyr_scale_sampling(pyr_plan_facts *facts, double flop);

#endif
