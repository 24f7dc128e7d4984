#!/bin/sh
# ema: averages of a run's weights of other lengths, out of those that its training kept.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
run=$tmp/run

begin "training keeps averages at its checkpoints"
pyr train --config $cfg --outdir "$run" --snapshot -1 --duration 3200 --set train.checkpoint=800 \
    --set level.ema_lengths=[0.05,0.12]
gives 0
holds test -f "$run/level-0/ema/00000050-0.05/unet/diffusion_pytorch_model.safetensors"
holds test "$(ls "$run/level-2/ema" | grep -c -- -0.12)" -ge 2

begin "one that was kept comes back"
pyr ema --network "$run" --length 0.12 --outdir "$tmp/kept"
gives 0
says "its profile is"
last=$(ls "$run/level-1/ema" | grep -- -0.12 | tail -n 1)
holds cmp "$run/level-1/ema/$last/unet/diffusion_pytorch_model.safetensors" \
    "$tmp/kept/level-1/unet/diffusion_pytorch_model.safetensors"
holds cmp "$run/pyrdiff.cfg" "$tmp/kept/pyrdiff.cfg"

begin "other lengths give other weights, which are drawn from"
for length in 0.05 0.08; do
    pyr ema --network "$run" --length $length --outdir "$tmp/$length"
    gives 0
    pyr sample --network "$tmp/$length" --seeds 0-3 --outdir "$tmp/$length/samples"
    gives 0
done
holds sh -c "! cmp -s '$tmp/0.05/samples/000002.png' '$tmp/0.08/samples/000002.png'"
pyr info "$tmp/0.08"
gives 0

begin "an earlier moment, of one level"
first=$(ls "$run/level-2/ema" | head -n 1)
pyr ema --network "$run" --length 0.06 --step "$(echo "$first" | sed 's/^0*//; s/-.*//')" --level 2 --outdir "$tmp/early"
gives 0
says "of 2 averages"
holds test ! -e "$tmp/early/level-1"

begin "what was measured of the data, and classifiers, come along"
pyr analyze --network "$run" --level 2
gives 0
pyr classifier --noise --network "$run" --level 2 --duration 640
gives 0
pyr ema --network "$run" --level 2 --outdir "$tmp/beside"
gives 0
for file in gaussian classes classifier; do
    holds cmp "$run/level-2/$file.safetensors" "$tmp/beside/level-2/$file.safetensors"
done
pyr sample --network "$tmp/beside" --level 2 --seeds 0-1 --class 1 --classifier-scale 2 --outdir "$tmp/beside/samples" \
    --set level.sampler.start=class
gives 0

begin "the run itself is not written over"
wanted && ln -s "$run" "$tmp/link" && cp "$run/level-0/unet/diffusion_pytorch_model.safetensors" "$tmp/before"
for same in "$run" "$tmp/link"; do
    pyr ema --network "$run" --outdir "$same"
    refuses 2 "$same is the run itself"
done
holds cmp "$tmp/before" "$run/level-0/unet/diffusion_pytorch_model.safetensors"

begin "what is not there"
pyr ema --network "$run" --length 0.1 --step 7 --outdir "$tmp/x"
refuses 2 "kept no averages at step 7"
pyr train --config $cfg --level 2 --outdir "$tmp/plain" --snapshot -1 --duration 320
gives 0
pyr ema --network "$tmp/plain" --level 2 --outdir "$tmp/x"
refuses 1 "kept no averages (train with --set level.ema_lengths=[0.05,0.1])"
pyr train --config $cfg --level 2 --outdir "$tmp/x" --set level.ema_lengths=[0.05,0.05]
refuses 1 "has 0.05 twice"
pyr train --config $cfg --level 2 --outdir "$tmp/x" --set level.ema_lengths=[0.05,0.06,0.07,0.08,0.09]
refuses 1 "at most 4 are kept"
pyr ema --network "$run"
refuses 2 "where to? Add --outdir DIR"

finish
