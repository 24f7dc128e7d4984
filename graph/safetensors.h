/* safetensors.h - tensors in a file, by name.
 *
 * The format: a 64-bit little-endian length, a JSON header of that length
 * ({"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {…}}), then the
 * data without holes. Nothing in a file is trusted: see pyr_safetensors_open.
 *
 * Files that we write carry a checksum in `__metadata__`, "pyrdiff_xxh3": "HEAD-BODY", two XXH3-64 in
 * hexadecimal. They are of the content, not of the bytes of the file, so that another program may save the
 * same content again. HEAD: the number of metadata pairs without this one, each as key and value, in the
 * order of the keys (bytewise); then for each tensor, in the order of the names: name, word of the dtype,
 * rank, dims; and its data, when they are at most 4096 bytes. BODY: the data of the other tensors, in the
 * order of the names. Texts stand with their length before them; numbers are 64-bit little-endian. A file
 * without a checksum is read as it is. */
#ifndef PYR_GRAPH_SAFETENSORS_H
#define PYR_GRAPH_SAFETENSORS_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

enum { PYR_ST_MAX_RANK = 8 };
#define PYR_ST_MAX_HEADER 100000000 /* bytes; the limit of the format's own library */

/* Types that we read and write. F16 and BF16 are read only into float or double. */
typedef enum pyr_st_dtype {
    PYR_ST_U8,
    PYR_ST_F16,
    PYR_ST_BF16,
    PYR_ST_I32,
    PYR_ST_U32,
    PYR_ST_F32,
    PYR_ST_F64,
    PYR_ST_I64
} pyr_st_dtype;

const char *pyr_st_dtype_word(pyr_st_dtype dtype); /* "F32" */
size_t pyr_st_dtype_size(pyr_st_dtype dtype);      /* bytes of one element */

/* ---- reading ---- */

typedef struct pyr_safetensors pyr_safetensors;

typedef struct pyr_st_tensor {
    const char *name; /* borrowed from the file */
    pyr_st_dtype dtype;
    int rank;                      /* 0: a scalar, count 1 */
    int64_t dims[PYR_ST_MAX_RANK]; /* ones behind the rank */
    size_t count;                  /* product of dims */
    uint64_t begin, end;           /* bytes in the data section */
} pyr_st_tensor;

/* Open a file and check all of its header: lengths, JSON, types, shapes, and
 * that the tensors cover the data section exactly, without hole or overlap;
 * and its checksum, if it has one, for which all of it is read once.
 * Data stay in the file and are read when asked for, so that a big file costs
 * no memory and one that shrinks meanwhile is an error, not a crash.
 * PYR_E_IO, PYR_E_FORMAT, or PYR_E_UNSUPPORTED (a dtype or rank not offered). */
pyr_status pyr_safetensors_open(pyr_safetensors **out, const char *path);

/* The same for those who read metadata, shapes and small tensors: the HEAD of the checksum is checked, and
 * tensors of more than PYR_ST_SMALL bytes are not. */
#define PYR_ST_SMALL 4096
pyr_status pyr_safetensors_open_head(pyr_safetensors **out, const char *path);

/* The same from `n` bytes in memory, borrowed until the free; `name` stands for
 * the file in sentences. */
pyr_status pyr_safetensors_parse(pyr_safetensors **out, const void *bytes, size_t n, const char *name);

void pyr_safetensors_free(pyr_safetensors *file); /* NULL is a no-op */

/* Tensors in order of their names (bytewise), borrowed until the free. */
size_t pyr_safetensors_count(const pyr_safetensors *file);
const pyr_st_tensor *pyr_safetensors_at(const pyr_safetensors *file, size_t i);
const pyr_st_tensor *pyr_safetensors_find(const pyr_safetensors *file, const char *name); /* NULL: absent */

/* A value of `__metadata__`, borrowed until the free; NULL when absent. */
const char *pyr_safetensors_metadata(const pyr_safetensors *file, const char *key);

/* Read all `count` elements of a tensor (another count: PYR_E_SHAPE) and
 * convert. f32 and f64 take every float type: exact, except F64 to float,
 * which rounds (too large becomes infinite). i64 takes every integer type,
 * bytes any type as it stands. Wrong kind of type: PYR_E_FORMAT. */
pyr_status pyr_safetensors_read_f32(const pyr_safetensors *file, const pyr_st_tensor *tensor, float *dst,
                                    size_t count);
pyr_status pyr_safetensors_read_f64(const pyr_safetensors *file, const pyr_st_tensor *tensor, double *dst,
                                    size_t count);
pyr_status pyr_safetensors_read_i64(const pyr_safetensors *file, const pyr_st_tensor *tensor, int64_t *dst,
                                    size_t count);
pyr_status pyr_safetensors_read_bytes(const pyr_safetensors *file, const pyr_st_tensor *tensor, void *dst,
                                      size_t bytes);

/* ---- writing ---- */

/* A tensor to write: `data` holds the product of dims elements of the type, in
 * the memory of a little-endian machine; NULL only when that product is 0. */
typedef struct pyr_st_entry {
    const char *name;
    pyr_st_dtype dtype;
    int rank;
    int64_t dims[PYR_ST_MAX_RANK];
    const void *data;
} pyr_st_entry;

typedef struct pyr_st_pair {
    const char *key, *value;
} pyr_st_pair;

/* Write `n` tensors in any order to a file that appears whole or not at all
 * (pyr_atomic_file); `{"format": "pt"}` and the checksum are always in the
 * metadata, the pairs are added. The bytes depend on the content alone. PYR_E_ARG for a name that
 * is empty, reserved or given twice, or dims out of range; PYR_E_IO. */
pyr_status pyr_safetensors_write(const char *path, const pyr_st_entry *tensors, size_t n,
                                 const pyr_st_pair *metadata, size_t n_metadata);

#endif
