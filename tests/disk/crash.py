"""crash.py - a training on a simulated disk: what a power cut may leave after any of its operations can be gone on from.

Usage: python3 tests/disk/crash.py PROGRAM [--kind apart|cascade|share] [--seed N] [--subsets N] [--most N] [--twice N]
                                           [--each-write] [--tell all|whole|names] [--only CUT] [--keep FOLDER] [--jobs N]

An undisturbed training is recorded (record.py), every tree that a cut may leave is made (disk.py), and the same command is
given on each. Right is: status 0, no word of damage, no completed checkpoint lost, the files of the undisturbed training
byte for byte, a log of whole lines that counts no step twice, nothing left over.

--subsets N    random subsets of the pending operations at each place (default 2)
--most N       only so many trees, drawn by the seed (default: all)
--twice N      also cut the going on itself, from N of the trees
--each-write   cut between the writes of one file, too; without it those in a row count as one
--tell WHAT    tell trees apart by the contents of all files (all), of all but temporaries, which a program that goes on
               removes unread (whole, the default), or of those alone that decide what it does: no logs, no locks (names)
--only CUT     the one tree that a failure names, e.g. "212 without 208"; with --keep its files stay in FOLDER
The last line counts as tests/run.sh wants it. Wants strace; Python's standard library only."""

import argparse
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk
import record
import tiny


class Recording:
    """Operations of a command, begun on the tree `before`; `right` is what should be there in the end."""

    def __init__(self, operations, base, right):
        self.operations, self.base, self.right = operations, base, right
        self.completed = self.checkpoints()

    def checkpoints(self):
        """After how many operations which steps had been completed: [(n, {path of a state: step})]. A state is once the
        folder that names it has been synced; that its own parents might not be on the disk is no excuse."""
        parents = {i for i, o in enumerate(self.operations) if o[0] == "link" and o[4] == "folder"}
        out, seen = [], None
        for n in range(self.base, len(self.operations) + 1):
            if n > self.base and self.operations[n - 1][0] != "sync":
                continue
            kept = {i: disk.WHOLE for i in parents if i < n}
            tree = disk.after(self.operations, n, self.base, kept)
            paths = {p: how for p, how in tree.paths.items() if p.endswith("state.safetensors")}
            if paths != seen:
                out.append((n, {p: tiny.step_of(tree.content(p)) for p in paths}))
                seen = paths
        return out

    def completed_by(self, n):
        return [steps for at, steps in self.completed if at <= n][-1]


def begun_at(stderr, duration):
    """Which steps a training says to have done before: {level or "all": step}; every report is a whole checkpoint on."""
    steps = {}
    for line in stderr.split("\n"):
        finished = re.match(r"(?:level (\d+)|the cascade) is finished: (\d+) steps", line)
        percent = re.match(r"(?:level (\d+)|all levels) +(\d+)%", line)
        if finished:
            steps.setdefault(finished.group(1) or "all", int(finished.group(2)))
        elif percent:
            steps.setdefault(percent.group(1) or "all", round(int(percent.group(2)) / 100 * duration) - CHECKPOINT)
    return steps


BLIND = {"all": None, "whole": re.compile(r"\.tmp-"), "names": re.compile(r"\.tmp-|/lock$|/log\.jsonl$")}
STEPS, CHECKPOINT = 20, 5  # of each level, of tiny.write_inputs


def lost(completed, stderr):
    """Which completed checkpoint a training did not go on from, or None."""
    begun = begun_at(stderr, STEPS)
    for path, step in completed.items():
        level = re.search(r"level-(\d+)", path)
        own = begun.get("all", begun.get(level.group(1) if level else "", 0))
        least = min(completed.values()) if "all" in begun and len(completed) > 1 else step
        if "all" in begun and level and len(completed) == 1:
            continue  # a cascade's first checkpoint is not completed before all levels have theirs
        if own < least:
            return "%s was completed at step %d, it goes on from step %d" % (path, step, own)
    return None


class Trial:
    """What is needed to go on from trees: a folder with the inputs, a warm cache, the command."""

    def __init__(self, arguments, work):
        self.program = os.path.abspath(arguments.program)
        self.kind, self.work, self.arguments = arguments.kind, work, arguments
        self.env = dict(os.environ, XDG_CACHE_HOME=os.path.join(work, "cache"), LC_ALL="C")
        self.command = tiny.train(self.program, self.kind, "disk/run")

    def fresh(self, tree):
        """A folder of its own with the inputs and, as disk/, the tree."""
        folder = tempfile.mkdtemp(dir=self.work)
        tiny.write_inputs(folder)
        os.mkdir(os.path.join(folder, "disk"))
        tiny.write_tree(tree, os.path.join(folder, "disk"))
        return folder

    def record(self, before, right=None):
        folder = self.fresh(before)
        operations, base = record.record(self.command, os.path.join(folder, "disk"), folder, self.env, before)
        if not self.arguments.each_write:
            operations, base = record.joined(operations, base), base
        end = tiny.read_tree(os.path.join(folder, "disk"))
        whole = disk.after(operations, len(operations), len(operations), {})
        for path in whole.paths:  # the model is the real disk
            if path not in end or (end[path] is not None and whole.content(path) != end[path]):
                raise RuntimeError("the recording is not what is on the disk: %s" % path)
        shutil.rmtree(folder)
        return Recording(operations, base, right or end)

    def go_on(self, recording, n, kept):
        """Give the command on a tree: None, or what is wrong."""
        tree = disk.after(recording.operations, n, recording.base, kept)
        files = {p: None if how is None else tree.content(p) for p, how in tree.paths.items()}
        folder = self.fresh(files)
        if self.arguments.keep:
            shutil.rmtree(self.arguments.keep, ignore_errors=True)
            shutil.copytree(folder, self.arguments.keep)
        done = subprocess.run(
            self.command, cwd=folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        stderr = done.stderr.decode(errors="replace")
        end = tiny.read_tree(os.path.join(folder, "disk"))
        shutil.rmtree(folder)
        if done.returncode:
            return "status %d: %s" % (done.returncode, stderr.strip().split("\n")[-1])
        if re.search("damaged|corrupt|checksum|hint:", stderr):
            return "status 0, but: " + re.search(".*(damaged|corrupt|checksum|hint:).*", stderr).group(0)
        return lost(recording.completed_by(n), stderr) or tiny.difference(end, recording.right)


def trees(recording, arguments):
    """The distinct ones: [(label, n, kept)]."""
    seen, out = set(), []
    for n in range(recording.base, len(recording.operations) + 1):
        if n > recording.base and recording.operations[n - 1][0] == "sync":
            continue  # leaves nothing that was not there before it
        for label, kept in disk.cuts(recording.operations, n, recording.base, arguments.seed, arguments.subsets):
            tree = disk.after(recording.operations, n, recording.base, kept)
            key = hash(tree.key(BLIND[arguments.tell]))
            if key not in seen:
                seen.add(key)
                out.append(("%d %s" % (n, label), n, kept))
    return out


def show(recording, label, n, kept, wrong):
    print("FAILED cut %s: %s" % (label, wrong))
    print("    after: %s" % (disk.say(recording.operations[n - 1]) if n else "nothing"))
    left = disk.pending(recording.operations, n, recording.base)
    for what, those in (("kept", [i for i in left if i in kept]), ("lost", [i for i in left if i not in kept])):
        for i in those[-8:]:
            print("    %s %d%s: %s" % (what, i, ", " + kept[i] if i in kept else "", disk.say(recording.operations[i])))


def try_all(trial, recording, chosen, name):
    """Go on from all of these trees; how many were wrong. Two examples are shown of each kind of failure."""
    kinds = {}
    with concurrent.futures.ThreadPoolExecutor(trial.arguments.jobs) as pool:
        for (label, n, kept), wrong in zip(chosen, pool.map(lambda c: trial.go_on(recording, c[1], c[2]), chosen)):
            kind = re.sub("[0-9]+", "N", wrong or "")
            kinds[kind] = kinds.get(kind, 0) + 1
            if wrong and kinds[kind] <= 2:
                show(recording, label, n, kept, wrong)
                print("    again with: python3 tests/disk/crash.py %s %s" % (trial.arguments.program, name(label)), flush=True)
    kinds.pop("", None)
    for kind, times in sorted(kinds.items(), key=lambda k: -k[1]):
        print("%d times: %s" % (times, kind))
    return sum(kinds.values())


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--kind", default="cascade", choices=sorted(tiny.KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--subsets", type=int, default=2)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--twice", type=int, default=0)
    parser.add_argument("--each-write", action="store_true")
    parser.add_argument("--tell", default="whole", choices=sorted(BLIND))
    parser.add_argument("--only")
    parser.add_argument("--keep")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("TEST_JOBS", os.cpu_count() or 1)))
    arguments = parser.parse_args()
    work = tempfile.mkdtemp(prefix="pyrdiff-disk.")
    try:
        return run(Trial(arguments, work), arguments)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run(trial, arguments):
    draw = random.Random(arguments.seed)
    folder = trial.fresh({})  # measured choices first: they decide bits
    subprocess.run(trial.command, cwd=folder, env=trial.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    recording = trial.record({})
    chosen = trees(recording, arguments)
    of = "--kind %s --seed %d --subsets %d --tell %s%s" % (
        arguments.kind, arguments.seed, arguments.subsets, arguments.tell, " --each-write" if arguments.each_write else ""
    )
    if arguments.only:
        chosen = [c for c in chosen if c[0] == arguments.only]
    distinct = len(chosen)
    if arguments.most and arguments.most < distinct:
        chosen = sorted(draw.sample(chosen, arguments.most), key=lambda c: c[1])
    failed = try_all(trial, recording, chosen, lambda label: '%s --only "%s"' % (of, label))
    tried = len(chosen)
    print("%s: %d operations, %d distinct trees, %d gone on from" % (arguments.kind, len(recording.operations), distinct, tried))
    for label, n, kept in draw.sample(chosen, min(arguments.twice, len(chosen))):
        tree = disk.after(recording.operations, n, recording.base, kept)
        before = {p: None if how is None else tree.content(p) for p, how in tree.paths.items()}
        second = trial.record(before, recording.right)
        again = trees(second, arguments)
        again = draw.sample(again, min(arguments.most or 60, len(again)))
        print("%s: cut %s, gone on from and cut again: %d trees" % (arguments.kind, label, len(again)))
        failed += try_all(trial, second, again, lambda second: "%s --twice (%s, then %s)" % (of, label, second))
        tried += len(again)
    print("disk-%s: %d passed, %d failed, 0 skipped" % (arguments.kind, tried - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
