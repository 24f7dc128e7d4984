/* json.h - JSON in and out, on cJSON for reading.
 *
 * Reading: pyr_json_parse gives a cJSON tree after checks that cJSON does not
 * make (duplicate keys, text after the value, depth). Writing: a few calls on
 * a pyr_text, for log lines and config.json. */
#ifndef PYR_BASE_JSON_H
#define PYR_BASE_JSON_H

#include "base/status.h"
#include "base/text.h"
#include <cjson/cJSON.h>

/* Parse `n` bytes; the caller frees *out with cJSON_Delete. `name` is the file
 * in the sentence. A key that stands twice in one object is PYR_E_FORMAT. */
pyr_status pyr_json_parse(cJSON **out, const char *bytes, size_t n, const char *name);
/* Of a file; when it is sealed, it is as it was written: PYR_E_FORMAT otherwise. */
pyr_status pyr_json_read(cJSON **out, const char *path);

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
/* The text and a line end become the file, in one step. The text is freed, on failure too. */
pyr_status pyr_json_save(pyr_json *json, const char *path);

#endif
