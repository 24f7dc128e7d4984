/* handles.h - what is behind the opaque types of include/pyrdiff.h. */
#ifndef PYR_API_HANDLES_H
#define PYR_API_HANDLES_H

#include "api/call.h"
#include "cascade/model.h"
#include "cascade/run.h"
#include "diffusers/pipeline.h"
#include "eval/image_set.h"
#include "include/pyrdiff.h"

/* One setting as it was set, so that it can be set again when the levels are fitted to the images. */
typedef struct pyr_set_before {
    char *key, *value, *origin;
} pyr_set_before;

struct pyrdiff_settings {
    pyr_settings *at;
    bool fitting; /* the configuration that is built in, not fitted to any images yet */
    pyr_set_before *before;
    size_t n, room;
};

/* Fit the levels to the images, with a note, where that is to be done. */
pyr_status pyr_settings_fit(pyrdiff_settings *settings, const pyr_dataset *data, pyr_call *call);
/* The data set that they name, fitted; *out NULL when they name none. */
pyr_status pyr_settings_data(pyr_dataset **out, pyrdiff_settings *settings, pyr_call *call);

struct pyrdiff_data {
    pyr_dataset *set; /* NULL: pictures */
    char *path;       /* of pictures */
    pyr_sample_files files;
    pyr_image_set images; /* of a file that is no picture */
    bool one;             /* the path is one picture */
    int64_t n;            /* of pictures */
    int64_t at;           /* the picture in `last`; -1: none */
    pyr_image last;
    pyr_text text; /* of the last facts */
};

struct pyrdiff_model {
    pyr_kernels *k;
    pyr_model *run; /* NULL: a pipeline */
    pyr_pipeline *pipeline;
    pyr_pipeline_files files; /* of the pipeline */
    char *path, words[104];   /* words: of the pipeline's sampler */
};

/* What pyrdiff_model_facts_of() gives, and how a level's residuals are made visible: one gain for all. */
pyr_status pyr_facts_of_model(pyrdiff_model_facts *out, const pyrdiff_model *m, int level);
double pyr_gain_of(const pyr_model *m, int level);

#endif
