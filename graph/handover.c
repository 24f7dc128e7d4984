#include "graph/handover.h"

#include <assert.h>

enum { MARK_RESULTS = 2 }; /* the first two are of the blocks that go */

pyr_status pyr_handover_new(pyr_handover *h, pyr_kernels *k, size_t in_bytes, const pyr_watched *watched,
                            int n)
{
    *h = (pyr_handover){
        .k = k, .in_bytes = in_bytes, .blocks = k->ahead > 0 ? 2 : 1, .slots = k->ahead + 1, .n_watched = n};
    assert(n <= PYR_MOST_WATCHED && MARK_RESULTS + h->slots <= PYR_MARKS);
    for (int i = 0; i < n; i++) {
        h->watched[i] = watched[i];
        h->out_bytes += watched[i].bytes;
    }
    for (int i = 0; i < h->blocks; i++)
        PYR_TRY(k->alloc_host(k, &h->host[i], in_bytes, "what a step is told"));
    PYR_TRY(k->alloc(k, &h->device, in_bytes, "what a step is told"));
    return k->alloc_host(k, (void **)&h->results, (size_t)h->slots * h->out_bytes, "results of steps");
}

void pyr_handover_free(pyr_handover *h)
{
    if (!h->k)
        return;
    pyr_forget(h->k, &h->recording);
    (void)h->k->sync(h->k); /* blocks belong to copies until then; a failure has no one to be told */
    for (int i = 0; i < h->blocks; i++)
        h->k->release_host(h->k, h->host[i]);
    h->k->release_host(h->k, h->results);
    h->k->release(h->k, h->device);
    *h = (pyr_handover){0};
}

size_t pyr_handover_bytes(const pyr_handover *h)
{
    return (size_t)(h->blocks + 1) * h->in_bytes + (size_t)h->slots * h->out_bytes;
}

pyr_status pyr_handover_next(pyr_handover *h, void **host)
{
    h->turn = (h->turn + 1) % h->blocks;
    *host = h->host[h->turn];
    return h->k->wait(h->k, h->turn);
}

pyr_status pyr_handover_send(pyr_handover *h)
{
    h->k->upload(h->k, h->device, h->host[h->turn], h->in_bytes);
    return h->k->mark(h->k, h->turn);
}

pyr_status pyr_handover_step(pyr_handover *h, pyr_status (*enqueue)(void *arg), void *arg)
{
    int slot = (int)(h->asked % h->slots);
    char *to = h->results + (size_t)slot * h->out_bytes;

    assert(h->asked - h->read < h->slots);
    PYR_TRY(pyr_handover_send(h));
    PYR_TRY(pyr_recorded(h->k, &h->recording, enqueue, arg));
    for (int i = 0; i < h->n_watched; i++) {
        h->k->download(h->k, to, h->watched[i].from, h->watched[i].bytes);
        to += h->watched[i].bytes;
    }
    PYR_TRY(h->k->mark(h->k, MARK_RESULTS + slot));
    h->asked++;
    return PYR_OK;
}

pyr_status pyr_handover_result(pyr_handover *h, const void **results)
{
    int slot = (int)(h->read % h->slots);

    assert(h->read < h->asked);
    *results = h->results + (size_t)slot * h->out_bytes;
    h->read++;
    return h->k->wait(h->k, MARK_RESULTS + slot);
}

void pyr_handover_forget(pyr_handover *h)
{
    pyr_forget(h->k, &h->recording);
}
