/* sampled_variance.c - a sampler on impulses: its own code, on a table of kernels whose noise is known. */
#include "diffusion/sampled_variance.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* A table whose normals are 0, but for vector j in call j - 1 - first, where they are 1. */
typedef struct impulses {
    pyr_kernels k; /* first: what `put_impulses` is given */
    pyr_backend backend;
    int calls;
    int start; /* 1: vector 1 is that of the start, which is given */
} impulses;

static void put_impulses(pyr_kernels *k, void *dst, int images, size_t per_image, const uint32_t *stream,
                         uint32_t purpose, uint32_t draw, uint32_t step)
{
    impulses *of = (impulses *)k;
    int at = 1 + of->start + of->calls++;
    double *to = dst;

    (void)stream, (void)purpose, (void)draw, (void)step;
    memset(to, 0, (size_t)images * per_image * sizeof *to);
    for (size_t i = 0; at < images && i < per_image; i++)
        to[(size_t)at * per_image + i] = 1;
}

typedef struct linear {
    int vectors, n;
    const double *v;
} linear;

/* Vector 0 is of mean 1, the others of mean 0. */
static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    const linear *of = ctx;
    const double *from = x;
    double *to = out;

    for (int i = 0; i < of->vectors; i++)
        for (int j = 0; j < of->n; j++) {
            size_t at = (size_t)i * (size_t)of->n + (size_t)j;
            double mean = i == 0 ? 1 : 0, gain = of->v[j] > 0 ? of->v[j] / (of->v[j] + s[i] * s[i]) : 0;

            to[at] = mean + gain * (from[at] - mean);
        }
    return PYR_OK;
}

bool pyr_sampler_is_linear(const pyr_sampler *sampler)
{
    return !pyr_sampler_has(sampler, PYR_SAMPLER_ADAPTIVE) && !pyr_sampler_has(sampler, PYR_SAMPLER_HOST);
}

/* The start of vectors: of the mean's 1, of the start's own impulse its standard deviation. */
static void put_start(double *start, const linear *of, double s)
{
    memset(start, 0, (size_t)of->vectors * (size_t)of->n * sizeof *start);
    for (int j = 0; j < of->n; j++) {
        start[j] = 1;
        if (of->vectors > 1)
            start[of->n + j] = sqrt(of->v[j] + s * s);
    }
}

/* x (vectors x n) of the sampler; *calls: how often it drew. */
static pyr_status run(pyr_kernels *k, const pyr_sampler *sampler, const pyr_schedule *schedule, linear *of,
                      double *x, int *calls)
{
    bool fitted = sampler->start == PYR_START_GAUSSIAN;
    size_t count = (size_t)of->vectors * (size_t)of->n;
    impulses table = {.k = *k, .backend = *k->backend, .start = fitted};
    uint64_t *seeds = NULL;
    double *start = NULL;
    void *work = NULL;
    pyr_status status;

    assert(k->real == PYR_F64 && k->backend->host_memory);
    table.backend.normals = put_impulses;
    table.k.backend = &table.backend;
    PYR_TRY_OUT(pyr_new(&seeds, (size_t)of->vectors, sizeof *seeds, "impulses"));
    PYR_TRY_OUT(pyr_new(&start, count, sizeof *start, "impulses"));
    PYR_TRY_OUT(pyr_alloc(k, &work, pyr_sampler_work(k, sampler, of->vectors, (size_t)of->n), "impulses"));
    put_start(start, of, pyr_schedule_highest(schedule));
    status = pyr_sample(&(pyr_sampling){.k = &table.k,
                                        .n = of->vectors,
                                        .size = (size_t)of->n,
                                        .seeds = seeds,
                                        .denoise = denoise,
                                        .ctx = of,
                                        .work = work,
                                        .start = fitted ? start : NULL},
                        sampler, schedule, x);
    *calls = table.calls + table.start;
out:
    pyr_free(seeds);
    pyr_free(start);
    pyr_release(k, work);
    return status;
}

pyr_status pyr_sampled_variance(pyr_kernels *k, const pyr_sampler *sampler, const pyr_schedule *schedule,
                                int n, const double *v, double *variance, double *response)
{
    linear of = {.vectors = 1, .n = n, .v = v};
    double *x = NULL;
    int calls;
    pyr_status status;

    if (!pyr_sampler_is_linear(sampler))
        return pyr_fail(PYR_E_CONFIG, "what %s makes of a Gaussian is not known in closed form",
                        pyr_sampler_names[sampler->kind]);
    PYR_TRY_OUT(run(k, sampler, schedule, &of, response, &calls));
    of.vectors = 1 + calls;
    if (of.vectors > PYR_MAX_SAMPLING_BATCH)
        PYR_TRY_OUT(pyr_fail(PYR_E_CONFIG, "%s draws noise %d times: more than %d are not followed",
                             pyr_sampler_names[sampler->kind], calls, PYR_MAX_SAMPLING_BATCH - 1));
    PYR_TRY_OUT(pyr_new(&x, (size_t)of.vectors * (size_t)n, sizeof *x, "impulses"));
    PYR_TRY_OUT(run(k, sampler, schedule, &of, x, &calls));
    for (int j = 0; j < n; j++) {
        variance[j] = 0;
        for (int i = 1; i < of.vectors; i++)
            variance[j] += x[(size_t)i * (size_t)n + (size_t)j] * x[(size_t)i * (size_t)n + (size_t)j];
    }
out:
    pyr_free(x);
    return status;
}
