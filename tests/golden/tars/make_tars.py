#!/usr/bin/env python3
"""Write the fixtures of tests/test_tars.c into the folder of this script: the images of
../archives/classes.zip (3 folders, 10 PNGs) in tar archives, by Python's tarfile; .tar.zst by the zstd program.
"""
import io
import json
import os
import subprocess
import tarfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = [(i.filename, zipfile.ZipFile(os.path.join(HERE, "../archives/classes.zip")).read(i))
          for i in zipfile.ZipFile(os.path.join(HERE, "../archives/classes.zip")).infolist()
          if i.filename.endswith(".png")]
CLASSES = sorted({name.split("/")[0] for name, _ in IMAGES})


def info(name, size=0, kind=tarfile.REGTYPE, link=""):
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = size, kind, link
    return entry


def pack(name, entries, mode="w", form=tarfile.GNU_FORMAT, **options):
    """Entries: (name, bytes) or a TarInfo of something without bytes."""
    tarfile.RECORDSIZE = 1024  # small files
    with tarfile.open(os.path.join(HERE, name), mode, format=form, **options) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                archive.addfile(info(entry[0], len(entry[1])), io.BytesIO(entry[1]))


# folders, as `tar -c .` has them, in an order that is no walk's
dots = [info(".", kind=tarfile.DIRTYPE)] + [("./" + name, data) for name, data in reversed(IMAGES)]
pack("folders.tar", dots)
pack("folders.tar.gz", dots, "w:gz", compresslevel=9)
pack("folders.tar.bz2", dots, "w:bz2")
pack("folders.tar.xz", dots, "w:xz")
pack("ustar.tar", IMAGES, form=tarfile.USTAR_FORMAT)
subprocess.run(["zstd", "-q", "-f", "ustar.tar", "-o", "ustar.tar.zst"], cwd=HERE, check=True)

# names that need more than a header: long, and not of ASCII
LONG = "a long way down/" * 10
for form, name in ((tarfile.GNU_FORMAT, "gnu_names.tar"), (tarfile.PAX_FORMAT, "pax_names.tar")):
    pack(name, [(LONG + os.path.dirname(n) + "/é" + os.path.basename(n), data) for n, data in IMAGES], form=form)

# WebDataset: keys, labels beside the images; two shards, .cls in one set, .json in the other
keyed = [(f"{i:04d}", CLASSES.index(n.split("/")[0]), data) for i, (n, data) in enumerate(IMAGES)]
for shard, part in enumerate((keyed[:6], keyed[6:])):
    pack(f"cls-{shard:06d}.tar", [e for k, c, d in part
                                  for e in ((k + ".cls", str(c).encode()), (k + ".png", d), (k + ".txt", b"a text"))])
pack("json.tar.gz", [e for k, c, d in keyed for e in ((k + ".png", d), (k + ".seg.png", IMAGES[0][1]),
                                                      (k + ".json", json.dumps({"label": c, "of": k}).encode()))],
     "w:gz", compresslevel=9)

# EDM's dataset.json, behind the images
pack("edm.tar.gz", [(f"00000/img{int(k):08d}.png", d) for k, c, d in keyed] +
     [("dataset.json", json.dumps({"labels": [[f"00000/img{int(k):08d}.png", c] for k, c, d in keyed]}).encode())],
     "w:gz", compresslevel=9)

# what a stranger may send: links, devices, ways out; one name twice (the later counts)
pack("strange.tar", [info("cat/link.png", kind=tarfile.SYMTYPE, link="/etc/passwd"),
                     info("cat/hard.png", kind=tarfile.LNKTYPE, link="cat/0.png"),
                     info("cat/device.png", kind=tarfile.CHRTYPE), info("cat/pipe.png", kind=tarfile.FIFOTYPE),
                     ("../../out.png", IMAGES[0][1]), ("/root/top.png", IMAGES[1][1]),
                     ("x.png", b"an older one"), ("x.png", IMAGES[2][1]), ("._x.png", b"of macOS")])
pack("no_images.tar.gz", [("cifar-10-batches-py/data_batch_1", b"\x80\x02}q\x01"), ("readme.html", b"<html>")], "w:gz")
