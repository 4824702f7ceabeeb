"""The data for `npm run evaluate`, made once: prompts, their contents and pictures in ../evaluate/held_out.*

Also rendered true edits in ../evaluate/true_edits.png, to see how the judge measures correct edits; pictures
to invert, each beside its true edit, in ../evaluate/pictures.*; and other prompts in ../evaluate/tuning.json
for choosing settings, so that settings are not measured on the prompts they were chosen on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

import edits
from world import Scene, Word, caption, is_held_out, random_scene, render, text, unseen_scene
from world import vocabulary as v

OUT = Path(__file__).parent.parent / "evaluate"
TARGETS = 3  # swaps per source
#: The first seeds of the prompts for measuring and of those for tuning.
MEASURED, TUNED = 900, 500
COUNTS = {"new captions": 240, "never seen": 128, "swaps": 70, "added": 30, "weighted": 40, "pictures": 64}
COLUMNS = 8  # in held_out.png
TRUE_ROWS, TRUE_COLUMNS = 8, 10  # rows per kind of edit in true_edits.png, tiles per row
PAIRS = 8  # pairs of a picture and its true edit in each row of pictures.png, one row per kind of edit

ADDED = {
    "place": edits.added_places,
    "time": edits.added_times,
    "colour": edits.added_colours,
    "style": edits.added_styles,
    "material": edits.added_materials,
}

Captioned = tuple[Scene, list[Word]]


def captions(
    seed: int, sampler: Callable[[np.random.Generator], Scene] = random_scene
) -> Iterator[Captioned]:
    """Endless scenes with captions, from seeds that training does not use."""
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
    """Captions, each with everything that it explicitly asks for."""
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
    """Those whose captions name a combination that no training picture shows."""
    return (pair for pair in pairs if is_held_out(as_said(*pair)))


def swaps(seed: int) -> Iterator[dict]:
    """Prompts, each with one of its nouns swapped for each of three that fit there."""
    rng = np.random.default_rng(seed)
    for scene, words in captions(seed):
        things = edits.swappable(scene, words)
        if not things:
            continue
        index = int(rng.choice(things))
        found = list(edits.swaps_of(scene, words, index))
        if len(found) >= TARGETS:
            chosen = [found[i] for i in rng.permutation(len(found))[:TARGETS]]
            old, new = scene.things[index].noun, [edit.scene.things[index].noun for edit in chosen]
            targets = [{"text": text(edit.words), "swap": [old, noun]} for edit, noun in zip(chosen, new)]
            yield {"source": text(words), "targets": targets}


def added(kind: str, seed: int) -> Iterator[dict]:
    """Prompts without a place, a time and so on, each with one of two added."""
    rng = np.random.default_rng(seed)
    add = ADDED[kind]
    for scene, words in captions(seed):
        if not scene.things or scene.weather != "clear" or scene.roadside:
            continue
        if kind in ("time", "style") and scene.place not in {word.text for word in words}:
            continue
        found = list(add(scene, words))
        if len(found) >= 2:
            chosen = [found[i] for i in rng.permutation(len(found))[:2]]
            targets = [{"text": text(edit.words), "asked": asked(kind, edit)} for edit in chosen]
            yield {"source": text(words), "targets": targets}


def asked(kind: str, edit: edits.Edit) -> str:
    """What the edit adds, as the judge names it: the last new word, with its noun if it is a colour or a
    material."""
    if kind == "style":
        return edit.scene.style
    at = max(i for i, source in enumerate(edit.sources) if source is None)
    return " ".join(word.text for word in edit.words[at : at + (2 if kind in ("colour", "material") else 1)])


def weighted(word: str, seed: int) -> Iterator[str]:
    """Prompts with a graded word."""
    for _, words in captions(seed):
        if any(word == each.text for each in words):
            yield text(words)


def true_edits(seed: int) -> Iterator[Scene]:
    """Scenes, each followed by its edit with a place, a time or a style added; then scenes in five amounts of
    something graded."""
    tiles = TRUE_ROWS * TRUE_COLUMNS
    for i, add in enumerate((edits.added_places, edits.added_times, edits.added_styles)):
        yield from islice(_with_edit(add, seed + i), tiles)
    for i, word in enumerate(v.GRADED):
        yield from islice(_in_all_amounts(word, seed + 3 + i), tiles)


def _with_edit(add: Callable[[Scene, list[Word]], Iterator[edits.Edit]], seed: int) -> Iterator[Scene]:
    rng = np.random.default_rng(seed)
    for scene, words in captions(seed):
        found = list(add(scene, words)) if scene.things else []
        if found:
            yield from (scene, found[rng.integers(len(found))].scene)


def _in_all_amounts(word: str, seed: int) -> Iterator[Scene]:
    for scene, words in captions(seed):
        graded = [each for each in words if each.text == word][:1]
        yield from (edit.scene for edit in edits.other_amounts(scene, graded))


Pair = tuple[dict, Scene, Scene]


def pictures(seed: int) -> list[Pair]:
    """Equally many pairs of each kind: their description, and the scenes before and after."""
    added_kinds = [added_to(kind, seed + 1 + i) for i, kind in enumerate(("place", "time", "colour"))]
    return [pair for kind in (swapped(seed), *added_kinds, bared(seed + 4)) for pair in islice(kind, PAIRS)]


def swapped(seed: int) -> Iterator[Pair]:
    """Pictures, each with a noun swapped for another."""
    rng = np.random.default_rng(seed)
    for scene, words in captions(seed):
        if found := list(edits.swaps(scene, words)):
            edit = found[rng.integers(len(found))]
            [noun] = [new.noun for old, new in zip(scene.things, edit.scene.things) if old.noun != new.noun]
            yield said_of("swap", words, edit.words, noun), scene, edit.scene


def added_to(kind: str, seed: int) -> Iterator[Pair]:
    """Pictures, each with a place, a time or a colour added that its caption does not mention."""
    rng = np.random.default_rng(seed)
    for scene, words in captions(seed):
        found = [edit for edit in ADDED[kind](scene, words) if edit.scene != scene] if scene.things else []
        if found:
            edit = found[rng.integers(len(found))]
            yield said_of(kind, words, edit.words, asked(kind, edit)), scene, edit.scene


def bared(seed: int) -> Iterator[Pair]:
    """Pictures with the largest amount of something graded, and with none of it."""
    for scene, words in captions(seed):
        graded = [word for word in words if word.text in v.GRADED]
        if len(graded) == 1:
            none, *_, most = edits.other_amounts(scene, graded)
            yield said_of("amount", words, words, graded[0].text), most.scene, none.scene


def said_of(kind: str, before: list[Word], after: list[Word], what: str) -> dict:
    return {"kind": kind, "source": text(before), "target": text(after), "asked": what}


def prompt_set(seed: int) -> dict:
    def first(items: Iterator, kind: str) -> list:
        return list(islice(items, COUNTS[kind]))

    return {
        "vocabulary": {
            "nouns": v.NOUNS,
            "coloured": [f"{colour} {noun}" for noun in v.COLOURED for colour in v.COLOURS],
            "places": list(v.PLACES),
            "times": v.TIMES,
            "weathers": v.WEATHERS,
            "styles": v.STYLES,
            "materials": v.MATERIALS,
            "neverSeen": sorted(v.HELD_OUT),
        },
        "newCaptions": first(prompts(captions(seed + 1)), "new captions"),
        "neverSeen": first(prompts(never_seen(captions(seed + 2, unseen_scene))), "never seen"),
        "swaps": first(swaps(seed + 3), "swaps"),
        "added": {kind: first(added(kind, seed + 30 + i), "added") for i, kind in enumerate(ADDED)},
        "weighted": {
            word: first(weighted(word, seed + 7 + i), "weighted") for i, word in enumerate(v.GRADED)
        },
    }


def said(prompt: dict | str) -> str:
    """A prompt's text, or its source's."""
    return prompt if isinstance(prompt, str) else prompt.get("source", prompt.get("text"))


def texts(prompts_: dict | list) -> set[str]:
    """The texts of all prompts of all kinds."""
    if isinstance(prompts_, list):
        return set(map(said, prompts_))
    return set().union(*(texts(kind) for name, kind in prompts_.items() if name != "vocabulary"))


def apart(prompts_: dict | list, known: set[str]) -> dict | list:
    """The prompts whose text, or source's text, is not in `known`."""
    if isinstance(prompts_, dict):
        return {name: kind if name == "vocabulary" else apart(kind, known) for name, kind in prompts_.items()}
    return [prompt for prompt in prompts_ if said(prompt) not in known]


def sheet(scenes: Iterator[Scene], columns: int) -> Image.Image:
    """The scenes' pictures, row by row, without gaps."""
    pictures = [render(scene)[0] for scene in scenes]
    rows = [np.concatenate(pictures[i : i + columns], axis=1) for i in range(0, len(pictures), columns)]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    measured, tuned = prompt_set(MEASURED), prompt_set(TUNED)
    for name, prompts_ in (("held_out", measured), ("tuning", apart(tuned, texts(measured)))):
        (OUT / f"{name}.json").write_text(json.dumps(prompts_, indent=1) + "\n")
    alone = islice(captions(MEASURED + 10), COUNTS["pictures"])
    sheet((scene for scene, _ in alone), COLUMNS).save(OUT / "held_out.png", optimize=True)
    sheet(true_edits(MEASURED + 20), TRUE_COLUMNS).save(OUT / "true_edits.png", optimize=True)
    pairs = pictures(MEASURED + 40)
    (OUT / "pictures.json").write_text(json.dumps([words for words, *_ in pairs], indent=1) + "\n")
    both = (scene for _, before, after in pairs for scene in (before, after))
    sheet(both, 2 * PAIRS).save(OUT / "pictures.png", optimize=True)


if __name__ == "__main__":
    main()
