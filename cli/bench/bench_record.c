/* bench_record.c - the tasks of training steps with their processor times, for bench/lanes.py. */
#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bench/bench.h"
#include "training/trainer.h"

enum { MOST_TASKS = 1 << 20, STEPS = 5 /* of pyr_trainer_time when no time is wanted */ };

static void write_tasks(pyr_json *j, const pyr_task_time *times, size_t n)
{
    pyr_json_open(j, "tasks", '[');
    for (size_t i = 0; i < n; i++) {
        pyr_json_open(j, NULL, '[');
        pyr_json_int(j, NULL, times[i].round);
        pyr_json_int(j, NULL, times[i].task);
        pyr_json_real(j, NULL, times[i].seconds);
        pyr_json_close(j, ']');
    }
    pyr_json_close(j, ']');
}

/* Steps until `seconds` are over, at least STEPS. */
static pyr_status run_steps(pyr_trainer *trainer, double seconds, int *steps)
{
    double begin = pyr_now(), unused;

    *steps = 0;
    do {
        PYR_TRY(pyr_trainer_time(trainer, 0, &unused));
        *steps += STEPS;
    } while (pyr_now() - begin < seconds);
    return PYR_OK;
}

pyr_status pyr_bench_record(const char *path, pyr_kernels *k, pyr_trainer *trainer, double seconds)
{
    const pyr_learner *l = &pyr_trainer_level(trainer, 0)->learner;
    pyr_task_time *times;
    pyr_status status;
    int steps, rounds;
    pyr_json j = {0};
    size_t n;

    PYR_TRY(pyr_new(&times, MOST_TASKS, sizeof *times, "times of tasks"));
    pyr_pool_record(k->pool, times, MOST_TASKS);
    PYR_TRY_OUT(run_steps(trainer, seconds, &steps));
    n = pyr_pool_recorded(k->pool, &rounds);
    if (n == 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG,
                             "more than %d tasks in %d steps: give --record less time with --seconds",
                             MOST_TASKS, steps));
    pyr_json_open(&j, NULL, '{');
    pyr_json_int(&j, "lanes", k->lanes);
    pyr_json_int(&j, "batch", l->batch);
    pyr_json_int(&j, "piece", l->micro_batch);
    pyr_json_int(&j, "parts", pyr_graph_parts(l->g));
    pyr_json_int(&j, "steps", steps);
    pyr_json_int(&j, "rounds", rounds);
    write_tasks(&j, times, n);
    pyr_json_close(&j, '}');
    pyr_text_add(&j.text, "\n");
    status = pyr_text_save(&j.text, path);
out:
    pyr_pool_record(k->pool, NULL, 0);
    pyr_text_free(&j.text);
    pyr_free(times);
    return status;
}
