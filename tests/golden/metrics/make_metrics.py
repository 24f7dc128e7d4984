"""Makes metrics.txt and the two NPZ files: every metric by NumPy and SciPy, which know nothing of pyrdiff.

    python3 tests/golden/metrics/make_metrics.py

Needs numpy and scipy (made with 2.4.6 and 1.17.1). Blocks "name rows columns" and the numbers, row by row;
inputs stand in it, too. What is drawn at random follows Philox 4x32-10 (Salmon et al. 2011; scripts/philox.py).
"""
import os
import sys

import numpy as np
from scipy import linalg, ndimage

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../../../scripts"))
from philox import normals, philox  # noqa: E402

SEED = 20240607
METRIC = 12  # base/philox.h: PYR_RNG_METRIC; above bit 16 the stream of eval/draws.h
SUBSET, PATCH, DIRECTION = (METRIC | stream << 16 for stream in range(3))
out = open(os.path.join(HERE, "metrics.txt"), "w")


def block(name, a, form="%.17g"):
    a = np.atleast_2d(a)
    a = a.reshape(a.shape[0], -1)
    print(name, *a.shape, file=out)
    for row in a:
        print(*[form % v for v in row], file=out)


# ---- features ------------------------------------------------------------------------------------------


def frechet(a, b):
    """By singular values: tr (C1 C2)^(1/2) is the nuclear norm of C1^(1/2) C2^(1/2), with any roots of them."""
    xa, xb = a - a.mean(0), b - b.mean(0)
    root = np.linalg.svd(xa @ xb.T, compute_uv=False).sum() / np.sqrt((len(a) - 1) * (len(b) - 1))
    shift = a.mean(0) - b.mean(0)
    return shift @ shift + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * root


def frechet_sqrtm(a, b):
    c1, c2 = np.cov(a.T), np.cov(b.T)
    shift = a.mean(0) - b.mean(0)
    return shift @ shift + np.trace(c1 + c2 - 2 * np.real(linalg.sqrtm(c1 @ c2)))


def mmd2(x, y):
    m, d = x.shape
    kxx, kyy, kxy = ((p @ q.T / d + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    return (kxx.sum() - np.trace(kxx) + kyy.sum() - np.trace(kyy)) / (m * (m - 1)) - 2 * kxy.mean()


def chosen(n, size, subset, which):
    order = list(range(n))
    for i in range(size):
        w = philox(SEED, i, subset, which, SUBSET)
        j = i + ((int(w[0]) << 32 | int(w[1])) * (n - i) >> 64)
        order[i], order[j] = order[j], order[i]
    return order[:size]


def kid(a, b, subsets, size):
    size = min(size, len(a), len(b))
    v = [mmd2(a[chosen(len(a), size, s, 0)], b[chosen(len(b), size, s, 1)]) for s in range(subsets)]
    return np.mean(v), np.std(v)


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def precision_recall(real, samples, k):
    balls = [np.sort(distances(s, s), axis=1)[:, k] for s in (real, samples)]  # place 0 is the vector itself
    d = distances(samples, real)
    return (d <= balls[0][None]).any(1).mean(), (d <= balls[1][:, None]).any(0).mean()


def inception_score(logits, splits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    n, v = len(p), []
    for i in range(splits):
        part = p[n * i // splits : n * (i + 1) // splits]
        v.append(np.exp((part * (np.log(part) - np.log(part.mean(0)))).sum(1).mean()))
    return np.mean(v), np.std(v)


# ---- images --------------------------------------------------------------------------------------------


def spectrum(images):
    n, h, w, c = images.shape
    power = (np.abs(np.fft.fft2(images, axes=(1, 2))) ** 2).mean((0, 3)) / (h * w)
    fy, fx = np.meshgrid(np.fft.fftfreq(h), np.fft.fftfreq(w), indexing="ij")
    radius = np.floor(np.sqrt(fy**2 + fx**2) * min(h, w) + 0.5).astype(int)
    return np.array([power[radius == b].mean() for b in range(min(h, w) // 2 + 1)])


def values(pixels):
    return (2 * pixels.astype(float) - 255) / 256


def spectrum_distance(a, b):
    difference = np.log10(spectrum(values(a))) - np.log10(spectrum(values(b)))
    return np.sqrt((difference[1:] ** 2).mean())


FILTER = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, :, :, None] / 256


def laplacian_pyramid(images):
    levels = [images.astype(float)]
    while min((s + 1) // 2 for s in levels[-1].shape[1:3]) >= 7:
        fine = levels[-1]
        coarse = ndimage.convolve(fine, FILTER, mode="mirror")[:, ::2, ::2]
        zeros = np.zeros_like(fine)
        zeros[:, ::2, ::2] = coarse
        levels[-1] = fine - ndimage.convolve(zeros, 4 * FILTER, mode="mirror")
        levels.append(coarse)
    return levels


def descriptors(images, level):
    n, h, w, c = images.shape
    ph, pw, patches = min(7, h), min(7, w), []
    for i in range(n):
        word = philox(SEED, np.arange(128), i, level, PATCH)
        ys = word[0] * np.uint64(h - ph + 1) >> np.uint64(32)
        xs = word[1] * np.uint64(w - pw + 1) >> np.uint64(32)
        patches += [images[i, y : y + ph, x : x + pw] for y, x in zip(ys.astype(int), xs.astype(int))]
    d = np.array(patches)
    d = d - d.mean((0, 1, 2))
    return (d / d.std((0, 1, 2))).reshape(len(d), -1)


def sliced_wasserstein(a, b):
    n, v = min(len(a), len(b)), []
    for level, (x, y) in enumerate(zip(laplacian_pyramid(a[:n]), laplacian_pyramid(b[:n]))):
        x, y = descriptors(x, level), descriptors(y, level)
        directions = np.array([normals(SEED, x.shape[1], i, level, DIRECTION) for i in range(512)])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        px, py = np.sort(x @ directions.T, axis=0), np.sort(y @ directions.T, axis=0)
        v.append(1000 * np.abs(px - py).mean())
    return v


def main():
    rng = np.random.default_rng(SEED)
    # real and samples overlap in part only; 131 features: one more than a chunk of sums, and three
    real = rng.normal(size=(45, 6)).astype(np.float32)
    samples = (0.8 * rng.normal(size=(37, 6)) + 0.7).astype(np.float32)
    wide_a = rng.normal(size=(21, 131)).astype(np.float32)
    wide_b = (1.5 * rng.normal(size=(18, 131)) - 0.2).astype(np.float32)
    for name, a, b in (("narrow", real, samples), ("wide", wide_a, wide_b)):
        block(name + "/a", a, "%.9g")
        block(name + "/b", b, "%.9g")
        a, b = a.astype(float), b.astype(float)
        block(name + "/frechet", frechet(a, b))
        block(name + "/kid-all", kid(a[: len(b)], b, 1, len(b)))
        block(name + "/kid", kid(a, b, 5, 11))
        block(name + "/precision-recall", [precision_recall(a, b, k) for k in (1, 3, 5)])
        d = distances(b, a)
        block(name + "/nearest", np.column_stack([d.argmin(1), np.sort(d, axis=1)[:, :2]]))
    a, b = real.astype(float), samples.astype(float)
    assert abs(frechet(a, b) - frechet_sqrtm(a, b)) < 1e-9  # full rank: both ways
    block("narrow/mean", a.mean(0))
    block("narrow/cov", np.cov(a.T))
    np.savez(os.path.join(HERE, "moments_f8.npz"), mu=a.mean(0), sigma=np.cov(a.T))
    np.savez_compressed(os.path.join(HERE, "moments_f4.npz"), mu=a.mean(0).astype(np.float32),
                        sigma=np.cov(a.T).astype(np.float32))
    logits = (3 * rng.normal(size=(23, 7))).astype(np.float32)
    block("logits", logits, "%.9g")
    block("inception-score", [inception_score(logits.astype(float), s) for s in (1, 4)])
    # smooth pictures of two kinds: noise, blurred
    for name, shape in (("colour", (15, 14, 3)), ("grey", (5, 16, 1))):
        a, b = (
            np.clip(128 + gain * ndimage.gaussian_filter(rng.normal(size=(n, *shape)), (0, s, s, 0)), 0, 255).astype(
                np.uint8
            )
            for n, gain, s in ((4, 90, 0.6), (5, 120, 0.9))
        )
        block(name + "/a", a, "%d")
        block(name + "/b", b, "%d")
        block(name + "/spectrum", spectrum(values(a)))
        block(name + "/spectrum-distance", spectrum_distance(a, b))
        drift = values(a).mean((0, 1, 2)) - values(b).mean((0, 1, 2))
        block(name + "/drift", np.sqrt((drift**2).sum()))
        block(name + "/swd", sliced_wasserstein(a, b))


main()
