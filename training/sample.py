"""Generate pictures for prompts: the denoising loop with guidance, in a dozen lines."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

import data
from pictures import save_sheet
from runs import ROOT

LOOK = [  # to look at while training: the project's original examples, and one of everything hard
    "a cat riding a bicycle",
    "a cat riding a motorcycle",
    "a cat riding a car",
    "a cat riding an airplane",
    "a car on the side of a street",
    "a blue car on the side of a snowy street",
    "a blossom tree",
    "a fluffy rabbit",
    "a snowy mountain",
    "a house on a snowy mountain",
    "a panda driving a red car at night",
    "a dog riding a green bicycle on a beach at sunset",
    "a fluffy cat next to a castle in a meadow",
    "a pig on a pumpkin in a forest in the fog",
    "a red balloon in a desert at night",
    "a cake on a street in the rain",
    "a bear riding a tractor",
    "a lion next to a robot in a meadow",
    "a sunflower in a desert",
    "a golden pig on a beach",
    "a wooden house in a forest",
    "a watercolour of a koala riding a bicycle in a meadow",
    "pixel art of a frog in a snowy forest",
    "a pencil drawing of a burger on a mountain",
]


@dataclass
class Model:
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDIMScheduler

    @classmethod
    def load(cls, folder: Path) -> Model:
        return cls(
            CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval(),
            UNet2DConditionModel.from_pretrained(folder / "unet").float().eval(),
            AutoencoderKL.from_pretrained(folder / "vae").float().eval(),
            DDIMScheduler.from_pretrained(folder / "scheduler"),
        )

    @torch.no_grad()
    def draw(self, prompts: list[str], seed: int, steps: int = 30, guidance: float = 5.0) -> np.ndarray:
        """One picture per prompt, [n, SIZE, SIZE, 3] uint8."""
        ids = self.tokenizer(
            [""] * len(prompts) + prompts, padding="max_length", truncation=True, return_tensors="pt"
        )
        context = self.text_encoder(ids.input_ids)[0]
        x = torch.randn(len(prompts), 4, 16, 16, generator=torch.Generator().manual_seed(seed))
        self.scheduler.set_timesteps(steps)
        for t in self.scheduler.timesteps:
            without, with_prompt = self.unet(torch.cat([x, x]), t, context).sample.chunk(2)
            noise = without + guidance * (with_prompt - without)
            x = self.scheduler.step(noise, t, x).prev_sample
        return data.to_images(self.vae.decode(x / self.vae.config.scaling_factor).sample)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "samples.png")
    parser.add_argument("prompts", nargs="*", default=LOOK)
    args = parser.parse_args()
    save_sheet(args.out, Model.load(args.model).draw(args.prompts, args.seed), columns=8)


if __name__ == "__main__":
    main()
