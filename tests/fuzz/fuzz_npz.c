/* fuzz_npz.c - zip archives, NPZ and NPY files and dataset.json that are hostile: read, or refused with a
 * sentence that names the file, and nothing is left behind. Seeds: tests/golden/archives,
 * tests/golden/arrays. */
#include "archives/zip_file.h"
#include "arrays/npz_arrays.h"
#include "layouts/dataset_json.h"
#include "tests/fuzz/input.h"

enum { MOST = 1 << 22 }; /* larger ones are refused by whoever asks for them */

static void as_zip(const char *path)
{
    pyr_zip *zip;
    pyr_status status = pyr_zip_open(&zip, path);

    must((status == PYR_OK) == (zip != NULL));
    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    for (size_t i = 0; zip && i < pyr_zip_count(zip); i++) {
        char *data;
        size_t size, found;

        must(pyr_zip_find(&found, zip, pyr_zip_name(zip, i)) && found == i);
        status = pyr_zip_read(&data, &size, zip, i, MOST);
        must((status == PYR_OK) == (data != NULL));
        must(status != PYR_OK || size == pyr_zip_size(zip, i));
        pyr_free(data);
    }
    pyr_zip_free(zip);
}

static void as_texts(const pyr_arrays *arrays, const pyr_array *array)
{
    size_t count = pyr_array_count(array);
    char **texts = count < 1000 ? calloc(count + 1, sizeof *texts) : NULL;

    if (!texts)
        return;
    (void)pyr_arrays_read_texts(arrays, array, texts, count);
    for (size_t i = 0; i < count; i++)
        pyr_free(texts[i]);
    free(texts);
}

static void as_arrays(const char *path)
{
    pyr_arrays *arrays;
    pyr_status status = pyr_arrays_open(&arrays, path);

    must((status == PYR_OK) == (arrays != NULL));
    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    for (size_t i = 0; arrays && i < pyr_arrays_count(arrays); i++) {
        const pyr_array *array = pyr_arrays_at(arrays, i);
        size_t count = array->type == PYR_NPY_OTHER ? 0 : pyr_array_count(array);
        void *room;

        if (count > MOST)
            continue;
        room = malloc(8 * count + 1);
        must(room != NULL);
        status = pyr_arrays_read(arrays, array, room, count, PYR_NPY_F8);
        must(array->type != PYR_NPY_OTHER || status == PYR_E_UNSUPPORTED);
        must(pyr_arrays_read(arrays, array, room, count, PYR_NPY_F4) == status);
        (void)pyr_arrays_read(arrays, array, room, count, PYR_NPY_I8);
        (void)pyr_arrays_read(arrays, array, room, count, PYR_NPY_U1);
        (void)pyr_arrays_read(arrays, array, room, count, PYR_NPY_U2);
        must(pyr_arrays_read(arrays, array, room, count, array->type) == status);
        if (pyr_array_is_text(array))
            as_texts(arrays, array);
        free(room);
    }
    pyr_arrays_free(arrays);
}

static void as_labels(const uint8_t *bytes, size_t n)
{
    pyr_file_labels labels;
    pyr_status status = pyr_file_labels_parse(&labels, (const char *)bytes, n, "fuzz");

    must(status == PYR_OK || strncmp(pyr_error(), "fuzz: ", 6) == 0);
    for (size_t i = 0; status == PYR_OK && i < labels.n; i++) {
        must(labels.at[i].label >= 0 && labels.at[i].label < PYR_LABEL_MOST);
        must(pyr_file_labels_find(&labels, labels.at[i].name) == (int64_t)i);
    }
    pyr_file_labels_free(&labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *path = fuzz_file("fuzz", bytes, n);

    as_labels(bytes, n);
    as_zip(path);
    as_arrays(path);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
