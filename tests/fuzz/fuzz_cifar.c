/* fuzz_cifar.c - CIFAR's and STL-10's binary files, their labels and class names that are hostile. An input
 * is small, the files are not: bytes for the kind and the number of records, the bytes by which the file is
 * too long or too short, the labels; then class names. Pictures are zeros, but for their last byte. */
#include "images/data_format.h"
#include "tests/fuzz/input.h"

enum { MOST_RECORDS = 2, STL = 96 * 96 * 3, CIFAR = 32 * 32 * 3 };

static const fuzz_literal good[] = {FUZZ_TEXT("\0\2\x80\1\2\3"
                                              "airplane\nbird\n"),
                                    FUZZ_TEXT("\1\3\x80\0\1\0\2\0\3"
                                              "apple\nfish\n"),
                                    FUZZ_TEXT("\2\2\x80\1\2"
                                              "airplane\r\nbird"),
                                    FUZZ_TEXT("\2\1\x7f\1"),
                                    FUZZ_TEXT("\5\2\x80\x63\xff"),
                                    FUZZ_TEXT("\4\2\x80\1\1")};
FUZZ_SEEDS(good)

static void read_all(const pyr_collection *c)
{
    static uint8_t image[STL];
    pyr_packed *p = c->packed;

    must(p && p->bits == 8 && (size_t)p->h * (size_t)p->w * (size_t)p->c <= sizeof image);
    for (int round = 0; round < 2; round++) {
        must(p->rewind(p) == PYR_OK);
        for (int64_t i = 0; i < c->n && p->read(p, image, 1) == PYR_OK; i++)
            must(c->at[i].label >= -1 && c->at[i].label < 100);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static uint8_t file[MOST_RECORDS * (STL + 2) + 256], labels[MOST_RECORDS + 1];
    static char name_0[] = "data_batch_1.bin", name_1[] = "train.bin", name_2[] = "train_X.bin";
    char *name[] = {name_0, name_1, name_2};
    fuzz_rest rest = {bytes, n};
    unsigned how = fuzz_byte(&rest), records = fuzz_byte(&rest) % (MOST_RECORDS + 1), more = fuzz_byte(&rest);
    bool stl = how & 2, alone = how & 4, hundred = how & 1 && !stl;
    size_t front = stl ? 0 : hundred ? 2 : 1, record = front + (stl ? STL : CIFAR), size = records * record;
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_collection c = {.set = &s};
    char *listed[] = {name[stl ? 2 : hundred]};
    const pyr_names names = {.at = listed, .n = 1};
    const char *path;
    pyr_status status;

    memset(file, 0, sizeof file);
    for (size_t i = 0; i < records; i++) {
        for (size_t j = 0; j < front; j++)
            file[i * record + j] = (uint8_t)fuzz_byte(&rest);
        labels[i] = stl ? (uint8_t)fuzz_byte(&rest) : 0;
        file[(i + 1) * record - 1] = (uint8_t)how;
    }
    size = size + more < 128 ? 0 : size + more - 128;
    fuzz_file(stl ? "train_y.bin" : "y.bin", labels, how & 8 ? MOST_RECORDS + 1 : records);
    fuzz_file(stl       ? "class_names.txt"
              : hundred ? "fine_label_names.txt"
                        : "batches.meta.txt",
              rest.at, rest.n);
    path = fuzz_file(listed[0], file, size);
    s.path = path;
    status = (stl ? pyr_data_format_stl : pyr_data_format_cifar)
                 .collect(&c, alone ? &(pyr_data_path){.path = path}
                                    : &(pyr_data_path){.path = fuzz_folder(), .names = &names});
    must(status == PYR_OK || strncmp(pyr_error(), fuzz_folder(), strlen(fuzz_folder())) == 0);
    if (status == PYR_OK)
        read_all(&c);
    pyr_collection_free(&c);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
