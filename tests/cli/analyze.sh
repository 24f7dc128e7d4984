#!/bin/sh
# analyze: what it prints, writes and refuses; its block trains.
. tests/cli/lib.sh

shapes=tests/golden/shapes

begin "a data set, in words"
pyr analyze "$shapes" --levels 3
gives 0
says "images 12x10x1, a pyramid of 3 levels, filter box"
says "level 2: 3x3x1, the coarsest image"
says "level 0: 12x10x1, residual"
says "sigma_1 "
says "suggested sigma"
says "levels = ("
says "# level 2: 3x3"

begin "the same with any number of threads"
pyr analyze "$shapes" --threads 1 --json "$tmp/one.json"
gives 0
cp "$tmp/stdout" "$tmp/one"
pyr analyze "$shapes" --threads 3 --json "$tmp/three.json"
gives 0
holds cmp "$tmp/stdout" "$tmp/one"
holds cmp "$tmp/one.json" "$tmp/three.json"

begin "numbers and plots"
pyr analyze --config tests/tiny.cfg --json "$tmp/a.json" --plot "$tmp/a.svg" --images 50 --langevin-steps 1
gives 0
says "of 50 images, all 1225 pairs"
holds python3 -c "
import json, math, sys
a = json.load(open('$tmp/a.json'))
assert len(a['levels']) == 3 and a['levels'][0]['shape'] == [12, 10, 1]
for l in a['levels']:
    n = l['ncsnv2']
    assert n['sigma_1'] == l['largest_distance'] > 0
    if 'gamma' in n:
        assert math.isclose(n['variance'], 2 - n['gamma'] ** -2, rel_tol=1e-9)  # T = 1
        # the moves of the sampler have half of the step, and standardised units
        assert math.isclose(n['langevin_epsilon'], 2 * n['published_epsilon'] / l['std'][0] ** 2, rel_tol=1e-9)
    t = l['times']
    assert t[-1]['sigma'] == l['configured_sigma_max'] and t[-1]['mismatch'] == l['mismatch']
    assert all(x['mismatch'] >= y['mismatch'] for x, y in zip(t, t[1:]))
"
holds python3 -c "
import xml.dom.minidom as m
d = m.parse('$tmp/a.svg')
assert len(d.getElementsByTagName('svg')) == 4
assert all(float(s.getAttribute('height')) > 0 for s in d.getElementsByTagName('svg'))
"

begin "other filters"
pyr analyze "$shapes" --levels 2 --filter haar
gives 0
says "level 0: 6x5x3, details in three bands"
pyr analyze "$shapes" --levels 1
gives 0
says "level 0: 12x10x1, the image"

begin "the block trains"
pyr analyze --config tests/tiny.cfg --reference --block "$tmp/block.cfg"
gives 0
holds sh -c "! grep -q 'levels = (' '$tmp/stdout'"
wanted && {
    sed '/^levels = /d' tests/tiny.cfg
    cat "$tmp/block.cfg"
} >"$tmp/blocked.cfg"
pyr train --config "$tmp/blocked.cfg" --outdir "$tmp/run" --duration 960
gives 0
pyr sample --network "$tmp/run" --seeds 0-3 --outdir "$tmp/out"
gives 0
holds test -s "$tmp/out/000003.png"

begin "a run by NCSNv2's techniques"
pyr analyze --config tests/tiny.cfg --ncsnv2 --block "$tmp/ncsn.cfg"
gives 0
wanted && {
    sed '/^levels = /d' tests/tiny.cfg
    cat "$tmp/ncsn.cfg"
} >"$tmp/ncsnv2.cfg"
pyr train --config "$tmp/ncsnv2.cfg" --outdir "$tmp/ncsn" --duration 960
gives 0
pyr sample --network "$tmp/ncsn" --seeds 0-3 --outdir "$tmp/ncsn-out"
gives 0
complains "annealed-langevin"
holds test -s "$tmp/ncsn-out/000003.png"
pyr analyze --config tests/tiny.cfg --ncsnv2 --reference
refuses 2 "leave --reference out"

begin "the fits of a run"
pyr analyze --network "$tmp/run"
gives 0
says "$tmp/run: level-0 to level-2 have a gaussian.safetensors now"
holds test -s "$tmp/run/level-0/gaussian.safetensors"
says "nats less from the means of its"
holds test -s "$tmp/run/level-0/classes.safetensors"

begin "sampling starts from them"
pyr sample --network "$tmp/run" --seeds 0-3 --outdir "$tmp/fitted" --set level.sampler.start=gaussian --set level.sampler.sigma_max=3
gives 0
holds sh -c "! cmp -s '$tmp/out/000003.png' '$tmp/fitted/000003.png'"
pyr sample --network "$tmp/run" --seeds 0-3 --outdir "$tmp/about" --set level.sampler.start=class --set level.sampler.sigma_max=3
gives 0
holds sh -c "! cmp -s '$tmp/fitted/000003.png' '$tmp/about/000003.png'"
pyr sample --network "$tmp/run" --seeds 3 --outdir "$tmp/alone" --threads 1 --set level.sampler.start=gaussian --set level.sampler.sigma_max=3
gives 0
holds cmp "$tmp/alone/000003.png" "$tmp/fitted/000003.png"
rm -f "$tmp/run/level-1/gaussian.safetensors"
pyr sample --network "$tmp/run" --seeds 3 --outdir "$tmp/none" --set level.sampler.start=gaussian
refuses 1 "$tmp/run/level-1/gaussian.safetensors is not there: pyrdiff analyze --network $tmp/run --level 1 measures it"

begin "a run that starts from them writes them itself"
pyr train --config tests/tiny.cfg --outdir "$tmp/own" --duration 960 --set level.sampler.start=gaussian
gives 0
holds test -s "$tmp/own/level-0/gaussian.safetensors"
pyr sample --network "$tmp/own" --seeds 0-3 --outdir "$tmp/own-out"
gives 0
cp "$tmp/own/level-2/gaussian.safetensors" "$tmp/own/level-1/gaussian.safetensors"
pyr sample --network "$tmp/own" --seeds 0-3 --outdir "$tmp/own-out"
refuses 1 "was measured for another level"

begin "a budget is spent on steps, and its block trains"
pyr analyze --config tests/tiny.cfg --any-sampler --budget 1e12 --block "$tmp/rich.cfg"
gives 0
says "together "
pyr analyze --config tests/tiny.cfg --budget 1e7 --block "$tmp/poor.cfg"
gives 0
holds sh -c "! cmp -s '$tmp/rich.cfg' '$tmp/poor.cfg'"
wanted && {
    sed '/^levels = /d' tests/tiny.cfg
    cat "$tmp/poor.cfg"
} >"$tmp/budgeted.cfg"
pyr train --config "$tmp/budgeted.cfg" --outdir "$tmp/budgeted" --duration 160
gives 0
pyr sample --network "$tmp/budgeted" --seeds 0 --outdir "$tmp/out"
gives 0
pyr analyze --config tests/tiny.cfg --budget 10
refuses 2 "the fewest steps at each level take"
pyr analyze --config tests/tiny.cfg --budget 1e9 --level 1
refuses 2 "--budget is for all levels together"
pyr analyze --config tests/tiny.cfg --any-sampler
refuses 2 "--any-sampler is of --budget"
pyr analyze --config tests/tiny.cfg --budget 1e7 --set level.sampler.kind=ancestral --set level.sampler.variance=analytic
gives 0
pyr analyze --config tests/tiny.cfg --budget 1e9 --set level.sampler.kind=rk45
refuses 1 "what rk45 makes of a Gaussian is not known in closed form"

begin "what is missing or wrong"
pyr analyze
refuses 2 "which images? pyrdiff analyze DATA, --config FILE or --network RUN"
pyr analyze "$tmp/none"
refuses 1 "$tmp/none"
pyr analyze "$shapes" --levels 9
refuses 1 "levels"
pyr analyze "$shapes" --filter bx
refuses 2 "bx"
pyr analyze "$shapes" --mismatch 0
refuses 2 "mismatch"
pyr analyze --network "$tmp/run" --config tests/tiny.cfg
refuses 2 "has its own configuration"
pyr analyze --network "$tmp/run" --levels 2
refuses 2 "has its pyramid already"
pyr analyze --network "$tmp/none"
refuses 1 "is not a run of pyrdiff"
pyr analyze docs/fashion-mnist.png --network "$tmp/run"
refuses 1 "was trained on other data"

finish
