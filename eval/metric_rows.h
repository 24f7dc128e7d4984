/* metric_rows.h - the metrics: one row each, from which words, texts, JSON, tables and checks are made.
 *
 * To add one: a line in PYR_METRIC_LIST, a file with its row and its function (eval/measure.h), its line in
 * docs/evaluation.md (docs/howto.md). */
#ifndef PYR_EVAL_METRIC_ROWS_H
#define PYR_EVAL_METRIC_ROWS_H

#include "eval/image_set.h"

/* Every metric once: its constants and its row pyr_metric_NAME, NAME being its word in --metrics and JSON; in the
 * order of files and tables. Then those that come along with another one and have no word in --metrics. */
#define PYR_METRIC_LIST(ROW)                                                                                 \
    ROW(FRECHET, frechet)                                                                                    \
    ROW(KID, kid)                                                                                            \
    ROW(PRECISION, precision)                                                                                \
    ROW(RECALL, recall)                                                                                      \
    ROW(SCORE, score)                                                                                        \
    ROW(SWD, swd)                                                                                            \
    ROW(SPECTRUM, spectrum)                                                                                  \
    ROW(COLOUR, colour)                                                                                      \
    ROW(CONSISTENCY, consistency)                                                                            \
    ROW(NEAREST, nearest)
#define PYR_METRIC_MORE(ROW) ROW(MEMORISED, memorised)

/* The place of a metric's row, PYR_FIGURE_KID, and its bit in a set of metrics, PYR_METRIC_KID. */
#define PYR_METRIC_PLACE(constant, row) PYR_FIGURE_##constant,
enum {
    PYR_METRIC_LIST(PYR_METRIC_PLACE) PYR_METRIC_MORE(PYR_METRIC_PLACE) PYR_METRICS,
};
#define PYR_METRIC_ONE(constant, row) +1
enum { PYR_METRIC_WORDS = 0 PYR_METRIC_LIST(PYR_METRIC_ONE) }; /* those that have a word come first */
#define PYR_METRIC_BIT(constant, row) PYR_METRIC_##constant = 1 << PYR_FIGURE_##constant,
enum {
    PYR_METRIC_LIST(PYR_METRIC_BIT) PYR_METRIC_MORE(PYR_METRIC_BIT) PYR_METRIC_ALL = (1 << PYR_METRICS) - 1
};

/* What a metric is measured in. */
typedef enum pyr_metric_of {
    PYR_OF_FEATURES, /* of each network that is given */
    PYR_OF_PIXELS,
    PYR_OF_FIRST /* features of the first network; without it, pixels */
} pyr_metric_of;

struct pyr_evaluate_job;
struct pyr_measuring;

/* A figure as JSON and tables have it. */
typedef struct pyr_figure {
    const char *key;     /* in JSON; of a metric its word in --metrics, too */
    const char *column;  /* in compare's table; NULL: not there */
    const char *heading; /* in a report's table of comparisons; NULL: not there */
    const char *format;  /* in compare's table, of value / unit */
    double unit;
    int better;     /* +1: more is better, -1: less is, 0: neither */
    bool per_level; /* an array in JSON, the coarsest level first */
    bool counted;   /* a large number, in a report written 1.5M */
} pyr_figure;

typedef struct pyr_metric {
    pyr_figure figure;
    const char *label; /* in lines of text */
    /* For docs/evaluation.md, in Markdown: of samples x, reference y, features f; and who published it, or "". */
    const char *definition, *source;

    const struct pyr_metric *with; /* measured by another row, whose bit stands for both; or NULL */

    pyr_metric_of of;
    bool reference;     /* compares with the reference's images */
    bool by_statistics; /* or with their mean and covariance, where these are given */
    bool not_missed;    /* when all metrics are wanted and it cannot be measured, nothing is said of it */
    int least;          /* images that it needs, of samples and of reference; 0: see `lacks` */
    /* Whether it cannot be measured, and why; NULL: it always can. drawn: the samples; NULL: there are none yet. */
    bool (*lacks)(char *reason, size_t room, const struct pyr_evaluate_job *job, const pyr_image_set *drawn);
    /* Adds its figures. Whole machine. */
    pyr_status (*measure)(struct pyr_measuring *m);
} pyr_metric;

#define PYR_METRIC_ROW(constant, row) extern const pyr_metric pyr_metric_##row;
PYR_METRIC_LIST(PYR_METRIC_ROW)
PYR_METRIC_MORE(PYR_METRIC_ROW)

/* "frechet,kid,…,nearest,": for help texts. */
#define PYR_METRIC_WORD(constant, row) #row ","
#define PYR_METRIC_WORD_LIST PYR_METRIC_LIST(PYR_METRIC_WORD)

/* The row at a place, 0 .. PYR_METRICS - 1, or of a word; NULL: there is none. */
const pyr_metric *pyr_metric_at(int place);
const pyr_metric *pyr_metric_of_word(const char *word);

/* The bits of the metrics that are measured in such numbers. */
unsigned pyr_metrics_of(pyr_metric_of of);

/* Words of a list: "frechet,swd". PYR_E_ARG names the part that is none, and the words there are. */
pyr_status pyr_parse_metrics(const char *text, unsigned *metrics);

#endif
