"""Last stage of the model: the decoder alone learns on, while the latents stay what they are.

The UNet was trained on the encoder's latents, so the encoder must not change any more; a sharper decoder
sharpens every picture without another hour for the UNet.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKL

import data
from pictures import save_sheet
from runs import ROOT, Run, learning_rate
from train_vae import BATCH, psnr, reconstruct, reconstruction_loss

PEAK, WARMUP = 1e-3, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=48000)
    args = parser.parse_args()
    images = data.load("train", args.pictures, seed=3).images
    held_out = data.to_tensor(data.load("vae-test", 256, seed=2).images)
    vae = AutoencoderKL.from_pretrained(ROOT / "model" / "vae")
    learning = {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
    parameters = [p for network in learning.values() for p in network.parameters()]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=0)
    run = Run("decoder", learning, optimizer, ema_decay=0.995)
    run.resume()
    while run.step < args.steps:
        run.seed_step()
        pixels = data.to_tensor(images[torch.randint(len(images), (BATCH // run.workers,)).numpy()])
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.sample()
        loss = reconstruction_loss(vae.decode(latents).sample, pixels)
        run.update(loss, learning_rate(run.step, PEAK, WARMUP, args.steps, decay_from=args.steps // 3))
        if run.leads and run.step % 200 == 0:
            run.swap_ema()
            output = reconstruct(vae, held_out)
            run.swap_ema()
            run.log(loss=loss.item(), psnr=psnr(output, held_out).mean())
            both = torch.stack([held_out[:32], output[:32]], 1).flatten(0, 1)
            save_sheet(ROOT / "decoder.png", data.to_images(both), columns=8)
            run.save()
    run.swap_ema()
    if run.leads:
        vae.save_pretrained(ROOT / "model" / "vae")


if __name__ == "__main__":
    main()
