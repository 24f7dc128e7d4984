/* folder_names.c - words in names of files and folders: splits, masks, numbered parts, what other programs
 * leave behind. */
#include "archives/folder_names.h"

#include "base/mem.h"
#include <string.h>
#include <strings.h>

/* ---- what other programs leave ---- */

static bool is(const char *name, size_t n, const char *word)
{
    return strlen(word) == n && strncasecmp(name, word, n) == 0;
}

/* One of the words, up to the NULL behind the last. */
static bool among(const char *name, size_t n, const char *const *words)
{
    for (; *words; words++)
        if (is(name, n, *words))
            return true;
    return false;
}

/* What systems leave beside the files of a person; "._x" is macOS's second half of x. */
static bool is_litter(const char *path)
{
    static const char *const left[] = {
        "__MACOSX",     "Thumbs.db",  "ehthumbs.db", "desktop.ini",
        "@eaDir",       "#recycle",   "__pycache__", "System Volume Information",
        "$RECYCLE.BIN", "lost+found", "Icon\r",      NULL};

    while (*path) {
        size_t n = strcspn(path, "/");

        if ((n > 1 && path[0] == '.' && path[1] == '_') || among(path, n, left))
            return true;
        path += n + (path[n] == '/');
    }
    return false;
}

bool pyr_hidden(const char *path)
{
    bool hidden = false;

    if (is_litter(path))
        return false;
    while (*path) {
        size_t n = strcspn(path, "/");

        hidden |= path[0] == '.' && !is(path, n, ".");
        path += n + (path[n] == '/');
    }
    return hidden;
}

bool pyr_left_aside(const char *path)
{
    return pyr_hidden(path) || is_litter(path);
}

void pyr_entry_tidy(char *name)
{
    const char *from = name;
    char *to = name;

    for (char *c = name; *c; c++)
        if (*c == '\\')
            *c = '/';
    while (*from) {
        size_t n = strcspn(from, "/"), more = from[n] == '/';

        if (n > 0 && !is(from, n, ".")) {
            memmove(to, from, n + more);
            to += n + more;
        }
        from += n + more;
    }
    *to = 0;
}

char *pyr_link_path(const char *name, const char *target)
{
    const char *slash = strrchr(name, '/');
    char *path = *target == '/' ? pyr_strdup("")
                                : pyr_strfmt("%.*s%s", slash ? (int)(slash + 1 - name) : 0, name, target);
    size_t n = 0;

    if (!path)
        return NULL;
    pyr_entry_tidy(path);
    for (const char *from = path; *from;) {
        size_t length = strcspn(from, "/"), more = from[length] == '/';

        if (length == 2 && memcmp(from, "..", 2) == 0) {
            if (!n) { /* above the top */
                *path = 0;
                return path;
            }
            for (n--; n && path[n - 1] != '/';)
                n--;
        } else {
            memmove(path + n, from, length + more);
            n += length + more;
        }
        from += length + more;
    }
    path[n] = 0;
    return path;
}

int pyr_walk_order(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (*a == '/' ? 1
            : *a      ? 1 + (unsigned char)*a
                      : 0) -
           (*b == '/' ? 1
            : *b      ? 1 + (unsigned char)*b
                      : 0);
}

/* ---- words in a name ---- */

enum { TOKENS = 16 };

typedef struct token {
    const char *at;
    size_t n;
} token;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || is_upper(c) || (unsigned char)c >= 0x80;
}

/* Where the word ends that begins at `at`: digits; or letters, until a capital begins the next word
 * (TestImages, JPEGImages). */
static size_t word_end(const char *name, size_t n, size_t at)
{
    size_t end = at + 1;

    if (is_digit(name[at])) {
        while (end < n && is_digit(name[end]))
            end++;
        return end;
    }
    for (; end < n && is_letter(name[end]); end++) {
        if (!is_upper(name[end]))
            continue;
        if (!is_upper(name[end - 1]))
            break;
        if (end + 1 < n && is_letter(name[end + 1]) && !is_upper(name[end + 1]) && end - at > 1)
            break;
    }
    return end;
}

/* Words and numbers of a name, the first TOKENS of them; more are no name that is known. */
static size_t split(token *out, const char *name, size_t n)
{
    size_t count = 0;

    for (size_t at = 0, end; at < n && count < TOKENS; at = end) {
        end = at + 1;
        if (!is_digit(name[at]) && !is_letter(name[at]))
            continue;
        end = word_end(name, n, at);
        out[count++] = (token){name + at, end - at};
    }
    return count;
}

static const char *const image_words[] = {
    "image", "images", "img", "imgs",  "picture", "pictures", "pic",       "pics", "photo", "photos",
    "jpeg",  "jpg",    "png", "input", "inputs",  "frame",    "frames",    "rgb",  "color", "colour",
    "left",  "raw",    "bit", "data",  "x",       "original", "originals", NULL};

/* Words that say nothing beside a split's. */
static const char *const plain_words[] = {
    "set",   "sets",  "dataset", "datasets", "file", "files", "sample", "samples", "split", "folder",
    "final", "small", "full",    "large",    "new",  "all",   "the",    "my",      "part",  NULL};

static bool is_number(token t)
{
    return is_digit(t.at[0]);
}

static bool says_nothing(token t)
{
    return is_number(t) || among(t.at, t.n, image_words) || among(t.at, t.n, plain_words);
}

/* ---- splits ---- */

static const char *const train_words[] = {"train", "training", "trn", "trains", "trained", "trainval", NULL};
static const char *const test_words[] = {"test", "testing", "tst", "tests", NULL};
static const char *const val_words[] = {"val",     "valid",       "validation", "validate",   "dev",
                                        "devel",   "development", "eval",       "evaluation", "evaluate",
                                        "holdout", "heldout",     NULL};
static const char *const rest_words[] = {"unlabeled",  "unlabelled",  "extra",      "pred",      "predict",
                                         "prediction", "predictions", "submission", "inference", NULL};

static pyr_part part_word(token t)
{
    if (t.n == 8 && (is(t.at, 4, "held") || is(t.at, 4, "hold")) && is(t.at + 5, 3, "out"))
        return PYR_PART_VAL;
    return among(t.at, t.n, train_words)  ? PYR_PART_TRAIN
           : among(t.at, t.n, test_words) ? PYR_PART_TEST
           : among(t.at, t.n, val_words)  ? PYR_PART_VAL
           : among(t.at, t.n, rest_words) ? PYR_PART_REST
                                          : PYR_PART_NONE;
}

/* A split's word with another behind it and nothing between: trainset, testimages. */
static pyr_part glued(size_t *n, token t)
{
    static const char *const words[] = {"training",   "train", "testing", "test",
                                        "validation", "valid", "val",     NULL};

    for (const char *const *word = words; *word; word++) {
        size_t length = strlen(*word);
        token behind = {t.at + length, t.n - length};

        if (t.n > length && strncasecmp(t.at, *word, length) == 0 && says_nothing(behind)) {
            *n = length;
            return part_word((token){t.at, length});
        }
    }
    return PYR_PART_NONE;
}

/* "held-out", "Hold_Out": two words that are one. */
static size_t join_held_out(token *at, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        at[kept] = at[i];
        if (i + 1 < count && is(at[i + 1].at, at[i + 1].n, "out") &&
            (is(at[i].at, at[i].n, "held") || is(at[i].at, at[i].n, "hold"))) {
            i++;
            at[kept].n = (size_t)(at[i].at + at[i].n - at[kept].at);
        }
        kept++;
    }
    return kept;
}

pyr_part_name pyr_part_of(const char *name, size_t n)
{
    token at[TOKENS];
    size_t words = split(at, name, n), count = join_held_out(at, words), others = 0;
    pyr_part_name found = {.sure = true};

    for (size_t i = 0; i < count; i++) {
        size_t length = at[i].n;
        pyr_part part = part_word(at[i]);

        if (part == PYR_PART_NONE)
            part = glued(&length, at[i]);
        if (part != PYR_PART_NONE && found.part == PYR_PART_NONE) {
            found.part = part;
            found.at = (size_t)(at[i].at - name);
            found.n = length;
        } else if (part == PYR_PART_NONE && !says_nothing(at[i])) {
            others++;
            /* trainA, not train_A of a pair that may mean anything */
            if (at[i].n == 1 && at[i].at[0] >= 'A' && at[i].at[0] <= 'D' && at[i].at + 1 == name + n &&
                found.part != PYR_PART_NONE && found.at + found.n + 1 == n)
                found.domain = at[i].at[0];
        } else if (part != PYR_PART_NONE)
            others++; /* train_test */
    }
    found.sure = found.part != PYR_PART_NONE && others == (found.domain != 0) && words < TOKENS;
    if (!found.sure)
        found.domain = 0;
    return found;
}

/* The next character of a name that counts where names are compared: numbers and what stands between words do
 * not. */
static size_t next_letter(const char *name, size_t n, size_t at)
{
    while (at < n && !is_letter(name[at]))
        at++;
    return at;
}

static int order_letters(const char *a, size_t a_n, const char *b, size_t b_n)
{
    size_t i = 0, j = 0;

    for (;; i++, j++) {
        int order;

        i = next_letter(a, a_n, i);
        j = next_letter(b, b_n, j);
        if (i == a_n || j == b_n)
            return (i < a_n) - (j < b_n);
        order = strncasecmp(a + i, b + j, 1);
        if (order)
            return order;
    }
}

int pyr_part_order(const char *a, const pyr_part_name *a_part, size_t a_n, const char *b,
                   const pyr_part_name *b_part, size_t b_n)
{
    size_t a_end = a_part->at + a_part->n, b_end = b_part->at + b_part->n;
    int order = order_letters(a, a_part->at, b, b_part->at);

    return order ? order : order_letters(a + a_end, a_n - a_end, b + b_end, b_n - b_end);
}

/* ---- masks ---- */

static const char *const mask_words[] = {"mask",
                                         "masks",
                                         "trimap",
                                         "trimaps",
                                         "gt",
                                         "fine",
                                         "ground",
                                         "truth",
                                         "groundtruth",
                                         "segmentation",
                                         "segmentations",
                                         "class",
                                         "object",
                                         "label",
                                         "labels",
                                         "annotation",
                                         "annotations",
                                         "annot",
                                         "annots",
                                         "segmentationclass",
                                         "segmentationobject",
                                         "mattes",
                                         "matte",
                                         NULL};

/* Words that are masks' only beside another. */
static const char *const mask_beside[] = {"fine", "class", "object", "ground", "truth", NULL};
static const char *const not_masks[] = {"with", "without", "no",      "non",       "not",
                                        "un",   "wearing", "correct", "incorrect", NULL};

static bool is_mask_name(const token *at, size_t count)
{
    bool mask = false, ground = false, truth = false;

    for (size_t i = 0; i < count; i++) {
        if (among(at[i].at, at[i].n, not_masks))
            return false;
        ground |= is(at[i].at, at[i].n, "ground");
        truth |= is(at[i].at, at[i].n, "truth");
        mask |= among(at[i].at, at[i].n, mask_words) && !among(at[i].at, at[i].n, mask_beside);
    }
    return mask || (ground && truth);
}

bool pyr_mask_named(const char *name, size_t n)
{
    token at[TOKENS];

    return is_mask_name(at, split(at, name, n));
}

/* The words that are left when those of masks, images and numbers are taken away: the same in
 * train_masks and train_images. */
static size_t essence(token *at, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (!among(at[i].at, at[i].n, mask_words) && !says_nothing(at[i]))
            at[kept++] = at[i];
    return kept;
}

int pyr_mask_order(const char *a, size_t a_n, const char *b, size_t b_n, bool first)
{
    token x[TOKENS], y[TOKENS];
    size_t n = essence(x, split(x, a, a_n)), m = essence(y, split(y, b, b_n)), shared = n < m ? n : m;

    for (size_t i = 0; i < shared && !(first && i); i++) {
        int order = strncasecmp(x[i].at, y[i].at, x[i].n < y[i].n ? x[i].n : y[i].n);

        if (order || x[i].n != y[i].n)
            return order ? order : x[i].n < y[i].n ? -1 : 1;
    }
    return first && shared ? 0 : (n > m) - (n < m);
}

bool pyr_mask_plain(const char *name, size_t n)
{
    token at[TOKENS];

    return essence(at, split(at, name, n)) == 0;
}

bool pyr_masks_of(const char *masks, size_t masks_n, const char *images, size_t images_n)
{
    token a[TOKENS], b[TOKENS];
    size_t a_n = split(a, masks, masks_n), b_n = split(b, images, images_n);
    pyr_part_name part = pyr_part_of(images, images_n);

    if (!is_mask_name(a, a_n) || is_mask_name(b, b_n))
        return false;
    a_n = essence(a, a_n);
    b_n = essence(b, b_n);
    if (a_n == 0 && part.sure && part.part != PYR_PART_REST)
        return true;
    if (a_n != b_n)
        return false;
    for (size_t i = 0; i < a_n; i++)
        if (a[i].n != b[i].n || strncasecmp(a[i].at, b[i].at, a[i].n) != 0)
            return false;
    return true;
}

bool pyr_masks_near(const char *masks, size_t masks_n, const char *images, size_t images_n)
{
    token a[TOKENS], b[TOKENS];
    size_t a_n = split(a, masks, masks_n), b_n = split(b, images, images_n);

    if (!is_mask_name(a, a_n) || is_mask_name(b, b_n))
        return false;
    a_n = essence(a, a_n);
    b_n = essence(b, b_n);
    return a_n && b_n && a[0].n == b[0].n && strncasecmp(a[0].at, b[0].at, a[0].n) == 0;
}

size_t pyr_mask_stem(const char *stem, size_t n)
{
    static const char *const endings[] = {"mask",  "masks",  "seg",    "segmentation", "gt",
                                          "label", "labels", "trimap", "matte",        NULL};
    size_t end = n, word;

    while (end && is_digit(stem[end - 1])) /* x_mask_1 */
        end--;
    if (end < n && end && (stem[end - 1] == '_' || stem[end - 1] == '-'))
        end--;
    else
        end = n;
    for (word = end; word && is_letter(stem[word - 1]);)
        word--;
    if (word < 2 || !strchr("_-", stem[word - 1]) || !among(stem + word, end - word, endings))
        return n;
    return word - 1;
}

/* ---- numbers ---- */

pyr_number pyr_last_number(const char *name, size_t n)
{
    pyr_number found = {0};
    size_t end = n;

    while (end && !is_digit(name[end - 1]))
        end--;
    for (found.at = end; found.at && is_digit(name[found.at - 1]);)
        found.at--;
    found.n = end - found.at;
    if (found.n > 15)
        return (pyr_number){0};
    for (size_t i = 0; i < found.n; i++)
        found.value = 10 * found.value + (uint64_t)(name[found.at + i] - '0');
    return found;
}

/* Whether a name ends in one of the words, with nothing or no letter in front. */
static bool ends_in(const char *name, size_t n, const char *const *words)
{
    size_t at = n;

    while (at && is_letter(name[at - 1]))
        at--;
    return at < n && among(name + at, n - at, words);
}

bool pyr_part_numbered(const char *name, size_t n, const pyr_number *number)
{
    static const char *const surely[] = {"part",   "parts",  "shard", "shards", "chunk",
                                         "chunks", "subset", "batch", NULL};
    static const char *const words[] = {
        "part",   "parts",    "shard",  "shards",  "chunk",   "chunks", "batch", "batches",
        "block",  "subset",   "split",  "fold",    "archive", "volume", "vol",   "disk",
        "disc",   "dir",      "folder", "subdir",  "image",   "images", "img",   "imgs",
        "photos", "pictures", "data",   "dataset", "set",     "pack",   NULL};
    size_t end = number->at;

    if (!number->n || number->at + number->n != n)
        return false;
    while (end &&
           (name[end - 1] == '_' || name[end - 1] == '-' || name[end - 1] == ' ' || name[end - 1] == '.'))
        end--;
    return end && (among(name, end, words) || ends_in(name, end, surely));
}
