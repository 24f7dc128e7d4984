/* cmd_vary.c - pyrdiff vary */
#include "base/mem.h"
#include "base/text.h"
#include "cli/tasks/tasking.h"
#include "tasks/layers.h"
#include "tasks/sdedit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct typed {
    pyr_task_typed task;
    const char *from;
    int keep;
} typed;

static const double freely = 1e30; /* over every schedule */

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
        if (n >= levels || !pyr_parse_real(word, &from[n]) || from[n] < 0)
            return pyr_fail(PYR_E_ARG,
                            "--from is %s, should be one noise level of 0 or more, or %d, one for each "
                            "level from the coarsest on",
                            text, levels);
        at += length + (at[length] == ',');
    }
    if (n != 1 && n != levels)
        return pyr_fail(PYR_E_ARG,
                        "--from %s has %d numbers, the run has %d levels: give one, or one a level from the "
                        "coarsest on",
                        text, n, levels);
    for (int i = n; i < levels; i++)
        from[i] = from[0];
    for (int i = 0; i < levels / 2; i++) {
        double other = from[i];

        from[i] = from[levels - 1 - i];
        from[levels - 1 - i] = other;
    }
    return PYR_OK;
}

/* Where each level starts, by its index. */
static pyr_status choose(const pyr_tasking *t, const typed *o, double *from)
{
    int levels = pyr_model_levels(t->model);

    for (int i = 0; i < levels; i++)
        from[i] = freely;
    if (!*o->from && o->keep < 0)
        return pyr_fail(PYR_E_ARG, "how much of the picture is to stay? Add --from S (noise, say 1), or "
                                   "--keep-levels-above I");
    if (*o->from)
        PYR_TRY(parse_from(o->from, levels, from));
    if (o->keep >= 0 && (levels == 1 || o->keep > levels - 2))
        return pyr_fail(PYR_E_ARG, "--keep-levels-above is %d, but the coarsest level of this run is %d%s",
                        o->keep, levels - 1, levels == 1 ? ": use --from" : "");
    for (int i = o->keep + 1; o->keep >= 0 && i < levels; i++)
        from[i] = 0;
    return PYR_OK;
}

/* Coarsest levels that are kept are given as the image that they make together; there is no need to draw
 * them. */
static pyr_status given_image(float **out, int *level, const pyr_tasking *t, const float *image,
                              const double *from)
{
    pyr_layers layers = {0};
    pyr_status status;
    size_t size;

    *out = NULL;
    *level = pyr_model_levels(t->model);
    while (*level > 0 && from[*level - 1] == 0)
        --*level;
    if (*level == pyr_model_levels(t->model))
        return PYR_OK;
    size = pyr_count(pyr_model_image(t->model, *level));
    PYR_TRY_OUT(pyr_layers_new(&layers, t->model, image));
    PYR_TRY_OUT(pyr_new(out, size, sizeof **out, "a level"));
    for (size_t i = 0; i < size; i++)
        (*out)[i] = (float)layers.image[*level][i];
out:
    pyr_layers_free(&layers);
    return status;
}

static pyr_status draw(pyr_tasking *t, const typed *o, const float *image)
{
    double from[PYR_MAX_LEVELS];
    pyr_vary *vary = NULL;
    float *coarse = NULL;
    int given;
    pyr_status status;

    PYR_TRY(choose(t, o, from));
    PYR_TRY_OUT(pyr_vary_new(&vary, t->model, image, from));
    PYR_TRY_OUT(given_image(&coarse, &given, t, image, from));
    if (coarse && given == 0) {
        status = pyr_fail(PYR_E_ARG, "--from %s keeps all levels: nothing would vary", o->from);
        goto out;
    }
    for (int level = pyr_model_levels(t->model) - 1; level >= 0; level--)
        if (from[level] == 0)
            pyr_bar_line(&t->bar, "level %d: kept", level);
        else if (from[level] == freely)
            pyr_bar_line(&t->bar, "level %d: drawn freely", level);
        else
            pyr_bar_line(&t->bar, "level %d: from noise of %g", level, from[level]);
    PYR_TRY_OUT(pyr_tasking_draw(
        t, &(pyr_task_draw){.coarse = coarse, .given = coarse ? given : 0, .hooks = pyr_vary_hooks(vary)}));
out:
    pyr_vary_free(vary);
    pyr_free(coarse);
    return status;
}

static pyr_status vary(pyr_tasking *t, const void *at)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    float *image;
    pyr_status status;

    PYR_TRY(pyr_task_picture(&image, t, t->arguments[0], 0));
    PYR_TRY_OUT(draw(t, at, image));
    PYR_TRY_OUT(pyr_tasking_show(t, image, 1, s.h, s.w, s.c));
    PYR_TRY_OUT(pyr_tasking_finish(t));
out:
    pyr_free(image);
    return status;
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    return pyr_task_run(at, parsed, NULL, vary);
}

static const pyr_option options[] = {
    OPT_TEXT(typed, from, "from", "S,S,S", "",
             "noise level that each level starts from, coarsest first, or one number for all, in standard "
             "deviations of the level; 0 keeps the level as it is"),
    OPT_INT(typed, keep, "keep-levels-above", "I", "-1", 0, PYR_MAX_LEVELS,
            "keep level I + 1 and the coarser ones; draw level I and the finer ones, from pure noise or from "
            "--from",
            .untyped = "keep none"),
    OPT_SEEDS(typed, task.seeds, "0-7"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_vary = {
    .name = "vary",
    .title = "draw variations of a picture",
    .arguments = "IMAGE",
    .least = 1,
    .most = 1,
    .summary =
        "Draw variations of a picture: noise is added to each level of its pyramid and removed again by "
        "the model (SDEdit). Writes a PNG for each seed, and vary.png, which shows the picture and the "
        "results.",
    .examples = "  pyrdiff vary shirt.png --network runs/fashion-mnist --from 1 --seeds 0-7 --outdir out\n"
                "  pyrdiff vary shirt.png --network runs/fashion-mnist --from 0.5,2,2\n"
                "  pyrdiff vary shirt.png --network runs/fashion-mnist --keep-levels-above 1\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
