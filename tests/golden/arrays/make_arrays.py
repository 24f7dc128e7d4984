#!/usr/bin/env python3
"""Write the fixtures of tests/test_arrays.c into the folder of this script: small data sets in the exact layouts
in which they are downloaded, and what is in them, by NumPy, in expected.txt.

A row of expected.txt: path, split ("all": everything in the order of the files), data.range or "-", images for
training and held out, height, width, channels, bits, classes, and FNV-1a hashes of all training samples, all held
out samples and the training labels as int32 ("-": no labels). Needs NumPy.
"""
import gzip
import os
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
os.chdir(HERE)
rows = []


def fnv(array):
    value = 0xCBF29CE484222325
    for byte in np.ascontiguousarray(array).tobytes():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def expect(path, train, held=None, labels=None, classes=0, split="auto", span="-"):
    """train, held: samples (n, h, w, c) as uint8 or uint16, labels those of `train`."""
    n, h, w, c = train.shape
    held = train[:0] if held is None else held
    rows.append(f"{path} {split} {span} {n} {len(held)} {h} {w} {c} {8 * train.itemsize} {classes} {fnv(train)} "
                f"{fnv(held.astype(train.dtype))} {fnv(np.asarray(labels, 'i4')) if labels is not None else '-'}")


def images(seed, n, h, w, c):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, c), dtype="u1")


def folder(name):
    os.makedirs(name, exist_ok=True)
    return name


def words(values, low, high):
    return np.floor(np.clip((values.astype("f8") - low) / (high - low), 0, 1) * 65535 + 0.5).astype("u2")


A, B, V = images(1, 12, 6, 5, 1), images(2, 7, 6, 5, 1), images(3, 5, 6, 5, 1)
CA, CB, CV = images(4, 12, 8, 8, 3), images(5, 7, 8, 8, 3), images(6, 5, 8, 8, 3)
LA, LB, LV = np.arange(12) % 4, np.arange(7) % 4, np.arange(5) % 4

# ---- NPZ as people have them ----

np.savez_compressed("mnist.npz", x_train=A[..., 0], y_train=LA.astype("u1"), x_test=B[..., 0], y_test=LB.astype("u1"))
expect("mnist.npz", A, B, LA, 4)
expect("mnist.npz", np.concatenate([A, B]), None, np.concatenate([LA, LB]), 4, "all")

np.savez_compressed("pathmnist.npz", train_images=CA, val_images=CV, test_images=CB, train_labels=LA.reshape(-1, 1).astype("u1"),
                    val_labels=LV.reshape(-1, 1).astype("u1"), test_labels=LB.reshape(-1, 1).astype("u1"))
expect("pathmnist.npz", CA, CB, LA, 4)
expect("pathmnist.npz", np.concatenate([CA, CB, CV]), None, np.concatenate([LA, LB, LV]), 4, "all")

many = (np.arange(12 * 14).reshape(12, 14) % 3 == 0).astype("u1")
np.savez("chestmnist.npz", train_images=A[..., 0], train_labels=many, test_images=B[..., 0], test_labels=many[:7])
expect("chestmnist.npz", A, B)

# ImageNet-32: rows of three planes, labels from 1; batches of which 10 comes after 2.
folder("imagenet")
batches = [images(20 + i, 4, 8, 8, 3) for i in range(3)]
for number, batch, label in zip((1, 2, 10), batches, ([1, 2, 3, 4], [4, 3, 2, 1], [1, 1, 2, 2])):
    np.savez_compressed(f"imagenet/train_data_batch_{number}.npz", data=batch.transpose(0, 3, 1, 2).reshape(4, -1),
                        labels=np.array(label), mean=np.zeros(192))
np.savez_compressed("imagenet/val_data.npz", data=CV.transpose(0, 3, 1, 2).reshape(5, -1), labels=np.array([1, 2, 3, 4, 1]))
expect("imagenet", np.concatenate(batches), CV, [1, 2, 3, 4, 4, 3, 2, 1, 1, 1, 2, 2], 5)
expect("imagenet/train_data_batch_10.npz", batches[2], None, [1, 1, 2, 2], 3, "all")

# KMNIST: labels in files of their own.
folder("kmnist")
for part, pixels, label in (("train", A, LA), ("test", B, LB)):
    np.savez_compressed(f"kmnist/kmnist-{part}-imgs.npz", pixels[..., 0])
    np.savez_compressed(f"kmnist/kmnist-{part}-labels.npz", label.astype("u1"))
expect("kmnist", A, B, LA, 4)
expect("kmnist/kmnist-test-imgs.npz", B, None, LB, 4, "all")

np.savez("sprites.npz", imgs=(A[..., 0] > 127).astype("u1"), latents_values=np.zeros((12, 6)), latents_classes=np.zeros((12, 6), "i8"),
         metadata=np.array({"author": "x"}, dtype=object))
expect("sprites.npz", (A > 127).astype("u1"), None, None, 0, "all")

np.savez("onehot.npz", images=CA, targets=np.eye(4)[LA])
expect("onehot.npz", CA, None, LA, 4, "all")
np.savez("texts.npz", images=CA, labels=np.array(["dog", "cat", "ape", "ærfugl"])[LA])
expect("texts.npz", CA, None, np.array([2, 1, 0, 3])[LA], 4, "all")
np.savez("named.npz", data=CA, fine_labels=LA, coarse_labels=LA // 2, fine_label_names=np.array([b"a", b"b", b"c", b"d"]))
expect("named.npz", CA, None, LA, 4, "all")
np.savez("pictures.npz", CA[0], CA[1], CA[2])
expect("pictures.npz", CA[:3], None, None, 0, "all")

# ---- .npy, shapes ----

folder("pair"), folder("four"), folder("drawings"), folder("shards")
np.save("pair/images.npy", CA)
np.save("pair/labels.npy", LA.astype("f4"))
expect("pair", CA, None, LA, 4, "all")
expect("pair/images.npy", CA, None, LA, 4, "all")
for name, array in (("x_train", CA), ("y_train", LA), ("X_test", CB), ("y_test", LB)):
    np.save(f"four/{name}.npy", array)
expect("four", CA, CB, LA, 4)
drawn = {"cat": images(30, 5, 8, 8, 1), "door": images(31, 6, 8, 8, 1)}
for name, pixels in drawn.items():
    np.save(f"drawings/full_numpy_bitmap_{name}.npy", pixels.reshape(len(pixels), -1))
expect("drawings", np.concatenate(list(drawn.values())), None, [0] * 5 + [1] * 6, 2, "all")
for i in (1, 2, 10):
    np.save(f"shards/part_{i}.npy", images(40 + i, 3, 8, 8, 3))
expect("shards", np.concatenate([images(40 + i, 3, 8, 8, 3) for i in (1, 2, 10)]), None, None, 0, "all")
np.save("rows.npy", images(7, 12, 8, 8, 1).reshape(12, 64))
expect("rows.npy", images(7, 12, 8, 8, 1), None, None, 0, "all")
np.save("planes.npy", CA.transpose(0, 3, 1, 2).copy())
expect("planes.npy", CA, None, None, 0, "all")
np.save("fortran.npy", np.asfortranarray(CA))
expect("fortran.npy", CA, None, None, 0, "all")
np.save("one.npy", CA[0])
expect("one.npy", CA[:1], None, None, 0, "all")
np.save("one_grey.npy", A[0, ..., 0])
expect("one_grey.npy", A[:1], None, None, 0, "all")

# Rows of planes and rows of pixels look alike; neighbours tell them apart.
slope = np.add.outer(np.add.outer(np.arange(4) * 7, np.arange(8) * 4), np.arange(8) * 9)
slopes = np.stack([slope, 200 - slope, slope // 2 + 60], axis=-1).astype("u1")
np.save("rows_planes.npy", slopes.transpose(0, 3, 1, 2).reshape(4, -1))
np.save("rows_pixels.npy", slopes.reshape(4, -1))
expect("rows_planes.npy", slopes, None, None, 0, "all")
expect("rows_pixels.npy", slopes, None, None, 0, "all")
for part, pixels, label in (("train", CA, LA), ("test", CB, LB)):
    folder(f"split/{part}")
    np.save(f"split/{part}/images.npy", pixels)
    np.save(f"split/{part}/labels.npy", label)
expect("split", CA, CB, LA, 4)
folder("table")
np.save("table/images.npy", CV)
with open("table/labels.csv", "w") as f:
    f.write("0\n1\n2\n3\n0\n")
expect("table", CV, None, None, 0, "all")

# ---- types and values ----

np.savez("bool.npz", A[..., 0] > 127)
expect("bool.npz", np.where(A > 127, 255, 0).astype("u1"), None, None, 0, "all")
deep = np.random.default_rng(8).integers(0, 65536, (12, 6, 5, 1), dtype="u2")
np.save("u2.npy", deep[..., 0])
np.save("u2_big.npy", deep[..., 0].astype(">u2"))
np.save("i4_deep.npy", deep[..., 0].astype("i4"))
for name in ("u2.npy", "u2_big.npy", "i4_deep.npy"):
    expect(name, deep, None, None, 0, "all")
np.save("i8.npy", A[..., 0].astype("i8"))
np.save("f8_whole.npy", A[..., 0].astype("f8"))
np.save("f4_steps.npy", A[..., 0].astype("f4") / 255)
np.save("f4_steps_both.npy", (A[..., 0].astype("f4") / 255 - np.float32(0.5)) / np.float32(0.5))
np.save("f4_steps_half.npy", A[..., 0].astype("f4") / 255 - np.float32(0.5))
np.save("f2_steps.npy", (A[..., 0] / 255).astype("f2"))
for name in ("i8.npy", "f8_whole.npy", "f4_steps.npy", "f4_steps_both.npy", "f4_steps_half.npy", "f2_steps.npy"):
    expect(name, A, None, None, 0, "all")
real = np.random.default_rng(9).random((12, 6, 5, 1))
np.save("f4_unit.npy", real[..., 0].astype("f4"))
expect("f4_unit.npy", words(real.astype("f4"), 0, 1), None, None, 0, "all")
np.save("f4_big.npy", real[..., 0].astype(">f4"))
expect("f4_big.npy", words(real.astype("f4"), 0, 1), None, None, 0, "all")
np.save("f8_both.npy", real[..., 0] * 2 - 1)
expect("f8_both.npy", words(real * 2 - 1, -1, 1), None, None, 0, "all")
tiny = (real * 1e-5).astype("f2")  # subnormal in half
np.save("f2_tiny.npy", tiny[..., 0])
expect("f2_tiny.npy", words(tiny, 0, 1), None, None, 0, "all")
np.save("f8_wide.npy", real[..., 0] * 300 - 100)
expect("f8_wide.npy", words(real * 300 - 100, -100, 200), None, None, 0, "all", "-100:200")
expect("f8_wide.npy", words(real * 300 - 100, -50, 50), None, None, 0, "all", "-50:50")
np.save("i2_signed.npy", (deep[..., 0].astype("i4") - 32768).astype("i2"))
expect("i2_signed.npy", words(deep.astype("i4") - 32768, -1000, 3000), None, None, 0, "all", "-1000:3000")

# ---- refused ----

bad = real[..., 0].copy()
bad[3, 2, 1] = np.nan
np.save("nan.npy", bad)
np.save("svhn.npy", CA.transpose(1, 2, 3, 0).copy())
np.savez("objects.npz", images=np.array([b"\x89PNG", b"\x89PNG..."], dtype=object))
np.save("features.npy", np.zeros((40, 5), "f4"))

# ---- IDX, STL-10, CIFAR, as they are unpacked ----


def idx(path, array, kind=8):
    data = struct.pack(">BBBB", 0, 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    with (gzip.GzipFile(path, "wb", mtime=0) if path.endswith(".gz") else open(path, "wb")) as f:
        f.write(data)


LETTERS = np.array([1, 26, 3, 3, 2, 1, 9, 9, 26, 4, 5, 6], "u1")
folder("emnist"), folder("qmnist"), folder("torch/FashionMNIST/raw"), folder("balanced")
for part, pixels, label in (("train", A, LETTERS), ("test", B, LETTERS[:7])):
    idx(f"emnist/emnist-letters-{part}-images-idx3-ubyte.gz", pixels[..., 0].transpose(0, 2, 1))
    idx(f"emnist/emnist-letters-{part}-labels-idx1-ubyte.gz", label)
expect("emnist", A, B, LETTERS - 1, 26)
expect("emnist/emnist-letters-train-images-idx3-ubyte.gz", A, B, LETTERS - 1, 26)
expect("emnist/emnist-letters-test-images-idx3-ubyte.gz", B, None, LETTERS[:7] - 1, 26, "all")
idx("balanced/emnist-balanced-train-images-idx3-ubyte", A[..., 0].transpose(0, 2, 1))
idx("balanced/emnist-balanced-train-labels-idx1-ubyte", LETTERS + 20)
with open("balanced/emnist-balanced-mapping.txt", "w") as f:
    f.writelines(f"{i} {ord(c)}\n" for i, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"))
expect("balanced", A, None, LETTERS + 20, 47, "all")
for part, pixels, label in (("train", A, LA), ("test", B, LB)):
    idx(f"qmnist/qmnist-{part}-images-idx3-ubyte.gz", pixels[..., 0])
    table = np.zeros((len(label), 8), ">i4")
    table[:, 0], table[:, 1:] = label, np.arange(1, 8) * 100
    idx(f"qmnist/qmnist-{part}-labels-idx2-int.gz", table, 12)
expect("qmnist", A, B, LA, 4)
expect("qmnist/qmnist-test-images-idx3-ubyte.gz", B, None, LB, 4, "all")
for part, pixels, label in (("train", A, LA), ("t10k", B, LB)):
    idx(f"torch/FashionMNIST/raw/{part}-images-idx3-ubyte", pixels[..., 0])
    idx(f"torch/FashionMNIST/raw/{part}-images-idx3-ubyte.gz", pixels[..., 0])
    idx(f"torch/FashionMNIST/raw/{part}-labels-idx1-ubyte", label.astype("u1"))
expect("torch", A, B, LA, 4)
idx("floats-images-idx3-float", real[..., 0].astype(">f4"), 13)
expect("floats-images-idx3-float", words(real.astype("f4"), 0, 1), None, None, 0, "all")

smooth = [np.clip(np.add.outer(np.add.outer(np.arange(96) * (2 - i), np.arange(96) // 2), [0, 30, 60]), 0, 255).astype("u1")
          for i in range(2)]
folder("stl10_binary")
stl = np.stack(smooth)
for part, pixels, label in (("train", stl, [10, 1]), ("test", stl[::-1], [1, 3]), ("unlabeled", stl[:1], None)):
    pixels.transpose(0, 3, 2, 1).tofile(f"stl10_binary/{part}_X.bin")
    if label:
        np.array(label, "u1").tofile(f"stl10_binary/{part}_y.bin")
with open("stl10_binary/class_names.txt", "w") as f:
    f.write("airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n")
with open("stl10_binary/fold_indices.txt", "w") as f:
    f.write("0 1\n")
expect("stl10_binary", stl, stl[::-1], [9, 0], 10)
expect("stl10_binary/unlabeled_X.bin", stl[:1], None, None, 0, "all")
expect("stl10_binary/test_X.bin", stl[::-1], None, [0, 2], 10, "all")

folder("cifar/cifar-10-batches-bin")
gradient = np.add.outer(np.add.outer(np.arange(2) * 40, np.arange(32)), np.arange(32) * 3)
cifar = np.stack([gradient, gradient // 2, 255 - gradient], axis=-1).astype("u1")
for name, label in (("data_batch_1", [3, 9]), ("test_batch", [0, 1])):
    data = np.concatenate([np.array(label, "u1")[:, None], cifar.transpose(0, 3, 1, 2).reshape(2, -1)], axis=1)
    data.tofile(f"cifar/cifar-10-batches-bin/{name}.bin")
expect("cifar", cifar, cifar, [3, 9], 10)

# Small NORB, as its page describes binary matrices; tensorflow-datasets 4.9.7 reads the same from these files
# (smallnorb_dataset_builder.read_binary_matrix).
folder("norb"), folder("matrix")


def matrix(path, array):
    magic = {"u1": 0x1E3D4C55, "i4": 0x1E3D4C54, "f4": 0x1E3D4C51}[array.dtype.str[1:]]
    size = list(array.shape) + [1] * (3 - array.ndim)
    data = struct.pack(f"<{2 + len(size)}I", magic, array.ndim, *size) + array.astype(array.dtype.newbyteorder("<")).tobytes()
    with (gzip.GzipFile(path, "wb", mtime=0) if path.endswith(".gz") else open(path, "wb")) as f:
        f.write(data)


for name, pixels, label, gz in (("5x46789x9x18x6x2x96x96-training", A, [0, 1, 4, 3, 2, 0], ".gz"),
                                ("5x01235x9x18x6x2x96x96-testing", B[:6], [2, 2, 0], "")):
    matrix(f"norb/smallnorb-{name}-dat.mat{gz}", pixels.reshape(-1, 2, 6, 5))
    matrix(f"norb/smallnorb-{name}-cat.mat{gz}", np.array(label, "i4"))
    matrix(f"norb/smallnorb-{name}-info.mat{gz}", np.zeros((len(label), 4), "i4"))
expect("norb", A, B[:6], np.repeat([0, 1, 4, 3, 2, 0], 2), 5)
expect("norb/smallnorb-5x01235x9x18x6x2x96x96-testing-dat.mat", B[:6], None, [2, 2, 2, 2, 0, 0], 5, "all")
matrix("matrix/planes-dat.mat", CA.transpose(0, 3, 1, 2).astype("f4") / 255)
expect("matrix/planes-dat.mat", CA, None, None, 0, "all")

with open("expected.txt", "w") as f:
    f.write("\n".join(rows) + "\n")
