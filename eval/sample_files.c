/* sample_files.c - which files of a folder or a zip archive are samples, and what they tell. */
#include "eval/sample_files.h"

#include "archives/folder_names.h"
#include "archives/folder_walk.h"
#include "base/mem.h"
#include "base/text.h"
#include "pictures/image_file.h"
#include "pictures/png_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names ------------------------------------------------------------------------------------- */

/* sample's grid.png, levels.png and trajectory-000001.png; decompose's level-0.png; a level's
 * snapshot-1600.png; invert's degraded.png; and the sheet of each task, which has its command's name. */
bool pyr_is_sheet_name(const char *name)
{
    static const char *const whole[] = {"grid", "levels", "inpaint", "colorize", "upscale",
                                        "vary", "encode", "invert",  "degraded", "interpolate"};
    static const char *const numbered[] = {"trajectory-", "level-", "snapshot-", "residual-"};
    const char *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);

    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strlen(whole[i]) == n && strncasecmp(name, whole[i], n) == 0)
            return true;
    for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++) {
        size_t m = strlen(numbered[i]);

        if (n > m && strncasecmp(name, numbered[i], m) == 0 && strspn(name + m, "0123456789") == n - m)
            return true;
    }
    return false;
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/'), *back = strrchr(name, '\\');

    slash = slash ? slash + 1 : name;
    return back && back + 1 > slash ? back + 1 : slash;
}

/* ---- where they came from ---------------------------------------------------------------------- */

/* What the text of a picture says; without a text a word is "". */
enum { WEIGHTS, SAMPLER, COMMAND, LEVEL, CLASS, WORDS };
static const char *const keys[WORDS] = {"weights", "sampler", "Title", "level", "class"};

typedef struct origin {
    int word[WORDS]; /* its place among those that were met */
    uint64_t seed;
} origin;

/* Words that were met, and where each is: by its hash, in the first slot from there on that has it or is
 * 0. */
typedef struct words {
    pyr_names names;
    uint32_t *slots; /* place + 1; 0: free; owned */
    size_t room;     /* of slots, a power of two, more than twice the words; 0 at first */
} words;

typedef struct origins {
    origin *at; /* one a sample */
    int64_t n;
    size_t room;
    words met[WORDS];
} origins;

static void origins_free(origins *o)
{
    pyr_free(o->at);
    for (int k = 0; k < WORDS; k++) {
        pyr_names_free(&o->met[k].names);
        pyr_free(o->met[k].slots);
    }
}

static uint32_t *slot_of(const words *met, const char *word)
{
    size_t at = (size_t)pyr_hash(PYR_HASH_START, word, strlen(word)) & (met->room - 1);

    while (met->slots[at] && strcmp(met->names.at[met->slots[at] - 1], word) != 0)
        at = (at + 1) & (met->room - 1);
    return &met->slots[at];
}

static pyr_status grow_words(words *met)
{
    if (2 * (met->names.n + 1) <= met->room)
        return PYR_OK;
    pyr_free(met->slots);
    met->room = met->room ? 2 * met->room : 16;
    PYR_TRY(pyr_new(&met->slots, met->room, sizeof *met->slots, "the origins of samples"));
    for (size_t i = 0; i < met->names.n; i++)
        *slot_of(met, met->names.at[i]) = (uint32_t)i + 1;
    return PYR_OK;
}

static pyr_status place_of(int *place, words *met, const char *word)
{
    uint32_t *slot;

    PYR_TRY(grow_words(met));
    slot = slot_of(met, word);
    if (!*slot) {
        PYR_TRY(pyr_names_add(&met->names, word));
        *slot = (uint32_t)met->names.n;
    }
    *place = (int)*slot - 1;
    return PYR_OK;
}

/* Sheets have the seeds of all their samples; eval's own says that it shows pairs, a residual that it is
 * one. */
static bool is_sheet(const char *bytes, size_t n)
{
    char text[64];

    return pyr_png_head_text(text, sizeof text, bytes, n, "seeds") ||
           (pyr_png_head_text(text, sizeof text, bytes, n, "level") && strstr(text, ", its residual")) ||
           (pyr_png_head_text(text, sizeof text, bytes, n, "Description") &&
            strncmp(text, "pairs: ", 7) == 0);
}

/* The name of a class is a folder's, of which there may be several in one another: longer than any of
 * them. */
enum { WORD_MOST = 8192 };

static pyr_status add_origin(origins *o, const char *bytes, size_t n)
{
    char text[WORD_MOST];

    PYR_TRY(pyr_grow(&o->at, &o->room, (size_t)o->n, sizeof *o->at, "the origins of samples"));
    for (int k = 0; k < WORDS; k++) {
        if (!pyr_png_head_text(text, sizeof text, bytes, n, keys[k]))
            text[0] = 0;
        PYR_TRY(place_of(&o->at[o->n].word[k], &o->met[k], text));
    }
    if (!pyr_png_head_text(text, sizeof text, bytes, n, "seed"))
        text[0] = 0;
    o->at[o->n++].seed = strtoull(text, NULL, 10);
    return PYR_OK;
}

/* ---- what is mixed ----------------------------------------------------------------------------- */

/* Samples that this program drew: only they say with what. */
static bool ours(const origins *o, int64_t i)
{
    return *o->met[WEIGHTS].names.at[o->at[i].word[WEIGHTS]] != 0;
}

/* "6 of a, 2 of b", the most frequent four of `count` words; *different: how many words there are. */
static char *numbers_of(int *different, const pyr_names *met, int64_t *count, const char *without)
{
    enum { NAMED = 4 };
    pyr_text text = {0};

    *different = 0;
    for (size_t i = 0; i < met->n; i++)
        *different += count[i] > 0;
    for (int named = 0; named < NAMED && named < *different; named++) {
        size_t most = 0;

        for (size_t i = 1; i < met->n; i++)
            most = count[i] > count[most] ? i : most;
        pyr_text_add(&text, "%s%lld %s%.100s", named ? ", " : "", (long long)count[most],
                     *met->at[most] ? "of " : "", *met->at[most] ? met->at[most] : without);
        count[most] = 0;
    }
    if (*different > NAMED)
        pyr_text_add(&text, ", ...");
    if (text.failed)
        pyr_text_free(&text);
    return text.at;
}

/* A sentence when there is more than one word; weights are asked of all samples, the rest of ours. */
static pyr_status warn_of_words(pyr_sample_files *files, const origins *o, int k)
{
    static const char *const what[WORDS] = {"different networks, by the hash of their weights,",
                                            "different samplers", "different commands", "different levels",
                                            "different classes"};
    static const char *const without[WORDS] = {"without such a text", "without such a text", "of sample",
                                               "of all levels", "without a class"};
    const pyr_names *met = &o->met[k].names;
    int64_t *count;
    int different;
    char *numbers;
    pyr_status status;

    PYR_TRY(pyr_new(&count, met->n, sizeof *count, "the origins of samples"));
    for (int64_t i = 0; i < o->n; i++)
        if (k == WEIGHTS || ours(o, i))
            count[o->at[i].word[k]]++;
    numbers = numbers_of(&different, met, count, without[k]);
    pyr_free(count);
    if (different < 2) {
        pyr_free(numbers);
        return PYR_OK;
    }
    if (!numbers)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a warning");
    status = pyr_names_format(&files->warnings,
                              "%s: images of %d %s are mixed (%s): draw each into a folder of its own",
                              files->path, different, what[k], numbers);
    pyr_free(numbers);
    return status;
}

static int by_seed(const void *a, const void *b)
{
    const origin *x = a, *y = b;

    return x->seed < y->seed ? -1 : x->seed > y->seed;
}

/* Classes that change from seed to seed are drawn on purpose (`--class all` and `random`); classes of which
 * each has a range of the seeds, or the same seeds, come from commands one after the other, and samples
 * without a class beside some with one are never of one command. In n samples drawn at random with the shares
 * p_c of the classes the class changes n (1 - sum p_c^2) times; half of that or less is no chance. */
static bool classes_in_ranges(origins *o)
{
    const pyr_names *met = &o->met[CLASS].names;
    double *count, n = 0, same = 0, changes = 0;
    bool some = false, none = false, twice = false; /* twice: a seed was drawn of two classes */
    uint64_t seed = 0;
    int last = -1;

    if (pyr_new(&count, met->n, sizeof *count, "the origins of samples") != PYR_OK)
        return true;
    qsort(o->at, (size_t)o->n, sizeof *o->at, by_seed);
    for (int64_t i = 0; i < o->n; i++) {
        int class = o->at[i].word[CLASS];

        if (!ours(o, i))
            continue;
        n++;
        count[class]++;
        changes += last >= 0 && class != last;
        twice |= last >= 0 && class != last && o->at[i].seed == seed;
        last = class;
        seed = o->at[i].seed;
        some |= *met->at[class] != 0;
        none |= *met->at[class] == 0;
    }
    for (size_t i = 0; i < met->n; i++)
        same += count[i] * count[i];
    pyr_free(count);
    return (some && none) || twice || (n > 0 && 2 * changes <= n - same / n);
}

static pyr_status find_mixtures(pyr_sample_files *files, origins *o)
{
    size_t inner = 0;

    for (int k = 0; k < WORDS && o->n; k++)
        if (k != CLASS || (o->met[k].names.n > 1 && classes_in_ranges(o)))
            PYR_TRY(warn_of_words(files, o, k));
    for (size_t i = 0; i < files->names.n; i++)
        inner += strchr(files->names.at[i], '/') != NULL;
    if (inner && inner < files->names.n && !files->zip)
        return pyr_names_format(
            &files->warnings, "%s: %zu images lie in it and %zu in folders in it: they are judged as one set",
            files->path, files->names.n - inner, inner);
    return PYR_OK;
}

/* ---- listing ----------------------------------------------------------------------------------- */

/* Not the whole entry, which is unpacked when it is decoded. */
static pyr_status read_entry_head(char *dst, size_t *n, pyr_zip *zip, const char *name)
{
    pyr_zip_stream stream;
    uint64_t size;
    size_t i;
    pyr_status status;

    if (!pyr_zip_find(&i, zip, name))
        return pyr_fail(PYR_E_IO, "%s: not in the archive", name);
    size = pyr_zip_size(zip, i);
    *n = size < PYR_PNG_HEAD ? (size_t)size : PYR_PNG_HEAD;
    PYR_TRY(pyr_zip_stream_open(&stream, zip, i));
    status = pyr_zip_stream_read(&stream, dst, *n);
    pyr_zip_stream_close(&stream);
    return status;
}

/* The first bytes of a file or an entry, *n of them, in a block for the caller, on failure too. */
static pyr_status read_head(char **out, size_t *n, const pyr_sample_files *files, const char *name)
{
    char *path;

    PYR_TRY(pyr_new(out, PYR_PNG_HEAD, 1, "the head of an image"));
    *n = 0;
    if (files->zip)
        return read_entry_head(*out, n, files->zip, name);
    path = pyr_path_join(files->path, name);
    if (path) /* what cannot be read fails when it is decoded */
        (void)pyr_file_start(*out, n, path, PYR_PNG_HEAD);
    pyr_free(path);
    return PYR_OK;
}

static void set_aside(pyr_sample_files *files, const char *name)
{
    if (files->aside++ == 0)
        snprintf(files->first_aside, sizeof files->first_aside, "%s", last_part(name));
}

typedef struct judged {
    pyr_sample_files *files;
    origins *origins;
    int64_t most;
} judged;

static bool enough(void *arg)
{
    const judged *j = arg;

    return j->most > 0 && j->files->names.n >= (size_t)j->most;
}

/* One more file: a sample, a picture that is none, or no picture. */
static pyr_status judge(void *arg, const char *name)
{
    const judged *j = arg;
    char *bytes = NULL;
    size_t n = 0;
    pyr_status status;

    if (!pyr_image_named(name))
        return PYR_OK;
    if (pyr_is_sheet_name(last_part(name))) {
        set_aside(j->files, name);
        return PYR_OK;
    }
    PYR_TRY_OUT(read_head(&bytes, &n, j->files, name));
    if (is_sheet(bytes, n))
        set_aside(j->files, name);
    else {
        PYR_TRY_OUT(add_origin(j->origins, bytes, n));
        status = pyr_names_add(&j->files->names, name);
    }
out:
    pyr_free(bytes);
    return status;
}

static pyr_status list_zip(judged *j)
{
    pyr_sample_files *files = j->files;

    PYR_TRY(pyr_zip_open(&files->zip, files->path));
    for (size_t i = 0; i < pyr_zip_count(files->zip) && !enough(j); i++) {
        const char *name = pyr_zip_name(files->zip, i);

        if (!pyr_left_aside(name))
            PYR_TRY(judge(j, name));
    }
    return PYR_OK;
}

pyr_status pyr_sample_files_open(pyr_sample_files *out, const char *path, int64_t most)
{
    origins o = {0};
    judged j = {out, &o, most};
    char start[2];
    size_t n;
    bool is_folder;
    pyr_status status;

    *out = (pyr_sample_files){.path = path};
    PYR_TRY_OUT(pyr_folder_exists(&is_folder, path));
    if (is_folder)
        PYR_TRY_OUT(pyr_walk_folder(path, NULL, &(pyr_walk){.file = judge, .enough = enough, .arg = &j}));
    else {
        PYR_TRY_OUT(pyr_file_start(start, &n, path, sizeof start));
        if (n == 2 && memcmp(start, "PK", 2) == 0)
            PYR_TRY_OUT(list_zip(&j));
    }
    status = find_mixtures(out, &o);
out:
    origins_free(&o);
    return status;
}

void pyr_sample_files_free(pyr_sample_files *files)
{
    pyr_names_free(&files->warnings);
    pyr_names_free(&files->names);
    pyr_zip_free(files->zip);
    *files = (pyr_sample_files){0};
}

pyr_status pyr_sample_files_read(pyr_image *out, const pyr_sample_files *files, size_t i)
{
    const char *name = files->names.at[i];
    char *bytes = NULL;
    char *path = files->zip ? pyr_strfmt("%s: %s", files->path, name) : pyr_path_join(files->path, name);
    size_t n, entry;
    pyr_status status;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of an image");
    if (!files->zip)
        status = pyr_image_read(out, path);
    else if (!pyr_zip_find(&entry, files->zip, name))
        status = pyr_fail(PYR_E_IO, "%s: not in the archive", path);
    else {
        status = pyr_zip_read(&bytes, &n, files->zip, entry, PYR_IMAGE_FILE);
        if (status == PYR_OK)
            status = pyr_image_decode(out, bytes, n, path);
    }
    pyr_free(bytes);
    pyr_free(path);
    return status;
}
