/* api_files.c - images as PNG and NPZ files. */
#include "api/buffers.h"
#include "api/choices.h"

#include "arrays/npz_file.h"
#include "base/mem.h"
#include "pictures/grid.h"
#include "pictures/png_file.h"
#include <stddef.h>

/* ---- PNG ---------------------------------------------------------------------------------------- */

typedef struct png_choice {
    pyr_grid_style style;
    int bits; /* of one image alone; 0: its own */
} png_choice;

static const pyr_setting rows[] = {
    {"zoom", PYR_SETTING_INT, offsetof(png_choice, style.zoom), 1, 64, "1", NULL, NULL},
    {"columns", PYR_SETTING_INT, offsetof(png_choice, style.cols), 0, 65536, "0", NULL, NULL},
    {"rows", PYR_SETTING_INT, offsetof(png_choice, style.rows), 0, 65536, "0", NULL, NULL},
    {"bits", PYR_SETTING_INT, offsetof(png_choice, bits), 0, 16, "0", NULL, NULL},
};

static pyr_status write_picture(const char *path, const pyrdiff_images *from, int bits,
                                const pyr_png_text *text, size_t texts)
{
    pyr_image image = {0};
    pyr_status status;

    if (bits != 0 && bits != 8 && bits != 16)
        return pyr_fail(PYR_E_ARG, "--bits is %d, should be 8 or 16", bits);
    if (bits == 0)
        bits = from->type == PYRDIFF_U8 ? 8 : 16;
    PYR_TRY_OUT(pyr_buffer_picture(&image, from, 0, bits, path));
    status = pyr_png_write(path, &image, text, texts);
out:
    pyr_image_free(&image);
    return status;
}

static pyr_status write_tables(const char *path, const pyrdiff_images *tables, int n, pyr_grid_style style,
                               const pyr_png_text *text, size_t texts)
{
    pyr_panel *panel = NULL;
    float *floats = NULL;
    size_t all = 0, at = 0;
    pyr_status status;

    for (int i = 0; i < n; i++)
        all += (size_t)tables[i].n * (size_t)tables[i].h * (size_t)tables[i].w * (size_t)tables[i].c;
    PYR_TRY_OUT(pyr_new(&panel, (size_t)n, sizeof *panel, "tables of images"));
    PYR_TRY_OUT(pyr_new(&floats, all, sizeof *floats, "tables of images"));
    for (int i = 0; i < n; i++) {
        const pyrdiff_images *t = &tables[i];

        if (t->n > 1000000)
            PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "tables[%d] has %lld images, should have at most 1000000", i,
                                 (long long)t->n));
        pyr_buffer_floats(floats + at, t, 0, t->n);
        panel[i] = (pyr_panel){floats + at, (int)t->n, t->h, t->w, t->c};
        at += (size_t)t->n * (size_t)t->h * (size_t)t->w * (size_t)t->c;
    }
    status = pyr_grid_write(path, panel, n, style, text, texts);
out:
    pyr_free(floats);
    pyr_free(panel);
    return status;
}

/* Pairs, ended by NULL. */
static pyr_status take_texts(pyr_png_text **out, size_t *n, const char *const *texts)
{
    *n = 0;
    while (texts && texts[2 * *n]) {
        if (!texts[2 * *n + 1])
            return pyr_fail(PYR_E_ARG, "texts: %s has none: they are pairs, ended by NULL", texts[2 * *n]);
        ++*n;
    }
    PYR_TRY(pyr_new(out, *n + 1, sizeof **out, "texts"));
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (pyr_png_text){texts[2 * i], texts[2 * i + 1]};
    return PYR_OK;
}

static pyr_status write_png(const char *path, const pyrdiff_images *tables, int n, const char *const *options,
                            const char *const *texts)
{
    pyrdiff_images *from = NULL;
    pyr_png_text *text = NULL;
    png_choice choice = {0};
    size_t n_texts;
    bool plain = !pyr_choice_given(options, "zoom") && !pyr_choice_given(options, "columns") &&
                 !pyr_choice_given(options, "rows");
    pyr_status status;

    if (n < 1)
        return pyr_fail(PYR_E_ARG, "n_tables is %d, should be 1 or more", n);
    PYR_TRY_OUT(pyr_choices_read(&choice, rows, sizeof rows / sizeof *rows, options));
    PYR_TRY_OUT(take_texts(&text, &n_texts, texts));
    PYR_TRY_OUT(pyr_new(&from, (size_t)n, sizeof *from, "tables of images"));
    for (int i = 0; i < n; i++) {
        PYR_TRY_OUT(pyr_buffer_check(&from[i], &tables[i], "an image of a PNG", 0, (pyr_shape){0}));
        if (from[i].c > 4)
            PYR_TRY_OUT(
                pyr_fail(PYR_E_SHAPE, "an image of a PNG has %d channels, should have 1 to 4", from[i].c));
    }
    if (plain && n == 1 && from->n == 1)
        status = write_picture(path, from, choice.bits, text, n_texts);
    else
        status = write_tables(path, from, n, choice.style, text, n_texts);
out:
    pyr_free(from);
    pyr_free(text);
    return status;
}

int pyrdiff_png_write(const char *path, const pyrdiff_images *tables, int n_tables,
                      const char *const *options, const char *const *texts)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, write_png(path, tables, n_tables, options, texts));
}

/* ---- NPZ ---------------------------------------------------------------------------------------- */

struct pyrdiff_npz {
    pyr_npz at;
    int h, w, c, bits;
};

static pyr_status open_npz(pyrdiff_npz **out, const char *path, int64_t n, int h, int w, int c, int bits)
{
    PYR_TRY(pyr_new(out, 1, sizeof **out, "an NPZ"));
    **out = (pyrdiff_npz){.h = h, .w = w, .c = c, .bits = bits};
    if (n < 1 || h < 1 || w < 1 || c < 1 || (bits != 8 && bits != 16))
        return pyr_fail(PYR_E_ARG,
                        "%s: %lld images of %dx%dx%d with %d bits: sizes should be 1 or more, bits 8 or 16",
                        path, (long long)n, h, w, c, bits);
    return pyr_npz_open(&(*out)->at, path, n, h, w, c, bits);
}

int pyrdiff_npz_open(pyrdiff_npz **out, const char *path, int64_t n, int h, int w, int c, int bits)
{
    pyr_status status;
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    status = open_npz(out, path, n, h, w, c, bits);
    if (status != PYR_OK) {
        pyr_free(*out);
        *out = NULL;
    }
    return pyr_call_end(&call, status);
}

static pyr_status add(pyrdiff_npz *z, const pyrdiff_images *images)
{
    pyrdiff_images from;
    void *samples = NULL;
    pyr_status status;

    PYR_TRY(pyr_buffer_check(&from, images, "images of an NPZ", 0, (pyr_shape){1, z->h, z->w, z->c}));
    if (from.n > z->at.n - z->at.written)
        return pyr_fail(PYR_E_ARG, "%lld images are added to an NPZ that lacks %lld", (long long)from.n,
                        (long long)(z->at.n - z->at.written));
    PYR_TRY(pyr_buffer_samples(&samples, &from, z->bits));
    status = pyr_npz_add(&z->at, samples, from.n);
    pyr_free(samples);
    return status;
}

int pyrdiff_npz_add(pyrdiff_npz *npz, const pyrdiff_images *images)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, add(npz, images));
}

int pyrdiff_npz_close(pyrdiff_npz *npz, const int32_t *labels, int keep)
{
    pyr_status status = PYR_OK;
    pyr_call call;

    if (!npz)
        return PYRDIFF_OK;
    pyr_call_begin(&call, NULL, NULL);
    if (keep && npz->at.written < npz->at.n)
        status = pyr_fail(PYR_E_ARG, "an NPZ lacks %lld images", (long long)(npz->at.n - npz->at.written));
    else if (keep)
        status = pyr_npz_close(&npz->at, labels);
    pyr_npz_abandon(&npz->at);
    pyr_free(npz);
    return pyr_call_end(&call, status);
}
