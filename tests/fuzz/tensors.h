/* tensors.h - an input as a safetensors file whose lengths fit, so that what is behind the format's own
 * checks is reached: the header's text, a NUL, the data. The length in front is put before it, and data that
 * end too early go on as zeros to the last place that the header names. (fuzz_safetensors.c has files as they
 * are.) */
#ifndef PYR_TESTS_FUZZ_TENSORS_H
#define PYR_TESTS_FUZZ_TENSORS_H

#include "tests/fuzz/input.h"

enum { FUZZ_TENSORS = 1 << 17 }; /* bytes of a file */

/* The last place of the data that a header names, as far as there is room for. */
static inline size_t fuzz_data_end(const uint8_t *header, size_t n)
{
    static const char key[] = "\"data_offsets\":[";
    size_t most = 0;

    for (size_t i = 0; i + sizeof key < n; i++) {
        size_t at = i + sizeof key - 1, end = 0;

        if (header[i] != '"' || memcmp(header + i, key, sizeof key - 1) != 0)
            continue;
        while (at < n && header[at] != ',' && header[at] != ']')
            at++;
        for (at++; at < n && header[at] >= '0' && header[at] <= '9' && end < FUZZ_TENSORS; at++)
            end = 10 * end + (header[at] - '0');
        most = end > most ? end : most;
    }
    return most;
}

/* The file, *size bytes in a block that lives until the next call. */
static inline const uint8_t *fuzz_tensors(size_t *size, const uint8_t *bytes, size_t n)
{
    static uint8_t file[FUZZ_TENSORS];
    fuzz_rest data = {bytes, n}, header = fuzz_part(&data);
    size_t end = fuzz_data_end(header.at, header.n), at = 8;

    if (header.n > sizeof file - 8)
        header.n = sizeof file - 8;
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)header.n >> 8 * i);
    if (header.n)
        memcpy(file + at, header.at, header.n);
    at += header.n;
    if (data.n > sizeof file - at)
        data.n = sizeof file - at;
    if (data.n)
        memcpy(file + at, data.at, data.n);
    at += data.n;
    while (data.n < end && at < sizeof file) {
        file[at++] = 0;
        data.n++;
    }
    *size = at;
    return file;
}

/* The other way round, for good inputs: a file as an input, in a block for free(). Its checksum, which would
 * refuse whatever is changed before it is looked at, gets a name that nobody asks for. */
static inline uint8_t *fuzz_from_tensors(size_t *n, const char *path)
{
    static const char checksum[] = "\"pyrdiff_xxh3\"";
    size_t size, header = 0;
    uint8_t *file = fuzz_read(path, &size);

    must(size >= 8);
    for (int i = 0; i < 8; i++)
        header |= (size_t)file[i] << 8 * i;
    must(header <= size - 8);
    for (size_t i = 8; i + sizeof checksum <= 8 + header; i++)
        if (memcmp(file + i, checksum, sizeof checksum - 1) == 0)
            file[i + 1] = 'P';
    memmove(file, file + 8, header);
    file[header] = '\0';
    memmove(file + header + 1, file + 8 + header, size - 8 - header);
    *n = size - 7;
    return file;
}

#endif
