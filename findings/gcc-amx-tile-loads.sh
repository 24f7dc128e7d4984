#!/bin/sh
# What was written to memory right before it is loaded as a tile of AMX may never be written: gcc leaves the store out.
#
# gcc 12.2.0-14+deb12u1 (Debian 12), -O2 -mamx-tile. _tile_loadd of <immintrin.h> is inline assembly there that takes an address and
# does not say that it reads memory; _tile_stored says that it writes some. So a store whose place is written again later, with
# nothing but tile loads in between, is dead to the compiler. That is how a scratch buffer is used: fill, load, fill anew, load.
# The first load then sees what was there before. For
#
#     rows[0] = 11; _tile_loadd(0, rows, 64);
#     rows[0] = 22; _tile_loadd(1, rows, 64);
#
# the assembly has 22 and two tileloadd, and 11 nowhere. With an empty asm volatile("" ::: "memory") in front of each load, 11 and 22 are
# there. Run on a processor with AMX, of rows that were zero, the two tiles begin with 0 and 22 (with -fsanitize=address, too, which has
# nothing to say), unoptimised with 11 and 22. clang 14, whose intrinsics are builtins that the optimiser knows, has 11 and 22 with -O2.
# Nothing warns. kernels/simd/amx.h has such a barrier.
# Only the compiler is run, so that no processor with AMX is needed. Debian 12 on x86-64; elsewhere the script says that it is skipped.
set -eu
version=12.2.0-14+deb12u1
if [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] || ! apt-cache show "gcc-12=$version" >/dev/null 2>&1; then
    echo "skipped: no package gcc-12 $version here"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
apt-get -qq download "gcc-12=$version" "cpp-12=$version" "libgcc-12-dev=$version" 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
cat >rows.c <<'C'
#include <immintrin.h>

void two_fillings(short *rows, char *out)
{
    rows[0] = 11;
    BARRIER;
    _tile_loadd(0, rows, 64);
    rows[0] = 22;
    BARRIER;
    _tile_loadd(1, rows, 64);
    _tile_stored(0, out, 64);
    _tile_stored(1, out + 1024, 64);
}
C
# Which of the two numbers the assembly has.
numbers() {
    root/usr/bin/x86_64-linux-gnu-gcc-12 -O2 -mamx-tile "-DBARRIER=$1" -S rows.c -o rows.s
    [ "$(grep -c tileloadd rows.s)" = 2 ]
    grep -oE '[$](11|22)\b' rows.s | tr -d '$' | tr '\n' ' '
}
plain=$(numbers '(void)0')
held=$(numbers '__asm__ volatile("" ::: "memory")')
echo "stored before two tile loads, as the source says: 11 22"
echo "as it is:       $plain"
echo "with barriers:  $held"
[ "$plain" = "22 " ] && [ "$held" = "11 22 " ] || { echo "this has changed"; exit 1; }
