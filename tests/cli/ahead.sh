#!/bin/sh
# What is said before the first step of training: other data than a level's, settings, levels without anything to learn;
# and the default configuration, built in, with levels by the size of the images.
. tests/cli/lib.sh

root=$PWD
cfg=$root/tests/tiny.cfg
case $program in
/*) ;;
*) program=$root/$program ;;
esac
fingerprint() { sed -n 's/^fingerprint //p' "$tmp/stdout"; }

# Grey PGM-like pictures as an IDX file: FILE N HEIGHT WIDTH PROGRAM, an awk expression of i (image), y, x for a value.
idx_images() {
    awk -v n="$2" -v h="$3" -v w="$4" 'function value(i, y, x) { return int('"$5"') % 256 }
BEGIN { printf "00000803%08x%08x%08x", n, h, w
        for (i = 0; i < n; i++) for (y = 0; y < h; y++) for (x = 0; x < w; x++) printf "%02x", value(i, y, x) }' |
        sed 's/../\\x&/g' >"$tmp/hex"
    # shellcheck disable=SC2059
    LC_ALL=C awk 'BEGIN { RS = "\\\\x"; ORS = "" } NR > 1 { h = index("0123456789abcdef", substr($0, 1, 1)) - 1
        l = index("0123456789abcdef", substr($0, 2, 1)) - 1; printf "\\%03o", 16 * h + l }' "$tmp/hex" >"$tmp/octal"
    printf "$(cat "$tmp/octal")" >"$1"
}

wanted_images() { mkdir -p "$tmp/$1" && idx_images "$tmp/$1/train-images-idx3-ubyte" "$2" "$3" "$4" "$5"; }
# Textures, one more picture, plain pictures, doubled pixels; wide and small ones.
wanted_images before 40 12 10 '97 * (i + 1) * (y + 3) + 31 * x * (i + y + 1)'
wanted_images more 41 12 10 '97 * (i + 1) * (y + 3) + 31 * x * (i + y + 1)'
wanted_images plain 40 12 10 '6 * i'
wanted_images doubled 40 12 12 '97 * (i + 1) * (int(y / 2) + 3) + 31 * int(x / 2) * (i + 7)'
wanted_images rows 40 12 12 '97 * (i + 1) * (int(y / 2) + 3) + 31 * x * (i + 7)'
wanted_images blank 40 12 10 '7'
small="--config $cfg --threads 1 --duration 672" # 224 images of each level
one="--config $cfg --threads 1 --duration 224"

# ---- data ----------------------------------------------------------------------------------------

begin "a finished run that is given other data is refused, with both fingerprints"
pyr info --data "$tmp/before"
was=$(fingerprint)
pyr info --data "$tmp/more"
is=$(fingerprint)
pyr train $small --data "$tmp/before" --outdir "$tmp/a"
gives 0
pyr train $small --data "$tmp/before" --outdir "$tmp/a"
gives 0
complains "level 0 is finished"
for dry in --no-dry-run --dry-run; do
    pyr train $small --data "$tmp/more" --outdir "$tmp/a" $dry
    refuses 1 "level 0 of $tmp/a was trained on other data: fingerprint $was, that of $tmp/more is $is now"
    complains "--transfer $tmp/a takes the weights along), or go on with the data of before (--data $tmp/before)"
done
pyr train $small --data "$tmp/more" --outdir "$tmp/b" --transfer "$tmp/a"
gives 0

begin "pictures added in the same folder"
if wanted; then
    mkdir "$tmp/same" && cp "$tmp/before/"* "$tmp/same"
    pyr train $one --data "$tmp/same" --outdir "$tmp/c" --level 1
    gives 0
    cp "$tmp/more/"* "$tmp/same"
    pyr train $small --data "$tmp/same" --outdir "$tmp/c"
    refuses 1 "level 1 of $tmp/c was trained on other data"
    for level in 0 2; do
        pyr train $one --data "$tmp/same" --outdir "$tmp/c" --level $level
        refuses 1 "level 1 of $tmp/c was trained on other data"
        holds test ! -e "$tmp/c/level-$level"
    done
    cp "$tmp/before/"* "$tmp/same"
    pyr train $small --data "$tmp/same" --outdir "$tmp/c"
    gives 0
fi

begin "a level of other data that was copied in, network alone"
if wanted; then
    pyr train $one --data "$tmp/more" --outdir "$tmp/d" --level 1
    gives 0
    mkdir -p "$tmp/e/level-1" && cp -r "$tmp/d/level-1/unet" "$tmp/e/level-1"
    pyr train $one --data "$tmp/before" --outdir "$tmp/e" --level 0
    refuses 1 "level 1 of $tmp/e was trained on other data"
    pyr train $one --data "$tmp/more" --outdir "$tmp/e" --level 0
    gives 0
fi

begin "a cascade, with trunks of its own and with one"
for share in false true; do
    case $share in
    true) same="--set level.network.block_out_channels=[16] --set levels[0].network.patch=1 --set levels[1].network.block_out_channels=[16]" ;;
    *) same="" ;;
    esac
    pyr train $small $same --data "$tmp/before" --cascade --set cascade.share=$share --outdir "$tmp/cascade-$share"
    gives 0
    pyr train $small $same --data "$tmp/more" --cascade --set cascade.share=$share --outdir "$tmp/cascade-$share"
    refuses 1 "of $tmp/cascade-$share was trained on other data"
    pyr train $small $same --data "$tmp/more" --cascade --set cascade.share=$share --outdir "$tmp/cascade-$share" --dry-run
    refuses 1 "of $tmp/cascade-$share was trained on other data"
done

begin "a comparison says so before it trains anything"
pyr compare --config "$cfg" --threads 1 --data "$tmp/before" --variants separate --budget 2e7flop --count 4 --outdir "$tmp/f"
gives 0
pyr compare --config "$cfg" --threads 1 --data "$tmp/more" --variants single,separate --budget 2e7flop --count 4 \
    --outdir "$tmp/f"
refuses 1 "level 0 of $tmp/f/separate-7 was trained on other data"
holds test ! -e "$tmp/f/single-7"
pyr compare --config "$cfg" --threads 1 --data "$tmp/more" --variants single,separate --budget 2e7flop --count 4 \
    --outdir "$tmp/f" --dry-run
refuses 1 "level 0 of $tmp/f/separate-7 was trained on other data"

begin "a changed setting of a finished level is said before another one is trained"
if wanted; then
    pyr train $one --data "$tmp/before" --outdir "$tmp/g" --level 0
    gives 0
    pyr train $small --data "$tmp/before" --outdir "$tmp/g" --lr 1e-3
    refuses 1 "levels[0].lr: 0.002 -> 0.001 (--lr)"
    holds test ! -e "$tmp/g/level-2"
    pyr train $small --data "$tmp/before" --outdir "$tmp/g" --duration 6720
    refuses 1 "level 0 was begun for 224 images (train.duration), now it would be 2240"
    holds test ! -e "$tmp/g/level-2"
fi

begin "a level that is missing in --transfer is said before another one is trained"
if wanted; then
    pyr train $small --data "$tmp/before" --outdir "$tmp/h" --transfer "$tmp/d"
    gives 1
    complains "$tmp/d/level-2"
    holds test ! -e "$tmp/h"
fi

# ---- nothing to learn ----------------------------------------------------------------------------

begin "a level that is the same number everywhere is said at once"
for more in "" "--level 2" "--dry-run" "--level 2 --dry-run" "--cascade" "--transfer $tmp/a"; do
    # shellcheck disable=SC2086
    pyr train $small $more --data "$tmp/plain" --outdir "$tmp/i"
    refuses 1 "is the same number everywhere in all images: there is nothing to learn"
    holds test ! -e "$tmp/i/level-2/log.jsonl"
done
pyr train $small --data "$tmp/blank" --outdir "$tmp/i"
refuses 1 "level 2 is the same number everywhere in all images: there is nothing to learn (are the images blank?"
holds test ! -e "$tmp/i/level-2/log.jsonl"

begin "haar on doubled pixels"
pyr train $small --data "$tmp/doubled" --filter haar --outdir "$tmp/j"
refuses 1 "level 0 is the same number everywhere"
complains "was each pixel doubled? Then bring them to half the size with --resize"
holds test ! -e "$tmp/j/level-2/log.jsonl"
pyr train $small --data "$tmp/rows" --filter haar --outdir "$tmp/j"
refuses 1 "level 0: 2 of its 3 bands of details are the same number everywhere in all images"
holds test ! -e "$tmp/j/level-2/log.jsonl"

begin "measured ahead, levels have the statistics and weights that each has by itself"
if wanted; then
    for level in 2 1 0; do
        pyr train $one --data "$tmp/before" --outdir "$tmp/k" --level $level
        gives 0
        holds cmp "$(weights "$tmp/a" $level)" "$(weights "$tmp/k" $level)"
    done
fi

# ---- the default configuration -------------------------------------------------------------------

begin "the default configuration is that of the file, and works anywhere"
if wanted; then
    mkdir "$tmp/elsewhere"
    # the folder's images come with 28 x 28, 32 x 20, 64 x 50, 8 x 8, 300 x 6 and one of 1 x 1
    for size in "28 28 3" "32 20 3" "33 33 4" "64 50 4" "8 8 1" "9 9 2" "300 6 2" "1 1 1"; do
        # shellcheck disable=SC2086
        set -- $size
        wanted_images "d$1" 12 "$1" "$2" '97 * (i + 1) * (y + 3) + 31 * x * (i + y + 1)'
        cd "$tmp/elsewhere" || exit 1
        pyr train --data "$tmp/d$1" --outdir r --dry-run --threads 1
        gives 0
        complains "configuration: configs/fashion-mnist.cfg (built in), $3 level"
        complains "level $(($3 - 1)): "
        cd "$root" || exit 1
    done
    cd "$tmp/elsewhere" || exit 1
    pyr train --data "$tmp/d28" --outdir "$tmp/built-in" --duration 96 --threads 1
    gives 0
    complains "level 0: 28x28x1 given the coarser image, 0.74 M parameters"
    pyr train --data "$tmp/d28" --outdir "$tmp/built-in" --duration 96 --threads 1
    gives 0
    complains "level 0 is finished"
    cd "$root" || exit 1
    pyr train --config configs/fashion-mnist.cfg --data "$tmp/d28" --outdir "$tmp/named" --duration 96 --threads 1
    gives 0
    holds cmp "$tmp/built-in/pyrdiff.cfg" "$tmp/named/pyrdiff.cfg"
    for level in 0 1 2; do holds cmp "$(weights "$tmp/built-in" $level)" "$(weights "$tmp/named" $level)"; done
fi

begin "a number of levels that is typed counts, and settings of levels"
if wanted; then
    cd "$tmp/elsewhere" || exit 1
    pyr train --data "$tmp/d28" --outdir r --levels 2 --dry-run --threads 1
    gives 0
    complains "level 1: 14x14x1, 0.71 M"
    complains "level 0: 28x28x1 given the coarser image, 0.74 M"
    pyr train --data "$tmp/d64" --outdir r --set pyramid.levels=1 --set 'levels[0].batch=4' --dry-run --threads 1
    gives 0
    complains "batch 4 in pieces"
    pyr train --data "$tmp/d28" --outdir r --levels 7 --dry-run --threads 1
    refuses 1 "28x28 can be halved 5 times, levels is 7, should be 1..6"
    pyr train --data "$tmp/d28" --outdir r --set 'levels[3].batch=4' --dry-run --threads 1
    refuses 1 "levels[3] is set (--set), but pyramid.levels is 3"
    pyr train --data "$tmp/none" --outdir r --threads 1
    refuses 1 "$tmp/none: no such file or folder"
    cd "$root" || exit 1
fi

begin "without data it says what is missing"
if wanted; then
    cd "$tmp/elsewhere" || exit 1
    mkdir -p configs && printf 'data = { path = "/nowhere/data"; };\npyramid = { levels = 3; };\n' >configs/fashion-mnist.cfg
    pyr train --outdir r --threads 1
    refuses 1 "no data are given: add --data PATH"
    rm -r configs
    cd "$root" || exit 1
fi

begin "bench and compare have it, too"
if wanted; then
    cd "$tmp/elsewhere" || exit 1
    pyr bench --data "$tmp/d8" --seconds 0.01 --threads 1
    gives 0
    says "    0     8x8   x1"
    pyr compare --data "$tmp/d28" --budget 1e9flop --variants separate,single --count 4 --dry-run --threads 1
    gives 0
    says "separate    3 levels"
    pyr analyze "$tmp/d28"
    gives 0
    cd "$root" || exit 1
fi

finish
