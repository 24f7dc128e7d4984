/* The network against the answers of diffusers, and its gradients against finite differences. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "levels/unet.h"
#include "levels/unet_file.h"

#define GOLDEN "tests/golden/unet2d/"

static void golden(const char *folder, const char *backend, double tolerance)
{
    char path[256];
    pyr_kernels *k = NULL;
    pyr_unet_files files = {0};
    pyr_unet_check check = {0};

    snprintf(path, sizeof path, GOLDEN "%s", folder);
    CHECK_OK(pyr_kernels_open(&k, backend, 1));
    CHECK_OK(pyr_unet_find(&files, path));
    if (!k || !files.config)
        return;
    CHECK_OK(pyr_unet_check_io(&check, path, &files, k));
    CHECK(check.found);
    CHECK_CLOSE(check.error, 0, tolerance * fmax(1, check.scale));
    pyr_unet_files_free(&files);
    pyr_kernels_free(k);
}

static void golden_all(void)
{
    static const char *const folders[] = {"ddpm_like", "ddpm_like_legacy_names", "defaults_hd8",
                                          "scale_shift_classes"};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        golden(folders[i], "ref", 2e-5);
        golden(folders[i], "ref-double", 2e-6); /* the stored answers are float */
        golden(folders[i], "cpu", 2e-5);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(golden_all);
    return CHECK_DONE();
}
