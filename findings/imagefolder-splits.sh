#!/bin/sh
# Which folders are splits to Hugging Face's "imagefolder": capitals make test images training images, and a class called
# "train" makes all other classes vanish.
#
# datasets 5.2.0 (pyarrow 26.0.1, Pillow 12.0.0), load_dataset("imagefolder", data_dir=...) on local folders:
#
#   Training/glioma, Training/notumor, Testing/glioma, Testing/notumor   (Kaggle's brain tumours, 2 images each)
#       one split, "train", with all 8 images and the two classes: the test images are trained on. In small letters
#       (train/, test/) there are two splits of 4.
#   bus/, car/, train/   (three classes of vehicles, 2 images each)
#       one split, "train", of the 2 images in train/, without labels; the 4 images of the other two classes are left out.
#
# Neither raises an error nor warns.
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


def tree(splits):
    return [f"{s}/{c}/{i}.png" for s in splits for c in ("glioma", "notumor") for i in range(2)]


classes = ["glioma", "notumor"]
assert load("small", tree(("train", "test"))) == {"train": (4, classes), "test": (4, classes)}
assert load("capitals", tree(("Training", "Testing"))) == {"train": (8, classes)}
assert load("vehicles", [f"{c}/{i}.png" for c in ("bus", "car", "train") for i in range(2)]) == {"train": (2, None)}
print("as described")
PY
