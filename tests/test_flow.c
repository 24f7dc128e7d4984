/* test_flow.c - flow matching: the family of straight lines against its own formulas, Euler's steps in its own terms,
 * every sampler on Gaussian data; noise levels and whole samplings of models of diffusers against its
 * FlowMatchEulerDiscreteScheduler (tests/golden/sampling, scripts/make-sampling-golden.py). */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusers/pipeline.h"
#include "diffusion/prediction.h"
#include "diffusion/sampler.h"
#include "graph/safetensors.h"
#include <stdlib.h>

#define FOLDER "tests/golden/sampling"

enum { N = 32, SIZE = 512 };

static pyr_kernels *k;

static pyr_schedule straight(double s_min, double s_max)
{
    return (pyr_schedule){
        .family = PYR_FLOW, .curve = PYR_CURVE_STRAIGHT, .s_min = s_min, .s_max = s_max, .scale = 1};
}

/* z_t = (1 - t) z + t eps: f = -1/(1 - t), g^2 = 2 t/(1 - t); the velocity is its derivative, and the weight of 1 on it. */
static void closed_forms(void)
{
    pyr_schedule c = straight(0.01, 50);
    pyr_noise noise = {PYR_LOGIT_NORMAL, 0.3, 1.2, PYR_WEIGHT_VELOCITY, 0};

    for (double t = 0.02; t < 0.97; t += 0.05) {
        double s = pyr_schedule_s(&c, t), alpha = pyr_alpha(PYR_FLOW, s), z = 0.6, eps = -1.3, h = 1e-6;
        pyr_conversion v = pyr_prediction_at(PYR_PREDICT_VELOCITY, s);
        double target = v.z_part * z + v.eps_part * eps, x = z + s * eps, off = 0.01;

        CHECK_CLOSE(alpha, 1 - t, 1e-12);
        CHECK_CLOSE(s * alpha, t, 1e-12);
        CHECK_CLOSE(pyr_drift(&c, t), -1 / (1 - t), 1e-9);
        CHECK_CLOSE(pyr_diffusion2(&c, t), 2 * t / (1 - t), 1e-9);
        CHECK_CLOSE(target, (((1 - t - h) * z + (t + h) * eps) - ((1 - t + h) * z + (t - h) * eps)) / (2 * h),
                    1e-8);
        CHECK_CLOSE(v.skip * x + v.out * target, z, 1e-12);
        /* |v - v*|^2 = w |D - z|^2 */
        CHECK_CLOSE(pyr_noise_weight(&noise, &c, s) * pow(v.out * off, 2), off * off, 1e-12);
    }
    for (double u = 0.05; u < 1; u += 0.1) {
        double s = pyr_noise_quantile(&noise, &c, u), t = s / (1 + s);

        CHECK_CLOSE(log(t / (1 - t)), 0.3 + 1.2 * pyr_normal_quantile(u), 1e-9);
    }
    /* the shift of Esser et al. 2024, equation 23, is the reference's scale */
    c.scale = 3;
    for (double t = 0.1; t < 0.9; t += 0.2) {
        double s = pyr_schedule_s(&c, t);

        CHECK_CLOSE(s / (1 + s), 3 * t / (1 + 2 * t), 1e-12);
    }
    noise.density = PYR_SINGLE;
    c.scale = 1;
    CHECK(pyr_noise_quantile(&noise, &c, 0.1) == 0.01 && pyr_noise_quantile(&noise, &c, 0.9) == 0.01);
    CHECK_CLOSE(pyr_noise_weight(&noise, &c, 0.01), pow(1.01 / 0.01, 2), 1e-9);
}

/* Numbers of a mixture: +-1 with a spread of 0.3, or normals of variance v. */
static double variance; /* 0: the mixture */

static double denoised(double x, double s)
{
    double v = 0.09;

    if (variance > 0)
        return variance * x / (variance + s * s);
    return (v * x + s * s * tanh(x / (v + s * s))) / (v + s * s);
}

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    (void)ctx;
    for (size_t i = 0; i < (size_t)N * SIZE; i++)
        ((double *)out)[i] = denoised(((const double *)x)[i], *s);
    return PYR_OK;
}

static void draw(const pyr_sampler *sampler, const pyr_schedule *schedule, const double *start, double *x)
{
    uint64_t seeds[N];
    pyr_sampling sampling = {
        .k = k, .n = N, .size = SIZE, .seeds = seeds, .denoise = denoise, .start = start, .place = 1};

    for (int i = 0; i < N; i++)
        seeds[i] = (uint64_t)i;
    CHECK_OK(pyr_new(&sampling.work, pyr_sampler_work(k, sampler, N, SIZE), 1, "work"));
    CHECK_OK(pyr_sample(&sampling, sampler, schedule, x));
    pyr_free(sampling.work);
}

/* x_t' = x_t + (t' - t) v, v = (x_t - E[z | x_t])/t, with equal steps of t, is the sampler euler. */
static void euler_steps(void)
{
    enum { STEPS = 7 };
    static double start[N * SIZE], x[N * SIZE];
    pyr_schedule c = straight(0.02, 40);
    pyr_sampler sampler = pyr_sampler_usual(PYR_EULER, STEPS);
    double t[STEPS + 1], lo = pyr_schedule_t_min(&c), hi = pyr_schedule_t_max(&c);

    variance = 0;
    for (int i = 0; i < STEPS; i++)
        t[i] = hi + (lo - hi) * i / (STEPS - 1);
    t[STEPS] = 0;
    for (int i = 0; i < N * SIZE; i++)
        start[i] = 40 * (i % 101 - 50) / 25.0;
    draw(&sampler, &c, start, x);
    for (int i = 0; i < N * SIZE; i += 37) {
        double at = start[i] * (1 - t[0]);

        for (int j = 0; j < STEPS; j++) {
            double d = denoised(at / (1 - t[j]), t[j] / (1 - t[j]));

            at += (t[j + 1] - t[j]) * (at - d) / t[j];
        }
        CHECK_CLOSE(x[i], at, 1e-9);
    }
}

/* Every sampler comes to the variance of the data; those of Langevin dynamics, which leave more noise or less by how many
 * moves they make, to the same numbers as with the family ve: they know noise levels s alone. */
static void every_sampler(void)
{
    static double x[N * SIZE], same[N * SIZE];
    pyr_schedule c = straight(0.02, 100);

    variance = 0.5;
    for (int kind = 0; kind < PYR_SAMPLER_KINDS; kind++) {
        pyr_sampler sampler = pyr_sampler_usual((pyr_sampler_kind)kind, 60);
        pyr_schedule own = c;
        double square = 0;

        if (pyr_sampler_has(&sampler, PYR_SAMPLER_MOVES) || pyr_sampler_has(&sampler, PYR_SAMPLER_CORRECTS))
            own.curve = PYR_CURVE_GEOMETRIC;
        draw(&sampler, &own, NULL, x);
        if (pyr_sampler_has(&sampler, PYR_SAMPLER_MOVES)) {
            own.family = PYR_VE;
            draw(&sampler, &own, NULL, same);
            CHECK(memcmp(x, same, sizeof x) == 0);
            continue;
        }
        for (int i = 0; i < N * SIZE; i++)
            square += x[i] * x[i] / (N * SIZE);
        /* five standard errors of 16384 numbers are 5.5 percent */
        if (!(fabs(square / variance - 1) < 0.12))
            CHECK_REPORT("%s: variance %g of %g", pyr_sampler_names[kind], square, variance);
    }
}

/* ---- models of the library ----------------------------------------------------------------------- */

static const char *const cases[] = {"plain", "shift", "terminal", "stochastic", "one", "short"};

static pyr_scheduler_config scheduler_of(const pyr_safetensors *file, const char *name, int *steps)
{
    const char *text = pyr_safetensors_metadata(file, name), *n;
    pyr_scheduler_config config = {0};
    pyr_text warning = {0};
    char key[64];

    snprintf(key, sizeof key, "%s.steps", name);
    n = pyr_safetensors_metadata(file, key);
    CHECK(text && n);
    CHECK_OK(pyr_scheduler_config_parse(&config, text, strlen(text), name, NULL, &warning));
    CHECK(warning.length == 0 && config.kind == PYR_SCHEDULER_FLOW);
    *steps = n ? atoi(n) : 1;
    return config;
}

static void read_all(const pyr_safetensors *file, const char *name, double *out, size_t count)
{
    const pyr_st_tensor *t = pyr_safetensors_find(file, name);

    CHECK(t && t->count == count);
    if (t && t->count == count)
        CHECK_OK(pyr_safetensors_read_f64(file, t, out, count));
}

static void of_the_library(void)
{
    enum { IMAGES = 3, SIDE = 8, NUMBERS = IMAGES * SIDE * SIDE * 3 };
    static const struct {
        const char *name;
        double bound;
    } backends[] = {{"ref-double", 2e-5}, {"ref", 2e-5}, {"cpu", 5e-5}};
    pyr_safetensors *file = NULL;
    pyr_pipeline_files files;
    pyr_pipeline_sampler usual;
    uint64_t seeds[IMAGES];

    CHECK_OK(pyr_safetensors_open(&file, FOLDER "/sampling.safetensors"));
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "seeds"), (int64_t *)seeds, IMAGES));
    CHECK_OK(pyr_pipeline_read(&files, FOLDER "/flow", NULL));
    CHECK_OK(pyr_pipeline_usual(&usual, &files));
    CHECK(usual.flow && !usual.ddim && usual.steps == 50);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        int steps;
        double sigma[12], theirs[12], image[NUMBERS];

        files.scheduler = scheduler_of(file, cases[i], &steps);
        CHECK_OK(pyr_flow_sigmas(&files.scheduler.flow, steps, sigma));
        snprintf(name, sizeof name, "flow.%s.sigmas", cases[i]);
        read_all(file, name, theirs, (size_t)steps + 1);
        for (int j = 0; j <= steps; j++)
            CHECK_CLOSE(sigma[j], theirs[j], 3e-7);
        snprintf(name, sizeof name, "flow.%s.sample", cases[i]);
        read_all(file, name, image, NUMBERS);
        for (int b = 0; b < 3; b++) {
            pyr_kernels *own = NULL;
            pyr_pipeline *p = NULL;
            float ours[NUMBERS];

            CHECK_OK(pyr_kernels_open(&own, backends[b].name, 2));
            CHECK_OK(pyr_pipeline_open(&p, own, &files, &(pyr_pipeline_sampler){.flow = true, .steps = steps},
                                       NULL));
            if (p)
                CHECK_OK(pyr_pipeline_sample(
                    p, &(pyr_pipeline_draw){.n = IMAGES, .seeds = seeds, .label = -1, .image = ours}));
            for (int j = 0; p && j < NUMBERS; j++) { /* theirs are n, c, h, w */
                int n = j / (SIDE * SIDE * 3), c = j % 3, pixel = j / 3 % (SIDE * SIDE);
                double wanted = image[(n * 3 + c) * SIDE * SIDE + pixel] * 255 / 256;

                wanted = fmax(-1, fmin(1, wanted));
                if (!(fabs((double)ours[j] - wanted) <= backends[b].bound))
                    CHECK_REPORT("%s, %s[%d]: %g, wanted %g", backends[b].name, name, j, (double)ours[j],
                                 wanted);
            }
            pyr_pipeline_free(p);
            pyr_kernels_free(own);
        }
    }
    pyr_pipeline_files_free(&files);
    pyr_safetensors_free(file);
}

static void mistakes(void)
{
    static const struct {
        const char *more, *part;
        pyr_status status;
    } bad[] = {{"\"use_dynamic_shifting\": true", "use_dynamic_shifting should be false", PYR_E_UNSUPPORTED},
               {"\"use_karras_sigmas\": true", "use_karras_sigmas should be false", PYR_E_UNSUPPORTED},
               {"\"invert_sigmas\": true", "invert_sigmas should be false", PYR_E_UNSUPPORTED},
               {"\"shift\": 0", "shift is 0", PYR_E_CONFIG},
               {"\"shift_terminal\": 1.5", "shift_terminal is 1.5", PYR_E_CONFIG},
               {"\"num_train_timesteps\": 0", "num_train_timesteps is 0", PYR_E_CONFIG}};
    pyr_flow_config config;
    pyr_pipeline_files files;
    pyr_pipeline *p = NULL;
    double sigma[4];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pyr_scheduler_config out;
        char text[200];

        snprintf(text, sizeof text, "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", %s}",
                 bad[i].more);
        CHECK_FAILS(pyr_scheduler_config_parse(&out, text, strlen(text), "s.json", NULL, NULL), bad[i].status,
                    bad[i].part);
        pyr_scheduler_config_free(&out);
    }
    pyr_flow_config_default(&config);
    config.num_train_timesteps = 3;
    CHECK_OK(pyr_flow_sigmas(&config, 3, sigma));
    CHECK_FAILS(pyr_flow_sigmas(&config, 4, sigma), PYR_E_ARG, "1..3 are possible");
    config.shift_terminal = 0.1;
    CHECK_FAILS(pyr_flow_sigmas(&config, 1, sigma), PYR_E_ARG, "take 2 steps or more");
    CHECK_OK(pyr_flow_sigmas(&config, 2, sigma));
    CHECK_CLOSE(sigma[0], 1, 1e-15);
    CHECK_CLOSE(sigma[1], 0.1, 1e-12);
    CHECK_OK(pyr_pipeline_read(&files, FOLDER "/flow", NULL));
    CHECK_FAILS(pyr_pipeline_open(&p, k, &files, &(pyr_pipeline_sampler){.ddim = true, .steps = 5}, NULL),
                PYR_E_UNSUPPORTED, "trained by flow matching");
    CHECK_FAILS(pyr_pipeline_open(&p, k, &files, &(pyr_pipeline_sampler){.flow = true, .steps = 2000}, NULL),
                PYR_E_ARG, "1..1000");
    pyr_pipeline_files_free(&files);
    CHECK_OK(pyr_pipeline_read(&files, FOLDER "/learned", NULL));
    CHECK_FAILS(pyr_pipeline_open(&p, k, &files, &(pyr_pipeline_sampler){.flow = true, .steps = 5}, NULL),
                PYR_E_UNSUPPORTED, "trained with betas");
    pyr_pipeline_files_free(&files);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (pyr_kernels_ref(&k, PYR_F64, 1) != PYR_OK)
        return 1;
    RUN(closed_forms);
    RUN(euler_steps);
    RUN(every_sampler);
    RUN(of_the_library);
    RUN(mistakes);
    pyr_kernels_free(k);
    return CHECK_DONE();
}
