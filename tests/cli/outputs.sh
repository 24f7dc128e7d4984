#!/bin/sh
# What is written where: standard output that cannot be written ends every command with a status that is not 0, a
# cache that cannot be written ends none, a dry run writes nothing, and what must fail does so before hours of work.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
run=$tmp/run
picture=tests/golden/images/grey_8.png
"$program" train --config $cfg --outdir "$run" --duration 160 --snapshot -1 --threads 1 >"$tmp/made" 2>&1

# The command of the words with /dev/full as its standard output.
full() {
    wanted || return 0
    last_command="$program $* >/dev/full"
    "$program" "$@" >/dev/full 2>"$tmp/stderr"
    status=$?
    refuses 1 "standard output cannot be written: "
}

begin "a full disk behind standard output"
if [ -c /dev/full ] && ! echo x 2>/dev/null >/dev/full; then
    for words in --help -h help "train --help" "info --help" info "info --settings" "info --settings --markdown" "info $run" \
        "info $run/level-0" "info --data tests/golden/shapes" "decompose $picture --outdir $tmp/codes --levels 2" \
        "info $tmp/codes" "reconstruct $tmp/codes $tmp/back.png" "analyze tests/golden/shapes --images 16" \
        "sample --network $run --seeds 0-1 --outdir $tmp/s" "eval $run --count 4 --metrics colour" \
        "likelihood --network $run --count 2 --solver heun --steps 2 --bound-terms 2" \
        "bench --config $cfg --seconds 0.01 --level 2" "bench --config $cfg --seconds 0.01 --level 2 --json" \
        "train --config $cfg --dry-run" "classifier --data tests/golden/shapes --out $tmp/c.safetensors --duration 32" \
        "report $run" "export --network $run --format diffusers --outdir $tmp/export" \
        "upscale $picture --network $run --resize --level 1 --seeds 0 --outdir $tmp/up" "toy --quick --outdir $tmp/toy"; do
        # shellcheck disable=SC2086
        full $words
    done
    holds test -s "$tmp/c.safetensors" # the work itself is done
else
    skip "no /dev/full here"
fi

begin "its own failure comes first"
if [ -c /dev/full ]; then
    last_command="$program sample >/dev/full"
    if wanted; then
        "$program" sample >/dev/full 2>"$tmp/stderr"
        status=$?
    fi
    refuses 2 "--network"
else
    skip "no /dev/full here"
fi

# A cache that is a file, that cannot be made, one that is damaged, and none.
begin "no cache ends an evaluation or a training"
if wanted; then
    : >"$tmp/file"
    mkdir -p "$tmp/empty" "$tmp/damaged/pyrdiff/eval"
    echo junk >"$tmp/damaged/pyrdiff/tuning.json"
    pyr eval "$run" --count 4 --metrics frechet --threads 1
    gives 0
    figure=$(grep '^Frechet' "$tmp/stdout")
    cp "$tmp"/cache/pyrdiff/eval/* "$tmp/damaged/pyrdiff/eval"
    for file in "$tmp"/damaged/pyrdiff/eval/*; do echo junk >"$file"; done
    for place in "$tmp/file" /proc/none "$tmp/damaged" none; do
        (
            export TMPDIR="$tmp/empty" XDG_CACHE_HOME="$place"
            [ "$place" = none ] && unset XDG_CACHE_HOME HOME
            "$program" eval "$run" --count 4 --metrics frechet --threads 1 >"$tmp/stdout" 2>"$tmp/stderr" &&
                "$program" train --config $cfg --outdir "$tmp/run-2" --level 2 --duration 160 >"$tmp/stdout-2" 2>&1
        )
        status=$?
        last_command="$program eval, train with XDG_CACHE_HOME=$place"
        gives 0
        says "$figure"
        [ "$place" = "$tmp/damaged" ] || complains "warning: "
        holds test -s "$tmp/run-2/level-2/unet/diffusion_pytorch_model.safetensors"
        holds test -z "$(ls "$tmp/empty")" # the classifier is gone
        rm -rf "$tmp/run-2"
    done
fi

begin "images that fit into memory need no cache"
if wanted; then
    XDG_CACHE_HOME="$tmp/file" "$program" info --data tests/golden/shapes >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    gives 0
    XDG_CACHE_HOME="$tmp/file" "$program" info --data tests/golden/shapes --set data.memory=100 >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    refuses 1 "set XDG_CACHE_HOME to a folder with space"
fi

begin "a cache home that is no absolute path is passed over"
if wanted; then
    mkdir "$tmp/home" "$tmp/here"
    whole=$(realpath "$program") data=$(realpath tests/golden/shapes)
    (cd "$tmp/here" && XDG_CACHE_HOME=relative HOME="$tmp/home" "$whole" info --data "$data" --set data.memory=100) \
        >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    gives 0
    says "read from $tmp/home/.cache/pyrdiff/images/"
    holds test -z "$(ls -A "$tmp/here")"
fi

# Everything there is below the folders of this test, with times.
state() { find "$run" "$tmp/dry" -exec stat -c '%n %s %Y %Z %i' {} + | sort; }

begin "a dry run writes nothing"
if wanted; then
    mkdir -p "$tmp/dry/home" "$tmp/dry/here"
    whole=$(realpath "$program") data=$(realpath tests/golden/shapes) config=$(realpath $cfg) root=$PWD
    before=$(state)
    for words in "train --config $config" "train --config $config --cascade" "train --config $config --level 1" "train" \
        "train --config $config --outdir new" "train --config $config --outdir $run --duration 160" "compare --budget 1s --config $root/configs/fashion-mnist.cfg"; do
        # shellcheck disable=SC2086
        (
            cd "$tmp/dry/here" || exit 1
            unset XDG_CACHE_HOME
            export HOME="$tmp/dry/home"
            "$whole" $words --data "$data" --dry-run >"$tmp/stdout" 2>"$tmp/stderr"
        )
        status=$?
        last_command="$program $words --dry-run"
        gives 0
        [ "$before" = "$(state)" ] || bad "something was written"
    done
fi
pyr train --config $cfg --outdir "$tmp/never" --set data.memory=100 --dry-run
refuses 1 "the images do not fit into memory, and a dry run makes no file of them"
pyr info --data tests/golden/shapes --set data.memory=100
gives 0
pyr train --config $cfg --outdir "$tmp/never" --set data.memory=100 --dry-run
gives 0
holds test ! -e "$tmp/never"

begin "what must fail does so before anything is drawn"
cat >"$tmp/dot.cfg" <<END
data = { path = "tests/golden/shapes"; resize = [1]; };
pyramid = { levels = 1; };
level = { network = { block_out_channels = [16]; norm_num_groups = 4; }; batch = 16; sampler = { kind = "heun"; steps = 6; }; };
END
pyr train --config "$tmp/dot.cfg" --outdir "$tmp/dot" --duration 160 --threads 1
gives 0
for metrics in spectrum consistency spectrum,consistency; do
    pyr eval "$tmp/dot" --count 4 --metrics $metrics
    refuses 2 "nothing that is asked for can be measured"
    holds test -z "$(grep drawn "$tmp/stderr")"
done
pyr eval "$run" --level 2 --count 4 --metrics consistency
refuses 2 "nothing that is asked for can be measured"
holds test -z "$(grep drawn "$tmp/stderr")"
pyr eval "$tmp/dot" --count 1 --metrics frechet --classifier "$tmp/none"
refuses 2 "it needs 2 samples or more"
holds test -z "$(grep drawn "$tmp/stderr")"
for option in json sheet write-stats; do
    pyr eval "$run" --count 4 --$option "$tmp/nowhere/file"
    refuses 1 "$tmp/nowhere/file cannot be written"
    holds test -z "$(grep drawn "$tmp/stderr")"
    pyr eval "$run" --count 4 --$option "$tmp"
    refuses 1 "$tmp cannot be written: Is a directory"
done
wanted && ln -s "$tmp/nowhere/file" "$tmp/dangling"
pyr eval "$run" --count 4 --json "$tmp/dangling"
refuses 1 "$tmp/dangling cannot be written: folder $tmp/nowhere: No such file or directory"
holds test -z "$(grep drawn "$tmp/stderr")"
pyr analyze tests/golden/shapes --images 16 --plot "$tmp/nowhere/file"
refuses 1 "$tmp/nowhere/file cannot be written"
pyr likelihood --network "$run" --json "$tmp/nowhere/file"
refuses 1 "$tmp/nowhere/file cannot be written"
pyr classifier --data tests/golden/shapes --out "$tmp/nowhere/file"
refuses 1 "$tmp/nowhere/file cannot be written"
pyr analyze tests/golden/shapes --json "$tmp/nowhere/file"
refuses 1 "$tmp/nowhere/file cannot be written"

finish
