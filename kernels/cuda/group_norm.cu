/* group_norm.cu - group norm, scale and shift, activation: one kernel each way.
 *
 * Formulas: kernels/ref/norm_tmpl.h. Per image and channel everything is affine in t = (x - mean) rstd:
 *     v = t a + b,  a = gamma (1 + scale),  b = beta (1 + scale) + shift,  y = act(v)
 * Backward, with dv = dy act'(v): two sums per channel (of dv and of dv t) give the gradients of gamma, beta,
 * scale and shift, and, added over a group with weights a, what dx needs:
 *     dx = rstd (dv a - mean(dv a) - t mean(dv a t))
 *
 * A group's channels are a short run of each pixel: 8 bytes, say. So a block has several groups of an image,
 * of 32 channels and more, in columns (columns.h), goes through them twice and finds them in a cache the
 * second time: memory is read once and written once. There are as many blocks as images times c / 32, enough
 * for a device from some 64 images on; with few large images it is not full. */
#include "kernels/cuda/columns.h"

extern "C" {
#include "base/mem.h"
}

/* Channels that a block has at least, if there are as many: 64 bytes of bf16 a pixel. So many groups it has
 * at most; so many columns it goes through at once. */
enum { CHANNELS = 32, GROUPS = 32, COLUMNS = 128 };

typedef struct group_norm {
    numbers x0, x3; /* x3: nothing when c0 == c */
    numbers y;      /* backward: dy */
    numbers dx0, dx3;
    bool add0, add3;
    const float *gamma, *beta, *vector; /* NULL: 1, 0, no scale and shift */
    float *saved;                       /* (n, groups, 2): mean, rstd; NULL forward: not kept */
    float *dvector;                     /* NULL: not wanted */
    bool add_vector;
    float *dgamma, *dbeta; /* the part of image 0; NULL: not wanted */
    size_t dparam_step;    /* from an image's part to the next one's */
    size_t pixels;
    int c, c0, groups, width; /* width: of a group */
    int bundle, bundles;      /* groups of a block, blocks of an image */
    pyr_act act;
    float eps;
} group_norm;

/* What a block has. */
typedef struct share {
    size_t image;
    int group, groups;     /* the first one, how many */
    int channel, channels; /* likewise */
} share;

static __device__ inline share share_of(const group_norm *o)
{
    int group = (int)(blockIdx.x % o->bundles) * o->bundle;
    int groups = o->groups - group < o->bundle ? o->groups - group : o->bundle;
    share s = {blockIdx.x / o->bundles, group, groups, group * o->width, groups * o->width};

    return s;
}

/* Columns from number `first` of a block on, as many as it goes through at once. */
typedef struct tile {
    int first, columns, rows;
} tile;

template <int EACH> static __device__ inline tile tile_of(const group_norm *o, const share *s, int first)
{
    int columns = s->channels / EACH - first;
    tile t = {first, columns < COLUMNS ? columns : COLUMNS, 0};

    t.rows = rows_for(t.columns, o->pixels);
    return t;
}

/* Where channel `channel`, the first of a column, is in x0 or x3; pixel p of the batch is at first + p *
 * step. */
typedef struct column {
    int channel, input, first, step;
    numbers x;
} column;

template <int EACH, bool HALF>
static __device__ inline column column_of(const group_norm *o, const share *s, const tile *t, int number)
{
    int channel = s->channel + (t->first + number) * EACH;
    bool more = channel >= o->c0;
    column c = {channel,
                more ? PYR_X_MORE : 0,
                more ? channel - o->c0 : channel,
                more ? o->c - o->c0 : o->c0,
                {more ? o->x3.data : o->x0.data, HALF}};

    return c;
}

/* The first and the second sum of a tile's channel, number k from its first, where sum_rows leaves them. */
template <int EACH> static __device__ inline float *sum_of(float *sums, const tile *t, int k, int which)
{
    return &sums[(4 * which + k % EACH) * t->columns + k / EACH];
}

/* Adds the channels' sums of a tile to those of the block's groups. */
template <int EACH>
static __device__ inline void add_to_groups(const group_norm *o, const share *s, const tile *t, float *sums,
                                            double *first, double *second)
{
    int start = t->first * EACH, end = start + t->columns * EACH; /* channels of the block */

    PYR_EACH_OF_BLOCK(g, (size_t)s->groups)
    {
        int from = (int)g * o->width, to = from + o->width;
        double a = first[g], b = second[g];

        for (int k = from < start ? start : from; k < (to < end ? to : end); k++) {
            a += (double)*sum_of<EACH>(sums, t, k - start, 0);
            b += (double)*sum_of<EACH>(sums, t, k - start, 1);
        }
        first[g] = a;
        second[g] = b;
    }
    __syncthreads();
}

/* What happens to channel c of an image behind t. */
typedef struct behind {
    float gamma, beta, scale, shift;
} behind;

static __device__ inline behind behind_of(const group_norm *o, size_t image, int c)
{
    behind b = {1, 0, 0, 0};

    if (o->gamma)
        b.gamma = o->gamma[c];
    if (o->beta)
        b.beta = o->beta[c];
    if (o->vector) {
        b.scale = o->vector[image * 2 * o->c + c];
        b.shift = o->vector[image * 2 * o->c + o->c + c];
    }
    return b;
}

/* Of a column: t = (x - mean) rstd, v = t a + b. mean, rstd of the block's groups are shared. */
typedef struct map4 {
    float mean[4], rstd[4], a[4], b[4];
} map4;

template <int EACH>
static __device__ inline map4 map_of(const group_norm *o, const share *s, int channel, const float *mean,
                                     const float *rstd)
{
    map4 m = {{0}, {0}, {0}, {0}};

    for (int j = 0; j < EACH; j++) {
        int g = (channel + j) / o->width - s->group;
        behind h = behind_of(o, s->image, channel + j);

        m.mean[j] = mean[g];
        m.rstd[j] = rstd[g];
        m.a[j] = h.gamma * (1 + h.scale);
        m.b[j] = h.beta * (1 + h.scale) + h.shift;
    }
    return m;
}

/* ---- forward --------------------------------------------------------------------------------------- */

/* Sums of x - shift and of its square, for each channel of a tile; shift: of the block's groups. */
template <int EACH, bool HALF>
static __device__ inline void moments(const group_norm *o, const share *s, const tile *t, const float *shift,
                                      float *sums)
{
    PYR_EACH_OF_BLOCK(i, (size_t)(t->columns * t->rows))
    {
        int number = (int)i % t->columns, row = (int)i / t->columns;
        column c = column_of<EACH, HALF>(o, s, t, number);
        float sum[4] = {0}, square[4] = {0}, from[4], v[4];

        for (int j = 0; j < EACH; j++)
            from[j] = shift[(c.channel + j) / o->width - s->group];
        PYR_UNROLL_BY_4
        for (size_t p = row; p < o->pixels; p += t->rows) {
            get4(c.x, (s->image * o->pixels + p) * c.step + c.first, EACH, v);
            for (int j = 0; j < EACH; j++) {
                float d = v[j] - from[j];

                sum[j] += d;
                square[j] += d * d;
            }
        }
        for (int j = 0; j < 4; j++) {
            sums[(row * 8 + j) * t->columns + number] = sum[j];
            sums[(row * 8 + 4 + j) * t->columns + number] = square[j];
        }
    }
    sum_rows(sums, t->rows, 8 * t->columns);
}

template <int EACH, bool HALF>
static __device__ inline void normalize(const group_norm *o, const share *s, const tile *t, const float *mean,
                                        const float *rstd)
{
    numbers y = {o->y.data, HALF};

    PYR_EACH_OF_BLOCK(i, (size_t)(t->columns * t->rows))
    {
        int row = (int)i / t->columns;
        column c = column_of<EACH, HALF>(o, s, t, (int)i % t->columns);
        map4 m = map_of<EACH>(o, s, c.channel, mean, rstd);
        float v[4];

        for (size_t p = row; p < o->pixels; p += t->rows) {
            size_t pixel = s->image * o->pixels + p;

            get4(c.x, pixel * c.step + c.first, EACH, v);
            for (int j = 0; j < EACH; j++)
                v[j] = act_value(o->act, (v[j] - m.mean[j]) * m.rstd[j] * m.a[j] + m.b[j]);
            put4(y, pixel * o->c + c.channel, EACH, v);
        }
    }
}

/* A group's sums are taken of differences from its first number: a large mean is gone before anything is
 * squared, and what is left of it costs a rounding or two. */
template <int EACH, bool HALF> static __global__ void norm_kernel(group_norm o)
{
    __shared__ float sums[8 * WORKERS], shift[GROUPS], mean[GROUPS], rstd[GROUPS];
    __shared__ double sum[GROUPS], square[GROUPS];
    share s = share_of(&o);
    double count = (double)o.pixels * o.width;

    PYR_EACH_OF_BLOCK(g, (size_t)s.groups)
    {
        tile t = {0, 0, 0};
        column c = column_of<1, HALF>(&o, &s, &t, (int)g * o.width);

        shift[g] = get(c.x, s.image * o.pixels * c.step + c.first);
        sum[g] = square[g] = 0;
    }
    __syncthreads();
    for (int first = 0; first < s.channels / EACH; first += COLUMNS) {
        tile t = tile_of<EACH>(&o, &s, first);

        moments<EACH, HALF>(&o, &s, &t, shift, sums);
        add_to_groups<EACH>(&o, &s, &t, sums, sum, square);
    }
    PYR_EACH_OF_BLOCK(g, (size_t)s.groups)
    {
        double m = sum[g] / count, variance = square[g] / count - m * m;
        float *saved = o.saved ? o.saved + (s.image * o.groups + s.group + g) * 2 : NULL;

        mean[g] = (float)((double)shift[g] + m);
        rstd[g] = (float)(1 / sqrt((variance < 0 ? 0 : variance) + (double)o.eps));
        if (saved) {
            saved[0] = mean[g];
            saved[1] = rstd[g];
        }
    }
    __syncthreads();
    for (int first = 0; first < s.channels / EACH; first += COLUMNS) {
        tile t = tile_of<EACH>(&o, &s, first);

        normalize<EACH, HALF>(&o, &s, &t, mean, rstd);
    }
}

/* ---- backward -------------------------------------------------------------------------------------- */

/* t and dv = dy act'(v) of pixel p of the batch. */
template <int EACH>
static __device__ inline void slopes(const group_norm *o, const column *c, const map4 *m, numbers dy,
                                     size_t p, float t[4], float dv[4])
{
    float x[4], d[4];

    get4(c->x, p * c->step + c->first, EACH, x);
    get4(dy, p * o->c + c->channel, EACH, d);
    for (int j = 0; j < EACH; j++) {
        t[j] = (x[j] - m->mean[j]) * m->rstd[j];
        dv[j] = d[j] * act_slope(o->act, t[j] * m->a[j] + m->b[j]);
    }
}

/* Sums of dv and of dv t, for each channel of a tile. */
template <int EACH, bool HALF>
static __device__ inline void slope_sums(const group_norm *o, const share *s, const tile *t,
                                         const float *mean, const float *rstd, float *sums)
{
    numbers dy = {o->y.data, HALF};

    PYR_EACH_OF_BLOCK(i, (size_t)(t->columns * t->rows))
    {
        int number = (int)i % t->columns, row = (int)i / t->columns;
        column c = column_of<EACH, HALF>(o, s, t, number);
        map4 m = map_of<EACH>(o, s, c.channel, mean, rstd);
        float sum[4] = {0}, sum_t[4] = {0}, x[4], dv[4];

        PYR_UNROLL_BY_4
        for (size_t p = row; p < o->pixels; p += t->rows) {
            slopes<EACH>(o, &c, &m, dy, s->image * o->pixels + p, x, dv);
            for (int j = 0; j < EACH; j++) {
                sum[j] += dv[j];
                sum_t[j] += dv[j] * x[j];
            }
        }
        for (int j = 0; j < 4; j++) {
            sums[(row * 8 + j) * t->columns + number] = sum[j];
            sums[(row * 8 + 4 + j) * t->columns + number] = sum_t[j];
        }
    }
    sum_rows(sums, t->rows, 8 * t->columns);
}

/* What is wanted per channel of a tile; its two sums become those of dv a and of dv a t. */
static __device__ inline void channel_gradients(const group_norm *o, size_t image, int c, float *sum,
                                                float *sum_t)
{
    behind h = behind_of(o, image, c);

    if (o->dvector) {
        numbers out = floats(o->dvector + image * 2 * o->c);

        put_or_add(out, c, *sum_t * h.gamma + *sum * h.beta, o->add_vector);
        put_or_add(out, o->c + c, *sum, o->add_vector);
    }
    *sum *= 1 + h.scale;
    *sum_t *= 1 + h.scale;
    if (o->dgamma)
        o->dgamma[image * o->dparam_step + c] = *sum_t;
    if (o->dbeta)
        o->dbeta[image * o->dparam_step + c] = *sum;
    *sum *= h.gamma;
    *sum_t *= h.gamma;
}

/* mean_g, mean_gt: of dv a and of dv a t over each of the block's groups. */
template <int EACH, bool HALF>
static __device__ inline void input_gradient(const group_norm *o, const share *s, const tile *t,
                                             const float *mean, const float *rstd, const float *mean_g,
                                             const float *mean_gt)
{
    numbers dy = {o->y.data, HALF};

    PYR_EACH_OF_BLOCK(i, (size_t)(t->columns * t->rows))
    {
        int row = (int)i / t->columns;
        column c = column_of<EACH, HALF>(o, s, t, (int)i % t->columns);
        map4 m = map_of<EACH>(o, s, c.channel, mean, rstd);
        numbers dx = {c.input ? o->dx3.data : o->dx0.data, HALF};
        bool add = c.input ? o->add3 : o->add0;
        float g[4] = {0}, gt[4] = {0}, x[4], dv[4] = {0};

        for (int j = 0; j < EACH; j++) {
            g[j] = mean_g[(c.channel + j) / o->width - s->group];
            gt[j] = mean_gt[(c.channel + j) / o->width - s->group];
        }
        for (size_t p = row; dx.data && p < o->pixels; p += t->rows) {
            size_t pixel = s->image * o->pixels + p;

            slopes<EACH>(o, &c, &m, dy, pixel, x, dv);
            for (int j = 0; j < EACH; j++)
                dv[j] = m.rstd[j] * (dv[j] * m.a[j] - g[j] - x[j] * gt[j]);
            put4_or_add(dx, pixel * c.step + c.first, EACH, dv, add);
        }
    }
}

template <int EACH, bool HALF>
static __global__ void __launch_bounds__(WORKERS, 4) norm_gradient_kernel(group_norm o)
{
    __shared__ float sums[8 * WORKERS], mean[GROUPS], rstd[GROUPS], mean_g[GROUPS], mean_gt[GROUPS];
    __shared__ double sum_g[GROUPS], sum_gt[GROUPS];
    share s = share_of(&o);
    double count = (double)o.pixels * o.width;

    PYR_EACH_OF_BLOCK(g, (size_t)s.groups)
    {
        const float *saved = o.saved + (s.image * o.groups + s.group + g) * 2;

        mean[g] = saved[0];
        rstd[g] = saved[1];
        sum_g[g] = sum_gt[g] = 0;
    }
    __syncthreads();
    for (int first = 0; first < s.channels / EACH; first += COLUMNS) {
        tile t = tile_of<EACH>(&o, &s, first);

        slope_sums<EACH, HALF>(&o, &s, &t, mean, rstd, sums);
        PYR_EACH_OF_BLOCK(k, (size_t)(t.columns * EACH))
        {
            channel_gradients(&o, s.image, s.channel + first * EACH + (int)k,
                              sum_of<EACH>(sums, &t, (int)k, 0), sum_of<EACH>(sums, &t, (int)k, 1));
        }
        __syncthreads();
        add_to_groups<EACH>(&o, &s, &t, sums, sum_g, sum_gt);
    }
    PYR_EACH_OF_BLOCK(g, (size_t)s.groups)
    {
        mean_g[g] = (float)(sum_g[g] / count);
        mean_gt[g] = (float)(sum_gt[g] / count);
    }
    __syncthreads();
    for (int first = 0; first < s.channels / EACH; first += COLUMNS) {
        tile t = tile_of<EACH>(&o, &s, first);

        input_gradient<EACH, HALF>(&o, &s, &t, mean, rstd, mean_g, mean_gt);
    }
}

/* ---- the row ----------------------------------------------------------------------------------------- */

/* Channels of a column: four where every tensor's rows and every block begin at multiples of four. */
static int each_of(const pyr_op *op)
{
    return column_width(op->x[0].s.c) == 4 && column_width(op->y.s.c) == 4 ? 4 : 1;
}

static group_norm norm_of(const pyr_op *op)
{
    group_norm o;
    pyr_shape s = op->y.s;

    memset(&o, 0, sizeof o);
    o.x0 = numbers_of(&op->x[0]);
    if (pyr_op_has(op, PYR_X_MORE))
        o.x3 = numbers_of(&op->x[PYR_X_MORE]);
    o.gamma = op->param_count[0] ? (const float *)op->param[0] : NULL;
    o.beta = op->param_count[1] ? (const float *)op->param[1] : NULL;
    if (pyr_op_has(op, PYR_X_SCALE_SHIFT))
        o.vector = (const float *)op->x[PYR_X_SCALE_SHIFT].data;
    o.saved = op->saved_bytes ? (float *)op->saved : NULL;
    o.pixels = (size_t)s.h * s.w;
    o.c = s.c;
    o.c0 = op->x[0].s.c;
    o.groups = op->groups;
    o.width = s.c / op->groups;
    for (o.bundle = 1; o.bundle < o.groups; o.bundle++)
        if (o.bundle * o.width >= CHANNELS && o.bundle * o.width % each_of(op) == 0)
            break;
    o.bundles = (o.groups + o.bundle - 1) / o.bundle;
    o.act = op->act;
    o.eps = op->eps;
    return o;
}

typedef void (*norm_function)(group_norm);

static pyr_status launch(pyr_kernels *k, const pyr_op *op, const group_norm *o, norm_function wide,
                         norm_function wide_half, norm_function narrow, norm_function narrow_half)
{
    bool half = op->y.type == PYR_BF16;
    int each = each_of(op), columns = o->bundle * o->width / each;
    norm_function kernel = each == 4 ? (half ? wide_half : wide) : (half ? narrow_half : narrow);

    return PYR_LAUNCH_BLOCKS(k, kernel, (size_t)op->y.s.n * o->bundles,
                             threads_for(columns < COLUMNS ? columns : COLUMNS, o->pixels), *o);
}

/* scratch: the images' parts of the parameters' gradient, n rows as the accumulator is; room for their sum */
static size_t parts_bytes(const pyr_op *op)
{
    return pyr_aligned((size_t)op->y.s.n * (op->param_count[0] + op->param_count[1]) * sizeof(float));
}

static pyr_status norm_plan(pyr_kernels *k, pyr_op *op)
{
    int params = (int)(op->param_count[0] + op->param_count[1]);

    (void)k;
    if (op->backward)
        op->saved_bytes = (size_t)op->y.s.n * op->groups * 2 * sizeof(float);
    if (op->want_grad && params)
        op->scratch_bytes = parts_bytes(op) + pyr_cuda_column_bytes(op->y.s.n, params);
    return PYR_OK;
}

static pyr_status norm_forward(pyr_kernels *k, pyr_op *op)
{
    group_norm o = norm_of(op);

    o.y = numbers_of(&op->y);
    return launch(k, op, &o, norm_kernel<4, false>, norm_kernel<4, true>, norm_kernel<1, false>,
                  norm_kernel<1, true>);
}

static pyr_status launch_gradient(pyr_kernels *k, const pyr_op *op, const group_norm *o)
{
    return launch(k, op, o, norm_gradient_kernel<4, false>, norm_gradient_kernel<4, true>,
                  norm_gradient_kernel<1, false>, norm_gradient_kernel<1, true>);
}

static pyr_status norm_backward(pyr_kernels *k, pyr_op *op)
{
    int params = (int)(op->param_count[0] + op->param_count[1]);
    group_norm o = norm_of(op);

    o.y = gradient_of(&op->y, op->dy);
    o.dx0.data = op->dx[0];
    o.add0 = op->dx_add[0];
    if (op->dx[PYR_X_MORE] != op->dx[0])
        o.dx3.data = op->dx[PYR_X_MORE];
    o.add3 = op->dx_add[PYR_X_MORE];
    o.dvector = (float *)op->dx[PYR_X_SCALE_SHIFT];
    o.add_vector = op->dx_add[PYR_X_SCALE_SHIFT];
    o.dparam_step = params;
    if (op->want_grad && op->param_count[0])
        o.dgamma = (float *)op->scratch;
    if (op->want_grad && op->param_count[1])
        o.dbeta = (float *)op->scratch + op->param_count[0];
    PYR_TRY(launch_gradient(k, op, &o));
    if (op->want_grad && params)
        PYR_TRY(pyr_cuda_column_sums(k, (float *)op->grad, op->grad_add, floats(op->scratch), op->y.s.n,
                                     params, (float *)((char *)op->scratch + parts_bytes(op))));
    if (op->dx[0] && op->dx[PYR_X_MORE] == op->dx[0]) { /* the same image twice: one place after the other */
        o.dx3.data = o.dx0.data;
        o.dx0.data = NULL;
        o.dvector = o.dgamma = o.dbeta = NULL;
        return launch_gradient(k, op, &o);
    }
    return PYR_OK;
}

const pyr_op_impl pyr_cuda_group_norm = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X3,
                                         .fuses = PYR_FUSES_CONCAT,
                                         .in_place = 1, /* a block reads its channels before it writes them */
                                         .overwrites = true,
                                         .plan = norm_plan,
                                         .forward = norm_forward,
                                         .backward = norm_backward,
                                         .collect = pyr_cuda_collect};
