#!/bin/sh
# clang builds everything without a warning. Its optimizer, which takes most of the time, warns only of loops that it cannot
# make into vector code as they ask.
if ! command -v clang >/dev/null 2>&1; then
    echo "skipped clang: not installed"
    echo "clang: 0 passed, 0 failed, 1 skipped"
    exit 0
fi
build="make --no-print-directory -j2 CC=clang WERROR=1 CUDA=0"
if $build OPT=-O0 build-only && $build OPT=-O1 vector-loops; then
    echo "clang: 1 passed, 0 failed, 0 skipped"
else
    echo "clang: 0 passed, 1 failed, 0 skipped"
    exit 1
fi
