#!/bin/sh
# Masks as other programs save them; invert with few steps; pipelines that say one thing and hold another.
. tests/cli/lib.sh

pictures=tests/golden/tasks
run=$tmp/run
"$program" train --config tests/tiny.cfg --outdir "$run" --duration 1600 --snapshot -1 --threads 1 >/dev/null 2>&1

begin "masks of two values, a colour, a palette, a hole mean what half.png does"
pyr inpaint $pictures/picture.png $pictures/half.png --network "$run" --seeds 0 --repeats 1 --outdir "$tmp/half"
gives 0
for mask in ones red hole voc; do
    pyr inpaint $pictures/picture.png $pictures/$mask.png --network "$run" --seeds 0 --repeats 1 --outdir "$tmp/$mask"
    gives 0
    complains "warning: $pictures/$mask.png"
    complains "level 0: 50.0% of its pixels are known"
    holds cmp "$tmp/half/000000.png" "$tmp/$mask/000000.png"
done

begin "masks that may mean two things are refused"
pyr inpaint $pictures/picture.png $pictures/brush.png --network "$run" --seeds 0 --outdir "$tmp/o"
refuses 1 "brush.png: the mask is transparent in part and painted in the rest"
pyr inpaint $pictures/picture.png $pictures/voc-two.png --network "$run" --seeds 0 --outdir "$tmp/o"
refuses 1 "voc-two.png: the mask has 3 colours: what is to be drawn anew?"
pyr invert $pictures/picture.png --operator missing --mask $pictures/brush.png --network "$run" --seeds 0 --outdir "$tmp/o"
refuses 1 "brush.png: the mask is transparent"

begin "a black mask says that there is nothing to draw"
pyr inpaint $pictures/picture.png $pictures/black.png --network "$run" --seeds 0 --outdir "$tmp/o"
gives 0
complains "warning: $pictures/black.png is black all over: nothing to draw"

begin "restoring with few steps agrees with what was given"
for sampler in heun dpmpp-2m dpmpp-2m-sde euler-maruyama ancestral; do
    for steps in 12 8 5; do
        pyr invert $pictures/picture.png --operator missing --missing 0.5 --network "$run" --seeds 0-3 --sampler $sampler \
            --steps $steps --outdir "$tmp/few" --threads 1
        gives 0
        says "its noise has 2.56"
    done
done

begin "a result that does not agree is an error, and written"
pyr invert $pictures/picture.png --operator missing --missing 0.5 --network "$run" --seeds 0-1 --sampler pyramid-langevin \
    --steps 2 --outdir "$tmp/far" --threads 1
refuses 1 "images do not agree with what was given"
holds test -s "$tmp/far/invert.png"
pyr invert $pictures/other.png --operator missing --missing 0.5 --network "$run" --seeds 0 --strength 0 --outdir "$tmp/far"
gives 0
pyr invert $pictures/picture.png --network "$run" --seeds 0 --sampler ula --outdir "$tmp/far"
refuses 2 "ula, stays at one noise level"
pyr invert $pictures/picture.png --network "$run" --seeds 0 --sampler rk45 --outdir "$tmp/far"
refuses 2 "rk45, would take thousands of steps"

pipeline=tests/golden/unet2d/pipeline
# A pipeline of class $1, whose scheduler is a $2 in model_index.json and a $3 in its own file.
make_pipeline() {
    rm -rf "$tmp/copy"
    cp -r $pipeline "$tmp/copy"
    chmod -R u+w "$tmp/copy"
    sed "s/DDPMPipeline/$1/; s/DDPMScheduler/$2/" $pipeline/model_index.json >"$tmp/copy/model_index.json"
    sed "s/DDPMScheduler/$3/" $pipeline/scheduler/scheduler_config.json >"$tmp/copy/scheduler/scheduler_config.json"
}

begin "the class of the pipeline decides, as in the library"
for classes in "DDIMPipeline DDPMScheduler DDPMScheduler:ddim 50" "DDIMPipeline PNDMScheduler PNDMScheduler:ddim 50" \
    "DDIMPipeline DDIMScheduler DDIMScheduler:ddim 50" "DDPMPipeline DDIMScheduler DDIMScheduler:ddim 1000" \
    "DDPMPipeline DDIMScheduler DDPMScheduler:ddim 1000" "DDPMPipeline DDPMScheduler DDPMScheduler:ddpm 1000"; do
    # shellcheck disable=SC2086
    make_pipeline ${classes%:*}
    pyr sample --network "$tmp/copy" --seeds 0 --outdir "$tmp/drawn"
    gives 0
    complains "by ${classes#*:};"
done
make_pipeline DDIMPipeline DDPMScheduler DDPMScheduler
pyr sample --network "$tmp/copy" --seeds 0 --outdir "$tmp/drawn" --sampler ddpm --steps 3
gives 0
complains "by ddpm 3;"
pyr info "$tmp/copy"
gives 0
says "by DDIM in 50 steps, as a DDIMPipeline"

begin "other samplers of betas: DDIM and DDPM can be asked for"
make_pipeline DDPMPipeline EulerDiscreteScheduler EulerDiscreteScheduler
pyr sample --network "$tmp/copy" --seeds 0 --outdir "$tmp/drawn"
refuses 1 "add --sampler ddim or --sampler ddpm"
pyr sample --network "$tmp/copy" --seeds 0 --outdir "$tmp/drawn" --sampler ddim --steps 4
gives 0
make_pipeline PNDMPipeline PNDMScheduler PNDMScheduler
pyr sample --network "$tmp/copy" --seeds 0 --outdir "$tmp/drawn"
refuses 1 "the sampler of PNDMScheduler is not offered"

begin "models without betas are said to be what they are"
make_pipeline DDIMPipeline FlowMatchEulerDiscreteScheduler FlowMatchEulerDiscreteScheduler
pyr sample --network "$tmp/copy" --seeds 0 --sampler ddim
refuses 1 "trained by flow matching"
make_pipeline DDPMPipeline EDMEulerScheduler EDMEulerScheduler
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "on noise levels sigma"
make_pipeline ScoreSdeVePipeline ScoreSdeVeScheduler ScoreSdeVeScheduler
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "a ScoreSdeVePipeline: the model was trained on noise levels"
make_pipeline KarrasVePipeline KarrasVeScheduler KarrasVeScheduler
pyr info "$tmp/copy"
gives 0
says "a KarrasVePipeline: the model was trained on noise levels"

begin "a network without a scheduler says so"
cp -r "$tmp/copy/unet" "$tmp/alone"
pyr sample --network "$tmp/alone" --seeds 0
refuses 1 "is a network without a scheduler"
pyr info "$tmp/alone"
gives 0
says "no scheduler_config.json"
pyr sample --network "$tmp/copy/unet" --seeds 0
refuses 1 "is the network of a pipeline, without its scheduler"
pyr sample --network "$run/level-0/unet" --seeds 0
refuses 1 "is one level of a run"
pyr inpaint $pictures/picture.png $pictures/half.png --network $pipeline
refuses 1 "is a pipeline of diffusers"

finish
