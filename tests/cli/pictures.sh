#!/bin/sh
# Picture files of every format, as commands read them: turned upright, equal pixels from each.
. tests/cli/lib.sh

pictures=tests/golden/pictures

begin "every format and orientation gives the same codes"
pyr decompose "$pictures/turned_1.png" --levels 2 --outdir "$tmp/upright"
gives 0
says "5x7"
holds test ! -s "$tmp/stderr"
for k in 2 3 4 5 6 7 8; do
    for format in png webp tif; do
        pyr decompose "$pictures/turned_$k.$format" --levels 2 --outdir "$tmp/turned"
        gives 0
        complains "turned_$k.$format: turned as the orientation in its file says"
        holds cmp "$tmp/upright/codes.safetensors" "$tmp/turned/codes.safetensors"
    done
done

begin "a photograph is made upright once"
pyr decompose "$pictures/turned_6.jpg" --levels 2 --outdir "$tmp/photo"
gives 0
says "16x24"
pyr reconstruct "$tmp/photo" "$tmp/photo.png"
gives 0
pyr decompose "$tmp/photo.png" --levels 2 --outdir "$tmp/again"
holds test ! -s "$tmp/stderr"
holds cmp "$tmp/photo/codes.safetensors" "$tmp/again/codes.safetensors"

begin "a folder of turned pictures is one size"
mkdir "$tmp/mixed"
for k in 1 2 3 4 5 6 7 8; do
    holds cp "$pictures/turned_$k.png" "$pictures/turned_$k.webp" "$pictures/turned_$k.tif" "$tmp/mixed"
done
pyr info --data "$tmp/mixed"
gives 0
says "22 images to train on, 2 held out"
says "5x7 RGB, 8 bits"

begin "16 bits stay in TIFF"
pyr decompose "$pictures/turned_deep.tif" --levels 2 --outdir "$tmp/deep"
gives 0
says "16 bits"

begin "refused by name"
for file in "float.tif: its samples are 32-bit floating-point numbers" "pages.tif: a TIFF of 3 pages" \
    "animation.webp: an animated WebP" "raw.tif: a raw photograph"; do
    pyr decompose "$pictures/refused_${file%%:*}" --outdir "$tmp/no"
    refuses 1 "refused_$file"
done
holds test ! -e "$tmp/no"

finish
