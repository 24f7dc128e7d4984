/* transform.h - geometric transformations of training images that do not leak into what is drawn: each is told to the
 * network, which is asked for images without any (Karras et al. 2022, EDM, appendix F.2, table 6).
 *
 *     a0      mirrored left to right, 0 or 1, each as often               label a0
 *     a1      top to bottom, likewise                                     a1
 *     a2      scaled by 2^(0.2 a2), a2 normal                             a2
 *     a3      rotated, a3 uniform in -pi .. pi                            cos a3 - 1, sin a3
 *     a4, a5  stretched by 2^(0.2 a5) along the angle a4, by its inverse across, a4 uniform, a5 normal
 *                                                                         a5 cos a4, a5 sin a4
 *     a6, a7  moved by a6 w/8, a7 h/8, both normal                        a6, a7
 *
 * in this order, all but the first with a probability of their own; labels of what does not happen are 0. */
#ifndef PYR_IMAGES_TRANSFORM_H
#define PYR_IMAGES_TRANSFORM_H

#include <stdbool.h>
#include <stdint.h>

enum { PYR_TRANSFORM_LABELS = 9 };

typedef struct pyr_transform {
    bool nothing; /* the image stays as it is */
    double back[2][2],
        move[2]; /* a point p of the result, in pixels from the centre, lies at back (p - move (w, h)) of the image */
    double label[PYR_TRANSFORM_LABELS];
} pyr_transform;

/* That of image `index` of the global batch at `step`, of any level. */
void pyr_transform_draw(pyr_transform *out, uint64_t seed, uint32_t index, uint32_t step, double probability);

/* to (h x w x c samples of `bits`: up to 8 uint8_t, else uint16_t) = `from` transformed: Catmull and Rom's cubic interpolation, beyond
 * the edge the image mirrored, rounded. to is not from. */
void pyr_transform_apply(const pyr_transform *transform, void *to, const void *from, int h, int w, int c,
                         int bits);

#endif
