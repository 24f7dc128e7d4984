#!/bin/sh
# The SDEs, schedules, weights and predictions of docs/noise.md: each trains, learns, and is drawn from.
. tests/cli/lib.sh

cfg=tests/tiny.cfg

# Numbers "held_out" of the log of level 2: the last is below the first.
learns() {
    held_out=$(sed -n 's/.*"held_out": \([0-9.e+-]*\),.*/\1/p' "$1/level-2/log.jsonl")
    holds awk -v a="$(echo "$held_out" | head -n 1)" -v b="$(echo "$held_out" | tail -n 1)" \
        'BEGIN { exit !(a > 0 && b > 0 && b < a) }'
}

# train NAME KEY=VALUE ... : the coarsest level of a tiny pyramid
train() {
    name=$1
    shift
    set -- $(for word in "$@"; do echo "--set level.noise.$word"; done)
    pyr train --config $cfg --level 2 --duration 3200 --outdir "$tmp/$name" --snapshot -1 "$@"
    gives 0
    learns "$tmp/$name"
}

begin "NCSN: ten noise levels, the score"
train ncsn density=uniform levels=10 schedule=geometric weight=simple prediction=score sigma_min=0.05 sigma_max=10
begin "NCSNv2: a network without noise input"
train ncsnv2 density=uniform levels=50 schedule=geometric weight=simple prediction=epsilon input=false sigma_min=0.05 sigma_max=10
begin "DDPM: a thousand steps of VP"
train ddpm family=vp schedule=linear levels=1000 density=uniform weight=simple prediction=epsilon sigma_max=150
begin "cosine, v, min-SNR"
train cosine family=vp schedule=cosine density=uniform weight=min-snr prediction=v
begin "sub-VP"
train sub-vp family=sub-vp schedule=linear density=uniform weight=simple
begin "maximum likelihood"
train likelihood family=vp schedule=linear density=uniform weight=likelihood sigma_min=0.02
begin "the variational bound of T steps, of either variance"
train vlb family=vp schedule=linear levels=100 density=uniform weight=vlb sigma_min=0.02 sigma_max=150
train vlb-forward family=vp schedule=linear levels=100 density=uniform weight=vlb-forward sigma_min=0.02 sigma_max=150
begin "flow matching"
train flow family=flow schedule=straight density=logit-normal mean=0 std=1 weight=velocity prediction=velocity
train rectified family=flow schedule=straight density=uniform weight=velocity prediction=velocity sigma_max=400
begin "one noise level"
train single density=single sigma_min=0.3 weight=simple prediction=score
begin "the power schedule"
train power family=ve schedule=power density=uniform weight=simple sigma_max=9.8
begin "the clean image"
train x0 density=uniform schedule=cosine weight=min-snr prediction=x0

begin "sampling takes the prediction from the model, whatever its settings say"
pyr train --config $cfg --outdir "$tmp/run" --snapshot -1 --duration 1600 --set level.noise.prediction=v \
    --set level.noise.input=false
gives 0
pyr sample --network "$tmp/run" --seeds 0-3 --outdir "$tmp/a"
gives 0
pyr sample --network "$tmp/run" --seeds 0-3 --outdir "$tmp/b" --set level.noise.prediction=f --set level.noise.input=true
gives 0
holds cmp "$tmp/a/000002.png" "$tmp/b/000002.png"

begin "NCSN's network: conditional instance norm++, dilated blocks, ELU"
pyr train --config $cfg --level 0 --duration 1600 --outdir "$tmp/network" --snapshot 1600 --set level.network.norm=instance++ \
    --set level.network.dilated=true --set level.network.act_fn=elu --set 'levels[0].network.block_out_channels=[8,8,8]'
gives 0
holds grep -q '"_pyrdiff_norm": "instance++"' "$tmp/network/level-0/unet/config.json"
holds grep -q '"_pyrdiff_dilated": true' "$tmp/network/level-0/unet/config.json"
pyr sample --network "$tmp/network" --level 0 --seeds 0-3 --outdir "$tmp/network/samples"
gives 0
pyr export --network "$tmp/network" --level 0 --outdir "$tmp/network/x"
refuses 1 "which diffusers has not"

begin "the objectives of score matching: each learns, and the run says which"
export XDG_CACHE_HOME="$tmp/objectives" # a first training measures, too
for objective in explicit sliced implicit; do
    pyr train --config $cfg --level 2 --duration 3200 --outdir "$tmp/$objective" --snapshot -1 --set level.objective=$objective
    gives 0
    learns "$tmp/$objective"
    pyr info "$tmp/$objective"
    says "by $objective score matching"
done
export XDG_CACHE_HOME="$tmp/cache"
pyr train --config $cfg --level 2 --outdir "$tmp/bad" --set level.objective=explicit --set data.xflip=true
refuses 1 "level.objective is explicit, which goes by the training images as they are: data.xflip changes"
pyr train --config $cfg --level 0 --outdir "$tmp/bad" --set level.objective=explicit
refuses 1 "level.objective is explicit, which knows the score of all training images and of no part of them"
pyr train --config $cfg --cascade --outdir "$tmp/bad" --set level.objective=sliced --set cascade.condition=estimate
refuses 1 "need denoising score matching"

begin "ancestral sampling with each variance; those that are measured want to be measured, with these weights"
for variance in posterior forward; do
    pyr sample --network "$tmp/run" --seeds 0-1 --outdir "$tmp/$variance" --sampler ancestral --set level.sampler.variance=$variance
    gives 0
    pictures="$pictures $tmp/$variance/000001.png"
done
pyr sample --network "$tmp/run" --seeds 0 --outdir "$tmp/c" --sampler ancestral --set level.sampler.variance=optimal
refuses 1 "score-moments.safetensors is not there: pyrdiff analyze --network"
pyr analyze --variance 20
refuses 2 "give its run with --network"
pyr analyze --network "$tmp/run" --variance 20
gives 0
for variance in analytic optimal; do
    pyr sample --network "$tmp/run" --seeds 0-1 --outdir "$tmp/$variance" --sampler ancestral --set level.sampler.variance=$variance
    gives 0
    pictures="$pictures $tmp/$variance/000001.png"
done
for a in $pictures; do
    for b in $pictures; do
        [ "$a" = "$b" ] || holds sh -c "! cmp -s $a $b"
    done
done
pyr train --config $cfg --outdir "$tmp/other" --snapshot 1600 --duration 1600 --set level.sampler.kind=ancestral \
    --set level.sampler.variance=optimal
gives 0
cp "$tmp/run/level-1/score-moments.safetensors" "$tmp/other/level-1"
pyr analyze --network "$tmp/other" --level 0 --variance 20
gives 0
pyr analyze --network "$tmp/other" --level 2 --variance 20
gives 0
pyr sample --network "$tmp/other" --seeds 0 --outdir "$tmp/c"
refuses 1 "measured with other weights than level 1 has now"

begin "settings that contradict each other are refused"
pyr train --config $cfg --level 2 --outdir "$tmp/bad" --set level.noise.levels=10
refuses 1 "noise.levels is 10, but noise.density is log-normal"
pyr train --config $cfg --level 2 --outdir "$tmp/bad" --set level.noise.density=uniform --set level.noise.levels=1
refuses 1 "noise.levels is 1, should be 0 (any level) or 2 and more"
pyr train --config $cfg --level 2 --outdir "$tmp/bad" --set level.noise.density=uniform --set level.noise.weight=vlb
refuses 1 "noise.weight is vlb, which belongs to the steps between noise levels: set noise.levels"

finish
