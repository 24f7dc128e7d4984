#!/bin/sh
# One wrong bit in a header of a tar shard: the rest of the shard is gone, and webdataset does not say so.
#
# webdataset 1.0.2 (Python 3.11.7's tarfile), libarchive-c 5.3 on libarchive 3.6.2 where the system has it, GNU tar 1.34. A shard
# of 10 samples, 0000.jpg 0000.cls 0001.jpg ..., is damaged or cut behind its 5th sample:
#
#                                           tarfile   webdataset    GNU tar      libarchive
#     sound                                 20        10 samples    20           20
#     one bit of a header flipped           10        5 samples     19, error    10, error
#     cut within a header (1 to 511 bytes)  10        5 samples     10           10, error
#     cut between members                   10        5 samples     10           10
#     cut within a picture                  error     error         error        error
#
# A header carries a checksum, but tarfile raises an error of a wrong or short one only if it is the first of the archive; any
# other counts as its end (CPython's issue 120740, open since 2024). webdataset reads through it (mode "r|*"), so half a shard is
# left out of every epoch, while a shard that lacks bytes of a picture is reported. A shard cut between a picture and its label
# gives the picture alone. An archive's end is two blocks of zeros, which all writers put there and none of these readers asks
# for: to look for them at a shard's end, and to count the samples, is left to the user.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q webdataset==1.0.2 libarchive-c==5.3
"$work/venv/bin/python" -W error::UserWarning - "$work" <<'PY'
import io, os, shutil, subprocess, sys, tarfile
import webdataset

try:
    import libarchive
except Exception:  # the system has no libarchive
    libarchive = None
os.chdir(sys.argv[1])


def add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


with tarfile.open("sound.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
    for k in range(10):
        add(archive, f"{k:04d}.jpg", bytes([k]) * 1500)
        add(archive, f"{k:04d}.cls", b"%d" % k)
sound = open("sound.tar", "rb").read()
half = 5 * (512 + 1536 + 512 + 512)  # of blocks of 512 bytes: header, picture, header, label
flipped = bytearray(sound)
flipped[half + 3] ^= 1
files = {
    "sound": sound,
    "header flipped": flipped,
    "header cut": sound[: half + 200],
    "cut between": sound[:half],
    "label gone": sound[: half + 2048],
    "picture cut": sound[: half + 512 + 700],
}


def python(path):
    with tarfile.open(path) as archive:
        return sum(len(archive.extractfile(member).read()) == member.size for member in archive)


def shard(path):
    read = [[k for k in s if k in ("jpg", "cls")] for s in webdataset.WebDataset(path, shardshuffle=False)]
    return len(read), sum(len(keys) == 2 for keys in read)


def counted(tool, path):
    try:
        return tool(path)
    except tarfile.ReadError:
        return "error"


def gnu(path):
    told = subprocess.run(["tar", "-tf", path], capture_output=True, text=True)
    return len(told.stdout.split()), told.returncode


def archived(path):
    n = 0
    try:
        with libarchive.file_reader(path) as archive:
            for member in archive:
                sum(len(block) for block in member.get_blocks())
                n += 1
    except libarchive.ArchiveError:
        return n, "error"
    return n, "good"


has_gnu = shutil.which("tar") and "GNU tar" in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout
seen = {}
for name, data in files.items():
    path = name.replace(" ", "-") + ".tar"
    with open(path, "wb") as f:
        f.write(data)
    seen[name] = counted(python, path), counted(shard, path)
    print(f"{name:15} tarfile {seen[name][0]}, webdataset (samples, whole ones) {seen[name][1]}", end="")
    print(f", GNU tar (members, exit status) {gnu(path)}" if has_gnu else "", end="")
    print(f", libarchive {archived(path)}" if libarchive else "")
assert seen["sound"] == (20, (10, 10))
assert seen["header flipped"] == seen["header cut"] == seen["cut between"] == (10, (5, 5))
assert seen["label gone"] == (11, (6, 5))
assert seen["picture cut"] == ("error", "error")
print("as described")
PY
