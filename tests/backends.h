/* backends.h - backends by name, with some that only tests know:
 *
 *     cpu-bf16            the CPU with images in bf16
 *     cuda, cuda-bf16     the GPU, or the device that is none (tests/cuda), in f32 and in bf16
 *     ref-double-joins    the double reference, said to take its neighbours in and to write over inputs
 * wherever it can, so that what the planner makes of that is seen in double */
#ifndef PYR_TESTS_BACKENDS_H
#define PYR_TESTS_BACKENDS_H

#include "kernels/kernels.h"
#include <string.h>

/* The rows of `k`, with what they could do and do not offer. */
static inline void let_join(pyr_kernels *k)
{
    static pyr_op_impl rows[PYR_OP_KINDS];
    static pyr_backend backend;
    static const pyr_op_kind first_input[] = {PYR_OP_ADD,         PYR_OP_ADD_CHANNEL, PYR_OP_ACTIVATION,
                                              PYR_OP_SCALE_SHIFT, PYR_OP_DROPOUT,     PYR_OP_MIX,
                                              PYR_OP_DIVIDE,      PYR_OP_AFFINE};

    backend = *k->backend;
    for (int i = 0; i < PYR_OP_KINDS; i++) {
        rows[i] = *backend.op[i];
        backend.op[i] = &rows[i];
    }
    k->backend = &backend;
    rows[PYR_OP_CONV2D].fuses = PYR_FUSES_RESIDUAL | PYR_FUSES_VECTOR | PYR_FUSES_CONCAT | PYR_FUSES_UPSAMPLE;
    rows[PYR_OP_GROUP_NORM].fuses = PYR_FUSES_CONCAT;
    for (size_t i = 0; i < sizeof first_input / sizeof *first_input; i++)
        rows[first_input[i]].in_place = 1;
    rows[PYR_OP_ADD].in_place = rows[PYR_OP_MIX].in_place = 3;
    rows[PYR_OP_CONV2D].in_place = 1 << PYR_X_RESIDUAL;
}

/* NULL without a failure: this machine has no such backend. */
static inline pyr_status open_backend(pyr_kernels **k, const char *name, int lanes)
{
    if (strcmp(name, "ref-double-joins") == 0) {
        PYR_TRY(pyr_kernels_open(k, "ref-double", lanes));
        let_join(*k);
        return PYR_OK;
    }
    *k = NULL;
    if (strncmp(name, "cuda", 4) == 0) {
        if (!pyr_kernels_cuda_built() || pyr_kernels_cuda(k, 0) != PYR_OK)
            return PYR_OK;
        if (strcmp(name, "cuda") == 0)
            return PYR_OK;
    } else if (strcmp(name, "cpu-bf16") == 0)
        PYR_TRY(pyr_kernels_open(k, "cpu", lanes));
    else
        return pyr_kernels_open(k, name, lanes);
    if ((*k)->has_bf16)
        return pyr_kernels_precision(*k, "bf16");
    pyr_kernels_free(*k);
    *k = NULL;
    return PYR_OK;
}

#endif
