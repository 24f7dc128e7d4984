/* fit.c - the steps of fitting a network. */
#include "features/fit.h"

#include <math.h>

enum { MOST_MICRO = 16, MOST_SKIPPED = 5 };

int pyr_fit_micro(int batch)
{
    int micro = (batch + PYR_FIT_GROUPS - 1) / PYR_FIT_GROUPS;

    return micro < MOST_MICRO ? micro : MOST_MICRO;
}

int pyr_fit_places(int batch)
{
    int micro = pyr_fit_micro(batch);

    return (batch + micro - 1) / micro * micro;
}

static pyr_status step(void *ctx, int64_t number, pyr_train_step *out)
{
    (void)out; /* comes with the result */
    return pyr_batch_step_run(&((pyr_fit *)ctx)->step, number);
}

static pyr_status step_result(void *ctx, int64_t number, pyr_train_step *out)
{
    (void)number;
    return pyr_batch_step_result(&((pyr_fit *)ctx)->step, NULL, out);
}

static pyr_status report(void *ctx, const pyr_train_report *r, bool brief)
{
    const pyr_fit *fit = ctx;

    if (fit->on_report)
        fit->on_report(fit->report_ctx, r, brief);
    return PYR_OK;
}

static bool should_stop(void *ctx)
{
    const pyr_fit *fit = ctx;

    return fit->should_stop && fit->should_stop(fit->report_ctx);
}

static pyr_status initial_weights(pyr_fit *fit)
{
    pyr_optimizer_reset(&fit->optimizer);
    PYR_TRY(pyr_params_init(fit->params, fit->k, fit->optimizer.value, fit->seed, 0));
    pyr_optimizer_start_ema(&fit->optimizer);
    return PYR_OK;
}

static pyr_status count_steps(pyr_fit *fit)
{
    const pyr_duration *d = &fit->duration;
    double n = d->value / fit->batch, seconds;

    if (d->unit == PYR_DURATION_EPOCHS)
        n *= (double)fit->epoch;
    if (d->unit == PYR_DURATION_SECONDS) {
        PYR_TRY(pyr_batch_step_time(&fit->step, d->value / 30, &seconds));
        n = d->value / seconds;
    }
    n = ceil(n - 1e-9);
    if (!(n <= 1e9))
        return pyr_fail(PYR_E_ARG, "the duration means %.4g steps, at most 1e9 are possible", n);
    fit->steps = n < 1 ? 1 : (int64_t)n;
    return PYR_OK;
}

/* The loop over steps. */
static pyr_status run_steps(pyr_fit *fit)
{
    const pyr_train_calls calls = {.ctx = fit,
                                   .step = step,
                                   .result = step_result,
                                   .ahead = fit->k->backend->ahead,
                                   .report = report,
                                   .should_stop = should_stop};
    const int64_t images = fit->steps * fit->batch;
    pyr_status status;

    fit->learner.plan = (pyr_train_plan){.batch = fit->batch,
                                         .steps = fit->steps,
                                         .learning_rate = fit->learning_rate,
                                         .rate = PYR_RATE_COSINE,
                                         .warmup = fit->steps / 20 < 100 ? fit->steps / 20 : 100,
                                         .clip = 1,
                                         .report = images > 20 ? images / 20 : 1,
                                         .most_skipped = MOST_SKIPPED};
    status = pyr_train_run(&fit->learner.plan, &calls, &fit->state);
    if (status == PYR_E_STOPPED)
        return pyr_fail(PYR_E_STOPPED, "stopped after step %lld of %lld; %s was not written",
                        (long long)fit->state.step, (long long)fit->steps, fit->path);
    return status;
}

static pyr_status begin(pyr_fit *fit)
{
    const pyr_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01};

    PYR_TRY(pyr_optimizer_new(&fit->optimizer, fit->k, fit->params, adamw));
    fit->learner = (pyr_learner){.k = fit->k,
                                 .g = fit->g,
                                 .loss = fit->loss,
                                 .optimizer = &fit->optimizer,
                                 .batch = fit->batch,
                                 .micro_batch = pyr_fit_micro(fit->batch),
                                 .groups = PYR_FIT_GROUPS,
                                 .accumulators = PYR_FIT_GROUPS,
                                 .weight = 1,
                                 .load = fit->load,
                                 .ctx = fit->ctx};
    fit->step = (pyr_batch_step){.k = fit->k,
                                 .n = 1,
                                 .learner = {&fit->learner},
                                 .input_bytes = fit->input_bytes,
                                 .prepare = fit->prepare,
                                 .ctx = fit->ctx};
    PYR_TRY(pyr_learner_allocate(&fit->learner));
    return pyr_batch_step_new(&fit->step);
}

pyr_status pyr_fit_run(pyr_fit *fit)
{
    PYR_TRY(begin(fit));
    PYR_TRY(initial_weights(fit));
    PYR_TRY(count_steps(fit));
    PYR_TRY(initial_weights(fit)); /* again: measuring has moved them */
    return run_steps(fit);
}

void pyr_fit_free(pyr_fit *fit)
{
    pyr_batch_step_free(&fit->step);
    pyr_learner_free(&fit->learner);
    pyr_optimizer_free(&fit->optimizer);
}
