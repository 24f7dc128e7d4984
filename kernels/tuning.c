/* tuning.c - measured choices: a sorted list, its JSON, the cache of a machine. */
#include "kernels/tuning.h"

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/stop.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME = 160 };

typedef struct entry {
    char name[NAME];
    int choice;
    bool fresh; /* not as the cache had it when it was read */
} entry;

struct pyr_tuning {
    entry *at; /* sorted by name */
    int n;
    size_t room;
    bool measures;
    char *cache, *machine; /* owned; NULL: none */
    int measuring;         /* the lock of those that measure for this cache; -1: not held */
};

pyr_status pyr_tuning_new(pyr_tuning **out)
{
    PYR_TRY(pyr_new(out, 1, sizeof **out, "tuning"));
    (*out)->measuring = -1;
    return PYR_OK;
}

static void measured(pyr_tuning *t)
{
    pyr_unlock(t->measuring);
    t->measuring = -1;
}

void pyr_tuning_free(pyr_tuning *t)
{
    if (!t)
        return;
    measured(t);
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

pyr_status pyr_tuning_put(pyr_tuning *t, const char *name, int choice)
{
    bool found;
    int at = place(t, name, &found);

    if (strlen(name) >= NAME)
        return pyr_fail(PYR_E_ARG, "the name of a choice is too long: %s", name);
    if (!found) {
        PYR_TRY(pyr_grow(&t->at, &t->room, (size_t)t->n, sizeof *t->at, "tuning"));
        memmove(t->at + at + 1, t->at + at, (size_t)(t->n - at) * sizeof *t->at);
        t->at[at] = (entry){.fresh = true};
        strcpy(t->at[at].name, name);
        t->n++;
    }
    t->at[at].fresh = t->at[at].fresh || t->at[at].choice != choice;
    t->at[at].choice = choice;
    return PYR_OK;
}

/* key: NULL where the list is the whole text. */
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
    return pyr_json_append(json, &writer, "tuning");
}

/* What is no UTF-8 would be mended when it is written, and so could become a name that is there already. */
static bool is_utf8(const char *name)
{
    const unsigned char *at = (const unsigned char *)name;

    for (size_t n; *at; at += n)
        if (!(n = pyr_utf8_length(at)))
            return false;
    return true;
}

static bool is_choice(const pyr_json_value *item)
{
    double choice = pyr_json_number(item, 0);

    return pyr_json_is(item, PYR_JSON_NUMBER) && choice >= 0 && choice <= 1 << 20 && choice == (int)choice &&
           strlen(pyr_json_key(item)) < NAME && is_utf8(pyr_json_key(item));
}

static pyr_status take(pyr_tuning *t, const pyr_json_value *list)
{
    const pyr_json_value *item;

    if (!pyr_json_is(list, PYR_JSON_OBJECT))
        return pyr_fail(PYR_E_FORMAT, "the list of measured choices is no JSON object");
    PYR_JSON_EACH(item, list)
    {
        if (!is_choice(item))
            return pyr_fail(PYR_E_FORMAT, "the list of measured choices has a bad entry, %.90s",
                            pyr_json_key(item));
        PYR_TRY(pyr_tuning_put(t, pyr_json_key(item), (int)pyr_json_number(item, 0)));
    }
    return PYR_OK;
}

pyr_status pyr_tuning_read(pyr_tuning *t, const char *json, size_t length)
{
    pyr_json_value *tree = NULL;
    pyr_status status;

    PYR_TRY(pyr_json_parse(&tree, json, length, "the list of measured choices"));
    status = take(t, tree);
    pyr_json_free(tree);
    return status;
}

/* ---- the cache: {"machines": {"MACHINE": {"name": choice, …}, …}} ------------------------------------ */

enum { MOST_MACHINES = 32 };

/* *out NULL: there is no file, or it is damaged. PYR_E_IO when there is one that cannot be read. */
static pyr_status read_file(pyr_json_value **out, const char *path)
{
    bool there;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_file_exists(&there, path));
    status = there ? pyr_json_read(out, path) : PYR_OK;
    return status == PYR_E_FORMAT ? PYR_OK : status;
}

static const pyr_json_value *machines_of(const pyr_json_value *tree)
{
    const pyr_json_value *machines = pyr_json_member(tree, "machines");

    return pyr_json_is(machines, PYR_JSON_OBJECT) ? machines : NULL;
}

void pyr_tuning_use_cache(pyr_tuning *t, const char *path, const char *machine)
{
    pyr_json_value *tree = NULL;

    t->cache = pyr_strdup(path);
    t->machine = pyr_strdup(machine);
    if (t->cache && t->machine && read_file(&tree, t->cache) == PYR_OK)
        (void)take(t, pyr_json_member(machines_of(tree), t->machine));
    pyr_json_free(tree);
    for (int i = 0; i < t->n; i++)
        t->at[i].fresh = false;
}

/* The cache's path and a suffix, in a folder that is there; the caller frees. */
static pyr_status beside_cache(char **path, const pyr_tuning *t, const char *suffix)
{
    char *folder = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_format(path, "%s%s", t->cache, suffix));
    PYR_TRY_OUT(pyr_folder_of(&folder, t->cache));
    PYR_TRY_OUT(pyr_make_folders(folder));
out:
    pyr_free(folder);
    return status;
}

static void take_unknown(pyr_tuning *t, const pyr_json_value *list)
{
    const pyr_json_value *item;
    bool known;

    if (!pyr_json_is(list, PYR_JSON_OBJECT))
        return;
    PYR_JSON_EACH(item, list)
    {
        if (is_choice(item) && (place(t, pyr_json_key(item), &known), !known) &&
            pyr_tuning_put(t, pyr_json_key(item), (int)pyr_json_number(item, 0)) == PYR_OK)
            t->at[place(t, pyr_json_key(item), &known)].fresh = false;
    }
}

/* From now on, until pyr_tuning_keep, nobody else measures for this cache, and what others have kept is known here, too. One
 * that was halted half way is not waited for longer than PATIENCE_S. */
static void measure_alone(pyr_tuning *t)
{
    enum { PATIENCE_S = 30, PAUSE_MS = 20 };
    const double begin = pyr_now();
    char *path = NULL;
    pyr_json_value *tree = NULL;

    if (t->measuring >= 0 || !t->measures || !t->cache || !t->machine || !pyr_cache_keeps())
        return;
    if (beside_cache(&path, t, ".measuring") == PYR_OK)
        while (pyr_lock(&t->measuring, path) == PYR_E_BUSY && pyr_now() - begin < PATIENCE_S &&
               !pyr_stop_requested())
            nanosleep(&(struct timespec){0, PAUSE_MS * 1000000}, NULL);
    if (t->measuring >= 0 && read_file(&tree, t->cache) == PYR_OK)
        take_unknown(t, pyr_json_member(machines_of(tree), t->machine));
    pyr_json_free(tree);
    pyr_free(path);
}

bool pyr_tuning_get(pyr_tuning *t, const char *name, int *choice)
{
    bool found;
    int at = place(t, name, &found);

    if (!found) {
        measure_alone(t);
        at = place(t, name, &found);
    }
    if (found)
        *choice = t->at[at].choice;
    return found;
}

/* What the file says of other machines, the latest last. */
static void put_others(pyr_json *json, const pyr_json_value *machines, const char *machine)
{
    int passed_over = pyr_json_count(machines) - (MOST_MACHINES - 1);
    const pyr_json_value *other, *item;

    PYR_JSON_EACH(other, machines)
    {
        if (passed_over-- > 0 || !pyr_json_is(other, PYR_JSON_OBJECT) || !is_utf8(pyr_json_key(other)) ||
            strcmp(pyr_json_key(other), machine) == 0)
            continue;
        pyr_json_open(json, pyr_json_key(other), '{');
        PYR_JSON_EACH(item, other)
        if (is_choice(item))
            pyr_json_int(json, pyr_json_key(item), (int)pyr_json_number(item, 0));
        pyr_json_close(json, '}');
    }
}

/* What was measured here since the cache was read, into what others have made of it meanwhile. */
static pyr_status merge(const pyr_tuning *t, pyr_json *json)
{
    pyr_json_value *tree = NULL;
    pyr_tuning *all = NULL;
    pyr_status status;

    PYR_TRY_OUT(read_file(&tree, t->cache));
    PYR_TRY_OUT(pyr_tuning_new(&all));
    (void)take(all, pyr_json_member(machines_of(tree), t->machine));
    for (int i = 0; i < t->n; i++)
        if (t->at[i].fresh)
            PYR_TRY_OUT(pyr_tuning_put(all, t->at[i].name, t->at[i].choice));
    pyr_json_open(json, NULL, '{');
    pyr_json_open(json, "machines", '{');
    put_others(json, machines_of(tree), t->machine);
    put_choices(all, json, t->machine);
    pyr_json_close(json, '}');
    pyr_json_seal(json);
    pyr_json_close(json, '}');
out:
    pyr_tuning_free(all);
    pyr_json_free(tree);
    return status;
}

/* Read, merged and written by one process at a time: several trainings may begin at once. */
static pyr_status keep(const pyr_tuning *t)
{
    char *path = NULL;
    pyr_json json = {0};
    pyr_status status;
    int lock = -1;

    PYR_TRY_OUT(beside_cache(&path, t, ".lock"));
    PYR_TRY_OUT(pyr_lock_wait(&lock, path));
    PYR_TRY_OUT(merge(t, &json));
    PYR_TRY_OUT(pyr_text_save(&json.text, t->cache));
out:
    pyr_unlock(lock);
    pyr_text_free(&json.text);
    pyr_free(path);
    return status;
}

void pyr_tuning_keep(pyr_tuning *t)
{
    bool any = false;

    for (int i = 0; i < t->n; i++)
        any = any || t->at[i].fresh;
    if (any && t->cache && t->machine && pyr_cache_keeps() && keep(t) == PYR_OK)
        for (int i = 0; i < t->n; i++)
            t->at[i].fresh = false;
    measured(t);
}
