/* foreign.c - formats that are not read here, and what to do about each. */
#include "layouts/foreign.h"

#include "base/mem.h"
#include "pictures/image_file.h"
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* What is done about it. */
typedef enum remedy { CONVERT, TO_PNG, UNPACK, OTHER } remedy;

typedef struct format {
    const char *name; /* as a sentence goes on: "a file with ..." */
    remedy remedy;
    const char *tool; /* a line to type: %s is the path; of TO_PNG without it, "TOOL PATH PATH.png" */
    const char *at;   /* bytes at `offset`, or NULL: only the name tells */
    unsigned char size;
    unsigned short offset;
    const char *endings; /* of the name, any of these; NULL: the bytes tell */
} format;

#define MAGIC(bytes, offset) bytes, sizeof bytes - 1, offset

/* In this order: what is more special comes first. Where both bytes and endings are given, both must fit. */
static const format formats[] = {
    {"a MATLAB file (version 7.3)", CONVERT, NULL, MAGIC("MATLAB 7.3", 0), NULL},
    {"a MATLAB file", CONVERT, NULL, MAGIC("MATLAB 5.0", 0), NULL},
    {"a MATLAB file", CONVERT, NULL, NULL, 0, 0, ".mat"},
    {"HDF5", CONVERT, NULL, MAGIC("\x89HDF\r\n\x1a\n", 0), NULL},
    {"a Parquet table", CONVERT, NULL, MAGIC("PAR1", 0), NULL},
    {"an Arrow table", CONVERT, NULL, MAGIC("ARROW1", 0), NULL},
    {"an Arrow table", CONVERT, NULL, MAGIC("\xff\xff\xff\xff", 0), ".arrow"},
    {"an LMDB", CONVERT, NULL, MAGIC("\xde\xc0\xef\xbe", 16), NULL},
    {"an LMDB", CONVERT, NULL, NULL, 0, 0, ".mdb .lmdb"},
    {"TFRecords", CONVERT, NULL, NULL, 0, 0, ".tfrecord .tfrecords"},
    {"a table of text", CONVERT, NULL, NULL, 0, 0, ".csv .csv.gz"},
    {"a model or data saved by PyTorch", OTHER, "torch.load it and write NumPy's .npy or .npz", NULL, 0, 0,
     ".pt .pth"},
    {"CIFAR's Python version, a tar archive of pickles", CONVERT, NULL, NULL, 0, 0,
     "cifar-10-python.tar.gz cifar-100-python.tar.gz cifar-10-python.tar cifar-100-python.tar"},
    {"HEIC, a photograph of a phone", TO_PNG, "heif-convert", MAGIC("ftyphei", 4), NULL},
    {"HEIC, a photograph of a phone", TO_PNG, "heif-convert", MAGIC("ftyphev", 4), NULL},
    {"HEIF, a photograph of a phone", TO_PNG, "heif-convert", MAGIC("ftypmif1", 4), ".heic .heif"},
    {"AVIF", TO_PNG, "avifdec", MAGIC("ftypavi", 4), NULL},
    {"AVIF", TO_PNG, "avifdec", MAGIC("ftypmif1", 4), NULL},
    {"a raw photograph of Canon (CR3)", TO_PNG, "darktable-cli", MAGIC("ftypcrx ", 4), NULL},
    {"a film", UNPACK, "mkdir frames && ffmpeg -i %s frames/%%06d.png", MAGIC("ftyp", 4), NULL},
    {"a film", UNPACK, "mkdir frames && ffmpeg -i %s frames/%%06d.png", MAGIC("\x1a\x45\xdf\xa3", 0), NULL},
    {"a film", UNPACK, "mkdir frames && ffmpeg -i %s frames/%%06d.png", MAGIC("AVI ", 8), NULL},
    {"a film", UNPACK, "mkdir frames && ffmpeg -i %s frames/%%06d.png", MAGIC("\0\0\1\xba", 0), NULL},
    {"a film", UNPACK, "mkdir frames && ffmpeg -i %s frames/%%06d.png", MAGIC("\0\0\1\xb3", 0), NULL},
    {"GIF", TO_PNG, "convert", MAGIC("GIF8", 0), NULL},
    {"a Photoshop document", TO_PNG, "convert", MAGIC("8BPS", 0), NULL},
    {"JPEG XL", TO_PNG, "djxl", MAGIC("\xff\x0a", 0), NULL},
    {"JPEG XL", TO_PNG, "djxl", MAGIC("JXL \r\n\x87\n", 4), NULL},
    {"JPEG 2000", TO_PNG, "convert", MAGIC("jP  \r\n\x87\n", 4), NULL},
    {"JPEG 2000", TO_PNG, "convert", MAGIC("\xff\x4f\xff\x51", 0), NULL},
    {"OpenEXR", TO_PNG, "convert", MAGIC("\x76\x2f\x31\x01", 0), NULL},
    {"Radiance HDR", TO_PNG, "convert", MAGIC("#?RADIANCE", 0), NULL},
    {"DICOM", TO_PNG, "dcmj2pnm +on2", MAGIC("DICM", 128), NULL},
    {"NIfTI, a volume", OTHER, "nibabel.load it and write its slices as .npy", MAGIC("n+1", 344), NULL},
    {"FITS", TO_PNG, "convert", MAGIC("SIMPLE  =", 0), NULL},
    {"a raw photograph (DNG, NEF, ARW, CR2 ...)", TO_PNG, "darktable-cli", NULL, 0, 0,
     ".dng .nef .arw .cr2 .orf .rw2 .raf"},
    {"PNM (PPM, PGM)", TO_PNG, "pnmtopng %s >%s.png", MAGIC("P6", 0), ".ppm .pnm"},
    {"PNM (PPM, PGM)", TO_PNG, "pnmtopng %s >%s.png", MAGIC("P5", 0), ".pgm .pnm"},
    {"Windows' BMP", TO_PNG, "convert", MAGIC("BM", 0), NULL},
    {"Targa", TO_PNG, "convert", NULL, 0, 0, ".tga"},
    {"SVG, a drawing without pixels", TO_PNG, "rsvg-convert %s -o %s.png", MAGIC("<svg", 0), NULL},
    {"SVG, a drawing without pixels", TO_PNG, "rsvg-convert %s -o %s.png", NULL, 0, 0, ".svg"},
    {"a PDF", TO_PNG, "pdftoppm -png %s page", MAGIC("%PDF", 0), NULL},
    {"a RAR archive", UNPACK, "unrar x %s", MAGIC("Rar!", 0), NULL},
    {"a 7z archive", UNPACK, "7z x %s", MAGIC("7z\xbc\xaf\x27\x1c", 0), NULL},
    {"compressed with Zstandard", UNPACK, "zstd -d %s", MAGIC("\x28\xb5\x2f\xfd", 0), NULL},
    {"compressed with xz", UNPACK, "xz -dk %s",
     MAGIC("\xfd"
           "7zXZ",
           0),
     NULL},
    {"compressed with bzip2", UNPACK, "bunzip2 -k %s", MAGIC("BZh", 0), NULL},
    {"compressed with lz4", UNPACK, "lz4 -d %s", MAGIC("\x04\x22\x4d\x18", 0), NULL},
    {"a page of the web, not the file itself (a download that needs a log-in?)", OTHER, "download it again",
     MAGIC("<!DOCTYPE html", 0), NULL},
    {"a page of the web, not the file itself (a download that needs a log-in?)", OTHER, "download it again",
     MAGIC("<html", 0), NULL},
    {"a pointer of Git LFS, not the file itself", OTHER, "git lfs pull", MAGIC("version https://git-lfs", 0),
     NULL},
};

static bool ends(const char *name, const char *ending, size_t n)
{
    size_t all = strlen(name);

    return all >= n && strncasecmp(name + all - n, ending, n) == 0;
}

/* Whether the name ends with one of the words. */
static bool ends_any(const char *name, const char *endings)
{
    for (const char *at = endings; *at;) {
        size_t n = strcspn(at, " ");

        if (ends(name, at, n))
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static bool fits(const format *f, const char *path, const unsigned char *start, size_t n)
{
    if (f->endings && !ends_any(path, f->endings))
        return false;
    if (!f->at)
        return true;
    return n >= (size_t)f->offset + f->size && memcmp(start + f->offset, f->at, f->size) == 0;
}

/* ---- what bytes say in other ways ---- */

/* A pickle of protocol 2 to 5 begins with its number; of protocol 0, as Python 2 wrote CIFAR's, with a
 * dictionary. */
static bool is_pickle(const char *path, const unsigned char *start, size_t n)
{
    if (n >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)
        return true;
    return (n >= 4 && memcmp(start, "(dp", 3) == 0) || ends_any(path, ".pkl .pickle .pkl.gz");
}

/* CRC-32C of TFRecord, of the eight bytes of a length. */
static unsigned masked_crc(const unsigned char *bytes)
{
    unsigned crc = 0xffffffffu;

    for (int i = 0; i < 8; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc ^= 0xffffffffu;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static bool is_tfrecord(const unsigned char *start, size_t n)
{
    unsigned stored = 0;

    if (n < 12)
        return false;
    for (int i = 3; i >= 0; i--)
        stored = stored << 8 | start[8 + i];
    return stored == masked_crc(start);
}

/* ---- sentences ---- */

static const char *last_part(const char *path, size_t *n)
{
    size_t end = strlen(path);
    const char *at;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (at = path + end; at > path && at[-1] != '/'; at--)
        ;
    *n = (size_t)(path + end - at);
    return at;
}

/* As a shell takes it: 'my data.mat' in quotes. */
static void add_typed(pyr_text *out, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:=@%";

    if (*path && *path != '-' && !path[strspn(path, plain)]) {
        pyr_text_add(out, "%s", path);
        return;
    }
    pyr_text_add(out, *path == '-' ? "./'" : "'");
    for (; *path; path++)
        if (*path == '\'')
            pyr_text_add(out, "'\\''");
        else
            pyr_text_add(out, "%c", *path);
    pyr_text_add(out, "'");
}

/* How much of a name stays without the endings of its format: of "cifar-10-python.tar.gz" "cifar-10". */
static size_t stem(const char *name, size_t n)
{
    static const char *const endings[] = {".gz",   ".tgz",  ".tar",    "-python",   "-batches-py", ".mat",
                                          "_lmdb", ".lmdb", ".mdb",    ".parquet",  ".arrow",      ".h5",
                                          ".hdf5", ".pkl",  ".pickle", ".tfrecord", ".tfrecords",  ".csv"};
    bool shorter = true;

    while (shorter) {
        shorter = false;
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            size_t m = strlen(endings[i]);

            if (n > m && strncasecmp(name + n - m, endings[i], m) == 0) {
                n -= m;
                shorter = true;
            }
        }
    }
    return n;
}

/* "scripts/convert-dataset cifar-10-python.tar.gz cifar-10.zip" */
static bool convert(pyr_text *out, const char *path, const char *name)
{
    size_t n;
    const char *last = last_part(path, &n);
    pyr_text zip = {0};

    n = stem(last, n);
    if (n == 0 || *last == '.' || *last == '/')
        pyr_text_add(&zip, "data.zip");
    else if (ends(path, ".zip", 4))
        pyr_text_add(&zip, "%.*s-images.zip", (int)n - 4, last);
    else
        pyr_text_add(&zip, "%.*s.zip", (int)n, last);
    pyr_text_add(out, "%s: %s, which is not read here; convert it: scripts/convert-dataset ", path, name);
    add_typed(out, path);
    pyr_text_add(out, " ");
    if (zip.at)
        add_typed(out, zip.at);
    out->failed |= zip.failed;
    pyr_text_free(&zip);
    return !out->failed;
}

/* The tool with the path in the places of %s. */
static void add_tool(pyr_text *out, const char *tool, const char *path)
{
    for (const char *at = tool; *at; at++)
        if (at[0] == '%' && at[1] == 's') {
            add_typed(out, path);
            at++;
        } else {
            at += at[0] == '%' && at[1] == '%';
            pyr_text_add(out, "%c", *at);
        }
}

static bool tell(pyr_text *out, const char *path, const format *f)
{
    if (f->remedy == CONVERT)
        return convert(out, path, f->name);
    pyr_text_add(out, "%s: %s%s", path, f->name, f->remedy == OTHER ? "; " : ", which is not read here; ");
    if (f->remedy == TO_PNG)
        pyr_text_add(out, "convert it to PNG: ");
    if (f->remedy == UNPACK)
        pyr_text_add(out, "unpack it first: ");
    add_tool(out, f->tool, path);
    if (f->remedy == TO_PNG && !strstr(f->tool, "%s"))
        add_tool(out, " %s %s.png", path);
    return !out->failed;
}

bool pyr_foreign_file(pyr_text *sentence, const char *path, const unsigned char *start, size_t n)
{
    if (n == 0)
        return false;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (fits(&formats[i], path, start, n))
            return tell(sentence, path, &formats[i]);
    if (is_pickle(path, start, n))
        return convert(sentence, path, "pickled by Python");
    if (is_tfrecord(start, n))
        return convert(sentence, path, "TFRecords");
    return false;
}

/* ---- folders ---- */

static bool has(const pyr_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->at[i], name) == 0)
            return true;
    return false;
}

static const char *with_ending(const pyr_names *names, const char *endings)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->at[i][0] != '.' && ends_any(names->at[i], endings))
            return names->at[i];
    return NULL;
}

/* "data_batch_1" of CIFAR-10, "train_data_batch_1" of ImageNet-32: .bin is the binary version. */
static bool has_batches(const pyr_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *at = names->at[i];

        at += strncmp(at, "train_", 6) == 0 ? 6 : 0;
        if (strncmp(at, "data_batch_", 11) == 0 && at[11] && strspn(at + 11, "0123456789") == strlen(at + 11))
            return true;
    }
    return false;
}

/* By the names alone. */
static bool known_folder(pyr_text *sentence, const char *path, const pyr_names *names)
{
    static const struct {
        const char *endings, *name;
    } files[] = {{".parquet", "a folder of Parquet tables"},
                 {".arrow", "Arrow tables of Hugging Face's datasets"},
                 {".tfrecord .tfrecords", "a folder of TFRecords"},
                 {".mat", "a folder of MATLAB files"},
                 {".h5 .hdf5", "a folder of HDF5 files"},
                 {"_lmdb .lmdb .mdb", "a folder of LMDBs"},
                 {".pkl .pickle", "a folder of pickles"}};
    /* pictures of other formats: which tool converts them is told for one of them */
    static const char pictures[] =
        ".heic .heif .avif .gif .bmp .psd .dng .nef .arw .cr2 .jxl .jp2 .exr .hdr .dcm .ppm .pgm .tga .svg "
        ".mp4 .mov .avi .mkv .webm .rar .7z .zst";
    const char *name;

    if (has_batches(names) || (has(names, "train") && has(names, "test") && has(names, "meta")))
        return convert(sentence, path, "CIFAR's Python version, a folder of pickles");
    if (has(names, "data.mdb"))
        return convert(sentence, path, "an LMDB");
    if (has(names, "dataset_dict.json") || (has(names, "state.json") && has(names, "dataset_info.json")))
        return convert(sentence, path, "Arrow tables of Hugging Face's datasets (save_to_disk)");
    if (has(names, "imagelabels.mat"))
        return convert(sentence, path, "Flowers-102 with labels in MATLAB's files");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (with_ending(names, files[i].endings))
            return convert(sentence, path, files[i].name);
    name = with_ending(names, pictures);
    if (!name) /* a list of pictures has pictures beside it */
        return with_ending(names, ".csv .csv.gz") && convert(sentence, path, "tables of text");
    pyr_text_add(
        sentence,
        "%s: no file in it is of a format that is read here (there is %s); convert them to PNG, such as "
        "with mogrify -format png (films: ffmpeg; archives: unpack them)",
        path, name);
    return !sentence->failed;
}

/* What was downloaded is often one folder further down: "data" of a repository of Hugging Face, classes. */
bool pyr_foreign_folder(pyr_text *sentence, const char *path, const pyr_names *names)
{
    bool found = known_folder(sentence, path, names);

    for (size_t i = 0; i < names->n && !found; i++) {
        char *inner = names->at[i][0] == '.' ? NULL : pyr_path_join(path, names->at[i]);
        pyr_names below;

        if (inner && pyr_is_folder(inner) && pyr_folder_names(&below, inner) == PYR_OK) {
            found = known_folder(sentence, inner, &below);
            pyr_names_free(&below);
        }
        pyr_free(inner);
    }
    return found;
}

pyr_status pyr_foreign_archive(const char *path, const pyr_names *entries, size_t all)
{
    pyr_names last = {0};
    pyr_text sentence = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&last.at, entries->n, sizeof *last.at, "the names of an archive"));
    for (; last.n < entries->n; last.n++) {
        const char *slash = strrchr(entries->at[last.n], '/');

        last.at[last.n] = slash ? (char *)(uintptr_t)(slash + 1) : entries->at[last.n]; /* borrowed */
    }
    if (known_folder(&sentence, path, &last))
        status = pyr_fail(PYR_E_FORMAT, "%s", sentence.at);
    else if (!entries->n && !all)
        status = pyr_fail(PYR_E_FORMAT, "%s: there is nothing in this archive", path);
    else if (!entries->n)
        status = pyr_fail(PYR_E_FORMAT,
                          "%s: nothing to read in this archive: all of its %zu files are hidden (.x, ../x, "
                          "__MACOSX), which are left aside",
                          path, all);
    else
        status = pyr_fail(PYR_E_FORMAT,
                          "%s: nothing to read in this archive: no picture (" PYR_IMAGE_FORMATS
                          ") among its %zu file%s, such as %s; another kind of data set has to be unpacked",
                          path, entries->n, entries->n == 1 ? "" : "s", entries->at[0]);
out:
    pyr_text_free(&sentence);
    pyr_free(last.at);
    return status;
}
