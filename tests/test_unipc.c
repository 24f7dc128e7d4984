/* test_unipc.c - the sampler unipc against diffusers' UniPCMultistepScheduler, against dpmpp-2m, and with hooks that
 * change x. What every sampler must do is in test_samplers.c. */
#include "tests/sampler_steps.h"

static void diffusers_steps(void)
{
    steps_as_in("tests/golden/samplers/unipc.txt", PYR_UNIPC, 4);
}

/* The ODE's solution at s_min from `far_start`, by many steps of Heun's method in log s. */
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

        sample(&plain, PYR_DPMPP_2M, &c, n, far_start, false);
        sample(&corrected, PYR_UNIPC, &c, n, far_start, false);
        for (int j = 0; j < SIZE; j++) {
            double exact = solution(far_start[j]);

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

            sample(&with, kind, &c, 12, far_start, false);
            sample(&without, kind, &c, 12, far_start, false);
            for (int j = 0; j < SIZE; j++)
                moved[which] += with.x[11][j] - without.x[11][j];
        }
        if (fabs(moved[1] / moved[0] - 1) > 0.15)
            CHECK_REPORT("0.01 after step %d: dpmpp-2m's x moves by %g in the end, unipc's by %g", at,
                         moved[0], moved[1]);
    }
}

static void stiff_is_first_order(void)
{
    stiff_steps_are_ddim(PYR_UNIPC);
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
