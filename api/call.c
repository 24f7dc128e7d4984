/* call.c - before and after the work of a public function. */
#include "api/call.h"

#include "base/mem.h"
#include "base/threads.h"
#include <math.h>
#include <string.h>

/* From any lane: only the thread that called asks its callback. */
static bool asked(void *ctx)
{
    pyr_call *call = ctx;
    pyrdiff_event poll;

    if (atomic_load(&call->stopped) || !pthread_equal(pthread_self(), call->thread))
        return atomic_load(&call->stopped);
    poll = pyr_call_event(PYRDIFF_EVENT_POLL);
    pyr_call_report(call, &poll);
    return atomic_load(&call->stopped);
}

void pyr_call_begin(pyr_call *call, pyrdiff_callback callback, void *ctx)
{
    call->callback = callback;
    call->ctx = ctx;
    call->thread = pthread_self();
    atomic_init(&call->stopped, false);
    call->stop = pyr_stop_current();
    if (callback)
        pyr_stop_hook((pyr_stop){.asked = asked, .ctx = call});
    call->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    call->locale = call->c ? uselocale(call->c) : (locale_t)0;
    call->openmp = pyr_openmp_threads(1);
}

int pyr_call_end(pyr_call *call, pyr_status status)
{
    pyr_openmp_threads(call->openmp);
    if (call->c) {
        uselocale(call->locale);
        freelocale(call->c);
    }
    pyr_stop_hook(call->stop);
    return status;
}

pyrdiff_event pyr_call_event(pyrdiff_event_kind kind)
{
    return (pyrdiff_event){.size = sizeof(pyrdiff_event),
                           .kind = kind,
                           .level = -1,
                           .loss = (double)NAN,
                           .held_out = (double)NAN,
                           .held_out_weights = (double)NAN,
                           .mfu = (double)NAN};
}

void pyr_call_report(pyr_call *call, const pyrdiff_event *event)
{
    if (call->callback && call->callback(call->ctx, event) != 0)
        atomic_store(&call->stopped, true);
}

void pyr_call_note(void *call, const char *line)
{
    pyrdiff_event event = pyr_call_event(PYRDIFF_EVENT_NOTE);

    event.text = line;
    pyr_call_report(call, &event);
}

void pyr_call_say(pyr_call *call, const char *fmt, ...)
{
    va_list args;
    char *line;

    va_start(args, fmt);
    line = pyr_vstrfmt(fmt, args);
    va_end(args);
    if (line)
        pyr_call_note(call, line);
    pyr_free(line);
}

void pyr_call_images(void *call, int64_t done, int64_t total, double images_per_s)
{
    pyrdiff_event event = pyr_call_event(PYRDIFF_EVENT_IMAGES);

    event.done = done;
    event.total = total;
    event.images_per_s = images_per_s;
    pyr_call_report(call, &event);
}

static void read_so_far(void *call, int64_t done, int64_t all)
{
    pyrdiff_event event = pyr_call_event(PYRDIFF_EVENT_READING);

    event.done = done;
    event.total = all;
    pyr_call_report(call, &event);
}

pyr_reading pyr_call_reading(pyr_call *call)
{
    return call->callback ? (pyr_reading){read_so_far, call} : (pyr_reading){0};
}

void pyr_give(void *to, const void *from, size_t size)
{
    size_t room;

    memcpy(&room, to, sizeof room);
    room = room < size ? room : size;
    if (room > sizeof room)
        memcpy((char *)to + sizeof room, (const char *)from + sizeof room, room - sizeof room);
}
