"""The judge: a plain convolutional network that recognises what a picture shows, and where.

Trained on renderings, whose content is known. It uses only convolutions, ReLU, max-pooling, nearest-neighbour
upsampling and linear layers, so that it is easily reimplemented elsewhere from its safetensors file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from world import vocabulary as v

SIDE = 64  # height and width to which pictures are reduced for the judge
#: The labels of pixels, on a grid of half that size.
PIXELS = (*v.NOUNS, "fluff", "blossom", "snow", "background")
#: "red car", "blue tent", ...
COLOURED = tuple(f"{colour} {noun}" for noun in v.COLOURED for colour in v.COLOURS)
HEADS = {
    "things": v.NOUNS,
    "colours": COLOURED,
    "place": tuple(v.PLACES),
    "time": v.TIMES,
    "weather": v.WEATHERS,
    "style": ("plain", *v.STYLES),
    "materials": v.MATERIALS,
}


class Verdict(NamedTuple):
    """Logits, [n, labels]. `things`, `colours` and `materials` are multi-label (sigmoid); the others choose
    one label (softmax). `style` and `materials` are None for a judge of a world without them."""

    things: torch.Tensor
    colours: torch.Tensor
    place: torch.Tensor
    time: torch.Tensor
    weather: torch.Tensor
    pixels: torch.Tensor  # [n, labels, 32, 32]
    style: torch.Tensor | None = None
    materials: torch.Tensor | None = None


class Judge(nn.Module):
    def __init__(self, heads: dict[str, Sequence[str]] = HEADS, pixels: Sequence[str] = PIXELS) -> None:
        super().__init__()

        def conv(n_in: int, n_out: int, size: int = 3) -> nn.Conv2d:
            return nn.Conv2d(n_in, n_out, size, padding=size // 2)

        self.conv1, self.conv2, self.conv3 = conv(3, 24), conv(24, 40), conv(40, 56)
        self.conv4, self.conv5 = conv(56, 96), conv(96, 96)
        self.conv6, self.conv7 = conv(96, 128), conv(128, 128)
        self.from8, self.from16 = conv(128, 40, 1), conv(96, 40, 1)
        self.from64 = nn.Conv2d(24, 40, 2, stride=2)  # the exact position of edges, which max-pooling loses
        self.merge, self.pixels = conv(176, 64), conv(64, len(pixels), 1)
        self.heads = nn.ModuleDict({name: nn.Linear(256, len(labels)) for name, labels in heads.items()})

    def forward(self, picture: torch.Tensor) -> Verdict:
        """`picture` [n, 3, side, side], -1 to 1, of 64 pixels or a multiple."""
        at64 = F.relu(self.conv1(F.avg_pool2d(picture, max(1, picture.shape[-1] // SIDE))))
        at32 = F.relu(self.conv3(F.relu(self.conv2(F.max_pool2d(at64, 2)))))
        at16 = F.relu(self.conv5(F.relu(self.conv4(F.max_pool2d(at32, 2)))))
        at8 = F.relu(self.conv7(F.relu(self.conv6(F.max_pool2d(at16, 2)))))
        whole = torch.cat([at8.amax((2, 3)), at8.mean((2, 3))], 1)
        wide = torch.cat(
            [
                at32,
                self.from64(at64),
                F.interpolate(self.from16(at16), scale_factor=2),
                F.interpolate(self.from8(at8), scale_factor=4),
            ],
            1,
        )
        pixels = self.pixels(F.relu(self.merge(F.relu(wide))))
        return Verdict(**{name: head(whole) for name, head in self.heads.items()}, pixels=pixels)
