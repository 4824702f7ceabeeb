"""Stage 1: train the autoencoder, 128x128 pixels to 16x16 latents of 4 channels and back.

It learns two things from pairs of pictures that differ in one thing (`edits.py`): to reconstruct each, and
that a change of the latents in one place changes the picture only in that place. A decoder's norms and its
attention see all latents, so a local edit also has effects elsewhere. Therefore the edit's latents are pasted
into the original's where the pictures differ, and everything well outside must be decoded as before.

It is trained in two parts: `--half` learns pictures of half the size, which is four times as fast, and
`--grow FOLDER` continues from such a model at the full size (`grow.py`), keeping its latents nearly the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

import data
from grow import grown as grown_from
from grow import halved
from networks import build_vae
from pictures import save_sheet
from runs import ROOT, Run, learning_rate
from world import SIZE

PEAK, WARMUP, PAIRS = 1.5e-3, 80, 8
KL = 1e-6  # as in Stable Diffusion: just enough to keep the latents near zero
THINGS = 4.0  # extra weight of things over the background: they are small, and faces even smaller
LOCALITY = 4.0  # weight of changes where nothing should change
ANCHOR = 0.3  # weight of a grown one's difference from the small one's latents, in units of their spread
#: Share of a grown one's steps before its encoder, which has less to learn, is trained too.
DECODER_ALONE = 0.4
REACH = 2  # in latents: how far around a change the picture may still change


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Absolute and squared error, and the error of gradients, which keeps faces sharp. Weights of pixels [n,
    1, h, w]."""
    d = output - target
    columns = (weight[..., 1:] * (d[..., 1:] - d[..., :-1]).abs()).mean()
    rows = (weight[..., 1:, :] * (d[..., 1:, :] - d[..., :-1, :]).abs()).mean()
    return (weight * (d.abs() + 2 * d.pow(2))).mean() + 0.5 * (columns + rows)


def psnr(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Peak signal to noise ratio of each picture, in dB; pixels from -1 to 1."""
    return -10 * ((output.clamp(-1, 1) - target) / 2).pow(2).mean((1, 2, 3)).log10()


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    return torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in pixels.split(64)])


class Pairs:
    """The training pictures in pairs: a picture and an edit of it."""

    def __init__(self, pictures: data.Pictures, half: bool) -> None:
        self.half = half
        self.images = pictures.images
        self.things = np.stack([masks[:-1].max(0, initial=0) for masks in pictures.masks])

    def draw(self, pairs: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pictures, then their edits [2 * pairs, 3, h, w]; and where their things are, 0 to 1 [2 * pairs,
        1, h, w]."""
        originals = 2 * torch.randint(len(self.images) // 2, (pairs,)).numpy()
        chosen = np.concatenate([originals, originals + 1])
        things = torch.from_numpy(self.things[chosen])[:, None]
        pixels, things = data.to_tensor(self.images[chosen]), things.float() / 255
        return (halved(pixels), halved(things)) if self.half else (pixels, things)


def changed_places(pixels: torch.Tensor) -> torch.Tensor:
    """Where pictures [2 * pairs, 3, h, w] differ from their edits, plus one latent around: [pairs, 1, 16,
    16]."""
    before, after = pixels.chunk(2)
    most = F.adaptive_max_pool2d((after - before).abs().amax(1, keepdim=True), 16)
    return grown((most > 0.02).float(), 1)


def grown(mask: torch.Tensor, reach: int) -> torch.Tensor:
    return F.max_pool2d(mask, 2 * reach + 1, 1, reach)


def losses(
    vae: AutoencoderKL,
    pixels: torch.Tensor,
    things: torch.Tensor,
    small: AutoencoderKL | None = None,
    encoder_rests: bool = False,
) -> torch.Tensor:
    """For a batch from `Pairs.draw`: the reconstruction loss, the mean change where there should be none, the
    KL term, and the mean square difference of the latents from those of `small`, in units of their spread:
    [4]."""
    with torch.set_grad_enabled(not encoder_rests):
        latents = vae.encode(pixels).latent_dist
    original, edit = latents.sample().chunk(2)
    changed = changed_places(pixels)
    decoded = vae.decode(torch.cat([original, torch.where(changed > 0, edit, original)])).sample.float()
    before, after = decoded.chunk(2)
    surroundings = 1 - F.interpolate(grown(changed, REACH), size=pixels.shape[2:])
    change = ((after - before).abs() * surroundings).sum() / (3 * surroundings.sum()).clamp_min(1)
    weight = 1 + THINGS * things
    reconstruction = reconstruction_loss(decoded, pixels, weight / weight.mean())
    moved = torch.zeros(())
    if small and not encoder_rests:
        with torch.no_grad():
            anchor = small.encode(halved(pixels)).latent_dist.mean
        moved = ((latents.mean - anchor) * small.config.scaling_factor).pow(2).mean()
    return torch.stack([reconstruction, change, latents.kl().mean(), moved])


@torch.no_grad()
def wake_idle_channel(vae: AutoencoderKL, pixels: torch.Tensor) -> bool:
    """Reinitialise the least used latent channel, if it carries no information of its own.

    Early in training, the KL term can silence a channel, and a decoder that has learnt to ignore it never
    uses it again. The woken channel gets a feature of the encoder to itself, with new random weights.
    """
    latents, channels = vae.encode(pixels).latent_dist, vae.config.latent_channels
    covariance = torch.cov(latents.mean.transpose(0, 1).flatten(1))
    own_variance = 1 / torch.linalg.inv(covariance + 1e-6 * torch.eye(channels)).diagonal()
    signal_to_noise = own_variance / latents.var.mean((0, 2, 3))
    idle = int(signal_to_noise.argmin())
    if signal_to_noise[idle] > 4:
        return False
    use = vae.quant_conv.weight[:channels, :, 0, 0].abs() * vae.encoder(pixels).std((0, 2, 3))
    use[idle] = 0
    feature = int(use.sum(0).argmin())
    nn.init.normal_(vae.encoder.conv_out.weight[feature], std=vae.encoder.conv_out.weight[0].numel() ** -0.5)
    vae.encoder.conv_out.bias[feature] = 0
    vae.quant_conv.weight[:, feature] = 0
    vae.quant_conv.weight[[idle, idle + channels]] = 0
    vae.quant_conv.weight[idle, feature] = 1 / vae.encoder(pixels)[:, feature].std()
    vae.quant_conv.bias[idle + channels] = -4  # the log-variance
    vae.post_quant_conv.weight[:, idle] = 0.2 * torch.randn(channels, 1, 1)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--half", action="store_true", help="learn pictures of half the size")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of pictures, a step")
    parser.add_argument("--grow", type=Path, help="the model of half the size to go on from")
    parser.add_argument("--pictures", type=int, default=data.PICTURES)
    parser.add_argument("--from", dest="start", type=Path, help="a finished model to go on from")
    parser.add_argument("--rate", type=float, default=PEAK, help="the highest learning rate")
    parser.add_argument("--bfloat16", action="store_true", help="compute in it, but for the last tenth")
    args = parser.parse_args()
    torch.manual_seed(0)
    pairs = Pairs(data.training(args.pictures), args.half)
    held_out = data.to_tensor(data.load("vae-test", 256, seed=2).images)
    held_out = halved(held_out) if args.half else held_out
    small = AutoencoderKL.from_pretrained(args.grow / "vae").requires_grad_(False) if args.grow else None
    vae = grown_from(small) if small else build_vae(SIZE // 2 if args.half else SIZE)
    vae = AutoencoderKL.from_pretrained(args.start / "vae") if args.start else vae
    name, folder = ("vae-half", ROOT / "half") if args.half else ("vae", ROOT / "model")
    optimizer = torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.99), weight_decay=0, fused=True)
    run = Run(name, {"vae": vae}, optimizer, 0.995)
    run.resume()
    weights = torch.tensor([1.0, LOCALITY, KL, ANCHOR])
    while run.step < args.steps:
        if not small and run.step % 200 == 0 and run.step < 0.6 * args.steps:
            torch.manual_seed(run.step)  # So that every process wakes the same channel in the same way.
            if wake_idle_channel(vae, held_out[:32]) and run.leads:
                run.log(woke_a_channel_at=run.step)
        run.seed_step()
        pixels, things = pairs.draw(args.pairs // run.workers)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16 and run.step < 0.9 * args.steps):
            parts = losses(vae, pixels, things, small, small and run.step < DECODER_ALONE * args.steps)
        run.update(weights @ parts, learning_rate(run.step, args.rate, WARMUP, args.steps, args.steps // 3))
        if run.leads and run.step % 50 == 0:
            reconstruction, change, _, moved = parts.tolist()
            run.log(reconstruction=reconstruction, change=change * 127.5, moved=moved)
        if run.leads and (run.step % 250 == 0 or run.step == args.steps):
            run.swap_ema()
            output = reconstruct(vae, held_out)
            run.swap_ema()
            run.log(psnr=psnr(output, held_out).mean())
            both = torch.stack([held_out[:32], output[:32]], 1).flatten(0, 1)
            save_sheet(ROOT / f"{name}.png", data.to_images(both), columns=8)
            run.save()
    run.swap_ema()
    if run.leads:
        finish(vae, small.config.scaling_factor if small else 1 / spread(vae, held_out), folder)


@torch.no_grad()
def spread(vae: AutoencoderKL, pixels: torch.Tensor) -> float:
    """The standard deviation of the latents of some pictures."""
    return torch.cat([vae.encode(part).latent_dist.sample() for part in pixels.split(64)]).std().item()


def finish(vae: AutoencoderKL, scaling_factor: float, folder: Path) -> None:
    """Save the autoencoder with the factor that gives its latents unit variance; a grown one keeps the small
    one's."""
    vae.register_to_config(scaling_factor=scaling_factor)
    vae.save_pretrained(folder / "vae")


if __name__ == "__main__":
    main()
