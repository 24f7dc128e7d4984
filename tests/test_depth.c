/* test_depth.c - images of 16 bits stay images of 16 bits: in files, in a trained run, in what tasks keep,
 * in what is judged. Witnesses: files that NumPy and Pillow wrote (tests/golden/depth/make.py), closed
 * forms. */
#include "tests/level_data.h"

#include "arrays/npz_file.h"
#include "cascade/model.h"
#include "eval/image_set.h"
#include "features/features.h"
#include "levels/level_file.h"
#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "tasks/known.h"
#include "training/train_run.h"

#define GOLDEN "tests/golden/depth/"

/* ---- files --------------------------------------------------------------------------------------- */

enum { N = 3, ROWS = 4, COLS = 5, WORDS = N * ROWS * COLS };

static void golden_words(uint16_t *out)
{
    for (int i = 0; i < WORDS; i++)
        out[i] = (uint16_t)((i * 9973 + 13) % 65536);
}

static void there_and_back(void)
{
    enum { ALL = 65536 };
    static uint16_t words[ALL], again[ALL];
    static float values[ALL];

    for (int i = 0; i < ALL; i++)
        words[i] = (uint16_t)i;
    pyr_pixels_from_samples(values, words, 16, ALL);
    pyr_pixels_to_samples(again, values, 16, ALL);
    CHECK(memcmp(words, again, sizeof words) == 0);
    CHECK_CLOSE(values[ALL - 1], 65535.0 / 65536, 0);
}

/* The bytes of an array's file in a zip without compression: from NumPy's magic on. */
static const char *npy(const char *bytes, size_t n, int which)
{
    for (size_t i = 0; i + 6 <= n; i++)
        if (memcmp(bytes + i, "\x93NUMPY", 6) == 0 && which-- == 0)
            return bytes + i;
    return NULL;
}

static void npz_as_numpy_writes_it(void)
{
    enum { HEADER = 128 };
    const size_t size[] = {HEADER + 2 * WORDS, HEADER + 8 * N};
    const int32_t labels[N] = {2, 0, 1};
    uint16_t words[WORDS];
    pyr_npz npz;
    char *ours = NULL, *theirs = NULL;
    size_t n, m;

    golden_words(words);
    CHECK_OK(pyr_npz_open(&npz, below("ours.npz"), N, ROWS, COLS, 1, 16));
    CHECK_OK(pyr_npz_add(&npz, words, 1));
    CHECK_OK(pyr_npz_add(&npz, words + ROWS * COLS, N - 1));
    CHECK_OK(pyr_npz_close(&npz, labels));
    CHECK_OK(pyr_file_read(&ours, &n, below("ours.npz"), 1 << 20));
    CHECK_OK(pyr_file_read(&theirs, &m, GOLDEN "words.npz", 1 << 20));
    for (int i = 0; i < 2 && ours && theirs; i++) {
        const char *a = npy(ours, n, i), *b = npy(theirs, m, i);

        CHECK(a && b && memcmp(a, b, size[i]) == 0);
    }
    pyr_free(ours);
    pyr_free(theirs);
}

static void sets_of_files(void)
{
    uint16_t words[WORDS];
    pyr_image_set set, folder;
    pyr_image image = {0};

    golden_words(words);
    CHECK_OK(pyr_image_set_read(&set, GOLDEN "words.npz", 0, 0));
    CHECK(set.n == N && set.h == ROWS && set.w == COLS && set.c == 1 && set.words);
    CHECK(set.words && memcmp(set.words, words, sizeof words) == 0);
    CHECK(set.pixels[1] == (words[1] + 128) / 257);

    CHECK_OK(pyr_image_read(&image, GOLDEN "words.png"));
    CHECK(image.bits == 16 && memcmp(image.at, words, 2 * ROWS * COLS) == 0);
    pyr_image_free(&image);

    /* the same images as PNGs have the same hash, with one of 8 bits among them they are brought to 16 */
    folder_of("pngs");
    for (int i = 0; i < N; i++) {
        char name[32];

        snprintf(name, sizeof name, "pngs/%d.png", i);
        image = (pyr_image){words + i * ROWS * COLS, ROWS, COLS, 1, 16, false};
        CHECK_OK(pyr_png_write(below(name), &image, NULL, 0));
    }
    CHECK_OK(pyr_image_set_read(&folder, below("pngs"), 0, 0));
    CHECK(folder.hash == set.hash);
    pyr_image_set_free(&folder);
    CHECK_OK(pyr_image_new(&image, ROWS, COLS, 1, 8, "0.png"));
    for (int i = 0; i < ROWS * COLS; i++)
        ((uint8_t *)image.at)[i] = (uint8_t)(i * 7);
    CHECK_OK(pyr_png_write(below("pngs/0.png"), &image, NULL, 0));
    pyr_image_free(&image);
    CHECK_OK(pyr_image_set_read(&folder, below("pngs"), 0, 0));
    CHECK(folder.words && folder.words[3] == 257 * 21 && folder.words[ROWS * COLS] == words[ROWS * COLS]);
    pyr_image_set_free(&folder);
    pyr_image_set_free(&set);
}

/* ---- metrics ------------------------------------------------------------------------------------- */

enum { SIDE = 16, SET = 40, PIXELS = SET * SIDE * SIDE };

/* Noise around a grey value, of less than a step of 8 bits. */
static void faint(uint16_t *words, uint8_t *bytes, int base, int amplitude)
{
    for (int i = 0; i < PIXELS; i++) {
        pyr_rng4 r = pyr_philox(1, (uint32_t)i, 0, 0, PYR_RNG_METRIC);

        words[i] = (uint16_t)(base + amplitude * ((int)(r.v[0] % 41) - 20));
        bytes[i] = (uint8_t)((words[i] + 128) / 257);
    }
}

static void what_8_bits_do_not_show(void)
{
    static uint16_t once[PIXELS], twice[PIXELS], shifted[PIXELS];
    static uint8_t bytes[3][PIXELS];
    pyr_pixels_set a = {SET, SIDE, SIDE, 1, bytes[0], once}, b = {SET, SIDE, SIDE, 1, bytes[1], twice},
                   c = {SET, SIDE, SIDE, 1, bytes[2], shifted}, a8 = a;
    double value, swd[PYR_SWD_LEVELS];
    int levels;
    pyr_pool *pool = NULL;

    a8.words = NULL;
    faint(once, bytes[0], 128 * 257, 2);
    faint(twice, bytes[1], 128 * 257, 4);
    faint(shifted, bytes[2], 128 * 257 + 20, 2);
    /* twice the deviation is four times the power at every frequency */
    CHECK_OK(pyr_spectrum_distance(&value, &a, &b));
    CHECK_CLOSE(value, log10(4), 1e-4);
    CHECK_OK(pyr_spectrum_distance(&value, &a8, &b)); /* one grey value, all of them */
    CHECK_CLOSE(value, 0, 0);
    CHECK_OK(pyr_colour_drift(&value, &a, &c));
    CHECK_CLOSE(value, 20.0 / 32768, 1e-12);
    CHECK_OK(pyr_colour_drift(&value, &a8, &c));
    CHECK_CLOSE(value, 0, 0);
    /* each set's deviation is brought to 1, so that twice is the same; at 8 bits there is nothing at all */
    CHECK_OK(pyr_pool_new(&pool, 1, NULL));
    CHECK_OK(pyr_sliced_wasserstein(swd, &levels, &a, &b, 1, pool));
    CHECK_CLOSE(swd[0], 0, 0.1);
    for (int i = 0; i < PIXELS; i++)
        twice[i] = (uint16_t)(128 * 257 + 4 * (i % SIDE));
    CHECK_OK(pyr_sliced_wasserstein(swd, &levels, &a, &b, 1, pool));
    CHECK(swd[0] > 10);
    CHECK_OK(pyr_sliced_wasserstein(swd, &levels, &a8, &b, 1, pool));
    CHECK_CLOSE(swd[0], 0, 0);
    pyr_pool_free(pool);
}

/* ---- a run --------------------------------------------------------------------------------------- */

/* Soft blobs whose values need 16 bits. */
static void write_words(void)
{
    for (int n = 0; n < IMAGES; n++) {
        char name[64];
        pyr_image image;

        folder_of("data16");
        snprintf(name, sizeof name, "data16/%03d.png", n);
        CHECK_OK(pyr_image_new(&image, H, W, 1, 16, name));
        for (int i = 0; i < H * W; i++) {
            double x = i % W - n % 5, y = i / W - n % 7;

            ((uint16_t *)image.at)[i] = (uint16_t)(9000 + 50000 * exp(-(x * x + y * y) / 9) + 11 * (n % 13));
        }
        CHECK_OK(pyr_png_write(below(name), &image, NULL, 0));
        pyr_image_free(&image);
    }
}

typedef struct rig {
    pyr_kernels *k;
    pyr_settings *settings;
    pyr_config config;
    pyr_model *m;
} rig;

static bool rig_new(rig *r, const char *data, const char *filter, int levels)
{
    char value[200];
    const char *run = below(filter);

    *r = (rig){0};
    CHECK_OK(pyr_kernels_open(&r->k, "cpu", 1));
    CHECK_OK(pyr_settings_new(&r->settings, pyr_all_sections));
    snprintf(value, sizeof value, "\"%s\"", below(data));
    CHECK_OK(pyr_settings_set(r->settings, "data.path", value, "test"));
    snprintf(value, sizeof value, "%d", levels);
    CHECK_OK(pyr_settings_set(r->settings, "pyramid.levels", value, "test"));
    snprintf(value, sizeof value, "\"%s\"", filter);
    CHECK_OK(pyr_settings_set(r->settings, "pyramid.filter", value, "test"));
    CHECK_OK(pyr_settings_set(r->settings, "train.duration", "160", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "train.snapshot", "-1", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.network.block_out_channels", "[8]", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.network.norm_num_groups", "4", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.batch", "16", "test"));
    CHECK_OK(pyr_settings_set(r->settings, "level.sampler.steps", "3", "test"));
    CHECK_OK(pyr_train(&(pyr_train_job){.k = r->k, .run = run, .settings = r->settings, .level = -1}));
    CHECK_OK(pyr_config_get(&r->config, r->settings));
    CHECK_OK(pyr_model_open(&r->m, r->k, run, &r->config));
    return r->m != NULL;
}

static void rig_free(rig *r)
{
    pyr_model_free(r->m);
    pyr_settings_free(r->settings);
    pyr_kernels_free(r->k);
}

/* Known pixels come out bit for bit; the others are drawn. */
static void known_pixels(const rig *r)
{
    enum { SIZE = H * W };
    static const uint64_t seeds[2] = {3, 8};
    float image[SIZE], got[2 * SIZE];
    uint16_t words[SIZE], out[2 * SIZE];
    uint8_t mask[SIZE];
    pyr_known *known = NULL;
    pyr_model_draw draw = {.n = 2, .seeds = seeds, .label = -1};
    int wrong = 0, anew = 0;

    for (int i = 0; i < SIZE; i++) {
        words[i] = (uint16_t)(i * 1361 + 7);
        mask[i] = i / W >= 3 && i % W >= 1 && i % W <= 3;
    }
    pyr_pixels_from_words(image, words, SIZE);
    CHECK_OK(pyr_known_new(&known, r->m, image, mask, 2));
    draw.image[0] = got;
    draw.hooks = pyr_known_hooks(known);
    CHECK_OK(pyr_model_sample(r->m, &draw));
    pyr_pixels_to_words(out, got, 2 * SIZE);
    for (int i = 0; i < 2 * SIZE; i++)
        if (mask[i % SIZE])
            anew += out[i] != words[i % SIZE];
        else
            wrong += out[i] != words[i % SIZE];
    CHECK(wrong == 0 && anew > SIZE / 4);
    pyr_known_free(known);
}

/* What is drawn from the model for judging is what a PNG of it holds. */
static void judged(const rig *r)
{
    enum { SIZE = H * W };
    static const uint64_t seeds[2] = {0, 1};
    float image[2 * SIZE];
    uint16_t words[2 * SIZE];
    pyr_image_set set;
    pyr_model_draw draw = {.n = 2, .seeds = seeds, .label = -1};
    pyr_set_draw job = {.k = r->k,
                        .name = "run",
                        .model = r->m,
                        .config = &r->config,
                        .seeds = seeds,
                        .n = 2,
                        .of_class = ""};
    int low = 0;

    draw.image[0] = image;
    CHECK_OK(pyr_model_sample(r->m, &draw));
    pyr_pixels_to_words(words, image, 2 * SIZE);
    CHECK_OK(pyr_image_set_draw(&set, &job));
    CHECK(set.words && memcmp(set.words, words, sizeof words) == 0);
    for (int i = 0; i < 2 * SIZE; i++)
        low += words[i] % 257 != 0;
    CHECK(low > SIZE); /* no image of 8 bits */
    pyr_image_set_free(&set);
}

static void a_run_of_16_bits(void)
{
    static const struct {
        const char *filter;
        int levels;
    } kinds[] = {{"box", 2}, {"haar", 2}, {"burt-adelson", 2}};

    write_words();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        rig r;

        if (rig_new(&r, "data16", kinds[i].filter, kinds[i].levels)) {
            CHECK(r.m->bits == 16);
            known_pixels(&r);
            judged(&r);
        }
        rig_free(&r);
    }
}

/* 8 bits are what a level without a word on it has. */
static void a_run_of_8_bits(void)
{
    pyr_safetensors *file = NULL;
    rig r;

    write_images();
    if (rig_new(&r, "data", "ideal", 1))
        CHECK(r.m->bits == 8);
    CHECK_OK(pyr_safetensors_open(&file, below("ideal/level-0/unet/diffusion_pytorch_model.safetensors")));
    CHECK(file && !pyr_safetensors_metadata(file, "pyrdiff_bits"));
    pyr_safetensors_free(file);
    CHECK_OK(pyr_safetensors_open(&file, below("box/level-0/unet/diffusion_pytorch_model.safetensors")));
    if (file)
        CHECK_STRING(pyr_safetensors_metadata(file, "pyrdiff_bits"), "16");
    pyr_safetensors_free(file);
    rig_free(&r);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("depth"))
        return 1;
    RUN(there_and_back);
    RUN(npz_as_numpy_writes_it);
    RUN(sets_of_files);
    RUN(what_8_bits_do_not_show);
    RUN(a_run_of_16_bits);
    RUN(a_run_of_8_bits);
    remove_all(temp);
    return CHECK_DONE();
}
