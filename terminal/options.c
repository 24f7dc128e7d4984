/* options.c - options of commands: parsing, settings, the text of --help. */
#include "terminal/options.h"

#include "base/mem.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------ */

/* Row i of the table and its groups, and the place of its member behind `base`. */
static const pyr_option *find_row(const pyr_option *table, size_t *i, size_t base, size_t *place)
{
    for (; table && (table->name || table->group); table++) {
        if (table->group) {
            const pyr_option *found = find_row(table->group, i, base + table->offset, place);

            if (found)
                return found;
        } else if ((*i)-- == 0) {
            *place = base + table->offset;
            return table;
        }
    }
    return NULL;
}

const pyr_option *pyr_option_at(const pyr_command *command, size_t i)
{
    size_t place;

    return find_row(command->options, &i, 0, &place);
}

pyr_setting pyr_option_row(const pyr_command *command, const pyr_option *option)
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
    row = pyr_settings_row(command->sections, option->setting, NULL);
    assert(row);
    return *row;
}

/* *place: where its member lies in the command's struct. */
static const pyr_option *find_option(const pyr_command *command, const char *name, size_t length,
                                     size_t *place)
{
    const pyr_option *option;

    for (size_t i = 0, left = 0; (option = find_row(command->options, &left, 0, place)); left = ++i)
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    return NULL;
}

/* ---- sentences ------------------------------------------------------------------------------ */

/* Add where to look to the stored sentence. */
static pyr_status look_up(const pyr_command *command)
{
    return pyr_fail(PYR_E_ARG, "%s (see pyrdiff %s --help)", pyr_error(), command->name);
}

static pyr_status fail_unknown(const pyr_command *command, const char *argument)
{
    size_t n = 0;
    while (pyr_option_at(command, n))
        n++;
    const char **names = pyr_calloc(n + 2, sizeof *names), *nearest = NULL;
    const char *word = argument + strspn(argument, "-"), *no = "";
    char *name = pyr_strfmt("%.*s", (int)strcspn(word, "="), word);

    for (size_t i = 0; names && i < n; i++)
        names[i] = pyr_option_at(command, i)->name;
    if (names) {
        names[n++] = "help";
        if (command->sections)
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
    return look_up(command);
}

static pyr_status fail_count(const pyr_parsed *parsed)
{
    const pyr_command *command = parsed->command;

    if (command->most == 0)
        pyr_fail(PYR_E_ARG, "pyrdiff %s takes no arguments, \"%s\" is one", command->name,
                 parsed->arguments[0]);
    else if (parsed->n_arguments < (size_t)command->least)
        pyr_fail(PYR_E_ARG, "pyrdiff %s needs %s", command->name, command->arguments);
    else
        pyr_fail(PYR_E_ARG, "pyrdiff %s takes at most %d argument%s (%s), \"%s\" is one more", command->name,
                 command->most, command->most == 1 ? "" : "s", command->arguments,
                 parsed->arguments[command->most]);
    return look_up(command);
}

/* ---- parsing -------------------------------------------------------------------------------- */

/* How far the command line is read. */
typedef struct cursor {
    pyr_parsed *parsed;
    const pyr_command *command;
    char *typed;  /* the command's struct */
    int argc, at; /* argv[at] is the next one */
    char **argv;
} cursor;

/* Keep what concerns a setting, store the rest at typed + place. */
static pyr_status take_value(cursor *c, const pyr_option *option, size_t place, const char *value)
{
    pyr_setting row;
    char origin[80];
    pyr_status status;

    c->parsed->typed[c->parsed->n_typed++] = (pyr_typed){option, value};
    if (!option || option->setting)
        return PYR_OK;
    row = pyr_option_row(c->command, option);
    snprintf(origin, sizeof origin, "--%s", option->name);
    status = pyr_setting_parse(&row, origin, value, "", c->typed + place);
    return status == PYR_E_CONFIG ? look_up(c->command) : status;
}

static pyr_status take_flag(cursor *c, const pyr_option *option, size_t place, const char *value, bool on)
{
    assert(pyr_option_row(c->command, option).type == PYR_SETTING_BOOL);
    if (value) {
        pyr_fail(PYR_E_ARG, "--%s takes no value (\"%s\"), write --%s or --no-%s", option->name, value,
                 option->name, option->name);
        return look_up(c->command);
    }
    return take_value(c, option, place, on ? "true" : "false");
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
    return look_up(c->command);
}

static pyr_status take_set(cursor *c, const char *value)
{
    const pyr_section *first = c->command->sections[0];
    const char *equals;

    PYR_TRY(next_value(c, "set", "KEY=VALUE", &value));
    equals = strchr(value, '=');
    if (!equals || equals == value) {
        pyr_fail(PYR_E_ARG, "--set %s: should be KEY=VALUE, as in --set %s.%s=%s", value, first->name,
                 first->rows[0].key, first->rows[0].standard);
        return look_up(c->command);
    }
    return take_value(c, NULL, 0, value);
}

/* argv[at - 1] begins with "--". */
static pyr_status take_option(cursor *c, const char *argument)
{
    const char *name = argument + 2, *equals = strchr(name, '='), *value = equals ? equals + 1 : NULL;
    size_t length = strcspn(name, "="), place = 0;
    const pyr_option *option = find_option(c->command, name, length, &place);

    if (!option && length == 3 && memcmp(name, "set", 3) == 0 && c->command->sections)
        return take_set(c, value);
    if (option && !option->argument)
        return take_flag(c, option, place, value, true);
    if (option) {
        PYR_TRY(next_value(c, option->name, option->argument, &value));
        return take_value(c, option, place, value);
    }
    if (strncmp(name, "no-", 3) == 0)
        option = find_option(c->command, name + 3, length - 3, &place);
    if (option && pyr_option_row(c->command, option).type == PYR_SETTING_BOOL)
        return take_flag(c, option, place, value, false);
    return fail_unknown(c->command, argument);
}

static pyr_status set_standards(const cursor *c)
{
    const pyr_option *option;
    size_t place;

    for (size_t i = 0, left = 0; (option = find_row(c->command->options, &left, 0, &place)); left = ++i) {
        pyr_setting row = pyr_option_row(c->command, option);

        if (option->untyped)
            row.min = row.max = 0;
        if (!option->setting && option->standard)
            PYR_TRY(pyr_setting_parse(&row, option->name, option->standard, "default", c->typed + place));
    }
    return PYR_OK;
}

/* Is there what the command cannot do without? */
static pyr_status check_missing(const cursor *c)
{
    const pyr_option *option;
    size_t place;

    for (size_t i = 0, left = 0; (option = find_row(c->command->options, &left, 0, &place)); left = ++i)
        if (option->missing && !**(const char **)(void *)(c->typed + place))
            return pyr_fail(PYR_E_ARG, "%s", option->missing);
    return PYR_OK;
}

static pyr_status make_parsed(pyr_parsed *out, const pyr_command *command, int argc, char **argv)
{
    *out = (pyr_parsed){.command = command, .argc = argc, .argv = argv};
    PYR_TRY(pyr_new(&out->arguments, (size_t)argc + 1, sizeof *out->arguments, "the command line"));
    return pyr_new(&out->typed, (size_t)argc + 1, sizeof *out->typed, "the command line");
}

pyr_status pyr_options_parse(pyr_parsed *out, const pyr_command *command, void *typed, int argc, char **argv)
{
    cursor c = {.parsed = out, .command = command, .typed = typed, .argc = argc, .at = 1, .argv = argv};
    bool ended = false; /* "--" was met */

    PYR_TRY(make_parsed(out, command, argc, argv));
    PYR_TRY(set_standards(&c));
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
            return fail_unknown(command, argument);
    }
    if (out->n_arguments < (size_t)command->least || out->n_arguments > (size_t)command->most)
        return fail_count(out);
    return check_missing(&c);
}

void pyr_parsed_free(pyr_parsed *parsed)
{
    pyr_free(parsed->arguments);
    pyr_free(parsed->typed);
    *parsed = (pyr_parsed){0};
}

const char *pyr_option_value(const pyr_parsed *parsed, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < parsed->n_typed; i++)
        if (strcmp(parsed->typed[i].option ? parsed->typed[i].option->name : "set", name) == 0)
            value = parsed->typed[i].value;
    return value;
}

bool pyr_option_given(const pyr_parsed *parsed, const char *name)
{
    return pyr_option_value(parsed, name) != NULL;
}

pyr_status pyr_option_take(pyr_parsed *parsed, const char *name, void *out, bool *typed)
{
    const char *value = pyr_option_value(parsed, name);
    size_t kept = 0, place;
    pyr_setting row;
    char origin[80];

    *typed = value != NULL;
    if (!value)
        return PYR_OK;
    row = pyr_option_row(parsed->command, find_option(parsed->command, name, strlen(name), &place));
    snprintf(origin, sizeof origin, "--%s", name);
    if (pyr_setting_parse(&row, origin, value, "", out) != PYR_OK)
        return look_up(parsed->command);
    for (size_t i = 0; i < parsed->n_typed; i++)
        if (!parsed->typed[i].option || strcmp(parsed->typed[i].option->name, name) != 0)
            parsed->typed[kept++] = parsed->typed[i];
    parsed->n_typed = kept;
    return PYR_OK;
}

/* ---- to the settings ------------------------------------------------------------------------ */

static pyr_status give_set(const char *text, pyr_settings_visit set, void *ctx)
{
    const char *equals = strchr(text, '=');
    char *key;
    pyr_status status;

    PYR_TRY(pyr_format(&key, "%.*s", (int)(equals - text), text));
    status = set(ctx, key, equals + 1, "--set");
    pyr_free(key);
    return status;
}

static pyr_status give_option(const pyr_command *command, const pyr_typed *typed, pyr_settings_visit set,
                              void *ctx)
{
    const pyr_section *section;
    const pyr_setting *row = pyr_settings_row(command->sections, typed->option->setting, &section);
    char origin[80], every[128];

    assert(row);
    snprintf(origin, sizeof origin, "--%s", typed->option->name);
    snprintf(every, sizeof every, "%ss[*].%s", section->name, row->key);
    return set(ctx, section->per_level ? every : typed->option->setting, typed->value, origin);
}

pyr_status pyr_options_each(const pyr_parsed *parsed, pyr_settings_visit set, void *ctx)
{
    for (size_t i = 0; i < parsed->n_typed; i++) {
        const pyr_typed *typed = &parsed->typed[i];
        pyr_status status = PYR_OK;

        if (!typed->option)
            status = give_set(typed->value, set, ctx);
        else if (typed->option->setting)
            status = give_option(parsed->command, typed, set, ctx);
        if (status == PYR_E_CONFIG)
            return look_up(parsed->command);
        PYR_TRY(status);
    }
    return PYR_OK;
}

pyr_status pyr_options_apply(const pyr_parsed *parsed, pyr_settings *settings)
{
    return pyr_options_each(parsed, pyr_settings_put, settings);
}
