#include "training/level_train.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "graph/step_io.h"
#include "images/order.h"
#include "levels/gaussian.h"
#include "network/unet.h"
#include "network/unet_file.h"
#include "training/level_log.h"
#include "training/micro_batch.h"
#include "training/snapshot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SKIPPED = 5 };

/* A network alone, out of one that shares its trunk: weights for files, held-out loss and snapshots. */
typedef struct alone {
    pyr_params params;
    void *raw, *ema; /* blocks */
} alone;

struct pyr_level_trainer {
    pyr_level_job job;
    pyr_level_part part; /* of a cascade */
    pyr_level level;
    pyr_class_list classes;
    pyr_feed feed;
    pyr_params own_params, *params; /* of the graph: its own, or the cascade's */
    pyr_optimizer own_optimizer, *optimizer;
    alone alone;
    pyr_loss loss;
    pyr_progress progress;
    pyr_train_plan plan;
    bool resumed;
    int micro_batch;
    const void *variable, *condition; /* of the whole batch, when a cascade has made its pyramid; borrowed */
    const void *draws;                /* of the whole batch, by micro-batches; borrowed */
    void *losses;                     /* [batch], of the current step; backend memory, as seeds */
    void *seeds;                      /* [micro batch]: d mean / d loss of an image */
    double *host_losses;              /* [batch] */
    int64_t *index;                   /* [batch], as flip and labels */
    bool *flip;
    int32_t *labels;
    pyr_step_io io; /* of a step by itself: told, images, draws; back: the optimizer's state */
    size_t images_at, draws_at;
    int64_t picked, computed; /* the steps whose images are named, whose losses are kept; -1: none */
    FILE *log;
    char explanation[160];
};

/* ---- one step ---------------------------------------------------------------------------------- */

static bool flipped(const pyr_level_trainer *t, int64_t step, int i)
{
    /* the same on every level: level 0's stream */
    return t->job.xflip &&
           pyr_philox(t->job.seed, 0, (uint32_t)i, (uint32_t)step, pyr_rng_purpose(PYR_RNG_FLIP, 0)).v[0] & 1;
}

pyr_pick pyr_level_trainer_pick(pyr_level_trainer *t, int64_t step)
{
    const pyr_dataset *data = t->job.data;
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_TRAIN);
    int64_t count = pyr_dataset_count(data, PYR_SPLIT_TRAIN);
    int batch = t->level.settings.batch;

    for (int i = 0; i < batch && t->picked != step; i++) {
        int64_t at = pyr_order(t->job.seed, step * batch + i, count);
        int64_t next = pyr_order(t->job.seed, (step + 1) * batch + i, count);

        pyr_dataset_expect(data, PYR_SPLIT_TRAIN, &next, 1);
        t->index[i] = at;
        t->flip[i] = flipped(t, step, i);
        t->labels[i] = labels ? labels[at] : 0;
    }
    t->picked = step;
    return (pyr_pick){.split = PYR_SPLIT_TRAIN,
                      .n = batch,
                      .index = t->index,
                      .flip = t->flip,
                      .seed = t->job.seed,
                      .step = (uint32_t)step};
}

static int pieces_of(const pyr_level_trainer *t)
{
    return (t->level.settings.batch + t->micro_batch - 1) / t->micro_batch;
}

size_t pyr_level_trainer_draw_bytes(const pyr_level_trainer *t)
{
    return (size_t)pieces_of(t) * t->loss.draw_bytes;
}

void pyr_level_trainer_prepare(pyr_level_trainer *t, int64_t step, void *host)
{
    bool labelled = t->level.facts.classes && pyr_dataset_labels(t->job.data, PYR_SPLIT_TRAIN);
    int batch = t->level.settings.batch;

    if (labelled)
        pyr_level_trainer_pick(t, step);
    for (int piece = 0; piece < pieces_of(t); piece++) {
        int first = piece * t->micro_batch, rest = batch - first;

        pyr_loss_prepare(&t->loss,
                         &(pyr_draw){.seed = t->job.seed,
                                     .step = (uint32_t)step,
                                     .first = first,
                                     .n = rest < t->micro_batch ? rest : t->micro_batch,
                                     .batch = batch,
                                     .labels = labelled ? t->labels + first : NULL},
                         (char *)host + (size_t)piece * t->loss.draw_bytes);
    }
}

/* Out of the batch's pyramid. */
static void copy_images(pyr_level_trainer *t, int lane, int first, int n)
{
    pyr_kernels *k = t->job.k;
    size_t real = pyr_type_size(k->real), variable = pyr_count(t->level.variable) * real,
           condition = pyr_count(t->level.condition) * real;

    k->copy(k, pyr_graph_data(t->loss.g, lane, t->loss.variable),
            (const char *)t->variable + (size_t)first * variable, (size_t)n * variable);
    if (t->loss.condition >= 0)
        k->copy(k, pyr_graph_data(t->loss.g, lane, t->loss.condition),
                (const char *)t->condition + (size_t)first * condition, (size_t)n * condition);
}

void pyr_level_trainer_load(pyr_level_trainer *t, int lane, int first, int n)
{
    const pyr_loss *loss = &t->loss;

    if (t->variable)
        copy_images(t, lane, first, n);
    else
        pyr_feed_level_of(
            &t->feed, lane,
            &(pyr_piece){(char *)t->io.device + t->images_at, t->level.settings.batch, first, n},
            t->level.facts.index, pyr_graph_data(loss->g, lane, loss->variable),
            loss->condition >= 0 ? pyr_graph_data(loss->g, lane, loss->condition) : NULL);
    pyr_loss_take(&t->loss, lane,
                  (const char *)t->draws + (size_t)(first / t->micro_batch) * loss->draw_bytes, n);
}

pyr_status pyr_level_trainer_forward(pyr_level_trainer *t, int lane, int first, int n)
{
    pyr_kernels *k = t->job.k;
    size_t real = pyr_type_size(k->real);

    PYR_TRY(pyr_graph_forward(t->loss.g, lane));
    k->copy(k, (char *)t->losses + (size_t)first * real, pyr_graph_data(t->loss.g, lane, t->loss.loss),
            (size_t)n * real);
    return PYR_OK;
}

pyr_status pyr_level_trainer_backward(pyr_level_trainer *t, int lane, int group)
{
    pyr_kernels *k = t->job.k;

    k->copy(k, pyr_graph_gradient(t->loss.g, lane, t->loss.loss), t->seeds,
            (size_t)t->micro_batch * pyr_type_size(k->real));
    return pyr_graph_backward(t->loss.g, lane, group);
}

/* One accumulator's share of the batch: micro-batches group, group + groups, …, in this order, on whichever
 * lane. */
pyr_status pyr_level_trainer_group(pyr_level_trainer *t, int group, int lane)
{
    int batch = t->level.settings.batch, groups = t->level.settings.groups;

    pyr_graph_clear(t->loss.g, group);
    for (int first = group * t->micro_batch; first < batch; first += groups * t->micro_batch) {
        int n = batch - first < t->micro_batch ? batch - first : t->micro_batch;

        pyr_level_trainer_load(t, lane, first, n);
        PYR_TRY(pyr_level_trainer_forward(t, lane, first, n));
        PYR_TRY(pyr_level_trainer_backward(t, lane, group));
    }
    return PYR_OK;
}

const void *pyr_level_trainer_losses(const pyr_level_trainer *t)
{
    return t->losses;
}

static pyr_status download_losses(pyr_level_trainer *t)
{
    return pyr_download_reals(t->job.k, t->host_losses, t->losses, (size_t)t->level.settings.batch);
}

pyr_status pyr_level_trainer_loss(pyr_level_trainer *t, double *mean)
{
    double sum = 0;

    PYR_TRY(download_losses(t));
    for (int i = 0; i < t->level.settings.batch; i++)
        sum += t->host_losses[i];
    *mean = sum / t->level.settings.batch;
    return PYR_OK;
}

/* ---- a step of the level by itself: the host's part, the backend's, what came of it ------------- */

static pyr_status prepare_step(pyr_level_trainer *t, int64_t number)
{
    pyr_pick pick;
    void *host;

    PYR_TRY(pyr_step_io_next(&t->io, &host));
    *(pyr_step_input *)host = pyr_train_input(&t->plan, number);
    pick = pyr_level_trainer_pick(t, number);
    PYR_TRY(pyr_feed_gather(&t->feed, &pick, (char *)host + t->images_at));
    pyr_level_trainer_prepare(t, number, (char *)host + t->draws_at);
    t->computed = number;
    return PYR_OK;
}

static pyr_status group_task(void *arg, int group, int lane)
{
    return pyr_level_trainer_group(arg, group, lane);
}

static pyr_status enqueue_gradient(pyr_level_trainer *t)
{
    pyr_kernels *k = t->job.k;
    pyr_optimizer *o = t->optimizer;

    PYR_TRY(pyr_graph_pack(t->loss.g, o->value));
    PYR_TRY(k->run_tasks(k, t->level.settings.groups, group_task, t));
    k->zero(k, o->grad, o->count * pyr_type_size(k->real));
    PYR_TRY(pyr_graph_collect(t->loss.g, o->grad));
    return k->mean(k, &o->state->loss, t->losses, (size_t)t->level.settings.batch, 1, false);
}

static pyr_status enqueue_step(void *arg)
{
    pyr_level_trainer *t = arg;

    PYR_TRY(enqueue_gradient(t));
    pyr_optimizer_set_input(t->optimizer, t->io.device);
    PYR_TRY(pyr_optimizer_norm(t->optimizer));
    return pyr_optimizer_apply(t->optimizer);
}

static pyr_status step(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_level_trainer *t = ctx;

    (void)out; /* said later */
    PYR_TRY(prepare_step(t, number));
    return pyr_step_io_step(&t->io, enqueue_step, t);
}

static pyr_status result(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_level_trainer *t = ctx;
    const void *after;

    (void)number; /* the oldest that was not asked for */
    PYR_TRY(pyr_step_io_result(&t->io, &after));
    *out = pyr_train_outcome(after);
    return PYR_OK;
}

/* Without an update. */
static pyr_status gradient(pyr_level_trainer *t, int64_t number)
{
    PYR_TRY(prepare_step(t, number));
    PYR_TRY(pyr_step_io_send(&t->io));
    return enqueue_gradient(t);
}

/* Where a bad step was: the first image whose loss is not finite. */
const char *pyr_level_trainer_explain(pyr_level_trainer *t, int64_t number)
{
    pyr_draw draw = {.seed = t->job.seed, .step = (uint32_t)number, .batch = t->level.settings.batch};
    int at = 0;

    if (download_losses(t) != PYR_OK)
        return "";
    while (at < t->level.settings.batch && isfinite(t->host_losses[at]))
        at++;
    if (at == t->level.settings.batch) {
        snprintf(t->explanation, sizeof t->explanation, "level %d, the loss of every image is finite",
                 t->level.facts.index);
        return t->explanation;
    }
    snprintf(t->explanation, sizeof t->explanation,
             "level %d, image %lld of the data at noise level sigma %.4g", t->level.facts.index,
             (long long)pyr_order(t->job.seed, number * t->level.settings.batch + at,
                                  pyr_dataset_count(t->job.data, PYR_SPLIT_TRAIN)),
             pyr_draw_level(&t->loss, &draw, at));
    return t->explanation;
}

/* Steps that were begun since have other losses: then those of this one are computed again. Skipped steps
 * have left the weights as they were. */
static const char *explain(void *ctx, int64_t number)
{
    pyr_level_trainer *t = ctx;

    if (t->computed != number && gradient(t, number) != PYR_OK)
        return "";
    return pyr_level_trainer_explain(t, number);
}

/* ---- the network alone ------------------------------------------------------------------------- */

/* Parameters and blocks of the plain network: the optimizer's own, unless the trunk is shared; then
 * copies. */
static pyr_status take_alone(pyr_level_trainer *t)
{
    pyr_kernels *k = t->job.k;
    size_t bytes = t->alone.params.count * pyr_type_size(k->real);

    if (!t->part.shared)
        return PYR_OK;
    if (!t->alone.raw)
        PYR_TRY(k->alloc(k, &t->alone.raw, bytes, "weights of a level"));
    if (!t->alone.ema)
        PYR_TRY(k->alloc(k, &t->alone.ema, bytes, "weights of a level"));
    PYR_TRY(pyr_unet_unshare(&t->alone.params, t->alone.raw, t->params, t->optimizer->value,
                             t->level.facts.index, k));
    return pyr_unet_unshare(&t->alone.params, t->alone.ema, t->params, t->optimizer->ema,
                            t->level.facts.index, k);
}

static size_t alone_bytes(const pyr_level_trainer *t)
{
    return t->part.shared ? 2 * t->alone.params.count * pyr_type_size(t->job.k->real) : 0;
}

static pyr_params *plain_params(pyr_level_trainer *t)
{
    return t->part.shared ? &t->alone.params : t->params;
}

static const void *plain_raw(const pyr_level_trainer *t)
{
    return t->part.shared ? t->alone.raw : t->optimizer->value;
}

static const void *plain_ema(const pyr_level_trainer *t)
{
    return t->part.shared ? t->alone.ema : t->optimizer->ema;
}

pyr_status pyr_level_trainer_held_out(pyr_level_trainer *t, pyr_held_out *out)
{
    PYR_TRY(take_alone(t));
    return pyr_held_out_measure(out, &t->level, &t->feed, plain_params(t), plain_raw(t), plain_ema(t));
}

/* ---- reports and checkpoints ------------------------------------------------------------------- */

/* Parts of the run as it was planned: levels that freeze on the way move no measurement. */
static int64_t cadence(const pyr_level_trainer *t, int64_t wanted, int part)
{
    int64_t images = t->progress.planned * t->level.settings.batch;

    if (wanted < 0)
        return 0;
    return wanted ? wanted : images / part > 0 ? images / part : 1;
}

pyr_status pyr_level_trainer_report(pyr_level_trainer *t, const pyr_train_report *train,
                                    const pyr_held_out *held_out, bool brief)
{
    pyr_level_report r = {.level = t->level.facts.index,
                          .brief = brief,
                          .part = t->job.part != NULL,
                          .train = *train,
                          .held_out = *held_out};

    if (!brief)
        PYR_TRY(pyr_level_log_write(t->log, t->job.folder, train, t->level.settings.batch,
                                    pyr_dataset_count(t->job.data, PYR_SPLIT_TRAIN), held_out));
    if (t->job.on_report)
        t->job.on_report(t->job.ctx, &r);
    return PYR_OK;
}

static pyr_status report(void *ctx, const pyr_train_report *train, bool brief)
{
    pyr_level_trainer *t = ctx;
    pyr_held_out held_out = {0};

    if (train->evaluate)
        PYR_TRY(pyr_level_trainer_held_out(t, &held_out));
    return pyr_level_trainer_report(t, train, &held_out, brief);
}

void pyr_level_trainer_progress(pyr_level_trainer *t, const pyr_train_state *state)
{
    pyr_kernels *k = t->job.k;

    t->progress.train = *state;
    t->progress.seed = t->job.seed;
    t->progress.bf16 = t->level.precision == PYR_PRECISION_BF16;
    k->download(k, &t->progress.last, t->optimizer->state, sizeof t->progress.last);
}

pyr_status pyr_level_trainer_save_unet(pyr_level_trainer *t)
{
    PYR_TRY(pyr_level_log_sync(t->log, t->job.folder));
    PYR_TRY(take_alone(t));
    return pyr_level_save_unet(t->job.folder, &t->level, plain_params(t), t->job.k, plain_ema(t));
}

pyr_status pyr_level_trainer_save_state(pyr_level_trainer *t, const char *folder, bool next)
{
    PYR_TRY(t->job.k->sync(t->job.k));
    return pyr_level_save_state(folder, next, &t->level, t->params, t->optimizer, &t->progress);
}

static pyr_status checkpoint(void *ctx, const pyr_train_state *state)
{
    pyr_level_trainer *t = ctx;

    pyr_level_trainer_progress(t, state);
    PYR_TRY(t->job.k->sync(t->job.k));
    PYR_TRY(pyr_level_log_sync(t->log, t->job.folder));
    return pyr_level_save(t->job.folder, &t->level, t->params, t->optimizer, &t->progress);
}

pyr_status pyr_level_trainer_snapshot(void *ctx, int64_t number)
{
    pyr_level_trainer *t = ctx;
    char name[64];
    char *path;
    pyr_status status;

    PYR_TRY(take_alone(t));
    snprintf(name, sizeof name, "snapshot-%08lld.png", (long long)(number * t->level.settings.batch));
    path = pyr_path_join(t->job.folder, name);
    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a snapshot");
    status = pyr_snapshot_write(path, t->job.k, &t->level, &t->feed, plain_ema(t));
    if (status == PYR_OK && t->job.on_note) {
        char line[512];

        snprintf(line, sizeof line, "level %d: snapshot %s", t->level.facts.index, path);
        t->job.on_note(t->job.ctx, line);
    }
    pyr_free(path);
    return status;
}

/* ---- beginning --------------------------------------------------------------------------------- */

pyr_status pyr_level_trainer_time(pyr_level_trainer *t, double at_least_seconds, double *seconds_per_step)
{
    if (t->resumed)
        return pyr_fail(PYR_E_ARG, "level %d: a run that goes on cannot be timed: it would change",
                        t->level.facts.index);
    t->plan = (pyr_train_plan){.ema_window = 1}; /* a rate of 0: the weights stay */
    return pyr_train_time(
        &(pyr_train_calls){.ctx = t, .step = step, .result = result, .ahead = t->job.k->ahead},
        at_least_seconds, seconds_per_step);
}

pyr_status pyr_steps_of_images(int64_t *steps, int level, double images, int batch)
{
    double n = ceil(images / batch - 1e-9);

    if (!(n <= (double)UINT32_MAX))
        return pyr_fail(PYR_E_CONFIG, "train.duration means %.4g steps of level %d, at most %lu are possible",
                        n, level, (unsigned long)UINT32_MAX);
    *steps = n < 1 ? 1 : (int64_t)n;
    return PYR_OK;
}

pyr_status pyr_level_count_steps(int64_t *steps, const pyr_level_job *job, int level, int batch)
{
    double images = job->duration.value;

    if (job->duration.unit == PYR_DURATION_EPOCHS)
        images *= (double)pyr_dataset_count(job->data, PYR_SPLIT_TRAIN);
    return pyr_steps_of_images(steps, level, images, batch);
}

/* How many steps the duration means; a time is measured out once and then fixed. */
static pyr_status count_steps(pyr_level_trainer *t)
{
    const pyr_duration *d = &t->job.duration;
    int batch = t->level.settings.batch, index = t->level.facts.index;
    double per_step;

    if (d->unit != PYR_DURATION_SECONDS)
        PYR_TRY(pyr_level_count_steps(&t->progress.steps, &t->job, index, batch));
    else {
        PYR_TRY(pyr_level_trainer_time(t, fmin(2, d->value / 20), &per_step));
        PYR_TRY(pyr_steps_of_images(&t->progress.steps, index, d->value / per_step * batch, batch));
    }
    t->progress.planned = t->progress.steps;
    return PYR_OK;
}

pyr_status pyr_level_same_duration(const pyr_level_job *job, const pyr_level_settings *settings, int index,
                                   const pyr_progress *progress)
{
    int64_t steps = 0;
    long long begun = progress->planned * settings->batch;

    if (job->duration.unit == PYR_DURATION_SECONDS)
        return PYR_OK;
    PYR_TRY(pyr_level_count_steps(&steps, job, index, settings->batch));
    if (steps == progress->planned)
        return PYR_OK;
    return pyr_fail(PYR_E_CONFIG,
                    "level %d was begun for %lld images (train.duration), now it would be %lld: go on with "
                    "the old value (--level %d --duration %lld), or begin anew with another --outdir "
                    "(--transfer RUN takes the weights along)",
                    index, begun, (long long)steps * settings->batch, index, begun);
}

pyr_status pyr_level_trainer_initial(pyr_level_trainer *t)
{
    pyr_kernels *k = t->job.k;
    pyr_optimizer *o = t->optimizer;
    size_t bytes = o->count * pyr_type_size(k->real);
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status = PYR_OK;

    k->zero(k, o->m, bytes);
    k->zero(k, o->v, bytes);
    k->zero(k, o->grad, bytes);
    k->zero(k, o->state, sizeof *o->state);
    if (t->job.transfer) {
        PYR_TRY_OUT(pyr_level_open_unet(t->job.transfer, &files, &config, &facts));
        PYR_TRY_OUT(pyr_unet_load(&files, t->params, k, o->value, NULL));
    } else
        PYR_TRY_OUT(pyr_params_init(t->params, k, o->value, t->job.seed, t->level.facts.index));
    k->copy(k, o->ema, o->value, bytes);
out:
    pyr_unet_files_free(&files);
    return status;
}

/* Whether the state that is there was begun by a job like this one. */
static pyr_status same_run(const pyr_level_trainer *t, const pyr_level_facts *facts,
                           const pyr_progress *progress)
{
    const pyr_level_facts *now = &t->level.facts;
    char name[64];

    snprintf(name, sizeof name, "the state of level %d", now->index);
    PYR_TRY(pyr_facts_match(facts, name, now, "this configuration"));
    if (facts->index != now->index || facts->classes != now->classes || facts->condition != now->condition)
        return pyr_fail(PYR_E_CONFIG, "%s is of a level with another index, condition or number of classes",
                        name);
    if (progress->seed != t->job.seed)
        return pyr_fail(PYR_E_CONFIG, "%s was begun with the seed %llu, now it is %llu", name,
                        (unsigned long long)progress->seed, (unsigned long long)t->job.seed);
    return pyr_level_same_duration(&t->job, &t->level.settings, now->index, progress);
}

static pyr_status allocate(pyr_level_trainer *t)
{
    pyr_kernels *k = t->job.k;
    size_t batch = (size_t)t->level.settings.batch, micro = (size_t)t->micro_batch;
    size_t real = pyr_type_size(k->real);

    t->picked = t->computed = -1;
    PYR_TRY(pyr_new(&t->host_losses, batch > micro ? batch : micro, sizeof *t->host_losses, "losses"));
    PYR_TRY(pyr_new(&t->index, batch, sizeof *t->index, "batch"));
    PYR_TRY(pyr_new(&t->flip, batch, sizeof *t->flip, "batch"));
    PYR_TRY(pyr_new(&t->labels, batch, sizeof *t->labels, "batch"));
    PYR_TRY(k->alloc(k, &t->losses, batch * real, "losses"));
    PYR_TRY(k->alloc(k, &t->seeds, micro * real, "losses"));
    for (size_t i = 0; i < micro; i++)
        t->host_losses[i] = t->part.weight / t->level.settings.batch;
    return pyr_upload_reals(k, t->seeds, t->host_losses, micro);
}

/* By itself; a cascade hands over for all of its levels. */
static pyr_status allocate_io(pyr_level_trainer *t)
{
    pyr_step_output state = {t->optimizer->state, sizeof *t->optimizer->state};

    t->images_at = pyr_aligned(sizeof(pyr_step_input));
    t->draws_at = t->images_at + pyr_feed_gather_bytes(&t->feed, t->level.settings.batch);
    PYR_TRY(pyr_step_io_new(&t->io, t->job.k, t->draws_at + pyr_level_trainer_draw_bytes(t), &state, 1));
    t->draws = (char *)t->io.device + t->draws_at;
    return PYR_OK;
}

/* A run goes on in the precision it was begun in, unless the person wants another. */
static void adopt_precision(pyr_level_trainer *t, const pyr_progress *progress)
{
    const pyr_kernels *k = t->job.k;
    char line[128];

    t->level.precision = pyr_precision_to_resume(k, progress);
    if (progress->bf16 == (k->precision == PYR_PRECISION_BF16))
        return;
    snprintf(line, sizeof line, "level %d: begun in %s, goes on in %s", t->level.facts.index,
             pyr_precision_name(k, progress->bf16 ? PYR_PRECISION_BF16 : PYR_PRECISION_FULL),
             pyr_precision_name(k, t->level.precision));
    if (t->job.on_note)
        t->job.on_note(t->job.ctx, line);
}

/* Where the state of the training is: the level's folder, or the cascade's. */
static const char *state_folder(const pyr_level_trainer *t)
{
    return t->part.state_folder ? t->part.state_folder : t->job.folder;
}

/* Facts of a run that goes on: a cascade with one state for all levels keeps each level's with its
 * network. */
static pyr_status read_begun(const pyr_level_trainer *t, pyr_level_facts *facts, pyr_progress *progress)
{
    PYR_TRY(pyr_level_peek(state_folder(t), facts, progress, t->job.k->tuning));
    return t->part.state_folder ? pyr_level_unet_facts(t->job.folder, facts) : PYR_OK;
}

/* The parameters' table of the plain network, made by a graph that is thrown away. */
static pyr_status plan_alone(pyr_level_trainer *t)
{
    pyr_loss loss = {0};
    pyr_status status =
        pyr_loss_new(&loss, t->job.k, &t->alone.params, &t->level, &(pyr_loss_plan){.batch = 1, .lanes = 1});

    pyr_loss_free(&loss);
    return status;
}

static pyr_status init_level(pyr_level *level, const pyr_level_job *job, const pyr_level_settings *settings,
                             int index)
{
    PYR_TRY(pyr_level_init(level, settings, job->pyramid, index, pyr_dataset_classes(job->data),
                           pyr_dataset_fingerprint(job->data)));
    level->facts.bits = pyr_dataset_shape_of(job->data).bits;
    level->precision = job->k->precision;
    if (job->k->whole_batch)
        level->settings.groups = 1; /* there is nobody to share a step with */
    if (job->unet)
        level->unet = *job->unet;
    return PYR_OK;
}

static void take_statistics(pyr_level_facts *to, const pyr_level_facts *from)
{
    memcpy(to->mean, from->mean, sizeof to->mean);
    memcpy(to->std, from->std, sizeof to->std);
    to->condition_std = from->condition_std;
}

pyr_status pyr_level_statistics(pyr_level_facts *out, const pyr_level_job *job,
                                const pyr_level_settings *settings, int index, bool for_training)
{
    enum { IMAGES = 64 };
    pyr_level level;
    pyr_feed feed = {0};
    int images = IMAGES;
    pyr_status status;

    PYR_TRY(init_level(&level, job, settings, index));
    if (for_training)
        PYR_TRY(pyr_choose_micro_batch(&images, job->k, &level));
    PYR_TRY(pyr_feed_new(&feed, job->k, job->data, job->pyramid, images, job->k->lanes));
    feed.dequantise = job->dequantise;
    status = pyr_level_measure(&level, &feed);
    pyr_feed_free(&feed);
    *out = level.facts;
    return status;
}

static pyr_status plan(pyr_level_trainer *t, const pyr_level_settings *settings, int index)
{
    const pyr_level_job *job = &t->job;
    pyr_adamw adamw = {settings->beta1, settings->beta2, settings->eps, settings->weight_decay};
    pyr_level_facts facts;
    pyr_progress progress;

    PYR_TRY(pyr_level_has_state(&t->resumed, state_folder(t)));
    PYR_TRY(init_level(&t->level, job, settings, index));
    if (t->level.facts.classes) {
        PYR_TRY(pyr_class_list_of_data(&t->classes, job->data, settings->class_dropout));
        t->level.classes = &t->classes;
    }
    if (t->resumed) {
        PYR_TRY(read_begun(t, &facts, &progress));
        adopt_precision(t, &progress);
    }
    t->micro_batch = t->part.micro_batch;
    if (t->micro_batch == 0)
        PYR_TRY(pyr_choose_micro_batch(&t->micro_batch, job->k, &t->level));
    PYR_TRY(pyr_feed_new(&t->feed, job->k, job->data, job->pyramid, t->micro_batch, job->k->lanes));
    t->feed.dequantise = job->dequantise;
    if (t->resumed) /* the statistics are constants of the graph: they must be those of the run */
        take_statistics(&t->level.facts, &facts);
    else if (job->measured)
        take_statistics(&t->level.facts, job->measured);
    else
        PYR_TRY(pyr_level_measure(&t->level, &t->feed));
    PYR_TRY(allocate(t));
    PYR_TRY(pyr_loss_new(&t->loss, job->k, t->params, &t->level,
                         &(pyr_loss_plan){.batch = t->micro_batch,
                                          .groups = t->level.settings.groups,
                                          .training = true,
                                          .shared = t->part.shared,
                                          .estimate = t->part.estimate,
                                          .estimate_gradient = t->part.estimate_gradient,
                                          .told_estimates = t->part.told_estimates,
                                          .told_gradient = t->part.told_gradient,
                                          .probability = t->part.probability}));
    pyr_tuning_keep(job->k->tuning);
    if (t->part.shared) { /* the cascade goes on from here */
        if (t->resumed)
            PYR_TRY(same_run(t, &facts, &progress));
        return plan_alone(t);
    }
    PYR_TRY(pyr_optimizer_new(&t->own_optimizer, job->k, t->params, adamw));
    if (!job->part)
        PYR_TRY(allocate_io(t));
    if (!t->resumed)
        return pyr_level_trainer_initial(t);
    PYR_TRY(pyr_level_restore(job->folder, &facts, t->params, t->optimizer, &t->progress));
    return same_run(t, &facts, &t->progress);
}

pyr_status pyr_level_trainer_new(pyr_level_trainer **out, const pyr_level_job *job,
                                 const pyr_level_settings *settings, int index)
{
    pyr_level_trainer *t;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&t, 1, sizeof *t, "trainer"));
    t->job = *job;
    t->part = job->part ? *job->part : (pyr_level_part){.weight = 1};
    t->params = t->part.params ? t->part.params : &t->own_params;
    t->optimizer = t->part.optimizer ? t->part.optimizer : &t->own_optimizer;
    status = plan(t, settings, index);
    if (status != PYR_OK)
        pyr_level_trainer_free(t);
    else
        *out = t;
    return status;
}

void pyr_level_trainer_free(pyr_level_trainer *t)
{
    if (!t)
        return;
    pyr_step_io_free(&t->io);
    pyr_free(t->index);
    pyr_free(t->flip);
    pyr_free(t->labels);
    pyr_free(t->host_losses);
    t->job.k->release(t->job.k, t->losses);
    t->job.k->release(t->job.k, t->seeds);
    pyr_loss_free(&t->loss);
    pyr_optimizer_free(&t->own_optimizer);
    pyr_params_free(&t->own_params);
    pyr_params_free(&t->alone.params);
    t->job.k->release(t->job.k, t->alone.raw);
    t->job.k->release(t->job.k, t->alone.ema);
    pyr_feed_free(&t->feed);
    pyr_class_list_free(&t->classes);
    if (t->log)
        fclose(t->log);
    pyr_free(t);
}

const pyr_level *pyr_level_trainer_level(const pyr_level_trainer *t)
{
    return &t->level;
}

pyr_graph *pyr_level_trainer_graph(pyr_level_trainer *t)
{
    return t->loss.g;
}

bool pyr_level_trainer_finished(const pyr_level_trainer *t)
{
    return t->resumed && t->progress.train.step >= t->progress.steps;
}

pyr_progress *pyr_level_trainer_counters(pyr_level_trainer *t)
{
    return &t->progress;
}

pyr_loss *pyr_level_trainer_loss_graph(pyr_level_trainer *t)
{
    return &t->loss;
}

pyr_optimizer *pyr_level_trainer_optimizer(pyr_level_trainer *t)
{
    return t->optimizer;
}

const pyr_params *pyr_level_trainer_params(const pyr_level_trainer *t)
{
    return t->params;
}

const pyr_params *pyr_level_trainer_plain_params(const pyr_level_trainer *t)
{
    return t->part.shared ? &t->alone.params : t->params;
}

int pyr_level_trainer_micro_batch(const pyr_level_trainer *t)
{
    return t->micro_batch;
}

void pyr_level_trainer_use_batch(pyr_level_trainer *t, const void *variable, const void *condition,
                                 const void *draws)
{
    t->variable = variable;
    t->condition = condition;
    t->draws = draws;
}

pyr_status pyr_level_trainer_memory(pyr_level_trainer *t, pyr_level_memory *out)
{
    pyr_graph_memory train = pyr_graph_bytes(t->loss.g);
    pyr_loss loss = {0};
    pyr_status status =
        pyr_loss_new(&loss, t->job.k, plain_params(t), &t->level, &(pyr_loss_plan){.batch = t->micro_batch});

    if (status == PYR_OK) {
        *out = (pyr_level_memory){.parameters = pyr_params_model_count(plain_params(t)),
                                  .blocks = pyr_optimizer_bytes(t->job.k, t->params),
                                  .activations = (size_t)pyr_graph_lanes(t->loss.g) * train.arena,
                                  .accumulators = train.packed + train.accumulators,
                                  .feed = pyr_feed_bytes(&t->feed) + pyr_step_io_bytes(&t->io),
                                  .held_out = pyr_graph_bytes(loss.g).total + alone_bytes(t),
                                  .library = t->job.k->library_bytes,
                                  .micro_batch = t->micro_batch,
                                  .lanes = pyr_graph_lanes(t->loss.g),
                                  .flop = pyr_graph_flop(t->loss.g)};
        out->total =
            out->blocks + out->activations + out->accumulators + out->feed + out->held_out + out->library;
    }
    pyr_loss_free(&loss);
    return status;
}

pyr_level_summary pyr_level_trainer_summary(const pyr_level_trainer *t, const pyr_level_memory *memory,
                                            bool resumed)
{
    return (pyr_level_summary){.facts = t->level.facts,
                               .variable = t->level.variable,
                               .conditioned = t->level.condition.c > 0,
                               .batch = t->level.settings.batch,
                               .groups = t->level.settings.groups,
                               .block = (int64_t)t->params->count,
                               .memory = *memory,
                               .resumed = resumed};
}

/* What sampling will start from, when the settings say so already. */
static pyr_status write_fit(pyr_level_trainer *t)
{
    pyr_gaussian fit;
    char *path;
    bool there;
    pyr_status status;

    if (t->level.settings.sampler.start != PYR_START_GAUSSIAN)
        return PYR_OK;
    path = pyr_gaussian_path(t->job.folder);
    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", t->job.folder);
    status = pyr_file_exists(&there, path);
    pyr_free(path);
    if (status != PYR_OK || (there && t->resumed))
        return status;
    PYR_TRY(pyr_gaussian_measure(&fit, &t->level, &t->feed));
    status = pyr_gaussian_write(&fit, &t->level.facts, t->job.folder);
    pyr_gaussian_free(&fit);
    return status;
}

pyr_status pyr_level_trainer_begin(pyr_level_trainer *t)
{
    const pyr_level_settings *s = &t->level.settings;

    PYR_TRY(write_fit(t));
    PYR_TRY(pyr_level_log_open(&t->log, t->job.folder, t->resumed ? t->progress.train.step : 0));
    t->plan = (pyr_train_plan){.batch = s->batch,
                               .steps = t->progress.steps,
                               .learning_rate = s->lr,
                               .rate = (pyr_rate)s->rate,
                               .warmup = s->warmup,
                               .clip = s->clip,
                               .ema_window = s->ema,
                               .checkpoint = cadence(t, t->job.checkpoint, 10),
                               .report = cadence(t, t->job.report, 100),
                               .evaluate = cadence(t, t->job.held_out, 10),
                               .snapshot = t->job.snapshot > 0 ? t->job.snapshot : 0,
                               .most_skipped = MOST_SKIPPED,
                               .bend = t->progress.bend};
    return PYR_OK;
}

pyr_train_plan *pyr_level_trainer_plan(pyr_level_trainer *t)
{
    return &t->plan;
}

static bool should_stop(void *ctx)
{
    const pyr_level_trainer *t = ctx;

    return t->job.should_stop && t->job.should_stop(t->job.ctx);
}

pyr_status pyr_level_trainer_run(pyr_level_trainer *t)
{
    pyr_train_calls calls = {.ctx = t,
                             .step = step,
                             .result = result,
                             .ahead = t->job.k->ahead,
                             .checkpoint = checkpoint,
                             .report = report,
                             .snapshot = t->job.snapshot < 0 ? NULL : pyr_level_trainer_snapshot,
                             .explain = explain,
                             .should_stop = should_stop};

    if (!t->resumed) {
        PYR_TRY(count_steps(t));
        PYR_TRY(pyr_level_trainer_initial(t)); /* again: measuring has moved moments and EMA */
    }
    PYR_TRY(pyr_level_trainer_begin(t));
    return pyr_train_run(&t->plan, &calls, &t->progress.train);
}

pyr_status pyr_level_trainer_gradient(pyr_level_trainer *t, int64_t number, double *loss,
                                      pyr_optimizer **optimizer, const pyr_params **params)
{
    PYR_TRY(gradient(t, number));
    PYR_TRY(pyr_level_trainer_loss(t, loss));
    *optimizer = t->optimizer;
    *params = t->params;
    return PYR_OK;
}
