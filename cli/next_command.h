/* next_command.h - what can be typed when a training is done. */
#ifndef PYR_CLI_NEXT_COMMAND_H
#define PYR_CLI_NEXT_COMMAND_H

#include "base/status.h"

/* Say on stderr the command that draws from the run: all of it when every level has weights, else the `level`
 * that was trained (-1: all were); and which levels have none yet. */
pyr_status pyr_say_next(const char *run, int level);

#endif
