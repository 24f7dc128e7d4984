/* cmd_inpaint.c - pyrdiff inpaint */
#include "cli/tasks/shooting_task.h"
#include "tasks/inverse.h"
#include "tasks/known.h"

typedef struct typed {
    pyr_task_typed task;
    pyr_typed_shooting shooting;
    int repeats, method;
    double noise;
} typed;

enum { REPLACE, SHOOTING };
static const char *const methods[] = {"replace", "shooting", NULL};

/* The picture, the mask, and the picture in grey where it is drawn anew. */
static pyr_status show(pyr_tasking *t, const uint8_t *mask)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    size_t pixels = (size_t)s.h * (size_t)s.w, c = (size_t)s.c;
    float *white;
    pyr_status status;

    PYR_TRY(pyr_new(&white, pixels, sizeof *white, "a picture"));
    for (size_t i = 0; i < pixels; i++)
        white[i] = mask[i] ? 1 : -1;
    PYR_TRY_OUT(pyr_tasking_show(t, t->picture, 1, s));
    PYR_TRY_OUT(pyr_tasking_show(t, white, 1, (pyr_shape){1, s.h, s.w, 1}));
    for (size_t i = 0; i < pixels * c; i++)
        t->picture[i] = mask[i / c] ? 0 : t->picture[i];
    PYR_TRY_OUT(pyr_tasking_show(t, t->picture, 1, s));
out:
    pyr_free(white);
    return status;
}

/* The given part is put back in every step. */
static pyr_status replace(pyr_tasking *t, const typed *o, const uint8_t *mask)
{
    pyr_known *known = NULL;
    pyr_status status;

    PYR_TRY(pyr_known_new(&known, t->model, t->picture, mask, o->repeats));
    for (int level = t->model->levels - 1; level >= 0; level--)
        pyr_bar_line(&t->bar, "level %d: %.1f%% of its pixels are known", level,
                     100 * pyr_known_share(known, level));
    status = pyr_tasking_draw(t, &(pyr_task_draw){.hooks = pyr_known_hooks(known)});
    pyr_known_free(known);
    return status;
}

/* The start is looked for from which the given part comes out, up to --noise; it is put in at the end. */
static pyr_status shoot(pyr_tasking *t, const typed *o, const uint8_t *mask)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    size_t size = pyr_count(s), c = (size_t)s.c;
    double *y = NULL;
    pyr_operator a;
    pyr_status status;

    PYR_TRY_OUT(pyr_operator_new(&a, PYR_OPERATOR_MISSING, 0, mask, s));
    PYR_TRY_OUT(pyr_new(&y, size, sizeof *y, "a picture"));
    for (size_t i = 0; i < size; i++)
        y[i] = mask[i / c] ? 0 : (double)t->picture[i];
    PYR_TRY_OUT(pyr_tasking_shoot_seeds(t, &o->shooting, &a, y, pyr_inverse_noise(o->noise, t->model->bits)));
    for (size_t i = 0; i < t->n * size; i++)
        if (!mask[i % size / c])
            t->drawn[i] = t->picture[i % size];
out:
    pyr_operator_free(&a);
    pyr_free(y);
    return status;
}

static pyr_status prepare(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    bool shooting = o->method == SHOOTING;

    PYR_TRY(pyr_tasking_method(t, &o->shooting, shooting, (const char *const[]){"noise", NULL},
                               (const char *const[]){"repeats", NULL}));
    return shooting ? pyr_tasking_euler(t) : PYR_OK;
}

static pyr_status inpaint(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    uint8_t *mask = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_task_picture(&t->picture, t, t->arguments[0], 0));
    PYR_TRY_OUT(pyr_task_mask(&mask, t, t->arguments[1]));
    PYR_TRY_OUT(o->method == SHOOTING ? shoot(t, o, mask) : replace(t, o, mask));
    PYR_TRY_OUT(show(t, mask));
    PYR_TRY_OUT(pyr_tasking_finish(t));
out:
    pyr_free(mask);
    return status;
}

static const pyr_option options[] = {
    OPT_REPEATS(typed, repeats, "4"),
    OPT_CHOICE(typed, method, "method", "NAME", "replace", methods,
               "put the given part back in every step, or look for the start from which the ODE comes to it "
               "(shooting)"),
    OPT_REAL(typed, noise, "noise", "S", "0.02", 0, 10,
             "shooting: standard deviation that the given part may be missed by, of values from -1 to 1"),
    OPT_GROUP(typed, shooting, pyr_shooting_options),
    OPT_SEEDS(typed, task.seeds, "0-7"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_inpaint = {
    .name = "inpaint",
    .title = "draw a part of a picture again, where a mask is white",
    .arguments = "IMAGE MASK",
    .least = 2,
    .most = 2,
    .summary =
        "Draw a part of a picture again: the pixels where MASK, a picture of the same size, is white. "
        "Pixels where it is black keep their values exactly. Writes a PNG for each seed, and inpaint.png, "
        "which shows the picture, the mask, the known pixels and the results.",
    .examples = "  pyrdiff inpaint shirt.png mask.png --network runs/fashion-mnist --seeds 0-7 --outdir out\n"
                "  pyrdiff inpaint shirt.png mask.png --network runs/fashion-mnist --repeats 10\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){inpaint, prepare},
};
