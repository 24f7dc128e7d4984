/* command.h - running a command, and writing down how it was typed. */
#ifndef PYR_TERMINAL_COMMAND_H
#define PYR_TERMINAL_COMMAND_H

#include "terminal/options.h"

/* Parse and run, or print the help that was asked for. argv[0] is the command's name. */
pyr_status pyr_command_run(const pyr_command *command, int argc, char **argv);

/* Add the command as typed, as a shell takes it again. PYR_E_NOMEM. */
pyr_status pyr_command_text(pyr_text *out, int argc, char **argv);

#endif
