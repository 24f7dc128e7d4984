/* settings.c - the table of settings: reading files, setting and finding values. */
#include "settings/settings.h"

#include "base/file.h"
#include "base/mem.h"
#include "settings/settings_internal.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ----------------------------------------------------------------------------------- */

/* How a key is resolved: text -> (slot, level) here, then pyr_slot_value() says which value holds. */
typedef struct address {
    pyr_slot *slot;
    int level; /* -1: not a key of `levels` */
} address;

const pyr_setting_value *pyr_slot_value(const pyr_slot *slot, int level)
{
    if (level >= 0 && slot->at[1 + level])
        return &slot->at[1 + level]->value;
    return slot->at[0] ? &slot->at[0]->value : &slot->standard;
}

void pyr_slot_key(const pyr_slot *slot, int level, pyr_text *out)
{
    if (level >= 0)
        pyr_text_add(out, "%ss[%d].%s", slot->section->name, level, slot->row->key);
    else
        pyr_text_add(out, "%s", slot->key);
}

/* What follows "NAME." in `key`; NULL when it does not begin so. */
static const char *behind_name(const char *key, const char *name)
{
    size_t n = strlen(name);

    return strncmp(key, name, n) == 0 && key[n] == '.' ? key + n + 1 : NULL;
}

/* What follows "NAMEs[I]." or "NAMEs.I." in `key`, and I (beyond INT_MAX: INT_MAX); NULL when it does not
 * begin so. */
static const char *behind_level(const char *key, const char *name, int *level)
{
    size_t n = strlen(name);
    bool bracket;
    char *end;
    long number;

    if (strncmp(key, name, n) != 0 || key[n] != 's' || !key[n + 1] || !isdigit((unsigned char)key[n + 2]))
        return NULL;
    bracket = key[n + 1] == '[';
    if (!bracket && key[n + 1] != '.')
        return NULL;
    number = strtol(key + n + 2, &end, 10);
    if (bracket && *end++ != ']')
        return NULL;
    *level = number > INT_MAX ? INT_MAX : (int)number;
    return *end == '.' ? end + 1 : NULL;
}

/* The section that `key` names, what follows, and the level; NULL: none. */
static const pyr_section *split_key(const pyr_section *const *sections, const char *key, const char **rest,
                                    int *level)
{
    for (; *sections; sections++) {
        *level = -1;
        *rest = behind_name(key, (*sections)->name);
        if (!*rest && (*sections)->per_level)
            *rest = behind_level(key, (*sections)->name, level);
        if (*rest)
            return *sections;
    }
    *level = -1;
    *rest = key;
    return NULL;
}

static const pyr_setting *find_row(const pyr_section *section, const char *key)
{
    for (size_t i = 0; section && i < section->n; i++)
        if (strcmp(section->rows[i].key, key) == 0)
            return &section->rows[i];
    return NULL;
}

const pyr_setting *pyr_settings_row(const pyr_section *const *sections, const char *key,
                                    const pyr_section **section)
{
    const char *rest;
    int level;
    const pyr_section *found = split_key(sections, key, &rest, &level);
    const pyr_setting *row = level < PYR_SETTINGS_LEVELS ? find_row(found, rest) : NULL;

    if (section)
        *section = row ? found : NULL;
    return row;
}

/* false: there is no such setting. */
static bool find(const pyr_settings *s, const char *key, address *out)
{
    const char *rest;
    const pyr_section *section = split_key(s->sections, key, &rest, &out->level);

    /* two sections may share one table, so the row is not enough */
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].section == section && strcmp(s->slots[i].row->key, rest) == 0) {
            out->slot = &s->slots[i];
            return true;
        }
    return false;
}

static const char *last_component(const char *key)
{
    const char *dot = strrchr(key, '.');

    return dot ? dot + 1 : key;
}

/* Of the slots whose last component is `word`, the one most like `key`; NULL: there is none. */
static const pyr_slot *with_component(const pyr_settings *s, const char *word, const char *key,
                                      const char **candidates)
{
    const pyr_slot *first = NULL;
    const char *nearest;
    size_t n = 0;

    for (size_t i = 0; i < s->n_slots; i++)
        if (strcmp(last_component(s->slots[i].key), word) == 0) {
            first = first ? first : &s->slots[i];
            candidates[n++] = s->slots[i].key;
        }
    nearest = pyr_nearest(key, candidates, n);
    for (size_t i = 0; nearest && i < s->n_slots; i++)
        if (s->slots[i].key == nearest)
            return &s->slots[i];
    return first;
}

/* Of the last components (or whole keys) of the slots in `section` (NULL: in all), the nearest to `word`. */
static const char *nearest_word(const pyr_settings *s, const pyr_section *section, bool whole,
                                const char *word, const char **candidates)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_slots; i++)
        if (!section || s->slots[i].section == section)
            candidates[n++] = whole ? s->slots[i].key : last_component(s->slots[i].key);
    return pyr_nearest(word, candidates, n);
}

/* The slot nearest to a key in the form "section.key" (`section` NULL: it names
 * none): the same word in another group, then a slip in the last word, of this
 * section if there is one, else in the whole key. */
static const pyr_slot *nearest_slot(const pyr_settings *s, const pyr_section *section, const char *key)
{
    const char **candidates = pyr_calloc(s->n_slots, sizeof *candidates);
    const char *last = last_component(key), *word;
    const pyr_slot *found;

    if (!candidates)
        return NULL;
    found = with_component(s, last, key, candidates);
    if (!found) {
        word = nearest_word(s, section, !section, section ? last : key, candidates);
        if (!word)
            word = nearest_word(s, NULL, false, last, candidates);
        found = word ? with_component(s, last_component(word), key, candidates) : NULL;
    }
    pyr_free(candidates);
    return found;
}

static pyr_status fail_unknown(const pyr_settings *s, const char *key, const char *origin)
{
    const char *rest;
    int level;
    const pyr_section *section = split_key(s->sections, key, &rest, &level);
    char *plain = pyr_strfmt("%s%s%s", section ? section->name : "", section ? "." : "", rest);
    const pyr_slot *nearest = plain ? nearest_slot(s, section, plain) : NULL;
    pyr_text text = {0};

    if (nearest) {
        pyr_text_add(&text, "did you mean ");
        pyr_slot_key(nearest, nearest->section->per_level ? level : -1, &text);
        pyr_text_add(&text, "?");
    } else {
        pyr_text_add(&text, "the sections are ");
        for (size_t i = 0; s->sections[i]; i++)
            pyr_text_add(&text, "%s%s", i ? ", " : "", s->sections[i]->name);
    }
    pyr_fail(PYR_E_CONFIG, "unknown setting %s (%s); %s", key, origin,
             text.failed || !text.at ? "" : text.at);
    pyr_text_free(&text);
    pyr_free(plain);
    return PYR_E_CONFIG;
}

static pyr_status find_key(const pyr_settings *s, const char *key, const char *origin, address *out)
{
    if (!find(s, key, out))
        return fail_unknown(s, key, origin);
    if (out->level >= PYR_SETTINGS_LEVELS)
        return pyr_fail(PYR_E_CONFIG, "%s (%s): the highest level is %d", key, origin,
                        PYR_SETTINGS_LEVELS - 1);
    return PYR_OK;
}

/* ---- setting a value ------------------------------------------------------------------------ */

pyr_status pyr_settings_keep(pyr_settings *s, const char **text)
{
    char *copy;

    PYR_TRY(
        pyr_grow(&s->strings, &s->room_strings, s->n_strings, sizeof *s->strings, "the text of a setting"));
    PYR_TRY(pyr_format(&copy, "%s", *text));
    s->strings[s->n_strings++] = copy;
    *text = copy;
    return PYR_OK;
}

static pyr_status mention_level(pyr_settings *s, int level, const char *origin)
{
    char *copy;

    if (level < s->highest_level || level < 0)
        return PYR_OK;
    PYR_TRY(pyr_format(&copy, "%s", origin));
    pyr_free(s->highest_origin);
    s->highest_origin = copy;
    s->highest_level = level;
    return PYR_OK;
}

static pyr_status store(pyr_settings *s, address to, const pyr_setting_value *value, const char *origin)
{
    pyr_assigned **place = &to.slot->at[1 + to.level], *assigned;
    size_t length = strlen(origin) + 1;

    PYR_TRY(mention_level(s, to.level, origin));
    PYR_TRY(pyr_new(&assigned, 1, sizeof *assigned + length, "the value of a setting"));
    assigned->value = *value;
    memcpy(assigned->origin, origin, length);
    pyr_free(*place);
    *place = assigned;
    return PYR_OK;
}

static const pyr_section *per_level_section(const pyr_settings *s)
{
    for (size_t i = 0; s->sections[i]; i++)
        if (s->sections[i]->per_level)
            return s->sections[i];
    return NULL;
}

/* What follows "NAMEs[*]." in `key`; NULL when it does not begin so. */
static const char *behind_every_level(const pyr_settings *s, const char *key)
{
    const pyr_section *section = per_level_section(s);
    size_t n = section ? strlen(section->name) : 0;

    return section && strncmp(key, section->name, n) == 0 && strncmp(key + n, "s[*].", 5) == 0 ? key + n + 5
                                                                                               : NULL;
}

pyr_status pyr_settings_set(pyr_settings *s, const char *key, const char *value, const char *origin)
{
    const char *of_every = behind_every_level(s, key);
    pyr_setting_value converted;
    char *full;
    address to;
    pyr_status status;

    PYR_TRY(of_every ? pyr_format(&full, "%s.%s", per_level_section(s)->name, of_every)
                     : pyr_format(&full, "%s", key));
    PYR_TRY_OUT(find_key(s, full, origin, &to));
    PYR_TRY_OUT(pyr_value_from_text(to.slot->row, value, (pyr_place){full, origin}, s, &converted));
    PYR_TRY_OUT(store(s, to, &converted, origin));
    for (int level = 0; of_every && level < PYR_SETTINGS_LEVELS; level++) {
        pyr_free(to.slot->at[1 + level]);
        to.slot->at[1 + level] = NULL;
    }
out:
    pyr_free(full);
    return status;
}

pyr_status pyr_settings_put(void *settings, const char *key, const char *value, const char *origin)
{
    return pyr_settings_set(settings, key, value, origin);
}

/* ---- what libconfig 1.5 does not check ------------------------------------------------------ */

/* It takes an integer beyond 32 bits without the suffix L and keeps the low
 * bits, silently. So the text is looked through first, and the files that it
 * includes; what looks like a number in a comment or a string does not count. */
/* All files that a text includes. They multiply: eight deep, each with ten of the next, are a hundred
 * million, which libconfig would read one by one. */
typedef struct included {
    int files;
    size_t bytes;
} included;

typedef struct scan {
    const char *at, *end;
    const char *name;   /* of the file */
    const char *folder; /* of @include; NULL: not allowed */
    int line, depth;
    included *all;
} scan;

enum { INCLUDE_DEPTH = 8 /* libconfig allows 10 */, INCLUDE_FILES = 100, FILE_LIMIT = 1 << 22 };
static pyr_status scan_text(scan s);

static void step(scan *s, size_t n)
{
    for (; n > 0 && s->at < s->end; n--)
        s->line += *s->at++ == '\n';
}

static bool begins(const scan *s, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(s->end - s->at) >= n && memcmp(s->at, word, n) == 0;
}

/* Over a comment; false: none here. */
static bool skip_comment(scan *s)
{
    if (begins(s, "#") || begins(s, "//")) {
        while (s->at < s->end && *s->at != '\n')
            step(s, 1);
        return true;
    }
    if (!begins(s, "/*"))
        return false;
    step(s, 2);
    while (s->at < s->end && !begins(s, "*/"))
        step(s, 1);
    step(s, 2);
    return true;
}

/* Over a string. (Without an end it would be a syntax error in the last line, and a leak.) */
static pyr_status scan_string(scan *s)
{
    int line = s->line;

    step(s, 1);
    while (s->at < s->end && *s->at != '"')
        step(s, *s->at == '\\' ? 2 : 1);
    if (s->at >= s->end)
        return pyr_fail(PYR_E_CONFIG, "%s:%d: a quote has no end", s->name, line);
    step(s, 1);
    return PYR_OK;
}

/* The characters of a name or a number from here, at least one of whatever is there. */
static size_t word_length(const scan *s)
{
    size_t n = 0;

    while (s->at + n < s->end && (isalnum((unsigned char)s->at[n]) || memchr("_.*+-", s->at[n], 5)))
        n++;
    return n ? n : 1;
}

/* Texts end in a NUL, so strtoll() stops there. */
static pyr_status scan_word(scan *s)
{
    const char *word = s->at, *digits = word + (*word == '+' || *word == '-');
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    char *end;
    long long value;

    step(s, word_length(s));
    if (!isdigit((unsigned char)*digits))
        return PYR_OK;
    errno = 0;
    value = strtoll(word, &end, hex ? 16 : 10);
    if (*end && strchr(".eE", *end))
        return PYR_OK; /* a real number */
    if (errno)
        return pyr_fail(PYR_E_CONFIG, "%s:%d: %.*s is beyond 64 bits", s->name, s->line, (int)(end - word),
                        word);
    if (*end != 'L' && (value < INT_MIN || value > INT_MAX))
        return pyr_fail(PYR_E_CONFIG, "%s:%d: %.*s is beyond 32 bits, write it with an L behind it", s->name,
                        s->line, (int)(end - word), word);
    return PYR_OK;
}

/* At "@include" with a file: look through that too. */
static pyr_status scan_include(scan *s)
{
    size_t size, length = strlen("@include");
    const char *open = s->at + length, *close;
    char *path, *bytes;
    pyr_status status;

    while (open < s->end && (*open == ' ' || *open == '\t'))
        open++;
    close = open < s->end && *open == '"' ? memchr(open + 1, '"', (size_t)(s->end - open - 1)) : NULL;
    if (!close) {
        step(s, length);
        return PYR_OK; /* libconfig says what is wrong */
    }
    if (!s->folder)
        return pyr_fail(PYR_E_CONFIG, "%s:%d: @include is for files only", s->name, s->line);
    if (s->depth >= INCLUDE_DEPTH)
        return pyr_fail(PYR_E_CONFIG, "%s:%d: @include is nested %d deep, does the file include itself?",
                        s->name, s->line, s->depth);
    if (++s->all->files > INCLUDE_FILES)
        return pyr_fail(PYR_E_CONFIG,
                        "%s:%d: more than %d files are included in all (files that include others count "
                        "each time): put settings into fewer files, or include each once",
                        s->name, s->line, INCLUDE_FILES);
    PYR_TRY(pyr_format(&path, "%s/%.*s", s->folder, (int)(close - open - 1), open + 1));
    status = pyr_file_read(&bytes, &size, path, FILE_LIMIT);
    if (status != PYR_OK)
        pyr_fail_prefix(status, "%s:%d", s->name, s->line);
    else {
        s->all->bytes += size;
        status = s->all->bytes > FILE_LIMIT
                     ? pyr_fail(PYR_E_CONFIG, "%s:%d: the included files are of more than %d bytes in all",
                                s->name, s->line, FILE_LIMIT)
                     : scan_text((scan){bytes, bytes + size, path, s->folder, 1, s->depth + 1, s->all});
        pyr_free(bytes);
    }
    pyr_free(path);
    step(s, (size_t)(close + 1 - s->at));
    return status;
}

static pyr_status scan_text(scan s)
{
    if (memchr(s.at, 0, (size_t)(s.end - s.at)))
        return pyr_fail(PYR_E_CONFIG, "%s: not a text file, it has a byte 0", s.name);
    while (s.at < s.end) {
        if (skip_comment(&s))
            continue;
        if (begins(&s, "\""))
            PYR_TRY(scan_string(&s));
        else if (begins(&s, "@include"))
            PYR_TRY(scan_include(&s));
        else
            PYR_TRY(scan_word(&s));
    }
    return PYR_OK;
}

/* ---- reading a file ------------------------------------------------------------------------- */

/* One reading: where we are in the file, as a key. */
enum { KEY_MAX = 200 };
typedef struct reader {
    pyr_settings *settings;
    const char *name;      /* of the file */
    const char *folder;    /* of @include, which libconfig leaves out of names */
    char key[KEY_MAX + 1]; /* of the present element */
    char origin[8192];     /* "file:line" of it: longer than the longest path twice */
} reader;

static void set_origin(reader *r, config_setting_t *element)
{
    const char *file = config_setting_source_file(element);

    snprintf(r->origin, sizeof r->origin, "%s%s%s:%u", file ? r->folder : "", file ? "/" : "",
             file ? file : r->name, config_setting_source_line(element));
}

/* Append ".name" (".": none at the start) or "[i]" to the key. */
static pyr_status push_key(reader *r, const char *name, int index)
{
    size_t n = strlen(r->key);
    int more;

    if (name)
        more = snprintf(r->key + n, sizeof r->key - n, "%s%s", n ? "." : "", name);
    else
        more = snprintf(r->key + n, sizeof r->key - n, "[%d]", index);
    if (n + (size_t)more > KEY_MAX)
        return pyr_fail(PYR_E_CONFIG, "unknown setting %s... (%s)", r->key, r->origin);
    return PYR_OK;
}

static pyr_scalar written_scalar(config_setting_t *element)
{
    switch (config_setting_type(element)) {
    case CONFIG_TYPE_INT:
        return (pyr_scalar){.integer = config_setting_get_int(element)};
    case CONFIG_TYPE_INT64:
        return (pyr_scalar){.integer = config_setting_get_int64(element)};
    case CONFIG_TYPE_FLOAT:
        return (pyr_scalar){.kind = PYR_WRITTEN_REAL, .real = config_setting_get_float(element)};
    case CONFIG_TYPE_BOOL:
        return (pyr_scalar){.kind = PYR_WRITTEN_BOOL, .truth = config_setting_get_bool(element)};
    default:
        return (pyr_scalar){.kind = PYR_WRITTEN_WORD, .text = config_setting_get_string(element)};
    }
}

/* A scalar, or a list of scalars. */
static pyr_status read_value(reader *r, config_setting_t *element)
{
    address to;
    pyr_setting_value value;
    bool list = !config_setting_is_scalar(element);
    pyr_written written = {.list = list, .n = list ? config_setting_length(element) : 1};

    PYR_TRY(find_key(r->settings, r->key, r->origin, &to));
    for (int i = 0; i < written.n; i++) {
        config_setting_t *item = list ? config_setting_get_elem(element, (unsigned)i) : element;

        if (!config_setting_is_scalar(item))
            return pyr_fail(PYR_E_CONFIG, "%s[%d] is a group or a list (%s), should be a value", r->key, i,
                            r->origin);
        if (i < PYR_LIST_MAX)
            written.at[i] = written_scalar(item);
    }
    PYR_TRY(pyr_value_convert(to.slot->row, &written, (pyr_place){r->key, r->origin}, r->settings, &value));
    return store(r->settings, to, &value, r->origin);
}

static pyr_status read_group(reader *r, config_setting_t *group);

/* levels = ({...}, {...}): the key becomes "levels[i]". */
static pyr_status read_levels(reader *r, config_setting_t *list)
{
    size_t length = strlen(r->key);

    for (int i = 0; i < config_setting_length(list); i++) {
        config_setting_t *group = config_setting_get_elem(list, (unsigned)i);

        set_origin(r, group);
        if (!config_setting_is_group(group))
            return pyr_fail(PYR_E_CONFIG, "%s[%d] (%s) should be a group in braces, {} for nothing", r->key,
                            i, r->origin);
        if (i >= PYR_SETTINGS_LEVELS)
            return pyr_fail(PYR_E_CONFIG, "%s (%s) has more than %d levels", r->key, r->origin,
                            PYR_SETTINGS_LEVELS);
        PYR_TRY(mention_level(r->settings, i, r->origin));
        PYR_TRY(push_key(r, NULL, i));
        PYR_TRY(read_group(r, group));
        r->key[length] = 0;
    }
    return PYR_OK;
}

static bool is_levels(const reader *r)
{
    const pyr_section *section = per_level_section(r->settings);
    size_t n = section ? strlen(section->name) : 0;

    return section && strncmp(r->key, section->name, n) == 0 && strcmp(r->key + n, "s") == 0;
}

/* Is there a setting in a group of this key, a section included? */
static bool is_group(const pyr_settings *s, const char *key)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (behind_name(s->slots[i].key, key))
            return true;
    return false;
}

static pyr_status fail_kind(const reader *r, const char *is)
{
    const pyr_setting *row = pyr_settings_row(r->settings->sections, r->key, NULL);
    pyr_text text = {0};

    if (is_levels(r))
        pyr_text_add(&text, "a list of groups: %s = ({...}, {...})", r->key);
    else if (row)
        pyr_setting_describe(row, &text);
    else
        pyr_text_add(&text, "a group: %s = {...}", r->key);
    pyr_fail(PYR_E_CONFIG, "%s is %s (%s), should be %s", r->key, is, r->origin,
             text.at ? text.at : "another");
    pyr_text_free(&text);
    return PYR_E_CONFIG;
}

static pyr_status read_element(reader *r, config_setting_t *element)
{
    const pyr_settings *s = r->settings;

    if (is_levels(r))
        return config_setting_is_list(element) ? read_levels(r, element) : fail_kind(r, "no list");
    if (!config_setting_is_group(element))
        return is_group(s, r->key) ? fail_kind(r, "a value") : read_value(r, element);
    if (pyr_settings_row(s->sections, r->key, NULL))
        return fail_kind(r, "a group");
    if (config_setting_length(element) == 0 && !is_group(s, r->key) && !strchr(r->key, '['))
        return fail_unknown(s, r->key, r->origin);
    return read_group(r, element); /* an unknown group is named with its first key */
}

static pyr_status read_group(reader *r, config_setting_t *group)
{
    size_t length = strlen(r->key);

    for (int i = 0; i < config_setting_length(group); i++) {
        config_setting_t *element = config_setting_get_elem(group, (unsigned)i);

        set_origin(r, element);
        PYR_TRY(push_key(r, config_setting_name(element), 0));
        PYR_TRY(read_element(r, element));
        r->key[length] = 0;
    }
    return PYR_OK;
}

/* Line number `line` of `text`, without blanks around it. */
static const char *nth_line(const char *text, int line, int *length)
{
    for (; line > 1 && strchr(text, '\n'); line--)
        text = strchr(text, '\n') + 1;
    text += strspn(text, " \t");
    *length = (int)strcspn(text, "\r\n");
    return text;
}

static pyr_status fail_parse(const config_t *config, const char *text, const char *name, const char *folder)
{
    const char *file = config_error_file(config), *error = config_error_text(config), *hint = "";
    int length, line = config_error_line(config);

    if (error && strstr(error, "mismatched element"))
        hint = "; in [ ] all numbers are whole or all have a point, in ( ) they may be mixed";
    if (file)
        return pyr_fail(PYR_E_CONFIG, "%s/%s:%d: %s%s", folder, file, line, error, hint);
    text = nth_line(text, line, &length);
    return pyr_fail(PYR_E_CONFIG, "%s:%d: %s at: %.*s%s", name, line, error ? error : "syntax error",
                    length > 100 ? 100 : length, text, hint);
}

/* `folder` of @include; NULL: not allowed. */
static pyr_status read_source(pyr_settings *s, const char *text, const char *name, const char *folder)
{
    reader r = {.settings = s, .name = name, .folder = folder};
    config_t config;
    included all = {0};
    pyr_status status;

    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3; /* the mark that some editors put before UTF-8 */
    PYR_TRY(scan_text((scan){text, text + strlen(text), name, folder, 1, 0, &all}));
    config_init(&config);
    if (folder)
        config_set_include_dir(&config, folder);
    if (config_read_string(&config, text) == CONFIG_TRUE)
        status = read_group(&r, config_root_setting(&config));
    else
        status = fail_parse(&config, text, name, folder);
    config_destroy(&config);
    return status;
}

pyr_status pyr_settings_read_text(pyr_settings *s, const char *text, const char *name)
{
    return read_source(s, text, name, NULL);
}

pyr_status pyr_settings_read(pyr_settings *s, const char *path)
{
    char *text, *folder = NULL;
    size_t size;
    pyr_status status;

    PYR_TRY(pyr_file_read(&text, &size, path, FILE_LIMIT));
    PYR_TRY_OUT(pyr_folder_of(&folder, path));
    status = strlen(text) != size ? pyr_fail(PYR_E_CONFIG, "%s: not a text file, it has a byte 0", path)
                                  : read_source(s, text, path, folder);
out:
    pyr_free(folder);
    pyr_free(text);
    return status;
}

/* ---- asking --------------------------------------------------------------------------------- */

void pyr_settings_fill(const pyr_settings *s, const char *section, int level, void *out)
{
    bool found = false;

    assert(level < PYR_SETTINGS_LEVELS);
    for (size_t i = 0; i < s->n_slots; i++) {
        const pyr_slot *slot = &s->slots[i];

        if (strcmp(slot->section->name, section) != 0)
            continue;
        found = true;
        assert(level < 0 || slot->section->per_level);
        memcpy((char *)out + slot->row->offset, pyr_slot_value(slot, level), pyr_value_size(slot->row->type));
    }
    assert(found);
    (void)found;
}

const char *pyr_settings_origin(const pyr_settings *s, const char *key)
{
    pyr_assigned *const *assigned;
    address at;

    if (!find(s, key, &at) || at.level >= PYR_SETTINGS_LEVELS)
        return NULL;
    assigned = at.slot->at;
    if (at.level >= 0 && assigned[1 + at.level])
        return assigned[1 + at.level]->origin;
    return assigned[0] ? assigned[0]->origin : "default";
}

pyr_status pyr_settings_text(const pyr_settings *s, const char *key, pyr_text *out)
{
    const pyr_setting_value *value;
    const pyr_setting *row;
    address at;

    PYR_TRY(find_key(s, key, "asked for", &at));
    value = pyr_slot_value(at.slot, at.level);
    row = at.slot->row;
    if (row->type == PYR_SETTING_TEXT || row->type == PYR_SETTING_CHOICE)
        pyr_text_add(out, "%s", row->type == PYR_SETTING_TEXT ? value->text : row->choices[value->integer]);
    else
        pyr_value_print(row, value, out);
    return PYR_OK;
}

int pyr_settings_highest_level(const pyr_settings *s, const char **where)
{
    if (where)
        *where = s->highest_level < 0 ? "default" : s->highest_origin;
    return s->highest_level;
}

pyr_status pyr_slot_visit(const pyr_slot *slot, int level, const char *origin, pyr_settings_visit visit,
                          void *arg)
{
    pyr_text key = {0}, value = {0};
    pyr_status status;

    pyr_slot_key(slot, level, &key);
    pyr_value_print(slot->row, pyr_slot_value(slot, level), &value);
    if (key.failed || value.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: the text of a setting");
    else
        status = visit(arg, key.at, value.at, origin);
    pyr_text_free(&key);
    pyr_text_free(&value);
    return status;
}

pyr_status pyr_settings_each(const pyr_settings *s, pyr_settings_visit visit, void *arg)
{
    for (const pyr_slot *slot = s->slots; slot < s->slots + s->n_slots; slot++)
        for (int level = -1; level < PYR_SETTINGS_LEVELS; level++)
            if (slot->at[1 + level])
                PYR_TRY(pyr_slot_visit(slot, level, slot->at[1 + level]->origin, visit, arg));
    return PYR_OK;
}

/* ---- making --------------------------------------------------------------------------------- */

static pyr_status make_slot(pyr_settings *s, const pyr_section *section, const pyr_setting *row)
{
    pyr_slot *slot = &s->slots[s->n_slots++];
    char *key;
    pyr_status status;

    assert(find_row(section, row->key) == row);
    assert(row->type != PYR_SETTING_CHOICE || row->choices);
    assert(strlen(section->name) + strlen(row->key) < KEY_MAX);
    slot->section = section;
    slot->row = row;
    PYR_TRY(pyr_format(&key, "%s.%s", section->name, row->key));
    slot->key = key;
    status = pyr_settings_keep(s, &slot->key);
    pyr_free(key);
    PYR_TRY(status);
    return pyr_value_from_text(row, row->standard, (pyr_place){row->key, "default"}, s, &slot->standard);
}

static pyr_status make_slots(pyr_settings *s)
{
    size_t n = 0;

    for (size_t i = 0; s->sections[i]; i++)
        n += s->sections[i]->n;
    PYR_TRY(pyr_new(&s->slots, n, sizeof *s->slots, "the table of settings"));
    for (size_t i = 0; s->sections[i]; i++)
        for (size_t j = 0; j < s->sections[i]->n; j++)
            PYR_TRY(make_slot(s, s->sections[i], &s->sections[i]->rows[j]));
    return PYR_OK;
}

pyr_status pyr_settings_new(pyr_settings **out, const pyr_section *const *sections)
{
    pyr_settings *s;
    size_t n = 0;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&s, 1, sizeof *s, "settings"));
    s->highest_level = -1;
    while (sections[n])
        n++;
    PYR_TRY_OUT(pyr_new(&s->sections, n + 1, sizeof *s->sections, "sections of settings"));
    memcpy(s->sections, sections, n * sizeof *sections);
    PYR_TRY_OUT(make_slots(s));
    *out = s;
    s = NULL;
out:
    pyr_settings_free(s);
    return status;
}

void pyr_settings_free(pyr_settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_slots; i++)
        for (int level = -1; level < PYR_SETTINGS_LEVELS; level++)
            pyr_free(s->slots[i].at[1 + level]);
    for (size_t i = 0; i < s->n_strings; i++)
        pyr_free(s->strings[i]);
    pyr_free(s->strings);
    pyr_free(s->highest_origin);
    pyr_free(s->slots);
    pyr_free(s->sections);
    pyr_free(s);
}
