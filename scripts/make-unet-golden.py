#!/usr/bin/env python3
"""Answers of diffusers' UNet2DModel for tests/test_unet.c.

    pip install torch diffusers safetensors
    python scripts/make-unet-golden.py tests/golden/unet2d-more

Each folder holds config.json and the weights as save_pretrained writes them, and
io.safetensors with sample, timestep, class_labels (where the model has them) and
output, of the model in float32 on the CPU. Weights are random, norms and biases
included, so that nothing is hidden by ones and zeros.
"""
import json
import os
import sys

import diffusers
import torch
from safetensors.torch import save_file

PLAIN = dict(in_channels=3, out_channels=3, block_out_channels=(8, 16), layers_per_block=1,
             norm_num_groups=4, down_block_types=("DownBlock2D", "DownBlock2D"),
             up_block_types=("UpBlock2D", "UpBlock2D"))
ATTENTION = dict(down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                 up_block_types=("AttnUpBlock2D", "UpBlock2D"))

# name: (configuration, height, width, kind of class labels)
MODELS = {
    "fourier_resnet_resampling": (
        dict(PLAIN, time_embedding_type="fourier", block_out_channels=(8, 8), attention_head_dim=4,
             down_block_types=("AttnDownBlock2D", "AttnDownBlock2D"),
             up_block_types=("AttnUpBlock2D", "AttnUpBlock2D"),
             downsample_type="resnet", upsample_type="resnet"), 8, 8, None),
    "learned_time_mish": (
        dict(PLAIN, time_embedding_type="learned", num_train_timesteps=20, act_fn="mish",
             block_out_channels=(8, 8), layers_per_block=2), 8, 8, None),
    "class_timestep_gelu": (
        dict(PLAIN, class_embed_type="timestep", act_fn="gelu", freq_shift=1, flip_sin_to_cos=False,
             block_out_channels=(8, 12)), 4, 12, "timestep"),
    "class_identity_relu": (
        dict(PLAIN, class_embed_type="identity", act_fn="relu", add_attention=False, in_channels=4,
             out_channels=2, block_out_channels=(8, 12)), 8, 6, "identity"),
    "three_resolutions": (
        dict(PLAIN, block_out_channels=(4, 8, 8), layers_per_block=3, norm_num_groups=2, norm_eps=1e-6,
             downsample_padding=0, mid_block_scale_factor=1.5,
             down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
             up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"), attention_head_dim=None),
        12, 20, None),
    "scale_shift_mid_norm": (
        dict(PLAIN, resnet_time_scale_shift="scale_shift", attn_norm_num_groups=2,
             mid_block_scale_factor=1.4142135, block_out_channels=(8, 8), **ATTENTION), 8, 8, None),
    "odd_channels_centred": (
        dict(PLAIN, block_out_channels=(9, 15), norm_num_groups=3, attention_head_dim=4,
             center_input_sample=True, in_channels=1, out_channels=1,
             **ATTENTION), 6, 6, None),
    "no_mid_block": (
        dict(PLAIN, mid_block_type=None, time_embedding_dim=20, num_class_embeds=5, block_out_channels=(8, 12)),
        8, 8, "table"),
}


def make(folder, config, height, width, labels):
    torch.manual_seed(0)
    model = diffusers.UNet2DModel(sample_size=(height, width), **config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name != "time_proj.weight":
                p.add_(0.1 * torch.randn_like(p))
    n = 3
    io = {"sample": torch.randn(n, config["in_channels"], height, width)}
    if config.get("time_embedding_type") == "learned":
        io["timestep"] = torch.tensor([0, 7, 19])
    elif config.get("time_embedding_type") == "fourier":
        io["timestep"] = torch.tensor([0.01, 0.7, 30.0])
    else:
        io["timestep"] = torch.tensor([0.0, 123.5, 999.0])
    extra = {}
    if labels == "table":
        io["class_labels"] = torch.tensor([0, 4, 2])
    elif labels == "timestep":
        io["class_labels"] = torch.tensor([0.0, 3.0, 700.0])
    elif labels == "identity":
        io["class_labels"] = torch.randn(n, 4 * config["block_out_channels"][0])
    if labels:
        extra["class_labels"] = io["class_labels"]
    with torch.no_grad():
        io["output"] = model(io["sample"], io["timestep"], **extra).sample
    assert io["output"].isfinite().all()
    model.save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in io.items()}, os.path.join(folder, "io.safetensors"))
    return sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))


def main(out):
    torch.set_num_threads(1)
    made = []
    for name, (config, height, width, labels) in MODELS.items():
        try:
            size = make(os.path.join(out, name), config, height, width, labels)
        except TypeError as e:  # an older diffusers does not know the key
            print(f"{name}: left out, {e}")
            continue
        made.append(name)
        print(f"{name}: {size} bytes")
    with open(os.path.join(out, "README.json"), "w") as f:
        json.dump({"made_with": f"scripts/make-unet-golden.py, diffusers {diffusers.__version__}, "
                                f"torch {torch.__version__} CPU float32, random weights",
                   "folders": made}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/unet2d-more")
