"""Shared by all trainings: resumable checkpoints, averaged weights, a log, several processes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

#: Data, checkpoints and logs. They are large, and not in git.
ROOT = Path(os.environ.get("TRAINING_RUNS", Path(__file__).parent / "runs"))


class Run:
    """One training: its networks, its optimizer, its EMA and its step, in one file on disk.

    All randomness comes from torch's global generator, reseeded with each step's number, so a killed run
    resumes as if nothing had happened. Started by `torchrun`, several single-threaded processes share each
    batch: on a busy machine that wastes less than several threads of one process.
    """

    def __init__(
        self, name: str, networks: dict[str, nn.Module], optimizer: torch.optim.Optimizer, ema_decay: float
    ) -> None:
        self.path = ROOT / f"{name}.pt"
        self.networks, self.optimizer, self.ema_decay = networks, optimizer, ema_decay
        self.parameters = [p for network in networks.values() for p in network.parameters()]
        self.workers, self.rank = join_workers()
        with torch.no_grad():
            for parameter in self.parameters if self.workers > 1 else []:
                dist.broadcast(parameter, 0)
        self.ema = [p.detach().clone() for p in self.parameters]
        self.step = self.branched_at = 0
        self._log = ROOT / f"{name}.log.jsonl"
        self._started = time.time()

    def resume(self) -> bool:
        """Resume from the run's checkpoint; False if there is none."""
        if not self.path.exists():
            return False
        self._load(self.path)
        return True

    def branch(self, path: Path) -> None:
        """Start from another run's checkpoint, which is left unchanged."""
        self._load(path)
        self.branched_at = self.step

    def _load(self, path: Path) -> None:
        saved = torch.load(path, weights_only=True)
        for name, network in self.networks.items():
            network.load_state_dict(saved["networks"][name])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.ema = saved["ema"]
        self.step, self.branched_at = saved["step"], saved["branched_at"]
        if self.leads:
            print(f"going on from {path} at step {self.step}", flush=True)

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes to disk."""
        return self.rank == 0

    def seed_step(self) -> None:
        torch.manual_seed(self.step * self.workers + self.rank)

    def save(self) -> None:
        """Write the checkpoint to a temporary file, then rename it, so that a kill leaves the old one intact."""
        state = {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema,
            "step": self.step,
            "branched_at": self.branched_at,
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)

    def update(self, loss: torch.Tensor, learning_rate: float) -> None:
        """One step of the optimizer and of the EMA."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        if self.workers > 1:
            self._average_gradients()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.parameters, 1 - decay)

    def _average_gradients(self) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]  # the others are not trained
        together = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(together)
        together /= self.workers
        for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients])):
            gradient.copy_(mean.view_as(gradient))

    def swap_ema(self) -> None:
        """Swap the networks' weights and their averages; called again, swap them back."""
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.ema):
                kept = parameter.clone()
                parameter.copy_(average)
                average.copy_(kept)

    def save_ema(self, folder: Path) -> None:
        """Save the averaged networks, each to the folder of its name."""
        self.swap_ema()
        for name, network in self.networks.items():
            network.save_pretrained(folder / name)
        self.swap_ema()

    def log(self, **figures: float) -> None:
        minutes = (time.time() - self._started) / 60
        line = {
            "step": self.step,
            "minutes": round(minutes, 2),
            **{k: round(float(f), 5) for k, f in figures.items()},
        }
        print(line, flush=True)
        with self._log.open("a") as file:
            file.write(json.dumps(line) + "\n")


def join_workers() -> tuple[int, int]:
    """The number of processes that share the work, and this one's rank."""
    workers = int(os.environ.get("WORLD_SIZE", 1))
    if workers > 1:
        dist.init_process_group("gloo")
    return workers, int(os.environ.get("RANK", 0))


def learning_rate(
    step: int, peak: float, warmup: int, total: int | None = None, decay_from: int = 0
) -> float:
    """Warm up, hold and, if a `total` is given, decay to 1 % between `decay_from` and `total`."""
    rate = peak * min(1.0, (step + 1) / warmup)
    if total is not None and step > decay_from:
        rate *= max(0.01, (total - step) / (total - decay_from))
    return rate
