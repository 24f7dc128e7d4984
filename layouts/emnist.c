/* emnist.c - EMNIST's labels. */
#include "layouts/emnist.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Letters whose large and small forms are alike are merged in `balanced` and `bymerge`. */
static const struct {
    const char *part, *classes;
} parts[] = {
    {"letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    {"digits", "0123456789"},
    {"mnist", "0123456789"},
    {"balanced", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"},
    {"bymerge", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"},
    {"byclass", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
};
enum { PARTS = sizeof parts / sizeof *parts, MAPPING_MOST = 1 << 16 };

bool pyr_emnist_is(const char *path)
{
    return strncasecmp(pyr_base_name(path), "emnist-", 7) == 0;
}

/* The number of the part; PARTS: another. */
static int part_of(const char *path)
{
    const char *name = pyr_base_name(path) + 7;
    int i = 0;

    while (i < PARTS && strncasecmp(name, parts[i].part, strlen(parts[i].part)) != 0)
        i++;
    return i;
}

/* Lines "36 97": label, code of its letter (of two, the first). The labels begin at `from`. */
static pyr_status read_mapping(pyr_collection *c, const char *path, const char *part, int from)
{
    const char *base = pyr_base_name(path);
    char *name;
    pyr_names lines = {0};
    pyr_status status;

    PYR_TRY(pyr_format(&name, "%.*semnist-%s-mapping.txt", (int)(base - path), path, part));
    PYR_TRY_OUT(pyr_file_lines(&lines, name, MAPPING_MOST));
    for (size_t i = 0; i < lines.n; i++) {
        char *end;
        long label = strtol(lines.at[i], &end, 10), code = strtol(end, NULL, 10);
        char letter[2] = {(char)code, 0};

        if (label != from + (long)c->classes.n || code < 33 || code > 126) { /* not what it should be */
            pyr_names_free(&c->classes);
            break;
        }
        PYR_TRY_OUT(pyr_names_add(&c->classes, letter));
    }
out:
    pyr_names_free(&lines);
    pyr_free(name);
    return status;
}

pyr_status pyr_emnist_classes(pyr_collection *c, const char *path)
{
    int part = part_of(path);
    int32_t least = INT32_MAX, most = -1;

    for (int64_t i = 0; i < c->n; i++) {
        least = c->at[i].label < least ? c->at[i].label : least;
        most = c->at[i].label > most ? c->at[i].label : most;
    }
    if (part == PARTS || most < 0)
        return PYR_OK;
    bool letters = part == 0, from_1 = letters && least >= 1 && most <= 26;
    if (letters && !from_1) /* somebody's own */
        return PYR_OK;
    for (int64_t i = 0; from_1 && i < c->n; i++)
        c->at[i].label--;
    PYR_TRY(read_mapping(c, path, parts[part].part, from_1));
    for (const char *at = c->classes.n ? "" : parts[part].classes; *at; at++)
        PYR_TRY(pyr_names_add(&c->classes, (char[2]){*at, 0}));
    if (from_1)
        return pyr_names_format(&c->warnings,
                                "the labels of EMNIST's letters begin at 1: label 1 is class 0 (A), "
                                "label 26 is class 25 (Z)");
    return PYR_OK;
}
