/* api_data.c - data sets of files and of memory, and pictures to look at. */
#include "api/buffers.h"
#include "api/handles.h"

#include "base/file.h"
#include "base/mem.h"
#include "pictures/image_file.h"
#include <inttypes.h>
#include <string.h>

static pyr_status new_data(pyrdiff_data **out)
{
    PYR_TRY(pyr_new(out, 1, sizeof **out, "data"));
    (*out)->at = -1;
    return PYR_OK;
}

void pyrdiff_data_free(pyrdiff_data *d)
{
    if (!d)
        return;
    pyr_dataset_free(d->set);
    pyr_sample_files_free(&d->files);
    pyr_image_set_free(&d->images);
    pyr_image_free(&d->last);
    pyr_text_free(&d->text);
    pyr_free(d->path);
    pyr_free(d);
}

/* With its description; what is half made is no handle. */
static pyr_status keep(pyrdiff_data **out, pyr_status status)
{
    pyrdiff_data *d = *out;

    if (status == PYR_OK && d->set)
        pyr_dataset_describe(d->set, &d->text);
    if (status == PYR_OK && d->text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for a description");
    if (status != PYR_OK) {
        pyrdiff_data_free(d);
        *out = NULL;
    }
    return status;
}

/* ---- data sets ---------------------------------------------------------------------------------- */

static pyr_status open_set(pyrdiff_data **out, pyrdiff_settings *settings, pyr_call *call)
{
    PYR_TRY(new_data(out));
    PYR_TRY(pyr_settings_data(&(*out)->set, settings, call));
    if (!(*out)->set)
        return pyr_fail(
            PYR_E_CONFIG,
            "no data are given: add --data PATH (a folder of PNG or JPEG images, IDX or CIFAR files)");
    return PYR_OK;
}

int pyrdiff_data_open(pyrdiff_data **out, pyrdiff_settings *settings, pyrdiff_callback callback, void *ctx)
{
    pyr_call call;

    pyr_call_begin(&call, callback, ctx);
    return pyr_call_end(&call, keep(out, open_set(out, settings, &call)));
}

/* Of n images, by data.held_out and data.split. */
static pyr_status count_held_out(int64_t *out, const pyr_settings *settings, int64_t n)
{
    pyr_data_config config;

    pyr_settings_fill(settings, "data", -1, &config);
    PYR_TRY(pyr_data_config_finish(&config));
    *out = config.set.held_out < 0 ? (n / 10 < 2000 ? n / 10 : 2000) : config.set.held_out;
    if (strcmp(config.set.split, "all") == 0)
        *out = 0;
    if (*out >= n)
        return pyr_fail(PYR_E_CONFIG,
                        "held_out is %" PRId64 ", should be 0..%" PRId64 ": there are %" PRId64 " images",
                        *out, n - 1, n);
    return PYR_OK;
}

static pyr_status make_set(pyrdiff_data **out, pyrdiff_settings *settings, const pyrdiff_images *images,
                           const int32_t *labels, pyr_call *call)
{
    pyrdiff_images from;
    pyr_dataset_shape shape;
    void *samples = NULL;
    int64_t held_out;
    pyr_status status;

    PYR_TRY(new_data(out));
    PYR_TRY(pyr_buffer_check(&from, images, "images", 0, (pyr_shape){0}));
    if (from.c != 1 && from.c != 3 && from.c != 4)
        return pyr_fail(PYR_E_SHAPE, "images: c is %d, should be 1, 3 or 4", from.c);
    if (from.h > PYR_IMAGE_SIDE || from.w > PYR_IMAGE_SIDE)
        return pyr_fail(PYR_E_SHAPE, "images: are %dx%d, a side should be at most %d", from.h, from.w,
                        PYR_IMAGE_SIDE);
    PYR_TRY(count_held_out(&held_out, settings->at, from.n));
    shape = (pyr_dataset_shape){from.h, from.w, from.c, pyr_buffer_bits(&from)};
    PYR_TRY(pyr_buffer_samples(&samples, &from, shape.bits));
    status = pyr_dataset_memory(&(*out)->set, shape, samples, from.n, held_out, labels);
    if (status != PYR_OK) {
        pyr_free(samples);
        return status;
    }
    return pyr_settings_fit(settings, (*out)->set, call);
}

int pyrdiff_data_new(pyrdiff_data **out, pyrdiff_settings *settings, const pyrdiff_images *images,
                     const int32_t *labels)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, keep(out, make_set(out, settings, images, labels, &call)));
}

/* ---- pictures ----------------------------------------------------------------------------------- */

static pyr_status look_at_pictures(pyrdiff_data **out, const char *path, int64_t most, pyr_call *call)
{
    pyrdiff_data *d;
    bool file = true, folder = false;

    PYR_TRY(new_data(out));
    d = *out;
    PYR_TRY(pyr_format(&d->path, "%s", path));
    if (most >= 0) {
        PYR_TRY(pyr_file_exists(&file, path));
        PYR_TRY(pyr_folder_exists(&folder, path));
    }
    if (!file && !folder)
        return pyr_fail(PYR_E_IO, "%s: no such file or folder (a folder or zip of pictures, or an NPZ)",
                        path);
    d->one = most < 0 || (file && pyr_image_named(path));
    d->n = 1;
    if (d->one)
        return PYR_OK;
    PYR_TRY(pyr_sample_files_open(&d->files, d->path, most));
    if (d->files.aside)
        pyr_call_say(call, "note: %s: %" PRId64 " picture%s left aside that %s no sample%s: %s%s", path,
                     d->files.aside, d->files.aside == 1 ? "" : "s", d->files.aside == 1 ? "is" : "are",
                     d->files.aside == 1 ? "" : "s", d->files.first_aside,
                     d->files.aside == 1 ? "" : ", ...");
    d->n = (int64_t)d->files.names.n;
    if (d->n)
        return PYR_OK;
    if (folder)
        return pyr_fail(PYR_E_IO, "%s holds no images (" PYR_IMAGE_FORMATS ")%s%s", path,
                        d->files.aside ? " but sheets of several, such as " : "", d->files.first_aside);
    PYR_TRY(pyr_image_set_read(&d->images, path, 0, most));
    d->n = d->images.n;
    return PYR_OK;
}

int pyrdiff_data_pictures(pyrdiff_data **out, const char *path, int64_t most, pyrdiff_callback callback,
                          void *ctx)
{
    pyr_call call;

    pyr_call_begin(&call, callback, ctx);
    return pyr_call_end(&call, keep(out, look_at_pictures(out, path, most, &call)));
}

static pyr_status copy_of_set(pyr_image *out, const pyr_image_set *s, int64_t i, const char *path)
{
    int bits = s->words ? 16 : 8;

    PYR_TRY(pyr_image_new(out, s->h, s->w, s->c, bits, path));
    memcpy(out->at, pyr_image_set_at(s, i, bits),
           (size_t)s->h * (size_t)s->w * (size_t)s->c * (size_t)bits / 8);
    return PYR_OK;
}

/* Picture i into d->last. */
static pyr_status decode(pyrdiff_data *d, int64_t i)
{
    pyr_status status;

    if (d->at == i)
        return PYR_OK;
    pyr_image_free(&d->last);
    d->at = -1;
    if (d->one)
        status = pyr_image_read(&d->last, d->path);
    else if (d->files.names.n)
        status = pyr_sample_files_read(&d->last, &d->files, (size_t)i);
    else
        status = copy_of_set(&d->last, &d->images, i, d->path);
    if (status == PYR_OK)
        d->at = i;
    return status;
}

static void name_picture(const pyrdiff_data *d, int64_t i, pyr_text *out)
{
    if (d->one)
        pyr_text_add(out, "%s", d->path);
    else if (d->files.names.n)
        pyr_text_add(out, "%s%s%s", d->path,
                     d->files.zip                          ? ": "
                     : d->path[strlen(d->path) - 1] == '/' ? ""
                                                           : "/",
                     d->files.names.at[i]);
    else
        pyr_text_add(out, "%s: image %" PRId64, d->path, i);
}

/* ---- facts and images ----------------------------------------------------------------------------- */

static pyr_status facts_of_picture(pyrdiff_data_facts *f, pyrdiff_data *d, int64_t index)
{
    *f = (pyrdiff_data_facts){.images = d->n, .label = -1};
    pyr_text_free(&d->text);
    if (index < 0)
        pyr_text_add(&d->text, "%s: %" PRId64 " picture%s", d->path, d->n, d->n == 1 ? "" : "s");
    else {
        PYR_TRY(decode(d, index));
        f->h = d->last.h;
        f->w = d->last.w;
        f->c = d->last.c;
        f->bits = d->last.bits;
        f->turned = d->last.turned;
        name_picture(d, index, &d->text);
    }
    return PYR_OK;
}

static pyr_split split_of(const pyrdiff_data *d, int64_t *index)
{
    int64_t train = pyr_dataset_count(d->set, PYR_SPLIT_TRAIN);

    if (*index < train)
        return PYR_SPLIT_TRAIN;
    *index -= train;
    return PYR_SPLIT_HELD_OUT;
}

static void facts_of_set(pyrdiff_data_facts *f, const pyrdiff_data *d, int64_t index)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(d->set);
    const int32_t *labels;

    *f = (pyrdiff_data_facts){.images = pyr_dataset_count(d->set, PYR_SPLIT_TRAIN),
                              .held_out = pyr_dataset_count(d->set, PYR_SPLIT_HELD_OUT),
                              .h = s.h,
                              .w = s.w,
                              .c = s.c,
                              .bits = s.bits,
                              .classes = pyr_dataset_classes(d->set),
                              .label = -1,
                              .fingerprint = pyr_dataset_fingerprint(d->set)};
    if (index < 0)
        return;
    labels = pyr_dataset_labels(d->set, split_of(d, &index));
    f->label = labels ? labels[index] : -1;
}

static pyr_status check_index(const pyrdiff_data *d, int64_t index, int64_t least)
{
    int64_t n =
        d->set ? pyr_dataset_count(d->set, PYR_SPLIT_TRAIN) + pyr_dataset_count(d->set, PYR_SPLIT_HELD_OUT)
               : d->n;

    if (index >= least && index < n)
        return PYR_OK;
    return pyr_fail(PYR_E_ARG, "there is no image %" PRId64 ": there are %" PRId64, index, n);
}

int pyrdiff_data_facts_of(pyrdiff_data *d, int64_t index, pyrdiff_data_facts *facts)
{
    pyrdiff_data_facts own = {0};
    pyr_call call;
    pyr_status status;

    pyr_call_begin(&call, NULL, NULL);
    status = check_index(d, index, -1);
    if (status == PYR_OK && d->set)
        facts_of_set(&own, d, index);
    else if (status == PYR_OK)
        status = facts_of_picture(&own, d, index);
    if (status == PYR_OK && d->text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for a description");
    own.text = d->text.at ? d->text.at : "";
    pyr_give(facts, &own, sizeof own);
    return pyr_call_end(&call, status);
}

static pyr_status read_image(pyrdiff_data *d, int64_t index, const pyrdiff_images *images)
{
    pyr_image image = {0};
    pyrdiff_images to;
    pyr_status status;

    PYR_TRY(check_index(d, index, 0));
    PYR_TRY(pyr_buffer_check(&to, images, "to", 1, (pyr_shape){0}));
    if (d->set) {
        pyr_dataset_shape s = pyr_dataset_shape_of(d->set);
        pyr_split split = split_of(d, &index);

        PYR_TRY(pyr_image_new(&image, s.h, s.w, s.c, s.bits, "an image"));
        PYR_TRY_OUT(pyr_dataset_read(d->set, split, index, image.at));
    } else {
        PYR_TRY(decode(d, index));
        image = d->last;
    }
    if (to.h != image.h || to.w != image.w || to.c > 4)
        status = pyr_fail(PYR_E_SHAPE, "to: is %dx%dx%d, the image is %dx%dx%d", to.h, to.w, to.c, image.h,
                          image.w, image.c);
    else
        status = pyr_buffer_put_picture(&to, 0, &image);
out:
    if (d->set)
        pyr_image_free(&image);
    return status;
}

int pyrdiff_data_read(pyrdiff_data *d, int64_t index, const pyrdiff_images *to)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, read_image(d, index, to));
}
