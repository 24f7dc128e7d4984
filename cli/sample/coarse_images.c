#include "cli/sample/coarse_images.h"

#include "base/mem.h"
#include "pictures/image_file.h"
#include "pictures/image_values.h"
#include <stdio.h>
#include <string.h>

/* Image i of a file of arrays. */
static pyr_status copy_of_set(pyr_image *out, const pyr_coarse_images *c, size_t i)
{
    const pyr_image_set *s = &c->set;
    size_t size = (size_t)s->h * (size_t)s->w * (size_t)s->c;

    PYR_TRY(pyr_image_new(out, s->h, s->w, s->c, s->words ? 16 : 8, c->path));
    if (s->words)
        memcpy(out->at, s->words + i * size, size * sizeof *s->words);
    else
        memcpy(out->at, s->pixels + i * size, size);
    return PYR_OK;
}

static pyr_status read_one(pyr_coarse_images *c, size_t i, float *dst)
{
    pyr_image image = {0};
    pyr_status status;

    i %= c->n;
    if (c->one)
        PYR_TRY(pyr_image_read(&image, c->path));
    else if (c->files.names.n)
        PYR_TRY(pyr_sample_files_read(&image, &c->files, i));
    else
        PYR_TRY(copy_of_set(&image, c, i));
    if (image.h != c->shape.h || image.w != c->shape.w)
        status = pyr_fail(PYR_E_SHAPE, "%s is %dx%d, %s of this run is %dx%d", pyr_coarse_images_name(c, i),
                          image.h, image.w, c->level, c->shape.h, c->shape.w);
    else
        status = pyr_image_to_values(dst, &image, c->shape.c, c->bits);
    if (image.c != c->shape.c || image.bits != c->bits) {
        c->other_c = image.c;
        c->other_bits = image.bits;
    }
    pyr_image_free(&image);
    return status;
}

const char *pyr_coarse_images_name(pyr_coarse_images *c, size_t i)
{
    i %= c->n;
    if (c->one)
        snprintf(c->name, sizeof c->name, "%s", c->path);
    else if (c->files.names.n)
        snprintf(c->name, sizeof c->name, "%s%s%s", c->path,
                 c->files.zip                          ? ": "
                 : c->path[strlen(c->path) - 1] == '/' ? ""
                                                       : "/",
                 c->files.names.at[i]);
    else
        snprintf(c->name, sizeof c->name, "%s: image %zu", c->path, i);
    return c->name;
}

/* What is there: how many, and where they are. */
static pyr_status look(pyr_coarse_images *c, size_t most)
{
    bool file, folder;

    PYR_TRY(pyr_file_exists(&file, c->path));
    PYR_TRY(pyr_folder_exists(&folder, c->path));
    if (file && pyr_image_named(c->path)) {
        c->one = true;
        c->n = 1;
        return PYR_OK;
    }
    if (!file && !folder)
        return pyr_fail(PYR_E_IO,
                        "%s: no such file or folder (--coarse: a folder or zip of pictures, or an NPZ)",
                        c->path);
    PYR_TRY(pyr_sample_files_open(&c->files, c->path, (int64_t)most));
    c->n = c->files.names.n;
    if (c->n)
        return PYR_OK;
    if (pyr_is_folder(c->path))
        return pyr_fail(PYR_E_IO, "%s holds no images (" PYR_IMAGE_FORMATS ")%s%s", c->path,
                        c->files.aside ? " but sheets of several, such as " : "", c->files.first_aside);
    PYR_TRY(pyr_image_set_read(&c->set, c->path, 0, (int64_t)most));
    c->n = (size_t)c->set.n;
    return PYR_OK;
}

pyr_status pyr_coarse_images_open(pyr_coarse_images *out, const char *path, size_t most, pyr_shape shape,
                                  int bits, const char *level)
{
    float *values = NULL;
    pyr_status status;

    *out = (pyr_coarse_images){.path = path, .shape = shape, .bits = bits};
    snprintf(out->level, sizeof out->level, "%s", level);
    PYR_TRY(look(out, most));
    PYR_TRY(pyr_new(&values, pyr_count(shape), sizeof *values, "a coarser image"));
    status = PYR_OK;
    for (size_t i = 0; i < out->n && status == PYR_OK; i++)
        status = read_one(out, i, values);
    pyr_free(values);
    return status;
}

void pyr_coarse_images_free(pyr_coarse_images *c)
{
    pyr_sample_files_free(&c->files);
    pyr_image_set_free(&c->set);
    *c = (pyr_coarse_images){0};
}

pyr_status pyr_coarse_images_read(pyr_coarse_images *c, size_t first, int n, float *dst)
{
    for (size_t j = 0; j < (size_t)n; j++)
        PYR_TRY(read_one(c, first + j, dst + j * pyr_count(c->shape)));
    return PYR_OK;
}
