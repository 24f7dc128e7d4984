/* backend.h - the backend that a person asked for. */
#ifndef PYR_KERNELS_BACKEND_H
#define PYR_KERNELS_BACKEND_H

#include "base/text.h"
#include "kernels/kernels.h"

/* Open it by the words of --backend, --precision and --threads. `measure`: what is not yet known to be fastest
 * may be measured; answers are kept in the machine's cache (XDG_CACHE_HOME/pyrdiff/tuning.json, of a GPU
 * tuning-gpu.json). */
pyr_status pyr_backend_open(pyr_kernels **out, const char *backend, const char *precision, int threads,
                            bool measure);

/* "backend: cpu, 2 threads, bf16": adds nothing where that is plainly what was asked for. */
void pyr_backend_describe(pyr_text *out, const pyr_kernels *k, const char *backend);

#endif
