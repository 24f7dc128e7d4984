/* test_one_level.c - one level by itself: what it draws is what the whole run draws there, bit for bit,
 * whether the others exist or not; on a level that is an exact Gaussian (a network of zeros: D = x / (1 +
 * s^2)) means and variances in closed form; the real coarser images, and a data set at a level, against 2 x
 * 2 means; residuals as pictures against those of decompose. */
#include "tests/level_data.h"
#include "tests/samples_of.h"

#include "cascade/image_likelihood.h"
#include "cascade/model.h"
#include "cascade/real_images.h"
#include "pictures/pixels.h"
#include "pyramid/codes.h"
#include "training/train_run.h"

enum { SIZE = H * W * C, N = 3, MANY = 384 };
static const uint64_t seeds[N] = {4, 17, UINT64_C(1) << 40};

static const struct {
    const char *name, *filter, *condition;
    int levels;
} kinds[] = {{"box", "box", "coarse", 3},
             {"haar", "haar", "coarse", 3},
             {"burt", "burt-adelson", "coarse", 2},
             {"none", "box", "none", 3},
             {"none-haar", "haar", "none", 2}};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct rig {
    pyr_kernels *k;
    pyr_settings *settings;
    pyr_config config;
    const char *run;
} rig;

/* The settings of a kind; its levels (-1: all) trained in a run of this name, once. */
static bool rig_new(rig *r, int kind, const char *run, int level)
{
    char value[200];
    bool there;

    *r = (rig){.run = below(run)};
    CHECK_OK(pyr_kernels_open(&r->k, "cpu", 2));
    CHECK_OK(pyr_settings_new(&r->settings, pyr_all_sections));
    snprintf(value, sizeof value, "\"%s\"", below("data"));
    CHECK_OK(pyr_settings_set(r->settings, "data.path", value, "test"));
    CHECK_OK(pyr_settings_set(r->settings, "data.held_out", "10", "test"));
    snprintf(value, sizeof value, "%d", kinds[kind].levels);
    CHECK_OK(pyr_settings_set(r->settings, "pyramid.levels", value, "test"));
    snprintf(value, sizeof value, "\"%s\"", kinds[kind].filter);
    CHECK_OK(pyr_settings_set(r->settings, "pyramid.filter", value, "test"));
    snprintf(value, sizeof value, "\"%s\"", kinds[kind].condition);
    CHECK_OK(pyr_settings_set(r->settings, "level.condition", value, "test"));
    CHECK_OK(pyr_settings_set(r->settings, "train.duration", "480", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "train.snapshot", "-1", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.network.block_out_channels", "[8]", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.network.norm_num_groups", "4", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.batch", "16", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.sampler.steps", "5", "test"));
    CHECK_OK(pyr_config_get(&r->config, r->settings));
    CHECK_OK(pyr_run_exists(&there, r->run));
    if (!there)
        CHECK_OK(
            pyr_train(&(pyr_train_job){.k = r->k, .run = r->run, .settings = r->settings, .level = level}));
    return pyr_run_exists(&there, r->run) == PYR_OK && there;
}

static void rig_free(rig *r)
{
    pyr_settings_free(r->settings);
    pyr_kernels_free(r->k);
}

/* ---- what is drawn ------------------------------------------------------------------------------- */

/* All levels of a run: images and variables. */
typedef struct drawn {
    float image[PYR_MAX_LEVELS][N * SIZE], variable[PYR_MAX_LEVELS][N * SIZE];
} drawn;

static void check_level(rig *r, const char *run, int kind, int level, const drawn *all)
{
    static drawn alone;
    pyr_model *m = NULL;
    pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1};
    bool coarsest = level == kinds[kind].levels - 1;

    CHECK_OK(pyr_model_open_level(&m, r->k, run, NULL, &r->config, level));
    if (!m)
        return;
    CHECK(m->only == level && m->levels == kinds[kind].levels);
    draw.image[level] = alone.image[level];
    draw.variable[level] = alone.variable[level];
    if (!coarsest) {
        draw.coarse = all->image[level + 1];
        draw.given = level + 1;
    }
    CHECK_OK(pyr_model_sample(m, &draw));
    if (memcmp(alone.image[level], all->image[level],
               N * pyr_count(pyr_model_image(m, level)) * sizeof(float)) != 0 ||
        memcmp(alone.variable[level], all->variable[level],
               N * pyr_count(m->level[level].level.variable) * sizeof(float)) != 0)
        CHECK_REPORT("%s: level %d of %s alone draws another image", kinds[kind].name, level, run);
    pyr_model_free(m);
}

static void a_level_alone_draws_what_the_run_draws_there(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        static drawn all;
        pyr_model_draw draw = {.n = N, .seeds = seeds, .label = -1};
        pyr_model *m = NULL;
        rig r;

        if (!rig_new(&r, kind, kinds[kind].name, -1))
            return;
        CHECK_OK(pyr_model_open(&m, r.k, r.run, &r.config));
        for (int i = 0; i < kinds[kind].levels; i++) {
            draw.image[i] = all.image[i];
            draw.variable[i] = all.variable[i];
        }
        CHECK(m && m->only == -1);
        if (m)
            CHECK_OK(pyr_model_sample(m, &draw));
        pyr_model_free(m);
        for (int i = 0; i < kinds[kind].levels; i++) {
            char name[64];
            bool there;
            rig own;

            check_level(&r, r.run, kind, i, &all);
            /* in a run that has no other level */
            snprintf(name, sizeof name, "%s-%d", kinds[kind].name, i);
            if (!rig_new(&own, kind, name, i))
                return;
            CHECK_OK(pyr_run_has_level(&there, own.run, i));
            CHECK(there);
            CHECK_OK(pyr_run_has_level(&there, own.run, i ? 0 : 1));
            CHECK(!there);
            check_level(&own, own.run, kind, i, &all);
            if (kinds[kind].levels > 1)
                CHECK_FAILS(pyr_model_open(&m, own.k, own.run, &own.config), PYR_E_IO,
                            "has not been trained yet");
            rig_free(&own);
        }
        rig_free(&r);
    }
}

/* ---- a Gaussian level ------------------------------------------------------------------------------ */

/* Level 0 of a kind, its network of zeros: z ~ N(0, 1), but for what 120 steps of Heun's method are off. */
static pyr_model *white(rig *r, int kind)
{
    pyr_model *m = NULL;
    pyr_sampled_level *l;

    if (!rig_new(r, kind, kinds[kind].name, -1))
        return NULL;
    r->config.level[0].sampler.steps = 120;
    CHECK_OK(pyr_model_open_level(&m, r->k, r->run, NULL, &r->config, 0));
    if (!m)
        return NULL;
    l = &m->level[0];
    pyr_zero(r->k, l->block, l->params.count * pyr_type_size(r->k->real));
    CHECK_OK(pyr_denoiser_pack(&l->denoiser, l->block));
    return m;
}

/* Mean and variance over the images of number i, in units of the level. */
static void moments_of(const float *x, int i, double std, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (int j = 0; j < MANY; j++)
        *mean += (double)x[j * SIZE + i] / std / MANY;
    for (int j = 0; j < MANY; j++)
        *variance += pow((double)x[j * SIZE + i] / std - *mean, 2) / (MANY - 1);
}

/* box: given I_1, r = m + s z has its 2 x 2 means moved to where d(l + r) = I_1 is, so that they are no
 * longer random and what is left has 3/4 of the variance; alone it is as it was drawn. */
static void a_gaussian_residual(bool given)
{
    static float coarse[MANY * SIZE / 4], residual[MANY * SIZE], image[MANY * SIZE];
    static uint64_t many[MANY];
    pyr_model_draw draw = {.n = MANY, .seeds = many, .label = -1};
    double std, shift = 0, worst_mean = 0, mean_variance = 0, off = 0;
    rig r;
    pyr_model *m = white(&r, 3); /* condition none */

    if (!m)
        return;
    std = m->level[0].level.facts.std[0];
    shift = m->level[0].level.facts.mean[0] / std;
    for (int j = 0; j < MANY; j++) {
        many[j] = (uint64_t)j;
        for (int i = 0; i < SIZE / 4; i++) /* flat images: u of them is the same number */
            coarse[j * SIZE / 4 + i] = 0.1F;
    }
    draw.variable[0] = residual;
    if (given) {
        draw.coarse = coarse;
        draw.given = 1;
        draw.image[0] = image;
        shift = 0; /* l is 0.1 everywhere, so that d(r) = 0 */
    }
    CHECK_OK(pyr_model_sample(m, &draw));
    for (int i = 0; i < SIZE; i++) {
        double mean, variance;

        moments_of(residual, i, std, &mean, &variance);
        worst_mean = fmax(worst_mean, fabs(mean - shift));
        mean_variance += variance / SIZE;
    }
    /* 144 means of 384 draws: 1/sqrt(384) = 0.051 each; the variances' mean is known to 0.6 %, and half a per
     * cent is the solver's */
    CHECK_CLOSE(worst_mean, 0, 0.21);
    CHECK_CLOSE(mean_variance, given ? 0.75 : 1, 0.02);
    for (int j = 0; j < MANY && given; j++)
        for (int y = 0; y < H; y += 2)
            for (int x = 0; x < W; x += 2)
                for (int c = 0; c < C; c++) {
                    const float *at = residual + j * SIZE + (y * W + x) * C + c;

                    off = fmax(off, fabs((double)at[0] + (double)at[C] + (double)at[W * C] +
                                         (double)at[(W + 1) * C]));
                }
    CHECK(off < 1e-5);
    pyr_model_free(m);
    rig_free(&r);
}

static void residuals_of_a_gaussian(void)
{
    a_gaussian_residual(false);
    a_gaussian_residual(true);
}

/* Of one level the likelihood's terms are those of the whole run's. */
static void terms_of_the_likelihood(void)
{
    pyr_dataset *data = open_data();

    for (int kind = 0; kind < 2; kind++) {
        pyr_likelihood_job job = {.data = data,
                                  .split = PYR_SPLIT_HELD_OUT,
                                  .n = 4,
                                  .dequantise = true,
                                  .plan = {.solver = PYR_LIKELIHOOD_HEUN, .steps = 8, .probes = 1}};
        pyr_run_likelihood all, one;
        pyr_model *m = NULL;
        rig r;
        double sum = 0;

        if (!rig_new(&r, kind, kinds[kind].name, -1))
            return;
        if (kind ==
            1) { /* the third level of haar would halve an odd side, which concerns that level alone */
            CHECK_OK(pyr_model_open_level(&m, r.k, r.run, NULL, &r.config, 1));
            job.model = m;
            CHECK_FAILS(pyr_likelihood_run(&one, &job), PYR_E_UNSUPPORTED, "level 1 is 4x3");
            pyr_model_free(m);
            CHECK_OK(pyr_model_open_level(&m, r.k, r.run, NULL, &r.config, 0));
            job.model = m;
            CHECK_OK(pyr_likelihood_run(&one, &job));
            CHECK(one.only == 0 && isfinite(one.log_p.mean) && isnan(one.bits_per_dim.mean));
            pyr_model_free(m);
            rig_free(&r);
            continue;
        }
        CHECK_OK(pyr_model_open(&m, r.k, r.run, &r.config));
        job.model = m;
        CHECK_OK(pyr_likelihood_run(&all, &job));
        pyr_model_free(m);
        for (int i = 0; i < kinds[kind].levels; i++) {
            CHECK_OK(pyr_model_open_level(&m, r.k, r.run, NULL, &r.config, i));
            job.model = m;
            CHECK_OK(pyr_likelihood_run(&one, &job));
            CHECK(one.only == i && one.log_p.mean == all.level[i].log_p.mean &&
                  one.level[i].bits.mean == all.level[i].bits.mean && one.level[i].nfe == all.level[i].nfe);
            sum += one.log_p.mean;
            pyr_model_free(m);
        }
        CHECK_CLOSE(sum, all.log_p.mean, 1e-9 * fabs(sum));
        rig_free(&r);
    }
    pyr_dataset_free(data);
}

/* On a level that is N(0, 1): log p of each image is -|z|^2 / (2 v) - D/2 log(2 pi v) + volume, v = 1 + sigma_min^2. */
static void likelihood_of_each_image(void)
{
    enum { IMAGES_JUDGED = 5 };
    pyr_dataset *data = open_data();
    double each[IMAGES_JUDGED], mean = 0, *host = numbers(SIZE), spread = 0;
    int64_t which[IMAGES_JUDGED];
    pyr_likelihood_job job = {
        .data = data,
        .split = PYR_SPLIT_HELD_OUT,
        .n = IMAGES_JUDGED,
        .plan = {.solver = PYR_LIKELIHOOD_RK45, .rtol = 1e-5, .atol = 1e-5, .probes = 1},
        .each = each,
        .which = which};
    pyr_run_likelihood result;
    pyr_feed feed;
    rig r;
    pyr_model *m = white(&r, 3);
    const pyr_level *level;
    void *variable;

    if (!m)
        return;
    job.model = m;
    level = &m->level[0].level;
    CHECK_OK(pyr_likelihood_run(&result, &job));
    CHECK_OK(pyr_feed_new(&feed, r.k, data, m->pyramid, 1, 1));
    CHECK_OK(pyr_alloc(r.k, &variable, SIZE * pyr_type_size(r.k->real), "an image"));
    for (int i = 0; i < IMAGES_JUDGED; i++) {
        double v = 1 + result.level[0].sigma_min * result.level[0].sigma_min, log_p;

        CHECK(which[i] == i * HELD_OUT / IMAGES_JUDGED);
        CHECK_OK(pyr_feed_level(&feed, 0,
                                &(pyr_pick){.split = PYR_SPLIT_HELD_OUT, .n = 1, .index = &which[i]}, 0,
                                variable, NULL));
        CHECK_OK(pyr_download_reals(r.k, host, variable, SIZE));
        log_p = pyr_likelihood_volume(level) - SIZE / 2.0 * log(2 * acos(-1) * v);
        for (int j = 0; j < SIZE; j++)
            log_p -= pow((host[j] - level->facts.mean[0]) / level->facts.std[0], 2) / (2 * v);
        CHECK_CLOSE(each[i], log_p, 0.1);
        mean += each[i] / IMAGES_JUDGED;
        spread = fmax(spread, fabs(each[i] - each[0]));
    }
    CHECK_CLOSE(mean, result.log_p.mean, 1e-9 * fabs(mean));
    CHECK(spread > 1);
    pyr_release(r.k, variable);
    pyr_feed_free(&feed);
    pyr_model_free(m);
    rig_free(&r);
    pyr_free(host);
    pyr_dataset_free(data);
}

/* ---- real images ----------------------------------------------------------------------------------- */

static void seeds_choose_training_images(void)
{
    pyr_dataset *data = open_data();
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_TRAIN);
    int64_t count = pyr_dataset_count(data, PYR_SPLIT_TRAIN);
    int met[IMAGES] = {0};

    for (int64_t seed = 0; seed < count; seed++)
        met[pyr_real_image_of_seed(data, (uint64_t)seed, -1)]++;
    for (int64_t i = 0; i < count; i++)
        CHECK(met[i] == 1);
    for (uint64_t seed = 0; seed < 40; seed++)
        for (int label = 0; label < 2; label++)
            CHECK(labels[pyr_real_image_of_seed(data, seed, label)] == label);
    CHECK(pyr_real_image_of_seed(data, 3, -1) == pyr_real_image_of_seed(data, 3 + (uint64_t)count, -1));
    pyr_dataset_free(data);
}

/* A pixel is (2p - 255)/256, the mean of four of them the same of the mean p, which is rounded. */
static void data_at_a_level(void)
{
    pyr_dataset *data = open_data(), *half = NULL, *same = NULL;
    pyr_kernels *k = NULL;
    pyr_pyramid *pyramid = NULL;
    int64_t n = pyr_dataset_count(data, PYR_SPLIT_TRAIN);

    CHECK_OK(pyr_kernels_open(&k, "cpu", 2));
    CHECK_OK(pyr_pyramid_new(&pyramid, k, &(pyr_pyramid_settings){.levels = 3, .filter = PYR_FILTER_BOX}, H,
                             W, C));
    CHECK_OK(pyr_level_dataset(&half, k, pyramid, data, 1));
    CHECK_OK(pyr_level_dataset(&same, k, pyramid, data, 0));
    CHECK(pyr_dataset_shape_of(half).h == H / 2 && pyr_dataset_shape_of(half).w == W / 2 &&
          pyr_dataset_shape_of(half).c == C && pyr_dataset_shape_of(half).bits == 8);
    CHECK(pyr_dataset_classes(half) == 2 && pyr_dataset_count(half, PYR_SPLIT_TRAIN) == n &&
          pyr_dataset_count(half, PYR_SPLIT_HELD_OUT) == HELD_OUT);
    CHECK(pyr_dataset_fingerprint(half) != pyr_dataset_fingerprint(data));
    for (int part = 0; part < 2; part++)
        for (int64_t i = 0; i < pyr_dataset_count(data, (pyr_split)part); i++) {
            const uint8_t *from = samples_of(data, (pyr_split)part, i),
                          *to = samples_of(half, (pyr_split)part, i);

            CHECK(memcmp(from, samples_of(same, (pyr_split)part, i), SIZE) == 0);
            CHECK(pyr_dataset_labels(data, (pyr_split)part)[i] ==
                  pyr_dataset_labels(half, (pyr_split)part)[i]);
            for (int y = 0; y < H / 2; y++)
                for (int x = 0; x < W / 2; x++)
                    for (int c = 0; c < C; c++) {
                        const uint8_t *at = from + (2 * y * W + 2 * x) * C + c;
                        double mean = (at[0] + at[C] + at[W * C] + at[(W + 1) * C]) / 4.0;

                        CHECK(fabs(to[(y * (W / 2) + x) * C + c] - mean) <= 0.5);
                    }
        }
    pyr_dataset_free(half);
    pyr_dataset_free(same);
    pyr_dataset_free(data);
    pyr_pyramid_free(pyramid);
    pyr_kernels_free(k);
}

/* ---- residuals as pictures ------------------------------------------------------------------------- */

static void residuals_look_as_in_decompose(void)
{
    static const int filters[] = {PYR_FILTER_BOX, PYR_FILTER_HAAR};
    pyr_dataset *data = open_data();
    float image[SIZE];

    pyr_dataset_pixels(data, PYR_SPLIT_TRAIN, 3, false, image);
    for (int i = 0; i < 2; i++) {
        bool haar = filters[i] == PYR_FILTER_HAAR;
        pyr_codes codes = {0};
        uint8_t wanted[SIZE], got[SIZE]; /* haar's four tiles are as large as the image */
        double gain, square = 0;
        size_t n;

        CHECK_OK(
            pyr_codes_new(&codes, &(pyr_pyramid_settings){.levels = 2, .filter = filters[i]}, H, W, C, 8));
        CHECK_OK(pyr_decompose(&codes, image));
        gain = pyr_codes_gain(&codes, 0);
        n = pyr_count(codes.shape[0]);
        for (size_t j = 0; j < n; j++)
            square += pow((double)((const float *)codes.value[0])[j], 2) / (double)n;
        CHECK(pyr_view_gain(sqrt(square)) == gain);
        CHECK_OK(pyr_codes_view(wanted, &codes, 0, gain));
        pyr_variable_view(got, codes.shape[0], haar, codes.value[0], codes.value[1], gain);
        CHECK(memcmp(wanted, got, SIZE) == 0);
        pyr_variable_view(got, codes.shape[0], haar, codes.value[0], NULL, gain);
        for (int y = 0; y < H && haar; y++)
            for (int x = 0; x < W * C; x++)
                CHECK(got[y * W * C + x] == (y < H / 2 && x < W / 2 * C ? 128 : wanted[y * W * C + x]));
        CHECK(haar || memcmp(wanted, got, SIZE) == 0);
        pyr_codes_free(&codes);
    }
    pyr_dataset_free(data);
}

/* n images by a run's model on so many lanes; the tasks of the draw, which is one round. */
static int tasks_of_draw(const rig *r, int lanes, int n, float *image)
{
    pyr_task_time times[64];
    uint64_t seed[64];
    pyr_kernels *k = NULL;
    pyr_model *m = NULL;
    int rounds = 0, recorded = 0;

    for (int i = 0; i < n; i++)
        seed[i] = (uint64_t)i;
    CHECK_OK(pyr_kernels_open(&k, "cpu", lanes));
    CHECK_OK(pyr_model_open(&m, k, r->run, &r->config));
    if (m) {
        pyr_pool_record(k->pool, times, 64);
        CHECK_OK(
            pyr_model_sample(m, &(pyr_model_draw){.n = n, .seeds = seed, .label = -1, .image[0] = image}));
        recorded = (int)pyr_pool_recorded(k->pool, &rounds);
        pyr_pool_record(k->pool, NULL, 0);
        CHECK(rounds == 1);
    }
    pyr_model_free(m);
    pyr_kernels_free(k);
    return recorded - 1; /* and what the caller did before */
}

static void few_images_are_work_for_all_lanes(void)
{
    static float image[2][24 * SIZE];
    rig r;

    if (!rig_new(&r, 0, kinds[0].name, -1))
        return;
    CHECK(tasks_of_draw(&r, 1, 24, image[0]) == 2); /* pieces as large as a lane takes: 16 */
    CHECK(tasks_of_draw(&r, 8, 24, image[1]) == 8);
    CHECK(memcmp(image[0], image[1], sizeof image[0]) == 0);
    CHECK(tasks_of_draw(&r, 16, 8, image[1]) == 8);
    CHECK(memcmp(image[0], image[1], 8 * SIZE * sizeof(float)) == 0);
    rig_free(&r);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("one-level"))
        return 1;
    write_images();
    RUN(a_level_alone_draws_what_the_run_draws_there);
    RUN(few_images_are_work_for_all_lanes);
    RUN(residuals_of_a_gaussian);
    RUN(terms_of_the_likelihood);
    RUN(likelihood_of_each_image);
    RUN(seeds_choose_training_images);
    RUN(data_at_a_level);
    RUN(residuals_look_as_in_decompose);
    remove_all(temp);
    return CHECK_DONE();
}
