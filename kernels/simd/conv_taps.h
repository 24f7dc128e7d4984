/* conv_taps.h - where the pixels lie that a result's taps read: in the images, or copied to one place.
 *
 * A convolution whose source is spread (conv_f32.h) falls into classes of results, by row and column modulo `spread`:
 * those of a class have the same taps, every `spread`-th of the kernel, and these read pixels that lie side by side. */
#ifndef PYR_KERNELS_SIMD_CONV_TAPS_H
#define PYR_KERNELS_SIMD_CONV_TAPS_H

#include "kernels/simd/conv_parts.h"

#include <stddef.h>
#include <string.h>

/* Results that are computed together: what they read stays in the first cache. */
enum { CHUNK = 48 };

/* Along one axis: the class's results are first, first + spread, ...; `count` of them. Their taps are first_tap,
 * first_tap + spread, ...; `taps` of them. The first tap of result number i reads `source` + i * stride. */
typedef struct class_axis {
    int first, count, first_tap, taps, source;
} class_axis;

static inline class_axis axis_of(int first, int length, int kernel, int stride, int spread, int pad)
{
    class_axis a = {.first = first, .count = divide_up(length - first, spread)};

    while (a.first_tap < kernel && (first * stride + a.first_tap - pad) % spread != 0)
        a.first_tap++;
    a.taps = divide_up(kernel - a.first_tap, spread);
    a.source = (first * stride + a.first_tap - pad) / spread;
    return a;
}

typedef struct class
{
    class_axis rows, columns;
} class;

static inline class class_of(const pyr_conv_size *s, int row, int column)
{
    return (class){axis_of(row, s->h, s->kernel_h, s->stride, s->spread, s->pad_top),
                   axis_of(column, s->w, s->kernel_w, s->stride, s->spread, s->pad_left)};
}

/* Some results of a class in order. */
typedef struct chunk {
    int count;
    int image, y, x; /* of the next chunk's first result, counted in the class */
    bool inner;      /* all of these are: */
    struct spot {
        int image, row, column; /* that the first tap reads; may lie outside */
        bool inner;             /* all taps lie inside, in images that are not enlarged */
        size_t source, pixel;   /* what the first tap reads where it is inner; the result */
    } at[CHUNK];
} chunk;

/* `count` results of one row from `x` on, from number c->count of the chunk on. */
static inline void add_run(chunk *c, const pyr_conv_size *s, const class *of, bool enlarged, int count)
{
    const int row = of->rows.source + c->y * s->stride;
    const bool inner = !enlarged && row >= 0 && row + of->rows.taps <= s->in_h;
    int column = of->columns.source + c->x * s->stride;
    size_t source = ((size_t)c->image * (size_t)s->in_h + (size_t)row) * (size_t)s->in_w + (size_t)column;
    size_t pixel =
        ((size_t)c->image * (size_t)s->h + (size_t)(of->rows.first + c->y * s->spread)) * (size_t)s->w +
        (size_t)(of->columns.first + c->x * s->spread);

    for (struct spot *p = c->at + c->count, *end = p + count; p < end; p++) {
        *p = (struct spot){.image = c->image,
                           .row = row,
                           .column = column,
                           .inner = inner && column >= 0 && column + of->columns.taps <= s->in_w,
                           .source = source,
                           .pixel = pixel};
        c->inner &= p->inner;
        column += s->stride;
        source += (size_t)s->stride;
        pixel += (size_t)s->spread;
    }
    c->count += count;
}

/* The next results; false: there are none. Begin with zeros. */
static inline bool next_chunk(chunk *c, const pyr_conv_size *s, const class *of, bool enlarged)
{
    c->count = 0;
    c->inner = true;
    if (of->rows.count < 1 || of->columns.count < 1)
        return false;
    while (c->count < CHUNK && c->image < s->n) {
        int count = smaller(CHUNK - c->count, of->columns.count - c->x);

        add_run(c, s, of, enlarged, count);
        if ((c->x += count) < of->columns.count)
            continue;
        c->x = 0;
        if (++c->y < of->rows.count)
            continue;
        c->y = 0;
        c->image++;
    }
    return c->count > 0;
}

static inline bool is_enlarged(const pyr_conv_size *s, const pyr_conv_source *x)
{
    return x->h != s->in_h || x->w != s->in_w;
}

/* Where each result reads the pixel in its own place, rows need not be told apart. */
static inline pyr_conv_size flat(const pyr_conv_size *s, const pyr_conv_source *x)
{
    pyr_conv_size one = *s;

    if (s->kernel_h * s->kernel_w == 1 && s->stride == 1 && s->spread == 1 && s->pad_top == 0 &&
        s->pad_left == 0 && s->in_h == s->h && s->in_w == s->w && !is_enlarged(s, x)) {
        one.h = one.in_h = 1;
        one.w = one.in_w = s->h * s->w;
    }
    return one;
}

/* The pixel of one tensor at a place of the image that is convolved; outside: `zeros`. */
static inline const float *pixel_at(const pyr_conv_size *s, const pyr_conv_source *x, int part, int image,
                                    int row, int column, const float *zeros)
{
    if (row < 0 || row >= s->in_h || column < 0 || column >= s->in_w)
        return zeros;
    if (x->h != s->in_h)
        row = row * x->h / s->in_h;
    if (x->w != s->in_w)
        column = column * x->w / s->in_w;
    return (const float *)x->at[part] +
           (((size_t)image * (size_t)x->h + (size_t)row) * (size_t)x->w + (size_t)column) *
               (size_t)x->c[part];
}

/* at[i]: what tap (y, x), counted in the class, of result i reads of one tensor. */
static inline void find_tap(const pyr_conv_size *s, const pyr_conv_source *source, int part, const chunk *c,
                            int y, int x, const float *zeros, const float **at)
{
    const size_t channels = (size_t)source->c[part], tap = (size_t)y * (size_t)s->in_w + (size_t)x;
    const float *images = source->at[part];

    if (c->inner) {
        for (int i = 0; i < c->count; i++)
            at[i] = images + (c->at[i].source + tap) * channels;
        return;
    }
    for (int i = 0; i < c->count; i++) {
        const struct spot *p = &c->at[i];

        at[i] = p->inner ? images + (p->source + tap) * channels
                         : pixel_at(s, source, part, p->image, p->row + y, p->column + x, zeros);
    }
}

static inline int taps_of(const pyr_conv_size *s)
{
    return s->kernel_h * s->kernel_w;
}

/* `outputs` channels from `first` on of a pixel that may lie in two tensors, then zeros up to OUTPUTS. */
static inline void copy_outputs(const pyr_conv_source *x, const float *const from[2], int first, int outputs,
                                float *to)
{
    for (int j = 0; j < OUTPUTS; j++) {
        int o = first + j;

        to[j] = j >= outputs ? 0 : o < x->c[0] ? from[0][o] : from[1][o - x->c[0]];
    }
}

/* A block of outputs' gradients that lie as dy does in results; where the inputs of a forward pass take its part, they
 * may be enlarged or in two tensors. */
typedef struct outputs_of {
    const pyr_conv_size *size;
    const pyr_conv_source *dy;
    int first, outputs; /* of the block */
    const float *at;    /* they are all in one tensor: those of its first pixel; else NULL */
    size_t step;        /* floats to the next pixel's */
} outputs_of;

static inline outputs_of block_of(const pyr_conv_size *s, const pyr_conv_source *dy, int first)
{
    outputs_of b = {.size = s, .dy = dy, .first = first, .outputs = smaller(OUTPUTS, s->out - first)};
    int part = first >= dy->c[0], channel = first - (part ? dy->c[0] : 0);

    if (b.outputs == OUTPUTS && channel + OUTPUTS <= dy->c[part] && dy->h == s->h && dy->w == s->w) {
        b.at = (const float *)dy->at[part] + channel;
        b.step = (size_t)dy->c[part];
    }
    return b;
}

/* A pixel's, copied. */
static inline void copy_block(const outputs_of *b, size_t pixel, float *to)
{
    const pyr_conv_size *s = b->size, results = {.in_h = s->h, .in_w = s->w};
    const size_t w = (size_t)s->w, h = (size_t)s->h;
    const float *from[2] = {NULL};

    if (b->at) {
        UNROLL
        for (int v = 0; v < OUTPUTS; v += LANES)
            store(to + v, load(b->at + pixel * b->step + v));
        return;
    }
    for (int part = 0; part < 2 && b->dy->c[part] > 0; part++)
        from[part] = pixel_at(&results, b->dy, part, (int)(pixel / w / h), (int)(pixel / w % h),
                              (int)(pixel % w), NULL);
    copy_outputs(b->dy, from, b->first, b->outputs, to);
}

#endif
