/* page.h - the parts of a self-contained page of HTML: head and style, escaped text, embedded pictures.
 *
 * A page has no script, and asks a browser to run none (Content-Security-Policy); it loads nothing. It can be
 * read on a phone (text never scrolls sideways, wide tables do in a box of their own) and in print, in the
 * reader's dark or light colours. All adds to `out`; out->failed tells of memory. */
#ifndef PYR_REPORT_PAGE_H
#define PYR_REPORT_PAGE_H

#include "plots/svg.h"

void pyr_page_begin(pyr_text *out, const char *title);
void pyr_page_end(pyr_text *out);

/* printf, escaped. */
void pyr_page_text(pyr_text *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same between <tag> and </tag>. */
void pyr_page_element(pyr_text *out, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A figure with the picture at `path` as a data URI; small ones are enlarged by whole numbers. `words` are
 * its alternative text and its caption. What is no PNG, or cannot be read, becomes a sentence. */
void pyr_page_png(pyr_text *out, const char *path, const char *words);

/* A figure with a plot, whose title is the caption. */
void pyr_page_plot(pyr_text *out, const pyr_plot *plot);

/* Base64 (RFC 4648, section 4) of n bytes. */
void pyr_base64(pyr_text *out, const void *bytes, size_t n);

#endif
