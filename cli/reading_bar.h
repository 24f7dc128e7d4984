/* reading_bar.h - how far reading a data set is. */
#ifndef PYR_CLI_READING_BAR_H
#define PYR_CLI_READING_BAR_H

#include "terminal/progress.h"

/* Shows reading that takes longer than a moment: a bar on a terminal, elsewhere a line now and then. */
typedef struct pyr_reading_bar {
    pyr_bar *bar; /* borrowed */
    double start, shown;
} pyr_reading_bar;

pyr_reading_bar pyr_reading_bar_new(pyr_bar *bar);
void pyr_reading_bar_show(void *state, int64_t done, int64_t all);

#endif
