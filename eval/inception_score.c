/* inception_score.c - the Inception Score, and an order of images that their content decides. */
#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "eval/metrics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the order --------------------------------------------------------------------------------- */

typedef struct ticket {
    uint64_t number;
    int64_t at;
} ticket;

static int by_number(const void *a, const void *b)
{
    const ticket *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

/* Equal images have equal tickets: which of them comes first makes no difference. */
pyr_status pyr_shuffle_by_content(int64_t *order, int64_t n, const void *images, size_t bytes, uint64_t seed)
{
    ticket *tickets;

    PYR_TRY(pyr_new(&tickets, (size_t)n, sizeof *tickets, "an order of images"));
    for (int64_t i = 0; i < n; i++) {
        uint64_t hash = pyr_hash(PYR_HASH_START, (const char *)images + (size_t)i * bytes, bytes);
        pyr_rng4 words = pyr_philox(seed, (uint32_t)hash, (uint32_t)(hash >> 32), 0, 0);

        tickets[i] = (ticket){(uint64_t)words.v[0] << 32 | words.v[1], i};
    }
    qsort(tickets, (size_t)n, sizeof *tickets, by_number);
    for (int64_t i = 0; i < n; i++)
        order[i] = tickets[i].at;
    pyr_free(tickets);
    return PYR_OK;
}

/* ---- the score --------------------------------------------------------------------------------- */

/* E KL(p(y|x) | p(y)) over n images = E sum p(y|x) log p(y|x) - sum p(y) log p(y). log p(y|x) comes from the
 * logits, not from p; a probability of 0 contributes 0. The images are order[from .. to - 1].
 * `marginal`: classes. */
static double score(int64_t from, int64_t to, const float *logits, int classes, const int64_t *order,
                    double *marginal)
{
    double with = 0, without = 0, n = (double)(to - from);

    memset(marginal, 0, (size_t)classes * sizeof *marginal);
    for (int64_t i = from; i < to; i++) {
        const float *z = logits + (order ? order[i] : i) * classes;
        double top = z[0], sum = 0;

        for (int c = 1; c < classes; c++)
            top = fmax(top, z[c]);
        for (int c = 0; c < classes; c++)
            sum += exp(z[c] - top);
        for (int c = 0; c < classes; c++) {
            double log_p = z[c] - top - log(sum), p = exp(log_p);

            marginal[c] += p;
            with += p != 0 ? p * log_p : 0;
        }
    }
    for (int c = 0; c < classes; c++)
        if (marginal[c] != 0)
            without += marginal[c] / n * log(marginal[c] / n);
    return exp(with / n - without);
}

pyr_status pyr_inception_score(double *mean, double *std, int64_t n, const float *logits, int classes,
                               int splits, const int64_t *order)
{
    double *part = NULL, *marginal = NULL, sum = 0, squares = 0;
    pyr_status status;

    if (splits < 1 || n < splits || classes < 1)
        return pyr_fail(
            PYR_E_ARG,
            "Inception Score of %lld images in %d parts: there should be 1 part or more, and an image for each",
            (long long)n, splits);
    PYR_TRY_OUT(pyr_new(&part, (size_t)splits, sizeof *part, "an Inception Score"));
    PYR_TRY_OUT(pyr_new(&marginal, (size_t)classes, sizeof *marginal, "an Inception Score"));
    for (int i = 0; i < splits; i++) {
        int64_t from = n * i / splits, to = n * (i + 1) / splits;

        part[i] = score(from, to, logits, classes, order, marginal);
        sum += part[i];
    }
    *mean = sum / splits;
    for (int i = 0; i < splits; i++)
        squares += (part[i] - *mean) * (part[i] - *mean);
    *std = sqrt(squares / splits);
    if (!isfinite(*mean))
        PYR_TRY_OUT(pyr_fail(PYR_E_NUMERIC, "the Inception Score is not finite; are all logits finite?"));
out:
    pyr_free(marginal);
    pyr_free(part);
    return status;
}
