/* machine.c - --backend, --precision and --threads, and the backend that they open. */
#include "cli/machine.h"

#include "base/file.h"
#include "base/mem.h"
#include "terminal/output.h"
#include <string.h>

#define WORD_AND_HELP(word, open, help) "; " word ": " help

const pyr_option pyr_machine_options[] = {
    OPT_WORD(
        pyr_machine, backend, "backend", "NAME", "auto", pyr_backend_names,
        "what computes: auto takes the first GPU, or else cpu; cuda:N is GPU number N; ref is plain loops"),
    OPT_WORD(pyr_machine, precision, "precision", "TYPE", "auto", pyr_precision_names,
             "number format inside the networks; auto takes bf16 where that is faster; tf32 needs a GPU"),
    OPT_INT(pyr_machine, threads, "threads", "N", "0", 0, 1024, "number of threads; 0: one per processor"),
    {0},
};

pyr_status pyr_open_machine_quietly(pyr_kernels **out, const pyr_machine *machine, bool measure)
{
    pyr_kernels *k;

    PYR_TRY(pyr_kernels_open(out, machine->backend, machine->threads));
    k = *out;
    PYR_TRY(pyr_kernels_precision(k, machine->precision));
    if (measure && k->measurable) {
        char *path = pyr_cache_path(k->device ? "tuning-gpu.json" : "tuning.json");

        pyr_tuning_let_measure(k->tuning, true);
        if (path)
            pyr_tuning_use_cache(k->tuning, path, k->measurable);
        pyr_free(path);
    }
    return PYR_OK;
}

pyr_status pyr_open_machine(pyr_kernels **out, const pyr_machine *machine, bool measure)
{
    const pyr_kernels *k;
    const char *type;

    PYR_TRY(pyr_open_machine_quietly(out, machine, measure));
    k = *out;
    type = pyr_precision_name(k, k->precision);
    if (k->device)
        pyr_tell("backend: %s on %s, %s\n", k->backend->name, k->device, type);
    else if (strcmp(machine->backend, "auto") == 0 || k->precision == PYR_PRECISION_BF16)
        pyr_tell("backend: %s, %d thread%s, %s%s%s%s\n", k->backend->name, k->lanes, k->lanes == 1 ? "" : "s",
                 type, *k->passed_over ? " (no CUDA: " : "", k->passed_over, *k->passed_over ? ")" : "");
    return PYR_OK;
}
