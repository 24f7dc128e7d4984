/* fuzz_settings.c - any text as a configuration: read, or refused with a sentence; what was read is
 * written, reads back, and is the same. The first byte chooses what comes in: 'K' a key and a value as of
 * --set (cut at the first '='), else a file's text. */
#include "settings/settings.h"
#include "tests/fuzz/input.h"
#include <math.h>
#include <stdio.h>

/* libconfig 1.5 loses a string that stands where the grammar breaks off. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\nleak:strbuf_append\n";
}

typedef struct any {
    int batch, filter;
    double real;
    bool flip;
    const char *path;
    int64_t images;
    pyr_duration duration;
    pyr_ints ints;
    pyr_reals reals;
    pyr_texts texts, words;
} any;

#define AT(field) offsetof(any, field)
static const char *const words[] = {"box", "haar", "gaussian", NULL};
static const pyr_setting rows[] = {
    {"batch", PYR_SETTING_INT, AT(batch), 1, 65536, "64", NULL, "a whole number"},
    {"a.filter", PYR_SETTING_CHOICE, AT(filter), 0, 0, "box", words, "a word"},
    {"a.real", PYR_SETTING_REAL, AT(real), 0, 0, "0.1", NULL, "a number"},
    {"a.b.flip", PYR_SETTING_BOOL, AT(flip), 0, 0, "true", NULL, "true or false"},
    {"path", PYR_SETTING_TEXT, AT(path), 0, 0, "", NULL, "a text"},
    {"images", PYR_SETTING_COUNT, AT(images), 0, 0, "3k", NULL, "a count"},
    {"duration", PYR_SETTING_DURATION, AT(duration), 0, INFINITY, "10m", NULL, "a duration"},
    {"ints", PYR_SETTING_INTS, AT(ints), 0, 0, "[]", NULL, "whole numbers"},
    {"reals", PYR_SETTING_REALS, AT(reals), 0, 0, "[1, 2]", NULL, "numbers"},
    {"a.texts", PYR_SETTING_TEXTS, AT(texts), 0, 0, "", NULL, "texts"},
    {"words", PYR_SETTING_TEXTS, AT(words), 0, 0, "box", words, "words"},
};
static const pyr_section all_sections[] = {
    {"data", rows, sizeof rows / sizeof *rows, false, "what one has"},
    {"level", rows, sizeof rows / sizeof *rows, true, "what levels have"},
};
static const pyr_section *const sections[] = {&all_sections[0], &all_sections[1], NULL};

static pyr_settings *make(void)
{
    pyr_settings *s;

    must(pyr_settings_new(&s, sections) == PYR_OK);
    return s;
}

/* What was read must read back the same from what is written. */
static void check_round_trip(const pyr_settings *s)
{
    pyr_settings *back = make();
    pyr_text text = {0};

    pyr_settings_write(s, PYR_SETTINGS_LEVELS, &text);
    must(pyr_settings_read_text(back, text.at, "written") == PYR_OK);
    pyr_text_free(&text);
    must(pyr_settings_compare(s, back, PYR_SETTINGS_LEVELS, NULL, NULL, &text) == 0);
    pyr_text_free(&text);
    pyr_settings_free(back);
}

static pyr_status set_pair(pyr_settings *s, char *text)
{
    char *equals = strchr(text, '='), every[300];

    if (!equals) {
        snprintf(every, sizeof every, "levels[*].%s", text);
        return pyr_settings_set(s, every, "1", "--key");
    }
    *equals = 0;
    return pyr_settings_set(s, text, equals + 1, "--set");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pyr_settings *s = make();
    char *text = pyr_calloc(size + 1, 1);
    pyr_status status;

    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    status = text[0] == 'K' ? set_pair(s, text + 1) : pyr_settings_read_text(s, text, "fuzz.cfg");
    must(status == PYR_OK || status == PYR_E_CONFIG);
    must(status == PYR_OK || *pyr_error());
    check_round_trip(s);
    pyr_free(text);
    pyr_settings_free(s);
    return 0;
}
