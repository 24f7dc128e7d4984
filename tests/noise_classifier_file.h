/* noise_classifier_file.h - a classifier of noised images with random weights, as a file in a folder. */
#ifndef PYR_TESTS_NOISE_CLASSIFIER_FILE_H
#define PYR_TESTS_NOISE_CLASSIFIER_FILE_H

#include "tests/check.h"
#include "tests/level_data.h"

#include "levels/noise_classifier.h"

/* Of `classes` classes for the level; the same weights (as floats) whatever the kernels are. */
static inline void write_classifier(const char *folder, pyr_kernels *k, const pyr_level *level, int classes)
{
    pyr_shape condition = level->condition;
    pyr_class_list list = {0};
    pyr_params params = {0};
    pyr_graph *g = NULL;
    pyr_value x, c = -1, time;
    void *block = NULL;
    double *values;

    CHECK_OK(pyr_graph_new(&g, k, PYR_PRECISION_FULL, &params));
    x = pyr_graph_input(g, level->variable, k->real);
    time = pyr_graph_input(g, (pyr_shape){1, 1, 1, 1}, k->real);
    if (condition.c)
        c = pyr_graph_input(g, condition, k->real);
    CHECK(pyr_noise_classifier_build(g, x, c, time, classes) >= 0);
    CHECK_OK(pyr_alloc(k, &block, params.count * pyr_type_size(k->real), "weights"));
    CHECK_OK(pyr_params_init(&params, k, block, 5, 0));
    values = numbers(params.count);
    CHECK_OK(pyr_download_reals(k, values, block, params.count));
    for (int i = 0; i < params.n; i++) /* biases, too, which begin at zero */
        for (size_t j = 0; j < params.at[i].count; j++) {
            float four[4];

            pyr_normal4(3, (uint32_t)(j / 4), (uint32_t)i, 0, 1, four);
            values[params.at[i].offset + j] += 0.1 * (double)four[j % 4];
        }
    CHECK_OK(pyr_upload_reals(k, block, values, params.count));
    CHECK_OK(pyr_class_list_plain(&list, classes, -1));
    CHECK_OK(pyr_noise_classifier_write(folder, &level->facts, &list, &params, k, block));
    pyr_class_list_free(&list);
    pyr_free(values);
    pyr_release(k, block);
    pyr_graph_free(g);
    pyr_params_free(&params);
}

#endif
