#!/usr/bin/env python3
"""Does the Python library give what our levels are, from the directories that `pyrdiff export` writes?

    pip install torch diffusers safetensors
    pyrdiff export --network RUN --outdir EXPORT
    python scripts/check-export.py RUN EXPORT
    python scripts/check-export.py RUN EXPORT --golden FOLDER       and write the inputs and the library's answers

For each level, at noise levels over the whole range: the denoiser of EXPORT/level-I by UNet2DModel and the library's
DDIMScheduler, against that of RUN/level-I by UNet2DModel and our preconditioning (scripts/diffusers-level.py). The
exit status is 1 when they differ by more than 1e-4 of the largest value, or a tensor was missing or left over.
"""
import argparse
import importlib.util
import os
import sys

import torch
from safetensors.torch import save_file

spec = importlib.util.spec_from_file_location(
    "diffusers_level", os.path.join(os.path.dirname(os.path.abspath(__file__)), "diffusers-level.py"))
diffusers_level = importlib.util.module_from_spec(spec)
spec.loader.exec_module(diffusers_level)

TOLERANCE = 1e-4


def check_level(run, export, golden):
    theirs, ours = diffusers_level.Level(export), diffusers_level.Level(run)
    names = {kind: theirs.loading[kind] for kind in ("missing_keys", "unexpected_keys") if theirs.loading[kind]}
    generator = torch.Generator().manual_seed(theirs.index)
    channels = theirs.unet.config.out_channels // theirs.patch ** 2
    _, h, w = theirs.shape()
    if theirs.filter == "haar" and theirs.index < theirs.levels - 1:
        h, w = (h + 1) // 2, (w + 1) // 2  # detail bands at half size
    last = theirs.scheduler.config.num_train_timesteps - 1
    times = [0, last // 10, last // 4, last // 2, last * 3 // 4, last]
    z = torch.randn((2, channels, h, w), generator=generator)
    condition = torch.randn((2, theirs.c, h, w), generator=generator).clamp(-1, 1) if theirs.conditional else None
    label = 0 if theirs.classes else None
    worst, answers = 0.0, []
    for t in times:
        abar = theirs.scheduler.alphas_cumprod[t].double()
        sigma = ((1 - abar) / abar).sqrt().item()
        x = z / abar.sqrt().float()
        a, b = theirs.denoise(x, t, condition, label), ours.denoise(x, sigma, condition, label)
        worst = max(worst, ((a - b).abs().max() / max(1.0, b.abs().max().item())).item())
        answers.append(a)
    good = worst <= TOLERANCE and not names
    print(f"level {theirs.index}: {len(times)} noise levels, largest difference of the denoisers {worst:.2e} "
          f"{'OK' if good else 'FAILED'} {names or ''}")
    if golden:
        os.makedirs(golden, exist_ok=True)
        tensors = {"z": z, "timestep": torch.tensor(times), "x0": torch.stack(answers)}
        if condition is not None:
            tensors["condition"] = condition
        # and a whole sampling, of the levels that need no condition
        if condition is None:
            start = torch.randn((2, channels, h, w), generator=generator)
            tensors["noise"], tensors["sample.10"] = start, theirs.sample(start, 10, label=label)
        save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(golden, f"level-{theirs.index}.safetensors"))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("export")
    parser.add_argument("--golden", help="write inputs and the library's answers into this folder")
    args = parser.parse_args()
    names = sorted(n for n in os.listdir(args.export) if n.startswith("level-"))
    if not names:
        raise SystemExit(f"{args.export} holds no level-I")
    good = [check_level(os.path.join(args.run, n), os.path.join(args.export, n), args.golden) for n in names]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
