/* product_f32.c - 1x1 convolutions of floats: [pixels] x [in] times [in] x [out], read from the images as they lie and
 * written to them, so that a concatenation, a residual or a vector costs no pass.
 *
 * Weights: [block of outputs][in][OUTPUTS], zeros beyond the last output. */
#include "kernels/simd/conv_f32.h"
#include "kernels/simd/conv_parts.h"

#include <string.h>

/* Pixels that go through all outputs together: their channels stay in the first cache. */
enum { CHUNK = 120 };

static bool suits(const pyr_conv_size *size)
{
    return size->in * size->out >= 256; /* fewer are not worth packing */
}

static size_t pixels_of(const pyr_conv_size *size)
{
    return (size_t)size->n * (size_t)size->h * (size_t)size->w;
}

/* ---- forward and by data ----------------------------------------------------------------------- */

static size_t packed_bytes(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, 1);
}

static void pack(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed)
{
    (void)turned;
    for (int o = 0; o < size->out; o += OUTPUTS)
        for (int i = 0; i < size->in; i++, packed += OUTPUTS)
            for (int j = 0; j < OUTPUTS; j++)
                packed[j] = o + j < size->out ? w[(size_t)(o + j) * stride_out + (size_t)i * stride_in] : 0;
}

static size_t scratch(const pyr_conv_size *size)
{
    (void)size;
    return 0;
}

/* Rows of pixels: where each is read, in both tensors, and where it goes. */
typedef struct row {
    const float *at[2];
    int image;
    size_t pixel;
} row;

static row row_of(const pyr_conv_size *size, const pyr_conv_source *x, size_t pixel)
{
    size_t w = (size_t)size->w, h = (size_t)size->h, image = pixel / (h * w), y = pixel / w % h;
    size_t from = pixel;
    row r = {.image = (int)image, .pixel = pixel};

    if (x->h != size->h || x->w != size->w)
        from = (image * (size_t)x->h + y * (size_t)x->h / h) * (size_t)x->w + pixel % w * (size_t)x->w / w;
    for (int part = 0; part < 2 && x->c[part] > 0; part++)
        r.at[part] = (const float *)x->at[part] + from * (size_t)x->c[part];
    return r;
}

PYR_INLINE void multiply(int rows, const row *from, const int channels[2], const float *w, const target *t)
{
    vec sum[ROWS][VECTORS];

    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[r][v] = all(0);
    for (int part = 0; part < 2; part++) {
        const float *at[ROWS];

        UNROLL
        for (int r = 0; r < rows; r++)
            at[r] = from[r].at[part];
        add_products(rows, sum, at, w, channels[part]);
        w += (size_t)channels[part] * OUTPUTS;
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        if (t->part >= 0)
            put(t, from[r].image, from[r].pixel, v * LANES, sum[r][v]);
        else
            put_singly(t, from[r].image, from[r].pixel, v * LANES, sum[r][v]);
}

static void multiply_rows(int rows, const row *from, const int channels[2], const float *w, const target *t)
{
    BY_ROWS(rows, multiply, from, channels, w, t)
}

static void run(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *room)
{
    size_t all_pixels = pixels_of(size);

    (void)room;
    for (size_t first = 0; first < all_pixels; first += CHUNK) {
        int count = all_pixels - first < CHUNK ? (int)(all_pixels - first) : CHUNK;
        const float *w = packed;
        row rows[CHUNK];

        for (int i = 0; i < count; i++)
            rows[i] = row_of(size, x, first + (size_t)i);
        for (int o = 0; o < size->out; o += OUTPUTS, w += (size_t)size->in * OUTPUTS) {
            target t = target_of(size, y, o);

            if (!is_wanted(&t))
                continue;
            for (int i = 0, some; i < count; i += some) {
                some = next_rows(count - i);
                multiply_rows(some, rows + i, x->c, w, &t);
            }
        }
    }
}

/* ---- by weights -------------------------------------------------------------------------------- */

/* Sums of a gradient; a chunk of pixels of x (enlarged images) and of dy (channels that fill no block). */
static size_t gradient_scratch(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, 1) + (size_t)(CHUNK * (size->in + OUTPUTS)) * sizeof(float);
}

/* A chunk's pixels of x as one reads them with a constant step, for each tensor: as they lie, or copied. */
static void pixels_of_x(const pyr_conv_size *size, const pyr_conv_source *x, size_t first, int count,
                        float *room, const float *at[2])
{
    bool enlarged = x->h != size->h || x->w != size->w;

    for (int part = 0; part < 2; part++) {
        size_t c = (size_t)x->c[part];

        at[part] = c ? (const float *)x->at[part] + first * c : NULL;
        if (!enlarged || !c)
            continue;
        for (int i = 0; i < count; i++)
            memcpy(room + (size_t)i * c, row_of(size, x, first + (size_t)i).at[part], c * sizeof *room);
        at[part] = room;
    }
}

/* The sums of all outputs over a chunk of pixels. */
static void add_chunk(const pyr_conv_size *size, const pyr_conv_source *x, const float *const at[2],
                      const float *dy, int count, float *block, float *sums)
{
    for (int o = 0; o < size->out; o += OUTPUTS) {
        int outputs = smaller(OUTPUTS, size->out - o);
        size_t dy_step = outputs < OUTPUTS ? OUTPUTS : (size_t)size->out;
        const float *from = outputs < OUTPUTS ? block : dy + o;

        for (int i = 0; outputs < OUTPUTS && i < count; i++)
            for (int j = 0; j < OUTPUTS; j++)
                block[i * OUTPUTS + j] =
                    j < outputs ? dy[(size_t)i * (size_t)size->out + (size_t)(o + j)] : 0;
        for (int part = 0; part < 2; part++)
            for (int i = 0, rows; i < x->c[part]; i += rows, sums += (size_t)rows * OUTPUTS) {
                rows = next_rows(x->c[part] - i);
                multiply_turned_rows(rows, at[part] + i, (size_t)x->c[part], from, dy_step, BLOCK, count,
                                     true, sums);
            }
    }
}

static void gradient(const pyr_conv_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *to, bool add, float *room)
{
    size_t all_pixels = pixels_of(size), numbers = gradient_bytes_of(size, 1) / sizeof(float);
    float *x_copy = room + numbers, *block = x_copy + (size_t)CHUNK * (size_t)size->in;

    memset(room, 0, numbers * sizeof *room);
    for (size_t first = 0; first < all_pixels; first += CHUNK) {
        int count = all_pixels - first < CHUNK ? (int)(all_pixels - first) : CHUNK;
        const float *at[2];

        pixels_of_x(size, x, first, count, x_copy, at);
        add_chunk(size, x, at, (const float *)dy->at[0] + first * (size_t)size->out, count, block, room);
    }
    for (size_t i = 0; i < numbers; i += LANES)
        store(to + i, add ? load(to + i) + all(scale) * load(room + i) : all(scale) * load(room + i));
}

static size_t gradient_bytes(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, 1);
}

static void collect(const pyr_conv_size *size, const float *const *gradients, int count, float *dw)
{
    collect_taps(size, 1, gradients, count, dw);
}

const pyr_conv_f32 OF_SET(pyr_product) = {
    .taps = 1,
    .suits = suits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch = scratch,
    .run = run,
    .gradient_bytes = gradient_bytes,
    .gradient_scratch = gradient_scratch,
    .gradient = gradient,
    .collect = collect,
};
