/* transform.c - transformations of training images: drawn, and applied to their samples. */
#include "images/transform.h"

#include "base/mirror.h"
#include "base/philox.h"
#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;
static const double scale_most = 0.2, part_moved = 0.125; /* A_scale = A_aniso = 2^0.2, A_trans = 1/8 */

typedef struct matrix {
    double at[2][2];
} matrix;

/* b after a */
static matrix after(matrix b, matrix a)
{
    matrix r;

    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            r.at[i][j] = b.at[i][0] * a.at[0][j] + b.at[i][1] * a.at[1][j];
    return r;
}

static matrix scaled(double x, double y)
{
    return (matrix){{{x, 0}, {0, y}}};
}

static matrix rotated(double angle)
{
    return (matrix){{{cos(angle), -sin(angle)}, {sin(angle), cos(angle)}}};
}

/* Numbers of one image: eight uniform ones to decide, then what of. */
typedef struct draws {
    float decide[8], uniform[8], normal[8];
} draws;

static void draw_all(draws *d, uint64_t seed, uint32_t index, uint32_t step)
{
    for (uint32_t q = 0; q < 2; q++) {
        pyr_rng4 a = pyr_philox(seed, q, index, step, pyr_rng_purpose(PYR_RNG_TRANSFORM, 0));
        pyr_rng4 b = pyr_philox(seed, 2 + q, index, step, pyr_rng_purpose(PYR_RNG_TRANSFORM, 0));

        for (int j = 0; j < 4; j++) {
            d->decide[4 * q + (uint32_t)j] = pyr_uniform(a.v[j]);
            d->uniform[4 * q + (uint32_t)j] = pyr_uniform(b.v[j]);
        }
        pyr_normal4(seed, 4 + q, index, step, pyr_rng_purpose(PYR_RNG_TRANSFORM, 0), d->normal + 4 * q);
    }
}

/* One step more of the way forward: on the way back it is undone first. */
static void undo(pyr_transform *out, matrix inverse)
{
    matrix back;

    memcpy(back.at, out->back, sizeof back.at);
    back = after(back, inverse);
    memcpy(out->back, back.at, sizeof back.at);
    out->nothing = false;
}

void pyr_transform_draw(pyr_transform *out, uint64_t seed, uint32_t index, uint32_t step, double probability)
{
    draws d;
    double *label = out->label, p = probability, angle, size;

    *out = (pyr_transform){.nothing = true, .back = {{1, 0}, {0, 1}}};
    draw_all(&d, seed, index, step);
    if (d.uniform[0] < 0.5F) {
        undo(out, scaled(-1, 1));
        label[0] = 1;
    }
    if ((double)d.decide[1] < p && d.uniform[1] < 0.5F) {
        undo(out, scaled(1, -1));
        label[1] = 1;
    }
    if ((double)d.decide[2] < p) {
        label[2] = (double)d.normal[2];
        size = exp2(scale_most * label[2]);
        undo(out, scaled(1 / size, 1 / size));
    }
    if ((double)d.decide[3] < p) {
        angle = (2 * (double)d.uniform[3] - 1) * pi;
        undo(out, rotated(-angle));
        label[3] = cos(angle) - 1;
        label[4] = sin(angle);
    }
    if ((double)d.decide[4] < p) {
        angle = (2 * (double)d.uniform[4] - 1) * pi;
        size = exp2(scale_most * (double)d.normal[4]);
        undo(out, after(rotated(angle), after(scaled(1 / size, size), rotated(-angle))));
        label[5] = (double)d.normal[4] * cos(angle);
        label[6] = (double)d.normal[4] * sin(angle);
    }
    if ((double)d.decide[5] < p) {
        label[7] = (double)d.normal[5];
        label[8] = (double)d.normal[6];
        out->move[0] = part_moved * label[7];
        out->move[1] = part_moved * label[8];
        out->nothing = false;
    }
}

/* Weights of the samples at floor(x) - 1 .. floor(x) + 2, Catmull and Rom 1974. */
static int cubic(double x, double weight[4])
{
    double t = x - floor(x), t2 = t * t, t3 = t2 * t;

    weight[0] = (-t + 2 * t2 - t3) / 2;
    weight[1] = (2 - 5 * t2 + 3 * t3) / 2;
    weight[2] = (t + 4 * t2 - 3 * t3) / 2;
    weight[3] = (-t2 + t3) / 2;
    return (int)floor(x) - 1;
}

static double sample(const void *from, int bits, int at)
{
    return bits > 8 ? ((const uint16_t *)from)[at] : ((const uint8_t *)from)[at];
}

void pyr_transform_apply(const pyr_transform *t, void *to, const void *from, int h, int w, int c, int bits)
{
    double most = (1 << bits) - 1, cx = (w - 1) / 2.0, cy = (h - 1) / 2.0;

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double px = x - cx - t->move[0] * w, py = y - cy - t->move[1] * h, wx[4], wy[4];
            double sx = t->back[0][0] * px + t->back[0][1] * py + cx;
            double sy = t->back[1][0] * px + t->back[1][1] * py + cy;
            /* a mirrored image is exact, whatever rounding */
            int left = cubic(fabs(sx - rint(sx)) < 1e-9 ? rint(sx) : sx, wx),
                top = cubic(fabs(sy - rint(sy)) < 1e-9 ? rint(sy) : sy, wy);

            for (int ch = 0; ch < c; ch++) {
                double sum = 0;

                for (int i = 0; i < 4; i++)
                    for (int j = 0; j < 4; j++)
                        sum += wy[i] * wx[j] *
                               sample(from, bits,
                                      (pyr_mirrored(top + i, h) * w + pyr_mirrored(left + j, w)) * c + ch);
                sum = rint(fmin(fmax(sum, 0), most));
                if (bits > 8)
                    ((uint16_t *)to)[(y * w + x) * c + ch] = (uint16_t)sum;
                else
                    ((uint8_t *)to)[(y * w + x) * c + ch] = (uint8_t)sum;
            }
        }
}
