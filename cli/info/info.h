/* info.h - what the files of pyrdiff info share: cmd_info.c (options, the program), info_data.c,
 * info_run.c, info_model.c, info_pipeline.c, info_lists.c. */
#ifndef PYR_CLI_INFO_INFO_H
#define PYR_CLI_INFO_INFO_H

#include "cli/cli.h"
#include "cli/machine.h"
#include "levels/level_file.h"
#include "network/unet_file.h"
#include "network/unet_find.h"
#include "terminal/options.h"

/* The kinds of things at a path, each printed on stdout. PYR_E_FORMAT or PYR_E_CONFIG when it is damaged or
 * its parts do not belong together. */
pyr_status pyr_info_run(const char *run);
pyr_status pyr_info_model(const char *path);
/* A model with its scheduler. */
pyr_status pyr_info_pipeline(const char *path);
/* The data set that the options of the section `data` name and shape; what was left out, on stderr. */
pyr_status pyr_info_data(const pyr_parsed *parsed);
/* Load a model and compare it with the answer stored beside it. PYR_E_NUMERIC: it is off. */
pyr_status pyr_info_check(const char *path, const pyr_machine *machine);

/* One of the program's tables (info_lists.c), as Markdown or for people. PYR_E_ARG: there is none of that name. */
pyr_status pyr_info_list(const char *name, bool markdown);

/* What the files of a model hold, without reading the weights. */
typedef struct pyr_info_contents {
    size_t tensors, numbers;
    unsigned dtypes; /* a bit for each */
    bool ours;       /* a level of a pyramid: facts */
    pyr_level_facts facts;
} pyr_info_contents;
pyr_status pyr_info_contents_read(pyr_info_contents *c, const pyr_unet_files *files);

/* A side of the images of level i: halved i times, upwards. */
int pyr_info_halved(int side, int level);
/* Is there a file `name` in the folder? */
bool pyr_info_holds(const char *folder, const char *name);

#endif
