"""Stage 2: encode the training pictures to latents and their captions to tokens, once."""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import data
import tokenizer as clip_tokenizer
from runs import ROOT
from world import BACKGROUND, Scene, Word, text

PART = 64  # pictures encoded together
NOTHING = 3  # the mask index of tokens that refer to nothing visible


def encode(vae: AutoencoderKL, images: np.ndarray) -> torch.Tensor:
    """Mean and standard deviation of each picture's latents, scaled: [n, 8, 16, 16], float16. On all cores."""
    parts = [images[start : start + PART] for start in range(0, len(images), PART)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return torch.from_numpy(np.concatenate(list(pool.map(_encode_part, repeat(vae), parts))))


@torch.no_grad()
def _encode_part(vae: AutoencoderKL, images: np.ndarray) -> np.ndarray:
    torch.set_num_threads(1)
    latents = vae.encode(data.to_tensor(images)).latent_dist
    return torch.cat([latents.mean, latents.std], 1).mul(vae.config.scaling_factor).half().numpy()


def small_masks(masks: np.ndarray) -> np.ndarray:
    """Masks [things + 1, SIZE, SIZE] at the latents' size, [4, 16, 16] bool: first thing, second thing, land,
    nothing."""
    *things, land = F.adaptive_avg_pool2d(torch.from_numpy(masks).float()[None] / 255, 16)[0] > 0.35
    all_four = torch.zeros(4, 16, 16, dtype=torch.bool)
    for number, mask in [*enumerate(things), (2, land)]:
        all_four[number] = mask
    return all_four.numpy()


def owners(caption: list[Word], length: int) -> list[int]:
    """For every token, the index of its mask in `small_masks`. One word is one token."""
    numbers = [NOTHING if w.owner is None else 2 if w.owner == BACKGROUND else w.owner for w in caption]
    return [NOTHING, *numbers, *[NOTHING] * length][:length]


def sources(words: list[int | None] | None, length: int) -> list[int]:
    """For every token of an edit's caption, the source's token that it corresponds to; -1 if it is new.

    `words`: `Edit.sources`. The start and end tokens are shared too, and the padding by position, as in
    Prompt-to-Prompt.
    """
    if words is None:
        return list(range(length))
    kept = [-1 if word is None else word + 1 for word in words]
    end = 1 + sum(word is not None for word in words)
    return [0, *kept, end, *range(len(words) + 2, length)][:length]


def amounts(scene: Scene, caption: list[Word], length: int) -> list[float]:
    """For every token, twice the amount that it names, so that 1 is usual; 1 for words that are not graded."""

    def amount(word: Word) -> float:
        graded = {
            "snowy": lambda: scene.snow,
            "blossom": lambda: scene.things[word.owner].blossom,
            "fluffy": lambda: scene.things[word.owner].fluff,
        }
        return 2 * graded[word.text]() if word.text in graded else 1.0

    return [1.0, *map(amount, caption), *[1.0] * length][:length]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=data.PICTURES)
    args = parser.parse_args()
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(ROOT / "model" / "vae").eval()
    tokenizer = clip_tokenizer.load(ROOT / "model" / "tokenizer")
    pictures = data.training(args.pictures)
    tokens = tokenizer(
        [text(c) for c in pictures.captions], padding="max_length", truncation=True, return_tensors="pt"
    )
    length = tokens.input_ids.shape[1]
    latents = {
        "latents": encode(vae, pictures.images),
        "tokens": tokens.input_ids,
        "masks": torch.from_numpy(np.stack([small_masks(m) for m in pictures.masks])),
        "owners": torch.tensor([owners(c, length) for c in pictures.captions]),
        "amounts": torch.tensor([amounts(s, c, length) for s, c in zip(pictures.scenes, pictures.captions)]),
        "sources": torch.tensor([sources(s, length) for s in pictures.sources]),
        "empty": torch.tensor(tokenizer("", padding="max_length").input_ids),
    }
    partial = ROOT / "latents.partial"
    torch.save(latents, partial)
    partial.replace(ROOT / "latents.pt")
    print(
        {name: tuple(value.shape) for name, value in latents.items()}, latents["latents"][:, :4].float().std()
    )


if __name__ == "__main__":
    main()
