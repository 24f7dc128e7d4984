#!/usr/bin/env python3
"""Write the fixtures of tests/test_images.c into the folder of this script.

PNGs of every kind are packed here by hand (struct, zlib), because Pillow writes
only some of them; their samples follow a formula that the test repeats, and
where Pillow can read the kind it must agree. JPEGs are Pillow's, each with the
samples that Pillow decodes (.raw) as the witness. Needs Pillow and NumPy.
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
H, W = 11, 13
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG colour type


def sample(y, x, k, bits):
    return ((y * 3571 + x * 977 + k * 21001 + y * x * 31) & 0xFFFF) >> (16 - bits)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(ys, xs, colour, bits):
    """Filter byte 0 and packed samples for a pass over the given rows and columns."""
    out = b""
    for y in ys:
        values = [sample(y, x, k, bits) for x in xs for k in range(CHANNELS[colour])]
        if bits == 16:
            line = struct.pack(f">{len(values)}H", *values)
        else:
            text = "".join(format(v, f"0{bits}b") for v in values)
            text += "0" * (-len(text) % 8)
            line = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
        out += b"\0" + line
    return out


ADAM7 = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]


def png(name, colour, bits, palette=None, trns=None, interlaced=False):
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, bits, colour, 0, 0, int(interlaced)))
    if palette:
        data += chunk(b"PLTE", bytes(v for entry in palette for v in entry))
    if trns:
        data += chunk(b"tRNS", trns)
    if interlaced:
        packed = b"".join(rows(range(y0, H, dy), range(x0, W, dx), colour, bits) for y0, dy, x0, dx in ADAM7)
    else:
        packed = rows(range(H), range(W), colour, bits)
    data += chunk(b"IDAT", zlib.compress(packed, 9)) + chunk(b"IEND", b"")
    path = os.path.join(HERE, name + ".png")
    with open(path, "wb") as f:
        f.write(data)

    with Image.open(path) as image:  # Pillow agrees, where it keeps all bits
        image.load()
        if colour in (0, 2, 4, 6) and bits in (1, 8) and not trns:
            top = 2 ** bits - 1
            wanted = np.array([[[sample(y, x, k, bits) * 255 // top for k in range(CHANNELS[colour])]
                                for x in range(W)] for y in range(H)], np.uint8)
            got = np.asarray(image.convert("L") if bits == 1 else image).reshape(wanted.shape)
            assert (got == wanted).all(), name
        elif colour == 0 and bits == 16 and not trns:
            wanted = [[sample(y, x, 0, 16) for x in range(W)] for y in range(H)]
            assert (np.asarray(image).astype(int) == wanted).all(), name
        elif colour == 3 and not trns:
            wanted = [[palette[sample(y, x, 0, bits)] for x in range(W)] for y in range(H)]
            assert (np.asarray(image.convert("RGB")) == wanted).all(), name


def colours(bits):
    return [(p * 53 & 255, p * 97 + 31 & 255, p * 151 + 7 & 255) for p in range(2 ** bits)]


def greys(bits):
    return [(p * 61 & 255,) * 3 for p in range(2 ** bits)]


def alphas(bits):
    return bytes(p * 29 & 255 for p in range(2 ** bits // 2))  # the other half is opaque


def main():
    for bits in (1, 2, 4, 8, 16):
        png(f"grey_{bits}", 0, bits)
    for bits in (8, 16):
        png(f"rgb_{bits}", 2, bits)
        png(f"grey_alpha_{bits}", 4, bits)
        png(f"rgba_{bits}", 6, bits)
        key = [sample(0, 0, k, bits) for k in range(3)]
        png(f"grey_key_{bits}", 0, bits, trns=struct.pack(">H", key[0]))
        png(f"rgb_key_{bits}", 2, bits, trns=struct.pack(">3H", *key))
    for bits in (1, 2, 4, 8):
        png(f"palette_{bits}", 3, bits, palette=colours(bits))
        png(f"palette_alpha_{bits}", 3, bits, palette=colours(bits), trns=alphas(bits))
    png("palette_grey_4", 3, 4, palette=greys(4))
    png("palette_grey_alpha_4", 3, 4, palette=greys(4), trns=alphas(4))
    png("grey_1_interlaced", 0, 1, interlaced=True)
    png("palette_4_interlaced", 3, 4, palette=colours(4), interlaced=True)
    png("rgb_8_interlaced", 2, 8, interlaced=True)
    png("rgba_16_interlaced", 6, 16, interlaced=True)

    y, x = np.mgrid[0:17, 0:24]
    rgb = np.stack([10 * x, 14 * y, 128 + 100 * np.sin(x / 4) * np.cos(y / 5)], -1).astype(np.uint8)
    jpegs = {
        "grey": (Image.fromarray(rgb[..., 2]), {}),
        "rgb": (Image.fromarray(rgb), {}),
        "rgb_444": (Image.fromarray(rgb), {"subsampling": 0}),
        "progressive": (Image.fromarray(rgb), {"progressive": True}),
        "cmyk": (Image.fromarray(rgb).convert("CMYK"), {}),
    }
    for name, (image, options) in jpegs.items():
        path = os.path.join(HERE, f"{name}.jpg")
        image.save(path, quality=85, **options)
        decoded = Image.open(path)
        if decoded.mode == "CMYK":
            decoded = decoded.convert("RGB")
        with open(os.path.join(HERE, f"jpeg_{name}.raw"), "wb") as f:
            f.write(decoded.tobytes())


main()
