#!/usr/bin/env python3
"""How many lanes have work in a training step: speed-up at 1 ... 64 threads from the tasks of a recorded step.

    bench/lanes.py [--program ./pyrdiff] [--threads 1,2,4,8,16,32,64] [--seconds 2] NETWORK ... [-- ARGS OF pyrdiff bench]

For each number of threads the program itself is run with as many, on whatever machine this is, as it plans by them, and
writes its tasks with the processor time of each (pyrdiff bench --record), which it runs one after the other on one
processor for this. A step is a sequence of rounds: what the caller does alone, then tasks, which lanes take in order. Each
task counts with its median over the steps. Rounds are played again on as many lanes: a lane takes the next task when it is
done with one, and a round costs --wake microseconds of waking. What lanes share (memory's bandwidth, the last cache, the
clock's rate) is not in it. With several --rounds all numbers of threads are recorded in turns, and each figure is the
median of the rounds'.

  work ms    the time of all tasks and of what is done alone: what the plan for so many lanes costs one
  speed-up   the work of the plan for one thread, over the time of the play
  of ideal   that, over the number of threads
  path       the longest task of each round and all that is done alone: no number of lanes can be faster
  alone      part of the play in which one lane works and no task runs
  busy       lanes that have at least half of the mean work in the play
  least      the work of the lane that has least, over the mean
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile


def record(program, network, threads, seconds, rest):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tasks.json")
        subprocess.run([program, "bench", "--network", network, "--threads", str(threads), "--seconds", str(seconds),
                        "--record", path, "--json", *rest], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        with open(path) as f:
            return json.load(f)


def step_of(recorded):
    """[(alone, [time of each task])] of a step, medians over all but the first."""
    per_step, left = divmod(recorded["rounds"], recorded["steps"])
    if left:
        sys.exit("steps have different numbers of rounds")
    alone = [[] for _ in range(per_step)]
    tasks = [{} for _ in range(per_step)]
    for r, task, seconds in recorded["tasks"]:
        if r < per_step:
            continue
        if task < 0:
            alone[r % per_step].append(seconds)
        else:
            tasks[r % per_step].setdefault(task, []).append(seconds)
    # Of tasks that may take any piece (training/batch_step.c) the number says nothing: all count alike in the median.
    return [(statistics.median(a), [statistics.median(t[i]) for i in sorted(t)]) for a, t in zip(alone, tasks)]


def play(step, lanes, wake):
    """Seconds of a step, and the work of each lane in it."""
    total, work = 0.0, [0.0] * lanes
    for alone, tasks in step:
        at = [0.0] * lanes
        for task in tasks:
            first = min(range(lanes), key=at.__getitem__)
            at[first] += task
        total += alone + max(at) + (wake if lanes > 1 and len(tasks) > 1 else 0)
        # any lane may be the first one in a round: the least busy so far
        for lane, seconds in zip(sorted(range(lanes), key=work.__getitem__), sorted(at, reverse=True)):
            work[lane] += seconds
    return total, work


def figures(program, network, lanes, typed, rest):
    """What the columns are made of."""
    recorded = record(program, network, lanes, typed.seconds, rest)
    step = step_of(recorded)
    seconds, work = play(step, lanes, typed.wake * 1e-6)
    mean = sum(work) / lanes
    return {"piece": recorded["piece"], "parts": recorded["parts"], "seconds": seconds,
            "work": sum(a + sum(t) for a, t in step), "path": sum(a + max(t, default=0) for a, t in step),
            "alone": sum(a for a, _ in step) / seconds, "busy": sum(w >= mean / 2 for w in work), "least": min(work) / mean}


def main():
    words, rest = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, rest = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="./pyrdiff")
    parser.add_argument("--threads", default="1,2,4,8,16,32,64")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--wake", type=float, default=20, help="microseconds that a round's start and end take")
    parser.add_argument("networks", nargs="+")
    typed = parser.parse_args(words)
    threads = [int(t) for t in typed.threads.split(",")]
    if 1 not in threads:
        threads.insert(0, 1)
    print("network     threads  piece  parts  work ms  step ms  speed-up  of ideal  path ms  alone  busy  least")
    for network in typed.networks:
        rounds = [{n: figures(typed.program, network, n, typed, rest) for n in sorted(threads)}
                  for _ in range(typed.rounds)]
        for n in sorted(threads):
            f = {key: statistics.median(r[n][key] for r in rounds) for key in rounds[0][n]}
            faster = statistics.median(r[1]["work"] / r[n]["seconds"] for r in rounds)
            print(f"{os.path.basename(network.rstrip('/')):11s} {n:7d}  {f['piece']:5.0f}  {f['parts']:5.0f}"
                  f"  {1e3 * f['work']:7.1f}  {1e3 * f['seconds']:7.1f}  {faster:8.2f}  {faster / n:8.2f}"
                  f"  {1e3 * f['path']:7.1f}  {100 * f['alone']:4.1f}%  {f['busy']:4.0f}  {f['least']:5.2f}", flush=True)


if __name__ == "__main__":
    main()
