#!/bin/sh
# compare: budgets, results, resuming after a kill.
. tests/cli/lib.sh

compare() { # OPTION ...
    pyr compare --config tests/tiny.cfg --variants separate,single --count 20 \
        --classifier "$tmp/classifier.safetensors" --set train.snapshot=-1 "$@"
}
# Of compare.json all that is no time, memory or name of a folder.
figures() {
    grep -v -e '"train_s"' -e '_per_s"' -e '"sample_s"' -e '"peak_mib"' -e '"input"' -e '"command"' \
        -e '"xxh3"' "$1/compare.json"
}
same() { figures "$1" >"$tmp/a.json" && figures "$2" >"$tmp/b.json" && cmp -s "$tmp/a.json" "$tmp/b.json"; }

begin "what it will cost"
pyr classifier --data tests/golden/shapes --out "$tmp/classifier.safetensors" --duration 2000
gives 0
compare --budget 2e9flop --curve 0.5 --seeds-train 2 --dry-run --outdir "$tmp/dry"
gives 0
says "separate    3 levels"
says "single      1 level"
says "8 trainings, in all 1.2e+10 FLOP"
says "sampling with 6,6,6 steps"
holds [ ! -e "$tmp/dry" ]
compare --budget 2e9flop --sampling-flop 1e5 --dry-run --outdir "$tmp/dry"
gives 0
says "with 1,1,1 steps: 4.339 MFLOP an image (whole steps come no nearer to the 0.1 that each should have)"
compare --budget 10m --dry-run --outdir "$tmp/dry"
gives 0
says "2 trainings, in all about"
says "about 20 min"

begin "a comparison by operations"
compare --budget 4e9flop --curve 0.5 --outdir "$tmp/whole"
gives 0
says "Frechet distance"
says "held-out loss, level 2"
says "evaluations by FLOP"
says "0.5 of the budget"
says "fewer than 10000 images"
for file in compare.json compare.txt separate-7/eval.json single-7-at-0.5/eval.json \
    separate-7/samples/grid.png separate-7/samples/levels.png single-7/samples/grid.png; do
    holds test -s "$tmp/whole/$file"
done
holds cmp "$tmp/stdout" "$tmp/whole/compare.txt"
if python3 -c 'import json' 2>/dev/null; then
    cat >"$tmp/check.py" <<'END'
import json, sys

result = json.load(open(sys.argv[1]))
assert [v["name"] for v in result["variants"]] == ["separate", "single"]
assert [v["fraction"] for v in result["curve"]] == [0.5, 0.5]
assert result["judged"].startswith("20 images of each against tests/golden/shapes (test), 64 images ["), result
a, b = result["variants"]
for v in result["variants"]:
    # one batch of 16 a level more at most
    assert 4e9 <= v["train_flop"] <= 4e9 + 3 * 16 * 5e6, v["train_flop"]
    assert v["metrics"]["frechet"] > 0 and 0 <= v["metrics"]["precision"] <= 1
    assert v["peak_mib"] > 1 and v["parameters"] > 1000 and len(v["figures"]) > 5
assert len(a["held_out"]) == len(a["steps"]) == 3 and len(b["held_out"]) == len(b["steps"]) == 1
assert abs(a["sample_flop"] / b["sample_flop"] - 1) < 0.1
for v, w in zip(result["curve"], result["variants"]):
    assert 0.45 < v["train_flop"] / w["train_flop"] < 0.6
END
    holds python3 "$tmp/check.py" "$tmp/whole/compare.json"
fi

begin "the same again does nothing again"
wanted && cp "$tmp/whole/compare.json" "$tmp/kept.json"
compare --budget 4e9flop --curve 0.5 --outdir "$tmp/whole"
gives 0
complains "$tmp/whole/separate-7 is done"
complains "$tmp/whole/single-7-at-0.5 is done"
holds cmp "$tmp/kept.json" "$tmp/whole/compare.json"

begin "figures that rotted are measured again, a comparison that did is refused"
if wanted; then
    cp "$tmp/whole/separate-7/eval.json" "$tmp/eval.json"
    sed -i.kept '/"fraction"/s/1/7/; /"images"/s/[0-9]/9/' "$tmp/whole/separate-7/eval.json"
    cmp -s "$tmp/eval.json" "$tmp/whole/separate-7/eval.json" && bad "nothing was changed"
    rm "$tmp/whole/separate-7/eval.json.kept"
fi
compare --budget 4e9flop --curve 0.5 --outdir "$tmp/whole"
gives 0
holds grep -q '"fraction": 1,' "$tmp/whole/separate-7/eval.json"
holds test "$(grep '"images"' "$tmp/eval.json")" = "$(grep '"images"' "$tmp/whole/separate-7/eval.json")"
if wanted; then
    cp "$tmp/whole/compare.json" "$tmp/good.json"
    sed '/"count"/s/20/28/' "$tmp/good.json" >"$tmp/whole/compare.json"
fi
pyr report "$tmp/whole" --out "$tmp/rotten.html"
refuses 1 "whole/compare.json is damaged, or was changed by hand"
complains "the same pyrdiff compare writes it again"
wanted && cp "$tmp/good.json" "$tmp/whole/compare.json"

begin "killed at any time, the same command goes on to the same figures"
if wanted; then
    n=0
    for wait in 1 2 3; do
        "$program" compare --config tests/tiny.cfg --variants separate,single --count 20 \
            --classifier "$tmp/classifier.safetensors" --set train.snapshot=-1 --budget 4e9flop --curve 0.5 \
            --outdir "$tmp/killed" >/dev/null 2>&1 &
        pid=$!
        sleep $wait
        kill -9 $pid 2>/dev/null && n=$((n + 1))
        wait $pid 2>/dev/null
        sleep 1
    done
    [ $n -gt 0 ] || bad "it was done before it could be killed"
fi
compare --budget 4e9flop --curve 0.5 --outdir "$tmp/killed"
gives 0
holds same "$tmp/whole" "$tmp/killed"

begin "all variants; a cascade of networks of their own is what separate training gives"
cat >"$tmp/equal.cfg" <<'END'
data = { path = "tests/golden/shapes"; };
pyramid = { levels = 2; };
train = { seed = 3; held_out = 1600L; checkpoint = 640L; snapshot = -1L; };
cascade = { share = false; };
level = {
    network = { block_out_channels = [16]; norm_num_groups = 4; };
    batch = 16; warmup = 10; sampler = { steps = 4; };
};
END
pyr compare --config "$tmp/equal.cfg" --budget 2e9flop --count 20 --outdir "$tmp/five" \
    --classifier "$tmp/classifier.safetensors"
gives 0
says "end-to-end"
weights=unet/diffusion_pytorch_model.safetensors
for level in 0 1; do
    holds cmp "$tmp/five/separate-3/level-$level/$weights" "$tmp/five/cascade-3/level-$level/$weights"
    wanted && cmp -s "$tmp/five/separate-3/level-$level/$weights" "$tmp/five/shared-3/level-$level/$weights" &&
        bad "a shared network that is none"
done
pyr compare --config "$tmp/equal.cfg" --budget 2e9flop --count 20 --dry-run --classifier \
    "$tmp/classifier.safetensors" --variants shared --set 'levels[0].network.block_out_channels=[8]'
refuses 1 "variant shared: "
compare --budget 1s --dry-run --set level.sampler.guidance=2
refuses 1 "variant separate: level.sampler.guidance of level 0 is 2: towards which class?"
compare --budget 1s --dry-run --set level.sampler.kind=rk45
refuses 1 "variant separate: the sampler of level 0 is rk45, whose cost is known only afterwards"

begin "stopped by a signal, it says so and leaves a checkpoint"
if wanted; then
    "$program" compare --config tests/tiny.cfg --variants separate --count 20 --outdir "$tmp/stopped" \
        --classifier "$tmp/classifier.safetensors" --budget 1e12flop >/dev/null 2>"$tmp/stderr" &
    pid=$!
    n=0
    while [ ! -e "$tmp/stopped/separate-7/level-2/log.jsonl" ] && [ $n -lt 100 ]; do
        sleep 0.2
        n=$((n + 1))
    done
    kill -TERM $pid
    wait $pid
    status=$?
fi
gives 0
complains "The same command goes on from here"
holds test -s "$tmp/stopped/separate-7/level-2/state.safetensors"

begin "another number of images: judged again, not trained again"
compare --budget 4e9flop --curve 0.5 --outdir "$tmp/whole" --count 24
gives 0
complains "level 0 is finished"
says "24 images of each"

begin "another classifier in the same file: judged again, not trained again"
if wanted; then
    cp "$tmp/classifier.safetensors" "$tmp/first.safetensors"
    cp "$tmp/whole/compare.json" "$tmp/kept.json"
fi
pyr classifier --data tests/golden/shapes --out "$tmp/classifier.safetensors" --duration 1000 --seed 5
gives 0
compare --budget 4e9flop --outdir "$tmp/whole" --count 24
gives 0
complains "level 0 is finished"
wanted && cmp -s "$tmp/kept.json" "$tmp/whole/compare.json" && bad "figures of a classifier that is gone"
wanted && cp "$tmp/first.safetensors" "$tmp/classifier.safetensors"

begin "another budget is another comparison"
pyr compare --config tests/tiny.cfg --variants single --count 20 --classifier "$tmp/classifier.safetensors" \
    --set train.snapshot=-1 --budget 0.3s --outdir "$tmp/timed"
gives 0
pyr compare --config tests/tiny.cfg --variants single --count 20 --classifier "$tmp/classifier.safetensors" \
    --set train.snapshot=-1 --budget 0.6s --outdir "$tmp/timed"
gives 1
complains "$tmp/timed/single-7 was begun with another budget"
complains "train.duration"
compare --budget 5e9flop --curve 0.5 --outdir "$tmp/whole"
gives 1
complains "was begun with another budget"

begin "wrong words"
pyr compare --config tests/tiny.cfg
refuses 2 "Add --budget"
compare --budget 10x
refuses 2 "--budget: 10x: should be a time (90s, 10m, 2h)"
pyr compare --config tests/tiny.cfg --budget 1s --variants seperate
refuses 2 "did you mean separate?"
compare --budget 1s --curve 0.5,2
refuses 2 "--curve: \"2\" should be a part of the budget between 0 and 1"
compare --budget 1s --curve 0.5,0.50
refuses 2 "--curve: 0.5 stands there twice"
compare --budget 1s --count 1
refuses 2 "--count"
pyr compare --config tests/tiny.cfg --budget 1s --classifier tests/tiny.cfg --outdir "$tmp/no"
gives 1
complains "tests/tiny.cfg"
holds [ ! -e "$tmp/no" ]
compare --budget 1s --baseline "$tmp/nothing.cfg"
refuses 1 "$tmp/nothing.cfg"
compare --budget 1s --set data.path="$tmp/nothing" --outdir "$tmp/no"
refuses 1 "$tmp/nothing"

finish
