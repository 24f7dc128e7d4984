/* api_train.c - training a run, with what happens as events. */
#include "api/choices.h"
#include "api/handles.h"

#include "base/file.h"
#include "training/train_run.h"
#include <stddef.h>

typedef struct train_choice {
    pyr_machine_choice machine;
    int level;
    pyr_duration duration;
    const char *transfer;
    bool dry_run;
} train_choice;

#define AT(member) offsetof(train_choice, member)

static const pyr_setting rows[] = {
    PYR_MACHINE_ROWS,
    {"level", PYR_SETTING_INT, AT(level), -1, PYR_MAX_LEVELS - 1, "-1", NULL, NULL},
    {"duration", PYR_SETTING_DURATION, AT(duration), 0, 0, "0", NULL, NULL},
    {"transfer", PYR_SETTING_TEXT, AT(transfer), 0, 0, "", NULL, NULL},
    {"dry-run", PYR_SETTING_BOOL, AT(dry_run), 0, 0, "false", NULL, NULL},
};

static void report_data(void *ctx, const char *line)
{
    pyrdiff_event event = pyr_call_event(PYRDIFF_EVENT_DATA);

    event.text = line;
    pyr_call_report(ctx, &event);
}

static void report_level(void *ctx, const pyr_level_summary *level)
{
    const pyr_level_memory *m = &level->memory;
    pyrdiff_plan plan = {.level = level->facts.index,
                         .h = level->variable.h,
                         .w = level->variable.w,
                         .c = level->variable.c,
                         .conditioned = level->conditioned,
                         .resumed = level->resumed,
                         .batch = level->batch,
                         .groups = level->groups,
                         .micro_batch = m->micro_batch,
                         .threads = m->lanes,
                         .parameters = (int64_t)m->parameters,
                         .flop = m->flop,
                         .bytes = m->total,
                         .block_bytes = m->blocks,
                         .activation_bytes = m->activations,
                         .accumulator_bytes = m->accumulators,
                         .feed_bytes = m->feed,
                         .held_out_bytes = m->held_out,
                         .library_bytes = m->library};
    pyrdiff_event event = pyr_call_event(PYRDIFF_EVENT_LEVEL);

    event.level = plan.level;
    event.plan = &plan;
    pyr_call_report(ctx, &event);
}

static void report_step(void *ctx, const pyr_level_report *r)
{
    pyrdiff_event event = pyr_call_event(PYRDIFF_EVENT_STEP);

    event.level = r->level;
    event.done = r->train.step;
    event.total = r->train.steps;
    event.seconds = r->train.seconds;
    event.images_per_s = r->train.images_per_s;
    event.loss = r->train.loss;
    event.mfu = r->mfu;
    event.skipped = r->train.skipped;
    event.brief = r->brief;
    event.part = r->part;
    if (r->held_out.images) {
        event.held_out = r->held_out.ema;
        event.held_out_weights = r->held_out.raw;
    }
    pyr_call_report(ctx, &event);
}

static pyr_status train(const char *run, pyrdiff_settings *settings, pyrdiff_data *data,
                        const char *const *options, pyr_call *call)
{
    pyr_dataset *own = NULL;
    pyr_kernels *k = NULL;
    train_choice choice = {0};
    pyr_train_job job;
    pyr_status status;

    PYR_TRY(pyr_choices_read(&choice, rows, sizeof rows / sizeof *rows, options));
    if (data && !data->set)
        return pyr_fail(PYR_E_ARG, "a run is trained on a data set, not on pictures");
    if (!run && !choice.dry_run)
        return pyr_fail(PYR_E_ARG, "run is NULL: it should be the folder of the run");
    if (choice.dry_run)
        pyr_cache_keep(false);
    if (data)
        PYR_TRY_OUT(pyr_settings_fit(settings, data->set, call));
    else
        PYR_TRY_OUT(pyr_settings_data(&own, settings, call));
    PYR_TRY_OUT(pyr_choices_open(&k, call, &choice.machine, true));
    job = (pyr_train_job){.k = k,
                          .run = run ? run : "",
                          .transfer = pyr_given(choice.transfer),
                          .settings = settings->at,
                          .data = data ? data->set : own,
                          .level = choice.level,
                          .on_data = report_data,
                          .on_note = pyr_call_note,
                          .on_level = report_level,
                          .on_report = report_step,
                          .should_stop = pyr_should_stop,
                          .ctx = call};
    if (pyr_choice_given(options, "duration")) {
        job.duration = &choice.duration;
        if (choice.level < 0)
            PYR_TRY_OUT(pyr_fail(
                PYR_E_ARG,
                "--duration is that of one --level: of all levels together it is the setting train.duration"));
    }
    status = choice.dry_run ? pyr_train_dry(&job) : pyr_train(&job);
out:
    pyr_kernels_free(k);
    pyr_dataset_free(own);
    return status;
}

int pyrdiff_train(const char *run, pyrdiff_settings *settings, pyrdiff_data *data, const char *const *options,
                  pyrdiff_callback callback, void *ctx)
{
    pyr_call call;
    bool keeps = pyr_cache_keeps();
    pyr_status status;

    pyr_call_begin(&call, callback, ctx);
    status = train(run, settings, data, options, &call);
    pyr_cache_keep(keeps);
    return pyr_call_end(&call, status);
}
