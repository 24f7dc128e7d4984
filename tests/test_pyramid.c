/* test_pyramid.c - filters, the pyramid of a batch, the codes of a picture.
 *
 * Witnesses: exact inversion, closed forms, and SciPy's filters and transforms
 * (tests/golden/pyramid/make_pyramid.py). */
#include "base/mem.h"
#include "base/philox.h"
#include "pyramid/codes.h"
#include "pyramid/ideal.h"
#include "pyramid/pyramid.h"
#include "tests/check.h"
#include <float.h>
#include <stdlib.h>

#define GOLDEN "tests/golden/pyramid/pyramid.txt"

/* ---- help ----------------------------------------------------------------------------------------- */

static uint32_t
    drawn; /* number of the next draw; a case sets it, so that cases do not depend on each other */

static uint32_t draw(void)
{
    return pyr_philox(20240607, drawn++, 0, 0, 0).v[0];
}

static int draw_in(int lo, int hi)
{
    return lo + (int)(draw() % (uint32_t)(hi - lo + 1));
}

/* A pixel of 8 or 16 bits; `extreme`: black or white only, which gives the largest details. */
static float draw_pixel(int bits, bool extreme)
{
    int top = (1 << bits) - 1, p = (int)(draw() >> 8) & top;

    if (extreme)
        p = p & 1 ? top : 0;
    return (float)(2 * p - top) / (float)(top + 1);
}

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);

    if (!block)
        exit(1);
    return block;
}

/* Backend memory with guard bytes on both sides. */
enum { GUARD = 64, GUARD_BYTE = 0xA5 };

typedef struct buffer {
    char *block, *at;
    size_t bytes;
} buffer;

static buffer buffer_new(pyr_kernels *k, size_t bytes)
{
    buffer b = {.bytes = bytes};
    void *block;

    CHECK_OK(pyr_alloc(k, &block, bytes + 2 * GUARD, "a test"));
    b.block = block;
    b.at = b.block + GUARD;
    memset(b.block, GUARD_BYTE, bytes + 2 * GUARD);
    return b;
}

static bool guarded(const buffer *b)
{
    for (size_t i = 0; i < GUARD; i++)
        if ((unsigned char)b->block[i] != GUARD_BYTE || (unsigned char)b->at[b->bytes + i] != GUARD_BYTE)
            return false;
    return true;
}

static void buffer_free(pyr_kernels *k, buffer *b)
{
    CHECK(guarded(b));
    pyr_release(k, b->block);
}

static void set(const pyr_kernels *k, void *at, size_t i, double v)
{
    if (k->real == PYR_F64)
        ((double *)at)[i] = v;
    else
        ((float *)at)[i] = (float)v;
}

static double get(const pyr_kernels *k, const void *at, size_t i)
{
    return k->real == PYR_F64 ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

/* One pyramid with room for n images at every place. */
typedef struct rig {
    pyr_kernels *k;
    pyr_pyramid *p;
    int n, levels;
    buffer image[PYR_MAX_LEVELS], variable[PYR_MAX_LEVELS], condition[PYR_MAX_LEVELS], scratch;
} rig;

static size_t bytes_of(const rig *r, pyr_shape s)
{
    return (size_t)r->n * pyr_count(s) * pyr_type_size(r->k->real);
}

static bool rig_new(rig *r, pyr_kernels *k, pyr_pyramid_settings settings, int n, int h, int w, int c)
{
    *r = (rig){.k = k, .n = n, .levels = settings.levels};
    CHECK_OK(pyr_pyramid_new(&r->p, k, &settings, h, w, c));
    if (!r->p)
        return false;
    for (int i = 0; i < r->levels; i++) {
        r->image[i] = buffer_new(k, bytes_of(r, pyr_pyramid_image_shape(r->p, i)));
        r->variable[i] = buffer_new(k, bytes_of(r, pyr_pyramid_variable_shape(r->p, i)));
        r->condition[i] = buffer_new(k, bytes_of(r, pyr_pyramid_condition_shape(r->p, i)));
    }
    r->scratch = buffer_new(k, pyr_pyramid_scratch(r->p, n));
    return true;
}

static void rig_free(rig *r)
{
    for (int i = 0; i < r->levels; i++) {
        buffer_free(r->k, &r->image[i]);
        buffer_free(r->k, &r->variable[i]);
        buffer_free(r->k, &r->condition[i]);
    }
    buffer_free(r->k, &r->scratch);
    pyr_pyramid_free(r->p);
}

static size_t count_of(const rig *r, pyr_shape s)
{
    return (size_t)r->n * pyr_count(s);
}

static void rig_analyze(rig *r)
{
    for (int i = 0; i < r->levels; i++)
        pyr_pyramid_analyze(r->p, r->n, r->image[0].at, i, r->variable[i].at, r->condition[i].at,
                            r->scratch.at);
}

/* I_0 from the variables into image[0], by way of all the others. */
static void rig_synthesize(rig *r, bool rounded)
{
    for (int i = r->levels - 1; i >= 0; i--) {
        void *coarse = i < r->levels - 1 ? r->image[i + 1].at : NULL;

        if (coarse)
            pyr_pyramid_condition(r->p, i, r->n, coarse, r->condition[i].at, rounded, r->scratch.at);
        pyr_pyramid_synthesize(r->p, i, r->n, coarse, r->condition[i].at, r->variable[i].at, r->image[i].at,
                               r->scratch.at);
    }
}

static void fill_normal(const rig *r, buffer *b, pyr_shape s, double scale)
{
    for (size_t i = 0; i < count_of(r, s); i++) {
        float z[2];

        pyr_normal2(draw(), draw(), z);
        set(r->k, b->at, i, scale * (double)z[0]);
    }
}

static pyr_kernels *table(const char *backend)
{
    pyr_kernels *k = NULL;

    if (pyr_kernels_open(&k, backend, 1) != PYR_OK)
        return NULL;
    return k;
}

static const char *const backends[] = {"ref", "ref-double", "cpu"};
enum { BACKENDS = sizeof backends / sizeof *backends };

static bool has_bands(int filter)
{
    return pyr_filter_of(filter)->bands;
}

/* ---- golden values -------------------------------------------------------------------------------- */

typedef struct golden {
    char name[64];
    int rows, cols;
    double *at;
} golden;

static golden *blocks;
static size_t n_blocks;

static void read_golden(void)
{
    FILE *f = fopen(GOLDEN, "r");
    golden g;

    if (!f) {
        fprintf(stderr, "%s cannot be read; run from the root of the project\n", GOLDEN);
        exit(1);
    }
    while (fscanf(f, "%63s %d %d", g.name, &g.rows, &g.cols) == 3) {
        g.at = memory((size_t)g.rows * (size_t)g.cols, sizeof *g.at);
        for (int i = 0; i < g.rows * g.cols; i++)
            if (fscanf(f, "%lf", &g.at[i]) != 1)
                exit(1);
        blocks = realloc(blocks, (n_blocks + 1) * sizeof *blocks);
        if (!blocks)
            exit(1);
        blocks[n_blocks++] = g;
    }
    fclose(f);
}

static const golden *find(const char *name)
{
    for (size_t i = 0; i < n_blocks; i++)
        if (strcmp(blocks[i].name, name) == 0)
            return &blocks[i];
    CHECK_REPORT("%s has no %s", GOLDEN, name);
    return NULL;
}

static void free_golden(void)
{
    for (size_t i = 0; i < n_blocks; i++)
        free(blocks[i].at);
    free(blocks);
}

typedef struct named_filter {
    const char *name; /* in the golden file */
    int filter;
    double sigma;
} named_filter;

static const named_filter named[] = {
    {"box", PYR_FILTER_BOX, 0},
    {"burt-adelson", PYR_FILTER_BURT_ADELSON, 0},
    {"gaussian-0.5", PYR_FILTER_GAUSSIAN, 0.5},
    {"gaussian-1.0", PYR_FILTER_GAUSSIAN, 1.0},
    {"gaussian-1.6", PYR_FILTER_GAUSSIAN, 1.6},
    {"ideal", PYR_FILTER_IDEAL, 0},
};
enum { NAMED = sizeof named / sizeof *named };

static double entry(const pyr_taps *t, int row, int col)
{
    int j = col - t->start[row];

    return j >= 0 && j < t->width ? t->tap[row * t->width + j] : 0;
}

static void compare_taps(const char *filter, const char *what, int n, const pyr_taps *t, double tolerance)
{
    char name[64];
    const golden *g;

    snprintf(name, sizeof name, "%s/%s/%d", filter, what, n);
    g = find(name);
    if (!g)
        return;
    CHECK(g->rows == t->n_out && g->cols == t->n_in);
    for (int i = 0; i < t->n_out; i++) {
        CHECK(t->start[i] >= 0 && t->start[i] + t->width <= t->n_in);
        for (int j = 0; j < t->n_in; j++)
            if (!(fabs(entry(t, i, j) - g->at[i * g->cols + j]) <= tolerance))
                CHECK_REPORT("%s[%d][%d] = %.9g, wanted %.9g", name, i, j, entry(t, i, j),
                             g->at[i * g->cols + j]);
    }
}

/* ---- words and settings --------------------------------------------------------------------------- */

static void words(void)
{
    int filter = -1;

    for (int i = 0; i < PYR_FILTERS; i++) {
        CHECK_OK(pyr_filter_parse(&filter, pyr_filter_names[i]));
        CHECK(filter == i);
    }
    CHECK(pyr_filter_names[PYR_FILTERS] == NULL);
    CHECK_FAILS(pyr_filter_parse(&filter, "gausian"), PYR_E_ARG, "did you mean gaussian?");
    CHECK_FAILS(pyr_filter_parse(&filter, ""), PYR_E_ARG, "box, burt-adelson, gaussian, ideal, haar");
}

static void section(void)
{
    pyr_settings *s;
    pyr_pyramid_settings got;

    CHECK_OK(pyr_settings_new(&s, PYR_SECTIONS(&pyr_pyramid_section)));
    pyr_settings_fill(s, "pyramid", -1, &got);
    CHECK(got.levels == 3 && got.filter == PYR_FILTER_BOX && got.project);
    CHECK_CLOSE(got.sigma, 1, 0);
    CHECK_OK(pyr_settings_set(s, "pyramid.filter", "burt-adelson", "--set"));
    CHECK_OK(pyr_settings_set(s, "pyramid.project", "false", "--set"));
    pyr_settings_fill(s, "pyramid", -1, &got);
    CHECK(got.filter == PYR_FILTER_BURT_ADELSON && !got.project);
    CHECK_STATUS(pyr_settings_set(s, "pyramid.levels", "13", "--set"), PYR_E_CONFIG);
    pyr_settings_free(s);
}

static void limits(void)
{
    pyr_kernels *k = table("ref"), other;
    pyr_backend backend;
    pyr_pyramid_settings s = {9, PYR_FILTER_BOX, 1, true};
    pyr_pyramid *p;

    CHECK(pyr_pyramid_most_levels(28, 28) == 6);
    CHECK(pyr_pyramid_most_levels(1, 1) == 1);
    CHECK(pyr_pyramid_most_levels(1, 5) == 4);
    CHECK(pyr_pyramid_most_levels(4096, 3) == 12);
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 28, 28, 1), PYR_E_CONFIG,
                "28x28 can be halved 5 times, levels is 9, should be 1..6");
    CHECK(p == NULL);
    s.levels = 2;
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 1, 1, 3), PYR_E_CONFIG, "1x1 can be halved 0 times");
    s.levels = 0;
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 28, 28, 1), PYR_E_CONFIG, "levels is 0, should be 1..6");
    s.levels = 13;
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 100000, 1, 1), PYR_E_CONFIG, "levels is 13, should be 1..12");
    s = (pyr_pyramid_settings){2, PYR_FILTER_GAUSSIAN, 0, true};
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 28, 28, 1), PYR_E_CONFIG, "sigma of the gaussian filter is 0");
    s.sigma = (double)NAN;
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 28, 28, 1), PYR_E_CONFIG, "sigma");
    s.sigma = 3;
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 28, 28, 1), PYR_E_CONFIG, "project = false");
    s.project = false;
    CHECK_OK(pyr_pyramid_new(&p, k, &s, 28, 28, 1));
    pyr_pyramid_free(p);
    s.filter = 99;
    CHECK_FAILS(pyr_pyramid_new(&p, k, &s, 28, 28, 1), PYR_E_CONFIG, "filter is number 99");
    s.filter = PYR_FILTER_IDEAL;
    other = *k;
    backend = *k->backend;
    other.backend = &backend;
    backend.name = "cuda";
    backend.host_memory = false;
    CHECK_FAILS(pyr_pyramid_new(&p, &other, &s, 28, 28, 1), PYR_E_UNSUPPORTED, "--backend cpu");
    pyr_pyramid_free(NULL);
    pyr_kernels_free(k);
}

static void shapes(void)
{
    static const struct {
        int filter;
        pyr_shape variable, condition;
    } rows[] = {{PYR_FILTER_BOX, {1, 14, 23, 3}, {1, 14, 23, 3}},
                {PYR_FILTER_HAAR, {1, 7, 12, 9}, {1, 7, 12, 3}}};
    pyr_kernels *k = table("ref");

    for (int i = 0; i < 2; i++) {
        pyr_pyramid_settings s = {3, rows[i].filter, 1, true};
        pyr_pyramid *p;
        pyr_shape got;

        CHECK_OK(pyr_pyramid_new(&p, k, &s, 28, 45, 3));
        got = pyr_pyramid_variable_shape(p, 1);
        CHECK(memcmp(&got, &rows[i].variable, sizeof got) == 0);
        got = pyr_pyramid_condition_shape(p, 1);
        CHECK(memcmp(&got, &rows[i].condition, sizeof got) == 0);
        got = pyr_pyramid_image_shape(p, 2);
        CHECK(got.n == 1 && got.h == 7 && got.w == 12 && got.c == 3);
        got = pyr_pyramid_variable_shape(p, 2);
        CHECK(got.n == 1 && got.h == 7 && got.w == 12 && got.c == 3);
        CHECK(pyr_pyramid_condition_shape(p, 2).c == 0);
        CHECK(pyr_pyramid_get(p)->levels == 3);
        pyr_pyramid_free(p);
    }
    pyr_kernels_free(k);
}

/* ---- operators ------------------------------------------------------------------------------------ */

static void taps_against_scipy(void)
{
    static const int sizes[] = {1, 2, 3, 4, 7, 10};

    for (int f = 0; f < NAMED - 1; f++) /* all but ideal */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            /* taps of a gaussian are rounded to 2^-24, and several are folded into one at a border */
            double tolerance = named[f].filter == PYR_FILTER_GAUSSIAN ? 0x1p-21 : 1e-15, gain;
            pyr_taps d, u, back;

            CHECK_OK(pyr_filter_of(named[f].filter)->down(&d, named[f].sigma, sizes[i]));
            CHECK_OK(pyr_filter_of(named[f].filter)->up(&u, named[f].sigma, sizes[i]));
            CHECK_OK(pyr_taps_invert(&back, &gain, &d, 0));
            compare_taps(named[f].name, "d", sizes[i], &d, tolerance);
            compare_taps(named[f].name, "u", sizes[i], &u, tolerance);
            compare_taps(named[f].name, "back", sizes[i], &back, gain * gain * tolerance * 10);
            pyr_taps_free(&d);
            pyr_taps_free(&u);
            pyr_taps_free(&back);
        }
}

/* Rows add up to exactly 1, of multiples of 2^-24; and no tap is lost for extreme sigmas. */
static void taps_keep_constants(void)
{
    static const double sigmas[] = {0.001, 0.1, 0.3, 1, 2.5, 30, 256};
    static const int sizes[] = {1, 2, 5, 16, 33};

    for (int f = 0; f < PYR_FILTERS; f++)
        for (size_t s = 0; !pyr_filter_of(f)->cosine &&
                           s < (pyr_filter_of(f)->has_sigma ? sizeof sigmas / sizeof *sigmas : 1);
             s++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                for (int up = 0; up < 2; up++) {
                    pyr_taps t;

                    CHECK_OK(up ? pyr_filter_of(f)->up(&t, sigmas[s], sizes[i])
                                : pyr_filter_of(f)->down(&t, sigmas[s], sizes[i]));
                    for (int o = 0; o < t.n_out; o++) {
                        double sum = 0;

                        for (int j = 0; j < t.width; j++) {
                            double tap = t.tap[o * t.width + j];

                            CHECK((tap >= 0 || !pyr_filter_of(f)->positive) &&
                                  tap * 0x1p24 == rint(tap * 0x1p24));
                            sum += tap;
                        }
                        CHECK(sum == 1);
                    }
                    pyr_taps_free(&t);
                }
}

static void box_inverse_repeats(void)
{
    for (int n = 1; n < 40; n++) {
        pyr_taps d, back;
        double gain;

        CHECK_OK(pyr_filter_box.down(&d, 0, n));
        CHECK_OK(pyr_taps_invert(&back, &gain, &d, 1e-10));
        CHECK(back.width == 1 && back.n_in == (n + 1) / 2 && back.n_out == n);
        CHECK(gain == 1);
        for (int x = 0; x < n; x++)
            CHECK(back.start[x] == x / 2 && back.tap[x] == 1);
        pyr_taps_free(&d);
        pyr_taps_free(&back);
    }
}

/* d back = identity, with rows cut where they are small. */
static void inverse_inverts(void)
{
    for (int f = 0; f < NAMED - 1; f++)
        for (int n = 1; n < 90; n += 11) {
            pyr_taps d, back;
            double gain, worst = 0;

            CHECK_OK(pyr_filter_of(named[f].filter)->down(&d, named[f].sigma, n));
            CHECK_OK(pyr_taps_invert(&back, &gain, &d, 1e-18));
            for (int i = 0; i < d.n_out; i++)
                for (int j = 0; j < d.n_out; j++) {
                    double sum = 0;

                    for (int x = 0; x < n; x++)
                        sum += entry(&d, i, x) * entry(&back, x, j);
                    worst = fmax(worst, fabs(sum - (i == j)));
                }
            CHECK(worst < 1e-12);
            CHECK(gain >= 0.99 && gain < 32);
            pyr_taps_free(&d);
            pyr_taps_free(&back);
        }
}

/* A coarse pixel's mask is that of the pixels that d reads: compared with d of each fine pixel by itself. */
static void reach(void)
{
    enum { H = 7, W = 10 };
    pyr_kernels *k = table("ref-double");

    for (int f = 0; f < PYR_FILTERS; f++) {
        pyr_pyramid_settings s = {2, f, 0.4, true};
        uint8_t given[H * W], coarse[4 * 5], wanted[4 * 5];
        rig r;

        if (!rig_new(&r, k, s, 1, H, W, 1))
            return;
        for (int missing = 0; missing < H * W; missing++) {
            pyr_zero(k, r.image[0].at, r.image[0].bytes);
            set(k, r.image[0].at, (size_t)missing, 0x1p30);
            pyr_pyramid_reduce(r.p, 1, r.image[0].at, 1, r.image[1].at, r.scratch.at);
            for (int i = 0; i < 20; i++)
                wanted[i] = !pyr_filter_of(f)->cosine && get(k, r.image[1].at, (size_t)i) == 0;
            memset(given, 1, sizeof given);
            given[missing] = 0;
            CHECK_OK(pyr_filter_reach(coarse, given, f, s.sigma, H, W));
            CHECK(memcmp(coarse, wanted, sizeof wanted) == 0);
        }
        memset(given, 1, sizeof given);
        CHECK_OK(pyr_filter_reach(coarse, given, f, s.sigma, H, W));
        CHECK(memchr(coarse, 0, sizeof coarse) == NULL);
        rig_free(&r);
    }
    pyr_kernels_free(k);
}

/* A matrix that has no inverse says so: two equal rows. */
static void singular(void)
{
    int start[2] = {0, 0};
    double tap[6] = {0.25, 0.5, 0.25, 0.25, 0.5, 0.25}, gain;
    pyr_taps d = {3, 2, 3, start, tap}, back;

    CHECK_OK(pyr_taps_invert(&back, &gain, &d, 0));
    CHECK(isinf(gain) && back.tap == NULL);
}

static void images_against_scipy(void)
{
    const golden *image = find("image");

    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);

        for (int f = 0; k && image && f < NAMED; f++) {
            static const char *const part[4] = {"image1", "image2", "residual0", "residual1"};
            rig r;

            if (!rig_new(&r, k, (pyr_pyramid_settings){3, named[f].filter, named[f].sigma, true}, 1, 7, 10,
                         2))
                break;
            for (int i = 0; i < 140; i++)
                set(k, r.image[0].at, (size_t)i, image->at[i]);
            rig_analyze(&r);
            for (int i = 1; i < 3; i++)
                pyr_pyramid_reduce(r.p, 1, r.image[0].at, i, r.image[i].at, r.scratch.at);
            for (int i = 0; i < 4; i++) {
                buffer *got = i < 2 ? &r.image[i + 1] : &r.variable[i - 2];
                char name[64];
                const golden *g;

                snprintf(name, sizeof name, "%s/%s", named[f].name, part[i]);
                g = find(name);
                /* up to four roundings to 2^-16, one after the other */
                for (int j = 0; g && j < g->rows * g->cols; j++)
                    if (!(fabs(get(k, got->at, (size_t)j) - g->at[j]) < 2.1 * 0x1p-16))
                        CHECK_REPORT("%s, %s[%d] = %.9g, wanted %.9g", backends[b], name, j,
                                     get(k, got->at, (size_t)j), g->at[j]);
            }
            rig_free(&r);
        }
        pyr_kernels_free(k);
    }
}

/* Unrounded: the transforms by themselves. */
static void ideal_against_scipy(void)
{
    const golden *image = find("image"), *wanted = find("ideal/image1"), *rest = find("ideal/residual0");
    double fine[140], coarse[40];
    pyr_dct *big, *small;

    if (!image || !wanted || !rest)
        return;
    CHECK_OK(pyr_dct_new(&big, 7, 10, 2));
    CHECK_OK(pyr_dct_new(&small, 4, 5, 2));
    memcpy(fine, image->at, sizeof fine);
    pyr_ideal_down(coarse, fine, small, big);
    for (int i = 0; i < 40; i++)
        CHECK_CLOSE(coarse[i], wanted->at[i], 1e-14);
    pyr_ideal_up(fine, coarse, big, small);
    for (int i = 0; i < 140; i++)
        CHECK_CLOSE(image->at[i] - fine[i], rest->at[i], 1e-14);
    pyr_dct_free(big);
    pyr_dct_free(small);
}

/* ---- the pyramid of a batch ----------------------------------------------------------------------- */

/* R(L(I)) = I bit for bit, and every way to the same image gives the same image. */
static void exact_on(const char *backend, int cases)
{
    pyr_kernels *k = table(backend);

    if (!k)
        SKIP("this backend does not open here");
    drawn = 1000;
    for (int i = 0; i < cases; i++) {
        int filter = i % PYR_FILTERS;
        int line = draw_in(0, 9), h = line == 0 ? 1 : draw_in(1, 64), w = line == 1 ? 1 : draw_in(1, 64);
        int most = pyr_pyramid_most_levels(h, w), bits = draw_in(0, 1) ? 16 : 8;
        int levels = draw_in(1, most < 6 ? most : 6), n = draw_in(1, 3), c = draw_in(1, 4);
        bool extreme = draw_in(0, 2) == 0;
        size_t count;
        void *before;
        rig r;

        if (k->real == PYR_F32 && levels > pyr_filter_of(filter)->exact[bits == 16] + 1)
            levels = pyr_filter_of(filter)->exact[bits == 16] + 1;
        if (!rig_new(&r, k, (pyr_pyramid_settings){levels, filter, 0.3 + i % 7 * 0.2, i % 2 == 0}, n, h, w,
                     c))
            break;
        count = count_of(&r, pyr_pyramid_image_shape(r.p, 0));
        before = memory(count, sizeof(double));
        for (size_t j = 0; j < count; j++)
            set(k, r.image[0].at, j, (double)draw_pixel(bits, extreme));
        memcpy(before, r.image[0].at, r.image[0].bytes);
        rig_analyze(&r);
        CHECK(memcmp(before, r.image[0].at, r.image[0].bytes) == 0);
        rig_synthesize(&r, true);
        if (memcmp(before, r.image[0].at, r.image[0].bytes) != 0)
            CHECK_REPORT("%s: %s, %d levels of %d images %dx%dx%d of %d bits come back different", backend,
                         pyr_filter_names[filter], levels, n, h, w, c, bits);
        for (int l = 0; l < levels; l++) {
            buffer again = buffer_new(k, r.image[l].bytes);
            buffer other = buffer_new(k, r.variable[l].bytes);

            pyr_pyramid_reduce(r.p, n, before, l, again.at, r.scratch.at);
            for (size_t j = 0; j < count_of(&r, pyr_pyramid_image_shape(r.p, l)); j++)
                CHECK(get(k, again.at, j) == get(k, r.image[l].at, j)); /* 0 may differ in sign */
            pyr_pyramid_analyze(r.p, n, before, l, other.at, NULL, r.scratch.at);
            CHECK(memcmp(other.at, r.variable[l].at, other.bytes) == 0);
            buffer_free(k, &again);
            buffer_free(k, &other);
        }
        free(before);
        rig_free(&r);
    }
    pyr_kernels_free(k);
}

/* The depth that haar's floats are promised to hold: 8 bits to 8 halvings, 16 bits to 4. */
static void haar_depth(void)
{
    static const struct {
        int bits, side, levels;
    } rows[] = {{8, 256, 9}, {16, 16, 5}, {16, 50, 5}};
    pyr_kernels *k = table("ref");

    drawn = 2000;
    for (int i = 0; i < 3; i++) {
        rig r;
        size_t count = (size_t)rows[i].side * (size_t)rows[i].side;
        float *before = memory(count, sizeof *before);

        if (!rig_new(&r, k, (pyr_pyramid_settings){rows[i].levels, PYR_FILTER_HAAR, 0, true}, 1, rows[i].side,
                     rows[i].side, 1))
            return;
        for (size_t j = 0; j < count; j++)
            before[j] = draw_pixel(rows[i].bits, false);
        memcpy(r.image[0].at, before, r.image[0].bytes);
        rig_analyze(&r);
        rig_synthesize(&r, true);
        CHECK(memcmp(before, r.image[0].at, r.image[0].bytes) == 0);
        free(before);
        rig_free(&r);
    }
    pyr_kernels_free(k);
}

/* Unrounded synthesis is linear: S(a x + b y) = a S(x) + b S(y). */
static void linear(void)
{
    pyr_kernels *k = table("ref-double");

    drawn = 3000;
    for (int f = 0; f < PYR_FILTERS; f++) {
        rig x, y, z;
        pyr_pyramid_settings s = {4, f, 0.8, true};

        if (!rig_new(&x, k, s, 2, 13, 22, 3) || !rig_new(&y, k, s, 2, 13, 22, 3) ||
            !rig_new(&z, k, s, 2, 13, 22, 3))
            return;
        for (int i = 0; i < 4; i++) {
            pyr_shape shape = pyr_pyramid_variable_shape(x.p, i);

            fill_normal(&x, &x.variable[i], shape, 1);
            fill_normal(&y, &y.variable[i], shape, 1);
            for (size_t j = 0; j < count_of(&x, shape); j++)
                set(k, z.variable[i].at, j,
                    0.7 * get(k, x.variable[i].at, j) - 1.3 * get(k, y.variable[i].at, j));
        }
        rig_synthesize(&x, false);
        rig_synthesize(&y, false);
        rig_synthesize(&z, false);
        for (size_t j = 0; j < count_of(&x, pyr_pyramid_image_shape(x.p, 0)); j++)
            CHECK_CLOSE(get(k, z.image[0].at, j),
                        0.7 * get(k, x.image[0].at, j) - 1.3 * get(k, y.image[0].at, j), 1e-13);
        rig_free(&x);
        rig_free(&y);
        rig_free(&z);
    }
    pyr_kernels_free(k);
}

/* ---- adjoints ------------------------------------------------------------------------------------- */

static double dot(const rig *r, const buffer *a, const buffer *b, pyr_shape s)
{
    double sum = 0;

    for (size_t i = 0; i < count_of(r, s); i++)
        sum += get(r->k, a->at, i) * get(r->k, b->at, i);
    return sum;
}

/* The same of the level's image with its residual projected, from residual and coarse image. */
static void adjoint_of_projected(rig *r, int level, const char *what, double tolerance, buffer *coarse,
                                 buffer *dimage, buffer *dvariable, buffer *dcoarse)
{
    pyr_shape image = pyr_pyramid_image_shape(r->p, level), small = pyr_pyramid_image_shape(r->p, level + 1);
    buffer variable = buffer_new(r->k, bytes_of(r, image));
    double left, right, norms;

    fill_normal(r, &variable, image, 1);
    memcpy(r->variable[level].at, variable.at, bytes_of(r, image));
    pyr_pyramid_condition(r->p, level, r->n, coarse->at, r->condition[level].at, false, r->scratch.at);
    pyr_pyramid_project(r->p, level, r->n, coarse->at, r->condition[level].at, r->variable[level].at,
                        r->scratch.at);
    pyr_pyramid_synthesize(r->p, level, r->n, coarse->at, r->condition[level].at, r->variable[level].at,
                           r->image[level].at, r->scratch.at);
    pyr_pyramid_project_adjoint(r->p, level, r->n, dimage->at, dvariable->at, dcoarse->at, r->scratch.at);
    left = dot(r, &r->image[level], dimage, image);
    right = dot(r, &variable, dvariable, image) + dot(r, coarse, dcoarse, small);
    norms = sqrt(dot(r, &r->image[level], &r->image[level], image) * dot(r, dimage, dimage, image));
    if (!(norms > 0 && fabs(left - right) <= 10 * tolerance * norms))
        CHECK_REPORT("%s, projected level %d: %.15g and %.15g", what, level, left, right);
    buffer_free(r->k, &variable);
}

/* <S(condition, variable), y> = <condition, S^T y> + <variable, S^T y>, and <u x, y> = <x, u^T y>. The
 * tolerance is of the product of the norms. */
static void adjoints_of_level(rig *r, int level, const char *what, double tolerance)
{
    const pyr_kernels *k = r->k;
    pyr_shape image = pyr_pyramid_image_shape(r->p, level),
              variable = pyr_pyramid_variable_shape(r->p, level),
              condition = pyr_pyramid_condition_shape(r->p, level);
    buffer dimage = buffer_new(r->k, bytes_of(r, image)), dvariable = buffer_new(r->k, bytes_of(r, variable));
    buffer dcondition = buffer_new(r->k, bytes_of(r, condition));
    bool coarsest = level == r->levels - 1, bands = has_bands(pyr_pyramid_get(r->p)->filter);
    double left, right, norms;

    fill_normal(r, &dimage, image, 1);
    fill_normal(r, &r->variable[level], variable, 1);
    fill_normal(r, &r->condition[level], condition, 1);
    pyr_pyramid_synthesize(r->p, level, r->n, bands ? r->condition[level].at : NULL, r->condition[level].at,
                           r->variable[level].at, r->image[level].at, r->scratch.at);
    pyr_pyramid_synthesize_adjoint(r->p, level, r->n, dimage.at, dcondition.at, dvariable.at, r->scratch.at);
    left = dot(r, &r->image[level], &dimage, image);
    right = dot(r, &r->variable[level], &dvariable, variable);
    if (!coarsest)
        right += dot(r, &r->condition[level], &dcondition, condition);
    norms = sqrt(dot(r, &r->image[level], &r->image[level], image) * dot(r, &dimage, &dimage, image));
    if (!(fabs(left - right) <= tolerance * norms))
        CHECK_REPORT("%s, synthesis of level %d: %.15g and %.15g", what, level, left, right);
    if (!coarsest) {
        pyr_shape shape = pyr_pyramid_image_shape(r->p, level + 1);
        buffer coarse = buffer_new(r->k, bytes_of(r, shape)), dcoarse = buffer_new(r->k, bytes_of(r, shape));

        fill_normal(r, &coarse, shape, 1);
        fill_normal(r, &dcondition, condition, 1);
        pyr_pyramid_condition(r->p, level, r->n, coarse.at, r->condition[level].at, false, r->scratch.at);
        pyr_pyramid_condition_adjoint(r->p, level, r->n, dcondition.at, dcoarse.at, r->scratch.at);
        left = dot(r, &r->condition[level], &dcondition, condition);
        right = dot(r, &coarse, &dcoarse, shape);
        norms = sqrt(dot(r, &dcondition, &dcondition, condition) *
                     dot(r, &r->condition[level], &r->condition[level], condition));
        CHECK(norms > 0 && get(k, dcoarse.at, 0) != 0);
        if (!(fabs(left - right) <= tolerance * norms))
            CHECK_REPORT("%s, condition of level %d: %.15g and %.15g", what, level, left, right);
        if (!bands)
            adjoint_of_projected(r, level, what, tolerance, &coarse, &dimage, &dvariable, &dcoarse);
        buffer_free(r->k, &coarse);
        buffer_free(r->k, &dcoarse);
    }
    buffer_free(r->k, &dimage);
    buffer_free(r->k, &dvariable);
    buffer_free(r->k, &dcondition);
}

static void adjoints(void)
{
    static const int sizes[][2] = {{16, 8}, {13, 22}, {5, 7}, {1, 9}, {11, 1}, {12, 20}};

    drawn = 5200;
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);

        for (int f = 0; k && f < PYR_FILTERS; f++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                int h = sizes[i][0], w = sizes[i][1];
                char what[64];
                rig r;

                if (has_bands(f) && (h % 4 || w % 4))
                    continue;
                snprintf(what, sizeof what, "%s, %s, %dx%d", backends[b], pyr_filter_names[f], h, w);
                if (!rig_new(&r, k, (pyr_pyramid_settings){3, f, 0.8, i != 1}, 2, h, w, 3))
                    return;
                CHECK_OK(pyr_pyramid_has_adjoint(r.p));
                for (int level = 0; level < 3; level++)
                    adjoints_of_level(&r, level, what, k->real == PYR_F64 ? 1e-12 : 1e-6);
                rig_free(&r);
            }
        pyr_kernels_free(k);
    }
}

static void no_adjoint_of_odd_haar(void)
{
    pyr_kernels *k = table("ref");
    pyr_pyramid *p = NULL;

    CHECK_OK(pyr_pyramid_new(&p, k, &(pyr_pyramid_settings){3, PYR_FILTER_HAAR, 1, true}, 6, 8, 1));
    CHECK_FAILS(pyr_pyramid_has_adjoint(p), PYR_E_UNSUPPORTED,
                "level 1 is 3x4: with the haar filter gradients pass through even sides only");
    pyr_pyramid_free(p);
    CHECK_OK(pyr_pyramid_new(&p, k, &(pyr_pyramid_settings){2, PYR_FILTER_HAAR, 1, true}, 6, 8, 1));
    CHECK_OK(pyr_pyramid_has_adjoint(p)); /* the coarsest is never halved */
    pyr_pyramid_free(p);
    pyr_kernels_free(k);
}

static void transposed_taps(void)
{
    for (int i = 0; i < NAMED; i++)
        for (int n = 1; n <= 23 && named[i].filter != PYR_FILTER_IDEAL; n++)
            for (int up = 0; up < 2; up++) {
                pyr_taps t, u, back;

                if (up)
                    CHECK_OK(pyr_filter_of(named[i].filter)->up(&t, named[i].sigma, n));
                else
                    CHECK_OK(pyr_filter_of(named[i].filter)->down(&t, named[i].sigma, n));
                CHECK_OK(pyr_taps_transpose(&u, &t));
                CHECK_OK(pyr_taps_transpose(&back, &u));
                CHECK(u.n_in == t.n_out && u.n_out == t.n_in && back.n_in == t.n_in && back.n_out == t.n_out);
                for (int row = 0; row < u.n_out; row++) {
                    CHECK(u.start[row] >= 0 && u.start[row] + u.width <= u.n_in);
                    for (int col = 0; col < u.n_in; col++)
                        if (entry(&u, row, col) != entry(&t, col, row) ||
                            entry(&back, col, row) != entry(&t, col, row))
                            CHECK_REPORT("%s, n = %d: entry %d, %d differs", named[i].name, n, row, col);
                }
                pyr_taps_free(&t);
                pyr_taps_free(&u);
                pyr_taps_free(&back);
            }
}

/* All levels in one pass are, bit for bit, the levels one by one; with conditions wanted or not. */
static void all_levels_at_once(void)
{
    enum { LEVELS = 5 };
    static const int sizes[][2] = {{29, 43}, {32, 16}, {1, 19}};

    drawn = 5400;
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);

        for (int f = 0; k && f < PYR_FILTERS; f++)
            for (int turn = 0; turn < 6; turn++) {
                const int *size = sizes[turn / 2];
                void *variable[LEVELS], *condition[LEVELS];
                pyr_pyramid_settings settings = {LEVELS, f, 0.8, true};
                rig one, all;

                if (!rig_new(&one, k, settings, 3, size[0], size[1], 2) ||
                    !rig_new(&all, k, settings, 3, size[0], size[1], 2))
                    return;
                for (size_t i = 0; i < one.image[0].bytes / pyr_type_size(k->real); i++)
                    set(k, one.image[0].at, i, (double)draw_pixel(8, false));
                rig_analyze(&one);
                for (int l = 0; l < LEVELS; l++) {
                    variable[l] = all.variable[l].at;
                    condition[l] = turn % 2 || l == LEVELS - 1 ? NULL : all.condition[l].at;
                }
                pyr_pyramid_analyze_all(all.p, 3, one.image[0].at, variable, condition, all.scratch.at);
                for (int l = 0; l < LEVELS; l++) {
                    if (memcmp(one.variable[l].at, variable[l], one.variable[l].bytes) != 0)
                        CHECK_REPORT("%s, %s, %dx%d: the variable of level %d differs", backends[b],
                                     pyr_filter_names[f], size[0], size[1], l);
                    if (condition[l] &&
                        memcmp(one.condition[l].at, condition[l], one.condition[l].bytes) != 0)
                        CHECK_REPORT("%s, %s, %dx%d: the condition of level %d differs", backends[b],
                                     pyr_filter_names[f], size[0], size[1], l);
                }
                rig_free(&one);
                rig_free(&all);
            }
        pyr_kernels_free(k);
    }
}

/* A constant image has no detail, not even a rounding error. */
static void constant(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);

        for (int f = 0; k && f < PYR_FILTERS; f++) {
            rig r;
            double v = -129.0 / 256;

            if (!rig_new(&r, k, (pyr_pyramid_settings){4, f, 1.3, true}, 1, 23, 9, 2))
                return;
            for (size_t i = 0; i < count_of(&r, pyr_pyramid_image_shape(r.p, 0)); i++)
                set(k, r.image[0].at, i, v);
            rig_analyze(&r);
            for (int l = 0; l < 4; l++)
                for (size_t i = 0; i < count_of(&r, pyr_pyramid_variable_shape(r.p, l)); i++)
                    CHECK(get(k, r.variable[l].at, i) == (l == 3 ? v : 0));
            rig_free(&r);
        }
        pyr_kernels_free(k);
    }
}

/* Detail of one bright pixel stays within the reach of d and u. */
static void impulse(void)
{
    static const struct {
        int filter;
        int reach; /* of u(d(.)) in fine pixels: d reaches r pixels from 2j, u again as many from there */
    } rows[] = {
        {PYR_FILTER_BOX, 3}, {PYR_FILTER_BURT_ADELSON, 4}, {PYR_FILTER_GAUSSIAN, 6}, {PYR_FILTER_HAAR, 0}};
    pyr_kernels *k = table("ref");

    for (int i = 0; i < 4; i++)
        for (int at = 0; at < 33; at += 4) {
            bool haar = rows[i].filter == PYR_FILTER_HAAR;
            bool outside = false, inside = false;
            rig r;

            /* sigma 0.7: |t| <= floor(2.8 + 0.5) = 3 */
            if (!rig_new(&r, k, (pyr_pyramid_settings){2, rows[i].filter, 0.7, true}, 1, 33, 33, 1))
                return;
            pyr_zero(k, r.image[0].at, r.image[0].bytes);
            set(k, r.image[0].at, (size_t)(at * 33 + 20), 1);
            rig_analyze(&r);
            for (int y = 0; y < (haar ? 17 : 33); y++)
                for (int x = 0; x < (haar ? 17 : 33); x++) {
                    int far = haar ? 1 + rows[i].reach : rows[i].reach;
                    bool near = haar ? y == at / 2 && x == 10 : abs(y - at) <= far && abs(x - 20) <= far;
                    double v = 0;

                    for (int band = 0; band < (haar ? 3 : 1); band++)
                        v = fmax(v, fabs(get(k, r.variable[0].at,
                                             (size_t)((y * (haar ? 17 : 33) + x) * (haar ? 3 : 1) + band))));
                    outside |= !near && v != 0;
                    inside |= near && v != 0;
                }
            CHECK(inside && !outside);
            rig_free(&r);
        }
    pyr_kernels_free(k);
}

/* Even sides: |I|^2 = |details|^2 + 4 |mean|^2 at each level. Odd sides: bands across the edge are zero. */
static void haar_orthonormal(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);
        double whole = 0, parts = 0, weight = 1;
        rig r;

        if (!k)
            continue;
        drawn = 4000;
        if (!rig_new(&r, k, (pyr_pyramid_settings){4, PYR_FILTER_HAAR, 0, true}, 2, 24, 40, 3))
            return;
        for (size_t i = 0; i < count_of(&r, pyr_pyramid_image_shape(r.p, 0)); i++) {
            double v = (double)draw_pixel(8, false);

            set(k, r.image[0].at, i, v);
            whole += v * v;
        }
        rig_analyze(&r);
        for (int l = 0; l < 4; l++, weight *= 4)
            for (size_t i = 0; i < count_of(&r, pyr_pyramid_variable_shape(r.p, l)); i++)
                parts += weight * get(k, r.variable[l].at, i) * get(k, r.variable[l].at, i);
        CHECK_CLOSE(parts / whole, 1, 1e-14); /* every value is exact */
        rig_free(&r);

        if (!rig_new(&r, k, (pyr_pyramid_settings){2, PYR_FILTER_HAAR, 0, true}, 1, 5, 3, 1))
            return;
        for (size_t i = 0; i < 15; i++)
            set(k, r.image[0].at, i, (double)draw_pixel(8, false));
        rig_analyze(&r);
        for (size_t y = 0; y < 3; y++)
            for (size_t x = 0; x < 2; x++) {
                size_t at = (y * 2 + x) * 3;

                CHECK(y < 2 || get(k, r.variable[0].at, at) == 0);
                CHECK(x < 1 || get(k, r.variable[0].at, at + 1) == 0);
                CHECK((y < 2 && x < 1) || get(k, r.variable[0].at, at + 2) == 0);
            }
        CHECK_CLOSE(get(k, r.condition[0].at, 5), get(k, r.image[0].at, 14), 0);
        rig_free(&r);
        pyr_kernels_free(k);
    }
}

/* The mean of the blocks, and what was dropped beyond the edge is the mirror image. */
static void box_is_the_mean(void)
{
    static const double image[6] = {0.5, -0.25, 0.125, 0.75, 0.25, -0.5}; /* 2 x 3 */
    pyr_kernels *k = table("ref");
    rig r;

    if (!rig_new(&r, k, (pyr_pyramid_settings){2, PYR_FILTER_BOX, 0, true}, 1, 2, 3, 1))
        return;
    for (size_t i = 0; i < 6; i++)
        set(k, r.image[0].at, i, image[i]);
    pyr_pyramid_reduce(r.p, 1, r.image[0].at, 1, r.image[1].at, r.scratch.at);
    CHECK_CLOSE(get(k, r.image[1].at, 0), (0.5 - 0.25 + 0.75 + 0.25) / 4, 0);
    CHECK_CLOSE(get(k, r.image[1].at, 1), (0.125 - 0.5) / 2, 0);
    rig_free(&r);
    pyr_kernels_free(k);
}

/* After projecting, d(l + r) = I_{i+1}; projecting again changes nothing; it is the nearest such r. */
static void projection(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);
        double eps;

        if (!k)
            continue;
        eps = k->real == PYR_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
        drawn = 5000;
        for (int i = 0; i < 40; i++) {
            int f = i % 4; /* all but haar */
            double sigma = 0.4 + 0.2 * (i % 6), largest, rms, moved = 0, again = 0, across = 0, size = 0;
            int h = draw_in(1, 40), w = draw_in(2, 40), levels = 2;
            rig r;
            buffer before, held;
            size_t count;

            if (!rig_new(&r, k, (pyr_pyramid_settings){levels, f, sigma, true}, 2, h, w, 3))
                return;
            count = count_of(&r, pyr_pyramid_image_shape(r.p, 0));
            before = buffer_new(k, r.variable[0].bytes);
            held = buffer_new(k, r.variable[0].bytes);
            fill_normal(&r, &r.image[1], pyr_pyramid_image_shape(r.p, 1), 0.5);
            fill_normal(&r, &r.variable[0], pyr_pyramid_variable_shape(r.p, 0), 0.2);
            pyr_pyramid_condition(r.p, 0, 2, r.image[1].at, r.condition[0].at, false, r.scratch.at);
            pyr_copy(k, before.at, r.variable[0].at, before.bytes);
            pyr_pyramid_project(r.p, 0, 2, r.image[1].at, r.condition[0].at, r.variable[0].at, r.scratch.at);
            pyr_copy(k, held.at, r.variable[0].at, held.bytes);
            pyr_pyramid_synthesize(r.p, 0, 2, r.image[1].at, r.condition[0].at, r.variable[0].at,
                                   r.image[0].at, r.scratch.at);
            CHECK_OK(pyr_pyramid_consistency(r.p, 0, 2, r.image[1].at, r.image[0].at, &largest, &rms,
                                             r.scratch.at));
            for (size_t j = 0; j < count; j++)
                size = fmax(size, fabs(get(k, r.image[0].at, j)));
            if (!(largest <= 16 * eps * size) || !(rms <= largest))
                CHECK_REPORT("%s, %s sigma %g, %dx%d: |d(I) - coarse| = %g at values to %g", backends[b],
                             pyr_filter_names[f], sigma, h, w, largest, size);
            pyr_pyramid_project(r.p, 0, 2, r.image[1].at, r.condition[0].at, r.variable[0].at, r.scratch.at);
            for (size_t j = 0; j < count; j++) {
                double step = get(k, held.at, j) - get(k, before.at, j);

                moved = fmax(moved, fabs(step));
                again = fmax(again, fabs(get(k, r.variable[0].at, j) - get(k, held.at, j)));
            }
            CHECK(again <= 600 * eps * size && moved > 0.01);
            /* nearest: the step is orthogonal to every r' with d(r') = 0; one such is x - back(d(x)), which
             * is what projecting x onto d(l + x) = d(l) leaves of it */
            fill_normal(&r, &r.variable[0], pyr_pyramid_variable_shape(r.p, 0), 1);
            pyr_zero(k, r.image[1].at, r.image[1].bytes);
            pyr_zero(k, r.condition[0].at, r.condition[0].bytes);
            pyr_pyramid_project(r.p, 0, 2, r.image[1].at, r.condition[0].at, r.variable[0].at, r.scratch.at);
            for (size_t j = 0; j < count; j++)
                across += get(k, r.variable[0].at, j) * (get(k, held.at, j) - get(k, before.at, j));
            CHECK(fabs(across) / (double)count <= 100 * eps * moved);
            buffer_free(k, &before);
            buffer_free(k, &held);
            rig_free(&r);
        }
        pyr_kernels_free(k);
    }
}

/* On data the projection moves nothing but the analysis' rounding. And where it must do nothing, it does. */
static void projection_of_data(void)
{
    pyr_kernels *k = table("ref");

    drawn = 6000;
    for (int i = 0; i < 2 * PYR_FILTERS; i++) {
        int f = i % PYR_FILTERS;
        bool on = i < PYR_FILTERS, still = has_bands(f) || !on;
        double worst = 0;
        rig r;
        buffer before;

        if (!rig_new(&r, k, (pyr_pyramid_settings){3, f, 1, on}, 2, 21, 16, 1))
            return;
        for (size_t j = 0; j < count_of(&r, pyr_pyramid_image_shape(r.p, 0)); j++)
            set(k, r.image[0].at, j, (double)draw_pixel(8, false));
        rig_analyze(&r);
        for (int l = 0; l < 3; l++) {
            const void *coarse = l < 2 ? r.image[l + 1].at : NULL;

            before = buffer_new(k, r.variable[l].bytes);
            pyr_copy(k, before.at, r.variable[l].at, before.bytes);
            if (l < 2)
                pyr_pyramid_reduce(r.p, 2, r.image[0].at, l + 1, r.image[l + 1].at, r.scratch.at);
            pyr_pyramid_project(r.p, l, 2, coarse, r.condition[l].at, r.variable[l].at, r.scratch.at);
            if (still || l == 2)
                CHECK(memcmp(before.at, r.variable[l].at, before.bytes) == 0);
            for (size_t j = 0; j < count_of(&r, pyr_pyramid_variable_shape(r.p, l)); j++)
                worst = fmax(worst, fabs(get(k, before.at, j) - get(k, r.variable[l].at, j)));
            buffer_free(k, &before);
        }
        /* the rounding is at most 2^-17, times the gain of two axes; box's first two levels are exact */
        CHECK(worst <= (f == PYR_FILTER_BOX ? 2e-7 : 100 * 0x1p-17));
        rig_free(&r);
    }
    pyr_kernels_free(k);
}

/* An image's results do not depend on its batch; and from construction on nothing is allocated. */
static void batches(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = table(backends[b]);

        drawn = 7000;
        for (int f = 0; k && f < PYR_FILTERS; f++) {
            pyr_pyramid_settings s = {3, f, 0.9, true};
            rig all, one;
            uint64_t allocated;

            if (!rig_new(&all, k, s, 3, 19, 14, 2) || !rig_new(&one, k, s, 1, 19, 14, 2))
                return;
            for (size_t i = 0; i < count_of(&all, pyr_pyramid_image_shape(all.p, 0)); i++)
                set(k, all.image[0].at, i, (double)draw_pixel(16, false));
            allocated = pyr_mem().allocated;
            rig_analyze(&all);
            for (int i = 0; i < 3; i++) {
                pyr_copy(k, one.image[0].at, all.image[0].at + (size_t)i * one.image[0].bytes,
                         one.image[0].bytes);
                rig_analyze(&one);
                for (int l = 0; l < 3; l++) {
                    size_t v = one.variable[l].bytes, c = one.condition[l].bytes;

                    CHECK(memcmp(one.variable[l].at, all.variable[l].at + (size_t)i * v, v) == 0);
                    CHECK(memcmp(one.condition[l].at, all.condition[l].at + (size_t)i * c, c) == 0);
                }
            }
            rig_synthesize(&all, false);
            pyr_pyramid_project(all.p, 0, 3, all.image[1].at, all.condition[0].at, all.variable[0].at,
                                all.scratch.at);
            CHECK(pyr_mem().allocated == allocated);
            rig_free(&all);
            rig_free(&one);
        }
        pyr_kernels_free(k);
    }
}

/* Several lanes at once, each with its own scratch, one pyramid. */
typedef struct lanes_work {
    rig shared, lane[4];
} lanes_work;

static pyr_status lane_task(void *arg, int task, int lane)
{
    lanes_work *work = arg;
    rig *r = &work->lane[task];

    (void)lane;
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < r->levels; i++)
            pyr_pyramid_analyze(work->shared.p, r->n, work->shared.image[0].at, i, r->variable[i].at,
                                r->condition[i].at, r->scratch.at);
    return PYR_OK;
}

static void lanes(void)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref", 4));
    drawn = 8000;
    for (int f = 0; k && f < PYR_FILTERS; f++) {
        pyr_pyramid_settings s = {3, f, 1.1, true};
        lanes_work work;

        if (!rig_new(&work.shared, k, s, 2, 30, 17, 3))
            break;
        for (size_t i = 0; i < count_of(&work.shared, pyr_pyramid_image_shape(work.shared.p, 0)); i++)
            set(k, work.shared.image[0].at, i, (double)draw_pixel(8, false));
        rig_analyze(&work.shared);
        for (int i = 0; i < 4; i++)
            rig_new(&work.lane[i], k, s, 2, 30, 17, 3);
        CHECK_OK(pyr_run_tasks(k, 4, lane_task, &work));
        for (int i = 0; i < 4; i++) {
            for (int l = 0; l < 3; l++)
                CHECK(memcmp(work.lane[i].variable[l].at, work.shared.variable[l].at,
                             work.shared.variable[l].bytes) == 0);
            rig_free(&work.lane[i]);
        }
        rig_free(&work.shared);
    }
    pyr_kernels_free(k);
}

/* ---- codes ---------------------------------------------------------------------------------------- */

static void codes_exact(void)
{
    drawn = 9000;
    for (int i = 0; i < 250; i++) {
        int filter = i % PYR_FILTERS;
        bool deep = i % 10 >= 5, extreme = draw_in(0, 2) == 0;
        int h = deep ? 1 : draw_in(1, 64), w = deep ? draw_in(1, 3000) : draw_in(1, 64);
        int most = pyr_pyramid_most_levels(h, w), levels = deep ? most : draw_in(1, most);
        int c = draw_in(1, 4), bits = draw_in(0, 1) ? 16 : 8;
        size_t count = (size_t)h * (size_t)w * (size_t)c;
        float *picture = memory(count + 2, sizeof *picture), *back = memory(count + 2, sizeof *back);
        pyr_codes codes;

        if (deep && draw_in(0, 1)) {
            h = w;
            w = 1;
        }
        for (size_t j = 0; j < count; j++)
            picture[j + 1] = draw_pixel(bits, extreme);
        back[0] = back[count + 1] = 77;
        CHECK_OK(pyr_codes_new(&codes, &(pyr_pyramid_settings){levels, filter, 0.2 + i % 9 * 0.4, true}, h, w,
                               c, bits));
        CHECK_OK(pyr_decompose(&codes, picture + 1));
        CHECK_OK(pyr_reconstruct(back + 1, &codes));
        if (memcmp(back + 1, picture + 1, count * sizeof *back) != 0)
            CHECK_REPORT("%s, %d levels of %dx%dx%d of %d bits come back different", pyr_filter_names[filter],
                         levels, h, w, c, bits);
        CHECK(back[0] == 77 && back[count + 1] == 77);
        for (int l = 0; l < levels; l++) {
            int vh, vw;
            uint8_t *view;

            pyr_codes_view_size(&codes, l, &vh, &vw);
            count = (size_t)vh * (size_t)vw * 3;
            view = memory(count + 1, 1);
            view[count] = 77;
            CHECK_OK(pyr_codes_view(view, &codes, l, pyr_codes_gain(&codes, l)));
            CHECK(view[count] == 77);
            free(view);
        }
        pyr_codes_free(&codes);
        free(picture);
        free(back);
    }
}

/* Codes are the variables of the pyramid. */
static void codes_are_the_variables(void)
{
    pyr_kernels *k = table("ref");

    drawn = 10000;
    for (int f = 0; f < PYR_FILTERS; f++) {
        pyr_pyramid_settings s = {4, f, 1.2, true};
        pyr_codes codes;
        rig r;

        if (!rig_new(&r, k, s, 1, 37, 50, 3))
            return;
        for (size_t i = 0; i < count_of(&r, pyr_pyramid_image_shape(r.p, 0)); i++)
            set(k, r.image[0].at, i, (double)draw_pixel(8, false));
        rig_analyze(&r);
        CHECK_OK(pyr_codes_new(&codes, &s, 37, 50, 3, 8));
        CHECK(codes.type == PYR_F32);
        CHECK_OK(pyr_decompose(&codes, (const float *)(const void *)r.image[0].at));
        for (int l = 0; l < 4; l++) {
            pyr_shape shape = pyr_pyramid_variable_shape(r.p, l);

            CHECK(memcmp(&shape, &codes.shape[l], sizeof shape) == 0);
            for (size_t i = 0; i < pyr_count(shape); i++)
                /* ideal: transforms of one and of three channels may round a tie differently; cdf53: codes are
                 * rounded to the picture's samples, 2/256 apart, at each of six steps */
                CHECK_CLOSE(get(k, r.variable[l].at, i), ((const float *)codes.value[l])[i],
                            f == PYR_FILTER_IDEAL   ? 0x1p-16
                            : f == PYR_FILTER_CDF53 ? 3.0 * 2 / 256
                                                    : 0);
        }
        pyr_codes_free(&codes);
        rig_free(&r);
    }
    pyr_kernels_free(k);
}

static void codes_of_haar_in_double(void)
{
    static const struct {
        int bits, levels;
        pyr_type type;
    } rows[] = {{8, 9, PYR_F32}, {8, 10, PYR_F64}, {16, 5, PYR_F32}, {16, 6, PYR_F64}};
    pyr_codes codes;

    for (int i = 0; i < 4; i++) {
        CHECK_OK(pyr_codes_new(&codes, &(pyr_pyramid_settings){rows[i].levels, PYR_FILTER_HAAR, 0, true}, 1,
                               1000, 1, rows[i].bits));
        CHECK(codes.type == rows[i].type);
        pyr_codes_free(&codes);
    }
}

static void codes_refuse(void)
{
    pyr_pyramid_settings s = {2, PYR_FILTER_BOX, 0, true};
    float picture[4] = {1.0f / 256, -255.0f / 256, 1.0f / 65536, 0};
    pyr_codes codes;

    CHECK_FAILS(pyr_codes_new(&codes, &s, 2, 2, 5, 8), PYR_E_ARG, "5 channels, should be 1..4");
    CHECK_FAILS(pyr_codes_new(&codes, &s, 2, 2, 1, 12), PYR_E_ARG, "12 bits");
    CHECK(codes.value[0] == NULL && codes.c == 0);
    s.levels = 3;
    CHECK_FAILS(pyr_codes_new(&codes, &s, 2, 2, 1, 8), PYR_E_CONFIG, "2x2 can be halved 1 time, levels is 3");
    s.levels = 2;
    CHECK_OK(pyr_codes_new(&codes, &s, 2, 2, 1, 8));
    CHECK_FAILS(pyr_decompose(&codes, picture), PYR_E_FORMAT, "row 1, column 0 is not a pixel of 8 bits");
    picture[2] = (float)NAN;
    CHECK_STATUS(pyr_decompose(&codes, picture), PYR_E_FORMAT);
    picture[2] = -1;
    CHECK_STATUS(pyr_decompose(&codes, picture), PYR_E_FORMAT);
    pyr_codes_free(&codes);
    pyr_codes_free(&codes);
}

static void views(void)
{
    float picture[2 * 4 * 2] = {0};
    uint8_t rgb[2 * 4 * 3];
    pyr_codes codes;
    int h, w;

    /* grey with alpha, one level: the pixels themselves, grey three times */
    for (int i = 0; i < 8; i++) {
        picture[2 * i] = (float)(2 * (i * 36) - 255) / 256;
        picture[2 * i + 1] = 255.0f / 256;
    }
    CHECK_OK(pyr_codes_new(&codes, &(pyr_pyramid_settings){1, PYR_FILTER_BOX, 0, true}, 2, 4, 2, 8));
    CHECK_OK(pyr_decompose(&codes, picture));
    pyr_codes_view_size(&codes, 0, &h, &w);
    CHECK(h == 2 && w == 4);
    CHECK_OK(pyr_codes_view(rgb, &codes, 0, 1));
    for (int i = 0; i < 24; i++)
        CHECK(rgb[i] == i / 3 * 36);
    CHECK_CLOSE(pyr_codes_gain(&codes, 0), 1, 0);
    pyr_codes_free(&codes);

    /* RGB, haar: mean, then bands of a picture whose columns alternate */
    for (int i = 0; i < 12; i++)
        picture[i] = i / 3 % 2 ? -1.0f / 256 : 1.0f / 256;
    CHECK_OK(pyr_codes_new(&codes, &(pyr_pyramid_settings){2, PYR_FILTER_HAAR, 0, true}, 2, 2, 3, 8));
    CHECK_OK(pyr_decompose(&codes, picture));
    pyr_codes_view_size(&codes, 0, &h, &w);
    CHECK(h == 2 && w == 2);
    CHECK_CLOSE(pyr_codes_gain(&codes, 0), 32, 0); /* rms of the bands: 2/256/sqrt(3) */
    CHECK_OK(pyr_codes_view(rgb, &codes, 0, 32));
    CHECK(rgb[0] == 128 && rgb[6] == 128 && rgb[9] == 128); /* mean, LH, HH are 0 */
    CHECK(rgb[3] == 160);                                   /* HL = 2/256, 127.5 + 128 * 32 * 2/256 */
    pyr_codes_free(&codes);
}

/* ---- faults --------------------------------------------------------------------------------------- */

static void faults(void)
{
    pyr_kernels *k = table("ref");
    size_t live = pyr_mem().live_blocks;
    float picture[5 * 7 * 3];
    uint8_t rgb[6 * 8 * 3 * 4];

    for (int i = 0; i < 5 * 7 * 3; i++)
        picture[i] = (float)(2 * i + 1 - 256) / 256;
    for (int f = 0; f < PYR_FILTERS; f++) {
        pyr_pyramid_settings s = {3, f, 1, true};
        pyr_pyramid *p = NULL;
        pyr_codes codes = {0};
        pyr_status status = PYR_E_NOMEM;
        double largest, rms;
        void *block;

        for (long n = 0; status != PYR_OK && n < 1000; n++) {
            pyr_mem_fail_after(n);
            status = pyr_pyramid_new(&p, k, &s, 5, 7, 3);
            pyr_mem_fail_after(-1);
            CHECK(status == PYR_OK || (status == PYR_E_NOMEM && !p && pyr_mem().live_blocks == live));
        }
        CHECK(status == PYR_OK);
        block = memory(pyr_pyramid_scratch(p, 1), 1);
        pyr_mem_fail_after(0);
        CHECK_STATUS(pyr_pyramid_consistency(p, 1, 1, picture, picture, &largest, &rms, block), PYR_E_NOMEM);
        pyr_mem_fail_after(-1);
        free(block);
        pyr_pyramid_free(p);
        CHECK(pyr_mem().live_blocks == live);

        /* the first n that passes one call is spent in the next ones, so that all four are swept */
        status = PYR_E_NOMEM;
        for (long n = 0; status != PYR_OK && n < 1000; n++) {
            pyr_mem_fail_after(n);
            status = pyr_codes_new(&codes, &s, 5, 7, 3, 8);
            if (status == PYR_OK)
                status = pyr_decompose(&codes, picture);
            if (status == PYR_OK)
                status = pyr_reconstruct(picture, &codes);
            if (status == PYR_OK)
                status = pyr_codes_view(rgb, &codes, 0, 1);
            pyr_mem_fail_after(-1);
            CHECK(status == PYR_OK || status == PYR_E_NOMEM);
            pyr_codes_free(&codes);
            CHECK(pyr_mem().live_blocks == live);
        }
        CHECK(status == PYR_OK);
    }
    pyr_kernels_free(k);
}

static void rows_of_filters(void)
{
    for (int i = 0; i < PYR_FILTERS; i++) {
        const pyr_filter *f = pyr_filter_of(i);

        if (!f->help || !*f->help || !f->halve || (!f->cosine && (!f->down || !f->up)))
            CHECK_REPORT("the row of %s lacks its help, down, up or halve", pyr_filter_names[i]);
        if (!f->lift != !f->unlift || (f->lift && !f->bands))
            CHECK_REPORT("the row of %s has one of lift and unlift without the other, or without bands",
                         pyr_filter_names[i]);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(rows_of_filters);
    if (check_failed) /* the others rely on it */
        return CHECK_DONE();
    read_golden();
    RUN(words);
    RUN(section);
    RUN(limits);
    RUN(shapes);
    RUN(taps_against_scipy);
    RUN(taps_keep_constants);
    RUN(box_inverse_repeats);
    RUN(inverse_inverts);
    RUN(reach);
    RUN(singular);
    RUN(images_against_scipy);
    RUN(ideal_against_scipy);
    RUN_NAMED("exact_on_ref", exact_on("ref", 600));
    RUN_NAMED("exact_on_ref-double", exact_on("ref-double", 150));
    RUN_NAMED("exact_on_cpu", exact_on("cpu", 600));
    RUN(haar_depth);
    RUN(linear);
    RUN(transposed_taps);
    RUN(adjoints);
    RUN(no_adjoint_of_odd_haar);
    RUN(all_levels_at_once);
    RUN(constant);
    RUN(impulse);
    RUN(haar_orthonormal);
    RUN(box_is_the_mean);
    RUN(projection);
    RUN(projection_of_data);
    RUN(batches);
    RUN(lanes);
    RUN(codes_exact);
    RUN(codes_are_the_variables);
    RUN(codes_of_haar_in_double);
    RUN(codes_refuse);
    RUN(views);
    RUN(faults);
    free_golden();
    return CHECK_DONE();
}
