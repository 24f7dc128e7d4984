/* sample_output.c - a PNG per seed, an NPZ of all, grids of the first. */
#include "cli/sample/sample_output.h"

#include "cli/cli.h"
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

size_t pyr_sample_output_size(const pyr_sample_output *o, int level)
{
    return (size_t)o->h[level] * (size_t)o->w[level] * (size_t)o->c;
}

pyrdiff_images pyr_floats(const float *at, int64_t n, int h, int w, int c)
{
    /* what the library is to read is not written */
    return (pyrdiff_images){
        .data = (void *)(uintptr_t)at, .type = PYRDIFF_F32, .n = n, .h = h, .w = w, .c = c};
}

pyrdiff_images pyr_sample_output_images(const pyr_sample_output *o, int level, const float *at, int64_t n)
{
    return pyr_floats(at, n, o->h[level], o->w[level], o->c);
}

pyr_status pyr_sample_output_open(pyr_sample_output *o, uint64_t hash)
{
    char *path;
    pyr_status status;

    snprintf(o->weights, sizeof o->weights, "%016" PRIx64, hash);
    PYR_TRY(pyr_open_output_folder(o->folder));
    if (o->typed->grid) {
        o->in_grid = o->n < GRID_MOST ? o->n : GRID_MOST;
        for (int i = 0; i < o->levels; i++)
            PYR_TRY(pyr_new(&o->first[i], o->in_grid * pyr_sample_output_size(o, i), sizeof(float),
                            "images of the grid"));
    }
    if (!o->archive)
        return PYR_OK;
    PYR_TRY(pyr_path_new(&path, o->folder, "samples.npz"));
    status = pyrdiff_npz_open(&o->npz, path, (int64_t)o->n, o->h[0], o->w[0], o->c, o->bits);
    pyr_free(path);
    return status;
}

void pyr_sample_origin(pyr_origin *out, const pyr_sample_output *o, size_t at)
{
    const char *const texts[] = {"seed",    out->seed,  "sampler",  o->sampler,
                                 "weights", o->weights, "Software", "pyrdiff"};
    int n = sizeof texts / sizeof *texts;

    snprintf(out->seed, sizeof out->seed, "%" PRIu64, o->seeds[at]);
    memcpy(out->texts, texts, sizeof texts);
    if (o->labels) {
        snprintf(out->label, sizeof out->label, "%d", (int)o->labels[at]);
        out->texts[n++] = "class";
        out->texts[n++] = out->label;
    }
    memcpy(out->texts + n, o->more, (size_t)(2 * o->n_more) * sizeof *o->more);
    out->texts[n + 2 * o->n_more] = NULL;
}

pyr_status pyr_write_picture(const char *folder, const char *name, const float *values, int h, int w, int c,
                             int bits, const char *const *texts)
{
    pyrdiff_images image = pyr_floats(values, 1, h, w, c);
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, name));
    status = pyrdiff_png_write(path, &image, 1, (const char *const[]){"bits", bits == 8 ? "8" : "16", NULL},
                               texts);
    pyr_free(path);
    return status;
}

static pyr_status write_image(pyr_sample_output *o, size_t at, const float *values)
{
    pyrdiff_images image = pyr_sample_output_images(o, 0, values, 1);
    char name[64];
    pyr_origin from;

    snprintf(name, sizeof name, "%06" PRIu64 ".png", o->seeds[at]);
    pyr_sample_origin(&from, o, at);
    PYR_TRY(pyr_write_picture(o->folder, name, values, o->h[0], o->w[0], o->c, o->bits, from.texts));
    return o->archive ? pyrdiff_npz_add(o->npz, &image) : PYR_OK;
}

pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, float *const *images)
{
    for (size_t j = 0; j < (size_t)n; j++) {
        PYR_TRY(write_image(o, at + j, images[0] + j * pyr_sample_output_size(o, 0)));
        for (int i = 0; i < o->levels && at + j < o->in_grid; i++) {
            size_t size = pyr_sample_output_size(o, i);

            memcpy(o->first[i] + (at + j) * size, images[i] + j * size, size * sizeof(float));
        }
    }
    return PYR_OK;
}

/* FOLDER/NAME of the tables of `n` levels, the coarsest first. */
static pyr_status write_grid(const pyr_sample_output *o, const char *name, int n)
{
    pyrdiff_images tables[PYRDIFF_MAX_LEVELS];
    char *path, zoom[16];
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, o->folder, name));
    snprintf(zoom, sizeof zoom, "%d", o->typed->zoom);
    for (int i = 0; i < n; i++)
        tables[n - 1 - i] = pyr_sample_output_images(o, i, o->first[i], (int64_t)o->in_grid);
    status = pyrdiff_png_write(
        path, tables, n, (const char *const[]){"zoom", zoom, NULL},
        (const char *const[]){"seeds", o->typed->seeds, "sampler", o->sampler, "weights", o->weights, NULL});
    pyr_free(path);
    return status;
}

pyr_status pyr_sample_output_close(pyr_sample_output *o)
{
    pyrdiff_npz *npz = o->npz;

    o->npz = NULL;
    if (npz)
        PYR_TRY(pyrdiff_npz_close(npz, o->labels, 1));
    if (!o->typed->grid)
        return PYR_OK;
    PYR_TRY(write_grid(o, "grid.png", 1));
    if (o->levels > 1)
        PYR_TRY(write_grid(o, "levels.png", o->levels));
    pyr_print("%s/grid.png\n", o->folder);
    if (o->levels > 1)
        pyr_print("%s/levels.png\n", o->folder);
    return PYR_OK;
}

void pyr_sample_output_free(pyr_sample_output *o)
{
    pyrdiff_npz_close(o->npz, NULL, 0);
    for (int i = 0; i < o->levels; i++)
        pyr_free(o->first[i]);
    pyr_free(o->seeds);
    pyr_free(o->labels);
    pyr_free(o->folder);
    *o = (pyr_sample_output){0};
}
