/* json.h - JSON in and out; cJSON, which reads, is used in json.c alone.
 *
 * Reading gives a tree of values after checks that cJSON does not make (duplicate keys, text after the value,
 * depth). Writing: a few calls on a pyr_text, for log lines and config.json. */
#ifndef PYR_BASE_JSON_H
#define PYR_BASE_JSON_H

#include "base/status.h"
#include "base/text.h"

/* A value of a tree; borrowed from it. Functions take NULL: a value that is not there, of no kind. */
typedef struct cJSON pyr_json_value;

/* Parse `n` bytes; the caller frees *out. `name` is the file in the sentence. A key that stands twice in one
 * object is PYR_E_FORMAT. */
pyr_status pyr_json_parse(pyr_json_value **out, const char *bytes, size_t n, const char *name);
/* The same, or when `bytes` is NULL the file `name`, as pyr_json_read. */
pyr_status pyr_json_parse_or_read(pyr_json_value **out, const char *bytes, size_t n, const char *name);
/* Of a file; when it is sealed, it is as it was written: PYR_E_FORMAT otherwise. */
pyr_status pyr_json_read(pyr_json_value **out, const char *path);
void pyr_json_free(pyr_json_value *tree); /* NULL is a no-op */

/* Kinds of values, bits of a set. */
typedef enum pyr_json_kind {
    PYR_JSON_FALSE = 1,
    PYR_JSON_TRUE = 2,
    PYR_JSON_BOOL = 3,
    PYR_JSON_NULL = 4,
    PYR_JSON_NUMBER = 8,
    PYR_JSON_ARRAY = 32,
    PYR_JSON_OBJECT = 64
} pyr_json_kind;
/* Whether it is of one of these kinds. */
bool pyr_json_is(const pyr_json_value *value, pyr_json_kind kinds);
double pyr_json_number(const pyr_json_value *value, double otherwise); /* `otherwise` when it is none */
const char *pyr_json_text(const pyr_json_value *value);                /* of a string; NULL when it is none */

/* The member of an object, the item of an array; NULL: there is none. */
const pyr_json_value *pyr_json_member(const pyr_json_value *object, const char *key);
const pyr_json_value *pyr_json_item(const pyr_json_value *array, int index);
int pyr_json_count(const pyr_json_value *value); /* of members or items */
const char *pyr_json_key(const pyr_json_value *member);
const pyr_json_value *pyr_json_first(const pyr_json_value *value);
const pyr_json_value *pyr_json_next(const pyr_json_value *value);
#define PYR_JSON_EACH(item, value) for (item = pyr_json_first(value); item; item = pyr_json_next(item))

/* A writer of one value. Keys and values are separated as needed; `indent` 0
 * puts everything on one line. Numbers that are not finite become null. Texts
 * are valid JSON whatever they hold: control characters are escaped, bytes
 * that are no UTF-8 become the letters \xff. */
typedef struct pyr_json {
    pyr_text text;
    int indent, depth;
    bool pending; /* a value stands before this place: a comma is due */
} pyr_json;

void pyr_json_open(pyr_json *json, const char *key, char bracket);        /* '{' or '['; key NULL in arrays */
void pyr_json_close(pyr_json *json, char bracket);                        /* '}' or ']' */
void pyr_json_string(pyr_json *json, const char *key, const char *value); /* value NULL: null */
void pyr_json_real(pyr_json *json, const char *key, double value);        /* reads back the same */
void pyr_json_int(pyr_json *json, const char *key, int64_t value);
void pyr_json_bool(pyr_json *json, const char *key, bool value);
/* The last member of the outermost object: "xxh3", a checksum (XXH3-64) of all the text before it. */
void pyr_json_seal(pyr_json *json);
/* Append the text to `out` and free it. PYR_E_NOMEM: memory ran out meanwhile, for `what`. */
pyr_status pyr_json_append(pyr_text *out, pyr_json *json, const char *what);
/* The text and a line end become the file, in one step. The text is freed, on failure too. */
pyr_status pyr_json_save(pyr_json *json, const char *path);

#endif
