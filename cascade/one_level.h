/* one_level.h - --level I of commands that work with a single level of a run. */
#ifndef PYR_CLI_ONE_LEVEL_H
#define PYR_CLI_ONE_LEVEL_H

#include "cascade/run.h"

/* Whether the pyramid has the level (-1: none was asked for). PYR_E_ARG. */
pyr_status pyr_check_level(const pyr_config *config, int level);

/* Whether images of the data can be given to the levels of the configured pyramid of `image` (n = 1).
 * PYR_E_SHAPE. */
pyr_status pyr_check_data_shape(const pyr_dataset *data, const char *path, pyr_shape image);

#endif
