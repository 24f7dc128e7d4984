/* fake_libraries.h - what tests may ask of and do to the cuDNN and cuBLASLt that are none. */
#ifndef PYR_TESTS_CUDA_FAKE_LIBRARIES_H
#define PYR_TESTS_CUDA_FAKE_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { EVERY_WAY = -1 };

typedef struct fake_libraries_state {
    const char *cudnn_file, *cublas_file; /* what is opened; NULL: this program, where they are */
    bool no_algorithms;                   /* cuDNN offers none, cuBLAS neither */
    size_t cudnn_version;                 /* what cuDNN says it is; before 9.13 it has no attention */
    /* Ways to do attention (100 times the engine's number, and its place among those of the engine),
     * EVERY_WAY for all of them: it computes wrong results, or wrong logarithms; cuDNN refuses to make a plan
     * of it, or to run the plan. */
    int wrong_way, wrong_saving_way, refused_way, failing_way;
    /* Since the program began: convolutions, products and attentions that were asked for, and those of them
     * that are not deterministic. */
    long convolutions, products, attentions, by_chance;
    long plans;                               /* of attention, asked for */
    int last_way;                             /* of the last attention */
    int last_forward, last_data, last_filter; /* algorithms of the last convolutions, cuDNN's numbers */
    int last_math;                            /* the last convolution's cudnnMathType_t */
    int descriptors;                          /* made and not destroyed */
} fake_libraries_state;

extern fake_libraries_state fake_libraries;

#ifdef __cplusplus
}
#endif

#endif
