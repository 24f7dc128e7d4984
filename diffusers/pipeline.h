/* pipeline.h - a diffusers DDPMPipeline or DDIMPipeline, or a UNet2DModel beside a scheduler of flow matching: a network
 * and the scheduler it was trained with, as a model of one level.
 *
 *     DIR/model_index.json                      which pipeline it is, and which scheduler
 *     DIR/unet/config.json, ....safetensors     the network (unet_config.h, unet_file.h)
 *     DIR/scheduler/scheduler_config.json       the noise (scheduler_config.h)
 *
 * Old ones have the network and scheduler_config.json side by side in DIR. */
#ifndef PYR_DIFFUSERS_PIPELINE_H
#define PYR_DIFFUSERS_PIPELINE_H

#include "diffusers/scheduler_config.h"
#include "levels/level.h"
#include "network/unet.h"
#include "network/unet_file.h"

/* What the files say, without the weights. */
typedef struct pyr_pipeline_files {
    pyr_unet_files unet_files;
    pyr_unet_config unet;
    pyr_scheduler_config scheduler;
    char *scheduler_path;
    char class_name[64];     /* of model_index.json; "" without one */
    char scheduler_name[64]; /* what model_index.json calls its scheduler; "": nothing */
    bool ours;               /* an exported level of a pyramid (pipeline_export.h): facts */
    pyr_level_facts facts;
    pyr_class_list classes; /* of either kind */
} pyr_pipeline_files;

/* Is there a pipeline in this folder? A run is none. */
bool pyr_pipeline_exists(const char *path);

/* Unknown keys go to *warning (may be NULL). PYR_E_UNSUPPORTED for another kind of pipeline, and as the
 * parts' readers. The scheduler is of the class that model_index.json names, as in the library. The caller
 * frees *out, on failure too. */
pyr_status pyr_pipeline_read(pyr_pipeline_files *out, const char *path, pyr_text *warning);
void pyr_pipeline_files_free(pyr_pipeline_files *files); /* no-op on {0} */

typedef struct pyr_pipeline_sampler {
    bool ddim, flow; /* neither: DDPM */
    int steps;       /* evaluations of the network */
    double eta;      /* of DDIM */
} pyr_pipeline_sampler;

/* How the library's pipeline draws by default (huggingface/diffusers, pipelines/ddim,
 * pipelines/ddpm): a DDIMPipeline makes a DDIMScheduler of whatever scheduler it is given and takes 50 steps
 * with eta 0; a DDPMPipeline takes 1000 with its own scheduler; without model_index.json the scheduler
 * decides, DDPM 1000, DDIM 50, or flow matching 50 (the library has no pipeline for it). No more than the model was trained with. PYR_E_UNSUPPORTED where that
 * scheduler's sampler is not offered; DDPM and DDIM can be asked for all the same. */
pyr_status pyr_pipeline_usual(pyr_pipeline_sampler *out, const pyr_pipeline_files *files);
/* Steps that are usual for one of the two samplers of betas. */
int pyr_pipeline_steps(bool ddim, const pyr_pipeline_files *files);

/* PYR_E_IO for a path that should be a run of ours, saying what it is instead: a pipeline, a network without
 * its scheduler, the network of a pipeline or of a run. */
pyr_status pyr_pipeline_fail_no_run(const char *path);

/* To be read alone. */
typedef struct pyr_pipeline {
    pyr_kernels *k; /* borrowed */
    pyr_ddpm ddpm;
    pyr_flow_config flow;
    pyr_pipeline_sampler sampler;
    int *t;        /* [steps]; NULL for flow matching */
    double *sigma; /* [steps + 1], of flow matching; NULL for others */
    pyr_params params;
    pyr_graph *g;
    void *block;
    pyr_unet_inputs in;
    pyr_value y;
    pyr_shape image;                  /* n = 1 */
    int classes;                      /* 0: unconditional */
    bool learned;                     /* the network gives the variance of DDPM's steps, too */
    int batch;                        /* images a lane takes at a time */
    double scale, shift;              /* of the network's samples to image values */
    struct pyr_pipeline_lane *memory; /* [lane] */
    uint64_t hash;                    /* of all weights, as pyr_model's */
} pyr_pipeline;

/* Read the weights, ready to draw images with the sampler; `k` is borrowed, the files may be freed.
 * PYR_E_UNSUPPORTED for a network that reads more than an image, a timestep and a class of a table; PYR_E_ARG
 * for a number of steps that there is not. */
pyr_status pyr_pipeline_open(pyr_pipeline **out, pyr_kernels *k, const pyr_pipeline_files *files,
                             const pyr_pipeline_sampler *sampler, pyr_text *warning);
void pyr_pipeline_free(pyr_pipeline *p); /* NULL is a no-op */

double pyr_pipeline_flop(const pyr_pipeline *p);  /* of one image */
size_t pyr_pipeline_bytes(const pyr_pipeline *p); /* of memory, for all lanes */

/* Draw n images into `image` (n x h x w x c, host): [-1, 1] as pixels.h has it; the coarsest level of a
 * pyramid in its units. `noise` (the same shape) is what they start from; NULL: drawn from their seeds.
 * Whole machine. Image j is the same bytes whatever n and the number of lanes are. */
typedef struct pyr_pipeline_draw {
    int n;
    const uint64_t *seeds; /* n */
    int label;             /* class of all of them; -1: none */
    const int32_t *labels; /* n: the class of each; NULL: `label` */
    const float *noise;
    float *image;
} pyr_pipeline_draw;
pyr_status pyr_pipeline_sample(pyr_pipeline *p, const pyr_pipeline_draw *draw);

#endif
