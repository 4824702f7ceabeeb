"""The peer of bench/inversion.ts, with one thread per core: the same UNets in diffusers with fused attention, evaluated as often as in the published
direct inversion (PnPInversion: one row per step to invert, four to find the offsets, four to edit), with the authors' controller in the edit.
Every edit repeats all of this, because nothing is recorded. A step of null-text inversion is as in the authors' code: one row for the prompt, one
with its gradient per iteration, two with the result; activations are stored. Only the UNet is timed."""
import sys

import torch

from control import EditController, MaterialisedAttention
from measure import in_turns, random_unet

models = [("embedded", "weights/emoji-world/unet/config.json", 32, 10, 10, 10)]
if "--full" in sys.argv:
    models.append(("SD 1.4", "bench/unetSd14.json", 77, 1, 2, 100))

for name, file, tokens, steps, iterations, seconds in models:
    unet = random_unet(file)
    fused = unet.attn_processors
    size, channels, width = unet.config.sample_size, unet.config.in_channels, unet.config.cross_attention_dim
    latents, context = torch.randn(4, channels, size, size), torch.randn(4, tokens, width)
    target = torch.randn(1, channels, size, size)

    @torch.no_grad()
    def invert_and_edit():
        for _ in range(steps):
            unet(latents[:1], 981, context[:1])
        for _ in range(steps):
            unet(latents, 981, context)
        controller = EditController(torch.eye(tokens))
        unet.set_attn_processor(MaterialisedAttention(controller))
        for _ in range(steps):
            unet(latents, 981, context)
            controller.end_of_step()
        unet.set_attn_processor(dict(fused))

    def null_text():
        embedding = context[:1].clone().requires_grad_()
        optimizer = torch.optim.Adam([embedding], lr=0.01)
        with torch.no_grad():
            conditional = unet(latents[:1], 981, context[:1]).sample
        for _ in range(iterations):
            unconditional = unet(latents[:1], 981, embedding).sample
            loss = torch.nn.functional.mse_loss(latents[:1] + unconditional + 7.5 * (conditional - unconditional), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            unet(latents[:2], 981, context[:2])

    in_turns({f"invert and edit once, {name}": invert_and_edit, f"a step of null-text, {name}, {iterations} iterations": null_text}, seconds)
