/* emnist.h - what is particular about EMNIST (G. Cohen et al., "EMNIST: an extension of MNIST to handwritten
 * letters", 2017), whose files are known by their names, emnist-letters-train-images-idx3-ubyte.
 *
 * The pictures are transposed in the files. The labels of `letters` are 1 to 26; those of the other parts
 * begin at 0; emnist-PART-mapping.txt has their letters. */
#ifndef PYR_LAYOUTS_EMNIST_H
#define PYR_LAYOUTS_EMNIST_H

#include "layouts/collection.h"

bool pyr_emnist_is(const char *path); /* by the file's name */

/* The labels are read: `letters` are made to begin at 0, with a warning, and the classes get their names,
 * from the mapping file beside `path` or as it is known. */
pyr_status pyr_emnist_classes(pyr_collection *c, const char *path);

#endif
