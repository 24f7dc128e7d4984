/* checksum.c - XXH3-64 of bytes, of files, piece by piece. */
#include "base/checksum.h"

#include <string.h>
#include <xxhash.h>

pyr_status pyr_checksum_begin(pyr_checksum *c)
{
    c->state = XXH3_createState();
    if (!c->state)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a checksum");
    XXH3_64bits_reset(c->state);
    return PYR_OK;
}

void pyr_checksum_add(pyr_checksum *c, const void *bytes, size_t n)
{
    if (n)
        XXH3_64bits_update(c->state, bytes, n);
}

/* The same on every machine: eight bytes, the low one first. */
void pyr_checksum_number(pyr_checksum *c, uint64_t number)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    pyr_checksum_add(c, bytes, sizeof bytes);
}

void pyr_checksum_text(pyr_checksum *c, const char *text)
{
    size_t n = strlen(text);

    pyr_checksum_number(c, n);
    pyr_checksum_add(c, text, n);
}

uint64_t pyr_checksum_so_far(const pyr_checksum *c)
{
    return XXH3_64bits_digest(c->state);
}

void pyr_checksum_free(pyr_checksum *c)
{
    if (c->state)
        XXH3_freeState(c->state);
    c->state = NULL;
}

uint64_t pyr_checksum_at(const void *bytes, size_t n, uint64_t place)
{
    return XXH3_64bits_withSeed(bytes, n, place);
}

uint64_t pyr_checksum_of(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}
