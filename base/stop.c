/* stop.c - the hook of a thread that is asked whether to stop. */
#include "base/stop.h"

static _Thread_local pyr_stop current;

pyr_stop pyr_stop_hook(pyr_stop hook)
{
    pyr_stop before = current;

    current = hook;
    return before;
}

pyr_stop pyr_stop_current(void)
{
    return current;
}

bool pyr_stop_requested(void)
{
    return current.asked && current.asked(current.ctx);
}

bool pyr_should_stop(void *unused)
{
    (void)unused;
    return pyr_stop_requested();
}
