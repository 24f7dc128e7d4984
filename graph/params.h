/* params.h - the parameters of a network: one flat block, and a table that names its parts.
 *
 * A block is `count` numbers of a backend's `real` type. The values, their
 * gradients, Adam's two moments and the EMA are blocks of the same layout, so
 * that an update, a copy and a checkpoint are one loop each. Weights lie in
 * PyTorch's order (convolutions O x I x k x k, linear layers O x I), and each
 * parameter starts at a multiple of 16 numbers; the gaps stay zero. */
#ifndef PYR_GRAPH_PARAMS_H
#define PYR_GRAPH_PARAMS_H

#include "kernels/kernels.h"

typedef enum pyr_init {
    PYR_INIT_ZEROS,
    PYR_INIT_ONES,
    PYR_INIT_UNIFORM, /* in [-scale, scale] */
    PYR_INIT_NORMAL   /* mean 0, standard deviation scale */
} pyr_init;

enum { PYR_PARAM_NAME = 112 };

typedef struct pyr_param {
    char name[PYR_PARAM_NAME]; /* as in the model file, "conv_in.weight" */
    int rank, dims[4];
    size_t count, offset; /* in numbers; offset into the block */
    pyr_init init;
    double scale;
    bool fixed; /* never trained (Fourier frequencies) */
} pyr_param;

typedef struct pyr_params {
    pyr_param *at; /* owned */
    int n;
    size_t room;
    size_t count; /* numbers in a block */
} pyr_params;

/* Find or add: a parameter that is there with the same sizes is shared (two
 * graphs on one block), with other sizes it is PYR_E_SHAPE. count and offset
 * of `wanted` are filled in. */
pyr_status pyr_params_add(pyr_params *params, int *index, const pyr_param *wanted);
const pyr_param *pyr_params_find(const pyr_params *params, const char *name); /* NULL: none */
void pyr_params_free(pyr_params *params);                                     /* back to {0} */

/* Numbers of the model itself, without the gaps. */
size_t pyr_params_model_count(const pyr_params *params);
/* Of the largest parameter; 1 when there is none. */
size_t pyr_params_largest(const pyr_params *params);

/* Fill a block with initial values: parameter i takes its normals and uniforms
 * from the Philox stream (seed, purpose init and `level`, index i). */
pyr_status pyr_params_init(const pyr_params *params, pyr_kernels *k, void *block, uint64_t seed, int level);

/* FNV-1a over the parameters' values as floats, in the table's order: the same for every backend and however
 * a file stores them. `hash` is carried on, from PYR_HASH_START. */
pyr_status pyr_params_hash(uint64_t *hash, const pyr_params *params, pyr_kernels *k, const void *block);

/* Copy one parameter between host floats and a block. */
pyr_status pyr_param_upload(const pyr_param *param, pyr_kernels *k, void *block, const float *host);
pyr_status pyr_param_download(const pyr_param *param, pyr_kernels *k, const void *block, float *host);

#endif
