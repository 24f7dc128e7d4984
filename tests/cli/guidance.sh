#!/bin/sh
# sample --guidance, --guidance-interval, --gnet: towards a class, at some noise levels, away from a weaker network.
. tests/cli/lib.sh

cfg=tests/tiny.cfg

begin "guidance towards a class"
pyr train --config $cfg --outdir "$tmp/p" --classes --duration 4800 --snapshot -1
gives 0
pyr train --config $cfg --outdir "$tmp/plain" --duration 1600 --snapshot -1
gives 0
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/s7" --class 1
gives 0
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/s8"
gives 0
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g1" --class 1 --guidance 1
gives 0
complains "from the coarsest: heun 6, heun 6, heun 6; 33 evaluations"
holds cmp "$tmp/s7/samples.npz" "$tmp/g1/samples.npz"
pyr sample --network "$tmp/p" --seeds 0-10 --outdir "$tmp/g3" --class 1 --guidance 3 --threads 1
gives 0
complains "heun 6 guidance 3; 66 evaluations"
holds sh -c "! cmp -s '$tmp/s7/000000.png' '$tmp/g3/000000.png'"
pyr sample --network "$tmp/p" --seeds 10,0-9 --outdir "$tmp/g4" --class 1 --guidance 3 --batch 3 --threads 2
gives 0
if wanted; then
    for seed in 00 01 09 10; do holds cmp "$tmp/g3/0000$seed.png" "$tmp/g4/0000$seed.png"; done
fi
# of one level alone, from the settings
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g5" --class 1 --set 'levels[2].sampler.guidance=2'
gives 0
complains "from the coarsest: heun 6 guidance 2, heun 6, heun 6; 44 evaluations"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g6" --guidance 3
refuses 2 "the guidance of level 0 is 3: towards which class?"
pyr sample --network "$tmp/plain" --seeds 0-1 --outdir "$tmp/g6" --guidance 3
refuses 2 "this run was trained without classes"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g6" --class 1 --guidance -1
refuses 2 "--guidance: -1, should be 0..1000"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g6" --class 1 --guidance 2,1
refuses 2 "--guidance 2,1 has 2 numbers, the run has 3 levels"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g6" --class 1 --guidance 2 --guidance-interval 5-1
refuses 2 '--guidance-interval: "5-1" is not an interval'
holds test ! -e "$tmp/g6"
# per level from the coarsest; and where it acts: of Heun's 11 evaluations of a level those at sigma 0.97 and 0.084
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g7" --class 1 --guidance 2,1,1
gives 0
complains "from the coarsest: heun 6 guidance 2, heun 6, heun 6; 44 evaluations"
holds cmp "$tmp/g5/samples.npz" "$tmp/g7/samples.npz"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g8" --class 1 --guidance 3 --guidance-interval 0-1000
gives 0
complains "66 evaluations"
holds cmp "$tmp/g3/000001.png" "$tmp/g8/000001.png"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/g9" --class 1 --guidance 3 --guidance-interval 0.01-5
gives 0
complains "45 evaluations"
holds sh -c "! cmp -s '$tmp/g3/000001.png' '$tmp/g9/000001.png'"

begin "autoguidance: away from a weaker network"
pyr train --config $cfg --outdir "$tmp/weak" --classes --duration 1600 --set level.network.block_out_channels=[8]
gives 0
pyr sample --network "$tmp/p" --seeds 0-3 --outdir "$tmp/w1" --class 1 --gnet "$tmp/weak" --guidance 1.5 --threads 1
gives 0
complains "heun 6 guidance 1.5; 66 evaluations"
holds sh -c "! cmp -s '$tmp/s7/000001.png' '$tmp/w1/000001.png'"
pyr sample --network "$tmp/p" --seeds 2,1 --outdir "$tmp/w2" --class 1 --gnet "$tmp/weak" --guidance 1.5 --threads 2
gives 0
holds cmp "$tmp/w1/000001.png" "$tmp/w2/000001.png"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/w3" --gnet "$tmp/weak" --guidance 4 --guidance-interval 1000-2000
gives 0
complains "33 evaluations"
holds cmp "$tmp/s8/samples.npz" "$tmp/w3/samples.npz"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/w4" --gnet "$tmp/weak"
refuses 2 "--gnet does nothing without guidance"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/w4" --gnet "$tmp/plain" --guidance 2
refuses 1 "cannot guide: its condition, classes or statistics are not those of the run"

begin "guidance by a classifier: a run without classes draws them"
pyr sample --network "$tmp/plain" --seeds 0-1 --outdir "$tmp/c0" --class 1 --classifier-scale 1
refuses 1 "level-2/classifier.safetensors is not there: pyrdiff classifier --noise --network $tmp/plain --level 2 trains it"
pyr classifier --noise --network "$tmp/plain" --duration 640 --threads 1
gives 0
says "$tmp/plain/level-2/classifier.safetensors: 10 steps, hash "
says "held-out images at noise            0.01     0.1     0.5       1       3      10"
wanted && cp "$tmp/plain/level-0/classifier.safetensors" "$tmp/one.safetensors"
pyr classifier --noise --network "$tmp/plain" --duration 640 --threads 3 --level 0
gives 0
holds cmp "$tmp/one.safetensors" "$tmp/plain/level-0/classifier.safetensors"
pyr sample --network "$tmp/plain" --seeds 0-5 --outdir "$tmp/c0"
gives 0
pyr sample --network "$tmp/plain" --seeds 0-5 --outdir "$tmp/c1" --class 1 --classifier-scale 4 --threads 1
gives 0
complains "heun 6 classifier 4, heun 6 classifier 4, heun 6 classifier 4; 33 evaluations"
pyr sample --network "$tmp/plain" --seeds 0-5 --outdir "$tmp/c2" --class all --classifier-scale 4 --batch 3 --threads 2
gives 0
holds cmp "$tmp/c1/000001.png" "$tmp/c2/000001.png"
holds sh -c "! cmp -s '$tmp/c1/000001.png' '$tmp/c0/000001.png'"
holds sh -c "! cmp -s '$tmp/c1/000002.png' '$tmp/c2/000002.png'"
pyr sample --network "$tmp/plain" --seeds 0-5 --outdir "$tmp/c3" --class 1 --classifier-scale 0,0,4 --level 0
gives 0
pyr sample --network "$tmp/plain" --seeds 0-1 --outdir "$tmp/c4" --classifier-scale 4
refuses 2 "the classifier_scale of level 0 is 4: towards which class?"
# in tasks, and beside guidance without a classifier, rescaled
pyr upscale "$tmp/c0/000001.png" --network "$tmp/plain" --seeds 0-1 --level 1 --outdir "$tmp/c5" --class 1 --resize --set level.sampler.classifier_scale=2
gives 0
pyr invert "$tmp/c0/000001.png" --network "$tmp/plain" --seeds 0-1 --outdir "$tmp/c6" --class 1 --size 1 --strength 0 --set level.sampler.classifier_scale=2
gives 0
pyr classifier --noise --network "$tmp/p" --duration 640
gives 0
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/c7" --class 1 --guidance 3 --guidance-rescale 0.7 --classifier-scale 1
gives 0
complains "heun 6 guidance 3 rescale 0.7 classifier 1"
holds sh -c "! cmp -s '$tmp/c7/000001.png' '$tmp/g3/000001.png'"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/c8" --class 1 --guidance-rescale 2
refuses 2 "--guidance-rescale: 2, should be 0..1"
# moments are of the network's own score
pyr analyze --network "$tmp/p" --variance 20 --level 2
gives 0
wanted && mv "$tmp/p/level-2/score-moments.safetensors" "$tmp/own-moments"
pyr analyze --network "$tmp/p" --variance 20 --level 2 --set level.sampler.classifier_scale=4
gives 0
holds cmp "$tmp/own-moments" "$tmp/p/level-2/score-moments.safetensors"
# of another run it is refused
wanted && cp "$tmp/plain/level-1/classifier.safetensors" "$tmp/p/level-0/classifier.safetensors"
pyr sample --network "$tmp/p" --seeds 0-1 --outdir "$tmp/c9" --class 1 --classifier-scale 1
refuses 1 "was trained for another level, other data or another standardisation than level 0"
pyr classifier --noise
refuses 2 "--noise is for the levels of a run: add --network RUN"
pyr classifier --noise --network "$tmp/plain" --out x
refuses 2 "leave --out out"
pyr classifier --network "$tmp/plain" --data tests/golden/shapes
refuses 2 "are of --noise"

finish
