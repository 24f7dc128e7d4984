#!/bin/sh
# run.sh - run test programs and scripts, add up their counts, and print the sum alone on the last line.
#
# Usage: tests/run.sh COUNTS_FILE LABEL PROGRAM ...     run, append the counts to the file
#        tests/run.sh COUNTS_FILE --sum                 print the sum; exit 1 unless all passed
# A program prints "NAME: N passed, N failed, N skipped" as its last line; one that dies without counts as a failure.
counts=$1
shift
if [ "$1" = --sum ]; then
    awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' "$counts"
    exit
fi
label=$1
shift
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for program in "$@"; do
    start=$(date +%s)
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
        continue
    fi
    set -- $(echo "$line" | sed 's/.*: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped/\1 \2 \3/') "$@"
    passed=$1 failed=$2 skipped=$3
    shift 3
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
    fi
    [ "$failed" = 0 ] || cat "$out"
    grep '^skipped' "$out"
    echo "[$label] $line ($(($(date +%s) - start)) s)"
    echo "$passed $failed $skipped" >>"$counts"
done
