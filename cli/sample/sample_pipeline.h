/* sample_pipeline.h - pyrdiff sample of a diffusers pipeline instead of a run. */
#ifndef PYR_CLI_SAMPLE_SAMPLE_PIPELINE_H
#define PYR_CLI_SAMPLE_SAMPLE_PIPELINE_H

#include "terminal/options.h"

/* The command, with options of its own, if the last --network of the command line names a pipeline
 * (diffusers/pipeline.h); else NULL. */
const pyr_command *pyr_sample_pipeline(int argc, char **argv);

#endif
