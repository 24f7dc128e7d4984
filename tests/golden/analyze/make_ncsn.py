#!/usr/bin/env python3
"""make_ncsn.py - NCSNv2's ratio of noise levels and Langevin steps, by SciPy (writes ncsn.txt beside it).

gamma D value           the root of the criterion (technique 2), scipy.optimize.brentq on scipy.stats.norm
step T gamma e variance the best epsilon / sigma_L^2 and its s_T^2 / sigma^2 (technique 4), the recursion itself
                        minimised by scipy.optimize.minimize_scalar
"""
import pathlib

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm


def overlap(d, gamma):
    middle = np.sqrt(2 * d) * (gamma - 1)
    return norm.cdf(middle + 3 * gamma) - norm.cdf(middle - 3 * gamma)


def variance(e, steps, gamma):
    v = gamma**2
    for _ in range(steps):
        v = (1 - e) ** 2 * v + 2 * e
    return v


lines = []
for d in (5, 6, 10, 49, 192, 784, 3072, 12288, 196608):
    gamma = brentq(lambda g: overlap(d, g) - 0.5, 1, 1e3, xtol=1e-14, rtol=1e-14)
    lines.append(f"gamma {d} {gamma:.12g}")
for steps in (1, 2, 3, 5, 17, 100):
    for gamma in (1.01, 1.0398, 1.18, 1.5, 3.0):
        best = minimize_scalar(
            lambda e: variance(e, steps, gamma), bounds=(0, 1), method="bounded", options={"xatol": 1e-12}
        )
        lines.append(f"step {steps} {gamma} {best.x:.10g} {best.fun:.12g}")
pathlib.Path(__file__).with_name("ncsn.txt").write_text("\n".join(lines) + "\n")
