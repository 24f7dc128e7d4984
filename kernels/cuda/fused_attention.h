/* fused_attention.h - attention by cuDNN's own kernels, forward, of bf16 images: which ones it has for a
 * shape, and running one. That cuDNN has none, or refuses one, is no error. */
#ifndef PYR_KERNELS_CUDA_FUSED_ATTENTION_H
#define PYR_KERNELS_CUDA_FUSED_ATTENTION_H

#include "kernels/cuda/calls.h"

typedef struct pyr_fused_shape {
    int images, tokens, heads, d; /* tokens of an image, features of a head */
    bool saves; /* the logarithm of each token's sum of exponentials is wanted, for the gradient */
} pyr_fused_shape;

typedef enum pyr_fused_verdict { PYR_FUSED_UNTRIED, PYR_FUSED_RIGHT, PYR_FUSED_WRONG } pyr_fused_verdict;

/* One of cuDNN's kernels: an engine in one of its configurations. */
typedef struct pyr_fused_way {
    int number; /* its name: 100 times the engine's, and its place among that engine's configurations, from 1
                   on */
    cudnnBackendDescriptor_t config, plan; /* plan: after pyr_fused_ready */
    size_t workspace;                      /* bytes; after pyr_fused_ready */
    pyr_fused_verdict verdict;             /* the caller's, who compares what it computes */
} pyr_fused_way;

enum { PYR_FUSED_WAYS = 8, PYR_FUSED_DESCRIPTORS = 32 };

/* What there is for a shape. It belongs to the libraries: asked for once, for all layers of that shape. */
typedef struct pyr_fused {
    pyr_fused_shape shape;
    pyr_fused_way way[PYR_FUSED_WAYS]; /* in cuDNN's order, what it takes for the best first */
    int n;
    cudnnBackendDescriptor_t made[PYR_FUSED_DESCRIPTORS];
    int n_made;
    struct pyr_fused *next;
} pyr_fused;

/* Images, outputs and sums of one run, device memory: q, k, v, y as bf16 (images x tokens x heads x d); saved
 * (images x heads x tokens) floats, NULL unless shape.saves: the natural logarithm of the sum over the keys
 * of exp(scale q . k). Aligned to 16 bytes, workspace to 256. */
typedef struct pyr_fused_data {
    const void *q, *k, *v;
    void *y;
    float *saved;
    void *workspace;
} pyr_fused_data;

/* What deterministic kernels there are, without making them ready; (*out)->n may be 0. Only PYR_E_NOMEM. */
pyr_status pyr_fused_find(pyr_fused **out, pyr_kernels *k, const pyr_fused_shape *shape);
/* Compiles and loads it unless that is done. false: cuDNN cannot, or only with more than a thirty-second of
 * the device's memory. Not while recording. */
bool pyr_fused_ready(pyr_kernels *k, pyr_fused *f, pyr_fused_way *way);
/* y = softmax(scale q k^T) v */
pyr_status pyr_fused_run(pyr_kernels *k, const pyr_fused_way *way, const pyr_fused_data *data, float scale);
void pyr_fused_close(pyr_cuda_libraries *l);

#endif
