/* tuning.h - choices that are made by measuring: which algorithm a convolution uses, how many images a lane
 * takes.
 *
 * A choice has a name ("conv2d forward bf16 14x14x64->64 k3") and a small number. Whoever needs one asks for
 * the name; when it is unknown and measuring is allowed, they measure and put the answer here. The list
 * travels with a run (its state) and in a cache of the machine, so that a run that goes on, and another run
 * on the same machine, compute the same bits. Not for several threads at once. */
#ifndef PYR_KERNELS_TUNING_H
#define PYR_KERNELS_TUNING_H

#include "base/status.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct pyr_tuning pyr_tuning;

pyr_status pyr_tuning_new(pyr_tuning **out);
void pyr_tuning_free(pyr_tuning *t); /* NULL is a no-op */

/* May a choice that is unknown be measured? Not at first: then the one asking takes its standard choice. */
bool pyr_tuning_measures(const pyr_tuning *t);
void pyr_tuning_let_measure(pyr_tuning *t, bool allowed);

/* False: unknown. Where it may be measured for a cache, others that measure for the same are waited for first, and wait until
 * pyr_tuning_keep: so that several that begin at once find the same choices, undisturbed. */
bool pyr_tuning_get(pyr_tuning *t, const char *name, int *choice);
/* Replaces an earlier one. The name is copied. */
pyr_status pyr_tuning_put(pyr_tuning *t, const char *name, int choice);
int pyr_tuning_count(const pyr_tuning *t);

/* A file that keeps the choices of machines from run to run: read it now, as far as it is of this `machine`
 * (any words that name what the choices depend on), and on pyr_tuning_keep add what is new to what is in it
 * by then: other processes, which may begin at the same time, do the same, one after the other (PATH.lock). A
 * cache that is missing, damaged or cannot be written is no failure: then things are measured again. */
void pyr_tuning_use_cache(pyr_tuning *t, const char *path, const char *machine);
void pyr_tuning_keep(pyr_tuning *t); /* does nothing without a cache, or when nothing is new */

/* As one line of JSON, {"name": choice, …} in alphabetical order, and back: read adds to what is there,
 * replacing equal names. A text that is no such list: PYR_E_FORMAT. */
pyr_status pyr_tuning_write(const pyr_tuning *t, pyr_text *json);
pyr_status pyr_tuning_read(pyr_tuning *t, const char *json, size_t length);

#endif
