#!/usr/bin/env python3
"""Make the tiny data set of the command tests: 12 x 10 grey images of bars (class 0) and discs (class 1), as IDX."""
import gzip, os, random

random.seed(1)
H, W = 12, 10


def image(kind):
    pixels = [[0] * W for _ in range(H)]
    value = random.randint(120, 255)
    if kind == 0:
        y, x, h, w = random.randint(1, 5), random.randint(0, 4), random.randint(3, 6), random.randint(2, 5)
        for i in range(y, y + h):
            for j in range(x, x + w):
                pixels[i][j] = value
    else:
        cy, cx, r = random.uniform(4, 7), random.uniform(3, 6), random.uniform(2, 4)
        for i in range(H):
            for j in range(W):
                if (i - cy) ** 2 + (j - cx) ** 2 < r * r:
                    pixels[i][j] = value
    return bytes(p for row in pixels for p in row)


def write(name, data):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "wb") as f:
        with gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as g:
            g.write(data)


for prefix, n in (("train", 512), ("t10k", 64)):
    labels = bytes(random.randint(0, 1) for _ in range(n))
    images = b"".join(image(k) for k in labels)
    write(f"{prefix}-images-idx3-ubyte.gz",
          b"\0\0\x08\x03" + n.to_bytes(4, "big") + H.to_bytes(4, "big") + W.to_bytes(4, "big") + images)
    write(f"{prefix}-labels-idx1-ubyte.gz", b"\0\0\x08\x01" + n.to_bytes(4, "big") + labels)
