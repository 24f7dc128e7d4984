/* json_fields.h - the members of a C struct as those of a JSON object, by a table of rows. */
#ifndef PYR_SETTINGS_JSON_FIELDS_H
#define PYR_SETTINGS_JSON_FIELDS_H

#include "base/json.h"

typedef enum pyr_field_kind {
    PYR_FIELD_INT,
    PYR_FIELD_INT_NULL, /* 0 in the struct is null in the file */
    PYR_FIELD_REAL,
    PYR_FIELD_BOOL,
    PYR_FIELD_WORD, /* an enum, as wide as int */
    PYR_FIELD_OTHER /* and above: read and written by whoever owns the table */
} pyr_field_kind;

typedef struct pyr_field {
    const char *key;
    int kind; /* pyr_field_kind */
    size_t offset;
    double min, max;          /* of an INT */
    const char *const *words; /* of a WORD; ends with NULL */
    const int *values;        /* what they stand for; NULL: their index */
    /* Another spelling of a word (or `word` itself); NULL: there is none. */
    const char *(*spelling)(const char *word);
    bool any_case; /* the case of words does not matter */
} pyr_field;

/* The row of a key; NULL: none of n rows. */
const pyr_field *pyr_field_find(const pyr_field *fields, size_t n, const char *key);

/* The value of a word; false when it is none of the row's. */
bool pyr_field_value(int *out, const pyr_field *field, const char *word);
/* The word of a value; NULL: there is none. */
const char *pyr_field_word(const pyr_field *field, int value);
/* "a, b or c" */
enum { PYR_WORD_LIST = 160 };
const char *pyr_word_list(char list[PYR_WORD_LIST], const char *const *words);

/* A member of the file `name` into object->offset, of the kinds above OTHER. PYR_E_FORMAT: not of this kind, or out
 * of range; PYR_E_UNSUPPORTED: a word that is none of the row's. */
pyr_status pyr_field_read(void *object, const pyr_field *field, const char *name,
                          const pyr_json_value *value);
void pyr_field_write(pyr_json *json, const pyr_field *field, const void *object);

/* Parts of it. wrong: "NAME: KEY is VALUE, should be SHOULD", PYR_E_FORMAT. */
pyr_status pyr_field_wrong(const pyr_field *field, const char *name, const pyr_json_value *value,
                           const char *should);
pyr_status pyr_field_read_int(int *out, const pyr_field *field, const char *name,
                              const pyr_json_value *value);
pyr_status pyr_field_read_word(int *out, const pyr_field *field, const char *name,
                               const pyr_json_value *value);
int pyr_field_int(const pyr_field *field, const void *object, int index); /* of an array of ints */
void pyr_field_set_int(const pyr_field *field, void *object, int index, int value);

/* Whether a list of texts has this one. */
bool pyr_json_lists(const pyr_json_value *list, const char *text);
/* A value as a person knows it from the file. */
const char *pyr_json_describe(char text[PYR_WORD_LIST], const pyr_json_value *value);

#endif
