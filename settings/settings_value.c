/* settings_value.c - one value between what was written, its type, and text. */
#include "settings/settings_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- from text ------------------------------------------------------------------------------ */

/* "12", "-0x1F", "12L"; false when it is none or does not fit. */
static bool parse_integer(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    char *end;
    long long value;

    if (!isdigit((unsigned char)*digits))
        return false;
    errno = 0;
    value = strtoll(text, &end, base);
    for (int i = 0; i < 2 && *end == 'L'; i++)
        end++;
    if (*end || errno)
        return false;
    *out = value;
    return true;
}

/* What a word without quotes may be. The text stays, for rows that want one. */
static pyr_scalar scalar_from_word(const char *word)
{
    pyr_scalar scalar = {.kind = PYR_WRITTEN_WORD, .text = word};

    if (parse_integer(word, &scalar.integer))
        scalar.kind = PYR_WRITTEN_INTEGER;
    else if (pyr_parse_real(word, &scalar.real))
        scalar.kind = PYR_WRITTEN_REAL;
    else if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0) {
        scalar.kind = PYR_WRITTEN_BOOL;
        scalar.truth = strcasecmp(word, "true") == 0;
    }
    return scalar;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* The character that an escape stands for, as libconfig has them; *at is
 * behind the backslash and moves over the escape. */
static char unescape(char **at)
{
    static const char letters[] = "nrtf", meanings[] = "\n\r\t\f";
    char c = *(*at)++;
    const char *found = c ? strchr(letters, c) : NULL;

    if (found)
        return meanings[found - letters];
    if (c == 'x' && hex_digit((*at)[0]) >= 0 && hex_digit((*at)[1]) >= 0) {
        int code = hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]);

        *at += 2;
        return (char)code;
    }
    return c;
}

/* `text` is at an opening quote: make the content a string in place. Returns
 * what is behind the closing quote; NULL without one. */
static char *unquote(char *text, const char **content)
{
    char *from = text + 1, *to = text;

    *content = text;
    while (*from && *from != '"') {
        char c = *from++;

        if (c == '\\' && *from)
            c = unescape(&from);
        *to++ = c;
    }
    if (!*from)
        return NULL;
    *to = 0; /* to < from: the opening quote made room */
    return from + 1;
}

static char *skip_blanks(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static void cut_blanks(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && isspace((unsigned char)text[n - 1]))
        text[--n] = 0;
}

static bool scalar_from_text(char *text, pyr_scalar *out)
{
    const char *content;
    char *behind;

    if (*text != '"') {
        *out = scalar_from_word(text);
        return true;
    }
    behind = unquote(text, &content);
    *out = (pyr_scalar){.kind = PYR_WRITTEN_WORD, .text = content};
    return behind && !*skip_blanks(behind);
}

/* The next comma that stands outside quotes; the end without one. */
static char *next_comma(char *text)
{
    bool quoted = false;

    for (; *text && (quoted || *text != ','); text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (quoted && text[0] == '\\' && text[1])
            text++;
    }
    return text;
}

static bool list_from_text(char *text, pyr_written *out)
{
    size_t n = strlen(text);

    if (n >= 2 && ((text[0] == '[' && text[n - 1] == ']') || (text[0] == '(' && text[n - 1] == ')'))) {
        text[n - 1] = 0;
        text = skip_blanks(text + 1);
        cut_blanks(text);
    }
    out->n = 0;
    for (bool more = *text != 0; more; out->n++) {
        char *comma = next_comma(text);
        pyr_scalar scalar;

        more = *comma != 0;
        *comma = 0;
        text = skip_blanks(text);
        cut_blanks(text);
        if (!scalar_from_text(text, &scalar))
            return false;
        if (out->n < PYR_LIST_MAX)
            out->at[out->n] = scalar;
        text = comma + 1;
    }
    return true;
}

/* "28x32" of a row for sizes becomes "28,32". */
static void separate_sides(char *text)
{
    char *x = text + strspn(text, "0123456789");

    if (x > text && *x == 'x' && x[1] && !x[1 + strspn(x + 1, "0123456789")])
        *x = ',';
}

/* ---- scalars by type ------------------------------------------------------------------------- */

static bool bounded(const pyr_setting *row)
{
    return row->min < row->max;
}

static bool within(const pyr_setting *row, double value)
{
    return isfinite(value) && (!bounded(row) || (value >= row->min && value <= row->max));
}

/* A whole number: 64, 64.0. A real beyond 2^63 is none. */
static bool as_integer(const pyr_scalar *scalar, int64_t *out)
{
    if (scalar->kind == PYR_WRITTEN_INTEGER)
        *out = scalar->integer;
    else if (scalar->kind == PYR_WRITTEN_REAL && fabs(scalar->real) < 9.2e18 &&
             scalar->real == nearbyint(scalar->real))
        *out = (int64_t)scalar->real;
    else
        return false;
    return true;
}

static bool as_int(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    int64_t value;

    if (!as_integer(scalar, &value) || value < INT_MIN || value > INT_MAX || !within(row, (double)value))
        return false;
    *(int *)out = (int)value;
    return true;
}

static bool as_real(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    double value = scalar->kind == PYR_WRITTEN_INTEGER ? (double)scalar->integer : scalar->real;

    *(double *)out = value;
    return (scalar->kind == PYR_WRITTEN_INTEGER || scalar->kind == PYR_WRITTEN_REAL) && within(row, value);
}

static bool as_bool(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    (void)row;
    *(bool *)out = scalar->truth;
    return scalar->kind == PYR_WRITTEN_BOOL;
}

static bool as_count(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    int64_t *count = out;

    if (scalar->kind == PYR_WRITTEN_WORD) {
        if (!parse_integer(scalar->text, count) && !pyr_parse_count(scalar->text, count))
            return false;
    } else if (!as_integer(scalar, count))
        return false;
    return within(row, (double)*count);
}

/* "3ep", "90s", "10m" (minutes; millions of images are M or Mi), "2h", else a count of images. */
static bool parse_duration(const char *text, pyr_duration *out)
{
    static const struct {
        const char *suffix;
        double factor;
        pyr_duration_unit unit;
    } units[] = {{"ep", 1, PYR_DURATION_EPOCHS},
                 {"s", 1, PYR_DURATION_SECONDS},
                 {"m", 60, PYR_DURATION_SECONDS},
                 {"h", 3600, PYR_DURATION_SECONDS}};
    char *end;
    double value = strtod(text, &end);
    int64_t images;

    for (size_t i = 0; end > text && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].suffix) == 0) {
            out->value = value * units[i].factor;
            out->unit = units[i].unit;
            return true;
        }
    if (!pyr_parse_count(text, &images))
        return false;
    out->value = (double)images;
    out->unit = PYR_DURATION_IMAGES;
    return true;
}

static bool as_duration(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    pyr_duration *duration = out;
    int64_t images;

    if (scalar->kind == PYR_WRITTEN_WORD) {
        if (!parse_duration(scalar->text, duration))
            return false;
    } else {
        if (!as_integer(scalar, &images))
            return false;
        duration->value = (double)images;
        duration->unit = PYR_DURATION_IMAGES;
    }
    return within(row, duration->value);
}

static bool as_choice(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    for (int i = 0; scalar->text && row->choices[i]; i++)
        if (strcmp(scalar->text, row->choices[i]) == 0) {
            *(int *)out = i;
            return true;
        }
    return false;
}

/* The words of a TEXT are checked by whoever has the row. */
static bool as_text(const pyr_setting *row, const pyr_scalar *scalar, void *out)
{
    int word;

    *(const char **)out = scalar->text;
    return scalar->text && (row->type == PYR_SETTING_TEXT || !row->choices || as_choice(row, scalar, &word));
}

/* ---- to text, as a file has it ----------------------------------------------------------------- */

/* The fewest digits that read back to the same bits; a whole number without a point. */
static void print_plain(double value, pyr_text *out)
{
    int precision = 1;
    char text[40];

    do
        snprintf(text, sizeof text, "%.*g", precision, value);
    while (strtod(text, NULL) != value && precision++ < 17);
    if (fabs(value) < 1e7 && value == nearbyint(value))
        snprintf(text, sizeof text, "%.0f", value); /* 80, not 8e+01 */
    pyr_text_add(out, "%s", text);
}

static void print_int(const pyr_setting *row, const void *value, pyr_text *out)
{
    (void)row;
    pyr_text_add(out, "%d", *(const int *)value);
}

/* With a point or an exponent: libconfig's integers end at 2^31 (it wraps
 * around silently), and its arrays hold numbers of one kind. */
static void print_real(const pyr_setting *row, const void *value, pyr_text *out)
{
    size_t start = out->length;

    (void)row;
    print_plain(*(const double *)value, out);
    if (!out->failed && !strpbrk(out->at + start, ".e"))
        pyr_text_add(out, ".0");
}

static void print_bool(const pyr_setting *row, const void *value, pyr_text *out)
{
    (void)row;
    pyr_text_add(out, "%s", *(const bool *)value ? "true" : "false");
}

static void print_string(const char *text, pyr_text *out)
{
    pyr_text_add(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            pyr_text_add(out, "\\%c", c);
        else if (c == '\n')
            pyr_text_add(out, "\\n");
        else if (c < 32 || c == 127)
            pyr_text_add(out, "\\x%02x", c);
        else
            pyr_text_add_bytes(out, text, 1);
    }
    pyr_text_add(out, "\"");
}

static void print_text(const pyr_setting *row, const void *value, pyr_text *out)
{
    (void)row;
    print_string(*(const char *const *)value, out);
}

static void print_choice(const pyr_setting *row, const void *value, pyr_text *out)
{
    print_string(row->choices[*(const int *)value], out);
}

/* "200ki" or "3k" into `out` if the count is a round one; else false. */
static bool print_round_count(int64_t count, char *out, size_t room)
{
    static const struct {
        int64_t factor;
        const char *suffix;
    } units[] = {{1073741824, "Gi"}, {1000000000, "G"}, {1048576, "Mi"},
                 {1000000, "M"},     {1024, "ki"},      {1000, "k"}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (count != 0 && count % units[i].factor == 0) {
            int64_t back;

            snprintf(out, room, "%lld%s", (long long)(count / units[i].factor), units[i].suffix);
            return pyr_parse_count(out, &back) && back == count;
        }
    return false;
}

static void print_count(const pyr_setting *row, const void *value, pyr_text *out)
{
    int64_t count = *(const int64_t *)value;
    char text[40];

    (void)row;
    if (print_round_count(count, text, sizeof text))
        pyr_text_add(out, "\"%s\"", text);
    else
        pyr_text_add(out, "%lld%s", (long long)count, count > INT_MAX || count < INT_MIN ? "L" : "");
}

static void print_seconds(double value, pyr_text *out)
{
    if (value >= 3600 && fmod(value, 3600) == 0 && value / 3600 * 3600 == value && value < 1e15)
        pyr_text_add(out, "\"%.0fh\"", value / 3600);
    else if (value >= 60 && fmod(value, 60) == 0 && value < 1e15)
        pyr_text_add(out, "\"%.0fm\"", value / 60);
    else {
        pyr_text_add(out, "\"");
        print_plain(value, out);
        pyr_text_add(out, "s\"");
    }
}

static void print_duration(const pyr_setting *row, const void *value, pyr_text *out)
{
    const pyr_duration *duration = value;

    if (duration->unit == PYR_DURATION_IMAGES)
        print_count(row, &(int64_t){(int64_t)duration->value}, out);
    else if (duration->unit == PYR_DURATION_SECONDS)
        print_seconds(duration->value, out);
    else {
        pyr_text_add(out, "\"");
        print_plain(duration->value, out);
        pyr_text_add(out, "ep\"");
    }
}

/* ---- the types ------------------------------------------------------------------------------ */

/* A type of values. Every list begins with its n. */
typedef struct kind {
    const char *words; /* what it is, for sentences */
    size_t size;
    size_t first, step; /* of a list: where its elements begin, and their size; 0: no list */
    /* Of a value, or of an element: what was written; false: it does not fit. And as a file has it. */
    bool (*take)(const pyr_setting *row, const pyr_scalar *scalar, void *out);
    void (*print)(const pyr_setting *row, const void *value, pyr_text *out);
} kind;

#define LIST(list, element) sizeof(list), offsetof(list, at), sizeof(element)

static const kind kinds[] = {
    [PYR_SETTING_INT] = {"a whole number", sizeof(int), 0, 0, as_int, print_int},
    [PYR_SETTING_REAL] = {"a number", sizeof(double), 0, 0, as_real, print_real},
    [PYR_SETTING_BOOL] = {"true or false", sizeof(bool), 0, 0, as_bool, print_bool},
    [PYR_SETTING_TEXT] = {"a text", sizeof(const char *), 0, 0, as_text, print_text},
    [PYR_SETTING_CHOICE] = {"one of: ", sizeof(int), 0, 0, as_choice, print_choice},
    [PYR_SETTING_COUNT] = {"a count (3000, 3k, 200ki)", sizeof(int64_t), 0, 0, as_count, print_count},
    [PYR_SETTING_DURATION] = {"a duration (200ki images, 3ep epochs, 90s, 10m, 2h)", sizeof(pyr_duration), 0,
                              0, as_duration, print_duration},
    [PYR_SETTING_INTS] = {"a list of whole numbers", LIST(pyr_ints, int), as_int, print_int},
    [PYR_SETTING_REALS] = {"a list of numbers", LIST(pyr_reals, double), as_real, print_real},
    [PYR_SETTING_TEXTS] = {"a list of texts", LIST(pyr_texts, const char *), as_text, print_text},
};

size_t pyr_value_size(pyr_setting_type type)
{
    return kinds[type].size;
}

static bool is_list(pyr_setting_type type)
{
    return kinds[type].first > 0;
}

/* Element i of a list, the value itself of another type. */
static const void *element(const kind *t, const pyr_setting_value *value, int i)
{
    return (const char *)value + t->first + (size_t)i * t->step;
}

/* Same bits, so that 0.0 and -0.0 differ as they do in what is computed from them. */
static bool same_real(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

bool pyr_value_equal(const pyr_setting *row, const pyr_setting_value *a, const pyr_setting_value *b)
{
    const kind *t = &kinds[row->type];
    int n = is_list(row->type) ? a->ints.n : 1;

    if (row->type == PYR_SETTING_DURATION)
        return a->duration.unit == b->duration.unit && same_real(a->duration.value, b->duration.value);
    if (is_list(row->type) && b->ints.n != n)
        return false;
    for (int i = 0; i < n; i++) {
        const void *x = element(t, a, i), *y = element(t, b, i);

        if (t->take == as_text ? strcmp(*(const char *const *)x, *(const char *const *)y) != 0
                               : memcmp(x, y, t->step ? t->step : t->size) != 0)
            return false;
    }
    return true;
}

/* ---- what a row asks for -------------------------------------------------------------------- */

/* " 1..8", ", 0 or more", or nothing. */
static void print_bounds(const pyr_setting *row, pyr_text *out)
{
    if (!bounded(row))
        return;
    if (isinf(row->min) && isinf(row->max))
        return;
    pyr_text_add(out, isinf(row->min) || isinf(row->max) ? ", " : " ");
    if (!isinf(row->min))
        print_plain(row->min, out);
    pyr_text_add(out, isinf(row->max) ? " or more" : isinf(row->min) ? "at most " : "..");
    if (!isinf(row->max))
        print_plain(row->max, out);
}

static size_t count_words(const char *const *words)
{
    size_t n = 0;

    while (words && words[n])
        n++;
    return n;
}

static void print_words(const char *const *words, pyr_text *out)
{
    for (size_t i = 0; i < count_words(words); i++)
        pyr_text_add(out, "%s%s", i ? ", " : "", words[i]);
}

void pyr_setting_describe(const pyr_setting *row, pyr_text *out)
{
    if (row->type == PYR_SETTING_TEXTS && row->choices)
        pyr_text_add(out, "a list of: ");
    else if (row->type == PYR_SETTING_TEXT && row->choices)
        pyr_text_add(out, "one of: ");
    else
        pyr_text_add(
            out, "%s%s", kinds[row->type].words,
            (row->type == PYR_SETTING_REALS || row->type == PYR_SETTING_INTS) && row->choices ? ", or " : "");
    print_words(row->choices, out);
    print_bounds(row, out);
}

static void print_scalar(const pyr_scalar *scalar, pyr_text *out)
{
    if (scalar->kind == PYR_WRITTEN_WORD)
        pyr_text_add(out, "\"%s\"", scalar->text);
    else if (scalar->text)
        pyr_text_add(out, "%s", scalar->text);
    else if (scalar->kind == PYR_WRITTEN_BOOL)
        pyr_text_add(out, "%s", scalar->truth ? "true" : "false");
    else if (scalar->kind == PYR_WRITTEN_INTEGER)
        pyr_text_add(out, "%lld", (long long)scalar->integer);
    else
        print_plain(scalar->real, out);
}

/* "level.batch is 0 (configs/a.cfg:12), should be a whole number 1..65536" and the nearest word; `scalar` NULL:
 * it is a list. */
static pyr_status fail_value(const pyr_setting *row, const pyr_scalar *scalar, pyr_place place)
{
    const char *nearest = NULL;
    pyr_text text = {0};

    if (row->choices && scalar && scalar->text)
        nearest = pyr_nearest(scalar->text, row->choices, count_words(row->choices));
    pyr_text_add(&text, "%s is ", place.key);
    if (scalar)
        print_scalar(scalar, &text);
    else
        pyr_text_add(&text, "a list");
    if (*place.origin)
        pyr_text_add(&text, " (%s)", place.origin);
    pyr_text_add(&text, ", should be ");
    pyr_setting_describe(row, &text);
    if (nearest)
        pyr_text_add(&text, "; did you mean %s?", nearest);
    if (text.failed)
        pyr_fail(PYR_E_CONFIG, "%s is not what it should be (%s)", place.key, place.origin);
    else
        pyr_fail(PYR_E_CONFIG, "%s", text.at);
    pyr_text_free(&text);
    return PYR_E_CONFIG;
}

/* ---- a value ---------------------------------------------------------------------------------- */

/* Take the text of a value apart, in place: quotes and brackets go, `out` points into it. false: a quote
 * without end. */
static bool written_from_text(const pyr_setting *row, char *text, pyr_written *out)
{
    *out = (pyr_written){.list = is_list(row->type), .n = 1};
    text = skip_blanks(text);
    cut_blanks(text);
    if (row->type == PYR_SETTING_INTS && row->choices)
        separate_sides(text);
    return out->list ? list_from_text(text, out) : scalar_from_text(text, &out->at[0]);
}

static pyr_status convert_scalar(const pyr_setting *row, const pyr_scalar *scalar, pyr_place place,
                                 pyr_settings *owner, void *out)
{
    const kind *t = &kinds[row->type];

    if (!t->take(row, scalar, out))
        return fail_value(row, scalar, place);
    return owner && t->take == as_text ? pyr_settings_keep(owner, out) : PYR_OK;
}

/* The one word that a list of numbers may have stands for the empty list. */
static bool is_word_for_empty(const pyr_setting *row, const pyr_written *written)
{
    return row->type == PYR_SETTING_REALS && row->choices && written->n == 1 && written->at[0].text &&
           strcmp(written->at[0].text, row->choices[0]) == 0;
}

static pyr_status convert_list(const pyr_setting *row, const pyr_written *written, pyr_place place,
                               pyr_settings *owner, pyr_setting_value *out)
{
    if (written->n > PYR_LIST_MAX)
        return pyr_fail(PYR_E_CONFIG, "%s has %d elements%s%s%s, at most %d are taken", place.key, written->n,
                        *place.origin ? " (" : "", place.origin, *place.origin ? ")" : "", PYR_LIST_MAX);
    if (is_word_for_empty(row, written))
        return PYR_OK;
    for (int i = 0; i < written->n; i++)
        PYR_TRY(convert_scalar(row, &written->at[i], place, owner,
                               (char *)out + kinds[row->type].first + (size_t)i * kinds[row->type].step));
    out->ints.n = written->n;
    return PYR_OK;
}

pyr_status pyr_value_convert(const pyr_setting *row, const pyr_written *written, pyr_place place,
                             pyr_settings *owner, pyr_setting_value *out)
{
    memset(out, 0, sizeof *out);
    if (is_list(row->type))
        return convert_list(row, written, place, owner, out);
    return written->list ? fail_value(row, NULL, place)
                         : convert_scalar(row, &written->at[0], place, owner, out);
}

pyr_status pyr_value_from_text(const pyr_setting *row, const char *text, pyr_place place, pyr_settings *owner,
                               pyr_setting_value *out)
{
    bool named = *place.origin;
    pyr_written written;
    pyr_status status;
    char *copy;

    PYR_TRY(pyr_format(&copy, "%s", text));
    if (written_from_text(row, copy, &written))
        status = pyr_value_convert(row, &written, place, owner, out);
    else
        status = pyr_fail(PYR_E_CONFIG, "%s%s%s%s: a quote has no end in %s", place.key, named ? " (" : "",
                          place.origin, named ? ")" : "", text);
    pyr_free(copy);
    return status;
}

pyr_status pyr_setting_parse(const pyr_setting *row, const char *name, const char *text, const char *origin,
                             void *out)
{
    pyr_setting_value value = {.text = text};

    assert(row->type != PYR_SETTING_TEXTS);
    if (row->type != PYR_SETTING_TEXT)
        PYR_TRY(pyr_value_from_text(row, text, (pyr_place){name, origin}, NULL, &value));
    memcpy(out, &value, kinds[row->type].size);
    return PYR_OK;
}

void pyr_value_print(const pyr_setting *row, const pyr_setting_value *value, pyr_text *out)
{
    const kind *t = &kinds[row->type];

    if (!is_list(row->type))
        t->print(row, value, out);
    else if (row->type == PYR_SETTING_REALS && row->choices && value->reals.n == 0)
        print_string(row->choices[0], out);
    else {
        pyr_text_add(out, "[");
        for (int i = 0; i < value->ints.n; i++) {
            pyr_text_add(out, "%s", i ? ", " : "");
            t->print(row, element(t, value, i), out);
        }
        pyr_text_add(out, "]");
    }
}
