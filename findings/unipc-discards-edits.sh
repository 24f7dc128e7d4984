#!/bin/sh
# A change of the latents between two steps is lost with diffusers' UniPC, and with none of three other solvers of the ODE.
#
# diffusers 0.35.2, torch 2.15.0. Data N(0, 0.25) with their exact denoiser, 50 steps. After a step, 0.1 is added to x, as a
# callback_on_step_end does that edits `latents`; printed is how much of it is left in the sample at the end. The ODE carries a
# change on, so about a half to all of it should be.
#
#     after step                            12      25      37      48
#     DDIM                               0.488   0.549   0.706   0.997
#     DPMSolverMultistep                 0.496   0.552   0.707   0.938
#     DEISMultistep                      0.499   0.561   0.712   0.863
#     UniPCMultistep                     0.001   0.004   0.019   0.938
#     UniPCMultistep, disable_corrector  0.496   0.552   0.707   0.938
#
# UniPC's corrector takes the step before once more, now with the new estimate: from the x that it kept itself (last_sample), not
# from the x that it is given. That x only passes through the network, and is then replaced; nothing warns. The same pictures come
# out whatever is done to the latents, unless it is done after every step (as inpainting by blending does). Switching the corrector off
# costs its order, and mends it; so does adding the correction to the given x, since corrector and predictor have the same term in the x
# before (diffusion/sampler_unipc.c).
# The download is 4 GB, most of it torch.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.15.0 diffusers==0.35.2
"$work/venv/bin/python" - <<'PY'
import torch
from diffusers import DDIMScheduler, DEISMultistepScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler

STEPS, VARIANCE, AT = 50, 0.25, (12, 25, 37, 48)
CONFIG = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="sample")


def sample(kind, at, change, **more):
    scheduler = kind(**CONFIG, **more)
    scheduler.set_timesteps(STEPS)
    x = torch.linspace(-2, 2, 16)[None]
    for i, t in enumerate(scheduler.timesteps):
        if hasattr(scheduler, "sigmas"):
            alpha2 = 1 / (1 + scheduler.sigmas[i] ** 2)
        else:
            alpha2 = scheduler.alphas_cumprod[int(t)]
        x0 = alpha2**0.5 * VARIANCE * x / (alpha2 * VARIANCE + 1 - alpha2)
        x = scheduler.step(x0, t, x).prev_sample
        if i == at:
            x = x + change
    return x


def left(kind, **more):
    return [float((sample(kind, at, 0.1, **more) - sample(kind, at, 0.0, **more)).mean() / 0.1) for at in AT]


rows = {
    "DDIM": left(DDIMScheduler, clip_sample=False),
    "DPMSolverMultistep": left(DPMSolverMultistepScheduler),
    "DEISMultistep": left(DEISMultistepScheduler),
    "UniPCMultistep": left(UniPCMultistepScheduler),
    "UniPCMultistep, disable_corrector": left(UniPCMultistepScheduler, disable_corrector=list(range(STEPS))),
}
print(f"{'after step':33}", *(f"{at:7}" for at in AT))
for name, row in rows.items():
    print(f"{name:33}", *(f"{value:7.3f}" for value in row))
for name, row in rows.items():
    assert all(value < 0.05 if name == "UniPCMultistep" else value > 0.4 for value in row[:3]), name
print("as described")
PY
