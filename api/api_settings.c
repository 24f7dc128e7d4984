/* api_settings.c - settings by key as text, fitted to the images where they are the built-in configuration. */
#include "api/handles.h"

#include "base/file.h"
#include "base/mem.h"
#include "cascade/default_config.h"
#include "levels/level_file.h"
#include <stdio.h>

static pyr_status open_settings(pyrdiff_settings **out, const char *from)
{
    bool run = false;

    PYR_TRY(pyr_new(out, 1, sizeof **out, "settings"));
    (*out)->fitting = !from;
    if (!from)
        return pyr_default_settings_read(&(*out)->at);
    if (*from)
        PYR_TRY(pyr_run_exists(&run, from));
    if (run)
        return pyr_run_settings(&(*out)->at, from);
    PYR_TRY(pyr_settings_new(&(*out)->at, pyr_all_sections));
    return *from ? pyr_settings_read((*out)->at, from) : PYR_OK;
}

int pyrdiff_settings_open(pyrdiff_settings **out, const char *from)
{
    pyr_call call;
    pyr_status status;

    pyr_call_begin(&call, NULL, NULL);
    status = open_settings(out, from);
    if (status != PYR_OK) {
        pyrdiff_settings_free(*out);
        *out = NULL;
    }
    return pyr_call_end(&call, status);
}

void pyrdiff_settings_free(pyrdiff_settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        pyr_free(s->before[i].key);
        pyr_free(s->before[i].value);
        pyr_free(s->before[i].origin);
    }
    pyr_free(s->before);
    pyr_settings_free(s->at);
    pyr_free(s);
}

/* Remember it, while the levels may still be made anew. */
static pyr_status remember(pyrdiff_settings *s, const char *key, const char *value, const char *origin)
{
    pyr_set_before *last;

    PYR_TRY(pyr_grow(&s->before, &s->room, s->n, sizeof *s->before, "a setting"));
    last = &s->before[s->n++];
    *last = (pyr_set_before){0};
    PYR_TRY(pyr_format(&last->key, "%s", key));
    PYR_TRY(pyr_format(&last->value, "%s", value));
    return pyr_format(&last->origin, "%s", origin);
}

int pyrdiff_settings_set(pyrdiff_settings *s, const char *key, const char *value, const char *origin)
{
    pyr_call call;
    pyr_status status;

    pyr_call_begin(&call, NULL, NULL);
    origin = origin ? origin : "set by the program";
    status = pyr_settings_set(s->at, key, value, origin);
    if (status == PYR_OK && s->fitting)
        status = remember(s, key, value, origin);
    return pyr_call_end(&call, status);
}

int pyrdiff_settings_get(const pyrdiff_settings *s, const char *key, char *value, size_t size)
{
    pyr_call call;
    pyr_text text = {0};
    pyr_status status;

    pyr_call_begin(&call, NULL, NULL);
    status = pyr_settings_text(s->at, key, &text);
    if (status == PYR_OK && text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for a setting");
    if (size)
        snprintf(value, size, "%s", status == PYR_OK && text.at ? text.at : "");
    pyr_text_free(&text);
    return pyr_call_end(&call, status);
}

/* ---- levels by the size of the images ------------------------------------------------------------ */

static pyr_status set_again(void *arg, pyr_settings *settings)
{
    const pyrdiff_settings *s = arg;

    for (size_t i = 0; i < s->n; i++)
        PYR_TRY(pyr_settings_set(settings, s->before[i].key, s->before[i].value, s->before[i].origin));
    return PYR_OK;
}

pyr_status pyr_settings_fit(pyrdiff_settings *s, const pyr_dataset *data, pyr_call *call)
{
    pyr_dataset_shape shape = pyr_dataset_shape_of(data);
    pyr_pyramid_settings pyramid;

    if (!s->fitting)
        return PYR_OK;
    PYR_TRY(pyr_default_settings_fit(&s->at, data, set_again, s));
    s->fitting = false;
    pyr_settings_fill(s->at, "pyramid", -1, &pyramid);
    pyr_call_say(call, "configuration: %s (built in), %d level%s for images of %dx%d",
                 pyr_default_config_name, pyramid.levels, pyramid.levels == 1 ? "" : "s", shape.h, shape.w);
    return PYR_OK;
}

pyr_status pyr_settings_data(pyr_dataset **out, pyrdiff_settings *s, pyr_call *call)
{
    pyr_config config;
    pyr_status status;

    *out = NULL;
    if (s->fitting) {
        PYR_TRY(pyr_default_data(out, s->at, pyr_call_reading(call)));
        status = pyr_settings_fit(s, *out, call);
        if (status != PYR_OK) {
            pyr_dataset_free(*out);
            *out = NULL;
        }
        return status;
    }
    PYR_TRY(pyr_config_get(&config, s->at));
    if (!*config.data.set.path)
        return PYR_OK;
    config.data.set.reading = pyr_call_reading(call);
    return pyr_dataset_open(out, &config.data.set);
}

/* ---- what is at a path ---------------------------------------------------------------------------- */

static pyr_status look_at_level(pyrdiff_found *out, const char *run, int level)
{
    pyr_level_facts facts = {0};
    char *folder;
    bool there;
    pyr_status status;

    PYR_TRY(pyr_run_has_level(&there, run, level));
    if (!there)
        return PYR_OK;
    PYR_TRY(pyr_run_level(&folder, run, level));
    status = pyr_level_unet_facts(folder, &facts);
    pyr_free(folder);
    out->trained = status == PYR_OK;
    out->classes = facts.classes;
    return status;
}

static pyr_status look(pyrdiff_found *out, const char *path, int level)
{
    bool run, file, folder;

    PYR_TRY(pyr_run_exists(&run, path));
    PYR_TRY(pyr_file_exists(&file, path));
    PYR_TRY(pyr_folder_exists(&folder, path));
    out->kind = run                         ? PYRDIFF_RUN
                : pyr_pipeline_exists(path) ? PYRDIFF_PIPELINE
                : folder                    ? PYRDIFF_FOLDER
                : file                      ? PYRDIFF_FILE
                                            : PYRDIFF_NOTHING;
    return run && level >= 0 ? look_at_level(out, path, level) : PYR_OK;
}

int pyrdiff_look(const char *path, int level, pyrdiff_found *found)
{
    pyrdiff_found own = {0};
    pyr_call call;
    pyr_status status;

    pyr_call_begin(&call, NULL, NULL);
    status = look(&own, path, level);
    pyr_give(found, &own, sizeof own);
    return pyr_call_end(&call, status);
}
