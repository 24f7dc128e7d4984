/* graph_internal.h - what building (graph.c) and planning (plan.c) share. */
#ifndef PYR_GRAPH_INTERNAL_H
#define PYR_GRAPH_INTERNAL_H

#include "graph/graph.h"

typedef struct value {
    pyr_shape shape;
    pyr_type type;
    int producer; /* node; -1: an input of the graph */
    bool gone;    /* joined into its reader: nothing is stored */
    bool keep, seed, want_gradient;
    /* filled by the plan */
    bool has_gradient;     /* something writes a gradient for it, and something reads it */
    size_t data, gradient; /* offsets in a lane's arena */
} value;

enum { NO_VALUE = -1 };

typedef struct node {
    pyr_op op;                /* attributes and shapes; each lane runs a copy with its own pointers */
    int x[PYR_OP_INPUTS], y;  /* x: NO_VALUE for an optional input that is left out */
    int param[PYR_OP_PARAMS]; /* indices into the parameter table */
    int segment;              /* of recomputation; 0: none */
    /* filled by the plan */
    size_t saved, packed, grad; /* offsets: arena, packed block, one accumulator */
    bool backward;
    bool recompute; /* its result is not kept until backward, but computed once more */
} node;

/* What a lane does, in order: all nodes forward, then this. */
typedef struct backward_step {
    int node;
    bool recompute; /* forward once more; otherwise backward */
} backward_step;

struct pyr_graph {
    pyr_kernels *k;
    pyr_precision precision;
    pyr_params *params;
    value *values;
    node *nodes;
    int n_values, n_nodes;
    size_t value_room, node_room;
    pyr_status failure; /* the first one while building */
    char sentence[512];
    /* the plan */
    bool planned;
    int batch, parts, lanes, groups, segments;
    int *used;   /* [lane]: parts that are computed */
    int segment; /* being built; 0: none */
    backward_step *backward;
    int n_backward;
    bool *filled;           /* [group]: it holds a sum */
    pyr_op_times **profile; /* [lane][node], or NULL */
    pyr_op **ops;           /* [lane][node] */
    char **arena;           /* [lane] */
    char *packed;           /* shared by the lanes */
    char **accumulator;     /* [group] */
    int *by_size,
        n_by_size; /* nodes with parameters, those with the most work in packing and collecting first */
    size_t arena_bytes, packed_bytes, grad_bytes, scratch;
    size_t sums,
        sum_bytes;       /* in the arena: gradients of parts that wait for others; of the largest operation */
    const void *block;   /* parameters in use */
    bool serial_collect; /* a parameter is used by several operations */
    void *collect_to;
};

/* Join operations as far as the backend's rows allow (graph/fuse.c); before anything else is planned. */
pyr_status pyr_graph_fuse(pyr_graph *g);

#endif
