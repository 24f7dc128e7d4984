/* settings_internal.h - what the settings*.c files share. See settings.h. */
#ifndef PYR_SETTINGS_SETTINGS_INTERNAL_H
#define PYR_SETTINGS_SETTINGS_INTERNAL_H

#include "settings/settings.h"

/* A value as its row's type keeps it. */
typedef union pyr_setting_value {
    int integer; /* INT, and CHOICE as an index */
    double real;
    bool truth;
    const char *text;
    int64_t count;
    pyr_duration duration;
    pyr_ints ints;
    pyr_reals reals;
    pyr_texts texts;
} pyr_setting_value;

/* One scalar as it was written, before its row has said what it means. */
typedef struct pyr_scalar {
    enum { PYR_WRITTEN_INTEGER, PYR_WRITTEN_REAL, PYR_WRITTEN_BOOL, PYR_WRITTEN_WORD } kind;
    int64_t integer;
    double real;
    bool truth;
    const char *text; /* of a word; NULL when a file gave a number or truth value */
} pyr_scalar;

/* A whole value as it was written: one scalar, or a list of n (the first PYR_LIST_MAX are kept). */
typedef struct pyr_written {
    bool list;
    int n;
    pyr_scalar at[PYR_LIST_MAX];
} pyr_written;

/* What a sentence about a value says first: `key` is ... (`origin`). */
typedef struct pyr_place {
    const char *key, *origin;
} pyr_place;

/* Who set a value. */
typedef struct pyr_assigned {
    pyr_setting_value value;
    char origin[];
} pyr_assigned;

/* A row with its default and what was set; at[0] is for all levels (or the
 * section is not per level), at[1 + i] for level i. NULL: not set. */
typedef struct pyr_slot {
    const pyr_section *section;
    const pyr_setting *row;
    const char *key; /* "level.network.patch"; of the settings' strings */
    pyr_setting_value standard;
    pyr_assigned *at[1 + PYR_SETTINGS_LEVELS];
} pyr_slot;

struct pyr_settings {
    const pyr_section **sections; /* ended by NULL */
    pyr_slot *slots;              /* in the order of the tables */
    size_t n_slots;
    char **strings; /* every text that a value points to */
    size_t n_strings, room_strings;
    int highest_level; /* mentioned in `levels`; -1: none */
    char *highest_origin;
};

/* settings.c */

/* The one place that says which of default, `level` and `levels` holds. */
const pyr_setting_value *pyr_slot_value(const pyr_slot *slot, int level);
/* The full key, for level -1 "level.batch", else "levels[2].batch". */
void pyr_slot_key(const pyr_slot *slot, int level, pyr_text *out);
/* Visit the value in force at the level (-1: for all), with this origin. */
pyr_status pyr_slot_visit(const pyr_slot *slot, int level, const char *origin, pyr_settings_visit visit,
                          void *arg);
/* *text becomes the settings' own copy of it. */
pyr_status pyr_settings_keep(pyr_settings *settings, const char **text);

/* settings_value.c: one value between what was written, the type, and text */

size_t pyr_value_size(pyr_setting_type type);
bool pyr_value_equal(const pyr_setting *row, const pyr_setting_value *a, const pyr_setting_value *b);

/* By type, bounds and choices. Texts are kept in `owner`; with NULL they are borrowed from `written`. */
pyr_status pyr_value_convert(const pyr_setting *row, const pyr_written *written, pyr_place place,
                             pyr_settings *owner, pyr_setting_value *out);

/* The same of a text: a libconfig value, or one without quotes and brackets. */
pyr_status pyr_value_from_text(const pyr_setting *row, const char *text, pyr_place place, pyr_settings *owner,
                               pyr_setting_value *out);

/* As a file has it; reads back to the same bits. */
void pyr_value_print(const pyr_setting *row, const pyr_setting_value *value, pyr_text *out);

#endif
