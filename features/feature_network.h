/* feature_network.h - what the networks that make features have in common, for features.c. */
#ifndef PYR_FEATURES_FEATURE_NETWORK_H
#define PYR_FEATURES_FEATURE_NETWORK_H

#include "graph/graph.h"

/* Values of such a network. */
typedef struct pyr_network_ends {
    pyr_value x;        /* input, an image in the real type */
    pyr_value features; /* a vector per image, */
    pyr_value logits;   /* and another; both kept */
} pyr_network_ends;

#endif
