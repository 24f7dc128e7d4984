/* parse.c - lists of numbers as they are typed. */
#include "settings/parse.h"

#include "base/mem.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits at *at, which moves behind them; false: none, or beyond 64 bits. */
static bool take_seed(const char **at, uint64_t *out)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return false;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

/* "7" or "0-63" at *at, which moves to the comma behind it or to the end. */
static pyr_status take_range(const char **at, uint64_t *first, uint64_t *last)
{
    const char *part = *at;
    int length = (int)strcspn(part, ",");
    bool good = take_seed(at, first);

    *last = *first;
    if (good && **at == '-') {
        (*at)++;
        good = take_seed(at, last);
    }
    if (!good || (**at && **at != ','))
        return pyr_fail(PYR_E_ARG, "\"%.*s\" is not a seed (0..%llu) or a range of seeds such as 0-63",
                        length, part, ULLONG_MAX);
    if (*last < *first)
        return pyr_fail(PYR_E_ARG, "the range %.*s runs backwards, should be %llu-%llu", length, part,
                        (unsigned long long)*last, (unsigned long long)*first);
    return PYR_OK;
}

/* Count the seeds of `text`, and with `out` write them. */
static pyr_status walk_seeds(const char *text, uint64_t *out, size_t *n)
{
    const char *at = text;

    for (*n = 0;; at++) {
        uint64_t first = 0, last = 0;

        PYR_TRY(take_range(&at, &first, &last));
        if (last - first >= PYR_SEEDS_MAX || *n + (size_t)(last - first) >= PYR_SEEDS_MAX)
            return pyr_fail(PYR_E_ARG, "\"%.60s\" names more than %d seeds", text, PYR_SEEDS_MAX);
        for (uint64_t i = 0; out && i <= last - first; i++)
            out[*n + i] = first + i;
        *n += (size_t)(last - first) + 1;
        if (!*at)
            return PYR_OK;
    }
}

pyr_status pyr_parse_seeds(const char *text, uint64_t **out, size_t *n)
{
    *out = NULL;
    PYR_TRY(walk_seeds(text, NULL, n));
    PYR_TRY(pyr_new(out, *n, sizeof **out, "the list of seeds"));
    return walk_seeds(text, *out, n);
}

pyr_status pyr_parse_seeds_option(const char *text, uint64_t **out, size_t *n)
{
    if (pyr_parse_seeds(text, out, n) == PYR_OK)
        return PYR_OK;
    pyr_free(*out);
    *out = NULL;
    return pyr_fail_prefix(PYR_E_ARG, "--seeds");
}

pyr_status pyr_parse_ints(const char *text, int *out, int max, int *n)
{
    for (*n = 0;; text++) {
        int length = (int)strcspn(text, ",");
        char *end;
        long value;

        errno = 0;
        value = strtol(text, &end, 10);
        if (length == 0 || isspace((unsigned char)*text) || end != text + length || errno ||
            value < INT_MIN || value > INT_MAX)
            return pyr_fail(PYR_E_ARG, "\"%.*s\" is not a whole number, should be a list such as 18,12,8",
                            length, text);
        if (*n >= max)
            return pyr_fail(PYR_E_ARG, "there are more than %d numbers", max);
        out[(*n)++] = (int)value;
        text = end;
        if (!*text)
            return PYR_OK;
    }
}

pyr_status pyr_parse_reals(const char *text, double *out, int max, int *n)
{
    for (*n = 0;; text++) {
        int length = (int)strcspn(text, ",");
        char *end;
        double value = strtod(text, &end);

        if (length == 0 || isspace((unsigned char)*text) || end != text + length || !isfinite(value))
            return pyr_fail(PYR_E_ARG, "\"%.*s\" is not a number, should be a list such as 2,1.5,1", length,
                            text);
        if (*n >= max)
            return pyr_fail(PYR_E_ARG, "there are more than %d numbers", max);
        out[(*n)++] = value;
        text = end;
        if (!*text)
            return PYR_OK;
    }
}

pyr_status pyr_parse_interval(const char *text, double *lo, double *hi)
{
    char *end;

    *lo = strtod(text, &end);
    if (end != text && *end == '-') {
        const char *second = end + 1;

        *hi = strtod(second, &end);
        if (end != second && *end == 0 && *lo >= 0 && *lo < *hi && isfinite(*hi))
            return PYR_OK;
    }
    return pyr_fail(PYR_E_ARG, "\"%s\" is not an interval, should be as 0.3-5", text);
}
