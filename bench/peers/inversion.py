"""The peer of bench/inversion.ts, on as many threads as there are cores: the embedded UNet in diffusers, asked as often as the published
direct inversion asks it (PnPInversion: one row a step to invert, four to find the offsets, four to edit), with the authors' controller
in the edit. Only the UNet is timed; every edit is the whole of it, as nothing is kept."""
import json
import os
import time

import torch
from diffusers import UNet2DConditionModel

from control import control

STEPS = 10
threads = len(os.sched_getaffinity(0))
torch.set_num_threads(threads)


def embedded():
    with open("weights/emoji-world/unet/config.json") as config:
        return UNet2DConditionModel.from_config(json.load(config)).eval()


with torch.no_grad():
    plain, controlled = embedded(), embedded()
    controller = control(controlled, 32)
    size, channels, width = plain.config.sample_size, plain.config.in_channels, plain.config.cross_attention_dim
    latents, context = torch.randn(4, channels, size, size), torch.randn(4, 32, width)

    def invert_and_edit():
        for _ in range(STEPS):
            plain(latents[:1], 981, context[:1])
        for _ in range(STEPS):
            plain(latents, 981, context)
        for _ in range(STEPS):
            controlled(latents, 981, context)
            controller.end_of_step()

    invert_and_edit()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        invert_and_edit()
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps({
        "backend": f"PyTorch {torch.__version__}", "threads": threads, "work": "invert and edit once",
        "best": round(min(times), 1), "median": round(sorted(times)[1], 1), "spread": round(max(times) - min(times), 1), "runs": len(times),
    }))
