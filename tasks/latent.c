/* latent.c - solves the probability-flow ODE up and down, level by level; interpolates between latents. */
#include "tasks/latent.h"

#include "base/mem.h"
#include "diffusion/rk45.h"
#include "graph/lane_share.h"
#include "graph/safetensors.h"
#include "tasks/layers.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t variable_size(const pyr_model *m, int level)
{
    return pyr_count(m->level[level].level.variable);
}

pyr_status pyr_latent_check_sampler(const pyr_sampler *sampler, int level)
{
    char solvers[256];

    if (pyr_sampler_solves_ode(sampler))
        return PYR_OK;
    pyr_sampler_list(solvers, sizeof solvers, PYR_SAMPLER_ODE);
    return pyr_fail(
        PYR_E_ARG,
        "the sampler of level %d, %s, adds noise of its own; latents need one of the ODE: --sampler %s, without churn and eta",
        level, pyr_sampler_names[sampler->kind], solvers);
}

pyr_status pyr_latent_new(pyr_latent *out, const pyr_model *m, int n)
{
    *out = (pyr_latent){.n = n, .levels = m->levels};
    for (int level = 0; level < out->levels; level++)
        PYR_TRY(pyr_new(&out->at[level], (size_t)n * variable_size(m, level), sizeof(double), "latents"));
    return PYR_OK;
}

void pyr_latent_free(pyr_latent *latent)
{
    for (int level = 0; level < PYR_MAX_LEVELS; level++)
        pyr_free(latent->at[level]);
    *latent = (pyr_latent){0};
}

/* ---- encoding ------------------------------------------------------------------------------------ */

typedef struct encoding {
    pyr_model *m;
    const pyr_layers *layers; /* n */
    pyr_latent *out;
    int label;
    double tolerance;
    int share;        /* images of a task */
    int *evaluations; /* n, the sum over levels */
} encoding;

/* One level of a few images. The equation is solved for y = x / sqrt(1 + s^2), which stays of order one:
 *     dy / d log s = (x / (1 + s^2) - D) / sqrt(1 + s^2) */
typedef struct flow {
    pyr_kernels *k;
    pyr_denoising denoising;
    size_t size;
    void *x, *d, *y, *condition, *work;
    double *s, *host; /* n noise levels; n x the larger of variable and condition */
    uint32_t *rows;
} flow;

static void *row(const flow *f, void *block, int i)
{
    return (char *)block + (size_t)i * f->size * pyr_type_size(f->k->real);
}

static pyr_status derivative(void *ctx, const void *y, const double *t, void *dy, double *dq)
{
    flow *f = ctx;

    (void)dq;
    for (int i = 0; i < f->denoising.n; i++) {
        const void *from = row(f, (void *)y, i);

        f->s[i] = exp(t[i]);
        pyr_combine(f->k, row(f, f->x, i), 1, (double[]){sqrt(1 + f->s[i] * f->s[i])}, &from, f->size);
    }
    PYR_TRY(pyr_denoiser_call(&f->denoising, f->x, f->s, f->d));
    for (int i = 0; i < f->denoising.n; i++) {
        double square = 1 + f->s[i] * f->s[i], root = sqrt(square);

        pyr_combine(f->k, row(f, dy, i), 2, (double[]){1 / (root * square), -1 / root},
                    (const void *const[]){row(f, f->x, i), row(f, f->d, i)}, f->size);
    }
    return PYR_OK;
}

static void flow_free(flow *f)
{
    pyr_kernels *k = f->k;

    pyr_release(k, f->x);
    pyr_release(k, f->d);
    pyr_release(k, f->y);
    pyr_release(k, f->condition);
    pyr_release(k, f->work);
    pyr_free(f->s);
    pyr_free(f->host);
    pyr_free(f->rows);
}

/* Memory for one batch of a level, given back behind it: nothing beside the time that the network takes. */
static pyr_status flow_new(flow *f, const encoding *e, int level, int lane, int n)
{
    pyr_sampled_level *s = &e->m->level[level];
    pyr_kernels *k = e->m->k;
    size_t size = pyr_count(s->level.variable), condition = pyr_count(s->level.condition);
    size_t bytes = (size_t)n * size * pyr_type_size(k->real);

    *f = (flow){.k = k, .size = size, .denoising = {.denoiser = &s->denoiser, .lane = lane, .n = n}};
    PYR_TRY(pyr_alloc(k, &f->x, bytes, "images to encode"));
    PYR_TRY(pyr_alloc(k, &f->d, bytes, "images to encode"));
    PYR_TRY(pyr_alloc(k, &f->y, bytes, "images to encode"));
    PYR_TRY(pyr_alloc(k, &f->work, pyr_rk45_work(k, n, size), "images to encode"));
    PYR_TRY(pyr_new(&f->s, (size_t)n, sizeof *f->s, "images to encode"));
    PYR_TRY(pyr_new(&f->rows, (size_t)n, sizeof *f->rows, "images to encode"));
    PYR_TRY(pyr_new(&f->host, (size_t)n * (size > condition ? size : condition), sizeof *f->host,
                    "images to encode"));
    if (pyr_level_takes_class(s) && e->label >= 0) {
        for (int i = 0; i < n; i++)
            f->rows[i] = (uint32_t)e->label;
        f->denoising.rows = f->rows;
    }
    if (!condition)
        return PYR_OK;
    PYR_TRY(pyr_alloc(k, &f->condition, (size_t)n * condition * pyr_type_size(k->real), "images to encode"));
    f->denoising.condition = f->condition;
    return PYR_OK;
}

/* Put the images' conditions and variables where they belong, at noise level s. */
static pyr_status put_images(flow *f, const encoding *e, int level, int first, double s)
{
    size_t condition = pyr_count(e->m->level[level].level.condition);
    int n = f->denoising.n;

    for (int i = 0; i < n && condition; i++)
        memcpy(f->host + (size_t)i * condition, e->layers[first + i].condition[level],
               condition * sizeof *f->host);
    if (condition)
        PYR_TRY(pyr_upload_reals(f->k, f->condition, f->host, (size_t)n * condition));
    for (size_t i = 0; i < (size_t)n * f->size; i++)
        f->host[i] = e->layers[first + (int)(i / f->size)].variable[level][i % f->size] / sqrt(1 + s * s);
    return pyr_upload_reals(f->k, f->y, f->host, (size_t)n * f->size);
}

static pyr_status encode_level(const encoding *e, int level, int lane, int first, int n)
{
    const pyr_schedule *schedule = &e->m->level[level].schedule;
    double from = pyr_schedule_s(schedule, pyr_schedule_t_min(schedule));
    double to = pyr_schedule_s(schedule, pyr_schedule_t_max(schedule));
    int evaluations[PYR_MAX_SAMPLING_BATCH];
    double *out = e->out->at[level];
    flow f;
    pyr_status status;

    PYR_TRY_OUT(flow_new(&f, e, level, lane, n));
    PYR_TRY_OUT(put_images(&f, e, level, first, from));
    PYR_TRY_OUT(pyr_denoiser_begin(&f.denoising));
    PYR_TRY_OUT(pyr_rk45_solve(&(pyr_rk45){.k = f.k,
                                           .n = n,
                                           .size = f.size,
                                           .f = derivative,
                                           .ctx = &f,
                                           .rtol = e->tolerance,
                                           .atol = e->tolerance,
                                           .work = f.work,
                                           .evaluations = evaluations},
                               log(from), log(to), f.y, NULL));
    PYR_TRY_OUT(pyr_download_reals(f.k, f.host, f.y, (size_t)n * f.size));
    for (size_t i = 0; i < (size_t)n * f.size; i++)
        out[(size_t)first * f.size + i] = f.host[i] * sqrt(1 + to * to);
    for (int i = 0; i < n; i++)
        e->evaluations[first + i] += evaluations[i];
out:
    flow_free(&f);
    return status;
}

static pyr_status encode_task(void *arg, int task, int lane)
{
    const encoding *e = arg;
    int first = task * e->share, n = e->out->n - first < e->share ? e->out->n - first : e->share;

    for (int level = e->out->levels - 1; level >= 0; level--)
        PYR_TRY(encode_level(e, level, lane, first, n));
    return PYR_OK;
}

pyr_status pyr_latent_encode(pyr_latent *out, pyr_model *m, int n, const float *images, int label,
                             double tolerance, double *nfe)
{
    pyr_kernels *k = m->k;
    size_t size = pyr_count(pyr_model_image(m, 0));
    encoding e = {
        .m = m, .out = out, .label = label, .tolerance = tolerance, .share = pyr_lane_share(k, n, m->batch)};
    pyr_layers *layers = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_latent_new(out, m, n));
    PYR_TRY_OUT(pyr_new(&layers, (size_t)n, sizeof *layers, "images to encode"));
    PYR_TRY_OUT(pyr_new(&e.evaluations, (size_t)n, sizeof *e.evaluations, "images to encode"));
    for (int i = 0; i < n; i++)
        PYR_TRY_OUT(pyr_layers_new(&layers[i], m, images + (size_t)i * size));
    e.layers = layers;
    PYR_TRY_OUT(pyr_run_tasks(k, (n + e.share - 1) / e.share, encode_task, &e));
    if (nfe) {
        *nfe = 0;
        for (int i = 0; i < n; i++)
            *nfe += (double)e.evaluations[i] / n;
    }
out:
    for (int i = 0; layers && i < n; i++)
        pyr_layers_free(&layers[i]);
    pyr_free(layers);
    pyr_free(e.evaluations);
    return status;
}

/* ---- what seeds start from ----------------------------------------------------------------------- */

/* Sampling is run with a denoiser that keeps the first x that it sees, and costs nothing. */
typedef struct listening {
    pyr_latent *out;
    pyr_kernels *k;
    struct listener {
        const struct listening *all;
        pyr_model_stage stage;
        size_t size;
        bool heard;
    } * lane;
} listening;

static pyr_status listen(void *ctx, const void *x, const double *s, void *out)
{
    struct listener *l = ctx;
    pyr_kernels *k = l->all->k;
    size_t count = (size_t)l->stage.n * l->size;

    (void)s;
    if (!l->heard)
        PYR_TRY(pyr_download_reals(k, l->all->out->at[l->stage.level] + (size_t)l->stage.first * l->size, x,
                                   count));
    l->heard = true;
    pyr_zero(k, out, count * pyr_type_size(k->real));
    return PYR_OK;
}

static pyr_status listen_before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    listening *all = ctx;
    struct listener *l = &all->lane[stage->lane];

    *l = (struct listener){.all = all, .stage = *stage, .size = variable_size(stage->model, stage->level)};
    draw->denoise = listen;
    draw->denoise_ctx = l;
    return PYR_OK;
}

pyr_status pyr_latent_of_seeds(pyr_latent *out, pyr_model *m, int n, const uint64_t *seeds,
                               const int32_t *labels)
{
    pyr_kernels *k = m->k;
    listening all = {.out = out, .k = k};
    pyr_model_hooks hooks = {.ctx = &all, .before = listen_before};
    pyr_status status;

    PYR_TRY_OUT(pyr_latent_new(out, m, n));
    PYR_TRY_OUT(pyr_new(&all.lane, (size_t)k->lanes, sizeof *all.lane, "latents"));
    PYR_TRY_OUT(pyr_model_sample(
        m, &(pyr_model_draw){.n = n, .seeds = seeds, .label = -1, .labels = labels, .hooks = &hooks}));
out:
    pyr_free(all.lane);
    return status;
}

/* ---- between two --------------------------------------------------------------------------------- */

void pyr_latent_slerp(pyr_latent *out, int frame, const pyr_latent *a, int i, const pyr_latent *b, int j,
                      double t, const pyr_model *m)
{
    for (int level = 0; level < out->levels; level++) {
        size_t size = variable_size(m, level);
        const double *x = a->at[level] + (size_t)i * size, *y = b->at[level] + (size_t)j * size;
        double xx = 0, yy = 0, xy = 0, angle, of_x = 1 - t, of_y = t;

        for (size_t at = 0; at < size; at++) {
            xx += x[at] * x[at];
            yy += y[at] * y[at];
            xy += x[at] * y[at];
        }
        angle = acos(fmin(fmax(xy / sqrt(xx * yy), -1), 1));
        if (t > 0 && t < 1 && sin(angle) > 1e-6) {
            of_x = sin((1 - t) * angle) / sin(angle);
            of_y = sin(t * angle) / sin(angle);
        }
        for (size_t at = 0; at < size; at++)
            out->at[level][(size_t)frame * size + at] = of_x * x[at] + of_y * y[at];
    }
}

/* ---- decoding ------------------------------------------------------------------------------------ */

static pyr_status start_there(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    const pyr_from_latent *from = ctx;
    size_t size = variable_size(stage->model, stage->level);
    void *start = from->lanes.lane[stage->lane].real;

    PYR_TRY(pyr_upload_reals(stage->model->k, start,
                             from->latent->at[stage->level] + (size_t)(from->first + stage->first) * size,
                             (size_t)stage->n * size));
    draw->start = start;
    return PYR_OK;
}

pyr_status pyr_from_latent_new(pyr_from_latent *out, pyr_model *m, const pyr_latent *latent)
{
    *out = (pyr_from_latent){.latent = latent, .hooks = {.ctx = out, .before = start_there}};
    return pyr_task_lanes_new(&out->lanes, m);
}

void pyr_from_latent_free(pyr_from_latent *from)
{
    pyr_task_lanes_free(&from->lanes);
    *from = (pyr_from_latent){0};
}

/* ---- files --------------------------------------------------------------------------------------- */

typedef struct level_name {
    char text[32];
} level_name;

static level_name name_of(int level)
{
    level_name name;

    snprintf(name.text, sizeof name.text, "level-%d", level);
    return name;
}

pyr_status pyr_latent_write(const char *path, const pyr_latent *latent, const pyr_model *m)
{
    pyr_st_entry entries[PYR_MAX_LEVELS];
    level_name names[PYR_MAX_LEVELS];
    float *data[PYR_MAX_LEVELS] = {NULL};
    char weights[32];
    pyr_status status = PYR_OK;

    for (int level = 0; level < latent->levels; level++) {
        pyr_shape s = m->level[level].level.variable;
        size_t count = (size_t)latent->n * pyr_count(s);

        PYR_TRY_OUT(pyr_new(&data[level], count, sizeof *data[level], "latents"));
        for (size_t i = 0; i < count; i++)
            data[level][i] = (float)latent->at[level][i];
        names[level] = name_of(level);
        entries[level] = (pyr_st_entry){.name = names[level].text,
                                        .dtype = PYR_ST_F32,
                                        .rank = 4,
                                        .dims = {latent->n, s.h, s.w, s.c},
                                        .data = data[level]};
    }
    snprintf(weights, sizeof weights, "%016" PRIx64, m->hash);
    status = pyr_safetensors_write(path, entries, (size_t)latent->levels,
                                   (pyr_st_pair[]){{"pyrdiff_latent", "1"}, {"weights", weights}}, 2);
out:
    for (int level = 0; level < latent->levels; level++)
        pyr_free(data[level]);
    return status;
}

/* Latents are kept in memory as doubles: 4096 of 256 x 256 in colour take 6.4 GB. */
enum { MOST_LATENTS = 4096 };

static pyr_status check_file(const pyr_safetensors *file, const char *path, const pyr_model *m, int *n)
{
    const char *version = pyr_safetensors_metadata(file, "pyrdiff_latent");
    int levels = m->levels;

    if (!version || strcmp(version, "1") != 0)
        return pyr_fail(PYR_E_FORMAT, "%s: holds no latents (pyrdiff encode writes them)", path);
    if ((int)pyr_safetensors_count(file) != levels)
        return pyr_fail(PYR_E_SHAPE, "%s: holds latents of %zu levels, this run has %d", path,
                        pyr_safetensors_count(file), levels);
    for (int level = levels - 1; level >= 0; level--) {
        const pyr_st_tensor *t = pyr_safetensors_find(file, name_of(level).text);
        pyr_shape s = m->level[level].level.variable;

        if (!t || t->dtype != PYR_ST_F32 || t->rank != 4)
            return pyr_fail(PYR_E_FORMAT, "%s: level-%d is missing, or no F32 tensor (n, h, w, c)", path,
                            level);
        if (t->dims[1] != s.h || t->dims[2] != s.w || t->dims[3] != s.c)
            return pyr_fail(PYR_E_SHAPE, "%s: level-%d holds %lldx%lldx%lld, that of this run is %dx%dx%d",
                            path, level, (long long)t->dims[1], (long long)t->dims[2], (long long)t->dims[3],
                            s.h, s.w, s.c);
        if (level == levels - 1)
            *n = t->dims[0] >= 1 && t->dims[0] <= MOST_LATENTS ? (int)t->dims[0] : 0;
        if (t->dims[0] != *n)
            return pyr_fail(PYR_E_FORMAT,
                            "%s: level-%d holds %lld latents, should be 1..%d, as many as of the others",
                            path, level, (long long)t->dims[0], MOST_LATENTS);
    }
    return PYR_OK;
}

pyr_status pyr_latent_read(pyr_latent *out, const char *path, const pyr_model *m, bool *same_weights)
{
    pyr_safetensors *file = NULL;
    const char *weights;
    char ours[32];
    int n = 0;
    pyr_status status;

    *out = (pyr_latent){0};
    PYR_TRY_OUT(pyr_safetensors_open(&file, path));
    PYR_TRY_OUT(check_file(file, path, m, &n));
    PYR_TRY_OUT(pyr_latent_new(out, m, n));
    for (int level = 0; level < out->levels; level++)
        PYR_TRY_OUT(pyr_safetensors_read_f64(file, pyr_safetensors_find(file, name_of(level).text),
                                             out->at[level], (size_t)n * variable_size(m, level)));
    snprintf(ours, sizeof ours, "%016" PRIx64, m->hash);
    weights = pyr_safetensors_metadata(file, "weights");
    *same_weights = weights && strcmp(weights, ours) == 0;
out:
    pyr_safetensors_free(file);
    return status;
}
