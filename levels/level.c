/* level.c - a level's shapes, and its mean, standard deviation and scale of the condition, measured on
 * data. */
#include "levels/level.h"

#include "base/file.h"
#include "base/mem.h"
#include "layouts/dataset_json.h"
#include "pictures/image.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pyr_status pyr_level_init(pyr_level *out, const pyr_level_settings *settings, const pyr_pyramid *pyramid,
                          int index, int classes, uint64_t fingerprint)
{
    pyr_schedule sampling;
    const pyr_pyramid_settings *p = pyr_pyramid_get(pyramid);
    pyr_shape image = pyr_pyramid_image_shape(pyramid, 0);
    bool coarsest = index == p->levels - 1;

    *out = (pyr_level){.settings = *settings,
                       .variable = pyr_pyramid_variable_shape(pyramid, index),
                       .condition = pyr_pyramid_condition_shape(pyramid, index)};
    if (settings->condition == PYR_CONDITION_NONE)
        out->condition.c = 0;
    out->facts = (pyr_level_facts){.index = index,
                                   .levels = p->levels,
                                   .h = image.h,
                                   .w = image.w,
                                   .c = image.c,
                                   .bits = 8,
                                   .filter = p->filter,
                                   .filter_sigma = pyr_pyramid_sigma(p),
                                   .condition = settings->condition,
                                   .classes = settings->classes ? classes : 0,
                                   .class_dropout = settings->class_dropout,
                                   .data = fingerprint,
                                   .prediction = settings->prediction,
                                   .objective = settings->objective,
                                   .blind = !settings->noise_input,
                                   .bands = pyr_filter_of(p->filter)->bands && !coarsest ? 3 : 1};
    if (settings->classes && classes == 0)
        return pyr_fail(PYR_E_CONFIG,
                        "level.classes is true, but the data set has no labels, or they are not used (as "
                        "data.classes or a warning says): use a folder with one subfolder per class, or set "
                        "level.classes to false (--no-classes)");
    if (out->condition.c && settings->augmentation_channel) {
        if (!(settings->augmentation > 0))
            return pyr_fail(PYR_E_CONFIG,
                            "level.augmentation_channel is true, but level.augmentation is 0: there is no "
                            "noise to tell of; set it above 0");
        out->facts.noise_unit = settings->augmentation;
    }
    if (settings->augmentation_min > settings->augmentation)
        return pyr_fail(PYR_E_CONFIG,
                        "level.augmentation_min is %g, should be at most level.augmentation, %g",
                        settings->augmentation_min, settings->augmentation);
    PYR_TRY(pyr_level_schedule(&out->schedule, settings, pyr_level_side(out)));
    PYR_TRY(pyr_level_sampling_schedule(&sampling, settings, pyr_level_side(out))); /* only looked at */
    return pyr_network_config(&out->unet, &settings->network, out->variable.c,
                              pyr_level_condition_channels(out), out->variable.h, out->variable.w,
                              out->facts.classes);
}

pyr_level_coefs pyr_level_coefs_at(const pyr_level *level, double s)
{
    bool blind = level->facts.blind;
    double seen = blind ? 1 : s;

    /* Positional features are made for t in 0..1000: 62.5 log s spreads 0.002..80 over -390..270 (EDM uses
     * log(s)/4 with frequencies up to 1, which is the same up to scale). */
    return (pyr_level_coefs){.in = blind ? 1 : 1 / sqrt(1 + s * s),
                             .time = level->unet.time_embedding_type == PYR_UNET_FOURIER ? seen
                                                                                         : 62.5 * log(seen),
                             .to = pyr_prediction_at((pyr_prediction)level->facts.prediction, s)};
}

int pyr_level_condition_channels(const pyr_level *level)
{
    return level->condition.c + (level->facts.noise_unit > 0);
}

double pyr_level_noise_channel(const pyr_level *level, double amount)
{
    return level->facts.noise_unit > 0 ? amount / level->facts.noise_unit : 0;
}

double pyr_level_side(const pyr_level *level)
{
    return sqrt((double)level->variable.h * level->variable.w);
}

/* ---- statistics -------------------------------------------------------------------------------- */

enum { MOST_MEASURED = 16384 };

/* sums over one task's images: per band n, sum, sum of squares; then the condition's */
typedef struct sums {
    double n, sum, square;
} sums;

typedef struct lane_memory {
    void *variable, *condition;
    double *host;
    int64_t *index; /* [batch]: the images of a task */
} lane_memory;

typedef struct measuring {
    const pyr_level *level;
    pyr_feed *feed;
    lane_memory *lane;
    sums (*part)[PYR_MAX_BANDS + 1]; /* [task] */
    int64_t images, count;           /* measured, in the training set */
} measuring;

static void add_numbers(sums *s, int bands, int channels, const double *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sums *band = &s[(int)(i % (size_t)channels) / (channels / bands)];

        band->n++;
        band->sum += x[i];
        band->square += x[i] * x[i];
    }
}

static pyr_status measure_task(void *arg, int task, int lane)
{
    measuring *m = arg;
    const pyr_level *level = m->level;
    pyr_feed *feed = m->feed;
    const lane_memory *w = &m->lane[lane];
    int64_t first = (int64_t)task * feed->batch;
    pyr_pick pick = {.split = PYR_SPLIT_TRAIN, .index = w->index, .first = (uint32_t)first};
    size_t count;

    for (int64_t i = first; i < m->images && i < first + feed->batch; i++)
        w->index[pick.n++] = i * m->count / m->images;
    PYR_TRY(pyr_feed_level(feed, lane, &pick, level->facts.index, w->variable, w->condition));
    count = (size_t)pick.n * pyr_count(level->variable);
    PYR_TRY(pyr_download_reals(feed->k, w->host, w->variable, count));
    add_numbers(m->part[task], level->facts.bands, level->variable.c, w->host, count);
    if (level->condition.c) {
        count = (size_t)pick.n * pyr_count(level->condition);
        PYR_TRY(pyr_download_reals(feed->k, w->host, w->condition, count));
        add_numbers(&m->part[task][PYR_MAX_BANDS], 1, level->condition.c, w->host, count);
    }
    return PYR_OK;
}

static double deviation(const sums *s)
{
    double mean = s->sum / s->n;

    return sqrt(fmax(0, s->square / s->n - mean * mean));
}

static const char *why_constant(const pyr_level *level)
{
    if (level->facts.index == level->facts.levels - 1)
        return "are the images blank? A coarsest level of one grey value is so, too: take fewer --levels";
    return level->facts.bands > 1
               ? "are the images plain, or was each pixel doubled? Then bring them to half the size with "
                 "--resize"
               : "are the images plain? Then there are no details for a pyramid: take --levels 1";
}

static pyr_status conclude(pyr_level *level, const measuring *m, int tasks)
{
    sums total[PYR_MAX_BANDS + 1] = {{0}};
    int constant = 0;

    for (int t = 0; t < tasks; t++)
        for (int b = 0; b <= PYR_MAX_BANDS; b++) {
            total[b].n += m->part[t][b].n;
            total[b].sum += m->part[t][b].sum;
            total[b].square += m->part[t][b].square;
        }
    for (int b = 0; b < level->facts.bands; b++) {
        level->facts.mean[b] = total[b].sum / total[b].n;
        level->facts.std[b] = deviation(&total[b]);
        constant += !(level->facts.std[b] > 1e-9);
    }
    if (constant == level->facts.bands)
        return pyr_fail(
            PYR_E_FORMAT,
            "level %d is the same number everywhere in all images: there is nothing to learn (%s)",
            level->facts.index, why_constant(level));
    if (constant)
        return pyr_fail(
            PYR_E_FORMAT,
            "level %d: %d of its %d bands of details are the same number everywhere in all images (is each "
            "row or column the one beside it? Then bring them to half that side with --resize, or take "
            "another --filter)",
            level->facts.index, constant, level->facts.bands);
    if (level->condition.c) {
        level->facts.condition_std = deviation(&total[PYR_MAX_BANDS]);
        if (!(level->facts.condition_std > 1e-9))
            level->facts.condition_std = 1; /* a constant condition carries nothing, and harms nothing */
    }
    return PYR_OK;
}

pyr_status pyr_level_measure(pyr_level *level, pyr_feed *feed)
{
    pyr_kernels *k = feed->k;
    pyr_status status;
    size_t real = pyr_type_size(k->real);
    size_t most = (size_t)feed->batch * pyr_count(level->variable);
    size_t condition =
        (size_t)feed->batch * pyr_count(pyr_pyramid_condition_shape(feed->pyramid, level->facts.index));
    measuring m = {.level = level, .feed = feed, .count = pyr_dataset_count(feed->data, PYR_SPLIT_TRAIN)};
    int tasks;

    m.images = m.count < MOST_MEASURED ? m.count : MOST_MEASURED;
    tasks = (int)((m.images + feed->batch - 1) / feed->batch);
    PYR_TRY_OUT(pyr_new(&m.part, (size_t)tasks, sizeof *m.part, "statistics"));
    PYR_TRY_OUT(pyr_new(&m.lane, (size_t)feed->lanes, sizeof *m.lane, "statistics"));
    for (int i = 0; i < feed->lanes; i++) {
        PYR_TRY_OUT(pyr_alloc(k, &m.lane[i].variable, most * real, "statistics"));
        PYR_TRY_OUT(pyr_alloc(k, &m.lane[i].condition, condition * real, "statistics"));
        PYR_TRY_OUT(
            pyr_new(&m.lane[i].host, most > condition ? most : condition, sizeof(double), "statistics"));
        PYR_TRY_OUT(pyr_new(&m.lane[i].index, (size_t)feed->batch, sizeof(int64_t), "statistics"));
    }
    PYR_TRY_OUT(pyr_run_tasks(k, tasks, measure_task, &m));
    PYR_TRY_OUT(conclude(level, &m, tasks));
out:
    for (int i = 0; m.lane && i < feed->lanes; i++) {
        pyr_release(k, m.lane[i].variable);
        pyr_release(k, m.lane[i].condition);
        pyr_free(m.lane[i].host);
        pyr_free(m.lane[i].index);
    }
    pyr_free(m.part);
    pyr_free(m.lane);
    return status;
}

void pyr_level_vector(const pyr_level *level, bool back, double *vector)
{
    int c = level->variable.c;

    for (int i = 0; i < c; i++) {
        int band = i / (c / level->facts.bands);
        double mean = level->facts.mean[band], std = level->facts.std[band];

        vector[i] = back ? std - 1 : 1 / std - 1;
        vector[c + i] = back ? mean : -mean / std;
    }
}

pyr_status pyr_level_put_vector(const pyr_level *level, pyr_kernels *k, void *dst, int batch, bool back)
{
    size_t n = 2 * (size_t)level->variable.c, all = (size_t)batch * n;
    double *rows;
    pyr_status status;

    PYR_TRY(pyr_new(&rows, all, sizeof *rows, "statistics of a level"));
    pyr_level_vector(level, back, rows);
    for (size_t i = n; i < all; i++)
        rows[i] = rows[i - n];
    status = pyr_upload_reals(k, dst, rows, all);
    pyr_free(rows);
    return status;
}

pyr_status pyr_level_vector_new(void **out, const pyr_level *level, pyr_kernels *k, int batch, bool back)
{
    size_t bytes = 2 * (size_t)level->variable.c * pyr_type_size(k->real);

    PYR_TRY(pyr_alloc(k, out, (size_t)batch * bytes, "statistics of a level"));
    return pyr_level_put_vector(level, k, *out, batch, back);
}

pyr_status pyr_level_destandardise(const pyr_level *level, pyr_kernels *k, int n, void *z, const void *vector)
{
    pyr_shape s = level->variable, v = {n, 1, 1, 2 * level->variable.c};

    s.n = n;
    pyr_op op = {.kind = PYR_OP_SCALE_SHIFT,
                 .n_inputs = 2,
                 .x = {{k->real, s, z}, {k->real, v, (void *)(uintptr_t)vector}},
                 .y = {k->real, s, z}};
    return k->backend->op[PYR_OP_SCALE_SHIFT]->forward(k, &op);
}

int pyr_band_of(const pyr_level *level, size_t i)
{
    int channels = level->variable.c;

    return (int)(i % (size_t)channels) / (channels / level->facts.bands);
}

void pyr_standardise_host(const pyr_level *level, int n, double *variable)
{
    size_t count = (size_t)n * pyr_count(level->variable);

    for (size_t i = 0; i < count; i++) {
        int band = pyr_band_of(level, i);

        variable[i] = (variable[i] - level->facts.mean[band]) / level->facts.std[band];
    }
}

void pyr_destandardise_host(const pyr_level *level, int n, double *z)
{
    size_t count = (size_t)n * pyr_count(level->variable);

    for (size_t i = 0; i < count; i++) {
        int band = pyr_band_of(level, i);

        z[i] = z[i] * level->facts.std[band] + level->facts.mean[band];
    }
}

/* ---- facts as metadata ------------------------------------------------------------------------- */

enum { FACT_ROOM = 192 };

pyr_status pyr_facts_write(const pyr_level_facts *f, pyr_st_pair pairs[PYR_FACT_PAIRS], size_t *n,
                           pyr_text *text)
{
    static const char *const keys[] = {"pyrdiff_level",         "pyrdiff_levels",        "pyrdiff_image",
                                       "pyrdiff_filter",        "pyrdiff_filter_sigma",  "pyrdiff_condition",
                                       "pyrdiff_classes",       "pyrdiff_data",          "pyrdiff_mean",
                                       "pyrdiff_std",           "pyrdiff_condition_std", "pyrdiff_noise_told",
                                       "pyrdiff_prediction",    "pyrdiff_noise_input",   "pyrdiff_bits",
                                       "pyrdiff_class_dropout", "pyrdiff_objective"};
    enum { N = sizeof keys / sizeof *keys };
    char line[N][FACT_ROOM] = {{0}};
    /* what a level without it is taken to be is left out, so that the files of older programs are the same */
    const bool left_out[N] = {[14] = f->bits != 16,
                              [15] = !f->classes || f->class_dropout < 0,
                              [16] = f->objective == PYR_DENOISING_SCORE_MATCHING};

    snprintf(line[0], FACT_ROOM, "%d", f->index);
    snprintf(line[1], FACT_ROOM, "%d", f->levels);
    snprintf(line[2], FACT_ROOM, "%dx%dx%d", f->h, f->w, f->c);
    snprintf(line[3], FACT_ROOM, "%s", pyr_filter_names[f->filter]);
    snprintf(line[4], FACT_ROOM, "%.17g", f->filter_sigma);
    snprintf(line[5], FACT_ROOM, "%s", f->condition == PYR_CONDITION_NONE ? "none" : "coarse");
    snprintf(line[6], FACT_ROOM, "%d", f->classes);
    snprintf(line[7], FACT_ROOM, "%016" PRIx64, f->data);
    for (int i = 0; i < f->bands; i++) {
        snprintf(line[8] + strlen(line[8]), FACT_ROOM - strlen(line[8]), "%s%.17g", i ? " " : "", f->mean[i]);
        snprintf(line[9] + strlen(line[9]), FACT_ROOM - strlen(line[9]), "%s%.17g", i ? " " : "", f->std[i]);
    }
    snprintf(line[10], FACT_ROOM, "%.17g", f->condition_std);
    snprintf(line[11], FACT_ROOM, "%.17g", f->noise_unit);
    snprintf(line[12], FACT_ROOM, "%s", pyr_prediction_names[f->prediction]);
    snprintf(line[13], FACT_ROOM, "%s", f->blind ? "false" : "true");
    snprintf(line[14], FACT_ROOM, "%d", f->bits);
    snprintf(line[15], FACT_ROOM, "%.17g", f->class_dropout);
    snprintf(line[16], FACT_ROOM, "%s", pyr_objective_names[f->objective]);
    for (int i = 0; i < N; i++)
        pyr_text_add_bytes(text, line[i], strlen(line[i]) + 1);
    if (text->failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory: facts of a level");
    const char *at = text->at;
    *n = 0;
    for (int i = 0; i < N; i++, at += strlen(at) + 1)
        if (!left_out[i])
            pairs[(*n)++] = (pyr_st_pair){keys[i], at};
    return PYR_OK;
}

/* One number per band; nothing that is divided by is 0. */
static bool statistics_fit(const pyr_level_facts *f, int means)
{
    bool residual = f->index < f->levels - 1, details = residual && pyr_filter_of(f->filter)->bands;

    if (residual && f->condition == PYR_CONDITION_COARSE && !(f->condition_std > 0))
        return false;
    for (int i = 0; i < f->bands; i++)
        if (!(f->std[i] > 0))
            return false;
    return f->bands == means && f->bands == (details ? 3 : 1);
}

static bool read_reals(const char *text, double *out, int *n)
{
    char *end;

    for (*n = 0; *n < PYR_MAX_BANDS; text = end) {
        double value = strtod(text, &end);

        if (end == text)
            break;
        if (!isfinite(value))
            return false;
        out[(*n)++] = value;
    }
    return *n > 0 && *text == 0;
}

pyr_status pyr_facts_read(pyr_level_facts *f, const pyr_safetensors *file, const char *path)
{
    const char *level = pyr_safetensors_metadata(file, "pyrdiff_level");
    const char *levels = pyr_safetensors_metadata(file, "pyrdiff_levels");
    const char *image = pyr_safetensors_metadata(file, "pyrdiff_image");
    const char *filter = pyr_safetensors_metadata(file, "pyrdiff_filter");
    const char *sigma = pyr_safetensors_metadata(file, "pyrdiff_filter_sigma");
    const char *condition = pyr_safetensors_metadata(file, "pyrdiff_condition");
    const char *classes = pyr_safetensors_metadata(file, "pyrdiff_classes");
    const char *data = pyr_safetensors_metadata(file, "pyrdiff_data");
    const char *mean = pyr_safetensors_metadata(file, "pyrdiff_mean");
    const char *std = pyr_safetensors_metadata(file, "pyrdiff_std");
    const char *condition_std = pyr_safetensors_metadata(file, "pyrdiff_condition_std");
    /* younger than the others */
    const char *noise_unit = pyr_safetensors_metadata(file, "pyrdiff_noise_told");
    const char *prediction = pyr_safetensors_metadata(file, "pyrdiff_prediction");
    const char *noise_input = pyr_safetensors_metadata(file, "pyrdiff_noise_input");
    const char *bits = pyr_safetensors_metadata(file, "pyrdiff_bits");
    const char *dropout = pyr_safetensors_metadata(file, "pyrdiff_class_dropout");
    const char *objective = pyr_safetensors_metadata(file, "pyrdiff_objective");
    int bands;

    *f = (pyr_level_facts){.bits = 8, .class_dropout = -1};
    if (!level || !levels || !image || !filter || !sigma || !condition || !classes || !data || !mean ||
        !std || !condition_std)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: not a level of a pyrdiff run (its metadata do not say of which pyramid it is)",
                        path);
    /* widths of fields: longer numbers do not overflow, and are out of range */
    if (sscanf(level, "%9d", &f->index) != 1 || sscanf(levels, "%9d", &f->levels) != 1 ||
        sscanf(image, "%9dx%9dx%9d", &f->h, &f->w, &f->c) != 3 || sscanf(classes, "%9d", &f->classes) != 1 ||
        sscanf(data, "%" SCNx64, &f->data) != 1 || !pyr_parse_real(sigma, &f->filter_sigma) ||
        !pyr_parse_real(condition_std, &f->condition_std) || pyr_filter_parse(&f->filter, filter) != PYR_OK ||
        (noise_unit && (!pyr_parse_real(noise_unit, &f->noise_unit) || !(f->noise_unit >= 0))) ||
        !read_reals(mean, f->mean, &bands) || !read_reals(std, f->std, &f->bands) || f->index < 0 ||
        f->index >= f->levels || f->levels > PYR_MAX_LEVELS || f->h < 1 || f->w < 1 || f->c < 1 ||
        f->h > PYR_IMAGE_SIDE || f->w > PYR_IMAGE_SIDE || f->c > 4 || f->filter_sigma < 0 || f->classes < 0 ||
        f->classes > PYR_LABEL_MOST ||
        (bits && (sscanf(bits, "%9d", &f->bits) != 1 || (f->bits != 8 && f->bits != 16))) ||
        (dropout && (!pyr_parse_real(dropout, &f->class_dropout) ||
                     !(f->class_dropout >= 0 && f->class_dropout <= 1))) ||
        (prediction && pyr_find_word(&f->prediction, "prediction", prediction, strlen(prediction),
                                     pyr_prediction_names, PYR_PREDICTIONS) != PYR_OK) ||
        (objective && pyr_find_word(&f->objective, "objective", objective, strlen(objective),
                                    pyr_objective_names, PYR_OBJECTIVES) != PYR_OK) ||
        (noise_input && strcmp(noise_input, "true") != 0 && strcmp(noise_input, "false") != 0) ||
        (strcmp(condition, "none") != 0 && strcmp(condition, "coarse") != 0))
        return pyr_fail(PYR_E_FORMAT, "%s: the metadata of the level are damaged", path);
    f->blind = noise_input && strcmp(noise_input, "false") == 0;
    f->condition = strcmp(condition, "none") == 0 ? PYR_CONDITION_NONE : PYR_CONDITION_COARSE;
    if (!statistics_fit(f, bands))
        return pyr_fail(PYR_E_FORMAT, "%s: the statistics of the level are damaged", path);
    return PYR_OK;
}

bool pyr_facts_same_variable(const pyr_level_facts *a, const pyr_level_facts *b)
{
    bool same = a->index == b->index && a->levels == b->levels && a->h == b->h && a->w == b->w &&
                a->c == b->c && a->filter == b->filter && a->data == b->data && a->bands == b->bands;

    for (int i = 0; same && i < a->bands; i++)
        same = a->mean[i] == b->mean[i] && a->std[i] == b->std[i];
    return same;
}

pyr_status pyr_facts_match(const pyr_level_facts *a, const char *name_a, const pyr_level_facts *b,
                           const char *name_b)
{
    if (a->filter != b->filter || a->filter_sigma != b->filter_sigma)
        return pyr_fail(PYR_E_CONFIG,
                        "%s was trained on a pyramid with the filter %s, %s with %s: they cannot be mixed; "
                        "train one of them again",
                        name_a, pyr_filter_names[a->filter], name_b, pyr_filter_names[b->filter]);
    if (a->levels != b->levels)
        return pyr_fail(PYR_E_CONFIG,
                        "%s belongs to a pyramid of %d levels, %s to one of %d: they cannot be mixed", name_a,
                        a->levels, name_b, b->levels);
    if (a->h != b->h || a->w != b->w || a->c != b->c)
        return pyr_fail(PYR_E_CONFIG,
                        "%s was trained on images of %dx%d with %d channels, %s on %dx%d with %d: they "
                        "cannot be mixed",
                        name_a, a->h, a->w, a->c, name_b, b->h, b->w, b->c);
    if (a->data != b->data)
        return pyr_fail(PYR_E_CONFIG,
                        "%s and %s were trained on different data sets (fingerprints %016" PRIx64
                        " and %016" PRIx64 "): they cannot be mixed",
                        name_a, name_b, a->data, b->data);
    return PYR_OK;
}

/* ---- files of what was measured of a level ----------------------------------------------------- */

pyr_status pyr_measured_write(const char *folder, const char *name, const pyr_level_facts *facts,
                              const pyr_st_entry *tensors, size_t n_tensors, const pyr_st_pair *more,
                              size_t n_more)
{
    pyr_st_pair pairs[PYR_FACT_PAIRS + PYR_MEASURED_PAIRS];
    pyr_text text = {0};
    size_t n = 0;
    char *path;
    pyr_status status;

    assert(n_more <= PYR_MEASURED_PAIRS);
    PYR_TRY(pyr_path_new(&path, folder, name));
    PYR_TRY_OUT(pyr_facts_write(facts, pairs, &n, &text));
    for (size_t i = 0; i < n_more; i++)
        pairs[n++] = more[i];
    status = pyr_safetensors_write(path, tensors, n_tensors, pairs, n);
out:
    pyr_text_free(&text);
    pyr_free(path);
    return status;
}

pyr_status pyr_measured_read(const pyr_safetensors *file, const char *name, double *out, size_t count,
                             double least, const char *path)
{
    const pyr_st_tensor *tensor = pyr_safetensors_find(file, name);

    if (!tensor || tensor->count != count)
        return pyr_fail(PYR_E_FORMAT, "%s: the tensor %s should have %zu numbers, it %s", path, name, count,
                        tensor ? "has others" : "is not there");
    PYR_TRY(pyr_safetensors_read_f64(file, tensor, out, count));
    for (size_t i = 0; i < count; i++)
        if (!isfinite(out[i]))
            return pyr_fail(PYR_E_FORMAT, "%s: number %zu of %s is not finite", path, i, name);
        else if (out[i] < least)
            return pyr_fail(PYR_E_FORMAT, "%s: number %zu of %s is %g", path, i, name, out[i]);
    return PYR_OK;
}

pyr_status pyr_measured_check(const pyr_safetensors *file, const pyr_level *level, const char *path,
                              const char *run)
{
    int index = level->facts.index;
    pyr_level_facts facts;

    PYR_TRY(pyr_facts_read(&facts, file, path));
    return pyr_facts_same_variable(&facts, &level->facts)
               ? PYR_OK
               : pyr_fail(
                     PYR_E_FORMAT,
                     "%s was measured for another level, other data or another standardisation than level "
                     "%d of this run has: pyrdiff analyze --network %s --level %d measures it again",
                     path, index, PYR_SHELL(run), index);
}
