/* fake_libraries.h - what tests may ask of and do to the cuDNN and cuBLASLt that are none. */
#ifndef PYR_TESTS_CUDA_FAKE_LIBRARIES_H
#define PYR_TESTS_CUDA_FAKE_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fake_libraries_state {
    const char *cudnn_file, *cublas_file; /* what is opened; NULL: this program, where they are */
    bool no_algorithms;                   /* cuDNN offers none, cuBLAS neither */
    /* Since the program began: convolutions and products that were asked for, and those of them that are not
     * deterministic. */
    long convolutions, products, by_chance;
    int last_forward, last_data, last_filter; /* algorithms of the last convolutions, cuDNN's numbers */
    int last_math;                            /* the last convolution's cudnnMathType_t */
    int descriptors;                          /* made and not destroyed */
} fake_libraries_state;

extern fake_libraries_state fake_libraries;

#ifdef __cplusplus
}
#endif

#endif
