/* cmd_colorize.c - pyrdiff colorize */
#include "cli/tasks/tasking.h"
#include "tasks/known.h"

typedef struct typed {
    pyr_task_typed task;
    int repeats;
} typed;

/* The picture, and its grey values. */
static pyr_status show(pyr_tasking *t)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    float *pixel = t->picture;

    PYR_TRY(pyr_tasking_show(t, t->picture, 1, s));
    for (int i = 0; i < s.h * s.w; i++, pixel += 3)
        pixel[0] = pixel[1] = pixel[2] = (pixel[0] + pixel[1] + pixel[2]) / 3;
    return pyr_tasking_show(t, t->picture, 1, s);
}

static pyr_status colorize(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    pyr_known *known;
    pyr_status status;

    PYR_TRY(pyr_task_picture(&t->picture, t, t->arguments[0], 0));
    PYR_TRY(pyr_known_new(&known, t->model, t->picture, NULL, o->repeats));
    status = pyr_tasking_draw(t, &(pyr_task_draw){.hooks = pyr_known_hooks(known)});
    pyr_known_free(known);
    PYR_TRY(status);
    PYR_TRY(show(t));
    return pyr_tasking_finish(t);
}

static const pyr_option options[] = {
    OPT_REPEATS(typed, repeats, "2"),
    OPT_SEEDS(typed, task.seeds, "0-7"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_colorize = {
    .name = "colorize",
    .title = "give colours to a picture and keep its grey",
    .arguments = "IMAGE",
    .least = 1,
    .most = 1,
    .summary =
        "Give colours to a picture. Its grey values, (R + G + B)/3, are kept up to rounding to 8 bits; of "
        "a picture in colour only these are used. Writes a PNG for each seed, and colorize.png, which "
        "shows the picture, its grey values and the results.",
    .examples = "  pyrdiff colorize horse.png --network runs/cifar10 --seeds 0-7 --outdir out\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){.body = colorize},
};
