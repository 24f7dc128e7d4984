/* evaluate.c - all figures that are wanted of a set of images: what can be measured, in which order, of what. */
#include "eval/evaluate.h"

#include "base/mem.h"
#include "eval/measure.h"
#include "eval/reference.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- figures ----------------------------------------------------------------------------------- */

void pyr_evaluation_free(pyr_evaluation *e)
{
    for (size_t i = 0; i < sizeof e->names / sizeof *e->names; i++)
        pyr_free(e->names[i]);
    pyr_names_free(&e->warnings);
    *e = (pyr_evaluation){0};
}

double pyr_evaluation_value(const pyr_evaluation *e, const char *metric, int level)
{
    for (int i = 0; i < e->figures; i++)
        if (strcmp(e->figure[i].metric, metric) == 0 && e->figure[i].level == level)
            return e->figure[i].value;
    return (double)NAN;
}

void pyr_measured(pyr_measuring *m, const pyr_metric *metric, int level, double value, double deviation)
{
    pyr_measurement figure = m->about;

    if (m->out->figures == PYR_MEASUREMENTS)
        return;
    figure.metric = metric->figure.key;
    figure.level = level;
    figure.value = value;
    figure.deviation = deviation;
    m->out->figure[m->out->figures++] = figure;
}

/* ---- what cannot be measured ------------------------------------------------------------------- */

static bool wants(const pyr_evaluate_job *job, int place)
{
    return pyr_metric_at(place)->measure && (job->metrics >> place & 1);
}

/* Why a metric cannot be measured of n samples (0: not known yet) against the data's images, if so. `stats`:
 * statistics stand for the reference. */
static bool lacks(char *reason, size_t room, const pyr_evaluate_job *job, const pyr_metric *metric, int64_t n,
                  bool stats)
{
    int64_t count = pyr_dataset_count(job->data, job->reference);
    int least = metric->least;

    if (metric->lacks)
        return metric->lacks(reason, room, job,
                             n && job->samples && job->samples->n == n ? job->samples : NULL);
    if (n && n < least) {
        snprintf(reason, room, "it needs %d samples or more, there %s %d", least, n == 1 ? "is" : "are",
                 (int)n);
        return true;
    }
    if (stats || count >= least)
        return false;
    snprintf(reason, room, "it needs %d images of reference or more, %.80s has %d%s", least, job->data_name,
             (int)count, job->reference == PYR_SPLIT_TRAIN ? "" : " held out (--reference train?)");
    return true;
}

static void leave_out(pyr_measuring *m, const pyr_metric *metric, const char *reason)
{
    pyr_evaluation *out = m->out;

    for (int i = 0; i < out->left_outs; i++)
        if (strcmp(out->left_out[i].metric, metric->figure.key) == 0)
            return;
    if (out->left_outs == PYR_LEFT_OUT)
        return;
    out->left_out[out->left_outs].metric = metric->figure.key;
    snprintf(out->left_out[out->left_outs].reason, sizeof out->left_out->reason, "%s", reason);
    out->left_outs++;
}

/* With all that the row measures and that has a word. */
static void leave_out_all_of(pyr_measuring *m, const pyr_metric *metric, const char *reason)
{
    for (int i = 0; i < PYR_METRIC_WORDS; i++)
        if (pyr_metric_at(i) == metric || pyr_metric_at(i)->with == metric)
            leave_out(m, pyr_metric_at(i), reason);
}

static const char no_network[] =
    "no feature network: the data have no labels for a classifier (--inception FILE, --classifier FILE)";

/* The metrics that are wanted and measured in such numbers, those that lack something are left out. */
static pyr_status measure_all(pyr_measuring *m, pyr_metric_of of)
{
    const pyr_measurement about = m->about;
    char reason[200];

    for (int i = 0; i < PYR_METRICS; i++) {
        const pyr_metric *metric = pyr_metric_at(i);

        if (!wants(m->job, i) || metric->of != of)
            continue;
        if (!lacks(reason, sizeof reason, m->job, metric, m->job->samples->n,
                   metric->by_statistics && m->by_statistics)) {
            PYR_TRY(metric->measure(m));
            m->about = about;
        } else if (!metric->not_missed || m->job->metrics != PYR_METRIC_ALL)
            leave_out_all_of(m, metric, reason);
    }
    return PYR_OK;
}

/* ---- in features ------------------------------------------------------------------------------- */

static pyr_status write_stats(const pyr_measuring *m)
{
    const pyr_feature_facts *facts = pyr_features_facts(m->network);
    pyr_moments moments = {0};
    pyr_status status;

    PYR_TRY(pyr_moments_new(&moments, m->reference.n, m->d, m->of_reference));
    if (facts->resize)
        snprintf(moments.resize, sizeof moments.resize, "%s", facts->resize);
    status = pyr_moments_write(&moments, m->job->write_stats);
    pyr_moments_free(&moments);
    return status;
}

/* Whether a metric that is wanted compares with the reference's images. `stats`: their statistics do where they can. */
static bool compares(const pyr_evaluate_job *job, pyr_metric_of of, bool stats)
{
    for (int i = 0; i < PYR_METRICS; i++) {
        const pyr_metric *metric = pyr_metric_at(i);

        if (wants(job, i) && metric->of == of && metric->reference && !(stats && metric->by_statistics))
            return true;
    }
    return false;
}

/* `last`: of all networks. */
static pyr_status in_features(pyr_measuring *m, int which, bool last)
{
    const pyr_evaluate_job *job = m->job;
    bool cached = false, writes = job->write_stats && last;
    pyr_measurement about = m->about;
    pyr_status status;
    char line[200];

    PYR_TRY(pyr_features_open(&m->network, job->k, job->network[which], job->resize));
    m->d = pyr_features_facts(m->network)->size;
    PYR_TRY_OUT(pyr_format(&m->out->names[2 + which], "%s", pyr_features_facts(m->network)->name));
    m->about.features = m->out->names[2 + which];
    m->about.features_hash = pyr_features_facts(m->network)->hash;
    snprintf(line, sizeof line, "features: %.120s (%016" PRIx64 ")", m->about.features,
             m->about.features_hash);
    if (job->on_note)
        job->on_note(job->ctx, line);
    PYR_TRY_OUT(pyr_set_features(&m->samples, &m->logits, m->network, job->samples));
    m->by_statistics = m->stats.d == m->d;
    if (m->reference.n > 0 && (compares(job, PYR_OF_FEATURES, m->by_statistics) || writes))
        PYR_TRY_OUT(pyr_reference_features(&m->of_reference, &cached, m->network, &m->reference,
                                           pyr_dataset_fingerprint(job->data),
                                           job->reference == PYR_SPLIT_TRAIN ? "train" : "test", job->cache));
    m->out->from_cache += cached;
    if (writes)
        PYR_TRY_OUT(write_stats(m));
    PYR_TRY_OUT(measure_all(m, PYR_OF_FEATURES));
    pyr_free(m->of_reference); /* the training images' may be as large again */
    m->of_reference = NULL;
    if (which == 0)
        status = measure_all(m, PYR_OF_FIRST);
out:
    m->about = about;
    pyr_free(m->samples);
    pyr_free(m->logits);
    pyr_free(m->of_reference);
    pyr_features_free(m->network);
    m->samples = m->logits = m->of_reference = NULL;
    m->network = NULL;
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------- */

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
            "%s: all %lld images are grey, those of %s are in colour; to compare them in grey add --set data.channels=1",
            set->name, (long long)set->n, job->data_name);
    if (set->file_c >= 3 && !set->grey && c == 1)
        return pyr_fail(
            PYR_E_SHAPE,
            "%s: the images are in colour, those of %s are grey; to compare them as RGB add --set data.channels=3",
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
    *d = pyr_features_facts(f)->size;
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
    const char *ours = pyr_fid_resizes[job->resize];
    pyr_moments moments;
    bool known = false;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_moments_read(&moments, job->ref_stats));
    for (int i = 0; i < n; i++)
        known |= d[i] == moments.d;
    if (*moments.resize && strcmp(moments.resize, ours) != 0)
        status = pyr_fail(
            PYR_E_ARG,
            "%s was made with the %s resize, features of the %s resize do not compare with it: add --fid-resize %s",
            job->ref_stats, moments.resize, ours, moments.resize);
    else if (n == 0)
        status = pyr_fail(PYR_E_ARG,
                          "%s: statistics of features need a feature network (--classifier or --inception)",
                          job->ref_stats);
    else if (!known)
        status = pyr_fail(
            PYR_E_SHAPE, "%s holds statistics of %d features, which none of the feature networks has%s",
            job->ref_stats, moments.d, moments.d == 2048 ? " (Inception's: add --inception FILE)" : "");
    pyr_moments_free(&moments);
    return status;
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
    int64_t n = job->planned ? job->planned : job->samples ? job->samples->n : 0;
    bool network = job->network[0] || job->network[1], any = false;
    char reason[200], of_networks[200] = "", other[200] = "";

    for (int i = 0; i < PYR_METRICS; i++) {
        const pyr_metric *metric = pyr_metric_at(i);

        if (!wants(job, i))
            continue;
        if (metric->of == PYR_OF_FEATURES && !network)
            snprintf(of_networks, sizeof of_networks, "%s", no_network);
        else if (!lacks(reason, sizeof reason, job, metric, n, job->ref_stats))
            any = true;
        else if (!*other)
            snprintf(other, sizeof other, "%s", reason);
    }
    if (!any && (*of_networks || *other))
        return pyr_fail(PYR_E_ARG, "nothing that is asked for can be measured: %s",
                        *of_networks ? of_networks : other);
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
    if (pyr_dataset_count(job->data, job->reference) == 0 &&
        (compares(job, PYR_OF_FEATURES, job->ref_stats) || compares(job, PYR_OF_PIXELS, false)))
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

static pyr_status warn_of_depth(pyr_measuring *m)
{
    bool samples = m->job->samples->words != NULL, reference = m->reference.words != NULL;

    if (samples == reference)
        return PYR_OK;
    return pyr_names_format(
        &m->out->warnings,
        "%s has images of %d bits, the data have %d: the figures of pixels compare them in 8",
        m->job->samples->name, samples ? 16 : 8, reference ? 16 : 8);
}

static pyr_status evaluate(pyr_measuring *m)
{
    const pyr_evaluate_job *job = m->job;
    const pyr_image_set *set = job->samples;

    PYR_TRY(pyr_evaluate_size(job, set->name, set->h, set->w, set->c));
    PYR_TRY(check_colours(job));
    PYR_TRY(pyr_evaluate_check(job));
    if (pyr_dataset_count(job->data, job->reference)) /* or nothing is compared with it */
        PYR_TRY(pyr_image_set_data(&m->reference, job->data, job->reference, 0));
    PYR_TRY(pyr_format(&m->out->names[0], "%s (%s)", job->data_name,
                       job->reference == PYR_SPLIT_TRAIN ? "train" : "test"));
    m->about.reference = m->out->names[0];
    if (job->ref_stats) {
        PYR_TRY(pyr_moments_read(&m->stats, job->ref_stats));
        PYR_TRY(pyr_format(&m->out->names[1], "%s", job->ref_stats));
    }
    m->about.n = job->samples->n;
    m->about.n_reference = m->reference.n;
    m->about.reference_hash = pyr_dataset_fingerprint(job->data);
    for (size_t i = 0; i < set->warnings.n; i++)
        PYR_TRY(pyr_names_add(&m->out->warnings, set->warnings.at[i]));
    PYR_TRY(warn_of_depth(m));
    for (int i = 0; i < PYR_FEATURE_NETWORKS; i++)
        if (job->network[i] && ((job->metrics & pyr_metrics_of(PYR_OF_FEATURES)) || job->write_stats ||
                                (i == 0 && (job->metrics & pyr_metrics_of(PYR_OF_FIRST)))))
            PYR_TRY(in_features(m, i, i + 1 == PYR_FEATURE_NETWORKS || !job->network[i + 1]));
    for (int i = 0; i < PYR_METRICS && !job->network[0] && !job->network[1]; i++)
        if (wants(job, i) && pyr_metric_at(i)->of == PYR_OF_FEATURES)
            leave_out_all_of(m, pyr_metric_at(i), no_network);
    PYR_TRY(measure_all(m, PYR_OF_PIXELS));
    return job->network[0] ? PYR_OK : measure_all(m, PYR_OF_FIRST);
}

pyr_status pyr_evaluate(pyr_evaluation *out, const pyr_evaluate_job *job)
{
    pyr_measuring m = {.job = job, .out = out};
    pyr_status status;

    *out = (pyr_evaluation){0};
    status = evaluate(&m);
    pyr_image_set_free(&m.reference);
    pyr_moments_free(&m.stats);
    return status;
}
