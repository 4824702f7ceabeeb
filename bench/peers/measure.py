"""Shared by the peers: timing and output like those of bench/measure.ts, and UNets with random weights."""
import json
import os
import statistics
import time

import torch
from diffusers import UNet2DConditionModel

threads = len(os.sched_getaffinity(0))
torch.set_num_threads(threads)


def report(**line):
    print(json.dumps({"backend": f"PyTorch {torch.__version__}", "threads": threads, **line}), flush=True)


def summary(times):
    """Of times in milliseconds; the spread is from the first quartile to the third."""
    quartiles = statistics.quantiles(times, n=4, method="inclusive")
    return dict(best=round(min(times), 1), median=round(quartiles[1], 1), spread=round(quartiles[2] - quartiles[0], 1), runs=len(times))


def in_turns(works, seconds, **line):
    """Runs all of them in turns for some seconds but at least three times, after one turn to warm up, and prints the times in milliseconds."""
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
        report(work=work, **summary(all_), **line)


def random_unet(path):
    """Skips PyTorch's own initialisation, which is slow."""
    with open(path) as config, torch.device("meta"):
        unet = UNet2DConditionModel.from_config(json.load(config))
    unet.to_empty(device="cpu").requires_grad_(False)
    for parameter in unet.parameters():
        parameter.uniform_(-0.03, 0.03)
    return unet.eval()
