"""The emoji world: scenes, their pictures and masks, and captions in plain English."""

from .captions import BACKGROUND, Word, caption, text
from .render import render
from .scene import SIZE, Scene, Thing, is_held_out, random_scene

__all__ = ["BACKGROUND", "SIZE", "Scene", "Thing", "Word", "caption", "is_held_out", "random_scene", "render", "text"]
