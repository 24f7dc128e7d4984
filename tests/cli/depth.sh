#!/bin/sh
# Images of 16 bits: what a run on them draws, what tasks read and keep, what eval compares.
. tests/cli/lib.sh

pictures=tests/golden/depth
run=$tmp/r
cfg=$tmp/tiny.cfg
cat >"$cfg" <<'END'
pyramid = { levels = 2; };
train = { duration = "320"; snapshot = -1; };
level = { network = { block_out_channels = [8]; mid_block = false; layers_per_block = 1; norm_num_groups = 4; };
          batch = 8; warmup = 2; sampler = { kind = "heun"; steps = 3; }; };
END

# The bits of a PNG's samples stand at byte 24.
bits_are() {
    wanted || return 0
    for png in "$2"/*.png; do
        case $png in
        */[0-9]* | */decoded* | */frame* | */degraded*) bits=$(od -An -tu1 -j24 -N1 "$png" | tr -d ' ') ;;
        *) bits=$1 ;; # a sheet to look at
        esac
        [ "$bits" = "$1" ] || bad "$png has $bits bits, should have $1"
    done
    ls "$2"/*.png >/dev/null 2>&1 || bad "no pictures in $2"
}

begin "samples of a run on 16 bits"
pyr train --config "$cfg" --data $pictures/data --outdir "$run" --threads 1
gives 0
pyr sample --network "$run" --seeds 0-3 --outdir "$tmp/o" --threads 1
gives 0
bits_are 16 "$tmp/o"
holds grep -q -a "'descr': '<u2', 'fortran_order': False, 'shape': (4, 8, 6, 1)" "$tmp/o/samples.npz"
pyr info "$run/level-0/unet"
says "of 8x6 with 1 channel of 16 bits"

begin "judged in 16 bits, from the run, its PNGs and its NPZ alike"
pyr eval "$run" --count 4 --metrics swd,spectrum,colour,nearest --threads 1
gives 0
says ": 4 images of 8x6x1, 16 bits"
sed -e '1,2d' "$tmp/stdout" >"$tmp/of-run"
for set in "$tmp/o" "$tmp/o/samples.npz"; do
    pyr eval "$set" --data $pictures/data --metrics swd,spectrum,colour,nearest --threads 1
    gives 0
    says ": 4 images of 8x6x1, 16 bits"
    sed -e '1d' -e '/left aside/d' "$tmp/stdout" >"$tmp/of-set" # the folder's sheets
    sed -e "s,against $pictures/data,against D," "$tmp/of-run" >"$tmp/a"
    sed -e "s,against $pictures/data,against D," "$tmp/of-set" >"$tmp/b"
    holds cmp "$tmp/a" "$tmp/b"
done

begin "a set against itself, which rounding to 8 bits would spoil"
pyr eval $pictures/data/odd --data $pictures/data/odd --reference train --set 'data.split="all"' \
    --metrics spectrum,nearest --json "$tmp/e.json"
gives 0
says "distance to nearest           0 "
holds grep -q '"bits": 16' "$tmp/e.json"

begin "8 bits against 16: compared in 8, and said"
pyr eval $pictures/bytes --data $pictures/data --metrics spectrum,nearest
gives 0
complains "warning: $pictures/bytes has images of 8 bits, the data have 16: the figures of pixels compare them in 8"
holds [ "$(grep -c '16 bits' "$tmp/stdout")" = 0 ]

begin "8 and 16 bits in one folder: compared in 16, and said"
wanted && mkdir "$tmp/mixed" && cp $pictures/bytes/0.png "$tmp/mixed" && cp $pictures/data/odd/0[35].png "$tmp/mixed"
pyr eval "$tmp/mixed" --data $pictures/data --metrics spectrum
gives 0
complains "warning: $tmp/mixed: 2 images of 16 bits and 1 of 8 are mixed"
says ": 3 images of 8x6x1, 16 bits"

begin "a classifier reads 16 bits"
pyr eval "$run" --count 4 --metrics frechet --reference train --threads 1
gives 0
says "Frechet distance"
holds [ "$(ls "$tmp/cache/pyrdiff/eval" | grep -c -e '-train-16-')" = 1 ]

begin "given coarse images keep 16 bits"
pyr sample --network "$run" --seeds 0 --coarse $pictures/coarse16 --outdir "$tmp/c16" --threads 1
gives 0
pyr sample --network "$run" --seeds 0 --coarse $pictures/coarse8 --outdir "$tmp/c8" --threads 1
gives 0
bits_are 16 "$tmp/c16"
holds test -s "$tmp/c8/000000.png"
holds sh -c "! cmp -s '$tmp/c16/000000.png' '$tmp/c8/000000.png'"

begin "tasks"
picture=$pictures/data/even/04.png
pyr inpaint $picture $pictures/mask.png --network "$run" --seeds 0-1 --outdir "$tmp/inpaint" --repeats 1 --threads 1
gives 0
bits_are 16 "$tmp/inpaint"
pyr upscale $pictures/coarse16/0.png --network "$run" --seeds 0-1 --outdir "$tmp/upscale" --threads 1
gives 0
bits_are 16 "$tmp/upscale"
pyr vary $picture --from 1 --network "$run" --seeds 0-1 --outdir "$tmp/vary" --threads 1
gives 0
bits_are 16 "$tmp/vary"
pyr interpolate 1 2 --network "$run" --frames 3 --outdir "$tmp/interpolate" --threads 1
gives 0
bits_are 16 "$tmp/interpolate"
pyr encode $picture --network "$run" --outdir "$tmp/encode" --threads 1
gives 0
bits_are 16 "$tmp/encode"
pyr invert $picture --network "$run" --noise 0.02 --steps 20 --sampler euler-maruyama --seeds 0 --outdir "$tmp/invert" --threads 1
bits_are 16 "$tmp/invert"

begin "a picture of 8 bits in a run of 16 is converted, with a word"
pyr vary $pictures/bytes/0.png --from 1 --network "$run" --seeds 0 --outdir "$tmp/vary8" --threads 1
gives 0
complains "is grey of 8 bits, the run's images are grey of 16: converted"
bits_are 16 "$tmp/vary8"

begin "resized and cut, three channels"
pyr train --config "$cfg" --data $pictures/data --outdir "$tmp/small" --resize 6,6 --crop --channels 3 --duration 160 --threads 1
gives 0
pyr sample --network "$tmp/small" --seeds 0 --outdir "$tmp/s" --threads 1
gives 0
bits_are 16 "$tmp/s"

begin "exported levels and other people's pipelines"
pyr export --network "$run" --outdir "$tmp/x"
gives 0
pyr sample --network "$tmp/x/level-1" --seeds 0 --steps 3 --outdir "$tmp/xs"
gives 0
bits_are 16 "$tmp/xs"

begin "8 bits stay 8"
pyr train --config "$cfg" --data $pictures/bytes --outdir "$tmp/eight" --set 'data.split="all"' --duration 160 --threads 1
gives 0
pyr sample --network "$tmp/eight" --seeds 0 --outdir "$tmp/bs" --threads 1
gives 0
bits_are 8 "$tmp/bs"
holds grep -q -a "'descr': '|u1'" "$tmp/bs/samples.npz"

finish
