#!/bin/sh
# The readers of untrusted files and texts on damaged copies of good ones: $FUZZ holds the programs, $MUTATIONS says
# how many inputs each gets. A crash, a sanitizer's report, a leak, more than 2 GiB or 20 seconds for an input fail.
. tests/fuzz/seeds.sh
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
for target in $(targets_of); do
    if TMPDIR=$work "$FUZZ/$target" --mutate "${MUTATIONS:-3000}" --seed 1 $(seeds_of "$target") >/dev/null; then
        passed=$((passed + 1))
    else
        echo "FAILED fuzzing $target: again with: $FUZZ/$target --mutate ${MUTATIONS:-3000} --seed 1" $(seeds_of "$target")
        failed=$((failed + 1))
    fi
done
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
