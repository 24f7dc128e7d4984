/* limits.h - how much memory this process may still take, and took. */
#ifndef PYR_BASE_LIMITS_H
#define PYR_BASE_LIMITS_H

#include <stdint.h>

/* Bytes, the least of: what the machine has available; what is left of the memory limits of the process's
 * control groups (v2: memory.max of its group and of those above, page cache not counted; v1: its memory
 * controller); what is left of its limits of address space and data (`ulimit -v`, `ulimit -d`). UINT64_MAX
 * when the system does not say. */
uint64_t pyr_memory_left(void);

/* Bytes that the limits of address space and data alone leave; UINT64_MAX: there are none. */
uint64_t pyr_address_left(void);

/* The most memory that this process ever held, in MiB. */
double pyr_peak_memory_mib(void);

#endif
