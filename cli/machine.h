/* machine.h - the backend that a command computes with. */
#ifndef PYR_CLI_MACHINE_H
#define PYR_CLI_MACHINE_H

#include "cli/machine_options.h"
#include "kernels/kernels.h"

/* Open the backend and say on stderr what was chosen. `measure`: what is not yet known to be fastest may be
 * measured; answers are kept in the machine's cache (XDG_CACHE_HOME/pyrdiff/tuning.json, of a GPU
 * tuning-gpu.json). */
pyr_status pyr_open_machine(pyr_kernels **out, const pyr_machine *machine, bool measure);
pyr_status pyr_open_machine_quietly(pyr_kernels **out, const pyr_machine *machine, bool measure);

#endif
