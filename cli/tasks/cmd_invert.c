/* cmd_invert.c - pyrdiff invert */
#include "base/philox.h"
#include "cli/tasks/shooting_task.h"
#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "tasks/inverse.h"
#include "terminal/output.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct typed {
    pyr_task_typed task;
    pyr_typed_shooting shooting;
    int kind; /* pyr_operator_kind */
    int method;
    double size, share, noise, strength;
    int64_t noise_seed;
    const char *mask, *kernel;
    double angle;
    int pattern;
    bool degraded;
} typed;

enum { GUIDED, SHOOTING };
static const char *const methods[] = {"guided", "shooting", NULL};

/* Images that miss y by more than this many times its noise are not restored: a network of hardly any
 * training comes to 4 times, divergence begins at 6. */
static const double far_times = 5;

typedef struct inverting {
    const typed *o;
    pyr_tasking *t;
    pyr_operator a;
    double *y;
} inverting; /* t->picture: the clean one; NULL: not known */

/* ---- what is read -------------------------------------------------------------------------------- */

enum {
    MISSING = 1 << PYR_OPERATOR_MISSING,
    FOURIER = 1 << PYR_OPERATOR_FOURIER,
    MOTION = 1 << PYR_OPERATOR_MOTION,
    SIZED = 1 << PYR_OPERATOR_BLUR | 1 << PYR_OPERATOR_BOX | 1 << PYR_OPERATOR_BICUBIC | MOTION
};

/* Options of some operators; `file` has an option's place. */
static const struct {
    const char *name, *words, *file;
    unsigned kinds;
} of_operators[] = {
    {"mask", "missing and fourier", NULL, MISSING | FOURIER},      {"kernel", "motion", NULL, MOTION},
    {"missing", "missing and fourier", "mask", MISSING | FOURIER}, {"pattern", "fourier", "mask", FOURIER},
    {"size", "blur, box, bicubic and motion", "kernel", SIZED},    {"angle", "motion", "kernel", MOTION}};

static bool has_mask(int kind)
{
    return (MISSING | FOURIER) >> kind & 1;
}

static pyr_status check_operator(const pyr_tasking *t, const typed *o)
{
    bool fourier = o->kind == PYR_OPERATOR_FOURIER;

    for (size_t i = 0; i < sizeof of_operators / sizeof *of_operators; i++) {
        const char *name = of_operators[i].name, *file = of_operators[i].file;

        if (!pyr_option_given(t->parsed, name))
            continue;
        if (!(of_operators[i].kinds >> o->kind & 1))
            return pyr_fail(PYR_E_ARG, "--%s is of --operator %s, the operator is %s", name,
                            of_operators[i].words, pyr_operator_names[o->kind]);
        if (file && pyr_option_given(t->parsed, file))
            return pyr_fail(PYR_E_ARG, "--%s and --%s: give one of the two", name, file);
    }
    if (o->degraded && has_mask(o->kind) && !*o->mask && !(fourier && pyr_option_given(t->parsed, "pattern")))
        return pyr_fail(
            PYR_E_ARG,
            "which %s of the degraded picture are missing? Add --mask FILE, white where they are%s",
            fourier ? "frequencies" : "pixels", fourier ? ", or --pattern" : "");
    return PYR_OK;
}

/* ---- what is seen -------------------------------------------------------------------------------- */

/* From a picture with zero frequency in the middle to zero frequency first. */
static void put_zero_first(uint8_t *mask, const uint8_t *picture, int h, int w)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            mask[y * w + x] = picture[(y + h / 2) % h * w + (x + w / 2) % w];
}

static pyr_status missing_frequencies(inverting *v, uint8_t **out)
{
    pyr_shape s = pyr_model_image(v->t->model, 0);
    uint8_t *picture = NULL;

    PYR_TRY(pyr_new(out, (size_t)s.h * (size_t)s.w, 1, "a mask"));
    if (!*v->o->mask) {
        pyr_fourier_pattern(*out, (pyr_pattern)v->o->pattern, v->o->share, (uint64_t)v->o->noise_seed, s.h,
                            s.w);
        return PYR_OK;
    }
    PYR_TRY(pyr_task_mask(&picture, v->t, v->o->mask));
    put_zero_first(*out, picture, s.h, s.w);
    pyr_free(picture);
    return PYR_OK;
}

/* Pixels that are not seen: those of the mask, or each with the same probability. */
static pyr_status missing_pixels(inverting *v, uint8_t **out)
{
    pyr_shape s = pyr_model_image(v->t->model, 0);
    size_t n = (size_t)s.h * (size_t)s.w;

    if (v->o->kind == PYR_OPERATOR_FOURIER)
        return missing_frequencies(v, out);
    if (*v->o->mask)
        return pyr_task_mask(out, v->t, v->o->mask);
    PYR_TRY(pyr_new(out, n, 1, "a mask"));
    for (size_t i = 0; i < n; i++) {
        pyr_rng4 r = pyr_philox((uint64_t)v->o->noise_seed, (uint32_t)i, 0, 1, PYR_RNG_TASK);

        (*out)[i] = (double)pyr_uniform(r.v[0]) < v->o->share;
    }
    return PYR_OK;
}

/* The grey of a picture's pixels, or a line, as the kernel of motion. */
static pyr_status make_motion(inverting *v)
{
    pyr_image image = {0};
    pyr_shape in = pyr_model_image(v->t->model, 0);
    double *kernel = NULL;
    uint16_t *grey = NULL;
    int h, w;
    pyr_status status;

    if (!*v->o->kernel) {
        if (!(v->o->size >= 1 && v->o->size <= 1024))
            return pyr_fail(PYR_E_ARG, "--size: the size of motion is %g, should be 1 to 1024 pixels",
                            v->o->size);
        PYR_TRY_OUT(pyr_line_kernel(&kernel, &h, v->o->size, v->o->angle));
        w = h;
    } else {
        PYR_TRY_OUT(pyr_image_read(&image, v->o->kernel));
        h = image.h;
        w = image.w;
        if (h > 1024 || w > 1024)
            PYR_TRY_OUT(pyr_fail(PYR_E_SHAPE, "%s is %dx%d, a kernel should be at most 1024x1024",
                                 v->o->kernel, h, w));
        PYR_TRY_OUT(pyr_new(&grey, (size_t)h * (size_t)w, sizeof *grey, "a kernel"));
        PYR_TRY_OUT(pyr_new(&kernel, (size_t)h * (size_t)w, sizeof *kernel, "a kernel"));
        pyr_image_convert(grey, &image, 1, 16);
        for (size_t i = 0; i < (size_t)h * (size_t)w; i++)
            kernel[i] = grey[i];
    }
    status = pyr_operator_motion(&v->a, kernel, h, w, in);
    if (status == PYR_E_ARG)
        pyr_fail_prefix(status, "%s", v->o->kernel);
out:
    pyr_image_free(&image);
    pyr_free(grey);
    pyr_free(kernel);
    return status;
}

static pyr_status make_operator(inverting *v)
{
    uint8_t *missing = NULL;
    pyr_status status;

    if (v->o->kind == PYR_OPERATOR_MOTION)
        return make_motion(v);
    if (has_mask(v->o->kind))
        PYR_TRY_OUT(missing_pixels(v, &missing));
    status = pyr_operator_new(&v->a, (pyr_operator_kind)v->o->kind, v->o->size, missing,
                              pyr_model_image(v->t->model, 0));
    if (status == PYR_E_ARG)
        pyr_fail_prefix(status, "--size");
out:
    pyr_free(missing);
    return status;
}

/* Number i of y. */
static bool is_seen(const inverting *v, size_t i)
{
    return !v->a.seen || v->a.seen[i / (size_t)v->a.out.c];
}

/* y = A image + noise, from a picture that is clean. */
static pyr_status degrade(inverting *v, const char *path)
{
    size_t n = pyr_count(v->a.in), m = pyr_count(v->a.out);
    double *x = NULL, *work = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_task_picture(&v->t->picture, v->t, path, 0));
    PYR_TRY_OUT(pyr_new(&x, n, sizeof *x, "a picture"));
    PYR_TRY_OUT(pyr_new(&work, n > m ? n : m, sizeof *work, "a picture"));
    for (size_t i = 0; i < n; i++)
        x[i] = (double)v->t->picture[i];
    pyr_operator_apply(&v->a, v->y, x, work);
    for (size_t i = 0; i < m; i++) {
        float normal[4];

        pyr_normal4((uint64_t)v->o->noise_seed, (uint32_t)(i / 4), 0, 0, PYR_RNG_TASK, normal);
        if (is_seen(v, i))
            v->y[i] += v->o->noise * (double)normal[i % 4];
    }
out:
    pyr_free(x);
    pyr_free(work);
    return status;
}

/* y from a picture that is degraded already. */
static pyr_status read_degraded(inverting *v, const char *path)
{
    pyr_shape s = v->a.out;
    size_t n = pyr_count(s);
    pyr_image image = {0};
    float *pixels = NULL;
    double *x = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_task_read(&image, v->t, path));
    if (image.h != s.h || image.w != s.w) {
        status = pyr_fail(PYR_E_SHAPE, "%s is %dx%d, what %s makes of images of this run is %dx%d", path,
                          image.h, image.w, pyr_operator_names[v->a.kind], s.h, s.w);
        goto out;
    }
    PYR_TRY_OUT(pyr_new(&pixels, n, sizeof *pixels, "a picture"));
    PYR_TRY_OUT(pyr_image_to_values(pixels, &image, s.c, v->t->model->bits));
    for (size_t i = 0; i < n; i++)
        v->y[i] = v->a.kind == PYR_OPERATOR_FOURIER || is_seen(v, i) ? (double)pixels[i] : 0;
    if (v->a.kind == PYR_OPERATOR_FOURIER) { /* its samples, of the picture that has zeros for the others */
        PYR_TRY_OUT(pyr_new(&x, n, sizeof *x, "a picture"));
        memcpy(x, v->y, n * sizeof *x);
        pyr_operator_apply(&v->a, v->y, x, NULL);
    }
out:
    pyr_free(x);
    pyr_free(pixels);
    pyr_image_free(&image);
    return status;
}

/* ---- what is written and said -------------------------------------------------------------------- */

/* The degraded picture (of Fourier samples what they are of, with zeros for the others): into the sheet, and
 * DIR/degraded.png. */
static pyr_status show(inverting *v)
{
    pyr_shape s = v->a.out, in = v->a.in;
    size_t n = pyr_count(s);
    double *seen = v->y, *back = NULL;
    float *pixels = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&pixels, n, sizeof *pixels, "a picture"));
    if (v->a.kind == PYR_OPERATOR_FOURIER) {
        PYR_TRY_OUT(pyr_new(&back, n, sizeof *back, "a picture"));
        pyr_operator_adjoint(&v->a, back, v->y, NULL);
        seen = back;
    }
    for (size_t i = 0; i < n; i++)
        pixels[i] = (float)seen[i];
    if (v->t->picture)
        PYR_TRY_OUT(pyr_tasking_show(v->t, v->t->picture, 1, in));
    PYR_TRY_OUT(pyr_tasking_show(v->t, pixels, 1, s));
    PYR_TRY_OUT(pyr_tasking_write(v->t, "degraded", pixels, s));
out:
    pyr_free(back);
    pyr_free(pixels);
    return status;
}

/* How far the images are from what was seen and, where it is known, from the clean picture. */
typedef struct misfit {
    double rms, worst, clean; /* over all images; of one; grey values */
    uint64_t seed;            /* of the worst */
    int far;                  /* images over the bound */
} misfit;

/* Samples of the posterior miss y by about its noise, or less. 8 bits and a clamped image add up to one grey
 * value. */
static double bound_of(const typed *o)
{
    return far_times * sqrt(pow(128 * o->noise, 2) + 1);
}

static pyr_status measure(const inverting *v, misfit *out)
{
    size_t n = pyr_count(v->a.in), m = pyr_count(v->a.out), seen = 0;
    double *x = NULL, *work = NULL, *y = NULL, all = 0, from_clean = 0;
    pyr_status status;

    *out = (misfit){0};
    PYR_TRY_OUT(pyr_new(&x, n, sizeof *x, "a picture"));
    PYR_TRY_OUT(pyr_new(&y, m, sizeof *y, "a picture"));
    PYR_TRY_OUT(pyr_new(&work, n > m ? n : m, sizeof *work, "a picture"));
    for (size_t i = 0; i < m; i++)
        seen += is_seen(v, i);
    for (size_t j = 0; j < v->t->n; j++) {
        double off = 0;

        for (size_t i = 0; i < n; i++) {
            x[i] = (double)v->t->drawn[j * n + i];
            from_clean += v->t->picture ? pow(x[i] - (double)v->t->picture[i], 2) : 0;
        }
        pyr_operator_apply(&v->a, y, x, work);
        for (size_t i = 0; i < m; i++)
            off += pow(y[i] - v->y[i], 2) / (double)(seen ? seen : 1);
        all += off / (double)v->t->n;
        off = 128 * sqrt(off);
        out->far += !(off <= bound_of(v->o)); /* NaN is far */
        if (!(off <= out->worst)) {
            out->worst = off;
            out->seed = v->t->seeds[j];
        }
    }
    out->rms = 128 * sqrt(all);
    out->clean = 128 * sqrt(from_clean / (double)(v->t->n * n));
out:
    pyr_free(x);
    pyr_free(y);
    pyr_free(work);
    return status;
}

static void say(const inverting *v, const misfit *m)
{
    pyr_print("%s of the results is off from what was given by %.2f grey values (rms); its noise has %.2f\n",
              pyr_operator_names[v->a.kind], m->rms, 128 * v->o->noise);
    if (v->t->picture)
        pyr_print("the results are off from the clean picture by %.2f grey values (rms)\n", m->clean);
}

/* Weaker guidance than the model's own is the person's choice, and need not agree; so are the weights of
 * shooting. */
static pyr_status judge(const inverting *v, const misfit *m)
{
    if (!m->far || v->o->strength < 1 || v->o->method == SHOOTING)
        return PYR_OK;
    return pyr_fail(
        PYR_E_NUMERIC,
        "%d of %zu images do not agree with what was given: %s of that of seed %" PRIu64
        " is off by %.1f grey values, should be at most %.1f (%.0f times the noise of %.2f and one grey "
        "value for rounding). More --steps help, and --sampler ancestral; of a picture that is --degraded "
        "already, --operator, --size, --mask and --noise have to be what was done to it",
        m->far, v->t->n, pyr_operator_names[v->a.kind], m->seed, m->worst, bound_of(v->o), far_times,
        128 * v->o->noise);
}

/* ---- the command --------------------------------------------------------------------------------- */

static pyr_status prepare(pyr_tasking *t, const void *at)
{
    const typed *o = at;

    PYR_TRY(check_operator(t, o));
    PYR_TRY(pyr_tasking_method(t, &o->shooting, o->method == SHOOTING, (const char *const[]){NULL},
                               (const char *const[]){"strength", NULL}));
    if (o->method == SHOOTING)
        return pyr_tasking_euler(t);
    for (int level = t->config.pyramid.levels - 1; level >= 0; level--)
        PYR_TRY(pyr_inverse_check_sampler(&t->config.level[level].sampler, level));
    return PYR_OK;
}

static pyr_status restore(inverting *v)
{
    const typed *o = v->o;
    double noise = pyr_inverse_noise(o->noise, v->t->model->bits);
    pyr_inverse_problem problem = {.a = &v->a, .y = v->y, .noise = noise, .strength = o->strength};
    pyr_inverse *inverse = NULL;
    pyr_status status;

    if (o->method == SHOOTING)
        return pyr_tasking_shoot_seeds(v->t, &o->shooting, &v->a, v->y, noise);
    PYR_TRY(pyr_inverse_new(&inverse, v->t->model, &problem));
    status = pyr_tasking_draw(v->t, &(pyr_task_draw){.hooks = pyr_inverse_hooks(inverse)});
    pyr_inverse_free(inverse);
    return status;
}

static pyr_status invert(pyr_tasking *t, const void *at)
{
    const typed *o = at;
    inverting v = {.o = o, .t = t};
    misfit off;
    pyr_status status;

    PYR_TRY_OUT(make_operator(&v));
    PYR_TRY_OUT(pyr_new(&v.y, pyr_count(v.a.out), sizeof *v.y, "a picture"));
    PYR_TRY_OUT(o->degraded ? read_degraded(&v, t->arguments[0]) : degrade(&v, t->arguments[0]));
    PYR_TRY_OUT(restore(&v));
    PYR_TRY_OUT(measure(&v, &off));
    say(&v, &off);
    PYR_TRY_OUT(show(&v));
    PYR_TRY_OUT(pyr_tasking_finish(t));
    status = judge(&v, &off);
out:
    pyr_operator_free(&v.a);
    pyr_free(v.y);
    return status;
}

static const pyr_option options[] = {
    OPT_CHOICE(
        typed, kind, "operator", "NAME", "blur", pyr_operator_names,
        "what was done to the picture: a Gaussian blur, reduction to means of blocks (box) or by a cubic (bicubic: "
        "super-resolution), motion blur, pixels that are missing, samples of its Fourier transform, or nothing but "
        "noise (identity)"),
    OPT_REAL(
        typed, size, "size", "S", "2", 0, 65536,
        "standard deviation of the blur, side of a block, how many times smaller (bicubic), or length of the "
        "motion, in pixels"),
    OPT_TEXT(typed, kernel, "kernel", "FILE", "",
             "motion: a picture that is the blur of one point, in place of a line"),
    OPT_REAL(typed, angle, "angle", "DEG", "0", -360, 360,
             "motion without --kernel: direction, from the right up"),
    OPT_TEXT(
        typed, mask, "mask", "FILE", "",
        "picture that is white where pixels are missing, or frequencies (of fourier, zero frequency in the "
        "middle)"),
    OPT_REAL(typed, share, "missing", "SHARE", "0.7", 0, 1,
             "without --mask: share of pixels or frequencies that are missing"),
    OPT_CHOICE(typed, pattern, "pattern", "NAME", "random", pyr_pattern_names,
               "fourier without --mask: which frequencies are seen, random ones or those on a spiral"),
    OPT_REAL(typed, noise, "noise", "S", "0.02", 0, 10,
             "standard deviation of the noise on the picture, whose values span -1 to 1"),
    OPT_COUNT(typed, noise_seed, "noise-seed", "N", "0", 0, 1e15,
              "seed of that noise and of the missing pixels"),
    OPT_FLAG(typed, degraded, "degraded",
             "IMAGE is degraded already; without it, IMAGE is clean and is degraded first"),
    OPT_REAL(typed, strength, "strength", "G", "1", 0, 100,
             "strength of the guidance by the picture; 1: by Bayes' rule; 0: none"),
    OPT_CHOICE(
        typed, method, "method", "NAME", "guided", methods,
        "guide sampling by the likelihood's gradient, or look for the start from which the ODE comes to "
        "what is given (shooting)"),
    OPT_GROUP(typed, shooting, pyr_shooting_options),
    OPT_SEEDS(typed, task.seeds, "0-7"),
    OPT_GROUP(typed, task, pyr_task_options),
    {0},
};

const pyr_command pyr_command_invert = {
    .name = "invert",
    .title = "restore a picture that was blurred, reduced, or has missing pixels",
    .arguments = "IMAGE",
    .least = 1,
    .most = 1,
    .summary =
        "Restore a picture x from y = A x + noise: blurred, reduced, or with missing pixels. Sampling is "
        "guided by the gradient of the likelihood of y through the denoiser. A clean IMAGE is degraded "
        "first. Writes a PNG for each seed, degraded.png, and invert.png, which shows the clean picture, "
        "the degraded one and the results.",
    .examples =
        "  pyrdiff invert shirt.png --operator blur --size 2 --noise 0.05 --network runs/fashion-mnist\n"
        "  pyrdiff invert shirt.png --operator box --size 4 --network runs/fashion-mnist --outdir out\n"
        "  pyrdiff invert shirt.png --operator motion --kernel shake.png --network runs/fashion-mnist\n"
        "  pyrdiff invert shirt.png --operator fourier --pattern spiral --network runs/fashion-mnist\n"
        "  pyrdiff invert holes.png --operator missing --mask mask.png --degraded --network runs/mine\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = pyr_task_run,
    .own = &(const pyr_task_steps){invert, prepare},
};
