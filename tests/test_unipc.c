/* test_unipc.c - the sampler unipc against diffusers' UniPCMultistepScheduler, against dpmpp-2m, and with hooks that
 * change x. What every sampler must do is in test_samplers.c. */
#include "tests/check.h"

#include "base/mem.h"
#include "diffusion/sampler.h"
#include <stdio.h>

#define GOLDEN "tests/golden/samplers/unipc.txt"

enum { SIZE = 8, MOST_STEPS = 32 };

/* z = +-1 with a spread of 0.3, each number by itself */
static double denoised(double x, double s)
{
    double v = 0.09;

    return (v * x + s * s * tanh(x / (v + s * s))) / (v + s * s);
}

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
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

static pyr_status watch(void *ctx, int step, double s, void *x, const void *d)
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

static pyr_schedule schedule_of(pyr_curve curve)
{
    return (pyr_schedule){.family = PYR_VE, .curve = curve, .s_min = 0.02, .s_max = 10, .rho = 7, .scale = 1};
}

static void sample(watching *w, pyr_sampler_kind kind, const pyr_schedule *schedule, int steps,
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

static bool read_numbers(FILE *file, double *to, int n)
{
    for (int i = 0; i < n; i++)
        if (fscanf(file, "%lf", &to[i]) != 1)
            return false;
    return true;
}

/* Every x on the way, at the same noise levels. */
static void diffusers_steps(void)
{
    FILE *file = fopen(GOLDEN, "r");
    char spacing[16];
    int n, cases = 0;

    CHECK(file != NULL);
    while (file && fscanf(file, " case %15s %d", spacing, &n) == 2) {
        pyr_schedule c = schedule_of(strcmp(spacing, "karras") == 0 ? PYR_CURVE_KARRAS : PYR_CURVE_GEOMETRIC);
        double s[MOST_STEPS], x[MOST_STEPS + 1][SIZE], grid[MOST_STEPS + 1];
        watching w = {.at = -1};

        CHECK(n <= MOST_STEPS && read_numbers(file, s, n) && read_numbers(file, x[0], (n + 1) * SIZE));
        pyr_sampler_grid(&c, n, grid);
        sample(&w, PYR_UNIPC, &c, n, x[0], false);
        CHECK(w.steps == n);
        for (int i = 0; i < n; i++) {
            CHECK_CLOSE(grid[i], s[i], 1e-9);
            for (int j = 0; j < SIZE; j++)
                CHECK_CLOSE(w.x[i + 1][j], x[i + 1][j], 1e-9);
        }
        cases++;
    }
    CHECK(cases == 4);
    if (file)
        fclose(file);
}

static const double start[SIZE] = {-15, -11, -7, -3, 1, 5, 9, 13};

/* The ODE's solution at s_min from `start`, by many steps of Heun's method in log s. */
static double solution(double x)
{
    enum { STEPS = 20000 };
    double h = log(10 / 0.02) / STEPS, s = 10;

    for (int i = 0; i < STEPS; i++) {
        double k1 = denoised(x, s) - x, there = x + h * k1, k2;

        s = 10 * exp(-h * (i + 1));
        k2 = denoised(there, s) - there;
        x += h * (k1 + k2) / 2;
    }
    return x;
}

/* With as many evaluations the corrector comes nearer to the solution, where D is not linear, too. */
static void corrector_pays(void)
{
    pyr_schedule c = schedule_of(PYR_CURVE_KARRAS);

    for (int n = 12; n <= MOST_STEPS; n += 4) {
        watching plain = {.at = -1}, corrected = {.at = -1};
        double off[2] = {0};

        sample(&plain, PYR_DPMPP_2M, &c, n, start, false);
        sample(&corrected, PYR_UNIPC, &c, n, start, false);
        for (int j = 0; j < SIZE; j++) {
            double exact = solution(start[j]);

            off[0] += fabs(plain.x[n - 1][j] - exact) / SIZE;
            off[1] += fabs(corrected.x[n - 1][j] - exact) / SIZE;
        }
        if (!(off[1] < 0.45 * off[0]))
            CHECK_REPORT("%d steps: dpmpp-2m is off by %g, unipc by %g", n, off[0], off[1]);
    }
}

/* What a hook does to x is not undone by the correction of the step before it: on to the end it has the effect that
 * it has on DPM-Solver++'s x. */
static void changes_by_hooks_stay(void)
{
    pyr_schedule c = schedule_of(PYR_CURVE_KARRAS);

    for (int at = 0; at < 10; at++) {
        double moved[2] = {0};

        for (int which = 0; which < 2; which++) {
            pyr_sampler_kind kind = which ? PYR_UNIPC : PYR_DPMPP_2M;
            watching with = {.at = at, .add = 0.01}, without = {.at = -1};

            sample(&with, kind, &c, 12, start, false);
            sample(&without, kind, &c, 12, start, false);
            for (int j = 0; j < SIZE; j++)
                moved[which] += with.x[11][j] - without.x[11][j];
        }
        if (fabs(moved[1] / moved[0] - 1) > 0.15)
            CHECK_REPORT("0.01 after step %d: dpmpp-2m's x moves by %g in the end, unipc's by %g", at,
                         moved[0], moved[1]);
    }
}

/* Stiff: DDIM's steps, means of x and D. */
static void stiff_is_first_order(void)
{
    pyr_schedule c = schedule_of(PYR_CURVE_KARRAS);
    watching ddim = {.at = -1}, stiff = {.at = -1};

    sample(&ddim, PYR_DDIM, &c, 9, start, false);
    sample(&stiff, PYR_UNIPC, &c, 9, start, true);
    for (int i = 1; i <= 9; i++)
        for (int j = 0; j < SIZE; j++)
            CHECK_CLOSE(stiff.x[i][j], ddim.x[i][j], 1e-12);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(diffusers_steps);
    RUN(corrector_pays);
    RUN(changes_by_hooks_stay);
    RUN(stiff_is_first_order);
    return CHECK_DONE();
}
