#!/bin/sh
# info: models, checked against their stored answers; runs; data sets; settings; the program.
. tests/cli/lib.sh

models=tests/golden/unet2d
weights=diffusion_pytorch_model.safetensors

# ---- models --------------------------------------------------------------------------------------

for answer in "$models"/*/io.safetensors "$models-more"/*/io.safetensors; do
    model=$(basename "$(dirname "$answer")")
    for backend in ref cpu ref-double; do
        begin "check of $model on $backend"
        pyr info --check "$(dirname "$answer")" --backend $backend
        gives 0
        says "loads on $backend"
        says "largest difference from the stored output"
        says "OK"
    done
done

begin "check without a stored answer"
pyr info --check "$models/pipeline" --threads 1
gives 0
complains "backend: cpu, 1 thread"
says "no io.safetensors to compare with; the output for an image of 8x8 is finite: OK"

begin "a model in words"
pyr info "$models/scale_shift_classes"
gives 0
says "UNet2DModel, 143 tensors, 48979 parameters (F32)"
says "3 in, 3 out; sample size 8x8"
says "2, of 8 16 channels; 1 layer per block"
says "DownBlock2D AttnDownBlock2D"
says "table of 10"
says "scale_shift"

# A copy that may be harmed.
copy_model() { # MODEL
    holds rm -rf "$tmp/model"
    holds cp -r "$models/$1" "$tmp/model"
    holds chmod -R u+w "$tmp/model"
}

begin "every way to name a model"
pyr info "$models/pipeline/unet"
gives 0
pyr info "$models/pipeline/unet/$weights"
gives 0
says "144 tensors, 45259 parameters"
pyr info --check "$models/ddpm_like/$weights" --backend ref
gives 0
says "largest difference"
pyr info --check "$models/ddpm_like/config.json" --backend ref
gives 0
copy_model ddpm_like
holds mv "$tmp/model/$weights" "$tmp/model/diffusion_pytorch_model.fp16.safetensors"
pyr info --check "$tmp/model" --backend ref
gives 0
says "largest difference"
copy_model ddpm_like
holds mv "$tmp/model/$weights" "$tmp/model/diffusion_pytorch_model.bin"
pyr info "$tmp/model"
refuses 1 "pickle"

# The same tensors in two files, as the library writes large models.
begin "a model in parts"
copy_model ddpm_like
cat >"$tmp/split.py" <<'END'
import json, struct, sys

folder, stem = sys.argv[1], "diffusion_pytorch_model"
data = open(f"{folder}/{stem}.safetensors", "rb").read()
n, = struct.unpack("<Q", data[:8])
header = {k: v for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"}
names, where = sorted(header), {}
for part, chosen in enumerate((names[:50], names[50:]), 1):
    out, body, name = {"__metadata__": {"format": "pt"}}, b"", f"{stem}-0000{part}-of-00002.safetensors"
    for tensor in chosen:
        begin, end = header[tensor]["data_offsets"]
        out[tensor] = dict(header[tensor], data_offsets=[len(body), len(body) + end - begin])
        body += data[8 + n + begin:8 + n + end]
        where[tensor] = name
    text = json.dumps(out).encode()
    open(f"{folder}/{name}", "wb").write(struct.pack("<Q", len(text)) + text + body)
index = {"metadata": {"total_size": len(data) - 8 - n}, "weight_map": where}
json.dump(index, open(f"{folder}/{stem}.safetensors.index.json", "w"))
END
if python3 -c 'import json' 2>"$tmp/stderr"; then
    holds python3 "$tmp/split.py" "$tmp/model"
    holds rm -f "$tmp/model/$weights"
    pyr info "$tmp/model"
    gives 0
    says "144 tensors, 45259 parameters (F32) in 2 files"
    pyr info --check "$tmp/model" --backend ref
    gives 0
    says "OK"
    holds rm -f "$tmp/model/diffusion_pytorch_model-00002-of-00002.safetensors"
    pyr info --check "$tmp/model" --backend ref
    refuses 1 "00002-of-00002.safetensors"
else
    skip "no python3"
fi

begin "one weight changed"
copy_model ddpm_like
holds patch_bytes "$tmp/model/$weights" -4 '\000\000\200\077' # 1.0
for backend in ref cpu; do
    pyr info --check "$tmp/model" --backend $backend
    refuses 1 "the output is off by"
    says "FAILED"
done

begin "a weight that is no number"
copy_model ddpm_like
holds patch_bytes "$tmp/model/$weights" -4 '\000\000\300\177' # NaN
pyr info --check "$tmp/model"
refuses 1 "is not a finite number"

begin "a tensor missing"
holds edit_bytes "$models/ddpm_like/$weights" "$tmp/edited" '"conv_out\.bias"' '"conv_out.bios"'
copy_model ddpm_like
holds cp "$tmp/edited" "$tmp/model/$weights"
pyr info --check "$tmp/model"
refuses 1 "conv_out.bias: expected [3], missing"

begin "a tensor of another shape"
copy_model ddpm_like
holds edit_bytes "$models/ddpm_like/config.json" "$tmp/model/config.json" \
    '"out_channels": 3' '"out_channels": 4'
pyr info --check "$tmp/model"
refuses 1 "conv_out.bias: expected [4], found [3]"

begin "an unknown key is named"
copy_model ddpm_like
holds edit_bytes "$models/ddpm_like/config.json" "$tmp/model/config.json" '"dropout"' '"dropuot"'
pyr info --check "$tmp/model"
gives 0
complains "warning: $tmp/model/config.json:"
complains "dropuot"

begin "a file cut short"
copy_model ddpm_like
for n in 0 5 1000 -1; do
    holds cut_short "$models/ddpm_like/$weights" "$tmp/model/$weights" $n
    pyr info "$tmp/model"
    refuses 1 "$tmp/model/$weights"
    pyr info --check "$tmp/model"
    refuses 1 "$tmp/model/$weights"
done
holds cut_short "$models/ddpm_like/io.safetensors" "$tmp/model/io.safetensors" -1
holds cp "$models/ddpm_like/$weights" "$tmp/model/$weights"
pyr info --check "$tmp/model"
refuses 1 "$tmp/model/io.safetensors"

# ---- runs ----------------------------------------------------------------------------------------

begin "a run of which nothing is trained"
mkdir -p "$tmp/run"
echo 'pyramid = { levels = 2; filter = "haar"; };' >"$tmp/run/pyrdiff.cfg"
pyr info "$tmp/run"
gives 0
says "$tmp/run: a run of 2 levels, filter haar"
says "level 1  missing: not trained yet (pyrdiff train --outdir $tmp/run --level 1)"
says "2 of 2 levels missing"

begin "a run with a damaged configuration"
mkdir -p "$tmp/broken"
echo 'pyramid = { levles = 2; };' >"$tmp/broken/pyrdiff.cfg"
pyr info "$tmp/broken"
refuses 1 "did you mean"

# A tiny run: 9 pictures, 4 steps a level.
begin "a trained run"
mkdir -p "$tmp/pictures"
for picture in grey_8 grey_16 grey_4 rgb_8 rgb_16 palette_8 palette_grey_4 rgba_8 rgba_16; do
    cp "tests/golden/images/$picture.png" "$tmp/pictures"
done
cat >"$tmp/tiny.cfg" <<'END'
data = { channels = "1"; held_out = 2; };
pyramid = { levels = 2; };
level = { batch = 4; network = { patch = 1; block_out_channels = [8]; norm_num_groups = 4; }; };
END
tiny() { # LEVEL RUN OPTION ...
    level=$1
    run=$2
    shift 2
    pyr train --config "$tmp/tiny.cfg" --level "$level" --outdir "$run" --data "$tmp/pictures" \
        --duration 16 "$@"
    gives 0
}
tiny 1 "$tmp/tiny"
pyr info "$tmp/tiny"
gives 0
says "level 1  6x7x1, trained: 4 of 4 steps"
says "held-out loss"
says "level 0  missing"
says "1 of 2 levels missing"
pyr info "$tmp/tiny/level-1"
gives 0
says "1 of a pyramid of 2 (0 is the finest), filter box"
says "6x7, of 11x13 with 1 channel"
pyr info --check "$tmp/tiny/level-1"
gives 0
says "finite: OK"
tiny 0 "$tmp/other" --set pyramid.filter=haar
holds cp -r "$tmp/other/level-0" "$tmp/tiny/level-0"
pyr info "$tmp/tiny"
refuses 1 "level-0 was trained with the filter haar"
holds rm -r "$tmp/tiny/level-0"
holds cp -r "$tmp/tiny/level-1" "$tmp/tiny/level-0"
pyr info "$tmp/tiny"
refuses 1 "level-0 holds level 1 of 2, should be level 0 of 2"
holds cut_short "$tmp/tiny/level-1/unet/$weights" "$tmp/tiny/level-0/unet/$weights" 100
pyr info "$tmp/tiny"
gives 1
says "damaged: $tmp/tiny/level-0/unet/$weights"

# ---- data ----------------------------------------------------------------------------------------

begin "a data set"
pyr info --data tests/golden/images --skip-bad
gives 0
says "11x13 RGBA, 16 bits"
says "fingerprint "
complains "left out: tests/golden/images/rgb.jpg: 17x24, the others are 11x13"
pyr info --data tests/golden/images
refuses 1 "images of 2 sizes"
pyr info --data tests/golden/images --channels 1 --resize 8,8
gives 0
says "8x8 grey"
mkdir -p "$tmp/classes/cat" "$tmp/classes/dog"
cp tests/golden/images/rgb_8.png tests/golden/images/rgba_8.png "$tmp/classes/cat"
cp tests/golden/images/grey_8.png "$tmp/classes/dog"
pyr info --data "$tmp/classes" --set data.split=all
gives 0
says "class 0     cat: 2 for training, 0 held out"
says "class 1     dog: 1 for training, 0 held out"

# ---- settings ------------------------------------------------------------------------------------

begin "every setting"
pyr info --settings
gives 0
says "  level.batch = "
says "  pyramid.filter = box"
says "      one of: box, burt-adelson, gaussian, ideal, haar"

# After a new setting, sampler, ...: scripts/derived-docs ./pyrdiff
begin "the pages of docs/ hold what the program has"
pyr info --settings --markdown
gives 0
says "## \`train\`"
holds scripts/derived-docs --check "$program"

begin "lists"
pyr info --list samplers
gives 0
says "dpmpp-2m-sde"
says "    NFE       2n - 1"
pyr info --list filters
gives 0
says "burt-adelson"
says "    details   bands"
pyr info --list metrics
gives 0
says "sliced Wasserstein, per level"
pyr info --list noise
gives 0
says "noise.weight = \"min-snr\""
pyr info --list sampler
refuses 2 "did you mean samplers?"
pyr info --list noise --settings
refuses 2 "at a time"

# ---- the rest ------------------------------------------------------------------------------------

begin "the program"
pyr info
gives 0
says "pyrdiff "
says "oneDNN"
says "ref-double"
says "processors"
pyr info --help
gives 0
says "usage: pyrdiff info [options] [PATH]"
says "--check UNET_DIR"
pyr --help
gives 0
says "reconstruct"

begin "wrong arguments"
pyr info --chekc "$models/ddpm_like"
refuses 2 "unknown option --chekc; did you mean --check?"
pyr info --check
refuses 2 "--check needs a value"
pyr info --check "$models/ddpm_like" --backend cup
refuses 2 "did you mean cpu?"
pyr info "$models/ddpm_like" --check "$models/ddpm_like"
refuses 2 "one of PATH, --check, --data, --settings and --list at a time"
pyr info --settings "$models/ddpm_like"
refuses 2 "at a time"
pyr info --markdown
refuses 2 "--markdown is for --settings and --list"
pyr info --channels 3
refuses 2 "--channels is for --data"
pyr info --data tests/golden/images --channels 2
refuses 2 "channels"
pyr info "$tmp/nothing"
refuses 1 "$tmp/nothing: no such file or folder"
pyr info --check "$tmp/nothing"
refuses 1 "$tmp/nothing: no such file or folder"
pyr info tests
refuses 1 "tests is neither a run (with pyrdiff.cfg), a model (with config.json) nor codes"
pyr info tests/check.h
refuses 1 "tests/check.h is not a .safetensors file"
pyr inof
refuses 2 "did you mean info?"

finish
