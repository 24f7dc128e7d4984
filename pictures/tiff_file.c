/* tiff_file.c - TIFF in, on libtiff (4.5 or newer).
 *
 * Unsigned samples of 1 to 16 bits; grey (also min-is-white), RGB, palettes, CMYK (by the usual product) and
 * YCbCr; with alpha or without; strips or tiles, planes together or apart, BigTIFF, either byte order, every
 * compression that the installed libtiff knows. What comes out is 8 or 16 bits of 1..4 channels: fewer than 8
 * bits are spread over 0..255 and 9 to 15 over 0..65535; a palette becomes RGB of 8 bits (grey when all of
 * its colours are grey); associated (premultiplied) alpha becomes straight.
 *
 * One picture a file: of pages that are marked as thumbnails or masks nothing is read, and two or more pages
 * are refused, as are floats, signed, complex and 32-bit samples, CIE L*a*b*, raw photographs, more bands
 * than a picture has, and what is damaged or cut short. */
#include "pictures/image_file.h"

#include "base/mem.h"
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

/* Handlers of messages that belong to one open file came with 4.5; those before are the whole process's, and
 * pictures are read by many threads. */
#if TIFFLIB_VERSION < 20221213
#error "libtiff 4.5 or newer is needed"
#endif

enum {
    MOST_PAGES = 1000,      /* looked at; more only in a file that means harm */
    MOST_TILE = 1 << 28,    /* bytes of a decoded tile */
    MOST_SAMPLES = 5,       /* of a pixel that are used: CMYK and alpha */
    MOST_BLOCK = 1 << 29,   /* bytes that libtiff may ask for at once */
    TAG_DNG_VERSION = 50706 /* Adobe's raw photographs */
};

typedef enum kind { GREY, RGB, PALETTE, CMYK, BY_LIBTIFF } kind;

typedef struct job {
    TIFF *tiff;
    const uint8_t *bytes; /* the file */
    size_t n, at;
    const char *name;
    pyr_image *image;
    char reason[160]; /* what libtiff said first; "" when nothing */

    /* the page */
    uint32_t h, w;
    uint16_t bits, samples, photometric, compression;
    bool apart, tiled; /* planes; tiles or strips */
    kind kind;
    int colours, used;  /* samples of colour, and with alpha */
    bool premultiplied; /* alpha is associated */
    bool grey;          /* a palette of greys */
    uint8_t palette[3][256];

    /* one strip or tile */
    uint32_t piece_h, piece_w;
    uint8_t *piece[MOST_SAMPLES]; /* as decoded: one, or a plane each */
    size_t piece_bytes, stride;
} job;

/* ---- what libtiff calls ------------------------------------------------------------------------- */

static tmsize_t on_read(thandle_t handle, void *dst, tmsize_t n)
{
    job *j = handle;
    size_t left = j->n - j->at, take = (size_t)n < left ? (size_t)n : left;

    memcpy(dst, j->bytes + j->at, take);
    j->at += take;
    return (tmsize_t)take;
}

static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t n)
{
    (void)handle;
    (void)bytes;
    (void)n;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    job *j = handle;
    uint64_t from = whence == SEEK_CUR ? j->at : whence == SEEK_END ? j->n : 0, to = from + offset;

    if (to > j->n)
        return (toff_t)-1;
    j->at = (size_t)to;
    return to;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((job *)handle)->n;
}

/* The whole file is in memory: libtiff decodes from there. It does not write into it, as files are mapped for
 * reading only otherwise. */
static int on_map(thandle_t handle, void **base, toff_t *n)
{
    job *j = handle;

    *base = (void *)j->bytes;
    *n = j->n;
    return 1;
}

static int on_error(TIFF *tiff, void *data, const char *module, const char *fmt, va_list args)
{
    job *j = data;

    (void)tiff;
    (void)module;
    if (!*j->reason)
        vsnprintf(j->reason, sizeof j->reason, fmt, args);
    return 1; /* nothing goes to the terminal */
}

/* Warnings are about tags that do not touch the pixels, but for libjpeg's, which fills what it cannot read
 * with grey (see jpeg_file.c). */
static int on_warning(TIFF *tiff, void *data, const char *module, const char *fmt, va_list args)
{
    static const char *const harmless[] = {"extraneous", "Adobe", "JFIF"};
    job *j = data;
    char text[sizeof j->reason];

    (void)tiff;
    if (!module || strcmp(module, "JPEGLib") != 0 || *j->reason)
        return 1;
    vsnprintf(text, sizeof text, fmt, args);
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strstr(text, harmless[i]))
            return 1;
    memcpy(j->reason, text, sizeof text);
    return 1;
}

static pyr_status failed(const job *j)
{
    if (strstr(j->reason, "No space") || strstr(j->reason, "ut of memory"))
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libtiff", j->name);
    return pyr_fail(PYR_E_FORMAT, "%s: the TIFF is damaged or cut short (%s); copy or make it again", j->name,
                    *j->reason ? j->reason : "no reason given");
}

/* ---- which page, and what it holds -------------------------------------------------------------- */

static pyr_status choose_page(job *j)
{
    int pages = 0, pictures = 0;
    tdir_t chosen = 0;

    do {
        uint32_t type = 0;

        TIFFGetFieldDefaulted(j->tiff, TIFFTAG_SUBFILETYPE, &type);
        if (!(type & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) && ++pictures == 1)
            chosen = TIFFCurrentDirectory(j->tiff);
    } while (++pages < MOST_PAGES && TIFFReadDirectory(j->tiff));
    if (*j->reason)
        return failed(j);
    if (pictures > 1 || pages == MOST_PAGES)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: a TIFF of %s%d pages; pictures are read, one a file: split it (tiffsplit IN "
                        "OUT-), and keep those that are meant",
                        j->name, pages == MOST_PAGES ? "at least " : "",
                        pages == MOST_PAGES ? pages : pictures);
    return TIFFSetDirectory(j->tiff, chosen) ? PYR_OK : failed(j);
}

static pyr_status check_samples(const job *j)
{
    uint16_t format = SAMPLEFORMAT_UINT;
    uint32_t depth = 1;

    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_IMAGEDEPTH, &depth);
    bool is_float = format == SAMPLEFORMAT_IEEEFP, is_signed = format == SAMPLEFORMAT_INT;
    bool is_complex = format == SAMPLEFORMAT_COMPLEXINT || format == SAMPLEFORMAT_COMPLEXIEEEFP;

    if (depth > 1)
        return pyr_fail(PYR_E_FORMAT, "%s: a TIFF volume of %u slices; save each as a picture of its own",
                        j->name, depth);
    if (is_float || is_signed || is_complex || j->bits < 1 || j->bits > 16)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: its samples are %s%u-bit %s; unsigned ones of 1 to 16 bits are read: scale "
                        "them to 0..65535 and save the TIFF with 16 bits",
                        j->name,
                        is_signed    ? "signed "
                        : is_complex ? "complex "
                        : is_float   ? ""
                                     : "unsigned ",
                        j->bits,
                        is_float     ? "floating-point numbers"
                        : is_complex ? "numbers"
                                     : "integers");
    return PYR_OK;
}

static const char *photometric_name(int photometric)
{
    switch (photometric) {
    case PHOTOMETRIC_MASK:
        return "a transparency mask";
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
    case PHOTOMETRIC_ITULAB:
        return "CIE L*a*b*";
    case PHOTOMETRIC_LOGL:
    case PHOTOMETRIC_LOGLUV:
        return "logarithmic light (LogLuv)";
    case PHOTOMETRIC_SEPARATED:
        return "inks other than CMYK";
    default:
        return "colours of a kind that is not known here";
    }
}

/* A raw photograph shows at most a thumbnail where a picture should be. */
static bool raw_photograph(const job *j)
{
    enum { CFA = 32803, LINEAR_RAW = 34892 };
    uint32_t type = 0;
    uint16_t n;
    void *at;

    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_SUBFILETYPE, &type);
    return j->photometric == CFA || j->photometric == LINEAR_RAW ||
           TIFFGetField(j->tiff, TAG_DNG_VERSION, &at) ||
           (type & FILETYPE_REDUCEDIMAGE && TIFFGetField(j->tiff, TIFFTAG_SUBIFD, &n, &at));
}

static pyr_status find_kind(job *j)
{
    uint16_t inks = INKSET_CMYK;

    if (!TIFFGetField(j->tiff, TIFFTAG_PHOTOMETRIC, &j->photometric))
        j->photometric = j->samples < 3 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
    if (raw_photograph(j))
        return pyr_fail(PYR_E_FORMAT, "%s: a raw photograph; develop it and save it as PNG, JPEG or TIFF",
                        j->name);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_INKSET, &inks);
    j->colours = 1;
    if (j->photometric == PHOTOMETRIC_MINISBLACK || j->photometric == PHOTOMETRIC_MINISWHITE)
        j->kind = GREY;
    else if (j->photometric == PHOTOMETRIC_PALETTE)
        j->kind = PALETTE;
    else if (j->photometric == PHOTOMETRIC_SEPARATED && inks == INKSET_CMYK) {
        j->kind = CMYK;
        j->colours = 4;
    } else if (j->photometric == PHOTOMETRIC_RGB || j->photometric == PHOTOMETRIC_YCBCR) {
        j->kind = RGB;
        j->colours = 3;
    } else
        return pyr_fail(PYR_E_FORMAT, "%s: the TIFF holds %s; convert it to RGB", j->name,
                        photometric_name(j->photometric));

    /* The JPEG codec turns its YCbCr into RGB; that of others, with chroma at half size or not, is for
     * libtiff's own converter. */
    if (j->photometric == PHOTOMETRIC_YCBCR) {
        if (j->compression != COMPRESSION_JPEG || j->apart)
            j->kind = BY_LIBTIFF;
        else if (!TIFFSetField(j->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB))
            return failed(j);
    }
    return PYR_OK;
}

/* What the samples beyond colour are. A single one that the file does not describe is alpha, one that it
 * calls unspecified is left aside (Pillow does both). */
static pyr_status find_alpha(job *j)
{
    uint16_t n = 0, *types = NULL;
    int extra = j->samples - j->colours;

    /* with "Defaulted", untold ones are unspecified */
    TIFFGetField(j->tiff, TIFFTAG_EXTRASAMPLES, &n, &types);
    if (extra < 0 || (extra > 1 && (j->kind == GREY || j->kind == PALETTE)))
        return pyr_fail(PYR_E_FORMAT, "%s: the TIFF has %d samples a pixel, its kind of colour has %d; %s",
                        j->name, j->samples, j->colours,
                        extra < 0 ? "copy or make it again" : "save the bands that are meant as grey or RGB");
    int type = n > 0 ? types[0] : extra == 1 ? EXTRASAMPLE_UNASSALPHA : EXTRASAMPLE_UNSPECIFIED;
    bool alpha = extra > 0 && type != EXTRASAMPLE_UNSPECIFIED;

    j->used = j->colours + (alpha && j->kind != BY_LIBTIFF);
    j->premultiplied = alpha && type == EXTRASAMPLE_ASSOCALPHA;
    return PYR_OK;
}

/* Colour map entries have 16 bits, though some writers leave the upper ones 0. For k of 8 bits both k * 257
 * and k * 256 are written: the upper byte is right for either. */
static pyr_status find_palette(job *j)
{
    size_t n = (size_t)1 << j->bits;
    uint16_t *map[3];
    unsigned all = 0;

    if (j->bits > 8)
        return pyr_fail(PYR_E_FORMAT, "%s: a TIFF palette of %u bits; convert it to RGB", j->name, j->bits);
    if (!TIFFGetField(j->tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return pyr_fail(PYR_E_FORMAT, "%s: the TIFF lacks its palette; copy or make it again", j->name);
    for (size_t i = 0; i < n; i++)
        all |= map[0][i] | map[1][i] | map[2][i];
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < n; i++)
            j->palette[k][i] = (uint8_t)(all < 256 ? map[k][i] : map[k][i] >> 8);
    j->grey = memcmp(j->palette[0], j->palette[1], n) == 0 && memcmp(j->palette[0], j->palette[2], n) == 0;
    return PYR_OK;
}

static pyr_status read_page(job *j, int *orientation)
{
    uint16_t planes = PLANARCONFIG_CONTIG, turned = 1;

    if (!TIFFGetField(j->tiff, TIFFTAG_IMAGEWIDTH, &j->w) ||
        !TIFFGetField(j->tiff, TIFFTAG_IMAGELENGTH, &j->h))
        return failed(j);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_BITSPERSAMPLE, &j->bits);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_SAMPLESPERPIXEL, &j->samples);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_COMPRESSION, &j->compression);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_PLANARCONFIG, &planes);
    TIFFGetFieldDefaulted(j->tiff, TIFFTAG_ORIENTATION, &turned);
    *orientation = turned >= 1 && turned <= 8 ? turned : 1;
    j->apart = planes == PLANARCONFIG_SEPARATE && j->samples > 1;
    j->tiled = TIFFIsTiled(j->tiff);
    PYR_TRY(check_samples(j));
    PYR_TRY(find_kind(j));
    if (!TIFFIsCODECConfigured(j->compression)) {
        const TIFFCodec *codec = TIFFFindCODEC(j->compression);

        return pyr_fail(PYR_E_FORMAT,
                        "%s: the TIFF is compressed by %s (%u), which the installed libtiff does not know; "
                        "save it with LZW or Deflate",
                        j->name, codec ? codec->name : "a method", j->compression);
    }
    PYR_TRY(find_alpha(j));
    return j->kind == PALETTE ? find_palette(j) : PYR_OK;
}

/* ---- samples ------------------------------------------------------------------------------------ */

/* Sample i of a row: bytes, words of this machine, or bits from the most significant on. */
static uint32_t sample(const uint8_t *row, size_t i, int bits)
{
    uint32_t v = 0;
    uint16_t word;

    if (bits == 8)
        return row[i];
    if (bits == 16) {
        memcpy(&word, row + 2 * i, 2);
        return word;
    }
    for (size_t at = i * (size_t)bits; at < (i + 1) * (size_t)bits; at++)
        v = v << 1 | (row[at / 8] >> (7 - at % 8) & 1u);
    return v;
}

/* From 0..top to 0..255 or, above 8 bits, to 0..65535. */
static uint32_t spread(uint32_t v, uint32_t top)
{
    uint32_t wide = top > 255 ? 65535 : 255;

    return top == wide ? v : (v * wide + top / 2) / top;
}

/* One pixel: `in` the samples of the file, `out` those of the picture. */
static void convert_pixel(const job *j, uint32_t *out, uint32_t *in)
{
    uint32_t top = (UINT32_C(1) << j->bits) - 1, alpha = in[j->colours];
    int c = j->image->c, colours = c < 3 ? 1 : 3;

    for (int k = 0; j->premultiplied && k < j->colours; k++) {
        uint32_t straight = alpha ? (in[k] * top + alpha / 2) / alpha : 0;

        in[k] = straight < top ? straight : top;
    }
    for (int k = 0; k < colours; k++)
        if (j->kind == PALETTE)
            out[k] = j->palette[k][in[0]];
        else if (j->kind == CMYK)
            out[k] = spread(((top - in[k]) * (top - in[3]) + top / 2) / top, top);
        else
            out[k] = spread(j->photometric == PHOTOMETRIC_MINISWHITE ? top - in[k] : in[k], top);
    if (c > colours)
        out[colours] = spread(alpha, top);
}

/* What is in the pieces goes to rows and columns from (y0, x0) on. */
static void place(const job *j, uint32_t y0, uint32_t x0, uint32_t rows, uint32_t columns)
{
    size_t c = (size_t)j->image->c, bytes = (size_t)j->image->bits / 8;
    bool as_it_is = !j->apart && !j->premultiplied && j->used == j->samples && j->bits % 8 == 0 &&
                    (j->kind == RGB || j->photometric == PHOTOMETRIC_MINISBLACK);

    for (uint32_t y = 0; y < rows; y++) {
        size_t row = (size_t)y * j->stride;
        uint8_t *dst = (uint8_t *)j->image->at + ((size_t)(y0 + y) * j->w + x0) * c * bytes;

        for (uint32_t x = 0; x < columns && !as_it_is; x++, dst += c * bytes) {
            uint32_t in[MOST_SAMPLES + 1] = {0}, out[4];

            for (size_t k = 0; k < (size_t)j->used; k++)
                in[k] = j->apart ? sample(j->piece[k] + row, x, j->bits)
                                 : sample(j->piece[0] + row, (size_t)x * j->samples + k, j->bits);
            convert_pixel(j, out, in);
            for (size_t k = 0; k < c; k++)
                if (bytes == 1)
                    dst[k] = (uint8_t)out[k];
                else
                    memcpy(dst + 2 * k, &(uint16_t){(uint16_t)out[k]}, 2);
        }
        if (as_it_is)
            memcpy(dst, j->piece[0] + row, columns * c * bytes);
    }
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* The sizes of a strip or tile, which libtiff gives, hold what place() reads of it. */
static pyr_status measure_pieces(job *j)
{
    uint64_t bytes, stride, row;

    if (j->tiled) {
        if (!TIFFGetField(j->tiff, TIFFTAG_TILEWIDTH, &j->piece_w) ||
            !TIFFGetField(j->tiff, TIFFTAG_TILELENGTH, &j->piece_h))
            return failed(j);
        bytes = TIFFTileSize64(j->tiff);
        stride = TIFFTileRowSize64(j->tiff);
    } else {
        j->piece_w = j->w;
        TIFFGetFieldDefaulted(j->tiff, TIFFTAG_ROWSPERSTRIP, &j->piece_h);
        j->piece_h = j->piece_h < j->h ? j->piece_h : j->h;
        bytes = TIFFStripSize64(j->tiff);
        stride = TIFFScanlineSize64(j->tiff);
    }
    row = ((uint64_t)j->piece_w * (j->apart ? 1 : j->samples) * j->bits + 7) / 8;
    if (j->piece_w < 1 || j->piece_h < 1 || stride < row || stride > bytes || bytes / stride < j->piece_h)
        return failed(j);
    if (bytes > (j->tiled ? MOST_TILE : PYR_IMAGE_BYTES))
        return pyr_fail(PYR_E_FORMAT, "%s: %s of %ux%u take %llu bytes, at most %llu are read", j->name,
                        j->tiled ? "TIFF tiles" : "a TIFF strip", j->piece_h, j->piece_w,
                        (unsigned long long)bytes,
                        (unsigned long long)(j->tiled ? MOST_TILE : PYR_IMAGE_BYTES));
    j->piece_bytes = (size_t)bytes;
    j->stride = (size_t)stride;
    return PYR_OK;
}

/* A few bytes that promise a huge picture are known to be false, where the most that a byte can become is
 * known: of Deflate 1032 bytes, of PackBits 64, of LZW a string of 4096 for a code of 9 bits, of fax 8
 * rows. */
static pyr_status check_promise(const job *j)
{
    enum { ROWS = 0 }; /* a row has a bit or more, and w / 8 bytes */
    static const struct {
        uint16_t compression, most;
    } known[] = {
        {COMPRESSION_NONE, 1},         {COMPRESSION_PACKBITS, 64},        {COMPRESSION_LZW, 3641},
        {COMPRESSION_DEFLATE, 1032},   {COMPRESSION_ADOBE_DEFLATE, 1032}, {COMPRESSION_CCITTRLE, ROWS},
        {COMPRESSION_CCITTRLEW, ROWS}, {COMPRESSION_CCITTFAX3, ROWS},     {COMPRESSION_CCITTFAX4, ROWS}};
    uint64_t most = 0, pixels = (uint64_t)j->h * j->w;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].compression == j->compression)
            most = known[i].most == ROWS ? (uint64_t)j->w + 7 : known[i].most;
    if (most && j->h <= PYR_IMAGE_SIDE && j->w <= PYR_IMAGE_SIDE && j->kind != BY_LIBTIFF &&
        pixels * j->bits / 8 * j->samples > most * j->n)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the TIFF is cut short or false: %zu bytes cannot hold %ux%u pixels", j->name,
                        j->n, j->h, j->w);
    return PYR_OK;
}

static pyr_status read_pieces(job *j)
{
    int planes = j->apart ? j->used : 1;

    PYR_TRY(measure_pieces(j));
    for (int k = 0; k < planes; k++)
        PYR_TRY(pyr_new(&j->piece[k], j->piece_bytes, 1, j->name));
    for (uint32_t y = 0; y < j->h; y += j->piece_h)
        for (uint32_t x = 0; x < j->w; x += j->piece_w) {
            uint32_t rows = j->piece_h < j->h - y ? j->piece_h : j->h - y;
            uint32_t columns = j->piece_w < j->w - x ? j->piece_w : j->w - x;

            for (int k = 0; k < planes; k++) {
                tmsize_t room = (tmsize_t)j->piece_bytes, got;
                uint16_t plane = (uint16_t)k;

                if (j->tiled)
                    got = TIFFReadEncodedTile(j->tiff, TIFFComputeTile(j->tiff, x, y, 0, plane), j->piece[k],
                                              room);
                else
                    got =
                        TIFFReadEncodedStrip(j->tiff, TIFFComputeStrip(j->tiff, y, plane), j->piece[k], room);
                if (got < (tmsize_t)(rows * j->stride) || *j->reason)
                    return failed(j);
            }
            place(j, y, x, rows, columns);
        }
    return PYR_OK;
}

/* YCbCr that no codec converts. */
static pyr_status read_by_libtiff(job *j)
{
    size_t n = (size_t)j->h * j->w;
    TIFFRGBAImage rgba;
    uint32_t *raster;
    char why[1024];
    pyr_status status = PYR_OK;

    if (!TIFFRGBAImageOK(j->tiff, why) || !TIFFRGBAImageBegin(&rgba, j->tiff, 1, why))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the TIFF holds colours that cannot be converted (%s); save it as RGB", j->name,
                        *j->reason ? j->reason : why);
    rgba.orientation = rgba.req_orientation = ORIENTATION_TOPLEFT; /* as stored; it is turned by ours */
    status = pyr_new(&raster, n, sizeof *raster, j->name);
    if (status == PYR_OK && (!TIFFRGBAImageGet(&rgba, raster, j->w, j->h) || *j->reason))
        status = failed(j);
    for (size_t i = 0; status == PYR_OK && i < n; i++) {
        uint8_t *dst = (uint8_t *)j->image->at + 3 * i;

        dst[0] = (uint8_t)TIFFGetR(raster[i]);
        dst[1] = (uint8_t)TIFFGetG(raster[i]);
        dst[2] = (uint8_t)TIFFGetB(raster[i]);
    }
    pyr_free(raster);
    TIFFRGBAImageEnd(&rgba);
    return status;
}

static pyr_status open_tiff(job *j)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();

    if (!options)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libtiff", j->name);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, j);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, j);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MOST_BLOCK);
    j->tiff = TIFFClientOpenExt("TIFF", "r", j, on_read, on_write, on_seek, on_close, on_size, on_map, NULL,
                                options);
    TIFFOpenOptionsFree(options);
    return j->tiff ? PYR_OK : failed(j);
}

static pyr_status decode(job *j, int *orientation)
{
    PYR_TRY(open_tiff(j));
    PYR_TRY(choose_page(j));
    PYR_TRY(read_page(j, orientation));
    PYR_TRY(check_promise(j));
    int c = (j->kind == GREY || j->grey ? 1 : 3) + (j->used > j->colours);

    PYR_TRY(pyr_image_new(j->image, j->h, j->w, c, j->bits > 8 ? 16 : 8, j->name));
    return j->kind == BY_LIBTIFF ? read_by_libtiff(j) : read_pieces(j);
}

static pyr_status decode_tiff(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name)
{
    job j = {.name = name, .bytes = bytes, .n = n, .image = out};
    pyr_status status = decode(&j, orientation);

    if (j.tiff)
        TIFFClose(j.tiff);
    for (size_t k = 0; k < sizeof j.piece / sizeof *j.piece; k++)
        pyr_free(j.piece[k]);
    return status;
}

const pyr_picture_format pyr_picture_tiff = {
    .endings = ".tif .tiff",
    .help = "strips and tiles, every usual compression, BigTIFF, CMYK and YCbCr; unsigned samples of 1 "
            "to 16 bits; one picture a file",
    .magic = {PYR_MAGIC("II*\0????", 0), PYR_MAGIC("MM\0*????", 0), PYR_MAGIC("II+\0????", 0),
              PYR_MAGIC("MM\0+????", 0)},
    .decode = decode_tiff,
};
