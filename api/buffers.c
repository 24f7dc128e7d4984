/* buffers.c - strided images in and out. */
#include "api/buffers.h"

#include "base/mem.h"
#include "pictures/pixels.h"
#include <math.h>
#include <string.h>

/* So many numbers at a time, so that nothing is allocated; and so many channels at most. */
enum { PIECE = 256 };

static size_t type_size(pyrdiff_type type)
{
    static const size_t size[] = {
        [PYRDIFF_U8] = 1, [PYRDIFF_U16] = 2, [PYRDIFF_F32] = sizeof(float), [PYRDIFF_F64] = sizeof(double)};

    return size[type];
}

pyr_status pyr_buffer_check(pyrdiff_images *out, const pyrdiff_images *images, const char *name, int64_t n,
                            pyr_shape shape)
{
    *out = *images;
    if (!images->data)
        return pyr_fail(PYR_E_ARG, "%s: data is NULL", name);
    if ((unsigned)images->type > PYRDIFF_F64)
        return pyr_fail(PYR_E_ARG, "%s: there is no type %d", name, (int)images->type);
    if (images->c > PIECE)
        return pyr_fail(PYR_E_ARG, "%s: has %d channels, should have at most %d", name, images->c, PIECE);
    if (images->n < 1 || images->h < 1 || images->w < 1 || images->c < 1)
        return pyr_fail(PYR_E_ARG, "%s: %lld images of %dx%dx%d: each should be 1 or more", name,
                        (long long)images->n, images->h, images->w, images->c);
    if (n && images->n != n)
        return pyr_fail(PYR_E_SHAPE, "%s: there are %lld, should be %lld", name, (long long)images->n,
                        (long long)n);
    if (shape.h && (images->h != shape.h || images->w != shape.w || images->c != shape.c))
        return pyr_fail(PYR_E_SHAPE, "%s: is %dx%dx%d, should be %dx%dx%d", name, images->h, images->w,
                        images->c, shape.h, shape.w, shape.c);
    if (!out->stride_c)
        out->stride_c = (ptrdiff_t)type_size(images->type);
    if (!out->stride_w)
        out->stride_w = out->stride_c * images->c;
    if (!out->stride_h)
        out->stride_h = out->stride_w * images->w;
    if (!out->stride_n)
        out->stride_n = out->stride_h * images->h;
    return PYR_OK;
}

static char *row_at(const pyrdiff_images *b, int64_t i, int y)
{
    return (char *)b->data + i * b->stride_n + y * b->stride_h;
}

static bool dense(const pyrdiff_images *b)
{
    return b->stride_c == (ptrdiff_t)type_size(b->type) && b->stride_w == b->stride_c * b->c;
}

static size_t row_size(const pyrdiff_images *b)
{
    return (size_t)b->w * (size_t)b->c;
}

/* A row's samples side by side in `to`, or from there; `size` is that of one. */
static void gather(void *to, const pyrdiff_images *b, const char *row)
{
    size_t size = type_size(b->type);
    char *at = to;

    if (dense(b)) {
        memcpy(to, row, row_size(b) * size);
        return;
    }
    for (int x = 0; x < b->w; x++)
        for (int j = 0; j < b->c; j++, at += size)
            memcpy(at, row + x * b->stride_w + j * b->stride_c, size);
}

static void scatter(const pyrdiff_images *b, char *row, const void *from)
{
    size_t size = type_size(b->type);
    const char *at = from;

    if (dense(b)) {
        memcpy(row, from, row_size(b) * size);
        return;
    }
    for (int x = 0; x < b->w; x++)
        for (int j = 0; j < b->c; j++, at += size)
            memcpy(row + x * b->stride_w + j * b->stride_c, at, size);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static double number_of(pyrdiff_type type, const void *raw, size_t i)
{
    switch (type) {
    case PYRDIFF_U8:
        return (2.0 * ((const uint8_t *)raw)[i] - 255) / 256;
    case PYRDIFF_U16:
        return (2.0 * ((const uint16_t *)raw)[i] - 65535) / 65536;
    case PYRDIFF_F32:
        return (double)((const float *)raw)[i];
    default:
        return ((const double *)raw)[i];
    }
}

typedef union raw {
    uint8_t bytes[PIECE];
    uint16_t words[PIECE];
    float floats[PIECE];
    double doubles[PIECE];
} raw;

typedef void (*take_piece)(void *ctx, const pyrdiff_images *piece, const raw *from, size_t at);

/* Every piece of images first .. first + n - 1, in order: `at` counts numbers. `from` is read when it is to be. */
static void each_piece(const pyrdiff_images *b, int64_t first, int64_t n, bool read, take_piece take,
                       void *ctx)
{
    int step = PIECE / b->c;
    size_t at = 0;

    for (int64_t i = first; i < first + n; i++)
        for (int y = 0; y < b->h; y++)
            for (int x = 0; x < b->w; x += step) {
                pyrdiff_images piece = *b;
                raw from;

                piece.w = b->w - x < step ? b->w - x : step;
                piece.data = row_at(b, i, y) + x * b->stride_w;
                if (read)
                    gather(&from, &piece, piece.data);
                take(ctx, &piece, &from, at);
                at += row_size(&piece);
            }
}

static void take_doubles(void *ctx, const pyrdiff_images *piece, const raw *from, size_t at)
{
    double *dst = ctx;

    for (size_t i = 0; i < row_size(piece); i++)
        dst[at + i] = number_of(piece->type, from, i);
}

static void take_floats(void *ctx, const pyrdiff_images *piece, const raw *from, size_t at)
{
    float *dst = ctx;

    for (size_t i = 0; i < row_size(piece); i++)
        dst[at + i] = (float)number_of(piece->type, from, i);
}

void pyr_buffer_floats(float *dst, const pyrdiff_images *from, int64_t first, int64_t n)
{
    each_piece(from, first, n, true, take_floats, dst);
}

void pyr_buffer_doubles(double *dst, const pyrdiff_images *from, int64_t first, int64_t n)
{
    each_piece(from, first, n, true, take_doubles, dst);
}

typedef struct putting {
    const float *floats;
    const double *doubles; /* one of the two */
} putting;

static void put_piece(void *ctx, const pyrdiff_images *piece, const raw *unused, size_t at)
{
    const putting *p = ctx;
    size_t n = row_size(piece);
    float numbers[PIECE];
    raw to;

    (void)unused;
    for (size_t i = 0; i < n; i++)
        numbers[i] = p->floats ? p->floats[at + i] : (float)p->doubles[at + i];
    switch (piece->type) {
    case PYRDIFF_U8:
        pyr_pixels_to_bytes(to.bytes, numbers, n);
        break;
    case PYRDIFF_U16:
        pyr_pixels_to_words(to.words, numbers, n);
        break;
    case PYRDIFF_F32:
        memcpy(to.floats, numbers, n * sizeof *numbers);
        break;
    case PYRDIFF_F64:
        for (size_t i = 0; i < n; i++)
            to.doubles[i] = p->doubles ? p->doubles[at + i] : (double)numbers[i];
        break;
    }
    scatter(piece, piece->data, &to);
}

void pyr_buffer_put_floats(const pyrdiff_images *to, int64_t first, int64_t n, const float *src)
{
    each_piece(to, first, n, false, put_piece, &(putting){.floats = src});
}

void pyr_buffer_put_doubles(const pyrdiff_images *to, int64_t first, int64_t n, const double *src)
{
    each_piece(to, first, n, false, put_piece, &(putting){.doubles = src});
}

/* ---- samples ----------------------------------------------------------------------------------- */

static void find_other(void *ctx, const pyrdiff_images *piece, const raw *from, size_t at)
{
    bool *other = ctx;

    (void)at;
    for (size_t i = 0; i < row_size(piece) && !*other; i++) {
        double x = number_of(piece->type, from, i), p = 128 * x + 127.5;

        *other = !(p >= 0 && p <= 255 && p == floor(p));
    }
}

int pyr_buffer_bits(const pyrdiff_images *from)
{
    bool other = false;

    if (from->type == PYRDIFF_U8 || from->type == PYRDIFF_U16)
        return from->type == PYRDIFF_U8 ? 8 : 16;
    each_piece(from, 0, from->n, true, find_other, &other);
    return other ? 16 : 8;
}

typedef struct sampling {
    char *dst;
    int bits;
} sampling;

/* Between bytes and words as pictures are converted (pictures/image.h). */
static void take_samples(void *ctx, const pyrdiff_images *piece, const raw *from, size_t at)
{
    const sampling *s = ctx;
    size_t n = row_size(piece);
    float numbers[PIECE];

    if (piece->type == PYRDIFF_U8 && s->bits == 16)
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)(void *)s->dst)[at + i] = (uint16_t)(257 * from->bytes[i]);
    else if (piece->type == PYRDIFF_U16 && s->bits == 8)
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)s->dst)[at + i] = (uint8_t)((from->words[i] + 128) / 257);
    else {
        take_floats(numbers, piece, from, 0);
        pyr_pixels_to_samples(s->dst + at * (size_t)(s->bits / 8), numbers, s->bits, n);
    }
}

static void put_samples(void *dst, const pyrdiff_images *from, int64_t first, int64_t n, int bits)
{
    each_piece(from, first, n, true, take_samples, &(sampling){dst, bits});
}

pyr_status pyr_buffer_samples(void **out, const pyrdiff_images *from, int bits)
{
    size_t n = (size_t)from->n * (size_t)from->h * row_size(from);

    PYR_TRY(pyr_new(out, n, (size_t)(bits / 8), "images"));
    put_samples(*out, from, 0, from->n, bits);
    return PYR_OK;
}

pyr_status pyr_buffer_picture(pyr_image *out, const pyrdiff_images *from, int64_t i, int bits,
                              const char *name)
{
    PYR_TRY(pyr_image_new(out, from->h, from->w, from->c, bits, name));
    put_samples(out->at, from, i, 1, bits);
    return PYR_OK;
}

pyr_status pyr_buffer_put_picture(const pyrdiff_images *to, int64_t i, const pyr_image *image)
{
    int bits = to->type == PYRDIFF_U8 ? 8 : to->type == PYRDIFF_U16 ? 16 : image->bits;
    size_t n = (size_t)to->h * row_size(to);
    uint16_t *samples; /* of either depth */
    float *values;
    pyr_status status;

    PYR_TRY(pyr_new(&samples, n, sizeof *samples, "a picture"));
    status = pyr_new(&values, n, sizeof *values, "a picture");
    if (status == PYR_OK) {
        pyr_image_convert(samples, image, to->c, bits);
        pyr_pixels_from_samples(values, samples, bits, n);
        pyr_buffer_put_floats(to, i, 1, values);
    }
    pyr_free(samples);
    pyr_free(values);
    return status;
}
