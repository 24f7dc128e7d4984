#!/bin/sh
# Which folders are classes to Hugging Face's "imagefolder": parts of a thousand are, and a held-out part without labels takes
# the labels of the training part away.
#
# datasets 5.2.0 (pyarrow 26.0.1, Pillow 12.0.0), load_dataset("imagefolder", data_dir=...) on local folders:
#
#   00000/00000.png ... 01000/01000.png ... 02000/02000.png ...   (FFHQ's thumbnails)
#       labels with the classes "00000", "01000", "02000", though the folders are only parts of a thousand files.
#   train/a, train/b, and val/ without folders   (ImageNet as it is downloaded)
#       no labels at all, neither of val nor of train, whose folders are classes; without val/ they are a and b.
#   train/n01/images, train/n02/images, val/images   (Tiny-ImageNet as it is downloaded)
#       no labels at all.
#
# Nothing warns. A model that is conditioned on classes is then trained on shards, or without.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q datasets==5.2.0 pyarrow==26.0.1 pillow==12.0.0
HF_HUB_OFFLINE=1 HF_HOME="$work/home" "$work/venv/bin/python" -W error::UserWarning - "$work" <<'PY'
import os, sys
import datasets
from PIL import Image

datasets.disable_progress_bars()


def load(name, files):
    for i, path in enumerate(files):
        whole = os.path.join(sys.argv[1], name, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(whole)
    found = datasets.load_dataset("imagefolder", data_dir=os.path.join(sys.argv[1], name))
    told = {split: (len(d), d.features["label"].names if "label" in d.features else None) for split, d in found.items()}
    print(name, told)
    return told


shards = [f"{1000 * k:05d}/{1000 * k + i:05d}.png" for k in range(3) for i in range(3)]
assert load("ffhq", shards) == {"train": (9, ["00000", "01000", "02000"])}
train = [f"train/{c}/{i}.png" for c in "ab" for i in range(2)]
assert load("train-alone", train) == {"train": (4, ["a", "b"])}
assert load("flat-val", train + ["val/1.png", "val/2.png"]) == {"train": (4, None), "validation": (2, None)}
tiny = [f"train/{c}/images/{i}.png" for c in ("n01", "n02") for i in range(2)] + ["val/images/v1.png"]
assert load("tiny", tiny) == {"train": (4, None), "validation": (1, None)}
print("as described")
PY
