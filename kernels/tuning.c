#include "kernels/tuning.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

enum { NAME = 96 };

typedef struct entry {
    char name[NAME];
    int choice;
} entry;

struct pyr_tuning {
    entry *at; /* sorted by name */
    int n, room;
    bool measures, changed;
    char *cache, *machine; /* owned; NULL: none */
};

pyr_status pyr_tuning_new(pyr_tuning **out)
{
    return pyr_new(out, 1, sizeof **out, "tuning");
}

void pyr_tuning_free(pyr_tuning *t)
{
    if (!t)
        return;
    pyr_free(t->at);
    pyr_free(t->cache);
    pyr_free(t->machine);
    pyr_free(t);
}

bool pyr_tuning_measures(const pyr_tuning *t)
{
    return t->measures;
}

void pyr_tuning_let_measure(pyr_tuning *t, bool allowed)
{
    t->measures = allowed;
}

int pyr_tuning_count(const pyr_tuning *t)
{
    return t->n;
}

/* Where `name` is, or where it would go. */
static int place(const pyr_tuning *t, const char *name, bool *found)
{
    int low = 0, high = t->n;

    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(t->at[middle].name, name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

bool pyr_tuning_get(const pyr_tuning *t, const char *name, int *choice)
{
    bool found;
    int at = place(t, name, &found);

    if (found)
        *choice = t->at[at].choice;
    return found;
}

pyr_status pyr_tuning_put(pyr_tuning *t, const char *name, int choice)
{
    bool found;
    int at = place(t, name, &found);

    if (strlen(name) >= NAME)
        return pyr_fail(PYR_E_ARG, "the name of a choice is too long: %s", name);
    if (!found) {
        if (t->n == t->room) {
            int room = t->room ? 2 * t->room : 16;
            entry *more = pyr_realloc(t->at, (size_t)room, sizeof *more);

            if (!more)
                return pyr_fail(PYR_E_NOMEM, "out of memory: tuning");
            t->at = more;
            t->room = room;
        }
        memmove(t->at + at + 1, t->at + at, (size_t)(t->n - at) * sizeof *t->at);
        strcpy(t->at[at].name, name);
        t->n++;
    }
    t->changed = t->changed || !found || t->at[at].choice != choice;
    t->at[at].choice = choice;
    return PYR_OK;
}

/* key: NULL where the list stands alone. */
static void put_choices(const pyr_tuning *t, pyr_json *json, const char *key)
{
    pyr_json_open(json, key, '{');
    for (int i = 0; i < t->n; i++)
        pyr_json_int(json, t->at[i].name, t->at[i].choice);
    pyr_json_close(json, '}');
}

pyr_status pyr_tuning_write(const pyr_tuning *t, pyr_text *json)
{
    pyr_json writer = {0};

    put_choices(t, &writer, NULL);
    if (!writer.text.failed)
        pyr_text_add_bytes(json, writer.text.at, writer.text.length);
    else
        json->failed = true;
    pyr_text_free(&writer.text);
    return json->failed ? pyr_fail(PYR_E_NOMEM, "out of memory: tuning") : PYR_OK;
}

static pyr_status take(pyr_tuning *t, const cJSON *list)
{
    const cJSON *item;

    if (!cJSON_IsObject(list))
        return pyr_fail(PYR_E_FORMAT, "the list of measured choices is no JSON object");
    cJSON_ArrayForEach(item, list)
    {
        double choice = item->valuedouble;

        if (!cJSON_IsNumber(item) || !(choice >= 0 && choice <= 1 << 20) || choice != (int)choice ||
            strlen(item->string) >= NAME)
            return pyr_fail(PYR_E_FORMAT, "the list of measured choices has a bad entry, %.90s",
                            item->string);
        PYR_TRY(pyr_tuning_put(t, item->string, (int)choice));
    }
    return PYR_OK;
}

pyr_status pyr_tuning_read(pyr_tuning *t, const char *json, size_t length)
{
    cJSON *tree = NULL;
    pyr_status status;

    PYR_TRY(pyr_json_parse(&tree, json, length, "the list of measured choices"));
    status = take(t, tree);
    cJSON_Delete(tree);
    return status;
}

/* ---- the cache of the machine: {"machine": "...", "choices": {...}} ---- */

static void read_cache(pyr_tuning *t)
{
    cJSON *tree = NULL;
    const cJSON *machine;

    if (!pyr_is_file(t->cache) || pyr_json_read(&tree, t->cache) != PYR_OK)
        return;
    machine = cJSON_GetObjectItemCaseSensitive(tree, "machine");
    if (cJSON_IsString(machine) && strcmp(machine->valuestring, t->machine) == 0)
        (void)take(t, cJSON_GetObjectItemCaseSensitive(tree, "choices"));
    cJSON_Delete(tree);
}

void pyr_tuning_use_cache(pyr_tuning *t, const char *path, const char *machine)
{
    t->cache = pyr_strfmt("%s", path);
    t->machine = pyr_strfmt("%s", machine);
    if (t->cache && t->machine)
        read_cache(t);
    t->changed = false;
}

void pyr_tuning_keep(pyr_tuning *t)
{
    char *slash = t->cache ? strrchr(t->cache, '/') : NULL;
    pyr_json json = {0};

    if (!t->changed || !t->machine || !slash)
        return;
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "machine", t->machine);
    put_choices(t, &json, "choices");
    pyr_json_close(&json, '}');
    *slash = '\0';
    if (!json.text.failed && pyr_make_folders(t->cache) == PYR_OK) {
        *slash = '/';
        t->changed = pyr_file_replace(t->cache, json.text.at, json.text.length) != PYR_OK;
    }
    *slash = '/';
    pyr_text_free(&json.text);
}
