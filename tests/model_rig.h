/* model_rig.h - a run of a few steps on the images of level_data.h, trained once, and its model, for tests of tasks. */
#ifndef PYR_TESTS_MODEL_RIG_H
#define PYR_TESTS_MODEL_RIG_H

#include "tests/level_data.h"

#include "cascade/model.h"
#include "training/train_run.h"

typedef struct rig {
    pyr_kernels *k;
    pyr_settings *settings;
    pyr_config config;
    pyr_model *m;
} rig;

static inline void rig_set(rig *r, const char *name, const char *value)
{
    CHECK_OK(pyr_settings_set(r->settings, name, value, "test"));
}

/* `r` with settings of the images alone; what else it needs is set next. */
static inline void rig_begin(rig *r)
{
    char value[200];

    *r = (rig){0};
    CHECK_OK(pyr_settings_new(&r->settings, pyr_all_sections));
    snprintf(value, sizeof value, "\"%s\"", below("data"));
    rig_set(r, "data.path", value);
    rig_set(r, "data.held_out", "10");
    rig_set(r, "level.batch", "16");
}

/* Trained with r's kernels, unless the run is there. */
static inline void rig_train(rig *r, const char *run)
{
    bool there;

    CHECK_OK(pyr_run_exists(&there, run));
    if (!there)
        CHECK_OK(pyr_train(&(pyr_train_job){.k = r->k, .run = run, .settings = r->settings, .level = -1}));
}

/* The model of a run, with r's kernels. `white`: its networks give 0, so that D = x / (1 + s^2). */
static inline bool rig_open(rig *r, const char *run, bool white)
{
    CHECK_OK(pyr_config_get(&r->config, r->settings));
    CHECK_OK(pyr_model_open(&r->m, r->k, run, &r->config));
    for (int level = 0; r->m && white && level < r->m->levels; level++) {
        pyr_sampled_level *l = &r->m->level[level];

        pyr_zero(r->k, l->block, l->params.count * pyr_type_size(r->k->real));
        CHECK_OK(pyr_denoiser_pack(&l->denoiser, l->block));
    }
    return r->m != NULL;
}

static inline void rig_free(rig *r)
{
    pyr_model_free(r->m);
    pyr_settings_free(r->settings);
    pyr_kernels_free(r->k);
}

#endif
