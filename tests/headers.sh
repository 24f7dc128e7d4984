#!/bin/sh
# Every public header compiles alone, as C11 with all warnings, and twice in one file.
CC=${CC-gcc}
passed=0 failed=0
for header in $(find . -name '*.h' ! -path './build/*' ! -path './tests/*' ! -path './kernels/cuda/*' ! -path './kernels/ref/*' | sed 's,^./,,' | sort) kernels/ref/ref.h; do
    if printf '#include "%s"\n#include "%s"\ntypedef int not_empty;\n' "$header" "$header" |
        $CC -std=c11 -I. -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes \
            -Wno-unused-function -Werror -fsyntax-only -x c -; then
        passed=$((passed + 1))
    else
        echo "FAILED $header does not compile alone"
        failed=$((failed + 1))
    fi
done
# The installed one, under the strictest flags, as C of three kinds and as C++.
public() {
    if printf '#include "include/pyrdiff.h"\nint main(void);\nint main(void) { return pyrdiff_version() != PYRDIFF_VERSION_NUMBER; }\n' |
        "$@" -I. -pedantic -Wall -Wextra -Werror -fsyntax-only -; then
        passed=$((passed + 1))
    else
        echo "FAILED include/pyrdiff.h does not compile with $*"
        failed=$((failed + 1))
    fi
}
for std in c99 c11 c17; do
    public "$CC" -x c -std=$std -Wstrict-prototypes -Wold-style-definition
done
for compiler in g++ clang++; do
    command -v $compiler >/dev/null 2>&1 || continue
    public $compiler -x c++ -std=c++11 -Wold-style-cast
    public $compiler -x c++ -std=c++20
done
echo "headers: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
