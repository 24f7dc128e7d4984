/* test_library.c - the library as other programs see it: include/pyrdiff.h and the shared object, nothing else. */
#include "include/pyrdiff.h"
#include "tests/check.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* A call that succeeds, or the sentence. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        int ok_status = (call);                                                                              \
        if (ok_status != PYRDIFF_OK)                                                                         \
            CHECK_REPORT("%s: %d, %s", #call, ok_status, pyrdiff_error());                                   \
    } while (0)

/* One that fails with this code and a sentence that holds this text. */
#define FAILS(call, code, text)                                                                              \
    do {                                                                                                     \
        int fails_status = (call);                                                                           \
        if (fails_status != (code) || !strstr(pyrdiff_error(), text))                                        \
            CHECK_REPORT("%s: %d, \"%s\", should be %d with \"%s\"", #call, fails_status, pyrdiff_error(),   \
                         (int)(code), text);                                                                 \
    } while (0)

static char folder[256];

/* Of the test's folder; the same memory at every fourth call. */
static const char *in_folder(const char *name)
{
    static _Thread_local char path[4][400];
    static _Thread_local int next;

    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* ---- images and runs ------------------------------------------------------------------------------- */

enum { IMAGES = 48, H = 8, W = 6, SIZE = H * W };

/* Bright rectangles; RGB when c is 3. */
static void make_images(unsigned char *pixels, int c)
{
    for (int i = 0; i < IMAGES; i++)
        for (int at = 0; at < SIZE; at++)
            for (int j = 0; j < c; j++) {
                int y = at / W, x = at % W,
                    inside = y >= i % 3 && y < 3 + i % 5 && x >= i % 2 && x < 3 + i % 3;

                pixels[(i * SIZE + at) * c + j] =
                    (unsigned char)(inside ? 160 + 20 * j + i % 16 : 30 + (7 * at) % 40);
            }
}

static pyrdiff_settings *tiny_settings(const char *levels, const char *seed)
{
    static const char *const set[][2] = {{"train.duration", "960"},
                                         {"train.checkpoint", "320"},
                                         {"train.snapshot", "-1"},
                                         {"level.batch", "16"},
                                         {"level.warmup", "5"},
                                         {"level.network.block_out_channels", "8"},
                                         {"level.network.norm_num_groups", "4"},
                                         {"level.network.layers_per_block", "1"},
                                         {"level.sampler.kind", "heun"},
                                         {"level.sampler.steps", "4"}};
    pyrdiff_settings *s = NULL;

    OK(pyrdiff_settings_open(&s, ""));
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        OK(pyrdiff_settings_set(s, set[i][0], set[i][1], NULL));
    OK(pyrdiff_settings_set(s, "pyramid.levels", levels, NULL));
    OK(pyrdiff_settings_set(s, "train.seed", seed, NULL));
    return s;
}

static pyrdiff_data *tiny_data(pyrdiff_settings *s, int c)
{
    static _Thread_local unsigned char pixels[IMAGES * SIZE * 3];
    pyrdiff_images images = {.data = pixels, .type = PYRDIFF_U8, .n = IMAGES, .h = H, .w = W, .c = c};
    pyrdiff_data *data = NULL;

    make_images(pixels, c);
    OK(pyrdiff_data_new(&data, s, &images, NULL));
    return data;
}

static const char *const one_thread[] = {"backend", "cpu", "precision", "f32", "threads", "1", NULL};
static const char *const two_threads[] = {"backend", "cpu", "precision", "f32", "threads", "2", NULL};

static int train_on(const char *const *machine, const char *run, const char *levels, const char *seed, int c,
                    pyrdiff_callback callback, void *ctx)
{
    pyrdiff_settings *s = tiny_settings(levels, seed);
    pyrdiff_data *data = tiny_data(s, c);
    int status = pyrdiff_train(run, s, data, machine, callback, ctx);

    pyrdiff_data_free(data);
    pyrdiff_settings_free(s);
    return status;
}

static int train(const char *run, const char *levels, const char *seed, int c, pyrdiff_callback callback,
                 void *ctx)
{
    return train_on(one_thread, run, levels, seed, c, callback, ctx);
}

/* A hash of all weights of a run. */
static uint64_t hash_of(const char *run)
{
    pyrdiff_model_facts f = {.size = sizeof f};
    pyrdiff_model *m = NULL;

    OK(pyrdiff_model_open(&m, run, NULL, one_thread, NULL, NULL));
    if (m)
        OK(pyrdiff_model_facts_of(m, -1, &f));
    pyrdiff_model_free(m);
    return f.hash;
}

/* The run that several cases draw from: two levels, grey; and one of colours. */
static const char *shared_run(int c)
{
    static bool made[4];
    const char *run = in_folder(c == 1 ? "grey" : "colour");

    if (!made[c])
        OK(train(run, "2", "3", c, NULL, NULL));
    made[c] = true;
    return run;
}

static pyrdiff_model *shared_model(int c, const char *sampler)
{
    pyrdiff_settings *s = NULL;
    pyrdiff_model *m = NULL;

    OK(pyrdiff_settings_open(&s, shared_run(c)));
    OK(pyrdiff_settings_set(s, "levels[*].sampler.kind", sampler, NULL));
    OK(pyrdiff_model_open(&m, shared_run(c), s, one_thread, NULL, NULL));
    pyrdiff_settings_free(s);
    return m;
}

static pyrdiff_images floats(void *at, int64_t n, int h, int w, int c)
{
    return (pyrdiff_images){.data = at, .type = PYRDIFF_F32, .n = n, .h = h, .w = w, .c = c};
}

/* ---- cases ----------------------------------------------------------------------------------------- */

static void versions(void)
{
    char text[64];

    CHECK(pyrdiff_version() == PYRDIFF_VERSION_NUMBER);
    snprintf(text, sizeof text, "%d.%d.%d", PYRDIFF_VERSION_NUMBER / 10000,
             PYRDIFF_VERSION_NUMBER / 100 % 100, PYRDIFF_VERSION_NUMBER % 100);
    CHECK(strcmp(text, PYRDIFF_VERSION) == 0);
    CHECK(strstr(pyrdiff_build(), PYRDIFF_VERSION) == pyrdiff_build());
}

static void null_is_freed(void)
{
    pyrdiff_settings_free(NULL);
    pyrdiff_data_free(NULL);
    pyrdiff_model_free(NULL);
    pyrdiff_result_free(NULL);
    pyrdiff_codes_free(NULL);
    CHECK(pyrdiff_npz_close(NULL, NULL, 0) == PYRDIFF_OK);
}

static void settings_are_texts(void)
{
    pyrdiff_settings *s = NULL;
    char value[64], few[4];

    OK(pyrdiff_settings_open(&s, ""));
    OK(pyrdiff_settings_set(s, "level.batch", "32", NULL));
    OK(pyrdiff_settings_set(s, "levels[1].batch", "8", NULL));
    OK(pyrdiff_settings_get(s, "levels[0].batch", value, sizeof value));
    CHECK(strcmp(value, "32") == 0);
    OK(pyrdiff_settings_get(s, "levels[1].batch", value, sizeof value));
    CHECK(strcmp(value, "8") == 0);
    OK(pyrdiff_settings_set(s, "levels[*].batch", "64", NULL));
    OK(pyrdiff_settings_get(s, "levels[1].batch", value, sizeof value));
    CHECK(strcmp(value, "64") == 0);
    OK(pyrdiff_settings_set(s, "data.path", "some/where", NULL));
    OK(pyrdiff_settings_get(s, "data.path", few, sizeof few));
    CHECK(strcmp(few, "som") == 0);
    OK(pyrdiff_settings_get(s, "pyramid.filter", value, sizeof value));
    CHECK(strcmp(value, "box") == 0);
    FAILS(pyrdiff_settings_set(s, "level.btach", "3", NULL), PYRDIFF_E_CONFIG, "did you mean level.batch?");
    FAILS(pyrdiff_settings_set(s, "level.batch", "many", "--batch"), PYRDIFF_E_CONFIG, "(--batch)");
    FAILS(pyrdiff_settings_get(s, "nothing", value, sizeof value), PYRDIFF_E_CONFIG,
          "unknown setting nothing");
    pyrdiff_settings_free(s);
    FAILS(pyrdiff_settings_open(&s, in_folder("absent.cfg")), PYRDIFF_E_IO, "absent.cfg");
    CHECK(!s);
}

/* The configuration that is built in has as many levels as the images ask for. */
static void the_default_fits_the_images(void)
{
    pyrdiff_settings *s = NULL;
    pyrdiff_data *data;
    char value[16];

    OK(pyrdiff_settings_open(&s, NULL));
    OK(pyrdiff_settings_set(s, "level.batch", "4", NULL));
    data = tiny_data(s, 1);
    OK(pyrdiff_settings_get(s, "pyramid.levels", value, sizeof value));
    CHECK(strcmp(value, "1") == 0); /* 8x6 */
    OK(pyrdiff_settings_get(s, "level.batch", value, sizeof value));
    CHECK(strcmp(value, "4") == 0);
    pyrdiff_data_free(data);
    pyrdiff_settings_free(s);
}

/* ---- buffers */

/* Any strides, bytes and the same numbers as floats: the same data set. */
static void buffers_have_strides(void)
{
    enum { C = 3, PAD = 5 };
    static unsigned char dense[IMAGES * SIZE * C], planes[IMAGES * SIZE * C], wide[IMAGES * (SIZE * 4 + PAD)];
    static float numbers[IMAGES * SIZE * C];
    pyrdiff_settings *s = tiny_settings("2", "1");
    pyrdiff_images images[4] = {{dense, PYRDIFF_U8, IMAGES, H, W, C, 0, 0, 0, 0},
                                {planes, PYRDIFF_U8, IMAGES, H, W, C, SIZE * C, W, 1, SIZE},
                                {wide, PYRDIFF_U8, IMAGES, H, W, C, SIZE * 4 + PAD, 0, 4, 0},
                                {numbers, PYRDIFF_F32, IMAGES, H, W, C, 0, 0, 0, 0}};
    uint64_t fingerprint = 0;

    make_images(dense, C);
    for (int i = 0; i < IMAGES; i++)
        for (int at = 0; at < SIZE; at++)
            for (int j = 0; j < C; j++) {
                unsigned char p = dense[(i * SIZE + at) * C + j];

                planes[i * SIZE * C + j * SIZE + at] = p;
                wide[i * (SIZE * 4 + PAD) + at * 4 + j] = p;
                numbers[(i * SIZE + at) * C + j] = (2.0f * p - 255) / 256;
            }
    for (int i = 0; i < 4; i++) {
        pyrdiff_data_facts f = {.size = sizeof f};
        pyrdiff_data *data = NULL;
        unsigned char back[SIZE * C];
        pyrdiff_images upside = {back + SIZE * C - W * C, PYRDIFF_U8, 1, H, W, C, 0, -W * C, 0, 0};

        OK(pyrdiff_data_new(&data, s, &images[i], NULL));
        OK(pyrdiff_data_facts_of(data, -1, &f));
        CHECK(f.images == IMAGES - IMAGES / 10 && f.held_out == IMAGES / 10 && f.bits == 8 && f.c == C);
        CHECK(i == 0 || f.fingerprint == fingerprint);
        fingerprint = f.fingerprint;
        OK(pyrdiff_data_read(data, 7, &upside));
        for (int y = 0; y < H; y++)
            CHECK(memcmp(back + y * W * C, dense + 7 * SIZE * C + (H - 1 - y) * W * C, (size_t)W * C) == 0);
        pyrdiff_data_free(data);
    }
    pyrdiff_settings_free(s);
}

static void buffers_are_checked(void)
{
    unsigned char pixels[SIZE] = {0};
    float odd = 0.3f;
    int32_t labels[1] = {-1};
    pyrdiff_settings *s = tiny_settings("1", "1");
    pyrdiff_images images = {.type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 1};
    pyrdiff_codes *codes = NULL;
    pyrdiff_data *data = NULL;

    FAILS(pyrdiff_data_new(&data, s, &images, NULL), PYRDIFF_E_ARG, "data is NULL");
    images.data = pixels;
    images.c = 2;
    FAILS(pyrdiff_data_new(&data, s, &images, NULL), PYRDIFF_E_SHAPE, "c is 2");
    images.c = 1;
    images.h = 0;
    FAILS(pyrdiff_data_new(&data, s, &images, NULL), PYRDIFF_E_ARG, "each should be 1 or more");
    images.h = H;
    FAILS(pyrdiff_data_new(&data, s, &images, labels), PYRDIFF_E_ARG, "label of image 0 is -1");
    CHECK(!data);
    FAILS(pyrdiff_decompose(
              &codes, &(pyrdiff_images){.data = &odd, .type = PYRDIFF_F32, .n = 1, .h = 1, .w = 1, .c = 1},
              NULL),
          PYRDIFF_E_FORMAT, "");
    FAILS(pyrdiff_decompose(&codes, &images, (const char *const[]){"fliter", "box", NULL}), PYRDIFF_E_ARG,
          "did you mean filter?");
    CHECK(!codes);
    pyrdiff_settings_free(s);
}

/* ---- training */

typedef struct training {
    const char *run, *levels, *seed;
    int status;
} training;

static void *train_in_thread(void *at)
{
    training *t = at;

    t->status = train_on(two_threads, t->run, t->levels, t->seed, 1, NULL, NULL);
    return NULL;
}

/* Two runs of other settings at the same time in one process, on two lanes each: the bits that each has when it
 * is trained alone, on one. */
static void two_threads_train(void)
{
    char run[4][300];
    training t[2] = {{run[0], "2", "11", 1}, {run[1], "1", "12", 1}};
    pthread_t thread[2];

    for (int i = 0; i < 4; i++)
        snprintf(run[i], sizeof run[i], "%s/both-%d", folder, i);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread[i], NULL, train_in_thread, &t[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    CHECK(t[0].status == PYRDIFF_OK && t[1].status == PYRDIFF_OK);
    OK(train(run[2], "2", "11", 1, NULL, NULL));
    OK(train(run[3], "1", "12", 1, NULL, NULL));
    CHECK(hash_of(run[0]) == hash_of(run[2]));
    CHECK(hash_of(run[1]) == hash_of(run[3]));
    CHECK(hash_of(run[0]) != hash_of(run[1]));
}

/* What a callback has seen, and when it asks for the end. */
typedef struct seen {
    pthread_t thread;
    int polls, levels, steps, notes, data, images, stop_at;
    int64_t last;
    bool elsewhere, odd;
} seen;

static int look(void *ctx, const pyrdiff_event *e)
{
    seen *s = ctx;

    s->elsewhere = s->elsewhere || !pthread_equal(s->thread, pthread_self());
    s->odd = s->odd || e->size != sizeof *e;
    s->polls += e->kind == PYRDIFF_EVENT_POLL;
    s->notes += e->kind == PYRDIFF_EVENT_NOTE;
    s->data += e->kind == PYRDIFF_EVENT_DATA;
    s->images += e->kind == PYRDIFF_EVENT_IMAGES;
    if (e->kind == PYRDIFF_EVENT_LEVEL) {
        s->levels++;
        s->odd = s->odd || !e->plan || e->plan->level != e->level || e->plan->parameters < 1;
    }
    if (e->kind == PYRDIFF_EVENT_STEP) {
        s->steps++;
        s->last = e->done;
    }
    return s->stop_at >= 0 && s->polls >= s->stop_at;
}

/* Stopped and taken up again: the bits of a training that was not. */
static void a_callback_stops_and_it_resumes(void)
{
    seen s = {.thread = pthread_self(), .stop_at = 12};
    int stops = 0, status;

    while ((status = train(in_folder("stopped"), "2", "21", 1, look, &s)) == PYRDIFF_E_STOPPED &&
           stops < 100) {
        CHECK(strstr(pyrdiff_error(), "stopped"));
        s.polls = 0;
        stops++;
    }
    CHECK(status == PYRDIFF_OK);
    CHECK(stops >= 5 && s.levels > 2 && s.steps > 0 && s.data == stops + 1);
    CHECK(!s.elsewhere && !s.odd);
    OK(train(in_folder("whole"), "2", "21", 1, NULL, NULL));
    CHECK(hash_of(in_folder("stopped")) == hash_of(in_folder("whole")));
    s = (seen){.thread = pthread_self(), .stop_at = -1};
    OK(train(in_folder("whole"), "2", "21", 1, look, &s));
    CHECK(s.notes >= 2 && s.levels == 0); /* both levels are finished */
    FAILS(train(in_folder("whole"), "2", "22", 1, NULL, NULL), PYRDIFF_E_CONFIG, "train.seed");
}

static void training_is_checked(void)
{
    pyrdiff_settings *s = tiny_settings("2", "1");
    pyrdiff_data *data = tiny_data(s, 1);
    seen dry = {.thread = pthread_self(), .stop_at = -1};

    FAILS(pyrdiff_train(in_folder("x"), s, data, (const char *const[]){"levle", "1", NULL}, NULL, NULL),
          PYRDIFF_E_ARG, "did you mean level?");
    FAILS(pyrdiff_train(in_folder("x"), s, data, (const char *const[]){"level", NULL}, NULL, NULL),
          PYRDIFF_E_ARG, "level has no value");
    FAILS(pyrdiff_train(in_folder("x"), s, data, (const char *const[]){"duration", "1ki", NULL}, NULL, NULL),
          PYRDIFF_E_ARG, "--level");
    FAILS(
        pyrdiff_train(in_folder("x"), s, data, (const char *const[]){"backend", "abacus", NULL}, NULL, NULL),
        PYRDIFF_E_ARG, "abacus");
    FAILS(pyrdiff_train(in_folder("x"), s, NULL, one_thread, NULL, NULL), PYRDIFF_E_CONFIG,
          "no data are given");
    OK(pyrdiff_train(NULL, s, data, (const char *const[]){"dry-run", "true", "threads", "1", NULL}, look,
                     &dry));
    CHECK(dry.levels == 2 && dry.steps == 0 && access(in_folder("x"), F_OK) != 0);
    pyrdiff_data_free(data);
    pyrdiff_settings_free(s);
}

/* ---- sampling */

/* An image is that of its seed, in floats, bytes and doubles, with strides, in any company. */
static void seeds_draw_the_same(void)
{
    enum { N = 5 };
    static const uint64_t seeds[N] = {4, 9, 0, 123456789012345, 7}, one = 9;
    float all[N * SIZE], coarse[N * 12], alone[SIZE];
    double doubles[SIZE];
    unsigned char bytes[N * SIZE * 2] = {0};
    pyrdiff_model *m = shared_model(1, "heun");
    seen s = {.thread = pthread_self(), .stop_at = -1};
    pyrdiff_output many[] = {{PYRDIFF_IMAGE, 0, floats(all, N, H, W, 1)},
                             {PYRDIFF_IMAGE, 0, {bytes, PYRDIFF_U8, N, H, W, 1, SIZE * 2, W * 2, 2, 0}},
                             {PYRDIFF_IMAGE, 1, floats(coarse, N, H / 2, W / 2, 1)}};
    pyrdiff_output few[] = {
        {PYRDIFF_IMAGE, 0, floats(alone, 1, H, W, 1)},
        {PYRDIFF_IMAGE, 0, {.data = doubles, .type = PYRDIFF_F64, .n = 1, .h = H, .w = W, .c = 1}}};
    pyrdiff_draw draw = {.size = sizeof draw, .n = N, .seeds = seeds, .outputs = many, .n_outputs = 3};

    OK(pyrdiff_sample(m, &draw, look, &s));
    CHECK(s.images >= 1 && s.polls >= 2 && !s.elsewhere);
    draw = (pyrdiff_draw){.size = sizeof draw, .n = 1, .seeds = &one, .outputs = few, .n_outputs = 2};
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    CHECK(memcmp(alone, all + SIZE, sizeof alone) == 0);
    for (int i = 0; i < SIZE; i++) {
        CHECK(doubles[i] == (double)alone[i] && alone[i] >= -1 && alone[i] <= 1);
        CHECK(bytes[2 * (SIZE + i)] ==
              (unsigned char)fmin(255, fmax(0, floor(128.0 * (double)alone[i] + 128))));
        CHECK(bytes[2 * (SIZE + i) + 1] == 0);
    }
    s = (seen){.thread = pthread_self(), .stop_at = 0};
    FAILS(pyrdiff_sample(m, &draw, look, &s), PYRDIFF_E_STOPPED, "stopped");
    many[0].level = 2;
    FAILS(pyrdiff_sample(m, &(pyrdiff_draw){.size = sizeof draw, .n = N, .outputs = many, .n_outputs = 1},
                         NULL, NULL),
          PYRDIFF_E_ARG, "level is 2, should be 0..1");
    many[0].level = 1;
    FAILS(pyrdiff_sample(m, &(pyrdiff_draw){.size = sizeof draw, .n = N, .outputs = many, .n_outputs = 1},
                         NULL, NULL),
          PYRDIFF_E_SHAPE, "the image of level 1: is 8x6x1, should be 4x3x1");
    pyrdiff_model_free(m);
}

/* What is drawn adds up: enlarged + residual = image where nothing was clamped, the view is grey + gain *
 * residual, the trajectory ends at the image, the coarser image is what the mismatch is to. */
static void parts_of_a_drawing(void)
{
    enum { N = 2, C = 12 };
    float image[N * SIZE], residual[N * SIZE], enlarged[N * SIZE], view[N * SIZE * 3], coarse[N * C];
    static float frames[N * PYRDIFF_FRAMES * C];
    double mismatch[N];
    pyrdiff_model_facts f = {.size = sizeof f};
    pyrdiff_model *m = shared_model(1, "heun");
    const pyrdiff_output out[] = {
        {PYRDIFF_IMAGE, 0, floats(image, N, H, W, 1)},
        {PYRDIFF_RESIDUAL, 0, floats(residual, N, H, W, 1)},
        {PYRDIFF_ENLARGED, 0, floats(enlarged, N, H, W, 1)},
        {PYRDIFF_VIEW, 0, floats(view, N, H, W, 3)},
        {PYRDIFF_IMAGE, 1, floats(coarse, N, H / 2, W / 2, 1)},
        {PYRDIFF_TRAJECTORY, 1, floats(frames, N * PYRDIFF_FRAMES, H / 2, W / 2, 1)},
        {PYRDIFF_MISMATCH, 0, {.data = mismatch, .type = PYRDIFF_F64, .n = N, .h = 1, .w = 1, .c = 1}}};
    pyrdiff_draw draw = {.size = sizeof draw, .n = N, .outputs = out, .n_outputs = sizeof out / sizeof *out};

    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    OK(pyrdiff_model_facts_of(m, 0, &f));
    CHECK(f.levels == 2 && f.conditioned && f.view_h == H && f.view_w == W && f.residual_c == 1 &&
          f.gain >= 1);
    for (int i = 0; i < N * SIZE; i++) {
        double sum = (double)enlarged[i] + (double)residual[i];

        CHECK(fabs(fmin(1, fmax(-1, sum)) - (double)image[i]) < 1e-5);
        CHECK(fabs(fmin(1, fmax(-1, f.gain * (double)residual[i])) - (double)view[3 * i]) < 1.01 / 128);
    }
    CHECK(mismatch[0] >= 0 && mismatch[0] < 1e-8 && mismatch[1] < 1e-8); /* projected */
    for (int j = 0; j < N; j++)
        for (int i = 0; i < C; i++) {
            double last = (double)frames[(j * PYRDIFF_FRAMES + PYRDIFF_FRAMES - 1) * C + i];

            CHECK(fabs(fmin(1, fmax(-1, last)) - (double)coarse[j * C + i]) <
                  0.01); /* the denoised estimate */
        }
    pyrdiff_model_free(m);
}

static void one_level_alone(void)
{
    float image[SIZE], coarse[12], again[12];
    int64_t chosen = -1;
    pyrdiff_settings *s = tiny_settings("2", "3");
    pyrdiff_data *data = tiny_data(s, 1);
    pyrdiff_model *m = NULL;
    pyrdiff_images given = floats(coarse, 1, H / 2, W / 2, 1);
    pyrdiff_output out[] = {{PYRDIFF_IMAGE, 0, floats(image, 1, H, W, 1)},
                            {PYRDIFF_IMAGE, 1, floats(again, 1, H / 2, W / 2, 1)}};
    pyrdiff_draw draw = {
        .size = sizeof draw, .n = 1, .data = data, .chosen = &chosen, .outputs = out, .n_outputs = 2};

    OK(pyrdiff_model_open(&m, shared_run(1), NULL,
                          (const char *const[]){"level", "0", "threads", "1", "precision", "f32", NULL}, NULL,
                          NULL));
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    CHECK(chosen >= 0 && chosen < IMAGES);
    memcpy(coarse, again, sizeof coarse);
    draw.data = NULL;
    FAILS(pyrdiff_sample(m, &draw, NULL, NULL), PYRDIFF_E_ARG, "is given the coarser image");
    draw.inputs = &given;
    draw.n_inputs = 1;
    memset(again, 0, sizeof again);
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    CHECK(memcmp(again, coarse, sizeof coarse) == 0);
    pyrdiff_model_free(m);
    pyrdiff_data_free(data);
    pyrdiff_settings_free(s);
    FAILS(pyrdiff_model_open(&m, in_folder("nowhere"), NULL, NULL, NULL, NULL), PYRDIFF_E_IO, "nowhere");
    CHECK(!m);
}

/* ---- tasks */

static void inpaint_keeps_the_rest(void)
{
    unsigned char picture[IMAGES * SIZE], mask[SIZE] = {0}, drawn[2 * SIZE];
    pyrdiff_model *m = shared_model(1, "heun");
    pyrdiff_images in[] = {{.data = picture, .type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 1},
                           {.data = mask, .type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 1}};
    pyrdiff_output out = {
        PYRDIFF_IMAGE, 0, {.data = drawn, .type = PYRDIFF_U8, .n = 2, .h = H, .w = W, .c = 1}};
    int others = 0;

    make_images(picture, 1);
    for (int i = 0; i < SIZE; i++)
        mask[i] = i % W > 2 ? 255 : 0;
    OK(pyrdiff_sample(m,
                      &(pyrdiff_draw){.size = sizeof(pyrdiff_draw),
                                      .n = 2,
                                      .task = "inpaint",
                                      .inputs = in,
                                      .n_inputs = 2,
                                      .options = (const char *const[]){"repeats", "2", NULL},
                                      .outputs = &out,
                                      .n_outputs = 1},
                      NULL, NULL));
    for (int i = 0; i < 2 * SIZE; i++) {
        CHECK(mask[i % SIZE] || drawn[i] == picture[i % SIZE]);
        others += drawn[i] != picture[i % SIZE];
    }
    CHECK(others > 0);
    FAILS(pyrdiff_sample(
              m,
              &(pyrdiff_draw){
                  .size = sizeof(pyrdiff_draw), .n = 1, .task = "impaint", .inputs = in, .n_inputs = 2},
              NULL, NULL),
          PYRDIFF_E_ARG, "did you mean inpaint?");
    FAILS(pyrdiff_sample(
              m,
              &(pyrdiff_draw){
                  .size = sizeof(pyrdiff_draw), .n = 1, .task = "inpaint", .inputs = in, .n_inputs = 1},
              NULL, NULL),
          PYRDIFF_E_ARG, "inputs[1] is missing: the mask");
    pyrdiff_model_free(m);
}

static void colorize_keeps_the_grey(void)
{
    unsigned char pictures[IMAGES * SIZE * 3];
    float drawn[SIZE * 3];
    pyrdiff_model *m = shared_model(3, "heun");
    pyrdiff_images in = {.data = pictures, .type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 3};
    pyrdiff_output out = {PYRDIFF_IMAGE, 0, floats(drawn, 1, H, W, 3)};

    make_images(pictures, 3);
    OK(pyrdiff_sample(m,
                      &(pyrdiff_draw){.size = sizeof(pyrdiff_draw),
                                      .n = 1,
                                      .task = "colorize",
                                      .inputs = &in,
                                      .n_inputs = 1,
                                      .outputs = &out,
                                      .n_outputs = 1},
                      NULL, NULL));
    for (int i = 0; i < SIZE; i++) {
        double grey = 0, was = 0;

        for (int j = 0; j < 3; j++) {
            grey += (double)drawn[3 * i + j] / 3;
            was += (2.0 * pictures[3 * i + j] - 255) / 256 / 3;
        }
        CHECK(fabs(grey - was) < 1e-3);
    }
    pyrdiff_model_free(m);
}

static void upscale_and_vary(void)
{
    unsigned char picture[IMAGES * SIZE];
    float fine[3 * SIZE], coarse[12], drawn[3 * 12];
    double mismatch[3];
    pyrdiff_model *m = shared_model(1, "heun");
    pyrdiff_images small = floats(coarse, 1, H / 2, W / 2, 1),
                   image = {.data = picture, .type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 1};
    pyrdiff_output out[] = {
        {PYRDIFF_IMAGE, 0, floats(fine, 3, H, W, 1)},
        {PYRDIFF_IMAGE, 1, floats(drawn, 3, H / 2, W / 2, 1)},
        {PYRDIFF_MISMATCH, 0, {.data = mismatch, .type = PYRDIFF_F64, .n = 3, .h = 1, .w = 1, .c = 1}}};
    pyrdiff_draw draw = {.size = sizeof draw,
                         .n = 3,
                         .task = "upscale",
                         .inputs = &small,
                         .n_inputs = 1,
                         .outputs = out,
                         .n_outputs = 3};

    for (int i = 0; i < 12; i++)
        coarse[i] = (float)(16 * i - 95) / 256;
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    for (int j = 0; j < 3; j++)
        CHECK(memcmp(drawn + 12 * j, coarse, sizeof coarse) == 0 && mismatch[j] < 1e-8);
    CHECK(memcmp(fine, fine + SIZE, SIZE * sizeof *fine) != 0);
    make_images(picture, 1);
    draw.task = "vary";
    draw.inputs = &image;
    draw.options = (const char *const[]){"from", "0,0.5", NULL};
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    CHECK(memcmp(drawn, drawn + 12, 12 * sizeof *drawn) == 0); /* the coarsest level stays */
    CHECK(memcmp(fine, fine + SIZE, SIZE * sizeof *fine) != 0);
    draw.options = NULL;
    FAILS(pyrdiff_sample(m, &draw, NULL, NULL), PYRDIFF_E_ARG, "how much of the picture is to stay?");
    pyrdiff_model_free(m);
}

static void invert_restores(void)
{
    float y[SIZE], drawn[SIZE];
    unsigned char picture[IMAGES * SIZE];
    pyrdiff_model *m = shared_model(1, "ancestral");
    pyrdiff_images in = floats(y, 1, H / 2, W / 2, 1);
    pyrdiff_output out = {PYRDIFF_IMAGE, 0, floats(drawn, 1, H, W, 1)};
    pyrdiff_draw draw = {.size = sizeof draw,
                         .n = 1,
                         .task = "invert",
                         .inputs = &in,
                         .n_inputs = 1,
                         .options =
                             (const char *const[]){"operator", "box", "size", "2", "noise", "0.05", NULL},
                         .outputs = &out,
                         .n_outputs = 1};
    double off = 0;

    make_images(picture, 1);
    for (int i = 0; i < H / 2 * (W / 2); i++) {
        int at = i / (W / 2) * 2 * W + i % (W / 2) * 2;

        y[i] =
            (float)(2 * (picture[at] + picture[at + 1] + picture[at + W] + picture[at + W + 1]) / 4 - 255) /
            256;
    }
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    for (int i = 0; i < H / 2 * (W / 2); i++) {
        int at = i / (W / 2) * 2 * W + i % (W / 2) * 2;
        float mean = (drawn[at] + drawn[at + 1] + drawn[at + W] + drawn[at + W + 1]) / 4;

        off += pow((double)mean - (double)y[i], 2) / (H / 2 * (W / 2));
    }
    CHECK(sqrt(off) < 0.5);
    in.h = H;
    FAILS(pyrdiff_sample(m, &draw, NULL, NULL), PYRDIFF_E_SHAPE, "y: is 8x3x1, should be 4x3x1");
    pyrdiff_model_free(m);
}

/* Images to latents and back; a way from one to the other. */
static void latents_there_and_back(void)
{
    unsigned char pictures[IMAGES * SIZE];
    double latent[2][2 * SIZE];
    float back[2 * SIZE], between[3 * SIZE];
    pyrdiff_model *m = shared_model(1, "rk45");
    pyrdiff_images images = {.data = pictures, .type = PYRDIFF_U8, .n = 2, .h = H, .w = W, .c = 1}, ends[2],
                   latents[2];
    pyrdiff_output out[2], decoded = {PYRDIFF_IMAGE, 0, floats(back, 2, H, W, 1)};
    pyrdiff_draw draw = {.size = sizeof draw,
                         .n = 2,
                         .task = "encode",
                         .inputs = &images,
                         .n_inputs = 1,
                         .outputs = out,
                         .n_outputs = 2};

    make_images(pictures, 1);
    for (int i = 0; i < 2; i++) {
        latents[i] = (pyrdiff_images){
            .data = latent[i], .type = PYRDIFF_F64, .n = 2, .h = H >> i, .w = W >> i, .c = 1};
        out[i] = (pyrdiff_output){PYRDIFF_LATENT, i, latents[i]};
        ends[i] = images;
        ends[i].n = 1;
        ends[i].data = pictures + i * SIZE;
    }
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    draw = (pyrdiff_draw){.size = sizeof draw,
                          .n = 2,
                          .task = "decode",
                          .inputs = latents,
                          .n_inputs = 2,
                          .outputs = &decoded,
                          .n_outputs = 1};
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    for (int i = 0; i < 2 * SIZE; i++)
        CHECK(fabs((double)back[i] - (2.0 * pictures[i] - 255) / 256) < 0.1);
    decoded.to = floats(between, 3, H, W, 1);
    draw = (pyrdiff_draw){.size = sizeof draw,
                          .n = 3,
                          .task = "interpolate",
                          .inputs = ends,
                          .n_inputs = 2,
                          .outputs = &decoded,
                          .n_outputs = 1};
    OK(pyrdiff_sample(m, &draw, NULL, NULL));
    CHECK(memcmp(between, back, SIZE * sizeof *back) == 0);
    CHECK(memcmp(between + 2 * SIZE, back + SIZE, SIZE * sizeof *back) == 0);
    pyrdiff_model_free(m);
    m = shared_model(1, "ancestral");
    FAILS(pyrdiff_sample(m, &draw, NULL, NULL), PYRDIFF_E_ARG, "adds noise of its own");
    pyrdiff_model_free(m);
}

/* ---- figures */

static void likelihood_has_figures(void)
{
    const char *const options[] = {"count", "3", "rtol", "1e-2", "atol", "1e-2", "bound-terms", "3", NULL};
    pyrdiff_settings *s = tiny_settings("2", "3");
    pyrdiff_data *data = tiny_data(s, 1);
    pyrdiff_model *m = shared_model(1, "heun");
    pyrdiff_result *r = NULL;
    pyrdiff_figure f = {.size = sizeof f};
    seen watch = {.thread = pthread_self(), .stop_at = -1};
    double all = NAN, sum = 0;

    OK(pyrdiff_likelihood(&r, m, data, options, look, &watch));
    for (int i = 0; r && pyrdiff_result_figure(r, i, &f) == PYRDIFF_OK; i++)
        if (strcmp(f.metric, "log_p") == 0 && f.level < 0)
            all = f.value;
        else if (strcmp(f.metric, "log_p") == 0)
            sum += f.value;
    CHECK(isfinite(all) && fabs(all - sum) < 1e-6 * fabs(all) + 1e-9);
    CHECK(r && strstr(pyrdiff_result_text(r, "json"), "\"code log-likelihood\"")); /* of box, no likelihood */
    CHECK(watch.images >= 1 && !watch.elsewhere);
    pyrdiff_result_free(r);
    FAILS(pyrdiff_likelihood(&r, m, data, (const char *const[]){"solver", "magic", NULL}, NULL, NULL),
          PYRDIFF_E_ARG, "--solver");
    CHECK(!r);
    pyrdiff_model_free(m);
    pyrdiff_data_free(data);
    pyrdiff_settings_free(s);
}

/* Images of memory, of the run, and the same as files. */
static void evaluation_has_figures(void)
{
    const char *const options[] = {"metrics", "swd,colour", "reference", "train", "count", "16",
                                   "threads", "1",          "precision", "f32",   NULL};
    pyrdiff_settings *s = NULL;
    pyrdiff_data *data;
    pyrdiff_result *r = NULL;
    pyrdiff_figure f = {.size = sizeof f}, g = {.size = sizeof g};
    unsigned char pixels[IMAGES * SIZE];
    pyrdiff_images images = {.data = pixels, .type = PYRDIFF_U8, .n = 16, .h = H, .w = W, .c = 1};
    pyrdiff_npz *npz = NULL;

    OK(pyrdiff_settings_open(&s, shared_run(1)));
    data = tiny_data(s, 1);
    OK(pyrdiff_evaluate(&r, shared_run(1), NULL, s, data, options, NULL, NULL));
    CHECK(r && pyrdiff_result_figure(r, 0, &f) == PYRDIFF_OK && strcmp(f.metric, "swd") == 0 &&
          f.images == 16);
    CHECK(r && strstr(pyrdiff_result_text(r, "set"), "16 images of 8x6x1"));
    CHECK(r && strstr(pyrdiff_result_text(r, "json"), "\"metrics\""));
    CHECK(r && pyrdiff_result_figure(r, 1000, &f) == PYRDIFF_E_ARG);
    pyrdiff_result_free(r);
    make_images(pixels, 1);
    OK(pyrdiff_evaluate(&r, NULL, &images, s, data, options, NULL, NULL));
    CHECK(r && pyrdiff_result_figure(r, 0, &f) == PYRDIFF_OK && isfinite(f.value));
    pyrdiff_result_free(r);
    OK(pyrdiff_npz_open(&npz, in_folder("samples.npz"), 16, H, W, 1, 8));
    OK(pyrdiff_npz_add(npz, &images));
    OK(pyrdiff_npz_close(npz, NULL, 1));
    OK(pyrdiff_evaluate(&r, in_folder("samples.npz"), NULL, s, data, options, NULL, NULL));
    CHECK(r && pyrdiff_result_figure(r, 0, &g) == PYRDIFF_OK && g.value == f.value);
    pyrdiff_result_free(r);
    FAILS(pyrdiff_evaluate(&r, in_folder("none"), NULL, s, data, options, NULL, NULL), PYRDIFF_E_IO,
          "none: no such file");
    FAILS(pyrdiff_evaluate(NULL, shared_run(1), NULL, s, NULL, (const char *const[]){"metrics", "sdw", NULL},
                           NULL, NULL),
          PYRDIFF_E_ARG, "did you mean swd?");
    pyrdiff_data_free(data);
    pyrdiff_settings_free(s);
}

/* ---- pictures and codes */

static void codes_come_back(void)
{
    static const char *const filters[] = {"box", "burt-adelson", "haar", "ideal"};
    uint16_t picture[13 * 7 * 3], back[13 * 7 * 3];
    unsigned char view[26 * 14 * 3];
    pyrdiff_images image = {.data = picture, .type = PYRDIFF_U16, .n = 1, .h = 13, .w = 7, .c = 3},
                   again = image;

    again.data = back;
    for (int i = 0; i < 13 * 7 * 3; i++)
        picture[i] = (uint16_t)(i * 40503);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        pyrdiff_codes_facts f = {.size = sizeof f};
        pyrdiff_codes *codes = NULL, *read = NULL;

        memset(back, 0, sizeof back);
        OK(pyrdiff_decompose(&codes, &image,
                             (const char *const[]){"levels", "3", "filter", filters[i], NULL}));
        OK(pyrdiff_codes_facts_of(codes, 0, &f));
        CHECK(f.levels == 3 && f.bits == 16 && f.h == 13 && strcmp(f.filter, filters[i]) == 0 &&
              f.deviation > 0);
        OK(pyrdiff_codes_view(
            codes, 0, f.gain,
            &(pyrdiff_images){
                .data = view, .type = PYRDIFF_U8, .n = 1, .h = f.view_h, .w = f.view_w, .c = 3}));
        OK(pyrdiff_codes_write(codes, in_folder("codes.safetensors")));
        pyrdiff_codes_free(codes);
        OK(pyrdiff_codes_read(&read, in_folder("codes.safetensors")));
        OK(pyrdiff_reconstruct(read, &again));
        CHECK(memcmp(picture, back, sizeof picture) == 0);
        FAILS(pyrdiff_codes_facts_of(read, 3, &f), PYRDIFF_E_ARG, "level is 3, should be 0..2");
        pyrdiff_codes_free(read);
    }
}

static void pictures_come_back(void)
{
    unsigned char pixels[IMAGES * SIZE * 3], back[SIZE * 3];
    const char *const texts[] = {"Title", "a test", NULL}, *const zoom[] = {"zoom", "3", NULL};
    pyrdiff_images one = {.data = pixels, .type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 3}, many = one;
    pyrdiff_data_facts f = {.size = sizeof f};
    pyrdiff_data *data = NULL;

    make_images(pixels, 3);
    many.n = 4;
    OK(pyrdiff_png_write(in_folder("one.png"), &one, 1, NULL, texts));
    OK(pyrdiff_png_write(in_folder("table.png"), &many, 1, zoom, NULL));
    OK(pyrdiff_data_pictures(&data, in_folder("one.png"), 0, NULL, NULL));
    OK(pyrdiff_data_facts_of(data, 0, &f));
    CHECK(f.h == H && f.w == W && f.c == 3 && f.bits == 8 && strcmp(f.text, in_folder("one.png")) == 0);
    OK(pyrdiff_data_read(
        data, 0, &(pyrdiff_images){.data = back, .type = PYRDIFF_U8, .n = 1, .h = H, .w = W, .c = 3}));
    CHECK(memcmp(back, pixels, sizeof back) == 0);
    FAILS(pyrdiff_data_facts_of(data, 1, &f), PYRDIFF_E_ARG, "there is no image 1: there are 1");
    pyrdiff_data_free(data);
    OK(pyrdiff_data_pictures(&data, in_folder("table.png"), 0, NULL, NULL));
    OK(pyrdiff_data_facts_of(data, 0, &f));
    CHECK(f.w == 2 * 3 * W + 2 && f.h == 2 * 3 * H + 2);
    pyrdiff_data_free(data);
    FAILS(pyrdiff_data_pictures(&data, in_folder("absent"), 0, NULL, NULL), PYRDIFF_E_IO,
          "absent: no such file");
    CHECK(!data);
}

static void paths_are_looked_at(void)
{
    pyrdiff_found f = {.size = sizeof f};

    OK(pyrdiff_look(in_folder("absent"), -1, &f));
    CHECK(f.kind == PYRDIFF_NOTHING);
    OK(pyrdiff_look(folder, -1, &f));
    CHECK(f.kind == PYRDIFF_FOLDER);
    OK(pyrdiff_look(shared_run(1), 1, &f));
    CHECK(f.kind == PYRDIFF_RUN && f.trained && f.classes == 0);
}

/* A program that was built with an older header has smaller structures. */
static void structures_may_grow(void)
{
    struct old {
        size_t size;
        pyrdiff_kind kind;
        int guard;
    } old = {.size = offsetof(struct old, guard), .guard = 77};

    OK(pyrdiff_look(shared_run(1), 0, (pyrdiff_found *)(void *)&old));
    CHECK(old.kind == PYRDIFF_RUN && old.guard == 77);
}

int main(int argc, char **argv)
{
    const char *root = getenv("TMPDIR");
    char remove[400];

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%s/pyrdiff-library-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    setenv("XDG_CACHE_HOME", folder, 1);
    RUN(versions);
    RUN(null_is_freed);
    RUN(settings_are_texts);
    RUN(the_default_fits_the_images);
    RUN(buffers_have_strides);
    RUN(buffers_are_checked);
    RUN(training_is_checked);
    RUN(two_threads_train);
    RUN(a_callback_stops_and_it_resumes);
    RUN(seeds_draw_the_same);
    RUN(parts_of_a_drawing);
    RUN(one_level_alone);
    RUN(inpaint_keeps_the_rest);
    RUN(colorize_keeps_the_grey);
    RUN(upscale_and_vary);
    RUN(invert_restores);
    RUN(latents_there_and_back);
    RUN(likelihood_has_figures);
    RUN(evaluation_has_figures);
    RUN(codes_come_back);
    RUN(pictures_come_back);
    RUN(paths_are_looked_at);
    RUN(structures_may_grow);
    snprintf(remove, sizeof remove, "rm -rf '%s'", folder);
    if (system(remove) != 0)
        printf("%s stays\n", folder);
    return CHECK_DONE();
}
