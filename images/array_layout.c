/* array_layout.c - shapes of arrays that people keep images in. */
#include "images/array_layout.h"

#include "base/mem.h"
#include <math.h>
#include <stdio.h>

void pyr_array_shape(char dst[100], const pyr_array *array)
{
    int n = snprintf(dst, 100, "(");

    for (int i = 0; i < array->rank; i++)
        n += snprintf(dst + n, 100 - (size_t)n, i ? ", %lld" : "%lld", (long long)array->shape[i]);
    snprintf(dst + n, 100 - (size_t)n, array->rank == 1 ? ",)" : ")");
}

/* The side of a square of `area`; 0: it is none. */
static int64_t side_of(int64_t area)
{
    int64_t side = (int64_t)floor(sqrt((double)area) + 0.5);

    return side * side == area ? side : 0;
}

/* Neither side is more than four times the other. */
static bool picture_like(int64_t h, int64_t w)
{
    return h <= 4 * w && w <= 4 * h;
}

static pyr_status refuse(const pyr_array *a, const char *path, const char *why)
{
    char shape[100];

    pyr_array_shape(shape, a);
    return pyr_fail(PYR_E_FORMAT, "%s: array %s has shape %s, %s", path, a->name, shape, why);
}

static const char *const wanted =
    "images should be (n, h, w, c) with c from 1 to 4, (n, c, h, w), (n, h, w), or rows (n, h*w) of square "
    "images; transpose or reshape them";

typedef struct sides {
    int64_t n, h, w, c;
    bool planes;
    char *remark;
} sides;

static pyr_status remark(sides *s, char *text)
{
    s->remark = text;
    return text ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for how an array is read");
}

static pyr_status one_picture(sides *s, const pyr_array *a)
{
    char shape[100];

    pyr_array_shape(shape, a);
    *s = (sides){.n = 1, .h = a->shape[0], .w = a->shape[1], .c = a->rank == 3 ? a->shape[2] : 1};
    return remark(s, pyr_strfmt("%s of shape %s is one picture", a->name, shape));
}

static pyr_status of_rank_2(sides *s, const pyr_array *a, int64_t labels, const char *path)
{
    int64_t n = a->shape[0], length = a->shape[1];
    int64_t grey = side_of(length), colour = length % 3 ? 0 : side_of(length / 3);
    int64_t side = grey ? grey : colour;

    if (side > 3 && (labels == n || n != length)) {
        *s = (sides){.n = n, .h = side, .w = side, .c = grey ? 1 : 3, .planes = !grey};
        return remark(s,
                      pyr_strfmt("rows of %lld are %s of %lldx%lld", (long long)length,
                                 grey ? "grey images" : "colour images", (long long)side, (long long)side));
    }
    if (picture_like(n, length) && n > 3 && length > 3)
        return one_picture(s, a);
    return refuse(a, path, wanted);
}

static pyr_status of_rank_3(sides *s, const pyr_array *a, int64_t labels, const char *path)
{
    int64_t last = a->shape[2];

    if (last > 4 || (labels == a->shape[0] && last > 1)) {
        *s = (sides){.n = a->shape[0], .h = a->shape[1], .w = last, .c = 1};
        return PYR_OK;
    }
    if (a->shape[0] > 4 && a->shape[1] > 4 && picture_like(a->shape[0], a->shape[1]))
        return one_picture(s, a);
    if (a->shape[1] <= 4) { /* tiny ones */
        *s = (sides){.n = a->shape[0], .h = a->shape[1], .w = last, .c = 1};
        return PYR_OK;
    }
    return refuse(a, path, wanted);
}

static pyr_status of_rank_4(sides *s, const pyr_array *a, const char *path)
{
    const int64_t *d = a->shape;

    if (d[3] >= 1 && d[3] <= 4)
        *s = (sides){.n = d[0], .h = d[1], .w = d[2], .c = d[3]};
    else if (d[1] >= 1 && d[1] <= 4)
        *s = (sides){.n = d[0], .h = d[2], .w = d[3], .c = d[1], .planes = true};
    else if (d[2] >= 1 && d[2] <= 4) /* MATLAB's order: SVHN's (32, 32, 3, n) */
        return refuse(a, path, "images should be (n, h, w, c): numpy.transpose(x, (3, 0, 1, 2)) makes it so");
    else
        return refuse(a, path, wanted);
    return PYR_OK;
}

pyr_status pyr_array_layout_of(pyr_array_layout *out, const pyr_array *a, int64_t labels, const char *path)
{
    sides s = {0};
    pyr_status status;

    *out = (pyr_array_layout){0};
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] < 1)
            return refuse(a, path, "there should be at least one image");
    if (a->rank == 2)
        status = of_rank_2(&s, a, labels, path);
    else if (a->rank == 3)
        status = of_rank_3(&s, a, labels, path);
    else if (a->rank == 4)
        status = of_rank_4(&s, a, path);
    else
        status = refuse(a, path, wanted);
    if (status == PYR_OK &&
        (s.h > PYR_IMAGE_SIDE || s.w > PYR_IMAGE_SIDE || (uint64_t)(s.h * s.w * s.c) > PYR_IMAGE_BYTES)) {
        status = pyr_fail(PYR_E_FORMAT, "%s: array %s has images of %lldx%lld, their sides should be 1..%d",
                          path, a->name, (long long)s.h, (long long)s.w, PYR_IMAGE_SIDE);
        pyr_free(s.remark);
    }
    PYR_TRY(status);
    *out = (pyr_array_layout){.n = s.n, .h = (int)s.h, .w = (int)s.w, .c = (int)s.c, .remark = s.remark};
    out->record = (s.planes ? pyr_record_planes : pyr_record_pixels)(a->type, out->h, out->w, out->c);
    return PYR_OK;
}
