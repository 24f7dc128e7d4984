"""Makes wavelet.txt: the CDF 5/3 wavelet by OpenJPEG and by PyWavelets, which know nothing of pyrdiff.

    python3 tests/golden/wavelet/make_wavelet.py > tests/golden/wavelet/wavelet.txt

Needs numpy, pillow and PyWavelets (made with 2.2.6, 11.3.0 with OpenJPEG 2.5.3, and 1.8.0). Blocks "name rows
columns" and the numbers, row by row; channels of a pixel lie side by side.
picture/I: samples. openjpeg/I/R: the picture at 1/2^R, out of a file of the reversible transform; samples are from the middle
of their range, as what is read is cut to it. (Pillow rounds sides to the nearest, OpenJPEG upwards: no side is 1 modulo 4 at
R = 2.) LL/I/R, LH/I/R, HL/I/R, HH/I/R: of numbers (2p + 1 - 2^bits)/2^bits by bior2.2, mode "reflect", which
also transforms its border: the first output of each axis is left out. Its low-pass has the gain sqrt(2), its
high-pass is -sqrt(2)/2 of x[2k+1] - (x[2k] + x[2k+2])/2.
"""
import io

import numpy as np
import pywt
from PIL import Image

CASES = [((15, 10, 1), 8, 2), ((8, 11, 3), 8, 2), ((16, 12, 1), 16, 2), ((5, 2, 1), 8, 1), ((9, 13, 1), 16, 1)]


def openjpeg(picture, reduction):
    file = io.BytesIO()
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    image.save(file, "JPEG2000", irreversible=False, mct=0, num_resolutions=reduction + 1)
    file.seek(0)
    back = Image.open(file)
    back.reduce = reduction
    return np.array(back).reshape(*[-(-side // 2**reduction) for side in picture.shape[:2]], -1)


def halve(x, axis):
    n = x.shape[axis]
    low, high = pywt.dwt(x, "bior2.2", mode="reflect", axis=axis)
    low = np.take(low, range(1, 1 + (n + 1) // 2), axis) / np.sqrt(2)
    high = np.take(high, range(1, 1 + n // 2), axis) * -np.sqrt(2)
    return low, high


def show(name, x):
    x = x.reshape(x.shape[0], -1)
    print(name, *x.shape)
    for row in x:
        print(*("%.17g" % v for v in row))


random = np.random.default_rng(53)
for case, (shape, bits, depth) in enumerate(CASES):
    middle = (80, 176) if bits == 8 else (20000, 45000)
    picture = random.integers(*middle, shape).astype(np.uint8 if bits == 8 else np.uint16)
    show(f"picture/{case}", picture)
    image = (2.0 * picture + 1 - 2**bits) / 2**bits
    for level in range(1, depth + 1):
        show(f"openjpeg/{case}/{level}", openjpeg(picture, level))
        low, high = halve(image, 0)
        image, right = halve(low, 1)
        below, corner = halve(high, 1)
        for name, band in (("LL", image), ("LH", below), ("HL", right), ("HH", corner)):
            show(f"{name}/{case}/{level}", band)
