"""The judge: a plain convolutional network that says what a picture shows, and where.

Trained on renderings, whose truth is known. Convolutions, ReLU, max-pooling, nearest-neighbour upsampling
and linear layers only, so that it is quickly built again elsewhere from its safetensors file.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from world import vocabulary as v

#: What a pixel can be, at half the picture's size.
PIXELS = (*v.NOUNS, "fluff", "blossom", "snow", "background")
#: "red car", "blue tent", ...
COLOURED = tuple(f"{colour} {noun}" for noun in v.COLOURED for colour in v.COLOURS)
HEADS = {
    "things": v.NOUNS,
    "colours": COLOURED,
    "place": tuple(v.PLACES),
    "time": v.TIMES,
    "weather": v.WEATHERS,
}


class Verdict(NamedTuple):
    """Logits. `things` and `colours` are yes or no each (sigmoid); of the others one holds (softmax)."""

    things: torch.Tensor  # [n, 20]
    colours: torch.Tensor  # [n, 20]
    place: torch.Tensor  # [n, 6]
    time: torch.Tensor  # [n, 3]
    weather: torch.Tensor  # [n, 3]
    pixels: torch.Tensor  # [n, 24, 32, 32]


class Judge(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def conv(n_in: int, n_out: int, size: int = 3) -> nn.Conv2d:
            return nn.Conv2d(n_in, n_out, size, padding=size // 2)

        self.conv1, self.conv2, self.conv3 = conv(3, 24), conv(24, 40), conv(40, 56)
        self.conv4, self.conv5 = conv(56, 96), conv(96, 96)
        self.conv6, self.conv7 = conv(96, 128), conv(128, 128)
        self.from8, self.from16 = conv(128, 40, 1), conv(96, 40, 1)
        self.from64 = nn.Conv2d(24, 40, 2, stride=2)  # where an edge is, which max-pooling forgets
        self.merge, self.pixels = conv(176, 64), conv(64, len(PIXELS), 1)
        self.heads = nn.ModuleDict({name: nn.Linear(256, len(labels)) for name, labels in HEADS.items()})

    def forward(self, picture: torch.Tensor) -> Verdict:
        """`picture` [n, 3, 64, 64], -1 to 1."""
        at64 = F.relu(self.conv1(picture))
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
        return Verdict(*[self.heads[name](whole) for name in HEADS], pixels)
