/* operator.c - blur, averaging and other linear operators as products of axes, and their adjoints. */
#include "tasks/operator.h"

#include "base/mem.h"
#include <math.h>
#include <string.h>

const char *const pyr_operator_names[] = {"blur", "box", "missing", NULL};

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
            int at = (o + j) % (2 * n);

            at = at < 0 ? at + 2 * n : at;
            at = at >= n ? 2 * n - 1 - at : at;
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

static pyr_status new_missing(pyr_operator *a, const uint8_t *missing)
{
    size_t n = (size_t)a->in.h * (size_t)a->in.w;

    PYR_TRY(pyr_new(&a->seen, n, 1, "an operator"));
    for (size_t i = 0; i < n; i++)
        a->seen[i] = !missing[i];
    return PYR_OK;
}

pyr_status pyr_operator_new(pyr_operator *out, pyr_operator_kind kind, double size, const uint8_t *missing,
                            pyr_shape image)
{
    int most = image.h > image.w ? image.h : image.w;

    *out = (pyr_operator){.kind = kind, .in = image, .out = image};
    switch (kind) {
    case PYR_OPERATOR_MISSING:
        return new_missing(out, missing);
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
    *a = (pyr_operator){0};
}

static void keep_seen(const pyr_operator *a, double *dst, const double *src)
{
    size_t c = (size_t)a->in.c, n = (size_t)a->in.h * (size_t)a->in.w * c;

    for (size_t i = 0; i < n; i++)
        dst[i] = a->seen[i / c] ? src[i] : 0;
}

void pyr_operator_apply(const pyr_operator *a, double *y, const double *x, double *work)
{
    size_t c = (size_t)a->in.c;

    if (a->kind == PYR_OPERATOR_MISSING) {
        keep_seen(a, y, x);
        return;
    }
    along(&a->rows, work, x, 1, (size_t)a->in.w * c, false);
    along(&a->cols, y, work, (size_t)a->out.h, c, false);
}

void pyr_operator_adjoint(const pyr_operator *a, double *x, const double *y, double *work)
{
    size_t c = (size_t)a->in.c;

    if (a->kind == PYR_OPERATOR_MISSING) {
        keep_seen(a, x, y);
        return;
    }
    along(&a->cols, work, y, (size_t)a->out.h, c, true);
    along(&a->rows, x, work, 1, (size_t)a->in.w * c, true);
}
