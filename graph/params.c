/* params.c - the table of parameters: names, shapes, places in the block, initial values. */
#include "graph/params.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = PYR_ALIGN / (int)sizeof(float) };

const pyr_param *pyr_params_find(const pyr_params *params, const char *name)
{
    for (int i = 0; i < params->n; i++)
        if (strcmp(params->at[i].name, name) == 0)
            return &params->at[i];
    return NULL;
}

pyr_status pyr_params_add(pyr_params *params, int *index, const pyr_param *wanted)
{
    const pyr_param *there = pyr_params_find(params, wanted->name);
    pyr_param *added;
    size_t count = 1;

    for (int i = 0; i < wanted->rank; i++)
        count *= (size_t)wanted->dims[i];
    if (there) {
        if (there->rank != wanted->rank ||
            memcmp(there->dims, wanted->dims, sizeof wanted->dims[0] * (size_t)wanted->rank) != 0)
            return pyr_fail(PYR_E_SHAPE, "parameter %s is used with two different shapes", wanted->name);
        *index = (int)(there - params->at);
        return PYR_OK;
    }
    PYR_TRY(
        pyr_grow(&params->at, &params->room, (size_t)params->n, sizeof *params->at, "table of parameters"));
    added = &params->at[params->n];
    *added = *wanted;
    added->count = count;
    added->offset = params->count;
    params->count += (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *index = params->n++;
    return PYR_OK;
}

void pyr_params_free(pyr_params *params)
{
    pyr_free(params->at);
    *params = (pyr_params){0};
}

size_t pyr_params_model_count(const pyr_params *params)
{
    size_t count = 0;

    for (int i = 0; i < params->n; i++)
        count += params->at[i].count;
    return count;
}

pyr_status pyr_param_upload(const pyr_param *param, pyr_kernels *k, void *block, const float *host)
{
    return pyr_upload_floats(k, (char *)block + param->offset * pyr_type_size(k->real), host, param->count);
}

pyr_status pyr_param_download(const pyr_param *param, pyr_kernels *k, const void *block, float *host)
{
    return pyr_download_floats(k, host, (const char *)block + param->offset * pyr_type_size(k->real),
                               param->count);
}

size_t pyr_params_largest(const pyr_params *params)
{
    size_t largest = 1;

    for (int i = 0; i < params->n; i++)
        largest = params->at[i].count > largest ? params->at[i].count : largest;
    return largest;
}

pyr_status pyr_params_hash(uint64_t *hash, const pyr_params *params, pyr_kernels *k, const void *block)
{
    pyr_status status = PYR_OK;
    float *host = NULL;

    PYR_TRY(pyr_new(&host, pyr_params_largest(params), sizeof *host, "weights"));
    for (int i = 0; i < params->n && status == PYR_OK; i++) {
        status = pyr_param_download(&params->at[i], k, block, host);
        *hash = pyr_hash(*hash, host, params->at[i].count * sizeof *host);
    }
    pyr_free(host);
    return status;
}

static void fill(float *host, const pyr_param *param, uint64_t seed, uint32_t index, int level)
{
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_INIT, level);

    for (size_t at = 0; at < param->count; at += 4) {
        float four[4] = {0};
        pyr_rng4 r = pyr_philox(seed, (uint32_t)(at / 4), index, 0, purpose);

        if (param->init == PYR_INIT_NORMAL)
            pyr_normal4(seed, (uint32_t)(at / 4), index, 0, purpose, four);
        for (size_t i = at; i < at + 4 && i < param->count; i++)
            switch (param->init) {
            case PYR_INIT_ZEROS:
                host[i] = 0;
                break;
            case PYR_INIT_ONES:
                host[i] = 1;
                break;
            case PYR_INIT_UNIFORM:
                host[i] = (float)(param->scale * (2.0 * (double)pyr_uniform(r.v[i - at]) - 1.0));
                break;
            case PYR_INIT_NORMAL:
                host[i] = (float)(param->scale * (double)four[i - at]);
                break;
            }
    }
}

pyr_status pyr_params_init(const pyr_params *params, pyr_kernels *k, void *block, uint64_t seed, int level)
{
    pyr_status status = PYR_OK;
    float *host = NULL;

    PYR_TRY(pyr_new(&host, pyr_params_largest(params), sizeof *host, "initial weights"));
    for (int i = 0; i < params->n && status == PYR_OK; i++) {
        fill(host, &params->at[i], seed, (uint32_t)i, level);
        status = pyr_param_upload(&params->at[i], k, block, host);
    }
    pyr_free(host);
    return status;
}
