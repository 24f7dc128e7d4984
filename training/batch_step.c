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

/* Tasks in the order of the learners. */
static pyr_status learner_task(void *arg, int task, int lane)
{
    pyr_batch_step *s = arg;

    for (int i = 0; i < s->n; i++) {
        int groups = s->learner[i]->frozen ? 0 : s->learner[i]->groups;

        if (task < groups)
            return pyr_learner_group(s->learner[i], task, lane);
        task -= groups;
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
        tasks += s->learner[i]->groups;
    }
    if (s->group)
        return pyr_run_tasks(s->k, s->learner[0]->groups, s->group, s->ctx);
    return pyr_run_tasks(s->k, tasks, learner_task, s);
}

/* From there into the optimizers, with the mean losses: processes that each take a part of the batch would
 * sum gradients and losses at the end of this function. */
static pyr_status collect(pyr_batch_step *s)
{
    pyr_kernels *k = s->k;

    for (int i = 0; i < s->n; i++) {
        pyr_optimizer *o = s->learner[i]->optimizer;

        if (s->learner[i]->frozen)
            continue;
        if (!s->shared || i == 0)
            pyr_zero(k, o->grad, o->count * pyr_type_size(k->real));
        PYR_TRY(pyr_graph_collect(s->learner[i]->g, o->grad));
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
    return pyr_step_io_step(&s->io, enqueue, s);
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
