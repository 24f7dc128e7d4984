/* filters.c - the table of filters and their words. */
#include "pyramid/filters.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

#define WORD(constant, row, word) word,
const char *const pyr_filter_names[PYR_FILTERS + 1] = {PYR_FILTER_LIST(WORD) NULL};

#define ROW(constant, row, word) &pyr_filter_##row,
static const pyr_filter *const table[PYR_FILTERS] = {PYR_FILTER_LIST(ROW)};

const pyr_filter *pyr_filter_of(int filter)
{
    assert(filter >= 0 && filter < PYR_FILTERS);
    return table[filter];
}

pyr_status pyr_filter_parse(int *out, const char *word)
{
    return pyr_find_word(out, "filter", word, strlen(word), pyr_filter_names, PYR_FILTERS);
}

void pyr_filters_with_sigma(pyr_text *text)
{
    const char *comma = "";

    for (int i = 0; i < PYR_FILTERS; i++)
        if (table[i]->has_sigma) {
            pyr_text_add(text, "%s%s", comma, pyr_filter_names[i]);
            comma = ", ";
        }
}

/* Along rows, then along columns: whether all entries that a row of the matrix reads are 1. */
static void read_axis(uint8_t *dst, const uint8_t *src, const pyr_taps *t, size_t lines, size_t line,
                      size_t step)
{
    for (size_t l = 0; l < lines; l++)
        for (int o = 0; o < t->n_out; o++) {
            uint8_t all = 1;

            for (int j = 0; j < t->width; j++)
                if (t->tap[(size_t)o * (size_t)t->width + (size_t)j] != 0)
                    all &= src[l * line + (size_t)(t->start[o] + j) * step];
            dst[step == 1 ? l * (size_t)t->n_out + (size_t)o : (size_t)o * step + l] = all;
        }
}

pyr_status pyr_filter_reach(uint8_t *coarse, const uint8_t *given, int filter, double sigma, int h, int w)
{
    const pyr_filter *row = pyr_filter_of(filter);
    size_t fine = (size_t)h * (size_t)w, m = (size_t)((w + 1) / 2);
    pyr_taps rows = {0}, cols = {0};
    uint8_t *middle = NULL;
    pyr_status status;

    if (row->cosine) { /* each depends on all */
        memset(coarse, memchr(given, 0, fine) == NULL, m * (size_t)((h + 1) / 2));
        return PYR_OK;
    }
    PYR_TRY_OUT(pyr_new(&middle, (size_t)h * m, 1, "a mask"));
    PYR_TRY_OUT(row->down(&rows, sigma, h));
    PYR_TRY_OUT(row->down(&cols, sigma, w));
    read_axis(middle, given, &cols, (size_t)h, (size_t)w, 1);
    read_axis(coarse, middle, &rows, m, 1, m);
out:
    pyr_taps_free(&rows);
    pyr_taps_free(&cols);
    pyr_free(middle);
    return status;
}
