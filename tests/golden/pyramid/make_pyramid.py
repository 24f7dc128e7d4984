"""Makes pyramid.txt: the pyramid's operators by SciPy, which knows nothing of pyrdiff.

    python3 tests/golden/pyramid/make_pyramid.py > tests/golden/pyramid/pyramid.txt

Needs numpy and scipy (made with 2.4.6 and 1.17.1). Blocks "name rows columns" and the numbers, row by row.
d: convolution with mode="reflect", every second sample kept. u: the coarse line continued symmetrically,
zeros between its samples, convolution, cropped; each phase divided by its sum. ideal: scipy.fft.
"""
import numpy as np
from scipy import fft, ndimage

SIGMAS = (0.5, 1.0, 1.6)
SIZES = (1, 2, 3, 4, 7, 10)
IMAGE = (7, 10, 2)


def kernel(name):
    if name == "burt-adelson":
        return np.array([1, 4, 6, 4, 1]) / 16
    sigma = float(name.split("-")[1])
    radius = max(1, int(4 * sigma + 0.5))
    return np.exp(-np.arange(-radius, radius + 1) ** 2 / (2 * sigma**2))


def down(x, name, axis):
    if name == "box":  # the mean of a sample and the next one
        y = ndimage.convolve1d(x, [0.5, 0.5], axis=axis, mode="reflect")
    elif name == "burt-adelson":
        y = ndimage.convolve1d(x, kernel(name), axis=axis, mode="reflect")
    else:
        sigma = float(name.split("-")[1])
        y = ndimage.gaussian_filter1d(x, sigma, axis=axis, mode="reflect", truncate=4.0)
    return np.take(y, range(0, x.shape[axis], 2), axis=axis)


def up(x, n, name, axis):
    x = np.moveaxis(x, axis, 0)
    pad = 20
    ext = np.pad(x, [(pad, pad)] + [(0, 0)] * (x.ndim - 1), mode="symmetric")
    zeros = np.zeros((2 * len(ext),) + x.shape[1:])
    zeros[::2] = ext
    # box: the sample stands between fine pixels 2j and 2j+1, the kernel has its centre half a pixel on
    k = np.array([1, 3, 3, 1]) / 4 if name == "box" else 2 * kernel(name)
    k = k.astype(float)
    middle = len(k) // 2
    for phase in range(2):
        k[(middle + phase) % 2 :: 2] /= k[(middle + phase) % 2 :: 2].sum()
    y = ndimage.convolve1d(zeros, k, axis=0, mode="constant", origin=-1 if name == "box" else 0)
    return np.moveaxis(y[2 * pad : 2 * pad + n], 0, axis)


def ideal(x, n, axis):
    c = fft.dct(x, type=2, norm="ortho", axis=axis)
    m = x.shape[axis]
    c = np.moveaxis(c, axis, 0)
    c = c[:n] if n < m else np.concatenate([c, np.zeros((n - m,) + c.shape[1:])])
    return fft.idct(np.moveaxis(c, 0, axis), type=2, norm="ortho", axis=axis) * np.sqrt(n / m)


def d(x, name):
    for axis in (0, 1):
        x = ideal(x, (x.shape[axis] + 1) // 2, axis) if name == "ideal" else down(x, name, axis)
    return x


def u(x, shape, name):
    for axis in (0, 1):
        x = ideal(x, shape[axis], axis) if name == "ideal" else up(x, shape[axis], name, axis)
    return x


def block(name, a):
    a = np.atleast_2d(a)
    print(name, *a.shape)
    for row in a:
        print(*[f"{v:.17g}" for v in row])


def main():
    names = ["box", "burt-adelson"] + [f"gaussian-{s}" for s in SIGMAS]
    for name in names:
        for n in SIZES:
            m = (n + 1) // 2
            forward = down(np.eye(n), name, 0)
            block(f"{name}/d/{n}", forward)
            block(f"{name}/u/{n}", up(np.eye(m), n, name, 0))
            block(f"{name}/back/{n}", np.linalg.pinv(forward))
    rng = np.random.default_rng(20240607)
    image = (2 * rng.integers(0, 256, IMAGE) - 255) / 256
    block("image", image.reshape(IMAGE[0], -1))
    for name in names + ["ideal"]:
        coarse = d(image, name)
        coarsest = d(coarse, name)
        block(f"{name}/image1", coarse.reshape(coarse.shape[0], -1))
        block(f"{name}/image2", coarsest.reshape(coarsest.shape[0], -1))
        block(f"{name}/residual0", (image - u(coarse, IMAGE, name)).reshape(IMAGE[0], -1))
        block(f"{name}/residual1", (coarse - u(coarsest, coarse.shape, name)).reshape(coarse.shape[0], -1))


main()
