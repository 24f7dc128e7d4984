/* settings.h - the table of settings: files, command line, help, documentation.
 *
 * A room declares one section: a table with a row per setting, which says where
 * the value lies in the room's own struct. Everything else is done here:
 *
 *     typedef struct toy_settings { int batch; double rate; } toy_settings;
 *     static const pyr_setting toy_rows[] = {
 *         {"batch", PYR_SETTING_INT, offsetof(toy_settings, batch), 1, 65536, "64", NULL, "images per step"},
 *         {"optim.rate", PYR_SETTING_REAL, offsetof(toy_settings, rate), 0, 1, "1e-3", NULL, "step size"},
 *     };
 *     const pyr_section toy_section = {"toy", toy_rows, 2, false, "the toy"};
 *     const pyr_section *const sections[] = {&toy_section, NULL};
 *
 * The full key of a setting is "section.key". Of one section, `level`, every
 * level has its own values: `level = {...}` in a file holds what all levels
 * share, `levels = ({...}, {...})` overrides it per level (index = level,
 * 0 = finest), and "levels[0].batch" and "levels.0.batch" are one key.
 * A value is, from weak to strong: the default in the table, `level`, `levels`;
 * within each of them the source that was read later wins.
 * Values are checked when they are read or set, never later. */
#ifndef PYR_SETTINGS_SETTINGS_H
#define PYR_SETTINGS_SETTINGS_H

#include "base/status.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYR_LIST_MAX = 16, PYR_SETTINGS_LEVELS = 16 /* levels[0] .. levels[15] */ };

typedef enum pyr_setting_type {
    PYR_SETTING_INT,      /* int */
    PYR_SETTING_REAL,     /* double */
    PYR_SETTING_BOOL,     /* bool */
    PYR_SETTING_TEXT,     /* const char *, never NULL; owned by the settings until they are freed */
    PYR_SETTING_CHOICE,   /* int: index into `choices` */
    PYR_SETTING_COUNT,    /* int64_t: 3000, "3k", "200ki" */
    PYR_SETTING_DURATION, /* pyr_duration: "200ki", "3ep", "90s", "10m", "2h" */
    PYR_SETTING_INTS,     /* pyr_ints: [64, 128] */
    PYR_SETTING_REALS,    /* pyr_reals */
    PYR_SETTING_TEXTS     /* pyr_texts; `choices`, if given, are the words allowed */
} pyr_setting_type;

typedef enum pyr_duration_unit {
    PYR_DURATION_IMAGES,
    PYR_DURATION_EPOCHS,
    PYR_DURATION_SECONDS
} pyr_duration_unit;

typedef struct pyr_duration {
    double value; /* seconds for "10m" and "2h" too; of images a whole number */
    pyr_duration_unit unit;
} pyr_duration;

typedef struct pyr_ints {
    int n;
    int at[PYR_LIST_MAX];
} pyr_ints;

typedef struct pyr_reals {
    int n;
    double at[PYR_LIST_MAX];
} pyr_reals;

typedef struct pyr_texts {
    int n;
    const char *at[PYR_LIST_MAX]; /* as PYR_SETTING_TEXT */
} pyr_texts;

typedef struct pyr_setting {
    const char *key; /* within its section; a dot opens a group: "network.patch" */
    pyr_setting_type type;
    size_t offset;              /* into the section's struct */
    double min, max;            /* of numbers, list elements included; min >= max: no bounds */
    const char *standard;       /* the default, as text: "64", "0.1", "box", "[64, 128]", "" */
    const char *const *choices; /* NULL-terminated words, for CHOICE and TEXTS; of REALS one word, which
                                   stands for the empty list; of INTS "HxW": 28x32 may be typed for 28,32 */
    const char *help;           /* half a line */
} pyr_setting;

typedef struct pyr_section {
    const char *name;
    const pyr_setting *rows;
    size_t n;
    bool per_level;   /* the one section that every level has of its own */
    const char *help; /* one line above it in files and documentation; may be NULL */
} pyr_section;

/* The list of a few sections, ended by NULL. */
#define PYR_SECTIONS(...) ((const pyr_section *const[]){__VA_ARGS__, NULL})

/* What was set, and where. `sections` ends with NULL; the list is copied, the sections must outlive the
 * settings. A row whose default does not fit the row is PYR_E_CONFIG. */
typedef struct pyr_settings pyr_settings;
pyr_status pyr_settings_new(pyr_settings **out, const pyr_section *const *sections);
void pyr_settings_free(pyr_settings *settings);

/* ---- sources: later ones override earlier ones. PYR_E_CONFIG for what a person can mend, with file, line,
 * key and value; what stood before the mistake stays set. */

/* A libconfig file; its @include looks beside it. */
pyr_status pyr_settings_read(pyr_settings *settings, const char *path);

/* The text of one; `name` stands for the file in sentences. No @include. */
pyr_status pyr_settings_read_text(pyr_settings *settings, const char *text, const char *name);

/* One key. `value` is a libconfig value (`0.1`, `"text"`, `[64, 128]`) or the
 * same without quotes and brackets (`text`, `64,128`). "levels[*].lr" is level.lr
 * of every level: sets the default and drops every override. `origin` is what the
 * person typed: "--set". Nothing is kept of the arguments. */
pyr_status pyr_settings_set(pyr_settings *settings, const char *key, const char *value, const char *origin);

/* The same, as a pyr_settings_visit. */
pyr_status pyr_settings_put(void *settings, const char *key, const char *value, const char *origin);

/* ---- values */

/* Fill the section's struct. `level` is -1 for the other sections, and for
 * `level` itself means what all levels share. */
void pyr_settings_fill(const pyr_settings *settings, const char *section, int level, void *out);

/* Add the value in force as text, a word or text as it is: of "level.batch" what all levels share, of
 * "levels[1].batch" that of the level. PYR_E_CONFIG: there is no such key. */
pyr_status pyr_settings_text(const pyr_settings *settings, const char *key, pyr_text *out);

/* "configs/a.cfg:12", "--set", or "default": where the value of a key comes
 * from ("train.seed", "level.batch", "levels[1].batch"). NULL: no such key.
 * Borrowed until that key is set again. */
const char *pyr_settings_origin(const pyr_settings *settings, const char *key);

/* The highest level that `levels` mentioned, or -1; *where (may be NULL) as in
 * pyr_settings_origin. For the sentence about a level that is not there. */
int pyr_settings_highest_level(const pyr_settings *settings, const char **where);

/* Visit what a person has set (not the defaults), in the order of the tables.
 * The texts are valid during the call; a failure ends the visit. */
typedef pyr_status (*pyr_settings_visit)(void *arg, const char *key, const char *value, const char *origin);
pyr_status pyr_settings_each(const pyr_settings *settings, pyr_settings_visit visit, void *arg);

/* ---- text out. These add to `out`; out->failed: memory ran out. */

/* Everything, resolved, as a file that reads back to the same values bit for
 * bit: `level` in full, in `levels` what differs from it, for n_levels levels. */
void pyr_settings_write(const pyr_settings *settings, int n_levels, pyr_text *out);

/* Name what differs: a line "  key: value in a -> value in b (origin in b)\n" each.
 * `matters` (NULL: all do) chooses the keys. Both are made of the same sections.
 * Returns how many lines. n_levels 0 compares `level` alone. */
typedef bool (*pyr_settings_filter)(void *arg, const pyr_section *section, const pyr_setting *row);
size_t pyr_settings_compare(const pyr_settings *a, const pyr_settings *b, int n_levels,
                            pyr_settings_filter matters, void *arg, pyr_text *out);

/* The same for what one level has of its own: the values in force at `level`. */
size_t pyr_settings_compare_level(const pyr_settings *a, const pyr_settings *b, int level,
                                  pyr_settings_filter matters, void *arg, pyr_text *out);

/* Give `level` of `to` all the values that it has in `from`. Both are made of the same sections. */
pyr_status pyr_settings_copy_level(pyr_settings *to, const pyr_settings *from, int level);

/* All rows: key, type, default, bounds or words, help; for a terminal
 * (wrapped at 100 columns), or as Markdown tables. */
void pyr_settings_document(const pyr_section *const *sections, bool markdown, pyr_text *out);

/* ---- single rows, for the options of commands */

/* The row that a full key names, and its section; NULL without. */
const pyr_setting *pyr_settings_row(const pyr_section *const *sections, const char *key,
                                    const pyr_section **section);

/* Convert `text` by a row's type, bounds and choices into *out (the offset is
 * not used). `name` and `origin` ("" for none) are for the sentence. TEXT gives
 * `text` itself, borrowed; TEXTS is not offered. PYR_E_CONFIG. */
pyr_status pyr_setting_parse(const pyr_setting *row, const char *name, const char *text, const char *origin,
                             void *out);

/* "a whole number 1..65536", "one of: box, haar": for help texts. */
void pyr_setting_describe(const pyr_setting *row, pyr_text *out);

#endif
