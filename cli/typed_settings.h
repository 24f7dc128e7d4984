/* typed_settings.h - the settings of a command: those of a run, a file or the default, and what was typed over
 * them. The caller frees *settings, on failure too (set it to NULL before). */
#ifndef PYR_CLI_TYPED_SETTINGS_H
#define PYR_CLI_TYPED_SETTINGS_H

#include "cascade/run.h"
#include "terminal/options.h"

/* Of a run; *config holds them. */
pyr_status pyr_run_settings_typed(pyr_settings **settings, pyr_config *config, const char *run,
                                  const pyr_parsed *parsed);
/* Of a configuration file; "": the defaults of the table. */
pyr_status pyr_file_settings_typed(pyr_settings **settings, const char *path, const pyr_parsed *parsed);
/* Of a command that was given no configuration (pyr_default_settings); a line on stderr says how many levels
 * that is. *data: the images, which decide it. */
pyr_status pyr_default_settings_typed(pyr_settings **settings, pyr_dataset **data, pyr_parsed *parsed);

#endif
