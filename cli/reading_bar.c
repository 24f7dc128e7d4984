/* reading_bar.c - how far reading a data set is. */
#include "cli/reading_bar.h"

#include "base/clock.h"

enum { MOMENT = 1, PAUSE = 30 }; /* seconds: before the bar, and between lines where there is no terminal */

pyr_reading_bar pyr_reading_bar_new(pyr_bar *bar)
{
    pyr_reading_bar s = {.bar = bar, .start = pyr_now()};

    s.shown = bar->terminal ? 0 : s.start;
    return s;
}

void pyr_reading_bar_show(void *state, int64_t done, int64_t all)
{
    pyr_reading_bar *s = state;
    double now = pyr_now();

    if (now - s->start < MOMENT || now - s->shown < (s->bar->terminal ? 0.1 : PAUSE))
        return;
    s->shown = now;
    if (s->bar->terminal)
        pyr_bar_draw(s->bar, "reading images", done, all, "");
    else
        pyr_bar_line(s->bar, "reading images: %.0f %%", 100 * (double)done / (double)all);
}
