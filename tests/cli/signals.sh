#!/bin/sh
# Asked to stop, once or twice, by a terminal that closes or a parent that dies: a checkpoint is written all the same.
. tests/cli/lib.sh

long="--config tests/tiny.cfg --duration 100000ki --checkpoint -1 --snapshot -1 --threads 1"

# Begin a long training in $1, and wait until its first level has told of a step.
begin_training() {
    wanted || return 0
    rm -rf "$1"
    last_command="$program train $long --outdir $1"
    # shellcheck disable=SC2086
    train_behind $long --outdir "$1"
    wait_for_step "$1" 2 1
}

# The training in $1 has ended by itself within a minute, with a checkpoint.
ended_in_order() {
    wanted || return 0
    n=0
    while kill -0 "$behind" 2>/dev/null && [ $n -lt 600 ]; do
        sleep 0.1
        n=$((n + 1))
    done
    kill -9 "$behind" 2>/dev/null
    wait "$behind"
    status=$?
    cp "$tmp/behind" "$tmp/stderr"
    gives 0
    complains "a checkpoint is written"
    complains "The same command goes on from here"
    holds test -s "$1/level-2/state.safetensors"
}

begin "two signals are one request"
for pair in "TERM TERM" "INT TERM" "TERM INT" "HUP TERM" "TERM HUP"; do
    begin_training "$tmp/two"
    wanted && for signal in $pair; do kill -"$signal" "$behind"; done
    ended_in_order "$tmp/two"
done

begin "a terminal that closes"
sh -c 'kill -HUP $$; exit 3' &
wait $!
if [ $? = 3 ]; then
    skip "this test runs under nohup"
else
    begin_training "$tmp/hup"
    wanted && kill -HUP "$behind"
    ended_in_order "$tmp/hup"
fi

begin "a limit on processor time"
if wanted; then
    (
        ulimit -S -t 1
        # shellcheck disable=SC2086
        exec "$program" train $long --outdir "$tmp/cpu" >/dev/null 2>"$tmp/behind"
    ) &
    behind=$!
    ended_in_order "$tmp/cpu"
fi

begin "nohup"
if wanted; then
    trap '' HUP
    begin_training "$tmp/nohup"
    kill -HUP "$behind"
    sleep 0.5
    holds kill -0 "$behind"
    kill -TERM "$behind"
    ended_in_order "$tmp/nohup"
    trap 'exit 130' HUP
fi

begin "after some seconds a signal ends it at once"
if ! printf x | dd of=/dev/null oflag=nonblock 2>/dev/null; then
    skip "dd cannot write without waiting"
elif wanted; then
    # a full pipe that nobody reads holds it up: it cannot end in order
    last_command="$program sample, its messages into a full pipe"
    mkfifo "$tmp/full"
    "$program" train --config tests/tiny.cfg --duration 160 --snapshot -1 --threads 1 --outdir "$tmp/once" >/dev/null 2>&1
    sleep 100 <"$tmp/full" &
    reader=$!
    "$program" sample --network "$tmp/once" --seeds 0-999999 --outdir "$tmp/at-once" --threads 1 >/dev/null 2>"$tmp/full" &
    behind=$!
    while [ ! -s "$tmp/at-once/000001.png" ] && kill -0 "$behind" 2>/dev/null; do sleep 0.05; done
    for bytes in 4096 1; do dd if=/dev/zero of="$tmp/full" bs=$bytes count=8192 oflag=nonblock 2>/dev/null; done
    kill -TERM "$behind"
    sleep 2
    holds kill -0 "$behind"
    sleep 1.5
    kill -TERM "$behind"
    wait "$behind"
    status=$?
    gives 143
    kill "$reader"
    wait "$reader" 2>/dev/null
fi

begin "a reader that has gone"
if wanted; then
    last_command="$program train | true"
    (
        "$program" train --config tests/tiny.cfg --duration 640 --snapshot -1 --threads 1 --outdir "$tmp/pipe" 2>&1
        echo $? >"$tmp/pipe-status"
    ) | true
    status=$(cat "$tmp/pipe-status")
    gives 0
    holds test -s "$tmp/pipe/level-0/state.safetensors"
fi

compare="compare --config tests/tiny.cfg --variants separate --budget 3e9flop --count 16 --set train.held_out=-1L
    --set train.snapshot=-1L --threads 1 --outdir"

begin "compare's child saves when its parent is killed"
if wanted; then
    last_command="compare, killed"
    # shellcheck disable=SC2086
    "$program" $compare "$tmp/undisturbed" >/dev/null 2>"$tmp/stderr"
    status=$?
    gives 0
    # shellcheck disable=SC2086
    "$program" $compare "$tmp/compare" >/dev/null 2>"$tmp/stderr" &
    behind=$!
    wait_for_step "$tmp/compare/separate-7" 2 1
    kill -9 "$behind"
    wait "$behind" 2>/dev/null
    # shellcheck disable=SC2086
    "$program" $compare "$tmp/compare" >"$tmp/stdout" 2>"$tmp/stderr" # waits for the one that is saving
    status=$?
    gives 0
    for level in 0 1 2; do
        holds cmp "$(weights "$tmp/compare/separate-7" $level)" "$(weights "$tmp/undisturbed/separate-7" $level)"
    done
fi

begin "stty tostop"
find_python pty
if [ "$python" = none ]; then
    skip "no Python"
elif wanted; then
    last_command="compare on a terminal with tostop"
    cat >"$tmp/tostop.py" <<'P'
"""Run a command in the foreground of a terminal on which background output stops the writer."""
import os, pty, select, subprocess, sys, time
pid, terminal = pty.fork()
if pid == 0:
    subprocess.run(["stty", "tostop"])
    os.execv(sys.argv[1], sys.argv[1:])
end = time.time() + 100
while time.time() < end:
    if select.select([terminal], [], [], 1)[0]:
        try:
            if not os.read(terminal, 4096):
                break
        except OSError:  # Linux: the other end is closed
            break
done, state = os.waitpid(pid, os.WNOHANG if time.time() >= end else 0)
if not done:
    os.kill(pid, 9)
    sys.exit("it never ended")
sys.exit(os.waitstatus_to_exitcode(state))
P
    "$python" "$tmp/tostop.py" "$program" compare --config tests/tiny.cfg --variants separate --budget 1e9flop \
        --count 16 --outdir "$tmp/tostop" --threads 1 >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    gives 0
fi

finish
