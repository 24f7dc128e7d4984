/* json_fields.c - structs from and to JSON objects, by a table of rows. */
#include "settings/json_fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const pyr_field *pyr_field_find(const pyr_field *fields, size_t n, const char *key)
{
    for (const pyr_field *f = fields; f < fields + n; f++)
        if (strcmp(f->key, key) == 0)
            return f;
    return NULL;
}

/* ---- words ---- */

bool pyr_field_value(int *out, const pyr_field *field, const char *word)
{
    if (field->spelling)
        word = field->spelling(word);
    for (int i = 0; field->words[i]; i++)
        if ((field->any_case ? strcasecmp : strcmp)(word, field->words[i]) == 0) {
            *out = field->values ? field->values[i] : i;
            return true;
        }
    return false;
}

const char *pyr_field_word(const pyr_field *field, int value)
{
    for (int i = 0; field->words[i]; i++)
        if ((field->values ? field->values[i] : i) == value)
            return field->words[i];
    return NULL;
}

const char *pyr_word_list(char list[PYR_WORD_LIST], const char *const *words)
{
    size_t n = 0;

    for (int i = 0; words[i] && n < PYR_WORD_LIST; i++)
        n += (size_t)snprintf(list + n, PYR_WORD_LIST - n, "%s%s",
                              !i             ? ""
                              : words[i + 1] ? ", "
                                             : " or ",
                              words[i]);
    return list;
}

/* ---- members ---- */

int pyr_field_int(const pyr_field *field, const void *object, int index)
{
    int value;

    memcpy(&value, (const char *)object + field->offset + (size_t)index * sizeof value, sizeof value);
    return value;
}

void pyr_field_set_int(const pyr_field *field, void *object, int index, int value)
{
    memcpy((char *)object + field->offset + (size_t)index * sizeof value, &value, sizeof value);
}

/* ---- reading ---- */

bool pyr_json_lists(const pyr_json_value *list, const char *text)
{
    const pyr_json_value *item;

    PYR_JSON_EACH(item, list)
    {
        if (pyr_json_text(item) && strcmp(pyr_json_text(item), text) == 0)
            return true;
    }
    return false;
}

const char *pyr_json_describe(char text[PYR_WORD_LIST], const pyr_json_value *value)
{
    if (pyr_json_text(value))
        snprintf(text, PYR_WORD_LIST, "\"%.100s\"", pyr_json_text(value));
    else if (pyr_json_is(value, PYR_JSON_NUMBER))
        snprintf(text, PYR_WORD_LIST, "%.12g", pyr_json_number(value, 0));
    else
        snprintf(text, PYR_WORD_LIST, "%s",
                 pyr_json_is(value, PYR_JSON_NULL)    ? "null"
                 : pyr_json_is(value, PYR_JSON_TRUE)  ? "true"
                 : pyr_json_is(value, PYR_JSON_BOOL)  ? "false"
                 : pyr_json_is(value, PYR_JSON_ARRAY) ? "a list"
                                                      : "an object");
    return text;
}

pyr_status pyr_field_wrong(const pyr_field *field, const char *name, const pyr_json_value *value,
                           const char *should)
{
    char text[PYR_WORD_LIST];

    return pyr_fail(PYR_E_FORMAT, "%s: %s is %s, should be %s", name, field->key,
                    pyr_json_describe(text, value), should);
}

pyr_status pyr_field_read_int(int *out, const pyr_field *field, const char *name, const pyr_json_value *value)
{
    double number = pyr_json_number(value, (double)NAN);
    char should[64];

    if (!(number >= field->min && number <= field->max) || number != floor(number)) {
        snprintf(should, sizeof should, "a whole number %.0f..%.0f", field->min, field->max);
        return pyr_field_wrong(field, name, value, should);
    }
    *out = (int)number;
    return PYR_OK;
}

pyr_status pyr_field_read_word(int *out, const pyr_field *field, const char *name,
                               const pyr_json_value *value)
{
    const char *word = pyr_json_text(value);
    char list[PYR_WORD_LIST];

    pyr_word_list(list, field->words);
    if (!word)
        return pyr_field_wrong(field, name, value, list);
    if (!pyr_field_value(out, field, word))
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s names \"%.100s\", which is not offered; offered are %s",
                        name, field->key, word, list);
    return PYR_OK;
}

pyr_status pyr_field_read(void *object, const pyr_field *field, const char *name, const pyr_json_value *value)
{
    void *at = (char *)object + field->offset;

    switch (field->kind) {
    case PYR_FIELD_INT_NULL:
        *(int *)at = 0;
        return pyr_json_is(value, PYR_JSON_NULL) ? PYR_OK : pyr_field_read_int(at, field, name, value);
    case PYR_FIELD_INT:
        return pyr_field_read_int(at, field, name, value);
    case PYR_FIELD_REAL:
        *(double *)at = pyr_json_number(value, 0);
        return pyr_json_is(value, PYR_JSON_NUMBER) ? PYR_OK : pyr_field_wrong(field, name, value, "a number");
    case PYR_FIELD_BOOL:
        *(bool *)at = pyr_json_is(value, PYR_JSON_TRUE);
        return pyr_json_is(value, PYR_JSON_BOOL) ? PYR_OK
                                                 : pyr_field_wrong(field, name, value, "true or false");
    default: /* PYR_FIELD_WORD */
        return pyr_field_read_word(at, field, name, value);
    }
}

/* ---- writing ---- */

void pyr_field_write(pyr_json *json, const pyr_field *field, const void *object)
{
    const void *at = (const char *)object + field->offset;

    switch (field->kind) {
    case PYR_FIELD_INT:
    case PYR_FIELD_INT_NULL:
        if (field->kind == PYR_FIELD_INT_NULL && !*(const int *)at)
            pyr_json_string(json, field->key, NULL);
        else
            pyr_json_int(json, field->key, *(const int *)at);
        break;
    case PYR_FIELD_REAL:
        pyr_json_real(json, field->key, *(const double *)at);
        break;
    case PYR_FIELD_BOOL:
        pyr_json_bool(json, field->key, *(const bool *)at);
        break;
    default: /* PYR_FIELD_WORD */
        pyr_json_string(json, field->key, pyr_field_word(field, *(const int *)at));
    }
}
