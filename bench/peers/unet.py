"""The peer of bench/unet.ts: the same UNets in diffusers, with fused attention, PyTorch on as many threads as there are cores."""
import json
import os
import statistics
import sys
import time

import torch
from diffusers import UNet2DConditionModel

threads = len(os.sched_getaffinity(0))
torch.set_num_threads(threads)
models = [("embedded", "weights/emoji-world/unet/config.json", 24, 10)]
if "--full" in sys.argv:
    models.append(("SD 1.4", "bench/unetSd14.json", 77, 60))

for name, file, tokens, seconds in models:
    with open(file) as config:
        unet = UNet2DConditionModel.from_config(json.load(config)).eval()
    size = unet.config.sample_size
    latents = torch.randn(4, unet.config.in_channels, size, size)
    context = torch.randn(4, tokens, unet.config.cross_attention_dim)
    times = []
    with torch.no_grad():
        unet(latents, 500, context)
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            unet(latents, 500, context)
            times.append(1000 * (time.perf_counter() - start))
    quartiles = statistics.quantiles(times, n=4)
    print(json.dumps({
        "backend": f"PyTorch {torch.__version__}", "threads": threads, "work": f"UNet step, {name}, 4 rows",
        "best": round(min(times), 1), "median": round(quartiles[1], 1), "spread": round(quartiles[2] - quartiles[0], 1), "runs": len(times),
    }))
