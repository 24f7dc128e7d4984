/* fuzz_moments.c - reference statistics (an NPZ of mu, sigma and resize) that are hostile. Up to the first
 * 'Z' behind another one ("ZZ") is mu.npy, up to the next sigma.npy, then resize.npy: the archive around
 * them is made here, with the checksums that are right. Bytes without "ZZ" are a file as it is. */
#include "eval/metrics.h"
#include "tests/fuzz/input.h"
#include <math.h>
#include <zlib.h>

enum { ROOM = 1 << 16, PARTS = 3 };

static const char *const names[PARTS] = {"mu.npy", "sigma.npy", "resize.npy"};

/* An array of `n` numbers 1, 0.5, ... as NPY behind *at. */
static void put_npy(uint8_t *out, size_t *at, const char *type, const char *shape, int n, size_t size)
{
    char header[128] = "\x93NUMPY\x01\0v\0"; /* 118 bytes of text */

    memset(header + 10, ' ', sizeof header - 10);
    int written =
        snprintf(header + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    header[10 + written] = ' ';
    header[127] = '\n';
    memcpy(out + *at, header, sizeof header);
    *at += sizeof header;
    for (int i = 0; i < n; i++) {
        double value = i % 3 ? 0.25 : 1;

        if (size == 8)
            memcpy(out + *at, &value, 8);
        else
            out[*at] = (uint8_t) "tf1"[i % 3];
        *at += size;
    }
}

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static uint8_t input[2048];

    if (i >= 1)
        return NULL;
    *n = 0;
    put_npy(input, n, "<f8", "2,", 2, 8);
    memcpy(input + *n, "ZZ", 2);
    *n += 2;
    put_npy(input, n, "<f8", "2, 2", 4, 8);
    memcpy(input + *n, "ZZ", 2);
    *n += 2;
    put_npy(input, n, "|u1", "3,", 3, 1);
    return input;
}

static void put(uint8_t **to, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8)
        *(*to)++ = (uint8_t)value;
}

/* What stands in the local header and in the directory: method 0, time, checksum, sizes, length of the
 * name. */
static void put_entry(uint8_t **to, const fuzz_rest *part, const char *name)
{
    put(to, 20, 2);
    put(to, 0, 4);
    put(to, 0x21 << 16, 4);
    put(to, crc32(0, part->at, (uInt)part->n), 4);
    put(to, part->n, 4);
    put(to, part->n, 4);
    put(to, strlen(name), 2);
    put(to, 0, 2);
}

static size_t make_zip(uint8_t *out, const fuzz_rest *part, int n)
{
    uint8_t *to = out, *directory;
    size_t start[PARTS];

    for (int i = 0; i < n; i++) {
        start[i] = (size_t)(to - out);
        put(&to, 0x04034b50, 4);
        put_entry(&to, &part[i], names[i]);
        memcpy(to, names[i], strlen(names[i]));
        to += strlen(names[i]);
        if (part[i].n)
            memcpy(to, part[i].at, part[i].n);
        to += part[i].n;
    }
    directory = to;
    for (int i = 0; i < n; i++) {
        put(&to, 0x02014b50, 4);
        put(&to, 20, 2);
        put_entry(&to, &part[i], names[i]);
        put(&to, 0, 2 + 2 + 2 + 4);
        put(&to, start[i], 4);
        memcpy(to, names[i], strlen(names[i]));
        to += strlen(names[i]);
    }
    size_t length = (size_t)(to - directory), at = (size_t)(directory - out);
    put(&to, 0x06054b50, 4);
    put(&to, 0, 4);
    put(&to, (uint64_t)n, 2);
    put(&to, (uint64_t)n, 2);
    put(&to, length, 4);
    put(&to, at, 4);
    put(&to, 0, 2);
    return (size_t)(to - out);
}

/* The parts between "ZZ"; how many. */
static int split(fuzz_rest part[PARTS], const uint8_t *bytes, size_t n)
{
    int parts = 0;
    size_t start = 0;

    for (size_t i = 0; i + 1 < n && parts < PARTS - 1; i++)
        if (bytes[i] == 'Z' && bytes[i + 1] == 'Z') {
            part[parts++] = (fuzz_rest){bytes + start, i - start};
            start = i + 2;
            i++;
        }
    part[parts++] = (fuzz_rest){bytes + start, n - start};
    return parts;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static uint8_t archive[ROOM + 1024];
    fuzz_rest part[PARTS];
    const char *path;
    pyr_moments moments;
    pyr_status status;
    int parts;

    if (n > ROOM)
        return 0;
    parts = split(part, bytes, n);
    path = parts < 2 ? fuzz_file("stats.npz", bytes, n)
                     : fuzz_file("stats.npz", archive, make_zip(archive, part, parts));
    status = pyr_moments_read(&moments, path);
    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    if (status == PYR_OK)
        for (int i = 0; i < moments.d; i++)
            must(isfinite(moments.mean[i]) && isfinite(moments.cov[i]));
    pyr_moments_free(&moments);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
