"""Stage 6: the finished model in the diffusers layout, float16 safetensors, as it is in the repository."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import diffusers
import torch
from safetensors.torch import load_file, save_file

from runs import ROOT

PARTS = {
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "DDIMScheduler"],
}


def to_half(path: Path) -> None:
    """Rewrite a safetensors file in float16; all its numbers must fit in float16."""
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(path).items()
    }
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"{path}: not finite in float16: {broken}")
    save_file(tensors, path, metadata={"format": "pt"})


def without_origin(path: Path) -> None:
    """Rewrite a config without the path that its network was last loaded from."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for example ../weights/emoji-world")
    args = parser.parse_args()
    for part in [*PARTS, "judge"]:
        shutil.copytree(ROOT / "model" / part, args.folder / part, dirs_exist_ok=True)
    for path in args.folder.rglob("*.safetensors"):
        to_half(path)
    for path in args.folder.rglob("config.json"):
        without_origin(path)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        **PARTS,
    }
    (args.folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    megabytes = sum(path.stat().st_size for path in args.folder.rglob("*.safetensors")) / 1e6
    print(f"{args.folder}: {megabytes:.1f} MB of weights")


if __name__ == "__main__":
    main()
