/* cli.h - the commands of the program, and what they share.
 *
 * A command is a file cmd_NAME.c that defines pyr_command_NAME (terminal/options.h), and its name here and in
 * the list of commands.c. It prints results on stdout and messages on stderr, and returns a status; main prints the sentence of
 * a failure and decides the exit status. */
#ifndef PYR_CLI_CLI_H
#define PYR_CLI_CLI_H

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/machine_options.h"
#include "terminal/command.h"

extern const pyr_command pyr_command_analyze, pyr_command_train, pyr_command_sample, pyr_command_inpaint,
    pyr_command_colorize, pyr_command_upscale, pyr_command_vary, pyr_command_interpolate, pyr_command_encode,
    pyr_command_invert, pyr_command_denoise, pyr_command_decompose, pyr_command_reconstruct, pyr_command_info,
    pyr_command_export, pyr_command_ema, pyr_command_eval, pyr_command_likelihood, pyr_command_compare,
    pyr_command_report, pyr_command_bench, pyr_command_toy, pyr_command_classifier;

/* All of them, in the order of the program's help, ended by NULL. */
extern const pyr_command *const pyr_commands[];
const pyr_command *pyr_find_command(const char *name); /* NULL: there is none */

/* The folder of a run: `typed`, or where that is "", "configs/cifar10.cfg" behind "runs/" gives "runs/cifar10".
 * The caller frees it. PYR_E_NOMEM. */
pyr_status pyr_default_outdir(char **out, const char *typed, const char *before, const char *config);

/* What option tables point to; the engine's headers (cascade/run.h, pyramid/filters.h) say more. */
extern const pyr_section *const pyr_all_sections[];
extern const char *const pyr_filter_names[];

/* --network of a command that works with a trained run. */
#define OPT_NETWORK(owner, member)                                                                           \
    OPT_TEXT(owner, member, "network", "RUN", "", "directory of a trained run",                              \
             .missing = "which run? Add --network runs/NAME")
/* --seeds of a command that draws images, with the seeds that are drawn unless others are typed. */
#define OPT_SEEDS(owner, member, standard)                                                                   \
    OPT_TEXT(owner, member, "seeds", "LIST", standard, "seeds, an image for each: 0-63,100")
/* --level of a command that works with one level of several; -1: it was not typed. */
#define OPT_LEVEL(owner, member, not_typed, ...)                                                             \
    OPT_INT(owner, member, "level", "I", "-1", 0, 1e6, __VA_ARGS__, .untyped = not_typed)

#endif
