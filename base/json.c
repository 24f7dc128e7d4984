/* json.c - JSON in, by cJSON, and out. */
#include "base/json.h"

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/shown.h"
#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static pyr_status check_keys(const cJSON *value, const char *name)
{
    const cJSON *item;
    const char **keys, *twice = NULL;
    size_t n = 0, i = 0;

    cJSON_ArrayForEach(item, value)
    {
        if (item->child)
            PYR_TRY(check_keys(item, name));
        n++;
    }
    if (!cJSON_IsObject(value) || n < 2)
        return PYR_OK;
    PYR_TRY(pyr_new(&keys, n, sizeof *keys, "keys of a JSON object"));
    cJSON_ArrayForEach(item, value) keys[i++] = item->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (i = 1; i < n && !twice; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            twice = keys[i];
    pyr_free(keys);
    if (twice)
        return pyr_fail(PYR_E_FORMAT, "%s: the name \"%s\" stands twice", name, twice);
    return PYR_OK;
}

pyr_status pyr_json_parse(pyr_json_value **out, const char *bytes, size_t n, const char *name)
{
    const char *end = NULL, *nul = memchr(bytes, 0, n); /* cJSON would end a string there */
    pyr_status status;
    cJSON *tree;

    *out = NULL;
    if (nul)
        return pyr_fail(PYR_E_FORMAT, "%s: not valid JSON at byte %zu", name, (size_t)(nul - bytes));
    errno = 0;
    tree = cJSON_ParseWithLengthOpts(bytes, n, &end, 0);
    if (!tree && errno == ENOMEM) /* of malloc; cJSON says only that the text is none */
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory for %zu bytes of JSON", name, n);
    if (!tree)
        return pyr_fail(PYR_E_FORMAT, "%s: not valid JSON at byte %zu", name,
                        end ? (size_t)(end - bytes) : n);
    for (size_t at = (size_t)(end - bytes); at < n; at++)
        if (!bytes[at] || !strchr(" \t\r\n", bytes[at]))
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: text after the JSON value at byte %zu", name, at));
    PYR_TRY_OUT(check_keys(tree, name));
    *out = tree;
    tree = NULL;
out:
    pyr_json_free(tree);
    return status;
}

static const char seal[] = "\"xxh3\": \"";

/* The last seal in a text that ends with a NUL; NULL: none. */
static const char *find_seal(const char *text)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, seal)); at++)
        found = at;
    return found;
}

/* Whether a text is as it was sealed: what stands before the seal, and that only the end follows. One that is
 * not sealed is taken as it is. */
static bool is_whole(const char *text)
{
    const char *at = find_seal(text);
    char should[32];
    size_t n;

    if (!at)
        return true;
    n = (size_t)(at - text);
    while (n && strchr(" ,\n", text[n - 1]))
        n--;
    snprintf(should, sizeof should, "%016" PRIx64 "\"", pyr_checksum_of(text, n));
    at += strlen(seal);
    if (strncmp(at, should, strlen(should)) != 0)
        return false;
    at += strlen(should);
    at += strspn(at, "\n");
    return at[0] == '}' && !at[1 + strspn(at + 1, "\n")];
}

pyr_status pyr_json_read(pyr_json_value **out, const char *path)
{
    char *bytes;
    size_t n;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_file_read(&bytes, &n, path, 100 << 20));
    status = pyr_json_parse(out, bytes, n, path);
    if (status == PYR_OK && !is_whole(bytes)) {
        pyr_json_free(*out);
        *out = NULL;
        status =
            pyr_fail(PYR_E_FORMAT,
                     "%s is damaged, or was changed by hand: its checksum (\"xxh3\") is another one", path);
    }
    pyr_free(bytes);
    return status;
}

pyr_status pyr_json_parse_or_read(pyr_json_value **out, const char *bytes, size_t n, const char *name)
{
    return bytes ? pyr_json_parse(out, bytes, n, name) : pyr_json_read(out, name);
}

void pyr_json_free(pyr_json_value *tree)
{
    cJSON_Delete(tree);
}

static_assert((int)PYR_JSON_BOOL == (cJSON_False | cJSON_True) && (int)PYR_JSON_NULL == cJSON_NULL &&
                  (int)PYR_JSON_NUMBER == cJSON_Number && (int)PYR_JSON_ARRAY == cJSON_Array &&
                  (int)PYR_JSON_OBJECT == cJSON_Object,
              "kinds are the bits of cJSON's types");

bool pyr_json_is(const pyr_json_value *value, pyr_json_kind kinds)
{
    return value && (value->type & (int)kinds);
}

double pyr_json_number(const pyr_json_value *value, double otherwise)
{
    return cJSON_IsNumber(value) ? value->valuedouble : otherwise;
}

const char *pyr_json_text(const pyr_json_value *value)
{
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

const pyr_json_value *pyr_json_member(const pyr_json_value *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

const pyr_json_value *pyr_json_item(const pyr_json_value *array, int index)
{
    return cJSON_GetArrayItem(array, index);
}

int pyr_json_count(const pyr_json_value *value)
{
    return cJSON_GetArraySize(value);
}

const char *pyr_json_key(const pyr_json_value *member)
{
    return member->string;
}

const pyr_json_value *pyr_json_first(const pyr_json_value *value)
{
    return value ? value->child : NULL;
}

const pyr_json_value *pyr_json_next(const pyr_json_value *value)
{
    return value ? value->next : NULL;
}

/* ---- writing ---- */

/* The character of `n` bytes at `at`, which a terminal must not get, as JSON writes it; one that is no UTF-8
 * (n 0) cannot stand in JSON: its byte is shown, "\\xff". None of them is above U+FFFF. */
static void quoted_control(pyr_text *text, const char *at, size_t n)
{
    char byte[5];

    if (n) {
        pyr_text_add(text, "\\u%04x", pyr_utf8_code((const unsigned char *)at, n));
        return;
    }
    pyr_shown_byte(byte, *at);
    pyr_text_add(text, "\\%s", byte);
}

static void quoted(pyr_text *text, const char *value)
{
    pyr_text_add(text, "\"");
    while (*value) {
        size_t n = pyr_utf8_length((const unsigned char *)value);

        if (*value == '"' || *value == '\\')
            pyr_text_add(text, "\\%c", *value);
        else if (pyr_shown_length(value))
            pyr_text_add_bytes(text, value, n);
        else
            quoted_control(text, value, n);
        value += n ? n : 1;
    }
    pyr_text_add(text, "\"");
}

static void new_line(pyr_json *json)
{
    if (json->indent)
        pyr_text_add(&json->text, "\n%*s", json->indent * json->depth, "");
}

static void before_value(pyr_json *json, const char *key)
{
    if (json->pending)
        pyr_text_add(&json->text, json->indent ? "," : ", ");
    if (json->depth)
        new_line(json);
    if (key) {
        quoted(&json->text, key);
        pyr_text_add(&json->text, ": ");
    }
    json->pending = true;
}

void pyr_json_open(pyr_json *json, const char *key, char bracket)
{
    before_value(json, key);
    pyr_text_add(&json->text, "%c", bracket);
    json->depth++;
    json->pending = false;
}

void pyr_json_close(pyr_json *json, char bracket)
{
    json->depth--;
    if (json->pending)
        new_line(json);
    pyr_text_add(&json->text, "%c", bracket);
    json->pending = true;
}

void pyr_json_string(pyr_json *json, const char *key, const char *value)
{
    before_value(json, key);
    if (value)
        quoted(&json->text, value);
    else
        pyr_text_add(&json->text, "null");
}

void pyr_json_real(pyr_json *json, const char *key, double value)
{
    before_value(json, key);
    if (isfinite(value)) {
        char text[32];

        snprintf(text, sizeof text, "%.9g", value);
        if (strtod(text, NULL) != value) /* as many digits as it takes to read back the same */
            snprintf(text, sizeof text, "%.17g", value);
        pyr_text_add(&json->text, "%s", text);
    } else
        pyr_text_add(&json->text, "null");
}

void pyr_json_int(pyr_json *json, const char *key, int64_t value)
{
    before_value(json, key);
    pyr_text_add(&json->text, "%" PRId64, value);
}

void pyr_json_bool(pyr_json *json, const char *key, bool value)
{
    before_value(json, key);
    pyr_text_add(&json->text, value ? "true" : "false");
}

void pyr_json_seal(pyr_json *json)
{
    char sum[17] = "";

    if (!json->text.failed)
        snprintf(sum, sizeof sum, "%016" PRIx64, pyr_checksum_of(json->text.at, json->text.length));
    pyr_json_string(json, "xxh3", sum);
}

pyr_status pyr_json_append(pyr_text *out, pyr_json *json, const char *what)
{
    if (json->text.failed)
        out->failed = true;
    else
        pyr_text_add_bytes(out, json->text.at, json->text.length);
    pyr_text_free(&json->text);
    return out->failed ? pyr_fail(PYR_E_NOMEM, "out of memory: %s", what) : PYR_OK;
}

pyr_status pyr_json_save(pyr_json *json, const char *path)
{
    pyr_text_add(&json->text, "\n");
    return pyr_text_save(&json->text, path);
}
