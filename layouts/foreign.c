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
    const char *tool;    /* a line to type: %s is the path; of TO_PNG without it, "TOOL PATH PATH.png" */
    const char *endings; /* of the name, any of these; NULL: the bytes decide */
    pyr_magic magic[5];  /* any of these; none: the name decides */
} format;

/* In this order: what is more special comes first. Where both bytes and endings are given, both must fit. */
static const format formats[] = {
    {"a MATLAB file (version 7.3)", CONVERT, .magic = {PYR_MAGIC("MATLAB 7.3", 0)}},
    {"a MATLAB file", CONVERT, .magic = {PYR_MAGIC("MATLAB 5.0", 0)}},
    {"a MATLAB file", CONVERT, .endings = ".mat"},
    {"HDF5", CONVERT, .magic = {PYR_MAGIC("\x89HDF\r\n\x1a\n", 0)}},
    {"a Parquet table", CONVERT, .magic = {PYR_MAGIC("PAR1", 0)}},
    {"an Arrow table", CONVERT, .magic = {PYR_MAGIC("ARROW1", 0)}},
    {"an Arrow table", CONVERT, .endings = ".arrow", .magic = {PYR_MAGIC("\xff\xff\xff\xff", 0)}},
    {"an LMDB", CONVERT, .magic = {PYR_MAGIC("\xde\xc0\xef\xbe", 16)}},
    {"an LMDB", CONVERT, .endings = ".mdb .lmdb"},
    {"TFRecords", CONVERT, .endings = ".tfrecord .tfrecords"},
    {"a table of text", CONVERT, .endings = ".csv .csv.gz"},
    {"a model or data saved by PyTorch", OTHER, "torch.load it and write NumPy's .npy or .npz",
     .endings = ".pt .pth"},
    {"CIFAR's Python version, a tar archive of pickles", CONVERT,
     .endings = "cifar-10-python.tar.gz cifar-100-python.tar.gz cifar-10-python.tar cifar-100-python.tar"},
    {"HEIC, a photograph of a phone", TO_PNG, "heif-convert",
     .magic = {PYR_MAGIC("ftyphei", 4), PYR_MAGIC("ftyphev", 4)}},
    {"HEIF, a photograph of a phone", TO_PNG, "heif-convert", .endings = ".heic .heif",
     .magic = {PYR_MAGIC("ftypmif1", 4)}},
    {"AVIF", TO_PNG, "avifdec", .magic = {PYR_MAGIC("ftypavi", 4), PYR_MAGIC("ftypmif1", 4)}},
    {"a raw photograph of Canon (CR3)", TO_PNG, "darktable-cli", .magic = {PYR_MAGIC("ftypcrx ", 4)}},
    {"a film", UNPACK, "mkdir frames && ffmpeg -i %s frames/%%06d.png",
     .magic = {PYR_MAGIC("ftyp", 4), PYR_MAGIC("\x1a\x45\xdf\xa3", 0), PYR_MAGIC("AVI ", 8),
               PYR_MAGIC("\0\0\1\xba", 0), PYR_MAGIC("\0\0\1\xb3", 0)}},
    {"GIF", TO_PNG, "convert", .magic = {PYR_MAGIC("GIF8", 0)}},
    {"a Photoshop document", TO_PNG, "convert", .magic = {PYR_MAGIC("8BPS", 0)}},
    {"JPEG XL", TO_PNG, "djxl", .magic = {PYR_MAGIC("\xff\x0a", 0), PYR_MAGIC("JXL \r\n\x87\n", 4)}},
    {"JPEG 2000", TO_PNG, "convert",
     .magic = {PYR_MAGIC("jP  \r\n\x87\n", 4), PYR_MAGIC("\xff\x4f\xff\x51", 0)}},
    {"OpenEXR", TO_PNG, "convert", .magic = {PYR_MAGIC("\x76\x2f\x31\x01", 0)}},
    {"Radiance HDR", TO_PNG, "convert", .magic = {PYR_MAGIC("#?RADIANCE", 0)}},
    {"DICOM", TO_PNG, "dcmj2pnm +on2", .magic = {PYR_MAGIC("DICM", 128)}},
    {"NIfTI, a volume", OTHER, "nibabel.load it and write its slices as .npy",
     .magic = {PYR_MAGIC("n+1", 344)}},
    {"FITS", TO_PNG, "convert", .magic = {PYR_MAGIC("SIMPLE  =", 0)}},
    {"a raw photograph (DNG, NEF, ARW, CR2 ...)", TO_PNG, "darktable-cli",
     .endings = ".dng .nef .arw .cr2 .orf .rw2 .raf"},
    {"PNM (PPM, PGM)", TO_PNG, "pnmtopng %s >%s.png", .endings = ".ppm .pnm", .magic = {PYR_MAGIC("P6", 0)}},
    {"PNM (PPM, PGM)", TO_PNG, "pnmtopng %s >%s.png", .endings = ".pgm .pnm", .magic = {PYR_MAGIC("P5", 0)}},
    {"Windows' BMP", TO_PNG, "convert", .magic = {PYR_MAGIC("BM", 0)}},
    {"Targa", TO_PNG, "convert", .endings = ".tga"},
    {"SVG, a drawing without pixels", TO_PNG, "rsvg-convert %s -o %s.png", .magic = {PYR_MAGIC("<svg", 0)}},
    {"SVG, a drawing without pixels", TO_PNG, "rsvg-convert %s -o %s.png", .endings = ".svg"},
    {"a PDF", TO_PNG, "pdftoppm -png %s page", .magic = {PYR_MAGIC("%PDF", 0)}},
    {"a RAR archive", UNPACK, "unrar x %s", .magic = {PYR_MAGIC("Rar!", 0)}},
    {"a 7z archive", UNPACK, "7z x %s", .magic = {PYR_MAGIC("7z\xbc\xaf\x27\x1c", 0)}},
    {"compressed with Zstandard", UNPACK, "zstd -d %s", .magic = {PYR_MAGIC("\x28\xb5\x2f\xfd", 0)}},
    {"compressed with xz", UNPACK, "xz -dk %s", .magic = {PYR_MAGIC("\3757zXZ", 0)}},
    {"compressed with bzip2", UNPACK, "bunzip2 -k %s", .magic = {PYR_MAGIC("BZh", 0)}},
    {"compressed with lz4", UNPACK, "lz4 -d %s", .magic = {PYR_MAGIC("\x04\x22\x4d\x18", 0)}},
    {"a page of the web, not the file itself (a download that needs a log-in?)", OTHER, "download it again",
     .magic = {PYR_MAGIC("<!DOCTYPE html", 0), PYR_MAGIC("<html", 0)}},
    {"a pointer of Git LFS, not the file itself", OTHER, "git lfs pull",
     .magic = {PYR_MAGIC("version https://git-lfs", 0)}},
};

static bool fits(const format *f, const char *path, const unsigned char *start, size_t n)
{
    bool is = !f->magic[0].n;

    if (f->endings && !pyr_ending_of(path, f->endings))
        return false;
    for (size_t i = 0; i < sizeof f->magic / sizeof *f->magic && !is; i++)
        is = pyr_magic_is(&f->magic[i], start, n);
    return is;
}

/* ---- recognised by more than first bytes ---- */

/* A pickle of protocol 2 to 5 begins with its number; of protocol 0, as Python 2 wrote CIFAR's, with a
 * dictionary. */
static bool is_pickle(const char *path, const unsigned char *start, size_t n)
{
    if (n >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)
        return true;
    return (n >= 4 && memcmp(start, "(dp", 3) == 0) || pyr_ending_of(path, ".pkl .pickle .pkl.gz");
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

/* As a shell, and the program behind it, take it: not as an option. */
static void add_typed(pyr_text *out, const char *path)
{
    if (*path == '-') {
        pyr_text_add(out, "./");
        pyr_text_add_quoted(out, path);
    } else
        pyr_text_add_shell(out, path);
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
    else if (pyr_ends_with(path, ".zip"))
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

static bool write_remedy(pyr_text *out, const char *path, const format *f)
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
            return write_remedy(sentence, path, &formats[i]);
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
        if (names->at[i][0] != '.' && pyr_ending_of(names->at[i], endings))
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

/* By names only. */
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
    /* other formats than are read; the tool for one of them is named when it is given itself */
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
