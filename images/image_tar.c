/* image_tar.c - image files in tar archives: one archive, or several of one data set, as WebDataset's shards
 * are (name-000000.tar, name-000001.tar, ...). */
#include "images/data_format.h"

#include "archives/folder_names.h"
#include "archives/tar_file.h"
#include "base/mem.h"
#include "layouts/dataset_json.h"
#include "layouts/foreign.h"
#include "pictures/image_file.h"
#include <string.h>
#include <strings.h>

enum {
    KEPT_MOST = 100 << 20 /* bytes of lists of labels, as in a folder */,
    BESIDE_MOST = 1 << 20,
    WARNED = 3
};

typedef struct one {
    pyr_tar *tar;
    int64_t first; /* its first entry, counted through all archives */
} one;

/* The archives, as decoding sees them. */
typedef struct tars {
    pyr_archive archive; /* first, so that a pyr_archive is one */
    one *at;
    size_t n;
    size_t last; /* that was read from */
} tars;

/* A file of the list. */
typedef struct file {
    char *name;    /* where it would lie, were the archives folders; in `names` of the files */
    size_t tar;    /* its archive */
    size_t entry;  /* in it */
    size_t header; /* of it, in the archive */
    int32_t label; /* in a .cls or .json beside an image */
    char *bytes;   /* of a list of labels; NULL: not kept */
    size_t size;
} file;

typedef struct files {
    tars *tars;
    file *at;
    size_t n, room;
    pyr_names names;
    size_t tar;         /* the archive that is listed now */
    const char *within; /* what comes before the names of its entries */
    /* of its entries that were taken while it was listed: by entry */
    file *taken;
    size_t taken_n, taken_room;
    size_t kept; /* bytes */
    size_t warned, aside[PYR_TAR_ASIDE];
} files;

/* ---- reading ---- */

static size_t tar_of(const tars *t, int64_t entry)
{
    size_t low = 0, high = t->n;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (t->at[middle].first <= entry)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static pyr_status read_entry(pyr_archive *archive, char **bytes, size_t *n, int64_t entry, const char *path)
{
    tars *t = (tars *)archive;
    size_t low = tar_of(t, entry);

    (void)path; /* the tar names its entries itself, in the same way */
    if (archive->in_order && t->last != low) {
        pyr_tar_rest(t->at[t->last].tar);
        t->last = low;
    }
    return pyr_tar_read(bytes, n, t->at[low].tar, (size_t)(entry - t->at[low].first), PYR_IMAGE_FILE);
}

static char *path_in(const pyr_tar *tar, size_t entry)
{
    const pyr_tar_facts *facts = pyr_tar_facts_of(tar);

    return pyr_strfmt("%s: %s", facts->path, facts->at[entry].name);
}

static char *path_of_entry(const pyr_archive *archive, int64_t entry)
{
    const tars *t = (const tars *)archive;
    const one *of = &t->at[tar_of(t, entry)];

    return path_in(of->tar, (size_t)(entry - of->first));
}

static void free_archive(pyr_archive *archive)
{
    tars *t = (tars *)archive;

    for (size_t i = 0; i < t->n; i++)
        pyr_tar_free(t->at[i].tar);
    pyr_free(t->at);
    pyr_free(t);
}

/* ---- listing ---- */

/* Lists of labels are kept as they are; of the files beside images only their label. */
static bool is_list(const char *name)
{
    return strcmp(pyr_base_name(name), PYR_DATASET_JSON) == 0 || pyr_ends_with(name, "_annotations.txt") ||
           pyr_ends_with(name, "_solution.csv");
}

static bool wants(void *arg, const char *name, uint64_t size)
{
    const files *f = arg;

    if (is_list(name))
        return size <= KEPT_MOST - f->kept;
    return size <= BESIDE_MOST && (pyr_ends_with(name, ".cls") || pyr_ends_with(name, ".json"));
}

static pyr_status keep(files *f, file taken)
{
    pyr_status status =
        pyr_grow(&f->taken, &f->taken_room, f->taken_n, sizeof *f->taken, "the labels in an archive");

    if (status == PYR_OK)
        f->taken[f->taken_n++] = taken;
    else
        pyr_free(taken.bytes);
    return status;
}

static pyr_status take(void *arg, size_t entry, const char *name, const char *bytes, size_t n)
{
    files *f = arg;
    file taken = {.entry = entry, .label = -1};

    if (is_list(name)) {
        PYR_TRY(pyr_new(&taken.bytes, n + 1, 1, name));
        memcpy(taken.bytes, bytes, n);
        taken.size = n;
        f->kept += n;
    } else if (pyr_label_beside(&taken.label, bytes, n, name) == PYR_E_NOMEM)
        return PYR_E_NOMEM; /* no JSON: no label */
    return keep(f, taken);
}

/* A link, in a compressed archive: what was taken of its target. */
static pyr_status again(void *arg, size_t entry, size_t of)
{
    files *f = arg;
    size_t i = 0;

    while (i < f->taken_n && f->taken[i].entry != of)
        i++;
    if (i == f->taken_n)
        return PYR_OK; /* its target is no file of labels: no label */
    if (f->taken[i].bytes)
        return take(f, entry, PYR_DATASET_JSON, f->taken[i].bytes, f->taken[i].size);
    return keep(f, (file){.entry = entry, .label = f->taken[i].label});
}

/* Where the entries of an archive would lie, were it a folder: shards of one set in one folder, by the name
 * that they share ("imagenet-train-000012.tar": "imagenet-train/shard-000012/"), others in one of their own
 * name ("n01440764.tar"). A lone archive needs no folder. */
static char *folder_of(const char *path, bool lone)
{
    const char *base = pyr_base_name(path);
    size_t before = (size_t)(base - path), n = pyr_tar_stem(path) - before, end;
    pyr_number number = pyr_last_number((pyr_word){base, n});

    if (lone)
        return pyr_strfmt("%.*s", (int)before, path);
    end = number.at;
    if (number.n && number.at + number.n == n && end > 4 && strncmp(base + end - 4, "-of-", 4) == 0) {
        number = pyr_last_number((pyr_word){base, end - 4}); /* 00003-of-00064 */
        end = number.at;
        n = number.n ? number.at + number.n : 0;
    }
    if (!number.n || number.at + number.n != n || (end && !strchr("-_. ", base[end - 1])))
        return pyr_strfmt("%.*s/", (int)pyr_tar_stem(path), path);
    while (end && strchr("-_. ", base[end - 1]))
        end--;
    return pyr_strfmt("%.*s%.*s%sshard-%.*s/", (int)before, path, (int)end, base, end ? "/" : "",
                      (int)number.n, base + number.at);
}

static pyr_status add_files(pyr_collection *c, files *f)
{
    const pyr_tar_facts *facts = pyr_tar_facts_of(f->tars->at[f->tar].tar);
    size_t taken = 0;

    for (size_t i = 0; i < facts->n; i++) {
        const char *name = facts->at[i].name;
        bool is_taken = taken < f->taken_n && f->taken[taken].entry == i;
        file *to;

        PYR_TRY(pyr_grow(&f->at, &f->room, f->n, sizeof *f->at, "the list of files"));
        to = &f->at[f->n];
        *to = is_taken ? f->taken[taken] : (file){.entry = i, .label = -1};
        to->tar = f->tar;
        to->header = facts->at[i].header;
        f->n++;
        if (is_taken)
            f->taken[taken++].bytes = NULL; /* the list's now */
        if (pyr_left_aside(name)) {
            c->hidden += pyr_hidden(name) && pyr_image_named(name);
            pyr_free(to->bytes);
            f->n--;
            continue;
        }
        PYR_TRY(pyr_names_format(&f->names, "%s%s", f->within, name));
        to->name = f->names.at[f->names.n - 1];
    }
    f->taken_n = 0;
    return PYR_OK;
}

static int by_walk(const void *a, const void *b)
{
    const file *x = a, *y = b;
    int order = pyr_walk_order(x->name, y->name);

    if (order || x->tar != y->tar)
        return order ? order : x->tar < y->tar ? -1 : 1;
    return x->header < y->header ? -1 : x->header > y->header;
}

/* In the order of a walk; of entries of one name in one archive the last counts, as tar appends them. */
static void sort_files(files *f)
{
    size_t kept = 0;

    pyr_sort(f->at, f->n, sizeof *f->at, by_walk);
    for (size_t i = 0; i < f->n; i++)
        if (i + 1 < f->n && f->at[i].tar == f->at[i + 1].tar && strcmp(f->at[i].name, f->at[i + 1].name) == 0)
            pyr_free(f->at[i].bytes);
        else
            f->at[kept++] = f->at[i];
    f->n = kept;
}

static void free_files(files *f)
{
    for (size_t i = 0; i < f->n; i++)
        pyr_free(f->at[i].bytes);
    for (size_t i = 0; i < f->taken_n; i++)
        pyr_free(f->taken[i].bytes);
    pyr_names_free(&f->names);
    pyr_free(f->at);
    pyr_free(f->taken);
}

/* ---- as a list of files ---- */

static char *file_path(const pyr_listing *listing, size_t i)
{
    const files *f = listing->source;
    const file *at = &f->at[i];

    return path_in(f->tars->at[at->tar].tar, at->entry);
}

/* What was kept while the archives were listed. */
static pyr_status file_read(const pyr_listing *listing, char **bytes, size_t *n, size_t i, uint64_t limit)
{
    const files *f = listing->source;
    const file *at = &f->at[i];

    *n = at->size;
    if (!at->bytes) { /* only the label was kept */
        *bytes = at->label < 0                     ? pyr_strdup("{}")
                 : pyr_ends_with(at->name, ".cls") ? pyr_strfmt("%d", at->label)
                                                   : pyr_strfmt("{\"label\": %d}", at->label);
        if (!*bytes)
            return pyr_fail(PYR_E_NOMEM, "out of memory for a label");
        *n = strlen(*bytes);
        return PYR_OK;
    }
    if (*n > limit)
        return pyr_fail(PYR_E_FORMAT, "%s%s: %zu bytes, at most %llu are expected", listing->root, at->name,
                        *n, (unsigned long long)limit);
    PYR_TRY(pyr_new(bytes, *n + 1, 1, at->name));
    memcpy(*bytes, at->bytes, *n);
    return PYR_OK;
}

/* ---- all of it ---- */

/* The sentences of the archive that was opened last. */
static pyr_status take_sentences(pyr_collection *c, files *f, const pyr_tar *tar)
{
    const pyr_tar_facts *facts = pyr_tar_facts_of(tar);

    PYR_TRY(pyr_names_add_all(&c->lost, &facts->lost));
    for (size_t i = 0; i < facts->warnings.n; i++)
        if (f->warned++ < WARNED)
            PYR_TRY(pyr_names_add(&c->warnings, facts->warnings.at[i]));
    for (int kind = 0; kind < PYR_TAR_ASIDE; kind++)
        f->aside[kind] += facts->aside[kind];
    return PYR_OK;
}

/* The same of all archives. */
static pyr_status add_notes(pyr_collection *c, const files *f)
{
    static const char *const kinds[] = {"link to no file of the archive", "device or pipe"},
                             *const many[] = {"links to no file of the archive", "devices or pipes"};

    for (int kind = 0; kind < PYR_TAR_ASIDE; kind++)
        if (f->aside[kind])
            pyr_text_add(&c->notes, "; %zu %s left aside", f->aside[kind],
                         f->aside[kind] == 1 ? kinds[kind] : many[kind]);
    if (f->warned > WARNED)
        return pyr_names_format(&c->warnings, "%zu more archives end early, or hold several",
                                f->warned - WARNED);
    return PYR_OK;
}

static pyr_status open_one(pyr_collection *c, files *f, const char *path, const char *named, bool lone)
{
    pyr_tar_take wanted = {
        .wants = wants, .take = take, .again = again, .arg = f, .past_damage = c->set && c->set->skip_bad};
    tars *t = f->tars;
    const one *before = t->n ? &t->at[t->n - 1] : NULL;
    one *now = &t->at[t->n];
    char *within = folder_of(named, lone);
    pyr_status status = PYR_OK;

    if (!within)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of an archive");
    PYR_TRY_OUT(pyr_tar_open(&now->tar, path, &wanted));
    now->first = before ? before->first + (int64_t)pyr_tar_facts_of(before->tar)->n : 0;
    f->tar = t->n++;
    f->within = within;
    t->archive.in_order |= pyr_tar_facts_of(now->tar)->in_order;
    PYR_TRY_OUT(add_files(c, f));
    PYR_TRY_OUT(pyr_names_add(&c->sources, path));
    PYR_TRY_OUT(take_sentences(c, f, now->tar));
out:
    pyr_free(within);
    return status;
}

/* Each image's place among the entries of all archives. */
static void settle_entries(pyr_collection *c, const files *f)
{
    for (int64_t i = 0; i < c->n; i++) {
        const file *at = &f->at[c->at[i].entry];

        c->at[i].entry = (uint32_t)(f->tars->at[at->tar].first + (int64_t)at->entry);
    }
}

static int by_index(const void *a, const void *b)
{
    const pyr_found *x = a, *y = b;

    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* In the order in which their bytes come: in that of a walk, a compressed archive would be unpacked anew for
 * almost every image. */
static pyr_status sort_by_bytes(pyr_collection *c, const tars *t)
{
    uint64_t before = 0;
    size_t last = 0;

    for (int64_t i = 0; i < c->n; i++)
        c->at[i].index = (uint32_t)tar_of(t, c->at[i].entry);
    pyr_sort(c->at, (size_t)c->n, sizeof *c->at, by_index);
    for (int64_t i = 0; i < c->n; i++) {
        const one *of = &t->at[c->at[i].index];
        const pyr_tar_facts *facts = pyr_tar_facts_of(of->tar);
        uint64_t place;

        for (; &t->at[last] < of; last++)
            before += pyr_tar_facts_of(t->at[last].tar)->headers;
        place = before + facts->at[c->at[i].entry - of->first].bytes_at;
        if (place > UINT32_MAX)
            return pyr_fail(PYR_E_FORMAT, "%s: more than %u entries, which is more than are read",
                            facts->path, UINT32_MAX);
        c->at[i].index = (uint32_t)place;
    }
    pyr_sort(c->at, (size_t)c->n, sizeof *c->at, by_index);
    return PYR_OK;
}

pyr_status pyr_collect_tars(pyr_collection *c, const char *folder, const pyr_names *paths)
{
    files f = {0};
    pyr_listing listing = {.path = file_path, .read = file_read, .source = &f};
    size_t images = 0, all = 0;
    char *root = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&f.tars, 1, sizeof *f.tars, "the archives"));
    f.tars->archive = (pyr_archive){.read = read_entry, .path = path_of_entry, .free = free_archive};
    c->archive = &f.tars->archive;
    PYR_TRY_OUT(pyr_new(&f.tars->at, paths->n, sizeof *f.tars->at, "the archives"));
    for (size_t i = 0; i < paths->n; i++) {
        char *path;

        PYR_TRY_OUT(pyr_path_new(&path, folder ? folder : "", paths->at[i]));
        status = open_one(c, &f, path, folder ? paths->at[i] : "", paths->n == 1);
        pyr_free(path);
        PYR_TRY_OUT(status);
    }
    for (size_t i = 0; i < f.tars->n; i++)
        all += pyr_tar_facts_of(f.tars->at[i].tar)->n;
    if (all > UINT32_MAX)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_FORMAT, "%s: %zu entries, at most %u are read", paths->at[0], all, UINT32_MAX));
    sort_files(&f);
    for (size_t i = 0; i < f.n; i++) {
        images += pyr_image_named(f.at[i].name);
        PYR_TRY_OUT(pyr_names_add(&listing.names, f.at[i].name));
    }
    PYR_TRY_OUT(pyr_format(&root, "%s: ", folder ? folder : paths->at[0]));
    listing.root = root;
    if (!images && c->lost.n)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "no image is left: %s", c->lost.at[0]));
    if (!images)
        PYR_TRY_OUT(pyr_foreign_archive(folder ? folder : paths->at[0], &listing.names, all));
    c->kind = paths->n == 1 ? "tar of image files" : "tar archives of image files";
    PYR_TRY_OUT(pyr_collect_listed(c, &listing));
    settle_entries(c, &f);
    PYR_TRY_OUT(add_notes(c, &f));
    if (f.tars->archive.in_order)
        PYR_TRY_OUT(sort_by_bytes(c, f.tars));
    for (int64_t i = 0; i < c->n; i++)
        c->at[i].index = (uint32_t)i;
out:
    pyr_names_free(&listing.names);
    free_files(&f);
    pyr_free(root);
    return status;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    bool is;

    PYR_TRY(pyr_tar_is(&is, at->path));
    *match = is ? PYR_MATCH_SURE : PYR_MATCH_NO;
    return PYR_OK;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    char *path = (char *)(uintptr_t)at->path; /* not written to */

    return pyr_collect_tars(c, NULL, &(pyr_names){.at = &path, .n = 1});
}

const pyr_data_format pyr_data_format_tar = {
    .name = "tar archive",
    .files = ".tar, .tar.gz, .tar.xz, .tar.zst, ...",
    .help = "of pictures, read as a folder is: one archive, or a folder of WebDataset's shards, whose "
            "labels are in the `.cls` and `.json` files",
    .is_file = is_file,
    .collect = collect,
};
