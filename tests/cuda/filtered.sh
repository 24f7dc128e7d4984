#!/bin/sh
# filtered.sh - the tests of all backends once more, those of their cases that are CUDA's, in $EMULATED, a folder of programs that are
# linked with the device that is none; the kernels' table with one thread a block and with 64 that meet.
total_passed=0 total_failed=0 total_skipped=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

run() { # PROGRAM FILTER THREADS
    line=$(FAKE_CUDA_THREADS=$3 "$EMULATED/$1" "$2" 2>&1 | tee "$log" | tail -n 1)
    numbers=$(echo "$line" | sed -n 's/.*: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped/\1 \2 \3/p')
    # shellcheck disable=SC2086
    set -- "$1" "$2" "$3" ${numbers:-0 1 0}
    [ "$5" = 0 ] && [ "$4" != 0 ] || { cat "$log"; echo "FAILED $1 $2 with $3 threads"; }
    total_passed=$((total_passed + $4)) total_failed=$((total_failed + $5)) total_skipped=$((total_skipped + $6))
}

run test_kernels cuda 1
run test_kernels cuda 64
echo "cuda-kernels: $total_passed passed, $total_failed failed, $total_skipped skipped"
[ "$total_failed" = 0 ]
