#!/bin/sh
# Stopped by a signal: what is there is said, and the status says that it is not all.
. tests/cli/lib.sh

run=$tmp/run
"$program" train --config tests/tiny.cfg --outdir "$run" --duration 800 --snapshot -1 --threads 1 >/dev/null 2>&1

# Start a command, wait for file $1, stop it with signal $2.
stop_at() {
    wanted || return 0
    file=$1 signal=$2
    shift 2
    : >"$tmp/stderr"
    last_command="$program $*, stopped"
    "$program" "$@" --threads 1 >"$tmp/stdout" 2>"$tmp/stderr" &
    pid=$!
    n=0
    while [ ! -s "$file" ] && kill -0 $pid 2>/dev/null && [ $n -lt 300 ]; do
        sleep 0.1
        n=$((n + 1))
    done
    sleep 1
    kill -"$signal" $pid
    wait $pid
    status=$?
}

begin "images that are drawn stay"
stop_at "$tmp/all/000001.png" TERM sample --network "$run" --seeds 0-999999 --outdir "$tmp/all"
refuses 1 "pyrdiff sample: stopped: the images drawn so far are in $tmp/all"
holds test -s "$tmp/all/000000.png"
holds test ! -e "$tmp/all/samples.npz"
stop_at "$tmp/one/000001.png" INT sample --network "$run" --level 1 --seeds 0-999999 --outdir "$tmp/one"
refuses 1 "pyrdiff sample: stopped: the images drawn so far are in $tmp/one"

begin "no figures"
stop_at "$tmp/stderr" TERM eval "$run" --count 1000000 --metrics colour --json "$tmp/e.json"
refuses 1 "stopped: nothing was measured"
holds test ! -e "$tmp/e.json"

begin "no images of a task"
stop_at "$tmp/stderr" TERM upscale tests/golden/images/grey_8.png --resize --network "$run" --level 2 --seeds 0-4095 \
    --steps 1000 --outdir "$tmp/up"
refuses 1 "stopped: none of the images was written to $tmp/up"
holds test -z "$(find "$tmp/up" -name '0*.png')"

begin "no likelihood, no classifier"
stop_at "$tmp/stderr" TERM likelihood --network "$run" --solver heun --steps 1000 --probes 64 --json "$tmp/l.json"
refuses 1 "stopped: there is no result"
holds test ! -e "$tmp/l.json"
stop_at "$tmp/stderr" INT classifier --data tests/golden/shapes --out "$tmp/c.safetensors" --duration 100000ep
refuses 1 "$tmp/c.safetensors was not written"
holds test ! -e "$tmp/c.safetensors"

# These save nothing on the way: the signal ends them.
begin "measurements"
stop_at "$tmp/stderr" TERM bench --config tests/tiny.cfg --seconds 100
gives 143
stop_at "$tmp/stderr" TERM toy --outdir "$tmp/toy" --steps 1000000
gives 143
holds test -z "$(find "$tmp/toy" -type f 2>/dev/null)"

begin "a training goes on"
stop_at "$tmp/train/level-2/log.jsonl" TERM train --config tests/tiny.cfg --outdir "$tmp/train" --duration 100000ki
gives 0
complains "The same command goes on from here"

finish
