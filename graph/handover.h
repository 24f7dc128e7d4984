/* handover.h - what goes to the backend before a step, and what comes back after it.
 *
 * A step works from backend memory alone, so that a backend that records can replay it. Whatever changes from
 * step to step is put into one host block, uploaded into one backend block, and taken from there by the step
 * itself. Its results are copied into a ring of host blocks behind it, and read when somebody wants them: at
 * once on a table with ahead 0, otherwise up to so many steps later.
 *
 *     pyr_handover_next(&h, &host);            // waits until the block is free; fill all that the step reads
 *     pyr_handover_step(&h, enqueue, arg);     // uploads it, runs or replays enqueue, asks for the results
 *     ...                                      // up to k->ahead more steps
 *     pyr_handover_result(&h, &results);       // of the oldest step that was not read yet
 *
 * Marks 0 .. 2 + k->ahead of the table are used. Several of these on one table are in nobody's way: a mark
 * that another one sets again stands later. */
#ifndef PYR_GRAPH_HANDOVER_H
#define PYR_GRAPH_HANDOVER_H

#include "kernels/kernels.h"

enum { PYR_MOST_WATCHED = 16 };

/* A part of the results: where the step leaves it, in backend memory. */
typedef struct pyr_watched {
    const void *from;
    size_t bytes;
} pyr_watched;

typedef struct pyr_handover {
    pyr_kernels *k; /* borrowed */
    size_t in_bytes, out_bytes;
    int blocks, slots; /* host blocks for what goes; places of the ring */
    void *host[2];
    void *device; /* where a step finds it; backend memory */
    int turn;     /* the host block at hand */
    pyr_watched watched[PYR_MOST_WATCHED];
    int n_watched;
    char *results;       /* [slots][out_bytes], host */
    int64_t asked, read; /* steps, and results of them that were read */
    void *recording;     /* of the step; the table's */
} pyr_handover;

/* Blocks of in_bytes, and a ring for the n watched parts, which follow each other without gaps. The caller
 * frees it, on failure too. */
pyr_status pyr_handover_new(pyr_handover *h, pyr_kernels *k, size_t in_bytes, const pyr_watched *watched,
                            int n);
void pyr_handover_free(pyr_handover *h); /* no-op on {0} */
size_t pyr_handover_bytes(const pyr_handover *h);

/* The host block to fill next; what it held is lost. */
pyr_status pyr_handover_next(pyr_handover *h, void **host);
/* Upload it. */
pyr_status pyr_handover_send(pyr_handover *h);
/* The same and a step: `enqueue` must do the same with the same numbers whenever it is called, until
 * pyr_handover_forget. At most k->ahead steps may wait to be read before this. */
pyr_status pyr_handover_step(pyr_handover *h, pyr_status (*enqueue)(void *arg), void *arg);
/* The parts of the oldest step that was not read; valid until the next step. */
pyr_status pyr_handover_result(pyr_handover *h, const void **results);
/* From now on enqueue does something else. */
void pyr_handover_forget(pyr_handover *h);

#endif
