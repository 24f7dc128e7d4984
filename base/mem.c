/* mem.c - memory that is counted and can be made to fail. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of every block, in a cache line of its own. */
typedef struct header {
    size_t bytes;
} header;

static atomic_size_t live_blocks, live_bytes, peak_bytes;
static atomic_uint_fast64_t allocated;
static atomic_long fail_after = -1;

static header *header_of(void *block)
{
    return (header *)(void *)((char *)block - PYR_ALIGN);
}

static int must_fail(void)
{
    long left = atomic_load(&fail_after);

    while (left >= 0)
        if (atomic_compare_exchange_weak(&fail_after, &left, left - 1))
            return left == 0;
    return 0;
}

bool pyr_mem_lets(void)
{
    atomic_fetch_add(&allocated, 1);
    return !must_fail();
}

void *pyr_calloc(size_t count, size_t size)
{
    size_t bytes, total, now, peak;
    char *base;

    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)2 * PYR_ALIGN - 1, &total) || must_fail())
        return NULL;
    total -= total % PYR_ALIGN;
    base = aligned_alloc(PYR_ALIGN, total);
    if (!base)
        return NULL;
    memset(base, 0, total);
    ((header *)(void *)base)->bytes = bytes;
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&allocated, 1);
    now = atomic_fetch_add(&live_bytes, bytes) + bytes;
    peak = atomic_load(&peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, now))
        ;
    return base + PYR_ALIGN;
}

void *pyr_realloc(void *block, size_t count, size_t size)
{
    void *grown = pyr_calloc(count, size);

    if (!grown || !block)
        return grown;
    size_t old = header_of(block)->bytes, now = count * size;
    memcpy(grown, block, old < now ? old : now);
    pyr_free(block);
    return grown;
}

void pyr_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, header_of(block)->bytes);
    free(header_of(block));
}

pyr_status pyr_grow(void *at, size_t *room, size_t n, size_t size, const char *what)
{
    size_t more = *room ? 2 * *room : 16;
    void *block;

    if (n < *room)
        return PYR_OK;
    memcpy(&block, at, sizeof block);
    block = pyr_realloc(block, more, size);
    if (!block)
        return pyr_fail(PYR_E_NOMEM, "out of memory for %s", what);
    memcpy(at, &block, sizeof block);
    *room = more;
    return PYR_OK;
}

void pyr_sort(void *at, size_t n, size_t size, int (*compare)(const void *, const void *))
{
    if (n > 1)
        qsort(at, n, size, compare);
}

pyr_status pyr_new(void *out, size_t count, size_t size, const char *what)
{
    void *block = pyr_calloc(count, size);

    memcpy(out, &block, sizeof block);
    if (!block)
        return pyr_fail(PYR_E_NOMEM, "out of memory: %s needs %.1f MiB", what,
                        (double)count * (double)size / (1024 * 1024));
    return PYR_OK;
}

char *pyr_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = pyr_calloc(n, 1);

    return copy ? memcpy(copy, text, n) : NULL;
}

char *pyr_vstrfmt(const char *fmt, va_list args)
{
    va_list again;
    int n;
    char *text;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    text = n < 0 ? NULL : pyr_calloc((size_t)n + 1, 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, args);
    return text;
}

char *pyr_strfmt(const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = pyr_vstrfmt(fmt, args);
    va_end(args);
    return text;
}

pyr_status pyr_format(char **out, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    *out = pyr_vstrfmt(fmt, args);
    va_end(args);
    return *out ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for a text");
}

pyr_mem_stats pyr_mem(void)
{
    return (pyr_mem_stats){.live_blocks = atomic_load(&live_blocks),
                           .live_bytes = atomic_load(&live_bytes),
                           .peak_bytes = atomic_load(&peak_bytes),
                           .allocated = atomic_load(&allocated)};
}

void pyr_mem_reset_peak(void)
{
    atomic_store(&peak_bytes, atomic_load(&live_bytes));
}

void pyr_mem_fail_after(long n)
{
    atomic_store(&fail_after, n);
}
