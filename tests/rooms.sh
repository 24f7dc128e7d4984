#!/bin/sh
# rooms: the order of the sources. A room includes only headers of rooms before it in the Makefile's list, and has 30 files at
# most; a file has a name of its own in the whole tree, and begins with its head line, /* NAME - what it is for; a function has 80
# lines at most (tables are none); comments end on the line of their last word.
passed=0 failed=0
say() {
    echo "FAILED $*"
    bad=$((bad + 1))
}
# The end of a check: it counts as passed when nothing was said since the last one.
check() {
    [ "$bad" = 0 ] && passed=$((passed + 1)) || failed=$((failed + bad))
    bad=0
}
bad=0
rooms=$(make -s --no-print-directory list-rooms)
sources=$(find . -path ./build -prune -o \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cc' \) -print | sed 's,^./,,' | sort)

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
check

for room in $rooms kernels/cuda; do
    files=$(echo "$sources" | grep -c "^$room/[^/]*$")
    [ "$files" -le 30 ] || say "$room/ has $files files: more than 30 are no room but a hall"
done
check

# These commands live on the public header: what they include, and what that includes, is nothing else of the library but the
# words of base/ and settings/ that the command line itself is made of.
for file in cli/cmd_train.c cli/cmd_eval.c cli/cmd_decompose.c cli/next_command.c cli/watch.c cli/sample/*.c; do
    for used in $(sed -n 's,^#include "\(.*\)/[^/]*".*,\1,p' "$file"); do
        case $used in
        include | terminal | cli | cli/sample) ;;
        *) say "$file includes a header of $used/, and not include/pyrdiff.h alone" ;;
        esac
    done
    for used in $(${CC-gcc} -std=c11 -I. -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -MM "$file" | tr -d '\\' | tr ' ' '\n' |
        sed -n 's,^\([a-z].*\)/[^/]*\.h$,\1,p' | sort -u); do
        case $used in
        include | terminal | cli | cli/sample | base | settings) ;;
        *) say "$file includes $used/ by way of other headers" ;;
        esac
    done
done
check

# The tour of the sources in README.md passes through every room.
for room in $rooms kernels/cuda; do
    sed -n '/^## A tour of the sources/,/^## Licence/p' README.md | grep -q -F "$room/" || say "README.md's tour leaves out $room/"
done
check

for name in $(echo "$sources" | sed 's,.*/,,' | sort | uniq -d); do
    say "two files are named $name"
done
check

for file in $sources; do
    IFS= read -r line <"$file"
    case $line in
    "/* ${file##*/} - "?*) ;;
    *) say "$file does not begin with /* ${file##*/} - what it is for" ;;
    esac
done
check

# As clang-format writes it, the body of a function is between a { and a } at the beginning of their lines, that of a table not.
# shellcheck disable=SC2086
long=$(awk 'FNR == 1 { begin = 0 }
    /^\{/ { begin = FNR }
    /^\}/ && begin { if (FNR - begin - 1 > 80) print FILENAME ":" begin; begin = 0 }' $sources)
for place in $long; do
    say "$place: a function of more than 80 lines"
done
check

# shellcheck disable=SC2086
for place in $(grep -n '^[[:space:]]*\*/$' $sources | cut -d: -f1,2); do
    say "$place: a line of nothing but the end of a comment"
done
check

echo "rooms: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
