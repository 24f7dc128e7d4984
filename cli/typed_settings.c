/* typed_settings.c - the settings of a command: those of a run, a file or the default, and what was typed. */
#include "cli/typed_settings.h"

#include "base/mem.h"
#include "cascade/default_config.h"
#include "cli/open_data.h"
#include "terminal/output.h"

static pyr_status apply(void *parsed, pyr_settings *settings)
{
    return pyr_options_apply(parsed, settings);
}

pyr_status pyr_run_settings_typed(pyr_settings **settings, pyr_config *config, const char *run,
                                  const pyr_parsed *parsed)
{
    PYR_TRY(pyr_run_settings(settings, run));
    PYR_TRY(pyr_options_apply(parsed, *settings));
    return pyr_config_get(config, *settings);
}

pyr_status pyr_file_settings_typed(pyr_settings **settings, const char *path, const pyr_parsed *parsed)
{
    PYR_TRY(pyr_settings_new(settings, pyr_all_sections));
    if (*path)
        PYR_TRY(pyr_settings_read(*settings, path));
    return pyr_options_apply(parsed, *settings);
}

pyr_status pyr_default_settings_typed(pyr_settings **out, pyr_dataset **data, pyr_parsed *parsed)
{
    pyr_pyramid_settings pyramid;
    pyr_dataset_shape s;
    pyr_bar bar = pyr_bar_new();
    pyr_reading_bar state;
    pyr_status status = pyr_default_settings(out, data, apply, parsed, pyr_reading_shown(&state, &bar));

    pyr_bar_end(&bar);
    PYR_TRY(status);
    pyr_settings_fill(*out, "pyramid", -1, &pyramid);
    s = pyr_dataset_shape_of(*data);
    pyr_tell("configuration: %s (built in), %d level%s for images of %dx%d\n", pyr_default_config_name,
             pyramid.levels, pyramid.levels == 1 ? "" : "s", s.h, s.w);
    return PYR_OK;
}
