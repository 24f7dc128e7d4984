#!/bin/sh
# The sources are as clang-format writes them.
if ! command -v clang-format >/dev/null 2>&1; then
    echo "skipped format: clang-format is not installed"
    echo "format: 0 passed, 0 failed, 1 skipped"
    exit 0
fi
passed=0 failed=0
for file in $(find . -path ./build -prune -o \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' \) -print); do
    if clang-format --dry-run -Werror "$file" 2>/dev/null; then
        passed=1
    else
        echo "FAILED $file is not formatted: make format"
        failed=$((failed + 1))
    fi
done
[ "$failed" = 0 ] || passed=0
echo "format: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
