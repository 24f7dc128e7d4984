/* linear.cu - matrix products by cuBLASLt, of floats or of bf16.
 *
 * cuBLAS counts along columns first: it sees x (rows x in) as in x rows, W (out x in) as in x out, y as out x
 * rows. So   y = W^T x + b,   dx = W dy,   dW = x dy^T   in its eyes. Weights and bias are packed: in the
 * images' type, and aligned, which parameters are not. dW is float also of bf16 images. The sums' order is
 * fixed: products may be split along their inner dimension only when the parts are kept apart and summed
 * afterwards.
 *
 * What cuBLAS has no algorithm for is done as a convolution with a 1x1 kernel (direct.h). */
#include "kernels/cuda/calls.h"
#include "kernels/cuda/direct.h"

extern "C" {
#include "base/mem.h"
}

#include <assert.h>

typedef enum linear_pass { FORWARD, DATA, WEIGHTS, PASSES } linear_pass;

enum { MOST_ALGORITHMS = 8, ALIGNMENT = 16 /* of what it is given */ };
static const size_t MOST_WORKSPACE = (size_t)32 << 20; /* as NVIDIA suggests */

/* d = op(a) op(b); found: by `algorithm`, else directly. */
typedef struct product {
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace;
    bool wanted, found;
} product;

typedef struct linear_state {
    pyr_direct shape;
    pyr_type type;
    product by[PASSES];
    /* offsets in bytes: packed = [weights | bias | weights for y directly | for dx directly], scratch, from
     * its first multiple of 256, = [workspace | sums] */
    size_t packed_bias, packed_forward, packed_data, sums;
} linear_state;

/* ---- plan -------------------------------------------------------------------------------------- */

static void linear_release(pyr_kernels *k, pyr_op *op)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    linear_state *s = (linear_state *)op->state;

    if (!s)
        return;
    for (int pass = 0; pass < PASSES; pass++) {
        product *p = &s->by[pass];

        if (p->how)
            l->cublasLtMatmulDescDestroy(p->how);
        if (p->a)
            l->cublasLtMatrixLayoutDestroy(p->a);
        if (p->b)
            l->cublasLtMatrixLayoutDestroy(p->b);
        if (p->d)
            l->cublasLtMatrixLayoutDestroy(p->d);
    }
    pyr_free(s);
    op->state = NULL;
}

static cudaDataType_t library_type(pyr_type type)
{
    return type == PYR_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* A matrix in cuBLAS' eyes. */
typedef struct matrix {
    size_t rows, columns;
    bool transposed;
    pyr_type type;
} matrix;

static pyr_status describe(pyr_kernels *k, product *p, matrix a, matrix b, matrix d, bool bias, bool tf32)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    cublasComputeType_t compute =
        a.type == PYR_F32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    int op_a = a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, op_b = b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    int epilogue = bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;

    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulDescCreate, &p->how, compute, CUDA_R_32F));
    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulDescSetAttribute, p->how, CUBLASLT_MATMUL_DESC_TRANSA, &op_a,
                       sizeof op_a));
    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulDescSetAttribute, p->how, CUBLASLT_MATMUL_DESC_TRANSB, &op_b,
                       sizeof op_b));
    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulDescSetAttribute, p->how, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                       sizeof epilogue));
    PYR_TRY(PYR_CUBLAS(l, cublasLtMatrixLayoutCreate, &p->a, library_type(a.type), a.rows, a.columns,
                       (int64_t)a.rows));
    PYR_TRY(PYR_CUBLAS(l, cublasLtMatrixLayoutCreate, &p->b, library_type(b.type), b.rows, b.columns,
                       (int64_t)b.rows));
    return PYR_CUBLAS(l, cublasLtMatrixLayoutCreate, &p->d, library_type(d.type), d.rows, d.columns,
                      (int64_t)d.rows);
}

static pyr_status prefer(pyr_cuda_libraries *l, cublasLtMatmulPreference_t preference)
{
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, alignment = ALIGNMENT;
    uint64_t workspace = MOST_WORKSPACE;

    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulPreferenceSetAttribute, preference,
                       CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace));
    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulPreferenceSetAttribute, preference,
                       CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes));
    for (int i = 0; i < 4; i++)
        PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulPreferenceSetAttribute, preference, aligned[i], &alignment,
                           sizeof alignment));
    return PYR_OK;
}

/* The first algorithm of cuBLAS' list, if there is one. */
static pyr_status choose(pyr_kernels *k, product *p)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    cublasLtMatmulHeuristicResult_t list[MOST_ALGORITHMS];
    cublasLtMatmulPreference_t preference;
    int n = 0;
    pyr_status status;

    PYR_TRY(PYR_CUBLAS(l, cublasLtMatmulPreferenceCreate, &preference));
    status = prefer(l, preference);
    if (status == PYR_OK &&
        l->cublasLtMatmulAlgoGetHeuristic(l->cublas, p->how, p->a, p->b, p->d, p->d, preference,
                                          MOST_ALGORITHMS, list, &n) != CUBLAS_STATUS_SUCCESS)
        n = 0;
    l->cublasLtMatmulPreferenceDestroy(preference);
    for (int i = 0; i < n && !p->found; i++)
        if (list[i].state == CUBLAS_STATUS_SUCCESS && list[i].workspaceSize <= MOST_WORKSPACE) {
            p->algorithm = list[i].algo;
            p->workspace = list[i].workspaceSize;
            p->found = true;
        }
    return status;
}

static bool has_bias(const pyr_op *op)
{
    return op->n_params > 1 && op->param_count[1] > 0;
}

static pyr_status plan_products(pyr_kernels *k, linear_state *s, const pyr_op *op)
{
    size_t rows = s->shape.n, in = s->shape.in, out = s->shape.out;
    matrix w = {in, out, false, s->type}, x = {in, rows, false, s->type}, y = {out, rows, false, s->type};
    matrix w_t = w, y_t = y, dw = w;

    w_t.transposed = y_t.transposed = true;
    dw.type = PYR_F32;
    PYR_TRY(describe(k, &s->by[FORWARD], w_t, x, y, has_bias(op), op->tf32));
    PYR_TRY(describe(k, &s->by[DATA], w, y, x, false, op->tf32));
    PYR_TRY(describe(k, &s->by[WEIGHTS], x, y_t, dw, false, op->tf32));
    for (int pass = 0; pass < PASSES; pass++)
        if (s->by[pass].wanted)
            PYR_TRY(choose(k, &s->by[pass]));
    return PYR_OK;
}

static bool directly(const linear_state *s, linear_pass pass)
{
    return s->by[pass].wanted && !s->by[pass].found;
}

static void plan_memory(const pyr_kernels *k, linear_state *s, pyr_op *op)
{
    size_t type = pyr_type_size(s->type), sums = 0;

    s->packed_bias = pyr_aligned(op->param_count[0] * type);
    s->packed_forward = s->packed_bias + (has_bias(op) ? pyr_aligned(op->param_count[1] * type) : 0);
    s->packed_data = s->packed_forward;
    if (directly(s, FORWARD))
        s->packed_data += pyr_aligned(pyr_direct_packed_bytes(&s->shape, false));
    op->packed_bytes = s->packed_data;
    if (directly(s, DATA))
        op->packed_bytes += pyr_aligned(pyr_direct_packed_bytes(&s->shape, true));
    for (int pass = 0; pass < PASSES; pass++)
        if (s->by[pass].workspace > s->sums)
            s->sums = s->by[pass].workspace;
    s->sums = pyr_aligned(s->sums);
    if (op->want_grad && has_bias(op))
        sums = pyr_cuda_column_bytes((size_t)s->shape.n, s->shape.out);
    if (directly(s, WEIGHTS) && pyr_direct_gradient_bytes(k, &s->shape) > sums)
        sums = pyr_direct_gradient_bytes(k, &s->shape);
    if (s->sums + sums)
        op->scratch_bytes = s->sums + sums + PYR_LIBRARY_ALIGNMENT;
}

static pyr_status linear_plan(pyr_kernels *k, pyr_op *op)
{
    int in = op->x[0].s.c, out = op->y.s.c, rows = (int)(pyr_count(op->y.s) / (size_t)out);
    linear_state *s;

    assert(pyr_count(op->y.s) / (size_t)out < (size_t)1 << 31);
    PYR_TRY(pyr_new(&s, 1, sizeof *s, "matrix product"));
    op->state = s;
    s->shape = {rows, 1, 1, in, 1, 1, out, 1, 1, 1, 0, 0, in, 0};
    s->type = op->y.type;
    s->by[FORWARD].wanted = true;
    s->by[DATA].wanted = op->backward && op->want_dx[0];
    s->by[WEIGHTS].wanted = op->want_grad;
    if (op->x[0].type == op->y.type)
        PYR_TRY(plan_products(k, s, op));
    plan_memory(k, s, op);
    return PYR_OK;
}

/* ---- run --------------------------------------------------------------------------------------- */

static __global__ void copy_kernel(numbers to, const float *from, size_t count)
{
    PYR_EACH(i, count) put(to, i, from[i]);
}

static numbers packed_at(const linear_state *s, const pyr_op *op, size_t offset)
{
    numbers n = {(char *)op->packed + offset, s->type == PYR_BF16};

    return n;
}

static pyr_status linear_pack(pyr_kernels *k, pyr_op *op)
{
    const linear_state *s = (const linear_state *)op->state;
    const float *w = (const float *)op->param[0];

    PYR_TRY(PYR_LAUNCH(k, copy_kernel, op->param_count[0], packed_at(s, op, 0), w, op->param_count[0]));
    if (has_bias(op))
        PYR_TRY(PYR_LAUNCH(k, copy_kernel, op->param_count[1], packed_at(s, op, s->packed_bias),
                           (const float *)op->param[1], op->param_count[1]));
    if (directly(s, FORWARD))
        PYR_TRY(pyr_direct_pack(k, &s->shape, false, (char *)op->packed + s->packed_forward, w));
    if (directly(s, DATA))
        PYR_TRY(pyr_direct_pack(k, &s->shape, true, (char *)op->packed + s->packed_data, w));
    return PYR_OK;
}

static pyr_status multiply(pyr_kernels *k, const pyr_op *op, const product *p, const void *a, const void *b,
                           void *d, bool add)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    float alpha = 1, beta = add;

    return PYR_CUBLAS(l, cublasLtMatmul, l->cublas, p->how, &alpha, a, p->a, b, p->b, &beta, d, p->d, d, p->d,
                      &p->algorithm, pyr_library_scratch(op, 0), p->workspace, pyr_cuda_of(k)->stream);
}

static pyr_status linear_forward(pyr_kernels *k, pyr_op *op)
{
    const linear_state *s = (const linear_state *)op->state;
    const product *p = &s->by[FORWARD];
    pyr_direct_more more = {has_bias(op) ? (const float *)op->param[1] : NULL, NULL, {NULL, 0}, 1, false};
    const void *bias = (char *)op->packed + s->packed_bias;

    if (directly(s, FORWARD))
        return pyr_direct_run(k, &s->shape, false, numbers_of(&op->y), numbers_of(&op->x[0]),
                              (char *)op->packed + s->packed_forward, &more);
    if (has_bias(op))
        PYR_TRY(PYR_CUBLAS(pyr_cuda_libraries_of(k), cublasLtMatmulDescSetAttribute, p->how,
                           CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    return multiply(k, op, p, op->packed, op->x[0].data, op->y.data, false);
}

static pyr_status backward_weights(pyr_kernels *k, const linear_state *s, pyr_op *op)
{
    float *grad = (float *)op->grad, *sums = (float *)pyr_library_scratch(op, s->sums);
    numbers x = numbers_of(&op->x[0]), dy = gradient_of(&op->y, op->dy);

    if (has_bias(op))
        PYR_TRY(pyr_cuda_column_sums(k, grad + op->param_count[0], op->grad_add, dy, (size_t)s->shape.n,
                                     s->shape.out, sums));
    if (directly(s, WEIGHTS))
        return pyr_direct_gradient(k, &s->shape, grad, op->grad_add, 1, x, dy, sums);
    return multiply(k, op, &s->by[WEIGHTS], op->x[0].data, op->dy, grad, op->grad_add);
}

static pyr_status linear_backward(pyr_kernels *k, pyr_op *op)
{
    const linear_state *s = (const linear_state *)op->state;
    pyr_direct_more plain = {NULL, NULL, {NULL, 0}, 1, op->dx_add[0]};

    if (op->want_grad)
        PYR_TRY(backward_weights(k, s, op));
    if (!op->dx[0])
        return PYR_OK;
    if (directly(s, DATA))
        return pyr_direct_run(k, &s->shape, true, gradient_of(&op->x[0], op->dx[0]),
                              gradient_of(&op->y, op->dy), (char *)op->packed + s->packed_data, &plain);
    return multiply(k, op, &s->by[DATA], op->packed, op->dy, op->dx[0], op->dx_add[0]);
}

const pyr_op_impl pyr_cuda_linear = {.reads = PYR_READS_X0,
                                     .overwrites = true,
                                     .plan = linear_plan,
                                     .release = linear_release,
                                     .forward = linear_forward,
                                     .backward = linear_backward,
                                     .pack = linear_pack,
                                     .collect = pyr_cuda_collect};
