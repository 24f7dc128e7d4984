#!/bin/sh
# large: data sets that take more memory than they may are trained on from a file in the cache, to the same bytes.
. tests/cli/lib.sh

train() { pyr train --config tests/tiny.cfg --snapshot -1 --duration 480 --threads 2 "$@"; }
same_weights() {
    for level in 0 1 2; do
        holds cmp "$1/level-$level/unet/diffusion_pytorch_model.safetensors" \
            "$2/level-$level/unet/diffusion_pytorch_model.safetensors"
    done
}

begin "info says where the images are, and how large they are"
pyr info --data tests/golden/shapes
gives 0
says "in memory"
pyr info --data tests/golden/shapes --set data.memory=100
gives 0
says "more than fits into memory: read from $tmp/cache/pyrdiff/images/"

begin "weights are those of a training in memory"
train --outdir "$tmp/memory"
gives 0
train --outdir "$tmp/file" --set data.memory=100
gives 0
same_weights "$tmp/memory" "$tmp/file"

begin "all levels together, too"
train --outdir "$tmp/joint-memory" --cascade
gives 0
train --outdir "$tmp/joint-file" --cascade --set data.memory=100
gives 0
same_weights "$tmp/joint-memory" "$tmp/joint-file"

begin "a killed maker leaves nothing that counts"
if wanted; then
    rm -rf "$tmp/cache/pyrdiff/images"
    "$program" info --data tests/golden/shapes --set data.memory=100 >/dev/null 2>&1
    file=$(ls "$tmp"/cache/pyrdiff/images/*.images)
    mv "$file" "$file.tmp-1"
fi
pyr info --data tests/golden/shapes --set data.memory=100
gives 0
holds test -f "$file"
holds test ! -e "$file.tmp-1"

begin "a file that is removed while it is read is still read"
train --outdir "$tmp/removed" --set data.memory=100 --level 2 --duration 160
gives 0
if wanted; then rm -rf "$tmp/cache/pyrdiff/images"; fi
pyr eval "$tmp/file" --set data.memory=100 --metrics spectrum --count 8 --threads 1
gives 0

begin "range: a warning with the setting to paste, which helps"
pyr info --data tests/golden/range/digits.npz
gives 0
says "values      0 to 16, of 0 to 255"
complains "warning: the values are 0 to 16 of 0 to 255"
complains "add --set data.range=[0,16]"
pyr info --data tests/golden/range/digits.npz --set "data.range=[0,16]"
gives 0
says "values      0 to 16, of 0 to 16"
if wanted; then holds test ! -s "$tmp/stderr"; fi
pyr info --data tests/golden/range/digits.npz --set data.range=auto
gives 0
complains "add --set data.range=[0,16]"
pyr info --data tests/golden/range/digits.npz --set "data.range=[16,0]"
gives 1
complains "data.range should be [black, white]"
pyr info --data tests/golden/range/digits.npz --set "data.range=[0]"
gives 1
complains "data.range should be [black, white]"

finish
