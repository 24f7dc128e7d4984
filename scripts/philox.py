"""The program's random numbers (base/philox.h) in NumPy, for scripts that make golden files."""
import numpy as np

PRIOR, SAMPLER = 8, 9  # pyr_purpose


def philox(key, c0, c1, c2, c3):
    """Four words for each element of the counters (broadcast)."""
    c = [x.astype(np.uint64) for x in np.broadcast_arrays(*map(np.asarray, (c0, c1, c2, c3)))]
    k0, k1, low = key & 0xFFFFFFFF, key >> 32, np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [b >> np.uint64(32) ^ c[1] ^ np.uint64(k0), b & low, a >> np.uint64(32) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def uniform(word):
    return ((word >> np.uint64(9)).astype(float) + 0.5) * 2.0**-23


def normals(key, n, index, step, purpose):
    q = (n + 3) // 4
    w = philox(key, np.arange(q), index, step, purpose)
    v = []
    for a, b in ((w[0], w[1]), (w[2], w[3])):
        radius, angle = np.sqrt(-2 * np.log(uniform(a))), 2 * np.pi * uniform(b)
        v += [radius * np.cos(angle), radius * np.sin(angle)]
    return np.stack(v, axis=1).reshape(-1)[:n]


def images(seeds, shape, step, purpose):
    """Of n images of shape (c, h, w), as PyTorch orders them; the program's are (h, w, c)."""
    c, h, w = shape
    x = [normals(seed, c * h * w, 0, step, purpose).reshape(h, w, c).transpose(2, 0, 1) for seed in seeds]
    return np.stack(x).astype(np.float32)
