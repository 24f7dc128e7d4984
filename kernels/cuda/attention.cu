/* attention.cu - softmax(q k^T / sqrt(d)) v per image and head, without the matrix of scores.
 *
 * Flash attention (Dao 2023) in plain loops: a block keeps OWN tokens, goes through all others OTHER at a
 * time, and holds their scores in shared memory. Forward rescales its sums when a larger score comes, and
 * saves the logarithm of the sum of exponentials per token; backward makes the scores again from it. Backward
 * goes three times: for dq the own tokens are queries, for dk and dv they are keys; so no two blocks add to
 * one number, and every order is fixed. A block makes FEATURES features of its result; with more of them in a
 * head the scores are made once for each such piece.
 *
 * Products are multiply-adds of floats. For bf16 images cuDNN has kernels of its own for the forward pass,
 * which use tensor cores (fused_attention.h); backward is done here after those, too, from the logarithms
 * that they save. Which one: the fastest by measuring (pyr_tuning), or the first of cuDNN's list that is
 * right. One of cuDNN's is taken only after it has computed, at the time of planning, what is computed
 * here. */
#include "kernels/cuda/fused_attention.h"

extern "C" {
#include "base/mem.h"
}

#include <assert.h>

enum {
    OWN = 64,      /* tokens of a block */
    OTHER = 32,    /* tokens at a time */
    FEATURES = 64, /* of the result, of a block */
    SLICE = 16,    /* features, or other tokens, that are multiplied at a time */
    THREADS = 256
};

/* Tokens of one head: token t begins at t * stride. */
typedef struct tokens {
    numbers at;
    size_t start;
    int n, d, stride;
} tokens;

static __device__ inline float token(const tokens *t, int i, int f)
{
    return i < t->n && f < t->d ? get(t->at, t->start + (size_t)i * t->stride + f) : 0;
}

/* ---- products of tiles --------------------------------------------------------------------------
 *
 * Tiles lie in shared memory, the index that is summed over first. A thread makes 4 x 4 numbers at a time. */

static __device__ inline void four_of(const float *shared, float out[4])
{
    float4 four = *(const float4 *)shared;

    out[0] = four.x;
    out[1] = four.y;
    out[2] = four.z;
    out[3] = four.w;
}

/* sum[4] of 4 rows += the sum over i < n of a[i][row] * b[i][column], for 4 rows and 4 columns from a and b
 * on */
static __device__ inline void multiply_add(float sum[4][4], const float *a, int wide_a, const float *b,
                                           int wide_b, int n)
{
    for (int i = 0; i < n; i++) {
        float u[4], v[4];

        four_of(a + i * wide_a, u);
        four_of(b + i * wide_b, v);
        for (int r = 0; r < 4; r++)
            for (int c = 0; c < 4; c++)
                sum[r][c] += u[r] * v[c];
    }
}

/* What a block has in shared memory. */
typedef struct tiles {
    alignas(16) float score[OTHER][OWN]; /* of other and own tokens; then their weights in the sum */
    float second[OTHER][OWN];            /* backward: products of v and dy */
    float own[SLICE][OWN + 4], other[SLICE][OTHER + 4]; /* written by columns: no two into one bank */
    float values[SLICE][FEATURES];                      /* of other tokens */
    float sum[OWN][FEATURES];                           /* the result */
    float largest[OWN], total[OWN], factor[OWN];
} tiles;

/* score (OTHER x OWN) = the inner products of tokens from `other` and `own` on. All threads call it; the
 * scores are there when it returns. */
static __device__ __forceinline__ void inner_products(tiles *s, float score[OTHER][OWN], const tokens *others,
                                                      int other, const tokens *owns, int own)
{
    for (int first = 0; first < owns->d; first += SLICE) {
        __syncthreads(); /* the last slice has been used */
        PYR_EACH_OF_BLOCK(t, OWN * SLICE)
        s->own[t % SLICE][t / SLICE] = token(owns, own + (int)(t / SLICE), first + (int)(t % SLICE));
        PYR_EACH_OF_BLOCK(t, OTHER * SLICE)
        s->other[t % SLICE][t / SLICE] = token(others, other + (int)(t / SLICE), first + (int)(t % SLICE));
        __syncthreads();
        PYR_EACH_OF_BLOCK(t, OTHER / 4 * (OWN / 4))
        {
            int row = (int)(t / (OWN / 4)) * 4, column = (int)(t % (OWN / 4)) * 4;
            float sum[4][4] = {{0}};

            multiply_add(sum, &s->other[0][row], OTHER + 4, &s->own[0][column], OWN + 4, SLICE);
            for (int r = 0; r < 4; r++)
                for (int c = 0; c < 4; c++)
                    score[row + r][column + c] = sum[r][c] + (first ? score[row + r][column + c] : 0);
        }
    }
    __syncthreads();
}

/* sum (OWN x FEATURES) = factor[own] * sum + score^T values, values: features from `first` on of the other
 * tokens from `other` on. */
static __device__ __forceinline__ void add_values(tiles *s, const tokens *others, int other, int first)
{
    for (int slice = 0; slice < OTHER; slice += SLICE) {
        __syncthreads();
        PYR_EACH_OF_BLOCK(t, SLICE * FEATURES)
        s->values[t / FEATURES][t % FEATURES] =
            token(others, other + slice + (int)(t / FEATURES), first + (int)(t % FEATURES));
        __syncthreads();
        PYR_EACH_OF_BLOCK(t, OWN / 4 * (FEATURES / 4))
        {
            int row = (int)(t / (FEATURES / 4)) * 4, column = (int)(t % (FEATURES / 4)) * 4;
            float sum[4][4] = {{0}};

            multiply_add(sum, &s->score[slice][row], OWN, &s->values[0][column], FEATURES, SLICE);
            for (int r = 0; r < 4; r++)
                for (int c = 0; c < 4; c++) {
                    float *at = &s->sum[row + r][column + c];

                    *at = *at * (slice ? 1 : s->factor[row + r]) + sum[r][c];
                }
        }
    }
    __syncthreads();
}

static __device__ void clear_sums(tiles *s)
{
    PYR_EACH_OF_BLOCK(t, OWN * FEATURES)
    s->sum[t / FEATURES][t % FEATURES] = 0;
    PYR_EACH_OF_BLOCK(t, OWN)
    {
        s->largest[t] = -INFINITY;
        s->total[t] = 0;
        s->factor[t] = 1;
    }
    __syncthreads();
}

/* ---- a block's place ---------------------------------------------------------------------------- */

typedef struct sizes {
    int tokens, heads, d; /* of an image, of a token, of a head */
    int tiles, pieces;    /* blocks of a head: for its tokens, and for its features */
    float scale;          /* of scores: 1 / sqrt(d) */
} sizes;

typedef struct place {
    size_t head; /* over all images */
    int own, feature;
} place;

static __device__ inline place place_of(const sizes *z, size_t block)
{
    place p;

    p.feature = (int)(block % z->pieces) * FEATURES;
    p.own = (int)(block / z->pieces % z->tiles) * OWN;
    p.head = block / z->pieces / z->tiles;
    return p;
}

static __device__ inline tokens tokens_of(const sizes *z, numbers at, size_t head)
{
    tokens t;

    t.at = at;
    t.n = z->tokens;
    t.d = z->d;
    t.stride = z->heads * z->d;
    t.start = head / z->heads * z->tokens * t.stride + head % z->heads * z->d;
    return t;
}

/* ---- forward ----------------------------------------------------------------------------------- */

/* Scores become weights exp(score - largest so far); what was summed is to be multiplied by `factor`. */
static __device__ void softmax_step(tiles *s, const sizes *z, int other)
{
    PYR_EACH_OF_BLOCK(t, OWN)
    {
        float most = s->largest[t];

        for (int i = 0; i < OTHER && other + i < z->tokens; i++)
            most = fmaxf(most, s->score[i][t] * z->scale);
        s->factor[t] = expf(s->largest[t] - most);
        s->largest[t] = most;
    }
    __syncthreads();
    PYR_EACH_OF_BLOCK(t, OTHER * OWN)
    {
        int i = (int)(t / OWN), own = (int)(t % OWN);
        float *score = &s->score[i][own];

        *score = other + i < z->tokens ? expf(*score * z->scale - s->largest[own]) : 0;
    }
    __syncthreads();
    PYR_EACH_OF_BLOCK(t, OWN)
    {
        float sum = 0;

        for (int i = 0; i < OTHER; i++)
            sum += s->score[i][t];
        s->total[t] = s->total[t] * s->factor[t] + sum;
    }
}

/* saved (heads of all images x tokens): the logarithm of the sum of exponentials; NULL: not wanted */
static __global__ __launch_bounds__(THREADS, 4) void attention_kernel(numbers y, float *saved, numbers q,
                                                                      numbers key, numbers v, sizes z,
                                                                      size_t blocks)
{
    __shared__ tiles s;

    for (size_t block = blockIdx.x; block < blocks; block += gridDim.x) {
        place p = place_of(&z, block);
        tokens queries = tokens_of(&z, q, p.head), keys = tokens_of(&z, key, p.head),
               values = tokens_of(&z, v, p.head), out = tokens_of(&z, y, p.head);

        clear_sums(&s);
        for (int other = 0; other < z.tokens; other += OTHER) {
            inner_products(&s, s.score, &keys, other, &queries, p.own);
            softmax_step(&s, &z, other);
            add_values(&s, &values, other, p.feature);
        }
        PYR_EACH_OF_BLOCK(t, OWN * FEATURES)
        {
            int own = (int)(t / FEATURES), f = (int)(t % FEATURES);

            if (p.own + own < z.tokens && p.feature + f < z.d)
                put(y, out.start + (size_t)(p.own + own) * out.stride + p.feature + f,
                    s.sum[own][f] / s.total[own]);
        }
        PYR_EACH_OF_BLOCK(t, OWN)
        if (saved && p.feature == 0 && p.own + (int)t < z.tokens)
            saved[p.head * z.tokens + p.own + t] = s.largest[t] + logf(s.total[t]);
        __syncthreads();
    }
}

/* ---- backward ---------------------------------------------------------------------------------- */

/* mean (heads of all images x tokens) = dy . y */
static __global__ void attention_mean_kernel(float *mean, numbers y, numbers dy, sizes z, size_t count)
{
    PYR_EACH(t, count)
    {
        tokens a = tokens_of(&z, y, t / z.tokens), b = tokens_of(&z, dy, t / z.tokens);
        float sum = 0;

        for (int f = 0; f < z.d; f++)
            sum += token(&a, (int)(t % z.tokens), f) * token(&b, (int)(t % z.tokens), f);
        mean[t] = sum;
    }
}

typedef enum side { OF_Q, OF_K, OF_V } side;

/* Probability and gradient of the logit of query and key:
 *     P = exp(scale * q . k - saved[query]),   dZ = P (dy[query] . v[key] - mean[query])
 *     dq = scale * sum over keys of dZ k
 *     dk = scale * sum over queries of dZ q
 *     dv = sum over queries of P dy */
static __global__ __launch_bounds__(THREADS, 4) void attention_gradient_kernel(
    numbers dx, bool add, side of, numbers q, numbers key, numbers v, numbers dy, const float *saved,
    const float *mean, sizes z, size_t blocks)
{
    __shared__ tiles s;

    for (size_t block = blockIdx.x; block < blocks; block += gridDim.x) {
        place p = place_of(&z, block);
        tokens queries = tokens_of(&z, q, p.head), keys = tokens_of(&z, key, p.head),
               values = tokens_of(&z, v, p.head), slopes = tokens_of(&z, dy, p.head),
               out = tokens_of(&z, dx, p.head);
        tokens own = of == OF_Q ? queries : keys, own_second = of == OF_Q ? slopes : values;
        tokens others = of == OF_Q ? keys : queries, others_second = of == OF_Q ? values : slopes;
        tokens summed = of == OF_V ? slopes : others;
        size_t first = p.head * z.tokens;

        clear_sums(&s);
        for (int other = 0; other < z.tokens; other += OTHER) {
            inner_products(&s, s.score, &others, other, &own, p.own);
            if (of != OF_V)
                inner_products(&s, s.second, &others_second, other, &own_second, p.own);
            PYR_EACH_OF_BLOCK(t, OTHER * OWN)
            {
                int i = (int)(t / OWN), j = (int)(t % OWN), query = of == OF_Q ? p.own + j : other + i;
                float *score = &s.score[i][j];

                if (other + i >= z.tokens || p.own + j >= z.tokens)
                    *score = 0;
                else {
                    *score = expf(*score * z.scale - saved[first + query]);
                    if (of != OF_V)
                        *score *= (s.second[i][j] - mean[first + query]) * z.scale;
                }
            }
            add_values(&s, &summed, other, p.feature);
        }
        PYR_EACH_OF_BLOCK(t, OWN * FEATURES)
        {
            int j = (int)(t / FEATURES), f = (int)(t % FEATURES);

            if (p.own + j < z.tokens && p.feature + f < z.d)
                put_or_add(dx, out.start + (size_t)(p.own + j) * out.stride + p.feature + f, s.sum[j][f],
                           add);
        }
        __syncthreads();
    }
}

/* ---- an operation ------------------------------------------------------------------------------ */

static sizes sizes_of(const pyr_op *op)
{
    int tokens = op->y.s.h * op->y.s.w, d = op->y.s.c / op->heads;

    return {
        tokens, op->heads, d, (tokens + OWN - 1) / OWN, (d + FEATURES - 1) / FEATURES, 1 / sqrtf((float)d)};
}

static size_t heads_of(const pyr_op *op)
{
    return (size_t)op->y.s.n * op->heads;
}

static size_t blocks_of(const pyr_op *op)
{
    sizes z = sizes_of(op);

    return heads_of(op) * z.tiles * z.pieces;
}

static unsigned launched(size_t blocks)
{
    return (unsigned)(blocks < 0x7FFFFFFF ? blocks : 0x7FFFFFFF);
}

/* y, and saved when it is not NULL */
static pyr_status own_forward(pyr_kernels *k, const pyr_op *op, numbers y, float *saved, numbers q,
                              numbers key, numbers v)
{
    size_t blocks = blocks_of(op);

    return PYR_LAUNCH_BLOCKS(k, attention_kernel, launched(blocks), THREADS, y, saved, q, key, v,
                             sizes_of(op), blocks);
}

/* ---- choosing ---------------------------------------------------------------------------------- */

enum { OWN_WAY = 0 /* as a choice; cuDNN's have their numbers */, MOST_BLOCKS = 64 };

/* Device memory for trying: images, and saved, as they are computed here and by cuDNN. */
typedef struct trial {
    void *q, *k, *v, *y[2], *workspace;
    float *saved[2], *differences;
} trial;

static numbers halves(const void *data)
{
    numbers n = {(void *)data, 1};

    return n;
}

/* Numbers between -size and size that look as if by chance. */
static __global__ void made_up_kernel(numbers out, float size, unsigned salt, size_t count)
{
    PYR_EACH(i, count)
    {
        unsigned bits = ((unsigned)i + salt) * 2654435761u;

        bits = (bits ^ bits >> 15) * 2246822519u;
        bits = (bits ^ bits >> 13) * 3266489917u;
        bits ^= bits >> 16;
        put(out, i, size * ((float)(bits >> 8) / 8388608 - 1));
    }
}

/* out (blocks x 2): the largest |a - b| and the largest |a| that each block sees; what is no number counts as
 * infinite */
static __global__ void difference_kernel(float *out, numbers a, numbers b, size_t count)
{
    float difference = 0, largest = 0;

    PYR_EACH(i, count)
    {
        float d = fabsf(get(a, i) - get(b, i));

        difference = d <= difference ? difference : d < INFINITY ? d : INFINITY;
        largest = fmaxf(largest, fabsf(get(a, i)));
    }
    difference = block_max(difference);
    largest = block_max(largest);
    if (threadIdx.x == 0) {
        out[2 * blockIdx.x] = difference;
        out[2 * blockIdx.x + 1] = largest;
    }
}

/* The largest |a - b| and the largest |a|. */
static pyr_status differ(pyr_kernels *k, const trial *t, numbers a, numbers b, size_t count,
                         double *difference, double *largest)
{
    const size_t each = 4096;
    float seen[2 * MOST_BLOCKS];
    unsigned blocks = count < each * MOST_BLOCKS ? (unsigned)(count / each) + 1 : (unsigned)MOST_BLOCKS;

    PYR_TRY(PYR_LAUNCH_BLOCKS(k, difference_kernel, blocks, THREADS, t->differences, a, b, count));
    pyr_download(k, seen, t->differences, 2 * blocks * sizeof *seen);
    PYR_TRY(pyr_sync(k));
    *difference = *largest = 0;
    for (unsigned i = 0; i < blocks; i++) {
        *difference = fmax(*difference, seen[2 * i]);
        *largest = fmax(*largest, seen[2 * i + 1]);
    }
    return PYR_OK;
}

static void trial_close(pyr_kernels *k, trial *t)
{
    void *blocks[] = {t->q,        t->k,        t->v,           t->y[0],     t->y[1],
                      t->saved[0], t->saved[1], t->differences, t->workspace};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        pyr_release(k, blocks[i]);
}

/* The scores of the made-up images differ by several units, so that a few keys matter for a query: a token of
 * y is no mean of all values, and wrong scores show. */
static pyr_status trial_open(pyr_kernels *k, const pyr_op *op, size_t workspace, trial *t)
{
    size_t count = pyr_count(op->y.s), tokens = heads_of(op) * sizes_of(op).tokens;
    void **images[] = {&t->q, &t->k, &t->v, &t->y[0], &t->y[1]};

    for (int i = 0; i < 5; i++)
        PYR_TRY(pyr_alloc(k, images[i], count * sizeof(bf16), "measuring"));
    for (int i = 0; i < 2; i++)
        PYR_TRY(pyr_alloc(k, (void **)&t->saved[i], tokens * sizeof(float), "measuring"));
    PYR_TRY(pyr_alloc(k, (void **)&t->differences, 2 * MOST_BLOCKS * sizeof(float), "measuring"));
    PYR_TRY(pyr_alloc(k, &t->workspace, workspace, "measuring"));
    for (unsigned i = 0; i < 3; i++)
        PYR_TRY(
            PYR_LAUNCH(k, made_up_kernel, count, halves(*images[i]), i < 2 ? 2.5f : 2, i * 1000003, count));
    return PYR_OK;
}

/* By cuDNN; by NULL: here. */
typedef struct timed {
    pyr_kernels *k;
    const pyr_op *op;
    const trial *t;
    const pyr_fused_way *by;
} timed;

static pyr_status run_trial(void *arg)
{
    const timed *a = (const timed *)arg;
    const trial *t = a->t;
    pyr_fused_data data = {t->q, t->k, t->v, t->y[1], a->op->backward ? t->saved[1] : NULL, t->workspace};

    if (a->by)
        return pyr_fused_run(a->k, a->by, &data, sizes_of(a->op).scale);
    return own_forward(a->k, a->op, halves(t->y[0]), a->op->backward ? t->saved[0] : NULL, halves(t->q),
                       halves(t->k), halves(t->v));
}

/* Whether the way computes what is computed here: y to two roundings in bf16, of itself and of the weights in
 * it; the logarithms, whose errors are those of probabilities in the gradient, to one. */
static pyr_status judge(pyr_kernels *k, const pyr_op *op, const trial *t, pyr_fused_way *way)
{
    size_t count = pyr_count(op->y.s), tokens = heads_of(op) * sizes_of(op).tokens;
    timed own = {k, op, t, NULL}, by_cudnn = {k, op, t, way};
    double of_y, of_saved = 0, largest, unused;

    way->verdict = PYR_FUSED_WRONG;
    PYR_TRY(run_trial(&own));
    PYR_TRY(PYR_LAUNCH(k, made_up_kernel, count, halves(t->y[1]), INFINITY, 0, count));
    PYR_TRY(PYR_LAUNCH(k, made_up_kernel, tokens, floats(t->saved[1]), INFINITY, 0, tokens));
    if (run_trial(&by_cudnn) != PYR_OK)
        return PYR_OK;
    PYR_TRY(differ(k, t, halves(t->y[0]), halves(t->y[1]), count, &of_y, &largest));
    if (op->backward)
        PYR_TRY(differ(k, t, floats(t->saved[0]), floats(t->saved[1]), tokens, &of_saved, &unused));
    if (of_y <= largest / 128 && of_saved <= 1.0 / 256)
        way->verdict = PYR_FUSED_RIGHT;
    return PYR_OK;
}

/* Whether the way can be used; known after the first time. */
static pyr_status is_right(pyr_kernels *k, const pyr_op *op, pyr_fused *f, pyr_fused_way *way, bool *out)
{
    trial t = {};
    pyr_status status = PYR_OK;

    if (way->verdict == PYR_FUSED_UNTRIED && !pyr_fused_ready(k, f, way))
        way->verdict = PYR_FUSED_WRONG;
    if (way->verdict == PYR_FUSED_UNTRIED) {
        status = trial_open(k, op, way->workspace, &t);
        if (status == PYR_OK)
            status = judge(k, op, &t, way);
        trial_close(k, &t);
    }
    *out = way->verdict == PYR_FUSED_RIGHT;
    return status;
}

/* The fastest, *best NULL: the one here. */
static pyr_status fastest(pyr_kernels *k, const pyr_op *op, pyr_fused *f, pyr_fused_way **best)
{
    pyr_fused_way *ways[PYR_FUSED_WAYS + 1] = {NULL};
    size_t workspace = 0;
    double least = INFINITY, seconds;
    trial t = {};
    int n = 1;
    pyr_status status = PYR_OK;

    *best = NULL;
    for (int i = 0; i < f->n; i++) {
        bool right;

        PYR_TRY(is_right(k, op, f, &f->way[i], &right));
        if (!right)
            continue;
        ways[n++] = &f->way[i];
        workspace = workspace > f->way[i].workspace ? workspace : f->way[i].workspace;
    }
    if (n == 1)
        return PYR_OK;
    PYR_TRY_OUT(trial_open(k, op, workspace, &t));
    for (int i = 0; i < n; i++) {
        timed a = {k, op, &t, ways[i]};

        PYR_TRY_OUT(pyr_cuda_seconds(k, run_trial, &a, &seconds));
        if (seconds < least) {
            least = seconds;
            *best = ways[i];
        }
    }
out:
    trial_close(k, &t);
    return status;
}

/* The way of this number, if it is there and right; else the first that is right, if there is one. */
static pyr_status first_right(pyr_kernels *k, const pyr_op *op, pyr_fused *f, int number, pyr_fused_way **out)
{
    bool right = false;

    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < f->n && !right; i++)
            if (pass || f->way[i].number == number) {
                PYR_TRY(is_right(k, op, f, &f->way[i], &right));
                *out = right ? &f->way[i] : NULL;
            }
    return PYR_OK;
}

/* What is known and asked for when a way is chosen. */
typedef struct choosing {
    pyr_fused_shape shape;
    char name[96]; /* of the choice */
    bool known;
    int number; /* when it is known */
} choosing;

static choosing about(const pyr_kernels *k, const pyr_op *op)
{
    sizes z = sizes_of(op);
    choosing c = {{op->y.s.n, z.tokens, z.heads, z.d, op->backward}, "", false, -1};

    snprintf(c.name, sizeof c.name, "attention forward%s bf16 %dx%dx%d heads %d",
             c.shape.saves ? " saving" : "", c.shape.images, z.tokens, op->y.s.c, z.heads);
    c.known = pyr_tuning_get(k->tuning, c.name, &c.number);
    return c;
}

/* As it is known, or measured now, or the first that is right. *out NULL: the one here. */
static pyr_status search(pyr_kernels *k, const pyr_op *op, const choosing *c, pyr_fused_way **out)
{
    pyr_fused *f;

    PYR_TRY(pyr_fused_find(&f, k, &c->shape));
    if (f->n == 0)
        return PYR_OK;
    if (c->known || !pyr_tuning_measures(k->tuning))
        return first_right(k, op, f, c->number, out);
    PYR_TRY(fastest(k, op, f, out));
    return pyr_tuning_put(k->tuning, c->name, *out ? (*out)->number : OWN_WAY);
}

/* Without memory for trying it is done here: what is wanted may fit all the same. Not where a choice is
 * known, so that a run goes on with the same bits or not at all. */
static pyr_status choose(pyr_kernels *k, const pyr_op *op, pyr_fused_way **out)
{
    choosing c = about(k, op);
    pyr_status status;

    *out = NULL;
    for (int i = 0; i < 3; i++)
        if (op->x[i].type != PYR_BF16 || op->y.type != PYR_BF16)
            return PYR_OK;
    if (c.known && c.number == OWN_WAY)
        return PYR_OK;
    status = search(k, op, &c, out);
    if (status != PYR_E_NOMEM || c.known)
        return status;
    *out = NULL;
    return PYR_OK;
}

/* ---- the row ----------------------------------------------------------------------------------- */

/* op->state: the way of cuDNN's, which belongs to the libraries; NULL: forward, too, is done here. */
static pyr_status attention_plan(pyr_kernels *k, pyr_op *op)
{
    size_t tokens = (size_t)op->y.s.h * op->y.s.w;
    pyr_fused_way *way;

    assert(op->y.s.c % op->heads == 0);
    PYR_TRY(choose(k, op, &way));
    op->state = way;
    if (op->backward) {
        op->saved_bytes = pyr_aligned(heads_of(op) * tokens * sizeof(float));
        op->scratch_bytes = op->saved_bytes;
    }
    if (way && way->workspace && op->scratch_bytes < way->workspace + PYR_LIBRARY_ALIGNMENT)
        op->scratch_bytes = way->workspace + PYR_LIBRARY_ALIGNMENT;
    return PYR_OK;
}

static pyr_status attention_forward(pyr_kernels *k, pyr_op *op)
{
    const pyr_fused_way *way = (const pyr_fused_way *)op->state;
    float *saved = op->backward ? (float *)op->saved : NULL;

    if (way) {
        pyr_fused_data data = {op->x[0].data, op->x[1].data, op->x[2].data,
                               op->y.data,    saved,         pyr_library_scratch(op, 0)};

        return pyr_fused_run(k, way, &data, sizes_of(op).scale);
    }
    return own_forward(k, op, numbers_of(&op->y), saved, numbers_of(&op->x[0]), numbers_of(&op->x[1]),
                       numbers_of(&op->x[2]));
}

static pyr_status attention_backward(pyr_kernels *k, pyr_op *op)
{
    numbers dy = gradient_of(&op->y, op->dy);
    float *mean = (float *)op->scratch;
    sizes z = sizes_of(op);
    size_t blocks = blocks_of(op), count = heads_of(op) * z.tokens;

    if (op->dx[0] || op->dx[1])
        PYR_TRY(PYR_LAUNCH(k, attention_mean_kernel, count, mean, numbers_of(&op->y), dy, z, count));
    for (int i = 0; i < 3; i++)
        if (op->dx[i])
            PYR_TRY(PYR_LAUNCH_BLOCKS(k, attention_gradient_kernel, launched(blocks), THREADS,
                                      gradient_of(&op->x[i], op->dx[i]), op->dx_add[i], (side)i,
                                      numbers_of(&op->x[0]), numbers_of(&op->x[1]), numbers_of(&op->x[2]), dy,
                                      (const float *)op->saved, mean, z, blocks));
    return PYR_OK;
}

const pyr_op_impl pyr_cuda_attention = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2 | PYR_READS_Y,
                                        .plan = attention_plan,
                                        .forward = attention_forward,
                                        .backward = attention_backward};
