/* png_file.c - PNG in and out. */
#include "pictures/png_file.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "pictures/exif.h"
#include "pictures/image_file.h"
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* libpng reports errors by longjmp. All state that a jump crosses lives in this
 * struct in the frame of the caller of the function that calls setjmp: locals
 * of that function itself would be indeterminate after the jump (C11 7.13.2.1). */
typedef struct job {
    png_struct *png;
    png_info *info;
    const char *name;
    const unsigned char *bytes; /* reading */
    size_t n, at;
    pyr_image *image;
    pyr_text *sink; /* writing */
    bool short_read, nomem;
    char reason[128];
    jmp_buf back;
} job;

static void on_error(png_struct *png, const char *message)
{
    job *j = png_get_error_ptr(png);

    snprintf(j->reason, sizeof j->reason, "%s", message);
    longjmp(j->back, 1);
}

/* Warnings are about ancillary chunks: they do not touch the pixels. */
static void on_warning(png_struct *png, const char *message)
{
    (void)png;
    (void)message;
}

static void on_read(png_struct *png, png_byte *dst, size_t n)
{
    job *j = png_get_io_ptr(png);

    if (n > j->n - j->at) {
        j->short_read = true;
        png_error(png, "the file ends early");
    }
    memcpy(dst, j->bytes + j->at, n);
    j->at += n;
}

static pyr_status failed(const job *j)
{
    if (j->nomem || strstr(j->reason, "emory"))
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libpng", j->name);
    if (j->short_read)
        return pyr_fail(PYR_E_FORMAT, "%s: the PNG is cut short after %zu bytes; copy or make it again",
                        j->name, j->n);
    return pyr_fail(PYR_E_FORMAT, "%s: the PNG is damaged (%s); copy or make it again", j->name,
                    *j->reason ? j->reason : "no reason given");
}

bool pyr_png_is(const void *bytes, size_t n)
{
    return pyr_magic_is(&pyr_picture_png.magic[0], bytes, n);
}

/* A palette whose colours are all grey. */
static bool grey_palette(job *j)
{
    png_color *palette;
    int n;

    if (!png_get_PLTE(j->png, j->info, &palette, &n))
        return false;
    for (int i = 0; i < n; i++)
        if (palette[i].red != palette[i].green || palette[i].red != palette[i].blue)
            return false;
    return true;
}

/* Keep one of three equal colours, in place (8 bits, as palettes are). */
static void keep_grey(pyr_image *image)
{
    uint8_t *at = image->at;
    size_t n = (size_t)image->h * (size_t)image->w, from = (size_t)image->c, to = from - 2;

    for (size_t i = 0; i < n; i++) {
        at[i * to] = at[i * from];
        if (to == 2)
            at[i * to + 1] = at[i * from + 3];
    }
    image->c = (int)to;
}

static pyr_status read_header(job *j)
{
    if (setjmp(j->back))
        return failed(j);
    j->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, on_error, on_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    if (!j->info) {
        j->nomem = true;
        return failed(j);
    }
    png_set_read_fn(j->png, j, on_read);
    /* Sizes are judged by pyr_image_new, with a better sentence; text and
     * profiles of a hostile file are bounded here. */
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(j->png, 1 << 22);
    png_set_chunk_cache_max(j->png, 256);
    png_read_info(j->png, j->info);
    return PYR_OK;
}

static pyr_status read_pixels(job *j)
{
    if (setjmp(j->back))
        return failed(j);
    uint64_t h = png_get_image_height(j->png, j->info), w = png_get_image_width(j->png, j->info);
    int bits = png_get_bit_depth(j->png, j->info), colour = png_get_color_type(j->png, j->info);
    uint64_t row = (w * (uint64_t)bits * png_get_channels(j->png, j->info) + 7) / 8;

    /* Deflate makes at most 1032 bytes of one, so a few bytes that promise a
     * huge image are known to be false before its memory is asked for. */
    if (h <= PYR_IMAGE_SIDE && w <= PYR_IMAGE_SIDE && h * row > 1032 * (uint64_t)j->n)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the PNG is cut short or false: %zu bytes cannot hold %llux%llu pixels", j->name,
                        j->n, (unsigned long long)h, (unsigned long long)w);

    png_set_expand(j->png); /* palette, fewer bits, tRNS */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (bits == 16)
        png_set_swap(j->png);
#endif
    int c = (colour & PNG_COLOR_MASK_COLOR ? 3 : 1) +
            (colour & PNG_COLOR_MASK_ALPHA || png_get_valid(j->png, j->info, PNG_INFO_tRNS) ? 1 : 0);
    int passes = png_set_interlace_handling(j->png);

    /* Judges the size, so it comes before libpng takes memory for rows. */
    PYR_TRY(pyr_image_new(j->image, (int64_t)h, (int64_t)w, c, bits == 16 ? 16 : 8, j->name));
    png_read_update_info(j->png, j->info);
    size_t stride = pyr_image_bytes(j->image) / h;
    if (png_get_rowbytes(j->png, j->info) != stride)
        png_error(j->png, "rows of an unexpected length");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < h; y++)
            png_read_row(j->png, (png_byte *)j->image->at + y * stride, NULL);
    png_read_end(j->png, NULL);
    if (colour == PNG_COLOR_TYPE_PALETTE && grey_palette(j))
        keep_grey(j->image);
    return PYR_OK;
}

/* A chunk is its length, four letters, so many bytes, and a checksum (PNG specification, 5.3). */
typedef struct piece {
    const uint8_t *type, *data;
    size_t n;
} piece;

enum { SIGNATURE = 8 /* bytes before the first chunk */ };

/* The chunk at *at, which moves behind it; false: none is whole there. */
static bool next_chunk(piece *out, size_t *at, const uint8_t *bytes, size_t n)
{
    if (n - *at < 12)
        return false;
    *out = (piece){bytes + *at + 4, bytes + *at + 8, png_get_uint_32(bytes + *at)};
    if (out->n > n - *at - 12)
        return false;
    *at += 12 + out->n;
    return true;
}

/* The eXIf chunk, before the pixels or, as ImageMagick writes it, behind them. Looked for here and not by
 * libpng, which knows it from 1.6.32 on and drops those that begin with "Exif". */
static int orientation_of(const uint8_t *bytes, size_t n)
{
    piece c;

    for (size_t at = SIGNATURE; next_chunk(&c, &at, bytes, n);)
        if (memcmp(c.type, "eXIf", 4) == 0)
            return pyr_exif_orientation(c.data, c.n);
    return 1;
}

bool pyr_png_head_text(char *out, size_t room, const void *bytes, size_t n, const char *key)
{
    size_t length = strlen(key) + 1; /* with the NUL behind it */
    piece c;

    if (!pyr_png_is(bytes, n))
        return false;
    for (size_t at = SIGNATURE; next_chunk(&c, &at, bytes, n) && memcmp(c.type, "IDAT", 4) != 0;)
        if (memcmp(c.type, "tEXt", 4) == 0 && c.n >= length && memcmp(c.data, key, length) == 0) {
            snprintf(out, room, "%.*s", (int)(c.n - length), (const char *)c.data + length);
            return true;
        }
    return false;
}

static pyr_status decode_png(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name)
{
    job j = {.name = name, .bytes = bytes, .n = n, .image = out};
    pyr_status status;

    PYR_TRY_OUT(read_header(&j));
    PYR_TRY_OUT(read_pixels(&j));
    *orientation = orientation_of(bytes, n);
out:
    png_destroy_read_struct(&j.png, &j.info, NULL);
    return status;
}

const pyr_picture_format pyr_picture_png = {
    .endings = ".png",
    .help = "every kind: 1 to 16 bits, palettes, alpha, interlaced",
    .magic = {PYR_MAGIC("\x89PNG\r\n\x1a\n", 0)},
    .decode = decode_png,
};

/* ---- writing ---- */

static void on_write(png_struct *png, png_byte *bytes, size_t n)
{
    job *j = png_get_io_ptr(png);

    pyr_text_add_bytes(j->sink, bytes, n);
    if (j->sink->failed) {
        j->nomem = true;
        png_error(png, "out of memory");
    }
}

static void on_flush(png_struct *png)
{
    (void)png;
}

static bool ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 126)
            return false;
    return true;
}

static pyr_status encode(job *j, const pyr_png_text *text, size_t texts)
{
    static const int colours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGB_ALPHA};
    const pyr_image *image = j->image;

    if (setjmp(j->back)) {
        if (j->nomem)
            return pyr_fail(PYR_E_NOMEM, "%s: out of memory for the PNG", j->name);
        return pyr_fail(PYR_E_ARG, "%s: cannot be written as PNG: %s", j->name, j->reason);
    }
    j->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, j, on_error, on_warning);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    if (!j->info)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libpng", j->name);
    png_set_write_fn(j->png, j, on_write, on_flush);
    png_set_IHDR(j->png, j->info, (png_uint_32)image->w, (png_uint_32)image->h, image->bits,
                 colours[image->c - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    for (size_t i = 0; i < texts; i++) {
        bool plain = ascii(text[i].value);
        png_text chunk = {.compression = plain ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE,
                          .key = (char *)text[i].key, /* copied by png_set_text, not written to */
                          .text = (char *)text[i].value};

        png_set_text(j->png, j->info, &chunk, 1);
    }
    png_write_info(j->png, j->info);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (image->bits == 16)
        png_set_swap(j->png);
#endif
    size_t stride = pyr_image_bytes(image) / (size_t)image->h;
    for (int y = 0; y < image->h; y++)
        png_write_row(j->png, (const png_byte *)image->at + (size_t)y * stride);
    png_write_end(j->png, NULL);
    return PYR_OK;
}

pyr_status pyr_png_write(const char *path, const pyr_image *image, const pyr_png_text *text, size_t texts)
{
    pyr_image view = *image;
    pyr_text sink = {0};
    job j = {.name = path, .image = &view, .sink = &sink};
    pyr_status status = encode(&j, text, texts);

    png_destroy_write_struct(&j.png, &j.info);
    if (status == PYR_OK)
        status = pyr_file_replace_unsynced(path, sink.at, sink.length);
    pyr_text_free(&sink);
    return status;
}
