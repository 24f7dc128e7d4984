/* test_cascade.c - levels trained together. Witnesses: central differences of the loss in double, levels
 * trained by themselves, networks of their own beside the shared one, and runs that nothing interrupted. */
#include "base/atomic_file.h"
#include "tests/check.h"
#include "tests/level_data.h"
#include "tests/recording.h"

#include "network/unet.h"
#include "training/trainer.h"
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_LEVELS = 3 };

/* ---- a cascade --------------------------------------------------------------------------------- */

typedef struct cascade {
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_pyramid *pyramid;
    pyr_config config;
    char folder[MOST_LEVELS][160], shared[160], commit[160];
    pyr_trainer_job job;
    pyr_trainer *t;
    int64_t die_at; /* a report of that step on all levels kills the process */
    int notes;
    char note[256]; /* the last one */
} cascade;

static void on_report(void *ctx, const pyr_level_report *r)
{
    cascade *c = ctx;

    if (!r->brief && r->level < 0 && r->train.step == c->die_at)
        _exit(9);
}

static void on_note(void *ctx, const char *line)
{
    cascade *c = ctx;

    c->notes++;
    snprintf(c->note, sizeof c->note, "%s", line);
}

static pyr_config config_of(int levels, int filter)
{
    pyr_config c = {.pyramid = {.levels = levels, .filter = filter, .sigma = 1},
                    .cascade = {.joint = true, .estimate_probability = 1}};

    for (int i = 0; i < levels; i++) {
        c.level[i] = settings_of();
        c.level[i].network.block_out_channels = (pyr_ints){.n = 2, .at = {4, 4}};
        c.level[i].network.unet.norm_num_groups = 2;
        c.level[i].batch = 5;
        c.level[i].batch_gpu = 2; /* the last micro-batch is not full */
        c.level[i].groups = 2;
    }
    return c;
}

/* Everything but the cascade itself. */
static void prepare(cascade *c, const char *backend, int lanes, const char *name, const pyr_config *config,
                    int64_t steps)
{
    *c = (cascade){.config = *config, .die_at = -1};
    CHECK_OK(is_recorder(backend) ? open_recorder(&c->k, backend) : pyr_kernels_open(&c->k, backend, lanes));
    c->data = open_data();
    CHECK_OK(pyr_pyramid_new(&c->pyramid, c->k, &c->config.pyramid, H, W, C));
    snprintf(c->shared, sizeof c->shared, "%s/%s/shared", temp, name);
    snprintf(c->commit, sizeof c->commit, "%s/%s/commit", temp, name);
    CHECK_OK(pyr_make_folders(c->shared));
    c->job = (pyr_trainer_job){.k = c->k,
                               .data = c->data,
                               .pyramid = c->pyramid,
                               .levels = config->pyramid.levels,
                               .cascade = &c->config.cascade,
                               .shared_folder = c->shared,
                               .commit = c->commit,
                               .seed = 21,
                               .xflip = true,
                               .duration = {(double)(steps * config->level[0].batch), PYR_DURATION_IMAGES},
                               .checkpoint = 4 * (int64_t)config->level[0].batch,
                               .report = config->level[0].batch,
                               .held_out = -1,
                               .snapshot = -1,
                               .on_report = on_report,
                               .on_note = on_note,
                               .ctx = c};
    for (int i = 0; i < config->pyramid.levels; i++) {
        snprintf(c->folder[i], sizeof c->folder[i], "%s/%s/level-%d", temp, name, i);
        CHECK_OK(pyr_make_folders(c->folder[i]));
        c->job.level[i] =
            (pyr_level_job){.index = i, .settings = &c->config.level[i], .folder = c->folder[i]};
    }
}

static bool cascade_open(cascade *c, const char *backend, int lanes, const char *name,
                         const pyr_config *config, int64_t steps)
{
    prepare(c, backend, lanes, name, config, steps);
    CHECK_OK(pyr_trainer_recover(&c->job));
    CHECK_OK(pyr_trainer_new(&c->t, &c->job));
    return c->t != NULL;
}

static void cascade_close(cascade *c)
{
    pyr_trainer_free(c->t);
    pyr_pyramid_free(c->pyramid);
    pyr_dataset_free(c->data);
    pyr_kernels_free(c->k);
}

static pyr_params *params_of(cascade *c, int level)
{
    return &pyr_trainer_level(c->t, level)->block->params;
}

/* Values and gradient of a level: its own, or the shared ones. */
static pyr_optimizer *optimizer_of(cascade *c, int level)
{
    return &pyr_trainer_level(c->t, level)->block->optimizer;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

static double *download(cascade *c, const void *block, size_t n)
{
    double *x = numbers(n);

    CHECK_OK(pyr_download_reals(c->k, x, block, n));
    return x;
}

/* Random weights everywhere, the last layers too, the same whatever else a block holds. */
static void stir_block(cascade *c, int level)
{
    const pyr_params *params = params_of(c, level);
    pyr_optimizer *o = optimizer_of(c, level);
    double *values = download(c, o->value, o->count);

    for (int i = 0; i < params->n; i++)
        for (size_t n = 0; n < params->at[i].count && !params->at[i].fixed; n++) {
            float four[4];

            pyr_normal4(3, (uint32_t)(n / 4), (uint32_t)i, (uint32_t)level, 1, four);
            values[params->at[i].offset + n] += 0.15 * (double)four[n % 4];
        }
    CHECK_OK(pyr_upload_reals(c->k, o->value, values, o->count));
    CHECK_OK(pyr_upload_reals(c->k, o->ema, values, o->count));
    pyr_free(values);
}

static void stir(cascade *c)
{
    for (int i = 0; i < (c->config.cascade.share ? 1 : c->config.pyramid.levels); i++)
        stir_block(c, i);
}

/* The gradient of step 3 at the weights as they are; *loss of all levels, weighted. */
static double gradient_at(cascade *c)
{
    double loss = 0;

    CHECK_OK(pyr_trainer_gradient(c->t, 3, &loss));
    CHECK(isfinite(loss) && loss > 0);
    return loss;
}

static double *gradient_of(cascade *c, int level)
{
    pyr_optimizer *o = optimizer_of(c, level);

    return download(c, o->grad, o->count);
}

static double distance(const double *a, const double *b, size_t n)
{
    double d = 0, s = 0;

    for (size_t i = 0; i < n; i++) {
        d += (a[i] - b[i]) * (a[i] - b[i]);
        s += b[i] * b[i];
    }
    return sqrt(d / s);
}

/* ---- gradients against central differences ------------------------------------------------------ */

/* The loss at values + h direction: of all levels, or of one alone (weighted). */
static double loss_at(cascade *c, int level, const double *values, const double *direction, double h,
                      bool alone)
{
    pyr_optimizer *o = optimizer_of(c, level);
    double *moved = numbers(o->count), loss;

    for (size_t i = 0; i < o->count; i++)
        moved[i] = values[i] + h * direction[i];
    CHECK_OK(pyr_upload_reals(c->k, o->value, moved, o->count));
    loss = gradient_at(c);
    if (alone) {
        const pyr_reals *w = &c->config.cascade.weights;

        CHECK_OK(pyr_learner_losses(&pyr_trainer_level(c->t, level)->learner, &loss));
        loss *= w->n ? w->at[c->config.pyramid.levels - 1 - level] : 1;
    }
    CHECK_OK(pyr_upload_reals(c->k, o->value, values, o->count));
    pyr_free(moved);
    return loss;
}

static void check_slope(cascade *c, const char *what, int level, const double *values, const double *gradient,
                        const double *direction, bool alone, double scale)
{
    const double h = 1e-5;
    double wanted = 0, slope;
    size_t n = optimizer_of(c, level)->count;

    slope =
        (loss_at(c, level, values, direction, h, alone) - loss_at(c, level, values, direction, -h, alone)) /
        (2 * h);
    for (size_t i = 0; i < n; i++)
        wanted += gradient[i] * direction[i];
    if (!(fabs(slope - wanted) <= 2e-6 * scale))
        CHECK_REPORT("%s, level %d: slope %.9g, by the gradient %.9g (of %.3g)", what, level, slope, wanted,
                     scale);
}

/* Single parameters at random places where the gradient is not small, then all of them at once. */
static void check_gradient(cascade *c, const char *what, int level, bool alone)
{
    const uint32_t places = alone ? 1 : 2;
    pyr_optimizer *o = optimizer_of(c, level);
    const pyr_params *params = params_of(c, level);
    double *values = download(c, o->value, o->count), *direction = numbers(o->count), *gradient, most;
    double norm = 0;

    (void)gradient_at(c);
    gradient = gradient_of(c, level);
    most = largest(gradient, o->count);
    CHECK(most > 0);
    for (uint32_t n = 0, tried = 0; n < places && tried < 2000; tried++) {
        pyr_rng4 r = pyr_philox(8, tried, (uint32_t)level, 0, 77);
        const pyr_param *p = &params->at[r.v[0] % (uint32_t)params->n];
        size_t at = p->offset + r.v[1] % p->count;

        if (fabs(gradient[at]) < 0.01 * most)
            continue;
        direction[at] = 1;
        check_slope(c, what, level, values, gradient, direction, alone, most);
        direction[at] = 0;
        n++;
    }
    for (int i = 0; i < params->n; i++)
        for (size_t n = 0; n < params->at[i].count && !params->at[i].fixed; n++) {
            pyr_rng4 r = pyr_philox(9, (uint32_t)n, (uint32_t)i, (uint32_t)level, 77);
            size_t at = params->at[i].offset + n;

            direction[at] = (double)pyr_uniform(r.v[0]) - 0.5;
            norm += gradient[at] * gradient[at];
        }
    check_slope(c, what, level, values, gradient, direction, alone, sqrt(norm));
    pyr_free(values);
    pyr_free(direction);
    pyr_free(gradient);
}

typedef struct variant {
    const char *name;
    int levels, filter;
    bool share, channel, recompute;
    double probability;
    pyr_reals weights;
} variant;

static const variant variants[] = {
    {"two levels, box", 2, PYR_FILTER_BOX, false, false, false, 1, {0}},
    {"two levels, haar", 2, PYR_FILTER_HAAR, false, false, false, 1, {0}},
    {"three levels, burt-adelson", 3, PYR_FILTER_BURT_ADELSON, false, true, false, 0.5, {3, {0.5, 2, 0.75}}},
    {"three levels, box, recomputed", 3, PYR_FILTER_BOX, false, false, true, 1, {3, {1, 0, 3}}},
    {"two levels, shared, haar", 2, PYR_FILTER_HAAR, true, false, false, 0.5, {2, {0.25, 1.5}}},
    {"three levels, shared, box", 3, PYR_FILTER_BOX, true, true, false, 1, {0}},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static pyr_config config_of_variant(const variant *v, bool stop)
{
    pyr_config config = config_of(v->levels, v->filter);

    config.cascade.condition = PYR_CASCADE_ESTIMATE;
    config.cascade.estimate_probability = v->probability;
    config.cascade.stop_gradient = stop;
    config.cascade.share = v->share;
    config.cascade.weights = v->weights;
    for (int i = 0; i < v->levels; i++) {
        config.level[i].augmentation = v->channel ? 0.3 : 0.1;
        config.level[i].augmentation_channel = v->channel;
        config.level[i].augmentation_min = v->channel ? 0 : -1;
        config.level[i].recompute = v->recompute;
    }
    return config;
}

static void gradients_end_to_end(void)
{
    for (int i = 0; i < VARIANTS; i++) {
        const variant *v = &variants[i];
        pyr_config config = config_of_variant(v, false);
        cascade c;

        if (cascade_open(&c, "ref-double", 1, "nothing", &config, 4)) {
            stir(&c);
            for (int level = 0; level < (v->share ? 1 : v->levels); level++)
                check_gradient(&c, v->name, level, false);
        }
        cascade_close(&c);
    }
}

/* Without gradients through the estimates each level's gradient is that of its own loss, given the
 * condition it was given; with them the coarser levels see more, and the finest one the same. */
static void gradients_that_stop(void)
{
    for (int i = 0; i < VARIANTS; i++) {
        const variant *v = &variants[i];
        pyr_config stop = config_of_variant(v, true), flow = config_of_variant(v, false);
        cascade a, b;

        if (v->share)
            continue;
        if (cascade_open(&a, "ref-double", 1, "nothing", &stop, 4) &&
            cascade_open(&b, "ref-double", 1, "nothing", &flow, 4)) {
            double loss[2];

            stir(&a);
            stir(&b);
            loss[0] = gradient_at(&a);
            loss[1] = gradient_at(&b);
            CHECK_CLOSE(loss[0], loss[1], 1e-12 * loss[0]);
            for (int level = 0; level < v->levels; level++) {
                size_t n = optimizer_of(&a, level)->count;
                double *x = gradient_of(&a, level), *y = gradient_of(&b, level), weight = 1;

                if (v->weights.n)
                    weight = v->weights.at[v->levels - 1 - level];
                if (level == 0)
                    near("the finest level", x, y, n, 1e-12);
                else
                    CHECK(distance(x, y, n) > 1e-3);
                if (weight > 0)
                    check_gradient(&a, v->name, level, true);
                else
                    CHECK(largest(x, n) == 0 && largest(y, n) > 0);
                (void)gradient_at(&a);
                pyr_free(x);
                pyr_free(y);
            }
            cascade_close(&b);
        }
        cascade_close(&a);
    }
}

/* With a probability of 0 every level is given the real image: the same losses and gradients as of data. */
static void estimates_that_never_come(void)
{
    static const char *const backends[] = {"ref-double", "cpu"};

    for (int b = 0; b < 2; b++) {
        pyr_config real = config_of(3, PYR_FILTER_BOX), estimate = real;
        cascade c, d;
        double tolerance = b ? 1e-5 : 1e-12;

        estimate.cascade.condition = PYR_CASCADE_ESTIMATE;
        estimate.cascade.estimate_probability = 0;
        if (cascade_open(&c, backends[b], 2, "nothing", &real, 4) &&
            cascade_open(&d, backends[b], 2, "nothing", &estimate, 4)) {
            double loss[2];

            stir(&c);
            stir(&d);
            loss[0] = gradient_at(&c);
            loss[1] = gradient_at(&d);
            CHECK_CLOSE(loss[1], loss[0], tolerance * loss[0]);
            for (int level = 0; level < 3; level++) {
                double *x = gradient_of(&c, level), *y = gradient_of(&d, level);

                near("gradient", y, x, optimizer_of(&c, level)->count, tolerance);
                pyr_free(x);
                pyr_free(y);
            }
            cascade_close(&d);
        }
        cascade_close(&c);
    }
}

/* ---- one network for all levels ---------------------------------------------------------------- */

/* Own networks with what the shared one is at each level. */
static void unshare_into(cascade *own, cascade *shared)
{
    for (int level = 0; level < own->config.pyramid.levels; level++) {
        pyr_optimizer *o = optimizer_of(own, level);
        const pyr_optimizer *s = optimizer_of(shared, level);
        const pyr_params *params = params_of(own, level);

        CHECK_OK(pyr_unet_unshare(params, o->value, params_of(shared, level), s->value, level, own->k));
        CHECK_OK(pyr_unet_unshare(params, o->ema, params_of(shared, level), s->ema, level, own->k));
    }
}

/* The gradient of a shared parameter is the sum of those of the levels' own ones, that of the level's ends
 * its own, and that of a row of the embedding that of the bias it is added to. */
static void compare_with_own(cascade *shared, cascade *own, double tolerance)
{
    const pyr_params *params = params_of(shared, 0);
    double *got = gradient_of(shared, 0);
    int levels = own->config.pyramid.levels;

    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];
        bool table = strcmp(p->name, "level_embedding.weight") == 0;
        double *wanted = numbers(p->count);
        int found = 0;

        for (int level = 0; level < levels; level++) {
            char mine[32];
            size_t prefix = (size_t)snprintf(mine, sizeof mine, "level-%d.", level);
            bool edge = strncmp(p->name, mine, prefix) == 0;
            const char *name = table ? "time_embedding.linear_2.bias" : edge ? p->name + prefix : p->name;
            const pyr_param *q = pyr_params_find(params_of(own, level), name);
            double *gradient;

            if (!q)
                continue;
            gradient = gradient_of(own, level);
            for (size_t n = 0; n < q->count; n++)
                wanted[(table ? (size_t)level * q->count : 0) + n] += gradient[q->offset + n];
            found++;
            pyr_free(gradient);
        }
        CHECK(found == (strncmp(p->name, "level-", 6) == 0 ? 1 : levels));
        near(p->name, got + p->offset, wanted, p->count, tolerance);
        pyr_free(wanted);
    }
    pyr_free(got);
}

static pyr_status fails_with_other_width(cascade *shared, cascade *own)
{
    pyr_params none = {0};

    (void)own;
    return pyr_unet_unshare(params_of(own, 0), optimizer_of(own, 0)->value, &none,
                            optimizer_of(shared, 0)->value, 0, shared->k);
}

static void shared_gradients_are_sums(void)
{
    static const char *const backends[] = {"ref-double", "cpu"};

    for (int b = 0; b < 2; b++) {
        pyr_config share = config_of(3, PYR_FILTER_BOX), apart = share;
        double loss[2];
        cascade c, d;

        share.cascade.share = true;
        if (cascade_open(&c, backends[b], 2, "nothing", &share, 4) &&
            cascade_open(&d, backends[b], 2, "nothing", &apart, 4)) {
            stir(&c);
            unshare_into(&d, &c);
            loss[0] = gradient_at(&c);
            loss[1] = gradient_at(&d);
            CHECK_CLOSE(loss[0], loss[1], (b ? 1e-5 : 1e-6) * loss[0]); /* weights pass through floats */
            compare_with_own(&c, &d, b ? 1e-4 : 1e-5);
            for (int level = 0; level < 3; level++) {
                pyr_held_out x = {0}, y = {0};

                CHECK_OK(pyr_train_level_held_out(pyr_trainer_level(c.t, level), &x));
                CHECK_OK(pyr_train_level_held_out(pyr_trainer_level(d.t, level), &y));
                CHECK(x.images == HELD_OUT && y.images == HELD_OUT);
                CHECK_CLOSE(x.ema, y.ema, 1e-6 * y.ema);
                CHECK_CLOSE(x.raw, y.raw, 1e-6 * y.raw);
            }
            CHECK_FAILS(fails_with_other_width(&c, &d), PYR_E_SHAPE, "the shared network has no");
            cascade_close(&d);
        }
        cascade_close(&c);
    }
}

/* Networks that share a trunk, each taken out, put together again and taken out once more. */
static void shared_there_and_back(void)
{
    pyr_config share = config_of(3, PYR_FILTER_BOX), apart = share;
    cascade c, d, again;

    share.cascade.share = true;
    if (cascade_open(&c, "ref", 1, "nothing", &share, 4) &&
        cascade_open(&d, "ref", 1, "nothing", &apart, 4) &&
        cascade_open(&again, "ref", 1, "nothing", &share, 4)) {
        stir(&c);
        unshare_into(&d, &c);
        for (int level = 0; level < 3; level++)
            CHECK_OK(pyr_unet_share(params_of(&again, 0), optimizer_of(&again, 0)->value,
                                    params_of(&d, level), optimizer_of(&d, level)->value, level, 0, d.k));
        for (int level = 0; level < 3; level++) {
            pyr_optimizer *o = optimizer_of(&d, level);
            double *before = download(&d, o->value, o->count), *after;

            CHECK(largest(before, o->count) > 0);
            CHECK_OK(pyr_unet_unshare(params_of(&d, level), o->value, params_of(&again, 0),
                                      optimizer_of(&again, 0)->value, level, d.k));
            after = download(&d, o->value, o->count);
            near("taken out again", after, before, o->count, 1e-6);
            pyr_free(before);
            pyr_free(after);
        }
        cascade_close(&again);
        cascade_close(&d);
    }
    cascade_close(&c);
}

/* ---- a cascade and independent levels ---------------------------------------------------------------- */

static char *bytes_of(const char *folder, const char *name, size_t *n)
{
    char path[240], *bytes = NULL;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(pyr_file_read(&bytes, n, path, 1 << 28));
    return bytes;
}

static void same_files(const char *a, const char *b, const char *name)
{
    size_t n = 0, m = 0;
    char *x = bytes_of(a, name, &n), *y = bytes_of(b, name, &m);

    if (!x || !y || n != m || memcmp(x, y, n) != 0)
        CHECK_REPORT("%s/%s and that of %s differ", a, name, b);
    pyr_free(x);
    pyr_free(y);
}

static const char weights_name[] = "unet/diffusion_pytorch_model.safetensors";

static pyr_config equal_config(void)
{
    pyr_config config = config_of(3, PYR_FILTER_BOX);

    config.cascade.weights = (pyr_reals){3, {1, 1, 1}};
    for (int i = 0; i < 3; i++) {
        config.level[i].batch = 8;
        config.level[i].batch_gpu = 2 + i; /* each level its own */
        config.level[i].groups = 1 + i;
        config.level[i].clip = 0.4;
        config.level[i].augmentation = 0.2;
        config.level[i].augmentation_channel = i == 0;
        config.level[i].augmentation_min = i == 0 ? 0.05 : -1;
        config.level[i].lr = 2e-3 / (1 + i);
        config.level[i].classes = i == 1;
    }
    return config;
}

/* A job of that level alone. */
static void only_level(pyr_trainer_job *job, int level)
{
    job->level[0] = job->level[level];
    job->levels = 1;
    job->cascade = NULL;
}

static void equal_on(const char *backend, int lanes)
{
    pyr_config config = equal_config();
    char name[64];
    cascade c, d;

    snprintf(name, sizeof name, "joint-%s-%d", backend, lanes);
    if (cascade_open(&c, backend, lanes, name, &config, 4))
        CHECK_OK(pyr_trainer_run(c.t));
    snprintf(name, sizeof name, "apart-%s-%d", backend, lanes);
    prepare(&d, backend, lanes, name, &config, 4);
    for (int i = 0; i < 3; i++) {
        pyr_trainer_job job = d.job;
        pyr_trainer *t = NULL;

        only_level(&job, i);
        job.k = c.k; /* with the choices that the cascade measured */
        CHECK_OK(pyr_trainer_new(&t, &job));
        if (t)
            CHECK_OK(pyr_trainer_run(t));
        pyr_trainer_free(t);
        same_files(c.folder[i], d.folder[i], weights_name);
        same_states(c.folder[i], d.folder[i]);
    }
    cascade_close(&d);
    cascade_close(&c);
}

static void equal_to_separate_training(void)
{
    equal_on("ref", 1);
    equal_on("ref", 2);
    equal_on("cpu", 1);
    equal_on("cpu", 2);
    for (int i = 0; i < 3; i++) { /* and with any number of threads */
        char a[160], b[160];

        snprintf(a, sizeof a, "%s/joint-ref-1/level-%d", temp, i);
        snprintf(b, sizeof b, "%s/joint-ref-2/level-%d", temp, i);
        same_files(a, b, weights_name);
    }
}

/* Train in a process of its own that ends without notice at a report of step `die_at`. */
static void killed_at(int64_t die_at, void (*open)(cascade *c, const char *name, const pyr_config *config),
                      const char *name, const pyr_config *config)
{
    int state = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        cascade c;

        open(&c, name, config);
        c.die_at = die_at;
        if (c.t)
            (void)pyr_trainer_run(c.t);
        _exit(1);
    }
    CHECK(child > 0 && waitpid(child, &state, 0) == child);
    CHECK(WIFEXITED(state) && WEXITSTATUS(state) == 9);
}

/* A cascade of one level, going on after a kill, and the level on its own without one. */
static void open_single(cascade *c, const char *name, const pyr_config *config)
{
    (void)cascade_open(c, "cpu", 2, name, config, 9);
}

static void one_level_is_separate(void)
{
    pyr_config config = equal_config();
    pyr_trainer *t = NULL;
    cascade c, d;

    config.pyramid.levels = 1;
    config.cascade.weights.n = 0;
    config.level[0].condition = PYR_CONDITION_NONE;
    config.level[0].augmentation = 0;
    config.level[0].augmentation_channel = false;
    config.level[0].augmentation_min = -1;
    killed_at(6, open_single, "single", &config);
    open_single(&c, "single", &config);
    CHECK_OK(pyr_trainer_run(c.t));
    prepare(&d, "cpu", 1, "single-apart", &config, 9);
    CHECK_OK(pyr_level_choices(c.folder[0], d.k->tuning));
    only_level(&d.job, 0);
    CHECK_OK(pyr_trainer_new(&t, &d.job));
    if (t)
        CHECK_OK(pyr_trainer_run(t));
    pyr_trainer_free(t);
    same_files(c.folder[0], d.folder[0], weights_name);
    same_states(c.folder[0], d.folder[0]);
    cascade_close(&d);
    cascade_close(&c);
}

/* ---- clipping ---------------------------------------------------------------------------------- */

/* After the first update Adam's first moment is (1 - beta1) times the gradient that was used. */
static void clip_of_all(void)
{
    const double clip = 0.05;
    pyr_config config = config_of(3, PYR_FILTER_BOX);
    double *raw[3], whole = 0;
    cascade c;

    config.cascade.clip = PYR_CLIP_ALL;
    for (int i = 0; i < 3; i++)
        config.level[i].clip = clip;
    if (!cascade_open(&c, "ref-double", 1, "clipped", &config, 1))
        return;
    stir(&c);
    CHECK_OK(pyr_trainer_gradient(c.t, 0, &(double){0}));
    for (int i = 0; i < 3; i++) {
        size_t n = optimizer_of(&c, i)->count;

        raw[i] = gradient_of(&c, i);
        for (size_t at = 0; at < n; at++)
            whole += raw[i][at] * raw[i][at];
    }
    whole = sqrt(whole);
    CHECK(whole > 2 * clip);
    CHECK_OK(pyr_trainer_run(c.t));
    for (int i = 0; i < 3; i++) {
        pyr_optimizer *o = optimizer_of(&c, i);
        double *m = download(&c, o->m, o->count);

        for (size_t at = 0; at < o->count; at++) {
            m[at] /= 1 - config.level[i].beta1;
            raw[i][at] *= clip / whole;
        }
        near("clipped gradient", m, raw[i], o->count, 1e-6);
        pyr_free(m);
        pyr_free(raw[i]);
    }
    cascade_close(&c);
}

/* The gradient of level 1 is no number. Clipped each by itself the others go on, clipped together none
 * does. */
static void no_bound_no_step(void)
{
    pyr_config config = config_of(3, PYR_FILTER_BOX);

    for (int i = 0; i < 3; i++)
        config.level[i].clip = 1;
    for (int all = 0; all < 2; all++) {
        double *before[3], broken = NAN;
        cascade c;

        config.cascade.clip = all ? PYR_CLIP_ALL : PYR_CLIP_LEVEL;
        if (!cascade_open(&c, "ref-double", 1, all ? "broken-all" : "broken", &config, 1))
            return;
        stir(&c);
        CHECK_OK(pyr_upload_reals(c.k, optimizer_of(&c, 1)->value, &broken, 1));
        for (int i = 0; i < 3; i++)
            before[i] = download(&c, optimizer_of(&c, i)->value, optimizer_of(&c, i)->count);
        CHECK_FAILS(pyr_trainer_run(c.t), PYR_E_NUMERIC, "level 1: value is not finite any more");
        for (int i = 0; i < 3; i++) {
            size_t n = optimizer_of(&c, i)->count;
            double *after = download(&c, optimizer_of(&c, i)->value, n);
            bool moved = memcmp(before[i], after, n * sizeof *after) != 0;

            CHECK(moved == (!all && i != 1));
            CHECK(pyr_trainer_level(c.t, i)->progress.train.skipped == (all || i == 1));
            pyr_free(after);
            pyr_free(before[i]);
        }
        cascade_close(&c);
    }
}

/* ---- freezing ---------------------------------------------------------------------------------- */

enum { FLAT_STEPS = 10, FROZEN = 3 };

static pyr_config flat_config(void)
{
    pyr_config config = config_of(3, PYR_FILTER_BOX);

    config.cascade.freeze_when_flat = 1; /* every fall is less than this */
    config.level[1].network.block_out_channels = (pyr_ints){.n = 2, .at = {8, 8}}; /* much time to give */
    return config;
}

/* Held-out losses are measured at every step (a tenth of the run): levels freeze after the third. */
static void open_flat(cascade *c, const char *name, const pyr_config *config)
{
    prepare(c, "ref", 1, name, config, FLAT_STEPS);
    c->job.held_out = 0;
    c->job.checkpoint = 2 * (int64_t)config->level[0].batch;
    CHECK_OK(pyr_trainer_recover(&c->job));
    CHECK_OK(pyr_trainer_new(&c->t, &c->job));
}

static void flat_levels_freeze(void)
{
    pyr_config config = flat_config();
    double cost[3], steps;
    cascade c;

    open_flat(&c, "flat", &config);
    if (!c.t)
        return;
    for (int i = 0; i < 3; i++)
        cost[i] = pyr_graph_flop(pyr_trainer_level(c.t, i)->loss.g);
    CHECK_OK(pyr_trainer_run(c.t));
    /* the coarsest is asked first; the last one goes on */
    steps = FROZEN + floor((FLAT_STEPS - FROZEN) * (cost[0] + cost[1] + cost[2]) / (cost[0] + cost[1]));
    steps = FROZEN + floor((steps - FROZEN) * (cost[0] + cost[1]) / cost[0]);
    CHECK(steps > FLAT_STEPS);
    CHECK(c.notes == 2 && strstr(c.note, "level 1 is trained no more from step 3 on"));
    for (int i = 0; i < 3; i++) {
        const pyr_progress *p = &pyr_trainer_level(c.t, i)->progress;

        CHECK(p->frozen == (i > 0));
        CHECK(p->planned == FLAT_STEPS);
        CHECK_CLOSE((double)p->train.step, i ? FROZEN : steps, 0);
        if (i == 0)
            CHECK_CLOSE((double)p->steps, steps, 0);
    }
    { /* the course of the rate goes on where it was, and to its end */
        pyr_train_plan after = pyr_trainer_level(c.t, 0)->learner.plan, before = after;
        int64_t end = (int64_t)steps;

        before.steps = FLAT_STEPS;
        before.bend = (pyr_train_bend){0, 0};
        CHECK_CLOSE(pyr_train_done(&after, FROZEN), pyr_train_done(&before, FROZEN), 1e-12);
        CHECK_CLOSE(pyr_train_done(&after, FROZEN), (double)FROZEN / FLAT_STEPS, 1e-12);
        CHECK_CLOSE(pyr_train_rate(&after, FROZEN), pyr_train_rate(&before, FROZEN), 1e-12);
        CHECK_CLOSE(pyr_train_done(&after, end), 1, 1e-12);
        for (int64_t i = FROZEN; i < end; i++)
            CHECK(pyr_train_rate(&after, i) > pyr_train_rate(&after, i + 1));
    }
    {
        bool finished = false;
        int64_t last = 0;

        CHECK_OK(pyr_trainer_finished(&c.job, &finished, &last));
        CHECK(finished && last == (int64_t)steps);
    }
    cascade_close(&c);
}

/* ---- on a device that records and lags behind ---- */

static void recorded_on(cascade *c, const char *backend, const char *name, const pyr_config *config,
                        int64_t held_out)
{
    char folder[64];

    snprintf(folder, sizeof folder, "%s-%s", backend, name);
    prepare(c, backend, 1, folder, config, 11);
    c->job.report = 5 * (int64_t)config->level[0].batch;
    c->job.held_out = held_out;
    CHECK_OK(pyr_trainer_new(&c->t, &c->job));
    if (!c->t)
        return;
    stir(c);
    CHECK_OK(pyr_trainer_run(c->t));
}

/* A step is recorded once, and once more when a level has frozen; the bits are those of doing all at once. */
static void recorded_cascade(const char *name, const pyr_config *config, int64_t held_out, int recordings)
{
    cascade plain, late;

    recorded_on(&plain, "ref-counts", name, config, held_out);
    cascade_close(&plain);
    recorded_on(&late, "ref-lags", name, config, held_out);
    if (recorder.recordings != recordings || recorder.most_delayed < 2 * 7) /* of two steps */
        CHECK_REPORT("%s: %d recordings, at most %d actions under way", name, recorder.recordings,
                     recorder.most_delayed);
    cascade_close(&late);
    for (int i = 0; i < config->pyramid.levels; i++) {
        same_files(plain.folder[i], late.folder[i], weights_name);
        if (!config->cascade.share)
            same_states(plain.folder[i], late.folder[i]);
    }
    if (config->cascade.share)
        same_states(plain.shared, late.shared);
}

static void recorded_cascades(void)
{
    pyr_config own = equal_config(), flat = flat_config(), chain = config_of(3, PYR_FILTER_BOX),
               haar = config_of(2, PYR_FILTER_HAAR), shared = config_of(3, PYR_FILTER_BOX);

    recorded_cascade("own", &own, -1, 1);
    own.cascade.clip = PYR_CLIP_ALL;
    recorded_cascade("own-all", &own, -1, 1);
    recorded_cascade("flat", &flat, 2 * (int64_t)flat.level[0].batch, 2);
    chain.cascade.condition = haar.cascade.condition = PYR_CASCADE_ESTIMATE;
    chain.cascade.estimate_probability = haar.cascade.estimate_probability = 0.6;
    recorded_cascade("chain", &chain, -1, 1);
    chain.cascade.stop_gradient = true;
    recorded_cascade("chain-stops", &chain, -1, 1);
    recorded_cascade("chain-haar", &haar, -1, 1);
    shared.cascade.share = true;
    recorded_cascade("shared", &shared, -1, 1);
    shared.cascade.condition = PYR_CASCADE_ESTIMATE;
    recorded_cascade("shared-chain", &shared, -1, 1);
}

static size_t lines_with(const char *folder, const char *part)
{
    size_t n = 0, size = 0;
    char *text = bytes_of(folder, "log.jsonl", &size);

    for (const char *at = text; at && (at = strstr(at, part)); at++)
        n++;
    pyr_free(text);
    return n;
}

/* Killed when levels have frozen but the state is from before, and later. */
static void frozen_and_resumed(void)
{
    static const int64_t ends[] = {4, 7};
    pyr_config config = flat_config();
    cascade c;

    open_flat(&c, "flat-straight", &config);
    CHECK_OK(pyr_trainer_run(c.t));
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[32];
        cascade d;

        snprintf(name, sizeof name, "flat-%d", (int)ends[i]);
        killed_at(ends[i], open_flat, name, &config);
        open_flat(&d, name, &config);
        CHECK_OK(pyr_trainer_run(d.t));
        for (int level = 0; level < 3; level++) {
            same_files(c.folder[level], d.folder[level], weights_name);
            same_states(c.folder[level], d.folder[level]);
            CHECK(lines_with(c.folder[level], "\"step\"") == lines_with(d.folder[level], "\"step\""));
            CHECK(lines_with(c.folder[level], "\"held_out\"") == lines_with(d.folder[level], "\"held_out\""));
        }
        cascade_close(&d);
    }
    cascade_close(&c);
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

enum { CHAIN_STEPS = 10 };

static pyr_config chain_config(void)
{
    pyr_config config = config_of(3, PYR_FILTER_BOX);

    config.cascade.condition = PYR_CASCADE_ESTIMATE;
    config.cascade.estimate_probability = 0.7;
    return config;
}

static void open_chain(cascade *c, const char *name, const pyr_config *config)
{
    (void)cascade_open(c, "ref", 2, name, config, CHAIN_STEPS);
}

static void copy_from_folder(const char *from, const char *name, const char *to, const char *as)
{
    size_t n = 0;
    char path[240], *bytes = bytes_of(from, name, &n);

    snprintf(path, sizeof path, "%s/%s", to, as);
    if (bytes)
        CHECK_OK(pyr_file_replace(path, bytes, n));
    pyr_free(bytes);
}

static bool has_file(const char *folder, const char *name)
{
    char path[240];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return pyr_is_file(path);
}

static int64_t step_of(const char *folder)
{
    pyr_level_facts facts;
    pyr_progress progress = {0};

    CHECK_OK(pyr_level_peek(folder, &facts, &progress, NULL));
    return progress.train.step;
}

static const char state[] = "state.safetensors", next[] = "state-next.safetensors";

/* A run killed after its checkpoint of step 4, and the states that one killed after step 8 has left. */
static void states_change_at_once(void)
{
    pyr_config config = chain_config();
    cascade straight, later;

    open_chain(&straight, "chain", &config);
    CHECK_OK(pyr_trainer_run(straight.t));
    killed_at(9, open_chain, "chain-8", &config);
    prepare(&later, "ref", 2, "chain-8", &config, CHAIN_STEPS);
    for (int whole = 0; whole < 2; whole++) {
        const char *name = whole ? "chain-whole" : "chain-part";
        cascade c;

        killed_at(5, open_chain, name, &config);
        prepare(&c, "ref", 2, name, &config, CHAIN_STEPS);
        for (int i = 0; i < 3; i++)
            CHECK(step_of(c.folder[i]) == 4 && step_of(later.folder[i]) == 8);
        if (whole) { /* all were written, level 0 has changed place already */
            copy_from_folder(later.folder[0], state, c.folder[0], state);
            copy_from_folder(later.folder[1], state, c.folder[1], next);
            copy_from_folder(later.folder[2], state, c.folder[2], next);
            CHECK_OK(pyr_file_replace(c.commit, "8\n", 2));
            CHECK_FAILS(pyr_trainer_new(&c.t, &c.job), PYR_E_CONFIG, "they were not trained together");
            CHECK(!c.t);
        } else { /* two of three were written */
            copy_from_folder(later.folder[0], state, c.folder[0], next);
            copy_from_folder(later.folder[1], state, c.folder[1], next);
        }
        CHECK_OK(pyr_trainer_recover(&c.job));
        for (int i = 0; i < 3; i++) {
            CHECK(step_of(c.folder[i]) == (whole ? 8 : 4));
            CHECK(!has_file(c.folder[i], next));
        }
        CHECK(!pyr_is_file(c.commit));
        CHECK_OK(pyr_trainer_recover(&c.job)); /* nothing is left to do */
        CHECK_OK(pyr_trainer_new(&c.t, &c.job));
        if (c.t)
            CHECK_OK(pyr_trainer_run(c.t));
        for (int i = 0; i < 3; i++) {
            same_files(straight.folder[i], c.folder[i], weights_name);
            same_states(straight.folder[i], c.folder[i]);
        }
        cascade_close(&c);
    }
    cascade_close(&later);
    cascade_close(&straight);
}

/* What a power cut may leave of levels 0, 1 and 2: 4 and 8 are states of these steps, 'x' a damaged one of 8,
 * '-' none; `commit` NULL: there is no such file. */
static const struct leftover {
    const char *commit, *states, *next;
    int64_t goes_on; /* from this step; 0: there is no common one */
} leftovers[] = {
    /* in the order of a checkpoint of step 8 */
    {NULL, "444", "8--", 4},
    {NULL, "444", "88-", 4},
    {NULL, "444", "888", 4},
    {"8\n", "444", "888", 8},
    {"8\n", "448", "88-", 8},
    {"8\n", "488", "8--", 8},
    {"8\n", "888", "---", 8},
    {NULL, "888", "---", 8},
    /* as programs before wrote it */
    {"", "444", "888", 8},
    {"", "448", "88-", 8},
    {"", "888", "---", 8},
    /* a commit file that is there again, beside some of the next checkpoint's */
    {"4\n", "444", "---", 4},
    {"4\n", "444", "8--", 4},
    {"4\n", "444", "-88", 4},
    {"4\n", "444", "888", 4}, /* not known to be whole */
    {"", "444", "8--", 4},
    {"", "444", "-8-", 4},
    {"4\n", "888", "---", 8},
    /* next ones that are damaged: before any was taken, and after */
    {"8\n", "444", "8x8", 4},
    {"8\n", "448", "8x-", 0},
    {"8\n", "448", "-8-", 0},
    {"", "448", "8x-", 0},
    /* a commit file that is damaged */
    {"720\n", "448", "88-", 8},
    {"@", "448", "88-", 8},
    {"720\n", "444", "888", 4},
    /* a damaged state whose successor is whole; a first checkpoint */
    {"8\n", "4x4", "888", 8},
    {"8\n", "---", "888", 8},
    {"8\n", "--8", "88-", 8},
    {NULL, "---", "888", -1},
    {"8\n", "---", "8x8", 0},
};

static void put_state(const cascade *c, int level, char kind, const char *as, const cascade *of_4,
                      const cascade *of_8)
{
    char path[240], *bytes;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", c->folder[level], as);
    unlink(path);
    if (kind == '-')
        return;
    copy_from_folder((kind == '4' ? of_4 : of_8)->folder[level], state, c->folder[level], as);
    if (kind != 'x')
        return;
    CHECK_OK(pyr_file_read(&bytes, &n, path, 1 << 28));
    bytes[n / 2] ^= 4;
    bytes[n - n / 4] ^= 4;
    bytes[150] ^= 1; /* of the header, which is looked at first */
    CHECK_OK(pyr_file_replace(path, bytes, n));
    pyr_free(bytes);
}

static void check_leftover(cascade *c, const struct leftover *left, const cascade *of_4, const cascade *of_8)
{
    pyr_status status;

    c->notes = 0;
    for (int i = 0; i < 3; i++) {
        put_state(c, i, left->states[i], state, of_4, of_8);
        put_state(c, i, left->next[i], next, of_4, of_8);
    }
    unlink(c->commit);
    if (left->commit)
        CHECK_OK(pyr_file_replace(c->commit, left->commit, strlen(left->commit)));
    status = pyr_trainer_recover(&c->job);
    if (left->goes_on == 0) {
        CHECK_FAILS(status, PYR_E_FORMAT, "are of no common checkpoint");
        CHECK(pyr_is_file(c->commit)); /* nothing is changed */
        for (int i = 0; i < 3; i++)
            CHECK(has_file(c->folder[i], state) == (left->states[i] != '-') &&
                  has_file(c->folder[i], next) == (left->next[i] != '-'));
        return;
    }
    CHECK_OK(status);
    CHECK(!pyr_is_file(c->commit));
    for (int i = 0; i < 3; i++) {
        CHECK(!has_file(c->folder[i], next) && has_file(c->folder[i], state) == (left->goes_on > 0));
        CHECK(left->goes_on < 0 || step_of(c->folder[i]) == left->goes_on);
    }
    CHECK(c->notes == (left->commit && strcmp(left->commit, "4\n") != 0 && left->goes_on == 4));
    CHECK_OK(pyr_trainer_recover(&c->job)); /* nothing is left to do */
}

static void every_leftover(void)
{
    pyr_config config = chain_config();
    cascade c, of_4, of_8;

    killed_at(5, open_chain, "left-4", &config);
    killed_at(9, open_chain, "left-8", &config);
    prepare(&of_4, "ref", 2, "left-4", &config, CHAIN_STEPS);
    prepare(&of_8, "ref", 2, "left-8", &config, CHAIN_STEPS);
    prepare(&c, "ref", 2, "left", &config, CHAIN_STEPS);
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++) {
        int before = check_failures;

        check_leftover(&c, &leftovers[i], &of_4, &of_8);
        if (check_failures > before)
            printf("states %s, next %s, commit file %s\n", leftovers[i].states, leftovers[i].next,
                   leftovers[i].commit ? leftovers[i].commit : "none");
    }
    cascade_close(&c);
    cascade_close(&of_8);
    cascade_close(&of_4);
}

/* A frozen level's state is of the checkpoint of all, whatever step it stands at. */
static void frozen_levels_change_too(void)
{
    pyr_config config = flat_config();
    pyr_level_facts facts;
    pyr_progress progress = {0};
    cascade c;

    killed_at(7, open_flat, "left-flat", &config);
    prepare(&c, "ref", 1, "left-flat", &config, FLAT_STEPS);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pyr_level_peek(c.folder[i], &facts, &progress, NULL));
        CHECK(progress.checkpoint == 6 && progress.train.step == (i ? FROZEN : 6));
        copy_from_folder(c.folder[i], state, c.folder[i], next);
    }
    CHECK_OK(pyr_file_replace(c.commit, "6\n", 2));
    CHECK_OK(pyr_trainer_recover(&c.job));
    for (int i = 0; i < 3; i++)
        CHECK(has_file(c.folder[i], state) && !has_file(c.folder[i], next));
    cascade_close(&c);
}

static void open_shared(cascade *c, const char *name, const pyr_config *config)
{
    (void)cascade_open(c, "cpu", 2, name, config, CHAIN_STEPS);
}

/* What a run was begun with does not change on the way. */
static void shared_with_another(const pyr_config *config)
{
    pyr_config filter = *config;
    bool finished;
    int64_t last;
    cascade c;

    filter.pyramid.filter = PYR_FILTER_BURT_ADELSON;
    prepare(&c, "cpu", 2, "trunk", &filter, CHAIN_STEPS);
    CHECK_FAILS(pyr_trainer_new(&c.t, &c.job), PYR_E_CONFIG, "was trained on a pyramid with the filter box");
    cascade_close(&c);
    prepare(&c, "cpu", 2, "trunk", config, CHAIN_STEPS);
    c.job.seed = 22;
    CHECK_FAILS(pyr_trainer_new(&c.t, &c.job), PYR_E_CONFIG, "begun with the seed 21, now it is 22");
    cascade_close(&c);
    prepare(&c, "cpu", 2, "trunk", config, CHAIN_STEPS + 1);
    CHECK_FAILS(pyr_trainer_finished(&c.job, &finished, &last), PYR_E_CONFIG,
                "the cascade was begun for 150 images of all 3 levels together");
    cascade_close(&c);
}

/* One trunk, one state. */
static void shared_and_resumed(void)
{
    pyr_config config = chain_config();
    cascade c, d;

    config.cascade.share = true;
    killed_at(9, open_shared, "trunk-killed", &config);
    open_shared(&d, "trunk-killed", &config);
    CHECK_OK(pyr_trainer_run(d.t));
    /* another process might choose other convolutions: the straight run takes those of the killed one */
    prepare(&c, "cpu", 2, "trunk", &config, CHAIN_STEPS);
    CHECK_OK(pyr_level_choices(d.shared, c.k->tuning));
    CHECK_OK(pyr_trainer_new(&c.t, &c.job));
    if (c.t)
        CHECK_OK(pyr_trainer_run(c.t));
    same_states(c.shared, d.shared);
    for (int i = 0; i < 3; i++) {
        same_files(c.folder[i], d.folder[i], weights_name);
        CHECK(!has_file(c.folder[i], state));
    }
    cascade_close(&c);
    cascade_close(&d);
    shared_with_another(&config);
}

/* ---- settings that contradict ------------------------------------------------------------------- */

static void refused(const pyr_config *config, pyr_status wanted, const char *part)
{
    cascade c;

    prepare(&c, "ref", 1, "refused", config, 2);
    CHECK_FAILS(pyr_trainer_new(&c.t, &c.job), wanted, part);
    CHECK(!c.t);
    cascade_close(&c);
}

static void contradictions(void)
{
    const pyr_config plain = config_of(3, PYR_FILTER_BOX);
    pyr_config c = plain;

    c.level[2].batch = 6;
    refused(&c, PYR_E_CONFIG,
            "level.batch of level 2 differs from that of level 0: levels that train together");
    c = plain;
    c.cascade.weights = (pyr_reals){2, {1, 1}};
    refused(&c, PYR_E_CONFIG, "cascade.weights has 2 entries, should have one for each of 3 levels");
    c = plain;
    c.cascade.share = true;
    c.level[1].network.block_out_channels.at[0] = 16;
    refused(&c, PYR_E_CONFIG, "the network (but for its patch) of level 1 differs");
    c = plain;
    c.cascade.share = true;
    c.level[2].lr = 1e-4;
    refused(&c, PYR_E_CONFIG, "a setting of training (lr,");
    c = plain;
    c.cascade.share = true;
    c.level[1].groups = 3;
    refused(&c, PYR_E_CONFIG, "level.groups of level 1 differs from that of level 0");
    c = plain;
    c.cascade.clip = PYR_CLIP_ALL;
    refused(&c, PYR_E_CONFIG, "cascade.clip is all, but level.clip is 0");
    c.level[0].clip = 1;
    refused(&c, PYR_E_CONFIG, "level.clip of level 1 differs");
    c = plain;
    c.cascade.freeze_when_flat = 0.01;
    c.cascade.condition = PYR_CASCADE_ESTIMATE;
    refused(&c, PYR_E_CONFIG, "cascade.freeze_when_flat needs levels that do not touch");
    c = plain;
    c.cascade.condition = PYR_CASCADE_ESTIMATE;
    c.level[1].condition = PYR_CONDITION_NONE;
    refused(&c, PYR_E_CONFIG, "level.condition of level 1 is none: there is nothing to estimate");
    c = config_of(3, PYR_FILTER_HAAR);
    c.cascade.condition = PYR_CASCADE_ESTIMATE;
    refused(&c, PYR_E_UNSUPPORTED,
            "level 1 is 4x3: with the haar filter gradients pass through even sides only");
    c = plain;
    c.level[1].augmentation = 0;
    c.level[1].augmentation_channel = true;
    refused(&c, PYR_E_CONFIG, "level.augmentation_channel is true, but level.augmentation is 0");
    c = plain;
    c.level[1].augmentation = 0.1;
    c.level[1].augmentation_min = 0.2;
    refused(&c, PYR_E_CONFIG, "level.augmentation_min is 0.2, should be at most level.augmentation, 0.1");
}

/* Some levels were trained independently. */
static void all_or_none(void)
{
    pyr_config config = config_of(3, PYR_FILTER_BOX);
    pyr_trainer *t = NULL;
    pyr_trainer_job job;
    cascade c;

    prepare(&c, "ref", 1, "some", &config, 2);
    job = c.job;
    only_level(&job, 1);
    CHECK_OK(pyr_trainer_new(&t, &job));
    if (t)
        CHECK_OK(pyr_trainer_run(t));
    pyr_trainer_free(t);
    CHECK_FAILS(pyr_trainer_new(&c.t, &c.job), PYR_E_CONFIG,
                "1 of 3 levels were trained before, independently");
    cascade_close(&c);
}

/* ---- */

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("cascade"))
        return 1;
    RUN(write_images);
    if (*check_filter) /* needed by all the others */
        write_images();
    RUN(gradients_end_to_end);
    RUN(gradients_that_stop);
    RUN(estimates_that_never_come);
    RUN(shared_gradients_are_sums);
    RUN(shared_there_and_back);
    RUN(equal_to_separate_training);
    RUN(one_level_is_separate);
    RUN(clip_of_all);
    RUN(no_bound_no_step);
    RUN(flat_levels_freeze);
    RUN(recorded_cascades);
    RUN(frozen_and_resumed);
    RUN(states_change_at_once);
    RUN(every_leftover);
    RUN(frozen_levels_change_too);
    RUN(shared_and_resumed);
    RUN(contradictions);
    RUN(all_or_none);
    remove_all(temp);
    return CHECK_DONE();
}
