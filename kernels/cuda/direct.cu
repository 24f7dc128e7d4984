/* direct.cu - convolutions by plain loops over registers: forward, gradients of images, gradients of
 * weights. */
#include "kernels/cuda/direct.h"

extern "C" {
#include "base/mem.h"
}

/* ---- y, and dx ---------------------------------------------------------------------------------
 *
 * A thread makes 4 pixels times 4 channels in registers: for each number that it reads of an image there are
 * 4 products, as many for each weight. Threads beside each other make the channels of the same pixels, so
 * that they read the same pixels and weights that follow one another. */

/* Pixel (y, x) of what is written meets, at tap (ky, kx), the pixel (y * mul + ky * step + top) / div of what
 * is read, where that is whole and inside. */
typedef struct meeting {
    int from_h, from_w, from_c, to_h, to_w, to_c;
    int kernel_h, kernel_w;
    int mul, step, top, left, div;
} meeting;

static meeting meeting_of(const pyr_direct *d, bool turned)
{
    if (turned) /* iy = oy * stride + ky - pad_top, solved for oy */
        return {d->out_h,    d->out_w, d->out, d->in_h,    d->in_w,     d->in,    d->kernel_h,
                d->kernel_w, 1,        -1,     d->pad_top, d->pad_left, d->stride};
    return {d->in_h,     d->in_w,   d->in, d->out_h,    d->out_w,     d->out, d->kernel_h,
            d->kernel_w, d->stride, 1,     -d->pad_top, -d->pad_left, 1};
}

/* Along one side; -1: outside. */
static __device__ inline int meets(int at, int tap, int mul, int step, int offset, int div, int size)
{
    int from = at * mul + tap * step + offset;

    if (from < 0 || from % div)
        return -1;
    return from / div < size ? from / div : -1;
}

static __device__ inline void read4(numbers t, size_t i, int n, bool aligned, float out[4])
{
    if (aligned)
        get4(t, i, 4, out);
    else
        for (int j = 0; j < 4; j++)
            out[j] = j < n ? get(t, i + j) : 0;
}

static __device__ inline void write_sums(numbers to, const meeting *m, const pyr_direct_more *more,
                                         size_t pixel, size_t image, int first, const float sum[4])
{
    for (int j = 0; j < 4 && first + j < m->to_c; j++) {
        size_t at = pixel * m->to_c + first + j;
        float value = sum[j];

        if (more->bias)
            value += more->bias[first + j];
        if (more->vector)
            value += more->vector[image * m->to_c + first + j];
        if (more->residual.data)
            value += get(more->residual, at);
        put_or_add(to, at, value * more->scale, more->add);
    }
}

static __global__ void direct_kernel(numbers to, numbers from, const float *packed, meeting m,
                                     pyr_direct_more more, size_t pixels)
{
    enum { PIXELS = 4 };
    size_t across = (m.to_c + 3) / 4, area = (size_t)m.to_h * m.to_w;
    bool aligned = m.from_c % 4 == 0;

    PYR_EACH(t, (pixels + PIXELS - 1) / PIXELS * across)
    {
        size_t first = t / across * PIXELS, image[PIXELS];
        int channel = (int)(t % across) * 4, y[PIXELS], x[PIXELS];
        float sum[PIXELS][4] = {{0}};

        for (int p = 0; p < PIXELS; p++) {
            size_t pixel = first + p < pixels ? first + p : pixels - 1;

            image[p] = pixel / area;
            y[p] = (int)(pixel % area) / m.to_w;
            x[p] = (int)(pixel % area) % m.to_w;
        }
        for (int ky = 0; ky < m.kernel_h; ky++)
            for (int kx = 0; kx < m.kernel_w; kx++) {
                const float *w = packed + ((size_t)(ky * m.kernel_w + kx) * m.from_c * across) * 4 + channel;
                size_t at[PIXELS];
                bool there[PIXELS];

                for (int p = 0; p < PIXELS; p++) {
                    int fy = meets(y[p], ky, m.mul, m.step, m.top, m.div, m.from_h);
                    int fx = meets(x[p], kx, m.mul, m.step, m.left, m.div, m.from_w);

                    there[p] = fy >= 0 && fx >= 0;
                    at[p] = there[p] ? ((image[p] * m.from_h + fy) * m.from_w + fx) * m.from_c : 0;
                }
                for (int c = 0; c < m.from_c; c += 4) {
                    int n = m.from_c - c < 4 ? m.from_c - c : 4;
                    float v[PIXELS][4] = {{0}};

                    for (int p = 0; p < PIXELS; p++)
                        if (there[p])
                            read4(from, at[p] + c, n, aligned, v[p]);
                    for (int q = 0; q < n; q++) {
                        float4 four = *(const float4 *)(w + (size_t)(c + q) * across * 4);

                        for (int p = 0; p < PIXELS; p++) {
                            sum[p][0] += v[p][q] * four.x;
                            sum[p][1] += v[p][q] * four.y;
                            sum[p][2] += v[p][q] * four.z;
                            sum[p][3] += v[p][q] * four.w;
                        }
                    }
                }
            }
        for (int p = 0; p < PIXELS && first + p < pixels; p++)
            write_sums(to, &m, &more, first + p, image[p], channel, sum[p]);
    }
}

pyr_status pyr_direct_run(pyr_kernels *k, const pyr_direct *d, bool turned, numbers to, numbers from,
                          const void *packed, const pyr_direct_more *more)
{
    meeting m = meeting_of(d, turned);
    size_t pixels = (size_t)d->n * m.to_h * m.to_w;

    return PYR_LAUNCH(k, direct_kernel, fours(pixels) * fours((size_t)m.to_c), to, from,
                      (const float *)packed, m, *more, pixels);
}

/* ---- weights ----------------------------------------------------------------------------------- */

size_t pyr_direct_packed_bytes(const pyr_direct *d, bool turned)
{
    size_t read = turned ? d->out : d->in, written = turned ? d->in : d->out;

    return (size_t)d->kernel_h * d->kernel_w * read * fours(written) * 4 * sizeof(float);
}

static __global__ void direct_pack_kernel(float *packed, const float *w, pyr_direct d, bool turned,
                                          size_t count)
{
    size_t area = (size_t)d.kernel_h * d.kernel_w, read = turned ? d.out : d.in,
           written = turned ? d.in : d.out;
    size_t wide = (written + 3) / 4 * 4;

    PYR_EACH(t, count)
    {
        size_t to = t % wide, from = t / wide % read, tap = t / wide / read;
        size_t o = turned ? from : to, i = turned ? to : from;

        packed[t] = to < written ? w[(o * d.w_in + d.w_first + i) * area + tap] : 0;
    }
}

pyr_status pyr_direct_pack(pyr_kernels *k, const pyr_direct *d, bool turned, void *packed, const float *w)
{
    size_t count = pyr_direct_packed_bytes(d, turned) / sizeof(float);

    return PYR_LAUNCH(k, direct_pack_kernel, count, (float *)packed, w, *d, turned, count);
}

/* ---- the weights' gradient ---------------------------------------------------------------------
 *
 * The output's pixels are cut into parts. A thread makes 4 x 4 weights of one tap for one part; the parts are
 * summed afterwards. */

static size_t weights_of(const pyr_direct *d)
{
    return (size_t)d->out * d->in * d->kernel_h * d->kernel_w;
}

static size_t gradient_threads(const pyr_direct *d) /* of a part */
{
    return fours((size_t)d->out) * fours((size_t)d->in) * d->kernel_h * d->kernel_w;
}

static size_t gradient_parts(const pyr_kernels *k, const pyr_direct *d)
{
    size_t pixels = (size_t)d->n * d->out_h * d->out_w, most = (pixels + 63) / 64;
    size_t wanted = (size_t)pyr_cuda_of(k)->processors * 1024 / gradient_threads(d);

    return wanted < 1 ? 1 : wanted < most ? wanted : most;
}

static __global__ void direct_gradient_kernel(float *out, numbers x, numbers dy, pyr_direct d, size_t parts)
{
    size_t across = (d.out + 3) / 4, down = (d.in + 3) / 4, area = (size_t)d.kernel_h * d.kernel_w;
    size_t pixels = (size_t)d.n * d.out_h * d.out_w, each = (pixels + parts - 1) / parts;
    bool aligned_in = d.in % 4 == 0, aligned_out = d.out % 4 == 0;

    PYR_EACH(t, parts * area * down * across)
    {
        int o = (int)(t % across) * 4, i = (int)(t / across % down) * 4;
        int tap = (int)(t / across / down % area), ky = tap / d.kernel_w, kx = tap % d.kernel_w;
        int n_o = d.out - o < 4 ? d.out - o : 4, n_i = d.in - i < 4 ? d.in - i : 4;
        size_t part = t / across / down / area,
               last = (part + 1) * each < pixels ? (part + 1) * each : pixels;
        float sum[4][4] = {{0}};

        for (size_t pixel = part * each; pixel < last; pixel++) {
            int oy = (int)(pixel / d.out_w % d.out_h), ox = (int)(pixel % d.out_w);
            int iy = oy * d.stride + ky - d.pad_top, ix = ox * d.stride + kx - d.pad_left;
            float v[4], g[4];

            if (iy < 0 || iy >= d.in_h || ix < 0 || ix >= d.in_w)
                continue;
            read4(x, ((pixel / d.out_w / d.out_h * d.in_h + iy) * d.in_w + ix) * d.in + i, n_i, aligned_in,
                  v);
            read4(dy, pixel * d.out + o, n_o, aligned_out, g);
            for (int a = 0; a < 4; a++)
                for (int b = 0; b < 4; b++)
                    sum[a][b] += v[a] * g[b];
        }
        for (int a = 0; a < n_i; a++)
            for (int b = 0; b < n_o; b++)
                out[((part * d.out + o + b) * d.in + i + a) * area + tap] = sum[a][b];
    }
}

size_t pyr_direct_gradient_bytes(const pyr_kernels *k, const pyr_direct *d)
{
    size_t parts = gradient_parts(k, d);

    return pyr_aligned(parts * weights_of(d) * sizeof(float)) + pyr_cuda_sums_bytes(1, parts, weights_of(d));
}

pyr_status pyr_direct_gradient(pyr_kernels *k, const pyr_direct *d, float *grad, bool add, float scale,
                               numbers x, numbers dy, void *scratch)
{
    size_t parts = gradient_parts(k, d), count = weights_of(d);
    float *of_parts = (float *)scratch;

    PYR_TRY(PYR_LAUNCH(k, direct_gradient_kernel, parts * gradient_threads(d), of_parts, x, dy, *d, parts));
    return pyr_cuda_sums(k, grad, add, scale, floats(of_parts), 1, parts, count,
                         (char *)scratch + pyr_aligned(parts * count * sizeof(float)));
}
