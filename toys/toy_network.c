/* toy_network.c - a perceptron for the score of points in the plane, with its gradient. */
#include "toys/toy_network.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/prediction.h"
#include "graph/graph.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* MICRO is even: a pair of places stays together. */
enum { WIDTH = 64, HIDDEN = 3, OCTAVES = 4, WAVES = 2, MICRO = 64, GROUPS = 4 };

struct pyr_toy_network {
    pyr_kernels *k;
    int size;
    pyr_params params;
    pyr_graph *g;
    pyr_value in, f;
    pyr_optimizer optimizer;
    double *room; /* [lane]: a micro-batch of inputs, of F, and of its gradient */
};

/* ---- the network ------------------------------------------------------------------------------- */

static int inputs_of(int size)
{
    return size * (1 + 2 * WAVES) + 2 * OCTAVES;
}

static pyr_status build(pyr_toy_network *net)
{
    pyr_shape in = {1, 1, 1, inputs_of(net->size)};
    pyr_value x;
    char name[32];

    PYR_TRY(pyr_graph_new(&net->g, net->k, net->k->precision, &net->params));
    x = net->in = pyr_graph_input(net->g, in, net->k->real);
    for (int i = 0; i < HIDDEN; i++) {
        snprintf(name, sizeof name, "hidden%d", i);
        x = pyr_linear(net->g, x, name, WIDTH);
        x = pyr_activation(net->g, x, PYR_ACT_SILU);
    }
    net->f = pyr_linear(net->g, x, "out", net->size);
    pyr_graph_keep(net->g, net->f);
    pyr_graph_seed(net->g, net->f);
    return pyr_graph_plan(net->g, &(pyr_plan){.batch = MICRO, .groups = GROUPS, .param_gradient = true});
}

static size_t lane_room(const pyr_toy_network *net)
{
    return MICRO * (size_t)(inputs_of(net->size) + 2 * net->size);
}

pyr_status pyr_toy_network_new(pyr_toy_network **out, pyr_kernels *k, int size, uint64_t seed)
{
    pyr_toy_network *net = NULL;
    pyr_status status;

    assert(size >= 1 && size <= PYR_TOY_MOST_NUMBERS);
    *out = NULL;
    PYR_TRY_OUT(pyr_new(&net, 1, sizeof *net, "a toy network"));
    net->k = k;
    net->size = size;
    PYR_TRY_OUT(build(net));
    PYR_TRY_OUT(pyr_optimizer_new(&net->optimizer, k, &net->params,
                                  (pyr_adamw){.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8}));
    PYR_TRY_OUT(pyr_new(&net->room, (size_t)pyr_graph_lanes(net->g) * lane_room(net), sizeof *net->room,
                        "a toy network's batch"));
    PYR_TRY_OUT(pyr_params_init(&net->params, k, net->optimizer.value, seed, 0));
    pyr_optimizer_start_ema(&net->optimizer);
    *out = net;
    net = NULL;
out:
    pyr_toy_network_free(net);
    return status;
}

void pyr_toy_network_free(pyr_toy_network *net)
{
    if (!net)
        return;
    pyr_free(net->room);
    pyr_optimizer_free(&net->optimizer);
    pyr_graph_free(net->g);
    pyr_params_free(&net->params);
    pyr_free(net);
}

int pyr_toy_network_size(const pyr_toy_network *net)
{
    return net->size;
}

pyr_optimizer *pyr_toy_network_optimizer(pyr_toy_network *net)
{
    return &net->optimizer;
}

/* ---- a pass over places ------------------------------------------------------------------------ */

typedef struct pass {
    pyr_toy_network *net;
    const double *x, *s;
    int n;
    double *f;         /* [n][size]; NULL: not wanted */
    pyr_toy_loss loss; /* NULL: no gradient */
    void *ctx;
} pass;

/* x~ = x / sqrt(1 + s^2) and waves of it: from x~ alone, the modes of a grid in a row are found late or never
 * (in 2000 steps, three of six trainings saw but the grid's columns). Then waves of log s at octaves: the
 * slowest goes half round between s = e^-2 pi and e^2 pi. */
static void fill_row(double *row, const double *x, double s, int size)
{
    for (int j = 0; j < size; j++) {
        double at = x[j] / sqrt(1 + s * s);

        *row++ = at;
        for (int i = 0; i < WAVES; i++) {
            *row++ = sin(ldexp(at, i + 1));
            *row++ = cos(ldexp(at, i + 1));
        }
    }
    for (int j = 0; j < OCTAVES; j++) {
        double angle = ldexp(log(s), j) / 4;

        *row++ = sin(angle);
        *row++ = cos(angle);
    }
}

static pyr_status forward(const pass *p, int lane, int first, int n, double *rows)
{
    pyr_toy_network *net = p->net;
    int size = net->size, inputs = inputs_of(size);

    for (int i = 0; i < n; i++)
        fill_row(rows + (size_t)(i * inputs), p->x + (size_t)(first + i) * (size_t)size, p->s[first + i],
                 size);
    memset(rows + (size_t)(n * inputs), 0, (size_t)((MICRO - n) * inputs) * sizeof *rows);
    PYR_TRY(pyr_upload_reals(net->k, pyr_graph_data(net->g, lane, net->in), rows, (size_t)(MICRO * inputs)));
    return pyr_graph_forward(net->g, lane);
}

/* Micro-batches group, group + GROUPS, ... in this order, on whichever lane. What is missing to a micro-batch
 * has no gradient. */
static pyr_status group_task(void *arg, int group, int lane)
{
    const pass *p = arg;
    pyr_toy_network *net = p->net;
    size_t size = (size_t)net->size;
    double *rows = net->room + (size_t)lane * lane_room(net), *f = rows + MICRO * inputs_of(net->size);
    double *gradient = f + MICRO * size;

    if (p->loss)
        pyr_graph_clear(net->g, group);
    for (int first = group * MICRO; first < p->n; first += GROUPS * MICRO) {
        int n = p->n - first < MICRO ? p->n - first : MICRO;

        PYR_TRY(forward(p, lane, first, n, rows));
        PYR_TRY(pyr_download_reals(net->k, f, pyr_graph_data(net->g, lane, net->f), (size_t)n * size));
        if (p->f)
            memcpy(p->f + (size_t)first * size, f, (size_t)n * size * sizeof *f);
        if (!p->loss)
            continue;
        memset(gradient, 0, MICRO * size * sizeof *gradient);
        p->loss(p->ctx, first, n, f, gradient);
        PYR_TRY(pyr_upload_reals(net->k, pyr_graph_gradient(net->g, lane, net->f), gradient, MICRO * size));
        PYR_TRY(pyr_graph_backward(net->g, lane, group));
    }
    return PYR_OK;
}

pyr_status pyr_toy_network_gradient(pyr_toy_network *net, const double *x, const double *s, int n,
                                    pyr_toy_loss loss, void *ctx)
{
    pyr_optimizer *o = &net->optimizer;
    pass p = {.net = net, .x = x, .s = s, .n = n, .loss = loss, .ctx = ctx};

    PYR_TRY(pyr_graph_pack(net->g, o->value));
    PYR_TRY(pyr_run_tasks(net->k, GROUPS, group_task, &p));
    pyr_zero(net->k, o->grad, o->count * pyr_type_size(net->k->real));
    return pyr_graph_collect(net->g, o->grad);
}

pyr_status pyr_toy_network_run(pyr_toy_network *net, double *out, const double *x, const double *s, int n)
{
    pass p = {.net = net, .x = x, .s = s, .n = n, .f = out};

    PYR_TRY(pyr_graph_pack(net->g, net->optimizer.ema));
    return pyr_run_tasks(net->k, GROUPS, group_task, &p);
}

/* ---- what follows from F ----------------------------------------------------------------------- */

pyr_status pyr_toy_network_denoise(pyr_toy_network *net, double *out, const double *x, const double *s, int n)
{
    size_t size = (size_t)net->size;

    PYR_TRY(pyr_toy_network_run(net, out, x, s, n));
    for (size_t i = 0; i < (size_t)n; i++) {
        pyr_conversion c = pyr_prediction_at(PYR_PREDICT_F, s[i]);

        for (size_t j = i * size; j < (i + 1) * size; j++)
            out[j] = c.skip * x[j] + c.out * out[j];
    }
    return PYR_OK;
}

pyr_status pyr_toy_network_score(pyr_toy_network *net, double *out, const double *x, const double *s, int n)
{
    size_t size = (size_t)net->size;

    PYR_TRY(pyr_toy_network_denoise(net, out, x, s, n));
    for (size_t i = 0; i < (size_t)n; i++)
        for (size_t j = i * size; j < (i + 1) * size; j++)
            out[j] = (out[j] - x[j]) / (s[i] * s[i]);
    return PYR_OK;
}

pyr_status pyr_toy_network_denoise_vectors(void *ctx, const void *x, const double *s, void *out)
{
    pyr_toy_denoiser *d = ctx;
    size_t count = (size_t)d->n * (size_t)d->net->size;
    double *at, *best;
    pyr_status status;

    PYR_TRY(pyr_new(&at, 2 * count, sizeof *at, "a toy's vectors"));
    best = at + count;
    PYR_TRY_OUT(pyr_download_reals(d->k, at, x, count));
    PYR_TRY_OUT(pyr_toy_network_denoise(d->net, best, at, s, d->n));
    PYR_TRY_OUT(pyr_upload_reals(d->k, out, best, count));
out:
    pyr_free(at);
    return status;
}

/* x[n][size] = draws of z + s eps */
static void noised_draws(const pyr_mixture *data, double *x, double s, int n, uint64_t seed)
{
    pyr_mixture_draw(data, x, NULL, n, seed, 0);
    for (int i = 0; i < n; i++, x += data->size) {
        float eps[4] = {0};

        for (int j = 0; j < data->size; j++) {
            if (j % 4 == 0)
                pyr_normal4(seed, (uint32_t)j / 4, (uint32_t)i, 0, pyr_rng_purpose(PYR_RNG_NOISE, 0), eps);
            x[j] += s * (double)eps[j % 4];
        }
    }
}

pyr_status pyr_toy_network_error(double *error, double *square, pyr_toy_network *net, const pyr_mixture *data,
                                 double s, int n, uint64_t seed)
{
    size_t size = (size_t)net->size, count = (size_t)n * size;
    double *x, *score, *known, *levels, sum = 0, known_sum = 0;
    pyr_status status;

    assert(data->size == net->size);
    PYR_TRY(pyr_new(&x, 2 * count + size + (size_t)n, sizeof *x, "draws of a mixture"));
    score = x + count;
    known = score + count;
    levels = known + size;
    noised_draws(data, x, s, n, seed);
    for (int i = 0; i < n; i++)
        levels[i] = s;
    PYR_TRY_OUT(pyr_toy_network_score(net, score, x, levels, n));
    for (size_t i = 0; i < (size_t)n; i++) {
        pyr_mixture_score(data, known, x + i * size, s);
        for (size_t j = 0; j < size; j++) {
            sum += pow(score[i * size + j] - known[j], 2);
            known_sum += known[j] * known[j];
        }
    }
    *error = sum / n;
    if (square)
        *square = known_sum / n;
out:
    pyr_free(x);
    return status;
}
