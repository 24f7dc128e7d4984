/* image_npz.c - images and labels as arrays of an NPZ. */
#include "images/collection.h"

#include "base/mem.h"
#include "images/dataset_json.h"
#include "images/npz_arrays.h"

/* The first of these names that is there. */
static const pyr_array *first_of(const pyr_arrays *arrays, const char *const names[3])
{
    const pyr_array *array = NULL;

    for (int i = 0; i < 3 && !array; i++)
        array = pyr_arrays_find(arrays, names[i]);
    return array;
}

static pyr_status find_images(const pyr_array **out, const pyr_arrays *arrays, const char *path)
{
    static const char *const names[3] = {"arr_0", "images", "x"};
    const pyr_array *a = first_of(arrays, names);
    char shape[100] = "";

    if (!a) { /* with the list of what is there */
        PYR_TRY(pyr_arrays_get(out, arrays, "arr_0"));
        return PYR_E_FORMAT;
    }
    for (int i = 0, n = 0; i < a->rank; i++)
        n += snprintf(shape + n, sizeof shape - (size_t)n, i ? ", %lld" : "%lld", (long long)a->shape[i]);
    if (a->type != PYR_NPY_U1) {
        if (a->type == PYR_NPY_OTHER) /* says which */
            return pyr_arrays_read_u8(arrays, a, NULL, 0);
        return pyr_fail(PYR_E_FORMAT,
                        "%s: array %s is of type %s, images should be uint8 from 0 to 255; convert them",
                        path, a->name, pyr_npy_type_name(a->type));
    }
    if ((a->rank != 3 && a->rank != 4) || a->shape[3] < 1 || a->shape[3] > 4)
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: array %s has shape (%s), images should be (n, h, w, c) with c from 1 to 4, or (n, "
            "h, w); transpose them",
            path, a->name, shape);
    if (a->shape[0] < 1 || a->shape[1] < 1 || a->shape[2] < 1 || a->shape[1] > PYR_IMAGE_SIDE ||
        a->shape[2] > PYR_IMAGE_SIDE || (uint64_t)(a->shape[1] * a->shape[2] * a->shape[3]) > PYR_IMAGE_BYTES)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: array %s has shape (%s), there should be at least one image, its sides 1..%d",
                        path, a->name, shape, PYR_IMAGE_SIDE);
    *out = a;
    return PYR_OK;
}

static pyr_status read_labels(pyr_collection *c, const pyr_arrays *arrays, const char *path)
{
    static const char *const names[3] = {"arr_1", "labels", "y"};
    const pyr_array *a = first_of(arrays, names);
    int64_t *labels, without = 0;
    pyr_status status;

    if (!a)
        return PYR_OK;
    if (a->type != PYR_NPY_OTHER && pyr_array_count(a) != (size_t)c->n)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: array %s has %zu values, should be one label for each of %lld images", path,
                        a->name, pyr_array_count(a), (long long)c->n);
    PYR_TRY(pyr_new(&labels, (size_t)c->n, sizeof *labels, "the labels"));
    PYR_TRY_OUT(pyr_arrays_read_i64(arrays, a, labels, (size_t)c->n));
    for (int64_t i = 0; i < c->n; i++) {
        if (labels[i] < -1 || labels[i] >= PYR_LABEL_MOST)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                 "%s: array %s: label %lld is %lld, should be 0..%d, or -1 for none", path,
                                 a->name, (long long)i, (long long)labels[i], PYR_LABEL_MOST - 1));
        c->at[i].label = (int32_t)labels[i];
        without += labels[i] < 0;
    }
    if (without && without < c->n)
        pyr_text_add(&c->notes, "; classes are not used: %lld of %lld labels are -1", (long long)without,
                     (long long)c->n);
out:
    pyr_free(labels);
    return status;
}

pyr_status pyr_collect_npz(pyr_collection *c, const char *path)
{
    pyr_arrays *arrays;
    const pyr_array *images;
    pyr_packed *packed;
    uint8_t *block;
    pyr_status status;

    PYR_TRY(pyr_arrays_open(&arrays, path));
    c->kind = "NPZ";
    PYR_TRY_OUT(pyr_names_add(&c->sources, path));
    PYR_TRY_OUT(find_images(&images, arrays, path));
    PYR_TRY_OUT(pyr_new(&block, pyr_array_count(images), 1, path));
    PYR_TRY_OUT(pyr_packed_block(&packed, block, images->shape[0], (int)images->shape[1],
                                 (int)images->shape[2], (int)images->shape[3], 8));
    PYR_TRY_OUT(pyr_collection_pack(c, packed, images->shape[0], images->shape[0]));
    PYR_TRY_OUT(pyr_arrays_read_u8(arrays, images, block, pyr_array_count(images)));
    PYR_TRY_OUT(read_labels(c, arrays, path));
out:
    pyr_arrays_free(arrays);
    return status;
}
