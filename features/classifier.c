/* classifier.c - the classifier: its network, its training, its file. */
#include "features/classifier.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "features/fit.h"
#include "graph/params_file.h"
#include "images/order.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATCH = 2, CHANNELS = 64, GROUP = 8, LEAST_CONVOLUTIONS = 3, SMALL = 4 };
enum { BATCH = 64 };
static const double learning_rate = 1e-2;
static const char kind[] = "pyrdiff classifier 1"; /* in the metadata */

/* ---- the network ------------------------------------------------------------------------------- */

/* Convolution, group norm, SiLU. */
static pyr_value layer(pyr_graph *g, pyr_value x, int number)
{
    char name[32];

    snprintf(name, sizeof name, "conv%d", number);
    x = pyr_conv2d(g, x, name, (pyr_conv){.channels = CHANNELS, .kernel = 3});
    snprintf(name, sizeof name, "norm%d", number);
    return pyr_group_norm(g, x, name,
                          (pyr_norm){.groups = CHANNELS / GROUP, .eps = 1e-5, .act = PYR_ACT_SILU}, -1);
}

/* Patches of 2x2 first: without them an epoch takes about four times as long. Down to 4x4 pixels or fewer, so
 * that a layer sees the whole image before the mean forgets where things are: an epoch of Fashion-MNIST
 * gave 87.7 % accuracy with two convolutions at 14x14 and 7x7 and a third at 3x3, 85.7 % with the third at
 * 7x7. */
pyr_network_ends pyr_classifier_build(pyr_graph *g, const pyr_classifier_shape *shape, pyr_type real)
{
    pyr_network_ends ends = {.x = pyr_graph_input(g, (pyr_shape){1, shape->h, shape->w, shape->c}, real)};
    pyr_value x = pyr_unshuffle(g, ends.x, PATCH);
    pyr_shape s;

    x = layer(g, x, 0);
    s = pyr_graph_shape(g, x);
    for (int i = 1; i < LEAST_CONVOLUTIONS || s.h > SMALL || s.w > SMALL; i++) {
        if (s.h >= 2 && s.w >= 2)
            x = pyr_pool2d(g, x, (pyr_pool2d_plan){.window = PYR_WINDOW_MAX, .kernel = 2});
        else if (i >= LEAST_CONVOLUTIONS)
            break;
        x = layer(g, x, i);
        s = pyr_graph_shape(g, x);
    }
    ends.features = pyr_pool2d(g, x, (pyr_pool2d_plan){.window = PYR_WINDOW_MEAN});
    ends.logits = pyr_conv2d(g, ends.features, "out",
                             (pyr_conv){.channels = shape->classes, .kernel = 1, .real = true});
    pyr_graph_keep(g, ends.features);
    pyr_graph_keep(g, ends.logits);
    return ends;
}

/* ---- a training -------------------------------------------------------------------------------- */

typedef struct trainer {
    const pyr_classifier_job *job;
    pyr_kernels *k;
    pyr_classifier_shape shape;
    int batch, micro;
    pyr_params params;
    pyr_graph *g;
    pyr_network_ends ends;
    pyr_value label, weight, loss;
    pyr_fit fit;
    size_t labels_at, weights_at; /* among the inputs of a step; samples are at 0 */
    uint8_t *right;               /* [held-out image] */
    pyr_graph *held_graph;        /* the same network in the real type, for the held-out images */
    pyr_network_ends held_ends;
} trainer;

/* Samples, labels and weights of a step; what is missing to a micro-batch weighs nothing. */
static pyr_status prepare(void *ctx, int64_t number, char *inputs)
{
    trainer *t = ctx;
    const int32_t *labels = pyr_dataset_labels(t->job->data, PYR_SPLIT_TRAIN);
    int64_t count = pyr_dataset_count(t->job->data, PYR_SPLIT_TRAIN);
    size_t bytes = pyr_dataset_sample_bytes(t->job->data);
    uint32_t *label = (uint32_t *)(void *)(inputs + t->labels_at);

    for (int i = 0; i < pyr_fit_places(t->batch); i++) {
        bool there = i < t->batch;
        int64_t at = there ? pyr_order(t->job->seed, number * t->batch + i, count) : 0;

        if (there)
            PYR_TRY(pyr_dataset_read(t->job->data, PYR_SPLIT_TRAIN, at, inputs + (size_t)i * bytes));
        label[i] = there ? (uint32_t)labels[at] : 0;
        pyr_put_real(t->k, inputs + t->weights_at, (size_t)i, there);
    }
    return PYR_OK;
}

/* Images first .. first + n - 1 of the step's batch into the lane's inputs. */
static void load(void *ctx, int lane, int first, int n)
{
    trainer *t = ctx;
    pyr_kernels *k = t->k;
    const char *inputs = t->fit.step.inputs;
    size_t real = pyr_type_size(k->real), at = (size_t)first, micro = (size_t)t->micro;
    size_t image = (size_t)t->shape.h * (size_t)t->shape.w * (size_t)t->shape.c * real;
    char *x = pyr_graph_data(t->g, lane, t->ends.x);

    k->backend->pixels(k, x, inputs + at * pyr_dataset_sample_bytes(t->job->data), n,
                       (pyr_shape){n, t->shape.h, t->shape.w, t->shape.c},
                       pyr_dataset_shape_of(t->job->data).bits, NULL);
    pyr_zero(k, x + (size_t)n * image, (micro - (size_t)n) * image);
    pyr_copy(k, pyr_graph_data(t->g, lane, t->label), inputs + t->labels_at + at * sizeof(uint32_t),
             micro * sizeof(uint32_t));
    pyr_copy(k, pyr_graph_data(t->g, lane, t->weight), inputs + t->weights_at + at * real, micro * real);
}

/* ---- beginning --------------------------------------------------------------------------------- */

static pyr_status build(trainer *t)
{
    PYR_TRY(pyr_graph_new(&t->g, t->k, t->k->precision, &t->params));
    t->ends = pyr_classifier_build(t->g, &t->shape, t->k->real);
    t->label = pyr_graph_input(t->g, (pyr_shape){1, 1, 1, 1}, PYR_U32);
    t->weight = pyr_graph_input(t->g, (pyr_shape){1, 1, 1, 1}, t->k->real);
    t->loss = pyr_cross_entropy(t->g, t->ends.logits, t->label, t->weight);
    pyr_graph_keep(t->g, t->loss);
    pyr_graph_seed(t->g, t->loss);
    return pyr_graph_plan(t->g,
                          &(pyr_plan){.batch = t->micro, .groups = PYR_FIT_GROUPS, .param_gradient = true});
}

static void plan_fit(trainer *t)
{
    const pyr_classifier_job *job = t->job;
    size_t real = pyr_type_size(t->k->real), places = (size_t)pyr_fit_places(t->batch);

    t->labels_at = pyr_aligned((size_t)t->batch * pyr_dataset_sample_bytes(job->data));
    t->weights_at = t->labels_at + pyr_aligned(places * sizeof(uint32_t));
    t->fit = (pyr_fit){.k = t->k,
                       .params = &t->params,
                       .g = t->g,
                       .loss = t->loss,
                       .batch = t->batch,
                       .epoch = pyr_dataset_count(job->data, PYR_SPLIT_TRAIN),
                       .duration = job->duration,
                       .seed = job->seed,
                       .learning_rate = job->learning_rate > 0 ? job->learning_rate : learning_rate,
                       .path = job->path,
                       .input_bytes = t->weights_at + places * real,
                       .prepare = prepare,
                       .load = load,
                       .ctx = t,
                       .on_report = job->on_report,
                       .should_stop = job->should_stop,
                       .report_ctx = job->ctx};
}

static void free_trainer(trainer *t)
{
    pyr_fit_free(&t->fit);
    pyr_free(t->right);
    pyr_graph_free(t->g);
    pyr_graph_free(t->held_graph);
    pyr_params_free(&t->params);
}

/* ---- the held-out images ----------------------------------------------------------------------- */

/* The first of the largest. */
static int largest(const float *values, int n)
{
    int at = 0;

    for (int i = 1; i < n; i++)
        if (values[i] > values[at])
            at = i;
    return at;
}

static pyr_status held_out_task(void *arg, int task, int lane)
{
    trainer *t = arg;
    const int32_t *labels = pyr_dataset_labels(t->job->data, PYR_SPLIT_HELD_OUT);
    int64_t count = pyr_dataset_count(t->job->data, PYR_SPLIT_HELD_OUT), first = (int64_t)task * t->micro;
    int n = count - first < t->micro ? (int)(count - first) : t->micro, classes = t->shape.classes;
    size_t image = (size_t)t->shape.h * (size_t)t->shape.w * (size_t)t->shape.c;
    size_t real = pyr_type_size(t->k->real);
    char *x = pyr_graph_data(t->held_graph, lane, t->held_ends.x);
    const char *logits = pyr_graph_data(t->held_graph, lane, t->held_ends.logits);
    float *host; /* an image, then its logits */
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&host, image + (size_t)classes, sizeof *host, "held-out images"));
    for (int i = 0; i < n; i++) {
        PYR_TRY_OUT(pyr_dataset_pixels(t->job->data, PYR_SPLIT_HELD_OUT, first + i, false, host));
        PYR_TRY_OUT(pyr_upload_floats(t->k, x + (size_t)i * image * real, host, image));
    }
    PYR_TRY_OUT(pyr_graph_forward(t->held_graph, lane));
    for (int i = 0; i < n; i++) {
        PYR_TRY_OUT(pyr_download_floats(t->k, host, logits + (size_t)(i * classes) * real, (size_t)classes));
        t->right[first + i] = largest(host, classes) == labels[first + i];
    }
out:
    pyr_free(host);
    return status;
}

/* In the real type, as features.c computes. */
static pyr_status measure(trainer *t, pyr_classifier_result *result)
{
    int64_t count = pyr_dataset_count(t->job->data, PYR_SPLIT_HELD_OUT), right = 0;
    pyr_status status = PYR_OK;

    if (!pyr_dataset_labels(t->job->data, PYR_SPLIT_HELD_OUT))
        count = 0;
    result->held_out = count;
    result->accuracy = NAN;
    if (count == 0)
        return PYR_OK;
    PYR_TRY_OUT(pyr_new(&t->right, (size_t)count, sizeof *t->right, "held-out images"));
    PYR_TRY_OUT(pyr_graph_new(&t->held_graph, t->k, PYR_PRECISION_FULL, &t->params));
    t->held_ends = pyr_classifier_build(t->held_graph, &t->shape, t->k->real);
    PYR_TRY_OUT(pyr_graph_plan(t->held_graph, &(pyr_plan){.batch = t->micro}));
    PYR_TRY_OUT(pyr_graph_pack(t->held_graph, t->fit.optimizer.value));
    PYR_TRY_OUT(pyr_run_tasks(t->k, (int)((count + t->micro - 1) / t->micro), held_out_task, t));
    for (int64_t i = 0; i < count; i++)
        right += t->right[i];
    result->accuracy = (double)right / (double)count;
out:
    return status;
}

/* ---- the file ---------------------------------------------------------------------------------- */

/* Names of the classes as a JSON array; empty where they have none. */
static void write_class_names(pyr_json *json, const pyr_dataset *data)
{
    if (!pyr_dataset_class_name(data, 0))
        return;
    pyr_json_open(json, NULL, '[');
    for (int i = 0; i < pyr_dataset_classes(data); i++)
        pyr_json_string(json, NULL, pyr_dataset_class_name(data, i));
    pyr_json_close(json, ']');
}

static pyr_status write_file(const trainer *t, const pyr_classifier_result *result)
{
    pyr_json names = {0};
    char size[48], channels[16], classes[16], accuracy[32], held_out[24], data[24], hash[24];
    pyr_status status = PYR_OK;

    snprintf(size, sizeof size, "%dx%d", t->shape.h, t->shape.w);
    snprintf(channels, sizeof channels, "%d", t->shape.c);
    snprintf(classes, sizeof classes, "%d", t->shape.classes);
    snprintf(accuracy, sizeof accuracy, "%.6g", result->accuracy);
    snprintf(held_out, sizeof held_out, "%lld", (long long)result->held_out);
    snprintf(data, sizeof data, "%016" PRIx64, pyr_dataset_fingerprint(t->job->data));
    snprintf(hash, sizeof hash, "%016" PRIx64, result->hash);
    write_class_names(&names, t->job->data);
    if (names.text.failed)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory: names of classes"));
    const pyr_st_pair metadata[] = {
        {"kind", kind},       {"image_size", size},   {"channels", channels},
        {"classes", classes}, {"accuracy", accuracy}, {"held_out", held_out},
        {"data", data},       {"weights", hash},      {"class_names", names.text.at}};

    status = pyr_params_write(t->job->path, &t->params, t->k, t->fit.optimizer.value, metadata,
                              sizeof metadata / sizeof *metadata - (names.text.at == NULL));
out:
    pyr_text_free(&names.text);
    return status;
}

bool pyr_is_classifier(const pyr_safetensors *file)
{
    const char *word = pyr_safetensors_metadata(file, "kind");

    return word && strncmp(word, kind, strcspn(kind, "1")) == 0;
}

/* A number in the metadata, 1 .. most. */
static bool read_number(int *out, const pyr_safetensors *file, const char *key, int most)
{
    const char *text = pyr_safetensors_metadata(file, key);
    int64_t value;

    if (!text || !pyr_parse_count(text, &value) || value < 1 || value > most)
        return false;
    *out = (int)value;
    return true;
}

pyr_status pyr_classifier_read_shape(pyr_classifier_shape *out, const pyr_safetensors *file, const char *path)
{
    const char *word = pyr_safetensors_metadata(file, "kind");
    const char *size = pyr_safetensors_metadata(file, "image_size");
    enum { MOST_SIDE = 1 << 14, MOST_CLASSES = 1 << 20 };

    if (!word || strcmp(word, kind) != 0)
        return pyr_fail(PYR_E_FORMAT, "%s is of another kind of classifier (\"%s\", known is \"%s\")", path,
                        word ? word : "", kind);
    if (!size || sscanf(size, "%5dx%5d", &out->h, &out->w) != 2 || out->h < 1 || out->w < 1 ||
        out->h > MOST_SIDE || out->w > MOST_SIDE || !read_number(&out->c, file, "channels", 4) ||
        !read_number(&out->classes, file, "classes", MOST_CLASSES))
        return pyr_fail(PYR_E_FORMAT, "%s: image_size, channels and classes in its metadata make no sense",
                        path);
    return PYR_OK;
}

pyr_status pyr_classifier_load(uint64_t *hash, const pyr_safetensors *file, const char *path,
                               const pyr_params *params, pyr_kernels *k, void *block)
{
    const char *wanted = pyr_safetensors_metadata(file, "weights");
    char text[24];

    PYR_TRY(pyr_params_read(file, path, params, k, block));
    *hash = PYR_HASH_START;
    PYR_TRY(pyr_params_hash(hash, params, k, block));
    snprintf(text, sizeof text, "%016" PRIx64, *hash);
    if (!wanted || strcmp(wanted, text) != 0)
        return pyr_fail(PYR_E_FORMAT, "%s is damaged: its weights have the hash %s, its metadata says %s",
                        path, text, wanted ? wanted : "nothing");
    return PYR_OK;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static pyr_status check_data(const pyr_dataset *data)
{
    if (!pyr_dataset_labels(data, PYR_SPLIT_TRAIN))
        return pyr_fail(
            PYR_E_ARG,
            "the data has no labels, which a classifier needs: images in one subfolder for each class have them, and arrays or packed files with labels");
    if (pyr_dataset_classes(data) < 2)
        return pyr_fail(PYR_E_ARG, "the data has one class only: there is nothing to tell apart");
    return PYR_OK;
}

/* Before a minute is spent: the file could be written. */
static pyr_status check_path(const char *path)
{
    pyr_atomic_file file;

    PYR_TRY(pyr_atomic_open(&file, path));
    pyr_atomic_abandon(&file);
    return PYR_OK;
}

pyr_status pyr_classifier_train(const pyr_classifier_job *job)
{
    trainer t = {.job = job, .k = job->k, .batch = job->batch > 0 ? job->batch : BATCH};
    pyr_dataset_shape shape = pyr_dataset_shape_of(job->data);
    pyr_classifier_result result = {0};
    pyr_status status = PYR_OK;

    PYR_TRY(check_data(job->data));
    PYR_TRY(check_path(job->path));
    t.shape = (pyr_classifier_shape){shape.h, shape.w, shape.c, pyr_dataset_classes(job->data)};
    t.micro = pyr_fit_micro(t.batch);
    PYR_TRY_OUT(build(&t));
    plan_fit(&t);
    PYR_TRY_OUT(pyr_fit_run(&t.fit));
    PYR_TRY_OUT(measure(&t, &result));
    result.steps = t.fit.steps;
    result.seconds = t.fit.state.seconds;
    result.hash = PYR_HASH_START;
    PYR_TRY_OUT(pyr_params_hash(&result.hash, &t.params, t.k, t.fit.optimizer.value));
    PYR_TRY_OUT(write_file(&t, &result));
    if (job->result)
        *job->result = result;
out:
    free_trainer(&t);
    return status;
}
