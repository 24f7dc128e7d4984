#!/bin/sh
# Data sets in archives: described, trained from, refused with a sentence.
. tests/cli/lib.sh

archives=tests/golden/archives
fingerprint() { sed -n 's/^fingerprint //p' "$tmp/stdout"; }
has_python() { python3 -c 'import json, zipfile' 2>/dev/null; }

# A zip of text files: ZIP NAME TEXT ...
zip_texts() {
    python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    for name, text in zip(sys.argv[2::2], sys.argv[3::2]): z.writestr(name, text)' "$@"
}

# The golden archive with the entries that a Python expression of `entries` (a dict of bytes) makes: ZIP EXPRESSION
edit_zip() {
    python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z: entries = {name: z.read(name) for name in z.namelist()}
exec(sys.argv[3])
with zipfile.ZipFile(sys.argv[2], "w") as z:
    for name, data in entries.items(): z.writestr(name, data)' $archives/edm.zip "$1" "$2"
}

# ---- tars that lost something --------------------------------------------------------------------

# What python3 does with `tar`, the golden one's bytes, in which the header of the sixth entry is at `sixth`: TAR STATEMENTS
edit_tar() {
    python3 -c 'import io, sys, tarfile
golden = "tests/golden/tars/ustar.tar"
tar = bytearray(open(golden, "rb").read())
sixth = tarfile.open(golden).getmembers()[5].offset
exec(sys.argv[2])
open(sys.argv[1], "wb").write(tar)' "$@"
}

if has_python; then
    begin "a damaged header in a tar is no missing picture"
    edit_tar "$tmp/flip.tar" 'tar[sixth + 1] ^= 4'
    pyr info --data "$tmp/flip.tar"
    refuses 1 "flip.tar: the tar archive is damaged or cut short at byte "
    refuses 1 "(a header does not fit its checksum); copy or make it again, or leave out what is lost with --skip-bad"
    pyr info --data "$tmp/flip.tar" --split all --skip-bad
    gives 0
    says "9 images to train on"
    says "1 file left out (" 
    complains "left out: $tmp/flip.tar: the tar archive is damaged"

    begin "a tar that ends early, and two of them in one file"
    edit_tar "$tmp/cut.tar" 'del tar[sixth:]'
    pyr info --data "$tmp/cut.tar" --split all
    gives 0
    says "5 images to train on"
    complains "cut.tar: ends behind "
    complains "it may be cut short; its 5 files are read"
    edit_tar "$tmp/two.tar" 'tar = tar[:sixth] + bytes(1024) + tar[sixth:]'
    pyr info --data "$tmp/two.tar" --split all
    gives 0
    says "10 images to train on"
    complains "2 archives one behind the other, all are read"

    begin "pictures that are links are pictures"
    edit_tar "$tmp/links.tar" 'made = io.BytesIO()
with tarfile.open(golden) as old, tarfile.open(fileobj=made, mode="w") as new:
    for entry in old: new.addfile(entry, old.extractfile(entry))
    for name, kind, to in (("bee/hard.png", tarfile.LNKTYPE, entry.name), ("bee/soft.png", tarfile.SYMTYPE, "hard.png")):
        link = tarfile.TarInfo(name)
        link.type, link.linkname = kind, to
        new.addfile(link)
tar = made.getvalue()'
    pyr info --data "$tmp/links.tar" --split all
    gives 0
    says "12 images to train on"
    says "bee: 5 for training"
fi

begin "hidden pictures and links to nothing in a folder are told"
if wanted; then
    mkdir -p "$tmp/told/a"
    for i in 1 2 3; do cp tests/golden/images/rgb_8.png "$tmp/told/a/$i.png"; done
    cp tests/golden/images/rgb_8.png "$tmp/told/a/.hidden.png"
    cp tests/golden/images/rgb_8.png "$tmp/told/a/._3.png" # of macOS
fi
pyr info --data "$tmp/told"
gives 0
says "3 images to train on"
says "; 1 hidden picture left aside (a point begins the name, or a folder's)"
if wanted; then ln -s none.png "$tmp/told/a/link.png"; fi
pyr info --data "$tmp/told"
refuses 1 "1 of 4 image files cannot be used (mend them, or leave them out with --skip-bad): $tmp/told/a/link.png: No such file"
pyr info --data "$tmp/told" --skip-bad
gives 0
says "1 file left out ($tmp/told/a/link.png: No such file or directory)"

# ---- described -----------------------------------------------------------------------------------

begin "a zip in EDM's layout"
pyr info --data $archives/edm.zip
gives 0
says "edm.zip (zip of image files): 9 images to train on, 1 held out, 8x6 RGB, 8 bits, 3 classes"
says "in memory   0.001373 MiB"
says "levels      1 to 4: 8x6, 4x3, 2x2, 1x1"
says "classes     3 of 2 to 4 images for training"
says "class 0     4 for training, 0 held out"
says "class 2     2 for training, 1 held out"
edm=$(fingerprint)

begin "the same images in an NPZ and unpacked have the same fingerprint"
pyr info --data $archives/images.npz
gives 0
says "images.npz (NPZ): 9 images to train on"
says "fingerprint $edm"
if has_python; then
    holds python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' $archives/edm.zip "$tmp/edm"
    pyr info --data "$tmp/edm"
    gives 0
    says "edm (image files): 9 images to train on"
    says "fingerprint $edm"
fi

begin "a zip without labels"
pyr info --data $archives/edm_null.zip
gives 0
says "classes     none"

begin "a zip of folders is classes"
pyr info --data $archives/classes.zip --split all
gives 0
says "10 images to train on, 0 held out, 8x6 RGB, 8 bits, 3 classes (ant, bee, cat)"
says "class 1     bee: 3 for training, 0 held out"

begin "an NPZ of grey images"
pyr info --data $archives/grey.npz
gives 0
says "8x6 grey, 8 bits"
says "classes     none"

# ---- refused -------------------------------------------------------------------------------------

begin "NPZ files of other things"
pyr info --data $archives/wrong_count.npz
refuses 1 "array arr_1 has 9 values, should be one label for each of 10 images"
pyr info --data $archives/arrays_stored.npz
refuses 1 "no array here is images by its name (arr_0, images, x, data, train_images, ...); there are: big_endian (3,), empty (0, 3)"

begin "an archive that unpacks to more than it holds"
pyr info --data $archives/overlap.zip
refuses 1 "overlap.zip: 05.png: the entries need more bytes than the file has"

begin "an archive cut short"
holds cut_short $archives/edm.zip "$tmp/cut.zip" 2000
pyr info --data "$tmp/cut.zip"
refuses 1 "$tmp/cut.zip: the zip archive is damaged or cut short"

begin "archives that do not fit"
if has_python; then
    holds zip_texts "$tmp/texts.zip" readme.txt hello notes/more.txt again
    pyr info --data "$tmp/texts.zip"
    refuses 1 "texts.zip: nothing to read in this archive: no picture (PNG, JPEG, WebP, TIFF)"
    holds edit_zip "$tmp/missing.zip" 'del entries["00001/img00000005.png"]'
    pyr info --data "$tmp/missing.zip"
    refuses 1 "missing.zip: dataset.json: a label for 00001/img00000005.png, which is not among the 9 images"
    holds edit_zip "$tmp/more.zip" 'entries["00001/new.png"] = entries["00001/img00000005.png"]'
    pyr info --data "$tmp/more.zip"
    refuses 1 "more.zip: dataset.json: no label for 00001/new.png"
    holds edit_zip "$tmp/vectors.zip" 'entries["dataset.json"] = b"""{"labels": [["00000/img00000000.png", [1, 0]]]}"""'
    pyr info --data "$tmp/vectors.zip"
    refuses 1 "the label of 00000/img00000000.png should be a whole number"
else
    skip "no python3"
fi

begin "a damaged picture in an archive"
if has_python; then
    holds edit_zip "$tmp/damaged.zip" 'entries["00000/img00000003.png"] = entries["00000/img00000003.png"][:100]'
    pyr info --data "$tmp/damaged.zip"
    refuses 1 "1 of 10 image files cannot be used"
    complains "damaged.zip: 00000/img00000003.png: the PNG is cut short after 100 bytes"
    pyr info --data "$tmp/damaged.zip" --skip-bad --split all
    gives 0
    says "9 images to train on"
    complains "left out: $tmp/damaged.zip: 00000/img00000003.png: the PNG is cut short"
else
    skip "no python3"
fi

# ---- trained from --------------------------------------------------------------------------------

cat >"$tmp/tiny.cfg" <<'END'
data = { held_out = 2; };
pyramid = { levels = 2; };
level = { batch = 4; network = { patch = 1; block_out_channels = [8]; norm_num_groups = 4; }; };
END
weights=level-1/unet/diffusion_pytorch_model.safetensors

begin "two steps from a zip and from an NPZ give the same weights"
for data in edm.zip images.npz; do
    pyr train --config "$tmp/tiny.cfg" --level 1 --outdir "$tmp/run-$data" --data $archives/$data --duration 8
    gives 0
    complains "8x6 RGB, 8 bits, 3 classes"
done
holds cmp "$tmp/run-edm.zip/$weights" "$tmp/run-images.npz/$weights"

finish
