"""Compares this project with diffusers at a checkpoint's real size, on the same weights and inputs, one after the other:

    python3 scripts/make_random_checkpoint.py OUT
    npm run build && python3 scripts/compare_real_size.py OUT/diffusers [--single-file OUT/single-file/model.safetensors]

Loading, the text encoder, the UNet for 4 rows (two prompts with guidance) by itself and with an edit's controller, decoding one picture: for each the
largest difference as a share of the result's standard deviation, the best time of some runs after a first one, and the peak of the process's memory up
to there. An edit in diffusers is done as the method's authors do it (bench/peers/control.py); without one, its attention is fused. Needs torch, diffusers, transformers, safetensors.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def peer(checkpoint, runs, inputs, outputs):
    """Diffusers' half, in a process of its own: prints a line of JSON for each work."""
    sys.path.insert(0, str(HERE.parent / "bench" / "peers"))
    import torch
    from control import control
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextModel

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_grad_enabled(False)
    kept = {}

    def tell(work, seconds):
        print(json.dumps({"work": work, "seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}), flush=True)

    def measure(work, compute):
        times = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            kept[work] = compute().contiguous()
            times.append(time.perf_counter() - start)
        tell(work, min(times[1:]))

    start = time.perf_counter()
    for file in sorted(checkpoint.glob("*/*.safetensors")):
        for tensor in load_file(file).values():
            tensor.add(0).sum()  # The file is mapped into memory: this reads it.
    tell("load", time.perf_counter() - start)

    text_encoder = CLIPTextModel.from_pretrained(checkpoint / "text_encoder").eval()
    unet = UNet2DConditionModel.from_pretrained(checkpoint / "unet").eval()
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae").eval()
    given = load_file(inputs)
    latents, context = given["latents"].permute(0, 3, 1, 2).contiguous(), given["context"]
    measure("text encoder", lambda: text_encoder(given["ids"].long())[0])
    measure("UNet step", lambda: unet(latents, 981, context).sample.permute(0, 2, 3, 1))
    controller = control(unet, context.shape[1])

    def edit():
        result = unet(latents, 981, context).sample.permute(0, 2, 3, 1)
        controller.end_of_step()
        return result

    measure("edit step", edit)
    measure("VAE decode", lambda: vae.decode(latents[:1]).sample.permute(0, 2, 3, 1))
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


def run(*command):
    """Runs a half and tells how it goes on. Returns what it printed, by work."""
    lines = {}
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}) as half:
        for text in half.stdout:
            if text.startswith("{"):
                line = json.loads(text)
                lines[line["work"]] = line
                print(f"{Path(command[0]).name}: {line['work']}, {line['seconds']:.2f} s", file=sys.stderr, flush=True)
    if half.returncode:
        sys.exit(f"{command[0]} ended with {half.returncode}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="a folder in the diffusers layout")
    parser.add_argument("--single-file", type=Path, help="the same checkpoint as a single file, to time its loading")
    parser.add_argument("--backend", default="node")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--half", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.half:
        return peer(options.checkpoint, options.runs, *options.half)

    from safetensors.torch import load_file
    with tempfile.TemporaryDirectory() as folder:
        inputs, ours, theirs = (f"{folder}/{name}.safetensors" for name in ("inputs", "ours", "theirs"))
        write_inputs(options.checkpoint, inputs)
        here = run("node", HERE / "realSize.js", options.checkpoint, options.backend, options.runs, inputs, ours)
        there = run(sys.executable, __file__, options.checkpoint, "--runs", options.runs, "--half", inputs, theirs)
        results, expected = load_file(ours), load_file(theirs)
    print(f"{'':14}{'difference':>12}{'seconds':>10}{'diffusers':>11}{'ratio':>7}{'GB':>7}{'diffusers':>11}")
    for work, one in here.items():
        other = there[work]
        difference = f"{((results[work] - expected[work]).abs().max() / expected[work].std()).item():.1e}" if work in results else ""
        print(f"{work:14}{difference:>12}{one['seconds']:10.2f}{other['seconds']:11.2f}{one['seconds'] / other['seconds']:7.2f}{one['peak']:7.1f}{other['peak']:11.1f}")
    if options.single_file:
        loaded = run("node", HERE / "realSize.js", options.single_file, options.backend, 0)
        print(f"{'load, one file':14}{'':>12}{loaded['load']['seconds']:10.2f}{'':>18}{loaded['load']['peak']:7.1f}")


if __name__ == "__main__":
    main()
