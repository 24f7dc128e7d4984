#include "levels/level_train.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/philox.h"
#include "images/order.h"
#include "levels/snapshot.h"
#include "levels/unet_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HELD_OUT = 1024, MOST_SKIPPED = 5 };
/* The noise of the held-out loss: the same for every run. */
static const uint64_t held_out_seed = UINT64_C(0x48454c442d4f5554);

struct pyr_level_trainer {
    pyr_level_job job;
    pyr_level level;
    pyr_feed feed;
    pyr_params params;
    pyr_optimizer optimizer;
    pyr_loss loss;
    pyr_progress progress;
    bool resumed;
    int micro_batch;
    /* of the current step */
    int64_t step;
    double *losses;  /* [batch] */
    double *seeds;   /* [micro batch]: d mean / d loss of an image */
    int64_t **index; /* [lane][micro batch] */
    bool **flip;
    int32_t **labels;
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

/* Images first .. first + n - 1 of the step's batch, into the lane's inputs. */
static pyr_status feed_batch(pyr_level_trainer *t, int lane, int first, int n)
{
    const pyr_dataset *data = t->job.data;
    const int32_t *labels = pyr_dataset_labels(data, PYR_TRAIN);
    int batch = t->level.settings.batch;
    pyr_graph *g = t->loss.g;

    for (int i = 0; i < n; i++) {
        int64_t at = pyr_order(t->job.seed, t->step * batch + first + i, pyr_dataset_count(data, PYR_TRAIN));

        t->index[lane][i] = at;
        t->flip[lane][i] = flipped(t, t->step, first + i);
        t->labels[lane][i] = labels ? labels[at] : 0;
    }
    PYR_TRY(pyr_feed_level(
        &t->feed, lane,
        &(pyr_pick){.split = PYR_TRAIN, .n = n, .index = t->index[lane], .flip = t->flip[lane]},
        t->level.facts.index, pyr_graph_data(g, lane, t->loss.variable),
        t->loss.condition >= 0 ? pyr_graph_data(g, lane, t->loss.condition) : NULL));
    return pyr_loss_draw(&t->loss, lane,
                         &(pyr_draw){.seed = t->job.seed,
                                     .step = (uint32_t)t->step,
                                     .first = first,
                                     .n = n,
                                     .batch = batch,
                                     .labels = labels ? t->labels[lane] : NULL});
}

/* One accumulator's share of the batch: micro-batches group, group + groups, …, in this order, on whichever
 * lane. */
static pyr_status group_task(void *arg, int group, int lane)
{
    pyr_level_trainer *t = arg;
    pyr_graph *g = t->loss.g;
    int batch = t->level.settings.batch, groups = t->level.settings.groups;

    pyr_graph_clear(g, group);
    for (int first = group * t->micro_batch; first < batch; first += groups * t->micro_batch) {
        int n = batch - first < t->micro_batch ? batch - first : t->micro_batch;

        PYR_TRY(feed_batch(t, lane, first, n));
        PYR_TRY(pyr_graph_forward(g, lane));
        PYR_TRY(pyr_download_reals(t->job.k, t->losses + first, pyr_graph_data(g, lane, t->loss.loss),
                                   (size_t)n));
        PYR_TRY(pyr_upload_reals(t->job.k, pyr_graph_gradient(g, lane, t->loss.loss), t->seeds,
                                 (size_t)t->micro_batch));
        PYR_TRY(pyr_graph_backward(g, lane, group));
    }
    return PYR_OK;
}

static pyr_status step(void *ctx, int64_t number, double *loss)
{
    pyr_level_trainer *t = ctx;
    pyr_kernels *k = t->job.k;
    pyr_optimizer *o = &t->optimizer;
    double sum = 0;

    t->step = number;
    PYR_TRY(pyr_graph_pack(t->loss.g, o->value));
    PYR_TRY(k->run_tasks(k, t->level.settings.groups, group_task, t));
    k->zero(k, o->grad, o->count * pyr_type_size(k->real));
    PYR_TRY(pyr_graph_collect(t->loss.g, o->grad));
    for (int i = 0; i < t->level.settings.batch; i++)
        sum += t->losses[i];
    *loss = sum / t->level.settings.batch;
    return PYR_OK;
}

/* Where a bad step was: the first image whose loss is not finite. */
static const char *explain(void *ctx, int64_t number)
{
    pyr_level_trainer *t = ctx;
    pyr_draw draw = {.seed = t->job.seed, .step = (uint32_t)number, .batch = t->level.settings.batch};
    int at = 0;

    while (at < t->level.settings.batch && isfinite(t->losses[at]))
        at++;
    if (at == t->level.settings.batch) {
        snprintf(t->explanation, sizeof t->explanation, "level %d, the loss of every image is finite",
                 t->level.facts.index);
        return t->explanation;
    }
    snprintf(t->explanation, sizeof t->explanation,
             "level %d, image %lld of the data at noise level sigma %.4g", t->level.facts.index,
             (long long)pyr_order(t->job.seed, number * t->level.settings.batch + at,
                                  pyr_dataset_count(t->job.data, PYR_TRAIN)),
             pyr_draw_level(&t->loss, &draw, at));
    return t->explanation;
}

/* ---- held-out loss ----------------------------------------------------------------------------- */

typedef struct held_out_work {
    pyr_level_trainer *t;
    pyr_loss loss;
    int images;
    double *losses;
} held_out_work;

static pyr_status held_out_task(void *arg, int task, int lane)
{
    held_out_work *w = arg;
    pyr_level_trainer *t = w->t;
    const int32_t *labels = pyr_dataset_labels(t->job.data, PYR_HELD_OUT);
    int64_t count = pyr_dataset_count(t->job.data, PYR_HELD_OUT);
    int first = task * t->micro_batch,
        n = w->images - first < t->micro_batch ? w->images - first : t->micro_batch;

    for (int i = 0; i < n; i++) {
        t->index[lane][i] = (first + i) * count / w->images;
        t->labels[lane][i] = labels ? labels[t->index[lane][i]] : 0;
    }
    PYR_TRY(
        pyr_feed_level(&t->feed, lane, &(pyr_pick){.split = PYR_HELD_OUT, .n = n, .index = t->index[lane]},
                       t->level.facts.index, pyr_graph_data(w->loss.g, lane, w->loss.variable),
                       w->loss.condition >= 0 ? pyr_graph_data(w->loss.g, lane, w->loss.condition) : NULL));
    PYR_TRY(pyr_loss_draw(&w->loss, lane,
                          &(pyr_draw){.seed = held_out_seed,
                                      .first = first,
                                      .n = n,
                                      .batch = w->images,
                                      .labels = labels ? t->labels[lane] : NULL}));
    PYR_TRY(pyr_graph_forward(w->loss.g, lane));
    return pyr_download_reals(t->job.k, w->losses + first, pyr_graph_data(w->loss.g, lane, w->loss.loss),
                              (size_t)n);
}

static pyr_status held_out_pass(held_out_work *w, const void *block, double *mean)
{
    pyr_level_trainer *t = w->t;
    int tasks = (w->images + t->micro_batch - 1) / t->micro_batch;
    double sum = 0;

    PYR_TRY(pyr_graph_pack(w->loss.g, block));
    PYR_TRY(t->job.k->run_tasks(t->job.k, tasks, held_out_task, w));
    for (int i = 0; i < w->images; i++)
        sum += w->losses[i];
    *mean = sum / w->images;
    return PYR_OK;
}

/* The graph is made for the occasion, so that training has its memory for itself. */
static pyr_status measure_held_out(pyr_level_trainer *t, pyr_held_out *out)
{
    int64_t count = pyr_dataset_count(t->job.data, PYR_HELD_OUT);
    held_out_work w = {.t = t, .images = count < MOST_HELD_OUT ? (int)count : MOST_HELD_OUT};
    pyr_status status = PYR_OK;

    *out = (pyr_held_out){0};
    if (w.images == 0)
        return PYR_OK;
    PYR_TRY_OUT(pyr_new(&w.losses, (size_t)w.images, sizeof *w.losses, "held-out loss"));
    PYR_TRY_OUT(
        pyr_loss_new(&w.loss, t->job.k, &t->params, &t->level, &(pyr_loss_plan){.batch = t->micro_batch}));
    PYR_TRY_OUT(held_out_pass(&w, t->optimizer.value, &out->raw));
    PYR_TRY_OUT(held_out_pass(&w, t->optimizer.ema, &out->ema));
    out->images = w.images;
    for (int b = 0; b < PYR_NOISE_BINS; b++) {
        int from = w.images * b / PYR_NOISE_BINS, to = w.images * (b + 1) / PYR_NOISE_BINS;

        out->bin[b] = to > from ? 0 : NAN;
        for (int i = from; i < to; i++)
            out->bin[b] += w.losses[i] / (to - from);
        out->bin_sigma[b] = pyr_noise_level(&w.loss.noise, &t->level.schedule, (b + 0.5) / PYR_NOISE_BINS);
    }
out:
    pyr_loss_free(&w.loss);
    pyr_free(w.losses);
    return status;
}

/* ---- reports and checkpoints ------------------------------------------------------------------- */

static pyr_status write_log(pyr_level_trainer *t, const pyr_level_report *r)
{
    pyr_json json = {0};
    pyr_status status = PYR_OK;

    pyr_json_open(&json, NULL, '{');
    pyr_json_int(&json, "step", r->train.step);
    pyr_json_int(&json, "images", r->train.step * t->level.settings.batch);
    pyr_json_real(&json, "loss", r->train.loss);
    pyr_json_real(&json, "grad_norm", r->train.grad_norm);
    pyr_json_real(&json, "lr", r->train.learning_rate);
    pyr_json_int(&json, "skipped", r->train.skipped);
    pyr_json_real(&json, "seconds", r->train.seconds);
    pyr_json_real(&json, "images_per_s", r->train.images_per_s);
    if (r->held_out.images) {
        pyr_json_real(&json, "held_out", r->held_out.ema);
        pyr_json_real(&json, "held_out_raw", r->held_out.raw);
        pyr_json_int(&json, "held_out_images", r->held_out.images);
        pyr_json_open(&json, "held_out_bins", '[');
        for (int b = 0; b < PYR_NOISE_BINS; b++)
            pyr_json_real(&json, NULL, r->held_out.bin[b]);
        pyr_json_close(&json, ']');
        pyr_json_open(&json, "bin_sigma", '[');
        for (int b = 0; b < PYR_NOISE_BINS; b++)
            pyr_json_real(&json, NULL, r->held_out.bin_sigma[b]);
        pyr_json_close(&json, ']');
    }
    pyr_json_close(&json, '}');
    if (json.text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: a line of the log");
    else if (fprintf(t->log, "%s\n", json.text.at) < 0 || fflush(t->log) != 0)
        status = pyr_fail(PYR_E_IO, "%s/log.jsonl cannot be written (is the disk full?)", t->job.folder);
    pyr_text_free(&json.text);
    return status;
}

static int64_t cadence(const pyr_level_trainer *t, int64_t wanted, int part)
{
    int64_t images = t->progress.steps * t->level.settings.batch;

    if (wanted < 0)
        return 0;
    return wanted ? wanted : images / part > 0 ? images / part : 1;
}

static pyr_status report(void *ctx, const pyr_train_report *train, bool brief)
{
    pyr_level_trainer *t = ctx;
    pyr_level_report r = {.level = t->level.facts.index, .brief = brief, .train = *train};

    if (!brief) {
        if (train->evaluate)
            PYR_TRY(measure_held_out(t, &r.held_out));
        PYR_TRY(write_log(t, &r));
    }
    if (t->job.on_report)
        t->job.on_report(t->job.ctx, &r);
    return PYR_OK;
}

static pyr_status checkpoint(void *ctx, const pyr_train_state *state)
{
    pyr_level_trainer *t = ctx;
    pyr_kernels *k = t->job.k;

    t->progress.train = *state;
    t->progress.seed = t->job.seed;
    t->progress.activation = k->activation;
    k->download(k, &t->progress.last, t->optimizer.state, sizeof t->progress.last);
    PYR_TRY(k->sync(k));
    return pyr_level_save(t->job.folder, &t->level, &t->params, &t->optimizer, &t->progress);
}

static pyr_status snapshot(void *ctx, int64_t number)
{
    pyr_level_trainer *t = ctx;
    char name[64];
    char *path;
    pyr_status status;

    snprintf(name, sizeof name, "snapshot-%08lld.png", (long long)(number * t->level.settings.batch));
    path = pyr_path_join(t->job.folder, name);
    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a snapshot");
    status = pyr_snapshot_write(path, t->job.k, &t->level, &t->feed, t->optimizer.ema);
    if (status == PYR_OK && t->job.on_note) {
        char line[512];

        snprintf(line, sizeof line, "level %d: snapshot %s", t->level.facts.index, path);
        t->job.on_note(t->job.ctx, line);
    }
    pyr_free(path);
    return status;
}

/* Lines of steps that a killed run did after its last checkpoint come again: drop them. */
static pyr_status open_log(pyr_level_trainer *t)
{
    pyr_status status = PYR_OK;
    char *path = pyr_path_join(t->job.folder, "log.jsonl"), *old = NULL;
    pyr_text kept = {0};
    size_t size;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of the log");
    if (t->resumed && pyr_is_file(path)) {
        PYR_TRY_OUT(pyr_file_read(&old, &size, path, UINT64_C(1) << 32));
        for (char *line = old, *end; (end = strchr(line, '\n')); line = end + 1) {
            long long at;

            if (sscanf(line, "{\"step\": %lld", &at) == 1 && at <= t->progress.train.step)
                pyr_text_add_bytes(&kept, line, (size_t)(end + 1 - line));
        }
    }
    if (kept.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for the log");
    else
        status = pyr_file_replace(path, kept.length ? kept.at : "", kept.length);
    if (status != PYR_OK)
        goto out;
    t->log = fopen(path, "ab");
    if (!t->log)
        status = pyr_fail(PYR_E_IO, "%s cannot be opened", path);
out:
    pyr_free(path);
    pyr_free(old);
    pyr_text_free(&kept);
    return status;
}

/* ---- beginning --------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

pyr_status pyr_level_trainer_time(pyr_level_trainer *t, double at_least_seconds, double *seconds_per_step)
{
    enum { MOST = 200, LEAST = 4 };
    double took[MOST], begin = pyr_now(), sum = 0;
    int n = 0, half;

    if (t->resumed)
        return pyr_fail(PYR_E_ARG, "level %d: a run that goes on cannot be timed: it would change",
                        t->level.facts.index);
    for (int i = 0; i < MOST && (i < LEAST + 1 || pyr_now() - begin < at_least_seconds); i++) {
        pyr_step_state after = {0};
        double loss, start = pyr_now();

        PYR_TRY(step(t, i, &loss));
        PYR_TRY(pyr_optimizer_step(&t->optimizer, &(pyr_update){.ema_window = 1}, &after));
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

/* At least one. Random streams and the optimizer count steps in 32 bits. */
static pyr_status steps_of_images(int64_t *steps, int level, double images, int batch)
{
    double n = ceil(images / batch - 1e-9);

    if (!(n <= (double)UINT32_MAX))
        return pyr_fail(PYR_E_CONFIG, "train.duration means %.4g steps of level %d, at most %lu are possible",
                        n, level, (unsigned long)UINT32_MAX);
    *steps = n < 1 ? 1 : (int64_t)n;
    return PYR_OK;
}

/* What a duration that is no time means. */
static pyr_status steps_of_job(int64_t *steps, const pyr_level_job *job, int level, int batch)
{
    double images = job->duration.value;

    if (job->duration.unit == PYR_EPOCHS)
        images *= (double)pyr_dataset_count(job->data, PYR_TRAIN);
    return steps_of_images(steps, level, images, batch);
}

/* How many steps the duration means; a time is measured out once and then fixed. */
static pyr_status count_steps(pyr_level_trainer *t)
{
    const pyr_duration *d = &t->job.duration;
    int batch = t->level.settings.batch, index = t->level.facts.index;
    double per_step;

    if (d->unit != PYR_SECONDS)
        return steps_of_job(&t->progress.steps, &t->job, index, batch);
    PYR_TRY(pyr_level_trainer_time(t, fmin(2, d->value / 20), &per_step));
    return steps_of_images(&t->progress.steps, index, d->value / per_step * batch, batch);
}

pyr_status pyr_level_same_duration(const pyr_level_job *job, const pyr_level_settings *settings, int index,
                                   const pyr_progress *progress)
{
    int64_t steps = 0;
    long long begun = progress->steps * settings->batch;

    if (job->duration.unit == PYR_SECONDS)
        return PYR_OK;
    PYR_TRY(steps_of_job(&steps, job, index, settings->batch));
    if (steps == progress->steps)
        return PYR_OK;
    return pyr_fail(PYR_E_CONFIG,
                    "level %d was begun for %lld images (train.duration), now it would be %lld: go on with "
                    "the old value (--level %d --duration %lld), or begin anew with another --outdir "
                    "(--transfer RUN takes the weights along)",
                    index, begun, (long long)steps * settings->batch, index, begun);
}

static pyr_status initial_weights(pyr_level_trainer *t)
{
    pyr_kernels *k = t->job.k;
    pyr_optimizer *o = &t->optimizer;
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
        PYR_TRY_OUT(pyr_unet_load(&files, &t->params, k, o->value, NULL));
    } else
        PYR_TRY_OUT(pyr_params_init(&t->params, k, o->value, t->job.seed, t->level.facts.index));
    k->copy(k, o->ema, o->value, bytes);
out:
    pyr_unet_files_free(&files);
    return status;
}

/* A new run: statistics, number of steps, weights. A resumed one: all of that from the state, which must be
 * that of this job. */
static pyr_status resume(pyr_level_trainer *t)
{
    pyr_level_facts facts;
    char name[64];

    PYR_TRY(pyr_level_restore(t->job.folder, &facts, &t->params, &t->optimizer, &t->progress));
    snprintf(name, sizeof name, "the state of level %d", t->level.facts.index);
    PYR_TRY(pyr_facts_match(&facts, name, &t->level.facts, "this configuration"));
    if (facts.index != t->level.facts.index || facts.classes != t->level.facts.classes ||
        facts.condition != t->level.facts.condition)
        return pyr_fail(PYR_E_CONFIG, "%s is of a level with another index, condition or number of classes",
                        name);
    if (t->progress.seed != t->job.seed)
        return pyr_fail(PYR_E_CONFIG, "%s was begun with the seed %llu, now it is %llu", name,
                        (unsigned long long)t->progress.seed, (unsigned long long)t->job.seed);
    return pyr_level_same_duration(&t->job, &t->level.settings, t->level.facts.index, &t->progress);
}

static pyr_status allocate(pyr_level_trainer *t)
{
    size_t lanes = (size_t)t->feed.lanes, micro = (size_t)t->micro_batch;

    PYR_TRY(pyr_new(&t->losses, (size_t)t->level.settings.batch, sizeof *t->losses, "losses"));
    PYR_TRY(pyr_new(&t->seeds, micro, sizeof *t->seeds, "losses"));
    PYR_TRY(pyr_new(&t->index, lanes, sizeof *t->index, "batch"));
    PYR_TRY(pyr_new(&t->flip, lanes, sizeof *t->flip, "batch"));
    PYR_TRY(pyr_new(&t->labels, lanes, sizeof *t->labels, "batch"));
    for (size_t i = 0; i < lanes; i++) {
        PYR_TRY(pyr_new(&t->index[i], micro, sizeof **t->index, "batch"));
        PYR_TRY(pyr_new(&t->flip[i], micro, sizeof **t->flip, "batch"));
        PYR_TRY(pyr_new(&t->labels[i], micro, sizeof **t->labels, "batch"));
    }
    for (size_t i = 0; i < micro; i++)
        t->seeds[i] = 1.0 / t->level.settings.batch;
    return PYR_OK;
}

/* ---- how many images a lane takes at a time ---------------------------------------------------- */

/* Seconds an image takes, forward and backward, on one lane: the best of a few micro-batches. */
static pyr_status time_micro_batch(pyr_level_trainer *t, int micro, double *seconds)
{
    enum { LEAST = 2, MOST = 8 };
    const double enough = 0.05;
    pyr_params params = {0};
    pyr_loss loss = {0};
    pyr_kernels *k = t->job.k;
    void *block = NULL;
    double begin;
    pyr_status status = PYR_OK;

    *seconds = INFINITY;
    PYR_TRY_OUT(pyr_loss_new(&loss, k, &params, &t->level,
                             &(pyr_loss_plan){.batch = micro, .groups = 1, .lanes = 1, .training = true}));
    PYR_TRY_OUT(k->alloc(k, &block, params.count * pyr_type_size(k->real), "parameters"));
    PYR_TRY_OUT(pyr_params_init(&params, k, block, t->job.seed, t->level.facts.index));
    PYR_TRY_OUT(pyr_graph_pack(loss.g, block));
    begin = pyr_now();
    for (int i = 0; i < MOST && (i < LEAST || pyr_now() - begin < enough); i++) {
        double start;

        PYR_TRY_OUT(pyr_loss_draw(&loss, 0, &(pyr_draw){.n = micro, .batch = micro}));
        start = pyr_now();
        PYR_TRY_OUT(pyr_graph_forward(loss.g, 0));
        k->zero(k, pyr_graph_gradient(loss.g, 0, loss.loss), (size_t)micro * pyr_type_size(k->real));
        PYR_TRY_OUT(pyr_graph_backward(loss.g, 0, 0));
        *seconds = fmin(*seconds, (pyr_now() - start) / micro);
    }
out:
    pyr_loss_free(&loss);
    pyr_params_free(&params);
    k->release(k, block);
    return status;
}

/* The fastest of 2, 4, 8, … until they get slower; a smaller one, which takes less memory, when it is nearly
 * as fast. */
static pyr_status measure_micro_batch(pyr_level_trainer *t, int most, int *best)
{
    double shortest = INFINITY, seconds;
    int micro = most < 2 ? most : 2;

    for (;;) {
        PYR_TRY(time_micro_batch(t, micro, &seconds));
        if (seconds < 0.98 * shortest) {
            shortest = seconds;
            *best = micro;
        }
        if (micro == most || seconds > 1.02 * shortest)
            return PYR_OK;
        micro = 2 * micro < most ? 2 * micro : most;
    }
}

/* What the choice depends on: the network, its type, the most that is possible. */
static pyr_status name_micro_batch(const pyr_level_trainer *t, int most, char *name, size_t room)
{
    pyr_text text = {0};
    pyr_status status = pyr_unet_config_write(&text, &t->level.unet);
    uint64_t hash;

    if (status == PYR_OK) {
        hash = pyr_hash(PYR_HASH_START, text.at, text.length);
        hash = pyr_hash(hash, &t->level.variable, sizeof t->level.variable);
        hash = pyr_hash(hash, &t->level.condition, sizeof t->level.condition);
        snprintf(name, room, "micro-batch %016llx %s of %d%s", (unsigned long long)hash,
                 t->job.k->activation == PYR_BF16 ? "bf16" : "f32", most,
                 t->level.settings.recompute ? " recompute" : "");
    }
    pyr_text_free(&text);
    return status;
}

/* Enough micro-batches for all groups, none larger than the person allows. Never depends on the number of
 * threads: it decides the order of sums. */
static pyr_status choose_micro_batch(pyr_level_trainer *t)
{
    enum { MOST = 64 };
    const pyr_level_settings *s = &t->level.settings;
    pyr_kernels *k = t->job.k;
    int most = (s->batch + s->groups - 1) / s->groups, micro;
    char name[96];

    if (most > MOST)
        most = MOST;
    if (s->batch_gpu > 0) {
        t->micro_batch = most < s->batch_gpu ? most : s->batch_gpu;
        return PYR_OK;
    }
    PYR_TRY(name_micro_batch(t, most, name, sizeof name));
    if (!pyr_tuning_get(k->tuning, name, &micro) || micro < 1 || micro > most) {
        micro = most < k->micro_batch ? most : k->micro_batch;
        if (pyr_tuning_measures(k->tuning)) {
            PYR_TRY(measure_micro_batch(t, most, &micro));
            PYR_TRY(pyr_tuning_put(k->tuning, name, micro));
        }
    }
    t->micro_batch = micro;
    return PYR_OK;
}

/* A run goes on in the precision it was begun in, unless the person wants another. */
static void adopt_precision(pyr_level_trainer *t, const pyr_progress *progress)
{
    static const char *const names[PYR_TYPES] = {
        [PYR_F32] = "f32", [PYR_F64] = "double", [PYR_BF16] = "bf16"};
    pyr_kernels *k = t->job.k;
    pyr_type begun = progress->activation == PYR_BF16 ? PYR_BF16 : k->real;
    char line[128];

    if (k->activation == begun)
        return;
    if (k->auto_precision && (begun != PYR_BF16 || k->has_bf16))
        k->activation = begun;
    snprintf(line, sizeof line, "level %d: begun in %s, goes on in %s", t->level.facts.index, names[begun],
             names[k->activation]);
    if (t->job.on_note)
        t->job.on_note(t->job.ctx, line);
}

static pyr_status plan(pyr_level_trainer *t, const pyr_level_settings *settings, int index)
{
    const pyr_level_job *job = &t->job;
    pyr_adamw adamw = {settings->beta1, settings->beta2, settings->eps, settings->weight_decay};
    pyr_level_facts facts;
    pyr_progress progress;

    t->resumed = pyr_level_has_state(job->folder);
    PYR_TRY(pyr_level_init(&t->level, settings, job->pyramid, index, pyr_dataset_classes(job->data),
                           pyr_dataset_fingerprint(job->data)));
    if (job->unet)
        t->level.unet = *job->unet;
    if (t->resumed) {
        PYR_TRY(pyr_level_peek(job->folder, &facts, &progress, job->k->tuning));
        adopt_precision(t, &progress);
    } else if (job->k->auto_precision)
        PYR_TRY(pyr_kernels_precision(job->k, "auto"));
    PYR_TRY(choose_micro_batch(t));
    PYR_TRY(pyr_feed_new(&t->feed, job->k, job->data, job->pyramid, t->micro_batch, job->k->lanes));
    if (t->resumed) { /* the statistics are constants of the graph: they must be those of the run */
        memcpy(t->level.facts.mean, facts.mean, sizeof facts.mean);
        memcpy(t->level.facts.std, facts.std, sizeof facts.std);
        t->level.facts.condition_std = facts.condition_std;
    } else
        PYR_TRY(pyr_level_measure(&t->level, &t->feed));
    PYR_TRY(allocate(t));
    PYR_TRY(pyr_loss_new(
        &t->loss, job->k, &t->params, &t->level,
        &(pyr_loss_plan){.batch = t->micro_batch, .groups = settings->groups, .training = true}));
    pyr_tuning_keep(job->k->tuning);
    PYR_TRY(pyr_optimizer_new(&t->optimizer, job->k, &t->params, adamw));
    return t->resumed ? resume(t) : initial_weights(t);
}

pyr_status pyr_level_trainer_new(pyr_level_trainer **out, const pyr_level_job *job,
                                 const pyr_level_settings *settings, int index)
{
    pyr_level_trainer *t;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&t, 1, sizeof *t, "trainer"));
    t->job = *job;
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
    for (int i = 0; i < t->feed.lanes; i++) {
        if (t->index)
            pyr_free(t->index[i]);
        if (t->flip)
            pyr_free(t->flip[i]);
        if (t->labels)
            pyr_free(t->labels[i]);
    }
    pyr_free(t->index);
    pyr_free(t->flip);
    pyr_free(t->labels);
    pyr_free(t->losses);
    pyr_free(t->seeds);
    pyr_loss_free(&t->loss);
    pyr_optimizer_free(&t->optimizer);
    pyr_params_free(&t->params);
    pyr_feed_free(&t->feed);
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

pyr_status pyr_level_trainer_memory(pyr_level_trainer *t, pyr_level_memory *out)
{
    pyr_graph_memory train = pyr_graph_bytes(t->loss.g);
    pyr_loss loss = {0};
    pyr_status status;

    status = pyr_loss_new(&loss, t->job.k, &t->params, &t->level, &(pyr_loss_plan){.batch = t->micro_batch});
    if (status == PYR_OK) {
        *out = (pyr_level_memory){.parameters = pyr_params_model_count(&t->params),
                                  .blocks = pyr_optimizer_bytes(t->job.k, &t->params),
                                  .activations = (size_t)pyr_graph_lanes(t->loss.g) * train.arena,
                                  .accumulators = train.packed + train.accumulators,
                                  .feed = pyr_feed_bytes(&t->feed),
                                  .held_out = pyr_graph_bytes(loss.g).total,
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

pyr_status pyr_level_trainer_run(pyr_level_trainer *t)
{
    const pyr_level_settings *s = &t->level.settings;
    pyr_train_calls calls = {.ctx = t,
                             .step = step,
                             .checkpoint = checkpoint,
                             .report = report,
                             .snapshot = t->job.snapshot < 0 ? NULL : snapshot,
                             .explain = explain};
    pyr_train_plan train;

    if (!t->resumed) {
        PYR_TRY(count_steps(t));
        PYR_TRY(initial_weights(t)); /* again: measuring has moved moments and EMA */
    }
    PYR_TRY(open_log(t));
    train = (pyr_train_plan){.batch = s->batch,
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
                             .most_skipped = MOST_SKIPPED};
    return pyr_train_run(&train, &calls, &t->optimizer, &t->progress.train);
}

pyr_status pyr_level_trainer_gradient(pyr_level_trainer *t, int64_t number, double *loss,
                                      pyr_optimizer **optimizer, const pyr_params **params)
{
    PYR_TRY(step(t, number, loss));
    *optimizer = &t->optimizer;
    *params = &t->params;
    return PYR_OK;
}
