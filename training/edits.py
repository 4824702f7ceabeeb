"""True edits: a scene and its caption with one change, and which words the two captions share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from world import BACKGROUND, Scene, Word, is_held_out
from world import vocabulary as v

Words = list[Word]

#: Amounts of snow, blossom and fluff, in edits that change them.
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Edit(NamedTuple):
    scene: Scene
    words: Words
    #: For each word, the index of the source's word that it corresponds to; None for added words.
    sources: list[int | None]


def random_edit(scene: Scene, words: Words, rng: np.random.Generator) -> Edit | None:
    """One of the edits that the scene allows, mostly swaps and other amounts; None if it allows none."""
    kinds = [list(kind(scene, words)) for kind in KINDS]
    chances = np.array([*KINDS.values()], float) * [bool(kind) for kind in kinds]
    if not chances.any():
        return None
    chosen = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
    return chosen[rng.integers(len(chosen))]


def swaps(scene: Scene, words: Words) -> Iterator[Edit]:
    """One noun swapped for another, for every thing that allows it."""
    for index in swappable(scene, words):
        yield from swaps_of(scene, words, index)


def swappable(scene: Scene, words: Words) -> list[int]:
    """The things whose nouns can be swapped: without adjectives, in captions without a verb that fits only
    one vehicle."""
    if {word.text for word in words} & {"driving", "flying"}:
        return []
    return [i for i in range(len(scene.things)) if sum(word.owner == i for word in words) == 1]


def swaps_of(scene: Scene, words: Words, index: int) -> Iterator[Edit]:
    """A thing's noun swapped for each other that fits there."""
    thing, said = scene.things[index], {word.text for word in words}
    for noun in (n for group in v.INTERCHANGEABLE if thing.noun in group for n in group if n not in said):
        colour = None if noun not in v.COLOURED else thing.colour or v.COLOURS[scene.seed % len(v.COLOURS)]
        yield from _unless_held_out(
            scene.change(index, noun=noun, colour=colour, fluff=0.0, blossom=0.0, material=None),
            renamed(words, index, noun),
            list(range(len(words))),
        )


def renamed(words: Words, owner: int, noun: str) -> Words:
    """The caption with another noun, and articles that fit it."""
    words = [Word(noun, owner) if word.owner == owner else word for word in words]
    followers = [*words[1:], Word("")]
    article = {True: Word("an"), False: Word("a")}
    return [
        article[next_.text[0] in "aeiou"] if word.text in ("a", "an") else word
        for word, next_ in zip(words, followers)
    ]


def swapped_adjectives(scene: Scene, words: Words) -> Iterator[Edit]:
    """A colour or a material swapped for another."""
    for index, thing in enumerate(scene.things):
        for part, others in (("colour", v.COLOURS), ("material", v.MATERIALS)):
            old = Word(str(getattr(thing, part)), index)
            for other in others if old in words else ():
                if other != old.text:
                    edited = [Word(other, index) if word == old else word for word in words]
                    changed = scene.change(index, **{part: other})
                    yield from _unless_held_out(changed, edited, list(range(len(words))))


def added_places(scene: Scene, words: Words) -> Iterator[Edit]:
    """A place added, by day, if the caption has none."""
    said = {word.text for word in words} & {*v.PLACES, "day"}
    if said or scene.time != "day" or scene.weather != "clear" or scene.roadside:
        return
    for place, before in v.PLACES.items():
        phrase = [Word(before), Word("a"), Word(place, BACKGROUND)]
        yield from _appended(replace(scene, place=place, snow=0.0), words, phrase)


def added_times(scene: Scene, words: Words) -> Iterator[Edit]:
    """A time of day added, if it is day and the caption does not say so."""
    if scene.time == "day" and "day" not in {word.text for word in words} and scene.weather == "clear":
        for time in ("sunset", "night"):
            yield from _appended(replace(scene, time=time), words, [Word("at"), Word(time)])


def added_colours(scene: Scene, words: Words) -> Iterator[Edit]:
    """A colour added before a noun that can have one and has none in the caption."""
    for index, thing in enumerate(scene.things):
        at = words.index(Word(thing.noun, index))
        if not thing.colour or words[at - 1].owner == index:
            continue
        for colour in v.COLOURS:
            edited = [*words[:at], Word(colour, index), *words[at:]]
            sources = [*range(at), None, *range(at, len(words))]
            yield from _unless_held_out(scene.change(index, colour=colour), edited, sources)


def added_styles(scene: Scene, words: Words) -> Iterator[Edit]:
    """A style added before a caption that begins with an article."""
    if (
        scene.style
        or not scene.things
        or words[0].text not in ("a", "an", "the")
        or words[2:3] == [Word("of")]
    ):
        return
    for style, phrase in v.STYLE_PHRASES.items():
        added = [Word(word) for word in phrase.split()]
        sources = [*[None] * len(added), *range(len(words))]
        yield from _unless_held_out(replace(scene, style=style), added + words, sources)


def added_materials(scene: Scene, words: Words) -> Iterator[Edit]:
    """A material added before a noun without adjectives, after an article that fits both."""
    for index in swappable(scene, words):
        at = words.index(Word(scene.things[index].noun, index))
        if at == 0 or words[at - 1].text not in ("a", "the"):
            continue
        for material in v.MATERIALS:
            edited = [*words[:at], Word(material, index), *words[at:]]
            sources = [*range(at), None, *range(at, len(words))]
            changed = scene.change(index, material=material, colour=None, fluff=0.0, blossom=0.0)
            yield from _unless_held_out(changed, edited, sources)


def other_amounts(scene: Scene, words: Words) -> Iterator[Edit]:
    """More or less, down to none, of what a graded word names. The words stay the same."""
    for word in words:
        if word.text not in v.GRADED:
            continue
        for amount in AMOUNTS:
            if word.owner == BACKGROUND:
                changed = replace(scene, snow=amount)
            else:
                changed = scene.change(
                    word.owner, **{"fluff" if word.text == "fluffy" else "blossom": amount}
                )
            yield Edit(changed, words, list(range(len(words))))


#: Every kind of edit, and how often it is chosen where a scene allows it.
KINDS = {
    swaps: 3,
    other_amounts: 3,
    added_places: 2,
    added_times: 2,
    added_colours: 2,
    added_styles: 2,
    added_materials: 1,
    swapped_adjectives: 2,
}


def _appended(scene: Scene, words: Words, phrase: Words) -> Iterator[Edit]:
    yield from _unless_held_out(scene, words + phrase, [*range(len(words)), *[None] * len(phrase)])


def _unless_held_out(scene: Scene, words: Words, sources: list[int | None]) -> Iterator[Edit]:
    if not is_held_out(scene):
        yield Edit(scene, words, sources)
