#!/usr/bin/env python3
"""What diffusers makes of a model with learned variances and of one trained by flow matching, for tests/test_ddpm.c and
tests/test_pipeline.c.

    pip install torch diffusers safetensors
    python scripts/make-sampling-golden.py tests/golden/sampling

learned/, flow/: small UNet2DModels with random weights, and their schedulers.
sampling.safetensors:
  `learned.{type}.{t}`: a step of DDPMScheduler on `x` with the answer `model_out` (its second half says the variance)
      and `noise`, variance_type learned and learned_range, in 20 steps of 1000
  `learned.sample`: a whole sampling of learned/ in 12 steps, with the program's random numbers for `seeds`
  `flow.{name}.sigmas`, `.sample`: of flow/ from the same start by FlowMatchEulerDiscreteScheduler; stochastic: with
      the program's noise. Configurations in the metadata.
"""
import os
import sys

import safetensors.torch
import torch
from diffusers import DDPMPipeline, DDPMScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import philox  # noqa: E402

SEEDS = [3, 1234567890123, 5]
SHAPE = (3, 8, 8)
FLOWS = {  # configuration, steps
    "plain": (dict(), 10),
    "shift": (dict(shift=3.0), 7),
    "terminal": (dict(shift=1.5, shift_terminal=0.1), 6),
    "stochastic": (dict(stochastic_sampling=True), 8),
    "one": (dict(shift=2.0), 1),
    "short": (dict(num_train_timesteps=50), 5),
}
module = sys.modules[DDPMScheduler.__module__]
flow_module = sys.modules[FlowMatchEulerDiscreteScheduler.__module__]


def network(out_channels, seed):
    torch.manual_seed(seed)
    net = UNet2DModel(sample_size=8, in_channels=3, out_channels=out_channels, block_out_channels=(8,),
                      down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), layers_per_block=1,
                      norm_num_groups=4, add_attention=False).eval()
    with torch.no_grad():  # the library's own start is nearly 0 at the end
        net.conv_out.weight.mul_(6)
        net.conv_out.bias.normal_(0, 0.3)
    return net


def noise(step, purpose):
    return torch.from_numpy(philox.images(SEEDS, SHAPE, step, purpose))


def given(z):
    return lambda *args, **kwargs: z


def learned(folder, tensors):
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.randn((2, 3, 4, 4), generator=generator) for _ in range(2))
    out = torch.cat([torch.randn((2, 3, 4, 4), generator=generator), torch.rand((2, 3, 4, 4), generator=generator)], 1)
    tensors.update({"x": x, "model_out": out, "noise": z})
    for kind in ("learned", "learned_range"):
        scheduler = DDPMScheduler(variance_type=kind, beta_schedule="squaredcos_cap_v2")
        scheduler.set_timesteps(20)
        for t in (950, 500, 50, 0):
            module.randn_tensor = given(z)
            tensors[f"learned.{kind}.{t}"] = scheduler.step(out, t, x).prev_sample
    net = network(6, 1)
    scheduler = DDPMScheduler(variance_type="learned_range", beta_schedule="squaredcos_cap_v2")
    DDPMPipeline(net, scheduler).save_pretrained(os.path.join(folder, "learned"))
    scheduler.set_timesteps(12)
    y = noise(0, philox.PRIOR)
    for i, t in enumerate(scheduler.timesteps):
        module.randn_tensor = given(noise(i, philox.SAMPLER))
        y = scheduler.step(net(y, t).sample, t, y).prev_sample
    tensors["learned.sample"] = y


def flow(folder, tensors, metadata):
    net = network(3, 2)
    net.save_pretrained(os.path.join(folder, "flow/unet"))
    FlowMatchEulerDiscreteScheduler().save_pretrained(os.path.join(folder, "flow/scheduler"))
    for name, (config, n) in FLOWS.items():
        scheduler = FlowMatchEulerDiscreteScheduler(**config)
        metadata[name], metadata[name + ".steps"] = scheduler.to_json_string(), str(n)
        scheduler.set_timesteps(n)
        tensors[f"flow.{name}.sigmas"] = scheduler.sigmas.clone()
        y = noise(0, philox.PRIOR)
        for i, t in enumerate(scheduler.timesteps):
            flow_module.randn_tensor = given(noise(i, philox.SAMPLER))
            y = scheduler.step(net(y, t).sample, t, y).prev_sample
        tensors[f"flow.{name}.sample"] = y


@torch.no_grad()
def main(folder):
    torch.set_num_threads(1)
    os.makedirs(folder, exist_ok=True)
    tensors, metadata = {"seeds": torch.tensor(SEEDS)}, {}
    learned(folder, tensors)
    flow(folder, tensors, metadata)
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()},
                                os.path.join(folder, "sampling.safetensors"), metadata)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/sampling")
