"""Places: sky, scenery and ground, drawn at twice the picture's size for smooth edges.

Everything here is measured in units of a field of 128x128, whatever the picture's size; `Pen` converts them
to pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .scene import SIZE, UNITS, Scene, road

CANVAS = 2 * SIZE  # pixels
FIELD = 128  # units
ZOOM = CANVAS // FIELD  # canvas pixels per unit of the field
SCALE = FIELD // UNITS  # units of the field per unit of a scene

SKY = {
    "day": ((96, 168, 232), (196, 226, 246)),
    "sunset": ((112, 66, 140), (252, 156, 84)),
    "night": ((10, 14, 44), (36, 46, 96)),
}
GREY_SKY = {"day": (168, 176, 188), "sunset": (178, 140, 132), "night": (50, 54, 70)}
LIGHT = {"day": (1, 1, 1), "sunset": (0.95, 0.78, 0.74), "night": (0.56, 0.59, 0.76)}
GROUND = {
    "meadow": (104, 178, 66),
    "beach": (244, 222, 168),
    "desert": (222, 156, 84),
    "street": (150, 148, 146),
    "mountain": (128, 122, 118),
    "forest": (84, 104, 58),
}
SNOW = np.array((240, 245, 252))


class Pen:
    """Draws on an image in units of the field."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def ellipse(self, box, fill) -> None:
        self._draw.ellipse([ZOOM * float(side) for side in box], fill=fill)

    def rectangle(self, box, fill) -> None:
        self._draw.rectangle([ZOOM * float(side) for side in box], fill=fill)

    def polygon(self, points, fill) -> None:
        self._draw.polygon([(ZOOM * float(x), ZOOM * float(y)) for x, y in points], fill=fill)

    def line(self, points, fill, width: int) -> None:
        self._draw.line(
            [(ZOOM * float(x), ZOOM * float(y)) for x, y in points], fill=fill, width=ZOOM * width
        )


def background(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The picture without its things, [CANVAS, CANVAS, 3], 0 to 255; and where it is not sky, [CANVAS,
    CANVAS]."""
    land, land_mask = _land(scene)
    return np.where(land_mask[..., None], land * np.array(LIGHT[scene.time]), _sky(scene)), land_mask


def weather(scene: Scene, picture: np.ndarray) -> np.ndarray:
    """Fog or rain over a background."""
    if scene.weather == "fog":
        return picture * 0.42 + np.array(GREY_SKY[scene.time]) * (1.12 * 0.58)
    if scene.weather == "rain":
        image = Image.fromarray((picture * 0.86).clip(0, 255).astype(np.uint8))
        draw, rng = Pen(image), _rng(scene, 5)
        for x, y in rng.uniform(-8, FIELD, (26, 2)):
            draw.line(((x + 6, y), (x, y + 16)), fill=(186, 204, 232), width=2)
        return np.asarray(image, dtype=np.float32)
    return picture


def _rng(scene: Scene, layer: int) -> np.random.Generator:
    """Each layer has its own generator, so a change in one leaves the others unchanged."""
    return np.random.default_rng([scene.seed, layer])


def _sky(scene: Scene) -> np.ndarray:
    top, bottom = (np.array(c, dtype=float) for c in SKY[scene.time])
    if scene.weather != "clear":
        top = bottom = np.array(GREY_SKY[scene.time])
    ramp = np.linspace(0, 1, CANVAS)[:, None, None].clip(0, 0.75) / 0.75
    image = Image.fromarray(
        np.broadcast_to(top + (bottom - top) * ramp, (CANVAS, CANVAS, 3)).astype(np.uint8)
    )
    if scene.weather == "clear":
        _lights(Pen(image), scene)
    return np.asarray(image, dtype=np.float32)


def _lights(draw: Pen, scene: Scene) -> None:
    """Clouds by day, the sun at sunset, moon and stars at night."""
    rng, horizon = _rng(scene, 1), scene.horizon * SCALE
    x, height = rng.uniform(14, FIELD - 14), rng.uniform(size=12)
    if scene.time == "night":
        for star_x, h in zip(rng.uniform(0, FIELD, 8), height):
            y = h * horizon * 0.8
            draw.ellipse((star_x - 1, y - 1, star_x + 1, y + 1), fill=(244, 240, 206))
        y = 10 + height[8] * horizon * 0.4
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=(248, 242, 204))
    elif scene.time == "sunset":
        y = horizon - 4 - height[8] * 16
        draw.ellipse((x - 15, y - 15, x + 15, y + 15), fill=(255, 226, 116))
    else:
        for _ in range(rng.integers(1, 4)):
            cx, cy, r = rng.uniform(0, FIELD), 6 + rng.uniform(0, 0.55) * horizon, rng.uniform(6, 10)
            for dx, dr in ((-1.1, -2), (0, 1), (1.1, -1)):
                draw.ellipse(
                    (cx + dx * r - r - dr, cy - (r + dr) * 0.7, cx + dx * r + r + dr, cy + r * 0.7),
                    fill=(247, 250, 255),
                )


def _land(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Scenery and ground in daylight, and where they are."""
    image = Image.new("RGBA", (CANVAS, CANVAS))
    line = _ground_line(scene)
    SCENERY[scene.place](Pen(image), scene, _rng(scene, 2), line)
    ground = Image.new("RGBA", (CANVAS, CANVAS))
    draw = Pen(ground)
    colour = GROUND[scene.place]
    draw.polygon([(0, FIELD), *enumerate(line), (FIELD, FIELD)], fill=colour)
    if scene.place == "meadow":
        _flowers(draw, scene)
    ground = np.array(ground)
    rows = np.arange(CANVAS)[:, None, None] / CANVAS
    mask = ground[..., 3] > 0
    shaded = ground[..., :3] * (1.14 - 0.3 * rows)
    cover = _snow_cover(scene, mask)[..., None]
    shaded = shaded * (1 - cover) + SNOW * cover
    if scene.place == "street":
        shaded = _road(scene, shaded)
    scenery = np.array(image)
    return np.where(mask[..., None], shaded, scenery[..., :3]), mask | (scenery[..., 3] > 0)


def _ground_line(scene: Scene) -> np.ndarray:
    """The row at which the ground begins, for every column of the field, [FIELD + 1]."""
    rng, x = _rng(scene, 3), np.linspace(0, 1, FIELD + 1)
    slope, wave, phase = rng.uniform(-1, 1), rng.uniform(1, 2.6), rng.uniform(0, 6.28)
    steep, wavy = {
        "meadow": (6, 7),
        "beach": (12, 4),
        "desert": (5, 5),
        "street": (0, 0),
        "mountain": (7, 3),
        "forest": (3, 3),
    }[scene.place]
    return scene.horizon * SCALE + slope * steep * (x - 0.5) * 2 + wavy * np.sin(wave * 6.28 * x + phase)


def _snow_cover(scene: Scene, ground: np.ndarray) -> np.ndarray:
    """Patches of snow that cover `scene.snow` of the ground."""
    if not scene.snow:
        return np.zeros(ground.shape)
    coarse = Image.fromarray(_rng(scene, 4).normal(size=(7, 5)).astype(np.float32))
    field = np.asarray(coarse.resize((CANVAS, CANVAS), Image.BICUBIC))
    level = np.quantile(field[ground][::7], scene.snow)
    return ((level - field) * 8 + 0.5).clip(0, 1) if scene.snow < 1 else np.ones(ground.shape)


def _flowers(draw: Pen, scene: Scene) -> None:
    rng = _rng(scene, 6)
    for x, y in rng.uniform((0, scene.horizon * SCALE + 10), (FIELD, FIELD), (9, 2)):
        colour = ((252, 236, 110), (250, 250, 250), (240, 120, 120))[rng.integers(3)]
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)


def _road(scene: Scene, land: np.ndarray) -> np.ndarray:
    """Asphalt with dashes; traffic keeps it free of snow, except for a thin cover."""
    top, bottom = (ZOOM * int(r * SCALE) for r in road(scene))
    land[top:bottom] = np.array((82, 84, 92)) * (1 - 0.45 * scene.snow) + SNOW * 0.45 * scene.snow
    land[top - 2 * ZOOM : top] = land[bottom : bottom + 2 * ZOOM] = (196, 194, 190)
    middle, offset = (top + bottom) // 2, ZOOM * _rng(scene, 7).integers(0, 30)
    for x in range(-offset, CANVAS, 30 * ZOOM):
        land[middle - ZOOM : middle + 2 * ZOOM, max(x, 0) : max(x + 16 * ZOOM, 0)] = (238, 230, 190)
    return land


# Scenery: what stands behind the ground. Each takes (draw, scene, rng, ground line).


def _hills(draw, scene, rng, line):
    for _ in range(rng.integers(1, 4)):
        x, w, h = rng.uniform(0, FIELD), rng.uniform(30, 70), rng.uniform(10, 26)
        y = scene.horizon * SCALE + 6
        draw.ellipse((x - w, y - h, x + w, y + h), fill=(74, 146, 70))


def _sea(draw, scene, rng, line):
    top = line.min() - rng.uniform(10, 30)
    draw.rectangle((0, top, FIELD, line.max()), fill=(36, 122, 190))
    draw.line([(x, y - 2) for x, y in enumerate(line)], fill=(214, 238, 246), width=5)


def _dunes(draw, scene, rng, line):
    for _ in range(rng.integers(2, 5)):
        x, w, h = rng.uniform(0, FIELD), rng.uniform(24, 60), rng.uniform(10, 34)
        y, lean = scene.horizon * SCALE + 10, rng.uniform(-0.4, 0.4) * w
        draw.polygon([(x - w, y), (x + lean, y - h - 8), (x + w, y)], fill=(202, 132, 66))
        draw.polygon([(x + lean, y - h - 8), (x + w, y), (x + lean * 0.2, y)], fill=(180, 110, 56))


def _buildings(draw, scene, rng, line):
    x, ground = -rng.uniform(0, 16), scene.horizon * SCALE
    window = (255, 255, 130) if scene.time == "night" else (214, 230, 242)
    while x < FIELD:
        width, height = rng.uniform(18, 38), rng.uniform(0.3, 0.95) * ground
        wall = ((162, 122, 108), (124, 136, 158), (176, 160, 134), (140, 112, 120))[rng.integers(4)]
        top = ground - height
        draw.rectangle((x, top, x + width - 3, ground), fill=wall)
        for wy in np.arange(top + 6, ground - 8, 13):
            for wx in np.arange(x + 4, x + width - 8, 9):
                draw.rectangle((wx, wy, wx + 4, wy + 5), fill=window)
        if scene.snow:
            draw.rectangle((x, top - 1, x + width - 3, top + 4 * scene.snow), fill=tuple(SNOW))
        x += width


def _peaks(draw, scene, rng, line):
    foot = scene.horizon * SCALE + 12
    for _ in range(rng.integers(2, 5)):
        x = rng.uniform(0, FIELD)
        height = rng.uniform(0.4, 0.95) * scene.horizon * SCALE
        half = max(height * rng.uniform(0.6, 1.0), 26)
        top = np.array((x + rng.uniform(-0.15, 0.15) * half, foot - height - 4))
        left, right, middle = (np.array((x + side * half, foot)) for side in (-1, 1, 0.15))
        draw.polygon((left, top, right), fill=(112, 108, 130))
        draw.polygon((top, right, middle), fill=(90, 88, 112))
        if scene.snow:
            left, right = (top + (corner - top) * 0.9 * scene.snow for corner in (left, right))
            dips = ((top + corner) / 2 * (1, 0) + corner * (0, 1) - (0, 5) for corner in (right, left))
            snow = (left, top, right, next(dips), (top[0], right[1] + 4), next(dips))
            draw.polygon(snow, fill=tuple(SNOW))


def _trees(draw, scene, rng, line):
    for x in np.arange(-6, FIELD + 10, 13) + rng.uniform(-5, 5, 12):
        h, w = rng.uniform(0.35, 0.95) * scene.horizon * SCALE, rng.uniform(9, 15)
        y, shade = scene.horizon * SCALE + 8, rng.uniform(0.8, 1.2)
        draw.polygon(
            [(x - w, y), (x, y - h - 8), (x + w, y)], fill=tuple(int(c * shade) for c in (34, 92, 58))
        )
        if scene.snow:
            s = 0.75 * scene.snow
            draw.polygon(
                [(x - w * s, y - (h + 8) * (1 - s)), (x, y - h - 8), (x + w * s, y - (h + 8) * (1 - s))],
                fill=tuple(SNOW),
            )


SCENERY = {
    "meadow": _hills,
    "beach": _sea,
    "desert": _dunes,
    "street": _buildings,
    "mountain": _peaks,
    "forest": _trees,
}
