/* ddpm.c - betas and timesteps of discrete-time diffusion, and the steps of DDPM and DDIM. */
#include "diffusion/ddpm.h"

#include "base/mem.h"
#include "base/philox.h"
#include <math.h>

const char *const pyr_betas_words[] = {"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", NULL};
const char *const pyr_predicts_words[] = {"epsilon", "sample", "v_prediction", NULL};
const char *const pyr_step_variance_words[] = {"fixed_small", "fixed_large", "learned", "learned_range",
                                               NULL};
const char *const pyr_spacing_words[] = {"leading", "trailing", "linspace", NULL};

static const double pi = 3.14159265358979323846;

/* ---- the configuration ------------------------------------------------------------------------- */

void pyr_ddpm_config_default(pyr_ddpm_config *out)
{
    *out = (pyr_ddpm_config){.num_train_timesteps = 1000,
                             .beta_start = 1e-4,
                             .beta_end = 0.02,
                             .clip_sample = true,
                             .clip_sample_range = 1,
                             .set_alpha_to_one = true};
}

static bool is_beta(double beta)
{
    return beta > 0 && beta < 1;
}

pyr_status pyr_ddpm_config_check(const pyr_ddpm_config *c)
{
    int n = c->num_train_timesteps;

    if (n < 1 || n > PYR_MAX_TIMESTEPS)
        return pyr_fail(PYR_E_CONFIG, "num_train_timesteps is %d, should be 1..%d", n, PYR_MAX_TIMESTEPS);
    if (c->beta_schedule == PYR_BETAS_TRAINED) {
        for (int i = 0; i < n; i++)
            if (!is_beta(c->trained_betas[i]))
                return pyr_fail(PYR_E_CONFIG, "trained_betas[%d] is %g, should be between 0 and 1", i,
                                c->trained_betas[i]);
    } else if (c->beta_schedule != PYR_BETAS_SQUARED_COSINE &&
               !(is_beta(c->beta_start) && is_beta(c->beta_end)))
        return pyr_fail(PYR_E_CONFIG, "beta_start is %g and beta_end %g, should be between 0 and 1",
                        c->beta_start, c->beta_end);
    if (c->clip_sample && !(c->clip_sample_range > 0 && isfinite(c->clip_sample_range)))
        return pyr_fail(PYR_E_CONFIG, "clip_sample_range is %g, should be above 0", c->clip_sample_range);
    if (c->steps_offset < 0 || c->steps_offset >= n)
        return pyr_fail(PYR_E_CONFIG, "steps_offset is %d, should be 0..%d", c->steps_offset, n - 1);
    if (c->rescale_betas_zero_snr && c->prediction_type == PYR_PREDICTS_EPSILON)
        return pyr_fail(PYR_E_CONFIG,
                        "rescale_betas_zero_snr leaves no signal at the last timestep, from which "
                        "prediction_type epsilon tells nothing; it should be v_prediction or sample");
    if (c->rescale_betas_zero_snr && n < 2)
        return pyr_fail(PYR_E_CONFIG, "rescale_betas_zero_snr needs 2 timesteps, num_train_timesteps is %d",
                        n);
    return PYR_OK;
}

/* ---- betas ------------------------------------------------------------------------------------- */

static double cosine_abar(double u)
{
    double c = cos((u + 0.008) / 1.008 * pi / 2);

    return c * c;
}

static double beta_at(const pyr_ddpm_config *c, int i)
{
    int n = c->num_train_timesteps;
    double at = n > 1 ? (double)i / (n - 1) : 0, root, beta;

    switch (c->beta_schedule) {
    case PYR_BETAS_TRAINED:
        return c->trained_betas[i];
    case PYR_BETAS_SCALED_LINEAR:
        root = sqrt(c->beta_start) + (sqrt(c->beta_end) - sqrt(c->beta_start)) * at;
        return root * root;
    case PYR_BETAS_SQUARED_COSINE:
        beta = 1 - cosine_abar((double)(i + 1) / n) / cosine_abar((double)i / n);
        return beta < 0.999 ? beta : 0.999;
    case PYR_BETAS_SIGMOID:
        return c->beta_start + (c->beta_end - c->beta_start) / (1 + exp(6 - 12 * at));
    default:
        return c->beta_start + (c->beta_end - c->beta_start) * at;
    }
}

/* sqrt(abar) is shifted so that it ends at 0 and scaled so that it begins where it did (Lin et al. 2024,
 * "Common diffusion noise schedules and sample steps are flawed", algorithm 1). */
static void rescale(double *abar, int n)
{
    double first = sqrt(abar[0]), last = sqrt(abar[n - 1]);

    for (int i = 0; i < n; i++) {
        double root = (sqrt(abar[i]) - last) * first / (first - last);

        abar[i] = root * root;
    }
}

/* Rounded where the library rounds, to float: with 1 - abar_0 = 1e-4 that moves DDIM's step to t = 0 by 4e-5,
 * more than all else together. */
pyr_status pyr_ddpm_new(pyr_ddpm *out, const pyr_ddpm_config *config)
{
    double product = 1;

    *out = (pyr_ddpm){0};
    PYR_TRY(pyr_ddpm_config_check(config));
    PYR_TRY(pyr_new(&out->abar, (size_t)config->num_train_timesteps, sizeof *out->abar, "noise levels"));
    out->config = *config;
    out->config.trained_betas = NULL;
    for (int i = 0; i < config->num_train_timesteps; i++)
        out->abar[i] = product *= 1 - (float)beta_at(config, i);
    if (config->rescale_betas_zero_snr)
        rescale(out->abar, config->num_train_timesteps);
    for (int i = 0; i < config->num_train_timesteps; i++)
        out->abar[i] = (float)out->abar[i];
    return PYR_OK;
}

void pyr_ddpm_free(pyr_ddpm *d)
{
    pyr_free(d->abar);
    *d = (pyr_ddpm){0};
}

/* ---- times ------------------------------------------------------------------------------------- */

/* Halves are rounded to even, as NumPy does. */
static double time_of(const pyr_ddpm_config *c, int steps, int i)
{
    int n = c->num_train_timesteps;

    switch (c->timestep_spacing) {
    case PYR_TRAILING:
        return rint(n - i * ((double)n / steps)) - 1;
    case PYR_LINSPACE:
        return steps > 1 ? rint((steps - 1 - i) * ((double)(n - 1) / (steps - 1))) : 0;
    default:
        return (double)(steps - 1 - i) * (n / steps) + c->steps_offset;
    }
}

pyr_status pyr_ddpm_timesteps(const pyr_ddpm *d, int steps, int *t)
{
    int n = d->config.num_train_timesteps;

    if (steps < 1 || steps > n)
        return pyr_fail(PYR_E_ARG, "%d steps: the model was trained with %d timesteps, so 1..%d are possible",
                        steps, n, n);
    if (time_of(&d->config, steps, 0) >= n)
        return pyr_fail(
            PYR_E_ARG,
            "%d steps with steps_offset %d begin at timestep %.0f, but the last is %d: take fewer steps",
            steps, d->config.steps_offset, time_of(&d->config, steps, 0), n - 1);
    for (int i = 0; i < steps; i++)
        t[i] = (int)time_of(&d->config, steps, i);
    return PYR_OK;
}

/* ---- steps ------------------------------------------------------------------------------------- */

/* x0 of the network's answer: eps: (x - sqrt(1 - abar) m) / sqrt(abar);  v: sqrt(abar) x - sqrt(1 - abar)
 * m */
static pyr_ddpm_step estimate(const pyr_ddpm *d, double abar)
{
    pyr_ddpm_step step = {.clip = d->config.clip_sample ? d->config.clip_sample_range : 0};
    double signal = sqrt(abar), noise = sqrt(1 - abar);

    if (d->config.prediction_type == PYR_PREDICTS_EPSILON) {
        step.x0_x = 1 / signal;
        step.x0_model = -noise / signal;
    } else if (d->config.prediction_type == PYR_PREDICTS_V) {
        step.x0_x = signal;
        step.x0_model = -noise;
    } else
        step.x0_model = 1;
    return step;
}

pyr_ddpm_step pyr_ddpm_step_to(const pyr_ddpm *d, int t, int to)
{
    double abar = d->abar[t], next = to >= 0 ? d->abar[to] : 1, beta = 1 - abar / next;
    pyr_ddpm_step step = estimate(d, abar);
    double small = fmax((1 - next) / (1 - abar) * beta, 1e-20); /* the library's least */
    double variance = d->config.variance_type == PYR_FIXED_SMALL ? small : beta;

    if (pyr_variance_is_learned(d->config.variance_type))
        variance = 1;
    step.variance = d->config.variance_type;
    step.log_small = log(small);
    step.log_large = log(beta);
    step.to_x0 = sqrt(next) * beta / (1 - abar);
    step.to_x = sqrt(1 - beta) * (1 - next) / (1 - abar);
    step.to_noise = t > 0 ? sqrt(variance) : 0;
    return step;
}

pyr_ddpm_step pyr_ddim_step_to(const pyr_ddpm *d, int t, int to, double eta)
{
    double abar = d->abar[t];
    double next = to >= 0 ? d->abar[to] : d->config.set_alpha_to_one ? 1 : d->abar[0];
    double signal = sqrt(abar), noise = sqrt(1 - abar);
    pyr_ddpm_step step = estimate(d, abar);
    /* at t = 0 with set_alpha_to_one false there is nowhere to go, and rounding must not make it less */
    double sigma = eta * sqrt(fmax((1 - next) / (1 - abar) * (1 - abar / next), 0));
    double direction = sqrt(fmax(1 - next - sigma * sigma, 0));

    /* the noise in x, of the answer as it is, before x0 is clamped */
    if (d->config.prediction_type == PYR_PREDICTS_EPSILON)
        step.to_model = direction;
    else if (d->config.prediction_type == PYR_PREDICTS_V) {
        step.to_x = direction * noise;
        step.to_model = direction * signal;
    } else {
        step.to_x = direction / noise;
        step.to_model = -direction * signal / noise;
    }
    step.to_x0 = sqrt(next);
    step.to_noise = sigma;
    return step;
}

void pyr_ddpm_apply(const pyr_ddpm_step *step, pyr_kernels *k, void *x, const void *model, const void *noise,
                    void *x0, size_t count)
{
    pyr_combine(k, x0, 2, (double[]){step->x0_x, step->x0_model}, (const void *const[]){x, model}, count);
    if (step->clip > 0)
        k->backend->clamp(k, x0, -step->clip, step->clip, count);
    pyr_combine(k, x, step->to_noise > 0 ? 4 : 3,
                (double[]){step->to_x0, step->to_x, step->to_model, step->to_noise},
                (const void *const[]){x0, x, model, noise}, count);
}

pyr_status pyr_ddpm_scale_noise(const pyr_ddpm_step *step, pyr_kernels *k, void *noise, const void *variance,
                                size_t count)
{
    double *z, *v;
    pyr_status status;

    PYR_TRY(pyr_new(&z, 2 * count, sizeof *z, "noise of a learned variance"));
    v = z + count;
    PYR_TRY_OUT(pyr_download_reals(k, z, noise, count));
    PYR_TRY_OUT(pyr_download_reals(k, v, variance, count));
    for (size_t i = 0; i < count; i++) {
        double part = (v[i] + 1) / 2;

        z[i] *= step->variance == PYR_LEARNED
                    ? sqrt(v[i])
                    : exp((part * step->log_large + (1 - part) * step->log_small) / 2);
    }
    status = pyr_upload_reals(k, noise, z, count);
out:
    pyr_free(z);
    return status;
}

/* ---- sampling: noise, x0, the network's answer and what it says of variances, then the streams ---- */

static int vectors(bool learned)
{
    return learned ? 4 : 3;
}

static size_t vector_bytes(const pyr_kernels *k, int n, size_t size)
{
    return pyr_aligned((size_t)n * size * pyr_type_size(k->real));
}

size_t pyr_ddpm_work(const pyr_kernels *k, int n, size_t size, bool learned)
{
    return (size_t)vectors(learned) * vector_bytes(k, n, size) +
           (size_t)n * PYR_STREAM_WORDS * sizeof(uint32_t);
}

static void *vector(const pyr_ddpm_sampling *w, int i)
{
    return (char *)w->work + (size_t)i * vector_bytes(w->k, w->n, w->size);
}

/* dst = normals of this step, one stream per sample */
static void draw_noise(const pyr_ddpm_sampling *w, void *dst, pyr_purpose purpose, int step)
{
    w->k->backend->normals(w->k, dst, w->n, w->size, vector(w, vectors(w->learned)),
                           pyr_rng_purpose(purpose, 0), 0, (uint32_t)step);
}

pyr_status pyr_ddpm_sample(const pyr_ddpm *d, const pyr_ddpm_sampling *w, void *x)
{
    void *noise = vector(w, 0), *x0 = vector(w, 1), *model = vector(w, 2);
    size_t count = (size_t)w->n * w->size;
    const char *variance = (const char *)model + count * pyr_type_size(w->k->real);
    int stride = d->config.num_train_timesteps / w->steps;

    pyr_upload_streams(w->k, vector(w, vectors(w->learned)), w->seeds, w->n);
    if (!w->given)
        draw_noise(w, x, PYR_RNG_PRIOR, 0);
    for (int i = 0; i < w->steps; i++) {
        int t = w->t[i];
        /* DDIM goes back by T / steps, whatever the spacing; DDPM to the next time on the list */
        pyr_ddpm_step step = w->ddim ? pyr_ddim_step_to(d, t, t - stride, w->eta)
                                     : pyr_ddpm_step_to(d, t, i + 1 < w->steps ? w->t[i + 1] : -1);

        PYR_TRY(w->network(w->ctx, x, t, model));
        if (step.to_noise > 0)
            draw_noise(w, noise, PYR_RNG_SAMPLER, i);
        if (step.to_noise > 0 && pyr_variance_is_learned(step.variance))
            PYR_TRY(pyr_ddpm_scale_noise(&step, w->k, noise, variance, count));
        pyr_ddpm_apply(&step, w->k, x, model, noise, x0, count);
    }
    return PYR_OK;
}
