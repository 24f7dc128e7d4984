/* batch_step.c - the step of a set of networks: inputs, gradients, updates, results. */
#include "training/batch_step.h"

#include "base/mem.h"
#include <math.h>

/* Learners that share an optimizer have the first one's. */
static int optimizers(const pyr_batch_step *s)
{
    return s->shared ? 1 : s->n;
}

static size_t loss_bytes(const pyr_batch_step *s)
{
    return s->shared ? (size_t)s->n * sizeof *s->loss : 0;
}

pyr_status pyr_batch_step_new(pyr_batch_step *s)
{
    size_t inputs_at = pyr_aligned((size_t)s->n * sizeof(pyr_step_input));
    pyr_step_output output[PYR_MOST_OUTPUTS];
    int n = 0;

    s->computed = -1;
    if (s->shared) {
        PYR_TRY(pyr_alloc(s->k, (void **)&s->loss, loss_bytes(s), "losses"));
        output[n++] = (pyr_step_output){s->loss, loss_bytes(s)};
    }
    for (int i = 0; i < optimizers(s); i++)
        output[n++] = (pyr_step_output){s->learner[i]->optimizer->state, sizeof(pyr_step_state)};
    PYR_TRY(pyr_step_io_new(&s->io, s->k, inputs_at + s->input_bytes, output, n));
    s->inputs = (char *)s->io.device + inputs_at;
    return PYR_OK;
}

void pyr_batch_step_free(pyr_batch_step *s)
{
    if (!s->k)
        return;
    pyr_step_io_free(&s->io);
    pyr_release(s->k, s->loss);
    *s = (pyr_batch_step){0};
}

size_t pyr_batch_step_bytes(const pyr_batch_step *s)
{
    return pyr_step_io_bytes(&s->io);
}

static pyr_status prepare(pyr_batch_step *s, int64_t number)
{
    void *host;

    PYR_TRY(pyr_step_io_next(&s->io, &host));
    for (int i = 0; i < s->n; i++)
        ((pyr_step_input *)host)[i] = pyr_train_input(&s->learner[i]->plan, number);
    s->computed = number;
    return s->prepare(s->ctx, number, (char *)host + (s->inputs - (char *)s->io.device));
}

/* ---- the backend's part ------------------------------------------------------------------------- */

/* Learners i .. end - 1 compute pieces together: one, or all. */
static int end_of(const pyr_batch_step *s, int i)
{
    return s->piece ? s->n : i + 1;
}

static void clear(pyr_batch_step *s, int i, int accumulator)
{
    for (int end = end_of(s, i); i < end; i++)
        pyr_graph_clear(s->learner[i]->g, accumulator);
}

static pyr_status run_piece(pyr_batch_step *s, int i, int first, int lane, int accumulator)
{
    if (s->piece)
        return s->piece(s->ctx, first, lane, accumulator);
    return pyr_learner_piece(s->learner[i], first, lane, accumulator);
}

/* Pieces of a group, one after the other. */
static pyr_status group_task(pyr_batch_step *s, int i, int group, int lane)
{
    const pyr_learner *l = s->learner[i];

    clear(s, i, group);
    for (int first = group * l->micro_batch; first < l->batch; first += l->groups * l->micro_batch)
        PYR_TRY(run_piece(s, i, first, lane, group));
    return PYR_OK;
}

static void add_accumulators(pyr_batch_step *s, int i, int to, int from)
{
    for (int end = end_of(s, i); i < end; i++)
        for (int slice = 0; slice < pyr_graph_slices(s->learner[i]->g); slice++)
            pyr_graph_add(s->learner[i]->g, to, from, slice);
}

/* A piece, and what must be added before there is a buffer for it. */
static pyr_status tree_task(pyr_batch_step *s, int i, int lane)
{
    const pyr_learner *l = s->learner[i];
    pyr_status status;
    pyr_sum_job job;

    while (pyr_sum_tree_take(l->tree, lane, &job)) {
        if (job.piece < 0) {
            add_accumulators(s, i, job.to, job.from);
            pyr_sum_tree_done(l->tree, &job);
            continue;
        }
        clear(s, i, job.to);
        status = run_piece(s, i, job.piece * l->micro_batch, lane, job.to);
        if (status == PYR_OK)
            pyr_sum_tree_done(l->tree, &job);
        else
            pyr_sum_tree_fail(l->tree);
        return status;
    }
    return PYR_OK;
}

static int tasks_of(const pyr_learner *l)
{
    return l->frozen ? 0 : l->tree ? pyr_learner_pieces(l) : l->groups;
}

/* Tasks in the order of the learners. */
static pyr_status learner_task(void *arg, int task, int lane)
{
    pyr_batch_step *s = arg;

    for (int i = 0; i < s->n; i = end_of(s, i)) {
        int tasks = tasks_of(s->learner[i]);

        if (task < tasks)
            return s->learner[i]->tree ? tree_task(s, i, lane) : group_task(s, i, task, lane);
        task -= tasks;
    }
    return PYR_OK;
}

/* The gradients of all learners into their accumulators. */
static pyr_status accumulate(pyr_batch_step *s)
{
    int tasks = 0;

    if (s->begin)
        PYR_TRY(s->begin(s->ctx));
    for (int i = 0; i < s->n; i++) {
        if (s->learner[i]->frozen)
            continue;
        PYR_TRY(pyr_graph_pack(s->learner[i]->g, s->learner[i]->optimizer->value));
        if (s->learner[i]->tree)
            pyr_sum_tree_begin(s->learner[i]->tree);
    }
    for (int i = 0; i < s->n; i = end_of(s, i))
        tasks += tasks_of(s->learner[i]);
    return pyr_run_tasks(s->k, tasks, learner_task, s);
}

/* What is left of a learner's tree, and its gradient's place, which is to be zero; in slices. */
typedef struct rest {
    pyr_learner *l;
    const pyr_sum_pair *pairs;
    int n, adding; /* tasks that add; zeros are behind */
} rest;

enum { ZEROS = 1 << 20 }; /* bytes at a time */

static int zero_tasks(const pyr_optimizer *o)
{
    return (int)((o->count * pyr_type_size(o->k->real) + ZEROS - 1) / ZEROS);
}

static pyr_status rest_task(void *arg, int task, int lane)
{
    const rest *r = arg;
    const pyr_optimizer *o = r->l->optimizer;
    size_t at, bytes = o->count * pyr_type_size(o->k->real);

    (void)lane;
    for (int i = 0; i < r->n && task < r->adding; i++)
        pyr_graph_add(r->l->g, r->pairs[i].to, r->pairs[i].from, task);
    if (task < r->adding)
        return PYR_OK;
    at = (size_t)(task - r->adding) * ZEROS;
    pyr_zero(o->k, (char *)o->grad + at, bytes - at < ZEROS ? bytes - at : ZEROS);
    return PYR_OK;
}

/* One sum is left in the accumulators of a learner. `root`: whose tree it is. */
static pyr_status add_rest(pyr_batch_step *s, pyr_learner *l, const pyr_learner *root, int pairs, int sum,
                           bool zero)
{
    rest r = {l, root->pairs, pairs, pairs ? pyr_graph_slices(l->g) : 0};

    PYR_TRY(pyr_run_tasks(s->k, r.adding + (zero ? zero_tasks(l->optimizer) : 0), rest_task, &r));
    for (int i = 0; i < l->accumulators; i++)
        if (i != sum)
            pyr_graph_clear(l->g, i);
    return PYR_OK;
}

/* From there into the optimizers, with the mean losses: processes that each take a part of the batch would
 * sum gradients and losses at the end of this function. */
static pyr_status collect(pyr_batch_step *s)
{
    pyr_kernels *k = s->k;
    int pairs = 0, sum = 0;

    for (int i = 0; i < s->n; i++) {
        pyr_learner *l = s->learner[i], *root = s->piece ? s->learner[0] : l;
        bool first = !s->shared || i == 0;

        if (l->frozen)
            continue;
        if (l->tree && (!s->piece || i == 0))
            pairs = pyr_sum_tree_rest(l->tree, l->pairs, &sum);
        if (l->tree)
            PYR_TRY(add_rest(s, l, root, pairs, sum, first));
        else if (first)
            pyr_zero(k, l->optimizer->grad, l->optimizer->count * pyr_type_size(k->real));
        PYR_TRY(pyr_graph_collect(l->g, l->optimizer->grad));
    }
    for (int i = 0; i < s->n; i++) {
        const pyr_learner *l = s->learner[i];
        size_t batch = (size_t)l->batch;

        if (l->frozen)
            continue;
        if (s->shared)
            PYR_TRY(k->backend->mean(k, &s->loss[i], l->losses, batch, 1, false));
        PYR_TRY(k->backend->mean(k, &l->optimizer->state->loss, l->losses, batch, s->shared ? l->weight : 1,
                                 s->shared && i > 0));
    }
    return PYR_OK;
}

/* Norms, which decide on clipping and on leaving the step out (here processes would agree), and updates, in
 * the order of the learners. */
static pyr_status update(pyr_batch_step *s)
{
    pyr_optimizer *at[PYR_MOST_LEARNERS];
    pyr_step_state *states[PYR_MOST_LEARNERS];
    int n = 0;

    for (int i = 0; i < optimizers(s); i++) {
        if (s->learner[i]->frozen)
            continue;
        at[n] = s->learner[i]->optimizer;
        pyr_optimizer_set_input(at[n], (const pyr_step_input *)s->io.device + i);
        PYR_TRY(pyr_optimizer_norm(at[n]));
        states[n] = at[n]->state;
        n++;
    }
    if (s->join_norms)
        PYR_TRY(s->k->backend->join_norms(s->k, states, n));
    for (int i = 0; i < n; i++)
        PYR_TRY(pyr_optimizer_apply(at[i]));
    return PYR_OK;
}

static pyr_status enqueue(void *arg)
{
    PYR_TRY(accumulate(arg));
    PYR_TRY(collect(arg));
    return update(arg);
}

pyr_status pyr_batch_step_run(pyr_batch_step *s, int64_t number)
{
    PYR_TRY(prepare(s, number));
    PYR_TRY(pyr_step_io_step(&s->io, enqueue, s));
    for (int i = 0; i < optimizers(s); i++)
        if (!s->learner[i]->frozen)
            PYR_TRY(pyr_optimizer_average(s->learner[i]->optimizer, number + 1));
    return PYR_OK;
}

pyr_status pyr_batch_step_gradient(pyr_batch_step *s, int64_t number)
{
    PYR_TRY(prepare(s, number));
    PYR_TRY(pyr_step_io_send(&s->io));
    PYR_TRY(accumulate(s));
    return collect(s);
}

/* ---- what came of it ---------------------------------------------------------------------------- */

pyr_status pyr_batch_step_result(pyr_batch_step *s, pyr_train_step *each, pyr_train_step *all)
{
    const void *results;
    const pyr_step_state *state;
    double squares = 0;

    PYR_TRY(pyr_step_io_result(&s->io, &results));
    state = (const void *)((const char *)results + loss_bytes(s));
    *all = (pyr_train_step){0};
    for (int i = 0; i < s->n; i++) {
        pyr_train_step own = pyr_train_outcome(&state[s->shared ? 0 : i]);

        if (s->learner[i]->frozen)
            continue;
        if (s->shared)
            own.loss = (double)((const float *)results)[i];
        if (each)
            each[i] = own;
        all->loss += s->learner[i]->weight * own.loss;
        all->skipped |= own.skipped;
        all->learning_rate = fmax(all->learning_rate, own.learning_rate);
        if (!s->shared || i == 0)
            squares += own.grad_norm * own.grad_norm;
    }
    all->grad_norm = sqrt(squares);
    return PYR_OK;
}

/* ---- timing ------------------------------------------------------------------------------------- */

static pyr_status timed_step(void *ctx, int64_t number, pyr_train_step *out)
{
    (void)out;
    return pyr_batch_step_run(ctx, number);
}

static pyr_status timed_result(void *ctx, int64_t number, pyr_train_step *out)
{
    (void)number;
    return pyr_batch_step_result(ctx, NULL, out);
}

pyr_status pyr_batch_step_time(pyr_batch_step *s, double at_least_seconds, double *seconds_per_step)
{
    for (int i = 0; i < s->n; i++)
        s->learner[i]->plan = (pyr_train_plan){.ema_window = 1}; /* a rate of 0 */
    return pyr_train_time(
        &(pyr_train_calls){
            .ctx = s, .step = timed_step, .result = timed_result, .ahead = s->k->backend->ahead},
        at_least_seconds, seconds_per_step);
}
