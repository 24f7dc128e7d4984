/* test_images.c - files to batches and back. Run from the root of the project:
 * fixtures are read from tests/golden/images (made by make_images.py there). */
#include "tests/check.h"
#include "tests/samples_of.h"
#include "tests/temp_files.h"
#include "tests/write_npz.h"

#include "arrays/idx_file.h"
#include "arrays/npz_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "images/dataset.h"
#include "pictures/grid.h"
#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "pictures/png_file.h"
#include "pictures/resize.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h> /* needs stdio.h before it */

#define GOLDEN "tests/golden/images/"

/* ---- a folder that is there while the test runs ---- */

static void write_gz(const char *path, const void *bytes, size_t n)
{
    gzFile f = gzopen(path, "wb");

    CHECK(f && gzwrite(f, bytes, (unsigned)n) == (int)n);
    if (f)
        gzclose(f);
}

/* A PNG whose samples are (seed + 3 y + 5 x + 7 k) times 257 for 16 bits. */
static void write_png(const char *path, int h, int w, int c, int bits, int seed)
{
    pyr_image image;

    CHECK_OK(pyr_image_new(&image, h, w, c, bits, path));
    for (int i = 0; i < h * w * c; i++) {
        int v = (seed + 3 * (i / c / w) + 5 * (i / c % w) + 7 * (i % c)) & 255;

        if (bits == 8)
            ((uint8_t *)image.at)[i] = (uint8_t)v;
        else
            ((uint16_t *)image.at)[i] = (uint16_t)(v * 257);
    }
    CHECK_OK(pyr_png_write(path, &image, NULL, 0));
    pyr_image_free(&image);
}

/* With every alpha sample set to `alpha`. */
static void write_png_alpha(const char *path, int h, int w, int c, int alpha, int seed)
{
    pyr_image image;

    CHECK_OK(pyr_image_new(&image, h, w, c, 8, path));
    for (int i = 0; i < h * w * c; i++)
        ((uint8_t *)image.at)[i] = (uint8_t)(i % c == c - 1 ? alpha : (seed + i) & 255);
    CHECK_OK(pyr_png_write(path, &image, NULL, 0));
    pyr_image_free(&image);
}

static void check_describes(const pyr_dataset *set, const char *part)
{
    pyr_text text = {0};

    pyr_dataset_describe(set, &text);
    for (size_t i = 0; i < pyr_dataset_facts_of(set).warnings->n; i++)
        pyr_text_add(&text, "; %s", pyr_dataset_facts_of(set).warnings->at[i]);
    if (!text.at || !strstr(text.at, part) || strchr(text.at, '\n'))
        CHECK_REPORT("the description lacks \"%s\": %s", part, text.at ? text.at : "");
    pyr_text_free(&text);
}

/* ---- pixels ---- */

static void dyadic_bytes(void)
{
    uint8_t back;
    float x;

    for (int p = 0; p < 256; p++) {
        uint8_t sample = (uint8_t)p;

        pyr_pixels_from_bytes(&x, &sample, 1);
        CHECK((double)x == (2 * p - 255) / 256.0);
        pyr_pixels_to_bytes(&back, &x, 1);
        CHECK(back == p);
    }
    const float odd[] = {-1, 1, -7, 7, NAN, INFINITY, -INFINITY, 0};
    const uint8_t wanted[] = {0, 255, 0, 255, 0, 255, 0, 128};
    uint8_t got[8];
    pyr_pixels_to_bytes(got, odd, 8);
    CHECK(memcmp(got, wanted, 8) == 0);
    for (int i = -4000; i <= 4000; i++) { /* off the grid: the nearest, halves up */
        x = (float)i / 3777.0f;
        pyr_pixels_to_bytes(&back, &x, 1);
        double p = floor(((double)x * 256 + 255) / 2 + 0.5);
        CHECK(back == (p < 0 ? 0 : p > 255 ? 255 : p));
    }
}

static void dyadic_words(void)
{
    for (int p = 0; p < 65536; p++) {
        uint16_t sample = (uint16_t)p, back;
        float x;

        pyr_pixels_from_words(&x, &sample, 1);
        CHECK((double)x == (2 * p - 65535) / 65536.0);
        pyr_pixels_to_words(&back, &x, 1);
        CHECK(back == p);
    }
}

static void convert_rules(void)
{
    uint8_t rgba[8] = {200, 100, 50, 255, 200, 100, 50, 51}, out[8];
    uint16_t deep[4], words[2] = {65535, 32896};
    pyr_image image = {rgba, 1, 2, 4, 8, false}, grey16 = {words, 1, 2, 1, 16, false};

    pyr_image_convert(out, &image, 3, 8); /* 51 is a fifth */
    CHECK(out[0] == 200 && out[1] == 100 && out[2] == 50 && out[3] == 40 && out[4] == 20 && out[5] == 10);
    pyr_image_convert(out, &image, 1, 8);
    CHECK(out[0] == 124 && out[1] == 25); /* 0.299 200 + 0.587 100 + 0.114 50 = 124.2 */
    pyr_image_convert(out, &image, 2, 8);
    CHECK(out[0] == 124 && out[1] == 255 && out[2] == 124 && out[3] == 51);
    pyr_image_convert(deep, &(pyr_image){rgba, 1, 1, 4, 8, false}, 4, 16);
    CHECK(deep[0] == 200 * 257 && deep[3] == 65535);
    pyr_image_convert(out, &grey16, 4, 8);
    CHECK(out[0] == 255 && out[2] == 255 && out[3] == 255 && out[4] == 128 && out[7] == 255);
    CHECK(!pyr_image_opaque(&image) && pyr_image_opaque(&grey16));
}

/* ---- PNG ---- */

/* The value of a text in a PNG, tEXt or (uncompressed) iTXt; "" when there is none. */
static void text_in(char value[64], const char *path, const char *key)
{
    size_t n = 0, k = strlen(key) + 1;
    char *bytes = read_all(path, &n);

    *value = 0;
    for (size_t at = 8; bytes && at + 12 <= n;) {
        const unsigned char *b = (const unsigned char *)bytes + at;
        size_t size = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        bool wide =
            memcmp(b + 4, "iTXt", 4) == 0; /* then two flags, a language and the key in it, both empty */

        if ((wide || memcmp(b + 4, "tEXt", 4) == 0) && memcmp(b + 8, key, k) == 0)
            snprintf(value, 64, "%.*s", (int)(size - k - (wide ? 4 : 0)), b + 8 + k + (wide ? 4 : 0));
        at += 12 + size;
    }
    pyr_free(bytes);
}

static void png_round_trip(void)
{
    const char *path = in_temp("round.png");
    const pyr_png_text text[] = {{"seed", "17"}, {"sampler", "heun, 18 steps"}, {"note", "\xcf\x83 = 0.5"}};

    for (int bits = 8; bits <= 16; bits += 8)
        for (int c = 1; c <= 4; c++) {
            pyr_image image, back;
            char value[64];

            CHECK_OK(pyr_image_new(&image, 5, 7, c, bits, "test"));
            for (int i = 0; i < 5 * 7 * c * bits / 8; i++)
                ((uint8_t *)image.at)[i] = (uint8_t)(i * 37 + c);
            CHECK_OK(pyr_png_write(path, &image, text, 3));
            CHECK_OK(pyr_image_read(&back, path));
            CHECK(back.h == 5 && back.w == 7 && back.c == c && back.bits == bits);
            CHECK(back.at && memcmp(back.at, image.at, pyr_image_bytes(&image)) == 0);
            for (int i = 0; i < 3; i++) {
                text_in(value, path, text[i].key);
                CHECK_STRING(value, text[i].value);
            }
            text_in(value, path, "absent");
            CHECK(!*value);
            pyr_image_free(&image);
            pyr_image_free(&back);
        }
    pyr_image one;
    CHECK_OK(pyr_image_new(&one, 1, 1, 1, 8, "test"));
    CHECK_FAILS(pyr_png_write(path, &one, &(pyr_png_text){"", "no key"}, 1), PYR_E_ARG, "keyword");
    CHECK_FAILS(pyr_png_write("/nonexistent/a.png", &one, NULL, 0), PYR_E_IO, "/nonexistent/a.png");
    pyr_image_free(&one);
}

/* The formula of make_images.py. */
static unsigned fixture(int y, int x, int k, int bits)
{
    return (unsigned)((y * 3571 + x * 977 + k * 21001 + y * x * 31) & 0xffff) >> (16 - bits);
}

typedef enum fixture_kind {
    GREY,
    RGB,
    GREY_ALPHA,
    RGBA,
    GREY_KEY,
    RGB_KEY,
    PALETTE,
    PALETTE_ALPHA
} fixture_kind;

static unsigned fixture_wanted(fixture_kind kind, int bits, bool grey_palette, int y, int x, int k)
{
    unsigned top = bits == 16 ? 65535 : 255, step = bits < 8 ? 255u / ((1u << bits) - 1) : 1;
    unsigned p = fixture(y, x, 0, bits);
    bool key = true;

    switch (kind) {
    case GREY_KEY:
        return k == 0 ? p * step : p == fixture(0, 0, 0, bits) ? 0 : top;
    case RGB_KEY:
        for (int j = 0; j < 3; j++)
            key = key && fixture(y, x, j, bits) == fixture(0, 0, j, bits);
        return k < 3 ? fixture(y, x, k, bits) : key ? 0 : top;
    case PALETTE:
    case PALETTE_ALPHA:
        if (k == 3 || (grey_palette && k == 1))
            return p < (1u << bits) / 2 ? p * 29 & 255 : 255;
        if (grey_palette)
            return p * 61 & 255;
        return (k == 0 ? p * 53 : k == 1 ? p * 97 + 31 : p * 151 + 7) & 255;
    default:
        return fixture(y, x, k, bits) * step;
    }
}

static void png_kinds(void)
{
    static const struct {
        const char *name;
        fixture_kind kind;
        int bits, c;
    } cases[] = {
        {"grey_1", GREY, 1, 1},
        {"grey_2", GREY, 2, 1},
        {"grey_4", GREY, 4, 1},
        {"grey_8", GREY, 8, 1},
        {"grey_16", GREY, 16, 1},
        {"grey_1_interlaced", GREY, 1, 1},
        {"rgb_8", RGB, 8, 3},
        {"rgb_16", RGB, 16, 3},
        {"rgb_8_interlaced", RGB, 8, 3},
        {"grey_alpha_8", GREY_ALPHA, 8, 2},
        {"grey_alpha_16", GREY_ALPHA, 16, 2},
        {"rgba_8", RGBA, 8, 4},
        {"rgba_16", RGBA, 16, 4},
        {"rgba_16_interlaced", RGBA, 16, 4},
        {"grey_key_8", GREY_KEY, 8, 2},
        {"grey_key_16", GREY_KEY, 16, 2},
        {"rgb_key_8", RGB_KEY, 8, 4},
        {"rgb_key_16", RGB_KEY, 16, 4},
        {"palette_1", PALETTE, 1, 3},
        {"palette_2", PALETTE, 2, 3},
        {"palette_4", PALETTE, 4, 3},
        {"palette_8", PALETTE, 8, 3},
        {"palette_4_interlaced", PALETTE, 4, 3},
        {"palette_alpha_1", PALETTE_ALPHA, 1, 4},
        {"palette_alpha_2", PALETTE_ALPHA, 2, 4},
        {"palette_alpha_4", PALETTE_ALPHA, 4, 4},
        {"palette_alpha_8", PALETTE_ALPHA, 8, 4},
        {"palette_grey_4", PALETTE, 4, 1},
        {"palette_grey_alpha_4", PALETTE_ALPHA, 4, 2},
    };

    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        char path[96];
        pyr_image image;
        int bad = 0;

        snprintf(path, sizeof path, GOLDEN "%s.png", cases[n].name);
        CHECK_OK(pyr_image_read(&image, path));
        if (!image.at || image.h != 11 || image.w != 13 || image.c != cases[n].c ||
            image.bits != (cases[n].bits == 16 ? 16 : 8)) {
            CHECK_REPORT("%s: %dx%dx%d, %d bits", path, image.h, image.w, image.c, image.bits);
            pyr_image_free(&image);
            continue;
        }
        for (int i = 0; i < 11 * 13 * image.c; i++) {
            unsigned wanted =
                fixture_wanted(cases[n].kind, cases[n].bits, strstr(path, "palette_grey") != NULL,
                               i / image.c / 13, i / image.c % 13, i % image.c);
            unsigned got = image.bits == 8 ? ((uint8_t *)image.at)[i] : ((uint16_t *)image.at)[i];

            bad += got != wanted;
        }
        if (bad)
            CHECK_REPORT("%s: %d samples differ", path, bad);
        pyr_image_free(&image);
    }
}

/* Cut short at every length: refused. One byte wrong anywhere: refused or read,
 * without a crash or a leak (meant to be run with the sanitizers on). */
static void damage(const char *path, bool cut_is_bad)
{
    size_t n = 0, before = pyr_mem().live_blocks;
    char *bytes = read_all(path, &n);
    pyr_image image;

    for (size_t cut = 0; cut < n; cut++) {
        /* a copy of its own, so that a read beyond the end is seen */
        char *part = pyr_calloc(cut ? cut : 1, 1);

        memcpy(part, bytes, cut);
        pyr_status status = pyr_image_decode(&image, part, cut, path);
        if (status != PYR_E_FORMAT && (cut_is_bad || status != PYR_OK))
            CHECK_REPORT("%s cut to %zu of %zu bytes gave %d", path, cut, n, status);
        pyr_image_free(&image);
        pyr_free(part);
    }
    for (size_t i = 0; i < n; i++)
        for (unsigned round = 0; round < 8; round++) {
            char keep = bytes[i];

            bytes[i] = (char)(keep ^ (1 << round));
            pyr_status status = pyr_image_decode(&image, bytes, n, path);
            if (status != PYR_OK && status != PYR_E_FORMAT)
                CHECK_REPORT("%s with byte %zu flipped gave %d: %s", path, i, status, pyr_error());
            pyr_image_free(&image);
            bytes[i] = keep;
        }
    pyr_free(bytes);
    CHECK(pyr_mem().live_blocks == before);
}

static void png_damaged(void)
{
    damage(GOLDEN "rgb_8.png", true);
    damage(GOLDEN "rgba_16_interlaced.png", true);
    damage(GOLDEN "palette_alpha_4.png", true);
}

static void jpeg_damaged(void)
{
    damage(GOLDEN "rgb.jpg", true);
    damage(GOLDEN "progressive.jpg", true);
    damage(GOLDEN "cmyk.jpg", true);
}

static void put_be32(unsigned char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* A few bytes that promise a huge image are refused before memory is taken. */
static void false_promises(void)
{
    static const uint32_t sizes[][2] = {{60000, 60000}, {65537, 1}, {1, 0x7fffffff}, {0, 5}, {65536, 65536}};
    size_t n = 0;
    char *bytes = read_all(GOLDEN "rgb_8.png", &n);
    pyr_image image;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *ihdr = (unsigned char *)bytes + 8;

        put_be32(ihdr + 8, sizes[i][0]);
        put_be32(ihdr + 12, sizes[i][1]);
        put_be32(ihdr + 21, (uint32_t)crc32(0, ihdr + 4, 17));
        pyr_mem_reset_peak();
        size_t peak = pyr_mem().peak_bytes;
        CHECK_FAILS(pyr_image_decode(&image, bytes, n, "huge.png"), PYR_E_FORMAT, "huge.png");
        CHECK(pyr_mem().peak_bytes < peak + 4096);
    }
    pyr_free(bytes);
    bytes = read_all(GOLDEN "rgb.jpg", &n);
    for (size_t i = 0; i + 9 < n; i++)
        if ((unsigned char)bytes[i] == 0xff && (unsigned char)bytes[i + 1] == 0xc0)
            memcpy(bytes + i + 5, "\xff\x00\xff\x00", 4);
    CHECK_FAILS(pyr_image_decode(&image, bytes, n, "huge.jpg"), PYR_E_FORMAT, "cannot hold");
    pyr_free(bytes);
}

/* ---- JPEG ---- */

/* A plain grey JPEG, side x side: coded arithmetically, or in `scans` scans (0: one). */
static void make_jpeg(unsigned char **bytes, unsigned long *n, unsigned side, bool arithmetic, int scans)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg_scan_info info[100];
    JSAMPLE *row;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    *bytes = NULL;
    *n = 0;
    jpeg_mem_dest(&jpeg, bytes, n);
    jpeg.image_width = jpeg.image_height = side;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg.arith_code = arithmetic;
    for (int i = 0; i < scans; i++) /* the constants, then coefficients one by one */
        info[i] = (jpeg_scan_info){.comps_in_scan = 1, .Ss = i, .Se = i};
    if (scans) {
        jpeg.scan_info = info;
        jpeg.num_scans = scans;
    }
    jpeg_start_compress(&jpeg, TRUE);
    CHECK_OK(pyr_new(&row, side, 1, "a row"));
    while (jpeg.next_scanline < side)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    pyr_free(row);
}

/* Arithmetic coding is checked as Huffman coding is; scans by the dozen are believed as far as the bytes
 * do. */
static void jpeg_of_nothing(void)
{
    unsigned char *bytes;
    unsigned long n;
    pyr_image image;

    make_jpeg(&bytes, &n, 64, true, 0);
    CHECK_OK(pyr_image_decode(&image, bytes, n, "plain.jpg"));
    CHECK(image.h == 64 && image.w == 64 && image.c == 1);
    pyr_image_free(&image);
    free(bytes);
    make_jpeg(&bytes, &n, 4096, true, 0);
    CHECK(n < 2048);
    CHECK_FAILS(pyr_image_decode(&image, bytes, n, "plain.jpg"), PYR_E_FORMAT,
                "bytes cannot hold 4096x4096 pixels");
    free(bytes);
    make_jpeg(&bytes, &n, 1024, false, 60);
    CHECK_FAILS(pyr_image_decode(&image, bytes, n, "scans.jpg"), PYR_E_FORMAT, "scans and more in");
    free(bytes);
    make_jpeg(&bytes, &n, 1024, false, 12);
    CHECK_OK(pyr_image_decode(&image, bytes, n, "scans.jpg"));
    pyr_image_free(&image);
    free(bytes);
}

static void jpeg_matches_pillow(void)
{
    static const char *const names[] = {"grey", "rgb", "rgb_444", "progressive", "cmyk"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[96];
        pyr_image image;
        size_t n = 0;
        int worst = 0;

        snprintf(path, sizeof path, GOLDEN "%s.jpg", names[i]);
        CHECK_OK(pyr_image_read(&image, path));
        snprintf(path, sizeof path, GOLDEN "jpeg_%s.raw", names[i]);
        char *raw = read_all(path, &n);
        CHECK(image.h == 17 && image.w == 24 && image.bits == 8 && image.c == (i ? 3 : 1));
        CHECK(n == pyr_image_bytes(&image));
        for (size_t j = 0; j < n && n == pyr_image_bytes(&image); j++) {
            int d = abs(((uint8_t *)image.at)[j] - (uint8_t)raw[j]);

            worst = d > worst ? d : worst;
        }
        /* Other versions of the library round differently here and there. */
        if (worst > 2)
            CHECK_REPORT("%s.jpg is off by %d", names[i], worst);
        pyr_free(raw);
        pyr_image_free(&image);
    }
}

/* ---- resizing ---- */

static void fit_to(uint8_t *dst, const uint8_t *src, int h, int w, int c, int to_h, int to_w, pyr_fit fit)
{
    pyr_image image = {(void *)src, h, w, c, 8, false}, out;

    CHECK_OK(pyr_image_fit(&out, &image, to_h, to_w, fit));
    CHECK(out.h == to_h && out.w == to_w && out.c == c);
    if (out.at)
        memcpy(dst, out.at, pyr_image_bytes(&out));
    pyr_image_free(&out);
}

static void resize_rules(void)
{
    uint8_t out[64];
    const uint8_t row3[] = {0, 90, 240};
    const uint8_t row2[] = {0, 100};
    const uint8_t block[] = {1, 2, 3, 4};
    const uint8_t alpha[] = {200, 255, 40, 0};
    const uint8_t square[] = {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};

    /* area: (0 + 90/2)/1.5 = 30, (90/2 + 240)/1.5 = 190 */
    fit_to(out, row3, 1, 3, 1, 1, 2, PYR_FIT_STRETCH);
    CHECK(out[0] == 30 && out[1] == 190);
    fit_to(out, row3, 3, 1, 1, 2, 1, PYR_FIT_STRETCH);
    CHECK(out[0] == 30 && out[1] == 190);
    fit_to(out, block, 2, 2, 1, 1, 1, PYR_FIT_STRETCH);
    CHECK(out[0] == 3); /* 2.5, halves up */
    /* bilinear: centres at -0.25, 0.25, 0.75, 1.25 */
    fit_to(out, row2, 1, 2, 1, 1, 4, PYR_FIT_STRETCH);
    CHECK(out[0] == 0 && out[1] == 25 && out[2] == 75 && out[3] == 100);
    fit_to(out, row3, 1, 3, 1, 1, 3, PYR_FIT_STRETCH);
    CHECK(memcmp(out, row3, 3) == 0);
    /* what is under a transparent pixel does not count */
    fit_to(out, alpha, 1, 2, 2, 1, 1, PYR_FIT_STRETCH);
    CHECK(out[0] == 200 && out[1] == 128);
    /* 3x4, the centre */
    fit_to(out, square, 3, 4, 1, 1, 2, PYR_FIT_CENTRE);
    CHECK(out[0] == 11 && out[1] == 12);
    fit_to(out, square, 3, 4, 1, 3, 3, PYR_FIT_ASPECT);
    CHECK(out[0] == 0 && out[2] == 2 && out[8] == 22);

    for (int h = 1; h < 9; h++) /* a constant stays, whatever the ratio */
        for (int to = 1; to < 9; to++) {
            uint8_t flat[8];
            bool same = true;

            memset(flat, 77, sizeof flat);
            fit_to(out, flat, h, 1, 1, to, 5, PYR_FIT_STRETCH);
            for (int i = 0; i < to * 5; i++)
                same = same && out[i] == 77;
            CHECK(same);
        }
    uint16_t deep[2] = {0, 65535};
    pyr_image image = {deep, 1, 2, 1, 16, false}, one;
    CHECK_OK(pyr_image_fit(&one, &image, 1, 1, PYR_FIT_STRETCH));
    CHECK(((uint16_t *)one.at)[0] == 32768);
    pyr_image_free(&one);
}

/* ---- IDX ---- */

static size_t idx_bytes(unsigned char *dst, int rank, const uint32_t *size, int seed)
{
    size_t n = 1, head = 4 + 4 * (size_t)rank;

    memcpy(dst, "\0\0\x08", 3);
    dst[3] = (unsigned char)rank;
    for (int i = 0; i < rank; i++) {
        put_be32(dst + 4 + 4 * i, size[i]);
        n *= size[i];
    }
    for (size_t i = 0; i < n; i++)
        dst[head + i] = (unsigned char)(rank == 1 ? i % 5 : (size_t)seed + 7 * i);
    return head + n;
}

static const char *idx_folder(const char *name, bool gz)
{
    static const uint32_t train[] = {20, 4, 3}, test[] = {6, 4, 3};
    static unsigned char bytes[512];
    const char *folder = new_folder(name);
    void (*write)(const char *, const void *, size_t) = gz ? write_gz : write_bytes;
    const char *const ending = gz ? ".gz" : "";
    char path[300];

    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte%s", folder, ending);
    write(path, bytes, idx_bytes(bytes, 3, train, 1));
    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte%s", folder, ending);
    write(path, bytes, idx_bytes(bytes, 1, train, 0));
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte%s", folder, ending);
    write(path, bytes, idx_bytes(bytes, 3, test, 100));
    snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte%s", folder, ending);
    write(path, bytes, idx_bytes(bytes, 1, test, 0));
    return folder;
}

static void idx_data(void)
{
    uint64_t prints[2] = {0};
    pyr_dataset *set;

    for (int gz = 0; gz < 2; gz++) {
        const char *folder = idx_folder(gz ? "idx_gz" : "idx", gz);
        pyr_data_settings s = at_path(folder);
        float pixels[12], mirrored[12];

        CHECK_OK(pyr_dataset_open(&set, &s));
        if (!set)
            return;
        pyr_dataset_shape shape = pyr_dataset_shape_of(set);
        CHECK(shape.h == 4 && shape.w == 3 && shape.c == 1 && shape.bits == 8);
        CHECK(pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 20 &&
              pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 6);
        CHECK(pyr_dataset_classes(set) == 5 && !pyr_dataset_class_name(set, 0));
        const int32_t *labels = pyr_dataset_labels(set, PYR_SPLIT_TRAIN),
                      *held = pyr_dataset_labels(set, PYR_SPLIT_HELD_OUT);
        CHECK(labels && labels[7] == 2 && labels[19] == 4 && held[0] == 0 && held[5] == 0);
        pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 2, false, pixels);
        pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 2, true, mirrored);
        for (int i = 0; i < 12; i++) {
            int p = (1 + 7 * (24 + i)) & 255;

            CHECK((double)pixels[i] == (2 * p - 255) / 256.0);
            CHECK(mirrored[i] == pixels[i / 3 * 3 + 2 - i % 3]);
        }
        CHECK(((const uint8_t *)samples_of(set, PYR_SPLIT_HELD_OUT, 0))[1] == 107);
        check_describes(
            set, "(IDX): 20 images to train on, 6 held out (its test set), 4x3 grey, 8 bits, 5 classes");
        prints[gz] = pyr_dataset_fingerprint(set);
        pyr_dataset_free(set);
    }
    CHECK(prints[0] == prints[1]);

    char path[300]; /* one file; its labels are found beside it */
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte", in_temp("idx"));
    pyr_data_settings s = at_path(path);
    s.held_out = 2;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 4 &&
          pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 2);
    CHECK(set && pyr_dataset_classes(set) == 5);
    pyr_dataset_free(set);

    s = at_path(in_temp("idx")); /* the choice of parts */
    s.split = "all";
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 26 &&
          pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 0);
    pyr_dataset_free(set);
    s.split = "train";
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 18 &&
          pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 2);
    pyr_dataset_free(set);
    s = at_path(in_temp("idx")); /* and a packed data set brought to another size */
    s.resize_h = 8;
    s.channels = 3;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_shape_of(set).w == 8 && pyr_dataset_shape_of(set).c == 3);
    if (set)
        check_describes(set, "26 resized to 8x8");
    pyr_dataset_free(set);
}

static void idx_four_channels(void)
{
    static unsigned char bytes[512];
    const uint32_t size[] = {10, 3, 2, 3};
    const char *path = in_temp("rank4-images-idx4-ubyte");
    pyr_data_settings s = at_path(path);
    pyr_dataset *set;

    write_bytes(path, bytes, idx_bytes(bytes, 4, size, 9));
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_shape_of(set).c == 3 && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 9);
    CHECK(set && !pyr_dataset_labels(set, PYR_SPLIT_TRAIN) && pyr_dataset_classes(set) == 0);
    pyr_dataset_free(set);
}

static void idx_damaged(void)
{
    static unsigned char bytes[1024];
    const uint32_t size[] = {20, 4, 3}, huge[] = {0xffffffff, 0xffff, 0xffff}, labels[] = {19},
                   none[] = {0, 4, 3};
    const char *path = in_temp("bad-images-idx3-ubyte"), *gz = in_temp("bad-images-idx3-ubyte.gz");
    pyr_data_settings s = at_path(path);
    pyr_dataset *set;
    size_t n = idx_bytes(bytes, 3, size, 1), packed = 0;

    write_bytes(path, bytes, n - 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "239 bytes follow the header, it promises 240");
    write_bytes(path, bytes, n + 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "241 bytes follow");
    write_bytes(path, bytes, 9);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "cut short in its header");
    write_bytes(path, bytes, 0);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "empty");
    bytes[2] = 10;
    write_bytes(path, bytes, n);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_UNSUPPORTED, "type 0x0a");
    bytes[2] = 8;
    bytes[3] = 5;
    write_bytes(path, bytes, n);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "rank 5");
    for (int i = 0; i < 3; i++)
        put_be32(bytes + 4 + 4 * i, huge[i]);
    bytes[3] = 3;
    write_bytes(path, bytes, n);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "it promises 18446181123756261375");
    s.path = gz;
    write_gz(gz, bytes, n);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "cannot hold them");

    n = idx_bytes(bytes, 3, none, 1);
    write_gz(gz, bytes, n);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "dimension 1 of 3 is 0");
    n = idx_bytes(bytes, 3, size, 1);
    write_gz(gz, bytes, n + 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "more follows the 240 values");
    write_gz(gz, bytes, n - 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "cut short");
    write_gz(gz, bytes, n);
    char *whole = read_all(gz, &packed);
    for (size_t cut = 0; cut < packed; cut++) {
        write_bytes(gz, whole, cut);
        CHECK_STATUS(pyr_dataset_open(&set, &s), PYR_E_FORMAT);
        pyr_dataset_free(set);
    }
    /* Behind gzip's own header, whose fields may say anything, and the padding of the first block. */
    for (size_t i = 11; i < packed; i++) {
        whole[i] = (char)(whole[i] ^ 0x10);
        write_bytes(gz, whole, packed);
        pyr_status status = pyr_dataset_open(&set, &s);
        if (status != PYR_E_FORMAT && status != PYR_E_UNSUPPORTED)
            CHECK_REPORT("byte %zu of %zu flipped gave %d", i, packed, status);
        pyr_dataset_free(set);
        whole[i] = (char)(whole[i] ^ 0x10);
    }
    write_bytes(gz, whole, packed);
    pyr_free(whole);

    path = in_temp("bad-labels-idx1-ubyte");
    write_bytes(path, bytes, idx_bytes(bytes, 1, labels, 1));
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "19 labels for the 20 images");
    s.path = path;
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "holds labels, not images");
}

/* ---- CIFAR ---- */

static void cifar_records(unsigned char *dst, int n, int classes, int seed)
{
    for (int i = 0; i < n; i++) {
        if (classes == 100)
            *dst++ = 3;
        *dst++ = (unsigned char)((seed + i) % classes);
        for (int p = 0; p < 3072; p++)
            *dst++ = (unsigned char)(seed + i + p / 1024 * 50 + p % 32);
    }
}

static void cifar_data(void)
{
    static unsigned char bytes[4 * 3074];
    static float pixels[3072];
    const char *names = "airplane\nautomobile\r\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    const char *folder = new_folder("cifar10");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set;
    char path[300];

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, i < 2 ? "%s/data_batch_%d.bin" : "%s/test_batch.bin", folder, i + 1);
        cifar_records(bytes, 4, 10, 4 * i);
        write_bytes(path, bytes, 4 * 3073);
    }
    snprintf(path, sizeof path, "%s/batches.meta.txt", folder);
    write_bytes(path, names, strlen(names));
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (!set)
        return;
    CHECK(pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 8 && pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 4);
    CHECK(pyr_dataset_labels(set, PYR_SPLIT_TRAIN)[5] == 5 &&
          pyr_dataset_labels(set, PYR_SPLIT_HELD_OUT)[3] == 1);
    CHECK_STRING(pyr_dataset_class_name(set, 9), "truck");
    CHECK_STRING(pyr_dataset_class_name(set, 1), "automobile");
    pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 6, false, pixels); /* record 2 of batch 2 */
    CHECK((double)pixels[(3 * 32 + 7) * 3 + 2] == (2 * (4 + 2 + 100 + 7) - 255) / 256.0);
    check_describes(set, "(CIFAR-10): 8 images to train on, 4 held out (its test set), 32x32 RGB, 8 bits, "
                         "10 classes (airplane, automobile");
    pyr_dataset_free(set);

    snprintf(path, sizeof path, "%s/data_batch_1.bin", folder);
    s.path = path;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 4 && pyr_dataset_classes(set) == 4);
    pyr_dataset_free(set);
    write_bytes(path, bytes, 4 * 3073 - 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "not whole CIFAR-10 records");
    bytes[3073] = 11;
    write_bytes(path, bytes, 4 * 3073);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "record 1 has label 11");

    folder = new_folder("cifar100");
    snprintf(path, sizeof path, "%s/train.bin", folder);
    cifar_records(bytes, 4, 100, 60);
    write_bytes(path, bytes, 4 * 3074);
    s = at_path(folder);
    s.held_out = 1;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 1 && pyr_dataset_classes(set) == 64);
    pyr_dataset_free(set);
    s.path = path;
    CHECK_OK(pyr_dataset_open(&set, &s)); /* told by its size */
    pyr_dataset_free(set);
}

/* ---- folders ---- */

static void folder_with_classes(void)
{
    const char *folder = new_folder("classes");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set;

    write_png(in_temp("classes/zebra/1.png"), 4, 5, 3, 8, 30);
    write_png(in_temp("classes/ant/b/deep.PNG"), 4, 5, 3, 8, 20);
    write_png(in_temp("classes/ant/a.Png"), 4, 5, 3, 8, 10);
    copy_file(in_temp("classes/.hidden.png"), GOLDEN "rgb_8.png");
    write_bytes(in_temp("classes/readme.txt"), "x", 1);
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (!set)
        return;
    CHECK(pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 3 && pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 0);
    CHECK(pyr_dataset_classes(set) == 2);
    CHECK_STRING(pyr_dataset_class_name(set, 0), "ant");
    CHECK_STRING(pyr_dataset_class_name(set, 1), "zebra");
    const int32_t *labels = pyr_dataset_labels(set, PYR_SPLIT_TRAIN);
    CHECK(labels && labels[0] == 0 && labels[1] == 0 && labels[2] == 1);
    for (int i = 0; i < 3; i++)
        CHECK(*(const uint8_t *)samples_of(set, PYR_SPLIT_TRAIN, i) == 10 * (i + 1));
    check_describes(set, "2 classes (ant, zebra)");
    check_describes(set, "1 file of other kinds left aside (such as readme.txt)");
    pyr_dataset_free(set);

    write_png(in_temp("classes/loose.png"), 4, 5, 3, 8, 40);
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_classes(set) == 0 && !pyr_dataset_labels(set, PYR_SPLIT_TRAIN));
    if (set)
        check_describes(set, "classes are not used: 1 of 4 images are in no subfolder");
    pyr_dataset_free(set);
    CHECK(symlink(".", in_temp("classes/loop")) == 0);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "nested more than 16 deep");
}

static void folder_with_split(void)
{
    const char *folder = new_folder("split");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set;

    write_png(in_temp("split/train/ape/1.png"), 3, 3, 1, 8, 1);
    write_png(in_temp("split/train/cat/2.png"), 3, 3, 1, 8, 2);
    write_png(in_temp("split/test/ape/3.png"), 3, 3, 1, 8, 3);
    write_png(in_temp("split/test/cat/4.png"), 3, 3, 1, 8, 4);
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (!set)
        return;
    CHECK(pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 2 && pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 2);
    const int32_t *held = pyr_dataset_labels(set, PYR_SPLIT_HELD_OUT);
    CHECK(pyr_dataset_classes(set) == 2 && held && held[0] == 0 && held[1] == 1); /* ape, cat */
    CHECK(pyr_dataset_labels(set, PYR_SPLIT_TRAIN)[0] == 0 &&
          pyr_dataset_labels(set, PYR_SPLIT_TRAIN)[1] == 1);
    pyr_dataset_free(set);
}

static void bad_files(void)
{
    const char *folder = new_folder("bad");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set;
    size_t n = 0;

    for (int i = 0; i < 12; i++) {
        char name[32];

        snprintf(name, sizeof name, "bad/good%02d.png", i);
        write_png(in_temp(name), 11, 13, 3, 8, i);
    }
    char *bytes = read_all(GOLDEN "rgb_8.png", &n);
    write_bytes(in_temp("bad/b_cut.png"), bytes, n - 20);
    pyr_free(bytes);
    bytes = read_all(GOLDEN "rgb.jpg", &n);
    write_bytes(in_temp("bad/c_cut.jpg"), bytes, n - 60);
    pyr_free(bytes);
    write_bytes(in_temp("bad/a_empty.png"), "", 0);
    write_bytes(in_temp("bad/d_text.png"), "hello\n", 6);

    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "4 of 16 image files cannot be used");
    CHECK(!set);
    CHECK(strstr(pyr_error(), "--skip-bad") && strstr(pyr_error(), "a_empty.png: the file is empty") &&
          strstr(pyr_error(), "b_cut.png: the PNG is cut short") &&
          strstr(pyr_error(), "c_cut.jpg: the JPEG is") && strstr(pyr_error(), "and 1 more"));
    s.skip_bad = true;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 11 &&
          pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 1);
    CHECK(set && pyr_dataset_facts_of(set).skipped->n == 4);
    if (set) {
        CHECK(strstr(pyr_dataset_facts_of(set).skipped->at[3], "d_text.png: none of PNG, JPEG, WebP, TIFF") !=
              NULL);
        check_describes(set, "4 files left out");
        check_describes(set, "a_empty.png");
    }
    pyr_dataset_free(set);

    write_png(in_temp("bad/z_odd.png"), 11, 14, 3, 8, 1); /* and one of another size */
    s.skip_bad = false;
    CHECK(remove(in_temp("bad/a_empty.png")) == 0 && remove(in_temp("bad/b_cut.png")) == 0 &&
          remove(in_temp("bad/c_cut.jpg")) == 0 && remove(in_temp("bad/d_text.png")) == 0);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "11x13 (12, such as");
    CHECK(strstr(pyr_error(), "11x14 (1, such as") && strstr(pyr_error(), "z_odd.png") &&
          strstr(pyr_error(), "--resize HxW or --crop") && strstr(pyr_error(), "--skip-bad"));
    s.skip_bad = true;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_facts_of(set).skipped->n == 1 && pyr_dataset_shape_of(set).w == 13);
    pyr_dataset_free(set);

    folder = new_folder("all_bad");
    write_bytes(in_temp("all_bad/x.jpeg"), "nonsense", 8);
    s.path = folder;
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "x.jpeg: none of PNG, JPEG, WebP, TIFF");
    write_bytes(in_temp("all_bad/y.jpeg"), "", 0);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "none of the 2 image files can be used: ");
}

static void sizes(void)
{
    const char *folder = new_folder("sizes");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set;

    write_png(in_temp("sizes/a.png"), 8, 12, 1, 8, 0);
    write_png(in_temp("sizes/b.png"), 10, 6, 1, 8, 0);
    write_png(in_temp("sizes/c.png"), 9, 9, 1, 8, 0);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "images of 3 sizes");
    CHECK(strstr(pyr_error(), "--resize HxW or --crop") && !strstr(pyr_error(), "--skip-bad"));
    s.skip_bad = true; /* no majority to go by */
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "images of 3 sizes");
    s.crop = true;
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (set) {
        const uint8_t *first = samples_of(set, PYR_SPLIT_TRAIN, 0);

        CHECK(pyr_dataset_shape_of(set).h == 8 && pyr_dataset_shape_of(set).w == 6);
        CHECK(first[0] == 15); /* a.png from column 3 on */
        check_describes(set, "3 cropped to 8x6");
    }
    pyr_dataset_free(set);
    s.resize_h = s.resize_w = 4;
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (set) {
        const uint8_t *first = samples_of(set, PYR_SPLIT_TRAIN, 0);

        CHECK(pyr_dataset_shape_of(set).h == 4 && pyr_dataset_shape_of(set).w == 4);
        CHECK(first[0] == 14); /* columns 2, 3 and rows 0, 1: (10 + 15 + 13 + 18)/4 */
        check_describes(set, "3 cropped and resized to 4x4");
    }
    pyr_dataset_free(set);
    s.crop = false;
    s.resize_w = 5;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_shape_of(set).h == 4 && pyr_dataset_shape_of(set).w == 5);
    pyr_dataset_free(set);
}

static pyr_dataset_shape opened_as(const pyr_data_settings *s, const char *part)
{
    pyr_dataset *set;
    pyr_dataset_shape shape = {0};

    CHECK_OK(pyr_dataset_open(&set, s));
    if (set) {
        shape = pyr_dataset_shape_of(set);
        check_describes(set, part);
    }
    pyr_dataset_free(set);
    return shape;
}

static void channels(void)
{
    const char *folder = new_folder("channels");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set;

    write_png(in_temp("channels/a.png"), 3, 4, 1, 8, 5);
    CHECK(opened_as(&s, "3x4 grey").c == 1);
    write_png_alpha(in_temp("channels/b.png"), 3, 4, 2, 255, 5);
    CHECK(opened_as(&s, "2 images: 1 grey+alpha, 1 grey -> grey; alpha is opaque everywhere, dropped").c ==
          1);
    write_png(in_temp("channels/c.png"), 3, 4, 3, 8, 5);
    CHECK(opened_as(&s, "3 images: 1 RGB, 1 grey+alpha, 1 grey -> RGB").c == 3);
    write_png_alpha(in_temp("channels/d.png"), 3, 4, 4, 255, 5);
    CHECK(opened_as(&s, "1 RGBA, 1 RGB").c == 3);
    write_png_alpha(in_temp("channels/e.png"), 3, 4, 4, 51, 5);
    CHECK(opened_as(&s, "2 RGBA, 1 RGB, 1 grey+alpha, 1 grey -> RGBA").c == 4);
    s.channels = 3;
    CHECK(opened_as(&s, "-> RGB; alpha composited on black").c == 3);
    s.channels = 1;
    CHECK(opened_as(&s, "-> grey; alpha composited on black").c == 1);
    s.channels = 0;
    CHECK(opened_as(&s, "8 bits").bits == 8);
    write_png(in_temp("channels/f.png"), 3, 4, 1, 16, 5);
    CHECK(opened_as(&s, "5 images of 8 bits widened to 16").bits == 16);
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (set) {
        const uint16_t *a = samples_of(set, PYR_SPLIT_TRAIN, 0), *f = samples_of(set, PYR_SPLIT_TRAIN, 5);
        float x[3 * 4 * 4];

        CHECK(a[0] == 5 * 257 && a[1] == 5 * 257 && a[3] == 65535 && f[0] == 5 * 257);
        pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 0, false, x);
        CHECK((double)x[0] == (2 * 5 * 257 - 65535) / 65536.0);
    }
    pyr_dataset_free(set);
}

static void one_image(void)
{
    pyr_data_settings s = at_path(GOLDEN "rgb.jpg");

    CHECK(opened_as(&s, "1 image to train on, 0 held out, 17x24 RGB").h == 17);
    s.path = GOLDEN "rgb_16.png";
    CHECK(opened_as(&s, "11x13 RGB, 16 bits").bits == 16);
}

/* Mirrored images of all kinds of pixels, the same file in 1, 3 and 4 channels. */
static void mirrored_pixels(void)
{
    static const char *const files[] = {GOLDEN "rgb.jpg", GOLDEN "rgb_16.png"};
    static const int channel_counts[] = {1, 3, 4};

    for (int i = 0; i < 6; i++) {
        pyr_data_settings s = at_path(files[i / 3]);
        float plain[17 * 24 * 4], mirrored[17 * 24 * 4];
        pyr_dataset *set;
        int moved = 0;

        s.channels = channel_counts[i % 3];
        CHECK_OK(pyr_dataset_open(&set, &s));
        if (!set)
            return;
        pyr_dataset_shape shape = pyr_dataset_shape_of(set);
        CHECK(shape.c == s.channels && shape.bits == (i < 3 ? 8 : 16) && shape.h * shape.w <= 17 * 24);
        pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 0, false, plain);
        pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 0, true, mirrored);
        for (int y = 0; y < shape.h; y++)
            for (int x = 0; x < shape.w; x++)
                for (int c = 0; c < shape.c; c++) {
                    float from = plain[(y * shape.w + shape.w - 1 - x) * shape.c + c];
                    int at = (y * shape.w + x) * shape.c + c;

                    CHECK(mirrored[at] == from);
                    moved += from != plain[at];
                }
        CHECK(moved > 0);
        pyr_dataset_free(set);
    }
}

static void refused(void)
{
    pyr_dataset *set;
    pyr_data_settings s = at_path("/nonexistent/data");

    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_IO, "/nonexistent/data: no such file or folder");
    s.path = NULL;
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_CONFIG, "--data");
    s.path = new_folder("empty");
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "nothing to read");
    s.path = in_temp("set.zip");
    write_bytes(s.path, "PK\3\4....", 8);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "set.zip: the zip archive is damaged or cut short");
    write_bytes(s.path, "what is this", 12);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "not a data set that is known here");
    s = at_path(GOLDEN);
    s.channels = 2;
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_CONFIG, "channels is 2");
    s.channels = 0;
    s.split = "tset";
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_CONFIG, "split is \"tset\"");
    s.split = NULL;
    s.resize_h = -3;
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_CONFIG, "resize is -3x0");
    s = at_path(GOLDEN "rgb.jpg");
    s.held_out = 1;
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_CONFIG, "held_out is 1, should be 0..0");
}

/* ---- the split and the fingerprint ---- */

static void held_out(void)
{
    const char *folder = new_folder("many");
    pyr_data_settings s = at_path(folder);
    pyr_dataset *set, *again;
    bool seen[50] = {false};

    for (int i = 0; i < 50; i++) {
        char name[32];

        snprintf(name, sizeof name, "many/%02d.png", i);
        write_png(in_temp(name), 2, 2, 1, 8, i);
    }
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK_OK(pyr_dataset_open(&again, &s));
    if (!set || !again)
        return;
    CHECK(pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 45 && pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 5);
    for (int split = 0; split < 2; split++)
        for (int i = 0, last = -1; i < pyr_dataset_count(set, (pyr_split)split); i++) {
            int which = *(const uint8_t *)samples_of(set, (pyr_split)split, i);

            CHECK(which < 50 && !seen[which] && which > last); /* each once, in order */
            CHECK(which == *(const uint8_t *)samples_of(again, (pyr_split)split, i));
            seen[which] = true;
            last = which;
        }
    CHECK(pyr_dataset_fingerprint(set) == pyr_dataset_fingerprint(again));
    /* The choice is part of what a run means, so it must never change. */
    static const uint8_t chosen[] = {2, 6, 12, 20, 41};
    for (int i = 0; i < 5; i++)
        CHECK(*(const uint8_t *)samples_of(set, PYR_SPLIT_HELD_OUT, i) == chosen[i]);
    pyr_dataset_free(again);
    s.held_out = 20; /* more of them contain the fewer */
    CHECK_OK(pyr_dataset_open(&again, &s));
    for (int i = 0; again && i < 5; i++) {
        int found = 0;

        for (int j = 0; j < 20; j++)
            found += *(const uint8_t *)samples_of(set, PYR_SPLIT_HELD_OUT, i) ==
                     *(const uint8_t *)samples_of(again, PYR_SPLIT_HELD_OUT, j);
        CHECK(found == 1);
    }
    CHECK(again && pyr_dataset_fingerprint(set) != pyr_dataset_fingerprint(again));
    pyr_dataset_free(again);
    pyr_dataset_free(set);
}

static uint64_t fingerprint_of(const char *path)
{
    pyr_data_settings s = at_path(path);
    pyr_dataset *set;
    uint64_t print;

    CHECK_OK(pyr_dataset_open(&set, &s));
    print = set ? pyr_dataset_fingerprint(set) : 0;
    pyr_dataset_free(set);
    return print;
}

static void fingerprints(void)
{
    const char *folder = new_folder("print");
    pyr_image image;

    write_png(in_temp("print/x/1.png"), 3, 3, 1, 8, 1);
    write_png(in_temp("print/y/2.png"), 3, 3, 1, 8, 2);
    uint64_t first = fingerprint_of(folder);
    CHECK(first == fingerprint_of(folder));
    CHECK_OK(pyr_image_read(&image, in_temp("print/y/2.png")));
    ((uint8_t *)image.at)[4] ^= 1;
    CHECK_OK(pyr_png_write(in_temp("print/y/2.png"), &image, NULL, 0));
    CHECK(fingerprint_of(folder) != first); /* one pixel */
    ((uint8_t *)image.at)[4] ^= 1;
    CHECK_OK(pyr_png_write(in_temp("print/y/2.png"), &image, NULL, 0));
    CHECK(fingerprint_of(folder) == first);
    pyr_image_free(&image);
    CHECK(rename(in_temp("print/y/2.png"), in_temp("print/x/2.png")) == 0);
    CHECK(fingerprint_of(folder) != first); /* one label */
}

/* ---- out of memory, everywhere ---- */

static void faults(void)
{
    const char *folder = new_folder("faults");
    pyr_data_settings s = at_path(folder);
    size_t before;

    write_png(in_temp("faults/train/a/1.png"), 4, 4, 3, 8, 1);
    copy_file(in_temp("faults/train/b/2.jpg"), GOLDEN "cmyk.jpg");
    write_bytes(in_temp("faults/train/b/3.png"), "", 0);
    write_png(in_temp("faults/test/a/4.png"), 6, 4, 1, 16, 1);
    s.skip_bad = s.crop = true;
    s.resize_h = 4;
    before = pyr_mem().live_blocks;
    for (int kind = 0; kind < 3; kind++) {
        s.path = kind == 0 ? folder : kind == 1 ? in_temp("idx_gz") : in_temp("cifar10");
        if (kind == 1)
            idx_folder("idx_gz", true);
        if (kind == 2) {
            static unsigned char bytes[2 * 3073];

            s.path = new_folder("cifar_faults");
            cifar_records(bytes, 2, 10, 0);
            write_bytes(in_temp("cifar_faults/data_batch_1.bin"), bytes, sizeof bytes);
        }
        for (long k = 0;; k++) {
            pyr_dataset *set;

            pyr_mem_fail_after(k);
            pyr_status status = pyr_dataset_open(&set, &s);
            pyr_mem_fail_after(-1);
            if (status == PYR_OK) {
                CHECK(k > 10);
                pyr_dataset_free(set);
                CHECK(pyr_mem().live_blocks == before);
                break;
            }
            if (status != PYR_E_NOMEM || set || pyr_mem().live_blocks != before || k > 1000) {
                CHECK_REPORT("allocation %ld: status %d, %zu blocks left: %s", k, status,
                             pyr_mem().live_blocks - before, pyr_error());
                break;
            }
        }
    }
}

static pyr_status write_everything(const char *png, const char *npz)
{
    static const float x[2 * 4 * 4 * 3];
    static const uint8_t bytes[2 * 4 * 4 * 3];
    const pyr_panel panel = {x, 2, 4, 4, 3};
    const int32_t labels[2] = {0, 1};

    PYR_TRY(pyr_grid_write(png, &panel, 1, (pyr_grid_style){0}, &(pyr_png_text){"seed", "1"}, 1));
    return write_npz(npz, bytes, 2, 4, 4, 3, labels);
}

static void faults_in_writing(void)
{
    size_t before = pyr_mem().live_blocks;
    pyr_status status = PYR_E_NOMEM;
    const char *png = in_temp("fault.png"), *npz = in_temp("fault.npz");

    for (long k = 0; status != PYR_OK; k++) {
        pyr_mem_fail_after(k);
        status = write_everything(png, npz);
        pyr_mem_fail_after(-1);
        if ((status != PYR_OK && status != PYR_E_NOMEM) || pyr_mem().live_blocks != before || k > 1000) {
            CHECK_REPORT("allocation %ld: status %d: %s", k, status, pyr_error());
            break;
        }
    }
    pyr_names names = {0};
    CHECK_OK(pyr_folder_names(&names, temp));
    for (size_t i = 0; i < names.n; i++)
        CHECK(!strstr(names.at[i], ".tmp-"));
    pyr_names_free(&names);
}

/* ---- grids ---- */

static void grids(void)
{
    float fine[3 * 4 * 4], coarse[3 * 2 * 2 * 3];
    pyr_panel panels[2] = {{fine, 3, 4, 4, 1}, {coarse, 3, 2, 2, 3}};
    pyr_image image;

    for (int i = 0; i < 48; i++)
        fine[i] = (float)(2 * i - 255) / 256;
    for (int i = 0; i < 36; i++)
        coarse[i] = (float)(2 * (100 + i) - 255) / 256;

    CHECK_OK(pyr_grid_draw(&image, panels, 1, (pyr_grid_style){.cols = 2, .zoom = 3}));
    CHECK(image.h == 2 * 12 + 2 && image.w == 2 * 12 + 2 && image.c == 1 && image.bits == 8);
    if (image.at) {
        const uint8_t *at = image.at;

        CHECK(at[0] == 0 && at[2] == 0 && at[3] == 1 && at[26 * 3] == 4 && at[11] == 3);
        CHECK(at[12] == 128 && at[13] == 128 && at[14] == 16 && at[26 * 12] == 128);
        CHECK(at[26 * 14] == 32 && at[26 * 25 + 25] == 128); /* the fourth place is empty */
    }
    pyr_image_free(&image);

    CHECK_OK(pyr_grid_draw(&image, panels, 2, (pyr_grid_style){.rows = 3, .zoom = 1, .black = true}));
    CHECK(image.h == 3 * 4 + 2 * 2 && image.w == 4 + 8 + 4 && image.c == 3);
    if (image.at) {
        const uint8_t *at = image.at;

        CHECK(at[0] == 0 && at[3] == 1 && at[4] == 1 && at[5] == 1);        /* grey shown as RGB */
        CHECK(at[12 * 3] == 100 && at[12 * 3 + 1] == 101);                  /* the coarse image, */
        CHECK(at[13 * 3] == 100 && at[14 * 3] == 103 && at[15 * 3] == 103); /* zoomed by 2 */
        CHECK(at[6 * 3] == 0 && at[4 * 48] == 0 && at[6 * 48 + 12 * 3] == 112);
    }
    pyr_image_free(&image);

    /* 3 pixels shown as 4: nearest, no integer ratio */
    panels[1] = (pyr_panel){coarse, 1, 1, 3, 1};
    CHECK_OK(pyr_grid_draw(&image, panels, 2, (pyr_grid_style){.rows = 1}));
    CHECK(image.w == 3 * 4 + 2 * 2 + 8 + 3 * 4 + 2 * 2 && image.h == 4);
    if (image.at) {
        const uint8_t *at = (uint8_t *)image.at + 24;

        CHECK(at[0] == 100 && at[1] == 100 && at[2] == 101 && at[3] == 102 && at[4] == 128);
    }
    pyr_image_free(&image);

    const char *path = in_temp("grid.png");
    CHECK_OK(pyr_grid_write(path, panels, 1, (pyr_grid_style){.zoom = 2}, &(pyr_png_text){"seed", "0-2"}, 1));
    CHECK_OK(pyr_image_read(&image, path));
    CHECK(image.h == 18 && image.w == 18);
    pyr_image_free(&image);
    CHECK_FAILS(pyr_grid_draw(&image, panels, 1, (pyr_grid_style){.zoom = 30000}), PYR_E_FORMAT, "the grid");
}

/* ---- NPZ ---- */

static uint32_t le(const char *at, int n)
{
    uint32_t v = 0;

    for (int i = 0; i < n; i++)
        v |= (uint32_t)(unsigned char)at[i] << 8 * i;
    return v;
}

static uint8_t npz_value(size_t i)
{
    return (uint8_t)(i * 31 + i / 256);
}

static const char *make_npz(void)
{
    static uint8_t images[5 * 6 * 7 * 3];
    const int32_t labels[] = {3, 1, 4, -1, 5};
    const char *path = in_temp("out.npz");
    pyr_npz npz;

    for (size_t i = 0; i < sizeof images; i++)
        images[i] = npz_value(i);
    CHECK_OK(pyr_npz_open(&npz, path, 5, 6, 7, 3, 8));
    CHECK_OK(pyr_npz_add(&npz, images, 2));
    CHECK_OK(pyr_npz_add(&npz, images + 2 * 126, 3));
    CHECK_OK(pyr_npz_close(&npz, labels));
    return path;
}

/* Walks the zip as a reader does: from the end, by the central directory. */
static void npz_structure(void)
{
    const char *path = make_npz();
    size_t n = 0;
    char *bytes = read_all(path, &n);
    const char *end = bytes + n - 22;

    CHECK(le(end, 4) == 0x06054b50 && le(end + 10, 2) == 2);
    CHECK(le(end + 16, 4) + le(end + 12, 4) == n - 22);
    const char *central = bytes + le(end + 16, 4);
    for (int i = 0; i < 2; i++) {
        size_t size = i ? 128 + 5 * 8 : 128 + 5 * 6 * 7 * 3;
        const char *local = bytes + le(central + 42, 4);
        const char *data = local + 30 + le(local + 26, 2) + le(local + 28, 2);

        CHECK(le(central, 4) == 0x02014b50 && le(local, 4) == 0x04034b50);
        CHECK(le(central + 20, 4) == size && le(central + 24, 4) == size && le(local + 18, 4) == size);
        CHECK(memcmp(central + 46, i ? "arr_1.npy" : "arr_0.npy", 9) == 0);
        CHECK(memcmp(local + 30, i ? "arr_1.npy" : "arr_0.npy", 9) == 0);
        uint32_t crc = (uint32_t)crc32(0, (const Bytef *)data, (unsigned)size);
        CHECK(le(central + 16, 4) == crc && le(local + 14, 4) == crc);
        CHECK(memcmp(data, "\x93NUMPY\x01\x00\x76\x00", 10) == 0 && data[127] == '\n' &&
              !memchr(data + 10, 0, 118));
        CHECK(memcmp(data + 10,
                     i ? "{'descr': '<i8', 'fortran_order': False, 'shape': (5,), }"
                       : "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 6, 7, 3), }",
                     i ? 57 : 65) == 0);
        if (i)
            CHECK(le(data + 128, 4) == 3 && le(data + 152, 4) == 0xffffffff &&
                  le(data + 156, 4) == 0xffffffff);
        else
            CHECK((uint8_t)data[128 + 629] == npz_value(629));
        central += 46 + 9 + le(central + 30, 2);
    }
    CHECK(central == end);
    pyr_free(bytes);
    /* Given up: nothing is left. */
    pyr_npz npz;
    CHECK_OK(pyr_npz_open(&npz, in_temp("gone.npz"), 5, 6, 7, 3, 8));
    pyr_npz_abandon(&npz);
    CHECK(access(in_temp("gone.npz"), F_OK) != 0);
    CHECK_FAILS(pyr_npz_open(&npz, "/nonexistent/a.npz", 1, 1, 1, 1, 8), PYR_E_IO, "/nonexistent/a.npz");
}

static void npz_in_numpy(void)
{
    char command[1024];

    if (system("python3 -c 'import numpy' >/dev/null 2>&1") != 0)
        SKIP("no python3 with NumPy");
    snprintf(command, sizeof command,
             "python3 -c 'import numpy as np; f = np.load(\"%s\"); a = f[\"arr_0\"]; i = np.arange(630); "
             "assert a.shape == (5, 6, 7, 3) and a.dtype == np.uint8; assert (a.reshape(-1) == ((i * 31 + i "
             "// 256) & 255)).all(); assert f[\"arr_1\"].tolist() == [3, 1, 4, -1, 5] and "
             "f[\"arr_1\"].dtype == np.int64; assert sorted(f.files) == [\"arr_0\", \"arr_1\"]'",
             make_npz());
    CHECK(system(command) == 0);
}

static void nothing_is_left(void)
{
    CHECK(pyr_mem().live_blocks == 0);
    if (pyr_mem().live_blocks)
        CHECK_REPORT("%zu blocks", pyr_mem().live_blocks);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_make())
        return 1;
    RUN(dyadic_bytes);
    RUN(dyadic_words);
    RUN(convert_rules);
    RUN(png_round_trip);
    RUN(png_kinds);
    RUN(png_damaged);
    RUN(jpeg_matches_pillow);
    RUN(jpeg_damaged);
    RUN(jpeg_of_nothing);
    RUN(false_promises);
    RUN(resize_rules);
    RUN(idx_data);
    RUN(idx_four_channels);
    RUN(idx_damaged);
    RUN(cifar_data);
    RUN(folder_with_classes);
    RUN(folder_with_split);
    RUN(bad_files);
    RUN(sizes);
    RUN(channels);
    RUN(one_image);
    RUN(mirrored_pixels);
    RUN(refused);
    RUN(held_out);
    RUN(fingerprints);
    RUN(faults);
    RUN(faults_in_writing);
    RUN(grids);
    RUN(npz_structure);
    RUN(npz_in_numpy);
    RUN(nothing_is_left);
    temp_remove();
    return CHECK_DONE();
}
