/* lane_share.c - pieces of a batch for lanes that only compute forward. */
#include "graph/lane_share.h"

/* Smaller parts cost time, as a convolution's products want 18 to 30 tiles of 4x4 pixels at once: 7x7 images in parts of 4
 * take as long as whole batches of 16, in parts of 2 7 %, of 1 21 % longer; of 14x14 and more one is enough. */
enum { PIXELS = 192 };

int pyr_share_part(const pyr_kernels *k, int batch, pyr_shape image)
{
    int part = 1;

    if (k->backend->whole_batch)
        return batch;
    while (part < batch && part * image.h * image.w < PIXELS)
        part *= 2;
    return batch % part == 0 ? part : batch;
}

static int64_t parts_of(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

int pyr_lane_share(const pyr_kernels *k, int64_t n, int most)
{
    int64_t rounds = parts_of(n, (int64_t)k->lanes * most);

    return k->lanes == 1 || n == 0 ? most : (int)parts_of(n, rounds * k->lanes);
}
