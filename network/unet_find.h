/* unet_find.h - the files of a model: a folder of diffusers', or a .safetensors with its config.json. */
#ifndef PYR_NETWORK_UNET_FIND_H
#define PYR_NETWORK_UNET_FIND_H

#include "base/file.h"
#include <stdbool.h>

typedef struct pyr_unet_files {
    char *config;      /* path of config.json */
    pyr_names weights; /* paths of the safetensors, one or the shards of one model */
    bool checked;      /* by pyr_unet_verify: the checksums need not be computed again */
} pyr_unet_files;

/* Find the files of a model from the folder of a pipeline (its unet/ is taken),
 * a folder with config.json, or a .safetensors (or its .index.json) with
 * config.json beside it. Without the plain name, a variant such as fp16 is
 * taken when it is the only one. Files are found, not opened, save the index
 * of shards. PYR_E_IO when something is missing, PYR_E_ARG when it is not
 * clear which is meant, PYR_E_UNSUPPORTED when there is only a pickle. */
pyr_status pyr_unet_find(pyr_unet_files *out, const char *path);
void pyr_unet_files_free(pyr_unet_files *files); /* no-op on {0} */

#endif
