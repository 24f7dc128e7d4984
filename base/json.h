/* json.h - JSON in and out.
 *
 * Reading: pyr_json_parse gives a tree of nodes, after checks of duplicate keys, text after the value, depth (it is
 * cJSON's, which only json.c knows). Writing: a few calls on a pyr_text, for log lines and config.json. */
#ifndef PYR_BASE_JSON_H
#define PYR_BASE_JSON_H

#include "base/status.h"
#include "base/text.h"

/* A value of a tree. The functions that take one take NULL too, which is of no type and has nothing in it. */
typedef struct cJSON pyr_json_node;

/* Parse `n` bytes; the caller frees *out with pyr_json_free. `name` is the file
 * in the sentence. A key that stands twice in one object is PYR_E_FORMAT. */
pyr_status pyr_json_parse(pyr_json_node **out, const char *bytes, size_t n, const char *name);
/* Of a file; when it is sealed, it is as it was written: PYR_E_FORMAT otherwise. */
pyr_status pyr_json_read(pyr_json_node **out, const char *path);
void pyr_json_free(pyr_json_node *tree); /* the root; NULL is a no-op */

bool pyr_json_is_object(const pyr_json_node *node);
bool pyr_json_is_array(const pyr_json_node *node);
bool pyr_json_is_string(const pyr_json_node *node);
bool pyr_json_is_number(const pyr_json_node *node);
bool pyr_json_is_bool(const pyr_json_node *node);
bool pyr_json_is_true(const pyr_json_node *node);
bool pyr_json_is_false(const pyr_json_node *node);
bool pyr_json_is_null(const pyr_json_node *node);

/* Of a number, else 0; of a string, else NULL: borrowed from the tree, as the key of a member (NULL: of no
 * object). */
double pyr_json_number(const pyr_json_node *node);
const char *pyr_json_text(const pyr_json_node *node);
const char *pyr_json_key(const pyr_json_node *node);

/* The member of an object, NULL: none of this key. The i-th of an array; how many values or members there are. */
pyr_json_node *pyr_json_member(const pyr_json_node *object, const char *key);
pyr_json_node *pyr_json_item(const pyr_json_node *array, int i);
int pyr_json_count(const pyr_json_node *node);
/* One after the other; NULL behind the last. */
pyr_json_node *pyr_json_first(const pyr_json_node *node);
pyr_json_node *pyr_json_next(const pyr_json_node *node);
#define pyr_json_each(item, node) for (item = pyr_json_first(node); item; item = pyr_json_next(item))

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
