/* options.h - the options of a command: one table that parses and prints help.
 *
 *     const char *outdir;
 *     int images;
 *     const pyr_option table[] = {
 *         {.name = "outdir", .argument = "DIR", .type = PYR_SETTING_TEXT, .target = &outdir,
 *          .standard = "runs", .help = "where runs are written"},
 *         {.name = "images", .argument = "N", .type = PYR_SETTING_INT, .target = &images,
 *          .standard = "64", .min = 1, .max = 1e6, .help = "how many"},
 *         {.name = "lr", .argument = "RATE", .setting = "level.lr", .help = "learning rate of every level"},
 *     };
 *     const pyr_options options = {.command = "train", .summary = "...", .table = table, .n = 3, ...};
 *     PYR_TRY(pyr_options_parse(&parsed, &options, argc, argv));
 *     ... read the configuration file into `settings` ...
 *     PYR_TRY(pyr_options_apply(&parsed, settings));
 *
 * So what is typed overrides the file, wherever it stands. The syntax:
 * --name VALUE, --name=VALUE, --flag, --no-flag, -h, --help, and -- before
 * arguments that begin with a dash. An option given twice: the later counts. */
#ifndef PYR_TERMINAL_OPTIONS_H
#define PYR_TERMINAL_OPTIONS_H

#include "settings/settings.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct pyr_option {
    const char *name;     /* "outdir" */
    const char *argument; /* "DIR"; NULL: a flag, of a BOOL */
    const char *setting;  /* the setting that it sets, "level.lr" (for all levels) or "train.seed"; or NULL */
    const char *help;     /* without its default, which is added */

    /* Without a setting: what is stored where, as in a pyr_setting row (not TEXTS). A text is argv's. */
    pyr_setting_type type;
    void *target;
    const char *standard; /* put into *target first; NULL: *target stays as it is */
    const char
        *untyped; /* the standard is out of bounds, so that nobody can type it, and means this: "all" */
    double min, max;
    const char *const *choices;
} pyr_option;

typedef struct pyr_options {
    const char *command;   /* "train", as in "pyrdiff train" */
    const char *arguments; /* of the usage line: "RUN [IMAGE ...]"; NULL for none */
    int least, most;       /* how many arguments there may be */
    const char *summary;   /* one paragraph */
    const char *examples;  /* lines as typed, each with its line end; may be NULL */
    const pyr_option *table;
    size_t n;
    const pyr_section *sections; /* of the settings named above and by --set; NULL: there is no --set */
    size_t n_sections;
} pyr_options;

/* What was typed. All texts are argv's or the table's. */
typedef struct pyr_typed {
    const pyr_option *option; /* NULL: --set */
    const char *value;        /* of --set: KEY=VALUE */
} pyr_typed;

typedef struct pyr_parsed {
    bool help; /* -h or --help was met, nothing after it was looked at */
    const char **arguments;
    size_t n_arguments;
    pyr_typed *typed; /* in the order typed */
    size_t n_typed;
    const pyr_options *options;
} pyr_parsed;

/* Parse argv[1] .. argv[argc - 1] (argv[0] is the command's name), fill the
 * targets, and keep what concerns settings for pyr_options_apply. End *out with
 * pyr_parsed_free, on failure too. PYR_E_ARG with a sentence that says where to look. */
pyr_status pyr_options_parse(pyr_parsed *out, const pyr_options *options, int argc, char **argv);
void pyr_parsed_free(pyr_parsed *parsed); /* {0} is fine */

/* Set the settings that were typed, --set among them, in the order typed. */
pyr_status pyr_options_apply(const pyr_parsed *parsed, pyr_settings *settings);

/* The value typed for the option of a setting, which pyr_options_apply will then not see: into *out as the
 * setting's type (not TEXT or TEXTS). *typed false: it was not typed, *out stays. PYR_E_ARG. */
pyr_status pyr_option_take(pyr_parsed *parsed, const char *name, void *out, bool *typed);

/* Was it typed? (`--no-name` too) */
bool pyr_option_given(const pyr_parsed *parsed, const char *name);

/* A text option that was left at "" as NULL. */
static inline const char *pyr_given(const char *text)
{
    return *text ? text : NULL;
}

/* The text of --help. */
void pyr_options_help(const pyr_options *options, pyr_text *out);

#endif
