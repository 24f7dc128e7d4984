#!/bin/sh
# sample --coarse: what images to start from come in, and what lies beside them.
. tests/cli/lib.sh

run=$tmp/run
cfg=$tmp/tiny.cfg
cat >"$cfg" <<'END'
pyramid = { levels = 2; };
train = { duration = "64"; held_out = -1; snapshot = -1; };
level = { network = { block_out_channels = [8]; mid_block = false; layers_per_block = 1; norm_num_groups = 4; };
          batch = 8; warmup = 2; sampler = { kind = "heun"; steps = 3; }; };
END
{
    "$program" train --config tests/tiny.cfg --outdir "$run" --duration 800 --snapshot -1 --threads 1
    "$program" sample --network "$run" --level 2 --seeds 0-2 --outdir "$tmp/plain/a" --threads 1
} >/dev/null 2>&1
# The NPZ of samples that start from $1 is that of those which start from the three pictures alone.
same_as_plain() {
    pyr sample --network "$run" --seeds 0-4 --coarse "$1" --outdir "$tmp/out" --threads 1
    gives 0
    holds cmp "$tmp/first/samples.npz" "$tmp/out/samples.npz"
    wanted && rm -rf "$tmp/out"
}
mkdir "$tmp/three"
cp "$tmp"/plain/a/00000?.png "$tmp/three"
"$program" sample --network "$run" --seeds 0-4 --coarse "$tmp/three" --outdir "$tmp/first" --threads 1 >/dev/null 2>&1

begin "sheets, hidden files and what is no picture are left aside"
wanted && mkdir -p "$tmp/plain/a/.ipynb_checkpoints" "$tmp/plain/__MACOSX"
for junk in a/._000000.png a/.ipynb_checkpoints/000000-checkpoint.png __MACOSX/._000000.png a/Thumbs.db a/notes.txt; do
    wanted && echo junk >"$tmp/plain/$junk"
done
same_as_plain "$tmp/plain/a"
complains "note: $tmp/plain/a: 1 picture left aside that is no sample: grid.png"

begin "subfolders, an NPZ"
same_as_plain "$tmp/plain"
same_as_plain "$tmp/plain/a/samples.npz"

begin "one picture"
pyr sample --network "$run" --seeds 0-1 --coarse "$tmp/three/000000.png" --outdir "$tmp/out" --threads 1
gives 0
holds sh -c "! cmp -s '$tmp/out/000000.png' '$tmp/out/000001.png'"

begin "pictures of another kind are brought to the run's, and it is said"
wanted && mkdir "$tmp/words" && cp tests/golden/depth/coarse16/0.png "$tmp/words"
pyr train --config "$cfg" --data tests/golden/depth/bytes --outdir "$tmp/bytes" --threads 1
gives 0
pyr sample --network "$tmp/bytes" --seeds 0 --coarse "$tmp/words" --outdir "$tmp/out" --threads 1
gives 0
complains "note: $tmp/words has pictures of 16 bits, the run's have 8: converted"

begin "nothing to start from"
pyr sample --network "$run" --seeds 0 --coarse "$tmp/none"
refuses 1 "$tmp/none: no such file or folder (--coarse: a folder or zip of pictures, or an NPZ)"
wanted && mkdir -p "$tmp/hidden" "$tmp/sheets" && echo junk >"$tmp/hidden/._0.png" && cp "$tmp/plain/a/grid.png" "$tmp/sheets"
pyr sample --network "$run" --seeds 0 --coarse "$tmp/hidden"
refuses 1 "$tmp/hidden holds no images"
pyr sample --network "$run" --seeds 0 --coarse "$tmp/sheets"
refuses 1 "$tmp/sheets holds no images (PNG, JPEG, WebP, TIFF) but sheets of several, such as grid.png"
pyr sample --network "$run" --seeds 0 --coarse "$tmp/first/samples.npz"
refuses 1 "samples.npz: image 0 is 12x10, the coarsest level of this run is 3x3"

finish
