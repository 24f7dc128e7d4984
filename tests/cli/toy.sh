#!/bin/sh
# toy: a short run writes its page and pictures, whose figures are what theory says; what is wrong is said.
. tests/cli/lib.sh

out=$tmp/out
run() { pyr toy --quick --steps 40 --batch 64 --threads 1 --outdir "$@"; }

begin "page and pictures"
run "$out"
gives 0
says "$out/index.html"
for name in scores langevin decay paths manifold classes; do
    holds grep -q "<title>" "$out/$name.svg"
    holds grep -q "</svg>" "$out/$name.svg"
done
for words in "denoising  edm" "denoising  likelihood" "denoising  min-snr" "explicit   simple" "sliced     simple"; do
    says "$words"
done
for words in "ula" "annealed-langevin" "euler-maruyama, exact score" "heun, learned score"; do
    says "$words"
done
holds grep -q "Learned scores" "$out/index.html"

begin "the pictures are well-formed"
cat >"$tmp/judge.py" <<'END'
import re, sys, xml.etree.ElementTree as tree
page = open(sys.argv[1] + "/index.html", encoding="utf-8").read()
for name in ("scores", "langevin", "decay", "paths", "manifold"):
    text = open(f"{sys.argv[1]}/{name}.svg", encoding="utf-8").read()
    root = tree.fromstring(text)
    assert root.find("{http://www.w3.org/2000/svg}title").text
    for element in root.iter():
        for value in element.attrib.values():
            assert not re.search(r"\b(nan|inf)\b", value), value
    assert root.attrib["width"] and "background" in root.attrib["style"]
    assert text[text.index("<title>"):] in page
END
if python3 -c 'import xml' 2>/dev/null; then
    holds python3 "$tmp/judge.py" "$out"
else
    skip "no python3"
fi

# The line of a sampler: evaluations, distance, mode weights.
figure() { sed -n "s/^$1  *//p" "$tmp/table" | tr -s ' ' | cut -d ' ' -f "$2"; }
between() { awk -v x="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(x >= low && x <= high) }'; }

# 400 points: a weight's standard error is 0.02
begin "mode weights: Langevin keeps the start's, the others find the true ones"
run "$tmp/more" --points 400 --moves 1000 --seed 3
gives 0
cp "$tmp/stdout" "$tmp/table"
holds between "$(figure ula 3)" 0.4 0.6
holds between "$(figure annealed-langevin 3)" 0.1 0.32
holds between "$(figure 'euler-maruyama, exact score' 3)" 0.12 0.28
holds between "$(figure 'heun, exact score' 3)" 0.12 0.28
holds [ "$(figure ula 1)" -eq "$(figure annealed-langevin 1)" ]
holds between "$(figure 'ula, learned score' 3)" 0.4 0.6

begin "the divergence of Langevin dynamics falls as it must"
for time in 0.0 1.0 2.0; do
    measured=$(figure "$time" 1) known=$(figure "$time" 2) most=$(figure "$time" 3)
    holds between "$known" 0 "$most"
    holds between "$measured" "$(awk -v x="$known" 'BEGIN { print x - 0.1 - x / 4 }')" "$(awk -v x="$known" 'BEGIN { print x + 0.1 + x / 4 }')"
done

begin "the same seed, the same pictures, with any number of threads"
pyr toy --quick --steps 40 --batch 64 --threads 3 --outdir "$tmp/again"
gives 0
for name in scores.svg langevin.svg decay.svg paths.svg manifold.svg classes.svg index.html; do
    holds cmp "$out/$name" "$tmp/again/$name"
done
run "$tmp/other" --seed 1
gives 0
holds sh -c "! cmp -s '$out/scores.svg' '$tmp/other/scores.svg'"

for mixture in ring grid cross near far; do
    begin "mixture $mixture"
    run "$tmp/$mixture" --mixture $mixture --steps 5 --moves 50
    gives 0
    holds test -s "$tmp/$mixture/paths.svg"
done

begin "help"
pyr toy --help
gives 0
says "usage: pyrdiff toy [options]"
says "near, far"

begin "other weights"
run "$tmp/weighed" --mixture far --weights 3,1 --steps 5 --moves 50
gives 0
says "(true: 0.750 0.250)"

begin "points on a circle: without noise the loss has no end"
run "$tmp/circle" --steps 300 --batch 256
gives 0
cp "$tmp/stdout" "$tmp/table"
holds between "$(figure 'without noise' 1)" -1e9 -1000
holds between "$(figure 'with noise of 0.1' 1)" -115 -60

begin "what is refused"
run "$tmp/no" --mixture rang
refuses 2 "did you mean ring?"
run "$tmp/no" --sigma 0
refuses 2 "--sigma is 0"
run "$tmp/no" --points 5000
refuses 2 "--points is 5000, should be a whole number 2..4096"
run "$tmp/no" --weights 1,2,3
refuses 2 "3 weights for a mixture of 2 modes"
run "$tmp/no" --weights 1,much
refuses 2 "\"much\" is not a number"
run "$tmp/no" --steps 0
refuses 2 "--steps is 0"
holds test ! -e "$tmp/no"
: >"$tmp/file"
run "$tmp/file/toy"
refuses 1 "$tmp/file"

finish
