"""Stage 1: the autoencoder, 64x64 pixels to 16x16 latents of 4 channels and back."""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKL

import data
from networks import build_vae
from pictures import save_sheet
from runs import ROOT, Run, learning_rate

PEAK, WARMUP, BATCH = 2e-3, 80, 16
KL = 1e-6  # as in Stable Diffusion: just enough to keep the latents near zero


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Absolute and squared error, and the same edges: the edges keep faces sharp."""
    d = output - target
    edges = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
    return d.abs().mean() + 2 * d.pow(2).mean() + 0.5 * edges


def psnr(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Peak signal to noise ratio of each picture, in dB; pixels from -1 to 1."""
    return -10 * ((output.clamp(-1, 1) - target) / 2).pow(2).mean((1, 2, 3)).log10()


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    return torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in pixels.split(64)])


@torch.no_grad()
def wake_silent_channels(vae: AutoencoderKL, pixels: torch.Tensor) -> int:
    """Start latent channels anew that carry nothing but noise, and say how many there were.

    Early in a training the KL term can silence a channel, and a decoder that has learnt to ignore it never
    asks for it again. A woken channel begins as a random mix of the encoder's features, of unit variance.
    """
    channels = vae.config.latent_channels
    silent = (vae.encode(pixels).latent_dist.std.mean((0, 2, 3)) > 0.7).nonzero().flatten().tolist()
    features = vae.encoder(pixels).transpose(0, 1).flatten(1)
    for channel in silent:
        mix = torch.randn(len(features))
        vae.quant_conv.weight[channel, :, 0, 0] = mix / (mix @ features).std()
        vae.quant_conv.weight[channel + channels] = 0
        vae.quant_conv.bias[channel + channels] = -4  # the logarithm of its variance
        vae.post_quant_conv.weight[:, channel] = 0.2 * torch.randn(channels, 1, 1)
    return len(silent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--pictures", type=int, default=12000)
    args = parser.parse_args()
    torch.manual_seed(0)
    images = data.load("vae-train", args.pictures, seed=1).images
    held_out = data.to_tensor(data.load("vae-test", 256, seed=2).images)
    vae = build_vae()
    run = Run(
        "vae", {"vae": vae}, torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.99), weight_decay=0), 0.995
    )
    run.resume()
    while run.step < args.steps:
        run.seed_step()
        if run.step % 200 == 0 and run.step < 0.7 * args.steps:
            awoken = wake_silent_channels(vae, data.to_tensor(images[:32]))
            if awoken and run.leads:
                run.log(awoken=awoken)
        chosen = torch.randint(len(images), (BATCH // run.workers,))
        pixels = data.to_tensor(images[chosen.numpy()])
        latents = vae.encode(pixels).latent_dist
        loss = reconstruction_loss(vae.decode(latents.sample()).sample, pixels) + KL * latents.kl().mean()
        run.update(loss, learning_rate(run.step, PEAK, WARMUP, args.steps, decay_from=args.steps // 2))
        if run.leads and run.step % 50 == 0:
            run.log(loss=loss.item())
        if run.leads and run.step % 200 == 0:
            run.swap_ema()
            output = reconstruct(vae, held_out)
            run.swap_ema()
            run.log(psnr=psnr(output, held_out).mean())
            both = torch.stack([held_out[:32], output[:32]], 1).flatten(0, 1)
            save_sheet(ROOT / "vae.png", data.to_images(both), columns=8)
            run.save()
    run.swap_ema()
    if run.leads:
        finish(vae, data.to_tensor(images[:1024]))


@torch.no_grad()
def finish(vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    """Write the autoencoder with the factor that gives its latents unit variance."""
    std = torch.cat([vae.encode(part).latent_dist.sample() for part in pixels.split(64)]).std()
    vae.register_to_config(scaling_factor=1 / std.item())
    vae.save_pretrained(ROOT / "model" / "vae")


if __name__ == "__main__":
    main()
