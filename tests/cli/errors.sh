#!/bin/sh
# errors: each mistake gets a sentence with place and remedy, and an exit status that is not 0.
. tests/cli/lib.sh

cfg=tests/tiny.cfg

begin "no command, unknown commands and options"
pyr
refuses 2 "usage: pyrdiff"
pyr trian
refuses 2 "did you mean train?"
pyr --help
gives 0
says "pyrdiff train"
pyr train --help
gives 0
says "--duration"
pyr train --duraton 3ep
refuses 2 "--duration"
pyr sample --seeds 5-1 --network x
refuses 2 "--seeds"
pyr sample
refuses 2 "--network"

begin "unknown and malformed settings name the place and the nearest"
pyr train --config $cfg --set level.netwrk.patch=2
refuses 2 "level.network.patch"
pyr train --config $cfg --batch 0
refuses 2 "should be"
printf 'level = { batch = 0; };\n' >"$tmp/bad.cfg"
pyr train --config "$tmp/bad.cfg"
refuses 1 "bad.cfg:1"
printf 'pyramid = {\n  fliter = "box"; };\n' >"$tmp/bad.cfg"
pyr train --config "$tmp/bad.cfg"
refuses 1 "pyramid.filter"
complains "bad.cfg:2"
printf 'pyramid = { levels = 3 \n' >"$tmp/bad.cfg"
pyr train --config "$tmp/bad.cfg"
refuses 1 "bad.cfg:"
pyr train --config "$tmp/none.cfg"
refuses 1 "none.cfg"

begin "data that are not there or damaged"
pyr train --config $cfg --data "$tmp/nothing" --outdir "$tmp/a"
refuses 1 "$tmp/nothing"
mkdir -p "$tmp/idx" "$tmp/png"
gzip -dc tests/golden/shapes/train-images-idx3-ubyte.gz | head -c 5000 >"$tmp/idx/train-images-idx3-ubyte"
pyr train --config $cfg --data "$tmp/idx" --outdir "$tmp/a"
refuses 1 "train-images-idx3-ubyte"
pyr decompose tests/golden/images/grey_8.png --outdir "$tmp/codes" --levels 2
: >"$tmp/png/empty.png"
echo "not a picture" >"$tmp/png/text.png"
pyr train --config $cfg --data "$tmp/png" --outdir "$tmp/a"
refuses 1 "empty.png"
complains "text.png"

begin "more levels than the size allows, levels that are not there"
pyr train --config $cfg --levels 9 --outdir "$tmp/a"
refuses 1 "9"
pyr train --config $cfg --level 5 --outdir "$tmp/a"
refuses 2 "should be 0..2"
pyr train --config $cfg --levels 2 --outdir "$tmp/a"
refuses 1 "levels[2]"

begin "what stands for an option that was not given cannot be typed"
for command in "train --config $cfg --outdir $tmp/a" "sample --network $tmp/a" "likelihood --network $tmp/a" "eval $tmp/a" \
    "export $tmp/a --format diffusers --outdir $tmp/x" "analyze --network $tmp/a" "bench --config $cfg" \
    "upscale tests/golden/images/grey_8.png --network $tmp/a"; do
    # shellcheck disable=SC2086
    pyr $command --level -1
    refuses 2 "--level is -1, should be a whole number 0.."
done
pyr vary tests/golden/images/grey_8.png --network "$tmp/a" --keep-levels-above=-1
refuses 2 "--keep-levels-above is -1, should be"
holds test ! -e "$tmp/a"
pyr train --help
says "(default: all, coarsest first)"

begin "a size as the remedy writes it"
for size in 8x9 8,9 "[8, 9]"; do
    pyr info --data tests/golden/shapes --resize "$size"
    gives 0
    says "8x9 grey"
done
pyr info --data tests/golden/shapes --set data.resize=8x9
says "8x9 grey"
pyr info --data tests/golden/shapes --resize 8
says "8x8 grey"
for size in 8x x8 8x9x10 0x9 8x70000 8y9; do
    pyr info --data tests/golden/shapes --resize "$size"
    refuses 2 "data.resize"
done
pyr train --config $cfg --set level.network.block_out_channels=8x9
refuses 2 "should be a list of whole numbers 1.."

begin "networks that cannot be"
pyr train --config $cfg --outdir "$tmp/a" --set level.network.norm_num_groups=5
refuses 1 "16"
pyr train --config $cfg --outdir "$tmp/a" --set 'level.network.block_out_channels=[16,16,16,16,16,16]' --level 2
gives 0

begin "runs that are not there or not complete"
pyr sample --network "$tmp/none"
refuses 1 "is not a run of pyrdiff"
pyr train --config $cfg --outdir "$tmp/b" --level 2 --duration 160
gives 0
pyr sample --network "$tmp/b"
refuses 1 "level 1 of $tmp/b has not been trained yet"
pyr sample --network "$tmp/b" --class 3
refuses 1 "not been trained"
mkdir -p "$tmp/a run's"
cp -r "$tmp/b/." "$tmp/a run's"
pyr sample --network "$tmp/a run's" # a command in a sentence is one that a shell takes
refuses 1 "pyrdiff train --outdir '$tmp/a run'\\''s' --level 1"

begin "a model file that is cut short, or not finite"
for level in 0 1; do pyr train --config $cfg --outdir "$tmp/b" --level $level --duration 160 && gives 0; done
file="$tmp/b/level-1/unet/diffusion_pytorch_model.safetensors"
if wanted; then
    cp "$file" "$tmp/whole"
    cut_short "$tmp/whole" "$file" -100
    pyr sample --network "$tmp/b" --outdir "$tmp/s"
    refuses 1 "diffusion_pytorch_model.safetensors"
    cp "$tmp/whole" "$file"
    patch_bytes "$file" -4 '\377\377\377\177'
    pyr sample --network "$tmp/b" --outdir "$tmp/s"
    refuses 1 "is damaged: its content is not what was written"
    edit_bytes "$file" "$tmp/without" pyrdiff_xxh3 pyrdiff_none # as of another program
    cp "$tmp/without" "$file"
    pyr sample --network "$tmp/b" --outdir "$tmp/s"
    refuses 1 "not a finite number"
    cp "$tmp/whole" "$file"
    cut_short "$tmp/b/level-1/state.safetensors" "$tmp/state" 1000
    cp "$tmp/state" "$tmp/b/level-1/state.safetensors"
    pyr train --config $cfg --outdir "$tmp/b" --level 1
    refuses 1 "state.safetensors"
fi

begin "options of sampling that do not fit the run"
pyr sample --network "$tmp/b" --seeds 0-1 --steps 5,5 --outdir "$tmp/s"
refuses 2 "2 numbers, the run has 3 levels"
pyr sample --network "$tmp/b" --seeds 0-1 --sampler huen --outdir "$tmp/s"
refuses 2 "did you mean heun?"
pyr sample --network "$tmp/b" --seeds 0-1 --class 1 --outdir "$tmp/s"
refuses 2 "trained without classes"
mkdir -p "$tmp/coarse"
cp tests/golden/images/grey_8.png "$tmp/coarse/"
pyr sample --network "$tmp/b" --seeds 0-1 --coarse "$tmp/coarse" --outdir "$tmp/s"
refuses 1 "the coarsest level of this run is 3x3"
pyr sample --network "$tmp/b" --seeds 0-1 --backend cuda --outdir "$tmp/s"
refuses 1 "cuda"

begin "a loss that is not finite stops the run, the checkpoint stays"
pyr train --config $cfg --outdir "$tmp/c" --level 2 --duration 1600 --lr 1e18 --set level.lr_schedule=constant
refuses 2 "should be"
pyr train --config $cfg --outdir "$tmp/c" --level 2 --duration 160 --checkpoint 16
gives 0
# a weight decay that multiplies the weights by -99 in each step
pyr train --config $cfg --outdir "$tmp/c2" --level 2 --duration 1600 --lr 10 --set level.weight_decay=10 \
    --set level.lr_schedule=constant --set level.warmup=0 --checkpoint 16
refuses 1 "not finite"
complains "level 2"
holds "$program" info "$tmp/c2"
pyr train --config $cfg --outdir "$tmp/c2" --level 2 --duration 1600 --lr 10 --set level.weight_decay=10 \
    --set level.lr_schedule=constant --set level.warmup=0 --checkpoint -1 --snapshot -1 --transfer "$tmp/c2"
refuses 1 "not finite"

# A limit on the size of files stands for a disk that fills up: writing fails in the middle.
begin "a disk that fills up while saving: the last checkpoint stays good"
if wanted; then
    pyr train --config $cfg --outdir "$tmp/d" --level 2 --duration 1600 --checkpoint 800
    gives 0
    cp -r "$tmp/d" "$tmp/e"
    last_command="train with a limit on file sizes"
    (
        trap '' XFSZ
        ulimit -f 8
        "$program" train --config $cfg --outdir "$tmp/f" --level 2 --duration 1600 --checkpoint 800
    ) >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    refuses 1 "cannot be written"
    holds test -z "$(find "$tmp/f" -name '*.tmp-*')"
fi

begin "folders that cannot be written"
: >"$tmp/file"
pyr train --config $cfg --outdir "$tmp/file/run"
refuses 1 "$tmp/file"
pyr sample --network "$tmp/d" --outdir "$tmp/file/out"
gives 1

finish
