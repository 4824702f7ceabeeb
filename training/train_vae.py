"""Stage 1: the autoencoder, 64x64 pixels to 16x16 latents of 4 channels and back."""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKL
from torch import nn

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
def wake_idle_channel(vae: AutoencoderKL, pixels: torch.Tensor) -> bool:
    """Start the idlest latent channel anew, if it says nothing that the others do not.

    Early in a training the KL term can silence a channel, and a decoder that has learnt to ignore it never
    asks for it again. The woken channel has a feature of the encoder to itself, with weights drawn anew.
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
    vae.quant_conv.bias[idle + channels] = -4  # the logarithm of its variance
    vae.post_quant_conv.weight[:, idle] = 0.2 * torch.randn(channels, 1, 1)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
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
        if run.step % 200 == 0 and run.step < 0.6 * args.steps:
            if wake_idle_channel(vae, data.to_tensor(images[:32])) and run.leads:
                run.log(woke_a_channel_at=run.step)
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
