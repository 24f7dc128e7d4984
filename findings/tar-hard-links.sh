#!/bin/sh
# Equal pictures that share their place on the disk: packed by tar as hard links, they are lost to webdataset and to datasets.
#
# webdataset 1.0.2; datasets 5.2.0 (pyarrow 26.0.1, Pillow 12.0.0); packed by GNU tar and by Python's tarfile. A folder has 20
# pictures with captions, of which numbers 9 and 15 show the same as number 1 and are hard links to it, as tools leave them that
# make equal files one (jdupes -L, rdfind -makehardlinks) or copy a tree by links (cp -al). tar then stores the bytes once and
# calls the others links: the archive is sound, and unpacking it gives all 20 pictures. Read as a shard:
#
#     webdataset, pictures with captions    20 samples, 2 of them a caption without its picture
#     webdataset, pictures alone            18 samples
#     datasets, "webdataset"                20 rows, the picture of 2 is None
#     extractfile of Python's tarfile       20 pictures
#
# Nothing warns. Both readers go over what is no regular file, as is right for folders and devices. Who makes equal files one to
# save room, and packs what is left, trains on fewer pictures than the folder shows and the archive unpacks to.
# tar --hard-dereference, or tarfile.open(..., dereference=True), stores all bytes, and all is read.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q webdataset==1.0.2 datasets==5.2.0 pyarrow==26.0.1 pillow==12.0.0
HF_HUB_OFFLINE=1 HF_HOME="$work/home" "$work/venv/bin/python" -W error::UserWarning - "$work" <<'PY'
import os, shutil, subprocess, sys, tarfile
import datasets, webdataset
from PIL import Image

datasets.disable_progress_bars()
os.chdir(sys.argv[1])
os.mkdir("set")
for i in range(20):
    if i in (9, 15):
        os.link("set/01.png", f"set/{i:02d}.png")
    else:
        Image.new("RGB", (8, 8), (i, 0, 0)).save(f"set/{i:02d}.png")
    with open(f"set/{i:02d}.txt", "w") as f:
        f.write(f"caption {i}")
pictures = [f"{i:02d}.png" for i in range(20)]
pairs = sorted(os.listdir("set"))


def pack(path, names, **how):
    with tarfile.open(path, "w", **how) as archive:
        for name in names:
            archive.add("set/" + name, name)


def samples(path):
    read = list(webdataset.WebDataset(path, shardshuffle=False))
    lost = [s["__key__"] for s in read if "png" not in s]
    print(f"{path:16} webdataset: {len(read)} samples, without picture {lost}")
    return len(read), lost


def rows(path):
    read = datasets.load_dataset("webdataset", data_files=path, split="train")
    lost = [r["__key__"] for r in read if r["png"] is None]
    print(f"{path:16} datasets: {len(read)} rows, without picture {lost}")
    return len(read), lost


pack("pairs.tar", pairs)
pack("pictures.tar", pictures)
pack("all-bytes.tar", pairs, dereference=True)
assert samples("pairs.tar") == (20, ["09", "15"]) and rows("pairs.tar") == (20, ["09", "15"])
assert samples("pictures.tar") == (18, [])
assert samples("all-bytes.tar") == (20, []) and rows("all-bytes.tar") == (20, [])
with tarfile.open("pairs.tar") as archive:
    read = [archive.extractfile(name).read() for name in pictures]
    assert read[9] == read[15] == read[1] and all(read)
if shutil.which("tar") and "GNU tar" in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout:
    subprocess.run(["tar", "-cf", "gnu.tar", "-C", "set", *pairs], check=True)
    subprocess.run(["tar", "--hard-dereference", "-cf", "gnu-all.tar", "-C", "set", *pairs], check=True)
    assert samples("gnu.tar") == (20, ["09", "15"]) and samples("gnu-all.tar") == (20, [])
print("as described")
PY
