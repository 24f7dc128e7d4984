/* cmd_upscale.c - pyrdiff upscale */
#include "cascade/one_level.h"
#include "cli/tasks/tasking.h"
#include "pictures/pixels.h"
#include "tasks/layers.h"
#include "terminal/output.h"
#include <math.h>

typedef struct typed {
    pyr_task_typed task;
    int level;
} typed;

/* How far the images that were written, brought back to `level`, are from what was given: in grey values of 8
 * bits. */
static pyr_status measure(const pyr_tasking *t, const float *given, int level, double *rms, double *largest)
{
    size_t size = pyr_count(pyr_model_image(t->model, 0)),
           small = pyr_count(pyr_model_image(t->model, level));
    uint16_t *samples = NULL; /* room for either depth */
    int bits = t->model->bits;
    float *image = NULL;
    double sum = 0;
    pyr_status status;

    *largest = 0;
    PYR_TRY_OUT(pyr_new(&samples, size, sizeof *samples, "a picture"));
    PYR_TRY_OUT(pyr_new(&image, size, sizeof *image, "a picture"));
    for (size_t i = 0; i < t->n; i++) {
        pyr_layers layers;

        pyr_pixels_to_samples(samples, t->drawn + i * size, bits, size);
        pyr_pixels_from_samples(image, samples, bits, size);
        status = pyr_layers_new(&layers, t->model, image);
        for (size_t j = 0; j < small && status == PYR_OK; j++) {
            double off = 128 * (layers.image[level][j] - given[j]);

            sum += off * off;
            *largest = fmax(*largest, fabs(off));
        }
        pyr_layers_free(&layers);
        if (status != PYR_OK)
            goto out;
    }
    *rms = sqrt(sum / ((double)t->n * (double)small));
out:
    pyr_free(samples);
    pyr_free(image);
    return status;
}

static pyr_status draw(pyr_tasking *t, const float *given, int level)
{
    pyr_task_draw draw = {.coarse = given, .given = level};
    double rms, largest;
    pyr_status status = PYR_OK;

    for (int i = 0; i < level; i++)
        PYR_TRY_OUT(pyr_new(&draw.mismatch[i], t->n, sizeof(double), "consistency"));
    PYR_TRY_OUT(pyr_tasking_draw(t, &draw));
    for (int i = level - 1; i >= 0; i--) {
        double sum = 0;

        for (size_t j = 0; j < t->n; j++)
            sum += draw.mismatch[i][j];
        pyr_print("level %d, halved, is off from level %d by %.2g grey values (rms) before it is clamped\n",
                  i, i + 1, 128 * sqrt(sum / (double)t->n));
    }
    PYR_TRY_OUT(measure(t, given, level, &rms, &largest));
    pyr_print("the PNGs, brought to level %d, are off from what was given by %.3f grey values (rms), at "
              "most %.2f\n",
              level, rms, largest);
out:
    for (int i = 0; i < level; i++)
        pyr_free(draw.mismatch[i]);
    return status;
}

static pyr_status upscale(pyr_tasking *t, const void *at)
{
    int level = ((const typed *)at)->level;

    PYR_TRY(pyr_check_coarser_level(&level, t->model->levels));
    PYR_TRY(pyr_task_picture(&t->picture, t, t->arguments[0], level));
    PYR_TRY(draw(t, t->picture, level));
    PYR_TRY(pyr_tasking_show(t, t->picture, 1, pyr_model_image(t->model, level)));
    return pyr_tasking_finish(t);
}

static const pyr_option options[] = {
    OPT_LEVEL(typed, level, "the coarsest", "the level whose size IMAGE has; 0 is the finest"),
    OPT_SEEDS(typed, task.seeds, "0-7"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_upscale = {
    .name = "upscale",
    .title = "enlarge a small picture by drawing the finer levels",
    .arguments = "IMAGE",
    .least = 1,
    .most = 1,
    .summary =
        "Enlarge a small picture by drawing the finer levels of its pyramid. A result that is reduced "
        "again gives the picture back, exactly but for the clamping and rounding to the data's 8 or 16 "
        "bits; the difference is measured and printed. Writes a PNG for each seed, and upscale.png, which "
        "shows the picture and the results.",
    .examples =
        "  pyrdiff upscale small.png --network runs/fashion-mnist --level 2 --seeds 0-7 --outdir out\n"
        "  pyrdiff upscale large.png --network runs/fashion-mnist --level 1 --resize\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){.body = upscale},
};
