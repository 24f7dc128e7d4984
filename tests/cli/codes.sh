#!/bin/sh
# decompose and reconstruct: every kind of picture comes back bit for bit, and what is wrong is said.
. tests/cli/lib.sh

images=tests/golden/images
# every filter of the program
filters=$("$program" info --settings | sed -n 's/^ *one of: \(box, .*\)/\1/p' | tr -d ,)
# of all kinds of pictures; FEW=1: one, where sanitizers make everything slow (sizes and shapes have all filters there, too)
picture_filters=${FEW:+box}
picture_filters=${picture_filters:-$filters}

# decompose, reconstruct, and once more: codes hold a picture without loss, so that equal codes mean equal
# pixels.
round_trip() { # PICTURE OPTION ...
    picture=$1
    shift
    pyr decompose "$picture" --outdir "$tmp/a" "$@"
    gives 0
    says "exact codes: $tmp/a/codes.safetensors"
    pyr reconstruct "$tmp/a" "$tmp/back.png"
    gives 0
    says "exact: all"
    pyr decompose "$tmp/back.png" --outdir "$tmp/b" "$@"
    gives 0
    holds cmp "$tmp/a/codes.safetensors" "$tmp/b/codes.safetensors"
}

for picture in "$images"/*.png "$images"/*.jpg; do
    begin "round trip of $(basename "$picture")"
    for filter in $picture_filters; do
        round_trip "$picture" --filter "$filter"
    done
done

# Grey PNGs of 1x9 and 7x1.
row=$tmp/row.png column=$tmp/column.png
printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\011\000\000\000\001\010\000\000' >"$row"
printf '\000\000\051\251\333\241\000\000\000\022IDATx\332c\140\376\045\030\325\360\237\341\244' >>"$row"
printf '\023\000\022\330\003\363\361\365\360\325\000\000\000\000IEND\256B\140\202' >>"$row"
printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\001\000\000\000\007\010\000\000' >"$column"
printf '\000\000\354\047xH\000\000\000\026IDATx\332c\140f\370\305\040\310\020\305\320\300\360' >>"$column"
printf '\237\201\001\000\023\177\002\350\1405\265\035\000\000\000\000IEND\256B\140\202' >>"$column"

begin "round trip of one row"
for filter in $filters; do round_trip "$row" --filter "$filter"; done

begin "round trip of one column"
for filter in $filters; do round_trip "$column" --filter "$filter"; done

# 11x13, 6x7, 3x4, 2x2, 1x1: the levels' own pictures are pictures, too
begin "round trip of other sizes"
pyr decompose "$images/rgb_8.png" --levels 5 --outdir "$tmp/sizes"
gives 0
says "level 4  1x1x3        image"
for level in 1 2 3 4; do
    for filter in $filters; do
        round_trip "$tmp/sizes/level-$level.png" --filter "$filter"
    done
done

begin "round trip with one level, and with sigma"
round_trip "$images/rgba_16.png" --levels 1
round_trip "$images/rgba_16.png" --filter gaussian --sigma 2.5
says "filter gaussian of sigma 2.5"

# The witness reads both files with zlib alone and compares what the filters of PNG give.
begin "pixels compared by another program"
cat >"$tmp/pixels.py" <<'END'
import struct, sys, zlib

def pixels(path):
    data, at, packed = open(path, "rb").read(), 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        at += 12 + n
        if kind == b"IHDR":
            w, h, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
    assert bits >= 8 and colour != 3 and not interlaced
    size = {0: 1, 2: 3, 4: 2, 6: 4}[colour] * bits // 8
    raw, rows, above = zlib.decompress(packed), [], bytearray(w * size)
    for y in range(h):
        line = raw[y * (w * size + 1):(y + 1) * (w * size + 1)]
        row = bytearray(line[1:])
        for i in range(len(row)):
            a, b = (row[i - size] if i >= size else 0), above[i]
            c = above[i - size] if i >= size else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[line[0]]) & 255
        rows.append(bytes(row))
        above = row
    return w, h, bits, colour, rows

sys.exit(pixels(sys.argv[1]) != pixels(sys.argv[2]))
END
if python3 -c 'import zlib' 2>"$tmp/stderr"; then
    for kind in grey_8 grey_16 grey_alpha_8 grey_alpha_16 rgb_8 rgb_16 rgba_8 rgba_16; do
        for filter in $picture_filters; do
            pyr decompose "$images/$kind.png" --filter "$filter" --outdir "$tmp/a"
            pyr reconstruct "$tmp/a" "$tmp/back.png"
            holds python3 "$tmp/pixels.py" "$images/$kind.png" "$tmp/back.png"
        done
    done
else
    skip "no python3"
fi

# ---- what is printed -----------------------------------------------------------------------------

begin "a line for each level"
pyr decompose "$images/rgb_8.png" --levels 3 --filter haar --outdir "$tmp/deep/er"
gives 0
says "rgb_8.png: 11x13 RGB, 8 bits; 3 levels, filter haar"
says "level 0  6x7x9        details   mean"
says "level 2  3x4x3        image     mean"
says "$tmp/deep/er/level-2.png"
holds test -s "$tmp/deep/er/level-0.png"
holds test ! -e "$tmp/deep/er/level-3.png"
pyr info "$tmp/deep/er"
gives 0
says "the codes of a picture, 11x13 RGB, 8 bits; 3 levels, filter haar"

begin "fewer levels for a small picture"
pyr decompose "$images/rgb_8.png" --outdir "$tmp/sizes"
gives 0
pyr decompose "$tmp/sizes/level-3.png" --outdir "$tmp/small"
gives 0
complains "level-3.png is 2x2: it has 2 levels, not 4"
says "2 levels, filter box"

begin "help"
pyr decompose --help
gives 0
says "usage: pyrdiff decompose [options] PICTURE"
says "default: box)"
for filter in $filters; do says "$filter"; done
pyr reconstruct -h
gives 0
says "usage: pyrdiff reconstruct [options] CODES_DIR PICTURE.png"

# ---- what is refused -----------------------------------------------------------------------------

begin "wrong options"
pyr decompose "$images/rgb_8.png" --filter bix --outdir "$tmp/no"
refuses 2 "did you mean box?"
pyr decompose "$images/rgb_8.png" --fliter box --outdir "$tmp/no"
refuses 2 "unknown option --fliter; did you mean --filter?"
pyr decompose "$images/rgb_8.png" --levels 0 --outdir "$tmp/no"
refuses 2 "--levels is 0, should be a whole number 1..12"
pyr decompose "$images/rgb_8.png" --levels 6 --outdir "$tmp/no"
refuses 1 "11x13 can be halved 4 times, levels is 6, should be 1..5"
pyr decompose "$images/rgb_8.png" --sigma 2 --outdir "$tmp/no"
refuses 2 "--sigma is of --filter gaussian, the filter is box"
pyr decompose "$images/rgb_8.png" --filter gaussian --sigma 0 --outdir "$tmp/no"
refuses 1 "sigma of the gaussian filter is 0"
pyr decompose
refuses 2 "needs PICTURE"
pyr reconstruct "$tmp/a"
refuses 2 "needs CODES_DIR PICTURE.png"
pyr reconstruct "$tmp/a" "$tmp/back.jpg"
refuses 2 "back.jpg: a PNG is written, the name should end in .png"
holds test ! -e "$tmp/no"

begin "wrong pictures"
pyr decompose "$tmp/nothing.png" --outdir "$tmp/no"
refuses 1 "nothing.png: No such file"
pyr decompose "$images/make_images.py" --outdir "$tmp/no"
refuses 1 "none of PNG, JPEG, WebP, TIFF"
holds cut_short "$images/rgb_8.png" "$tmp/short.png" -30
pyr decompose "$tmp/short.png" --outdir "$tmp/no"
refuses 1 "short.png: the PNG is cut short"
holds cut_short "$images/rgb.jpg" "$tmp/short.jpg" -100
pyr decompose "$tmp/short.jpg" --outdir "$tmp/no"
refuses 1 "short.jpg"
holds cp "$images/rgb_8.png" "$tmp/bad.png"
holds patch_bytes "$tmp/bad.png" 60 '\377\000\377'
pyr decompose "$tmp/bad.png" --outdir "$tmp/no"
refuses 1 "bad.png: the PNG is damaged"
: >"$tmp/empty.png"
pyr decompose "$tmp/empty.png" --outdir "$tmp/no"
refuses 1 "empty.png: the file is empty"
holds test ! -e "$tmp/no"

begin "places that cannot be written"
pyr decompose "$images/rgb_8.png" --outdir "$images/rgb_8.png/codes"
refuses 1 "rgb_8.png cannot be made"
pyr decompose "$images/rgb_8.png" --outdir "$tmp/good"
gives 0
pyr reconstruct "$tmp/good" "$tmp/no/back.png"
refuses 1 "$tmp/no/back.png"

# ---- damaged codes: a sentence each, and no picture ----

good=$tmp/good/codes.safetensors
damaged() { # SENTENCE; the file is $tmp/damaged.safetensors
    pyr reconstruct "$tmp/damaged.safetensors" "$tmp/damaged.png"
    refuses 1 "$1"
    complains "damaged.safetensors"
    holds test ! -e "$tmp/damaged.png"
}
edited() { # FROM TO SENTENCE
    holds edit_bytes "$good" "$tmp/damaged.safetensors" "$1" "$2"
    damaged "$3"
}

begin "damaged codes"
pyr decompose "$images/rgb_8.png" --outdir "$tmp/good"
gives 0
edited '"filter": "box"' '"filter": "bax"' 'is damaged: its content is not what was written'
holds edit_bytes "$good" "$tmp/plain.safetensors" pyrdiff_xxh3 pyrdiff_none
good=$tmp/plain.safetensors # without a checksum, as of another program
pyr reconstruct "$tmp/nothing" "$tmp/damaged.png"
refuses 1 "$tmp/nothing"
pyr reconstruct "$tmp" "$tmp/damaged.png"
refuses 1 "codes.safetensors: No such file"
for n in 0 7 100 600 -1; do
    holds cut_short "$good" "$tmp/damaged.safetensors" $n
    damaged "damaged.safetensors"
done
edited '"F32"' '"I32"' 'the tensor level-0 is of type I32, should be F32'
edited '"level-1"' '"level-9"' 'the tensor level-1 is missing'
edited '\[11, 13, 3\]' '[13, 11, 3]' 'the tensor level-0 does not have the shape [11,13,3]'
edited '"pyrdiff_codes"' '"pyrdiff_coder"' 'not the codes of a picture'
edited 'codes": "1"' 'codes": "2"' 'pyrdiff_codes is "2", this program reads 1'
edited '"filter": "box"' '"filter": "bax"' 'did you mean box?'
edited '"filter": "box"' '"fitler": "box"' 'lack filter'
edited '"levels": "4"' '"levels": "3"' 'holds 4 tensors, should hold 3'
edited '"levels": "4"' '"levels": "x"' 'levels is "x", should be a whole number 1..12'
edited '"h": "11"' '"h": "99"' 'too few for the picture of 99x13'
edited '"h": "11"' '"h": "-1"' 'h is -1, should be a whole number 1..65536'
edited '"h": "11"' '"h": "10"' 'does not have the shape [10,13,3]'
edited '"c": "3"' '"c": "5"' 'c is 5, should be a whole number 1..4'
edited '"bits": "8"' '"bits": "9"' '9 bits'
holds cp "$good" "$tmp/damaged.safetensors"
holds patch_bytes "$tmp/damaged.safetensors" -4 '\000\000\300\177'
damaged "number 11 of level-3 is not finite"

begin "codes that are not of a picture any more"
holds cp "$good" "$tmp/other.safetensors"
holds patch_bytes "$tmp/other.safetensors" -4 '\315\314\314\075' # 0.1
pyr reconstruct "$tmp/other.safetensors" "$tmp/other.png"
gives 0
says "not exact:"
holds test -s "$tmp/other.png"

finish
