#include "diffusion/schedule.h"

#include <math.h>
#include <stddef.h>

const char *const pyr_family_names[] = {"ve", "vp", "sub-vp", NULL};
const char *const pyr_curve_names[] = {"geometric", "linear", "cosine", "karras", "power", NULL};
const char *const pyr_density_names[] = {"log-normal", "uniform", NULL};
const char *const pyr_weight_names[] = {"edm", "simple", "likelihood", "min-snr", NULL};

static const double pi = 3.14159265358979323846;

pyr_status pyr_schedule_check(const pyr_schedule *s)
{
    if (!(s->s_min > 0 && s->s_max > s->s_min))
        return pyr_fail(PYR_E_CONFIG,
                        "sigma_min is %g and sigma_max is %g: should be 0 < sigma_min < sigma_max", s->s_min,
                        s->s_max);
    if (s->curve == PYR_LINEAR && !(s->beta_min >= 0 && s->beta_max > s->beta_min))
        return pyr_fail(PYR_E_CONFIG, "beta_min is %g and beta_max is %g: should be 0 <= beta_min < beta_max",
                        s->beta_min, s->beta_max);
    if (s->curve == PYR_POWER && !(s->base > 1))
        return pyr_fail(PYR_E_CONFIG, "power_base is %g, should be above 1", s->base);
    return PYR_OK;
}

/* ---- sub-vp: its own s and that of vp with the same alpha ---- */

static double own_of(pyr_family family, double p)
{
    return family == PYR_SUB_VP ? p * p / sqrt(1 + p * p) : p;
}

/* v = p^2 solves v^2 = s^2 (1 + v) */
static double vp_of(pyr_family family, double s)
{
    double q = s * s;

    return family == PYR_SUB_VP ? sqrt((q + sqrt(q * q + 4 * q)) / 2) : s;
}

/* d log s / d log p */
static double own_slope(pyr_family family, double p)
{
    return family == PYR_SUB_VP ? 2 - p * p / (1 + p * p) : 1;
}

/* ---- the curves, before scaling ---- */

static double first(const pyr_schedule *c)
{
    return vp_of(c->family, c->s_min);
}

static double last(const pyr_schedule *c)
{
    return vp_of(c->family, c->s_max);
}

static double curve_s(const pyr_schedule *c, double t)
{
    switch (c->curve) {
    case PYR_GEOMETRIC:
        return first(c) * pow(last(c) / first(c), t);
    case PYR_LINEAR: /* s^2 = e^{-lambda} = exp(b0 t + (b1 - b0) t^2 / 2) - 1 */
        return sqrt(expm1(c->beta_min * t + (c->beta_max - c->beta_min) * t * t / 2));
    case PYR_COSINE:
        return tan(pi * t / 2);
    case PYR_KARRAS: {
        double a = pow(first(c), 1 / c->rho), b = pow(last(c), 1 / c->rho);

        return pow(a + t * (b - a), c->rho);
    }
    case PYR_POWER:
        return sqrt(expm1(2 * t * log(c->base)) / (2 * log(c->base)));
    }
    return 0;
}

static double curve_t(const pyr_schedule *c, double s)
{
    switch (c->curve) {
    case PYR_GEOMETRIC:
        return log(s / first(c)) / log(last(c) / first(c));
    case PYR_LINEAR: {
        double b = c->beta_max - c->beta_min, v = log1p(s * s);

        return 2 * v / (c->beta_min + sqrt(c->beta_min * c->beta_min + 2 * b * v));
    }
    case PYR_COSINE:
        return 2 / pi * atan(s);
    case PYR_KARRAS: {
        double a = pow(first(c), 1 / c->rho), b = pow(last(c), 1 / c->rho);

        return (pow(s, 1 / c->rho) - a) / (b - a);
    }
    case PYR_POWER:
        return log1p(2 * log(c->base) * s * s) / (2 * log(c->base));
    }
    return 0;
}

/* d log s / dt */
static double curve_slope(const pyr_schedule *c, double t)
{
    switch (c->curve) {
    case PYR_GEOMETRIC:
        return log(last(c) / first(c));
    case PYR_LINEAR: { /* log s = log(e^v - 1) / 2 */
        double v = c->beta_min * t + (c->beta_max - c->beta_min) * t * t / 2;

        return (c->beta_min + (c->beta_max - c->beta_min) * t) / (2 * -expm1(-v));
    }
    case PYR_COSINE:
        return pi / sin(pi * t);
    case PYR_KARRAS: {
        double a = pow(first(c), 1 / c->rho), b = pow(last(c), 1 / c->rho);

        return c->rho * (b - a) / (a + t * (b - a));
    }
    case PYR_POWER: /* log s = log(b^{2t} - 1) / 2 + constant */
        return log(c->base) / -expm1(-2 * t * log(c->base));
    }
    return 0;
}

double pyr_schedule_s(const pyr_schedule *schedule, double t)
{
    return own_of(schedule->family, schedule->scale * curve_s(schedule, t));
}

double pyr_schedule_t(const pyr_schedule *schedule, double s)
{
    return curve_t(schedule, vp_of(schedule->family, s) / schedule->scale);
}

double pyr_schedule_t_min(const pyr_schedule *schedule)
{
    return curve_t(schedule, first(schedule));
}

double pyr_schedule_t_max(const pyr_schedule *schedule)
{
    return curve_t(schedule, last(schedule));
}

/* `by` times as much of what scales act on: s itself, for sub-vp p. */
static double scaled(pyr_family family, double s, double by)
{
    if (family != PYR_SUB_VP)
        return s * by;
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
    return schedule->family == PYR_SUB_VP ? scaled(PYR_SUB_VP, s, 1 / schedule->scale) : s / schedule->scale;
}

double pyr_schedule_slope(const pyr_schedule *schedule, double t)
{
    return own_slope(schedule->family, schedule->scale * curve_s(schedule, t)) * curve_slope(schedule, t);
}

double pyr_alpha(pyr_family family, double s)
{
    double p = vp_of(family, s);

    return family == PYR_VE ? 1 : 1 / sqrt(1 + p * p);
}

double pyr_drift(const pyr_schedule *schedule, double t)
{
    double p = schedule->scale * curve_s(schedule, t);

    /* log alpha = -log(1 + p^2) / 2, so alpha'/alpha = -p^2 / (1 + p^2) (log p)' */
    return schedule->family == PYR_VE ? 0 : -p * p / (1 + p * p) * curve_slope(schedule, t);
}

double pyr_diffusion2(const pyr_schedule *schedule, double t)
{
    double s = pyr_schedule_s(schedule, t), sigma = s * pyr_alpha(schedule->family, s);

    return 2 * pyr_schedule_slope(schedule, t) * sigma * sigma;
}

/* ---- noise levels in training ---- */

double pyr_noise_level(const pyr_noise *noise, const pyr_schedule *schedule, double u)
{
    double lo, hi;

    if (noise->density == PYR_LOG_NORMAL)
        return schedule->scale * exp(noise->mean + noise->std * pyr_normal_quantile(u));
    lo = pyr_schedule_t_min(schedule);
    hi = pyr_schedule_t_max(schedule);
    if (noise->levels > 1) /* each of them for the same share of u */
        u = fmin(floor(u * noise->levels), noise->levels - 1) / (noise->levels - 1);
    return pyr_schedule_s(schedule, lo + u * (hi - lo));
}

/* The density of log s. */
static double density_of(pyr_density density, const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    double t, lo, hi, x;

    if (density == PYR_LOG_NORMAL) {
        x = (log(s / schedule->scale) - noise->mean) / noise->std;
        return exp(-x * x / 2) / (noise->std * sqrt(2 * pi));
    }
    t = pyr_schedule_t(schedule, s);
    lo = pyr_schedule_t_min(schedule);
    hi = pyr_schedule_t_max(schedule);
    return t < lo || t > hi ? 0 : 1 / (pyr_schedule_slope(schedule, t) * (hi - lo));
}

double pyr_noise_weight(const pyr_noise *noise, const pyr_schedule *schedule, double s)
{
    pyr_density meant = noise->weight == PYR_WEIGHT_EDM ? PYR_LOG_NORMAL : PYR_UNIFORM_T;
    double snr = 1 / (s * s), w = snr; /* simple */

    switch (noise->weight) {
    case PYR_WEIGHT_EDM:
        w = 1 + snr;
        break;
    case PYR_WEIGHT_SIMPLE:
        break;
    case PYR_WEIGHT_LIKELIHOOD: /* -lambda' / 2 is the slope of log s */
        w = pyr_schedule_slope(schedule, pyr_schedule_t(schedule, s)) * snr;
        break;
    case PYR_WEIGHT_MIN_SNR:
        w = fmin(snr, 5);
        break;
    }
    if (meant != noise->density)
        w *= density_of(meant, noise, schedule, s) / density_of(noise->density, noise, schedule, s);
    return w;
}

static double ratio(const double *p, const double *q, int n, double r)
{
    double a = p[n - 1], b = q[n - 1];

    for (int i = n - 2; i >= 0; i--) {
        a = a * r + p[i];
        b = b * r + q[i];
    }
    return a / b;
}

double pyr_normal_quantile(double p)
{
    static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                               1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                               3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[] = {1.0,
                               4.2313330701600911252e+1,
                               6.8718700749205790830e+2,
                               5.3941960214247511077e+3,
                               2.1213794301586595867e+4,
                               3.9307895800092710610e+4,
                               2.8729085735721942674e+4,
                               5.2264952788528545610e+3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                               3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {1.0,
                               2.05319162663775882187e0,
                               1.67638483018380384940e0,
                               6.89767334985100004550e-1,
                               1.48103976427480074590e-1,
                               1.51986665636164571966e-2,
                               5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {1.0,
                               5.99832206555887937690e-1,
                               1.36929880922735805310e-1,
                               1.48753612908506148525e-2,
                               7.86869131145613259100e-4,
                               1.84631831751005468180e-5,
                               1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    double q = p - 0.5, r;

    if (fabs(q) <= 0.425) {
        r = 0.180625 - q * q;
        return q * ratio(a, b, 8, r);
    }
    r = sqrt(-log(q < 0 ? p : 1 - p));
    r = r <= 5 ? ratio(c, d, 8, r - 1.6) : ratio(e, f, 8, r - 5);
    return q < 0 ? -r : r;
}
