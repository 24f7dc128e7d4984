"""tiny.py - a training of a tenth of a second, what its files should be, and how two of its ends are compared."""

import json
import os
import re
import struct

SETTINGS = """data = { path = "d.idx"; };
pyramid = { levels = 2; };
train = { duration = "%d"; snapshot = -1; checkpoint = %dL; status = %dL; held_out = -1; };
level = { network = { block_out_channels = [8]; norm_num_groups = 4; }; batch = 16; warmup = 2;
          sampler = { kind = "heun"; steps = 3; }; };
"""
KINDS = {
    "apart": [],
    "cascade": ["--cascade"],
    "share": ["--cascade", "--set", "cascade.share=true"],
}


def write_inputs(folder, duration=640, checkpoint=80, status=80):
    """40 pictures of 8x8, and the configuration t.cfg. Duration and cadences in images."""
    pictures = bytes((x * 7 + y * 13 + i * 31) & 255 for i in range(40) for y in range(8) for x in range(8))
    with open(os.path.join(folder, "d.idx"), "wb") as file:
        file.write(struct.pack(">BBBBIII", 0, 0, 8, 3, 40, 8, 8) + pictures)
    with open(os.path.join(folder, "t.cfg"), "w") as file:
        file.write(SETTINGS % (duration, checkpoint, status))


def train(program, kind, run="run", threads=1):
    return [program, "train", "--config", "t.cfg", "--threads", str(threads), "--outdir", run] + KINDS[kind]


def read_tree(folder):
    """{path: bytes, or None for a folder} of all below it."""
    tree = {}
    for at, folders, files in os.walk(folder):
        for name in folders:
            tree[os.path.relpath(os.path.join(at, name), folder)] = None
        for name in files:
            with open(os.path.join(at, name), "rb") as file:
                tree[os.path.relpath(os.path.join(at, name), folder)] = file.read()
    return tree


def write_tree(tree, folder):
    for path in sorted(tree):
        if tree[path] is None:
            os.makedirs(os.path.join(folder, path), exist_ok=True)
            continue
        with open(os.path.join(folder, path), "wb") as file:
            file.write(tree[path])


def tensors(blob):
    """(metadata, {name: bytes}) of a safetensors file."""
    n = struct.unpack("<Q", blob[:8])[0]
    head = json.loads(blob[8 : 8 + n])
    about = head.pop("__metadata__", {})
    return about, {name: blob[8 + n + t["data_offsets"][0] : 8 + n + t["data_offsets"][1]] for name, t in head.items()}


def step_of(state):
    """The step at which a state.safetensors stands."""
    return struct.unpack("<q", tensors(state)[1]["counters"][:8])[0]


def comparable(path, blob):
    """What has to be the same in two runs: all but the time that a training took (its third counter), and with it the
    checksum of the state."""
    if not path.endswith("state.safetensors"):
        return blob
    about, parts = tensors(blob)
    parts["counters"] = parts["counters"][:16] + bytes(8) + parts["counters"][24:]
    return {key: text for key, text in about.items() if not re.search("xxh|checksum", key)}, parts


def compared(path):
    """The files that have to be there in the end, and the same."""
    return path.endswith((".safetensors", "config.json", "pyrdiff.cfg"))


def wrong_log(path, blob, last):
    """What is wrong with a log of a training whose last step is `last`, or None."""
    steps = []
    for line in blob.split(b"\n")[:-1]:
        try:
            steps.append(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            return "%s has a line that is not JSON: %r" % (path, line[:60])
    if blob and not blob.endswith(b"\n") or sorted(set(steps)) != steps:
        return "%s counts steps twice or not in order: %s" % (path, steps)
    if steps and steps[-1] != last or len(steps) > last:
        return "%s ends at step %d of %d" % (path, steps[-1], last)
    return None


def difference(tree, right):
    """What makes the end of a run another one than `right`, or None."""
    for path in sorted(right):
        if not compared(path):
            continue
        if tree.get(path) is None:
            return "%s is missing" % path
        if tree[path] != right[path] and comparable(path, tree[path]) != comparable(path, right[path]):
            return "%s is another one" % path
    for path in sorted(tree):
        if re.search(r"\.tmp-|state-next|states-change", path):
            return "%s was left over" % path
        if path.endswith("log.jsonl"):
            steps = [json.loads(line)["step"] for line in right[path].split(b"\n")[:-1]]
            wrong = wrong_log(path, tree[path], max(steps))
            if wrong:
                return wrong
    return None
