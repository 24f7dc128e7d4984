/* fuzz_tar.c - tar archives that are hostile: read, or refused with a sentence that names the file, and
 * nothing is left behind; their names as a data set's layout. Seeds: tests/golden/tars. */
#include "archives/folder_names.h"
#include "archives/tar_file.h"
#include "layouts/collection.h"
#include "layouts/layout.h"
#include "tests/fuzz/input.h"

enum { MOST = 1 << 22 }; /* larger ones are refused by whoever asks for them */

static bool wants(void *arg, const char *name, uint64_t size)
{
    (void)arg;
    return *name && size < 4096;
}

static pyr_status take(void *arg, size_t i, const char *name, const char *bytes, size_t n)
{
    int32_t label;

    (void)i;
    *(size_t *)arg += n;
    (void)pyr_label_beside(&label, bytes, n, name);
    must(bytes[n] == 0 && label >= -1);
    return PYR_OK;
}

static int by_walk(const void *a, const void *b)
{
    return pyr_walk_order(*(char *const *)a, *(char *const *)b);
}

static void as_layout(pyr_names *names)
{
    pyr_layout_wish wish = {0};
    pyr_layout layout;

    if (names->n > 1)
        qsort(names->at, names->n, sizeof *names->at, by_walk);
    must(pyr_layout_read(&layout, names, &wish) == PYR_OK);
    for (size_t i = 0; i < names->n; i++)
        must(layout.label[i] >= -1 && layout.label[i] < (int)layout.classes.n);
    pyr_layout_free(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t taken = 0;
    pyr_tar_take wanted = {.wants = wants, .take = take, .arg = &taken, .past_damage = n % 2};
    pyr_tar *tar;
    pyr_names names = {0};
    const char *path = fuzz_file("fuzz", bytes, n);
    pyr_status status = pyr_tar_open(&tar, path, &wanted);

    must((status == PYR_OK) == (tar != NULL));
    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    for (size_t i = 0; tar && i < pyr_tar_facts_of(tar)->n; i++) {
        char *data;
        size_t size;

        must(pyr_names_add(&names, pyr_tar_facts_of(tar)->at[i].name) == PYR_OK);
        status = pyr_tar_read(&data, &size, tar, i, MOST);
        must((status == PYR_OK) == (data != NULL));
        must(status != PYR_OK || size == pyr_tar_facts_of(tar)->at[i].size);
        pyr_free(data);
    }
    if (tar)
        as_layout(&names);
    pyr_names_free(&names);
    pyr_tar_free(tar);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
