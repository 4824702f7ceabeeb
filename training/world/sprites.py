"""The drawings of the things: glyphs of Noto Color Emoji, tinted, and a bicycle of our own.

Font: Noto Color Emoji, SIL Open Font License 1.1; its drawings: Apache License 2.0.
"""

from __future__ import annotations

import os
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = os.environ.get("EMOJI_FONT", "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
GLYPHS = dict(
    cat="🐱",
    bear="🐻",
    dog="🐶",
    lion="🦁",
    pig="🐷",
    panda="🐼",
    frog="🐸",
    rabbit="🐰",
    koala="🐨",
    fox="🦊",
    motorcycle="🏍",
    tractor="🚜",
    car="🚗",
    airplane="🛩",
    house="🏠",
    castle="🏰",
    tent="⛺",
    sunflower="🌻",
    tree="🌳",
    cactus="🌵",
    cake="🎂",
    lemon="🍋",
    pumpkin="🎃",
    apple="🍎",
    burger="🍔",
    mushroom="🍄",
    balloon="🎈",
    robot="🤖",
    umbrella="⛱",
)
HUES = dict(red=0, yellow=36, green=85, blue=155)  # of 256
PAINT = dict(red=(222, 40, 48), yellow=(250, 196, 20), green=(40, 160, 60), blue=(40, 96, 220))


#: The colours of a material from its darkest to its lightest.
SHADES = dict(
    golden=((92, 52, 4), (214, 150, 26), (255, 222, 96), (255, 252, 214)),
    wooden=((58, 32, 16), (128, 78, 40), (176, 120, 68), (216, 168, 112)),
)


@cache
def sprite(noun: str, colour: str | None = None, material: str | None = None) -> Image.Image:
    """The thing at full size, RGBA, cropped to its drawing."""
    if material:
        return _made_of(material, sprite(noun, "red" if noun == "bicycle" else None))
    if noun == "bicycle":
        return _bicycle(PAINT[colour])
    canvas = Image.new("RGBA", (160, 160))
    font = ImageFont.truetype(FONT, 109)  # the only size this bitmap font has
    ImageDraw.Draw(canvas).text((5, 5), GLYPHS[noun], font=font, embedded_color=True)
    image = canvas.crop(canvas.getbbox())
    return _tint(image, HUES[colour]) if colour else image


def _tint(image: Image.Image, hue: int) -> Image.Image:
    """Change all red and orange in a drawing to another hue."""
    hsv = np.array(image.convert("RGB").convert("HSV"))
    h, s = hsv[..., 0], hsv[..., 1]
    hsv[..., 0] = np.where(((h < 28) | (h > 225)) & (s > 80), hue, h)
    tinted = Image.fromarray(hsv, "HSV").convert("RGB")
    tinted.putalpha(image.getchannel("A"))
    return tinted


def _made_of(material: str, image: Image.Image) -> Image.Image:
    """A drawing in the shades of a material; wood has a grain."""
    light, alpha = np.asarray(image.convert("L"), float), image.getchannel("A")
    low, high = np.percentile(light[np.asarray(alpha) > 128], (2, 98))
    share = ((light - low) / max(high - low, 1)).clip(0, 1)
    if material == "wooden":
        y, x = np.indices(light.shape)
        share = (share - 0.22 * (np.sin(0.36 * y + 2 * np.sin(0.06 * x)) > 0.3)).clip(0, 1)
    shades = np.array(SHADES[material], float)
    channels = [np.interp(share, np.linspace(0, 1, len(shades)), shades[:, c]) for c in range(3)]
    made = Image.fromarray(np.stack(channels, -1).astype(np.uint8))
    made.putalpha(alpha)
    return made


def _bicycle(paint: tuple[int, int, int]) -> Image.Image:
    """A bicycle with strokes thick enough to be recognisable at 30 pixels; the emoji's are too thin."""
    k = 4
    image = Image.new("RGBA", (124 * k, 84 * k))
    draw = ImageDraw.Draw(image)
    rear, front, pedals, seat, head = (26, 56), (98, 56), (56, 58), (46, 24), (86, 22)

    def line(*points, width, fill):
        draw.line([(x * k, y * k) for x, y in points], fill=fill, width=width * k, joint="curve")

    for x, y in (rear, front):
        draw.ellipse(
            ((x - 26) * k, (y - 26) * k, (x + 26) * k, (y + 26) * k), outline=(66, 70, 84), width=8 * k
        )
    line(rear, seat, head, pedals, rear, width=8, fill=paint)
    line(pedals, seat, (43, 14), width=8, fill=paint)
    line(front, head, (83, 6), (94, 4), width=8, fill=paint)
    line((33, 12), (54, 12), width=8, fill=(44, 46, 54))
    line((82, 5), (98, 5), width=8, fill=(44, 46, 54))
    return image.resize((124, 84), Image.LANCZOS)
