"""Make inception.txt: features and logits of pytorch-fid's Inception-v3 with random weights, in double.

    python3 make_inception.py    (torch, torchvision, pytorch-fid)

The weights (90 MB) are not kept: they come from a formula that tests/test_inception.c has, too. Element i of the
tensor NAME is made of the splitmix64 of FNV-1a(NAME) + i * 0x9E3779B97F4A7C15, whose upper 24 bits are a uniform u in
[0, 1). Images are made by a formula as well.
Made with torch 2.15.0, torchvision 0.29.2, pytorch-fid 0.3.0.
"""
from pathlib import Path

import numpy as np
import pytorch_fid.inception as published
import torch
import torchvision

MASK = (1 << 64) - 1


def uniform(name, count):
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = (start ^ byte) * 0x100000001B3 & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / (1 << 24)


def weights(name, shape):
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith(("running_var", "bn.weight")):
        values = 0.75 + 0.5 * u
    elif name.endswith(("running_mean", "bias")):
        values = 0.25 * (2 * u - 1)
    else:  # uniform of variance 2 / fan in (He et al. 2015)
        values = (2 * u - 1) * np.sqrt(6 / np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def images(n, h, w, c):
    i, y, x, k = np.ogrid[:n, :h, :w, :c]
    return ((x * x * 3 + y * (7 + x) + 50 * k + 91 * i * (y + 2)) % 256).astype(np.uint8)


def network():
    empty = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False)
    state = {name: weights(name, tuple(t.shape)) for name, t in empty.state_dict().items()}
    published.load_state_dict_from_url = lambda *args, **kwargs: state
    features = published.InceptionV3([3]).eval().double()
    logits = published.fid_inception_v3().fc.double()
    return features, logits


# Enlarged colour, enlarged grey, made smaller along one side.
cases = {"colour": (2, 37, 50, 3), "grey": (1, 28, 28, 1), "wide": (1, 64, 400, 3)}

features, logits = network()
with open(Path(__file__).parent / "inception.txt", "w") as out, torch.no_grad():
    for name, shape in cases.items():
        x = torch.from_numpy(images(*shape)).double().permute(0, 3, 1, 2) / 255
        f = features(x.expand(-1, 3, -1, -1))[0][:, :, 0, 0]
        for what, t, step in (("features", f, 8), ("logits", logits(f), 4)):
            out.write(f"{name} {' '.join(map(str, shape))} {what} {step}\n")
            values = [f"{v:.9g}" for v in t[:, ::step].reshape(-1).tolist()]
            for i in range(0, len(values), 8):
                out.write(" ".join(values[i:i + 8]) + "\n")
        print(name, f.std().item(), f.mean().item(), f.max().item(), (f[0] - f[-1]).abs().mean().item())
