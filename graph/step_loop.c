/* step_loop.c - the loop over steps: rates, cadences, stops, skipped steps, timing. */
#include "graph/step_loop.h"

#include "base/clock.h"
#include <math.h>
#include <stdlib.h>

const char *const pyr_rate_names[] = {"cosine", "constant", NULL};

/* ---- the loop ---- */

double pyr_train_done(const pyr_train_plan *plan, int64_t step)
{
    const pyr_train_bend *bend = &plan->bend;
    int64_t rest = plan->steps - bend->step;

    return bend->done + (1 - bend->done) * ((double)(step - bend->step) / (double)(rest > 1 ? rest : 1));
}

double pyr_train_rate(const pyr_train_plan *plan, int64_t step)
{
    double warm = step < plan->warmup ? (double)(step + 1) / (double)plan->warmup : 1;
    double done = pyr_train_done(plan, step);

    if (plan->rate == PYR_RATE_COSINE)
        warm *= 0.5 * (1 + cos(3.14159265358979323846 * done));
    return plan->learning_rate * warm;
}

/* Whether step `step` (counted from 1) is the one in which another `every` images are full. */
static bool due(int64_t every, int64_t step, int batch)
{
    return every > 0 && step * batch / every != (step - 1) * batch / every;
}

/* Time spent in steps, without reports, checkpoints and snapshots. */
typedef struct window {
    double seconds, loss;
    int64_t steps;
} window;

static pyr_status do_report(const pyr_train_plan *plan, const pyr_train_calls *calls, const window *w,
                            const pyr_train_state *state, const pyr_train_step *step, bool brief)
{
    bool last = state->step == plan->steps;
    pyr_train_report report = {
        .step = state->step,
        .steps = plan->steps,
        .skipped = state->skipped,
        .loss = w->steps ? w->loss / (double)w->steps : NAN,
        .grad_norm = step->grad_norm,
        .learning_rate = step->learning_rate,
        .images_per_s = w->seconds > 0 ? (double)(w->steps * plan->batch) / w->seconds : 0,
        .seconds = state->seconds,
        .evaluate = !brief && plan->evaluate > 0 && (last || due(plan->evaluate, state->step, plan->batch)),
        .last = last};

    return calls->report ? calls->report(calls->ctx, &report, brief) : PYR_OK;
}

/* A constant momentum m is a window of 1/(1 - m) updates, which is that part of the step + 1 so far. */
pyr_step_input pyr_train_input(const pyr_train_plan *plan, int64_t step)
{
    double part =
        plan->ema_momentum > 0 ? 1 / ((1 - plan->ema_momentum) * (double)(step + 1)) : plan->ema_window;

    return (pyr_step_input){.learning_rate = (float)pyr_train_rate(plan, step),
                            .ema_window = (float)part,
                            .clip = (float)plan->clip};
}

pyr_train_step pyr_train_outcome(const pyr_step_state *after)
{
    return (pyr_train_step){.loss = (double)after->loss,
                            .skipped = after->skip,
                            .grad_norm = (double)after->grad_norm,
                            .learning_rate = (double)after->learning_rate};
}

pyr_status pyr_train_update(pyr_train_step *out, pyr_optimizer *optimizer, const pyr_train_plan *plan,
                            int64_t step, double loss)
{
    pyr_step_input input = pyr_train_input(plan, step);
    pyr_step_state after = {0};

    PYR_TRY(pyr_optimizer_step(optimizer, &input, loss, &after));
    *out = pyr_train_outcome(&after);
    out->loss = loss;
    return PYR_OK;
}

/* A run at work. */
typedef struct loop {
    const pyr_train_plan *plan;
    const pyr_train_calls *calls;
    pyr_train_state *state;
    window w;
    int64_t read; /* steps whose results are known */
    int skipped_in_a_row;
    pyr_train_step last; /* of the steps read */
} loop;

/* What came of the step l->read. */
static pyr_status take(loop *l, const pyr_train_step *after)
{
    const pyr_train_calls *calls = l->calls;
    int64_t step = l->read++;

    l->last = *after;
    if (!after->skipped) {
        l->skipped_in_a_row = 0;
        l->w.loss += after->loss;
        l->w.steps++;
        return PYR_OK;
    }
    l->state->skipped++;
    if (++l->skipped_in_a_row < l->plan->most_skipped)
        return PYR_OK;
    return pyr_fail(PYR_E_NUMERIC,
                    "%d steps in a row had a loss or gradient that is not finite, the last was step %lld "
                    "(loss %g, gradient norm %g; %s); the last checkpoint is from before them. A lower --lr "
                    "or --clip 1 usually helps",
                    l->skipped_in_a_row, (long long)step, after->loss, after->grad_norm,
                    calls->explain ? calls->explain(calls->ctx, step) : "");
}

/* Read results until those of at most `behind` steps are left. */
static pyr_status catch_up(loop *l, int64_t behind)
{
    pyr_train_step after = {0};

    while (l->read < l->state->step - behind) {
        PYR_TRY(l->calls->result(l->calls->ctx, l->read, &after));
        PYR_TRY(take(l, &after));
    }
    return PYR_OK;
}

/* The next step, and the results that must be read for it. */
static pyr_status do_step(loop *l)
{
    pyr_train_step after = {0};
    int64_t step = l->state->step;

    PYR_TRY(l->calls->step(l->calls->ctx, step, &after));
    l->state->step++;
    return l->calls->result ? catch_up(l, l->calls->ahead) : take(l, &after);
}

/* Wait for all steps so far. */
static pyr_status settle(loop *l)
{
    double start = pyr_now(), seconds;

    PYR_TRY(catch_up(l, 0));
    seconds = pyr_now() - start;
    l->w.seconds += seconds;
    l->state->seconds += seconds;
    return PYR_OK;
}

pyr_status pyr_train_run(const pyr_train_plan *plan, const pyr_train_calls *calls, pyr_train_state *state)
{
    loop l = {.plan = plan, .calls = calls, .state = state, .read = state->step};
    double drawn = pyr_now();

    /* A stop, or a kill after the checkpoint, has left it out. */
    if (calls->snapshot && state->step > 0 && state->step < plan->steps &&
        due(plan->snapshot, state->step, plan->batch))
        PYR_TRY(calls->snapshot(calls->ctx, state->step));
    while (state->step < plan->steps) {
        double start = pyr_now(), seconds;
        bool last, save, draw, stopping;

        PYR_TRY(do_step(&l));
        seconds = pyr_now() - start;
        l.w.seconds += seconds;
        state->seconds += seconds;
        last = state->step == plan->steps;
        if (last || due(plan->report, state->step, plan->batch) ||
            due(plan->evaluate, state->step, plan->batch)) {
            PYR_TRY(settle(&l));
            PYR_TRY(do_report(plan, calls, &l.w, state, &l.last, false));
            l.w = (window){0};
        } else if (pyr_now() - drawn > 0.2) {
            PYR_TRY(do_report(plan, calls, &l.w, state, &l.last, true));
            drawn = pyr_now();
        }
        /* once: a stop brings a checkpoint */
        stopping = calls->should_stop && calls->should_stop(calls->ctx);
        save = last || stopping || due(plan->checkpoint, state->step, plan->batch);
        draw = calls->snapshot && !last && !stopping && due(plan->snapshot, state->step, plan->batch);
        if (save || draw)
            PYR_TRY(settle(&l));
        if (last && calls->snapshot) /* first: a run that has its last checkpoint is not begun again */
            PYR_TRY(calls->snapshot(calls->ctx, state->step));
        if (save && calls->checkpoint)
            PYR_TRY(calls->checkpoint(calls->ctx, state));
        if (draw)
            PYR_TRY(calls->snapshot(calls->ctx, state->step));
        if (stopping && !last)
            return pyr_fail(PYR_E_STOPPED, "stopped after step %lld of %lld; a checkpoint is written",
                            (long long)state->step, (long long)plan->steps);
    }
    return PYR_OK;
}

/* ---- timing ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

pyr_status pyr_train_time(const pyr_train_calls *calls, double at_least_seconds, double *seconds_per_step)
{
    enum { MOST = 200, LEAST = 4 };
    int64_t ahead = calls->result ? calls->ahead : 0, begun = 0;
    double took[MOST], begin = pyr_now(), sum = 0, before = begin;
    int n = 0, half;

    /* From one step's results to the next one's, while as many steps are under way as in a run. */
    for (int64_t read = 0;; read++) {
        bool more = read <= LEAST || (n < MOST && pyr_now() - begin < at_least_seconds);
        pyr_train_step unused;
        double now;

        while (more && begun <= read + ahead)
            PYR_TRY(calls->step(calls->ctx, begun++, &unused));
        if (read == begun)
            break;
        if (calls->result)
            PYR_TRY(calls->result(calls->ctx, read, &unused));
        now = pyr_now();
        if (read > 0 && more) /* the first one warms up; the last ones have none behind them */
            took[n++] = now - before;
        before = now;
    }
    qsort(took, (size_t)n, sizeof *took, compare_doubles);
    half = (n + 1) / 2;
    for (int i = 0; i < half; i++)
        sum += took[i];
    *seconds_per_step = sum / half;
    return PYR_OK;
}
