/* noise_classifier.c - the network, its file, and the gradient of its log-probabilities. */
#include "levels/noise_classifier.h"

#include "base/file.h"
#include "base/mem.h"
#include "graph/params_file.h"
#include "layouts/dataset_json.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATCH = 2, PATCH_FROM = 16, CHANNELS = 64, GROUP = 8, LEAST_CONVOLUTIONS = 3, SMALL = 4 };
enum { FEATURES = 64, EMBEDDING = 128 }; /* of the noise level */
static const char what[] = "a classifier of noised images";

/* ---- the network ------------------------------------------------------------------------------- */

double pyr_noise_classifier_time(double s)
{
    return 62.5 * log(s); /* as pyr_level_coefs_at */
}

/* Convolution, group norm with scale and shift from the noise level, SiLU. */
static pyr_value layer(pyr_graph *g, pyr_value x, pyr_value emb, int number)
{
    char name[32];
    pyr_value scale_shift;

    snprintf(name, sizeof name, "conv%d", number);
    x = pyr_conv2d(g, x, name, (pyr_conv){.channels = CHANNELS, .kernel = 3});
    snprintf(name, sizeof name, "emb%d", number);
    scale_shift = pyr_linear(g, emb, name, 2 * CHANNELS);
    snprintf(name, sizeof name, "norm%d", number);
    return pyr_group_norm(
        g, x, name, (pyr_norm){.groups = CHANNELS / GROUP, .eps = 1e-5, .act = PYR_ACT_SILU}, scale_shift);
}

pyr_value pyr_noise_classifier_build(pyr_graph *g, pyr_value x, pyr_value condition, pyr_value time,
                                     int classes)
{
    pyr_value emb = pyr_time_positional(g, time, FEATURES, true, 0), h = x;
    pyr_shape s;

    emb = pyr_activation(g, pyr_linear(g, emb, "time.0", EMBEDDING), PYR_ACT_SILU);
    emb = pyr_activation(g, pyr_linear(g, emb, "time.1", EMBEDDING), PYR_ACT_SILU);
    if (condition >= 0)
        h = pyr_concat(g, h, condition);
    s = pyr_graph_shape(g, x);
    if (s.h >= PATCH_FROM || s.w >= PATCH_FROM)
        h = pyr_unshuffle(g, h, PATCH);
    h = layer(g, h, emb, 0);
    s = pyr_graph_shape(g, h);
    for (int i = 1; i < LEAST_CONVOLUTIONS || s.h > SMALL || s.w > SMALL; i++) {
        if (s.h >= 2 && s.w >= 2)
            h = pyr_pool2d(g, h, (pyr_pool2d_plan){.window = PYR_WINDOW_MEAN, .kernel = 2});
        else if (i >= LEAST_CONVOLUTIONS)
            break;
        h = layer(g, h, emb, i);
        s = pyr_graph_shape(g, h);
    }
    h = pyr_pool2d(g, h, (pyr_pool2d_plan){.window = PYR_WINDOW_MEAN});
    return pyr_conv2d(g, h, "out", (pyr_conv){.channels = classes, .kernel = 1, .real = true});
}

/* ---- its file ---------------------------------------------------------------------------------- */

static const char kind_key[] = "pyrdiff_classifier", hash_key[] = "pyrdiff_weights";

pyr_status pyr_noise_classifier_write(const char *folder, const pyr_level_facts *facts,
                                      const pyr_class_list *classes, const pyr_params *params, pyr_kernels *k,
                                      const void *block)
{
    pyr_st_pair pairs[PYR_FACT_PAIRS + PYR_CLASS_PAIRS + 2];
    char *path, n_classes[16], hash_text[24];
    pyr_text text = {0}, counts = {0}, names = {0};
    uint64_t hash = PYR_HASH_START;
    size_t n = 0, more = 0;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, PYR_NOISE_CLASSIFIER_NAME));
    PYR_TRY_OUT(pyr_facts_write(facts, pairs, &n, &text));
    PYR_TRY_OUT(pyr_class_list_write(classes, pairs + n, &more, &counts, &names));
    n += more;
    PYR_TRY_OUT(pyr_params_hash(&hash, params, k, block));
    snprintf(n_classes, sizeof n_classes, "%d", classes->n);
    snprintf(hash_text, sizeof hash_text, "%016" PRIx64, hash);
    pairs[n++] = (pyr_st_pair){kind_key, n_classes};
    pairs[n++] = (pyr_st_pair){hash_key, hash_text};
    status = pyr_params_write(path, params, k, block, pairs, n);
out:
    pyr_text_free(&text);
    pyr_text_free(&counts);
    pyr_text_free(&names);
    pyr_free(path);
    return status;
}

static pyr_status not_there(const pyr_level *level, const char *path, const char *run)
{
    return pyr_fail(PYR_E_IO,
                    "level %d is guided by a classifier (sampler.classifier_scale %g), but %s is not there: "
                    "pyrdiff classifier --noise --network %s --level %d trains it",
                    level->facts.index, level->settings.classifier_scale, path, PYR_SHELL(run),
                    level->facts.index);
}

static pyr_status of_another(const pyr_level *level, const char *path, const char *run)
{
    return pyr_fail(PYR_E_FORMAT,
                    "%s was trained for another level, other data or another standardisation than level %d "
                    "of this run has: pyrdiff classifier --noise --network %s --level %d trains it again",
                    path, level->facts.index, PYR_SHELL(run), level->facts.index);
}

/* Facts and classes of an open file. */
static pyr_status read_head(pyr_noise_classifier *c, const pyr_safetensors *file, const char *path,
                            const char *run)
{
    const char *classes = pyr_safetensors_metadata(file, kind_key);
    pyr_level_facts facts;
    int64_t n;

    if (!classes || !pyr_parse_count(classes, &n) || n < 2 || n > PYR_LABEL_MOST)
        return pyr_fail(PYR_E_FORMAT,
                        "%s is no classifier of noised images (its metadata do not say of how many classes)",
                        path);
    PYR_TRY(pyr_facts_read(&facts, file, path));
    if (!pyr_facts_same_variable(&facts, &c->level->facts) || facts.condition != c->level->facts.condition ||
        facts.condition_std != c->level->facts.condition_std)
        return of_another(c->level, path, run);
    return pyr_class_list_read(&c->classes, path, (int)n, -1);
}

static pyr_status load(pyr_noise_classifier *c, const pyr_safetensors *file, const char *path)
{
    const char *wanted = pyr_safetensors_metadata(file, hash_key);
    char text[24];

    PYR_TRY(pyr_params_match(file, path, &c->params)); /* before memory is taken */
    PYR_TRY(pyr_alloc(c->k, &c->block, c->params.count * pyr_type_size(c->k->real), what));
    PYR_TRY(pyr_params_read(file, path, &c->params, c->k, c->block));
    c->hash = PYR_HASH_START;
    PYR_TRY(pyr_params_hash(&c->hash, &c->params, c->k, c->block));
    snprintf(text, sizeof text, "%016" PRIx64, c->hash);
    if (!wanted || strcmp(wanted, text) != 0)
        return pyr_fail(PYR_E_FORMAT, "%s is damaged: its weights have the hash %s, its metadata say %s",
                        path, text, wanted ? wanted : "nothing");
    return PYR_OK;
}

/* ---- preparing --------------------------------------------------------------------------------- */

/* What stays from call to call is kept: nothing else may take its place in the arena. */
static pyr_value lasting_input(pyr_graph *g, pyr_shape shape, pyr_type type)
{
    pyr_value v = pyr_graph_input(g, shape, type);

    pyr_graph_keep(g, v);
    return v;
}

/* Not planned. In the real type: the gradient is multiplied by s^2. */
static pyr_status build(pyr_noise_classifier *c)
{
    pyr_shape one = {1, 1, 1, 1};
    pyr_value condition = -1;
    pyr_graph *g;

    PYR_TRY(pyr_graph_new(&c->g, c->k, PYR_PRECISION_FULL, &c->params));
    g = c->g;
    c->x = pyr_graph_input(g, c->level->variable, c->k->real);
    c->time = pyr_graph_input(g, one, c->k->real);
    c->label = lasting_input(g, one, PYR_U32);
    if (c->level->condition.c) {
        c->condition = lasting_input(g, c->level->condition, c->k->real);
        condition = pyr_affine(g, c->condition, 1 / c->level->facts.condition_std, 0);
    }
    c->logits = pyr_noise_classifier_build(g, c->x, condition, c->time, c->classes.n);
    pyr_graph_keep(g, c->logits);
    c->weight = lasting_input(g, one, c->k->real);
    c->loss = pyr_cross_entropy(g, c->logits, c->label, c->weight);
    pyr_graph_want_gradient(g, c->x);
    pyr_graph_seed(g, c->loss);
    return PYR_OK;
}

enum { POINT, MOVED, AHEAD, POINTS }; /* blocks of a lane for differences */

static size_t image_bytes(const pyr_noise_classifier *c)
{
    return pyr_count(c->level->variable) * pyr_type_size(c->k->real);
}

static pyr_status allocate(pyr_noise_classifier *c)
{
    pyr_kernels *k = c->k;
    size_t n = (size_t)c->batch, lanes = (size_t)k->lanes;
    double *host;
    pyr_status status;

    PYR_TRY(pyr_new(&c->labels, lanes * n, sizeof *c->labels, what));
    PYR_TRY(pyr_new(&c->s, lanes * n, sizeof *c->s, what));
    PYR_TRY(pyr_new(&c->point, POINTS * lanes, sizeof *c->point, what));
    for (size_t i = 0; i < POINTS * lanes; i++)
        PYR_TRY(pyr_alloc(k, &c->point[i], n * image_bytes(c), what));
    PYR_TRY(pyr_alloc(k, &c->ones, n * pyr_type_size(k->real), what));
    PYR_TRY(pyr_new(&host, n, sizeof *host, what));
    for (size_t i = 0; i < n; i++)
        host[i] = 1;
    status = pyr_upload_reals(k, c->ones, host, n);
    for (int lane = 0; lane < k->lanes && status == PYR_OK; lane++)
        status = pyr_upload_reals(k, pyr_graph_data(c->g, lane, c->weight), host, n);
    pyr_free(host);
    return status;
}

pyr_status pyr_noise_classifier_new(pyr_noise_classifier *out, pyr_kernels *k, const pyr_level *level,
                                    const char *folder, const char *run, int batch)
{
    pyr_safetensors *file = NULL;
    char *path;
    bool there;
    pyr_status status;

    *out = (pyr_noise_classifier){
        .k = k, .level = level, .batch = batch, .scale = level->settings.classifier_scale, .condition = -1};
    PYR_TRY(pyr_path_new(&path, folder, PYR_NOISE_CLASSIFIER_NAME));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        PYR_TRY_OUT(not_there(level, path, run));
    PYR_TRY_OUT(pyr_safetensors_open(&file, path));
    PYR_TRY_OUT(read_head(out, file, path, run));
    PYR_TRY_OUT(build(out));
    PYR_TRY_OUT(load(out, file, path));
    PYR_TRY_OUT(pyr_graph_plan(out->g, &(pyr_plan){.batch = batch}));
    PYR_TRY_OUT(pyr_graph_pack(out->g, out->block));
    PYR_TRY_OUT(allocate(out));
out:
    pyr_safetensors_free(file);
    pyr_free(path);
    return status;
}

void pyr_noise_classifier_free(pyr_noise_classifier *c)
{
    if (!c->k)
        return;
    for (int i = 0; c->point && i < POINTS * c->k->lanes; i++)
        pyr_release(c->k, c->point[i]);
    pyr_free(c->point);
    pyr_free(c->labels);
    pyr_free(c->s);
    pyr_graph_free(c->g);
    pyr_release(c->k, c->block);
    pyr_release(c->k, c->ones);
    pyr_params_free(&c->params);
    pyr_class_list_free(&c->classes);
    *c = (pyr_noise_classifier){0};
}

size_t pyr_noise_classifier_bytes(const pyr_noise_classifier *c)
{
    size_t points = POINTS * (size_t)c->k->lanes * (size_t)c->batch * image_bytes(c);

    return pyr_graph_bytes(c->g).total + c->params.count * pyr_type_size(c->k->real) + points;
}

double pyr_noise_classifier_flop(const pyr_noise_classifier *c)
{
    return 2 * pyr_graph_flop(c->g); /* backwards to the input alone is as much as forwards */
}

/* ---- running ----------------------------------------------------------------------------------- */

pyr_status pyr_noise_classifier_begin(pyr_noise_classifier *c, int lane, int n, const uint32_t *rows,
                                      const void *condition)
{
    uint32_t *labels = c->labels + (size_t)lane * (size_t)c->batch;

    /* places beyond n are computed, too, whatever their images hold */
    for (int i = 0; i < c->batch; i++)
        labels[i] = rows[i < n ? i : 0];
    pyr_upload(c->k, pyr_graph_data(c->g, lane, c->label), labels, (size_t)c->batch * sizeof *labels);
    if (c->condition >= 0)
        pyr_copy(c->k, pyr_graph_data(c->g, lane, c->condition), condition,
                 (size_t)n * pyr_count(c->level->condition) * pyr_type_size(c->k->real));
    return pyr_sync(c->k);
}

static double scale_in(double s)
{
    return 1 / sqrt(1 + s * s);
}

/* dst_i = or += factor_i src_i, vectors of `size`; in one call where all factors are the same. */
static void scale_each(pyr_kernels *k, int n, const double *factor, const void *src, void *dst, size_t size,
                       bool add)
{
    size_t bytes = size * pyr_type_size(k->real);
    int run = 1;

    for (int i = 0; i < n; i += run) {
        char *to = (char *)dst + (size_t)i * bytes;
        const char *from = (const char *)src + (size_t)i * bytes;

        for (run = 1; i + run < n && factor[i + run] == factor[i]; run++)
            ;
        pyr_combine(k, to, add ? 2 : 1, (double[]){factor[i], 1}, (const void *const[]){from, to},
                    (size_t)run * size);
    }
}

static pyr_status forward(pyr_noise_classifier *c, int lane, int n, const void *x, const double *s)
{
    double in[PYR_MAX_SAMPLING_BATCH], time[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < n; i++) {
        in[i] = scale_in(s[i]);
        time[i] = pyr_noise_classifier_time(s[i]);
    }
    scale_each(c->k, n, in, x, pyr_graph_data(c->g, lane, c->x), pyr_count(c->level->variable), false);
    scale_each(c->k, n, time, c->ones, pyr_graph_data(c->g, lane, c->time), 1, false);
    return pyr_graph_forward(c->g, lane);
}

/* Of log p by what the network reads, which is x by sqrt(1 + s^2) smaller. */
static pyr_status gradient_at(pyr_noise_classifier *c, int lane, int n, const void *x, const double *s)
{
    PYR_TRY(forward(c, lane, n, x, s));
    pyr_combine(c->k, pyr_graph_gradient(c->g, lane, c->loss), 1, (double[]){-1},
                (const void *const[]){c->ones}, (size_t)c->batch);
    return pyr_graph_backward(c->g, lane, 0);
}

pyr_status pyr_noise_classifier_gradient(pyr_noise_classifier *c, int lane, int n, const void *x,
                                         const double *s)
{
    memcpy(c->s + lane * c->batch, s, (size_t)n * sizeof *s);
    pyr_copy(c->k, c->point[POINTS * lane + POINT], x, (size_t)n * image_bytes(c));
    return gradient_at(c, lane, n, x, s);
}

void pyr_noise_classifier_add(const pyr_noise_classifier *c, int lane, int n, const double *factor, void *out)
{
    double by[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < n; i++)
        by[i] = factor[i] * scale_in(c->s[lane * c->batch + i]);
    scale_each(c->k, n, by, pyr_graph_gradient(c->g, lane, c->x), out, pyr_count(c->level->variable), true);
}

/* The gradient at x + h_i v_i. */
static pyr_status gradient_beside(pyr_noise_classifier *c, int lane, int n, const double *h, const void *v)
{
    void *const *at = c->point + POINTS * lane;

    pyr_copy(c->k, at[MOVED], at[POINT], (size_t)n * image_bytes(c));
    scale_each(c->k, n, h, v, at[MOVED], pyr_count(c->level->variable), true);
    return gradient_at(c, lane, n, at[MOVED], c->s + lane * c->batch);
}

/* H v = (grad(x + h v) - grad(x - h v)) / 2h, with h v so small a part of x as the precision allows. */
pyr_status pyr_noise_classifier_curve(pyr_noise_classifier *c, int lane, int n, const void *v)
{
    pyr_kernels *k = c->k;
    size_t size = pyr_count(c->level->variable);
    void *ahead = c->point[POINTS * lane + AHEAD];
    const double *s = c->s + lane * c->batch;
    double part = k->real == PYR_F64 ? 1e-5 : 1e-2, squares[PYR_MAX_SAMPLING_BATCH];
    double h[PYR_MAX_SAMPLING_BATCH], back[PYR_MAX_SAMPLING_BATCH], by[PYR_MAX_SAMPLING_BATCH];

    PYR_TRY(pyr_dots(k, squares, v, v, n, size));
    for (int i = 0; i < n; i++) {
        h[i] = squares[i] > 0 ? part * sqrt((1 + s[i] * s[i]) * (double)size / squares[i]) : 0;
        back[i] = -h[i];
        by[i] = h[i] > 0 ? scale_in(s[i]) / (2 * h[i]) : 0;
    }
    PYR_TRY(gradient_beside(c, lane, n, h, v));
    pyr_copy(k, ahead, pyr_graph_gradient(c->g, lane, c->x), (size_t)n * image_bytes(c));
    PYR_TRY(gradient_beside(c, lane, n, back, v));
    pyr_combine(k, ahead, 2, (double[]){1, -1},
                (const void *const[]){ahead, pyr_graph_gradient(c->g, lane, c->x)}, (size_t)n * size);
    scale_each(k, n, by, ahead, ahead, size, false);
    return PYR_OK;
}

void pyr_noise_classifier_add_curve(const pyr_noise_classifier *c, int lane, int n, const double *factor,
                                    void *out)
{
    scale_each(c->k, n, factor, c->point[POINTS * lane + AHEAD], out, pyr_count(c->level->variable), true);
}

pyr_status pyr_noise_classifier_log_p(pyr_noise_classifier *c, int lane, int n, const void *x,
                                      const double *s, double *log_p)
{
    int classes = c->classes.n;

    PYR_TRY(forward(c, lane, n, x, s));
    PYR_TRY(pyr_download_reals(c->k, log_p, pyr_graph_data(c->g, lane, c->logits), (size_t)(n * classes)));
    for (int i = 0; i < n; i++) {
        double *of = log_p + (size_t)i * (size_t)classes, most = of[0], sum = 0;

        for (int j = 1; j < classes; j++)
            most = fmax(most, of[j]);
        for (int j = 0; j < classes; j++)
            sum += exp(of[j] - most);
        for (int j = 0; j < classes; j++)
            of[j] -= most + log(sum);
    }
    return PYR_OK;
}
