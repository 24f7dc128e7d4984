/* dataset_internal.h - a data set as its files see it: dataset.c (opening, reading), dataset_settle.c (what
 * is decided about found images), dataset_cache.c (images in a file). */
#ifndef PYR_IMAGES_DATASET_INTERNAL_H
#define PYR_IMAGES_DATASET_INTERNAL_H

#include "base/atomic_file.h"
#include "images/dataset.h"
#include "layouts/collection.h"

struct pyr_dataset {
    char *path, *kind; /* owned */
    int h, w, c, bits;
    size_t image_bytes;
    /* Training images, then held-out ones: in memory, or in a file from samples_at on. */
    void *samples;
    int file; /* -1: in memory */
    uint64_t samples_at;
    pyr_text unread;  /* why the file of the cache that was there could not be taken; no fact of the set */
    char *cache;      /* path of the file of the cache, used or not; NULL: there is no cache folder */
    int32_t *labels;  /* training images, then held-out ones; or NULL */
    bool held_labels; /* the held-out ones are there */
    int64_t count[2]; /* by pyr_split */
    bool own_test;    /* the held-out part came as a test set */
    int classes;
    pyr_names class_names; /* empty, or at least `classes` of them */
    pyr_names skipped, warnings;
    pyr_text how, notes;
    int64_t turned; /* images turned as their orientation says */
    pyr_data_values values;
    pyr_data_decoded decoded;
    uint64_t fingerprint;
};

/* Free all that it owns; *set itself stays. */
void pyr_dataset_clear(pyr_dataset *set);

/* The size that all images will have, and how to bring them there. */
typedef struct pyr_target {
    int h, w;
    pyr_fit fit;
} pyr_target;

pyr_target pyr_target_of(const pyr_data_settings *s);

/* ---- dataset_settle.c */

/* Decide about the decoded images of `c`: which are bad, the size (*t, changed to it), channels and bits,
 * which are held out, labels and classes. Fills in `set` but for its samples and fingerprint. *order, a new
 * block for the caller: order[slot] = the image of the collection that goes there. */
pyr_status pyr_dataset_settle(pyr_dataset *set, int64_t **order, pyr_target *t, pyr_collection *c,
                              const pyr_data_settings *s);

/* ---- dataset_cache.c */

/* The file of the cache for this path and these settings; set->cache stays NULL when there is no cache
 * folder. */
pyr_status pyr_dataset_cache_path(pyr_dataset *set, const pyr_data_settings *s);

/* What a file of the cache has to agree with: a hash of all that makes the images, without reading any:
 * names, sizes and times of the files, labels, settings. */
pyr_status pyr_dataset_cache_key(uint64_t *key, const pyr_collection *c, const pyr_data_settings *s);

/* Take the data set from the file, if it is there and has this key: into memory when its samples take at most
 * `memory` bytes. *taken false: there is none, or another one, or one that cannot be read or is damaged,
 * which set->unread then says. */
pyr_status pyr_dataset_cache_take(pyr_dataset *set, bool *taken, uint64_t key, uint64_t memory);

/* An image of the set's file, the n-th of all, compared with its checksum; any number of threads.
 * PYR_E_FORMAT when it is not what was written, PYR_E_IO. */
pyr_status pyr_dataset_cache_read(const pyr_dataset *set, int64_t slot, void *dst);
size_t pyr_dataset_cache_stride(const pyr_dataset *set); /* bytes from one image to the next in the file */

/* Make the file. Begin: waits for another process that makes it; PYR_E_IO with a sentence when the folder
 * cannot be written or has too little space. Write: image `slot`, by any number of threads. End: the set then
 * reads from the file. Abandon, also after the end. */
typedef struct pyr_cache_writer {
    pyr_atomic_file file;
    int lock; /* held from begin to abandon */
    uint64_t bytes;
} pyr_cache_writer;

pyr_status pyr_dataset_cache_begin(pyr_cache_writer *out, const pyr_dataset *set);
pyr_status pyr_dataset_cache_write(const pyr_cache_writer *writer, int64_t slot, const void *samples,
                                   size_t image_bytes);
pyr_status pyr_dataset_cache_end(pyr_cache_writer *writer, pyr_dataset *set, uint64_t key);
void pyr_dataset_cache_abandon(pyr_cache_writer *writer);

#endif
