#!/bin/sh
# samplers: every word of --sampler draws from a run, the same bytes whatever the batch and the threads.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
run=$tmp/run

begin "a run to draw from"
pyr train --config $cfg --outdir "$run" --duration 2400
gives 0

# The words at the beginning of a line.
words=$("$program" info --list samplers | grep '^[a-z]')

# All settings that some sampler reads, so that noise of every kind is drawn, and moves at sigma_min some of which are accepted.
draw() { # OUTDIR SAMPLER OPTION ...
    outdir=$1 sampler=$2
    shift 2
    pyr sample --network "$run" --outdir "$tmp/$outdir" --sampler "$sampler" --steps 4,3,3 --set level.sampler.churn=1 \
        --set level.sampler.corrector_steps=2 --set level.sampler.hmc_leapfrogs=2 --set level.sampler.langevin_steps=2 \
        --set level.sampler.sigma_min=1 --no-grid "$@"
}

for word in $words; do
    begin "$word"
    draw "$word-1" "$word" --seeds 0-4 --batch 1 --threads 1
    gives 0
    complains "per level from the coarsest: $word"
    draw "$word-2" "$word" --seeds 4,0-3 --batch 5 --threads 2
    gives 0
    for seed in 0 1 2 3 4; do
        holds cmp "$tmp/$word-1/00000$seed.png" "$tmp/$word-2/00000$seed.png"
    done
    draw "$word-3" "$word" --seeds 0-4 --batch 3 --threads 2
    holds cmp "$tmp/$word-1/samples.npz" "$tmp/$word-3/samples.npz"
done

begin "they draw different images"
holds cmp "$tmp/euler-maruyama-1/samples.npz" "$tmp/reverse-diffusion-1/samples.npz" # for VE they are one
if wanted; then
    for word in $words; do
        [ $word = reverse-diffusion ] || cksum <"$tmp/$word-1/samples.npz"
    done | sort | uniq -d >"$tmp/same"
    # DDIM's eta is 0 here, which is Euler's step, but Euler has churn
    holds test ! -s "$tmp/same"
fi

begin "evaluations are counted"
draw count heun --seeds 0
complains "17 evaluations" # 2n - 1 of 4, 3, 3 steps
draw count predictor-corrector --seeds 0
complains "24 evaluations" # 3 for each step but the last
draw count rk45 --seeds 0-1
complains "evaluations are counted as they are made"
complains "level 0: "
complains "an image on average"

begin "settings of samplers"
draw eta-0 ddim --seeds 0-1
draw eta-1 ddim --seeds 0-1 --set level.sampler.eta=1
complains "ddim 4 eta 1"
draw ancestral ancestral --seeds 0-1
holds sh -c "! cmp -s '$tmp/eta-0/samples.npz' '$tmp/eta-1/samples.npz'"
holds cmp "$tmp/ancestral/samples.npz" "$tmp/eta-1/samples.npz"
draw heun-pc predictor-corrector --seeds 0-1 --set level.sampler.predictor=heun
gives 0
complains "predictor-corrector 4 heun + 2"
draw hmc-pc predictor-corrector --seeds 0-1 --set level.sampler.predictor=identity --set level.sampler.corrector=hmc
gives 0
complains "predictor-corrector 4 identity + 2 hmc x 2"
complains "38 evaluations" # 5 for each of 3, 2, 2 steps, and the denoising ones
draw unit heun --seeds 0-1 --set level.sampler.start=unit --set level.sampler.sigma_max=2
gives 0

begin "without the denoising step"
draw noisy heun --seeds 0-1 --no-denoise --set level.sampler.sigma_min=0.3
gives 0
complains "heun 4 churn 1 undenoised"
complains "14 evaluations"
draw clean heun --seeds 0-1 --set level.sampler.sigma_min=0.3
holds sh -c "! cmp -s '$tmp/noisy/samples.npz' '$tmp/clean/samples.npz'"

begin "what cannot be"
draw bad anceztral --seeds 0
refuses 2 "did you mean ancestral?"
draw bad heun --seeds 0 --set level.sampler.eta=2
refuses 2 "level.sampler.eta"
draw bad consistent-annealed --seeds 0 --set level.sampler.eta=0.01
refuses 1 "sampler.eta is 0.01: consistent-annealed needs at least"
pyr sample --network "$run" --seeds 0 --outdir "$tmp/bad" --steps 1 --no-denoise
refuses 1 "sampler.steps is 1"
draw bad annealed-langevin --seeds 0 --set level.sampler.langevin_epsilon=5
refuses 1 "annealed-langevin diverges"
draw bad annealed-hmc --seeds 0 --set level.sampler.langevin_epsilon=4
refuses 1 "level 2: sampler.langevin_epsilon is 4: annealed-hmc diverges unless it is below 4"
draw bad predictor-corrector --seeds 0 --set level.sampler.predictor=identity --set level.sampler.corrector_steps=0
refuses 1 "nothing would move"
draw bad identity --seeds 0
refuses 2 'there is no sampler "identity"'
pyr train --config $cfg --outdir "$tmp/bad" --set level.sampler.kind=annealed-mala --set level.sampler.langevin_epsilon=5
refuses 1 "annealed-mala diverges"
holds test ! -e "$tmp/bad"

begin "trajectories, of images that are the same as without"
draw plain heun --seeds 0-4
draw path heun --seeds 0-4 --batch 2 --trajectory
gives 0
holds cmp "$tmp/plain/samples.npz" "$tmp/path/samples.npz"
for seed in 0 1 2 3 4; do holds test -s "$tmp/path/trajectory-00000$seed.png"; done
draw path-2 heun --seeds 4,1 --trajectory --threads 1
holds cmp "$tmp/path/trajectory-000001.png" "$tmp/path-2/trajectory-000001.png"
holds cmp "$tmp/path/trajectory-000004.png" "$tmp/path-2/trajectory-000004.png"
for word in rk45 annealed-langevin annealed-hmc hmc; do
    draw path-3 $word --seeds 0 --trajectory --no-denoise
    gives 0
done

finish
