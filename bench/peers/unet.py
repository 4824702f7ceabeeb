"""The peer of bench/unet.ts, PyTorch on as many threads as there are cores: the same UNets in diffusers with fused attention, and with an
edit's controller the way the method's authors do it."""
import json
import os
import statistics
import sys
import time

import torch
from diffusers import UNet2DConditionModel

from control import control

threads = len(os.sched_getaffinity(0))
torch.set_num_threads(threads)
models = [("embedded", "weights/emoji-world/unet/config.json", 32, 10)]
if "--full" in sys.argv:
    models.append(("SD 1.4", "bench/unetSd14.json", 77, 60))


def timings(work, step, seconds):
    """Runs it for some seconds and three times at least, once more at first, and prints what it took in milliseconds."""
    step()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    quartiles = statistics.quantiles(times, n=4)
    print(json.dumps({
        "backend": f"PyTorch {torch.__version__}", "threads": threads, "work": work,
        "best": round(min(times), 1), "median": round(quartiles[1], 1), "spread": round(quartiles[2] - quartiles[0], 1), "runs": len(times),
    }), flush=True)


with torch.no_grad():
    for name, file, tokens, seconds in models:
        with open(file) as config:
            unet = UNet2DConditionModel.from_config(json.load(config)).eval()
        size = unet.config.sample_size
        latents = torch.randn(4, unet.config.in_channels, size, size)
        context = torch.randn(4, tokens, unet.config.cross_attention_dim)
        timings(f"UNet step, {name}, 4 rows", lambda: unet(latents, 981, context), seconds)
        controller = control(unet, tokens)

        def edit():
            unet(latents, 981, context)
            controller.end_of_step()

        timings(f"edit step, {name}, 4 rows", edit, seconds)
