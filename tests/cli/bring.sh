#!/bin/sh
# What people bring and meet: folders with odd files, places that cannot be written, labels and values of one part
# alone. Each is right, or is said with what to do.
. tests/cli/lib.sh

shapes=tests/golden/shapes
train="train --config tests/tiny.cfg --threads 1 --snapshot -1 --duration 96"
has_python() { python3 -c 'import zlib, zipfile' 2>/dev/null; }
fingerprint() { sed -n 's/^fingerprint //p' "$tmp/stdout"; }

# A grey PNG of 8x8 pixels and 8 bits: FILE VALUES
grey_png() {
    python3 -c 'import struct, sys, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
values = eval(sys.argv[2])
rows = b"".join(b"\0" + bytes(values[8 * y:8 * y + 8]) for y in range(8))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))' "$1" "$2"
}

begin "the odd size is left out, also of a set that does not fit into memory"
mkdir "$tmp/sizes"
for i in 1 2 3 4 5 6; do cp tests/golden/images/rgb_8.png "$tmp/sizes/$i.png"; done
cp tests/golden/images/rgb.jpg "$tmp/sizes/0.jpg"
pyr info --data "$tmp/sizes" --skip-bad
gives 0
says "6 images to train on, 0 held out, 11x13 RGB, 8 bits; 1 file left out"
kept=$(fingerprint)
pyr info --data "$tmp/sizes" --skip-bad --set data.memory=100
gives 0
says "6 images to train on, 0 held out, 11x13 RGB, 8 bits; 1 file left out"
says "more than fits into memory"
holds test "$kept" = "$(fingerprint)"

begin "a disk that fills while the images are written"
if wanted; then
    (ulimit -f 16 && "$program" info --data $shapes --set data.memory=1000) >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    refuses 1 "the images do not fit into memory, and this file for them cannot be written: File too large"
    complains "set XDG_CACHE_HOME to a folder with space"
    holds test -z "$(find "$tmp/cache" -name '*.tmp-*')"
fi

begin "a size to bring images to, as the sentence says it"
pyr info --data "$tmp/sizes"
refuses 1 "bring them to one size with --resize HxW or --crop"
pyr info --data "$tmp/sizes" --resize 8,9
gives 0
says "8x9 RGB"

begin "names of every kind"
if wanted; then
    odd=$(printf 'a\nb')
    for name in "$odd" "it's \"so\"" "\$(x) y" "Grün" "-d"; do
        mkdir -p "$tmp/names/$name"
        cp tests/golden/images/rgb_8.png "$tmp/names/$name/1 .PNG"
    done
fi
pyr info --data "$tmp/names"
gives 0
says "5 images to train on, 0 held out, 11x13 RGB, 8 bits, 5 classes (\$(x) y, -d, Grün, a\\nb, it's \"so\")"

begin "a lone array that is no set of images is told what it should be"
pyr info --data tests/golden/arrays/nan.npy
refuses 1 "not a number"
if ! wanted || has_python; then
    if wanted; then
        python3 -c 'import struct, sys
head = b"{\x27descr\x27: \x27|u1\x27, \x27fortran_order\x27: False, \x27shape\x27: (4,), }\n"
open(sys.argv[1], "wb").write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + bytes(4))' "$tmp/row.npy"
    fi
    pyr info --data "$tmp/row.npy"
    refuses 1 "array row has shape (4,), images should be (n, h, w, c)"
else
    skip "no python3"
fi

begin "names in dataset.json as Windows and find write them"
if has_python; then
    python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    for i in range(4): z.write(sys.argv[2], "x\\%d.png" % i)
    z.writestr("dataset.json", "{\"labels\": [%s]}" % ", ".join("[\"%s%d.png\", %d]" % (("x\\\\", "./x/")[i % 2], i, i % 2)
        for i in range(4)))' "$tmp/windows.zip" tests/golden/images/rgb_8.png
    pyr info --data "$tmp/windows.zip"
    gives 0
    says "4 images to train on, 0 held out, 11x13 RGB, 8 bits, 2 classes"
else
    skip "no python3"
fi

begin "archives without a file that counts"
if has_python; then
    python3 -c 'import sys, zipfile
zipfile.ZipFile(sys.argv[1], "w").close()
with zipfile.ZipFile(sys.argv[2], "w") as z:
    for name in ("__MACOSX/._a.png", ".b.png", "../c.png"): z.writestr(name, b"x")' "$tmp/none.zip" "$tmp/hidden.zip"
    pyr info --data "$tmp/none.zip"
    refuses 1 "none.zip: there is nothing in this archive"
    pyr info --data "$tmp/hidden.zip"
    refuses 1 "all of its 3 files are hidden"
else
    skip "no python3"
fi

begin "neither a file nor a folder; one that may not be seen"
pyr info --data /dev/null
refuses 1 "/dev/null: neither a file nor a folder (the data set)"
pyr info --data "$tmp/nothing"
refuses 1 "nothing: no such file or folder (the data set)"
pyr info --data "$tmp/sizes/1.png/deeper"
refuses 1 "deeper: Not a directory (the data set)"

begin "--split of packed files: what is not there is refused, what it does is said"
pyr info --data $shapes --split val
refuses 1 "data.split is \"val\", but there is no such part: there are training and test images"
pyr info --data tests/golden/range/digits.npz --split test
refuses 1 "data.split is \"test\", but there is no such part: there is one part"
pyr info --data tests/golden/archives/edm.zip --split test
refuses 1 "data.split is \"test\", but there is no such part"
pyr info --data tests/golden/arrays/pathmnist.npz --split val
gives 0
says "held out is val_images"
pyr info --data $shapes --split train --classes none
gives 0
says "labels are left aside as data.classes says; what is held out is left aside as data.split says"
pyr info --data $shapes --split all
gives 0
says "576 images to train on, 0 held out"
says "all of it is trained on as data.split says"

begin "a folder that cannot be made: the reason is mkdir's"
pyr $train --outdir /proc/nobody/makes/this
gives 1
complains "folder /proc/nobody cannot be made: No such file or directory"
if wanted && [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir -m 755 "$tmp/closed"
    chmod 755 "$tmp"
    cp "$program" "$tmp/program"
    cp -r $shapes "$tmp/shapes"
    chmod -R a+rX "$tmp/program" "$tmp/shapes"
    (cd "$tmp/closed" && setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/program" train --data "$tmp/shapes" \
        --threads 1 --duration 96) >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    refuses 1 "folder runs cannot be made: Permission denied"
    complains "--outdir"
fi

begin "held-out images without labels cost nothing, and what they cannot do is said"
if has_python; then
    if wanted; then
        python3 -c 'import struct, sys, zipfile
def array(shape, data):
    head = ("{\x27descr\x27: \x27|u1\x27, \x27fortran_order\x27: False, \x27shape\x27: %s, }\n" % (shape,)).encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + data
noise, state = bytearray(), 1
for i in range(48 * 144): state = state * 1103515245 + 12345 & 0x7fffffff; noise.append(state >> 16 & 255)
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("x_train.npy", array((32, 12, 12), bytes(noise[:32 * 144])))
    z.writestr("y_train.npy", array((32,), bytes(i % 4 for i in range(32))))
    z.writestr("x_test.npy", array((16, 12, 12), bytes(noise[32 * 144:])))' "$tmp/part.npz"
    fi
    pyr $train --data "$tmp/part.npz" --outdir "$tmp/part" --classes
    gives 0
    pyr likelihood --network "$tmp/part" --count 1 --classes --threads 1
    refuses 2 "the held-out images of $tmp/part.npz have no labels: add --split train"
    pyr likelihood --network "$tmp/part" --count 1 --classes --split train --solver heun --steps 2 --bound-terms 0 --threads 1
    gives 0
    pyr classifier --data "$tmp/part.npz" --out "$tmp/part.safetensors" --duration 64 --threads 1
    gives 0
    says "no images with labels are held out to measure the accuracy on"
    pyr classifier --data "$tmp/part.npz" --out "$tmp/part.safetensors" --classes none --threads 1
    refuses 2 "the data has no labels"
    pyr $train --data "$tmp/part.npz" --outdir "$tmp/part2" --classes --set data.classes=none
    refuses 1 "or they are not used (as data.classes or a warning says)"
    pyr $train --data "$tmp/part.npz" --outdir "$tmp/part2" --split all --dry-run
    gives 0
    complains "48 images to train on, 0 held out"
else
    skip "no python3"
fi

begin "pictures for a run with data.range: those of the data are spread, samples are not"
if has_python; then
    if wanted; then
        pyr train --threads 1 --snapshot -1 --duration 96 --outdir "$tmp/digits" --levels 2 \
            --data tests/golden/range/digits.npz --set "data.range=[0,16]"
        gives 0
        grey_png "$tmp/data.png" "[i % 17 for i in range(64)]"
        grey_png "$tmp/sample.png" "[int(i % 17 * 255 / 16 + 0.5) for i in range(64)]"
        grey_png "$tmp/mask.png" "[255 * (i % 8 > 3) for i in range(64)]"
    fi
    pyr inpaint "$tmp/data.png" "$tmp/mask.png" --network "$tmp/digits" --seeds 0 --outdir "$tmp/a" --threads 1
    gives 0
    complains "data.png: values 0 to 16, taken as the run's data: data.range = [0, 16]"
    pyr inpaint "$tmp/sample.png" "$tmp/mask.png" --network "$tmp/digits" --seeds 0 --outdir "$tmp/b" --threads 1
    gives 0
    complains "sample.png: 8 bits, values 0 to 255, which data with data.range = [0, 16] have not"
    holds cmp "$tmp/a/000000.png" "$tmp/b/000000.png"
    # judged images are taken as samples, which is said where they are not
    mkdir -p "$tmp/dark"
    for i in 0 1 2 3; do cp "$tmp/data.png" "$tmp/dark/$i.png"; done
    pyr eval "$tmp/dark" --data tests/golden/range/digits.npz --set "data.range=[0,16]" --metrics spectrum --threads 1
    gives 0
    complains "warning: the images' values are 0 to 16 of 0 to 255"
    # hidden files and the sheets beside samples are none of the coarse images
    pyr decompose "$tmp/sample.png" --levels 2 --outdir "$tmp/codes"
    mkdir -p "$tmp/coarse"
    for name in coarse-0.png coarse-1.png; do cp "$tmp/codes/level-1.png" "$tmp/coarse/$name"; done
    cp "$tmp/sample.png" "$tmp/coarse/grid.png"
    echo resource >"$tmp/coarse/._coarse-0.png"
    pyr sample --network "$tmp/digits" --coarse "$tmp/coarse" --seeds 0-3 --outdir "$tmp/from" --threads 1
    gives 0
else
    skip "no python3"
fi

finish
