#!/bin/sh
# sets: the tests of what is compiled for each instruction set ($SET_TESTS: programs), with each that this processor has below its
# best, and what the program says of one that it has not. Usage: tests/sets.sh PYRDIFF
pyrdiff=$1
passed=0 failed=0
best=$("$pyrdiff" info | sed -n 's/^processors .* with //p')
for set in x86-64 avx2 avx512 avx512-bf16 avx512-amx; do
    [ "$set" = "$best" ] && break
    [ "$best" = base ] && break
    for test in $SET_TESTS; do
        # Of the backends' cases those of the CPU: the others are the same with every set.
        [ "${test##*/}" = test_kernels ] && cases=cpu || cases=
        if PYRDIFF_CPU=$set "$test" ${cases:+"$cases"} >/dev/null 2>&1; then
            passed=$((passed + 1))
        else
            echo "FAILED again with: PYRDIFF_CPU=$set $test $cases"
            failed=$((failed + 1))
        fi
    done
done
if PYRDIFF_CPU=mmx "$pyrdiff" info | grep -q 'PYRDIFF_CPU=mmx is none of '; then
    passed=$((passed + 1))
else
    echo "FAILED an instruction set that there is not is refused with a list"
    failed=$((failed + 1))
fi
echo "sets: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
