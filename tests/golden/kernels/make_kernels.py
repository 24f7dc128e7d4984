"""Make kernels.txt: operations computed with NumPy and SciPy in double, for tests/test_kernels_golden.c.

    python3 make_kernels.py                  writes kernels.txt   (numpy, scipy)
    python3 make_kernels.py --gradients      writes gradients.txt (torch as well): autograd of the same operations

Tensors are NHWC as in kernels/kernels.h, parameters as PyTorch writes them. Inputs are float32 values.
Made with numpy 2.4.6, scipy 1.17.1, torch 2.15.0.
"""
import sys
from pathlib import Path

import numpy as np
from scipy import signal, special

rng = np.random.default_rng(2024)
here = Path(__file__).parent


def single(x):
    return np.asarray(x, np.float32).astype(np.float64)


def normal(*shape, scale=1.0, shift=0.0):
    return single(rng.standard_normal(shape) * scale + shift)


def conv2d(x, w, b, stride, pad):
    top, left, bottom, right = pad
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    y = [[sum(signal.correlate2d(x[n, :, :, i], w[o, i], mode="valid") for i in range(x.shape[3]))
          for o in range(w.shape[0])] for n in range(x.shape[0])]
    y = np.moveaxis(np.array(y), 1, 3)[:, ::stride, ::stride]
    return y if b is None else y + b


ACT = {
    "none": lambda x: x,
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "gelu": lambda x: x * special.ndtr(x),
    "relu": lambda x: np.maximum(x, 0),
}


def group_norm(x, gamma, beta, v, groups, eps, act):
    n, h, w, c = x.shape
    g = x.reshape(n, h * w, groups, c // groups)
    g = (g - g.mean(axis=(1, 3), keepdims=True)) / np.sqrt(g.var(axis=(1, 3), keepdims=True) + eps)
    y = g.reshape(x.shape) * gamma + beta
    if v is not None:
        y = y * (1 + v[..., :c]) + v[..., c:]
    return ACT[act](y)


def attention(q, k, v, heads):
    n, h, w, c = q.shape
    q, k, v = (t.reshape(n, h * w, heads, c // heads) for t in (q, k, v))
    p = special.softmax(np.einsum("nihd,njhd->nhij", q, k) / np.sqrt(c // heads), axis=-1)
    return np.einsum("nhij,njhd->nihd", p, v).reshape(n, h, w, c)


def unshuffle(x, p):
    n, h, w, c = x.shape
    x = np.pad(x, ((0, 0), (0, -h % p), (0, -w % p), (0, 0)), mode="edge")
    big_h, big_w = x.shape[1] // p, x.shape[2] // p
    x = x.reshape(n, big_h, p, big_w, p, c).transpose(0, 1, 3, 5, 2, 4)
    return x.reshape(n, big_h, big_w, c * p * p)


def shuffle(x, p, h, w):
    n, big_h, big_w, c = x.shape
    x = x.reshape(n, big_h, big_w, c // (p * p), p, p).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, big_h * p, big_w * p, c // (p * p))[:, :h, :w]


def upsample(x, h, w):
    rows = np.arange(h) * x.shape[1] // h
    cols = np.arange(w) * x.shape[2] // w
    return x[:, rows][:, :, cols]


def positional(t, d, flip, shift):
    half = d // 2
    a = t * np.exp(-np.log(10000) * np.arange(half) / (half - shift))
    parts = [np.cos(a), np.sin(a)] if flip else [np.sin(a), np.cos(a)]
    return np.concatenate(parts + [np.zeros((*t.shape[:-1], d % 2))], axis=-1)


def fourier(t, w):
    a = 2 * np.pi * np.log(t) * w
    return np.concatenate([np.sin(a), np.cos(a)], axis=-1)


# name -> (inputs, parameters, attributes that the gradients need)
cases = {
    "conv-3x3": ((normal(2, 5, 3, 3),), (normal(4, 3, 3, 3), normal(4)), dict(stride=1, pad=(1, 1, 1, 1))),
    "conv-3x3-stride": ((normal(2, 7, 6, 2),), (normal(3, 2, 3, 3), normal(3)), dict(stride=2, pad=(1, 1, 1, 1))),
    "conv-3x3-right": ((normal(1, 6, 7, 3),), (normal(2, 3, 3, 3), normal(2)), dict(stride=2, pad=(0, 0, 1, 1))),
    "conv-3x3-uneven": ((normal(1, 5, 4, 2),), (normal(3, 2, 3, 3), normal(3)), dict(stride=1, pad=(2, 1, 0, 1))),
    "conv-1x1": ((normal(2, 3, 4, 5),), (normal(6, 5, 1, 1),), dict(stride=1, pad=(0, 0, 0, 0))),
    "linear": ((normal(3, 1, 1, 7),), (normal(5, 7), normal(5)), {}),
    "group-norm": ((normal(2, 3, 5, 6, shift=3.0),), (normal(6), normal(6)),
                   dict(groups=3, eps=single(1e-6), act="silu")),
    "group-norm-scale-shift": ((normal(2, 4, 3, 8), normal(2, 1, 1, 16)), (normal(8), normal(8)),
                               dict(groups=2, eps=single(1e-5), act="mish")),
    "silu": ((normal(1, 4, 5, 3, scale=4.0),), (), dict(act="silu")),
    "mish": ((normal(1, 4, 5, 3, scale=4.0),), (), dict(act="mish")),
    "gelu": ((normal(1, 4, 5, 3, scale=4.0),), (), dict(act="gelu")),
    "relu": ((normal(1, 4, 5, 3, scale=4.0),), (), dict(act="relu")),
    "attention": ((normal(2, 2, 3, 6), normal(2, 2, 3, 6), normal(2, 2, 3, 6)), (), dict(heads=2)),
    "attention-sharp": ((normal(1, 3, 3, 4, scale=8.0), normal(1, 3, 3, 4, scale=8.0), normal(1, 3, 3, 4)), (),
                        dict(heads=1)),
    "unshuffle": ((normal(2, 5, 9, 2),), (), dict(patch=2)),
    "unshuffle-4": ((normal(1, 7, 6, 1),), (), dict(patch=4)),
    "shuffle": ((normal(2, 3, 5, 8),), (), dict(patch=2, h=5, w=9)),
    "upsample": ((normal(1, 3, 2, 2),), (), dict(h=7, w=4)),
    "positional": ((normal(4, 1, 1, 1, scale=150.0),), (), dict(d=8, flip=False, shift=1)),
    "positional-flip": ((normal(4, 1, 1, 1, scale=150.0),), (), dict(d=9, flip=True, shift=0)),
    "fourier": ((single(np.exp(normal(4, 1, 1, 1))),), (normal(6, scale=16.0),), {}),
}


def pool(name, x, kernel, stride, pad):
    """Windows of an image with NaN around it."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))[:, ::stride, ::stride]
    if name == "mean-padded":
        return np.nansum(windows, axis=(-2, -1)) / (kernel[0] * kernel[1])
    return (np.nanmax if name == "max" else np.nanmean)(windows, axis=(-2, -1))


def run(name, x, p, a):
    bias = p[1] if len(p) > 1 else None
    if name.startswith("conv"):
        return conv2d(x[0], p[0], bias, a["stride"], a["pad"])
    if name == "linear":
        return x[0] @ p[0].T + bias
    if name.startswith("group-norm"):
        return group_norm(x[0], p[0], p[1], x[1] if len(x) > 1 else None, a["groups"], a["eps"], a["act"])
    if name in ACT:
        return ACT[name](x[0])
    if name.startswith(("max", "mean")):
        return pool(name, x[0], **a)
    if name == "cross-entropy":
        return -x[2] * np.take_along_axis(special.log_softmax(x[0], axis=-1), x[1].astype(int), axis=-1)
    if name.startswith("attention"):
        return attention(*x, a["heads"])
    if name.startswith("unshuffle"):
        return unshuffle(x[0], a["patch"])
    if name == "shuffle":
        return shuffle(x[0], a["patch"], a["h"], a["w"])
    if name == "upsample":
        return upsample(x[0], a["h"], a["w"])
    if name.startswith("positional"):
        return positional(x[0], a["d"], a["flip"], a["shift"])
    return fourier(x[0], p[0])


def run_torch(name, x, p, a):
    """The same with PyTorch's own functions, in NCHW."""
    import torch
    import torch.nn.functional as F

    def nchw(t):
        return t.permute(0, 3, 1, 2)

    def nhwc(t):
        return t.permute(0, 2, 3, 1)

    act = {"silu": F.silu, "mish": F.mish, "gelu": F.gelu, "relu": F.relu}
    bias = p[1] if len(p) > 1 else None
    if name.startswith("conv"):
        top, left, bottom, right = a["pad"]
        return nhwc(F.conv2d(F.pad(nchw(x[0]), (left, right, top, bottom)), p[0], bias, a["stride"]))
    if name == "linear":
        return F.linear(x[0], p[0], bias)
    if name.startswith("group-norm"):
        y = nhwc(F.group_norm(nchw(x[0]), a["groups"], p[0], p[1], float(a["eps"])))
        if len(x) > 1:
            scale, shift = x[1].chunk(2, dim=-1)
            y = y * (1 + scale) + shift
        return act[a["act"]](y)
    if name in act:
        return act[name](x[0])
    if name == "max":
        return nhwc(F.max_pool2d(nchw(x[0]), a["kernel"], a["stride"], a["pad"]))
    if name.startswith("mean"):
        return nhwc(F.avg_pool2d(nchw(x[0]), a["kernel"], a["stride"], a["pad"],
                                 count_include_pad=name == "mean-padded"))
    if name == "cross-entropy":
        loss = F.cross_entropy(x[0][:, 0, 0], x[1].detach()[:, 0, 0, 0].long(), reduction="none")
        return x[2].detach() * loss.reshape(-1, 1, 1, 1)
    if name.startswith("attention"):
        n, h, w, c = x[0].shape
        split = [t.reshape(n, h * w, a["heads"], -1).transpose(1, 2) for t in x]
        return F.scaled_dot_product_attention(*split).transpose(1, 2).reshape(n, h, w, c)
    if name.startswith("unshuffle"):
        q = a["patch"]
        padded = F.pad(nchw(x[0]), (0, -x[0].shape[2] % q, 0, -x[0].shape[1] % q), mode="replicate")
        return nhwc(F.pixel_unshuffle(padded, q))
    if name == "shuffle":
        return nhwc(F.pixel_shuffle(nchw(x[0]), a["patch"]))[:, :a["h"], :a["w"]]
    if name == "upsample":
        return nhwc(F.interpolate(nchw(x[0]), size=(a["h"], a["w"]), mode="nearest"))
    return None


def write(file, name, tensor, digits):
    """One tensor: name, its sizes (four, parameters as 1 1 1 count), its values."""
    sizes = tensor.shape if tensor.ndim == 4 and not name.endswith(("p0", "p1")) else (1, 1, 1, tensor.size)
    file.write(f"{name} {' '.join(map(str, sizes))}\n")
    values = [f"{v:.{digits}g}" for v in tensor.reshape(-1)]
    for i in range(0, len(values), 8):
        file.write(" ".join(values[i:i + 8]) + "\n")


def write_cases(out, cases, gradients):
    for name, (x, p, a) in cases.items():
        y = run(name, x, p, a)
        dy = normal(*y.shape)
        if not gradients:
            for i, t in enumerate(x):
                write(out, f"{name}.x{i}", t, 9)
            for i, t in enumerate(p):
                write(out, f"{name}.p{i}", t, 9)
            write(out, f"{name}.y", y, 12)
            continue
        import torch

        tx = [torch.tensor(t, requires_grad=True) for t in x]
        tp = [torch.tensor(t, requires_grad=True) for t in p]
        ty = run_torch(name, tx, tp, a)
        if ty is None:
            continue
        assert np.abs(ty.detach().numpy() - y).max() < 1e-10, name
        ty.backward(torch.tensor(dy))
        write(out, f"{name}.dy", dy, 9)
        for i, t in enumerate(tx):
            if t.grad is not None:
                write(out, f"{name}.dx{i}", t.grad.numpy(), 12)
        for i, t in enumerate(tp):
            write(out, f"{name}.dp{i}", t.grad.numpy().reshape(-1), 12)


gradients = "--gradients" in sys.argv
with open(here / ("gradients.txt" if gradients else "kernels.txt"), "w") as out:
    write_cases(out, cases, gradients)
    rng = np.random.default_rng(2025)  # so that what came later leaves the numbers above as they are
    pooled = dict(kernel=(3, 3), stride=2, pad=1)
    later = {
        "conv-1x7": ((normal(1, 3, 8, 3),), (normal(4, 3, 1, 7), normal(4)), dict(stride=1, pad=(0, 3, 0, 3))),
        "conv-5x5": ((normal(1, 6, 7, 2),), (normal(3, 2, 5, 5), normal(3)), dict(stride=2, pad=(2, 2, 2, 2))),
        "max": ((normal(2, 6, 5, 3),), (), pooled),
        "mean": ((normal(2, 6, 5, 3),), (), pooled),
        "mean-padded": ((normal(2, 6, 5, 3),), (), pooled),
        "mean-whole": ((normal(2, 4, 3, 5),), (), dict(kernel=(4, 3), stride=1, pad=0)),
        "cross-entropy": ((normal(4, 1, 1, 7, scale=3.0), np.array([2.0, 0, 6, 2]).reshape(4, 1, 1, 1),
                           single(np.exp(normal(4, 1, 1, 1)))), (), {}),
    }
    write_cases(out, later, gradients)
