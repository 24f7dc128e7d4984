/* test_conv_f32.c - the convolutions of floats, 3x3 and 1x1, for each instruction set that this processor has, against
 * plain sums in double: all passes, all sides, channels that fill no block, two tensors, neighbours taken in.
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

typedef struct arrays {
    pyr_conv_size size;
    int taps, border;
    float *x, *w, *dy, *residual, *bias, *vector; /* x: source_h x source_w */
    float *y, *before;
    double *wanted;
    void *packed, *scratch, *gradient[2], *gradient_scratch;
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

static void make(arrays *a, const pyr_conv_f32 *of, pyr_conv_size s)
{
    size_t pixels = pixels_of(&s), in = (size_t)s.in, out = (size_t)s.out;

    *a = (arrays){.size = s, .taps = of->taps, .border = of->taps / 9};
    a->x = numbers(pixels * in, 0);
    a->w = numbers((size_t)of->taps * in * out, 1);
    a->dy = numbers(pixels * out, 2);
    a->residual = numbers(pixels * out, 3);
    a->bias = numbers(out, 4);
    a->vector = numbers((size_t)s.n * out, 5);
    a->before = numbers(pixels * out, 6);
    a->y = block(pixels * out);
    a->wanted = pyr_calloc(pixels * out + (size_t)of->taps * in * out, sizeof *a->wanted);
    a->packed = pyr_calloc(of->packed_bytes(&s), 1);
    a->scratch = pyr_calloc(of->scratch(&s), 1);
    a->gradient[0] = pyr_calloc(of->gradient_bytes(&s), 1);
    a->gradient[1] = pyr_calloc(of->gradient_bytes(&s), 1);
    a->gradient_scratch = pyr_calloc(of->gradient_scratch(&s), 1);
    CHECK(a->wanted && a->packed && a->scratch && a->gradient[0] && a->gradient[1] && a->gradient_scratch);
}

static void clear(arrays *a)
{
    void *all[] = {a->x,       a->w,           a->dy,          a->residual,        a->bias,
                   a->vector,  a->before,      a->y,           a->wanted,          a->packed,
                   a->scratch, a->gradient[0], a->gradient[1], a->gradient_scratch};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pyr_free(all[i]);
}

/* Number `channel` of a pixel of the image that is convolved; 0 around it. */
static double at(const pyr_conv_size *s, const pyr_conv_source *x, int n, int row, int column, int channel)
{
    int part = channel >= x->c[0];
    size_t pixel;

    if (row < 0 || row >= s->h || column < 0 || column >= s->w)
        return 0;
    pixel = ((size_t)n * (size_t)x->h + (size_t)(row * x->h / s->h)) * (size_t)x->w +
            (size_t)(column * x->w / s->w);
    return (double)((const float *)
                        x->at[part])[pixel * (size_t)x->c[part] + (size_t)(channel - (part ? x->c[0] : 0))];
}

/* f for all products of a convolution: w of output o, input i, tap t is at (o * in + i) * taps + t. */
typedef void product(arrays *a, size_t result, size_t weight, double x);

static void for_products(arrays *a, const pyr_conv_source *x, product *f)
{
    const pyr_conv_size *s = &a->size;
    size_t result = 0;

    for (int n = 0; n < s->n; n++)
        for (int row = 0; row < s->h; row++)
            for (int column = 0; column < s->w; column++)
                for (int o = 0; o < s->out; o++, result++)
                    for (int i = 0; i < s->in; i++)
                        for (int t = 0; t < a->taps; t++)
                            f(a, result, (size_t)((o * s->in + i) * a->taps + t),
                              at(s, x, n, row + t / 3 - a->border, column + t % 3 - a->border, i));
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
        CHECK_REPORT("%s, %d images of %dx%d, %d to %d channels: off by %g of %g", what, s->n, s->h, s->w,
                     s->in, s->out, worst, sqrt(squares / (double)n));
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
    of->pack(&s, a->w, (size_t)(s.in * of->taps), (size_t)of->taps, false, a->packed);
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
    size_t count = (size_t)(of->taps * s.in) * (size_t)s.out;
    pyr_conv_source dy = {.at = {a->dy}, .c = {s.out}, .type = PYR_F32, .h = s.h, .w = s.w};
    float *dw = block(count);

    memset(a->wanted, 0, count * sizeof *a->wanted);
    for_products(a, x, add_gradient);
    for (size_t i = 0; i < count; i++) {
        a->wanted[i] = -1.5 * a->wanted[i] + (double)a->w[i];
        dw[i] = a->w[i];
    }
    of->gradient(&s, x, &dy, -0.5f, a->gradient[0], false, a->gradient_scratch);
    of->gradient(&s, x, &dy, -0.5f, a->gradient[1], false, a->gradient_scratch);
    of->gradient(&s, x, &dy, -0.5f, a->gradient[1], true, a->gradient_scratch);
    of->collect(&s, (const float *const[]){a->gradient[0], a->gradient[1]}, 2, dw);
    check_close("weights", a, dw, count);
    pyr_free(dw);
}

/* Backward by data is forward with weights turned around: W^T as one with the taps the other way is W. */
static void check_turned(arrays *a, const pyr_conv_f32 *of)
{
    pyr_conv_size s = a->size, turned = {s.n, s.h, s.w, s.out, s.in};
    size_t in = (size_t)s.in, out = (size_t)s.out, bytes = of->packed_bytes(&turned), taps = (size_t)of->taps;
    float *w = block(taps * in * out), *packed[2] = {pyr_calloc(bytes, 1), pyr_calloc(bytes, 1)};

    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++)
            for (size_t t = 0; t < taps; t++)
                w[(i * out + o) * taps + taps - 1 - t] = a->w[(o * in + i) * taps + t];
    of->pack(&turned, w, taps * out, taps, false, packed[0]);
    of->pack(&turned, a->w, taps, taps * in, true, packed[1]);
    CHECK(memcmp(packed[0], packed[1], bytes) == 0);
    pyr_free(w);
    pyr_free(packed[0]);
    pyr_free(packed[1]);
}

static void check_size(const pyr_conv_f32 *of, pyr_conv_size s)
{
    pyr_conv_source one, two, small;
    int part = s.in / 3 + 1;
    arrays a;

    make(&a, of, s);
    one = (pyr_conv_source){.at = {a.x}, .c = {s.in}, .type = PYR_F32, .h = s.h, .w = s.w};
    two = (pyr_conv_source){.at = {a.x, a.dy}, .c = {part, s.in - part}, .type = PYR_F32, .h = s.h, .w = s.w};
    small = one;
    small.h = s.h / 2 + s.h % 2;
    small.w = s.w / 3 + 1;
    check_forward(&a, of, &one, false, 0);
    check_forward(&a, of, &one, true, 0);
    check_forward(&a, of, &one, true, s.out / 2);
    if (s.in - part <= s.out)
        check_forward(&a, of, &two, true, 0);
    check_forward(&a, of, &small, true, 0);
    check_weights(&a, of, &one);
    check_weights(&a, of, &small);
    check_turned(&a, of);
    clear(&a);
}

static void all_sizes(const pyr_conv_f32 *of)
{
    static const pyr_conv_size sizes[] = {
        {1, 1, 1, 1, 1},     {2, 1, 2, 16, 16},  {1, 3, 5, 17, 33},  {3, 6, 4, 20, 12},
        {2, 7, 7, 32, 48},   {1, 14, 9, 31, 64}, {9, 8, 8, 16, 32},  {1, 28, 28, 3, 16},
        {1, 11, 13, 64, 17}, {1, 10, 2, 16, 1},  {30, 2, 2, 16, 16},
    };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(of, sizes[i]);
}

/* Bits: an image is not changed by those beside it. */
static void images_are_independent(const pyr_conv_f32 *of)
{
    pyr_conv_size all = {13, 7, 11, 24, 40}, one = {1, 7, 11, 24, 40};
    size_t in = pixels_of(&one) * 24, out = pixels_of(&one) * 40;
    arrays a;

    make(&a, of, all);
    of->pack(&all, a.w, (size_t)(all.in * of->taps), (size_t)of->taps, false, a.packed);
    for (int i = -1; i < all.n; i++) {
        size_t image = i < 0 ? 0 : (size_t)i;
        float *to = i < 0 ? a.y : a.before;
        pyr_conv_source x = {
            .at = {a.x + image * in}, .c = {all.in}, .type = PYR_F32, .h = all.h, .w = all.w};
        pyr_conv_result y = {.at = {to}, .c = {all.out}, .type = PYR_F32, .h = all.h, .w = all.w, .scale = 1};

        of->run(i < 0 ? &all : &one, &x, a.packed, &y, a.scratch);
        CHECK(i < 0 || memcmp(a.before, a.y + image * out, out * sizeof(float)) == 0);
    }
    clear(&a);
}

/* Images in bf16 give what the same numbers as floats give, to the bit. */
static void halves_are_read(const pyr_conv_f32 *of)
{
    pyr_conv_size s = {3, 9, 7, 43, 21};
    size_t pixels = pixels_of(&s), in = pixels * 43, out = pixels * 21;
    pyr_bf16 *x = pyr_calloc(in, sizeof *x), *dy = pyr_calloc(out, sizeof *dy);
    arrays a;

    make(&a, of, s);
    CHECK(x && dy);
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
        of->gradient(&s, &from, &gradient, 0.5f, a.gradient[half], false, a.gradient_scratch);
    }
    CHECK(memcmp(a.gradient[0], a.gradient[1], of->gradient_bytes(&s)) == 0);
    clear(&a);
    pyr_free(x);
    pyr_free(dy);
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

int main(int argc, char **argv)
{
    static const pyr_conv_f32 *const products[PYR_SETS] = OF_SETS(pyr_product);
    static const pyr_conv_f32 *const winograds[PYR_SETS] = OF_SETS(pyr_winograd);

    CHECK_INIT(argc, argv);
    RUN(word_of_the_environment);
    for (int set = 0; set <= (int)pyr_set_here(); set++) {
        const pyr_conv_f32 *kernels[] = {products[set], winograds[set]};

        for (int i = 0; i < 2; i++) {
            char name[64];

            snprintf(name, sizeof name, "all_sizes %s %s", i ? "3x3" : "1x1", pyr_set_names[set]);
            RUN_NAMED(name, all_sizes(kernels[i]));
            snprintf(name, sizeof name, "images_are_independent %s %s", i ? "3x3" : "1x1",
                     pyr_set_names[set]);
            RUN_NAMED(name, images_are_independent(kernels[i]));
            snprintf(name, sizeof name, "halves_are_read %s", pyr_set_names[set]);
            if (kernels[i]->reads_bf16)
                RUN_NAMED(name, halves_are_read(kernels[i]));
        }
    }
    return CHECK_DONE();
}
