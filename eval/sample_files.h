/* sample_files.h - which files of a folder or a zip archive are samples.
 *
 * Samples are the pictures in it and in its subfolders (EDM's `--subdirs`: 000000/000000.png), in the order
 * of a walk through them by name. Left aside are hidden and resource files (._x.png, .ipynb_checkpoints,
 * __MACOSX), and pictures that this program writes beside samples: grids, sheets, trajectories, levels,
 * snapshots; known by their names, and by the text in them.
 *
 * A sample that this program drew says in its text with which weights, sampler and class, and by which
 * command. When these differ within one folder, the figures are of no model; sentences say how many there are
 * of each. */
#ifndef PYR_EVAL_SAMPLE_FILES_H
#define PYR_EVAL_SAMPLE_FILES_H

#include "archives/zip_file.h"
#include "base/file.h"
#include "pictures/image.h"

typedef struct pyr_sample_files {
    const char *path;     /* of the folder or archive; borrowed */
    pyr_zip *zip;         /* NULL: a folder; owned */
    pyr_names names;      /* of the samples, from the folder on; owned */
    int64_t aside;        /* pictures that are no samples, */
    char first_aside[64]; /* and the name of one */
    pyr_names warnings;   /* sentences; owned */
} pyr_sample_files;

/* List a folder or file; at most `most` samples (0: all). names.n is 0 when there are no pictures: then it is
 * something else, such as a file of arrays. The caller frees *out, on failure too. PYR_E_IO, PYR_E_FORMAT
 * (folders without an end, a damaged archive). */
pyr_status pyr_sample_files_open(pyr_sample_files *out, const char *path, int64_t most);
void pyr_sample_files_free(pyr_sample_files *files); /* back to {0} */

/* Decode sample i; the caller ends *out with pyr_image_free. PYR_E_IO, PYR_E_FORMAT. */
pyr_status pyr_sample_files_read(pyr_image *out, const pyr_sample_files *files, size_t i);

/* Whether the name of a picture, without folders, is one that this program gives to those that are no
 * samples. */
bool pyr_is_sheet_name(const char *name);

#endif
