#include "terminal/options.h"

#include "base/mem.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------ */

/* The row behind an option: of its setting, or made of its own fields. */
static pyr_setting option_row(const pyr_options *options, const pyr_option *option)
{
    const pyr_setting *row;

    if (!option->setting)
        return (pyr_setting){.key = option->name,
                             .type = option->type,
                             .min = option->min,
                             .max = option->max,
                             .standard = option->standard,
                             .choices = option->choices,
                             .help = option->help};
    row = pyr_settings_row(options->sections, options->n_sections, option->setting, NULL);
    assert(row);
    return *row;
}

static const pyr_option *find_option(const pyr_options *options, const char *name, size_t length)
{
    for (size_t i = 0; i < options->n; i++)
        if (strlen(options->table[i].name) == length && memcmp(options->table[i].name, name, length) == 0)
            return &options->table[i];
    return NULL;
}

static bool has_set(const pyr_options *options)
{
    return options->n_sections > 0;
}

/* ---- sentences ------------------------------------------------------------------------------ */

/* Add where to look to the sentence at hand. */
static pyr_status look_up(const pyr_options *options)
{
    return pyr_fail(PYR_E_ARG, "%s (see pyrdiff %s --help)", pyr_error(), options->command);
}

static pyr_status fail_unknown(const pyr_options *options, const char *argument)
{
    const char **names = pyr_calloc(options->n + 2, sizeof *names), *nearest = NULL;
    const char *word = argument + strspn(argument, "-"), *no = "";
    char *name = pyr_strfmt("%.*s", (int)strcspn(word, "="), word);
    size_t n = 0;

    for (size_t i = 0; names && i < options->n; i++)
        names[n++] = options->table[i].name;
    if (names) {
        names[n++] = "help";
        if (has_set(options))
            names[n++] = "set";
    }
    if (names && name)
        nearest = pyr_nearest(name, names, n);
    if (names && name && !nearest && strncmp(name, "no-", 3) == 0) {
        nearest = pyr_nearest(name + 3, names, n);
        no = "no-";
    }
    if (nearest)
        pyr_fail(PYR_E_ARG, "unknown option %s; did you mean --%s%s?", argument, no, nearest);
    else
        pyr_fail(PYR_E_ARG, "unknown option %s", argument);
    pyr_free(names);
    pyr_free(name);
    return look_up(options);
}

static pyr_status fail_count(const pyr_parsed *parsed)
{
    const pyr_options *options = parsed->options;

    if (options->most == 0)
        pyr_fail(PYR_E_ARG, "pyrdiff %s takes no arguments, \"%s\" is one", options->command,
                 parsed->arguments[0]);
    else if (parsed->n_arguments < (size_t)options->least)
        pyr_fail(PYR_E_ARG, "pyrdiff %s needs %s", options->command, options->arguments);
    else
        pyr_fail(PYR_E_ARG, "pyrdiff %s takes at most %d argument%s (%s), \"%s\" is one more",
                 options->command, options->most, options->most == 1 ? "" : "s", options->arguments,
                 parsed->arguments[options->most]);
    return look_up(options);
}

/* ---- parsing -------------------------------------------------------------------------------- */

/* The command line in hand. */
typedef struct cursor {
    pyr_parsed *parsed;
    const pyr_options *options;
    int argc, at; /* argv[at] is the next one */
    char **argv;
} cursor;

/* Keep what concerns a setting, store the rest. */
static pyr_status take_value(cursor *c, const pyr_option *option, const char *value)
{
    pyr_setting row;
    char origin[80];
    pyr_status status;

    c->parsed->typed[c->parsed->n_typed++] = (pyr_typed){option, value};
    if (!option || option->setting)
        return PYR_OK;
    row = option_row(c->options, option);
    snprintf(origin, sizeof origin, "--%s", option->name);
    status = pyr_setting_parse(&row, origin, value, "", option->target);
    return status == PYR_E_CONFIG ? look_up(c->options) : status;
}

static pyr_status take_flag(cursor *c, const pyr_option *option, const char *value, bool on)
{
    assert(option_row(c->options, option).type == PYR_SETTING_BOOL);
    if (value) {
        pyr_fail(PYR_E_ARG, "--%s takes no value (\"%s\"), write --%s or --no-%s", option->name, value,
                 option->name, option->name);
        return look_up(c->options);
    }
    return take_value(c, option, on ? "true" : "false");
}

/* The value behind "=", else the next argument; one that looks like an option is none. */
static pyr_status next_value(cursor *c, const char *name, const char *argument, const char **value)
{
    if (*value)
        return PYR_OK;
    if (c->at < c->argc && (strncmp(c->argv[c->at], "--", 2) != 0)) {
        *value = c->argv[c->at++];
        return PYR_OK;
    }
    if (c->at < c->argc)
        pyr_fail(PYR_E_ARG, "--%s needs a value %s, \"%s\" looks like an option; if it is meant: --%s=%s",
                 name, argument, c->argv[c->at], name, c->argv[c->at]);
    else
        pyr_fail(PYR_E_ARG, "--%s needs a value: --%s %s", name, name, argument);
    return look_up(c->options);
}

static pyr_status take_set(cursor *c, const char *value)
{
    const char *equals;

    PYR_TRY(next_value(c, "set", "KEY=VALUE", &value));
    equals = strchr(value, '=');
    if (!equals || equals == value) {
        pyr_fail(PYR_E_ARG, "--set %s: should be KEY=VALUE, as in --set %s.%s=%s", value,
                 c->options->sections[0].name, c->options->sections[0].rows[0].key,
                 c->options->sections[0].rows[0].standard);
        return look_up(c->options);
    }
    return take_value(c, NULL, value);
}

/* argv[at - 1] begins with "--". */
static pyr_status take_option(cursor *c, const char *argument)
{
    const char *name = argument + 2, *equals = strchr(name, '='), *value = equals ? equals + 1 : NULL;
    size_t length = strcspn(name, "=");
    const pyr_option *option = find_option(c->options, name, length);

    if (!option && length == 3 && memcmp(name, "set", 3) == 0 && has_set(c->options))
        return take_set(c, value);
    if (option && !option->argument)
        return take_flag(c, option, value, true);
    if (option) {
        PYR_TRY(next_value(c, option->name, option->argument, &value));
        return take_value(c, option, value);
    }
    if (strncmp(name, "no-", 3) == 0)
        option = find_option(c->options, name + 3, length - 3);
    if (option && option_row(c->options, option).type == PYR_SETTING_BOOL)
        return take_flag(c, option, value, false);
    return fail_unknown(c->options, argument);
}

static pyr_status set_standards(const pyr_options *options)
{
    for (size_t i = 0; i < options->n; i++) {
        const pyr_option *option = &options->table[i];
        pyr_setting row = option_row(options, option);

        if (option->untyped)
            row.min = row.max = 0;
        if (!option->setting && option->standard)
            PYR_TRY(pyr_setting_parse(&row, option->name, option->standard, "default", option->target));
    }
    return PYR_OK;
}

static pyr_status make_parsed(pyr_parsed *out, const pyr_options *options, int argc)
{
    *out = (pyr_parsed){.options = options};
    PYR_TRY(pyr_new(&out->arguments, (size_t)argc + 1, sizeof *out->arguments, "the command line"));
    return pyr_new(&out->typed, (size_t)argc + 1, sizeof *out->typed, "the command line");
}

pyr_status pyr_options_parse(pyr_parsed *out, const pyr_options *options, int argc, char **argv)
{
    cursor c = {.parsed = out, .options = options, .argc = argc, .at = 1, .argv = argv};
    bool ended = false; /* "--" was met */

    PYR_TRY(make_parsed(out, options, argc));
    PYR_TRY(set_standards(options));
    while (c.at < argc) {
        const char *argument = argv[c.at++];

        if (ended || argument[0] != '-' || !argument[1])
            out->arguments[out->n_arguments++] = argument;
        else if (strcmp(argument, "--") == 0)
            ended = true;
        else if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
            out->help = true;
            return PYR_OK;
        } else if (argument[1] == '-')
            PYR_TRY(take_option(&c, argument));
        else
            return fail_unknown(options, argument);
    }
    if (out->n_arguments < (size_t)options->least || out->n_arguments > (size_t)options->most)
        return fail_count(out);
    return PYR_OK;
}

void pyr_parsed_free(pyr_parsed *parsed)
{
    pyr_free(parsed->arguments);
    pyr_free(parsed->typed);
    *parsed = (pyr_parsed){0};
}

bool pyr_option_given(const pyr_parsed *parsed, const char *name)
{
    for (size_t i = 0; i < parsed->n_typed; i++)
        if (strcmp(parsed->typed[i].option ? parsed->typed[i].option->name : "set", name) == 0)
            return true;
    return false;
}

pyr_status pyr_option_take(pyr_parsed *parsed, const char *name, void *out, bool *typed)
{
    const pyr_typed *last = NULL;
    size_t kept = 0;
    char origin[80];

    for (size_t i = 0; i < parsed->n_typed; i++)
        if (parsed->typed[i].option && strcmp(parsed->typed[i].option->name, name) == 0)
            last = &parsed->typed[i];
    *typed = last != NULL;
    if (!last)
        return PYR_OK;
    pyr_setting row = option_row(parsed->options, last->option);
    snprintf(origin, sizeof origin, "--%s", name);
    if (pyr_setting_parse(&row, origin, last->value, "", out) != PYR_OK)
        return look_up(parsed->options);
    for (size_t i = 0; i < parsed->n_typed; i++)
        if (!parsed->typed[i].option || strcmp(parsed->typed[i].option->name, name) != 0)
            parsed->typed[kept++] = parsed->typed[i];
    parsed->n_typed = kept;
    return PYR_OK;
}

/* ---- to the settings ------------------------------------------------------------------------ */

static pyr_status apply_set(pyr_settings *settings, const char *text)
{
    const char *equals = strchr(text, '=');
    char *key = pyr_strfmt("%.*s", (int)(equals - text), text);
    pyr_status status;

    if (!key)
        return pyr_fail(PYR_E_NOMEM, "out of memory: a key of --set");
    status = pyr_settings_set(settings, key, equals + 1, "--set");
    pyr_free(key);
    return status;
}

static pyr_status apply_option(const pyr_options *options, const pyr_typed *typed, pyr_settings *settings)
{
    const pyr_section *section;
    const pyr_setting *row =
        pyr_settings_row(options->sections, options->n_sections, typed->option->setting, &section);
    char origin[80];

    assert(row);
    snprintf(origin, sizeof origin, "--%s", typed->option->name);
    if (section->per_level)
        return pyr_settings_set_all_levels(settings, row->key, typed->value, origin);
    return pyr_settings_set(settings, typed->option->setting, typed->value, origin);
}

pyr_status pyr_options_apply(const pyr_parsed *parsed, pyr_settings *settings)
{
    for (size_t i = 0; i < parsed->n_typed; i++) {
        const pyr_typed *typed = &parsed->typed[i];
        pyr_status status = PYR_OK;

        if (!typed->option)
            status = apply_set(settings, typed->value);
        else if (typed->option->setting)
            status = apply_option(parsed->options, typed, settings);
        if (status == PYR_E_CONFIG)
            return look_up(parsed->options);
        PYR_TRY(status);
    }
    return PYR_OK;
}

/* ---- help ----------------------------------------------------------------------------------- */

enum { WIDTH = 96, COLUMN_MAX = 30 };

/* `text` wrapped at WIDTH; the first line begins at column `at`, the others at `column`. */
static void add_wrapped(const char *text, int at, int column, pyr_text *out)
{
    if (at > 0 && at >= column) { /* what stands there is too long: go on below */
        pyr_text_add(out, "\n");
        at = 0;
    }
    do {
        size_t room = (size_t)(WIDTH - column), n = strlen(text);

        if (n > room) {
            for (n = room; n > 0 && text[n] != ' '; n--)
                ;
            if (n == 0)
                n = strcspn(text, " ");
        }
        pyr_text_add(out, "%*s%.*s\n", column - at, "", (int)n, text);
        text += n;
        text += strspn(text, " ");
        at = 0;
    } while (*text);
}

/* Something to switch that may be on already. */
static bool is_switch(const pyr_option *option)
{
    return !option->argument &&
           (option->setting || (option->standard && strcmp(option->standard, "true") == 0));
}

/* "  --outdir DIR", "  --[no-]xflip", "  --dry-run" (which nobody needs to turn off) */
static void option_head(const pyr_option *option, pyr_text *out)
{
    pyr_text_add(out, "  --%s%s", is_switch(option) ? "[no-]" : "", option->name);
    if (option->argument)
        pyr_text_add(out, " %s", option->argument);
}

/* The help and what is known of the value: "learning rate (default: 1e-3)". */
static void option_text(const pyr_options *options, const pyr_option *option, pyr_text *out)
{
    pyr_setting row = option_row(options, option);
    bool words = row.choices && option->argument;
    bool standard = row.standard && *row.standard && (option->argument || is_switch(option));

    pyr_text_add(out, "%s", option->help ? option->help : row.help ? row.help : "");
    if (words || standard)
        pyr_text_add(out, " (");
    if (words)
        pyr_setting_describe(&row, out);
    if (standard)
        pyr_text_add(out, "%sdefault: %s", words ? "; " : "",
                     option->untyped ? option->untyped : row.standard);
    if (words || standard)
        pyr_text_add(out, ")");
}

static void add_row(const char *head, const char *text, int column, pyr_text *out)
{
    pyr_text_add(out, "%s", head);
    add_wrapped(text, (int)strlen(head), column, out);
}

static void add_option(const pyr_options *options, const pyr_option *option, int column, pyr_text *out)
{
    pyr_text head = {0}, text = {0};

    option_head(option, &head);
    option_text(options, option, &text);
    if (head.failed || text.failed || !text.at)
        out->failed = true;
    else
        add_row(head.at, text.at, column, out);
    pyr_text_free(&head);
    pyr_text_free(&text);
}

/* Where the texts begin: behind the widest head that is not too wide. */
static int help_column(const pyr_options *options)
{
    int column = (int)strlen("  --set KEY=VALUE  ");

    for (size_t i = 0; i < options->n; i++) {
        const pyr_option *option = &options->table[i];
        size_t head = strlen(option->name) + (option->argument ? 5 + strlen(option->argument) : 9);

        if (head + 2 <= COLUMN_MAX && (int)head + 2 > column)
            column = (int)head + 2;
    }
    return column;
}

void pyr_options_help(const pyr_options *options, pyr_text *out)
{
    int column = help_column(options);

    pyr_text_add(out, "usage: pyrdiff %s [options]%s%s\n\n", options->command, options->arguments ? " " : "",
                 options->arguments ? options->arguments : "");
    if (options->summary) {
        add_wrapped(options->summary, 0, 0, out);
        pyr_text_add(out, "\n");
    }
    pyr_text_add(out, "options:\n");
    for (size_t i = 0; i < options->n; i++)
        add_option(options, &options->table[i], column, out);
    if (has_set(options))
        add_row("  --set KEY=VALUE", "set any setting; may be given several times", column, out);
    add_row("  -h, --help", "print this and exit", column, out);
    if (options->examples)
        pyr_text_add(out, "\nexamples:\n%s", options->examples);
}
