#!/bin/sh
# memory: what --dry-run plans is what training takes, within a tenth. The plans are of 150 MiB and more, so that
# whole MiB and what a library takes more or less do not count.
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
    pyr train --config tests/tiny.cfg --outdir "$tmp/run" --threads 2 --snapshot -1 "$@" --dry-run
    gives 0
    plan=$(planned)
    pyr train --config tests/tiny.cfg --outdir "$tmp/run" --threads 2 --snapshot -1 "$@"
    gives 0
    use=$(used)
    awk -v p="$plan" -v u="$use" 'BEGIN { exit !(p >= 150 && u >= 0.9 * p && u <= 1.1 * p) }' ||
        bad "planned ${plan:-nothing} MiB (should be 150 or more), used ${use:-nothing}"
}

begin "a wide network"
compare --level 0 --duration 64 --batch 32 --set levels[0].network.block_out_channels=192

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
compare --backend ref --level 2 --duration 8 --batch 4 --set levels[2].network.block_out_channels=192

finish
