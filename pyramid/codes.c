#include "pyramid/codes.h"

#include "base/mem.h"
#include "pyramid/ideal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* gcc in ISO mode does not fuse multiply and add; clang must be told, so that codes of a gaussian, too, are
 * the same wherever they are made. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* An image h x w x c of floats or doubles. */
typedef struct plane {
    pyr_type type;
    int h, w, c;
    void *at;
} plane;

/* ---- rows ------------------------------------------------------------------------------------------ */

static size_t row_length(const plane *p)
{
    return (size_t)p->w * (size_t)p->c;
}

static void load_row(double *dst, const plane *src, int y)
{
    size_t n = row_length(src);

    if (src->type == PYR_F64)
        memcpy(dst, (const double *)src->at + (size_t)y * n, n * sizeof *dst);
    else {
        const float *from = (const float *)src->at + (size_t)y * n;

        for (size_t i = 0; i < n; i++)
            dst[i] = (double)from[i];
    }
}

static void store_row(plane *dst, int y, const double *src)
{
    size_t n = row_length(dst);

    if (dst->type == PYR_F64)
        memcpy((double *)dst->at + (size_t)y * n, src, n * sizeof *src);
    else {
        float *to = (float *)dst->at + (size_t)y * n;

        for (size_t i = 0; i < n; i++)
            to[i] = (float)src[i];
    }
}

/* Half to even, as nearbyint: sums over 2^36 have no bits below 2^-16. */
static double on_grid(double v)
{
    return (v + 0x1.8p36) - 0x1.8p36;
}

static void round_row(double *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        row[i] = on_grid(row[i]);
}

/* Row y of rows (x) cols applied to src, rounded: the sums of pyr_kernels.resample in the same order, a row
 * at a time. `line`: a row of src. */
static void resample_row(double *out, const plane *src, const pyr_taps *rows, const pyr_taps *cols, int y,
                         double *line)
{
    size_t n = row_length(src), c = (size_t)src->c;
    const float *top = (const float *)src->at + (size_t)rows->start[y] * n;
    const double *tap = rows->tap + (size_t)y * (size_t)rows->width;

    assert(src->type == PYR_F32);
    for (size_t i = 0; i < n; i++)
        line[i] = tap[0] * (double)top[i];
    for (int j = 1; j < rows->width; j++)
        for (size_t i = 0; i < n; i++)
            line[i] += tap[j] * (double)top[(size_t)j * n + i];
    tap = cols->tap;
    for (int x = 0; x < cols->n_out; x++, tap += cols->width)
        for (size_t ch = 0; ch < c; ch++) {
            const double *from = line + (size_t)cols->start[x] * c + ch;
            double sum = tap[0] * from[0];

            for (int j = 1; j < cols->width; j++)
                sum += tap[j] * from[(size_t)j * c];
            *out++ = sum;
        }
}

/* ---- one halving ----------------------------------------------------------------------------------- */

/* coarse = d(fine) and value = fine - u(coarse); or without `coarse` to make, fine = value + u(coarse). */
static pyr_status laplace(const pyr_pyramid_settings *s, plane *fine, plane *coarse, plane *value, bool split)
{
    pyr_filter filter = (pyr_filter)s->filter;
    pyr_taps rows = {0}, cols = {0};
    double *out = NULL, *line = NULL, *held = NULL, sign = split ? 1 : -1;
    plane *base = split ? fine : value, *result = split ? value : fine;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&out, row_length(fine), sizeof *out, "a row of a picture"));
    PYR_TRY_OUT(pyr_new(&line, row_length(fine), sizeof *line, "a row of a picture"));
    PYR_TRY_OUT(pyr_new(&held, row_length(fine), sizeof *held, "a row of a picture"));
    if (split) {
        PYR_TRY_OUT(pyr_taps_down(&rows, filter, s->sigma, fine->h));
        PYR_TRY_OUT(pyr_taps_down(&cols, filter, s->sigma, fine->w));
        for (int y = 0; y < coarse->h; y++) {
            resample_row(out, fine, &rows, &cols, y, line);
            round_row(out, row_length(coarse));
            store_row(coarse, y, out);
        }
        pyr_taps_free(&rows);
        pyr_taps_free(&cols);
    }
    PYR_TRY_OUT(pyr_taps_up(&rows, filter, s->sigma, fine->h));
    PYR_TRY_OUT(pyr_taps_up(&cols, filter, s->sigma, fine->w));
    for (int y = 0; y < fine->h; y++) {
        resample_row(out, coarse, &rows, &cols, y, line);
        load_row(held, base, y);
        for (size_t i = 0; i < row_length(fine); i++)
            held[i] -= sign * on_grid(out[i]);
        store_row(result, y, held);
    }
out:
    pyr_free(out);
    pyr_free(line);
    pyr_free(held);
    pyr_taps_free(&rows);
    pyr_taps_free(&cols);
    return status;
}

/* One channel of a float plane to or from doubles. */
static void take_channel(double *dst, const plane *src, int ch)
{
    for (size_t i = 0; i < (size_t)src->h * (size_t)src->w; i++)
        dst[i] = (double)((const float *)src->at)[i * (size_t)src->c + (size_t)ch];
}

/* As laplace, channel by channel: a transform needs the whole channel in double. */
static pyr_status laplace_ideal(plane *fine, plane *coarse, plane *value, bool split)
{
    size_t fine_size = (size_t)fine->h * (size_t)fine->w, coarse_size = (size_t)coarse->h * (size_t)coarse->w;
    size_t c = (size_t)fine->c;
    pyr_dct *of_fine = NULL, *of_coarse = NULL;
    double *big = NULL, *small = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_dct_new(&of_fine, fine->h, fine->w, 1));
    PYR_TRY_OUT(pyr_dct_new(&of_coarse, coarse->h, coarse->w, 1));
    PYR_TRY_OUT(pyr_new(&big, fine_size, sizeof *big, "a channel of a picture"));
    PYR_TRY_OUT(pyr_new(&small, coarse_size, sizeof *small, "a channel of a picture"));
    for (size_t ch = 0; ch < c; ch++) {
        if (split) {
            float *at = coarse->at;

            take_channel(big, fine, (int)ch);
            pyr_ideal_down(small, big, of_coarse, of_fine);
            for (size_t i = 0; i < coarse_size; i++)
                at[i * c + ch] = (float)on_grid(small[i]);
        }
        take_channel(small, coarse, (int)ch); /* what was rounded */
        pyr_ideal_up(big, small, of_fine, of_coarse);
        float *whole = fine->at, *rest = value->at;
        for (size_t i = 0; i < fine_size; i++) {
            float l = (float)on_grid(big[i]);

            if (split)
                rest[i * c + ch] = whole[i * c + ch] - l;
            else
                whole[i * c + ch] = rest[i * c + ch] + l;
        }
    }
out:
    pyr_dct_free(of_fine);
    pyr_dct_free(of_coarse);
    pyr_free(big);
    pyr_free(small);
    return status;
}

/* The bands of pyr_kernels.haar_split with the 2x2 means, or back. In double throughout, which holds
 * 16 bits to 18 halvings. */
static pyr_status haar(plane *fine, plane *coarse, plane *value, bool split)
{
    size_t c = (size_t)fine->c, n = row_length(fine), half = row_length(coarse);
    double *top = NULL, *bottom = NULL, *mean = NULL, *bands = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&top, n, sizeof *top, "a row of a picture"));
    PYR_TRY_OUT(pyr_new(&bottom, n, sizeof *bottom, "a row of a picture"));
    PYR_TRY_OUT(pyr_new(&mean, half, sizeof *mean, "a row of a picture"));
    PYR_TRY_OUT(pyr_new(&bands, 3 * half, sizeof *bands, "a row of a picture"));
    for (int y = 0; y < coarse->h; y++) {
        int below = 2 * y + 1 < fine->h ? 2 * y + 1 : fine->h - 1;

        if (split) {
            load_row(top, fine, 2 * y);
            load_row(bottom, fine, below);
        } else {
            load_row(mean, coarse, y);
            load_row(bands, value, y);
        }
        for (size_t i = 0; i < half; i++) {
            size_t x = i / c, ch = i % c, left = 2 * x * c + ch,
                   right = 2 * x + 1 < (size_t)fine->w ? left + c : left;
            double *band = bands + 3 * x * c + ch;

            if (split) {
                double p = top[left], q = top[right], r = bottom[left], s = bottom[right];

                mean[i] = (p + q + r + s) / 4;
                band[0] = (p + q - r - s) / 2;
                band[c] = (p - q + r - s) / 2;
                band[2 * c] = (p - q - r + s) / 2;
            } else { /* where left is right or top is bottom, the details are 0 and the last one written is
                        right */
                double upper = mean[i] + band[0] / 2, lower = mean[i] - band[0] / 2;
                double rise = (band[c] + band[2 * c]) / 2, fall = (band[c] - band[2 * c]) / 2;

                top[right] = upper - rise;
                top[left] = upper + rise;
                bottom[right] = lower - fall;
                bottom[left] = lower + fall;
            }
        }
        if (split) {
            store_row(coarse, y, mean);
            store_row(value, y, bands);
        } else {
            if (2 * y + 1 < fine->h)
                store_row(fine, 2 * y + 1, bottom);
            store_row(fine, 2 * y, top);
        }
    }
out:
    pyr_free(top);
    pyr_free(bottom);
    pyr_free(mean);
    pyr_free(bands);
    return status;
}

static pyr_status halve(const pyr_pyramid_settings *s, plane *fine, plane *coarse, plane *value, bool split)
{
    if (s->filter == PYR_FILTER_HAAR)
        return haar(fine, coarse, value, split);
    if (s->filter == PYR_FILTER_IDEAL)
        return laplace_ideal(fine, coarse, value, split);
    return laplace(s, fine, coarse, value, split);
}

/* ---- codes ----------------------------------------------------------------------------------------- */

/* I_i */
static plane image_plane(const pyr_codes *codes, int level, pyr_type type, void *at)
{
    plane p = {type, codes->h, codes->w, codes->c, at};

    for (int i = 0; i < level; i++) {
        p.h = (p.h + 1) / 2;
        p.w = (p.w + 1) / 2;
    }
    return p;
}

static plane value_plane(const pyr_codes *codes, int level)
{
    pyr_shape s = codes->shape[level];

    return (plane){codes->type, s.h, s.w, s.c, codes->value[level]};
}

static pyr_status plane_new(plane *p)
{
    return pyr_new(&p->at, (size_t)p->h * row_length(p), pyr_type_size(p->type), "an image of the pyramid");
}

pyr_status pyr_codes_new(pyr_codes *out, const pyr_pyramid_settings *settings, int h, int w, int c, int bits)
{
    bool is_haar = settings->filter == PYR_FILTER_HAAR;
    int halvings = settings->levels - 1;
    pyr_status status;

    assert(h >= 1 && w >= 1);
    *out = (pyr_codes){.settings = *settings, .h = h, .w = w, .c = c, .bits = bits};
    if (c < 1 || c > 4)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "the picture has %d channels, should be 1..4", c));
    if (bits != 8 && bits != 16)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "the picture has %d bits a channel, should be 8 or 16", bits));
    PYR_TRY_OUT(pyr_pyramid_check(settings, h, w));
    out->type = is_haar && halvings > (bits == 8 ? 8 : 4) ? PYR_F64 : PYR_F32;
    for (int i = 0; i <= halvings; i++) {
        plane p = image_plane(out, is_haar && i < halvings ? i + 1 : i, out->type, NULL);

        p.c *= is_haar && i < halvings ? 3 : 1;
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
    plane fine = image_plane(codes, 0, PYR_F32, (void *)picture), coarse = {0};
    pyr_status status;

    PYR_TRY(check_pixels(codes, picture));
    if (last == 0) {
        memcpy(codes->value[0], picture, (size_t)fine.h * row_length(&fine) * sizeof *picture);
        return PYR_OK;
    }
    for (int i = 0; i < last; i++) {
        plane value = value_plane(codes, i);

        coarse = image_plane(codes, i + 1, codes->type, codes->value[last]);
        if (i + 1 < last)
            PYR_TRY_OUT(plane_new(&coarse));
        PYR_TRY_OUT(halve(&codes->settings, &fine, &coarse, &value, true));
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
static pyr_status rebuild(const pyr_codes *codes, int level, plane *result)
{
    int last = codes->settings.levels - 1;
    plane coarse = value_plane(codes, last), fine = {0};
    pyr_status status = PYR_OK;

    if (level == last) {
        size_t n = (size_t)result->h * row_length(result);

        /* haar in double: a picture with one level is never */
        assert(result->type == codes->type);
        memcpy(result->at, coarse.at, n * pyr_type_size(result->type));
        return PYR_OK;
    }
    for (int i = last - 1; i >= level; i--) {
        plane value = value_plane(codes, i);

        fine = *result;
        if (i > level) {
            fine = image_plane(codes, i, codes->type, NULL);
            PYR_TRY_OUT(plane_new(&fine));
        }
        PYR_TRY_OUT(halve(&codes->settings, &fine, &coarse, &value, false));
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
    plane result = image_plane(codes, 0, PYR_F32, picture);

    return rebuild(codes, 0, &result);
}

/* ---- pictures to look at --------------------------------------------------------------------------- */

static bool has_bands(const pyr_codes *codes, int level)
{
    assert(level >= 0 && level < codes->settings.levels);
    return codes->settings.filter == PYR_FILTER_HAAR && level < codes->settings.levels - 1;
}

void pyr_codes_view_size(const pyr_codes *codes, int level, int *h, int *w)
{
    int tiles = has_bands(codes, level) ? 2 : 1;

    *h = tiles * codes->shape[level].h;
    *w = tiles * codes->shape[level].w;
}

static double value_at(const plane *p, size_t i)
{
    return p->type == PYR_F64 ? ((const double *)p->at)[i] : (double)((const float *)p->at)[i];
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
    plane value = value_plane(codes, level);
    size_t n = (size_t)value.h * row_length(&value);
    double sum = 0;

    assert(level >= 0 && level < codes->settings.levels);
    if (level == codes->settings.levels - 1)
        return 1;
    for (size_t i = 0; i < n; i++)
        sum += value_at(&value, i) * value_at(&value, i);
    return pyr_view_gain(sqrt(sum / (double)n));
}

/* [-1, 1] to 0..255: a pixel of 8 bits gives itself. NaN, which a file may hold, is black. */
static uint8_t to_byte(double v)
{
    double p = 128 * v + 127.5;

    return p >= 255 ? 255 : p > 0 ? (uint8_t)nearbyint(p) : 0;
}

/* Channels first .. first + c of `src` as one tile of the view at (y0, x0). */
static void draw(uint8_t *rgb, int view_w, int y0, int x0, const plane *src, int first, int c, double gain)
{
    for (int y = 0; y < src->h; y++)
        for (int x = 0; x < src->w; x++)
            for (int i = 0; i < 3; i++) {
                size_t from = ((size_t)y * (size_t)src->w + (size_t)x) * (size_t)src->c + (size_t)first;
                size_t to = ((size_t)(y0 + y) * (size_t)view_w + (size_t)(x0 + x)) * 3 + (size_t)i;

                rgb[to] = to_byte(gain * value_at(src, from + (size_t)(c < 3 ? 0 : i)));
            }
}

/* Four tiles: the mean (NULL: mid-grey) and the three bands of c channels in `value`. */
static void draw_bands(uint8_t *rgb, const plane *value, const plane *mean, int c, double gain)
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

void pyr_variable_view(uint8_t *rgb, pyr_shape shape, bool haar, const float *variable, const float *coarse,
                       double gain)
{
    /* draw() only reads them */
    plane value = {PYR_F32, shape.h, shape.w, shape.c, (void *)(uintptr_t)variable};
    plane mean = {PYR_F32, shape.h, shape.w, shape.c / 3, (void *)(uintptr_t)coarse};

    if (haar)
        draw_bands(rgb, &value, coarse ? &mean : NULL, mean.c, gain);
    else
        draw(rgb, shape.w, 0, 0, &value, 0, shape.c, gain);
}

pyr_status pyr_codes_view(uint8_t *rgb, const pyr_codes *codes, int level, double gain)
{
    plane value = value_plane(codes, level), mean;
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
