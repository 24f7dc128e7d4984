/* output.h - what the commands print: the one way to standard output and to standard error.
 *
 * Formats are ours, arguments come from anywhere: what %s brings is shown as in base/shown.h, so that no name
 * of a file, class or tensor changes the terminal or forges a line. */
#ifndef PYR_TERMINAL_OUTPUT_H
#define PYR_TERMINAL_OUTPUT_H

#include "base/text.h"
#include <stdarg.h>

/* Results, to standard output. That a write failed is remembered for pyr_output_finish. */
void pyr_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Messages, to standard error; what one call writes goes out in one piece if it is shorter than 4 KiB. */
void pyr_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void pyr_vtell(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));

/* A text of several lines that are ours: tables, help, JSON. */
void pyr_print_lines(const char *text);
void pyr_tell_lines(const char *text);
/* The same of a growing text, which is freed. PYR_E_NOMEM: memory ran out for `what`. */
pyr_status pyr_print_text(pyr_text *text, const char *what);

/* Write out what is held back and close standard output, at the end of the program. PYR_E_IO: a full disk or
 * another error of any write up to here. */
pyr_status pyr_output_finish(void);

/* Whether a file can be written at `path` ("" is none), asked before hours of work: its folder is there and
 * may be written, and no folder has its name. PYR_E_IO. */
pyr_status pyr_output_possible(const char *path);

#endif
