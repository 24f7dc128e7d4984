/* params_file.c - writes and reads the parameters of a network. */
#include "graph/params_file.h"

#include "base/mem.h"
#include <math.h>

pyr_status pyr_params_write(const char *path, const pyr_params *params, pyr_kernels *k, const void *block,
                            const pyr_st_pair *metadata, size_t n_metadata)
{
    size_t n = (size_t)params->n, at = 0;
    pyr_st_entry *entries = NULL;
    float *host = NULL;
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_new(&entries, n + 1, sizeof *entries, "list of weights"));
    PYR_TRY_OUT(pyr_new(&host, pyr_params_model_count(params) + 1, sizeof *host, "weights to save"));
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];

        PYR_TRY_OUT(pyr_param_download(p, k, block, host + at));
        entries[i] = (pyr_st_entry){.name = p->name, .dtype = PYR_ST_F32, .rank = p->rank, .data = host + at};
        for (int j = 0; j < p->rank; j++)
            entries[i].dims[j] = p->dims[j];
        at += p->count;
    }
    status = pyr_safetensors_write(path, entries, n, metadata, n_metadata);
out:
    pyr_free(host);
    pyr_free(entries);
    return status;
}

pyr_status pyr_params_match(const pyr_safetensors *file, const char *path, const pyr_params *params)
{
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];
        const pyr_st_tensor *tensor = pyr_safetensors_find(file, p->name);
        bool same = tensor && tensor->rank == p->rank;

        for (int j = 0; same && j < p->rank; j++)
            same = tensor->dims[j] == p->dims[j];
        if (!same)
            return pyr_fail(PYR_E_FORMAT, "%s: the weights %s are missing or of another shape", path,
                            p->name);
    }
    return PYR_OK;
}

pyr_status pyr_params_read(const pyr_safetensors *file, const char *path, const pyr_params *params,
                           pyr_kernels *k, void *block)
{
    float *host = NULL;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_params_match(file, path, params));
    PYR_TRY(pyr_new(&host, pyr_params_largest(params), sizeof *host, "weights of a file"));
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];

        PYR_TRY_OUT(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, p->name), host, p->count));
        for (size_t j = 0; j < p->count; j++)
            if (!isfinite(host[j]))
                PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s[%zu] is not a finite number: it is damaged", path,
                                     p->name, j));
        PYR_TRY_OUT(pyr_param_upload(p, k, block, host));
    }
out:
    pyr_free(host);
    return status;
}
