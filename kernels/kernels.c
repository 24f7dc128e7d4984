/* kernels.c - what every backend shares: names, sizes, the choice of a table. */
#include "kernels/kernels.h"

#include "base/mem.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t pyr_type_size(pyr_type type)
{
    static const size_t sizes[PYR_TYPES] = {[PYR_F32] = 4, [PYR_F64] = 8, [PYR_BF16] = 2, [PYR_U32] = 4};

    return sizes[type];
}

const char *pyr_op_name(pyr_op_kind kind)
{
    static const char *const names[PYR_OP_KINDS] = {
        [PYR_OP_CONV2D] = "conv2d",
        [PYR_OP_LINEAR] = "linear",
        [PYR_OP_GROUP_NORM] = "group-norm",
        [PYR_OP_ACTIVATION] = "activation",
        [PYR_OP_ADD] = "add",
        [PYR_OP_ADD_CHANNEL] = "add-channel",
        [PYR_OP_SCALE_SHIFT] = "scale-shift",
        [PYR_OP_CONCAT] = "concat",
        [PYR_OP_UPSAMPLE] = "upsample",
        [PYR_OP_MEAN2] = "mean2",
        [PYR_OP_POOL2D] = "pool2d",
        [PYR_OP_UNSHUFFLE] = "unshuffle",
        [PYR_OP_SHUFFLE] = "shuffle",
        [PYR_OP_ATTENTION] = "attention",
        [PYR_OP_EMBED] = "embed",
        [PYR_OP_TIME_POSITIONAL] = "time-positional",
        [PYR_OP_TIME_FOURIER] = "time-fourier",
        [PYR_OP_DROPOUT] = "dropout",
        [PYR_OP_NOISE] = "noise",
        [PYR_OP_MIX] = "mix",
        [PYR_OP_DIVIDE] = "divide",
        [PYR_OP_AFFINE] = "affine",
        [PYR_OP_SQUARED_ERROR] = "squared-error",
        [PYR_OP_CROSS_ENTROPY] = "cross-entropy",
    };

    return names[kind];
}

bool pyr_op_passes(const pyr_op *op, int input)
{
    switch (op->kind) {
    case PYR_OP_CONV2D:
        return input == PYR_X_RESIDUAL && op->scale == 1;
    case PYR_OP_ADD:
        return op->scale == 1;
    case PYR_OP_ADD_CHANNEL:
        return input == 0;
    default:
        return false;
    }
}

double pyr_op_flop(const pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;

    switch (op->kind) {
    case PYR_OP_CONV2D:
        if (pyr_op_has(op, PYR_X_MORE))
            in.c += op->x[PYR_X_MORE].s.c;
        return 2.0 * (double)pyr_count(out) * in.c * op->kernel * pyr_op_kernel_w(op);
    case PYR_OP_LINEAR:
        return 2.0 * (double)pyr_count(out) * in.c;
    case PYR_OP_ATTENTION: /* q k^T and its product with v */
        return 4.0 * (double)pyr_count(in) * in.h * in.w;
    default:
        return 0;
    }
}

/* ---- what NULL slots of an operation mean ---- */

size_t pyr_op_grad_bytes_default(const pyr_kernels *k, const pyr_op *op)
{
    size_t count = 0;

    for (int i = 0; op->want_grad && i < op->n_params; i++)
        count += op->param_count[i];
    return count * pyr_type_size(k->real);
}

pyr_status pyr_op_plan(pyr_kernels *k, pyr_op *op)
{
    op->packed_bytes = op->saved_bytes = op->scratch_bytes = 0;
    op->grad_bytes = pyr_op_grad_bytes_default(k, op);
    return k->op[op->kind]->plan ? k->op[op->kind]->plan(k, op) : PYR_OK;
}

pyr_status pyr_op_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS])
{
    if (k->op[op->kind]->collect)
        return k->op[op->kind]->collect(k, op, accumulators, n, dparam);
    return pyr_op_collect_default(k, op, accumulators, n, dparam);
}

pyr_status pyr_op_collect_default(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                                  void *const dparam[PYR_OP_PARAMS])
{
    size_t start = 0;

    for (int p = 0; p < op->n_params; p++) {
        size_t count = op->param_count[p];

        for (int a = 0; dparam[p] && a < n; a++)
            if (k->real == PYR_F64) {
                const double *src = (const double *)accumulators[a] + start;
                double *dst = dparam[p];

                for (size_t i = 0; i < count; i++)
                    dst[i] += src[i];
            } else {
                const float *src = (const float *)accumulators[a] + start;
                float *dst = dparam[p];

                for (size_t i = 0; i < count; i++)
                    dst[i] += src[i];
            }
        start += count;
    }
    return PYR_OK;
}

/* ---- tables ---- */

static bool is_cuda(const char *word)
{
    if (strncmp(word, "cuda", 4) != 0)
        return false;
    word += 4;
    return !*word || (*word == ':' && word[1] && strspn(word + 1, "0123456789") == strlen(word + 1));
}

/* The first GPU, or else the CPU and why. */
static pyr_status open_auto(pyr_kernels **out, int lanes)
{
    char why[sizeof(*out)->passed_over] = "";

    if (pyr_kernels_cuda_built()) {
        if (pyr_kernels_cuda(out, 0) == PYR_OK)
            return PYR_OK;
        snprintf(why, sizeof why, "%s", pyr_error());
    }
    PYR_TRY(pyr_kernels_cpu(out, lanes));
    memcpy((*out)->passed_over, why, sizeof why);
    return PYR_OK;
}

const char *const pyr_backend_names[] = {"auto", "cpu", "cuda", "ref", "ref-double", NULL};

pyr_status pyr_kernels_open(pyr_kernels **out, const char *backend, int lanes)
{
    const char *nearest;

    *out = NULL;
    if (strcmp(backend, "auto") == 0)
        return open_auto(out, lanes);
    if (strcmp(backend, "cpu") == 0)
        return pyr_kernels_cpu(out, lanes);
    if (strcmp(backend, "ref") == 0)
        return pyr_kernels_ref(out, PYR_F32, lanes);
    if (strcmp(backend, "ref-double") == 0)
        return pyr_kernels_ref(out, PYR_F64, lanes);
    if (is_cuda(backend)) {
        pyr_status status = pyr_kernels_cuda(out, backend[4] ? atoi(backend + 5) : 0);

        return status == PYR_OK ? PYR_OK
                                : pyr_fail(status, "backend %s: %s; use --backend cpu", backend, pyr_error());
    }
    nearest =
        pyr_nearest(backend, pyr_backend_names, sizeof pyr_backend_names / sizeof *pyr_backend_names - 1);
    return pyr_fail(PYR_E_ARG,
                    "backend is \"%s\", should be one of auto, cpu, ref, ref-double, cuda, cuda:N%s%s%s",
                    backend, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

void pyr_kernels_free(pyr_kernels *k)
{
    if (!k)
        return;
    if (k->close)
        k->close(k);
    pyr_pool_free(k->pool);
    pyr_tuning_free(k->tuning);
    pyr_free(k);
}

const char *const pyr_precision_names[] = {"auto", "bf16", "f32", "tf32", NULL};

pyr_status pyr_kernels_precision(pyr_kernels *k, const char *word)
{
    bool bf16 = strcmp(word, "bf16") == 0, tf32 = strcmp(word, "tf32") == 0;
    const char *nearest;

    k->auto_precision = strcmp(word, "auto") == 0;
    if (!k->auto_precision && !bf16 && !tf32 && strcmp(word, "f32") != 0) {
        nearest = pyr_nearest(word, pyr_precision_names,
                              sizeof pyr_precision_names / sizeof *pyr_precision_names - 1);
        return pyr_fail(PYR_E_ARG, "precision is \"%s\", should be one of auto, bf16, f32, tf32%s%s%s", word,
                        nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    }
    if ((bf16 && !k->has_bf16) || (tf32 && !k->has_tf32))
        return pyr_fail(PYR_E_UNSUPPORTED, "the backend %s does not compute in %s here; use --precision f32",
                        k->name, word);
    k->precision = bf16 || (k->auto_precision && k->fast_bf16) ? PYR_PRECISION_BF16
                   : tf32                                      ? PYR_PRECISION_TF32
                                                               : PYR_PRECISION_FULL;
    return PYR_OK;
}

const char *pyr_precision_name(const pyr_kernels *k, pyr_precision precision)
{
    return precision == PYR_PRECISION_BF16   ? "bf16"
           : precision == PYR_PRECISION_TF32 ? "tf32"
           : k->real == PYR_F64              ? "f64"
                                             : "f32";
}

pyr_status pyr_recorded(pyr_kernels *k, void **recording, pyr_status (*enqueue)(void *arg), void *arg)
{
    void *made = NULL;
    pyr_status status, ended;

    if (k->timed)
        return enqueue(arg);
    if (*recording)
        return k->replay(k, *recording);
    PYR_TRY(k->record_begin(k));
    status = enqueue(arg);
    ended =
        k->record_end(k, &made); /* also after a failure, so that the backend leaves its recording state */
    if (status == PYR_OK)
        status = ended;
    if (status != PYR_OK || !made)
        return status;
    *recording = made;
    return k->replay(k, made); /* what was recorded has not run yet */
}

void pyr_forget(pyr_kernels *k, void **recording)
{
    if (*recording)
        k->forget(k, *recording);
    *recording = NULL;
}

/* Conversions go through a piece on the stack: nothing is allocated. */
enum { PIECE = 512 };

void pyr_upload_streams(pyr_kernels *k, uint32_t *streams, const uint64_t *seeds, int n)
{
    uint32_t words[PIECE];
    int most = PIECE / PYR_STREAM_WORDS;

    for (int first = 0; first < n; first += most) {
        int now = n - first < most ? n - first : most;

        for (int i = 0; i < now; i++) {
            uint32_t *word = words + i * PYR_STREAM_WORDS;

            word[0] = (uint32_t)seeds[first + i];
            word[1] = (uint32_t)(seeds[first + i] >> 32);
            word[2] = word[3] = 0;
        }
        k->upload(k, streams + (size_t)first * PYR_STREAM_WORDS, words,
                  (size_t)now * PYR_STREAM_WORDS * sizeof *words);
    }
}

pyr_status pyr_upload_reals(pyr_kernels *k, void *dst, const double *host, size_t count)
{
    float narrow[PIECE];

    if (k->real == PYR_F64) {
        k->upload(k, dst, host, count * sizeof *host);
        return k->sync(k);
    }
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;

        for (size_t i = 0; i < n; i++)
            narrow[i] = (float)host[at + i];
        k->upload(k, (float *)dst + at, narrow, n * sizeof *narrow);
        PYR_TRY(k->sync(k));
    }
    return PYR_OK;
}

pyr_status pyr_download_reals(pyr_kernels *k, double *host, const void *src, size_t count)
{
    float narrow[PIECE];

    if (k->real == PYR_F64) {
        k->download(k, host, src, count * sizeof *host);
        return k->sync(k);
    }
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;

        k->download(k, narrow, (const float *)src + at, n * sizeof *narrow);
        PYR_TRY(k->sync(k));
        for (size_t i = 0; i < n; i++)
            host[at + i] = (double)narrow[i];
    }
    return PYR_OK;
}

pyr_status pyr_upload_floats(pyr_kernels *k, void *dst, const float *host, size_t count)
{
    double wide[PIECE];

    if (k->real == PYR_F32) {
        k->upload(k, dst, host, count * sizeof *host);
        return k->sync(k);
    }
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;

        for (size_t i = 0; i < n; i++)
            wide[i] = (double)host[at + i];
        k->upload(k, (double *)dst + at, wide, n * sizeof *wide);
        PYR_TRY(k->sync(k));
    }
    return PYR_OK;
}

pyr_status pyr_download_floats(pyr_kernels *k, float *host, const void *src, size_t count)
{
    double wide[PIECE];

    if (k->real == PYR_F32) {
        k->download(k, host, src, count * sizeof *host);
        return k->sync(k);
    }
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;

        k->download(k, wide, (const double *)src + at, n * sizeof *wide);
        PYR_TRY(k->sync(k));
        for (size_t i = 0; i < n; i++)
            host[at + i] = (float)wide[i];
    }
    return PYR_OK;
}
