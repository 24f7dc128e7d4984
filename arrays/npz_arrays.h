/* npz_arrays.h - named arrays in NumPy's NPZ and NPY files: statistics of features (`mu`, `sigma`), images,
 * labels.
 *
 * An NPZ is a zip (stored or deflated) of .npy files (NEP 1; versions 1.0 to 3.0); a lone .npy file is
 * read as one array under the file's name. Booleans, integers and floats of either order of bytes are read,
 * up to four dimensions, and texts. An array that is kept in Fortran's order (first index fastest) comes out
 * in C's. For writing images in portions see npz_file.h. */
#ifndef PYR_ARRAYS_NPZ_ARRAYS_H
#define PYR_ARRAYS_NPZ_ARRAYS_H

#include "archives/zip_file.h"
#include "arrays/npy_header.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum pyr_npy_type {
    PYR_NPY_OTHER, /* in the file, but of a kind that is not read */
    PYR_NPY_BOOL,  /* one byte, 0 or 1 */
    PYR_NPY_U1,
    PYR_NPY_U2,
    PYR_NPY_U4,
    PYR_NPY_U8,
    PYR_NPY_I1,
    PYR_NPY_I2,
    PYR_NPY_I4,
    PYR_NPY_I8,
    PYR_NPY_F2,
    PYR_NPY_F4,
    PYR_NPY_F8
} pyr_npy_type;

const char *pyr_npy_type_name(pyr_npy_type type); /* NumPy's: "uint8"; "?" for OTHER */
size_t pyr_npy_type_size(pyr_npy_type type);      /* bytes of one element; 0 for OTHER */
/* The element at `at` (any alignment, the machine's order of bytes), rounded where a double has not all
 * digits. */
double pyr_npy_value(const void *at, pyr_npy_type type);
/* Turn the bytes of each element around. */
void pyr_npy_swap(void *elements, size_t count, size_t size);

typedef struct pyr_array {
    const char *name; /* without .npy; borrowed from the file */
    pyr_npy_type type;
    int rank;                    /* 0: a scalar, count 1 */
    int64_t shape[PYR_NPY_RANK]; /* ones behind the rank */
    const void *data;            /* writing: its elements, C order, borrowed; reading: NULL */
} pyr_array;

size_t pyr_array_count(const pyr_array *array); /* product of its shape; may be 0 */

/* ---- reading ---- */

typedef struct pyr_arrays pyr_arrays;

/* Open a file and check the headers of all its arrays; elements stay in the file until they are asked for.
 * PYR_E_IO (cannot be opened), PYR_E_FORMAT (not an NPZ, damaged, a size that does not fit its shape),
 * PYR_E_UNSUPPORTED (encrypted, compressed by another method). Arrays of other types (objects, text,
 * complex numbers, five dimensions) are no failure until they are read. */
pyr_status pyr_arrays_open(pyr_arrays **out, const char *path);
void pyr_arrays_free(pyr_arrays *arrays); /* NULL is a no-op */

/* In order of their names (bytewise), borrowed until the free. */
size_t pyr_arrays_count(const pyr_arrays *arrays);
const pyr_array *pyr_arrays_at(const pyr_arrays *arrays, size_t i);
const pyr_array *pyr_arrays_find(const pyr_arrays *arrays, const char *name); /* NULL: absent */
/* The same, when it has to be there: PYR_E_FORMAT with a sentence that lists what is there. */
pyr_status pyr_arrays_get(const pyr_array **out, const pyr_arrays *arrays, const char *name);

/* Read all `count` elements of an array of this file (another count: PYR_E_SHAPE) in C order: as they are
 * (its own type), or converted. F8 and F4 take every type and round. I8, U1 and U2 take whole numbers in
 * their range, of whatever type (floats, too, as labels are often kept); anything else is PYR_E_FORMAT, as
 * are damaged bytes; the sentence names the element. PYR_E_UNSUPPORTED for an array of PYR_NPY_OTHER,
 * saying what it is. One thread at a time. */
pyr_status pyr_arrays_read(const pyr_arrays *arrays, const pyr_array *array, void *dst, size_t count,
                           pyr_npy_type as);

/* Texts (NumPy's str_ and bytes_, whose type is PYR_NPY_OTHER): `count` new strings in UTF-8, which the
 * caller owns, on failure too (NULL: not read). */
bool pyr_array_is_text(const pyr_array *array);
pyr_status pyr_arrays_read_texts(const pyr_arrays *arrays, const pyr_array *array, char **dst, size_t count);

/* Elements in portions, as the file has them: in C's order if pyr_array_in_order, in the machine's order of
 * bytes. One stream of a file at a time, and nothing else of it meanwhile. `end` checks that nothing follows
 * and, in an NPZ, the checksum. Fails as the functions above. */
typedef struct pyr_array_stream {
    const pyr_arrays *arrays;
    const pyr_array *array;
    pyr_zip_stream zip;
    FILE *file; /* of a lone array */
} pyr_array_stream;

bool pyr_array_in_order(const pyr_array *array);
pyr_status pyr_array_stream_open(pyr_array_stream *out, const pyr_arrays *arrays, const pyr_array *array);
pyr_status pyr_array_stream_read(pyr_array_stream *stream, void *dst, size_t count);
pyr_status pyr_array_stream_end(pyr_array_stream *stream);
void pyr_array_stream_close(pyr_array_stream *stream); /* no-op on {0} and after close */

/* ---- writing ---- */

/* Write `n` arrays (at least 1), in this order, under different names, to a file that appears whole or not at
 * all. Made in memory, so this is for tables rather than for data sets. The bytes depend on nothing but
 * the content. */
pyr_status pyr_arrays_write(const char *path, const pyr_array *arrays, size_t n);

#endif
