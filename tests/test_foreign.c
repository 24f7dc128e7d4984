/* test_foreign.c - formats that are not read here are named, each by the bytes and names that its own tools
 * write. */
#include "layouts/foreign.h"

#include "base/mem.h"
#include "tests/check.h"
#include <string.h>

typedef struct sample {
    const char *path, *bytes;
    size_t n, at; /* so many bytes, at this place of the file; zeros before them */
    const char *says;
} sample;

#define BYTES(text) text, sizeof text - 1

static const sample foreign[] = {
    {"a/train_32x32.mat", BYTES("MATLAB 5.0 MAT-file, Platform: GLNXA64"), 0,
     "a/train_32x32.mat: a MATLAB file, which is not read here; convert it: scripts/convert-dataset "
     "a/train_32x32.mat train_32x32.zip"},
    {"x.mat", BYTES("MATLAB 7.3 MAT-file"), 0, "a MATLAB file (version 7.3)"},
    {"my data.h5", BYTES("\x89HDF\r\n\x1a\n"), 0, "scripts/convert-dataset 'my data.h5' 'my data.zip'"},
    {"train-00000-of-00001.parquet", BYTES("PAR1\x15\x04"), 0, "a Parquet table"},
    {"cifar10-train.arrow", BYTES("\xff\xff\xff\xff\x10"), 0, "an Arrow table"},
    {"data.mdb", BYTES("\xde\xc0\xef\xbe\1"), 16, "an LMDB"},
    {"ffhq-r10.tfrecords", BYTES("x"), 0, "scripts/convert-dataset ffhq-r10.tfrecords ffhq-r10.zip"},
    {"cifar-10-python.tar.gz", BYTES("\x1f\x8b\x08"), 0,
     "cifar-10-python.tar.gz: CIFAR's Python version, a tar archive of pickles, which is not read here; "
     "convert it: scripts/convert-dataset cifar-10-python.tar.gz cifar-10.zip"},
    {"fer2013.csv", BYTES("emotion,pixels,Usage"), 0,
     "a table of text, which is not read here; convert it: scripts/convert-dataset fer2013.csv fer2013.zip"},
    {"data_batch_1", BYTES("\x80\2}q"), 0, "pickled by Python"},
    {"old", BYTES("(dp0\nS'data'"), 0, "pickled by Python"},
    {"mnist.pkl.gz", BYTES("\x1f\x8b\x08"), 0, "scripts/convert-dataset mnist.pkl.gz mnist.zip"},
    {"IMG_1.HEIC",
     BYTES("\0\0\0\x24"
           "ftypheic"),
     0, "convert it to PNG: heif-convert IMG_1.HEIC IMG_1.HEIC.png"},
    {"a.avif",
     BYTES("\0\0\0\x20"
           "ftypavif"),
     0, "AVIF, which is not read here; convert it to PNG: avifdec a.avif"},
    {"a.mp4",
     BYTES("\0\0\0\x20"
           "ftypisom"),
     0, "mkdir frames && ffmpeg -i a.mp4 frames/%06d.png"},
    {"a.mkv", BYTES("\x1a\x45\xdf\xa3"), 0, "a film"},
    {"a.avi", BYTES("RIFF\0\0\0\0AVI LIST"), 0, "a film"},
    {"a.gif", BYTES("GIF89a"), 0, "GIF"},
    {"a.bmp", BYTES("BM\x36\0"), 0,
     "Windows' BMP, which is not read here; convert it to PNG: convert a.bmp a.bmp.png"},
    {"a.psd", BYTES("8BPS\0\1"), 0, "a Photoshop document"},
    {"a.dng", BYTES("II*\0"), 0, "darktable-cli a.dng a.dng.png"},
    {"a.rar", BYTES("Rar!\x1a\x07"), 0, "unpack it first: unrar x a.rar"},
    {"a.7z", BYTES("7z\xbc\xaf\x27\x1c"), 0, "unpack it first: 7z x a.7z"},
    {"a.zst", BYTES("\x28\xb5\x2f\xfd"), 0, "unpack it first: zstd -d a.zst"},
    {"a.ppm", BYTES("P6\n2 2\n"), 0, "pnmtopng a.ppm >a.ppm.png"},
    {"-a.dcm", BYTES("DICM"), 128, "dcmj2pnm +on2 ./'-a.dcm' ./'-a.dcm'.png"},
    {"it's.gif", BYTES("GIF87a"), 0, "convert 'it'\\''s.gif' 'it'\\''s.gif'.png"},
    {"data.zip", BYTES("<!DOCTYPE html><html>"), 0, "a page of the web, not the file itself"},
    {"data.zip", BYTES("version https://git-lfs.github.com/spec/v1"), 0, "git lfs pull"},
    /* what is read here, or what nobody knows */
    {"a.png", BYTES("\x89PNG\r\n\x1a\n"), 0, NULL},
    {"a.jpg", BYTES("\xff\xd8\xff\xe0"), 0, NULL},
    {"a.webp", BYTES("RIFF\0\0\0\0WEBPVP8 "), 0, NULL},
    {"a.tif", BYTES("II*\0"), 0, NULL},
    {"a.zip", BYTES("PK\3\4"), 0, NULL},
    {"a.npy", BYTES("\x93NUMPY\1"), 0, NULL},
    {"train-images-idx3-ubyte", BYTES("\0\0\x08\x03\0\0\xea\x60"), 0, NULL},
    {"train-images-idx3-ubyte.gz", BYTES("\x1f\x8b\x08"), 0, NULL},
    {"images.tar.gz", BYTES("\x1f\x8b\x08"), 0, NULL},
    {"images.tar", BYTES("ustar"), 257, NULL},
    {"data_batch_1.bin", BYTES("\6\x3b\x2b\x32"), 0, NULL},
    {"notes.txt", BYTES("hello"), 0, NULL},
};

static void check_sentence(bool is, const pyr_text *text, const char *says, const char *path)
{
    if (is != (says != NULL))
        CHECK_REPORT("%s: %s", path, is ? "is told to be foreign" : "is not told to be foreign");
    if (is && says && (!text->at || !strstr(text->at, says) || strchr(text->at, '\n')))
        CHECK_REPORT("%s: \"%s\" lacks \"%s\"", path, text->at ? text->at : "", says);
}

static void files(void)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const sample *s = &foreign[i];
        unsigned char start[PYR_FOREIGN_START] = {0};
        pyr_text text = {0};

        memcpy(start + s->at, s->bytes, s->n);
        check_sentence(pyr_foreign_file(&text, s->path, start, s->at + s->n), &text, s->says, s->path);
        pyr_text_free(&text);
        CHECK(!pyr_foreign_file(&text, "empty", start, 0));
        pyr_text_free(&text);
        for (size_t n = 1; n < s->at + s->n; n++) { /* shorter files are never read beyond their end */
            unsigned char *exact;

            CHECK(pyr_new(&exact, n, 1, "a start") == PYR_OK);
            memcpy(exact, start, n);
            pyr_foreign_file(&text, s->path, exact, n);
            pyr_text_free(&text);
            pyr_free(exact);
        }
    }
}

static void checksum_of_records(void)
{
    /* lengths 0 and 3151, and their CRC-32C by google-crc32c 1.9, masked as TensorFlow does */
    static const unsigned char good[][12] = {{0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x03, 0x98, 0x07},
                                             {0x4f, 0x0c, 0, 0, 0, 0, 0, 0, 0xe6, 0x75, 0x4c, 0x24}};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        unsigned char bad[12];
        pyr_text text = {0};

        check_sentence(pyr_foreign_file(&text, "part", good[i], 12), &text, "part: TFRecords", "part");
        pyr_text_free(&text);
        memcpy(bad, good[i], 12);
        bad[8] ^= 1;
        CHECK(!pyr_foreign_file(&text, "part", bad, 12));
        pyr_text_free(&text);
    }
}

static void folders_by_their_names(void)
{
    static const struct {
        const char *names[4], *says;
    } folders[] = {
        {{"batches.meta", "data_batch_1", "data_batch_2", "test_batch"},
         "CIFAR's Python version, a folder of pickles"},
        {{"file.txt~", "meta", "test", "train"}, "CIFAR's Python version, a folder of pickles"},
        {{"train_data_batch_1", "val_data"}, "a folder of pickles"},
        {{"data.mdb", "lock.mdb"}, "an LMDB"},
        {{"bedroom_train_lmdb", "bedroom_val_lmdb"}, "a folder of LMDBs"},
        {{"data-00000-of-00001.arrow", "dataset_info.json", "state.json"}, "(save_to_disk)"},
        {{"dataset_dict.json", "test", "train"}, "(save_to_disk)"},
        {{"train-00000-of-00001.parquet"}, "a folder of Parquet tables"},
        {{"ffhq-r09.tfrecords", "ffhq-r10.tfrecords"}, "scripts/convert-dataset /nowhere/ffhq ffhq.zip"},
        {{"test_32x32.mat", "train_32x32.mat"}, "a folder of MATLAB files"},
        {{"IMG_0001.HEIC", "IMG_0002.HEIC"}, "(there is IMG_0001.HEIC); convert them to PNG"},
        {{"fashion-mnist_test.csv", "fashion-mnist_train.csv"}, "tables of text, which is not read here"},
        {{"00000_00000.ppm", "GT-00000.csv"}, "(there is 00000_00000.ppm); convert them to PNG"},
        {{"a.txt", "train", "test"}, NULL},
        {{"data_batch_1.bin", "test_batch.bin"}, NULL},
        {{"._x.mat", ".y.parquet"}, NULL},
    };

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        pyr_names names = {.at = (char **)(uintptr_t)folders[i].names};
        pyr_text text = {0};

        while (names.n < 4 && folders[i].names[names.n])
            names.n++;
        check_sentence(pyr_foreign_folder(&text, "/nowhere/ffhq", &names), &text, folders[i].says,
                       folders[i].names[0]);
        pyr_text_free(&text);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(files);
    RUN(checksum_of_records);
    RUN(folders_by_their_names);
    return CHECK_DONE();
}
