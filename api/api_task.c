/* api_task.c - the tasks of pyrdiff_sample(): their inputs, their options, their part in drawing. */
#include "api/drawing.h"

#include "base/mem.h"
#include "cascade/one_level.h"
#include <stddef.h>
#include <string.h>

typedef struct task_choice {
    int repeats, level, keep, kind;
    const char *from;
    double size, noise, strength, tolerance;
} task_choice;

#define AT(member) offsetof(task_choice, member)

static const pyr_setting inpaint_rows[] = {
    {"repeats", PYR_SETTING_INT, AT(repeats), 1, 100, "4", NULL, NULL}};
static const pyr_setting colorize_rows[] = {
    {"repeats", PYR_SETTING_INT, AT(repeats), 1, 100, "2", NULL, NULL}};
static const pyr_setting upscale_rows[] = {
    {"level", PYR_SETTING_INT, AT(level), -1, PYR_MAX_LEVELS, "-1", NULL, NULL}};
static const pyr_setting vary_rows[] = {
    {"from", PYR_SETTING_TEXT, AT(from), 0, 0, "", NULL, NULL},
    {"keep-levels-above", PYR_SETTING_INT, AT(keep), -1, PYR_MAX_LEVELS, "-1", NULL, NULL}};
static const pyr_setting invert_rows[] = {
    {"operator", PYR_SETTING_CHOICE, AT(kind), 0, 0, "blur", pyr_operator_names, NULL},
    {"size", PYR_SETTING_REAL, AT(size), 0, 65536, "2", NULL, NULL},
    {"noise", PYR_SETTING_REAL, AT(noise), 0, 10, "0.02", NULL, NULL},
    {"strength", PYR_SETTING_REAL, AT(strength), 0, 100, "1", NULL, NULL}};
static const pyr_setting latent_rows[] = {
    {"tolerance", PYR_SETTING_REAL, AT(tolerance), 1e-10, 1, "1e-4", NULL, NULL}};

/* The call at work. */
typedef struct opening {
    pyr_joined_task *out;
    pyr_model *m;
    const pyrdiff_draw *draw;
    task_choice choice;
    int label;
    pyr_call *call;
} opening;

/* Input i as n images (0: as many as there are, 1 or draw->n) of this size, in floats; the caller frees
 * them. */
static pyr_status read_input(float **out, const opening *o, int i, const char *name, int64_t n, pyr_shape s,
                             int64_t *count)
{
    pyrdiff_images from;

    *out = NULL;
    if (i >= o->draw->n_inputs)
        return pyr_fail(PYR_E_ARG, "inputs[%d] is missing: %s", i, name);
    PYR_TRY(pyr_buffer_check(&from, &o->draw->inputs[i], name, n, s));
    if (!n && from.n != 1 && from.n != o->draw->n)
        return pyr_fail(PYR_E_SHAPE, "%s: there are %lld, should be 1 or %d", name, (long long)from.n,
                        o->draw->n);
    PYR_TRY(pyr_new(out, (size_t)from.n * pyr_count(s), sizeof **out, name));
    pyr_buffer_floats(*out, &from, 0, from.n);
    if (count)
        *count = from.n;
    return PYR_OK;
}

/* A mask h x w: 1 where it is white. */
static pyr_status read_mask(uint8_t **out, const opening *o, int i, const char *name)
{
    pyr_shape s = pyr_model_image(o->m, 0);
    size_t n = (size_t)s.h * (size_t)s.w;
    float *values;
    pyr_status status;

    *out = NULL;
    s.c = 1;
    PYR_TRY_OUT(read_input(&values, o, i, name, 1, s, NULL));
    PYR_TRY_OUT(pyr_new(out, n, 1, name));
    for (size_t j = 0; j < n; j++)
        (*out)[j] = values[j] > 0; /* of bytes: 128 and over */
out:
    pyr_free(values);
    return status;
}

/* ---- the tasks --------------------------------------------------------------------------------- */

static pyr_status inpaint(opening *o)
{
    float *image = NULL;
    uint8_t *mask = NULL;
    pyr_status status;

    PYR_TRY_OUT(read_input(&image, o, 0, "the image", 1, pyr_model_image(o->m, 0), NULL));
    PYR_TRY_OUT(read_mask(&mask, o, 1, "the mask"));
    PYR_TRY_OUT(pyr_known_new(&o->out->known, o->m, image, mask, o->choice.repeats));
    o->out->hooks = pyr_known_hooks(o->out->known);
out:
    pyr_free(image);
    pyr_free(mask);
    return status;
}

static pyr_status colorize(opening *o)
{
    float *image;
    pyr_status status;

    PYR_TRY_OUT(read_input(&image, o, 0, "the image", 1, pyr_model_image(o->m, 0), NULL));
    PYR_TRY_OUT(pyr_known_new(&o->out->known, o->m, image, NULL, o->choice.repeats));
    o->out->hooks = pyr_known_hooks(o->out->known);
out:
    pyr_free(image);
    return status;
}

static pyr_status upscale(opening *o)
{
    int level = o->choice.level;

    PYR_TRY(pyr_check_coarser_level(&level, o->m->levels));
    o->out->given = level;
    return read_input(&o->out->coarse, o, 0, "the coarser image", 0, pyr_model_image(o->m, level),
                      &o->out->n_coarse);
}

static pyr_status vary(opening *o)
{
    double from[PYR_MAX_LEVELS];
    float *image;
    int given;
    pyr_status status;

    PYR_TRY_OUT(read_input(&image, o, 0, "the image", 1, pyr_model_image(o->m, 0), NULL));
    PYR_TRY_OUT(pyr_vary_from(from, o->choice.from, o->choice.keep, o->m->levels));
    PYR_TRY_OUT(pyr_vary_new(&o->out->vary, o->m, image, from, NULL, NULL));
    PYR_TRY_OUT(pyr_vary_given(&o->out->coarse, &given, o->m, image, from));
    o->out->given = o->out->coarse ? given : 0;
    o->out->n_coarse = 1;
    o->out->hooks = pyr_vary_hooks(o->out->vary);
out:
    pyr_free(image);
    return status;
}

static pyr_status invert(opening *o)
{
    pyr_joined_task *out = o->out;
    pyr_shape image = pyr_model_image(o->m, 0);
    bool missing = o->choice.kind == PYR_OPERATOR_MISSING || o->choice.kind == PYR_OPERATOR_FOURIER;
    uint8_t *mask = NULL;
    pyrdiff_images from;
    pyr_status status;

    for (int level = o->m->levels - 1; level >= 0; level--)
        PYR_TRY(pyr_inverse_check_sampler(&o->m->level[level].level.settings.sampler, level));
    if (missing)
        PYR_TRY_OUT(read_mask(&mask, o, 1, "the mask of missing pixels"));
    status = pyr_operator_new(&out->a, (pyr_operator_kind)o->choice.kind, o->choice.size, mask, image);
    if (status == PYR_E_ARG)
        pyr_fail_prefix(status, "--size");
    PYR_TRY_OUT(status);
    if (o->draw->n_inputs < 1)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "inputs[0] is missing: y"));
    PYR_TRY_OUT(pyr_buffer_check(&from, &o->draw->inputs[0], "y", 1, out->a.out));
    PYR_TRY_OUT(pyr_new(&out->y, pyr_count(out->a.out), sizeof *out->y, "a picture"));
    pyr_buffer_doubles(out->y, &from, 0, 1);
    for (size_t i = 0; i < pyr_count(out->a.out) && missing; i++)
        out->y[i] = out->a.seen[i / (size_t)image.c] ? out->y[i] : 0;
    PYR_TRY_OUT(
        pyr_inverse_new(&out->inverse, o->m,
                        &(pyr_inverse_problem){.a = &out->a,
                                               .y = out->y,
                                               .noise = pyr_inverse_noise(o->choice.noise, o->m->bits),
                                               .strength = o->choice.strength}));
    out->hooks = pyr_inverse_hooks(out->inverse);
out:
    pyr_free(mask);
    return status;
}

/* Latents are of the ODE, and of one class. */
static pyr_status check_latents(const opening *o)
{
    const pyrdiff_draw *draw = o->draw;

    for (int level = o->m->levels - 1; level >= 0; level--) {
        const pyr_level_settings *s = &o->m->level[level].level.settings;

        PYR_TRY(pyr_latent_check_sampler(&s->sampler, level));
        if (s->sampler_augmentation > 0)
            return pyr_fail(PYR_E_ARG, "level.sampler.augmentation of level %d is %g, latents need 0", level,
                            s->sampler_augmentation);
    }
    for (int i = 1; i < draw->n && draw->labels; i++)
        if (draw->labels[i] != draw->labels[0])
            return pyr_fail(PYR_E_ARG,
                            "labels: latents are of one class, image %d is of another than the first", i);
    return PYR_OK;
}

static pyr_status encode(opening *o)
{
    float *images = NULL;
    double nfe;
    pyr_status status;

    PYR_TRY(check_latents(o));
    PYR_TRY_OUT(read_input(&images, o, 0, "the images", o->draw->n, pyr_model_image(o->m, 0), NULL));
    PYR_TRY_OUT(
        pyr_latent_encode(&o->out->latent, o->m, o->draw->n, images, o->label, o->choice.tolerance, &nfe));
    pyr_call_say(o->call, "%d picture%s encoded, %.0f evaluations each", o->draw->n,
                 o->draw->n == 1 ? "" : "s", nfe);
    o->out->done = true;
out:
    pyr_free(images);
    return status;
}

static pyr_status start_from_latents(opening *o)
{
    PYR_TRY(pyr_from_latent_new(&o->out->from, o->m, &o->out->latent));
    o->out->hooks = &o->out->from.hooks;
    return PYR_OK;
}

static pyr_status decode(opening *o)
{
    int levels = o->m->levels;

    PYR_TRY(check_latents(o));
    if (o->draw->n_inputs != levels)
        return pyr_fail(PYR_E_ARG, "decode: there are %d inputs, should be %d: the latents of each level",
                        o->draw->n_inputs, levels);
    PYR_TRY(pyr_latent_new(&o->out->latent, o->m, o->draw->n));
    for (int i = 0; i < levels; i++) {
        pyrdiff_images from;

        PYR_TRY(pyr_buffer_check(&from, &o->draw->inputs[i], "the latents", o->draw->n,
                                 o->m->level[i].level.variable));
        if (from.type != PYRDIFF_F32 && from.type != PYRDIFF_F64)
            return pyr_fail(PYR_E_ARG, "the latents of level %d should be floats or doubles", i);
        pyr_buffer_doubles(o->out->latent.at[i], &from, 0, from.n);
    }
    return start_from_latents(o);
}

/* One end: image i of the inputs, or that of a seed. */
static pyr_status end_of(pyr_latent *out, const opening *o, int i)
{
    uint64_t seed = o->draw->seeds ? o->draw->seeds[i] : (uint64_t)i;
    int32_t label = o->label;
    float *image = NULL;
    pyr_status status;

    if (!o->draw->n_inputs)
        return pyr_latent_of_seeds(out, o->m, 1, &seed, label >= 0 ? &label : NULL);
    status = read_input(&image, o, i, i ? "the second image" : "the first image", 1, pyr_model_image(o->m, 0),
                        NULL);
    if (status == PYR_OK)
        status = pyr_latent_encode(out, o->m, 1, image, o->label, o->choice.tolerance, NULL);
    pyr_free(image);
    return status;
}

static pyr_status interpolate(opening *o)
{
    pyr_latent a = {0}, b = {0};
    int n = o->draw->n;
    pyr_status status;

    PYR_TRY(check_latents(o));
    if (n < 2)
        return pyr_fail(PYR_E_ARG, "interpolate: n is %d, should be 2 or more: both ends are among them", n);
    PYR_TRY_OUT(end_of(&b, o, 1));
    PYR_TRY_OUT(end_of(&a, o, 0));
    PYR_TRY_OUT(pyr_latent_new(&o->out->latent, o->m, n));
    for (int i = 0; i < n; i++)
        pyr_latent_slerp(&o->out->latent, i, &a, 0, &b, 0, (double)i / (n - 1), o->m);
    status = start_from_latents(o);
out:
    pyr_latent_free(&a);
    pyr_latent_free(&b);
    return status;
}

/* ---- one of them ------------------------------------------------------------------------------- */

#define ROWS(table) table, sizeof table / sizeof *table

static const struct {
    const char *name;
    pyr_status (*open)(opening *o);
    const pyr_setting *rows;
    size_t n;
} tasks[] = {
    {"inpaint", inpaint, ROWS(inpaint_rows)}, {"colorize", colorize, ROWS(colorize_rows)},
    {"upscale", upscale, ROWS(upscale_rows)}, {"vary", vary, ROWS(vary_rows)},
    {"invert", invert, ROWS(invert_rows)},    {"encode", encode, ROWS(latent_rows)},
    {"decode", decode, ROWS(latent_rows)},    {"interpolate", interpolate, ROWS(latent_rows)},
};
enum { TASKS = sizeof tasks / sizeof *tasks };

pyr_status pyr_joined_task_open(pyr_joined_task *out, pyrdiff_model *m, const pyrdiff_draw *draw, int label,
                                pyr_call *call)
{
    opening o = {.out = out, .m = m->run, .draw = draw, .label = label, .call = call};
    const char *names[TASKS];
    int at;

    for (int i = 0; i < TASKS; i++)
        names[i] = tasks[i].name;
    PYR_TRY(pyr_find_word(&at, "task", draw->task, strlen(draw->task), names, TASKS));
    PYR_TRY(pyr_choices_read(&o.choice, tasks[at].rows, tasks[at].n, draw->options));
    return tasks[at].open(&o);
}

void pyr_joined_task_free(pyr_joined_task *t)
{
    pyr_from_latent_free(&t->from);
    pyr_latent_free(&t->latent);
    pyr_known_free(t->known);
    pyr_vary_free(t->vary);
    pyr_inverse_free(t->inverse);
    pyr_operator_free(&t->a);
    pyr_free(t->y);
    pyr_free(t->coarse);
}
