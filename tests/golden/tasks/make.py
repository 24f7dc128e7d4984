"""The pictures of tests/cli/tasks.sh: 12 x 10 grey, as the run of tests/tiny.cfg, and masks. Needs Pillow."""
import math
from PIL import Image

H, W = 12, 10


def write(name, value, mode="L", h=H, w=W):
    image = Image.new(mode, (w, h))
    for y in range(h):
        for x in range(w):
            image.putpixel((x, y), value(y, x))
    image.save(name)


write("picture.png", lambda y, x: int(230 * math.exp(-((y - 6) ** 2 + (x - 4) ** 2) / 9)))
write("other.png", lambda y, x: int(200 * math.exp(-((y - 4) ** 2 + (x - 6) ** 2) / 5)))
write("small.png", lambda y, x: int(180 * math.exp(-((y - 2) ** 2 + (x - 2) ** 2) / 3)), h=6, w=5)
write("white.png", lambda y, x: 255)
write("black.png", lambda y, x: 0)
write("half.png", lambda y, x: 255 if x >= 5 else 0)
# Masks as other programs save them: the right half, as half.png says.
write("ones.png", lambda y, x: 1 if x >= 5 else 0)
write("red.png", lambda y, x: (255, 0, 0) if x >= 5 else (0, 0, 0), "RGB")
write("hole.png", lambda y, x: (0, 0, 0, 0 if x >= 5 else 255), "RGBA")
write("brush.png", lambda y, x: (255, 0, 0, 255 if x >= 5 else 0), "RGBA")
voc = Image.new("P", (W, H))
voc.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
for name, label in (("voc.png", lambda y, x: int(x >= 5)), ("voc-two.png", lambda y, x: 2 if x >= 5 else int(y < 3))):
    for y in range(H):
        for x in range(W):
            voc.putpixel((x, y), label(y, x))
    voc.save(name)
