#!/bin/sh
# eval: a run, a folder and an NPZ of the same images get the same figures; references, statistics, caches.
. tests/cli/lib.sh

data=tests/golden/shapes
run=$tmp/run

# Value of a figure in the last JSON: value NAME FILE
value() { sed -n "s/^ *\"$1\": \([-0-9.e+]*\),*$/\1/p" "$2" | head -n 1; }
# The members "metrics" alone: they do not name the input.
metrics() { sed -n '/"metrics": {/,/}/p' "$1" | tr -d ',' ; }
# The consistency error is of what was drawn before it was rounded: files do not have it.
pixels() { metrics "$1" | sed '/"consistency"/,/]/d'; }
same() { [ -s "$1" ] && cmp -s "$1" "$2"; }

begin "a run, its folder of PNGs and its NPZ"
pyr train --config tests/tiny.cfg --outdir "$run" --duration 1600 --set train.snapshot=-1
gives 0
pyr classifier --data $data --out "$tmp/classifier.safetensors" --duration 2000
gives 0
pyr sample --network "$run" --seeds 0-39 --outdir "$tmp/out"
gives 0
pyr eval "$run" --count 40 --classifier "$tmp/classifier.safetensors" --json "$tmp/run.json" \
    --sheet "$tmp/sheet.png"
gives 0
says "40 images against $data (test), 64 images ["
says "drawn per level from the coarsest with heun 6, heun 6, heun 6: 33 evaluations, "
says "Frechet distance"
says "precision (k = 3)"
says "sliced Wasserstein, level 0"
says "consistency error, level 1"
says "features: classifier 12x10x1, 2 classes ["
complains "warning: 40 images against 64: with fewer than 10000"
holds test -s "$tmp/sheet.png"
pyr eval "$tmp/out" --data $data --classifier "$tmp/classifier.safetensors" --json "$tmp/folder.json"
gives 0
complains "features of the reference are from the cache"
pyr eval "$tmp/out/samples.npz" --data $data --classifier "$tmp/classifier.safetensors" --json "$tmp/npz.json"
gives 0
for name in run folder npz; do
    wanted && pixels "$tmp/$name.json" >"$tmp/$name.pixels"
done
holds same "$tmp/run.pixels" "$tmp/folder.pixels"
holds same "$tmp/run.pixels" "$tmp/npz.pixels"
holds grep -q '"reference_hash": "' "$tmp/npz.json"
holds [ "$(grep '"input_hash"' "$tmp/run.json")" = "$(grep '"input_hash"' "$tmp/npz.json")" ]

begin "the batch, the seeds and the order of threads change no figure"
pyr eval "$run" --seeds 0-39 --batch 7 --threads 1 --classifier "$tmp/classifier.safetensors" \
    --json "$tmp/batch.json"
gives 0
wanted && metrics "$tmp/batch.json" >"$tmp/batch.metrics"
wanted && metrics "$tmp/run.json" >"$tmp/run.metrics"
holds same "$tmp/run.metrics" "$tmp/batch.metrics"

begin "levels agree with each other when residuals are projected"
for project in true false; do
    pyr eval "$run" --count 40 --metrics consistency --data $data --json "$tmp/$project.json" \
        --set pyramid.project=$project
    gives 0
    # the list's numbers, one a line
    wanted && sed -n '/"consistency"/,/]/p' "$tmp/$project.json" | tr '[,]' '\n\n\n' | sed 's/[^-0-9.e+]//g' |
        grep '^[0-9]' >"$tmp/$project.errors"
done
holds awk '{ n++; if (!($1 < 1e-6)) bad = 1 } END { exit bad || n != 2 }' "$tmp/true.errors"
holds awk '{ n++; if (!($1 > 1e-3)) bad = 1 } END { exit bad || n != 2 }' "$tmp/false.errors"

begin "other steps are other images"
pyr eval "$run" --count 40 --steps 3,2,1 --metrics swd,colour --data $data --json "$tmp/steps.json"
gives 0
holds grep -q '"nfe": 9' "$tmp/steps.json"
holds [ "$(value input_hash "$tmp/steps.json")" = "" ] # a text, no number
pyr eval "$run" --count 40 --set level.sampler.augmentation=0.3 --metrics colour --json "$tmp/noise.json"
gives 0
holds [ "$(grep '"input_hash"' "$tmp/noise.json")" != "$(grep '"input_hash"' "$tmp/run.json")" ]
holds [ "$(value colour "$tmp/steps.json")" != "$(value colour "$tmp/run.json")" ]

begin "what the levels below real coarse images lose"
for given in 0 2 1; do
    pyr eval "$run" --given $given --count 192 --reference train --metrics swd,consistency --json "$tmp/given-$given.json"
    gives 0
    wanted && swd=$(sed -n '/"figures"/,$d; /"swd"/,/]/p' "$tmp/given-$given.json" | tr -dc '0-9.e+\n -' | grep '[0-9]' | tail -n 1)
    # the less is drawn, the nearer the finest level is to real images
    [ $given = 0 ] || holds awk "BEGIN { exit !($swd < 0.8 * $before) }"
    wanted && before=$swd
done
says "level 1: real training images; drawn per level from the coarsest with heun 6: 11 evaluations, "
holds grep -q '"given": 1,' "$tmp/given-1.json"
holds [ "$(grep -c '"metric": "consistency"' "$tmp/given-1.json")" = 1 ]
holds [ "$(grep -c '"metric": "consistency"' "$tmp/given-2.json")" = 2 ]
pyr eval "$run" --given 3 --count 4
refuses 2 "--given is 3, should be 1..2 (0: nothing)"
pyr eval "$tmp/out" --data $data --given 1
refuses 2 "--given is for a run"

begin "the training images as reference"
pyr eval "$tmp/out/samples.npz" --data $data --reference train --classifier "$tmp/classifier.safetensors" \
    --metrics frechet,swd
gives 0
says "against $data (train), 512 images"
says "40 images against $data (train), 40 images" # sliced Wasserstein: of sets of one size

begin "statistics are written and read"
pyr eval "$tmp/out/samples.npz" --data $data --classifier "$tmp/classifier.safetensors" --metrics frechet \
    --write-stats "$tmp/stats.npz" --json "$tmp/own.json"
gives 0
pyr eval "$tmp/out/samples.npz" --data $data --classifier "$tmp/classifier.safetensors" --metrics frechet \
    --ref-stats "$tmp/stats.npz" --json "$tmp/given.json"
gives 0
says "against $tmp/stats.npz ["
holds [ "$(value frechet "$tmp/own.json")" = "$(value frechet "$tmp/given.json")" ]
pyr eval "$tmp/out/samples.npz" --data $data --metrics swd --ref-stats "$tmp/stats.npz"
refuses 2 "--ref-stats is for the Frechet distance: add frechet to --metrics"

begin "a classifier is trained when none is named, and found the next time"
pyr eval "$tmp/out/samples.npz" --data $data --metrics frechet --json "$tmp/first.json"
gives 0
complains "training a classifier on the data's labels"
holds ls "$tmp"/cache/pyrdiff/eval/classifier-*.safetensors
pyr eval "$tmp/out/samples.npz" --data $data --metrics frechet --json "$tmp/second.json"
gives 0
complains "features: classifier"
wanted && grep -q "training a classifier" "$tmp/stderr" && bad "it was trained again"
holds cmp "$tmp/first.json" "$tmp/second.json"

begin "data without labels: figures of pixels"
mkdir -p "$tmp/plain"
cp "$tmp"/out/0000[0-2]*.png "$tmp/plain" 2>/dev/null
pyr eval "$tmp/out" --data "$tmp/plain" --set data.held_out=10
gives 0
complains "note: the data have no labels"
says "sliced Wasserstein"
says "distance to nearest"
says ", on pixels"
says "Frechet distance              left out: no feature network"

begin "wrong words"
pyr eval
refuses 2 "needs INPUT"
pyr eval "$tmp/nothing" --data $data
refuses 1 "$tmp/nothing: no such file or folder"
pyr eval "$tmp/out"
refuses 2 "Add --data PATH"
pyr eval "$tmp/out" --data $data --steps 3
refuses 2 "--steps is for a run, but $tmp/out holds images"
pyr eval "$run" --metrics frechet,spektrum
refuses 2 "did you mean spectrum?"
pyr eval "$run" --reference tset
refuses 2 "--reference tset: should be test or train"
pyr eval "$run" --data tests/golden/archives/grey.npz --set data.split=all --reference train --metrics swd
refuses 1 "$run: images of 12x10 with 1 channel, those of tests/golden/archives/grey.npz are "
wanted && grep -q "images drawn" "$tmp/stderr" && bad "found out after sampling"
pyr eval "$run" --count 5 --seeds 0-4
refuses 2 "one of --count and --seeds"
pyr eval "$run" --steps 3,3
refuses 2 "has 2 numbers, the run has 3 levels"
pyr eval "$run" --class 1 --metrics swd
refuses 2 "this run was trained without classes"
pyr eval "$tmp/out" --data $data --metrics swd --sheet "$tmp/sheet.png"
refuses 2 "add nearest to --metrics"
pyr eval "$tmp/out" --data $data --classifier tests/tiny.cfg
gives 1
complains "tests/tiny.cfg"
pyr eval tests/tiny.cfg --data $data --metrics swd
gives 1
complains "tests/tiny.cfg"
pyr eval "$tmp/out" --data tests/golden/images --skip-bad
refuses 2 "unknown option --skip-bad"
pyr eval "$tmp/out" --data tests/golden/images --set data.skip_bad=true --metrics swd
refuses 1 "those of tests/golden/images are 11x13"

finish
