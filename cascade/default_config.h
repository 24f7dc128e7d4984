/* default_config.h - the configuration of a command that is given none: configs/fashion-mnist.cfg, built into
 * the program, with as many levels as the images ask for.
 *
 * Where no number of levels is given, images are halved until their longer side is at most 8: 28x28 and 32x32
 * have 3 levels, 64x64 has 4, 8x8 one. A level takes the entry of the file's `levels` that is of its size: 7
 * and 8 pixels the coarsest one (patch 1), 14 and 16 the next (patch 2), more the finest (patch 4). So images
 * of 28 pixels get the file's own levels. */
#ifndef PYR_CASCADE_DEFAULT_CONFIG_H
#define PYR_CASCADE_DEFAULT_CONFIG_H

#include "cascade/run.h"

extern const char pyr_default_config_name[]; /* "configs/fashion-mnist.cfg" */

/* What is typed on the command line, set over what was read. */
typedef pyr_status (*pyr_settings_change)(void *arg, pyr_settings *settings);

/* The default configuration, changed, for the data set that it names then; both belong to the caller, and are
 * NULL on failure. A file of that name in the folder where the program runs (the project's own) counts
 * instead of what was built in. `reading` is told how far the data are. PYR_E_IO when no data are given and
 * the default's are not on this machine. */
pyr_status pyr_default_settings(pyr_settings **out, pyr_dataset **data, pyr_settings_change change, void *arg,
                                pyr_reading reading);

/* The same in steps, for callers that have the data already, or change the settings one by one: the file's
 * settings (the caller frees them); the data that they name (*out NULL on failure); and *settings, changed, in
 * whose place come others when the images ask for other levels than the file's. */
pyr_status pyr_default_settings_read(pyr_settings **out);
pyr_status pyr_default_data(pyr_dataset **data, const pyr_settings *settings, pyr_reading reading);
pyr_status pyr_default_settings_fit(pyr_settings **settings, const pyr_dataset *data,
                                    pyr_settings_change change, void *arg);

#endif
