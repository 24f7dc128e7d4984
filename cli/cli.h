/* cli.h - the commands of the program, and what they share.
 *
 * A command gets argv from its own name on, prints results on stdout and messages on stderr, and
 * returns a status; main prints the sentence of a failure and decides the exit status. */
#ifndef PYR_CLI_CLI_H
#define PYR_CLI_CLI_H

#include "images/dataset.h"
#include "kernels/kernels.h"
#include "settings/settings.h"
#include "terminal/options.h"

pyr_status pyr_command_train(int argc, char **argv);
pyr_status pyr_command_sample(int argc, char **argv);
pyr_status pyr_command_decompose(int argc, char **argv);
pyr_status pyr_command_reconstruct(int argc, char **argv);
pyr_status pyr_command_info(int argc, char **argv);
pyr_status pyr_command_export(int argc, char **argv);
pyr_status pyr_command_report(int argc, char **argv);
pyr_status pyr_command_bench(int argc, char **argv);
pyr_status pyr_command_eval(int argc, char **argv);
pyr_status pyr_command_compare(int argc, char **argv);
pyr_status pyr_command_toy(int argc, char **argv);
pyr_status pyr_command_classifier(int argc, char **argv);
pyr_status pyr_command_likelihood(int argc, char **argv);
pyr_status pyr_command_inpaint(int argc, char **argv);
pyr_status pyr_command_colorize(int argc, char **argv);
pyr_status pyr_command_upscale(int argc, char **argv);
pyr_status pyr_command_vary(int argc, char **argv);
pyr_status pyr_command_interpolate(int argc, char **argv);
pyr_status pyr_command_encode(int argc, char **argv);
pyr_status pyr_command_invert(int argc, char **argv);
pyr_status pyr_command_analyze(int argc, char **argv);

/* --help of a command: print it. */
pyr_status pyr_print_help(const pyr_options *options);

/* Add the command as typed, as a shell takes it again. */
void pyr_command_text(pyr_text *out, int argc, char **argv);

/* A command that reads its options into *typed (the table's targets) and then runs, or prints its help. */
pyr_status pyr_run_command(const pyr_options *options, int argc, char **argv,
                           pyr_status (*run)(void *typed, pyr_parsed *parsed), void *typed);

/* Of a command that was given no configuration: pyr_default_settings with what was typed; says on stderr how
 * many levels that is. */
pyr_status pyr_command_default_settings(pyr_settings **out, pyr_dataset **data, pyr_parsed *parsed);

/* --network of a command that works with a trained run. */
#define PYR_NETWORK_OPTION(at)                                                                               \
    {                                                                                                        \
        .name = "network", .argument = "RUN", .type = PYR_SETTING_TEXT, .target = &(at), .standard = "",     \
        .help = "directory of a trained run"                                                                 \
    }

/* --backend, --precision and --threads of every command that computes. */
typedef struct pyr_machine {
    const char *backend, *precision;
    int threads;
} pyr_machine;
#define PYR_MACHINE_OPTIONS(machine)                                                                         \
    {.name = "backend",                                                                                      \
     .argument = "NAME",                                                                                     \
     .type = PYR_SETTING_TEXT,                                                                               \
     .target = &(machine).backend,                                                                           \
     .standard = "auto",                                                                                     \
     .help = "auto, cpu, ref (plain loops), or ref-double"},                                                 \
        {.name = "precision",                                                                                \
         .argument = "TYPE",                                                                                 \
         .type = PYR_SETTING_TEXT,                                                                           \
         .target = &(machine).precision,                                                                     \
         .standard = "auto",                                                                                 \
         .help = "of images inside the networks: f32, tf32 (on GPUs), bf16, or auto: bf16 where the "        \
                 "processor has it"},                                                                        \
    {                                                                                                        \
        .name = "threads", .argument = "N", .type = PYR_SETTING_INT, .target = &(machine).threads,           \
        .standard = "0", .min = 0, .max = 1024, .help = "threads; 0: one per processor"                      \
    }
/* Open the backend and say on stderr what was chosen. `measure`: what is not yet known to be fastest may be
 * measured; answers are kept in the machine's cache (XDG_CACHE_HOME/pyrdiff/tuning.json, of a GPU
 * tuning-gpu.json). */
pyr_status pyr_open_machine(pyr_kernels **out, const pyr_machine *machine, bool measure);
pyr_status pyr_open_machine_quietly(pyr_kernels **out, const pyr_machine *machine, bool measure);

#endif
