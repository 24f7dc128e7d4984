/* attention_cpu.c - softmax(q k^T / sqrt(d)) v per image and head, a block of queries at a time: their scores against
 * all keys stay in the cache, none are kept (Dao et al. 2022, FlashAttention, 3.1; here a row is whole, so that its
 * softmax needs no second correction).
 *
 * Kept for backward are a row's largest score and the inverse of its sum; the probabilities are computed again, unless
 * they are no larger than the head itself (two images of 7x7x64, one head: 52 us instead of 62). With P
 * = softmax(S), S = scale q k^T:
 *     dv = P^T dy,  dP = dy v^T,  dS = P * (dP - rowsum(dP * P)),
 *     dq = scale dS k,  dk = scale dS^T q
 * Floats are read where they lie when a head's channels fill registers; otherwise a head is copied first, as floats,
 * with zeros beyond its last channel. */
#include "kernels/cpu/activations.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/matrix.h"

/* Floats of a block of scores: with those of dP it fills half of a second cache of 256 KiB. */
enum { BLOCK_FLOATS = 16384 };

typedef struct heads {
    size_t n, tokens, inner, d, count;
    size_t wide_d, wide_tokens; /* with what fills the last register */
    size_t queries;             /* rows of a block */
    bool keeps;                 /* the probabilities */
    float scale;
    pyr_type type;
} heads;

static size_t whole_registers(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

static heads heads_of(const pyr_op *op)
{
    pyr_shape s = op->x[0].s;
    heads h = {.n = (size_t)s.n,
               .tokens = (size_t)s.h * (size_t)s.w,
               .inner = (size_t)s.c,
               .count = (size_t)op->heads,
               .type = op->y.type};

    h.d = h.inner / h.count;
    h.wide_d = whole_registers(h.d);
    h.wide_tokens = whole_registers(h.tokens);
    h.queries = BLOCK_FLOATS / h.wide_tokens / ROWS * ROWS;
    if (h.queries < 2 * ROWS)
        h.queries = 2 * ROWS;
    if (h.queries > h.tokens)
        h.queries = h.tokens;
    h.keeps = op->backward && h.wide_tokens <= h.wide_d;
    h.scale = 1.0f / sqrtf((float)h.d);
    return h;
}

/* Floats kept of a head: probabilities, or two numbers a query. */
static size_t kept_floats(const heads *h)
{
    return h->tokens * (h->keeps ? h->wide_tokens : 2);
}

/* ---- scratch ----------------------------------------------------------------------------------- */

/* tokens x d; Y takes DY's place forward */
enum { Q, K, V, DY, DQ, DK, DV, HEADS, Y = DY, FORWARD_HEADS = Y + 1 };
/* d x tokens */
enum { K_TURNED, V_TURNED, TURNED, FORWARD_TURNED = V_TURNED };
/* queries x tokens */
enum { SCORES, GRADIENTS, BLOCKS, FORWARD_BLOCKS = GRADIENTS };

typedef struct room {
    matrix head[HEADS], turned[TURNED], block[BLOCKS];
    float *stats; /* tokens x (largest score, 1 / sum), where backward does not want them */
    size_t bytes;
} room;

static float *take(float *scratch, size_t *used, size_t count)
{
    float *at = scratch ? scratch + *used : NULL;

    *used += count;
    return at;
}

static room room_of(const heads *h, bool backward, float *scratch)
{
    size_t used = 0;
    room r;

    for (int i = 0; i < (backward ? HEADS : FORWARD_HEADS); i++)
        r.head[i] = (matrix){take(scratch, &used, h->tokens * h->wide_d), h->wide_d};
    for (int i = 0; i < (backward ? TURNED : FORWARD_TURNED); i++)
        r.turned[i] = (matrix){take(scratch, &used, h->d * h->wide_tokens), h->wide_tokens};
    for (int i = 0; i < (backward ? BLOCKS : FORWARD_BLOCKS); i++)
        r.block[i] = (matrix){take(scratch, &used, h->queries * h->wide_tokens), h->wide_tokens};
    r.stats = take(scratch, &used, 2 * h->tokens);
    r.bytes = used * sizeof(float);
    return r;
}

static pyr_status attention_plan(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);

    (void)k;
    op->saved_bytes = op->backward ? h.n * h.count * kept_floats(&h) * sizeof(float) : 0;
    op->scratch_bytes = room_of(&h, op->backward, NULL).bytes;
    return PYR_OK;
}

/* ---- a head in and out -------------------------------------------------------------------------- */

static bool fills_registers(const heads *h)
{
    return h->type == PYR_F32 && h->wide_d == h->d;
}

/* The head whose first element is number `start` of `data`, where it lies or in `copy`. */
static matrix head_in(const heads *h, const void *data, size_t start, matrix copy)
{
    if (fills_registers(h))
        return (matrix){(float *)data + start, h->inner};
    for (size_t i = 0; i < h->tokens; i++)
        for (size_t at = 0; at < h->d; at += LANES) {
            const void *from = pyr_at(data, start + i * h->inner + at, h->type);

            pyr_store_f32(copy.at + i * copy.row + at, pyr_load(from, h->type, pyr_in_register(at, h->d)),
                          LANES);
        }
    return copy;
}

/* data (+)= factor * from; NULL: not wanted. */
static void head_out(const heads *h, matrix from, float factor, void *data, size_t start, bool add)
{
    for (size_t i = 0; data && i < h->tokens; i++)
        for (size_t at = 0; at < h->d; at += LANES)
            pyr_put(pyr_at_out(data, start + i * h->inner + at, h->type), h->type, pyr_in_register(at, h->d),
                    add, factor * pyr_load_f32(from.at + i * from.row + at, LANES));
}

static matrix turned(const heads *h, matrix from, matrix to)
{
    for (size_t i = 0; i < h->tokens; i++)
        for (size_t c = 0; c < h->d; c++)
            to.at[c * to.row + i] = from.at[i * from.row + c];
    for (size_t c = 0; c < h->d; c++)
        for (size_t i = h->tokens; i < h->wide_tokens; i++)
            to.at[c * to.row + i] = 0;
    return to;
}

static left_factor rows_of(matrix m, size_t first)
{
    return (left_factor){m.at + first * m.row, m.row, 1};
}

static left_factor columns_of(matrix m)
{
    return (left_factor){m.at, 1, m.row};
}

/* ---- softmax ----------------------------------------------------------------------------------- */

PYR_INLINE float sum_of(vec r)
{
    float sum = 0;

    for (int i = 0; i < LANES; i++)
        sum += r[i];
    return sum;
}

/* A row of scores s becomes exp(scale (s - largest)), what is beyond the last 0. */
static void exponentials(const heads *h, float *s, float largest)
{
    for (size_t j = 0; j < h->wide_tokens; j += LANES)
        pyr_store_f32(s + j, pyr_exp((pyr_load_f32(s + j, LANES) - largest) * h->scale), LANES);
    for (size_t j = h->tokens; j < h->wide_tokens; j++)
        s[j] = 0;
}

/* stat: the largest score, and 1 / the sum of the exponentials. */
static void softmax_row(const heads *h, float *s, float stat[2])
{
    vec largest = all(s[0]), sum = all(0);

    for (size_t j = h->tokens; j < h->wide_tokens; j++)
        s[j] = -INFINITY;
    for (size_t j = 0; j < h->wide_tokens; j += LANES)
        largest = pyr_max(pyr_load_f32(s + j, LANES), largest);
    stat[0] = largest[0];
    for (int i = 1; i < LANES; i++)
        stat[0] = largest[i] > stat[0] ? largest[i] : stat[0];
    exponentials(h, s, stat[0]);
    for (size_t j = 0; j < h->wide_tokens; j += LANES)
        sum += pyr_load_f32(s + j, LANES);
    stat[1] = 1.0f / sum_of(sum);
}

static void scale_row(float *row, size_t n, float factor)
{
    for (size_t j = 0; j < n; j += LANES)
        pyr_store_f32(row + j, pyr_load_f32(row + j, LANES) * factor, LANES);
}

/* ---- forward ----------------------------------------------------------------------------------- */

static matrix from_row(matrix m, size_t first)
{
    return (matrix){m.at + first * m.row, m.row};
}

static size_t some_queries(const heads *h, size_t first)
{
    return h->tokens - first < h->queries ? h->tokens - first : h->queries;
}

/* kept: kept_floats; NULL: not wanted. */
static void head_forward(pyr_op *op, const heads *h, size_t start, float *kept)
{
    room r = room_of(h, op->backward, op->scratch);
    matrix q = head_in(h, op->x[0].data, start, r.head[Q]), v = head_in(h, op->x[2].data, start, r.head[V]);
    matrix key = turned(h, head_in(h, op->x[1].data, start, r.head[K]), r.turned[K_TURNED]);
    float *stats = kept && !h->keeps ? kept : r.stats;

    for (size_t first = 0; first < h->tokens; first += h->queries) {
        size_t rows = some_queries(h, first);
        matrix y = from_row(r.head[Y], first);
        matrix p = h->keeps ? from_row((matrix){kept, h->wide_tokens}, first) : r.block[SCORES];

        multiply_matrices(rows, h->wide_tokens, h->d, rows_of(q, first), key, p, false);
        for (size_t i = 0; i < rows; i++) {
            softmax_row(h, p.at + i * p.row, stats + 2 * (first + i));
            if (h->keeps)
                scale_row(p.at + i * p.row, h->wide_tokens, stats[2 * (first + i) + 1]);
        }
        multiply_matrices(rows, h->wide_d, h->tokens, rows_of(p, 0), v, y, false);
        for (size_t i = 0; !h->keeps && i < rows; i++)
            scale_row(y.at + i * y.row, h->wide_d, stats[2 * (first + i) + 1]);
    }
    head_out(h, r.head[Y], 1, op->y.data, start, false);
}

static pyr_status attention_forward(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);

    (void)k;
    for (size_t n = 0; n < h.n; n++)
        for (size_t m = 0; m < h.count; m++)
            head_forward(op, &h, n * h.tokens * h.inner + m * h.d,
                         op->backward ? (float *)op->saved + (n * h.count + m) * kept_floats(&h) : NULL);
    return PYR_OK;
}

/* ---- backward ---------------------------------------------------------------------------------- */

/* dS from dP, in place */
static void through_softmax(const heads *h, const float *p, float *ds)
{
    vec sum = all(0);

    for (size_t j = 0; j < h->wide_tokens; j += LANES)
        sum = pyr_fma(pyr_load_f32(p + j, LANES), pyr_load_f32(ds + j, LANES), sum);
    sum = all(sum_of(sum));
    for (size_t j = 0; j < h->wide_tokens; j += LANES) {
        vec d = pyr_load_f32(ds + j, LANES) - sum;

        pyr_store_f32(ds + j, pyr_load_f32(p + j, LANES) * d, LANES);
    }
}

/* The probabilities of a block of queries: kept, or computed again. */
static matrix probabilities(const heads *h, const room *r, matrix q, matrix key_turned, size_t first,
                            float *kept)
{
    matrix p = r->block[SCORES];

    if (h->keeps)
        return from_row((matrix){kept, h->wide_tokens}, first);
    multiply_matrices(some_queries(h, first), h->wide_tokens, h->d, rows_of(q, first), key_turned, p, false);
    for (size_t i = 0; i < some_queries(h, first); i++) {
        exponentials(h, p.at + i * p.row, kept[2 * (first + i)]);
        scale_row(p.at + i * p.row, h->wide_tokens, kept[2 * (first + i) + 1]);
    }
    return p;
}

static void head_backward(pyr_op *op, const heads *h, size_t start, float *kept)
{
    room r = room_of(h, true, op->scratch);
    matrix q = head_in(h, op->x[0].data, start, r.head[Q]), key = head_in(h, op->x[1].data, start, r.head[K]);
    matrix dy = head_in(h, op->dy, start, r.head[DY]), key_turned = {0}, ds = r.block[GRADIENTS];
    matrix v_turned = turned(h, head_in(h, op->x[2].data, start, r.head[V]), r.turned[V_TURNED]);

    if (!h->keeps)
        key_turned = turned(h, key, r.turned[K_TURNED]);
    for (size_t first = 0; first < h->tokens; first += h->queries) {
        size_t rows = some_queries(h, first), t = h->tokens, d = h->wide_d;
        matrix p = probabilities(h, &r, q, key_turned, first, kept);

        multiply_matrices(rows, h->wide_tokens, h->d, rows_of(dy, first), v_turned, ds, false);
        for (size_t i = 0; i < rows; i++)
            through_softmax(h, p.at + i * p.row, ds.at + i * ds.row);
        multiply_matrices(rows, d, t, rows_of(ds, 0), key, from_row(r.head[DQ], first), false);
        multiply_matrices(t, d, rows, columns_of(ds), from_row(q, first), r.head[DK], first > 0);
        multiply_matrices(t, d, rows, columns_of(p), from_row(dy, first), r.head[DV], first > 0);
    }
    head_out(h, r.head[DQ], h->scale, op->dx[0], start, op->dx_add[0]);
    head_out(h, r.head[DK], h->scale, op->dx[1], start, op->dx_add[1]);
    head_out(h, r.head[DV], 1, op->dx[2], start, op->dx_add[2]);
}

static pyr_status attention_backward(pyr_kernels *k, pyr_op *op)
{
    heads h = heads_of(op);

    (void)k;
    for (size_t n = 0; n < h.n; n++)
        for (size_t m = 0; m < h.count; m++)
            head_backward(op, &h, n * h.tokens * h.inner + m * h.d,
                          (float *)op->saved + (n * h.count + m) * kept_floats(&h));
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_attention = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                       .plan = attention_plan,
                                       .forward = attention_forward,
                                       .backward = attention_backward};
