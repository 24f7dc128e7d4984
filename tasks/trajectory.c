/* trajectory.c - what the sampler has at ten moments of every level. */
#include "tasks/trajectory.h"

#include "base/mem.h"
#include <math.h>

enum { MOMENTS = PYR_TRAJECTORY_MOMENTS, FRAMES = PYR_TRAJECTORY_FRAMES };

/* What one lane is at. */
typedef struct lane_at {
    pyr_trajectory *t;
    pyr_model_stage stage;
    int calls;              /* of the hook at this level */
    void *variable, *image; /* backend memory */
} lane_at;

struct pyr_trajectory {
    const pyr_model *model;
    pyr_model_hooks hooks;
    int batch, lanes;
    lane_at *lane;                /* [lanes] */
    float *frame[PYR_MAX_LEVELS]; /* batch x FRAMES images of the level */
};

static size_t image_size(const pyr_model *model, int level)
{
    return pyr_count(pyr_model_image(model, level));
}

/* ---- looking on -------------------------------------------------------------------------------- */

/* Frame (row, moment) of this stage's images, from x times `scale` in standardised units. */
static pyr_status put_frame(const lane_at *at, int row, int moment, double scale, const void *x)
{
    const pyr_model_stage *stage = &at->stage;
    pyr_kernels *k = stage->model->k;
    const pyr_sampled_level *s = &stage->model->level[stage->level];
    size_t size = image_size(stage->model, stage->level), real = pyr_type_size(k->real);
    float *to = at->t->frame[stage->level] + ((size_t)stage->first * FRAMES + row * MOMENTS + moment) * size;

    pyr_combine(k, at->variable, 1, &scale, &x, (size_t)stage->n * pyr_count(s->level.variable));
    PYR_TRY(pyr_level_destandardise(&s->level, k, stage->n, at->variable, s->vector));
    pyr_pyramid_synthesize(stage->model->pyramid, stage->level, stage->n, stage->coarse, stage->condition,
                           at->variable, at->image, stage->scratch);
    for (int i = 0; i < stage->n; i++)
        PYR_TRY(pyr_download_floats(k, to + (size_t)i * FRAMES * size,
                                    (const char *)at->image + (size_t)i * size * real, size));
    return PYR_OK;
}

static pyr_status look(void *ctx, int step, double s, void *x, const void *denoised)
{
    const lane_at *at = ctx;

    for (int m = 0; m < MOMENTS; m++) {
        if ((m * (at->calls - 1) + (MOMENTS - 1) / 2) / (MOMENTS - 1) != step)
            continue;
        PYR_TRY(put_frame(at, 0, m, 1 / sqrt(1 + s * s), x));
        PYR_TRY(put_frame(at, 1, m, 1, denoised));
    }
    return PYR_OK;
}

static pyr_status begin_level(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    pyr_trajectory *t = ctx;
    lane_at *at = &t->lane[stage->lane];
    const pyr_sampler *sampler = &stage->model->level[stage->level].level.settings.sampler;
    int steps = pyr_sampler_has(sampler, PYR_SAMPLER_ADAPTIVE) && sampler->steps == 1 ? 2 : sampler->steps;

    at->t = t;
    at->stage = *stage;
    at->calls = sampler->undenoised ? steps - 1 : steps;
    draw->after = look;
    draw->after_ctx = at;
    return PYR_OK;
}

const pyr_model_hooks *pyr_trajectory_hooks(const pyr_trajectory *t)
{
    return &t->hooks;
}

/* ---- memory ------------------------------------------------------------------------------------ */

static pyr_status allocate(pyr_trajectory *t)
{
    pyr_kernels *k = t->model->k;
    size_t variable = 0, image = 0, n = (size_t)t->model->batch * pyr_type_size(k->real);

    for (int i = 0; i < t->model->levels; i++) {
        size_t size = image_size(t->model, i), count = pyr_count(t->model->level[i].level.variable);

        image = size > image ? size : image;
        variable = count > variable ? count : variable;
        PYR_TRY(pyr_new(&t->frame[i], (size_t)t->batch * FRAMES * size, sizeof(float), "trajectories"));
    }
    PYR_TRY(pyr_new(&t->lane, (size_t)t->lanes, sizeof *t->lane, "trajectories"));
    for (int i = 0; i < t->lanes; i++) {
        PYR_TRY(pyr_alloc(k, &t->lane[i].variable, n * variable, "trajectories"));
        PYR_TRY(pyr_alloc(k, &t->lane[i].image, n * image, "trajectories"));
    }
    return PYR_OK;
}

pyr_status pyr_trajectory_new(pyr_trajectory **out, const pyr_model *model, int batch)
{
    pyr_trajectory *t;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&t, 1, sizeof *t, "trajectories"));
    t->model = model;
    t->batch = batch;
    t->lanes = model->k->lanes;
    t->hooks = (pyr_model_hooks){.ctx = t, .before = begin_level};
    status = allocate(t);
    if (status != PYR_OK)
        pyr_trajectory_free(t);
    else
        *out = t;
    return status;
}

void pyr_trajectory_free(pyr_trajectory *t)
{
    if (!t)
        return;
    for (int i = 0; t->lane && i < t->lanes; i++) {
        pyr_kernels *k = t->model->k;

        pyr_release(k, t->lane[i].variable);
        pyr_release(k, t->lane[i].image);
    }
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(t->frame[i]);
    pyr_free(t->lane);
    pyr_free(t);
}

const float *pyr_trajectory_frames(const pyr_trajectory *t, int level)
{
    return t->frame[level];
}
