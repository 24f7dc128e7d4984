/* text.c - texts that grow, words, quantities, UTF-8. */
#include "base/text.h"

#include "base/mem.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool reserve(pyr_text *text, size_t more)
{
    size_t need = text->length + more + 1;

    if (text->failed)
        return false;
    if (need > text->room) {
        size_t room = need < 128 ? 128 : need + need / 2;
        char *at = pyr_realloc(text->at, room, 1);

        if (!at) {
            text->failed = true;
            return false;
        }
        text->at = at;
        text->room = room;
    }
    return true;
}

void pyr_text_add_bytes(pyr_text *text, const void *bytes, size_t n)
{
    if (!reserve(text, n))
        return;
    memcpy(text->at + text->length, bytes, n);
    text->length += n;
    text->at[text->length] = 0;
}

void pyr_text_add(pyr_text *text, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !reserve(text, (size_t)n))
        return;
    va_start(args, fmt);
    vsnprintf(text->at + text->length, (size_t)n + 1, fmt, args);
    va_end(args);
    text->length += (size_t)n;
}

void pyr_text_free(pyr_text *text)
{
    pyr_free(text->at);
    *text = (pyr_text){0};
}

/* Levenshtein distance with adjacent swaps, over at most LONGEST characters. */
enum { LONGEST = 63 };
static int distance(const char *a, const char *b)
{
    int row[3][LONGEST + 1];
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);

    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            int best = last[j - 1] + (ca != cb);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

void pyr_text_add_shell(pyr_text *text, const char *word)
{
    if (*word &&
        !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=,:+-@%")])
        pyr_text_add_bytes(text, word, strlen(word));
    else
        pyr_text_add_quoted(text, word);
}

void pyr_text_add_quoted(pyr_text *text, const char *word)
{
    pyr_text_add(text, "'");
    for (; *word; word++)
        if (*word == '\'')
            pyr_text_add(text, "'\\''");
        else
            pyr_text_add_bytes(text, word, 1);
    pyr_text_add(text, "'");
}

const char *pyr_shell_word(char room[PYR_SHELL_ROOM], const char *word)
{
    pyr_text text = {0};

    pyr_text_add_shell(&text, word);
    if (!text.failed && text.length < PYR_SHELL_ROOM)
        word = memcpy(room, text.at, text.length + 1);
    pyr_text_free(&text);
    return word;
}

void pyr_text_add_wrapped(pyr_text *text, const char *words, int at, int column, int width)
{
    if (at > 0 && at >= column) { /* what stands there is too long: go on below */
        pyr_text_add(text, "\n");
        at = 0;
    }
    do {
        size_t room = (size_t)(width - column), n = strlen(words);

        if (n > room) {
            for (n = room; n > 0 && words[n] != ' '; n--)
                ;
            if (n == 0)
                n = strcspn(words, " ");
        }
        pyr_text_add(text, "%*s%.*s\n", column - at, "", (int)n, words);
        words += n;
        words += strspn(words, " ");
        at = 0;
    } while (*words);
}

bool pyr_ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);

    return n >= m && strcasecmp(text + n - m, ending) == 0;
}

size_t pyr_ending_of(const char *text, const char *endings)
{
    size_t all = strlen(text);

    for (const char *at = endings; *at;) {
        size_t n = strcspn(at, " ");

        if (n <= all && strncasecmp(text + all - n, at, n) == 0)
            return n;
        at += n + (at[n] == ' ');
    }
    return 0;
}

const char *pyr_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *nearest = NULL;
    int best = 1 + (int)strlen(word) / 3; /* about one slip in three letters */

    if (best > 4)
        best = 4;
    for (size_t i = 0; i < n; i++) {
        int d = distance(word, candidates[i]);

        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool pyr_parse_real(const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

static pyr_status no_such_word(const char *what, const char *at, size_t length, const char *const *words,
                               size_t n)
{
    char *word = pyr_strfmt("%.*s", (int)length, at);
    const char *nearest = word ? pyr_nearest(word, words, n) : NULL;
    pyr_text all = {0};

    for (size_t i = 0; i < n; i++)
        pyr_text_add(&all, "%s%s", i ? ", " : "", words[i]);
    pyr_fail(PYR_E_ARG, "there is no %s \"%s\"%s%s%s (%s)", what, word ? word : "",
             nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "",
             all.at ? all.at : "");
    pyr_free(word);
    pyr_text_free(&all);
    return PYR_E_ARG;
}

pyr_status pyr_find_word(int *index, const char *what, const char *at, size_t length,
                         const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(words[i]) == length && memcmp(words[i], at, length) == 0) {
            *index = (int)i;
            return PYR_OK;
        }
    return no_such_word(what, at, length, words, n);
}

size_t pyr_utf8_length(const unsigned char *at)
{
    size_t n = at[0] < 0x80                     ? 1
               : at[0] >= 0xc2 && at[0] < 0xe0  ? 2
               : at[0] >= 0xe0 && at[0] < 0xf0  ? 3
               : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                : 0;

    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* too long a form, a surrogate, beyond Unicode */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

unsigned pyr_utf8_code(const unsigned char *at, size_t n)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = at[0] & first[n];

    for (size_t i = 1; i < n; i++)
        code = code << 6 | (at[i] & 0x3f);
    return code;
}

bool pyr_parse_count(const char *text, int64_t *out)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1},      {"k", 1e3},      {"m", 1e6},          {"g", 1e9},
                 {"ki", 1024}, {"mi", 1048576}, {"gi", 1073741824.0}};
    char *end;
    double value = strtod(text, &end);

    if (end == text || !isfinite(value))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].suffix) == 0) {
            value *= units[i].factor;
            if (fabs(value) > 9e18 || fabs(value - nearbyint(value)) > 1e-3)
                return false;
            *out = (int64_t)llround(value);
            return true;
        }
    return false;
}
