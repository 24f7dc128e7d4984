#!/bin/sh
# A picture that the disk has no room for: which writers say so.
#
# Pillow 12.0.0, OpenCV 4.12.0 (opencv-python-headless 4.12.0.88). Pictures of 128 x 128 and of 512 x 512 pixels are saved with
# room for k/64 of the file, k = 1 to 63. RLIMIT_FSIZE stands for the disk: of a write across its end the part that fits is
# written and counted, as on a disk that has just become full (a tmpfs of 64 KiB did the same). Of the 63 saves to a file, which
# all end cut, so many are called good:
#
#                128 x 128           512 x 512
#             Pillow   OpenCV     Pillow   OpenCV
#     JPEG      63        0         11        0
#     BMP       63       21          0        0
#     PNG        0        0          0        0
#     WebP       0        0          0        0
#     GIF        -       63          -       63
#     AVIF       -       63          -       63
#
# Pillow's encoders of JPEG and BMP write by themselves, 64 KiB at once, and take a write of a part for a good one: a JPEG of a
# training picture's size is one write, and Image.save returns in peace whatever is left of it, while PNG raises OSError. Of
# the larger one the last write goes so. cv2.imwrite returns True, not False, for each GIF and AVIF, and for BMP's last block,
# up to 32 KiB. None of these files can be read again by the library that wrote it. Pictures resized onto a disk that fills up,
# while others write to it and delete, are cut here and there, and no line of the log tells. To save into a BytesIO and write
# its bytes to Python's own file raises OSError all 63 times.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==12.0.0 opencv-python-headless==4.12.0.88
OPENCV_LOG_LEVEL=SILENT "$work/venv/bin/python" - "$work" <<'PY'
import io, os, resource, sys
import cv2, numpy
from PIL import Image


def room(bytes_left):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, resource.RLIM_INFINITY))


def readable(read, path):
    try:
        return read(path)
    except Exception:
        return False


def silent(path, save, read):
    """How many saves of 63 are called good though the file is cut; none of these files may be readable."""
    save(path)
    full = os.path.getsize(path)
    assert readable(read, path)
    count = 0
    for k in range(1, 64):
        os.path.exists(path) and os.remove(path)
        room(full * k // 64)
        try:
            good = save(path)
        except OSError:
            good = False
        room(resource.RLIM_INFINITY)
        if good:
            assert os.path.getsize(path) == full * k // 64 and not readable(read, path)
            count += 1
    return count


def in_memory(path):
    data = io.BytesIO()
    picture.save(data, "JPEG")
    with open(path, "wb") as f:
        f.write(data.getvalue())
    return True


seen = {}
for side in (128, 512):
    rows = numpy.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=numpy.uint8)
    picture = Image.fromarray(rows)
    pillow = lambda path: picture.save(path) is None
    opencv = lambda path: cv2.imwrite(path, rows)
    for kind in ("jpg", "bmp", "png", "webp", "gif", "avif"):
        path = f"{sys.argv[1]}/x.{kind}"
        found = ["-", silent(path, opencv, lambda p: cv2.imread(p) is not None)]
        if kind not in ("gif", "avif"):
            found[0] = silent(path, pillow, lambda p: Image.open(p).load() is not None)
        seen[kind, side] = found
        print(f"{side} x {side} {kind:4}: called good though cut, of 63: Pillow {found[0]}, OpenCV {found[1]}")
    assert silent(f"{sys.argv[1]}/m.jpg", in_memory, lambda p: Image.open(p).load() is not None) == 0
for side in (128, 512):
    assert seen["png", side] == [0, 0] and seen["jpg", side][1] == 0
    assert seen["gif", side][1] == seen["avif", side][1] == 63
assert seen["jpg", 128][0] == seen["bmp", 128][0] == 63 and seen["bmp", 128][1] > 0
assert 0 < seen["jpg", 512][0] < 63
print("as described")
PY
