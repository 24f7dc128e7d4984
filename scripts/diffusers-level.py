#!/usr/bin/env python3
"""Levels of a pyrdiff pyramid in Python, on diffusers' UNet2DModel.

    pip install torch diffusers safetensors pillow
    python scripts/diffusers-level.py EXPORT --seeds 0-15 --steps 18,12,8 --out grid.png

EXPORT is what `pyrdiff export --format diffusers` wrote: EXPORT/level-I are DDIMPipeline directories. Draws images
coarse to fine with the library's DDIMScheduler (filter box), each level from seeds of torch's generator.

As a module: Level(FOLDER) is a level from EXPORT/level-I or from a run's own RUN/level-I, and
Level.denoise(x, sigma, condition, label) the denoiser D(x, sigma) of x = z + sigma eps, in standardised units.
In a run the network N is preconditioned (docs/interchange.md):
    c = sigma^2 + 1;  D = skip x + out N([x / sqrt(c) | condition / condition_std], tau),  tau = 62.5 log sigma
with skip, out = 1/c, sigma/sqrt(c) for prediction f. An exported one gives v = -f at a timestep of its scheduler.
"""
import argparse
import glob
import json
import math
import os

import safetensors.torch  # diffusers 0.31 forgets to
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DModel
from safetensors import safe_open


class Level:
    def __init__(self, folder, device="cpu"):
        unet = os.path.join(folder, "unet")
        self.unet, self.loading = UNet2DModel.from_pretrained(unet, low_cpu_mem_usage=False, output_loading_info=True)
        self.unet = self.unet.eval().to(device)
        with open(os.path.join(unet, "config.json")) as f:
            self.patch = json.load(f).get("_pyrdiff_patch", 1)
        with safe_open(os.path.join(unet, "diffusion_pytorch_model.safetensors"), "pt") as f:
            facts = f.metadata()
        self.index, self.levels = int(facts["pyrdiff_level"]), int(facts["pyrdiff_levels"])
        self.h, self.w, self.c = (int(n) for n in facts["pyrdiff_image"].split("x"))  # of the finest level
        self.filter = facts["pyrdiff_filter"]
        self.classes = int(facts["pyrdiff_classes"])
        self.mean, self.std = ([float(v) for v in facts["pyrdiff_" + k].split()] for k in ("mean", "std"))
        self.conditional = self.index < self.levels - 1 and facts["pyrdiff_condition"] == "coarse"
        self.condition_std = float(facts["pyrdiff_condition_std"])
        self.noise_told = float(facts["pyrdiff_noise_told"])
        self.prediction = facts.get("pyrdiff_prediction", "f")
        self.told_noise_level = facts.get("pyrdiff_noise_input", "true") == "true"
        scheduler = os.path.join(folder, "scheduler")
        self.scheduler = DDIMScheduler.from_pretrained(scheduler) if os.path.isdir(scheduler) else None

    def network(self, x, time, condition=None, label=None):
        """The UNet2DModel as the level uses it: condition beside the sample, patches, sizes that those do not divide."""
        h, w, p = *x.shape[-2:], self.patch
        if self.conditional:
            x = torch.cat([x, condition / self.condition_std], 1)
            if self.noise_told > 0:  # the condition comes without noise
                x = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
        x = F.pad(x, (0, -w % p, 0, -h % p), mode="replicate")
        kwargs = {}
        if self.classes:
            rows = torch.full((len(x),), self.classes) if label is None else torch.as_tensor(label)
            kwargs["class_labels"] = rows.expand(len(x)).to(x.device)
        time = torch.as_tensor(time)  # of a plain number UNet2DModel would drop the fraction
        y = self.unet(F.pixel_unshuffle(x, p), time, **kwargs).sample
        return F.pixel_shuffle(y, p)[..., :h, :w]

    @torch.no_grad()
    def denoise(self, x, sigma, condition=None, label=None):
        """D(x, sigma); an exported level knows only the noise levels of its timesteps, of which sigma is one: t."""
        if self.scheduler:
            t, abar = sigma, self.scheduler.alphas_cumprod[sigma]
            z = x * abar.sqrt()
            answer = self.network(z, t, condition, label)
            self.scheduler.set_timesteps(self.scheduler.config.num_train_timesteps)
            return self.scheduler.step(answer, t, z).pred_original_sample
        c = sigma ** 2 + 1
        fourier = self.unet.config.time_embedding_type == "fourier"
        tau = (sigma if fourier else 62.5 * math.log(sigma)) if self.told_noise_level else (1.0 if fourier else 0.0)
        answer = self.network(x / math.sqrt(c) if self.told_noise_level else x, tau, condition, label)
        if fourier:
            answer = answer * tau  # UNet2DModel divides by it
        skip, out = {"f": (1 / c, sigma / math.sqrt(c)), "v": (1 / c, -sigma / math.sqrt(c)), "x0": (0, 1),
                     "epsilon": (1, -sigma), "score": (1, sigma ** 2)}[self.prediction]
        return skip * x + out * answer

    def shape(self):
        """Of the level's images."""
        h, w = self.h, self.w
        for _ in range(self.index):
            h, w = (h + 1) // 2, (w + 1) // 2
        return self.c, h, w

    @torch.no_grad()
    def sample(self, noise, steps, condition=None, label=None):
        """DDIM from `noise`, with the library's scheduler; residuals in image units."""
        self.scheduler.set_timesteps(steps)
        z = noise
        for t in self.scheduler.timesteps:
            z = self.scheduler.step(self.network(z, t, condition, label), t, z).prev_sample
        return z * self.std[0] + self.mean[0]


def up_box(image, h, w):
    """u of the box filter: bilinear, borders mirrored."""
    return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)[..., :h, :w]


def down_box(image):
    """d of the box filter: means of 2x2, an odd last row or column beside itself."""
    h, w = image.shape[-2:]
    return F.avg_pool2d(F.pad(image, (0, w % 2, 0, h % 2), mode="replicate"), 2)


def draw(levels, seeds, steps, label=None):
    """Images of the finest level: I_k, then l = u(I), r given l, projected so that d(l + r) = I, and clamped."""
    image = None
    for level, n in zip(levels, steps):
        if level.filter != "box":
            raise SystemExit(f"the filter {level.filter} is not written here, only box")
        shape = level.shape()
        noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(1000 * s + level.index))
                             for s in seeds])
        if image is None:
            image = level.sample(noise, n, label=label).clamp(-1, 1)
            continue
        coarse = up_box(image, *shape[1:])
        fine = coarse + level.sample(noise, n, condition=coarse, label=label)
        error = image - down_box(fine)
        fine = fine + F.interpolate(error, scale_factor=2, mode="nearest")[..., :shape[1], :shape[2]]
        image = fine.clamp(-1, 1)
    return image


def load_pyramid(folder):
    levels = [Level(f) for f in glob.glob(os.path.join(folder, "level-*"))]
    if not levels:
        raise SystemExit(f"{folder} holds no level-I")
    return sorted(levels, key=lambda level: -level.index)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export")
    parser.add_argument("--seeds", default="0-15", help="FIRST-LAST")
    parser.add_argument("--steps", default="18", help="per level, coarsest first, or one number")
    parser.add_argument("--class", dest="label", type=int)
    parser.add_argument("--out", default="grid.png")
    args = parser.parse_args()

    from PIL import Image

    levels = load_pyramid(args.export)
    first, last = (int(s) for s in args.seeds.split("-"))
    steps = [int(s) for s in args.steps.split(",")]
    image = draw(levels, range(first, last + 1), steps if len(steps) > 1 else steps * len(levels), args.label)
    n, c, h, w = image.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    grid = torch.full((c, rows * (h + 2), columns * (w + 2)), 0.5)
    for i in range(n):
        y, x = i // columns * (h + 2), i % columns * (w + 2)
        grid[:, y:y + h, x:x + w] = (image[i] + 1) / 2
    pixels = (grid * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels[..., 0] if c == 1 else pixels).resize((pixels.shape[1] * 2, pixels.shape[0] * 2), 0).save(args.out)
    print(args.out)


if __name__ == "__main__":
    main()
