/* measure.h - an evaluation under way, as the functions of the metrics see it (pyr_metric.measure). */
#ifndef PYR_EVAL_MEASURE_H
#define PYR_EVAL_MEASURE_H

#include "eval/evaluate.h"
#include "eval/metrics.h"

/* Of all that is drawn at random: any number, but always the same one. Of precision and recall: k. */
enum { PYR_METRIC_SEED = 2023, PYR_METRIC_NEIGHBOURS = 3 };

typedef struct pyr_measuring {
    const pyr_evaluate_job *job;
    pyr_evaluation *out;
    pyr_image_set reference; /* n 0: none */
    pyr_moments stats;       /* that were given for it; d 0: none */
    pyr_measurement about;   /* what the next figures are of; put back behind each metric */
    bool warned_of_few;
    /* In features: of this network, d numbers an image, and the logits (NULL: it has none); reference NULL: no metric looks at its
     * images' features; by_statistics: `stats` are of this network. Of pixels `network` is NULL. */
    pyr_features *network;
    int d;
    float *samples, *logits, *of_reference;
    bool by_statistics;
} pyr_measuring;

/* A figure of the metric; level -1: not of a level; deviation NAN: none. */
void pyr_measured(pyr_measuring *m, const pyr_metric *metric, int level, double value, double deviation);

#endif
