/* options.h - what a command is, and its options: one constant table that parses, prints help, and is made into
 * man pages and completions (manual.h).
 *
 *     typedef struct typed {
 *         const char *outdir;
 *         int images;
 *         bool dry_run;
 *     } typed;
 *
 *     static const pyr_option options[] = {
 *         OPT_TEXT(typed, outdir, "outdir", "DIR", "runs", "where runs are written"),
 *         OPT_INT(typed, images, "images", "N", "64", 1, 1e6, "how many"),
 *         OPT_FLAG(typed, dry_run, "dry-run", "only say what would be done"),
 *         OPT_SETTING("lr", "RATE", "level.lr", "learning rate of every level"),
 *         OPT_GROUP(typed, machine, pyr_machine_options),
 *         {0},
 *     };
 *
 *     const pyr_command pyr_command_train = {.name = "train", .title = "...", .options = options,
 *                                            .size = sizeof(typed), .run = run, ...};
 *
 * run() gets the struct filled in, and sets the settings that were typed after it has read the configuration:
 *
 *     PYR_TRY(pyr_options_apply(parsed, settings));
 *
 * So what is typed overrides the file, wherever it stands on the command line. The syntax: --name VALUE,
 * --name=VALUE, --flag, --no-flag, -h, --help, and -- before arguments that begin with a dash. Of an option
 * given twice the later one counts. */
#ifndef PYR_TERMINAL_OPTIONS_H
#define PYR_TERMINAL_OPTIONS_H

#include "settings/settings.h"
#include <stdbool.h>
#include <stddef.h>

/* One row. Three kinds: with `setting`, its value is for that setting; with `group`, the rows of another table
 * stand in its place; else the value is stored in the command's struct. */
typedef struct pyr_option {
    const char *name;     /* "outdir" */
    const char *argument; /* "DIR"; NULL: a flag, of a BOOL */
    const char *help;     /* without its default, which is added */

    const char *setting; /* "level.lr" (for all levels) or "train.seed" */

    const struct pyr_option *group;

    /* What is stored in the command's struct, as in a pyr_setting row (not TEXTS). A text is argv's. */
    pyr_setting_type type;
    size_t offset;        /* of the member, or of the group's struct */
    const char *standard; /* what is stored first; NULL: what is there stays */
    /* The standard is out of bounds, so that nobody can type it, and means this: "all". */
    const char *untyped;
    const char *missing; /* of a TEXT: without it, the sentence with which the command is refused */
    double min, max;
    /* Of a CHOICE; of a TEXT the words that help lists, which the command checks. */
    const char *const *choices;
} pyr_option;

/* The offset of a member, which must be of this type (else the pointers do not compare). */
#define OPT_AT(owner, member, type_)                                                                         \
    (offsetof(owner, member) + 0 * sizeof(&((owner *)0)->member == (type_ *)0))
#define OPT_ROW(owner, member, c_type, name_, argument_, kind, ...)                                          \
    {                                                                                                        \
        .name = name_, .argument = argument_, .type = kind, .offset = OPT_AT(owner, member, c_type),         \
        __VA_ARGS__                                                                                          \
    }

/* OPT_x(owner, member, name, argument, standard, ..., help): owner.member is the value. Further members of the
 * row may follow the help: `.missing = "..."`. */
#define OPT_TEXT(owner, member, name_, argument_, standard_, ...)                                            \
    OPT_ROW(owner, member, const char *, name_, argument_, PYR_SETTING_TEXT, .standard = standard_,          \
            .help = __VA_ARGS__)
#define OPT_WORD(owner, member, name_, argument_, standard_, words, ...)                                     \
    OPT_TEXT(owner, member, name_, argument_, standard_, __VA_ARGS__, .choices = words)
#define OPT_CHOICE(owner, member, name_, argument_, standard_, words, ...)                                   \
    OPT_ROW(owner, member, int, name_, argument_, PYR_SETTING_CHOICE, .standard = standard_,                 \
            .choices = words, .help = __VA_ARGS__)
#define OPT_DURATION(owner, member, name_, argument_, standard_, ...)                                        \
    OPT_ROW(owner, member, pyr_duration, name_, argument_, PYR_SETTING_DURATION, .standard = standard_,      \
            .help = __VA_ARGS__)
#define OPT_NUMBER_(owner, member, c_type, kind, name_, argument_, standard_, min_, max_, ...)               \
    OPT_ROW(owner, member, c_type, name_, argument_, kind, .standard = standard_, .min = min_, .max = max_,  \
            .help = __VA_ARGS__)
#define OPT_INT(owner, member, ...) OPT_NUMBER_(owner, member, int, PYR_SETTING_INT, __VA_ARGS__)
#define OPT_COUNT(owner, member, ...) OPT_NUMBER_(owner, member, int64_t, PYR_SETTING_COUNT, __VA_ARGS__)
#define OPT_REAL(owner, member, ...) OPT_NUMBER_(owner, member, double, PYR_SETTING_REAL, __VA_ARGS__)
/* A bool, false unless it is typed; and one that is true unless --no-NAME is typed. */
#define OPT_FLAG(owner, member, name_, ...)                                                                  \
    OPT_ROW(owner, member, bool, name_, NULL, PYR_SETTING_BOOL, .standard = "false", .help = __VA_ARGS__)
#define OPT_SWITCH(owner, member, name_, ...)                                                                \
    OPT_ROW(owner, member, bool, name_, NULL, PYR_SETTING_BOOL, .standard = "true", .help = __VA_ARGS__)
/* The value of a setting; `argument` NULL where it is a BOOL; help NULL for the setting's own. */
#define OPT_SETTING(name_, argument_, key, help_)                                                            \
    {                                                                                                        \
        .name = name_, .argument = argument_, .setting = key, .help = help_                                  \
    }
/* The rows of `table`, whose struct is owner.member. */
#define OPT_GROUP(owner, member, table)                                                                      \
    {                                                                                                        \
        .group = table, .offset = offsetof(owner, member)                                                    \
    }

struct pyr_parsed;

/* A command: everything that is known about it. Constant. */
typedef struct pyr_command {
    const char *name;                   /* "train", as in "pyrdiff train" */
    const char *title;                  /* what it does, in half a line: of the list of commands */
    const char *arguments;              /* of the usage line: "RUN [IMAGE ...]"; NULL for none */
    int least, most;                    /* how many arguments there may be */
    const char *summary;                /* one paragraph */
    const char *examples;               /* lines as typed, each with its line end; may be NULL */
    const pyr_option *options;          /* ended by {0}; NULL: none */
    const pyr_section *const *sections; /* of the settings in `options` and --set; NULL: there is no --set */
    size_t size;                        /* of the struct that the options fill */
    /* `typed` is that struct. */
    pyr_status (*run)(void *typed, struct pyr_parsed *parsed);
    /* Another command of the same name that these arguments mean; NULL: this one. May be NULL. */
    const struct pyr_command *(*variant)(int argc, char **argv);
    const void *own; /* what run() needs of this command, where it is that of several */
    bool resumes;    /* typed again it goes on where it was stopped: being stopped is no failure */
} pyr_command;

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
    const pyr_command *command;
    int argc; /* as given to pyr_options_parse */
    char **argv;
} pyr_parsed;

/* Parse argv[1] .. argv[argc - 1] (argv[0] is the command's name), fill *typed (command->size bytes), and keep
 * what concerns settings for pyr_options_apply. End *out with pyr_parsed_free, on failure too. PYR_E_ARG with
 * a sentence that says where to look. */
pyr_status pyr_options_parse(pyr_parsed *out, const pyr_command *command, void *typed, int argc, char **argv);
void pyr_parsed_free(pyr_parsed *parsed); /* {0} is fine */

/* Set the settings that were typed, --set among them, in the order typed. */
pyr_status pyr_options_apply(const pyr_parsed *parsed, pyr_settings *settings);
/* The same through a function that takes them one by one. */
pyr_status pyr_options_each(const pyr_parsed *parsed, pyr_settings_visit set, void *ctx);

/* The value typed for the option of a setting, which pyr_options_apply will then not see: into *out as the
 * setting's type (not TEXT or TEXTS). *typed false: it was not typed, *out stays. PYR_E_ARG. */
pyr_status pyr_option_take(pyr_parsed *parsed, const char *name, void *out, bool *typed);

/* What was typed for it last; NULL: nothing. argv's. */
const char *pyr_option_value(const pyr_parsed *parsed, const char *name);

/* Was it typed? (`--no-name` too) */
bool pyr_option_given(const pyr_parsed *parsed, const char *name);

/* ---- what is known of a command, for help, man pages and completions */

/* Row i of the command with those of its groups in their places; NULL: there are no more. */
const pyr_option *pyr_option_at(const pyr_command *command, size_t i);

/* The row behind an option: that of its setting, or one made of its own members. */
pyr_setting pyr_option_row(const pyr_command *command, const pyr_option *option);
/* Whether --no-NAME is of use: a setting, or what is on unless it is switched off. */
bool pyr_option_switches(const pyr_option *option);
/* The help and what is known of the value: "learning rate (default: 1e-3)". */
void pyr_option_text(const pyr_command *command, const pyr_option *option, pyr_text *out);

/* The text of --help. */
void pyr_options_help(const pyr_command *command, pyr_text *out);

#endif
