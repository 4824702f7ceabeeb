"""The autoencoder at twice the size, initialised from one trained at half the size.

The grown one has one more level on the outside: its encoder begins by halving the picture, its decoder ends
by doubling it, and everything between is the small one's. So at first it has (nearly) the small one's latents
of the halved picture, and a UNet trained on those is a starting point for one on the grown one's latents.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

from networks import build_vae


def halved(pixels: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(pixels, 2)


@torch.no_grad()
def grown(small: AutoencoderKL) -> AutoencoderKL:
    """An autoencoder of full-sized pictures that does roughly what `small` does with halved ones."""
    vae = build_vae()
    vae.load_state_dict(
        {_grown_name(name): value for name, value in small.state_dict().items()}, strict=False
    )
    _halve_first(vae.encoder, small.encoder.conv_in)
    _double_last(vae.decoder)
    return vae


def _grown_name(name: str) -> str:
    """The name of a small one's parameter in the grown one: the encoder's levels are one further in."""
    if name.startswith("encoder.conv_in"):
        return f"replaced.{name}"
    if name.startswith("encoder.down_blocks."):
        _, _, level, rest = name.split(".", 3)
        return f"encoder.down_blocks.{int(level) + 1}.{rest}"
    return name


def _halve_first(encoder: nn.Module, conv_in: nn.Conv2d) -> None:
    """Make the first convolution average 2x2 pixels, and the downsampler apply the small one's first
    convolution to them.

    A downsampler sees its own pixel and the two after it, so of the block before its own only the adjacent
    pixel is accessible, through the first convolution; it stands for the whole block.
    """
    block, before = torch.tensor([0, 0.5, 0.5]), torch.tensor([1.0, 0, 0])
    # offset -> the kernel that reads it, and its position
    taps = {-1: (before, 0), 0: (block, 0), 1: (block, 2)}
    first, halving = encoder.conv_in, encoder.down_blocks[0].downsamplers[0].conv
    for parameter in (first.bias, halving.weight, halving.bias):
        parameter.zero_()
    halving.bias.copy_(conv_in.bias)
    for i, rows in enumerate((block, before)):
        for j, columns in enumerate((block, before)):
            for colour in range(3):
                channel = 3 * (2 * i + j) + colour
                first.weight[channel] = 0
                first.weight[channel, colour] = rows[:, None] * columns
    for dy, (rows, y) in taps.items():
        for dx, (columns, x) in taps.items():
            start = 3 * (2 * (rows is before) + (columns is before))
            halving.weight[:, start : start + 3, y, x] += conv_in.weight[:, :, dy + 1, dx + 1]
    _silence(encoder.down_blocks[0])


def _double_last(decoder: nn.Module) -> None:
    """Double the former last level's output unchanged; the new last level adds nothing at first."""
    doubling = decoder.up_blocks[-2].upsamplers[0].conv
    nn.init.dirac_(doubling.weight)
    nn.init.zeros_(doubling.bias)
    _silence(decoder.up_blocks[-1])


def _silence(level: nn.Module) -> None:
    for resnet in level.resnets:
        nn.init.zeros_(resnet.conv2.weight)
        nn.init.zeros_(resnet.conv2.bias)
