/* npz_arrays.c - headers and values of NumPy's arrays, from NPZ archives and NPY files. */
#include "arrays/npz_arrays.h"

#include "archives/zip_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "arrays are read and written as a little-endian machine has them in memory"
#endif

enum { HEADER_MOST = 1 << 16, PREFIX = 12 /* magic, version, length of the header (2 or 4 bytes) */ };
static const char magic[] = "\x93NUMPY";
enum { MAGIC = sizeof magic - 1 };

static const struct {
    const char *descr, *name; /* of descr the first letter is the order of bytes */
    size_t size;
} types[] = {
    [PYR_NPY_OTHER] = {"", "?", 0},       [PYR_NPY_BOOL] = {"|b1", "bool", 1},
    [PYR_NPY_U1] = {"|u1", "uint8", 1},   [PYR_NPY_U2] = {"<u2", "uint16", 2},
    [PYR_NPY_U4] = {"<u4", "uint32", 4},  [PYR_NPY_U8] = {"<u8", "uint64", 8},
    [PYR_NPY_I1] = {"|i1", "int8", 1},    [PYR_NPY_I2] = {"<i2", "int16", 2},
    [PYR_NPY_I4] = {"<i4", "int32", 4},   [PYR_NPY_I8] = {"<i8", "int64", 8},
    [PYR_NPY_F2] = {"<f2", "float16", 2}, [PYR_NPY_F4] = {"<f4", "float32", 4},
    [PYR_NPY_F8] = {"<f8", "float64", 8},
};
enum { TYPES = sizeof types / sizeof *types };

typedef struct item {
    pyr_array array;
    char *name, *why; /* why it cannot be read as numbers, or NULL; owned */
    size_t entry, header;
    size_t letters; /* of each text; 0: numbers */
    bool fortran, swapped;
    bool wide; /* texts of four bytes a letter, else of one */
} item;

/* A zip of arrays, or one array in a file of its own (zip is NULL). */
struct pyr_arrays {
    pyr_zip *zip;
    char *path;
    uint64_t size; /* of one array's file */
    item *at;
    size_t n;
};

const char *pyr_npy_type_name(pyr_npy_type type)
{
    return types[type].name;
}

size_t pyr_npy_type_size(pyr_npy_type type)
{
    return types[type].size;
}

size_t pyr_array_count(const pyr_array *array)
{
    size_t count = 1;

    for (int i = 0; i < array->rank; i++)
        count *= (size_t)array->shape[i];
    return count;
}

double pyr_npy_value(const void *at, pyr_npy_type type)
{
    union {
        uint16_t u2;
        uint32_t u4;
        uint64_t u8;
        int16_t i2;
        int32_t i4;
        int64_t i8;
        float f4;
        double f8;
    } x;

    memcpy(&x, at, types[type].size);
    switch (type) {
    case PYR_NPY_BOOL:
    case PYR_NPY_U1:
        return *(const uint8_t *)at;
    case PYR_NPY_I1:
        return *(const int8_t *)at;
    case PYR_NPY_U2:
        return x.u2;
    case PYR_NPY_U4:
        return x.u4;
    case PYR_NPY_U8:
        return (double)x.u8;
    case PYR_NPY_I2:
        return x.i2;
    case PYR_NPY_I4:
        return x.i4;
    case PYR_NPY_I8:
        return (double)x.i8;
    case PYR_NPY_F2: { /* sign, 5 bits of exponent, 10 of fraction (IEEE 754) */
        int exponent = x.u2 >> 10 & 31, fraction = x.u2 & 1023;
        double value = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                       : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                      : ldexp(fraction, -24);

        return x.u2 >> 15 ? -value : value;
    }
    case PYR_NPY_F4:
        return (double)x.f4;
    case PYR_NPY_F8:
        return x.f8;
    case PYR_NPY_OTHER:
        break;
    }
    return 0;
}

/* ---- bytes of an array, in order ---- */

static pyr_status cut_short(const pyr_arrays *arrays, const FILE *file)
{
    if (file && ferror((FILE *)file))
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", arrays->path, strerror(errno));
    return pyr_fail(PYR_E_FORMAT, "%s: the file is cut short; copy or make it again", arrays->path);
}

static pyr_status bytes_open(pyr_array_stream *s, const pyr_arrays *arrays, size_t entry)
{
    *s = (pyr_array_stream){.arrays = arrays};
    if (arrays->zip)
        return pyr_zip_stream_open(&s->zip, arrays->zip, entry);
    s->file = fopen(arrays->path, "rb");
    return s->file ? PYR_OK : pyr_fail(PYR_E_IO, "%s: %s", arrays->path, strerror(errno));
}

static pyr_status bytes_read(pyr_array_stream *s, void *dst, size_t n)
{
    if (s->arrays->zip)
        return pyr_zip_stream_read(&s->zip, dst, n);
    return fread(dst, 1, n, s->file) == n ? PYR_OK : cut_short(s->arrays, s->file);
}

void pyr_array_stream_close(pyr_array_stream *s)
{
    pyr_zip_stream_close(&s->zip);
    if (s->file)
        fclose(s->file);
    *s = (pyr_array_stream){0};
}

/* ---- headers ---- */

/* 'U10' or 'S5' behind the order of bytes: so many letters each. */
static bool is_text(item *it, const char *descr)
{
    char kind = *descr ? descr[1] : 0;
    size_t letters = 0;

    if (kind != 'U' && kind != 'S')
        return false;
    for (const char *at = descr + 2; *at; at++) {
        if (*at < '0' || *at > '9' || letters > HEADER_MOST)
            return false;
        letters = 10 * letters + (size_t)(*at - '0');
    }
    it->letters = letters;
    it->wide = kind == 'U';
    it->swapped = *descr == '>';
    return letters > 0;
}

static pyr_status settle_type(item *it, const pyr_npy_header *h, const char *path)
{
    for (int type = 1; type < TYPES; type++)
        if (*h->descr && strchr("<>|=", *h->descr) && strcmp(h->descr + 1, types[type].descr + 1) == 0) {
            it->array.type = (pyr_npy_type)type;
            it->swapped = *h->descr == '>' && types[type].size > 1;
        }
    if (h->rank > PYR_NPY_RANK)
        it->why = pyr_strfmt("%s: array %s has %d dimensions, at most %d are read", path, it->name, h->rank,
                             PYR_NPY_RANK);
    else if (it->array.type != PYR_NPY_OTHER)
        return PYR_OK;
    else if (strchr(h->descr, 'O'))
        it->why = pyr_strfmt("%s: array %s is of type object: Python's own objects, pickled, which are not "
                             "read; save one array of numbers: numpy.stack(list(%s)) makes it where all "
                             "have one shape",
                             path, it->name, it->name);
    else
        it->why = pyr_strfmt("%s: array %s is of type %s, should be one of bool, int8 to int64, uint8 to "
                             "uint64, float16 to float64; convert it with NumPy's astype",
                             path, it->name, *h->descr ? h->descr : "structured");
    if (h->rank <= PYR_NPY_RANK)
        is_text(it, h->descr);
    it->array.type = PYR_NPY_OTHER;
    return it->why ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for the arrays of %s", path);
}

static size_t element_size(const item *it)
{
    return it->letters ? it->letters * (it->wide ? 4 : 1) : types[it->array.type].size;
}

/* The shape's elements are exactly the bytes that follow the header. */
static bool fits(const item *it, uint64_t size)
{
    uint64_t bytes = element_size(it);

    for (int i = 0; i < it->array.rank; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)it->array.shape[i], &bytes))
            return false;
    return bytes <= SIZE_MAX / 2 && size >= it->header && bytes == size - it->header;
}

/* `name`: of the file in sentences, "mu.npy". */
static pyr_status read_header(item *it, pyr_arrays *arrays, const char *name, uint64_t size)
{
    unsigned char prefix[PREFIX];
    char *text = NULL;
    size_t wide, length = 0;
    pyr_npy_header h;
    pyr_array_stream stream = {0};
    pyr_status status;

    PYR_TRY(pyr_format(&it->name, "%.*s", (int)(strlen(name) - strlen(".npy")), name));
    it->array.name = it->name;
    PYR_TRY_OUT(bytes_open(&stream, arrays, it->entry));
    PYR_TRY_OUT(bytes_read(&stream, prefix, 10));
    if (memcmp(prefix, magic, MAGIC) != 0 || prefix[6] < 1 || prefix[6] > 3)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s is not an array in NumPy's format; make the file again",
                             arrays->path, name));
    wide = prefix[6] == 1 ? 2 : 4;
    if (wide == 4)
        PYR_TRY_OUT(bytes_read(&stream, prefix + 10, 2));
    for (size_t i = 0; i < wide; i++)
        length |= (size_t)prefix[8 + i] << 8 * i;
    if (length > HEADER_MOST)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s: a header of %zu bytes, at most %d are expected",
                             arrays->path, name, length, HEADER_MOST));
    PYR_TRY_OUT(pyr_new(&text, length + 1, 1, name));
    PYR_TRY_OUT(bytes_read(&stream, text, length));
    if (!pyr_npy_header_parse(&h, text))
        PYR_TRY_OUT(
            pyr_fail(PYR_E_FORMAT, "%s: %s: the header is damaged: %.200s", arrays->path, name, text));
    it->header = 8 + wide + length;
    it->fortran = h.fortran;
    it->array.rank = h.rank < PYR_NPY_RANK ? h.rank : PYR_NPY_RANK;
    memcpy(it->array.shape, h.shape, sizeof h.shape);
    PYR_TRY_OUT(settle_type(it, &h, arrays->path));
    if ((it->array.type != PYR_NPY_OTHER || it->letters) && !fits(it, size))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                             "%s: %s: %llu bytes do not fit the shape and type that its header promises; "
                             "make the file again",
                             arrays->path, name, (unsigned long long)size));
out:
    pyr_array_stream_close(&stream);
    pyr_free(text);
    return status;
}

/* ---- opening ---- */

static bool is_npy(const char *name)
{
    size_t n = strlen(name);

    return n >= 4 && strcmp(name + n - 4, ".npy") == 0;
}

/* Takes `zip` over. NULL: one array, `size` bytes long, in the file `path`. */
static pyr_status open_arrays(pyr_arrays **out, pyr_zip *zip, uint64_t size, const char *path)
{
    const char *name = pyr_base_name(path);
    pyr_arrays *arrays = NULL;
    char *named = NULL;
    pyr_status status = pyr_new(&arrays, 1, sizeof *arrays, path);

    if (status != PYR_OK) {
        pyr_zip_free(zip);
        return status;
    }
    *arrays = (pyr_arrays){.zip = zip, .size = size};
    PYR_TRY_OUT(pyr_format(&arrays->path, "%s", path));
    PYR_TRY_OUT(pyr_new(&arrays->at, zip ? pyr_zip_count(zip) : 1, sizeof *arrays->at, path));
    PYR_TRY_OUT(pyr_format(&named, "%s%s", name, is_npy(name) ? "" : ".npy"));
    for (size_t i = 0; i < (zip ? pyr_zip_count(zip) : 1); i++) {
        name = zip ? pyr_zip_name(zip, i) : named;
        if (!is_npy(name))
            continue;
        arrays->at[arrays->n].entry = i;
        PYR_TRY_OUT(read_header(&arrays->at[arrays->n++], arrays, name, zip ? pyr_zip_size(zip, i) : size));
    }
    *out = arrays;
    arrays = NULL;
out:
    pyr_free(named);
    pyr_arrays_free(arrays);
    return status;
}

pyr_status pyr_arrays_open(pyr_arrays **out, const char *path)
{
    char start[MAGIC];
    struct stat info;
    pyr_zip *zip;
    size_t n;

    *out = NULL;
    PYR_TRY(pyr_file_start(start, &n, path, MAGIC));
    if (n == MAGIC && memcmp(start, magic, MAGIC) == 0)
        return stat(path, &info) == 0 ? open_arrays(out, NULL, (uint64_t)info.st_size, path)
                                      : pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    PYR_TRY(pyr_zip_open(&zip, path)); /* its sentence is right for a file that is neither */
    return open_arrays(out, zip, 0, path);
}

void pyr_arrays_free(pyr_arrays *arrays)
{
    if (!arrays)
        return;
    for (size_t i = 0; i < arrays->n; i++) {
        pyr_free(arrays->at[i].name);
        pyr_free(arrays->at[i].why);
    }
    pyr_free(arrays->at);
    pyr_free(arrays->path);
    pyr_zip_free(arrays->zip);
    pyr_free(arrays);
}

size_t pyr_arrays_count(const pyr_arrays *arrays)
{
    return arrays->n;
}

const pyr_array *pyr_arrays_at(const pyr_arrays *arrays, size_t i)
{
    return &arrays->at[i].array;
}

const pyr_array *pyr_arrays_find(const pyr_arrays *arrays, const char *name)
{
    for (size_t i = 0; i < arrays->n; i++)
        if (strcmp(arrays->at[i].name, name) == 0)
            return &arrays->at[i].array;
    return NULL;
}

pyr_status pyr_arrays_get(const pyr_array **out, const pyr_arrays *arrays, const char *name)
{
    enum { NAMED = 10 };
    pyr_text list = {0};

    *out = pyr_arrays_find(arrays, name);
    if (*out)
        return PYR_OK;
    for (size_t i = 0; i < arrays->n && i <= NAMED; i++)
        pyr_text_add(&list, "%s%.100s", i ? ", " : "", i < NAMED ? arrays->at[i].name : "...");
    pyr_fail(PYR_E_FORMAT, "%s: no array is named %s; %s%s", arrays->path, name,
             list.at ? "there are: " : "there is none", list.at ? list.at : "");
    pyr_text_free(&list);
    return PYR_E_FORMAT;
}

/* ---- elements in portions ---- */

static const item *item_of(const pyr_array *array)
{
    return (const item *)(const void *)array; /* its first member */
}

/* Behind the header of an array whose elements may be texts. */
static pyr_status elements_open(pyr_array_stream *s, const pyr_arrays *arrays, const item *it)
{
    char skipped[HEADER_MOST + PREFIX];
    pyr_status status;

    assert(it >= arrays->at && it < arrays->at + arrays->n);
    PYR_TRY_OUT(bytes_open(s, arrays, it->entry));
    s->array = &it->array;
    PYR_TRY_OUT(bytes_read(s, skipped, it->header));
out:
    if (status != PYR_OK)
        pyr_array_stream_close(s);
    return status;
}

bool pyr_array_in_order(const pyr_array *array)
{
    return !item_of(array)->fortran || array->rank < 2;
}

pyr_status pyr_array_stream_open(pyr_array_stream *s, const pyr_arrays *arrays, const pyr_array *array)
{
    *s = (pyr_array_stream){0};
    if (item_of(array)->why)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s", item_of(array)->why);
    return elements_open(s, arrays, item_of(array));
}

pyr_status pyr_array_stream_read(pyr_array_stream *s, void *dst, size_t count)
{
    const item *it = item_of(s->array);
    size_t size = element_size(it);

    PYR_TRY(bytes_read(s, dst, count * size));
    if (it->swapped)
        pyr_npy_swap(dst, count, size);
    return PYR_OK;
}

pyr_status pyr_array_stream_end(pyr_array_stream *s)
{
    if (s->arrays->zip)
        return pyr_zip_stream_end(&s->zip);
    return fgetc(s->file) == EOF ? PYR_OK
                                 : pyr_fail(PYR_E_FORMAT, "%s: more follows the array", s->arrays->path);
}

void pyr_npy_swap(void *elements, size_t count, size_t size)
{
    unsigned char *at = elements, keep;

    for (size_t i = 0; i < count; i++, at += size)
        for (size_t left = 0, right = size - 1; left < right; left++, right--) {
            keep = at[left];
            at[left] = at[right];
            at[right] = keep;
        }
}

/* ---- whole arrays ---- */

/* An element of whichever type. */
typedef struct number {
    double real;
    int64_t whole;
    bool is_whole; /* `whole` has the value, exactly */
} number;

static number number_of(const unsigned char *at, pyr_npy_type type)
{
    number x = {.real = pyr_npy_value(at, type)};

    if (type == PYR_NPY_I8) { /* beyond 2^53 a double has not all of them */
        memcpy(&x.whole, at, sizeof x.whole);
        x.is_whole = true;
    } else if (fabs(x.real) < 0x1p63 && trunc(x.real) == x.real) {
        x.whole = (int64_t)x.real;
        x.is_whole = true;
    }
    return x;
}

static bool put(void *dst, size_t i, const unsigned char *at, pyr_npy_type from, pyr_npy_type as, number *x)
{
    if (as == from) {
        memcpy((char *)dst + i * types[as].size, at, types[as].size);
        return true;
    }
    *x = number_of(at, from);
    switch (as) {
    case PYR_NPY_F8:
        ((double *)dst)[i] = x->real;
        return true;
    case PYR_NPY_F4:
        ((float *)dst)[i] = (float)x->real;
        return true;
    case PYR_NPY_I8:
        ((int64_t *)dst)[i] = x->whole;
        return x->is_whole;
    case PYR_NPY_U2:
        ((uint16_t *)dst)[i] = (uint16_t)x->whole;
        return x->is_whole && x->whole >= 0 && x->whole <= UINT16_MAX;
    default:
        assert(as == PYR_NPY_U1);
        ((uint8_t *)dst)[i] = (uint8_t)x->whole;
        return x->is_whole && x->whole >= 0 && x->whole <= UINT8_MAX;
    }
}

/* Steps through the elements in the order of the file; `place` is where each belongs in C's order. */
typedef struct walk {
    int64_t at[PYR_NPY_RANK];
    size_t place;
} walk;

static void next(walk *w, const item *it)
{
    const pyr_array *a = &it->array;
    size_t stride = pyr_array_count(a);

    if (!it->fortran) {
        w->place++;
        return;
    }
    for (int i = 0; i < a->rank; i++) { /* the first index is the fastest */
        stride /= (size_t)a->shape[i];
        w->place += stride;
        if (++w->at[i] < a->shape[i])
            return;
        w->at[i] = 0;
        w->place -= stride * (size_t)a->shape[i];
    }
}

static pyr_status convert(pyr_array_stream *stream, const item *it, void *dst, size_t count, pyr_npy_type as)
{
    unsigned char portion[1 << 14];
    size_t size = types[it->array.type].size, most = sizeof portion / size;
    walk w = {0};
    number x;

    for (size_t done = 0; done < count;) {
        size_t n = count - done < most ? count - done : most;

        PYR_TRY(pyr_array_stream_read(stream, portion, n));
        for (size_t i = 0; i < n; i++) {
            if (!put(dst, w.place, portion + i * size, it->array.type, as, &x))
                return pyr_fail(PYR_E_FORMAT,
                                "%s: array %s: element %zu is %.17g, should be a whole number%s",
                                stream->arrays->path, it->name, w.place, x.real,
                                as == PYR_NPY_U1   ? " from 0 to 255"
                                : as == PYR_NPY_U2 ? " from 0 to 65535"
                                                   : "");
            next(&w, it);
        }
        done += n;
    }
    return PYR_OK;
}

pyr_status pyr_arrays_read(const pyr_arrays *arrays, const pyr_array *array, void *dst, size_t count,
                           pyr_npy_type as)
{
    const item *it = item_of(array);
    pyr_array_stream stream = {0};
    pyr_status status;

    if (it->why)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s", it->why);
    if (count != pyr_array_count(array))
        return pyr_fail(PYR_E_SHAPE, "%s: array %s has %zu elements, should be %zu", arrays->path, it->name,
                        pyr_array_count(array), count);
    PYR_TRY_OUT(pyr_array_stream_open(&stream, arrays, array));
    if (as == array->type && pyr_array_in_order(array))
        PYR_TRY_OUT(pyr_array_stream_read(&stream, dst, count));
    else
        PYR_TRY_OUT(convert(&stream, it, dst, count, as));
    PYR_TRY_OUT(pyr_array_stream_end(&stream));
out:
    pyr_array_stream_close(&stream);
    return status;
}

/* ---- texts ---- */

bool pyr_array_is_text(const pyr_array *array)
{
    return item_of(array)->letters > 0;
}

/* A letter in UTF-8; bytes above 127 of 'S' are taken for Latin-1. What is no letter becomes '?'. */
static size_t put_letter(char *dst, uint32_t letter)
{
    if (letter < 0x80)
        dst[0] = (char)letter;
    else if (letter < 0x800) {
        dst[0] = (char)(0xc0 | letter >> 6);
        dst[1] = (char)(0x80 | (letter & 63));
        return 2;
    } else if (letter < 0x10000 && (letter < 0xd800 || letter > 0xdfff)) {
        dst[0] = (char)(0xe0 | letter >> 12);
        dst[1] = (char)(0x80 | (letter >> 6 & 63));
        dst[2] = (char)(0x80 | (letter & 63));
        return 3;
    } else if (letter >= 0x10000 && letter < 0x110000) {
        dst[0] = (char)(0xf0 | letter >> 18);
        dst[1] = (char)(0x80 | (letter >> 12 & 63));
        dst[2] = (char)(0x80 | (letter >> 6 & 63));
        dst[3] = (char)(0x80 | (letter & 63));
        return 4;
    } else
        dst[0] = '?';
    return 1;
}

static void text_of(char *dst, const unsigned char *at, const item *it)
{
    for (size_t i = 0; i < it->letters; i++) {
        uint32_t letter = at[i];

        if (it->wide) {
            memcpy(&letter, at + 4 * i, 4);
            letter = it->swapped ? __builtin_bswap32(letter) : letter;
        }
        if (!letter) /* shorter ones end in zeros */
            break;
        dst += put_letter(dst, letter);
    }
    *dst = 0;
}

pyr_status pyr_arrays_read_texts(const pyr_arrays *arrays, const pyr_array *array, char **dst, size_t count)
{
    const item *it = item_of(array);
    size_t size = element_size(it);
    pyr_array_stream stream = {0};
    unsigned char *one = NULL;
    pyr_status status;

    assert(it->letters);
    if (count != pyr_array_count(array) || !pyr_array_in_order(array))
        return pyr_fail(PYR_E_SHAPE, "%s: array %s has %zu texts, should be %zu", arrays->path, it->name,
                        pyr_array_count(array), count);
    PYR_TRY_OUT(pyr_new(&one, 1, size, it->name));
    PYR_TRY_OUT(elements_open(&stream, arrays, it));
    for (size_t i = 0; i < count; i++) {
        PYR_TRY_OUT(bytes_read(&stream, one, size));
        PYR_TRY_OUT(pyr_new(&dst[i], 4 * it->letters + 1, 1, it->name));
        text_of(dst[i], one, it);
    }
    PYR_TRY_OUT(pyr_array_stream_end(&stream));
out:
    pyr_array_stream_close(&stream);
    pyr_free(one);
    return status;
}

/* ---- writing ---- */

/* Version 1.0: the dict padded with spaces and a newline, so that the elements begin at a multiple of 64. */
static pyr_status make_npy(char **out, size_t *n, const pyr_array *array)
{
    size_t bytes = pyr_array_count(array) * types[array->type].size, start;
    pyr_text text = {0};
    pyr_status status;

    pyr_text_add_bytes(&text, "\x93NUMPY\x01\x00\x00\x00", 10);
    pyr_text_add(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[array->type].descr);
    for (int i = 0; i < array->rank; i++) /* a tuple of one needs its comma */
        pyr_text_add(&text, i && i == array->rank - 1 ? "%" PRId64 : "%" PRId64 ", ", array->shape[i]);
    pyr_text_add(&text, "), }");
    start = (text.length + 1 + 63) / 64 * 64;
    pyr_text_add(&text, "%*s", (int)(start - text.length), "\n");
    if (text.failed)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the array %s", array->name));
    text.at[8] = (char)((start - 10) & 255);
    text.at[9] = (char)((start - 10) >> 8);
    PYR_TRY_OUT(pyr_new(out, start + bytes, 1, array->name));
    memcpy(*out, text.at, start);
    if (bytes)
        memcpy(*out + start, array->data, bytes);
    *n = start + bytes;
out:
    pyr_text_free(&text);
    return status;
}

pyr_status pyr_arrays_write(const char *path, const pyr_array *arrays, size_t n)
{
    struct {
        char *name, *bytes;
        size_t n;
    } *made = NULL;
    pyr_zip_part *parts = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&made, n, sizeof *made, path));
    PYR_TRY_OUT(pyr_new(&parts, n, sizeof *parts, path));
    for (size_t i = 0; i < n; i++) {
        assert(arrays[i].type != PYR_NPY_OTHER && arrays[i].rank >= 0 && arrays[i].rank <= PYR_NPY_RANK);
        PYR_TRY_OUT(make_npy(&made[i].bytes, &made[i].n, &arrays[i]));
        PYR_TRY_OUT(pyr_format(&made[i].name, "%s.npy", arrays[i].name));
        parts[i] = (pyr_zip_part){made[i].name, made[i].bytes, made[i].n};
    }
    PYR_TRY_OUT(pyr_zip_write(path, parts, n));
out:
    for (size_t i = 0; made && i < n; i++) {
        pyr_free(made[i].name);
        pyr_free(made[i].bytes);
    }
    pyr_free(made);
    pyr_free(parts);
    return status;
}
