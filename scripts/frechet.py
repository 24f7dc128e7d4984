#!/usr/bin/env python3
"""Fréchet distance of samples to Fashion-MNIST's test set, in the features of a small classifier that is not ours.

Usage: frechet.py SAMPLES.npz [SAMPLES.npz ...] [--data DIR] [--cache FILE] [--count N]

The classifier (PyTorch; two convolutions, 64 features, 10 classes; 3 epochs, about a minute) is trained once on the
training set with a fixed seed and kept in the cache file. Features are the 64 numbers behind its last ReLU. The
distance is |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) between the features' means and covariances.
Prints one line per file, and the distance of as many training images to the test set for comparison.

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


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 49, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(x))


def tensor(images):
    return torch.from_numpy(np.ascontiguousarray(images)).float().reshape(-1, 1, 28, 28) / 255


def train(data):
    torch.manual_seed(0)
    x, y = tensor(idx(f"{data}/train-images-idx3-ubyte.gz")), torch.from_numpy(idx(f"{data}/train-labels-idx1-ubyte.gz").astype(np.int64))
    net = Net()
    opt = torch.optim.Adam(net.parameters(), 1e-3)
    for epoch in range(3):
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
    p.add_argument("--cache", default="frechet-classifier.pt")
    p.add_argument("--count", type=int, default=4000)
    a = p.parse_args()
    net = Net()
    if os.path.exists(a.cache):
        net.load_state_dict(torch.load(a.cache))
    else:
        net = train(a.data)
        torch.save(net.state_dict(), a.cache)
    net.eval()
    images = idx(f"{a.data}/t10k-images-idx3-ubyte.gz")
    labels = idx(f"{a.data}/t10k-labels-idx1-ubyte.gz")
    with torch.no_grad():
        accuracy = np.mean(net(tensor(images)).argmax(1).numpy() == labels)
    test = features(net, images)
    real = features(net, idx(f"{a.data}/train-images-idx3-ubyte.gz")[:a.count])
    print(f"classifier accuracy {accuracy:.4f}; {a.count} training images to the test set: {frechet(real, test):.3f}")
    for path in a.samples:
        got = np.load(path)["arr_0"][:a.count]
        print(f"{path}: {len(got)} samples to the test set: {frechet(features(net, got), test):.3f}")


main()
