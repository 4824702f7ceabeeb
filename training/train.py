"""Run a stage by name, or all of them in order: `python3 train.py vae`, `python3 train.py all`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from runs import ROOT

HERE = Path(__file__).parent
#: Stage -> its command. Training stages split each batch among one process per core.
STAGES = {
    "half": ["torchrun", "train_vae.py", "--half"],
    "vae": ["torchrun", "train_vae.py", "--grow", str(ROOT / "half")],
    "encode": ["python", "encode.py"],
    "unet": ["torchrun", "train_unet.py"],
    "decay": ["torchrun", "train_unet.py", "--decay", "3200"],
    "judge": ["torchrun", "train_judge.py"],
    "evaluate": ["python", "evaluate.py"],
    "export": ["python", "export.py", str(HERE.parent / "weights" / "emoji-world")],
}


def run(stage: str, extra: list[str]) -> None:
    program, *arguments = STAGES[stage]
    launcher = (
        ["-m", "torch.distributed.run", f"--nproc_per_node={os.cpu_count()}"] if program == "torchrun" else []
    )
    threads = {"OMP_NUM_THREADS": "1"} if launcher else {}
    print(f"== {stage}", flush=True)
    subprocess.run(
        [sys.executable, *launcher, *arguments, *extra], cwd=HERE, env=os.environ | threads, check=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--bfloat16", action="store_true", help="train in it, where the processor can")
    args, extra = parser.parse_known_args()
    for stage in STAGES if args.stage == "all" else [args.stage]:
        trains = STAGES[stage][0] == "torchrun"
        run(stage, [*extra, "--bfloat16"] if args.bfloat16 and trains else extra)


if __name__ == "__main__":
    main()
