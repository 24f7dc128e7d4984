/* commands.c - the list of commands. */
#include "cli/cli.h"

#include <string.h>

#define PYR_COMMAND_LISTED(name) &pyr_command_##name,
const pyr_command *const pyr_commands[] = {PYR_COMMANDS(PYR_COMMAND_LISTED) NULL};

const pyr_command *pyr_find_command(const char *name)
{
    for (size_t i = 0; pyr_commands[i]; i++)
        if (strcmp(pyr_commands[i]->name, name) == 0)
            return pyr_commands[i];
    return NULL;
}
