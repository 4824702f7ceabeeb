"""Pictures of the world in bulk: rendered once on all cores, then cached on disk."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeVar

import numpy as np
import torch

from edits import random_edit
from runs import ROOT
from world import Scene, Word, caption, random_scene, render

PICTURES = 48000  # for training; half of them are edits of the other half
CHUNK = 250  # scenes per task; part of the seed, so changing it changes the data


@dataclass
class Pictures:
    """`images` [n, SIZE, SIZE, 3] uint8; `masks` of each scene [things + 1, SIZE, SIZE] uint8 (0 to 255), the
    land's last."""

    images: np.ndarray
    masks: list[np.ndarray]
    scenes: list[Scene]
    captions: list[list[Word]]
    #: For edits, the source's word that each word of the caption replaces (see `edits.Edit`). None for other
    # pictures.
    sources: list[list[int | None] | None]

    def first(self, count: int) -> Pictures:
        return Pictures(*(column[:count] for column in vars(self).values()))

    def __len__(self) -> int:
        return len(self.images)


T = TypeVar("T")
Sampler = Callable[[np.random.Generator], Scene]


def load(name: str, count: int, seed: int, sampler: Sampler = random_scene, edited: bool = False) -> Pictures:
    """The pictures of a seed, cached in `<runs>/<name>-<count>.pkl`.

    `edited`: every second picture is an edit of the one before it; scenes that allow none are skipped.
    """
    return once(f"{name}-{count}", lambda: _drawn(count, seed, sampler, edited))


def training(count: int) -> Pictures:
    """The pictures that all parts of the model are trained on."""
    return load("train", count, seed=3, edited=True)


def once(name: str, make: Callable[[], T]) -> T:
    """The result of `make`, cached in `<runs>/<name>.pkl`."""
    path = ROOT / f"{name}.pkl"
    ROOT.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of a training's processes makes it, the others wait
        if not path.exists():
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                pickle.dump(make(), file, protocol=5)
            partial.replace(path)
    with path.open("rb") as file:
        return pickle.load(file)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """[n, SIZE, SIZE, 3] uint8 to [n, 3, SIZE, SIZE] float, -1 to 1."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(pixels: torch.Tensor) -> np.ndarray:
    """The inverse of `to_tensor`, rounded and clipped."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def _drawn(count: int, seed: int, sampler: Sampler, edited: bool) -> Pictures:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        starts = range(0, count, CHUNK)
        sizes = [min(CHUNK, count - start) for start in starts]
        chunks = pool.map(_chunk, repeat(sampler), repeat(seed), starts, sizes, repeat(edited))
        images, masks, *rest = (list(chain.from_iterable(parts)) for parts in zip(*chunks))
    return Pictures(np.stack(images), masks, *rest)


def _chunk(sampler: Sampler, seed: int, start: int, count: int, edited: bool):
    rng = np.random.default_rng([seed, start])
    captioned = []
    while len(captioned) < count:
        scene = sampler(rng)
        words = caption(scene, rng)
        edit = random_edit(scene, words, rng) if edited else None
        if edit:
            captioned += [(scene, words, None), (edit.scene, edit.words, edit.sources)]
        elif not edited:
            captioned.append((scene, words, None))
    drawn = [render(scene) for scene, _, _ in captioned]
    masks = [(mask * 255).round().astype(np.uint8) for _, mask in drawn]
    return [image for image, _ in drawn], masks, *zip(*captioned)
