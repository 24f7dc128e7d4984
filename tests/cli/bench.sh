#!/bin/sh
# bench: the networks that are compared, others, what is refused; no figure of time is looked at.
. tests/cli/lib.sh

quick="--seconds 0.01 --threads 2 --set level.batch_gpu=4"

begin "the networks of the comparison are what they are said to be"
for network in "grey28 543.3" "grey14 282.6" "rgb32 2839.3" "patch7 48.2"; do
    pyr bench --network "bench/networks/${network% *}" --batch 4 $quick --threads 1
    gives 0
    says " ${network#* } "
    says "first step after"
done

begin "the batch beside the network, and a typed one"
holds mkdir -p "$tmp/small"
holds cp tests/golden/unet2d/scale_shift_classes/config.json "$tmp/small/"
holds sh -c "echo 6 >'$tmp/small/batch'"
pyr bench --network "$tmp/small" --json $quick
gives 0
says '"batch": 6, '
pyr bench --network "$tmp/small" --json --batch 5 $quick
gives 0
says '"batch": 5, '

begin "floor and profile"
pyr bench --network "$tmp/small" --floor --profile $quick
gives 0
says "training: "
says "of the floor of"
says "conv2d 3x3 8x8x8 -> 8x8x8"
says "outside the network"
pyr bench --network "$tmp/small" --floor --json --backend ref $quick
gives 0
says '"train_floor": '
says '"train_onednn_floor": null'

begin "another size"
pyr bench --network "$tmp/small" --size 12x8 $quick
gives 0
says "12x8   x3"

begin "what is refused"
pyr bench --network "$tmp/nothing"
refuses 1 "config.json"
pyr bench --network "$tmp/small" --size 8x
refuses 2 "--size is 8x, should be HxW"
pyr bench --network "$tmp/small" --config configs/cifar10.cfg
refuses 2 "leave --config and --data out"
pyr bench --network "$tmp/small" --level 1
refuses 2 "level is 1, should be 0..0"
pyr bench --network "$tmp/small" --json --profile
refuses 2 "leave --json out"
holds sh -c "echo none >'$tmp/small/batch'"
pyr bench --network "$tmp/small"
refuses 1 "should hold the images of a training step"

finish
