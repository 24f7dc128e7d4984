/* bench.h - the parts of pyrdiff bench. */
#ifndef PYR_CLI_BENCH_BENCH_H
#define PYR_CLI_BENCH_BENCH_H

#include "graph/graph.h"
#include "training/train_run.h"
#include "training/trainer.h"

/* The time of a graph's convolutions and products alone, in seconds an image on `lanes` lanes. */
typedef struct pyr_floor {
    double own;    /* by the table's own rows */
    double direct; /* the convolutions by oneDNN's primitives, the rest as above; NAN: not measured */
} pyr_floor;

/* Each CONV2D, LINEAR and ATTENTION of the graph is planned once more without what was joined to it, and
 * timed on buffers of its own: forward, and backward where the graph has it. Equal ones are timed once.
 * About `seconds` in all. */
pyr_status pyr_bench_floor(pyr_floor *out, pyr_kernels *k, const pyr_graph *g, int lanes, double seconds);

/* The profile of a graph that was being taken for `wall` seconds on `lanes` lanes, to stdout: by kind, and by
 * operation of equal shape. */
pyr_status pyr_bench_profile_print(pyr_kernels *k, const pyr_graph *g, double wall, int lanes);

/* The tasks of training steps into a file, a line of JSON: lanes, batch, images of a piece, parts of a piece, steps, rounds,
 * and tasks: [round, task, lane, processor seconds] each; task -1: what was done alone before the round. */
pyr_status pyr_bench_record(const char *path, pyr_kernels *k, pyr_trainer *trainer, double seconds);

/* DIR: a folder with a UNet2DModel's config.json (and `batch`, a number, if there is such a file). */
typedef struct pyr_bench_network {
    pyr_unet_config unet;
    int h, w; /* of images, in pixels */
    int batch;
} pyr_bench_network;

/* `size`: "HxW" or "H" in pixels, or "" for the configuration's sample_size. */
pyr_status pyr_bench_network_read(pyr_bench_network *out, const char *folder, const char *size);

/* Random images, and a pyramid with a level for the network: level 0 of two when it reads a condition, else
 * the only one. Settings come from `settings`, the batch from the folder unless it was typed. */
pyr_status pyr_bench_network_experiment(pyr_experiment *out, pyr_kernels *k, pyr_settings *settings,
                                        const pyr_bench_network *network, bool own_batch);

#endif
