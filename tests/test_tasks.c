/* test_tasks.c - tasks on small runs: what is given stays as it is, what is drawn is what sampling draws,
 * and, on a model that is an exact Gaussian (a network of zeros: D = x / (1 + s^2)), latents and posteriors
 * in closed form. */
#include "tests/model_rig.h"

#include "eval/image_set.h"
#include "pictures/pixels.h"
#include "tasks/inverse.h"
#include "tasks/known.h"
#include "tasks/latent.h"
#include "tasks/layers.h"
#include "tasks/sdedit.h"

/* ---- small runs ---------------------------------------------------------------------------------- */

/* A run of a few steps, trained once for each name, and its model. `white`: its networks give 0. */
static bool rig_new(rig *r, const char *name, int levels, const char *filter, bool white)
{
    char value[200];
    const char *run = below(name);

    rig_begin(r);
    CHECK_OK(pyr_kernels_open(&r->k, "cpu", 2));
    snprintf(value, sizeof value, "%d", levels);
    rig_set(r, "pyramid.levels", value);
    snprintf(value, sizeof value, "\"%s\"", filter);
    rig_set(r, "pyramid.filter", value);
    rig_set(r, "train.duration", "480");
    rig_set(r, "level.network.block_out_channels", "[8]");
    rig_set(r, "level.network.norm_num_groups", "4");
    rig_set(r, "level.sampler.steps", "5");
    if (strcmp(name, "classes") == 0) {
        rig_set(r, "level.classes", "true");
        rig_set(r, "level.class_dropout", "0.5");
    }
    if (strcmp(name, "means") == 0)
        rig_set(r, "level.sampler.start", "\"class\"");
    rig_train(r, run);
    return rig_open(r, run, white);
}

enum { SIZE = H * W * C, N = 3 };
static const uint64_t seeds[N] = {4, 17, UINT64_C(1) << 40};

/* A picture that no run has seen. */
static void picture(float *image)
{
    uint8_t bytes[SIZE];

    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(128 + 100 * sin(0.7 * (i / C % W) + 0.2 * (i % C)) * cos(0.5 * (i / C / W)));
    pyr_pixels_from_bytes(image, bytes, SIZE);
}

static void sample(const rig *r, const pyr_model_hooks *hooks, float *out)
{
    pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1, .hooks = hooks};

    draw.image[0] = out;
    CHECK_OK(pyr_model_sample(r->m, &draw));
}

static const struct {
    const char *name, *filter;
    int levels;
} kinds[] = {{"single", "box", 1},
             {"box", "box", 3},
             {"haar", "haar", 2},
             {"burt", "burt-adelson", 2},
             {"ideal", "ideal", 2}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- inpainting ---------------------------------------------------------------------------------- */

static void inpaint_kind(int kind)
{
    float image[SIZE], plain[N * SIZE], got[N * SIZE];
    uint8_t mask[H * W], wanted[SIZE], bytes[N * SIZE];
    pyr_known *known = NULL;
    int drawn_anew = 0;
    rig r;

    picture(image);
    pyr_pixels_to_bytes(wanted, image, SIZE);
    if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, false))
        return;
    sample(&r, NULL, plain);

    memset(mask, 1, sizeof mask); /* all is drawn: what plain sampling draws */
    CHECK_OK(pyr_known_new(&known, r.m, image, mask, 3));
    sample(&r, pyr_known_hooks(known), got);
    CHECK(memcmp(got, plain, sizeof got) == 0);
    CHECK(pyr_known_share(known, 0) == 0);
    pyr_known_free(known);

    memset(mask, 0, sizeof mask); /* nothing is */
    CHECK_OK(pyr_known_new(&known, r.m, image, mask, 1));
    sample(&r, pyr_known_hooks(known), got);
    for (int i = 0; i < N; i++)
        CHECK(memcmp(got + i * SIZE, image, sizeof image) == 0);
    CHECK(pyr_known_share(known, kinds[kind].levels - 1) == 1);
    pyr_known_free(known);

    for (int i = 0; i < H * W; i++) /* a part, at odd places */
        mask[i] = i / W >= 3 && i % W >= 1 && i % W <= 4;
    CHECK_OK(pyr_known_new(&known, r.m, image, mask, 2));
    sample(&r, pyr_known_hooks(known), got);
    pyr_pixels_to_bytes(bytes, got, N * SIZE);
    for (int i = 0; i < N * SIZE; i++)
        if (mask[i % SIZE / C])
            drawn_anew += bytes[i] != wanted[i % SIZE];
        else if (bytes[i] != wanted[i % SIZE]) {
            CHECK_REPORT("%s: number %d is given, %d, and came out as %d", kinds[kind].name, i,
                         wanted[i % SIZE], bytes[i]);
            break;
        }
    CHECK(drawn_anew > 10);
    pyr_known_free(known);
    rig_free(&r);
}

static void inpainting_keeps_what_is_given(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        inpaint_kind(kind);
}

/* ---- by Langevin dynamics: a posterior mean in closed form ---- */

/* z of neighbouring pixels (even x, odd x) ~ N(0, S), S = (1, rho; rho, 1). The even ones are given as `given`, so that the
 * mean of the others is rho given = 1.35. */
enum { FEW = 48, LEVELS = 12, MOVES = 50 };
static const double rho = 0.9, given = 1.5;

/* D(x, s) = S (S + s^2)^-1 x, on the two eigenvectors. */
static void denoise_pair(double *d, const double *x, double s)
{
    double sum = (1 + rho) / (1 + rho + s * s) * (x[0] + x[1]),
           difference = (1 - rho) / (1 - rho + s * s) * (x[0] - x[1]);

    d[0] = (sum + difference) / 2;
    d[1] = (sum - difference) / 2;
}

typedef struct pairs {
    const pyr_model_hooks *known;
    bool once;        /* without what is put back after each move, as it is not to be done */
    double *variable; /* FEW x SIZE */
    struct pair_lane {
        pyr_kernels *k;
        int n;
        double room[FEW * SIZE];
    } lane[2];
} pairs;

static pyr_status denoise_pairs(void *ctx, const void *x, const double *s, void *out)
{
    struct pair_lane *all = ctx;
    double *z = all->room;

    PYR_TRY(pyr_download_reals(all->k, z, x, (size_t)all->n * SIZE));
    for (int i = 0; i < all->n * SIZE; i += 2 * C)
        for (int c = 0; c < C; c++) {
            double d[2], at[2] = {z[i + c], z[i + C + c]};

            denoise_pair(d, at, *s);
            z[i + c] = d[0];
            z[i + C + c] = d[1];
        }
    return pyr_upload_reals(all->k, out, z, (size_t)all->n * SIZE);
}

static pyr_status pairs_before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    pairs *all = ctx;

    PYR_TRY(all->known->before(all->known->ctx, stage, draw));
    all->lane[stage->lane].k = stage->model->k;
    all->lane[stage->lane].n = stage->n;
    draw->denoise = denoise_pairs;
    draw->denoise_ctx = &all->lane[stage->lane];
    if (all->once)
        draw->moved = NULL;
    return PYR_OK;
}

static pyr_status pairs_drawn(void *ctx, const pyr_model_stage *stage, void *variable)
{
    pairs *all = ctx;

    return pyr_download_reals(stage->model->k, all->variable + stage->first * SIZE, variable,
                              (size_t)stage->n * SIZE);
}

/* The mean of the drawn ones, in units of z. */
static double mean_drawn(rig *r, const pyr_known *known, bool once)
{
    static float images[FEW * SIZE];
    static double drawn[FEW * SIZE];
    static pairs all;
    const pyr_level_facts *facts = &r->m->level[0].level.facts;
    pyr_model_hooks hooks = {.ctx = &all, .before = pairs_before, .drawn = pairs_drawn};
    uint64_t few[FEW];
    pyr_model_draw draw = {.n = FEW, .seeds = few, .label = -1, .hooks = &hooks};
    double mean = 0;

    all.known = pyr_known_hooks(known);
    all.once = once;
    all.variable = drawn;
    for (int i = 0; i < FEW; i++)
        few[i] = (uint64_t)i;
    draw.image[0] = images;
    CHECK_OK(pyr_model_sample(r->m, &draw));
    for (int i = 0; i < FEW * SIZE; i++)
        if (i / C % 2)
            mean += (drawn[i] - facts->mean[0]) / facts->std[0] / (FEW * SIZE / 2);
    return mean;
}

/* What these moves come to in the mean: all is linear. */
static double mean_of_moves(const pyr_schedule *schedule, double rate, bool once)
{
    double s[LEVELS + 1], x[2] = {0, 0}, d[2];

    pyr_sampler_grid(schedule, LEVELS, s);
    for (int i = 0; i < LEVELS; i++) {
        for (int t = 0; t < MOVES; t++) {
            denoise_pair(d, x, s[i]);
            for (int j = 0; j < 2; j++)
                x[j] += rate / 2 * (d[j] - x[j]);
            x[0] = once ? x[0] : given;
        }
        x[0] = i || !once ? given : x[0];
    }
    denoise_pair(d, x, s[LEVELS - 1]);
    return d[1];
}

static void inpainting_by_langevin_dynamics(void)
{
    const double rate = 0.5, s_min = 0.1;
    double wanted, wanted_once;
    float image[SIZE];
    uint8_t mask[H * W];
    pyr_known *known = NULL;
    pyr_level_settings *set;
    rig r;

    if (!rig_new(&r, "single", 1, "box", true))
        return;
    set = &r.m->level[0].level.settings;
    set->sampler = pyr_sampler_usual(PYR_ANNEALED_LANGEVIN, LEVELS);
    set->sampler.langevin_steps = MOVES;
    set->sampler.langevin_epsilon = rate * s_min * s_min;
    r.m->level[0].schedule = (pyr_schedule){
        .family = PYR_VE, .curve = PYR_CURVE_GEOMETRIC, .s_min = s_min, .s_max = 5, .scale = 1};
    for (int i = 0; i < H * W; i++)
        mask[i] = i % 2 == 1;
    for (int i = 0; i < SIZE; i++)
        image[i] = (float)(r.m->level[0].level.facts.mean[0] + given * r.m->level[0].level.facts.std[0]);
    CHECK_OK(pyr_known_new(&known, r.m, image, mask, 1));
    wanted = mean_of_moves(&r.m->level[0].schedule, rate, false);
    wanted_once = mean_of_moves(&r.m->level[0].schedule, rate, true);
    CHECK_CLOSE(wanted, rho * given, 0.03);
    CHECK(wanted_once < rho * given - 0.2); /* the moves in between lose what is given */
    /* The mean of 48 * 72 numbers of deviation sqrt(1 - rho^2) = 0.44 at most; those of one noise level share what was put in
     * with it, 5 standard errors. */
    CHECK_CLOSE(mean_drawn(&r, known, false), wanted, 5 * 0.44 / sqrt(FEW * SIZE / 2));
    CHECK_CLOSE(mean_drawn(&r, known, true), wanted_once, 5 * 0.6 / sqrt(FEW * SIZE / 2));
    pyr_known_free(known);
    rig_free(&r);
}

/* ---- a uniform start ---- */

typedef struct first_asked {
    pyr_kernels *k;
    int n;
    size_t size;
    double x[N * SIZE]; /* what the denoiser was asked at first */
    bool asked;
} first_asked;

static pyr_status keep_first(void *ctx, const void *x, const double *s, void *out)
{
    first_asked *f = ctx;
    size_t count = (size_t)f->n * f->size;

    (void)s;
    if (!f->asked)
        PYR_TRY(pyr_download_reals(f->k, f->x, x, count));
    f->asked = true;
    pyr_zero(f->k, out, count * pyr_type_size(f->k->real));
    return PYR_OK;
}

static pyr_status listen_first(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    first_asked *f = (first_asked *)ctx + stage->level;

    *f = (first_asked){.k = stage->model->k,
                       .n = stage->n,
                       .size = pyr_count(stage->model->level[stage->level].level.variable)};
    draw->denoise = keep_first;
    draw->denoise_ctx = f;
    return PYR_OK;
}

/* Pixels of the coarsest image are uniform in -1 .. 1, residuals 0: by the setting, and as the usual start of Algorithm 1. */
static void uniform_starts(void)
{
    static first_asked first[3];
    static float images[N * SIZE];
    pyr_model_hooks hooks = {.ctx = first, .before = listen_first};
    rig r;

    if (!rig_new(&r, "box", 3, "box", true))
        return;
    for (int way = 0; way < 2; way++) {
        pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1, .hooks = &hooks};

        for (int level = 0; level < 3; level++) {
            pyr_sampler *sampler = &r.m->level[level].level.settings.sampler;

            *sampler = pyr_sampler_usual(way ? PYR_CONDITIONAL_LANGEVIN : PYR_EULER, 3);
            sampler->start = way ? PYR_START_PRIOR : PYR_START_UNIFORM;
        }
        draw.image[0] = images;
        CHECK_OK(pyr_model_sample(r.m, &draw));
        for (int level = 0; level < 3; level++) {
            const pyr_level_facts *facts = &r.m->level[level].level.facts;
            size_t count = N * first[level].size;
            double most = 0, mean = 0, square = 0;

            for (size_t i = 0; i < count; i++) {
                double pixel = first[level].x[i] * facts->std[0] + facts->mean[0];

                most = fmax(most, fabs(pixel));
                mean += pixel / (double)count;
                square += pixel * pixel / (double)count;
            }
            if (level < 2) {
                CHECK(most < 1e-6);
                continue;
            }
            CHECK(count == N * 2 * 2 * C && most <= 1 + 1e-6 && most > 0.8);
            CHECK_CLOSE(mean, 0, 4.5 * sqrt(1.0 / 3 / (double)count));
            CHECK_CLOSE(square, 1.0 / 3, 4.5 * sqrt(4.0 / 45 / (double)count));
        }
    }
    rig_free(&r);
}

/* A coarse pixel is given when all four below are: rows 0..3 of 8 x 6 are rows 0, 1 of 4 x 3, row 0 of 2 x
 * 2. */
static void masks_are_carried_down(void)
{
    float image[SIZE];
    uint8_t mask[H * W];
    pyr_known *known = NULL;
    rig r;

    picture(image);
    if (!rig_new(&r, "box", 3, "box", false))
        return;
    for (int i = 0; i < H * W; i++)
        mask[i] = i / W > 3;
    CHECK_OK(pyr_known_new(&known, r.m, image, mask, 1));
    for (int level = 0; level < 3; level++)
        CHECK_CLOSE(pyr_known_share(known, level), 0.5, 1e-12);
    pyr_known_free(known);
    mask[3 * W + 5] = 1; /* one more: a pixel of level 1, and of level 2 */
    CHECK_OK(pyr_known_new(&known, r.m, image, mask, 1));
    CHECK_CLOSE(pyr_known_share(known, 0), 23 / 48.0, 1e-12);
    CHECK_CLOSE(pyr_known_share(known, 1), 5 / 12.0, 1e-12);
    CHECK_CLOSE(pyr_known_share(known, 2), 1 / 4.0, 1e-12);
    pyr_known_free(known);
    rig_free(&r);
}

/* ---- colours --------------------------------------------------------------------------------------- */

static void colours_keep_the_grey(void)
{
    float image[SIZE], plain[N * SIZE], got[N * SIZE];
    pyr_known *known = NULL;

    picture(image);
    for (int kind = 0; kind < KINDS; kind++) {
        double worst = 0, coloured = 0;
        rig r;

        if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, false))
            return;
        sample(&r, NULL, plain);
        CHECK_OK(pyr_known_new(&known, r.m, image, NULL, 2));
        sample(&r, pyr_known_hooks(known), got);
        for (int i = 0; i < N * SIZE; i += C) {
            const float *x = got + i, *y = image + i % SIZE;

            worst = fmax(worst, fabs((double)(x[0] + x[1] + x[2] - y[0] - y[1] - y[2])) / 3);
            coloured = fmax(coloured, fabs((double)(x[0] - x[1] - y[0] + y[1])));
        }
        if (!(worst < 1e-6 && coloured > 0.01))
            CHECK_REPORT("%s: the grey is off by %g, colours by %g", kinds[kind].name, worst, coloured);
        pyr_known_free(known);
        rig_free(&r);
    }
}

/* ---- upscaling and variations ---------------------------------------------------------------------- */

static void upscaling_starts_at_any_level(void)
{
    for (int kind = 1; kind < KINDS; kind++)
        for (int level = 1; level < kinds[kind].levels; level++) {
            float image[SIZE], start[SIZE * N], got[N * SIZE];
            double mismatch[PYR_MAX_LEVELS][N];
            pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1, .coarse = start, .given = level};
            pyr_layers layers;
            size_t size;
            rig r;

            picture(image);
            if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, false))
                return;
            CHECK_OK(pyr_layers_new(&layers, r.m, image));
            size = pyr_count(pyr_model_image(r.m, level));
            for (size_t i = 0; i < N * size; i++)
                start[i] = (float)layers.image[level][i % size];
            draw.image[0] = got;
            for (int i = 0; i < level; i++)
                draw.mismatch[i] = mismatch[i];
            CHECK_OK(pyr_model_sample(r.m, &draw));
            for (int i = 0; i < level; i++)
                for (int j = 0; j < N; j++)
                    CHECK(sqrt(mismatch[i][j]) < 1e-5);
            pyr_layers_free(&layers);
            rig_free(&r);
        }
}

static void variations(void)
{
    float image[SIZE], plain[N * SIZE], got[N * SIZE];
    double far = 0, from[3] = {1e30, 1e30, 1e30};
    pyr_vary *vary = NULL;
    rig r;

    picture(image);
    if (!rig_new(&r, "box", 3, "box", false))
        return;
    sample(&r, NULL, plain);
    CHECK_OK(pyr_vary_new(&vary, r.m, image, from, NULL, NULL)); /* from the end: plain sampling */
    sample(&r, pyr_vary_hooks(vary), got);
    CHECK(memcmp(got, plain, sizeof got) == 0);
    pyr_vary_free(vary);
    from[0] = from[1] = from[2] = 0; /* all levels stay: the picture, up to rounding */
    CHECK_OK(pyr_vary_new(&vary, r.m, image, from, NULL, NULL));
    sample(&r, pyr_vary_hooks(vary), got);
    for (int i = 0; i < N * SIZE; i++)
        far = fmax(far, fabs((double)(got[i] - image[i % SIZE])));
    CHECK_CLOSE(far, 0, 1e-4);
    pyr_vary_free(vary);
    from[1] = 1e-9;
    CHECK_FAILS(pyr_vary_new(&vary, r.m, image, from, NULL, NULL), PYR_E_ARG,
                "level 1 would start from noise of 1e-09");
    rig_free(&r);
}

/* With a mask the picture stays outside of it; inside, of independent pixels, nothing is changed by that. */
static void variations_within_a_mask(void)
{
    float image[SIZE], painted[SIZE], all[N * SIZE], got[N * SIZE];
    double from[3] = {1, 1, 1};
    uint8_t mask[H * W], wanted[SIZE], bytes[N * SIZE];
    pyr_vary *vary = NULL;

    picture(image);
    pyr_pixels_to_bytes(wanted, image, SIZE);
    for (int i = 0; i < H * W; i++)
        mask[i] = i % W >= 2 && i / W < 4;
    for (int i = 0; i < SIZE; i++)
        painted[i] = i / C % W < 4 ? 0.9F : image[i];
    for (int kind = 0; kind < KINDS; kind++) {
        double far = 0, moved = 0;
        rig r;

        if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, kind == 0))
            return;
        CHECK_OK(pyr_vary_new(&vary, r.m, image, from, NULL, NULL));
        sample(&r, pyr_vary_hooks(vary), all);
        pyr_vary_free(vary);
        CHECK_OK(pyr_vary_new(&vary, r.m, image, from, mask, NULL));
        sample(&r, pyr_vary_hooks(vary), got);
        pyr_vary_free(vary);
        pyr_pixels_to_bytes(bytes, got, N * SIZE);
        for (int i = 0; i < N * SIZE; i++)
            if (!mask[i % SIZE / C])
                CHECK(bytes[i] == wanted[i % SIZE]);
            else {
                far = fmax(far, fabs((double)got[i] - (double)all[i]));
                moved = fmax(moved, fabs((double)got[i] - (double)image[i % SIZE]));
            }
        CHECK(moved > 0.05);
        CHECK_OK(pyr_vary_new(&vary, r.m, painted, from, mask, image)); /* what is kept is not painted */
        sample(&r, pyr_vary_hooks(vary), all);
        pyr_vary_free(vary);
        pyr_pixels_to_bytes(bytes, all, N * SIZE);
        for (int i = 0; i < N * SIZE; i++)
            CHECK(mask[i % SIZE / C] || bytes[i] == wanted[i % SIZE]);
        CHECK(memcmp(all, got, sizeof got) != 0);
        CHECK(kind != 0 || far < 1e-5);
        rig_free(&r);
    }
}

/* ---- latents --------------------------------------------------------------------------------------- */

/* With D = x / (1 + s^2) the ODE keeps x / sqrt(1 + s^2). */
static void latents_of_a_gaussian(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        float image[SIZE], again[SIZE];
        double nfe, far = 0;
        pyr_latent latent = {0};
        pyr_from_latent from = {0};
        pyr_layers layers = {0};
        pyr_model_draw draw = {.n = 1, .seeds = seeds, .label = -1};
        rig r;

        picture(image);
        if (!rig_new(&r, kinds[kind].name, kinds[kind].levels, kinds[kind].filter, true))
            return;
        CHECK_OK(pyr_latent_encode(&latent, r.m, 1, image, -1, 1e-6, &nfe));
        CHECK(nfe > 6 * kinds[kind].levels);
        CHECK_OK(pyr_layers_new(&layers, r.m, image));
        for (int level = 0; level < latent.levels; level++) {
            pyr_sampled_level *l = &r.m->level[level];
            double lo = pyr_schedule_s(&l->schedule, pyr_schedule_t_min(&l->schedule));
            double hi = pyr_schedule_s(&l->schedule, pyr_schedule_t_max(&l->schedule));

            for (size_t i = 0; i < pyr_count(l->level.variable); i++)
                CHECK_CLOSE(latent.at[level][i],
                            layers.variable[level][i] * sqrt((1 + hi * hi) / (1 + lo * lo)), 1e-3 * hi);
            l->level.settings.sampler.kind = PYR_RK45;
            l->level.settings.sampler.tolerance = 1e-6;
        }
        CHECK_OK(pyr_from_latent_new(&from, r.m, &latent));
        draw.hooks = &from.hooks;
        draw.image[0] = again;
        CHECK_OK(pyr_model_sample(r.m, &draw));
        for (int i = 0; i < SIZE; i++)
            far = fmax(far, fabs((double)(again[i] - image[i])));
        CHECK_CLOSE(far, 0, 1e-3);
        pyr_from_latent_free(&from);
        pyr_latent_free(&latent);
        pyr_layers_free(&layers);
        rig_free(&r);
    }
}

/* Seeds as latents draw what the seeds draw; a latent file holds what was put in. */
static void latents_of_seeds_and_files(void)
{
    float plain[N * SIZE], got[N * SIZE];
    pyr_latent latent = {0}, read = {0};
    pyr_from_latent from = {0};
    const char *path = below("latents.safetensors");
    bool same = false;
    rig r, other;

    if (!rig_new(&r, "box", 3, "box", false))
        return;
    sample(&r, NULL, plain);
    CHECK_OK(pyr_latent_of_seeds(&latent, r.m, N, seeds, NULL));
    CHECK_OK(pyr_from_latent_new(&from, r.m, &latent));
    sample(&r, &from.hooks, got);
    CHECK(memcmp(got, plain, sizeof got) == 0);
    pyr_from_latent_free(&from);
    CHECK_OK(pyr_latent_write(path, &latent, r.m));
    CHECK_OK(pyr_latent_read(&read, path, r.m, &same));
    CHECK(same && read.n == N && read.levels == 3);
    for (int level = 0; level < 3; level++)
        CHECK(memcmp(read.at[level], latent.at[level],
                     N * pyr_count(pyr_model_image(r.m, level)) * sizeof(double)) == 0);
    pyr_latent_free(&read);
    if (rig_new(&other, "burt", 2, "burt-adelson", false))
        CHECK_FAILS(pyr_latent_read(&read, path, other.m, &same), PYR_E_SHAPE,
                    "holds latents of 3 levels, this run has 2");
    pyr_latent_free(&read);
    rig_free(&other);
    pyr_latent_free(&latent);
    rig_free(&r);
}

/* Starts about a class's mean: latents of seeds draw what the seeds draw of that class. */
static void latents_of_classes(void)
{
    static const int32_t labels[N] = {1, 0, 1};
    float plain[N * SIZE], got[N * SIZE];
    pyr_latent latent = {0};
    pyr_from_latent from = {0};
    pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1, .labels = labels, .image = {plain}};
    rig r;

    if (!rig_new(&r, "means", 2, "box", false))
        return;
    CHECK(r.m->level[0].classes.classes == 2);
    CHECK_OK(pyr_model_sample(r.m, &draw));
    CHECK_OK(pyr_latent_of_seeds(&latent, r.m, N, seeds, labels));
    CHECK_OK(pyr_from_latent_new(&from, r.m, &latent));
    draw.hooks = &from.hooks;
    draw.image[0] = got;
    CHECK_OK(pyr_model_sample(r.m, &draw));
    CHECK(memcmp(got, plain, sizeof got) == 0);
    pyr_from_latent_free(&from);
    pyr_latent_free(&latent);
    rig_free(&r);
}

static void great_circles(void)
{
    pyr_latent ends = {0}, out = {0};
    size_t size;
    rig r;

    if (!rig_new(&r, "single", 1, "box", false))
        return;
    size = SIZE;
    CHECK_OK(pyr_latent_of_seeds(&ends, r.m, 2, seeds, NULL));
    CHECK_OK(pyr_latent_new(&out, r.m, 4));
    pyr_latent_slerp(&out, 0, &ends, 0, &ends, 1, 0, r.m);
    pyr_latent_slerp(&out, 1, &ends, 0, &ends, 1, 1, r.m);
    pyr_latent_slerp(&out, 3, &ends, 0, &ends, 0, 0.4, r.m); /* no angle between them */
    CHECK(memcmp(out.at[0], ends.at[0], 2 * size * sizeof(double)) == 0);
    for (size_t i = 0; i < size; i++)
        CHECK_CLOSE(out.at[0][3 * size + i], ends.at[0][i], 1e-9 * fabs(ends.at[0][i]));
    for (size_t i = 0; i < size; i++) /* at right angles, of length 2 */
        ends.at[0][i] = i == 3 ? 2 : 0, ends.at[0][size + i] = i == 5 ? 2 : 0;
    pyr_latent_slerp(&out, 2, &ends, 0, &ends, 1, 1 / 3.0, r.m);
    CHECK_CLOSE(out.at[0][2 * size + 3], sqrt(3), 1e-12); /* 2 cos 30 degrees */
    CHECK_CLOSE(out.at[0][2 * size + 5], 1, 1e-12);
    pyr_latent_free(&ends);
    pyr_latent_free(&out);
    rig_free(&r);
}

/* ---- linear operators and inverse problems ---------------------------------------------------------- */

static void operators(void)
{
    static const struct {
        pyr_operator_kind kind;
        double size;
    } cases[] = {{PYR_OPERATOR_BLUR, 0.4},   {PYR_OPERATOR_BLUR, 3},      {PYR_OPERATOR_BOX, 1},
                 {PYR_OPERATOR_BOX, 3},      {PYR_OPERATOR_BOX, 7},       {PYR_OPERATOR_MISSING, 0},
                 {PYR_OPERATOR_BICUBIC, 1},  {PYR_OPERATOR_BICUBIC, 2.3}, {PYR_OPERATOR_MOTION, 3},
                 {PYR_OPERATOR_IDENTITY, 0}, {PYR_OPERATOR_FOURIER, 0}};
    pyr_shape s = {1, 7, 5, 2};
    uint8_t missing[35];
    double x[70], y[70], ax[70], aty[70], work[70];
    pyr_operator a;

    for (int i = 0; i < 35; i++)
        missing[i] = i % 3 == 0;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        double left = 0, right = 0;
        size_t n;

        CHECK_OK(pyr_operator_new(&a, cases[c].kind, cases[c].size, missing, s));
        n = pyr_count(a.out);
        for (int i = 0; i < 70; i++)
            x[i] = sin(i * 1.3 + 1), y[i] = cos(i * 0.7);
        pyr_operator_apply(&a, ax, x, work);
        pyr_operator_adjoint(&a, aty, y, work);
        for (size_t i = 0; i < n; i++)
            left += ax[i] * y[i];
        for (int i = 0; i < 70; i++)
            right += x[i] * aty[i];
        CHECK_CLOSE(left, right, 1e-12);
        for (int i = 0; i < 70; i++) /* constants stay */
            x[i] = i % 2 ? 0.3 : -2;
        pyr_operator_apply(&a, ax, x, work);
        for (size_t i = 0; i < n && a.kind != PYR_OPERATOR_FOURIER; i++)
            CHECK_CLOSE(ax[i], a.kind == PYR_OPERATOR_MISSING && missing[i / 2] ? 0 : x[i % 2], 1e-12);
        pyr_operator_free(&a);
    }
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BOX, 3, NULL, s));
    CHECK(a.out.h == 3 && a.out.w == 2);
    for (int i = 0; i < 70; i++)
        x[i] = i;
    pyr_operator_apply(&a, ax, x, work);
    CHECK_CLOSE(ax[0], 12, 1e-12);             /* rows 0..2, columns 0..2: pixel 6 */
    CHECK_CLOSE(ax[2 * 5 + 1], 67 + 1, 1e-12); /* row 6, columns 3, 4, channel 1: 67 and 69 */
    pyr_operator_free(&a);
    CHECK_FAILS(pyr_operator_new(&a, PYR_OPERATOR_BOX, 2.5, NULL, s), PYR_E_ARG, "should be a whole number");
    pyr_operator_free(&a);
    CHECK_FAILS(pyr_operator_new(&a, PYR_OPERATOR_BLUR, 0, NULL, s), PYR_E_ARG, "should be over 0");
    pyr_operator_free(&a);
}

/* As Pillow 12 has it: Image.fromarray(x, "F").resize((k, 1), Image.BICUBIC). */
static void bicubic_is_pillows(void)
{
    static const double x[] = {1, 5, 2, 7, 3, 9, 4, 6, 8, 0, 2};
    static const double wanted[][6] = {{3.050739, 5.282513, 6.218534, 2.926946},
                                       {2.665022, 4.170632, 5.683702, 5.899701, 6.035435, 1.259314}};
    static const double sizes[] = {3, 2};
    double y[6], work[11];

    for (int i = 0; i < 2; i++) {
        pyr_operator a;

        CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BICUBIC, sizes[i], NULL, (pyr_shape){1, 1, 11, 1}));
        CHECK(a.out.h == 1 && a.out.w == (i ? 6 : 4));
        pyr_operator_apply(&a, y, x, work);
        for (int j = 0; j < a.out.w; j++)
            CHECK_CLOSE(y[j], wanted[i][j], 2e-6);
        pyr_operator_free(&a);
    }
}

/* A point becomes the kernel, with its middle at the point; a kernel over the border folds in. */
static void motion_convolves(void)
{
    static const double kernel[] = {1, 2, 3, 4, 0, 6}; /* 2 x 3 */
    double x[42] = {0}, y[42];
    double *line, sum = 0, along = 0;
    int side;
    pyr_operator a;

    x[2 * 6 + 2] = 16;
    CHECK_OK(pyr_operator_motion(&a, kernel, 2, 3, (pyr_shape){1, 7, 6, 1}));
    pyr_operator_apply(&a, y, x, NULL);
    for (int i = 0; i < 42; i++) {
        int down = i / 6 - 2 + 1, right = i % 6 - 2 + 1;
        bool inside = down >= 0 && down < 2 && right >= 0 && right < 3;

        CHECK_CLOSE(y[i], inside ? kernel[down * 3 + right] : 0, 1e-12);
    }
    x[2 * 6 + 2] = 0;
    x[0] = 16; /* the column to the left mirrors into the first */
    pyr_operator_apply(&a, y, x, NULL);
    CHECK_CLOSE(y[0], 0 + 6, 1e-12);
    pyr_operator_free(&a);
    CHECK_FAILS(pyr_operator_motion(&a, (double[]){0, 0}, 1, 2, (pyr_shape){1, 7, 6, 1}), PYR_E_ARG,
                "sum is 0");
    pyr_operator_free(&a);
    CHECK_OK(pyr_line_kernel(&line, &side, 6, 90)); /* upright */
    for (int i = 0; i < side * side; i++) {
        sum += line[i];
        along += i % side == side / 2 ? line[i] : 0;
    }
    CHECK(side == 9);
    CHECK_CLOSE(along, sum, 1e-9 * sum);
    CHECK_CLOSE(line[4 * 9 + 4], sum / 6, 0.02 * sum);
    pyr_free(line);
}

/* Against the sums that define the transform; both of a pair of frequencies or none. */
static void fourier_samples(void)
{
    enum { ROWS = 6, COLS = 5, NUMBERS = ROWS * COLS, SIDE = 32 };
    static uint8_t pattern[SIDE * SIDE];
    const double pi = acos(-1);
    double x[NUMBERS], y[NUMBERS];
    uint8_t missing[NUMBERS] = {0};
    pyr_operator a;

    for (int i = 0; i < NUMBERS; i++)
        x[i] = sin(3.0 * i * i);
    missing[1 * COLS + 2] = 1; /* and with it (5, 3) */
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_FOURIER, 0, missing, (pyr_shape){1, ROWS, COLS, 1}));
    pyr_operator_apply(&a, y, x, NULL);
    for (int k = 0; k < NUMBERS; k++) {
        double real = 0, imaginary = 0;
        bool seen = k != 1 * COLS + 2 && k != 5 * COLS + 3;

        for (int i = 0; i < NUMBERS; i++) {
            double turn = (double)(k / COLS) * (i / COLS) / ROWS + (double)(k % COLS) * (i % COLS) / COLS;

            real += x[i] * cos(2 * pi * turn) / sqrt(NUMBERS);
            imaginary -= x[i] * sin(2 * pi * turn) / sqrt(NUMBERS);
        }
        CHECK_CLOSE(y[k], seen ? real - imaginary : 0, 1e-12);
    }
    pyr_operator_free(&a);
    for (int kind = 0; pyr_pattern_names[kind]; kind++) {
        int seen = 0;

        pyr_fourier_pattern(pattern, (pyr_pattern)kind, 0.7, 3, SIDE, SIDE);
        for (int i = 0; i < SIDE * SIDE; i++) {
            seen += !pattern[i];
            CHECK(pattern[i] == pattern[(SIDE - i / SIDE) % SIDE * SIDE + (SIDE - i % SIDE) % SIDE]);
        }
        CHECK(!pattern[0]);
        CHECK_CLOSE((double)seen / (SIDE * SIDE), 0.3, 0.1);
    }
}

/* x of n equations m x = b by elimination (m symmetric, positive). */
static void eliminate(double *m, double *b, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            double f = m[j * n + i] / m[i * n + i];

            for (int k = i; k < n; k++)
                m[j * n + k] -= f * m[i * n + k];
            b[j] -= f * b[i];
        }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            b[i] -= m[i * n + k] * b[k];
        b[i] /= m[i * n + i];
    }
}

enum { MANY = 192 };
static uint64_t many[MANY];

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

/* Mean and mean square of the draws against those of the posterior. */
static void posterior_of(const rig *r, const pyr_operator *a, double noise)
{
    const pyr_level_facts *facts = &r->m->level[0].level.facts;
    double mean = facts->mean[0], std = facts->std[0], rms = 0, *rows = numbers(SIZE * SIZE),
           *c = numbers(SIZE * SIZE), *unit = numbers(SIZE), *work = numbers(SIZE), *y = numbers(SIZE),
           *e = numbers(SIZE), *wanted = numbers(SIZE), *drawn = numbers(MANY * SIZE);
    int n = (int)pyr_count(a->out);
    pyr_inverse *inverse = NULL;
    capture all = {.variable = drawn};
    pyr_model_hooks hooks = {.ctx = &all, .before = capture_before, .drawn = capture_drawn};
    float *images = pyr_calloc(MANY * SIZE, sizeof *images);
    pyr_model_draw draw = {.n = MANY, .seeds = many, .label = -1, .hooks = &hooks};

    for (int j = 0; j < SIZE; j++) { /* rows[j]: column j of A */
        memset(unit, 0, SIZE * sizeof *unit);
        unit[j] = 1;
        pyr_operator_apply(a, rows + j * SIZE, unit, work);
    }
    for (int i = 0; i < n; i++) {
        y[i] = mean + 0.8 * std * sin(0.9 * i);
        for (int j = 0; j < n; j++) {
            for (int k = 0; k < SIZE; k++)
                c[i * n + j] += std * std * rows[k * SIZE + i] * rows[k * SIZE + j];
            c[i * n + j] += i == j ? noise * noise : 0;
        }
        e[i] = y[i];
        for (int k = 0; k < SIZE; k++)
            e[i] -= mean * rows[k * SIZE + i];
    }
    eliminate(c, e, n);
    for (int k = 0; k < SIZE; k++) {
        wanted[k] = mean;
        for (int i = 0; i < n; i++)
            wanted[k] += std * std * rows[k * SIZE + i] * e[i];
    }
    CHECK_OK(pyr_inverse_new(&inverse, r->m,
                             &(pyr_inverse_problem){.a = a, .y = y, .noise = noise, .strength = 1}));
    all.guided = pyr_inverse_hooks(inverse);
    draw.image[0] = images;
    CHECK_OK(pyr_model_sample(r->m, &draw));
    for (int k = 0; k < SIZE; k++) {
        double got = 0;

        for (int j = 0; j < MANY; j++)
            got += drawn[j * SIZE + k] / MANY;
        rms += pow((got - wanted[k]) / std, 2) / SIZE;
    }
    /* Means of 192 draws are off by up to 1/sqrt(192) = 0.072 by chance; the pull of y moves them by about
     * 0.5. The 40 steps of Heun's method add little. */
    CHECK_CLOSE(sqrt(rms), 0, 0.09);
    pyr_inverse_free(inverse);
    pyr_free(images);
    for (size_t i = 0; i < 8; i++)
        pyr_free((double *[]){rows, c, unit, work, y, e, wanted, drawn}[i]);
}

static void posterior_of_a_gaussian(void)
{
    uint8_t missing[H * W];
    pyr_operator a;
    rig r;

    for (int i = 0; i < MANY; i++)
        many[i] = (uint64_t)i;
    for (int i = 0; i < H * W; i++)
        missing[i] = i % 5 == 1 || i % 5 == 2;
    if (!rig_new(&r, "single", 1, "box", true))
        return;
    r.m->level[0].level.settings.sampler.steps = 40;
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_MISSING, 0, missing, pyr_model_image(r.m, 0)));
    posterior_of(&r, &a, 0.05);
    pyr_operator_free(&a);
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BOX, 2, NULL, pyr_model_image(r.m, 0)));
    posterior_of(&r, &a, 0.05);
    pyr_operator_free(&a);
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BLUR, 0.7, NULL, pyr_model_image(r.m, 0)));
    posterior_of(&r, &a, 0.1);
    pyr_operator_free(&a);
    pyr_fourier_pattern(missing, PYR_PATTERN_RANDOM, 0.4, 1, H, W);
    CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_FOURIER, 0, missing, pyr_model_image(r.m, 0)));
    posterior_of(&r, &a, 0.1);
    pyr_operator_free(&a);
    rig_free(&r);
}

/* Over a pyramid of trained levels, what comes out agrees with y as its noise lets it. haar of even sides,
 * too. */
static void results_agree_with_what_was_seen(void)
{
    static const int some[] = {1, 2, 3, 4};
    float image[SIZE], got[N * SIZE];
    double x[SIZE], y[SIZE], work[SIZE];

    picture(image);
    for (int i = 0; i < SIZE; i++)
        x[i] = 0.4 * (double)image[i] - 0.3;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        double off = 0, plain = 0;
        pyr_inverse *inverse = NULL;
        pyr_operator a;
        rig r;

        if (!rig_new(&r, kinds[some[i]].name, kinds[some[i]].levels, kinds[some[i]].filter, true))
            return;
        CHECK_OK(pyr_operator_new(&a, PYR_OPERATOR_BLUR, 0.8, NULL, pyr_model_image(r.m, 0)));
        pyr_operator_apply(&a, y, x, work);
        CHECK_OK(pyr_inverse_new(&inverse, r.m,
                                 &(pyr_inverse_problem){.a = &a, .y = y, .noise = 0.03, .strength = 1}));
        for (int guided = 0; guided < 2; guided++) {
            sample(&r, guided ? pyr_inverse_hooks(inverse) : NULL, got);
            for (int j = 0; j < N; j++) {
                double z[SIZE], az[SIZE];

                for (int at = 0; at < SIZE; at++)
                    z[at] = (double)got[j * SIZE + at];
                pyr_operator_apply(&a, az, z, work);
                for (int at = 0; at < SIZE; at++)
                    *(guided ? &off : &plain) += pow(az[at] - y[at], 2) / (N * SIZE);
            }
        }
        if (!(sqrt(off) < 0.3 * sqrt(plain)))
            CHECK_REPORT("%s: off by %g, without guidance by %g", kinds[some[i]].name, sqrt(off),
                         sqrt(plain));
        pyr_inverse_free(inverse);
        pyr_operator_free(&a);
        rig_free(&r);
    }
}

/* ---- real coarse images -------------------------------------------------------------------------- */

/* Whether `coarse` holds the 2 x 2 means of the picture. */
static bool is_half_of(const float *coarse, const float *image)
{
    for (int y = 0; y < H / 2; y++)
        for (int x = 0; x < W / 2; x++)
            for (int c = 0; c < C; c++) {
                const float *at = image + (2 * y * W + 2 * x) * C + c;
                double mean =
                    ((double)at[0] + (double)at[C] + (double)at[W * C] + (double)at[(W + 1) * C]) / 4;

                if (fabs((double)coarse[(y * (W / 2) + x) * C + c] - mean) > 1e-4)
                    return false;
            }
    return true;
}

/* eval --given 1: level 1 is that of a training image, of the class that is wanted, and what is drawn
 * agrees. */
static void given_levels_are_of_training_images(void)
{
    pyr_dataset *data = open_data();
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_TRAIN);
    rig r;

    if (!rig_new(&r, "classes", 3, "box", false))
        return;
    for (int label = -1; label < 2; label++) {
        static const char *const words[] = {"", "0", "1"};
        pyr_image_set set = {0};
        pyr_set_draw draw = {.k = r.k,
                             .name = "some",
                             .model = r.m,
                             .config = &r.config,
                             .seeds = seeds,
                             .n = N,
                             .of_class = words[label + 1],
                             .given = 1,
                             .data = data,
                             .batch = 2};
        float image[SIZE];

        CHECK_OK(pyr_image_set_draw(&set, &draw));
        CHECK(set.levels == 3 && set.drawn == 1 && set.kept == N && set.nfe[0] > 0 && set.nfe[1] == 0);
        CHECK(set.consistency[0] < 1e-6);
        for (int j = 0; j < N && set.kept == N; j++) {
            int found = 0;

            for (int64_t i = 0; i < pyr_dataset_count(data, PYR_SPLIT_TRAIN); i++) {
                pyr_dataset_pixels(data, PYR_SPLIT_TRAIN, i, false, image);
                found += is_half_of(set.first[1] + (size_t)j * (SIZE / 4), image) &&
                         (label < 0 || labels[i] == label);
            }
            CHECK(found == 1);
        }
        pyr_image_set_free(&set);
    }
    rig_free(&r);
    pyr_dataset_free(data);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("tasks"))
        return 1;
    write_images();
    RUN(inpainting_keeps_what_is_given);
    RUN(inpainting_by_langevin_dynamics);
    RUN(uniform_starts);
    RUN(masks_are_carried_down);
    RUN(colours_keep_the_grey);
    RUN(upscaling_starts_at_any_level);
    RUN(variations);
    RUN(variations_within_a_mask);
    RUN(latents_of_a_gaussian);
    RUN(latents_of_seeds_and_files);
    RUN(latents_of_classes);
    RUN(great_circles);
    RUN(operators);
    RUN(bicubic_is_pillows);
    RUN(motion_convolves);
    RUN(fourier_samples);
    RUN(posterior_of_a_gaussian);
    RUN(results_agree_with_what_was_seen);
    RUN(given_levels_are_of_training_images);
    remove_all(temp);
    return CHECK_DONE();
}
