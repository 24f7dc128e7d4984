/* amx.h - products of matrices of bf16 by AMX: a tile is 16 rows of 64 bytes, and one TDPBF16PS does
 *
 *     sum[m][n] += sum over k < 16 of a[m][2k] b[2k][n] + a[m][2k + 1] b[2k + 1][n]        m, n < 16
 *
 * where row m of tile `a` holds 32 numbers, and row k of tile `b` the pairs (b[2k][n], b[2k + 1][n]). Four tiles hold sums,
 * so that each that is loaded serves two products. Sums are f32, rounded to nearest; the odd products have a sum of their own
 * until all k are added; what is denormal is zero, read and written (Intel's manual, volume 2, TDPBF16PS).
 *
 * A thread's tiles hold anything before pyr_amx_begin, and are given back with pyr_amx_end: between them it calls nothing
 * that has tiles of its own. */
#ifndef PYR_KERNELS_SIMD_AMX_H
#define PYR_KERNELS_SIMD_AMX_H

/* Whether this is compiled for a set with AMX; nothing else is here otherwise. The compilers name it differently. */
#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#define PYR_BY_AMX 1
#include "base/inline.h"
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYR_AMX_ROWS = 16, PYR_AMX_ROW_BYTES = 64 };

/* One or two tiles of a factor: bytes from a row to the next, from the one tile to the other. */
typedef struct pyr_amx_tiles {
    const char *at;
    size_t row, next;
} pyr_amx_tiles;

/* All eight tiles are whole. */
PYR_INLINE void pyr_amx_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};

    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = PYR_AMX_ROW_BYTES;
        config.rows[i] = PYR_AMX_ROWS;
    }
    __asm__ volatile("" ::"r"(&config) : "memory"); /* gcc's intrinsic says that it reads 8 of these bytes */
    _tile_loadconfig(&config);
}

PYR_INLINE void pyr_amx_end(void)
{
    _tile_release();
}

/* Sums of the tiles 0 to 3 are zero; what was written before is in memory, which gcc's loads of tiles do not ask for. */
PYR_INLINE void pyr_amx_zero(void)
{
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* Sums are those in memory, as pyr_amx_store leaves them. */
PYR_INLINE void pyr_amx_load(bool two_rows, bool two_columns, const float *sums, size_t row)
{
    size_t bytes = row * sizeof *sums;

    __asm__ volatile("" ::: "memory");
    _tile_loadd(0, sums, bytes);
    if (two_columns)
        _tile_loadd(1, sums + PYR_AMX_ROWS, bytes);
    if (two_rows) {
        _tile_loadd(2, sums + PYR_AMX_ROWS * row, bytes);
        if (two_columns)
            _tile_loadd(3, sums + PYR_AMX_ROWS * row + PYR_AMX_ROWS, bytes);
    }
}

/* sums[i][j] += a[i] b[j]: of a one tile or `two_rows`, of b one or `two_columns`. */
PYR_INLINE void pyr_amx_add(bool two_rows, bool two_columns, pyr_amx_tiles a, pyr_amx_tiles b)
{
    _tile_loadd(6, b.at, b.row);
    _tile_loadd(4, a.at, a.row);
    _tile_dpbf16ps(0, 4, 6);
    if (two_columns) {
        _tile_loadd(7, b.at + b.next, b.row);
        _tile_dpbf16ps(1, 4, 7);
    }
    if (two_rows) {
        _tile_loadd(5, a.at + a.next, a.row);
        _tile_dpbf16ps(2, 5, 6);
        if (two_columns)
            _tile_dpbf16ps(3, 5, 7);
    }
}

/* sums: `row` floats from one row to the next; the second 16 rows and columns are behind the first. */
PYR_INLINE void pyr_amx_store(bool two_rows, bool two_columns, float *sums, size_t row)
{
    size_t bytes = row * sizeof *sums;

    _tile_stored(0, sums, bytes);
    if (two_columns)
        _tile_stored(1, sums + PYR_AMX_ROWS, bytes);
    if (two_rows) {
        _tile_stored(2, sums + PYR_AMX_ROWS * row, bytes);
        if (two_columns)
            _tile_stored(3, sums + PYR_AMX_ROWS * row + PYR_AMX_ROWS, bytes);
    }
}

#else
#define PYR_BY_AMX 0
#endif

#endif
