/* jpeg_file.c - JPEG in, on libjpeg (-turbo).
 *
 * Grey files give 1 channel, all others RGB (CMYK by the usual product); 8 bits. The decoder runs with its
 * defaults (slow integer DCT, smooth chroma upsampling), as Pillow's does. A file that is damaged or cut
 * short is refused with PYR_E_FORMAT, although libjpeg would fill the rest with grey. The orientation is
 * that of the first Exif marker. */
#include "pictures/image_file.h"

#include "base/mem.h"
#include "pictures/exif.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h> /* needs stdio.h before it */

#include <jerror.h>

/* A progressive file of a few bytes can ask for the whole image to be gone over
 * in every scan; real encoders use about ten. More than USUAL_SCANS are believed
 * as far as the bytes would do for as many pixels in one (PIXELS_A_BYTE). */
enum { MOST_SCANS = 200, USUAL_SCANS = 20, PIXELS_A_BYTE = 8192 };

/* libjpeg reports errors by longjmp; see png_file.c on why all state that a
 * jump crosses is here, in the caller's frame. */
typedef struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    const char *name;
    size_t bytes; /* of the file */
    pyr_image *image;
    int *orientation;
    JSAMPLE *cmyk; /* one row, for files of four components */
    bool nomem;
    char reason[JMSG_LENGTH_MAX];
    jmp_buf back;
} job;

static void on_error(j_common_ptr jpeg)
{
    job *j = jpeg->client_data;

    jpeg->err->format_message(jpeg, j->reason);
    j->nomem = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(j->back, 1);
}

/* Level -1 is a warning about damaged data, from which libjpeg goes on with
 * grey or garbage. Those that do not touch the pixels pass. */
static void on_message(j_common_ptr jpeg, int level)
{
    int code = jpeg->err->msg_code;

    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR)
        return;
    on_error(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg; /* nothing goes to the terminal */
}

static void on_progress(j_common_ptr jpeg)
{
    job *j = jpeg->client_data;
    int scan = j->jpeg.input_scan_number;
    uint64_t pixels = (uint64_t)j->jpeg.image_width * j->jpeg.image_height;

    if (scan <= USUAL_SCANS ||
        (scan <= MOST_SCANS && pixels * (uint64_t)scan <= PIXELS_A_BYTE * (uint64_t)j->bytes))
        return;
    snprintf(j->reason, sizeof j->reason, "%d scans and more in %zu bytes", scan, j->bytes);
    longjmp(j->back, 1);
}

/* The first APP1 marker that is Exif and not XMP. */
static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->data_length >= 6 && memcmp(m->data, "Exif\0", 5) == 0)
            return pyr_exif_orientation(m->data, m->data_length);
    return 1;
}

/* Files with an Adobe marker hold inverted CMYK, that is, 255 minus ink. */
static void rgb_of_cmyk(uint8_t *rgb, const JSAMPLE *cmyk, size_t n, bool inverted)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 3; k++) {
            unsigned light = inverted ? cmyk[4 * i + k] : 255u - cmyk[4 * i + k];
            unsigned key = inverted ? cmyk[4 * i + 3] : 255u - cmyk[4 * i + 3];

            rgb[3 * i + k] = (uint8_t)((light * key + 127) / 255);
        }
}

static pyr_status decode(job *j, const void *bytes, size_t n)
{
    struct jpeg_decompress_struct *jpeg = &j->jpeg;

    if (setjmp(j->back)) {
        if (j->nomem)
            return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libjpeg", j->name);
        return pyr_fail(PYR_E_FORMAT, "%s: the JPEG is damaged or cut short (%s); copy or make it again",
                        j->name, j->reason);
    }
    jpeg_create_decompress(jpeg);
    jpeg->client_data = j;
    jpeg->progress = &j->progress;
    jpeg_mem_src(jpeg, bytes, (unsigned long)n);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    *j->orientation = orientation_of(jpeg);

    /* One bit is the least that Huffman coding spends on a block, and the sampling factors let a block stand
     * for at most 32x32 pixels. Arithmetic coding can spend less, on a plain picture alone: a few bytes of
     * it that stand for gigabytes are refused all the same. */
    if ((uint64_t)jpeg->image_width * jpeg->image_height > PIXELS_A_BYTE * (uint64_t)n)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the JPEG is cut short or false: %zu bytes cannot hold %ux%u pixels", j->name, n,
                        jpeg->image_height, jpeg->image_width);
    bool grey = jpeg->jpeg_color_space == JCS_GRAYSCALE, cmyk = jpeg->num_components == 4;
    jpeg->out_color_space = grey ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
    PYR_TRY(pyr_image_new(j->image, jpeg->image_height, jpeg->image_width, grey ? 1 : 3, 8, j->name));
    if (cmyk)
        PYR_TRY(pyr_new(&j->cmyk, jpeg->image_width, 4, j->name));

    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *row = (uint8_t *)j->image->at +
                       (size_t)jpeg->output_scanline * jpeg->output_width * (size_t)j->image->c;
        JSAMPLE *target = cmyk ? j->cmyk : row;

        if (jpeg_read_scanlines(jpeg, &target, 1) != 1)
            break; /* a source in memory never suspends */
        if (cmyk)
            rgb_of_cmyk(row, j->cmyk, jpeg->output_width, jpeg->saw_Adobe_marker);
    }
    jpeg_finish_decompress(jpeg);
    return PYR_OK;
}

static pyr_status decode_jpeg(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name)
{
    job j = {.name = name, .bytes = n, .image = out, .orientation = orientation};
    pyr_status status;

    j.jpeg.err = jpeg_std_error(&j.errors);
    j.jpeg.client_data = &j; /* kept by jpeg_create_decompress; a jump may come from there */
    j.errors.error_exit = on_error;
    j.errors.emit_message = on_message;
    j.errors.output_message = on_output;
    j.progress.progress_monitor = on_progress;
    status = decode(&j, bytes, n);
    jpeg_destroy_decompress(&j.jpeg);
    pyr_free(j.cmyk);
    return status;
}

const pyr_picture_format pyr_picture_jpeg = {
    .endings = ".jpg .jpeg .jpe .jfif",
    .help = "baseline and progressive, grey, RGB and CMYK; 8 bits",
    .magic = {PYR_MAGIC("\xff\xd8\xff", 0)},
    .decode = decode_jpeg,
};
