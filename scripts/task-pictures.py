#!/usr/bin/env python3
"""Pictures and masks for scripts/tasks, from the test images of Fashion-MNIST and CIFAR-10.

    python3 scripts/task-pictures.py OUT [--cifar10 FOLDER]

Needs NumPy and Pillow. Writes fashion-I.png (28x28), fashion-I-14.png, fashion-I-7.png (means of blocks), cifar-I.png (32x32),
cifar-I-8.png, and masks, white where to draw: half.png, disc.png (28x28), box.png (32x32).
"""
import argparse
import gzip
import pathlib

import numpy as np
from PIL import Image

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
FIRST = 12


def halve(a):
    """2x2 means, rounded."""
    a = a.astype(float)
    return np.rint((a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4)


def write(path, a):
    Image.fromarray(a.astype(np.uint8)).save(path)


def fashion():
    path = next(p for p in sorted(FASHION.iterdir()) if "t10k-images" in p.name)
    data = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28)[:FIRST]


def cifar(folder):
    data = np.fromfile(pathlib.Path(folder) / "test_batch.bin", np.uint8).reshape(-1, 3073)
    return data[:FIRST, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--cifar10")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for i, a in enumerate(fashion()):
        write(args.out / f"fashion-{i}.png", a)
        write(args.out / f"fashion-{i}-14.png", halve(a))
        write(args.out / f"fashion-{i}-7.png", halve(halve(a)))
    y, x = np.mgrid[:28, :28]
    write(args.out / "half.png", 255 * (x >= 14))
    write(args.out / "disc.png", 255 * ((y - 13) ** 2 + (x - 13) ** 2 < 70))
    y, x = np.mgrid[:32, :32]
    write(args.out / "box.png", 255 * ((y >= 8) & (y < 24) & (x >= 8) & (x < 24)))
    if args.cifar10:
        for i, a in enumerate(cifar(args.cifar10)):
            write(args.out / f"cifar-{i}.png", a)
            write(args.out / f"cifar-{i}-8.png", halve(halve(a)))


main()
