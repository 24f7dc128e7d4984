/* scheduler_config.c - diffusers' scheduler_config.json in and out. */
#include "diffusers/scheduler_config.h"

#include "base/file.h"
#include "base/mem.h"
#include "settings/json_fields.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the table of keys ---- */

enum { FIELD_BETAS = PYR_FIELD_OTHER };

/* The logarithms of the same variances: the step takes the exponential of half of it. */
static const char *variance_spelling(const char *word)
{
    return strcmp(word, "fixed_small_log") == 0   ? "fixed_small"
           : strcmp(word, "fixed_large_log") == 0 ? "fixed_large"
                                                  : word;
}

/* Sorted by key, as the library writes them. */
#define AT(member) offsetof(pyr_ddpm_config, member)
static const pyr_field fields[] = {
    {"beta_end", PYR_FIELD_REAL, .offset = AT(beta_end)},
    {"beta_schedule", PYR_FIELD_WORD, .offset = AT(beta_schedule), .words = pyr_betas_words},
    {"beta_start", PYR_FIELD_REAL, .offset = AT(beta_start)},
    {"clip_sample", PYR_FIELD_BOOL, .offset = AT(clip_sample)},
    {"clip_sample_range", PYR_FIELD_REAL, .offset = AT(clip_sample_range)},
    {"num_train_timesteps", PYR_FIELD_INT, .offset = AT(num_train_timesteps), .min = -1e9, .max = 1e9},
    {"prediction_type", PYR_FIELD_WORD, .offset = AT(prediction_type), .words = pyr_predicts_words},
    {"rescale_betas_zero_snr", PYR_FIELD_BOOL, .offset = AT(rescale_betas_zero_snr)},
    {"set_alpha_to_one", PYR_FIELD_BOOL, .offset = AT(set_alpha_to_one)},
    {"steps_offset", PYR_FIELD_INT, .offset = AT(steps_offset), .min = -1e9, .max = 1e9},
    {"timestep_spacing", PYR_FIELD_WORD, .offset = AT(timestep_spacing), .words = pyr_spacing_words},
    {"trained_betas", FIELD_BETAS, .offset = AT(trained_betas)},
    {"variance_type", PYR_FIELD_WORD, .offset = AT(variance_type), .words = pyr_step_variance_words,
     .spelling = variance_spelling},
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* Of FlowMatchEulerDiscreteScheduler. */
#define FLOW_AT(member) offsetof(pyr_flow_config, member)
static const pyr_field flow_fields[] = {
    {"num_train_timesteps", PYR_FIELD_INT, .offset = FLOW_AT(num_train_timesteps), .min = -1e9, .max = 1e9},
    {"shift", PYR_FIELD_REAL, .offset = FLOW_AT(shift)},
    {"shift_terminal", PYR_FIELD_REAL, .offset = FLOW_AT(shift_terminal)},
    {"stochastic_sampling", PYR_FIELD_BOOL, .offset = FLOW_AT(stochastic_sampling)},
};
enum { FLOW_FIELDS = sizeof flow_fields / sizeof *flow_fields };

/* The library's DDIMScheduler has no variance_type, its DDPMScheduler no set_alpha_to_one. */
static bool belongs(const pyr_field *f, bool ddim)
{
    return f->offset != (ddim ? AT(variance_type) : AT(set_alpha_to_one));
}

void pyr_scheduler_config_free(pyr_scheduler_config *config)
{
    pyr_free(config->ddpm.trained_betas);
    *config = (pyr_scheduler_config){0};
}

/* ---- the library's classes ---- */

typedef struct known_class {
    const char *name; /* begins so */
    const char *why;  /* it cannot be sampled with betas; NULL: it can */
} known_class;

static const char flow[] =
    "the model was trained by flow matching, of whose schedulers FlowMatchEulerDiscreteScheduler is offered",
                  levels[] = "the model was trained on noise levels sigma (VE, EDM), not with betas",
                  distilled[] = "the model was distilled for a sampler of its own",
                  tokens[] = "the model draws tokens, not numbers";

/* The library's schedulers, by the beginning of their names. The first that fits counts. */
static const known_class classes[] = {{"PNDMScheduler", NULL},
                                      {"DPMSolver", NULL},
                                      {"DEISMultistepScheduler", NULL},
                                      {"UniPCMultistepScheduler", NULL},
                                      {"SASolverScheduler", NULL},
                                      {"EulerDiscreteScheduler", NULL},
                                      {"EulerAncestralDiscreteScheduler", NULL},
                                      {"HeunDiscreteScheduler", NULL},
                                      {"LMSDiscreteScheduler", NULL},
                                      {"KDPM2", NULL},
                                      {"RePaintScheduler", NULL},
                                      {"DDIMInverseScheduler", NULL},
                                      {"FlowMatch", flow},
                                      {"ScoreSdeVeScheduler", levels},
                                      {"KarrasVeScheduler", levels},
                                      {"EDM", levels},
                                      {"CosineDPMSolver", levels},
                                      {"CMStochasticIterativeScheduler", distilled},
                                      {"LCMScheduler", distilled},
                                      {"TCDScheduler", distilled},
                                      {"VQDiffusionScheduler", tokens},
                                      {"AmusedScheduler", tokens}};

/* ---- reading ---- */

static pyr_status read_betas(pyr_ddpm_config *out, int *n, const char *name, const pyr_field *f,
                             const pyr_json_value *value)
{
    const pyr_json_value *item;
    int i = 0;

    if (pyr_json_is(value, PYR_JSON_NULL))
        return PYR_OK;
    *n = pyr_json_is(value, PYR_JSON_ARRAY) ? pyr_json_count(value) : 0;
    if (!*n)
        return pyr_field_wrong(f, name, value, "null or a list of numbers");
    PYR_TRY(pyr_new(&out->trained_betas, (size_t)*n, sizeof *out->trained_betas, "betas of a scheduler"));
    PYR_JSON_EACH(item, value)
    {
        if (!pyr_json_is(item, PYR_JSON_NUMBER))
            return pyr_field_wrong(f, name, item, "a list of numbers");
        out->trained_betas[i++] = pyr_json_number(item, 0);
    }
    return PYR_OK;
}

/* A key that says something, and that nobody here knows. */
static void warn_unless(const char *const *silent, size_t n, const char *key, int *unknown, pyr_text *warning)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, silent[i]) == 0)
            return;
    if (*key != '_' && warning)
        pyr_text_add(warning, "%s\"%.100s\"", (*unknown)++ ? ", " : "", key);
}

/* Keys of which only the plain value is offered, and keys that then say nothing more. */
static pyr_status read_other(pyr_ddpm_config *out, const char *name, const pyr_json_value *item, int *unknown,
                             pyr_text *warning)
{
    static const char *const silent[] = {"dynamic_thresholding_ratio", "sample_max_value"};
    const char *key = pyr_json_key(item);

    if (strcmp(key, "thresholding") == 0) {
        if (pyr_json_is(item, PYR_JSON_TRUE))
            return pyr_fail(PYR_E_UNSUPPORTED,
                            "%s: thresholding is true: dynamic thresholding is not offered; set it to false "
                            "(clip_sample clamps at a fixed range)",
                            name);
        return pyr_json_is(item, PYR_JSON_FALSE)
                   ? PYR_OK
                   : pyr_field_wrong(&(pyr_field){.key = key}, name, item, "true or false");
    }
    if (strcmp(key, "use_flow_sigmas") == 0 && pyr_json_is(item, PYR_JSON_TRUE))
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: use_flow_sigmas is true: %s, and is not offered", name, flow);
    if (strcmp(key, "predict_epsilon") == 0) { /* before 0.12: now prediction_type */
        if (!pyr_json_is(item, PYR_JSON_BOOL))
            return pyr_field_wrong(&(pyr_field){.key = key}, name, item, "true or false");
        if (pyr_json_is(item, PYR_JSON_FALSE))
            out->prediction_type = PYR_PREDICTS_SAMPLE;
        return PYR_OK;
    }
    warn_unless(silent, sizeof silent / sizeof *silent, key, unknown, warning);
    return PYR_OK;
}

static pyr_scheduler_kind kind_of(const char *name)
{
    if (strcmp(name, "DDPMScheduler") == 0 || strcmp(name, "DDPMParallelScheduler") == 0)
        return PYR_SCHEDULER_DDPM;
    if (strcmp(name, "DDIMScheduler") == 0 || strcmp(name, "DDIMParallelScheduler") == 0)
        return PYR_SCHEDULER_DDIM;
    if (strcmp(name, "FlowMatchEulerDiscreteScheduler") == 0)
        return PYR_SCHEDULER_FLOW;
    return PYR_SCHEDULER_OTHER;
}

static pyr_status read_class(pyr_scheduler_config *out, const char *class_name, const pyr_json_value *tree,
                             const char *name)
{
    const pyr_json_value *own = pyr_json_member(tree, "_class_name");

    /* A file of another class than DDPM's and DDIM's says how the model was trained: it counts, whatever the
     * index. */
    if (pyr_json_text(own) && (!class_name || kind_of(pyr_json_text(own)) >= PYR_SCHEDULER_FLOW))
        class_name = pyr_json_text(own);
    if (!class_name)
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "%s: _class_name is missing: which scheduler is it? DDPMScheduler and DDIMScheduler are offered",
            name);
    snprintf(out->class_name, sizeof out->class_name, "%s", class_name);
    out->kind = kind_of(class_name);
    if (out->kind != PYR_SCHEDULER_OTHER)
        return PYR_OK;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(class_name, classes[i].name, strlen(classes[i].name)) == 0) {
            if (!classes[i].why)
                return PYR_OK;
            return pyr_fail(PYR_E_UNSUPPORTED, "%s: a %.100s: %s, and is not offered", name, class_name,
                            classes[i].why);
        }
    return pyr_fail(PYR_E_UNSUPPORTED,
                    "%s: _class_name is \"%.100s\", which is not offered; offered are DDPMScheduler and "
                    "DDIMScheduler, and models with others of betas (PNDM, DPM-Solver, Euler, ...)",
                    name, class_name);
}

/* Keys of flow matching that are there as false, or say something only when others are true. */
static pyr_status read_other_of_flow(const char *name, const pyr_json_value *item, int *unknown,
                                     pyr_text *warning)
{
    static const char *const off[] = {"use_dynamic_shifting", "invert_sigmas", "use_karras_sigmas",
                                      "use_exponential_sigmas", "use_beta_sigmas"};
    static const char *const silent[] = {"base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len",
                                         "time_shift_type"};
    const char *key = pyr_json_key(item);

    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (strcmp(key, off[i]) == 0 && !pyr_json_is(item, PYR_JSON_FALSE))
            return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s should be false: true is not offered", name, key);
        else if (strcmp(key, off[i]) == 0)
            return PYR_OK;
    warn_unless(silent, sizeof silent / sizeof *silent, key, unknown, warning);
    return PYR_OK;
}

static pyr_status read_flow(pyr_scheduler_config *out, const pyr_json_value *tree, const char *name,
                            pyr_text *warning)
{
    const pyr_json_value *item, *passed = pyr_json_member(tree, "_use_default_values");
    int unknown = 0;
    pyr_status status;

    pyr_flow_config_default(&out->flow);
    PYR_JSON_EACH(item, tree)
    {
        const pyr_field *f = pyr_field_find(flow_fields, FLOW_FIELDS, pyr_json_key(item));
        bool nothing = f && f->offset == FLOW_AT(shift_terminal) && pyr_json_is(item, PYR_JSON_NULL);

        if (!f)
            PYR_TRY(read_other_of_flow(name, item, &unknown, warning));
        else if (!nothing && !pyr_json_lists(passed, f->key))
            PYR_TRY(pyr_field_read(&out->flow, f, name, item));
    }
    if (unknown)
        pyr_text_add(warning, ": unknown in %s, left out", name);
    if (warning && warning->failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory: the unknown keys of %s", name);
    status = pyr_flow_config_check(&out->flow);
    return status == PYR_OK ? status : pyr_fail_prefix(status, "%s", name);
}

static pyr_status read_tree(pyr_scheduler_config *out, const pyr_json_value *tree, const char *name,
                            const char *class_name, pyr_text *warning)
{
    const pyr_json_value *item, *passed;
    int unknown = 0, betas = 0;
    pyr_status status;

    pyr_ddpm_config_default(&out->ddpm);
    if (!pyr_json_is(tree, PYR_JSON_OBJECT))
        return pyr_fail(PYR_E_FORMAT, "%s: not a JSON object", name);
    PYR_TRY(read_class(out, class_name, tree, name));
    if (out->kind == PYR_SCHEDULER_FLOW)
        return read_flow(out, tree, name, warning);
    passed = pyr_json_member(tree, "_use_default_values"); /* left there by the writer: as absent */
    PYR_JSON_EACH(item, tree)
    {
        const pyr_field *f = pyr_field_find(fields, FIELDS, pyr_json_key(item));

        if (!f)
            PYR_TRY(read_other(&out->ddpm, name, item, &unknown, warning));
        else if (pyr_json_lists(passed, f->key) ||
                 (f->offset == AT(variance_type) && pyr_json_is(item, PYR_JSON_NULL) &&
                  out->kind != PYR_SCHEDULER_DDPM))
            continue; /* as if it were absent */
        else if (f->kind == FIELD_BETAS)
            PYR_TRY(read_betas(&out->ddpm, &betas, name, f, item));
        else
            PYR_TRY(pyr_field_read(&out->ddpm, f, name, item));
    }
    if (unknown)
        pyr_text_add(warning, ": unknown in %s, left out", name);
    if (warning && warning->failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory: the unknown keys of %s", name);
    if (out->ddpm.trained_betas) {
        out->ddpm.beta_schedule = PYR_BETAS_TRAINED;
        if (betas != out->ddpm.num_train_timesteps)
            return pyr_fail(PYR_E_CONFIG, "%s: trained_betas has %d numbers, num_train_timesteps is %d", name,
                            betas, out->ddpm.num_train_timesteps);
    }
    status = pyr_ddpm_config_check(&out->ddpm);
    return status == PYR_OK ? status : pyr_fail_prefix(status, "%s", name);
}

pyr_status pyr_scheduler_config_parse(pyr_scheduler_config *out, const char *bytes, size_t n,
                                      const char *name, const char *class_name, pyr_text *warning)
{
    pyr_json_value *tree;
    pyr_status status;

    *out = (pyr_scheduler_config){0};
    PYR_TRY(pyr_json_parse_or_read(&tree, bytes, n, name));
    status = read_tree(out, tree, name, class_name, warning);
    pyr_json_free(tree);
    return status;
}

/* ---- writing ---- */

static void write_betas(pyr_json *json, const pyr_field *f, const pyr_ddpm_config *c)
{
    if (c->beta_schedule != PYR_BETAS_TRAINED) {
        pyr_json_string(json, f->key, NULL);
        return;
    }
    pyr_json_open(json, f->key, '[');
    for (int i = 0; i < c->num_train_timesteps; i++)
        pyr_json_real(json, NULL, c->trained_betas[i]);
    pyr_json_close(json, ']');
}

pyr_status pyr_scheduler_config_write(pyr_text *out, const pyr_scheduler_config *config)
{
    pyr_json json = {.indent = 2};
    bool ddim = config->kind == PYR_SCHEDULER_DDIM;
    pyr_ddpm_config c = config->ddpm;

    PYR_TRY(pyr_ddpm_config_check(&c));
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "_class_name", ddim ? "DDIMScheduler" : "DDPMScheduler");
    pyr_json_string(&json, "_diffusers_version", "0.31.0");
    if (c.beta_schedule == PYR_BETAS_TRAINED) /* the library wants a schedule all the same */
        c.beta_schedule = 0;
    for (const pyr_field *f = fields; f < fields + FIELDS; f++)
        if (f->kind == FIELD_BETAS)
            write_betas(&json, f, &config->ddpm);
        else if (belongs(f, ddim))
            pyr_field_write(&json, f, &c);
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, "\n");
    return pyr_json_append(out, &json, "the text of scheduler_config.json");
}
