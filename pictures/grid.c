/* grid.c - lays out panels of images, and writes them as PNG. */
#include "pictures/grid.h"

#include "base/file.h"
#include "base/mem.h"
#include "pictures/pixels.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { GAP = 2, PANEL_GAP = 8, GREY = 128 };

typedef struct layout {
    int rows, cols;
    int64_t cell_h, cell_w; /* displayed size of one image */
    int channels;
} layout;

static layout lay_out(const pyr_panel *panel, int panels, pyr_grid_style style)
{
    layout l = {.rows = style.rows, .cols = style.cols};
    int most = 1, zoom = style.zoom > 1 ? style.zoom : 1;
    bool colour = false, alpha = false;

    for (int i = 0; i < panels; i++) {
        assert(panel[i].n >= 0 && panel[i].h > 0 && panel[i].w > 0 && panel[i].c >= 1 && panel[i].c <= 4);
        most = panel[i].n > most ? panel[i].n : most;
        l.cell_h = panel[i].h > l.cell_h ? panel[i].h : l.cell_h;
        l.cell_w = panel[i].w > l.cell_w ? panel[i].w : l.cell_w;
        colour |= panel[i].c > 2;
        alpha |= panel[i].c % 2 == 0;
    }
    l.cell_h *= zoom;
    l.cell_w *= zoom;
    l.channels = (colour ? 3 : 1) + (alpha ? 1 : 0);
    if (l.rows < 1 && l.cols < 1)
        l.cols = (int)ceil(sqrt(most));
    if (l.rows < 1)
        l.rows = (most - 1) / l.cols + 1;
    if (l.cols < 1)
        l.cols = (most - 1) / l.rows + 1;
    return l;
}

/* One image of a panel, zoomed into the cell whose first byte is `cell`. */
static void draw(uint8_t *cell, size_t stride, const layout *l, const pyr_panel *panel,
                 const uint8_t *samples)
{
    for (int64_t y = 0; y < l->cell_h; y++)
        for (int64_t x = 0; x < l->cell_w; x++) {
            int64_t from_y = y * panel->h / l->cell_h, from_x = x * panel->w / l->cell_w;
            const pyr_image pixel = {
                (uint8_t *)samples + (from_y * panel->w + from_x) * panel->c, 1, 1, panel->c, 8, false};

            pyr_image_convert(cell + (size_t)y * stride + (size_t)x * (size_t)l->channels, &pixel,
                              l->channels, 8);
        }
}

pyr_status pyr_grid_draw(pyr_image *out, const pyr_panel *panel, int panels, pyr_grid_style style)
{
    layout l = lay_out(panel, panels, style);
    int64_t wide = l.cols * (l.cell_w + GAP) - GAP; /* one panel */
    int64_t high = l.rows * (l.cell_h + GAP) - GAP;
    uint8_t *samples = NULL;
    pyr_status status;

    assert(panels >= 1);
    PYR_TRY_OUT(pyr_image_new(out, high, panels * (wide + PANEL_GAP) - PANEL_GAP, l.channels, 8, "the grid"));
    size_t stride = (size_t)out->w * (size_t)l.channels, c = (size_t)l.channels;
    memset(out->at, style.black ? 0 : GREY, pyr_image_bytes(out));
    if (c % 2 == 0) /* the background is opaque */
        for (size_t i = c - 1; i < pyr_image_bytes(out); i += c)
            ((uint8_t *)out->at)[i] = 255;
    for (int p = 0; p < panels; p++) {
        size_t size = (size_t)panel[p].h * (size_t)panel[p].w * (size_t)panel[p].c;

        pyr_free(samples);
        PYR_TRY_OUT(pyr_new(&samples, size, 1, "the grid"));
        for (int i = 0; i < panel[p].n && i < (int64_t)l.rows * l.cols; i++) {
            int64_t top = i / l.cols * (l.cell_h + GAP);
            int64_t left = p * (wide + PANEL_GAP) + i % l.cols * (l.cell_w + GAP);

            pyr_pixels_to_bytes(samples, panel[p].images + (size_t)i * size, size);
            draw((uint8_t *)out->at + (size_t)top * stride + (size_t)left * c, stride, &l, &panel[p],
                 samples);
        }
    }
out:
    pyr_free(samples);
    if (status != PYR_OK)
        pyr_image_free(out);
    return status;
}

pyr_status pyr_grid_write(const char *path, const pyr_panel *panel, int panels, pyr_grid_style style,
                          const pyr_png_text *text, size_t texts)
{
    pyr_image image;
    pyr_status status;

    PYR_TRY(pyr_grid_draw(&image, panel, panels, style));
    status = pyr_png_write(path, &image, text, texts);
    pyr_image_free(&image);
    return status;
}

pyr_status pyr_grid_write_levels(const char *folder, const pyr_panel *panel, int panels, pyr_grid_style style,
                                 const pyr_png_text *text, size_t texts)
{
    char *grid, *levels = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_path_new(&grid, folder, "grid.png"));
    PYR_TRY_OUT(pyr_path_new(&levels, folder, "levels.png"));
    PYR_TRY_OUT(pyr_grid_write(grid, &panel[panels - 1], 1, style, text, texts));
    if (panels > 1)
        PYR_TRY_OUT(pyr_grid_write(levels, panel, panels, style, text, texts));
out:
    pyr_free(grid);
    pyr_free(levels);
    return status;
}
