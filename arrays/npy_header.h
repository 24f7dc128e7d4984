/* npy_header.h - the header of NumPy's .npy format (NEP 1): a Python dict of descr, fortran_order and
 * shape. */
#ifndef PYR_ARRAYS_NPY_HEADER_H
#define PYR_ARRAYS_NPY_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#define PYR_NPY_RANK 4 /* most dimensions that are read */

typedef struct pyr_npy_header {
    char descr[32]; /* "<f4"; cut when it is longer; "" when it is not a text (a structured type) */
    bool fortran;   /* the first index is the fastest */
    int rank;       /* may be over PYR_NPY_RANK: then only the first are kept */
    int64_t shape[PYR_NPY_RANK]; /* ones behind the rank */
    unsigned met;                /* which keys */
} pyr_npy_header;

/* `text` ends in a NUL. false: it is no such dict. */
bool pyr_npy_header_parse(pyr_npy_header *out, const char *text);

#endif
