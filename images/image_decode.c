/* image_decode.c - from what was found to decoded images: files side by side, archives that are read in order
 * and packed files in portions. Each image is measured once, and kept while there is memory for it; what was
 * given up is read again when it is used. */
#include "layouts/collection.h"

#include "base/mem.h"
#include "pictures/image_file.h"
#include "pictures/range.h"
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

/* What is read in order goes to the pool in portions of so many images, or bytes of files. */
enum { PORTION = 1024, PORTION_BYTES = 32 << 20 };

typedef struct decoding {
    pyr_collection *c;
    const pyr_decode *d;
    pyr_use_image use; /* NULL: the first time, when images are measured and kept */
    void *arg;
    atomic_ullong kept; /* bytes of images in memory */
    atomic_llong done;
    atomic_ullong decoded, limit; /* bytes of all images as they are decoded, and how many they may be */
    atomic_ullong read;           /* bytes of image files in folders */
    pthread_mutex_t settling;     /* held while the limit is found out */
    bool settled;
    pthread_mutex_t keeping; /* held while small images are put into `small` */
    pyr_samples_block *small;
    /* the portion, images first .. first + count - 1 of the collection */
    int64_t first, count;
    char *bytes[PORTION]; /* of each file; NULL: not needed, or bad */
    size_t sizes[PORTION];
    char *block; /* samples of a packed source */
} decoding;

/* ---- how much may be decoded ---- */

static uint64_t file_bytes(const char *path)
{
    struct stat info;

    return path && stat(path, &info) == 0 && info.st_size > 0 ? (uint64_t)info.st_size : 0;
}

static uint64_t image_file_bytes(const pyr_collection *c, int64_t i)
{
    char *path;
    uint64_t bytes;

    if (pyr_collection_path(&path, c, i) != PYR_OK)
        return 0;
    bytes = file_bytes(path);
    pyr_free(path);
    return bytes;
}

/* What is allowed when nothing is said: from the sizes of all files. `read`: that many bytes were read of
 * image files in folders, which are all of them; 0: look their sizes up. */
static void settle_limit(decoding *run, uint64_t read)
{
    const pyr_collection *c = run->c;
    uint64_t bytes = read;

    pthread_mutex_lock(&run->settling);
    if (!run->settled) {
        for (size_t i = 0; i < c->sources.n; i++)
            bytes += file_bytes(c->sources.at[i]);
        for (int64_t i = 0; i < c->n && !c->archive && !c->packed && !read; i++)
            bytes += image_file_bytes(c, i);
        bytes *= PYR_DECODE_RATIO;
        atomic_store(&run->limit, bytes > PYR_DECODE_LEAST ? bytes : PYR_DECODE_LEAST);
        run->settled = true;
    }
    pthread_mutex_unlock(&run->settling);
}

/* So many bytes more of decoded images, those of `name` the last. The files' sizes are asked for only when it
 * comes to them. */
static pyr_status add_decoded(decoding *run, uint64_t bytes, const char *name)
{
    uint64_t all = atomic_fetch_add(&run->decoded, bytes) + bytes;

    if (all <= atomic_load(&run->limit))
        return PYR_OK;
    settle_limit(run, 0);
    if (all <= atomic_load(&run->limit))
        return PYR_OK;
    return pyr_fail(
        PYR_E_CONFIG,
        "%s: with this the images take %.4g MiB when they are decoded, more than the %.4g MiB that so many "
        "bytes of files are allowed: are they what they should be? If so, raise the limit with --set "
        "data.decode_limit=BYTES",
        name, (double)all / 1048576, (double)atomic_load(&run->limit) / 1048576);
}

/* ---- one image ---- */

static pyr_status to_size(pyr_image *image, bool *fitted, const pyr_decode *d)
{
    pyr_image other;

    if (!d->h || (image->h == d->h && image->w == d->w))
        return PYR_OK;
    PYR_TRY(pyr_image_fit(&other, image, d->h, d->w, d->fit));
    pyr_image_free(image);
    *image = other;
    *fitted = true;
    return PYR_OK;
}

/* What is found out about an image before it is brought to range and size. */
static void measure(pyr_found *found, const pyr_image *image)
{
    uint32_t least, most;

    pyr_image_extremes(image, &least, &most);
    found->least = (uint16_t)least;
    found->most = (uint16_t)most;
    found->c = (uint8_t)image->c;
    found->bits = (uint8_t)image->bits;
    found->turned = image->turned;
    found->opaque = pyr_image_opaque(image);
}

/* Read and decode image i, measure it if `facts`, and bring it to range and size. */
static pyr_status make(pyr_image *out, decoding *run, int64_t i, pyr_found *facts)
{
    const pyr_collection *c = run->c;
    const pyr_data_settings *set = c->set;
    bool fitted = false;
    char *path = NULL, *bytes = NULL;
    size_t n = 0;
    pyr_status status;

    *out = (pyr_image){0};
    PYR_TRY_OUT(pyr_collection_path(&path, c, i));
    if (!c->archive) {
        PYR_TRY_OUT(pyr_file_read(&bytes, &n, path, PYR_IMAGE_FILE));
        atomic_fetch_add(&run->read, n);
    } else if (!c->archive->in_order)
        PYR_TRY_OUT(c->archive->read(c->archive, &bytes, &n, c->at[i].entry, path));
    if (!bytes)
        n = run->sizes[i - run->first];
    PYR_TRY_OUT(pyr_image_decode(out, bytes ? bytes : run->bytes[i - run->first], n, path));
    if (facts) {
        PYR_TRY_OUT(add_decoded(run, pyr_image_bytes(out), path));
        measure(facts, out);
    }
    if (set->range[0] < set->range[1])
        PYR_TRY_OUT(pyr_image_spread(out, set->range[0], set->range[1], path));
    PYR_TRY_OUT(to_size(out, &fitted, run->d));
    if (facts) {
        facts->h = out->h;
        facts->w = out->w;
        facts->fitted = fitted;
    }
out:
    pyr_free(bytes);
    pyr_free(path);
    if (status != PYR_OK)
        pyr_image_free(out);
    return status;
}

/* A packed source's image in the portion, or in the block of all. */
static pyr_image packed_image(const decoding *run, int64_t i)
{
    const pyr_packed *p = run->c->packed;
    pyr_image image = {.h = p->h, .w = p->w, .c = p->c, .bits = p->bits};

    /* the block of all is in the order of the file, from which images may have been dropped since */
    image.at =
        run->block + (size_t)(run->c->block ? run->c->at[i].index : i - run->first) * pyr_image_bytes(&image);
    return image;
}

static pyr_status measure_packed(const decoding *run, int64_t i)
{
    const pyr_data_settings *set = run->c->set;
    pyr_found *found = &run->c->at[i];
    pyr_image image = packed_image(run, i);

    found->h = image.h;
    found->w = image.w;
    measure(found, &image);
    if (set->range[0] < set->range[1] && !run->c->packed->ranged)
        return pyr_image_spread(&image, set->range[0], set->range[1], set->path);
    return PYR_OK;
}

static pyr_status use_packed(const decoding *run, int64_t i)
{
    const pyr_data_settings *set = run->c->set;
    pyr_image image = packed_image(run, i);

    /* the block of all was spread when it was measured */
    if (!run->c->block && set->range[0] < set->range[1] && !run->c->packed->ranged)
        PYR_TRY(pyr_image_spread(&image, set->range[0], set->range[1], set->path));
    return run->use(run->arg, i, &image);
}

/* A fault of a file is that file's; all others end the work. */
static bool is_bad_file(pyr_status status)
{
    return status == PYR_E_FORMAT || status == PYR_E_IO || status == PYR_E_UNSUPPORTED;
}

static pyr_status mark_bad(pyr_found *found)
{
    return pyr_format(&found->bad, "%s", pyr_error());
}

/* Keep the samples of an image, which is freed or taken over. */
static pyr_status keep(decoding *run, pyr_found *found, pyr_image *image)
{
    enum { SMALL = 1024 /* bytes */ };

    found->kept_bits = (uint8_t)image->bits;
    if (pyr_image_bytes(image) > SMALL) {
        found->samples = image->at;
        return PYR_OK;
    }
    pthread_mutex_lock(&run->keeping);
    found->samples = pyr_samples_keep(&run->small, image->at, pyr_image_bytes(image));
    pthread_mutex_unlock(&run->keeping);
    found->shared = true;
    pyr_image_free(image);
    return found->samples ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for the images");
}

static pyr_status measure_file(decoding *run, int64_t i)
{
    pyr_found *found = &run->c->at[i];
    pyr_image image;
    pyr_status status;
    size_t bytes;

    if (found->bad)
        return PYR_OK;
    status = make(&image, run, i, found);
    if (is_bad_file(status))
        return mark_bad(found);
    PYR_TRY(status);
    bytes = pyr_image_bytes(&image) + 2 * PYR_ALIGN;
    if (atomic_fetch_add(&run->kept, bytes) + bytes <= run->d->memory)
        return keep(run, found, &image);
    atomic_fetch_sub(&run->kept, bytes);
    pyr_image_free(&image);
    return PYR_OK;
}

static pyr_status use_file(decoding *run, int64_t i)
{
    pyr_found *found = &run->c->at[i];
    pyr_image image = {
        .at = found->samples, .h = found->h, .w = found->w, .c = found->c, .bits = found->kept_bits};
    bool kept = image.at != NULL;
    pyr_status status;

    if (!kept)
        PYR_TRY(make(&image, run, i, NULL));
    status = run->use(run->arg, i, &image);
    if (kept)
        pyr_found_release(found); /* early: two copies of an image should not both stay */
    else
        pyr_image_free(&image);
    return status;
}

static pyr_status one(void *arg, int task, int lane)
{
    decoding *run = arg;
    int64_t i = run->first + task;

    const pyr_reading *reading = &run->c->set->reading;
    int64_t done = atomic_fetch_add(&run->done, 1) + 1, all = run->c->n;

    if (reading->on_images && lane == 0) /* the caller's thread */
        reading->on_images(reading->ctx, run->use ? all + done : done, 2 * all);
    if (run->c->packed)
        return run->use ? use_packed(run, i) : measure_packed(run, i);
    return run->use ? use_file(run, i) : measure_file(run, i);
}

/* ---- all of them ---- */

static pyr_status read_named(pyr_collection *c, char **bytes, size_t *n, int64_t i)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_collection_path(&path, c, i));
    status = c->archive->read(c->archive, bytes, n, c->at[i].entry, path);
    pyr_free(path);
    return status;
}

/* The bytes of the next files of an archive that is read in order. */
static pyr_status next_files(decoding *run)
{
    pyr_collection *c = run->c;
    size_t bytes = 0;

    for (run->count = 0; run->count < PORTION && bytes < PORTION_BYTES && run->first + run->count < c->n;
         run->count++) {
        pyr_found *found = &c->at[run->first + run->count];
        char **at = &run->bytes[run->count];
        size_t *n = &run->sizes[run->count];
        pyr_status status;

        *at = NULL;
        if (found->bad || found->samples)
            continue;
        status = read_named(c, at, n, run->first + run->count);
        if (is_bad_file(status) && !run->use)
            status = mark_bad(found);
        PYR_TRY(status);
        bytes += *n;
    }
    return PYR_OK;
}

static pyr_status in_order(decoding *run)
{
    pyr_status status = PYR_OK;

    for (; run->first < run->c->n; run->first += run->count) {
        status = next_files(run);
        if (status == PYR_OK)
            status = pyr_pool_run(run->d->pool, (int)run->count, one, run);
        for (int64_t i = 0; i < PORTION; i++) {
            pyr_free(run->bytes[i]);
            run->bytes[i] = NULL;
        }
        PYR_TRY(status);
    }
    return status;
}

static size_t packed_bytes(const pyr_packed *p)
{
    return (size_t)p->h * (size_t)p->w * (size_t)(p->c * p->bits / 8);
}

/* Images of a packed file in the order of the file, `at` having some or all of them, in that order. */
static pyr_status packed_in_portions(decoding *run, int64_t portion)
{
    pyr_collection *c = run->c;
    size_t bytes = packed_bytes(c->packed);
    int64_t read = 0; /* images of the file that are behind us */

    PYR_TRY(c->packed->rewind(c->packed));
    for (; run->first < c->n; run->first += run->count) {
        run->count = c->n - run->first < portion ? c->n - run->first : portion;
        for (int64_t i = 0; i < run->count; i++) {
            char *at = run->block + (size_t)i * bytes;
            int64_t run_of = 1, index = c->at[run->first + i].index;

            for (; read < index; read++)
                PYR_TRY(c->packed->read(c->packed, at, 1));
            while (i + run_of < run->count && c->at[run->first + i + run_of].index == index + run_of)
                run_of++;
            PYR_TRY(c->packed->read(c->packed, at, run_of));
            read += run_of;
            i += run_of - 1;
        }
        PYR_TRY(pyr_pool_run(run->d->pool, (int)run->count, one, run));
    }
    return PYR_OK;
}

static pyr_status packed_all(decoding *run)
{
    pyr_collection *c = run->c;
    size_t bytes = packed_bytes(c->packed);
    int64_t portion = (int64_t)(PORTION_BYTES / bytes) < 1 ? 1 : (int64_t)(PORTION_BYTES / bytes);
    pyr_status status;

    if (!run->use)
        PYR_TRY(add_decoded(run, (uint64_t)c->n * bytes, c->set->path));
    if (c->block) { /* they are there */
        run->block = c->block;
        return pyr_pool_run(run->d->pool, (int)c->n, one, run);
    }
    if (!run->use && (uint64_t)c->n <= run->d->memory / bytes) {
        PYR_TRY(pyr_new(&run->block, (size_t)c->n, bytes, "the images"));
        status = packed_in_portions(run, c->n);
        if (status == PYR_OK)
            c->block = run->block;
        else
            pyr_free(run->block);
        return status;
    }
    portion = portion < c->n ? portion : c->n;
    PYR_TRY(pyr_new(&run->block, (size_t)portion, bytes, "some of the images"));
    status = packed_in_portions(run, portion);
    pyr_free(run->block);
    return status;
}

pyr_status pyr_collect_images(pyr_collection *c, const pyr_decode *d, pyr_use_image use, void *arg)
{
    decoding *run;
    pyr_status status;

    if (c->n > INT_MAX)
        return pyr_fail(PYR_E_FORMAT, "%lld images, at most %d are read", (long long)c->n, INT_MAX);
    PYR_TRY(pyr_new(&run, 1, sizeof *run, "reading images"));
    run->c = c;
    run->d = d;
    run->use = use;
    run->arg = arg;
    run->settled = c->set->decode_limit > 0;
    run->limit = run->settled ? (uint64_t)c->set->decode_limit : PYR_DECODE_LEAST;
    pthread_mutex_init(&run->settling, NULL);
    pthread_mutex_init(&run->keeping, NULL);
    if (c->packed)
        status = packed_all(run);
    else if (c->archive && c->archive->in_order)
        status = in_order(run);
    else
        status = pyr_pool_run(d->pool, (int)c->n, one, run);
    if (!use) {
        settle_limit(run, atomic_load(&run->read));
        c->decoded = (pyr_data_decoded){atomic_load(&run->decoded), atomic_load(&run->limit)};
    }
    pyr_samples_done(run->small);
    pthread_mutex_destroy(&run->keeping);
    pthread_mutex_destroy(&run->settling);
    pyr_free(run);
    return status;
}
