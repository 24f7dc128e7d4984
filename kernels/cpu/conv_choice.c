/* conv_choice.c - which of several ways computes a pass of a convolution: what is known for the size (tuning.h), or
 * measured now, or left to the model. The number of images has no part in it, so that an image's result is the same in any
 * company. */
#include "base/clock.h"
#include "base/mem.h"
#include "kernels/cpu/conv2d_internal.h"
#include "kernels/processor.h"
#include "kernels/simd/amx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Seconds of a call, the least of a few. */
static pyr_status least_time(pyr_status (*call)(const void *ctx), const void *ctx, double *seconds)
{
    enum { LEAST = 3, MOST = 50 };
    const double enough = 2e-3, begin = pyr_thread_seconds();

    *seconds = INFINITY;
    for (int i = 0; i < MOST && (i < LEAST || pyr_thread_seconds() - begin < enough); i++) {
        double start = pyr_thread_seconds();

        PYR_TRY(call(ctx));
        *seconds = fmin(*seconds, pyr_thread_seconds() - start);
    }
    return PYR_OK;
}

/* ---- bf16: plain products or Winograd's --------------------------------------------------------- */

typedef struct tile_trial {
    pyr_tile_size size;
    bool gradient; /* of the weights, into `packed`; else forward */
    void *x, *y, *packed, *scratch;
} tile_trial;

static pyr_status run_tiles(const void *ctx)
{
    const tile_trial *t = ctx;
    const pyr_tile_size *s = &t->size;
    pyr_conv_source x = {.at = {t->x}, .c = {s->in}, .type = PYR_BF16, .h = s->h, .w = s->w};
    pyr_conv_source dy = {.at = {t->y}, .c = {s->out}, .type = PYR_BF16, .h = s->h, .w = s->w};
    pyr_conv_result y = {.at = {t->y}, .c = {s->out}, .type = PYR_BF16, .h = s->h, .w = s->w, .scale = 1};

    if (t->gradient)
        pyr_tile_gradient(s, &x, &dy, 1, t->packed, false, NULL, false, t->scratch);
    else
        pyr_tile_run(s, &x, t->packed, &y, t->scratch);
    return PYR_OK;
}

/* Buffers hold zeros, whose products take as long as others. */
static pyr_status time_tiles(const pyr_tile_size *size, bool gradient, double *seconds)
{
    size_t pixels = (size_t)size->n * (size_t)size->h * (size_t)size->w;
    tile_trial t = {.size = *size, .gradient = gradient};
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_new(&t.x, pixels * (size_t)size->in, 2, "measuring"));
    PYR_TRY_OUT(pyr_new(&t.y, pixels * (size_t)size->out, 2, "measuring"));
    PYR_TRY_OUT(pyr_new(&t.packed, gradient ? pyr_tile_gradient_bytes(size) : pyr_tile_packed_bytes(size), 1,
                        "measuring"));
    PYR_TRY_OUT(pyr_new(&t.scratch, gradient ? pyr_tile_gradient_scratch(size) : pyr_tile_scratch(size), 1,
                        "measuring"));
    status = least_time(run_tiles, &t, seconds);
out:
    pyr_free(t.x);
    pyr_free(t.y);
    pyr_free(t.packed);
    pyr_free(t.scratch);
    return status;
}

pyr_status pyr_choose_tiles(pyr_kernels *k, pyr_tile_size *size)
{
    const double clearly = 0.95; /* plain products are closer: only for a gain */
    pyr_tile_size plain = *size, winograd = *size;
    double plain_s, winograd_s;
    char name[96];
    int choice;

    if (size->kernel != 3 || size->products != PYR_BY_MODEL)
        return PYR_OK;
    snprintf(name, sizeof name, "products 3x3 bf16 %dx%dx%d to %d", size->h, size->w, size->in, size->out);
    if (!pyr_tuning_get(k->tuning, name, &choice)) {
        if (!pyr_tuning_measures(k->tuning))
            return PYR_OK;
        plain.products = PYR_PLAIN;
        winograd.products = PYR_WINOGRAD;
        PYR_TRY(time_tiles(&plain, false, &plain_s));
        PYR_TRY(time_tiles(&winograd, false, &winograd_s));
        choice = winograd_s < clearly * plain_s ? PYR_WINOGRAD : PYR_PLAIN;
        PYR_TRY(pyr_tuning_put(k->tuning, name, choice));
    }
    size->products = choice == PYR_WINOGRAD ? PYR_WINOGRAD : PYR_PLAIN;
    return PYR_OK;
}

/* ---- floats: a kernel of ours or oneDNN's -------------------------------------------------------- */

static bool fits(const pyr_conv_f32 *f, const pyr_conv_size *size, pyr_conv_pass pass)
{
    return pass == PYR_CONV_BACKWARD_WEIGHTS ? f->gradient && f->gradient_fits(size) : f->fits(size);
}

/* The first one that suits, and reads images of `type`; NULL: none of ours. */
static const pyr_conv_f32 *by_model(const pyr_conv_size *size, pyr_conv_pass pass, pyr_type type)
{
    for (const pyr_conv_f32 *const *f = OF_SET(pyr_convs); *f; f++)
        if ((type != PYR_BF16 || (*f)->reads_bf16) && fits(*f, size, pass) &&
            (pass == PYR_CONV_BACKWARD_WEIGHTS ? (*f)->gradient_suits : (*f)->suits)(size))
            return *f;
    return NULL;
}

/* A pass by itself. Around oneDNN's there may be passes for neighbours, which take as long as copies at least. */
typedef struct trial {
    const pyr_conv_f32 *floats; /* NULL: oneDNN */
    pyr_type type;              /* of images */
    pyr_conv_size size;
    pyr_conv_shape shape;
    pyr_conv_pass pass;
    bool copies_x, copies_y; /* around oneDNN's: what is read, what is written */
    pyr_onednn_call *call;
    float *x, *y, *packed, *scratch, *copy;
} trial;

static size_t numbers(int n, int h, int w, int channels)
{
    return (size_t)n * (size_t)h * (size_t)w * (size_t)channels;
}

static pyr_status prepare(trial *t)
{
    const pyr_conv_size *s = &t->size;
    bool gradient = t->pass == PYR_CONV_BACKWARD_WEIGHTS;
    size_t packed, scratch, x = numbers(s->n, s->in_h, s->in_w, s->in), y = numbers(s->n, s->h, s->w, s->out);

    if (t->floats) {
        packed = gradient ? t->floats->gradient_bytes(s) : t->floats->packed_bytes(s);
        scratch = gradient ? t->floats->gradient_scratch(s) : t->floats->scratch(s);
    } else {
        PYR_TRY(pyr_onednn_conv(&t->call, &t->shape, t->pass));
        packed = pyr_onednn_weight_bytes(t->call);
        scratch = pyr_onednn_scratch_bytes(t->call);
    }
    PYR_TRY(pyr_new(&t->x, x, sizeof(float), "measuring"));
    PYR_TRY(pyr_new(&t->y, y, sizeof(float), "measuring"));
    PYR_TRY(pyr_new(&t->copy, x > y ? x : y, sizeof(float), "measuring"));
    PYR_TRY(pyr_new(&t->packed, packed + 1, 1, "measuring"));
    return pyr_new(&t->scratch, scratch + 1, 1, "measuring");
}

static pyr_status run_onednn(const trial *t)
{
    const pyr_conv_size *s = &t->size;
    const void *x = t->copies_x ? t->copy : t->x;

    if (t->copies_x)
        memcpy(t->copy, t->x, numbers(s->n, s->in_h, s->in_w, s->in) * sizeof(float));
    if (t->pass == PYR_CONV_BACKWARD_WEIGHTS)
        return pyr_onednn_run(t->call, (const void *[]){x, t->y, t->packed, NULL}, t->scratch);
    if (t->pass == PYR_CONV_FORWARD)
        PYR_TRY(pyr_onednn_run(t->call, (const void *[]){x, t->packed, NULL, t->y}, t->scratch));
    else
        PYR_TRY(pyr_onednn_run(t->call, (const void *[]){x, t->packed, t->y}, t->scratch));
    if (t->copies_y)
        memcpy(t->copy, t->y, numbers(s->n, s->h, s->w, s->out) * sizeof(float));
    return PYR_OK;
}

static pyr_status run(const void *ctx)
{
    const trial *t = ctx;
    const pyr_conv_size *s = &t->size;
    pyr_conv_source x = {.at = {t->x}, .c = {s->in}, .type = t->type, .h = s->in_h, .w = s->in_w};
    pyr_conv_source dy = {.at = {t->y}, .c = {s->out}, .type = t->type, .h = s->h, .w = s->w};
    pyr_conv_result y = {.at = {t->y}, .c = {s->out}, .type = PYR_F32, .h = s->h, .w = s->w, .scale = 1};

    if (!t->floats)
        return run_onednn(t);
    if (t->pass == PYR_CONV_BACKWARD_WEIGHTS)
        t->floats->gradient(s, &x, &dy, 1, t->packed, false, t->scratch);
    else
        t->floats->run(s, &x, t->packed, &y, t->scratch);
    return PYR_OK;
}

static pyr_status time_floats(trial t, const pyr_conv_f32 *floats, double *seconds)
{
    pyr_status status = PYR_OK;

    t.floats = floats;
    PYR_TRY_OUT(prepare(&t));
    PYR_TRY_OUT(run(&t));
    status = least_time(run, &t, seconds);
out:
    pyr_onednn_free(t.call);
    pyr_free(t.x);
    pyr_free(t.y);
    pyr_free(t.copy);
    pyr_free(t.packed);
    pyr_free(t.scratch);
    return status;
}

/* What the model chooses stays unless another way is clearly faster. `t`: with as many images as take about `enough`. */
static pyr_status measure(const trial *t, const pyr_conv_f32 **best)
{
    const double clearly = 0.95;
    double best_s, other_s;

    PYR_TRY(time_floats(*t, *best, &best_s));
    for (const pyr_conv_f32 *const *f = OF_SET(pyr_convs); *f; f++) {
        if (*f == *best || !fits(*f, &t->size, t->pass))
            continue;
        PYR_TRY(time_floats(*t, *f, &other_s));
        if (other_s < clearly * best_s) {
            best_s = other_s;
            *best = *f;
        }
    }
    if (!*best)
        return PYR_OK;
    PYR_TRY(time_floats(*t, NULL, &other_s));
    if (other_s < clearly * best_s)
        *best = NULL;
    return PYR_OK;
}

static trial trial_of(const conv_state *s, const pyr_op *op, pyr_conv_pass pass)
{
    const double operations = 1e8;
    enum { PIXELS = 512 };
    const bool scaled = s->scale != 1, forward = pass == PYR_CONV_FORWARD;
    const bool joined = pyr_op_has(op, PYR_X_MORE) || op->up_h;
    trial t = {.type = s->shape.data,
               .size = pass == PYR_CONV_BACKWARD_DATA ? s->turned_size : s->size,
               .shape = s->shape,
               .pass = pass,
               .copies_x = pass != PYR_CONV_BACKWARD_DATA && joined,
               .copies_y = forward ? scaled || pyr_op_has(op, PYR_X_RESIDUAL) || pyr_op_has(op, PYR_X_VECTOR)
                                   : pass == PYR_CONV_BACKWARD_DATA && (scaled || joined || op->dx_add[0])};
    double image =
        2.0 * s->size.h * s->size.w * s->size.in * s->size.out * s->size.kernel_h * s->size.kernel_w;

    t.shape.bias = false;
    double images = operations / image;

    /* what a call costs whatever the number of images is shared by some of them */
    if (pass == PYR_CONV_BACKWARD_WEIGHTS)
        images = fmax(images, PIXELS / (s->size.h * s->size.w));
    t.size.n = t.shape.n = (int)fmax(1, fmin(s->size.n, images));
    return t;
}

pyr_status pyr_choose_floats(pyr_kernels *k, conv_state *s, const pyr_op *op, pyr_conv_pass pass)
{
    static const char *const passes[] = {"forward", "data", "weights"};
    const pyr_conv_shape *c = &s->shape;
    const trial t = trial_of(s, op, pass);
    const pyr_conv_f32 *best =
        by_model(pass == PYR_CONV_BACKWARD_DATA ? &s->turned_size : &s->size, pass, PYR_F32);
    char name[160];
    int choice;

    snprintf(name, sizeof name, "conv2d %s f32 %dx%dx%d to %dx%dx%d, %dx%d, stride %d, padding %d %d%s%s",
             passes[pass], c->in_h, c->in_w, c->in, c->out_h, c->out_w, c->out, c->kernel, c->kernel_w,
             c->stride, c->pad_top, c->pad_left, t.copies_x ? ", joined" : "", t.copies_y ? ", in sums" : "");
    if (!pyr_tuning_get(k->tuning, name, &choice)) {
        if (pyr_tuning_measures(k->tuning)) {
            PYR_TRY(measure(&t, &best));
            PYR_TRY(pyr_tuning_put(k->tuning, name, best ? best->number : 0));
        }
    } else if (choice == 0)
        best = NULL;
    else
        for (const pyr_conv_f32 *const *f = OF_SET(pyr_convs); *f; f++)
            if ((*f)->number == choice && fits(*f, &t.size, pass))
                best = *f;
    s->floats[pass] = best;
    return PYR_OK;
}

/* ---- bf16: the gradient of weights -------------------------------------------------------------- */

pyr_status pyr_choose_gradient(pyr_kernels *k, conv_state *s, const pyr_op *op)
{
    const trial t = trial_of(s, op, PYR_CONV_BACKWARD_WEIGHTS);
    const pyr_conv_f32 *floats = by_model(&t.size, PYR_CONV_BACKWARD_WEIGHTS, PYR_BF16);
    pyr_tile_size tiles = s->tile;
    double tiles_s, floats_s;
    char name[96];
    int choice;

    if (!floats)
        return PYR_OK;
    snprintf(name, sizeof name, "conv2d weights bf16 %dx%dx%d to %d, 3x3", s->size.h, s->size.w, s->size.in,
             s->size.out);
    if (!pyr_tuning_get(k->tuning, name, &choice)) {
        choice = PYR_BY_AMX ? 0 : floats->number;
        if (pyr_tuning_measures(k->tuning)) {
            tiles.n = t.size.n;
            PYR_TRY(time_tiles(&tiles, true, &tiles_s));
            PYR_TRY(time_floats(t, floats, &floats_s));
            choice = floats_s < tiles_s ? floats->number : 0;
            PYR_TRY(pyr_tuning_put(k->tuning, name, choice));
        }
    }
    s->floats[PYR_CONV_BACKWARD_WEIGHTS] = choice ? floats : NULL;
    return PYR_OK;
}
