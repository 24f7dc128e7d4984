/* image_set.c - sets of images to be judged: from files, of a data set, or collected as they are drawn. */
#include "eval/image_set.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cascade/real_images.h"
#include "pictures/pixels.h"
#include "pictures/range.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void pyr_image_set_free(pyr_image_set *set)
{
    pyr_free(set->name);
    pyr_free(set->pixels);
    pyr_names_free(&set->warnings);
    pyr_free(set->words);
    pyr_free(set->of_class);
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(set->first[i]);
    *set = (pyr_image_set){0};
}

pyr_pixels_set pyr_image_set_pixels(const pyr_image_set *set)
{
    return (pyr_pixels_set){set->n, set->h, set->w, set->c, set->pixels, set->words};
}

static size_t image_bytes(const pyr_image_set *set)
{
    return (size_t)set->h * (size_t)set->w * (size_t)set->c;
}

const void *pyr_image_set_at(const pyr_image_set *set, int64_t i, int bits)
{
    size_t at = (size_t)i * image_bytes(set);

    return bits == 16 ? (const void *)(set->words + at) : set->pixels + at;
}

static pyr_status make(pyr_image_set *set, const char *name, int64_t n, int h, int w, int c)
{
    set->n = n;
    set->h = h;
    set->w = w;
    set->c = c;
    PYR_TRY(pyr_format(&set->name, "%s", name));
    return pyr_new(&set->pixels, (size_t)n, image_bytes(set), "a set of images");
}

/* What was taken becomes the set, unless `status` says why it is none. */
static pyr_status finish(pyr_image_set *set, pyr_status status)
{
    const int64_t size[] = {set->n, set->h, set->w, set->c};
    int bits = set->words ? 16 : 8;

    if (status != PYR_OK)
        pyr_image_set_free(set);
    else
        set->hash = pyr_hash(pyr_hash(PYR_HASH_START, size, sizeof size), pyr_image_set_at(set, 0, bits),
                             (size_t)set->n * image_bytes(set) * (size_t)bits / 8);
    return status;
}

/* Room for 16 bits, with the images before image i brought to them. */
static pyr_status widen(pyr_image_set *set, int64_t i)
{
    PYR_TRY(pyr_new(&set->words, (size_t)set->n * image_bytes(set), sizeof *set->words, "a set of images"));
    for (size_t j = 0; j < (size_t)i * image_bytes(set); j++)
        set->words[j] = (uint16_t)(257 * set->pixels[j]);
    return PYR_OK;
}

/* Image i of the set, whose size and number of channels it has; those before it are there. */
static pyr_status put(pyr_image_set *set, int64_t i, const pyr_image *image)
{
    size_t at = (size_t)i * image_bytes(set);

    if (image->bits == 16 && !set->words)
        PYR_TRY(widen(set, i));
    pyr_image_convert(set->pixels + at, image, set->c, 8);
    if (set->words)
        pyr_image_convert(set->words + at, image, set->c, 16);
    return PYR_OK;
}

int pyr_image_set_checked(const pyr_image_set *set)
{
    return set->drawn < set->levels ? set->drawn : set->levels - 1;
}

/* ---- files ------------------------------------------------------------------------------------- */

/* Whether all pixels are grey values. */
static bool is_grey(const pyr_image *image)
{
    size_t n = (size_t)image->h * (size_t)image->w, step = (size_t)image->c * (size_t)image->bits / 8;
    const char *at = image->at;

    if (image->c < 3)
        return true;
    for (size_t i = 0; i < n; i++, at += step)
        if (memcmp(at, at + image->bits / 8, (size_t)image->bits / 8) != 0 ||
            memcmp(at, at + image->bits / 4, (size_t)image->bits / 8) != 0)
            return false;
    return true;
}

/* Image i of n, which is called `name`; the first tells the set's size. */
static pyr_status take(pyr_image_set *set, const pyr_image *image, int64_t i, int64_t n, int c,
                       const char *path, const char *name)
{
    if (i == 0) {
        PYR_TRY(make(set, path, n, image->h, image->w, c ? c : image->c == 2 ? 1 : image->c));
        set->grey = true;
    }
    if (image->h != set->h || image->w != set->w)
        return pyr_fail(
            PYR_E_SHAPE,
            "%s: %s is %dx%d, the images before it are %dx%d; samples have one size, is it another kind of picture?",
            path, name, image->h, image->w, set->h, set->w);
    set->grey = set->grey && is_grey(image);
    set->file_c = image->c > set->file_c ? image->c : set->file_c;
    set->deep += image->bits == 16;
    return put(set, i, image);
}

/* Drawn by one run, all have one depth. */
static pyr_status warn_of_depths(pyr_image_set *set)
{
    if (set->deep == 0 || set->deep == set->n)
        return PYR_OK;
    return pyr_names_format(
        &set->warnings,
        "%s: %lld images of 16 bits and %lld of 8 are mixed: draw each into a folder of its own", set->name,
        (long long)set->deep, (long long)(set->n - set->deep));
}

static pyr_status read_files(pyr_image_set *out, pyr_sample_files *files, int c)
{
    pyr_image image = {0};
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < files->names.n; i++) {
        PYR_TRY_OUT(pyr_sample_files_read(&image, files, i));
        PYR_TRY_OUT(
            take(out, &image, (int64_t)i, (int64_t)files->names.n, c, files->path, files->names.at[i]));
        pyr_image_free(&image);
    }
    out->aside = files->aside;
    memcpy(out->first_aside, files->first_aside, sizeof out->first_aside);
    out->warnings = files->warnings;
    files->warnings = (pyr_names){0};
    status = warn_of_depths(out);
out:
    pyr_image_free(&image);
    return status;
}

/* The images of a split, at most `most` (0: all). */
static pyr_status take_split(pyr_image_set *out, const pyr_dataset *data, pyr_split split, int c,
                             int64_t most, const char *name)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(data);
    int64_t all = pyr_dataset_count(data, split), n = most > 0 && most < all ? most : all;
    pyr_image one = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_image_new(&one, s.h, s.w, s.c, s.bits, name));
    for (int64_t i = 0; i < n; i++) {
        PYR_TRY_OUT(pyr_dataset_read(data, split, i, one.at));
        PYR_TRY_OUT(take(out, &one, i, n, c, name, "an image"));
    }
out:
    pyr_image_free(&one);
    return status;
}

/* What is no folder of pictures: as the reader of data sets has it, all of it. */
static pyr_status read_dataset(pyr_image_set *out, const char *path, int c, int64_t most)
{
    pyr_data_settings settings = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *data;
    pyr_status status;

    settings.path = path;
    settings.split = "all";
    settings.held_out = 0;
    PYR_TRY(pyr_dataset_open(&data, &settings));
    status = take_split(out, data, PYR_SPLIT_TRAIN, c, most, path);
    pyr_dataset_free(data);
    return status;
}

/* Images that fill little of their range were probably kept in another one than samples have. */
static pyr_status judge_range(pyr_image_set *set)
{
    uint32_t least = UINT32_MAX, most = 0;
    double range[2];

    for (size_t k = 0, n = (size_t)set->n * image_bytes(set); k < n; k++) {
        uint32_t v = set->words ? set->words[k] : set->pixels[k];

        least = v < least ? v : least;
        most = v > most ? v : most;
    }
    if (!pyr_range_guess(range, least, most, set->words ? 16 : 8))
        return PYR_OK;
    return pyr_names_format(
        &set->warnings,
        "the images' values are %u to %u of 0 to %u, an eighth of the range or less: they are judged so; samples have all of it, data.range is of --data only",
        least, most, set->words ? 65535u : 255u);
}

pyr_status pyr_image_set_read(pyr_image_set *out, const char *path, int c, int64_t most)
{
    pyr_sample_files files;
    pyr_status status;

    *out = (pyr_image_set){0};
    PYR_TRY_OUT(pyr_sample_files_open(&files, path, most));
    if (files.names.n)
        PYR_TRY_OUT(read_files(out, &files, c));
    else if (files.aside)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s holds no samples, only sheets and the like (%s)", path,
                             files.first_aside));
    else
        PYR_TRY_OUT(read_dataset(out, path, c, most));
    status = judge_range(out);
out:
    pyr_sample_files_free(&files);
    return finish(out, status);
}

pyr_status pyr_image_set_memory(pyr_image_set *out, const char *name, const void *samples, int64_t n, int h,
                                int w, int c, int bits)
{
    pyr_status status;

    *out = (pyr_image_set){0};
    status = n > 0 ? PYR_OK : pyr_fail(PYR_E_ARG, "%s: there are none", name);
    for (int64_t i = 0; status == PYR_OK && i < n; i++) {
        size_t at = (size_t)i * image_bytes(out) * (size_t)(bits / 8);
        pyr_image one = {(char *)(uintptr_t)samples + at, h, w, c, bits, false}; /* only read */

        status = take(out, &one, i, n, c, name, name);
    }
    return finish(out, status);
}

pyr_status pyr_image_set_data(pyr_image_set *out, const pyr_dataset *data, pyr_split split, int64_t most)
{
    const char *name = split == PYR_SPLIT_TRAIN ? "the training images" : "the held-out images";

    *out = (pyr_image_set){0};
    if (pyr_dataset_count(data, split) == 0)
        return pyr_fail(PYR_E_ARG,
                        "the data set has no images that are held out: compare with its training images");
    return finish(out, take_split(out, data, split, 0, most, name));
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
    int32_t *labels;      /* of all images; NULL: no class */
    pyr_real_images real; /* empty where nothing is given */
    int64_t *index;       /* of a batch of real images */
} drawing;

static int finest_of(const pyr_model *model)
{
    return model->only < 0 ? 0 : model->only;
}

/* Their classes, and these in words. */
static pyr_status choose_classes(drawing *d)
{
    const pyr_set_draw *draw = d->draw;
    pyr_class_choice choice;
    pyr_text words = {0};

    PYR_TRY(pyr_model_choose_class(&choice, draw->model, draw->of_class));
    PYR_TRY(pyr_class_labels(&d->labels, &choice, draw->seeds, (size_t)draw->n));
    pyr_class_choice_add(&choice, &words);
    d->set->of_class = words.at;
    return words.failed ? pyr_fail(PYR_E_NOMEM, "out of memory for the class of samples") : PYR_OK;
}

static pyr_status open_drawing(drawing *d)
{
    const pyr_set_draw *draw = d->draw;
    pyr_image_set *set = d->set;
    pyr_kernels *k = draw->k;
    size_t n;

    d->batch = draw->batch ? draw->batch : draw->model->batch * k->lanes;
    if (d->batch > draw->n)
        d->batch = (int)draw->n;
    n = (size_t)d->batch;
    set->levels = draw->model->levels;
    set->finest = finest_of(draw->model);
    set->alone = draw->model->only >= 0;
    set->drawn = draw->given ? draw->given : set->levels;
    for (int i = set->finest; i < set->levels; i++) {
        pyr_shape s = set->shape[i] = pyr_model_image(draw->model, i);

        snprintf(set->sampler[i], sizeof set->sampler[i], "%s", draw->model->sampler[i]);
        set->steps[i] = draw->config->level[i].sampler.steps;
        PYR_TRY(pyr_new(&d->image[i], n * pyr_count(s), sizeof *d->image[i], "images"));
        PYR_TRY(pyr_new(&d->mismatch[i], n, sizeof *d->mismatch[i], "images"));
        PYR_TRY(
            pyr_new(&set->first[i], (size_t)set->kept * pyr_count(s), sizeof *set->first[i], "first images"));
    }
    if (!draw->given)
        return PYR_OK;
    PYR_TRY(pyr_new(&d->index, n, sizeof *d->index, "real images"));
    return pyr_real_images_new(&d->real, k, draw->model->pyramid, draw->data, d->batch);
}

/* The training image of each of n seeds, from the first on, at the given level and the coarser ones. */
static pyr_status take_real(drawing *d, int64_t first, int n)
{
    const pyr_set_draw *draw = d->draw;

    for (int j = 0; j < n; j++)
        d->index[j] =
            pyr_real_image_of_seed(draw->data, draw->seeds[first + j], d->labels ? d->labels[first + j] : -1);
    return pyr_real_images_take(&d->real, PYR_SPLIT_TRAIN, d->index, n, draw->given, d->image);
}

static pyr_status keep(drawing *d, int64_t first, int n)
{
    pyr_image_set *set = d->set;
    int bits = d->draw->model->bits;
    pyr_status status;

    for (int j = 0; j < n; j++) {
        pyr_image image;

        PYR_TRY(pyr_image_from_values(&image, d->image[set->finest] + (size_t)j * image_bytes(set), set->h,
                                      set->w, set->c, bits, set->name));
        status = put(set, first + j, &image);
        pyr_image_free(&image);
        PYR_TRY(status);
    }
    for (int i = set->finest; i < set->levels && first < set->kept; i++) {
        size_t size = pyr_count(set->shape[i]);
        int64_t count = set->kept - first < n ? set->kept - first : n;

        memcpy(set->first[i] + (size_t)first * size, d->image[i], (size_t)count * size * sizeof(float));
    }
    for (int i = set->finest; i < pyr_image_set_checked(set); i++)
        for (int j = 0; j < n; j++)
            d->sum[i] += d->mismatch[i][j];
    return PYR_OK;
}

pyr_status pyr_image_set_draw(pyr_image_set *out, const pyr_set_draw *draw)
{
    drawing d = {.draw = draw, .set = out};
    pyr_shape s = pyr_model_image(draw->model, finest_of(draw->model));
    pyr_status status = PYR_OK;
    double start = pyr_now();

    *out = (pyr_image_set){.kept = draw->n < PYR_KEPT_IMAGES ? (int)draw->n : PYR_KEPT_IMAGES};
    PYR_TRY_OUT(make(out, draw->name, draw->n, s.h, s.w, s.c));
    PYR_TRY_OUT(choose_classes(&d));
    PYR_TRY_OUT(open_drawing(&d));
    for (int64_t first = 0; first < draw->n; first += d.batch) {
        int n = draw->n - first < d.batch ? (int)(draw->n - first) : d.batch;
        pyr_model_draw one = {
            .n = n, .seeds = draw->seeds + first, .label = -1, .labels = d.labels ? d.labels + first : NULL};
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
        PYR_TRY_OUT(keep(&d, first, n));
        if (draw->on_progress)
            draw->on_progress(draw->ctx, first + n, draw->n, (double)(first + n) / (pyr_now() - start));
    }
    for (int i = out->finest; i < out->drawn; i++) { /* afterwards: rk45 does not know before */
        out->flop[i] = pyr_model_flop(draw->model, i);
        out->nfe[i] = pyr_model_nfe(draw->model, i);
    }
    for (int i = out->finest; i < pyr_image_set_checked(out); i++)
        out->consistency[i] = sqrt(d.sum[i] / (double)draw->n);
out:
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        pyr_free(d.image[i]);
        pyr_free(d.mismatch[i]);
    }
    pyr_free(d.labels);
    pyr_free(d.index);
    pyr_real_images_free(&d.real);
    return finish(out, status);
}
