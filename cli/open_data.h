/* open_data.h - opening a data set with a bar that shows how far reading is. */
#ifndef PYR_CLI_OPEN_DATA_H
#define PYR_CLI_OPEN_DATA_H

#include "cli/reading_bar.h"
#include "images/dataset.h"
#include "terminal/options.h"

/* Options that shape a data set; with pyr_data_section among the command's sections. */
extern const pyr_option pyr_data_options[];

/* What is put into pyr_data_settings.reading; `state` must outlive the opening. */
pyr_reading pyr_reading_shown(pyr_reading_bar *state, pyr_bar *bar);

/* pyr_dataset_open with that. */
pyr_status pyr_open_data(pyr_dataset **out, const pyr_data_settings *set, pyr_bar *bar);
/* The data set that the options name and shape, of a command whose settings are those of `data` alone. */
pyr_status pyr_open_data_typed(pyr_dataset **out, const pyr_parsed *parsed, pyr_bar *bar);

#endif
