#!/bin/sh
# The same Exif orientation in four formats: which readers turn the picture depends on the format.
#
# Pillow 12.0.0, OpenCV 4.12.0 (opencv-python-headless 4.12.0.88), tifffile 2026.3.3. A picture of 24 rows and 16 columns is
# saved by Pillow as JPEG, PNG, WebP and TIFF with orientation 6 (to be shown turned by 90 degrees: 16 rows, 24 columns).
#
#            Pillow   OpenCV imread   tifffile
#     JPEG   lies     turns           -
#     PNG    lies     turns           -
#     WebP   lies     lies            -
#     TIFF   turns    (not asked)     lies
#
# So Pillow, which leaves all turning to ImageOps.exif_transpose, turns TIFF by itself when the pixels are loaded, and takes the
# tag away then: code that reads the tag before loading and turns by hand turns twice. The size is that of the turned picture from
# the moment of opening, while the tag still says 6. OpenCV turns JPEG and PNG, but not WebP, unless IMREAD_UNCHANGED is asked for.
# A folder of mixed formats from one phone is therefore read half lying down by both.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==12.0.0 opencv-python-headless==4.12.0.88 tifffile==2026.3.3
"$work/venv/bin/python" - "$work" <<'PY'
import sys
import cv2, numpy, tifffile
from PIL import Image

rows = numpy.arange(24 * 16, dtype=numpy.uint8).reshape(24, 16)
picture = Image.fromarray(numpy.stack([rows] * 3, -1))
exif = Image.Exif()
exif[274] = 6
lies, turned = (24, 16), (16, 24)
seen = {}
for kind in ("jpg", "png", "webp", "tif"):
    path = f"{sys.argv[1]}/x.{kind}"
    picture.save(path, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    image = Image.open(path)
    opened = image.size[::-1], image.getexif().get(274)
    image.load()
    loaded = numpy.asarray(image).shape[:2], image.getexif().get(274)
    seen[kind] = opened, loaded
    print(f"{kind:5} Pillow opened {opened}, loaded {loaded}", end="")
    if kind != "tif":
        seen[kind] += (cv2.imread(path).shape[:2], cv2.imread(path, cv2.IMREAD_UNCHANGED).shape[:2])
        print(f"; OpenCV {seen[kind][2]}, unchanged {seen[kind][3]}")
    else:
        seen[kind] += (tifffile.imread(path).shape[:2],)
        print(f"; tifffile {seen[kind][2]}")
assert seen["jpg"] == ((lies, 6), (lies, 6), turned, lies), seen["jpg"]
assert seen["png"] == ((lies, 6), (lies, 6), turned, lies), seen["png"]
assert seen["webp"] == ((lies, 6), (lies, 6), lies, lies), seen["webp"]
assert seen["tif"] == ((turned, 6), (turned, None), lies), seen["tif"]
print("as described")
PY
