/* report_internal.h - what the files of a report share: report.c gathers and writes the page, report_run.c
 * the sections on runs, report_compare.c those on comparisons. */
#ifndef PYR_REPORT_REPORT_INTERNAL_H
#define PYR_REPORT_REPORT_INTERNAL_H

#include "cascade/run.h"
#include "comparison/compare_file.h"
#include "training/train_log.h"

typedef struct pyr_report_run {
    char *folder, *name;    /* name: as the page calls it */
    bool of_comparison;     /* came along with one */
    pyr_settings *settings; /* NULL: no pyrdiff.cfg (of_comparison only) */
    pyr_config config;      /* of settings */
    int h, w;               /* of level 0; 0: not known */
    pyr_text unread;        /* a line for each thing that is there, and could not be read */
    pyr_train_log log[PYR_MAX_LEVELS];
} pyr_report_run;

typedef struct pyr_report {
    size_t n_runs, n_compares, room_runs, room_compares;
    pyr_report_run *runs;
    struct pyr_report_compare {
        char *folder;
        pyr_compare figures;
    } * compares;
} pyr_report;

/* Sections, each added to `out`; out->failed tells of memory. */
void pyr_report_losses(pyr_text *out, const pyr_report *report);
void pyr_report_samples(pyr_text *out, const pyr_report *report);
void pyr_report_spectra(pyr_text *out, const pyr_report *report);
void pyr_report_configurations(pyr_text *out, const pyr_report *report);
pyr_status pyr_report_comparisons(pyr_text *out, const pyr_report *report);

#endif
