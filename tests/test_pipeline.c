/* test_pipeline.c - models from elsewhere and for elsewhere. The witness is diffusers 0.31.0: whole
 * samplings of a stored DDPMPipeline (scripts/make-pipeline-golden.py), and what the library made of a
 * small run that was exported (scripts/check-export.py --golden). */
#include "tests/check.h"

#include "base/file.h"
#include "base/mem.h"
#include "cascade/export.h"
#include "cascade/model.h"
#include "diffusers/pipeline.h"
#include "levels/level_file.h"
#include <stdlib.h>

#define PIPELINE "tests/golden/unet2d/pipeline"
#define SAMPLING "tests/golden/pipeline/sampling.safetensors"
#define MORE_FOLDER "tests/golden/sampling"
#define RUN_FOLDER "tests/golden/export/run"
#define ANSWERS "tests/golden/export/level-%d.safetensors"

enum { TIMESTEPS = 40, ASKED = 6, IMAGES = 2 }; /* of the export that the answers are of */

static char temp[64];

/* ---- files of the library ---------------------------------------------------------------------- */

typedef struct images {
    double *at; /* as stored, NCHW */
    int n, c, h, w;
} images;

/* A tensor whose last four dimensions are images; all of them in `n`. */
static images get(const pyr_safetensors *file, const char *name)
{
    const pyr_st_tensor *t = pyr_safetensors_find(file, name);
    images out = {0};

    CHECK(t && t->rank >= 4);
    if (!t || t->rank < 4)
        return out;
    CHECK_OK(pyr_new(&out.at, t->count, sizeof *out.at, name));
    CHECK_OK(pyr_safetensors_read_f64(file, t, out.at, t->count));
    out.c = (int)t->dims[t->rank - 3];
    out.h = (int)t->dims[t->rank - 2];
    out.w = (int)t->dims[t->rank - 1];
    out.n = (int)(t->count / (size_t)(out.c * out.h * out.w));
    return out;
}

/* The NCHW place of number i of an NHWC tensor. */
static size_t place(const images *m, size_t i)
{
    size_t c = (size_t)m->c, pixels = (size_t)m->h * (size_t)m->w, n = i / (c * pixels);

    return (n * c + i % c) * pixels + i / c % pixels;
}

static size_t numbers(const images *m)
{
    return (size_t)m->n * (size_t)(m->c * m->h * m->w);
}

/* Names that a folder has, and its folders, one deep; then itself. */
static void remove_all(const char *path)
{
    pyr_names names;

    if (pyr_is_folder(path) && pyr_folder_names(&names, path) == PYR_OK) {
        for (size_t i = 0; i < names.n; i++) {
            char *inside = pyr_path_join(path, names.at[i]);

            remove_all(inside);
            pyr_free(inside);
        }
        pyr_names_free(&names);
    }
    remove(path);
}

/* ---- a pipeline of the library ----------------------------------------------------------------- */

static pyr_kernels *opened(const char *backend, int lanes)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, backend, lanes));
    return k;
}

/* Sample `path` from stored noise; the images are the caller's. */
static float *sample_noise(pyr_kernels *k, const char *path, int spacing, int label, const images *noise,
                           const pyr_pipeline_sampler *sampler)
{
    pyr_pipeline_files files;
    pyr_pipeline *p = NULL;
    float *from = NULL, *to = NULL;
    uint64_t seeds[8] = {0};

    CHECK_OK(pyr_pipeline_read(&files, path, NULL));
    if (spacing >= 0)
        files.scheduler.ddpm.timestep_spacing = spacing;
    CHECK_OK(pyr_pipeline_open(&p, k, &files, sampler, NULL));
    CHECK_OK(pyr_new(&from, numbers(noise), sizeof *from, "noise"));
    CHECK_OK(pyr_new(&to, numbers(noise), sizeof *to, "images"));
    for (size_t i = 0; i < numbers(noise); i++)
        from[i] = (float)noise->at[place(noise, i)];
    if (p) {
        CHECK(p->image.h == noise->h && p->image.w == noise->w);
        CHECK_OK(pyr_pipeline_sample(
            p,
            &(pyr_pipeline_draw){.n = noise->n, .seeds = seeds, .label = label, .noise = from, .image = to}));
    }
    pyr_free(from);
    pyr_pipeline_free(p);
    pyr_pipeline_files_free(&files);
    return to;
}

static void ddim_of_the_library(void)
{
    static const struct {
        int spacing, steps;
        const char *name;
    } cases[] = {{PYR_LEADING, 10, "leading.10.sample"},
                 {PYR_TRAILING, 7, "trailing.7.sample"},
                 {PYR_LINSPACE, 4, "linspace.4.sample"}};
    /* The first step divides by the root of alpha-bar, so that a rounding of the network's counts about a hundred times;
     * convolutions by Winograd's products round twice as much as plain sums (kernels/simd/winograd_f32.c): 5.7e-5. */
    static const struct {
        const char *name;
        double bound;
    } backends[] = {{"ref", 5e-5}, {"ref-double", 5e-5}, {"cpu", 1e-4}};
    pyr_safetensors *file;
    images noise;

    CHECK_OK(pyr_safetensors_open(&file, SAMPLING));
    noise = get(file, "noise");
    for (size_t b = 0; b < 3; b++) {
        pyr_kernels *k = opened(backends[b].name, 2);

        for (size_t c = 0; c < 3; c++) {
            images theirs = get(file, cases[c].name);
            pyr_pipeline_sampler sampler = {.ddim = true, .steps = cases[c].steps};
            float *ours = sample_noise(k, PIPELINE, cases[c].spacing, -1, &noise, &sampler);

            for (size_t i = 0; i < numbers(&theirs); i++) /* [-1, 1] of bytes is +-255/256 of image values */
                if (!(fabs(ours[i] - theirs.at[place(&theirs, i)] * 255 / 256) <= backends[b].bound))
                    CHECK_REPORT("%s, %s[%zu]: %g, wanted %g", backends[b].name, cases[c].name, i,
                                 (double)ours[i], theirs.at[place(&theirs, i)] * 255 / 256);
            pyr_free(ours);
            pyr_free(theirs.at);
        }
        pyr_kernels_free(k);
    }
    pyr_free(noise.at);
    pyr_safetensors_free(file);
}

/* What the program draws from seeds alone, and what the library makes of the same random numbers (scripts/philox.py). */
static void same_as_the_library(const char *backend, double bound, const char *path,
                                const pyr_pipeline_files *files, const pyr_pipeline_sampler *sampler,
                                const pyr_safetensors *file, const char *name)
{
    pyr_kernels *k = opened(backend, 2);
    pyr_pipeline *p = NULL;
    images theirs = get(file, name);
    uint64_t seeds[3] = {0};
    float ours[3 * 3 * 8 * 8];

    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "seeds"), (int64_t *)seeds, 3));
    CHECK_OK(pyr_pipeline_open(&p, k, files, sampler, NULL));
    if (p && theirs.at) {
        CHECK(numbers(&theirs) == sizeof ours / sizeof *ours);
        CHECK_OK(
            pyr_pipeline_sample(p, &(pyr_pipeline_draw){.n = 3, .seeds = seeds, .label = -1, .image = ours}));
        for (size_t i = 0; i < numbers(&theirs); i++) {
            double wanted = fmax(-1, fmin(1, theirs.at[place(&theirs, i)] * 255 / 256));

            if (!(fabs((double)ours[i] - wanted) <= bound))
                CHECK_REPORT("%s, %s, %s[%zu]: %g, wanted %g", backend, path, name, i, (double)ours[i],
                             wanted);
        }
    }
    pyr_free(theirs.at);
    pyr_pipeline_free(p);
    pyr_kernels_free(k);
}

static const char *const bounded[] = {"ref-double", "ref", "cpu"};

/* A network that gives variances, too: DDPM with them; DDIM without; and what does not go together. */
static void learned_variance(void)
{
    const char *path = MORE_FOLDER "/learned";
    pyr_pipeline_files files;
    pyr_pipeline_sampler sampler = {.steps = 12}, usual;
    pyr_pipeline *p = NULL;
    pyr_safetensors *file;
    pyr_kernels *k = opened("ref", 1);
    float image[3 * 8 * 8];
    uint64_t seed = 1;

    CHECK_OK(pyr_safetensors_open(&file, MORE_FOLDER "/sampling.safetensors"));
    CHECK_OK(pyr_pipeline_read(&files, path, NULL));
    CHECK_OK(pyr_pipeline_usual(&usual, &files));
    CHECK(!usual.ddim && files.scheduler.ddpm.variance_type == PYR_LEARNED_RANGE);
    for (int b = 0; b < 3; b++)
        same_as_the_library(bounded[b], 1e-4, path, &files, &sampler, file, "learned.sample");
    files.scheduler.ddpm.variance_type = PYR_FIXED_LARGE;
    CHECK_FAILS(pyr_pipeline_open(&p, k, &files, &sampler, NULL), PYR_E_CONFIG,
                "gives as many channels again");
    sampler = (pyr_pipeline_sampler){.ddim = true, .steps = 5};
    CHECK_OK(pyr_pipeline_open(&p, k, &files, &sampler, NULL));
    CHECK_OK(
        pyr_pipeline_sample(p, &(pyr_pipeline_draw){.n = 1, .seeds = &seed, .label = -1, .image = image}));
    pyr_pipeline_free(p);
    pyr_pipeline_files_free(&files);
    CHECK_OK(pyr_pipeline_read(&files, PIPELINE, NULL));
    files.scheduler.ddpm.variance_type = PYR_LEARNED;
    CHECK_FAILS(pyr_pipeline_open(&p, k, &files, &(pyr_pipeline_sampler){.steps = 3}, NULL), PYR_E_CONFIG,
                "gives no variance");
    pyr_pipeline_files_free(&files);
    pyr_safetensors_free(file);
    pyr_kernels_free(k);
}

/* An image is its seed's, whatever is drawn with it and on however many lanes. */
static void seeds_alone(void)
{
    static const uint64_t seeds[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22};
    enum { N = sizeof seeds / sizeof *seeds, SIZE = 8 * 8 * 3 };
    static float all[N * SIZE], part[N * SIZE];
    pyr_pipeline_files files;

    CHECK_OK(pyr_pipeline_read(&files, PIPELINE, NULL));
    for (int ddim = 0; ddim < 2; ddim++) {
        pyr_pipeline_sampler sampler = {.ddim = ddim, .steps = 6, .eta = 0.5 * ddim};

        for (int lanes = 1; lanes <= 2; lanes++) {
            pyr_kernels *k = opened("cpu", lanes);
            pyr_pipeline *p = NULL;

            CHECK_OK(pyr_pipeline_open(&p, k, &files, &sampler, NULL));
            if (lanes == 1)
                CHECK_OK(pyr_pipeline_sample(
                    p, &(pyr_pipeline_draw){.n = N, .seeds = seeds, .label = -1, .image = all}));
            for (int at = 0; at < N; at += 7) {
                int n = N - at < 7 ? N - at : 7;

                CHECK_OK(pyr_pipeline_sample(
                    p, &(pyr_pipeline_draw){.n = n, .seeds = seeds + at, .label = -1, .image = part}));
                CHECK(memcmp(part, all + at * SIZE, (size_t)n * SIZE * sizeof *part) == 0);
            }
            pyr_pipeline_free(p);
            pyr_kernels_free(k);
        }
        CHECK(memcmp(all, all + SIZE, SIZE * sizeof *all) != 0);
    }
    pyr_pipeline_files_free(&files);
}

/* ---- an exported run --------------------------------------------------------------------------- */

static void export_run(pyr_kernels *k)
{
    pyr_settings *settings = NULL;
    pyr_config config;

    CHECK_OK(pyr_run_settings(&settings, RUN_FOLDER));
    CHECK_OK(pyr_config_get(&config, settings));
    CHECK_OK(pyr_export_diffusers(
        &(pyr_export_plan){.run = RUN_FOLDER, .outdir = temp, .level = -1, .timesteps = TIMESTEPS}, k,
        &config));
    pyr_settings_free(settings);
}

/* What the library made of a level: z, [condition], x0 at ASKED of the export's times. */
typedef struct answers {
    images z, condition, x0;
    int64_t t[ASKED];
    pyr_ddpm ddpm;
} answers;

static void answers_read(answers *a, int level)
{
    pyr_safetensors *file;
    pyr_pipeline_files files;
    char path[128];

    *a = (answers){0};
    snprintf(path, sizeof path, ANSWERS, level);
    CHECK_OK(pyr_safetensors_open(&file, path));
    a->z = get(file, "z");
    a->x0 = get(file, "x0");
    if (level == 0)
        a->condition = get(file, "condition");
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "timestep"), a->t, ASKED));
    pyr_safetensors_free(file);
    snprintf(path, sizeof path, "%s/level-%d", temp, level);
    CHECK_OK(pyr_pipeline_read(&files, path, NULL));
    CHECK_OK(pyr_ddpm_new(&a->ddpm, &files.scheduler.ddpm));
    CHECK(a->ddpm.config.num_train_timesteps == TIMESTEPS);
    pyr_pipeline_files_free(&files);
}

static void answers_free(answers *a)
{
    pyr_free(a->z.at);
    pyr_free(a->condition.at);
    pyr_free(a->x0.at);
    pyr_ddpm_free(&a->ddpm);
}

/* Images in backend memory as NHWC, scaled. */
static void *uploaded(pyr_kernels *k, const images *m, double scale)
{
    double *host;
    void *out = NULL;

    if (!m->at)
        return NULL;
    CHECK_OK(pyr_new(&host, numbers(m), sizeof *host, "images"));
    for (size_t i = 0; i < numbers(m); i++)
        host[i] = scale * m->at[place(m, i)];
    CHECK_OK(pyr_alloc(k, &out, numbers(m) * pyr_type_size(k->real), "images"));
    CHECK_OK(pyr_upload_reals(k, out, host, numbers(m)));
    pyr_free(host);
    return out;
}

/* Our denoiser of the run's level gives what the library makes of the exported one. */
static void check_denoiser(pyr_model *model, pyr_kernels *k, int index)
{
    pyr_sampled_level *s = &model->level[index];
    const uint32_t rows[IMAGES] = {0, 0};
    pyr_denoising call = {.denoiser = &s->denoiser, .n = IMAGES, .rows = rows};
    answers a;
    void *condition;

    answers_read(&a, index);
    condition = uploaded(k, &a.condition, 1);
    call.condition = condition;
    CHECK(numbers(&a.z) == IMAGES * pyr_count(s->level.variable));
    CHECK_OK(pyr_denoiser_begin(&call));
    for (int i = 0; i < ASKED; i++) {
        double abar = a.ddpm.abar[a.t[i]], level[IMAGES], *host, largest = 1;
        void *x = uploaded(k, &a.z, 1 / sqrt(abar));
        images theirs = a.x0;

        theirs.n = IMAGES;
        theirs.at += (size_t)i * numbers(&a.z);
        level[0] = level[1] = sqrt(1 / abar - 1);
        CHECK_OK(pyr_denoiser_call(&call, x, level, x));
        CHECK_OK(pyr_new(&host, numbers(&theirs), sizeof *host, "images"));
        CHECK_OK(pyr_download_reals(k, host, x, numbers(&theirs)));
        for (size_t j = 0; j < numbers(&theirs); j++)
            largest = fmax(largest, fabs(theirs.at[j]));
        for (size_t j = 0; j < numbers(&theirs); j++)
            if (!(fabs(host[j] - theirs.at[place(&theirs, j)]) <= 2e-5 * largest))
                CHECK_REPORT("level %d, t %d, [%zu]: %g, wanted %g", index, (int)a.t[i], j, host[j],
                             theirs.at[place(&theirs, j)]);
        pyr_free(host);
        pyr_release(k, x);
    }
    pyr_release(k, condition);
    answers_free(&a);
}

static void library_denoises_as_we_do(void)
{
    static const char *const backends[] = {"ref-double", "cpu"};

    for (int b = 0; b < 2; b++) {
        pyr_kernels *k = opened(backends[b], 1);
        pyr_settings *settings = NULL;
        pyr_config config;
        pyr_model *model = NULL;

        export_run(k);
        CHECK_OK(pyr_run_settings(&settings, RUN_FOLDER));
        CHECK_OK(pyr_config_get(&config, settings));
        CHECK_OK(pyr_model_open(&model, k, RUN_FOLDER, &config));
        for (int level = 0; level < 2 && model; level++)
            check_denoiser(model, k, level);
        pyr_model_free(model);
        pyr_settings_free(settings);
        pyr_kernels_free(k);
    }
}

/* The exported network as our reader has it, on what the library was given: v of level 0, with its condition
 * beside it and patches; the library's x0 = sqrt(abar) z - sqrt(1 - abar) v. */
static void exported_network(void)
{
    pyr_kernels *k = opened("cpu", 1);
    answers a;
    float *sample, *output;
    int64_t time, labels[IMAGES] = {0, 0};
    char folder[128], *path;
    pyr_unet_files files;
    pyr_unet_check check;

    export_run(k);
    answers_read(&a, 0);
    snprintf(folder, sizeof folder, "%s/level-0/unet", temp);
    path = pyr_path_join(folder, "io.safetensors");
    size_t pixels = (size_t)a.z.h * (size_t)a.z.w;
    CHECK_OK(pyr_new(&sample, 3 * IMAGES * pixels, sizeof *sample, "sample"));
    CHECK_OK(pyr_new(&output, IMAGES * pixels, sizeof *output, "output"));
    CHECK_OK(pyr_unet_find(&files, folder));
    for (int i = 2; i < ASKED; i++) { /* where v is not lost in x0 */
        double signal = sqrt(a.ddpm.abar[a.t[i]]), noise = sqrt(1 - a.ddpm.abar[a.t[i]]), std;
        pyr_level_facts facts;
        pyr_unet_config config;
        pyr_unet_files again;

        CHECK_OK(pyr_level_open_unet(RUN_FOLDER "/level-0", &again, &config, &facts));
        pyr_unet_files_free(&again);
        std = facts.condition_std;
        for (size_t n = 0; n < IMAGES; n++)
            for (size_t j = 0; j < pixels; j++) { /* the third channel tells of noise: none */
                sample[3 * n * pixels + j] = (float)a.z.at[n * pixels + j];
                sample[(3 * n + 1) * pixels + j] = (float)(a.condition.at[n * pixels + j] / std);
                output[n * pixels + j] = (float)((signal * a.z.at[n * pixels + j] -
                                                  a.x0.at[((size_t)i * IMAGES + n) * pixels + j]) /
                                                 noise);
            }
        time = a.t[i];
        CHECK_OK(pyr_safetensors_write(
            path,
            (pyr_st_entry[]){
                {.name = "sample",
                 .dtype = PYR_ST_F32,
                 .rank = 4,
                 .dims = {IMAGES, 3, a.z.h, a.z.w},
                 .data = sample},
                {.name = "output",
                 .dtype = PYR_ST_F32,
                 .rank = 4,
                 .dims = {IMAGES, 1, a.z.h, a.z.w},
                 .data = output},
                {.name = "timestep", .dtype = PYR_ST_I64, .rank = 1, .dims = {1}, .data = &time},
                {.name = "class_labels", .dtype = PYR_ST_I64, .rank = 1, .dims = {IMAGES}, .data = labels}},
            4, NULL, 0));
        CHECK_OK(pyr_unet_check_io(&check, folder, &files, k));
        CHECK(check.found);
        CHECK_CLOSE(check.error, 0, 2e-5 * fmax(1, check.scale));
    }
    pyr_unet_files_free(&files);
    pyr_free(sample);
    pyr_free(output);
    pyr_free(path);
    answers_free(&a);
    pyr_kernels_free(k);
}

/* The coarsest level is a pipeline for us, too: DDIM from the library's noise ends where the library does. */
static void exported_sampling(void)
{
    pyr_kernels *k = opened("cpu", 1);
    pyr_safetensors *file;
    pyr_pipeline_files files;
    images noise, theirs;
    pyr_pipeline_sampler sampler = {.ddim = true, .steps = 10};
    char path[128];
    float *ours;

    export_run(k);
    snprintf(path, sizeof path, ANSWERS, 1);
    CHECK_OK(pyr_safetensors_open(&file, path));
    noise = get(file, "noise");
    theirs = get(file, "sample.10"); /* of class 0 */
    snprintf(path, sizeof path, "%s/level-1", temp);
    CHECK_OK(pyr_pipeline_read(&files, path, NULL));
    CHECK(files.ours && files.facts.classes > 0);
    pyr_pipeline_files_free(&files);
    ours = sample_noise(k, path, -1, 0, &noise, &sampler);
    for (size_t i = 0; i < numbers(&theirs); i++) {
        double wanted = theirs.at[place(&theirs, i)];

        CHECK_CLOSE(ours[i], wanted < -1 ? -1 : wanted > 1 ? 1 : wanted, 5e-5);
    }
    pyr_free(ours);
    pyr_free(noise.at);
    pyr_free(theirs.at);
    pyr_safetensors_free(file);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    snprintf(temp, sizeof temp, "%.30s/pyr-pipeline-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(temp))
        return 1;
    RUN(ddim_of_the_library);
    RUN(learned_variance);
    RUN(seeds_alone);
    RUN(library_denoises_as_we_do);
    RUN(exported_network);
    RUN(exported_sampling);
    remove_all(temp);
    return CHECK_DONE();
}
