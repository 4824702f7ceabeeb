"""Stage 2: the decoder learns that a change in one place changes the picture in that place.

Its norms and its attention see the whole picture, so what an edit changes here is also felt there. Of pairs
of pictures that differ in one thing (`edits.py`) the one's latents are put into the other's where the thing is:
what lies well outside must be decoded as before. The encoder stays as it is, and with it the latents.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import data
from pictures import save_sheet
from runs import ROOT, Run, learning_rate
from train_vae import psnr, reconstruct, reconstruction_loss

PEAK, WARMUP, PAIRS = 1e-3, 80, 8
LOCALITY = 4.0  # weight of what changes where nothing should
REACH = 2  # latents: how far around a change its neighbours may feel it


def changed_places(pictures: torch.Tensor) -> torch.Tensor:
    """Where pairs of pictures [pairs, 2, 3, 64, 64] differ, and a latent around: [pairs, 1, 16, 16], 0 or 1."""
    difference = (pictures[:, 0] - pictures[:, 1]).abs().amax(1, keepdim=True)
    return grown((F.max_pool2d(difference, 4) > 0.02).float(), 1)


def grown(mask: torch.Tensor, reach: int) -> torch.Tensor:
    return F.max_pool2d(mask, 2 * reach + 1, 1, reach)


def losses(vae: AutoencoderKL, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of pairs [pairs, 2, 3, 64, 64]: the loss of the decoded, and the mean change where there should be none."""
    with torch.no_grad():
        latents = vae.encode(pictures.flatten(0, 1)).latent_dist.sample().unflatten(0, (-1, 2))
        changed = changed_places(pictures)
        edited = torch.where(changed > 0, latents[:, 1], latents[:, 0])
    before, after = vae.decode(torch.cat([latents[:, 0], edited])).sample.chunk(2)
    surroundings = 1 - F.interpolate(grown(changed, REACH), scale_factor=4)
    change = ((after - before).abs() * surroundings).sum() / (3 * surroundings.sum()).clamp_min(1)
    return reconstruction_loss(torch.cat([before, after]), pictures.transpose(0, 1).flatten(0, 1)), change


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--pictures", type=int, default=8000)
    args = parser.parse_args()
    torch.manual_seed(0)
    images = data.load("pairs", args.pictures, seed=4, edited=True).images
    pairs = images.reshape(-1, 2, *images.shape[1:])
    held_out = data.to_tensor(data.load("vae-test", 256, seed=2).images)
    vae = AutoencoderKL.from_pretrained(ROOT / "model" / "vae")
    decoder = {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
    parameters = [p for part in decoder.values() for p in part.parameters()]
    run = Run("decoder", decoder, torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=0), 0.99)
    run.resume()
    while run.step < args.steps:
        run.seed_step()
        chosen = torch.randint(len(pairs), (PAIRS // run.workers,)).numpy()
        pixels = data.to_tensor(pairs[chosen].reshape(-1, *pairs.shape[2:])).unflatten(0, (-1, 2))
        reconstruction, change = losses(vae, pixels)
        run.update(reconstruction + LOCALITY * change, learning_rate(run.step, PEAK, WARMUP, args.steps))
        if run.leads and run.step % 50 == 0:
            run.log(reconstruction=reconstruction.item(), change=change.item() * 127.5)
        if run.leads and run.step % 250 == 0:
            run.swap_ema()
            output = reconstruct(vae, held_out)
            run.swap_ema()
            run.log(psnr=psnr(output, held_out).mean())
            both = torch.stack([held_out[:32], output[:32]], 1).flatten(0, 1)
            save_sheet(ROOT / "decoder.png", data.to_images(both), columns=8)
            run.save()
    run.swap_ema()
    if run.leads:
        vae.register_to_config(_name_or_path="")  # where it was loaded from is of no interest
        vae.save_pretrained(ROOT / "model" / "vae")


if __name__ == "__main__":
    main()
