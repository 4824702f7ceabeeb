"""Renders a scene: its picture, and the mask of each of its things."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .backgrounds import CANVAS, ZOOM, background, weather
from .scene import SIZE, UNITS, Scene, Thing
from .sprites import sprite
from .styles import styled

LIGHT = {"day": (1, 1, 1), "sunset": (1.0, 0.92, 0.88), "night": (0.78, 0.79, 0.86)}
PIXELS = CANVAS / UNITS  # canvas pixels per unit of a scene
FUR, FUR_EDGE = (255, 242, 222), (226, 200, 164)


def render(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The picture [SIZE, SIZE, 3] uint8; the visible part of each thing and, last, the land [things + 1,
    SIZE, SIZE], 0 to 1."""
    picture, land = background(scene)
    picture = weather(scene, picture)
    masks = np.zeros((len(scene.things) + 1, CANVAS, CANVAS), np.float32)
    masks[-1] = land
    for index in _painting_order(scene):
        layer = np.asarray(draw_thing(scene.things[index], scene.seed + index), dtype=np.float32)
        alpha, colour = layer[..., 3:] / 255, layer[..., :3] * np.float32(LIGHT[scene.time])
        if scene.weather == "fog":
            colour = colour * 0.8 + picture.mean((0, 1)) * 0.2
        picture = picture * (1 - alpha) + colour * alpha
        masks *= 1 - alpha[..., 0]
        masks[index] = alpha[..., 0]
    pixels = _shrink(picture).clip(0, 255).round().astype(np.uint8)
    return styled(pixels, scene.style), _shrink(masks.transpose(1, 2, 0)).transpose(2, 0, 1)


def draw_thing(thing: Thing, seed: int) -> Image.Image:
    """One thing alone on a transparent canvas."""
    drawing = sprite(thing.noun, thing.colour, thing.material)
    zoom = thing.size * PIXELS / max(drawing.size)
    drawing = drawing.resize([max(1, round(side * zoom)) for side in drawing.size], Image.LANCZOS)
    if thing.flip:
        drawing = drawing.transpose(Image.FLIP_LEFT_RIGHT)
    if thing.blossom:
        _add_blossom(drawing, thing, seed)
    layer = Image.new("RGBA", (CANVAS, CANVAS))
    x, y = round(thing.x * PIXELS - drawing.width / 2), round(thing.y * PIXELS - drawing.height)
    if thing.fluff:
        _add_fluff(layer, thing, x, y, drawing.size, seed)
    layer.alpha_composite(_crop_to(drawing, x, y))
    return layer


def _painting_order(scene: Scene) -> range:
    """Back to front: a rider sits behind a car's roof, but in front of every other vehicle."""
    behind = scene.relation == "riding" and scene.things[1].noun == "car"
    return range(len(scene.things)) if behind else range(len(scene.things) - 1, -1, -1)


def _add_fluff(layer: Image.Image, thing: Thing, x: int, y: int, size: tuple[int, int], seed: int) -> None:
    """A ruff of fur around the face, the wider the fluffier."""
    rng = np.random.default_rng(seed)
    face = min(size) / 2
    cx, cy = x + size[0] / 2, y + size[1] - face
    angles = np.linspace(0, 2 * np.pi, 29)[:-1] + rng.uniform(-0.08, 0.08, 28)
    tuft = np.where(np.arange(28) % 2, 1.0, 0.62) * rng.uniform(0.85, 1.1, 28)
    for colour, shrink in ((FUR_EDGE, 0.0), (FUR, 1.6 * ZOOM)):
        radius = face * (0.94 + 0.62 * thing.fluff * tuft) - shrink
        points = np.stack([cx + radius * np.cos(angles), cy + radius * np.sin(angles)], 1)
        ImageDraw.Draw(layer).polygon([tuple(p) for p in points], fill=colour)


def _add_blossom(drawing: Image.Image, thing: Thing, seed: int) -> None:
    """Pink dots on the crown of a tree, in proportion to its share of blossom."""
    rng = np.random.default_rng(seed)
    w, h = drawing.size
    draw, dot = ImageDraw.Draw(drawing), 0.058 * h
    turn, out = rng.uniform(0, 2 * np.pi, 90), np.sqrt(rng.uniform(size=90))
    for i in range(round(90 * thing.blossom)):
        x, y = w * (0.5 + 0.43 * out[i] * np.cos(turn[i])), h * (0.34 + 0.29 * out[i] * np.sin(turn[i]))
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=((255, 158, 196), (255, 196, 220))[i % 2])


def _crop_to(drawing: Image.Image, x: int, y: int) -> Image.Image:
    """The drawing at (x, y) of a canvas, clipped to the canvas."""
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    canvas.paste(drawing, (x, y))
    return canvas


def _shrink(canvas: np.ndarray) -> np.ndarray:
    """[CANVAS, CANVAS, n] to [SIZE, SIZE, n] by averaging."""
    return canvas.reshape(SIZE, 2, SIZE, 2, -1).mean((1, 3))
