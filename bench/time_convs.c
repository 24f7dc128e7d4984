/* time_convs.c - convolutions of floats on one thread, each way by itself: oneDNN's and those of kernels/simd.
 *
 *     make bench && bench/time_convs [--seconds S] [WORD]
 *
 * GFLOP/s of the plain sums (2 x multiply-adds), forward, by data, by weights; "-": a way does not compute it. Only
 * rows whose name has WORD in it. Times are those of the thread, which others on the machine disturb little.
 * PYRDIFF_CPU=avx2 ONEDNN_MAX_CPU_ISA=AVX2 limit both to AVX2. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/philox.h"
#include "kernels/onednn/onednn.h"
#include "kernels/processor.h"
#include "kernels/simd/conv_f32.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Images, side of what is read, channels, kernel, stride, and padding on each side. */
typedef struct conv {
    int n, side, in, out, kernel_h, kernel_w, stride, pad_h, pad_w;
} conv;

static const conv convs[] = {
    /* U-Nets of bench/networks */
    {16, 28, 1, 32, 3, 3, 1, 1, 1},
    {16, 28, 32, 1, 3, 3, 1, 1, 1},
    {16, 14, 4, 64, 3, 3, 1, 1, 1},
    {16, 14, 64, 4, 3, 3, 1, 1, 1},
    {8, 32, 3, 128, 3, 3, 1, 1, 1},
    {8, 32, 128, 3, 3, 3, 1, 1, 1},
    {16, 28, 32, 32, 3, 3, 1, 1, 1},
    {16, 14, 64, 64, 3, 3, 1, 1, 1},
    {16, 7, 64, 64, 3, 3, 1, 1, 1},
    {8, 32, 128, 128, 3, 3, 1, 1, 1},
    {8, 16, 256, 256, 3, 3, 1, 1, 1},
    /* parts of one image, of two */
    {1, 8, 128, 128, 3, 3, 1, 1, 1},
    {8, 8, 128, 128, 3, 3, 1, 1, 1},
    {1, 16, 128, 128, 3, 3, 1, 1, 1},
    {8, 16, 128, 128, 3, 3, 1, 1, 1},
    {1, 32, 64, 64, 3, 3, 1, 1, 1},
    {2, 7, 64, 64, 3, 3, 1, 1, 1},
    {2, 14, 64, 64, 3, 3, 1, 1, 1},
    {1, 28, 32, 32, 3, 3, 1, 1, 1},
    {16, 28, 32, 32, 3, 3, 2, 1, 1},
    {16, 14, 64, 64, 3, 3, 2, 1, 1},
    {8, 32, 128, 128, 3, 3, 2, 1, 1},
    {16, 28, 64, 32, 1, 1, 1, 0, 0},
    {16, 14, 96, 64, 1, 1, 1, 0, 0},
    {16, 14, 128, 64, 1, 1, 1, 0, 0},
    {16, 7, 128, 64, 1, 1, 1, 0, 0},
    {16, 7, 64, 64, 1, 1, 1, 0, 0},
    {8, 32, 256, 128, 1, 1, 1, 0, 0},
    {8, 16, 512, 256, 1, 1, 1, 0, 0},
    /* Inception-v3 */
    {1, 299, 3, 32, 3, 3, 2, 0, 0},
    {1, 149, 32, 32, 3, 3, 1, 0, 0},
    {1, 147, 32, 64, 3, 3, 1, 1, 1},
    {1, 73, 64, 80, 1, 1, 1, 0, 0},
    {1, 73, 80, 192, 3, 3, 1, 0, 0},
    {1, 35, 288, 64, 1, 1, 1, 0, 0},
    {1, 35, 288, 48, 1, 1, 1, 0, 0},
    {1, 35, 48, 64, 5, 5, 1, 2, 2},
    {1, 35, 64, 96, 3, 3, 1, 1, 1},
    {1, 35, 96, 96, 3, 3, 1, 1, 1},
    {1, 35, 288, 384, 3, 3, 2, 0, 0},
    {1, 17, 768, 192, 1, 1, 1, 0, 0},
    {1, 17, 128, 128, 1, 7, 1, 0, 3},
    {1, 17, 160, 160, 7, 1, 1, 3, 0},
    {1, 17, 192, 192, 1, 7, 1, 0, 3},
    {1, 17, 192, 192, 7, 1, 1, 3, 0},
    {1, 17, 192, 320, 3, 3, 2, 0, 0},
    {1, 8, 2048, 320, 1, 1, 1, 0, 0},
    {1, 8, 448, 384, 3, 3, 1, 1, 1},
    {1, 8, 384, 384, 1, 3, 1, 0, 1},
};

static const pyr_conv_f32 *const (*const ways_of[PYR_SETS])[] = OF_SETS(pyr_convs);

typedef struct buffers {
    float *x, *y, *w, *packed, *scratch;
} buffers;

enum { FLOATS = 16 << 20 }; /* enough for each of the above */

static pyr_conv_size size_of(const conv *c)
{
    return (pyr_conv_size){.n = c->n,
                           .h = (c->side + 2 * c->pad_h - c->kernel_h) / c->stride + 1,
                           .w = (c->side + 2 * c->pad_w - c->kernel_w) / c->stride + 1,
                           .in = c->in,
                           .out = c->out,
                           .in_h = c->side,
                           .in_w = c->side,
                           .kernel_h = c->kernel_h,
                           .kernel_w = c->kernel_w,
                           .stride = c->stride,
                           .pad_top = c->pad_h,
                           .pad_left = c->pad_w,
                           .spread = 1};
}

static void run_ours(const pyr_conv_f32 *f, const pyr_conv_size *s, pyr_conv_pass pass, const buffers *b)
{
    pyr_conv_source x = {.at = {b->x}, .c = {s->in}, .type = PYR_F32, .h = s->in_h, .w = s->in_w};

    if (pass == PYR_CONV_BACKWARD_WEIGHTS) {
        pyr_conv_source dy = {.at = {b->y}, .c = {s->out}, .type = PYR_F32, .h = s->h, .w = s->w};

        f->gradient(s, &x, &dy, 1, b->packed, false, b->scratch);
    } else {
        pyr_conv_result y = {.at = {b->y}, .c = {s->out}, .type = PYR_F32, .h = s->h, .w = s->w, .scale = 1};

        f->run(s, &x, b->packed, &y, b->scratch);
    }
}

typedef struct timed {
    const pyr_conv_f32 *ours; /* NULL: oneDNN */
    pyr_conv_size size;
    pyr_conv_pass pass;
    const buffers *b;
    pyr_onednn_call *call;
    double best;
} timed;

static pyr_status run(timed *t)
{
    const buffers *b = t->b;

    if (t->ours) {
        run_ours(t->ours, &t->size, t->pass, b);
        return PYR_OK;
    }
    return pyr_onednn_run(t->call,
                          t->pass == PYR_CONV_FORWARD         ? (const void *[]){b->x, b->packed, NULL, b->y}
                          : t->pass == PYR_CONV_BACKWARD_DATA ? (const void *[]){b->y, b->packed, b->x}
                                                              : (const void *[]){b->x, b->y, b->packed, NULL},
                          b->scratch);
}

static bool prepare(timed *t, const conv *c)
{
    const pyr_conv_size s = size_of(c);
    pyr_conv_shape shape = {.n = c->n,
                            .in_h = s.in_h,
                            .in_w = s.in_w,
                            .in = s.in,
                            .out_h = s.h,
                            .out_w = s.w,
                            .out = s.out,
                            .kernel = s.kernel_h,
                            .kernel_w = s.kernel_w,
                            .stride = s.stride,
                            .pad_top = s.pad_top,
                            .pad_left = s.pad_left,
                            .pad_bottom = (s.h - 1) * s.stride + s.kernel_h - s.in_h - s.pad_top,
                            .pad_right = (s.w - 1) * s.stride + s.kernel_w - s.in_w - s.pad_left,
                            .data = PYR_F32,
                            .result = PYR_F32};

    t->size = t->pass == PYR_CONV_BACKWARD_DATA && t->ours ? pyr_conv_turned(&s) : s;
    t->best = 1e9;
    if (!t->ours)
        return pyr_onednn_conv(&t->call, &shape, t->pass) == PYR_OK;
    if (t->pass == PYR_CONV_BACKWARD_WEIGHTS)
        return t->ours->gradient && t->ours->gradient_fits(&t->size);
    if (!t->ours->fits(&t->size))
        return false;
    if (t->pass != PYR_CONV_BACKWARD_WEIGHTS)
        t->ours->pack(&t->size, t->b->w, 1, 1, false, t->b->packed);
    return true;
}

static void time_conv(const conv *c, const buffers *b, double seconds)
{
    const pyr_conv_f32 *const *ways = *ways_of[pyr_set_here()];
    const pyr_conv_size s = size_of(c);
    double work = 2.0 * s.n * s.h * s.w * s.in * s.out * s.kernel_h * s.kernel_w;

    for (int pass = 0; pass < PYR_CONV_PASSES; pass++) {
        for (int i = -1; i < 0 || ways[i]; i++) {
            timed t = {.ours = i < 0 ? NULL : ways[i], .pass = (pyr_conv_pass)pass, .b = b};
            double begin;

            if (!prepare(&t, c) || run(&t) != PYR_OK) {
                printf(" %6s", "-");
                continue;
            }
            begin = pyr_thread_seconds();
            do {
                double start = pyr_thread_seconds();

                if (run(&t) != PYR_OK)
                    break;
                if (pyr_thread_seconds() - start < t.best)
                    t.best = pyr_thread_seconds() - start;
            } while (pyr_thread_seconds() - begin < seconds);
            printf(" %6.1f", work / t.best / 1e9);
            pyr_onednn_free(t.call);
        }
        printf("  ");
    }
}

int main(int argc, char **argv)
{
    const char *word = NULL;
    double seconds = 0.1;
    buffers b = {0};
    float **all[] = {&b.x, &b.y, &b.w, &b.packed, &b.scratch};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else
            word = argv[i];
    }
    for (int i = 0; i < 5; i++) {
        *all[i] = pyr_calloc(FLOATS, sizeof(float));
        if (!*all[i])
            return 1;
        for (size_t j = 0; j < FLOATS; j++)
            (*all[i])[j] = (float)(j * 2654435761u % 4096) / 4096 - 0.5f;
    }
    pyr_onednn_single_thread();
    printf("GFLOP/s, one thread, %s: forward, by data, by weights; each of oneDNN",
           pyr_set_names[pyr_set_here()]);
    for (const pyr_conv_f32 *const *way = *ways_of[pyr_set_here()]; *way; way++)
        printf(", %s", (*way)->name);
    printf("\n");
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        const conv *c = &convs[i];
        char name[64];

        snprintf(name, sizeof name, "%dx %dx%dx%d to %d k%dx%d s%d", c->n, c->side, c->side, c->in, c->out,
                 c->kernel_h, c->kernel_w, c->stride);
        if (word && !strstr(name, word))
            continue;
        printf("%-32s", name);
        time_conv(c, &b, seconds);
        printf("\n");
        fflush(stdout);
    }
    for (int i = 0; i < 5; i++)
        pyr_free(*all[i]);
    return 0;
}
