#!/bin/sh
# library: make install and uninstall, and what other programs do with the library: the examples, built through pkg-config against
# the installed one, shared and static; its header in C++.
. tests/cli/lib.sh
CC=${CC-gcc}
root=$tmp/root
prefix=$root/usr
install_into() { make -s --no-print-directory "$@" >"$tmp/stdout" 2>"$tmp/stderr"; }

begin "make install"
last_command="make install PREFIX=$prefix"
wanted && { install_into install PREFIX="$prefix" || bad "make install failed"; }
for file in bin/pyrdiff include/pyrdiff.h lib/libpyrdiff.so lib/libpyrdiff.a lib/pkgconfig/pyrdiff.pc share/man/man1/pyrdiff.1 \
    share/man/man1/pyrdiff-train.1 share/bash-completion/completions/pyrdiff share/zsh/site-functions/_pyrdiff; do
    holds test -s "$prefix/$file"
done
last_command="$prefix/bin/pyrdiff info"
wanted && { "$prefix/bin/pyrdiff" info >"$tmp/stdout" 2>&1 || bad "the installed program does not run"; }
# as many pages as commands, and one for all
commands=$("$program" --help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' | wc -l)
pages=$(find "$prefix/share/man" -name '*.1' 2>/dev/null | wc -l)
wanted && [ "$pages" != $((commands + 1)) ] && bad "$pages man pages for $commands commands"

begin "only the public names are seen from outside"
for library in lib/libpyrdiff.so lib/libpyrdiff.a; do
    option=
    [ $library = lib/libpyrdiff.so ] && option=-D
    nm $option --defined-only --extern-only "$prefix/$library" 2>/dev/null | sed -n 's/.* [A-Z] \([^@]*\).*/\1/p' | sort -u >"$tmp/seen"
    grep -v '^PYRDIFF_0$' "$tmp/seen" >"$tmp/names"
    holds grep -q '^pyrdiff_train$' "$tmp/names"
    others=$(grep -v '^pyrdiff_' "$tmp/names")
    wanted && [ -n "$others" ] && bad "$library defines $others"
    missing=$(sed -n 's/^PYRDIFF_API .*\(pyrdiff_[a-z_]*\)(.*/\1/p' include/pyrdiff.h | sort -u | comm -23 - "$tmp/names")
    wanted && [ -n "$missing" ] && bad "$library lacks $missing"
done
last_command="readelf -d $prefix/lib/libpyrdiff.so"
wanted && { readelf -d "$prefix/lib/libpyrdiff.so" | grep -q 'SONAME.*libpyrdiff\.so\.0\]' || bad "its soname is not libpyrdiff.so.0"; }

# The library has nothing that would end, print for, or catch a signal of the program that uses it.
begin "no exit, no print, no signal handler"
nm -u "$prefix/lib/libpyrdiff.a" 2>/dev/null | sed -n 's/.* U \([^@]*\).*/\1/p' | sort -u >"$tmp/used"
holds grep -q '^malloc\|^aligned_alloc' "$tmp/used"
# (What nvcc makes of CUDA sources registers their end itself.)
grep -q '^__cudaRegisterFatBinary$' "$tmp/used" || for_all=atexit
for name in exit abort printf puts putchar vprintf sigaction signal setlocale $for_all; do
    wanted && grep -q "^$name$" "$tmp/used" && bad "the library calls $name"
done

PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
version=$(pkg-config --modversion pyrdiff 2>/dev/null)

begin "examples on the shared library"
if command -v pkg-config >/dev/null; then
    wanted && [ "$version" != "$(sed -n 's/^#define PYRDIFF_VERSION "\(.*\)"/\1/p' include/pyrdiff.h)" ] && bad "pkg-config says $version"
    for example in train_buffer sample_progress pyramid_roundtrip; do
        last_command="$CC examples/$example.c \$(pkg-config --cflags --libs pyrdiff)"
        # shellcheck disable=SC2046
        wanted && { $CC -std=c11 -Wall -Wextra -Wno-missing-field-initializers -Werror examples/$example.c $(pkg-config --cflags --libs pyrdiff) \
            -Wl,-rpath,"$prefix/lib" -o "$tmp/$example" 2>"$tmp/stderr" || bad "$example does not compile"; }
        wanted && [ "$(wc -l <examples/$example.c)" -ge 60 ] && bad "$example has 60 lines or more"
    done
    last_command="$tmp/train_buffer"
    wanted && { "$tmp/train_buffer" "$tmp/run" >"$tmp/stdout" 2>"$tmp/stderr" || bad "train_buffer fails"; }
    says "level 0: step 64 of 64"
    last_command="$tmp/train_buffer again"
    wanted && { "$tmp/train_buffer" "$tmp/run" >"$tmp/stdout" 2>"$tmp/stderr" || bad "train_buffer fails"; }
    says "level 0 is finished"
    last_command="$tmp/sample_progress"
    wanted && { "$tmp/sample_progress" "$tmp/run" "$tmp/shared.png" >"$tmp/stdout" 2>"$tmp/stderr" || bad "sample_progress fails"; }
    complains "64 of 64 images"
    last_command="$tmp/pyramid_roundtrip"
    wanted && { "$tmp/pyramid_roundtrip" tests/golden/images/rgb_8.png >"$tmp/stdout" 2>"$tmp/stderr" || bad "pyramid_roundtrip fails"; }
    says "the same"
    last_command="$tmp/sample_progress of nothing"
    wanted && "$tmp/sample_progress" "$tmp/nothing" "$tmp/x.png" >"$tmp/stdout" 2>"$tmp/stderr" && bad "sampled from nothing"
    complains "$tmp/nothing"
else
    skip "pkg-config is not installed"
fi

begin "examples on the static library"
if command -v pkg-config >/dev/null; then
    last_command="$CC examples/sample_progress.c -Wl,-Bstatic -lpyrdiff -Wl,-Bdynamic"
    # shellcheck disable=SC2046
    wanted && { $CC -std=c11 examples/sample_progress.c $(pkg-config --cflags pyrdiff) -L"$prefix/lib" -Wl,-Bstatic -lpyrdiff -Wl,-Bdynamic \
        $(pkg-config --static --libs pyrdiff) -o "$tmp/static" 2>"$tmp/stderr" || bad "does not compile"; }
    wanted && { readelf -d "$tmp/static" | grep -q 'NEEDED.*libpyrdiff' && bad "needs the shared library"; }
    last_command="$tmp/static"
    wanted && { "$tmp/static" "$tmp/run" "$tmp/static.png" >"$tmp/stdout" 2>"$tmp/stderr" || bad "it fails"; }
    holds cmp "$tmp/shared.png" "$tmp/static.png"
else
    skip "pkg-config is not installed"
fi

begin "the header in C++"
if command -v g++ >/dev/null; then
    cat >"$tmp/check.cc" <<'END'
#include <pyrdiff.h>
#include <cstdio>
int main()
{
    pyrdiff_found found = {};
    found.size = sizeof found;
    std::puts(pyrdiff_build());
    return pyrdiff_look("examples", -1, &found) != PYRDIFF_OK || found.kind != PYRDIFF_FOLDER;
}
END
    last_command="g++ check.cc"
    wanted && { g++ -std=c++11 -Wall -Wextra -Werror -pedantic -I"$prefix/include" "$tmp/check.cc" -L"$prefix/lib" -lpyrdiff \
        -Wl,-rpath,"$prefix/lib" -o "$tmp/check" 2>"$tmp/stderr" || bad "does not compile"; }
    wanted && { "$tmp/check" >"$tmp/stdout" 2>"$tmp/stderr" || bad "it fails"; }
    says "(sources "
else
    skip "g++ is not installed"
fi

begin "make uninstall leaves nothing; DESTDIR goes in front"
last_command="make uninstall PREFIX=$prefix"
wanted && { install_into uninstall PREFIX="$prefix" || bad "make uninstall failed"; }
wanted && [ -d "$prefix" ] && bad "left: $(find "$prefix" | head -n 5)"
last_command="make install DESTDIR=$tmp/staged PREFIX=/opt/x"
wanted && { install_into install DESTDIR="$tmp/staged" PREFIX=/opt/x || bad "make install failed"; }
holds test -x "$tmp/staged/opt/x/bin/pyrdiff"
holds grep -q '^prefix=/opt/x$' "$tmp/staged/opt/x/lib/pkgconfig/pyrdiff.pc"
mkdir -p "$tmp/staged/opt/x/bin" && : >"$tmp/staged/opt/x/bin/another"
wanted && { install_into uninstall DESTDIR="$tmp/staged" PREFIX=/opt/x || bad "make uninstall failed"; }
left=$(find "$tmp/staged" ! -type d)
wanted && [ "$left" != "$tmp/staged/opt/x/bin/another" ] && bad "left: $left"

finish
