/* sdedit.c - starts each level from the picture's own variable with noise, and samples down from there. */
#include "tasks/sdedit.h"

#include "base/mem.h"
#include "base/text.h"
#include "tasks/known.h"
#include "tasks/lanes.h"
#include "tasks/layers.h"
#include <string.h>

struct pyr_vary {
    pyr_model *m;
    pyr_layers layers;
    pyr_task_lanes lanes;
    pyr_known *known; /* what stays; NULL: there is no mask */
    pyr_model_hooks hooks;
    double from[PYR_MAX_LEVELS];
};

enum { X, NOISE };

/* x = z + S eps of this stage's images as the level's start. Noise of the task's own streams, so that seeds
 * differ from their plain samples. */
static pyr_status before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    const pyr_vary *vary = ctx;
    const pyr_sampled_level *level = &vary->m->level[stage->level];
    size_t size = pyr_count(level->level.variable), n = (size_t)stage->n;
    pyr_task_lane *l = &vary->lanes.lane[stage->lane];
    double from = vary->from[stage->level];
    const pyr_model_hooks *known = vary->known ? pyr_known_hooks(vary->known) : NULL;

    if (known)
        PYR_TRY(known->before(known->ctx, stage, draw));
    if (from == 0 || from >= pyr_schedule_highest(&level->schedule))
        return PYR_OK;
    PYR_TRY(pyr_task_noise(&vary->lanes, stage, size, 0, l->v[NOISE]));
    for (size_t i = 0; i < n * size; i++)
        l->v[X][i] = vary->layers.variable[stage->level][i % size] + from * l->v[NOISE][i];
    PYR_TRY(pyr_upload_reals(vary->m->k, l->real, l->v[X], n * size));
    draw->start = l->real;
    draw->from = from;
    return PYR_OK;
}

/* A level that is kept: its variable is the picture's. */
static pyr_status drawn(void *ctx, const pyr_model_stage *stage, void *variable)
{
    const pyr_vary *vary = ctx;
    const pyr_level *level = &vary->m->level[stage->level].level;
    size_t size = pyr_count(level->variable);
    double *x = vary->lanes.lane[stage->lane].v[X];
    const pyr_model_hooks *known = vary->known ? pyr_known_hooks(vary->known) : NULL;

    if (vary->from[stage->level] != 0)
        return known ? known->drawn(known->ctx, stage, variable) : PYR_OK;
    for (size_t i = 0; i < (size_t)stage->n; i++)
        memcpy(x + i * size, vary->layers.variable[stage->level], size * sizeof *x);
    pyr_destandardise_host(level, stage->n, x);
    PYR_TRY(pyr_upload_reals(vary->m->k, variable, x, (size_t)stage->n * size));
    return known ? known->drawn(known->ctx, stage, variable) : PYR_OK;
}

static pyr_status synthesized(void *ctx, const pyr_model_stage *stage, void *image)
{
    const pyr_vary *vary = ctx;
    const pyr_model_hooks *known = vary->known ? pyr_known_hooks(vary->known) : NULL;

    return known ? known->synthesized(known->ctx, stage, image) : PYR_OK;
}

static pyr_status check(const pyr_vary *vary)
{
    for (int level = vary->m->levels - 1; level >= 0; level--) {
        const pyr_schedule *s = &vary->m->level[level].schedule;
        double from = vary->from[level];

        if (!(from == 0 || from > pyr_schedule_lowest(s)))
            return pyr_fail(
                PYR_E_ARG,
                "level %d would start from noise of %g, should be 0 (kept as it is) or over the smallest of its schedule, %g",
                level, from, pyr_schedule_lowest(s));
    }
    return PYR_OK;
}

pyr_status pyr_vary_new(pyr_vary **out, pyr_model *m, const float *image, const double *from,
                        const uint8_t *regenerate, const float *kept)
{
    pyr_vary *vary;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&vary, 1, sizeof *vary, "a task"));
    vary->m = m;
    memcpy(vary->from, from, (size_t)m->levels * sizeof *from);
    vary->hooks =
        (pyr_model_hooks){.ctx = vary, .before = before, .drawn = drawn, .synthesized = synthesized};
    PYR_TRY_OUT(check(vary));
    PYR_TRY_OUT(pyr_task_lanes_new(&vary->lanes, m));
    PYR_TRY_OUT(pyr_layers_new(&vary->layers, m, image));
    if (regenerate)
        PYR_TRY_OUT(pyr_known_new(&vary->known, m, kept ? kept : image, regenerate, 1));
    *out = vary;
    return PYR_OK;
out:
    pyr_vary_free(vary);
    return status;
}

void pyr_vary_free(pyr_vary *vary)
{
    if (!vary)
        return;
    pyr_known_free(vary->known);
    pyr_task_lanes_free(&vary->lanes);
    pyr_layers_free(&vary->layers);
    pyr_free(vary);
}

const pyr_model_hooks *pyr_vary_hooks(const pyr_vary *vary)
{
    return &vary->hooks;
}

/* ---- as it is typed ------------------------------------------------------------------------------ */

/* "2,1,0.5", coarsest first, or one number for all levels. */
static pyr_status parse_from(const char *text, int levels, double *from)
{
    char word[64];
    int n = 0;

    for (const char *at = text; *at; n++) {
        size_t length = strcspn(at, ",");

        if (length >= sizeof word)
            return pyr_fail(PYR_E_ARG, "--from: %.20s... is not a number", at);
        memcpy(word, at, length);
        word[length] = 0;
        if (n >= levels || !pyr_parse_real(word, &from[levels - 1 - n]) || from[levels - 1 - n] < 0)
            return pyr_fail(
                PYR_E_ARG,
                "--from is %s, should be one noise level of 0 or more, or %d, one for each level from the coarsest on",
                text, levels);
        at += length + (at[length] == ',');
    }
    if (n != 1 && n != levels)
        return pyr_fail(
            PYR_E_ARG,
            "--from %s has %d numbers, the run has %d levels: give one, or one a level from the coarsest on",
            text, n, levels);
    for (int i = 0; i < levels - n; i++) /* one for all */
        from[i] = from[levels - 1];
    return PYR_OK;
}

pyr_status pyr_vary_from(double *from, const char *text, int keep, int levels)
{
    for (int i = 0; i < levels; i++)
        from[i] = PYR_VARY_FREELY;
    if (!*text && keep < 0)
        return pyr_fail(
            PYR_E_ARG,
            "how much of the picture is to stay? Add --from S (noise, say 1), or --keep-levels-above I");
    if (*text)
        PYR_TRY(parse_from(text, levels, from));
    if (keep >= 0 && (levels == 1 || keep > levels - 2))
        return pyr_fail(PYR_E_ARG, "--keep-levels-above is %d, but the coarsest level of this run is %d%s",
                        keep, levels - 1, levels == 1 ? ": use --from" : "");
    for (int i = keep + 1; keep >= 0 && i < levels; i++)
        from[i] = 0;
    return PYR_OK;
}

pyr_status pyr_vary_given(float **out, int *level, const pyr_model *m, const float *image, const double *from)
{
    pyr_layers layers = {0};
    pyr_status status;
    size_t size;

    *out = NULL;
    *level = m->levels;
    while (*level > 0 && from[*level - 1] == 0)
        --*level;
    if (*level == 0)
        return pyr_fail(PYR_E_ARG, "--from keeps all levels: nothing would vary");
    if (*level == m->levels)
        return PYR_OK;
    size = pyr_count(pyr_model_image(m, *level));
    PYR_TRY_OUT(pyr_layers_new(&layers, m, image));
    PYR_TRY_OUT(pyr_new(out, size, sizeof **out, "a level"));
    for (size_t i = 0; i < size; i++)
        (*out)[i] = (float)layers.image[*level][i];
out:
    pyr_layers_free(&layers);
    return status;
}
