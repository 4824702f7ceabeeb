"""The emoji world: scenes, their pictures and masks, and plain English captions."""

from .captions import BACKGROUND, Word, caption, text
from .render import render
from .scene import SIZE, Scene, Thing, any_scene, is_held_out, random_scene, unseen_scene

__all__ = [
    "BACKGROUND",
    "SIZE",
    "Scene",
    "Thing",
    "Word",
    "any_scene",
    "caption",
    "is_held_out",
    "random_scene",
    "render",
    "text",
    "unseen_scene",
]
