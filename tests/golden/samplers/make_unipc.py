#!/usr/bin/env python3
"""make_unipc.py - UniPC-2 step by step, by diffusers' UniPCMultistepScheduler (writes unipc.txt beside it).

    pip install torch diffusers

Numbers z = +-1 with a spread of 0.3 have the denoiser D(x, s) below. A case is "case SPACING n", the n noise levels, and x
after each step, 8 numbers a line, the first line being the start. diffusers works on x alpha with alpha^2 = 1/(1 + s^2).
"""
import pathlib

import torch
from diffusers import UniPCMultistepScheduler

torch.set_default_dtype(torch.float64)  # it makes its coefficients in the default type
HIGH, LOW, RHO = 10.0, 0.02, 7.0


def denoised(x, s):
    v = 0.3**2
    return (v * x + s * s * torch.tanh(x / (v + s * s))) / (v + s * s)


def levels(spacing, n):
    t = torch.linspace(1, 0, n)
    if spacing == "geometric":
        return LOW * (HIGH / LOW) ** t
    return (LOW ** (1 / RHO) + t * (HIGH ** (1 / RHO) - LOW ** (1 / RHO))) ** RHO


lines = []
for spacing, n in (("karras", 2), ("karras", 3), ("karras", 6), ("geometric", 9)):
    s = levels(spacing, n)
    alpha = 1 / torch.sqrt(1 + torch.cat([s, torch.zeros(1)]) ** 2)
    scheduler = UniPCMultistepScheduler(solver_order=2, solver_type="bh2", predict_x0=True, prediction_type="sample")
    scheduler.set_timesteps(n)
    scheduler.sigmas = torch.cat([s, torch.zeros(1)])
    scheduler.timesteps = torch.arange(n, 0, -1)  # names of the steps: nothing else is read of them
    x = HIGH * torch.linspace(-1.5, 1.3, 8)
    lines += [f"case {spacing} {n}", " ".join(f"{v:.17g}" for v in s.tolist())]
    for i in range(n):
        lines.append(" ".join(f"{v:.17g}" for v in x.tolist()))
        batch = (denoised(x, s[i])[None], scheduler.timesteps[i], (x * alpha[i])[None])
        x = scheduler.step(*batch).prev_sample[0] / alpha[i + 1]
    lines.append(" ".join(f"{v:.17g}" for v in x.tolist()))
pathlib.Path(__file__).with_name("unipc.txt").write_text("\n".join(lines) + "\n")
