/* array_names.c - words of names. */
#include "arrays/array_names.h"

#include "base/file.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The likelier first. */
static const char *const image_words[] = {"images",   "image",  "imgs",   "img",    "x",       "pixels",
                                          "pictures", "pics",   "photos", "frames", "samples", "bitmap",
                                          "data",     "inputs", "input",  "arr"};
static const char *const label_words[] = {"labels",     "label",    "lbls",    "lbl",   "y",
                                          "targets",    "target",   "classes", "class", "cls",
                                          "categories", "category", "gt"};
/* Abbreviations that only arrays have, beside the words of folders. */
static const struct {
    const char *word;
    pyr_part part;
} parts[] = {{"tr", PYR_PART_TRAIN}, {"te", PYR_PART_TEST}, {"t10k", PYR_PART_TEST}};
#define COUNT(table) ((int)(sizeof table / sizeof *table))

static int place_of(const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

static bool part_of(pyr_part *part, const char *word)
{
    size_t n = strlen(word);
    pyr_part_name name = pyr_part_of((pyr_word){word, n});

    if (name.sure && name.n == n && name.part != PYR_PART_REST) {
        *part = name.part;
        return true;
    }
    for (int i = 0; i < COUNT(parts); i++)
        if (strcmp(word, parts[i].word) == 0) {
            *part = parts[i].part;
            return true;
        }
    return false;
}

static void set_role(pyr_array_name *name, pyr_array_role role, int rank)
{
    /* labels win over images: image_labels, x-labels; names over both: label_names */
    if (role > name->role || (role == name->role && rank < name->rank)) {
        name->rank = rank;
        name->role = role;
    }
}

static void add_key(pyr_array_name *name, const char *word)
{
    enum { HASH = 1 + 16 /* '#' and digits */ };
    char *mark = strchr(name->key, '#');
    size_t n = strlen(name->key);
    uint64_t hash = mark ? strtoull(mark + 1, NULL, 16) : PYR_HASH_START;

    if (!mark && n + 1 + strlen(word) + HASH < sizeof name->key) {
        if (n)
            name->key[n++] = '-';
        strcpy(name->key + n, word);
        return;
    }
    mark = mark ? mark : name->key + n;
    hash = pyr_hash(hash, word, strlen(word) + 1);
    snprintf(mark, HASH + 1, "#%016" PRIx64, hash);
}

/* One word in small letters. */
static void take_word(pyr_array_name *name, const char *word)
{
    int images = place_of(word, image_words, COUNT(image_words));
    int labels = place_of(word, label_words, COUNT(label_words));

    if (part_of(&name->part, word))
        return;
    if (images >= 0)
        set_role(name, PYR_ROLE_IMAGES, images);
    else if (labels >= 0)
        set_role(name, PYR_ROLE_LABELS, labels);
    else if (strcmp(word, "names") == 0 && name->role == PYR_ROLE_LABELS) /* class_names */
        set_role(name, PYR_ROLE_NAMES, 0);
    else if ((*word == 'x' || *word == 'y') && part_of(&name->part, word + 1)) /* xtrain, yte */
        set_role(name, *word == 'x' ? PYR_ROLE_IMAGES : PYR_ROLE_LABELS, 0);
    else if (strcmp(word, "fine") != 0) /* of CIFAR-100's two, those that are taken; coarse stays a word */
        add_key(name, word);
}

static void take_words(pyr_array_name *name, const char *text)
{
    char word[64];
    size_t n = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool inner = n > 0 && isupper(c) && islower((unsigned char)text[-1]); /* trainX */

        if (n && (!isalnum(c) || inner || n + 1 == sizeof word)) {
            word[n] = 0;
            take_word(name, word);
            n = 0;
        }
        if (isalnum(c))
            word[n++] = (char)tolower(c);
    }
    word[n] = 0;
    if (n)
        take_word(name, word);
}

pyr_array_name pyr_array_name_read(const char *file, const char *array)
{
    pyr_array_name of_file = {0}, of_array = {0}, whole;

    take_words(&of_file, file);
    if (!array)
        return of_file;
    if (strncmp(array, "arr_", 4) == 0) { /* NumPy's own names: the file's means more */
        of_array.rank = array[4] - '0';
        of_array.role = strcmp(array, "arr_0") == 0   ? PYR_ROLE_IMAGES
                        : strcmp(array, "arr_1") == 0 ? PYR_ROLE_LABELS
                                                      : PYR_ROLE_NONE;
        if (of_file.role == PYR_ROLE_LABELS && of_array.role == PYR_ROLE_IMAGES)
            of_array.role = PYR_ROLE_LABELS;
    } else
        take_words(&of_array, array);
    whole = of_array;
    if (whole.part == PYR_PART_NONE)
        whole.part = of_file.part;
    strcpy(whole.key, of_file.key);
    if (*of_array.key)
        add_key(&whole, of_array.key);
    return whole;
}

int pyr_natural_order(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            const char *x = a + strspn(a, "0"), *y = b + strspn(b, "0");
            size_t n = strspn(x, "0123456789"), m = strspn(y, "0123456789");
            int order = n != m ? (n < m ? -1 : 1) : strncmp(x, y, n);

            if (order)
                return order;
            a = x + n;
            b = y + m;
            continue;
        }
        if (*a != *b)
            break;
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}
