/* class_list.h - which classes a trained network knows, and which of them an image is to be of.
 *
 * A network has a row for each class and one more for "no class", which is trained by dropping labels. A row
 * that no image trained holds random numbers: a class without training images, "no class" where
 * class_dropout was 0, each class where it was 1. Nothing is drawn from such a row. */
#ifndef PYR_LEVELS_CLASS_LIST_H
#define PYR_LEVELS_CLASS_LIST_H

#include "base/text.h"
#include "graph/safetensors.h"
#include "images/dataset.h"

typedef struct pyr_class_list {
    int n;           /* classes; 0: the network knows none */
    bool none;       /* its row "no class" was trained */
    int64_t *images; /* [n] training images of each; NULL: not known (of older programs): each has some */
    char **name;     /* [n]; each NULL: has none. NULL: none has one */
    int32_t *can;    /* [n_can] those that were trained, ascending */
    int n_can;
} pyr_class_list;

/* The classes of a data set's training part. class_dropout: the share of images that were trained as of no
 * class; below 0: not known, and all rows are taken to be trained. PYR_E_NOMEM. The caller frees *out,
 * on failure too. */
pyr_status pyr_class_list_of_data(pyr_class_list *out, const pyr_dataset *data, double class_dropout);
/* n classes of which no more is known. */
pyr_status pyr_class_list_plain(pyr_class_list *out, int n, double class_dropout);
/* PYR_E_NOMEM. The caller frees *out, on failure too. */
pyr_status pyr_class_list_copy(pyr_class_list *out, const pyr_class_list *from);
void pyr_class_list_free(pyr_class_list *list); /* back to {0}; no-op on {0} */

/* To and from the metadata of a level's weights. Written: counts ("5 0 7"), and names, where there are any, a
 * line each (UTF-8; other bytes become question marks). The pairs' texts live in counts and names, which the
 * caller frees. A file without them gives a plain list; what does not fit n classes is PYR_E_FORMAT. */
enum { PYR_CLASS_PAIRS = 2 };
pyr_status pyr_class_list_write(const pyr_class_list *list, pyr_st_pair pairs[PYR_CLASS_PAIRS], size_t *n,
                                pyr_text *counts, pyr_text *names);
pyr_status pyr_class_list_read(pyr_class_list *out, const char *path, int n, double class_dropout);

/* "0..2 (cat, dog, frog)", "1..5, 7": those that can be drawn. */
void pyr_class_list_add(const pyr_class_list *list, pyr_text *text);

/* ---- which class an image is of ---- */

typedef enum pyr_class_kind {
    PYR_CLASS_NONE,  /* of no class in particular */
    PYR_CLASS_ONE,   /* all of one */
    PYR_CLASS_ALL,   /* seed s: number s modulo how many there are, of those that can be drawn */
    PYR_CLASS_RANDOM /* drawn from the seed, each of them alike; the same whatever is drawn beside it */
} pyr_class_kind;

typedef struct pyr_class_choice {
    pyr_class_kind kind;
    int label;                  /* PYR_CLASS_ONE */
    const pyr_class_list *list; /* borrowed */
} pyr_class_choice;

/* What is typed for --class: a number or a name, all, random; "", none or -1: no class. PYR_E_ARG, with the
 * classes there are, for one that there is not or that had no training images, and for no class where that
 * row was not trained. */
pyr_status pyr_class_choose(pyr_class_choice *out, const pyr_class_list *list, const char *typed);
/* The class of a seed's image; -1: none. */
int32_t pyr_class_of_seed(const pyr_class_choice *choice, uint64_t seed);
/* Those of n seeds, a new block; NULL in *out when they are of no class. */
pyr_status pyr_class_labels(int32_t **out, const pyr_class_choice *choice, const uint64_t *seeds, size_t n);
/* "class 3 (cat)", "all classes in turn", "classes at random"; nothing for no class. */
void pyr_class_choice_add(const pyr_class_choice *choice, pyr_text *text);

#endif
