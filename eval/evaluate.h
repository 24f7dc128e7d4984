/* evaluate.h - all figures of a set of images against a data set.
 *
 * Every figure says what it is of: how many images, of how many of which reference, in the features of which
 * network; references and networks with their hashes. What is random is drawn from a fixed seed: the same
 * images give the same figures. */
#ifndef PYR_EVAL_EVALUATE_H
#define PYR_EVAL_EVALUATE_H

#include "base/json.h"
#include "eval/metric_rows.h"
#include "features/features.h"
#include "kernels/kernels.h"

enum {
    PYR_FEATURE_NETWORKS = 2,
    PYR_MEASUREMENTS = 96,
    PYR_FEW_IMAGES = 10000 /* fewer: the Frechet distance is biased upwards, and a warning says so */
};

typedef struct pyr_evaluate_job {
    pyr_kernels *k;
    const pyr_image_set *samples;
    int64_t planned;         /* how many samples there will be, before there are any; 0: not known */
    bool planned_coarsest;   /* they will be of the coarsest level only */
    const pyr_dataset *data; /* of the samples' size */
    const pyr_data_settings
        *data_settings;    /* it was opened with: they say why nothing is held out; or NULL */
    const char *data_name; /* for people: its path */
    pyr_split reference;
    /* Files of feature networks (features.h): a classifier, Inception-v3; NULL: none. The nearest images are
     * found in the features of the first; of pixels without it: Inception's features of all training images
     * would take hours. */
    const char *network[PYR_FEATURE_NETWORKS];
    pyr_fid_resize resize;   /* Inception's */
    const char *ref_stats;   /* mu and sigma of a reference to use for the Frechet distance, for the network
                                whose features have that size; NULL: the reference's own */
    const char *write_stats; /* write mu and sigma of the reference, in the features of the last network */
    const char *sheet;       /* write a picture of samples beside their nearest training images; NULL: no */
    const char *cache;       /* folder where features of references are kept; NULL: nowhere */
    unsigned metrics;        /* bits PYR_METRIC_KID … */
    void (*on_note)(void *ctx, const char *line); /* warnings, what is under way; NULL: none */
    void *ctx;
} pyr_evaluate_job;

typedef struct pyr_measurement {
    const char *metric;      /* "frechet"; static */
    int level;               /* 0: the finest; -1: not of a level */
    double value, deviation; /* NAN: none */
    int64_t n, n_reference;  /* images; n_reference 0: not known, or no reference */
    const char *reference;   /* name; NULL: none. Borrowed from the evaluation, as `features` */
    uint64_t reference_hash;
    const char *features; /* name of the network; NULL: of pixels */
    uint64_t features_hash;
} pyr_measurement;

/* A figure that was asked for and cannot be measured, and why: of too few images, of images of one pixel. */
typedef struct pyr_left_out {
    const char *metric; /* static */
    char reason[200];
} pyr_left_out;

enum { PYR_LEFT_OUT = 16 };

typedef struct pyr_evaluation {
    pyr_measurement figure[PYR_MEASUREMENTS];
    int figures;
    pyr_left_out left_out[PYR_LEFT_OUT];
    int left_outs;
    int from_cache;                        /* features of references that were found there */
    char *names[2 + PYR_FEATURE_NETWORKS]; /* what the figures' texts point to; owned */
    pyr_names warnings;                    /* sentences; owned */
} pyr_evaluation;

/* PYR_E_SHAPE when sizes differ, or grey files are compared with colours or the other way round, or a network
 * cannot read them; PYR_E_STOPPED when a stop was requested. A metric that does not apply (a network's
 * without a network, consistency without a run) is left out, and so is, with its reason, one that needs more
 * images than there are. The caller frees *out, on failure too. */
pyr_status pyr_evaluate(pyr_evaluation *out, const pyr_evaluate_job *job);
/* All that can be found wrong before there are samples (job->samples is not looked at when job->planned is
 * above 0): an empty reference where a metric needs one, too few images for every metric, a network that
 * cannot be opened or does not read the data's images, statistics that fit no network. */
pyr_status pyr_evaluate_check(const pyr_evaluate_job *job);
/* Of these, what needs no network: an empty reference where a metric needs one. */
pyr_status pyr_evaluate_check_reference(const pyr_evaluate_job *job);
/* Whether images of this size, called `name`, can be compared with the data: PYR_E_SHAPE. */
pyr_status pyr_evaluate_size(const pyr_evaluate_job *job, const char *name, int h, int w, int c);
void pyr_evaluation_free(pyr_evaluation *e); /* back to {0}; no-op on {0} */

/* The value of a figure (level -1: not of a level; network 0: of pixels or of the first network); NAN when it
 * was not measured. */
double pyr_evaluation_value(const pyr_evaluation *e, const char *metric, int level);

/* Add, as members of the object that is open, what the set is ("input", "input_hash", "images", "bits", of a
 * run its "class" (where they are of some), "level" (where only one was drawn), "sampler", "steps", "given"
 * (where not all levels were drawn), "nfe", "sample_flop", "sample_s"), then "metrics" (one number each,
 * arrays per level; of pixels and of the first network), "figures" (all, with what they are of), "left_out"
 * (with reasons; null in "metrics") and "warnings". Arrays per level begin with the coarsest. */
void pyr_evaluation_json(const pyr_evaluation *e, const pyr_image_set *samples, pyr_json *json);

/* A classifier for a data set with labels: the file of the cache that was trained on this very data, or one
 * trained now and kept there (a note says so). Where the cache cannot be written, or is NULL, the file lies
 * in a temporary folder until pyr_own_network_free, and a note says so. path is NULL when the data have no
 * labels. PYR_E_STOPPED when a stop was requested; PYR_E_IO when no folder can be written. */
typedef struct pyr_own_network {
    char *path;   /* its file */
    char *folder; /* of this file alone; NULL: the cache */
} pyr_own_network;
pyr_status pyr_default_network(pyr_own_network *out, pyr_kernels *k, const pyr_dataset *data,
                               const char *cache, void (*on_note)(void *ctx, const char *line), void *ctx);
void pyr_own_network_free(pyr_own_network *network); /* {0} is fine */

#endif
