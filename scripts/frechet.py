#!/usr/bin/env python3
"""Fréchet distance of samples to Fashion-MNIST's test set, in the features of small classifiers that are not ours.

Usage: frechet.py SAMPLES.npz [SAMPLES.npz ...] [--data DIR] [--cache FOLDER] [--count N] [--classifier NAME ...]

The number depends on the classifier more than on the samples, so there are four (PyTorch, 64 features, 10 classes, fixed
seed), each trained once on the training set and kept in the cache folder: about half a minute each. The distance is
|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) between the features' means and covariances. Prints a line per classifier:
the distance of as many training images to the test set for comparison, then that of each file.

Set-up: python3 -m venv V; V/bin/pip install torch numpy scipy
"""
import argparse, gzip, os
import numpy as np
import torch
from torch import nn
from scipy import linalg


def idx(path):
    with gzip.open(path) as f:
        raw = f.read()
    rank = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def maxpool():
    """Two convolutions with max pooling, 64 ReLU features."""
    return [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 49, 64), nn.ReLU()]


def pooled():
    """Three convolutions with batch norm, features averaged over the image."""
    def block(cin, cout, stride):
        return [nn.Conv2d(cin, cout, 3, stride=stride, padding=1), nn.BatchNorm2d(cout), nn.ReLU()]
    return block(1, 32, 1) + block(32, 64, 2) + block(64, 64, 2) + [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def strided():
    """Two strided convolutions, 64 ReLU features."""
    return [nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU()]


def smooth():
    """Two convolutions with average pooling, 64 linear features."""
    return [nn.Conv2d(1, 32, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.SiLU(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64 * 49, 64)]


CLASSIFIERS = {"maxpool": maxpool, "pooled": pooled, "strided": strided, "smooth": smooth}


class Net(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.body = nn.Sequential(*CLASSIFIERS[name]())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(x))


def tensor(images):
    return torch.from_numpy(np.ascontiguousarray(images)).float().reshape(-1, 1, 28, 28) / 255


def train(name, data):
    torch.manual_seed(0)
    x, y = tensor(idx(f"{data}/train-images-idx3-ubyte.gz")), torch.from_numpy(idx(f"{data}/train-labels-idx1-ubyte.gz").astype(np.int64))
    net = Net(name)
    opt = torch.optim.Adam(net.parameters(), 1e-3)
    for epoch in range(3 if name == "maxpool" else 2):
        for part in torch.randperm(len(x)).split(128):
            loss = nn.functional.cross_entropy(net(x[part]), y[part])
            opt.zero_grad()
            loss.backward()
            opt.step()
    return net


def features(net, images):
    with torch.no_grad():
        return torch.cat([net.body(part) for part in tensor(images).split(500)]).double().numpy()


def frechet(a, b):
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(ca @ cb)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * np.real(root)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("samples", nargs="+")
    p.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--cache", default="frechet-classifiers")
    p.add_argument("--count", type=int, default=4000)
    p.add_argument("--classifier", nargs="+", choices=CLASSIFIERS, default=list(CLASSIFIERS))
    a = p.parse_args()
    os.makedirs(a.cache, exist_ok=True)
    images = idx(f"{a.data}/t10k-images-idx3-ubyte.gz")
    labels = idx(f"{a.data}/t10k-labels-idx1-ubyte.gz")
    for name in a.classifier:
        cache = os.path.join(a.cache, name + ".pt")
        if os.path.exists(cache):
            net = Net(name)
            net.load_state_dict(torch.load(cache))
        else:
            net = train(name, a.data)
            torch.save(net.state_dict(), cache)
        net.eval()
        with torch.no_grad():
            accuracy = np.mean(net(tensor(images)).argmax(1).numpy() == labels)
        test = features(net, images)
        real = features(net, idx(f"{a.data}/train-images-idx3-ubyte.gz")[:a.count])
        print(f"{name} (accuracy {accuracy:.4f}): {a.count} training images {frechet(real, test):.3f}", end="")
        for path in a.samples:
            got = np.load(path)["arr_0"][:a.count]
            print(f"; {path}, {len(got)} samples {frechet(features(net, got), test):.3f}", end="")
        print(flush=True)


main()
