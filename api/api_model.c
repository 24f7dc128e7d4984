/* api_model.c - a run or a diffusers pipeline, opened to draw from, and what it is. */
#include "api/choices.h"
#include "api/handles.h"

#include "base/mem.h"
#include "cascade/one_level.h"
#include "pyramid/codes.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct model_choice {
    pyr_machine_choice machine;
    int level, steps;
    double eta;
    const char *gnet, *sampler;
} model_choice;

#define AT(member) offsetof(model_choice, member)

static const pyr_setting rows[] = {
    PYR_MACHINE_ROWS,
    {"level", PYR_SETTING_INT, AT(level), -1, 1e6, "-1", NULL, NULL},
    {"gnet", PYR_SETTING_TEXT, AT(gnet), 0, 0, "", NULL, NULL},
    {"sampler", PYR_SETTING_TEXT, AT(sampler), 0, 0, "", NULL, NULL},
    {"steps", PYR_SETTING_INT, AT(steps), 0, PYR_MAX_TIMESTEPS, "0", NULL, NULL},
    {"eta", PYR_SETTING_REAL, AT(eta), 0, 1, "0", NULL, NULL},
};

/* ---- opening ----------------------------------------------------------------------------------- */

static pyr_status open_run(pyrdiff_model *m, const pyrdiff_settings *settings, const model_choice *choice,
                           pyr_call *call)
{
    pyr_settings *own = NULL;
    pyr_config config;
    pyr_status status;

    if (*choice->sampler || choice->steps || choice->eta > 0)
        return pyr_fail(
            PYR_E_ARG,
            "sampler, steps and eta are options of a pipeline; of a run they are the settings level.sampler.name, .steps and .eta");
    if (!settings)
        PYR_TRY_OUT(pyr_run_settings(&own, m->path));
    PYR_TRY_OUT(pyr_config_get(&config, settings ? settings->at : own));
    PYR_TRY_OUT(pyr_check_level(&config, choice->level));
    PYR_TRY_OUT(pyr_choices_open(&m->k, call, &choice->machine, false));
    status = pyr_model_open_level(&m->run, m->k, m->path, pyr_given(choice->gnet), &config, choice->level);
out:
    pyr_settings_free(own);
    return status;
}

static pyr_status choose_sampler(pyr_pipeline_sampler *out, const model_choice *choice,
                                 const pyr_pipeline_files *files)
{
    static const char *const words[] = {"ddpm", "ddim", "flow"};
    int kind = 0;

    if (*choice->sampler) {
        PYR_TRY(pyr_find_word(&kind, "sampler of a pipeline", choice->sampler, strlen(choice->sampler), words,
                              3));
        *out = (pyr_pipeline_sampler){
            .ddim = kind == 1, .flow = kind == 2, .steps = pyr_pipeline_steps(kind > 0, files)};
    } else
        PYR_TRY(pyr_pipeline_usual(out, files));
    out->eta = choice->eta;
    if (!out->ddim && choice->eta > 0)
        return pyr_fail(PYR_E_ARG, "--eta %g is of --sampler ddim; ddpm always adds its noise", choice->eta);
    if (choice->steps)
        out->steps = choice->steps;
    return PYR_OK;
}

static pyr_status open_pipeline(pyrdiff_model *m, const model_choice *choice, pyr_call *call)
{
    pyr_pipeline_sampler sampler;
    pyr_text warning = {0};
    pyr_status status;

    if (choice->level >= 0 || *choice->gnet)
        return pyr_fail(PYR_E_ARG, "level and gnet are options of a run, %s is a pipeline", m->path);
    PYR_TRY_OUT(pyr_pipeline_read(&m->files, m->path, &warning));
    PYR_TRY_OUT(choose_sampler(&sampler, choice, &m->files));
    if (!*choice->sampler && strcmp(m->files.class_name, "DDIMPipeline") == 0 &&
        m->files.scheduler.kind != PYR_SCHEDULER_DDIM)
        pyr_call_say(call, "a DDIMPipeline, whose scheduler is a %s: drawn by DDIM, as the library does",
                     m->files.scheduler.class_name);
    PYR_TRY_OUT(pyr_choices_open(&m->k, call, &choice->machine, false));
    PYR_TRY_OUT(pyr_pipeline_open(&m->pipeline, m->k, &m->files, &sampler, &warning));
    if (warning.length)
        pyr_call_say(call, "warning: %s: %s", m->path, warning.at);
    snprintf(m->words, sizeof m->words, "%s %d",
             sampler.ddim   ? "ddim"
             : sampler.flow ? "flow"
                            : "ddpm",
             sampler.steps);
    if (sampler.eta > 0)
        snprintf(m->words + strlen(m->words), sizeof m->words - strlen(m->words), " eta %g", sampler.eta);
out:
    pyr_text_free(&warning);
    return status;
}

static pyr_status open_model(pyrdiff_model **out, const char *path, const pyrdiff_settings *settings,
                             const char *const *options, pyr_call *call)
{
    model_choice choice = {0};
    bool run;

    PYR_TRY(pyr_new(out, 1, sizeof **out, "model"));
    PYR_TRY(pyr_choices_read(&choice, rows, sizeof rows / sizeof *rows, options));
    PYR_TRY(pyr_format(&(*out)->path, "%s", path));
    PYR_TRY(pyr_run_exists(&run, path));
    return !run && pyr_pipeline_exists(path) ? open_pipeline(*out, &choice, call)
                                             : open_run(*out, settings, &choice, call);
}

int pyrdiff_model_open(pyrdiff_model **out, const char *path, const pyrdiff_settings *settings,
                       const char *const *options, pyrdiff_callback callback, void *ctx)
{
    pyr_call call;
    pyr_status status;

    pyr_call_begin(&call, callback, ctx);
    status = open_model(out, path, settings, options, &call);
    if (status != PYR_OK) {
        pyrdiff_model_free(*out);
        *out = NULL;
    }
    return pyr_call_end(&call, status);
}

void pyrdiff_model_free(pyrdiff_model *m)
{
    if (!m)
        return;
    pyr_model_free(m->run);
    pyr_pipeline_free(m->pipeline);
    pyr_kernels_free(m->k);
    pyr_pipeline_files_free(&m->files);
    pyr_free(m->path);
    pyr_free(m);
}

/* ---- facts ------------------------------------------------------------------------------------- */

static void facts_of_pipeline(pyrdiff_model_facts *f, const pyrdiff_model *m)
{
    pyr_shape s = m->pipeline->image;

    *f = (pyrdiff_model_facts){.levels = 1,
                               .level = -1,
                               .bits = m->files.ours ? m->files.facts.bits : 8,
                               .classes = m->pipeline->classes,
                               .batch = m->pipeline->batch * m->k->lanes,
                               .hash = m->pipeline->hash,
                               .bytes = pyr_pipeline_bytes(m->pipeline),
                               .h = s.h,
                               .w = s.w,
                               .c = s.c,
                               .residual_h = s.h,
                               .residual_w = s.w,
                               .residual_c = s.c,
                               .view_h = s.h,
                               .view_w = s.w,
                               .gain = 1,
                               .sampler = m->words,
                               .flop = pyr_pipeline_flop(m->pipeline)};
}

double pyr_gain_of(const pyr_model *m, int level)
{
    const pyr_level_facts *facts = &m->level[level].level.facts;
    double square = 0;

    for (int b = 0; b < facts->bands; b++)
        square += facts->std[b] * facts->std[b] / facts->bands;
    return level < m->levels - 1 ? pyr_view_gain(sqrt(square)) : 1;
}

static void facts_of_level(pyrdiff_model_facts *f, const pyr_model *m, int level)
{
    const pyr_level *l = &m->level[level].level;
    bool finer = level < m->levels - 1;
    bool bands = finer && pyr_filter_of(pyr_pyramid_get(m->pyramid)->filter)->bands;

    f->residual_h = l->variable.h;
    f->residual_w = l->variable.w;
    f->residual_c = l->variable.c;
    f->view_h = (bands ? 2 : 1) * l->variable.h;
    f->view_w = (bands ? 2 : 1) * l->variable.w;
    f->gain = pyr_gain_of(m, level);
    f->conditioned = finer && l->condition.c > 0;
    f->sampler = m->sampler[level];
    f->evaluations = pyr_model_nfe(m, level);
    f->flop = pyr_model_flop(m, level);
    f->data = l->facts.data;
}

static void facts_of_all(pyrdiff_model_facts *f, const pyr_model *m)
{
    f->evaluations = 0;
    f->flop = 0;
    for (int i = 0; i < m->levels; i++) {
        f->evaluations += pyr_model_nfe(m, i);
        f->flop += pyr_model_flop(m, i);
    }
    for (int i = 0; i < m->levels; i++)
        if (pyr_model_has(m, i) && pyr_model_nfe(m, i) == 0)
            f->evaluations = 0;
}

static pyr_status facts_of_run(pyrdiff_model_facts *f, const pyrdiff_model *m, int level)
{
    const pyr_model *run = m->run;
    int levels = run->levels, of = level < 0 ? 0 : level;
    pyr_shape s;

    if (level < -1 || level >= levels)
        return pyr_fail(PYR_E_ARG, "level is %d, should be 0..%d, or -1", level, levels - 1);
    s = pyr_model_image(run, of);
    *f = (pyrdiff_model_facts){.levels = levels,
                               .level = run->only,
                               .bits = run->bits,
                               .classes = run->class_list.n,
                               .batch = run->batch * m->k->lanes,
                               .hash = run->hash,
                               .bytes = pyr_model_bytes(run),
                               .h = s.h,
                               .w = s.w,
                               .c = s.c,
                               .sampler = ""};
    if (pyr_model_has(run, of))
        facts_of_level(f, run, of);
    if (level < 0)
        facts_of_all(f, run);
    return PYR_OK;
}

pyr_status pyr_facts_of_model(pyrdiff_model_facts *out, const pyrdiff_model *m, int level)
{
    *out = (pyrdiff_model_facts){0};
    if (m->run)
        return facts_of_run(out, m, level);
    if (level > 0)
        return pyr_fail(PYR_E_ARG, "level is %d, but a pipeline has level 0 alone", level);
    facts_of_pipeline(out, m);
    return PYR_OK;
}

int pyrdiff_model_facts_of(const pyrdiff_model *m, int level, pyrdiff_model_facts *facts)
{
    pyrdiff_model_facts own;
    pyr_status status;
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    status = pyr_facts_of_model(&own, m, level);
    pyr_give(facts, &own, sizeof own);
    return pyr_call_end(&call, status);
}

/* ---- classes ----------------------------------------------------------------------------------- */

static pyr_status choose(pyr_class_choice *out, const pyrdiff_model *m, const char *which)
{
    if (m->run)
        return pyr_model_choose_class(out, m->run, which);
    if (*which && !m->files.classes.n)
        return pyr_fail(PYR_E_ARG, "--class %s: this model has no classes", which);
    return pyr_class_choose(out, &m->files.classes, which);
}

int pyrdiff_model_labels(const pyrdiff_model *m, const char *which, const uint64_t *seeds, int64_t n,
                         int32_t *labels, char *words, size_t size)
{
    pyr_class_choice choice;
    pyr_text text = {0};
    pyr_status status;
    pyr_call call;

    pyr_call_begin(&call, NULL, NULL);
    status = choose(&choice, m, which);
    for (int64_t i = 0; status == PYR_OK && labels && i < n; i++)
        labels[i] = pyr_class_of_seed(&choice, seeds[i]);
    if (status == PYR_OK && words && size) {
        pyr_class_choice_add(&choice, &text);
        snprintf(words, size, "%s", text.at ? text.at : "");
    }
    pyr_text_free(&text);
    return pyr_call_end(&call, status);
}
