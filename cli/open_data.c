/* open_data.c - the options of a data set, and opening it with a bar. */
#include "cli/open_data.h"

#include "images/data_settings.h"

const pyr_option pyr_data_options[] = {
    OPT_SETTING("channels", "N", "data.channels", NULL),
    OPT_SETTING("resize", "HxW", "data.resize", NULL),
    OPT_SETTING("crop", NULL, "data.crop", NULL),
    OPT_SETTING("skip-bad", NULL, "data.skip_bad", NULL),
    OPT_SETTING("held-out", "N", "data.held_out", NULL),
    OPT_SETTING("split", "WORD", "data.split", NULL),
    OPT_SETTING("classes", "WORD", "data.classes", NULL),
    {0},
};

pyr_reading pyr_reading_shown(pyr_reading_bar *state, pyr_bar *bar)
{
    *state = pyr_reading_bar_new(bar);
    return (pyr_reading){pyr_reading_bar_show, state};
}

pyr_status pyr_open_data(pyr_dataset **out, const pyr_data_settings *set, pyr_bar *bar)
{
    pyr_data_settings with = *set;
    pyr_reading_bar state;
    pyr_status status;

    with.reading = pyr_reading_shown(&state, bar);
    status = pyr_dataset_open(out, &with);
    pyr_bar_end(bar);
    return status;
}

pyr_status pyr_open_data_typed(pyr_dataset **out, const pyr_parsed *parsed, pyr_bar *bar)
{
    pyr_settings *settings = NULL;
    pyr_data_config config = {0};
    pyr_status status;

    *out = NULL;
    PYR_TRY_OUT(pyr_settings_new(&settings, parsed->command->sections));
    PYR_TRY_OUT(pyr_options_apply(parsed, settings));
    pyr_settings_fill(settings, "data", -1, &config);
    PYR_TRY_OUT(pyr_data_config_finish(&config));
    PYR_TRY_OUT(pyr_open_data(out, &config.set, bar));
out:
    pyr_settings_free(settings);
    return status;
}
