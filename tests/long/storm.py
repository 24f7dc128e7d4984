"""storm.py - every command under kills, injected errors, full disks, closed streams, signals, and beside itself.

Usage: python3 tests/long/storm.py PROGRAM [--part N] [--seed N] [--only SECTION[:N]] [--jobs N]

Whatever happens to it, a command ends with status 0 and the right files, or with another status and a sentence on stderr,
never by a signal of its own making; and the same command, given again, comes to the right files from what is there. Right
are those of an undisturbed process: the same bytes, but for times. Each trial draws from a generator of its own, seeded by
the storm's seed, its section and number; a failure prints how to have it again. Errors are injected by strace.

--part N            an N-th of the trials (whole: five to twenty minutes on 2 cores)
--only SECTION[:N]  one section, or one trial, e.g. error:17
The last line counts as tests/run.sh wants it. Python's standard library only."""

import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "disk"))
import tiny

SHAPES = os.path.join(ROOT, "tests", "golden", "shapes")
COMMANDS = {
    "apart": "train --config t.cfg --outdir out",
    "cascade": "train --config t.cfg --outdir out --cascade",
    "share": "train --config t.cfg --outdir out --cascade --set cascade.share=true",
    "sample": "sample --network run --seeds 0-15 --outdir out",
    "eval": "eval run --count 20 --metrics swd,spectrum,colour,consistency --json out/eval.json",
    "compare": "compare --config shapes.cfg --variants separate,cascade --count 20 --classifier classifier.safetensors"
    " --budget 5e8flop --outdir out",
}
# Not fcntl, which has nothing to fail at; nor brk: where it fails once, glibc's malloc itself falls (2.36).
ERRORS = {
    "openat": "EIO EMFILE ENOSPC EACCES ENOMEM EINTR",
    "read": "EIO EINTR ENOMEM",
    "pread64": "EIO EINTR",
    "write": "EIO ENOSPC EINTR EFBIG",
    "pwrite64": "EIO ENOSPC",
    "fsync": "EIO ENOSPC EINTR",
    "rename": "EIO ENOSPC EACCES",
    "unlink": "EIO EACCES",
    "mkdir": "EIO ENOSPC EACCES",
    "newfstatat": "EIO ENOMEM EACCES",
    "fstat": "EIO",
    "getdents64": "EIO",
    "flock": "EIO EINTR ENOLCK",
    "mmap": "ENOMEM",
    "ftruncate": "EIO EINTR",
    "lseek": "EIO",
    "close": "EIO",
    "clone3": "EAGAIN",
    "clone": "EAGAIN",
    "pipe2": "EMFILE",
    "wait4": "EINTR",
    "getcwd": "ENOENT",
    "sched_getaffinity": "EPERM",
}
TRIALS = {"kill": 140, "error": 500, "full": 60, "closed": 48, "signals": 60, "crowd": 18, "output": 8}
LONGEST = 120  # seconds of one process: longer is an endless one


def of_times(line):
    """A line of JSON that says how long or how much memory something took, or by what it was made, or their checksum."""
    return re.search(rb'_s"|seconds|_mib"|"command"|"date"|"written"|"choices"|"xxh3"', line)


def comparable(path, blob):
    if path.endswith(".json") and "/unet/" not in path:
        return [line for line in blob.split(b"\n") if not of_times(line)]
    return tiny.comparable(path, blob)


def difference(tree, right):
    """What makes the files of a command others than the right ones, or None."""
    for path in sorted(right):
        if right[path] is None or path.endswith(("lock", "compare.txt")):
            continue
        if tree.get(path) is None:
            return "%s is missing" % path
        if path.endswith("log.jsonl"):
            wrong = tiny.wrong_log(path, tree[path], json.loads(right[path].split(b"\n")[-2])["step"])
            if wrong:
                return wrong
        elif tree[path] != right[path] and comparable(path, tree[path]) != comparable(path, right[path]):
            return "%s is another one" % path
    left = [path for path in sorted(tree) if re.search(r"\.tmp-|state-next|states-change", path)]
    return "%s was left over" % left[0] if left else None


class Wrong(Exception):
    """What a trial found."""


class Storm:
    def __init__(self, arguments, work):
        self.program = os.path.abspath(arguments.program)
        self.arguments, self.work = arguments, work
        self.master = os.path.join(work, "master")
        self.right, self.seconds, self.calls = {}, {}, {}
        self.kills = []

    # ---- processes ----

    def argv(self, name):
        return [self.program] + COMMANDS[name].split() + ["--threads", "1"]

    def env(self, folder):
        return dict(os.environ, XDG_CACHE_HOME=os.path.join(folder, "cache"), LC_ALL="C")

    def begin(self, argv, folder, **more):
        return subprocess.Popen(
            argv, cwd=folder, env=self.env(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, **more
        )

    def end(self, process):
        """(status, stderr) of a process, with all of its children gone."""
        try:
            stderr = process.communicate(timeout=LONGEST)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Wrong("does not end within %d s" % LONGEST)
        return process.returncode, stderr

    def run(self, argv, folder, **more):
        return self.end(self.begin(argv, folder, **more))

    def prepare(self):
        """The inputs, measured choices, and what each command makes undisturbed."""
        os.mkdir(self.master)
        tiny.write_inputs(self.master, duration=1600, checkpoint=160, status=32)
        with open(os.path.join(self.master, "t.cfg")) as config:
            text = config.read().replace("d.idx", SHAPES).replace('"1600"', '"640"')
        with open(os.path.join(self.master, "shapes.cfg"), "w") as config:
            config.write(text)
        classifier = "classifier --data %s --out classifier.safetensors --duration 1000" % SHAPES
        for words in (classifier, "train --config t.cfg --outdir run"):
            self.must(self.run([self.program] + words.split() + ["--threads", "1"], self.master))
        for last in (False, True):  # first all are measured for: a state names every measured choice
            for name in COMMANDS:
                folder = self.fresh(name)
                begun = time.time()
                self.must(self.run(self.argv(name), folder))
                self.seconds[name] = time.time() - begun
                self.right[name] = tiny.read_tree(os.path.join(folder, "out"))
                if not last:
                    shutil.copytree(os.path.join(folder, "cache"), os.path.join(self.master, "cache"), dirs_exist_ok=True)
                shutil.rmtree(folder)
        if shutil.which("strace"):
            self.calls = {name: self.count_calls(name) for name in COMMANDS}

    def must(self, end):
        if end[0]:
            raise SystemExit("storm: an undisturbed command ended with status %d: %s" % (end[0], end[1][-400:]))

    def fresh(self, name):
        folder = tempfile.mkdtemp(dir=self.work)
        shutil.copytree(self.master, folder, dirs_exist_ok=True)
        if name == "eval":  # it writes one file
            os.mkdir(os.path.join(folder, "out"))
        return folder

    def count_calls(self, name):
        """How often an undisturbed process makes each call in its first thread."""
        folder = self.fresh(name)
        self.must(self.run(["strace", "-f", "-o", "calls.txt"] + self.argv(name), folder))
        with open(os.path.join(folder, "calls.txt"), errors="replace") as lines:
            pairs = re.findall(r"^(\d+) +(\w+)\(", lines.read(), re.M)
        shutil.rmtree(folder)
        counts = {}
        for pid, call in pairs:
            if call in ERRORS and pid == pairs[0][0]:
                counts[call] = counts.get(call, 0) + 1
        return counts

    # ---- what is right ----

    def check_end(self, name, folder, end, may_stop=False, silent=False, no_locks=False):
        """A disturbed process: status 0 and the right files, or a sentence. `may_stop`: 0 also where it can go on;
        `silent`: stderr was disturbed; `no_locks`: whose temporary lies there cannot be told, so it stays."""
        status, stderr = end
        if status < 0 or status >= 128:
            raise Wrong("ended by a signal (%d): %s" % (status, stderr[-300:]))
        if status and not silent and not re.search(r"pyrdiff|error while loading|cannot", stderr.strip().split("\n")[-1]):
            raise Wrong("status %d without a sentence: %r" % (status, stderr[-300:]))
        if re.search("Sanitizer|runtime error|terminate called|Assertion", stderr):
            raise Wrong("crashed: %s" % stderr[-300:])
        if status == 0 and not may_stop:
            wrong = difference(tiny.read_tree(os.path.join(folder, "out")), self.right[name])
            if wrong and not (no_locks and wrong.endswith("left over")):
                raise Wrong("status 0, but %s; stderr: %s" % (wrong, stderr[-300:]))

    def check_again(self, name, folder, no_locks=False):
        """The same command comes to the right files from what is there. A compare does not look again into what is done."""
        status, stderr = self.run(self.argv(name), folder)
        if status:
            raise Wrong("given again: status %d: %s" % (status, stderr[-300:]))
        wrong = difference(tiny.read_tree(os.path.join(folder, "out")), self.right[name])
        if wrong and not (no_locks and name == "compare" and wrong.endswith("left over")):
            raise Wrong("given again: %s" % wrong)
        cache = os.path.join(folder, "cache", "pyrdiff", "tuning.json")
        if os.path.exists(cache):
            with open(cache) as file:
                json.load(file)

    # ---- the sections: each does one trial and says what it does ----

    def kill(self, number, draw, folder, name, say):
        for _ in range(draw.randint(1, 6)):
            wait = draw.uniform(0, 1.2 * self.seconds[name])
            say("SIGKILL after %.3f s: %s" % (wait, " ".join(self.argv(name))))
            process = self.begin(self.argv(name), folder)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                self.kills.append(name)
                self.end(process)
                continue
            self.check_end(name, folder, self.end(process))
        self.check_again(name, folder)

    def error(self, number, draw, folder, name, say):
        if not self.calls:
            return "skipped"
        call = draw.choice(sorted(self.calls[name]))
        error, for_good = draw.choice(ERRORS[call].split()), draw.choice(("", "", "", "+"))
        if error == "EINTR":
            for_good = ""  # nobody is interrupted for ever
        inject = "inject=%s:error=%s:when=%d%s" % (call, error, draw.randint(1, self.calls[name][call]), for_good)
        self.injected(folder, name, say, inject)

    def injected(self, folder, name, say, inject):
        call = re.match("inject=(\\w+)", inject).group(1)
        argv = ["strace", "-f", "-y", "-qq", "-o", "calls.txt", "-e", "trace=" + call, "-e", inject] + self.argv(name)
        if call == "mmap":  # where address space has a limit, oneDNN is asked for its kernels at the start
            argv = ["sh", "-c", 'ulimit -v 67108864; exec "$@"', "sh"] + argv
        say(" ".join(argv))
        end = self.run(argv, folder)
        with open(os.path.join(folder, "calls.txt"), errors="replace") as lines:
            hits = [line for line in lines if "INJECTED" in line]
        say("hit: " + "".join(hits[:3]))
        hits = "".join(hits)
        if end[0] and "loading" in end[1]:
            return None  # before the program's first line
        if call == "mmap" and end[0] < 0 and self.dies_in_library(argv, folder):
            return "skipped"
        if re.search("tuning.json|/proc/cpuinfo", hits):  # then it measures anew: as good, but the bits may be others
            self.check_end(name, folder, end, may_stop=True)
            return None
        no_locks = re.search(r"flock\(|stat\w*\(.*\.tmp-", hits)
        self.check_end(name, folder, end, silent="write(2<" in hits, no_locks=no_locks)
        self.check_again(name, folder, no_locks)
        return None

    def dies_in_library(self, argv, folder):
        """Whether a process that has no memory is ended by oneDNN, which writes where it got none."""
        shutil.rmtree(os.path.join(folder, "out"), ignore_errors=True)
        self.run([a if a != "-qq" else "-k" for a in argv], folder)
        with open(os.path.join(folder, "calls.txt"), errors="replace") as file:
            frame = re.search(r"--- SIG.*\n > (\S+)", file.read())
        return frame is not None and "libdnnl" in frame.group(1)

    def full(self, number, draw, folder, name, say):
        """A limit on the size of files, or no space from some write on."""
        if draw.random() < 0.5 and self.calls:
            writes = self.calls[name].get("write", 1)
            return self.injected(folder, name, say, "inject=write:error=ENOSPC:when=%d+" % draw.randint(1, writes))
        blocks = draw.choice((0, 1, 2, 4, 8, 16, 50, 100, 104, 106, 110, 200, 300, 370, 374, 376, 400))
        argv = ["sh", "-c", 'ulimit -f %d; exec "$@"' % blocks, "sh"] + self.argv(name)
        say("ulimit -f %d; %s" % (blocks, " ".join(self.argv(name))))
        self.check_end(name, folder, self.run(argv, folder))
        self.check_again(name, folder)
        return None

    def closed(self, number, draw, folder, name, say):
        closed = "".join(" %d>&-" % fd for fd in range(3) if number // len(COMMANDS) >> fd & 1)
        argv = ["sh", "-c", 'exec "$@"%s' % closed, "sh"] + self.argv(name)
        say(" ".join(self.argv(name)) + closed)
        end = self.run(argv, folder)
        self.check_end(name, folder, end)
        if end[0]:
            raise Wrong("status %d: %s" % (end[0], end[1][-300:]))
        self.check_again(name, folder)

    def signals(self, number, draw, folder, name, say):
        """One or two, a millisecond apart: a training that has begun writes a checkpoint and ends by itself."""
        which = draw.choice(("TERM TERM", "HUP", "INT", "TERM", "HUP HUP", "INT TERM", "INT INT")).split()
        wait = draw.uniform(0, 1.1 * self.seconds[name])
        say("%s after %.3f s: %s" % (" ".join(which), wait, " ".join(self.argv(name))))
        process = self.begin(self.argv(name), folder)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            pass
        tree = tiny.read_tree(os.path.join(folder, "out"))
        begun = [p for p in tree if p.endswith("log.jsonl") and tree[p]]
        for one in which:
            if process.poll() is None:
                os.kill(process.pid, getattr(signal, "SIG" + one))
                time.sleep(0.001)
        status, stderr = self.end(process)
        is_train = name in ("apart", "cascade", "share")
        if is_train and begun:
            self.check_end(name, folder, (status, stderr), may_stop=True)
            after = tiny.read_tree(os.path.join(folder, "out"))
            states = [p for p in after if p.endswith("/state.safetensors")]
            if not states:
                raise Wrong("status %d and no checkpoint: %s" % (status, stderr[-300:]))
        elif status >= 0:  # by the signal itself, before it was heard
            self.check_end(name, folder, (status, stderr), may_stop=is_train or "The same command goes on" in stderr)
        self.check_again(name, folder)

    def crowd(self, number, draw, folder, name, say):
        """Three processes on one run, or on one cache that is empty."""
        if number % 3 == 2:
            return self.crowd_on_cache(folder, say)
        level = ["--level", str(draw.randint(0, 1))] if name == "apart" and draw.random() < 0.6 else []
        say("three times: %s" % " ".join(self.argv(name) + level))
        three = [self.begin(self.argv(name) + level, folder) for _ in range(3)]
        for process in three:
            self.check_end(name, folder, self.end(process), may_stop=True)
        self.check_again(name, folder)
        return None

    def crowd_on_cache(self, folder, say):
        other = "--outdir out-%d --set level.network.block_out_channels=[%d]"
        argv = [self.argv("apart") + (other % (c, c)).split() for c in (8, 12, 16)]
        keys = []
        for together in (False, True):
            shutil.rmtree(os.path.join(folder, "cache"), ignore_errors=True)
            for c in (8, 12, 16):
                shutil.rmtree(os.path.join(folder, "out-%d" % c), ignore_errors=True)
            say("one empty cache, %s: %s" % ("together" if together else "one after another", " ".join(argv[0])))
            begun = []
            for one in argv:
                begun.append(self.begin(one, folder))
                if not together:
                    begun[-1].wait()
            for process in begun:
                status, stderr = self.end(process)
                if status:
                    raise Wrong("status %d: %s" % (status, stderr[-300:]))
            with open(os.path.join(folder, "cache", "pyrdiff", "tuning.json")) as file:
                keys.append(set(re.findall(r'"([^"]+)": \d', file.read())))
        lost = sorted(keys[0] - keys[1])
        if lost:
            raise Wrong("%d of %d measured choices were lost: %s" % (len(lost), len(keys[0]), lost[0]))

    def output(self, number, draw, folder, name, say):
        """Nobody can write to standard output: that is said."""
        words = ("--help", "info run", "info", "info --settings", "train --help", "train --config t.cfg --dry-run",
                 "eval run --count 20 --metrics colour", COMMANDS["compare"])[number % 8]
        say("%s %s >/dev/full" % (self.program, words))
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [self.program] + words.split(), cwd=folder, env=self.env(folder), stdout=full, stderr=subprocess.PIPE,
                timeout=LONGEST,
            )
        if done.returncode <= 0 or done.returncode >= 128 or not done.stderr.strip():
            raise Wrong("status %d: %s" % (done.returncode, done.stderr[-300:]))

    # ---- all of them ----

    def trial(self, section, number):
        """None, what is wrong with how to have it again, or "skipped"."""
        draw = random.Random("%d %s %d" % (self.arguments.seed, section, number))
        names = sorted(COMMANDS)
        if section == "crowd":
            names = ["apart", "cascade", "share"]
        name = names[number % len(names)]
        folder = self.fresh(name)
        story, out = [], None
        try:
            out = getattr(self, section)(number, draw, folder, name, lambda line: story.append(line.rstrip() + "\n"))
        except Wrong as wrong:
            out = "FAILED %s:%d %s\n    %s\n    again with: SEED=%d ONLY=%s:%d sh tests/long/storm.sh %s" % (
                section, number, str(wrong).strip(), "".join(story).strip().replace("\n", "\n    "),
                self.arguments.seed, section, number, self.arguments.program)
        shutil.rmtree(folder, ignore_errors=True)
        return out

    def all(self):
        passed, failed, skipped, only = 0, 0, 0, self.arguments.only
        for section, whole in TRIALS.items():
            numbers = range(max(1, whole // self.arguments.part))
            if only and only.split(":")[0] != section:
                continue
            if only and ":" in only:
                numbers = [int(only.split(":")[1])]
            before, begun = failed, time.time()
            with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
                for out in pool.map(lambda n: self.trial(section, n), numbers):
                    skipped += out == "skipped"
                    failed += bool(out) and out != "skipped"
                    passed += not out
                    if out and out != "skipped":
                        print(out, flush=True)
            print("%s, seed %d: %d trials, %d failed, %.0f s"
                  % (section, self.arguments.seed, len(numbers), failed - before, time.time() - begun), flush=True)
        print("%d processes were killed" % len(self.kills))
        print("storm: %d passed, %d failed, %d skipped" % (passed, failed, skipped))
        return failed > 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--part", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("TEST_JOBS", os.cpu_count() or 1)))
    arguments = parser.parse_args()
    work = tempfile.mkdtemp(prefix="pyrdiff-storm.")
    try:
        storm = Storm(arguments, work)
        storm.prepare()
        return storm.all()
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
