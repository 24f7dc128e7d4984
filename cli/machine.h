/* machine.h - the backend that a command computes with. */
#ifndef PYR_CLI_MACHINE_H
#define PYR_CLI_MACHINE_H

#include "kernels/kernels.h"
#include "terminal/options.h"

/* --backend, --precision and --threads of every command that computes. */
typedef struct pyr_machine {
    const char *backend, *precision;
    int threads;
} pyr_machine;
extern const pyr_option pyr_machine_options[];

/* Open the backend and say on stderr what was chosen. `measure`: what is not yet known to be fastest may be
 * measured; answers are kept in the machine's cache (XDG_CACHE_HOME/pyrdiff/tuning.json, of a GPU
 * tuning-gpu.json). */
pyr_status pyr_open_machine(pyr_kernels **out, const pyr_machine *machine, bool measure);
pyr_status pyr_open_machine_quietly(pyr_kernels **out, const pyr_machine *machine, bool measure);

#endif
