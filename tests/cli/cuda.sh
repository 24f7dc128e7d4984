#!/bin/sh
# cuda: everything the CPU does, on a GPU: training, cascades, sampling, likelihood, tasks, and going from one to the other. On a
# GPU, or with a program that is linked with the device that is none (tests/cuda); skipped where there is neither.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
"$program" info 2>/dev/null | grep -q 'cuda (cuDNN' && gpu=yes || gpu=no
begin() {
    end_case
    case_name=$1
    case $1 in
    *"$only"*) case_state=good ;;
    esac
    [ $gpu = yes ] || skip "no GPU here"
}
cuda="--backend cuda --precision f32"
cpu="--backend cpu --precision f32"

# The losses of the first $3 lines of level $2 of run $1.
losses() { sed -n 's/.*"loss": \([0-9.e+-]*\),.*/\1/p' "$1/level-$2/log.jsonl" | head -n "$3"; }

# Whether two lists of numbers agree to the part $3.
agree() {
    paste "$1" "$2" | awk -v part="$3" 'NF != 2 { bad = 1 } { d = $1 - $2; m = $1 < 0 ? -$1 : $1; bad = bad || d > part * m || -d > part * m }
        END { exit !(NR > 0 && !bad) }'
}

# Whether the samples of two folders are the same to two grey values.
same_pictures() {
    python3 -c 'import sys, zipfile
def samples(folder):
    npy = zipfile.ZipFile(folder + "/samples.npz").read("arr_0.npy")
    return npy[10 + npy[8] + 256 * npy[9]:]
a, b = map(samples, sys.argv[1:])
assert len(a) == len(b) > 0 and max(abs(x - y) for x, y in zip(a, b)) <= 2' "$1" "$2"
}

begin "the program says what it chose"
pyr train --config $cfg --outdir "$tmp/auto" --level 2 --duration 32 --dry-run
gives 0
complains "backend: cuda on "
pyr train --config $cfg --outdir "$tmp/auto" --level 2 --duration 32 --dry-run --backend cuda:99
refuses 2 "backend cuda:99: there "

begin "a batch of thousands"
python3 -c "
import struct
open('$tmp/many.idx', 'wb').write(struct.pack('>BBBBIII', 0, 0, 8, 3, 3000, 2, 2) + bytes((i * 97 + 7) % 256 for i in range(12000)))"
pyr train --config $cfg --data "$tmp/many.idx" --level 2 --resize 12,10 --batch 2048 --duration 4096 --outdir "$tmp/many" $cuda
gives 0

begin "a hundred steps lose what they lose on the CPU"
for level in 2 0; do
    pyr train --config $cfg --outdir "$tmp/on-cuda" --level $level --duration 1600 --status 160 $cuda
    gives 0
    pyr train --config $cfg --outdir "$tmp/on-cpu" --level $level --duration 1600 --status 160 $cpu
    gives 0
    if wanted; then
        losses "$tmp/on-cuda" $level 10 >"$tmp/losses-cuda-$level"
        losses "$tmp/on-cpu" $level 10 >"$tmp/losses-cpu-$level"
        holds test "$(wc -l <"$tmp/losses-cuda-$level")" -eq 10
        holds agree "$tmp/losses-cuda-$level" "$tmp/losses-cpu-$level" 2e-3
    fi
done

begin "the same bits again; in bf16 another computation with much the same result"
pyr train --config $cfg --outdir "$tmp/again" --level 2 --duration 1600 $cuda
gives 0
holds cmp "$(weights "$tmp/again" 2)" "$(weights "$tmp/on-cuda" 2)"
pyr train --config $cfg --outdir "$tmp/half" --level 2 --duration 1600 --status 160 --backend cuda --precision bf16
gives 0
if wanted; then
    losses "$tmp/half" 2 10 >"$tmp/losses-half"
    holds sh -c "! cmp -s '$(weights "$tmp/half" 2)' '$(weights "$tmp/on-cuda" 2)'"
    holds agree "$tmp/losses-half" "$tmp/losses-cuda-2" 0.01
fi

begin "killed and resumed: byte-identical weights"
if wanted; then
    pyr train --config $cfg --outdir "$tmp/whole" --level 2 --duration 1600 $cuda
    gives 0
    train_behind --config $cfg --outdir "$tmp/killed" --level 2 --duration 1600 $cuda
    wait_for_step "$tmp/killed" 2 60
    kill -9 "$behind" 2>/dev/null && wait "$behind" 2>/dev/null
    holds test -s "$tmp/killed/level-2/state.safetensors"
    pyr train --config $cfg --outdir "$tmp/killed" --level 2 --duration 1600 $cuda
    gives 0
    holds cmp "$(weights "$tmp/whole" 2)" "$(weights "$tmp/killed" 2)"
fi

begin "begun on the GPU, it goes on on the CPU, and the other way round"
if wanted; then
    for way in "$cuda/$cpu" "$cpu/$cuda"; do
        rm -rf "$tmp/moved"
        # shellcheck disable=SC2086
        train_behind --config $cfg --outdir "$tmp/moved" --level 2 --duration 1600 ${way%%/*}
        wait_for_step "$tmp/moved" 2 60
        kill -TERM "$behind" 2>/dev/null && wait "$behind" 2>/dev/null
        # shellcheck disable=SC2086
        pyr train --config $cfg --outdir "$tmp/moved" --level 2 --duration 1600 ${way##*/}
        gives 0
        holds grep -q '"step": 100,' "$tmp/moved/level-2/log.jsonl"
    done
fi

for kind in data shared estimate; do
    begin "a cascade: $kind"
    case $kind in
    shared)
        how="--set cascade.share=true --set level.network.block_out_channels=[16,16]"
        for level in 0 1 2; do how="$how --set levels[$level].network.block_out_channels=[16,16]"; done
        ;;
    *) how="--set cascade.condition=$kind" ;;
    esac
    pyr train --config $cfg --outdir "$tmp/cascade-cuda" --cascade $how --duration 960 --status 160 $cuda
    gives 0
    pyr train --config $cfg --outdir "$tmp/cascade-cpu" --cascade $how --duration 960 --status 160 $cpu
    gives 0
    if wanted; then
        losses "$tmp/cascade-cuda" 0 3 >"$tmp/losses-cuda"
        losses "$tmp/cascade-cpu" 0 3 >"$tmp/losses-cpu"
        holds agree "$tmp/losses-cuda" "$tmp/losses-cpu" 2e-3
        rm -rf "$tmp/cascade-cuda" "$tmp/cascade-cpu"
    fi
done

begin "a run to sample from"
pyr train --config $cfg --outdir "$tmp/run" --duration 960 $cpu
gives 0

for sampler in heun dpmpp-2m-sde predictor-corrector rk45; do
    begin "samples are the CPU's: $sampler"
    for backend in cuda cpu; do
        pyr sample --network "$tmp/run" --seeds 0-2 --sampler $sampler --steps 4 --outdir "$tmp/out-$backend" --backend $backend \
            --precision f32 --set level.sampler.tolerance=0.05
        gives 0
    done
    holds same_pictures "$tmp/out-cuda" "$tmp/out-cpu"
done

begin "an image does not depend on its batch but for rounding: another batch may be computed by another algorithm"
for batch in 1 3; do
    pyr sample --network "$tmp/run" --seeds 0-3 --batch $batch --outdir "$tmp/batch-$batch" $cuda
    gives 0
done
holds same_pictures "$tmp/batch-1" "$tmp/batch-3"

begin "likelihood"
for backend in cuda cpu; do
    pyr likelihood --network "$tmp/run" --count 2 --rtol 5e-2 --atol 5e-2 --bound-steps 40 --bound-terms 4 --backend $backend \
        --precision f32
    gives 0
    wanted && grep -E '^level|log-likelihood' "$tmp/stdout" | grep -o 'x80\^2): [-0-9.]*\|likelihood *[-0-9.]*' |
        grep -o '[-0-9.]*$' >"$tmp/nats-$backend"
done
holds agree "$tmp/nats-cuda" "$tmp/nats-cpu" 1e-2

begin "tasks"
pyr sample --network "$tmp/run" --seeds 0-1 --outdir "$tmp/given" $cuda
pyr upscale "$tmp/given/000000.png" --network "$tmp/run" --level 0 --seeds 0 --outdir "$tmp/task" $cuda
pyr encode "$tmp/given/000000.png" --network "$tmp/run" --outdir "$tmp/task" $cuda
gives 0
pyr vary "$tmp/given/000000.png" --network "$tmp/run" --from 1 --seeds 0-1 --outdir "$tmp/task" $cuda
gives 0

begin "evaluation"
pyr eval "$tmp/run" --count 20 --metrics swd,spectrum $cuda
gives 0

begin "bench"
pyr bench --config $cfg --level 2 --seconds 0.01 $cuda
gives 0

finish
