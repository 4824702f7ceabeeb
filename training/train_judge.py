"""Stage 4: train the judge to recognise what renderings show."""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

import data
from judge import COLOURED, HEADS, PIXELS, SIDE, Judge, Verdict
from runs import ROOT, Run, learning_rate
from world import SIZE, Scene, any_scene, render, unseen_scene
from world import vocabulary as v

PEAK, WARMUP, BATCH = 2e-3, 100, 32
YES_NO = ("things", "colours", "materials")  # the multi-label heads
RARE = 3  # how much more often than others it looks at pictures with a style or a material
LATENT_NOISE = 0.15  # added to latents whose standard deviation is about 1
GRID = SIDE // 2  # height and width of the grid of pixel labels
CHANGED = 24  # a pixel has changed if its channels' differences add up to more than this


def graded_pixels(scene: Scene) -> dict[str, np.ndarray]:
    """Where snow, fluff and blossom are, [SIZE, SIZE] bool: what changes if the scene is rendered without
    them."""

    scene = replace(scene, style=None)  # a style would spread the change to its surroundings

    def changes(without: Scene) -> np.ndarray:
        if without == scene:
            return np.zeros((SIZE, SIZE), bool)
        difference = render(scene)[0].astype(int) - render(without)[0]
        return np.abs(difference).sum(-1) > CHANGED

    bald = replace(scene, things=tuple(replace(thing, fluff=0.0) for thing in scene.things))
    bare = replace(scene, things=tuple(replace(thing, blossom=0.0) for thing in scene.things))
    return {"snow": changes(replace(scene, snow=0.0)), "fluff": changes(bald), "blossom": changes(bare)}


def pixel_classes(scene: Scene, masks: np.ndarray) -> np.ndarray:
    """The majority label of each cell of the judge's grid, [GRID, GRID], indices into `PIXELS`."""
    graded = {name: in_cells(where) > 0.5 for name, where in graded_pixels(scene).items()}
    classes = np.full((GRID, GRID), PIXELS.index("background"), np.uint8)
    classes[graded["snow"]] = PIXELS.index("snow")
    for thing, mask in zip(scene.things, masks):
        classes[in_cells(mask / 255) > 0.5] = PIXELS.index(thing.noun)
    for name in ("fluff", "blossom"):
        classes[graded[name]] = PIXELS.index(name)
    return classes


def in_cells(grid: np.ndarray) -> np.ndarray:
    """[SIZE, SIZE] to [GRID, GRID] by averaging."""
    return grid.reshape(GRID, SIZE // GRID, GRID, SIZE // GRID).mean((1, 3))


def truth(scene: Scene) -> tuple[np.ndarray, ...]:
    nouns, colours = [t.noun for t in scene.things], [f"{t.colour} {t.noun}" for t in scene.things]
    return (
        np.array([n in nouns for n in v.NOUNS], np.float32),
        np.array([c in colours for c in COLOURED], np.float32),
        list(v.PLACES).index(scene.place),
        v.TIMES.index(scene.time),
        v.WEATHERS.index(scene.weather),
        HEADS["style"].index(scene.style or "plain"),
        np.array([m in [t.material for t in scene.things] for m in v.MATERIALS], np.float32),
    )


def labels(pictures: data.Pictures) -> Verdict:
    """The labels of every picture, in the form of a Verdict."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        pixels = list(pool.map(pixel_classes, pictures.scenes, pictures.masks, chunksize=100))
    columns = [torch.from_numpy(np.stack(column)) for column in zip(*map(truth, pictures.scenes))]
    return Verdict(**dict(zip(HEADS, columns)), pixels=torch.from_numpy(np.stack(pixels)))


def roughen(pictures: torch.Tensor) -> torch.Tensor:
    """Blur and noise of random strength: which generated pictures have and renderings do not."""
    strength = torch.rand(len(pictures), 1, 1, 1)
    soft = torch.lerp(pictures, F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False), 0.8 * strength)
    return soft + 0.08 * torch.rand(len(pictures), 1, 1, 1) * torch.randn_like(pictures)


def mirrored(pictures: torch.Tensor, true: Verdict) -> tuple[torch.Tensor, Verdict]:
    """Mirror half of the pictures: what they show stays the same, except for where it is."""
    half = len(pictures) // 2
    return torch.cat([pictures[:half].flip(3), pictures[half:]]), true._replace(
        pixels=torch.cat([true.pixels[:half].flip(2), true.pixels[half:]])
    )


@torch.no_grad()
def redraw(images: np.ndarray) -> None:
    """Replace every third training picture by the model's decoding of its latents with a little noise."""
    vae = AutoencoderKL.from_pretrained(ROOT / "model" / "vae").eval()
    means = torch.load(ROOT / "latents.pt", weights_only=True)["latents"][: len(images) : 3, :4].float()
    dice = torch.Generator().manual_seed(0)
    for start in range(0, len(means), 64):
        latents = means[start : start + 64]
        latents = latents + LATENT_NOISE * torch.randn(latents.shape, generator=dice)
        drawn = vae.decode(latents / vae.config.scaling_factor).sample
        images[3 * start : 3 * (start + 64) : 3][: len(drawn)] = data.to_images(drawn)


def loss(said: Verdict, true: Verdict) -> torch.Tensor:
    """The sum of all heads' losses, weighted so that each counts: multi-label heads have few positives, and
    most pixels are easy."""
    total = torch.zeros(())
    for name, logits in said._asdict().items():
        logits, target = logits.float(), getattr(true, name)
        if name in YES_NO:
            total = total + 20 * F.binary_cross_entropy_with_logits(logits, target)
        else:
            total = total + (3 if name == "pixels" else 1) * F.cross_entropy(logits, target.long())
    return total


@torch.no_grad()
def accuracy(judge: Judge, pictures: torch.Tensor, true: Verdict) -> dict[str, float]:
    """The shares of pictures with exactly the right things, the right place and so on, and of correct pixels."""
    parts = [judge(part) for part in pictures.split(64)]
    said = Verdict(*[torch.cat(column) for column in zip(*parts)])
    shares = {}
    for name, logits in said._asdict().items():
        target = getattr(true, name)
        right = ((logits > 0) == (target > 0)).all(1) if name in YES_NO else logits.argmax(1) == target
        shares[name] = right.float().mean().item()
    return shares


Examples = tuple[np.ndarray, Verdict]  # pictures [n, SIZE, SIZE, 3], and the labels of each


def lessons(count: int, most: int) -> Examples:
    """The judge's training data: up to `most` of the model's own training pictures, and combinations that
    these do not show."""
    train = data.training(count).first(most)
    unseen = data.load("unseen", most // 8, seed=5, sampler=unseen_scene)
    true = data.once(f"judge-truth-{most}", lambda: (labels(train), labels(unseen)))
    redraw(train.images)
    truths = map(torch.cat, zip(*true))
    return np.concatenate([train.images, unseen.images]), Verdict(*truths)


def exam() -> Examples:
    """The judge's test data, from a seed that the training data does not use."""
    held_out = data.load("judge-test", 1000, seed=6, sampler=any_scene)
    return held_out.images, labels(held_out)


def take_over(judge: Judge, weights: dict[str, torch.Tensor]) -> None:
    """Initialise from another judge's layers that have the same shape, because they see much the same."""
    own = judge.state_dict()
    same = {
        name: value.float()
        for name, value in weights.items()
        if own.get(name, value[:0]).shape == value.shape
    }
    judge.load_state_dict(same, strict=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--pictures", type=int, default=data.PICTURES, help="those of encode.py")
    parser.add_argument("--lessons", type=int, default=data.PICTURES, help="how many of them it learns from")
    parser.add_argument(
        "--from", dest="start", type=Path, help="another world's or an earlier judge's folder"
    )
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--bfloat16", action="store_true", help="compute in it, where the processor can")
    args = parser.parse_args()
    torch.manual_seed(0)
    judge = Judge()
    if args.start:
        take_over(judge, load_file(args.start / "model.safetensors"))
    judge = judge.to(memory_format=torch.channels_last)  # almost twice as fast in bfloat16
    run = Run(
        "judge", {"judge": judge}, torch.optim.AdamW(judge.parameters(), weight_decay=0.01), ema_decay=0.995
    )
    run.resume()
    images, true = data.once(f"judge-train-{args.lessons}", lambda: lessons(args.pictures, args.lessons))
    test_images, test_true = data.once("judge-test-truth", exam)
    test_pictures = data.to_tensor(test_images)
    rare = (true.style != HEADS["style"].index("plain")) | (true.materials > 0).any(1)
    chances = torch.where(rare, RARE, 1).float()
    while run.step < args.steps:
        run.seed_step()
        chosen = chances.multinomial(args.batch // run.workers, replacement=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
            pictures = roughen(data.to_tensor(images[chosen.numpy()]))  # to_tensor's result is channels-last
            pictures, truths = mirrored(pictures, Verdict(*[column[chosen] for column in true]))
            said = judge(pictures)
        run.update(
            loss(said, truths),
            learning_rate(run.step, PEAK, WARMUP, args.steps, decay_from=args.steps // 2),
        )
        if run.leads and run.step % 250 == 0:
            run.swap_ema()
            run.log(**accuracy(judge, test_pictures, test_true))
            run.swap_ema()
            run.save()
    run.swap_ema()
    if run.leads:
        (ROOT / "model" / "judge").mkdir(parents=True, exist_ok=True)
        state = {name: tensor.contiguous() for name, tensor in judge.state_dict().items()}
        save_file(state, ROOT / "model" / "judge" / "model.safetensors")


if __name__ == "__main__":
    main()
