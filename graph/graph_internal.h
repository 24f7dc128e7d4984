/* graph_internal.h - what building (graph.c) and planning (plan.c) share. */
#ifndef PYR_GRAPH_INTERNAL_H
#define PYR_GRAPH_INTERNAL_H

#include "graph/graph.h"

typedef struct value {
    pyr_shape shape;
    pyr_type type;
    int producer; /* node; -1: an input of the graph */
    bool keep, seed, want_gradient;
    /* filled by the plan */
    bool has_gradient;     /* something writes a gradient for it, and something reads it */
    size_t data, gradient; /* offsets in a lane's arena */
} value;

typedef struct node {
    pyr_op op; /* attributes and shapes; each lane runs a copy with its own pointers */
    int x[PYR_OP_INPUTS], y;
    int param[PYR_OP_PARAMS]; /* indices into the parameter table */
    /* filled by the plan */
    size_t saved, packed, grad; /* offsets: arena, packed block, one accumulator */
    bool backward;
} node;

struct pyr_graph {
    pyr_kernels *k;
    pyr_params *params;
    value *values;
    node *nodes;
    int n_values, n_nodes, value_room, node_room;
    pyr_status failure; /* the first one while building */
    char sentence[512];
    /* the plan */
    bool planned;
    int batch, lanes, groups;
    pyr_op **ops;       /* [lane][node] */
    char **arena;       /* [lane] */
    char *packed;       /* shared by the lanes */
    char **accumulator; /* [group] */
    size_t arena_bytes, packed_bytes, grad_bytes, scratch;
    const void *block;   /* parameters in use */
    bool serial_collect; /* a parameter is used by several operations */
    void *collect_to;
};

#endif
