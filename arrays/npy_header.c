/* npy_header.c - a Python dict of three keys, read without Python. */
#include "arrays/npy_header.h"

#include <string.h>

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t\r\n");
}

static bool skip_char(const char **at, char c)
{
    skip_blanks(at);
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static bool skip_word(const char **at, const char *word)
{
    size_t n = strlen(word);

    skip_blanks(at);
    if (strncmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

/* 'text' or "text"; nothing in an npy header needs escapes. */
static bool read_text(const char **at, char *dst, size_t room)
{
    char quote = **at;
    const char *end;
    size_t n;

    if (quote != '\'' && quote != '"')
        return false;
    end = strchr(++*at, quote);
    if (!end)
        return false;
    n = (size_t)(end - *at) < room - 1 ? (size_t)(end - *at) : room - 1;
    memcpy(dst, *at, n);
    dst[n] = 0;
    *at = end + 1;
    return true;
}

/* A structured type, [('a', '<f4'), ...]: passed over. */
static bool skip_list(const char **at)
{
    int depth = 0;

    do {
        if (!**at)
            return false;
        depth += **at == '[' || **at == '(';
        depth -= **at == ']' || **at == ')';
        ++*at;
    } while (depth > 0);
    return true;
}

static bool read_shape(const char **at, pyr_npy_header *h)
{
    if (!skip_char(at, '('))
        return false;
    while (!skip_char(at, ')')) {
        int64_t side = 0;

        if (**at < '0' || **at > '9')
            return false;
        for (; **at >= '0' && **at <= '9'; ++*at)
            if (__builtin_mul_overflow(side, 10, &side) || __builtin_add_overflow(side, **at - '0', &side))
                return false;
        *at += **at == 'L'; /* Python 2 wrote its long numbers so */
        if (h->rank < PYR_NPY_RANK)
            h->shape[h->rank] = side;
        h->rank++;
        if (!skip_char(at, ',') && (skip_blanks(at), **at != ')'))
            return false;
    }
    return true;
}

static bool read_value(const char **at, const char *key, pyr_npy_header *h)
{
    skip_blanks(at);
    if (strcmp(key, "descr") == 0) {
        h->met |= 1;
        return **at == '[' ? skip_list(at) : read_text(at, h->descr, sizeof h->descr);
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->met |= 2;
        h->fortran = skip_word(at, "True");
        return h->fortran || skip_word(at, "False");
    }
    if (strcmp(key, "shape") == 0) {
        h->met |= 4;
        return read_shape(at, h);
    }
    return false;
}

bool pyr_npy_header_parse(pyr_npy_header *h, const char *text)
{
    char key[16];

    *h = (pyr_npy_header){.shape = {1, 1, 1, 1}};
    if (!skip_char(&text, '{'))
        return false;
    while (!skip_char(&text, '}')) {
        unsigned met = h->met;

        if (!read_text(&text, key, sizeof key) || !skip_char(&text, ':') || !read_value(&text, key, h) ||
            h->met == met)
            return false;
        if (!skip_char(&text, ',') && *text != '}')
            return false;
    }
    skip_blanks(&text);
    return h->met == 7 && !*text;
}
