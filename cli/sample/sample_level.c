#include "cli/sample/sample_level.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cascade/real_images.h"
#include "cli/one_level.h"
#include "cli/open_data.h"
#include "cli/sample/sample_output.h"
#include "pictures/grid.h"
#include "pictures/pixels.h"
#include "pyramid/codes.h"
#include "terminal/output.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COARSE, ENLARGED, RESIDUAL, IMAGE, PANELS };

typedef struct drawing {
    const pyr_level_sampling *job;
    int level;
    bool coarsest, given; /* given: a coarser image to each */
    bool bands;
    pyr_shape image, variable, coarse, view; /* n = 1; view: of the residual, RGB */
    double gain;
    char *outdir, sampler[256];
    pyr_sample_output to;
    pyr_dataset *data; /* whose images are given */
    pyr_real_images real;
    int64_t *index; /* of the batch's training images */
    /* of a batch: */
    float *images, *variables, *coarser;
    double *mismatch, square; /* square: the sum of all */
    uint8_t *bytes;           /* one view */
    float *shown;             /* the same as numbers */
    float *panel[PANELS];     /* of the first images; IMAGE is the output's own */
    void *device[4], *scratch;
} drawing;

/* ---- what is given ----------------------------------------------------------------------------- */

static pyr_status open_data(drawing *d)
{
    const pyr_level_sampling *job = d->job;
    const char *path = job->config->data.set.path;
    pyr_status status = pyr_open_data(&d->data, &job->config->data.set, job->bar);

    if (status == PYR_OK)
        status = pyr_check_data_shape(d->data, path, pyr_model_image(job->model, 0));
    if (status != PYR_OK)
        return pyr_fail(
            status,
            "%s (level %d is drawn to real coarser images of the run's data: name them with --data PATH, or "
            "give coarser images with --coarse DIR)",
            pyr_error(), d->level);
    if (!job->data_given &&
        pyr_dataset_fingerprint(d->data) != pyr_model_level(job->model, d->level)->level.facts.data)
        pyr_bar_line(job->bar, "note: %s has changed since level %d was trained on it", path, d->level);
    return PYR_OK;
}

/* The coarser images of images first .. first + n - 1. */
static pyr_status take_coarser(drawing *d, size_t first, int n)
{
    const pyr_level_sampling *job = d->job;
    float *image[PYR_MAX_LEVELS] = {NULL};

    if (job->read)
        return job->read(job->ctx, first, n, d->coarser);
    for (int j = 0; j < n; j++)
        d->index[j] = pyr_real_image_of_seed(d->data, job->seeds[first + (size_t)j],
                                             job->labels ? job->labels[first + (size_t)j] : -1);
    image[d->level + 1] = d->coarser;
    return pyr_real_images_take(&d->real, PYR_SPLIT_TRAIN, d->index, n, d->level + 1, image);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static pyr_status allocate(drawing *d, int batch)
{
    pyr_kernels *k = pyr_model_kernels(d->job->model);
    const pyr_pyramid *p = pyr_model_pyramid(d->job->model);
    size_t n = (size_t)batch, real = pyr_type_size(k->real);
    const pyr_shape shape[PANELS] = {d->coarse, d->image, d->view, {0}};

    PYR_TRY(pyr_new(&d->images, n * pyr_count(d->image), sizeof *d->images, "images"));
    if (d->coarsest)
        return PYR_OK;
    PYR_TRY(pyr_new(&d->variables, n * pyr_count(d->variable), sizeof *d->variables, "residuals"));
    PYR_TRY(pyr_new(&d->bytes, pyr_count(d->view), 1, "a residual"));
    PYR_TRY(pyr_new(&d->shown, pyr_count(d->view), sizeof *d->shown, "a residual"));
    if (!d->given)
        return PYR_OK;
    PYR_TRY(pyr_new(&d->coarser, n * pyr_count(d->coarse), sizeof *d->coarser, "coarser images"));
    PYR_TRY(pyr_new(&d->mismatch, n, sizeof *d->mismatch, "images"));
    PYR_TRY(pyr_new(&d->index, n, sizeof *d->index, "images"));
    if (d->data)
        PYR_TRY(pyr_real_images_new(&d->real, k, p, d->data, batch));
    PYR_TRY(pyr_alloc(k, &d->device[0], pyr_count(d->coarse) * real, "an image"));
    PYR_TRY(
        pyr_alloc(k, &d->device[1], pyr_count(pyr_pyramid_condition_shape(p, d->level)) * real, "an image"));
    PYR_TRY(pyr_alloc(k, &d->device[2], pyr_count(d->variable) * real, "an image"));
    PYR_TRY(pyr_alloc(k, &d->device[3], pyr_count(d->image) * real, "an image"));
    PYR_TRY(pyr_alloc(k, &d->scratch, pyr_pyramid_scratch(p, 1), "an image"));
    for (int i = 0; i < IMAGE && d->job->grid; i++)
        PYR_TRY(
            pyr_new(&d->panel[i], d->to.in_grid * pyr_count(shape[i]), sizeof(float), "images of the grid"));
    return PYR_OK;
}

static void release(drawing *d)
{
    pyr_kernels *k = pyr_model_kernels(d->job->model);

    for (int i = 0; i < 4; i++)
        pyr_release(k, d->device[i]);
    pyr_release(k, d->scratch);
    for (int i = 0; i < IMAGE; i++)
        pyr_free(d->panel[i]);
    pyr_real_images_free(&d->real);
    pyr_dataset_free(d->data);
    pyr_sample_output_free(&d->to);
    pyr_free(d->images);
    pyr_free(d->variables);
    pyr_free(d->coarser);
    pyr_free(d->mismatch);
    pyr_free(d->index);
    pyr_free(d->bytes);
    pyr_free(d->shown);
    pyr_free(d->outdir);
}

/* ---- what is written --------------------------------------------------------------------------- */

/* The residual `variable` as numbers of a picture, in d->shown, and as its bytes. */
static void show_residual(drawing *d, const float *variable, const float *coarse)
{
    pyr_variable_view(d->bytes, d->variable, d->bands, variable, coarse, d->gain);
    pyr_pixels_from_bytes(d->shown, d->bytes, pyr_count(d->view));
}

/* What the level adds to: I_level with a residual of 0. */
static pyr_status enlarge(drawing *d, float *dst, const float *coarse)
{
    pyr_kernels *k = pyr_model_kernels(d->job->model);
    const pyr_pyramid *p = pyr_model_pyramid(d->job->model);

    PYR_TRY(pyr_upload_floats(k, d->device[0], coarse, pyr_count(d->coarse)));
    pyr_pyramid_condition(p, d->level, 1, d->device[0], d->device[1], false, d->scratch);
    pyr_zero(k, d->device[2], pyr_count(d->variable) * pyr_type_size(k->real));
    pyr_pyramid_synthesize(p, d->level, 1, d->device[0], d->device[1], d->device[2], d->device[3],
                           d->scratch);
    return pyr_download_floats(k, dst, d->device[3], pyr_count(d->image));
}

/* Of image `at` of all. */
static pyr_status write_residual(const drawing *d, size_t at)
{
    pyr_image image = {0};
    pyr_origin from;
    char *path = pyr_strfmt("%s/residual-%06" PRIu64 ".png", d->outdir, d->job->seeds[at]);
    pyr_status status = path ? pyr_image_new(&image, d->view.h, d->view.w, 3, 8, path)
                             : pyr_fail(PYR_E_NOMEM, "out of memory for a name");

    if (status == PYR_OK) {
        memcpy(image.at, d->bytes, pyr_count(d->view));
        pyr_sample_origin(&from, &d->to, at);
        status = pyr_png_write(path, &image, from.texts, from.n);
    }
    pyr_image_free(&image);
    pyr_free(path);
    return status;
}

/* Image j of the batch, `at` of all. */
static pyr_status keep_one(drawing *d, size_t at, size_t j)
{
    const float *variable = d->variables ? d->variables + j * pyr_count(d->variable) : NULL;
    const float *coarse = d->given ? d->coarser + j * pyr_count(d->coarse) : NULL;
    float *image = d->images + j * pyr_count(d->image);
    char what[96], given[600];

    snprintf(what, sizeof what, "%d of %d (0 is the finest)%s", d->level, pyr_model_levels(d->job->model),
             d->coarsest || d->given ? "" : ", its residual alone");
    if (variable && !d->given)
        snprintf(what + strlen(what), sizeof what - strlen(what), ", gain %g", d->gain);
    d->to.more[0] = (pyr_png_text){"level", what};
    d->to.n_more = 1;
    if (d->given && d->data)
        snprintf(given, sizeof given, "training image %" PRId64 " of %.500s", d->index[j],
                 d->job->config->data.set.path);
    else if (d->given)
        snprintf(given, sizeof given, "%.590s", d->job->name(d->job->ctx, at));
    if (d->given)
        d->to.more[d->to.n_more++] = (pyr_png_text){"given", given};
    if (variable)
        show_residual(d, variable, coarse);
    PYR_TRY(pyr_sample_output_add(&d->to, at, 1, &(float *){d->coarsest || d->given ? image : d->shown}));
    if (!d->given)
        return PYR_OK;
    d->square += d->mismatch[j];
    snprintf(what, sizeof what, "%d of %d (0 is the finest), its residual, gain %g", d->level,
             pyr_model_levels(d->job->model), d->gain);
    PYR_TRY(write_residual(d, at));
    if (at >= d->to.in_grid)
        return PYR_OK;
    memcpy(d->panel[COARSE] + at * pyr_count(d->coarse), coarse, pyr_count(d->coarse) * sizeof *coarse);
    memcpy(d->panel[RESIDUAL] + at * pyr_count(d->view), d->shown, pyr_count(d->view) * sizeof *d->shown);
    return enlarge(d, d->panel[ENLARGED] + at * pyr_count(d->image), coarse);
}

/* DIR/levels.png: coarser image | its enlargement | residual | image. */
static pyr_status write_sheet(const drawing *d)
{
    int n = (int)d->to.in_grid;
    const pyr_panel panel[PANELS] = {
        {d->panel[COARSE], n, d->coarse.h, d->coarse.w, d->coarse.c},
        {d->panel[ENLARGED], n, d->image.h, d->image.w, d->image.c},
        {d->panel[RESIDUAL], n, d->view.h, d->view.w, d->view.c},
        {d->to.first[0], n, d->image.h, d->image.w, d->image.c},
    };
    char what[128];
    const pyr_png_text texts[] = {
        {"Description", what}, {"seeds", d->job->seeds_text}, {"sampler", d->sampler}};
    char *path = pyr_path_join(d->outdir, "levels.png");
    pyr_status status;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    snprintf(what, sizeof what, "level %d: the coarser image, enlarged, the residual (gain %g), the result",
             d->level, d->gain);
    status = pyr_grid_write(path, panel, PANELS, (pyr_grid_style){.zoom = d->job->zoom}, texts, 3);
    if (status == PYR_OK)
        pyr_print("%s: coarser image | enlarged | residual, gain %g | result\n", path, d->gain);
    pyr_free(path);
    return status;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

static void say_what(const drawing *d)
{
    const pyr_level_sampling *job = d->job;
    char given[600] = "", cost[96];
    int nfe = pyr_model_nfe(job->model, d->level);

    if (d->data)
        snprintf(given, sizeof given, "given level %d of training images of %.500s; ", d->level + 1,
                 job->config->data.set.path);
    else if (d->given)
        snprintf(given, sizeof given, "given level %d from files; ", d->level + 1);
    if (nfe > 0)
        snprintf(cost, sizeof cost, "%d evaluations, %.3g GFLOP an image", nfe,
                 pyr_model_flop(job->model, d->level) / 1e9);
    else
        snprintf(cost, sizeof cost, "evaluations are counted as they are made");
    pyr_bar_line(job->bar, "%zu %s of level %d, %dx%dx%d; %s%s; %s; memory %.1f MiB", job->n,
                 d->coarsest || d->given ? "images" : "residuals", d->level, d->image.h, d->image.w,
                 d->image.c, given, d->sampler, cost, pyr_mib(pyr_model_bytes(job->model)));
    if (!d->coarsest && !d->given && job->npz)
        pyr_bar_line(job->bar,
                     "note: level %d is not told the coarser image: its residuals are drawn alone and shown "
                     "with gain %g, there is no NPZ (--coarse DIR or --data PATH gives coarser images to "
                     "add them to)",
                     d->level, d->gain);
}

static pyr_status draw_batch(drawing *d, size_t first, int n)
{
    const pyr_level_sampling *job = d->job;
    pyr_model_draw draw = {
        .n = n, .seeds = job->seeds + first, .label = -1, .labels = job->labels ? job->labels + first : NULL};

    if (d->given) {
        PYR_TRY(take_coarser(d, first, n));
        draw.coarse = d->coarser;
        draw.given = d->level + 1;
        draw.mismatch[d->level] = d->mismatch;
    }
    if (d->coarsest || d->given)
        draw.image[d->level] = d->images;
    draw.variable[d->level] = d->variables;
    PYR_TRY(pyr_model_sample(job->model, &draw));
    for (int j = 0; j < n; j++)
        PYR_TRY(keep_one(d, first + (size_t)j, (size_t)j));
    return PYR_OK;
}

static pyr_status draw_all(drawing *d, int batch)
{
    const pyr_level_sampling *job = d->job;
    double start = pyr_now();

    for (size_t first = 0; first < job->n; first += (size_t)batch) {
        int n = job->n - first < (size_t)batch ? (int)(job->n - first) : batch;

        PYR_TRY(draw_batch(d, first, n));
        pyr_bar_sampling(job->bar, (int64_t)first + n, (int64_t)job->n,
                         (double)(first + (size_t)n) / (pyr_now() - start));
    }
    pyr_bar_line(job->bar, "%zu drawn in %.1f s (%.1f a second), peak memory %.1f MiB: %s", job->n,
                 pyr_now() - start, (double)job->n / (pyr_now() - start), pyr_peak_mib(), d->outdir);
    if (d->given)
        pyr_bar_line(job->bar,
                     "level %d, halved, is off from what was given by %.2g grey values (rms) before it is "
                     "clamped",
                     d->level, 128 * sqrt(d->square / (double)job->n));
    return PYR_OK;
}

/* ---- */

static pyr_status prepare(drawing *d)
{
    const pyr_level_sampling *job = d->job;
    const pyr_pyramid *p = pyr_model_pyramid(job->model);
    const pyr_level *level = &pyr_model_level(job->model, d->level)->level;
    double square = 0;

    d->coarsest = d->level == pyr_model_levels(job->model) - 1;
    if (d->coarsest && (job->read || job->data_given))
        return pyr_fail(PYR_E_ARG, "level %d is the coarsest, it is given no image: leave %s out", d->level,
                        job->read ? "--coarse" : "--data");
    d->given = !d->coarsest && (level->condition.c || job->read || job->data_given);
    d->bands = !d->coarsest && pyr_filter_of(pyr_pyramid_get(p)->filter)->bands;
    d->image = pyr_model_image(job->model, d->level);
    d->variable = level->variable;
    if (!d->coarsest)
        d->coarse = pyr_model_image(job->model, d->level + 1);
    d->view = (pyr_shape){1, d->variable.h * (d->bands ? 2 : 1), d->variable.w * (d->bands ? 2 : 1), 3};
    for (int b = 0; b < level->facts.bands; b++) /* one gain for all, whatever was drawn */
        square += level->facts.std[b] * level->facts.std[b] / level->facts.bands;
    d->gain = pyr_view_gain(sqrt(square));
    snprintf(d->sampler, sizeof d->sampler, "%s", pyr_model_sampler(job->model, d->level));
    d->outdir =
        *job->outdir ? pyr_strdup(job->outdir) : pyr_strfmt("%s/level-%d/samples", job->network, d->level);
    if (!d->outdir)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    return d->given && !job->read ? open_data(d) : PYR_OK;
}

static pyr_status open_output(drawing *d)
{
    const pyr_level_sampling *job = d->job;
    bool image = d->coarsest || d->given;

    d->to = (pyr_sample_output){.folder = d->outdir,
                                .seeds_text = job->seeds_text,
                                .sampler = d->sampler,
                                .seeds = job->seeds,
                                .labels = job->labels,
                                .bits = image ? pyr_model_bits(job->model) : 8,
                                .n = job->n,
                                .levels = 1,
                                .image = {image ? d->image : d->view},
                                .zoom = job->zoom,
                                .grid = job->grid,
                                .archive = job->npz && image};
    snprintf(d->to.weights, sizeof d->to.weights, "%016" PRIx64, pyr_model_hash(job->model));
    return pyr_sample_output_open(&d->to);
}

pyr_status pyr_sample_level(const pyr_level_sampling *job)
{
    drawing d = {.job = job, .level = pyr_model_only(job->model)};
    int batch = job->batch ? job->batch : pyr_model_batch(job->model) * pyr_model_kernels(job->model)->lanes;
    pyr_status status;

    if ((size_t)batch > job->n)
        batch = (int)job->n;
    PYR_TRY_OUT(prepare(&d));
    say_what(&d);
    PYR_TRY_OUT(open_output(&d));
    PYR_TRY_OUT(allocate(&d, batch));
    PYR_TRY_OUT(draw_all(&d, batch));
    PYR_TRY_OUT(pyr_sample_output_close(&d.to));
    if (d.given && job->grid)
        status = write_sheet(&d);
out:
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: the images drawn so far are in %s", d.outdir);
    release(&d);
    return status;
}
