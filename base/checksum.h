/* checksum.h - XXH3-64 over parts: tells whether bytes are those that were written. No defence against anyone
 * who changes them on purpose. */
#ifndef PYR_BASE_CHECKSUM_H
#define PYR_BASE_CHECKSUM_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct pyr_checksum {
    void *state; /* of xxHash; NULL: ended */
} pyr_checksum;

pyr_status pyr_checksum_begin(pyr_checksum *c); /* PYR_E_NOMEM; pyr_checksum_free also after a failure */
void pyr_checksum_add(pyr_checksum *c, const void *bytes, size_t n);
void pyr_checksum_number(pyr_checksum *c, uint64_t number);
void pyr_checksum_text(pyr_checksum *c, const char *text); /* its length, then its bytes */
uint64_t pyr_checksum_so_far(const pyr_checksum *c);
void pyr_checksum_free(pyr_checksum *c); /* no-op on {0} */

/* Of one block; `place`: another number for another place, so that blocks that changed places have another sum. */
uint64_t pyr_checksum_of(const void *bytes, size_t n);
uint64_t pyr_checksum_at(const void *bytes, size_t n, uint64_t place);

#endif
