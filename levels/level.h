/* level.h - one level of a pyramid: what it models, and the facts that travel with its weights. */
#ifndef PYR_LEVELS_LEVEL_H
#define PYR_LEVELS_LEVEL_H

#include "graph/safetensors.h"
#include "levels/class_list.h"
#include "levels/feed.h"
#include "levels/level_settings.h"

enum { PYR_MAX_BANDS = 4 };

/* Written into the metadata of the weights' file, so that a level copied into another run is known. */
typedef struct pyr_level_facts {
    int index, levels;
    int h, w, c;          /* images at level 0 */
    int bits;             /* of their samples, 8 or 16: what is drawn is written with as many */
    int filter;           /* of the pyramid */
    double filter_sigma;  /* gaussian */
    int condition;        /* pyr_condition */
    int classes;          /* 0: unconditional */
    double class_dropout; /* share of images that were trained as of no class; -1: not known (levels of
                             older programs do not say) */
    uint64_t data;        /* fingerprint of the data set */
    int bands;            /* 1, or 3 of details: channel j belongs to band j / (channels / bands) */
    double mean[PYR_MAX_BANDS], std[PYR_MAX_BANDS]; /* of the training set: z = (variable - mean) / std */
    double condition_std;
    double noise_unit; /* the condition's noise is an input channel, divided by this; 0: there is none */
    int prediction;    /* pyr_prediction */
    int objective;     /* pyr_objective that it was trained by */
    bool blind;        /* the network reads x unscaled, and its noise level is no input */
} pyr_level_facts;

typedef struct pyr_level {
    pyr_level_facts facts;
    pyr_level_settings settings;
    pyr_shape variable, condition; /* n = 1; condition.c = 0: none */
    pyr_precision precision;       /* of its graphs; pyr_level_init leaves it to the caller */
    pyr_unet_config unet;
    pyr_schedule schedule;         /* of training */
    const pyr_class_list *classes; /* what is written of them with the weights; borrowed; NULL: nothing */
    bool weaker;                   /* in sampling: guidance leads away from a weaker network */
} pyr_level;

/* A new level for images of the pyramid; statistics are still 0. PYR_E_CONFIG. */
pyr_status pyr_level_init(pyr_level *out, const pyr_level_settings *settings, const pyr_pyramid *pyramid,
                          int index, int classes, uint64_t fingerprint);

/* Mean and standard deviation of variable and condition over the training set (at most 16384 images of
 * it, evenly spaced), the same for every number of threads. PYR_E_FORMAT when the level is constant. */
pyr_status pyr_level_measure(pyr_level *level, pyr_feed *feed);

/* variable (n images) = z * std + mean, in place. */
pyr_status pyr_level_destandardise(const pyr_level *level, pyr_kernels *k, int n, void *z,
                                   const void *vector);

/* The band of details that number i of a level's variable belongs to. */
int pyr_band_of(const pyr_level *level, size_t i);
/* n variables of a level in place: image units to z, and back. */
void pyr_standardise_host(const pyr_level *level, int n, double *variable);
void pyr_destandardise_host(const pyr_level *level, int n, double *z);
/* The vector that goes with it (`back`), or with its opposite z = (variable - mean) / std for the graph: per image
 * 2c numbers [scale - 1 | shift]; host. */
void pyr_level_vector(const pyr_level *level, bool back, double *vector);
/* The same for each of `batch` images, in backend memory; _new: in a new block, which the caller releases, on
 * failure too. */
pyr_status pyr_level_put_vector(const pyr_level *level, pyr_kernels *k, void *dst, int batch, bool back);
pyr_status pyr_level_vector_new(void **out, const pyr_level *level, pyr_kernels *k, int batch, bool back);

/* How the network stands in the denoiser at noise level s: it reads (in x, condition, time), and
 * D = skip x + out N. */
typedef struct pyr_level_coefs {
    double in, time;
    pyr_conversion to;
} pyr_level_coefs;
pyr_level_coefs pyr_level_coefs_at(const pyr_level *level, double s);

double pyr_level_side(const pyr_level *level);            /* sqrt(h w) */
int pyr_level_condition_channels(const pyr_level *level); /* what the network reads beside the variable */
/* What the channel of the condition's noise holds for noise of standard deviation `amount`, image units. */
double pyr_level_noise_channel(const pyr_level *level, double amount);

/* Facts to and from metadata. The texts of the pairs live in `text`, which the caller frees. */
enum { PYR_FACT_PAIRS = 17 };
pyr_status pyr_facts_write(const pyr_level_facts *facts, pyr_st_pair pairs[PYR_FACT_PAIRS], size_t *n,
                           pyr_text *text);
/* PYR_E_FORMAT when the file's metadata lack them: then it is not a level of ours. */
pyr_status pyr_facts_read(pyr_level_facts *out, const pyr_safetensors *file, const char *path);
/* Whether both are of one variable: the same level of the same data, pyramid and standardisation. */
bool pyr_facts_same_variable(const pyr_level_facts *a, const pyr_level_facts *b);
/* PYR_E_CONFIG with the reason unless the two can stand in one pyramid. */
pyr_status pyr_facts_match(const pyr_level_facts *a, const char *name_a, const pyr_level_facts *b,
                           const char *name_b);

/* Files of what was measured of a level (gaussian.h, class_fit.h, score_moments.h): tensors of f64 with its facts. */
enum { PYR_MEASURED_PAIRS = 2 };

/* FOLDER/NAME: the tensors, with the level's facts and `more`, n_more <= PYR_MEASURED_PAIRS pairs. */
pyr_status pyr_measured_write(const char *folder, const char *name, const pyr_level_facts *facts,
                              const pyr_st_entry *tensors, size_t n_tensors, const pyr_st_pair *more,
                              size_t n_more);
/* out[count] = the tensor's numbers, finite and at least `least`. PYR_E_FORMAT, failures of reading. */
pyr_status pyr_measured_read(const pyr_safetensors *file, const char *name, double *out, size_t count,
                             double least, const char *path);
/* PYR_E_FORMAT unless the file is of this level's variable; the sentence says how to measure it again in `run`. */
pyr_status pyr_measured_check(const pyr_safetensors *file, const pyr_level *level, const char *path,
                              const char *run);

#endif
