"""The peer of bench/growth.ts at the same points (growth/points.ts, growth/sizes.json), PyTorch with diffusers: a plain run of DDIM with fused
attention, and an edit as in the authors' code. Every point runs in its own process with at most 10 GB; points that need more are reported as such."""
import json
import os
import resource
import sys
import time

import torch
from diffusers import DDIMScheduler

from control import control
from measure import random_unet, report, summary, threads

MEMORY = 10 * 10**9


def points_of(size):
    """Like growth/points.ts."""
    usual = {key: size[key] for key in ("config", "tokens", "rows", "latents", "runs")} | {"steps": 1, "share": 1, "threads": threads}
    for axis, values in (size["axes"] | {"threads": sorted({1, threads})}).items():
        for at in values:
            point = usual | ({"steps": size["shareSteps"]} if axis == "share" else {}) | {axis: at}
            works = ["plain"] if point["rows"] == 1 else ["edit"] if axis in ("steps", "share") else ["plain", "edit"]
            # With fused attention nothing is injected: its run is the same at every share.
            for work in works + (["plain"] if axis in ("steps", "share") else []):
                yield axis, at, point | {"work": work}


def run_of(point):
    """Returns a function that runs a point for a number of steps."""
    unet = random_unet(point["config"])
    rows, size = point["rows"], point["latents"]
    guidance = rows > 2
    prompts = rows // 2 if guidance else rows
    scheduler = DDIMScheduler.from_pretrained("weights/emoji-world/scheduler")
    noise = torch.randn(prompts, unet.config.in_channels, size, size)
    context = torch.randn(rows, point["tokens"], unet.config.cross_attention_dim)
    controller = control(unet, point["tokens"], prompts) if point["work"] == "edit" else None

    def run(steps):
        scheduler.set_timesteps(steps)
        latents = noise
        for step, timestep in enumerate(scheduler.timesteps):
            if controller:
                controller.injects = step < point["share"] * steps
            prediction = unet(torch.cat([latents, latents]) if guidance else latents, timestep, context).sample
            if guidance:
                unconditional, conditional = prediction.chunk(2)
                prediction = unconditional + 7.5 * (conditional - unconditional)
            latents = scheduler.step(prediction, timestep, latents).prev_sample
            if controller:
                controller.end_of_step()

    return run


def measure(point):
    torch.set_num_threads(point["threads"])
    torch.set_grad_enabled(False)
    run = run_of(point)
    run(1)
    times = []
    for _ in range(point["runs"]):
        start = time.perf_counter()
        run(point["steps"])
        times.append(1000 * (time.perf_counter() - start))
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return summary(times) | {"peak": peak}


def in_process(point):
    """Forks, so that the packages are imported only once; nothing has been computed before."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        try:
            result = measure(point)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
                raise
            result = {"stopped": f"more than {MEMORY // 10**9} GB"}
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"stopped": "the process ended"}


def main():
    done = {}
    with open("bench/growth/sizes.json") as file:
        sizes = json.load(file)
    for size in sizes:
        if size.get("full") and "--full" not in sys.argv:
            continue
        for axis, at, point in points_of(size):
            # A run without an edit is the same at every share: measure it once.
            key = json.dumps(point | ({"share": 1} if point["work"] == "plain" else {}))
            if key not in done:
                done[key] = in_process(point)
            report(threads=point["threads"], work=point["work"], size=size["name"], axis=axis, at=at, steps=point["steps"], **done[key])


if __name__ == "__main__":
    main()
