"""The peer of bench/gradients.ts: the same UNets in diffusers with fused attention; the gradient with activations that are kept and, as ours, computed
anew (gradient checkpointing). Memory at its peak is that of a process that only ever did the latter."""
import json
import os
import resource
import statistics
import sys
import time

import torch
from diffusers import UNet2DConditionModel

threads = len(os.sched_getaffinity(0))
torch.set_num_threads(threads)
models = [("embedded", "weights/emoji-world/unet/config.json", 32, 8)]
if "--full" in sys.argv:
    models.append(("SD 1.4", "bench/unetSd14.json", 77, 100))


def report(**line):
    print(json.dumps({"backend": f"PyTorch {torch.__version__}", "threads": threads, **line}), flush=True)


def in_turns(works, seconds):
    """Runs all of them in turns for some seconds and three times at least, once more at first, and prints what they took in milliseconds."""
    times = {work: [] for work in works}
    turn, end = 0, float("inf")
    while turn < 4 or time.perf_counter() < end:
        for work, step in works.items():
            start = time.perf_counter()
            step()
            if turn > 0:
                times[work].append(1000 * (time.perf_counter() - start))
        if turn == 0:
            end = time.perf_counter() + seconds
        turn += 1
    for work, all_ in times.items():
        quartiles = statistics.quantiles(all_, n=4, method="inclusive")
        report(work=work, best=round(min(all_), 1), median=round(quartiles[1], 1), spread=round(quartiles[2] - quartiles[0], 1), runs=len(all_))


def random_unet(path):
    """Without PyTorch's own initialisation, which takes long."""
    with open(path) as config, torch.device("meta"):
        unet = UNet2DConditionModel.from_config(json.load(config))
    unet.to_empty(device="cpu").requires_grad_(False)
    for parameter in unet.parameters():
        parameter.uniform_(-0.03, 0.03)
    return unet.train()  # As checkpointing asks; there is no dropout.


for name, file, tokens, seconds in models:
    unet = random_unet(file)
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
