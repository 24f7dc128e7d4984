#!/bin/sh
# --level I: a level is drawn, judged, measured by itself, whatever the other levels are.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
data=tests/golden/shapes
run="$tmp/a run" # a shell must be told where the name ends

# The command that training ended with, run as it was printed; what follows it is $1.
as_printed() {
    wanted || return 0
    printed=$(sed -n 's/^pictures: pyrdiff //p' "$tmp/stderr")
    eval "pyr $printed"
    [ "$printed" = "$1" ] || bad "printed: pyrdiff $printed"
}
# Height and width of a PNG below 256.
size() { [ "$(od -An -tu1 -j16 -N8 "$1" | awk '{ print $8 "x" $4 }')" = "$2" ]; }
# The text $2 of a PNG is $3.
text() { tr '\000' '=' <"$1" | grep -q -a -F -e "tEXt$2=$3"; }
one_level() { # RUN LEVEL [...]
    out=$1 level=$2
    shift 2
    pyr train --config $cfg --outdir "$out" --level "$level" --duration 1600 --threads 1 --set train.snapshot=-1 "$@"
    gives 0
}

begin "the middle level alone"
one_level "$run" 1
complains "of this run levels 2, 0 have no weights yet; level 1 by itself:"
as_printed "sample --network '$run' --level 1"
gives 0
complains "64 images of level 1, 6x5x1; given level 2 of training images of $data; heun 6; 11 evaluations"
out="$run/level-1/samples"
for file in 000000 000063 residual-000000 residual-000063; do holds size "$out/$file.png" 6x5; done
holds text "$out/000003.png" level "1 of 3 (0 is the finest)"
holds text "$out/000003.png" seed 3
holds text "$out/000003.png" given "training image "
holds text "$out/residual-000003.png" level "1 of 3 (0 is the finest), its residual, gain 1"
holds test -s "$out/levels.png"
holds test -s "$out/samples.npz"
says "levels.png: coarser image | enlarged | residual, gain 1 | result"
# halved, it is what was given
holds awk '/is off from what was given by/ { found = 1; exit !($10 < 1e-4) } END { exit !found }' "$tmp/stderr"

begin "a seed's image depends on nothing else"
pyr sample --network "$run" --level 1 --seeds 9,3 --batch 1 --threads 1 --outdir "$tmp/two"
gives 0
holds cmp "$out/000003.png" "$tmp/two/000003.png"
holds cmp "$out/residual-000009.png" "$tmp/two/residual-000009.png"

begin "levels that are not there, or have no weights"
pyr sample --network "$run" --level 3
refuses 2 "--level is 3, should be 0..2 (0 is the finest, 2 the coarsest)"
for command in "sample --network" "likelihood --network" "analyze --network" eval; do
    # shellcheck disable=SC2086
    pyr $command "$run" --level 0
    refuses 1 "level 0 of $run has not been trained yet: pyrdiff train --outdir '$run' --level 0"
    # shellcheck disable=SC2086
    pyr $command "$run" --level 7
    refuses 2 "--level is 7, should be 0..2"
done
pyr sample --network "$run"
refuses 1 "(level 1 is there: pyrdiff sample --network '$run' --level 1 draws it by itself)"
wanted && mkdir "$run/level-2"
pyr sample --network "$run" --level 2
refuses 1 "level 2 of $run has no weights yet, its training has not come to a checkpoint"
wanted && rmdir "$run/level-2"

begin "what does not go together"
pyr sample --network "$run" --level 1 --trajectory
refuses 2 "--trajectory shows all levels"
pyr sample --network "$run" --data $data
refuses 2 "--data is for --level I"
pyr eval "$run" --level 1 --given 2
refuses 2 "one of --given and --level at a time"
pyr eval $data --data $data --level 1
refuses 2 "--level is for a run"
pyr sample --network "$run" --level 1 --data "$tmp/none"
refuses 1 "name them with --data PATH, or give coarser images with --coarse DIR"
pyr sample --network "$run" --level 2 --coarse "$out"
refuses 2 "level 2 is the coarsest, it is given no image: leave --coarse out"

begin "a level's fitted Gaussian can be measured when it is alone, as it is said"
pyr sample --network "$run" --level 1 --seeds 0-3 --outdir "$tmp/fitted" --set level.sampler.start=gaussian
refuses 1 "pyrdiff analyze --network '$run' --level 1 measures it"
pyr analyze --network "$run" --level 1
gives 0
pyr sample --network "$run" --level 1 --seeds 0-3 --outdir "$tmp/fitted" --set level.sampler.start=gaussian
gives 0
holds sh -c "! cmp -s '$tmp/fitted/000003.png' '$out/000003.png'"

begin "data that have changed are said"
pyr sample --network "$run" --level 1 --seeds 0 --outdir "$tmp/changed" --set data.split=all
gives 0
complains "note: $data has changed since level 1 was trained on it"

begin "to coarser images of files"
if wanted; then # images of level 1 are 6x5, their halves 3x3
    pyr decompose "$out/000005.png" --levels 2 --outdir "$tmp/codes"
    mkdir "$tmp/coarse" && cp "$tmp/codes/level-1.png" "$tmp/coarse/five.png"
fi
pyr sample --network "$run" --level 1 --coarse "$tmp/coarse" --seeds 0-2 --outdir "$tmp/files"
gives 0
complains "given level 2 from files"
holds text "$tmp/files/000002.png" given "$tmp/coarse/five.png"
for seed in 0 1; do
    pyr decompose "$tmp/files/00000$seed.png" --levels 2 --outdir "$tmp/again-$seed"
done
pyr sample --network "$run" --level 1 --coarse "$out" --seeds 0
refuses 1 "is 6x5, the coarsest level of this run is 3x3"

begin "judged by itself, at its own resolution"
pyr eval "$run" --level 1 --count 48 --metrics swd,spectrum,colour,consistency,nearest --json "$tmp/eval.json"
gives 0
says "48 images of 6x5x1"
says "level 2: real training images; level 1 drawn alone with heun 6: 11 evaluations"
says "48 images against $data, level 1 (test), 64 images ["
says "consistency error, level 1"
holds grep -q '"level": 1,' "$tmp/eval.json"
holds grep -q '"given": 2,' "$tmp/eval.json"
# what was drawn is what sample draws
pyr eval "$run/level-1/samples/samples.npz" --data $data --metrics swd --count 48
refuses 1 "images of 6x5"
pyr eval "$run" --level 1 --count 64 --metrics swd
gives 0
wanted && hash=$(sed -n 's/.* \[\([0-9a-f]*\)\]: 64 images of 6x5x1$/\1/p' "$tmp/stdout")
pyr eval "$out/samples.npz" --data "$out/samples.npz" --metrics swd --reference train
gives 0
says "[$hash]: 64 images of 6x5x1"
pyr eval "$out" --data "$out/samples.npz" --metrics swd --reference train # residuals and sheets are left aside
gives 0
says "[$hash]: 64 images of 6x5x1"
begin "nearest training images of images that are told of training images say nothing"
pyr eval "$run" --level 1 --count 12
gives 0
holds sh -c "! grep -q 'distance to nearest' '$tmp/stdout'"
says "Frechet distance"
says "features: classifier 6x5x1, 2 classes ["

begin "the finest level alone"
one_level "$tmp/b" 0
as_printed "sample --network $tmp/b --level 0"
gives 0
holds size "$tmp/b/level-0/samples/000000.png" 12x10
pyr likelihood --network "$tmp/b" --level 0 --count 4 --bound-terms 0
gives 0
says "log p of level 0  "

begin "the coarsest level alone"
one_level "$tmp/b" 2
as_printed "sample --network $tmp/b --level 2"
gives 0
complains "64 images of level 2, 3x3x1; heun 6; 11 evaluations"
holds size "$tmp/b/level-2/samples/000000.png" 3x3
holds test -s "$tmp/b/level-2/samples/grid.png"
holds sh -c "! ls '$tmp/b/level-2/samples' | grep -q -e residual -e levels"
pyr eval "$tmp/b" --level 2 --count 32 --metrics swd,nearest,consistency
gives 0
says "level 2 drawn alone with heun 6"
says "distance to nearest"
says "consistency error             left out: it is of levels that a run draws to a coarser one"
pyr sample --network "$tmp/b" --level 2 --data $data
refuses 2 "leave --data out"

begin "when all are there"
one_level "$tmp/b" 1
as_printed "sample --network $tmp/b"
gives 0
holds size "$tmp/b/samples/000000.png" 12x10
pyr eval "$tmp/b" --level 0 --count 16 --metrics swd --json "$tmp/level.json"
gives 0
pyr eval "$tmp/b" --given 1 --count 16 --metrics swd --json "$tmp/given.json"
gives 0
holds [ "$(grep '"input_hash"' "$tmp/level.json")" = "$(grep '"input_hash"' "$tmp/given.json")" ]
pyr likelihood --network "$tmp/b" --count 6
gives 0
says "code log-likelihood"
wanted && grep '^level ' "$tmp/stdout" >"$tmp/all"
for level in 2 1 0; do
    pyr likelihood --network "$tmp/b" --count 6 --level $level --json "$tmp/term.json"
    gives 0
    wanted && grep '^level ' "$tmp/stdout" >>"$tmp/each"
    holds grep -q '"kind": "log p of one level"' "$tmp/term.json"
    holds sh -c "! grep -q code '$tmp/stdout'"
done
holds cmp "$tmp/all" "$tmp/each"
pyr analyze --network "$tmp/b"
gives 0
wanted && grep -e 'standard dev' -e 'start at' -e NCSN "$tmp/stdout" >"$tmp/analysis"
wanted && cp "$tmp/b/level-1/gaussian.safetensors" "$tmp/gaussian"
for level in 2 1 0; do
    wanted && rm "$tmp/b/level-$level/gaussian.safetensors"
    pyr analyze --network "$tmp/b" --level $level --plot "$tmp/plot.svg" --json "$tmp/analysis.json"
    gives 0
    wanted && grep -e 'standard dev' -e 'start at' -e NCSN "$tmp/stdout" >>"$tmp/analyses"
    says "level-$level has a gaussian.safetensors now"
    holds [ "$(grep -c '"reference"' "$tmp/analysis.json")" = 1 ]
done
holds cmp "$tmp/analysis" "$tmp/analyses"
holds cmp "$tmp/gaussian" "$tmp/b/level-1/gaussian.safetensors"

begin "before it is trained: the measurements of a level, and its block"
pyr analyze --config $cfg --level 1 --block "$tmp/block.cfg"
gives 0
says "level 1: 6x5x1, residual"
holds sh -c "! grep -q 'level 2:' '$tmp/stdout'"
if wanted; then
    { sed 's/^levels = .*//' $cfg && echo '@include "block.cfg"'; } >"$tmp/with.cfg"
fi
pyr train --config "$tmp/with.cfg" --outdir "$tmp/with" --level 1 --dry-run
gives 0
pyr analyze $data --level 0 --reference
refuses 2 "--reference compares the levels"

begin "while it trains, and others do"
if wanted; then
    train_behind --config $cfg --outdir "$tmp/still" --level 1 --duration 200ki --threads 1 \
        --set train.checkpoint=160 --set train.snapshot=-1
    tries=0
    while [ ! -s "$(weights "$tmp/still" 1)" ] && [ $tries -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
fi
pyr sample --network "$tmp/still" --level 1 --seeds 0-3 --outdir "$tmp/still-out"
gives 0
wanted && kill -TERM "$behind" 2>/dev/null && wait "$behind"

begin "haar"
one_level "$tmp/haar" 1 --filter haar
as_printed "sample --network $tmp/haar --level 1"
gives 0
holds size "$tmp/haar/level-1/samples/000000.png" 6x5
holds size "$tmp/haar/level-1/samples/residual-000000.png" 6x6 # four tiles of 3x3
one_level "$tmp/haar" 0 --filter haar
pyr likelihood --network "$tmp/haar" --level 0 --count 4 --bound-terms 0
gives 0 # its own split is even, whatever those below are
says "log p of level 0"
pyr likelihood --network "$tmp/haar" --level 1 --count 4
refuses 1 "level 1 is 6x5: a haar pyramid has a likelihood only where every split is even"
pyr eval "$tmp/haar" --level 1 --count 16 --metrics swd,consistency
gives 0

begin "levels without a condition"
one_level "$tmp/none" 1 --set level.condition=none
as_printed "sample --network $tmp/none --level 1"
gives 0
complains "64 residuals of level 1, 6x5x1; heun 6"
complains "level 1 has no coarser image as condition"
holds text "$tmp/none/level-1/samples/000000.png" level "1 of 3 (0 is the finest), its residual alone, gain 1"
holds sh -c "! ls '$tmp/none/level-1/samples' | grep -q -e '^residual' -e levels -e npz"
pyr sample --network "$tmp/none" --level 1 --data $data --seeds 0-3 --outdir "$tmp/none-data"
gives 0
holds text "$tmp/none-data/000000.png" given "training image "
holds test -s "$tmp/none-data/levels.png"
pyr likelihood --network "$tmp/none" --level 1 --count 4
gives 0
says "(without a condition)"
one_level "$tmp/none-haar" 1 --filter haar --set level.condition=none
as_printed "sample --network $tmp/none-haar --level 1"
gives 0
holds size "$tmp/none-haar/level-1/samples/000000.png" 6x6

begin "of a class"
one_level "$tmp/classes" 1 --classes
as_printed "sample --network $tmp/classes --level 1"
gives 0
pyr sample --network "$tmp/classes" --level 1 --class 1 --seeds 0-3 --guidance 2 --outdir "$tmp/of-class"
gives 0
complains "guidance 2"
pyr sample --network "$tmp/classes" --level 1 --class 2
refuses 2 "--class is 2, should be 0..1"
pyr eval "$tmp/classes" --level 1 --class 1 --count 8 --metrics colour
gives 0
pyr sample --network "$tmp/classes" --level 1 --gnet "$tmp/classes" --guidance 1.5 --seeds 0-3 --outdir "$tmp/auto"
gives 0
pyr sample --network "$tmp/classes" --level 1 --gnet "$run" --guidance 1.5 --seeds 0-3 --outdir "$tmp/auto"
refuses 1 "level 1 of $run cannot guide"
# a level that was always told its class, or is guided towards one, is drawn with one
one_level "$tmp/told" 1 --classes --set level.class_dropout=0
as_printed "sample --network $tmp/told --level 1 --class all"
gives 0
one_level "$tmp/guided" 1 --classes --set level.sampler.guidance=2
as_printed "sample --network $tmp/guided --level 1 --class all"
gives 0

begin "a single resolution"
pyr train --config configs/fashion-mnist-single.cfg --data $data --outdir "$tmp/single" --duration 64 --threads 1 \
    --set level.network.block_out_channels=[8] --set level.network.norm_num_groups=4 --set level.network.patch=1 \
    --set level.batch=16 --set train.snapshot=-1
gives 0
pyr sample --network "$tmp/single" --level 0 --seeds 0-1 --steps 2 --outdir "$tmp/single-level"
gives 0
pyr sample --network "$tmp/single" --seeds 0-1 --steps 2 --outdir "$tmp/single-all"
gives 0
holds cmp "$tmp/single-level/samples.npz" "$tmp/single-all/samples.npz"
pyr sample --network "$tmp/single" --level 1
refuses 2 "--level is 1, but there is a single resolution: level 0"

finish
