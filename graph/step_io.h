/* step_io.h - the inputs of a step, which go to the backend before it, and its results, which come back after
 * it.
 *
 * A step works from backend memory alone, so that a backend that records can replay it. Whatever changes from
 * step to step is put into one host block, uploaded into one backend block, and taken from there by the step
 * itself. Its results are copied into a ring of host blocks behind it, and read when they are needed: at once
 * on a table with ahead 0, otherwise up to so many steps later.
 *
 *     pyr_step_io_next(&io, &host);            // waits until the block is free; fill all that the step reads
 *     pyr_step_io_step(&io, enqueue, arg);     // uploads it, runs or replays enqueue, requests the results
 *     ...                                      // up to k->backend->ahead more steps
 *     pyr_step_io_result(&io, &results);       // of the oldest step whose results were not read yet
 *
 * Marks 0 .. 2 + k->backend->ahead of the table are used. Several of these can work on one table: a mark that another
 * one sets again only makes the wait longer. */
#ifndef PYR_GRAPH_STEP_IO_H
#define PYR_GRAPH_STEP_IO_H

#include "kernels/kernels.h"

enum { PYR_MOST_OUTPUTS = 16 };

/* A part of the results: where the step leaves it, in backend memory. */
typedef struct pyr_step_output {
    const void *from;
    size_t bytes;
} pyr_step_output;

typedef struct pyr_step_io {
    pyr_kernels *k; /* borrowed */
    size_t in_bytes, out_bytes;
    int blocks, slots; /* host blocks of inputs; places of the ring */
    void *host[2];
    void *device; /* the inputs of the step that runs; backend memory */
    int current;  /* index of the host block that is filled */
    pyr_step_output output[PYR_MOST_OUTPUTS];
    int n_outputs;
    char *results;          /* [slots][out_bytes], host */
    int64_t enqueued, read; /* steps, and those of them whose results were read */
    void *recording;        /* of the step; the table's */
} pyr_step_io;

/* Blocks of in_bytes, and a ring for the n outputs, which follow each other without gaps. The caller frees
 * it, on failure too. */
pyr_status pyr_step_io_new(pyr_step_io *io, pyr_kernels *k, size_t in_bytes, const pyr_step_output *outputs,
                           int n);
void pyr_step_io_free(pyr_step_io *io); /* no-op on {0} */
size_t pyr_step_io_bytes(const pyr_step_io *io);

/* The host block to fill next; what it held is lost. */
pyr_status pyr_step_io_next(pyr_step_io *io, void **host);
/* Upload it. */
pyr_status pyr_step_io_send(pyr_step_io *io);
/* The same and a step: `enqueue` must do the same with the same numbers whenever it is called, until
 * pyr_step_io_forget. The results of at most k->backend->ahead steps may be unread before this. */
pyr_status pyr_step_io_step(pyr_step_io *io, pyr_status (*enqueue)(void *arg), void *arg);
/* The outputs of the oldest step whose results were not read; valid until the next step. */
pyr_status pyr_step_io_result(pyr_step_io *io, const void **results);
/* From now on enqueue does something else. */
void pyr_step_io_forget(pyr_step_io *io);

#endif
