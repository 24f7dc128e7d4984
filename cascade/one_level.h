/* one_level.h - checks of --level I, the option of what works with a single level of a run, and of data for it. */
#ifndef PYR_CASCADE_ONE_LEVEL_H
#define PYR_CASCADE_ONE_LEVEL_H

#include "cascade/run.h"

/* Whether the pyramid has the level (-1: none was asked for). PYR_E_ARG. */
pyr_status pyr_check_level(const pyr_config *config, int level);

/* Whether images of the data can be given to the levels of the configured pyramid of `image` (n = 1).
 * PYR_E_SHAPE. */
pyr_status pyr_check_data_shape(const pyr_dataset *data, const char *path, pyr_shape image);

/* The level of coarser images that the finer ones are drawn to, 1..levels - 1; -1: the coarsest, which *level
 * then is. PYR_E_ARG, PYR_E_UNSUPPORTED for a single resolution. */
pyr_status pyr_check_coarser_level(int *level, int levels);

#endif
