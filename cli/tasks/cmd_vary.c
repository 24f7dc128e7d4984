/* cmd_vary.c - pyrdiff vary */
#include "base/text.h"
#include "cli/tasks/tasking.h"
#include "tasks/layers.h"
#include "tasks/sdedit.h"
#include <string.h>

typedef struct typed {
    pyr_task_typed task;
    const char *from, *mask, *strokes;
    int keep;
} typed;

static pyr_status vary(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    double from[PYR_MAX_LEVELS];
    pyr_vary *vary = NULL;
    float *coarse = NULL, *plain = NULL;
    uint8_t *mask = NULL;
    int given;
    pyr_status status;

    PYR_TRY(pyr_task_picture(&t->picture, t, t->arguments[0], 0));
    PYR_TRY(pyr_vary_from(from, o->from, o->keep, t->model->levels));
    if (*o->strokes) {
        size_t size = pyr_count(pyr_model_image(t->model, 0));

        PYR_TRY_OUT(pyr_new(&plain, size, sizeof *plain, "a picture"));
        memcpy(plain, t->picture, size * sizeof *plain);
        PYR_TRY_OUT(pyr_tasking_show(t, t->picture, 1, pyr_model_image(t->model, 0)));
        PYR_TRY_OUT(pyr_task_strokes(t->picture, t, o->strokes));
    }
    if (*o->mask)
        PYR_TRY_OUT(pyr_task_mask(&mask, t, o->mask));
    PYR_TRY_OUT(pyr_vary_new(&vary, t->model, t->picture, from, mask, plain));
    PYR_TRY_OUT(pyr_vary_given(&coarse, &given, t->model, t->picture, from));
    for (int level = t->model->levels - 1; level >= 0; level--)
        if (from[level] == 0)
            pyr_bar_line(&t->bar, "level %d: kept", level);
        else if (from[level] == PYR_VARY_FREELY)
            pyr_bar_line(&t->bar, "level %d: drawn freely", level);
        else
            pyr_bar_line(&t->bar, "level %d: from noise of %g", level, from[level]);
    PYR_TRY_OUT(pyr_tasking_draw(
        t, &(pyr_task_draw){.coarse = coarse, .given = coarse ? given : 0, .hooks = pyr_vary_hooks(vary)}));
    PYR_TRY_OUT(pyr_tasking_show(t, t->picture, 1, pyr_model_image(t->model, 0)));
    PYR_TRY_OUT(pyr_tasking_finish(t));
out:
    pyr_vary_free(vary);
    pyr_free(coarse);
    pyr_free(plain);
    pyr_free(mask);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, from, "from", "S,S,S", "",
             "noise level that each level starts from, coarsest first, or one number for all, in standard "
             "deviations of the level; 0 keeps the level as it is"),
    OPT_INT(typed, keep, "keep-levels-above", "I", "-1", 0, PYR_MAX_LEVELS,
            "keep level I + 1 and the coarser ones; draw level I and the finer ones, from pure noise or from "
            "--from",
            .untyped = "keep none"),
    OPT_TEXT(typed, mask, "mask", "FILE", "",
             "vary where this picture is white; where it is black IMAGE stays exactly"),
    OPT_TEXT(typed, strokes, "strokes", "FILE", "",
             "a picture with transparency, of what is wanted: painted over IMAGE before the noise is added; "
             "with --mask, where that is white"),
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
        "the model (SDEdit); all of it, or where a mask is white; after strokes are painted over it. Writes a PNG for each seed, and vary.png, which shows the picture and the "
        "results.",
    .examples =
        "  pyrdiff vary shirt.png --network runs/fashion-mnist --from 1 --seeds 0-7 --outdir out\n"
        "  pyrdiff vary shirt.png --network runs/fashion-mnist --from 0.5,2,2\n"
        "  pyrdiff vary shirt.png --strokes sleeve.png --mask right.png --from 2 --network runs/fashion-mnist\n"
        "  pyrdiff vary shirt.png --network runs/fashion-mnist --keep-levels-above 1\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){.body = vary},
};
