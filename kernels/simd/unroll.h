/* unroll.h - UNROLL: the next loop disappears, so that an array indexed by it can lie in registers.
 *
 * clang with sanitizers keeps the loop: unrolled and watched, some files took it minutes to compile instead of seconds. */
#ifndef PYR_KERNELS_SIMD_UNROLL_H
#define PYR_KERNELS_SIMD_UNROLL_H

#ifdef __clang__
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define UNROLL
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#else
#define UNROLL _Pragma("GCC unroll 36")
#endif

#endif
