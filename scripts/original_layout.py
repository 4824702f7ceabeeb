"""Renames diffusers' tensors to the names of Stable Diffusion's original code, for writing single-file checkpoints.

The inverse is diffusers' own (diffusers.loaders.single_file_utils); test/fixtures/weights/original_layout.py checks one against the other. Each
function takes a state dict and returns an iterator of (original key, tensor), so that a large model is renamed without copying it.
"""
import re

import torch

UNET_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET_ENDS = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}


def replace_start(key, table):
    for old, new in table.items():
        if key.startswith(old + "."):
            return new + key[len(old):]
    return None


def unet(state):
    layers = 1 + max(int(m[1]) for m in (re.match(r"down_blocks\.0\.resnets\.(\d+)\.", key) for key in state) if m)
    attended = {m[1] for m in (re.match(r"(up_blocks\.\d+)\.attentions\.", key) for key in state) if m}
    for key, tensor in state.items():
        name = replace_start(key, UNET_ENDS)
        if m := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", key):
            place = f"input_blocks.{1 + int(m[2]) * (layers + 1) + int(m[4])}" if m[1] == "down" else f"output_blocks.{int(m[2]) * (layers + 1) + int(m[4])}"
            name = f"{place}.0.{replace_start(m[5], UNET_RESNET)}" if m[3] == "resnets" else f"{place}.1.{m[5]}"
        elif m := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.+)", key):
            name = f"input_blocks.{(int(m[1]) + 1) * (layers + 1)}.0.op.{m[2]}"
        elif m := re.match(r"(up_blocks\.(\d+))\.upsamplers\.0\.(conv\..+)", key):
            name = f"output_blocks.{int(m[2]) * (layers + 1) + layers}.{2 if m[1] in attended else 1}.{m[3]}"
        elif m := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", key):
            name = f"middle_block.{2 * int(m[2])}.{replace_start(m[3], UNET_RESNET)}" if m[1] == "resnets" else f"middle_block.1.{m[3]}"
        yield f"model.diffusion_model.{name}", tensor


def vae(state):
    levels = 1 + max(int(m[1]) for m in (re.match(r"decoder\.up_blocks\.(\d+)\.", key) for key in state) if m)
    for key, tensor in state.items():
        name = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
        name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        if m := re.match(r"(.+)\.mid_block\.attentions\.0\.(.+)", name):
            name = f"{m[1]}.mid.attn_1.{replace_start(m[2], VAE_ATTENTION)}"
            if tensor.ndim == 2:
                tensor = tensor[:, :, None, None]
        yield f"first_stage_model.{name}", tensor


def clip(state):
    """CLIP as transformers saved it when Stable Diffusion 1 was published."""
    for key, tensor in state.items():
        yield f"cond_stage_model.transformer.{with_prefix(key)}", tensor
    positions = state[next(key for key in state if key.endswith("position_embedding.weight"))].shape[0]
    yield "cond_stage_model.transformer.text_model.embeddings.position_ids", torch.arange(positions)[None]


def open_clip(state):
    """OpenCLIP's text tower. Its last layer, which Stable Diffusion 2 does not use, is a copy of the one before it."""
    prefix = "cond_stage_model.model."
    state = {with_prefix(key)[len("text_model."):]: tensor for key, tensor in state.items()}
    layers = 1 + max(int(m[1]) for m in (re.match(r"encoder\.layers\.(\d+)\.", key) for key in state) if m)
    width = state["embeddings.token_embedding.weight"].shape[1]
    yield f"{prefix}positional_embedding", state["embeddings.position_embedding.weight"]
    yield f"{prefix}token_embedding.weight", state["embeddings.token_embedding.weight"]
    for i in range(layers + 1):
        source, path = f"encoder.layers.{min(i, layers - 1)}.", f"{prefix}transformer.resblocks.{i}."
        for kind in ("weight", "bias"):
            yield f"{path}attn.in_proj_{kind}", torch.cat([state[f"{source}self_attn.{part}_proj.{kind}"] for part in "qkv"])
            for old, new in OPEN_CLIP.items():
                yield f"{path}{new}.{kind}", state[f"{source}{old}.{kind}"]
    for kind in ("weight", "bias"):
        yield f"{prefix}ln_final.{kind}", state[f"final_layer_norm.{kind}"]
    yield f"{prefix}text_projection", torch.zeros(width, width)
    yield f"{prefix}logit_scale", torch.tensor(4.6)


def with_prefix(key):
    return key if key.startswith("text_model.") else f"text_model.{key}"


def training_leftovers():
    """Tensors that training leaves in checkpoints and that no network needs."""
    yield "betas", torch.linspace(0.00085, 0.012, 10)
    yield "model_ema.decay", torch.tensor(0.9999)
    yield "model_ema.num_updates", torch.tensor(1)
