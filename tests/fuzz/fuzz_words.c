/* fuzz_words.c - what people type as the value of an option: lists of seeds and numbers, intervals, counts,
 * variants, budgets, metrics. The first byte says which. */
#include "base/text.h"
#include "comparison/variant.h"
#include "eval/evaluate.h"
#include "pyramid/filters.h"
#include "settings/parse.h"
#include "tests/fuzz/input.h"
#include <math.h>

static const fuzz_literal good[] = {FUZZ_TEXT("s0-63,100"),
                                    FUZZ_TEXT("i18,12,8"),
                                    FUZZ_TEXT("r2,1.5,1"),
                                    FUZZ_TEXT("v0.3-5"),
                                    FUZZ_TEXT("c200ki"),
                                    FUZZ_TEXT("n-1.5e3"),
                                    FUZZ_TEXT("Vseparate,single"),
                                    FUZZ_TEXT("b10m"),
                                    FUZZ_TEXT("b2e14flop"),
                                    FUZZ_TEXT("mfrechet,kid"),
                                    FUZZ_TEXT("fhaar"),
                                    FUZZ_TEXT("wsedarate"),
                                    FUZZ_TEXT("s18446744073709551615"),
                                    FUZZ_TEXT("c9e15")};
FUZZ_SEEDS(good)

static void lists(int kind, const char *text)
{
    enum { MOST = 4 };
    int ints[MOST], n = 0;
    double reals[MOST], lo, hi;
    uint64_t *seeds;
    size_t n_seeds;

    if (kind == 's') {
        if (pyr_parse_seeds(text, &seeds, &n_seeds) == PYR_OK)
            must(seeds && n_seeds >= 1 && n_seeds <= PYR_SEEDS_MAX);
        pyr_free(seeds);
    } else if (kind == 'i' && pyr_parse_ints(text, ints, MOST, &n) == PYR_OK)
        must(n >= 1 && n <= MOST);
    else if (kind == 'r' && pyr_parse_reals(text, reals, MOST, &n) == PYR_OK)
        must(n >= 1 && n <= MOST && isfinite(reals[0]) && isfinite(reals[n - 1]));
    else if (kind == 'v' && pyr_parse_interval(text, &lo, &hi) == PYR_OK)
        must(lo >= 0 && lo < hi && isfinite(hi));
}

static void others(int kind, const char *text)
{
    static const char *const names[] = {"separate", "cascade", "", "end-to-end"};
    pyr_variant variants[PYR_VARIANTS];
    pyr_budget budget;
    unsigned metrics;
    int64_t count;
    double real;
    int n;

    if (kind == 'c' && pyr_parse_count(text, &count))
        return;
    if (kind == 'n' && pyr_parse_real(text, &real))
        must(!isnan(real));
    else if (kind == 'V' && pyr_parse_variants(text, variants, &n) == PYR_OK)
        must(n >= 1 && n <= PYR_VARIANTS);
    else if (kind == 'b' && pyr_parse_budget(text, &budget) == PYR_OK)
        must(budget.value > 0 && isfinite(budget.value));
    else if (kind == 'm')
        (void)pyr_parse_metrics(text, &metrics);
    else if (kind == 'f' && pyr_filter_parse(&n, text) == PYR_OK)
        must(pyr_filter_names[n] != NULL);
    else if (kind == 'w')
        (void)pyr_nearest(text, names, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_rest rest = {bytes, n};
    int kind = (int)fuzz_byte(&rest);
    char *text = fuzz_text(rest);

    lists(kind, text);
    others(kind, text);
    free(text);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
