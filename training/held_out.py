"""The prompts, their truths and the pictures that `npm run evaluate` measures the model by, drawn once: ../evaluate/held_out.*"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from world import Scene, Word, caption, is_held_out, random_scene, render, text, unseen_scene
from world import vocabulary as v

OUT = Path(__file__).parent.parent / "evaluate"
#: Nouns that may stand for one another, whatever else is in the picture.
SWAPS = (v.ACTORS, v.VEHICLES, v.BUILDINGS + v.PLANTS, v.FOOD)
TARGETS = 3  # swaps of one source
COUNTS = {"new captions": 160, "never seen": 128, "swaps": 70, "added": 30, "weighted": 40, "pictures": 64}

Captioned = tuple[Scene, list[Word]]


def captions(seed: int, sampler: Callable[[np.random.Generator], Scene] = random_scene) -> Iterator[Captioned]:
    """Scenes without end, of seeds that no training has, each with a caption."""
    rng = np.random.default_rng([seed, 2026])
    while True:
        scene = sampler(rng)
        yield scene, caption(scene, rng)


def as_said(scene: Scene, words: list[Word]) -> Scene:
    """The scene without the place, the time and the colours that its caption leaves unsaid."""
    said = {word.text for word in words}
    colours = [t.colour if Word(str(t.colour), i) in words else None for i, t in enumerate(scene.things)]
    return replace(
        scene,
        place=scene.place if scene.place in said else "",
        time=scene.time if scene.time in said else "",
        things=tuple(replace(thing, colour=colour) for thing, colour in zip(scene.things, colours)),
    )


def prompts(pairs: Iterator[Captioned]) -> Iterator[dict]:
    """Captions, each with all that it asks for, and with nothing that it leaves unsaid."""
    for scene, words in pairs:
        said = as_said(scene, words)
        yield {
            "text": text(words),
            "things": [thing.noun for thing in said.things],
            "colours": [f"{thing.colour} {thing.noun}" for thing in said.things if thing.colour],
            "place": said.place,
            "time": said.time,
        }


def never_seen(pairs: Iterator[Captioned]) -> Iterator[Captioned]:
    """Those whose captions say what no training picture shows."""
    return (pair for pair in pairs if is_held_out(as_said(*pair)))


def swaps(seed: int) -> Iterator[dict]:
    """A prompt, and the same with one of its nouns swapped for each of three others that might stand there."""
    rng = np.random.default_rng(seed)
    for scene, words in captions(seed):
        said = {word.text for word in words}
        plain = [i for i in range(len(scene.things)) if sum(word.owner == i for word in words) == 1]
        if not plain or said & {"driving", "flying"}:  # a noun with adjectives, or a verb for one vehicle only
            continue
        index = int(rng.choice(plain))
        old = scene.things[index].noun
        others = [noun for group in SWAPS if old in group for noun in group if noun not in said]
        edits = [(noun, scene.change(index, noun=noun)) for noun in rng.permutation(others).tolist()]
        edits = [(noun, edit) for noun, edit in edits if not is_held_out(edit)][:TARGETS]
        if len(edits) < TARGETS:
            continue
        yield {
            "source": text(words),
            "targets": [{"text": text(renamed(words, index, noun)), "swap": [old, noun]} for noun, _ in edits],
        }


def renamed(words: list[Word], owner: int, noun: str) -> list[Word]:
    """The caption with another noun, and the article that goes with it."""
    words = [Word(noun, owner) if word.owner == owner else word for word in words]
    followers = [*words[1:], Word("")]
    article = {True: Word("an"), False: Word("a")}
    return [
        article[next_.text[0] in "aeiou"] if word.text in ("a", "an") else word
        for word, next_ in zip(words, followers)
    ]


def added(kind: str, seed: int) -> Iterator[dict]:
    """A prompt without a place, a time or a colour, and the same with each of two added."""
    rng = np.random.default_rng(seed)
    for scene, words in captions(seed):
        said = {word.text for word in words}
        if not scene.things or scene.weather != "clear" or scene.roadside:
            continue
        extend = {"place": add_place, "time": add_time, "colour": add_colour}[kind]
        edits = list(extend(scene, words, said, rng))
        if len(edits) >= 2:
            yield {"source": text(words), "targets": edits[:2]}


def add_place(scene: Scene, words: list[Word], said: set[str], rng: np.random.Generator) -> Iterator[dict]:
    if said & set(v.PLACES) or scene.time != "day" or scene.time in said:
        return
    for place in rng.permutation(list(v.PLACES)).tolist():
        if not is_held_out(replace(scene, place=place)):
            yield {"text": f"{text(words)} {v.PLACES[place]} a {place}", "asked": place}


def add_time(scene: Scene, words: list[Word], said: set[str], _rng: np.random.Generator) -> Iterator[dict]:
    if scene.time == "day" and "day" not in said and scene.place in said:
        for time in ("sunset", "night"):
            yield {"text": f"{text(words)} at {time}", "asked": time}


def add_colour(scene: Scene, words: list[Word], said: set[str], rng: np.random.Generator) -> Iterator[dict]:
    bare = [i for i, thing in enumerate(scene.things) if thing.colour and thing.colour not in said]
    if not bare:
        return
    noun = scene.things[bare[0]].noun
    for colour in rng.permutation(v.COLOURS).tolist():
        if not is_held_out(scene.change(bare[0], colour=colour)):
            coloured = f"{colour} {noun}"
            yield {
                "text": " ".join(coloured if word.text == noun else word.text for word in words),
                "asked": coloured,
            }


def weighted(word: str, seed: int) -> Iterator[str]:
    """Prompts with a graded word."""
    for _, words in captions(seed):
        if any(word == each.text for each in words):
            yield text(words)


def held_out() -> dict:
    return {
        "vocabulary": {
            "nouns": v.NOUNS,
            "coloured": [f"{colour} {noun}" for noun in v.COLOURED for colour in v.COLOURS],
            "places": list(v.PLACES),
            "times": v.TIMES,
            "weathers": v.WEATHERS,
            "neverSeen": sorted(v.HELD_OUT),
        },
        "newCaptions": list(islice(prompts(captions(201)), COUNTS["new captions"])),
        "neverSeen": list(islice(prompts(never_seen(captions(202, unseen_scene))), COUNTS["never seen"])),
        "swaps": list(islice(swaps(203), COUNTS["swaps"])),
        "added": {
            kind: list(islice(added(kind, 204 + i), COUNTS["added"]))
            for i, kind in enumerate(("place", "time", "colour"))
        },
        "weighted": {
            word: list(islice(weighted(word, 207 + i), COUNTS["weighted"])) for i, word in enumerate(v.GRADED)
        },
    }


def main() -> None:
    lines = json.dumps(held_out(), indent=1)
    (OUT / "held_out.json").write_text(lines + "\n")
    pictures = [render(scene)[0] for scene, _ in islice(captions(210), COUNTS["pictures"])]
    rows = [np.concatenate(pictures[start : start + 8], axis=1) for start in range(0, len(pictures), 8)]
    Image.fromarray(np.concatenate(rows)).save(OUT / "held_out.png", optimize=True)


if __name__ == "__main__":
    main()
