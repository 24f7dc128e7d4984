#!/bin/sh
# run.sh - make fuzz: each target for $MINUTES minutes, or $RUNS inputs where that is less, $JOBS of them side by side.
#
# Usage: FUZZ=FOLDER ENGINE=libfuzzer|mutations tests/fuzz/run.sh TARGET ...
# FUZZ holds the programs. What reaches new code is kept in build/fuzz-corpus/TARGET and is where the next run begins,
# an input that fails is kept in build/fuzz-found. A failure is a crash, a sanitizer's report, a leak, more than
# 2 GiB in all or 512 MiB in one piece, or more than 10 seconds for one input. Without libFuzzer the mutations of
# replay_main.c are used, which do not look at coverage: nothing is kept of them but their number.
. tests/fuzz/seeds.sh
seconds=$(awk "BEGIN { print int(60 * ${MINUTES:-1} + 0.5) }")
corpus=build/fuzz-corpus found=build/fuzz-found
work=$(mktemp -d)
mkdir -p "$corpus" "$found"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
# Inputs as files are written again and again: in memory where that can be had.
if [ -w /dev/shm ]; then files=$(mktemp -d -p /dev/shm); else files=$work/files && mkdir "$files"; fi
trap 'rm -rf "$work" "$files"' EXIT
export TMPDIR="$files"
# Faster, and little memory of their own.
ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_stack_use_after_return=0:quarantine_size_mb=8:malloc_context_size=8"
export ASAN_OPTIONS

with_libfuzzer() {
    target=$1 log=$2
    mkdir -p "$corpus/$target" "$work/seeds-$target"
    "$FUZZ/$target" --seeds "$work/seeds-$target" >"$log" 2>&1 || return 1
    for file in $(seeds_of "$target"); do
        cp "$file" "$work/seeds-$target/$(basename "$(dirname "$file")")-$(basename "$file")"
    done
    "$FUZZ/$target" -runs="${RUNS:--1}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 -reload=0 \
        -max_len="${MAX_LEN:-4096}" -len_control=20 -artifact_prefix="$found/$target-" \
        "$corpus/$target" "$work/seeds-$target" >"$log" 2>&1
}

# In rounds, each of another seed.
with_mutations() {
    target=$1 log=$2 round=0 inputs=0
    end=$(($(date +%s) + seconds))
    until [ "$inputs" -ge "${RUNS:-999999999999}" ] || [ "$(date +%s)" -ge "$end" ]; do
        round=$((round + 1))
        "$FUZZ/$target" --mutate 2000 --seed "$round" $(seeds_of "$target") >"$log" 2>&1 || return 1
        inputs=$((inputs + 2000))
    done
    echo "stat::number_of_executed_units: $inputs" >>"$log"
}

run_one() {
    target=$1 log=$work/$target.log
    start=$(date +%s)
    "with_$ENGINE" "$target" "$log"
    status=$?
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    kept=$(sed -n 's/^stat::new_units_added: *//p' "$log")
    points=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-12s %12s inputs in %5s s, %6s places of the code, %5s inputs are new%s\n' "$target" "${inputs:-?}" \
        $(($(date +%s) - start)) "${points:--}" "${kept:--}" "$([ $status = 0 ] || echo ', FAILED')"
    [ $status = 0 ] || { tail -n 60 "$log" && cp "$log" "$found/$target.log"; }
    [ $status = 0 ] && echo 1 0 >>"$work/counts" || echo 0 1 >>"$work/counts"
}

# Take the next target that nobody has taken, until there is none.
worker() {
    for next in "$@"; do
        mkdir "$work/$next.taken" 2>/dev/null && run_one "$next"
    done
}

for job in $(seq "${JOBS:-2}"); do
    worker "$@" &
done
wait
awk '{ p += $1; f += $2 } END { printf "fuzz: %d passed, %d failed, 0 skipped\n", p, f; exit f > 0 || p == 0 }' "$work/counts"
