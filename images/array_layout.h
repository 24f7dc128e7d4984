/* array_layout.h - how images lie in an array, from its shape.
 *
 *     (n, h, w, c), c 1 to 4    n images, channels last
 *     (n, c, h, w), c 1 to 4    n images, planes: where the last side is over 4
 *     (n, h, w)                 n grey images
 *     (n, s*s), (n, 3*s*s)      n square images as rows: grey, or three planes (CIFAR, ImageNet-32, -64)
 *     (h, w, c), c 1 to 4       one picture: such narrow images there are none
 *     (h, w)                    one grey picture: where it is square, or no row of a square image */
#ifndef PYR_IMAGES_ARRAY_LAYOUT_H
#define PYR_IMAGES_ARRAY_LAYOUT_H

#include "images/packed_parts.h"

typedef struct pyr_array_layout {
    int64_t n;
    int h, w, c;
    pyr_record record;
    char *remark; /* what was decided, "rows of 784 ..."; owned; NULL when nothing was */
} pyr_array_layout;

/* `labels`: how many labels come along, or -1: as many images are meant. `path` is for sentences.
 * PYR_E_FORMAT: of another shape, an empty one, or too large. The caller frees out->remark (pyr_free). */
pyr_status pyr_array_layout_of(pyr_array_layout *out, const pyr_array *array, int64_t labels,
                               const char *path);

/* "(10, 28, 28)" into dst. */
void pyr_array_shape(char dst[100], const pyr_array *array);

#endif
