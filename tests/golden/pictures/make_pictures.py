#!/usr/bin/env python3
"""Write the fixtures of tests/test_picture_files.c into the folder of this script.

turned_K.EXT: one picture per format, stored in each of the eight orientations K; ImageOps.exif_transpose of
Pillow gives the same upright picture for all of them (turned.raw; JPEG: blocks.raw, within a few grey values).
Others: NAME.EXT beside NAME.raw, the samples that should come out (bytes, or little-endian words). They are what
NumPy made before tifffile wrote it, or what Pillow reads (lossy files, CMYK); where Pillow reads a TIFF with all
of its bits it must agree. refused_*: what should get a sentence.

Needs: pip install pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3 imagecodecs==2026.3.6
"""
import io
import os
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
STORED = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_270}


def path(name):
    return os.path.join(HERE, name)


def write(name, data):
    with open(path(name), "wb") as f:
        f.write(data)


def samples(h, w, c, bits):
    y, x, k = np.mgrid[0:h, 0:w, 0:c]
    v = ((y * 3571 + x * 977 + k * 21001 + y * x * 31) & 0xFFFF) >> (16 - bits)
    return v.astype(np.uint16 if bits > 8 else np.uint8)


def exif(orientation, big):
    """A block with a tag before the orientation and one behind it."""
    e = ">" if big else "<"
    value = struct.pack(e + "HH", orientation, 0)
    entries = struct.pack(e + "HHI4s", 271, 2, 4, b"Cam\0") + struct.pack(e + "HHI4s", 274, 3, 1, value)
    entries += struct.pack(e + "HHI", 296, 3, 1) + struct.pack(e + "HH", 2, 0)
    return (b"MM\0*" if big else b"II*\0") + struct.pack(e + "IH", 8, 3) + entries + struct.pack(e + "I", 0)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(image, block, behind):
    """As Pillow writes it, with an eXIf chunk before IDAT or before IEND."""
    out = io.BytesIO()
    image.save(out, "PNG")
    data = out.getvalue()
    at = data.index(b"IEND" if behind else b"IDAT") - 4
    return data[:at] + chunk(b"eXIf", block) + data[at:]


def webp_parts(data):
    at, parts = 12, []
    while at < len(data):
        kind, n = data[at:at + 4], struct.unpack("<I", data[at + 4:at + 8])[0]
        parts.append((kind, data[at + 8:at + 8 + n]))
        at += 8 + n + n % 2
    return parts


def webp_of(parts):
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in parts)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp(image, block, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", exif=b"Exif\0\0" + block, **options)
    parts = [(kind, block if kind == b"EXIF" else data) for kind, data in webp_parts(out.getvalue())]
    return webp_of(parts)


def turned():
    upright = Image.fromarray(samples(5, 7, 3, 8))
    write("turned.raw", upright.tobytes())
    colours = [(200, 30, 40), (20, 160, 60), (30, 50, 210), (240, 220, 30), (20, 20, 20), (230, 230, 230)]
    blocks = np.zeros((16, 24, 3), np.uint8)
    for i, colour in enumerate(colours):
        blocks[i // 3 * 8:i // 3 * 8 + 8, i % 3 * 8:i % 3 * 8 + 8] = colour
    blocks = Image.fromarray(blocks)
    write("blocks.raw", blocks.tobytes())

    for k in range(1, 9):
        stored, stored_blocks = (p.transpose(STORED[k]) if k > 1 else p for p in (upright, blocks))
        block = exif(k, big=k % 2 == 0)
        stored_blocks.save(path(f"turned_{k}.jpg"), quality=98, subsampling=0, exif=b"Exif\0\0" + block)
        write(f"turned_{k}.png", png(stored, block, behind=k % 3 == 0))
        write(f"turned_{k}.webp", webp(stored, b"Exif\0\0" + block if k % 2 else block, lossless=True))
        tifffile.imwrite(path(f"turned_{k}.tif"), np.asarray(stored), photometric="rgb", metadata=None,
                         bigtiff=k == 6, byteorder=">" if k == 7 else "<", software=False,
                         extratags=[(274, "H", 1, k, True)])
        for end in "jpg", "png", "webp", "tif":
            with Image.open(path(f"turned_{k}.{end}")) as image:
                got = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
            off = np.abs(got - np.asarray(blocks if end == "jpg" else upright)).max()
            assert got.shape == ((16, 24, 3) if end == "jpg" else (5, 7, 3)) and off <= (4 if end == "jpg" else 0), \
                (k, end, off)

    # Pictures of other kinds to be turned: CMYK, one byte and eight bytes a pixel.
    stored = blocks.transpose(STORED[6]).convert("CMYK")
    stored.save(path("turned_cmyk.jpg"), quality=98, exif=b"Exif\0\0" + exif(6, True))
    write("turned_cmyk.raw", ImageOps.exif_transpose(Image.open(path("turned_cmyk.jpg"))).convert("RGB").tobytes())
    grey = Image.fromarray(samples(5, 7, 1, 8)[..., 0])
    write("turned_grey.png", png(grey.transpose(STORED[8]), exif(8, False), behind=True))
    write("turned_grey.raw", grey.tobytes())
    deep = samples(5, 7, 4, 16)
    tifffile.imwrite(path("turned_deep.tif"), np.ascontiguousarray(np.rot90(deep)), photometric="rgb",
                     extrasamples=["unassalpha"], metadata=None, software=False, extratags=[(274, "H", 1, 6, True)])
    write("turned_deep.raw", deep.astype("<u2").tobytes())

    # Blocks of no use, whose pictures stay as they are stored.
    bad = {"xmp": None, "nine": exif(9, False), "short": exif(6, False)[:20], "long": None}
    bad["long"] = exif(6, False).replace(struct.pack("<HHI", 274, 3, 1), struct.pack("<HHI", 274, 4, 1))
    for name, block in bad.items():
        if block is None:
            text = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta tiff:Orientation=\"6\"/>"
            data = png(upright, b"", behind=False).replace(chunk(b"eXIf", b""), chunk(b"iTXt", text))
        else:
            data = png(upright, block, behind=False)
        write(f"unturned_{name}.png", data)


def pillow_agrees(name, wanted):
    with Image.open(path(name)) as image:
        got = np.asarray(image.convert("L") if image.mode == "1" else
                         image.convert("RGB") if image.mode in ("P", "CMYK") else image)
    wanted = wanted.reshape(got.shape) if got.size == wanted.size else wanted[..., 0]
    assert np.array_equal(got, wanted), name


def tiff(name, array, wanted=None, pillow=True, **options):
    """A file by tifffile and the samples that should come out."""
    wanted = array if wanted is None else wanted
    options.setdefault("photometric", "rgb" if array.ndim == 3 and array.shape[-1] >= 3 else "minisblack")
    tifffile.imwrite(path(name + ".tif"), array, metadata=None, software=False, **options)
    write(name + ".raw", wanted.astype("<u2" if wanted.dtype == np.uint16 else np.uint8).tobytes())
    if pillow:
        pillow_agrees(name + ".tif", wanted)


def raw_tiff(name, h, w, bits, photometric, data, samples=1, more=()):
    """A file of one strip whose tags are packed here."""
    tags = [(256, 4, 1, w), (257, 4, 1, h), (258, 3, samples, bits), (259, 3, 1, 1), (262, 3, 1, photometric),
            (273, 4, 1, 0), (277, 3, 1, samples), (278, 4, 1, h), (279, 4, 1, len(data))]
    behind = b""
    at = 8 + 2 + 12 * (len(tags) + len(more)) + 4
    for tag, values in more:  # SHORTs
        packed = struct.pack(f"<{len(values)}H", *values)
        value = int.from_bytes(packed, "little") if len(packed) <= 4 else at + len(behind)
        tags.append((tag, 3, len(values), value))
        behind += packed if len(packed) > 4 else b""
    if samples > 1:
        tags[2] = (258, 3, samples, at + len(behind))
        behind += struct.pack(f"<{samples}H", *[bits] * samples)
    tags[5] = (273, 4, 1, at + len(behind))
    out = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    write(name + ".tif", out + struct.pack("<I", 0) + behind + data)


def packed(name, array, bits, wanted, pillow=True, colormap=None):
    """Rows of `bits` a sample, each row padded to whole bytes."""
    rows = ["".join(format(v, f"0{bits}b") for v in row) for row in array]
    rows = [row + "0" * (-len(row) % 8) for row in rows]
    data = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
    more = [] if colormap is None else [(320, colormap.ravel().tolist())]
    raw_tiff(name, *array.shape, bits, 1 if colormap is None else 3, data, more=more)
    write(name + ".raw", wanted.astype("<u2" if wanted.dtype == np.uint16 else np.uint8).tobytes())
    if pillow:
        pillow_agrees(name + ".tif", wanted)


def tiffs():
    grey, rgb, rgba = (samples(11, 13, c, 8) for c in (1, 3, 4))
    grey = grey[..., 0]
    grey16, rgb16, rgba16 = (samples(11, 13, c, 16) for c in (1, 3, 4))
    grey16 = grey16[..., 0]
    big = samples(40, 50, 3, 8)
    tiff("grey_8", grey)
    tiff("grey_16", grey16)
    tiff("grey_16_big_endian", grey16, byteorder=">")
    tiff("rgb_8", rgb, rowsperstrip=4)
    tiff("rgb_16", rgb16, pillow=False)
    tiff("rgb_16_planes", np.moveaxis(rgb16, -1, 0), rgb16, pillow=False, planarconfig="separate",
         photometric="rgb", compression="zlib", predictor=True, rowsperstrip=3)
    tiff("rgb_8_planes", np.moveaxis(rgb, -1, 0), rgb, planarconfig="separate", photometric="rgb", rowsperstrip=5)
    tiff("rgb_8_tiles", big, tile=(16, 32), compression="lzw", predictor=True)
    tiff("rgb_8_tile_planes", np.moveaxis(big, -1, 0), big, tile=(16, 16), planarconfig="separate",
         photometric="rgb", compression="zlib")
    tiff("grey_16_tiles", samples(40, 50, 1, 16)[..., 0], tile=(32, 16), compression="zlib")
    tiff("bigtiff", rgb, pillow=False, bigtiff=True, byteorder=">")
    for method in "lzw", "zlib", "packbits", "lzma", "zstd":
        tiff("rgb_8_" + method, rgb, compression=method, pillow=method not in ("lzma", "zstd"))
    tiff("rgba_8", rgba, extrasamples=["unassalpha"])
    tiff("rgba_16", rgba16, pillow=False, extrasamples=["unassalpha"])
    tiff("grey_alpha_8", rgba[..., :2], extrasamples=["unassalpha"], photometric="minisblack", planarconfig="contig")
    tiff("min_is_white_8", grey, 255 - grey, photometric="miniswhite")
    tiff("min_is_white_16", grey16, 65535 - grey16, pillow=False, photometric="miniswhite")
    # A fourth sample that is called unspecified is left aside; one of which nothing is said is alpha.
    tiff("rgbx_8", rgba, rgba[..., :3], pillow=False, extrasamples=["unspecified"])
    with Image.open(path("rgbx_8.tif")) as image:
        assert np.array_equal(np.asarray(image)[..., :3], rgba[..., :3])
    tiff("rgba_untold_8", rgba, pillow=False, extrasamples=["unspecified"])
    data = bytearray(open(path("rgba_untold_8.tif"), "rb").read())
    at = data.index(struct.pack("<HHI", 338, 3, 1))
    data[at:at + 2] = struct.pack("<H", 65000)  # a private tag instead of ExtraSamples
    write("rgba_untold_8.tif", bytes(data))
    pillow_agrees("rgba_untold_8.tif", rgba)
    # Premultiplied: colour at most alpha. Straight is colour * top / alpha, rounded; 0 where alpha is 0.
    for bits, source in (8, rgba), (16, rgba16):
        top = 2 ** bits - 1
        alpha = source[..., 3].astype(np.uint64)
        alpha[0, :3] = 0, top, 1
        colour = source[..., :3].astype(np.uint64) * alpha[..., None] // top
        stored = np.concatenate([colour, alpha[..., None]], -1)
        straight = (colour * top + alpha[..., None] // 2) // np.maximum(alpha, 1)[..., None]
        straight = np.concatenate([np.where(alpha[..., None] > 0, straight, 0), alpha[..., None]], -1)
        tiff(f"premultiplied_{bits}", stored.astype(source.dtype), straight.astype(source.dtype), pillow=False,
             extrasamples=["assocalpha"])
    with Image.open(path("premultiplied_8.tif")) as image:  # Pillow rounds down
        with open(path("premultiplied_8.raw"), "rb") as f:
            wanted = np.frombuffer(f.read(), np.uint8).reshape(11, 13, 4)
        assert np.abs(np.asarray(image).astype(int) - wanted).max() <= 1
    # Palettes: the upper byte of 16, also where writers left it 0.
    colours = np.stack([np.arange(256) * k + k // 3 & 255 for k in (53, 97, 151)]).astype(np.uint16)
    wanted = np.moveaxis(colours.astype(np.uint8)[:, grey], 0, -1)
    tiff("palette_8", grey, wanted, photometric="palette", colormap=colours * 257)
    tiff("palette_8_256", grey, wanted, photometric="palette", colormap=colours * 256)
    tiff("palette_8_low", grey, wanted, pillow=False, photometric="palette", colormap=colours)
    tiff("palette_grey_8", grey, colours[0].astype(np.uint8)[grey], pillow=False, photometric="palette",
         colormap=np.stack([colours[0] * 257] * 3))
    # Fewer bits are spread over 0..255, 9 to 15 over 0..65535.
    one, four, twelve = (samples(11, 13, 1, bits)[..., 0] for bits in (1, 4, 12))
    packed("grey_1", one, 1, one * 255)
    packed("grey_4", four, 4, four * 17)
    packed("grey_12", twelve, 12, ((twelve.astype(np.uint64) * 65535 + 2047) // 4095).astype(np.uint16), pillow=False)
    packed("palette_4", four, 4, np.moveaxis(colours.astype(np.uint8)[:, four], 0, -1), colormap=colours[:, :16] * 257)
    tiff("cmyk_8", rgba, cmyk(rgba, 255), pillow=False, photometric="separated")
    with Image.open(path("cmyk_8.tif")) as image:
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - cmyk(rgba, 255)).max() <= 1
    tiff("cmyk_16_planes", np.moveaxis(rgba16, -1, 0), cmyk(rgba16, 65535), pillow=False, photometric="separated",
         planarconfig="separate")

    # By Pillow's libtiff: fax, JPEG, WebP inside of TIFF; chroma at half size without JPEG has no writer here.
    bilevel = Image.fromarray(one * 255).convert("1")
    for method in "group3", "group4", "tiff_ccitt":
        bilevel.save(path(method + ".tif"), compression=method)
        write(method + ".raw", (one * 255).tobytes())
    smooth = np.stack([8 * np.arange(24)[None] + 0 * np.arange(16)[:, None], 0 * np.arange(24)[None] + 9 *
                       np.arange(16)[:, None], 128 + 0 * np.arange(24)[None] + 0 * np.arange(16)[:, None]], -1)
    Image.fromarray(smooth.astype(np.uint8)).save(path("jpeg.tif"), compression="jpeg", quality=90)
    write("jpeg.raw", np.asarray(Image.open(path("jpeg.tif")).convert("RGB")).tobytes())
    tifffile.imwrite(path("webp.tif"), rgb, photometric="rgb", compression="webp", metadata=None, software=False,
                     compressionargs={"lossless": True})
    write("webp.raw", rgb.tobytes())
    ycbcr()

    # A thumbnail behind or before the picture is not a page.
    with tifffile.TiffWriter(path("thumbnail.tif")) as f:
        f.write(rgb[:4, :5], photometric="rgb", metadata=None, subfiletype=1, software=False)
        f.write(rgb, photometric="rgb", metadata=None, software=False)
        f.write(rgb[:2, :3], photometric="rgb", metadata=None, subfiletype=1, software=False)
    write("thumbnail.raw", rgb.tobytes())


def cmyk(inks, top):
    light = top - inks.astype(np.uint64)
    return ((light[..., :3] * light[..., 3:] + top // 2) // top).astype(inks.dtype)


def ycbcr():
    """Chroma at half size, not compressed: units of 2x2 luma and one of each chroma. Pillow reads it as RGB."""
    h, w = 6, 8
    y, x = np.mgrid[0:h, 0:w]
    luma = (30 + 20 * x + 9 * y).astype(np.uint8)
    cb, cr = (100 + 10 * x[::2, ::2]).astype(np.uint8), (120 + 12 * y[::2, ::2]).astype(np.uint8)
    data = b"".join(luma[i:i + 2, k:k + 2].tobytes() + bytes([cb[i // 2, k // 2], cr[i // 2, k // 2]])
                    for i in range(0, h, 2) for k in range(0, w, 2))
    raw_tiff("ycbcr", h, w, 8, 6, data, samples=3, more=[(530, [2, 2])])
    # ITU-R BT.601 with chroma repeated, as libtiff's converter does it.
    yy, b, r = luma.astype(float), cb.repeat(2, 0).repeat(2, 1) - 128.0, cr.repeat(2, 0).repeat(2, 1) - 128.0
    got = np.stack([yy + 1.402 * r, yy - 0.344136 * b - 0.714136 * r, yy + 1.772 * b], -1)
    write("ycbcr.raw", np.clip(np.round(got), 0, 255).astype(np.uint8).tobytes())


def webps():
    rgb = Image.fromarray(samples(11, 13, 3, 8))
    rgba = Image.fromarray(samples(11, 13, 4, 8))
    y, x = np.mgrid[0:17, 0:24]
    smooth = np.stack([10 * x, 14 * y, 128 + 100 * np.sin(x / 4) * np.cos(y / 5), 255 - 5 * x - 3 * y], -1)
    smooth = Image.fromarray(smooth.astype(np.uint8))
    for name, image, options in (("lossless", rgb, {"lossless": True}),
                                 ("lossless_alpha", rgba, {"lossless": True, "exact": True}),
                                 ("lossy", smooth.convert("RGB"), {"quality": 80}),
                                 ("lossy_alpha", smooth, {"quality": 80})):
        image.save(path(name + ".webp"), **options)
        write(name + ".raw", Image.open(path(name + ".webp")).tobytes())
    rgb.save(path("refused_animation.webp"), save_all=True, append_images=[rgb.rotate(180)], lossless=True)


def refused():
    grey = samples(5, 7, 1, 8)[..., 0]
    options = {"metadata": None, "software": False}
    tifffile.imwrite(path("refused_float.tif"), grey.astype(np.float32), **options)
    tifffile.imwrite(path("refused_half.tif"), grey.astype(np.float16), **options)
    tifffile.imwrite(path("refused_signed.tif"), grey.astype(np.int16), **options)
    tifffile.imwrite(path("refused_32.tif"), grey.astype(np.uint32), **options)
    tifffile.imwrite(path("refused_complex.tif"), grey.astype(np.complex64), **options)
    tifffile.imwrite(path("refused_bands.tif"), samples(5, 7, 5, 8), photometric="minisblack", planarconfig="contig",
                     **options)
    with tifffile.TiffWriter(path("refused_pages.tif")) as f:
        for i in range(3):
            f.write(grey + i, **options)
    tifffile.imwrite(path("refused_lab.tif"), samples(5, 7, 3, 8), photometric="cielab", **options)
    tifffile.imwrite(path("refused_raw.tif"), grey, photometric="cfa",
                     extratags=[(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes((0, 1, 1, 2)), True)], **options)
    tifffile.imwrite(path("refused_codec.tif"), samples(5, 7, 3, 8), compression="jpeg2000", photometric="rgb",
                     **options)
    for name in "refused_codec.tif", "turned_1.tif":
        assert os.path.getsize(path(name)) < 4096


turned()
tiffs()
webps()
refused()
