/* test_restore.c - where tasks start from, for every family, curve and reference; restoring with few steps,
 * on a model that is an exact Gaussian (a network of zeros: D = x / (1 + s^2)), whose posterior is known in
 * closed form. */
#include "tests/model_rig.h"

#include "pictures/pixels.h"
#include "tasks/inverse.h"
#include "tasks/latent.h"
#include "tasks/sdedit.h"

enum { SIZE = H * W * C, N = 2, MANY = 64 };

/* A run of one level whose network gives 0, trained once. Its working memory is that of this sampler. */
static bool rig_new(rig *r, const char *sampler)
{
    const char *const settings[][2] = {{"pyramid.levels", "1"},
                                       {"train.duration", "160"},
                                       {"level.network.block_out_channels", "[8]"},
                                       {"level.network.norm_num_groups", "4"},
                                       {"level.sampler.kind", sampler},
                                       {"level.sampler.steps", "3"}};
    const char *run = below("run");

    rig_begin(r);
    CHECK_OK(pyr_kernels_open(&r->k, "cpu", 1));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        rig_set(r, settings[i][0], settings[i][1]);
    rig_train(r, run);
    return rig_open(r, run, true);
}

/* ---- where tasks start ----------------------------------------------------------------------------- */

/* The first noise level that a denoiser is asked at. */
typedef struct spy {
    const pyr_model_hooks *task;
    pyr_kernels *k;
    double first;
    int n; /* images of this stage */
} spy;

static pyr_status listen(void *ctx, const void *x, const double *s, void *out)
{
    spy *all = ctx;

    (void)x;
    if (all->first == 0)
        all->first = s[0];
    pyr_zero(all->k, out, (size_t)all->n * SIZE * pyr_type_size(all->k->real));
    return PYR_OK;
}

static pyr_status before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    spy *all = ctx;

    PYR_TRY(all->task->before(all->task->ctx, stage, draw));
    all->n = stage->n;
    draw->denoise = listen;
    draw->denoise_ctx = all;
    return PYR_OK;
}

static double first_asked(const rig *r, const pyr_model_hooks *task)
{
    static const uint64_t seeds[N] = {1, 2};
    static float images[N * SIZE];
    spy all = {.task = task, .k = r->k};
    pyr_model_hooks hooks = {.ctx = &all, .before = before};
    pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1, .hooks = &hooks};

    draw.image[0] = images;
    CHECK_OK(pyr_model_sample(r->m, &draw));
    return all.first;
}

/* sub-vp's own s for vp's ratio p with the same alpha: sigma = 1 - alpha^2, alpha^2 = 1/(1 + p^2). */
static double of_ratio(double p)
{
    double alpha2 = 1 / (1 + p * p);

    return (1 - alpha2) / sqrt(alpha2);
}

/* The ratio, by bisection. */
static double ratio_of(double s)
{
    double lo = 1e-6, hi = 1e6;

    for (int i = 0; i < 200; i++) {
        double middle = sqrt(lo * hi);

        *(of_ratio(middle) < s ? &lo : &hi) = middle;
    }
    return lo;
}

static void starts_of(const rig *r, pyr_schedule schedule)
{
    static const double asked[] = {0.3, 1, 5};
    static float image[SIZE];
    pyr_sampled_level *l = &r->m->level[0];
    double scale = schedule.scale, highest = 80 * scale, lowest = 0.002 * scale;
    pyr_vary *vary = NULL;
    pyr_latent latent = {0};
    pyr_from_latent from = {0};

    if (schedule.family == PYR_SUB_VP) {
        highest = of_ratio(scale * ratio_of(80));
        lowest = of_ratio(scale * ratio_of(0.002));
    }
    l->schedule = schedule;
    CHECK_CLOSE(pyr_schedule_highest(&schedule), highest, 1e-9 * highest);
    CHECK_CLOSE(pyr_schedule_lowest(&schedule), lowest, 1e-9 * lowest);
    CHECK_CLOSE(pyr_schedule_s(&schedule, pyr_schedule_t_max(&schedule)), highest, 1e-9 * highest);
    CHECK_CLOSE(pyr_schedule_s(&schedule, pyr_schedule_t_min(&schedule)), lowest, 1e-9 * lowest);
    CHECK_CLOSE(pyr_schedule_unscaled(&schedule, highest), 80, 1e-7);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        CHECK_OK(pyr_vary_new(&vary, r->m, image, &asked[i], NULL, NULL));
        CHECK_CLOSE(first_asked(r, pyr_vary_hooks(vary)), asked[i], 1e-9 * asked[i]);
        pyr_vary_free(vary);
    }
    /* from the end on, freely; at the other end not at all */
    CHECK_OK(pyr_vary_new(&vary, r->m, image, (double[]){1.001 * highest}, NULL, NULL));
    CHECK_CLOSE(first_asked(r, pyr_vary_hooks(vary)), highest, 1e-9 * highest);
    pyr_vary_free(vary);
    CHECK_FAILS(pyr_vary_new(&vary, r->m, image, (double[]){0.999 * lowest}, NULL, NULL), PYR_E_ARG,
                "would start from");
    CHECK_OK(pyr_vary_new(&vary, r->m, image, (double[]){1.001 * lowest}, NULL, NULL));
    pyr_vary_free(vary);
    /* latents, which encode and interpolate draw from, are of the highest level */
    CHECK_OK(pyr_latent_new(&latent, r->m, N));
    CHECK_OK(pyr_from_latent_new(&from, r->m, &latent));
    CHECK_CLOSE(first_asked(r, &from.hooks), highest, 1e-9 * highest);
    pyr_from_latent_free(&from);
    pyr_latent_free(&latent);
}

static void starts_are_what_was_asked(void)
{
    static const double scales[] = {1, 0.5, 1.75};
    rig r;

    if (!rig_new(&r, "heun"))
        return;
    for (int family = 0; pyr_family_names[family]; family++)
        for (int curve = 0; pyr_curve_names[curve]; curve++)
            for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
                starts_of(&r, (pyr_schedule){.family = (pyr_family)family,
                                             .curve = (pyr_curve)curve,
                                             .s_min = 0.002,
                                             .s_max = 80,
                                             .beta_min = 0.1,
                                             .beta_max = 20,
                                             .rho = 7,
                                             .base = 400,
                                             .scale = scales[i]});
    rig_free(&r);
}

/* ---- restoring with few steps ---------------------------------------------------------------------- */

typedef struct capture {
    const pyr_model_hooks *guided;
    double *variable; /* MANY x SIZE, before anything is clamped */
} capture;

static pyr_status capture_before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    const capture *c = ctx;

    return c->guided->before(c->guided->ctx, stage, draw);
}

static pyr_status capture_drawn(void *ctx, const pyr_model_stage *stage, void *variable)
{
    const capture *c = ctx;

    return pyr_download_reals(stage->model->k, c->variable + stage->first * SIZE, variable,
                              (size_t)stage->n * SIZE);
}

/* Of independent pixels with this mean and spread, of which some are seen with noise: those have the mean m +
 * g (y - m), g = std^2/(std^2 + noise^2); of draws from the posterior y is off by sqrt(1 + g) noise at most,
 * and few steps, whose draws vary less, by less. The others keep m, and no more than std (first order loses
 * some). */
typedef struct restored {
    double misfit, off;   /* root mean squares, image units: of y, of the mean of what is seen */
    double drift, square; /* of what is not seen, standardised: of its mean, its mean square */
} restored;

static restored posterior_of(const rig *r, const pyr_operator *a, double noise)
{
    static double drawn[MANY * SIZE];
    static float images[MANY * SIZE];
    static uint64_t seeds[MANY];
    const pyr_level_facts *facts = &r->m->level[0].level.facts;
    double mean = facts->mean[0], std = facts->std[0], y[SIZE], misfit = 0, off = 0, square = 0, drift = 0;
    double g = std * std / (std * std + noise * noise);
    int seen = 0;
    pyr_inverse *inverse = NULL;
    capture all = {.variable = drawn};
    pyr_model_hooks hooks = {.ctx = &all, .before = capture_before, .drawn = capture_drawn};
    pyr_model_draw draw = {.n = MANY, .seeds = seeds, .label = -1, .hooks = &hooks};

    for (int i = 0; i < MANY; i++)
        seeds[i] = (uint64_t)i;
    for (int i = 0; i < SIZE; i++) {
        y[i] = a->seen[i / C] ? mean + std * sin(0.9 * i) : 0;
        seen += a->seen[i / C];
    }
    CHECK_OK(pyr_inverse_new(&inverse, r->m,
                             &(pyr_inverse_problem){.a = a, .y = y, .noise = noise, .strength = 1}));
    all.guided = pyr_inverse_hooks(inverse);
    draw.image[0] = images;
    CHECK_OK(pyr_model_sample(r->m, &draw));
    for (int i = 0; i < SIZE; i++) {
        double got = 0;

        for (int j = 0; j < MANY; j++) {
            double x = drawn[j * SIZE + i];

            got += x / MANY;
            if (a->seen[i / C])
                misfit += pow(x - y[i], 2) / (MANY * seen);
            else
                square += pow((x - mean) / std, 2) / (MANY * (SIZE - seen));
        }
        if (a->seen[i / C])
            off += pow(got - mean - g * (y[i] - mean), 2) / seen;
        else
            drift += pow((got - mean) / std, 2) / (SIZE - seen);
    }
    pyr_inverse_free(inverse);
    return (restored){sqrt(misfit), sqrt(off), sqrt(drift), square};
}

static void restores(const rig *r, const pyr_operator *a, double noise, const char *name)
{
    restored got = posterior_of(r, a, noise);

    if (!(got.misfit < 2.5 * noise && got.off < noise && got.drift < 0.25 && got.square > 0.1 &&
          got.square < 1.6))
        CHECK_REPORT(
            "%s, %d steps, noise %g: y is off by %g, the mean of what is seen by %g; what is not drifts by "
            "%g and has the mean square %g",
            name, r->m->level[0].level.settings.sampler.steps, noise, got.misfit, got.off, got.drift,
            got.square);
}

static void few_steps_restore(void)
{
    /* refused by invert, or in need of many noise levels */
    const unsigned left_out = PYR_SAMPLER_ONE_LEVEL | PYR_SAMPLER_ADAPTIVE | PYR_SAMPLER_MOVES;
    static const int steps[] = {12, 8, 5};
    static const double noises[] = {0.02, 0.005};
    uint8_t missing[H * W];
    int widest = PYR_HEUN;
    pyr_operator a;
    rig r;

    for (int i = 0; i < H * W; i++)
        missing[i] = i % 5 == 1 || i % 5 == 2;
    for (int kind = 0; kind < PYR_SAMPLER_KINDS; kind++)
        if (!(pyr_sampler_row_of(kind)->flags & left_out) &&
            pyr_sampler_row_of(kind)->vectors > pyr_sampler_row_of(widest)->vectors)
            widest = kind;
    if (!rig_new(&r, pyr_sampler_names[widest]))
        return;
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_MISSING, 0, missing, pyr_model_image(r.m, 0)));
    for (int family = 0; family < 2; family++)
        for (int kind = 0; kind < PYR_SAMPLER_KINDS; kind++)
            for (int i = 0; i < 3 && !(pyr_sampler_row_of(kind)->flags & left_out); i++)
                for (int j = 0; j < 2; j++) {
                    pyr_sampled_level *l = &r.m->level[0];

                    l->schedule.family = family ? PYR_VP : PYR_VE;
                    l->level.settings.sampler = pyr_sampler_usual((pyr_sampler_kind)kind, steps[i]);
                    restores(&r, &a, noises[j], pyr_sampler_names[kind]);
                }
    pyr_operator_free(&a);
    rig_free(&r);
}

/* Hamiltonian Monte Carlo at each noise level leaves the posterior as it is, not nearly: what is seen has the variance g
 * noise^2 about its mean, what is not has variance 1. */
static void hamiltonian_monte_carlo_restores(void)
{
    static const int kinds[] = {PYR_ANNEALED_HMC, PYR_ANNEALED_MALA};
    const double noise = 0.1, chance = 4.5;
    uint8_t missing[H * W];
    pyr_operator a;
    rig r;

    for (int i = 0; i < H * W; i++)
        missing[i] = i % 3 == 1;
    if (!rig_new(&r, "annealed-hmc"))
        return;
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_MISSING, 0, missing, pyr_model_image(r.m, 0)));
    r.m->level[0].schedule = (pyr_schedule){
        .family = PYR_VE, .curve = PYR_CURVE_GEOMETRIC, .s_min = 0.05, .s_max = 10, .scale = 1};
    for (int i = 0; i < 2; i++) {
        pyr_sampler *sampler = &r.m->level[0].level.settings.sampler;
        double std = r.m->level[0].level.facts.std[0], g = std * std / (std * std + noise * noise), wanted;
        restored got;

        *sampler = pyr_sampler_usual((pyr_sampler_kind)kinds[i], 16);
        sampler->langevin_steps = i ? 40 : 4;
        sampler->langevin_epsilon = i ? 0.3 : 0;
        got = posterior_of(&r, &a, noise);
        /* the deviation of the posterior, and of its mean from y; that of the mean of 64 draws */
        wanted = sqrt(g * noise * noise + pow((1 - g) * std, 2) / 2);
        if (!(fabs(got.misfit / wanted - 1) < 0.05 && got.off < 1.2 * noise * sqrt(g / MANY) &&
              got.drift < 1.2 / sqrt(MANY) &&
              fabs(got.square - 1) < chance * sqrt(2.0 / (MANY * SIZE / 3)))) /* a third is not seen */
            CHECK_REPORT(
                "%s: y is off by %g, wanted %g; the mean by %g; what is not seen drifts by %g, and has "
                "the mean square %g",
                pyr_sampler_names[kinds[i]], got.misfit, wanted, got.off, got.drift, got.square);
    }
    pyr_operator_free(&a);
    rig_free(&r);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("restore"))
        return 1;
    write_images();
    RUN(starts_are_what_was_asked);
    RUN(few_steps_restore);
    RUN(hamiltonian_monte_carlo_restores);
    remove_all(temp);
    return CHECK_DONE();
}
