"""Writes a Stable Diffusion checkpoint with random weights, to test loading and speed at real size. Never commit its output: 4.3 GB.

    python3 scripts/make_random_checkpoint.py OUT                  # SD 1.4's configs, float32: OUT/diffusers/ and OUT/single-file/
    python3 scripts/make_random_checkpoint.py OUT --size tiny      # the same, thin: a few MB
    python3 scripts/make_random_checkpoint.py OUT --family sd2 --layout single-file --dtype float16

The weights are PyTorch's initial values for a seed, the same in both layouts. CLIP's vocabulary is not included: the tokenizer knows only single
characters, unless --tokenizer names a folder with vocab.json and merges.txt. Needs torch, diffusers, transformers, safetensors.
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

import original_layout

SIZES = {
    "full": {
        "sd1": dict(unet=[320, 640, 1280, 1280], vae=[128, 256, 512, 512], context=768, text=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, vocab_size=49408)),
        "sd2": dict(unet=[320, 640, 1280, 1280], vae=[128, 256, 512, 512], context=1024, text=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16, vocab_size=49408)),
    },
    "tiny": {
        "sd1": dict(unet=[32, 64], vae=[32, 32], context=64, text=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=1, vocab_size=514)),
        "sd2": dict(unet=[64, 128], vae=[32, 32], context=64, text=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=1, vocab_size=514)),
    },
}


def configs(size, family):
    """The four configs, with the keys and values of SD 1.4's and 2.1's repositories."""
    sizes = SIZES[size][family]
    levels, vae_levels = len(sizes["unet"]), len(sizes["vae"])
    layers = 2 if size == "full" else 1
    v_prediction = family == "sd2"
    unet = {
        "_class_name": "UNet2DConditionModel", "act_fn": "silu", "attention_head_dim": [c // 64 for c in sizes["unet"]] if family == "sd2" else 8,
        "block_out_channels": sizes["unet"], "center_input_sample": False, "cross_attention_dim": sizes["context"],
        "down_block_types": ["CrossAttnDownBlock2D"] * (levels - 1) + ["DownBlock2D"], "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0,
        "in_channels": 4, "layers_per_block": layers, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4,
        "sample_size": (96 if v_prediction else 64) if size == "full" else 16, "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * (levels - 1),
    } | ({"use_linear_projection": True} if family == "sd2" else {})
    vae = {
        "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": sizes["vae"], "down_block_types": ["DownEncoderBlock2D"] * vae_levels,
        "in_channels": 3, "latent_channels": 4, "layers_per_block": layers, "norm_num_groups": 32, "out_channels": 3, "sample_size": 512 if size == "full" else 32,
        "up_block_types": ["UpDecoderBlock2D"] * vae_levels,
    }
    text = {
        "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2,
        "hidden_act": "gelu" if family == "sd2" else "quick_gelu", "initializer_factor": 1.0, "initializer_range": 0.02, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "pad_token_id": 1, "torch_dtype": "float32",
    } | sizes["text"]
    scheduler = {
        "_class_name": "DDIMScheduler" if v_prediction else "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False,
        "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
    } | ({"prediction_type": "v_prediction"} if v_prediction else {})
    return unet, vae, text, scheduler


def characters():
    """CLIP's alphabet: a printable character for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(rest))]


def write_tokenizer(folder, source, vocabulary, pad_token):
    folder.mkdir(parents=True)
    if source:
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(Path(source) / name, folder / name)
    else:
        letters = characters()
        tokens = {token: i for i, token in enumerate(letters + [letter + "</w>" for letter in letters])}
        tokens |= {"<|startoftext|>": vocabulary - 2, "<|endoftext|>": vocabulary - 1}
        write_json(folder / "vocab.json", tokens)
        (folder / "merges.txt").write_text("#version: 0.2\n")
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": pad_token,
    })


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def weights(model, dtype):
    return {key: tensor.to(dtype).contiguous() for key, tensor in model.state_dict().items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="a folder that is not there yet")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--family", choices=["sd1", "sd2"], default="sd1")
    parser.add_argument("--layout", choices=["diffusers", "single-file", "both"], default="both")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", help="a folder with CLIP's vocab.json and merges.txt")
    options = parser.parse_args()
    options.out.mkdir(parents=True)

    torch.manual_seed(options.seed)
    unet, vae, text, scheduler = configs(options.size, options.family)
    dtype = getattr(torch, options.dtype)
    pad_token = "<|endoftext|>" if options.family == "sd1" or not options.tokenizer else "!"
    single = []
    for folder, name, config, make, encode in [
        ("text_encoder", "model", text, lambda c: CLIPTextModel(CLIPTextConfig(**c)), original_layout.clip if options.family == "sd1" else original_layout.open_clip),
        ("unet", "diffusion_pytorch_model", unet, UNet2DConditionModel.from_config, original_layout.unet),
        ("vae", "diffusion_pytorch_model", vae, AutoencoderKL.from_config, original_layout.vae),
    ]:
        state = weights(make(config), dtype)
        if folder == "text_encoder":
            state = {original_layout.with_prefix(key): tensor for key, tensor in state.items()}
        if options.layout != "single-file":
            write_json(options.out / "diffusers" / folder / "config.json", config)
            save_file(state, options.out / "diffusers" / folder / f"{name}.safetensors", metadata={"format": "pt"})
        if options.layout != "diffusers":
            single.append(encode(state))
    if options.layout != "single-file":
        write_json(options.out / "diffusers" / "scheduler" / "scheduler_config.json", scheduler)
        write_json(options.out / "diffusers" / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
        write_tokenizer(options.out / "diffusers" / "tokenizer", options.tokenizer, text["vocab_size"], pad_token)
    if options.layout != "diffusers":
        folder = options.out / "single-file"
        write_tokenizer(folder / "tokenizer", options.tokenizer, text["vocab_size"], pad_token)
        checkpoint = {key: tensor.contiguous().clone() if key.startswith("cond_stage") else tensor.contiguous() for part in single for key, tensor in part}
        save_file(checkpoint | dict(original_layout.training_leftovers()), folder / "model.safetensors")
