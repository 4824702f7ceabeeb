"""Stage 5: measure the model on prompts it never saw: a preview, in Python, of `npm run evaluate`'s figures."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import data
from attention_maps import maps, record_cross_attention
from judge import COLOURED, PIXELS, Judge
from pictures import save_sheet
from runs import ROOT
from sample import Model
from train_vae import psnr, reconstruct
from world import Scene, Word, caption, random_scene, text, unseen_scene
from world import vocabulary as v

Tally = dict[str, list[bool]]


def load_judge(folder: Path) -> Judge:
    judge = Judge().eval()
    judge.load_state_dict(load_file(folder / "model.safetensors"))
    return judge


def prompts(sampler, count: int, seed: int) -> list[tuple[Scene, list[Word]]]:
    """Scenes with captions; a picture is only asked for what its caption says."""
    rng = np.random.default_rng(seed)
    scenes = [sampler(rng) for _ in range(count)]
    return [(scene, caption(scene, rng)) for scene in scenes]


@torch.no_grad()
def judge_text(judge: Judge, images: np.ndarray, asked: list[tuple[Scene, list[Word]]]) -> Tally:
    """For each thing that the captions ask for, whether the judge finds it in the pictures."""
    said, tally = judge(data.to_tensor(images)), defaultdict(list)
    for i, (scene, words) in enumerate(asked):
        told = {word.text for word in words}
        for index, thing in enumerate(scene.things):
            tally["object"].append(bool(said.things[i, v.NOUNS.index(thing.noun)] > 0))
            if any(word == Word(str(thing.colour), index) for word in words):
                asked_for = COLOURED.index(f"{thing.colour} {thing.noun}")
                tally["colour"].append(bool(said.colours[i, asked_for] > 0))
        if scene.place in told:
            tally["place"].append(list(v.PLACES)[said.place[i].argmax()] == scene.place)
        if scene.time in told:
            tally["time"].append(v.TIMES[said.time[i].argmax()] == scene.time)
    return tally


@torch.no_grad()
def judge_maps(judge: Judge, images: np.ndarray, words: list[list[Word]], attention: torch.Tensor) -> Tally:
    """The pointing game: is the maximum of a noun's averaged map where the judge sees the thing?

    `attention` [pictures, tokens, 16, 16].
    """
    seen, tally = judge(data.to_tensor(images)).pixels.argmax(1), defaultdict(list)
    things = (seen < len(v.NOUNS) + 2)[:, None].float()
    for i, caption_words in enumerate(words):
        for token, word in enumerate(caption_words, start=1):
            peak = (
                F.interpolate(attention[i : i + 1, token : token + 1], size=32, mode="bilinear")
                .flatten()
                .argmax()
            )
            if word.text in v.NOUNS:
                mask = F.max_pool2d((seen[i] == PIXELS.index(word.text)).float()[None], 3, 1, 1)
                tally["noun on its thing"].append(bool(mask.flatten()[peak]))
            elif word.text in v.PLACES or word.text == "snowy":
                tally["place or snowy off the things"].append(not things[i].flatten()[peak])
    return tally


class AveragedMaps:
    """The mean of all conditional cross-attention maps of at least 8x8, over all steps."""

    def __init__(self, model: Model) -> None:
        self.recorders = record_cross_attention(model.unet)
        self.total, self.calls = 0, 0
        model.unet.register_forward_hook(lambda *_: self._collect())

    def _collect(self) -> None:
        for recorder in self.recorders:
            attention = maps(recorder).chunk(2)[1]
            if attention.shape[-1] >= 8:
                self.total = self.total + F.interpolate(attention, size=16, mode="bilinear")
                self.calls += 1

    def take(self) -> torch.Tensor:
        mean, self.total, self.calls = self.total / self.calls, 0, 0
        return mean


def share(hits: list[bool]) -> dict[str, float]:
    """The share of hits with its 95 % interval (Wilson)."""
    n, p, z = len(hits), float(np.mean(hits)), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {"share": round(p, 4), "low": round(middle - half, 4), "high": round(middle + half, 4), "n": n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "model")
    parser.add_argument(
        "--pictures", type=int, default=256, help="for seen and for never seen combinations, each"
    )
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    model, judge = Model.load(args.model), load_judge(ROOT / "model" / "judge")
    held_out = data.to_tensor(data.load("vae-test", 256, seed=2).images)
    figures: dict = {"psnr": round(psnr(reconstruct(model.vae, held_out), held_out).mean().item(), 2)}
    attention = AveragedMaps(model)
    for name, sampler, seed in (("new captions", random_scene, 101), ("never seen", unseen_scene, 102)):
        asked, tally, sheet = prompts(sampler, args.pictures, seed), defaultdict(list), []
        for start in range(0, args.pictures, 32):
            part = asked[start : start + 32]
            words = [w for _, w in part]
            images = model.draw([text(w) for w in words], seed=seed + start, steps=args.steps)
            sheet.append(images)
            for found in (
                judge_text(judge, images, part),
                judge_maps(judge, images, words, attention.take()),
            ):
                for key, hits in found.items():
                    tally[key] += hits
        figures[name] = {key: share(hits) for key, hits in tally.items()}
        save_sheet(ROOT / f"evaluate-{name.replace(' ', '-')}.png", np.concatenate(sheet)[:64], columns=8)
    (ROOT / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
