/* collection.h - images as they were found, before a data set is made of them.
 * For the files of images/ that read and the one that assembles (dataset.c).
 *
 * Two ways of holding samples: images from packed files (IDX, CIFAR, NPZ) lie one
 * after the other in `block`; images from files of their own own their memory.
 */
#ifndef PYR_IMAGES_COLLECTION_H
#define PYR_IMAGES_COLLECTION_H

#include "base/file.h"
#include "base/text.h"
#include "base/threads.h"
#include "images/dataset_json.h"
#include "images/image.h"
#include "images/resize.h"
#include "images/zip_file.h"

typedef struct pyr_found {
    pyr_image image; /* {0} when bad */
    char *path;      /* its file, or "ARCHIVE: ENTRY"; NULL in a packed file; owned */
    char *bad;       /* the sentence why it cannot be used; NULL when it can; owned */
    int64_t index;   /* place in the order of finding */
    int32_t label;   /* -1: none */
    bool test;       /* of the data set's own test set */
    bool opaque;     /* no alpha that matters */
    bool fitted;     /* was cropped or resized on reading */
} pyr_found;

typedef struct pyr_collection {
    const char *kind; /* "IDX", "CIFAR-10", "CIFAR-100", "image files", ...; static */
    pyr_found *at;
    int64_t n, room;
    pyr_zip *zip;      /* the archive that the image files are in, or NULL; owned */
    void *block;       /* samples of all images, or NULL; owned */
    pyr_names classes; /* names in the order of the labels; may be empty though there are labels */
    pyr_text notes;    /* what a person should know about how it was read, each "; ..." */
} pyr_collection;

void pyr_collection_free(pyr_collection *c);

/* One more image file; takes `path` over, on failure too. */
pyr_status pyr_collection_add(pyr_collection *c, char *path, int32_t label, bool test);

/* Room for n images of one size in a block, train first; the collection is empty before. */
pyr_status pyr_collection_pack(pyr_collection *c, int64_t n, int64_t train, int h, int w, int channels,
                               const char *name);

/* Class names from a text file, one a line. A missing file is fine. */
pyr_status pyr_collection_names(pyr_collection *c, const char *folder, const char *name);
pyr_status pyr_names_add(pyr_names *names, const char *name);

/* Drop what is marked: bad images, and test images if `test`. */
void pyr_collection_drop(pyr_collection *c, bool test);

/* ---- the kinds of data set ---- */

bool pyr_idx_folder_is(const pyr_names *names);
pyr_status pyr_collect_idx_folder(pyr_collection *c, const char *folder, const pyr_names *names);
/* One file of images; its labels are looked for beside it. */
pyr_status pyr_collect_idx_file(pyr_collection *c, const char *path);

bool pyr_cifar_folder_is(const pyr_names *names);
pyr_status pyr_collect_cifar_folder(pyr_collection *c, const char *folder, const pyr_names *names);
pyr_status pyr_collect_cifar_file(pyr_collection *c, const char *path);

/* A zip archive: of image files, or an NPZ. */
pyr_status pyr_collect_zip(pyr_collection *c, const char *path);
/* Arrays: images under the name arr_0, images or x, labels under arr_1, labels or y. */
pyr_status pyr_collect_npz(pyr_collection *c, const char *path);

/* Image files in a folder (or the one file `path`) are listed first, then
 * decoded by the pool. With h and w above 0 each is brought to that size at
 * once, so that large photographs are never all in memory. Bad files get their
 * sentence in `bad`; only what is no file's fault is a failure. */
pyr_status pyr_collect_image_folder(pyr_collection *c, const char *folder, const pyr_names *names);
/* The image files among `files`, which are named from `root` ("photos/", "photos.zip: "; all paths begin with
 * it) and come in the order of a walk through folders. Folders are classes, train/ and test/ the split; or,
 * when `labels` are an EDM data set's, these say. PYR_E_FORMAT: a label without its image, or an image
 * without. */
pyr_status pyr_collect_listed(pyr_collection *c, const char *root, const pyr_names *files,
                              const pyr_file_labels *labels);
/* Files and folders that file managers leave: hidden ones, __MACOSX. */
bool pyr_left_aside(const char *name);
pyr_status pyr_collect_decode(pyr_collection *c, pyr_pool *pool, int h, int w, pyr_fit fit);

#endif
