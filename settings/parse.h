/* parse.h - lists of numbers as they are typed. */
#ifndef PYR_SETTINGS_PARSE_H
#define PYR_SETTINGS_PARSE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

enum { PYR_SEEDS_MAX = 10000000 };

/* "0-63,100": seeds and ranges (both ends count), in the order typed, at most
 * PYR_SEEDS_MAX. The caller owns *out (pyr_free). PYR_E_ARG with the part that
 * is wrong; the caller puts the option's name before it. */
pyr_status pyr_parse_seeds(const char *text, uint64_t **out, size_t *n);

/* The same of the option --seeds, whose name the sentence begins with; *out is NULL on failure. */
pyr_status pyr_parse_seeds_option(const char *text, uint64_t **out, size_t *n);

/* "18,12,8" into out[0 .. *n), 1 <= *n <= max. PYR_E_ARG as above. */
pyr_status pyr_parse_ints(const char *text, int *out, int max, int *n);

/* "2,1.5,1" likewise; finite numbers. */
pyr_status pyr_parse_reals(const char *text, double *out, int max, int *n);

/* "0.3-5": 0 <= *lo < *hi. PYR_E_ARG as above. */
pyr_status pyr_parse_interval(const char *text, double *lo, double *hi);

#endif
