/* sampler.c - what all samplers share: the list of their rows, checks, words and costs, working memory, and the
 * loop over noise levels. */
#include "diffusion/sampler_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- the lists --------------------------------------------------------------------------------- */

#define WORD(constant, word, row) [constant] = word,
#define ROW(constant, word, row) [constant] = &row,
#define JUST_WORD(constant, word, row) word,
#define JUST_KIND(constant, word, row) constant,
#define NOTHING(constant, word, row)

const char *const pyr_sampler_names[] = {PYR_SAMPLERS(WORD, WORD)[PYR_SAMPLER_KINDS] = NULL};
const char *const pyr_predictor_names[] = {PYR_SAMPLERS(JUST_WORD, NOTHING) "identity", NULL};
const int pyr_predictor_kinds[] = {PYR_SAMPLERS(JUST_KIND, NOTHING) PYR_IDENTITY};
const char *const pyr_corrector_names[] = {"langevin", "hmc", NULL};
static const pyr_sampler_row *const rows[] = {PYR_SAMPLERS(ROW, ROW)[PYR_IDENTITY] = &pyr_row_identity};

const pyr_sampler_row *pyr_sampler_row_of(int kind)
{
    return rows[kind];
}

bool pyr_sampler_has(const pyr_sampler *sampler, pyr_sampler_flag flag)
{
    return rows[sampler->kind]->flags & flag;
}

bool pyr_sampler_solves_ode(const pyr_sampler *s)
{
    return pyr_sampler_has(s, PYR_SAMPLER_ODE) && !(pyr_sampler_has(s, PYR_SAMPLER_CHURN) && s->churn > 0) &&
           !(pyr_sampler_has(s, PYR_SAMPLER_ETA) && s->eta > 0);
}

/* One more, after `comma` unless it is the first. */
static void add_word(char *words, size_t size, const char *comma, const char *word)
{
    size_t at = strlen(words);

    snprintf(words + at, size - at, "%s%s", at ? comma : "", word);
}

void pyr_sampler_list(char *words, size_t size, pyr_sampler_flag flag)
{
    int last = 0;

    for (int i = 0; i < PYR_SAMPLER_KINDS; i++)
        if (rows[i]->flags & flag)
            last = i;
    *words = 0;
    for (int i = 0; i <= last; i++)
        if (rows[i]->flags & flag)
            add_word(words, size, i == last ? " or " : ", ", pyr_sampler_names[i]);
}

void pyr_sampler_settings(char *words, size_t size, int kind)
{
    static const struct {
        pyr_sampler_flag flag;
        const char *words;
    } of_flags[] = {
        {PYR_SAMPLER_CHURN, "churn, churn_min, churn_max, churn_noise"},
        {PYR_SAMPLER_ETA, "eta"},
        {PYR_SAMPLER_MOVES, "langevin_steps, langevin_epsilon"},
        {PYR_SAMPLER_CORRECTS, "predictor, corrector, corrector_steps, corrector_snr"},
        {PYR_SAMPLER_ADAPTIVE, "tolerance"},
    };
    const pyr_sampler_row *row = rows[kind];

    *words = 0;
    for (size_t i = 0; i < sizeof of_flags / sizeof *of_flags; i++)
        if (row->flags & of_flags[i].flag)
            add_word(words, size, ", ", of_flags[i].words);
    if (row->settings)
        add_word(words, size, ", ", row->settings);
}

/* ---- starts ------------------------------------------------------------------------------------ */

#define STARTS(ROW)                                                                                                                    \
    ROW(PYR_START_PRIOR, "prior",                                                                                                      \
        "the prior of the family: N(0, s^2) for ve and flow, N(0, 1 + s^2) for the others, whose z_t has unit variance")               \
    ROW(PYR_START_UNIT, "unit",                                                                                                        \
        "N(0, 1 + s^2) for every family: right for data of unit variance, so that sigma_max need not be large")                        \
    ROW(PYR_START_GAUSSIAN, "gaussian",                                                                                                \
        "N(m, C + s^2) with a fit to the data, level-I/gaussian.safetensors; it has to be measured first (pyrdiff analyze --network)") \
    ROW(PYR_START_UNIFORM, "uniform",                                                                                                  \
        "U(0, 1) in the range of pixels (NCSN; Padova & Liu 2023, algorithm 1); finer levels begin with a residual of 0")              \
    ROW(PYR_START_CLASS, "class",                                                                                                      \
        "N(m_y, 1 + s^2) about the mean of the image's class, level-I/classes.safetensors: where the SDE ends whose drift is the class's own (Padova & Liu 2023, equation 5); it has to be measured first (pyrdiff analyze --network)")
#define START_WORD(constant, word, help) [constant] = word,
#define START_HELP(constant, word, help) [constant] = help,

const char *const pyr_start_names[] = {STARTS(START_WORD) NULL};
const char *const pyr_start_help[] = {STARTS(START_HELP) NULL};

double pyr_start_deviation(pyr_start start, pyr_family family, double s)
{
    if (start == PYR_START_UNIFORM)
        return 1;
    return start == PYR_START_PRIOR && !pyr_family_unit(family) ? s : sqrt(1 + s * s);
}

/* ---- variances of ancestral sampling ------------------------------------------------------------ */

#define VARIANCES(ROW)                                                                                                                    \
    ROW(PYR_VARIANCE_POSTERIOR, "posterior", "beta~ of DDPM: `r^2 (s^2 - r^2)/s^2`")                                                      \
    ROW(PYR_VARIANCE_FORWARD, "forward",                                                                                                  \
        "beta of DDPM: `(alpha_s/alpha_r)^2 (s^2 - r^2)`, the forward step's")                                                            \
    ROW(PYR_VARIANCE_ANALYTIC, "analytic",                                                                                                \
        "`beta~ + (1 - r^2/s^2)^2 s^2 (1 - s^2 E[score^2])`: the best one for the true score (Bao et al. 2022, Analytic-DPM, theorem 1)") \
    ROW(PYR_VARIANCE_OPTIMAL, "optimal",                                                                                                  \
        "`beta~ + (1 - r^2/s^2)^2 E[(D - z)^2]`: the best one for the network's own errors (Bao et al. 2022, imperfect mean)")
#define VARIANCE_WORD(constant, word, help) [constant] = word,
#define VARIANCE_HELP(constant, word, help) [constant] = help,

const char *const pyr_variance_names[] = {VARIANCES(VARIANCE_WORD) NULL};
const char *const pyr_variance_help[] = {VARIANCES(VARIANCE_HELP) NULL};

/* ---- settings ---------------------------------------------------------------------------------- */

pyr_start pyr_sampler_start(const pyr_sampler *sampler)
{
    if (sampler->start != PYR_START_PRIOR)
        return (pyr_start)sampler->start;
    if (pyr_sampler_has(sampler, PYR_SAMPLER_UNIFORM))
        return PYR_START_UNIFORM;
    /* where data are not lost in the noise */
    return pyr_sampler_has(sampler, PYR_SAMPLER_ONE_LEVEL) ? PYR_START_UNIT : PYR_START_PRIOR;
}

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

pyr_status pyr_sampler_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    const pyr_sampler_row *row = rows[sampler->kind];

    if (sampler->undenoised && sampler->steps == 1 && !(row->flags & PYR_SAMPLER_ADAPTIVE))
        return pyr_fail(PYR_E_CONFIG, "without the denoising step, one step is none: nothing but noise "
                                      "would come out (sampler.steps is 1, should be 2 or more)");
    if (row->flags & PYR_SAMPLER_ADAPTIVE && !(sampler->tolerance > 0))
        return pyr_fail(PYR_E_CONFIG, "sampler.tolerance is %g, should be above 0", sampler->tolerance);
    return row->check ? row->check(sampler, schedule) : PYR_OK;
}

bool pyr_sampler_measured(const pyr_sampler *s)
{
    bool ancestral = s->kind == PYR_ANCESTRAL ||
                     (pyr_sampler_has(s, PYR_SAMPLER_CORRECTS) && s->predictor == PYR_ANCESTRAL);

    return ancestral && s->variance >= PYR_VARIANCE_ANALYTIC;
}

int pyr_sampler_nfe(const pyr_sampler *sampler)
{
    const pyr_sampler_row *row = rows[sampler->kind];
    int steps = sampler->steps - 1 + (row->begin ? 1 : 0), last = sampler->undenoised ? 0 : 1;

    if (row->flags & PYR_SAMPLER_ADAPTIVE)
        return 0;
    return steps * (row->evaluations ? row->evaluations(sampler) : 1) + last;
}

/* A recorded evaluation of a network has some hundred nodes, of a kilobyte or so each. */
enum { MOST_RECORDED = 64 };

bool pyr_sampler_recordable(const pyr_sampler *sampler, int networks)
{
    int nfe = networks * pyr_sampler_nfe(sampler);

    return !pyr_sampler_has(sampler, PYR_SAMPLER_HOST) && nfe > 0 && nfe <= MOST_RECORDED;
}

static const char *predictor_name(int kind)
{
    int i = 0;

    while (pyr_predictor_kinds[i] != kind)
        i++;
    return pyr_predictor_names[i];
}

void pyr_sampler_words(char *words, size_t size, const pyr_sampler *s)
{
    const char *end = s->undenoised ? " undenoised" : "";
    unsigned flags = rows[s->kind]->flags;
    char more[64] = "";

    if (s->kind == PYR_ANCESTRAL && s->variance != PYR_VARIANCE_POSTERIOR)
        snprintf(more, sizeof more, " variance %s", pyr_variance_names[s->variance]);
    else if (flags & PYR_SAMPLER_CHURN && s->churn > 0)
        snprintf(more, sizeof more, " churn %g", s->churn);
    else if (flags & PYR_SAMPLER_ETA && s->eta >= 0)
        snprintf(more, sizeof more, " eta %g", s->eta);
    else if (flags & PYR_SAMPLER_CORRECTS && s->corrector == PYR_CORRECT_HMC)
        snprintf(more, sizeof more, " %s + %d hmc x %d", predictor_name(s->predictor), s->corrector_steps,
                 s->hmc_leapfrogs);
    else if (flags & PYR_SAMPLER_CORRECTS)
        snprintf(more, sizeof more, " %s + %d snr %g", predictor_name(s->predictor), s->corrector_steps,
                 s->corrector_snr);
    else if (flags & PYR_SAMPLER_MOVES)
        snprintf(more, sizeof more, " x %d", s->langevin_steps);
    if (flags & PYR_SAMPLER_ADAPTIVE)
        snprintf(words, size, "%s tolerance %g%s", pyr_sampler_names[s->kind], s->tolerance, end);
    else
        snprintf(words, size, "%s %d%s%s", pyr_sampler_names[s->kind], s->steps, more, end);
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
    int own = rows[sampler->kind]->vectors, predictors = rows[sampler->predictor]->vectors;

    return pyr_sampler_has(sampler, PYR_SAMPLER_CORRECTS) && predictors > own ? predictors : own;
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
           (pyr_sampler_has(sampler, PYR_SAMPLER_ADAPTIVE) ? pyr_rk45_work(k, n, size) : 0);
}

static void *vector(const pyr_sampling *of, int which)
{
    return (char *)of->work + (size_t)which * vector_bytes(of->k, of->n, of->size);
}

static uint32_t *streams_of(const pyr_sampler_state *state)
{
    return vector(state->of, vectors_of(state->sampler));
}

void *pyr_sampler_rk45(const pyr_sampler_state *state)
{
    return (char *)streams_of(state) + stream_bytes(state->of->n);
}

void *pyr_sampler_part(const pyr_sampler_state *state, void *block, int i)
{
    return (char *)block + (size_t)i * state->of->size * pyr_type_size(state->of->k->real);
}

/* ---- what steps are made of -------------------------------------------------------------------- */

static uint32_t stream_step(const pyr_sampler_state *state)
{
    return (uint32_t)(state->step + PYR_MAX_STEPS * state->repeat);
}

static void normals(const pyr_sampler_state *state, void *dst, pyr_purpose purpose, int draw)
{
    const pyr_sampling *of = state->of;

    of->k->backend->normals(of->k, dst, of->n, of->size, streams_of(state),
                            pyr_rng_purpose(purpose, of->level), (uint32_t)draw, stream_step(state));
}

void pyr_sampler_noise(const pyr_sampler_state *state, void *dst, int draw)
{
    normals(state, dst, PYR_RNG_SAMPLER, draw);
}

double pyr_sampler_uniform(const pyr_sampler_state *state, int i, int draw)
{
    /* normals have the draws below 2^31 */
    pyr_rng4 r = pyr_philox(state->of->seeds[i], 0, (uint32_t)draw | UINT32_C(1) << 31, stream_step(state),
                            pyr_rng_purpose(PYR_RNG_SAMPLER, state->of->level));

    return (double)pyr_uniform(r.v[0]);
}

pyr_status pyr_sampler_denoise(pyr_sampler_state *state, const void *x, double s, void *out)
{
    double all[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < state->of->n; i++)
        all[i] = s;
    state->evaluations++;
    return state->of->denoise(state->of->ctx, x, all, out);
}

pyr_status pyr_sampler_moved(pyr_sampler_state *state, double s)
{
    return state->of->moved ? state->of->moved(state->of->after_ctx, s, state->x) : PYR_OK;
}

pyr_status pyr_sampler_move(pyr_sampler_state *state, double s, double keep, double gain, double noise,
                            int draw)
{
    void *x = state->x, *d = state->d, *eps = state->v1;

    PYR_TRY(pyr_sampler_denoise(state, x, s, d));
    if (noise == 0) {
        pyr_sampler_mix(state, x, keep, x, gain, d);
        return PYR_OK;
    }
    pyr_sampler_noise(state, eps, draw);
    pyr_sampler_mix3(state, x, keep, x, gain, d, noise, eps);
    return PYR_OK;
}

void pyr_sampler_sum(const pyr_sampler_state *state, void *dst, int n, const double *coef,
                     const void *const *src)
{
    pyr_kernels *k = state->of->k;

    pyr_combine(k, dst, n, coef, src, (size_t)state->of->n * state->of->size);
}

void pyr_sampler_mix(const pyr_sampler_state *state, void *dst, double a, const void *x, double b,
                     const void *y)
{
    pyr_sampler_sum(state, dst, 2, (double[]){a, b}, (const void *const[]){x, y});
}

void pyr_sampler_mix3(const pyr_sampler_state *state, void *dst, double a, const void *x, double b,
                      const void *y, double c, const void *z)
{
    pyr_sampler_sum(state, dst, 3, (double[]){a, b, c}, (const void *const[]){x, y, z});
}

void pyr_sampler_copy(const pyr_sampler_state *state, void *dst, const void *src)
{
    pyr_kernels *k = state->of->k;

    pyr_copy(k, dst, src, (size_t)state->of->n * state->of->size * pyr_type_size(k->real));
}

/* ---- the loop over noise levels ---------------------------------------------------------------- */

/* At s_max the data are lost in the noise, z_t ~ N(0, sigma^2), x = s eps (VP, sub-VP: z_t has unit variance,
 * which differs from it by less than 1/s^2). */
static void draw_start(pyr_sampler_state *state)
{
    void *eps = state->d;

    if (state->of->start) {
        if (state->of->start != state->x)
            pyr_sampler_copy(state, state->x, state->of->start);
        return;
    }
    normals(state, eps, PYR_RNG_PRIOR, 0);
    pyr_sampler_mix(state, state->x,
                    pyr_start_deviation(pyr_sampler_start(state->sampler), state->schedule->family, state->s),
                    eps, 0, eps);
}

/* From r back to s: x = z + r eps becomes z + s eps', for every family. */
static void noise_back(pyr_sampler_state *state)
{
    void *eps = state->v1;

    normals(state, eps, PYR_RNG_REPEAT, 0);
    pyr_sampler_mix(state, state->x, 1, state->x, sqrt(state->s * state->s - state->r * state->r), eps);
    state->before[0] = state->before[1] = 0;
}

/* Tweedie's formula: E[z | x]. */
static pyr_status denoise_last(pyr_sampler_state *state)
{
    void *d = state->d;

    if (pyr_sampler_has(state->sampler, PYR_SAMPLER_CHURN))
        state->s = pyr_sampler_churn(state);
    PYR_TRY(pyr_sampler_denoise(state, state->x, state->s, d));
    pyr_sampler_copy(state, state->x, d);
    return PYR_OK;
}

/* All of a sampling. */
typedef struct job {
    pyr_sampler_state state;
    int steps, repeats;
} job;

/* Where step i goes to. */
static double level_after(const job *all, int i)
{
    const pyr_schedule *schedule = all->state.schedule;
    double hi = pyr_schedule_t_max(schedule), lo = pyr_schedule_t_min(schedule);

    if (i + 1 >= all->steps)
        return 0;
    if (pyr_sampler_has(all->state.sampler, PYR_SAMPLER_ONE_LEVEL))
        return pyr_schedule_s(schedule, lo);
    return pyr_schedule_s(schedule, hi + (lo - hi) * (i + 1) / (all->steps - 1));
}

static pyr_status run_steps(job *all)
{
    pyr_sampler_state *state = &all->state;
    const pyr_sampling *of = state->of;
    double s = state->s;

    for (int i = 0; i < all->steps; i++) {
        double r = level_after(all, i);

        if (r == 0 && state->sampler->undenoised)
            break;
        for (int repeat = 0; repeat < (r > 0 ? all->repeats : 1); repeat++) {
            state->s = s;
            state->r = r;
            state->step = i;
            state->repeat = repeat;
            if (repeat > 0)
                noise_back(state);
            PYR_TRY(r == 0 ? denoise_last(state) : rows[state->sampler->kind]->step(state));
            if (of->after)
                PYR_TRY(of->after(of->after_ctx, i, r, state->x, state->d));
        }
        state->before[1] = state->before[0];
        state->before[0] = s;
        s = r;
    }
    return PYR_OK;
}

static pyr_status enqueue(void *arg)
{
    job *all = arg;
    pyr_sampler_state *state = &all->state;
    const pyr_sampler_row *row = rows[state->sampler->kind];

    draw_start(state);
    if (row->begin)
        PYR_TRY(row->begin(state, all->steps > 1 ? level_after(all, 0) : state->s / 2));
    return run_steps(all);
}

double pyr_sampler_first_level(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    return pyr_schedule_s(schedule, pyr_sampler_has(sampler, PYR_SAMPLER_ONE_LEVEL)
                                        ? pyr_schedule_t_min(schedule)
                                        : pyr_schedule_t_max(schedule));
}

pyr_status pyr_sample(const pyr_sampling *sampling, const pyr_sampler *sampler, const pyr_schedule *schedule,
                      void *x)
{
    job all = {.state = {.of = sampling,
                         .sampler = sampler,
                         .schedule = schedule,
                         .x = x,
                         .s = pyr_sampler_first_level(sampler, schedule)},
               .steps = sampler->steps,
               .repeats = sampling->repeats > 1 ? sampling->repeats : 1};

    assert(sampling->n <= PYR_MAX_SAMPLING_BATCH && all.steps >= 1 && all.steps <= PYR_MAX_STEPS);
    PYR_TRY(pyr_sampler_check(sampler, schedule));
    if (pyr_sampler_measured(sampler) && !sampling->left)
        return pyr_fail(
            PYR_E_CONFIG,
            "sampler.variance is %s, which has to be measured, but nothing was: take posterior or forward",
            pyr_variance_names[sampler->variance]);
    if (pyr_sampler_has(sampler, PYR_SAMPLER_ONE_LEVEL))
        all.repeats = 1;
    if (pyr_sampler_has(sampler, PYR_SAMPLER_ADAPTIVE) &&
        (all.steps == 1 || (!sampling->after && all.repeats == 1)))
        all.steps = 2; /* all the way in one */
    for (int i = 0; sampling->evaluations && i < sampling->n; i++)
        sampling->evaluations[i] = 0;
    assert(!sampling->recording ||
           (!sampling->after && !sampling->moved && all.repeats == 1 && pyr_sampler_recordable(sampler, 1)));
    all.state.d = vector(sampling, 0);
    all.state.v1 = vector(sampling, 1);
    all.state.v2 = vector(sampling, 2);
    all.state.v3 = vector(sampling, 3);
    pyr_upload_streams(sampling->k, streams_of(&all.state), sampling->seeds, sampling->n);
    if (sampling->recording)
        PYR_TRY(pyr_recorded(sampling->k, sampling->recording, enqueue, &all));
    else
        PYR_TRY(enqueue(&all));
    for (int i = 0; sampling->evaluations && i < sampling->n; i++)
        sampling->evaluations[i] += sampling->recording ? pyr_sampler_nfe(sampler) : all.state.evaluations;
    return PYR_OK;
}
