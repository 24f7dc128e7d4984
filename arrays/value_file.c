/* value_file.c - numbers behind a header, through zlib, and bytes without one, through stdio. */
#include "arrays/value_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "pictures/image.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* Why zlib gave less than was asked for. */
static pyr_status short_of(const pyr_value_file *file, const char *what)
{
    int code = Z_OK;
    const char *reason = gzerror(file->stream, &code);

    if (code == Z_ERRNO)
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", file->path, strerror(errno));
    if (code == Z_MEM_ERROR)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in zlib", file->path);
    if (code == Z_OK || code == Z_BUF_ERROR || code == Z_STREAM_END)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is cut short in its %s; copy or download it again",
                        file->path, what);
    return pyr_fail(PYR_E_FORMAT, "%s: the gzip data is damaged (%s); copy or download it again", file->path,
                    reason);
}

bool pyr_value_file_start(void *dst, size_t n, const char *path)
{
    gzFile file = gzopen(path, "rb");
    bool is = file && gzread(file, dst, (unsigned)n) == (int)n;

    if (file)
        gzclose(file);
    return is;
}

pyr_status pyr_value_file_head(pyr_value_file *file, void *dst, size_t n)
{
    return gzread(file->stream, dst, (unsigned)n) == (int)n ? PYR_OK : short_of(file, "header");
}

/* Check the header against the size of the file and the bounds of pictures. */
static pyr_status check(pyr_value_file *file, uint64_t start)
{
    const int64_t *size = file->size;
    uint64_t all;

    file->count = 1;
    for (int i = 0; i < file->rank; i++) {
        if (size[i] <= 0)
            return pyr_fail(PYR_E_FORMAT, "%s: dimension %d of %d is %lld: nothing is in it", file->path,
                            i + 1, file->rank, (long long)size[i]);
        if (__builtin_mul_overflow(file->count, (uint64_t)size[i], &file->count))
            return pyr_fail(PYR_E_FORMAT, "%s: the header promises more than 2^64 values", file->path);
    }
    if (__builtin_mul_overflow(file->count, pyr_npy_type_size(file->type), &all))
        return pyr_fail(PYR_E_FORMAT, "%s: the header promises more than 2^64 bytes", file->path);
    if (gzdirect(file->stream)) {
        if (file->bytes - start != all)
            return pyr_fail(PYR_E_FORMAT,
                            "%s: %llu bytes follow the header, it promises %llu; copy or download it again",
                            file->path, (unsigned long long)(file->bytes - start), (unsigned long long)all);
    } else if (all / 1032 > file->bytes) /* deflate makes at most 1032 bytes of one */
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the header promises %llu bytes, %llu bytes of gzip cannot hold them; copy or "
                        "download it again",
                        file->path, (unsigned long long)all, (unsigned long long)file->bytes);
    if (file->rank > 2 && (size[1] > PYR_IMAGE_SIDE || size[2] > PYR_IMAGE_SIDE || size[3] > 4 ||
                           file->count / (uint64_t)size[0] > PYR_IMAGE_BYTES))
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: images of %lldx%lld with %lld channels, sides should be at most %d, channels 1..4",
            file->path, (long long)size[1], (long long)size[2], (long long)size[3], PYR_IMAGE_SIDE);
    return PYR_OK;
}

pyr_status pyr_value_file_open(pyr_value_file *out, const char *path, pyr_value_header header)
{
    pyr_status status;

    *out = (pyr_value_file){.path = path, .plain = !header, .size = {1, 1, 1, 1}};
    PYR_TRY(pyr_file_size(&out->bytes, path));
    out->stream =
        header ? (void *)gzopen(path, "rb") : (void *)fopen(path, "rb"); /* gzopen: plain files, too */
    if (!out->stream)
        return pyr_fail(PYR_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (!header) {
        out->type = PYR_NPY_U1;
        out->rank = 1;
        out->size[0] = (int64_t)out->bytes;
        out->count = out->bytes;
        return PYR_OK;
    }
    gzbuffer(out->stream, 1 << 17);
    PYR_TRY_OUT(header(out));
    PYR_TRY_OUT(check(out, (uint64_t)gztell(out->stream)));
    return PYR_OK;
out:
    pyr_value_file_close(out);
    return status;
}

static pyr_status read_plain(const pyr_value_file *file, void *dst, size_t n)
{
    if (fread(dst, 1, n, file->stream) == n)
        return PYR_OK;
    if (ferror((FILE *)file->stream))
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", file->path, strerror(errno));
    return pyr_fail(PYR_E_FORMAT, "%s: the file became shorter while it was read", file->path);
}

pyr_status pyr_value_file_read(pyr_value_file *file, void *dst, uint64_t count)
{
    size_t size = pyr_npy_type_size(file->type);
    uint64_t left = count * size;
    char *at = dst;
    const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

    if (file->plain)
        return read_plain(file, dst, (size_t)left);
    while (left) {
        unsigned part = left < (1u << 30) ? (unsigned)left : 1u << 30;

        if (gzread(file->stream, at, part) != (int)part)
            return short_of(file, "values");
        at += part;
        left -= part;
    }
    if (size > 1 && file->big_endian != big)
        pyr_npy_swap(dst, (size_t)count, size);
    return PYR_OK;
}

pyr_status pyr_value_file_end(pyr_value_file *file)
{
    char extra;
    int code = Z_OK, more;

    if (file->plain)
        return fgetc(file->stream) == EOF
                   ? PYR_OK
                   : pyr_fail(PYR_E_FORMAT, "%s: the file became longer while it was read", file->path);
    /* Reading on reaches the trailer of gzip, and so its checksum; a trailer that is cut short shows in the
     * code only. */
    more = gzread(file->stream, &extra, 1);
    gzerror(file->stream, &code);
    if (more < 0 || (more == 0 && code != Z_OK))
        return short_of(file, "checksum");
    if (more > 0)
        return pyr_fail(PYR_E_FORMAT, "%s: more follows the %llu values that the header promises", file->path,
                        (unsigned long long)file->count);
    return PYR_OK;
}

void pyr_value_file_close(pyr_value_file *file)
{
    if (file->stream && file->plain)
        fclose(file->stream);
    else if (file->stream)
        gzclose(file->stream);
    file->stream = NULL;
}

pyr_status pyr_value_file_whole(int64_t **out, pyr_value_file *met, const char *path, pyr_value_header header)
{
    char *raw = NULL;
    size_t size;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_value_file_open(met, path, header));
    size = pyr_npy_type_size(met->type);
    PYR_TRY_OUT(pyr_new(&raw, met->count, size, path));
    PYR_TRY_OUT(pyr_value_file_read(met, raw, met->count));
    PYR_TRY_OUT(pyr_value_file_end(met));
    PYR_TRY_OUT(pyr_new(out, met->count, sizeof **out, path));
    for (size_t i = 0; i < met->count; i++)
        (*out)[i] = (int64_t)pyr_npy_value(raw + i * size, met->type);
out:
    pyr_free(raw);
    pyr_value_file_close(met);
    return status;
}
