/* metric_rows.c - the table of metrics and their words. */
#include "eval/metric_rows.h"

#include "base/text.h"
#include <string.h>

#define ROW(constant, row) &pyr_metric_##row,
static const pyr_metric *const table[PYR_METRICS] = {PYR_METRIC_LIST(ROW) PYR_METRIC_MORE(ROW)};

const pyr_metric *pyr_metric_at(int place)
{
    return place >= 0 && place < PYR_METRICS ? table[place] : NULL;
}

const pyr_metric *pyr_metric_of_word(const char *word)
{
    for (int i = 0; i < PYR_METRICS; i++)
        if (strcmp(table[i]->figure.key, word) == 0)
            return table[i];
    return NULL;
}

/* The bit by which a row is wanted: its own, or that of the row that measures it. */
static unsigned bit_of(int place)
{
    for (int i = 0; i < PYR_METRICS && table[place]->with; i++)
        if (table[i] == table[place]->with)
            return 1u << i;
    return 1u << place;
}

unsigned pyr_metrics_of(pyr_metric_of of)
{
    unsigned bits = 0;

    for (int i = 0; i < PYR_METRICS; i++)
        if (table[i]->of == of && table[i]->measure)
            bits |= 1u << i;
    return bits;
}

pyr_status pyr_parse_metrics(const char *text, unsigned *metrics)
{
    const char *words[PYR_METRIC_WORDS + 1];
    unsigned bits[PYR_METRIC_WORDS + 1];

    for (int i = 0; i < PYR_METRIC_WORDS; i++) {
        bits[i] = bit_of(i);
        words[i] = table[i]->figure.key;
    }
    bits[PYR_METRIC_WORDS] = PYR_METRIC_ALL;
    words[PYR_METRIC_WORDS] = "all";
    *metrics = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        int i;

        PYR_TRY(pyr_find_word(&i, "metric", at, length, words, PYR_METRIC_WORDS + 1));
        *metrics |= bits[i];
        at += length;
        if (!*at)
            return PYR_OK;
    }
}
