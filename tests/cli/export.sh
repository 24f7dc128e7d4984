#!/bin/sh
# export: levels of a run as diffusers pipelines, which sample and info read again; and pipelines from elsewhere.
. tests/cli/lib.sh

run=tests/golden/export/run
pipeline=tests/golden/unet2d/pipeline

# Copy the pipeline to $tmp/copy, to be changed.
copy_pipeline() {
    rm -rf "$tmp/copy"
    cp -r $pipeline "$tmp/copy"
    chmod -R u+w "$tmp/copy"
}
scheduler=$tmp/copy/scheduler/scheduler_config.json
# Put $2 in the place of $1 in its scheduler's configuration.
change() {
    sed "s/$1/$2/" "$scheduler" >"$tmp/changed" && cp "$tmp/changed" "$scheduler"
}

begin "each level becomes a pipeline"
pyr export --network $run --outdir "$tmp/out" --timesteps 40
gives 0
says "level 1  $tmp/out/level-1"
says "level 0  $tmp/out/level-0"
for level in 0 1; do
    for file in model_index.json unet/config.json unet/diffusion_pytorch_model.safetensors scheduler/scheduler_config.json; do
        holds test -s "$tmp/out/level-$level/$file"
    done
done
holds grep -q '"_class_name": "DDIMPipeline"' "$tmp/out/level-0/model_index.json"
holds grep -q '"time_embedding_type": "learned"' "$tmp/out/level-0/unet/config.json"
holds grep -q '"prediction_type": "v_prediction"' "$tmp/out/level-0/scheduler/scheduler_config.json"
holds grep -q '"prediction_type": "epsilon"' "$tmp/out/level-1/scheduler/scheduler_config.json"
pyr info "$tmp/out/level-0"
gives 0
says "level          0 of a pyramid of 2"
says "learned (40 steps)"
says "DDIMScheduler, 40 timesteps, betas given one by one"
pyr info --check "$tmp/out/level-0"
gives 0
says "finite: OK"

begin "one level, as often as wanted"
pyr export --network $run --outdir "$tmp/one" --level 1 --timesteps 30
gives 0
holds test ! -e "$tmp/one/level-0"
holds cp -r "$tmp/one" "$tmp/again"
pyr export --network $run --outdir "$tmp/again" --level 1 --timesteps 30
gives 0
holds diff -r "$tmp/one" "$tmp/again"

begin "the coarsest level is sampled, a conditional one is not"
pyr export --network $run --outdir "$tmp/out" --timesteps 40
pyr sample --network "$tmp/out/level-1" --seeds 0-3 --steps 8 --outdir "$tmp/pictures" --class 1
gives 0
holds test -s "$tmp/pictures/000003.png" -a -s "$tmp/pictures/grid.png" -a -s "$tmp/pictures/samples.npz"
pyr sample --network "$tmp/out/level-1" --seeds 0-3 --steps 41
refuses 2 "41 steps: the model was trained with 40 timesteps"
pyr sample --network "$tmp/out/level-1" --class 99
refuses 2 "--class is 99"
pyr sample --network "$tmp/out/level-0" --seeds 0-3
refuses 1 "it wants a condition, the coarser image"

begin "an image is its seed's, whatever the batch, threads and other seeds"
pyr sample --network $pipeline --seeds 0-9 --sampler ddpm --steps 10 --outdir "$tmp/a"
gives 0
pyr sample --network $pipeline --seeds 7,3 --sampler ddpm --steps 10 --batch 1 --threads 1 --outdir "$tmp/b"
gives 0
holds cmp "$tmp/a/000007.png" "$tmp/b/000007.png"
holds cmp "$tmp/a/000003.png" "$tmp/b/000003.png"
pyr sample --network=$pipeline --seeds 3 --sampler ddim --steps 10 --eta 1 --outdir "$tmp/c"
gives 0
complains "ddim 10 eta 1"
holds test -s "$tmp/c/000003.png"

begin "a pipeline in words, flat or in folders"
pyr info $pipeline
gives 0
says "UNet2DModel, 144 tensors"
says "DDPMScheduler, 1000 timesteps, betas linear from 0.0001 to 0.02"
says "leading; variance fixed_large"
mkdir -p "$tmp/flat"
cp $pipeline/unet/* $pipeline/scheduler/* "$tmp/flat"
pyr info "$tmp/flat"
gives 0
says "DDPMScheduler, 1000 timesteps"
pyr sample --network "$tmp/flat" --seeds 3 --sampler ddim --steps 10 --eta 1 --outdir "$tmp/d"
gives 0
pyr sample --network $pipeline --seeds 3 --sampler ddim --steps 10 --eta 1 --outdir "$tmp/c"
holds cmp "$tmp/c/000003.png" "$tmp/d/000003.png"
pyr sample --network $pipeline --help
gives 0
says "--eta"

begin "pipelines and schedulers that are not offered"
copy_pipeline
change DDPMScheduler PNDMScheduler
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "PNDMScheduler"
pyr info "$tmp/copy"
gives 0
says "not sampled"
copy_pipeline
change '"thresholding": false' '"thresholding": true'
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "dynamic thresholding is not offered"
copy_pipeline
change '"beta_end": 0.02' '"beta_end": 2'
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "beta_end 2, should be between 0 and 1"
copy_pipeline
change '"steps_offset"' '"step_offset"'
pyr sample --network "$tmp/copy" --seeds 0 --steps 2 --outdir "$tmp/e"
gives 0
complains '"step_offset": unknown'
copy_pipeline
sed 's/DDPMPipeline/LDMPipeline/' $pipeline/model_index.json >"$tmp/copy/model_index.json"
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "LDMPipeline"
copy_pipeline
rm -r "$tmp/copy/scheduler"
pyr sample --network "$tmp/copy" --seeds 0
refuses 1 "has no scheduler/scheduler_config.json"

begin "options that do not fit"
pyr sample --network $pipeline --sampler heun
refuses 2 "there is no sampler of a pipeline \"heun\""
pyr sample --network $pipeline --sampler ddpm --eta 0.5
refuses 2 "--eta 0.5 is of --sampler ddim"
pyr sample --network $pipeline --class 1
refuses 2 "this model has no classes"
pyr export --network $run
refuses 2 "--outdir"
pyr export --outdir "$tmp/x"
refuses 2 "--network"
pyr export --network $run --outdir "$tmp/x" --format onnx
refuses 2 "--format is \"onnx\", should be one of: diffusers"
pyr export --network $run --outdir "$tmp/x" --level 5
refuses 2 "the run has levels 0..1"
cp -r $run "$tmp/run"
chmod -R u+w "$tmp/run"
rm -r "$tmp/run/level-0"
pyr export --network "$tmp/run" --outdir "$tmp/x"
refuses 1 "level 0 of $tmp/run has not been trained yet"

finish
