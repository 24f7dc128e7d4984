#!/bin/sh
# report: a tiny run and a comparison on one page each, read by a parser of XML and opened in a browser.
. tests/cli/lib.sh

cfg=tests/tiny.cfg
python3 -c 'import html.parser' 2>/dev/null && python=yes || python=no
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)

# Every plot is well-formed XML; tags of the page nest; no number is missing; every picture has words; nothing is
# loaded from elsewhere and nothing is run.
cat >"$tmp/judge.py" <<'END'
import re, sys, html.parser, xml.etree.ElementTree as tree
page = open(sys.argv[1], encoding="utf-8").read()
plots = re.findall(r"<svg.*?</svg>", page, re.S)
for plot in plots:
    root = tree.fromstring(plot)
    assert root.find("{http://www.w3.org/2000/svg}title").text
    for element in root.iter():
        for value in element.attrib.values():
            assert not re.search(r"\b(nan|inf)\b", value), value
assert len(plots) == int(sys.argv[2]), len(plots)

class Judge(html.parser.HTMLParser):
    void = {"meta", "img", "br", "path", "rect", "circle"}
    stack, pictures = [], 0
    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert tag not in ("script", "link", "iframe", "object", "b"), tag
        assert not [a for a in attributes if a.startswith("on")], attributes
        if tag == "img":
            self.pictures += 1
            assert attributes["alt"] and attributes["src"].startswith("data:image/png;base64,")
        assert "href" not in attributes
        if tag not in self.void:
            self.stack.append(tag)
    def handle_startendtag(self, tag, attributes):
        assert tag in self.void, tag
    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, tag
judge = Judge()
judge.feed(page)
judge.close()
assert not judge.stack, judge.stack
assert judge.pictures == int(sys.argv[3]), judge.pictures
END

# A copy of the page that says in its title what the browser made of it. The page forbids scripts, the copy does not.
cat >"$tmp/harness.py" <<'END'
import sys
page = open(sys.argv[1], encoding="utf-8").read()
forbids = page.index('<meta http-equiv="Content-Security-Policy"')
page = page[:forbids] + page[page.index(">", forbids) + 1:]
script = """<script>
window.onerror = (message) => { document.title = "error " + message; };
window.onload = () => {
    const pictures = [...document.images], plots = [...document.querySelectorAll("svg")];
    const loaded = pictures.filter((i) => i.complete && i.naturalWidth > 0 && i.getBoundingClientRect().width > 0);
    const drawn = plots.filter((p) => p.getBoundingClientRect().height > 100 &&
        [...p.querySelectorAll("path")].some((e) => e.getBBox().width > 50));
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    document.title = "pictures " + loaded.length + " of " + pictures.length + ", plots " + drawn.length + " of " +
        plots.length + ", too wide by " + wide;
};
</script>"""
open(sys.argv[2], "w", encoding="utf-8").write(page.replace("</body>", script + "</body>"))
END

# Open page $1 at the width of a desktop and of a phone: pictures and plots are all there, nothing sticks out, and
# the console is silent.
opens() {
    wanted || return 0
    python3 "$tmp/harness.py" "$1" "$tmp/opened.html"
    for size in 1280,900 390,844; do
        HOME="$tmp" timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
            --user-data-dir="$tmp/browser" --enable-logging=stderr --v=0 --window-size=$size --virtual-time-budget=5000 \
            --dump-dom "file://$tmp/opened.html" >"$tmp/dom" 2>"$tmp/console"
        title=$(sed -n 's/.*<title>\(pictures [^<]*\)<.*/\1/p' "$tmp/dom" | head -n 1)
        [ "$title" = "pictures $3 of $3, plots $2 of $2, too wide by 0" ] ||
            bad "at $size: \"$title\", wanted $3 pictures, $2 plots"
        ! grep -q 'CONSOLE' "$tmp/console" || bad "at $size: $(grep CONSOLE "$tmp/console" | head -n 1)"
        # and as it is, with its rule against scripts
        HOME="$tmp" timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
            --user-data-dir="$tmp/browser" --enable-logging=stderr --v=0 --window-size=$size --dump-dom \
            "file://$1" >"$tmp/dom" 2>"$tmp/console"
        grep -q '<svg' "$tmp/dom" || bad "at $size: the page does not open"
        ! grep -q 'CONSOLE' "$tmp/console" || bad "at $size: $(grep CONSOLE "$tmp/console" | head -n 1)"
    done
}

# The runs that all cases look at: made whatever case is wanted.
"$program" train --config $cfg --outdir "$tmp/a" >/dev/null 2>&1
"$program" sample --network "$tmp/a" --seeds 0-8 >/dev/null 2>&1

begin "a run: losses, samples, spectra, configuration"
pyr report "$tmp/a"
gives 0
says "$tmp/a/report.html"
holds test -s "$tmp/a/report.html"
holds grep -q 'Level 2 (3 × 3)' "$tmp/a/report.html"
holds grep -q 'Of 512 training images of tests/golden/shapes' "$tmp/a/report.html"
holds grep -q 'block_out_channels = ' "$tmp/a/report.html"
holds grep -q "pyrdiff report .*/a</td>" "$tmp/a/report.html"
[ $python = yes ] && holds python3 "$tmp/judge.py" "$tmp/a/report.html" 12 5

begin "a run in a browser"
if [ -n "$browser" ] && [ $python = yes ]; then
    opens "$tmp/a/report.html" 12 5
else
    skip "chromium or python3 is not installed"
fi

begin "a log that was cut short, data that are gone, a name that looks like HTML"
if wanted; then
    mkdir "$tmp/<b>&amp;"
    cp -r "$tmp/a/level-0" "$tmp/a/level-1" "$tmp/<b>&amp;/"
    sed 's|tests/golden/shapes|no <b>such</b> \& "data"|' "$tmp/a/pyrdiff.cfg" | sed 's|& "data"|\& data|' \
        >"$tmp/<b>&amp;/pyrdiff.cfg"
    printf '{"step": 210, "images": 33' >>"$tmp/<b>&amp;/level-0/log.jsonl"
    sed -i.kept '2s/"images"/"imagds"/; 3s/{/[/' "$tmp/<b>&amp;/level-1/log.jsonl"
    echo "no picture" >"$tmp/<b>&amp;/level-1/snapshot-99999999.png"
fi
pyr report "$tmp/<b>&amp;" --out "$tmp/odd.html"
gives 0
holds grep -q 'no &lt;b&gt;such&lt;/b&gt; &amp; data' "$tmp/odd.html"
holds sh -c "! grep -q '<b>' '$tmp/odd.html'"
holds grep -q '&lt;b&gt;&amp;amp;' "$tmp/odd.html"
holds grep -q 'level 2 has not been trained' "$tmp/odd.html"
holds grep -q '2 lines of .*/level-1/log.jsonl cannot be read, and are left out' "$tmp/odd.html"
holds sh -c "! grep -q 'level-0/log.jsonl cannot' '$tmp/odd.html'"
holds grep -q 'No spectra, as the data cannot be read here' "$tmp/odd.html"
holds grep -q 'snapshot-99999999.png is not a PNG' "$tmp/odd.html"
holds grep -q 'No grids of samples' "$tmp/odd.html"
[ $python = yes ] && holds python3 "$tmp/judge.py" "$tmp/odd.html" 6 1

begin "two runs side by side"
pyr report "$tmp/a" "$tmp/<b>&amp;" --out "$tmp/both.html"
gives 0
holds grep -q 'a: held out, EMA' "$tmp/both.html"
holds grep -q '<th>Of peak</th>' "$tmp/both.html"
share=$(sed -n 's/.*"mfu": \([0-9.e+-]*\).*/\1/p' "$tmp/a/level-2/log.jsonl" | tail -n 1)
holds grep -q "<td>$(awk "BEGIN { printf \"%.0f\", 100 * ${share:-2} }") %</td>" "$tmp/both.html"
holds grep -q '&lt;b&gt;&amp;amp;: held out, EMA' "$tmp/both.html"
[ $python = yes ] && holds python3 "$tmp/judge.py" "$tmp/both.html" 12 6

begin "a comparison: table, curves, the variants' runs and pictures"
if wanted; then
    mkdir "$tmp/compare"
    cp -r "$tmp/a" "$tmp/compare/separate-3"
    mkdir -p "$tmp/compare/single-3/samples"
    cp "$tmp/a/samples/grid.png" "$tmp/compare/single-3/samples/"
    cat >"$tmp/compare/compare.json" <<'END'
{"data": "shapes", "budget": "1e9flop", "config": "tests/tiny.cfg", "command": "pyrdiff compare --budget 1e9flop",
 "judged": "20 images of each against shapes (test), 64 images [0123456789abcdef]",
 "variants": [
  {"name": "separate", "seed": 3, "fraction": 1, "train_flop": 1e9, "train_s": 20, "train_images_per_s": 3000,
   "sample_images_per_s": 100, "sample_flop": 1e6, "steps": [6, 6, 6], "nfe": 33, "nfe_by_flop": 25.5, "peak_mib": 40.5, "parameters": 12345,
   "held_out": [0.6, 0.5, 0.8], "metrics": {"frechet": 10, "kid": 0.01, "precision": 0.5, "recall": 0.25,
   "swd": [1, 2, 3], "spectrum": 0.1, "colour": 0.02, "consistency": [0, 0], "memorised": 0}},
  {"name": "separate", "seed": 4, "fraction": 1, "train_flop": 1e9, "train_s": 22, "metrics": {"frechet": 14}},
  {"name": "single", "seed": 3, "fraction": 1, "train_flop": 1e9, "train_s": 30, "metrics": {"frechet": 20}}],
 "curve": [
  {"name": "separate", "seed": 3, "fraction": 0.5, "train_flop": 5e8, "train_s": 10, "metrics": {"frechet": 30}},
  {"name": "single", "seed": 3, "fraction": 0.5, "train_flop": 5e8, "train_s": 15, "metrics": {"frechet": 50}}]}
END
fi
pyr report "$tmp/compare"
gives 0
says "$tmp/compare/report.html"
# mean and standard deviation of 10 and 14: 12, 2 sqrt(2)
holds grep -q '<strong>12.0 ± 2.8</strong></td><td>20</td>' "$tmp/compare/report.html"
holds grep -q 'separate (2 runs)' "$tmp/compare/report.html"
holds grep -q 'Judged: 20 images of each against shapes (test), 64 images \[0123456789abcdef\]' "$tmp/compare/report.html"
holds grep -q 'Evaluations by FLOP.*<td>25.5</td>' "$tmp/compare/report.html"
holds grep -q 'separate-3: samples at every level' "$tmp/compare/report.html"
[ $python = yes ] && holds python3 "$tmp/judge.py" "$tmp/compare/report.html" 14 3

begin "a comparison in a browser"
if [ -n "$browser" ] && [ $python = yes ]; then
    opens "$tmp/compare/report.html" 14 3
else
    skip "chromium or python3 is not installed"
fi

begin "a folder that holds runs"
pyr report "$tmp/compare" --out "$tmp/x.html"
if wanted; then
    mkdir "$tmp/runs"
    cp -r "$tmp/compare" "$tmp/a" "$tmp/runs/"
fi
pyr report "$tmp/runs"
gives 0
holds grep -q 'single-3' "$tmp/runs/report.html"
[ $python = yes ] && holds python3 "$tmp/judge.py" "$tmp/runs/report.html" 14 8

begin "what it refuses"
pyr report
refuses 2 "report"
pyr report "$tmp/not-there"
refuses 2 "not-there is not a folder"
pyr report tests/golden
refuses 2 "tests/golden is neither a run"
pyr report "$tmp/a" --out "$tmp/no/such/folder/x.html"
refuses 1 "no/such/folder"
if wanted; then
    mkdir "$tmp/damaged"
    echo '{"variants": [' >"$tmp/damaged/compare.json"
fi
pyr report "$tmp/damaged"
refuses 1 "damaged/compare.json"
holds test ! -e "$tmp/damaged/report.html"

finish
