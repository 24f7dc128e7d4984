/* packed_parts.h - a packed source (collection.h) that is made of parts: files or arrays of images, one
 * behind the other, each read in portions.
 *
 * In a part images lie one behind the other as records of elements; a record says where in it the samples
 * are, so that planes, transposed pictures and labels in front need no code of their own. What becomes of the
 * values is decided once for all parts: bytes and 16-bit words are samples already; whole numbers become
 * samples of 8 or 16 bits; floats within [0, 1], or within [-1, 1] with negative ones, become 8 bits when
 * they are steps of 1/255 of it, else 16; with data.range, floats are spread over 16 bits; all others are
 * refused with their smallest and largest value. */
#ifndef PYR_IMAGES_PACKED_PARTS_H
#define PYR_IMAGES_PACKED_PARTS_H

#include "arrays/value_file.h"
#include "layouts/collection.h"

/* The elements of a part, in order. */
typedef struct pyr_part_bytes pyr_part_bytes;
/* From the first record on; also again, after a close. */
pyr_status pyr_part_open(pyr_part_bytes *bytes);
/* The next `count` elements, in the machine's order of bytes. */
pyr_status pyr_part_read(pyr_part_bytes *bytes, void *dst, size_t count);
void pyr_part_close(pyr_part_bytes *bytes); /* no-op when it is not open */

/* How one image lies in a part; all but the type counted in elements. */
typedef struct pyr_record {
    pyr_npy_type type;
    size_t elements;          /* of one image and what belongs to it */
    size_t first;             /* before its first sample: a label */
    size_t down, right, next; /* from a sample to the one below it, right of it, and of the next channel */
} pyr_record;

pyr_record pyr_record_pixels(pyr_npy_type type, int h, int w, int c); /* (h, w, c) */
pyr_record pyr_record_planes(pyr_npy_type type, int h, int w, int c); /* (c, h, w) */

typedef struct pyr_packed_part {
    pyr_part_bytes *bytes; /* owned */
    char *name;            /* in sentences; owned */
    pyr_record record;
    int64_t n; /* images */
} pyr_packed_part;

typedef struct pyr_parts {
    pyr_packed_part *at;
    size_t n, room;
} pyr_parts;

/* One more part: the values of a file (value_file.h), which is named as a source of the collection and whose
 * header, read now and closed again, is *met. Its images are (h, w, c) of the header until the caller puts
 * something else into *part, which is borrowed until the next one. */
pyr_status pyr_parts_add_file(pyr_packed_part **part, pyr_parts *parts, pyr_value_file *met,
                              pyr_collection *c, const char *path, pyr_value_header header);
/* One more part: an array of the NPZ or NPY file at `path`; one that lies in Fortran's order is read into
 * memory. `array` is not kept. */
pyr_status pyr_parts_add_array(pyr_packed_part **part, pyr_parts *parts, const char *path,
                               const pyr_array *array, pyr_record record, int64_t n);
void pyr_parts_free(pyr_parts *parts); /* back to {0} */

/* Puts labels on the images of a part, which are those of the collection from `first` on. */
typedef pyr_status (*pyr_label_part)(pyr_collection *c, int64_t first, const pyr_packed_part *part,
                                     void *arg);

/* The collection's images (h, w, c) are those of all parts in their order, the first `train` parts for
 * training; `label` (NULL: none) is called for each part in turn. Takes `parts` over, on failure too; the
 * notes name the conversion of values that are no samples. PYR_E_FORMAT: values that are no image's, or not
 * finite. Forwards what `label` returns. */
pyr_status pyr_collection_pack_parts(pyr_collection *c, pyr_parts *parts, int h, int w, int channels,
                                     size_t train, pyr_label_part label, void *arg);

#endif
