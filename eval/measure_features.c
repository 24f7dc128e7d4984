/* measure_features.c - the metrics of features: Frechet distance, KID, precision and recall, Inception Score. */
#include "base/file.h"
#include "base/mem.h"
#include "eval/measure.h"
#include <math.h>
#include <stdio.h>

/* Beside a Frechet distance, once. */
static pyr_status warn_of_few(pyr_measuring *m)
{
    int64_t n = m->about.n, k = m->about.n_reference;
    char against[24];

    if (m->warned_of_few || (n >= PYR_FEW_IMAGES && (k == 0 || k >= PYR_FEW_IMAGES)))
        return PYR_OK;
    m->warned_of_few = true;
    snprintf(against, sizeof against, "%lld", (long long)k);
    return pyr_names_format(
        &m->out->warnings,
        "%lld images against %s: with fewer than %d the Frechet distance comes out too high, compare it only with figures of the same numbers",
        (long long)n, k ? against : m->about.reference, PYR_FEW_IMAGES);
}

static pyr_status frechet(pyr_measuring *m)
{
    pyr_moments a = {0}, own = {0};
    const pyr_moments *b = m->by_statistics ? &m->stats : &own;
    pyr_status status;
    double value;

    PYR_TRY_OUT(pyr_moments_new(&a, m->job->samples->n, m->d, m->samples));
    if (!m->by_statistics)
        PYR_TRY_OUT(pyr_moments_new(&own, m->reference.n, m->d, m->of_reference));
    else {
        m->about.reference = m->out->names[1];
        m->about.n_reference = b->n;
        PYR_TRY_OUT(pyr_hash_file(&m->about.reference_hash, m->job->ref_stats));
    }
    PYR_TRY_OUT(pyr_frechet(&value, &a, b));
    pyr_measured(m, &pyr_metric_frechet, -1, value, (double)NAN);
    status = warn_of_few(m);
out:
    pyr_moments_free(&a);
    pyr_moments_free(&own);
    return status;
}

const pyr_metric pyr_metric_frechet = {
    .figure = {"frechet", "Frechet distance", "Fréchet distance", "%.4g", 1, -1, false, false},
    .label = "Frechet distance",
    .of = PYR_OF_FEATURES,
    .reference = true,
    .by_statistics = true,
    .least = 2,
    .measure = frechet,
    .definition = "\\|m_x − m_y\\|² + tr(C_x + C_y − 2 (C_x C_y)^½), of means and unbiased covariances "
                  "of f. With Inception-v3's features this is FID",
    .source = "Heusel et al. 2017, eq. 6",
};

static pyr_status kid(pyr_measuring *m)
{
    double value, deviation;

    PYR_TRY(pyr_kid(&value, &deviation, m->reference.n, m->of_reference, m->job->samples->n, m->samples, m->d,
                    100, 1000, PYR_METRIC_SEED, m->job->k->pool));
    pyr_measured(m, &pyr_metric_kid, -1, value, deviation);
    return PYR_OK;
}

const pyr_metric pyr_metric_kid = {
    .figure = {"kid", "KID x 1000", "Kernel inception distance", "%.4g", 1e-3, -1, false, false},
    .label = "KID",
    .of = PYR_OF_FEATURES,
    .reference = true,
    .least = 2,
    .measure = kid,
    .definition = "unbiased MMD² with the kernel (f·g/d + 1)³: mean and deviation over 100 draws of "
                  "1000 of each set (fewer when a set is smaller). About 0, also below it, for sets of "
                  "one distribution",
    .source = "Bińkowski et al. 2018",
};

static pyr_status precision_and_recall(pyr_measuring *m)
{
    double precision, recall;

    PYR_TRY(pyr_precision_recall(&precision, &recall, m->reference.n, m->of_reference, m->job->samples->n,
                                 m->samples, m->d, PYR_METRIC_NEIGHBOURS, m->job->k->pool));
    pyr_measured(m, &pyr_metric_precision, -1, precision, (double)NAN);
    pyr_measured(m, &pyr_metric_recall, -1, recall, (double)NAN);
    return PYR_OK;
}

const pyr_metric pyr_metric_precision = {
    .figure = {"precision", "precision", "Precision", "%.3f", 1, 1, false, false},
    .label = "precision (k = 3)",
    .of = PYR_OF_FEATURES,
    .reference = true,
    .least = PYR_METRIC_NEIGHBOURS + 1,
    .measure = precision_and_recall,
    .definition = "share of samples that lie in a ball around some f(y), up to its 3rd nearest "
                  "neighbour among the others",
    .source = "Kynkäänniemi et al. 2019",
};

const pyr_metric pyr_metric_recall = {
    .figure = {"recall", "recall", "Recall", "%.3f", 1, 1, false, false},
    .label = "recall (k = 3)",
    .with = &pyr_metric_precision,
    .of = PYR_OF_FEATURES,
    .definition = "share of the reference that lies in such a ball around some f(x)",
    .source = "the same",
};

static pyr_status score(pyr_measuring *m)
{
    const pyr_image_set *set = m->job->samples;
    int64_t n = set->n, *order;
    double value, deviation;
    pyr_status status;

    PYR_TRY(pyr_new(&order, (size_t)n, sizeof *order, "an order of images"));
    PYR_TRY_OUT(pyr_shuffle_by_content(order, n, set->pixels,
                                       (size_t)set->h * (size_t)set->w * (size_t)set->c, PYR_METRIC_SEED));
    PYR_TRY_OUT(pyr_inception_score(&value, &deviation, n, m->logits, pyr_features_facts(m->network)->classes,
                                    n < 10 ? 1 : 10, order));
    m->about.reference = NULL; /* it has none */
    m->about.n_reference = 0;
    m->about.reference_hash = 0;
    pyr_measured(m, &pyr_metric_score, -1, value, deviation);
out:
    pyr_free(order);
    return status;
}

const pyr_metric pyr_metric_score = {
    .figure = {"score", "Inception Score", "Inception Score", "%.3f", 1, 1, false, false},
    .label = "Inception Score",
    .of = PYR_OF_FEATURES,
    .measure = score,
    .definition = "exp(E KL(p(c\\|x) ‖ p(c))) in the network's own classes: mean and deviation over 10 "
                  "parts, after a shuffle that the images' content and a fixed seed decide, so that the "
                  "order of files changes nothing. Inception's logits are taken without their bias, as "
                  "OpenAI's, ADM's and torch-fidelity's scores take them; a classifier of ours is asked "
                  "as it was trained, with its bias. Has no reference",
    .source = "Salimans et al. 2016",
};
