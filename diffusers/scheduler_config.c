#include "diffusers/scheduler_config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the table of keys ---- */

typedef enum field_kind { FIELD_INT, FIELD_REAL, FIELD_BOOL, FIELD_WORD, FIELD_BETAS } field_kind;

typedef struct field {
    const char *key;
    field_kind kind;
    size_t offset; /* in pyr_ddpm_config */
    const char *const *words;
    bool ddim_only, ddpm_only; /* which of the library's schedulers has it */
} field;

/* Sorted by key, as the library writes them. */
#define AT(member) offsetof(pyr_ddpm_config, member)
static const field fields[] = {
    {"beta_end", FIELD_REAL, AT(beta_end), NULL, false, false},
    {"beta_schedule", FIELD_WORD, AT(beta_schedule), pyr_betas_words, false, false},
    {"beta_start", FIELD_REAL, AT(beta_start), NULL, false, false},
    {"clip_sample", FIELD_BOOL, AT(clip_sample), NULL, false, false},
    {"clip_sample_range", FIELD_REAL, AT(clip_sample_range), NULL, false, false},
    {"num_train_timesteps", FIELD_INT, AT(num_train_timesteps), NULL, false, false},
    {"prediction_type", FIELD_WORD, AT(prediction_type), pyr_predicts_words, false, false},
    {"rescale_betas_zero_snr", FIELD_BOOL, AT(rescale_betas_zero_snr), NULL, false, false},
    {"set_alpha_to_one", FIELD_BOOL, AT(set_alpha_to_one), NULL, true, false},
    {"steps_offset", FIELD_INT, AT(steps_offset), NULL, false, false},
    {"timestep_spacing", FIELD_WORD, AT(timestep_spacing), pyr_spacing_words, false, false},
    {"trained_betas", FIELD_BETAS, AT(trained_betas), NULL, false, false},
    {"variance_type", FIELD_WORD, AT(variance_type), pyr_variance_words, false, true},
};
enum { FIELDS = sizeof fields / sizeof *fields };

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

static const char flow[] = "the model was trained by flow matching, which has no betas",
                  levels[] = "the model was trained on noise levels sigma (VE, EDM), not with betas",
                  distilled[] = "the model was distilled for a sampler of its own",
                  tokens[] = "the model draws tokens, not numbers";

/* The library's schedulers that can be told from their name. The first that fits counts. */
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

enum { LIST = 160 };

/* "a, b or c" */
static const char *word_list(char list[LIST], const char *const *words)
{
    size_t n = 0;

    for (int i = 0; words[i]; i++)
        n += (size_t)snprintf(list + n, LIST - n, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
    return list;
}

static pyr_status wrong(const char *name, const char *key, const pyr_json_node *value, const char *should)
{
    if (pyr_json_is_number(value))
        return pyr_fail(PYR_E_FORMAT, "%s: %s is %.12g, should be %s", name, key, pyr_json_number(value),
                        should);
    if (pyr_json_is_string(value))
        return pyr_fail(PYR_E_FORMAT, "%s: %s is \"%.100s\", should be %s", name, key, pyr_json_text(value),
                        should);
    return pyr_fail(PYR_E_FORMAT, "%s: %s is %s, should be %s", name, key,
                    pyr_json_is_null(value)    ? "null"
                    : pyr_json_is_bool(value)  ? "true or false"
                    : pyr_json_is_array(value) ? "a list"
                                               : "an object",
                    should);
}

static pyr_status read_word(int *out, const char *name, const field *f, const pyr_json_node *value)
{
    char list[LIST];
    const char *word;

    word_list(list, f->words);
    if (!pyr_json_is_string(value))
        return wrong(name, f->key, value, list);
    word = pyr_json_text(value);
    /* The logarithms of the same variances: the step takes the exponential of half of it. */
    if (f->words == pyr_variance_words && strcmp(word, "fixed_small_log") == 0)
        word = "fixed_small";
    if (f->words == pyr_variance_words && strcmp(word, "fixed_large_log") == 0)
        word = "fixed_large";
    for (*out = 0; f->words[*out]; ++*out)
        if (strcmp(f->words[*out], word) == 0)
            return PYR_OK;
    return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s names \"%.100s\", which is not offered; offered are %s", name,
                    f->key, pyr_json_text(value), list);
}

static pyr_status read_betas(pyr_ddpm_config *out, int *n, const char *name, const field *f,
                             const pyr_json_node *value)
{
    const pyr_json_node *item;
    int i = 0;

    if (pyr_json_is_null(value))
        return PYR_OK;
    *n = pyr_json_is_array(value) ? pyr_json_count(value) : 0;
    if (!*n)
        return wrong(name, f->key, value, "null or a list of numbers");
    PYR_TRY(pyr_new(&out->trained_betas, (size_t)*n, sizeof *out->trained_betas, "betas of a scheduler"));
    pyr_json_each(item, value)
    {
        if (!pyr_json_is_number(item))
            return wrong(name, f->key, item, "a list of numbers");
        out->trained_betas[i++] = pyr_json_number(item);
    }
    return PYR_OK;
}

static pyr_status read_field(pyr_ddpm_config *out, int *betas, const char *name, const field *f,
                             const pyr_json_node *value)
{
    char *at = (char *)out + f->offset;
    int whole = 0;
    bool truth;

    switch (f->kind) {
    case FIELD_INT:
        if (!pyr_json_is_number(value) || pyr_json_number(value) != floor(pyr_json_number(value)) ||
            fabs(pyr_json_number(value)) > 1e9)
            return wrong(name, f->key, value, "a whole number");
        whole = (int)pyr_json_number(value);
        memcpy(at, &whole, sizeof whole);
        break;
    case FIELD_REAL:
        if (!pyr_json_is_number(value))
            return wrong(name, f->key, value, "a number");
        memcpy(at, &(double){pyr_json_number(value)}, sizeof(double));
        break;
    case FIELD_BOOL:
        if (!pyr_json_is_bool(value))
            return wrong(name, f->key, value, "true or false");
        truth = pyr_json_is_true(value);
        memcpy(at, &truth, sizeof truth);
        break;
    case FIELD_WORD:
        PYR_TRY(read_word(&whole, name, f, value));
        memcpy(at, &whole, sizeof whole);
        break;
    case FIELD_BETAS:
        return read_betas(out, betas, name, f, value);
    }
    return PYR_OK;
}

/* Keys of which only the plain value is offered, and keys that then say nothing more. */
static pyr_status read_other(pyr_ddpm_config *out, const char *name, const pyr_json_node *item, int *unknown,
                             pyr_text *warning)
{
    static const char *const silent[] = {"dynamic_thresholding_ratio", "sample_max_value"};
    const char *key = pyr_json_key(item);

    if (strcmp(key, "thresholding") == 0) {
        if (pyr_json_is_true(item))
            return pyr_fail(PYR_E_UNSUPPORTED,
                            "%s: thresholding is true: dynamic thresholding is not offered; set it to false "
                            "(clip_sample clamps at a fixed range)",
                            name);
        return pyr_json_is_false(item) ? PYR_OK : wrong(name, key, item, "true or false");
    }
    if (strcmp(key, "use_flow_sigmas") == 0 && pyr_json_is_true(item))
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: use_flow_sigmas is true: %s, and is not offered", name, flow);
    if (strcmp(key, "predict_epsilon") == 0) { /* before 0.12: now prediction_type */
        if (!pyr_json_is_bool(item))
            return wrong(name, key, item, "true or false");
        if (pyr_json_is_false(item))
            out->prediction_type = PYR_PREDICTS_SAMPLE;
        return PYR_OK;
    }
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (strcmp(key, silent[i]) == 0)
            return PYR_OK;
    if (*key != '_' && warning)
        pyr_text_add(warning, "%s\"%.100s\"", (*unknown)++ ? ", " : "", key);
    return PYR_OK;
}

static pyr_scheduler_kind kind_of(const char *name)
{
    if (strcmp(name, "DDPMScheduler") == 0 || strcmp(name, "DDPMParallelScheduler") == 0)
        return PYR_SCHEDULER_DDPM;
    if (strcmp(name, "DDIMScheduler") == 0 || strcmp(name, "DDIMParallelScheduler") == 0)
        return PYR_SCHEDULER_DDIM;
    return PYR_SCHEDULER_OTHER;
}

static pyr_status read_class(pyr_scheduler_config *out, const char *class_name, const pyr_json_node *tree,
                             const char *name)
{
    const pyr_json_node *own = pyr_json_member(tree, "_class_name");

    /* A file of another class than DDPM's and DDIM's says how the model was trained: it counts, whatever the
     * index. */
    if (pyr_json_is_string(own) && (!class_name || kind_of(pyr_json_text(own)) == PYR_SCHEDULER_OTHER))
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

/* `_use_default_values`: keys that the writer left at their default count as absent. */
static bool is_passed(const pyr_json_node *passed, const char *key)
{
    const pyr_json_node *item;

    pyr_json_each(item, passed)
    {
        if (pyr_json_is_string(item) && strcmp(pyr_json_text(item), key) == 0)
            return true;
    }
    return false;
}

static pyr_status read_tree(pyr_scheduler_config *out, const pyr_json_node *tree, const char *name,
                            const char *class_name, pyr_text *warning)
{
    const pyr_json_node *item, *passed;
    int unknown = 0, betas = 0;
    pyr_status status;

    pyr_ddpm_config_default(&out->ddpm);
    if (!pyr_json_is_object(tree))
        return pyr_fail(PYR_E_FORMAT, "%s: not a JSON object", name);
    PYR_TRY(read_class(out, class_name, tree, name));
    passed = pyr_json_member(tree, "_use_default_values");
    pyr_json_each(item, tree)
    {
        const field *f = fields;

        while (f < fields + FIELDS && strcmp(f->key, pyr_json_key(item)) != 0)
            f++;
        if (f == fields + FIELDS)
            PYR_TRY(read_other(&out->ddpm, name, item, &unknown, warning));
        else if (!is_passed(passed, pyr_json_key(item)) &&
                 !(f->ddpm_only && out->kind != PYR_SCHEDULER_DDPM && pyr_json_is_null(item)))
            PYR_TRY(read_field(&out->ddpm, &betas, name, f, item));
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
                                      const char *name, pyr_text *warning)
{
    pyr_json_node *tree;
    pyr_status status;

    *out = (pyr_scheduler_config){0};
    PYR_TRY(pyr_json_parse(&tree, bytes, n, name));
    status = read_tree(out, tree, name, NULL, warning);
    pyr_json_free(tree);
    return status;
}

pyr_status pyr_scheduler_config_read(pyr_scheduler_config *out, const char *path, const char *class_name,
                                     pyr_text *warning)
{
    pyr_json_node *tree;
    pyr_status status;

    *out = (pyr_scheduler_config){0};
    PYR_TRY(pyr_json_read(&tree, path));
    status = read_tree(out, tree, path, class_name, warning);
    pyr_json_free(tree);
    return status;
}

/* ---- writing ---- */

static void write_betas(pyr_json *json, const field *f, const pyr_ddpm_config *c)
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

static void write_field(pyr_json *json, const field *f, const pyr_ddpm_config *c)
{
    const char *at = (const char *)c + f->offset;
    int whole;
    double real;
    bool truth;

    switch (f->kind) {
    case FIELD_INT:
    case FIELD_WORD:
        memcpy(&whole, at, sizeof whole);
        if (f->kind == FIELD_INT)
            pyr_json_int(json, f->key, whole);
        else /* a list of betas stands for its schedule, which the library wants all the same */
            pyr_json_string(json, f->key, f->words[f->words[whole] ? whole : 0]);
        break;
    case FIELD_REAL:
        memcpy(&real, at, sizeof real);
        pyr_json_real(json, f->key, real);
        break;
    case FIELD_BOOL:
        memcpy(&truth, at, sizeof truth);
        pyr_json_bool(json, f->key, truth);
        break;
    case FIELD_BETAS:
        write_betas(json, f, c);
        break;
    }
}

pyr_status pyr_scheduler_config_write(pyr_text *out, const pyr_scheduler_config *config)
{
    pyr_json json = {.indent = 2};
    bool ddim = config->kind == PYR_SCHEDULER_DDIM;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_ddpm_config_check(&config->ddpm));
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "_class_name", ddim ? "DDIMScheduler" : "DDPMScheduler");
    pyr_json_string(&json, "_diffusers_version", "0.31.0");
    for (const field *f = fields; f < fields + FIELDS; f++)
        if (!(ddim ? f->ddpm_only : f->ddim_only))
            write_field(&json, f, &config->ddpm);
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, "\n");
    if (!json.text.failed)
        pyr_text_add_bytes(out, json.text.at, json.text.length);
    if (json.text.failed || out->failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: the text of scheduler_config.json");
    pyr_text_free(&json.text);
    return status;
}
