#!/bin/sh
# Pictures of 16 bits, brought to RGB as training and evaluation code does: grey ones become almost white, colour ones are divided.
#
# One expects that a picture of 16 bits, as microscopes, CT and depth cameras write them, is divided by 256 when a program wants 8
# bits, as OpenCV's imread does. Image.open(path).convert("RGB"), the loader of torchvision's ImageFolder (0.24.1), pytorch-fid
# (0.3.0) and clean-fid (0.1.35), does that to colour and not to grey: Pillow opens grey as mode "I;16", and conversion from there
# cuts values at 255 instead of scaling them. Of a slice that fills its range all but one in 256 values become white. Pillow 12.0.0, OpenCV
# 4.12.0 (opencv-python-headless 4.12.0.88):
#
#     16 bits                     0   100   255   256   1000   32768   65535
#     Pillow, grey PNG, TIFF      0   100   255   255    255     255     255
#     Pillow, the same as RGB     0     0     0     1      3     128     255
#     OpenCV, either              0     0     0     1      3     128     255
#
# Nothing warns. A generator that is trained on such a folder learns white pictures, and a Frechet distance compares them; the same
# data saved as RGB gives other pictures, another model and another distance.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==12.0.0 numpy==2.2.6 opencv-python-headless==4.12.0.88
"$work/venv/bin/pip" download -q --no-deps -d "$work" torchvision==0.24.1 pytorch-fid==0.3.0 clean-fid==0.1.35
"$work/venv/bin/python" - "$work" <<'PY'
import glob, re, sys, zipfile
import cv2, numpy
from PIL import Image

work = sys.argv[1]
for package, file in (("torchvision", "datasets/folder.py"), ("pytorch_fid", "fid_score.py"), ("clean_fid", "utils.py")):
    with zipfile.ZipFile(glob.glob(f"{work}/{package}-*.whl")[0]) as wheel:
        name = [n for n in wheel.namelist() if n.endswith(file)][0]
        lines = [line.strip() for line in wheel.read(name).decode().splitlines() if re.search(r"convert\(.RGB.\)", line)]
    print(f"{package}/{file}: {lines}")
    assert lines

values = numpy.array([[0, 100, 255, 256, 1000, 32768, 65535]], numpy.uint16)
cut, divided = [0, 100, 255, 255, 255, 255, 255], [0, 0, 0, 1, 3, 128, 255]
cv2.imwrite(f"{work}/grey.png", values)
cv2.imwrite(f"{work}/grey.tif", values)
cv2.imwrite(f"{work}/rgb.png", cv2.merge([values] * 3))
for name, wanted in (("grey.png", cut), ("grey.tif", cut), ("rgb.png", divided)):
    image = Image.open(f"{work}/{name}")
    pillow = numpy.asarray(image.convert("RGB"))[0, :, 0].tolist()
    opencv = cv2.imread(f"{work}/{name}")[0, :, 0].tolist()
    print(f"{name}: Pillow ({image.mode}) {pillow}, OpenCV {opencv}")
    assert pillow == wanted and opencv == divided

slice_ = numpy.arange(65536, dtype=numpy.uint16).reshape(256, 256)
Image.fromarray(slice_).save(f"{work}/ramp.png")
white = numpy.asarray(Image.open(f"{work}/ramp.png").convert("RGB")) == 255
print(f"white in a ramp over all values: {white.mean():.4f}")
assert white.mean() > 0.996
print("as described")
PY
