/* cmd_decompose.c - pyrdiff decompose: the levels of a picture's pyramid, exact and to look at. */
#include "cli/cli.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/codes_file.h"
#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "pictures/png_file.h"
#include "terminal/output.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEVELS = 4 /* unless told otherwise */ };

typedef struct decomposing {
    const char *picture, *outdir;
    bool levels_given;
    pyr_pyramid_settings settings;
    pyr_codes codes;
} decomposing;

/* As many levels as are wanted, or by default as fit. */
static void choose_levels(decomposing *d, const pyr_image *image)
{
    int most = pyr_pyramid_most_levels(image->h, image->w);

    if (d->levels_given || d->settings.levels <= most)
        return;
    d->settings.levels = most;
    pyr_tell("%s is %dx%d: it has %d level%s, not %d\n", d->picture, image->h, image->w, most,
             most == 1 ? "" : "s", LEVELS);
}

static pyr_status decompose(decomposing *d)
{
    pyr_image image = {0};
    float *pixels = NULL;
    size_t n;
    pyr_status status;

    PYR_TRY_OUT(pyr_image_read(&image, d->picture));
    if (image.turned)
        pyr_tell("%s: turned as the orientation in its file says\n", d->picture);
    choose_levels(d, &image);
    status = pyr_pyramid_check(&d->settings, image.h, image.w);
    if (status != PYR_OK) {
        pyr_fail_prefix(status, "%s", d->picture);
        goto out;
    }
    n = (size_t)image.h * (size_t)image.w * (size_t)image.c;
    PYR_TRY_OUT(pyr_new(&pixels, n, sizeof *pixels, "a picture"));
    if (image.bits == 16)
        pyr_pixels_from_words(pixels, image.at, n);
    else
        pyr_pixels_from_bytes(pixels, image.at, n);
    PYR_TRY_OUT(pyr_codes_new(&d->codes, &d->settings, image.h, image.w, image.c, image.bits));
    pyr_image_free(&image);
    PYR_TRY_OUT(pyr_decompose(&d->codes, pixels));
out:
    pyr_image_free(&image);
    pyr_free(pixels);
    return status;
}

/* ---- what is written and said -------------------------------------------------------------------- */

static double value_of(const pyr_codes *codes, int level, size_t i)
{
    const void *at = codes->value[level];

    return codes->type == PYR_F64 ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

static void print_level(const pyr_codes *codes, int level, double gain, const char *path)
{
    pyr_shape s = codes->shape[level];
    size_t n = pyr_count(s);
    double mean = 0, square = 0;
    char size[40];

    for (size_t i = 0; i < n; i++)
        mean += value_of(codes, level, i) / (double)n;
    mean = fabs(mean) < 5e-7 ? 0 : mean; /* no "-0.000000" */
    for (size_t i = 0; i < n; i++)
        square += pow(value_of(codes, level, i) - mean, 2) / (double)n;
    snprintf(size, sizeof size, "%dx%dx%d", s.h, s.w, s.c);
    pyr_print("level %-2d %-12s %-8s  mean %9.6f  std %8.6f  gain %-2g  %s\n", level, size,
              pyr_codes_kind(codes, level), mean, sqrt(square), gain, path);
}

static pyr_status write_view(const pyr_codes *codes, int level, double gain, const char *path)
{
    pyr_image view = {0};
    char title[64], what[64];
    pyr_png_text text[] = {{"Title", title}, {"Description", what}};
    int h, w;
    pyr_status status;

    snprintf(title, sizeof title, "level %d of %d (0 is the finest)", level, codes->settings.levels);
    snprintf(what, sizeof what, "%s, filter %s, gain %g", pyr_codes_kind(codes, level),
             pyr_filter_names[codes->settings.filter], gain);
    pyr_codes_view_size(codes, level, &h, &w);
    PYR_TRY_OUT(pyr_image_new(&view, h, w, 3, 8, path));
    PYR_TRY_OUT(pyr_codes_view(view.at, codes, level, gain));
    PYR_TRY_OUT(pyr_png_write(path, &view, text, sizeof text / sizeof *text));
out:
    pyr_image_free(&view);
    return status;
}

static pyr_status write_level(const decomposing *d, int level)
{
    double gain = pyr_codes_gain(&d->codes, level);
    char *path = pyr_strfmt("%s/level-%d.png", d->outdir, level);
    pyr_status status = path ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", d->outdir);

    if (status == PYR_OK)
        status = write_view(&d->codes, level, gain, path);
    if (status == PYR_OK)
        print_level(&d->codes, level, gain, path);
    pyr_free(path);
    return status;
}

static pyr_status write_all(const decomposing *d)
{
    char *path = pyr_path_join(d->outdir, PYR_CODES_NAME);
    pyr_text text = {0};
    pyr_status status;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", d->outdir);
    PYR_TRY_OUT(pyr_open_output_folder(d->outdir));
    PYR_TRY_OUT(pyr_codes_write(path, &d->codes));
    pyr_codes_describe(&d->codes, &text);
    pyr_print("%s: %s\n", d->picture, text.at ? text.at : "");
    for (int i = 0; i < d->codes.settings.levels; i++)
        PYR_TRY_OUT(write_level(d, i));
    pyr_print("exact codes: %s\n", path);
out:
    pyr_text_free(&text);
    pyr_free(path);
    return status;
}

/* --sigma was given. */
static pyr_status check_sigma(int filter)
{
    pyr_text words = {0};
    pyr_status status = PYR_OK;

    pyr_filters_with_sigma(&words);
    if (!pyr_filter_of(filter)->has_sigma)
        status = pyr_fail(PYR_E_ARG, "--sigma is of --filter %s, the filter is %s", words.at ? words.at : "",
                          pyr_filter_names[filter]);
    pyr_text_free(&words);
    return status;
}

static pyr_status run(void *typed, pyr_parsed *parsed)
{
    decomposing *d = typed;
    pyr_status status;

    if (pyr_option_given(parsed, "sigma"))
        PYR_TRY_OUT(check_sigma(d->settings.filter));
    d->picture = parsed->arguments[0];
    d->levels_given = pyr_option_given(parsed, "levels");
    PYR_TRY_OUT(decompose(d));
    PYR_TRY_OUT(write_all(d));
out:
    pyr_codes_free(&d->codes);
    return status;
}

static const pyr_option options[] = {
    OPT_INT(decomposing, settings.levels, "levels", "N", "4", 1, PYR_MAX_LEVELS,
            "images of the pyramid, the picture included; by default fewer if the picture is too small"),
    OPT_CHOICE(decomposing, settings.filter, "filter", "NAME", "box", pyr_filter_names,
               "filter that halves and enlarges images"),
    OPT_REAL(decomposing, settings.sigma, "sigma", "S", "1", 0, PYR_SIGMA_MAX,
             "width in pixels, for a filter that has one"),
    OPT_TEXT(decomposing, outdir, "outdir", "DIR", "codes", "folder that the levels are written to"),
    {0},
};

const pyr_command pyr_command_decompose = {
    .name = "decompose",
    .title = "split a picture into the levels of a pyramid",
    .arguments = "PICTURE",
    .least = 1,
    .most = 1,
    .summary = "Split a picture (" PYR_IMAGE_FORMATS ") into the levels of a pyramid: DIR/" PYR_CODES_NAME
               " holds them exactly (pyrdiff reconstruct makes the picture of it again, bit for bit), "
               "DIR/level-0.png (the finest) and so on show them: residuals and details as mid-grey "
               "plus gain times the value. A line tells of each level.",
    .examples = "  pyrdiff decompose photo.png --levels 4 --filter burt-adelson --outdir codes\n"
                "  pyrdiff reconstruct codes photo2.png\n",
    .options = options,
    .size = sizeof(decomposing),
    .run = run,
};
