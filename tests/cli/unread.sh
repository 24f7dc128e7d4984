#!/bin/sh
# unread: what cannot be looked at is not taken for something that is not there (EIO, by strace).
. tests/cli/lib.sh

train() { pyr train --config tests/tiny.cfg --snapshot -1 --threads 2 "$@"; }
# Run the program while calls $1 on path $2 fail with EIO.
failing() {
    wanted || return 0
    calls=$1 path=$2
    shift 2
    last_command="$program $* (EIO from $calls on $path)"
    strace -f -o "$tmp/trace" -P "$path" -e trace="$calls" -e inject="$calls:error=EIO" "$program" "$@" \
        >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
}
looks='?stat,?lstat,?newfstatat,?statx'
if ! strace -o "$tmp/trace" -e trace=none true 2>/dev/null; then looks=none; fi
traced() { [ $looks != none ] || skip "no strace here"; }

"$program" train --config tests/tiny.cfg --snapshot -1 --threads 2 --duration 320 --level 2 --outdir "$tmp/run" \
    >/dev/null 2>&1
sums() { find "$tmp/run" -type f ! -name lock -exec cksum {} + | sort; }
sums >"$tmp/before"

begin "a state, a manifest, a commit file, a shared state: training ends and touches nothing"
traced
for name in level-2/state.safetensors pyrdiff.cfg states-change-places shared/state.safetensors; do
    failing $looks "$tmp/run/$name" train --config tests/tiny.cfg --snapshot -1 --threads 2 --duration 320 --level 2 \
        --outdir "$tmp/run"
    refuses 1 "cannot find out whether $tmp/run/$name exists: Input/output error"
    if wanted; then sums >"$tmp/after"; fi
    holds cmp "$tmp/before" "$tmp/after"
done

begin "weights that cannot be looked at are not missing"
traced
failing $looks "$tmp/run/level-2/unet/config.json" sample --network "$tmp/run" --level 2 --seeds 0 --outdir "$tmp/no"
refuses 1 "unet/config.json exists: Input/output error"
failing pread64 "$tmp/run/level-2/unet/diffusion_pytorch_model.safetensors" sample --network "$tmp/run" --level 2 \
    --seeds 0 --outdir "$tmp/no"
refuses 1 "cannot be read: Input/output error"

begin "what a run's page and its description lack is told"
traced
failing $looks "$tmp/run/level-2/log.jsonl" info "$tmp/run"
says "log.jsonl exists: Input/output error"
failing read "$tmp/run/level-2/log.jsonl" info "$tmp/run"
says "log.jsonl: cannot be read: Input/output error"
failing $looks "$tmp/run/level-2/unet/config.json" report "$tmp/run" --out "$tmp/page.html"
gives 0
holds grep -q 'Left out: .*unet/config.json exists: Input/output error' "$tmp/page.html"
failing getdents64 "$tmp/run/level-2" report "$tmp/run" --out "$tmp/page.html"
gives 0
holds grep -q 'Snapshots of level 2: folder .* cannot be read: Input/output error' "$tmp/page.html"

begin "a folder, or what is to be judged"
traced
failing $looks "$tmp/run/level-2" train --config tests/tiny.cfg --snapshot -1 --threads 2 --duration 320 --level 2 \
    --outdir "$tmp/run"
refuses 1 "cannot find out whether $tmp/run/level-2 exists: Input/output error"
failing $looks "$tmp/run/level-2/log.jsonl" eval "$tmp/run/level-2/log.jsonl" --data tests/golden/shapes
refuses 1 "log.jsonl exists: Input/output error"

begin "a pipe where a file should be keeps nobody waiting"
if wanted; then mkfifo "$tmp/pipe" && mkdir "$tmp/pipes" && mkfifo "$tmp/pipes/000001.png"; fi
pyr eval tests/golden/shapes --data tests/golden/shapes --metrics frechet --ref-stats "$tmp/pipe"
refuses 1 "$tmp/pipe: not a regular file"
pyr eval "$tmp/pipes" --data tests/golden/shapes --metrics colour
refuses 1 "000001.png: not a regular file"

begin "labels that cannot be looked at are not left out"
traced
failing $looks tests/golden/shapes/train-labels-idx1-ubyte info --data tests/golden/shapes/train-images-idx3-ubyte.gz
refuses 1 "Input/output error"

begin "a disk's fault while data are read is no end of them"
traced
if wanted; then
    mkdir "$tmp/pictures" "$tmp/pictures/a"
    cp tests/golden/png/*.png "$tmp/pictures/a" 2>/dev/null || cp "$(find tests/golden -name '*.png' | head -n 1)" "$tmp/pictures/a"
    cp "$(find "$tmp/pictures/a" -name '*.png' | head -n 1)" "$tmp/pictures/0.png"
fi
failing getdents64 "$tmp/pictures/a" info --data "$tmp/pictures"
refuses 1 "Input/output error"
failing $looks "$tmp/pictures/a" info --data "$tmp/pictures"
refuses 1 "Input/output error"
failing read tests/golden/shapes/train-images-idx3-ubyte.gz info --data tests/golden/shapes/train-images-idx3-ubyte.gz
refuses 1 "Input/output error"
if wanted; then (cd "$tmp/pictures" && tar -cf "$tmp/pictures.tar" ./*); fi
failing read "$tmp/pictures.tar" info --data "$tmp/pictures.tar"
refuses 1 "pictures.tar: cannot be read: Input/output error"

finish
