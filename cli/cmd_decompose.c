/* cmd_decompose.c - pyrdiff decompose: the levels of a picture's pyramid, exact and to look at. */
#include "cli/cli.h"
#include "cli/watch.h"
#include "include/pyrdiff.h"
#include "terminal/output.h"
#include <stdio.h>

typedef struct typed {
    const char *outdir;
    int levels, filter;
    double sigma;
} typed;

typedef struct decomposing {
    const typed *typed;
    const char *picture;
    pyrdiff_codes *codes;
} decomposing;

/* The picture in its own depth: *out is its memory, for the caller to free. */
static pyr_status read_picture(void **out, pyrdiff_images *image, const char *path)
{
    pyrdiff_data_facts facts = {.size = sizeof facts};
    pyrdiff_data *data = NULL;
    pyr_status status;

    *out = NULL;
    PYR_TRY_OUT(pyrdiff_data_pictures(&data, path, -1, NULL, NULL));
    PYR_TRY_OUT(pyrdiff_data_facts_of(data, 0, &facts));
    if (facts.turned)
        pyr_tell("%s: turned as the orientation in its file says\n", path);
    PYR_TRY_OUT(pyr_new(out, (size_t)facts.h * (size_t)facts.w * (size_t)facts.c, (size_t)facts.bits / 8,
                        "a picture"));
    *image = (pyrdiff_images){.data = *out,
                              .type = facts.bits == 16 ? PYRDIFF_U16 : PYRDIFF_U8,
                              .n = 1,
                              .h = facts.h,
                              .w = facts.w,
                              .c = facts.c};
    status = pyrdiff_data_read(data, 0, image);
out:
    pyrdiff_data_free(data);
    return status;
}

static pyr_status decompose(decomposing *d, const pyr_parsed *parsed)
{
    const typed *t = d->typed;
    pyrdiff_codes_facts facts = {.size = sizeof facts};
    pyrdiff_images image;
    void *memory;
    pyr_passed options = pyr_pass_options(parsed, (const char *const[]){"levels", "filter", "sigma", NULL});
    pyr_status status;

    PYR_TRY_OUT(read_picture(&memory, &image, d->picture));
    status = pyrdiff_decompose(&d->codes, &image, options.at);
    if (status == PYR_E_CONFIG)
        pyr_fail_prefix(status, "%s", d->picture);
    PYR_TRY_OUT(status);
    PYR_TRY_OUT(pyrdiff_codes_facts_of(d->codes, 0, &facts));
    if (facts.levels < t->levels)
        pyr_tell("%s is %dx%d: it has %d level%s, not %d\n", d->picture, image.h, image.w, facts.levels,
                 facts.levels == 1 ? "" : "s", t->levels);
out:
    pyr_free(memory);
    return status;
}

/* ---- what is written and said -------------------------------------------------------------------- */

static pyr_status write_view(const decomposing *d, int level, const pyrdiff_codes_facts *f, const char *path)
{
    char title[64], what[64];
    pyrdiff_images view = {.type = PYRDIFF_U8, .n = 1, .h = f->view_h, .w = f->view_w, .c = 3};
    pyr_status status;

    snprintf(title, sizeof title, "level %d of %d (0 is the finest)", level, f->levels);
    snprintf(what, sizeof what, "%s, filter %s, gain %g", f->kind, f->filter, f->gain);
    PYR_TRY(pyr_new(&view.data, (size_t)f->view_h * (size_t)f->view_w, 3, "a view"));
    PYR_TRY_OUT(pyrdiff_codes_view(d->codes, level, f->gain, &view));
    PYR_TRY_OUT(pyrdiff_png_write(path, &view, 1, NULL,
                                  (const char *const[]){"Title", title, "Description", what, NULL}));
out:
    pyr_free(view.data);
    return status;
}

static pyr_status write_level(const decomposing *d, int level)
{
    pyrdiff_codes_facts f = {.size = sizeof f};
    char *path, size[40];
    pyr_status status;

    PYR_TRY(pyr_format(&path, "%s/level-%d.png", d->typed->outdir, level));
    PYR_TRY_OUT(pyrdiff_codes_facts_of(d->codes, level, &f));
    PYR_TRY_OUT(write_view(d, level, &f, path));
    snprintf(size, sizeof size, "%dx%dx%d", f.values.h, f.values.w, f.values.c);
    pyr_print("level %-2d %-12s %-8s  mean %9.6f  std %8.6f  gain %-2g  %s\n", level, size, f.kind, f.mean,
              f.deviation, f.gain, path);
out:
    pyr_free(path);
    return status;
}

static pyr_status write_all(const decomposing *d)
{
    static const char *const channels[] = {"grey", "grey+alpha", "RGB", "RGBA"};
    pyrdiff_codes_facts f = {.size = sizeof f};
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, d->typed->outdir, "codes.safetensors"));
    PYR_TRY_OUT(pyr_open_output_folder(d->typed->outdir));
    PYR_TRY_OUT(pyrdiff_codes_write(d->codes, path));
    PYR_TRY_OUT(pyrdiff_codes_facts_of(d->codes, 0, &f));
    pyr_print("%s: %dx%d %s, %d bits; %d level%s, filter %s", d->picture, f.h, f.w, channels[f.c - 1], f.bits,
              f.levels, f.levels == 1 ? "" : "s", f.filter);
    if (f.sigma > 0)
        pyr_print(" of sigma %g", f.sigma);
    pyr_print("\n");
    for (int i = 0; i < f.levels; i++)
        PYR_TRY_OUT(write_level(d, i));
    pyr_print("exact codes: %s\n", path);
out:
    pyr_free(path);
    return status;
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    decomposing d = {.typed = at, .picture = parsed->arguments[0]};
    pyr_status status = decompose(&d, parsed);

    if (status == PYR_OK)
        status = write_all(&d);
    pyrdiff_codes_free(d.codes);
    return status;
}

static const pyr_option options[] = {
    OPT_INT(typed, levels, "levels", "N", "4", 1, PYRDIFF_MAX_LEVELS,
            "images of the pyramid, the picture included; by default fewer if the picture is too small"),
    OPT_CHOICE(typed, filter, "filter", "NAME", "box", pyr_filter_names,
               "filter that halves and enlarges images"),
    OPT_REAL(typed, sigma, "sigma", "S", "1", 0, 256, "width in pixels, for a filter that has one"),
    OPT_TEXT(typed, outdir, "outdir", "DIR", "codes", "folder that the levels are written to"),
    {0},
};

const pyr_command pyr_command_decompose = {
    .name = "decompose",
    .title = "split a picture into the levels of a pyramid",
    .arguments = "PICTURE",
    .least = 1,
    .most = 1,
    .summary =
        "Split a picture (PNG, JPEG, WebP, TIFF) into the levels of a pyramid: DIR/codes.safetensors holds "
        "them exactly (pyrdiff reconstruct makes the picture of it again, bit for bit), DIR/level-0.png (the "
        "finest) and so on show them: residuals and details as mid-grey plus gain times the value. A line "
        "tells of each level.",
    .examples = "  pyrdiff decompose photo.png --levels 4 --filter burt-adelson --outdir codes\n"
                "  pyrdiff reconstruct codes photo2.png\n",
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
