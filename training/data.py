"""Pictures of the world in bulk: rendered once by all cores, kept on disk."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import torch

from runs import ROOT
from world import Scene, Word, caption, random_scene, render

CHUNK = 250  # scenes a task; part of the seed, so changing it changes the data


@dataclass
class Pictures:
    """`images` [n, 64, 64, 3] uint8, `masks` one [things, 64, 64] uint8 (0 to 255) a scene."""

    images: np.ndarray
    masks: list[np.ndarray]
    scenes: list[Scene]
    captions: list[list[Word]]

    def __len__(self) -> int:
        return len(self.images)


Sampler = Callable[[np.random.Generator], Scene]


def load(name: str, count: int, seed: int, sampler: Sampler = random_scene) -> Pictures:
    """The pictures of a seed, from `<runs>/<name>-<count>.pkl`, where they are put the first time."""
    path = ROOT / f"{name}-{count}.pkl"
    ROOT.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of a training's processes one draws, the others wait
        if not path.exists():
            _write(path, count, seed, sampler)
    with path.open("rb") as file:
        return pickle.load(file)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """[n, 64, 64, 3] uint8 to [n, 3, 64, 64] float, -1 to 1."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(pixels: torch.Tensor) -> np.ndarray:
    """The inverse of `to_tensor`, rounded and clipped."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def _write(path: Path, count: int, seed: int, sampler: Sampler) -> None:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        starts = range(0, count, CHUNK)
        sizes = [min(CHUNK, count - start) for start in starts]
        chunks = pool.map(_chunk, repeat(sampler), repeat(seed), starts, sizes)
        images, masks, scenes, captions = (sum(parts, []) for parts in zip(*chunks))
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        pickle.dump(Pictures(np.stack(images), masks, scenes, captions), file, protocol=5)
    partial.replace(path)


def _chunk(sampler: Sampler, seed: int, start: int, count: int):
    rng = np.random.default_rng([seed, start])
    scenes = [sampler(rng) for _ in range(count)]
    drawn = [render(scene) for scene in scenes]
    masks = [(mask * 255).round().astype(np.uint8) for _, mask in drawn]
    return [image for image, _ in drawn], masks, scenes, [caption(scene, rng) for scene in scenes]
