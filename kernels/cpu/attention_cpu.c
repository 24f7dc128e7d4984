/* attention_cpu.c - softmax(q k^T / sqrt(d)) v per image and head, by sgemm on strided heads.
 *
 * The probabilities are kept for backward. With P = softmax(S), S = scale q k^T:
 *     dv = P^T dy,  dP = dy v^T,  dS = P * (dP - rowsum(dP * P)),
 *     dq = scale dS k,  dk = scale dS^T q
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/vector.h"

typedef struct heads {
    size_t n, tokens, inner, d, count;
    float scale;
} heads;

static heads heads_of(const pyr_op *op)
{
    pyr_shape s = op->x[0].s;
    heads h = {.n = (size_t)s.n,
               .tokens = (size_t)s.h * (size_t)s.w,
               .inner = (size_t)s.c,
               .count = (size_t)op->heads};

    h.d = h.inner / h.count;
    h.scale = 1.0f / sqrtf((float)h.d);
    return h;
}

static pyr_status attention_plan(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);
    size_t square = h.tokens * h.tokens * sizeof(float);

    (void)k;
    op->saved_bytes = op->backward ? h.n * h.count * square : 0;
    op->scratch_bytes = square; /* probabilities of one head when they are not kept, or dP */
    return PYR_OK;
}

static void softmax_rows(float *p, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++, p += n) {
        float top = p[0], sum = 0;

        for (size_t j = 1; j < n; j++)
            top = p[j] > top ? p[j] : top;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++) {
            p[j] = pyr_vexp(scale * (p[j] - top));
            sum += p[j];
        }
        sum = 1.0f / sum;
        for (size_t j = 0; j < n; j++)
            p[j] *= sum;
    }
}

static pyr_status attention_forward(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);
    size_t t = h.tokens;

    (void)k;
    for (size_t n = 0; n < h.n; n++)
        for (size_t m = 0; m < h.count; m++) {
            size_t at = n * t * h.inner + m * h.d;
            const float *q = (const float *)op->x[0].data + at, *key = (const float *)op->x[1].data + at;
            const float *v = (const float *)op->x[2].data + at;
            float *p = op->saved_bytes ? (float *)op->saved + (n * h.count + m) * t * t : op->scratch;

            PYR_TRY(pyr_sgemm('N', 'T', t, t, h.d, 1, q, h.inner, key, h.inner, 0, p, t));
            softmax_rows(p, t, h.scale);
            PYR_TRY(
                pyr_sgemm('N', 'N', t, h.d, t, 1, p, t, v, h.inner, 0, (float *)op->y.data + at, h.inner));
        }
    return PYR_OK;
}

static pyr_status attention_backward(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);
    size_t t = h.tokens;
    float add[PYR_OP_INPUTS];

    (void)k;
    for (int j = 0; j < PYR_OP_INPUTS; j++)
        add[j] = op->dx_add[j] ? 1.0f : 0.0f;
    for (size_t n = 0; n < h.n; n++)
        for (size_t m = 0; m < h.count; m++) {
            size_t at = n * t * h.inner + m * h.d;
            const float *p = (const float *)op->saved + (n * h.count + m) * t * t;
            const float *dy = (const float *)op->dy + at;
            float *ds = op->scratch;

            if (op->dx[2])
                PYR_TRY(pyr_sgemm('T', 'N', t, h.d, t, 1, p, t, dy, h.inner, add[2], (float *)op->dx[2] + at,
                                  h.inner));
            PYR_TRY(pyr_sgemm('N', 'T', t, t, h.d, 1, dy, h.inner, (const float *)op->x[2].data + at, h.inner,
                              0, ds, t));
            for (size_t i = 0; i < t; i++) {
                float sum = 0;

#pragma omp simd reduction(+ : sum)
                for (size_t j = 0; j < t; j++)
                    sum += ds[i * t + j] * p[i * t + j];
                for (size_t j = 0; j < t; j++)
                    ds[i * t + j] = p[i * t + j] * (ds[i * t + j] - sum);
            }
            if (op->dx[0])
                PYR_TRY(pyr_sgemm('N', 'N', t, h.d, t, h.scale, ds, t, (const float *)op->x[1].data + at,
                                  h.inner, add[0], (float *)op->dx[0] + at, h.inner));
            if (op->dx[1])
                PYR_TRY(pyr_sgemm('T', 'N', t, h.d, t, h.scale, ds, t, (const float *)op->x[0].data + at,
                                  h.inner, add[1], (float *)op->dx[1] + at, h.inner));
        }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_attention = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                       .plan = attention_plan,
                                       .forward = attention_forward,
                                       .backward = attention_backward};
