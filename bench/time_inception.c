/* time_inception.c - images a second that Inception-v3's features take, with random weights; beside torch_inception.py.
 *
 *     make bench && bench/time_inception [--threads N] [--images N] [--seconds S] [--measure]
 *
 * --images: that a thread takes at a time, else 1, as pyrdiff eval does. --measure: choose ways by measuring first. The
 * best of repeated runs with all threads at work. */
#include "base/clock.h"
#include "features/inception.h"
#include "kernels/backend.h"
#include "kernels/timed_op.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1008 };

typedef struct network {
    pyr_kernels *k;
    pyr_graph *g;
    pyr_params params;
    void *block;
    int images;
} network;

static pyr_status open_network(network *n, int threads, bool measure)
{
    pyr_network_ends ends;

    PYR_TRY(pyr_backend_open(&n->k, "cpu", "f32", threads, measure));
    PYR_TRY(pyr_graph_new(&n->g, n->k, PYR_PRECISION_FULL, &n->params));
    ends = pyr_inception_build(n->g, CLASSES, n->k->real);
    PYR_TRY(pyr_alloc(n->k, &n->block, n->params.count * sizeof(float), "weights"));
    PYR_TRY(pyr_fill_random(n->k, n->block, PYR_F32, n->params.count, -0.05f, 0.05f));
    PYR_TRY(pyr_graph_plan(n->g, &(pyr_plan){.batch = n->images}));
    PYR_TRY(pyr_graph_pack(n->g, n->block));
    for (int lane = 0; lane < n->k->lanes; lane++)
        PYR_TRY(pyr_fill_random(n->k, pyr_graph_data(n->g, lane, ends.x), PYR_F32,
                                pyr_count(pyr_graph_shape(n->g, ends.x)), -1, 1));
    return PYR_OK;
}

static pyr_status forward(void *arg, int lane)
{
    const network *n = arg;

    return pyr_graph_forward(n->g, lane);
}

int main(int argc, char **argv)
{
    network n = {.images = 1};
    double seconds = 5, call;
    pyr_status status;
    int threads = 0;
    bool measure = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--images") == 0 && i + 1 < argc)
            n.images = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--measure") == 0)
            measure = true;
    }
    status = open_network(&n, threads, measure);
    if (status == PYR_OK)
        status = pyr_time_calls(n.k, n.k->lanes, forward, &n, seconds, &call);
    if (status == PYR_OK)
        printf("inception-v3, %d threads, %d images each: %.2f images/s\n", n.k->lanes, n.images,
               n.k->lanes * n.images / call);
    else
        fprintf(stderr, "%s\n", pyr_error());
    pyr_graph_free(n.g);
    if (n.k)
        pyr_release(n.k, n.block);
    pyr_params_free(&n.params);
    pyr_kernels_free(n.k);
    return status != PYR_OK;
}
