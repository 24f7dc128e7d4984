/* lanes.c - host vectors of each lane, and noise for the moments of a task. */
#include "tasks/lanes.h"

#include "base/mem.h"
#include "base/philox.h"

static size_t largest_of(const pyr_model *m)
{
    size_t most = 0;

    for (int level = 0; level < m->levels; level++) {
        size_t image = pyr_count(pyr_model_image(m, level));
        size_t variable = pyr_count(m->level[level].level.variable);

        most = image > most ? image : most;
        most = variable > most ? variable : most;
    }
    return most * (size_t)m->batch;
}

pyr_status pyr_task_lanes_new(pyr_task_lanes *out, pyr_model *model)
{
    pyr_kernels *k = model->k;
    size_t count = largest_of(model), batch = (size_t)model->batch;

    *out = (pyr_task_lanes){.model = model};
    PYR_TRY(pyr_new(&out->lane, (size_t)k->lanes, sizeof *out->lane, "a task"));
    for (int i = 0; i < k->lanes; i++) {
        pyr_task_lane *l = &out->lane[i];

        for (int v = 0; v < PYR_TASK_VECTORS; v++)
            PYR_TRY(pyr_new(&l->v[v], count, sizeof *l->v[v], "a task"));
        PYR_TRY(pyr_alloc(k, &l->real, count * pyr_type_size(k->real), "a task"));
        PYR_TRY(pyr_alloc(k, &l->streams, batch * PYR_STREAM_WORDS * sizeof(uint32_t), "a task"));
    }
    return PYR_OK;
}

void pyr_task_lanes_free(pyr_task_lanes *lanes)
{
    pyr_kernels *k = lanes->model ? lanes->model->k : NULL;

    for (int i = 0; lanes->lane && i < k->lanes; i++) {
        pyr_task_lane *l = &lanes->lane[i];

        for (int v = 0; v < PYR_TASK_VECTORS; v++)
            pyr_free(l->v[v]);
        pyr_release(k, l->real);
        pyr_release(k, l->streams);
    }
    pyr_free(lanes->lane);
    *lanes = (pyr_task_lanes){0};
}

pyr_status pyr_task_noise(const pyr_task_lanes *lanes, const pyr_model_stage *stage, size_t size,
                          uint32_t step, double *dst)
{
    pyr_kernels *k = lanes->model->k;
    pyr_task_lane *l = &lanes->lane[stage->lane];

    pyr_upload_streams(k, l->streams, stage->seeds, stage->n);
    k->backend->normals(k, l->real, stage->n, size, l->streams, pyr_rng_purpose(PYR_RNG_TASK, stage->level),
                        0, step);
    return pyr_download_reals(k, dst, l->real, (size_t)stage->n * size);
}
