/* compare.h - several kinds of model, each trained and sampled at the same cost and judged alike.
 *
 *     OUT/NAME-SEED/              a run; in it eval.json, its figures, and samples/grid.png, levels.png
 *     OUT/NAME-SEED-at-0.25/      a training of its own with a quarter of the budget, for the curve
 *     OUT/compare.json            all figures
 *     OUT/compare.txt             the table
 *
 * Everything that computes runs in child processes, one after the other (comparison/child.h): peak memory is each
 * training's own. What is finished is not done again: a run goes on from its last checkpoint, a judged run
 * has its eval.json, which says by a hash of all settings, of the data and of the feature networks whether it
 * still holds. */
#ifndef PYR_COMPARISON_COMPARE_H
#define PYR_COMPARISON_COMPARE_H

#include "comparison/variant.h"
#include "eval/evaluate.h"

enum { PYR_CURVE_POINTS = 8, PYR_COMPARED_SEEDS = 64 };

typedef struct pyr_compare_job {
    const char *outdir;
    const pyr_settings *config;
    const pyr_settings *baseline; /* of the variant single; NULL: the finest level of config */
    const char *config_name, *budget_name, *command; /* as typed: written into compare.json */
    pyr_budget budget;                               /* of each training */
    pyr_variant variant[PYR_VARIANTS];
    int variants, seeds;  /* trainings with train.seed, train.seed + 1, ... */
    int64_t count;        /* images that are judged, seeds 0 .. count - 1 */
    const char *of_class; /* their classes, as for pyr_model_choose_class */
    double sampling_flop; /* of one image; 0: of the first variant that is not single, as it is configured */
    double curve[PYR_CURVE_POINTS]; /* parts of the budget, in (0, 1) */
    int n_curve;
    const char *network[PYR_FEATURE_NETWORKS]; /* as in pyr_evaluate_job; none: pyr_default_network */
    const char *cache;                         /* likewise */
    const char *backend, *precision;           /* words, as asked for: other ones give other figures */
    /* Open the backend; in a child. measure: speeds may be measured. */
    pyr_status (*open)(void *ctx, pyr_kernels **out, bool measure);
    void (*on_line)(void *ctx, const char *line);
    void (*on_level)(void *ctx, const pyr_level_summary *level);
    void (*on_report)(void *ctx, const pyr_level_report *report);
    void (*on_progress)(void *ctx, int64_t done, int64_t n, double images_per_s); /* of sampling */
    void *ctx;
} pyr_compare_job;

/* What is known before anything is trained. */
typedef struct pyr_comparison {
    pyr_plan_facts plan[PYR_VARIANTS]; /* [of the job's variants]; samplers brought to one cost */
    double sampling_flop;              /* of an image */
    uint64_t judges;                   /* hash of the data and the feature networks */
    uint64_t data;                     /* fingerprint of the data alone */
    double flop_per_s;                 /* of training, from a short measurement of the first variant */
    pyr_text cost;                     /* sentences on what it will cost; owned */
    pyr_text table;                    /* after a run; owned */
} pyr_comparison;

/* Plan every variant. The caller frees *out, on failure too. No threads may run (see pyr_run_child). */
pyr_status pyr_compare_plan(pyr_comparison *out, const pyr_compare_job *job);
/* Train, sample and judge what is not done yet, write the results. PYR_E_STOPPED after a stop was requested:
 * the same again goes on. */
pyr_status pyr_compare_run(pyr_comparison *out, const pyr_compare_job *job);
void pyr_comparison_free(pyr_comparison *c); /* back to {0}; no-op on {0} */

#endif
