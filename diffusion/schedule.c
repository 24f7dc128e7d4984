/* schedule.c - families of SDEs, curves of noise over time, densities and weights of training: the rows of each,
 * and what follows from them. */
#include "diffusion/schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static const double pi = 3.14159265358979323846;

/* A list has a ROW(constant, word, functions, help) for each; of it come: */
#define WORD(constant, word, functions, help) [constant] = word,
#define HELP(constant, word, functions, help) [constant] = help,
#define FUNCTIONS(constant, word, functions, help) [constant] = &functions,

/* ---- families ---------------------------------------------------------------------------------- */

/* The family's own s, and p, vp's s of the same alpha: NULL where they are the same. alpha of p, and its slope,
 * d log alpha / d log p: NULL where alpha is 1. */
typedef struct family_row {
    double (*own)(double p), (*vp)(double s);
    double (*slope)(double p); /* d log s / d log p */
    double (*alpha)(double p), (*alpha_slope)(double p);
    bool unit; /* z_t has unit variance where the data have */
} family_row;

static double vp_alpha(double p)
{
    return 1 / sqrt(1 + p * p);
}

static double vp_alpha_slope(double p)
{
    return -p * p / (1 + p * p);
}

static double sub_vp_own(double p)
{
    return p * p / sqrt(1 + p * p);
}

/* v = p^2 solves v^2 = s^2 (1 + v) */
static double sub_vp_vp(double s)
{
    double q = s * s;

    return sqrt((q + sqrt(q * q + 4 * q)) / 2);
}

static double sub_vp_slope(double p)
{
    return 2 - p * p / (1 + p * p);
}

/* alpha = 1 - t, sigma = t: s = t/(1 - t) */
static double flow_alpha(double s)
{
    return 1 / (1 + s);
}

static double flow_alpha_slope(double s)
{
    return -s / (1 + s);
}

static const family_row ve = {.unit = false};
static const family_row vp = {.alpha = vp_alpha, .alpha_slope = vp_alpha_slope, .unit = true};
static const family_row sub_vp = {.own = sub_vp_own,
                                  .vp = sub_vp_vp,
                                  .slope = sub_vp_slope,
                                  .alpha = vp_alpha,
                                  .alpha_slope = vp_alpha_slope,
                                  .unit = true};
static const family_row flow = {.alpha = flow_alpha, .alpha_slope = flow_alpha_slope, .unit = false};

#define FAMILIES(ROW)                                                                                        \
    ROW(PYR_VE, "ve", ve, "variance exploding: `alpha = 1`, `z_t = z + s eps`")                              \
    ROW(PYR_VP, "vp", vp, "variance preserving: `alpha^2 = 1/(1 + s^2)`, `sigma^2 = 1 - alpha^2`")           \
    ROW(PYR_SUB_VP, "sub-vp", sub_vp, "vp with less noise: the same alpha, `sigma = 1 - alpha^2`")           \
    ROW(PYR_FLOW, "flow", flow,                                                                              \
        "straight lines: `z_t = (1 - t) z + t eps`, `s = t/(1 - t)` (Liu et al. 2023; Lipman et al. 2023)")

static const family_row *const families[] = {FAMILIES(FUNCTIONS)};
const char *const pyr_family_names[] = {FAMILIES(WORD) NULL};
const char *const pyr_family_help[] = {FAMILIES(HELP) NULL};

bool pyr_family_unit(pyr_family family)
{
    return families[family]->unit;
}

static double own_of(pyr_family family, double p)
{
    return families[family]->own ? families[family]->own(p) : p;
}

static double vp_of(pyr_family family, double s)
{
    return families[family]->vp ? families[family]->vp(s) : s;
}

static double own_slope(pyr_family family, double p)
{
    return families[family]->slope ? families[family]->slope(p) : 1;
}

/* ---- curves, before scaling -------------------------------------------------------------------- */

typedef struct curve_row {
    double (*s)(const pyr_schedule *c, double t);
    double (*t)(const pyr_schedule *c, double s);
    double (*slope)(const pyr_schedule *c, double t); /* d log s / dt */
    pyr_status (*check)(const pyr_schedule *c);       /* NULL: nothing to check */
} curve_row;

static double first(const pyr_schedule *c)
{
    return vp_of(c->family, c->s_min);
}

static double last(const pyr_schedule *c)
{
    return vp_of(c->family, c->s_max);
}

static double geometric_s(const pyr_schedule *c, double t)
{
    return first(c) * pow(last(c) / first(c), t);
}

static double geometric_t(const pyr_schedule *c, double s)
{
    return log(s / first(c)) / log(last(c) / first(c));
}

static double geometric_slope(const pyr_schedule *c, double t)
{
    (void)t;
    return log(last(c) / first(c));
}

static const curve_row geometric = {geometric_s, geometric_t, geometric_slope, NULL};

/* s^2 = e^{-lambda} = exp(b0 t + (b1 - b0) t^2 / 2) - 1 */
static double linear_s(const pyr_schedule *c, double t)
{
    return sqrt(expm1(c->beta_min * t + (c->beta_max - c->beta_min) * t * t / 2));
}

static double linear_t(const pyr_schedule *c, double s)
{
    double b = c->beta_max - c->beta_min, v = log1p(s * s);

    return 2 * v / (c->beta_min + sqrt(c->beta_min * c->beta_min + 2 * b * v));
}

/* log s = log(e^v - 1) / 2 */
static double linear_slope(const pyr_schedule *c, double t)
{
    double v = c->beta_min * t + (c->beta_max - c->beta_min) * t * t / 2;

    return (c->beta_min + (c->beta_max - c->beta_min) * t) / (2 * -expm1(-v));
}

static pyr_status linear_check(const pyr_schedule *c)
{
    if (!(c->beta_min >= 0 && c->beta_max > c->beta_min))
        return pyr_fail(PYR_E_CONFIG, "beta_min is %g and beta_max is %g: should be 0 <= beta_min < beta_max",
                        c->beta_min, c->beta_max);
    return PYR_OK;
}

static const curve_row linear = {linear_s, linear_t, linear_slope, linear_check};

static double cosine_s(const pyr_schedule *c, double t)
{
    (void)c;
    return tan(pi * t / 2);
}

static double cosine_t(const pyr_schedule *c, double s)
{
    (void)c;
    return 2 / pi * atan(s);
}

static double cosine_slope(const pyr_schedule *c, double t)
{
    (void)c;
    return pi / sin(pi * t);
}

static const curve_row cosine = {cosine_s, cosine_t, cosine_slope, NULL};

static double karras_s(const pyr_schedule *c, double t)
{
    double a = pow(first(c), 1 / c->rho), b = pow(last(c), 1 / c->rho);

    return pow(a + t * (b - a), c->rho);
}

static double karras_t(const pyr_schedule *c, double s)
{
    double a = pow(first(c), 1 / c->rho), b = pow(last(c), 1 / c->rho);

    return (pow(s, 1 / c->rho) - a) / (b - a);
}

static double karras_slope(const pyr_schedule *c, double t)
{
    double a = pow(first(c), 1 / c->rho), b = pow(last(c), 1 / c->rho);

    return c->rho * (b - a) / (a + t * (b - a));
}

static const curve_row karras = {karras_s, karras_t, karras_slope, NULL};

static double power_s(const pyr_schedule *c, double t)
{
    return sqrt(expm1(2 * t * log(c->base)) / (2 * log(c->base)));
}

static double power_t(const pyr_schedule *c, double s)
{
    return log1p(2 * log(c->base) * s * s) / (2 * log(c->base));
}

/* log s = log(b^{2t} - 1) / 2 + constant */
static double power_slope(const pyr_schedule *c, double t)
{
    return log(c->base) / -expm1(-2 * t * log(c->base));
}

static pyr_status power_check(const pyr_schedule *c)
{
    return c->base > 1 ? PYR_OK : pyr_fail(PYR_E_CONFIG, "power_base is %g, should be above 1", c->base);
}

static double straight_s(const pyr_schedule *c, double t)
{
    (void)c;
    return t / (1 - t);
}

static double straight_t(const pyr_schedule *c, double s)
{
    (void)c;
    return s / (1 + s);
}

static double straight_slope(const pyr_schedule *c, double t)
{
    (void)c;
    return 1 / (t * (1 - t));
}

static const curve_row straight = {straight_s, straight_t, straight_slope, NULL};

static const curve_row power = {power_s, power_t, power_slope, power_check};

#define CURVES(ROW)                                                                                          \
    ROW(PYR_CURVE_GEOMETRIC, "geometric", geometric, "`s = sigma_min (sigma_max/sigma_min)^t`")              \
    ROW(PYR_CURVE_LINEAR, "linear", linear,                                                                  \
        "linear beta: `s^2 = exp(beta_min t + (beta_max - beta_min) t^2/2) - 1`")                            \
    ROW(PYR_CURVE_COSINE, "cosine", cosine, "`s = tan(pi t/2)`")                                             \
    ROW(PYR_CURVE_KARRAS, "karras", karras,                                                                  \
        "`s = (a + t (b - a))^rho`, `a = sigma_min^(1/rho)`, `b = sigma_max^(1/rho)`")                       \
    ROW(PYR_CURVE_POWER, "power", power, "`s^2 = (b^(2t) - 1)/(2 log b)`, `b = power_base`: `dz = b^t dw`")  \
    ROW(PYR_CURVE_STRAIGHT, "straight", straight, "`s = t/(1 - t)`, the time of family flow")

static const curve_row *const curves[] = {CURVES(FUNCTIONS)};
const char *const pyr_curve_names[] = {CURVES(WORD) NULL};
const char *const pyr_curve_help[] = {CURVES(HELP) NULL};

static const curve_row *curve_of(const pyr_schedule *c)
{
    return curves[c->curve];
}

/* ---- schedules --------------------------------------------------------------------------------- */

pyr_status pyr_schedule_check(const pyr_schedule *s)
{
    if (!(s->s_min > 0 && s->s_max > s->s_min))
        return pyr_fail(PYR_E_CONFIG,
                        "sigma_min is %g and sigma_max is %g: should be 0 < sigma_min < sigma_max", s->s_min,
                        s->s_max);
    return curve_of(s)->check ? curve_of(s)->check(s) : PYR_OK;
}

double pyr_schedule_s(const pyr_schedule *schedule, double t)
{
    return own_of(schedule->family, schedule->scale * curve_of(schedule)->s(schedule, t));
}

double pyr_schedule_t(const pyr_schedule *schedule, double s)
{
    return curve_of(schedule)->t(schedule, vp_of(schedule->family, s) / schedule->scale);
}

double pyr_schedule_t_min(const pyr_schedule *schedule)
{
    return curve_of(schedule)->t(schedule, first(schedule));
}

double pyr_schedule_t_max(const pyr_schedule *schedule)
{
    return curve_of(schedule)->t(schedule, last(schedule));
}

/* `by` times as much of what scales act on, p. */
static double scaled(pyr_family family, double s, double by)
{
    return by == 1 ? s : own_of(family, by * vp_of(family, s));
}

double pyr_schedule_lowest(const pyr_schedule *schedule)
{
    return scaled(schedule->family, schedule->s_min, schedule->scale);
}

double pyr_schedule_highest(const pyr_schedule *schedule)
{
    return scaled(schedule->family, schedule->s_max, schedule->scale);
}

double pyr_schedule_unscaled(const pyr_schedule *schedule, double s)
{
    return families[schedule->family]->vp ? scaled(schedule->family, s, 1 / schedule->scale)
                                          : s / schedule->scale;
}

double pyr_schedule_slope(const pyr_schedule *schedule, double t)
{
    const curve_row *curve = curve_of(schedule);

    return own_slope(schedule->family, schedule->scale * curve->s(schedule, t)) * curve->slope(schedule, t);
}

double pyr_alpha(pyr_family family, double s)
{
    return families[family]->alpha ? families[family]->alpha(vp_of(family, s)) : 1;
}

double pyr_drift(const pyr_schedule *schedule, double t)
{
    double p = schedule->scale * curve_of(schedule)->s(schedule, t);

    const family_row *row = families[schedule->family];

    return row->alpha ? row->alpha_slope(p) * curve_of(schedule)->slope(schedule, t) : 0;
}

double pyr_diffusion2(const pyr_schedule *schedule, double t)
{
    double s = pyr_schedule_s(schedule, t), sigma = s * pyr_alpha(schedule->family, s);

    return 2 * pyr_schedule_slope(schedule, t) * sigma * sigma;
}

/* ---- noise levels in training ------------------------------------------------------------------ */

/* All noise is of one level, the lowest. It has no density to compare with others. */
static double single_quantile(const pyr_noise *noise, const pyr_schedule *schedule, double u)
{
    (void)noise;
    (void)u;
    return pyr_schedule_lowest(schedule);
}

typedef struct density_row {
    /* the noise level at quantile u, and the density of log s (NULL: there is none) */
    double (*quantile)(const pyr_noise *noise, const pyr_schedule *schedule, double u);
    double (*of)(const pyr_noise *noise, const pyr_schedule *schedule, double s);
} density_row;

static double log_normal_quantile(const pyr_noise *noise, const pyr_schedule *schedule, double u)
{
    return schedule->scale * exp(noise->mean + noise->std * pyr_normal_quantile(u));
}

static double log_normal_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    double x = (log(s / schedule->scale) - noise->mean) / noise->std;

    return exp(-x * x / 2) / (noise->std * sqrt(2 * pi));
}

static double uniform_quantile(const pyr_noise *noise, const pyr_schedule *schedule, double u)
{
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule);

    if (noise->times > 1) /* each of them for the same share of u */
        u = fmin(floor(u * noise->times), noise->times - 1) / (noise->times - 1);
    return pyr_schedule_s(schedule, lo + u * (hi - lo));
}

static double uniform_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule),
           t = pyr_schedule_t(schedule, s);

    (void)noise;
    return t < lo || t > hi ? 0 : 1 / (pyr_schedule_slope(schedule, t) * (hi - lo));
}

static const density_row log_normal = {log_normal_quantile, log_normal_of};
static const density_row uniform = {uniform_quantile, uniform_of};
static const density_row single = {single_quantile, NULL};

#define DENSITIES(ROW)                                                                                                                  \
    ROW(PYR_LOG_NORMAL, "log-normal", log_normal, "`log s` is normal, `mean` and `std` its own")                                        \
    ROW(PYR_UNIFORM_T, "uniform", uniform, "t is uniform, from `sigma_min` to `sigma_max` on the schedule")                             \
    ROW(PYR_LOGIT_NORMAL, "logit-normal", log_normal,                                                                                   \
        "`logit t` is normal, t = s/(1 + s) the time of family flow: `logit t = log s`, so the same as log-normal (Esser et al. 2024)") \
    ROW(PYR_SINGLE, "single", single, "all noise is `sigma_min` (Vincent 2011)")

static const density_row *const densities[] = {DENSITIES(FUNCTIONS)};
const char *const pyr_density_names[] = {DENSITIES(WORD) NULL};
const char *const pyr_density_help[] = {DENSITIES(HELP) NULL};

double pyr_noise_quantile(const pyr_noise *noise, const pyr_schedule *schedule, double u)
{
    return densities[noise->density]->quantile(noise, schedule, u);
}

typedef struct weight_row {
    pyr_density meant; /* the density of noise levels that it is meant for */
    double (*of)(const pyr_noise *noise, const pyr_schedule *schedule, double s);
    bool steps; /* it belongs to the steps between `times` noise levels */
    bool any;   /* it is meant for every density as it is */
} weight_row;

static double edm_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    (void)noise;
    (void)schedule;
    return 1 + 1 / (s * s);
}

static double simple_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    (void)noise;
    (void)schedule;
    return 1 / (s * s);
}

/* -lambda' / 2 is the slope of log s */
static double likelihood_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    (void)noise;
    return pyr_schedule_slope(schedule, pyr_schedule_t(schedule, s)) * (1 / (s * s));
}

static double min_snr_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    (void)noise;
    (void)schedule;
    return fmin(1 / (s * s), 5);
}

/* The noise level below s among the `times`; 0: s is the lowest. */
static double level_below(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule);
    double i = rint((pyr_schedule_t(schedule, s) - lo) / (hi - lo) * (noise->times - 1));

    return i > 0 ? pyr_schedule_s(schedule, lo + (hi - lo) * (i - 1) / (noise->times - 1)) : 0;
}

/* The divergence of two normals of variance v is (difference of means)^2/(2v). From s to r the mean of x_r moves by
 * 1 - r^2/s^2 with D; v is beta, (alpha_s/alpha_r)^2 (s^2 - r^2) in x_r, or beta~ = r^2 (s^2 - r^2)/s^2, which leaves
 * the difference of the signal-to-noise ratios. The last step, to r = 0, has no beta~. T times the mean over the steps
 * is their sum. */
static double vlb_forward_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    double r = level_below(noise, schedule, s);
    double a = pyr_alpha(schedule->family, s) / (r > 0 ? pyr_alpha(schedule->family, r) : 1);

    return noise->times * (s * s - r * r) / (2 * a * a * s * s * s * s);
}

static double vlb_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    double r = level_below(noise, schedule, s);

    return r > 0 ? noise->times * (1 / (r * r) - 1 / (s * s)) / 2 : vlb_forward_of(noise, schedule, s);
}

static double velocity_of(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    (void)noise;
    (void)schedule;
    return (1 + s) * (1 + s) / (s * s);
}

static const weight_row edm = {.meant = PYR_LOG_NORMAL, .of = edm_of},
                        simple = {.meant = PYR_UNIFORM_T, .of = simple_of};
static const weight_row likelihood = {.meant = PYR_UNIFORM_T, .of = likelihood_of};
static const weight_row min_snr = {.meant = PYR_UNIFORM_T, .of = min_snr_of};
static const weight_row vlb = {.meant = PYR_UNIFORM_T, .of = vlb_of, .steps = true};
static const weight_row vlb_forward = {.meant = PYR_UNIFORM_T, .of = vlb_forward_of, .steps = true};
static const weight_row velocity = {.of = velocity_of, .any = true};

#define WEIGHTS(ROW)                                                                                                                                                                               \
    ROW(PYR_WEIGHT_EDM, "edm", edm, "`(1 + s^2)/s^2`, meant for log-normal (Karras et al. 2022)")                                                                                                  \
    ROW(PYR_WEIGHT_SIMPLE, "simple", simple,                                                                                                                                                       \
        "`1/s^2`, meant for uniform (Ho et al. 2020, L_simple; Song & Ermon 2019, equation 6)")                                                                                                    \
    ROW(PYR_WEIGHT_LIKELIHOOD, "likelihood", likelihood,                                                                                                                                           \
        "`-lambda'(t)/(2 s^2)`, meant for uniform (Song et al. 2021, maximum likelihood, equation 7)")                                                                                             \
    ROW(PYR_WEIGHT_MIN_SNR, "min-snr", min_snr, "`min(1/s^2, 5)`, meant for uniform (Hang et al. 2023)")                                                                                           \
    ROW(PYR_WEIGHT_VLB, "vlb", vlb,                                                                                                                                                                \
        "`T (1/r^2 - 1/s^2)/2`, s and r neighbours of T = `noise.levels`: the variational bound's steps, of variance beta~ (Ho et al. 2020, equations 5 and 12; Kingma et al. 2021, equation 13)") \
    ROW(PYR_WEIGHT_VLB_FORWARD, "vlb-forward", vlb_forward,                                                                                                                                        \
        "`T (s^2 - r^2) (alpha_r/alpha_s)^2/(2 s^4)`: the same with variance beta")                                                                                                                \
    ROW(PYR_WEIGHT_VELOCITY, "velocity", velocity,                                                                                                                                                 \
        "`(1 + s)^2/s^2`: 1 on the velocity `eps - z`, whatever the density (Liu et al. 2023, equation 1; Esser et al. 2024, section 3)")

static const weight_row *const weights[] = {WEIGHTS(FUNCTIONS)};
const char *const pyr_weight_names[] = {WEIGHTS(WORD) NULL};
const char *const pyr_weight_help[] = {WEIGHTS(HELP) NULL};

bool pyr_weight_has_steps(pyr_weight weight)
{
    return weights[weight]->steps;
}

double pyr_noise_weight(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    const weight_row *row = weights[noise->weight];
    double w = row->of(noise, schedule, s);

    if (!row->any && row->meant != noise->density && densities[noise->density]->of)
        w *=
            densities[row->meant]->of(noise, schedule, s) / densities[noise->density]->of(noise, schedule, s);
    return w;
}

/* ---- the normal distribution ------------------------------------------------------------------- */

/* p(r) / q(r) for eight coefficients p, and the seven behind the 1 that q begins with. */
static double ratio(const double p[8], const double q[7], double r)
{
    double a = p[7], b = q[6];

    for (int i = 6; i >= 0; i--) {
        a = a * r + p[i];
        b = b * r + (i ? q[i - 1] : 1);
    }
    return a / b;
}

double pyr_normal_quantile(double p)
{
    static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                               1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                               3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[] = {4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
                               2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
                               5.2264952788528545610e+3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                               3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {2.05319162663775882187e0,  1.67638483018380384940e0,
                               6.89767334985100004550e-1, 1.48103976427480074590e-1,
                               1.51986665636164571966e-2, 5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {5.99832206555887937690e-1, 1.36929880922735805310e-1,
                               1.48753612908506148525e-2, 7.86869131145613259100e-4,
                               1.84631831751005468180e-5, 1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    double q = p - 0.5, r;

    if (fabs(q) <= 0.425) {
        r = 0.180625 - q * q;
        return q * ratio(a, b, r);
    }
    r = sqrt(-log(q < 0 ? p : 1 - p));
    r = r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5);
    return q < 0 ? -r : r;
}
