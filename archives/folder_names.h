/* folder_names.h - what the names of files and folders in data sets mean: which are left by other programs,
 * which name a split, masks, or numbered parts of one set. */
#ifndef PYR_ARCHIVES_FOLDER_NAMES_H
#define PYR_ARCHIVES_FOLDER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a file or a folder on the way to it is what other programs leave: a hidden one (a name that begins
 * with a point, as macOS' ._x.png and .ipynb_checkpoints), __MACOSX, Thumbs.db, desktop.ini, @eaDir and the
 * like, and ".." in an archive. `path` begins inside the data set: a hidden folder around it does not
 * matter. */
bool pyr_left_aside(const char *path);
/* Of these, what is hidden by a point before its name, or its folder's, and may be a person's. */
bool pyr_hidden(const char *path);

/* The name of an archive's entry as a path from the archive's root, in place: backslashes (archives of some
 * Windows programs) become slashes; "./", "/" in front and doubled slashes go. */
void pyr_entry_tidy(char *name);
/* The path from the top of an archive that a symbolic link of this name leads to by its text, a new block;
 * empty: out of the archive. NULL without memory. */
char *pyr_link_path(const char *name, const char *target);

/* A piece of a name, not ended by a NUL. */
typedef struct pyr_word {
    const char *at;
    size_t n;
} pyr_word;

/* As strcmp, bytewise. */
int pyr_word_order(pyr_word a, pyr_word b);

/* The order in which a walk meets files that goes through each folder in the order of names: part by part, a
 * slash before all other characters. As strcmp. */
int pyr_walk_order(const char *a, const char *b);

typedef enum pyr_part {
    PYR_PART_NONE,  /* names no part of a data set */
    PYR_PART_TRAIN, /* train, Training, trn, train2017, train_set, ... */
    PYR_PART_TEST,  /* test, Testing, ... */
    PYR_PART_VAL,   /* val, valid, validation, dev, eval, holdout, ... */
    PYR_PART_REST   /* extra, unlabeled, pred, ...: means this only beside a train/ */
} pyr_part;

typedef struct pyr_part_name {
    pyr_part part;
    size_t at, n; /* where the word stands in the name; 0, 0 when it is the name */
    bool sure;    /* nothing else is said: "test_images", but not "seg_test", which needs its "seg_train" */
    char domain;  /* 'A' of CycleGAN's trainA; 0: none */
} pyr_part_name;

/* The split that a folder's name stands for. */
pyr_part_name pyr_part_of(pyr_word name);
/* As strcmp, of names without the words for their splits and without numbers: 0 for imagenet_train and
 * imagenet_val. */
int pyr_part_order(pyr_word a, const pyr_part_name *a_part, pyr_word b, const pyr_part_name *b_part);

/* Whether a folder is named as masks are (masks, train_labels, gtFine), and `images` (a sibling) as the
 * images that belong to them. with_mask and no_mask are not. */
bool pyr_masks_of(pyr_word masks, pyr_word images);
/* Whether they only begin alike: CelebAMask-HQ-mask-anno beside CelebA-HQ-img. */
bool pyr_masks_near(pyr_word masks, pyr_word images);
bool pyr_mask_named(pyr_word name); /* the first half of that */
/* As strcmp, of the words that two names must share for pyr_masks_of, or (`first`) for pyr_masks_near; a name
 * without any (pyr_mask_plain) comes first. */
int pyr_mask_order(pyr_word a, pyr_word b, bool first);
bool pyr_mask_plain(pyr_word name);
/* The length of a file's stem without a mask's ending (_mask, _mask_1, _segmentation, ...); all of it when it
 * has none. */
size_t pyr_mask_stem(pyr_word stem);

/* A name as text, digits, text: the last run of digits. */
typedef struct pyr_number {
    size_t at, n;   /* of the digits; n = 0: there are none, or more than 15 */
    uint64_t value; /* below 10^15 */
} pyr_number;

pyr_number pyr_last_number(pyr_word name);
/* Whether a name is a word for parts of a set and a number: part-00, images_003, batch_1,
 * HAM10000_images_part_1. */
bool pyr_part_numbered(pyr_word name, const pyr_number *number);

#endif
