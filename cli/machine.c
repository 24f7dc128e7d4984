/* machine.c - --backend, --precision and --threads, and the backend that they open. */
#include "cli/machine.h"

#include "kernels/backend.h"
#include "terminal/output.h"

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
    return pyr_backend_open(out, machine->backend, machine->precision, machine->threads, measure);
}

pyr_status pyr_open_machine(pyr_kernels **out, const pyr_machine *machine, bool measure)
{
    pyr_text text = {0};

    PYR_TRY(pyr_open_machine_quietly(out, machine, measure));
    pyr_backend_describe(&text, *out, machine->backend);
    if (text.at)
        pyr_tell("%s\n", text.at);
    pyr_text_free(&text);
    return PYR_OK;
}
