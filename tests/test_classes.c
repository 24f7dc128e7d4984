/* test_classes.c - which classes a network knows, and which of them images are to be of. */
#include "tests/level_data.h"

#include "levels/class_list.h"

/* Five classes, of which 0 and 3 have no images. */
static void list_new(pyr_class_list *list, double dropout)
{
    static const char *const names[] = {"airplane", "Bird", "cat\ncat", "", "dog\xff"};
    static const int64_t images[] = {0, 5, 1, 0, 7};
    pyr_class_list from = {.n = 5};
    pyr_st_pair pairs[PYR_CLASS_PAIRS];
    pyr_text counts = {0}, words = {0};
    pyr_st_entry entry = {.name = "x", .dtype = PYR_ST_F32, .rank = 1, .dims = {1}, .data = &(float){1}};
    size_t n;

    from.images = (int64_t *)(uintptr_t)images;
    from.name = (char **)(uintptr_t)names;
    CHECK_OK(pyr_class_list_write(&from, pairs, &n, &counts, &words));
    CHECK(n == 2);
    CHECK_STRING(pairs[0].value, "0 5 1 0 7");
    CHECK_STRING(pairs[1].value, "airplane\nBird\ncat cat\n\ndog?");
    CHECK_OK(pyr_safetensors_write(below("classes.safetensors"), &entry, 1, pairs, n));
    CHECK_OK(pyr_class_list_read(list, below("classes.safetensors"), 5, dropout));
    pyr_text_free(&counts);
    pyr_text_free(&words);
}

static void kept_with_the_weights(void)
{
    pyr_class_list list, other;
    pyr_text text = {0};

    list_new(&list, 0.1);
    CHECK(list.n == 5 && list.n_can == 3 && list.can[0] == 1 && list.can[1] == 2 && list.can[2] == 4);
    CHECK(list.images && list.images[4] == 7);
    CHECK_STRING(list.name[2], "cat cat");
    CHECK(!list.name[3]);
    pyr_class_list_add(&list, &text);
    CHECK_STRING(text.at, "1..2, 4 (Bird, cat cat, dog?)");
    pyr_text_free(&text);
    /* a file that says nothing is one of an older program, one that does not fit is damaged */
    CHECK_FAILS(pyr_class_list_read(&other, below("classes.safetensors"), 4, 0.1), PYR_E_FORMAT,
                "a number of images for each of 4 classes");
    pyr_class_list_free(&other);
    CHECK_OK(pyr_class_list_plain(&other, 3, -1));
    CHECK(other.n_can == 3 && !other.images);
    pyr_class_list_add(&other, &text);
    CHECK_STRING(text.at, "0..2");
    pyr_text_free(&text);
    pyr_class_list_free(&other);
    /* a sentence stays one when every other of a thousand classes has no images */
    CHECK_OK(pyr_class_list_plain(&other, 1000, -1));
    for (other.n_can = 0; other.n_can < 500; other.n_can++)
        other.can[other.n_can] = 2 * other.n_can;
    pyr_class_list_add(&other, &text);
    CHECK(text.length < 200 && strstr(text.at, "0, 2, 4, ") == text.at && strstr(text.at, ", ... up to 998"));
    pyr_text_free(&text);
    pyr_class_list_free(&other);
    pyr_class_list_free(&list);
}

static void chosen(void)
{
    static const struct {
        const char *typed;
        pyr_class_kind kind;
        int label;
    } good[] = {{"", PYR_CLASS_NONE, -1},        {"none", PYR_CLASS_NONE, -1},  {"-1", PYR_CLASS_NONE, -1},
                {"1", PYR_CLASS_ONE, 1},         {"4", PYR_CLASS_ONE, 4},       {"Bird", PYR_CLASS_ONE, 1},
                {"bird", PYR_CLASS_ONE, 1},      {"cat cat", PYR_CLASS_ONE, 2}, {"all", PYR_CLASS_ALL, -1},
                {"random", PYR_CLASS_RANDOM, -1}};
    static const char *const bad[][2] = {{"0", "--class 0 (airplane): no training images were of this "
                                               "class, so there is nothing to draw; there are 1..2, 4 "
                                               "(Bird, cat cat, dog?)"},
                                         {"3", "--class 3: no training images"},
                                         {"airplane", "--class 0 (airplane): no training"},
                                         {"5", "--class is 5, should be 1..2, 4"},
                                         {"-2", "--class is -2"},
                                         {"brid", "there is no class \"brid\"; did you mean Bird? (1..2, 4"},
                                         {"1x", "there is no class \"1x\""}};
    pyr_class_list list, none;
    pyr_class_choice choice;

    list_new(&list, 0.1);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_OK(pyr_class_choose(&choice, &list, good[i].typed));
        CHECK(choice.kind == good[i].kind && choice.label == good[i].label);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(pyr_class_choose(&choice, &list, bad[i][0]), PYR_E_ARG, bad[i][1]);
    list.none = false;
    CHECK_FAILS(pyr_class_choose(&choice, &list, ""), PYR_E_ARG,
                "which class? Add --class 1..2, 4 (Bird, cat cat, dog?), all or random");
    CHECK_OK(pyr_class_list_plain(&none, 0, -1));
    CHECK_OK(pyr_class_choose(&choice, &none, ""));
    CHECK(pyr_class_of_seed(&choice, 3) == -1);
    CHECK_FAILS(pyr_class_choose(&choice, &none, "all"), PYR_E_ARG, "trained without classes");
    pyr_class_list_free(&list);
    list_new(&list, 1); /* every label was dropped */
    CHECK_OK(pyr_class_choose(&choice, &list, ""));
    CHECK_FAILS(pyr_class_choose(&choice, &list, "1"), PYR_E_ARG,
                "no class was ever trained (class_dropout is 1)");
    CHECK_FAILS(pyr_class_choose(&choice, &list, "all"), PYR_E_ARG, "no class was ever trained");
    pyr_class_list_free(&list);
    pyr_class_list_free(&none);
}

/* The class of a seed is its own affair: the same alone and among others. */
static void of_seeds(void)
{
    enum { N = 30000 };
    static uint64_t seeds[N];
    pyr_class_list list;
    pyr_class_choice choice;
    int32_t *labels = NULL, *one = NULL;
    int count[5] = {0};

    list_new(&list, 0);
    for (int i = 0; i < N; i++)
        seeds[i] = (uint64_t)i;
    CHECK_OK(pyr_class_choose(&choice, &list, "all"));
    CHECK_OK(pyr_class_labels(&labels, &choice, seeds, 6));
    for (int i = 0; i < 6; i++)
        CHECK(labels[i] == list.can[i % 3]);
    pyr_free(labels);
    CHECK(pyr_class_of_seed(&choice, UINT64_MAX) == 1); /* 2^64 - 1 is divisible by 3 */

    CHECK_OK(pyr_class_choose(&choice, &list, "random"));
    CHECK_OK(pyr_class_labels(&labels, &choice, seeds, N));
    CHECK_OK(pyr_class_labels(&one, &choice, seeds + 77, 1));
    CHECK(one[0] == labels[77]);
    for (int i = 0; i < N; i++)
        count[labels[i]]++;
    CHECK(count[0] == 0 && count[3] == 0);
    for (int i = 0; i < 3; i++) /* 5 standard deviations of a binomial */
        CHECK_CLOSE(count[list.can[i]], N / 3.0, 5 * sqrt(N * 2 / 9.0));
    pyr_free(labels);
    pyr_free(one);
    pyr_class_list_free(&list);
}

static void of_a_data_set(void)
{
    pyr_dataset *data;
    pyr_class_list list;

    write_images();
    data = open_data();
    CHECK_OK(pyr_class_list_of_data(&list, data, 0.1));
    CHECK(list.n == 2 && list.n_can == 2 && list.images[0] + list.images[1] == IMAGES - HELD_OUT);
    CHECK_STRING(list.name[0], "left");
    CHECK_STRING(list.name[1], "right");
    pyr_class_list_free(&list);
    pyr_dataset_free(data);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("classes"))
        return 1;
    RUN(kept_with_the_weights);
    RUN(chosen);
    RUN(of_seeds);
    RUN(of_a_data_set);
    remove_all(temp);
    return CHECK_DONE();
}
