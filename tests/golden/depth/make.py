"""Images of 16 bits as NumPy and Pillow write them, for tests/test_depth.c, tests/cli/depth.sh and
tests/cli/classes.sh: words.npz and words.png; data/even and data/odd, twelve small pictures of two classes;
bytes/, three of them in 8 bits; coarse16/ and coarse8/, one half as large in both depths; mask.png; from1.npz,
images with labels 1..3, of which none is 2.

    python3 -m venv venv && venv/bin/pip install numpy==2.2.6 pillow==11.3.0 && venv/bin/python make.py
"""
import os

import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))


def save(name, array):
    path = os.path.join(here, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(array).save(path)


words = ((np.arange(3 * 4 * 5) * 9973 + 13) % 65536).astype(np.uint16).reshape(3, 4, 5, 1)
np.savez(os.path.join(here, "words.npz"), words, np.array([2, 0, 1], dtype=np.int64))
save("words.png", words[0, :, :, 0])

y, x = np.mgrid[0:8, 0:6]
pictures = []
for n in range(12):
    blob = np.exp(-((x - 1 - 3 * (n % 2)) ** 2 + (y - 1.5 - n % 5) ** 2) / 6)
    pictures.append(np.round(8000 + 50000 * blob + 77 * n).astype(np.uint16))
    save(f"data/{'odd' if n % 2 else 'even'}/{n:02d}.png", pictures[n])
for n in range(3):
    save(f"bytes/{n}.png", np.round(pictures[n] / 257).astype(np.uint8))
half = pictures[4].reshape(4, 2, 3, 2).mean(axis=(1, 3))
save("coarse16/0.png", np.round(half).astype(np.uint16))
save("coarse8/0.png", np.round(half / 257).astype(np.uint8))
save("mask.png", (255 * ((y >= 3) & (x >= 2))).astype(np.uint8))
np.savez(
    os.path.join(here, "from1.npz"),
    np.round(np.stack(pictures) / 257).astype(np.uint8)[..., None],
    np.array([1, 3] * 6, dtype=np.int64),
)
