"""Small data sets in the layouts that are downloaded, made with each format's own library, and a look into what
scripts/convert-dataset has made of them.

    convert-samples.py make KIND FOLDER      a data set; FOLDER/expected.npz has the images and labels of each split
    convert-samples.py same OUT FOLDER       whether OUT.zip or OUT.npz holds the same; Pillow decodes
Exit status 3: a module is missing.
"""
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(error)
    sys.exit(3)

random = np.random.default_rng(7)


def images(n, h=6, w=5, c=3, most=256, kind=np.uint8):
    return random.integers(0, most, (n, h, w, c), dtype=kind)


def encoded(image, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind)
    return out.getvalue()


def decoded(data):
    return np.array(Image.open(io.BytesIO(data)))


def dump(value, path):
    with open(path, "wb") as f:
        pickle.dump(value, f, protocol=2)


def rows(x):
    """CIFAR's rows: planes."""
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


def cifar10(folder):
    x, y = images(10, 8, 8), np.arange(10) % 3
    os.makedirs(f"{folder}/cifar-10-batches-py")
    for i in range(4):
        part = slice(2 * i, 2 * i + 2)
        name = "test_batch" if i == 3 else f"data_batch_{i + 1}"
        dump({b"data": rows(x[part]), b"labels": y[part].tolist(), b"filenames": [b"a", b"b"]},
             f"{folder}/cifar-10-batches-py/{name}")
    dump({b"label_names": [b"air", b"bus", b"cat"], b"num_vis": 192}, f"{folder}/cifar-10-batches-py/batches.meta")
    with tarfile.open(f"{folder}/cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(f"{folder}/cifar-10-batches-py", "cifar-10-batches-py")
    return {"train": (x[:6], y[:6]), "test": (x[6:8], y[6:8])}


def cifar100(folder):
    x, y = images(5, 8, 8), np.array([1, 0, 2, 2, 1])
    for name, part in (("train", slice(0, 3)), ("test", slice(3, 5))):
        dump({b"data": rows(x[part]), b"fine_labels": y[part].tolist(), b"coarse_labels": [0] * 3}, f"{folder}/{name}")
    dump({b"fine_label_names": [b"apple", b"bee", b"cup"], b"coarse_label_names": [b"all"]}, f"{folder}/meta")
    return {"train": (x[:3], y[:3]), "test": (x[3:], y[3:])}


def mnist(folder):
    import gzip
    splits = [(random.integers(0, 256, (n, 16)).astype(np.uint8), np.arange(n) % 2) for n in (4, 2, 3)]
    with gzip.open(f"{folder}/mnist.pkl.gz", "wb") as f:
        pickle.dump(tuple(((x / 255).astype(np.float32), y) for x, y in splits), f, protocol=2)
    return {name: (x.reshape(-1, 4, 4, 1), y) for name, (x, y) in zip(("train", "val", "test"), splits)}


def svhn(folder):
    import scipy.io
    out = {}
    for split, n in (("train", 11), ("test", 10)):
        x, y = images(n, 4, 4), np.arange(n) % 10 + 1
        scipy.io.savemat(f"{folder}/{split}_32x32.mat", {"X": x.transpose(1, 2, 3, 0), "y": y[:, None].astype(np.uint8)},
                         do_compression=True)
        out[split] = (x, y % 10)
    return out


def mat73(folder):
    import h5py
    x, y = images(4, 6, 5), np.array([0, 2, 1, 1])
    with h5py.File(f"{folder}/train.mat", "w", userblock_size=512) as f:
        f["X"] = x.transpose(0, 3, 2, 1)  # MATLAB's 6 x 5 x 3 x 4, in the order of its memory
        f["y"] = y[None, :]
    with open(f"{folder}/train.mat", "r+b") as f:
        f.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))
    return {"train": (x, y)}


def flowers(folder):
    import scipy.io
    os.makedirs(f"{folder}/jpg")
    data = [encoded(x, "JPEG") for x in images(8, 16, 16)]
    for i, one in enumerate(data):
        with open(f"{folder}/jpg/image_{i + 1:05d}.jpg", "wb") as f:
            f.write(one)
    y = np.arange(8) % 3
    scipy.io.savemat(f"{folder}/imagelabels.mat", {"labels": (y + 1)[None].astype(np.uint8)})
    scipy.io.savemat(f"{folder}/setid.mat", {"trnid": [[3, 1]], "valid": [[2]], "tstid": [[4, 5, 6, 7, 8]]})
    x = np.stack([decoded(one) for one in data])
    pick = {"train": [2, 0], "val": [1], "test": [3, 4, 5, 6, 7]}
    return {split: (x[at], y[at]) for split, at in pick.items()}


def lsun(folder):
    import lmdb
    out, x = {}, images(7)
    for name, label, at in (("bedroom_train_lmdb", 0, range(0, 3)), ("bedroom_val_lmdb", 0, range(3, 4)),
                            ("bridge_train_lmdb", 1, range(4, 6)), ("bridge_val_lmdb", 1, range(6, 7))):
        base = lmdb.open(f"{folder}/{name}", map_size=1 << 24)
        with base.begin(write=True) as writing:
            for i in at:
                writing.put(b"%040d" % i, encoded(x[i]))
        base.close()
        part = out.setdefault("train" if "train" in name else "val", ([], []))
        part[0].extend(x[i] for i in at)
        part[1].extend(label for i in at)
    return {split: (np.stack(x), np.array(y)) for split, (x, y) in out.items()}


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    crc = 0xffffffff
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff)


def record(features):
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    entries = b""
    for name, value in features.items():
        feature = field(1, field(1, value)) if isinstance(value, bytes) else field(3, field(1, b"".join(map(varint, value))))
        entries += field(1, field(1, name.encode()) + field(2, feature))
    data = field(1, entries)
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def stylegan(folder):
    x, y = images(5, 8, 8), np.array([2, 0, 1, 1, 2])
    for size in (4, 8):
        with open(f"{folder}/toy-r{size.bit_length() - 1:02d}.tfrecords", "wb") as f:
            for image in x[:, :size, :size]:
                f.write(record({"shape": [3, size, size], "data": image.transpose(2, 0, 1).tobytes()}))
    np.save(open(f"{folder}/toy-rxx.labels", "wb"), np.eye(3, dtype=np.float32)[y])
    return {"train": (x, y)}


def tfrecord(folder):
    x, y = images(4), np.array([3, 1, 2, 1])
    for split, at in (("train", range(0, 3)), ("validation", range(3, 4))):
        with open(f"{folder}/{split}-00000-of-00001.tfrecord", "wb") as f:
            for i in at:
                f.write(record({"image/encoded": encoded(x[i]), "image/class/label": [int(y[i])], "image/height": [6]}))
    return {"train": (x[:3], y[:3]), "val": (x[3:], y[3:])}


def hdf5(folder):
    import h5py
    x, y = images(7), np.array([0, 1, 1, 0, 2, 1, 0])
    with h5py.File(f"{folder}/all.h5", "w") as f:
        f["train/images"], f["train/labels"] = x[:4], y[:4]
        f["test/images"], f["test/labels"] = x[4:], y[4:].reshape(-1, 1)
    return {"train": (x[:4], y[:4]), "test": (x[4:], y[4:])}


def pcam(folder):
    import h5py
    x, y = images(5), np.array([0, 1, 1, 0, 1])
    for split, at in (("train", slice(0, 2)), ("valid", slice(2, 4)), ("test", slice(4, 5))):
        with h5py.File(f"{folder}/camelyonpatch_level_2_split_{split}_x.h5", "w") as f:
            f["x"] = x[at]
        with h5py.File(f"{folder}/camelyonpatch_level_2_split_{split}_y.h5", "w") as f:
            f["y"] = y[at].reshape(-1, 1, 1, 1)
    return {"train": (x[:2], y[:2]), "val": (x[2:4], y[2:4]), "test": (x[4:], y[4:])}


def deep(folder):
    import h5py
    x = images(3, c=1, most=65536, kind=np.uint16)  # Pillow reads 16 bits of grey alone
    with h5py.File(f"{folder}/deep.h5", "w") as f:
        f["data"] = x
    return {"train": (x, None)}


def huggingface(x, y):
    import datasets
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    return datasets.Dataset.from_dict({"img": [Image.fromarray(one) for one in x], "label": y.tolist()}, features=features)


def parquet(folder):
    x, y = images(6), np.array([0, 1, 1, 0, 1, 0])
    os.makedirs(f"{folder}/data")
    for split, at in (("train", slice(0, 4)), ("test", slice(4, 6))):
        huggingface(x[at], y[at]).to_parquet(f"{folder}/data/{split}-00000-of-00001.parquet")
    return {"train": (x[:4], y[:4]), "test": (x[4:], y[4:])}


def saved(folder):
    import datasets
    x, y = images(6), np.array([0, 1, 1, 0, 1, 0])
    datasets.DatasetDict({"train": huggingface(x[:4], y[:4]), "test": huggingface(x[4:], y[4:])}).save_to_disk(
        f"{folder}/saved")
    return {"train": (x[:4], y[:4]), "test": (x[4:], y[4:])}


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def evil(folder):
    dump({"data": Runs(f"{folder}/it-ran"), "labels": [0]}, f"{folder}/evil.pkl")
    return {}


def make(kind, folder):
    os.makedirs(folder)
    splits = {"cifar10": cifar10, "cifar100": cifar100, "mnist": mnist, "svhn": svhn, "mat73": mat73, "flowers": flowers,
              "lsun": lsun, "stylegan": stylegan, "tfrecord": tfrecord, "hdf5": hdf5, "pcam": pcam, "deep": deep,
              "parquet": parquet, "saved": saved, "evil": evil}[kind](folder)
    arrays = {}
    for split, (x, y) in splits.items():
        arrays[split + "_x"] = x
        if y is not None:
            arrays[split + "_y"] = y
    np.savez(folder + ".expected.npz", **arrays)


def from_zip(path):
    """{split: (images, labels)}; classes are numbered by the order of their folders."""
    out = {}
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        if "dataset.json" in names:
            labels = json.loads(archive.read("dataset.json"))["labels"]
            found = [name for name in names if name != "dataset.json"]
            if labels:
                assert [name for name, _ in labels] == found
            return {None: ([decoded(archive.read(n)) for n in found], [y for _, y in labels] if labels else None)}
        for name in names:
            split, folder, _ = name.split("/")
            out.setdefault(split, ([], []))
            out[split][0].append(decoded(archive.read(name)))
            out[split][1].append(int(folder.removeprefix("class-").split("-")[0]))
    return out


def same(path, folder, split=None):
    expected = np.load(folder + ".expected.npz")
    splits = sorted({name[:-2] for name in expected.files if name.endswith("_x")})
    if path.endswith(".npz"):
        made = np.load(path)
        found = {None: (made["arr_0"], made["arr_1"] if "arr_1" in made.files else None)}
    else:
        found = from_zip(path)
    wanted = [split] if split else splits
    if None in found:
        assert len(wanted) == 1, wanted
        found = {wanted[0]: found[None]}
    assert sorted(found) == sorted(wanted), (sorted(found), wanted)
    for name in wanted:
        x, y = found[name]
        want = expected[name + "_x"]
        x = np.stack([np.asarray(one).reshape(want.shape[1:]) for one in x])
        assert x.dtype in (want.dtype, np.int32) and np.array_equal(x, want), name
        if name + "_y" in expected.files:
            assert np.array_equal(np.asarray(y), expected[name + "_y"]), (name, y)
        else:
            assert y is None, name


try:
    {"make": make, "same": same}[sys.argv[1]](*sys.argv[2:])
except ImportError as error:
    print(error)
    sys.exit(3)
