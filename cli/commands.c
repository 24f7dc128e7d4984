/* commands.c - the list of commands, and the folders of their runs. */
#include "cli/cli.h"

#include <string.h>

const pyr_command *const pyr_commands[] = {
    &pyr_command_analyze,     &pyr_command_train,      &pyr_command_sample,     &pyr_command_inpaint,
    &pyr_command_colorize,    &pyr_command_upscale,    &pyr_command_vary,       &pyr_command_interpolate,
    &pyr_command_encode,      &pyr_command_invert,     &pyr_command_denoise,    &pyr_command_decompose,
    &pyr_command_reconstruct, &pyr_command_info,       &pyr_command_export,     &pyr_command_ema,
    &pyr_command_eval,        &pyr_command_likelihood, &pyr_command_compare,    &pyr_command_report,
    &pyr_command_bench,       &pyr_command_toy,        &pyr_command_classifier, NULL,
};

const pyr_command *pyr_find_command(const char *name)
{
    for (size_t i = 0; pyr_commands[i]; i++)
        if (strcmp(pyr_commands[i]->name, name) == 0)
            return pyr_commands[i];
    return NULL;
}

pyr_status pyr_default_outdir(char **out, const char *typed, const char *before, const char *config)
{
    const char *name = pyr_base_name(config), *dot = strrchr(name, '.');

    return *typed ? pyr_format(out, "%s", typed)
                  : pyr_format(out, "%s%.*s", before,
                               dot && dot > name ? (int)(dot - name) : (int)strlen(name), name);
}
