/* threads.c - a pool of threads that look for work a moment before they sleep. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/threads.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/stop.h"
#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

struct pyr_pool {
    int lanes, started;
    pthread_t *threads; /* lanes - 1 of them: lane 0 is the caller */
    void (*on_start)(void);
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    atomic_ulong round; /* counts pyr_pool_run calls, so that a lane sees a new one */
    atomic_int idle;    /* workers that finished this round */
    bool spin;          /* look for a moment before going to sleep */
    int quit;
    /* the current round */
    pyr_task run;
    void *arg;
    pyr_stop stop; /* the caller's */
    int tasks, next;
    bool each; /* the lane's number is its one task */
    int failed_task;
    pyr_status failure;
    char sentence[4096];
    /* recording */
    pyr_task_time *times; /* NULL: none */
    size_t room, recorded;
    int rounds;
    double alone_since; /* the caller's processor time at the end of the last round */
};

typedef struct worker_arg {
    pyr_pool *pool;
    int lane;
} worker_arg;

int pyr_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

int pyr_openmp_threads(int n)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(n);
    return before;
}

static void record(pyr_pool *pool, int task, double seconds)
{
    if (pool->recorded < pool->room)
        pool->times[pool->recorded] = (pyr_task_time){pool->rounds, task, seconds};
    pool->recorded++;
}

static void work_on_round(pyr_pool *pool, int lane)
{
    bool worked = false;

    pthread_mutex_lock(&pool->lock);
    while (pool->next < pool->tasks && pool->failure == PYR_OK && !(pool->each && worked)) {
        int task = pool->each ? lane : pool->next;
        pyr_status status;

        pool->next++;
        worked = true;

        pthread_mutex_unlock(&pool->lock);
        status = pool->run(pool->arg, task, lane);
        pthread_mutex_lock(&pool->lock);
        if (status != PYR_OK && task < pool->failed_task) {
            pool->failed_task = task;
            pool->failure = status;
            snprintf(pool->sentence, sizeof pool->sentence, "%s", pyr_error());
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Waking a sleeping thread takes about 45 microseconds, and a training step has half a dozen rounds with
 * little in between (2 lanes, rounds of 4 tasks of 10 us: 47 us asleep, 21 us looking; tasks of 100 us: 250
 * and 204). So look for some 20 us first, where lanes do not share processors. Without the PAUSE instruction:
 * inside a virtual machine it traps (the same round took 110 us). */
enum { LOOKS = 20000 };

static void look_for_round(pyr_pool *pool, unsigned long seen)
{
    for (int i = 0; pool->spin && i < LOOKS && atomic_load(&pool->round) == seen; i++)
        ;
}

static void look_for_end(pyr_pool *pool)
{
    for (int i = 0; pool->spin && i < LOOKS && atomic_load(&pool->idle) < pool->started; i++)
        ;
}

static void *worker(void *arg)
{
    worker_arg *me = arg;
    pyr_pool *pool = me->pool;
    int lane = me->lane;
    unsigned long seen = 0;

    pyr_free(me);
    if (pool->on_start)
        pool->on_start();
    for (;;) {
        look_for_round(pool, seen);
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->round) == seen && !pool->quit)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->quit)
            break;
        seen = atomic_load(&pool->round);
        pyr_stop_hook(pool->stop);
        pthread_mutex_unlock(&pool->lock);
        work_on_round(pool, lane);
        pthread_mutex_lock(&pool->lock);
        if (atomic_fetch_add(&pool->idle, 1) + 1 == pool->started)
            pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* A thread has the stack that `ulimit -s` gives a process, unless that is small: a product of oneDNN takes 60
 * KB. */
static bool start_thread(pthread_t *out, worker_arg *arg)
{
    enum { LEAST = 1 << 20 };
    pthread_attr_t how;
    size_t bytes = 0;
    bool started;

    if (pthread_attr_init(&how) != 0)
        return false;
    if (pthread_attr_getstacksize(&how, &bytes) == 0 && bytes < LEAST)
        pthread_attr_setstacksize(&how, LEAST);
    started = pthread_create(out, &how, worker, arg) == 0;
    pthread_attr_destroy(&how);
    return started;
}

pyr_status pyr_pool_new(pyr_pool **out, int lanes, void (*on_start)(void))
{
    pyr_pool *pool;

    *out = NULL;
    if (lanes == 0)
        lanes = pyr_processors();
    PYR_TRY(pyr_new(&pool, 1, sizeof *pool, "thread pool"));
    pool->lanes = lanes;
    pool->spin = lanes <= pyr_processors();
    pool->on_start = on_start;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->threads = pyr_calloc((size_t)lanes, sizeof *pool->threads);
    for (int lane = 1; pool->threads && lane < lanes; lane++) {
        worker_arg *arg = pyr_calloc(1, sizeof *arg);

        if (!arg)
            break;
        *arg = (worker_arg){pool, lane};
        if (!start_thread(&pool->threads[lane - 1], arg)) {
            pyr_free(arg);
            break;
        }
        pool->started++;
    }
    if (!pool->threads || pool->started < lanes - 1) {
        pyr_pool_free(pool);
        return pyr_fail(PYR_E_NOMEM, "cannot start %d threads; try --threads 1", lanes);
    }
    *out = pool;
    return PYR_OK;
}

void pyr_pool_free(pyr_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    pyr_free(pool->threads);
    pyr_free(pool);
}

int pyr_pool_lanes(const pyr_pool *pool)
{
    return pool->lanes;
}

static pyr_status run_round(pyr_pool *pool, int tasks, bool each, pyr_task run, void *arg)
{
    if (pool->on_start) /* another thread may have run the round before */
        pool->on_start();
    pthread_mutex_lock(&pool->lock);
    pool->run = run;
    pool->arg = arg;
    pool->stop = pyr_stop_current();
    pool->tasks = tasks;
    pool->each = each;
    pool->next = 0;
    atomic_store(&pool->idle, 0);
    pool->failed_task = INT_MAX;
    pool->failure = PYR_OK;
    atomic_fetch_add(&pool->round, 1);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    work_on_round(pool, 0);
    look_for_end(pool);
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->idle) < pool->started)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    if (pool->failure != PYR_OK)
        pyr_error_set(pool->sentence);
    return pool->failure;
}

/* A round of which each task is timed. */
static pyr_status record_round(pyr_pool *pool, int tasks, pyr_task run, void *arg)
{
    pyr_status status = PYR_OK;

    record(pool, -1, pyr_thread_seconds() - pool->alone_since);
    for (int task = 0; task < tasks && status == PYR_OK; task++) {
        double start = pyr_thread_seconds();

        status = run(arg, task, 0);
        record(pool, task, pyr_thread_seconds() - start);
    }
    pool->rounds++;
    pool->alone_since = pyr_thread_seconds();
    return status;
}

void pyr_pool_record(pyr_pool *pool, pyr_task_time *times, size_t room)
{
    pool->times = times;
    pool->room = room;
    pool->recorded = 0;
    pool->rounds = 0;
    pool->alone_since = pyr_thread_seconds();
}

size_t pyr_pool_recorded(const pyr_pool *pool, int *rounds)
{
    *rounds = pool->rounds;
    return pool->recorded <= pool->room ? pool->recorded : 0;
}

pyr_status pyr_pool_run(pyr_pool *pool, int tasks, pyr_task run, void *arg)
{
    return pool->times ? record_round(pool, tasks, run, arg) : run_round(pool, tasks, false, run, arg);
}

pyr_status pyr_pool_run_each(pyr_pool *pool, pyr_task run, void *arg)
{
    return run_round(pool, pool->lanes, true, run, arg);
}
