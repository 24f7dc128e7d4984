/* api_codes.c - the exact pyramid of one picture, in memory, in a file, and to look at. */
#include "api/buffers.h"
#include "api/choices.h"

#include "base/mem.h"
#include "pictures/pixels.h"
#include "pyramid/codes_file.h"
#include <math.h>
#include <stddef.h>

struct pyrdiff_codes {
    pyr_codes at;
};

static const pyr_setting rows[] = {
    {"levels", PYR_SETTING_INT, offsetof(pyr_pyramid_settings, levels), 1, PYR_MAX_LEVELS, "4", NULL, NULL},
    {"filter", PYR_SETTING_CHOICE, offsetof(pyr_pyramid_settings, filter), 0, 0, "box", pyr_filter_names,
     NULL},
    {"sigma", PYR_SETTING_REAL, offsetof(pyr_pyramid_settings, sigma), 0, PYR_SIGMA_MAX, "1", NULL, NULL},
};

void pyrdiff_codes_free(pyrdiff_codes *codes)
{
    if (!codes)
        return;
    pyr_codes_free(&codes->at);
    pyr_free(codes);
}

/* What is half made is no handle. */
static pyr_status keep(pyrdiff_codes **out, pyr_status status)
{
    if (status != PYR_OK) {
        pyrdiff_codes_free(*out);
        *out = NULL;
    }
    return status;
}

static pyr_status new_codes(pyrdiff_codes **out)
{
    return pyr_new(out, 1, sizeof **out, "the codes of a picture");
}

/* ---- there and back -------------------------------------------------------------------------------- */

/* A sigma was given. */
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

static pyr_status read_settings(pyr_pyramid_settings *out, const char *const *options, int h, int w)
{
    int most = pyr_pyramid_most_levels(h, w);

    *out = (pyr_pyramid_settings){0};
    PYR_TRY(pyr_choices_read(out, rows, sizeof rows / sizeof *rows, options));
    if (!pyr_choice_given(options, "levels") && out->levels > most)
        out->levels = most;
    if (pyr_choice_given(options, "sigma"))
        PYR_TRY(check_sigma(out->filter));
    return pyr_pyramid_check(out, h, w);
}

static pyr_status decompose(pyrdiff_codes **out, const pyrdiff_images *picture, const char *const *options)
{
    pyr_pyramid_settings settings;
    pyrdiff_images from;
    float *pixels;
    pyr_status status;

    PYR_TRY(new_codes(out));
    PYR_TRY(pyr_buffer_check(&from, picture, "the picture", 1, (pyr_shape){0}));
    PYR_TRY(read_settings(&settings, options, from.h, from.w));
    PYR_TRY(pyr_new(&pixels, (size_t)from.h * (size_t)from.w * (size_t)from.c, sizeof *pixels, "a picture"));
    pyr_buffer_floats(pixels, &from, 0, 1);
    PYR_TRY_OUT(pyr_codes_new(&(*out)->at, &settings, from.h, from.w, from.c, pyr_buffer_bits(&from)));
    status = pyr_decompose(&(*out)->at, pixels);
out:
    pyr_free(pixels);
    return status;
}

int pyrdiff_decompose(pyrdiff_codes **out, const pyrdiff_images *picture, const char *const *options)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, keep(out, decompose(out, picture, options)));
}

static pyr_status reconstruct(const pyr_codes *codes, const pyrdiff_images *picture)
{
    pyrdiff_images to;
    pyr_shape s = {1, codes->h, codes->w, codes->c};
    float *pixels;
    pyr_status status;

    PYR_TRY(pyr_buffer_check(&to, picture, "the picture", 1, s));
    PYR_TRY(pyr_new(&pixels, pyr_count(s), sizeof *pixels, "a picture"));
    status = pyr_reconstruct(pixels, codes);
    if (status == PYR_OK)
        pyr_buffer_put_floats(&to, 0, 1, pixels);
    pyr_free(pixels);
    return status;
}

int pyrdiff_reconstruct(const pyrdiff_codes *codes, const pyrdiff_images *picture)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, reconstruct(&codes->at, picture));
}

/* ---- files ------------------------------------------------------------------------------------------ */

int pyrdiff_codes_write(const pyrdiff_codes *codes, const char *path)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, pyr_codes_write(path, &codes->at));
}

static pyr_status read_codes(pyrdiff_codes **out, const char *path)
{
    PYR_TRY(new_codes(out));
    return pyr_codes_read(&(*out)->at, path);
}

int pyrdiff_codes_read(pyrdiff_codes **out, const char *path)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, keep(out, read_codes(out, path)));
}

/* ---- a level ---------------------------------------------------------------------------------------- */

static double value_of(const pyr_codes *codes, int level, size_t i)
{
    const void *at = codes->value[level];

    return codes->type == PYR_F64 ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

static void measure(pyrdiff_codes_facts *f, const pyr_codes *codes, int level)
{
    size_t n = pyr_count(codes->shape[level]);
    double square = 0;

    for (size_t i = 0; i < n; i++)
        f->mean += value_of(codes, level, i) / (double)n;
    f->mean = fabs(f->mean) < 5e-7 ? 0 : f->mean; /* no "-0.000000" */
    for (size_t i = 0; i < n; i++)
        square += pow(value_of(codes, level, i) - f->mean, 2) / (double)n;
    f->deviation = sqrt(square);
}

static pyr_status check_level(const pyr_codes *codes, int level)
{
    if (level >= 0 && level < codes->settings.levels)
        return PYR_OK;
    return pyr_fail(PYR_E_ARG, "level is %d, should be 0..%d", level, codes->settings.levels - 1);
}

static void facts_of(pyrdiff_codes_facts *f, const pyr_codes *codes, int level)
{
    pyr_shape s = codes->shape[level];

    *f = (pyrdiff_codes_facts){
        .levels = codes->settings.levels,
        .h = codes->h,
        .w = codes->w,
        .c = codes->c,
        .bits = codes->bits,
        .filter = pyr_filter_names[codes->settings.filter],
        .sigma = pyr_filter_of(codes->settings.filter)->has_sigma ? codes->settings.sigma : 0,
        .kind = pyr_codes_kind(codes, level),
        .values = {.data = codes->value[level],
                   .type = codes->type == PYR_F64 ? PYRDIFF_F64 : PYRDIFF_F32,
                   .n = 1,
                   .h = s.h,
                   .w = s.w,
                   .c = s.c},
        .gain = pyr_codes_gain(codes, level)};
    pyr_codes_view_size(codes, level, &f->view_h, &f->view_w);
    measure(f, codes, level);
}

int pyrdiff_codes_facts_of(const pyrdiff_codes *codes, int level, pyrdiff_codes_facts *facts)
{
    pyrdiff_codes_facts own = {0};
    pyr_status status;
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    status = check_level(&codes->at, level);
    if (status == PYR_OK)
        facts_of(&own, &codes->at, level);
    pyr_give(facts, &own, sizeof own);
    return pyr_call_end(&call, status);
}

static pyr_status view(const pyr_codes *codes, int level, double gain, const pyrdiff_images *images)
{
    pyr_shape s = {.n = 1, .c = 3};
    pyrdiff_images to;
    uint8_t *rgb = NULL;
    float *values = NULL;
    pyr_status status;

    PYR_TRY(check_level(codes, level));
    pyr_codes_view_size(codes, level, &s.h, &s.w);
    PYR_TRY(pyr_buffer_check(&to, images, "the view", 1, s));
    PYR_TRY_OUT(pyr_new(&rgb, pyr_count(s), 1, "a view"));
    PYR_TRY_OUT(pyr_new(&values, pyr_count(s), sizeof *values, "a view"));
    PYR_TRY_OUT(pyr_codes_view(rgb, codes, level, gain));
    pyr_pixels_from_bytes(values, rgb, pyr_count(s));
    pyr_buffer_put_floats(&to, 0, 1, values);
out:
    pyr_free(rgb);
    pyr_free(values);
    return status;
}

int pyrdiff_codes_view(const pyrdiff_codes *codes, int level, double gain, const pyrdiff_images *to)
{
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    return pyr_call_end(&call, view(&codes->at, level, gain, to));
}
