/* test_schedule.c - schedules against closed forms, numerical derivatives and simulation; densities and
 * weights of training; what networks predict. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/prediction.h"
#include "diffusion/schedule.h"
#include <stdbool.h>

static const double pi = 3.14159265358979323846;

static pyr_schedule schedule_of(pyr_family family, pyr_curve curve, double scale)
{
    return (pyr_schedule){.family = family,
                          .curve = curve,
                          .s_min = 0.002,
                          .s_max = 80,
                          .beta_min = 0.1,
                          .beta_max = 20,
                          .rho = 7,
                          .base = 400,
                          .scale = scale};
}

/* ---- schedules --------------------------------------------------------------------------------- */

static int count(const char *const *names)
{
    int n = 0;

    while (names[n])
        n++;
    return n;
}

/* family and curve of test number i, and the scale; false after the last */
static bool schedule_number(int i, double scale, pyr_schedule *out)
{
    int curves = count(pyr_curve_names), family = i / 2 / curves, curve = i / 2 % curves;

    *out = schedule_of((pyr_family)family, (pyr_curve)curve, i % 2 ? scale : 1);
    return family < count(pyr_family_names);
}

static void there_and_back(void)
{
    pyr_schedule c;

    for (int number = 0; schedule_number(number, 1.75, &c); number++) {
        double before = 0, lo = pyr_schedule_t_min(&c), hi = pyr_schedule_t_max(&c);
        int curve = c.curve;

        CHECK_OK(pyr_schedule_check(&c));
        if (c.family != PYR_SUB_VP || c.scale == 1) { /* the scale is of vp's */
            CHECK_CLOSE(pyr_schedule_s(&c, lo), 0.002 * c.scale, 1e-12);
            CHECK_CLOSE(pyr_schedule_s(&c, hi), 80 * c.scale, 1e-9);
        }
        CHECK(lo >= 0 && lo < hi && hi <= 1 + 1e-12);
        if (curve == PYR_CURVE_GEOMETRIC || curve == PYR_CURVE_KARRAS) {
            CHECK_CLOSE(lo, 0, 1e-12);
            CHECK_CLOSE(hi, 1, 1e-12);
        }
        for (int i = 1; i < 200; i++) {
            double t = lo + (hi - lo) * i / 200, s = pyr_schedule_s(&c, t);

            CHECK(s > before); /* lambda falls */
            before = s;
            CHECK_CLOSE(pyr_schedule_t(&c, s), t, 1e-11);
            CHECK_CLOSE(pyr_schedule_s(&c, pyr_schedule_t(&c, s)) / s, 1, 1e-9);
        }
    }
}

/* sigma of z_t */
static double sigma_at(const pyr_schedule *c, double t)
{
    double s = pyr_schedule_s(c, t);

    return s * pyr_alpha(c->family, s);
}

static void derivatives(void)
{
    const double h = 1e-6;

    pyr_schedule c;

    for (int number = 0; schedule_number(number, 0.4, &c); number++) {
        double lo = pyr_schedule_t_min(&c), hi = pyr_schedule_t_max(&c);

        for (int i = 1; i < 40; i++) {
            double t = lo + (hi - lo) * i / 40;
            double up = pyr_schedule_s(&c, t + h), down = pyr_schedule_s(&c, t - h);
            double slope = (log(up) - log(down)) / (2 * h);
            double f = (log(pyr_alpha(c.family, up)) - log(pyr_alpha(c.family, down))) / (2 * h);
            double sigma = sigma_at(&c, t), a = sigma_at(&c, t + h), b = sigma_at(&c, t - h);
            /* d sigma^2 = 2 f sigma^2 + g^2 (variance of z_t given z) */
            double g2 = (a * a - b * b) / (2 * h) - 2 * f * sigma * sigma;

            CHECK_CLOSE(pyr_schedule_slope(&c, t), slope, 1e-6 * fabs(slope));
            CHECK_CLOSE(pyr_drift(&c, t), f, 1e-6 * fmax(fabs(f), 1e-3));
            CHECK_CLOSE(pyr_diffusion2(&c, t), g2, 1e-6 * fmax(g2, 1e-3));
        }
    }
}

static void closed_forms(void)
{
    pyr_schedule linear = schedule_of(PYR_VP, PYR_CURVE_LINEAR, 1),
                 cosine = schedule_of(PYR_VP, PYR_CURVE_COSINE, 1);
    pyr_schedule geometric = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 1),
                 karras = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 1);
    pyr_schedule sub = schedule_of(PYR_SUB_VP, PYR_CURVE_LINEAR, 1),
                 power = schedule_of(PYR_VE, PYR_CURVE_POWER, 1);

    for (int i = 1; i < 20; i++) {
        double t = i / 20.0, beta = 0.1 + 19.9 * t, b = 0.1 * t + 19.9 * t * t / 2, s, sigma;

        s = pyr_schedule_s(&linear, t);
        CHECK_CLOSE(-2 * log(s), -log(exp(b) - 1), 1e-9);
        /* Song et al. 2021, equation 11 and appendix C: dz = -beta z / 2 dt + sqrt(beta) dw */
        CHECK_CLOSE(pyr_drift(&linear, t), -beta / 2, 1e-9 * beta);
        CHECK_CLOSE(pyr_diffusion2(&linear, t), beta, 1e-9 * beta);
        CHECK_CLOSE(pyr_alpha(PYR_VP, s), exp(-b / 2), 1e-12);
        s = pyr_schedule_s(&cosine, t);
        CHECK_CLOSE(-2 * log(s), -2 * log(tan(pi * t / 2)), 1e-9);
        CHECK_CLOSE(pyr_alpha(PYR_VP, s), cos(pi * t / 2), 1e-12);
        sigma = pyr_schedule_s(&geometric, t);
        CHECK_CLOSE(sigma, 0.002 * pow(40000, t), 1e-9 * sigma);
        CHECK_CLOSE(pyr_diffusion2(&geometric, t), 2 * sigma * sigma * log(40000), 1e-9 * sigma * sigma * 20);
        CHECK(pyr_drift(&geometric, t) == 0 && pyr_alpha(PYR_VE, sigma) == 1);
        /* Song et al. 2021, appendix B: sub-VP has 1 - e^{-B} for VP's sqrt(1 - e^{-B}), and
         * g^2 = beta (1 - e^{-2B}) */
        s = pyr_schedule_s(&sub, t);
        CHECK_CLOSE(pyr_alpha(PYR_SUB_VP, s), exp(-b / 2), 1e-9);
        CHECK_CLOSE(s * pyr_alpha(PYR_SUB_VP, s), 1 - exp(-b), 1e-9);
        CHECK_CLOSE(pyr_drift(&sub, t), -beta / 2, 1e-9 * beta);
        CHECK_CLOSE(pyr_diffusion2(&sub, t), beta * (1 - exp(-2 * b)), 1e-9 * beta);
        /* dz = b^t dw: variance (b^2t - 1) / (2 log b) */
        CHECK_CLOSE(pow(pyr_schedule_s(&power, t), 2), (pow(400, 2 * t) - 1) / (2 * log(400)), 1e-7);
        CHECK_CLOSE(pyr_diffusion2(&power, t), pow(400, 2 * t), 1e-9 * pow(400, 2 * t));
    }
    /* Karras et al. 2022, equation 5: 18 steps from 80 to 0.002 with rho 7 */
    for (int i = 0; i < 18; i++) {
        double a = pow(80, 1 / 7.0), b = pow(0.002, 1 / 7.0), s = pow(a + i / 17.0 * (b - a), 7);

        CHECK_CLOSE(pyr_schedule_s(&karras, 1 - i / 17.0), s, 1e-9 * s);
    }
}

/* lambda_i(t) = lambda(t) + 2 log(r / d) */
static void resolution_shifts_the_snr(void)
{
    const double d = 28, r = 64;

    for (int curve = PYR_CURVE_GEOMETRIC; curve <= PYR_CURVE_POWER; curve++) {
        pyr_schedule plain = schedule_of(PYR_VP, (pyr_curve)curve, 1), moved = plain;
        pyr_noise noise = {.density = PYR_LOG_NORMAL, .mean = -0.8, .std = 1.4};

        moved.scale = d / r;
        for (int i = 1; i < 10; i++) {
            double t = i / 10.0, u = i / 10.0;

            CHECK_CLOSE(-2 * log(pyr_schedule_s(&moved, t)),
                        -2 * log(pyr_schedule_s(&plain, t)) + 2 * log(r / d), 1e-9);
            for (int density = PYR_LOG_NORMAL; density <= PYR_UNIFORM_T; density++) {
                noise.density = (pyr_density)density;
                CHECK_CLOSE(pyr_noise_quantile(&noise, &moved, u) / pyr_noise_quantile(&noise, &plain, u),
                            d / r, 1e-9);
            }
        }
        CHECK_CLOSE(pyr_schedule_t_min(&moved), pyr_schedule_t_min(&plain), 0);
        CHECK_CLOSE(pyr_schedule_t_max(&moved), pyr_schedule_t_max(&plain), 0);
    }
}

static void bad_schedules(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 1);

    c.s_min = 0;
    CHECK_FAILS(pyr_schedule_check(&c), PYR_E_CONFIG, "sigma_min is 0");
    c.s_min = 90;
    CHECK_FAILS(pyr_schedule_check(&c), PYR_E_CONFIG, "sigma_max is 80");
    c.s_min = NAN;
    CHECK_STATUS(pyr_schedule_check(&c), PYR_E_CONFIG);
    c = schedule_of(PYR_VP, PYR_CURVE_LINEAR, 1);
    c.beta_max = 0.1;
    CHECK_FAILS(pyr_schedule_check(&c), PYR_E_CONFIG, "beta_max is 0.1");
    c = schedule_of(PYR_VE, PYR_CURVE_POWER, 1);
    c.base = 1;
    CHECK_FAILS(pyr_schedule_check(&c), PYR_E_CONFIG, "power_base is 1");
}

static void names(void)
{
    CHECK_STRING(pyr_family_names[PYR_VE], "ve");
    CHECK_STRING(pyr_family_names[PYR_VP], "vp");
    CHECK_STRING(pyr_curve_names[PYR_CURVE_GEOMETRIC], "geometric");
    CHECK_STRING(pyr_curve_names[PYR_CURVE_LINEAR], "linear");
    CHECK_STRING(pyr_curve_names[PYR_CURVE_COSINE], "cosine");
    CHECK_STRING(pyr_curve_names[PYR_CURVE_KARRAS], "karras");
    CHECK_STRING(pyr_density_names[PYR_LOG_NORMAL], "log-normal");
    CHECK_STRING(pyr_density_names[PYR_UNIFORM_T], "uniform");
    CHECK_STRING(pyr_weight_names[PYR_WEIGHT_EDM], "edm");
    CHECK_STRING(pyr_weight_names[PYR_WEIGHT_SIMPLE], "simple");
    CHECK_STRING(pyr_family_names[PYR_SUB_VP], "sub-vp");
    CHECK_STRING(pyr_curve_names[PYR_CURVE_POWER], "power");
    CHECK_STRING(pyr_weight_names[PYR_WEIGHT_LIKELIHOOD], "likelihood");
    CHECK_STRING(pyr_weight_names[PYR_WEIGHT_MIN_SNR], "min-snr");
    CHECK_STRING(pyr_prediction_names[PYR_PREDICT_F], "f");
    CHECK_STRING(pyr_prediction_names[PYR_PREDICT_SCORE], "score");
}

/* Euler-Maruyama of the forward SDE from z = 1: mean alpha(t) / alpha(t_0), variance so that of z_t given z_0
 * is sigma^2. */
static void forward_process_as_simulated(void)
{
    enum { PATHS = 4000, STEPS = 500 };
    pyr_schedule c;

    for (int number = 0; schedule_number(number, 0.7, &c); number++) {
        double lo, dt, mean = 0, square = 0, a0, a1, var0, var1, want_mean, want_var;

        c.s_min = 0.05;
        c.s_max = 4;
        lo = pyr_schedule_t_min(&c);
        dt = (pyr_schedule_t_max(&c) - lo) / STEPS;
        for (uint32_t path = 0; path < PATHS; path += 4) {
            double z[4] = {1, 1, 1, 1};

            for (uint32_t i = 0; i < STEPS; i++) {
                double t = lo + (i + 0.5) * dt, f = pyr_drift(&c, t), g = sqrt(pyr_diffusion2(&c, t) * dt);
                float eps[4];

                pyr_normal4(7, path / 4, i, (uint32_t)number, 99, eps);
                for (int j = 0; j < 4; j++)
                    z[j] += f * z[j] * dt + g * (double)eps[j];
            }
            for (int j = 0; j < 4; j++) {
                mean += z[j] / PATHS;
                square += z[j] * z[j] / PATHS;
            }
        }
        a0 = pyr_alpha(c.family, pyr_schedule_s(&c, lo));
        a1 = pyr_alpha(c.family, pyr_schedule_s(&c, lo + STEPS * dt));
        var0 = pow(sigma_at(&c, lo), 2);
        var1 = pow(sigma_at(&c, lo + STEPS * dt), 2);
        want_mean = a1 / a0;
        want_var = var1 - pow(a1 / a0, 2) * var0;
        CHECK_CLOSE(mean, want_mean, 4.5 * sqrt(want_var / PATHS) + 0.005);
        CHECK_CLOSE((square - mean * mean) / want_var, 1, 4.5 * sqrt(2.0 / PATHS) + 0.02);
    }
}

/* ---- noise levels in training ------------------------------------------------------------------ */

static void quantiles(void)
{
    static const double known[][2] = {
        {0.5, 0},
        {0.975, 1.959963984540054},
        {0.99, 2.326347874040841},
        {0.841344746068543, 1.000000000000000},
        {0.9986501019683699, 3},
        {1e-10, -6.361340902404056},
        {0.25, -0.6744897501960817},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK_CLOSE(pyr_normal_quantile(known[i][0]), known[i][1], 2e-14 * fmax(1, fabs(known[i][1])));
    for (double p = 1e-300; p < 0.5; p *= 3) { /* Phi(x) = erfc(-x / sqrt 2) / 2 */
        double x = pyr_normal_quantile(p);

        CHECK_CLOSE(erfc(-x / sqrt(2)) / 2 / p, 1, 2e-15 * (2 + x * x));
    }
    for (int i = 1; i < 1000; i++) {
        double p = i / 1000.0, x = pyr_normal_quantile(p);

        CHECK_CLOSE(erfc(-x / sqrt(2)) / 2, p, 1e-15 * 4);
        CHECK_CLOSE(pyr_normal_quantile(1 - p), -x, 1e-12);
    }
}

/* The log-normal density has the moments it should. */
static void log_normal_levels(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 1);
    pyr_noise noise = {.density = PYR_LOG_NORMAL, .mean = -0.8, .std = 1.4};
    enum { N = 20000 };
    double sum = 0, square = 0;

    for (int i = 0; i < N; i++) {
        double x = log(pyr_noise_quantile(&noise, &c, (i + 0.5) / N));

        sum += x;
        square += x * x;
    }
    CHECK_CLOSE(sum / N, -0.8, 1e-6);
    CHECK_CLOSE(sqrt(square / N - sum / N * sum / N), 1.4, 1e-3);
    CHECK_CLOSE(pyr_noise_quantile(&noise, &c, 0.5), exp(-0.8), 1e-12);
    noise.density = PYR_UNIFORM_T;
    CHECK_CLOSE(pyr_noise_quantile(&noise, &c, 0.3), pyr_schedule_s(&c, 0.3), 1e-12);
}

/* The mean of w f over the density, by the midpoint rule over quantiles; f lives where both densities do. */
static double expected(const pyr_noise *noise, const pyr_schedule *c)
{
    enum { N = 200000 };
    double sum = 0;

    for (int i = 0; i < N; i++) {
        double s = pyr_noise_quantile(noise, c, (i + 0.5) / N), x = log(s / c->scale) + 0.5;

        sum += pyr_noise_weight(noise, c, s) * s * s * exp(-3 * x * x);
    }
    return sum / N;
}

static void densities_give_the_same_loss(void)
{
    static const pyr_curve curves[] = {PYR_CURVE_GEOMETRIC, PYR_CURVE_LINEAR, PYR_CURVE_COSINE,
                                       PYR_CURVE_KARRAS};

    for (int curve = 0; curve < 4; curve++)
        for (int weight = 0; pyr_weight_names[weight]; weight++) {
            pyr_schedule c = schedule_of(PYR_VE, curves[curve], curve % 2 ? 0.6 : 1);
            pyr_noise normal = {PYR_LOG_NORMAL, -0.8, 1.4, (pyr_weight)weight, 0}, uniform = normal;
            double a, b;

            if (pyr_weight_has_steps((pyr_weight)weight) || weight == PYR_WEIGHT_VELOCITY)
                continue; /* the last is the same for every density */
            uniform.density = PYR_UNIFORM_T;
            a = expected(&normal, &c);
            b = expected(&uniform, &c);
            CHECK(a > 0.01);
            CHECK_CLOSE(a / b, 1, 1e-4);
        }
}

static void weights(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_COSINE, 1);
    pyr_noise edm = {PYR_LOG_NORMAL, -0.8, 1.4, PYR_WEIGHT_EDM, 0};
    pyr_noise simple = {PYR_UNIFORM_T, -0.8, 1.4, PYR_WEIGHT_SIMPLE, 0};

    /* Karras et al. 2022, table 1 with sigma_data 1; Ho et al. 2020: |eps - eps^|^2 = |D - z|^2 / s^2 */
    for (double s = 0.01; s < 50; s *= 1.7) {
        CHECK_CLOSE(pyr_noise_weight(&edm, &c, s), (s * s + 1) / (s * s), 1e-9 / (s * s));
        CHECK_CLOSE(pyr_noise_weight(&simple, &c, s), 1 / (s * s), 1e-9 / (s * s));
    }
    /* outside of the range that the other density covers, nothing */
    edm.density = PYR_UNIFORM_T;
    CHECK(isfinite(pyr_noise_weight(&edm, &c, 1)));
    simple.density = PYR_LOG_NORMAL;
    CHECK(pyr_noise_weight(&simple, &c, 200) == 0);
}

static void more_weights(void)
{
    for (int family = PYR_VE; family <= PYR_SUB_VP; family++) {
        pyr_schedule c = schedule_of((pyr_family)family, PYR_CURVE_LINEAR, 1);
        pyr_noise likelihood = {PYR_UNIFORM_T, 0, 1, PYR_WEIGHT_LIKELIHOOD, 0};
        pyr_noise min_snr = {PYR_UNIFORM_T, 0, 1, PYR_WEIGHT_MIN_SNR, 0};

        for (int i = 1; i < 20; i++) {
            double t = pyr_schedule_t_min(&c) + (pyr_schedule_t_max(&c) - pyr_schedule_t_min(&c)) * i / 20;
            double s = pyr_schedule_s(&c, t), alpha = pyr_alpha(c.family, s), sigma = s * alpha;
            /* |score error|^2 = alpha^2 / sigma^4 |D - z|^2, times g^2 / 2 */
            double want = pyr_diffusion2(&c, t) / 2 * alpha * alpha / pow(sigma, 4);

            CHECK_CLOSE(pyr_noise_weight(&likelihood, &c, s) / want, 1, 1e-9);
            CHECK_CLOSE(pyr_noise_weight(&min_snr, &c, s), fmin(1 / (s * s), 5), 1e-12);
        }
    }
}

/* The bound's steps against the divergence of the two normals of each, in DDPM's alphas and betas (Ho et al. 2020,
 * equations 7 and 12: beta^2 / (2 v alpha (1 - abar)) of |eps - eps^|^2 = |D - z|^2/s^2); their sum; and the limit of
 * many steps, the likelihood's weight times the range of t. */
static void steps_of_the_bound(void)
{
    enum { T = 50 };

    for (int family = 0; pyr_family_names[family]; family++)
        for (int forward = 0; forward < 2; forward++) {
            pyr_schedule c = schedule_of((pyr_family)family, PYR_CURVE_LINEAR, 1);
            pyr_noise noise = {PYR_UNIFORM_T, 0, 1, forward ? PYR_WEIGHT_VLB_FORWARD : PYR_WEIGHT_VLB, T};
            pyr_noise limit = {PYR_UNIFORM_T, 0, 1, PYR_WEIGHT_LIKELIHOOD, 0};
            double r = 0, sum = 0, lowest = 0, s = 0;

            CHECK(pyr_weight_has_steps(noise.weight) && !pyr_weight_has_steps(limit.weight));
            for (int i = 0; i < T; i++, r = s) {
                double a2, b2, alpha, beta, var, of_x0, w;

                s = pyr_noise_quantile(&noise, &c, (i + 0.5) / T);
                w = pyr_noise_weight(&noise, &c, s) / T;
                lowest = i ? lowest : s;
                sum += w;
                a2 = pow(pyr_alpha(c.family, s), 2);
                b2 = i ? pow(pyr_alpha(c.family, r), 2) : 1;
                alpha = a2 / b2;
                beta = a2 * s * s - alpha * b2 * r * r; /* of z_s = sqrt(alpha) z_r + sqrt(beta) eps */
                var = i && !forward ? beta * b2 * r * r / (a2 * s * s) : beta;
                of_x0 = sqrt(b2) * beta / (a2 * s * s); /* equation 7, of any family */
                CHECK_CLOSE(w / (of_x0 * of_x0 / (2 * var)), 1, 1e-8);
                if (c.family == PYR_VP)
                    CHECK_CLOSE(w / (beta * beta / (2 * var * alpha * (1 - a2)) / (s * s)), 1, 1e-8);
            }
            if (!forward)
                CHECK_CLOSE(sum / (0.5 / (lowest * lowest) - 0.5 / (s * s) +
                                   0.5 / (lowest * lowest * pow(pyr_alpha(c.family, lowest), 2))),
                            1, 1e-9);
            noise.times = 200000;
            for (double u = 0.2; u < 1; u += 0.2) {
                double range = pyr_schedule_t_max(&c) - pyr_schedule_t_min(&c);

                s = pyr_noise_quantile(&noise, &c, u);
                CHECK_CLOSE(pyr_noise_weight(&noise, &c, s) / (range * pyr_noise_weight(&limit, &c, s)), 1,
                            1e-3);
            }
        }
}

/* NCSN's L = 10 levels: a geometric sequence, each as often as the others. */
static void discrete_levels(void)
{
    enum { L = 10, N = 1000 };
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 1);
    pyr_noise noise = {PYR_UNIFORM_T, 0, 1, PYR_WEIGHT_SIMPLE, L};
    int count[L] = {0};

    for (int i = 0; i < N; i++) {
        double s = pyr_noise_quantile(&noise, &c, (i + 0.5) / N);
        double at = log(s / 0.002) / log(40000) * (L - 1);
        int level = (int)lrint(at);

        CHECK_CLOSE(at, level, 1e-9);
        CHECK(level >= 0 && level < L);
        count[level]++;
    }
    for (int i = 0; i < L; i++)
        CHECK(count[i] == N / L);
}

/* ---- predictions ------------------------------------------------------------------------------- */

/* A network that gives the target is the denoiser that gives z; and the targets are what their names say. */
static void predictions(void)
{
    const double z = 0.37, eps = -1.2;

    for (double s = 0.003; s < 70; s *= 2.9) {
        double x = z + s * eps, alpha = pyr_alpha(PYR_VP, s), sigma = s * alpha;

        for (int kind = 0; pyr_prediction_names[kind]; kind++) {
            pyr_conversion c = pyr_prediction_at((pyr_prediction)kind, s);
            double target = c.z_part * z + c.eps_part * eps;

            CHECK_CLOSE(c.skip * x + c.out * target, z, 1e-11 * (1 + s));
            if (kind == PYR_PREDICT_X0)
                CHECK_CLOSE(target, z, 0);
            if (kind == PYR_PREDICT_EPSILON)
                CHECK_CLOSE(target, eps, 0);
            if (kind == PYR_PREDICT_V)
                CHECK_CLOSE(target, alpha * eps - sigma * z, 1e-12);
            if (kind == PYR_PREDICT_SCORE) /* of x given z */
                CHECK_CLOSE(target, -(x - z) / (s * s), 1e-9 / s);
        }
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(there_and_back);
    RUN(derivatives);
    RUN(closed_forms);
    RUN(resolution_shifts_the_snr);
    RUN(bad_schedules);
    RUN(names);
    RUN(forward_process_as_simulated);
    RUN(quantiles);
    RUN(log_normal_levels);
    RUN(densities_give_the_same_loss);
    RUN(weights);
    RUN(more_weights);
    RUN(steps_of_the_bound);
    RUN(discrete_levels);
    RUN(predictions);
    return CHECK_DONE();
}
