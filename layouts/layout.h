/* layout.h - how a data set of image files is laid out, from their names: which part is for training, which
 * is held out, which folders are classes.
 *
 * The same for folders, zip and tar archives, and a pure function of the names (and of the few lists of
 * labels that come along, such as Tiny-ImageNet's val_annotations.txt). What it takes for what:
 *
 * - One folder around all, or several nested, is no class. Nor is a lone folder of images.
 * - Folders named as splits, whatever their case and form (Training, test_images, imagenet_val; pairs such as
 *   seg_train and seg_test), are parts; also below the classes (CLASS/train/x.png) when all have them.
 * - Of a labelled and an unlabelled held-out part the labelled one is used, else the test set.
 * - Classes are the first folders of the training part that differ, in the order of their names (bytewise),
 *   whatever is below them (Tiny-ImageNet's images/). A held-out image is of the class in its path, or none.
 * - Numbered folders are parts of one set when the number says which files are inside (layout_shards.c).
 * - Masks beside images (train_masks, images/ and masks/, x_mask.png beside x.png) are left aside, and so are
 *   a folder with a second copy of all and WebDataset's further images of one key. */
#ifndef PYR_LAYOUTS_LAYOUT_H
#define PYR_LAYOUTS_LAYOUT_H

#include "archives/folder_names.h"
#include "base/file.h"
#include "base/text.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct pyr_layout_wish {
    const char *split;   /* pyr_data_settings.split */
    const char *classes; /* pyr_data_settings.classes */
    /* The bytes of file i of the names, a new block that the caller frees; NULL: no file can be read */
    pyr_status (*read)(void *arg, char **bytes, size_t *n, size_t i);
    void *arg;
} pyr_layout_wish;

typedef enum pyr_place {
    PYR_PLACE_OTHER, /* no image */
    PYR_PLACE_READ,  /* no image, but a list of labels that is used */
    PYR_PLACE_LEFT,  /* an image that is left aside */
    PYR_PLACE_TRAIN,
    PYR_PLACE_HELD_OUT
} pyr_place;

typedef struct pyr_layout {
    pyr_place *place;   /* of each file */
    int32_t *label;     /* of each file: into `classes`; -1: none */
    pyr_names classes;  /* sorted */
    char *folder[2];    /* where the training and the held-out images are ("data/train/"); "" is the top */
    pyr_text how;       /* as in pyr_collection */
    pyr_text notes;     /* likewise */
    pyr_names warnings; /* likewise */
} pyr_layout;

/* `files` come in the order of a walk (pyr_walk_order) and hold nothing that is left aside. PYR_E_CONFIG: the
 * wish names a part that is not there. The caller ends *out with pyr_layout_free, on failure too. */
pyr_status pyr_layout_read(pyr_layout *out, const pyr_names *files, const pyr_layout_wish *wish);
void pyr_layout_free(pyr_layout *layout);

/* ---- its parts: layout_tree.c, layout_masks.c, layout_shards.c, layout_lists.c ---- */

/* One image on its way through the layout. */
typedef struct pyr_item {
    const char *name;  /* from the top; borrowed */
    const char *inner; /* what of the name is not understood yet */
    size_t file;       /* its place among the files */
    pyr_word class;    /* its class' name; n = 0: none */
    int part;          /* pyr_part */
    int32_t label;
} pyr_item;

typedef struct pyr_items {
    pyr_item *at;
    size_t n;
} pyr_items;

/* A folder with images in it, anywhere below. */
typedef struct pyr_folder {
    pyr_word name;
    size_t begin, end; /* its images in the list */
} pyr_folder;

typedef struct pyr_folders {
    pyr_folder *at;
    size_t n;
    size_t loose; /* images that are in none of them */
} pyr_folders;

/* The folders that items begin .. end - 1 are in, which share the first `skip` characters of their names. */
pyr_status pyr_folders_of(pyr_folders *out, const pyr_items *items, size_t begin, size_t end, size_t skip);
void pyr_folders_free(pyr_folders *folders);
/* `skip`, further by the lone folders around these images; at most to the folder that holds several
 * things. */
pyr_status pyr_folders_around(size_t *skip, const pyr_items *items, size_t begin, size_t end);

/* Take masks, a second copy of all, and further images of one key, out of the list; say so in the layout,
 * whose `place` is set. */
pyr_status pyr_layout_masks(pyr_layout *out, pyr_items *items);

enum { PYR_ENDINGS = 6 };

/* A folder by its files' numbers. */
typedef struct pyr_numbered {
    pyr_word name;
    size_t files;           /* images in it */
    size_t numbered;        /* those with a number in their names */
    uint64_t least, most;   /* these numbers */
    bool ends[PYR_ENDINGS]; /* [k]: the last k + 1 digits of all numbers are the folder's number */
    /* all names of files begin with the folder's (or those above and it), and go on in base 16 */
    bool begins;
} pyr_numbered;

typedef enum pyr_shards { PYR_SHARDS_NO, PYR_SHARDS_YES, PYR_SHARDS_MAYBE } pyr_shards;

/* Add one file's name to what is known of the folder, whose name is at `at` in it. */
void pyr_numbered_add(pyr_numbered *folder, const char *file, const char *at);
/* Whether folders (at least two, in the order of their names) are numbered parts of one set. */
pyr_shards pyr_shards_are(const pyr_numbered *at, size_t n);

/* Classes of the images of `part` from lists that come along: Tiny-ImageNet's val_annotations.txt in a folder
 * of that part, ImageNet's LOC_val_solution.csv for the validation. Their class points into *text, which
 * the caller frees with the items (NULL: no list). *file is the list. */
pyr_status pyr_layout_lists(char **text, size_t *file, pyr_items *items, int part, const pyr_names *files,
                            const pyr_layout_wish *wish);

#endif
