#!/bin/sh
# run.sh - run test programs and scripts, add up their counts, and print only the sum on the last line.
#
# Usage: tests/run.sh COUNTS_FILE LABEL PROGRAM ...     run, as many at a time as there are processors (or $TEST_JOBS), and
#                                                       append the counts to the file
#        tests/run.sh COUNTS_FILE --sum                 print the sum; exit 1 unless all passed
# A program prints "NAME: N passed, N failed, N skipped" as its last line; one that dies without counts as a failure.
# Times: seconds of the clock, and of the processor in the program and all that it started.
counts=$1
shift
if [ "$1" = --sum ]; then
    awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' "$counts"
    exit
fi
label=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# Seconds of the processor that this shell's children have used, in `cpu`: `times` in this shell, not in a copy of it.
processor_time() {
    times >"$1"
    cpu=$(awk 'NR == 2 { gsub(/[ms]/, " "); print int($1 * 60 + $2 + $3 * 60 + $4 + 0.5) }' "$1")
}

# Run one program; what is to be seen of it goes to stdout in one piece.
run_one() {
    program=$1 out=$2
    start=$(date +%s)
    processor_time "$out-times"
    cpu_before=$cpu
    case $program in
    *.sh) sh "$program" "${PYRDIFF-./pyrdiff}" >"$out" 2>&1 ;;
    *) "$program" >"$out" 2>&1 ;;
    esac
    status=$?
    line=$(grep -E '^[^ ]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$out" | tail -n 1)
    if [ -z "$line" ]; then
        cat "$out"
        echo "FAILED [$label] $program: ended with status $status and no counts"
        echo "0 1 0" >>"$counts"
        return
    fi
    numbers=$(echo "$line" | sed 's/.*: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped/\1 \2 \3/')
    passed=${numbers%% *} skipped=${numbers##* }
    failed=${numbers#* }
    failed=${failed% *}
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
    fi
    [ "$failed" = 0 ] || cat "$out"
    grep '^skipped' "$out"
    processor_time "$out-times"
    echo "[$label] $line ($(($(date +%s) - start)) s, $((cpu - cpu_before)) s of processor time)"
    echo "$passed $failed $skipped" >>"$counts"
}

# Take the next program that nobody has taken, until there is none.
worker() {
    number=0
    for next in "$@"; do
        number=$((number + 1))
        mkdir "$work/$number" 2>/dev/null || continue
        run_one "$next" "$work/$number/out" >"$work/$number/seen"
        cat "$work/$number/seen"
    done
}

jobs=${TEST_JOBS:-$(getconf _NPROCESSORS_ONLN)}
while [ "$jobs" -gt 0 ]; do
    worker "$@" &
    jobs=$((jobs - 1))
done
wait
