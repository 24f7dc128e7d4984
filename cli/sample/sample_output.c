#include "cli/sample/sample_output.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "pictures/grid.h"
#include "pictures/image_values.h"
#include "terminal/output.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const pyr_option pyr_output_options[] = {
    OPT_SEEDS(pyr_typed_output, seeds, "0-63"),
    OPT_TEXT(pyr_typed_output, outdir, "outdir", "DIR", "",
             "where images are written; without it, the folder samples in --network"),
    OPT_INT(pyr_typed_output, batch, "batch", "N", "0", 0, 65536,
            "images drawn at a time, which changes none of them; 0: chosen by the program"),
    OPT_SWITCH(
        pyr_typed_output, npz, "npz",
        "write samples.npz: arr_0 holds the images as NHWC in uint8, or uint16 of 16-bit data; arr_1 the "
        "classes"),
    OPT_SWITCH(
        pyr_typed_output, grid, "grid",
        "write grid.png with the first 100 images, and levels.png with every level side by side if there "
        "are several"),
    OPT_INT(pyr_typed_output, zoom, "zoom", "N", "2", 1, 64, "enlarge the grids N times"),
    {0},
};

/* Images in the grids, which are kept until the end: with all levels up to 100 * 4/3 * h * w * c floats, 105
 * MB for 256 x 256 in colour. */
enum { GRID_MOST = 100 };

pyr_status pyr_sample_output_open(pyr_sample_output *o)
{
    pyr_shape s = o->image[0];
    char *path;
    pyr_status status;

    PYR_TRY(pyr_open_output_folder(o->folder));
    if (o->grid) {
        o->in_grid = o->n < GRID_MOST ? o->n : GRID_MOST;
        for (int i = 0; i < o->levels; i++)
            PYR_TRY(pyr_new(&o->first[i], o->in_grid * pyr_count(o->image[i]), sizeof(float),
                            "images of the grid"));
    }
    if (!o->archive)
        return PYR_OK;
    path = pyr_path_join(o->folder, "samples.npz");
    status = path ? pyr_npz_open(&o->npz, path, (int64_t)o->n, s.h, s.w, s.c, o->bits)
                  : pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    pyr_free(path);
    return status;
}

void pyr_sample_origin(pyr_origin *out, const pyr_sample_output *o, size_t at)
{
    snprintf(out->seed, sizeof out->seed, "%" PRIu64, o->seeds[at]);
    out->texts[0] = (pyr_png_text){"seed", out->seed};
    out->texts[1] = (pyr_png_text){"sampler", o->sampler};
    out->texts[2] = (pyr_png_text){"weights", o->weights};
    out->texts[3] = (pyr_png_text){"Software", "pyrdiff"};
    out->n = 4;
    if (o->labels) {
        snprintf(out->label, sizeof out->label, "%d", (int)o->labels[at]);
        out->texts[out->n++] = (pyr_png_text){"class", out->label};
    }
    memcpy(out->texts + out->n, o->more, o->n_more * sizeof *o->more);
    out->n += o->n_more;
}

static pyr_status write_image(pyr_sample_output *o, size_t at, const float *values)
{
    pyr_shape s = o->image[0];
    char name[64];
    char *path;
    pyr_image image = {0};
    pyr_origin from;
    pyr_status status;

    snprintf(name, sizeof name, "%06" PRIu64 ".png", o->seeds[at]);
    pyr_sample_origin(&from, o, at);
    path = pyr_path_join(o->folder, name);
    status = path ? pyr_image_from_values(&image, values, s.h, s.w, s.c, o->bits, path)
                  : pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    if (status == PYR_OK)
        status = pyr_png_write(path, &image, from.texts, from.n);
    if (status == PYR_OK && o->archive)
        status = pyr_npz_add(&o->npz, image.at, 1);
    pyr_image_free(&image);
    pyr_free(path);
    return status;
}

pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, float *const *images)
{
    size_t size = pyr_count(o->image[0]);

    for (size_t j = 0; j < (size_t)n; j++) {
        PYR_TRY(write_image(o, at + j, images[0] + j * size));
        for (int i = 0; i < o->levels && at + j < o->in_grid; i++) {
            size_t of_level = pyr_count(o->image[i]);

            memcpy(o->first[i] + (at + j) * of_level, images[i] + j * of_level, of_level * sizeof(float));
        }
    }
    return PYR_OK;
}

pyr_status pyr_sample_output_close(pyr_sample_output *o)
{
    pyr_panel panel[PYR_MAX_LEVELS];
    pyr_png_text texts[] = {{"seeds", o->seeds_text}, {"sampler", o->sampler}, {"weights", o->weights}};

    if (o->archive)
        PYR_TRY(pyr_npz_close(&o->npz, o->labels));
    if (!o->grid)
        return PYR_OK;
    for (int i = 0; i < o->levels; i++) {
        pyr_shape s = o->image[i];

        panel[o->levels - 1 - i] = (pyr_panel){o->first[i], (int)o->in_grid, s.h, s.w, s.c};
    }
    PYR_TRY(pyr_grid_write_levels(o->folder, panel, o->levels, (pyr_grid_style){.zoom = o->zoom}, texts, 3));
    pyr_print("%s/grid.png\n", o->folder);
    if (o->levels > 1)
        pyr_print("%s/levels.png\n", o->folder);
    return PYR_OK;
}

void pyr_sample_output_free(pyr_sample_output *o)
{
    pyr_npz_abandon(&o->npz);
    for (int i = 0; i < o->levels; i++) {
        pyr_free(o->first[i]);
        o->first[i] = NULL;
    }
}
