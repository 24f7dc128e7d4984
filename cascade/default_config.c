/* default_config.c - the built-in configuration, with the levels that the images allow. */
#include "cascade/default_config.h"

#include "base/file.h"
#include "base/mem.h"
#include <stdio.h>
#include <string.h>

const char pyr_default_config_name[] = "configs/fashion-mnist.cfg";

static const char built_in[] =
#include "default-config.inc" /* made by the Makefile: the lines of the file as texts */
    ;

/* ---- levels by the size of the images ---------------------------------------------------------- */

/* How often images can be halved before they are small enough for a network of one resolution, without
 * becoming lines. */
static int halvings(int h, int w)
{
    enum { LONGER = 8, SHORTER = 4 };
    int n = 0;

    for (; (h > LONGER || w > LONGER) && h >= SHORTER && w >= SHORTER && n < PYR_MAX_LEVELS - 1; n++) {
        h = (h + 1) / 2;
        w = (w + 1) / 2;
    }
    return n;
}

/* Which of the file's n levels each of ours takes. */
static void choose_entries(int *entry, int levels, int n, int h, int w)
{
    for (int i = 0; i < levels; i++) {
        int coarser = halvings(h, w);

        entry[i] = coarser < n ? n - 1 - coarser : 0;
        h = (h + 1) / 2;
        w = (w + 1) / 2;
    }
}

/* ---- settings ---------------------------------------------------------------------------------- */

static pyr_status read_file(pyr_settings **out)
{
    bool there;

    PYR_TRY(pyr_file_exists(&there, pyr_default_config_name));
    PYR_TRY(pyr_settings_new(out, pyr_all_sections));
    if (there)
        return pyr_settings_read(*out, pyr_default_config_name);
    return pyr_settings_read_text(*out, built_in, pyr_default_config_name);
}

/* Neither a default nor of the file. */
static bool is_typed(const pyr_settings *settings, const char *key)
{
    const char *origin = pyr_settings_origin(settings, key);

    return strcmp(origin, "default") != 0 &&
           strncmp(origin, pyr_default_config_name, sizeof pyr_default_config_name - 1) != 0;
}

pyr_status pyr_default_data(pyr_dataset **data, const pyr_settings *settings, pyr_reading reading)
{
    pyr_data_config config;

    pyr_settings_fill(settings, "data", -1, &config);
    PYR_TRY(pyr_data_config_finish(&config));
    if (!*config.set.path || (!is_typed(settings, "data.path") && !pyr_is_folder(config.set.path) &&
                              !pyr_is_file(config.set.path)))
        return pyr_fail(
            PYR_E_IO,
            "no data are given: add --data PATH (a folder or archive of images); those of the default "
            "configuration, Fashion-MNIST in %s (Debian's package dataset-fashion-mnist), are not here",
            config.set.path);
    config.set.reading = reading;
    return pyr_dataset_open(data, &config.set);
}

typedef struct fitting {
    pyr_settings *to;
    int levels, entry[PYR_MAX_LEVELS];
} fitting;

/* One setting of the file: those of one of its levels to every level that takes it. */
static pyr_status take_setting(void *arg, const char *key, const char *value, const char *origin)
{
    const fitting *f = arg;
    int of, end = 0;

    if (sscanf(key, "levels[%d].%n", &of, &end) < 1 || !end)
        return pyr_settings_set(f->to, key, value, origin);
    for (int i = 0; i < f->levels; i++)
        if (f->entry[i] == of) {
            char *own;
            pyr_status status;

            PYR_TRY(pyr_format(&own, "levels[%d].%s", i, key + end));
            status = pyr_settings_set(f->to, own, value, origin);
            pyr_free(own);
            PYR_TRY(status);
        }
    return PYR_OK;
}

/* *settings are the changed `file`; others in their place when the images ask for other levels than the
 * file's. */
static pyr_status fit_levels(pyr_settings **settings, const pyr_settings *file, const pyr_dataset *data,
                             pyr_settings_change change, void *arg)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(data);
    pyr_pyramid_settings own, pyramid;
    pyr_settings *fitted = NULL;
    fitting f;
    bool same;
    char number[16];
    pyr_status status = PYR_OK;

    pyr_settings_fill(file, "pyramid", -1, &own);
    pyr_settings_fill(*settings, "pyramid", -1, &pyramid);
    f.levels = is_typed(*settings, "pyramid.levels") ? pyramid.levels : halvings(s.h, s.w) + 1;
    choose_entries(f.entry, f.levels, own.levels, s.h, s.w);
    same = f.levels == own.levels;
    for (int i = 0; i < f.levels && same; i++)
        same = f.entry[i] == i;
    if (same)
        return PYR_OK;
    PYR_TRY_OUT(pyr_settings_new(&fitted, pyr_all_sections));
    f.to = fitted;
    PYR_TRY_OUT(pyr_settings_each(file, take_setting, &f));
    snprintf(number, sizeof number, "%d", f.levels);
    PYR_TRY_OUT(pyr_settings_set(fitted, "pyramid.levels", number, "by the size of the images"));
    PYR_TRY_OUT(change(arg, fitted));
    pyr_settings_free(*settings);
    *settings = fitted;
    return PYR_OK;
out:
    pyr_settings_free(fitted);
    return status;
}

pyr_status pyr_default_settings_read(pyr_settings **out)
{
    pyr_status status = read_file(out);

    if (status != PYR_OK) {
        pyr_settings_free(*out);
        *out = NULL;
    }
    return status;
}

pyr_status pyr_default_settings_fit(pyr_settings **settings, const pyr_dataset *data,
                                    pyr_settings_change change, void *arg)
{
    pyr_settings *file = NULL;
    pyr_status status = read_file(&file);

    if (status == PYR_OK)
        status = fit_levels(settings, file, data, change, arg);
    pyr_settings_free(file);
    return status;
}

pyr_status pyr_default_settings(pyr_settings **out, pyr_dataset **data, pyr_settings_change change, void *arg,
                                pyr_reading reading)
{
    pyr_status status;

    *data = NULL;
    PYR_TRY(pyr_default_settings_read(out));
    PYR_TRY_OUT(change(arg, *out));
    PYR_TRY_OUT(pyr_default_data(data, *out, reading));
    PYR_TRY_OUT(pyr_default_settings_fit(out, *data, change, arg));
out:
    if (status != PYR_OK) {
        pyr_dataset_free(*data);
        pyr_settings_free(*out);
        *data = NULL;
        *out = NULL;
    }
    return status;
}
