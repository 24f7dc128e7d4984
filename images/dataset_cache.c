/* dataset_cache.c - the images of a data set in a file of the cache, for sets that take more memory than they
 * may.
 *
 * XDG_CACHE_HOME/pyrdiff/images/HASH.images, by the path and the settings that the images depend on, so that
 * a data set that changes has one file, which is made anew. It holds, little-endian:
 *
 *     0     "pyrdiff images 2", then 64-bit numbers: key, start and bytes of the facts, their hash, size of
 * the file 4096  image after image, training images first: its samples, and 8 bytes of checksum (XXH3-64, the
 *           image's number as its seed)
 *     then  the facts: one JSON object, a NUL, and the labels (32-bit; none when there are no classes)
 *
 * A file that is damaged or of another version is made anew when that is seen on opening. An image is
 * compared with its checksum whenever it is read: 0.2 us for one of 784 bytes, 1.3 us for 64x64 in colour.
 *
 * The file can be removed at any time; a running process keeps what it has open. */
#include "base/atomic_file.h"
#include "images/dataset_internal.h"

#include "base/checksum.h"
#include "base/json.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file is written as a little-endian machine has numbers in memory"
#endif

static const char magic[16] = "pyrdiff images 2"; /* without a NUL */
enum { SAMPLES_AT = 4096, FACTS_MOST = 1 << 30, MOST_SIDE = 1 << 24, SUM = 8 /* bytes of a checksum */ };
#define MOST_IMAGES (INT64_C(1) << 40)

typedef struct header {
    char magic[16];
    uint64_t key, facts_at, facts_bytes, facts_hash, size;
} header;

/* ---- name and key ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return pyr_hash(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t hash_settings(uint64_t hash, const pyr_data_settings *s)
{
    int64_t numbers[] = {s->channels, s->resize_h, s->resize_w, s->crop, s->skip_bad, s->held_out};

    hash = pyr_hash(hash, numbers, sizeof numbers);
    hash = pyr_hash(hash, s->range, sizeof s->range);
    hash = hash_text(hash, s->split);
    return hash_text(hash, s->classes);
}

pyr_status pyr_dataset_cache_path(pyr_dataset *set, const pyr_data_settings *s)
{
    char name[64], *whole = realpath(s->path, NULL);
    uint64_t hash = hash_settings(hash_text(PYR_HASH_START, whole ? whole : s->path), s);

    free(whole);
    snprintf(name, sizeof name, "images/%016" PRIx64 ".images", hash);
    set->cache = pyr_cache_path(name);
    return PYR_OK;
}

static pyr_status hash_file(uint64_t *hash, const char *path)
{
    struct stat info;
    int64_t facts[4];

    if (stat(path, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    facts[0] = info.st_size;
    facts[1] = info.st_mtim.tv_sec;
    facts[2] = info.st_mtim.tv_nsec;
    facts[3] = (int64_t)info.st_ino;
    *hash = pyr_hash(hash_text(*hash, path), facts, sizeof facts);
    return PYR_OK;
}

pyr_status pyr_dataset_cache_key(uint64_t *key, const pyr_collection *c, const pyr_data_settings *s)
{
    uint64_t hash = hash_settings(hash_text(PYR_HASH_START, c->kind), s);

    for (size_t i = 0; i < c->sources.n; i++)
        PYR_TRY(hash_file(&hash, c->sources.at[i]));
    for (int64_t i = 0; i < c->n; i++) {
        const pyr_found *found = &c->at[i];
        char *path;
        int64_t facts[3] = {found->index, found->label, found->test};

        hash = pyr_hash(hash, facts, sizeof facts);
        if (c->packed)
            continue;
        PYR_TRY(pyr_collection_path(&path, c, i));
        if (c->archive)
            hash = hash_text(hash, path);
        else if (hash_file(&hash, path) != PYR_OK)
            hash = hash_text(hash, "cannot be read"); /* its sentence comes when it is decoded */
        pyr_free(path);
    }
    for (size_t i = 0; i < c->classes.n; i++)
        hash = hash_text(hash, c->classes.at[i]);
    *key = hash;
    return PYR_OK;
}

/* ---- facts ---- */

static void put_names(pyr_json *json, const char *key, const pyr_names *names)
{
    pyr_json_open(json, key, '[');
    for (size_t i = 0; i < names->n; i++)
        pyr_json_string(json, NULL, names->at[i]);
    pyr_json_close(json, ']');
}

static void put_facts(pyr_json *json, const pyr_dataset *set)
{
    char fingerprint[20];

    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, set->fingerprint);
    pyr_json_open(json, NULL, '{');
    pyr_json_string(json, "path", set->path);
    pyr_json_string(json, "kind", set->kind);
    pyr_json_string(json, "fingerprint", fingerprint);
    pyr_json_int(json, "h", set->h);
    pyr_json_int(json, "w", set->w);
    pyr_json_int(json, "c", set->c);
    pyr_json_int(json, "bits", set->bits);
    pyr_json_int(json, "train", set->count[PYR_SPLIT_TRAIN]);
    pyr_json_int(json, "held_out", set->count[PYR_SPLIT_HELD_OUT]);
    pyr_json_bool(json, "own_test", set->own_test);
    pyr_json_int(json, "classes", set->classes);
    pyr_json_bool(json, "held_labels", set->held_labels);
    pyr_json_int(json, "turned", set->turned);
    pyr_json_open(json, "values", '[');
    pyr_json_real(json, NULL, set->values.least);
    pyr_json_real(json, NULL, set->values.most);
    pyr_json_real(json, NULL, set->values.low);
    pyr_json_real(json, NULL, set->values.high);
    pyr_json_close(json, ']');
    pyr_json_string(json, "how", set->how.at);
    pyr_json_string(json, "notes", set->notes.at);
    put_names(json, "class_names", &set->class_names);
    put_names(json, "skipped", &set->skipped);
    put_names(json, "warnings", &set->warnings);
    pyr_json_close(json, '}');
}

/* A whole number 0 .. most, true as 1; what is absent is 0, anything else makes *good false. */
static int64_t get(bool *good, const pyr_json_value *json, const char *key, int64_t most)
{
    const pyr_json_value *item = pyr_json_member(json, key);
    double value = pyr_json_number(item, pyr_json_is(item, PYR_JSON_TRUE));

    if (!(value >= 0 && value <= (double)most) || value != floor(value)) {
        *good = false;
        return 0;
    }
    return (int64_t)value;
}

static const char *get_text(const pyr_json_value *json, const char *key)
{
    return pyr_json_text(pyr_json_member(json, key));
}

static pyr_status get_names(pyr_names *out, const pyr_json_value *json, const char *key)
{
    const pyr_json_value *item, *list = pyr_json_member(json, key);

    PYR_JSON_EACH(item, list) if (pyr_json_text(item)) PYR_TRY(pyr_names_add(out, pyr_json_text(item)));
    return PYR_OK;
}

static pyr_status get_facts(pyr_dataset *set, const pyr_json_value *json)
{
    const char *kind = get_text(json, "kind"), *how = get_text(json, "how"), *notes = get_text(json, "notes");
    const char *fingerprint = get_text(json, "fingerprint");
    const pyr_json_value *values = pyr_json_member(json, "values");
    bool good = true;
    double *value[] = {&set->values.least, &set->values.most, &set->values.low, &set->values.high};

    set->fingerprint = fingerprint ? strtoull(fingerprint, NULL, 16) : 0;
    set->h = (int)get(&good, json, "h", MOST_SIDE);
    set->w = (int)get(&good, json, "w", MOST_SIDE);
    set->c = (int)get(&good, json, "c", 4);
    set->bits = (int)get(&good, json, "bits", 16);
    set->image_bytes = (size_t)set->h * (size_t)set->w * (size_t)(set->c * set->bits / 8);
    set->count[PYR_SPLIT_TRAIN] = get(&good, json, "train", MOST_IMAGES);
    set->count[PYR_SPLIT_HELD_OUT] = get(&good, json, "held_out", MOST_IMAGES);
    set->own_test = get(&good, json, "own_test", 1);
    set->classes = (int)get(&good, json, "classes", PYR_LABEL_MOST);
    set->held_labels = get(&good, json, "held_labels", 1);
    set->turned = get(&good, json, "turned", MOST_IMAGES);
    if (!good || (set->bits != 8 && set->bits != 16))
        return pyr_fail(PYR_E_FORMAT, "%s is damaged: its sizes make no sense", set->cache);
    for (int i = 0; i < 4; i++)
        *value[i] = pyr_json_number(pyr_json_item(values, i), 0);
    if (how)
        pyr_text_add(&set->how, "%s", how);
    if (notes)
        pyr_text_add(&set->notes, "%s", notes);
    set->kind = pyr_strdup(kind ? kind : "");
    if (!set->kind || set->how.failed || set->notes.failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the data set");
    PYR_TRY(get_names(&set->class_names, json, "class_names"));
    PYR_TRY(get_names(&set->skipped, json, "skipped"));
    return get_names(&set->warnings, json, "warnings");
}

/* ---- taking ---- */

size_t pyr_dataset_cache_stride(const pyr_dataset *set)
{
    return set->image_bytes + SUM;
}

pyr_status pyr_dataset_cache_read(const pyr_dataset *set, int64_t slot, void *dst)
{
    uint64_t at = set->samples_at + (uint64_t)slot * pyr_dataset_cache_stride(set), sum;
    struct iovec parts[2] = {{dst, set->image_bytes}, {&sum, SUM}};

    /* All of it at once, as a rule. */
    if (preadv(set->file, parts, 2, (off_t)at) != (ssize_t)pyr_dataset_cache_stride(set) &&
        (!pyr_read_at(set->file, dst, set->image_bytes, at) ||
         !pyr_read_at(set->file, &sum, SUM, at + set->image_bytes)))
        return pyr_fail(PYR_E_IO, "%s: image %lld of the data set cannot be read from it: %s", set->cache,
                        (long long)slot, errno ? strerror(errno) : "it became shorter");
    if (sum != pyr_checksum_at(dst, set->image_bytes, (uint64_t)slot))
        return pyr_fail(
            PYR_E_FORMAT,
            "%s is damaged: image %lld of the data set is not what was written; remove this file, and it is "
            "made again from the data set",
            set->cache, (long long)slot);
    return PYR_OK;
}

/* Whole, of this key, and as it was written. */
static bool fits(const header *h, int file, uint64_t key)
{
    struct stat info;

    return memcmp(h->magic, magic, sizeof magic) == 0 && h->key == key && fstat(file, &info) == 0 &&
           (uint64_t)info.st_size == h->size && h->facts_bytes < FACTS_MOST && h->facts_at >= SAMPLES_AT &&
           h->facts_at <= h->size && h->facts_bytes == h->size - h->facts_at;
}

static pyr_status take_labels(pyr_dataset *set, const char *facts, size_t n)
{
    size_t images = (size_t)(set->count[0] + set->count[1]), json = strlen(facts) + 1;

    if (!set->classes)
        return PYR_OK;
    if (n - json != images * sizeof *set->labels)
        return pyr_fail(PYR_E_FORMAT, "%s: labels are missing", set->cache);
    PYR_TRY(pyr_new(&set->labels, images, sizeof *set->labels, "the labels"));
    memcpy(set->labels, facts + json, images * sizeof *set->labels);
    for (size_t i = 0; i < images; i++)
        if (set->labels[i] < -1 || set->labels[i] >= set->classes)
            return pyr_fail(PYR_E_FORMAT, "%s is damaged: label %zu is of no class", set->cache, i);
    return PYR_OK;
}

/* All but the paths: what a damaged file left behind. */
static void forget(pyr_dataset *set)
{
    pyr_dataset rest = {.path = set->path, .cache = set->cache, .file = -1};

    set->path = set->cache = NULL;
    set->file = -1; /* the caller's */
    pyr_dataset_clear(set);
    *set = rest;
}

static pyr_status take(pyr_dataset *set, int file, const header *h, char *facts, uint64_t memory)
{
    uint64_t bytes;
    int64_t images;
    pyr_json_value *json = NULL;
    pyr_status status;

    PYR_TRY(pyr_json_parse(&json, facts, strlen(facts), set->cache));
    status = get_facts(set, json);
    pyr_json_free(json);
    PYR_TRY(status);
    bytes = h->facts_at - SAMPLES_AT;
    images = set->count[0] + set->count[1];
    if (set->count[0] < 1 || set->image_bytes == 0 || bytes % pyr_dataset_cache_stride(set) != 0 ||
        bytes / pyr_dataset_cache_stride(set) != (uint64_t)images)
        return pyr_fail(PYR_E_FORMAT, "%s is damaged: images are missing", set->cache);
    bytes = (uint64_t)images * set->image_bytes;
    PYR_TRY(take_labels(set, facts, (size_t)h->facts_bytes));
    set->samples_at = SAMPLES_AT;
    set->file = file;
    if (bytes > memory)
        return PYR_OK;
    PYR_TRY(pyr_new(&set->samples, (size_t)bytes, 1, "the data set"));
    for (int64_t i = 0; i < images; i++)
        PYR_TRY(pyr_dataset_cache_read(set, i, (char *)set->samples + (size_t)i * set->image_bytes));
    close(file);
    set->file = -1;
    return PYR_OK;
}

/* Of the file that is there nothing can be said. */
static pyr_status unread(pyr_dataset *set, int error)
{
    return pyr_fail(PYR_E_IO, "%s cannot be read: %s", set->cache,
                    error ? strerror(error) : "it is too short");
}

static pyr_status take_file(pyr_dataset *set, bool *taken, int file, uint64_t key, uint64_t memory)
{
    header h = {0};
    char *facts = NULL;
    pyr_status status;

    if (!pyr_read_at(file, &h, sizeof h, 0))
        return errno ? unread(set, errno) : PYR_OK; /* too short: another file */
    if (!fits(&h, file, key))
        return PYR_OK;
    PYR_TRY(pyr_new(&facts, (size_t)h.facts_bytes + 1, 1, "the data set"));
    if (!pyr_read_at(file, facts, (size_t)h.facts_bytes, h.facts_at))
        PYR_TRY_OUT(unread(set, errno));
    if (pyr_hash(PYR_HASH_START, facts, (size_t)h.facts_bytes) != h.facts_hash)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s is damaged: the facts are not what was written", set->cache));
    status = take(set, file, &h, facts, memory);
    *taken = status == PYR_OK;
out:
    pyr_free(facts);
    return status;
}

pyr_status pyr_dataset_cache_take(pyr_dataset *set, bool *taken, uint64_t key, uint64_t memory)
{
    int file = open(set->cache, O_RDONLY | O_CLOEXEC);
    pyr_status status;

    *taken = false;
    if (file < 0 && errno == ENOENT)
        return PYR_OK;
    status = file < 0 ? unread(set, errno) : take_file(set, taken, file, key, memory);
    if (!*taken) {
        forget(set);
        if (file >= 0)
            close(file);
    }
    if (status != PYR_E_FORMAT && status != PYR_E_IO)
        return status;
    pyr_text_add(&set->unread, "%s; the images are made anew", pyr_error());
    return PYR_OK;
}

/* ---- making ---- */

static pyr_status cannot_write(const char *path, int error)
{
    return pyr_fail(
        PYR_E_IO,
        "%s: the images do not fit into memory, and this file for them cannot be written: %s; set "
        "XDG_CACHE_HOME to a folder with space, or make images smaller with --resize",
        path, strerror(error));
}

/* One process makes the file at a time; what a killed one has left of it goes. */
static pyr_status lock_of(pyr_cache_writer *out, const pyr_dataset *set, const char *folder)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_format(&path, "%s.lock", set->cache));
    status = pyr_lock_wait(&out->lock, path);
    pyr_free(path);
    if (status == PYR_OK)
        pyr_remove_temporaries(folder);
    return status;
}

pyr_status pyr_dataset_cache_begin(pyr_cache_writer *out, const pyr_dataset *set)
{
    uint64_t bytes = (uint64_t)(set->count[0] + set->count[1]) * pyr_dataset_cache_stride(set);
    char *folder;
    struct statvfs disk;
    pyr_status status;

    *out = (pyr_cache_writer){.bytes = bytes, .lock = -1};
    PYR_TRY(pyr_format(&folder, "%.*s", (int)(pyr_base_name(set->cache) - set->cache) - 1, set->cache));
    if (pyr_make_folders(folder) != PYR_OK)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_IO,
                     "the images do not fit into memory, and there is no place for a file of them: %s; "
                     "set XDG_CACHE_HOME to a folder with space, or make images smaller with --resize",
                     pyr_error()));
    PYR_TRY_OUT(lock_of(out, set, folder));
    if (statvfs(folder, &disk) == 0 && bytes / disk.f_frsize > disk.f_bavail)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_IO,
                     "%s: the images do not fit into memory, and need %.4g GiB in this folder, where %.4g "
                     "GiB are free; set XDG_CACHE_HOME to a folder with space, or make images smaller with "
                     "--resize",
                     folder, (double)bytes / 1073741824.0,
                     (double)disk.f_bavail * (double)disk.f_frsize / 1073741824.0));
    PYR_TRY_OUT(pyr_atomic_open(&out->file, set->cache));
out:
    pyr_free(folder);
    if (status != PYR_OK)
        pyr_dataset_cache_abandon(out);
    return status;
}

static bool write_at(int file, const void *bytes, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t part = pwrite(file, (const char *)bytes + done, n - done, (off_t)(at + done));

        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return false;
        done += (size_t)part;
    }
    return true;
}

pyr_status pyr_dataset_cache_write(const pyr_cache_writer *writer, int64_t slot, const void *samples,
                                   size_t image_bytes)
{
    int file = fileno(writer->file.stream);
    uint64_t at = SAMPLES_AT + (uint64_t)slot * (image_bytes + SUM),
             sum = pyr_checksum_at(samples, image_bytes, (uint64_t)slot);

    return write_at(file, samples, image_bytes, at) && write_at(file, &sum, SUM, at + image_bytes)
               ? PYR_OK
               : cannot_write(writer->file.path, errno);
}

pyr_status pyr_dataset_cache_end(pyr_cache_writer *writer, pyr_dataset *set, uint64_t key)
{
    size_t labels = set->classes ? (size_t)(set->count[0] + set->count[1]) * sizeof *set->labels : 0;
    header h = {.key = key, .facts_at = SAMPLES_AT + writer->bytes};
    pyr_json json = {0};
    FILE *f = writer->file.stream;
    pyr_status status;

    memcpy(h.magic, magic, sizeof magic);
    put_facts(&json, set);
    pyr_text_add_bytes(&json.text, "", 1);
    if (labels)
        pyr_text_add_bytes(&json.text, set->labels, labels);
    if (json.text.failed)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the facts of the data set"));
    h.facts_bytes = json.text.length;
    h.facts_hash = pyr_hash(PYR_HASH_START, json.text.at, json.text.length);
    h.size = h.facts_at + h.facts_bytes;
    if (fseeko(f, (off_t)h.facts_at, SEEK_SET) != 0)
        PYR_TRY_OUT(cannot_write(set->cache, errno));
    PYR_TRY_OUT(pyr_atomic_write(&writer->file, json.text.at, json.text.length));
    if (fseeko(f, 0, SEEK_SET) != 0)
        PYR_TRY_OUT(cannot_write(set->cache, errno));
    PYR_TRY_OUT(pyr_atomic_write(&writer->file, &h, sizeof h));
    PYR_TRY_OUT(pyr_atomic_commit(&writer->file));
    set->file = open(set->cache, O_RDONLY | O_CLOEXEC);
    set->samples_at = SAMPLES_AT;
    if (set->file < 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s: %s", set->cache, strerror(errno)));
out:
    pyr_text_free(&json.text);
    return status;
}

void pyr_dataset_cache_abandon(pyr_cache_writer *writer)
{
    pyr_atomic_abandon(&writer->file);
    pyr_unlock(writer->lock);
    *writer = (pyr_cache_writer){.lock = -1};
}
