/* step_io.c - two host blocks and a ring of results around a recorded step. */
#include "graph/step_io.h"

#include <assert.h>

enum { MARK_RESULTS = 2 }; /* the first two are of the blocks of inputs */

pyr_status pyr_step_io_new(pyr_step_io *io, pyr_kernels *k, size_t in_bytes, const pyr_step_output *outputs,
                           int n)
{
    *io = (pyr_step_io){.k = k,
                        .in_bytes = in_bytes,
                        .blocks = k->backend->ahead > 0 ? 2 : 1,
                        .slots = k->backend->ahead + 1,
                        .n_outputs = n};
    assert(n <= PYR_MOST_OUTPUTS && MARK_RESULTS + io->slots <= PYR_MARKS);
    for (int i = 0; i < n; i++) {
        io->output[i] = outputs[i];
        io->out_bytes += outputs[i].bytes;
    }
    for (int i = 0; i < io->blocks; i++)
        PYR_TRY(pyr_alloc_host(k, &io->host[i], in_bytes, "inputs of a step"));
    PYR_TRY(pyr_alloc(k, &io->device, in_bytes, "inputs of a step"));
    return pyr_alloc_host(k, (void **)&io->results, (size_t)io->slots * io->out_bytes, "results of steps");
}

void pyr_step_io_free(pyr_step_io *io)
{
    if (!io->k)
        return;
    pyr_forget(io->k, &io->recording);
    (void)pyr_sync(io->k); /* blocks belong to copies until then; a failure here cannot be reported */
    for (int i = 0; i < io->blocks; i++)
        pyr_release_host(io->k, io->host[i]);
    pyr_release_host(io->k, io->results);
    pyr_release(io->k, io->device);
    *io = (pyr_step_io){0};
}

size_t pyr_step_io_bytes(const pyr_step_io *io)
{
    return (size_t)(io->blocks + 1) * io->in_bytes + (size_t)io->slots * io->out_bytes;
}

pyr_status pyr_step_io_next(pyr_step_io *io, void **host)
{
    io->current = (io->current + 1) % io->blocks;
    *host = io->host[io->current];
    return pyr_wait(io->k, io->current);
}

pyr_status pyr_step_io_send(pyr_step_io *io)
{
    pyr_upload(io->k, io->device, io->host[io->current], io->in_bytes);
    return pyr_mark(io->k, io->current);
}

pyr_status pyr_step_io_step(pyr_step_io *io, pyr_status (*enqueue)(void *arg), void *arg)
{
    int slot = (int)(io->enqueued % io->slots);
    char *to = io->results + (size_t)slot * io->out_bytes;

    assert(io->enqueued - io->read < io->slots);
    PYR_TRY(pyr_step_io_send(io));
    PYR_TRY(pyr_recorded(io->k, &io->recording, enqueue, arg));
    for (int i = 0; i < io->n_outputs; i++) {
        pyr_download(io->k, to, io->output[i].from, io->output[i].bytes);
        to += io->output[i].bytes;
    }
    PYR_TRY(pyr_mark(io->k, MARK_RESULTS + slot));
    io->enqueued++;
    return PYR_OK;
}

pyr_status pyr_step_io_result(pyr_step_io *io, const void **results)
{
    int slot = (int)(io->read % io->slots);

    assert(io->read < io->enqueued);
    *results = io->results + (size_t)slot * io->out_bytes;
    io->read++;
    return pyr_wait(io->k, MARK_RESULTS + slot);
}

void pyr_step_io_forget(pyr_step_io *io)
{
    pyr_forget(io->k, &io->recording);
}
