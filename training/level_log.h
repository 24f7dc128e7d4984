/* level_log.h - RUN/level-I/log.jsonl: one JSON object a line. */
#ifndef PYR_TRAINING_LEVEL_LOG_H
#define PYR_TRAINING_LEVEL_LOG_H

#include "training/train_job.h"
#include <stdio.h>

/* Open FOLDER/log.jsonl for more lines. Those of steps beyond `step` are dropped: a killed run did them after
 * its last checkpoint, and they come again. The caller closes *out. PYR_E_IO, PYR_E_NOMEM. */
pyr_status pyr_level_log_open(FILE **out, const char *folder, int64_t step);

/* Keys: step, images, epochs (passes through `count` training images), loss, grad_norm, lr, skipped, seconds,
 * images_per_s; mfu where it is known; and when it was measured held_out, held_out_raw, held_out_images, held_out_bins,
 * bin_sigma (from the lowest noise up). */
pyr_status pyr_level_log_write(FILE *log, const char *folder, const pyr_level_report *report, int batch,
                               int64_t count);

/* What was written outlasts a power cut, as the checkpoint that follows it will: a state never stands beside
 * a log that has lost, or holds torn, lines of steps before it. NULL, when none was begun (weights are
 * written again from a state), is a no-op. PYR_E_IO. */
pyr_status pyr_level_log_sync(FILE *log, const char *folder);

#endif
