/* features.c - opens a feature network, and runs images through it. */
#include "features/features.h"

#include "base/file.h"
#include "base/mem.h"
#include "features/classifier.h"
#include "features/inception.h"
#include "graph/lane_share.h"
#include "pictures/pixels.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Images a lane takes at a time; Inception's have 299x299 pixels, and those of one stay in the caches. */
enum { BATCH = 16, INCEPTION_BATCH = 1, INCEPTION_BATCH_GPU = 4 };

const char *const pyr_fid_resizes[2] = {"tf1", "pytorch"};

struct pyr_features {
    pyr_kernels *k;
    bool inception;
    pyr_fid_resize resize;
    pyr_classifier_shape shape; /* of a classifier; Inception-v3: classes only */
    pyr_params params;
    pyr_graph *g;
    pyr_network_ends ends;
    void *block;
    int batch;      /* images a lane takes at a time */
    size_t numbers; /* of an image, as the network reads it */
    pyr_feature_facts facts;
};

/* What a run is about, for its tasks. */
typedef struct features_run {
    pyr_features *f;
    int64_t n;
    const void *images; /* samples of `bits` */
    int bits, h, w, c;
    float *features, *logits;
    int share; /* images of a task */
} features_run;

static pyr_status load_weights(pyr_features *f, const pyr_safetensors *file, const char *path)
{
    pyr_kernels *k = f->k;
    size_t wanted = pyr_params_model_count(&f->params), there = 0;

    for (size_t i = 0; i < pyr_safetensors_count(file); i++)
        there += pyr_safetensors_at(file, i)->count;
    if (!f->inception && there < wanted) /* before memory is taken for them; Inception's are never so many */
        return pyr_fail(
            PYR_E_FORMAT,
            "%s holds %zu numbers, the network of %d classes that it tells of has %zu: it is damaged; train or convert it again",
            path, there, f->shape.classes, wanted);
    PYR_TRY(
        pyr_alloc(k, &f->block, f->params.count * pyr_type_size(k->real), "weights of a feature network"));
    if (f->inception)
        return pyr_inception_load(&f->facts.hash, file, path, &f->params, k, f->block);
    return pyr_classifier_load(&f->facts.hash, file, path, &f->params, k, f->block);
}

/* The weights before the plan, which takes memory for images as large as the file says: first it must hold
 * the network that it tells of. Planned in the real type whatever the kernels' precision: a figure must not
 * depend on it. */
static pyr_status open_network(pyr_features *f, const pyr_safetensors *file, const char *path)
{
    pyr_kernels *k = f->k;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_graph_new(&f->g, k, PYR_PRECISION_FULL, &f->params));
    if (f->inception)
        f->ends = pyr_inception_build(f->g, f->shape.classes, k->real);
    else
        f->ends = pyr_classifier_build(f->g, &f->shape, k->real);
    if (f->ends.features >= 0 && f->ends.logits >= 0) /* else the plan says why */
        status = load_weights(f, file, path);
    if (status == PYR_OK)
        status = pyr_graph_plan(
            f->g,
            &(pyr_plan){.batch = f->batch,
                        .parts = f->batch / pyr_share_part(k, f->batch, pyr_graph_shape(f->g, f->ends.x))});
    return status;
}

static pyr_status open_classifier(pyr_features *f, const pyr_safetensors *file, const char *path)
{
    PYR_TRY(pyr_classifier_read_shape(&f->shape, file, path));
    f->batch = BATCH;
    f->facts.reads_words = true;
    snprintf(f->facts.name, sizeof f->facts.name, "classifier %dx%dx%d, %d classes", f->shape.h, f->shape.w,
             f->shape.c, f->shape.classes);
    return open_network(f, file, path);
}

static pyr_status open_inception(pyr_features *f, const pyr_safetensors *file, const char *path)
{
    f->inception = true;
    f->batch = f->k->backend->host_memory ? INCEPTION_BATCH : INCEPTION_BATCH_GPU;
    f->facts.resize = pyr_fid_resizes[f->resize];
    snprintf(f->facts.name, sizeof f->facts.name, "inception-v3, %s resize", f->facts.resize);
    PYR_TRY(pyr_inception_classes(&f->shape.classes, file, path));
    PYR_TRY(open_network(f, file, path));
    if (f->resize == PYR_RESIZE_TF1) /* other features; the weights' own hash is that of the other resize */
        f->facts.hash = pyr_hash(f->facts.hash, f->facts.resize, strlen(f->facts.resize));
    return PYR_OK;
}

pyr_status pyr_features_open(pyr_features **out, pyr_kernels *k, const char *path, pyr_fid_resize resize)
{
    pyr_safetensors *file = NULL;
    pyr_features *f = NULL;
    pyr_status status = PYR_OK;

    *out = NULL;
    PYR_TRY_OUT(pyr_safetensors_open(&file, path));
    PYR_TRY_OUT(pyr_new(&f, 1, sizeof *f, "feature network"));
    f->k = k;
    f->resize = resize;
    if (pyr_is_classifier(file))
        PYR_TRY_OUT(open_classifier(f, file, path));
    else if (pyr_is_inception(file))
        PYR_TRY_OUT(open_inception(f, file, path));
    else
        PYR_TRY_OUT(pyr_fail(
            PYR_E_FORMAT,
            "%s is not a feature network: neither a classifier (pyrdiff classifier) nor Inception-v3's weights (scripts/convert-inception.py)",
            path));
    PYR_TRY_OUT(pyr_graph_pack(f->g, f->block));
    f->facts.size = pyr_graph_shape(f->g, f->ends.features).c;
    f->facts.classes = pyr_graph_shape(f->g, f->ends.logits).c;
    f->numbers = pyr_count(pyr_graph_shape(f->g, f->ends.x)) / (size_t)f->batch;
    *out = f;
    f = NULL;
out:
    pyr_features_free(f);
    pyr_safetensors_free(file);
    return status;
}

void pyr_features_free(pyr_features *f)
{
    if (!f)
        return;
    pyr_graph_free(f->g);
    pyr_release(f->k, f->block);
    pyr_params_free(&f->params);
    pyr_free(f);
}

const pyr_feature_facts *pyr_features_facts(const pyr_features *f)
{
    return &f->facts;
}

/* Places behind the last image keep what they hold: images do not touch one another. */
static pyr_status run_task(void *arg, int task, int lane)
{
    const features_run *r = arg;
    pyr_features *f = r->f;
    pyr_kernels *k = f->k;
    int64_t first = (int64_t)task * r->share;
    int n = r->n - first < r->share ? (int)(r->n - first) : r->share;
    size_t d = (size_t)f->facts.size, classes = (size_t)f->facts.classes;
    size_t samples = (size_t)r->h * (size_t)r->w * (size_t)r->c, real = pyr_type_size(k->real);
    char *x = pyr_graph_data(f->g, lane, f->ends.x);
    float *one; /* image, as the network reads it */
    pyr_status status;

    PYR_TRY(pyr_new(&one, f->numbers, sizeof *one, "images on their way"));
    for (int i = 0; i < n; i++) {
        const char *image = (const char *)r->images + (size_t)(first + i) * samples * (size_t)r->bits / 8;

        if (f->inception)
            pyr_inception_image(one, (const uint8_t *)image, r->h, r->w, r->c, f->resize);
        else
            pyr_pixels_from_samples(one, image, r->bits, samples);
        PYR_TRY_OUT(pyr_upload_floats(k, x + (size_t)i * f->numbers * real, one, f->numbers));
    }
    pyr_graph_use(f->g, lane, n);
    PYR_TRY_OUT(pyr_graph_forward(f->g, lane));
    PYR_TRY_OUT(pyr_download_floats(k, r->features + (size_t)first * d,
                                    pyr_graph_data(f->g, lane, f->ends.features), (size_t)n * d));
    if (r->logits)
        status = pyr_download_floats(k, r->logits + (size_t)first * classes,
                                     pyr_graph_data(f->g, lane, f->ends.logits), (size_t)n * classes);
out:
    pyr_free(one);
    return status;
}

pyr_status pyr_features_run(pyr_features *f, int64_t n, const void *images, int bits, int h, int w, int c,
                            float *features, float *logits)
{
    const pyr_classifier_shape *s = &f->shape;

    assert(bits == 8 || f->facts.reads_words);
    if (f->inception && c != 1 && c != 3)
        return pyr_fail(PYR_E_SHAPE,
                        "the images have %d channels, Inception-v3 reads grey or RGB (--channels 3)", c);
    if (!f->inception && (h != s->h || w != s->w || c != s->c))
        return pyr_fail(
            PYR_E_SHAPE,
            "the images are %dx%dx%d (height, width, channels), the classifier was trained on %dx%dx%d: train one on images of this size (pyrdiff classifier)",
            h, w, c, s->h, s->w, s->c);
    features_run r = {f, n, images, bits, h, w, c, features, logits, pyr_lane_share(f->k, n, f->batch)};

    return pyr_run_tasks(f->k, (int)((n + r.share - 1) / r.share), run_task, &r);
}
