/* average.c - finds the averages that a run has kept, combines them, and writes them as a run. */
#include "cascade/average.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "graph/power_ema.h"
#include "levels/class_fit.h"
#include "levels/gaussian.h"
#include "levels/level_file.h"
#include "levels/noise_classifier.h"
#include "network/unet_file.h"
#include <stdio.h>
#include <stdlib.h>

/* Those of a level, up to a moment. */
typedef struct kept {
    char *folder; /* LEVEL/ema */
    pyr_names names;
    size_t n, *name; /* of each profile */
    pyr_ema_profile *profile;
    double *coefficient;
    int64_t last; /* moment */
} kept;

static void kept_free(kept *a)
{
    pyr_free(a->folder);
    pyr_names_free(&a->names);
    pyr_free(a->name);
    pyr_free(a->profile);
    pyr_free(a->coefficient);
}

/* "00012800-0.05" */
static bool read_name(const char *name, int64_t *step, double *length)
{
    char *end, *last;

    *step = strtoll(name, &end, 10);
    if (end == name || *end != '-')
        return false;
    *length = strtod(end + 1, &last);
    return last != end + 1 && !*last && *step > 0 && *length >= PYR_EMA_SHORTEST &&
           *length <= PYR_EMA_LONGEST;
}

static pyr_status find(kept *a, const pyr_average_job *job, const char *level, int index)
{
    bool there;

    PYR_TRY(pyr_path_new(&a->folder, level, PYR_AVERAGES_NAME));
    PYR_TRY(pyr_folder_exists(&there, a->folder));
    if (!there)
        return pyr_fail(
            PYR_E_IO,
            "%s is not there: level %d kept no averages (train with --set level.ema_lengths=[0.05,0.1])",
            a->folder, index);
    PYR_TRY(pyr_folder_names(&a->names, a->folder));
    PYR_TRY(pyr_new(&a->name, a->names.n + 1, sizeof *a->name, "averages"));
    PYR_TRY(pyr_new(&a->profile, a->names.n + 1, sizeof *a->profile, "averages"));
    PYR_TRY(pyr_new(&a->coefficient, a->names.n + 1, sizeof *a->coefficient, "averages"));
    for (size_t i = 0; i < a->names.n; i++) {
        int64_t step;
        double length;

        if (!read_name(a->names.at[i], &step, &length) || (job->step && step > job->step))
            continue;
        a->name[a->n] = i;
        a->profile[a->n++] = (pyr_ema_profile){pyr_ema_power(length), (double)step};
        a->last = step > a->last ? step : a->last;
    }
    if (!a->n || (job->step && a->last != job->step))
        return pyr_fail(PYR_E_ARG, "level %d kept no averages at step %lld; the last before it is %lld",
                        index, (long long)job->step, (long long)a->last);
    return PYR_OK;
}

/* sum (+)= coefficient times the weights of a folder, with what they belong to; *model is made with the first. */
static pyr_status add(const kept *a, size_t i, pyr_kernels *k, pyr_unet_model *model, pyr_level *level,
                      pyr_class_list *classes, double **sum)
{
    pyr_unet_files files = {0};
    char *folder;
    double *values = NULL;
    pyr_status status;

    PYR_TRY(pyr_path_new(&folder, a->folder, a->names.at[a->name[i]]));
    PYR_TRY_OUT(pyr_level_open_unet(folder, &files, &level->unet, &level->facts));
    if (!*sum) {
        const pyr_unet_config *u = &level->unet;
        pyr_shape image = {1, 4 * u->patch, 4 * u->patch, u->in_channels / (u->patch * u->patch)};

        PYR_TRY_OUT(pyr_unet_model_load(model, u, &files, image, 1, NULL));
        PYR_TRY_OUT(pyr_new(sum, model->params.count, sizeof **sum, "weights"));
        if (level->facts.classes)
            PYR_TRY_OUT(pyr_class_list_read(classes, files.weights.at[0], level->facts.classes,
                                            level->facts.class_dropout));
    } else
        PYR_TRY_OUT(pyr_unet_load(&files, &model->params, k, model->block, NULL));
    PYR_TRY_OUT(pyr_new(&values, model->params.count, sizeof *values, "weights"));
    PYR_TRY_OUT(pyr_download_reals(k, values, model->block, model->params.count));
    for (size_t j = 0; j < model->params.count; j++)
        (*sum)[j] += a->coefficient[i] * values[j];
out:
    pyr_free(values);
    pyr_free(folder);
    pyr_unet_files_free(&files);
    return status;
}

static pyr_status combine(const kept *a, const char *to, pyr_kernels *k)
{
    pyr_unet_model model = {.k = k};
    pyr_level level = {0};
    pyr_class_list classes = {0};
    double *sum = NULL;
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < a->n; i++)
        PYR_TRY_OUT(add(a, i, k, &model, &level, &classes, &sum));
    PYR_TRY_OUT(pyr_upload_reals(k, model.block, sum, model.params.count));
    level.classes = level.facts.classes ? &classes : NULL;
    PYR_TRY_OUT(pyr_level_save_unet(to, &level, &model.params, k, model.block));
out:
    pyr_free(sum);
    pyr_class_list_free(&classes);
    pyr_unet_model_free(&model);
    return status;
}

/* A file of one folder into another; nothing happens where there is none. */
static pyr_status copy_file(const char *from, const char *to, const char *name)
{
    char *source = NULL, *target = NULL, *bytes = NULL;
    size_t n;
    bool there;
    pyr_status status;

    PYR_TRY_OUT(pyr_file_exists_in(&there, from, name));
    if (!there)
        goto out;
    PYR_TRY_OUT(pyr_path_new(&source, from, name));
    PYR_TRY_OUT(pyr_path_new(&target, to, name));
    PYR_TRY_OUT(pyr_file_read(&bytes, &n, source, UINT64_C(1) << 40));
    status = pyr_file_replace(target, bytes, n);
out:
    pyr_free(bytes);
    pyr_free(source);
    pyr_free(target);
    return status;
}

static pyr_status one_level(const pyr_average_job *job, int index)
{
    /* what sampling reads that is of the data, not of the weights */
    static const char *const beside[] = {PYR_GAUSSIAN_NAME, PYR_CLASS_FIT_NAME, PYR_NOISE_CLASSIFIER_NAME};
    kept a = {0};
    char *from = NULL, *to = NULL;
    double distance;
    pyr_ema_profile wanted = {.power = pyr_ema_power(job->length)};
    pyr_status status;

    PYR_TRY_OUT(pyr_run_level(&from, job->run, index));
    PYR_TRY_OUT(pyr_run_level(&to, job->outdir, index));
    PYR_TRY_OUT(find(&a, job, from, index));
    wanted.t = (double)a.last;
    PYR_TRY_OUT(pyr_ema_combine(a.coefficient, &distance, a.profile, a.n, &wanted));
    PYR_TRY_OUT(pyr_make_folders(to));
    PYR_TRY_OUT(combine(&a, to, job->k));
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        PYR_TRY_OUT(copy_file(from, to, beside[i]));
    if (job->made)
        job->made(job->ctx, index, a.last, a.n, distance);
out:
    kept_free(&a);
    pyr_free(from);
    pyr_free(to);
    return status;
}

pyr_status pyr_run_average(const pyr_average_job *job)
{
    bool same;

    PYR_TRY(pyr_same_file(&same, job->run, job->outdir));
    if (same)
        return pyr_fail(PYR_E_ARG,
                        "%s is the run itself, whose weights would be written over: give another --outdir",
                        job->outdir);
    PYR_TRY(pyr_make_folders(job->outdir));
    for (int i = job->config->pyramid.levels - 1; i >= 0; i--)
        if (job->level < 0 || job->level == i)
            PYR_TRY(one_level(job, i));
    return copy_file(job->run, job->outdir, "pyrdiff.cfg");
}
