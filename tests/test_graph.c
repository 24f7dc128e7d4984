/* test_graph.c - building, planning and running graphs; blocks of parameters, the optimizer, the step loop.
 * The witness of gradients is finite differences in double. */
#include "tests/graph_run.h"

#include "graph/optimizer.h"
#include "graph/step_loop.h"
#include "graph/sum_tree.h"

static const char *const backends[] = {"ref-double", "ref", "cpu"};
enum { BACKENDS = 3 };

/* ---- networks ---------------------------------------------------------------------------------- */

/* A bit of everything; h x w odd. */
static void build_mixed(run_net *net, const void *arg)
{
    pyr_graph *g = net->g;
    pyr_value x = run_input_add(net, 7, 5, 4, RUN_NORMAL, 0);
    pyr_value other = run_input_add(net, 7, 5, 4, RUN_NORMAL, 0);
    pyr_value pair = run_input_add(net, 1, 1, 2, RUN_POSITIVE, 0);
    pyr_value by = run_input_add(net, 1, 1, 1, RUN_POSITIVE, 0);
    pyr_value time = run_input_add(net, 1, 1, 1, RUN_TIME, 0);
    pyr_value row = run_input_add(net, 1, 1, 1, RUN_ROWS, 5);
    pyr_value stream = run_input_add(net, 1, 1, 4, RUN_STREAM, 0);
    pyr_value weights = run_input_add(net, 1, 1, 1, RUN_POSITIVE, 0);
    pyr_value emb, h, low, q, k, v;

    (void)arg;
    emb = pyr_add(g, pyr_linear(g, pyr_time_positional(g, time, 8, true, 0), "time", 16),
                  pyr_embed(g, row, "class", 5, 16), 1);
    emb = pyr_activation(g, emb, PYR_ACT_SILU);
    h = pyr_mix(g, x, other, pair);
    h = pyr_conv2d(g, pyr_unshuffle(g, h, 2), "in", (pyr_conv){.channels = 8, .kernel = 3});
    h = pyr_group_norm(g, h, "norm1", (pyr_norm){4, 1e-5, PYR_ACT_MISH}, pyr_linear(g, emb, "shift1", 16));
    low = pyr_conv2d(g, h, "down", (pyr_conv){.channels = 8, .kernel = 3, .stride = 2, .right_bottom = true});
    low = pyr_add_channel(g, low, pyr_linear(g, emb, "shift2", 8));
    low = pyr_group_norm(g, low, "norm2", (pyr_norm){2, 1e-6, PYR_ACT_NONE}, -1);
    q = pyr_linear(g, low, "q", 8);
    k = pyr_linear(g, low, "k", 8);
    v = pyr_linear(g, low, "v", 8);
    low = pyr_add(g, low, pyr_attention(g, q, k, v, 2), 0.5);
    low = pyr_scale_shift(g, low, pyr_linear(g, emb, "shift3", 16));
    h = pyr_concat(g, pyr_upsample(g, low, 4, 3), h);
    h = pyr_dropout(g, pyr_activation(g, h, PYR_ACT_GELU), stream, 0.3, 12);
    h = pyr_conv2d(g, h, "out", (pyr_conv){.channels = 16, .kernel = 1});
    h = pyr_affine(g, pyr_shuffle(g, h, 2, 7, 5), 0.7, 0.1);
    h = pyr_divide(g, h, by);
    net->y = pyr_squared_error(g, h, pyr_mix(g, other, x, pair), weights);
}

/* Values and parameters that are used more than once. */
static void build_shared(run_net *net, const void *arg)
{
    pyr_graph *g = net->g;
    pyr_value x = run_input_add(net, 4, 4, 4, RUN_NORMAL, 0);
    pyr_value pair = run_input_add(net, 1, 1, 2, RUN_POSITIVE, 0);
    pyr_value h, a, b;

    (void)arg;
    h = pyr_conv2d(g, x, "a", (pyr_conv){.channels = 4, .kernel = 3});
    h = pyr_group_norm(g, h, "norm", (pyr_norm){2, 1e-5, PYR_ACT_SILU}, -1);
    h = pyr_conv2d(g, h, "a", (pyr_conv){.channels = 4, .kernel = 3}); /* the same weights again */
    h = pyr_group_norm(g, h, "norm", (pyr_norm){2, 1e-5, PYR_ACT_SILU}, -1);
    a = pyr_linear(g, h, "line", 4);
    b = pyr_linear(g, a, "line", 4);
    h = pyr_add(g, h, h, 0.5);
    h = pyr_mix(g, h, h, pair);
    h = pyr_add(g, h, pyr_attention(g, a, a, a, 2), 1);
    h = pyr_concat(g, h, h);
    h = pyr_add(g, h, pyr_concat(g, b, a), 1);
    net->y = pyr_add(g, h, pyr_concat(g, x, x), 1);
}

/* Halving by means, strides and odd sizes, with all activations. */
static void build_plain(run_net *net, const void *arg)
{
    pyr_graph *g = net->g;
    pyr_value x = run_input_add(net, 6, 8, 3, RUN_NORMAL, 0), h, low;

    (void)arg;
    h = pyr_conv2d(g, x, "in", (pyr_conv){.channels = 8, .kernel = 3});
    h = pyr_activation(g, h, PYR_ACT_MISH);
    low = pyr_conv2d(g, h, "down", (pyr_conv){.channels = 6, .kernel = 3, .stride = 2});
    low = pyr_activation(g, low, PYR_ACT_GELU);
    low = pyr_mean2(g, low); /* 3x4 to 1x2 */
    low = pyr_activation(g, pyr_linear(g, low, "mid", 8), PYR_ACT_SILU);
    h = pyr_add(g, h, pyr_upsample(g, low, 6, 8), 1);
    net->y = pyr_conv2d(g, h, "out", (pyr_conv){.channels = 3, .kernel = 3});
}

static void gradients_mixed(void)
{
    run_gradients("mixed", build_mixed, NULL, 3, 3e-4);
}

static void gradients_shared(void)
{
    run_gradients("shared", build_shared, NULL, 2, 1e-4);
}

static void gradients_plain(void)
{
    run_gradients("plain", build_plain, NULL, 2, 1e-4);
}

static const run_builder builders[] = {build_mixed, build_shared, build_plain};
enum { BUILDERS = 3 };

/* ---- the planner ------------------------------------------------------------------------------- */

/* Overwrite everything that a lane may have left behind. */
static void spoil(run_net *net)
{
    void *bad = pyr_calloc(net->g->arena_bytes, 1);

    memset(bad, 0xFF, net->g->arena_bytes);
    for (int lane = 0; lane < net->g->lanes; lane++)
        pyr_upload(net->k, net->g->arena[lane], bad, net->g->arena_bytes);
    CHECK_OK(pyr_sync(net->k));
    pyr_free(bad);
}

static void shared_bytes_change_nothing(void)
{
    for (int b = 0; b < BACKENDS; b++)
        for (int i = 0; i < BUILDERS; i++) {
            run_net planned, kept;
            run_result r[3] = {{0}};
            double *values = NULL;

            if (run_open(&planned, backends[b], builders[i], NULL, (run_options){0}) &&
                run_open(&kept, backends[b], builders[i], NULL, (run_options){.keep_all = true})) {
                values = run_param_values(&planned);
                run_pack(&planned, values);
                run_pack(&kept, values);
                run_once(&planned, 3, &r[0]);
                spoil(&planned);
                run_once(&planned, 3, &r[1]);
                spoil(&kept);
                run_once(&kept, 3, &r[2]);
                /* keeping keeps from joining, too: then sums are rounded elsewhere */
                if (!planned.k->backend->op[PYR_OP_CONV2D]->fuses && !run_same(&r[0], &r[2]))
                    CHECK_REPORT("%s, network %d: planned and kept buffers differ", backends[b], i);
                run_agree(backends[b], &planned, &r[0], &r[2], planned.k->real == PYR_F64 ? 1e-11 : 3e-4);
                if (!run_same(&r[0], &r[1]))
                    CHECK_REPORT("%s, network %d: depends on what a lane held before", backends[b], i);
                CHECK(pyr_graph_bytes(planned.g).arena < pyr_graph_bytes(kept.g).arena);
                CHECK(pyr_graph_bytes(planned.g).total == pyr_graph_bytes(planned.g).arena +
                                                              pyr_graph_bytes(planned.g).packed +
                                                              pyr_graph_bytes(planned.g).accumulators);
                run_close(&kept);
            }
            pyr_free(values);
            for (int j = 0; j < 3; j++)
                run_result_free(&r[j]);
            run_close(&planned);
        }
}

/* A gradient that the caller fills in the middle of a network waits there until its turn, and adds to what
 * arrives from behind. */
static void seeds_in_the_middle(void)
{
    enum { N = 2 * 3 * 3 * 8 };
    double grad[3][16 * 40], sum[16 * 40] = {0};
    size_t count = 0;

    for (int turn = 0; turn < 3; turn++) { /* the middle alone, the end alone, both */
        pyr_kernels *k = NULL;
        pyr_params params = {0};
        pyr_graph *g = NULL;
        pyr_value x, h, middle;
        void *block = NULL, *out = NULL;
        double numbers[N], zeros[N] = {0};

        CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
        CHECK_OK(pyr_graph_new(&g, k, k->precision, &params));
        x = pyr_graph_input(g, (pyr_shape){0, 3, 3, 8}, k->real);
        middle = pyr_linear(g, x, "a", 8);
        pyr_graph_keep(g, middle);
        pyr_graph_seed(g, middle);
        h = pyr_activation(g, middle, PYR_ACT_SILU);
        h = pyr_linear(g, h, "b", 8);
        h = pyr_activation(g, h, PYR_ACT_MISH);
        h = pyr_linear(g, h, "c", 8);
        pyr_graph_seed(g, h);
        CHECK_OK(pyr_graph_plan(g, &(pyr_plan){.batch = 2, .param_gradient = true, .groups = 1}));
        count = params.count;
        CHECK(count <= 16 * 40);
        CHECK_OK(pyr_alloc(k, &block, count * sizeof(double), "parameters"));
        CHECK_OK(pyr_alloc(k, &out, count * sizeof(double), "gradients"));
        CHECK_OK(pyr_params_init(&params, k, block, 1, 0));
        CHECK_OK(pyr_graph_pack(g, block));
        for (int i = 0; i < N; i++)
            numbers[i] = run_normal(4, 0, (size_t)i);
        CHECK_OK(pyr_upload_reals(k, pyr_graph_data(g, 0, x), numbers, N));
        CHECK_OK(pyr_graph_forward(g, 0));
        CHECK_OK(pyr_upload_reals(k, pyr_graph_gradient(g, 0, middle), turn == 1 ? zeros : numbers, N));
        CHECK_OK(pyr_upload_reals(k, pyr_graph_gradient(g, 0, h), turn == 0 ? zeros : numbers, N));
        pyr_graph_clear(g, 0);
        CHECK_OK(pyr_graph_backward(g, 0, 0));
        CHECK_OK(pyr_graph_collect(g, out));
        CHECK_OK(pyr_download_reals(k, grad[turn], out, count));
        pyr_release(k, block);
        pyr_release(k, out);
        pyr_graph_free(g);
        pyr_params_free(&params);
        pyr_kernels_free(k);
    }
    for (size_t i = 0; i < count; i++)
        sum[i] = grad[0][i] + grad[1][i];
    run_near("two seeds", "gradient", grad[2], sum, count, 1e-12, run_largest(sum, count));
    CHECK(run_largest(grad[0], count) > 0 && run_largest(grad[1], count) > 0);
}

/* A gradient that nobody wants is not computed, and changes nothing else. */
static void only_what_is_wanted(void)
{
    pyr_kernels *k = NULL;
    pyr_params params = {0};
    pyr_graph *g = NULL;
    pyr_value x, y;
    void *block = NULL;
    float one[16], dx[16];

    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    CHECK_OK(pyr_graph_new(&g, k, k->precision, &params));
    x = pyr_graph_input(g, (pyr_shape){0, 2, 2, 4}, k->real);
    pyr_graph_want_gradient(g, x);
    y = pyr_linear(g, x, "line", 4);
    pyr_graph_keep(g, y);
    pyr_graph_seed(g, y);
    CHECK_OK(pyr_graph_plan(g, &(pyr_plan){.batch = 1})); /* no gradient of parameters */
    CHECK(pyr_graph_bytes(g).accumulators == 0);
    CHECK(pyr_graph_batch(g) == 1 && pyr_graph_lanes(g) == 1);
    CHECK(pyr_graph_flop(g) == 2.0 * 4 * 4 * 4);
    CHECK_OK(pyr_alloc(k, &block, params.count * sizeof(float), "parameters"));
    CHECK_OK(pyr_params_init(&params, k, block, 1, 0));
    CHECK_OK(pyr_graph_pack(g, block));
    memset(pyr_graph_data(g, 0, x), 0, sizeof one);
    CHECK_OK(pyr_graph_forward(g, 0));
    /* dy = (1,0,0,0) in each pixel: dx = the first row of W */
    for (int i = 0; i < 16; i++)
        one[i] = i % 4 == 0;
    memcpy(pyr_graph_gradient(g, 0, y), one, sizeof one);
    CHECK_OK(pyr_graph_backward(g, 0, 0));
    memcpy(dx, pyr_graph_gradient(g, 0, x), sizeof dx);
    for (int i = 0; i < 16; i++)
        CHECK_CLOSE(dx[i], ((float *)block)[i % 4], 1e-7);
    /* y of x = 0 is the bias */
    for (int i = 0; i < 16; i++)
        CHECK_CLOSE(((float *)pyr_graph_data(g, 0, y))[i], ((float *)block)[params.at[1].offset + i % 4],
                    1e-7);
    pyr_release(k, block);
    pyr_graph_free(g);
    pyr_params_free(&params);
    pyr_kernels_free(k);
}

/* ---- lanes and accumulators -------------------------------------------------------------------- */

enum { TASKS = 6 };

typedef struct lanes_work {
    run_net *net;
    double *y[TASKS], *dx[TASKS];
} lanes_work;

static pyr_status lane_task(void *arg, int task, int lane)
{
    lanes_work *w = arg;
    run_net *net = w->net;
    size_t n_y = pyr_count(pyr_graph_shape(net->g, net->y));
    size_t n_x = pyr_count(pyr_graph_shape(net->g, net->in[0].v));

    run_put_all(net, lane, 50 + (uint64_t)task);
    pyr_graph_clear(net->g, task);
    PYR_TRY(pyr_graph_forward(net->g, lane));
    w->y[task] = run_numbers(n_y);
    w->dx[task] = run_numbers(n_x);
    PYR_TRY(pyr_download_reals(net->k, w->y[task], pyr_graph_data(net->g, lane, net->y), n_y));
    run_put_seed(net, lane);
    PYR_TRY(pyr_graph_backward(net->g, lane, task));
    return pyr_download_reals(net->k, w->dx[task], pyr_graph_gradient(net->g, lane, net->in[0].v), n_x);
}

static void lanes_do_not_matter(void)
{
    for (int b = 0; b < BACKENDS; b++)
        for (int i = 0; i < 2; i++) {
            double *grad[2] = {NULL, NULL};
            lanes_work work[2] = {{0}};
            size_t n_y = 0, n_x = 0, n = 0;

            for (int many = 0; many < 2; many++) {
                run_net net;

                if (run_open(&net, backends[b], builders[i], NULL,
                             (run_options){.lanes = many ? 4 : 1, .groups = TASKS})) {
                    double *values = run_param_values(&net);

                    CHECK(pyr_graph_lanes(net.g) == (many ? 4 : 1));
                    run_pack(&net, values);
                    spoil(&net);
                    work[many].net = &net;
                    CHECK_OK(pyr_run_tasks(net.k, TASKS, lane_task, &work[many]));
                    CHECK_OK(pyr_graph_collect(net.g, net.grad));
                    n = net.params.count;
                    grad[many] = run_numbers(n);
                    CHECK_OK(pyr_download_reals(net.k, grad[many], net.grad, n));
                    n_y = pyr_count(pyr_graph_shape(net.g, net.y));
                    n_x = pyr_count(pyr_graph_shape(net.g, net.in[0].v));
                    pyr_free(values);
                }
                run_close(&net);
            }
            CHECK(grad[0] && grad[1] && memcmp(grad[0], grad[1], n * sizeof(double)) == 0);
            for (int t = 0; t < TASKS; t++) {
                CHECK(memcmp(work[0].y[t], work[1].y[t], n_y * sizeof(double)) == 0);
                CHECK(memcmp(work[0].dx[t], work[1].dx[t], n_x * sizeof(double)) == 0);
                CHECK(t == TASKS - 1 || memcmp(work[0].y[t], work[0].y[t + 1], n_y * sizeof(double)) != 0);
                for (int many = 0; many < 2; many++) {
                    pyr_free(work[many].y[t]);
                    pyr_free(work[many].dx[t]);
                }
            }
            pyr_free(grad[0]);
            pyr_free(grad[1]);
        }
}

/* Backward of the inputs of `seed` into `group`. */
static void run_into(run_net *net, uint64_t seed, int group)
{
    run_put_all(net, 0, seed);
    CHECK_OK(pyr_graph_forward(net->g, 0));
    run_put_seed(net, 0);
    CHECK_OK(pyr_graph_backward(net->g, 0, group));
}

/* grad (zeroed unless `more`) += the accumulators, downloaded */
static void collect(run_net *net, bool more, double *out)
{
    if (!more)
        pyr_zero(net->k, net->grad, net->params.count * pyr_type_size(net->k->real));
    CHECK_OK(pyr_graph_collect(net->g, net->grad));
    CHECK_OK(pyr_download_reals(net->k, out, net->grad, net->params.count));
}

static void clear_all(run_net *net)
{
    for (int i = 0; i < net->groups; i++)
        pyr_graph_clear(net->g, i);
}

/* ---- parts of a batch -------------------------------------------------------------------------- */

enum { PARTS_IMAGES = 14, PART = 2, PARTS = PARTS_IMAGES / PART };

/* The gradient at y, the same for every image. */
static void put_equal_seeds(run_net *net)
{
    size_t n = pyr_count(pyr_graph_shape(net->g, net->y)), each = n / (size_t)net->batch;
    double *c = run_numbers(n);

    for (size_t i = 0; i < n; i++)
        c[i] = cos(1.0 + (double)(i % each));
    CHECK_OK(pyr_upload_reals(net->k, pyr_graph_gradient(net->g, 0, net->y), c, n));
    pyr_free(c);
}

/* What PARTS_IMAGES images give, taken in pieces of `together` parts; the last one may be smaller. */
typedef struct parts_result {
    double *y, *dx, *grad;
    size_t n_y, n_dx, n_grad; /* of an image; of all */
} parts_result;

static void read_images(run_net *net, double *out, const void *from, size_t each, int n)
{
    CHECK_OK(pyr_download_reals(net->k, out, from, (size_t)n * each));
}

/* Images first .. first + n - 1 of all inputs; the others in the lane are noise. */
static void put_images(run_net *net, double *const *all, int first, int n)
{
    for (int i = 0; i < net->n_inputs; i++) {
        size_t each = pyr_count(pyr_graph_shape(net->g, net->in[i].v)) / (size_t)net->batch;
        double *some = run_numbers((size_t)net->batch * each);

        for (size_t j = 0; j < (size_t)net->batch * each; j++)
            some[j] = j < (size_t)n * each ? all[i][(size_t)first * each + j] : all[i][j % each];
        run_put(net, 0, i, some);
        pyr_free(some);
    }
}

static bool run_in_parts(parts_result *r, const char *backend, int together, double *const *inputs)
{
    int batch = PART * together, pieces = (PARTS + together - 1) / together;
    pyr_sum_tree *tree = NULL;
    pyr_sum_pair pairs[PARTS];
    pyr_sum_job job;
    double *values;
    run_net net;
    int n, root;

    if (!run_open(&net, backend, build_mixed, NULL,
                  (run_options){.batch = batch, .parts = together, .groups = pieces}))
        return false;
    CHECK(pyr_graph_parts(net.g) == together && pyr_graph_batch(net.g) == batch);
    CHECK_OK(pyr_sum_tree_new(&tree, pieces, pieces));
    values = run_param_values(&net);
    run_pack(&net, values);
    spoil(&net);
    r->n_y = pyr_count(pyr_graph_shape(net.g, net.y)) / (size_t)batch;
    r->n_dx = pyr_count(pyr_graph_shape(net.g, net.in[0].v)) / (size_t)batch;
    r->n_grad = net.params.count;
    r->y = run_numbers(PARTS_IMAGES * r->n_y);
    r->dx = run_numbers(PARTS_IMAGES * r->n_dx);
    r->grad = run_numbers(r->n_grad);
    clear_all(&net);
    while (pyr_sum_tree_take(tree, 0, &job)) {
        int first = job.piece * batch, images = PARTS_IMAGES - first < batch ? PARTS_IMAGES - first : batch;

        put_images(&net, inputs, first, images);
        pyr_graph_use(net.g, 0, images);
        CHECK_OK(pyr_graph_forward(net.g, 0));
        read_images(&net, r->y + (size_t)first * r->n_y, pyr_graph_data(net.g, 0, net.y), r->n_y, images);
        put_equal_seeds(&net);
        CHECK_OK(pyr_graph_backward(net.g, 0, job.to));
        read_images(&net, r->dx + (size_t)first * r->n_dx, pyr_graph_gradient(net.g, 0, net.in[0].v), r->n_dx,
                    images);
        pyr_sum_tree_done(tree, &job);
    }
    n = pyr_sum_tree_rest(tree, pairs, &root);
    for (int i = 0; i < n; i++) {
        for (int slice = pyr_graph_slices(net.g) - 1; slice >= 0; slice--)
            pyr_graph_add(net.g, pairs[i].to, pairs[i].from, slice);
        pyr_graph_clear(net.g, pairs[i].from);
    }
    collect(&net, false, r->grad);
    pyr_sum_tree_free(tree);
    pyr_free(values);
    run_close(&net);
    return true;
}

/* A piece of 1, 2, 4 and 8 parts: the same bits, and in double the gradient of one accumulator that adds up. */
static void parts_do_not_matter(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        double *inputs[RUN_INPUTS] = {NULL}, *plain;
        parts_result r[4] = {{0}};
        run_net whole;
        bool open = run_open(&whole, backends[b], build_mixed, NULL, (run_options){.batch = PARTS_IMAGES});

        if (!open)
            return;
        for (int i = 0; i < whole.n_inputs; i++)
            inputs[i] = run_input_values(&whole, i, 77);
        for (int i = 0; i < 4; i++)
            open = run_in_parts(&r[i], backends[b], 1 << i, inputs) && open;
        for (int i = 1; i < 4 && open; i++) {
            CHECK(memcmp(r[i].y, r[0].y, PARTS_IMAGES * r[0].n_y * sizeof(double)) == 0);
            CHECK(memcmp(r[i].dx, r[0].dx, PARTS_IMAGES * r[0].n_dx * sizeof(double)) == 0);
            CHECK(memcmp(r[i].grad, r[0].grad, r[0].n_grad * sizeof(double)) == 0);
        }
        plain = run_param_values(&whole);
        run_pack(&whole, plain);
        for (int i = 0; i < whole.n_inputs; i++)
            run_put(&whole, 0, i, inputs[i]);
        clear_all(&whole);
        CHECK_OK(pyr_graph_forward(whole.g, 0));
        put_equal_seeds(&whole);
        CHECK_OK(pyr_graph_backward(whole.g, 0, 0));
        collect(&whole, false, plain);
        for (size_t i = 0; i < r[0].n_grad && open; i++)
            CHECK_CLOSE(r[0].grad[i], plain[i], (b == 0 ? 1e-11 : 2e-4) * (1 + fabs(plain[i])));
        for (int i = 0; i < 4; i++) {
            pyr_free(r[i].y);
            pyr_free(r[i].dx);
            pyr_free(r[i].grad);
        }
        for (int i = 0; i < whole.n_inputs; i++)
            pyr_free(inputs[i]);
        pyr_free(plain);
        run_close(&whole);
    }
}

/* The collected gradient is the sum over the accumulators, in their order, whoever filled them; an
 * accumulator adds up what is put into it. */
static void accumulators_add_up(void)
{
    enum { GROUPS = 4 };

    for (int b = 0; b < BACKENDS; b++) {
        run_net four, one;
        double *part[GROUPS], *together, *sum, *single, *values, tolerance = b == 0 ? 1e-12 : 1e-5;
        size_t n;

        if (!run_open(&four, backends[b], build_mixed, NULL, (run_options){.groups = GROUPS}) ||
            !run_open(&one, backends[b], build_mixed, NULL, (run_options){.groups = 1}))
            return;
        n = four.params.count;
        values = run_param_values(&four);
        together = run_numbers(n);
        sum = run_numbers(n);
        single = run_numbers(n);
        run_pack(&four, values);
        run_pack(&one, values);
        for (int i = 0; i < GROUPS; i++) {
            part[i] = run_numbers(n);
            clear_all(&four);
            run_into(&four, 20 + (uint64_t)i, i);
            collect(&four, false, part[i]);
        }
        clear_all(&four);
        for (int i = GROUPS - 1; i >= 0; i--) /* filled in another order */
            run_into(&four, 20 + (uint64_t)i, i);
        collect(&four, false, together);
        for (size_t i = 0; i < n; i++)
            for (int j = 0; j < GROUPS; j++) {
                if (b == 0)
                    sum[i] += part[j][i];
                else
                    sum[i] = (double)((float)sum[i] + (float)part[j][i]);
            }
        if (memcmp(sum, together, n * sizeof *sum) != 0) {
            run_near(backends[b], "the sum of four", together, sum, n, tolerance, run_largest(sum, n));
            CHECK_REPORT("%s: the accumulators are not added in their order", backends[b]);
        }
        clear_all(&four);
        for (int i = 0; i < GROUPS; i++)
            run_into(&four, 20 + (uint64_t)i, i);
        collect(&four, true, single); /* collect adds to what is there */
        for (size_t i = 0; i < n; i++)
            sum[i] = 2 * together[i];
        run_near(backends[b], "twice", single, sum, n, tolerance, run_largest(sum, n));
        clear_all(&one);
        for (int i = 0; i < GROUPS; i++)
            run_into(&one, 20 + (uint64_t)i, 0);
        collect(&one, false, single);
        run_near(backends[b], "one accumulator", single, together, n, tolerance, run_largest(together, n));
        for (int i = 0; i < GROUPS; i++)
            pyr_free(part[i]);
        pyr_free(values);
        pyr_free(together);
        pyr_free(sum);
        pyr_free(single);
        run_close(&four);
        run_close(&one);
    }
}

/* ---- joined operations ------------------------------------------------------------------------- */

/* An image inside a network: of the activation type. */
static pyr_value image(run_net *net, const char *name, int h, int w, int c)
{
    return pyr_conv2d(net->g, run_input_add(net, h, w, c, RUN_NORMAL, 0), name,
                      (pyr_conv){.channels = c, .kernel = 1});
}

static pyr_value three(run_net *net, pyr_value x, const char *name, int c)
{
    return pyr_conv2d(net->g, x, name, (pyr_conv){.channels = c, .kernel = 3});
}

static pyr_value norm(run_net *net, pyr_value x, const char *name, int groups, pyr_value scale_shift)
{
    return pyr_group_norm(net->g, x, name, (pyr_norm){groups, 1e-5, PYR_ACT_SILU}, scale_shift);
}

static void joins_vector(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8), v = run_input_add(net, 1, 1, 16, RUN_NORMAL, 0);

    (void)arg;
    net->y = pyr_add_channel(net->g, three(net, x, "a", 16), v);
}

static void joins_residual(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8);

    (void)arg;
    net->y = pyr_add(net->g, x, three(net, norm(net, x, "n", 2, -1), "a", 8), 0.7);
}

static void joins_residual_first(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8);

    (void)arg;
    net->y = pyr_add(net->g, three(net, norm(net, x, "n", 2, -1), "a", 8), x, 1);
}

static void joins_vector_and_residual(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8), v = run_input_add(net, 1, 1, 8, RUN_NORMAL, 0);

    (void)arg;
    net->y = pyr_add(net->g, x, pyr_add_channel(net->g, three(net, x, "a", 8), v), 1);
}

/* Of two convolutions one takes the other in. */
static void joins_shortcut(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8);

    (void)arg;
    net->y = pyr_add(net->g, pyr_conv2d(net->g, x, "short", (pyr_conv){.channels = 16, .kernel = 1}),
                     three(net, norm(net, x, "n", 2, -1), "a", 16), 1);
}

/* Groups of both images; two readers. */
static void joins_concat(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 7, 5, 6), b = image(net, "other", 7, 5, 4), h;

    (void)arg;
    h = pyr_concat(net->g, a, b);
    net->y = pyr_add(net->g, pyr_conv2d(net->g, h, "short", (pyr_conv){.channels = 8, .kernel = 1}),
                     three(net, norm(net, h, "n", 2, -1), "a", 8), 1);
}

/* The second image is a part of what is convolved and what is added: its gradient comes from both, and only
 * the concat is joined. */
static void joins_concat_of_residual(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 7, 5, 6), b = image(net, "other", 7, 5, 4);

    (void)arg;
    net->y = pyr_add(net->g, three(net, pyr_concat(net->g, a, b), "a", 4), b, 1);
}

static void joins_concat_of_one(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 7, 5, 4);

    (void)arg;
    net->y = pyr_add(net->g, three(net, pyr_concat(net->g, a, a), "a", 4), a, 1);
}

static void joins_concats(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 7, 5, 4), b = image(net, "other", 7, 5, 2);

    (void)arg;
    net->y = three(net, pyr_concat(net->g, pyr_concat(net->g, a, b), a), "a", 4);
}

static void joins_upsample(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 4, 3, 8);

    (void)arg;
    net->y = three(net, pyr_upsample(net->g, x, 7, 5), "a", 8);
}

static void joins_upsample_of_concat(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 4, 3, 4), b = image(net, "other", 4, 3, 4);

    (void)arg;
    net->y = three(net, pyr_upsample(net->g, pyr_concat(net->g, a, b), 7, 5), "a", 8);
}

/* Not: what a convolution makes has another reader. */
static void two_readers(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8), h = three(net, x, "a", 8);

    (void)arg;
    net->y = pyr_add(net->g, pyr_add(net->g, x, h, 1), pyr_activation(net->g, h, PYR_ACT_SILU), 1);
}

/* Not: somebody outside wants to see what is in between. */
static void kept_between(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8), h = three(net, x, "a", 8);

    (void)arg;
    pyr_graph_keep(net->g, h);
    net->y = pyr_add(net->g, x, h, 1);
}

static void kept_concat(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 7, 5, 6), h = pyr_concat(net->g, a, image(net, "other", 7, 5, 4));

    (void)arg;
    pyr_graph_keep(net->g, h);
    net->y = three(net, h, "a", 8);
}

static void kept_upsample(run_net *net, const void *arg)
{
    pyr_value h = pyr_upsample(net->g, image(net, "in", 4, 3, 8), 7, 5);

    (void)arg;
    pyr_graph_keep(net->g, h);
    net->y = three(net, h, "a", 8);
}

/* Not the concat, which the activation reads whole. */
static void concat_for_another(run_net *net, const void *arg)
{
    pyr_value a = image(net, "in", 7, 5, 6), h = pyr_concat(net->g, a, image(net, "other", 7, 5, 4));

    (void)arg;
    net->y = pyr_add(net->g, three(net, h, "a", 10), pyr_activation(net->g, h, PYR_ACT_SILU), 1);
}

/* Not the enlarged image, which is added, too. */
static void upsample_for_another(run_net *net, const void *arg)
{
    pyr_value h = pyr_upsample(net->g, image(net, "in", 4, 3, 8), 7, 5);

    (void)arg;
    net->y = pyr_add(net->g, three(net, h, "a", 8), h, 1);
}

/* Not the second sum: there is one place for a residual, and the scale comes behind it. */
static void two_sums(run_net *net, const void *arg)
{
    const double *scale = arg;
    pyr_value x = image(net, "in", 7, 5, 8), other = image(net, "other", 7, 5, 8);

    other = pyr_activation(net->g, other, PYR_ACT_SILU);
    net->y = pyr_add(net->g, pyr_add(net->g, x, three(net, x, "a", 8), *scale), other, 1);
}

/* Not the vector: it would be scaled. */
static void vector_behind_sum(run_net *net, const void *arg)
{
    pyr_value x = image(net, "in", 7, 5, 8), v = run_input_add(net, 1, 1, 8, RUN_NORMAL, 0);

    (void)arg;
    net->y = pyr_add_channel(net->g, pyr_add(net->g, x, three(net, x, "a", 8), 0.5), v);
}

static void sum_with_itself(run_net *net, const void *arg)
{
    pyr_value h = three(net, image(net, "in", 7, 5, 8), "a", 8);

    (void)arg;
    net->y = pyr_add(net->g, h, h, 0.5);
}

static const double half = 0.5, whole = 1;

/* `plain` operations as they are built, `joined` where all is joined that can be. */
static const struct joins_case {
    const char *name;
    run_builder build;
    const void *arg;
    int plain, joined;
} joins[] = {
    {"vector", joins_vector, NULL, 3, 2},
    {"residual", joins_residual, NULL, 4, 3},
    {"residual first", joins_residual_first, NULL, 4, 3},
    {"vector and residual", joins_vector_and_residual, NULL, 4, 2},
    {"shortcut", joins_shortcut, NULL, 5, 4},
    {"concat", joins_concat, NULL, 7, 5},
    {"concat of the residual", joins_concat_of_residual, NULL, 5, 4},
    {"concat of one", joins_concat_of_one, NULL, 4, 3},
    {"concats", joins_concats, NULL, 5, 4},
    {"upsample", joins_upsample, NULL, 3, 2},
    {"upsample of a concat", joins_upsample_of_concat, NULL, 5, 4},
    {"two readers", two_readers, NULL, 5, 5},
    {"kept in between", kept_between, NULL, 3, 3},
    {"a kept concat", kept_concat, NULL, 4, 4},
    {"a kept upsample", kept_upsample, NULL, 3, 3},
    {"a concat for another", concat_for_another, NULL, 6, 5},
    {"an upsample for another", upsample_for_another, NULL, 4, 3},
    {"two sums", two_sums, &whole, 6, 5},
    {"two sums, one scaled", two_sums, &half, 6, 5},
    {"a vector behind a sum", vector_behind_sum, NULL, 4, 3},
    {"a sum with itself", sum_with_itself, NULL, 3, 3},
};

static bool joins_all(const pyr_kernels *k)
{
    return k->backend->op[PYR_OP_CONV2D]->fuses ==
               (PYR_FUSES_RESIDUAL | PYR_FUSES_VECTOR | PYR_FUSES_CONCAT | PYR_FUSES_UPSAMPLE) &&
           k->backend->op[PYR_OP_GROUP_NORM]->fuses == PYR_FUSES_CONCAT;
}

/* A tolerance for each is of the largest value, against ref-double. */
static const char *const joiners[] = {"ref-double-joins", "cpu", "cpu-bf16", "cuda", "cuda-bf16"};
enum { JOINERS = 5 };

/* Every network on every backend that joins: as on the reference, which does not. */
static void agrees_with_plain(const char *name, run_builder build, const void *arg, int plain, int joined,
                              const double tolerance[JOINERS])
{
    run_net net;
    run_result exact = {0};
    double *values = NULL;

    if (run_open(&net, "ref-double", build, arg, (run_options){.batch = 3})) {
        CHECK(!plain || pyr_graph_operations(net.g) == plain);
        values = run_param_values(&net);
        run_pack(&net, values);
        run_once(&net, 11, &exact);
    }
    run_close(&net);
    for (int i = 0; values && i < JOINERS; i++) {
        char label[128];
        run_result got = {0}, again = {0};

        snprintf(label, sizeof label, "%s on %s", name, joiners[i]);
        if (run_open(&net, joiners[i], build, arg, (run_options){.batch = 3})) {
            if (joined && joins_all(net.k) && pyr_graph_operations(net.g) != joined)
                CHECK_REPORT("%s: %d operations, wanted %d", label, pyr_graph_operations(net.g), joined);
            run_pack(&net, values);
            spoil(&net);
            run_once(&net, 11, &got);
            run_agree(label, &net, &got, &exact, tolerance[i]);
            spoil(&net);
            run_once(&net, 11, &again);
            CHECK(run_same(&got, &again));
        }
        run_result_free(&got);
        run_result_free(&again);
        run_close(&net);
    }
    pyr_free(values);
    run_result_free(&exact);
}

static void operations_are_joined(void)
{
    /* measured: 6.4e-7 and 0.0095 */
    static const double tolerance[JOINERS] = {1e-12, 5e-6, 0.015, 5e-6, 0.015};

    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++)
        agrees_with_plain(joins[i].name, joins[i].build, joins[i].arg, joins[i].plain, joins[i].joined,
                          tolerance);
}

/* The small networks again, on what the CPU offers: a joined operation is one. */
static void cpu_joins(void)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    CHECK(joins_all(k));
    pyr_kernels_free(k);
}

/* ---- a network with all that networks have ----------------------------------------------------- */

typedef struct blocks {
    bool scale_shift, dropout, segments;
} blocks;

static pyr_value residual_block(run_net *net, const blocks *b, pyr_value x, pyr_value emb, pyr_value stream,
                                const char *name, int c)
{
    pyr_graph *g = net->g;
    char at[6][64];
    static const char *const parts[] = {"norm1", "conv1", "time", "norm2", "conv2", "short"};
    pyr_value h, t;

    for (int i = 0; i < 6; i++)
        snprintf(at[i], sizeof at[i], "%s.%s", name, parts[i]);
    if (b->segments)
        pyr_graph_segment_begin(g);
    h = three(net, norm(net, x, at[0], 2, -1), at[1], c);
    t = pyr_linear(g, emb, at[2], b->scale_shift ? 2 * c : c);
    if (!b->scale_shift)
        h = pyr_add_channel(g, h, t);
    h = norm(net, h, at[3], 2, b->scale_shift ? t : -1);
    if (b->dropout)
        h = pyr_dropout(g, h, stream, 0.2,
                        pyr_rng_purpose(PYR_RNG_DROPOUT, 1) | (uint32_t)net->n_dropouts++ << 24);
    h = three(net, h, at[4], c);
    if (pyr_graph_shape(g, x).c != c)
        x = pyr_conv2d(g, x, at[5], (pyr_conv){.channels = c, .kernel = 1});
    h = pyr_add(g, x, h, 0.70710678);
    if (b->segments)
        pyr_graph_segment_end(g);
    return h;
}

/* A U-Net of two resolutions: down, attention in the middle, up, skips. */
static void build_blocks(run_net *net, const void *arg)
{
    const blocks *b = arg;
    pyr_graph *g = net->g;
    pyr_value x = run_input_add(net, 7, 5, 3, RUN_NORMAL, 0);
    pyr_value emb = run_input_add(net, 1, 1, 16, RUN_NORMAL, 0);
    pyr_value stream = b->dropout ? run_input_add(net, 1, 1, 4, RUN_STREAM, 0) : -1;
    pyr_value h, skip[3], q, k, v;

    h = skip[0] = three(net, x, "in", 8);
    h = skip[1] = residual_block(net, b, h, emb, stream, "down.0", 8);
    h = skip[2] = pyr_conv2d(g, h, "halve", (pyr_conv){.channels = 8, .kernel = 3, .stride = 2});
    h = residual_block(net, b, h, emb, stream, "down.1", 16);
    q = norm(net, h, "attention.norm", 4, -1);
    k = pyr_linear(g, q, "attention.k", 16);
    v = pyr_linear(g, q, "attention.v", 16);
    q = pyr_linear(g, q, "attention.q", 16);
    q = pyr_linear(g, pyr_attention(g, q, k, v, 2), "attention.out", 16);
    h = pyr_add(g, q, h, 1);
    h = residual_block(net, b, pyr_concat(g, h, skip[2]), emb, stream, "up.0", 16);
    h = three(net, pyr_upsample(g, h, 7, 5), "enlarge", 16);
    h = residual_block(net, b, pyr_concat(g, h, skip[1]), emb, stream, "up.1", 8);
    h = residual_block(net, b, pyr_concat(g, h, skip[0]), emb, stream, "up.2", 8);
    net->y = pyr_conv2d(g, norm(net, h, "norm", 4, -1), "out",
                        (pyr_conv){.channels = 3, .kernel = 3, .real = true});
}

static const blocks all_blocks[] = {
    {.scale_shift = false}, {.scale_shift = true}, {.scale_shift = true, .dropout = true}};

static void gradients_blocks(void)
{
    run_gradients("blocks", build_blocks, &all_blocks[0], 2, 1e-4);
    run_gradients("blocks with scale and shift", build_blocks, &all_blocks[2], 2, 1e-4);
}

/* Five blocks of two norms, two convolutions, a linear and a sum, four of them with a shortcut; three
 * concats, an upsample; 7 for attention; in, halve, enlarge, norm, out: 50, and in each block the vector's
 * sum or dropout. Joined: no sum with a convolution, no vector's sum, no concat, no upsample.
 * In bf16 a parameter's gradient is what many roundings leave of a sum that nearly vanishes: with sigmoids of
 * five accuracies from 1e-7 to 1e-4 the worst one was off by 0.045 to 0.11, in no order. */
static void blocks_agree(void)
{
    static const double tolerance[JOINERS] = {1e-11, 2e-5, 0.15, 2e-5, 0.15};
    static const int plain[] = {55, 50, 55}, joined[] = {41, 41, 46};

    for (size_t i = 0; i < sizeof all_blocks / sizeof *all_blocks; i++)
        agrees_with_plain("blocks", build_blocks, &all_blocks[i], plain[i], joined[i], tolerance);
}

static size_t arena_beside_scratch(const run_net *net)
{
    size_t scratch = 0;

    for (int i = 0; i < net->g->n_nodes; i++)
        if (net->g->nodes[i].op.scratch_bytes > scratch)
            scratch = net->g->nodes[i].op.scratch_bytes;
    return pyr_graph_bytes(net->g).arena - pyr_aligned(scratch);
}

/* With recomputation: the same bits in less memory, whatever the lane held before. */
static void recomputation(void)
{
    static const char *const all[] = {"ref-double", "ref",  "cpu",      "ref-double-joins",
                                      "cpu-bf16",   "cuda", "cuda-bf16"};

    for (size_t b = 0; b < sizeof all / sizeof *all; b++)
        for (size_t i = 0; i < sizeof all_blocks / sizeof *all_blocks; i++) {
            blocks with_segments = all_blocks[i];
            run_net net[2];
            run_result r[2] = {{0}};
            double *values = NULL;
            bool open[2];

            with_segments.segments = true;
            for (int j = 0; j < 2; j++) {
                open[j] = run_open(&net[j], all[b], build_blocks, &with_segments,
                                   (run_options){.batch = 3, .recompute = j == 1});
                if (!open[j])
                    continue;
                if (!values)
                    values = run_param_values(&net[j]);
                run_pack(&net[j], values);
                spoil(&net[j]);
                run_once(&net[j], 12, &r[j]);
            }
            if (open[0] && open[1]) {
                if (!run_same(&r[0], &r[1]))
                    CHECK_REPORT("%s, network %zu: computed twice, other bits", all[b], i);
                if (arena_beside_scratch(&net[1]) * 5 > arena_beside_scratch(&net[0]) * 4)
                    CHECK_REPORT("%s, network %zu: %zu bytes instead of %zu", all[b], i,
                                 arena_beside_scratch(&net[1]), arena_beside_scratch(&net[0]));
            }
            pyr_free(values);
            for (int j = 0; j < 2; j++) {
                run_result_free(&r[j]);
                run_close(&net[j]);
            }
        }
}

/* A value of a segment that is kept, and one that another segment reads, are there when they are read. */
static void build_segments(run_net *net, const void *arg)
{
    pyr_graph *g = net->g;
    pyr_value x = image(net, "in", 7, 5, 8), h, inner;

    (void)arg;
    pyr_graph_segment_begin(g);
    h = norm(net, x, "n1", 2, -1);
    inner = three(net, h, "a", 8);
    pyr_graph_keep(g, inner);
    h = three(net, norm(net, inner, "n2", 2, -1), "b", 8);
    pyr_graph_segment_end(g);
    pyr_graph_segment_begin(g);
    h = three(net, norm(net, h, "n3", 2, -1), "c", 8);
    h = pyr_add(g, h, pyr_activation(g, inner, PYR_ACT_MISH), 1);
    pyr_graph_segment_end(g);
    net->y = pyr_activation(g, h, PYR_ACT_SILU);
}

static void segments_share_values(void)
{
    static const char *const all[] = {"ref-double", "cpu",  "ref-double-joins",
                                      "cpu-bf16",   "cuda", "cuda-bf16"};

    for (size_t b = 0; b < sizeof all / sizeof *all; b++) {
        run_net net[2];
        run_result r[2] = {{0}};
        double *values = NULL;

        for (int j = 0; j < 2; j++)
            if (run_open(&net[j], all[b], build_segments, NULL, (run_options){.recompute = j == 1})) {
                if (!values)
                    values = run_param_values(&net[j]);
                run_pack(&net[j], values);
                spoil(&net[j]);
                run_once(&net[j], 12, &r[j]);
            }
        if (r[0].y && !run_same(&r[0], &r[1]))
            CHECK_REPORT("%s: computed twice, other bits", all[b]);
        pyr_free(values);
        for (int j = 0; j < 2; j++) {
            run_result_free(&r[j]);
            run_close(&net[j]);
        }
    }
}

/* ---- memory of inference, kept values ---------------------------------------------------------- */

static void build_chain(run_net *net, const void *arg)
{
    pyr_graph *g = net->g;
    pyr_value h = run_input_add(net, 16, 16, 8, RUN_NORMAL, 0);

    (void)arg;
    for (int i = 0; i < 6; i++)
        h = pyr_activation(g, pyr_affine(g, h, 1.5, 0.1), PYR_ACT_SILU);
    net->y = h;
}

/* Sum of all values, as the planner would place them side by side. */
static size_t side_by_side(const run_net *net)
{
    size_t sum = 0;

    for (int i = 0; i < net->g->n_values; i++) {
        const value *v = &net->g->values[i];

        sum += v->gone ? 0 : pyr_aligned(pyr_count(v->shape) * pyr_type_size(v->type));
    }
    return sum;
}

static size_t arena_of(const char *backend, run_builder build, const void *arg, run_options o, size_t *sum)
{
    run_net net;
    size_t arena = 0;

    if (run_open(&net, backend, build, arg, o)) {
        arena = arena_beside_scratch(&net);
        if (sum)
            *sum = side_by_side(&net);
    }
    run_close(&net);
    return arena;
}

static void inference_takes_little(void)
{
    static const char *const all[] = {"ref-double", "ref",  "cpu",      "ref-double-joins",
                                      "cpu-bf16",   "cuda", "cuda-bf16"};

    for (size_t b = 0; b < sizeof all / sizeof *all; b++) {
        size_t sum = 0, training = arena_of(all[b], build_blocks, &all_blocks[0], (run_options){0}, NULL);
        size_t inference =
            arena_of(all[b], build_blocks, &all_blocks[0], (run_options){.inference = true}, &sum);

        if (inference * 5 > sum * 2 || inference * 3 > training)
            CHECK_REPORT("%s: inference takes %zu, training %zu, all values %zu", all[b], inference, training,
                         sum);
    }
}

/* Twelve operations, each over what it read: one image; on a backend that does not offer it, two. */
static void results_lie_where_inputs_lay(void)
{
    size_t bytes = 2 * 16 * 16 * 8 * sizeof(double), sum = 0;
    size_t two = arena_of("ref-double", build_chain, NULL, (run_options){.inference = true}, &sum);
    size_t one = arena_of("ref-double-joins", build_chain, NULL, (run_options){.inference = true}, NULL);

    CHECK(sum == 13 * bytes && two == 2 * bytes && one == bytes);
}

/* Kept values are what they would be if nothing were shared: in a chain of operations that could all write
 * over what they read, and with a kept input. */
static void kept_values_stay(void)
{
    static const char *const all[] = {"ref-double", "ref-double-joins", "cpu"};

    for (size_t b = 0; b < sizeof all / sizeof *all; b++)
        for (pyr_value kept = 0; kept < 12; kept++) {
            double *got[2] = {NULL, NULL};
            size_t count = 0;

            for (int everything = 0; everything < 2; everything++) {
                run_net net;

                if (run_open(&net, all[b], build_chain, NULL,
                             (run_options){.keep_all = everything, .keep = 1u << kept})) {
                    run_put_all(&net, 0, 8);
                    CHECK_OK(pyr_graph_pack(net.g, net.block));
                    CHECK_OK(pyr_graph_forward(net.g, 0));
                    run_put_seed(&net, 0);
                    CHECK_OK(pyr_graph_backward(net.g, 0, 0));
                    count = pyr_count(pyr_graph_shape(net.g, kept));
                    got[everything] = run_numbers(count);
                    run_read(&net, got[everything], pyr_graph_data(net.g, 0, kept), kept);
                }
                run_close(&net);
            }
            CHECK(got[0] && got[1] && memcmp(got[0], got[1], count * sizeof(double)) == 0);
            pyr_free(got[0]);
            pyr_free(got[1]);
        }
}

/* ---- parameters -------------------------------------------------------------------------------- */

/* Two graphs of different sizes on one table and one block. */
static void two_graphs_share_a_block(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_kernels *k = NULL;
        pyr_params params = {0};
        pyr_graph *g[2] = {NULL, NULL};
        pyr_value x[2], y[2];
        void *block = NULL, *grad = NULL;
        double in[2 * 6 * 6 * 3], got[2][8 * 6 * 6 * 2], *sum, *each;
        int n_params = 0;

        CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
        for (int i = 0; i < 2; i++) {
            int side = i ? 6 : 4;

            CHECK_OK(pyr_graph_new(&g[i], k, k->precision, &params));
            x[i] = pyr_graph_input(g[i], (pyr_shape){1, side, side, 3}, k->real);
            y[i] = pyr_conv2d(g[i], x[i], "conv", (pyr_conv){.channels = 8, .kernel = 3});
            y[i] = pyr_linear(g[i], y[i], "line", 2);
            for (pyr_value v = 0; v <= y[i]; v++) /* backward runs twice */
                pyr_graph_keep(g[i], v);
            pyr_graph_seed(g[i], y[i]);
            CHECK_OK(pyr_graph_plan(g[i], &(pyr_plan){.batch = 2, .param_gradient = true, .groups = 2}));
            if (i == 0)
                n_params = params.n;
        }
        CHECK(n_params == 4 && params.n == 4);
        CHECK(pyr_params_find(&params, "conv.weight") == &params.at[0]);
        CHECK(pyr_params_find(&params, "conv") == NULL);
        CHECK(pyr_params_model_count(&params) == 8 * 3 * 9 + 8 + 2 * 8 + 2);
        CHECK(params.count >= pyr_params_model_count(&params) && params.count % 16 == 0);
        for (int i = 0; i < params.n; i++)
            CHECK(params.at[i].offset % 16 == 0);
        CHECK_OK(pyr_alloc(k, &block, params.count * pyr_type_size(k->real), "parameters"));
        CHECK_OK(pyr_alloc(k, &grad, params.count * pyr_type_size(k->real), "gradients"));
        CHECK_OK(pyr_params_init(&params, k, block, 3, 0));
        /* a constant image: the middle of both results is the same number */
        for (size_t i = 0; i < sizeof in / sizeof *in; i++)
            in[i] = 0.25 * (double)(i % 3) - 0.3;
        sum = run_numbers(params.count);
        each = run_numbers(params.count);
        for (int i = 0; i < 2; i++) {
            int side = i ? 6 : 4;
            size_t n = (size_t)(2 * side * side);

            CHECK_OK(pyr_graph_pack(g[i], block));
            CHECK_OK(pyr_upload_reals(k, pyr_graph_data(g[i], 0, x[i]), in, n * 3));
            CHECK_OK(pyr_graph_forward(g[i], 0));
            CHECK_OK(pyr_download_reals(k, got[i], pyr_graph_data(g[i], 0, y[i]), n * 2));
            CHECK_OK(pyr_upload_reals(k, pyr_graph_gradient(g[i], 0, y[i]), got[i], n * 2));
            pyr_graph_clear(g[i], 0);
            pyr_graph_clear(g[i], 1);
            CHECK_OK(pyr_graph_backward(g[i], 0, 1));
            pyr_zero(k, grad, params.count * pyr_type_size(k->real));
            CHECK_OK(pyr_graph_collect(g[i], grad));
            CHECK_OK(pyr_download_reals(k, each, grad, params.count));
            for (size_t j = 0; j < params.count; j++)
                sum[j] += each[j];
        }
        CHECK_CLOSE(got[0][(4 + 1) * 2], got[1][(6 + 1) * 2], 1e-6);
        /* both collected into one block: the sum of the two */
        pyr_zero(k, grad, params.count * pyr_type_size(k->real));
        for (int i = 0; i < 2; i++) {
            pyr_graph_clear(g[i], 0);
            pyr_graph_clear(g[i], 1);
            CHECK_OK(pyr_graph_backward(g[i], 0, 0));
            CHECK_OK(pyr_graph_collect(g[i], grad));
        }
        CHECK_OK(pyr_download_reals(k, each, grad, params.count));
        run_near(backends[b], "the sum of two graphs", each, sum, params.count, 1e-6,
                 run_largest(sum, params.count));
        CHECK(run_largest(sum, params.count) > 0);
        pyr_free(sum);
        pyr_free(each);
        pyr_release(k, block);
        pyr_release(k, grad);
        pyr_graph_free(g[0]);
        pyr_graph_free(g[1]);
        pyr_params_free(&params);
        pyr_kernels_free(k);
    }
}

static void initial_values(void)
{
    static const pyr_param wanted[] = {
        {.name = "u.weight", .rank = 2, .dims = {70, 90}, .init = PYR_INIT_UNIFORM, .scale = 0.25},
        {.name = "n.weight", .rank = 2, .dims = {70, 90}, .init = PYR_INIT_NORMAL, .scale = 3},
        {.name = "o.weight", .rank = 1, .dims = {5}, .init = PYR_INIT_ONES},
        {.name = "z.weight", .rank = 1, .dims = {5}, .init = PYR_INIT_ZEROS},
        {.name = "u2.weight", .rank = 2, .dims = {70, 90}, .init = PYR_INIT_UNIFORM, .scale = 0.25},
    };
    pyr_params params = {0};
    double *v[5] = {NULL};
    size_t n;
    int index;

    for (int i = 0; i < 5; i++) {
        CHECK_OK(pyr_params_add(&params, &index, &wanted[i]));
        CHECK(index == i);
    }
    CHECK_OK(pyr_params_add(&params, &index, &wanted[2]));
    CHECK(index == 2 && params.n == 5);
    CHECK_FAILS(pyr_params_add(&params, &index, &(pyr_param){.name = "o.weight", .rank = 1, .dims = {6}}),
                PYR_E_SHAPE, "o.weight is used with two different shapes");
    n = params.count;
    for (int b = 0; b < 5; b++) { /* three backends; another seed; another level */
        pyr_kernels *k = NULL;
        void *block = NULL;

        CHECK_OK(pyr_kernels_open(&k, backends[b < 3 ? b : 1], 2));
        CHECK_OK(pyr_alloc(k, &block, n * pyr_type_size(k->real), "parameters"));
        CHECK_OK(pyr_params_init(&params, k, block, b == 3 ? 8 : 7, b == 4 ? 2 : 1));
        v[b] = run_numbers(n);
        CHECK_OK(pyr_download_reals(k, v[b], block, n));
        if (b == 1) { /* single parameters in and out */
            float *host = (float *)run_numbers(n);

            CHECK_OK(pyr_param_download(&params.at[1], k, block, host));
            for (size_t i = 0; i < params.at[1].count; i++)
                CHECK((double)host[i] == v[1][params.at[1].offset + i]);
            host[3] = 123;
            CHECK_OK(pyr_param_upload(&params.at[1], k, block, host));
            CHECK(((float *)block)[params.at[1].offset + 3] == 123);
            pyr_free(host);
        }
        pyr_release(k, block);
        pyr_kernels_free(k);
    }
    CHECK(memcmp(v[0], v[1], n * sizeof(double)) == 0);
    CHECK(memcmp(v[0], v[2], n * sizeof(double)) == 0);
    for (int i = 0; i < 5; i++) {
        const pyr_param *p = &params.at[i];
        double sum = 0, square = 0, count = (double)p->count, largest;
        bool same_seed = true, same_level = true;

        for (size_t j = p->offset; j < p->offset + p->count; j++) {
            sum += v[0][j];
            square += v[0][j] * v[0][j];
            same_seed = same_seed && v[0][j] == v[3][j];
            same_level = same_level && v[0][j] == v[4][j];
        }
        largest = run_largest(v[0] + p->offset, p->count);
        if (p->init == PYR_INIT_UNIFORM) { /* mean 0, variance scale^2 / 3 */
            CHECK(largest <= 0.25 && largest > 0.249);
            CHECK_CLOSE(sum / count, 0, 4 * 0.25 / sqrt(3 * count));
            CHECK_CLOSE(square / count, 0.0625 / 3, 4 * 0.0625 * sqrt(4.0 / 45 / count));
            CHECK(!same_seed && !same_level);
        } else if (p->init == PYR_INIT_NORMAL) {
            CHECK_CLOSE(sum / count, 0, 4 * 3 / sqrt(count));
            CHECK_CLOSE(square / count, 9, 4 * 9 * sqrt(2 / count));
            CHECK(!same_seed && !same_level);
        } else
            for (size_t j = p->offset; j < p->offset + p->count; j++)
                CHECK(v[0][j] == (p->init == PYR_INIT_ONES));
        for (size_t j = p->offset + p->count; j < (i < 4 ? params.at[i + 1].offset : n); j++)
            CHECK(v[0][j] == 0);
    }
    CHECK(memcmp(v[0] + params.at[0].offset, v[0] + params.at[4].offset, 100 * sizeof(double)) != 0);
    for (int b = 0; b < 5; b++)
        pyr_free(v[b]);
    pyr_params_free(&params);
}

/* ---- failures ---------------------------------------------------------------------------------- */

typedef pyr_value (*breaker)(pyr_graph *g, pyr_value x);

static pyr_value bad_groups(pyr_graph *g, pyr_value x)
{
    return pyr_group_norm(g, x, "blocks.norm", (pyr_norm){4, 1e-5, PYR_ACT_NONE}, -1);
}
static pyr_value no_groups(pyr_graph *g, pyr_value x)
{
    return pyr_group_norm(g, x, "blocks.norm", (pyr_norm){0, 1e-5, PYR_ACT_NONE}, -1);
}
static pyr_value bad_shift(pyr_graph *g, pyr_value x)
{
    return pyr_group_norm(g, x, "n", (pyr_norm){3, 1e-5, PYR_ACT_NONE},
                          pyr_graph_input(g, (pyr_shape){1, 1, 1, 6}, g->k->real));
}
static pyr_value bad_add(pyr_graph *g, pyr_value x)
{
    return pyr_add(g, x, pyr_graph_input(g, (pyr_shape){1, 5, 3, 6}, g->k->real), 1);
}
static pyr_value bad_concat(pyr_graph *g, pyr_value x)
{
    return pyr_concat(g, x, pyr_graph_input(g, (pyr_shape){1, 4, 5, 6}, g->k->real));
}
static pyr_value bad_vector(pyr_graph *g, pyr_value x)
{
    return pyr_add_channel(g, x, pyr_graph_input(g, (pyr_shape){1, 1, 1, 5}, g->k->real));
}
static pyr_value two_shapes(pyr_graph *g, pyr_value x)
{
    return pyr_linear(g, pyr_linear(g, x, "line", 4), "line", 4);
}
static pyr_value too_small(pyr_graph *g, pyr_value x)
{
    return pyr_mean2(g, pyr_mean2(g, pyr_mean2(g, x)));
}
static pyr_value too_small_pool(pyr_graph *g, pyr_value x)
{
    return pyr_pool2d(g, pyr_mean2(g, pyr_mean2(g, x)), (pyr_pool2d_plan){.kernel = 3, .stride = 1});
}
static pyr_value too_small_conv(pyr_graph *g, pyr_value x)
{
    for (int i = 0; i < 4; i++)
        x = pyr_conv2d(g, x, "down",
                       (pyr_conv){.channels = 6, .kernel = 3, .stride = 2, .right_bottom = true});
    return x;
}
static pyr_value long_name(pyr_graph *g, pyr_value x)
{
    char name[200];

    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    return pyr_linear(g, x, name, 3);
}
static pyr_value two_mistakes(pyr_graph *g, pyr_value x)
{
    x = bad_groups(g, x);
    CHECK(x == -1);
    x = bad_add(g, x); /* follows from the first, and is not what should be said */
    CHECK(x == -1);
    CHECK(pyr_graph_input(g, (pyr_shape){1, 1, 1, 1}, g->k->real) == -1);
    pyr_graph_keep(g, x);
    pyr_graph_seed(g, x);
    pyr_graph_want_gradient(g, x);
    CHECK(pyr_graph_shape(g, x).c == 1);
    return pyr_conv2d(g, x, "conv", (pyr_conv){.channels = 3, .kernel = 3});
}

static void failures_are_told_by_the_plan(void)
{
    static const struct {
        breaker build;
        pyr_status status;
        const char *part;
    } cases[] = {
        {bad_groups, PYR_E_CONFIG, "blocks.norm: 6 channels cannot be split into 4 groups"},
        {no_groups, PYR_E_CONFIG, "6 channels cannot be split into 0 groups"},
        {bad_shift, PYR_E_SHAPE, "need 2 x 6 features, not 6"},
        {bad_add, PYR_E_SHAPE, "cannot be added"},
        {bad_concat, PYR_E_SHAPE, "cannot be concatenated"},
        {bad_vector, PYR_E_SHAPE, "a vector of 5 does not fit 6 channels"},
        {two_shapes, PYR_E_SHAPE, "line.weight is used with two different shapes"},
        {too_small, PYR_E_SHAPE, "1x1 is too small to be halved again"},
        {too_small_pool, PYR_E_SHAPE, "1x1 is too small to be pooled by 3x3"},
        {too_small_conv, PYR_E_SHAPE, "down: an image of 1x1 is too small to be halved again"},
        {long_name, PYR_E_ARG, "is too long"},
        {two_mistakes, PYR_E_CONFIG, "6 channels cannot be split into 4 groups"},
    };
    pyr_kernels *k = NULL;
    size_t before = pyr_mem().live_blocks;

    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pyr_params params = {0};
        pyr_graph *g = NULL;
        pyr_value x;

        CHECK_OK(pyr_graph_new(&g, k, k->precision, &params));
        x = pyr_graph_input(g, (pyr_shape){1, 5, 4, 6}, k->real);
        CHECK(cases[i].build(g, x) == -1);
        pyr_error_set("something else");
        CHECK_FAILS(pyr_graph_plan(g, &(pyr_plan){.batch = 2}), cases[i].status, cases[i].part);
        pyr_graph_free(g);
        pyr_params_free(&params);
    }
    pyr_graph_free(NULL);
    pyr_kernels_free(k);
    CHECK(pyr_mem().live_blocks == before);
}

/* Every allocation fails once: nothing leaks, and the reason is said. */
static void without_memory(void)
{
    for (int b = 1; b < BACKENDS; b++) {
        pyr_kernels *k = NULL;
        size_t before;
        int failed = 0;
        bool done = false;

        CHECK_OK(pyr_kernels_open(&k, backends[b], 1)); /* one: no thread of the pool frees meanwhile */
        if (!k)
            return;
        before = pyr_mem().live_blocks;
        for (long n = 0; !done && n < 2000; n++) {
            run_net net = {.k = k};
            pyr_status status;

            pyr_error_set("nothing");
            pyr_mem_fail_after(n);
            status = pyr_graph_new(&net.g, k, k->precision, &net.params);
            if (status == PYR_OK) {
                build_mixed(&net, NULL);
                pyr_graph_keep(net.g, net.y);
                pyr_graph_seed(net.g, net.y);
                status = pyr_graph_plan(
                    net.g, &(pyr_plan){.batch = 2, .lanes = 2, .param_gradient = true, .groups = 2});
            } else
                CHECK(net.g == NULL);
            pyr_mem_fail_after(-1);
            done = status == PYR_OK;
            if (!done) {
                failed++;
                CHECK_STATUS(status, PYR_E_NOMEM);
                if (!strstr(pyr_error(), "memory"))
                    CHECK_REPORT("%s, allocation %ld: the sentence is: %s", backends[b], n, pyr_error());
            }
            pyr_graph_free(net.g);
            pyr_params_free(&net.params);
            if (pyr_mem().live_blocks != before) {
                CHECK_REPORT("%s, allocation %ld: %zu blocks leak", backends[b], n,
                             pyr_mem().live_blocks - before);
                before = pyr_mem().live_blocks;
            }
        }
        CHECK(done && failed > 15);
        pyr_kernels_free(k);
    }
}

/* ---- the optimizer ----------------------------------------------------------------------------- */

/* After the plan nothing is allocated. */
static void steps_allocate_nothing(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        run_net net;
        pyr_optimizer o = {0};
        double *in[RUN_INPUTS] = {NULL}, *c, *values;
        size_t n_y;
        uint64_t before;

        if (!run_open(&net, backends[b], build_mixed, NULL, (run_options){.groups = 4, .lanes = 2}))
            return;
        n_y = pyr_count(pyr_graph_shape(net.g, net.y));
        CHECK_OK(pyr_optimizer_new(&o, net.k, &net.params, (pyr_adamw){0.9, 0.99, 1e-8, 0.01}));
        CHECK(pyr_optimizer_bytes(net.k, &net.params) == 5 * net.params.count * pyr_type_size(net.k->real));
        values = run_param_values(&net);
        CHECK_OK(pyr_upload_reals(net.k, o.value, values, net.params.count));
        c = run_numbers(n_y);
        for (size_t i = 0; i < n_y; i++)
            c[i] = 1;
        for (int i = 0; i < net.n_inputs; i++)
            in[i] = run_input_values(&net, i, 3);
        before = pyr_mem().allocated;
        for (int step = 0; step < 20; step++) {
            pyr_step_state after;

            CHECK_OK(pyr_graph_pack(net.g, o.value));
            for (int lane = 0; lane < 2; lane++) {
                pyr_graph_clear(net.g, lane);
                pyr_graph_clear(net.g, lane + 2);
                for (int i = 0; i < net.n_inputs; i++)
                    run_put(&net, lane, i, in[i]);
                CHECK_OK(pyr_graph_forward(net.g, lane));
                CHECK_OK(pyr_upload_reals(net.k, pyr_graph_gradient(net.g, lane, net.y), c, n_y));
                CHECK_OK(pyr_graph_backward(net.g, lane, lane));
            }
            pyr_zero(net.k, o.grad, o.count * pyr_type_size(net.k->real));
            CHECK_OK(pyr_graph_collect(net.g, o.grad));
            CHECK_OK(pyr_optimizer_step(&o, &(pyr_step_input){.learning_rate = 1e-3F, .clip = 1}, 0, &after));
            CHECK(!after.skip && after.applied == (uint32_t)step + 1);
        }
        CHECK(pyr_mem().allocated == before);
        for (int i = 0; i < net.n_inputs; i++)
            pyr_free(in[i]);
        pyr_free(c);
        pyr_free(values);
        pyr_optimizer_free(&o);
        run_close(&net);
    }
}

/* Three numbers, by hand (Loshchilov & Hutter 2019, algorithm 2). */
static void optimizer_by_hand(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        const double beta1 = 0.8, beta2 = 0.95, eps = 1e-6, decay = 0.1, clip = 0.5, window = 0.4;
        double tolerance = b == 0 ? 1e-7 : 2e-6; /* the rates travel as floats */
        double x[3] = {1, -2, 0.5}, ema[3] = {1, -2, 0.5}, m[3] = {0}, v[3] = {0}, got[16];
        pyr_kernels *k = NULL;
        pyr_params params = {0};
        pyr_optimizer o = {0};
        int index, applied = 0;

        CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
        CHECK_OK(pyr_params_add(&params, &index, &(pyr_param){.name = "a", .rank = 1, .dims = {3}}));
        CHECK_OK(pyr_optimizer_new(&o, k, &params, (pyr_adamw){beta1, beta2, eps, decay}));
        CHECK(o.count == 16);
        CHECK_OK(pyr_upload_reals(k, o.value, x, 3));
        CHECK_OK(pyr_upload_reals(k, o.ema, ema, 3));
        for (int t = 1; t <= 12; t++) {
            double grad[16] = {sin(t), 2 * cos(3.0 * t), 0.1 * t}, loss = 1, norm = 0, rate = 0.01 * t;
            bool bad = t == 4 || t == 7;
            pyr_step_state after = {0};

            for (int i = 0; i < 3; i++)
                norm += grad[i] * grad[i];
            norm = sqrt(norm);
            if (t == 4)
                loss = NAN;
            if (t == 7)
                grad[1] = INFINITY;
            CHECK_OK(pyr_upload_reals(k, o.grad, grad, 16));
            CHECK_OK(pyr_optimizer_step(&o, &(pyr_step_input){(float)rate, (float)window, (float)clip}, loss,
                                        &after));
            CHECK(after.skip == bad);
            if (!bad) {
                double shrink = norm > clip ? clip / norm : 1, ema_rate;

                applied++;
                ema_rate = 1 / fmax(1, window * applied);
                for (int i = 0; i < 3; i++) {
                    double g = grad[i] * shrink;

                    m[i] = beta1 * m[i] + (1 - beta1) * g;
                    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
                    x[i] -= rate * (m[i] / (1 - pow(beta1, applied)) /
                                        (sqrt(v[i] / (1 - pow(beta2, applied))) + eps) +
                                    decay * x[i]);
                    ema[i] += ema_rate * (x[i] - ema[i]);
                }
                CHECK_CLOSE(after.grad_norm, norm, 1e-6 * norm);
            }
            CHECK(after.step == (uint32_t)t && after.applied == (uint32_t)applied);
            CHECK_OK(pyr_download_reals(k, got, o.value, 16));
            for (int i = 0; i < 3; i++)
                CHECK_CLOSE(got[i], x[i], tolerance * 3);
            for (int i = 3; i < 16; i++)
                CHECK(got[i] == 0);
            CHECK_OK(pyr_download_reals(k, got, o.ema, 3));
            for (int i = 0; i < 3; i++)
                CHECK_CLOSE(got[i], ema[i], tolerance * 3);
        }
        CHECK(applied == 10);
        pyr_optimizer_free(&o);
        pyr_optimizer_free(&o);
        pyr_params_free(&params);
        pyr_kernels_free(k);
    }
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static void rates(void)
{
    pyr_train_plan plan = {.steps = 1000, .learning_rate = 2, .rate = PYR_RATE_COSINE, .warmup = 100};

    CHECK_CLOSE(pyr_train_rate(&plan, 0), 2 * 0.01 * 1, 1e-12);
    CHECK_CLOSE(pyr_train_rate(&plan, 49), 2 * 0.5 * 0.5 * (1 + cos(M_PI * 0.049)), 1e-12);
    CHECK_CLOSE(pyr_train_rate(&plan, 250), 1 + sqrt(0.5), 1e-12);
    CHECK_CLOSE(pyr_train_rate(&plan, 500), 1, 1e-12);
    CHECK_CLOSE(pyr_train_rate(&plan, 1000), 0, 1e-12);
    CHECK(pyr_train_rate(&plan, 999) > 0);
    plan.rate = PYR_RATE_CONSTANT;
    CHECK_CLOSE(pyr_train_rate(&plan, 24), 0.5, 1e-12);
    CHECK_CLOSE(pyr_train_rate(&plan, 99), 2, 1e-12);
    CHECK_CLOSE(pyr_train_rate(&plan, 999), 2, 1e-12);
    plan.warmup = 0;
    CHECK_CLOSE(pyr_train_rate(&plan, 0), 2, 0);
    plan.steps = 1;
    plan.rate = PYR_RATE_COSINE;
    CHECK_CLOSE(pyr_train_rate(&plan, 0), 2, 0);
    CHECK_STRING(pyr_rate_names[PYR_RATE_COSINE], "cosine");
    CHECK_STRING(pyr_rate_names[PYR_RATE_CONSTANT], "constant");
}

/* value -> target, and notes on what was called. */
typedef struct toy {
    pyr_optimizer o;
    double target;
    int64_t steps[64], checkpoints[64], reports[64], snapshots[64];
    int n_steps, n_checkpoints, n_reports, n_snapshots;
    pyr_train_report last;
    int64_t bad_from, bad_to; /* steps with a loss of NaN */
    bool bad_gradient;        /* instead an infinite gradient */
    int64_t stop_at;          /* step in which a stop is requested; -1: none */
    bool stop;
    pyr_status fail_step, fail_checkpoint;
    const pyr_train_plan *plan; /* of the run at hand */
} toy;

static pyr_status toy_step(void *ctx, int64_t step, pyr_train_step *out)
{
    toy *t = ctx;
    double x[4], grad[4], loss = 0;
    bool bad = step >= t->bad_from && step < t->bad_to;

    t->steps[t->n_steps++] = step;
    if (t->fail_step)
        return pyr_fail(t->fail_step, "the step fails");
    PYR_TRY(pyr_download_reals(t->o.k, x, t->o.value, 4));
    for (int i = 0; i < 4; i++) {
        grad[i] = x[i] - t->target;
        loss += grad[i] * grad[i] / 2;
    }
    if (bad && t->bad_gradient)
        grad[2] = INFINITY;
    else if (bad)
        loss = NAN;
    if (step == t->stop_at)
        t->stop = true;
    PYR_TRY(pyr_upload_reals(t->o.k, t->o.grad, grad, 4));
    return pyr_train_update(out, &t->o, t->plan, step, loss);
}

static bool toy_should_stop(void *ctx)
{
    const toy *t = ctx;

    return t->stop;
}

static pyr_status toy_checkpoint(void *ctx, const pyr_train_state *state)
{
    toy *t = ctx;

    t->checkpoints[t->n_checkpoints++] = state->step;
    return t->fail_checkpoint ? pyr_fail(t->fail_checkpoint, "the disk is full") : PYR_OK;
}

static pyr_status toy_report(void *ctx, const pyr_train_report *report, bool brief)
{
    toy *t = ctx;

    if (brief)
        return PYR_OK;
    t->reports[t->n_reports++] = report->step;
    t->last = *report;
    return PYR_OK;
}

static pyr_status toy_snapshot(void *ctx, int64_t step)
{
    toy *t = ctx;

    t->snapshots[t->n_snapshots++] = step;
    return PYR_OK;
}

static const char *toy_explain(void *ctx, int64_t step)
{
    (void)ctx;
    return step >= 0 ? "the toy is broken" : "";
}

static const pyr_params *toy_params(void)
{
    static pyr_param at[1] = {{.name = "a", .rank = 1, .dims = {4}, .count = 4}};
    static const pyr_params params = {.at = at, .n = 1, .count = 16};

    return &params;
}

static toy toy_new(pyr_kernels *k)
{
    toy t = {.target = 3, .stop_at = -1};

    CHECK_OK(pyr_optimizer_new(&t.o, k, toy_params(), (pyr_adamw){0.9, 0.99, 1e-8, 0}));
    return t;
}

static pyr_status toy_run(toy *t, const pyr_train_plan *plan, pyr_train_state *state)
{
    t->plan = plan;
    return pyr_train_run(plan,
                         &(pyr_train_calls){.ctx = t,
                                            .step = toy_step,
                                            .checkpoint = toy_checkpoint,
                                            .report = toy_report,
                                            .snapshot = toy_snapshot,
                                            .explain = toy_explain,
                                            .should_stop = toy_should_stop},
                         state);
}

static bool are(const int64_t *got, int n, const int64_t *wanted, int m)
{
    bool same = n == m;

    for (int i = 0; i < n && same; i++)
        same = got[i] == wanted[i];
    for (int i = 0; i < n && !same; i++)
        printf("%s%lld%s", i ? " " : "got ", (long long)got[i], i == n - 1 ? "\n" : "");
    return same;
}
#define ARE(got, n, ...)                                                                                     \
    CHECK(are(got, n, (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8)))

static const pyr_train_plan toy_plan = {.batch = 10,
                                        .steps = 20,
                                        .learning_rate = 0.3,
                                        .rate = PYR_RATE_CONSTANT,
                                        .ema_window = 0.1,
                                        .checkpoint = 75,
                                        .report = 40,
                                        .snapshot = 100,
                                        .most_skipped = 3};

/* Cadence is in images: 10 a step. */
static void loop_cadence(void)
{
    pyr_kernels *k = NULL;
    pyr_train_state state = {0};
    pyr_train_plan plan = toy_plan;
    toy t;

    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    t = toy_new(k);
    CHECK_OK(toy_run(&t, &plan, &state));
    CHECK(state.step == 20 && state.skipped == 0 && t.n_steps == 20 && state.seconds >= 0);
    for (int i = 0; i < 20; i++)
        CHECK(t.steps[i] == i);
    /* the step in which another 75 images are full, and the end */
    ARE(t.checkpoints, t.n_checkpoints, 8, 15, 20);
    ARE(t.reports, t.n_reports, 4, 8, 12, 16, 20);
    ARE(t.snapshots, t.n_snapshots, 10, 20);
    CHECK(t.last.last && t.last.steps == 20 && t.last.loss < 18 && isfinite(t.last.grad_norm));
    CHECK_CLOSE(t.last.learning_rate, 0.3, 1e-6);
    /* finished: nothing more happens */
    CHECK_OK(toy_run(&t, &plan, &state));
    CHECK(t.n_steps == 20 && t.n_checkpoints == 3);
    /* from the middle; several periods within one step; nothing but the end */
    state = (pyr_train_state){.step = 17, .seconds = 100};
    t.n_checkpoints = t.n_reports = t.n_snapshots = t.n_steps = 0;
    plan.report = 3;
    plan.checkpoint = plan.snapshot = 0;
    CHECK_OK(toy_run(&t, &plan, &state));
    ARE(t.steps, t.n_steps, 17, 18, 19);
    ARE(t.reports, t.n_reports, 18, 19, 20);
    ARE(t.checkpoints, t.n_checkpoints, 20);
    ARE(t.snapshots, t.n_snapshots, 20);
    CHECK(state.seconds >= 100 && t.last.seconds >= 100);
    pyr_optimizer_free(&t.o);
    pyr_kernels_free(k);
}

/* ema <- m ema + (1 - m) value at every update, from the values at the beginning. */
static void ema_of_constant_momentum(void)
{
    pyr_kernels *k = NULL;
    pyr_train_state state = {0};
    pyr_train_plan plan = toy_plan;
    double m = 0.9, x[4], got[4], ema[4];
    toy t;

    plan.ema_momentum = m;
    plan.steps = 0;
    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    t = toy_new(k);
    CHECK_OK(pyr_download_reals(k, ema, t.o.ema, 4));
    for (int i = 1; i <= 20; i++) {
        plan.steps = i;
        CHECK_OK(toy_run(&t, &plan, &state));
        CHECK_OK(pyr_download_reals(k, x, t.o.value, 4));
        CHECK_OK(pyr_download_reals(k, got, t.o.ema, 4));
        for (int j = 0; j < 4; j++) {
            ema[j] = m * ema[j] + (1 - m) * x[j];
            CHECK_CLOSE(got[j], ema[j], 1e-5);
        }
    }
    CHECK(fabs(got[0] - x[0]) > 1e-3);
    pyr_optimizer_free(&t.o);
    pyr_kernels_free(k);
}

static void loop_skips_what_is_not_finite(void)
{
    for (int gradient = 0; gradient < 2; gradient++) {
        pyr_kernels *k = NULL;
        pyr_train_state state = {0};
        toy t;
        double x[4];

        CHECK_OK(pyr_kernels_open(&k, "ref", 1));
        t = toy_new(k);
        t.bad_gradient = gradient;
        t.bad_from = 4;
        t.bad_to = 6; /* two in a row, three are allowed */
        CHECK_OK(toy_run(&t, &toy_plan, &state));
        CHECK(state.step == 20 && state.skipped == 2 && t.n_steps == 20);
        CHECK(t.last.skipped == 2 && isfinite(t.last.loss));
        CHECK_OK(pyr_download_reals(k, x, t.o.value, 4));
        CHECK_CLOSE(x[0], 3, 1.5);
        CHECK(((pyr_step_state *)t.o.state)->applied == 18 && ((pyr_step_state *)t.o.state)->step == 20);

        state = (pyr_train_state){0};
        t.n_steps = t.n_checkpoints = t.n_reports = 0;
        t.bad_from = 10;
        t.bad_to = 20;
        CHECK_FAILS(toy_run(&t, &toy_plan, &state), PYR_E_NUMERIC, "3 steps in a row");
        CHECK(strstr(pyr_error(), "the toy is broken") && strstr(pyr_error(), "step 12"));
        ARE(t.checkpoints, t.n_checkpoints, 8); /* of before, and none since */
        CHECK(t.steps[t.n_steps - 1] == 12);
        pyr_optimizer_free(&t.o);
        pyr_kernels_free(k);
    }
}

static void loop_forwards_failures(void)
{
    pyr_kernels *k = NULL;
    pyr_train_state state = {0};
    toy t;

    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    t = toy_new(k);
    t.fail_checkpoint = PYR_E_IO;
    CHECK_FAILS(toy_run(&t, &toy_plan, &state), PYR_E_IO, "the disk is full");
    CHECK(t.n_steps == 8 && t.n_checkpoints == 1);
    t.fail_step = PYR_E_NOMEM;
    CHECK_FAILS(toy_run(&t, &toy_plan, &state), PYR_E_NOMEM, "the step fails");
    CHECK(t.n_steps == 9);
    pyr_optimizer_free(&t.o);
    pyr_kernels_free(k);
}

/* ---- steps whose results come later ---- */

typedef struct late {
    int64_t asked, read, ahead, most; /* most: steps that waited to be read */
    int64_t bad_from;                 /* from this step on nothing is finite */
    int reports, checkpoints, snapshots;
    double loss; /* of the last report */
    int64_t explained;
} late;

static pyr_status late_step(void *ctx, int64_t step, pyr_train_step *out)
{
    late *l = ctx;

    (void)out;
    CHECK(step == l->asked);
    l->asked++;
    if (l->asked - l->read > l->most)
        l->most = l->asked - l->read;
    return PYR_OK;
}

static pyr_status late_result(void *ctx, int64_t step, pyr_train_step *out)
{
    late *l = ctx;
    bool bad = step >= l->bad_from;

    CHECK(step == l->read && step < l->asked);
    l->read++;
    *out = (pyr_train_step){.loss = bad ? NAN : (double)step, .skipped = bad};
    return PYR_OK;
}

static pyr_status late_report(void *ctx, const pyr_train_report *report, bool brief)
{
    late *l = ctx;

    if (brief)
        return PYR_OK;
    CHECK(l->asked == l->read && report->step == l->asked);
    l->reports++;
    l->loss = report->loss;
    return PYR_OK;
}

static pyr_status late_checkpoint(void *ctx, const pyr_train_state *state)
{
    late *l = ctx;

    CHECK(l->asked == l->read && state->step == l->asked);
    l->checkpoints++;
    return PYR_OK;
}

static pyr_status late_snapshot(void *ctx, int64_t step)
{
    late *l = ctx;

    CHECK(l->asked == l->read && step == l->asked);
    l->snapshots++;
    return PYR_OK;
}

static const char *late_explain(void *ctx, int64_t step)
{
    late *l = ctx;

    l->explained = step;
    return "explained";
}

static pyr_train_calls late_calls(late *l, int ahead)
{
    *l = (late){.ahead = ahead, .bad_from = 1000};
    return (pyr_train_calls){.ctx = l,
                             .step = late_step,
                             .result = late_result,
                             .ahead = ahead,
                             .checkpoint = late_checkpoint,
                             .report = late_report,
                             .snapshot = late_snapshot,
                             .explain = late_explain};
}

/* All results are read before anybody looks, in order, and no more than so many are missing. */
static void loop_runs_ahead(void)
{
    static const int aheads[] = {0, 1, 3, 50};

    for (int i = 0; i < 4; i++) {
        int ahead = aheads[i];
        pyr_train_plan plan = toy_plan;
        pyr_train_state state = {0};
        late l;
        pyr_train_calls calls = late_calls(&l, ahead);
        double seconds = -1;

        plan.report = 70;
        plan.checkpoint = 90;
        plan.snapshot = 110;
        CHECK_OK(pyr_train_run(&plan, &calls, &state));
        CHECK(state.step == 20 && state.skipped == 0 && l.asked == 20 && l.read == 20);
        CHECK(l.reports == 3 && l.checkpoints == 3 && l.snapshots == 2);
        CHECK(l.loss == (14 + 19) / 2.0);             /* of the steps since the last report */
        CHECK(l.most == (ahead < 7 ? ahead + 1 : 7)); /* reports are 7 apart */

        calls = late_calls(&l, ahead);
        state = (pyr_train_state){0};
        plan.report = 0;
        l.bad_from = 10;
        CHECK_FAILS(pyr_train_run(&plan, &calls, &state), PYR_E_NUMERIC,
                    "3 steps in a row had a loss or gradient that is not finite, the last was step 12 ");
        CHECK(strstr(pyr_error(), "explained") && l.explained == 12 && l.read == 13 && state.skipped == 3);
        CHECK(l.checkpoints == 1); /* the one of before */

        calls = late_calls(&l, ahead);
        CHECK_OK(pyr_train_time(&calls, 0, &seconds));
        CHECK(seconds >= 0 && l.asked == l.read && l.asked == 5 + ahead);
    }
}

/* The last case: a request is never withdrawn. */
static void loop_stops_after_a_checkpoint(void)
{
    pyr_kernels *k = NULL;
    pyr_train_state state = {0};
    toy t;

    CHECK_OK(pyr_kernels_open(&k, "ref", 1));
    t = toy_new(k);
    t.stop_at = 9;
    CHECK_FAILS(toy_run(&t, &toy_plan, &state), PYR_E_STOPPED, "stopped after step 10 of 20");
    CHECK(t.stop);
    CHECK(state.step == 10 && t.n_steps == 10);
    ARE(t.checkpoints, t.n_checkpoints, 8, 10);
    CHECK(t.n_snapshots == 0); /* one was due, but stopping should be quick */
    t.n_checkpoints = 0;
    CHECK_FAILS(toy_run(&t, &toy_plan, &state), PYR_E_STOPPED, "stopped after step 11 of 20");
    ARE(t.snapshots, t.n_snapshots, 10); /* made up for */
    state.step = 19;
    CHECK_OK(toy_run(&t, &toy_plan, &state)); /* the last step is the end, asked to stop or not */
    ARE(t.snapshots, t.n_snapshots, 10, 20);
    ARE(t.checkpoints, t.n_checkpoints, 11, 20);
    pyr_optimizer_free(&t.o);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(gradients_mixed);
    RUN(gradients_shared);
    RUN(gradients_plain);
    RUN(shared_bytes_change_nothing);
    RUN(seeds_in_the_middle);
    RUN(only_what_is_wanted);
    RUN(lanes_do_not_matter);
    RUN(accumulators_add_up);
    RUN(parts_do_not_matter);
    RUN(operations_are_joined);
    RUN(cpu_joins);
    RUN(gradients_blocks);
    RUN(blocks_agree);
    RUN(recomputation);
    RUN(segments_share_values);
    RUN(inference_takes_little);
    RUN(results_lie_where_inputs_lay);
    RUN(kept_values_stay);
    RUN(two_graphs_share_a_block);
    RUN(initial_values);
    RUN(failures_are_told_by_the_plan);
    RUN(without_memory);
    RUN(steps_allocate_nothing);
    RUN(optimizer_by_hand);
    RUN(rates);
    RUN(loop_cadence);
    RUN(ema_of_constant_momentum);
    RUN(loop_skips_what_is_not_finite);
    RUN(loop_runs_ahead);
    RUN(loop_forwards_failures);
    RUN(loop_stops_after_a_checkpoint);
    return CHECK_DONE();
}
