/* shown.h - texts that a person is to read, made of names that come from anywhere.
 *
 * A name of a file, a class or a tensor may hold any byte. Sent to a terminal as it is, ESC changes colours,
 * a newline forges a line of ours, U+202E turns the rest of the line round. Here such bytes are written out:
 * "a\x1b[31m", "a\nb". A backslash stays one, so that what was shown once is shown the same again. */
#ifndef PYR_BASE_SHOWN_H
#define PYR_BASE_SHOWN_H

#include "base/text.h"
#include <stdarg.h>

/* Bytes of the character at `at` (NUL-terminated, not empty) if it may reach a terminal as it is. 0: its
 * first byte may not, as it is no UTF-8 or begins a control character (C0, DEL, C1), a line or paragraph
 * separator (U+2028, U+2029), or one that changes the direction of writing (U+061C, U+200E, U+200F,
 * U+202A..202E, U+2066..2069: Unicode Technical Report 36). */
size_t pyr_shown_length(const char *at);

/* Whether a text holds only such characters: it is shown as it is. */
bool pyr_is_shown(const char *text);

/* How one such byte is written: "\n", "\t", "\r" or "\x1b". */
void pyr_shown_byte(char out[5], char byte);

/* A format and what it brings, in pieces, to `put`: as vprintf writes it, but what %s and %c bring is shown,
 * while the format itself (its newlines) stays. The sentence of pyr_error() as an argument of %s was shown
 * when it was made and keeps its lines. Conversions: d i u x X o c s p f F e E g G a A, with widths,
 * precisions and all lengths but L; %%. */
typedef void (*pyr_shown_put)(void *ctx, const char *bytes, size_t n);
void pyr_shown_format(pyr_shown_put put, void *ctx, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* The same into `out`, cut at `room` - 1 bytes, never within a character. */
void pyr_shown_buffer(char *out, size_t room, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* A text of several lines that are ours: as "%s", but newlines stay. `text` may not lie in `out`. */
void pyr_shown_lines(pyr_shown_put put, void *ctx, const char *text);
void pyr_shown_buffer_lines(char *out, size_t room, const char *text);

/* As pyr_shown_buffer, at the end of a text. */
void pyr_shown_add(pyr_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
