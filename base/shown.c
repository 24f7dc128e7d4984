/* shown.c - texts from elsewhere made harmless for a terminal. */
#include "base/shown.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- characters ---- */

static bool is_control(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0xfffe || code == 0xffff; /* no characters: XML has no place for them */
}

static bool turns_writing(unsigned code)
{
    return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

size_t pyr_shown_length(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    size_t n = pyr_utf8_length(bytes);
    unsigned code = n ? pyr_utf8_code(bytes, n) : 0;

    return n && !is_control(code) && !turns_writing(code) ? n : 0;
}

bool pyr_is_shown(const char *text)
{
    for (size_t n; *text; text += n)
        if ((n = pyr_shown_length(text)) == 0)
            return false;
    return true;
}

void pyr_shown_byte(char out[5], char byte)
{
    const char *letter = byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : byte == '\r' ? "\\r" : NULL;

    if (letter)
        snprintf(out, 5, "%s", letter);
    else
        snprintf(out, 5, "\\x%02x", (unsigned char)byte);
}

/* ---- strings ---- */

static void put_text(pyr_shown_put put, void *ctx, const char *text, bool lines)
{
    while (*text) {
        const char *start = text;
        char byte[5];
        size_t n;

        while (*text && ((n = pyr_shown_length(text)) || (lines && *text == '\n')))
            text += n ? n : 1;
        if (text > start)
            put(ctx, start, (size_t)(text - start));
        if (*text) {
            pyr_shown_byte(byte, *text++);
            put(ctx, byte, strlen(byte));
        }
    }
}

void pyr_shown_lines(pyr_shown_put put, void *ctx, const char *text)
{
    put_text(put, ctx, text, true);
}

static void count_bytes(void *ctx, const char *bytes, size_t n)
{
    (void)bytes;
    *(size_t *)ctx += n;
}

/* ---- conversions ---- */

/* "%-*.*s" and the like, taken apart. */
typedef struct conversion {
    char flags[6], length[3], kind;
    int width, precision; /* precision -1: none given */
} conversion;

static int take_number(const char **fmt, int star)
{
    int value = 0;

    if (**fmt == '*') {
        (*fmt)++;
        return star;
    }
    for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
        value = 10 * value + (**fmt - '0');
    return value;
}

/* Letters out of `set` at *fmt into `out`, as many as have room. */
static void take_letters(const char **fmt, const char *set, char *out, size_t room)
{
    size_t n = 0;

    for (; **fmt && strchr(set, **fmt); (*fmt)++)
        if (n + 1 < room)
            out[n++] = **fmt;
    out[n] = 0;
}

/* va_list by pointer: an array type on some machines, so it travels in a struct. */
typedef struct arguments {
    va_list at;
} arguments;

/* The conversion behind the '%' at *fmt, which moves behind it. */
static conversion take_conversion(const char **fmt, arguments *args)
{
    conversion c = {.precision = -1};

    take_letters(fmt, "-+ #0", c.flags, sizeof c.flags);
    c.width = take_number(fmt, **fmt == '*' ? va_arg(args->at, int) : 0);
    if (c.width < 0) { /* as C has it: the flag '-' */
        c.width = -c.width;
        snprintf(c.flags, sizeof c.flags, "-");
    }
    if (**fmt == '.') {
        (*fmt)++;
        c.precision = take_number(fmt, **fmt == '*' ? va_arg(args->at, int) : 0);
    }
    take_letters(fmt, "hlzjt", c.length, sizeof c.length);
    c.kind = **fmt;
    if (c.kind)
        (*fmt)++;
    return c;
}

static intmax_t take_signed(const conversion *c, arguments *args)
{
    switch (c->length[0]) {
    case 'l':
        return c->length[1] ? va_arg(args->at, long long) : va_arg(args->at, long);
    case 'z':
        return va_arg(args->at, ptrdiff_t);
    case 'j':
        return va_arg(args->at, intmax_t);
    case 't':
        return va_arg(args->at, ptrdiff_t);
    case 'h':
        return c->length[1] ? (signed char)va_arg(args->at, int) : (short)va_arg(args->at, int);
    default:
        return va_arg(args->at, int);
    }
}

static uintmax_t take_unsigned(const conversion *c, arguments *args)
{
    switch (c->length[0]) {
    case 'l':
        return c->length[1] ? va_arg(args->at, unsigned long long) : va_arg(args->at, unsigned long);
    case 'z':
    case 't':
        return va_arg(args->at, size_t);
    case 'j':
        return va_arg(args->at, uintmax_t);
    case 'h':
        return c->length[1] ? (unsigned char)va_arg(args->at, unsigned)
                            : (unsigned short)va_arg(args->at, unsigned);
    default:
        return va_arg(args->at, unsigned);
    }
}

enum { NUMBER = 512 }; /* the longest double, with %f, takes 317 characters */

/* Numbers by snprintf itself, one at a time, in their widest type. */
static void put_number(pyr_shown_put put, void *ctx, const conversion *c, arguments *args)
{
    char spec[48], text[NUMBER], precision[16] = "";
    int n;

    if (c->precision >= 0)
        snprintf(precision, sizeof precision, ".%d", c->precision);
    snprintf(spec, sizeof spec, "%%%s%.0d%s%s%c", c->flags, c->width, precision,
             strchr("diuxXo", c->kind) ? "j" : "", c->kind);
    if (strchr("di", c->kind))
        n = snprintf(text, sizeof text, spec, take_signed(c, args));
    else if (strchr("uxXo", c->kind))
        n = snprintf(text, sizeof text, spec, take_unsigned(c, args));
    else if (c->kind == 'p')
        n = snprintf(text, sizeof text, spec, va_arg(args->at, void *));
    else
        n = snprintf(text, sizeof text, spec, va_arg(args->at, double));
    if (n > 0)
        put(ctx, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void put_blanks(pyr_shown_put put, void *ctx, size_t n)
{
    for (; n > 0; n--)
        put(ctx, " ", 1);
}

/* `text` shown, in its width. */
static void put_padded(pyr_shown_put put, void *ctx, const conversion *c, const char *text, bool lines)
{
    size_t width = (size_t)c->width, n = 0;
    bool left = strchr(c->flags, '-') != NULL;

    if (width)
        put_text(count_bytes, &n, text, lines);
    if (!left && width > n)
        put_blanks(put, ctx, width - n);
    put_text(put, ctx, text, lines);
    if (left && width > n)
        put_blanks(put, ctx, width - n);
}

/* At most c->precision bytes of `text`, in pieces that fit into a buffer; none is cut within a character. */
static void put_part(pyr_shown_put put, void *ctx, const conversion *c, const char *text)
{
    conversion piece = *c;
    size_t left = strnlen(text, (size_t)c->precision);
    char copy[NUMBER];

    piece.width = 0;
    if (left < sizeof copy)
        piece.width = c->width;
    do {
        size_t n = left < sizeof copy ? left : sizeof copy - 1;

        if (n < left)
            for (int back = 0; back < 3 && ((unsigned char)text[n] & 0xc0) == 0x80; back++)
                n--;
        memcpy(copy, text, n);
        copy[n] = 0;
        put_padded(put, ctx, &piece, copy, false);
        text += n;
        left -= n;
    } while (left);
}

static void put_string(pyr_shown_put put, void *ctx, const conversion *c, const char *text)
{
    if (!text)
        text = "(null)";
    if (c->precision >= 0)
        put_part(put, ctx, c, text);
    else
        put_padded(put, ctx, c, text, text == pyr_error());
}

static void put_conversion(pyr_shown_put put, void *ctx, const conversion *c, arguments *args)
{
    char one[2] = {0};

    switch (c->kind) {
    case '%':
        put(ctx, "%", 1);
        break;
    case 's':
        put_string(put, ctx, c, va_arg(args->at, const char *));
        break;
    case 'c':
        one[0] = (char)va_arg(args->at, int);
        put_padded(put, ctx, c, one, false);
        break;
    default:
        assert(c->kind && strchr("diuxXopfFeEgGaA", c->kind));
        put_number(put, ctx, c, args);
    }
}

void pyr_shown_format(pyr_shown_put put, void *ctx, const char *fmt, va_list args)
{
    arguments rest;

    va_copy(rest.at, args);
    while (*fmt) {
        size_t plain = strcspn(fmt, "%");

        if (plain)
            put(ctx, fmt, plain);
        fmt += plain;
        if (*fmt == '%') {
            conversion c;

            fmt++;
            c = take_conversion(&fmt, &rest);
            put_conversion(put, ctx, &c, &rest);
        }
    }
    va_end(rest.at);
}

/* ---- into memory ---- */

typedef struct buffer {
    char *at;
    size_t room, length;
} buffer;

static void put_buffer(void *ctx, const char *bytes, size_t n)
{
    buffer *b = ctx;
    size_t room = b->room - b->length;

    n = n < room ? n : room;
    memcpy(b->at + b->length, bytes, n);
    b->length += n;
}

/* Without the beginning of a character whose end did not fit. */
static size_t whole_characters(const char *text, size_t n)
{
    size_t start = n;

    while (start > 0 && n - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0 &&
        !pyr_utf8_length((const unsigned char *)text + start - 1))
        return start - 1;
    return n;
}

static void end_buffer(buffer *b)
{
    b->at[b->length] = 0;
    b->at[whole_characters(b->at, b->length)] = 0;
}

void pyr_shown_buffer(char *out, size_t room, const char *fmt, va_list args)
{
    buffer b = {out, room - 1, 0};

    pyr_shown_format(put_buffer, &b, fmt, args);
    end_buffer(&b);
}

void pyr_shown_buffer_lines(char *out, size_t room, const char *text)
{
    buffer b = {out, room - 1, 0};

    pyr_shown_lines(put_buffer, &b, text);
    end_buffer(&b);
}

static void put_end(void *ctx, const char *bytes, size_t n)
{
    pyr_text_add_bytes(ctx, bytes, n);
}

void pyr_shown_add(pyr_text *text, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    pyr_shown_format(put_end, text, fmt, args);
    va_end(args);
}
