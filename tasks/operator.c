/* operator.c - blur, averaging and other linear operators as products of axes, and their adjoints. */
#include "tasks/operator.h"

#include "base/mem.h"
#include "base/mirror.h"
#include "base/philox.h"
#include "pyramid/ideal.h"
#include <math.h>
#include <string.h>

const char *const pyr_operator_names[] = {"blur",   "box",     "missing",  "bicubic",
                                          "motion", "fourier", "identity", NULL};
const char *const pyr_pattern_names[] = {"random", "spiral", NULL};

/* ---- axes ---------------------------------------------------------------------------------------- */

static pyr_status axis_new(pyr_host_axis *a, int n_in, int n_out, int width)
{
    *a = (pyr_host_axis){.n_in = n_in, .n_out = n_out, .width = width};
    PYR_TRY(pyr_new(&a->start, (size_t)n_out, sizeof *a->start, "an operator"));
    return pyr_new(&a->tap, (size_t)n_out * (size_t)width, sizeof *a->tap, "an operator");
}

/* Gaussian weights out to four standard deviations, folded in at the borders: ..., 1, 0 | 0, 1, ... */
static pyr_status blur_axis(pyr_host_axis *a, int n, double sigma)
{
    int reach = (int)ceil(4 * sigma), width = 2 * reach + 1 < n ? 2 * reach + 1 : n;
    double sum = 0;

    PYR_TRY(axis_new(a, n, n, width));
    for (int j = -reach; j <= reach; j++)
        sum += exp(-0.5 * j * j / (sigma * sigma));
    for (int o = 0; o < n; o++) {
        int start = o - reach;

        start = start > n - width ? n - width : start;
        a->start[o] = start < 0 ? 0 : start;
        for (int j = -reach; j <= reach; j++) {
            int at = pyr_mirrored(o + j, n);

            a->tap[o * width + at - a->start[o]] += exp(-0.5 * j * j / (sigma * sigma)) / sum;
        }
    }
    return PYR_OK;
}

static pyr_status box_axis(pyr_host_axis *a, int n, int side)
{
    int n_out = (n + side - 1) / side, width = side < n ? side : n;

    PYR_TRY(axis_new(a, n, n_out, width));
    for (int o = 0; o < n_out; o++) {
        int first = o * side, last = first + side < n ? first + side : n;

        a->start[o] = first > n - width ? n - width : first;
        for (int at = first; at < last; at++)
            a->tap[o * width + at - a->start[o]] = 1.0 / (last - first);
    }
    return PYR_OK;
}

/* Keys 1981, equation 15, with a = -1/2. */
static double cubic(double x)
{
    x = fabs(x);
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static pyr_status bicubic_axis(pyr_host_axis *a, int n, double by)
{
    int n_out = (int)ceil(n / by), width = (int)ceil(4 * by) + 1 < n ? (int)ceil(4 * by) + 1 : n;
    double step = (double)n / n_out; /* as far as y reaches, x does */

    PYR_TRY(axis_new(a, n, n_out, width));
    for (int o = 0; o < n_out; o++) {
        double middle = (o + 0.5) * step - 0.5, sum = 0;
        int start = (int)ceil(middle - 2 * step);

        start = start > n - width ? n - width : start;
        a->start[o] = start < 0 ? 0 : start;
        for (int j = 0; j < width; j++)
            sum += a->tap[o * width + j] = cubic((a->start[o] + j - middle) / step);
        for (int j = 0; j < width; j++)
            a->tap[o * width + j] /= sum;
    }
    return PYR_OK;
}

/* One axis of an array of `outer` blocks of n rows of `inner` numbers. */
static void along(const pyr_host_axis *a, double *dst, const double *src, size_t outer, size_t inner,
                  bool adjoint)
{
    size_t n_in = (size_t)a->n_in, n_out = (size_t)a->n_out;

    memset(dst, 0, outer * (adjoint ? n_in : n_out) * inner * sizeof *dst);
    for (size_t block = 0; block < outer; block++)
        for (size_t o = 0; o < n_out; o++)
            for (size_t j = 0; j < (size_t)a->width; j++) {
                double tap = a->tap[o * (size_t)a->width + j];
                size_t in = (block * n_in + (size_t)a->start[o] + j) * inner,
                       out = (block * n_out + o) * inner;

                for (size_t i = 0; i < inner && tap != 0; i++)
                    if (adjoint)
                        dst[in + i] += tap * src[out + i];
                    else
                        dst[out + i] += tap * src[in + i];
            }
}

/* ---- the operators ------------------------------------------------------------------------------- */

static int opposite(int i, int n)
{
    return (n - i) % n;
}

/* fourier: both of a pair or none. */
static pyr_status new_missing(pyr_operator *a, const uint8_t *missing)
{
    int h = a->in.h, w = a->in.w;

    PYR_TRY(pyr_new(&a->seen, (size_t)h * (size_t)w, 1, "an operator"));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            a->seen[y * w + x] = !missing[y * w + x] && (a->kind != PYR_OPERATOR_FOURIER ||
                                                         !missing[opposite(y, h) * w + opposite(x, w)]);
    if (a->kind == PYR_OPERATOR_FOURIER)
        return pyr_hartley_new(&a->hartley, h, w, a->in.c);
    return PYR_OK;
}

pyr_status pyr_operator_motion(pyr_operator *out, const double *kernel, int h, int w, pyr_shape image)
{
    size_t n = (size_t)h * (size_t)w;
    double sum = 0;

    *out =
        (pyr_operator){.kind = PYR_OPERATOR_MOTION, .in = image, .out = image, .kernel_h = h, .kernel_w = w};
    for (size_t i = 0; i < n; i++)
        sum += kernel[i];
    if (!(sum > 0))
        return pyr_fail(PYR_E_ARG, "the kernel's sum is %g, should be over 0", sum);
    PYR_TRY(pyr_new(&out->kernel, n, sizeof *kernel, "a kernel"));
    for (size_t i = 0; i < n; i++)
        out->kernel[i] = kernel[i] / sum;
    return PYR_OK;
}

/* Points along the line, eight a pixel, each shared among the four pixels about it. */
pyr_status pyr_line_kernel(double **out, int *side, double length, double angle)
{
    int points = (int)ceil(8 * length), reach = (int)ceil(length / 2);
    double radian = angle * acos(-1) / 180, cosine = cos(radian), sine = sin(radian);

    *side = 2 * reach + 3;
    PYR_TRY(pyr_new(out, (size_t)*side * (size_t)*side, sizeof **out, "a kernel"));
    for (int i = 0; i < points; i++) {
        double t = length * ((i + 0.5) / points - 0.5), x = t * cosine + reach + 1, y = -t * sine + reach + 1;
        int left = (int)floor(x), top = (int)floor(y);

        for (int j = 0; j < 4; j++)
            (*out)[(top + j / 2) * *side + left + j % 2] +=
                (1 - fabs(x - left - j % 2)) * (1 - fabs(y - top - j / 2));
    }
    return PYR_OK;
}

/* The number of a pair: that of the first of the two. */
static int pair_of(int y, int x, int h, int w)
{
    int one = y * w + x, other = opposite(y, h) * w + opposite(x, w);

    return one < other ? one : other;
}

void pyr_fourier_pattern(uint8_t *missing, pyr_pattern pattern, double share, uint64_t seed, int h, int w)
{
    double turns = (1 - share) * 0.25 * (h < w ? h : w), round = 2 * acos(-1);
    int points = (int)ceil(8 * (turns + 1) * (h > w ? h : w));

    for (int i = 0; i < h * w; i++) {
        int pair = pair_of(i / w, i % w, h, w);
        pyr_rng4 r = pyr_philox(seed, (uint32_t)pair, 0, 1, PYR_RNG_TASK);

        missing[i] = pattern == PYR_PATTERN_SPIRAL || (pair && (double)pyr_uniform(r.v[0]) < share);
    }
    for (int i = 0; i <= points && pattern == PYR_PATTERN_SPIRAL; i++) {
        double radius = 0.5 * i / points, angle = round * turns * i / points;
        int y = (int)lround(radius * h * sin(angle)), x = (int)lround(radius * w * cos(angle));

        y = (y + h) % h;
        x = (x + w) % w;
        missing[y * w + x] = missing[opposite(y, h) * w + opposite(x, w)] = 0;
    }
}

static pyr_status new_line(pyr_operator *out, double size, pyr_shape image)
{
    double *line = NULL;
    pyr_status status;
    int side;

    if (!(size >= 1 && size <= 1024))
        return pyr_fail(PYR_E_ARG, "the size of motion is %g, should be 1 to 1024 pixels", size);
    PYR_TRY_OUT(pyr_line_kernel(&line, &side, size, 0));
    status = pyr_operator_motion(out, line, side, side, image);
out:
    pyr_free(line);
    return status;
}

pyr_status pyr_operator_new(pyr_operator *out, pyr_operator_kind kind, double size, const uint8_t *missing,
                            pyr_shape image)
{
    int most = image.h > image.w ? image.h : image.w;

    *out = (pyr_operator){.kind = kind, .in = image, .out = image};
    switch (kind) {
    case PYR_OPERATOR_MISSING:
    case PYR_OPERATOR_FOURIER:
        return new_missing(out, missing);
    case PYR_OPERATOR_IDENTITY:
        return PYR_OK;
    case PYR_OPERATOR_MOTION:
        return new_line(out, size, image);
    case PYR_OPERATOR_BICUBIC:
        if (!(size >= 1 && size <= most))
            return pyr_fail(PYR_E_ARG, "the size of bicubic is %g, should be 1 to %d", size, most);
        PYR_TRY(bicubic_axis(&out->rows, image.h, size));
        PYR_TRY(bicubic_axis(&out->cols, image.w, size));
        out->out.h = out->rows.n_out;
        out->out.w = out->cols.n_out;
        return PYR_OK;
    case PYR_OPERATOR_BLUR:
        if (!(size > 0 && size <= 64))
            return pyr_fail(PYR_E_ARG, "the size of blur is %g, should be over 0 and at most 64 pixels",
                            size);
        PYR_TRY(blur_axis(&out->rows, image.h, size));
        return blur_axis(&out->cols, image.w, size);
    default:
        if (!(size >= 1 && size <= most && size == floor(size)))
            return pyr_fail(PYR_E_ARG, "the size of box is %g, should be a whole number from 1 to %d", size,
                            most);
        PYR_TRY(box_axis(&out->rows, image.h, (int)size));
        PYR_TRY(box_axis(&out->cols, image.w, (int)size));
        out->out.h = out->rows.n_out;
        out->out.w = out->cols.n_out;
        return PYR_OK;
    }
}

static void axis_free(pyr_host_axis *a)
{
    pyr_free(a->start);
    pyr_free(a->tap);
}

void pyr_operator_free(pyr_operator *a)
{
    axis_free(&a->rows);
    axis_free(&a->cols);
    pyr_free(a->seen);
    pyr_free(a->kernel);
    pyr_hartley_free(a->hartley);
    *a = (pyr_operator){0};
}

static void keep_seen(const pyr_operator *a, double *dst, const double *src)
{
    size_t c = (size_t)a->in.c, n = (size_t)a->in.h * (size_t)a->in.w * c;

    for (size_t i = 0; i < n; i++)
        dst[i] = a->seen[i / c] ? src[i] : 0;
}

/* dst[p] = sum of kernel[j] src[p - (j - middle)], or the adjoint. */
static void convolve(const pyr_operator *a, double *dst, const double *src, bool adjoint)
{
    int h = a->in.h, w = a->in.w, c = a->in.c;

    memset(dst, 0, pyr_count(a->in) * sizeof *dst);
    for (int j = 0; j < a->kernel_h * a->kernel_w; j++) {
        int down = j / a->kernel_w - a->kernel_h / 2, right = j % a->kernel_w - a->kernel_w / 2;

        for (int y = 0; y < h && a->kernel[j] != 0; y++)
            for (int x = 0; x < w; x++) {
                int out = (y * w + x) * c,
                    in = (pyr_mirrored(y - down, h) * w + pyr_mirrored(x - right, w)) * c;

                for (int i = 0; i < c; i++)
                    if (adjoint)
                        dst[in + i] += a->kernel[j] * src[out + i];
                    else
                        dst[out + i] += a->kernel[j] * src[in + i];
            }
    }
}

/* Those that are no product of axes. */
static bool apply_whole(const pyr_operator *a, double *dst, const double *src, bool adjoint)
{
    switch (a->kind) {
    case PYR_OPERATOR_MISSING:
        keep_seen(a, dst, src);
        return true;
    case PYR_OPERATOR_IDENTITY:
        memcpy(dst, src, pyr_count(a->in) * sizeof *dst);
        return true;
    case PYR_OPERATOR_MOTION:
        convolve(a, dst, src, adjoint);
        return true;
    case PYR_OPERATOR_FOURIER:
        if (adjoint)
            keep_seen(a, dst, src);
        else
            memcpy(dst, src, pyr_count(a->in) * sizeof *dst);
        pyr_hartley_apply(a->hartley, dst);
        if (!adjoint)
            keep_seen(a, dst, dst);
        return true;
    default:
        return false;
    }
}

void pyr_operator_apply(const pyr_operator *a, double *y, const double *x, double *work)
{
    size_t c = (size_t)a->in.c;

    if (apply_whole(a, y, x, false))
        return;
    along(&a->rows, work, x, 1, (size_t)a->in.w * c, false);
    along(&a->cols, y, work, (size_t)a->out.h, c, false);
}

void pyr_operator_adjoint(const pyr_operator *a, double *x, const double *y, double *work)
{
    size_t c = (size_t)a->in.c;

    if (apply_whole(a, x, y, true))
        return;
    along(&a->cols, work, y, (size_t)a->out.h, c, true);
    along(&a->rows, x, work, 1, (size_t)a->in.w * c, true);
}
