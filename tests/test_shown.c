/* test_shown.c - names of any bytes in sentences, printed lines, JSON: shown, never raw. */
#include "base/json.h"
#include "base/mem.h"
#include "base/shown.h"
#include "tests/check.h"
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

static char made[5000];

static void make(size_t room, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void make(size_t room, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    pyr_shown_buffer(made, room, fmt, args);
    va_end(args);
}

#define SHOWN(expected, ...)                                                                                 \
    do {                                                                                                     \
        make(sizeof made, __VA_ARGS__);                                                                      \
        CHECK_STRING(made, expected);                                                                        \
    } while (0)

/* What C's own printf makes of the same. */
#define AS_PRINTF(...)                                                                                       \
    do {                                                                                                     \
        char own[5000];                                                                                      \
                                                                                                             \
        snprintf(own, sizeof own, __VA_ARGS__);                                                              \
        SHOWN(own, __VA_ARGS__);                                                                             \
    } while (0)

static void names_are_shown(void)
{
    SHOWN("a\\x1b[31mx\\x07\nb", "%s\nb", "a\033[31mx\a");
    SHOWN("one: b\\nclass 9 forged\n", "one: %s\n", "b\nclass 9 forged");
    SHOWN("\\t\\r\\x7f", "%s", "\t\r\x7f");
    SHOWN("caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x99\x82", "%s", "caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x99\x82");
    SHOWN("C1 \\xc2\\x9b31m \\xc2\\x80 \xc2\xa0", "%s", "C1 \xc2\x9b\x33\x31m \xc2\x80 \xc2\xa0");
    SHOWN("\\x9b31m \\xff \\xc3( \\xe2\\x82 \\xed\\xa0\\x80 \\xc0\\xaf \\xf5\\x80", "%s",
          "\x9b\x33\x31m \xff \xc3( \xe2\x82 \xed\xa0\x80 \xc0\xaf \xf5\x80");
    SHOWN("a\\xe2\\x80\\xaegpj.exe \\xe2\\x81\\xa6 \\xe2\\x80\\xa8 \\xd8\\x9c", "%s",
          "a\xe2\x80\xaegpj.exe \xe2\x81\xa6 \xe2\x80\xa8 \xd8\x9c");
    SHOWN("back\\slash \\x1b", "%s", "back\\slash \\x1b"); /* shown once more: the same */
    SHOWN("\\n|a", "%c|%c", '\n', 'a');
}

/* Every byte, alone and behind a letter, gives a line without control characters. */
static void every_byte(void)
{
    for (int byte = 1; byte < 256; byte++) {
        char name[3] = {(char)byte, 'a', 0}, again[3] = {'a', (char)byte, 0};

        make(sizeof made, "%s%s", name, again);
        CHECK(pyr_is_shown(made));
        for (const char *c = made; *c; c++)
            CHECK((unsigned char)*c >= 0x20 && *c != 0x7f && (unsigned char)*c < 0x80);
        CHECK(pyr_is_shown(name) == (byte >= 0x20 && byte < 0x7f));
    }
    for (int a = 0x20; a < 256; a++) /* different names stay different */
        for (int b = 0; b < 0x20; b++) {
            char one[2] = {(char)a, 0}, other[2] = {(char)b, 0}, first[sizeof made];

            make(sizeof made, "%s", one);
            snprintf(first, sizeof first, "%s", made);
            make(sizeof made, "%s", other);
            CHECK(strcmp(first, made) != 0);
        }
}

static void formats_as_printf(void)
{
    AS_PRINTF("%d %5d|%-5d|%05d|%+d|% d|%.3d", -7, 42, 42, 42, 42, 42, 7);
    AS_PRINTF("%d %d %i", INT_MAX, INT_MIN, 0);
    AS_PRINTF("%u %x %X %#x %o %08x", UINT_MAX, 0xbeefu, 0xbeefu, 255u, 8u, 0x1234u);
    AS_PRINTF("%ld %lu %lld %llu %llx", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX, ULLONG_MAX);
    AS_PRINTF("%zu %zd %jd %ju %td", SIZE_MAX, (ssize_t)-1, INTMAX_MIN, UINTMAX_MAX, (ptrdiff_t)-5);
    AS_PRINTF("%hhd %hd %hhu %hx", (signed char)-3, (short)-300, (unsigned char)200, (unsigned short)0xffff);
    AS_PRINTF("%016" PRIx64 " %" PRId64, UINT64_C(0xdeadbeef), INT64_C(-9));
    AS_PRINTF("%f %.3f %10.2f|%-10.2f|%e %.2e %g %#.4g %G %a", 1.5, 2.25, 3.125, 3.125, 1e9, 12345.678, 1e-5,
              2.0, 1e20, 1.0);
    AS_PRINTF("%f %g %g", DBL_MAX, HUGE_VAL, -DBL_MIN);
    AS_PRINTF("%*d|%-*d|%*d|%.*f", 6, 1, 6, 2, -6, 3, 2, 1.239);
    AS_PRINTF("%s|%10s|%-10s|%.2s|%.*s|%-6.3s|%.0s|%*s", "abc", "abc", "abc", "abc", 1, "abc", "abcdef",
              "abc", 5, "");
    AS_PRINTF("100%% %c%3c|%-3c|", 'a', 'b', 'c');
    AS_PRINTF("%p", (void *)made);
    AS_PRINTF("nothing");
    AS_PRINTF("%s", "");
}

static void widths_are_those_of_what_is_shown(void)
{
    SHOWN("|a\\x1bb |", "|%-7s|", "a\033b");
    SHOWN("| a\\nb|", "|%5s|", "a\nb");
    SHOWN("|\\xc3|", "|%.1s|", "\xc3\xa9"); /* a character that the precision cuts in two is none */
}

static void long_names(void)
{
    char name[2001], expected[2001];

    for (size_t i = 0; i < 1000; i++)
        memcpy(name + 2 * i, "\xc3\xa9", 2);
    name[2000] = 0;
    memcpy(expected, name, sizeof name);
    SHOWN(expected, "%s", name);
    SHOWN(expected, "%.*s", 2000, name); /* in pieces */
    for (size_t room = 1; room < 12; room++) {
        make(room, "x%s", name);
        CHECK(strlen(made) < room && pyr_is_shown(made)); /* the end is no half character */
    }
}

static void sentences_keep_our_lines(void)
{
    pyr_fail(PYR_E_ARG, "two\nlines of %s", "a\nb");
    CHECK_STRING(pyr_error(), "two\nlines of a\\nb");
    pyr_fail(PYR_E_ARG, "%s, again", pyr_error());
    CHECK_STRING(pyr_error(), "two\nlines of a\\nb, again");
    pyr_fail_prefix(PYR_E_ARG, "%s", "f\n.png");
    CHECK_STRING(pyr_error(), "f\\n.png: two\nlines of a\\nb, again");
    pyr_fail_lines(PYR_E_CONFIG, "  a -> b\n  c -> \033d\n");
    CHECK_STRING(pyr_error(), "  a -> b\n  c -> \\x1bd\n");
}

static void texts(void)
{
    pyr_text text = {0};

    pyr_shown_add(&text, "%s=%d\n", "a\nb", 3);
    pyr_shown_add(&text, "%s", "c");
    CHECK_STRING(text.at, "a\\nb=3\nc");
    pyr_mem_fail_after(0);
    pyr_shown_add(&text, "%s", made);
    pyr_shown_add(&text, "%.4000d", 1);
    pyr_mem_fail_after(-1);
    CHECK(text.failed);
    pyr_text_free(&text);
}

/* JSON of any bytes is valid, holds no control characters, and keeps what is UTF-8. */
static void json_of_any_bytes(void)
{
    static const char name[] =
        "q\" <script> \\ \033[31m \x7f \xc2\x9b \xe2\x80\xae caf\xc3\xa9 \xf0\x9f\x99\x82";
    pyr_json json = {.indent = 0};
    pyr_json_value *tree;

    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, name, name);
    pyr_json_string(&json, "bad", "a\xff\xc3(");
    pyr_json_close(&json, '}');
    CHECK(pyr_is_shown(json.text.at));
    CHECK_OK(pyr_json_parse(&tree, json.text.at, json.text.length, "x.json"));
    CHECK_STRING(pyr_json_text(pyr_json_member(tree, name)), name);
    CHECK_STRING(pyr_json_text(pyr_json_member(tree, "bad")), "a\\xff\\xc3(");
    pyr_json_free(tree);
    pyr_text_free(&json.text);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(names_are_shown);
    RUN(every_byte);
    RUN(formats_as_printf);
    RUN(widths_are_those_of_what_is_shown);
    RUN(long_names);
    RUN(sentences_keep_our_lines);
    RUN(texts);
    RUN(json_of_any_bytes);
    return CHECK_DONE();
}
