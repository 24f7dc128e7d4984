/* train_level.c - one level in training. */
#include "training/train_level.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "images/order.h"
#include "network/unet.h"
#include "training/level_log.h"
#include "training/micro_batch.h"
#include "training/snapshot.h"
#include <math.h>
#include <string.h>

void pyr_train_note(const pyr_trainer_job *job, const char *fmt, ...)
{
    va_list args;
    char *line;

    va_start(args, fmt);
    line = pyr_vstrfmt(fmt, args);
    va_end(args);
    if (line && job->on_note)
        job->on_note(job->ctx, line);
    pyr_free(line);
}

/* ---- a step's images and draws ------------------------------------------------------------------ */

static bool flipped(const pyr_train_level *l, int64_t step, int i)
{
    /* the same on every level: level 0's stream */
    return l->job->xflip &&
           pyr_philox(l->job->seed, 0, (uint32_t)i, (uint32_t)step, pyr_rng_purpose(PYR_RNG_FLIP, 0)).v[0] &
               1;
}

pyr_pick pyr_train_level_pick(pyr_train_level *l, int64_t step)
{
    const pyr_dataset *data = l->job->data;
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_TRAIN);
    int64_t count = pyr_dataset_count(data, PYR_SPLIT_TRAIN);
    int batch = l->learner.batch;

    for (int i = 0; i < batch && l->picked != step; i++) {
        int64_t at = pyr_order(l->job->seed, step * batch + i, count);
        int64_t next = pyr_order(l->job->seed, (step + 1) * batch + i, count);

        pyr_dataset_expect(data, PYR_SPLIT_TRAIN, &next, 1);
        l->index[i] = at;
        l->flip[i] = flipped(l, step, i);
        l->labels[i] = labels ? labels[at] : 0;
    }
    l->picked = step;
    return (pyr_pick){.split = PYR_SPLIT_TRAIN,
                      .n = batch,
                      .index = l->index,
                      .flip = l->flip,
                      .seed = l->job->seed,
                      .step = (uint32_t)step,
                      .transform = l->job->augment};
}

static int pieces_of(const pyr_train_level *l)
{
    return (l->learner.batch + l->learner.micro_batch - 1) / l->learner.micro_batch;
}

size_t pyr_train_level_draw_bytes(const pyr_train_level *l)
{
    return (size_t)pieces_of(l) * l->loss.draw_bytes;
}

void pyr_train_level_prepare(pyr_train_level *l, int64_t step, char *host)
{
    bool labelled = l->level.facts.classes && pyr_dataset_labels(l->job->data, PYR_SPLIT_TRAIN);
    int batch = l->learner.batch, micro = l->learner.micro_batch;

    if (labelled || l->loss.parzen)
        pyr_train_level_pick(l, step);
    for (int piece = 0; piece < pieces_of(l); piece++) {
        int first = piece * micro, rest = batch - first;

        pyr_loss_prepare(&l->loss,
                         &(pyr_draw){.seed = l->job->seed,
                                     .step = (uint32_t)step,
                                     .first = first,
                                     .n = rest < micro ? rest : micro,
                                     .batch = batch,
                                     .labels = labelled ? l->labels + first : NULL,
                                     .images = l->index + first},
                         host + (size_t)piece * l->loss.draw_bytes);
    }
}

/* Out of the batch's pyramid. */
static void copy_images(pyr_train_level *l, int lane, int first, int n)
{
    pyr_kernels *k = l->job->k;
    size_t real = pyr_type_size(k->real), variable = pyr_count(l->level.variable) * real,
           condition = pyr_count(l->level.condition) * real;

    pyr_copy(k, pyr_graph_data(l->loss.g, lane, l->loss.variable),
             (const char *)l->variable + (size_t)first * variable, (size_t)n * variable);
    if (l->loss.condition >= 0)
        pyr_copy(k, pyr_graph_data(l->loss.g, lane, l->loss.condition),
                 (const char *)l->condition + (size_t)first * condition, (size_t)n * condition);
}

/* Where image `at` of a lane lies; NULL: there is no such input. */
static void *image_at(const pyr_train_level *l, int lane, pyr_value v, int at)
{
    pyr_graph *g = l->loss.g;

    if (v < 0)
        return NULL;
    return (char *)pyr_graph_data(g, lane, v) +
           (size_t)at * (pyr_count(pyr_graph_shape(g, v)) / (size_t)pyr_graph_batch(g) *
                         pyr_type_size(l->job->k->real));
}

static void load(void *ctx, int lane, int first, int n)
{
    pyr_train_level *l = ctx;
    const pyr_loss *loss = &l->loss;

    if (l->variable)
        copy_images(l, lane, first, n);
    for (int done = 0, some; done < n && !l->variable; done += some) {
        some = n - done < l->feed.batch ? n - done : l->feed.batch;
        pyr_feed_level_of(&l->feed, lane, &(pyr_piece){l->images, l->learner.batch, first + done, some},
                          l->level.facts.index, image_at(l, lane, loss->variable, done),
                          image_at(l, lane, loss->condition, done));
    }
    pyr_loss_take(&l->loss, lane, l->draws + (size_t)(first / l->learner.micro_batch) * loss->draw_bytes, n);
}

const char *pyr_train_level_explain(pyr_train_level *l, int64_t step)
{
    const pyr_learner *learner = &l->learner;
    pyr_draw draw = {.seed = l->job->seed, .step = (uint32_t)step, .batch = learner->batch};
    int at = 0;
    double mean;

    if (pyr_learner_losses(&l->learner, &mean) != PYR_OK)
        return "";
    while (at < learner->batch && isfinite(learner->host_losses[at]))
        at++;
    if (at == learner->batch)
        snprintf(l->explanation, sizeof l->explanation, "level %d, the loss of every image is finite",
                 l->level.facts.index);
    else
        snprintf(l->explanation, sizeof l->explanation,
                 "level %d, image %lld of the data at noise level sigma %.4g", l->level.facts.index,
                 (long long)pyr_order(l->job->seed, step * learner->batch + at,
                                      pyr_dataset_count(l->job->data, PYR_SPLIT_TRAIN)),
                 pyr_draw_level(&l->loss, &draw, at));
    return l->explanation;
}

/* ---- the level's own network -------------------------------------------------------------------- */

static bool has_plain(const pyr_train_level *l)
{
    return l->plain_params.n > 0;
}

/* With a shared trunk, or parameters for training alone, the level's own network is a copy, made when it is wanted. */
static pyr_status take_plain(pyr_train_level *l)
{
    pyr_kernels *k = l->job->k;
    size_t bytes = l->plain_params.count * pyr_type_size(k->real);
    const pyr_optimizer *o = &l->block->optimizer;

    if (!has_plain(l))
        return PYR_OK;
    if (!l->plain_raw)
        PYR_TRY(pyr_alloc(k, &l->plain_raw, bytes, "weights of a level"));
    if (!l->plain_ema)
        PYR_TRY(pyr_alloc(k, &l->plain_ema, bytes, "weights of a level"));
    PYR_TRY(pyr_unet_unshare(&l->plain_params, l->plain_raw, &l->block->params, o->value,
                             l->level.facts.index, k));
    return pyr_unet_unshare(&l->plain_params, l->plain_ema, &l->block->params, o->ema, l->level.facts.index,
                            k);
}

static pyr_params *plain_params(pyr_train_level *l)
{
    return has_plain(l) ? &l->plain_params : &l->block->params;
}

static const void *plain_ema(const pyr_train_level *l)
{
    return has_plain(l) ? l->plain_ema : l->block->optimizer.ema;
}

pyr_status pyr_train_level_held_out(pyr_train_level *l, pyr_held_out *out)
{
    PYR_TRY(take_plain(l));
    return pyr_held_out_measure(out, &l->level, &l->feed, plain_params(l),
                                has_plain(l) ? l->plain_raw : l->block->optimizer.value, plain_ema(l));
}

pyr_status pyr_train_level_save_unet(pyr_train_level *l)
{
    PYR_TRY(pyr_level_log_sync(l->log, l->own->folder));
    PYR_TRY(take_plain(l));
    return pyr_level_save_unet(l->own->folder, &l->level, plain_params(l), l->job->k, plain_ema(l));
}

/* LEVEL/ema/STEP-LENGTH/unet for each length. A shared trunk's room for its EMA is borrowed: take_plain fills it again. */
pyr_status pyr_train_level_save_averages(pyr_train_level *l, int64_t step)
{
    const pyr_optimizer *o = &l->block->optimizer;
    pyr_status status = o->powers ? take_plain(l) : PYR_OK;

    for (int i = 0; i < o->powers && status == PYR_OK; i++) {
        const void *average = o->average[i];
        char *folder;

        if (has_plain(l)) {
            PYR_TRY(pyr_unet_unshare(&l->plain_params, l->plain_ema, &l->block->params, o->average[i],
                                     l->level.facts.index, l->job->k));
            average = l->plain_ema;
        }
        PYR_TRY(pyr_format(&folder, "%s/" PYR_AVERAGES_NAME "/%08lld-%g", l->own->folder, (long long)step,
                           o->length[i]));
        status = pyr_level_save_unet(folder, &l->level, plain_params(l), l->job->k, average);
        pyr_free(folder);
    }
    return status;
}

pyr_status pyr_train_level_snapshot(pyr_train_level *l, int64_t step)
{
    const pyr_trainer_job *job = l->job;
    char *path;
    pyr_status status;

    PYR_TRY(take_plain(l));
    PYR_TRY(
        pyr_format(&path, "%s/snapshot-%08lld.png", l->own->folder, (long long)(step * l->learner.batch)));
    status = pyr_snapshot_write(path, job->k, &l->level, &l->feed, plain_ema(l));
    if (status == PYR_OK)
        pyr_train_note(job, "level %d: snapshot %s", l->level.facts.index, path);
    pyr_free(path);
    return status;
}

/* ---- beginning ---------------------------------------------------------------------------------- */

static pyr_status init_level(pyr_level *level, const pyr_trainer_job *job, int at)
{
    const pyr_level_job *own = &job->level[at];

    PYR_TRY(pyr_level_init(level, own->settings, job->pyramid, own->index, pyr_dataset_classes(job->data),
                           pyr_dataset_fingerprint(job->data)));
    level->facts.bits = pyr_dataset_shape_of(job->data).bits;
    level->precision = job->k->precision;
    if (job->k->backend->whole_batch)
        level->settings.groups = 1; /* a device takes a batch at once */
    if (own->unet)
        level->unet = *own->unet;
    return PYR_OK;
}

pyr_status pyr_train_level_init(pyr_train_level *l, const pyr_trainer_job *job, int at)
{
    *l = (pyr_train_level){.job = job, .own = &job->level[at], .picked = -1};
    PYR_TRY(init_level(&l->level, job, at));
    if (l->level.facts.classes) {
        PYR_TRY(pyr_class_list_of_data(&l->classes, job->data, l->own->settings->class_dropout));
        l->level.classes = &l->classes;
    }
    return PYR_OK;
}

static void take_statistics(pyr_level_facts *to, const pyr_level_facts *from)
{
    memcpy(to->mean, from->mean, sizeof to->mean);
    memcpy(to->std, from->std, sizeof to->std);
    to->condition_std = from->condition_std;
}

/* The parameters' table of the level's own network, made by a graph that is thrown away. */
static pyr_status plan_plain(pyr_train_level *l)
{
    pyr_loss loss = {0};
    pyr_status status =
        pyr_loss_new(&loss, l->job->k, &l->plain_params, &l->level, &(pyr_loss_plan){.batch = 1, .lanes = 1});

    pyr_loss_free(&loss);
    return status;
}

/* The images that explicit score matching goes by are the training set as it is. */
static pyr_status take_parzen(pyr_train_level *l)
{
    if (l->job->xflip || l->job->dequantise || l->job->augment > 0)
        return pyr_fail(
            PYR_E_CONFIG,
            "level.objective is explicit, which goes by the training images as they are: %s changes "
            "them, turn it off",
            l->job->xflip        ? "data.xflip"
            : l->job->dequantise ? "data.dequantise"
                                 : "data.augment");
    if (l->level.condition.c || l->level.facts.classes)
        return pyr_fail(
            PYR_E_CONFIG,
            "level.objective is explicit, which knows the score of all training images and of no part "
            "of them: set %s, so that level %d is given nothing",
            l->level.condition.c ? "level.condition = none" : "level.classes = false", l->level.facts.index);
    PYR_TRY(pyr_parzen_new(&l->parzen, &l->level, &l->feed));
    l->loss.parzen = &l->parzen;
    return PYR_OK;
}

pyr_status pyr_train_level_plan(pyr_train_level *l, const pyr_loss_plan *plan, double weight,
                                pyr_train_block *block, bool resumed)
{
    const pyr_trainer_job *job = l->job;
    size_t batch = (size_t)l->level.settings.batch;

    l->block = block;
    PYR_TRY(
        pyr_feed_new(&l->feed, job->k, job->data, job->pyramid, plan->batch / plan->parts, job->k->lanes));
    l->feed.dequantise = job->dequantise;
    if (resumed) /* the statistics are constants of the graph: they must be those of the run */
        take_statistics(&l->level.facts, &l->begun);
    else if (l->own->measured)
        take_statistics(&l->level.facts, l->own->measured);
    else
        PYR_TRY(pyr_level_measure(&l->level, &l->feed));
    PYR_TRY(pyr_new(&l->index, batch, sizeof *l->index, "batch"));
    PYR_TRY(pyr_new(&l->flip, batch, sizeof *l->flip, "batch"));
    PYR_TRY(pyr_new(&l->labels, batch, sizeof *l->labels, "batch"));
    PYR_TRY(pyr_loss_new(&l->loss, job->k, &block->params, &l->level, plan));
    if (l->loss.objective == PYR_EXPLICIT_SCORE_MATCHING)
        PYR_TRY(take_parzen(l));
    l->learner = (pyr_learner){.k = job->k,
                               .g = l->loss.g,
                               .loss = l->loss.loss,
                               .optimizer = &block->optimizer,
                               .batch = l->level.settings.batch,
                               .micro_batch = plan->batch,
                               .groups = l->learner.groups,
                               .accumulators = plan->groups,
                               .weight = weight,
                               .load = load,
                               .ctx = l};
    PYR_TRY(pyr_learner_allocate(&l->learner));
    return plan->shared || plan->transforms > 0 ? plan_plain(l) : PYR_OK;
}

void pyr_train_level_free(pyr_train_level *l)
{
    if (!l->job)
        return;
    pyr_free(l->index);
    pyr_free(l->flip);
    pyr_free(l->labels);
    pyr_learner_free(&l->learner);
    pyr_loss_free(&l->loss);
    pyr_params_free(&l->plain_params);
    pyr_release(l->job->k, l->plain_raw);
    pyr_release(l->job->k, l->plain_ema);
    pyr_feed_free(&l->feed);
    pyr_parzen_free(&l->parzen);
    pyr_class_list_free(&l->classes);
    if (l->log)
        fclose(l->log);
    *l = (pyr_train_level){0};
}

pyr_status pyr_train_level_statistics(pyr_level_facts *out, const pyr_trainer_job *job, int at,
                                      bool for_training)
{
    enum { IMAGES = 64 };
    pyr_level level;
    pyr_feed feed = {0};
    int images = IMAGES;
    pyr_status status;

    PYR_TRY(init_level(&level, job, at));
    if (for_training) {
        pyr_division division;

        PYR_TRY(pyr_divide_batch(&division, job->k, &(const pyr_level *){&level}, 1));
        images = division.images / division.parts;
    }
    status = pyr_feed_new(&feed, job->k, job->data, job->pyramid, images, job->k->lanes);
    feed.dequantise = job->dequantise;
    if (status == PYR_OK)
        status = pyr_level_measure(&level, &feed);
    pyr_feed_free(&feed);
    *out = level.facts;
    return status;
}

pyr_status pyr_train_level_memory(pyr_train_level *l, pyr_level_memory *out)
{
    pyr_kernels *k = l->job->k;
    pyr_graph_memory train = pyr_graph_bytes(l->loss.g);
    size_t lanes = (size_t)pyr_graph_lanes(l->loss.g);
    size_t copies = has_plain(l) ? 2 * l->plain_params.count * pyr_type_size(k->real) : 0;
    pyr_loss loss = {0};
    pyr_status status =
        pyr_loss_new(&loss, k, plain_params(l), &l->level, &(pyr_loss_plan){.batch = l->feed.batch});

    if (status == PYR_OK)
        *out = (pyr_level_memory){.parameters = pyr_params_model_count(plain_params(l)),
                                  .blocks = pyr_optimizer_bytes(k, &l->block->params) +
                                            (size_t)l->level.settings.ema_lengths.n * l->block->params.count *
                                                pyr_type_size(k->real),
                                  .activations = lanes * train.arena,
                                  .accumulators = train.packed + train.accumulators,
                                  .feed = pyr_feed_bytes(&l->feed),
                                  .held_out = pyr_graph_bytes(loss.g).total + copies,
                                  .library = k->library_bytes,
                                  .micro_batch = l->learner.micro_batch,
                                  .lanes = (int)lanes,
                                  .flop = pyr_graph_flop(l->loss.g)};
    pyr_loss_free(&loss);
    return status;
}
