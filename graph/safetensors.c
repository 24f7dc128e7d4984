/* safetensors.c - safetensors files read, checked and written. */
#include "graph/safetensors.h"

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian and read as they stand");
_Static_assert(sizeof(size_t) == 8, "sizes of files are kept in size_t");

static const struct {
    const char *word;
    size_t size;
} dtypes[] = {
    [PYR_ST_U8] = {"U8", 1},   [PYR_ST_F16] = {"F16", 2}, [PYR_ST_BF16] = {"BF16", 2},
    [PYR_ST_I32] = {"I32", 4}, [PYR_ST_U32] = {"U32", 4}, [PYR_ST_F32] = {"F32", 4},
    [PYR_ST_F64] = {"F64", 8}, [PYR_ST_I64] = {"I64", 8},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };
#define DTYPE_WORDS "F32, F16, BF16, F64, I64, I32, U32, U8"

const char *pyr_st_dtype_word(pyr_st_dtype dtype)
{
    return dtypes[dtype].word;
}

size_t pyr_st_dtype_size(pyr_st_dtype dtype)
{
    return dtypes[dtype].size;
}

/* ---- the checksum ---- */

static const char checksum_key[] = "pyrdiff_xxh3";
enum { CHECKSUM_TEXT = 2 * 16 + 2 };

/* Both parts of it while they grow. */
typedef struct checksums {
    pyr_checksum head, body;
} checksums;

static pyr_status checksums_begin(checksums *c)
{
    PYR_TRY(pyr_checksum_begin(&c->head));
    return pyr_checksum_begin(&c->body);
}

static void checksums_free(checksums *c)
{
    pyr_checksum_free(&c->head);
    pyr_checksum_free(&c->body);
}

static void checksums_text(const checksums *c, char text[CHECKSUM_TEXT])
{
    snprintf(text, CHECKSUM_TEXT, "%016" PRIx64 "-%016" PRIx64, pyr_checksum_so_far(&c->head),
             pyr_checksum_so_far(&c->body));
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const pyr_st_pair *)a)->key, ((const pyr_st_pair *)b)->key);
}

/* `pairs`, without the checksum's own, are sorted. */
static void add_pairs(checksums *c, pyr_st_pair *pairs, size_t n)
{
    if (n)
        qsort(pairs, n, sizeof *pairs, by_key);
    pyr_checksum_number(&c->head, n);
    for (size_t i = 0; i < n; i++) {
        pyr_checksum_text(&c->head, pairs[i].key);
        pyr_checksum_text(&c->head, pairs[i].value);
    }
}

static void add_tensor(checksums *c, const char *name, pyr_st_dtype dtype, int rank, const int64_t *dims)
{
    pyr_checksum_text(&c->head, name);
    pyr_checksum_text(&c->head, pyr_st_dtype_word(dtype));
    pyr_checksum_number(&c->head, (uint64_t)rank);
    for (int i = 0; i < rank; i++)
        pyr_checksum_number(&c->head, (uint64_t)dims[i]);
}

/* ---- reading: the header ---- */

struct pyr_safetensors {
    char *name;
    int fd;               /* -1: in memory */
    const char *bytes;    /* NULL: in a file */
    uint64_t size;        /* of the whole */
    uint64_t data_start;  /* where the data section begins */
    pyr_json_value *tree; /* the header; the names and metadata live in it */
    const pyr_json_value *metadata;
    pyr_st_tensor *tensors; /* sorted by name once parsed */
    size_t n;
};

/* Bytes [at, at + n) of the whole, which the caller knows to lie inside. */
static pyr_status get(const pyr_safetensors *file, void *dst, uint64_t at, size_t n)
{
    struct stat now;

    if (file->bytes) {
        if (n)
            memcpy(dst, file->bytes + at, n);
        return PYR_OK;
    }
    if (pyr_read_at(file->fd, dst, n, at))
        return PYR_OK;
    if (errno || fstat(file->fd, &now) != 0)
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", file->name, strerror(errno));
    return pyr_fail(PYR_E_IO, "%s: ended early at byte %llu: it was changed while it was read", file->name,
                    (unsigned long long)now.st_size);
}

/* A whole number that JSON's double holds exactly. */
static bool whole(const pyr_json_value *item, uint64_t *out)
{
    if (!pyr_json_is(item, PYR_JSON_NUMBER) ||
        !(pyr_json_number(item, 0) >= 0 && pyr_json_number(item, 0) <= 0x1p53) ||
        pyr_json_number(item, 0) != floor(pyr_json_number(item, 0)))
        return false;
    *out = (uint64_t)pyr_json_number(item, 0);
    return true;
}

/* "FILE: tensor "NAME": what is wrong"; a long name is cut, not the rest. */
#define TENSOR_FAIL(code, file, tensor, fmt, ...)                                                            \
    pyr_fail(code, "%.400s: tensor \"%.200s\": " fmt, (file)->name, (tensor)->name, __VA_ARGS__)

static pyr_status parse_dtype(const pyr_safetensors *file, pyr_st_tensor *tensor, const pyr_json_value *word)
{
    if (!pyr_json_text(word))
        return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "%s", "its dtype is missing or not a string");
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(pyr_json_text(word), dtypes[i].word) == 0) {
            tensor->dtype = (pyr_st_dtype)i;
            return PYR_OK;
        }
    return TENSOR_FAIL(PYR_E_UNSUPPORTED, file, tensor, "dtype is \"%.40s\", offered are %s",
                       pyr_json_text(word), DTYPE_WORDS);
}

static pyr_status parse_shape(const pyr_safetensors *file, pyr_st_tensor *tensor, const pyr_json_value *shape)
{
    const pyr_json_value *item;
    uint64_t count = 1, dim;

    if (!pyr_json_is(shape, PYR_JSON_ARRAY))
        return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "%s", "its shape is missing or not a list");
    for (int i = 0; i < PYR_ST_MAX_RANK; i++)
        tensor->dims[i] = 1;
    PYR_JSON_EACH(item, shape)
    {
        if (!whole(item, &dim))
            return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "shape[%d] is not a whole number from 0 to 2^53",
                               tensor->rank);
        if (tensor->rank == PYR_ST_MAX_RANK)
            return TENSOR_FAIL(PYR_E_UNSUPPORTED, file, tensor, "has more than %d dimensions",
                               PYR_ST_MAX_RANK);
        tensor->dims[tensor->rank++] = (int64_t)dim;
        if (__builtin_mul_overflow(count, dim, &count))
            return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "%s", "the product of its shape overflows");
    }
    tensor->count = count;
    return PYR_OK;
}

static pyr_status parse_offsets(const pyr_safetensors *file, pyr_st_tensor *tensor,
                                const pyr_json_value *offsets)
{
    uint64_t data = file->size - file->data_start, bytes;

    if (!pyr_json_is(offsets, PYR_JSON_ARRAY) || !pyr_json_first(offsets) ||
        !pyr_json_next(pyr_json_first(offsets)) || pyr_json_next(pyr_json_next(pyr_json_first(offsets))) ||
        !whole(pyr_json_first(offsets), &tensor->begin) ||
        !whole(pyr_json_next(pyr_json_first(offsets)), &tensor->end))
        return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "%s", "its data_offsets are not two whole numbers");
    if (tensor->begin > tensor->end || tensor->end > data)
        return TENSOR_FAIL(PYR_E_FORMAT, file, tensor,
                           "data_offsets are [%llu, %llu], but the file has %llu bytes of data%s",
                           (unsigned long long)tensor->begin, (unsigned long long)tensor->end,
                           (unsigned long long)data,
                           tensor->begin > tensor->end ? "" : "; is it cut off? Copy or download it again");
    if (__builtin_mul_overflow(tensor->count, pyr_st_dtype_size(tensor->dtype), &bytes) ||
        bytes != tensor->end - tensor->begin)
        return TENSOR_FAIL(PYR_E_FORMAT, file, tensor,
                           "has %llu bytes, its shape and dtype %s need %zu elements of %zu",
                           (unsigned long long)(tensor->end - tensor->begin),
                           pyr_st_dtype_word(tensor->dtype), tensor->count, pyr_st_dtype_size(tensor->dtype));
    return PYR_OK;
}

static int by_place(const void *a, const void *b)
{
    const pyr_st_tensor *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) /* an empty tensor stands before the one that begins there */
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pyr_st_tensor *)a)->name, ((const pyr_st_tensor *)b)->name);
}

/* Every byte of the data belongs to exactly one tensor. */
static pyr_status check_cover(const pyr_safetensors *file)
{
    uint64_t covered = 0, data = file->size - file->data_start;

    for (size_t i = 0; i < file->n; i++) {
        const pyr_st_tensor *tensor = &file->tensors[i];

        if (tensor->begin < covered)
            return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "overlaps tensor \"%.200s\" in the data",
                               file->tensors[i - 1].name);
        if (tensor->begin > covered)
            return TENSOR_FAIL(PYR_E_FORMAT, file, tensor,
                               "begins at byte %llu of the data, after a hole at %llu",
                               (unsigned long long)tensor->begin, (unsigned long long)covered);
        covered = tensor->end;
    }
    if (covered != data)
        return pyr_fail(PYR_E_FORMAT, "%s: its tensors end at byte %llu of the data, %llu bytes follow",
                        file->name, (unsigned long long)covered, (unsigned long long)(data - covered));
    return PYR_OK;
}

static pyr_status parse_tree(pyr_safetensors *file)
{
    const pyr_json_value *item;
    size_t n = 0;

    if (!pyr_json_is(file->tree, PYR_JSON_OBJECT))
        return pyr_fail(PYR_E_FORMAT, "%s: its header is not a JSON object", file->name);
    PYR_JSON_EACH(item, file->tree) n++;
    PYR_TRY(pyr_new(&file->tensors, n, sizeof *file->tensors, "the list of tensors"));
    PYR_JSON_EACH(item, file->tree)
    {
        pyr_st_tensor *tensor = &file->tensors[file->n];

        if (strcmp(pyr_json_key(item), "__metadata__") == 0) {
            const pyr_json_value *value;

            file->metadata = item;
            if (!pyr_json_is(item, PYR_JSON_OBJECT))
                return pyr_fail(PYR_E_FORMAT, "%s: __metadata__ is not an object", file->name);
            PYR_JSON_EACH(value, item)
            {
                if (!pyr_json_text(value))
                    return pyr_fail(PYR_E_FORMAT, "%.400s: __metadata__ \"%.200s\" is not a string",
                                    file->name, pyr_json_key(value));
            }
            continue;
        }
        tensor->name = pyr_json_key(item);
        if (!pyr_json_is(item, PYR_JSON_OBJECT))
            return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "%s", "is not an object");
        PYR_TRY(parse_dtype(file, tensor, pyr_json_member(item, "dtype")));
        PYR_TRY(parse_shape(file, tensor, pyr_json_member(item, "shape")));
        PYR_TRY(parse_offsets(file, tensor, pyr_json_member(item, "data_offsets")));
        file->n++;
    }
    if (file->n)
        qsort(file->tensors, file->n, sizeof *file->tensors, by_place);
    PYR_TRY(check_cover(file));
    if (file->n)
        qsort(file->tensors, file->n, sizeof *file->tensors, by_name);
    return PYR_OK;
}

/* What people have when it is not a safetensors file. */
static const char *likely(const char head[8])
{
    if (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "\200\2", 2) == 0)
        return "; it looks like a PyTorch pickle: convert it to safetensors first";
    if (memcmp(head, "version ", 8) == 0)
        return "; it looks like a Git LFS pointer: fetch the file itself (git lfs pull)";
    if (memcmp(head, "<!", 2) == 0 || memcmp(head, "<html", 5) == 0)
        return "; it looks like a web page: download the file itself";
    return "";
}

static pyr_status parse_header(pyr_safetensors *file)
{
    unsigned char head[8];
    uint64_t length = 0;
    const char *hint;
    char *text = NULL;
    pyr_status status;

    if (file->size < sizeof head)
        return pyr_fail(PYR_E_FORMAT, "%s: %llu bytes are too few for a safetensors file", file->name,
                        (unsigned long long)file->size);
    PYR_TRY(get(file, head, 0, sizeof head));
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)head[i] << 8 * i;
    hint = likely((const char *)head);
    if (length < 2 || length > PYR_ST_MAX_HEADER)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: not a safetensors file: its header would have %llu bytes, 2 to %d can be%s",
                        file->name, (unsigned long long)length, PYR_ST_MAX_HEADER, hint);
    if (length > file->size - sizeof head)
        return pyr_fail(PYR_E_FORMAT, "%s: its header has %llu bytes, only %llu follow%s", file->name,
                        (unsigned long long)length, (unsigned long long)(file->size - sizeof head),
                        *hint ? hint : "; is it cut off? Copy or download it again");
    file->data_start = sizeof head + length;
    /* A copy with NULs behind it: cJSON before 1.7.18 may look past the length it is given. */
    PYR_TRY(pyr_new(&text, length + 8, 1, "the header of a safetensors file"));
    PYR_TRY_OUT(get(file, text, sizeof head, length));
    if (text[0] != '{')
        status = pyr_fail(PYR_E_FORMAT, "%s: its header does not begin with {", file->name);
    else if (memchr(text, 0, length) || strstr(text, "\\u0000")) /* cJSON would cut the name there */
        status = pyr_fail(PYR_E_FORMAT, "%s: a zero character in its header", file->name);
    else
        status = pyr_json_parse(&file->tree, text, length, file->name);
out:
    pyr_free(text);
    return status == PYR_OK ? parse_tree(file) : status;
}

/* ---- reading: whether it is what was written ---- */

static pyr_status check_pairs(const pyr_safetensors *file, checksums *c)
{
    const pyr_json_value *item;
    pyr_st_pair *pairs;
    size_t n = 0;

    PYR_JSON_EACH(item, file->metadata) n++;
    PYR_TRY(pyr_new(&pairs, n, sizeof *pairs, "the metadata"));
    n = 0;
    PYR_JSON_EACH(item, file->metadata)
    if (strcmp(pyr_json_key(item), checksum_key) != 0)
        pairs[n++] = (pyr_st_pair){pyr_json_key(item), pyr_json_text(item)};
    add_pairs(c, pairs, n);
    pyr_free(pairs);
    return PYR_OK;
}

/* The data of a tensor, through `block` of BLOCK bytes. */
enum { BLOCK = 1 << 20 };
static pyr_status check_data(const pyr_safetensors *file, const pyr_st_tensor *tensor, pyr_checksum *c,
                             char *block)
{
    for (uint64_t at = tensor->begin; at < tensor->end;) {
        size_t n = tensor->end - at < BLOCK ? (size_t)(tensor->end - at) : BLOCK;

        PYR_TRY(get(file, block, file->data_start + at, n));
        pyr_checksum_add(c, block, n);
        at += n;
    }
    return PYR_OK;
}

static pyr_status damaged(const pyr_safetensors *file)
{
    return pyr_fail(PYR_E_FORMAT,
                    "%s is damaged: its content is not what was written (the checksum %s does not fit); "
                    "copy it again from where it is whole, or, if another program changed it on purpose, "
                    "remove that key from its metadata",
                    file->name, checksum_key);
}

/* `whole`: the body too. */
static pyr_status check_content(const pyr_safetensors *file, bool whole)
{
    const char *stored = pyr_safetensors_metadata(file, checksum_key);
    checksums c = {{0}, {0}};
    char text[CHECKSUM_TEXT], *block = NULL;
    pyr_status status;

    if (!stored)
        return PYR_OK;
    PYR_TRY_OUT(checksums_begin(&c));
    PYR_TRY_OUT(check_pairs(file, &c));
    PYR_TRY_OUT(pyr_new(&block, BLOCK, 1, "a part of a file"));
    for (size_t i = 0; i < file->n; i++) {
        const pyr_st_tensor *tensor = &file->tensors[i];
        bool small = tensor->end - tensor->begin <= PYR_ST_SMALL;

        add_tensor(&c, tensor->name, tensor->dtype, tensor->rank, tensor->dims);
        if (small || whole)
            PYR_TRY_OUT(check_data(file, tensor, small ? &c.head : &c.body, block));
    }
    checksums_text(&c, text);
    if (strlen(stored) != strlen(text) || strncmp(stored, text, whole ? CHECKSUM_TEXT : 16) != 0)
        status = damaged(file);
out:
    checksums_free(&c);
    pyr_free(block);
    return status;
}

static pyr_status open_path(pyr_safetensors *file, const char *path)
{
    struct stat info;

    /* O_NONBLOCK: a pipe is refused below, not waited for. */
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0 || fstat(file->fd, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    file->size = (uint64_t)info.st_size;
    return S_ISREG(info.st_mode) ? PYR_OK : pyr_fail(PYR_E_IO, "%s: not a regular file", path);
}

/* The file `name`, or (bytes not NULL) the n bytes. */
static pyr_status open_file(pyr_safetensors **out, const char *name, const void *bytes, size_t n, bool whole)
{
    pyr_safetensors *file;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&file, 1, sizeof *file, name));
    file->fd = -1;
    file->bytes = bytes;
    file->size = n;
    PYR_TRY_OUT(pyr_format(&file->name, "%s", name));
    if (!bytes)
        PYR_TRY_OUT(open_path(file, name));
    PYR_TRY_OUT(parse_header(file));
    PYR_TRY_OUT(check_content(file, whole));
    *out = file;
    return PYR_OK;
out:
    pyr_safetensors_free(file);
    return status;
}

pyr_status pyr_safetensors_open(pyr_safetensors **out, const char *path)
{
    return open_file(out, path, NULL, 0, true);
}

pyr_status pyr_safetensors_open_head(pyr_safetensors **out, const char *path)
{
    return open_file(out, path, NULL, 0, false);
}

pyr_status pyr_safetensors_parse(pyr_safetensors **out, const void *bytes, size_t n, const char *name)
{
    return bytes ? open_file(out, name, bytes, n, true) : open_file(out, name, "", 0, true);
}

void pyr_safetensors_free(pyr_safetensors *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    pyr_json_free(file->tree);
    pyr_free(file->tensors);
    pyr_free(file->name);
    pyr_free(file);
}

size_t pyr_safetensors_count(const pyr_safetensors *file)
{
    return file->n;
}

const pyr_st_tensor *pyr_safetensors_at(const pyr_safetensors *file, size_t i)
{
    return &file->tensors[i];
}

const pyr_st_tensor *pyr_safetensors_find(const pyr_safetensors *file, const char *name)
{
    pyr_st_tensor key = {.name = name};

    return file->n ? bsearch(&key, file->tensors, file->n, sizeof key, by_name) : NULL;
}

const char *pyr_safetensors_metadata(const pyr_safetensors *file, const char *key)
{
    const pyr_json_value *value = pyr_json_member(file->metadata, key);

    return value ? pyr_json_text(value) : NULL;
}

/* ---- reading: the data ---- */

static bool is_real(pyr_st_dtype dtype)
{
    return dtype == PYR_ST_F16 || dtype == PYR_ST_BF16 || dtype == PYR_ST_F32 || dtype == PYR_ST_F64;
}

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;

    if (exponent == 31) /* infinite or NaN, payload kept */
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) /* zero or subnormal: fraction * 2^-24, exact in float */
        return (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction;
    return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

static double real_at(pyr_st_dtype dtype, const void *bytes, size_t i)
{
    uint16_t half;
    float single;
    double value;

    switch (dtype) {
    case PYR_ST_F16:
        memcpy(&half, (const char *)bytes + 2 * i, 2);
        return float_of_half(half);
    case PYR_ST_BF16: /* the upper half of a float */
        memcpy(&half, (const char *)bytes + 2 * i, 2);
        return float_of_bits((uint32_t)half << 16);
    case PYR_ST_F32:
        memcpy(&single, (const char *)bytes + 4 * i, 4);
        return single;
    default:
        memcpy(&value, (const char *)bytes + 8 * i, 8);
        return value;
    }
}

static int64_t integer_at(pyr_st_dtype dtype, const void *bytes, size_t i)
{
    int32_t i32;
    uint32_t u32;
    int64_t i64;

    switch (dtype) {
    case PYR_ST_U8:
        return ((const unsigned char *)bytes)[i];
    case PYR_ST_I32:
        memcpy(&i32, (const char *)bytes + 4 * i, 4);
        return i32;
    case PYR_ST_U32:
        memcpy(&u32, (const char *)bytes + 4 * i, 4);
        return u32;
    default:
        memcpy(&i64, (const char *)bytes + 8 * i, 8);
        return i64;
    }
}

static pyr_status check_read(const pyr_safetensors *file, const pyr_st_tensor *tensor, size_t count,
                             bool real)
{
    if (is_real(tensor->dtype) != real)
        return TENSOR_FAIL(PYR_E_FORMAT, file, tensor, "dtype is %s, should be %s",
                           pyr_st_dtype_word(tensor->dtype),
                           real ? "F32, F16, BF16 or F64" : "I64, I32, U32 or U8");
    if (tensor->count != count)
        return TENSOR_FAIL(PYR_E_SHAPE, file, tensor, "has %zu elements, should have %zu", tensor->count,
                           count);
    return PYR_OK;
}

/* Elements of any type to `wanted`: F32, F64 or I64. */
static pyr_status read_converted(const pyr_safetensors *file, const pyr_st_tensor *tensor, void *dst,
                                 pyr_st_dtype wanted)
{
    enum { CHUNK = 1024 };
    char bytes[CHUNK * 8];
    size_t size = pyr_st_dtype_size(tensor->dtype), part;

    for (size_t first = 0; first < tensor->count; first += part) {
        part = tensor->count - first < CHUNK ? tensor->count - first : CHUNK;
        PYR_TRY(get(file, bytes, file->data_start + tensor->begin + first * size, part * size));
        for (size_t i = 0; i < part; i++)
            if (wanted == PYR_ST_F32)
                ((float *)dst)[first + i] = (float)real_at(tensor->dtype, bytes, i);
            else if (wanted == PYR_ST_F64)
                ((double *)dst)[first + i] = real_at(tensor->dtype, bytes, i);
            else
                ((int64_t *)dst)[first + i] = integer_at(tensor->dtype, bytes, i);
    }
    return PYR_OK;
}

pyr_status pyr_safetensors_read_f32(const pyr_safetensors *file, const pyr_st_tensor *tensor, float *dst,
                                    size_t count)
{
    PYR_TRY(check_read(file, tensor, count, true));
    if (tensor->dtype == PYR_ST_F32) /* straight to its place, NaN payloads included */
        return get(file, dst, file->data_start + tensor->begin, count * 4);
    return read_converted(file, tensor, dst, PYR_ST_F32);
}

pyr_status pyr_safetensors_read_f64(const pyr_safetensors *file, const pyr_st_tensor *tensor, double *dst,
                                    size_t count)
{
    PYR_TRY(check_read(file, tensor, count, true));
    return read_converted(file, tensor, dst, PYR_ST_F64);
}

pyr_status pyr_safetensors_read_i64(const pyr_safetensors *file, const pyr_st_tensor *tensor, int64_t *dst,
                                    size_t count)
{
    PYR_TRY(check_read(file, tensor, count, false));
    return read_converted(file, tensor, dst, PYR_ST_I64);
}

pyr_status pyr_safetensors_read_bytes(const pyr_safetensors *file, const pyr_st_tensor *tensor, void *dst,
                                      size_t bytes)
{
    if (bytes != tensor->end - tensor->begin)
        return TENSOR_FAIL(PYR_E_SHAPE, file, tensor, "has %llu bytes, should have %zu",
                           (unsigned long long)(tensor->end - tensor->begin), bytes);
    return get(file, dst, file->data_start + tensor->begin, bytes);
}

/* ---- writing ---- */

/* The order of the format's own library: larger types first, so that every
 * tensor is aligned to its element, then by name. */
static int by_file_order(const void *a, const void *b)
{
    const pyr_st_entry *x = *(const pyr_st_entry *const *)a, *y = *(const pyr_st_entry *const *)b;

    if (x->dtype != y->dtype)
        return x->dtype > y->dtype ? -1 : 1;
    return strcmp(x->name, y->name);
}

static pyr_status bytes_of(const char *path, const pyr_st_entry *entry, uint64_t *bytes)
{
    *bytes = pyr_st_dtype_size(entry->dtype);
    if (entry->rank < 0 || entry->rank > PYR_ST_MAX_RANK)
        return pyr_fail(PYR_E_ARG, "%s: tensor \"%s\": rank is %d, should be 0..%d", path, entry->name,
                        entry->rank, PYR_ST_MAX_RANK);
    for (int i = 0; i < entry->rank; i++)
        if (entry->dims[i] < 0 || __builtin_mul_overflow(*bytes, (uint64_t)entry->dims[i], bytes) ||
            *bytes > (uint64_t)1 << 53)
            return pyr_fail(PYR_E_ARG, "%s: tensor \"%s\": dimension %d is %lld: negative or too large", path,
                            entry->name, i, (long long)entry->dims[i]);
    return PYR_OK;
}

static pyr_status write_header(pyr_json *json, const char *path, const pyr_st_entry *const *order, size_t n,
                               const pyr_st_pair *metadata, size_t n_metadata)
{
    uint64_t at = 0, bytes;

    pyr_json_open(json, NULL, '{');
    pyr_json_open(json, "__metadata__", '{');
    for (size_t i = 0; i < n_metadata; i++)
        pyr_json_string(json, metadata[i].key, metadata[i].value);
    pyr_json_close(json, '}');
    for (size_t i = 0; i < n; i++) {
        PYR_TRY(bytes_of(path, order[i], &bytes));
        pyr_json_open(json, order[i]->name, '{');
        pyr_json_string(json, "dtype", pyr_st_dtype_word(order[i]->dtype));
        pyr_json_open(json, "shape", '[');
        for (int d = 0; d < order[i]->rank; d++)
            pyr_json_int(json, NULL, order[i]->dims[d]);
        pyr_json_close(json, ']');
        pyr_json_open(json, "data_offsets", '[');
        pyr_json_int(json, NULL, (int64_t)at);
        pyr_json_int(json, NULL, (int64_t)(at += bytes));
        pyr_json_close(json, ']');
        pyr_json_close(json, '}');
        if (at > (uint64_t)1 << 53)
            return pyr_fail(PYR_E_ARG, "%s: more than 2^53 bytes of tensors", path);
    }
    pyr_json_close(json, '}');
    while (json->text.length % 8 && !json->text.failed)
        pyr_text_add(&json->text, " ");
    if (json->text.failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory: the header of %s", path);
    if (json->text.length > PYR_ST_MAX_HEADER)
        return pyr_fail(PYR_E_ARG, "%s: its header would have %zu bytes, at most %d can be", path,
                        json->text.length, PYR_ST_MAX_HEADER);
    return PYR_OK;
}

static int by_word(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No name twice, none reserved. `names` is room for n + 1. */
static pyr_status check_names(const char *path, const char **names, size_t n, const char *reserved)
{
    names[n] = reserved;
    qsort(names, n + 1, sizeof *names, by_word);
    if (!*names[0])
        return pyr_fail(PYR_E_ARG, "%s: a name is empty", path);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], names[i + 1]) == 0)
            return pyr_fail(PYR_E_ARG, "%s: the name \"%s\" is %s", path, names[i],
                            strcmp(names[i], reserved) == 0 ? "reserved" : "given twice");
    return PYR_OK;
}

static int by_entry_name(const void *a, const void *b)
{
    return strcmp((*(const pyr_st_entry *const *)a)->name, (*(const pyr_st_entry *const *)b)->name);
}

/* Sorts both lists. */
static pyr_status make_checksum(char text[CHECKSUM_TEXT], const char *path, const pyr_st_entry **tensors,
                                size_t n, pyr_st_pair *pairs, size_t n_pairs)
{
    checksums c = {{0}, {0}};
    pyr_status status;

    PYR_TRY_OUT(checksums_begin(&c));
    add_pairs(&c, pairs, n_pairs);
    if (n)
        qsort(tensors, n, sizeof *tensors, by_entry_name);
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes;

        PYR_TRY_OUT(bytes_of(path, tensors[i], &bytes));
        add_tensor(&c, tensors[i]->name, tensors[i]->dtype, tensors[i]->rank, tensors[i]->dims);
        pyr_checksum_add(bytes <= PYR_ST_SMALL ? &c.head : &c.body, tensors[i]->data, bytes);
    }
    checksums_text(&c, text);
out:
    checksums_free(&c);
    return status;
}

/* The pairs of a file: "format", those of the caller, and room for the checksum. */
static pyr_status all_pairs(pyr_st_pair **out, const char *path, const pyr_st_pair *metadata, size_t n)
{
    const char **names;
    pyr_status status;

    PYR_TRY(pyr_new(out, n + 2, sizeof **out, "the metadata"));
    (*out)[0] = (pyr_st_pair){"format", "pt"};
    if (n)
        memcpy(*out + 1, metadata, n * sizeof *metadata);
    PYR_TRY(pyr_new(&names, n + 2, sizeof *names, "the list of names"));
    for (size_t i = 0; i < n; i++)
        names[i] = metadata[i].key;
    names[n] = checksum_key;
    status = check_names(path, names, n + 1, "format");
    pyr_free(names);
    return status;
}

pyr_status pyr_safetensors_write(const char *path, const pyr_st_entry *tensors, size_t n,
                                 const pyr_st_pair *metadata, size_t n_metadata)
{
    const pyr_st_entry **order = NULL;
    const char **names = NULL;
    pyr_st_pair *pairs = NULL;
    pyr_json json = {0};
    pyr_atomic_file file = {0};
    unsigned char head[8];
    char checksum[CHECKSUM_TEXT];
    pyr_status status;

    PYR_TRY_OUT(all_pairs(&pairs, path, metadata, n_metadata));
    PYR_TRY_OUT(pyr_new(&order, n, sizeof *order, "the list of tensors"));
    PYR_TRY_OUT(pyr_new(&names, n + 1, sizeof *names, "the list of names"));
    for (size_t i = 0; i < n; i++)
        names[i] = (order[i] = &tensors[i])->name;
    PYR_TRY_OUT(check_names(path, names, n, "__metadata__"));
    PYR_TRY_OUT(make_checksum(checksum, path, order, n, pairs, n_metadata + 1));
    pairs[n_metadata + 1] = (pyr_st_pair){checksum_key, checksum};
    if (n)
        qsort(order, n, sizeof *order, by_file_order);
    PYR_TRY_OUT(write_header(&json, path, order, n, pairs, n_metadata + 2));

    PYR_TRY_OUT(pyr_atomic_open(&file, path));
    for (int i = 0; i < 8; i++)
        head[i] = (unsigned char)((uint64_t)json.text.length >> 8 * i);
    PYR_TRY_OUT(pyr_atomic_write(&file, head, sizeof head));
    PYR_TRY_OUT(pyr_atomic_write(&file, json.text.at, json.text.length));
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes;

        PYR_TRY_OUT(bytes_of(path, order[i], &bytes));
        PYR_TRY_OUT(pyr_atomic_write(&file, order[i]->data, bytes));
    }
    status = pyr_atomic_commit(&file);
out:
    pyr_atomic_abandon(&file);
    pyr_text_free(&json.text);
    pyr_free(names);
    pyr_free(order);
    pyr_free(pairs);
    return status;
}
