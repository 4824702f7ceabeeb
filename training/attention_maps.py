"""Teach the words where to look, and what it means to be looked at more.

Every word of a caption knows what it speaks of, and every thing has a mask, so the cross-attention
maps can be asked to lie where they should: a small extra loss, next to that of the denoising. Large
models learn it unaided from millions of pictures; a small one on two cores does not have the hours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention


class RecordingProcessor:
    """Plain attention that keeps its probabilities, [rows, heads, queries, tokens], for the loss.

    `weights` [rows, tokens] multiply the probabilities of each token, as Prompt-to-Prompt's re-weighting does.
    """

    probabilities: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask=None,
        **_,
    ) -> torch.Tensor:
        def heads(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        query = heads(attn.to_q(hidden_states))
        key, value = heads(attn.to_k(encoder_hidden_states)), heads(attn.to_v(encoder_hidden_states))
        self.probabilities = (query @ key.transpose(-1, -2) * attn.scale).softmax(-1)
        weighted = self.probabilities
        if self.weights is not None:
            weighted = weighted * self.weights[:, None, None].to(weighted.dtype)
        output = (weighted @ value).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](output))


def record_cross_attention(unet: UNet2DConditionModel) -> list[RecordingProcessor]:
    """Put a recorder in every cross-attention layer, and return them."""
    recorders = []
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            recorders.append(RecordingProcessor())
            module.set_processor(recorders[-1])
    return recorders


def maps(recorder: RecordingProcessor) -> torch.Tensor:
    """A layer's maps, the mean of its heads, [rows, tokens, side, side]."""
    mean = recorder.probabilities.float().mean(1).transpose(1, 2)
    side = round(mean.shape[-1] ** 0.5)
    return mean.unflatten(-1, (side, side))


def pointing_loss(
    recorders: list[RecordingProcessor], masks: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """How much of each word's map lies outside the mask of what it speaks of.

    `masks` [rows, tokens, 16, 16], 0 or 1, all 0 for words that speak of nothing; `weight` [rows].
    The mean over the words of -log(share of the map's sum that lies inside), over layers of at least 8x8.
    """
    losses = []
    for recorder in recorders:
        attention = maps(recorder)
        side = attention.shape[-1]
        if side < 8:
            continue
        inside = F.adaptive_max_pool2d(masks, side)
        share = (attention * inside).sum((2, 3)) / attention.sum((2, 3))
        speaks = inside.amax((2, 3)) * weight[:, None]
        losses.append(-(share.clamp_min(1e-4).log() * speaks).sum() / speaks.sum().clamp_min(1))
    return torch.stack(losses).mean()
