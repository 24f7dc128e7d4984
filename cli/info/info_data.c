/* info_data.c - a data set in words: what is there, its classes, the pyramids that it can have, its
 * fingerprint. */
#include "cli/info/info.h"
#include "cli/open_data.h"

#include "cascade/run.h"
#include "pyramid/pyramid.h"
#include "terminal/output.h"
#include <inttypes.h>

enum { LISTED = 1000 }; /* classes; ImageNet has as many */

static void print_memory(const pyr_dataset *set)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(set);
    double n = (double)(pyr_dataset_count(set, PYR_SPLIT_TRAIN) + pyr_dataset_count(set, PYR_SPLIT_HELD_OUT));

    double bytes = n * s.h * s.w * s.c * (s.bits / 8);
    const char *file = pyr_dataset_facts_of(set).file;

    if (file)
        pyr_print("images      %.4g MiB, more than fits into memory: read from %s\n", bytes / 1048576.0,
                  file);
    else
        pyr_print("in memory   %.4g MiB\n", bytes / 1048576.0);
}

/* How it was read, and the values that were met. */
static void print_reading(const pyr_dataset *set)
{
    pyr_data_values v = pyr_dataset_facts_of(set).values;
    pyr_data_decoded d = pyr_dataset_facts_of(set).decoded;

    if (*pyr_dataset_facts_of(set).how)
        pyr_print("read as     %s\n", pyr_dataset_facts_of(set).how);
    pyr_print("values      %g to %g, of %g to %g\n", v.least, v.most, v.low, v.high);
    if (d.limit)
        pyr_print("decoded     %.4g MiB, of at most %.4g MiB (data.decode_limit)\n",
                  (double)d.bytes / 1048576.0, (double)d.limit / 1048576.0);
    if (pyr_dataset_facts_of(set).turned)
        pyr_print("turned      %lld images, as the orientation in their files says\n",
                  (long long)pyr_dataset_facts_of(set).turned);
}

static void print_levels(const pyr_dataset *set)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(set);
    int most = pyr_pyramid_most_levels(s.h, s.w);

    pyr_print("levels      1 to %d:", most);
    for (int level = 0; level < most; level++)
        pyr_print("%s %dx%d", level ? "," : "", pyr_info_halved(s.h, level), pyr_info_halved(s.w, level));
    pyr_print("\n");
}

static pyr_status print_classes(const pyr_dataset *set)
{
    int classes = pyr_dataset_classes(set);
    int64_t *counts[2] = {NULL, NULL}, least = INT64_MAX, most = 0;
    pyr_status status = PYR_OK;

    if (!classes) {
        pyr_print("classes     none\n");
        return PYR_OK;
    }
    for (int split = PYR_SPLIT_TRAIN; split <= PYR_SPLIT_HELD_OUT; split++) {
        const int32_t *labels = pyr_dataset_labels(set, (pyr_split)split);

        PYR_TRY_OUT(pyr_new(&counts[split], (size_t)classes, sizeof *counts[split], "the classes"));
        for (int64_t i = 0; labels && i < pyr_dataset_count(set, (pyr_split)split); i++)
            counts[split][labels[i]] += 1;
    }
    for (int label = 0; label < classes; label++) {
        int64_t n = counts[PYR_SPLIT_TRAIN][label];

        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    pyr_print("classes     %d of ", classes);
    if (least < most)
        pyr_print("%lld to ", (long long)least);
    pyr_print("%lld images for training\n", (long long)most);
    for (int label = 0; label < classes && label < LISTED; label++) {
        const char *name = pyr_dataset_class_name(set, label);

        pyr_print("class %-5d %s%s%lld for training, %lld held out\n", label, name ? name : "",
                  name ? ": " : "", (long long)counts[PYR_SPLIT_TRAIN][label],
                  (long long)counts[PYR_SPLIT_HELD_OUT][label]);
    }
    if (classes > LISTED)
        pyr_print("            and %d more classes\n", classes - LISTED);
out:
    pyr_free(counts[0]);
    pyr_free(counts[1]);
    return status;
}

pyr_status pyr_info_data(const pyr_parsed *parsed)
{
    pyr_dataset *set = NULL;
    pyr_text line = {0};
    pyr_bar bar = pyr_bar_new();
    pyr_status status;

    PYR_TRY_OUT(pyr_open_data_typed(&set, parsed, &bar));
    for (size_t i = 0; i < pyr_dataset_facts_of(set).skipped->n; i++)
        pyr_tell("left out: %s\n", pyr_dataset_facts_of(set).skipped->at[i]);
    for (size_t i = 0; i < pyr_dataset_facts_of(set).warnings->n; i++)
        pyr_tell("warning: %s\n", pyr_dataset_facts_of(set).warnings->at[i]);
    pyr_dataset_describe(set, &line);
    pyr_print("%s\nfingerprint %016" PRIx64 "\n", line.at ? line.at : "", pyr_dataset_fingerprint(set));
    print_reading(set);
    print_memory(set);
    print_levels(set);
    PYR_TRY_OUT(print_classes(set));
out:
    pyr_text_free(&line);
    pyr_dataset_free(set);
    return status;
}
