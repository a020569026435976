"""The smallest learner that has everything that can go wrong: batch norm, dropout, a contrast over the whole batch.

Also a program, so that `kill -9` has something to start: `python -m tests.training.loop.tiny FOLDER`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import LaennecError
from training.loop import Batch, Identity, LoopSpec, Losses, RunFolder, best_device, train
from training.loop.precision import settled

ROOT = Path(__file__).parents[3]
SPEC = LoopSpec(epochs=4, batch=8, learning_rate=0.01, schedule="one-cycle", average=0.9, precision="fp32")
IDENTITY = Identity({"name": "tiny"}, {"mel": "abc"}, "recordings", "code")
STAYS = "waits to be killed"


class Network(nn.Module):
    """A backbone and a head."""

    def __init__(self) -> None:
        super().__init__()
        convolution = nn.Conv1d(2, 6, 3, bias=False)
        self.backbone = nn.Sequential(convolution, nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(36, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


class TinyLearner:
    """Three classes of noise with different means."""

    steps = 3
    micro_batches = 1

    def __init__(self, seed: int = 0, batch: int = SPEC.batch, pause_s: float = 0.0) -> None:
        torch.manual_seed(seed)
        self.network: nn.Module = Network()
        self._seed, self._size, self._pause_s = seed, batch, pause_s
        self.stays_at: int | None = None
        """Behind so many steps it says `STAYS` and waits to be killed."""

    def batch(self, epoch: int, step: int) -> Batch:
        if epoch * self.steps + step == self.stays_at:
            _scores_of(STAYS)
            time.sleep(3600)
        time.sleep(self._pause_s)
        rng = np.random.default_rng([self._seed, epoch, step])
        labels = rng.integers(0, 3, self._size)
        frames = rng.normal(labels[:, None, None], 1.0, (self._size, 2, 8)).astype(np.float32)
        return {"frames": torch.from_numpy(frames), "labels": torch.from_numpy(labels)}

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        embedding = network.backbone(batch["frames"])
        labels = batch["labels"]
        order = torch.randperm(len(labels), generator=rng)
        unit = F.normalize(embedding, dim=-1)
        contrast = F.cross_entropy(unit @ unit[order].T.detach(), order.argsort())
        decision = F.cross_entropy(network.head(embedding), labels)
        return {"decision": decision, "contrast": contrast, "total": decision + 0.5 * contrast}

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        frames = torch.randn(12, 2, 8, generator=torch.Generator().manual_seed(1))
        return {"score": float(network.head(network.backbone(frames)).mean())}


def weights(network: nn.Module) -> list[Tensor]:
    """Everything in its state."""
    return list(network.state_dict().values())


def _scores_of(line: str) -> None:
    sys.stdout.write(f"{line}\n")  # at once: the processes share it
    sys.stdout.flush()


def main() -> int:
    """Train into a folder: FOLDER [seconds to wait at each step]."""
    torch.set_num_threads(1)
    folder = RunFolder(Path(sys.argv[1]))
    pause_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    requested: dict[str, object] = {"save_minutes": float(os.environ.get("SAVE_MINUTES", SPEC.save_minutes))}
    requested |= {"epochs": int(os.environ.get("EPOCHS", SPEC.epochs))}
    spec = SPEC.model_copy(update=requested | {"precision": os.environ.get("PRECISION", SPEC.precision)})
    try:
        folder.claim(IDENTITY)
        learner = TinyLearner(pause_s=pause_s)
        learner.stays_at = int(os.environ["STAYS_AT"]) if "STAYS_AT" in os.environ else None
        spec = settled(learner, spec, folder.path, best_device(), _scores_of)
        train(learner, spec, 5, folder, _scores_of)
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
