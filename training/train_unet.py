"""Stage 3: train the text encoder and the UNet together to predict the noise in noisy latents, given a
caption.

The learning rate is held constant, so the run can go on for as long as there is time. `--decay` branches off
a finished model: it starts from the run's checkpoint, lets the rate decay to almost zero, which sharpens
everything, and leaves the run itself unchanged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

import tokenizer as clip_tokenizer
from attention_maps import inject_self_attention, pointing_loss, record_cross_attention
from encode import NOTHING
from networks import build_scheduler, build_text_encoder, build_unet
from pictures import save_sheet
from runs import ROOT, Run, learning_rate
from sample import LOOK, Model
from world import vocabulary as v

PEAK, WARMUP, BATCH = 8e-4, 150, 24
EMPTY_CAPTIONS = 0.15  # so that the model also learns to draw without a prompt, which guidance needs
MIN_SNR = 5.0  # Hang et al. 2023: limits the weight of timesteps with little noise
POINTING = 0.01  # weight of the pointing loss
INJECTED_CROSS, INJECTED_SELF, SHARED_WORDS = 0.8, 0.6, 0.5  # shares of a batch's edits
LAYOUT = 0.25  # share of the timesteps moved to the noisiest quarter, where the layout is decided
LOCALITY = 0.3  # weight of an edit's changes where nothing should change
SAME = 0.1  # latents of a picture and of its true edit that differ by less than this count as unchanged
#: How much more often pictures with these words are drawn than others, because they are rare.
RARE = {"snowy": 2, "fluffy": 4, "blossom": 4, "pencil": 2, **dict.fromkeys(v.MATERIALS, 2)}
#: The same for pictures to whose captions an edit brings these: times change every pixel, colours are rare.
ADDED = {"sunset": 4, "night": 4, **dict.fromkeys(v.COLOURS, 8), **dict.fromkeys(v.MATERIALS, 6)}


WEIGHTS = {"text_encoder": "model.safetensors", "unet": "diffusion_pytorch_model.safetensors"}


class Batches:
    """Random batches of noisy latents from `encode.py`'s file: pictures without edits, then sources, then
    their edits."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        for name, tensor in torch.load(ROOT / "latents.pt", weights_only=True).items():
            setattr(self, name, tensor)
        self.alphas_cumprod = build_scheduler().alphas_cumprod
        self.chances = torch.ones(len(self.tokens) // 2)

        def says(tokens: torch.Tensor, word: str) -> torch.Tensor:
            return (tokens == tokenizer.convert_tokens_to_ids(f"{word}</w>")).any(1)

        originals, edits = self.tokens[::2], self.tokens[1::2]
        for word, times in ADDED.items():
            self.chances[says(edits, word) & ~says(originals, word)] = times
        for word, times in RARE.items():
            self.chances[says(originals, word)] = times

    def draw(self, size: int) -> dict[str, torch.Tensor]:
        edits = size // 3
        alone = size - 2 * edits
        originals = 2 * self.chances.multinomial(alone + edits)  # every second picture is an edit
        chosen = torch.cat([originals, originals[alone:] + 1])

        def shared(x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, x[alone:]])

        mean, std = self.latents[chosen].float().chunk(2, dim=1)
        noise = shared(torch.randn_like(mean[: alone + edits]))
        t = torch.randint(1000, (alone + edits,))
        t = shared(torch.where(torch.rand(len(t)) < LAYOUT, 750 + t // 4, t))
        signal = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        before, after = mean[alone:].chunk(2)
        clean = mean + std * shared(torch.randn_like(std[: alone + edits]))
        tokens, owners, amounts = self.tokens[chosen], self.owners[chosen], self.amounts[chosen]
        silent = shared(torch.rand(alone + edits) < EMPTY_CAPTIONS * size / alone)
        silent[alone:] = False  # An edit needs a caption.
        tokens[silent], owners[silent], amounts[silent] = self.empty, NOTHING, 1
        return {
            "noisy": signal.sqrt() * clean + (1 - signal).sqrt() * noise,
            "noise": noise,
            "t": t,
            "tokens": tokens,
            "signal": signal.flatten(),
            "amounts": amounts,
            "masks": self.masks[chosen].float()[torch.arange(size)[:, None], owners],
            "sources": self.sources[chosen[-edits:]],
            "same": ((after - before).abs().amax(1, keepdim=True) < SAME).float(),
        }


def encode_prompts(text_encoder, tokens: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """[rows, tokens, width]. In half of the edits, the words that stay take their embeddings from the
    source's prompt."""
    encoded = text_encoder(tokens)[0]
    edits = len(sources)
    taken = sources.clamp_min(0)
    stays = (sources >= 0) & (tokens[-2 * edits : -edits].gather(1, taken) == tokens[-edits:])
    stays &= torch.rand(edits, 1) < SHARED_WORDS
    others, before, after = encoded.split([len(encoded) - 2 * edits, edits, edits])
    sentence = before.gather(1, taken[..., None].expand_as(before))
    return torch.cat([others, before, torch.where(stays[..., None], sentence, after)])


def losses(unet, text_encoder, recorders, injectors, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The denoising loss, the pointing loss, and edits' changes where nothing should change: [3]."""
    sources = batch["sources"]
    dice = torch.rand(len(sources), 1)  # Edits that inject self-attention also inject cross-attention.
    for recorder in recorders:
        recorder.weights = batch["amounts"]
        recorder.sources = torch.where(dice < INJECTED_CROSS, sources, -1)
    for injector in injectors:
        injector.injected = dice < INJECTED_SELF
    prompts = encode_prompts(text_encoder, batch["tokens"], sources)
    predicted = unet(batch["noisy"], batch["t"], prompts).sample
    error = (predicted - batch["noise"]).pow(2).mean((1, 2, 3))
    signal = batch["signal"]
    weight = (MIN_SNR * (1 - signal) / signal).clamp(max=1)
    # In strong noise nobody can know where a thing will be: maps are weighted by the signal.
    pointing = pointing_loss(recorders, batch["masks"], signal.sqrt())
    return torch.stack([(error * weight).mean(), pointing, strayed(predicted, dice < INJECTED_CROSS, batch)])


def strayed(predicted: torch.Tensor, injected: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The mean square difference of edits' predicted clean latents from their sources', where nothing should
    change."""
    before, after = predicted[-2 * len(injected) :].chunk(2)
    where = batch["same"] * injected[..., None, None]
    noise_to_signal = (1 / batch["signal"][-len(injected) :] - 1).view(-1, 1, 1, 1)
    change = (after - before.detach()).pow(2).mean(1, keepdim=True) * noise_to_signal
    return (change * where).sum() / where.sum().clamp_min(1)


def go_on_from(folder: Path, networks: dict[str, nn.Module], tokenizer: CLIPTokenizer) -> None:
    """Load a finished model. Its vocabulary may be smaller: new words start near the mean of their kind, or
    at random."""
    for name, network in networks.items():
        state = {key: value.float() for key, value in load_file(folder / name / WEIGHTS[name]).items()}
        if name == "text_encoder":
            known = CLIPTokenizer.from_pretrained(folder / "tokenizer").get_vocab()
            shared = [(row, known[token]) for token, row in tokenizer.get_vocab().items() if token in known]
            ours, theirs = map(list, zip(*shared))
            (embedding,) = (key for key in state if key.endswith("token_embedding.weight"))
            whole = network.get_input_embeddings().weight.detach().clone()
            whole[ours] = state[embedding][theirs]
            # New words start near the mean of their kind.
            for kin in (*v.INTERCHANGEABLE, v.COLOURS + v.MATERIALS):
                rows = [tokenizer.convert_tokens_to_ids(f"{word}</w>") for word in kin]
                usual = whole[[row for row in rows if row in set(ours)]].mean(0)
                whole[[row for row in rows if row not in set(ours)]] += usual
            state[embedding] = whole
        network.load_state_dict(state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=7000, help="of the run as a whole")
    parser.add_argument("--decay", type=int, help="branch off, and decay over this many steps")
    parser.add_argument("--rate", type=float, default=PEAK, help="the learning rate that is held, or falls")
    parser.add_argument("--from", dest="start", type=Path, help="a finished model to go on from")
    parser.add_argument("--bfloat16", action="store_true", help="compute in it: 1.4x where the processor can")
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = clip_tokenizer.load(ROOT / "model" / "tokenizer")
    text_encoder, unet = build_text_encoder(tokenizer), build_unet()
    networks = {"text_encoder": text_encoder, "unet": unet}
    if args.start:
        go_on_from(args.start, networks, tokenizer)
    recorders, injectors = record_cross_attention(unet), inject_self_attention(unet)
    parameters = [p for network in networks.values() for p in network.parameters()]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    run = Run("unet-decay" if args.decay else "unet", networks, optimizer, ema_decay=0.998)
    if not run.resume() and args.decay:
        run.branch(ROOT / "unet.pt")
    total = run.branched_at + args.decay if args.decay else None
    last = total or args.steps
    batches = Batches(tokenizer)
    running = torch.zeros(3)
    weights = torch.tensor([1.0, POINTING, LOCALITY])
    while run.step < last:
        run.seed_step()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
            parts = losses(unet, text_encoder, recorders, injectors, batches.draw(BATCH // run.workers))
        rate = learning_rate(run.step, args.rate, WARMUP, total, run.branched_at)
        run.update((weights * parts).sum(), rate)
        running += parts.detach()
        if run.step % 50 == 0:
            if run.leads:
                denoising, pointing, strayed_ = running / 50
                run.log(denoising=denoising, pointing=pointing, strayed=strayed_, rate=rate)
            running.zero_()
        if run.leads and (run.step % 250 == 0 or run.step == last):
            run.save()
        if run.leads and (run.step % 500 == 0 or run.step == last):
            look(run, tokenizer, networks, recorders, injectors)
            if args.decay:
                run.save_ema(ROOT / "model")
                build_scheduler().save_pretrained(ROOT / "model" / "scheduler")


def look(run: Run, tokenizer, networks, recorders, injectors) -> None:
    """Save a sheet of samples drawn with the averaged weights."""
    run.swap_ema()
    for recorder in recorders:
        recorder.weights = recorder.sources = None
    for injector in injectors:
        injector.injected = None
    vae = AutoencoderKL.from_pretrained(ROOT / "model" / "vae").eval()
    model = Model(tokenizer, networks["text_encoder"].eval(), networks["unet"].eval(), vae, build_scheduler())
    save_sheet(
        ROOT / "looks" / f"{run.path.stem}-{run.step:06}.png", model.draw(LOOK, seed=3, steps=20), columns=8
    )
    run.swap_ema()


if __name__ == "__main__":
    main()
