#!/bin/sh
# sets: the kernels of the CPU with each instruction set that this processor has below its best ($TEST_KERNELS: test_kernels), and
# what the program says of one that it has not. Usage: tests/sets.sh PYRDIFF
pyrdiff=$1
passed=0 failed=0
best=$("$pyrdiff" info | sed -n 's/^processors .* with //p')
for set in x86-64 avx2 avx512 avx512-bf16; do
    [ "$set" = "$best" ] && break
    [ "$best" = base ] && break
    if PYRDIFF_CPU=$set "$TEST_KERNELS" cpu >/dev/null 2>&1; then
        passed=$((passed + 1))
    else
        echo "FAILED again with: PYRDIFF_CPU=$set $TEST_KERNELS cpu"
        failed=$((failed + 1))
    fi
done
if PYRDIFF_CPU=mmx "$pyrdiff" info | grep -q 'PYRDIFF_CPU=mmx is none of '; then
    passed=$((passed + 1))
else
    echo "FAILED an instruction set that there is not is refused with a list"
    failed=$((failed + 1))
fi
echo "sets: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
