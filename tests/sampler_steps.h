/* sampler_steps.h - a sampler's steps one by one, on a distribution whose denoiser is known, beside those that another library took
 * (tests/golden/samplers): for tests of one sampler. */
#ifndef PYR_TESTS_SAMPLER_STEPS_H
#define PYR_TESTS_SAMPLER_STEPS_H

#include "tests/check.h"

#include "base/mem.h"
#include "diffusion/sampler.h"
#include <stdio.h>

enum { SIZE = 8, MOST_STEPS = 32 };

static const double far_start[SIZE] CHECK_UNUSED = {-15, -11, -7, -3, 1, 5, 9, 13};

/* z = +-1 with a spread of 0.3, each number by itself */
static inline double denoised(double x, double s)
{
    double v = 0.09;

    return (v * x + s * s * tanh(x / (v + s * s))) / (v + s * s);
}

static inline pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    (void)ctx;
    for (int i = 0; i < SIZE; i++)
        ((double *)out)[i] = denoised(((const double *)x)[i], *s);
    return PYR_OK;
}

/* What a hook sees, and what it does: after step `at` it adds `add` to x. */
typedef struct watching {
    double x[MOST_STEPS + 1][SIZE], s[MOST_STEPS + 1];
    int steps, at;
    double add;
} watching;

static inline pyr_status watch(void *ctx, int step, double s, void *x, const void *d)
{
    watching *w = ctx;

    (void)d;
    for (int i = 0; i < SIZE; i++) {
        if (step == w->at)
            ((double *)x)[i] += w->add;
        w->x[step + 1][i] = ((double *)x)[i];
    }
    w->s[step + 1] = s;
    w->steps = step + 1;
    return PYR_OK;
}

/* From 10 to 0.02, as the golden files have it. */
static inline pyr_schedule schedule_of(pyr_curve curve)
{
    return (pyr_schedule){.family = PYR_VE, .curve = curve, .s_min = 0.02, .s_max = 10, .rho = 7, .scale = 1};
}

static inline void sample(watching *w, pyr_sampler_kind kind, const pyr_schedule *schedule, int steps,
                          const double *start, bool stiff)
{
    pyr_sampler sampler = pyr_sampler_usual(kind, steps);
    uint64_t seed = 1;
    pyr_kernels *k = NULL;
    void *work = NULL;
    double x[SIZE];

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    CHECK_OK(pyr_alloc(k, &work, pyr_sampler_work(k, &sampler, 1, SIZE), "work"));
    CHECK_OK(pyr_sample(&(pyr_sampling){.k = k,
                                        .n = 1,
                                        .size = SIZE,
                                        .seeds = &seed,
                                        .denoise = denoise,
                                        .work = work,
                                        .start = start,
                                        .stiff = stiff,
                                        .after = watch,
                                        .after_ctx = w},
                        &sampler, schedule, x));
    CHECK(memcmp(x, w->x[w->steps], sizeof x) == 0);
    pyr_release(k, work);
    pyr_kernels_free(k);
}

static inline bool read_numbers(FILE *file, double *to, int n)
{
    for (int i = 0; i < n; i++)
        if (fscanf(file, "%lf", &to[i]) != 1)
            return false;
    return true;
}

/* Every x on the way, at the same noise levels. A case of the file is "case SPACING n", with SPACING karras or geometric, the n noise
 * levels, the start, and x after each step, the last being D, SIZE numbers each. */
static inline void steps_as_in(const char *golden, pyr_sampler_kind kind, int cases_wanted)
{
    FILE *file = fopen(golden, "r");
    char spacing[16];
    int n, cases = 0;

    CHECK(file != NULL);
    while (file && fscanf(file, " case %15s %d", spacing, &n) == 2) {
        pyr_schedule c = schedule_of(strcmp(spacing, "karras") == 0 ? PYR_CURVE_KARRAS : PYR_CURVE_GEOMETRIC);
        double s[MOST_STEPS], x[MOST_STEPS + 1][SIZE], grid[MOST_STEPS + 1];
        watching w = {.at = -1};

        CHECK(n <= MOST_STEPS && read_numbers(file, s, n) && read_numbers(file, x[0], (n + 1) * SIZE));
        pyr_sampler_grid(&c, n, grid);
        sample(&w, kind, &c, n, x[0], false);
        CHECK(w.steps == n);
        for (int i = 0; i < n; i++) {
            CHECK_CLOSE(grid[i], s[i], 1e-9);
            for (int j = 0; j < SIZE; j++)
                CHECK_CLOSE(w.x[i + 1][j], x[i + 1][j], 1e-9);
        }
        cases++;
    }
    CHECK(cases == cases_wanted);
    if (file)
        fclose(file);
}

/* Where D is pulled hard its steps are those of DDIM, of first order. */
static inline void stiff_steps_are_ddim(pyr_sampler_kind kind)
{
    pyr_schedule c = schedule_of(PYR_CURVE_KARRAS);
    watching ddim = {.at = -1}, stiff = {.at = -1};

    sample(&ddim, PYR_DDIM, &c, 9, far_start, false);
    sample(&stiff, kind, &c, 9, far_start, true);
    for (int i = 1; i <= 9; i++)
        for (int j = 0; j < SIZE; j++)
            CHECK_CLOSE(stiff.x[i][j], ddim.x[i][j], 1e-12);
}

#endif
