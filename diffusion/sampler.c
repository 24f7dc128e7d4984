#include "diffusion/sampler.h"

#include "base/mem.h"
#include "diffusion/sampler_internal.h"
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *const pyr_sampler_names[] = {"heun",
                                         "euler",
                                         "euler-maruyama",
                                         "reverse-diffusion",
                                         "ancestral",
                                         "ddim",
                                         "predictor-corrector",
                                         "rk45",
                                         "dpmpp-2m",
                                         "dpmpp-2m-sde",
                                         "annealed-langevin",
                                         "consistent-annealed",
                                         "pyramid-langevin",
                                         "ula",
                                         "mala",
                                         "hmc",
                                         NULL};
const char *const pyr_predictor_names[] = {
    "heun", "euler", "euler-maruyama", "reverse-diffusion", "ancestral", "ddim", NULL};
const char *const pyr_start_names[] = {"prior", "unit", "gaussian", NULL};

/* ---- settings ---------------------------------------------------------------------------------- */

pyr_sampler pyr_sampler_usual(pyr_sampler_kind kind, int steps)
{
    return (pyr_sampler){.kind = (int)kind,
                         .steps = steps,
                         .eta = -1,
                         .churn_noise = 1,
                         .predictor = PYR_ANCESTRAL,
                         .corrector_steps = 1,
                         .corrector_snr = 0.16,
                         .tolerance = 1e-3,
                         .langevin_steps = 5,
                         .hmc_leapfrogs = 8};
}

/* At the one noise level s_min throughout. */
static bool stays(int kind)
{
    return kind == PYR_ULA || kind == PYR_MALA || kind == PYR_HMC;
}

/* Langevin moves at every noise level, the first one included. */
static bool anneals(int kind)
{
    return kind == PYR_ANNEALED_LANGEVIN || kind == PYR_PYRAMID_LANGEVIN;
}

static double last_level(const pyr_schedule *schedule)
{
    return pyr_schedule_s(schedule, pyr_schedule_t_min(schedule));
}

/* Langevin dynamics with steps c s^2 doubles its distance from a point in every step at c = 4 (1 - c/2 is
 * then -1), and noise alone, x = z + s eps with z known, is such a case. */
static pyr_status check_epsilon(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    double s = last_level(schedule), most = sampler->kind == PYR_PYRAMID_LANGEVIN ? 8 : 4 * s * s;

    if (anneals(sampler->kind) && sampler->langevin_epsilon >= most)
        return pyr_fail(PYR_E_CONFIG,
                        "sampler.langevin_epsilon is %g: %s diverges unless it is below %s = %g",
                        sampler->langevin_epsilon, pyr_sampler_names[sampler->kind],
                        sampler->kind == PYR_PYRAMID_LANGEVIN ? "4 * 2" : "4 sigma_min^2", most);
    return PYR_OK;
}

/* Every noise level may fall by no more than what a step takes away, gamma >= 1 - eta. */
static pyr_status check_consistent(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    double hi = pyr_schedule_t_max(schedule), lo = pyr_schedule_t_min(schedule), least = 0;
    double s = pyr_schedule_s(schedule, hi);

    for (int i = 1; i < sampler->steps; i++) {
        double r = pyr_schedule_s(schedule, hi + (lo - hi) * i / (sampler->steps - 1));

        least = fmax(least, 1 - r / s);
        s = r;
    }
    if (sampler->eta >= 0 && sampler->eta < least - 1e-12)
        return pyr_fail(
            PYR_E_CONFIG,
            "sampler.eta is %g: consistent-annealed needs at least 1 - gamma = %.3g at these %d noise "
            "levels (more steps, or sampler.schedule geometric, make that less; -1: chosen)",
            sampler->eta, least, sampler->steps);
    return PYR_OK;
}

pyr_status pyr_sampler_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    if (sampler->undenoised && sampler->steps == 1 && sampler->kind != PYR_RK45)
        return pyr_fail(PYR_E_CONFIG, "without the denoising step, one step is none: nothing but noise "
                                      "would come out (sampler.steps is 1, should be 2 or more)");
    if (sampler->kind == PYR_RK45 && !(sampler->tolerance > 0))
        return pyr_fail(PYR_E_CONFIG, "sampler.tolerance is %g, should be above 0", sampler->tolerance);
    if (sampler->kind == PYR_CONSISTENT_ANNEALED)
        return check_consistent(sampler, schedule);
    return check_epsilon(sampler, schedule);
}

int pyr_sampler_nfe(const pyr_sampler *sampler)
{
    int moves = sampler->steps - 1, last = sampler->undenoised ? 0 : 1, t = sampler->langevin_steps;

    switch (sampler->kind) {
    case PYR_HEUN:
        return 2 * moves + last;
    case PYR_PREDICTOR_CORRECTOR:
        return moves * ((sampler->predictor == PYR_HEUN ? 2 : 1) + sampler->corrector_steps) + last;
    case PYR_RK45:
        return 0;
    case PYR_ANNEALED_LANGEVIN:
    case PYR_PYRAMID_LANGEVIN:
        return (moves + 1) * t + last;
    case PYR_ULA:
        return moves * t + last;
    case PYR_MALA: /* and one evaluation where the moves begin: x may have been changed since the last */
        return moves * (t + 1) + last;
    case PYR_HMC:
        return moves * (t * sampler->hmc_leapfrogs + 1) + last;
    default:
        return moves + last;
    }
}

/* A recorded evaluation of a network has some hundred nodes, of a kilobyte or so each. */
enum { MOST_RECORDED = 64 };

bool pyr_sampler_recordable(const pyr_sampler *sampler, int networks)
{
    int nfe = networks * pyr_sampler_nfe(sampler);

    return sampler->kind != PYR_PREDICTOR_CORRECTOR && sampler->kind != PYR_MALA &&
           sampler->kind != PYR_HMC && nfe > 0 && nfe <= MOST_RECORDED;
}

void pyr_sampler_words(char *words, size_t size, const pyr_sampler *s)
{
    char more[64] = "";

    if ((s->kind == PYR_HEUN || s->kind == PYR_EULER) && s->churn > 0)
        snprintf(more, sizeof more, " churn %g", s->churn);
    else if ((s->kind == PYR_DDIM || s->kind == PYR_DPMPP_2M_SDE || s->kind == PYR_CONSISTENT_ANNEALED) &&
             s->eta >= 0)
        snprintf(more, sizeof more, " eta %g", s->eta);
    else if (s->kind == PYR_PREDICTOR_CORRECTOR)
        snprintf(more, sizeof more, " %s + %d snr %g", pyr_predictor_names[s->predictor], s->corrector_steps,
                 s->corrector_snr);
    else if (anneals(s->kind) || stays(s->kind))
        snprintf(more, sizeof more, " x %d", s->langevin_steps);
    if (s->kind == PYR_RK45)
        snprintf(words, size, "rk45 tolerance %g%s", s->tolerance, s->undenoised ? " undenoised" : "");
    else
        snprintf(words, size, "%s %d%s%s", pyr_sampler_names[s->kind], s->steps, more,
                 s->undenoised ? " undenoised" : "");
}

void pyr_sampler_grid(const pyr_schedule *schedule, int steps, double *s)
{
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule);

    for (int i = 0; i < steps; i++)
        s[i] = pyr_schedule_s(schedule, steps > 1 ? hi + (lo - hi) * i / (steps - 1) : hi);
    s[steps] = 0;
}

/* ---- working memory: vectors, then the streams, then what rk45 needs ---- */

static int vectors_of(const pyr_sampler *sampler)
{
    switch (sampler->kind) {
    case PYR_HEUN:
    case PYR_PREDICTOR_CORRECTOR:
    case PYR_DPMPP_2M:
    case PYR_DPMPP_2M_SDE:
        return 3;
    case PYR_MALA:
    case PYR_HMC:
        return 4;
    default:
        return 2;
    }
}

static size_t vector_bytes(const pyr_kernels *k, int n, size_t size)
{
    return pyr_aligned((size_t)n * size * pyr_type_size(k->real));
}

static size_t stream_bytes(int n)
{
    return pyr_aligned((size_t)n * PYR_STREAM_WORDS * sizeof(uint32_t));
}

size_t pyr_sampler_work(const pyr_kernels *k, const pyr_sampler *sampler, int n, size_t size)
{
    return (size_t)vectors_of(sampler) * vector_bytes(k, n, size) + stream_bytes(n) +
           (sampler->kind == PYR_RK45 ? pyr_rk45_work(k, n, size) : 0);
}

void *pyr_path_vector(const pyr_path *p, int which)
{
    const pyr_sampling *w = p->w;

    return (char *)w->work + (size_t)which * vector_bytes(w->k, w->n, w->size);
}

void *pyr_path_rk45(const pyr_path *p)
{
    return (char *)pyr_path_vector(p, vectors_of(p->sampler)) + stream_bytes(p->w->n);
}

void *pyr_path_part(const pyr_path *p, void *block, int i)
{
    return (char *)block + (size_t)i * p->w->size * pyr_type_size(p->w->k->real);
}

/* ---- what steps are made of -------------------------------------------------------------------- */

static int stream_step(const pyr_path *p)
{
    return p->step + PYR_MAX_STEPS * p->repeat;
}

static uint32_t *streams_of(const pyr_path *p)
{
    return pyr_path_vector(p, vectors_of(p->sampler));
}

static void normals(const pyr_path *p, void *dst, pyr_purpose purpose, int draw)
{
    const pyr_sampling *w = p->w;

    w->k->backend->normals(w->k, dst, w->n, w->size, streams_of(p), pyr_rng_purpose(purpose, w->level),
                           (uint32_t)draw, (uint32_t)stream_step(p));
}

void pyr_path_noise(const pyr_path *p, void *dst, int draw)
{
    normals(p, dst, PYR_RNG_SAMPLER, draw);
}

double pyr_path_uniform(const pyr_path *p, int i, int draw)
{
    /* normals have the draws below 2^31 */
    pyr_rng4 r = pyr_philox(p->w->seeds[i], 0, (uint32_t)draw | UINT32_C(1) << 31, (uint32_t)stream_step(p),
                            pyr_rng_purpose(PYR_RNG_SAMPLER, p->w->level));

    return (double)pyr_uniform(r.v[0]);
}

pyr_status pyr_path_denoise(pyr_path *p, const void *x, double s, void *out)
{
    double all[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < p->w->n; i++)
        all[i] = s;
    p->evaluations++;
    return p->w->denoise(p->w->ctx, x, all, out);
}

void pyr_path_mix(const pyr_path *p, void *dst, double a, const void *x, double b, const void *y)
{
    pyr_combine(p->w->k, dst, 2, (double[]){a, b}, (const void *const[]){x, y}, (size_t)p->w->n * p->w->size);
}

void pyr_path_mix3(const pyr_path *p, void *dst, double a, const void *x, double b, const void *y, double c,
                   const void *z)
{
    pyr_combine(p->w->k, dst, 3, (double[]){a, b, c}, (const void *const[]){x, y, z},
                (size_t)p->w->n * p->w->size);
}

void pyr_path_copy(const pyr_path *p, void *dst, const void *src)
{
    pyr_copy(p->w->k, dst, src, (size_t)p->w->n * p->w->size * pyr_type_size(p->w->k->real));
}

/* ---- the driver -------------------------------------------------------------------------------- */

/* At s_max the data are lost in the noise, z_t ~ N(0, sigma^2), x = s eps (VP, sub-VP: z_t has unit variance,
 * which differs from it by less than 1/s^2). */
static void begin(pyr_path *p)
{
    void *eps = pyr_path_vector(p, PYR_D);
    bool unit = p->sampler->start != PYR_START_PRIOR || p->schedule->family != PYR_VE;

    if (p->w->start) {
        if (p->w->start != p->x)
            pyr_path_copy(p, p->x, p->w->start);
        return;
    }
    normals(p, eps, PYR_RNG_PRIOR, 0);
    pyr_path_mix(p, p->x, unit ? sqrt(1 + p->s * p->s) : p->s, eps, 0, eps);
}

/* From r back to s: x = z + r eps becomes z + s eps', for every family. */
static void noise_back(const pyr_path *p)
{
    void *eps = pyr_path_vector(p, PYR_V1);

    normals(p, eps, PYR_RNG_REPEAT, 0);
    pyr_path_mix(p, p->x, 1, p->x, sqrt(p->s * p->s - p->r * p->r), eps);
}

/* Tweedie's formula: E[z | x]. */
static pyr_status denoise_last(pyr_path *p)
{
    void *d = pyr_path_vector(p, PYR_D);

    if (p->sampler->kind == PYR_HEUN || p->sampler->kind == PYR_EULER)
        p->s = pyr_churn(p);
    PYR_TRY(pyr_path_denoise(p, p->x, p->s, d));
    pyr_path_copy(p, p->x, d);
    return PYR_OK;
}

static pyr_status step_by(pyr_path *p, int kind)
{
    const pyr_sampler *sampler = p->sampler;

    switch (kind) {
    case PYR_HEUN:
        return pyr_ode_step(p, true);
    case PYR_EULER:
        return pyr_ode_step(p, false);
    case PYR_EULER_MARUYAMA: /* stiff: the same SDE solved exactly for this D, which is ancestral sampling */
        return p->w->stiff ? pyr_ddim_step(p, 1) : pyr_euler_maruyama_step(p);
    case PYR_REVERSE_DIFFUSION:
        return p->w->stiff ? pyr_ddim_step(p, 1) : pyr_reverse_diffusion_step(p);
    case PYR_ANCESTRAL:
        return pyr_ddim_step(p, 1);
    case PYR_DDIM:
        return pyr_ddim_step(p, sampler->eta < 0 ? 0 : sampler->eta);
    case PYR_PREDICTOR_CORRECTOR:
        PYR_TRY(step_by(p, sampler->predictor));
        return pyr_corrector_step(p);
    case PYR_RK45:
        return pyr_rk45_step(p);
    case PYR_DPMPP_2M:
        return pyr_dpmpp_step(p, 0);
    case PYR_DPMPP_2M_SDE:
        return pyr_dpmpp_step(p, sampler->eta < 0 ? 1 : sampler->eta);
    case PYR_CONSISTENT_ANNEALED:
        return pyr_consistent_annealed_step(p);
    case PYR_ANNEALED_LANGEVIN:
    case PYR_PYRAMID_LANGEVIN:
    case PYR_ULA:
        return pyr_langevin_moves(p, p->s, p->r, 0);
    default:
        assert(kind == PYR_MALA || kind == PYR_HMC);
        return pyr_hmc_moves(p, p->r);
    }
}

static pyr_status run(pyr_path *p, int steps, int repeats)
{
    const pyr_sampling *w = p->w;
    double hi = pyr_schedule_t_max(p->schedule), lo = pyr_schedule_t_min(p->schedule), s = p->s;

    for (int i = 0; i < steps; i++) {
        double r = 0;

        if (i + 1 < steps)
            r = stays(p->sampler->kind) ? pyr_schedule_s(p->schedule, lo)
                                        : pyr_schedule_s(p->schedule, hi + (lo - hi) * (i + 1) / (steps - 1));
        if (r == 0 && p->sampler->undenoised)
            break;
        for (int repeat = 0; repeat < (r > 0 ? repeats : 1); repeat++) {
            p->s = s;
            p->r = r;
            p->step = i;
            p->repeat = repeat;
            if (repeat > 0) {
                noise_back(p);
                p->before = 0;
            }
            PYR_TRY(r == 0 ? denoise_last(p) : step_by(p, p->sampler->kind));
            if (w->after)
                PYR_TRY(w->after(w->after_ctx, i, r, p->x, pyr_path_vector(p, PYR_D)));
        }
        p->before = s;
        s = r;
    }
    return PYR_OK;
}

/* All of a way. */
typedef struct way {
    pyr_path p;
    int steps, repeats;
} way;

static pyr_status enqueue(void *arg)
{
    way *all = arg;
    pyr_path *p = &all->p;
    double hi = pyr_schedule_t_max(p->schedule), lo = pyr_schedule_t_min(p->schedule);

    begin(p);
    if (anneals(p->sampler->kind)) {
        double next =
            all->steps > 1 ? pyr_schedule_s(p->schedule, hi - (hi - lo) / (all->steps - 1)) : p->s / 2;

        PYR_TRY(pyr_langevin_moves(p, p->s * p->s / next, p->s, p->sampler->langevin_steps));
    }
    return run(p, all->steps, all->repeats);
}

pyr_status pyr_sample(const pyr_sampling *sampling, const pyr_sampler *sampler, const pyr_schedule *schedule,
                      void *x)
{
    way all = {.p = {.w = sampling,
                     .sampler = sampler,
                     .schedule = schedule,
                     .x = x,
                     .s = pyr_schedule_s(schedule, pyr_schedule_t_max(schedule))},
               .steps = sampler->steps,
               .repeats = sampling->repeats > 1 ? sampling->repeats : 1};

    assert(sampling->n <= PYR_MAX_SAMPLING_BATCH && all.steps >= 1 && all.steps <= PYR_MAX_STEPS);
    PYR_TRY(pyr_sampler_check(sampler, schedule));
    if (sampler->kind == PYR_MALA && !sampling->density)
        return pyr_fail(PYR_E_CONFIG, "mala accepts or rejects by the density, which is not known here: a "
                                      "network gives the score only (take ula or hmc)");
    if (stays(sampler->kind))
        all.repeats = 1;
    if (sampler->kind == PYR_RK45 && (all.steps == 1 || (!sampling->after && all.repeats == 1)))
        all.steps = 2; /* in one go */
    for (int i = 0; sampling->evaluations && i < sampling->n; i++)
        sampling->evaluations[i] = 0;
    assert(!sampling->recording ||
           (!sampling->after && all.repeats == 1 && pyr_sampler_recordable(sampler, 1)));
    pyr_upload_streams(sampling->k, streams_of(&all.p), sampling->seeds, sampling->n);
    if (sampling->recording)
        PYR_TRY(pyr_recorded(sampling->k, sampling->recording, enqueue, &all));
    else
        PYR_TRY(enqueue(&all));
    for (int i = 0; sampling->evaluations && i < sampling->n; i++)
        sampling->evaluations[i] += sampling->recording ? pyr_sampler_nfe(sampler) : all.p.evaluations;
    return PYR_OK;
}
