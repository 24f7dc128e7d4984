/* layout_shards.c - numbered folders: parts of one set, or classes?
 *
 * FFHQ (00000/00012.png, 01000/01012.png), EDM's and StyleGAN's sets (00001/img00001000.png), Danbooru
 * (0123/1000123.jpg) put files into folders by their numbers; MNIST as PNG (0/ ... 9/) and GTSRB (00000/ ...
 * 00042/, five digits too) have a folder for each class. What separates them is whether the number of a file
 * decides its folder:
 *
 * - folder = number / S for one S, or S * (number / S); counted from 0 or from the least number; or
 * - folder = the last digits of the number, or the first digits (base 16) of the file's name; or
 * - the folder's name is a range (00000-00999) that the numbers are in; or
 * - the folders count in steps of a round number (00000, 01000, ...), as classes never do.
 *
 * Classes of equal size whose files are counted through would look the same; then folders as parts are made
 * by programs, which pad their numbers with zeros (00, 01), while labels are bare (0, 1, ..., 10): bare ones
 * are classes, and it is said that they might be parts. A word for parts (part-00, shard_0001) needs no
 * more. */
#include "layouts/layout.h"

#include "archives/folder_names.h"
#include <string.h>

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Whether a file's name begins with its folder's, or with those of the folders above it and its own together
 * (0/0/7/007e33c2.jpg). */
static bool named_for(const char *base, const char *file, const char *at, size_t n)
{
    for (const char *first = at;;) {
        const char *b = base, *c = first;

        for (; c < at + n && (*c == '/' || *c == *b); c++)
            b += *c != '/';
        if (c == at + n)
            return true;
        if (first == file)
            return false;
        for (first--; first > file && first[-1] != '/'; first--)
            ;
    }
}

static uint64_t value_of(const pyr_numbered *folder)
{
    return pyr_last_number(folder->name).value;
}

void pyr_numbered_add(pyr_numbered *folder, const char *file, const char *at)
{
    const char *base = pyr_base_name(file), *dot = strrchr(base, '.');
    size_t stem = dot ? (size_t)(dot - base) : strlen(base), hex = 0;
    pyr_number number = pyr_last_number((pyr_word){base, stem});

    if (folder->files++ == 0) {
        folder->begins = true;
        for (int i = 0; i < PYR_ENDINGS; i++)
            folder->ends[i] = true;
        folder->least = UINT64_MAX;
    }
    while (hex < stem && is_hex(base[hex]))
        hex++;
    folder->begins &= hex == stem && stem >= 4 + folder->name.n && named_for(base, file, at, folder->name.n);
    if (!number.n)
        return;
    folder->numbered++;
    for (size_t digits = 0, power = 10; digits < PYR_ENDINGS; digits++, power *= 10)
        folder->ends[digits] &= number.value % power == value_of(folder);
    folder->least = number.value < folder->least ? number.value : folder->least;
    folder->most = number.value > folder->most ? number.value : folder->most;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Whether folder = (number - base) / S, counted in steps of `step` from `first`, for some S: each file's
 * number m in folder f has f * S <= m < (f + 1) * S. */
static bool by_quotient(const pyr_numbered *at, size_t n, uint64_t base, uint64_t first, uint64_t step)
{
    uint64_t lowest = 1, highest = UINT64_MAX; /* what S may be */

    for (size_t i = 0; i < n; i++) {
        uint64_t f = (value_of(&at[i]) - first) / step, lower = (at[i].most - base) / (f + 1) + 1;

        if (at[i].numbered != at[i].files)
            return false;
        lowest = lower > lowest ? lower : lowest;
        if (f && (at[i].least - base) / f < highest)
            highest = (at[i].least - base) / f;
    }
    return lowest <= highest && highest >= 2; /* 0/0.png, 1/1.png is nothing yet */
}

/* Whether the last so many digits of the files' numbers are the folder's: more than one digit, or a class of
 * ten could be meant. */
static bool by_ending(const pyr_numbered *at, size_t n)
{
    bool all = false;

    for (int digits = 1; digits < PYR_ENDINGS && !all; digits++) {
        all = true;
        for (size_t i = 0; i < n; i++)
            all &= at[i].ends[digits] && at[i].numbered == at[i].files;
    }
    return all;
}

/* Names of one kind: all digits; or all the same text, then digits. */
static bool numbered_alike(const pyr_numbered *at, size_t n, bool *bare, bool *words)
{
    *bare = *words = true;
    for (size_t i = 0; i < n; i++) {
        pyr_number number = pyr_last_number(at[i].name), first = pyr_last_number(at[0].name);

        if (!number.n || number.at + number.n != at[i].name.n || number.at != first.at ||
            strncmp(at[i].name.at, at[0].name.at, first.at) != 0)
            return false;
        *bare &= number.at == 0;
        *words &= pyr_part_numbered(at[i].name, &number);
    }
    return true;
}

/* 0, 1, ..., f; 00, 01, ..., 0f, 10, ...: digits of base 16, which the names of files begin with. */
static bool by_hash(const pyr_numbered *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (at[i].name.n != at[0].name.n || !at[i].begins)
            return false;
        for (size_t k = 0; k < at[i].name.n; k++)
            if (!is_hex(at[i].name.at[k]))
                return false;
    }
    return at[0].name.n <= 4;
}

/* 00000-00999, 01000-01999: ranges that the files' numbers are in. Ages of 20-29 are classes. */
static bool by_range(const pyr_numbered *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pyr_number last = pyr_last_number(at[i].name);
        pyr_number first =
            last.at ? pyr_last_number((pyr_word){at[i].name.at, last.at - 1}) : (pyr_number){0};

        if (!first.n || !last.n || first.at != 0 || first.n + 1 != last.at ||
            last.at + last.n != at[i].name.n || at[i].numbered != at[i].files || at[i].least < first.value ||
            at[i].most > last.value)
            return false;
    }
    return true;
}

pyr_shards pyr_shards_are(const pyr_numbered *at, size_t n)
{
    bool bare, words, padded = true, zero = false, equal = true, tied;
    uint64_t step = 0, first = UINT64_MAX, base = UINT64_MAX;
    size_t files = 0;

    if (by_hash(at, n) || by_range(at, n))
        return PYR_SHARDS_YES;
    if (!numbered_alike(at, n, &bare, &words))
        return PYR_SHARDS_NO;
    if (words)
        return PYR_SHARDS_YES;
    if (!bare)
        return PYR_SHARDS_NO;
    for (size_t i = 0; i < n; i++) {
        step = greatest_divisor(step, value_of(&at[i]));
        first = value_of(&at[i]) < first ? value_of(&at[i]) : first;
        base = at[i].least < base ? at[i].least : base;
        padded &= at[i].name.n == at[0].name.n;
        zero |= at[i].name.n > 1 && at[i].name.at[0] == '0';
        files += at[i].files;
        equal &= i + 1 == n ? at[i].files <= at[0].files : at[i].files == at[0].files;
    }
    step = step ? step : 1;
    padded &= zero;
    if ((padded && step >= 10) || (step >= 100 && at[0].name.n >= 4))
        return PYR_SHARDS_YES;
    tied = by_ending(at, n) || by_quotient(at, n, 0, 0, 1) || by_quotient(at, n, 0, 0, step) ||
           by_quotient(at, n, base, first, 1);
    if (tied && padded)
        return PYR_SHARDS_YES;
    /* by chance, when there are few files */
    return (tied && files >= 2 * n) || (padded && equal && files > n) ? PYR_SHARDS_MAYBE : PYR_SHARDS_NO;
}
