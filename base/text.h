/* text.h - small work on strings: growing text, nearest word, quantities. */
#ifndef PYR_BASE_TEXT_H
#define PYR_BASE_TEXT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text that grows. Start from {0}; `failed` is set when memory ran out, and
 * then later calls do nothing, so that one check at the end is enough. */
typedef struct pyr_text {
    char *at; /* NUL-terminated; NULL while empty; owned */
    size_t length, room;
    bool failed;
} pyr_text;

void pyr_text_add(pyr_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pyr_text_add_bytes(pyr_text *text, const void *bytes, size_t n);
void pyr_text_free(pyr_text *text); /* back to {0} */

/* Add a word as a shell takes it: plain, or in single quotes; always in quotes. */
void pyr_text_add_shell(pyr_text *text, const char *word);
void pyr_text_add_quoted(pyr_text *text, const char *word);
/* The same in `room`; a word that does not fit is returned as it is. */
enum { PYR_SHELL_ROOM = 1024 };
const char *pyr_shell_word(char room[PYR_SHELL_ROOM], const char *word);
/* The same within the caller's block, for sentences with a command in them. */
#define PYR_SHELL(word) pyr_shell_word((char[PYR_SHELL_ROOM]){0}, word)

/* Add `words` in lines of at most `width` columns: the first begins at column `at`, or below where that is too
 * far right; all are indented to `column`. */
void pyr_text_add_wrapped(pyr_text *text, const char *words, int at, int column, int width);

/* Whether the text ends so, case ignored. */
bool pyr_ends_with(const char *text, const char *ending);
/* The length of the first ending that it has, of several with a space between (".jpg .jpeg"); 0: none. */
size_t pyr_ending_of(const char *text, const char *endings);

/* The candidate with the smallest edit distance to `word` (case ignored), or
 * NULL when none is near enough to be a likely slip of the hand. */
const char *pyr_nearest(const char *word, const char *const *candidates, size_t n);

/* Which of n words the `length` letters at `at` are. PYR_E_ARG for none: `there is no WHAT "x"; did you mean
 * y? (all of them)`. */
pyr_status pyr_find_word(int *index, const char *what, const char *at, size_t length,
                         const char *const *words, size_t n);

/* "200ki" -> 204800, "3k" -> 3000, "1.5Mi", "7": a count with an optional
 * suffix k, M, G (1000s) or ki, Mi, Gi (1024s), case ignored. false: not one. */
bool pyr_parse_count(const char *text, int64_t *out);

/* Bytes of the UTF-8 character at `at` (NUL-terminated), 0 when it is none. */
size_t pyr_utf8_length(const unsigned char *at);

/* The code point of its n bytes, n as pyr_utf8_length gave it (1..4). */
unsigned pyr_utf8_code(const unsigned char *at, size_t n);

/* A finite number with nothing after it. */
bool pyr_parse_real(const char *text, double *out);

/* "" as NULL: a text that was not given. */
static inline const char *pyr_given(const char *text)
{
    return *text ? text : NULL;
}

#endif
