"""Plain English captions for a scene, with what each word refers to in the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import vocabulary as v
from .scene import Scene, Thing

BACKGROUND = -1  # the owner of the words of a place


class Word(NamedTuple):
    text: str
    owner: int | None = None  # index of a thing, BACKGROUND, or None for words that refer to nothing visible


def text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


def caption(scene: Scene, rng: np.random.Generator) -> list[Word]:
    """One of many ways to describe the scene; it may omit things, but says nothing wrong."""
    place = _place(scene, rng) if not scene.things or rng.random() < 0.85 else []
    trailing = _time(scene, rng) + _weather(scene, rng, place)
    if scene.style:
        subject = _subject(scene, rng) if scene.things else place[1:]
        words = _words(v.STYLE_PHRASES[scene.style]) + subject + (place if scene.things else []) + trailing
    elif not scene.things:
        words = place[1:] + trailing  # "a snowy mountain at night"
    elif rng.random() < 0.12 and place:
        words = place + _subject(scene, rng) + trailing
    elif rng.random() < 0.1 and trailing:
        words = trailing + _subject(scene, rng) + place
    else:
        words = _subject(scene, rng) + place + trailing
    if not scene.style and rng.random() < 0.08 and words[0].text in ("a", "an", "the"):
        words = [Word("a"), Word(_any(rng, "photo", "picture")), Word("of"), *words]
    return words[:30]


def _subject(scene: Scene, rng: np.random.Generator) -> list[Word]:
    first = _noun_phrase(scene.things[0], 0, rng)
    if len(scene.things) == 1:
        return first + (_words("is") if rng.random() < 0.04 else [])
    link = {
        "riding": _verb(scene.things[1].noun, rng),
        "next to": _any(rng, "next to", "next to", "beside"),
        "on": "on",
    }[scene.relation]
    is_ = "is " if rng.random() < 0.12 else ""
    return first + _words(is_ + link) + _noun_phrase(scene.things[1], 1, rng)


def _verb(vehicle: str, rng: np.random.Generator) -> str:
    special = {"car": "driving", "airplane": "flying"}.get(vehicle, "riding")
    return _any(rng, "riding", "riding", special, special, "on")


def _noun_phrase(thing: Thing, owner: int, rng: np.random.Generator) -> list[Word]:
    adjectives = [a for a, there in (("fluffy", thing.fluff), ("blossom", thing.blossom)) if there]
    if thing.material:
        adjectives.append(thing.material)
    if thing.colour and rng.random() < 0.7:
        adjectives.insert(0, thing.colour)
    return _with_article([*adjectives, thing.noun], owner, rng)


def _place(scene: Scene, rng: np.random.Generator) -> list[Word]:
    adjectives = ["snowy"] if scene.snow else []
    if scene.weather != "clear" and rng.random() < 0.3:
        adjectives.append({"rain": "rainy", "fog": "foggy"}[scene.weather])
    before = v.PLACES[scene.place]
    if scene.roadside:
        before = _any(rng, "on the side of", "on the side of", "by the side of")
    return _words(before) + _with_article([*adjectives, scene.place], BACKGROUND, rng)


def _time(scene: Scene, rng: np.random.Generator) -> list[Word]:
    if scene.time == "day":
        return _words(_any(rng, "by day", "during the day")) if rng.random() < 0.25 else []
    return _words(f"at {scene.time}") if rng.random() < 0.93 else []


def _weather(scene: Scene, rng: np.random.Generator, place: list[Word]) -> list[Word]:
    said = any(word.text in ("rainy", "foggy") for word in place)
    return _words(f"in the {scene.weather}") if scene.weather != "clear" and not said else []


def _with_article(words: list[str], owner: int, rng: np.random.Generator) -> list[Word]:
    article = "an" if words[0][0] in "aeiou" else "a"
    article = _any(rng, *[article] * 8, "the", "")
    return [Word(article)] * bool(article) + [Word(word, owner) for word in words]


def _words(phrase: str) -> list[Word]:
    return [Word(word) for word in phrase.split()]


def _any(rng: np.random.Generator, *options: str) -> str:
    return options[rng.integers(len(options))]
