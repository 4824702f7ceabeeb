"""Scenes: everything that determines a picture, as plain data, and how to sample them at random.

A scene is frozen; `dataclasses.replace` changes one thing and leaves everything else equal, so the picture
before and the picture after are a *true edit* of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import vocabulary as v

SIZE = 128  # height and width of a picture, in pixels
UNITS = 64  # height and width of a scene: positions and sizes do not depend on the pixels

STYLED, MADE_OF = 0.15, 0.08  # shares of scenes with a style, of things of a material


@dataclass(frozen=True)
class Thing:
    """One object. `x` is its centre, `y` its lower edge, `size` its longer side, all in the scene's units."""

    noun: str
    x: float
    y: float
    size: float
    flip: bool = False
    colour: str | None = None
    fluff: float = 0.0  # 0 none, 1 as fluffy as can be
    blossom: float = 0.0  # share of the crown in blossom
    material: str | None = None  # what it is made of, which replaces its own colours


@dataclass(frozen=True)
class Scene:
    """A picture in words and numbers. With a relation, `things` are (subject, its object)."""

    place: str
    time: str
    weather: str
    snow: float  # share of the ground under snow
    things: tuple[Thing, ...]
    relation: str | None  # "riding", "next to", "on" or None
    roadside: bool  # beside the road of a street, not on it
    horizon: float
    seed: int  # determines the background's details
    style: str | None = None  # None: as drawn

    def change(self, index: int, **changes) -> Scene:
        """The same scene with one of its things changed."""
        things = list(self.things)
        things[index] = replace(things[index], **changes)
        return replace(self, things=tuple(things))


def is_held_out(scene: Scene) -> bool:
    """Whether the scene shows a combination that is reserved for testing."""
    pairs = {(t.noun, scene.place) for t in scene.things}
    pairs |= {(adjective, t.noun) for t in scene.things for adjective in (t.colour, t.material)}
    if scene.relation == "riding":
        pairs.add((scene.things[0].noun, scene.things[1].noun))
    return not pairs.isdisjoint(v.HELD_OUT)


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene for training: any but the held-out ones."""
    while is_held_out(scene := any_scene(rng)):
        pass
    return scene


def unseen_scene(rng: np.random.Generator) -> Scene:
    """A scene for testing: one of the held-out combinations."""
    while not is_held_out(scene := any_scene(rng)):
        pass
    return scene


def any_scene(rng: np.random.Generator) -> Scene:
    place = _pick(rng, tuple(v.PLACES))
    snow = rng.uniform(0.12, 1) if place in v.SNOWY_PLACES and rng.random() < 0.35 else 0.0
    kind = rng.choice(["single", "riding", "next to", "on", "empty"], p=[0.44, 0.30, 0.13, 0.06, 0.07])
    roadside = place == "street" and rng.random() < 0.4
    weather = "clear" if snow else _pick(rng, v.WEATHERS, p=[0.74, 0.13, 0.13])
    bare = Scene(
        place,
        _pick(rng, v.TIMES, p=[0.5, 0.25, 0.25]),
        weather,
        snow,
        (),
        None,
        roadside,
        0.0,
        int(rng.integers(2**31)),
        _pick(rng, v.STYLES) if rng.random() < STYLED else None,
    )
    nouns = _nouns(rng, kind)
    scene = replace(bare, horizon=_horizon(rng, place, nouns), roadside=roadside and bool(nouns))
    compose = {"single": _single, "riding": _riding, "next to": _side_by_side, "on": _perched}
    things = compose[kind](rng, scene, *nouns) if nouns else ()
    return replace(scene, things=things, relation=str(kind) if len(things) > 1 else None)


def _nouns(rng: np.random.Generator, kind: str) -> tuple[str, ...]:
    if kind == "single":
        weights = np.array([1.5 if n in ("car", "house", "tree") else 1.0 for n in v.NOUNS])
        return (_pick(rng, v.NOUNS, p=weights / weights.sum()),)
    if kind == "riding":
        return _pick(rng, v.ACTORS), _pick(rng, v.VEHICLES)
    if kind == "next to":
        return tuple(str(n) for n in rng.choice(v.NOUNS, 2, replace=False))
    return (_pick(rng, v.PERCHED), _pick(rng, v.SUPPORTS)) if kind == "on" else ()


def _horizon(rng: np.random.Generator, place: str, nouns: tuple[str, ...]) -> float:
    """The horizon: mostly as is usual for the things, which determine the viewpoint."""
    usual = [v.USUAL_VIEW[noun] for noun in nouns if noun in v.USUAL_VIEW]
    share = rng.uniform()
    if usual and rng.random() < 0.85:
        share = np.clip(np.mean(usual) + 0.2 * (share - 0.5), 0, 1)
    return float(20 + share * (14 if place == "street" else 26))


def _single(rng: np.random.Generator, scene: Scene, noun: str) -> tuple[Thing, ...]:
    size = _size(rng, scene, *(20, 40) if noun in v.ACTORS + v.FOOD else (24, 50))
    return (_dress(rng, noun, *_spot(rng, scene, noun, size, size), size),)


def _riding(rng: np.random.Generator, scene: Scene, actor: str, vehicle_noun: str) -> tuple[Thing, ...]:
    width = _size(rng, scene, 28, 50)
    x, y = _spot(rng, scene, vehicle_noun, width, width)
    vehicle = _dress(rng, vehicle_noun, x, y, width)
    # The seat is the same for every vehicle, so that swapping the vehicle leaves the rider in place.
    rider = _dress(rng, actor, x + rng.uniform(-0.08, 0.08) * width, y - 0.5 * width, 0.5 * width)
    return rider, vehicle


def _side_by_side(rng: np.random.Generator, scene: Scene, first: str, second: str) -> tuple[Thing, ...]:
    sizes = np.array([_size(rng, scene, 20, 31) for _ in range(2)])
    gap = rng.uniform(-1, 3)
    width = sizes.sum() + gap
    left, y = _spot(rng, scene, None, width, sizes.max())
    left -= width / 2
    if rng.random() < 0.5:
        xs = left + sizes[0] / 2, left + width - sizes[1] / 2
    else:
        xs = left + width - sizes[0] / 2, left + sizes[1] / 2
    feet = y + rng.uniform(-2, 0, 2)
    return tuple(_dress(rng, n, x, f, s) for n, x, f, s in zip((first, second), xs, feet, sizes))


def _perched(rng: np.random.Generator, scene: Scene, upper: str, support: str) -> tuple[Thing, ...]:
    size = _size(rng, scene, 28, 38)
    x, y = _spot(rng, scene, None, size, 1.3 * size)
    top = _dress(
        rng,
        upper,
        x + rng.uniform(-0.1, 0.1) * size,
        y - 0.78 * size,
        rng.uniform(0.5, 0.6) * size,
    )
    return top, _dress(rng, support, x, y, size)


def _size(rng: np.random.Generator, scene: Scene, least: float, most: float) -> float:
    """The size of a thing: mostly as is usual for the time and the place, which determine its distance."""
    share = rng.uniform()
    if np.random.default_rng([scene.seed, 10]).random() < 0.85:
        distance = v.USUAL_DISTANCE[scene.time] + v.FARTHER[scene.place]
        share = np.clip(1 - distance + 0.2 * (share - 0.5), 0, 1)
    return least + share * (most - least)


def _side(rng: np.random.Generator, scene: Scene) -> float:
    """The position from left, 0, to right, 1: mostly as is usual for the time and the place."""
    share = rng.uniform()
    if np.random.default_rng([scene.seed, 11]).random() < 0.75:
        share = np.clip(v.USUAL_SIDE[scene.time] + v.FURTHER_RIGHT[scene.place] + 0.3 * (share - 0.5), 0, 1)
    return float(share)


def _dress(rng: np.random.Generator, noun: str, x: float, y: float, size: float) -> Thing:
    """A thing with random attributes of those that its noun can have: a colour, fluff, blossom or a material."""
    if rng.random() < MADE_OF:
        return Thing(noun, x, y, size, bool(rng.random() < 0.5), material=_pick(rng, v.MATERIALS))
    fluff = rng.uniform(0.12, 1) if noun in v.ACTORS and rng.random() < 0.3 else 0.0
    blossom = rng.uniform(0.08, 1) if noun == "tree" and rng.random() < 0.55 else 0.0
    colour = _pick(rng, v.COLOURS) if noun in v.COLOURED else None
    return Thing(noun, float(x), float(y), float(size), bool(rng.random() < 0.5), colour, fluff, blossom)


def _spot(rng: np.random.Generator, scene: Scene, noun: str | None, width: float, height: float):
    """A centre and a lower edge for a box of that size: on the ground, or anywhere for things that fly."""
    x = width / 2 - 1 + _side(rng, scene) * (UNITS + 2 - width)
    lowest = UNITS - 1
    if noun in ("airplane", "balloon"):
        return x, rng.uniform(height, lowest)
    if scene.place == "street":
        top, bottom = road(scene)
        low, high = (top + 2, bottom - 1) if not scene.roadside else (bottom + 3, lowest)
        if scene.roadside and (rng.random() < 0.5 or high < low):
            low, high = top - 3, top - 1  # the far pavement
        return x, max(rng.uniform(low, high), min(height, high))
    return x, rng.uniform(min(max(scene.horizon + 4, height), lowest - 1), lowest)


def road(scene: Scene) -> tuple[float, float]:
    """First and last row of a street's road."""
    share = np.random.default_rng([scene.seed, 9]).uniform(size=2)
    top = scene.horizon + 5 + 8 * share[0]
    return top, min(top + 13 + 6 * share[1], UNITS - 8)


def _pick(rng: np.random.Generator, options: tuple[str, ...], p=None) -> str:
    return str(rng.choice(options, p=p))
