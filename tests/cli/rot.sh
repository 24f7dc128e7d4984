#!/bin/sh
# rot: a bit that is another one is noticed, the sentence says what is still good, and what can be made again is.
. tests/cli/lib.sh

train() { pyr train --config tests/tiny.cfg --snapshot -1 --duration 480 --threads 2 "$@"; }
draw() { pyr sample --network "$1" --seeds 0-1 --outdir "$2" --threads 2; }
state() { echo "$1/level-$2/state.safetensors"; }
# Another bit in byte $2 (negative: from the end) of file $1.
flip() {
    wanted || return 0
    at=$2
    [ "$at" -ge 0 ] || at=$(($(size_of "$1") + at))
    byte=$(dd if="$1" bs=1 skip="$at" count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
    flipped=$((byte % 2 ? byte - 1 : byte + 1))
    patch_bytes "$1" "$at" "\\$(printf %03o "$flipped")"
}
again() {
    wanted || return 0
    rm -rf "$tmp/r"
    cp -r "$tmp/run" "$tmp/r"
}

"$program" train --config tests/tiny.cfg --snapshot -1 --duration 480 --threads 2 --outdir "$tmp/run" >/dev/null 2>&1
"$program" sample --network "$tmp/run" --seeds 0-1 --outdir "$tmp/drawn" --threads 2 >/dev/null 2>&1

begin "weights: nothing is drawn from them, the others can be, and training makes them again"
for at in -1 -2000 -9000 300; do
    again
    flip "$(weights "$tmp/r" 1)" "$at"
    draw "$tmp/r" "$tmp/no"
    refuses 1 "level-1/unet/diffusion_pytorch_model.safetensors is damaged"
    [ "$at" -gt 0 ] || complains "pyrdiff train --outdir $tmp/r writes the weights again"
    pyr info "$tmp/r"
    says "level 1"
    says "damaged"
    pyr sample --network "$tmp/r" --level 2 --seeds 0 --outdir "$tmp/coarse" --threads 2
    gives 0
    pyr train --outdir "$tmp/r" --threads 2
    gives 0
    complains "level 1: its weights are written again"
    holds cmp "$(weights "$tmp/run" 1)" "$(weights "$tmp/r" 1)"
    draw "$tmp/r" "$tmp/mended"
    gives 0
    holds cmp "$tmp/drawn/grid.png" "$tmp/mended/grid.png"
done

begin "weights that are gone are made again, too"
again
if wanted; then rm -r "$tmp/r/level-0/unet"; fi
pyr train --outdir "$tmp/r" --threads 2
gives 0
holds cmp "$(weights "$tmp/run" 0)" "$(weights "$tmp/r" 0)"
holds cmp "$tmp/run/level-0/unet/config.json" "$tmp/r/level-0/unet/config.json"

begin "config.json: another number in it is noticed"
again
if wanted; then
    config=$tmp/r/level-0/unet/config.json
    holds edit_bytes "$config" "$tmp/edited" '"norm_eps": 1e-0[0-9]' '"norm_eps": 1e-09'
    cp "$tmp/edited" "$config"
fi
draw "$tmp/r" "$tmp/no"
refuses 1 "config.json is not what was written with the weights beside it"
train --outdir "$tmp/r"
gives 0
holds cmp "$tmp/run/level-0/unet/config.json" "$tmp/r/level-0/unet/config.json"

begin "state: training refuses it, drawing goes on, and a transfer takes the weights along"
again
flip "$(state "$tmp/r" 0)" -500
pyr info "$tmp/r"
says "state.safetensors is damaged"
draw "$tmp/r" "$tmp/same"
gives 0
holds cmp "$tmp/drawn/grid.png" "$tmp/same/grid.png"
if wanted; then rm "$tmp/r/level-0/unet/config.json"; fi
train --outdir "$tmp/r"
refuses 1 "level-0/state.safetensors is damaged"
again
flip "$(state "$tmp/r" 0)" 300 # of the header: seen at once
train --outdir "$tmp/r"
gives 1
train --outdir "$tmp/other" --transfer "$tmp/r"
gives 0

begin "counters of an old state, which has no checksum, are compared with each other"
again
if wanted; then
    edit_bytes "$(state "$tmp/run" 0)" "$tmp/old" pyrdiff_xxh3 pyrdiff_none
    cp "$tmp/old" "$(state "$tmp/r" 0)"
fi
pyr train --outdir "$tmp/r" --threads 2
gives 0
# I64 counters stand first: steps done, skipped, ms, steps, seed, steps of the optimizer, applied, ..., planned
for counter in 0 1 2 3 5 6 8 9; do
    if wanted; then
        cp "$tmp/old" "$(state "$tmp/r" 0)"
        head=$(od -An -tu4 -N4 "$tmp/old" | tr -d ' ')
        patch_bytes "$(state "$tmp/r" 0)" $((8 + head + 8 * counter + 6)) '\100'
    fi
    pyr train --outdir "$tmp/r" --threads 2
    refuses 1 "level-0/state.safetensors: the counters are damaged"
    complains "--transfer $tmp/r goes on from them"
done

begin "files without a checksum are read as they are"
again
for level in 0 1 2; do
    if wanted; then
        edit_bytes "$(weights "$tmp/run" $level)" "$tmp/old" pyrdiff_xxh3 pyrdiff_none
        cp "$tmp/old" "$(weights "$tmp/r" $level)"
    fi
done
draw "$tmp/r" "$tmp/old-drawn"
gives 0
holds cmp "$tmp/drawn/grid.png" "$tmp/old-drawn/grid.png"

begin "cascades: weights of one level are made again, with a trunk of its own or a shared one"
for share in false true; do
    set --
    for level in 0 1 2; do set -- "$@" --set "levels[$level].network.block_out_channels=[16,16]"; done
    train --cascade --set cascade.share=$share "$@" --outdir "$tmp/together-$share"
    gives 0
    if wanted; then cp "$(weights "$tmp/together-$share" 1)" "$tmp/whole"; fi
    flip "$(weights "$tmp/together-$share" 1)" -3000
    draw "$tmp/together-$share" "$tmp/no"
    refuses 1 "the training state is whole: pyrdiff train --outdir $tmp/together-$share writes"
    pyr train --outdir "$tmp/together-$share" --threads 2
    gives 0
    holds cmp "$tmp/whole" "$(weights "$tmp/together-$share" 1)"
done

begin "images in the cache: the file is made anew, or named"
pyr info --data tests/golden/shapes --set data.memory=100
gives 0
if wanted; then
    images=$(ls "$tmp"/cache/pyrdiff/images/*.images)
    cp "$images" "$tmp/images"
fi
flip "$images" 5000
train --set data.memory=100 --outdir "$tmp/from-file"
refuses 1 ".images is damaged: image "
complains "remove this file"
pyr info --data tests/golden/shapes --set data.memory=1000000
gives 0
complains "the images are made anew"
flip "$images" -20
pyr info --data tests/golden/shapes --set data.memory=100
gives 0
complains "the images are made anew"
holds cmp "$images" "$tmp/images"
pyr info --data tests/golden/shapes --set data.memory=100
gives 0
if wanted; then holds test ! -s "$tmp/stderr"; fi

finish
