/* peak.c - the peak of a machine: measured, and kept in the cache of choices under a name of its own, so that it does
 * not travel with a run to another machine as choices do. */
#include "kernels/peak.h"

#include "base/file.h"
#include "base/mem.h"
#include "kernels/timed_op.h"
#include <math.h>
#include <stdio.h>

static const double measured_for =
    0.01; /* seconds, after about as long to find out how many rounds take a while */
enum { ROUNDS = 2000, MOST_KEPT = 1 << 20 /* GFLOP/s, whole ones, as choices are */ };

typedef struct loop {
    const pyr_backend *backend;
    pyr_precision precision;
    float *sum; /* [lane] */
} loop;

static pyr_status products(void *arg, int lane)
{
    loop *l = arg;

    l->backend->register_products(&l->sum[lane], l->precision, ROUNDS);
    return PYR_OK;
}

static pyr_status measure(double *gflops, pyr_kernels *k, pyr_precision precision)
{
    loop l = {k->backend, precision, NULL};
    double seconds, flop;
    pyr_status status;

    PYR_TRY(pyr_new(&l.sum, (size_t)k->lanes, sizeof *l.sum, "the peak"));
    flop = l.backend->register_products(&l.sum[0], precision, ROUNDS);
    status = pyr_time_calls(k, k->lanes, products, &l, measured_for, &seconds);
    pyr_free(l.sum);
    if (status == PYR_OK)
        *gflops = flop * k->lanes / seconds / 1e9;
    return status;
}

/* The larger one of what the cache has and *gflops; kept when that is new. */
static pyr_status with_cache(double *gflops, const pyr_kernels *k, pyr_precision precision)
{
    char *path = NULL, *machine = NULL, name[64];
    pyr_tuning *cache = NULL;
    pyr_status status = PYR_OK;
    int now = (int)fmin(*gflops, MOST_KEPT), kept;

    PYR_TRY_OUT(pyr_format(&machine, "%s, peak", k->measurable));
    PYR_TRY_OUT(pyr_tuning_new(&cache));
    path = pyr_cache_path("tuning.json");
    snprintf(name, sizeof name, "GFLOP/s %s %d lanes", pyr_precision_name(k, precision), k->lanes);
    if (path)
        pyr_tuning_use_cache(cache, path, machine);
    if (pyr_tuning_get(cache, name, &kept) && kept >= now)
        *gflops = kept;
    else {
        PYR_TRY_OUT(pyr_tuning_put(cache, name, now));
        pyr_tuning_keep(cache);
    }
out:
    pyr_tuning_free(cache);
    pyr_free(machine);
    pyr_free(path);
    return status;
}

pyr_status pyr_peak_measure(double *gflops, pyr_kernels *k, pyr_precision precision)
{
    *gflops = NAN;
    if (!pyr_tuning_measures(k->tuning) || !k->measurable || !k->backend->register_products)
        return PYR_OK;
    PYR_TRY(measure(gflops, k, precision));
    return with_cache(gflops, k, precision);
}
