/* real_images.c - the images of a data set at the levels of a pyramid. */
#include "cascade/real_images.h"

#include "base/mem.h"
#include "base/stop.h"
#include "images/order.h"
#include "pictures/pixels.h"

pyr_status pyr_real_images_new(pyr_real_images *out, pyr_kernels *k, const pyr_pyramid *pyramid,
                               const pyr_dataset *data, int batch)
{
    size_t count = (size_t)batch * pyr_count(pyr_pyramid_image_shape(pyramid, 0)),
           bytes = count * pyr_type_size(k->real);

    *out = (pyr_real_images){.k = k, .pyramid = pyramid, .data = data, .batch = batch};
    PYR_TRY(pyr_new(&out->host, count, sizeof *out->host, "real images"));
    PYR_TRY(pyr_alloc(k, &out->fine, bytes, "real images"));
    PYR_TRY(pyr_alloc(k, &out->coarse, bytes, "real images"));
    return pyr_alloc(k, &out->scratch, pyr_pyramid_scratch(pyramid, batch), "real images");
}

void pyr_real_images_free(pyr_real_images *r)
{
    pyr_free(r->host);
    if (r->k) {
        pyr_release(r->k, r->fine);
        pyr_release(r->k, r->coarse);
        pyr_release(r->k, r->scratch);
    }
    *r = (pyr_real_images){0};
}

int64_t pyr_real_image_of_seed(const pyr_dataset *data, uint64_t seed, int label)
{
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_TRAIN);
    int64_t count = pyr_dataset_count(data, PYR_SPLIT_TRAIN), index = 0;

    for (int64_t i = 0; i < count; i++) {
        index = pyr_order(0, (int64_t)((seed + (uint64_t)i) % (uint64_t)count), count);
        if (label < 0 || !labels || labels[index] == label)
            break;
    }
    return index;
}

pyr_status pyr_real_images_take(pyr_real_images *r, pyr_split split, const int64_t *index, int n, int finest,
                                float *const image[PYR_MAX_LEVELS])
{
    size_t size = pyr_count(pyr_pyramid_image_shape(r->pyramid, 0));

    for (int j = 0; j < n; j++)
        PYR_TRY(pyr_dataset_pixels(r->data, split, index[j], false, r->host + (size_t)j * size));
    PYR_TRY(pyr_upload_floats(r->k, r->fine, r->host, (size_t)n * size));
    for (int level = finest; level < pyr_pyramid_get(r->pyramid)->levels; level++) {
        if (!image[level])
            continue;
        pyr_pyramid_reduce(r->pyramid, n, r->fine, level, r->coarse, r->scratch);
        PYR_TRY(pyr_download_floats(r->k, image[level], r->coarse,
                                    (size_t)n * pyr_count(pyr_pyramid_image_shape(r->pyramid, level))));
    }
    return PYR_OK;
}

/* ---- a whole data set -------------------------------------------------------------------------- */

enum { BATCH = 64 };

typedef struct reducing {
    pyr_real_images images;
    int level;
    float *image; /* BATCH x I_level */
} reducing;

static pyr_status reduce(void *ctx, pyr_split split, int64_t first, int n, void *samples)
{
    reducing *r = ctx;
    float *image[PYR_MAX_LEVELS] = {NULL};
    int64_t index[BATCH];
    size_t count = (size_t)n * pyr_count(pyr_pyramid_image_shape(r->images.pyramid, r->level));

    if (pyr_stop_requested())
        return pyr_fail(PYR_E_STOPPED, "stopped");
    for (int i = 0; i < n; i++)
        index[i] = first + i;
    image[r->level] = r->image;
    PYR_TRY(pyr_real_images_take(&r->images, split, index, n, r->level, image));
    if (pyr_dataset_shape_of(r->images.data).bits == 8)
        pyr_pixels_to_bytes(samples, r->image, count);
    else
        pyr_pixels_to_words(samples, r->image, count);
    return PYR_OK;
}

pyr_status pyr_level_dataset(pyr_dataset **out, pyr_kernels *k, const pyr_pyramid *pyramid,
                             const pyr_dataset *data, int level)
{
    reducing r = {.level = level};
    pyr_shape s = pyr_pyramid_image_shape(pyramid, level);
    pyr_status status;

    *out = NULL;
    PYR_TRY_OUT(pyr_real_images_new(&r.images, k, pyramid, data, BATCH));
    PYR_TRY_OUT(pyr_new(&r.image, BATCH * pyr_count(s), sizeof *r.image, "real images"));
    status = pyr_dataset_remake(out, data, s.h, s.w, BATCH, reduce, &r);
out:
    pyr_free(r.image);
    pyr_real_images_free(&r.images);
    return status;
}
