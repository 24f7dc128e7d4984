/* watch.c - events of the library on the terminal. */
#include "cli/watch.h"

#include "terminal/signals.h"
#include <assert.h>
#include <stdlib.h>

void pyr_watch_begin(pyr_watch *w)
{
    w->bar = pyr_bar_new();
    w->reading = pyr_reading_bar_new(&w->bar);
}

int pyr_watch_event(void *watch, const pyrdiff_event *event)
{
    pyr_watch *w = watch;

    switch (event->kind) {
    case PYRDIFF_EVENT_NOTE:
        pyr_bar_line(&w->bar, "%s", event->text);
        break;
    case PYRDIFF_EVENT_READING:
        pyr_reading_bar_show(&w->reading, event->done, event->total);
        break;
    case PYRDIFF_EVENT_IMAGES:
        pyr_bar_sampling(&w->bar, event->done, event->total, event->images_per_s);
        break;
    default:
        break;
    }
    return pyr_signalled();
}

int pyr_watch_stop(void *watch, const pyrdiff_event *event)
{
    return event->kind == PYRDIFF_EVENT_IMAGES ? pyr_signalled() : pyr_watch_event(watch, event);
}

pyr_status pyr_set_public(void *settings, const char *key, const char *value, const char *origin)
{
    return pyrdiff_settings_set(settings, key, value, origin);
}

static void pass(pyr_passed *out, const pyr_parsed *parsed, const char *const *names)
{
    for (; *names; names++) {
        const char *value = pyr_option_value(parsed, *names);

        if (!value || !*value)
            continue;
        assert(out->n < 2 * PYR_PASSED);
        out->at[out->n++] = *names;
        out->at[out->n++] = value;
    }
}

pyr_passed pyr_pass_options(const pyr_parsed *parsed, const char *const *names)
{
    pyr_passed out = {.n = 0};

    pass(&out, parsed, names);
    pass(&out, parsed, (const char *const[]){"backend", "precision", "threads", NULL});
    return out;
}

int pyr_number_of(const pyrdiff_settings *settings, const char *key)
{
    char text[32];

    return pyrdiff_settings_get(settings, key, text, sizeof text) == PYRDIFF_OK ? atoi(text) : 0;
}
