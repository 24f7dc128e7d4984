/* cmd_reconstruct.c - pyrdiff reconstruct: a picture from its codes. */
#include "cli/cli.h"

#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "pictures/png_file.h"
#include "pyramid/codes_file.h"
#include "terminal/output.h"
#include <math.h>
#include <string.h>

/* How far the values are from those of the pixels they became. */
typedef struct rounding {
    size_t n, inexact;
    double largest; /* in steps from one pixel value to the next */
} rounding;

/* A row at a time, so that no second picture of floats is needed. */
static pyr_status to_image(pyr_image *image, const float *pixels, rounding *r)
{
    size_t row = (size_t)image->w * (size_t)image->c;
    double step = image->bits == 16 ? 0x1p-15 : 0x1p-7;
    char *to = image->at;
    float *back;

    PYR_TRY(pyr_new(&back, row, sizeof *back, "a row of a picture"));
    for (int y = 0; y < image->h; y++, pixels += row, to += row * (size_t)image->bits / 8) {
        pyr_pixels_to_samples(to, pixels, image->bits, row);
        pyr_pixels_from_samples(back, to, image->bits, row);
        for (size_t i = 0; i < row; i++) {
            r->inexact += back[i] != pixels[i];
            r->largest = fmax(r->largest, fabs((double)pixels[i] - (double)back[i]) / step);
        }
        r->n += row;
    }
    pyr_free(back);
    return PYR_OK;
}

static pyr_status reconstruct(const char *folder, const char *picture)
{
    pyr_codes codes = {0};
    pyr_image image = {0};
    float *pixels = NULL;
    pyr_text text = {0};
    rounding r = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_codes_read(&codes, folder));
    pyr_codes_describe(&codes, &text);
    PYR_TRY_OUT(pyr_image_new(&image, codes.h, codes.w, codes.c, codes.bits, folder));
    PYR_TRY_OUT(
        pyr_new(&pixels, (size_t)codes.h * (size_t)codes.w * (size_t)codes.c, sizeof *pixels, "a picture"));
    PYR_TRY_OUT(pyr_reconstruct(pixels, &codes));
    pyr_codes_free(&codes);
    PYR_TRY_OUT(to_image(&image, pixels, &r));
    PYR_TRY_OUT(pyr_png_write(picture, &image, NULL, 0));
    pyr_print("%s: %s\n", picture, text.at ? text.at : "");
    if (r.inexact == 0)
        pyr_print("exact: all %zu values are whole pixel values\n", r.n);
    else
        pyr_print("not exact: %zu of %zu values are not whole pixel values and were rounded, by up to %.3g\n",
                  r.inexact, r.n, r.largest);
out:
    pyr_text_free(&text);
    pyr_codes_free(&codes);
    pyr_image_free(&image);
    pyr_free(pixels);
    return status;
}

static pyr_status run(void *typed, pyr_parsed *parsed)
{
    const char *picture = parsed->arguments[1], *dot = strrchr(picture, '.');

    (void)typed;
    if (!dot || !pyr_image_named(picture) || (dot[1] | 32) != 'p')
        return pyr_fail(PYR_E_ARG, "%s: a PNG is written, the name should end in .png", picture);
    return reconstruct(parsed->arguments[0], picture);
}

const pyr_command pyr_command_reconstruct = {
    .name = "reconstruct",
    .title = "rebuild a picture from its levels, bit for bit",
    .arguments = "CODES_DIR PICTURE.png",
    .least = 2,
    .most = 2,
    .summary = "Put a picture together again from the " PYR_CODES_NAME " of pyrdiff decompose. It has "
               "the bits and channels of the original, and its pixels bit for bit.",
    .examples = "  pyrdiff reconstruct codes photo2.png\n",
    .run = run,
};
