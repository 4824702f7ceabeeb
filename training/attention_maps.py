"""Train words to attend to their things, to respond to attention weights, and to survive edits.

The owner of every word of a caption is known and every thing has a mask, so a small extra loss beside that of
the denoising can ask the cross-attention maps to lie where they should. Large models learn this unaided from
millions of pictures; for a small one on two cores there is no time.

The same holds for edits. For pairs of a scene and its true edit, the edit's row takes the maps of the scene's
row, as in Prompt-to-Prompt, and must still come out as the true edit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention


class RecordingProcessor:
    """Plain attention that keeps its probabilities, [rows, heads, queries, tokens], for the loss.

    `sources` [edits, tokens]: the last rows are edits of the equally many rows before them, and each of their
    tokens takes the probabilities of the given token of its source; -1 keeps its own. `weights` [rows,
    tokens] multiply the probabilities of each token. Both as in Prompt-to-Prompt.
    """

    probabilities: torch.Tensor | None = None
    sources: torch.Tensor | None = None
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
        used = self.probabilities
        if self.sources is not None:
            used = inject(used, self.sources)
        if self.weights is not None:
            used = used * self.weights[:, None, None].to(used.dtype)
        output = (used @ value).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](output))


def inject(probabilities: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """[rows, heads, queries, tokens], with the edits' (last) rows changed as described at
    `RecordingProcessor.sources`."""
    edits = len(sources)
    others, before, after = probabilities.split([len(probabilities) - 2 * edits, edits, edits])
    chosen = sources[:, None, None].expand_as(after)
    return torch.cat([others, before, torch.where(chosen < 0, after, before.gather(-1, chosen.clamp_min(0)))])


class InjectingProcessor:
    """Plain self-attention in which the last rows, edits of the equally many rows before them, take those
    rows' queries and keys.

    `injected` [edits, 1] bool: for which of the edits.
    """

    injected: torch.Tensor | None = None

    def __call__(
        self, attn: Attention, hidden_states: torch.Tensor, attention_mask=None, **_
    ) -> torch.Tensor:
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if self.injected is not None:
            query, key = (self._inject(x) for x in (query, key))
        query, key, value = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (query, key, value))
        # Written out: the gradient of PyTorch's own attention is slower on a CPU, in bfloat16 several times.
        probabilities = (query @ key.transpose(-1, -2) * attn.scale).softmax(-1).to(value.dtype)
        output = (probabilities @ value).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](output))

    def _inject(self, x: torch.Tensor) -> torch.Tensor:
        edits = len(self.injected)
        others, before, after = x.split([len(x) - 2 * edits, edits, edits])
        return torch.cat([others, before, torch.where(self.injected[..., None], before, after)])


def inject_self_attention(unet: UNet2DConditionModel) -> list[InjectingProcessor]:
    """Put an InjectingProcessor in every self-attention layer, and return them."""
    processors = []
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            processors.append(InjectingProcessor())
            module.set_processor(processors[-1])
    return processors


def record_cross_attention(unet: UNet2DConditionModel) -> list[RecordingProcessor]:
    """Put a RecordingProcessor in every cross-attention layer, and return them."""
    recorders = []
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            recorders.append(RecordingProcessor())
            module.set_processor(recorders[-1])
    return recorders


def maps(recorder: RecordingProcessor) -> torch.Tensor:
    """A layer's maps, averaged over its heads, [rows, tokens, side, side]."""
    mean = recorder.probabilities.float().mean(1).transpose(1, 2)
    side = round(mean.shape[-1] ** 0.5)
    return mean.unflatten(-1, (side, side))


def pointing_loss(
    recorders: list[RecordingProcessor], masks: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """How much of each word's map lies outside the mask of what the word refers to.

    `masks` [rows, tokens, 16, 16], 0 or 1, all 0 for words that refer to nothing visible; `weight` [rows].
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
