#!/bin/sh
# What eval judges: samples in folders, subfolders and archives, mixtures, too few images, statistics of others.
. tests/cli/lib.sh

data=tests/golden/shapes
run=$tmp/run
has_python() { python3 -c 'import zipfile' 2>/dev/null; }
quick="--data $data --metrics spectrum --threads 1"

begin "a run to draw from"
pyr train --config tests/tiny.cfg --outdir "$run" --duration 64 --threads 1
gives 0
pyr sample --network "$run" --seeds 0-11 --outdir "$tmp/out"
gives 0

begin "the program's own sheets are no samples"
# shellcheck disable=SC2086
pyr eval "$tmp/out" $quick
gives 0
says ": 12 images of 12x10x1"
says "2 pictures left aside that are no samples: grid.png, ..."
wanted && plain=$(sed -n 's/.*\[\([0-9a-f]*\)\]: 12 images.*/\1/p' "$tmp/stdout")
wanted && grep -q "warning" "$tmp/stderr" && bad "a warning on a sound set"

begin "subfolders and resource files"
mkdir -p "$tmp/sub/000000" "$tmp/sub/000006" "$tmp/sub/.ipynb_checkpoints"
cp "$tmp"/out/00000[0-5].png "$tmp/sub/000000" 2>/dev/null
cp "$tmp"/out/00000[6-9].png "$tmp"/out/00001*.png "$tmp/sub/000006" 2>/dev/null
cp "$tmp/out/000001.png" "$tmp/sub/.ipynb_checkpoints" 2>/dev/null
echo resource >"$tmp/sub/000000/._000000.png"
# shellcheck disable=SC2086
pyr eval "$tmp/sub" $quick
gives 0
says "[$plain]: 12 images" # the same images in the same order

begin "a zip of them"
if has_python; then
    (cd "$tmp" && python3 -m zipfile -c sub.zip sub/000000 sub/000006 out/grid.png)
    # shellcheck disable=SC2086
    pyr eval "$tmp/sub.zip" $quick
    gives 0
    says "[$plain]: 12 images"
else
    skip "python3 makes the zip"
fi

begin "an NPZ as data sets have it"
# shellcheck disable=SC2086
pyr eval tests/golden/archives/images.npz --data tests/golden/archives/images.npz --reference train --metrics spectrum
gives 0
says ": 10 images of 8x6x3"

begin "images of two networks"
pyr train --config tests/tiny.cfg --outdir "$tmp/other" --duration 64 --threads 1 --set train.seed=9
gives 0
cp -r "$tmp/out" "$tmp/mixed" 2>/dev/null
pyr sample --network "$tmp/other" --seeds 0-3 --outdir "$tmp/mixed"
gives 0
# shellcheck disable=SC2086
pyr eval "$tmp/mixed" $quick --json "$tmp/mixed.json"
gives 0
complains "warning: $tmp/mixed: images of 2 different networks, by the hash of their weights, are mixed (8 of "
holds grep -q "2 different networks" "$tmp/mixed.json"

begin "images of two samplers"
cp -r "$tmp/out" "$tmp/samplers" 2>/dev/null
pyr sample --network "$run" --seeds 0-3 --sampler euler --outdir "$tmp/samplers"
gives 0
# shellcheck disable=SC2086
pyr eval "$tmp/samplers" $quick
gives 0
complains "images of 2 different samplers are mixed (8 of "

begin "sizes and colours that do not fit"
# shellcheck disable=SC2086
pyr eval "$tmp/out" --data tests/golden/archives/images.npz --reference train --metrics spectrum
refuses 1 "images of 12x10 with 3 channels, those of tests/golden/archives/images.npz are 8x6 with 3"
pyr eval "$tmp/out" --data tests/golden/archives/images.npz --reference train --metrics spectrum --set data.resize=[12,10]
refuses 1 "all 12 images are grey, those of tests/golden/archives/images.npz are in colour"
pyr eval tests/golden/archives/images.npz --data $data --metrics spectrum --set data.resize=[8,6]
refuses 1 "the images are in colour, those of $data are grey"
mkdir -p "$tmp/sizes"
cp "$tmp/out/000000.png" "$tmp/sizes/a.png" 2>/dev/null
cp "$tmp/out/grid.png" "$tmp/sizes/b.png" 2>/dev/null
# shellcheck disable=SC2086
pyr eval "$tmp/sizes" $quick
gives 0
says ": 1 images of 12x10x1" # the sheet says in its text that it is one
cp tests/golden/images/grey_8.png "$tmp/sizes/c.png" 2>/dev/null
# shellcheck disable=SC2086
pyr eval "$tmp/sizes" $quick
refuses 1 "c.png is "

begin "few images: what can be measured is, and the rest says why not"
pyr classifier --data $data --out "$tmp/c.safetensors" --duration 640 --threads 1
gives 0
pyr eval "$run" --count 3 --classifier "$tmp/c.safetensors" --json "$tmp/few.json"
gives 0
says "Frechet distance"
says "precision (k = 3)             left out: it needs 4 samples or more, there are 3"
holds grep -q '"metric": "recall",' "$tmp/few.json"
holds grep -q '"precision": null' "$tmp/few.json"
pyr eval "$run" --count 1 --classifier "$tmp/c.safetensors" --metrics frechet,kid
refuses 2 "nothing that is asked for can be measured: it needs 2 samples or more, there is 1"
wanted && grep -q "images drawn" "$tmp/stderr" && bad "found out after sampling"

begin "the warning stands where it concerns"
pyr eval "$run" --count 12 --classifier "$tmp/c.safetensors" --metrics kid,swd,spectrum
gives 0
wanted && grep -q "fewer than 10000" "$tmp/stderr" && bad "KID needs no 10000 images"
pyr eval "$run" --count 12 --classifier "$tmp/c.safetensors" --metrics frechet
gives 0
complains "with fewer than 10000 the Frechet distance comes out too high"

begin "why nothing is held out"
pyr eval "$tmp/out" --data "$tmp/sub" --set data.held_out=0 --metrics spectrum
refuses 2 "no images that are held out (data.held_out is 0)"
pyr eval "$tmp/out" --data "$tmp/sub" --set data.split=all --metrics spectrum
refuses 2 "no images that are held out (data.split is all)"
pyr eval "$tmp/out" --data "$tmp/sub/000000" --metrics spectrum
refuses 2 "no images that are held out (of 6 images a tenth is none"
complains "--reference train"
pyr eval "$tmp/out" --data "$tmp/sub" --set data.held_out=0 --metrics nearest # needs none
gives 0

begin "statistics of other kinds"
for kind in "$tmp/out" "$tmp/out/grid.png" tests/tiny.cfg tests/golden/archives/images.npz "$tmp/nothing"; do
    pyr eval "$tmp/out" --data $data --classifier "$tmp/c.safetensors" --metrics frechet --ref-stats "$kind"
    gives 1
    complains "$kind"
done
pyr eval "$tmp/out" --data $data --classifier "$tmp/c.safetensors" --metrics frechet --ref-stats "$tmp/out/grid.png"
refuses 1 "is a PNG image; reference statistics are an NPZ with mu and sigma"

begin "Inception's resize"
pyr eval "$tmp/out" --data $data --fid-resize tf1
refuses 2 "add --inception FILE"
pyr eval "$tmp/out" --data $data --inception "$tmp/c.safetensors" --fid-resize tf2
refuses 2 "--fid-resize"
complains "pytorch"

finish
