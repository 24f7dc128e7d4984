/* graph_run.h - builds a graph on some backend, runs it on fixed random numbers, and compares.
 *
 * A test gives a builder; everything else is derived from fixed streams, rounded to float, so that all
 * backends see the same numbers. What is differentiated is J = sum of c[i] y[i] with random c. */
#ifndef PYR_TESTS_GRAPH_RUN_H
#define PYR_TESTS_GRAPH_RUN_H

#include "base/mem.h"
#include "base/philox.h"
#include "graph/graph_internal.h"
#include "tests/backends.h"
#include "tests/bf16_values.h"
#include "tests/check.h"
#include <stdlib.h>

typedef enum run_fill {
    RUN_NORMAL,   /* standard normals */
    RUN_POSITIVE, /* 0.5 .. 2.5 */
    RUN_TIME,     /* 0 .. 1000 */
    RUN_ROWS,     /* U32: 0 .. rows - 1 */
    RUN_STREAM    /* U32: streams */
} run_fill;

typedef struct run_input {
    pyr_value v;
    run_fill fill;
    int rows;
    bool gradient;
} run_input;

enum { RUN_INPUTS = 8 };

typedef struct run_net {
    pyr_kernels *k;
    pyr_params params;
    pyr_graph *g;
    void *block, *grad;
    run_input in[RUN_INPUTS];
    int n_inputs;
    pyr_value y;
    int batch, groups;
    bool inference;
    int n_dropouts; /* for a builder that counts them */
} run_net;

typedef void (*run_builder)(run_net *net, const void *arg);

/* ---- building ---------------------------------------------------------------------------------- */

static inline pyr_value run_input_add(run_net *net, int h, int w, int c, run_fill fill, int rows)
{
    pyr_type type = fill >= RUN_ROWS ? PYR_U32 : net->k->real;
    pyr_value v = pyr_graph_input(net->g, (pyr_shape){1, h, w, c}, type);
    bool gradient = fill == RUN_NORMAL && !net->inference;

    net->in[net->n_inputs++] = (run_input){v, fill, rows, gradient};
    if (gradient)
        pyr_graph_want_gradient(net->g, v);
    return v;
}

typedef struct run_options {
    int batch, lanes, groups, parts;
    bool keep_all; /* no buffer is used twice, and nothing is joined */
    unsigned keep; /* bits of values that are kept */
    bool recompute;
    bool inference; /* no gradients */
} run_options;

/* Open, build and plan; false after a failed check, or where there is no such backend. */
static inline bool run_open(run_net *net, const char *backend, run_builder build, const void *arg,
                            run_options o)
{
    pyr_status status;

    *net = (run_net){
        .batch = o.batch ? o.batch : 2, .groups = o.groups ? o.groups : 1, .inference = o.inference};
    CHECK_OK(open_backend(&net->k, backend, o.lanes ? o.lanes : 1));
    if (!net->k)
        return false;
    CHECK_OK(pyr_graph_new(&net->g, net->k, net->k->precision, &net->params));
    build(net, arg);
    pyr_graph_keep(net->g, net->y);
    if (!o.inference)
        pyr_graph_seed(net->g, net->y);
    for (pyr_value v = 0; v <= net->y; v++)
        if (o.keep_all || (v < 32 && o.keep >> v & 1))
            pyr_graph_keep(net->g, v);
    status = pyr_graph_plan(net->g, &(pyr_plan){.batch = net->batch,
                                                .param_gradient = !o.inference,
                                                .groups = net->groups,
                                                .parts = o.parts,
                                                .recompute = o.recompute});
    CHECK_OK(status);
    if (status == PYR_OK) {
        size_t bytes = net->params.count * pyr_type_size(net->k->real);

        CHECK_OK(pyr_alloc(net->k, &net->block, bytes, "parameters"));
        CHECK_OK(pyr_alloc(net->k, &net->grad, bytes, "gradients"));
    }
    return status == PYR_OK && net->grad;
}

static inline void run_close(run_net *net)
{
    pyr_graph_free(net->g);
    pyr_params_free(&net->params);
    if (net->k) {
        pyr_release(net->k, net->block);
        pyr_release(net->k, net->grad);
    }
    pyr_kernels_free(net->k);
    *net = (run_net){0};
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static inline double *run_numbers(size_t count)
{
    double *out = pyr_calloc(count, sizeof *out);

    if (!out)
        abort();
    return out;
}

static inline double run_normal(uint64_t seed, uint32_t stream, size_t i)
{
    float four[4];

    pyr_normal4(seed, (uint32_t)(i / 4), stream, 0, 77, four);
    return (double)four[i % 4];
}

static inline double run_uniform(uint64_t seed, uint32_t stream, size_t i)
{
    return (double)pyr_uniform(pyr_philox(seed, (uint32_t)i, stream, 1, 77).v[0]);
}

/* As pyr_params_init makes them, and moved a little, so that no gain is 1 and no weight 0. */
static inline double *run_param_values(const run_net *net)
{
    double *values = run_numbers(net->params.count);

    CHECK_OK(pyr_params_init(&net->params, net->k, net->block, 5, 0));
    CHECK_OK(pyr_download_reals(net->k, values, net->block, net->params.count));
    for (int p = 0; p < net->params.n; p++)
        for (size_t i = 0; i < net->params.at[p].count; i++) {
            size_t at = net->params.at[p].offset + i;

            values[at] = (double)((float)values[at] + 0.1f * (float)run_normal(6, (uint32_t)p, i));
        }
    return values;
}

/* In the order of the input's elements. */
static inline double *run_input_values(const run_net *net, int which, uint64_t seed)
{
    const run_input *in = &net->in[which];
    size_t count = pyr_count(pyr_graph_shape(net->g, in->v));
    double *values = run_numbers(count);

    for (size_t i = 0; i < count; i++)
        switch (in->fill) {
        case RUN_NORMAL:
            values[i] = run_normal(seed, 100 + (uint32_t)which, i);
            break;
        case RUN_POSITIVE:
            values[i] = (double)(float)(0.5 + 2 * run_uniform(seed, 200 + (uint32_t)which, i));
            break;
        case RUN_TIME:
            values[i] = (double)(float)(1000 * run_uniform(seed, 200 + (uint32_t)which, i));
            break;
        case RUN_ROWS:
            values[i] = floor(in->rows * run_uniform(seed, 300 + (uint32_t)which, i));
            break;
        case RUN_STREAM: /* {key, key, index, step} */
            values[i] = i % 4 == 0 ? (double)seed : i % 4 == 1 ? 0 : i % 4 == 2 ? (double)(i / 4) : 3;
            break;
        }
    return values;
}

/* Elements of a value or its gradient, whatever its type; not U32. */
static inline void run_write(run_net *net, void *dst, pyr_value v, const double *values)
{
    size_t count = pyr_count(pyr_graph_shape(net->g, v));

    if (net->g->values[v].type != PYR_BF16) {
        CHECK_OK(pyr_upload_reals(net->k, dst, values, count));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t narrow = bf16_of(values[i]);

        pyr_upload(net->k, (uint16_t *)dst + i, &narrow, sizeof narrow);
    }
}

static inline void run_read(run_net *net, double *values, const void *src, pyr_value v)
{
    size_t count = pyr_count(pyr_graph_shape(net->g, v));

    if (net->g->values[v].type != PYR_BF16) {
        CHECK_OK(pyr_download_reals(net->k, values, src, count));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t narrow;

        pyr_download(net->k, &narrow, (const uint16_t *)src + i, sizeof narrow);
        values[i] = bf16_value(narrow);
    }
}

static inline void run_put(run_net *net, int lane, int which, const double *values)
{
    pyr_value v = net->in[which].v;
    size_t count = pyr_count(pyr_graph_shape(net->g, v));

    if (net->in[which].fill < RUN_ROWS) {
        run_write(net, pyr_graph_data(net->g, lane, v), v, values);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t word = (uint32_t)values[i];

        pyr_upload(net->k, (uint32_t *)pyr_graph_data(net->g, lane, v) + i, &word, sizeof word);
    }
}

static inline void run_put_all(run_net *net, int lane, uint64_t seed)
{
    for (int i = 0; i < net->n_inputs; i++) {
        double *values = run_input_values(net, i, seed);

        run_put(net, lane, i, values);
        pyr_free(values);
    }
}

static inline void run_put_seed(run_net *net, int lane)
{
    size_t count = pyr_count(pyr_graph_shape(net->g, net->y));
    double *c = run_numbers(count);

    for (size_t i = 0; i < count; i++)
        c[i] = run_normal(9, 1, i);
    run_write(net, pyr_graph_gradient(net->g, lane, net->y), net->y, c);
    pyr_free(c);
}

/* ---- a whole run ------------------------------------------------------------------------------- */

typedef struct run_result {
    double *y, *grad, *dx[RUN_INPUTS];
    size_t n_y, n_grad, n_dx[RUN_INPUTS];
    double j;
} run_result;

static inline void run_result_free(run_result *r)
{
    pyr_free(r->y);
    pyr_free(r->grad);
    for (int i = 0; i < RUN_INPUTS; i++)
        pyr_free(r->dx[i]);
    *r = (run_result){0};
}

/* sum of c y after a forward on lane 0 */
static inline double run_objective(run_net *net)
{
    size_t count = pyr_count(pyr_graph_shape(net->g, net->y));
    double *y = run_numbers(count), j = 0;

    CHECK_OK(pyr_graph_forward(net->g, 0));
    run_read(net, y, pyr_graph_data(net->g, 0, net->y), net->y);
    for (size_t i = 0; i < count; i++)
        j += run_normal(9, 1, i) * y[i];
    pyr_free(y);
    return j;
}

/* Forward and backward on lane 0 of the inputs of `seed`; the parameters are packed. */
static inline void run_once(run_net *net, uint64_t seed, run_result *r)
{
    pyr_kernels *k = net->k;

    *r = (run_result){.n_y = pyr_count(pyr_graph_shape(net->g, net->y)), .n_grad = net->params.count};
    r->y = run_numbers(r->n_y);
    r->grad = run_numbers(r->n_grad);
    run_put_all(net, 0, seed);
    r->j = run_objective(net);
    run_read(net, r->y, pyr_graph_data(net->g, 0, net->y), net->y);
    run_put_seed(net, 0);
    for (int i = 0; i < net->groups; i++)
        pyr_graph_clear(net->g, i);
    CHECK_OK(pyr_graph_backward(net->g, 0, 0));
    pyr_zero(k, net->grad, r->n_grad * pyr_type_size(k->real));
    CHECK_OK(pyr_graph_collect(net->g, net->grad));
    CHECK_OK(pyr_download_reals(k, r->grad, net->grad, r->n_grad));
    for (int i = 0; i < net->n_inputs; i++)
        if (net->in[i].gradient) {
            r->n_dx[i] = pyr_count(pyr_graph_shape(net->g, net->in[i].v));
            r->dx[i] = run_numbers(r->n_dx[i]);
            run_read(net, r->dx[i], pyr_graph_gradient(net->g, 0, net->in[i].v), net->in[i].v);
        }
}

static inline void run_pack(run_net *net, const double *values)
{
    CHECK_OK(pyr_upload_reals(net->k, net->block, values, net->params.count));
    CHECK_OK(pyr_graph_pack(net->g, net->block));
}

/* ---- judging ----------------------------------------------------------------------------------- */

static inline double run_largest(const double *x, size_t n)
{
    double largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(x[i]));
    return largest;
}

/* |got - wanted| <= tolerance * scale everywhere; NaN fails. */
static inline void run_near(const char *label, const char *what, const double *got, const double *wanted,
                            size_t n, double tolerance, double scale)
{
    double worst = 0;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        double e = fabs(got[i] - wanted[i]);

        if (!(e <= worst)) {
            worst = isnan(e) ? INFINITY : e;
            at = i;
        }
    }
    if (!(worst <= tolerance * scale))
        CHECK_REPORT("%s: %s[%zu] = %.9g, wanted %.9g: off by %.3g of %.3g, allowed %.3g", label, what, at,
                     got[at], wanted[at], worst / scale, scale, tolerance);
}

/* Two results of the same network on different backends. A parameter whose gradient vanishes (a bias before
 * a norm) is judged by the size of the others'. */
static inline void run_agree(const char *label, const run_net *net, const run_result *got,
                             const run_result *wanted, double tolerance)
{
    double all = run_largest(wanted->grad, wanted->n_grad);

    run_near(label, "y", got->y, wanted->y, wanted->n_y, tolerance, run_largest(wanted->y, wanted->n_y));
    for (int p = 0; p < net->params.n; p++) {
        const pyr_param *param = &net->params.at[p];
        double own = run_largest(wanted->grad + param->offset, param->count);

        run_near(label, param->name, got->grad + param->offset, wanted->grad + param->offset, param->count,
                 tolerance, fmax(own, 0.02 * all));
    }
    for (int i = 0; i < net->n_inputs; i++)
        if (wanted->dx[i])
            run_near(label, "an input's gradient", got->dx[i], wanted->dx[i], wanted->n_dx[i], tolerance,
                     run_largest(wanted->dx[i], wanted->n_dx[i]));
}

static inline bool run_same(const run_result *a, const run_result *b)
{
    bool same = memcmp(a->y, b->y, a->n_y * sizeof *a->y) == 0 &&
                memcmp(a->grad, b->grad, a->n_grad * sizeof *a->grad) == 0;

    for (int i = 0; i < RUN_INPUTS; i++)
        if (a->dx[i])
            same = same && memcmp(a->dx[i], b->dx[i], a->n_dx[i] * sizeof *a->dx[i]) == 0;
    return same;
}

/* Derivative along a random unit direction of values[0..n), against the gradient. `put` moves the values. */
static inline void run_direction(const char *label, const char *what, run_net *net, double *values,
                                 const double *gradient, size_t n, uint32_t stream,
                                 void (*put)(run_net *net, double *all, int which), double *all, int which,
                                 double scale)
{
    const double h = 1e-5;
    double *v = run_numbers(n), *old = run_numbers(n), norm = 0, analytic = 0, side[2], size = 0, numeric;

    for (size_t i = 0; i < n; i++) {
        v[i] = run_normal(31, stream, i);
        norm += v[i] * v[i];
        old[i] = values[i];
    }
    for (size_t i = 0; i < n; i++) {
        v[i] /= sqrt(norm);
        analytic += v[i] * gradient[i];
        size += gradient[i] * gradient[i];
    }
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++)
            values[i] = old[i] + (s ? -h : h) * v[i];
        put(net, all, which);
        side[s] = run_objective(net);
    }
    memcpy(values, old, n * sizeof *values);
    put(net, all, which);
    numeric = (side[0] - side[1]) / (2 * h);
    if (!(fabs(numeric - analytic) <= 2e-6 * (sqrt(size) + 0.01 * scale)))
        CHECK_REPORT("%s: %s: derivative %.10g, finite differences %.10g (gradient %.3g)", label, what,
                     analytic, numeric, sqrt(size));
    pyr_free(v);
    pyr_free(old);
}

static inline void run_put_params_(run_net *net, double *all, int which)
{
    (void)which;
    run_pack(net, all);
}

static inline void run_put_input_(run_net *net, double *all, int which)
{
    run_put(net, 0, which, all);
}

/* The gradients of a network on ref-double, every parameter and input on its own, against finite
 * differences; then the other backends against that. */
static inline void run_gradients(const char *label, run_builder build, const void *arg, int batch,
                                 double tolerance)
{
    static const char *const others[] = {"ref", "cpu", "ref-double-joins"};
    run_net net;
    run_result exact = {0};
    double *values = NULL, scale;

    /* inputs must survive a forward: the finite differences move one at a time */
    if (!run_open(&net, "ref-double", build, arg, (run_options){.batch = batch, .keep_all = true})) {
        run_close(&net);
        return;
    }
    values = run_param_values(&net);
    run_pack(&net, values);
    run_once(&net, 11, &exact);
    scale = run_largest(exact.y, exact.n_y);
    CHECK(scale > 0);
    for (int p = 0; p < net.params.n; p++) {
        const pyr_param *param = &net.params.at[p];

        if (param->fixed)
            CHECK(run_largest(exact.grad + param->offset, param->count) == 0);
        else
            run_direction(label, param->name, &net, values + param->offset, exact.grad + param->offset,
                          param->count, (uint32_t)p, run_put_params_, values, 0, scale);
    }
    for (int i = 0; i < net.n_inputs; i++)
        if (exact.dx[i]) {
            double *x = run_input_values(&net, i, 11);

            run_direction(label, "an input", &net, x, exact.dx[i], exact.n_dx[i], 1000 + (uint32_t)i,
                          run_put_input_, x, i, scale);
            CHECK(run_largest(exact.dx[i], exact.n_dx[i]) > 0);
            pyr_free(x);
        }
    run_close(&net);
    for (size_t b = 0; b < sizeof others / sizeof *others; b++) {
        run_result rounded = {0};
        char name[128];

        snprintf(name, sizeof name, "%s on %s", label, others[b]);
        if (run_open(&net, others[b], build, arg, (run_options){.batch = batch})) {
            run_pack(&net, values);
            run_once(&net, 11, &rounded);
            run_agree(name, &net, &rounded, &exact, net.k->real == PYR_F64 ? 1e-11 : tolerance);
        }
        run_result_free(&rounded);
        run_close(&net);
    }
    pyr_free(values);
    run_result_free(&exact);
}

#endif
