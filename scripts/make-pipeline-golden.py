#!/usr/bin/env python3
"""Answers of diffusers' DDPM and DDIM for tests/test_ddpm.c and tests/test_pipeline.c.

    pip install torch diffusers safetensors
    python scripts/make-pipeline-golden.py tests/golden/pipeline

steps.safetensors: what tests/golden/unet2d/schedulers.safetensors leaves out. Per case a scheduler_config.json, as the
library writes it, in the metadata under the case's name; `NAME.alphas_cumprod`, and after each of a few times t
`NAME.t` and `NAME.to`, the result of a step on `x` with the answer `model_out` (and `noise`).
sampling.safetensors: whole samplings of tests/golden/unet2d/pipeline from `noise` by DDIM, `NAME.sample`.
"""
import json
import os
import sys

import safetensors.torch
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

# name: (class, configuration, steps, eta)
CASES = {
    "trained_betas": (DDPMScheduler, dict(trained_betas=[0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6],
                                          num_train_timesteps=10), 5, 0),
    "sigmoid": (DDPMScheduler, dict(beta_schedule="sigmoid"), 20, 0),
    "no_clip": (DDPMScheduler, dict(clip_sample=False, beta_schedule="scaled_linear"), 20, 0),
    "clip_range": (DDPMScheduler, dict(clip_sample_range=0.5, variance_type="fixed_small_log"), 20, 0),
    "zero_snr": (DDPMScheduler, dict(rescale_betas_zero_snr=True, prediction_type="v_prediction",
                                     timestep_spacing="trailing"), 10, 0),
    "zero_snr_ddim": (DDIMScheduler, dict(rescale_betas_zero_snr=True, prediction_type="v_prediction",
                                          timestep_spacing="trailing", beta_schedule="scaled_linear"), 10, 0.3),
    "large_trailing": (DDPMScheduler, dict(variance_type="fixed_large", timestep_spacing="trailing"), 4, 0),
    "offset_ddim": (DDIMScheduler, dict(steps_offset=1, set_alpha_to_one=False), 25, 1.0),
    "linspace_ddim": (DDIMScheduler, dict(timestep_spacing="linspace", prediction_type="sample"), 7, 0.5),
    "trailing_ddim": (DDIMScheduler, dict(timestep_spacing="trailing", clip_sample=False,
                                          beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"), 7, 0.0),
    "short_cosine": (DDIMScheduler, dict(num_train_timesteps=37, beta_schedule="squaredcos_cap_v2"), 5, 0.2),
}


class Noise:
    """In place of the library's random numbers."""

    def __init__(self, noise):
        self.noise = noise

    def __call__(self, *args, **kwargs):
        return self.noise


def steps(folder):
    generator = torch.Generator().manual_seed(0)
    x, model_out, noise = (torch.randn((2, 3, 4, 4), generator=generator) for _ in range(3))
    tensors, metadata = {"x": x, "model_out": model_out, "noise": noise}, {}
    for name, (kind, config, n, eta) in CASES.items():
        scheduler = kind(**config)
        scheduler.set_timesteps(n)
        metadata[name] = scheduler.to_json_string()
        metadata[name + ".steps"], metadata[name + ".eta"] = str(n), str(eta)
        tensors[name + ".alphas_cumprod"] = scheduler.alphas_cumprod.clone()
        tensors[name + ".timesteps"] = scheduler.timesteps.clone()
        for t in sorted({int(scheduler.timesteps[i]) for i in (0, 1, n // 2, n - 1)}):
            if kind is DDIMScheduler:
                y = scheduler.step(model_out, t, x, eta=eta, variance_noise=noise if eta > 0 else None).prev_sample
            else:
                module = sys.modules[DDPMScheduler.__module__]
                kept, module.randn_tensor = module.randn_tensor, Noise(noise)
                y = scheduler.step(model_out, t, x).prev_sample
                module.randn_tensor = kept
            tensors[f"{name}.{t}"] = y
    safetensors.torch.save_file(tensors, os.path.join(folder, "steps.safetensors"), metadata)


def sampling(folder, pipeline):
    unet = UNet2DModel.from_pretrained(os.path.join(pipeline, "unet"), low_cpu_mem_usage=False).eval()
    noise = torch.randn((3, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    tensors = {"noise": noise}
    with open(os.path.join(pipeline, "scheduler", "scheduler_config.json")) as f:
        config = json.load(f)
    for name, n in (("leading", 10), ("trailing", 7), ("linspace", 4)):
        scheduler = DDIMScheduler.from_config({**config, "timestep_spacing": name})
        scheduler.set_timesteps(n)
        z = noise
        with torch.no_grad():
            for t in scheduler.timesteps:
                z = scheduler.step(unet(z, t).sample, t, z).prev_sample
        tensors[f"{name}.{n}.sample"] = z
    safetensors.torch.save_file(tensors, os.path.join(folder, "sampling.safetensors"))


def main(folder):
    torch.set_num_threads(1)
    os.makedirs(folder, exist_ok=True)
    steps(folder)
    sampling(folder, "tests/golden/unet2d/pipeline")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/pipeline")
