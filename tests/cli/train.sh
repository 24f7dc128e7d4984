#!/bin/sh
# train: from data to pictures on a tiny pyramid; stopping, killing, resuming, mixing levels.
. tests/cli/lib.sh

cfg=tests/tiny.cfg

begin "every level, coarsest first"
pyr train --config $cfg --outdir "$tmp/a"
gives 0
complains "level 2: 3x3x1"
complains "level 0: 12x10x1 given the coarser image"
complains "trained: $tmp/a"
for level in 0 1 2; do holds test -s "$(weights "$tmp/a" $level)"; done
holds test -s "$tmp/a/level-1/snapshot-00003200.png"
holds grep -q '"held_out_bins"' "$tmp/a/level-0/log.jsonl"

# FLOP by pyrdiff bench, the rate of the log, the peak in the cache of choices: what is logged is their quotient.
begin "the share of the machine's peak"
if wanted; then
    export XDG_CACHE_HOME="$tmp/peak"
    pyr train --config $cfg --outdir "$tmp/share" --level 0 --duration 3200
    gives 0
    complains "% of peak"
    field() { tail -n 1 "$tmp/share/level-0/log.jsonl" | sed -n "s/.*\"$1\": \([0-9.e+-]*\).*/\1/p"; }
    peak=$(sed -n 's/.*GFLOP.s [a-z0-9]* [0-9]* lanes": \([0-9]*\).*/\1/p' "$tmp/peak/pyrdiff/tuning.json")
    rate=$(field images_per_s) share=$(field mfu)
    pyr bench --config $cfg --level 0 --seconds 0.01 --json
    flop=$(sed -n 's/.*"mflop": \([0-9.]*\).*/\1/p' "$tmp/stdout")
    holds awk "BEGIN { wanted = 3 * $flop * $rate / ($peak * 1e3); exit !($share > 0.99 * wanted && $share < 1.01 * wanted) }"
    pyr info "$tmp/share"
    says "$(awk "BEGIN { printf \"%.0f\", 100 * $share }")% of the machine's peak"
    export XDG_CACHE_HOME="$tmp/cache"
    pyr train --config $cfg --outdir "$tmp/plain" --level 2 --duration 320 --backend ref # has no peak
    gives 0
    holds sh -c "! grep -q mfu '$tmp/plain/level-2/log.jsonl'"
    pyr info "$tmp/plain"
    holds sh -c "! grep -q peak '$tmp/stdout'"
fi

# Each drawing begins with a carriage return; the last column stays free, or some terminals begin a new line.
begin "on a terminal of 80 columns the status line is whole"
find_python pty
if [ "$python" = none ]; then
    skip "no Python"
elif wanted; then
    last_command="train on a terminal of 80 columns"
    cat >"$tmp/columns.py" <<'P'
import fcntl, os, pty, re, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed
        break
    if not part:
        break
    shown += part
bars = [line for line in re.split("[\r\n]+", shown.decode()) if re.match(r"(level \d|all levels) \[", line)]
assert bars, shown
for bar in bars:
    assert len(bar) == 79, bar
    assert re.search(r"% loss \d\.\d{4}  \d+ images/s  \d+% of peak  ETA (\d+:)?\d+:\d\d *$", bar), bar
print(len(bars), "drawn")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
P
    for more in "" --cascade; do
        # shellcheck disable=SC2086
        "$python" "$tmp/columns.py" "$program" train --config $cfg $more --outdir "$tmp/columns$more" --duration 6400 \
            >"$tmp/stdout" 2>"$tmp/stderr"
        status=$?
        gives 0
        says " drawn"
    done
fi

begin "a finished run says so"
pyr train --config $cfg --outdir "$tmp/a"
gives 0
complains "level 2 is finished: 200 steps done"

begin "the same seed gives the same weights with 1 and 2 threads"
pyr train --config $cfg --outdir "$tmp/b" --threads 1
gives 0
for level in 0 1 2; do holds cmp "$(weights "$tmp/a" $level)" "$(weights "$tmp/b" $level)"; done

# What --precision auto takes here.
"$program" train --config $cfg --outdir "$tmp/try" --level 2 --duration 16 --precision bf16 >/dev/null 2>&1 &&
    bf16=yes || bf16=no

for precision in f32 bf16; do
    begin "the same weights with 1 and 2 threads in $precision"
    [ $precision = f32 ] || [ $bf16 = yes ] || skip "no bf16 here"
    for threads in 1 2; do
        pyr train --config $cfg --outdir "$tmp/$precision-$threads" --level 1 --duration 1600 --threads $threads \
            --precision $precision
        gives 0
    done
    holds cmp "$(weights "$tmp/$precision-1" 1)" "$(weights "$tmp/$precision-2" 1)"
    holds grep -q '"step": 100,' "$tmp/$precision-1/level-1/log.jsonl"

    begin "killed and resumed in $precision: byte-identical weights"
    [ $precision = f32 ] || [ $bf16 = yes ] || skip "no bf16 here"
    if wanted; then
        pyr train --config $cfg --outdir "$tmp/$precision-f" --level 0 --duration 24000 --precision $precision
        gives 0
        train_behind --config $cfg --outdir "$tmp/$precision-g" --level 0 --duration 24000 --precision $precision
        wait_for_step "$tmp/$precision-g" 0 60
        kill -9 "$behind" 2>/dev/null && wait "$behind" 2>/dev/null
        holds test -s "$tmp/$precision-g/level-0/state.safetensors"
        # nothing said about precision: it goes on as it was begun
        pyr train --config $cfg --outdir "$tmp/$precision-g" --level 0 --duration 24000
        gives 0
        complains "going on from its last checkpoint"
        holds cmp "$(weights "$tmp/$precision-f" 0)" "$(weights "$tmp/$precision-g" 0)"
    fi
done

begin "the same weights with 1, 2, 3, 8 and 16 threads, whatever size of pieces they take"
for threads in 1 2 3 8 16; do
    pyr train --config $cfg --outdir "$tmp/threads-$threads" --level 1 --duration 1600 --threads $threads --precision f32
    gives 0
    holds cmp "$(weights "$tmp/threads-1" 1)" "$(weights "$tmp/threads-$threads" 1)"
done

begin "a run that was begun when level.groups was 4 by default keeps them"
if wanted; then
    pyr train --config $cfg --outdir "$tmp/groups-f" --level 0 --duration 24000 --set level.groups=4
    gives 0
    train_behind --config $cfg --outdir "$tmp/groups-g" --level 0 --duration 24000 --set level.groups=4
    wait_for_step "$tmp/groups-g" 0 60
    kill -9 "$behind" 2>/dev/null && wait "$behind" 2>/dev/null
    pyr train --config $cfg --outdir "$tmp/groups-g" --level 0 --duration 24000 # as it was typed then
    gives 0
    complains "going on from its last checkpoint"
    holds cmp "$(weights "$tmp/groups-f" 0)" "$(weights "$tmp/groups-g" 0)"
    holds grep -q "groups = 4" "$tmp/groups-g/pyrdiff.cfg"
    pyr train --config $cfg --outdir "$tmp/groups-g" --level 0 --duration 24000 --set level.groups=2
    refuses 1 "groups: 4 -> 2"
fi

begin "bf16 is another computation than f32, with much the same result"
[ $bf16 = yes ] || skip "no bf16 here"
holds sh -c "! cmp -s '$(weights "$tmp/f32-1" 1)' '$(weights "$tmp/bf16-1" 1)'"
if wanted; then
    for precision in f32 bf16; do
        tail -n 1 "$tmp/$precision-1/level-1/log.jsonl" | sed 's/.*"held_out": \([0-9.e+-]*\),.*/\1/'
    done >"$tmp/losses"
    holds awk '{ loss[NR] = $1 } END { d = loss[1] - loss[2]; exit !(NR == 2 && loss[1] > 0 && d * d < (0.02 * loss[1]) ^ 2) }' \
        "$tmp/losses"
fi

begin "a run may go on in another precision, and says so"
[ $bf16 = yes ] || skip "no bf16 here"
if wanted; then
    train_behind --config $cfg --outdir "$tmp/other" --level 2 --duration 2000ki --precision bf16
    wait_for_step "$tmp/other" 2 100
    kill -TERM "$behind" && wait "$behind"
    train_behind --config $cfg --outdir "$tmp/other" --level 2 --duration 2000ki --precision f32
    wait_for_step "$tmp/other" 2 $((last + 100))
    kill -TERM "$behind" && wait "$behind"
    holds grep -q "level 2: begun in bf16, goes on in f32" "$tmp/behind"
fi

begin "a precision that there is not"
pyr train --config $cfg --outdir "$tmp/no" --level 2 --precision bf61
refuses 2 "there is no precision \"bf61\"; did you mean bf16? (auto, bf16, f32, tf32)"
pyr train --config $cfg --outdir "$tmp/no" --level 2 --backend ref --precision bf16
refuses 1 "the backend ref does not compute in bf16 here; use --precision f32"
holds test ! -e "$tmp/no/level-2"

begin "levels trained apart are the levels trained together"
for level in 0 2 1; do pyr train --config $cfg --outdir "$tmp/c" --level $level && gives 0; done
for level in 0 1 2; do holds cmp "$(weights "$tmp/a" $level)" "$(weights "$tmp/c" $level)"; done

begin "two levels in two processes at the same time"
if wanted; then
    train_behind --config $cfg --outdir "$tmp/d" --level 1
    pyr train --config $cfg --outdir "$tmp/d" --level 2
    gives 0
    wait "$behind"
    for level in 1 2; do holds cmp "$(weights "$tmp/a" $level)" "$(weights "$tmp/d" $level)"; done
fi

begin "two processes on one level: the second is refused"
if wanted; then
    train_behind --config $cfg --outdir "$tmp/e" --level 2 --duration 2000ki
    wait_for_step "$tmp/e" 2 40
    pyr train --config $cfg --outdir "$tmp/e" --level 2 --duration 2000ki
    refuses 1 "level 2 of $tmp/e is being trained already"
    kill -9 "$behind" && wait "$behind" 2>/dev/null
fi

begin "a level in another process counts before its first checkpoint"
if wanted; then
    train_behind --config $cfg --outdir "$tmp/e2" --level 2 --duration 2000ki --checkpoint -1
    wait_for_step "$tmp/e2" 2 40
    pyr train --config $cfg --outdir "$tmp/e2" --level 1 --filter haar
    refuses 1 "pyramid.filter: \"box\" -> \"haar\""
    pyr train --config $cfg --outdir "$tmp/e2" --level 1 --lr 1e-3 --duration 160
    gives 0
    kill -9 "$behind" && wait "$behind" 2>/dev/null
    holds test ! -e "$tmp/e2/level-2/state.safetensors"
    pyr info "$tmp/e2"
    gives 0
fi

# 200 steps straight against 120, SIGKILL, and the rest; on plain loops, which are slow enough to be caught.
begin "killed and resumed: byte-identical weights (ref)"
if wanted; then
    pyr train --config $cfg --outdir "$tmp/f" --level 1 --backend ref --duration 1600
    gives 0
    train_behind --config $cfg --outdir "$tmp/g" --level 1 --backend ref --duration 1600
    wait_for_step "$tmp/g" 1 60
    kill -9 "$behind" 2>/dev/null && wait "$behind" 2>/dev/null
    holds test -s "$tmp/g/level-1/state.safetensors"
    pyr train --config $cfg --outdir "$tmp/g" --level 1 --backend ref --duration 1600
    gives 0
    complains "going on from its last checkpoint"
    holds cmp "$(weights "$tmp/f" 1)" "$(weights "$tmp/g" 1)"
    grep -o '^{"step": [0-9]*, "images": [0-9]*, "loss": [^,]*' "$tmp/f/level-1/log.jsonl" >"$tmp/f.log"
    grep -o '^{"step": [0-9]*, "images": [0-9]*, "loss": [^,]*' "$tmp/g/level-1/log.jsonl" >"$tmp/g.log"
    holds test "$(wc -l <"$tmp/f.log")" -eq "$(wc -l <"$tmp/g.log")"
fi

begin "killed again and again at any moment: byte-identical weights (cpu)"
if wanted; then
    pyr train --config $cfg --outdir "$tmp/h" --level 0 --duration 48000
    gives 0
    pause=3
    while :; do
        train_behind --config $cfg --outdir "$tmp/i" --level 0 --duration 48000
        sleep "0.$pause"
        kill -9 "$behind" 2>/dev/null || break
        wait "$behind" 2>/dev/null
        pause=$(((pause * 7 + 3) % 5 + 2))
    done
    wait "$behind"
    holds cmp "$(weights "$tmp/h" 0)" "$(weights "$tmp/i" 0)"
fi

begin "SIGTERM and SIGINT write a checkpoint and say how to go on"
if wanted; then
    step=0
    for signal in TERM INT; do
        train_behind --config $cfg --outdir "$tmp/j" --level 0 --duration 2000ki --checkpoint -1
        wait_for_step "$tmp/j" 0 $((step + 1000)) # the second time a line of its own
        step=$last
        # a shell starts background processes with SIGINT ignored; the program sets it again
        kill -$signal "$behind"
        wait "$behind"
        status=$?
        gives 0
        holds grep -q "The same command goes on from here" "$tmp/behind"
        holds test -s "$tmp/j/level-0/state.safetensors"
    done
fi

begin "a changed configuration names the keys that differ"
pyr train --config $cfg --outdir "$tmp/a" --lr 0.5 --batch 8
refuses 1 "levels[2].lr: 0.002 -> 0.5 (--lr)"
complains "levels[2].batch: 16 -> 8"
pyr train --config $cfg --outdir "$tmp/a" --seed 8
refuses 1 "train.seed: 7 -> 8"

begin "transfer begins from another run's weights"
pyr train --config $cfg --outdir "$tmp/k" --level 2 --transfer "$tmp/a" --duration 16 --lr 0
gives 0
holds cmp "$(weights "$tmp/a" 2)" "$(weights "$tmp/k" 2)"

begin "an epoch, and a time, as durations"
pyr train --config $cfg --outdir "$tmp/l" --level 2 --duration 2ep
gives 0
pyr train --config $cfg --outdir "$tmp/l" --level 2 --duration 2ep
complains "level 2 is finished: 64 steps done"
pyr train --config $cfg --outdir "$tmp/m" --level 2 --duration 0.3s
gives 0

begin "the duration of one level is not that of the run"
pyr train --config $cfg --outdir "$tmp/l3" --level 2 --duration 320
gives 0
holds grep -q 'duration = 9600;' "$tmp/l3/pyrdiff.cfg"
pyr train --outdir "$tmp/l3" --level 1
gives 0
holds test "$(tail -n 1 "$tmp/l3/level-1/log.jsonl" | cut -d, -f1)" = '{"step": 200'
pyr train --outdir "$tmp/l3" --level 0 --duration 0
refuses 2 "the duration of level 0"
pyr train --outdir "$tmp/l3" --level 0 --duration soon
refuses 2 "--duration is"

begin "another duration is refused, a time never is"
pyr train --config $cfg --outdir "$tmp/l" --level 2 --duration 3ep
refuses 1 "level 2 was begun for 1024 images (train.duration), now it would be 1536"
complains "--level 2 --duration 1024"
if wanted; then : >"$tmp/l/level-2/state.safetensors.tmp-1"; fi # what a killed process leaves
pyr train --config $cfg --outdir "$tmp/l" --level 2 --duration 1024
complains "level 2 is finished"
holds test -z "$(find "$tmp/l" -name '*.tmp-*')"
pyr train --config $cfg --outdir "$tmp/l" --level 2 --duration 9s
complains "level 2 is finished"
pyr train --config $cfg --outdir "$tmp/a" --duration 20k
refuses 1 "level 2 was begun for 3200 images (train.duration), now it would be 6672"
if wanted; then
    train_behind --config $cfg --outdir "$tmp/l2" --level 2 --duration 2000ki --checkpoint 1k
    wait_for_step "$tmp/l2" 2 200
    kill -9 "$behind" && wait "$behind" 2>/dev/null
fi
pyr train --config $cfg --outdir "$tmp/l2" --level 2 --duration 4000ki
refuses 1 "level 2 was begun for 2048000 images (train.duration), now it would be 4096000"
if wanted; then # what the killed one left goes with the next that trains
    train_behind --config $cfg --outdir "$tmp/l2" --level 2 --duration 2000ki --checkpoint 1k
    wait_for_step "$tmp/l2" 2 400
    kill -9 "$behind" && wait "$behind" 2>/dev/null
fi
holds test ! -e "$tmp/l2/level-2/state.safetensors.tmp-1"

begin "samples are the same bytes in any batch, with any number of threads"
pyr sample --network "$tmp/a" --seeds 0-15 --outdir "$tmp/s1" --batch 1 --threads 1
gives 0
pyr sample --network "$tmp/a" --seeds 15,3-14,0-2 --outdir "$tmp/s2" --batch 3 --threads 2
pyr sample --network "$tmp/a" --seeds 0-15 --outdir "$tmp/s3" --batch 16 --threads 2
if wanted; then
    for seed in 00 01 02 03 07 14 15; do
        holds cmp "$tmp/s1/0000$seed.png" "$tmp/s2/0000$seed.png"
        holds cmp "$tmp/s1/0000$seed.png" "$tmp/s3/0000$seed.png"
    done
fi
holds test -s "$tmp/s1/grid.png"
holds test -s "$tmp/s1/levels.png"
holds cmp "$tmp/s1/samples.npz" "$tmp/s3/samples.npz"

begin "steps per level, other samplers, given coarsest images"
pyr sample --network "$tmp/a" --seeds 0-3 --outdir "$tmp/s4" --steps 5,3,2 --sampler euler-maruyama
gives 0
complains "euler-maruyama 5, euler-maruyama 3, euler-maruyama 2"
holds sh -c "! cmp -s '$tmp/s1/000000.png' '$tmp/s4/000000.png'"
if wanted; then
    mkdir "$tmp/coarse"
    pyr decompose "$tmp/s1/000001.png" --levels 3 --outdir "$tmp/codes"
    cp "$tmp/codes/"*2*.png "$tmp/coarse/given.PNG"
fi
pyr sample --network "$tmp/a" --seeds 0-3 --outdir "$tmp/s5" --coarse "$tmp/coarse"
gives 0
complains "coarsest: given"
if wanted; then
    cp "$tmp/s1/000002.png" "$tmp/coarse/wrong.png"
fi
pyr sample --network "$tmp/a" --seeds 0 --outdir "$tmp/s5b" --coarse "$tmp/coarse" # the first is good
gives 0
pyr sample --network "$tmp/a" --seeds 0-3 --outdir "$tmp/s5c" --coarse "$tmp/coarse"
refuses 1 "wrong.png is 12x10, the coarsest level of this run is 3x3"
holds test ! -e "$tmp/s5c"

begin "levels of two runs can be mixed when they fit, and are refused when not"
pyr train --config $cfg --outdir "$tmp/n" --level 1 --seed 9
gives 0
if wanted; then
    cp -r "$tmp/a" "$tmp/mixed"
    rm -r "$tmp/mixed/level-1"
    cp -r "$tmp/n/level-1" "$tmp/mixed/level-1"
fi
pyr sample --network "$tmp/mixed" --seeds 0-1 --outdir "$tmp/s6"
gives 0
pyr train --config $cfg --outdir "$tmp/o" --level 1 --filter burt-adelson
gives 0
if wanted; then
    rm -r "$tmp/mixed/level-1"
    cp -r "$tmp/o/level-1" "$tmp/mixed/level-1"
fi
pyr sample --network "$tmp/mixed" --seeds 0-1 --outdir "$tmp/s6"
refuses 1 "was trained on a pyramid with the filter burt-adelson"

begin "class-conditional"
pyr train --config $cfg --outdir "$tmp/p" --classes --duration 4800
gives 0
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/s7" --class 1
gives 0
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/s8"
gives 0

begin "Haar, VP with the simple weight, no condition"
pyr train --config $cfg --outdir "$tmp/q" --filter haar --duration 4800 --set noise.family=vp
refuses 2 "level.noise.family"
pyr train --config $cfg --outdir "$tmp/q" --filter haar --duration 4800 --set level.noise.family=vp \
    --set level.noise.schedule=cosine --set level.noise.density=uniform --set level.noise.weight=simple \
    --set level.noise.reference=12 --set level.condition=none
gives 0
pyr sample --network "$tmp/q" --seeds 0-1 --outdir "$tmp/s9" --sampler euler-maruyama
gives 0

begin "memory is said beforehand"
pyr train --config $cfg --dry-run
gives 0
says "level 0: parameters, gradient, moments, EMA"
holds test ! -e runs/tiny

finish
