/* test_toy.c - the losses of score matching against finite differences and against each other's theory; the
 * toy network's gradient against finite differences in double; that every objective learns the known score; the law of Langevin
 * dynamics on a normal distribution. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/sampler.h"
#include "toys/toy_decay.h"
#include "toys/toy_mixture.h"
#include "toys/toy_train.h"
#include <stdlib.h>

/* ---- mixtures ---------------------------------------------------------------------------------- */

static void toys_are_standardised(void)
{
    for (int which = 0; which < PYR_TOYS; which++) {
        double mean[2], covariance[4], sum = 0;
        pyr_mixture *m = NULL;

        CHECK(pyr_toy_names[which] != NULL);
        CHECK_OK(pyr_toy_mixture(&m, (pyr_toy)which));
        pyr_mixture_moments(m, mean, covariance);
        CHECK_CLOSE(mean[0], 0, 1e-14);
        CHECK_CLOSE(mean[1], 0, 1e-14);
        CHECK_CLOSE(covariance[0] + covariance[3], 2, 1e-14);
        for (int i = 0; i < m->modes; i++)
            sum += pyr_mixture_weight(m, i);
        CHECK_CLOSE(sum, 1, 1e-14);
        pyr_mixture_free(m);
    }
    CHECK(pyr_toy_names[PYR_TOYS] == NULL);
}

/* 0.2 and 0.8, ten standard deviations apart along each axis */
static void two_are_as_published(void)
{
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_toy_mixture(&m, PYR_TOY_TWO));
    CHECK_CLOSE(pyr_mixture_weight(m, 0), 0.2, 1e-15);
    CHECK_CLOSE((m->mean[2] - m->mean[0]) / sqrt(m->variance[0]), 10, 1e-12);
    CHECK_CLOSE((m->mean[3] - m->mean[1]) / sqrt(m->variance[3]), 10, 1e-12);
    pyr_mixture_free(m);
}

/* Eliav 2024, figures 3 and 4: distances in standard deviations of a mode, and weights. */
static void near_and_far_are_as_published(void)
{
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_toy_mixture(&m, PYR_TOY_NEAR));
    CHECK_CLOSE(pyr_mixture_weight(m, 0), 0.3, 1e-15);
    CHECK_CLOSE((m->mean[0] - m->mean[2]) / sqrt(m->variance[0]), 2 / sqrt(0.1), 1e-12);
    pyr_mixture_free(m);
    CHECK_OK(pyr_toy_mixture(&m, PYR_TOY_FAR));
    CHECK_CLOSE(pyr_mixture_weight(m, 0), 0.1, 1e-15);
    CHECK_CLOSE((m->mean[1] - m->mean[3]) / sqrt(m->variance[3]), 20, 1e-12);
    pyr_mixture_free(m);
}

static void other_weights(void)
{
    double mean[2], covariance[4];
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_toy_mixture_weighed(&m, PYR_TOY_FAR, (double[]){3, 1}, 2));
    CHECK_CLOSE(pyr_mixture_weight(m, 0), 0.75, 1e-15);
    pyr_mixture_moments(m, mean, covariance); /* still standardised */
    CHECK_CLOSE(mean[0], 0, 1e-14);
    CHECK_CLOSE(covariance[0] + covariance[3], 2, 1e-14);
    pyr_mixture_free(m);
    CHECK_FAILS(pyr_toy_mixture_weighed(&m, PYR_TOY_FAR, (double[]){1, 1, 1}, 3), PYR_E_ARG,
                "3 weights for a mixture of 2");
    CHECK(m == NULL);
    CHECK_FAILS(pyr_toy_mixture_weighed(&m, PYR_TOY_FAR, (double[]){1, 0}, 2), PYR_E_ARG,
                "should be above 0");
}

/* ---- data on a curve ----------------------------------------------------------------------------- */

/* The circle's mean square score with noise s, by quadrature: for small s nearly 1/s^2, that of noise across a line. */
static double mean_square_score(const pyr_mixture *circle, double s)
{
    double sum = 0, mass = 0;

    for (double x = -3; x < 3; x += 0.02)
        for (double y = -3; y < 3; y += 0.02) {
            double score[2], p = exp(pyr_mixture_score(circle, score, (double[]){x, y}, s));

            mass += 4e-4 * p;
            sum += 4e-4 * p * (score[0] * score[0] + score[1] * score[1]);
        }
    CHECK_CLOSE(mass, 1, 1e-6);
    return sum;
}

/* Sliced score matching of points on a circle: with noise the loss comes to -E |score|^2, without it falls far below. */
static void without_noise_there_is_no_least_loss(void)
{
    const double s = 0.1;
    double mean[2], covariance[4], loss[2], least, weight;
    pyr_mixture *circle = NULL;
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_toy_circle(&circle));
    pyr_mixture_moments(circle, mean, covariance);
    CHECK_CLOSE(mean[0], 0, 1e-12);
    CHECK_CLOSE(covariance[0], 1, 1e-12);
    CHECK_CLOSE(covariance[1], 0, 1e-12);
    least = -mean_square_score(circle, s);
    CHECK_CLOSE(least, -1 / (s * s), 0.03 / (s * s));
    CHECK_OK(pyr_kernels_open(&k, "cpu", 2));
    for (int clean = 0; clean < 2; clean++) {
        pyr_toy_network *net = NULL;
        double losses[400];
        pyr_toy_training training = {.data = circle,
                                     .objective = PYR_SLICED_SCORE_MATCHING,
                                     .schedule = {.family = PYR_VE,
                                                  .curve = PYR_CURVE_GEOMETRIC,
                                                  .s_min = 0.0999,
                                                  .s_max = 0.1001,
                                                  .scale = 1},
                                     .noise = {.density = PYR_UNIFORM_T, .weight = PYR_WEIGHT_SIMPLE},
                                     .steps = 400,
                                     .batch = 512,
                                     .learning_rate = 1e-2,
                                     .seed = 3,
                                     .clean = clean,
                                     .losses = losses};

        weight = pyr_noise_weight(&training.noise, &training.schedule, s) * pow(s, 4);
        CHECK_OK(pyr_toy_network_new(&net, k, 2, 3));
        CHECK_OK(pyr_toy_train(net, &loss[clean], &training));
        loss[clean] /= weight;
        CHECK(losses[399] < losses[0]);
        pyr_toy_network_free(net);
    }
    /* finite differences of 0.1 s change the loss by some percent */
    CHECK_CLOSE(loss[0], least, -0.1 * least);
    CHECK(loss[1] < 10 * least);
    pyr_kernels_free(k);
    pyr_mixture_free(circle);
}

/* ---- how fast Langevin dynamics arrives -------------------------------------------------------- */

static const pyr_plane_normal goal = {{0.5, -1}, {1.5, 0.2}};

/* KL by a sum over the plane of a (log a - log b) */
static void divergences_by_integration(void)
{
    const pyr_plane_normal a = {{1, -0.5}, {0.6, 0.3}};
    const double step = 0.02;
    double sum = 0;

    for (double x = -4; x < 6; x += step)
        for (double y = -4; y < 3; y += step) {
            double at[2] = {x, y}, log_a = 0, log_b = 0;

            for (int j = 0; j < 2; j++) {
                log_a -=
                    pow(at[j] - a.mean[j], 2) / (2 * a.variance[j]) + log(2 * acos(-1) * a.variance[j]) / 2;
                log_b -= pow(at[j] - goal.mean[j], 2) / (2 * goal.variance[j]) +
                         log(2 * acos(-1) * goal.variance[j]) / 2;
            }
            sum += exp(log_a) * (log_a - log_b) * step * step;
        }
    CHECK_CLOSE(pyr_plane_divergence(&a, &goal), sum, 1e-6);
    CHECK_CLOSE(pyr_plane_divergence(&a, &a), 0, 1e-15);
}

/* Eliav 2024, theorem 2: never above the bound, and on it where only the mean is off, along the widest axis. */
static void bound_holds_and_is_met(void)
{
    for (int i = 0; i < 200; i++) {
        pyr_plane_normal start = {{3 * sin(3 * i), 3 * cos(7 * i)},
                                  {exp(2 * sin(5 * i)), exp(2 * cos(11 * i))}};
        double t = 0.05 * (i % 60);
        pyr_plane_normal law = pyr_langevin_law(&goal, &start, t);

        CHECK(pyr_plane_divergence(&law, &goal) <= pyr_langevin_bound(&goal, &start, t) * (1 + 1e-12));
        start = (pyr_plane_normal){{3 * sin(3 * i), goal.mean[1]}, {goal.variance[0], goal.variance[1]}};
        law = pyr_langevin_law(&goal, &start, t);
        CHECK_CLOSE(pyr_plane_divergence(&law, &goal), pyr_langevin_bound(&goal, &start, t), 1e-13);
    }
}

typedef struct seen {
    pyr_kernels *k;
    pyr_plane_normal at[4]; /* after each step of the sampler */
    int n;
} seen;

enum { WALKERS = 4096, STEPS = 3, MOVES = 40 };

static pyr_status note(void *ctx, int step, double s, void *x, const void *denoised)
{
    seen *w = ctx;
    static double at[2 * WALKERS];

    (void)step;
    (void)denoised;
    if (s == 0)
        return PYR_OK;
    PYR_TRY(pyr_download_reals(w->k, at, x, 2 * WALKERS));
    w->at[w->n++] = pyr_plane_moments(at, WALKERS);
    return PYR_OK;
}

/* The sampler `ula` of short moves, walker by walker, has the law's means and variances. */
static void langevin_dynamics_has_that_law(void)
{
    const double time = 0.4, small = 1e-3;
    const pyr_plane_normal start = {{2.5, 0}, {0.3, 1}};
    static double x[2 * WALKERS];
    uint64_t seeds[WALKERS];
    pyr_mixture *m = NULL;
    seen w = {.n = 0};
    pyr_sampler sampler = pyr_sampler_usual(PYR_ULA, STEPS + 1);
    pyr_schedule schedule = {
        .family = PYR_VE, .curve = PYR_CURVE_GEOMETRIC, .s_min = small, .s_max = 5, .scale = 1};
    void *at = NULL, *out = NULL, *work = NULL;

    CHECK_OK(pyr_kernels_open(&w.k, "ref-double", 1));
    CHECK_OK(pyr_mixture_new(&m, 1, 2));
    CHECK_OK(pyr_mixture_gaussian(m, 0, 1, goal.mean, (double[]){goal.variance[0], 0, 0, goal.variance[1]}));
    for (int i = 0; i < WALKERS; i++) {
        float eps[4];

        seeds[i] = (uint64_t)i;
        pyr_normal4(5, (uint32_t)i, 0, 0, 1, eps);
        for (int j = 0; j < 2; j++)
            x[2 * i + j] = start.mean[j] + sqrt(start.variance[j]) * (double)eps[j];
    }
    sampler.langevin_steps = MOVES;
    sampler.langevin_epsilon = 2 * time / MOVES;
    CHECK_OK(pyr_alloc(w.k, &at, sizeof x, "start"));
    CHECK_OK(pyr_alloc(w.k, &out, sizeof x, "out"));
    CHECK_OK(pyr_alloc(w.k, &work, pyr_sampler_work(w.k, &sampler, WALKERS, 2), "work"));
    CHECK_OK(pyr_upload_reals(w.k, at, x, 2 * WALKERS));
    CHECK_OK(pyr_sample(&(pyr_sampling){.k = w.k,
                                        .n = WALKERS,
                                        .size = 2,
                                        .seeds = seeds,
                                        .work = work,
                                        .start = at,
                                        .denoise = pyr_mixture_denoise_vectors,
                                        .ctx = &(pyr_mixture_denoiser){.m = m, .k = w.k, .n = WALKERS},
                                        .after = note,
                                        .after_ctx = &w},
                        &sampler, &schedule, out));
    CHECK(w.n == STEPS);
    for (int i = 0; i < w.n; i++) {
        pyr_plane_normal law = pyr_langevin_law(&goal, &start, time * (i + 1));

        for (int j = 0; j < 2; j++) { /* 4 standard errors, and the moves' own: half of a move's share */
            double v = law.variance[j], own = time / MOVES / goal.variance[j];

            CHECK_CLOSE(w.at[i].mean[j], law.mean[j], 4 * sqrt(v / WALKERS) + own);
            CHECK_CLOSE(w.at[i].variance[j], v, 4 * v * sqrt(2.0 / WALKERS) + own * v);
        }
    }
    pyr_release(w.k, at);
    pyr_release(w.k, out);
    pyr_release(w.k, work);
    pyr_mixture_free(m);
    pyr_kernels_free(w.k);
}

/* ---- losses ------------------------------------------------------------------------------------ */

enum { SIZE = 3 };

static void gradients_of_losses(void)
{
    double a[SIZE] = {0.3, -1.2, 0.7}, b[SIZE] = {1.1, 0.2, -0.4}, v[SIZE] = {0.02, -0.05, 0.01};
    double da[SIZE], db[SIZE], unused[SIZE], up, down;
    const double h = 1e-5;

    pyr_score_regression(da, a, b, SIZE);
    for (int j = 0; j < SIZE; j++) {
        double at = a[j];

        a[j] = at + h;
        up = pyr_score_regression(unused, a, b, SIZE);
        a[j] = at - h;
        down = pyr_score_regression(unused, a, b, SIZE);
        a[j] = at;
        CHECK_CLOSE(da[j], (up - down) / (2 * h), 1e-8);
    }
    pyr_score_sliced(da, db, a, b, v, SIZE);
    for (int j = 0; j < 2 * SIZE; j++) {
        double *side = j < SIZE ? a : b, at = side[j % SIZE], unused2[SIZE];

        side[j % SIZE] = at + h;
        up = pyr_score_sliced(unused, unused2, a, b, v, SIZE);
        side[j % SIZE] = at - h;
        down = pyr_score_sliced(unused, unused2, a, b, v, SIZE);
        side[j % SIZE] = at;
        CHECK_CLOSE(j < SIZE ? da[j] : db[j - SIZE], (up - down) / (2 * h), 1e-6);
    }
}

/* The divergence of the score by central differences */
static double divergence(const pyr_mixture *m, const double *x, double s)
{
    const double h = 1e-5;
    double sum = 0;

    for (int j = 0; j < 2; j++) {
        double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]}, a[2], b[2];

        up[j] += h;
        down[j] -= h;
        pyr_mixture_score(m, a, up, s);
        pyr_mixture_score(m, b, down, s);
        sum += (a[j] - b[j]) / (2 * h);
    }
    return sum;
}

/* The mean of the sliced loss over two directions at right angles; the directions' mean of size u u^T is the
 * identity, so that nothing but the finite difference is left of its error. */
static double sliced_at(const pyr_mixture *m, const double *x, double s, double h, double angle)
{
    double sum = 0;

    for (int i = 0; i < 2; i++) {
        double v[2] = {h * cos(angle + i * acos(0)), h * sin(angle + i * acos(0))};
        double plus[2], minus[2], unused[4];

        pyr_mixture_score(m, plus, (double[]){x[0] + v[0], x[1] + v[1]}, s);
        pyr_mixture_score(m, minus, (double[]){x[0] - v[0], x[1] - v[1]}, s);
        sum += pyr_score_sliced(unused, unused + 2, plus, minus, v, 2) / 2;
    }
    return sum;
}

/* |s|^2 + 2 div s, with an error of h^2 */
static void sliced_is_implicit_score_matching(void)
{
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_toy_mixture(&m, PYR_TOY_CROSS));
    for (int i = 0; i < 20; i++) {
        double x[2] = {sin(3 * i), cos(5 * i)}, s = 0.3 + 0.1 * (i % 5), score[2], wanted, coarse, fine;

        pyr_mixture_score(m, score, x, s);
        wanted = score[0] * score[0] + score[1] * score[1] + 2 * divergence(m, x, s);
        coarse = sliced_at(m, x, s, 0.02, i) - wanted;
        fine = sliced_at(m, x, s, 0.01, i) - wanted;
        CHECK_CLOSE(fine, 0, 0.05);
        if (fabs(coarse) > 1e-4)
            CHECK_CLOSE(coarse / fine, 4, 0.1);
    }
    pyr_mixture_free(m);
}

/* Whatever the field, explicit - sliced is E |grad log p|^2, and denoising - explicit is a constant of the
 * data, too (Hyvarinen 2005; Vincent 2011): by sums over the line, for three fields. */
static double field(int which, double x)
{
    return which == 0 ? -x : which == 1 ? 1 - 0.5 * x : 2 * sin(x);
}

typedef struct means {
    double explicitly, denoising, sliced, square;
} means;

/* The densities of z and of x are integrated as sums; x's is p, z's given x is q. */
static means mean_losses(const pyr_mixture *m, double s, int which)
{
    const double h = 0.02, step = 1e-3;
    means e = {0};

    for (double x = -9; x <= 9; x += h) {
        double p = h * exp(pyr_mixture_log_density(m, &x, s)), f = field(which, x), known, unused, v = step;
        double up = field(which, x + v), down = field(which, x - v), unused2;

        pyr_mixture_score(m, &known, &x, s);
        e.explicitly += p * pyr_score_regression(&unused, &f, &known, 1);
        e.sliced += p * pyr_score_sliced(&unused, &unused2, &up, &down, &v, 1);
        e.square += p * known * known;
        for (double eps = -7; eps <= 7; eps += 0.1) {
            double z = x - s * eps, target = -eps / s;
            double q = h * 0.1 * exp(pyr_mixture_log_density(m, &z, 0) - eps * eps / 2) / sqrt(4 * acos(0));

            e.denoising += q * pyr_score_regression(&unused, &f, &target, 1);
        }
    }
    return e;
}

static void objectives_differ_by_constants(void)
{
    pyr_mixture *m = NULL;
    const double s = 0.4;
    double apart = 0;

    CHECK_OK(pyr_mixture_new(&m, 2, 1));
    CHECK_OK(pyr_mixture_isotropic(m, 0, 0.2, (double[]){-1.6}, 0.4));
    CHECK_OK(pyr_mixture_isotropic(m, 1, 0.8, (double[]){0.4}, 0.6));
    for (int which = 0; which < 3; which++) {
        means e = mean_losses(m, s, which);

        CHECK_CLOSE(e.explicitly - e.sliced, e.square, 1e-5 * e.square);
        if (which == 0)
            apart = e.denoising - e.explicitly;
        CHECK_CLOSE(e.denoising - e.explicitly, apart, 1e-6);
        CHECK_CLOSE(apart, 1 / (s * s) - e.square, 1e-6); /* E |eps / s|^2 - E |grad log p|^2 */
    }
    pyr_mixture_free(m);
}

/* ---- the network ------------------------------------------------------------------------------- */

/* J = sum over places of c . F + |F|^2 / 2 */
static void some_loss(void *ctx, int first, int n, const double *f, double *gradient)
{
    double *sum = ctx;

    for (int i = 0; i < n; i++)
        for (int j = 0; j < 2; j++) {
            double c = sin(first + i + j), at = f[2 * i + j];

            sum[first + i] += c * at + at * at / 2;
            gradient[2 * i + j] = c + at;
        }
}

enum { PLACES = 150 }; /* more than two micro-batches, and not a whole number of them */

static double loss_now(pyr_toy_network *net, const double *x, const double *s)
{
    double each[PLACES] = {0}, sum = 0;

    CHECK_OK(pyr_toy_network_gradient(net, x, s, PLACES, some_loss, each));
    for (int i = 0; i < PLACES; i++)
        sum += each[i];
    return sum;
}

static void places(double *x, double *s)
{
    for (int i = 0; i < PLACES; i++) {
        x[2 * i] = sin(i);
        x[2 * i + 1] = cos(3 * i);
        s[i] = 0.1 + 0.05 * i;
    }
}

static void gradient_of_the_network(void)
{
    double x[2 * PLACES], s[PLACES], *value, *grad;
    pyr_toy_network *net = NULL;
    pyr_kernels *k = NULL;
    const double h = 1e-5;
    pyr_optimizer *o;

    places(x, s);
    CHECK_OK(pyr_kernels_open(&k, "ref-double", 2));
    CHECK_OK(pyr_toy_network_new(&net, k, 2, 3));
    o = pyr_toy_network_optimizer(net);
    value = o->value;
    grad = pyr_calloc(o->count, sizeof *grad);
    loss_now(net, x, s);
    memcpy(grad, o->grad, o->count * sizeof *grad);
    for (size_t i = 0; i < o->count; i += o->count / 50) {
        double at = value[i], up, down;

        value[i] = at + h;
        up = loss_now(net, x, s);
        value[i] = at - h;
        down = loss_now(net, x, s);
        value[i] = at;
        CHECK_CLOSE(grad[i], (up - down) / (2 * h), 1e-6 * (1 + fabs(grad[i])));
    }
    pyr_free(grad);
    pyr_toy_network_free(net);
    pyr_kernels_free(k);
}

/* D = skip x + out F, score = (D - x) / s^2, and the callback is D. */
static void what_follows_from_the_network(void)
{
    double x[2 * PLACES], s[PLACES], f[2 * PLACES], d[2 * PLACES], score[2 * PLACES], got[2 * PLACES];
    pyr_toy_network *net = NULL;
    pyr_kernels *k = NULL;
    void *at = NULL, *out = NULL;

    places(x, s);
    CHECK_OK(pyr_kernels_open(&k, "cpu", 2));
    CHECK_OK(pyr_toy_network_new(&net, k, 2, 3));
    CHECK(pyr_toy_network_size(net) == 2);
    CHECK_OK(pyr_toy_network_run(net, f, x, s, PLACES));
    CHECK_OK(pyr_toy_network_denoise(net, d, x, s, PLACES));
    CHECK_OK(pyr_toy_network_score(net, score, x, s, PLACES));
    CHECK_OK(pyr_alloc(k, &at, 2 * PLACES * sizeof(double), "x"));
    CHECK_OK(pyr_alloc(k, &out, 2 * PLACES * sizeof(double), "out"));
    CHECK_OK(pyr_upload_reals(k, at, x, 2 * PLACES));
    CHECK_OK(pyr_toy_network_denoise_vectors(&(pyr_toy_denoiser){net, k, PLACES}, at, s, out));
    CHECK_OK(pyr_download_reals(k, got, out, 2 * PLACES));
    for (int i = 0; i < 2 * PLACES; i++) {
        double t = s[i / 2], wanted = x[i] / (1 + t * t) + t / sqrt(1 + t * t) * f[i];

        CHECK_CLOSE(d[i], wanted, 1e-12);
        CHECK_CLOSE(score[i], (wanted - x[i]) / (t * t), 1e-10 / (t * t));
        CHECK_CLOSE(got[i], wanted, 1e-6);
    }
    pyr_release(k, at);
    pyr_release(k, out);
    pyr_toy_network_free(net);
    pyr_kernels_free(k);
}

/* ---- training ---------------------------------------------------------------------------------- */

static pyr_toy_training training_of(const pyr_mixture *m, pyr_objective objective, pyr_weight weight)
{
    bool edm = weight == PYR_WEIGHT_EDM;

    return (pyr_toy_training){
        .data = m,
        .objective = objective,
        .schedule = {.family = PYR_VP, .curve = PYR_CURVE_COSINE, .s_min = 0.02, .s_max = 20, .scale = 1},
        .noise = {edm ? PYR_LOG_NORMAL : PYR_UNIFORM_T, -0.8, 1.4, weight, 0},
        .steps = 500,
        .batch = 256,
        .learning_rate = 1e-2,
        .seed = 1};
}

/* E |score - known|^2 / E |known|^2 at noise level s */
static double error_at(pyr_toy_network *net, const pyr_mixture *m, double s)
{
    double error = NAN, square = NAN;

    CHECK_OK(pyr_toy_network_error(&error, &square, net, m, s, 2000, 5));
    return error / square;
}

static void every_objective_learns_the_score(void)
{
    static const struct {
        pyr_objective objective;
        pyr_weight weight;
    } rows[] = {{PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_EDM},
                {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_SIMPLE},
                {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_LIKELIHOOD},
                {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_MIN_SNR},
                {PYR_EXPLICIT_SCORE_MATCHING, PYR_WEIGHT_SIMPLE},
                {PYR_SLICED_SCORE_MATCHING, PYR_WEIGHT_SIMPLE}};
    pyr_mixture *m = NULL;
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 2));
    CHECK_OK(pyr_toy_mixture(&m, PYR_TOY_TWO));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pyr_toy_training training = training_of(m, rows[i].objective, rows[i].weight);
        pyr_toy_network *net = NULL;
        double loss = NAN, near, far;

        CHECK_OK(pyr_toy_network_new(&net, k, 2, 1));
        CHECK(error_at(net, m, 0.4) > 0.2); /* it knows nothing yet */
        CHECK_OK(pyr_toy_train(net, &loss, &training));
        near = error_at(net, m, 0.4);
        far = error_at(net, m, 1.5);
        CHECK(isfinite(loss));
        if (!(near < 0.06 && far < 0.04))
            CHECK_REPORT("%s, %s: relative errors %.4f and %.4f", pyr_objective_names[rows[i].objective],
                         pyr_weight_names[rows[i].weight], near, far);
        pyr_toy_network_free(net);
    }
    pyr_mixture_free(m);
    pyr_kernels_free(k);
}

static void the_number_of_threads_changes_nothing(void)
{
    double score[2][20];
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_toy_mixture(&m, PYR_TOY_RING));
    for (int i = 0; i < 2; i++) {
        pyr_toy_training training = training_of(m, PYR_SLICED_SCORE_MATCHING, PYR_WEIGHT_SIMPLE);
        double x[20], s[10];
        pyr_toy_network *net = NULL;
        pyr_kernels *k = NULL;

        training.steps = 10;
        training.batch = 300;
        for (int j = 0; j < 20; j++) {
            x[j] = sin(j);
            s[j / 2] = 0.5;
        }
        CHECK_OK(pyr_kernels_open(&k, "cpu", i == 0 ? 1 : 3));
        CHECK_OK(pyr_toy_network_new(&net, k, 2, 1));
        CHECK_OK(pyr_toy_train(net, NULL, &training));
        CHECK_OK(pyr_toy_network_score(net, score[i], x, s, 10));
        pyr_toy_network_free(net);
        pyr_kernels_free(k);
    }
    CHECK(memcmp(score[0], score[1], sizeof score[0]) == 0);
    pyr_mixture_free(m);
}

static void without_memory(void)
{
    pyr_status status = PYR_E_NOMEM;
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    for (long n = 0; status != PYR_OK && n < 500; n++) {
        size_t before = pyr_mem().live_blocks;
        pyr_mixture *m = NULL;
        pyr_toy_network *net = NULL;

        pyr_mem_fail_after(n);
        status = pyr_toy_mixture(&m, PYR_TOY_CROSS);
        if (status == PYR_OK)
            status = pyr_toy_network_new(&net, k, 2, 1);
        if (status == PYR_OK) {
            pyr_toy_training training = training_of(m, PYR_EXPLICIT_SCORE_MATCHING, PYR_WEIGHT_SIMPLE);

            training.steps = 1;
            training.batch = 4;
            status = pyr_toy_train(net, NULL, &training);
        }
        pyr_mem_fail_after(-1);
        CHECK(status == PYR_OK || status == PYR_E_NOMEM);
        pyr_toy_network_free(net);
        pyr_mixture_free(m);
        CHECK(pyr_mem().live_blocks == before);
    }
    CHECK(status == PYR_OK);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(toys_are_standardised);
    RUN(two_are_as_published);
    RUN(near_and_far_are_as_published);
    RUN(other_weights);
    RUN(without_noise_there_is_no_least_loss);
    RUN(divergences_by_integration);
    RUN(bound_holds_and_is_met);
    RUN(langevin_dynamics_has_that_law);
    RUN(gradients_of_losses);
    RUN(sliced_is_implicit_score_matching);
    RUN(objectives_differ_by_constants);
    RUN(gradient_of_the_network);
    RUN(what_follows_from_the_network);
    RUN(every_objective_learns_the_score);
    RUN(the_number_of_threads_changes_nothing);
    RUN(without_memory);
    return CHECK_DONE();
}
