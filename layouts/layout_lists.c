/* layout_lists.c - classes of held-out images in lists that come along: a line for each image, with its
 * file's name and its class first, separated by tabs (Tiny-ImageNet) or by a comma (ImageNet at Kaggle). */
#include "layouts/layout.h"

#include "archives/folder_names.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct line {
    const char *name, *class_name; /* each ended by a NUL in the text */
} line;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const line *)a)->name, ((const line *)b)->name);
}

/* Lines of two words and more; both are ended in place. */
static pyr_status read_lines(line **out, size_t *n, char *text)
{
    size_t room = 1;
    char *rest;

    for (const char *c = text; *c; c++)
        room += *c == '\n';
    *n = 0;
    PYR_TRY(pyr_new(out, room, sizeof **out, "a list of labels"));
    for (char *at = strtok_r(text, "\r\n", &rest); at; at = strtok_r(NULL, "\r\n", &rest)) {
        size_t name = strcspn(at, "\t, "), gap = strspn(at + name, "\t, "), word;

        word = strcspn(at + name + gap, "\t, ");
        if (!name || !gap || !word)
            continue;
        at[name] = at[name + gap + word] = 0;
        (*out)[(*n)++] = (line){at, at + name + gap};
    }
    pyr_sort(*out, *n, sizeof **out, by_name);
    return PYR_OK;
}

static const line *find(const line *lines, size_t n, const char *name)
{
    line wanted = {.name = name};

    return n ? bsearch(&wanted, lines, n, sizeof *lines, by_name) : NULL;
}

static pyr_status look_up(pyr_items *items, int part, const line *lines, size_t n)
{
    for (size_t i = 0; i < items->n; i++) {
        pyr_item *item = &items->at[i];
        const char *name = pyr_base_name(item->name), *dot = strrchr(name, '.');
        const line *found = find(lines, n, name);

        if (item->part != part)
            continue;
        if (!found && dot) { /* without the ending of the file's name */
            char *stem;

            PYR_TRY(pyr_format(&stem, "%.*s", (int)(dot - name), name));
            found = find(lines, n, stem);
            pyr_free(stem);
        }
        if (found)
            item->class = (pyr_word){found->class_name, strlen(found->class_name)};
    }
    return PYR_OK;
}

/* The list for this part, whose first image is named `first`: beside it or above it, or named for the
 * validation of all. */
static bool is_list(const char *file, const char *first, int part)
{
    const char *base = pyr_base_name(file);
    size_t folder = (size_t)(base - file);
    pyr_part_name named = pyr_part_of((pyr_word){base, strcspn(base, "_")});

    if (strcasecmp(base, "LOC_val_solution.csv") == 0)
        return part == PYR_PART_VAL;
    if ((int)named.part != part || strcasecmp(base + strcspn(base, "_"), "_annotations.txt") != 0)
        return false;
    return first && strncmp(first, file, folder) == 0;
}

/* The name of the part's first image, or NULL. */
static const char *first_of(const pyr_items *items, int part)
{
    for (size_t i = 0; i < items->n; i++)
        if (items->at[i].part == part)
            return items->at[i].name;
    return NULL;
}

pyr_status pyr_layout_lists(char **text, size_t *file, pyr_items *items, int part, const pyr_names *files,
                            const pyr_layout_wish *wish)
{
    const char *first = first_of(items, part);
    line *lines = NULL;
    size_t n = 0, bytes;
    pyr_status status = PYR_OK;

    *text = NULL;
    for (*file = 0; *file < files->n; ++*file)
        if (is_list(files->at[*file], first, part))
            break;
    if (*file == files->n || !wish->read)
        return PYR_OK;
    PYR_TRY(wish->read(wish->arg, text, &bytes, *file));
    PYR_TRY_OUT(read_lines(&lines, &n, *text));
    PYR_TRY_OUT(look_up(items, part, lines, n));
out:
    pyr_free(lines);
    return status;
}
