#!/bin/sh
# The sources are as clang-format writes them.
if ! command -v clang-format >/dev/null 2>&1; then
    echo "skipped format: clang-format is not installed"
    echo "format: 0 passed, 0 failed, 1 skipped"
    exit 0
fi
sources=$(find . -path ./build -prune -o \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' \) -print)
# shellcheck disable=SC2086
if report=$(clang-format --dry-run -Werror $sources 2>&1); then
    echo "format: 1 passed, 0 failed, 0 skipped"
    exit 0
fi
for file in $(echo "$report" | sed -n 's/:[0-9]*:[0-9]*: error: .*//p' | sort -u); do
    echo "FAILED $file is not formatted: make format"
done
[ -n "$report" ] || echo "FAILED clang-format ended without a reason"
echo "format: 0 passed, 1 failed, 0 skipped"
exit 1
