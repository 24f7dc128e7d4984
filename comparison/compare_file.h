/* compare_file.h - compare.json, the figures of a comparison of variants, read for a report.
 *
 *     {"data": …, "budget": …, "config": …, "command": …, "judged": …,
 *      "variants": [{"name": "separate", "seed": 0, "fraction": 1, "train_s": …, "held_out": […],
 *                    "metrics": {"frechet": …, "swd": […], …}}, …],
 *      "curve": [the same with a fraction below 1]}
 *
 * A figure is a list: one number, or one a level from the coarsest on. What is missing has none. */
#ifndef PYR_COMPARISON_COMPARE_FILE_H
#define PYR_COMPARISON_COMPARE_FILE_H

#include "base/json.h"
#include "eval/metric_rows.h"
#include "pyramid/pyramid.h"

/* Figures of a training: those of the metrics, at the places of their rows (PYR_FIGURE_KID …), then its own. */
enum {
    PYR_FIGURE_HELD_OUT = PYR_METRICS,
    PYR_FIGURE_TRAIN_FLOP,
    PYR_FIGURE_TRAIN_S,
    PYR_FIGURE_TRAIN_SPEED,
    PYR_FIGURE_SAMPLE_FLOP,
    PYR_FIGURE_SAMPLE_SPEED,
    PYR_FIGURE_STEPS,
    PYR_FIGURE_NFE,
    PYR_FIGURE_NFE_BY_FLOP,
    PYR_FIGURE_PEAK_MIB,
    PYR_FIGURE_PARAMETERS,
    PYR_FIGURES
};

/* The row of a figure, 0 .. PYR_FIGURES - 1. */
const pyr_figure *pyr_figure_at(int figure);

/* Where a figure stands in a training's object; NULL: it is not there. */
const pyr_json_value *pyr_figure_find(const pyr_json_value *training, int figure);

typedef struct pyr_figure_list {
    int n; /* 0: missing */
    double at[PYR_MAX_LEVELS];
} pyr_figure_list;

typedef struct pyr_compare_row {
    char *name; /* of the variant */
    long long seed;
    double fraction; /* of the budget */
    pyr_figure_list figure[PYR_FIGURES];
} pyr_compare_row;

typedef struct pyr_compare {
    char *data, *budget, *config, *command; /* NULL: not said; numbers as text */
    char *judged;                           /* how many images, against which, in which features; likewise */
    size_t n;
    pyr_compare_row *rows; /* variants, then the curve's points (fraction < 1, others are passed over), each
                              in the order of the file */
} pyr_compare;

/* PYR_E_IO, PYR_E_FORMAT (no JSON object), PYR_E_NOMEM. */
pyr_status pyr_compare_read(pyr_compare *out, const char *path);
void pyr_compare_free(pyr_compare *c); /* back to {0}; {0} is a no-op */

#endif
