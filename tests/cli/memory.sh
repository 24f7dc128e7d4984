#!/bin/sh
# memory: what --dry-run plans is what training takes, within a tenth (the plans are of 150 MiB and more, so that
# whole MiB and what a library takes more or less do not count), and sampling takes as much for many seeds as for few.
. tests/cli/lib.sh

# The largest "peak X MiB beside the data set" of a dry run.
planned() { sed -n 's/.*peak \([0-9.]*\) MiB beside.*/\1/p' "$tmp/stdout" | sort -n | tail -n 1; }
# "peak memory A MiB, of it B MiB program and data": A - B.
used() {
    sed -n 's/.*peak memory \([0-9]*\) MiB, of it \([0-9]*\) MiB program and data.*/\1 \2/p' "$tmp/stderr" |
        awk '{ print $1 - $2 }'
}
# Plan, take two steps, compare: OPTION ...
compare() {
    wanted || return 0
    rm -rf "$tmp/run"
    set -- --outdir "$tmp/run" --threads 2 --snapshot -1 --set level.batch_gpu=8 "$@"
    pyr train --config tests/tiny.cfg "$@" --dry-run
    gives 0
    plan=$(planned)
    pyr train --config tests/tiny.cfg "$@"
    gives 0
    use=$(used)
    awk -v p="$plan" -v u="$use" 'BEGIN { exit !(p >= 150 && u >= 0.9 * p && u <= 1.1 * p) }' ||
        bad "planned ${plan:-nothing} MiB (should be 150 or more), used ${use:-nothing}"
}

begin "a wide network"
compare --level 0 --duration 64 --batch 32 --set levels[0].network.block_out_channels=208

begin "two resolutions"
compare --level 1 --duration 64 --batch 32 --set levels[1].network.block_out_channels=128,192

begin "three resolutions, images larger than weights"
compare --level 0 --duration 64 --batch 32 --resize 64 --set levels[0].network.patch=1 \
    --set levels[0].network.block_out_channels=32,48,64

begin "attention"
compare --level 0 --duration 64 --batch 32 --resize 32 --set levels[0].network.patch=1 \
    --set levels[0].network.block_out_channels=64,96 --set level.network.add_attention=true \
    --set level.network.attention_head_dim=32

begin "level after level: the largest plan counts"
compare --duration 192 --batch 32 --set levels[0].network.block_out_channels=128 \
    --set levels[1].network.block_out_channels=160 --set levels[2].network.block_out_channels=144

begin "the plain loops"
compare --backend ref --level 2 --duration 8 --batch 4 --set levels[2].network.block_out_channels=208

# Beyond the grid's 100 images nothing is kept: 500 more are 23 MiB of floats, on all levels 31.
begin "sampling takes no more for more seeds"
sampled() { sed -n 's/.* images\/s), peak memory \([0-9.]*\) MiB$/\1/p' "$tmp/stderr"; }
pyr train --config tests/tiny.cfg --outdir "$tmp/seeds" --threads 2 --snapshot -1 --duration 48 --resize 64 \
    --channels 3
gives 0
pyr sample --network "$tmp/seeds" --outdir "$tmp/few" --threads 2 --steps 1 --seeds 0-99
gives 0
few=$(sampled)
pyr sample --network "$tmp/seeds" --outdir "$tmp/many" --threads 2 --steps 1 --seeds 0-599
gives 0
many=$(sampled)
if wanted; then
    awk -v f="$few" -v m="$many" 'BEGIN { exit !(f > 0 && m > 0 && m - f <= 2) }' ||
        bad "peak of 100 images ${few:-nothing}, of 600 ${many:-nothing} MiB"
fi

finish
