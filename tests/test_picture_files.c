/* test_picture_files.c - orientation, WebP, TIFF. Run from the root of the project: fixtures and the samples
 * that should come out of them are in tests/golden/pictures (make_pictures.py there: Pillow, NumPy,
 * tifffile). */
#include "tests/check.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "pictures/exif.h"
#include "pictures/image_file.h"
#include "pictures/png_file.h"
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/pictures/"

static char *read_all(const char *path, size_t *n)
{
    char *bytes = NULL;

    *n = 0;
    CHECK_OK(pyr_file_read(&bytes, n, path, 1 << 24));
    return bytes;
}

/* The picture has the samples of GOLDEN/raw, give or take `off`. */
static void check_samples(const pyr_image *image, const char *name, const char *raw, int off)
{
    char path[128];
    size_t n;
    int worst = 0;

    snprintf(path, sizeof path, GOLDEN "%s.raw", raw);
    uint8_t *wanted = (uint8_t *)read_all(path, &n);
    if (!wanted || !image->at || n != pyr_image_bytes(image)) {
        CHECK_REPORT("%s is %dx%dx%d of %d bits, %zu bytes are wanted", name, image->h, image->w, image->c,
                     image->bits, n);
        pyr_free(wanted);
        return;
    }
    for (size_t i = 0; i < n / (size_t)(image->bits / 8); i++) {
        int got = image->bits == 8 ? ((uint8_t *)image->at)[i] : ((uint16_t *)image->at)[i];
        int want = image->bits == 8 ? wanted[i] : wanted[2 * i] | wanted[2 * i + 1] << 8;

        worst = abs(got - want) > worst ? abs(got - want) : worst;
    }
    if (worst > off)
        CHECK_REPORT("%s is off by %d", name, worst);
    pyr_free(wanted);
}

static void check_file(const char *name, const char *raw, int h, int w, int c, int bits, bool turned, int off)
{
    char path[128];
    pyr_image image;

    snprintf(path, sizeof path, GOLDEN "%s", name);
    CHECK_OK(pyr_image_read(&image, path));
    if (image.h != h || image.w != w || image.c != c || image.bits != bits || image.turned != turned)
        CHECK_REPORT("%s is %dx%dx%d of %d bits%s, wanted %dx%dx%d of %d", name, image.h, image.w, image.c,
                     image.bits, image.turned ? ", turned" : "", h, w, c, bits);
    check_samples(&image, name, raw, off);
    pyr_image_free(&image);
}

/* ---- orientation ---- */

static void orientations(void)
{
    static const char *const endings[] = {"png", "webp", "tif"};
    char name[32];

    for (int k = 1; k <= 8; k++) {
        for (size_t i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "turned_%d.%s", k, endings[i]);
            check_file(name, "turned", 5, 7, 3, 8, k != 1, 0);
        }
        snprintf(name, sizeof name, "turned_%d.jpg", k);
        check_file(name, "blocks", 16, 24, 3, 8, k != 1, 4);
    }
    check_file("turned_cmyk.jpg", "turned_cmyk", 16, 24, 3, 8, true, 1);
    check_file("turned_grey.png", "turned_grey", 5, 7, 1, 8, true, 0);
    check_file("turned_deep.tif", "turned_deep", 5, 7, 4, 16, true, 0);
}

static void not_turned(void)
{
    static const char *const names[] = {"xmp", "nine", "short", "long"};
    char name[32];

    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "unturned_%s.png", names[i]);
        check_file(name, "turned", 5, 7, 3, 8, false, 0);
    }
}

/* By the definition: the place of each pixel, for every width of a pixel, and sides beyond one square. */
static void turning(void)
{
    for (int k = 1; k <= 8; k++)
        for (int kind = 0; kind < 8; kind++) {
            int h = kind % 2 ? 3 : 37, w = kind % 2 ? 70 : 5, c = 1 + kind / 2, bits = kind % 2 ? 16 : 8;
            size_t size = (size_t)(c * bits / 8);
            pyr_image image, stored;
            int bad = 0;

            CHECK_OK(pyr_image_new(&stored, h, w, c, bits, "stored"));
            CHECK_OK(pyr_image_new(&image, h, w, c, bits, "image"));
            for (size_t i = 0; i < pyr_image_bytes(&image); i++)
                ((uint8_t *)image.at)[i] = ((uint8_t *)stored.at)[i] = (uint8_t)(i * 2654435761u >> 7);
            CHECK_OK(pyr_image_turn(&image, k, "image"));
            CHECK(image.h == (k < 5 ? h : w) && image.w == (k < 5 ? w : h) && image.turned == (k != 1));
            CHECK(image.c == c && image.bits == bits);
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++) {
                    int down = k == 1 || k == 2 || k == 5 || k == 8 ? y : h - 1 - y;
                    int across = k == 1 || k == 4 || k == 5 || k == 6 ? x : w - 1 - x;
                    int row = k < 5 ? down : across, column = k < 5 ? across : down;

                    bad += memcmp((uint8_t *)image.at + (size_t)(row * image.w + column) * size,
                                  (uint8_t *)stored.at + (size_t)(y * w + x) * size, size) != 0;
                }
            if (bad)
                CHECK_REPORT("orientation %d, %d channels of %d bits: %d pixels", k, c, bits, bad);
            pyr_image_free(&image);
            pyr_image_free(&stored);
        }

    pyr_image image;
    CHECK_OK(pyr_image_new(&image, 2, 3, 1, 8, "image"));
    pyr_mem_fail_after(0);
    CHECK_FAILS(pyr_image_turn(&image, 6, "a.jpg"), PYR_E_NOMEM, "a.jpg");
    pyr_mem_fail_after(-1);
    CHECK(image.h == 2 && image.w == 3 && image.at && !image.turned);
    pyr_image_free(&image);
}

/* Every block that is cut short or changed by a byte gives 1..8, and reads nothing beyond its end (seen with
 * the sanitizers on). */
static void exif_damaged(void)
{
    static const uint8_t sound[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                                    1,   18,  0,   3,   0, 0, 0,   1,   0, 6,  0, 0, 0, 0, 0, 0};

    CHECK(pyr_exif_orientation(sound, sizeof sound) == 6);
    CHECK(pyr_exif_orientation(sound + 6, sizeof sound - 6) == 6);
    CHECK(pyr_exif_orientation(sound, 28) == 6); /* the last offset is not needed */
    for (size_t n = 0; n < 28; n++) {
        uint8_t *part = pyr_calloc(n ? n : 1, 1);

        memcpy(part, sound, n);
        CHECK(pyr_exif_orientation(part, n) == 1);
        pyr_free(part);
    }
    for (size_t i = 6; i < 28; i++)
        for (int v = 0; v < 256; v++) {
            uint8_t *copy = pyr_calloc(sizeof sound, 1);

            memcpy(copy, sound, sizeof sound);
            copy[i] = (uint8_t)v;
            int got = pyr_exif_orientation(copy, sizeof sound);
            int wanted = v == sound[i] || i == 26 || i == 27 ? 6 : i == 25 && v >= 1 && v <= 8 ? v : 1;
            if (i == 15 && v >= 1)
                wanted = 6; /* more entries than there is room for */
            if (got != wanted && !(i == 14 && got == 6))
                CHECK_REPORT("byte %zu as %d gave %d, wanted %d", i, v, got, wanted);
            pyr_free(copy);
        }
}

/* What is written is upright already and says nothing of an orientation. */
static void written_upright(void)
{
    char path[] = "/tmp/pyr-test-pictures-XXXXXX.png";
    int file = mkstemps(path, 4);
    pyr_image image, back;
    size_t n;

    CHECK(file >= 0);
    close(file);
    CHECK_OK(pyr_image_read(&image, GOLDEN "turned_6.png"));
    CHECK_OK(pyr_png_write(path, &image, NULL, 0));
    CHECK_OK(pyr_image_read(&back, path));
    CHECK(back.h == 5 && back.w == 7 && !back.turned);
    check_samples(&back, path, "turned", 0);
    char *bytes = read_all(path, &n);
    for (size_t i = 0; bytes && i + 4 <= n; i++)
        CHECK(memcmp(bytes + i, "eXIf", 4) != 0);
    CHECK(remove(path) == 0);
    pyr_free(bytes);
    pyr_image_free(&image);
    pyr_image_free(&back);
}

/* ---- WebP and TIFF ---- */

typedef struct wanted {
    const char *name;
    int h, w, c, bits, off;
} wanted;

static const wanted webps[] = {
    {"lossless", 11, 13, 3, 8, 0},
    {"lossless_alpha", 11, 13, 4, 8, 0},
    {"lossy", 17, 24, 3, 8, 1},
    {"lossy_alpha", 17, 24, 4, 8, 1},
};

static const wanted tiffs[] = {
    {"grey_1", 11, 13, 1, 8, 0},
    {"grey_4", 11, 13, 1, 8, 0},
    {"grey_8", 11, 13, 1, 8, 0},
    {"grey_12", 11, 13, 1, 16, 0},
    {"grey_16", 11, 13, 1, 16, 0},
    {"grey_16_big_endian", 11, 13, 1, 16, 0},
    {"grey_16_tiles", 40, 50, 1, 16, 0},
    {"grey_alpha_8", 11, 13, 2, 8, 0},
    {"min_is_white_8", 11, 13, 1, 8, 0},
    {"min_is_white_16", 11, 13, 1, 16, 0},
    {"rgb_8", 11, 13, 3, 8, 0},
    {"rgb_8_lzw", 11, 13, 3, 8, 0},
    {"rgb_8_zlib", 11, 13, 3, 8, 0},
    {"rgb_8_packbits", 11, 13, 3, 8, 0},
    {"rgb_8_lzma", 11, 13, 3, 8, 0},
    {"rgb_8_zstd", 11, 13, 3, 8, 0},
    {"rgb_8_planes", 11, 13, 3, 8, 0},
    {"rgb_8_tiles", 40, 50, 3, 8, 0},
    {"rgb_8_tile_planes", 40, 50, 3, 8, 0},
    {"rgb_16", 11, 13, 3, 16, 0},
    {"rgb_16_planes", 11, 13, 3, 16, 0},
    {"bigtiff", 11, 13, 3, 8, 0},
    {"rgba_8", 11, 13, 4, 8, 0},
    {"rgba_16", 11, 13, 4, 16, 0},
    {"rgba_untold_8", 11, 13, 4, 8, 0},
    {"rgbx_8", 11, 13, 3, 8, 0},
    {"premultiplied_8", 11, 13, 4, 8, 0},
    {"premultiplied_16", 11, 13, 4, 16, 0},
    {"palette_8", 11, 13, 3, 8, 0},
    {"palette_8_256", 11, 13, 3, 8, 0},
    {"palette_8_low", 11, 13, 3, 8, 0},
    {"palette_4", 11, 13, 3, 8, 0},
    {"palette_grey_8", 11, 13, 1, 8, 0},
    {"cmyk_8", 11, 13, 3, 8, 0},
    {"cmyk_16_planes", 11, 13, 3, 16, 0},
    {"group3", 11, 13, 1, 8, 0},
    {"group4", 11, 13, 1, 8, 0},
    {"tiff_ccitt", 11, 13, 1, 8, 0},
    {"jpeg", 16, 24, 3, 8, 2},
    {"webp", 11, 13, 3, 8, 0},
    {"ycbcr", 6, 8, 3, 8, 1},
    {"thumbnail", 11, 13, 3, 8, 0},
};

enum { WEBPS = sizeof webps / sizeof *webps, TIFFS = sizeof tiffs / sizeof *tiffs };

static void check_kinds(const wanted *w, size_t n, const char *ending)
{
    for (size_t i = 0; i < n; i++) {
        char name[64];

        snprintf(name, sizeof name, "%s.%s", w[i].name, ending);
        check_file(name, w[i].name, w[i].h, w[i].w, w[i].c, w[i].bits, false, w[i].off);
    }
}

static void webp_kinds(void)
{
    check_kinds(webps, WEBPS, "webp");
}

static void tiff_kinds(void)
{
    check_kinds(tiffs, TIFFS, "tif");
}

static void refused(void)
{
    static const struct {
        const char *name, *part;
    } cases[] = {
        {"animation.webp", "an animated WebP"},
        {"float.tif",
         "its samples are 32-bit floating-point numbers; unsigned ones of 1 to 16 bits are read"},
        {"half.tif", "16-bit floating-point numbers"},
        {"signed.tif", "signed 16-bit integers"},
        {"32.tif", "unsigned 32-bit integers"},
        {"complex.tif", "complex 64-bit numbers"},
        {"bands.tif", "5 samples a pixel, its kind of colour has 1"},
        {"pages.tif", "a TIFF of 3 pages"},
        {"lab.tif", "CIE L*a*b*"},
        {"raw.tif", "a raw photograph"},
        {"codec.tif", "which the installed libtiff does not know"},
    };
    pyr_image image;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];

        snprintf(path, sizeof path, GOLDEN "refused_%s", cases[i].name);
        CHECK_FAILS(pyr_image_read(&image, path), PYR_E_FORMAT, cases[i].part);
        CHECK(strncmp(pyr_error(), path, strlen(path)) == 0 && !image.at);
    }
    CHECK(!pyr_image_is("GIF89a..........", 16) && pyr_image_is("II*\0........", 12));
    CHECK_FAILS(pyr_image_decode(&image, "GIF89a..........", 16, "a.gif"), PYR_E_FORMAT, PYR_IMAGE_FORMATS);
}

static void names(void)
{
    static const char *const yes[] = {"a.png", "a.PNG",  "b/a.jpg", "a.JPEG", "a.jfif",
                                      "a.jpe", "a.webp", "a.tif",   "a.TIFF", "a.b.Tif"};
    static const char *const no[] = {"png", ".png", "a.gif", "a.png.txt", "tiff", "a.tiffs", "", "a.bmp"};

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        CHECK(pyr_image_named(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        CHECK(!pyr_image_named(no[i]));
}

/* Cut short at every length: refused, but for the last `spare` bytes, which hold nothing. A bit wrong in any
 * byte: refused or read, without a crash, a leak, or another kind of failure (meant to be run with the
 * sanitizers on). */
static void damage(const char *name, size_t spare)
{
    char path[128];
    size_t n, before = pyr_mem().live_blocks;
    pyr_image image;

    snprintf(path, sizeof path, GOLDEN "%s", name);
    char *bytes = read_all(path, &n);
    for (size_t cut = 0; cut < n; cut++) {
        char *part = pyr_calloc(cut ? cut : 1, 1); /* of its own, so that a read beyond the end is seen */

        memcpy(part, bytes, cut);
        pyr_status status = pyr_image_decode(&image, part, cut, path);
        if (status != PYR_E_FORMAT && (status != PYR_OK || cut < n - spare))
            CHECK_REPORT("%s cut to %zu of %zu bytes gave %d", path, cut, n, status);
        pyr_image_free(&image);
        pyr_free(part);
    }
    for (size_t i = 0; i < n; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            pyr_status status = pyr_image_decode(&image, bytes, n, path);
            if (status != PYR_OK && status != PYR_E_FORMAT)
                CHECK_REPORT("%s with byte %zu changed gave %d: %s", path, i, status, pyr_error());
            pyr_image_free(&image);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    pyr_free(bytes);
    CHECK(pyr_mem().live_blocks == before);
}

static void damaged(void)
{
    static const char *const files[] = {"lossless_alpha.webp", "lossy.webp",        "turned_6.webp",
                                        "rgb_8_lzw.tif",       "rgb_16_planes.tif", "jpeg.tif",
                                        "turned_6.tif",        "rgb_8_tiles.tif",   "ycbcr.tif"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        damage(files[i], 0);
    damage("group4.tif", 4); /* its directory is at the end, and ends in the place of a next one: none */
}

static uint32_t le(const char *at, int bytes)
{
    uint32_t v = 0;

    for (int i = bytes; i-- > 0;)
        v = v << 8 | (uint8_t)at[i];
    return v;
}

static void put_le32(char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(v >> 8 * i);
}

/* A little-endian TIFF's first directory: another value for a tag, as LONG; tag 0: the offset of the next
 * one. */
static void set_tag(char *bytes, uint32_t tag, uint32_t value)
{
    char *at = bytes + le(bytes + 4, 4);
    uint32_t n = le(at, 2);

    if (tag == 0)
        put_le32(at + 2 + 12 * n, value);
    for (uint32_t i = 0; i < n; i++)
        if (le(at + 2 + 12 * i, 2) == tag) {
            at[2 + 12 * i + 2] = 4;
            put_le32(at + 2 + 12 * i + 8, value);
        }
}

/* A few bytes that promise a huge picture are refused before memory is taken. */
static void false_promises(void)
{
    static const struct {
        const char *name;
        uint32_t w, h, next;
        const char *part;
    } cases[] = {
        {"rgb_8.tif", 20000, 20000, 0, "bytes cannot hold 20000x20000 pixels"},
        {"rgb_8_lzw.tif", 20000, 20000, 0, "bytes cannot hold 20000x20000 pixels"},
        {"group4.tif", 60000, 60000, 0, "bytes cannot hold 60000x60000 pixels"},
        {"jpeg.tif", 65537, 1, 0, "a side should be 1..65536"},
        {"jpeg.tif", 1, 0x7fffffff, 0, "the TIFF is damaged"},
        {"jpeg.tif", 60000, 60000, 0, "at most 2147483648 are read"},
        {"rgb_8.tif", 13, 11, 0x7fffffff, "the TIFF is damaged"},
        {"rgb_8_lzw.tif", 0, 0, 0, "the TIFF is damaged"},
    };
    pyr_image image;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        size_t n;

        snprintf(path, sizeof path, GOLDEN "%s", cases[i].name);
        char *bytes = read_all(path, &n);
        set_tag(bytes, 256, cases[i].w);
        set_tag(bytes, 257, cases[i].h);
        set_tag(bytes, 0, cases[i].next);
        pyr_mem_reset_peak();
        size_t before = pyr_mem().live_bytes;
        CHECK_FAILS(pyr_image_decode(&image, bytes, n, "false.tif"), PYR_E_FORMAT, cases[i].part);
        CHECK(pyr_mem().peak_bytes - before < 1 << 20);
        pyr_free(bytes);
    }

    size_t n; /* a directory that is its own next one is one page */
    char *bytes = read_all(GOLDEN "rgb_8.tif", &n);
    set_tag(bytes, 0, le(bytes + 4, 4));
    CHECK_OK(pyr_image_decode(&image, bytes, n, "loop.tif"));
    check_samples(&image, "loop.tif", "rgb_8", 0);
    pyr_image_free(&image);
    pyr_free(bytes);
}

/* Out of memory at every allocation of ours: said as that, and nothing is left behind. */
static void without_memory(void)
{
    static const char *const files[] = {"turned_6.webp", "rgb_16_planes.tif", "ycbcr.tif", "turned_8.jpg"};
    size_t before = pyr_mem().live_blocks;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        pyr_image image;
        long failures = 0;

        snprintf(path, sizeof path, GOLDEN "%s", files[i]);
        for (;; failures++) {
            pyr_mem_fail_after(failures);
            pyr_status status = pyr_image_read(&image, path);
            pyr_mem_fail_after(-1);
            if (status == PYR_OK)
                break;
            CHECK(status == PYR_E_NOMEM && !image.at);
        }
        CHECK(failures >= 2);
        pyr_image_free(&image);
    }
    CHECK(pyr_mem().live_blocks == before);
}

/* ---- many threads ---- */

/* Each file, every fifth time a refused one, whose sentence must be its own. */
static pyr_status decode_one(void *arg, int task, int lane)
{
    int *bad = arg;
    const wanted *w = &tiffs[task % TIFFS];
    char path[128];
    pyr_image image;
    pyr_status status;

    (void)lane;
    if (task % 5 == 0) {
        bool odd = task % 2;

        status = pyr_image_read(&image, odd ? GOLDEN "refused_codec.tif" : GOLDEN "refused_lab.tif");
        bad[task] = status != PYR_E_FORMAT || !strstr(pyr_error(), odd ? "does not know" : "L*a*b*");
        return PYR_OK;
    }
    snprintf(path, sizeof path, GOLDEN "%s.tif", w->name);
    status = pyr_image_read(&image, path);
    bad[task] = status != PYR_OK || image.h != w->h || image.c != w->c;
    pyr_image_free(&image);
    return PYR_OK;
}

static void many_threads(void)
{
    enum { TASKS = 400 };
    static int bad[TASKS];
    pyr_pool *pool;

    CHECK_OK(pyr_pool_new(&pool, 8, NULL));
    CHECK_OK(pyr_pool_run(pool, TASKS, decode_one, bad));
    for (int i = 0; i < TASKS; i++)
        CHECK(!bad[i]);
    pyr_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(orientations);
    RUN(not_turned);
    RUN(turning);
    RUN(exif_damaged);
    RUN(written_upright);
    RUN(webp_kinds);
    RUN(tiff_kinds);
    RUN(refused);
    RUN(names);
    RUN(damaged);
    RUN(false_promises);
    RUN(without_memory);
    RUN(many_threads);
    return CHECK_DONE();
}
