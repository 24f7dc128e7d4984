/* test_transform.c - transformations of training images: how often, labels, and where points go, against the way forward
 * written out of the labels and images that are polynomials, which cubic interpolation leaves as they are. */
#include "tests/check.h"

#include "images/transform.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static void how_often(void)
{
    enum { N = 20000 };
    static const double probability = 0.12;
    int count[PYR_TRANSFORM_LABELS] = {0}, nothing = 0;
    double square[PYR_TRANSFORM_LABELS] = {0};
    pyr_transform t, again;

    for (uint32_t i = 0; i < N; i++) {
        pyr_transform_draw(&t, 5, i, 3, probability);
        nothing += t.nothing;
        for (int j = 0; j < PYR_TRANSFORM_LABELS; j++) {
            count[j] += t.label[j] != 0;
            square[j] += t.label[j] * t.label[j];
        }
        if (t.nothing)
            for (int j = 0; j < PYR_TRANSFORM_LABELS; j++)
                CHECK(t.label[j] == 0);
    }
    /* half are mirrored; the others as often as they should, within five standard errors */
    CHECK_CLOSE(count[0], N / 2.0, 5 * sqrt(N / 4.0));
    CHECK_CLOSE(count[1], N * probability / 2, 5 * sqrt(N * 0.06));
    for (int j = 2; j < PYR_TRANSFORM_LABELS; j++)
        CHECK_CLOSE(count[j], N * probability, 5 * sqrt(N * 0.11));
    CHECK_CLOSE(nothing, N * 0.5 * (1 - probability / 2) * pow(1 - probability, 4), 5 * sqrt(N * 0.2));
    CHECK_CLOSE(square[2] / count[2], 1, 0.15);   /* normal */
    CHECK_CLOSE(square[4] / count[4], 0.5, 0.06); /* sine of a uniform angle */
    CHECK_CLOSE(square[5] / count[5], 0.5, 0.15); /* normal times cosine */
    CHECK_CLOSE(square[8] / count[8], 1, 0.15);
    pyr_transform_draw(&t, 5, 7, 3, 1);
    pyr_transform_draw(&again, 5, 7, 3, 1);
    CHECK(memcmp(&t, &again, sizeof t) == 0);
    pyr_transform_draw(&again, 5, 8, 3, 1);
    CHECK(memcmp(&t, &again, sizeof t) != 0);
    pyr_transform_draw(&again, 6, 7, 3, 1);
    CHECK(memcmp(&t, &again, sizeof t) != 0);
}

/* Forward, by the labels alone: where a point of the image goes. They leave it open whether a5 is positive, and stretches along
 * a4, or negative, and a4 the other way: that is along the same line, but the inverse. */
static void forward(const double *label, int sign, double w, double h, double *x, double *y)
{
    double angle = atan2(label[4], label[3] + 1), along, size, u, v;

    *x *= label[0] != 0 ? -1 : 1;
    *y *= label[1] != 0 ? -1 : 1;
    *x *= pow(2, 0.2 * label[2]);
    *y *= pow(2, 0.2 * label[2]);
    u = cos(angle) * *x - sin(angle) * *y;
    v = sin(angle) * *x + cos(angle) * *y;
    along = atan2(label[6], label[5]);
    size = pow(2, 0.2 * sign * sqrt(label[5] * label[5] + label[6] * label[6]));
    *x = cos(along) * u + sin(along) * v;
    *y = -sin(along) * u + cos(along) * v;
    *x *= size;
    *y /= size;
    u = cos(along) * *x - sin(along) * *y;
    v = sin(along) * *x + cos(along) * *y;
    *x = u + label[7] * w / 8;
    *y = v + label[8] * h / 8;
}

static double polynomial(double x, double y)
{
    return 30000 + 500 * x - 400 * y + 5 * x * x - 9 * y * y + 7 * x * y;
}

enum { W = 40, H = 32 };

/* How far the result at most is from what the point that goes there has, in whole pixels all of whose neighbours are of the
 * image; *checked counts them. */
static double worst(const pyr_transform *t, int sign, const uint16_t *to, int *checked)
{
    double ax = 1, ay = 0, bx = 0, by = 1, ox = 0, oy = 0, det, most = 0;

    forward(t->label, sign, W, H, &ox, &oy);
    forward(t->label, sign, W, H, &ax, &ay);
    forward(t->label, sign, W, H, &bx, &by);
    ax -= ox, ay -= oy, bx -= ox, by -= oy;
    det = ax * by - bx * ay;
    *checked = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double dx = x - (W - 1) / 2.0 - ox, dy = y - (H - 1) / 2.0 - oy;
            double px = (by * dx - bx * dy) / det, py = (ax * dy - ay * dx) / det;

            if (fabs(px) > (W - 5) / 2.0 || fabs(py) > (H - 5) / 2.0)
                continue;
            for (int c = 0; c < 2; c++)
                most = fmax(most, fabs(to[(y * W + x) * 2 + c] - (polynomial(px, py) + 100 * c)));
            ++*checked;
        }
    return most;
}

/* For all six at once, and sides that differ. */
static void where_points_go(void)
{
    static uint16_t from[H * W * 2], to[H * W * 2];
    int all = 0, ambiguous = 0;

    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 2; c++)
                from[(y * W + x) * 2 + c] =
                    (uint16_t)lround(polynomial(x - (W - 1) / 2.0, y - (H - 1) / 2.0) + 100 * c);
    for (uint32_t i = 0; i < 60; i++) {
        pyr_transform t;
        int checked;
        double plus, minus;

        pyr_transform_draw(&t, 9, i, 0, 0.6);
        pyr_transform_apply(&t, to, from, H, W, 2, 16);
        plus = worst(&t, 1, to, &checked);
        all += checked;
        minus = worst(&t, -1, to, &checked);
        if (!(fmin(plus, minus) < 2))
            CHECK_REPORT("image %u is off by %g or %g", i, plus, minus);
        ambiguous += fmin(plus, minus) < 2 && fmax(plus, minus) > 2;
    }
    CHECK(all > 20000);
    CHECK(ambiguous > 20); /* it shows which it was */
}

/* Mirroring is exact; beyond the edge the image is mirrored; samples stay in their range. */
static void edges(void)
{
    uint8_t from[3 * 5], to[3 * 5];
    pyr_transform t = {.back = {{-1, 0}, {0, 1}}}, turn = {.back = {{0, -1}, {1, 0}}},
                  move = {.back = {{1, 0}, {0, 1}}};
    uint8_t square[16], turned[16];

    for (int i = 0; i < 15; i++)
        from[i] = (uint8_t)(i * 17);
    pyr_transform_apply(&t, to, from, 3, 5, 1, 8);
    for (int i = 0; i < 15; i++)
        CHECK(to[i] == from[i / 5 * 5 + 4 - i % 5]);
    for (int i = 0; i < 16; i++)
        square[i] = (uint8_t)(i * i);
    pyr_transform_apply(&turn, turned, square, 4, 4, 1, 8); /* (x, y) from (-y, x) */
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 4; x++)
            CHECK(turned[y * 4 + x] == square[x * 4 + 3 - y]);
    move.move[0] = 2.0 / 5; /* two pixels to the right */
    pyr_transform_apply(&move, to, from, 3, 5, 1, 8);
    for (int i = 0; i < 15; i++)
        CHECK(to[i] == from[i / 5 * 5 + (i % 5 >= 2 ? i % 5 - 2 : 1 - i % 5)]);
    for (uint32_t i = 0; i < 200; i++) {
        uint8_t few[4] = {0, 255, 255, 0}, out[4];

        pyr_transform_draw(&t, 1, i, 0, 1);
        pyr_transform_apply(&t, out, few, 2, 2, 1, 8); /* by the sanitizer: nothing outside is read */
        pyr_transform_apply(&t, out, few, 1, 4, 1, 8);
        CHECK(out[0] <= 255);
    }
}

/* The angle of the labels is the one that is turned by: a quarter. */
static void labels(void)
{
    for (uint32_t i = 0; i < 2000; i++) {
        pyr_transform t;
        double angle, det;

        pyr_transform_draw(&t, 2, i, 1, 0.5);
        det = t.back[0][0] * t.back[1][1] - t.back[0][1] * t.back[1][0];
        /* areas: mirrored, scaled, and neither turned nor stretched */
        CHECK_CLOSE(det, (t.label[0] != 0 ? -1 : 1) * (t.label[1] != 0 ? -1 : 1) * pow(2, -0.4 * t.label[2]),
                    1e-9);
        angle = atan2(t.label[4], t.label[3] + 1);
        CHECK(fabs(angle) <= pi && t.label[3] <= 1e-12 && t.label[3] >= -2 - 1e-12);
        CHECK_CLOSE(t.move[0], t.label[7] / 8, 1e-12);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(how_often);
    RUN(where_points_go);
    RUN(edges);
    RUN(labels);
    return CHECK_DONE();
}
