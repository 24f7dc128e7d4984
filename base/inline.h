/* inline.h - PYR_INLINE: a function in a header, inlined always. nvcc compiles it for the GPU, too. */
#ifndef PYR_BASE_INLINE_H
#define PYR_BASE_INLINE_H

#ifdef __CUDACC__
#define PYR_INLINE static __host__ __device__ inline
#else
#define PYR_INLINE static inline __attribute__((always_inline))
#endif

#endif
