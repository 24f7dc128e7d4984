/* params_file.h - the parameters of a network to and from a safetensors file, by their names. */
#ifndef PYR_GRAPH_PARAMS_FILE_H
#define PYR_GRAPH_PARAMS_FILE_H

#include "graph/params.h"
#include "graph/safetensors.h"

/* Write the parameters of `block` as floats, with these metadata; the file appears whole or not at all.
 * Failures of pyr_safetensors_write. */
pyr_status pyr_params_write(const char *path, const pyr_params *params, pyr_kernels *k, const void *block,
                            const pyr_st_pair *metadata, size_t n_metadata);

/* PYR_E_FORMAT unless all are there with their shapes; `path` for the sentence. Others in the file are not looked at. */
pyr_status pyr_params_match(const pyr_safetensors *file, const char *path, const pyr_params *params);
/* All into `block`, after pyr_params_match; PYR_E_FORMAT also for a number that is not finite. */
pyr_status pyr_params_read(const pyr_safetensors *file, const char *path, const pyr_params *params,
                           pyr_kernels *k, void *block);

#endif
