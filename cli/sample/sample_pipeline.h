/* sample_pipeline.h - pyrdiff sample of a diffusers pipeline instead of a run. */
#ifndef PYR_CLI_SAMPLE_SAMPLE_PIPELINE_H
#define PYR_CLI_SAMPLE_SAMPLE_PIPELINE_H

#include "base/status.h"
#include <stdbool.h>

/* Does the last --network of the command line name a pipeline (diffusers/pipeline.h)? */
bool pyr_sample_names_pipeline(int argc, char **argv);

/* Then this is the command, with options of its own. */
pyr_status pyr_sample_pipeline(int argc, char **argv);

#endif
