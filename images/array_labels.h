/* array_labels.h - labels that come as numbers or texts beside the images of packed files. */
#ifndef PYR_IMAGES_ARRAY_LABELS_H
#define PYR_IMAGES_ARRAY_LABELS_H

#include "layouts/collection.h"

/* Labels of `n` images from the collection's image `first` on, as a table of n rows of k numbers. One number:
 * it is the label, -1 for none. Several, of which one is 1 and the others 0: the label is the place of the 1,
 * which is said in the notes. Others are no classes, which is said, too, and leave the images without labels.
 * `name` is the table in sentences. PYR_E_FORMAT: a label beyond -1..PYR_LABEL_MOST - 1. */
pyr_status pyr_collection_label(pyr_collection *c, int64_t first, int64_t n, const int64_t *table, int64_t k,
                                const char *name);

/* The same of texts, one for each image of the collection (NULL: none): classes are the texts in the order of
 * their bytes, those of the training images first. Texts of which there are nearly as many as images are no
 * classes, which is said. */
pyr_status pyr_collection_label_texts(pyr_collection *c, char *const *texts, const char *name);

#endif
