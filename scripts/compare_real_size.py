"""Compares this project with diffusers at a checkpoint's real size, on the same weights and inputs.

The two take turns, so that other load on the machine affects both:

    python3 scripts/make_random_checkpoint.py OUT
    npm run build && python3 scripts/compare_real_size.py OUT/diffusers [--single-file OUT/single-file/model.safetensors]

It measures loading, the text encoder, the UNet for 4 rows (two prompts with guidance) alone and with an edit's controller, and decoding one picture:
for each, the largest difference in standard deviations of the result, the best and the median time of some turns after a first one, and the process's
peak memory so far. In diffusers, an edit works as in the authors' code (bench/peers/control.py); without one, attention is fused. Loading is compared
with that of safetensors, with every tensor copied into its own memory. At Stable Diffusion's size, both together take 18 GB of memory and some ten
minutes on two cores. Needs torch, diffusers, transformers, safetensors.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
WORKS = ("text encoder", "UNet step", "edit step", "VAE decode")


def tell(work, seconds):
    print(json.dumps({"work": work, "seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}), flush=True)


def load(checkpoint):
    """Diffusers' half: loading."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    start = time.perf_counter()
    kept = [tensor.clone() for file in sorted(checkpoint.glob("*/*.safetensors")) for tensor in load_file(file).values()]  # The files are memory-mapped: this reads them.
    tell("load", time.perf_counter() - start)
    del kept


def serve(checkpoint, inputs, outputs):
    """Diffusers' half: runs the computations whose names it reads, one per line, and saves the last result of each."""
    sys.path.insert(0, str(HERE.parent / "bench" / "peers"))
    import torch
    from control import control
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextModel

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_grad_enabled(False)
    text_encoder = CLIPTextModel.from_pretrained(checkpoint / "text_encoder").eval()
    unet = UNet2DConditionModel.from_pretrained(checkpoint / "unet").eval()
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae").eval()
    given = load_file(inputs)
    latents, context = given["latents"].permute(0, 3, 1, 2).contiguous(), given["context"]
    controller = None

    def step():
        return unet(latents, 981, context).sample.permute(0, 2, 3, 1)

    def edit():
        nonlocal controller
        controller = controller or control(unet, context.shape[1])
        result = step()
        controller.end_of_step()
        return result

    computations = dict(zip(WORKS, (
        lambda: text_encoder(given["ids"].long())[0], step, edit,
        lambda: vae.decode(latents[:1]).sample.permute(0, 2, 3, 1),
    )))
    kept = {}
    for work in map(str.strip, sys.stdin):
        start = time.perf_counter()
        kept[work] = computations[work]().contiguous()
        tell(work, time.perf_counter() - start)
    save_file(kept, outputs)


def write_inputs(checkpoint, path):
    import torch
    from safetensors.torch import save_file

    unet, text = (json.loads((checkpoint / part / "config.json").read_text()) for part in ("unet", "text_encoder"))
    generator = torch.Generator().manual_seed(0)
    tokens, size = text["max_position_embeddings"], unet["sample_size"]
    save_file({
        "ids": torch.randint(0, text["vocab_size"], (3, tokens), generator=generator).float(),
        "latents": torch.randn(4, size, size, unet["in_channels"], generator=generator),
        "context": torch.randn(4, tokens, unet["cross_attention_dim"], generator=generator),
    }, path)


class Half:
    """A process that runs computations and reports their times: loading at its start, the others on request."""

    def __init__(self, *command):
        self.name = Path(command[0]).name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"})

    def told(self):
        for text in self.process.stdout:
            if text.startswith("{"):
                line = json.loads(text)
                print(f"{self.name}: {line['work']}, {line['seconds']:.2f} s", file=sys.stderr, flush=True)
                return line
        sys.exit(f"{self.name} ended with {self.process.wait()}")

    def asked(self, work):
        print(work, file=self.process.stdin, flush=True)
        return self.told()

    def end(self):
        self.process.stdin.close()
        if self.process.wait():
            sys.exit(f"{self.name} ended with {self.process.returncode}")


def loading(*command):
    half = Half(*command)
    line = half.told()
    half.end()
    return line


def report(work, difference, ours, theirs):
    """Prints, for both halves' turns, the best and median times, their ratios, and the last peak of memory."""
    times = [[line["seconds"] for line in turns] for turns in (ours, theirs)]
    row = []
    for summary in (min, statistics.median):
        here, there = map(summary, times)
        row += [here, there, here / there]
    print(f"{work:14}{difference:>12}" + "".join(f"{value:11.2f}" for value in row) + "".join(f"{turns[-1]['peak']:11.1f}" for turns in (ours, theirs)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="a folder in the diffusers layout")
    parser.add_argument("--single-file", type=Path, help="the same checkpoint as a single file, to time its loading")
    parser.add_argument("--backend", default="node")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--half", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.half is not None:
        return serve(options.checkpoint, *options.half) if options.half else load(options.checkpoint)

    from safetensors.torch import load_file
    here = ("node", HERE / "realSize.js", options.checkpoint, options.backend)
    there = (sys.executable, __file__, options.checkpoint, "--half")
    turns = {"load": [(loading(*here), loading(*there)) for _ in range(options.turns + 1)]}
    with tempfile.TemporaryDirectory() as folder:
        inputs, ours, theirs = (f"{folder}/{name}.safetensors" for name in ("inputs", "ours", "theirs"))
        write_inputs(options.checkpoint, inputs)
        halves = Half(*here, inputs, ours), Half(*there, inputs, theirs)
        halves[0].told()
        for work in WORKS:
            turns[work] = [tuple(half.asked(work) for half in halves) for _ in range(options.turns + 1)]
        for half in halves:
            half.end()
        results, expected = load_file(ours), load_file(theirs)
    columns = ("seconds", "diffusers", "ratio", "middle", "diffusers", "ratio", "GB", "diffusers")
    print(f"{'':14}{'difference':>12}" + "".join(f"{column:>11}" for column in columns))
    for work, lines in turns.items():
        difference = f"{((results[work] - expected[work]).abs().max() / expected[work].std()).item():.1e}" if work in results else ""
        report(work, difference, *zip(*lines[1:]))
    if options.single_file:
        loaded = loading("node", HERE / "realSize.js", options.single_file, options.backend)
        print(f"{'load, one file':14}{'':>12}{loaded['seconds']:11.2f}")


if __name__ == "__main__":
    main()
