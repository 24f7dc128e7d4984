/* cpu_open.c - the CPU backend, with the table for the instruction set of this processor. */
#include "kernels/kernels.h"

#include "base/mem.h"
#include "kernels/cpu/cpu.h"
#include "kernels/onednn/onednn.h"
#include "kernels/processor.h"
#include <stdio.h>
#include <string.h>

static const pyr_backend *const tables[PYR_SETS] = OF_SETS(pyr_cpu_backend);

/* What oneDNN takes beside the planned buffers: pages of the library, generated code, a lane's buffers for
 * products. Measured as the peak beyond program and data (pyrdiff train, 256 images, gcc, AVX-512,
 * oneDNN 2.6) less the plan, for networks of 1 to 3 resolutions, 32 to 256 channels and plans of 32 to 560
 * MiB: 1 lane 6.8 to 8.2 MiB, 2 lanes 7.1 to 9.9, 4 lanes 10.5 to 16, 8 lanes 16 (3 resolutions: up to 3.5
 * more). Equal layers share their code, so the number of layers hardly matters (6 instead of 1: no
 * difference). */
enum { LIBRARY_KIB = 6 * 1024, LIBRARY_KIB_PER_LANE = 1280 };

/* What measured choices depend on: the processor's name, its instructions and the library. NULL: out of memory. */
static char *measurable(void)
{
    char line[256], *name = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && !name && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && (name = strchr(line, ':')))
            name[strcspn(name, "\n")] = '\0';
    if (f)
        fclose(f);
    return pyr_strfmt("%.100s, %s, %s", name ? name + 2 : "processor", pyr_set_names[pyr_set_here()],
                      pyr_cpu_library());
}

pyr_status pyr_kernels_cpu(pyr_kernels **out, int lanes)
{
    pyr_kernels *k;

    *out = NULL;
    PYR_TRY(pyr_set_check());
    PYR_TRY(pyr_onednn_open());
    PYR_TRY(pyr_kernels_new(&k, tables[pyr_set_here()], lanes, pyr_onednn_single_thread));
    k->measurable = k->ctx = measurable();
    if (!k->ctx) {
        pyr_kernels_free(k);
        return pyr_fail(PYR_E_NOMEM, "out of memory: the processor's name");
    }
    k->micro_batch = 16;
    k->has_bf16 = pyr_onednn_has_bf16();
    k->fast_bf16 = k->has_bf16 && pyr_bf16_is_fast();
    k->library_bytes = (LIBRARY_KIB + (size_t)k->lanes * LIBRARY_KIB_PER_LANE) * 1024;
    *out = k;
    return PYR_OK;
}
