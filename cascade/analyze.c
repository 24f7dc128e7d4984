/* analyze.c - what the levels of a data set's pyramid are like, and what noise they want. */
#include "cascade/analyze.h"

#include "base/mem.h"
#include "diffusion/ncsn.h"
#include "levels/level_file.h"
#include "pyramid/spectrum.h"
#include <math.h>

enum { BATCH = 16, LEAST_IMAGES = 64, MOST_STEPS = 1000 };
static const char what[] = "the analysis of a level";
/* Numbers of a level's sample, in floats, at most (but for LEAST_IMAGES): 64 MiB. */
static const double most_numbers = 16 * 1048576.0;
/* A step count is enough when Langevin's variance is within so much of the noise level's. */
static const double near = 0.05;

typedef struct work {
    const pyr_analysis_job *job;
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_pyramid *pyramid;
    pyr_feed feed;
} work;

/* ---- a sample ---------------------------------------------------------------------------------- */

typedef struct sample {
    work *w;
    int level;
    int64_t n, count; /* images, of the training set */
    size_t size;      /* numbers of one */
    float *x;         /* n x size */
    void **variable;  /* [lane] BATCH images, backend */
} sample;

static pyr_status fetch(void *arg, int task, int lane)
{
    sample *s = arg;
    int64_t first = (int64_t)task * BATCH, index[BATCH];
    pyr_pick pick = {.split = PYR_SPLIT_TRAIN, .index = index};

    for (; pick.n < BATCH && first + pick.n < s->n; pick.n++)
        index[pick.n] = (first + pick.n) * s->count / s->n;
    PYR_TRY(pyr_feed_level(&s->w->feed, lane, &pick, s->level, s->variable[lane], NULL));
    return pyr_download_floats(s->w->k, s->x + (size_t)first * s->size, s->variable[lane],
                               (size_t)pick.n * s->size);
}

static void sample_free(sample *s)
{
    for (int i = 0; s->variable && i < s->w->feed.lanes; i++)
        pyr_release(s->w->k, s->variable[i]);
    pyr_free(s->variable);
    pyr_free(s->x);
}

static pyr_status sample_new(sample *s, work *w, const pyr_level *level)
{
    pyr_kernels *k = w->k;
    size_t size = pyr_count(level->variable), lanes = (size_t)w->feed.lanes;
    int64_t count = pyr_dataset_count(w->data, PYR_SPLIT_TRAIN);
    int64_t n = (int64_t)fmax(most_numbers / (double)size, LEAST_IMAGES);

    if (w->job->images && n > w->job->images)
        n = w->job->images;
    if (!w->job->images || n > count)
        n = count;
    *s = (sample){.w = w, .level = level->facts.index, .n = n, .count = count, .size = size};
    PYR_TRY(pyr_new(&s->x, (size_t)n * size, sizeof *s->x, "a sample of images"));
    PYR_TRY(pyr_new(&s->variable, lanes, sizeof *s->variable, what));
    for (size_t i = 0; i < lanes; i++)
        PYR_TRY(pyr_alloc(k, &s->variable[i], BATCH * size * pyr_type_size(k->real), what));
    PYR_TRY(pyr_run_tasks(k, (int)((n + BATCH - 1) / BATCH), fetch, s));
    return pyr_sync(k);
}

/* To standardised units. */
static pyr_status standardise(sample *s, const pyr_level *level)
{
    size_t c = (size_t)level->variable.c;
    double *vector;

    PYR_TRY(pyr_new(&vector, 2 * c, sizeof *vector, what));
    pyr_level_vector(level, false, vector);
    for (size_t i = 0; i < (size_t)s->n * s->size; i++)
        s->x[i] = (float)((double)s->x[i] * (1 + vector[i % c]) + vector[c + i % c]);
    pyr_free(vector);
    return PYR_OK;
}

static pyr_status measure_sample(work *w, pyr_level_analysis *a)
{
    sample s = {.w = w};
    pyr_spectrum *spectrum = NULL;
    const pyr_shape *v = &a->level.variable;
    pyr_farthest z;
    pyr_status status;

    PYR_TRY_OUT(sample_new(&s, w, &a->level));
    a->images = s.n;
    PYR_TRY_OUT(pyr_find_farthest(&a->farthest, s.x, s.n, s.size, w->k));
    PYR_TRY_OUT(standardise(&s, &a->level));
    if (a->level.facts.bands == 1)
        a->farthest_z = a->farthest.distance / a->level.facts.std[0];
    else { /* bands have scales of their own: another pair may be farthest */
        PYR_TRY_OUT(pyr_find_farthest(&z, s.x, s.n, s.size, w->k));
        a->farthest_z = z.distance;
    }
    a->farthest.i = a->farthest.i * s.count / s.n;
    a->farthest.j = a->farthest.j * s.count / s.n;
    a->bins = pyr_spectrum_bins(v->h, v->w);
    PYR_TRY_OUT(pyr_new(&a->power, (size_t)a->bins, sizeof *a->power, what));
    PYR_TRY_OUT(pyr_spectrum_new(&spectrum, v->h, v->w, v->c));
    pyr_spectrum_add(spectrum, s.n, s.x);
    pyr_spectrum_mean(spectrum, a->power);
out:
    pyr_spectrum_free(spectrum);
    sample_free(&s);
    return status;
}

/* ---- conclusions ------------------------------------------------------------------------------- */

/* Whether the noise that the level's sampling begins with has variance 1 + s^2 (sampler.start unit, or a
 * family whose z_t has unit variance) and not s^2; starts from a fitted Gaussian count as those of the
 * family. */
static bool starts_at_unit(const pyr_level_analysis *a)
{
    return pyr_family_unit(a->schedule.family) || a->level.settings.sampler.start == PYR_START_UNIT;
}

static double prior_of(const pyr_level_analysis *a, double s)
{
    return s * s + starts_at_unit(a);
}

double pyr_analysis_mismatch(const pyr_level_analysis *a, double s)
{
    return pyr_gaussian_mismatch(&a->gaussian, s, prior_of(a, s));
}

static double largest_deviation(const pyr_level *level)
{
    double std = 0;

    for (int b = 0; b < level->facts.bands; b++)
        std = fmax(std, level->facts.std[b]);
    return std;
}

static void choose_ncsn(pyr_level_analysis *a, const pyr_analysis_job *job)
{
    a->last_z = job->sigma_last / largest_deviation(&a->level);
    a->gamma = pyr_ncsn_gamma((double)pyr_count(a->level.variable));
    if (!(a->gamma > 1))
        return;
    a->noise_levels = pyr_ncsn_levels(a->farthest_z, a->last_z, a->gamma);
    a->e = pyr_ncsn_step(job->langevin_steps, a->gamma);
    a->epsilon = 2 * a->e * a->last_z * a->last_z;
    a->variance = pyr_ncsn_variance(a->e, job->langevin_steps, a->gamma);
    a->enough = pyr_ncsn_steps(a->gamma, near, MOST_STEPS);
}

/* Mean of z^2 over all numbers. */
static double second_moment(const pyr_gaussian *g)
{
    double sum = 0;

    for (size_t i = 0; i < g->size; i++)
        sum += g->mean[i] * g->mean[i] + g->variance[i];
    return sum / (double)g->size;
}

static void choose_noise(pyr_level_analysis *a, const work *w)
{
    /* a rounding error is uniform over a step of 2 / 2^bits */
    double rounding = ldexp(1, 1 - pyr_dataset_shape_of(w->data).bits) / sqrt(12);
    double end = pyr_schedule_s(&a->schedule, pyr_schedule_t_max(&a->schedule));

    a->half = pyr_gaussian_half(&a->gaussian);
    a->sigma_min = rounding / largest_deviation(&a->level);
    a->sigma_max = pyr_gaussian_sigma_max(&a->gaussian, w->job->bound, starts_at_unit(a));
    a->sigma_max = fmax(a->sigma_max, 2 * a->sigma_min); /* a loose bound still leaves a range */
    a->mismatch = pyr_analysis_mismatch(a, end);
    if (a->classes.classes)
        a->class_gain = pyr_class_fit_gain(&a->classes, 1 + end * end);
    a->ceiling = (double)a->gaussian.size * second_moment(&a->gaussian) / (2 * prior_of(a, end));
}

/* What the levels' scales of noise have to do with their sides. */
static void choose_references(pyr_analysis *a)
{
    double x = 0, y = 0, xx = 0, xy = 0, n = a->levels;

    if (a->only >= 0 && a->levels > 1) {
        a->half = a->slope = a->level[a->only].reference = (double)NAN;
        return;
    }
    for (int i = 0; i < a->levels; i++) {
        x += log(pyr_level_side(&a->level[i].level)) / n;
        y += log(a->level[i].half) / n;
    }
    for (int i = 0; i < a->levels; i++) {
        double dx = log(pyr_level_side(&a->level[i].level)) - x;

        xx += dx * dx;
        xy += dx * log(a->level[i].half);
    }
    a->half = a->levels > 1 ? exp(y) : PYR_ANALYSIS_HALF;
    a->slope = a->levels > 1 ? xy / xx : (double)NAN;
    for (int i = 0; i < a->levels; i++)
        a->level[i].reference = pyr_level_side(&a->level[i].level) * a->half / a->level[i].half;
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* Facts of a run's level instead of measured ones. */
static pyr_status take_facts(pyr_level *level, const char *run)
{
    pyr_unet_files files = {0};
    pyr_unet_config unet;
    pyr_level_facts facts;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_open_level(run, level->facts.index, &files, &unet, &facts));
    if (facts.data != level->facts.data)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_CONFIG,
                     "level %d of %s was trained on other data than these: its fingerprint differs (give "
                     "the run's own data set, or leave DATA out)",
                     level->facts.index, run));
    PYR_TRY_OUT(pyr_facts_match(&facts, "the run's level", &level->facts, "the data's pyramid"));
    level->facts = facts;
out:
    pyr_unet_files_free(&files);
    return status;
}

static pyr_status analyze_level(work *w, pyr_level_analysis *a, int index)
{
    const pyr_level_settings *settings = &w->job->config->level[index];

    PYR_TRY(pyr_level_init(&a->level, settings, w->pyramid, index, pyr_dataset_classes(w->data),
                           pyr_dataset_fingerprint(w->data)));
    PYR_TRY(pyr_level_sampling_schedule(&a->schedule, settings, pyr_level_side(&a->level)));
    if (w->job->run)
        PYR_TRY(take_facts(&a->level, w->job->run));
    else
        PYR_TRY(pyr_level_measure(&a->level, &w->feed));
    PYR_TRY(pyr_gaussian_measure(&a->gaussian, &a->level, &w->feed));
    if (pyr_dataset_labels(w->data, PYR_SPLIT_TRAIN) &&
        (double)pyr_dataset_classes(w->data) * (double)a->gaussian.size <= PYR_CLASS_FIT_NUMBERS)
        PYR_TRY(pyr_class_fit_measure(&a->classes, &a->level, &w->feed, &a->gaussian));
    PYR_TRY(measure_sample(w, a));
    choose_ncsn(a, w->job);
    choose_noise(a, w);
    return PYR_OK;
}

pyr_status pyr_analyze(pyr_analysis *out, const pyr_analysis_job *job)
{
    work w = {.job = job, .k = job->k};
    const pyr_config *config = job->config;
    pyr_status status;

    *out = (pyr_analysis){0};
    PYR_TRY_OUT(pyr_dataset_open(&w.data, &config->data.set));
    out->shape = pyr_dataset_shape_of(w.data);
    out->training = pyr_dataset_count(w.data, PYR_SPLIT_TRAIN);
    PYR_TRY_OUT(pyr_pyramid_new(&w.pyramid, w.k, &config->pyramid, out->shape.h, out->shape.w, out->shape.c));
    PYR_TRY_OUT(pyr_feed_new(&w.feed, w.k, w.data, w.pyramid, BATCH, w.k->lanes));
    out->levels = config->pyramid.levels;
    out->only = job->level;
    for (int i = out->levels - 1; i >= 0; i--) {
        if (out->only >= 0 && i != out->only)
            continue;
        if (job->on_level)
            job->on_level(job->ctx, i);
        PYR_TRY_OUT(analyze_level(&w, &out->level[i], i));
    }
    choose_references(out);
out:
    pyr_feed_free(&w.feed);
    pyr_pyramid_free(w.pyramid);
    pyr_dataset_free(w.data);
    if (status != PYR_OK)
        pyr_analysis_free(out);
    return status;
}

void pyr_analysis_free(pyr_analysis *a)
{
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        pyr_gaussian_free(&a->level[i].gaussian);
        pyr_class_fit_free(&a->level[i].classes);
        pyr_free(a->level[i].power);
    }
    *a = (pyr_analysis){0};
}

/* ---- the block --------------------------------------------------------------------------------- */

/* What noise.sigma_min or sigma_max must be for s to come out, with the reference's scale or none. */
static double setting_of(const pyr_level_analysis *a, double s, double scale)
{
    pyr_schedule schedule = a->schedule;

    schedule.scale = scale;
    return pyr_schedule_unscaled(&schedule, s);
}

void pyr_analysis_block(const pyr_analysis *a, bool reference, pyr_text *out)
{
    pyr_text_add(out, "levels = (\n");
    for (int i = 0; i < a->levels; i++) {
        const pyr_level_analysis *l = &a->level[i];
        double scale = reference ? pyr_level_side(&l->level) / l->reference : 1;

        if (a->only >= 0 && i != a->only) {
            pyr_text_add(out, "    { }%s  # level %d: as it is\n", i + 1 < a->levels ? "," : "", i);
            continue;
        }
        pyr_text_add(out, "    { noise = { sigma_min = %#.4g; sigma_max = %#.4g; reference = %#.4g; }; }%s",
                     setting_of(l, l->sigma_min, scale), setting_of(l, l->sigma_max, scale),
                     reference ? l->reference : 0.0, i + 1 < a->levels ? "," : "");
        pyr_text_add(out, "  # level %d: %dx%d\n", i, l->level.variable.h, l->level.variable.w);
    }
    pyr_text_add(out, ");\n");
}

/* Of a level, after its noise: Song & Ermon 2020, technique by technique. */
static void add_ncsn(const pyr_level_analysis *l, int steps, pyr_text *out)
{
    pyr_text_add(
        out,
        "    { noise = { family = \"ve\"; schedule = \"geometric\"; sigma_max = %#.6g; sigma_min = %#.6g;\n"
        "                reference = 0.0; levels = %d; density = \"uniform\"; weight = \"simple\";\n"
        "                input = false; prediction = \"epsilon\"; };\n"
        "      sampler = { kind = \"annealed-langevin\"; schedule = \"geometric\"; sigma_max = 0.0; sigma_min = 0.0;\n"
        "                  steps = %d; langevin_steps = %d; langevin_epsilon = %#.6g; };\n"
        "      ema_momentum = 0.999; }",
        l->farthest_z, l->last_z, l->noise_levels, l->noise_levels, steps, l->epsilon);
}

void pyr_analysis_ncsn_block(const pyr_analysis *a, int steps, pyr_text *out)
{
    pyr_text_add(out, "levels = (\n");
    for (int i = 0; i < a->levels; i++) {
        const pyr_level_analysis *l = &a->level[i];
        bool left_out = a->only >= 0 && i != a->only, has = !left_out && l->gamma > 1 && l->noise_levels > 1;

        if (has)
            add_ncsn(l, steps, out);
        else
            pyr_text_add(out, "    { }");
        pyr_text_add(out, "%s  # level %d: ", i + 1 < a->levels ? "," : "", i);
        if (left_out)
            pyr_text_add(out, "as it is\n");
        else
            pyr_text_add(out, "%dx%d%s\n", l->level.variable.h, l->level.variable.w,
                         has ? "" : ", too few dimensions for NCSNv2's criterion");
    }
    pyr_text_add(out, ");\n");
}
