/* fuzz_json.c - any text as JSON: read, or refused with a sentence that names the file; what was read is
 * written by our writer, reads back, and is the same. */
#include "base/json.h"
#include "tests/fuzz/input.h"
#include <cjson/cJSON.h>
#include <math.h>

static const fuzz_literal good[] = {
    FUZZ_TEXT(
        "{\"key\": \"0123\", \"metrics\": {\"frechet\": 1.25, \"swd\": [1, -2e-3, null]}, \"ok\": true}"),
    FUZZ_TEXT("[\"a\\u00e9\\ud83d\\ude00\\n\\\"\", {}, [], false, 1e308]"),
    FUZZ_TEXT("\xef\xbb\xbf{\"a\":0}")};
FUZZ_SEEDS(good)

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    for (size_t n; *at; at += n)
        if (!(n = pyr_utf8_length(at)))
            return false;
    return true;
}

/* false: a number beyond a double, which is written as null, or a text that is not UTF-8, which is mended. */
static bool copy(pyr_json *json, const char *key, const pyr_json_value *value)
{
    bool same = (!pyr_json_key(value) || is_utf8(pyr_json_key(value))) &&
                (!pyr_json_text(value) || is_utf8(pyr_json_text(value)));
    bool object = pyr_json_is(value, PYR_JSON_OBJECT);

    if (object || pyr_json_is(value, PYR_JSON_ARRAY)) {
        pyr_json_open(json, key, object ? '{' : '[');
        for (const pyr_json_value *child = pyr_json_first(value); child; child = pyr_json_next(child))
            same = copy(json, object ? pyr_json_key(child) : NULL, child) && same;
        pyr_json_close(json, object ? '}' : ']');
    } else if (pyr_json_is(value, PYR_JSON_NUMBER)) {
        pyr_json_real(json, key, pyr_json_number(value, 0));
        same = same && isfinite(pyr_json_number(value, 0));
    } else if (pyr_json_is(value, PYR_JSON_BOOL))
        pyr_json_bool(json, key, pyr_json_is(value, PYR_JSON_TRUE));
    else
        pyr_json_string(json, key, pyr_json_text(value));
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    pyr_json json = {.indent = n % 2 ? 2 : 0};
    pyr_json_value *tree, *back;
    pyr_status status = pyr_json_parse(&tree, (const char *)bytes, n, "fuzz");

    must((status == PYR_OK) == (tree != NULL));
    if (!tree)
        must(strncmp(pyr_error(), "fuzz: ", 6) == 0);
    else if (copy(&json, NULL, tree)) {
        must(!json.text.failed && json.depth == 0);
        must(pyr_json_parse(&back, json.text.at, json.text.length, "written") == PYR_OK);
        must(cJSON_Compare(tree, back, true));
        pyr_json_free(back);
    }
    pyr_json_free(tree);
    pyr_text_free(&json.text);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
