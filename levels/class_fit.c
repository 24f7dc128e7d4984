/* class_fit.c - measures the classes of a level, and draws the noise that their sampling begins with. */
#include "levels/class_fit.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char what[] = "the classes of a level";

void pyr_class_fit_free(pyr_class_fit *f)
{
    pyr_free(f->centre);
    pyr_free(f->mean);
    pyr_free(f->variance);
    pyr_free(f->images);
    *f = (pyr_class_fit){0};
}

static pyr_status allocate(pyr_class_fit *f, int classes, size_t size)
{
    *f = (pyr_class_fit){.classes = classes, .size = size};
    PYR_TRY(pyr_new(&f->centre, size, sizeof *f->centre, what));
    PYR_TRY(pyr_new(&f->mean, (size_t)classes * size, sizeof *f->mean, what));
    PYR_TRY(pyr_new(&f->variance, (size_t)classes * size, sizeof *f->variance, what));
    return pyr_new(&f->images, (size_t)classes, sizeof *f->images, what);
}

/* ---- measuring --------------------------------------------------------------------------------- */

typedef struct measuring {
    const pyr_level *level;
    pyr_feed *feed;
    const pyr_gaussian *g;
    pyr_class_fit *f;
    void *variable; /* backend, a batch */
    double *vector, *host, *room;
} measuring;

/* Sums of numbers, and of squares of coefficients. */
static void add_image(measuring *m, double *z, int label)
{
    size_t size = m->f->size, c = (size_t)m->level->variable.c;
    double *mean = m->f->mean + (size_t)label * size, *variance = m->f->variance + (size_t)label * size;

    for (size_t i = 0; i < size; i++) {
        z[i] = z[i] * (1 + m->vector[i % c]) + m->vector[c + i % c];
        mean[i] += z[i];
    }
    pyr_gaussian_to(m->g, z, m->room);
    for (size_t i = 0; i < size; i++)
        variance[i] += z[i] * z[i];
    m->f->images[label]++;
}

/* On one lane: sums in one order, whatever the number of threads is. */
static pyr_status add_images(measuring *m)
{
    pyr_feed *feed = m->feed;
    const int32_t *labels = pyr_dataset_labels(feed->data, PYR_SPLIT_TRAIN);
    int64_t count = pyr_dataset_count(feed->data, PYR_SPLIT_TRAIN), index[256];
    int64_t images = m->g->images;
    size_t size = m->f->size;

    for (int64_t first = 0; first < images;) {
        pyr_pick pick = {.split = PYR_SPLIT_TRAIN, .index = index};

        for (; pick.n < feed->batch && pick.n < 256 && first < images; first++)
            index[pick.n++] = first * count / images;
        PYR_TRY(pyr_feed_level(feed, 0, &pick, m->level->facts.index, m->variable, NULL));
        PYR_TRY(pyr_download_reals(feed->k, m->host, m->variable, (size_t)pick.n * size));
        for (int i = 0; i < pick.n; i++)
            if (labels[index[i]] >= 0 && labels[index[i]] < m->f->classes)
                add_image(m, m->host + (size_t)i * size, labels[index[i]]);
    }
    return PYR_OK;
}

/* Means and variances of the sums. */
static void conclude(measuring *m)
{
    pyr_class_fit *f = m->f;
    size_t size = f->size;
    double all = 0;

    for (int y = 0; y < f->classes; y++)
        all += f->images[y];
    for (size_t i = 0; i < size; i++)
        for (int y = 0; y < f->classes; y++)
            f->centre[i] += f->mean[(size_t)y * size + i] / all;
    for (int y = 0; y < f->classes; y++) {
        double *mean = f->mean + (size_t)y * size, *variance = f->variance + (size_t)y * size,
               n = f->images[y];

        for (size_t i = 0; i < size; i++)
            m->host[i] = mean[i] = n > 0 ? mean[i] / n : f->centre[i];
        pyr_gaussian_to(m->g, m->host, m->room);
        for (size_t i = 0; i < size; i++)
            variance[i] = n > 0 ? fmax(0, variance[i] / n - m->host[i] * m->host[i]) : m->g->variance[i];
    }
}

pyr_status pyr_class_fit_measure(pyr_class_fit *out, const pyr_level *level, pyr_feed *feed,
                                 const pyr_gaussian *g)
{
    pyr_kernels *k = feed->k;
    measuring m = {.level = level, .feed = feed, .g = g, .f = out};
    int classes = pyr_dataset_labels(feed->data, PYR_SPLIT_TRAIN) ? pyr_dataset_classes(feed->data) : 0;
    size_t batch = (size_t)(feed->batch < 256 ? feed->batch : 256);
    pyr_status status = PYR_OK;

    *out = (pyr_class_fit){0};
    if (classes < 1)
        return pyr_fail(PYR_E_ARG, "the data has no labels: there are no classes to measure");
    if ((double)classes * (double)g->size > PYR_CLASS_FIT_NUMBERS)
        return pyr_fail(PYR_E_ARG, "level %d has %zu numbers in each of %d classes: too many to measure all",
                        level->facts.index, g->size, classes);
    PYR_TRY_OUT(allocate(out, classes, g->size));
    PYR_TRY_OUT(pyr_new(&m.vector, 2 * (size_t)level->variable.c, sizeof *m.vector, what));
    PYR_TRY_OUT(pyr_new(&m.host, batch * g->size, sizeof *m.host, what));
    PYR_TRY_OUT(pyr_new(&m.room, g->size, sizeof *m.room, what));
    PYR_TRY_OUT(pyr_alloc(k, &m.variable, batch * g->size * pyr_type_size(k->real), what));
    pyr_level_vector(level, false, m.vector);
    PYR_TRY_OUT(add_images(&m));
    conclude(&m);
out:
    pyr_release(k, m.variable);
    pyr_free(m.vector);
    pyr_free(m.host);
    pyr_free(m.room);
    return status;
}

/* ---- in closed form ---------------------------------------------------------------------------- */

static double distance2(const pyr_class_fit *f, int y)
{
    double sum = 0;

    for (size_t i = 0; i < f->size; i++) {
        double d = f->mean[(size_t)y * f->size + i] - f->centre[i];

        sum += d * d;
    }
    return sum;
}

double pyr_class_fit_mismatch(const pyr_class_fit *f, int y, double s, double prior, bool own)
{
    const double *variance = f->variance + (size_t)y * f->size;
    double sum = own ? 0 : distance2(f, y) / prior;

    for (size_t i = 0; i < f->size; i++) {
        double x = (variance[i] + s * s - prior) / prior;

        sum += x - log1p(x);
    }
    return sum / 2;
}

double pyr_class_fit_gain(const pyr_class_fit *f, double prior)
{
    double sum = 0, all = 0;

    for (int y = 0; y < f->classes; y++) {
        sum += f->images[y] * distance2(f, y) / (2 * prior);
        all += f->images[y];
    }
    return sum / all;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

pyr_status pyr_class_fit_draw(const pyr_class_fit *f, pyr_kernels *k, int n, const uint64_t *seeds, int level,
                              double s, const uint32_t *rows, void *start, uint32_t *streams)
{
    double *z;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&z, f->size, sizeof *z, what));
    pyr_upload_streams(k, streams, seeds, n);
    k->backend->normals(k, start, n, f->size, streams, pyr_rng_purpose(PYR_RNG_PRIOR, level), 0, 0);
    for (int i = 0; i < n; i++) {
        void *place = (char *)start + (size_t)i * f->size * pyr_type_size(k->real);
        bool one = rows && rows[i] < (uint32_t)f->classes;
        const double *mean = one ? f->mean + (size_t)rows[i] * f->size : f->centre;

        PYR_TRY_OUT(pyr_download_reals(k, z, place, f->size));
        for (size_t j = 0; j < f->size; j++)
            z[j] = mean[j] + sqrt(1 + s * s) * z[j];
        PYR_TRY_OUT(pyr_upload_reals(k, place, z, f->size));
    }
out:
    pyr_free(z);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------- */

pyr_status pyr_class_fit_write(const pyr_class_fit *f, const pyr_level_facts *facts, const char *folder)
{
    int64_t classes = f->classes, size = (int64_t)f->size;
    const pyr_st_entry tensors[] = {
        {"centre", PYR_ST_F64, 1, {size}, f->centre},
        {"mean", PYR_ST_F64, 2, {classes, size}, f->mean},
        {"variance", PYR_ST_F64, 2, {classes, size}, f->variance},
        {"images", PYR_ST_F64, 1, {classes}, f->images},
    };

    return pyr_measured_write(folder, PYR_CLASS_FIT_NAME, facts, tensors, sizeof tensors / sizeof *tensors,
                              NULL, 0);
}

static pyr_status read_all(pyr_class_fit *f, const pyr_level *level, const pyr_safetensors *file,
                           const char *path, const char *run)
{
    const pyr_st_tensor *images = pyr_safetensors_find(file, "images");
    size_t all;

    PYR_TRY(pyr_measured_check(file, level, path, run));
    if (!images || images->count < 1 || images->count > PYR_CLASS_FIT_NUMBERS)
        return pyr_fail(PYR_E_FORMAT, "%s does not say of how many classes it is", path);
    PYR_TRY(allocate(f, (int)images->count, pyr_count(level->variable)));
    all = images->count * f->size;
    PYR_TRY(pyr_measured_read(file, "images", f->images, images->count, 0, path));
    PYR_TRY(pyr_measured_read(file, "centre", f->centre, f->size, -INFINITY, path));
    PYR_TRY(pyr_measured_read(file, "mean", f->mean, all, -INFINITY, path));
    return pyr_measured_read(file, "variance", f->variance, all, 0, path);
}

pyr_status pyr_class_fit_read(pyr_class_fit *out, const pyr_level *level, const char *folder, const char *run)
{
    int index = level->facts.index;
    pyr_safetensors *file = NULL;
    char *path;
    bool there;
    pyr_status status;

    *out = (pyr_class_fit){0};
    PYR_TRY(pyr_path_new(&path, folder, PYR_CLASS_FIT_NAME));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        PYR_TRY_OUT(pyr_fail(
            PYR_E_IO,
            "level %d starts from the means of its classes (sampler.start class), but %s is not there: "
            "pyrdiff analyze --network %s --level %d measures it",
            index, path, PYR_SHELL(run), index));
    PYR_TRY_OUT(pyr_safetensors_open(&file, path));
    PYR_TRY_OUT(read_all(out, level, file, path, run));
out:
    pyr_safetensors_free(file);
    pyr_free(path);
    if (status != PYR_OK)
        pyr_class_fit_free(out);
    return status;
}
