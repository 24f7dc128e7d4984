/* images.cu - stored samples to numbers, the pyramid's resampling, the Haar bands. */
#include "kernels/cuda/cuda.h"

/* ---- samples ----------------------------------------------------------------------------------- */

static __global__ void pixels_kernel(float *dst, const void *samples, pyr_shape s, int bits,
                                     const uint32_t *flip, size_t count)
{
    float span = ldexpf(1, bits);

    PYR_EACH(i, count)
    {
        size_t at = i / s.c, channel = i % s.c, row = at / s.w, column = at % s.w;
        size_t from = (row * s.w + (flip && flip[row / s.h] ? s.w - 1 - column : column)) * s.c + channel;
        float p =
            bits <= 8 ? (float)((const uint8_t *)samples)[from] : (float)((const uint16_t *)samples)[from];

        dst[i] = (2 * p - (span - 1)) / span; /* exact in float up to 16 bits */
    }
}

static void cuda_pixels(pyr_kernels *k, void *dst, const void *samples, int n, pyr_shape s, int bits,
                        const uint32_t *flip)
{
    size_t count = (size_t)n * per_image(s);

    pyr_cuda_note(k, PYR_LAUNCH(k, pixels_kernel, count, (float *)dst, samples, s, bits, flip, count));
}

/* ---- resampling: rows into `mid` in double, then columns ------------------------------------------ */

static __global__ void resample_rows_kernel(double *mid, const float *src, pyr_axis rows, size_t line,
                                            size_t count)
{
    const float *tap = (const float *)rows.tap;

    PYR_EACH(i, count)
    {
        size_t l = i / line, image = l / rows.n_out, o = l % rows.n_out;
        const float *first = src + (image * rows.n_in + rows.start[o]) * line + i % line;
        double sum = 0;

        for (int j = 0; j < rows.width; j++)
            sum += (double)tap[o * rows.width + j] * (double)first[j * line];
        mid[i] = sum;
    }
}

static __global__ void resample_columns_kernel(float *dst, const double *mid, pyr_axis cols, int c,
                                               double grid, size_t count)
{
    const float *tap = (const float *)cols.tap;

    PYR_EACH(i, count)
    {
        size_t channel = i % c, o = i / c % cols.n_out, l = i / c / cols.n_out;
        const double *first = mid + (l * cols.n_in + cols.start[o]) * c + channel;
        double sum = 0;

        for (int j = 0; j < cols.width; j++)
            sum += (double)tap[o * cols.width + j] * first[(size_t)j * c];
        if (grid > 0)
            sum = nearbyint(sum / grid) * grid;
        dst[i] = (float)sum;
    }
}

static void cuda_resample(pyr_kernels *k, void *dst, const void *src, int n, int c, const pyr_axis *rows,
                          const pyr_axis *cols, double grid, void *scratch)
{
    size_t line = (size_t)cols->n_in * c, lines = (size_t)n * rows->n_out;
    size_t mid = lines * line, out = lines * cols->n_out * c;

    pyr_cuda_note(
        k, PYR_LAUNCH(k, resample_rows_kernel, mid, (double *)scratch, (const float *)src, *rows, line, mid));
    pyr_cuda_note(k, PYR_LAUNCH(k, resample_columns_kernel, out, (float *)dst, (const double *)scratch, *cols,
                                c, grid, out));
}

/* ---- Haar -------------------------------------------------------------------------------------- */

static __global__ void haar_split_kernel(float *dst, const float *x, pyr_shape s, pyr_shape half,
                                         size_t count)
{
    PYR_EACH(i, count) /* one channel of a block of four pixels */
    {
        size_t ch = i % s.c, at = i / s.c, ox = at % half.w, oy = at / half.w % half.h,
               n = at / half.w / half.h;
        size_t y1 = 2 * oy + 1 < (size_t)s.h ? 2 * oy + 1 : s.h - 1,
               x1 = 2 * ox + 1 < (size_t)s.w ? 2 * ox + 1 : s.w - 1;
        float a = x[pixel(s, n, 2 * oy, 2 * ox) + ch], b = x[pixel(s, n, 2 * oy, x1) + ch];
        float c = x[pixel(s, n, y1, 2 * ox) + ch], d = x[pixel(s, n, y1, x1) + ch];
        float *band = dst + at * 3 * s.c + ch;

        band[0] = (a + b - c - d) / 2;
        band[s.c] = (a - b + c - d) / 2;
        band[2 * s.c] = (a - b - c + d) / 2;
    }
}

static pyr_shape half_of(pyr_shape s)
{
    pyr_shape half = {s.n, (s.h + 1) / 2, (s.w + 1) / 2, s.c};

    return half;
}

static void cuda_haar_split(pyr_kernels *k, void *dst, const void *x, pyr_shape s)
{
    size_t count = pyr_count(half_of(s));

    pyr_cuda_note(
        k, PYR_LAUNCH(k, haar_split_kernel, count, (float *)dst, (const float *)x, s, half_of(s), count));
}

static __global__ void haar_merge_kernel(float *x, const float *mean, const float *detail, pyr_shape s,
                                         pyr_shape half, size_t count)
{
    PYR_EACH(i, count)
    {
        size_t ch = i % s.c, px = i / s.c % s.w, py = i / s.c / s.w % s.h, n = i / s.c / s.w / s.h;
        size_t at = (n * half.h + py / 2) * half.w + px / 2;
        const float *band = detail + at * 3 * s.c + ch;
        float lh = py % 2 ? -band[0] : band[0], hl = px % 2 ? -band[s.c] : band[s.c];
        float hh = (py + px) % 2 ? -band[2 * s.c] : band[2 * s.c];

        x[i] = mean[at * s.c + ch] + (lh + hl + hh) / 2;
    }
}

static void cuda_haar_merge(pyr_kernels *k, void *x, pyr_shape s, const void *coarse, const void *details)
{
    size_t count = pyr_count(s);

    pyr_cuda_note(k, PYR_LAUNCH(k, haar_merge_kernel, count, (float *)x, (const float *)coarse,
                                (const float *)details, s, half_of(s), count));
}

void pyr_cuda_fill_images(pyr_backend *b)
{
    b->pixels = cuda_pixels;
    b->resample = cuda_resample;
    b->haar_split = cuda_haar_split;
    b->haar_merge = cuda_haar_merge;
}
