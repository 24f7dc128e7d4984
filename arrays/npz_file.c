/* npz_file.c - writes an NPZ of images and labels in portions, stored without compression, with checksums. */
#include "arrays/npz_file.h"

#include "base/atomic_file.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "images of 16 bits are written as a little-endian machine has them in memory"
#endif

/* Zip: PKWARE's APPNOTE.TXT 4.3, and 4.5.3 for ZIP64, which is used for the
 * values that need it. npy: NEP 1. */
enum {
    NPY_HEADER = 128,
    NAME = 9,
    LOCAL = 30 + NAME + 4 + 16,
    AFTER = 8 + 16,
    CENTRAL = 46 + NAME + 4 + 24,
    END = 56 + 20 + 22
};
static const char names[2][NAME + 1] = {"arr_0.npy", "arr_1.npy"};

typedef struct member {
    uint64_t offset, size;
    uint32_t crc;
    bool crc_after; /* it follows the bytes (4.3.9): nothing goes back in a pipe */
} member;

static uint8_t *put(uint8_t *at, uint64_t value, int bytes) /* little-endian */
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static bool large(uint64_t value)
{
    return value >= UINT32_MAX;
}

/* Header of a member: local (before its bytes; at most LOCAL) or central (at the
 * end of the file; at most CENTRAL). Returns its length. */
static size_t header(uint8_t *start, const char *name, const member *m, bool central)
{
    bool big = large(m->size), far = central && large(m->offset);
    int wide = (big ? 2 : 0) + (far ? 1 : 0); /* 64-bit values in the extra field */
    uint8_t *at = start;

    at = put(at, central ? 0x02014b50 : 0x04034b50, 4);
    if (central)
        at = put(at, 45, 2); /* made by version 4.5 */
    at = put(at, wide ? 45 : 20, 2);
    at = put(at, m->crc_after ? 8 : 0, 2); /* flags */
    at = put(at, 0, 2);                    /* stored */
    at = put(at, 0, 2);                    /* time 00:00 and */
    at = put(at, 0x21, 2);                 /* date 1980-01-01, so that equal contents give equal files */
    at = put(at, m->crc, 4);
    at = put(at, big ? UINT32_MAX : m->size, 4); /* compressed */
    at = put(at, big ? UINT32_MAX : m->size, 4);
    at = put(at, NAME, 2);
    at = put(at, wide ? 4 + 8 * (uint64_t)wide : 0, 2);
    if (central) {
        at = put(at, 0, 2); /* comment */
        at = put(at, 0, 2); /* disk */
        at = put(at, 0, 2); /* attributes */
        at = put(at, 0, 4);
        at = put(at, far ? UINT32_MAX : m->offset, 4);
    }
    memcpy(at, name, NAME);
    at += NAME;
    if (wide) { /* just those values whose 32-bit field is full, in this order */
        at = put(at, 1, 2);
        at = put(at, 8 * (uint64_t)wide, 2);
        if (big)
            at = put(put(at, m->size, 8), m->size, 8);
        if (far)
            at = put(at, m->offset, 8);
    }
    return (size_t)(at - start);
}

/* What follows the bytes of a member with crc_after; at most AFTER. */
static size_t data_descriptor(uint8_t *start, const member *m)
{
    int wide = large(m->size) ? 8 : 4;
    uint8_t *at = put(put(start, 0x08074b50, 4), m->crc, 4);

    if (!m->crc_after)
        return 0;
    return (size_t)(put(put(at, m->size, wide), m->size, wide) - start);
}

static size_t ending(uint8_t *start, uint64_t central, uint64_t central_size, int members)
{
    uint8_t *at = start;
    bool big = large(central);

    if (big) {
        at = put(at, 0x06064b50, 4); /* ZIP64 end of central directory, and its locator */
        at = put(at, 44, 8);
        at = put(at, 45, 2);
        at = put(at, 45, 2);
        at = put(at, 0, 8);
        at = put(at, (uint64_t)members, 8);
        at = put(at, (uint64_t)members, 8);
        at = put(at, central_size, 8);
        at = put(at, central, 8);
        at = put(at, 0x07064b50, 4);
        at = put(at, 0, 4);
        at = put(at, central + central_size, 8);
        at = put(at, 1, 4);
    }
    at = put(at, 0x06054b50, 4);
    at = put(at, 0, 4);
    at = put(at, (uint64_t)members, 2);
    at = put(at, (uint64_t)members, 2);
    at = put(at, central_size, 4);
    at = put(at, big ? UINT32_MAX : central, 4);
    at = put(at, 0, 2);
    return (size_t)(at - start);
}

/* "\x93NUMPY", version 1.0, length, a Python dict, spaces, newline: 128 bytes. */
static void npy_header(uint8_t dst[NPY_HEADER], const char *type, const char *shape)
{
    memset(dst, ' ', NPY_HEADER);
    memcpy(dst, "\x93NUMPY\x01\x00", 8);
    put(dst + 8, NPY_HEADER - 10, 2);
    int n = snprintf((char *)dst + 10, NPY_HEADER - 11,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    assert(n > 0 && n < NPY_HEADER - 11);
    dst[10 + n] = ' '; /* over the NUL of snprintf */
    dst[NPY_HEADER - 1] = '\n';
}

static uint32_t crc_of(uint32_t crc, const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(crc, bytes, n);
}

pyr_status pyr_npz_open(pyr_npz *out, const char *path, int64_t n, int h, int w, int c, int bits)
{
    uint8_t start[LOCAL + NPY_HEADER];
    char shape[80];
    pyr_status status;

    assert(n >= 0 && h > 0 && w > 0 && c > 0 && (bits == 8 || bits == 16));
    *out = (pyr_npz){.n = n, .image_bytes = (size_t)h * (size_t)w * (size_t)c * (size_t)bits / 8};
    if (__builtin_mul_overflow((uint64_t)n, (uint64_t)out->image_bytes, &out->size) ||
        out->size > INT64_MAX / 2)
        return pyr_fail(PYR_E_ARG, "%s: %lld images of %dx%dx%d are too many for a file", path, (long long)n,
                        h, w, c);
    out->size += NPY_HEADER;
    PYR_TRY(pyr_atomic_open(&out->file, path));
    snprintf(shape, sizeof shape, "%lld, %d, %d, %d", (long long)n, h, w, c);
    /* the CRC follows at close */
    size_t local =
        header(start, names[0], &(member){.size = out->size, .crc_after = !out->file.temporary}, false);
    npy_header(start + local, bits == 16 ? "<u2" : "|u1", shape);
    out->crc = crc_of(0, start + local, NPY_HEADER);
    status = pyr_atomic_write(&out->file, start, local + NPY_HEADER);
    if (status != PYR_OK)
        pyr_npz_abandon(out);
    return status;
}

pyr_status pyr_npz_add(pyr_npz *npz, const void *images, int64_t count)
{
    size_t bytes = (size_t)count * npz->image_bytes;
    pyr_status status;

    assert(count >= 0 && count <= npz->n - npz->written);
    status = pyr_atomic_write(&npz->file, images, bytes);
    if (status != PYR_OK) {
        pyr_npz_abandon(npz);
        return status;
    }
    npz->crc = crc_of(npz->crc, images, bytes);
    npz->written += count;
    return PYR_OK;
}

static pyr_status write_labels(pyr_npz *npz, member *m, const int32_t *labels)
{
    uint8_t start[LOCAL + NPY_HEADER], npy[NPY_HEADER], value[8];
    char shape[32];
    size_t n;

    snprintf(shape, sizeof shape, "%lld,", (long long)npz->n);
    npy_header(npy, "<i8", shape);
    m->size = NPY_HEADER + 8 * (uint64_t)npz->n;
    m->crc = crc_of(0, npy, NPY_HEADER);
    for (int64_t i = 0; i < npz->n; i++) {
        put(value, (uint64_t)(int64_t)labels[i], 8);
        m->crc = crc_of(m->crc, value, 8);
    }
    n = header(start, names[1], m, false);
    memcpy(start + n, npy, NPY_HEADER);
    PYR_TRY(pyr_atomic_write(&npz->file, start, n + NPY_HEADER));
    for (int64_t i = 0; i < npz->n; i++) {
        put(value, (uint64_t)(int64_t)labels[i], 8);
        PYR_TRY(pyr_atomic_write(&npz->file, value, 8));
    }
    return PYR_OK;
}

pyr_status pyr_npz_close(pyr_npz *npz, const int32_t *labels)
{
    bool crc_after = !npz->file.temporary;
    member m[2] = {{.size = npz->size, .crc = npz->crc, .crc_after = crc_after}};
    int members = labels ? 2 : 1;
    uint8_t bytes[2 * CENTRAL + END], again[LOCAL], after[AFTER];
    size_t local = header(again, names[0], &m[0], false); /* now with the CRC */
    uint64_t central = local + npz->size;
    size_t n = data_descriptor(after, &m[0]);
    pyr_status status = PYR_OK;

    assert(npz->written == npz->n);
    PYR_TRY_OUT(pyr_atomic_write(&npz->file, after, n));
    central += n;
    n = 0;
    if (labels) {
        m[1].offset = central;
        PYR_TRY_OUT(write_labels(npz, &m[1], labels));
        central += header(bytes, names[1], &m[1], false) + m[1].size;
    }
    for (int i = 0; i < members; i++)
        n += header(bytes + n, names[i], &m[i], true);
    n += ending(bytes + n, central, n, members);
    PYR_TRY_OUT(pyr_atomic_write(&npz->file, bytes, n));
    if (crc_after)
        return pyr_atomic_commit(&npz->file);
    if (fseeko(npz->file.stream, 0, SEEK_SET) != 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s cannot be written: %s", npz->file.path, strerror(errno)));
    PYR_TRY_OUT(pyr_atomic_write(&npz->file, again, local));
    return pyr_atomic_commit(&npz->file);
out:
    pyr_npz_abandon(npz);
    return status;
}

void pyr_npz_abandon(pyr_npz *npz)
{
    pyr_atomic_abandon(&npz->file);
}
