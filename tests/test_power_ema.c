/* test_power_ema.c - averages of weights with power functions: lengths against moments of the profiles by numerical
 * integration, updates against the weights that they should give, combinations against averages that were kept all along. */
#include "tests/check.h"

#include "graph/power_ema.h"
#include <math.h>

static double profile_at(const pyr_ema_profile *p, double u)
{
    return u > p->t ? 0 : (p->power + 1) * pow(u / p->t, p->power) / p->t;
}

static void lengths(void)
{
    /* Karras et al. 2024, section 3.2: 5 and 10 percent are powers 16.97 and 6.94 */
    CHECK_CLOSE(pyr_ema_power(0.05), 16.97, 0.005);
    CHECK_CLOSE(pyr_ema_power(0.10), 6.94, 0.005);
    CHECK_CLOSE(pyr_ema_length(0), PYR_EMA_LONGEST, 1e-15);
    for (double length = 0.01; length < 0.28; length *= 1.3) {
        enum { CELLS = 200000 };
        pyr_ema_profile p = {pyr_ema_power(length), 1};
        double sum = 0, mean = 0, square = 0;

        CHECK_CLOSE(pyr_ema_length(p.power), length, 1e-12);
        for (int i = 0; i < CELLS; i++) {
            double u = (i + 0.5) / CELLS, w = profile_at(&p, u) / CELLS;

            sum += w;
            mean += w * u;
            square += w * u * u;
        }
        CHECK_CLOSE(sum, 1, 1e-6);
        CHECK_CLOSE(sqrt(square - mean * mean), length, 1e-6);
    }
}

/* After n updates value i has the weight (i^(g+1) - (i-1)^(g+1))/n^(g+1), the integral of the profile over its step. */
static void updates(void)
{
    enum { N = 50 };

    for (double g = 0; g < 20; g += 4.7) {
        double weight[N + 1] = {0};

        for (int t = 1; t <= N; t++) {
            double b = pyr_ema_keep(g, t);

            for (int i = 1; i < t; i++)
                weight[i] *= b;
            weight[t] = 1 - b;
        }
        for (int i = 1; i <= N; i++)
            CHECK_CLOSE(weight[i], (pow(i, g + 1) - pow(i - 1, g + 1)) / pow(N, g + 1), 1e-12);
    }
}

static void inner_products(void)
{
    static const pyr_ema_profile some[] = {{16.97, 1}, {6.94, 1}, {6.94, 0.7}, {0, 0.4}, {2, 0.9}};
    enum { SOME = sizeof some / sizeof *some, CELLS = 200000 };

    for (int a = 0; a < SOME; a++)
        for (int b = 0; b < SOME; b++) {
            double sum = 0;

            for (int i = 0; i < CELLS; i++) {
                double u = (i + 0.5) / CELLS;

                sum += profile_at(&some[a], u) * profile_at(&some[b], u) / CELLS;
            }
            CHECK_CLOSE(pyr_ema_inner(&some[a], &some[b]) / sum, 1, 2e-4);
        }
}

/* Values that go their way with some chance in it; averages of 5 and 10 percent kept at 8 moments give all in between,
 * and some beyond, at the end and in the middle. */
static void made_afterwards(void)
{
    enum { STEPS = 4000, KEPT = 8, TOLD = 5, MOMENTS = 2 };
    static const double told[TOLD] = {0.05, 0.06, 0.08, 0.12, 0.2};
    static const double bound[TOLD] = {1e-9, 2e-3, 2e-3, 5e-3, 2e-2};
    pyr_ema_profile profile[2 * KEPT];
    double kept[2 * KEPT], ema[2] = {0}, direct[TOLD] = {0}, wanted[MOMENTS][TOLD], value = 0, spread = 0;
    int n = 0;

    for (int t = 1; t <= STEPS; t++) {
        value = sin(t / 900.0) + 0.3 * cos(t / 137.0) + t / 2000.0;
        spread = fmax(spread, fabs(value));
        for (int i = 0; i < TOLD; i++) {
            double b = pyr_ema_keep(pyr_ema_power(told[i]), t);

            direct[i] = b * direct[i] + (1 - b) * value;
        }
        for (int i = 0; i < 2; i++) {
            double power = pyr_ema_power(i ? 0.10 : 0.05), b = pyr_ema_keep(power, t);

            ema[i] = b * ema[i] + (1 - b) * value;
            if (t % (STEPS / KEPT) == 0) {
                profile[n] = (pyr_ema_profile){power, t};
                kept[n++] = ema[i];
            }
        }
        if (t == STEPS / 2 || t == STEPS)
            for (int i = 0; i < TOLD; i++)
                wanted[t == STEPS][i] = direct[i];
    }
    CHECK(n == 2 * KEPT);
    for (int moment = 0; moment < MOMENTS; moment++)
        for (int i = 0; i < TOLD; i++) {
            pyr_ema_profile target = {pyr_ema_power(told[i]), moment ? STEPS : STEPS / 2.0};
            double c[2 * KEPT], distance, sum = 0, total = 0;

            CHECK_OK(pyr_ema_combine(c, &distance, profile, (size_t)(moment ? n : n / 2), &target));
            for (int j = 0; j < (moment ? n : n / 2); j++) {
                sum += c[j] * kept[j];
                total += c[j];
            }
            CHECK(distance < (i == 0 ? 1e-6 : i == TOLD - 1 ? 0.4 : 0.05));
            if (i == TOLD - 1) /* longer than both: their sum is short of 1, and is put right */
                sum /= total;
            CHECK_CLOSE(sum, wanted[moment][i], (moment ? 1 : 5) * bound[i] * spread);
            CHECK_CLOSE(total, 1, i == TOLD - 1 ? 0.12 : 0.02);
        }
}

static void mistakes(void)
{
    const pyr_ema_profile same[2] = {{5, 1}, {5, 1}}, target = {7, 1};
    double c[2];

    CHECK_FAILS(pyr_ema_combine(c, NULL, same, 2, &target), PYR_E_NUMERIC, "too much alike");
    CHECK_OK(pyr_ema_combine(c, NULL, same, 1, same));
    CHECK_CLOSE(c[0], 1, 1e-12);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(lengths);
    RUN(updates);
    RUN(inner_products);
    RUN(made_afterwards);
    RUN(mistakes);
    return CHECK_DONE();
}
