#include "graph/train.h"

#include "base/clock.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const char *const pyr_rate_names[] = {"cosine", "constant", NULL};

/* ---- stopping ---- */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

void pyr_stop_on_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART; /* a checkpoint that is being written should not fail */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool pyr_stop_requested(void)
{
    return stop;
}

void pyr_stop_request(void)
{
    stop = 1;
}

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

pyr_status pyr_train_update(pyr_train_step *out, pyr_optimizer *optimizer, const pyr_train_plan *plan,
                            int64_t step, double loss)
{
    pyr_step_state after = {0};

    PYR_TRY(pyr_optimizer_step(optimizer,
                               &(pyr_update){.learning_rate = pyr_train_rate(plan, step),
                                             .ema_window = plan->ema_window,
                                             .clip = plan->clip,
                                             .loss = loss},
                               &after));
    *out = (pyr_train_step){.loss = loss,
                            .skipped = after.skip,
                            .grad_norm = (double)after.grad_norm,
                            .learning_rate = (double)after.learning_rate};
    return PYR_OK;
}

pyr_status pyr_train_run(const pyr_train_plan *plan, const pyr_train_calls *calls, pyr_train_state *state)
{
    window w = {0};
    int skipped_in_a_row = 0;
    double drawn = pyr_now();

    while (state->step < plan->steps) {
        pyr_train_step after = {0};
        double start = pyr_now(), seconds;
        bool last;

        PYR_TRY(calls->step(calls->ctx, state->step, &after));
        seconds = pyr_now() - start;
        w.seconds += seconds;
        state->seconds += seconds;
        if (after.skipped) {
            state->skipped++;
            if (++skipped_in_a_row >= plan->most_skipped)
                return pyr_fail(
                    PYR_E_NUMERIC,
                    "%d steps in a row had a loss or gradient that is not finite, the last was step "
                    "%lld (loss %g, gradient norm %g; %s); the last checkpoint is from before them. "
                    "A lower --lr or --clip 1 usually helps",
                    skipped_in_a_row, (long long)state->step, after.loss, after.grad_norm,
                    calls->explain ? calls->explain(calls->ctx, state->step) : "");
        } else {
            skipped_in_a_row = 0;
            w.loss += after.loss;
            w.steps++;
        }
        state->step++;
        last = state->step == plan->steps;
        if (last || due(plan->report, state->step, plan->batch) ||
            due(plan->evaluate, state->step, plan->batch)) {
            PYR_TRY(do_report(plan, calls, &w, state, &after, false));
            w = (window){0};
        } else if (pyr_now() - drawn > 0.2) {
            PYR_TRY(do_report(plan, calls, &w, state, &after, true));
            drawn = pyr_now();
        }
        if (last || stop || due(plan->checkpoint, state->step, plan->batch))
            PYR_TRY(calls->checkpoint(calls->ctx, state));
        if (calls->snapshot && (last || due(plan->snapshot, state->step, plan->batch)) && !stop)
            PYR_TRY(calls->snapshot(calls->ctx, state->step));
        if (stop && !last)
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
    double took[MOST], begin = pyr_now(), sum = 0;
    int n = 0, half;

    for (int i = 0; i < MOST && (i < LEAST + 1 || pyr_now() - begin < at_least_seconds); i++) {
        pyr_train_step unused;
        double start = pyr_now();

        PYR_TRY(calls->step(calls->ctx, i, &unused));
        if (i > 0) /* the first one warms up */
            took[n++] = pyr_now() - start;
    }
    qsort(took, (size_t)n, sizeof *took, compare_doubles);
    half = (n + 1) / 2;
    for (int i = 0; i < half; i++)
        sum += took[i];
    *seconds_per_step = sum / half;
    return PYR_OK;
}
