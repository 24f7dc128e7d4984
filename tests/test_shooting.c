/* test_shooting.c - shooting: the gradient against central differences in double; on a model that is an exact
 * Gaussian (a network of zeros: D = x / (1 + s^2)), where all is linear, ridge regression by normal equations,
 * both hard ends, the posterior, and multiple shooting as a system of two equations a pixel. */
#include "tests/model_rig.h"
#include "tests/noise_classifier_file.h"

#include "tasks/shooting.h"
#include <lapacke.h>

enum { SIZE = H * W * C, STEPS = 4 };

/* To level 0 of a run that knows no classes. */
static void add_classifier(rig *r, const char *run)
{
    if (rig_open(r, run, false))
        write_classifier(below("guided/level-0"), r->k, &r->m->level[0].level, 2);
    pyr_model_free(r->m);
    rig_set(r, "level.sampler.classifier_scale", "2");
}

/* A run of a few steps, trained once for each name, and its model in double. `white`: its networks give 0. */
static bool rig_new(rig *r, const char *name, int levels, const char *filter, bool white)
{
    const char *run = below(name);
    char value[200];

    rig_begin(r);
    snprintf(value, sizeof value, "%d", levels);
    rig_set(r, "pyramid.levels", value);
    snprintf(value, sizeof value, "\"%s\"", filter);
    rig_set(r, "pyramid.filter", value);
    rig_set(r, "train.duration", "48");
    rig_set(r, "level.network.block_out_channels", "[4]");
    rig_set(r, "level.network.norm_num_groups", "2");
    rig_set(r, "level.sampler.kind", "\"euler\"");
    snprintf(value, sizeof value, "%d", STEPS);
    rig_set(r, "level.sampler.steps", value);
    if (strcmp(name, "classes") == 0) {
        rig_set(r, "level.classes", "true");
        rig_set(r, "level.class_dropout", "0.5");
        rig_set(r, "level.sampler.guidance", "2");
    }
    if (strcmp(name, "learned") == 0)
        rig_set(r, "level.sampler.start", "\"gaussian\"");
    if (strcmp(name, "means") == 0)
        rig_set(r, "level.sampler.start", "\"class\"");
    CHECK_OK(pyr_kernels_open(&r->k, "cpu", 1));
    rig_train(r, run);
    pyr_kernels_free(r->k);
    CHECK_OK(pyr_kernels_open(&r->k, "ref-double", 1));
    if (strcmp(name, "guided") == 0)
        add_classifier(r, run);
    return rig_open(r, run, white);
}

static double some(uint32_t i, uint32_t stream)
{
    float four[4];

    pyr_normal4(5, i / 4, stream, 0, 1, four);
    return (double)four[i % 4];
}

/* ---- the gradient ---------------------------------------------------------------------------------- */

static double value_at(pyr_shooting *sh, int label, const double *u, const double *centre, const double *y)
{
    double value;

    CHECK_OK(pyr_shooting_value(sh, 0, label, u, centre, y, &value, NULL));
    return value;
}

static bool has_class(const char *name)
{
    return strcmp(name, "classes") == 0 || strcmp(name, "guided") == 0 || strcmp(name, "means") == 0;
}

static void gradient_of(const rig *r, const char *name, int segments, int label)
{
    const double h = 1e-5;
    double y[SIZE], *u, *v, *g, *centre;
    pyr_operator a;
    pyr_shooting *sh = NULL;
    size_t n;

    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BLUR, 0.7, NULL, pyr_model_image(r->m, 0)));
    for (uint32_t i = 0; i < SIZE; i++)
        y[i] = 0.5 * some(i, 1);
    CHECK_OK(pyr_shooting_new(&sh, r->m,
                              &(pyr_shooting_problem){.a = &a,
                                                      .y = y,
                                                      .noise = 0.3,
                                                      .start_weight = 0.8,
                                                      .end_weight = 1.7,
                                                      .segments = segments,
                                                      .match = 2.5}));
    if (!sh)
        return;
    n = pyr_shooting_size(sh);
    u = numbers(n);
    v = numbers(n);
    g = numbers(n);
    centre = numbers(n);
    for (int round = 0; round < 3; round++) {
        double value, up, down, by_gradient = 0;

        for (uint32_t i = 0; i < n; i++) {
            u[i] = some(i, 2 + (uint32_t)round);
            v[i] = some(i, 12 + (uint32_t)round);
            centre[i] = some(i, 22);
        }
        CHECK_OK(pyr_shooting_value(sh, 0, label, u, centre, NULL, &value, g));
        CHECK_CLOSE(value_at(sh, label, u, centre, NULL), value, 1e-12 * value);
        CHECK(label < 0 || fabs(value_at(sh, 0, u, centre, NULL) - value) > 1e-11 * value);
        for (size_t i = 0; i < n; i++) {
            by_gradient += g[i] * v[i];
            u[i] += h * v[i];
        }
        up = value_at(sh, label, u, centre, NULL);
        for (size_t i = 0; i < n; i++)
            u[i] -= 2 * h * v[i];
        down = value_at(sh, label, u, centre, NULL);
        if (!(fabs((up - down) / (2 * h) - by_gradient) < 1e-6 * (1 + fabs(by_gradient))))
            CHECK_REPORT("%s, %d segments: along a line %.9g by differences, %.9g by the gradient", name,
                         segments, (up - down) / (2 * h), by_gradient);
    }
    pyr_free(u);
    pyr_free(v);
    pyr_free(g);
    pyr_free(centre);
    pyr_shooting_free(sh);
    pyr_operator_free(&a);
}

static const struct {
    const char *name, *filter;
    int levels;
} kinds[] = {{"single", "box", 1},  {"box", "box", 3},     {"haar", "haar", 2},  {"burt", "burt-adelson", 2},
             {"classes", "box", 2}, {"learned", "box", 2}, {"guided", "box", 1}, {"means", "box", 2}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void gradient_is_that_of_differences(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        rig r;

        if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, false))
            return;
        CHECK((r.m->level[0].gaussian.size > 0) == (strcmp(kinds[kind].name, "learned") == 0));
        for (int segments = 1; segments <= 3; segments += 2)
            gradient_of(&r, kinds[kind].name, segments, has_class(kinds[kind].name) ? 1 : -1);
        rig_free(&r);
    }
}

/* ---- closed forms of a linear model ----------------------------------------------------------------- */

/* What Euler's steps from `first` on, before `last`, make of x: D = x / (1 + s^2). */
static double factor(const double *s, int first, int last)
{
    double all = 1;

    for (int t = first; t < last; t++)
        all *= s[t + 1] / s[t] + (1 - s[t + 1] / s[t]) / (1 + s[t] * s[t]);
    return all;
}

/* I_0 of starts p (units of their spread) of all levels, coarsest first, by the pyramid's own operations. */
static void image_of(const rig *r, const double *u, double *image)
{
    const pyr_pyramid *p = r->m->pyramid;
    size_t room = SIZE * sizeof(double);
    void *coarse = NULL, *fine = NULL, *condition = NULL, *variable = NULL, *scratch = NULL;

    CHECK_OK(pyr_alloc(r->k, &coarse, room, "test"));
    CHECK_OK(pyr_alloc(r->k, &fine, room, "test"));
    CHECK_OK(pyr_alloc(r->k, &condition, room, "test"));
    CHECK_OK(pyr_alloc(r->k, &variable, room, "test"));
    CHECK_OK(pyr_alloc(r->k, &scratch, pyr_pyramid_scratch(p, 1), "test"));
    for (int level = r->m->levels - 1; level >= 0; level--) {
        const pyr_sampled_level *l = &r->m->level[level];
        double s[STEPS + 1], host[SIZE];
        size_t n = pyr_count(l->level.variable), c = (size_t)l->level.variable.c;

        pyr_sampler_grid(&l->schedule, STEPS, s);
        for (size_t i = 0; i < n; i++) {
            size_t band = i % c * (size_t)l->level.facts.bands / c;

            host[i] =
                l->level.facts.mean[band] + l->level.facts.std[band] * factor(s, 0, STEPS) * s[0] * *u++;
        }
        CHECK_OK(pyr_upload_reals(r->k, variable, host, n));
        if (level + 1 < r->m->levels) {
            pyr_pyramid_condition(p, level, 1, coarse, condition, false, scratch);
            pyr_pyramid_project(p, level, 1, coarse, condition, variable, scratch);
        }
        pyr_pyramid_synthesize(p, level, 1, coarse, condition, variable, fine, scratch);
        pyr_copy(r->k, coarse, fine, room);
    }
    CHECK_OK(pyr_download_reals(r->k, image, fine, SIZE));
    pyr_release(r->k, coarse);
    pyr_release(r->k, fine);
    pyr_release(r->k, condition);
    pyr_release(r->k, variable);
    pyr_release(r->k, scratch);
}

/* u of the least mu_0 |A I_0(u) - y|^2 / (2 noise^2) + mu_T |u|^2 / 2, by the normal equations, with I_0 put
 * together column by column. */
static void ridge(const rig *r, const pyr_operator *a, const double *y, const pyr_shooting_problem *of,
                  size_t n, double *u)
{
    size_t rows = pyr_count(a->out);
    double zero[SIZE], image[SIZE], work[SIZE], w = of->end_weight / (of->noise * of->noise);
    double *b = numbers(rows * n), *normal = numbers(n * n), *left = numbers(rows), *unit = numbers(n);

    image_of(r, unit, image);
    pyr_operator_apply(a, zero, image, work);
    for (size_t i = 0; i < rows; i++)
        left[i] = y[i] - zero[i];
    for (size_t j = 0; j < n; j++) {
        double column[SIZE];

        unit[j] = 1;
        image_of(r, unit, image);
        unit[j] = 0;
        pyr_operator_apply(a, column, image, work);
        for (size_t i = 0; i < rows; i++)
            b[i * n + j] = column[i] - zero[i];
    }
    for (size_t j = 0; j < n; j++) {
        u[j] = 0;
        for (size_t i = 0; i < rows; i++)
            u[j] += w * b[i * n + j] * left[i];
        for (size_t l = 0; l < n; l++) {
            normal[j * n + l] = j == l ? of->start_weight : 0;
            for (size_t i = 0; i < rows; i++)
                normal[j * n + l] += w * b[i * n + j] * b[i * n + l];
        }
    }
    CHECK(LAPACKE_dposv(LAPACK_ROW_MAJOR, 'U', (int)n, 1, normal, (int)n, u, 1) == 0);
    pyr_free(b);
    pyr_free(normal);
    pyr_free(left);
    pyr_free(unit);
}

/* p / s_max of row `row` of the latent, all levels. */
static void units_of(const rig *r, const pyr_latent *latent, int row, double *u)
{
    for (int level = r->m->levels - 1; level >= 0; level--) {
        size_t n = pyr_count(r->m->level[level].level.variable);
        double s = pyr_schedule_highest(&r->m->level[level].schedule);

        for (size_t i = 0; i < n; i++)
            *u++ = latent->at[level][(size_t)row * n + i] / s;
    }
}

static void picture(double *x)
{
    for (int i = 0; i < SIZE; i++)
        x[i] = 0.6 * sin(0.7 * (i / C % W) + 0.2 * (i % C)) * cos(0.5 * (i / C / W));
}

static const uint64_t seeds[] = {3, UINT64_C(1) << 40};

static void minimum_is_ridge_regression(void)
{
    static const double weights[][2] = {{1, 1}, {0.3, 5}};

    for (int kind = 1; kind < 4; kind++)
        for (int i = 0; i < (kind == 1 ? 2 : 1); i++) {
            double x[SIZE], y[SIZE], work[SIZE], *u, *wanted, far = 0, least = INFINITY, value;
            pyr_shooting_report report[2];
            pyr_latent latent = {0};
            pyr_shooting *sh = NULL;
            pyr_shooting_problem of = {.noise = 0.1,
                                       .start_weight = weights[i][0],
                                       .end_weight = weights[i][1],
                                       .segments = 1,
                                       .iterations = 500};
            pyr_operator a;
            size_t n;
            rig r;

            picture(x);
            if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, true))
                return;
            if (i == 0)
                CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BLUR, 0.8, NULL, pyr_model_image(r.m, 0)));
            else
                CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BOX, 3, NULL, pyr_model_image(r.m, 0)));
            pyr_operator_apply(&a, y, x, work);
            of.a = &a;
            of.y = y;
            CHECK_OK(pyr_shooting_new(&sh, r.m, &of));
            n = pyr_shooting_size(sh);
            u = numbers(n);
            wanted = numbers(n);
            CHECK_OK(pyr_latent_of_seeds(&latent, r.m, 2, seeds, NULL));
            CHECK_OK(pyr_shooting_solve(sh, &latent, seeds, NULL, report));
            ridge(&r, &a, y, &of, n, wanted);
            CHECK_OK(pyr_shooting_value(sh, 0, -1, wanted, NULL, NULL, &least, NULL));
            for (int row = 0; row < 2; row++) { /* from both seeds the same */
                units_of(&r, &latent, row, u);
                for (size_t j = 0; j < n; j++)
                    far = fmax(far, fabs(u[j] - wanted[j]));
                CHECK_OK(pyr_shooting_value(sh, 0, -1, u, NULL, NULL, &value, NULL));
                CHECK_CLOSE(value, least, 1e-6 * (1 + least));
                CHECK_CLOSE(report[row].value, value, 1e-9 * (1 + least));
                CHECK(report[row].evaluations > 2);
            }
            if (!(far < 2e-3))
                CHECK_REPORT("%s, weights %d: the start is off by %g", kinds[kind].name, i, far);
            pyr_latent_free(&latent);
            pyr_shooting_free(sh);
            pyr_operator_free(&a);
            pyr_free(u);
            pyr_free(wanted);
            rig_free(&r);
        }
}

/* One level, all pixels seen: pixel by pixel I = m + g u, g = std a s_max, a the steps' factor. */
typedef struct pixel {
    double mean, gain;
    double s[STEPS + 1];
} pixel;

static pixel pixel_of(const rig *r)
{
    const pyr_sampled_level *l = &r->m->level[0];
    pixel p = {.mean = l->level.facts.mean[0]};

    pyr_sampler_grid(&l->schedule, STEPS, p.s);
    p.gain = l->level.facts.std[0] * factor(p.s, 0, STEPS) * p.s[0];
    return p;
}

static void solve_one(const rig *r, pyr_shooting_problem of, int rows, const uint64_t *seed,
                      pyr_latent *latent, pyr_shooting_report *report)
{
    uint8_t nothing[H * W] = {0};
    pyr_shooting *sh = NULL;
    pyr_operator a;

    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_MISSING, 0, nothing, pyr_model_image(r->m, 0)));
    of.a = &a;
    of.iterations = 500;
    CHECK_OK(pyr_shooting_new(&sh, r->m, &of));
    CHECK_OK(pyr_latent_of_seeds(latent, r->m, rows, seed, NULL));
    CHECK_OK(pyr_shooting_solve(sh, latent, seed, NULL, report));
    pyr_shooting_free(sh);
    pyr_operator_free(&a);
}

/* mu_0 to infinity: the image is y; mu_T to infinity: the start is the prior's mean. In between the end is left
 * as far from y as 1 / (1 + mu_0 g^2 / (mu_T noise^2)) of what it was. */
static void soft_ends_become_hard(void)
{
    static const double weights[][2] = {{1, 1}, {1, 1e2}, {1, 1e6}, {1e4, 1}, {1e8, 1}};
    rig r;

    if (!rig_new(&r, "single", 1, "box", true))
        return;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        double y[SIZE], u[SIZE], off = 0, start = 0, off_wanted = 0, start_wanted = 0;
        pixel p = pixel_of(&r);
        double ratio = weights[i][1] * p.gain * p.gain / (weights[i][0] * 0.09);
        pyr_latent latent = {0};

        picture(y);
        solve_one(&r,
                  (pyr_shooting_problem){.y = y,
                                         .noise = 0.3,
                                         .start_weight = weights[i][0],
                                         .end_weight = weights[i][1],
                                         .segments = 1},
                  1, seeds, &latent, NULL);
        units_of(&r, &latent, 0, u);
        for (int j = 0; j < SIZE; j++) {
            off = fmax(off, fabs(p.mean + p.gain * u[j] - y[j]));
            start = fmax(start, fabs(u[j]));
            off_wanted = fmax(off_wanted, fabs(y[j] - p.mean) / (1 + ratio));
            start_wanted = fmax(start_wanted, fabs(y[j] - p.mean) / p.gain * ratio / (1 + ratio));
        }
        CHECK_CLOSE(off, off_wanted, 1e-4);
        CHECK_CLOSE(start, start_wanted, 1e-3);
        CHECK(i != 2 || off < 1e-4);
        CHECK(i != 4 || start < 1e-3);
        pyr_latent_free(&latent);
    }
    rig_free(&r);
}

/* Randomised: u has the mean g (y - m) / (noise^2 + g^2) and the variance noise^2 / (noise^2 + g^2). */
static void randomised_starts_are_of_the_posterior(void)
{
    enum { ROWS = 60 };
    uint64_t many[ROWS];
    double y[SIZE], u[SIZE], mean = 0, square = 0, noise = 0.4;
    pyr_latent latent = {0};
    pixel p;
    rig r;

    if (!rig_new(&r, "single", 1, "box", true))
        return;
    p = pixel_of(&r);
    picture(y);
    for (int i = 0; i < ROWS; i++)
        many[i] = (uint64_t)i;
    solve_one(
        &r,
        (pyr_shooting_problem){
            .y = y, .noise = noise, .start_weight = 1, .end_weight = 1, .segments = 1, .randomised = true},
        ROWS, many, &latent, NULL);
    for (int row = 0; row < ROWS; row++) {
        units_of(&r, &latent, row, u);
        for (int j = 0; j < SIZE; j++) {
            double off = u[j] - p.gain * (y[j] - p.mean) / (noise * noise + p.gain * p.gain);

            mean += off / (ROWS * SIZE);
            square += off * off / (ROWS * SIZE);
        }
    }
    square /= noise * noise / (noise * noise + p.gain * p.gain);
    CHECK_CLOSE(mean, 0, 5 / sqrt(ROWS * SIZE));
    CHECK_CLOSE(square, 1, 5 * sqrt(2.0 / (ROWS * SIZE)));
    pyr_latent_free(&latent);
    rig_free(&r);
}

/* Two segments: for each pixel the minimum of
 *     (m + g1 v - y)^2 / (2 noise^2) + u^2 / 2 + mu/2 (g0 u - v)^2
 * with v the second start in units of its spread. With mu to infinity that is single shooting. */
static void segments_meet(void)
{
    static const double mus[] = {0.1, 3, 1e5};
    rig r;

    if (!rig_new(&r, "single", 1, "box", true))
        return;
    for (size_t i = 0; i < sizeof mus / sizeof *mus; i++) {
        double y[SIZE], u[SIZE], noise = 0.2, mu = mus[i], far = 0, gap = 0;
        pixel p = pixel_of(&r);
        double root = sqrt(1 + p.s[STEPS / 2] * p.s[STEPS / 2]);
        double g0 = factor(p.s, 0, STEPS / 2) * p.s[0] / root;
        double g1 = r.m->level[0].level.facts.std[0] * factor(p.s, STEPS / 2, STEPS) * root;
        pyr_shooting_report report;
        pyr_latent latent = {0};

        CHECK_CLOSE(g0 * g1, p.gain, 1e-12);
        picture(y);
        solve_one(&r,
                  (pyr_shooting_problem){
                      .y = y, .noise = noise, .start_weight = 1, .end_weight = 1, .segments = 2, .match = mu},
                  1, seeds, &latent, &report);
        units_of(&r, &latent, 0, u);
        for (int j = 0; j < SIZE; j++) {
            /* [1 + mu g0^2, -mu g0; -mu g0, mu + g1^2/noise^2] [u, v] = [0, g1 (y - m) / noise^2] */
            double a = 1 + mu * g0 * g0, b = -mu * g0, d = mu + g1 * g1 / (noise * noise);
            double e = g1 * (y[j] - p.mean) / (noise * noise), det = a * d - b * b;
            double first = -b * e / det, second = a * e / det;

            far = fmax(far, fabs(u[j] - first));
            gap += pow(g0 * first - second, 2) / SIZE;
        }
        if (!(far < 1e-2))
            CHECK_REPORT("mu %g: the start is off by %g", mu, far);
        CHECK_CLOSE(report.gap, sqrt(gap), 1e-3 * (1e-2 + sqrt(gap)));
        pyr_latent_free(&latent);
    }
    rig_free(&r);
}

/* A hard start is the mean of the class. */
static void starts_about_the_class(void)
{
    static const int32_t labels[] = {0, 1};
    double y[SIZE];
    pyr_operator a;
    pyr_latent latent = {0};
    pyr_shooting *sh = NULL;
    rig r;

    if (!rig_new(&r, "means", 2, "box", true))
        return;
    picture(y);
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BLUR, 0.8, NULL, pyr_model_image(r.m, 0)));
    CHECK_OK(pyr_shooting_new(&sh, r.m,
                              &(pyr_shooting_problem){.a = &a,
                                                      .y = y,
                                                      .noise = 0.3,
                                                      .start_weight = 1e9,
                                                      .end_weight = 1,
                                                      .segments = 1,
                                                      .iterations = 100}));
    CHECK_OK(pyr_latent_of_seeds(&latent, r.m, 2, seeds, labels));
    CHECK_OK(pyr_shooting_solve(sh, &latent, seeds, labels, NULL));
    for (int level = 0; level < 2; level++) {
        const pyr_class_fit *f = &r.m->level[level].classes;
        double s = pyr_schedule_highest(&r.m->level[level].schedule);

        CHECK(f->classes == 2);
        for (size_t i = 0; i < 2 * f->size; i++)
            CHECK_CLOSE(latent.at[level][i], f->mean[i], 1e-5 * s);
    }
    pyr_latent_free(&latent);
    pyr_shooting_free(sh);
    pyr_operator_free(&a);
    rig_free(&r);
}

static void refusals(void)
{
    pyr_sampler s = pyr_sampler_usual(PYR_DDIM, 5);
    rig r;
    double y[SIZE] = {0};
    uint8_t nothing[H * W] = {0};
    pyr_shooting *sh = NULL;
    pyr_operator a;

    CHECK_OK(pyr_shooting_check_sampler(&s, 0));
    s.eta = 0.5;
    CHECK_FAILS(pyr_shooting_check_sampler(&s, 1), PYR_E_ARG, "the sampler of level 1 is ddim");
    s = pyr_sampler_usual(PYR_EULER, 5);
    CHECK_OK(pyr_shooting_check_sampler(&s, 0));
    s.churn = 3;
    CHECK_FAILS(pyr_shooting_check_sampler(&s, 0), PYR_E_ARG, "without churn");
    s = pyr_sampler_usual(PYR_EULER, 5);
    s.start = PYR_START_UNIFORM;
    CHECK_FAILS(pyr_shooting_check_sampler(&s, 0), PYR_E_ARG, "starts from uniform numbers");
    if (!rig_new(&r, "single", 1, "box", true))
        return;
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_MISSING, 0, nothing, pyr_model_image(r.m, 0)));
    CHECK_FAILS(pyr_shooting_new(&sh, r.m,
                                 &(pyr_shooting_problem){.a = &a, .y = y, .noise = 1, .segments = STEPS + 1}),
                PYR_E_ARG, "5 segments of 4 steps");
    pyr_operator_free(&a);
    rig_free(&r);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("shooting"))
        return 1;
    write_images();
    RUN(gradient_is_that_of_differences);
    RUN(minimum_is_ridge_regression);
    RUN(soft_ends_become_hard);
    RUN(randomised_starts_are_of_the_posterior);
    RUN(segments_meet);
    RUN(starts_about_the_class);
    RUN(refusals);
    remove_all(temp);
    return CHECK_DONE();
}
