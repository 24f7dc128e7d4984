/* cmd_encode.c - pyrdiff encode */
#include "cli/tasks/shooting_task.h"
#include "pictures/pixels.h"
#include "tasks/inverse.h"
#include "tasks/latent.h"
#include "terminal/output.h"
#include <math.h>
#include <string.h>

typedef struct typed {
    pyr_task_typed task;
    pyr_typed_shooting shooting;
    const char *decode;
    int method;
    double tolerance, noise;
} typed;

enum { ODE, SHOOTING };
static const char *const methods[] = {"ode", "shooting", NULL};

/* All pictures into t->picture, one after the other. */
static pyr_status read_all(pyr_tasking *t)
{
    size_t size = pyr_count(pyr_model_image(t->model, 0));

    PYR_TRY(pyr_tasking_unseeded(t, t->n_arguments));
    PYR_TRY(pyr_new(&t->picture, t->n * size, sizeof *t->picture, "pictures"));
    for (size_t i = 0; i < t->n; i++) {
        float *one;

        PYR_TRY(pyr_task_picture(&one, t, t->arguments[i], 0));
        memcpy(t->picture + i * size, one, size * sizeof *one);
        pyr_free(one);
    }
    return PYR_OK;
}

/* Mean and spread of latents in units of the largest noise level: a good model makes standard normals. */
static void print_latent(const pyr_tasking *t, const pyr_latent *latent)
{
    for (int level = latent->levels - 1; level >= 0; level--) {
        const pyr_sampled_level *l = &t->model->level[level];
        size_t n = (size_t)latent->n * pyr_count(l->level.variable);
        double s = pyr_schedule_s(&l->schedule, pyr_schedule_t_max(&l->schedule)), mean = 0, square = 0;

        for (size_t i = 0; i < n; i++)
            mean += latent->at[level][i] / s / (double)n;
        for (size_t i = 0; i < n; i++)
            square += pow(latent->at[level][i] / s - mean, 2) / (double)n;
        pyr_print("level %d: latent %dx%dx%d, mean %.3f, standard deviation %.3f\n", level,
                  l->level.variable.h, l->level.variable.w, l->level.variable.c, mean, sqrt(square));
    }
}

static void print_error(const char *path, const float *image, const float *again, size_t n)
{
    double square = 0, most = 0;

    for (size_t i = 0; i < n; i++) {
        double off = 128 * ((double)again[i] - (double)image[i]);

        square += off * off / (double)n;
        most = fmax(most, fabs(off));
    }
    pyr_print("%s: there and back is off by %.3f grey values (rms), at most %.2f\n", path, sqrt(square),
              most);
}

/* From the latents of the ODE to those from which Euler's few steps come to the pictures, one after the other. */
static pyr_status shoot(pyr_tasking *t, const typed *o, pyr_latent *latent)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    size_t size = pyr_count(s), n = t->n;
    uint64_t *seeds = t->seeds;
    double *y = NULL;
    pyr_operator a = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_operator_new(&a, PYR_OPERATOR_IDENTITY, 0, NULL, s));
    PYR_TRY_OUT(pyr_new(&y, size, sizeof *y, "a picture"));
    t->n = 1;
    for (size_t i = 0; i < n && status == PYR_OK; i++) {
        pyr_latent one = {.n = 1, .levels = latent->levels};

        t->seeds = seeds + i;
        for (int level = 0; level < one.levels; level++)
            one.at[level] = latent->at[level] + i * pyr_count(t->model->level[level].level.variable);
        for (size_t j = 0; j < size; j++)
            y[j] = (double)t->picture[i * size + j];
        status = pyr_tasking_shoot(t, &o->shooting, &a, y, pyr_inverse_noise(o->noise, t->model->bits), &one);
    }
    t->n = n;
    t->seeds = seeds;
out:
    pyr_operator_free(&a);
    pyr_free(y);
    return status;
}

static pyr_status encode(pyr_tasking *t, const typed *o, int label, pyr_latent *latent)
{
    char *path = NULL;
    double nfe;
    pyr_status status;

    PYR_TRY_OUT(pyr_latent_encode(latent, t->model, (int)t->n, t->picture, label, o->tolerance, &nfe));
    pyr_bar_line(&t->bar, "%zu picture%s encoded, %.0f evaluations each", t->n, t->n == 1 ? "" : "s", nfe);
    if (o->method == SHOOTING)
        PYR_TRY_OUT(shoot(t, o, latent));
    print_latent(t, latent);
    PYR_TRY_OUT(pyr_path_new(&path, t->outdir, "latents.safetensors"));
    PYR_TRY_OUT(pyr_latent_write(path, latent, t->model));
    pyr_print("%s\n", path);
out:
    pyr_free(path);
    return status;
}

static pyr_status read_latents(pyr_tasking *t, const char *path, pyr_latent *latent)
{
    bool same;

    PYR_TRY(pyr_latent_read(latent, path, t->model, &same));
    if (!same)
        pyr_bar_line(&t->bar, "%s was made with other weights than this run's: other pictures come out",
                     path);
    return pyr_tasking_unseeded(t, latent->n);
}

static pyr_status prepare(pyr_tasking *t, const void *at)
{
    const typed *o = at;

    if ((t->n_arguments > 0) == (*o->decode != 0))
        return pyr_fail(PYR_E_ARG, t->n_arguments ? "IMAGE and --decode: give one of the two"
                                                  : "what is to be encoded? Add IMAGE, or --decode FILE");
    PYR_TRY(pyr_tasking_method(t, &o->shooting, o->method == SHOOTING, (const char *const[]){"noise", NULL},
                               (const char *const[]){NULL}));
    if (o->method == SHOOTING)
        return pyr_tasking_euler(t);
    return pyr_tasking_ode(t, true, o->tolerance);
}

static pyr_status encode_and_decode(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    int n = t->n_arguments, label;
    pyr_latent latent = {0};
    pyr_shape s = pyr_model_image(t->model, 0);
    pyr_status status;

    PYR_TRY(pyr_tasking_one_class(t, &label));
    if (n) {
        PYR_TRY_OUT(read_all(t));
        PYR_TRY_OUT(encode(t, o, label, &latent));
        PYR_TRY_OUT(pyr_tasking_show(t, t->picture, n, s));
    } else
        PYR_TRY_OUT(read_latents(t, o->decode, &latent));
    PYR_TRY_OUT(pyr_tasking_decode(t, &latent, "decoded"));
    for (int i = 0; i < n; i++)
        print_error(t->arguments[i], t->picture + (size_t)i * pyr_count(s),
                    t->drawn + (size_t)i * pyr_count(s), pyr_count(s));
    PYR_TRY_OUT(pyr_tasking_write_sheet(t));
out:
    pyr_latent_free(&latent);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, decode, "decode", "FILE", "", "decode this file of latents instead of encoding pictures"),
    OPT_REAL(typed, tolerance, "tolerance", "T", "1e-4", 1e-10, 1,
             "relative and absolute tolerance of the solver (RK45) that encodes and decodes"),
    OPT_CHOICE(
        typed, method, "method", "NAME", "ode", methods,
        "solve the ODE to --tolerance, or look from there on for the start from which the sampler's own "
        "few steps of Euler's come to the picture (shooting); --decode with the same"),
    OPT_REAL(typed, noise, "noise", "S", "0.01", 0, 10,
             "shooting: standard deviation that the picture may be missed by, of values from -1 to 1"),
    OPT_GROUP(typed, shooting, pyr_shooting_options),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_encode = {
    .name = "encode",
    .title = "encode pictures as noise by the probability-flow ODE, and decode it",
    .arguments = "[IMAGE ...]",
    .least = 0,
    .most = PYR_TASK_IMAGES,
    .summary =
        "Encode pictures as noise by the probability-flow ODE, level by level, and decode them again. "
        "Writes the noise to latents.safetensors, the decoded pictures to decoded-000.png and so on, and "
        "encode.png, which shows both; the differences are printed.",
    .examples =
        "  pyrdiff encode shirt.png shoe.png --network runs/fashion-mnist --outdir out\n"
        "  pyrdiff encode --decode out/latents.safetensors --network runs/fashion-mnist --outdir out\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){encode_and_decode, prepare},
};
