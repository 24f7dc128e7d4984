#!/bin/sh
# compare.sh - pyrdiff and PyTorch (diffusers' UNet2DModel, bench/torch_peer.py) on the same networks, in turns.
#
# Usage: bench/compare.sh --python V/bin/python [OPTION ...] [-- OPTION OF PYRDIFF BENCH ...]
#
#   --python FILE     a Python with torch, diffusers, safetensors and numpy; none: pyrdiff alone
#   --networks LIST   folders with config.json, a comma between them (the four small ones in bench/networks; all: those of
#                     10M and 36M parameters, too, which take most of an hour)
#   --config FILE     the levels of a configuration instead
#   --levels LIST     0,2: these levels of it only
#   --device NAME     cpu, or cuda: both on the first GPU; peak memory is the GPU's then, and there is no floor (cpu)
#   --modes LIST      PyTorch's modes (f32,cl,f32c,bf16,bf16c; on a GPU cl,bf16,bf16c,bf16g): f32, cl (channels-last),
#                     bf16, f32c, clc, bf16c (compiled), bf16g (compiled with CUDA graphs, mode="max-autotune")
#   --against FILE    an earlier build, measured in turns too; or its tables, which --out wrote: the ratio to it is
#                     printed (a table is of another day: of the same machine, idle as now)
#   --rounds N        rounds of all measurements, in turns (2)
#   --repeats N       steps that PyTorch is timed for, after three to warm up (5)
#   --seconds S       of each measurement by pyrdiff (3)
#   --threads N       of both (one per processor)
#   --batch N         images a training step, of both (the network's, the configuration's)
#   --program FILE    pyrdiff (./pyrdiff)
#   --out FILE        write the tables to FILE, too, with machine, versions and command
#
#   bench/compare.sh --python V/bin/python --out results/bench/compare.txt
#   bench/compare.sh --python none --networks bench/networks/grey28 --against build/1234567890/pyrdiff
#   bench/compare.sh --python V/bin/python --config configs/cifar10.cfg -- --data FOLDER
#
# PyTorch (several GB, for this comparison only): python3 -m venv V
#                                                 V/bin/pip install torch diffusers safetensors numpy
#
# From the project's root, on an otherwise idle machine. A round measures each network with pyrdiff, then with each
# mode, every one in a process of its own, so that peak memory is its own (of the whole process: pyrdiff's holds
# the data set, PyTorch's the interpreter). Images a second are those of the fastest steps of a round (PyTorch: the
# fastest step; pyrdiff: the fastest half in training, the fastest run forward); PyTorch's forward pass takes the
# training batch at once, pyrdiff's a micro-batch in each lane. The table has the median over rounds and, in
# parentheses, lowest and highest; GFLOP/s count a training step as three forward passes. Start-up: from the start of
# the process to the end of the first training step (pyrdiff: without the data, which it names itself); in the first
# round without any cache, then with what that round left (compiled code, measured choices). The last lines compare
# with the best of PyTorch's modes in each figure, over 1: pyrdiff is better, likewise with the earlier build (--against),
# and with the floor: the convolutions and products alone (pyrdiff bench --floor). A mode that fails is left out and named
# (diffusers refuses odd sides between two resolutions).
set -eu
typed=$*
python=python3 networks='' config='' against='' levels='' device=cpu modes='' rounds=2 repeats=5 seconds=3 batch='' out=''
program=./pyrdiff threads=$(getconf _NPROCESSORS_ONLN)

fail() { echo "compare.sh: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
    case $1 in
    --python | --networks | --config | --levels | --device | --modes | --against | --rounds | --repeats | --seconds | --threads | --batch | \
        --program | --out)
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
[ -x "$program" ] || fail "$program is not there: make it first (from the project's root)"
[ -z "$networks" ] || [ -z "$config" ] || fail "--networks or --config, not both"
case $device in
cpu) : "${modes:=f32,cl,f32c,bf16,bf16c}" ;;
cuda) : "${modes:=cl,bf16,bf16c,bf16g}" ;;
*) fail "--device is $device, should be cpu or cuda" ;;
esac
[ "$python" != none ] || modes=''
[ -z "$modes" ] || "$python" -c 'import torch, diffusers' 2>/dev/null ||
    fail "$python has no torch and diffusers: --help says how to get them; --python none does without"

[ -z "$against" ] || [ -f "$against" ] || fail "--against $against is not there: a program, or tables that --out wrote"
for mode in $(echo "$modes" | tr ',' ' '); do
    case $mode in
    f32c | clc | bf16c | bf16g)
        echo "PyTorch's $mode is compiled before it is measured: in the first round minutes for each network," \
            "for large ones up to ten (--modes chooses; what is compiled is kept for the rounds after it)" >&2 ;;
    esac
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/pyrdiff-compare.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
runs=$tmp/runs peak=peak_mib peer_peak=peak_rss_mib
[ "$device" = cpu ] || peak=device_mib peer_peak=peak_device_mib
# Both begin without what earlier runs left.
export XDG_CACHE_HOME="$tmp/cache" TORCHINDUCTOR_CACHE_DIR="$tmp/inductor"

value() { sed -n "s/.*\"$1\": \"\{0,1\}\([^,}\"]*\).*/\1/p" "$2"; } # KEY FILE, of one line of JSON
bench() { # OPTION ... of bench, of $measured
    "$measured" bench --backend "$device" --threads "$threads" ${batch:+--batch "$batch"} --json "$@" 2>"$tmp/messages" ||
        { cat "$tmp/messages" >&2; exit 1; }
}
# A line per network: its name, its folder, the options by which pyrdiff measures it.
measured=$program
if [ -n "$config" ]; then
    bench --config "$config" --seconds 0.01 --outdir "$tmp" "$@" >"$tmp/levels"
    for level in $(sed -n 's/^{"level": \([0-9]*\),.*/\1/p' "$tmp/levels"); do
        case ",${levels:-$level}," in
        *,"$level",*) echo "level-$level $tmp/level-$level/unet --config $config --level $level" ;;
        esac
    done >"$tmp/list"
else
    [ "$networks" != all ] || networks=$(echo bench/networks/*/ | tr ' ' ',')
    for folder in $(echo "${networks:-$(echo bench/networks/*[!m]/)}" | tr ',' ' '); do
        folder=${folder%/}
        [ -f "$folder/config.json" ] || fail "$folder has no config.json"
        echo "${folder##*/} $folder --network $folder"
    done >"$tmp/list"
fi
[ -s "$tmp/list" ] || fail "there is nothing to measure"

# Of the last file ours: a line of the runs.
ours() { # ENGINE
    echo "$name $1 $(value train "$tmp/ours") $(value forward "$tmp/ours") $(value "$peak" "$tmp/ours")" \
        "$(value first_step_s "$tmp/ours") $(value mflop "$tmp/ours") $(value batch "$tmp/ours")" \
        "$(value precision "$tmp/ours")" >>"$runs"
}
# The same of an earlier build: of its program, or what its tables say.
earlier() {
    if [ -x "$against" ]; then
        mv "$tmp/ours" "$tmp/kept"
        measured=$against XDG_CACHE_HOME="$tmp/cache-against"
        if (bench --seconds "$seconds" $how "$@" >"$tmp/ours" </dev/null); then
            ours against
        else
            echo "left out: $against on $name" >&2
        fi
        measured=$program XDG_CACHE_HOME="$tmp/cache"
        mv "$tmp/kept" "$tmp/ours"
    elif [ "$round" = 1 ]; then
        awk -v net="$name:" -v runs="$runs" -v name="$name" '
            / MFLOP an image, / { here = $1 == net }
            here && $1 == "pyrdiff" {
                sub(",$", "", $10)
                print name, "against", $3, $6, $9, $10, 0, 0, $2 >>runs
                found = 1
            }
            END { exit !found }' "$against" || echo "left out: $against has no $name" >&2
    fi
}
# "14 14 4": the peer's --size and --patch; sample_size is the network's own grid.
grid_of() {
    "$python" -c 'import json, sys
c = json.load(open(sys.argv[1]))
p, s = c.get("_pyrdiff_patch", 1), c["sample_size"]
print(*(p * side for side in (s if isinstance(s, list) else [s, s])), p)' "$1"
}
peer() { # MODE
    grid_of "$folder/config.json" >"$tmp/grid"
    read -r h w patch <"$tmp/grid"
    images=$(value batch "$tmp/ours")
    "$python" bench/torch_peer.py "$folder" --device "$device" --size "$h" "$w" --patch "$patch" --batch "$images" --modes "$1" \
        --threads "$threads" --repeats "$repeats" 2>"$tmp/messages" >"$tmp/peer" || {
        echo "left out: PyTorch's $1 on $name: $(tail -n 1 "$tmp/messages")" >&2
        return 0
    }
    grep '"train"' "$tmp/peer" >"$tmp/train"
    grep '"sample"' "$tmp/peer" >"$tmp/sample"
    echo "$name pytorch-$1 $(value best_s "$tmp/train") $(value best_s "$tmp/sample")" \
        "$(value "$peer_peak" "$tmp/sample") $(value first_step_s "$tmp/train")" |
        awk -v n="$images" '{ print $1, $2, n / $3, n / $4, $5, $6, 0, n, "-" }' >>"$runs"
}

round=1
while [ "$round" -le "$rounds" ]; do
    while read -r name folder how; do
        echo "round $round of $rounds, $name" >&2
        # $how is several words
        bench --seconds "$seconds" $how "$@" >"$tmp/ours" </dev/null
        ours pyrdiff
        [ -z "$against" ] || earlier "$@"
        if [ "$round" = 1 ] && [ "$device" = cpu ]; then
            bench --seconds "$seconds" --floor $how "$@" >"$tmp/floor" </dev/null
            echo "$name floor $(value train_floor "$tmp/floor") $(value forward_floor "$tmp/floor")" \
                "$(value train_onednn_floor "$tmp/floor") $(value forward_onednn_floor "$tmp/floor") 0 0 -" >>"$runs"
        fi
        for mode in $(echo "$modes" | tr ',' ' '); do
            peer "$mode" </dev/null
        done
    done <"$tmp/list"
    round=$((round + 1))
done

cat >"$tmp/tables.awk" <<'END'
# network engine train forward peak first-step mflop batch precision; of `floor`: its two figures, oneDNN's two
function median(key, what,    n, i, j, x, a) {
    n = count[key]
    for (i = 1; i <= n; i++) {
        x = figure[key, what, i]
        for (j = i - 1; j > 0 && a[j] > x; j--)
            a[j + 1] = a[j]
        a[j + 1] = x
    }
    low = a[1]
    high = a[n]
    return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
function spread(key, what,    m) {
    m = median(key, what)
    return sprintf("%.0f (%.0f-%.0f)", m, low, high)
}
# The first round's, and the last's.
function start(key) {
    if (count[key] == 1)
        return sprintf("%.2f", figure[key, 4, 1])
    return sprintf("%.2f, %.2f", figure[key, 4, 1], figure[key, 4, count[key]])
}
# Of the peer's engines, the largest (sign 1) or smallest (-1).
function best(net, what, sign,    i, m, b, found) {
    for (i = 1; i <= engines[net]; i++)
        if (engine[net, i] ~ /^pytorch/) {
            m = what == 4 ? figure[net SUBSEP engine[net, i], 4, 1] : median(net SUBSEP engine[net, i], what)
            if (!found || sign * m > sign * b)
                b = m
            found = 1
        }
    return found ? b : 0
}
function title(net, name) {
    if (name == "pyrdiff")
        return "pyrdiff " precision[net]
    return name == "against" ? "earlier " of_earlier[net] : name
}
function row(net, name, words,    key, m) {
    key = net SUBSEP name
    printf "%-16s %22s %8.1f %24s %8.1f %9.0f %13s\n", words, spread(key, 1), 3 * mflop[net] * median(key, 1) / 1e3,
        spread(key, 2), mflop[net] * median(key, 2) / 1e3, median(key, 3), start(key)
}
$2 == "floor" { for (i = 3; i <= 6; i++) floor[$1, i - 2] = $i; next }
{
    key = $1 SUBSEP $2
    if (!($1 in engines))
        nets[++n] = $1
    if (!count[key]++)
        engine[$1, ++engines[$1]] = $2
    for (i = 1; i <= 4; i++)
        figure[key, i, count[key]] = $(i + 2)
    if ($2 == "pyrdiff") {
        mflop[$1] = $7
        precision[$1] = $9
    }
    if ($2 == "against")
        of_earlier[$1] = $9
    else
        batch[$1] = $8
}
END {
    for (net = 1; net <= n; net++) {
        name = nets[net]
        us = name SUBSEP "pyrdiff"
        printf "%s: %.1f MFLOP an image, training batch %d\n", name, mflop[name], batch[name]
        printf "%-16s %22s %8s %24s %8s %9s %13s\n", "", "training, images/s", "GFLOP/s", "forward, images/s", "GFLOP/s",
            "peak MiB", "start-up s"
        for (i = 1; i <= engines[name]; i++)
            row(name, engine[name, i], title(name, engine[name, i]))
        if (best(name, 1, 1))
            printf "%-16s %22.2f %8s %24.2f %8s %9.2f %13.2f\n", "to the best", median(us, 1) / best(name, 1, 1), "",
                median(us, 2) / best(name, 2, 1), "", best(name, 3, -1) / median(us, 3),
                best(name, 4, -1) / figure[us, 4, 1]
        them = name SUBSEP "against"
        if (count[them])
            printf "%-16s %22.2f %8s %24.2f %8s %9.2f %13.2f\n", "to the earlier", median(us, 1) / median(them, 1), "",
                median(us, 2) / median(them, 2), "", median(them, 3) / median(us, 3), figure[them, 4, 1] / figure[us, 4, 1]
        if (floor[name, 1] + 0 > 0)
            printf "%-16s %21.0f%% %8s %23.0f%%\n", "of the floor", 100 * median(us, 1) / floor[name, 1], "",
            100 * median(us, 2) / floor[name, 2]
        if (floor[name, 3] + 0 > 0)
            printf "%-16s %21.0f%% %8s %23.0f%%\n", " oneDNN's", 100 * median(us, 1) / floor[name, 3], "",
                100 * median(us, 2) / floor[name, 4]
        print ""
    }
}
END
awk -f "$tmp/tables.awk" "$runs" >"$tmp/tables"
cat "$tmp/tables"
if [ -n "$out" ]; then
    mkdir -p "$(dirname "$out")"
    {
        cat "$tmp/tables"
        [ "$device" = cpu ] || nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | sed -n '1s/^/GPU         /p'
        cpu=$(lscpu 2>/dev/null | sed -n 's/^Model name: *//p' | head -n 1)
        echo "machine     $cpu, $(getconf _NPROCESSORS_ONLN) processors; threads used: $threads"
        "$program" info | sed -n '1,3p'
        [ -z "$modes" ] || "$python" -c 'import diffusers, platform, torch
print(f"peer        PyTorch {torch.__version__}, diffusers {diffusers.__version__}, Python {platform.python_version()}")'
        [ -z "$against" ] || echo "earlier     $against$([ ! -x "$against" ] || "$against" info | sed -n '1s/^[^ ]* */: /p')"
        echo "rounds      $rounds, in turns; pyrdiff $seconds s each, PyTorch $repeats steps"
        echo "command     bench/compare.sh $typed" | sed "s|--python [^ ]*/python|--python V/bin/python|"
    } >"$out"
fi
