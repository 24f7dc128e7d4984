/* networks.h - parameters of a network of a few numbers, for targets that read weights into it. */
#ifndef PYR_TESTS_FUZZ_NETWORKS_H
#define PYR_TESTS_FUZZ_NETWORKS_H

#include "graph/params.h"
#include "tests/fuzz/tensors.h"

static inline pyr_kernels *fuzz_kernels(void)
{
    static pyr_kernels *k;

    if (!k)
        must(pyr_kernels_open(&k, "ref", 1) == PYR_OK);
    return k;
}

static inline void fuzz_param(pyr_params *params, const char *name, int rows, int columns, int rank)
{
    pyr_param p = {.rank = rank, .dims = {rows, columns, 1, 1}};
    int index;

    snprintf(p.name, sizeof p.name, "%s", name);
    must(pyr_params_add(params, &index, &p) == PYR_OK);
}

#endif
