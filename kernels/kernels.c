/* kernels.c - what every backend shares: names, sizes, opening one. */
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

/* Bytes of the parameters when want_grad, else 0. */
static size_t grad_bytes(const pyr_kernels *k, const pyr_op *op)
{
    size_t count = 0;

    for (int i = 0; op->want_grad && i < op->n_params; i++)
        count += op->param_count[i];
    return count * pyr_type_size(k->real);
}

pyr_status pyr_op_plan(pyr_kernels *k, pyr_op *op)
{
    op->packed_bytes = op->saved_bytes = op->scratch_bytes = 0;
    op->together = 0;
    op->grad_bytes = grad_bytes(k, op);
    return k->backend->op[op->kind]->plan ? k->backend->op[op->kind]->plan(k, op) : PYR_OK;
}

pyr_status pyr_op_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS])
{
    if (k->backend->op[op->kind]->collect)
        return k->backend->op[op->kind]->collect(k, op, accumulators, n, dparam);
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

/* ---- opening ---- */

pyr_status pyr_kernels_new(pyr_kernels **out, const pyr_backend *backend, int lanes, void (*on_start)(void))
{
    pyr_status status = PYR_OK;
    pyr_kernels *k;

    *out = NULL;
    if (lanes < 0)
        return pyr_fail(PYR_E_ARG, "threads is %d, should be 0 (one per processor) or more", lanes);
    PYR_TRY(pyr_new(&k, 1, sizeof *k, "kernels"));
    k->backend = backend;
    k->real = backend->real;
    PYR_TRY_OUT(pyr_tuning_new(&k->tuning));
    PYR_TRY_OUT(pyr_pool_new(&k->pool, lanes, on_start));
    k->lanes = pyr_pool_lanes(k->pool);
    *out = k;
    return PYR_OK;
out:
    pyr_kernels_free(k);
    return status;
}

void pyr_kernels_free(pyr_kernels *k)
{
    if (!k)
        return;
    if (k->backend->close)
        k->backend->close(k);
    pyr_pool_free(k->pool);
    pyr_tuning_free(k->tuning);
    pyr_free(k);
}

/* ---- by their words ---- */

static pyr_status open_cpu(pyr_kernels **out, int lanes, const char *word)
{
    (void)word;
    return pyr_kernels_cpu(out, lanes);
}

/* `word`: "cuda", which is its first device, or "cuda:N". */
static pyr_status open_cuda(pyr_kernels **out, int lanes, const char *word)
{
    const char *colon = strchr(word, ':');
    pyr_status status = pyr_kernels_cuda(out, colon ? atoi(colon + 1) : 0);

    (void)lanes;
    return status == PYR_OK ? PYR_OK
                            : pyr_fail(status, "backend %s: %s; use --backend cpu", word, pyr_error());
}

static pyr_status open_ref(pyr_kernels **out, int lanes, const char *word)
{
    (void)word;
    return pyr_kernels_ref(out, PYR_F32, lanes);
}

static pyr_status open_ref_double(pyr_kernels **out, int lanes, const char *word)
{
    (void)word;
    return pyr_kernels_ref(out, PYR_F64, lanes);
}

/* The CPU, and why not a GPU. */
static pyr_status open_auto(pyr_kernels **out, int lanes, const char *word)
{
    char why[sizeof(*out)->passed_over] = "";

    (void)word;
    if (pyr_kernels_cuda_built()) {
        if (pyr_kernels_cuda(out, 0) == PYR_OK)
            return PYR_OK;
        snprintf(why, sizeof why, "%s", pyr_error());
    }
    PYR_TRY(pyr_kernels_cpu(out, lanes));
    memcpy((*out)->passed_over, why, sizeof why);
    return PYR_OK;
}

#define WORD(word, open, help) word,
#define OPEN(word, open, help) open,
const char *const pyr_backend_names[] = {PYR_BACKENDS(WORD) NULL};
static pyr_status (*const openers[])(pyr_kernels **out, int lanes, const char *word) = {PYR_BACKENDS(OPEN)};

/* "cuda:N" is the word cuda and a device. */
static size_t word_length(const char *backend)
{
    const char *colon = strchr(backend, ':');

    if (!colon || strncmp(backend, "cuda:", 5) != 0 || !colon[1] ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return strlen(backend);
    return (size_t)(colon - backend);
}

pyr_status pyr_kernels_open(pyr_kernels **out, const char *backend, int lanes)
{
    int index;

    *out = NULL;
    PYR_TRY(pyr_find_word(&index, "backend", backend, word_length(backend), pyr_backend_names,
                          sizeof openers / sizeof *openers));
    return openers[index](out, lanes, backend);
}

/* ---- precision ---- */

const char *const pyr_precision_names[] = {"auto", "bf16", "f32", "tf32", NULL};

pyr_status pyr_kernels_precision(pyr_kernels *k, const char *word)
{
    bool bf16 = strcmp(word, "bf16") == 0, tf32 = strcmp(word, "tf32") == 0;
    int index;

    PYR_TRY(pyr_find_word(&index, "precision", word, strlen(word), pyr_precision_names,
                          sizeof pyr_precision_names / sizeof *pyr_precision_names - 1));
    k->auto_precision = strcmp(word, "auto") == 0;
    if ((bf16 && !k->has_bf16) || (tf32 && !k->has_tf32))
        return pyr_fail(PYR_E_UNSUPPORTED, "the backend %s does not compute in %s here; use --precision f32",
                        k->backend->name, word);
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
        return k->backend->memory->replay(k, *recording);
    PYR_TRY(k->backend->memory->record_begin(k));
    status = enqueue(arg);
    ended = k->backend->memory->record_end(
        k, &made); /* also after a failure, so that the backend leaves its recording state */
    if (status == PYR_OK)
        status = ended;
    if (status != PYR_OK || !made)
        return status;
    *recording = made;
    return k->backend->memory->replay(k, made); /* what was recorded has not run yet */
}

void pyr_forget(pyr_kernels *k, void **recording)
{
    if (*recording)
        k->backend->memory->forget(k, *recording);
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
        pyr_upload(k, streams + (size_t)first * PYR_STREAM_WORDS, words,
                   (size_t)now * PYR_STREAM_WORDS * sizeof *words);
    }
}

/* n numbers of type `from`, F64 or F32, as the other of them. */
static void change_type(void *dst, const void *src, pyr_type from, size_t n)
{
    if (from == PYR_F64)
        for (size_t i = 0; i < n; i++)
            ((float *)dst)[i] = (float)((const double *)src)[i];
    else
        for (size_t i = 0; i < n; i++)
            ((double *)dst)[i] = (double)((const float *)src)[i];
}

typedef union piece {
    float f32[PIECE];
    double f64[PIECE];
} piece;

/* Numbers of the host's `type` into those of the backend. */
static pyr_status upload(pyr_kernels *k, void *dst, const void *host, pyr_type type, size_t count)
{
    size_t size = pyr_type_size(k->real);
    piece changed;

    if (k->real == type) {
        pyr_upload(k, dst, host, count * size);
        return pyr_sync(k);
    }
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;

        change_type(&changed, (const char *)host + at * pyr_type_size(type), type, n);
        pyr_upload(k, (char *)dst + at * size, &changed, n * size);
        PYR_TRY(pyr_sync(k));
    }
    return PYR_OK;
}

static pyr_status download(pyr_kernels *k, void *host, pyr_type type, const void *src, size_t count)
{
    size_t size = pyr_type_size(k->real);
    piece kept;

    if (k->real == type) {
        pyr_download(k, host, src, count * size);
        return pyr_sync(k);
    }
    for (size_t at = 0; at < count; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;

        pyr_download(k, &kept, (const char *)src + at * size, n * size);
        PYR_TRY(pyr_sync(k));
        change_type((char *)host + at * pyr_type_size(type), &kept, k->real, n);
    }
    return PYR_OK;
}

pyr_status pyr_upload_reals(pyr_kernels *k, void *dst, const double *host, size_t count)
{
    return upload(k, dst, host, PYR_F64, count);
}

pyr_status pyr_download_reals(pyr_kernels *k, double *host, const void *src, size_t count)
{
    return download(k, host, PYR_F64, src, count);
}

pyr_status pyr_upload_floats(pyr_kernels *k, void *dst, const float *host, size_t count)
{
    return upload(k, dst, host, PYR_F32, count);
}

pyr_status pyr_download_floats(pyr_kernels *k, float *host, const void *src, size_t count)
{
    return download(k, host, PYR_F32, src, count);
}
