#include "base/mem.h"
#include "eval/metrics.h"
#include <math.h>
#include <string.h>

/* E KL(p(y|x) | p(y)) over n images = E sum p(y|x) log p(y|x) - sum p(y) log p(y). log p(y|x) comes from the
 * logits, not from p; a probability of 0 contributes 0. `marginal`: classes. */
static double score(int64_t n, const float *logits, int classes, double *marginal)
{
    double with = 0, without = 0;

    memset(marginal, 0, (size_t)classes * sizeof *marginal);
    for (int64_t i = 0; i < n; i++) {
        const float *z = logits + i * classes;
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
            without += marginal[c] / (double)n * log(marginal[c] / (double)n);
    return exp(with / (double)n - without);
}

pyr_status pyr_inception_score(double *mean, double *std, int64_t n, const float *logits, int classes,
                               int splits)
{
    double *part = NULL, *marginal = NULL, sum = 0, squares = 0;
    pyr_status status;

    if (splits < 1 || n < splits || classes < 1)
        return pyr_fail(
            PYR_E_ARG,
            "Inception Score of %lld images in %d parts: there should be 1 part or more, and an image "
            "for each",
            (long long)n, splits);
    PYR_TRY_OUT(pyr_new(&part, (size_t)splits, sizeof *part, "an Inception Score"));
    PYR_TRY_OUT(pyr_new(&marginal, (size_t)classes, sizeof *marginal, "an Inception Score"));
    for (int i = 0; i < splits; i++) {
        int64_t from = n * i / splits, to = n * (i + 1) / splits;

        part[i] = score(to - from, logits + from * classes, classes, marginal);
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
