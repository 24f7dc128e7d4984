/* folder_names.c - words in names of files and folders: splits, masks, numbered parts, what other programs
 * leave behind. */
#include "archives/folder_names.h"

#include "base/mem.h"
#include <string.h>
#include <strings.h>

/* ---- what other programs leave ---- */

/* Whether a word is one of these, which have a slash between them; case is ignored. */
static bool is(pyr_word word, const char *words)
{
    for (size_t n; *words; words += n + (words[n] == '/')) {
        n = strcspn(words, "/");
        if (n == word.n && strncasecmp(word.at, words, n) == 0)
            return true;
    }
    return false;
}

/* What systems leave beside the files of a person; "._x" is macOS's second half of x. */
static bool is_litter(const char *path)
{
    static const char left[] = "__MACOSX/Thumbs.db/ehthumbs.db/desktop.ini/@eaDir/#recycle/__pycache__/"
                               "System Volume Information/$RECYCLE.BIN/lost+found/Icon\r";

    while (*path) {
        size_t n = strcspn(path, "/");

        if ((n > 1 && path[0] == '.' && path[1] == '_') || is((pyr_word){path, n}, left))
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

        hidden |= path[0] == '.' && !is((pyr_word){path, n}, ".");
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

        if (n > 0 && !is((pyr_word){from, n}, ".")) {
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

int pyr_word_order(pyr_word a, pyr_word b)
{
    int order = memcmp(a.at, b.at, a.n < b.n ? a.n : b.n);

    return order ? order : a.n < b.n ? -1 : a.n > b.n;
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

enum { WORDS = 16 };

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

/* Words and numbers of a name, the first WORDS of them; more are no name that is known. */
static size_t split(pyr_word *out, pyr_word name)
{
    size_t count = 0;

    for (size_t at = 0, end; at < name.n && count < WORDS; at = end) {
        end = at + 1;
        if (!is_digit(name.at[at]) && !is_letter(name.at[at]))
            continue;
        end = word_end(name.at, name.n, at);
        out[count++] = (pyr_word){name.at + at, end - at};
    }
    return count;
}

static const char image_words[] =
    "image/images/img/imgs/picture/pictures/pic/pics/photo/photos/jpeg/jpg/png/input/inputs/frame/frames/rgb/"
    "color/colour/left/raw/bit/data/x/original/originals";

/* Words that mean nothing beside a split's. */
static const char plain_words[] = "set/sets/dataset/datasets/file/files/sample/samples/split/folder/final/"
                                  "small/full/large/new/all/the/my/part";

static bool says_nothing(pyr_word word)
{
    return is_digit(word.at[0]) || is(word, image_words) || is(word, plain_words);
}

/* ---- splits ---- */

static pyr_part part_word(pyr_word word)
{
    static const struct {
        pyr_part part;
        const char *words;
    } rows[] = {{PYR_PART_TRAIN, "train/training/trn/trains/trained/trainval"},
                {PYR_PART_TEST, "test/testing/tst/tests"},
                {PYR_PART_VAL, "val/valid/validation/validate/dev/devel/development/eval/evaluation/evaluate/"
                               "holdout/heldout"},
                {PYR_PART_REST, "unlabeled/unlabelled/extra/pred/predict/prediction/predictions/submission/"
                                "inference"}};

    if (word.n == 8 && is((pyr_word){word.at, 4}, "held/hold") && is((pyr_word){word.at + 5, 3}, "out"))
        return PYR_PART_VAL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is(word, rows[i].words))
            return rows[i].part;
    return PYR_PART_NONE;
}

/* A split's word with another behind it and nothing between: trainset, testimages. */
static pyr_part glued(size_t *n, pyr_word word)
{
    const char *at = "training/train/testing/test/validation/valid/val";

    for (size_t length; *at; at += length + (at[length] == '/')) {
        length = strcspn(at, "/");
        if (word.n > length && strncasecmp(word.at, at, length) == 0 &&
            says_nothing((pyr_word){word.at + length, word.n - length})) {
            *n = length;
            return part_word((pyr_word){word.at, length});
        }
    }
    return PYR_PART_NONE;
}

/* "held-out", "Hold_Out": two words that are one. */
static size_t join_held_out(pyr_word *at, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        at[kept] = at[i];
        if (i + 1 < count && is(at[i + 1], "out") && is(at[i], "held/hold")) {
            i++;
            at[kept].n = (size_t)(at[i].at + at[i].n - at[kept].at);
        }
        kept++;
    }
    return kept;
}

pyr_part_name pyr_part_of(pyr_word name)
{
    pyr_word at[WORDS];
    size_t words = split(at, name), count = join_held_out(at, words), others = 0;
    pyr_part_name found = {.sure = true};

    for (size_t i = 0; i < count; i++) {
        size_t length = at[i].n;
        pyr_part part = part_word(at[i]);

        if (part == PYR_PART_NONE)
            part = glued(&length, at[i]);
        if (part != PYR_PART_NONE && found.part == PYR_PART_NONE) {
            found.part = part;
            found.at = (size_t)(at[i].at - name.at);
            found.n = length;
        } else if (part == PYR_PART_NONE && !says_nothing(at[i])) {
            others++;
            /* trainA, not train_A of a pair that may mean anything */
            if (at[i].n == 1 && at[i].at[0] >= 'A' && at[i].at[0] <= 'D' &&
                at[i].at + 1 == name.at + name.n && found.part != PYR_PART_NONE &&
                found.at + found.n + 1 == name.n)
                found.domain = at[i].at[0];
        } else if (part != PYR_PART_NONE)
            others++; /* train_test */
    }
    found.sure = found.part != PYR_PART_NONE && others == (found.domain != 0) && words < WORDS;
    if (!found.sure)
        found.domain = 0;
    return found;
}

/* The next character of a name that counts where names are compared: numbers and what stands between words do
 * not. */
static size_t next_letter(pyr_word name, size_t at)
{
    while (at < name.n && !is_letter(name.at[at]))
        at++;
    return at;
}

static int order_letters(pyr_word a, pyr_word b)
{
    for (size_t i = 0, j = 0;; i++, j++) {
        int order;

        i = next_letter(a, i);
        j = next_letter(b, j);
        if (i == a.n || j == b.n)
            return (i < a.n) - (j < b.n);
        order = strncasecmp(a.at + i, b.at + j, 1);
        if (order)
            return order;
    }
}

int pyr_part_order(pyr_word a, const pyr_part_name *a_part, pyr_word b, const pyr_part_name *b_part)
{
    size_t a_end = a_part->at + a_part->n, b_end = b_part->at + b_part->n;
    int order = order_letters((pyr_word){a.at, a_part->at}, (pyr_word){b.at, b_part->at});

    return order
               ? order
               : order_letters((pyr_word){a.at + a_end, a.n - a_end}, (pyr_word){b.at + b_end, b.n - b_end});
}

/* ---- masks ---- */

static const char mask_words[] =
    "mask/masks/trimap/trimaps/gt/fine/ground/truth/groundtruth/segmentation/segmentations/class/object/label/"
    "labels/annotation/annotations/annot/annots/segmentationclass/segmentationobject/mattes/matte";

static bool is_mask_name(const pyr_word *at, size_t count)
{
    bool mask = false, ground = false, truth = false;

    for (size_t i = 0; i < count; i++) {
        if (is(at[i], "with/without/no/non/not/un/wearing/correct/incorrect"))
            return false;
        ground |= is(at[i], "ground");
        truth |= is(at[i], "truth");
        /* these are masks' only beside another word */
        mask |= is(at[i], mask_words) && !is(at[i], "fine/class/object/ground/truth");
    }
    return mask || (ground && truth);
}

bool pyr_mask_named(pyr_word name)
{
    pyr_word at[WORDS];

    return is_mask_name(at, split(at, name));
}

/* The words that are left when those of masks, images and numbers are taken away: the same in
 * train_masks and train_images. */
static size_t essence(pyr_word *at, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (!is(at[i], mask_words) && !says_nothing(at[i]))
            at[kept++] = at[i];
    return kept;
}

/* As strcmp, case ignored. */
static int order_words(pyr_word a, pyr_word b)
{
    int order = strncasecmp(a.at, b.at, a.n < b.n ? a.n : b.n);

    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

int pyr_mask_order(pyr_word a, pyr_word b, bool first)
{
    pyr_word x[WORDS], y[WORDS];
    size_t n = essence(x, split(x, a)), m = essence(y, split(y, b)), shared = n < m ? n : m;
    int order = 0;

    for (size_t i = 0; i < shared && !order && !(first && i); i++)
        order = order_words(x[i], y[i]);
    return order || (first && shared) ? order : (n > m) - (n < m);
}

bool pyr_mask_plain(pyr_word name)
{
    pyr_word at[WORDS];

    return essence(at, split(at, name)) == 0;
}

/* Whether the names are one of masks and one of images. */
static bool is_pair(pyr_word masks, pyr_word images)
{
    return pyr_mask_named(masks) && !pyr_mask_named(images);
}

bool pyr_masks_of(pyr_word masks, pyr_word images)
{
    pyr_part_name part = pyr_part_of(images);

    return is_pair(masks, images) && ((pyr_mask_plain(masks) && part.sure && part.part != PYR_PART_REST) ||
                                      pyr_mask_order(masks, images, false) == 0);
}

bool pyr_masks_near(pyr_word masks, pyr_word images)
{
    return is_pair(masks, images) && !pyr_mask_plain(masks) && !pyr_mask_plain(images) &&
           pyr_mask_order(masks, images, true) == 0;
}

size_t pyr_mask_stem(pyr_word stem)
{
    size_t end = stem.n, word;

    while (end && is_digit(stem.at[end - 1])) /* x_mask_1 */
        end--;
    if (end < stem.n && end && (stem.at[end - 1] == '_' || stem.at[end - 1] == '-'))
        end--;
    else
        end = stem.n;
    for (word = end; word && is_letter(stem.at[word - 1]);)
        word--;
    if (word < 2 || !strchr("_-", stem.at[word - 1]) ||
        !is((pyr_word){stem.at + word, end - word},
            "mask/masks/seg/segmentation/gt/label/labels/trimap/matte"))
        return stem.n;
    return word - 1;
}

/* ---- numbers ---- */

pyr_number pyr_last_number(pyr_word name)
{
    pyr_number found = {0};
    size_t end = name.n;

    while (end && !is_digit(name.at[end - 1]))
        end--;
    for (found.at = end; found.at && is_digit(name.at[found.at - 1]);)
        found.at--;
    found.n = end - found.at;
    if (found.n > 15)
        return (pyr_number){0};
    for (size_t i = 0; i < found.n; i++)
        found.value = 10 * found.value + (uint64_t)(name.at[found.at + i] - '0');
    return found;
}

/* Whether a name ends in one of the words, with no letter in front. */
static bool ends_in(pyr_word name, const char *words)
{
    size_t at = name.n;

    while (at && is_letter(name.at[at - 1]))
        at--;
    return is((pyr_word){name.at + at, name.n - at}, words);
}

bool pyr_part_numbered(pyr_word name, const pyr_number *number)
{
    static const char words[] = "part/parts/shard/shards/chunk/chunks/batch/batches/block/subset/split/fold/"
                                "archive/volume/vol/disk/disc/dir/folder/subdir/image/images/img/imgs/photos/"
                                "pictures/data/dataset/set/pack";
    pyr_word before = {name.at, number->at};

    if (!number->n || number->at + number->n != name.n)
        return false;
    while (before.n && strchr("_- .", before.at[before.n - 1]))
        before.n--;
    return is(before, words) || ends_in(before, "part/parts/shard/shards/chunk/chunks/subset/batch");
}
