/* layers.c - the variables of all levels of a picture, standardised, on the host. */
#include "tasks/layers.h"

#include "base/mem.h"

/* A new host block of what stands in backend memory. */
static pyr_status fetch(double **out, pyr_kernels *k, const void *src, size_t count)
{
    PYR_TRY(pyr_new(out, count, sizeof **out, "a level of a picture"));
    return pyr_download_reals(k, *out, src, count);
}

typedef struct workplace {
    void *image0, *image, *variable, *condition, *scratch;
} workplace;

static pyr_status workplace_new(workplace *w, pyr_kernels *k, const pyr_pyramid *p)
{
    /* no variable has more numbers than 3/4 of the finest image with its sides made even, no condition more
     * than the image */
    pyr_shape s = pyr_pyramid_image_shape(p, 0);
    size_t bytes = (size_t)(s.h + 1) * (size_t)(s.w + 1) * (size_t)s.c * pyr_type_size(k->real);

    PYR_TRY(pyr_alloc(k, &w->image0, bytes, "a picture"));
    PYR_TRY(pyr_alloc(k, &w->image, bytes, "a picture"));
    PYR_TRY(pyr_alloc(k, &w->variable, bytes, "a picture"));
    PYR_TRY(pyr_alloc(k, &w->condition, bytes, "a picture"));
    return pyr_alloc(k, &w->scratch, pyr_pyramid_scratch(p, 1), "a picture");
}

static pyr_status put_level(pyr_layers *out, const pyr_model *m, const workplace *w, int level)
{
    pyr_kernels *k = m->k;
    const pyr_pyramid *p = m->pyramid;
    const pyr_level *l = &m->level[level].level;
    size_t condition = pyr_count(pyr_pyramid_condition_shape(p, level));

    pyr_pyramid_reduce(p, 1, w->image0, level, w->image, w->scratch);
    PYR_TRY(fetch(&out->image[level], k, w->image, pyr_count(pyr_pyramid_image_shape(p, level))));
    pyr_pyramid_analyze(p, 1, w->image0, level, w->variable, condition ? w->condition : NULL, w->scratch);
    PYR_TRY(fetch(&out->variable[level], k, w->variable, pyr_count(l->variable)));
    pyr_standardise_host(l, 1, out->variable[level]);
    return condition ? fetch(&out->condition[level], k, w->condition, condition) : PYR_OK;
}

pyr_status pyr_layers_new(pyr_layers *out, const pyr_model *m, const float *image0)
{
    pyr_kernels *k = m->k;
    workplace w = {0};
    pyr_status status;

    *out = (pyr_layers){.levels = m->levels};
    PYR_TRY_OUT(workplace_new(&w, k, m->pyramid));
    PYR_TRY_OUT(pyr_upload_floats(k, w.image0, image0, pyr_count(pyr_model_image(m, 0))));
    for (int level = 0; level < out->levels; level++)
        PYR_TRY_OUT(put_level(out, m, &w, level));
out:
    pyr_release(k, w.image0);
    pyr_release(k, w.image);
    pyr_release(k, w.variable);
    pyr_release(k, w.condition);
    pyr_release(k, w.scratch);
    return status;
}

void pyr_layers_free(pyr_layers *layers)
{
    for (int level = 0; level < PYR_MAX_LEVELS; level++) {
        pyr_free(layers->image[level]);
        pyr_free(layers->variable[level]);
        pyr_free(layers->condition[level]);
    }
    *layers = (pyr_layers){0};
}
