"""Make resize.txt: images as torch-fidelity gives them to its Inception-v3 (TensorFlow 1's resize), and as pytorch-fid
does, at every 23rd of the 299 x 299 places.

    python3 make_resize.py    (torch, torch-fidelity)

The images are those of make_inception.py's formula, and a smooth one. torch-fidelity's
feature_extractor_inceptionv3.py: interpolate_bilinear_2d_like_tensorflow1x(x, size=(299, 299), align_corners=False),
then (x - 128) / 128, all in float, as it runs. pytorch-fid's inception.py: F.interpolate(x / 255, size=(299, 299),
mode="bilinear", align_corners=False), then 2 x - 1.
Made with torch 2.15.0, torch-fidelity 0.4.0.
"""
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x


def image(h, w, c):
    y, x, k = np.ogrid[:h, :w, :c]
    return ((x * x * 3 + y * (7 + x) + 50 * k) % 256).astype(np.uint8)


def smooth(h, w, c):
    y, x, k = np.ogrid[:h, :w, :c]
    return ((x * 255) // (w - 1) + 0 * y + 0 * k).astype(np.uint8)


cases = {"colour": image(37, 50, 3), "grey": image(28, 28, 1), "wide": image(64, 400, 3), "smooth": smooth(32, 32, 3)}
with open(Path(__file__).parent / "resize.txt", "w") as f:
    for name, pixels in cases.items():
        x = torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None].expand(-1, 3, -1, -1)
        size = (299, 299)
        tf1 = (interpolate_bilinear_2d_like_tensorflow1x(x.float(), size=size, align_corners=False) - 128) / 128
        pytorch = 2 * F.interpolate(x / 255, size=size, mode="bilinear", align_corners=False) - 1
        for word, values in (("tf1", tf1), ("pytorch", pytorch)):
            f.write(f"{name} {word} {' '.join(map(str, pixels.shape))}\n")
            some = values[0].permute(1, 2, 0)[::23, ::23].reshape(-1)
            f.write(" ".join(f"{v:.7f}" for v in some.tolist()) + "\n")
