#include "cli/sample_output.h"

#include "base/file.h"
#include "base/mem.h"
#include "images/grid.h"
#include "images/pixels.h"
#include "images/png_file.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GRID_MOST = 100 }; /* images in the grid, which are kept until the end */

pyr_status pyr_sample_output_open(pyr_sample_output *o)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_make_folders(o->folder));
    PYR_TRY(pyr_new(&o->bytes, pyr_count(o->image), 1, "an image"));
    if (o->grid) {
        o->in_grid = o->n < GRID_MOST ? o->n : GRID_MOST;
        PYR_TRY(pyr_new(&o->first, o->in_grid * pyr_count(o->image), sizeof *o->first, "images of the grid"));
    }
    if (!o->archive)
        return PYR_OK;
    path = pyr_path_join(o->folder, "samples.npz");
    status = path ? pyr_npz_open(&o->npz, path, (int64_t)o->n, o->image.h, o->image.w, o->image.c)
                  : pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    pyr_free(path);
    return status;
}

static pyr_status write_png(const pyr_sample_output *o, uint64_t seed)
{
    char name[64], text[32];
    char *path;
    pyr_image image = {0};
    pyr_png_text texts[] = {
        {"seed", text}, {"sampler", o->sampler}, {"weights", o->weights}, {"Software", "pyrdiff"}};
    pyr_status status;

    snprintf(name, sizeof name, "%06" PRIu64 ".png", seed);
    snprintf(text, sizeof text, "%" PRIu64, seed);
    path = pyr_path_join(o->folder, name);
    status = path ? pyr_image_new(&image, o->image.h, o->image.w, o->image.c, 8, path)
                  : pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    if (status == PYR_OK) {
        memcpy(image.at, o->bytes, pyr_count(o->image));
        status = pyr_png_write(path, &image, texts, sizeof texts / sizeof *texts);
    }
    pyr_image_free(&image);
    pyr_free(path);
    return status;
}

pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, const float *images)
{
    size_t size = pyr_count(o->image);

    for (size_t j = 0; j < (size_t)n; j++) {
        pyr_pixels_to_bytes(o->bytes, images + j * size, size);
        PYR_TRY(write_png(o, o->seeds[at + j]));
        if (o->archive)
            PYR_TRY(pyr_npz_add(&o->npz, o->bytes, 1));
        if (at + j < o->in_grid)
            memcpy(o->first + (at + j) * size, images + j * size, size * sizeof *images);
    }
    return PYR_OK;
}

pyr_status pyr_sample_output_close(pyr_sample_output *o)
{
    pyr_panel panel = {o->first, (int)o->in_grid, o->image.h, o->image.w, o->image.c};
    pyr_png_text texts[] = {{"seeds", o->seeds_text}, {"sampler", o->sampler}, {"weights", o->weights}};

    if (o->archive)
        PYR_TRY(pyr_npz_close(&o->npz, NULL));
    if (!o->grid)
        return PYR_OK;
    PYR_TRY(pyr_grid_write_levels(o->folder, &panel, 1, (pyr_grid_style){.zoom = o->zoom}, texts, 3));
    printf("%s/grid.png\n", o->folder);
    return PYR_OK;
}

void pyr_sample_output_free(pyr_sample_output *o)
{
    pyr_npz_abandon(&o->npz);
    pyr_free(o->bytes);
    pyr_free(o->first);
    o->bytes = NULL;
    o->first = NULL;
}
