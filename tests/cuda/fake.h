/* fake.h - what tests may ask of and do to the device that is none (cuda_runtime.h). */
#ifndef PYR_TESTS_CUDA_FAKE_H
#define PYR_TESTS_CUDA_FAKE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was asked for since the program began. */
typedef struct fake_counts {
    long launches;          /* kernels and library calls that were asked for, captured ones included */
    long captures, replays; /* graphs made, graphs launched */
    long allocations, uploads, downloads, waits;
    size_t used, most_used; /* bytes of device memory, now and at most */
} fake_counts;

typedef struct fake_device {
    fake_counts counts;
    int devices;      /* 1; 0: there is no GPU */
    bool driver;      /* true; false: there is no driver */
    size_t memory;    /* of the device, bytes */
    unsigned threads; /* of a block at most; 1: as one. FAKE_CUDA_THREADS of the environment, else 1 */
    int major, minor; /* compute capability, 9.0 */
} fake_device;

extern fake_device fake;

#ifdef __cplusplus
}
#endif

#endif
