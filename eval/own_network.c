/* own_network.c - a feature network for data with labels: found in the cache, or trained. */
#include "eval/evaluate.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "eval/measure.h"
#include "features/classifier.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether it is there and whole; one that cannot be read is not made again over it. */
static pyr_status opens(bool *whole, pyr_kernels *k, const char *path)
{
    pyr_features *f = NULL;
    pyr_status status;

    PYR_TRY(pyr_file_exists(whole, path));
    if (!*whole)
        return PYR_OK;
    status = pyr_features_open(&f, k, path, PYR_RESIZE_TF1);
    *whole = status == PYR_OK;
    pyr_features_free(f);
    return status == PYR_E_IO || status == PYR_E_NOMEM ? status : PYR_OK;
}

/* A network under way: of which data, and whom to tell. */
typedef struct making {
    pyr_own_network *out;
    pyr_kernels *k;
    const pyr_dataset *data;
    void (*on_note)(void *ctx, const char *line);
    void *ctx;
} making;

static void note(const making *m, const char *line)
{
    if (m->on_note)
        m->on_note(m->ctx, line);
}

/* Into out->path, where it is kept for the next time, or not. */
static pyr_status train_classifier(const making *m, bool kept)
{
    pyr_classifier_result result;
    int64_t n = pyr_dataset_count(m->data, PYR_SPLIT_TRAIN);
    /* in images, so that it is the same network on every machine: 5 epochs, of few images more of them */
    pyr_duration duration = {n * 5 < 20000 ? 20000 : (double)(n * 5), PYR_DURATION_IMAGES};
    pyr_classifier_job job = {.k = m->k,
                              .data = m->data,
                              .path = m->out->path,
                              .duration = duration,
                              .seed = PYR_METRIC_SEED,
                              .result = &result};
    char line[512];

    note(
        m,
        kept
            ? "no feature network is named: training a classifier on the data's labels, which is kept for the next time"
            : "no feature network is named: training a classifier on the data's labels");
    PYR_TRY(pyr_classifier_train(&job));
    if (result.held_out)
        snprintf(line, sizeof line,
                 "classifier: %.1f%% of %lld held-out images classified correctly, after %.0f s%s%s",
                 100 * result.accuracy, (long long)result.held_out, result.seconds, kept ? "; kept: " : "",
                 kept ? job.path : "");
    else
        snprintf(line, sizeof line, "classifier: trained in %.0f s, no images are held out to try it on%s%s",
                 result.seconds, kept ? "; kept: " : "", kept ? job.path : "");
    note(m, line);
    return PYR_OK;
}

/* Whether a file can be made in `folder`, which is made. PYR_E_IO. */
static pyr_status try_folder(const char *folder)
{
    char *path;
    int file;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, "try-XXXXXX"));
    PYR_TRY_OUT(pyr_open_output_folder(folder));
    file = mkstemp(path);
    if (file < 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s cannot be written: %s", folder, strerror(errno)));
    close(file);
    unlink(path);
out:
    pyr_free(path);
    return status;
}

/* A folder for this evaluation alone. */
static pyr_status temporary_folder(char **out)
{
    const char *root = getenv("TMPDIR");

    PYR_TRY(pyr_path_new(out, root && *root ? root : "/tmp", "pyrdiff-eval-XXXXXX"));
    if (mkdtemp(*out))
        return PYR_OK;
    pyr_fail(
        PYR_E_IO,
        "%s: there is no place to keep a classifier in: %s; set XDG_CACHE_HOME or TMPDIR to a folder that can be written, or name a classifier: --classifier FILE",
        *out, strerror(errno));
    pyr_free(*out);
    *out = NULL;
    return PYR_E_IO;
}

/* Train it where it lasts as long as `out`. `why`: the cache cannot be used. */
static pyr_status train_for_once(const making *m, const char *why)
{
    char line[1024];

    snprintf(
        line, sizeof line,
        "warning: %s: the classifier is not kept for the next time (XDG_CACHE_HOME says where it would be)",
        why);
    PYR_TRY(temporary_folder(&m->out->folder));
    note(m, line);
    PYR_TRY(pyr_path_new(&m->out->path, m->out->folder, "classifier.safetensors"));
    return train_classifier(m, false);
}

pyr_status pyr_default_network(pyr_own_network *out, pyr_kernels *k, const pyr_dataset *data,
                               const char *cache, void (*on_note)(void *ctx, const char *line), void *ctx)
{
    making m = {out, k, data, on_note, ctx};
    pyr_status status;
    bool kept;

    *out = (pyr_own_network){0};
    if (pyr_dataset_classes(data) < 2)
        return PYR_OK;
    if (!cache) {
        status = train_for_once(&m, "there is no cache (neither HOME nor XDG_CACHE_HOME is set)");
        goto out;
    }
    PYR_TRY(pyr_format(&out->path, "%s/classifier-%016" PRIx64 ".safetensors", cache,
                       pyr_dataset_fingerprint(data)));
    status = opens(&kept, k, out->path);
    if (status == PYR_OK && kept)
        return PYR_OK;
    if (status == PYR_OK)
        status = try_folder(cache);
    if (status == PYR_OK)
        status = train_classifier(&m, true);
    if (status == PYR_E_IO) { /* also when the disk filled up meanwhile */
        pyr_free(out->path);
        out->path = NULL;
        status = train_for_once(&m, pyr_error());
    }
out:
    if (status != PYR_OK)
        pyr_own_network_free(out);
    return status;
}

void pyr_own_network_free(pyr_own_network *network)
{
    if (network->folder) {
        if (network->path)
            unlink(network->path);
        rmdir(network->folder);
    }
    pyr_free(network->path);
    pyr_free(network->folder);
    *network = (pyr_own_network){0};
}
