/* model.c - opens the levels of a run, and samples them from the coarsest to the finest. */
#include "cascade/model.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "base/stop.h"
#include "graph/lane_share.h"
#include "levels/level_file.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Working memory of a lane: images of two neighbouring levels, condition, variable, scratch. */
typedef struct pyr_model_lane {
    void *image[2], *condition, *variable, *work, *scratch;
    void *noisy;    /* the condition with noise, as the network gets it */
    void *streams;  /* of that noise */
    uint32_t *rows; /* host */
} lane_memory;

/* ---- opening ----------------------------------------------------------------------------------- */

/* And the choices that training measured: the same ones give the same bytes in every sampling. A level
 * without a state, or with a damaged one, can be drawn from all the same: its convolutions follow their model
 * then. */
static pyr_status read_facts(const char *run, int index, pyr_unet_files *files, pyr_unet_config *unet,
                             pyr_level_facts *facts, pyr_tuning *tuning)
{
    char *folder;

    PYR_TRY(pyr_run_open_level(run, index, files, unet, facts));
    PYR_TRY(pyr_run_level(&folder, run, index));
    (void)pyr_level_choices(folder, tuning);
    pyr_free(folder);
    return PYR_OK;
}

/* Whether the network reads and gives what the level needs. */
static pyr_status check_network(const pyr_level *level, const char *path)
{
    const pyr_unet_config *u = &level->unet;
    int p2 = u->patch * u->patch, classes = level->facts.classes;

    if (u->in_channels != (level->variable.c + pyr_level_condition_channels(level)) * p2 ||
        u->out_channels != level->variable.c * p2)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: in_channels %d and out_channels %d do not fit level %d of this pyramid", path,
                        u->in_channels, u->out_channels, level->facts.index);
    if (u->class_embed_type != (classes ? PYR_UNET_CLASS_TABLE : PYR_UNET_CLASS_NONE) ||
        (classes && u->num_class_embeds != classes + 1))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the class embedding does not fit a level that was trained with %d classes", path,
                        classes);
    if (u->time_embedding_type == PYR_UNET_LEARNED)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: time_embedding_type is learned, a level needs positional or fourier", path);
    return PYR_OK;
}

/* "heun 18", "heun 18 guidance 2 rescale 0.7 classifier 1" */
static void put_words(char words[PYR_SAMPLER_WORDS], const pyr_level *level)
{
    const pyr_level_settings *s = &level->settings;
    char sampler[80], guidance[32] = "", rescale[32] = "", classifier[32] = "";

    pyr_sampler_words(sampler, sizeof sampler, &s->sampler);
    if (pyr_level_guided(level, -1)) {
        snprintf(guidance, sizeof guidance, " guidance %g", s->sampler_guidance);
        if (s->guidance_rescale > 0)
            snprintf(rescale, sizeof rescale, " rescale %g", s->guidance_rescale);
    }
    if (s->classifier_scale > 0)
        snprintf(classifier, sizeof classifier, " classifier %g", s->classifier_scale);
    snprintf(words, PYR_SAMPLER_WORDS, "%s%s%s%s", sampler, guidance, rescale, classifier);
}

/* The level as its files say it is, in the run's pyramid (which the first level that is opened makes); what
 * its manifest says about sampling is taken over. */
static pyr_status read_level(pyr_model *m, const char *run, const pyr_config *config, pyr_level *level,
                             pyr_unet_files *files)
{
    pyr_level_facts *facts = &level->facts;
    int index = facts->index;

    PYR_TRY(read_facts(run, index, files, &level->unet, facts, m->k->tuning));
    if (facts->index != index || facts->levels != m->levels)
        return pyr_fail(PYR_E_CONFIG, "%s/level-%d holds level %d of a pyramid of %d levels, the run has %d",
                        run, index, facts->index, facts->levels, m->levels);
    if (!m->pyramid) {
        if (facts->filter != config->pyramid.filter)
            return pyr_fail(PYR_E_CONFIG,
                            "level %d of %s was trained with the filter %s, the run's pyramid has %s", index,
                            run, pyr_filter_names[facts->filter], pyr_filter_names[config->pyramid.filter]);
        PYR_TRY(pyr_pyramid_new(&m->pyramid, m->k, &config->pyramid, facts->h, facts->w, facts->c));
    }
    level->variable = pyr_pyramid_variable_shape(m->pyramid, index);
    level->condition = pyr_pyramid_condition_shape(m->pyramid, index);
    if (facts->condition == PYR_CONDITION_NONE)
        level->condition.c = 0;
    if (facts->class_dropout < 0) /* of an older program: it is in the manifest only */
        facts->class_dropout = config->level[index].class_dropout;
    return check_network(level, files->config);
}

/* The classes of all levels together: "no class" can be drawn when every level, and every weaker network, was
 * trained with it. */
static pyr_status join_classes(pyr_model *m, const pyr_level_facts *facts, const pyr_unet_files *files)
{
    pyr_class_list *list = &m->class_list;

    if (!facts->classes)
        return PYR_OK;
    if (!list->n)
        return pyr_class_list_read(list, files->weights.at[0], facts->classes, facts->class_dropout);
    list->none = list->none && facts->class_dropout > 0;
    if (facts->class_dropout >= 1)
        list->n_can = 0;
    return PYR_OK;
}

/* The network that guidance leads away from: any shape, but it must speak of the same numbers. */
static pyr_status open_weaker(pyr_model *m, const char *run, const pyr_config *config,
                              const pyr_level *strong)
{
    pyr_unet_files files = {0};
    pyr_level level = {.settings = config->level[strong->facts.index],
                       .facts = strong->facts,
                       .precision = strong->precision};
    pyr_sampled_level *to = &m->weaker[strong->facts.index];
    pyr_status status = PYR_OK;
    bool fits;

    PYR_TRY_OUT(read_level(m, run, config, &level, &files));
    PYR_TRY_OUT(pyr_facts_match(&level.facts, "the weaker network", &strong->facts, "the network"));
    fits = level.facts.condition == strong->facts.condition && level.facts.classes == strong->facts.classes &&
           level.facts.noise_unit == strong->facts.noise_unit;
    for (int b = 0; b < strong->facts.bands; b++)
        fits = fits && fabs(level.facts.std[b] / strong->facts.std[b] - 1) < 1e-6 &&
               fabs(level.facts.mean[b] - strong->facts.mean[b]) < 1e-6 * strong->facts.std[b];
    if (!fits)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_CONFIG,
                     "level %d of %s cannot guide: its condition, classes or statistics are not those of "
                     "the run; train it on the same data with the same level.condition and classes",
                     strong->facts.index, run));
    PYR_TRY_OUT(join_classes(m, &level.facts, &files));
    level.settings.sampler_guidance = 1;
    PYR_TRY_OUT(pyr_sampled_level_new(to, m->k, &level, &files, NULL, m->batch));
    PYR_TRY_OUT(pyr_params_hash(&m->hash, &to->params, m->k, to->block));
out:
    pyr_unet_files_free(&files);
    return status;
}

/* What sampler.start gaussian or class starts from, and what a measured sampler.variance goes by. */
static pyr_status read_measured(pyr_model *m, pyr_sampled_level *s, const char *run)
{
    const pyr_sampler *sampler = &s->level.settings.sampler;
    uint64_t hash = PYR_HASH_START;
    char *folder;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_run_level(&folder, run, s->level.facts.index));
    if (sampler->start == PYR_START_GAUSSIAN)
        PYR_TRY_OUT(pyr_gaussian_read(&s->gaussian, &s->level, folder, run));
    if (sampler->start == PYR_START_CLASS)
        PYR_TRY_OUT(pyr_class_fit_read(&s->classes, &s->level, folder, run));
    if (pyr_sampler_measured(sampler)) {
        PYR_TRY_OUT(pyr_params_hash(&hash, &s->params, m->k, s->block));
        PYR_TRY_OUT(pyr_score_moments_read(&s->moments, &s->level, hash, folder, run));
    }
out:
    pyr_free(folder);
    return status;
}

/* What sampler.classifier_scale is guided by. Its classes are the model's where the networks know none. */
static pyr_status open_classifier(pyr_model *m, pyr_sampled_level *s, const char *run)
{
    pyr_noise_classifier *c = &s->classifier;
    int index = s->level.facts.index;
    char *folder;
    pyr_status status;

    if (!(s->level.settings.classifier_scale > 0))
        return PYR_OK;
    PYR_TRY(pyr_run_level(&folder, run, index));
    status = pyr_noise_classifier_new(c, m->k, &s->level, folder, run, m->batch);
    pyr_free(folder);
    PYR_TRY(status);
    s->denoiser.classifier = c;
    m->hash = pyr_hash(m->hash, &c->hash, sizeof c->hash);
    return PYR_OK;
}

/* When all levels are open. */
static pyr_status join_classifiers(pyr_model *m, const char *run)
{
    for (int i = 0; i < m->levels; i++) {
        if (!pyr_model_has(m, i) || !m->level[i].denoiser.classifier)
            continue;
        const pyr_class_list *own = &m->level[i].classifier.classes;

        if (!m->class_list.n)
            PYR_TRY(pyr_class_list_copy(&m->class_list, own));
        else if (m->class_list.n != own->n)
            return pyr_fail(PYR_E_CONFIG,
                            "the classifier of level %d tells %d classes, the run has %d: pyrdiff classifier "
                            "--noise --network %s --level %d trains it again",
                            i, own->n, m->class_list.n, PYR_SHELL(run), i);
    }
    return PYR_OK;
}

static pyr_status open_level(pyr_model *m, const char *run, const char *weaker, const pyr_config *config,
                             int index, pyr_level_facts *first)
{
    pyr_unet_files files = {0};
    pyr_level level = {.settings = config->level[index],
                       .facts.index = index,
                       .precision = m->k->precision,
                       .weaker = weaker != NULL};
    pyr_status status = PYR_OK;
    char name[64], other[64];

    PYR_TRY_OUT(read_level(m, run, config, &level, &files));
    if (!first->levels) /* the coarsest comes first and sets what the others must fit */
        *first = level.facts;
    snprintf(name, sizeof name, "level %d", index);
    snprintf(other, sizeof other, "level %d", first->index);
    PYR_TRY_OUT(pyr_facts_match(&level.facts, name, first, other));
    if (level.facts.bits > m->bits) /* a level of an older program does not say that it has 16 */
        m->bits = level.facts.bits;
    if (level.facts.classes > m->classes)
        m->classes = level.facts.classes;
    PYR_TRY_OUT(join_classes(m, &level.facts, &files));
    put_words(m->sampler[index], &level);
    PYR_TRY_OUT(pyr_sampled_level_new(&m->level[index], m->k, &level, &files, NULL, m->batch));
    PYR_TRY_OUT(pyr_params_hash(&m->hash, &m->level[index].params, m->k, m->level[index].block));
    PYR_TRY_OUT(read_measured(m, &m->level[index], run));
    PYR_TRY_OUT(open_classifier(m, &m->level[index], run));
    if (weaker) {
        PYR_TRY_OUT(open_weaker(m, weaker, config, &level));
        m->level[index].weaker = &m->weaker[index];
    }
out:
    pyr_unet_files_free(&files);
    return status;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static pyr_status allocate(pyr_model *m)
{
    pyr_kernels *k = m->k;
    size_t image = 0, condition = 0, variable = 0, work = 0, n = (size_t)m->batch,
           real = pyr_type_size(k->real);
    size_t scratch = pyr_pyramid_scratch(m->pyramid, m->batch);

    for (int i = 0; i < m->levels; i++) {
        if (m->only >= 0 && i != m->only && i != m->only + 1)
            continue;
        image = larger(image, n * pyr_count(pyr_pyramid_image_shape(m->pyramid, i)) * real);
        condition = larger(condition, n * pyr_count(pyr_pyramid_condition_shape(m->pyramid, i)) * real);
        if (!pyr_model_has(m, i))
            continue;
        variable = larger(variable, n * pyr_count(m->level[i].level.variable) * real);
        work = larger(work, pyr_level_sample_work(&m->level[i], k, m->batch));
    }
    m->lane_bytes = 2 * image + 2 * condition + variable + work + scratch;
    PYR_TRY(pyr_new(&m->memory, (size_t)k->lanes, sizeof *m->memory, "lanes"));
    for (int lane = 0; lane < k->lanes; lane++) {
        lane_memory *w = &m->memory[lane];

        PYR_TRY(pyr_alloc(k, &w->image[0], image, "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->image[1], image, "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->condition, condition, "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->noisy, condition, "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->streams, n * PYR_STREAM_WORDS * sizeof(uint32_t), "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->variable, variable, "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->work, work, "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->scratch, scratch, "images to draw"));
        PYR_TRY(pyr_new(&w->rows, n, sizeof *w->rows, "images to draw"));
    }
    return PYR_OK;
}

static pyr_status open_all(pyr_model *m, const char *run, const char *weaker, const pyr_config *config)
{
    pyr_level_facts first = {0};

    PYR_TRY(pyr_new(&m->level, (size_t)m->levels, sizeof *m->level, "levels"));
    if (weaker)
        PYR_TRY(pyr_new(&m->weaker, (size_t)m->levels, sizeof *m->weaker, "levels"));
    for (int i = m->levels - 1; i >= 0; i--)
        if (pyr_model_has(m, i))
            PYR_TRY(open_level(m, run, weaker, config, i, &first));
    PYR_TRY(join_classifiers(m, run));
    return allocate(m);
}

/* One size always, so that the batch asked for changes no bit. With guidance an image takes two places of a
 * graph's batch, which stays as large as the backend likes it. */
static int batch_of(const pyr_kernels *k, const pyr_config *config, bool weaker)
{
    for (int i = 0; i < config->pyramid.levels; i++)
        if (pyr_guidance_in_one_batch(&config->level[i], weaker))
            return k->micro_batch > 1 ? k->micro_batch / 2 : 1;
    return k->micro_batch;
}

pyr_status pyr_model_open(pyr_model **out, pyr_kernels *k, const char *run, const pyr_config *config)
{
    return pyr_model_open_level(out, k, run, NULL, config, -1);
}

pyr_status pyr_model_open_level(pyr_model **out, pyr_kernels *k, const char *run, const char *weaker,
                                const pyr_config *config, int level)
{
    pyr_model *m;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&m, 1, sizeof *m, "model"));
    m->k = k;
    m->levels = config->pyramid.levels;
    m->only = level;
    m->batch = batch_of(k, config, weaker != NULL);
    m->hash = PYR_HASH_START;
    status = open_all(m, run, weaker, config);
    if (status != PYR_OK)
        pyr_model_free(m);
    else
        *out = m;
    return status;
}

void pyr_model_free(pyr_model *m)
{
    if (!m)
        return;
    for (int i = 0; m->level && i < m->levels; i++)
        pyr_sampled_level_free(&m->level[i], m->k);
    for (int i = 0; m->weaker && i < m->levels; i++)
        pyr_sampled_level_free(&m->weaker[i], m->k);
    for (int lane = 0; m->memory && lane < m->k->lanes; lane++) {
        lane_memory *w = &m->memory[lane];

        pyr_release(m->k, w->image[0]);
        pyr_release(m->k, w->image[1]);
        pyr_release(m->k, w->condition);
        pyr_release(m->k, w->noisy);
        pyr_release(m->k, w->streams);
        pyr_release(m->k, w->variable);
        pyr_release(m->k, w->work);
        pyr_release(m->k, w->scratch);
        pyr_free(w->rows);
    }
    pyr_free(m->memory);
    pyr_free(m->level);
    pyr_free(m->weaker);
    pyr_class_list_free(&m->class_list);
    pyr_pyramid_free(m->pyramid);
    pyr_free(m);
}

bool pyr_model_has(const pyr_model *m, int level)
{
    return m->only < 0 || level == m->only;
}

pyr_shape pyr_model_image(const pyr_model *m, int level)
{
    return pyr_pyramid_image_shape(m->pyramid, level);
}

/* As its settings say, whatever its classes; 1: none. */
static double guidance_of(const pyr_model *m, int level)
{
    return pyr_model_has(m, level) ? m->level[level].level.settings.sampler_guidance : 1;
}

int pyr_model_nfe(const pyr_model *m, int level)
{
    return pyr_model_has(m, level) ? pyr_level_nfe(&m->level[level]) : 0;
}

double pyr_model_flop(const pyr_model *m, int level)
{
    return pyr_model_has(m, level) ? pyr_level_sample_flop(&m->level[level]) : 0;
}

size_t pyr_model_bytes(const pyr_model *m)
{
    size_t bytes = (size_t)m->k->lanes * m->lane_bytes;

    for (int i = 0; i < m->levels; i++)
        if (pyr_model_has(m, i))
            bytes +=
                pyr_denoiser_bytes(&m->level[i].denoiser).total +
                m->level[i].params.count * pyr_type_size(m->k->real) +
                (m->level[i].denoiser.classifier ? pyr_noise_classifier_bytes(&m->level[i].classifier) : 0);
    for (int i = 0; m->weaker && i < m->levels; i++)
        if (pyr_model_has(m, i))
            bytes += pyr_denoiser_bytes(&m->weaker[i].denoiser).total +
                     m->weaker[i].params.count * pyr_type_size(m->k->real);
    return bytes;
}

/* Guidance needs a class to go to, and a row "no class" to come from; or a weaker network. */
static pyr_status check_guidance(const pyr_model *m, bool has_class)
{
    bool any = false;

    for (int i = 0; i < m->levels; i++) {
        double guidance = guidance_of(m, i);

        any = any || guidance != 1;
        if (pyr_model_has(m, i) && m->level[i].denoiser.classifier && !has_class)
            return pyr_fail(PYR_E_ARG,
                            "the classifier_scale of level %d is %g: towards which class? Add --class N, or "
                            "--classifier-scale 0",
                            i, m->level[i].classifier.scale);
        if (m->weaker || guidance == 1)
            continue;
        if (m->classes == 0)
            return pyr_fail(PYR_E_ARG,
                            "the guidance of level %d is %g, but this run was trained without classes "
                            "(train one with --classes, or sample with --guidance 1)",
                            i, guidance);
        if (!has_class)
            return pyr_fail(PYR_E_ARG,
                            "the guidance of level %d is %g: towards which class? Add --class N, or "
                            "--guidance 1",
                            i, guidance);
        if (m->level[i].level.facts.classes && !(m->level[i].level.facts.class_dropout > 0))
            return pyr_fail(
                PYR_E_ARG,
                "the guidance of level %d is %g, but there is nothing to be guided away from: \"no class\" "
                "was never trained (class_dropout is 0). Sample with --guidance 1, or with --gnet and a "
                "weaker run, or train with level.class_dropout above 0",
                i, guidance);
    }
    if (m->weaker && !any)
        return pyr_fail(PYR_E_ARG, "--gnet does nothing without guidance: add --guidance 1.5 or the like");
    return PYR_OK;
}

pyr_status pyr_model_choose_class(pyr_class_choice *out, const pyr_model *m, const char *typed)
{
    PYR_TRY(pyr_class_choose(out, &m->class_list, typed));
    return check_guidance(m, out->kind != PYR_CLASS_NONE);
}

/* ---- drawing ----------------------------------------------------------------------------------- */

typedef struct drawing {
    pyr_model *m;
    const pyr_model_draw *draw;
    int share; /* images of a task */
} drawing;

/* Conditioning augmentation in sampling: w->noisy = condition + level * noise of each image's own stream. */
static void add_noise(const pyr_model *m, lane_memory *w, int level, const pyr_level_draw *draw,
                      double amount)
{
    pyr_kernels *k = m->k;
    size_t size = pyr_count(m->level[level].level.condition);

    pyr_upload_streams(k, w->streams, draw->seeds, draw->n);
    k->backend->normals(k, w->noisy, draw->n, size, w->streams, pyr_rng_purpose(PYR_RNG_AUGMENT, level), 0,
                        0);
    pyr_combine(k, w->noisy, 2, (double[]){1, amount}, (const void *const[]){w->condition, w->noisy},
                (size_t)draw->n * size);
}

/* Mean squares of d(I_level) - I_{level+1}, one number per image, so that no sum depends on the batch. */
static pyr_status measure_mismatch(const pyr_model *m, lane_memory *w, int level, int n, const void *coarse,
                                   const void *image, double *mismatch)
{
    size_t real = pyr_type_size(m->k->real),
           fine = pyr_count(pyr_pyramid_image_shape(m->pyramid, level)) * real,
           small = pyr_count(pyr_pyramid_image_shape(m->pyramid, level + 1)) * real;

    for (int i = 0; i < n; i++) {
        double largest, rms;

        PYR_TRY(pyr_pyramid_consistency(m->pyramid, level, 1, (const char *)coarse + (size_t)i * small,
                                        (const char *)image + (size_t)i * fine, &largest, &rms, w->scratch));
        mismatch[i] = rms * rms;
    }
    return PYR_OK;
}

/* I_level into *image from I_{level+1} in coarse (unused at the coarsest level). Without a coarser image a
 * residual is drawn alone: there is no I_level. */
static pyr_status draw_level(lane_memory *w, const pyr_model_stage *stage, const pyr_model_draw *wanted,
                             const pyr_level_draw *draw, void *image)
{
    pyr_model *m = stage->model;
    pyr_kernels *k = m->k;
    int level = stage->level;
    pyr_sampled_level *s = &m->level[level];
    const pyr_model_hooks *hooks = wanted->hooks;
    size_t first = (size_t)stage->first, size = pyr_count(s->level.variable);
    pyr_level_draw with = *draw;

    if (stage->condition)
        pyr_pyramid_condition(m->pyramid, level, draw->n, stage->coarse, w->condition, false, w->scratch);
    with.condition = s->level.condition.c ? w->condition : NULL;
    if (with.condition && s->level.settings.sampler_augmentation > 0) {
        add_noise(m, w, level, draw, s->level.settings.sampler_augmentation);
        with.condition = w->noisy;
    }
    with.rows = pyr_level_takes_class(s) ? draw->rows : NULL;
    if (hooks && hooks->before)
        PYR_TRY(hooks->before(hooks->ctx, stage, &with));
    PYR_TRY(pyr_level_sample(s, k, &with, w->variable));
    if (hooks && hooks->drawn)
        PYR_TRY(hooks->drawn(hooks->ctx, stage, w->variable));
    if (stage->coarse)
        pyr_pyramid_project(m->pyramid, level, draw->n, stage->coarse, w->condition, w->variable, w->scratch);
    if (wanted->variable[level])
        PYR_TRY(pyr_download_floats(k, wanted->variable[level] + first * size, w->variable,
                                    (size_t)draw->n * size));
    if (!stage->coarse && level < m->levels - 1)
        return PYR_OK;
    pyr_pyramid_synthesize(m->pyramid, level, draw->n, stage->coarse, w->condition, w->variable, image,
                           w->scratch);
    if (hooks && hooks->synthesized)
        PYR_TRY(hooks->synthesized(hooks->ctx, stage, image));
    if (wanted->mismatch[level] && stage->coarse)
        PYR_TRY(
            measure_mismatch(m, w, level, draw->n, stage->coarse, image, wanted->mismatch[level] + first));
    k->backend->clamp(k, image, -1, 1,
                      (size_t)draw->n * pyr_count(pyr_pyramid_image_shape(m->pyramid, level)));
    return PYR_OK;
}

static pyr_status draw_task(void *arg, int task, int lane)
{
    drawing *d = arg;
    pyr_model *m = d->m;
    lane_memory *w = &m->memory[lane];
    const pyr_model_draw *draw = d->draw;
    int first = task * d->share, n = draw->n - first < d->share ? draw->n - first : d->share;
    int coarsest = m->only >= 0 ? m->only : m->levels - 1, finest = m->only >= 0 ? m->only : 0;
    int begin = !draw->coarse ? coarsest : draw->given > 0 ? draw->given : m->levels - 1;
    pyr_level_draw one = {.lane = lane,
                          .n = n,
                          .seeds = draw->seeds + first,
                          .rows = draw->labels || draw->label >= 0 ? w->rows : NULL,
                          .work = w->work};

    for (int i = 0; i < n && one.rows; i++)
        w->rows[i] = (uint32_t)(draw->labels ? draw->labels[first + i] : draw->label);
    for (int level = begin; level >= finest; level--) {
        bool is_first = level == begin, given = is_first && draw->coarse;
        void *image = w->image[level % 2];
        pyr_model_stage stage = {.model = m,
                                 .lane = lane,
                                 .level = level,
                                 .first = first,
                                 .n = n,
                                 .seeds = one.seeds,
                                 .coarse = is_first ? NULL : w->image[(level + 1) % 2],
                                 .condition = is_first ? NULL : w->condition,
                                 .scratch = w->scratch};
        size_t size = pyr_count(pyr_pyramid_image_shape(m->pyramid, level));

        if (pyr_stop_requested())
            return pyr_fail(PYR_E_STOPPED, "stopped");
        if (given)
            PYR_TRY(pyr_upload_floats(m->k, image, draw->coarse + (size_t)first * size, (size_t)n * size));
        else
            PYR_TRY(draw_level(w, &stage, draw, &one, image));
        if (draw->image[level])
            PYR_TRY(pyr_download_floats(m->k, draw->image[level] + (size_t)first * size, image,
                                        (size_t)n * size));
    }
    return PYR_OK;
}

pyr_status pyr_model_sample(pyr_model *m, const pyr_model_draw *draw)
{
    drawing d = {m, draw, pyr_lane_share(m->k, draw->n, m->batch)};
    int only = m->only;

    assert(only < 0 || (draw->coarse ? draw->given == only + 1 && only + 1 < m->levels
                                     : !m->level[only].level.condition.c && !draw->mismatch[only] &&
                                           (only == m->levels - 1 || !draw->image[only])));
    return pyr_run_tasks(m->k, (draw->n + d.share - 1) / d.share, draw_task, &d);
}
