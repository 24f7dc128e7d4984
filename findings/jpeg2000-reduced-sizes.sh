#!/bin/sh
# A JPEG 2000 picture read at a fraction of its size: for which sizes Pillow reads it.
#
# Pillow 13.0.0 with OpenJPEG 2.5.4. A file of the reversible wavelet holds the picture at 1/2, 1/4, 1/8 of its size, which are
# its low-pass images; `image.reduce = r` before `load` reads the one at 1/2^r, much faster than the whole. Their sides are
# ceil(n / 2^r), as those of all wavelets; Pillow takes n / 2^r rounded to the nearest. Where that is less, at 1/4 for a side of
# 4k + 1 and at 1/8 for one of 8k + 1, 8k + 2 and 8k + 3, the valid file is `OSError: broken data stream when reading image file`: 44 % of
# all sizes at 1/4, 61 % at 1/8 (512 x 512 is none of them, 321 x 481 and 1001 x 1001 are). With ImageFile.LOAD_TRUNCATED_IMAGES, which loaders of
# training data set so that damaged files are no end of an epoch, nothing is raised, and the picture is black.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==13.0.0
"$work/venv/bin/python" - <<'PY'
import io, sys
from PIL import Image, ImageFile


def read(n, r):
    file = io.BytesIO()
    Image.new("L", (n, n), 200).save(file, "JPEG2000", irreversible=False, num_resolutions=4)
    file.seek(0)
    image = Image.open(file)
    image.reduce = r
    try:
        image.load()
    except OSError as error:
        return str(error)
    return "black" if image.getextrema() == (0, 0) else "good"


same = True
for truncated in False, True:
    ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    print("LOAD_TRUNCATED_IMAGES" if truncated else "by default")
    for r in 1, 2, 3:
        bad = {}
        for n in range(16, 80):
            outcome = read(n, r)
            if outcome != "good":
                bad.setdefault(outcome, []).append(n)
        step = 2**r
        smaller = [n for n in range(16, 80) if (n + step // 2) // step < -(-n // step)]
        for outcome, sides in bad.items():
            print(f"    at 1/{step}, {outcome}: sides {', '.join(map(str, sides))}")
        wanted = {"black" if truncated else "broken data stream when reading image file": smaller} if smaller else {}
        same &= bad == wanted
sys.exit(not same)
PY
