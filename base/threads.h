/* threads.h - a pool of worker threads for lanes.
 *
 * A lane is one thread that runs a piece of work from start to end with
 * single-threaded library calls (design, "The engine"). The pool hands out
 * task numbers; which thread gets which task must never change a result. */
#ifndef PYR_BASE_THREADS_H
#define PYR_BASE_THREADS_H

#include "base/status.h"
#include <stddef.h>

typedef struct pyr_pool pyr_pool;

/* Run task `task` (0 <= task < tasks) on lane `lane` (0 <= lane < pyr_pool_lanes). */
typedef pyr_status (*pyr_task)(void *arg, int task, int lane);

/* A pool of `lanes` threads, the caller of pyr_pool_run being one of them;
 * 0 means one per processor that this process may use. `on_start` (may be
 * NULL) runs in each thread before any task: once in the pool's own, in the caller before each round. */
pyr_status pyr_pool_new(pyr_pool **out, int lanes, void (*on_start)(void));
void pyr_pool_free(pyr_pool *pool); /* NULL is a no-op */
int pyr_pool_lanes(const pyr_pool *pool);

/* Run all tasks and wait. Returns the failure of the lowest task number that
 * failed, its sentence included; later tasks may then have been left out.
 * Allocates nothing. Not re-entrant. */
pyr_status pyr_pool_run(pyr_pool *pool, int tasks, pyr_task run, void *arg);

/* The same with one task for each lane, which runs it itself: task is lane. For memory that a lane is to touch first. */
pyr_status pyr_pool_run_each(pyr_pool *pool, pyr_task run, void *arg);

/* A task that was run: processor time in seconds. task -1: what the caller did alone before the round. */
typedef struct pyr_task_time {
    int round, task;
    double seconds;
} pyr_task_time;

/* From now on each task's time is taken, up to `room` of them (borrowed until it is called again; NULL: no more). So that
 * no task slows another, the caller then runs them all, one after the other, as lane 0. */
void pyr_pool_record(pyr_pool *pool, pyr_task_time *times, size_t room);
/* How many there are, and the number of rounds; more than `room` tasks: 0. */
size_t pyr_pool_recorded(const pyr_pool *pool, int *rounds);

/* From now on OpenMP, which libraries run on, may use `n` threads in the calling thread; returns how many it
 * might before. Other threads are not touched. */
int pyr_openmp_threads(int n);

/* Processors that this process may use (its affinity mask). */
int pyr_processors(void);

#endif
