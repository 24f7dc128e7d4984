/* trial.h - one training of a comparison: train, sample, judge. For compare.c. */
#ifndef PYR_COMPARISON_TRIAL_H
#define PYR_COMPARISON_TRIAL_H

#include "comparison/compare.h"

typedef struct pyr_trial {
    const pyr_compare_job *job;
    const pyr_plan_facts *plan;
    uint64_t judges, data; /* as in pyr_comparison */
    pyr_variant variant;
    int64_t seed;
    double fraction; /* of the budget */
} pyr_trial;

/* "OUT/separate-0", "OUT/separate-0-at-0.25"; a new block. PYR_E_NOMEM. */
pyr_status pyr_trial_folder(char **out, const pyr_trial *trial);

/* Whether a training that was begun in its folder had this budget, these settings and these data.
 * PYR_E_CONFIG names what differs: a time is not in the state of a level, so that training itself cannot
 * tell, and the rest is said before another one is trained. */
pyr_status pyr_trial_check(const pyr_trial *trial);

/* Whether it was judged with these very settings and judges; then *out is its eval.json (pyr_json_free), else
 * NULL. */
pyr_status pyr_trial_done(pyr_json_value **out, const pyr_trial *trial);

/* Do what is missing, in children. */
pyr_status pyr_trial_run(const pyr_trial *trial);

#endif
