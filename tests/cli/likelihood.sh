#!/bin/sh
# likelihood: what is printed is consistent, defined, and refused where it means nothing; dequantised training.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
few="--count 6 --rtol 1e-2 --atol 1e-2 --bound-steps 40 --bound-terms 8"

# A run of $3 levels with the filter $2, 12 x 10 -> 6 x 5 -> 3 x 3, dequantised.
train_tiny() {
    sed '/^levels/d' $cfg >"$tmp/tiny.cfg"
    pyr train --config "$tmp/tiny.cfg" --outdir "$1" --filter "$2" --levels "$3" --duration 960 \
        --set data.dequantise=true
    gives 0
}

# The number after "$1": in the JSON on stdin, of its first appearance.
number() { sed -n "s/.*\"$1\": \([-0-9.e+]*\).*/\1/p" | head -n 1; }
# The mean in the object "$1" of $tmp/out.json: the line after the key.
mean_of() { grep -A 1 "\"$1\": {" "$tmp/out.json" | number mean; }
# Whether $1 is $2 within $3.
near() { awk "BEGIN { d = ($1) - ($2); exit !(d <= $3 && d >= -($3)) }"; }

begin "a haar pyramid has bits/dim"
train_tiny "$tmp/haar" haar 2
pyr likelihood --network "$tmp/haar" $few --json "$tmp/out.json"
gives 0
says "on 6 held-out images of tests/golden/shapes"
says "range           [-1, 1], 8 bits"
says "dequantisation  U(-2^-8, 2^-8) added before analysis, seed 0"
says "tolerance 0.01 relative, 0.01 absolute"
says "Hutchinson, 1 rademacher probe an image"
says "level 1         6x5x1, sigma 0.002..80 of a deviation of"
says "level 0         6x5x3"
says "prior N(0, 80^2)"
says "NFE"
says "log-likelihood  "
says "bits/dim        "

begin "its levels add up to the total, and the total gives the bits/dim"
if wanted; then
    total=$(mean_of log_p)
    levels=$(grep -A 1 '"log_p": {' "$tmp/out.json" | sed -n 's/.*"mean": \([-0-9.e+]*\).*/\1/p' | tail -n 2 |
        awk '{ s += $1 } END { printf "%.9f", s }')
    holds near "$levels" "$total" 1e-6
    holds near "$(mean_of bits_per_dim)" "-($total) / (120 * log(2)) + 7" 1e-6
    holds near "$(mean_of bits_per_dim_bound)" "-($(mean_of log_p_bound)) / (120 * log(2)) + 7" 1e-6
    holds near "$(mean_of bits_per_dim) < $(mean_of bits_per_dim_bound)" 1 0
    holds grep -q '"kind": "log-likelihood"' "$tmp/out.json"
    holds grep -q '"filter": "haar"' "$tmp/out.json"
fi

begin "of each image, and against other images"
if wanted; then
    each=$(awk '/"each": \[/ { on = 1 } on && /"log_p"/ { gsub(/[",]/, ""); s += $2; n++ } /"levels": \[/ { on = 0 } END { printf "%.9f", s / n }' "$tmp/out.json")
    holds near "$each" "$total" 1e-6
    holds test "$(grep -c '"image": ' "$tmp/out.json")" -eq 6
fi
pyr likelihood --network "$tmp/haar" $few --against tests/golden/shapes --background "$tmp/haar" --plot "$tmp/roc.svg" --json "$tmp/against.json"
gives 0
says "against         6 images of tests/golden/shapes: "
says "ROC             area 0."
says "area 0.5000 by the ratio p(x) / p_background(x), background $tmp/haar"
holds grep -q '"log_ratio": {' "$tmp/against.json"
holds grep -q '</svg>' "$tmp/roc.svg"
pyr likelihood --network "$tmp/haar" $few --plot "$tmp/roc.svg"
refuses 2 "--background and --plot are of --against PATH"
pyr likelihood --network "$tmp/haar" $few --against tests/golden/shapes --classes
refuses 2 "leave out --classes"

begin "the same figures with 1 and 2 threads, other ones with another seed"
for threads in 1 2; do
    pyr likelihood --network "$tmp/haar" $few --threads $threads
    gives 0
    cp "$tmp/stdout" "$tmp/with-$threads"
done
holds cmp "$tmp/with-1" "$tmp/with-2"
pyr likelihood --network "$tmp/haar" $few --seed 1
gives 0
holds test "$(grep bits/dim "$tmp/stdout")" != "$(grep bits/dim "$tmp/with-1")"

begin "fixed steps, other probes, no bound, other ends, the training images"
pyr likelihood --network "$tmp/haar" --count 3 --solver heun --steps 7 --probe gaussian --probes 2 --bound-terms 0 \
    --sigma-min 0.01 --sigma-max 20 --split train --no-dequantise
gives 0
says "by heun, 7 steps"
says "2 gaussian probes an image"
says "on 3 train images"
says "not dequantised"
says "sigma 0.01..20"
says "NFE 14.0 (14..14)"
if wanted && grep -q -e bound -e bits/dim "$tmp/stdout"; then bad "a bound, or bits/dim without dequantisation"; fi

begin "one level has bits/dim"
train_tiny "$tmp/one" box 1
pyr likelihood --network "$tmp/one" $few
gives 0
says "level 0         12x10x1"
says "bits/dim        "

begin "other filters have a code log-likelihood"
train_tiny "$tmp/box" box 2
pyr likelihood --network "$tmp/box" $few --json "$tmp/out.json"
gives 0
says "code log-likelihood"
says "levels of the filter box, smoothed at sigma_min"
holds grep -q '"kind": "code log-likelihood"' "$tmp/out.json"
if wanted && grep -q bits/dim "$tmp/stdout"; then bad "bits/dim of a code"; fi

begin "dequantised training resumes with the same bytes, on all levels and together"
if wanted; then
    for how in "" --cascade; do
        run="$tmp/whole$how"
        pyr train --config $cfg --outdir "$run" --set data.dequantise=true --duration 960 $how
        gives 0
        pyr train --config $cfg --outdir "$tmp/plain$how" --duration 960 $how
        gives 0
        if cmp -s "$(weights "$run" 0)" "$(weights "$tmp/plain$how" 0)"; then bad "no noise was added"; fi
    done
    train_behind --config $cfg --outdir "$tmp/again" --set data.dequantise=true --duration 8000 --level 0
    wait_for_step "$tmp/again" 0 60
    kill -9 "$behind" 2>/dev/null && wait "$behind" 2>/dev/null
    pyr train --config $cfg --outdir "$tmp/again" --set data.dequantise=true --duration 8000 --level 0
    gives 0
    pyr train --config $cfg --outdir "$tmp/at-once" --set data.dequantise=true --duration 8000 --level 0
    gives 0
    holds cmp "$(weights "$tmp/again" 0)" "$(weights "$tmp/at-once" 0)"
fi

begin "what means nothing is refused"
train_tiny "$tmp/odd" haar 3
pyr likelihood --network "$tmp/odd" --count 1
refuses 1 "level 1 is 6x5: a haar pyramid has a likelihood only where every split is even"
pyr likelihood
refuses 2 "which run? Add --network runs/NAME"
pyr likelihood --network "$tmp/haar" --rtol 0 --atol 0
refuses 2 "--rtol and --atol are both 0"
pyr likelihood --network "$tmp/haar" --bound-steps 10 --bound-terms 11
refuses 2 "--bound-terms is 11, there are only 10"
pyr likelihood --network "$tmp/haar" --classes
refuses 2 "trained without classes"
pyr likelihood --network "$tmp/haar" --set data.split=all
refuses 2 "no images held out: add --split train"
pyr likelihood --network "$tmp/haar" --set data.resize=[8]
refuses 1 "images of 8x8x1, the run's are 12x10x1"
pyr likelihood --network "$tmp/one" $few --set level.sampler.guidance=2
gives 0

begin "a run that was not dequantised is told"
pyr likelihood --network "$tmp/plain" --count 1 --rtol 1e-2 --bound-terms 0
gives 0
complains "trained on images that were not dequantised"

begin "help"
pyr likelihood --help
gives 0
says "bits/dim with its standard error"

finish
