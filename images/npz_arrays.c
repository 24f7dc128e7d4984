#include "images/npz_arrays.h"

#include "base/mem.h"
#include "base/text.h"
#include "images/zip_file.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "arrays are read and written as a little-endian machine has them in memory"
#endif

enum { HEADER_MOST = 1 << 16, PREFIX = 12 /* magic, version, length of the header (2 or 4 bytes) */ };

static const struct {
    const char *descr, *name;
    size_t size;
} types[] = {
    [PYR_NPY_OTHER] = {"", "?", 0},       [PYR_NPY_U1] = {"|u1", "uint8", 1},
    [PYR_NPY_U2] = {"<u2", "uint16", 2},  [PYR_NPY_I4] = {"<i4", "int32", 4},
    [PYR_NPY_I8] = {"<i8", "int64", 8},   [PYR_NPY_F4] = {"<f4", "float32", 4},
    [PYR_NPY_F8] = {"<f8", "float64", 8},
};
enum { TYPES = sizeof types / sizeof *types };

typedef struct item {
    pyr_array array;
    char *name, *why; /* why it cannot be read, or NULL; owned */
    size_t entry, header;
    bool fortran;
} item;

struct pyr_arrays {
    pyr_zip *zip;
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

/* ---- the header: a Python dict of descr, fortran_order, shape ---- */

typedef struct header {
    char descr[32]; /* cut when it is longer; "" when it is not a text */
    bool fortran;
    int rank; /* may be over PYR_NPY_RANK: then only the first are kept */
    int64_t shape[PYR_NPY_RANK];
    unsigned met; /* which keys */
} header;

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t\r\n");
}

static bool skip_char(const char **at, char c)
{
    skip_blanks(at);
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static bool skip_word(const char **at, const char *word)
{
    size_t n = strlen(word);

    skip_blanks(at);
    if (strncmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

/* 'text' or "text"; nothing in an npy header needs escapes. */
static bool read_text(const char **at, char *dst, size_t room)
{
    char quote = **at;
    const char *end;
    size_t n;

    if (quote != '\'' && quote != '"')
        return false;
    end = strchr(++*at, quote);
    if (!end)
        return false;
    n = (size_t)(end - *at) < room - 1 ? (size_t)(end - *at) : room - 1;
    memcpy(dst, *at, n);
    dst[n] = 0;
    *at = end + 1;
    return true;
}

/* A structured type, [('a', '<f4'), ...]: passed over. */
static bool skip_list(const char **at)
{
    int depth = 0;

    do {
        if (!**at)
            return false;
        depth += **at == '[' || **at == '(';
        depth -= **at == ']' || **at == ')';
        ++*at;
    } while (depth > 0);
    return true;
}

static bool read_shape(const char **at, header *h)
{
    if (!skip_char(at, '('))
        return false;
    while (!skip_char(at, ')')) {
        int64_t side = 0;

        if (**at < '0' || **at > '9')
            return false;
        for (; **at >= '0' && **at <= '9'; ++*at)
            if (__builtin_mul_overflow(side, 10, &side) || __builtin_add_overflow(side, **at - '0', &side))
                return false;
        *at += **at == 'L'; /* Python 2 wrote its long numbers so */
        if (h->rank < PYR_NPY_RANK)
            h->shape[h->rank] = side;
        h->rank++;
        if (!skip_char(at, ',') && (skip_blanks(at), **at != ')'))
            return false;
    }
    return true;
}

static bool read_value(const char **at, const char *key, header *h)
{
    skip_blanks(at);
    if (strcmp(key, "descr") == 0) {
        h->met |= 1;
        return **at == '[' ? skip_list(at) : read_text(at, h->descr, sizeof h->descr);
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->met |= 2;
        h->fortran = skip_word(at, "True");
        return h->fortran || skip_word(at, "False");
    }
    if (strcmp(key, "shape") == 0) {
        h->met |= 4;
        return read_shape(at, h);
    }
    return false;
}

/* `text` ends in a NUL. */
static bool read_dict(const char *text, header *h)
{
    char key[16];

    *h = (header){.shape = {1, 1, 1, 1}};
    if (!skip_char(&text, '{'))
        return false;
    while (!skip_char(&text, '}')) {
        unsigned met = h->met;

        if (!read_text(&text, key, sizeof key) || !skip_char(&text, ':') || !read_value(&text, key, h) ||
            h->met == met)
            return false;
        if (!skip_char(&text, ',') && *text != '}')
            return false;
    }
    skip_blanks(&text);
    return h->met == 7 && !*text;
}

/* What is not read is kept with the sentence that a reader will get. */
static pyr_status settle_type(item *it, const header *h, const char *path)
{
    for (int type = PYR_NPY_U1; type < TYPES; type++)
        if (strcmp(h->descr, types[type].descr) == 0 || (type == PYR_NPY_U1 && strcmp(h->descr, "<u1") == 0))
            it->array.type = (pyr_npy_type)type;
    if (h->rank > PYR_NPY_RANK)
        it->why = pyr_strfmt("%s: array %s has %d dimensions, at most %d are read", path, it->name, h->rank,
                             PYR_NPY_RANK);
    else if (it->array.type == PYR_NPY_OTHER)
        it->why =
            pyr_strfmt("%s: array %s is of type %s, should be one of uint8, uint16, int32, int64, float32, "
                       "float64 (little-endian); convert it with NumPy's astype",
                       path, it->name, *h->descr ? h->descr : "structured");
    else
        return PYR_OK;
    it->array.type = PYR_NPY_OTHER;
    return it->why ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for the arrays of %s", path);
}

/* The shape's elements are exactly the bytes that follow the header. */
static bool fits(const item *it, uint64_t size)
{
    uint64_t bytes = types[it->array.type].size;

    for (int i = 0; i < it->array.rank; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)it->array.shape[i], &bytes))
            return false;
    return bytes <= SIZE_MAX / 2 && size >= it->header && bytes == size - it->header;
}

static pyr_status read_header(item *it, pyr_zip *zip)
{
    const char *path = pyr_zip_path(zip), *name = pyr_zip_name(zip, it->entry);
    unsigned char prefix[PREFIX];
    char *text = NULL;
    size_t wide, length;
    header h;
    pyr_zip_stream stream = {0};
    pyr_status status;

    it->name = pyr_strfmt("%.*s", (int)(strlen(name) - strlen(".npy")), name);
    if (!it->name)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the arrays of %s", path);
    it->array.name = it->name;
    PYR_TRY_OUT(pyr_zip_stream_open(&stream, zip, it->entry));
    PYR_TRY_OUT(pyr_zip_stream_read(&stream, prefix, 10));
    if (memcmp(prefix, "\x93NUMPY", 6) != 0 || prefix[6] < 1 || prefix[6] > 3)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s is not an array in NumPy's format; make the file again",
                             path, name));
    wide = prefix[6] == 1 ? 2 : 4;
    if (wide == 4)
        PYR_TRY_OUT(pyr_zip_stream_read(&stream, prefix + 10, 2));
    length = prefix[8] | (size_t)prefix[9] << 8;
    if (wide == 4)
        length |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
    if (length > HEADER_MOST)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s: a header of %zu bytes, at most %d are expected", path,
                             name, length, HEADER_MOST));
    PYR_TRY_OUT(pyr_new(&text, length + 1, 1, name));
    PYR_TRY_OUT(pyr_zip_stream_read(&stream, text, length));
    if (!read_dict(text, &h))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s: the header is damaged: %.200s", path, name, text));
    it->header = 8 + wide + length;
    it->fortran = h.fortran;
    it->array.rank = h.rank < PYR_NPY_RANK ? h.rank : PYR_NPY_RANK;
    memcpy(it->array.shape, h.shape, sizeof h.shape);
    PYR_TRY_OUT(settle_type(it, &h, path));
    if (it->array.type != PYR_NPY_OTHER && !fits(it, pyr_zip_size(zip, it->entry)))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                             "%s: %s: %llu bytes do not fit the shape and type that its header promises; "
                             "make the file again",
                             path, name, (unsigned long long)pyr_zip_size(zip, it->entry)));
out:
    pyr_zip_stream_close(&stream);
    pyr_free(text);
    return status;
}

/* ---- opening ---- */

static bool is_npy(const char *name)
{
    size_t n = strlen(name);

    return n >= 4 && strcmp(name + n - 4, ".npy") == 0;
}

/* Takes `zip` over. */
static pyr_status open_zip(pyr_arrays **out, pyr_zip *zip)
{
    pyr_arrays *arrays = NULL;
    pyr_status status = pyr_new(&arrays, 1, sizeof *arrays, pyr_zip_path(zip));

    if (status != PYR_OK) {
        pyr_zip_free(zip);
        return status;
    }
    arrays->zip = zip;
    PYR_TRY_OUT(pyr_new(&arrays->at, pyr_zip_count(zip), sizeof *arrays->at, pyr_zip_path(zip)));
    for (size_t i = 0; i < pyr_zip_count(zip); i++)
        if (is_npy(pyr_zip_name(zip, i))) {
            item *it = &arrays->at[arrays->n++];

            it->entry = i;
            PYR_TRY_OUT(read_header(it, zip));
        }
    *out = arrays;
    return PYR_OK;
out:
    pyr_arrays_free(arrays);
    return status;
}

pyr_status pyr_arrays_open(pyr_arrays **out, const char *path)
{
    pyr_zip *zip;

    *out = NULL;
    PYR_TRY(pyr_zip_open(&zip, path));
    return open_zip(out, zip);
}

pyr_status pyr_arrays_parse(pyr_arrays **out, const void *bytes, size_t n, const char *name)
{
    pyr_zip *zip;

    *out = NULL;
    PYR_TRY(pyr_zip_parse(&zip, bytes, n, name));
    return open_zip(out, zip);
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
    pyr_fail(PYR_E_FORMAT, "%s: no array is named %s; %s%s", pyr_zip_path(arrays->zip), name,
             list.at ? "there are: " : "there is none", list.at ? list.at : "");
    pyr_text_free(&list);
    return PYR_E_FORMAT;
}

/* ---- reading ---- */

/* An element of whichever type. */
typedef struct number {
    double real;
    int64_t whole;
    bool is_whole; /* `whole` has the value, exactly */
} number;

static number number_of(const unsigned char *at, pyr_npy_type type)
{
    number x = {.is_whole = true};
    uint16_t u2;
    int32_t i4;
    float f4;

    switch (type) {
    case PYR_NPY_U1:
        x.whole = *at;
        break;
    case PYR_NPY_U2:
        memcpy(&u2, at, sizeof u2);
        x.whole = u2;
        break;
    case PYR_NPY_I4:
        memcpy(&i4, at, sizeof i4);
        x.whole = i4;
        break;
    case PYR_NPY_I8:
        memcpy(&x.whole, at, sizeof x.whole);
        break;
    case PYR_NPY_F4:
        memcpy(&f4, at, sizeof f4);
        x.real = (double)f4;
        x.is_whole = false;
        break;
    case PYR_NPY_F8:
        memcpy(&x.real, at, sizeof x.real);
        x.is_whole = false;
        break;
    case PYR_NPY_OTHER:
        break;
    }
    if (x.is_whole)
        x.real = (double)x.whole;
    else if (fabs(x.real) < 0x1p63 && trunc(x.real) == x.real) {
        x.whole = (int64_t)x.real;
        x.is_whole = true;
    }
    return x;
}

typedef enum target { TO_F64, TO_F32, TO_I64, TO_U8, TO_U16 } target;

static bool put(void *dst, size_t i, const number *x, target to)
{
    switch (to) {
    case TO_F64:
        ((double *)dst)[i] = x->real;
        return true;
    case TO_F32:
        ((float *)dst)[i] = (float)x->real;
        return true;
    case TO_I64:
        ((int64_t *)dst)[i] = x->whole;
        return x->is_whole;
    case TO_U8:
        ((uint8_t *)dst)[i] = (uint8_t)x->whole;
        return x->is_whole && x->whole >= 0 && x->whole <= UINT8_MAX;
    case TO_U16:
        ((uint16_t *)dst)[i] = (uint16_t)x->whole;
        return x->is_whole && x->whole >= 0 && x->whole <= UINT16_MAX;
    }
    return false;
}

/* Steps through the elements as they stand in the file and says where each belongs in C's order. */
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

static pyr_status convert(pyr_zip_stream *stream, const item *it, void *dst, size_t count, target to)
{
    unsigned char portion[1 << 14];
    size_t size = types[it->array.type].size, most = sizeof portion / size;
    walk w = {0};

    for (size_t done = 0; done < count;) {
        size_t n = count - done < most ? count - done : most;

        PYR_TRY(pyr_zip_stream_read(stream, portion, n * size));
        for (size_t i = 0; i < n; i++) {
            number x = number_of(portion + i * size, it->array.type);

            if (!put(dst, w.place, &x, to))
                return pyr_fail(PYR_E_FORMAT,
                                "%s: array %s: element %zu is %.17g, should be a whole number%s",
                                pyr_zip_path(stream->zip), it->name, w.place, x.real,
                                to == TO_U8    ? " from 0 to 255"
                                : to == TO_U16 ? " from 0 to 65535"
                                               : "");
            next(&w, it);
        }
        done += n;
    }
    return PYR_OK;
}

static pyr_status read_as(const pyr_arrays *arrays, const pyr_array *array, void *dst, size_t count,
                          target to)
{
    const item *it = (const item *)(const void *)array; /* its first member */
    pyr_zip_stream stream = {0};
    char skipped[HEADER_MOST + PREFIX];
    pyr_status status;

    assert(it >= arrays->at && it < arrays->at + arrays->n);
    if (it->why)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s", it->why);
    if (count != pyr_array_count(array))
        return pyr_fail(PYR_E_SHAPE, "%s: array %s has %zu elements, should be %zu",
                        pyr_zip_path(arrays->zip), it->name, pyr_array_count(array), count);
    PYR_TRY_OUT(pyr_zip_stream_open(&stream, arrays->zip, it->entry));
    PYR_TRY_OUT(pyr_zip_stream_read(&stream, skipped, it->header));
    if (to == TO_U8 && array->type == PYR_NPY_U1 && !it->fortran)
        PYR_TRY_OUT(pyr_zip_stream_read(&stream, dst, count));
    else
        PYR_TRY_OUT(convert(&stream, it, dst, count, to));
    PYR_TRY_OUT(pyr_zip_stream_end(&stream));
out:
    pyr_zip_stream_close(&stream);
    return status;
}

pyr_status pyr_arrays_read_f64(const pyr_arrays *arrays, const pyr_array *array, double *dst, size_t count)
{
    return read_as(arrays, array, dst, count, TO_F64);
}

pyr_status pyr_arrays_read_f32(const pyr_arrays *arrays, const pyr_array *array, float *dst, size_t count)
{
    return read_as(arrays, array, dst, count, TO_F32);
}

pyr_status pyr_arrays_read_i64(const pyr_arrays *arrays, const pyr_array *array, int64_t *dst, size_t count)
{
    return read_as(arrays, array, dst, count, TO_I64);
}

pyr_status pyr_arrays_read_u8(const pyr_arrays *arrays, const pyr_array *array, uint8_t *dst, size_t count)
{
    return read_as(arrays, array, dst, count, TO_U8);
}

pyr_status pyr_arrays_read_u16(const pyr_arrays *arrays, const pyr_array *array, uint16_t *dst, size_t count)
{
    return read_as(arrays, array, dst, count, TO_U16);
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
    if (text.failed) {
        status = pyr_fail(PYR_E_NOMEM, "out of memory for the array %s", array->name);
        goto out;
    }
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
        made[i].name = pyr_strfmt("%s.npy", arrays[i].name);
        if (!made[i].name)
            PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the array %s", arrays[i].name));
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
