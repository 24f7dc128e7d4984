/* array_names.h - what an array is, from its name: x_train, kmnist-test-labels, trainImages, arr_0, ... */
#ifndef PYR_ARRAYS_ARRAY_NAMES_H
#define PYR_ARRAYS_ARRAY_NAMES_H

#include "archives/folder_names.h"
#include "base/status.h"
#include <stdbool.h>

typedef enum pyr_array_role {
    PYR_ROLE_NONE,
    PYR_ROLE_IMAGES,
    PYR_ROLE_LABELS,
    PYR_ROLE_NAMES
} pyr_array_role;

typedef struct pyr_array_name {
    pyr_array_role role; /* names: of the classes */
    pyr_part part;       /* none: of no split; never the rest */
    int rank;            /* the lower, the likelier: images before data, labels before coarse_labels */
    char key[160]; /* the other words, small, joined by '-': equal for what belongs together; words that there
                      is no room for stand in it as a hash behind a '#' */
} pyr_array_name;

/* `file`: the file's name without its ending (and its folder, unless that is one of the data set), `array`:
 * the array's in an NPZ, or NULL. */
pyr_array_name pyr_array_name_read(const char *file, const char *array);

/* Digits count as numbers: batch_2 before batch_10. */
int pyr_natural_order(const char *a, const char *b);

#endif
