/* collection.h - images as they were found, before a data set is made of them.
 * For the files of images/ that read and the one that assembles (dataset.c).
 *
 * Two kinds of sources. Image files: each found image has a path, and its bytes lie in a folder or in an
 * archive; they are decoded here (image_decode.c), side by side. Packed files (IDX, CIFAR, NPZ, ...): images
 * of one shape, one behind the other, read in order and in portions, so that the whole need not be in
 * memory. */
#ifndef PYR_LAYOUTS_COLLECTION_H
#define PYR_LAYOUTS_COLLECTION_H

#include "archives/folder_names.h"
#include "base/file.h"
#include "base/text.h"
#include "base/threads.h"
#include "layouts/dataset_json.h"
#include "layouts/reading.h"
#include "pictures/image.h"
#include "pictures/resize.h"

/* There may be millions of them: small, and their names lie elsewhere (pyr_collection_path). */
typedef struct pyr_found {
    void *samples; /* decoded, brought to size and range: h x w x c of kept_bits; NULL when bad or not kept in
                      memory; owned */
    char *bad;     /* the sentence why it cannot be used; NULL when it can; owned */
    uint32_t index;       /* place in the order of finding */
    uint32_t entry;       /* its number in the archive, or in the list of files */
    int32_t label;        /* -1: none */
    int h, w;             /* of the decoded image; 0 before */
    uint16_t least, most; /* its smallest and largest sample as the file has them, alpha left aside */
    uint8_t c, bits;      /* likewise */
    uint8_t kept_bits;
    bool shared : 1; /* its samples lie in a block with others' (pyr_samples_keep) */
    bool test : 1;   /* of the data set's own test set */
    bool opaque : 1; /* no alpha that matters */
    bool fitted : 1; /* was cropped or resized on reading */
    bool turned : 1; /* was turned as the orientation in its file says */
} pyr_found;

/* Where image files lie that are in no folder. Owned by the collection. */
typedef struct pyr_archive {
    /* The bytes of an entry (pyr_found.entry), a new block that the caller frees; `path` is its name in
     * sentences. PYR_E_FORMAT and PYR_E_IO: this file is bad. */
    pyr_status (*read)(struct pyr_archive *archive, char **bytes, size_t *n, int64_t entry, const char *path);
    /* The entry in sentences, "ARCHIVE: ENTRY", a new block; NULL without memory. */
    char *(*path)(const struct pyr_archive *archive, int64_t entry);
    void (*free)(struct pyr_archive *archive);
    bool in_order; /* images are read by one thread in their order; an earlier one begins anew (tar). Else any
                      number of threads may read any entries */
} pyr_archive;

/* Images of one shape in packed files, training images first. Owned by the collection. */
typedef struct pyr_packed {
    int h, w, c, bits; /* of every image; samples as in pyr_image */
    double low, high;  /* the values in the file that sample 0 and the largest sample stand for; both 0: the
                          samples are the file's */
    bool ranged;       /* data.range is applied already, or means nothing here (booleans) */
    /* The next n images into dst, in order; from image 0 after `rewind` (which also comes before the first
     * read). One thread. PYR_E_FORMAT when the file ends early or is damaged; the last image's read also
     * checks what follows it (checksums, surplus bytes). */
    pyr_status (*read)(struct pyr_packed *packed, void *dst, int64_t n);
    pyr_status (*rewind)(struct pyr_packed *packed);
    void (*free)(struct pyr_packed *packed);
} pyr_packed;

typedef struct pyr_collection {
    const pyr_data_settings *set; /* what the person wants; borrowed */
    const char *kind;             /* "IDX", "CIFAR-10", "CIFAR-100", "image files", ...; static */
    pyr_found *at;
    int64_t n;
    size_t room;
    pyr_data_decoded decoded; /* by pyr_collect_images */
    pyr_names files;          /* image files in folders, by pyr_found.entry */
    char *root;               /* what comes before their names; NULL: nothing; owned */
    pyr_archive *archive;     /* that the image files are in, or NULL */
    pyr_packed *packed;       /* or NULL; then `at` has its images in its order */
    void *block;        /* samples of all packed images, by their index, once they were read into memory;
                           owned */
    pyr_names sources;  /* archives and packed files that images were taken from, so that a change of one is
                           noticed; image files in folders need not be named */
    pyr_names classes;  /* names in the order of the labels; may be empty though there are labels */
    pyr_text how;       /* one sentence on how it was read, without an end: what is the split, what are the
                           classes, where labels come from, how to overrule it; or empty */
    pyr_text notes;     /* what a person should know about how it was read, each "; ..." */
    pyr_names warnings; /* sentences on what is probably a mistake, each with its remedy */
    int64_t hidden;     /* pictures that were left aside for a point before their names */
    pyr_names lost; /* sentences on what of an archive cannot be read, with data.skip_bad; else it fails */
} pyr_collection;

void pyr_collection_free(pyr_collection *c);

/* Samples of small images, which would take more for blocks of their own than for themselves: many in one
 * block, which is freed with the last of them. */
typedef struct pyr_samples_block pyr_samples_block;
/* Copy the n bytes at `samples` to the block *block, or to a new one in its place when it is full; NULL
 * without memory. One thread at a time. */
void *pyr_samples_keep(pyr_samples_block **block, const void *samples, size_t n);
/* Nothing more is kept in this block; NULL is fine. */
void pyr_samples_done(pyr_samples_block *block);
/* Free the samples of an image; any number of threads, each for images of its own. */
void pyr_found_release(pyr_found *found);

/* One more image file, the archive's entry, or the file of the list, of this number. */
pyr_status pyr_collection_add(pyr_collection *c, size_t entry, int32_t label, bool test);
/* The file of image i, or "ARCHIVE: ENTRY", a new block. Not of packed images. PYR_E_NOMEM. */
pyr_status pyr_collection_path(char **out, const pyr_collection *c, int64_t i);

/* n images of a packed source, the first `train` of them for training; takes `packed` over, on failure too.
 * The collection is empty before. Labels are -1, `opaque` false when there is alpha. */
pyr_status pyr_collection_pack(pyr_collection *c, pyr_packed *packed, int64_t n, int64_t train);

/* Whether labels are to be read (data.classes is not "none"). */
bool pyr_collection_wants_labels(const pyr_collection *c);
/* PYR_E_CONFIG when data.split asks for a part that is missing; `test`, `val`: which there are. */
pyr_status pyr_collection_has(const pyr_collection *c, bool test, bool val);

/* Class names from a text file, one a line. A missing file is fine. */
pyr_status pyr_collection_names(pyr_collection *c, const char *folder, const char *name);

/* Drop what is marked: bad images, and test images if `test`. */
void pyr_collection_drop(pyr_collection *c, bool test);

/* ---- image files ---- */

/* The files of a folder or archive, as a list. */
typedef struct pyr_listing {
    /* From the top of it, in the order of a walk (pyr_walk_order); nothing that is left aside */
    pyr_names names;
    const char *root; /* "photos/", "photos.zip: ": what comes before a name in sentences */
    /* File i in sentences, a new block, NULL without memory; NULL: root and name */
    char *(*path)(const struct pyr_listing *listing, size_t i);
    /* The bytes of file i, at most `limit`, a new block with a NUL behind it */
    pyr_status (*read)(const struct pyr_listing *listing, char **bytes, size_t *n, size_t i, uint64_t limit);
    void *source; /* of whoever lists */
} pyr_listing;

/* Tar archives, plain or compressed: of image files, several of one data set (WebDataset's shards). `paths`
 * as given by the person or found in `folder` (NULL: none), which they are named from. */
pyr_status pyr_collect_tars(pyr_collection *c, const char *folder, const pyr_names *paths);

/* The image files among these, by their names (layout.h), or by labels in files: EDM's dataset.json,
 * where folders mean nothing, and WebDataset's .cls and .json beside each image. Each found image's `entry`
 * is its place in the list. PYR_E_FORMAT: a label without its image, or an image without. */
pyr_status pyr_collect_listed(pyr_collection *c, const pyr_listing *listing);
/* The label in the bytes of a .cls or .json file (a NUL behind them); -1: none, or no whole number
 * 0..PYR_LABEL_MOST - 1. PYR_E_FORMAT: no JSON. */
pyr_status pyr_label_beside(int32_t *label, const char *bytes, size_t n, const char *name);

/* ---- decoding (image_decode.c) ---- */

typedef struct pyr_decode {
    pyr_pool *pool;
    int h, w; /* size to bring every image to at once, so that large photographs are never all in memory;
                 0: as they are */
    pyr_fit fit;
    uint64_t memory; /* bytes of decoded images that may be kept; what is beyond is decoded, measured, and
                        given up again */
} pyr_decode;

/* The image is borrowed for the call. Any number of threads at a time, in any order. */
typedef pyr_status (*pyr_use_image)(void *arg, int64_t i, const pyr_image *image);

/* First without `use` (NULL): decode all image files, or read all packed images, and fill in what is found out
 * (pyr_found from h on). Bad files get their sentence in `bad`; only what is no file's fault is a failure, as
 * is any fault of a packed file. PYR_E_CONFIG: the images take more bytes than data.decode_limit allows.
 * Then with it: give it every usable image once more, from the memory or decoded again. */
pyr_status pyr_collect_images(pyr_collection *c, const pyr_decode *d, pyr_use_image use, void *arg);

#endif
