#!/bin/sh
# growth: what grows with classes and files grows in proportion to them, and small files that stand for very much are
# refused with a sentence.
. tests/cli/lib.sh

find_python resource zlib
needs_python() { [ "$python" != none ] || skip "no Python"; }

# make_zip FILE N NAME: a zip of tiny PNGs whose names are the Python expression NAME of i, for i in 0..N-1.
make_zip() {
    needs_python
    wanted || return 0
    "$python" - "$@" <<'P' || bad "cannot make $1"
import struct, sys, zipfile, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
png = (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 2, 2, 8, 0, 0, 0, 0))
       + chunk(b'IDAT', zlib.compress(b'\0\1\2\0\3\4')) + chunk(b'IEND', b''))
path, n, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with zipfile.ZipFile(path, 'w') as z:
    for i in range(n):
        z.writestr(eval(name, {'i': i}), png)
P
}
# The processor seconds of `info --data $1`, in hundredths.
seconds() {
    "$python" - "$program" "$1" <<'P'
import resource, subprocess, sys
subprocess.run([sys.argv[1], 'info', '--data', sys.argv[2]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(int(100 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime))
P
}
# linear NAME [EXPRESSION]: 16 times as many classes of such names take about 16 times as long. What was quadratic took
# 256 times as long.
linear() {
    make_zip "$tmp/few.zip" 1000 "$1"
    make_zip "$tmp/many.zip" 16000 "$1"
    wanted || return 0
    few=$(seconds "$tmp/few.zip") many=$(seconds "$tmp/many.zip")
    [ -n "$few" ] && [ -n "$many" ] || bad "no times"
    [ "$many" -le $((60 * (few > 3 ? few : 3))) ] || bad "16 times the classes took $many instead of $few hundredths of a second"
}

begin "classes"
linear "'c%06d/0.png' % i"
begin "classes that are named as masks are"
linear "'label_%06d/0.png' % i"
begin "classes with the word of a part in their names"
linear "'test_' + ''.join(chr(97 + i // 26**k % 26) for k in range(4)) + '/0.png'"
begin "classes of a test set that training has not"
linear "('train/c%06d/0.png' if i % 2 else 'test/d%06d/0.png') % i"
begin "masks beside images, by the thousand"
linear "('img_%06d/%d.png' if i % 2 else 'mask_%06d/%d.png') % (i // 2, i // 2)"
begin "two folders in each of many"
linear "'g%06d/%s/0.png' % (i // 2, 'ab'[i % 2])"

begin "a folder of arrays by the thousand"
needs_python
if wanted; then
    "$python" - "$tmp" <<'P' || bad "cannot make the arrays"
import os, struct, sys
for n in 500, 4000:
    os.makedirs('%s/arrays%d' % (sys.argv[1], n))
    for i in range(n):
        word = ''.join(chr(97 + i // 26**k % 26) for k in range(4))
        head = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4), }".ljust(117) + '\n'
        with open('%s/arrays%d/bitmap_%s.npy' % (sys.argv[1], n, word), 'wb') as f:
            f.write(b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head.encode() + bytes(range(32)))
P
    few=$(seconds "$tmp/arrays500") many=$(seconds "$tmp/arrays4000")
    [ -n "$few" ] && [ -n "$many" ] && [ "$many" -le $((24 * (few > 3 ? few : 3))) ] || bad "8 times the arrays took $many instead of $few"
fi

begin "a stack that is too small is made larger, or refused"
if wanted; then
    "$program" train --config tests/tiny.cfg --duration 32 --threads 1 --snapshot -1 --outdir "$tmp/stack" >"$tmp/stdout" 2>&1 ||
        bad "no run"
    # raised by the program: of the process itself, and for its other threads
    (ulimit -S -s 64 && "$program" sample --network "$tmp/stack" --seeds 0-7 --threads 3 --outdir "$tmp/stack-s") \
        >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    gives 0
    (ulimit -s 64 && "$program" sample --network "$tmp/stack" --seeds 0-7 --threads 3 --outdir "$tmp/stack-h") \
        >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    [ $status = 0 ] || refuses 1 "the limit of the stack (ulimit -s) is 64 KiB, at least 256 are needed: raise it"
fi

begin "an address space that is too small ends with a sentence"
if wanted; then
    (ulimit -v 4000000 && "$program" --help) >/dev/null 2>&1 || skip "no ulimit -v, or a program that needs much of it"
fi
if wanted; then
    refused=0 done=0
    for limit in 110 120 125 130 135 140 145 150 155 160 165 170 180 190 200 220 240 400; do
        rm -rf "$tmp/run" "$tmp/cache"
        (
            ulimit -v $((limit * 1024)) &&
                "$program" train --config tests/tiny.cfg --level 0 --duration 32 --threads 2 --snapshot -1 --outdir "$tmp/run"
        ) >"$tmp/stdout" 2>"$tmp/stderr"
        status=$?
        case $status in
        0) done=$((done + 1)) ;;
        1)
            refused=$((refused + 1))
            complains "pyrdiff train: "
            ;;
        127) ;; # the loader of libraries, before the program
        *) bad "$limit MiB: status $status" ;;
        esac
    done
    [ $refused -gt 0 ] && [ $done -gt 0 ] || bad "$refused were refused, $done succeeded"
fi

begin "info names what may be decoded"
pyr info --data tests/golden/shapes
gives 0
says "of at most 2048 MiB (data.decode_limit)"
pyr info --data tests/golden/shapes --set data.decode_limit=1k
refuses 1 "MiB that so many bytes of files are allowed"
complains "data.decode_limit"

begin "images that take more than that are refused, wherever they lie"
make_zip "$tmp/some.zip" 100 "'%d.png' % i"
if wanted; then
    "$python" - "$tmp" <<'P' || bad "cannot unpack the images"
import sys, tarfile, zipfile
zipfile.ZipFile(sys.argv[1] + '/some.zip').extractall(sys.argv[1] + '/some')
with tarfile.open(sys.argv[1] + '/some.tar.gz', 'w:gz') as t:
    t.add(sys.argv[1] + '/some', 'some')
P
fi
for data in some.zip some some.tar.gz; do
    pyr info --data "$tmp/$data" --set data.decode_limit=396
    refuses 1 ".png: with this the images take"
    pyr info --data "$tmp/$data" --set data.decode_limit=400
    gives 0
done

begin "an NPZ of nothing"
needs_python
if wanted; then
    "$python" - "$tmp/nothing.npz" <<'P' || bad "cannot make it"
import struct, sys, zipfile
head = "{'descr': '|u1', 'fortran_order': False, 'shape': (64, 256, 256), }".ljust(117) + '\n'
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:
    with z.open('arr_0.npy', 'w') as f:
        f.write(b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head.encode())
        f.write(bytes(64 * 65536))
P
fi
pyr info --data "$tmp/nothing.npz" --set data.decode_limit=1m
refuses 1 "with this the images take 4 MiB when they are decoded, more than the 0.9537 MiB"

finish
