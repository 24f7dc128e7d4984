/* webp_file.c - WebP in, on libwebp.
 *
 * RGB, or RGBA where the file says that it has alpha; 8 bits; lossy files with the decoder's defaults
 * (smooth chroma upsampling), as Pillow reads them. An animation is refused, as is a file that is damaged
 * or cut short. The orientation is that of the EXIF chunk. */
#include "pictures/image_file.h"

#include "pictures/exif.h"
#include <string.h>
#include <webp/decode.h>

static uint32_t le32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The EXIF chunk of an extended file (VP8X) whose flags speak of one. */
static int orientation_of(const uint8_t *bytes, size_t n)
{
    enum { EXIF_FLAG = 8 };

    if (n < 30 || memcmp(bytes + 12, "VP8X", 4) != 0 || !(bytes[20] & EXIF_FLAG))
        return 1;
    for (size_t at = 12; n - at >= 8;) {
        size_t size = le32(bytes + at + 4), left = n - at - 8;

        if (size > left)
            return 1;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            return pyr_exif_orientation(bytes + at + 8, size);
        if (size + size % 2 > left)
            return 1;
        at += 8 + size + size % 2;
    }
    return 1;
}

static pyr_status failed(VP8StatusCode code, const char *name, size_t n)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libwebp", name);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return pyr_fail(PYR_E_FORMAT, "%s: the WebP is cut short after %zu bytes; copy or make it again",
                        name, n);
    default:
        return pyr_fail(PYR_E_FORMAT, "%s: the WebP is damaged; copy or make it again", name);
    }
}

static pyr_status decode_webp(pyr_image *out, int *orientation, const void *file, size_t n, const char *name)
{
    const uint8_t *bytes = file;
    WebPDecoderConfig config;
    VP8StatusCode code;

    if (!WebPInitDecoderConfig(&config))
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: libwebp is older than the one this was built with", name);
    code = WebPGetFeatures(bytes, n, &config.input);
    if (code != VP8_STATUS_OK)
        return failed(code, name, n);
    if (config.input.has_animation)
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: an animated WebP; pictures are read, one a file: take out the frame that is meant (webpmux "
            "-get frame 1 IN -o OUT)",
            name);
    if ((uint64_t)le32(bytes + 4) + 8 > n)
        return failed(VP8_STATUS_NOT_ENOUGH_DATA, name, n);
    int c = config.input.has_alpha ? 4 : 3;

    PYR_TRY(pyr_image_new(out, config.input.height, config.input.width, c, 8, name));
    config.output.colorspace = c == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->at;
    config.output.u.RGBA.stride = c * out->w;
    config.output.u.RGBA.size = pyr_image_bytes(out);
    code = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    *orientation = orientation_of(bytes, n);
    return code == VP8_STATUS_OK ? PYR_OK : failed(code, name, n);
}

const pyr_picture_format pyr_picture_webp = {
    .endings = ".webp",
    .help = "lossy and lossless, RGB and RGBA; no animations",
    .magic = {PYR_MAGIC("RIFF????WEBP", 0)},
    .decode = decode_webp,
};
