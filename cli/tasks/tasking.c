/* tasking.c - what the commands of tasks share. */
#include "cli/tasks/tasking.h"

#include "cli/typed_settings.h"
#include "pictures/grid.h"
#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "pictures/range.h"
#include "pictures/resize.h"
#include "settings/parse.h"
#include "tasks/mask.h"
#include "terminal/output.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const pyr_option pyr_task_options[] = {
    OPT_NETWORK(pyr_task_typed, network),
    OPT_TEXT(pyr_task_typed, outdir, "outdir", "DIR", "",
             "where pictures are written; without it, a folder in RUN that is named as the command"),
    OPT_GROUP(pyr_task_typed, sampling, pyr_sampling_options),
    OPT_FLAG(pyr_task_typed, resize, "resize",
             "bring pictures of another size to that of the run: crop to its aspect ratio, then resample"),
    OPT_INT(pyr_task_typed, zoom, "zoom", "N", "3", 1, 64, "enlarge the sheet N times"),
    OPT_GROUP(pyr_task_typed, machine, pyr_machine_options),
    {0},
};

/* ---- the run ----------------------------------------------------------------------------------- */

static pyr_status read_settings(pyr_tasking *t, const pyr_parsed *parsed)
{
    const pyr_task_typed *typed = t->typed;

    if (typed->seeds)
        PYR_TRY(pyr_parse_seeds_option(typed->seeds, &t->seeds, &t->n));
    if (t->n > PYR_TASK_IMAGES)
        return pyr_fail(PYR_E_ARG, "--seeds: %zu images, should be at most %d", t->n, PYR_TASK_IMAGES);
    PYR_TRY(pyr_run_settings_typed(&t->settings, &t->config, typed->network, parsed));
    PYR_TRY(pyr_set_sampling(&typed->sampling, t->config.pyramid.levels, pyr_settings_put, t->settings));
    return pyr_config_get(&t->config, t->settings);
}

static void put_sampler(pyr_tasking *t)
{
    for (int level = t->model->levels - 1; level >= 0; level--) {
        size_t at = strlen(t->sampler);

        snprintf(t->sampler + at, sizeof t->sampler - at, "%s%s", at ? ", " : "", t->model->sampler[level]);
    }
    snprintf(t->weights, sizeof t->weights, "%016" PRIx64, t->model->hash);
}

static pyr_status open_model(pyr_tasking *t)
{
    PYR_TRY(pyr_open_machine(&t->k, &t->typed->machine, false));
    PYR_TRY(pyr_model_open(&t->model, t->k, t->typed->network, &t->config));
    PYR_TRY(pyr_model_choose_class(&t->choice, t->model, t->typed->sampling.of_class));
    put_sampler(t);
    PYR_TRY(*t->typed->outdir ? pyr_format(&t->outdir, "%s", t->typed->outdir)
                              : pyr_path_new(&t->outdir, t->typed->network, t->command));
    PYR_TRY(pyr_open_output_folder(t->outdir));
    pyr_stop_on_signals();
    return PYR_OK;
}

pyr_status pyr_task_run(void *typed, pyr_parsed *parsed)
{
    const pyr_task_steps *steps = parsed->command->own;
    pyr_tasking t = {.command = parsed->command->name,
                     .typed = typed,
                     .parsed = parsed,
                     .arguments = parsed->arguments,
                     .n_arguments = (int)parsed->n_arguments,
                     .bar = pyr_bar_new()};
    pyr_status status;

    PYR_TRY_OUT(read_settings(&t, parsed));
    if (steps->prepare)
        PYR_TRY_OUT(steps->prepare(&t, typed));
    PYR_TRY_OUT(open_model(&t));
    PYR_TRY_OUT(steps->body(&t, typed));
out:
    pyr_free(t.picture);
    pyr_free(t.drawn);
    pyr_free(t.sheet);
    pyr_free(t.seeds);
    pyr_free(t.outdir);
    pyr_model_free(t.model);
    pyr_kernels_free(t.k);
    pyr_settings_free(t.settings);
    return status;
}

pyr_status pyr_tasking_unseeded(pyr_tasking *t, int n)
{
    pyr_free(t->seeds);
    t->seeds = NULL;
    t->n = (size_t)n;
    return pyr_new(&t->seeds, t->n, sizeof *t->seeds, "seeds");
}

pyr_status pyr_tasking_one_class(const pyr_tasking *t, int *label)
{
    *label = t->choice.label;
    if (t->choice.kind == PYR_CLASS_ALL || t->choice.kind == PYR_CLASS_RANDOM)
        return pyr_fail(PYR_E_ARG, "--class %s: here all images are of one class, give its number or name",
                        t->typed->sampling.of_class);
    return PYR_OK;
}

pyr_status pyr_tasking_ode(pyr_tasking *t, bool solver, double tolerance)
{
    for (int level = t->config.pyramid.levels - 1; level >= 0; level--) {
        pyr_level_settings *s = &t->config.level[level];

        s->sampler_augmentation = 0;
        if (solver && !*t->typed->sampling.sampler) {
            s->sampler.kind = PYR_RK45;
            s->sampler.tolerance = tolerance;
        } else if (!*t->typed->sampling.sampler && !pyr_sampler_solves_ode(&s->sampler))
            s->sampler.kind = PYR_HEUN; /* the run's own adds noise */
        PYR_TRY(pyr_latent_check_sampler(&s->sampler, level));
    }
    return PYR_OK;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

static pyr_status read_picture(pyr_image *out, pyr_tasking *t, const char *path)
{
    PYR_TRY(pyr_image_read(out, path));
    if (out->turned)
        pyr_bar_line(&t->bar, "%s: turned as the orientation in its file says", path);
    return PYR_OK;
}

/* Of a run whose data.range is set a picture may be one of its data, with the values that the data have, or a
 * sample, whose values are spread already. The largest value distinguishes them: above the range it is a
 * sample. */
static pyr_status bring_to_range(pyr_image *image, pyr_tasking *t, const char *path)
{
    const double *range = t->config.data.set.range;
    uint32_t least, most, top = (UINT32_C(1) << image->bits) - 1;

    if (!(range[0] < range[1]))
        return PYR_OK;
    pyr_image_extremes(image, &least, &most);
    if (least < range[0] || most > range[1] || range[1] > top) {
        pyr_bar_line(
            &t->bar,
            "%s: %d bits, values %u to %u, which data with data.range = [%g, %g] have not: taken as a "
            "sample of the run, 0 is black, %u white",
            path, image->bits, least, most, range[0], range[1], top);
        return PYR_OK;
    }
    pyr_bar_line(&t->bar, "%s: values %u to %u, taken as the run's data: data.range = [%g, %g]", path, least,
                 most, range[0], range[1]);
    return pyr_image_spread(image, range[0], range[1], path);
}

pyr_status pyr_task_read(pyr_image *out, pyr_tasking *t, const char *path)
{
    pyr_status status;

    PYR_TRY(read_picture(out, t, path));
    status = bring_to_range(out, t, path);
    if (status != PYR_OK)
        pyr_image_free(out);
    return status;
}

/* Is an image that was read from `path` of the size of I_level, or may it be brought there? */
static pyr_status check_size(const pyr_image *image, const pyr_tasking *t, const char *path, int level,
                             const char *what)
{
    pyr_shape s = pyr_model_image(t->model, level);

    if ((image->h == s.h && image->w == s.w) || t->typed->resize)
        return PYR_OK;
    return pyr_fail(PYR_E_SHAPE, "%s is %dx%d, %s level %d of this run is %dx%d; --resize brings it there",
                    path, image->h, image->w, what, level, s.h, s.w);
}

static pyr_status bring_to_size(pyr_image *image, const pyr_tasking *t, int level)
{
    pyr_shape s = pyr_model_image(t->model, level);
    pyr_image fit = {0};

    if (image->h == s.h && image->w == s.w)
        return PYR_OK;
    PYR_TRY(pyr_image_fit(&fit, image, s.h, s.w, PYR_FIT_ASPECT));
    pyr_image_free(image);
    *image = fit;
    return PYR_OK;
}

pyr_status pyr_task_picture(float **out, pyr_tasking *t, const char *path, int level)
{
    pyr_shape s = pyr_model_image(t->model, level);
    pyr_image image = {0};
    pyr_status status;
    int bits = t->model->bits;

    *out = NULL;
    PYR_TRY_OUT(pyr_task_read(&image, t, path));
    PYR_TRY_OUT(check_size(&image, t, path, level, "an image of"));
    PYR_TRY_OUT(bring_to_size(&image, t, level));
    if (image.c != s.c || image.bits != bits)
        pyr_bar_line(&t->bar, "%s is %s of %d bits, the run's images are %s of %d: converted", path,
                     pyr_channels_name(image.c), image.bits, pyr_channels_name(s.c), bits);
    PYR_TRY_OUT(pyr_new(out, pyr_count(s), sizeof **out, "a picture"));
    PYR_TRY_OUT(pyr_image_to_values(*out, &image, s.c, bits));
out:
    pyr_image_free(&image);
    return status;
}

pyr_status pyr_task_mask(uint8_t **out, pyr_tasking *t, const char *path)
{
    pyr_image image = {0}, grey = {0};
    pyr_text note = {0};
    size_t n, drawn = 0;
    pyr_status status;

    *out = NULL;
    PYR_TRY_OUT(read_picture(&image, t, path));
    PYR_TRY_OUT(check_size(&image, t, path, 0, "a mask for"));
    PYR_TRY_OUT(pyr_mask_understand(&grey, &image, path, &note));
    PYR_TRY_OUT(bring_to_size(&grey, t, 0));
    n = (size_t)grey.h * (size_t)grey.w;
    PYR_TRY_OUT(pyr_new(out, n, 1, "a mask"));
    pyr_image_convert(*out, &grey, 1, 8);
    for (size_t i = 0; i < n; i++)
        drawn += (*out)[i] = (*out)[i] >= 128;
    if (note.length)
        pyr_bar_line(&t->bar, "warning: %s (%.1f%% of it)", note.at, 100.0 * (double)drawn / (double)n);
    if (!drawn)
        pyr_bar_line(&t->bar,
                     "warning: %s is black all over: nothing to draw, the picture itself is the result",
                     path);
out:
    pyr_text_free(&note);
    pyr_image_free(&grey);
    pyr_image_free(&image);
    return status;
}

pyr_status pyr_task_strokes(float *picture, pyr_tasking *t, const char *path)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    size_t n = pyr_count(s), c = (size_t)s.c;
    pyr_image image = {0};
    float *painted = NULL; /* times its opacity, on black */
    double black = -(ldexp(1, t->model->bits) - 1) / ldexp(1, t->model->bits);
    pyr_status status;

    PYR_TRY_OUT(read_picture(&image, t, path));
    PYR_TRY_OUT(check_size(&image, t, path, 0, "strokes on"));
    if (pyr_image_opaque(&image))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                             "%s has no transparent pixels: strokes are what is opaque in a picture "
                             "that is transparent elsewhere",
                             path));
    PYR_TRY_OUT(bring_to_size(&image, t, 0));
    PYR_TRY_OUT(pyr_new(&painted, n, sizeof *painted, "strokes"));
    PYR_TRY_OUT(pyr_image_to_values(painted, &image, s.c, t->model->bits));
    for (size_t i = 0; i < n; i++) {
        double top = ldexp(1, image.bits) - 1,
               opaque = pyr_image_get(&image, (i / c + 1) * (size_t)image.c - 1) / top;

        picture[i] = (float)((double)painted[i] + (1 - opaque) * ((double)picture[i] - black));
    }
out:
    pyr_image_free(&image);
    pyr_free(painted);
    return status;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

/* One round of n images from `first` on. */
static pyr_status draw_round(pyr_tasking *t, const pyr_task_draw *draw, const int32_t *labels, size_t first,
                             int n, float *coarse)
{
    pyr_model_draw one = {.n = n,
                          .seeds = t->seeds + first,
                          .label = -1,
                          .labels = labels ? labels + first : NULL,
                          .coarse = coarse,
                          .given = draw->given,
                          .hooks = draw->hooks};

    one.image[0] = t->drawn + first * pyr_count(pyr_model_image(t->model, 0));
    for (int level = 0; level < t->model->levels; level++)
        one.mismatch[level] = draw->mismatch[level] ? draw->mismatch[level] + first : NULL;
    if (draw->first)
        *draw->first = (int)first;
    return pyr_model_sample(t->model, &one);
}

pyr_status pyr_tasking_draw(pyr_tasking *t, const pyr_task_draw *draw)
{
    int batch = t->model->batch * t->k->lanes, given = draw->given ? draw->given : t->model->levels - 1;
    size_t size = pyr_count(pyr_model_image(t->model, given));
    float *coarse = NULL;
    int32_t *labels = NULL;
    double start = pyr_now();
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_class_labels(&labels, &t->choice, t->seeds, t->n));
    PYR_TRY_OUT(
        pyr_new(&t->drawn, t->n * pyr_count(pyr_model_image(t->model, 0)), sizeof *t->drawn, "images"));
    if (draw->coarse) {
        PYR_TRY_OUT(pyr_new(&coarse, (size_t)batch * size, sizeof *coarse, "images"));
        for (int i = 0; i < batch; i++)
            memcpy(coarse + (size_t)i * size, draw->coarse, size * sizeof *coarse);
    }
    for (size_t first = 0; first < t->n; first += (size_t)batch) {
        int n = t->n - first < (size_t)batch ? (int)(t->n - first) : batch;

        PYR_TRY_OUT(draw_round(t, draw, labels, first, n, coarse));
        pyr_bar_sampling(&t->bar, (int64_t)first + n, (int64_t)t->n,
                         (double)(first + (size_t)n) / (pyr_now() - start));
    }
    pyr_bar_line(&t->bar, "%zu image%s in %.1f s", t->n, t->n == 1 ? "" : "s", pyr_now() - start);
out:
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: none of the images was written to %s", t->outdir);
    pyr_free(coarse);
    pyr_free(labels);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------- */

pyr_status pyr_tasking_show(pyr_tasking *t, const float *images, int n, pyr_shape from)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    size_t size = pyr_count(s);
    float *more = pyr_realloc(t->sheet, (size_t)(t->in_sheet + n) * size, sizeof *more);

    if (!more)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a sheet of %d images", t->in_sheet + n);
    t->sheet = more;
    for (int i = 0; i < n; i++)
        for (size_t at = 0; at < size; at++) {
            int j = (int)(at % (size_t)s.c), x = (int)(at / (size_t)s.c) % s.w,
                y = (int)(at / (size_t)s.c) / s.w;
            size_t pixel = ((size_t)i * (size_t)from.h + (size_t)(y * from.h / s.h)) * (size_t)from.w +
                           (size_t)(x * from.w / s.w);

            t->sheet[(size_t)(t->in_sheet + i) * size + at] =
                images[pixel * (size_t)from.c + (size_t)(from.c == 1 ? 0 : j)];
        }
    t->in_sheet += n;
    return PYR_OK;
}

/* seed NULL: it has none; label -1: of no class, or not drawn. */
static pyr_status write_image(const pyr_tasking *t, const char *name, const char *seed, int label,
                              const float *pixels, pyr_shape s)
{
    char of_class[16], *path;
    pyr_image image = {0};
    size_t n = 4;
    pyr_png_text texts[6] = {
        {"Title", t->command}, {"sampler", t->sampler}, {"weights", t->weights}, {"Software", "pyrdiff"}};
    pyr_status status;

    snprintf(of_class, sizeof of_class, "%d", label);
    if (seed)
        texts[n++] = (pyr_png_text){"seed", seed};
    if (label >= 0)
        texts[n++] = (pyr_png_text){"class", of_class};
    PYR_TRY(pyr_format(&path, "%s/%s.png", t->outdir, name));
    PYR_TRY_OUT(pyr_image_from_values(&image, pixels, s.h, s.w, s.c, t->model->bits, path));
    PYR_TRY_OUT(pyr_png_write(path, &image, texts, n));
out:
    pyr_image_free(&image);
    pyr_free(path);
    return status;
}

pyr_status pyr_tasking_write(const pyr_tasking *t, const char *name, const float *image, pyr_shape s)
{
    return write_image(t, name, NULL, -1, image, s);
}

pyr_status pyr_tasking_decode(pyr_tasking *t, const pyr_latent *latent, const char *name)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    pyr_from_latent from = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_from_latent_new(&from, t->model, latent));
    PYR_TRY_OUT(pyr_tasking_draw(t, &(pyr_task_draw){.hooks = &from.hooks, .first = &from.first}));
    for (size_t i = 0; i < t->n; i++) {
        char numbered[40];

        snprintf(numbered, sizeof numbered, "%s-%03zu", name, i);
        PYR_TRY_OUT(write_image(t, numbered, NULL, t->choice.label, t->drawn + i * pyr_count(s), s));
    }
    PYR_TRY_OUT(pyr_tasking_show(t, t->drawn, (int)t->n, s));
out:
    pyr_from_latent_free(&from);
    return status;
}

pyr_status pyr_tasking_write_sheet(const pyr_tasking *t)
{
    pyr_shape s = pyr_model_image(t->model, 0);
    pyr_panel panel = {t->sheet, t->in_sheet, s.h, s.w, s.c};
    int columns = t->columns ? t->columns : PYR_SHEET_COLUMNS;
    pyr_grid_style style = {.cols = t->in_sheet < columns ? t->in_sheet : columns, .zoom = t->typed->zoom};
    const pyr_png_text texts[] = {{"Title", t->command},
                                  {"seeds", t->typed->seeds ? t->typed->seeds : ""},
                                  {"sampler", t->sampler},
                                  {"weights", t->weights}};
    char *path;
    pyr_status status;

    PYR_TRY(pyr_format(&path, "%s/%s.png", t->outdir, t->command));
    status = pyr_grid_write(path, &panel, 1, style, texts, 4);
    if (status == PYR_OK)
        pyr_print("%s\n", path);
    pyr_free(path);
    return status;
}

pyr_status pyr_tasking_finish(pyr_tasking *t)
{
    pyr_shape s = pyr_model_image(t->model, 0);

    for (size_t i = 0; i < t->n; i++) {
        char name[32], seed[32];

        snprintf(name, sizeof name, "%06" PRIu64, t->seeds[i]);
        snprintf(seed, sizeof seed, "%" PRIu64, t->seeds[i]);
        PYR_TRY(write_image(t, name, seed, pyr_class_of_seed(&t->choice, t->seeds[i]),
                            t->drawn + i * pyr_count(s), s));
    }
    PYR_TRY(pyr_tasking_show(t, t->drawn, (int)t->n, s));
    return pyr_tasking_write_sheet(t);
}
