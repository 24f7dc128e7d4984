#!/bin/sh
# Arrows between rooms go one way: a room includes headers of the rooms before it in the Makefile's list alone; file names are
# unique in the whole tree, and each file begins with its head line.
passed=0 failed=0
say() {
    echo "FAILED $*"
    failed=$((failed + 1))
}
rooms=$(make -s --no-print-directory list-rooms)
# base/a.c and base/a.h are one; kernels/cuda is a part of kernels.
before=
for room in $rooms; do
    before="$before $room"
    for file in "$room"/*.[ch] "$room"/*.cu; do
        [ -f "$file" ] || continue
        for used in $(sed -n 's,^#include "\(.*\)/[^/]*".*,\1,p' "$file"); do
            case "$before " in
            *" $used "*) ;;
            *) case $used in
                kernels/*) [ "${room%%/*}" = kernels ] || say "$file includes a header of $used/" ;;
                *) say "$file includes a header of $used/, a room after $room/" ;;
                esac ;;
            esac
        done
    done
done
[ "$failed" = 0 ] && passed=1
for name in $(find . -path ./build -prune -o \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cc' \) -print |
    sed 's,.*/,,' | sort | uniq -d); do
    say "two files are named $name"
done
echo "rooms: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
