/* packed_parts.c - records of elements to samples, in portions; and what the values of a set are. */
#include "images/packed_parts.h"

#include "base/limits.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum { PORTION = 1 << 18 /* bytes that are read at a time, or one record */ };

/* A value v becomes the sample round((v - low) / (high - low) * top), clamped to 0..top. */
typedef struct mapping {
    double low, high;
    int bits;
    bool ranged;
} mapping;

typedef struct packed_parts {
    pyr_packed packed; /* first, so that a pyr_packed is one */
    pyr_parts parts;
    mapping map;
    size_t part;   /* that is read */
    int64_t image; /* of it, that comes next */
    bool open;
    char *portion;
} packed_parts;

/* ---- the elements of a part, in order ---- */

/* Of a file, or of an array: what both were at first is kept, to notice a change. */
struct pyr_part_bytes {
    char *path;
    pyr_value_header header;
    pyr_value_file file, met;
    char *name; /* of the array; NULL: a file */
    pyr_array array;
    pyr_arrays *arrays;
    pyr_array_stream stream;
    char *block; /* of an array in Fortran's order, in C's; kept */
    size_t next; /* element of the block */
};

void pyr_part_close(pyr_part_bytes *b)
{
    pyr_value_file_close(&b->file);
    pyr_array_stream_close(&b->stream);
    pyr_arrays_free(b->arrays);
    b->arrays = NULL;
}

static void bytes_free(pyr_part_bytes *b)
{
    if (!b)
        return;
    pyr_part_close(b);
    pyr_free(b->block);
    pyr_free(b->path);
    pyr_free(b->name);
    pyr_free(b);
}

static pyr_status file_open(pyr_part_bytes *b)
{
    PYR_TRY(pyr_value_file_open(&b->file, b->path, b->header));
    if (b->file.type == b->met.type && memcmp(b->file.size, b->met.size, sizeof b->met.size) == 0)
        return PYR_OK;
    pyr_part_close(b);
    return pyr_fail(PYR_E_FORMAT, "%s: the file became another one while it was read", b->path);
}

static pyr_status array_open(pyr_part_bytes *b)
{
    const pyr_array *array;
    pyr_status status;

    b->next = 0;
    if (b->block)
        return PYR_OK;
    PYR_TRY(pyr_arrays_open(&b->arrays, b->path));
    PYR_TRY_OUT(pyr_arrays_get(&array, b->arrays, b->name));
    if (array->type != b->array.type || memcmp(array->shape, b->array.shape, sizeof array->shape) != 0)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_FORMAT, "%s: array %s became another one while it was read", b->path, b->name));
    if (pyr_array_in_order(array)) {
        PYR_TRY_OUT(pyr_array_stream_open(&b->stream, b->arrays, array));
        return PYR_OK;
    }
    /* killed without a word, where a control group limits it: hence before */
    if (pyr_array_count(array) * pyr_npy_type_size(array->type) > pyr_memory_left() / 4 * 3)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_UNSUPPORTED,
                     "%s: array %s lies in Fortran's order, which is read as a whole, and takes %.4g MiB, "
                     "of which %.4g are free: save numpy.ascontiguousarray of it, which is read in portions",
                     b->path, b->name,
                     (double)pyr_array_count(array) * (double)pyr_npy_type_size(array->type) / 1048576.0,
                     (double)pyr_memory_left() / 1048576.0));
    PYR_TRY_OUT(pyr_new(&b->block, pyr_array_count(array), pyr_npy_type_size(array->type), b->path));
    status = pyr_arrays_read(b->arrays, array, b->block, pyr_array_count(array), array->type);
    if (status != PYR_OK) {
        pyr_free(b->block);
        b->block = NULL;
    }
out:
    pyr_part_close(b);
    return status;
}

pyr_status pyr_part_open(pyr_part_bytes *b)
{
    return b->name ? array_open(b) : file_open(b);
}

pyr_status pyr_part_read(pyr_part_bytes *b, void *dst, size_t count)
{
    size_t size = pyr_npy_type_size(b->array.type);

    if (!b->name)
        return pyr_value_file_read(&b->file, dst, count);
    if (!b->block)
        return pyr_array_stream_read(&b->stream, dst, count);
    memcpy(dst, b->block + b->next * size, count * size);
    b->next += count;
    return PYR_OK;
}

/* All were read: nothing follows, the checksum fits. */
static pyr_status bytes_end(pyr_part_bytes *b)
{
    if (!b->name)
        return pyr_value_file_end(&b->file);
    return b->block ? PYR_OK : pyr_array_stream_end(&b->stream);
}

/* ---- parts ---- */

pyr_record pyr_record_pixels(pyr_npy_type type, int h, int w, int c)
{
    return (pyr_record){.type = type,
                        .elements = (size_t)h * (size_t)w * (size_t)c,
                        .down = (size_t)w * (size_t)c,
                        .right = (size_t)c,
                        .next = 1};
}

pyr_record pyr_record_planes(pyr_npy_type type, int h, int w, int c)
{
    return (pyr_record){.type = type,
                        .elements = (size_t)h * (size_t)w * (size_t)c,
                        .down = (size_t)w,
                        .right = 1,
                        .next = (size_t)h * (size_t)w};
}

/* One more, of which only the path is known. */
static pyr_status add_part(pyr_packed_part **part, pyr_parts *parts, const char *path)
{
    PYR_TRY(pyr_grow(&parts->at, &parts->room, parts->n, sizeof *parts->at, path));
    *part = &parts->at[parts->n++];
    **part = (pyr_packed_part){0};
    PYR_TRY(pyr_new(&(*part)->bytes, 1, sizeof *(*part)->bytes, path));
    return pyr_format(&(*part)->bytes->path, "%s", path);
}

void pyr_parts_free(pyr_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        bytes_free(parts->at[i].bytes);
        pyr_free(parts->at[i].name);
    }
    pyr_free(parts->at);
    *parts = (pyr_parts){0};
}

pyr_status pyr_parts_add_file(pyr_packed_part **part, pyr_parts *parts, pyr_value_file *met,
                              pyr_collection *c, const char *path, pyr_value_header header)
{
    PYR_TRY(pyr_value_file_open(met, path, header));
    pyr_value_file_close(met);
    PYR_TRY(pyr_names_add(&c->sources, path));
    PYR_TRY(add_part(part, parts, path));
    (*part)->bytes->met = *met;
    (*part)->bytes->header = header;
    (*part)->record = pyr_record_pixels(met->type, (int)met->size[1], (int)met->size[2], (int)met->size[3]);
    (*part)->n = met->size[0];
    return pyr_format(&(*part)->name, "%s", path);
}

pyr_status pyr_parts_add_array(pyr_packed_part **part, pyr_parts *parts, const char *path,
                               const pyr_array *array, pyr_record record, int64_t n)
{
    PYR_TRY(add_part(part, parts, path));
    (*part)->bytes->array = *array;
    (*part)->record = record;
    (*part)->n = n;
    PYR_TRY(pyr_format(&(*part)->bytes->name, "%s", array->name));
    return pyr_format(&(*part)->name, "%s: array %s", path, array->name);
}

/* ---- what the values are ---- */

/* Ranges that floats are kept in; of the first one that fits. */
static const double usual[][2] = {{0, 1}, {-0.5, 0.5}, {-1, 1}};
enum { USUAL = sizeof usual / sizeof *usual };

typedef struct measured {
    double least, most;
    bool whole;
    bool steps[USUAL]; /* all are whole multiples of 1/255 of that range above its lower end */
} measured;

static bool is_float(pyr_npy_type type)
{
    return type == PYR_NPY_F2 || type == PYR_NPY_F4 || type == PYR_NPY_F8;
}

static pyr_status measure_values(measured *m, const pyr_packed_part *part, const char *at, size_t count,
                                 uint64_t place)
{
    pyr_npy_type type = part->record.type;
    size_t size = pyr_npy_type_size(type);
    double rounding = type == PYR_NPY_F2 ? 0x1p-11 : 0; /* of a half; a float's is far below a step */

    for (size_t i = 0; i < count; i++) {
        double v = pyr_npy_value(at + i * size, type);

        if (!isfinite(v))
            return pyr_fail(PYR_E_FORMAT,
                            "%s: element %llu is %s, images should have numbers alone; replace it (NumPy's "
                            "nan_to_num)",
                            part->name, (unsigned long long)(place + i),
                            isnan(v) ? "not a number" : "infinite");
        m->least = v < m->least ? v : m->least;
        m->most = v > m->most ? v : m->most;
        m->whole = m->whole && trunc(v) == v;
        for (int r = 0; r < USUAL; r++) {
            double steps = 255 / (usual[r][1] - usual[r][0]), step = (v - usual[r][0]) * steps;

            m->steps[r] = m->steps[r] && fabs(step - round(step)) <= 1e-3 + fabs(v) * rounding * steps;
        }
    }
    return PYR_OK;
}

static size_t portion_records(const pyr_record *r)
{
    size_t n = PORTION / (r->elements * pyr_npy_type_size(r->type));

    return n ? n : 1;
}

static pyr_status measure_part(measured *m, const pyr_packed_part *part, char *portion)
{
    size_t n = portion_records(&part->record), size = part->record.elements;
    pyr_status status;

    PYR_TRY(pyr_part_open(part->bytes));
    for (int64_t i = 0; i < part->n; i += (int64_t)n) {
        if ((int64_t)n > part->n - i)
            n = (size_t)(part->n - i);
        PYR_TRY_OUT(pyr_part_read(part->bytes, portion, n * size));
        PYR_TRY_OUT(measure_values(m, part, portion, n * size, (uint64_t)i * size));
    }
    status = bytes_end(part->bytes);
out:
    pyr_part_close(part->bytes);
    return status;
}

static pyr_status refuse_values(const pyr_parts *parts, const measured *m)
{
    return pyr_fail(PYR_E_FORMAT,
                    "%s: %s values from %.9g to %.9g, of which nothing says what is black and what is "
                    "white; say it with --set 'data.range=[%.9g, %.9g]', or rightly chosen ends",
                    parts->at[0].name, pyr_npy_type_name(parts->at[0].record.type), m->least, m->most,
                    m->least, m->most > m->least ? m->most : m->least + 1);
}

/* Values that are neither bytes, words nor booleans. */
static pyr_status map_measured(mapping *map, pyr_collection *c, const pyr_parts *parts, const measured *m,
                               bool floats)
{
    const char *type = pyr_npy_type_name(parts->at[0].record.type);
    const double *range = c->set->range;
    bool given = range[0] < range[1];

    if (given && (floats || m->least < 0 || m->most > 65535 || !m->whole)) {
        *map = (mapping){range[0], range[1], 16, true};
        pyr_text_add(&c->notes, "; %s values %.6g to %.6g, [%.6g, %.6g] of them kept as 16 bits", type,
                     m->least, m->most, range[0], range[1]);
        return PYR_OK;
    }
    if (floats || m->least < 0)
        for (int r = 0; r < USUAL; r++)
            if (m->least >= usual[r][0] && m->most <= usual[r][1] &&
                (m->steps[r] || usual[r][0] == 0 || usual[r][1] == 1)) {
                *map = (mapping){usual[r][0], usual[r][1], m->steps[r] ? 8 : 16, true};
                pyr_text_add(&c->notes, "; %s values %.6g to %.6g, taken as [%g, %g]%s, kept as %d bits",
                             type, m->least, m->most, map->low, map->high,
                             m->steps[r] ? " in steps of 1/255" : "", map->bits);
                return PYR_OK;
            }
    if (m->whole && m->least >= 0 && m->most <= (floats ? 255 : 65535)) {
        map->bits = m->most <= 255 && !(given && range[1] > 255) ? 8 : 16;
        map->high = map->bits == 8 ? 255 : 65535;
        pyr_text_add(&c->notes, "; %s values %.6g to %.6g, kept as %d bits", type, m->least, m->most,
                     map->bits);
        return PYR_OK;
    }
    return refuse_values(parts, m);
}

static bool all_are(const pyr_parts *parts, pyr_npy_type type)
{
    for (size_t i = 0; i < parts->n; i++)
        if (parts->at[i].record.type != type)
            return false;
    return true;
}

static pyr_status settle_values(mapping *map, pyr_collection *c, const pyr_parts *parts, char *portion)
{
    measured m = {.least = (double)INFINITY, .most = (double)-INFINITY, .whole = true};
    bool floats = false;

    *map = (mapping){0, 255, 8, false};
    if (all_are(parts, PYR_NPY_U1))
        return PYR_OK;
    if (all_are(parts, PYR_NPY_U2)) {
        *map = (mapping){0, 65535, 16, false};
        return PYR_OK;
    }
    if (all_are(parts, PYR_NPY_BOOL)) {
        *map = (mapping){0, 1, 8, true};
        pyr_text_add(&c->notes, "; booleans: false is black, true is white");
        return PYR_OK;
    }
    for (int r = 0; r < USUAL; r++)
        m.steps[r] = true;
    for (size_t i = 0; i < parts->n; i++) {
        floats |= is_float(parts->at[i].record.type);
        PYR_TRY(measure_part(&m, &parts->at[i], portion));
    }
    return map_measured(map, c, parts, &m, floats);
}

/* ---- records to samples ---- */

static void convert(void *dst, const char *src, const packed_parts *p, const pyr_record *r)
{
    size_t h = (size_t)p->packed.h, w = (size_t)p->packed.w, c = (size_t)p->packed.c, i = 0;
    size_t size = pyr_npy_type_size(r->type);
    double top = p->map.bits == 8 ? 255 : 65535, low = p->map.low, scale = top / (p->map.high - low);
    bool bytes = r->type == PYR_NPY_U1 && p->map.bits == 8 && !p->map.ranged;

    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t k = 0; k < c; k++, i++) {
                size_t at = r->first + y * r->down + x * r->right + k * r->next;

                if (bytes) {
                    ((uint8_t *)dst)[i] = ((const uint8_t *)src)[at];
                    continue;
                }
                double v = floor((pyr_npy_value(src + at * size, r->type) - low) * scale + 0.5);
                v = v > 0 ? fmin(v, top) : 0; /* 0 also for what is no number */
                if (p->map.bits == 8)
                    ((uint8_t *)dst)[i] = (uint8_t)v;
                else
                    ((uint16_t *)dst)[i] = (uint16_t)v;
            }
}

/* The elements of a record are the samples, as they are. */
static bool is_direct(const packed_parts *p, const pyr_record *r)
{
    pyr_record pixels = pyr_record_pixels(r->type, p->packed.h, p->packed.w, p->packed.c);

    return r->elements == pixels.elements && r->first == 0 && r->down == pixels.down &&
           r->right == pixels.right && (r->next == pixels.next || p->packed.c == 1) && !p->map.ranged &&
           (p->map.bits == 8 ? r->type == PYR_NPY_U1 : r->type == PYR_NPY_U2);
}

/* The next n images of the open part. */
static pyr_status read_part(packed_parts *p, char *dst, int64_t n, size_t image_bytes)
{
    const pyr_packed_part *part = &p->parts.at[p->part];
    const pyr_record *r = &part->record;
    size_t most = portion_records(r), size = r->elements * pyr_npy_type_size(r->type);

    if (is_direct(p, r))
        return pyr_part_read(part->bytes, dst, (size_t)n * r->elements);
    for (int64_t i = 0; i < n;) {
        size_t now = (int64_t)most < n - i ? most : (size_t)(n - i);

        PYR_TRY(pyr_part_read(part->bytes, p->portion, now * r->elements));
        for (size_t k = 0; k < now; k++, i++)
            convert(dst + (size_t)i * image_bytes, p->portion + k * size, p, r);
    }
    return PYR_OK;
}

static void close_part(packed_parts *p)
{
    if (p->open)
        pyr_part_close(p->parts.at[p->part].bytes);
    p->open = false;
}

static pyr_status parts_read(pyr_packed *packed, void *dst, int64_t n)
{
    packed_parts *p = (packed_parts *)packed;
    size_t image_bytes = (size_t)packed->h * (size_t)packed->w * (size_t)(packed->c * packed->bits / 8);
    char *at = dst;

    while (n) {
        const pyr_packed_part *part = &p->parts.at[p->part];
        int64_t now = n < part->n - p->image ? n : part->n - p->image;

        if (!p->open)
            PYR_TRY(pyr_part_open(part->bytes));
        p->open = true;
        PYR_TRY(read_part(p, at, now, image_bytes));
        at += (size_t)now * image_bytes;
        n -= now;
        p->image += now;
        if (p->image == part->n) {
            PYR_TRY(bytes_end(part->bytes));
            close_part(p);
            p->part++;
            p->image = 0;
        }
    }
    return PYR_OK;
}

static pyr_status parts_rewind(pyr_packed *packed)
{
    packed_parts *p = (packed_parts *)packed;

    close_part(p);
    p->part = 0;
    p->image = 0;
    return PYR_OK;
}

static void parts_free(pyr_packed *packed)
{
    packed_parts *p = (packed_parts *)packed;

    pyr_parts_free(&p->parts);
    pyr_free(p->portion);
    pyr_free(p);
}

pyr_status pyr_collection_pack_parts(pyr_collection *c, pyr_parts *parts, int h, int w, int channels,
                                     size_t train, pyr_label_part label, void *arg)
{
    packed_parts *p = NULL;
    size_t portion = 0;
    int64_t n = 0, first = 0, train_n = 0;
    pyr_status status;

    for (size_t i = 0; i < parts->n; i++) {
        const pyr_record *r = &parts->at[i].record;
        size_t bytes = portion_records(r) * r->elements * pyr_npy_type_size(r->type);

        portion = bytes > portion ? bytes : portion;
        n += parts->at[i].n;
        train_n += i < train ? parts->at[i].n : 0;
    }
    status = pyr_new(&p, 1, sizeof *p, "a packed data set");
    if (status != PYR_OK) {
        pyr_parts_free(parts);
        return status;
    }
    p->parts = *parts;
    *parts = (pyr_parts){0};
    PYR_TRY_OUT(pyr_new(&p->portion, portion, 1, "a portion of the images"));
    PYR_TRY_OUT(settle_values(&p->map, c, &p->parts, p->portion));
    p->packed = (pyr_packed){.h = h,
                             .w = w,
                             .c = channels,
                             .bits = p->map.bits,
                             .low = p->map.ranged ? p->map.low : 0,
                             .high = p->map.ranged ? p->map.high : 0,
                             .ranged = p->map.ranged,
                             .read = parts_read,
                             .rewind = parts_rewind,
                             .free = parts_free};
    PYR_TRY(pyr_collection_pack(c, &p->packed, n, train_n)); /* p is the collection's now, on failure too */
    for (size_t i = 0; label && i < p->parts.n; first += p->parts.at[i++].n)
        PYR_TRY(label(c, first, &p->parts.at[i], arg));
    return PYR_OK;
out:
    parts_free(&p->packed);
    return status;
}
