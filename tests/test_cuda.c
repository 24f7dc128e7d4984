/* test_cuda.c - the CUDA table's plain functions, memory and recordings, against the reference: on a GPU, or
 * on the device that is none (tests/cuda) in the program that is linked with it. The operations are in
 * test_kernels.c. */
#include "base/mem.h"
#include "base/philox.h"
#include "kernels/kernels.h"
#include "tests/check.h"
#include <stdlib.h>

static pyr_kernels *ref, *cuda;

/* ---- the same numbers in both memories ---- */

typedef struct pair {
    float *ref; /* host memory */
    void *cuda;
    size_t count;
} pair;

static void *device(size_t bytes)
{
    void *block = NULL;

    CHECK_OK(pyr_alloc(cuda, &block, bytes, "test"));
    if (!block)
        abort();
    return block;
}

/* A copy of host bytes on the device. */
static void *sent(const void *host, size_t bytes)
{
    void *block = device(bytes);

    pyr_upload(cuda, block, host, bytes);
    return block;
}

/* Normals of `spread`, numbered by `stream`. */
static pair pair_new(size_t count, uint32_t stream, float spread)
{
    pair p = {pyr_calloc(count + 1, sizeof *p.ref), NULL, count};

    for (size_t i = 0; i < count; i += 4) {
        float four[4];

        pyr_normal4(5, (uint32_t)i / 4, stream, 0, 0, four);
        for (size_t j = i; j < count && j < i + 4; j++)
            p.ref[j] = spread * four[j - i];
    }
    p.cuda = sent(p.ref, count * sizeof *p.ref);
    return p;
}

static void pair_free(pair *p)
{
    pyr_free(p->ref);
    pyr_release(cuda, p->cuda);
}

/* Largest difference, in units of the larger of 1 and the number. */
static void compare(const char *what, const pair *p, double tolerance)
{
    float *got = pyr_calloc(p->count, sizeof *got);
    double worst = 0;

    pyr_download(cuda, got, p->cuda, p->count * sizeof *got);
    CHECK_OK(pyr_sync(cuda));
    for (size_t i = 0; i < p->count; i++) {
        double off = fabs((double)got[i] - (double)p->ref[i]) / fmax(1, fabs((double)p->ref[i]));

        worst = isnan(got[i]) == isnan(p->ref[i])
                    ? fmax(worst, isnan(got[i]) || got[i] == p->ref[i] ? 0 : off)
                    : INFINITY;
    }
    if (!(worst <= tolerance))
        CHECK_REPORT("%s: off by %.3g", what, worst);
    pyr_free(got);
}

/* ---- flat vectors ---- */

static const size_t counts[] = {1, 3, 255, 257, 16385, 100003};
enum { COUNTS = sizeof counts / sizeof *counts };

static void means(void)
{
    for (size_t i = 0; i < COUNTS; i++) {
        pair p = pair_new(counts[i], 1, 1), out = pair_new(1, 2, 1);

        CHECK_OK(ref->backend->mean(ref, out.ref, p.ref, counts[i], 0.5, false));
        CHECK_OK(cuda->backend->mean(cuda, out.cuda, p.cuda, counts[i], 0.5, false));
        compare("mean", &out, 1e-6);
        CHECK_OK(ref->backend->mean(ref, out.ref, p.ref, counts[i], -2, true));
        CHECK_OK(cuda->backend->mean(cuda, out.cuda, p.cuda, counts[i], -2, true));
        compare("mean added", &out, 1e-6);
        pair_free(&p);
        pair_free(&out);
    }
}

static pyr_step_state state_of(void *there)
{
    pyr_step_state state;

    pyr_download(cuda, &state, there, sizeof state);
    CHECK_OK(pyr_sync(cuda));
    return state;
}

static void norms(void)
{
    for (size_t i = 0; i < COUNTS; i++)
        for (int bad = 0; bad < 3; bad++) {
            pair g = pair_new(counts[i], 3, 1);
            pyr_step_state wanted = {.loss = bad == 1 ? NAN : 1}, got;
            void *there = sent(&wanted, sizeof wanted);

            if (bad == 2) {
                float inf = INFINITY;

                g.ref[counts[i] / 2] = inf;
                pyr_upload(cuda, (float *)g.cuda + counts[i] / 2, &inf, sizeof inf);
            }
            CHECK_OK(ref->backend->norm(ref, g.ref, counts[i], &wanted));
            CHECK_OK(cuda->backend->norm(cuda, g.cuda, counts[i], there));
            got = state_of(there);
            CHECK(got.skip == (bad != 0) && got.skip == wanted.skip);
            if (bad != 2) {
                CHECK_CLOSE(got.grad_norm, wanted.grad_norm, 1e-6 * (double)wanted.grad_norm);
                CHECK(got.clip_norm == got.grad_norm);
            }
            pair_free(&g);
            pyr_release(cuda, there);
        }
}

static void norms_joined(void)
{
    for (uint32_t skip = 0; skip < 2; skip++) {
        pyr_step_state host[3] = {{.grad_norm = 3}, {.grad_norm = 4, .skip = skip}, {.grad_norm = 12}};
        pyr_step_state *there[3];

        for (int i = 0; i < 3; i++)
            there[i] = sent(&host[i], sizeof host[i]);
        CHECK_OK(cuda->backend->join_norms(cuda, there, 3));
        for (int i = 0; i < 3; i++) {
            pyr_step_state got = state_of(there[i]);

            CHECK(got.clip_norm == 13 && got.grad_norm == host[i].grad_norm && got.skip == skip);
            pyr_release(cuda, there[i]);
        }
    }
}

static void updates(void)
{
    enum { COUNT = 4099, STEPS = 7, BLOCKS = 5 };
    static const pyr_adamw settings = {0.9, 0.99, 1e-8, 0.02};
    pair p[BLOCKS]; /* value, grad, m, v, ema */
    pyr_step_state host = {.learning_rate = 1e-2f, .clip = 1, .ema_window = 0.3f, .loss = 1};
    void *there = sent(&host, sizeof host);

    for (uint32_t i = 0; i < BLOCKS; i++)
        p[i] = pair_new(COUNT, 30 + i, i == 2 || i == 3 ? 0 : 1);
    for (int step = 0; step < STEPS; step++) {
        pyr_step_state got;

        host.loss = step == 3 ? NAN : 1; /* that one is skipped */
        got = state_of(there);
        CHECK(got.step == host.step && got.applied == host.applied);
        got.loss = host.loss;
        pyr_upload(cuda, there, &got, sizeof got);
        CHECK_OK(ref->backend->norm(ref, p[1].ref, COUNT, &host));
        CHECK_OK(ref->backend->adamw(ref, &settings, &host, p[0].ref, p[1].ref, p[2].ref, p[3].ref, p[4].ref,
                                     COUNT));
        CHECK_OK(cuda->backend->norm(cuda, p[1].cuda, COUNT, there));
        CHECK_OK(cuda->backend->adamw(cuda, &settings, there, p[0].cuda, p[1].cuda, p[2].cuda, p[3].cuda,
                                      p[4].cuda, COUNT));
        for (int i = 0; i < BLOCKS; i++)
            compare("a block of AdamW", &p[i], 2e-6);
    }
    CHECK(host.step == STEPS && host.applied == STEPS - 1);
    for (int i = 0; i < BLOCKS; i++)
        pair_free(&p[i]);
    pyr_release(cuda, there);
}

static void combinations(void)
{
    static const double coef[4] = {0.5, -1.25, 3, 1e-3};

    for (size_t i = 0; i < COUNTS; i++)
        for (int n = 0; n <= 4; n++) {
            pair p[5];
            const void *a[4], *b[4];

            for (uint32_t j = 0; j < 5; j++)
                p[j] = pair_new(counts[i], 40 + j, 1);
            for (int j = 0; j < 4; j++) {
                a[j] = p[j].ref;
                b[j] = p[j].cuda;
            }
            pyr_combine(ref, p[4].ref, n, coef, a, counts[i]);
            pyr_combine(cuda, p[4].cuda, n, coef, b, counts[i]);
            compare("combination", &p[4], 1e-7);
            pyr_combine(ref, p[0].ref, n, coef, a, counts[i]); /* into a source */
            pyr_combine(cuda, p[0].cuda, n, coef, b, counts[i]);
            compare("combination in place", &p[0], 1e-7);
            p[1].ref[0] = NAN;
            pyr_upload(cuda, p[1].cuda, p[1].ref, sizeof(float));
            ref->backend->clamp(ref, p[1].ref, -0.5, 0.25, counts[i]);
            cuda->backend->clamp(cuda, p[1].cuda, -0.5, 0.25, counts[i]);
            compare("clamped", &p[1], 0);
            for (int j = 0; j < 5; j++)
                pair_free(&p[j]);
        }
}

static void inner_products(void)
{
    static const struct {
        int n;
        size_t size;
    } shapes[] = {{1, 1}, {7, 97}, {300, 49}, {3, 40000}, {1, 100003}};

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t size = shapes[i].size;
        int n = shapes[i].n;
        pair a = pair_new((size_t)n * size, 50, 1), b = pair_new((size_t)n * size, 51, 1);
        double *wanted = pyr_calloc((size_t)n, sizeof *wanted), *got = pyr_calloc((size_t)n, sizeof *got),
               one;

        CHECK_OK(pyr_dots(ref, wanted, a.ref, b.ref, n, size));
        CHECK_OK(pyr_dots(cuda, got, a.cuda, b.cuda, n, size));
        for (int j = 0; j < n; j++)
            CHECK_CLOSE(got[j], wanted[j], 1e-12 * (double)size);
        CHECK_OK(pyr_dots(cuda, &one, (float *)a.cuda + (size_t)(n - 1) * size,
                          (float *)b.cuda + (size_t)(n - 1) * size, 1, size));
        CHECK(one == got[n - 1]); /* as if it stood alone */
        pyr_free(wanted);
        pyr_free(got);
        pair_free(&a);
        pair_free(&b);
    }
}

/* ---- random numbers ---- */

static void streams(void)
{
    enum { IMAGES = 3 };
    static const size_t sizes[] = {1, 2, 5, 49, 784, 3072};
    uint32_t words[IMAGES][PYR_STREAM_WORDS] = {{1, 2, 0, 9}, {1, 2, 1, 9}, {77, 0xFFFFFFFFu, 2, 0}};
    void *there = sent(words, sizeof words);

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pair p = pair_new(IMAGES * sizes[i], 60, 1);

        ref->backend->normals(ref, p.ref, IMAGES, sizes[i], words[0], pyr_rng_purpose(PYR_RNG_NOISE, 2), 3,
                              5);
        cuda->backend->normals(cuda, p.cuda, IMAGES, sizes[i], there, pyr_rng_purpose(PYR_RNG_NOISE, 2), 3,
                               5);
        compare("normals", &p, 2e-6);
        ref->backend->dither(ref, p.ref, IMAGES, sizes[i], 0x1p-8, words[0], PYR_RNG_DITHER);
        cuda->backend->dither(cuda, p.cuda, IMAGES, sizes[i], 0x1p-8, there, PYR_RNG_DITHER);
        compare("dithered", &p, 2e-6);
        pair_free(&p);
    }
    pyr_release(cuda, there);
}

/* ---- images ---- */

static void samples(void)
{
    static const pyr_shape shapes[] = {{0, 5, 7, 3}, {0, 28, 28, 1}, {0, 3, 1, 4}, {0, 1, 8, 2}};
    static const uint32_t flips[3] = {1, 0, 1};
    void *flips_there = sent(flips, sizeof flips);

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bits = 3; bits <= 16; bits += bits == 3 ? 5 : 8)
            for (int flipped = 0; flipped < 2; flipped++) {
                size_t count = 3 * (size_t)shapes[i].h * shapes[i].w * shapes[i].c;
                pair p = pair_new(count, 70, 1);
                uint16_t *words = pyr_calloc(count, sizeof *words);
                uint8_t *bytes = (uint8_t *)words;
                void *there;

                for (size_t j = 0; j < count; j++) {
                    uint32_t r = pyr_philox(3, (uint32_t)j, 0, 0, 0).v[0] >> (32 - bits);

                    if (bits <= 8)
                        bytes[j] = (uint8_t)r;
                    else
                        words[j] = (uint16_t)r;
                }
                there = sent(words, count * sizeof *words);
                ref->backend->pixels(ref, p.ref, words, 3, shapes[i], bits, flipped ? flips : NULL);
                cuda->backend->pixels(cuda, p.cuda, there, 3, shapes[i], bits, flipped ? flips_there : NULL);
                compare("samples", &p, 0);
                pyr_release(cuda, there);
                pyr_free(words);
                pair_free(&p);
            }
    pyr_release(cuda, flips_there);
}

/* Halving with the taps 1/4 3/4 3/4 1/4 folded at the ends, and its like along the other axis; dyadic data
 * and a grid: the same bits. */
static void resampled(void)
{
    enum { N = 2, H = 6, W = 9, C = 3, OUT_H = 3, OUT_W = 5, WIDTH = 3 };
    static const int rows_start[OUT_H] = {0, 1, 3}, cols_start[OUT_W] = {0, 1, 3, 5, 6};
    float tap[OUT_W * WIDTH];
    double *mid = pyr_calloc(N * OUT_H * W * C, sizeof *mid);

    for (int i = 0; i < OUT_W * WIDTH; i++)
        tap[i] = (float)(i % WIDTH == 1 ? 0.5 : 0.25) + (float)i / 64;
    for (int grid = 0; grid < 2; grid++) {
        pair x = pair_new(N * H * W * C, 80, 1), y = pair_new(N * OUT_H * OUT_W * C, 81, 1);
        void *tap_there = sent(tap, sizeof tap), *rows_there = sent(rows_start, sizeof rows_start),
             *cols_there = sent(cols_start, sizeof cols_start),
             *mid_there = device(N * OUT_H * W * C * sizeof(double));
        pyr_axis rows = {H, OUT_H, WIDTH, rows_start, tap}, cols = {W, OUT_W, WIDTH, cols_start, tap};
        pyr_axis rows_cuda = {H, OUT_H, WIDTH, rows_there, tap_there},
                 cols_cuda = {W, OUT_W, WIDTH, cols_there, tap_there};

        for (size_t i = 0; i < x.count; i++)
            x.ref[i] = roundf(x.ref[i] * 128) / 128;
        pyr_upload(cuda, x.cuda, x.ref, x.count * sizeof *x.ref);
        ref->backend->resample(ref, y.ref, x.ref, N, C, &rows, &cols, grid ? 0x1p-16 : 0, mid);
        cuda->backend->resample(cuda, y.cuda, x.cuda, N, C, &rows_cuda, &cols_cuda, grid ? 0x1p-16 : 0,
                                mid_there);
        compare("resampled", &y, grid ? 0 : 1e-7);
        pair_free(&x);
        pair_free(&y);
        pyr_release(cuda, tap_there);
        pyr_release(cuda, rows_there);
        pyr_release(cuda, cols_there);
        pyr_release(cuda, mid_there);
    }
    pyr_free(mid);
}

static void haar(void)
{
    static const pyr_shape shapes[] = {{2, 4, 6, 3}, {1, 5, 7, 1}, {3, 1, 4, 2}, {1, 1, 1, 1}};

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        pyr_shape s = shapes[i], half = {s.n, (s.h + 1) / 2, (s.w + 1) / 2, s.c};
        pair x = pair_new(pyr_count(s), 90, 1), mean = pair_new(pyr_count(half), 91, 1),
             bands = pair_new(3 * pyr_count(half), 92, 1);

        ref->backend->haar_merge(ref, x.ref, s, mean.ref, bands.ref);
        cuda->backend->haar_merge(cuda, x.cuda, s, mean.cuda, bands.cuda);
        compare("haar merged", &x, 1e-7);
        ref->backend->haar_split(ref, bands.ref, x.ref, s);
        cuda->backend->haar_split(cuda, bands.cuda, x.cuda, s);
        compare("haar split", &bands, 1e-6);
        pair_free(&x);
        pair_free(&mean);
        pair_free(&bands);
    }
}

/* ---- memory, marks, recordings ---- */

static void memory(void)
{
    enum { COUNT = 1000 };
    pair a = pair_new(COUNT, 100, 1), b = pair_new(COUNT, 101, 1);
    float *pinned = NULL, got[COUNT];

    pyr_copy(cuda, b.cuda, a.cuda, COUNT * sizeof(float));
    memcpy(b.ref, a.ref, COUNT * sizeof(float));
    compare("copied", &b, 0);
    pyr_zero(cuda, (float *)b.cuda + 1, 5 * sizeof(float));
    memset(b.ref + 1, 0, 5 * sizeof(float));
    compare("zeroed", &b, 0);
    CHECK_OK(pyr_alloc_host(cuda, (void **)&pinned, COUNT * sizeof *pinned, "test"));
    for (int i = 0; i < COUNT; i++) {
        CHECK(pinned[i] == 0);
        pinned[i] = (float)i;
    }
    CHECK_OK(pyr_wait(cuda, 3)); /* never set: no wait */
    pyr_upload(cuda, b.cuda, pinned, COUNT * sizeof *pinned);
    CHECK_OK(pyr_mark(cuda, 3));
    CHECK_OK(pyr_wait(cuda, 3));
    memset(pinned, 0, COUNT * sizeof *pinned); /* it is ours again */
    pyr_download(cuda, got, b.cuda, sizeof got);
    CHECK_OK(pyr_sync(cuda));
    for (int i = 0; i < COUNT; i++)
        CHECK(got[i] == (float)i);
    pyr_download(cuda, pinned, b.cuda, COUNT * sizeof *pinned);
    CHECK_OK(pyr_mark(cuda, 4));
    CHECK_OK(pyr_wait(cuda, 4));
    CHECK(pinned[COUNT - 1] == COUNT - 1);
    pyr_release_host(cuda, pinned);
    pyr_release_host(cuda, NULL);
    pyr_release(cuda, NULL);
    pair_free(&a);
    pair_free(&b);
}

typedef struct doubling {
    void *x;
    size_t count;
    int calls;
} doubling;

static pyr_status twice(void *arg)
{
    doubling *d = arg;
    const double two = 2;
    const void *x = d->x;

    d->calls++;
    pyr_combine(cuda, d->x, 1, &two, &x, d->count);
    return PYR_OK;
}

static pyr_status allocates(void *arg)
{
    void *block;

    (void)arg;
    return pyr_alloc(cuda, &block, 100, "within a recording");
}

/* The calls are asked for once and run at each replay, on what is in memory then; a recording that breaks is
 * none. */
static void recordings(void)
{
    pair p = pair_new(10, 110, 1);
    doubling d = {p.cuda, 10, 0};
    void *recording = NULL, *broken = NULL;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pyr_recorded(cuda, &recording, twice, &d));
        for (int j = 0; j < 10; j++)
            p.ref[j] *= 2;
    }
    CHECK(d.calls == 1 && recording);
    compare("replayed", &p, 0);
    CHECK(pyr_recorded(cuda, &broken, allocates, NULL) != PYR_OK);
    CHECK(!broken);
    CHECK_OK(pyr_sync(cuda));
    CHECK_OK(pyr_recorded(cuda, &broken, twice, &d)); /* the next one is well */
    for (int j = 0; j < 10; j++)
        p.ref[j] *= 2;
    compare("replayed after a failure", &p, 0);
    pair_free(&p);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!pyr_kernels_cuda_built() || pyr_kernels_cuda(&cuda, 0) != PYR_OK) {
        printf("skipped cuda: %s\ntest_cuda: 0 passed, 0 failed, 1 skipped\n",
               pyr_kernels_cuda_built() ? pyr_error() : "this program was built without CUDA");
        return 0;
    }
    CHECK_OK(pyr_kernels_ref(&ref, PYR_F32, 1));
    RUN(means);
    RUN(norms);
    RUN(norms_joined);
    RUN(updates);
    RUN(combinations);
    RUN(inner_products);
    RUN(streams);
    RUN(samples);
    RUN(resampled);
    RUN(haar);
    RUN(memory);
    RUN(recordings);
    pyr_kernels_free(cuda);
    pyr_kernels_free(ref);
    return CHECK_DONE();
}
