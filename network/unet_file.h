/* unet_file.h - the weights of a network from and to a UNet2DModel folder. */
#ifndef PYR_NETWORK_UNET_FILE_H
#define PYR_NETWORK_UNET_FILE_H

#include "base/text.h"
#include "graph/params.h"
#include "graph/safetensors.h"
#include "network/unet.h"
#include "network/unet_find.h"

/* Look at the checksums of weights and configuration, if they have some, and remember in `files` that they
 * are what was written. PYR_E_FORMAT names the file that is not. */
pyr_status pyr_unet_verify(pyr_unet_files *files);

/* Read all parameters of `params` from the files into a block of `k`. Old names
 * of the attention's layers are understood. Missing or misshapen tensors are
 * PYR_E_FORMAT, up to ten named; tensors that are not wanted are named in
 * *warning (appended; may be NULL). Numbers that are not finite are refused. */
pyr_status pyr_unet_load(const pyr_unet_files *files, const pyr_params *params, pyr_kernels *k, void *block,
                         pyr_text *warning);

/* A network on one lane, with the weights of its files. Start from {.k = k}. */
typedef struct pyr_unet_model {
    pyr_kernels *k; /* borrowed */
    pyr_graph *g;
    pyr_params params;
    void *block; /* of them */
    pyr_unet_inputs in;
    pyr_value y;
} pyr_unet_model;

/* For `batch` images like `sample`; *warning as above. What is there on failure, pyr_unet_model_free takes. */
pyr_status pyr_unet_model_load(pyr_unet_model *m, const pyr_unet_config *config, const pyr_unet_files *files,
                               pyr_shape sample, int batch, pyr_text *warning);
/* n numbers into one of the inputs; `rows`: as U32. */
pyr_status pyr_unet_model_put(pyr_unet_model *m, pyr_value input, const double *values, size_t n, bool rows);
void pyr_unet_model_free(pyr_unet_model *m); /* back to {.k = k} */

/* Write FOLDER/config.json and FOLDER/diffusion_pytorch_model.safetensors, each at once; the pairs go into
 * the metadata. */
pyr_status pyr_unet_save(const char *folder, const pyr_unet_config *config, const pyr_params *params,
                         pyr_kernels *k, const void *block, const pyr_st_pair *metadata, size_t n_metadata);

/* How far our network is from a stored answer: run the model of `files` on
 * FOLDER/io.safetensors (sample, timestep, class_labels?, output; NCHW) if it
 * is there. *found says whether; *error is the largest difference, *scale the
 * largest magnitude of the stored output. */
typedef struct pyr_unet_check {
    bool found;
    double error, scale;
    int n, h, w;
} pyr_unet_check;
pyr_status pyr_unet_check_io(pyr_unet_check *out, const char *folder, const pyr_unet_files *files,
                             pyr_kernels *k);

#endif
