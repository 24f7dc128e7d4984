/* lane_share.h - how many images a lane takes at a time where nothing is trained: so many that all lanes have work. */
#ifndef PYR_GRAPH_LANE_SHARE_H
#define PYR_GRAPH_LANE_SHARE_H

#include "kernels/kernels.h"

/* Images of a part (pyr_plan.parts), of which a piece then has as many as it needs; it divides `batch`. Backend, batch and
 * shape decide it, so that no bit depends on the lanes. A backend that takes whole batches has one part. */
int pyr_share_part(const pyr_kernels *k, int batch, pyr_shape image);

/* Images that a lane takes at a time out of n, at most `most`: lanes get about equally much, in pieces no smaller than
 * that needs. */
int pyr_lane_share(const pyr_kernels *k, int64_t n, int most);

#endif
