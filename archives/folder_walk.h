/* folder_walk.h - all files under a folder, in the order of names. */
#ifndef PYR_ARCHIVES_FOLDER_WALK_H
#define PYR_ARCHIVES_FOLDER_WALK_H

#include "base/file.h"

typedef struct pyr_walk {
    pyr_status (*file)(void *arg, const char *name); /* name: from the folder */
    void (*left_aside)(void *arg,
                       const char *name); /* what other programs leave (folder_names.h); may be NULL */
    bool (*enough)(void *arg);            /* the walk ends; may be NULL */
    void *arg;
} pyr_walk;

/* `names`: what is in the folder, when it is known; or NULL. PYR_E_IO; PYR_E_FORMAT: folders are nested
 * more than 16 deep, as a link to a folder above makes them. Forwards what `file` returns. */
pyr_status pyr_walk_folder(const char *folder, const pyr_names *names, const pyr_walk *walk);

#endif
