/* cmd_interpolate.c - pyrdiff interpolate */
#include "cli/tasks/tasking.h"
#include "settings/parse.h"
#include "tasks/latent.h"
#include <string.h>

typedef struct typed {
    pyr_task_typed task;
    int frames;
    double tolerance;
} typed;

/* One end of the strip: a picture, or a seed where there is no file of that name. */
static bool is_seed(const char *word)
{
    return *word && !word[strspn(word, "0123456789")] && !pyr_is_file(word);
}

/* Its latent; a picture stands in the sheet, too. */
static pyr_status latent_of(pyr_latent *out, pyr_tasking *t, const typed *o, const char *word)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    uint64_t *seed = NULL;
    float *image = NULL;
    size_t n;
    int label;
    pyr_status status;

    PYR_TRY_OUT(pyr_tasking_one_class(t, &label));
    if (is_seed(word)) {
        PYR_TRY_OUT(pyr_parse_seeds(word, &seed, &n));
        PYR_TRY_OUT(pyr_latent_of_seeds(out, t->model, 1, seed, label >= 0 ? &(int32_t){label} : NULL));
    } else {
        PYR_TRY_OUT(pyr_task_picture(&image, t, word, 0));
        PYR_TRY_OUT(pyr_latent_encode(out, t->model, 1, image, label, o->tolerance, NULL));
        PYR_TRY_OUT(pyr_tasking_show(t, image, 1, s));
    }
out:
    pyr_free(seed);
    pyr_free(image);
    return status;
}

static pyr_status prepare(pyr_tasking *t, const void *at)
{
    bool encodes = !is_seed(t->arguments[0]) || !is_seed(t->arguments[1]);

    return pyr_tasking_ode(t, encodes, ((const typed *)at)->tolerance);
}

static pyr_status interpolate(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    const char *a_word = t->arguments[0], *b_word = t->arguments[1];
    pyr_shape s = pyr_model_image(t->model, 0);
    pyr_latent a = {0}, b = {0}, between = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_tasking_unseeded(t, o->frames));
    PYR_TRY_OUT(latent_of(&b, t, o, b_word));
    t->in_sheet = 0; /* the second picture comes behind the frames */
    PYR_TRY_OUT(latent_of(&a, t, o, a_word));
    PYR_TRY_OUT(pyr_latent_new(&between, t->model, o->frames));
    for (int i = 0; i < o->frames; i++)
        pyr_latent_slerp(&between, i, &a, 0, &b, 0, (double)i / (o->frames - 1), t->model);
    PYR_TRY_OUT(pyr_tasking_decode(t, &between, "frame"));
    if (!is_seed(b_word)) {
        PYR_TRY_OUT(pyr_task_picture(&t->picture, t, b_word, 0));
        PYR_TRY_OUT(pyr_tasking_show(t, t->picture, 1, s));
    }
    t->columns = t->in_sheet;
    PYR_TRY_OUT(pyr_tasking_write_sheet(t));
out:
    pyr_latent_free(&a);
    pyr_latent_free(&b);
    pyr_latent_free(&between);
    return status;
}

static const pyr_option options[] = {
    OPT_INT(typed, frames, "frames", "N", "9", 2, 1000, "number of images, both ends included"),
    OPT_REAL(typed, tolerance, "tolerance", "T", "1e-4", 1e-10, 1,
             "tolerance of the solver (RK45) that encodes pictures and draws the images between them"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_interpolate = {
    .name = "interpolate",
    .title = "draw a sequence of images from one picture or seed to another",
    .arguments = "A B",
    .least = 2,
    .most = 2,
    .summary =
        "Draw a sequence of images from A to B, each of which is a picture or a seed. A picture is encoded "
        "as noise by the probability-flow ODE; the noise is interpolated along a great circle at each "
        "level, and decoded. Writes frame-000.png, frame-001.png and so on, and all of them side by side "
        "in interpolate.png.",
    .examples = "  pyrdiff interpolate shirt.png coat.png --network runs/fashion-mnist --outdir out\n"
                "  pyrdiff interpolate 3 7 --network runs/fashion-mnist --frames 12\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){interpolate, prepare},
};
