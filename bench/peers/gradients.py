"""The peer of bench/gradients.ts: the same UNets in diffusers with fused attention; the gradient with stored activations and, like ours, with
recomputed ones (gradient checkpointing). Peak memory is that of a process that has only done the latter."""
import resource
import sys

import torch

from measure import in_turns, random_unet, report

models = [("embedded", "weights/emoji-world/unet/config.json", 32, 8)]
if "--full" in sys.argv:
    models.append(("SD 1.4", "bench/unetSd14.json", 77, 100))

for name, file, tokens, seconds in models:
    unet = random_unet(file).train()  # Required for checkpointing; there is no dropout.
    size = unet.config.sample_size
    latents = torch.randn(1, unet.config.in_channels, size, size, requires_grad=True)
    context = torch.randn(1, tokens, unet.config.cross_attention_dim, requires_grad=True)

    def forward():
        with torch.no_grad():
            unet(latents, 981, context)

    def gradients():
        torch.autograd.grad(unet(latents, 981, context).sample.square().sum(), (latents, context))

    def recomputing():
        unet.enable_gradient_checkpointing()
        gradients()
        unet.disable_gradient_checkpointing()

    if name != "embedded":
        recomputing()
        report(work=name, peak=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    in_turns({
        f"forward, {name}, 1 row": forward,
        f"forward and backward, {name}, 1 row": gradients,
        f"forward and backward, {name}, 1 row, activations computed anew": recomputing,
    }, seconds)
