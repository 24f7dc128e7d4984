#!/bin/sh
# classifier: trained, measured, written; what it refuses.
. tests/cli/lib.sh

shapes=tests/golden/shapes

begin "trained on labels"
pyr classifier --data "$shapes" --out "$tmp/a.safetensors" --duration 12ep --seed 3
gives 0
says "$tmp/a.safetensors: accuracy 9"
says "on 64 held-out images, 96 steps, hash "
complains "classifier  100%  loss"
holds test -s "$tmp/a.safetensors"

begin "the same seed, the same file, with any number of threads"
pyr classifier --data "$shapes" --out "$tmp/one.safetensors" --duration 1ep --threads 1
gives 0
pyr classifier --data "$shapes" --out "$tmp/three.safetensors" --duration 1ep --threads 3
gives 0
holds cmp "$tmp/one.safetensors" "$tmp/three.safetensors"
pyr classifier --data "$shapes" --out "$tmp/other.safetensors" --duration 1ep --seed 1
gives 0
holds sh -c "! cmp -s '$tmp/one.safetensors' '$tmp/other.safetensors'"

begin "a duration in seconds"
pyr classifier --data "$shapes" --out "$tmp/seconds.safetensors" --duration 1s
gives 0
says "accuracy"

begin "nothing held out"
pyr classifier --data "$shapes" --split all --out "$tmp/all.safetensors" --duration 1ep
gives 0
says "no images are held out"

begin "data without labels"
pyr classifier --data docs/fashion-mnist.png --out "$tmp/none.safetensors"
refuses 2 "the data has no labels, which a classifier needs"
holds test ! -e "$tmp/none.safetensors"

begin "what is missing or wrong"
pyr classifier
refuses 2 "--data PATH is missing"
pyr classifier --data "$tmp/nowhere"
refuses 1 "nowhere"
pyr classifier --data "$shapes" --duration soon
refuses 2 "duration"
pyr classifier --data "$shapes" --duration 1ep --out "$tmp/no/folder/x.safetensors"
refuses 1 "$tmp/no/folder/x.safetensors"

# Interrupted: a sentence, the old file as it was, nothing half.
begin "stopped"
if wanted; then
    cp "$tmp/one.safetensors" "$tmp/kept.safetensors"
    "$program" classifier --data "$shapes" --out "$tmp/kept.safetensors" --duration 100000ep \
        >"$tmp/stdout" 2>"$tmp/stderr" &
    pid=$!
    for _ in $(seq 100); do
        grep -q "backend:" "$tmp/stderr" && break
        sleep 0.1
    done
    sleep 1
    kill -INT $pid
    wait $pid
    status=$?
    last_command="$program classifier ... --duration 100000ep, interrupted"
fi
gives 1
complains "kept.safetensors was not written"
holds cmp "$tmp/one.safetensors" "$tmp/kept.safetensors"
holds test "$(ls "$tmp" | grep -c kept)" -eq 1

finish
