/* progress.h - what a long command shows: a bar on a terminal, plain lines elsewhere, on stderr; and the
 * figures in them. */
#ifndef PYR_TERMINAL_PROGRESS_H
#define PYR_TERMINAL_PROGRESS_H

#include "base/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyr_bar {
    bool terminal; /* stderr is one */
    bool open;     /* a bar stands on the current line */
} pyr_bar;

pyr_bar pyr_bar_new(void);

/* Draw `done` of `total` with a label in front and text behind it; on a terminal only. The bar is as short as the text
 * needs it; of 80 columns 65 are for both. */
void pyr_bar_draw(pyr_bar *bar, const char *label, int64_t done, int64_t total, const char *text);
/* The same for images that are drawn: their rate and the time left. */
void pyr_bar_sampling(pyr_bar *bar, int64_t done, int64_t total, double images_per_s);
/* A line of its own: clears the bar first. */
void pyr_bar_line(pyr_bar *bar, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pyr_bar_end(pyr_bar *bar);

/* "1:05:09", "3:20", "0:07" into a buffer of 32. */
void pyr_clock_text(char text[32], double seconds);

double pyr_mib(size_t bytes);

#endif
