/* cmd_denoise.c - pyrdiff denoise */
#include "base/philox.h"
#include "cli/tasks/tasking.h"
#include "tasks/inverse.h"
#include "terminal/output.h"
#include <math.h>

typedef struct typed {
    pyr_task_typed task;
    double noise;
    int64_t noise_seed;
    bool clean;
} typed;

/* y = the picture, with noise when it is clean yet; shown as it is. */
static pyr_status noisy(const pyr_tasking *t, const typed *o, const float *picture, double *y, float *shown)
{
    size_t n = pyr_count(pyr_model_image(t->model, 0));

    for (size_t i = 0; i < n; i++) {
        float normal[4];

        pyr_normal4((uint64_t)o->noise_seed, (uint32_t)(i / 4), 0, 0, PYR_RNG_TASK, normal);
        y[i] = (double)picture[i] + (o->clean ? o->noise * (double)normal[i % 4] : 0);
        shown[i] = (float)y[i];
    }
    return pyr_tasking_write(t, "noisy", shown, pyr_model_image(t->model, 0));
}

/* The mean of the images, which is the estimate of the least mean square error: DIR/mean.png. */
static pyr_status put_mean(pyr_tasking *t, float *mean)
{
    size_t n = pyr_count(pyr_model_image(t->model, 0));

    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        for (size_t j = 0; j < t->n; j++)
            sum += (double)t->drawn[j * n + i];
        mean[i] = (float)(sum / (double)t->n);
    }
    return pyr_tasking_write(t, "mean", mean, pyr_model_image(t->model, 0));
}

static double off_from(const float *a, const float *b, size_t n)
{
    double square = 0;

    for (size_t i = 0; i < n; i++)
        square += pow(128 * ((double)a[i] - (double)b[i]), 2) / (double)n;
    return sqrt(square);
}

static pyr_status denoise(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    pyr_shape s = pyr_model_image(t->model, 0);
    size_t n = pyr_count(s);
    pyr_operator a = {0};
    pyr_inverse *inverse = NULL;
    float *shown = NULL;
    double *y = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_operator_new(&a, PYR_OPERATOR_IDENTITY, 0, NULL, s));
    PYR_TRY_OUT(pyr_task_picture(&t->picture, t, t->arguments[0], 0));
    PYR_TRY_OUT(pyr_new(&y, n, sizeof *y, "a picture"));
    PYR_TRY_OUT(pyr_new(&shown, n, sizeof *shown, "a picture"));
    PYR_TRY_OUT(noisy(t, o, t->picture, y, shown));
    if (o->clean)
        PYR_TRY_OUT(pyr_tasking_show(t, t->picture, 1, s));
    PYR_TRY_OUT(pyr_tasking_show(t, shown, 1, s));
    PYR_TRY_OUT(pyr_inverse_new(
        &inverse, t->model,
        &(pyr_inverse_problem){
            .a = &a, .y = y, .noise = pyr_inverse_noise(o->noise, t->model->bits), .strength = 1}));
    PYR_TRY_OUT(pyr_tasking_draw(t, &(pyr_task_draw){.hooks = pyr_inverse_hooks(inverse)}));
    if (o->clean)
        pyr_print("the noisy picture is off from the clean one by %.2f grey values (rms)\n",
                  off_from(shown, t->picture, n));
    PYR_TRY_OUT(put_mean(t, shown));
    if (o->clean)
        pyr_print("the mean of %zu images is off from it by %.2f\n", t->n, off_from(shown, t->picture, n));
    PYR_TRY_OUT(pyr_tasking_show(t, shown, 1, s));
    PYR_TRY_OUT(pyr_tasking_finish(t));
out:
    pyr_inverse_free(inverse);
    pyr_operator_free(&a);
    pyr_free(shown);
    pyr_free(y);
    return status;
}

static pyr_status check_samplers(pyr_tasking *t, const void *at)
{
    (void)at;
    for (int level = t->config.pyramid.levels - 1; level >= 0; level--)
        PYR_TRY(pyr_inverse_check_sampler(&t->config.level[level].sampler, level));
    return PYR_OK;
}

static const pyr_option options[] = {
    OPT_REAL(typed, noise, "noise", "S", "0.2", 0, 10,
             "standard deviation of the noise on the picture, whose values span -1 to 1"),
    OPT_FLAG(typed, clean, "clean",
             "IMAGE is clean: noise is put on it first, and the results are compared with it"),
    OPT_COUNT(typed, noise_seed, "noise-seed", "N", "0", 0, 1e15, "with --clean: seed of that noise"),
    OPT_SEEDS(typed, task.seeds, "0-7"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_denoise = {
    .name = "denoise",
    .title = "remove noise from a picture",
    .arguments = "IMAGE",
    .least = 1,
    .most = 1,
    .summary =
        "Remove noise of a known standard deviation from a picture: draws images that it may have been of, by "
        "Bayes' rule. Writes a PNG for each seed, noisy.png, mean.png, the mean of the images (the estimate of "
        "the least mean square error), and denoise.png, which shows all.",
    .examples = "  pyrdiff denoise grainy.png --noise 0.2 --network runs/fashion-mnist --outdir out\n"
                "  pyrdiff denoise shirt.png --clean --noise 0.5 --network runs/fashion-mnist --seeds 0-15\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){denoise, check_samplers},
};
