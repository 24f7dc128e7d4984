#!/bin/sh
# augment: geometric transformations of training images, of which networks are told.
. tests/cli/lib.sh

cfg=tests/tiny.cfg

begin "a run with transformations learns, its weights are those of a UNet2DModel"
pyr train --config $cfg --outdir "$tmp/run" --snapshot 1600 --duration 9600 --set data.augment=0.12 --set level.ema_lengths=[0.1]
gives 0
for level in 0 1 2; do
    holds sh -c "! grep -aq augment_embedding '$tmp/run/level-$level/unet/diffusion_pytorch_model.safetensors'"
done
held_out=$(sed -n 's/.*"held_out": \([0-9.e+-]*\),.*/\1/p' "$tmp/run/level-2/log.jsonl")
holds awk -v a="$(echo "$held_out" | head -n 1)" -v b="$(echo "$held_out" | tail -n 1)" 'BEGIN { exit !(a > 0 && b < a) }'
pyr sample --network "$tmp/run" --seeds 0-3 --outdir "$tmp/drawn"
gives 0
pyr ema --network "$tmp/run" --length 0.1 --outdir "$tmp/average"
gives 0

begin "the probability is part of the run"
pyr train --config $cfg --outdir "$tmp/run" --duration 9600 --set data.augment=0.2
refuses 1 "data.augment"
pyr train --config $cfg --outdir "$tmp/other" --level 2 --duration 3200 --snapshot -1
gives 0
holds sh -c "! cmp -s '$tmp/run/level-2/unet/diffusion_pytorch_model.safetensors' '$tmp/other/level-2/unet/diffusion_pytorch_model.safetensors'"
pyr train --config $cfg --outdir "$tmp/x" --transfer "$tmp/other" --level 2 --set data.augment=0.2
refuses 1 "weights from elsewhere know nothing of transformations"

begin "in a cascade, with one trunk for all, and with estimates"
pyr train --config $cfg --cascade --outdir "$tmp/shared" --snapshot -1 --duration 800 --set data.augment=0.5 \
    --set cascade.share=true --set level.network.block_out_channels=[16] --set levels[0].network.block_out_channels=[16] \
    --set levels[2].network.block_out_channels=[16]
gives 0
pyr train --config $cfg --cascade --outdir "$tmp/chain" --snapshot -1 --duration 800 --set data.augment=0.5 --set cascade.condition=estimate
gives 0
pyr sample --network "$tmp/chain" --seeds 0 --outdir "$tmp/chain/samples"
gives 0

finish
