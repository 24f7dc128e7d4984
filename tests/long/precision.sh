#!/bin/sh
# precision: a level of Fashion-MNIST trained on as many images in bf16 and in f32 ends at the same held-out loss.
. tests/cli/lib.sh

images=40000
data=/usr/share/datasets/fashion-mnist

# The held-out loss (of the averaged weights) at the end of the run in folder $1.
held_out() { tail -n 1 "$1/level-1/log.jsonl" | sed -n 's/.*"held_out": \([0-9.e+-]*\),.*/\1/p'; }

# The first number is within so many percent ($3) of the second.
within() { awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { d = a - b; exit !(a > 0 && b > 0 && (d < 0 ? -d : d) <= p / 100 * b) }'; }

begin "held-out loss in bf16 and f32"
if [ ! -e "$data" ]; then
    skip "$data is not installed"
elif wanted && ! "$program" train --config tests/tiny.cfg --outdir "$tmp/can" --level 2 --duration 16 --precision bf16 \
    >/dev/null 2>&1; then
    skip "no bf16 here"
fi
for precision in f32 bf16; do
    wanted || break
    pyr train --config configs/fashion-mnist.cfg --level 1 --duration $images --precision $precision \
        --outdir "$tmp/$precision"
    gives 0
done
if wanted; then
    f32=$(held_out "$tmp/f32") bf16=$(held_out "$tmp/bf16")
    echo "held-out loss after $images images: f32 $f32, bf16 $bf16"
    holds within "$bf16" "$f32" 1
    holds sh -c "! cmp -s '$tmp/f32/level-1/log.jsonl' '$tmp/bf16/level-1/log.jsonl'"
fi

finish
