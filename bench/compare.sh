#!/bin/sh
# compare.sh - pyrdiff and PyTorch (diffusers' UNet2DModel, bench/torch_peer.py) on the same networks, in turns.
#
# Usage: bench/compare.sh --python V/bin/python [OPTION ...] [-- OPTION OF PYRDIFF BENCH ...]
#
#   --python FILE     a Python with torch, diffusers, safetensors and numpy (see bench/torch_peer.py); python3
#   --config FILE     the levels to measure (configs/fashion-mnist.cfg)
#   --levels LIST     0,2: these levels only
#   --modes LIST      PyTorch's modes (f32,cl): f32, cl (channels-last), bf16, bf16c, clc
#   --rounds N        turns of everything (3)
#   --seconds S       of each measurement by pyrdiff (3)
#   --threads N       of both (one per processor)
#   --batch N         images a training step, of both (the configuration's)
#   --program FILE    pyrdiff (./pyrdiff)
#   --out FILE        write the tables to FILE, too, with machine, versions and command
#
#   bench/compare.sh --python V/bin/python --out results/bench/compare.txt
#   bench/compare.sh --python V/bin/python --config configs/cifar10.cfg -- --data FOLDER
#
# From the project's root, on an otherwise idle machine. A round measures each level with pyrdiff, then with each
# mode, every one in a process of its own, so that peak memory is its own (of the whole process: pyrdiff's holds
# the data set, PyTorch's the interpreter). Images a second are those of the fastest steps of a round (PyTorch: the
# fastest step; pyrdiff: the fastest half in training, the fastest run forward); PyTorch's forward pass takes the
# training batch at once, pyrdiff's a micro-batch in each lane. The table has the median over rounds and, in
# parentheses, lowest and highest. A ratio over 1: pyrdiff is so much faster. A mode that fails is left out and named
# (diffusers refuses odd sides between two resolutions).
set -eu
typed=$*
python=python3 config=configs/fashion-mnist.cfg levels='' modes=f32,cl rounds=3 seconds=3 batch='' program=./pyrdiff out=''
threads=$(getconf _NPROCESSORS_ONLN)

while [ $# -gt 0 ]; do
    case $1 in
    --python | --config | --levels | --modes | --rounds | --seconds | --threads | --batch | --program | --out)
        [ $# -gt 1 ] || { echo "compare.sh: $1 needs a value" >&2; exit 2; }
        name=${1#--}
        eval "$name=\$2"
        shift 2
        ;;
    --help | -h) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --) shift; break ;;
    *) echo "compare.sh: unknown option $1 (see bench/compare.sh --help)" >&2; exit 2 ;;
    esac
done
[ -x "$program" ] || { echo "compare.sh: $program is not there: make it first (from the project's root)" >&2; exit 1; }
"$python" -c 'import torch, diffusers' 2>/dev/null ||
    { echo "compare.sh: $python has no torch and diffusers; how to get them is said in bench/torch_peer.py" >&2; exit 1; }

tmp=$(mktemp -d "${TMPDIR:-/tmp}/pyrdiff-compare.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
runs=$tmp/runs.jsonl
measure() { # SECONDS OPTION ...
    s=$1
    shift
    "$program" bench --config "$config" --threads "$threads" ${batch:+--batch "$batch"} --seconds "$s" "$@"
}

# The networks, and the batch of each level.
measure 0.01 --outdir "$tmp" "$@" >"$tmp/table" 2>"$tmp/messages" || { cat "$tmp/messages" >&2; exit 1; }
"$program" train --config "$config" --threads "$threads" ${batch:+--batch "$batch"} --outdir "$tmp/none" "$@" --dry-run \
    >/dev/null 2>"$tmp/plan" || { cat "$tmp/plan" >&2; exit 1; }
[ -n "$levels" ] || levels=$(sed -n 's/^ *\([0-9]*\) .*/\1/p' "$tmp/table" | tr '\n' ',')
batch_of() { sed -n "s/^level $1: .* batch \([0-9]*\) .*/\1/p" "$tmp/plan"; }
# "14 14 4": the peer's --size and --patch; sample_size is the network's own grid.
grid_of() {
    "$python" -c 'import json, sys
c = json.load(open(sys.argv[1]))
p, s = c.get("_pyrdiff_patch", 1), c["sample_size"]
print(*(p * side for side in (s if isinstance(s, list) else [s, s])), p)' "$1"
}

round=1
while [ "$round" -le "$rounds" ]; do
    for level in $(echo "$levels" | tr ',' ' '); do
        unet=$tmp/level-$level/unet
        [ -f "$unet/config.json" ] || { echo "compare.sh: $config has no level $level" >&2; exit 1; }
        echo "round $round of $rounds, level $level" >&2
        measure "$seconds" --level "$level" "$@" >"$tmp/table" 2>"$tmp/messages" || { cat "$tmp/messages" >&2; exit 1; }
        # counted from the end of the line: the image's size has blanks in it
        awk -v level="$level" -v batch="$(batch_of "$level")" '$1 == level {
            printf "{\"level\": %d, \"engine\": \"pyrdiff\", \"batch\": %d, \"mflop\": %s, ", level, batch, $(NF - 7)
            printf "\"train\": %s, \"forward\": %s, \"peak\": %s}\n", $(NF - 6), $(NF - 4), $NF
        }' "$tmp/table" >>"$runs"
        grid_of "$unet/config.json" >"$tmp/grid"
        read -r h w patch <"$tmp/grid"
        for mode in $(echo "$modes" | tr ',' ' '); do
            "$python" bench/torch_peer.py "$unet" --size "$h" "$w" --patch "$patch" --batch "$(batch_of "$level")" \
                --modes "$mode" --threads "$threads" 2>"$tmp/messages" >"$tmp/peer" || {
                echo "left out: PyTorch's $mode on level $level: $(tail -n 1 "$tmp/messages")" >&2
                continue
            }
            engine="\"engine\": \"pytorch $mode\", \"batch\": $(batch_of "$level")"
            sed "s/^{/{\"level\": $level, $engine, /" "$tmp/peer" >>"$runs"
        done
    done
    round=$((round + 1))
done

cat >"$tmp/tables.py" <<'END'
import collections, json, statistics, sys

figures = collections.defaultdict(lambda: collections.defaultdict(list))  # (level, engine): name: values
batch, mflop = {}, {}
for run in map(json.loads, open(sys.argv[1])):
    level, at = run["level"], figures[run["level"], run["engine"]]
    batch[level] = run["batch"]
    if run["engine"] == "pyrdiff":
        mflop[level] = run["mflop"]
        for name in "train", "forward", "peak":
            at[name].append(run[name])
    else:
        at["forward" if run["work"] == "sample" else "train"].append(run["batch"] / run["best_s"])
        at["peak " + run["work"]].append(run["peak_rss_mib"])

def spread(values):
    return f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})"

line = "{:<14} {:>22} {:>7} {:>24} {:>7} {:>9}"
for level in sorted({level for level, _ in figures}, reverse=True):
    print(f"level {level}: {mflop[level]:.1f} MFLOP an image, training batch {batch[level]}")
    print(line.format("", "training, images/s", "ratio", "forward, images/s", "ratio", "peak MiB"))
    ours = figures[level, "pyrdiff"]
    for (at, engine), f in figures.items():
        if at != level:
            continue
        ratio = [f"{statistics.median(ours[n]) / statistics.median(f[n]):.2f}" for n in ("train", "forward")]
        peak = max(max(v) for n, v in f.items() if n.startswith("peak"))
        print(line.format(engine, spread(f["train"]), ratio[0] if f is not ours else "", spread(f["forward"]),
                          ratio[1] if f is not ours else "", f"{peak:.0f}"))
    print()
END
"$python" "$tmp/tables.py" "$runs" >"$tmp/tables"
cat "$tmp/tables"
if [ -n "$out" ]; then
    mkdir -p "$(dirname "$out")"
    {
        cat "$tmp/tables"
        cpu=$(lscpu 2>/dev/null | sed -n 's/^Model name: *//p' | head -n 1)
        echo "machine     $cpu, $(getconf _NPROCESSORS_ONLN) processors; threads used: $threads"
        "$program" info | sed -n '1,3p'
        "$python" -c 'import diffusers, platform, torch
print(f"peer        PyTorch {torch.__version__}, diffusers {diffusers.__version__}, Python {platform.python_version()}")'
        echo "rounds      $rounds, in turns; pyrdiff $seconds s each"
        echo "command     bench/compare.sh $typed" | sed "s|--python [^ ]*|--python V/bin/python|"
    } >"$out"
fi
