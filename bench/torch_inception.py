#!/usr/bin/env python3
"""Images a second that Inception-v3's features take in PyTorch, f32, with random weights; beside time_inception.c.

    bench/torch_inception.py [--threads N] [--batch N] [--seconds S]

The layers of features/inception.c. Four ways, and the best of them is printed last: batch norms as layers (as pytorch-fid
runs it) or folded into the convolutions, images channels first or last.
"""
import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    def __init__(self, i, o, kernel, stride=1, padding=0, fold=False):
        super().__init__()
        self.conv = nn.Conv2d(i, o, kernel, stride, padding, bias=fold)
        self.bn = nn.Identity() if fold else nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Layers are made in the order in which the first image meets them."""

    def __init__(self, fold):
        super().__init__()
        self.fold, self.layers, self.at = fold, nn.ModuleList(), 0

    def layer(self, x, o, h, w=None, stride=1, valid=False):
        w = w or h
        if self.at == len(self.layers):
            padding = 0 if valid else (h // 2, w // 2)
            self.layers.append(Layer(x.shape[1], o, (h, w), stride, padding, self.fold).eval())
        self.at += 1
        return self.layers[self.at - 1](x)

    def halve(self, x, o):
        return self.layer(x, o, 3, stride=2, valid=True)

    def pool(self, x, o, largest=False):
        x = F.max_pool2d(x, 3, 1, 1) if largest else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return self.layer(x, o, 1)

    def a(self, x, o):
        return torch.cat([self.layer(x, 64, 1), self.layer(self.layer(x, 48, 1), 64, 5),
                          self.layer(self.layer(self.layer(x, 64, 1), 96, 3), 96, 3), self.pool(x, o)], 1)

    def b(self, x):
        return torch.cat([self.halve(x, 384), self.halve(self.layer(self.layer(x, 64, 1), 96, 3), 96),
                          F.max_pool2d(x, 3, 2)], 1)

    def c(self, x, n):
        seven = self.layer(self.layer(self.layer(x, n, 1), n, 1, 7), 192, 7, 1)
        twice = self.layer(self.layer(self.layer(x, n, 1), n, 7, 1), n, 1, 7)
        twice = self.layer(self.layer(twice, n, 7, 1), 192, 1, 7)
        return torch.cat([self.layer(x, 192, 1), seven, twice, self.pool(x, 192)], 1)

    def d(self, x):
        seven = self.layer(self.layer(self.layer(x, 192, 1), 192, 1, 7), 192, 7, 1)
        return torch.cat([self.halve(self.layer(x, 192, 1), 320), self.halve(seven, 192), F.max_pool2d(x, 3, 2)], 1)

    def e(self, x, largest):
        three, twice = self.layer(x, 384, 1), self.layer(self.layer(x, 448, 1), 384, 3)
        return torch.cat([self.layer(x, 320, 1), self.layer(three, 384, 1, 3), self.layer(three, 384, 3, 1),
                          self.layer(twice, 384, 1, 3), self.layer(twice, 384, 3, 1), self.pool(x, 192, largest)], 1)

    def forward(self, x):
        self.at = 0
        x = self.layer(self.layer(self.halve(x, 32), 32, 3, valid=True), 64, 3)
        x = F.max_pool2d(x, 3, 2)
        x = F.max_pool2d(self.layer(self.layer(x, 80, 1), 192, 3, valid=True), 3, 2)
        x = self.a(self.a(self.a(x, 32), 64), 64)
        x = self.b(x)
        x = self.c(self.c(self.c(self.c(x, 128), 160), 160), 192)
        x = self.d(x)
        return self.e(self.e(x, False), True).mean((2, 3))


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--threads", type=int, default=0)
    words.add_argument("--batch", type=int, default=50, help="pytorch-fid's")
    words.add_argument("--seconds", type=float, default=5)
    given = words.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    best = 0
    with torch.inference_mode():
        for fold in False, True:
            for layout in torch.contiguous_format, torch.channels_last:
                network = Inception(fold)
                network(torch.rand(1, 3, 299, 299))
                network = network.to(memory_format=layout)
                x = torch.rand(given.batch, 3, 299, 299).to(memory_format=layout)
                network(x)
                least, begin = 1e9, time.perf_counter()
                while time.perf_counter() - begin < given.seconds:
                    start = time.perf_counter()
                    network(x)
                    least = min(least, time.perf_counter() - start)
                best = max(best, given.batch / least)
                print(f"{'folded' if fold else 'batch norms'}, {str(layout)[6:]}: {given.batch / least:.2f} images/s")
    print(f"inception-v3, PyTorch {torch.__version__}, {torch.get_num_threads()} threads: {best:.2f} images/s")


main()
