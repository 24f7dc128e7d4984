#!/usr/bin/env python3
"""Write Inception-v3's weights as the file that `--inception FILE.safetensors` takes.

    scripts/convert-inception.py pt_inception-2015-12-05-6726825d.pth inception.safetensors

The first is pytorch-fid's file of the 2015 TensorFlow weights, with which FID is commonly computed, or a state dict of
torchvision's inception_v3 (another network: its figures compare with nothing published). Needs PyTorch.
"""
import json
import os
import struct
import sys

import torch


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    source, target = sys.argv[1:]
    state = torch.load(source, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    # the auxiliary head and the counters of batch norms have no part in the features
    kept = {name: t.float().contiguous() for name, t in sorted(state.items())
            if not name.startswith("AuxLogits.") and not name.endswith("num_batches_tracked")}
    for name in ("Conv2d_1a_3x3.conv.weight", "Mixed_7c.branch_pool.bn.running_var", "fc.weight"):
        if name not in kept:
            sys.exit(f"{source} is not an Inception-v3: {name} is missing")

    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in kept.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + 4 * t.numel()]}
        at += 4 * t.numel()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(target + ".tmp", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for t in kept.values():
            out.write(t.numpy().astype("<f4").tobytes())
    os.replace(target + ".tmp", target)
    print(f"{target}: {len(kept)} tensors, logits of {len(kept['fc.weight'])} classes")


main()
