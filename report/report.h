/* report.h - one page of HTML on runs and comparisons: losses, samples, spectra, tables, configuration. */
#ifndef PYR_REPORT_REPORT_H
#define PYR_REPORT_REPORT_H

#include "base/status.h"
#include <stddef.h>

/* Everything is borrowed. */
typedef struct pyr_report_job {
    /* Each a run (with pyrdiff.cfg), the folder of a comparison (with compare.json), both, or a folder with
     * such folders directly in it. Runs stand side by side in the plots; of a comparison, the runs of each
     * variant's first seed (FOLDER/NAME-SEED) do, too. */
    const char *const *folders;
    size_t n;
    const char *command; /* that the page is made by, as typed; NULL: not said */
} pyr_report_job;

/* Write the page to `path`, whole or not at all. What a folder lacks (data, samples, logs) is said in the
 * page. PYR_E_ARG: a folder is neither a run nor a comparison; PYR_E_FORMAT and PYR_E_CONFIG: its pyrdiff.cfg
 * or compare.json is damaged; PYR_E_IO; PYR_E_NOMEM. */
pyr_status pyr_report_write(const char *path, const pyr_report_job *job);

#endif
