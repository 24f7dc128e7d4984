/* test_peak.c - products in registers by each instruction set, and the peak that is measured with them and kept. */
#include "kernels/peak.h"

#include "base/mem.h"
#include "kernels/backend.h"
#include "kernels/processor.h"
#include "kernels/simd/register_products.h"
#include "tests/temp_files.h"

static pyr_register_run *const products[PYR_SETS] = OF_SETS(pyr_register_products);

/* Chain i begins at x_i and goes on x = a x + b with a = 3/4, b = 1/4, which is 1 + a^n (x_i - 1) after n steps;
 * sums of pairs of bf16 grow by a b in each. The x_i are the tenths to 0.9, 1.1 and 1.2. */
static void all_products_are_made(void)
{
    const double begin = 6.8;
    enum { CHAINS = 12 };

    for (int set = 0; set <= (int)pyr_set_here(); set++)
        for (int rounds = 0; rounds < 40; rounds++) {
            double wanted = CHAINS + pow(0.75, rounds) * (begin - CHAINS), flop, of_pairs;
            float sum;

            flop = products[set](&sum, false, (size_t)rounds);
            CHECK_CLOSE(sum, wanted, 1e-5);
            of_pairs = products[set](&sum, true, (size_t)rounds);
            if (strcmp(pyr_set_names[set], "avx512-amx") ==
                0) { /* four sums of 32 products of a b of 32 x 32 */
                CHECK(sum == 4 * 32 * 0.1875 * rounds);
                CHECK(of_pairs == 2.0 * 32 * 32 * 32 * rounds);
                continue;
            }
            if (strcmp(pyr_set_names[set], "avx512-bf16") != 0) { /* has no such products: floats again */
                CHECK_CLOSE(sum, wanted, 1e-5);
                CHECK(of_pairs == flop);
                continue;
            }
            CHECK_CLOSE(sum, begin + CHAINS * 0.1875 * rounds, 1e-4);
            CHECK(of_pairs == 2 * flop);
        }
}

/* A multiply-add is 2 FLOP; registers have 16, 32 and 64 bytes (Intel's and Arm's manuals). */
static void flop_are_counted_by_the_width(void)
{
    static const struct {
        const char *name;
        int floats;
    } widths[] = {{"x86-64", 4}, {"avx2", 8}, {"avx512", 16}, {"avx512-bf16", 16}, {"avx512-amx", 16}};
    float sum;

    for (int set = 0; set <= (int)pyr_set_here(); set++)
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            if (strcmp(pyr_set_names[set], widths[i].name) == 0)
                CHECK(products[set](&sum, false, 1) == 12.0 * 2 * widths[i].floats);
}

static double measured(bool allowed, const char *backend, const char *precision)
{
    double gflops = 0;
    pyr_kernels *k;

    CHECK_OK(pyr_backend_open(&k, backend, precision, 2, allowed));
    CHECK_OK(pyr_peak_measure(&gflops, k, k->precision));
    CHECK(pyr_tuning_count(k->tuning) == 0); /* nothing that would travel with a run */
    pyr_kernels_free(k);
    return gflops;
}

/* What the cache has of this machine, whole GFLOP/s; it is replaced unless `other` is negative. */
static int kept(int other)
{
    char path[128], machine[256];
    pyr_tuning *cache;
    pyr_kernels *k;
    int there = -1;

    CHECK_OK(pyr_kernels_cpu(&k, 2));
    snprintf(path, sizeof path, "%s/pyrdiff/tuning.json", temp);
    snprintf(machine, sizeof machine, "%.200s, peak", k->measurable);
    pyr_kernels_free(k);
    CHECK_OK(pyr_tuning_new(&cache));
    pyr_tuning_use_cache(cache, path, machine);
    CHECK(pyr_tuning_count(cache) == 1);
    CHECK(pyr_tuning_get(cache, "GFLOP/s f32 2 lanes", &there));
    if (other >= 0)
        CHECK_OK(pyr_tuning_put(cache, "GFLOP/s f32 2 lanes", other));
    pyr_tuning_keep(cache);
    pyr_tuning_free(cache);
    return there;
}

static void largest_is_kept(void)
{
    double first = measured(true, "cpu", "f32"), again;

    CHECK(first > 0);
    CHECK(kept(1000000) == (int)first); /* what is beyond is cut off */
    CHECK(measured(true, "cpu", "f32") == 1000000);
    CHECK(kept(1) == 1000000);
    again = measured(true, "cpu", "f32");
    CHECK(again > 1 && again < 1000000);
    CHECK(kept(-1) == (int)again);
}

static void not_known(void)
{
    CHECK(isnan(measured(false, "cpu", "f32"))); /* nothing may be measured */
    CHECK(isnan(measured(true, "ref", "f32")));
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_make())
        return 1;
    setenv("XDG_CACHE_HOME", temp, 1);
    RUN(all_products_are_made);
    RUN(flop_are_counted_by_the_width);
    RUN(largest_is_kept);
    RUN(not_known);
    temp_remove();
    return CHECK_DONE();
}
