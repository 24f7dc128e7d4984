/* foreign.h - formats that are not read here: which one a file or folder is, and what to do. One sentence,
 * with a line to type: scripts/convert-dataset for data sets, a named tool for pictures. */
#ifndef PYR_LAYOUTS_FOREIGN_H
#define PYR_LAYOUTS_FOREIGN_H

#include "base/file.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

/* So many bytes of a file are enough to know it: a tar archive's mark is at 257. Fewer are fine. */
enum { PYR_FOREIGN_START = 512 };

/* Of a file that begins with these n bytes (0: an empty one). true: `sentence`, {0} before, says it; it
 * begins with `path`. false: nothing that is known. */
bool pyr_foreign_file(pyr_text *sentence, const char *path, const unsigned char *start, size_t n);

/* Of a folder with these names in it, or of an archive with them (without its folders' names), by the names
 * alone; the folders in it are looked into, too. Likewise. */
bool pyr_foreign_folder(pyr_text *sentence, const char *path, const pyr_names *names);

/* PYR_E_FORMAT for an archive without a picture, with these entries: as the folder above, or "nothing to
 * read". `all` of its files, those that are left aside among them. */
pyr_status pyr_foreign_archive(const char *path, const pyr_names *entries, size_t all);

#endif
