/* attention_cpu.c - softmax(q k^T / sqrt(d)) v per image and head, by sgemm on strided heads.
 *
 * The probabilities are kept for backward. With P = softmax(S), S = scale q k^T:
 *     dv = P^T dy,  dP = dy v^T,  dS = P * (dP - rowsum(dP * P)),
 *     dq = scale dS k,  dk = scale dS^T q
 * Everything is computed in float. In bf16, a head is widened to float first and its results are rounded
 * when they are done; the probabilities are kept in bf16. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/register.h"
#include "kernels/onednn/onednn.h"

typedef struct heads {
    size_t n, tokens, inner, d, count;
    float scale;
    pyr_type type;
} heads;

static heads heads_of(const pyr_op *op)
{
    pyr_shape s = op->x[0].s;
    heads h = {.n = (size_t)s.n,
               .tokens = (size_t)s.h * (size_t)s.w,
               .inner = (size_t)s.c,
               .count = (size_t)op->heads,
               .type = op->y.type};

    h.d = h.inner / h.count;
    h.scale = 1.0f / sqrtf((float)h.d);
    return h;
}

/* Scratch, in floats: probabilities of one head (f32: when they are not kept); dS; in bf16 also the head's
 * q, k, v and dy, and one result. */
enum { COPY_Q, COPY_K, COPY_V, COPY_DY, COPY_RESULT, COPIES };

static float *probabilities(const pyr_op *op)
{
    return op->scratch;
}

static float *score_gradients(const pyr_op *op, const heads *h)
{
    return (float *)op->scratch + h->tokens * h->tokens;
}

static float *copy_at(const pyr_op *op, const heads *h, int which)
{
    return (float *)op->scratch + 2 * h->tokens * h->tokens + (size_t)which * h->tokens * h->d;
}

static pyr_status attention_plan(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);
    size_t square = h.tokens * h.tokens, copies = h.type == PYR_BF16 ? COPIES * h.tokens * h.d : 0;

    (void)k;
    op->saved_bytes = op->backward ? h.n * h.count * square * pyr_type_size(h.type) : 0;
    op->scratch_bytes = (2 * square + copies) * sizeof(float);
    return PYR_OK;
}

/* ---- one head as floats ------------------------------------------------------------------------ */

/* A matrix of tokens x d: in place, or a copy. */
typedef struct matrix {
    float *at;
    size_t stride;
} matrix;

static matrix head_in(const pyr_op *op, const heads *h, const void *data, size_t start, int which)
{
    matrix m = {copy_at(op, h, which), h->d};

    if (h->type != PYR_BF16)
        return (matrix){(float *)data + start, h->inner};
    for (size_t i = 0; i < h->tokens; i++)
        pyr_bf16_widen(m.at + i * h->d, (const pyr_bf16 *)data + start + i * h->inner, h->d);
    return m;
}

/* Where a result goes; in bf16 head_out_done brings it home. */
static matrix head_out(const pyr_op *op, const heads *h, void *data, size_t start)
{
    if (h->type == PYR_BF16)
        return (matrix){copy_at(op, h, COPY_RESULT), h->d};
    return (matrix){(float *)data + start, h->inner};
}

static void head_out_done(const heads *h, matrix m, void *data, size_t start, bool add)
{
    for (size_t i = 0; h->type == PYR_BF16 && i < h->tokens; i++) {
        pyr_bf16 *to = (pyr_bf16 *)data + start + i * h->inner;

        for (size_t at = 0; at < h->d; at += PYR_REGISTER) {
            int n = h->d - at < PYR_REGISTER ? (int)(h->d - at) : PYR_REGISTER;
            pyr_register value = pyr_load_f32(m.at + i * m.stride + at, n);

            if (add)
                value += pyr_load_bf16(to + at, n);
            pyr_store_bf16(to + at, value, n);
        }
    }
}

/* dx of input j (+)= factor * op(ds) * other, where there is a dx; t: 'N' or 'T'. */
static pyr_status head_gradient(pyr_op *op, const heads *h, int j, size_t start, char t, float factor,
                                const float *ds, matrix other)
{
    bool round = h->type == PYR_BF16;
    matrix dx;

    if (!op->dx[j])
        return PYR_OK;
    dx = head_out(op, h, op->dx[j], start);
    PYR_TRY(pyr_sgemm(t, 'N', h->tokens, h->d, h->tokens, factor, ds, h->tokens, other.at, other.stride,
                      op->dx_add[j] && !round ? 1.0f : 0.0f, dx.at, dx.stride));
    head_out_done(h, dx, op->dx[j], start, op->dx_add[j]);
    return PYR_OK;
}

/* ---- forward ----------------------------------------------------------------------------------- */

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

static pyr_status head_forward(pyr_op *op, const heads *h, size_t number, size_t start)
{
    size_t t = h->tokens, square = t * t;
    bool kept = op->backward, in_saved = kept && h->type != PYR_BF16;
    float *p = in_saved ? (float *)op->saved + number * square : probabilities(op);
    matrix q = head_in(op, h, op->x[0].data, start, COPY_Q);
    matrix key = head_in(op, h, op->x[1].data, start, COPY_K);
    matrix v = head_in(op, h, op->x[2].data, start, COPY_V), y = head_out(op, h, op->y.data, start);

    PYR_TRY(pyr_sgemm('N', 'T', t, t, h->d, 1, q.at, q.stride, key.at, key.stride, 0, p, t));
    softmax_rows(p, t, h->scale);
    if (kept && !in_saved)
        pyr_bf16_narrow((pyr_bf16 *)op->saved + number * square, p, square);
    PYR_TRY(pyr_sgemm('N', 'N', t, h->d, t, 1, p, t, v.at, v.stride, 0, y.at, y.stride));
    head_out_done(h, y, op->y.data, start, false);
    return PYR_OK;
}

static pyr_status attention_forward(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);

    (void)k;
    for (size_t n = 0; n < h.n; n++)
        for (size_t m = 0; m < h.count; m++)
            PYR_TRY(head_forward(op, &h, n * h.count + m, n * h.tokens * h.inner + m * h.d));
    return PYR_OK;
}

/* ---- backward ---------------------------------------------------------------------------------- */

/* dS from dP, in place */
static void through_softmax(float *ds, const float *p, size_t n)
{
    for (size_t i = 0; i < n; i++, ds += n, p += n) {
        float sum = 0;

#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++)
            sum += ds[j] * p[j];
        for (size_t j = 0; j < n; j++)
            ds[j] = p[j] * (ds[j] - sum);
    }
}

/* In the order of inputs: where v is q, its gradient is added to that of q. */
static pyr_status head_backward(pyr_op *op, const heads *h, size_t number, size_t start)
{
    size_t t = h->tokens, square = t * t;
    const float *p = (const float *)op->saved + number * square;
    float *ds = score_gradients(op, h);
    matrix q = head_in(op, h, op->x[0].data, start, COPY_Q);
    matrix key = head_in(op, h, op->x[1].data, start, COPY_K);
    matrix v = head_in(op, h, op->x[2].data, start, COPY_V), dy = head_in(op, h, op->dy, start, COPY_DY);

    if (h->type == PYR_BF16) {
        pyr_bf16_widen(probabilities(op), (const pyr_bf16 *)op->saved + number * square, square);
        p = probabilities(op);
    }
    PYR_TRY(pyr_sgemm('N', 'T', t, t, h->d, 1, dy.at, dy.stride, v.at, v.stride, 0, ds, t));
    through_softmax(ds, p, t);
    PYR_TRY(head_gradient(op, h, 0, start, 'N', h->scale, ds, key));
    PYR_TRY(head_gradient(op, h, 1, start, 'T', h->scale, ds, q));
    return head_gradient(op, h, 2, start, 'T', 1, p, dy);
}

static pyr_status attention_backward(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);

    (void)k;
    for (size_t n = 0; n < h.n; n++)
        for (size_t m = 0; m < h.count; m++)
            PYR_TRY(head_backward(op, &h, n * h.count + m, n * h.tokens * h.inner + m * h.d));
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_attention = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                       .plan = attention_plan,
                                       .forward = attention_forward,
                                       .backward = attention_backward};
