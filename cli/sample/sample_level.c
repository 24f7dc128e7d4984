/* sample_level.c - drawing one level of a run, with or without coarser images. */
#include "cli/sample/sample.h"

#include "cli/cli.h"
#include "terminal/output.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COARSE, ENLARGED, RESIDUAL, IMAGE, PANELS };

typedef struct drawing {
    pyr_drawing *job;
    pyr_sample_output *to; /* the job's */
    bool data_given;
    int level, levels;
    bool coarsest, given;                    /* given: a coarser image to each */
    bool whole;                              /* images are drawn, and not residuals alone */
    const pyrdiff_model_facts *of, *coarser; /* the level, and the next one */
    char path[512];                          /* of the data */
    pyrdiff_data *data;                      /* whose images are given */
    /* of a batch: */
    int64_t *index;           /* of training images */
    float *image[PANELS];     /* RESIDUAL: its view */
    double *mismatch, square; /* square: the sum of all */
    float *panel[PANELS];     /* of the first images; IMAGE is the output's own */
} drawing;

static size_t size_of(const drawing *d, int panel)
{
    const pyrdiff_model_facts *f = panel == COARSE ? d->coarser : d->of;

    if (panel == RESIDUAL)
        return (size_t)f->view_h * (size_t)f->view_w * 3;
    return (size_t)f->h * (size_t)f->w * (size_t)f->c;
}

static pyrdiff_images images_of(const drawing *d, int panel, float *at, int64_t n)
{
    const pyrdiff_model_facts *f = panel == COARSE ? d->coarser : d->of;
    bool view = panel == RESIDUAL;

    return view ? pyr_floats(at, n, f->view_h, f->view_w, 3) : pyr_floats(at, n, f->h, f->w, f->c);
}

/* ---- what is given ----------------------------------------------------------------------------- */

static pyr_status check_data(const drawing *d, pyrdiff_data_facts *f)
{
    const pyrdiff_model_facts *m = &d->job->level[0];

    PYR_TRY(pyrdiff_data_facts_of(d->data, -1, f));
    if (f->h != m->h || f->w != m->w || f->c != m->c)
        return pyr_fail(PYR_E_SHAPE, "%s has images of %dx%dx%d, the run's are %dx%dx%d", d->path, f->h, f->w,
                        f->c, m->h, m->w, m->c);
    return PYR_OK;
}

static pyr_status open_data(drawing *d)
{
    pyr_drawing *job = d->job;
    pyrdiff_data_facts facts = {.size = sizeof facts};
    pyr_status status = pyrdiff_data_open(&d->data, job->settings, pyr_watch_event, &job->watch);

    pyr_bar_end(&job->watch.bar);
    if (status == PYR_OK)
        status = check_data(d, &facts);
    if (status != PYR_OK)
        return pyr_fail(
            status,
            "%s (level %d is drawn to real coarser images of the run's data: name them with --data PATH, or "
            "give coarser images with --coarse DIR)",
            pyrdiff_error(), d->level);
    if (!d->data_given && facts.fingerprint != d->of->data)
        pyr_bar_line(&job->watch.bar, "note: %s has changed since level %d was trained on it", d->path,
                     d->level);
    return PYR_OK;
}

/* ---- memory ------------------------------------------------------------------------------------ */

static pyr_status allocate(drawing *d, int batch)
{
    size_t n = (size_t)batch;

    for (int i = 0; i < PANELS; i++) {
        bool wanted = i == IMAGE ? d->whole : i == RESIDUAL ? !d->coarsest : d->given && d->to->typed->grid;

        if (wanted)
            PYR_TRY(pyr_new(&d->image[i], n * size_of(d, i), sizeof(float), "images"));
        if (d->given && i != IMAGE && d->to->typed->grid)
            PYR_TRY(
                pyr_new(&d->panel[i], d->to->in_grid * size_of(d, i), sizeof(float), "images of the grid"));
    }
    if (!d->given)
        return PYR_OK;
    PYR_TRY(pyr_new(&d->mismatch, n, sizeof *d->mismatch, "images"));
    if (d->data)
        return pyr_new(&d->index, n, sizeof *d->index, "images");
    return pyr_coarse_images_room(&d->job->given, &d->job->coarse, batch);
}

static void release(drawing *d)
{
    for (int i = 0; i < PANELS; i++) {
        pyr_free(d->image[i]);
        pyr_free(d->panel[i]);
    }
    pyrdiff_data_free(d->data);
    pyr_free(d->mismatch);
    pyr_free(d->index);
}

/* ---- what is written --------------------------------------------------------------------------- */

static pyr_status write_residual(const drawing *d, size_t at, const float *view)
{
    pyr_origin from;
    char name[64];

    snprintf(name, sizeof name, "residual-%06" PRIu64 ".png", d->to->seeds[at]);
    pyr_sample_origin(&from, d->to, at);
    return pyr_write_picture(d->to->folder, name, view, d->of->view_h, d->of->view_w, 3, 8, from.texts);
}

static void add_text(pyr_sample_output *o, const char *key, const char *value)
{
    o->more[2 * o->n_more] = key;
    o->more[2 * o->n_more + 1] = value;
    o->n_more++;
}

/* Image j of the batch, `at` of all. */
static pyr_status keep_one(drawing *d, size_t at, size_t j)
{
    float *image = d->image[d->whole ? IMAGE : RESIDUAL];
    char what[96], given[600];

    snprintf(what, sizeof what, "%d of %d (0 is the finest)%s", d->level, d->levels,
             d->whole ? "" : ", its residual alone");
    if (!d->whole)
        snprintf(what + strlen(what), sizeof what - strlen(what), ", gain %g", d->of->gain);
    d->to->n_more = 0;
    add_text(d->to, "level", what);
    if (d->given && d->data)
        snprintf(given, sizeof given, "training image %" PRId64 " of %.500s", d->index[j], d->path);
    else if (d->given)
        snprintf(given, sizeof given, "%.590s", pyr_coarse_images_name(&d->job->coarse, at));
    if (d->given)
        add_text(d->to, "given", given);
    image += j * size_of(d, d->whole ? IMAGE : RESIDUAL);
    PYR_TRY(pyr_sample_output_add(d->to, at, 1, &image));
    if (!d->given)
        return PYR_OK;
    d->square += d->mismatch[j];
    snprintf(what, sizeof what, "%d of %d (0 is the finest), its residual, gain %g", d->level, d->levels,
             d->of->gain);
    PYR_TRY(write_residual(d, at, d->image[RESIDUAL] + j * size_of(d, RESIDUAL)));
    for (int i = 0; i < IMAGE && at < d->to->in_grid; i++)
        memcpy(d->panel[i] + at * size_of(d, i), d->image[i] + j * size_of(d, i),
               size_of(d, i) * sizeof(float));
    return PYR_OK;
}

/* DIR/levels.png: coarser image | its enlargement | residual | image. */
static pyr_status write_sheet(const drawing *d)
{
    pyrdiff_images tables[PANELS];
    char what[128], zoom[16], *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, d->to->folder, "levels.png"));
    for (int i = 0; i < PANELS; i++)
        tables[i] = images_of(d, i, i == IMAGE ? d->to->first[0] : d->panel[i], (int64_t)d->to->in_grid);
    snprintf(zoom, sizeof zoom, "%d", d->to->typed->zoom);
    snprintf(what, sizeof what, "level %d: the coarser image, enlarged, the residual (gain %g), the result",
             d->level, d->of->gain);
    status = pyrdiff_png_write(path, tables, PANELS, (const char *const[]){"zoom", zoom, NULL},
                               (const char *const[]){"Description", what, "seeds", d->to->typed->seeds,
                                                     "sampler", d->to->sampler, NULL});
    if (status == PYR_OK)
        pyr_print("%s: coarser image | enlarged | residual, gain %g | result\n", path, d->of->gain);
    pyr_free(path);
    return status;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

static void say_what(const drawing *d)
{
    pyr_drawing *job = d->job;
    pyr_bar *bar = &job->watch.bar;
    char given[600] = "", cost[96];

    if (d->data)
        snprintf(given, sizeof given, "given level %d of training images of %.500s; ", d->level + 1, d->path);
    else if (d->given)
        snprintf(given, sizeof given, "given level %d from files; ", d->level + 1);
    if (d->of->evaluations > 0)
        snprintf(cost, sizeof cost, "%d evaluations, %.3g GFLOP an image", d->of->evaluations,
                 d->of->flop / 1e9);
    else
        snprintf(cost, sizeof cost, "evaluations are counted as they are made");
    pyr_bar_line(bar, "%zu %s of level %d, %dx%dx%d; %s%s; %s; memory %.1f MiB", d->to->n,
                 d->whole ? "images" : "residuals", d->level, d->of->h, d->of->w, d->of->c, given,
                 d->to->sampler, cost, pyr_mib(d->of->bytes));
    if (!d->whole && d->to->typed->npz)
        pyr_bar_line(
            bar,
            "note: level %d has no coarser image as condition: its residuals are drawn alone and shown "
            "with gain %g, there is no NPZ (--coarse DIR or --data PATH gives coarser images to "
            "add them to)",
            d->level, d->of->gain);
}

static pyr_status draw_batch(drawing *d, size_t first, int n)
{
    static const pyrdiff_what what[PANELS] = {PYRDIFF_IMAGE, PYRDIFF_ENLARGED, PYRDIFF_VIEW, PYRDIFF_IMAGE};
    pyr_drawing *job = d->job;
    pyrdiff_output outputs[PANELS + 1];
    pyrdiff_draw draw = {.size = sizeof draw,
                         .n = n,
                         .seeds = d->to->seeds + first,
                         .labels = d->to->labels ? d->to->labels + first : NULL,
                         .data = d->data,
                         .chosen = d->index,
                         .outputs = outputs};

    if (d->given && !d->data) {
        d->job->given.n = n;
        PYR_TRY(pyr_coarse_images_read(&job->coarse, first, n, &d->job->given));
        draw.inputs = &d->job->given;
        draw.n_inputs = 1;
    }
    for (int i = 0; i < PANELS; i++)
        if (d->image[i])
            outputs[draw.n_outputs++] = (pyrdiff_output){what[i], i == COARSE ? d->level + 1 : d->level,
                                                         images_of(d, i, d->image[i], n)};
    if (d->given)
        outputs[draw.n_outputs++] =
            (pyrdiff_output){PYRDIFF_MISMATCH,
                             d->level,
                             {.data = d->mismatch, .type = PYRDIFF_F64, .n = n, .h = 1, .w = 1, .c = 1}};
    PYR_TRY(pyrdiff_sample(job->model, &draw, pyr_watch_stop, &job->watch));
    for (int j = 0; j < n; j++)
        PYR_TRY(keep_one(d, first + (size_t)j, (size_t)j));
    return PYR_OK;
}

static pyr_status draw_all(drawing *d, int batch)
{
    pyr_drawing *job = d->job;
    pyr_bar *bar = &job->watch.bar;
    double start = pyr_now();

    for (size_t first = 0; first < d->to->n; first += (size_t)batch) {
        int n = d->to->n - first < (size_t)batch ? (int)(d->to->n - first) : batch;

        PYR_TRY(draw_batch(d, first, n));
        pyr_bar_sampling(bar, (int64_t)first + n, (int64_t)d->to->n,
                         (double)(first + (size_t)n) / (pyr_now() - start));
    }
    pyr_bar_line(bar, "%zu drawn in %.1f s (%.1f a second), peak memory %.1f MiB: %s", d->to->n,
                 pyr_now() - start, (double)d->to->n / (pyr_now() - start), pyr_peak_memory_mib(),
                 d->to->folder);
    if (d->given)
        pyr_bar_line(bar,
                     "level %d, halved, is off from what was given by %.2g grey values (rms) before it is "
                     "clamped",
                     d->level, 128 * sqrt(d->square / (double)d->to->n));
    return PYR_OK;
}

/* ---- */

static pyr_status prepare(drawing *d)
{
    pyr_drawing *job = d->job;
    bool files = job->coarse.n > 0;
    char own[48];

    if (d->coarsest && (files || d->data_given))
        return pyr_fail(PYR_E_ARG, "level %d is the coarsest, it is given no image: leave %s out", d->level,
                        files ? "--coarse" : "--data");
    PYR_TRY(pyrdiff_settings_get(job->settings, "data.path", d->path, sizeof d->path));
    snprintf(own, sizeof own, "level-%d/samples", d->level);
    PYR_TRY(pyr_drawing_folder(job, own));
    return d->given && !files ? open_data(d) : PYR_OK;
}

static pyr_status open_output(drawing *d)
{
    d->to->bits = d->whole ? d->of->bits : 8;
    d->to->levels = 1;
    d->to->h[0] = d->whole ? d->of->h : d->of->view_h;
    d->to->w[0] = d->whole ? d->of->w : d->of->view_w;
    d->to->c = d->whole ? d->of->c : 3;
    d->to->archive = d->to->typed->npz && d->whole;
    return pyr_sample_output_open(d->to, d->of->hash);
}

pyr_status pyr_sample_level(pyr_drawing *job, bool data_given)
{
    int level = job->all.level, levels = job->all.levels, batch;
    const pyrdiff_model_facts *of = &job->level[level];
    drawing d = {.job = job,
                 .to = &job->to,
                 .data_given = data_given,
                 .level = level,
                 .levels = levels,
                 .coarsest = level == levels - 1,
                 .given = level < levels - 1 && (of->conditioned || job->coarse.n || data_given),
                 .whole = level == levels - 1 || of->conditioned || job->coarse.n || data_given,
                 .of = of,
                 .coarser = of + 1};
    pyr_status status;

    job->to.sampler = of->sampler;
    PYR_TRY_OUT(prepare(&d));
    batch = job->to.typed->batch ? job->to.typed->batch : of->batch;
    if ((size_t)batch > job->to.n)
        batch = (int)job->to.n;
    say_what(&d);
    PYR_TRY_OUT(open_output(&d));
    PYR_TRY_OUT(allocate(&d, batch));
    PYR_TRY_OUT(draw_all(&d, batch));
    PYR_TRY_OUT(pyr_sample_output_close(&job->to));
    if (d.given && job->to.typed->grid)
        status = write_sheet(&d);
out:
    release(&d);
    return status;
}
