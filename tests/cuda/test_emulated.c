/* test_emulated.c - what the CUDA backend does when things are not as they should be, and that the device
 * that is none (fake.h) is as unkind as it claims. Linked with it only. */
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "tests/cuda/fake.h"
#include "tests/level_data.h"
#include "training/trainer.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- machines without ---- */

static void no_gpu(void)
{
    pyr_kernels *k;

    fake.driver = false;
    CHECK_FAILS(pyr_kernels_open(&k, "cuda", 1), PYR_E_UNSUPPORTED,
                "backend cuda: there is no NVIDIA driver here");
    CHECK(strstr(pyr_error(), "--backend cpu") && !k);
    fake.driver = true;
    fake.devices = 0;
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:0", 1), PYR_E_UNSUPPORTED, "there is no NVIDIA GPU here");
    CHECK_OK(pyr_kernels_open(&k, "auto", 1)); /* the CPU, with the reason */
    CHECK_STRING(k->backend->name, "cpu");
    CHECK(strstr(k->passed_over, "no NVIDIA GPU"));
    pyr_kernels_free(k);
    fake.devices = 2;
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:2", 1), PYR_E_ARG, "there are only 2 GPUs here, counted from 0");
    CHECK_OK(pyr_kernels_open(&k, "cuda:1", 1));
    CHECK(strstr(k->device, "device 1"));
    pyr_kernels_free(k);
    fake.devices = 1;
    CHECK_OK(pyr_kernels_open(&k, "auto", 1));
    CHECK_STRING(k->backend->name, "cuda");
    CHECK(!*k->passed_over);
    pyr_kernels_free(k);
    CHECK(fake.counts.used == 0);
}

static void old_gpu(void)
{
    pyr_kernels *k;

    fake.major = 7;
    fake.minor = 5;
    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK(!k->has_bf16);
    CHECK_OK(pyr_kernels_precision(k, "auto"));
    CHECK(k->precision == PYR_PRECISION_FULL);
    CHECK_FAILS(pyr_kernels_precision(k, "bf16"), PYR_E_UNSUPPORTED, "--precision f32");
    pyr_kernels_free(k);
    fake.major = 9;
    fake.minor = 0;
}

/* ---- memory ---- */

static void too_much(void)
{
    pyr_kernels *k;
    void *block;

    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK_FAILS(pyr_alloc(k, &block, fake.memory + 1, "a large thing"), PYR_E_NOMEM,
                "a large thing: 1024.0 MiB are wanted");
    CHECK(strstr(pyr_error(), "are free") && !block);
    CHECK_OK(pyr_alloc(k, &block, 100, "a small thing")); /* nothing of the failure is left */
    CHECK_OK(pyr_sync(k));
    pyr_release(k, block);
    pyr_kernels_free(k);
    CHECK(fake.counts.used == 0);
}

/* A plan that does not fit is refused before anything of it is allocated, with the number of images that do:
 * which then fits, and twice as many do not. */
static void plan_of(pyr_kernels *k, int batch, pyr_status wanted, int *fit)
{
    pyr_shape s = {1, 64, 64, 16};
    pyr_params params = {0};
    pyr_graph *g;
    long before = fake.counts.allocations;
    const char *about;
    pyr_value v;

    CHECK_OK(pyr_graph_new(&g, k, k->precision, &params));
    v = pyr_graph_input(g, s, PYR_F32);
    for (int i = 0; i < 4; i++)
        v = pyr_activation(g, v, PYR_ACT_SILU);
    pyr_graph_keep(g, v);
    CHECK_STATUS(pyr_graph_plan(g, &(pyr_plan){.batch = batch}), wanted);
    if (wanted == PYR_E_NOMEM) {
        CHECK(fake.counts.allocations == before);
        about = strstr(pyr_error(), "about ");
        CHECK(about != NULL);
        *fit = about ? atoi(about + 6) : 0;
    }
    pyr_graph_free(g);
    pyr_params_free(&params);
}

static void plan_too_large(void)
{
    pyr_kernels *k;
    int fit = 0;

    CHECK_OK(pyr_kernels_cuda(&k, 0));
    plan_of(k, 100000, PYR_E_NOMEM, &fit);
    CHECK(fit > 100);
    plan_of(k, fit, PYR_OK, NULL);
    plan_of(k, fit + fit / 50 + 2, PYR_E_NOMEM, &fit);
    pyr_kernels_free(k);
}

/* ---- the device that is none ---- */

static void read_device(const volatile float *device)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        _exit(device[0] == 12345 ? 1 : 0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status)); /* a sanitizer ends it with a status instead */
}

static void closed_memory(void)
{
    pyr_kernels *k;
    void *block;

#ifdef __SANITIZE_ADDRESS__
    SKIP("a sanitizer catches the signal");
#endif
    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK_OK(pyr_alloc(k, &block, 100, "test"));
    read_device(block);
    CHECK_OK(pyr_sync(k));
    read_device(block);
    pyr_release(k, block);
    pyr_kernels_free(k);
}

/* Memory of alloc_host belongs to the copy until it is waited for; other memory is taken at once. */
static void late_copies(void)
{
    float *pinned, plain = 1, got[2] = {0, 0};
    pyr_kernels *k;
    void *block;

    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK_OK(pyr_alloc(k, &block, sizeof got, "test"));
    CHECK_OK(pyr_alloc_host(k, (void **)&pinned, sizeof *pinned, "test"));
    *pinned = 1;
    pyr_upload(k, block, pinned, sizeof *pinned);
    pyr_upload(k, (float *)block + 1, &plain, sizeof plain);
    *pinned = plain = 2; /* too early for the first */
    pyr_download(k, got, block, sizeof got);
    CHECK_OK(pyr_sync(k));
    CHECK(got[0] == 2 && got[1] == 1);
    pyr_release_host(k, pinned);
    pyr_release(k, block);
    pyr_kernels_free(k);
}

/* ---- a step is one recording --------------------------------------------------------------------- */

/* What a training of so many steps asks the device for, nothing but steps between its beginning and its
 * end. */
static fake_counts training_of(int steps)
{
    pyr_level_settings s = settings_of();
    pyr_dataset *data = open_data();
    pyr_trainer *t = NULL;
    pyr_pyramid *pyramid = NULL;
    pyr_kernels *k;
    fake_counts before, n;
    char name[32];

    snprintf(name, sizeof name, "steps-%d", steps);
    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK_OK(pyr_pyramid_new(&pyramid, k, &(pyr_pyramid_settings){.levels = 2, .filter = PYR_FILTER_BOX}, H,
                             W, C));
    CHECK_OK(
        pyr_trainer_new(&t, &(pyr_trainer_job){.k = k,
                                               .data = data,
                                               .pyramid = pyramid,
                                               .levels = 1,
                                               .level = {{.settings = &s, .folder = folder_of(name)}},
                                               .xflip = true,
                                               .duration = {(double)(steps * s.batch), PYR_DURATION_IMAGES},
                                               .checkpoint = -1,
                                               .report = 1000000,
                                               .held_out = -1,
                                               .snapshot = -1}));
    before = fake.counts;
    CHECK_OK(pyr_trainer_run(t));
    n = fake.counts;
    n.launches -= before.launches;
    n.captures -= before.captures;
    n.replays -= before.replays;
    n.allocations -= before.allocations;
    n.uploads -= before.uploads;
    n.downloads -= before.downloads;
    pyr_trainer_free(t);
    pyr_pyramid_free(pyramid);
    pyr_dataset_free(data);
    pyr_kernels_free(k);
    return n;
}

/* Twenty steps more are twenty replays, blocks up and results down: no launch, no capture, no allocation. */
static void a_step_is_one_recording(void)
{
    fake_counts few, more;

    if (!temp_new("emulated")) {
        CHECK(0);
        return;
    }
    write_images();
    few = training_of(20);
    more = training_of(40);
    CHECK(few.captures == 1 && few.replays == 20 && few.launches > 50);
    CHECK(more.captures == 1 && more.replays == 40);
    CHECK(more.launches == few.launches && more.allocations == few.allocations);
    CHECK(more.uploads - few.uploads == 20 && more.downloads - few.downloads == 20);
    remove_all(temp);
}

static void nothing_left(void)
{
    CHECK(fake.counts.used == 0);
    CHECK(fake.counts.allocations > 0);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(no_gpu);
    RUN(old_gpu);
    RUN(too_much);
    RUN(plan_too_large);
    RUN(closed_memory);
    RUN(late_copies);
    RUN(a_step_is_one_recording);
    RUN(nothing_left);
    return CHECK_DONE();
}
