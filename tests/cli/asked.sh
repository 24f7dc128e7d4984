#!/bin/sh
# eval: what is asked for and cannot be measured is said, with the reason; nothing that was asked for is missing
# without a word.
. tests/cli/lib.sh

pictures=tests/golden/depth
set=$pictures/bytes # three images of 8 bits, without labels
judge="eval $set --data $set --reference train --threads 1"

begin "figures of features, and there is no network"
# shellcheck disable=SC2086
pyr $judge --metrics frechet,score
refuses 2 "nothing that is asked for can be measured: no feature network: the data have no labels for a classifier"
# shellcheck disable=SC2086
pyr $judge --metrics kid,spectrum --json "$tmp/e.json"
gives 0
says "KID                           left out: no feature network"
says "spectrum distance"
holds grep -q '"reason": "no feature network' "$tmp/e.json"
holds grep -q '"kid": null' "$tmp/e.json"
# shellcheck disable=SC2086
pyr $judge --metrics spectrum --write-stats "$tmp/stats.npz"
refuses 2 "stats.npz: statistics are of a network's features, and there is no feature network"

begin "statistics are written whatever figures are asked for"
pyr eval $pictures/data --data $pictures/data --reference train --metrics spectrum --write-stats "$tmp/stats.npz" --threads 1
gives 0
holds test -s "$tmp/stats.npz"
pyr eval $pictures/data --data $pictures/data --reference train --metrics spectrum --ref-stats "$tmp/stats.npz"
refuses 2 "--ref-stats is for the Frechet distance: add frechet to --metrics"
pyr eval $pictures/data --data $pictures/data --reference train --metrics frechet --ref-stats "$tmp/stats.npz" --threads 1
gives 0
says "images against $tmp/stats.npz ["

begin "consistency is of what a run draws to a coarser level"
# shellcheck disable=SC2086
pyr $judge --metrics consistency
refuses 2 "nothing that is asked for can be measured: it is of levels that a run draws to a coarser one"
# shellcheck disable=SC2086
pyr $judge --metrics consistency,colour
gives 0
says "consistency error             left out: it is of levels"
# shellcheck disable=SC2086
pyr $judge
gives 0
holds sh -c "! grep -q consistency '$tmp/stdout'"

begin "pictures of 8 bits are those of 16 that they were rounded from"
pyr eval $set --data $pictures/data --reference train --set 'data.split="all"' --set 'data.classes="none"' \
    --metrics nearest --threads 1
gives 0
complains "the figures of pixels compare them in 8"
says "distance to nearest           0 "

finish
