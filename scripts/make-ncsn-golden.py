#!/usr/bin/env python3
"""Answers of PyTorch for the networks of NCSN (Song & Ermon 2019): conditional instance norm++, dilated blocks, ELU.

    pip install torch safetensors
    python scripts/make-ncsn-golden.py tests/golden/unet2d-ncsn

diffusers has none of the three, so the network is written out here in functions of PyTorch: what network/unet.h says, with
torch's own convolutions (dilation=), instance norms, means and elu. Folders are as those of make-unet-golden.py; weights are
made where they are first used, random everywhere.
"""
import json
import math
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

CASES = {  # norm, dilated, activation, channels, scale_shift
    "instance_plus": ("instance++", False, "silu", (8, 12), "default"),
    "dilated_elu": ("group", True, "elu", (4, 8, 8, 8), "scale_shift"),
    "all_three": ("instance++", True, "elu", (4, 8, 8), "default"),
}


class Network:
    def __init__(self, norm, dilated, act, channels, shift, seed):
        self.norm_kind, self.dilated, self.shift, self.channels = norm, dilated, shift, channels
        self.act = {"silu": F.silu, "elu": F.elu}[act]
        self.weights, self.generator = {}, torch.Generator().manual_seed(seed)

    def weight(self, name, shape, around=0.0):
        if name not in self.weights:
            fan = math.prod(shape[1:]) if len(shape) > 1 else 16
            self.weights[name] = around + torch.randn(shape, generator=self.generator) / math.sqrt(fan)
        return self.weights[name]

    def conv(self, x, name, out, kernel=3, stride=1, dilation=1):
        w = self.weight(name + ".weight", (out, x.shape[1], kernel, kernel))
        pad = dilation * (kernel // 2)
        return F.conv2d(x, w, self.weight(name + ".bias", (out,)), stride=stride, padding=pad, dilation=dilation)

    def linear(self, x, name, out):
        return F.linear(x, self.weight(name + ".weight", (out, x.shape[1])), self.weight(name + ".bias", (out,)))

    def affine(self, name, c):
        return self.weight(name + ".weight", (c,), 1.0), self.weight(name + ".bias", (c,))

    def norm(self, x, name, act, emb, scale_shift=None):
        c = x.shape[1]
        if self.norm_kind == "group":
            gamma, beta = self.affine(name, c)
            x = F.group_norm(x, 4, gamma, beta, 1e-5)
            if scale_shift is not None:
                scale, shift = scale_shift[:, :, None, None].chunk(2, 1)
                x = x * (1 + scale) + shift
            return act(x)
        scale, shift = self.linear(emb, name + "_proj", 2 * c).chunk(2, 1)
        scale_m, shift_m = self.linear(emb, name + "_means_proj", 2 * c).chunk(2, 1)
        (gamma, beta), (gamma_m, beta_m) = self.affine(name, c), self.affine(name + "_means", c)
        mu = x.mean((2, 3))
        v = (mu.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        means = (mu - mu.mean(1, keepdim=True)) / v  # (mu_k - m)/v
        alpha_term = (means * gamma_m + beta_m) * (1 + scale_m) + shift_m
        z = F.instance_norm(x, eps=1e-5) * gamma[None, :, None, None] + beta[None, :, None, None]
        z = z * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        return act(z + alpha_term[:, :, None, None])

    def resnet(self, x, name, out, emb, dilation):
        h = self.norm(x, name + ".norm1", self.act, emb)
        h = self.conv(h, name + ".conv1", out, dilation=dilation)
        if self.norm_kind == "group":
            t = self.linear(emb, name + ".time_emb_proj", 2 * out)
            h = self.norm(h, name + ".norm2", self.act, emb, t)
        else:
            h = self.norm(h, name + ".norm2", self.act, emb)
        h = self.conv(h, name + ".conv2", out, dilation=dilation)
        if x.shape[1] != out:
            x = self.conv(x, name + ".conv_shortcut", out, kernel=1)
        return x + h

    def dilation(self, i):
        return 2 ** (i - 1) if self.dilated and i > 1 else 1

    def __call__(self, x, t):
        width, n = self.channels[0], len(self.channels)
        half = width // 2
        angle = t[:, None] * torch.exp(-math.log(10000) * torch.arange(half) / half)
        emb = torch.cat([angle.cos(), angle.sin()], 1)
        emb = F.silu(self.linear(emb, "time_embedding.linear_1", 4 * width))
        emb = self.act(self.linear(emb, "time_embedding.linear_2", 4 * width))
        h = self.conv(x, "conv_in", width)
        skips = [h]
        for i, c in enumerate(self.channels):
            h = self.resnet(h, f"down_blocks.{i}.resnets.0", c, emb, self.dilation(i))
            skips.append(h)
            if i < n - 1:
                halve = i == 0 or not self.dilated
                h = self.conv(h, f"down_blocks.{i}.downsamplers.0.conv", c, stride=2 if halve else 1,
                              dilation=1 if halve else self.dilation(i + 1))
                skips.append(h)
        for j in range(2):
            h = self.resnet(h, f"mid_block.resnets.{j}", self.channels[-1], emb, self.dilation(n - 1))
        for i in range(n):
            level = n - 1 - i
            c = self.channels[level]
            for j in range(2):
                h = torch.cat([h, skips.pop()], 1)
                h = self.resnet(h, f"up_blocks.{i}.resnets.{j}", c, emb, self.dilation(level))
            if i < n - 1:
                if level - 1 == 0 or not self.dilated:
                    h = F.interpolate(h, scale_factor=2.0, mode="nearest")
                h = self.conv(h, f"up_blocks.{i}.upsamplers.0.conv", c, dilation=self.dilation(level))
        h = self.norm(h, "conv_norm_out", F.silu if self.norm_kind == "group" else self.act, emb)
        return self.conv(h, "conv_out", x.shape[1])


def config(norm, dilated, act, channels, shift):
    n = len(channels)
    c = dict(_class_name="UNet2DModel", act_fn=act, add_attention=False, attention_head_dim=8,
             block_out_channels=list(channels), center_input_sample=False, class_embed_type=None,
             down_block_types=["DownBlock2D"] * n, up_block_types=["UpBlock2D"] * n, downsample_padding=1,
             flip_sin_to_cos=True, freq_shift=0, in_channels=3, out_channels=3, layers_per_block=1, norm_eps=1e-5,
             norm_num_groups=4, resnet_time_scale_shift=shift, sample_size=None, time_embedding_type="positional")
    if norm != "group":
        c["_pyrdiff_norm"] = norm
    if dilated:
        c["_pyrdiff_dilated"] = True
    return c


@torch.no_grad()
def main(folder):
    torch.set_num_threads(1)
    for seed, (name, case) in enumerate(CASES.items()):
        net = Network(*case, seed)
        to = os.path.join(folder, name)
        os.makedirs(to, exist_ok=True)
        sample = torch.randn((2, 3, 12, 16), generator=torch.Generator().manual_seed(100 + seed))
        t = torch.tensor([3.0, 700.0])
        output = net(sample, t)
        save_file(net.weights, os.path.join(to, "diffusion_pytorch_model.safetensors"))
        save_file({"sample": sample, "timestep": t, "output": output}, os.path.join(to, "io.safetensors"))
        with open(os.path.join(to, "config.json"), "w") as f:
            json.dump(config(*case), f, indent=2, sort_keys=True)
            f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/unet2d-ncsn")
