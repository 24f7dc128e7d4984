/* backend.c - opening the backend that a person asked for, and saying which one it is. */
#include "kernels/backend.h"

#include "base/file.h"
#include "base/mem.h"
#include <string.h>

pyr_status pyr_backend_open(pyr_kernels **out, const char *backend, const char *precision, int threads,
                            bool measure)
{
    pyr_status status;
    pyr_kernels *k;
    char *path;

    PYR_TRY(pyr_kernels_open(out, backend, threads));
    k = *out;
    status = pyr_kernels_precision(k, precision);
    if (status != PYR_OK) {
        pyr_kernels_free(k);
        *out = NULL;
        return status;
    }
    if (!measure || !k->measurable)
        return PYR_OK;
    path = pyr_cache_path(k->device ? "tuning-gpu.json" : "tuning.json");
    pyr_tuning_let_measure(k->tuning, true);
    if (path)
        pyr_tuning_use_cache(k->tuning, path, k->measurable);
    pyr_free(path);
    return PYR_OK;
}

void pyr_backend_describe(pyr_text *out, const pyr_kernels *k, const char *backend)
{
    const char *type = pyr_precision_name(k, k->precision);

    if (k->device)
        pyr_text_add(out, "backend: %s on %s, %s", k->backend->name, k->device, type);
    else if (strcmp(backend, "auto") == 0 || k->precision == PYR_PRECISION_BF16)
        pyr_text_add(out, "backend: %s, %d thread%s, %s%s%s%s", k->backend->name, k->lanes,
                     k->lanes == 1 ? "" : "s", type, *k->passed_over ? " (no CUDA: " : "", k->passed_over,
                     *k->passed_over ? ")" : "");
}
