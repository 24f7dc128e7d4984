/* test_ddpm.c - DDPM's and DDIM's discrete steps. The witnesses: tensors that diffusers 0.31.0 computed
 * (tests/golden/unet2d/schedulers.safetensors, tests/golden/pipeline/steps.safetensors with
 * scripts/make-pipeline-golden.py) and 0.42.1 (tests/golden/sampling, scripts/make-sampling-golden.py), and closed
 * forms. */
#include "tests/check.h"

#include "base/mem.h"
#include "diffusers/scheduler_config.h"
#include "diffusion/ddpm.h"
#include "graph/safetensors.h"
#include <stdlib.h>

#define GOLDEN "tests/golden/unet2d/schedulers.safetensors"
#define MORE "tests/golden/pipeline/steps.safetensors"
#define LEARNED "tests/golden/sampling/sampling.safetensors"

enum { NUMBERS = 2 * 3 * 4 * 4 };

static pyr_kernels *k;

static pyr_safetensors *open_file(const char *path)
{
    pyr_safetensors *file = NULL;

    CHECK_OK(pyr_safetensors_open(&file, path));
    return file;
}

/* Read a tensor of `count` doubles; false, and a failure is counted, when it is not there. */
static bool get(const pyr_safetensors *file, const char *name, double *out, size_t count)
{
    const pyr_st_tensor *t = pyr_safetensors_find(file, name);

    CHECK(t != NULL);
    if (!t)
        return false;
    CHECK_OK(pyr_safetensors_read_f64(file, t, out, count));
    return true;
}

static pyr_ddpm made(const pyr_ddpm_config *config)
{
    pyr_ddpm d;

    CHECK_OK(pyr_ddpm_new(&d, config));
    return d;
}

/* ---- against the library ----------------------------------------------------------------------- */

/* The library rounds products to float on the way, too. */
static void check_abar(const pyr_safetensors *file, const char *name, const pyr_ddpm *d)
{
    static double theirs[1000];
    int n = d->config.num_train_timesteps;

    if (!get(file, name, theirs, (size_t)n))
        return;
    for (int t = 0; t < n; t++)
        if (!(fabs(d->abar[t] - theirs[t]) <= 5e-7))
            CHECK_REPORT("%s[%d] is %.9g, wanted %.9g", name, t, d->abar[t], theirs[t]);
}

static void noise_levels(void)
{
    pyr_safetensors *file = open_file(GOLDEN);
    pyr_ddpm_config config;
    char name[64];

    for (int kind = PYR_BETAS_LINEAR; kind <= PYR_BETAS_SQUARED_COSINE; kind++) {
        pyr_ddpm d;

        pyr_ddpm_config_default(&config);
        config.beta_schedule = kind;
        d = made(&config);
        snprintf(name, sizeof name, "alphas_cumprod.%s", pyr_betas_words[kind]);
        check_abar(file, name, &d);
        pyr_ddpm_free(&d);
    }
    pyr_safetensors_free(file);
}

static void times(void)
{
    static const int counts[] = {1, 7, 10, 50, 1000};
    pyr_safetensors *file = open_file(GOLDEN);
    pyr_ddpm_config config;
    char name[64];

    for (int spacing = PYR_LEADING; spacing <= PYR_LINSPACE; spacing++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            int t[1000], n = counts[c];
            int64_t theirs[1000];
            const pyr_st_tensor *tensor;
            pyr_ddpm d;

            pyr_ddpm_config_default(&config);
            config.timestep_spacing = spacing;
            d = made(&config);
            snprintf(name, sizeof name, "timesteps.%s.%d", pyr_spacing_words[spacing], n);
            tensor = pyr_safetensors_find(file, name);
            CHECK(tensor != NULL);
            CHECK_OK(pyr_ddpm_timesteps(&d, n, t));
            if (tensor)
                CHECK_OK(pyr_safetensors_read_i64(file, tensor, theirs, (size_t)n));
            for (int i = 0; i < n && tensor; i++)
                if (t[i] != theirs[i])
                    CHECK_REPORT("%s[%d] is %d, wanted %d", name, i, t[i], (int)theirs[i]);
            pyr_ddpm_free(&d);
        }
    pyr_safetensors_free(file);
}

/* A step on the stored x, m and noise, against the stored result. */
static void check_step(const pyr_safetensors *file, const char *name, const char *noise_name,
                       const pyr_ddpm_step *step)
{
    double x[NUMBERS], model[NUMBERS], noise[NUMBERS], x0[NUMBERS], theirs[NUMBERS], scale = 1;

    if (!get(file, "x", x, NUMBERS) || !get(file, "model_out", model, NUMBERS) ||
        !get(file, noise_name, noise, NUMBERS) || !get(file, name, theirs, NUMBERS))
        return;
    pyr_ddpm_apply(step, k, x, model, noise, x0, NUMBERS);
    for (int i = 0; i < NUMBERS; i++)
        scale = fmax(scale, fabs(theirs[i]));
    for (int i = 0; i < NUMBERS; i++)
        if (!(fabs(x[i] - theirs[i]) <= 2e-5 * scale))
            CHECK_REPORT("%s[%d] is %.9g, wanted %.9g", name, i, x[i], theirs[i]);
}

static const int stored_times[] = {980, 500, 20, 0}; /* of 50 leading steps */

static void ddpm_steps(void)
{
    pyr_safetensors *file = open_file(GOLDEN);
    char name[64];

    for (int variance = PYR_FIXED_SMALL; variance <= PYR_FIXED_LARGE; variance++)
        for (int predicts = PYR_PREDICTS_EPSILON; predicts <= PYR_PREDICTS_V; predicts++) {
            pyr_ddpm_config config;
            pyr_ddpm d;

            pyr_ddpm_config_default(&config);
            config.variance_type = variance;
            config.prediction_type = predicts;
            d = made(&config);
            for (int i = 0; i < 4; i++) {
                int t = stored_times[i];
                pyr_ddpm_step step = pyr_ddpm_step_to(&d, t, t - 20);

                snprintf(name, sizeof name, "ddpm.%s.%s.%d", pyr_step_variance_words[variance],
                         pyr_predicts_words[predicts], t);
                check_step(file, name, "ddpm.noise", &step);
            }
            pyr_ddpm_free(&d);
        }
    pyr_safetensors_free(file);
}

/* The stored noise of DDIM is DDPM's. */
static void ddim_steps(void)
{
    static const char *const etas[] = {"0.0", "0.5", "1.0"};
    pyr_safetensors *file = open_file(GOLDEN);
    char name[64];

    for (int e = 0; e < 3; e++)
        for (int predicts = PYR_PREDICTS_EPSILON; predicts <= PYR_PREDICTS_V; predicts++) {
            pyr_ddpm_config config;
            pyr_ddpm d;

            pyr_ddpm_config_default(&config);
            config.prediction_type = predicts;
            d = made(&config);
            for (int i = 0; i < 4; i++) {
                int t = stored_times[i];
                pyr_ddpm_step step = pyr_ddim_step_to(&d, t, t - 20, atof(etas[e]));

                snprintf(name, sizeof name, "ddim.%s.%s.%d", etas[e], pyr_predicts_words[predicts], t);
                check_step(file, name, "ddpm.noise", &step);
            }
            pyr_ddpm_free(&d);
        }
    pyr_safetensors_free(file);
}

/* Whole configurations as the library writes them: betas, rescaling, clipping, spacing, offset, last step. */
static void configurations(void)
{
    static const char *const cases[] = {"trained_betas", "sigmoid",       "no_clip",        "clip_range",
                                        "zero_snr",      "zero_snr_ddim", "large_trailing", "offset_ddim",
                                        "linspace_ddim", "trailing_ddim", "short_cosine"};
    pyr_safetensors *file = open_file(MORE);

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const char *text = pyr_safetensors_metadata(file, cases[c]), *steps, *eta;
        pyr_scheduler_config config;
        pyr_text warning = {0};
        pyr_ddpm d;
        int n, t[64], checked = 0;
        int64_t theirs[64];
        char name[64];

        CHECK(text != NULL);
        if (!text)
            continue;
        CHECK_OK(pyr_scheduler_config_parse(&config, text, strlen(text), cases[c], NULL, &warning));
        CHECK(warning.length == 0);
        d = made(&config.ddpm);
        snprintf(name, sizeof name, "%s.alphas_cumprod", cases[c]);
        check_abar(file, name, &d);
        snprintf(name, sizeof name, "%s.steps", cases[c]);
        steps = pyr_safetensors_metadata(file, name);
        snprintf(name, sizeof name, "%s.eta", cases[c]);
        eta = pyr_safetensors_metadata(file, name);
        CHECK(steps && eta);
        n = steps ? atoi(steps) : 1;
        CHECK_OK(pyr_ddpm_timesteps(&d, n, t));
        snprintf(name, sizeof name, "%s.timesteps", cases[c]);
        CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, name), theirs, (size_t)n));
        for (int i = 0; i < n; i++) {
            pyr_ddpm_step step =
                config.kind == PYR_SCHEDULER_DDIM
                    ? pyr_ddim_step_to(&d, t[i], t[i] - d.config.num_train_timesteps / n, eta ? atof(eta) : 0)
                    : pyr_ddpm_step_to(&d, t[i], i + 1 < n ? t[i + 1] : -1);

            CHECK(t[i] == theirs[i]);
            snprintf(name, sizeof name, "%s.%d", cases[c], t[i]);
            if (!pyr_safetensors_find(file, name))
                continue;
            check_step(file, name, "noise", &step);
            checked++;
        }
        CHECK(checked >= 3);
        pyr_ddpm_free(&d);
        pyr_scheduler_config_free(&config);
        pyr_text_free(&warning);
    }
    pyr_safetensors_free(file);
}

/* Variances that the network gives, number by number. Answers lie as the library has them: [2, 6, 4, 4], its halves
 * the answer and what it says of the variance; a step's numbers do not see each other, so their order does not matter. */
static void learned_variances(void)
{
    static const char *const types[] = {"learned", "learned_range"};
    static const int at[] = {950, 500, 50, 0}; /* of 20 leading steps */
    pyr_safetensors *file = open_file(LEARNED);
    double out[2 * NUMBERS], model[NUMBERS], variance[NUMBERS];
    enum { HALF = NUMBERS / 2 };

    if (get(file, "model_out", out, 2 * NUMBERS))
        for (int i = 0; i < 2; i++) {
            memcpy(model + i * HALF, out + 2 * i * HALF, HALF * sizeof *out);
            memcpy(variance + i * HALF, out + (2 * i + 1) * HALF, HALF * sizeof *out);
        }
    for (int type = 0; type < 2; type++)
        for (int i = 0; i < 4; i++) {
            pyr_ddpm_config config;
            pyr_ddpm d;
            pyr_ddpm_step step;
            double x[NUMBERS], noise[NUMBERS], x0[NUMBERS], theirs[NUMBERS];
            char name[64];

            pyr_ddpm_config_default(&config);
            config.beta_schedule = PYR_BETAS_SQUARED_COSINE;
            config.variance_type = PYR_LEARNED + type;
            d = made(&config);
            step = pyr_ddpm_step_to(&d, at[i], at[i] - 50);
            snprintf(name, sizeof name, "learned.%s.%d", types[type], at[i]);
            if (get(file, "x", x, NUMBERS) && get(file, "noise", noise, NUMBERS) &&
                get(file, name, theirs, NUMBERS)) {
                if (step.to_noise > 0)
                    CHECK_OK(pyr_ddpm_scale_noise(&step, k, noise, variance, NUMBERS));
                pyr_ddpm_apply(&step, k, x, model, noise, x0, NUMBERS);
                for (int j = 0; j < NUMBERS; j++)
                    CHECK_CLOSE(x[j], theirs[j], 2e-5);
            }
            CHECK((at[i] == 0) == (step.to_noise == 0));
            pyr_ddpm_free(&d);
        }
    pyr_safetensors_free(file);
}

/* ---- closed forms ------------------------------------------------------------------------------ */

/* abar of the zero-SNR schedule ends at 0 exactly; DDPM is DDIM with eta 1 from one time to the next; DDIM
 * without noise is Euler's step of dx/ds = (x - D)/s, x = z/sqrt(abar): x' = (r/s) x + (1 - r/s) D. */
static void identities(void)
{
    pyr_ddpm_config config;
    pyr_ddpm d;

    pyr_ddpm_config_default(&config);
    config.clip_sample = false;
    d = made(&config);
    for (int t = 1; t < 1000; t += 37) {
        pyr_ddpm_step a = pyr_ddpm_step_to(&d, t, t - 1), b = pyr_ddim_step_to(&d, t, t - 1, 1),
                      c = pyr_ddim_step_to(&d, t, t / 2, 0);
        double s = sqrt(1 / d.abar[t] - 1), r = sqrt(1 / d.abar[t / 2] - 1);
        double gain = sqrt(d.abar[t / 2]), x = 0.7, model = -0.4, x0 = c.x0_x * x + c.x0_model * model;

        /* on x and m: x0 written out */
        CHECK_CLOSE(a.to_x0 * a.x0_x + a.to_x, b.to_x0 * b.x0_x + b.to_x, 1e-9);
        CHECK_CLOSE(a.to_x0 * a.x0_model + a.to_model, b.to_x0 * b.x0_model + b.to_model, 1e-9);
        CHECK_CLOSE(a.to_noise, b.to_noise, 1e-12);
        CHECK_CLOSE(c.to_x0 * x0 + c.to_x * x + c.to_model * model,
                    gain * (r / s * x / sqrt(d.abar[t]) + (1 - r / s) * x0), 1e-12);
        CHECK(c.to_noise == 0);
    }
    pyr_ddpm_free(&d);
    config.rescale_betas_zero_snr = true;
    config.prediction_type = PYR_PREDICTS_V;
    d = made(&config);
    CHECK(d.abar[999] == 0);
    CHECK_CLOSE(d.abar[0], 1 - 1e-4, 1e-7);
    pyr_ddpm_free(&d);
}

/* Gaussian data N(mean, v): E[z | z_t] = (sqrt(abar) v z_t + (1 - abar) mean) / (abar v + 1 - abar). */
typedef struct gaussian {
    const pyr_ddpm *d;
    size_t count;
    int evaluations;
} gaussian;

static const double mean = 0.4, variance = 0.09;

static pyr_status gaussian_network(void *ctx, const void *x, int t, void *out)
{
    gaussian *g = ctx;
    const double *from = x;
    double *to = out, abar = g->d->abar[t], signal = sqrt(abar), noise = sqrt(1 - abar);

    for (size_t i = 0; i < g->count; i++) {
        double x0 = (signal * variance * from[i] + (1 - abar) * mean) / (abar * variance + 1 - abar);

        to[i] = g->d->config.prediction_type == PYR_PREDICTS_EPSILON ? (from[i] - signal * x0) / noise
                : g->d->config.prediction_type == PYR_PREDICTS_V     ? (signal * from[i] - x0) / noise
                                                                     : x0;
    }
    g->evaluations++;
    return PYR_OK;
}

enum { VECTORS = 64, SIZE = 100 };

static void draw(const pyr_ddpm *d, bool ddim, double eta, int steps, int n, const uint64_t *seeds, double *x)
{
    gaussian g = {.d = d, .count = (size_t)n * SIZE};
    int t[1000];
    pyr_ddpm_sampling sampling = {.k = k,
                                  .n = n,
                                  .size = SIZE,
                                  .seeds = seeds,
                                  .network = gaussian_network,
                                  .ctx = &g,
                                  .t = t,
                                  .steps = steps,
                                  .ddim = ddim,
                                  .eta = eta};

    CHECK_OK(pyr_new(&sampling.work, pyr_ddpm_work(k, n, SIZE, false), 1, "work"));
    CHECK_OK(pyr_ddpm_timesteps(d, steps, t));
    CHECK_OK(pyr_ddpm_sample(d, &sampling, x));
    CHECK(g.evaluations == steps);
    pyr_free(sampling.work);
}

/* Every way of sampling comes to the mean and the variance of the data; 6400 numbers, so 3 standard errors
 * of the mean are 0.011, of the variance 0.0048. DDPM with fixed_large adds too much noise by a little. */
static void gaussian_data(void)
{
    static double x[VECTORS * SIZE];
    uint64_t seeds[VECTORS];

    for (int i = 0; i < VECTORS; i++)
        seeds[i] = (uint64_t)i * 3;
    for (int way = 0; way < 6; way++) {
        pyr_ddpm_config config;
        pyr_ddpm d;
        double sum = 0, square = 0;

        pyr_ddpm_config_default(&config);
        config.clip_sample = false;
        config.prediction_type = way % 3;
        config.timestep_spacing = way % 2 ? PYR_TRAILING : PYR_LEADING;
        d = made(&config);
        draw(&d, way < 4, way < 2 ? 0 : 0.5, 500, VECTORS, seeds, x);
        for (int i = 0; i < VECTORS * SIZE; i++)
            sum += x[i], square += x[i] * x[i];
        sum /= VECTORS * SIZE;
        CHECK_CLOSE(sum, mean, 0.015);
        CHECK_CLOSE(square / (VECTORS * SIZE) - sum * sum, variance, 0.008);
        pyr_ddpm_free(&d);
    }
}

/* A vector is its seed's: the same bytes alone and among others, another one with another seed. */
static void seeds_alone(void)
{
    static double all[3 * SIZE], one[SIZE];
    const uint64_t seeds[3] = {5, 5000000000, 7};
    pyr_ddpm_config config;
    pyr_ddpm d;

    pyr_ddpm_config_default(&config);
    d = made(&config);
    for (int ddim = 0; ddim < 2; ddim++) {
        draw(&d, ddim, 0.7 * ddim, 20, 3, seeds, all);
        for (int i = 0; i < 3; i++) {
            draw(&d, ddim, 0.7 * ddim, 20, 1, seeds + i, one);
            CHECK(memcmp(one, all + i * SIZE, sizeof one) == 0);
        }
        CHECK(memcmp(all, all + SIZE, sizeof one) != 0);
    }
    pyr_ddpm_free(&d);
}

/* ---- what cannot be ---------------------------------------------------------------------------- */

static void mistakes(void)
{
    pyr_ddpm_config config;
    pyr_ddpm d;
    int t[1000];

    pyr_ddpm_config_default(&config);
    config.steps_offset = 1;
    d = made(&config);
    CHECK_FAILS(pyr_ddpm_timesteps(&d, 0, t), PYR_E_ARG, "1..1000");
    CHECK_FAILS(pyr_ddpm_timesteps(&d, 1001, t), PYR_E_ARG, "1..1000");
    CHECK_FAILS(pyr_ddpm_timesteps(&d, 1000, t), PYR_E_ARG, "steps_offset 1 begin at timestep 1000");
    pyr_ddpm_free(&d);
    config.num_train_timesteps = 0;
    CHECK_FAILS(pyr_ddpm_new(&d, &config), PYR_E_CONFIG, "num_train_timesteps is 0");
    pyr_ddpm_config_default(&config);
    config.beta_end = 1.5;
    CHECK_FAILS(pyr_ddpm_new(&d, &config), PYR_E_CONFIG, "beta_end 1.5");
    pyr_ddpm_config_default(&config);
    config.rescale_betas_zero_snr = true;
    CHECK_FAILS(pyr_ddpm_new(&d, &config), PYR_E_CONFIG, "should be v_prediction or sample");
}

static pyr_status parse(pyr_scheduler_config *out, const char *text, pyr_text *warning)
{
    return pyr_scheduler_config_parse(out, text, strlen(text), "s.json", NULL, warning);
}

static void reads_json(void)
{
    static const struct {
        const char *text, *part;
        pyr_status status;
    } bad[] = {
        {"[]", "not a JSON object", PYR_E_FORMAT},
        {"{\"beta_end\": 1}", "_class_name is missing", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"FlowMatchHeunDiscreteScheduler\"}", "trained by flow matching",
         PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"ScoreSdeVeScheduler\"}", "on noise levels sigma", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"KarrasVeScheduler\"}", "on noise levels sigma", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"EDMDPMSolverMultistepScheduler\"}", "on noise levels sigma", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"LCMScheduler\"}", "distilled", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"UniPCMultistepScheduler\", \"use_flow_sigmas\": true}", "by flow matching",
         PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"MineScheduler\"}", "MineScheduler", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"DDPMScheduler\", \"thresholding\": true}", "dynamic thresholding",
         PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"DDPMScheduler\", \"beta_schedule\": \"laplace\"}", "offered are linear",
         PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"DDPMScheduler\", \"variance_type\": \"learned_well\"}",
         "offered are fixed_small", PYR_E_UNSUPPORTED},
        {"{\"_class_name\": \"DDPMScheduler\", \"num_train_timesteps\": 10.5}", "a whole number",
         PYR_E_FORMAT},
        {"{\"_class_name\": \"DDPMScheduler\", \"clip_sample\": \"yes\"}", "clip_sample is \"yes\"",
         PYR_E_FORMAT},
        {"{\"_class_name\": \"DDPMScheduler\", \"trained_betas\": [0.1, 0.2]}", "trained_betas has 2 numbers",
         PYR_E_CONFIG},
        {"{\"_class_name\": \"DDPMScheduler\", \"trained_betas\": [0.1, 2], \"num_train_timesteps\": 2}",
         "trained_betas[1] is 2", PYR_E_CONFIG},
        {"{\"_class_name\": \"DDPMScheduler\", \"trained_betas\": [0.1, \"x\"]}", "a list of numbers",
         PYR_E_FORMAT},
        {"{\"_class_name\": \"DDPMScheduler\", \"clip_sample_range\": 0}", "clip_sample_range", PYR_E_CONFIG},
    };
    pyr_scheduler_config config;
    pyr_text warning = {0};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FAILS(parse(&config, bad[i].text, NULL), bad[i].status, bad[i].part);
        CHECK(strncmp(pyr_error(), "s.json: ", 8) == 0);
        pyr_scheduler_config_free(&config);
    }
    CHECK_OK(parse(&config,
                   "{\"_class_name\": \"DDPMScheduler\", \"predict_epsilon\": false, \"fresh\": 1, "
                   "\"_note\": 2, \"variance_type\": \"fixed_large_log\", \"_use_default_values\": "
                   "[\"beta_start\"], \"beta_start\": 0.5}",
                   &warning));
    CHECK(config.kind == PYR_SCHEDULER_DDPM && config.ddpm.prediction_type == PYR_PREDICTS_SAMPLE);
    CHECK(config.ddpm.variance_type == PYR_FIXED_LARGE && config.ddpm.beta_start == 1e-4);
    CHECK_STRING(warning.at, "\"fresh\": unknown in s.json, left out");
    pyr_text_free(&warning);
    pyr_scheduler_config_free(&config);
    /* another sampler of a model with betas: what it says of them is read, a variance that it has not is
     * not */
    CHECK_OK(parse(&config,
                   "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"variance_type\": null, "
                   "\"beta_schedule\": \"scaled_linear\", \"beta_end\": 0.012}",
                   NULL));
    CHECK(config.kind == PYR_SCHEDULER_OTHER && config.ddpm.beta_schedule == PYR_BETAS_SCALED_LINEAR &&
          config.ddpm.beta_end == 0.012);
    CHECK_STRING(config.class_name, "DPMSolverMultistepScheduler");
    pyr_scheduler_config_free(&config);
}

/* What is written is read as the same, and has each scheduler's own keys. */
static void writes_json(void)
{
    static const char *const texts[] = {
        "{\"_class_name\": \"DDIMScheduler\", \"set_alpha_to_one\": false, \"beta_schedule\": "
        "\"scaled_linear\", \"timestep_spacing\": \"linspace\", \"prediction_type\": \"v_prediction\", "
        "\"clip_sample\": false}",
        "{\"_class_name\": \"DDPMScheduler\", \"variance_type\": \"fixed_large\", \"num_train_timesteps\": "
        "3, \"trained_betas\": [0.1, 0.2, 0.3], \"clip_sample_range\": 2.5, \"steps_offset\": 1}"};

    for (int i = 0; i < 2; i++) {
        pyr_scheduler_config a, b;
        pyr_text text = {0}, warning = {0};

        CHECK_OK(parse(&a, texts[i], NULL));
        CHECK_OK(pyr_scheduler_config_write(&text, &a));
        CHECK_OK(pyr_scheduler_config_parse(&b, text.at, text.length, "s.json", NULL, &warning));
        CHECK(warning.length == 0 && a.kind == b.kind);
        CHECK((strstr(text.at, "set_alpha_to_one") != NULL) == (a.kind == PYR_SCHEDULER_DDIM));
        CHECK((strstr(text.at, "variance_type") != NULL) == (a.kind == PYR_SCHEDULER_DDPM));
        for (int t = 0; t < 3 && a.ddpm.trained_betas && b.ddpm.trained_betas; t++)
            CHECK(a.ddpm.trained_betas[t] == b.ddpm.trained_betas[t]);
        CHECK(!a.ddpm.trained_betas == !b.ddpm.trained_betas);
        CHECK(a.ddpm.beta_schedule == b.ddpm.beta_schedule && a.ddpm.steps_offset == b.ddpm.steps_offset);
        CHECK(a.ddpm.timestep_spacing == b.ddpm.timestep_spacing &&
              a.ddpm.prediction_type == b.ddpm.prediction_type);
        CHECK(a.ddpm.clip_sample == b.ddpm.clip_sample &&
              a.ddpm.clip_sample_range == b.ddpm.clip_sample_range);
        CHECK(a.ddpm.set_alpha_to_one == b.ddpm.set_alpha_to_one &&
              a.ddpm.variance_type == b.ddpm.variance_type);
        pyr_text_free(&text);
        pyr_scheduler_config_free(&a);
        pyr_scheduler_config_free(&b);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (pyr_kernels_ref(&k, PYR_F64, 1) != PYR_OK)
        return 1;
    RUN(noise_levels);
    RUN(times);
    RUN(ddpm_steps);
    RUN(ddim_steps);
    RUN(configurations);
    RUN(learned_variances);
    RUN(identities);
    RUN(gaussian_data);
    RUN(seeds_alone);
    RUN(mistakes);
    RUN(reads_json);
    RUN(writes_json);
    pyr_kernels_free(k);
    return CHECK_DONE();
}
