/* cli.h - the commands of the program, and what they share.
 *
 * A command is a file cmd_NAME.c that defines pyr_command_NAME (terminal/options.h), and its name in the list
 * below. It prints results on stdout and messages on stderr, and returns a status; main prints the sentence of
 * a failure and decides the exit status. */
#ifndef PYR_CLI_CLI_H
#define PYR_CLI_CLI_H

#include "cli/machine.h"
#include "images/dataset.h"
#include "terminal/command.h"

/* In the order of the program's help. */
#define PYR_COMMANDS(X)                                                                                      \
    X(analyze)                                                                                               \
    X(train)                                                                                                 \
    X(sample) X(inpaint) X(colorize) X(upscale) X(vary) X(interpolate) X(encode) X(invert) X(decompose)      \
        X(reconstruct) X(info) X(export) X(eval) X(likelihood) X(compare) X(report) X(bench) X(toy)          \
            X(classifier)
#define PYR_COMMAND_DECLARED(name) extern const pyr_command pyr_command_##name;
PYR_COMMANDS(PYR_COMMAND_DECLARED)
extern const pyr_command *const pyr_commands[];        /* ended by NULL */
const pyr_command *pyr_find_command(const char *name); /* NULL: there is none */

/* Of a command that was given no configuration: pyr_default_settings with what was typed; says on stderr how
 * many levels that is. */
pyr_status pyr_command_default_settings(pyr_settings **out, pyr_dataset **data, pyr_parsed *parsed);

/* --network of a command that works with a trained run. */
#define OPT_NETWORK(owner, member)                                                                           \
    OPT_TEXT(owner, member, "network", "RUN", "", "directory of a trained run",                              \
             .missing = "which run? Add --network runs/NAME")
/* --seeds of a command that draws images, with the seeds that are drawn unless others are typed. */
#define OPT_SEEDS(owner, member, standard)                                                                   \
    OPT_TEXT(owner, member, "seeds", "LIST", standard, "0-63,100: an image for each")

#endif
