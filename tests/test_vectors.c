/* test_vectors.c - random numbers, the optimizer and the other plain functions of a table, on every
 * backend. */
#include "base/mem.h"
#include "base/philox.h"
#include "kernels/kernels.h"
#include "pictures/pixels.h"
#include "tests/check.h"
#include <stdlib.h>

static pyr_kernels *tables[8]; /* ref-double, ref, cpu; with one lane and with three */
static int n_tables;

#define FOR_EACH_TABLE(k) for (pyr_kernels **at_ = tables, *k = *at_; at_ < tables + n_tables; k = *++at_)

/* ---- vectors of a table's type, filled from and read as doubles ---- */

static double get(const pyr_kernels *k, const void *v, size_t i)
{
    return k->real == PYR_F64 ? ((const double *)v)[i] : (double)((const float *)v)[i];
}

static void set(const pyr_kernels *k, void *v, size_t i, double value)
{
    if (k->real == PYR_F64)
        ((double *)v)[i] = value;
    else
        ((float *)v)[i] = (float)value;
}

/* Host memory, which is the memory of all tables so far. */
static void *vector_new(pyr_kernels *k, size_t count)
{
    void *v;

    CHECK_OK(pyr_alloc(k, &v, count * pyr_type_size(k->real), "test"));
    if (!v)
        abort();
    return v;
}

/* Floats of standard deviation 1, numbered by `stream`. */
static float number(size_t i, uint32_t stream)
{
    float four[4];

    pyr_normal4(77, (uint32_t)i / 4, stream, 0, 0, four);
    return four[i % 4];
}

static void *vector_filled(pyr_kernels *k, size_t count, uint32_t stream)
{
    void *v = vector_new(k, count);

    for (size_t i = 0; i < count; i++)
        set(k, v, i, (double)number(i, stream));
    return v;
}

/* ---- random numbers ---- */

/* The known answers of Random123 (kat_vectors, philox4x32 10). */
static void philox_known_answers(void)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (int i = 0; i < 3; i++) {
        const uint32_t *c = known[i].counter;
        pyr_rng4 r = pyr_philox((uint64_t)known[i].key[1] << 32 | known[i].key[0], c[0], c[1], c[2], c[3]);

        for (int j = 0; j < 4; j++)
            CHECK(r.v[j] == known[i].out[j]);
    }
}

static void uniforms_stay_inside(void)
{
    static const uint32_t words[] = {0, 1, 0xff, 0x100, 0x7fffffff, 0x80000000, 0xfffffeff, 0x12345678};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        CHECK(pyr_uniform(words[i]) > 0 && pyr_uniform(~words[i]) < 1);
        CHECK((double)pyr_uniform(words[i]) + (double)pyr_uniform(~words[i]) == 1); /* middles of cells */
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Moments within four standard errors; the largest gap to the normal distribution below the
 * Kolmogorov-Smirnov bound of one in a thousand; neighbours, images and steps uncorrelated. The stream is
 * fixed, so is the verdict. */
static void normals_are_normal(void)
{
    enum { IMAGES = 8, EACH = 32768, ALL = IMAGES * EACH };
    uint32_t stream[IMAGES][PYR_STREAM_WORDS];

    FOR_EACH_TABLE(k)
    {
        void *v = vector_new(k, ALL);
        double *x = pyr_calloc(ALL, sizeof *x), m[5] = {0}, near_ = 0, across = 0, root = sqrt((double)ALL),
               gap = 0;

        for (uint32_t n = 0; n < IMAGES; n++)
            memcpy(stream[n], (uint32_t[]){12345, 678, n, 9}, sizeof stream[n]);
        k->backend->normals(k, v, IMAGES, EACH, stream[0], pyr_rng_purpose(PYR_RNG_NOISE, 2), 0, 0);
        for (size_t i = 0; i < ALL; i++)
            x[i] = get(k, v, i);
        for (size_t i = 0; i < ALL; i++) {
            double p = 1;

            for (int j = 0; j < 5; j++, p *= x[i])
                m[j] += p / ALL;
            near_ += x[i] * x[(i + 1) % ALL] / ALL;
            across += x[i] * x[(i + EACH) % ALL] / ALL;
        }
        CHECK_CLOSE(m[1], 0, 4 / root);
        CHECK_CLOSE(m[2], 1, 4 * sqrt(2) / root);
        CHECK_CLOSE(m[3], 0, 4 * sqrt(15) / root);
        CHECK_CLOSE(m[4], 3, 4 * sqrt(96) / root);
        CHECK_CLOSE(near_, 0, 4 / root);
        CHECK_CLOSE(across, 0, 4 / root);
        qsort(x, ALL, sizeof *x, ascending);
        CHECK(fabs(x[0]) < 5.9 && fabs(x[ALL - 1]) < 5.9);
        for (size_t i = 0; i < ALL; i++) {
            double below = erfc(-x[i] / sqrt(2)) / 2;

            gap = fmax(gap, fmax(below - (double)i / ALL, (double)(i + 1) / ALL - below));
        }
        CHECK(gap * root < 1.95);
        pyr_free(x);
        pyr_release(k, v);
    }
}

/* A number depends on its stream, purpose and place alone: not on the batch, nor on the type. */
static void normals_belong_to_the_image(void)
{
    enum { IMAGES = 5, EACH = 39 };
    uint32_t stream[IMAGES][PYR_STREAM_WORDS], other[PYR_STREAM_WORDS];
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_SAMPLER, 3);

    for (uint32_t n = 0; n < IMAGES; n++)
        memcpy(stream[n], (uint32_t[]){n * 7, 0xfedcba98, 1000 + n, 42}, sizeof stream[n]);
    FOR_EACH_TABLE(k)
    {
        bool exact = strcmp(k->backend->name, "cpu") !=
                     0; /* a fast backend may round its logarithm and sine elsewhere */
        void *batch = vector_new(k, IMAGES * EACH), *one = vector_new(k, EACH),
             *y = vector_new(k, IMAGES * EACH);
        pyr_op op = {.kind = PYR_OP_NOISE, .purpose = purpose, .n_inputs = 1};

        k->backend->normals(k, batch, IMAGES, EACH, stream[0], purpose, 0, 0);
        for (int n = 0; n < IMAGES; n++) {
            const uint32_t before[PYR_STREAM_WORDS] = {stream[n][0], stream[n][1], stream[n][2] - 3,
                                                       stream[n][3] - 5};

            k->backend->normals(k, one, 1, EACH, before, purpose, 3, 5); /* as far on as the batch's */
            CHECK(memcmp(one, (char *)batch + (size_t)n * EACH * pyr_type_size(k->real),
                         EACH * pyr_type_size(k->real)) == 0);
            for (size_t e = 0; e < EACH; e++) {
                float four[4];

                pyr_normal4((uint64_t)stream[n][1] << 32 | stream[n][0], (uint32_t)e / 4, stream[n][2],
                            stream[n][3], purpose, four);
                CHECK_CLOSE(get(k, one, e), four[e % 4], exact ? 0 : 2e-6);
            }
        }
        op.x[0] = (pyr_tensor){.type = PYR_U32, .s = {IMAGES, 1, 1, PYR_STREAM_WORDS}, .data = stream};
        op.y = (pyr_tensor){.type = k->real, .s = {IMAGES, 13, 1, 3}, .data = y};
        CHECK_OK(pyr_op_plan(k, &op));
        CHECK_OK(k->backend->op[PYR_OP_NOISE]->forward(k, &op));
        CHECK(memcmp(y, batch, IMAGES * EACH * pyr_type_size(k->real)) == 0);
        if (k->backend->op[PYR_OP_NOISE]->release)
            k->backend->op[PYR_OP_NOISE]->release(k, &op);
        /* every word of the stream counts */
        for (int word = 0; word <= PYR_STREAM_WORDS; word++) {
            memcpy(other, stream[0], sizeof other);
            if (word < PYR_STREAM_WORDS)
                other[word]++;
            k->backend->normals(k, one, 1, EACH, other, word < PYR_STREAM_WORDS ? purpose : purpose + 1, 0,
                                0);
            for (size_t e = 0; e < EACH; e++)
                CHECK(get(k, one, e) != get(k, batch, e));
        }
        pyr_release(k, batch);
        pyr_release(k, one);
        pyr_release(k, y);
    }
}

/* An image of any size begins with the same bits as a larger one, nothing is written beyond it, and each of
 * several images of an odd size has its own stream. */
static void normals_of_any_count(void)
{
    enum { LONG = 700, IMAGES = 3 };
    static const size_t counts[] = {1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 130, 191, 331, 699};
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_NOISE, 1), stream[IMAGES][PYR_STREAM_WORDS];

    for (uint32_t n = 0; n < IMAGES; n++) /* the upper half of every word counts, too */
        memcpy(stream[n], (uint32_t[]){0x89abcdefu + n, 0xfedcba98, 0xfffffffeu + n, 0x80000000u},
               sizeof stream[n]);
    FOR_EACH_TABLE(k)
    {
        size_t size = pyr_type_size(k->real);
        char *all = vector_new(k, IMAGES * LONG), *some = vector_new(k, IMAGES * LONG + 1);

        k->backend->normals(k, all, IMAGES, LONG, stream[0], purpose, 0, 0);
        for (size_t e = 0; e < IMAGES * LONG; e++) {
            const uint32_t *at = stream[e / LONG];
            float four[4];

            pyr_normal4((uint64_t)at[1] << 32 | at[0], (uint32_t)(e % LONG / 4), at[2], at[3], purpose, four);
            CHECK_CLOSE(get(k, all, e), four[e % LONG % 4], strcmp(k->backend->name, "cpu") == 0 ? 1e-6 : 0);
        }
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            set(k, some, IMAGES * counts[c], 99);
            k->backend->normals(k, some, IMAGES, counts[c], stream[0], purpose, 0, 0);
            for (size_t n = 0; n < IMAGES; n++)
                CHECK(memcmp(some + n * counts[c] * size, all + n * LONG * size, counts[c] * size) == 0);
            CHECK(get(k, some, IMAGES * counts[c]) == 99);
        }
        pyr_release(k, all);
        pyr_release(k, some);
    }
}

/* The mask is word e % 4 of block e / 4, kept when uniform >= rate; what is kept is scaled; backward draws
 * the same mask. */
static void dropout_masks(void)
{
    enum { EACH = 100 * 100 * 3 + 3 };
    uint32_t stream[PYR_STREAM_WORDS] = {1, 2, 3, 4},
             purpose = pyr_rng_purpose(PYR_RNG_DROPOUT, 0) | 5u << 24;
    const float rate = 0.3f;

    FOR_EACH_TABLE(k)
    {
        void *x = vector_filled(k, EACH, 1), *y = vector_new(k, EACH), *dx = vector_new(k, EACH);
        const pyr_op_impl *impl = k->backend->op[PYR_OP_DROPOUT];
        double kept = 0;
        pyr_op op = {.kind = PYR_OP_DROPOUT,
                     .rate = rate,
                     .purpose = purpose,
                     .n_inputs = 2,
                     .backward = true,
                     .want_dx = {true}};

        op.x[0] = (pyr_tensor){.type = k->real, .s = {1, 1, 1, EACH}, .data = x};
        op.x[1] = (pyr_tensor){.type = PYR_U32, .s = {1, 1, 1, PYR_STREAM_WORDS}, .data = stream};
        op.y = (pyr_tensor){.type = k->real, .s = {1, 1, 1, EACH}, .data = y};
        CHECK_OK(pyr_op_plan(k, &op));
        op.saved = pyr_calloc(op.saved_bytes, 1);
        op.scratch = pyr_calloc(op.scratch_bytes, 1);
        op.dy = x;
        op.dx[0] = dx;
        CHECK_OK(impl->forward(k, &op));
        CHECK_OK(impl->backward(k, &op));
        for (size_t e = 0; e < EACH; e++) {
            pyr_rng4 r = pyr_philox(UINT64_C(2) << 32 | 1, (uint32_t)e / 4, 3, 4, purpose);
            bool keep = pyr_uniform(r.v[e % 4]) >= rate;

            kept += keep;
            CHECK_CLOSE(get(k, y, e), keep ? get(k, x, e) / (1 - (double)rate) : 0, 2e-6);
            CHECK(get(k, y, e) == get(k, dx, e));
        }
        CHECK_CLOSE(kept / EACH, 0.7, 4 * sqrt(0.21 / EACH));
        if (impl->release)
            impl->release(k, &op);
        pyr_free(op.saved);
        pyr_free(op.scratch);
        pyr_release(k, x);
        pyr_release(k, y);
        pyr_release(k, dx);
    }
}

/* ---- the gradient's norm ---- */

static void norms(void)
{
    /* below, at and above a chunk; above what one round of chunks holds */
    static const size_t counts[] = {0, 1, 3, 32767, 32769, 65535, 65536, 65537, 200001, 256 * 65536 + 5};

    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        size_t count = counts[c], step = count > 1000000 ? 4093 : 1; /* the long one is sparse, to be quick */
        double wanted = 0;
        float first[3] = {-1, -1, -1};

        for (size_t i = 0; i < count; i += step)
            wanted += (double)number(i, 3) * (double)number(i, 3);
        if (count)
            wanted += 9;
        FOR_EACH_TABLE(k)
        {
            void *g = vector_new(k, count);
            pyr_step_state state = {.loss = 1, .skip = 1};

            for (size_t i = 0; i < count; i += step)
                set(k, g, i, (double)number(i, 3));
            if (count)
                set(k, g, count - 1,
                    sqrt(get(k, g, count - 1) * get(k, g, count - 1) + 9)); /* the last one counts */
            CHECK_OK(k->backend->norm(k, g, count, &state));
            CHECK_CLOSE(state.grad_norm, sqrt(wanted), 1e-6 * sqrt(wanted));
            CHECK(state.skip == 0 && state.clip_norm == state.grad_norm);
            /* the same bits for every number of lanes */
            float *seen = &first[k->real == PYR_F64 ? 0 : strcmp(k->backend->name, "ref") == 0 ? 1 : 2];
            CHECK(*seen < 0 || *seen == state.grad_norm);
            *seen = state.grad_norm;
            pyr_release(k, g);
        }
    }
}

static void skips_what_is_not_finite(void)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};

    FOR_EACH_TABLE(k)
    {
        enum { COUNT = 70000 };
        void *g = vector_filled(k, COUNT, 4), *value = vector_filled(k, COUNT, 5),
             *kept = vector_filled(k, COUNT, 5);
        void *m = vector_new(k, COUNT), *v = vector_new(k, COUNT), *ema = vector_filled(k, COUNT, 5);
        pyr_adamw settings = {0.9, 0.999, 1e-8, 0.1};

        for (int i = 0; i < 3; i++) {
            pyr_step_state state = {
                .step = 4, .applied = 3, .learning_rate = 0.1f, .ema_window = 0.5f, .loss = 1};

            set(k, g, COUNT - 1, (double)bad[i]);
            CHECK_OK(k->backend->norm(k, g, COUNT, &state));
            CHECK(state.skip == 1);
            CHECK_OK(k->backend->adamw(k, &settings, &state, value, g, m, v, ema, COUNT));
            CHECK(state.step == 5 && state.applied == 3);
            set(k, g, COUNT - 1, 0);
            state.loss = bad[i];
            CHECK_OK(k->backend->norm(k, g, COUNT, &state));
            CHECK(state.skip == 1);
            state.loss = 0;
            CHECK_OK(k->backend->norm(k, g, COUNT, &state));
            CHECK(state.skip == 0);
        }
        CHECK(memcmp(value, kept, COUNT * pyr_type_size(k->real)) == 0);
        CHECK(memcmp(ema, kept, COUNT * pyr_type_size(k->real)) == 0);
        for (size_t i = 0; i < COUNT; i++)
            CHECK(get(k, m, i) == 0 && get(k, v, i) == 0);
        pyr_release(k, g);
        pyr_release(k, value);
        pyr_release(k, kept);
        pyr_release(k, m);
        pyr_release(k, v);
        pyr_release(k, ema);
    }
}

/* Of several gradients together: one bound for all of them, and all or none take the step. */
static void norms_joined(void)
{
    static const float norm[3] = {3, 4, 12};

    FOR_EACH_TABLE(k)
    {
        pyr_step_state *states[3];

        for (int i = 0; i < 3; i++) {
            CHECK_OK(pyr_alloc(k, (void **)&states[i], sizeof **states, "test"));
            *states[i] = (pyr_step_state){.grad_norm = norm[i], .clip_norm = norm[i]};
        }
        CHECK_OK(k->backend->join_norms(k, states, 2));
        CHECK(states[0]->clip_norm == 5 && states[1]->clip_norm == 5 && states[2]->clip_norm == 12);
        CHECK_OK(k->backend->join_norms(k, states, 3));
        for (int i = 0; i < 3; i++)
            CHECK(states[i]->clip_norm == 13 && states[i]->grad_norm == norm[i] && !states[i]->skip);
        states[1]->skip = 1;
        CHECK_OK(k->backend->join_norms(k, states, 3));
        for (int i = 0; i < 3; i++)
            CHECK(states[i]->skip == 1);
        CHECK_OK(k->backend->join_norms(k, states + 2, 1));
        CHECK(states[2]->clip_norm == 12);
        for (int i = 0; i < 3; i++)
            pyr_release(k, states[i]);
    }
}

/* A gradient is clipped by the norm that is said to be its own: of one twice as long, to half. */
static void clips_by_the_joint_norm(void)
{
    FOR_EACH_TABLE(k)
    {
        enum { COUNT = 3 };
        pyr_adamw settings = {.beta1 = 0.5, .beta2 = 0.5, .eps = 1};
        void *g = vector_new(k, COUNT), *value = vector_new(k, COUNT), *m = vector_new(k, COUNT),
             *v = vector_new(k, COUNT);
        pyr_step_state state = {.loss = 1, .clip = 2.5f};

        set(k, g, 0, 3);
        set(k, g, 2, 4);
        CHECK_OK(k->backend->norm(k, g, COUNT, &state));
        state.clip_norm = 10;
        CHECK_OK(k->backend->adamw(k, &settings, &state, value, g, m, v, NULL, COUNT));
        CHECK(get(k, m, 0) == 0.5 * 0.75 && get(k, m, 2) == 0.5 * 1 && state.grad_norm == 5);
        pyr_release(k, g);
        pyr_release(k, value);
        pyr_release(k, m);
        pyr_release(k, v);
    }
}

/* ---- means ---- */

static void means(void)
{
    enum { COUNT = 1001 };
    double sum = 0;

    for (size_t i = 0; i < COUNT; i++)
        sum += (double)number(i, 8);
    FOR_EACH_TABLE(k)
    {
        void *values = vector_filled(k, COUNT, 8);
        float *out;

        CHECK_OK(pyr_alloc(k, (void **)&out, sizeof *out, "test"));
        *out = NAN; /* what is not added to is not read */
        CHECK_OK(k->backend->mean(k, out, values, COUNT, 1, false));
        CHECK(*out == (float)(sum / COUNT));
        *out = 2;
        CHECK_OK(k->backend->mean(k, out, values, COUNT, -3, true));
        CHECK(*out == (float)(2 - 3 * (sum / COUNT)));
        CHECK_OK(k->backend->mean(k, out, values, 1, 0.5, false));
        CHECK(*out == 0.5f * number(0, 8));
        set(k, values, COUNT - 1, NAN);
        CHECK_OK(k->backend->mean(k, out, values, COUNT, 1, true));
        CHECK(isnan(*out));
        pyr_release(k, values);
        pyr_release(k, out);
    }
}

/* ---- AdamW ---- */

/* torch.optim.AdamW(lr 0.1, betas 0.9 0.99, eps 1e-8, weight_decay 0.1) of PyTorch 2.15 in float64, with
 * gradients of norm over 0.5 scaled down to it first, or not. */
static void adamw_as_pytorch(void)
{
    static const double wanted[2][4][4] = {{{0.395000003333333, -1.137500005, 1.88000001, 0},
                                            {0.294662517267956, -1.02612500995, 1.86646316726842, 0},
                                            {0.196162489857955, -0.915863764850499, 1.81421920316031, 0},
                                            {0.098519958350083, -0.806705132201994, 1.80134016849713, 0}},
                                           {{0.395000003333333, -1.137500005, 1.88000001, 0},
                                            {0.292347219536291, -1.0274562054146, 1.85420688179985, 0},
                                            {0.19000060254992, -0.921870330446579, 1.80564086819937, 0},
                                            {0.0881557624550157, -0.821093606094968, 1.78059992335771, 0}}};
    pyr_adamw settings = {0.9, 0.99, 1e-8, 0.1};

    FOR_EACH_TABLE(k)
    {
        for (int clipped = 0; clipped < 2; clipped++) {
            void *value = vector_new(k, 4), *g = vector_new(k, 4), *m = vector_new(k, 4),
                 *v = vector_new(k, 4);
            pyr_step_state state = {.learning_rate = 0.1f, .clip = clipped ? 0.5f : 0};
            /* the rate is a float in the state: 0.1f is 1.5e-9 off */
            double tolerance = k->real == PYR_F64 ? 1e-8 : 1e-6;

            set(k, value, 0, 0.5);
            set(k, value, 1, -1.25);
            set(k, value, 2, 2);
            for (int t = 0; t < 4; t++) {
                set(k, g, 0, 0.3 * (t + 1));
                set(k, g, 1, -0.2);
                set(k, g, 2, t % 2 ? -0.1 : 0.1);
                CHECK_OK(k->backend->norm(k, g, 4, &state));
                CHECK_OK(k->backend->adamw(k, &settings, &state, value, g, m, v, NULL, 4));
                for (size_t i = 0; i < 4; i++)
                    CHECK_CLOSE(get(k, value, i), wanted[clipped][t][i], tolerance);
            }
            CHECK(state.step == 4 && state.applied == 4);
            pyr_release(k, value);
            pyr_release(k, g);
            pyr_release(k, m);
            pyr_release(k, v);
        }
    }
}

/* Many steps over several chunks against algorithm 2 of Loshchilov & Hutter 2019, with the EMA, a changing
 * rate, a skipped step and frozen parameters. */
static void adamw_as_the_paper(void)
{
    enum { COUNT = 2 * 65536 + 77, STEPS = 6, SKIPPED = 2, FROZEN = 100 };
    pyr_adamw settings = {0.9, 0.999, 1e-8, 0.01};
    double *theta = pyr_calloc(COUNT, sizeof *theta), *m1 = pyr_calloc(COUNT, sizeof *m1);
    double *m2 = pyr_calloc(COUNT, sizeof *m2), *mean = pyr_calloc(COUNT, sizeof *mean);
    int t = 0;

    for (size_t i = 0; i < COUNT; i++)
        theta[i] = mean[i] = i < FROZEN ? 0 : (double)number(i, 6);
    for (uint32_t step = 0; step < STEPS; step++) {
        double rate = (double)(0.01f / (float)(step + 1)), norm = 0, factor;

        if (step == SKIPPED)
            continue;
        t++;
        for (size_t i = FROZEN; i < COUNT; i++)
            norm += (double)number(i, 7 + step) * (double)number(i, 7 + step);
        factor = fmin(1, 300 / sqrt(norm));
        for (size_t i = 0; i < COUNT; i++) {
            double g = i < FROZEN ? 0 : (double)number(i, 7 + step) * factor;

            m1[i] = settings.beta1 * m1[i] + (1 - settings.beta1) * g;
            m2[i] = settings.beta2 * m2[i] + (1 - settings.beta2) * g * g;
            theta[i] -= rate * (m1[i] / (1 - pow(settings.beta1, t)) /
                                    (sqrt(m2[i] / (1 - pow(settings.beta2, t))) + settings.eps) +
                                settings.weight_decay * theta[i]);
            mean[i] += (theta[i] - mean[i]) / fmax(1, 0.625 * t); /* of the updates, not of the steps */
        }
    }
    FOR_EACH_TABLE(k)
    {
        void *value = vector_filled(k, COUNT, 6), *ema = vector_filled(k, COUNT, 6);
        void *g = vector_new(k, COUNT), *m = vector_new(k, COUNT), *v = vector_new(k, COUNT);
        pyr_step_state state = {.ema_window = 0.625f, .clip = 300, .loss = 1};
        /* double: the norm passes through a float; float: the first steps divide by small roots */
        double tolerance = k->real == PYR_F64 ? 1e-8 : 3e-6, worst = 0, worst_ema = 0;

        for (size_t i = 0; i < FROZEN; i++) {
            set(k, value, i, 0);
            set(k, ema, i, 0);
        }
        for (uint32_t step = 0; step < STEPS; step++) {
            for (size_t i = FROZEN; i < COUNT; i++)
                set(k, g, i, step == SKIPPED ? NAN : (double)number(i, 7 + step));
            state.learning_rate = 0.01f / (float)(step + 1);
            CHECK_OK(k->backend->norm(k, g, COUNT, &state));
            CHECK_OK(k->backend->adamw(k, &settings, &state, value, g, m, v, ema, COUNT));
            CHECK(state.skip == (step == SKIPPED));
        }
        CHECK(state.step == STEPS && state.applied == STEPS - 1);
        for (size_t i = 0; i < COUNT; i++) {
            worst = fmax(worst, fabs(get(k, value, i) - theta[i]));
            worst_ema = fmax(worst_ema, fabs(get(k, ema, i) - mean[i]));
            CHECK(i >= FROZEN || get(k, value, i) == 0);
        }
        CHECK_CLOSE(worst, 0, tolerance);
        CHECK_CLOSE(worst_ema, 0, tolerance);
        pyr_release(k, value);
        pyr_release(k, ema);
        pyr_release(k, g);
        pyr_release(k, m);
        pyr_release(k, v);
    }
    pyr_free(theta);
    pyr_free(m1);
    pyr_free(m2);
    pyr_free(mean);
}

/* ---- combinations ---- */

static void combinations(void)
{
    static const double coef[4] = {0.5, -1.25, 3, 1e-3};

    FOR_EACH_TABLE(k)
    {
        enum { COUNT = 1003 };
        double tolerance = k->real == PYR_F64 ? 1e-14 : 2e-6;
        void *dst = vector_new(k, COUNT);
        void *src[4];
        const void *all[4];

        for (uint32_t j = 0; j < 4; j++)
            all[j] = src[j] = vector_filled(k, COUNT, 20 + j);
        for (int n = 0; n <= 4; n++) {
            memset(dst, 0xff, COUNT * pyr_type_size(k->real));
            pyr_combine(k, dst, n, coef, all, COUNT);
            for (size_t i = 0; i < COUNT; i++) {
                double wanted = 0;

                for (uint32_t j = 0; j < (uint32_t)n; j++)
                    wanted += coef[j] * (double)number(i, 20 + j);
                CHECK_CLOSE(get(k, dst, i), wanted, tolerance);
            }
        }
        /* into a source gives the same */
        for (uint32_t j = 0; j < 4; j++) {
            pyr_copy(k, dst, src[j], COUNT * pyr_type_size(k->real));
            all[j] = dst;
            pyr_combine(k, dst, 4, coef, all, COUNT);
            all[j] = src[j];
            for (size_t i = 0; i < COUNT; i++)
                CHECK_CLOSE(get(k, dst, i),
                            coef[0] * (double)number(i, 20) + coef[1] * (double)number(i, 21) +
                                coef[2] * (double)number(i, 22) + coef[3] * (double)number(i, 23),
                            tolerance);
        }
        { /* inner products of vectors, each as if it stood alone */
            enum { SIZE = 97, VECTORS = 7 };
            double all_dots[VECTORS], one_dot;

            CHECK_OK(pyr_dots(k, all_dots, src[0], src[1], VECTORS, SIZE));
            for (size_t v = 0; v < VECTORS; v++) {
                double sum = 0;

                for (size_t i = v * SIZE; i < (v + 1) * SIZE; i++)
                    sum += (double)number(i, 20) * (double)number(i, 21);
                CHECK_CLOSE(all_dots[v], sum, SIZE * tolerance);
                CHECK_OK(pyr_dots(k, &one_dot, (char *)src[0] + v * SIZE * pyr_type_size(k->real),
                                  (char *)src[1] + v * SIZE * pyr_type_size(k->real), 1, SIZE));
                CHECK(one_dot == all_dots[v]);
            }
        }
        k->backend->clamp(k, src[0], -0.5, 0.25, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            CHECK(get(k, src[0], i) == fmin(fmax((double)number(i, 20), -0.5), 0.25));
        set(k, src[0], 0, INFINITY);
        set(k, src[0], 1, -INFINITY);
        k->backend->clamp(k, src[0], -0.5, 0.25, 2);
        CHECK(get(k, src[0], 0) == 0.25 && get(k, src[0], 1) == -0.5);
        for (size_t i = 0; i < COUNT; i++)
            set(k, src[0], i, i % 3 ? NAN : 1);
        k->backend->clamp(k, src[0], -0.5, 0.25, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            CHECK(i % 3 ? isnan(get(k, src[0], i)) : get(k, src[0], i) == 0.25);
        for (int j = 0; j < 4; j++)
            pyr_release(k, src[j]);
        pyr_release(k, dst);
    }
}

/* ---- stored samples ---- */

static void pixels_of(pyr_kernels *k, pyr_shape s, int n, int bits, const uint32_t *flip)
{
    size_t row = (size_t)s.w * s.c, count = (size_t)n * s.h * row;
    uint16_t *words = pyr_calloc(count, sizeof *words);
    uint8_t *bytes = pyr_calloc(count, 1);
    float *wanted = pyr_calloc(count, sizeof *wanted);
    void *got = vector_new(k, count + 1);
    int wrong = 0;

    for (size_t i = 0; i < count; i++) {
        words[i] = (uint16_t)(pyr_philox(3, (uint32_t)i, 0, 0, 0).v[0] >> 16);
        words[i] = i < 2 ? (uint16_t)-i : words[i]; /* 0 and the largest */
        bytes[i] = (uint8_t)words[i];
    }
    if (bits == 8)
        pyr_pixels_from_bytes(wanted, bytes, count);
    else
        pyr_pixels_from_words(wanted, words, count);
    set(k, got, count, 99);
    k->backend->pixels(k, got, bits == 8 ? (void *)bytes : (void *)words, n, s, bits, flip);
    for (size_t i = 0; i < count; i++) {
        size_t c = i % s.c, x = i % row / s.c, line = i - i % row;
        bool mirrored = flip && flip[i / (row * s.h)];

        wrong += get(k, got, i) != (double)wanted[line + (mirrored ? s.w - 1 - x : x) * s.c + c];
    }
    if (wrong || get(k, got, count) != 99)
        CHECK_REPORT("%s: %dx%dx%d, %d bits: %d numbers are wrong", k->backend->name, s.h, s.w, s.c, bits,
                     wrong);
    pyr_release(k, got);
    pyr_free(words);
    pyr_free(bytes);
    pyr_free(wanted);
}

/* The formula of pictures/pixels.h, and some images mirrored. */
static void pixels(void)
{
    static const pyr_shape shapes[] = {
        {0, 5, 7, 3}, {0, 28, 28, 1}, {0, 3, 1, 4}, {0, 1, 8, 2}, {0, 33, 32, 3}};
    static const uint32_t flips[3] = {1, 0, 1};

    FOR_EACH_TABLE(k)
    {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int bits = 8; bits <= 16; bits += 8) {
                pixels_of(k, shapes[i], 3, bits, flips);
                pixels_of(k, shapes[i], 2, bits, NULL);
            }
        { /* fewer bits: three of them are -7/8, -5/8, ... 7/8 */
            uint8_t samples[] = {0, 1, 7};
            void *x = vector_new(k, 3);

            k->backend->pixels(k, x, samples, 1, (pyr_shape){0, 1, 3, 1}, 3, NULL);
            CHECK(get(k, x, 0) == -0.875 && get(k, x, 1) == -0.625 && get(k, x, 2) == 0.875);
            pyr_release(k, x);
        }
    }
}

/* Element e of an image: word e % 4 of block e / 4 of its stream, as the definition says. */
static void dithered(void)
{
    static const size_t sizes[] = {1, 4, 63, 64, 65, 147, 784};
    enum { IMAGES = 3 };
    const uint32_t purpose = pyr_rng_purpose(PYR_RNG_DITHER, 0);

    FOR_EACH_TABLE(k)
    {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            size_t each = sizes[s];
            void *x = vector_filled(k, IMAGES * each + 1, 50);
            uint32_t stream[IMAGES][PYR_STREAM_WORDS] = {{7, 8, 1, 5}, {7, 8, 2, 5}, {9, 0, 0, 4000000000u}};
            const double half = 0x1p-8;
            int wrong = 0;

            k->backend->dither(k, x, IMAGES, each, half, stream[0], purpose);
            for (size_t i = 0; i < IMAGES * each; i++) {
                const uint32_t *w = stream[i / each];
                size_t e = i % each;
                float u = pyr_uniform(
                    pyr_philox((uint64_t)w[1] << 32 | w[0], (uint32_t)(e / 4), w[2], w[3], purpose).v[e % 4]);
                double added = half * (2 * (double)u - 1);
                double wanted = (double)number(i, 50) + added;

                wrong += get(k, x, i) != (k->real == PYR_F32 ? (double)(float)wanted : wanted);
            }
            if (wrong || get(k, x, IMAGES * each) != (double)number(IMAGES * each, 50))
                CHECK_REPORT("%s: %zu numbers an image, %d are wrong", k->backend->name, each, wrong);
            pyr_release(k, x);
        }
    }
}

/* ---- resampling and Haar ---- */

/* An axis with taps that overlap and starts that go both ways; the tables' types differ, so it is made for
 * each. */
static pyr_axis axis_new(pyr_kernels *k, int n_in, int n_out, int width, uint32_t stream, int *start)
{
    void *tap = vector_filled(k, (size_t)n_out * width, stream);

    for (int o = 0; o < n_out; o++)
        start[o] = (o * 5 + 3) % (n_in - width + 1);
    return (pyr_axis){n_in, n_out, width, start, tap};
}

/* Against the matrices written out. */
static void resampling(void)
{
    enum { N = 2, C = 3 };
    static const struct {
        int h_in, h_out, h_width, w_in, w_out, w_width;
    } sizes[] = {{7, 4, 3, 5, 9, 2}, {1, 1, 1, 1, 7, 1}, {28, 14, 5, 28, 14, 5}, {3, 6, 2, 9, 4, 9}};

    FOR_EACH_TABLE(k)
    {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            int row_start[32], col_start[32];
            int h = sizes[s].h_in, w = sizes[s].w_in, oh = sizes[s].h_out, ow = sizes[s].w_out;
            pyr_axis rows = axis_new(k, h, oh, sizes[s].h_width, 30, row_start);
            pyr_axis cols = axis_new(k, w, ow, sizes[s].w_width, 31, col_start);
            void *x = vector_filled(k, (size_t)N * h * w * C, 32),
                 *y = vector_new(k, (size_t)N * oh * ow * C);
            double *scratch = pyr_calloc((size_t)N * oh * w * C, sizeof *scratch);

            for (int rounded = 0; rounded < 2; rounded++) {
                double grid = rounded ? 0x1p-16 : 0;

                k->backend->resample(k, y, x, N, C, &rows, &cols, grid, scratch);
                for (int i = 0; i < N * oh * ow * C; i++) {
                    int c = i % C, ox = i / C % ow, oy = i / C / ow % oh, n = i / C / ow / oh;
                    double wanted = 0, got = get(k, y, (size_t)i), size = 0;

                    for (int a = 0; a < rows.width; a++)
                        for (int b = 0; b < cols.width; b++) {
                            double term =
                                get(k, rows.tap, (size_t)(oy * rows.width + a)) *
                                get(k, cols.tap, (size_t)(ox * cols.width + b)) *
                                get(k, x,
                                    (size_t)(((n * h + row_start[oy] + a) * w + col_start[ox] + b) * C + c));

                            wanted += term;
                            size += fabs(term);
                        }
                    CHECK_CLOSE(got, wanted,
                                (k->real == PYR_F64 ? 1e-14 : 1e-6) * (size + 1) + (rounded ? 0x1p-17 : 0));
                    if (rounded)
                        CHECK(got * 65536 == nearbyint(got * 65536));
                }
            }
            pyr_release(k, (void *)rows.tap);
            pyr_release(k, (void *)cols.tap);
            pyr_release(k, x);
            pyr_release(k, y);
            pyr_free(scratch);
        }
    }
}

typedef struct resampled {
    int c, h_in, h_out, h_width, w_in, w_out, w_width;
} resampled;

/* Zeros of both signs among the values, and starts as a pyramid's (regular) or not. */
static float *resampled_by(pyr_kernels *k, const resampled *s, int n, bool regular, double grid)
{
    int row_start[80], col_start[80];
    pyr_axis rows = axis_new(k, s->h_in, s->h_out, s->h_width, 40, row_start);
    pyr_axis cols = axis_new(k, s->w_in, s->w_out, s->w_width, 41, col_start);
    size_t in = (size_t)n * s->h_in * s->w_in * s->c, out = (size_t)n * s->h_out * s->w_out * s->c;
    float *x = vector_filled(k, in, 42), *y = vector_new(k, out + 1);
    double *scratch = pyr_calloc((size_t)n * s->h_out * s->w_in * s->c, sizeof *scratch);

    for (size_t i = 0; i < in; i++)
        x[i] = i % 7 == 0 ? -0.0f : i % 5 == 0 ? 1e-7f * x[i] : x[i];
    for (int o = 0; regular && o < s->w_out; o++) {
        int start = o * s->w_in / s->w_out;

        col_start[o] = start < s->w_in - s->w_width ? start : s->w_in - s->w_width;
    }
    y[out] = 99;
    k->backend->resample(k, y, x, n, s->c, &rows, &cols, grid, scratch);
    CHECK(y[out] == 99);
    pyr_release(k, (void *)rows.tap);
    pyr_release(k, (void *)cols.tap);
    pyr_release(k, x);
    pyr_free(scratch);
    return y;
}

/* Data that were analysed are the same bits on every backend in float: for pyramids' axes, and for taps that
 * reach far or are many. */
static void resampled_bits(void)
{
    static const resampled sizes[] = {
        {1, 28, 14, 2, 28, 14, 2},   {1, 14, 28, 2, 14, 28, 2}, {3, 32, 16, 2, 32, 16, 2},
        {3, 16, 32, 2, 16, 32, 2},   {1, 7, 4, 2, 7, 4, 2},     {1, 4, 7, 2, 4, 7, 2},
        {3, 5, 3, 1, 5, 3, 1},       {5, 9, 5, 5, 9, 5, 5},     {4, 20, 10, 9, 20, 10, 9},
        {1, 64, 64, 20, 40, 33, 18}, {40, 3, 2, 2, 5, 3, 2},    {1, 2, 1, 2, 70, 70, 3},
        {2, 1, 3, 1, 1, 9, 1},       {1, 64, 32, 5, 64, 32, 16}};
    static const double grids[] = {0, 0x1p-16, 0.001};
    enum { N = 5 };

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int g = 0; g < 3; g++)
            for (int regular = 0; regular < 2; regular++) {
                size_t bytes = sizeof(float) * N * sizes[s].h_out * sizes[s].w_out * sizes[s].c;
                float *wanted = NULL;
                pyr_kernels *owner = NULL;

                FOR_EACH_TABLE(k)
                {
                    float *y = k->real == PYR_F32 ? resampled_by(k, &sizes[s], N, regular, grids[g]) : NULL;

                    if (y && wanted && memcmp(y, wanted, bytes) != 0)
                        CHECK_REPORT("%s: size %zu, grid %g, regular %d", k->backend->name, s, grids[g],
                                     regular);
                    if (y && !wanted) {
                        wanted = y;
                        owner = k;
                    } else
                        pyr_release(k, y);
                }
                if (owner)
                    pyr_release(owner, wanted);
            }
}

/* On 8-bit values: merge(split) gives the image bit for bit, the bands are what their definition says, and
 * with even sides the transform keeps the sum of squares (coarse counted as 2 mean, its orthonormal
 * coefficient). */
static void haar(void)
{
    static const pyr_shape shapes[] = {{1, 1, 1, 1}, {2, 1, 7, 3}, {1, 5, 4, 2}, {3, 8, 6, 3}, {1, 7, 7, 1}};

    FOR_EACH_TABLE(k)
    {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            pyr_shape s = shapes[i];
            int hh = (s.h + 1) / 2, hw = (s.w + 1) / 2;
            size_t count = pyr_count(s), half = (size_t)s.n * hh * hw * s.c;
            void *x = vector_new(k, count), *back = vector_new(k, count), *coarse = vector_new(k, half);
            void *bands = vector_new(k, 3 * half);
            double energy = 0, parts = 0;

            for (size_t j = 0; j < count; j++) {
                double p = (double)(pyr_philox(1, (uint32_t)j, 0, 0, 0).v[0] >> 24);

                set(k, x, j, (2 * p - 255) / 256);
                energy += get(k, x, j) * get(k, x, j);
            }
            k->backend->haar_split(k, bands, x, s);
            for (int n = 0; n < s.n; n++)
                for (int oy = 0; oy < hh; oy++)
                    for (int ox = 0; ox < hw; ox++)
                        for (int c = 0; c < s.c; c++) {
                            double p[2][2];
                            size_t at = (size_t)((n * hh + oy) * hw + ox);

                            for (int dy = 0; dy < 2; dy++)
                                for (int dx = 0; dx < 2; dx++) {
                                    int py = 2 * oy + dy < s.h ? 2 * oy + dy : s.h - 1;
                                    int px = 2 * ox + dx < s.w ? 2 * ox + dx : s.w - 1;

                                    p[dy][dx] = get(k, x, (size_t)(((n * s.h + py) * s.w + px) * s.c + c));
                                }
                            set(k, coarse, at * s.c + c, (p[0][0] + p[0][1] + p[1][0] + p[1][1]) / 4);
                            CHECK(get(k, bands, at * 3 * s.c + c) ==
                                  (p[0][0] + p[0][1] - p[1][0] - p[1][1]) / 2);
                            CHECK(get(k, bands, at * 3 * s.c + s.c + c) ==
                                  (p[0][0] - p[0][1] + p[1][0] - p[1][1]) / 2);
                            CHECK(get(k, bands, at * 3 * s.c + 2 * s.c + c) ==
                                  (p[0][0] - p[0][1] - p[1][0] + p[1][1]) / 2);
                        }
            k->backend->haar_merge(k, back, s, coarse, bands);
            CHECK(memcmp(back, x, count * pyr_type_size(k->real)) == 0);
            for (size_t j = 0; j < half; j++)
                parts += 4 * get(k, coarse, j) * get(k, coarse, j);
            for (size_t j = 0; j < 3 * half; j++)
                parts += get(k, bands, j) * get(k, bands, j);
            if (s.h % 2 == 0 && s.w % 2 == 0)
                CHECK_CLOSE(parts, energy, 1e-12 * energy);
            pyr_release(k, x);
            pyr_release(k, back);
            pyr_release(k, coarse);
            pyr_release(k, bands);
        }
    }
}

/* ---- memory and tasks ---- */

static void memory_slots(void)
{
    FOR_EACH_TABLE(k)
    {
        char host[100], back[100];
        char *a, *b;

        CHECK_OK(pyr_alloc(k, (void **)&a, sizeof host, "test"));
        CHECK_OK(pyr_alloc(k, (void **)&b, sizeof host, "test"));
        CHECK((uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0);
        memset(host, 1, sizeof host);
        memset(back, 1, sizeof back);
        pyr_download(k, back, a, sizeof back);
        for (size_t i = 0; i < sizeof back; i++)
            CHECK(back[i] == 0);
        pyr_upload(k, a, host, sizeof host);
        pyr_copy(k, b, a, sizeof host);
        pyr_zero(k, a, sizeof host);
        CHECK_OK(pyr_sync(k));
        pyr_download(k, back, b, sizeof back);
        CHECK(memcmp(back, host, sizeof back) == 0);
        pyr_download(k, back, a, sizeof back);
        CHECK(back[0] == 0 && back[99] == 0);
        pyr_release(k, a);
        pyr_release(k, b);
        pyr_release(k, NULL);
    }
}

/* Host blocks come zeroed and can be given away; a mark that was never set keeps nobody waiting. */
static void host_blocks_and_marks(void)
{
    FOR_EACH_TABLE(k)
    {
        pyr_mem_stats before = pyr_mem();
        char *block, *device;

        CHECK_OK(pyr_alloc_host(k, (void **)&block, 100, "test"));
        CHECK_OK(pyr_alloc(k, (void **)&device, 100, "test"));
        for (int i = 0; i < 100; i++)
            CHECK(block[i] == 0);
        CHECK_OK(pyr_wait(k, PYR_MARKS - 1));
        memset(block, 7, 100);
        pyr_upload(k, device, block, 100);
        CHECK_OK(pyr_mark(k, 0));
        CHECK_OK(pyr_wait(k, 0));
        memset(block, 0, 100);
        pyr_download(k, block, device, 100);
        CHECK_OK(pyr_mark(k, 0));
        CHECK_OK(pyr_wait(k, 0));
        CHECK(block[0] == 7 && block[99] == 7);
        CHECK(k->backend->ahead >= 0 && k->backend->ahead < PYR_MARKS);
        pyr_release_host(k, block);
        pyr_release_host(k, NULL);
        pyr_release(k, device);
        CHECK(pyr_mem().live_blocks == before.live_blocks);
        pyr_mem_fail_after(0);
        CHECK_STATUS(pyr_alloc_host(k, (void **)&block, 100, "test"), PYR_E_NOMEM);
        pyr_mem_fail_after(-1);
    }
}

static pyr_status square(void *arg, int task, int lane)
{
    ((int *)arg)[task] = task * task;
    return lane < 0     ? pyr_fail(PYR_E_ARG, "lane %d", lane)
           : task == 37 ? pyr_fail(PYR_E_NUMERIC, "at 37")
                        : PYR_OK;
}

static void tasks_on_lanes(void)
{
    FOR_EACH_TABLE(k)
    {
        int result[40] = {0};

        CHECK_OK(pyr_run_tasks(k, 0, square, result));
        CHECK_OK(pyr_run_tasks(k, 37, square, result));
        for (int i = 0; i < 37; i++)
            CHECK(result[i] == i * i);
        CHECK_FAILS(pyr_run_tasks(k, 40, square, result), PYR_E_NUMERIC, "at 37");
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *backend;
        int lanes;
    } wanted[] = {{"ref-double", 1}, {"ref-double", 3}, {"ref", 1}, {"ref", 3}, {"cpu", 1}, {"cpu", 2}};

    CHECK_INIT(argc, argv);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (pyr_kernels_open(&tables[n_tables], wanted[i].backend, wanted[i].lanes) == PYR_OK)
            n_tables++;
        else
            printf("backend %s is left out: %s\n", wanted[i].backend, pyr_error());
    RUN(philox_known_answers);
    RUN(uniforms_stay_inside);
    RUN(normals_are_normal);
    RUN(normals_belong_to_the_image);
    RUN(normals_of_any_count);
    RUN(dropout_masks);
    RUN(means);
    RUN(norms);
    RUN(norms_joined);
    RUN(clips_by_the_joint_norm);
    RUN(skips_what_is_not_finite);
    RUN(adamw_as_pytorch);
    RUN(adamw_as_the_paper);
    RUN(combinations);
    RUN(pixels);
    RUN(dithered);
    RUN(resampling);
    RUN(resampled_bits);
    RUN(haar);
    RUN(memory_slots);
    RUN(host_blocks_and_marks);
    RUN(tasks_on_lanes);
    for (int i = 0; i < n_tables; i++)
        pyr_kernels_free(tables[i]);
    return CHECK_DONE();
}
