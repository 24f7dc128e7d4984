#include "eval/evaluate.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/stop.h"
#include "eval/metrics.h"
#include "eval/reference.h"
#include "features/classifier.h"
#include "features/features.h"
#include "pictures/grid.h"
#include "pictures/image_values.h"
#include "pictures/pixels.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of all that is drawn at random: any number, but always the same one. Of precision and recall: k. */
enum { SEED = 2023, NEIGHBOURS = 3 };

/* ---- words ------------------------------------------------------------------------------------- */

static const char *const words[] = {"frechet",  "kid",    "precision",   "recall",  "score", "swd",
                                    "spectrum", "colour", "consistency", "nearest", "all"};
enum { WORDS = sizeof words / sizeof *words };
static const unsigned metric_of[WORDS] = {PYR_METRIC_FRECHET,   PYR_METRIC_KID,    PYR_METRIC_PRECISION,
                                          PYR_METRIC_PRECISION, PYR_METRIC_SCORE,  PYR_METRIC_SWD,
                                          PYR_METRIC_SPECTRUM,  PYR_METRIC_COLOUR, PYR_METRIC_CONSISTENCY,
                                          PYR_METRIC_NEAREST,   PYR_METRIC_ALL};

pyr_status pyr_parse_metrics(const char *text, unsigned *metrics)
{
    *metrics = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        int i;

        PYR_TRY(pyr_find_word(&i, "metric", at, length, words, WORDS));
        *metrics |= metric_of[i];
        at += length;
        if (!*at)
            return PYR_OK;
    }
}

/* ---- figures ----------------------------------------------------------------------------------- */

void pyr_evaluation_free(pyr_evaluation *e)
{
    for (size_t i = 0; i < sizeof e->names / sizeof *e->names; i++)
        pyr_free(e->names[i]);
    for (size_t i = 0; i < sizeof e->warning / sizeof *e->warning; i++)
        pyr_free(e->warning[i]);
    *e = (pyr_evaluation){0};
}

double pyr_evaluation_value(const pyr_evaluation *e, const char *metric, int level)
{
    for (int i = 0; i < e->figures; i++)
        if (strcmp(e->figure[i].metric, metric) == 0 && e->figure[i].level == level)
            return e->figure[i].value;
    return (double)NAN;
}

/* A job in hand. */
typedef struct evaluating {
    const pyr_evaluate_job *job;
    pyr_evaluation *out;
    pyr_features *network; /* the one of whose features figures are now; NULL: pixels */
    const char *features;  /* its name, in out->names */
    pyr_image_set reference;
    pyr_moments stats;     /* that were given for it; d 0: none */
    pyr_measurement about; /* what the next figures are of */
    bool warned_of_few;
} evaluating;

static void add(evaluating *e, const char *metric, int level, double value, double deviation)
{
    pyr_measurement figure = e->about;

    if (e->out->figures == PYR_MEASUREMENTS)
        return;
    figure.metric = metric;
    figure.level = level;
    figure.value = value;
    figure.deviation = deviation;
    e->out->figure[e->out->figures++] = figure;
}

static void note(const pyr_evaluate_job *job, const char *line)
{
    if (job->on_note)
        job->on_note(job->ctx, line);
}

static pyr_status warn(evaluating *e, char *sentence)
{
    size_t i = 0;

    while (i + 1 < sizeof e->out->warning / sizeof *e->out->warning && e->out->warning[i])
        i++;
    pyr_free(e->out->warning[i]);
    e->out->warning[i] = sentence;
    return sentence ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for a warning");
}

/* The text is kept in the evaluation. */
static pyr_status name(evaluating *e, int place, char *text, const char **out)
{
    e->out->names[place] = text;
    *out = text;
    return text ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for a name");
}

static bool wants(const evaluating *e, unsigned metric)
{
    return (e->job->metrics & metric) != 0;
}

/* ---- what too few images leave out ------------------------------------------------------------- */

/* Why a metric cannot be measured of n samples (0: not known yet) against the data's images, if so. `stats`:
 * statistics stand for the reference. */
static bool lacks(char *reason, size_t room, const pyr_evaluate_job *job, unsigned metric, int64_t n,
                  bool stats)
{
    int64_t m = pyr_dataset_count(job->data, job->reference),
            train = pyr_dataset_count(job->data, PYR_SPLIT_TRAIN);
    pyr_dataset_shape s = pyr_dataset_shape_of(job->data);
    int64_t least = metric == PYR_METRIC_PRECISION ? NEIGHBOURS + 1 : 2;
    const pyr_image_set *drawn = n && job->samples && job->samples->n == n ? job->samples : NULL;

    switch (metric) {
    case PYR_METRIC_NEAREST:
        if (train < 2)
            snprintf(reason, room, "a nearest and a second nearest need 2 training images, there is 1");
        return train < 2;
    case PYR_METRIC_SPECTRUM:
        if (s.h < 2 || s.w < 2)
            snprintf(reason, room, "images of %dx%d have no frequencies", s.h, s.w);
        return s.h < 2 || s.w < 2;
    case PYR_METRIC_FRECHET:
    case PYR_METRIC_KID:
    case PYR_METRIC_PRECISION:
        if (n && n < least) {
            snprintf(reason, room, "it needs %d samples or more, there %s %d", (int)least,
                     n == 1 ? "is" : "are", (int)n);
            return true;
        }
        if (!stats && m < least)
            snprintf(reason, room, "it needs %d images of reference or more, %.80s has %d%s", (int)least,
                     job->data_name, (int)m,
                     job->reference == PYR_SPLIT_TRAIN ? "" : " held out (--reference train?)");
        return !stats && m < least;
    case PYR_METRIC_CONSISTENCY:
        if (drawn ? pyr_image_set_checked(drawn) > drawn->finest : !job->planned_coarsest)
            return false;
        snprintf(reason, room, "it is of levels that a run draws to a coarser one");
        return true;
    default:
        return false;
    }
}

static void leave_out(evaluating *e, const char *metric, const char *reason)
{
    pyr_evaluation *out = e->out;

    for (int i = 0; i < out->left_outs; i++)
        if (strcmp(out->left_out[i].metric, metric) == 0)
            return;
    if (out->left_outs == PYR_LEFT_OUT)
        return;
    out->left_out[out->left_outs].metric = metric;
    snprintf(out->left_out[out->left_outs].reason, sizeof out->left_out->reason, "%s", reason);
    out->left_outs++;
}

static void leave_out_metric(evaluating *e, unsigned metric, const char *reason)
{
    for (int i = 0; i < WORDS - 1; i++)
        if (metric_of[i] == metric)
            leave_out(e, words[i], reason);
}

/* Whether a metric is wanted and can be measured; or it is left out. */
static bool measures(evaluating *e, unsigned metric, bool stats)
{
    char reason[200];

    if (!wants(e, metric))
        return false;
    if (!lacks(reason, sizeof reason, e->job, metric, e->job->samples->n, stats))
        return true;
    leave_out_metric(e, metric, reason);
    return false;
}

static const char no_network[] =
    "no feature network: the data have no labels for a classifier (--inception FILE, --classifier FILE)";

static void leave_out_of_networks(evaluating *e)
{
    for (unsigned metric = 1; metric <= PYR_METRIC_ALL; metric *= 2)
        if (wants(e, metric & PYR_METRIC_NETWORK))
            leave_out_metric(e, metric, no_network);
}

/* ---- on pixels --------------------------------------------------------------------------------- */

static pyr_status on_pixels(evaluating *e)
{
    pyr_pixels_set a = pyr_image_set_pixels(e->job->samples), b = pyr_image_set_pixels(&e->reference);
    double value, swd[PYR_SWD_LEVELS];
    int levels;

    if (wants(e, PYR_METRIC_SWD)) {
        pyr_measurement about = e->about;

        PYR_TRY(pyr_sliced_wasserstein(swd, &levels, &b, &a, SEED, e->job->k->pool));
        e->about.n = e->about.n_reference = pyr_swd_images(&a, &b);
        for (int i = 0; i < levels; i++)
            add(e, "swd", i, swd[i], (double)NAN);
        e->about = about;
    }
    if (measures(e, PYR_METRIC_SPECTRUM, false)) {
        PYR_TRY(pyr_spectrum_distance(&value, &a, &b));
        add(e, "spectrum", -1, value, (double)NAN);
    }
    if (wants(e, PYR_METRIC_COLOUR)) {
        PYR_TRY(pyr_colour_drift(&value, &a, &b));
        add(e, "colour", -1, value, (double)NAN);
    }
    return PYR_OK;
}

static void add_consistency(evaluating *e)
{
    const pyr_image_set *set = e->job->samples;
    pyr_measurement about = e->about;

    if (e->job->metrics != PYR_METRIC_ALL && !measures(e, PYR_METRIC_CONSISTENCY, false))
        return; /* among all figures it is not missed */
    e->about = (pyr_measurement){.n = set->n};
    for (int i = set->finest; i < pyr_image_set_checked(set); i++)
        add(e, "consistency", i, set->consistency[i], (double)NAN);
    e->about = about;
}

/* ---- in feature space -------------------------------------------------------------------------- */

/* Beside a Frechet distance, once. */
static pyr_status warn_of_few(evaluating *e)
{
    int64_t n = e->about.n, m = e->about.n_reference;
    char against[24];

    if (e->warned_of_few || (n >= PYR_FEW_IMAGES && (m == 0 || m >= PYR_FEW_IMAGES)))
        return PYR_OK;
    e->warned_of_few = true;
    snprintf(against, sizeof against, "%lld", (long long)m);
    return warn(e, pyr_strfmt("%lld images against %s: with fewer than %d the Frechet distance comes out "
                              "too high, compare it only with figures of the same numbers",
                              (long long)n, m ? against : e->about.reference, PYR_FEW_IMAGES));
}

/* reference NULL: the statistics that were given stand for it. */
static pyr_status frechet(evaluating *e, const float *samples, const float *reference, int d)
{
    pyr_moments a = {0}, own = {0};
    const pyr_moments *b = reference ? &own : &e->stats;
    pyr_measurement about = e->about;
    pyr_status status;
    double value;

    PYR_TRY_OUT(pyr_moments_new(&a, e->job->samples->n, d, samples));
    if (reference)
        PYR_TRY_OUT(pyr_moments_new(&own, e->reference.n, d, reference));
    else {
        e->about.reference = e->out->names[1];
        e->about.n_reference = b->n;
        PYR_TRY_OUT(pyr_hash_file(&e->about.reference_hash, e->job->ref_stats));
    }
    PYR_TRY_OUT(pyr_frechet(&value, &a, b));
    add(e, "frechet", -1, value, (double)NAN);
    status = warn_of_few(e);
out:
    e->about = about;
    pyr_moments_free(&a);
    pyr_moments_free(&own);
    return status;
}

static pyr_status write_stats(const evaluating *e, const float *reference, int d)
{
    pyr_moments m = {0};
    pyr_status status;

    PYR_TRY(pyr_moments_new(&m, e->reference.n, d, reference));
    if (pyr_features_resize(e->network))
        snprintf(m.resize, sizeof m.resize, "%s", pyr_features_resize(e->network));
    status = pyr_moments_write(&m, e->job->write_stats);
    pyr_moments_free(&m);
    return status;
}

/* reference NULL: nothing is compared with it. stats: the Frechet distance is to statistics. */
static pyr_status compare_features(evaluating *e, const float *samples, const float *reference, int d,
                                   bool stats)
{
    pyr_pool *pool = e->job->k->pool;
    int64_t n = e->job->samples->n, m = e->reference.n;
    double value, other;

    if (measures(e, PYR_METRIC_FRECHET, stats))
        PYR_TRY(frechet(e, samples, stats ? NULL : reference, d));
    if (measures(e, PYR_METRIC_KID, false)) {
        PYR_TRY(pyr_kid(&value, &other, m, reference, n, samples, d, 100, 1000, SEED, pool));
        add(e, "kid", -1, value, other);
    }
    if (measures(e, PYR_METRIC_PRECISION, false)) {
        PYR_TRY(pyr_precision_recall(&value, &other, m, reference, n, samples, d, NEIGHBOURS, pool));
        add(e, "precision", -1, value, (double)NAN);
        add(e, "recall", -1, other, (double)NAN);
    }
    return PYR_OK;
}

static pyr_status score(evaluating *e, const float *logits)
{
    pyr_measurement about = e->about;
    int64_t n = e->job->samples->n;
    const pyr_image_set *set = e->job->samples;
    double value, deviation;
    int64_t *order;
    pyr_status status;

    PYR_TRY(pyr_new(&order, (size_t)n, sizeof *order, "an order of images"));
    status =
        pyr_shuffle_by_content(order, n, set->pixels, (size_t)set->h * (size_t)set->w * (size_t)set->c, SEED);
    if (status == PYR_OK)
        status = pyr_inception_score(&value, &deviation, n, logits, pyr_features_classes(e->network),
                                     n < 10 ? 1 : 10, order);
    pyr_free(order);
    PYR_TRY(status);
    e->about.reference = NULL; /* it has none */
    e->about.n_reference = 0;
    e->about.reference_hash = 0;
    add(e, "score", -1, value, deviation);
    e->about = about;
    return PYR_OK;
}

/* ---- the nearest training images --------------------------------------------------------------- */

typedef struct neighbours {
    int64_t *index;
    float *nearest, *second;
} neighbours;

static void free_neighbours(neighbours *found)
{
    pyr_free(found->index);
    pyr_free(found->nearest);
    pyr_free(found->second);
}

static pyr_status new_neighbours(neighbours *found, int64_t n)
{
    PYR_TRY(pyr_new(&found->index, (size_t)n, sizeof *found->index, "neighbours"));
    PYR_TRY(pyr_new(&found->nearest, (size_t)n, sizeof *found->nearest, "neighbours"));
    return pyr_new(&found->second, (size_t)n, sizeof *found->second, "neighbours");
}

/* Neighbours among one more part of the training images, which begins at `first`. */
static void merge(neighbours *all, const neighbours *part, int64_t n, int64_t first)
{
    for (int64_t i = 0; i < n; i++) {
        if (first == 0 || part->nearest[i] < all->nearest[i]) {
            float old = first == 0 ? INFINITY : all->nearest[i];

            all->second[i] = part->second[i] < old ? part->second[i] : old;
            all->nearest[i] = part->nearest[i];
            all->index[i] = first + part->index[i];
        } else if (part->nearest[i] < all->second[i])
            all->second[i] = part->nearest[i];
    }
}

/* n numbers of the set from `at` on, in `bits`, which it has. */
static void put_values(float *dst, const pyr_image_set *set, size_t at, size_t n, int bits)
{
    if (bits == 16)
        pyr_pixels_from_words(dst, set->words + at, n);
    else
        pyr_pixels_from_bytes(dst, set->pixels + at, n);
}

/* Training images first .. first + m - 1 in `bits`, whatever their own are. */
static pyr_status put_training(float *dst, const pyr_dataset *data, int64_t first, int64_t m, int bits)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(data);
    size_t size = (size_t)s.h * (size_t)s.w * (size_t)s.c;
    pyr_image own = {0};
    pyr_status status = pyr_image_new(&own, s.h, s.w, s.c, s.bits, "a training image");

    for (int64_t j = 0; j < m && status == PYR_OK; j++) {
        status = pyr_dataset_read(data, PYR_SPLIT_TRAIN, first + j, own.at);
        if (status == PYR_OK)
            status = pyr_image_to_values(dst + (size_t)j * size, &own, s.c, bits);
    }
    pyr_image_free(&own);
    return status;
}

/* On pixels, a part of the training images at a time: as floats they take four times their memory. */
static pyr_status nearest_pixels(evaluating *e, neighbours *found)
{
    enum { PART = 4096 };
    const pyr_image_set *set = e->job->samples;
    int64_t count = pyr_dataset_count(e->job->data, PYR_SPLIT_TRAIN), n = set->n;
    size_t size = (size_t)set->h * (size_t)set->w * (size_t)set->c;
    int bits = set->words && pyr_dataset_shape_of(e->job->data).bits == 16 ? 16 : 8;
    float *samples = NULL, *train = NULL;
    neighbours part = {0};
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_new(&samples, (size_t)n * size, sizeof *samples, "images as floats"));
    PYR_TRY_OUT(pyr_new(&train, PART * size, sizeof *train, "images as floats"));
    PYR_TRY_OUT(new_neighbours(&part, n));
    put_values(samples, set, 0, (size_t)n * size, bits);
    for (int64_t first = 0; first < count;) {
        int64_t m = count - first < PART ? count - first : PART;

        if (count - first - m == 1) /* a part has a nearest and a second image */
            m -= m > 2;
        if (pyr_stop_requested()) {
            status = pyr_fail(PYR_E_STOPPED, "stopped");
            goto out;
        }
        PYR_TRY_OUT(put_training(train, e->job->data, first, m, bits));
        PYR_TRY_OUT(pyr_nearest_vectors(part.index, part.nearest, part.second, n, samples, m, train,
                                        (int)size, e->job->k->pool));
        merge(found, &part, n, first);
        first += m;
    }
out:
    free_neighbours(&part);
    pyr_free(samples);
    pyr_free(train);
    return status;
}

static pyr_status nearest_features(evaluating *e, neighbours *found, const float *samples, int d)
{
    pyr_image_set train = {0};
    float *features = NULL;
    bool cached;
    pyr_status status;

    PYR_TRY_OUT(pyr_image_set_data(&train, e->job->data, PYR_SPLIT_TRAIN, 0));
    PYR_TRY_OUT(pyr_reference_features(&features, &cached, e->network, &train,
                                       pyr_dataset_fingerprint(e->job->data), "train", e->job->cache));
    e->out->from_cache += cached;
    status = pyr_nearest_vectors(found->index, found->nearest, found->second, e->job->samples->n, samples,
                                 train.n, features, d, e->job->k->pool);
out:
    pyr_free(features);
    pyr_image_set_free(&train);
    return status;
}

typedef struct suspect {
    double ratio;
    int64_t at;
} suspect;

static int by_ratio(const void *a, const void *b)
{
    const suspect *x = a, *y = b;

    return x->ratio < y->ratio ? -1 : x->ratio > y->ratio ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

/* Columns of pairs: a sample and, right beside it, its nearest training image; the most suspicious first. */
static pyr_status write_sheet(const evaluating *e, const neighbours *found)
{
    enum { COLUMNS = 6, ROWS = 8 };
    const pyr_image_set *set = e->job->samples;
    int64_t n = set->n, shown = n < COLUMNS * ROWS ? n : COLUMNS * ROWS;
    size_t size = (size_t)set->h * (size_t)set->w * (size_t)set->c;
    suspect *order = NULL;
    float *pairs = NULL;
    pyr_panel panel[COLUMNS];
    pyr_png_text texts[] = {{"Description", "pairs: a sample and its nearest training image"}};
    pyr_status status = PYR_OK;
    int panels = 0;

    PYR_TRY_OUT(pyr_new(&order, (size_t)n, sizeof *order, "an order of images"));
    PYR_TRY_OUT(pyr_new(&pairs, 2 * (size_t)shown * size, sizeof *pairs, "images of the sheet"));
    for (int64_t i = 0; i < n; i++)
        order[i] = (suspect){found->second[i] > 0 ? (double)(found->nearest[i] / found->second[i]) : 1, i};
    qsort(order, (size_t)n, sizeof *order, by_ratio);
    for (int64_t i = 0; i < shown; i++) {
        float *at = pairs + 2 * (size_t)i * size;

        put_values(at, set, (size_t)order[i].at * size, size, set->words ? 16 : 8);
        PYR_TRY_OUT(
            pyr_dataset_pixels(e->job->data, PYR_SPLIT_TRAIN, found->index[order[i].at], false, at + size));
    }
    for (int64_t first = 0; first < shown; first += ROWS, panels++) {
        int64_t rows = shown - first < ROWS ? shown - first : ROWS;

        panel[panels] = (pyr_panel){pairs + 2 * (size_t)first * size, 2 * (int)rows, set->h, set->w, set->c};
    }
    status = pyr_grid_write(e->job->sheet, panel, panels,
                            (pyr_grid_style){.cols = 2, .rows = ROWS, .zoom = set->h < 64 ? 2 : 1}, texts, 1);
out:
    pyr_free(order);
    pyr_free(pairs);
    return status;
}

/* features NULL: on pixels. */
static pyr_status nearest(evaluating *e, const float *features, int d)
{
    int64_t n = e->job->samples->n, train = pyr_dataset_count(e->job->data, PYR_SPLIT_TRAIN);
    neighbours found = {0};
    pyr_measurement about = e->about;
    pyr_status status = PYR_OK;
    double sum = 0;

    PYR_TRY_OUT(new_neighbours(&found, n));
    status = features ? nearest_features(e, &found, features, d) : nearest_pixels(e, &found);
    if (status != PYR_OK)
        goto out;
    for (int64_t i = 0; i < n; i++)
        sum += (double)found.nearest[i];
    e->about.reference = "the training images";
    e->about.n_reference = train;
    add(e, "nearest", -1, sum / (double)n, (double)NAN);
    add(e, "memorised", -1, pyr_memorised(n, found.nearest, found.second, 1.0 / 3), (double)NAN);
    if (e->job->sheet)
        status = write_sheet(e, &found);
out:
    e->about = about;
    free_neighbours(&found);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------- */

/* Whether features of the reference's images are looked at. */
static bool needs_reference(const evaluating *e, bool stats, bool writes)
{
    unsigned metrics = PYR_METRIC_KID | PYR_METRIC_PRECISION | (stats ? 0 : PYR_METRIC_FRECHET);

    return e->reference.n > 0 && (wants(e, metrics) || writes);
}

static pyr_status in_features(evaluating *e, int which, bool last)
{
    const pyr_evaluate_job *job = e->job;
    float *samples = NULL, *logits = NULL, *reference = NULL;
    bool cached = false, stats, writes = job->write_stats && last;
    pyr_measurement about = e->about;
    pyr_status status;
    int d;
    char line[200];

    PYR_TRY(pyr_features_open(&e->network, job->k, job->network[which], job->resize));
    d = pyr_features_size(e->network);
    PYR_TRY_OUT(name(e, 2 + which, pyr_strdup(pyr_features_name(e->network)), &e->about.features));
    e->about.features_hash = pyr_features_hash(e->network);
    snprintf(line, sizeof line, "features: %.120s (%016" PRIx64 ")", e->about.features,
             e->about.features_hash);
    note(job, line);
    PYR_TRY_OUT(pyr_set_features(&samples, &logits, e->network, job->samples));
    stats = e->stats.d == d;
    if (needs_reference(e, stats, writes))
        PYR_TRY_OUT(pyr_reference_features(&reference, &cached, e->network, &e->reference,
                                           pyr_dataset_fingerprint(job->data),
                                           job->reference == PYR_SPLIT_TRAIN ? "train" : "test", job->cache));
    e->out->from_cache += cached;
    if (writes)
        PYR_TRY_OUT(write_stats(e, reference, d));
    PYR_TRY_OUT(compare_features(e, samples, reference, d, stats));
    if (wants(e, PYR_METRIC_SCORE))
        PYR_TRY_OUT(score(e, logits));
    pyr_free(reference); /* the training images' may be as large again */
    reference = NULL;
    if (which == 0 && measures(e, PYR_METRIC_NEAREST, false))
        status = nearest(e, samples, d);
out:
    e->about = about;
    pyr_free(samples);
    pyr_free(logits);
    pyr_free(reference);
    pyr_features_free(e->network);
    e->network = NULL;
    return status;
}

pyr_status pyr_evaluate_size(const pyr_evaluate_job *job, const char *name, int h, int w, int c)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(job->data);

    if (h != s.h || w != s.w || c != s.c)
        return pyr_fail(PYR_E_SHAPE, "%s: images of %dx%d with %d channel%s, those of %s are %dx%d with %d",
                        name, h, w, c, c == 1 ? "" : "s", job->data_name, s.h, s.w, s.c);
    return PYR_OK;
}

/* Grey files are not compared with colours, though they could be made such: their figures would be of
 * that. */
static pyr_status check_colours(const pyr_evaluate_job *job)
{
    const pyr_image_set *set = job->samples;
    int c = pyr_dataset_shape_of(job->data).c;

    if (set->file_c && set->file_c < 3 && c >= 3)
        return pyr_fail(
            PYR_E_SHAPE,
            "%s: all %lld images are grey, those of %s are in colour; to compare them in grey add --set "
            "data.channels=1",
            set->name, (long long)set->n, job->data_name);
    if (set->file_c >= 3 && !set->grey && c == 1)
        return pyr_fail(
            PYR_E_SHAPE,
            "%s: the images are in colour, those of %s are grey; to compare them as RGB add --set "
            "data.channels=3",
            set->name, job->data_name);
    return PYR_OK;
}

/* Whether a network reads the data's images: by one of them. *d: the size of its features. */
static pyr_status check_network(int *d, const pyr_evaluate_job *job, const char *path)
{
    pyr_features *f;
    pyr_image_set one = {0};
    float *features = NULL;
    pyr_status status;

    PYR_TRY(pyr_features_open(&f, job->k, path, job->resize));
    *d = pyr_features_size(f);
    PYR_TRY_OUT(pyr_image_set_data(&one, job->data, PYR_SPLIT_TRAIN, 1));
    status = pyr_set_features(&features, NULL, f, &one);
out:
    pyr_free(features);
    pyr_image_set_free(&one);
    pyr_features_free(f);
    return status == PYR_OK ? PYR_OK : pyr_fail_prefix(status, "%s", path);
}

/* The statistics that were given must be of one of the networks, of `n` with d[] features. */
static pyr_status check_stats(const pyr_evaluate_job *job, const int *d, int n)
{
    pyr_moments m = {0};
    char resize[sizeof m.resize];
    int size;

    PYR_TRY(pyr_moments_read(&m, job->ref_stats));
    size = m.d;
    memcpy(resize, m.resize, sizeof resize);
    pyr_moments_free(&m);
    if (*resize && strcmp(resize, pyr_fid_resizes[job->resize]) != 0)
        return pyr_fail(
            PYR_E_ARG,
            "%s was made with the %s resize, features of the %s resize do not compare with it: add "
            "--fid-resize %s",
            job->ref_stats, resize, pyr_fid_resizes[job->resize], resize);
    for (int i = 0; i < n; i++)
        if (d[i] == size)
            return PYR_OK;
    if (n == 0)
        return pyr_fail(PYR_E_ARG,
                        "%s: statistics of features need a feature network (--classifier or --inception)",
                        job->ref_stats);
    return pyr_fail(PYR_E_SHAPE,
                    "%s holds statistics of %d features, which none of the feature networks has%s",
                    job->ref_stats, size, size == 2048 ? " (Inception's: add --inception FILE)" : "");
}

/* Metrics that compare with the images of the reference. */
static unsigned with_reference(const pyr_evaluate_job *job)
{
    return job->metrics & (PYR_METRIC_SWD | PYR_METRIC_SPECTRUM | PYR_METRIC_COLOUR | PYR_METRIC_KID |
                           PYR_METRIC_PRECISION | (job->ref_stats ? 0 : PYR_METRIC_FRECHET));
}

static pyr_status fail_of_none_held_out(const pyr_evaluate_job *job)
{
    const pyr_data_settings *s = job->data_settings;
    char why[100] = "";

    if (s && s->split && strcmp(s->split, "all") == 0)
        snprintf(why, sizeof why, " (data.split is all)");
    else if (s && s->held_out == 0)
        snprintf(why, sizeof why, " (data.held_out is 0)");
    else if (s && s->held_out < 0)
        snprintf(why, sizeof why, " (of %lld images a tenth is none; --set data.held_out=N says how many)",
                 (long long)pyr_dataset_count(job->data, PYR_SPLIT_TRAIN));
    return pyr_fail(
        PYR_E_ARG,
        "%s has no images that are held out%s: compare with its training images (--reference train)",
        job->data_name, why);
}

/* Not all that is asked for is left out. */
static pyr_status check_numbers(const pyr_evaluate_job *job)
{
    unsigned metrics = job->metrics;
    int64_t n = job->planned ? job->planned : job->samples ? job->samples->n : 0;
    char reason[200], first[200] = "";

    if (!job->network[0] && !job->network[1] && (metrics & PYR_METRIC_NETWORK)) {
        metrics &= ~(unsigned)PYR_METRIC_NETWORK;
        snprintf(first, sizeof first, "%s", no_network);
    }
    for (unsigned metric = 1; metric <= PYR_METRIC_ALL; metric *= 2)
        if ((metrics & metric) && lacks(reason, sizeof reason, job, metric, n, job->ref_stats)) {
            metrics &= ~metric;
            if (!*first)
                snprintf(first, sizeof first, "%s", reason);
        }
    if (*first && !metrics)
        return pyr_fail(PYR_E_ARG, "nothing that is asked for can be measured: %s", first);
    if (job->write_stats && !job->network[0] && !job->network[1])
        return pyr_fail(PYR_E_ARG, "%s: statistics are of a network's features, and there is %s",
                        job->write_stats, no_network);
    if (job->write_stats && pyr_dataset_count(job->data, job->reference) < 2)
        return pyr_fail(PYR_E_ARG, "%s: a covariance needs 2 images, the reference has %d", job->write_stats,
                        (int)pyr_dataset_count(job->data, job->reference));
    return PYR_OK;
}

pyr_status pyr_evaluate_check_reference(const pyr_evaluate_job *job)
{
    if (pyr_dataset_count(job->data, job->reference) == 0 && with_reference(job))
        return fail_of_none_held_out(job);
    return PYR_OK;
}

pyr_status pyr_evaluate_check(const pyr_evaluate_job *job)
{
    int d[PYR_FEATURE_NETWORKS], n = 0;

    PYR_TRY(pyr_evaluate_check_reference(job));
    PYR_TRY(check_numbers(job));
    for (int i = 0; i < PYR_FEATURE_NETWORKS; i++)
        if (job->network[i])
            PYR_TRY(check_network(&d[n++], job, job->network[i]));
    return job->ref_stats ? check_stats(job, d, n) : PYR_OK;
}

/* What the set's own files say. */
static pyr_status take_warnings(evaluating *e)
{
    const pyr_image_set *set = e->job->samples;

    for (int i = 0; i < PYR_SAMPLE_WARNINGS && set->warning[i]; i++)
        PYR_TRY(warn(e, pyr_strdup(set->warning[i])));
    return PYR_OK;
}

static pyr_status warn_of_depth(evaluating *e)
{
    bool samples = e->job->samples->words != NULL, reference = e->reference.words != NULL;

    if (samples == reference)
        return PYR_OK;
    return warn(
        e, pyr_strfmt("%s has images of %d bits, the data have %d: the figures of pixels compare them in 8",
                      e->job->samples->name, samples ? 16 : 8, reference ? 16 : 8));
}

static pyr_status evaluate(evaluating *e)
{
    const pyr_evaluate_job *job = e->job;
    const pyr_image_set *set = job->samples;

    PYR_TRY(pyr_evaluate_size(job, set->name, set->h, set->w, set->c));
    PYR_TRY(check_colours(job));
    PYR_TRY(pyr_evaluate_check(job));
    if (pyr_dataset_count(job->data, job->reference)) /* or nothing is compared with it */
        PYR_TRY(pyr_image_set_data(&e->reference, job->data, job->reference, 0));
    PYR_TRY(name(e, 0,
                 pyr_strfmt("%s (%s)", job->data_name, job->reference == PYR_SPLIT_TRAIN ? "train" : "test"),
                 &e->about.reference));
    if (job->ref_stats) {
        PYR_TRY(pyr_moments_read(&e->stats, job->ref_stats));
        PYR_TRY(name(e, 1, pyr_strdup(job->ref_stats), &(const char *){NULL}));
    }
    e->about.n = job->samples->n;
    e->about.n_reference = e->reference.n;
    e->about.reference_hash = pyr_dataset_fingerprint(job->data);
    PYR_TRY(take_warnings(e));
    PYR_TRY(warn_of_depth(e));
    for (int i = 0; i < PYR_FEATURE_NETWORKS; i++)
        if (job->network[i] &&
            (wants(e, PYR_METRIC_NETWORK) || job->write_stats || (i == 0 && wants(e, PYR_METRIC_NEAREST))))
            PYR_TRY(in_features(e, i, i + 1 == PYR_FEATURE_NETWORKS || !job->network[i + 1]));
    if (!job->network[0] && !job->network[1])
        leave_out_of_networks(e);
    PYR_TRY(on_pixels(e));
    if (wants(e, PYR_METRIC_CONSISTENCY))
        add_consistency(e);
    if (!job->network[0] && measures(e, PYR_METRIC_NEAREST, false))
        PYR_TRY(nearest(e, NULL, 0));
    return PYR_OK;
}

pyr_status pyr_evaluate(pyr_evaluation *out, const pyr_evaluate_job *job)
{
    evaluating e = {.job = job, .out = out};
    pyr_status status;

    *out = (pyr_evaluation){0};
    status = evaluate(&e);
    pyr_image_set_free(&e.reference);
    pyr_moments_free(&e.stats);
    return status;
}

/* ---- a network for data with labels ------------------------------------------------------------ */

/* Whether it is there and whole; one that cannot be read is not made again over it. */
static pyr_status opens(bool *whole, pyr_kernels *k, const char *path)
{
    pyr_features *f = NULL;
    pyr_status status;

    PYR_TRY(pyr_file_exists(whole, path));
    if (!*whole)
        return PYR_OK;
    status = pyr_features_open(&f, k, path, PYR_RESIZE_TF1);
    *whole = status == PYR_OK;
    pyr_features_free(f);
    return status == PYR_E_IO || status == PYR_E_NOMEM ? status : PYR_OK;
}

static pyr_status train_classifier(const char *path, bool kept, pyr_kernels *k, const pyr_dataset *data,
                                   void (*on_note)(void *ctx, const char *line), void *ctx)
{
    pyr_classifier_result result;
    int64_t n = pyr_dataset_count(data, PYR_SPLIT_TRAIN);
    /* in images, so that it is the same network on every machine: 5 epochs, of few images more of them */
    pyr_duration duration = {n * 5 < 20000 ? 20000 : (double)(n * 5), PYR_DURATION_IMAGES};
    pyr_classifier_job job = {
        .k = k, .data = data, .path = path, .duration = duration, .seed = SEED, .result = &result};
    char line[512];

    if (on_note)
        on_note(ctx,
                kept ? "no feature network is named: training a classifier on the data's labels, which is "
                       "kept for the next time"
                     : "no feature network is named: training a classifier on the data's labels");
    PYR_TRY(pyr_classifier_train(&job));
    if (result.held_out)
        snprintf(line, sizeof line, "classifier: %.1f%% of %lld held-out images told right, after %.0f s%s%s",
                 100 * result.accuracy, (long long)result.held_out, result.seconds, kept ? "; kept: " : "",
                 kept ? path : "");
    else
        snprintf(line, sizeof line, "classifier: trained in %.0f s, no images are held out to try it on%s%s",
                 result.seconds, kept ? "; kept: " : "", kept ? path : "");
    if (on_note)
        on_note(ctx, line);
    return PYR_OK;
}

/* Whether a file can be made in `folder`, which is made. PYR_E_IO. */
static pyr_status try_folder(const char *folder)
{
    char *path = pyr_path_join(folder, "try-XXXXXX");
    int file;
    pyr_status status = PYR_OK;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", folder);
    PYR_TRY_OUT(pyr_open_output_folder(folder));
    file = mkstemp(path);
    if (file < 0) {
        status = pyr_fail(PYR_E_IO, "%s cannot be written: %s", folder, strerror(errno));
        goto out;
    }
    close(file);
    unlink(path);
out:
    pyr_free(path);
    return status;
}

/* A folder for this evaluation alone. */
static pyr_status temporary_folder(char **out)
{
    const char *root = getenv("TMPDIR");

    PYR_TRY(pyr_path_new(out, root && *root ? root : "/tmp", "pyrdiff-eval-XXXXXX"));
    if (mkdtemp(*out))
        return PYR_OK;
    pyr_fail(PYR_E_IO,
             "%s: there is no place to keep a classifier in: %s; set XDG_CACHE_HOME or TMPDIR to a folder "
             "that can be written, or name a classifier: --classifier FILE",
             *out, strerror(errno));
    pyr_free(*out);
    *out = NULL;
    return PYR_E_IO;
}

/* Train it where it lasts as long as `out`. `why`: the cache cannot be used. */
static pyr_status train_for_once(pyr_own_network *out, const char *why, pyr_kernels *k,
                                 const pyr_dataset *data, void (*on_note)(void *ctx, const char *line),
                                 void *ctx)
{
    char line[1024];

    snprintf(
        line, sizeof line,
        "warning: %s: the classifier is not kept for the next time (XDG_CACHE_HOME says where it would be)",
        why);
    PYR_TRY(temporary_folder(&out->folder));
    if (on_note)
        on_note(ctx, line);
    out->path = pyr_path_join(out->folder, "classifier.safetensors");
    return out->path ? train_classifier(out->path, false, k, data, on_note, ctx)
                     : pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", out->folder);
}

pyr_status pyr_default_network(pyr_own_network *out, pyr_kernels *k, const pyr_dataset *data,
                               const char *cache, void (*on_note)(void *ctx, const char *line), void *ctx)
{
    pyr_status status = PYR_OK;
    bool kept;

    *out = (pyr_own_network){0};
    if (pyr_dataset_classes(data) < 2)
        return PYR_OK;
    if (!cache) {
        status = train_for_once(out, "there is no cache (neither HOME nor XDG_CACHE_HOME is set)", k, data,
                                on_note, ctx);
        goto out;
    }
    out->path = pyr_cached_classifier(pyr_dataset_fingerprint(data), cache);
    if (!out->path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", cache);
    status = opens(&kept, k, out->path);
    if (status == PYR_OK && kept)
        return PYR_OK;
    if (status == PYR_OK)
        status = try_folder(cache);
    if (status == PYR_OK)
        status = train_classifier(out->path, true, k, data, on_note, ctx);
    if (status == PYR_E_IO) { /* also when the disk filled up meanwhile */
        pyr_free(out->path);
        out->path = NULL;
        status = train_for_once(out, pyr_error(), k, data, on_note, ctx);
    }
out:
    if (status != PYR_OK)
        pyr_own_network_free(out);
    return status;
}

void pyr_own_network_free(pyr_own_network *network)
{
    if (network->folder) {
        if (network->path)
            unlink(network->path);
        rmdir(network->folder);
    }
    pyr_free(network->path);
    pyr_free(network->folder);
    *network = (pyr_own_network){0};
}

/* ---- as JSON ----------------------------------------------------------------------------------- */

static void put_hash(pyr_json *json, const char *key, uint64_t hash)
{
    char text[32];

    snprintf(text, sizeof text, "%016" PRIx64, hash);
    pyr_json_string(json, key, text);
}

/* Of pixels, or of the first network of which there are figures. */
static bool of_first(const pyr_evaluation *e, const pyr_measurement *figure)
{
    for (int i = 0; i < e->figures && figure->features; i++)
        if (e->figure[i].features)
            return e->figure[i].features == figure->features;
    return true;
}

static void put_metrics(const pyr_evaluation *e, pyr_json *json)
{
    pyr_json_open(json, "metrics", '{');
    for (int i = 0; i < e->figures; i++) {
        const pyr_measurement *f = &e->figure[i];
        int last = i;
        char key[64];

        if (!of_first(e, f))
            continue;
        if (f->level < 0) {
            pyr_json_real(json, f->metric, f->value);
            if (isfinite(f->deviation)) {
                snprintf(key, sizeof key, "%s_deviation", f->metric);
                pyr_json_real(json, key, f->deviation);
            }
            continue;
        }
        while (last + 1 < e->figures && strcmp(e->figure[last + 1].metric, f->metric) == 0)
            last++;
        pyr_json_open(json, f->metric, '[');
        for (int j = last; j >= i; j--) /* coarsest first */
            pyr_json_real(json, NULL, e->figure[j].value);
        pyr_json_close(json, ']');
        i = last;
    }
    for (int i = 0; i < e->left_outs; i++)
        if (isnan(pyr_evaluation_value(e, e->left_out[i].metric, -1)))
            pyr_json_real(json, e->left_out[i].metric, (double)NAN);
    pyr_json_close(json, '}');
}

static void put_left_out(const pyr_evaluation *e, pyr_json *json)
{
    pyr_json_open(json, "left_out", '[');
    for (int i = 0; i < e->left_outs; i++) {
        pyr_json_open(json, NULL, '{');
        pyr_json_string(json, "metric", e->left_out[i].metric);
        pyr_json_string(json, "reason", e->left_out[i].reason);
        pyr_json_close(json, '}');
    }
    pyr_json_close(json, ']');
}

static void put_figure(const pyr_measurement *f, pyr_json *json)
{
    pyr_json_open(json, NULL, '{');
    pyr_json_string(json, "metric", f->metric);
    if (f->level >= 0)
        pyr_json_int(json, "level", f->level);
    pyr_json_real(json, "value", f->value);
    if (isfinite(f->deviation))
        pyr_json_real(json, "deviation", f->deviation);
    pyr_json_int(json, "images", f->n);
    if (f->reference) {
        pyr_json_string(json, "reference", f->reference);
        pyr_json_int(json, "reference_images", f->n_reference);
        put_hash(json, "reference_hash", f->reference_hash);
    }
    if (f->features) {
        pyr_json_string(json, "features", f->features);
        put_hash(json, "features_hash", f->features_hash);
    }
    pyr_json_close(json, '}');
}

static void put_set(const pyr_image_set *set, pyr_json *json)
{
    double flop = 0;
    int nfe = 0;

    pyr_json_string(json, "input", set->name);
    put_hash(json, "input_hash", set->hash);
    pyr_json_int(json, "images", set->n);
    pyr_json_int(json, "bits", set->words ? 16 : 8);
    if (set->levels == 0)
        return;
    if (set->of_class && *set->of_class)
        pyr_json_string(json, "class", set->of_class);
    if (set->alone)
        pyr_json_int(json, "level", set->finest);
    pyr_json_open(json, "sampler", '[');
    for (int i = set->drawn - 1; i >= set->finest; i--) {
        pyr_json_string(json, NULL, set->sampler[i]);
        flop += set->flop[i];
        nfe += set->nfe[i];
    }
    pyr_json_close(json, ']');
    pyr_json_open(json, "steps", '[');
    for (int i = set->drawn - 1; i >= set->finest; i--)
        pyr_json_int(json, NULL, set->steps[i]);
    pyr_json_close(json, ']');
    if (set->drawn < set->levels)
        pyr_json_int(json, "given", set->drawn);
    pyr_json_int(json, "nfe", nfe);
    pyr_json_real(json, "sample_flop", flop);
    pyr_json_real(json, "sample_s", set->seconds);
}

void pyr_evaluation_json(const pyr_evaluation *e, const pyr_image_set *samples, pyr_json *json)
{
    put_set(samples, json);
    put_metrics(e, json);
    pyr_json_open(json, "figures", '[');
    for (int i = 0; i < e->figures; i++)
        put_figure(&e->figure[i], json);
    pyr_json_close(json, ']');
    put_left_out(e, json);
    pyr_json_open(json, "warnings", '[');
    for (size_t i = 0; i < sizeof e->warning / sizeof *e->warning && e->warning[i]; i++)
        pyr_json_string(json, NULL, e->warning[i]);
    pyr_json_close(json, ']');
}
