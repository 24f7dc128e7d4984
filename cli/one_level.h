/* one_level.h - --level I of commands that work with one level of a run by itself. */
#ifndef PYR_CLI_ONE_LEVEL_H
#define PYR_CLI_ONE_LEVEL_H

#include "cascade/run.h"

/* Its row of the table of options: an int, -1 when it was not typed. */
#define PYR_LEVEL_OPTION(at, help_)                                                                          \
    {                                                                                                        \
        .name = "level", .argument = "I", .type = PYR_SETTING_INT, .target = &(at), .standard = "-1",        \
        .untyped = "all levels", .min = 0, .max = 1e6, .help = help_                                         \
    }

/* Whether the pyramid has the level (-1: none was asked for). PYR_E_ARG. */
pyr_status pyr_check_level(const pyr_config *config, int level);

/* Whether images of the data can be given to the levels of the configured pyramid of `image` (n = 1).
 * PYR_E_SHAPE. */
pyr_status pyr_check_data_shape(const pyr_dataset *data, const char *path, pyr_shape image);

#endif
