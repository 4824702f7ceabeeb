"""Styles of pictures: each redraws a finished picture, with every thing in its place."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

PAPER = np.array((250, 246, 236))
BLOCK = 4  # pixels of the picture per pixel of pixel art
LEVELS = 6  # of each colour channel


def styled(picture: np.ndarray, style: str | None) -> np.ndarray:
    """A picture [SIZE, SIZE, 3] uint8 in one of the vocabulary's styles, or unchanged."""
    return STYLES[style](picture).clip(0, 255).round().astype(np.uint8) if style else picture


def _watercolour(picture: np.ndarray) -> np.ndarray:
    """Pale flat areas with darker edges, fading out into white paper."""
    flat = np.asarray(Image.fromarray(picture).filter(ImageFilter.MedianFilter(7)), float)
    washed = PAPER - 0.72 * (PAPER - flat) - 0.5 * _edges(flat)[..., None]
    across = np.abs(np.linspace(-1, 1, len(picture)))
    rim = np.maximum(across[:, None], across) + 0.03 * np.sin(19 * across[:, None] + 23 * across)
    fade = ((rim - 0.84) / 0.1).clip(0, 1)[..., None]
    return washed * (1 - fade) + PAPER * fade


def _pixel(picture: np.ndarray) -> np.ndarray:
    """Large square pixels in few colours."""
    side = len(picture) // BLOCK
    small = picture.reshape(side, BLOCK, side, BLOCK, 3).mean((1, 3))
    few = (small * (LEVELS - 1) / 255).round() * 255 / (LEVELS - 1)
    return few.repeat(BLOCK, 0).repeat(BLOCK, 1)


def _pencil(picture: np.ndarray) -> np.ndarray:
    """Dark lines along the edges and a hint of colour, on white paper."""
    return PAPER - 0.35 * (PAPER - picture) - 3.2 * _edges(picture.astype(float))[..., None]


def _edges(picture: np.ndarray) -> np.ndarray:
    """How much each pixel differs from its neighbours, [SIZE, SIZE]."""
    light = picture.mean(-1)
    return np.abs(np.gradient(light, axis=0)) + np.abs(np.gradient(light, axis=1))


STYLES = {"watercolour": _watercolour, "pixel": _pixel, "pencil": _pencil}
