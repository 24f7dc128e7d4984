/* train_log.h - the losses of a level, from its log.jsonl (written by training/level_log.h). */
#ifndef PYR_TRAINING_TRAIN_LOG_H
#define PYR_TRAINING_TRAIN_LOG_H

#include "training/held_out.h"

/* The held-out loss by noise level: of the EMA, NAN where there were too few images. */
typedef struct pyr_loss_bins {
    int n;
    double sigma[PYR_NOISE_BINS], loss[PYR_NOISE_BINS];
} pyr_loss_bins;

/* Columns of the log; a number that is missing is NAN. Images, epochs and seconds count from the level's
 * start. */
typedef struct pyr_train_log {
    size_t n;
    double *images, *epochs, *seconds, *loss;
    size_t n_held_out; /* the lines with a held-out loss */
    double *held_out_images, *held_out_epochs, *held_out_seconds, *ema, *raw;
    pyr_loss_bins *bins; /* n_held_out */
    double mfu;          /* of the last line that has it; NAN: none has */
    size_t damaged;      /* whole lines that are none of a log, and left out */
} pyr_train_log;

/* Half a line at the end, as a killed process leaves it, is passed over. PYR_E_IO, PYR_E_NOMEM. */
pyr_status pyr_train_log_read(pyr_train_log *out, const char *path);
void pyr_train_log_free(pyr_train_log *log); /* back to {0}; {0} is a no-op */

#endif
