/* test_conv_f32.c - the convolutions of floats for each instruction set that this processor has, against plain sums in
 * double: all passes, all sides, kernels, strides and padding, channels that fill no block, two tensors, neighbours
 * taken in.
 *
 * test_kernels.c tests them once more as rows of the backend. */
#include "base/mem.h"
#include "base/philox.h"
#include "kernels/cpu/bf16.h"
#include "kernels/processor.h"
#include "kernels/simd/conv_f32.h"
#include "tests/check.h"
#include <stdlib.h>

/* Largest error allowed, in root mean squares of the result. Plain sums in f32: 4e-6; measured here: 7e-6. */
static const double bound = 2e-5;

static int checked; /* convolutions so far */

typedef struct arrays {
    pyr_conv_size size;
    float *x, *w, *dy, *residual, *bias, *vector; /* x: in_h x in_w, or smaller */
    float *y, *before;
    double *wanted;
    void *packed, *scratch;
} arrays;

static float *block(size_t n)
{
    float *at = pyr_calloc(n + 1, sizeof *at);

    CHECK(at != NULL);
    return at;
}

/* Sums of four uniforms: as wide as a normal distribution needs here, the same each time. */
static float *numbers(size_t n, uint32_t what)
{
    float *at = block(n);

    for (size_t i = 0; i < n; i++) {
        pyr_rng4 r = pyr_philox(7, (uint32_t)i, what, 0, 0);

        at[i] = 1.7f *
                (pyr_uniform(r.v[0]) + pyr_uniform(r.v[1]) + pyr_uniform(r.v[2]) + pyr_uniform(r.v[3]) - 2);
    }
    return at;
}

static size_t pixels_of(const pyr_conv_size *s)
{
    return (size_t)s->n * (size_t)s->h * (size_t)s->w;
}

static size_t taps_of(const pyr_conv_size *s)
{
    return (size_t)s->kernel_h * (size_t)s->kernel_w;
}

static void make(arrays *a, const pyr_conv_f32 *of, pyr_conv_size s)
{
    size_t pixels = pixels_of(&s), in = (size_t)s.in, out = (size_t)s.out, taps = taps_of(&s);
    size_t read = (size_t)s.n * (size_t)s.in_h * (size_t)s.in_w;

    *a = (arrays){.size = s};
    a->x = numbers(read * in, 0);
    a->w = numbers(taps * in * out, 1);
    a->dy = numbers((pixels + read) * (in + out), 2); /* also the second tensor of x */
    a->residual = numbers(pixels * out, 3);
    a->bias = numbers(out, 4);
    a->vector = numbers((size_t)s.n * out, 5);
    a->before = numbers(pixels * out, 6);
    a->y = block(pixels * out);
    a->wanted = pyr_calloc(pixels * out + taps * in * out, sizeof *a->wanted);
    a->packed = pyr_calloc(of->packed_bytes(&s), 1);
    a->scratch = pyr_calloc(of->scratch(&s) + 1, 1);
    CHECK(a->wanted && a->packed && a->scratch);
}

static void clear(arrays *a)
{
    void *all[] = {a->x,      a->w, a->dy,     a->residual, a->bias,   a->vector,
                   a->before, a->y, a->wanted, a->packed,   a->scratch};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pyr_free(all[i]);
}

/* Number `channel` of a pixel of the image that is convolved, which is spread; 0 between its pixels and around it. */
static double at(const pyr_conv_size *s, const pyr_conv_source *x, int n, int row, int column, int channel)
{
    int part = channel >= x->c[0];
    size_t pixel;

    if (row < 0 || column < 0 || row % s->spread || column % s->spread)
        return 0;
    row /= s->spread;
    column /= s->spread;
    if (row >= s->in_h || column >= s->in_w)
        return 0;
    pixel = ((size_t)n * (size_t)x->h + (size_t)(row * x->h / s->in_h)) * (size_t)x->w +
            (size_t)(column * x->w / s->in_w);
    return (double)((const float *)
                        x->at[part])[pixel * (size_t)x->c[part] + (size_t)(channel - (part ? x->c[0] : 0))];
}

/* f for all products of a convolution: w of output o, input i, tap t is at (o * in + i) * taps + t. */
typedef void product(arrays *a, size_t result, size_t weight, double x);

static void for_products(arrays *a, const pyr_conv_source *x, product *f)
{
    const pyr_conv_size *s = &a->size;
    int taps = (int)taps_of(s);
    size_t result = 0;

    for (int n = 0; n < s->n; n++)
        for (int row = 0; row < s->h; row++)
            for (int column = 0; column < s->w; column++)
                for (int o = 0; o < s->out; o++, result++)
                    for (int i = 0; i < s->in; i++)
                        for (int t = 0; t < taps; t++)
                            f(a, result, (size_t)((o * s->in + i) * taps + t),
                              at(s, x, n, row * s->stride + t / s->kernel_w - s->pad_top,
                                 column * s->stride + t % s->kernel_w - s->pad_left, i));
}

static void add_forward(arrays *a, size_t result, size_t weight, double x)
{
    a->wanted[result] += x * (double)a->w[weight];
}

static void add_gradient(arrays *a, size_t result, size_t weight, double x)
{
    a->wanted[weight] += x * (double)a->dy[result];
}

static void check_close(const char *what, const arrays *a, const float *found, size_t n)
{
    const pyr_conv_size *s = &a->size;
    double squares = 0, worst = 0;

    for (size_t i = 0; i < n; i++) {
        squares += a->wanted[i] * a->wanted[i];
        worst = fmax(worst, fabs((double)found[i] - a->wanted[i]));
    }
    if (!(worst <= bound * sqrt(squares / (double)n)))
        CHECK_REPORT(
            "%s, %d images of %dx%d to %dx%d, %d to %d channels, %dx%d, stride %d, spread %d: off by %g of %g",
            what, s->n, s->in_h, s->in_w, s->h, s->w, s->in, s->out, s->kernel_h, s->kernel_w, s->stride,
            s->spread, worst, sqrt(squares / (double)n));
}

/* What `x` gives, with neighbours or without, in one tensor or (second > 0) the last channels in another. */
static void check_forward(arrays *a, const pyr_conv_f32 *of, const pyr_conv_source *x, bool neighbours,
                          int second)
{
    pyr_conv_size s = a->size;
    size_t pixels = pixels_of(&s), out = (size_t)s.out, first = out - (size_t)second;
    float *parts[2] = {block(pixels * first), block(pixels * (size_t)second)};
    pyr_conv_result y = {.at = {parts[0], parts[1]},
                         .c = {(int)first, second},
                         .type = PYR_F32,
                         .h = s.h,
                         .w = s.w,
                         .scale = 1};

    memset(a->wanted, 0, pixels * out * sizeof *a->wanted);
    for_products(a, x, add_forward);
    if (neighbours) {
        y.bias = a->bias;
        y.vector = a->vector;
        y.residual = a->residual;
        y.scale = 0.75f;
        y.add[0] = true;
    }
    for (size_t i = 0; i < pixels * out; i++) {
        size_t o = i % out, pixel = i / out;

        if (o < first)
            parts[0][pixel * first + o] = a->before[i];
        if (neighbours)
            a->wanted[i] = (a->wanted[i] + (double)a->bias[o] + (double)a->residual[i] +
                            (double)a->vector[pixel / (size_t)(s.h * s.w) * out + o]) *
                               0.75 +
                           (o < first ? (double)a->before[i] : 0);
    }
    of->pack(&s, a->w, (size_t)s.in * taps_of(&s), taps_of(&s), false, a->packed);
    of->run(&s, x, a->packed, &y, a->scratch);
    for (size_t i = 0; i < pixels * out; i++) {
        size_t o = i % out, pixel = i / out;

        a->y[i] = o < first ? parts[0][pixel * first + o] : parts[1][pixel * (size_t)second + o - first];
    }
    check_close("forward", a, a->y, pixels * out);
    pyr_free(parts[0]);
    pyr_free(parts[1]);
}

/* Two gradients, the second added to itself, are three times the gradient of -0.5 dy. */
static void check_weights(arrays *a, const pyr_conv_f32 *of, const pyr_conv_source *x)
{
    pyr_conv_size s = a->size;
    size_t count = taps_of(&s) * (size_t)s.in * (size_t)s.out;
    pyr_conv_source dy = {.at = {a->dy}, .c = {s.out}, .type = PYR_F32, .h = s.h, .w = s.w};
    float *dw = block(count);
    float *gradient[2] = {pyr_calloc(of->gradient_bytes(&s), 1), pyr_calloc(of->gradient_bytes(&s), 1)};
    float *scratch = pyr_calloc(of->gradient_scratch(&s), 1);

    CHECK(gradient[0] && gradient[1] && scratch);
    memset(a->wanted, 0, count * sizeof *a->wanted);
    for_products(a, x, add_gradient);
    for (size_t i = 0; i < count; i++) {
        a->wanted[i] = -1.5 * a->wanted[i] + (double)a->w[i];
        dw[i] = a->w[i];
    }
    of->gradient(&s, x, &dy, -0.5f, gradient[0], false, scratch);
    of->gradient(&s, x, &dy, -0.5f, gradient[1], false, scratch);
    of->gradient(&s, x, &dy, -0.5f, gradient[1], true, scratch);
    of->collect(&s, (const float *const[]){gradient[0], gradient[1]}, 2, dw);
    check_close("weights", a, dw, count);
    pyr_free(dw);
    pyr_free(gradient[0]);
    pyr_free(gradient[1]);
    pyr_free(scratch);
}

/* Backward by data is a convolution with the weights turned around; wanted is what each result gives back to the pixels
 * that its taps read. */
static void check_data(arrays *a, const pyr_conv_f32 *of)
{
    pyr_conv_size s = a->size, turned = pyr_conv_turned(&s);
    size_t in = (size_t)s.in, out = (size_t)s.out, taps = taps_of(&s);
    size_t count = (size_t)s.n * (size_t)s.in_h * (size_t)s.in_w * in, result = 0;
    float *dx = block(count), *packed = pyr_calloc(of->packed_bytes(&turned), 1),
          *scratch = pyr_calloc(of->scratch(&turned) + 1, 1);
    pyr_conv_source dy = {.at = {a->dy}, .c = {s.out}, .type = PYR_F32, .h = s.h, .w = s.w};
    pyr_conv_result y = {.at = {dx}, .c = {s.in}, .type = PYR_F32, .h = s.in_h, .w = s.in_w, .scale = 1};
    double *plain = a->wanted;

    CHECK(packed && scratch);
    CHECK((a->wanted = pyr_calloc(count, sizeof *a->wanted)) != NULL);
    for (int n = 0; n < s.n; n++)
        for (int row = 0; row < s.h; row++)
            for (int column = 0; column < s.w; column++)
                for (size_t o = 0; o < out; o++, result++)
                    for (size_t t = 0; t < taps; t++) {
                        int from_row = row * s.stride + (int)t / s.kernel_w - s.pad_top;
                        int from_column = column * s.stride + (int)t % s.kernel_w - s.pad_left;
                        size_t pixel = (size_t)((n * s.in_h + from_row) * s.in_w + from_column);

                        if (from_row < 0 || from_row >= s.in_h || from_column < 0 || from_column >= s.in_w)
                            continue;
                        for (size_t i = 0; i < in; i++)
                            a->wanted[pixel * in + i] +=
                                (double)a->w[(o * in + i) * taps + t] * (double)a->dy[result];
                    }
    of->pack(&turned, a->w, taps, taps * in, true, packed);
    of->run(&turned, &dy, packed, &y, scratch);
    check_close("data", a, dx, count);
    pyr_free(a->wanted);
    a->wanted = plain;
    pyr_free(dx);
    pyr_free(packed);
    pyr_free(scratch);
}

/* As far as the kernels compute it: the passes of this convolution. */
static void check_size(const pyr_conv_f32 *of, pyr_conv_size s)
{
    pyr_conv_source one, two, small;
    pyr_conv_size turned = pyr_conv_turned(&s);
    int part = s.in / 3 + 1;
    arrays a;

    make(&a, of, s);
    one = (pyr_conv_source){.at = {a.x}, .c = {s.in}, .type = PYR_F32, .h = s.in_h, .w = s.in_w};
    two = (pyr_conv_source){
        .at = {a.x, a.dy}, .c = {part, s.in - part}, .type = PYR_F32, .h = s.in_h, .w = s.in_w};
    small = one;
    small.h = s.in_h / 2 + s.in_h % 2;
    small.w = s.in_w / 3 + 1;
    if (of->fits(&s)) {
        check_forward(&a, of, &one, false, 0);
        check_forward(&a, of, &one, true, 0);
        check_forward(&a, of, &one, true, s.out / 2);
        check_forward(&a, of, &two, true, 0);
        check_forward(&a, of, &small, true, 0);
        checked++;
    }
    if (s.spread == 1 && of->fits(&turned))
        check_data(&a, of);
    if (of->gradient && of->gradient_fits(&s)) {
        check_weights(&a, of, &one);
        check_weights(&a, of, &two);
        check_weights(&a, of, &small);
    }
    clear(&a);
}

/* Of a kernel that many images and channels have, same size. */
static pyr_conv_size sized(int n, int h, int w, int in, int out, int kernel)
{
    return (pyr_conv_size){.n = n,
                           .h = h,
                           .w = w,
                           .in = in,
                           .out = out,
                           .in_h = h,
                           .in_w = w,
                           .kernel_h = kernel,
                           .kernel_w = kernel,
                           .stride = 1,
                           .pad_top = kernel / 2,
                           .pad_left = kernel / 2,
                           .spread = 1};
}

static int below(uint32_t *number, uint32_t what, int most)
{
    return (int)(pyr_philox(11, (*number)++, what, 0, 0).v[0] % (uint32_t)most);
}

/* A convolution of any kind, and one with the stride between what it reads. */
static pyr_conv_size random_size(uint32_t what)
{
    static const int channels[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 40, 48};
    enum { CHANNELS = sizeof channels / sizeof *channels };
    uint32_t i = 0;
    pyr_conv_size s = {.n = 1 + below(&i, what, 3), .spread = 1};

    s.in = channels[below(&i, what, CHANNELS)];
    s.out = channels[below(&i, what, CHANNELS)];
    s.kernel_h = 1 + below(&i, what, 5);
    s.kernel_w = 1 + below(&i, what, 7);
    s.stride = 1 + below(&i, what, 3);
    s.pad_top = below(&i, what, s.kernel_h);
    s.pad_left = below(&i, what, s.kernel_w);
    s.h = 1 + below(&i, what, 9);
    s.w = 1 + below(&i, what, 12);
    /* the image ends anywhere in the last results' taps, or beyond them by less than a stride */
    s.in_h = (s.h - 1) * s.stride + s.kernel_h - s.pad_top - below(&i, what, s.kernel_h) +
             below(&i, what, s.stride);
    s.in_w = (s.w - 1) * s.stride + s.kernel_w - s.pad_left - below(&i, what, s.kernel_w) +
             below(&i, what, s.stride);
    s.in_h = s.in_h < 1 ? 1 : s.in_h;
    s.in_w = s.in_w < 1 ? 1 : s.in_w;
    return what % 4 == 3 ? pyr_conv_turned(&s) : s;
}

static void all_sizes(const pyr_conv_f32 *of)
{
    static const int sizes[][5] = {
        {1, 1, 1, 1, 1},     {2, 1, 2, 16, 16},  {1, 3, 5, 17, 33},  {3, 6, 4, 20, 12},
        {2, 7, 7, 32, 48},   {1, 14, 9, 31, 64}, {9, 8, 8, 16, 32},  {1, 28, 28, 3, 16},
        {1, 11, 13, 64, 17}, {1, 10, 2, 16, 1},  {30, 2, 2, 16, 16}, {1, 12, 12, 3, 3},
    };
    checked = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kernel = 1; kernel <= 5; kernel += 2) {
            pyr_conv_size s = sized(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], sizes[i][4], kernel);

            check_size(of, s);
            s.h -= kernel - 1; /* without padding */
            s.w -= kernel - 1;
            s.pad_top = s.pad_left = 0;
            if (kernel > 1 && s.h > 0 && s.w > 0)
                check_size(of, s);
        }
    for (uint32_t i = 0; i < 60; i++)
        check_size(of, random_size(i));
    CHECK(checked > 10);
}

/* Bits: an image is not changed by those beside it. */
static void images_are_independent(const pyr_conv_f32 *of)
{
    for (int i = 0; i < 6; i++) {
        static const int sizes[][4] = {{24, 40, 3, 1}, {24, 40, 1, 1}, {3, 16, 3, 1},
                                       {16, 16, 5, 2}, {32, 1, 3, 1},  {32, 3, 3, 1}};
        pyr_conv_size all = sized(13, 7, 11, sizes[i][0], sizes[i][1], sizes[i][2]), one;
        size_t in, out;
        arrays a;

        all.stride = sizes[i][3];
        all.h = (all.h - 1) / all.stride + 1;
        all.w = (all.w - 1) / all.stride + 1;
        if (!of->fits(&all))
            continue;
        one = all;
        one.n = 1;
        in = (size_t)(one.in_h * one.in_w * one.in);
        out = pixels_of(&one) * (size_t)one.out;
        make(&a, of, all);
        of->pack(&all, a.w, (size_t)all.in * taps_of(&all), taps_of(&all), false, a.packed);
        for (int image = -1; image < all.n; image++) {
            size_t at = image < 0 ? 0 : (size_t)image;
            float *to = image < 0 ? a.y : a.before;
            pyr_conv_source x = {
                .at = {a.x + at * in}, .c = {all.in}, .type = PYR_F32, .h = all.in_h, .w = all.in_w};
            pyr_conv_result y = {
                .at = {to}, .c = {all.out}, .type = PYR_F32, .h = all.h, .w = all.w, .scale = 1};

            of->run(image < 0 ? &all : &one, &x, a.packed, &y, a.scratch);
            CHECK(image < 0 || memcmp(a.before, a.y + at * out, out * sizeof(float)) == 0);
        }
        clear(&a);
    }
}

/* Images in bf16 give what the same numbers as floats give, to the bit. */
static void halves_are_read(const pyr_conv_f32 *of)
{
    pyr_conv_size s = sized(3, 9, 7, 43, 21, 3);
    size_t pixels = pixels_of(&s), in = pixels * 43, out = pixels * 21;
    pyr_bf16 *x = pyr_calloc(in, sizeof *x), *dy = pyr_calloc(out, sizeof *dy);
    float *gradients[2] = {pyr_calloc(of->gradient_bytes(&s), 1), pyr_calloc(of->gradient_bytes(&s), 1)};
    float *scratch = pyr_calloc(of->gradient_scratch(&s), 1);
    arrays a;

    make(&a, of, s);
    CHECK(x && dy && gradients[0] && gradients[1] && scratch);
    for (size_t i = 0; i < in; i++)
        a.x[i] = pyr_bf16_to_float(x[i] = pyr_bf16_of_float(a.x[i]));
    for (size_t i = 0; i < out; i++)
        a.dy[i] = pyr_bf16_to_float(dy[i] = pyr_bf16_of_float(a.dy[i]));
    for (int half = 0; half < 2; half++) {
        pyr_type type = half ? PYR_BF16 : PYR_F32;
        pyr_conv_source from = {.c = {20, 23}, .type = type, .h = s.h, .w = s.w};
        pyr_conv_source gradient = {
            .at = {half ? (void *)dy : a.dy}, .c = {s.out}, .type = type, .h = s.h, .w = s.w};

        from.at[0] = half ? (void *)x : a.x; /* read as two tensors, whatever lies where */
        from.at[1] = half ? (void *)(x + pixels * 20) : a.x + pixels * 20;
        of->gradient(&s, &from, &gradient, 0.5f, gradients[half], false, scratch);
    }
    CHECK(memcmp(gradients[0], gradients[1], of->gradient_bytes(&s)) == 0);
    clear(&a);
    pyr_free(x);
    pyr_free(dy);
    pyr_free(gradients[0]);
    pyr_free(gradients[1]);
    pyr_free(scratch);
}

static void word_of_the_environment(void)
{
    pyr_set best;

    unsetenv("PYRDIFF_CPU");
    best = pyr_set_here();
    CHECK_OK(pyr_set_check());
    for (int set = 0; pyr_set_names[set]; set++) {
        setenv("PYRDIFF_CPU", pyr_set_names[set], 1);
        if (set <= (int)best) {
            CHECK_OK(pyr_set_check());
            CHECK((int)pyr_set_here() == set);
        } else {
            CHECK_STATUS(pyr_set_check(), PYR_E_UNSUPPORTED);
            CHECK(strstr(pyr_error(), pyr_set_names[best]));
            CHECK(pyr_set_here() == best);
        }
    }
    setenv("PYRDIFF_CPU", "avx3", 1);
    CHECK_STATUS(pyr_set_check(), PYR_E_ARG);
    CHECK(strstr(pyr_error(), "PYRDIFF_CPU=avx3") && strstr(pyr_error(), pyr_set_names[0]));
    setenv("PYRDIFF_CPU", "", 1);
    CHECK_OK(pyr_set_check());
    unsetenv("PYRDIFF_CPU");
}

static const pyr_conv_f32 *const (*const ways_of[PYR_SETS])[] = OF_SETS(pyr_convs);

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(word_of_the_environment);
    for (int set = 0; set <= (int)pyr_set_here(); set++) {
        const pyr_conv_f32 *const *ways = *ways_of[set];

        for (; *ways; ways++) {
            char name[64];

            snprintf(name, sizeof name, "all_sizes %s %s", (*ways)->name, pyr_set_names[set]);
            RUN_NAMED(name, all_sizes(*ways));
            snprintf(name, sizeof name, "images_are_independent %s %s", (*ways)->name, pyr_set_names[set]);
            RUN_NAMED(name, images_are_independent(*ways));
            snprintf(name, sizeof name, "halves_are_read %s %s", (*ways)->name, pyr_set_names[set]);
            if ((*ways)->reads_bf16)
                RUN_NAMED(name, halves_are_read(*ways));
        }
    }
    return CHECK_DONE();
}
