#!/bin/sh
# aarch64: the kernels for NEON, compiled by a cross compiler; those that need no library are run by qemu.
# Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
cross=aarch64-linux-gnu
for tool in $cross-gcc qemu-aarch64; do
    command -v $tool >/dev/null 2>&1 && continue
    echo "skipped aarch64: $tool is not installed"
    echo "aarch64: 0 passed, 0 failed, 1 skipped"
    exit 0
done
passed=0 failed=0
build=build/aarch64
mkdir -p build
if make --no-print-directory -j2 CC=$cross-gcc LD=$cross-ld OBJCOPY=$cross-objcopy OPT=-O2 SAN= CUDA=0 WERROR=1 CFLAGS= LDFLAGS= B=$build bare \
    >$build.log 2>&1; then
    passed=1
else
    grep -m 10 -E ' error: |undefined|warning: ' $build.log
    echo "FAILED the kernels compile for aarch64 ($build.log)"
    failed=1
fi
for test in $build/bare/test_*; do
    if qemu-aarch64 "$test" >$build.out; then
        passed=$((passed + 1))
    else
        cat $build.out
        echo "FAILED again with: qemu-aarch64 $test"
        failed=$((failed + 1))
    fi
done
echo "aarch64: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
