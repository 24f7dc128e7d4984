/* codes.c - the codes of a picture: taken apart, put together, looked at. */
#include "pyramid/codes.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- codes ----------------------------------------------------------------------------------------- */

/* I_i */
static pyr_plane image_plane(const pyr_codes *codes, int level, pyr_type type, void *at)
{
    pyr_plane p = {type, codes->h, codes->w, codes->c, at};

    for (int i = 0; i < level; i++) {
        p.h = (p.h + 1) / 2;
        p.w = (p.w + 1) / 2;
    }
    return p;
}

static pyr_plane value_plane(const pyr_codes *codes, int level)
{
    pyr_shape s = codes->shape[level];

    return (pyr_plane){codes->type, s.h, s.w, s.c, codes->value[level]};
}

static pyr_status halve(const pyr_codes *codes, pyr_plane *fine, pyr_plane *coarse, pyr_plane *value,
                        bool split)
{
    const pyr_filter *filter = pyr_filter_of(codes->settings.filter);

    return filter->halve(filter,
                         &(pyr_halving){codes->settings.sigma, codes->bits, split, fine, coarse, value});
}

static pyr_status plane_new(pyr_plane *p)
{
    return pyr_new(&p->at, (size_t)p->h * pyr_plane_row(p), pyr_type_size(p->type),
                   "an image of the pyramid");
}

pyr_status pyr_codes_new(pyr_codes *out, const pyr_pyramid_settings *settings, int h, int w, int c, int bits)
{
    const pyr_filter *filter;
    int halvings = settings->levels - 1;
    pyr_status status;

    assert(h >= 1 && w >= 1);
    *out = (pyr_codes){.settings = *settings, .h = h, .w = w, .c = c, .bits = bits};
    if (c < 1 || c > 4)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "the picture has %d channels, should be 1..4", c));
    if (bits != 8 && bits != 16)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "the picture has %d bits a channel, should be 8 or 16", bits));
    PYR_TRY_OUT(pyr_pyramid_check(settings, h, w));
    filter = pyr_filter_of(settings->filter);
    out->type = halvings > filter->codes[bits == 16] ? PYR_F64 : PYR_F32;
    for (int i = 0; i <= halvings; i++) {
        bool bands = filter->bands && i < halvings;
        pyr_plane p = image_plane(out, bands ? i + 1 : i, out->type, NULL);

        p.c *= bands ? 3 : 1;
        out->shape[i] = (pyr_shape){1, p.h, p.w, p.c};
        PYR_TRY_OUT(plane_new(&p));
        out->value[i] = p.at;
    }
    return PYR_OK;
out:
    pyr_codes_free(out);
    return status;
}

void pyr_codes_free(pyr_codes *codes)
{
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(codes->value[i]);
    *codes = (pyr_codes){0};
}

/* (2p + 1 - 2^bits) / 2^bits: an odd whole number over 2^bits, inside (-1, 1). */
static bool is_pixel(float v, float scale)
{
    float s = v * scale;

    return s > -scale && s < scale && s == (float)(int)s && ((int)s & 1);
}

static pyr_status check_pixels(const pyr_codes *codes, const float *picture)
{
    float scale = codes->bits == 8 ? 0x1p8f : 0x1p16f;
    size_t row = (size_t)codes->w * (size_t)codes->c;

    for (int y = 0; y < codes->h; y++)
        for (size_t i = 0; i < row; i++)
            if (!is_pixel(picture[(size_t)y * row + i], scale))
                return pyr_fail(PYR_E_FORMAT,
                                "the picture's value %.9g at row %d, column %d is not a pixel of %d bits, "
                                "(2p - %d)/%d; codes would not be exact",
                                (double)picture[(size_t)y * row + i], y, (int)(i / (size_t)codes->c),
                                codes->bits, (1 << codes->bits) - 1, 1 << codes->bits);
    return PYR_OK;
}

pyr_status pyr_decompose(pyr_codes *codes, const float *picture)
{
    int last = codes->settings.levels - 1;
    /* halve() only reads `fine` when it splits */
    pyr_plane fine = image_plane(codes, 0, PYR_F32, (void *)picture), coarse = {0};
    pyr_status status;

    PYR_TRY(check_pixels(codes, picture));
    if (last == 0) {
        memcpy(codes->value[0], picture, (size_t)fine.h * pyr_plane_row(&fine) * sizeof *picture);
        return PYR_OK;
    }
    for (int i = 0; i < last; i++) {
        pyr_plane value = value_plane(codes, i);

        coarse = image_plane(codes, i + 1, codes->type, codes->value[last]);
        if (i + 1 < last)
            PYR_TRY_OUT(plane_new(&coarse));
        PYR_TRY_OUT(halve(codes, &fine, &coarse, &value, true));
        if (i > 0)
            pyr_free(fine.at);
        fine = coarse;
        coarse.at = NULL;
    }
    return PYR_OK;
out:
    if (fine.at != picture)
        pyr_free(fine.at);
    if (coarse.at != codes->value[last])
        pyr_free(coarse.at);
    return status;
}

/* I_level from the codes into `result`, which says its type. */
static pyr_status rebuild(const pyr_codes *codes, int level, pyr_plane *result)
{
    int last = codes->settings.levels - 1;
    pyr_plane coarse = value_plane(codes, last), fine = {0};
    pyr_status status = PYR_OK;

    if (level == last) {
        size_t n = (size_t)result->h * pyr_plane_row(result);

        /* a picture with one level is in float */
        assert(result->type == codes->type);
        memcpy(result->at, coarse.at, n * pyr_type_size(result->type));
        return PYR_OK;
    }
    for (int i = last - 1; i >= level; i--) {
        pyr_plane value = value_plane(codes, i);

        fine = *result;
        if (i > level) {
            fine = image_plane(codes, i, codes->type, NULL);
            PYR_TRY_OUT(plane_new(&fine));
        }
        PYR_TRY_OUT(halve(codes, &fine, &coarse, &value, false));
        if (coarse.at != codes->value[last])
            pyr_free(coarse.at);
        coarse = fine;
        fine.at = NULL;
    }
    return PYR_OK;
out:
    if (fine.at != result->at)
        pyr_free(fine.at);
    if (coarse.at != codes->value[last])
        pyr_free(coarse.at);
    return status;
}

pyr_status pyr_reconstruct(float *picture, const pyr_codes *codes)
{
    pyr_plane result = image_plane(codes, 0, PYR_F32, picture);

    return rebuild(codes, 0, &result);
}

/* ---- pictures to look at --------------------------------------------------------------------------- */

static bool has_bands(const pyr_codes *codes, int level)
{
    assert(level >= 0 && level < codes->settings.levels);
    return pyr_filter_of(codes->settings.filter)->bands && level < codes->settings.levels - 1;
}

void pyr_codes_view_size(const pyr_codes *codes, int level, int *h, int *w)
{
    int tiles = has_bands(codes, level) ? 2 : 1;

    *h = tiles * codes->shape[level].h;
    *w = tiles * codes->shape[level].w;
}

double pyr_view_gain(double rms)
{
    double gain = 1;

    while (gain < 64 && 4 * 2 * gain * rms <= 1)
        gain *= 2;
    return gain;
}

double pyr_codes_gain(const pyr_codes *codes, int level)
{
    pyr_plane value = value_plane(codes, level);
    size_t n = (size_t)value.h * pyr_plane_row(&value);
    double sum = 0;

    assert(level >= 0 && level < codes->settings.levels);
    if (level == codes->settings.levels - 1)
        return 1;
    for (size_t i = 0; i < n; i++) {
        double v = pyr_element(value.type, value.at, i);

        sum += v * v;
    }
    return pyr_view_gain(sqrt(sum / (double)n));
}

/* [-1, 1] to 0..255: a pixel of 8 bits gives itself. NaN, which a file may hold, is black. */
static uint8_t to_byte(double v)
{
    double p = 128 * v + 127.5;

    return p >= 255 ? 255 : p > 0 ? (uint8_t)nearbyint(p) : 0;
}

/* Channels first .. first + c of `src` as one tile of the view at (y0, x0). */
static void draw(uint8_t *rgb, int view_w, int y0, int x0, const pyr_plane *src, int first, int c,
                 double gain)
{
    for (int y = 0; y < src->h; y++)
        for (int x = 0; x < src->w; x++)
            for (int i = 0; i < 3; i++) {
                size_t from = ((size_t)y * (size_t)src->w + (size_t)x) * (size_t)src->c + (size_t)first;
                size_t to = ((size_t)(y0 + y) * (size_t)view_w + (size_t)(x0 + x)) * 3 + (size_t)i;

                rgb[to] = to_byte(gain * pyr_element(src->type, src->at, from + (size_t)(c < 3 ? 0 : i)));
            }
}

/* Four tiles: the mean (NULL: mid-grey) and the three bands of c channels in `value`. */
static void draw_bands(uint8_t *rgb, const pyr_plane *value, const pyr_plane *mean, int c, double gain)
{
    int h = value->h, w = value->w;

    for (int y = 0; y < h && !mean; y++)
        memset(rgb + (size_t)y * 2 * (size_t)w * 3, to_byte(0), (size_t)w * 3);
    if (mean)
        draw(rgb, 2 * w, 0, 0, mean, 0, c, 1);
    draw(rgb, 2 * w, h, 0, value, 0, c, gain);
    draw(rgb, 2 * w, 0, w, value, c, c, gain);
    draw(rgb, 2 * w, h, w, value, 2 * c, c, gain);
}

void pyr_variable_view(uint8_t *rgb, pyr_shape shape, bool bands, const float *variable, const float *coarse,
                       double gain)
{
    /* draw() only reads them */
    pyr_plane value = {PYR_F32, shape.h, shape.w, shape.c, (void *)(uintptr_t)variable};
    pyr_plane mean = {PYR_F32, shape.h, shape.w, shape.c / 3, (void *)(uintptr_t)coarse};

    if (bands)
        draw_bands(rgb, &value, coarse ? &mean : NULL, mean.c, gain);
    else
        draw(rgb, shape.w, 0, 0, &value, 0, shape.c, gain);
}

pyr_status pyr_codes_view(uint8_t *rgb, const pyr_codes *codes, int level, double gain)
{
    pyr_plane value = value_plane(codes, level), mean;
    int c = codes->c;
    pyr_status status;

    if (!has_bands(codes, level)) {
        draw(rgb, value.w, 0, 0, &value, 0, c, level == codes->settings.levels - 1 ? 1 : gain);
        return PYR_OK;
    }
    mean = image_plane(codes, level + 1, codes->type, NULL);
    PYR_TRY_OUT(plane_new(&mean));
    PYR_TRY_OUT(rebuild(codes, level + 1, &mean));
    draw_bands(rgb, &value, &mean, c, gain);
out:
    pyr_free(mean.at);
    return status;
}
