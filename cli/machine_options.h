/* machine_options.h - --backend, --precision and --threads of every command that computes. */
#ifndef PYR_CLI_MACHINE_OPTIONS_H
#define PYR_CLI_MACHINE_OPTIONS_H

#include "terminal/options.h"

typedef struct pyr_machine {
    const char *backend, *precision;
    int threads;
} pyr_machine;
extern const pyr_option pyr_machine_options[];

#endif
