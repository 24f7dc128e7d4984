/* sum_tree.c - sums that wait for their neighbours in the tree, and the buffers that they lie in. */
#include "graph/sum_tree.h"

#include "base/mem.h"
#include <assert.h>
#include <pthread.h>
#include <string.h>

enum { MOST_LEVELS = 32, NONE = -1 };

struct pyr_sum_tree {
    int pieces, buffers, levels;
    int count[MOST_LEVELS];     /* sums of a level; level 0: pieces */
    int *finished[MOST_LEVELS]; /* [count]: the buffer of a sum that waits for its neighbour, or NONE */
    int *all;                   /* their memory */
    bool *taken;                /* [buffer] */
    int *home;                  /* [buffer]: the lane that had it first, or NONE */
    int next;                   /* piece */
    bool failed;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static int levels_above(int pieces)
{
    int levels = 0;

    for (int n = pieces; n > 1; n = (n + 1) / 2)
        levels++;
    return levels;
}

/* Lanes take pieces in order. When all of them wait, the pieces before are done, and what they were added to are at most
 * as many sums as the number of pieces has binary digits: so one buffer more than levels is always enough. */
int pyr_sum_tree_buffers(int pieces, int lanes)
{
    int wanted = lanes + levels_above(pieces);

    return wanted < pieces ? wanted : pieces;
}

pyr_status pyr_sum_tree_new(pyr_sum_tree **out, int pieces, int buffers)
{
    pyr_sum_tree *t;
    size_t sums = 0;
    pyr_status status = PYR_OK;

    *out = NULL;
    assert(pieces > 0 && buffers >= pyr_sum_tree_buffers(pieces, 1));
    PYR_TRY(pyr_new(&t, 1, sizeof *t, "a tree of sums"));
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->pieces = pieces;
    t->buffers = buffers;
    t->levels = levels_above(pieces);
    for (int level = 0, n = pieces; level <= t->levels; level++, n = (n + 1) / 2) {
        t->count[level] = n;
        sums += (size_t)n;
    }
    PYR_TRY_OUT(pyr_new(&t->all, sums, sizeof *t->all, "a tree of sums"));
    PYR_TRY_OUT(pyr_new(&t->taken, (size_t)buffers, sizeof *t->taken, "a tree of sums"));
    PYR_TRY_OUT(pyr_new(&t->home, (size_t)buffers, sizeof *t->home, "a tree of sums"));
    t->finished[0] = t->all;
    for (int level = 0; level < t->levels; level++)
        t->finished[level + 1] = t->finished[level] + t->count[level];
    for (int i = 0; i < buffers; i++)
        t->home[i] = NONE;
    pyr_sum_tree_begin(t);
    *out = t;
    return PYR_OK;
out:
    pyr_sum_tree_free(t);
    return status;
}

void pyr_sum_tree_free(pyr_sum_tree *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
    pyr_free(t->all);
    pyr_free(t->taken);
    pyr_free(t->home);
    pyr_free(t);
}

void pyr_sum_tree_begin(pyr_sum_tree *t)
{
    for (int level = 0; level <= t->levels; level++)
        for (int i = 0; i < t->count[level]; i++)
            t->finished[level][i] = NONE;
    memset(t->taken, 0, (size_t)t->buffers * sizeof *t->taken);
    t->next = 0;
    t->failed = false;
}

/* A free buffer that was the lane's own, or nobody's, or any; NONE. */
static int free_buffer(const pyr_sum_tree *t, int lane)
{
    int unowned = NONE, any = NONE;

    for (int i = 0; i < t->buffers; i++) {
        if (t->taken[i])
            continue;
        if (t->home[i] == lane)
            return i;
        if (t->home[i] == NONE && unowned == NONE)
            unowned = i;
        any = i;
    }
    return unowned != NONE ? unowned : any;
}

/* Two neighbours that are both finished; the lowest first. */
static bool take_pair(pyr_sum_tree *t, pyr_sum_job *job)
{
    for (int level = 0; level < t->levels; level++)
        for (int i = 0; i + 1 < t->count[level]; i += 2) {
            int *pair = t->finished[level] + i;

            if (pair[0] == NONE || pair[1] == NONE)
                continue;
            *job = (pyr_sum_job){NONE, pair[0], pair[1], level, i};
            pair[0] = pair[1] = NONE;
            return true;
        }
    return false;
}

bool pyr_sum_tree_take(pyr_sum_tree *t, int lane, pyr_sum_job *job)
{
    bool found = false;

    pthread_mutex_lock(&t->lock);
    while (!t->failed && t->next < t->pieces && !found) {
        int buffer = free_buffer(t, lane);

        if (buffer != NONE) {
            *job = (pyr_sum_job){.piece = t->next++, .to = buffer, .from = NONE};
            t->taken[buffer] = found = true;
            if (t->home[buffer] == NONE)
                t->home[buffer] = lane;
        } else {
            found = take_pair(t, job);
        }
        if (!found)
            pthread_cond_wait(&t->changed, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

/* The sum of a subtree is in `buffer`. One without a neighbour is that of the level above, too. */
static void put(pyr_sum_tree *t, int level, int index, int buffer)
{
    while (level < t->levels && index % 2 == 0 && index + 1 == t->count[level]) {
        level++;
        index /= 2;
    }
    t->finished[level][index] = buffer;
}

void pyr_sum_tree_done(pyr_sum_tree *t, const pyr_sum_job *job)
{
    pthread_mutex_lock(&t->lock);
    if (job->piece >= 0) {
        put(t, 0, job->piece, job->to);
    } else {
        t->taken[job->from] = false;
        put(t, job->level + 1, job->index / 2, job->to);
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void pyr_sum_tree_fail(pyr_sum_tree *t)
{
    pthread_mutex_lock(&t->lock);
    t->failed = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

int pyr_sum_tree_rest(pyr_sum_tree *t, pyr_sum_pair *pairs, int *root)
{
    pyr_sum_job job;
    int n = 0;

    while (take_pair(t, &job)) {
        pairs[n++] = (pyr_sum_pair){job.to, job.from};
        put(t, job.level + 1, job.index / 2, job.to);
    }
    *root = t->finished[t->levels][0];
    return n;
}
