#!/usr/bin/env python3
"""Write the fixtures of tests/test_archives.c into the folder of this script.

NPZ files are NumPy's own, zip archives Python's zipfile: as EDM's dataset_tool writes them (stored PNGs in
folders of a thousand, dataset.json) and as people pack folders of classes (deflated). Their values follow
formulas that the test repeats. Needs NumPy and Pillow.
"""
import io
import json
import os
import struct
import zipfile

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
DATE = (1980, 1, 1, 0, 0, 0)


def here(name):
    return os.path.join(HERE, name)


# ---- arrays: element i (in C order) of each is i * factor + offset ----

ARRAYS = {
    "mu": np.arange(5) * 0.25 - 0.5,
    "sigma": np.asfortranarray((np.arange(12) * 0.125).reshape(3, 4)),
    "f4": np.asfortranarray((np.arange(24) * 0.5 - 3).astype("<f4").reshape(2, 3, 2, 2)),
    "u1": (np.arange(6) * 50).astype("u1").reshape(2, 3),
    "u2": (np.arange(4) * 20000).astype("<u2"),
    "i4": (np.arange(4) * 1000000000 - 2000000000).astype("<i4").reshape(4, 1),
    "i8": (np.arange(3) * 4000000000 - 4000000000).astype("<i8"),
    "whole": np.arange(3).astype("<f4"),
    "scalar": np.float64(42.5),
    "empty": np.zeros((0, 3)),
    "big_endian": np.arange(3).astype(">f8"),
    "text": np.array(["cat", "dog"]),
    "five": np.zeros((1, 1, 1, 1, 2)),
    "pairs": np.zeros(2, dtype=[("a", "<f4"), ("b", "<i8")]),
}
np.savez(here("arrays_stored.npz"), **ARRAYS)
np.savez_compressed(here("arrays_deflated.npz"), **ARRAYS)

# ---- images: ten of 8x6 RGB ----

N, H, W = 10, 8, 6
n, y, x, k = np.indices((N, H, W, 3))
IMAGES = ((n * 37 + y * 11 + x * 5 + k * 101 + n * y * x) & 255).astype("u1")
LABELS = np.arange(N) * 7 % 3


def png(image):
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="png", compress_level=0, optimize=False)
    return out.getvalue()


def pack(name, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(here(name), "w") as archive:
        for entry, data in entries:
            archive.writestr(zipfile.ZipInfo(entry, DATE), data, compress_type=method)


EDM = [(f"{i // 4:05d}/img{i:08d}.png", png(IMAGES[i])) for i in range(N)]  # EDM: a thousand a folder
with_labels = json.dumps({"labels": [[name, int(label)] for (name, _), label in zip(EDM, LABELS)]})
with open(here("dataset.json"), "w") as f:  # a seed of the fuzz target
    f.write(with_labels)
pack("edm.zip", EDM + [("dataset.json", with_labels)])
pack("edm_null.zip", EDM + [("dataset.json", json.dumps({"labels": None}))])
# Classes by folders, which sort as the labels do; folders have entries of their own, as zip -r writes them.
names = ["ant", "bee", "cat"]
order = sorted(range(N), key=lambda i: (LABELS[i], i))
pack("classes.zip", [(f"{name}/", b"") for name in names] +
     [(f"{names[LABELS[i]]}/{i:02d}.png", png(IMAGES[i])) for i in order], zipfile.ZIP_DEFLATED)

# Twenty entries that share the bytes of one: as such bombs are made.
pack("overlap.zip", [("00.png", png(IMAGES[0]))])
data = open(here("overlap.zip"), "rb").read()
start = data.index(b"PK\1\2")
end = data.index(b"PK\5\6")
entry = data[start:end]
central = b"".join(entry.replace(b"00.png", b"%02d.png" % i) for i in range(20))
with open(here("overlap.zip"), "wb") as f:
    f.write(data[:start] + central + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 20, 20, len(central), start, 0))

np.savez(here("images.npz"), IMAGES, LABELS.astype("i8"))
np.savez_compressed(here("images_named.npz"), x=IMAGES, y=LABELS.astype("f4").reshape(N, 1))
np.savez_compressed(here("grey.npz"), images=IMAGES[..., 0])
np.savez(here("wrong_count.npz"), IMAGES, LABELS[:-1])
