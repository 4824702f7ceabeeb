"""A tokenizer in CLIP's format in which each word of the world is one token.

Any other text is split into bytes, as in CLIP.
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import CLIPTokenizer

from world.vocabulary import WORDS

CONTEXT = 32  # tokens, start and end included
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_alphabet() -> list[str]:
    """One printable character per byte, as in GPT-2 and CLIP."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def split(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """Byte pair encoding: join the earliest learnt pair, until none is left."""
    parts = [*word[:-1], word[-1] + "</w>"]
    while pairs := [pair for pair in zip(parts, parts[1:]) if pair in merges]:
        first = min(pairs, key=merges.index)
        joined, i = [], 0
        while i < len(parts):
            size = 2 if tuple(parts[i : i + 2]) == first else 1
            joined.append("".join(parts[i : i + size]))
            i += size
        parts = joined
    return parts


def merges_for(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merges that make every word one token: the parts that earlier merges leave are joined from the left."""
    merges: list[tuple[str, str]] = []
    for word in words:
        while len(parts := split(word, merges)) > 1:
            merges.append((parts[0], parts[1]))
    assert all(len(split(word, merges)) == 1 for word in words)
    return merges


def write(folder: Path) -> None:
    """vocab.json, merges.txt and the two small configs of an SD 1.x tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet, merges = byte_alphabet(), merges_for(WORDS)
    tokens = [
        *alphabet,
        *(c + "</w>" for c in alphabet),
        *dict.fromkeys(a + b for a, b in merges),
        START,
        END,
    ]
    merges_text = "".join(f"{a} {b}\n" for a, b in merges)
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
        "model_max_length": CONTEXT,
        **special,
    }
    _json(folder / "vocab.json", {token: i for i, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + merges_text, encoding="utf8")
    _json(folder / "special_tokens_map.json", special)
    _json(folder / "tokenizer_config.json", config)


def load(folder: Path) -> CLIPTokenizer:
    """The tokenizer in a folder, which is written first if necessary."""
    if not (folder / "vocab.json").exists():
        write(folder)
    return CLIPTokenizer.from_pretrained(folder)


def _json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf8")
