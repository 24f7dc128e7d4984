#include "eval/image_set.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cascade/real_images.h"
#include "images/image_file.h"
#include "images/npz_arrays.h"
#include "images/pixels.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void pyr_image_set_free(pyr_image_set *set)
{
    pyr_free(set->name);
    pyr_free(set->pixels);
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(set->first[i]);
    *set = (pyr_image_set){0};
}

pyr_pixels_set pyr_image_set_pixels(const pyr_image_set *set)
{
    return (pyr_pixels_set){set->n, set->h, set->w, set->c, set->pixels};
}

static size_t image_bytes(const pyr_image_set *set)
{
    return (size_t)set->h * (size_t)set->w * (size_t)set->c;
}

static pyr_status make(pyr_image_set *set, const char *name, int64_t n, int h, int w, int c)
{
    set->n = n;
    set->h = h;
    set->w = w;
    set->c = c;
    set->name = pyr_strdup(name);
    if (!set->name)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    return pyr_new(&set->pixels, (size_t)n, image_bytes(set), "a set of images");
}

static uint64_t hash_pixels(const pyr_image_set *set)
{
    const int64_t size[] = {set->n, set->h, set->w, set->c};

    return pyr_hash(pyr_hash(PYR_HASH_START, size, sizeof size), set->pixels,
                    (size_t)set->n * image_bytes(set));
}

int pyr_image_set_checked(const pyr_image_set *set)
{
    return set->drawn < set->levels ? set->drawn : set->levels - 1;
}

/* ---- files ------------------------------------------------------------------------------------- */

static bool wanted(const char *name)
{
    return pyr_image_named(name) && strcmp(name, "grid.png") != 0 && strcmp(name, "levels.png") != 0 &&
           strncmp(name, "residual-", strlen("residual-")) != 0;
}

/* Image i of the set, which is made when the first image tells its size. */
static pyr_status read_one(pyr_image_set *set, const char *folder, const char *name, int64_t i, int64_t n,
                           int c)
{
    pyr_image image = {0};
    char *path = pyr_path_join(folder, name);
    pyr_status status = PYR_OK;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", folder);
    PYR_TRY_OUT(pyr_image_read(&image, path));
    if (i == 0)
        PYR_TRY_OUT(make(set, folder, n, image.h, image.w, c ? c : image.c == 2 ? 1 : image.c));
    if (image.h != set->h || image.w != set->w) {
        status = pyr_fail(PYR_E_SHAPE, "%s is %dx%d, the images before it in the folder are %dx%d", path,
                          image.h, image.w, set->h, set->w);
        goto out;
    }
    pyr_image_convert(set->pixels + (size_t)i * image_bytes(set), &image, set->c, 8);
out:
    pyr_image_free(&image);
    pyr_free(path);
    return status;
}

pyr_status pyr_image_set_folder(pyr_image_set *out, const char *folder, int c, int64_t most)
{
    pyr_names names = {0};
    pyr_status status = PYR_OK;
    int64_t n = 0, i = 0;

    *out = (pyr_image_set){0};
    PYR_TRY(pyr_folder_names(&names, folder));
    for (size_t j = 0; j < names.n; j++)
        n += wanted(names.at[j]);
    if (n == 0) {
        status = pyr_fail(PYR_E_IO, "%s holds no PNG or JPEG images", folder);
        goto out;
    }
    if (most > 0 && n > most)
        n = most;
    for (size_t j = 0; j < names.n && i < n; j++)
        if (wanted(names.at[j]))
            PYR_TRY_OUT(read_one(out, folder, names.at[j], i++, n, c));
    out->hash = hash_pixels(out);
out:
    pyr_names_free(&names);
    if (status != PYR_OK)
        pyr_image_set_free(out);
    return status;
}

pyr_status pyr_image_set_npz(pyr_image_set *out, const char *path, int64_t most)
{
    pyr_arrays *file;
    const pyr_array *array;
    pyr_image_set all = {0};
    pyr_status status;

    *out = (pyr_image_set){0};
    PYR_TRY(pyr_arrays_open(&file, path));
    PYR_TRY_OUT(pyr_arrays_get(&array, file, "arr_0"));
    if (array->type != PYR_NPY_U1 || array->rank < 3 || pyr_array_count(array) == 0 ||
        array->shape[1] > PYR_IMAGE_SIDE || array->shape[2] > PYR_IMAGE_SIDE || array->shape[3] > 4) {
        status = pyr_fail(PYR_E_FORMAT, "%s: arr_0 should be images, uint8 (n, h, w, c)", path);
        goto out;
    }
    PYR_TRY_OUT(
        make(&all, path, array->shape[0], (int)array->shape[1], (int)array->shape[2], (int)array->shape[3]));
    PYR_TRY_OUT(pyr_arrays_read_u8(file, array, all.pixels, pyr_array_count(array)));
    if (most > 0 && all.n > most)
        all.n = most;
    all.hash = hash_pixels(&all);
    *out = all;
    all = (pyr_image_set){0};
out:
    pyr_image_set_free(&all);
    pyr_arrays_free(file);
    return status;
}

pyr_status pyr_image_set_data(pyr_image_set *out, const pyr_dataset *data, pyr_split split, int64_t most)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(data);
    int64_t n = pyr_dataset_count(data, split);
    const char *name = split == PYR_TRAIN ? "the training images" : "the held-out images";
    pyr_status status;

    *out = (pyr_image_set){0};
    if (n == 0)
        return pyr_fail(PYR_E_ARG, "the data set has no images that are held out (data.split is all): "
                                   "compare with its training images");
    if (most > 0 && n > most)
        n = most;
    status = make(out, name, n, s.h, s.w, s.c);
    for (int64_t i = 0; status == PYR_OK && i < n; i++) {
        /* an image that is only read */
        pyr_image one = {(void *)(uintptr_t)pyr_dataset_samples(data, split, i), s.h, s.w, s.c, s.bits};

        pyr_image_convert(out->pixels + (size_t)i * image_bytes(out), &one, s.c, 8);
    }
    if (status == PYR_OK)
        out->hash = hash_pixels(out);
    else
        pyr_image_set_free(out);
    return status;
}

/* ---- runs -------------------------------------------------------------------------------------- */

/* What drawing needs besides the set. */
typedef struct drawing {
    const pyr_set_draw *draw;
    pyr_image_set *set;
    float *image[PYR_MAX_LEVELS];     /* a batch of every level */
    double *mismatch[PYR_MAX_LEVELS]; /* likewise */
    double sum[PYR_MAX_LEVELS];       /* of mean squares */
    int batch;
    pyr_real_images real; /* empty where nothing is given */
    int64_t *index;       /* of a batch of real images */
} drawing;

static pyr_status open_given(drawing *d)
{
    const pyr_set_draw *draw = d->draw;

    PYR_TRY(pyr_new(&d->index, (size_t)d->batch, sizeof *d->index, "real images"));
    return pyr_real_images_new(&d->real, draw->k, pyr_model_pyramid(draw->model), draw->data, d->batch);
}

static int finest_of(const pyr_model *model)
{
    return pyr_model_only(model) < 0 ? 0 : pyr_model_only(model);
}

static pyr_status open_drawing(drawing *d)
{
    const pyr_set_draw *draw = d->draw;
    pyr_image_set *set = d->set;
    pyr_kernels *k = draw->k;
    size_t n;

    d->batch = draw->batch ? draw->batch : pyr_model_batch(draw->model) * k->lanes;
    if (d->batch > draw->n)
        d->batch = (int)draw->n;
    n = (size_t)d->batch;
    set->levels = pyr_model_levels(draw->model);
    set->finest = finest_of(draw->model);
    set->alone = pyr_model_only(draw->model) >= 0;
    set->drawn = draw->given ? draw->given : set->levels;
    for (int i = set->finest; i < set->levels; i++) {
        pyr_shape s = set->shape[i] = pyr_model_image(draw->model, i);

        snprintf(set->sampler[i], sizeof set->sampler[i], "%s", pyr_model_sampler(draw->model, i));
        set->steps[i] = draw->config->level[i].sampler.steps;
        PYR_TRY(pyr_new(&d->image[i], n * pyr_count(s), sizeof *d->image[i], "images"));
        PYR_TRY(pyr_new(&d->mismatch[i], n, sizeof *d->mismatch[i], "images"));
        PYR_TRY(
            pyr_new(&set->first[i], (size_t)set->kept * pyr_count(s), sizeof *set->first[i], "first images"));
    }
    return draw->given ? open_given(d) : PYR_OK;
}

static void close_drawing(drawing *d)
{
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        pyr_free(d->image[i]);
        pyr_free(d->mismatch[i]);
    }
    pyr_free(d->index);
    pyr_real_images_free(&d->real);
}

/* The training image of each of n seeds, from the first on, at the given level and the coarser ones. */
static pyr_status take_real(drawing *d, int64_t first, int n)
{
    const pyr_set_draw *draw = d->draw;

    for (int j = 0; j < n; j++)
        d->index[j] = pyr_real_image_of_seed(draw->data, draw->seeds[first + j], draw->label);
    return pyr_real_images_take(&d->real, PYR_TRAIN, d->index, n, draw->given, d->image);
}

static void keep(drawing *d, int64_t first, int n)
{
    pyr_image_set *set = d->set;

    pyr_pixels_to_bytes(set->pixels + (size_t)first * image_bytes(set), d->image[set->finest],
                        (size_t)n * image_bytes(set));
    for (int i = set->finest; i < set->levels && first < set->kept; i++) {
        size_t size = pyr_count(set->shape[i]);
        int64_t count = set->kept - first < n ? set->kept - first : n;

        memcpy(set->first[i] + (size_t)first * size, d->image[i], (size_t)count * size * sizeof(float));
    }
    for (int i = set->finest; i < pyr_image_set_checked(set); i++)
        for (int j = 0; j < n; j++)
            d->sum[i] += d->mismatch[i][j];
}

pyr_status pyr_image_set_draw(pyr_image_set *out, const pyr_set_draw *draw)
{
    drawing d = {.draw = draw, .set = out};
    pyr_shape s = pyr_model_image(draw->model, finest_of(draw->model));
    pyr_status status = PYR_OK;
    double start = pyr_now();

    *out = (pyr_image_set){.kept = draw->n < PYR_KEPT_IMAGES ? (int)draw->n : PYR_KEPT_IMAGES};
    PYR_TRY_OUT(make(out, draw->name, draw->n, s.h, s.w, s.c));
    PYR_TRY_OUT(open_drawing(&d));
    for (int64_t first = 0; first < draw->n; first += d.batch) {
        int n = draw->n - first < d.batch ? (int)(draw->n - first) : d.batch;
        pyr_model_draw one = {.n = n, .seeds = draw->seeds + first, .label = draw->label};

        double from;

        memcpy(one.image, d.image, sizeof one.image);
        for (int i = 0; i < pyr_image_set_checked(out); i++)
            one.mismatch[i] = d.mismatch[i];
        if (draw->given) {
            PYR_TRY_OUT(take_real(&d, first, n));
            one.coarse = d.image[draw->given];
            one.given = draw->given;
            memset(one.image + draw->given, 0, (size_t)(PYR_MAX_LEVELS - draw->given) * sizeof *one.image);
        }
        from = pyr_now();
        PYR_TRY_OUT(pyr_model_sample(draw->model, &one));
        out->seconds += pyr_now() - from;
        keep(&d, first, n);
        if (draw->on_progress)
            draw->on_progress(draw->ctx, first + n, draw->n, (double)(first + n) / (pyr_now() - start));
    }
    for (int i = out->finest; i < out->drawn; i++) { /* afterwards: rk45 does not know before */
        out->flop[i] = pyr_model_flop(draw->model, i);
        out->nfe[i] = pyr_model_nfe(draw->model, i);
    }
    for (int i = out->finest; i < pyr_image_set_checked(out); i++)
        out->consistency[i] = sqrt(d.sum[i] / (double)draw->n);
    out->hash = hash_pixels(out);
out:
    close_drawing(&d);
    if (status != PYR_OK)
        pyr_image_set_free(out);
    return status;
}
