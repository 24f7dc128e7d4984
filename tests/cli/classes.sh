#!/bin/sh
# Which classes can be drawn: never one that no image was of, nor none where that was never trained; --class by
# number and name, all, random.
. tests/cli/lib.sh

pictures=tests/golden/depth
cfg=$tmp/tiny.cfg
cat >"$cfg" <<'END'
pyramid = { levels = 2; };
train = { duration = "160"; held_out = -1; };
level = { network = { block_out_channels = [8]; mid_block = false; layers_per_block = 1; norm_num_groups = 4; };
          batch = 8; warmup = 2; classes = true; sampler = { kind = "heun"; steps = 3; }; };
END
bare=$tmp/bare dropped=$tmp/dropped from1=$tmp/from1
picture=$pictures/data/even/00.png

# Train the run of a name in $1 with the further options.
train_run() {
    to=$1
    shift
    pyr train --config "$cfg" --outdir "$to" --threads 1 "$@"
    gives 0
}
# Whether text $2 stands in the PNG $1.
tells() {
    wanted || return 0
    grep -q -a "class" "$1" && [ "$(strings_of "$1")" = "$2" ] || bad "$1 does not say class $2"
}
# The value of the text "class" of a PNG: behind its key and a NUL.
strings_of() { tr '\0' '\n' <"$1" | grep -a -A1 'tEXtclass$' | tail -n 1 | cut -c1-1; }

begin "no class was never trained: it is not drawn"
train_run "$bare" --data $pictures/data --set level.class_dropout=0 --snapshot 80
which="which class? Add --class 0..1 (even, odd), all or random: this network was never trained without one"
pyr sample --network "$bare" --seeds 0 --outdir "$tmp/o"
refuses 2 "$which"
holds test ! -e "$tmp/o"
pyr sample --network "$bare" --seeds 0 --class -1
refuses 2 "$which"
pyr eval "$bare" --count 4 --metrics spectrum
refuses 2 "$which"
pyr inpaint $picture $pictures/mask.png --network "$bare"
refuses 2 "$which"
pyr upscale $pictures/coarse8/0.png --network "$bare"
refuses 2 "$which"
pyr vary $picture --from 1 --network "$bare"
refuses 2 "$which"
pyr invert $picture --network "$bare"
refuses 2 "$which"
pyr encode $picture --network "$bare"
refuses 2 "$which"
pyr interpolate 1 2 --network "$bare"
refuses 2 "$which"
pyr likelihood --network "$bare" --count 1
refuses 2 "Add --classes, which conditions on each image's own"
pyr likelihood --network "$bare" --count 1 --classes --bound-terms 0 --solver heun --steps 2
gives 0

begin "guidance away from no class, which was never trained"
pyr sample --network "$bare" --seeds 0 --class 1 --guidance 2
refuses 2 "\"no class\" was never trained (class_dropout is 0)"
pyr inpaint $picture $pictures/mask.png --network "$bare" --class 1 --set level.sampler.guidance=2
refuses 2 "\"no class\" was never trained (class_dropout is 0)"
train_run "$dropped" --data $pictures/data --snapshot -1
pyr sample --network "$bare" --seeds 0 --gnet "$dropped" --guidance 2
refuses 2 "which class?"
pyr sample --network "$dropped" --seeds 0 --gnet "$bare" --guidance 2
refuses 2 "which class?"
pyr sample --network "$dropped" --seeds 0 --gnet "$bare" --guidance 2 --class odd --outdir "$tmp/g"
gives 0
pyr sample --network "$dropped" --seeds 0 --class 1 --guidance 2 --outdir "$tmp/g"
gives 0
pyr sample --network "$dropped" --seeds 0 --outdir "$tmp/g"
gives 0

begin "a run of an older program says in its manifest what was dropped"
holds cp -r "$bare" "$tmp/old"
for level in 0 1; do
    for key in class_dropout class_images xxh3; do
        wanted && sed -i "s/pyrdiff_$key/pyrdiff_$(echo $key | tr a-z A-Z)/" "$(weights "$tmp/old" $level)"
    done
done
pyr sample --network "$tmp/old" --seeds 0
refuses 2 "which class?"
pyr sample --network "$tmp/old" --seeds 0 --class odd --outdir "$tmp/g"
gives 0

begin "names, all and random"
pyr sample --network "$bare" --seeds 0-5 --class all --outdir "$tmp/all" --threads 1
gives 0
complains "6 images of all classes in turn"
tells "$tmp/all/000002.png" 0
tells "$tmp/all/000003.png" 1
holds grep -q -a "'descr': '<i8', 'fortran_order': False, 'shape': (6,)" "$tmp/all/samples.npz"
pyr sample --network "$bare" --seeds 0-5 --class odd --outdir "$tmp/odd" --threads 1
gives 0
complains "6 images of class 1 (odd)"
tells "$tmp/odd/000002.png" 1
pyr sample --network "$bare" --seeds 0-5 --class 1 --outdir "$tmp/one" --threads 1
gives 0
holds cmp "$tmp/odd/samples.npz" "$tmp/one/samples.npz"
holds cmp "$tmp/odd/000003.png" "$tmp/all/000003.png"
pyr sample --network "$bare" --seeds 0-5 --class random --outdir "$tmp/random" --threads 1
gives 0
pyr sample --network "$bare" --seeds 4,2 --class random --batch 1 --outdir "$tmp/random2" --threads 2
gives 0
holds cmp "$tmp/random/000002.png" "$tmp/random2/000002.png"
holds cmp "$tmp/random/000004.png" "$tmp/random2/000004.png"
pyr sample --network "$bare" --seeds 0 --class evne
refuses 2 "--class: there is no class \"evne\"; did you mean even? (0..1 (even, odd); all, random)"

begin "eval and tasks of all classes"
pyr eval "$bare" --count 6 --metrics spectrum --class all --threads 1 --json "$tmp/e.json"
gives 0
says "of all classes in turn; drawn per level"
says "[$(wanted && sed -n 's/.*"input_hash": "\(.*\)".*/\1/p' "$tmp/e.json")]"
holds grep -q '"class": "all classes in turn"' "$tmp/e.json"
pyr eval "$tmp/all" --data $pictures/data --metrics spectrum
says "[$(wanted && sed -n 's/.*"input_hash": "\(.*\)".*/\1/p' "$tmp/e.json")]"
pyr inpaint $picture $pictures/mask.png --network "$bare" --class all --seeds 0-1 --repeats 1 --outdir "$tmp/in"
gives 0
tells "$tmp/in/000001.png" 1
pyr encode $picture --network "$bare" --class all
refuses 2 "here all images are of one class"
pyr encode $picture --network "$bare" --class even --outdir "$tmp/encode"
gives 0
tells "$tmp/encode/decoded-000.png" 0

begin "a class without images is not drawn"
train_run "$from1" --data $pictures/from1.npz --set level.class_dropout=0
complains "warning: 2 of 4 classes have no images to train on and cannot be drawn: 0, 2"
for class in 0 2; do
    pyr sample --network "$from1" --seeds 0 --class $class
    refuses 2 "--class $class: no training images were of this class, so there is nothing to draw; there are 1, 3"
done
pyr eval "$from1" --count 2 --metrics spectrum --class 0
refuses 2 "no training images were of this class"
pyr sample --network "$from1" --seeds 0 --class 4
refuses 2 "--class is 4, should be 1, 3"
pyr sample --network "$from1" --seeds 0-1 --class all --outdir "$tmp/f"
gives 0
tells "$tmp/f/000000.png" 1
tells "$tmp/f/000001.png" 3
pyr info --data "$tmp/f/samples.npz" --split all
says "class 0     0 for training"
says "class 1     1 for training"
says "class 3     1 for training"
pyr info "$from1/level-0/unet"
says "classes        1, 3; never trained without one"

begin "exported levels know their classes"
pyr export --network "$from1" --outdir "$tmp/x"
gives 0
pyr sample --network "$tmp/x/level-1" --seeds 0
refuses 2 "which class? Add --class 1, 3"
pyr sample --network "$tmp/x/level-1" --seeds 0 --class 2
refuses 2 "no training images were of this class"
pyr sample --network "$tmp/x/level-1" --seeds 0-1 --class all --steps 3 --outdir "$tmp/xs"
gives 0
tells "$tmp/xs/000001.png" 3

begin "a comparison is refused before anything is trained"
pyr compare --config "$cfg" --data $pictures/data --budget 1e9flop --variants separate --count 4 --dry-run \
    --set level.class_dropout=0 --outdir "$tmp/compare"
refuses 2 "which class? Add --class 0..1 (even, odd), all or random"
pyr compare --config "$cfg" --data $pictures/data --budget 1e9flop --variants separate --count 4 --dry-run \
    --set level.class_dropout=0 --class all --outdir "$tmp/compare"
gives 0

finish
