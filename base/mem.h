/* mem.h - all memory of the program, counted.
 *
 * Every block is aligned to 64 bytes (a cache line, an AVX-512 register), is
 * zeroed, and knows its size, so that tests can count blocks and bytes, fail
 * the n-th allocation, and show that a training step allocates nothing. */
#ifndef PYR_BASE_MEM_H
#define PYR_BASE_MEM_H

#include "base/status.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYR_ALIGN 64

/* `bytes` rounded up, so that what lies behind is aligned again. */
static inline size_t pyr_aligned(size_t bytes)
{
    return (bytes + PYR_ALIGN - 1) / PYR_ALIGN * PYR_ALIGN;
}

/* count * size zeroed bytes, 64-byte aligned; NULL when memory or the product
 * is out of range (no sentence is stored). Zero bytes give a valid block. */
void *pyr_calloc(size_t count, size_t size);

/* Grow or shrink a block of pyr_calloc (NULL allocates). New bytes are zero.
 * On failure the old block stays valid and NULL is returned. */
void *pyr_realloc(void *block, size_t count, size_t size);

void pyr_free(void *block); /* NULL is a no-op */

/* Room for one more element behind the first n of the array *at (a pointer to its pointer; NULL at first),
 * which has *room elements of `size` bytes: twice as many when it is full. PYR_E_NOMEM, with a sentence
 * that names `what`, leaves the array as it is. */
pyr_status pyr_grow(void *at, size_t *room, size_t n, size_t size, const char *what);

/* As qsort; n may be 0, and then `at` NULL. */
void pyr_sort(void *at, size_t n, size_t size, int (*compare)(const void *, const void *));

/* As pyr_calloc into *out, with a sentence on failure that names `what`. */
pyr_status pyr_new(void *out, size_t count, size_t size, const char *what);

char *pyr_strdup(const char *text);                                           /* NULL without memory */
char *pyr_strfmt(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* printf into a new block */
/* The same into *out. PYR_E_NOMEM: *out is NULL. */
pyr_status pyr_format(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *pyr_vstrfmt(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));

typedef struct pyr_mem_stats {
    size_t live_blocks;
    size_t live_bytes;
    size_t peak_bytes;  /* largest live_bytes since the start or the last reset */
    uint64_t allocated; /* blocks ever handed out */
} pyr_mem_stats;

pyr_mem_stats pyr_mem(void);
void pyr_mem_reset_peak(void);

/* Let the allocation after the next `n` ones fail (0: the very next); -1 never.
 * For tests. Counts across threads. */
void pyr_mem_fail_after(long n);

/* For tests, in the hook of a library that allocates: counted, and false when it is to fail. */
bool pyr_mem_lets(void);

#endif
