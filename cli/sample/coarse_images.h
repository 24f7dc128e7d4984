/* coarse_images.h - the images that sampling starts from: --coarse PATH.
 *
 * A folder or zip of pictures, subfolders too, in the order of their names (hidden files and sheets are left
 * aside); one picture; or any other file that is known as a data set, such as an NPZ. Pictures stay in their
 * files until they are wanted. */
#ifndef PYR_CLI_SAMPLE_COARSE_IMAGES_H
#define PYR_CLI_SAMPLE_COARSE_IMAGES_H

#include "cli/watch.h"

typedef struct pyr_coarse_images {
    const char *path;        /* as typed; borrowed */
    int h, w, c, bits;       /* of an image of the level, and of the run's data */
    char level[32];          /* "level 1": in sentences */
    int64_t n;               /* images that there are, at most so many as were wanted */
    pyrdiff_data *files;     /* owned */
    int other_c, other_bits; /* channels and depth of an image that has not the run's; 0: none */
    char name[600];          /* the last that pyr_coarse_images_name told */
} pyr_coarse_images;

/* At most `most` images of the level, whose size, `bits` and name `out` has already; each is looked at, so that
 * one that does not fit is found before hours of sampling. The caller frees *out, on failure too. PYR_E_IO:
 * nothing there; PYR_E_SHAPE: an image of another size; PYR_E_FORMAT. */
pyr_status pyr_coarse_images_open(pyr_coarse_images *out, const char *path, size_t most, pyr_watch *watch);
void pyr_coarse_images_free(pyr_coarse_images *c); /* back to {0} */

/* Room for n of them, in the run's depth: zeros, for the caller to free. */
pyr_status pyr_coarse_images_room(pyrdiff_images *out, const pyr_coarse_images *c, int n);
/* Images first .. first + n - 1 into that room, again from the first when there are fewer. */
pyr_status pyr_coarse_images_read(pyr_coarse_images *c, size_t first, int n, const pyrdiff_images *to);

/* Where image i lies; until the next call. */
const char *pyr_coarse_images_name(pyr_coarse_images *c, size_t i);

#endif
