"""Which numbers a network computes with: fp32, or half of the bits where the device is fast with them.

On a CPU, `auto` measures: whether bf16 saves a third of the time or takes seven times as long depends on the processor,
the libraries and the network, and a list of processors would soon be wrong. Measured is on a copy, so the training has
the weights that it has when the same precision is given by hand. What it became is kept in the run folder, because a
training that was killed must go on with it:

    precision.json     the precision, and why; remove it to choose again

Not for what a network on the edge computes with (`export.artefacts`).
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import torch

from edge.errors import ConfigError
from training.loop.checkpoint import whole_file
from training.loop.learner import Learner, LoopSpec, micro_batches

AUTO, FP32, BF16, FP16 = "auto", "fp32", "bf16", "fp16"
RECORD = "precision.json"
ROUNDS = 3  # passes in each precision, by turns; the quickest counts, for the first ones warm up
LEAST_STEPS = 60  # a shorter training is not measured: six passes would be more than a tenth of it
GAIN = 0.9  # share of the time of fp32 that bf16 may take: it rounds to three digits, so it must be worth it
_HALF = {FP32: None, BF16: torch.bfloat16, FP16: torch.float16}
_ON_A_CPU = "a CPU computes in fp32 or bf16"

Name = Literal["fp32", "bf16", "fp16"]


class Precision:
    """Autocast and loss scaling for one device.

    Args:
        spec: with a `precision` that is not `auto` any more (`settled`).
        device: where the network is.

    Raises:
        ConfigError: for fp16 on a CPU, which has no loss scaling.
    """

    def __init__(self, spec: LoopSpec, device: torch.device) -> None:
        if spec.precision == FP16 and device.type == "cpu":
            raise ConfigError(f"loop.precision = fp16: {_ON_A_CPU}; choose one of these, or auto")
        self.name = spec.precision
        self._device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=spec.precision == FP16)

    def autocast(self) -> AbstractContextManager[object]:
        """Compute the forward pass in this precision."""
        return _autocast(self.name, self._device)


def settled(
    learner: Learner, spec: LoopSpec, folder: Path, device: torch.device, report: Callable[[str], None]
) -> LoopSpec:
    """The same with a precision that is not `auto`: the one that this run began with, or one that is chosen now.

    Args:
        learner: what is measured; its network stays as it is, and so do the random numbers.
        spec: of the loop.
        folder: of the run, where the choice is kept.
        device: where it will be trained.
        report: called with a line when something was chosen.

    Raises:
        ConfigError: if what is kept in the folder cannot be read, or this device cannot compute so.
    """
    if spec.precision != AUTO:
        return spec
    path = folder / RECORD
    name = _kept(path, device)
    if name is None:
        name, why = _choice(learner, spec, device)
        with whole_file(path) as draft:
            draft.write_text(json.dumps({"precision": name, "why": why}) + "\n")
        report(f"precision: {why}; taking {name}")
    return spec.model_copy(update={"precision": name})


def is_settled(spec: LoopSpec, folder: Path) -> bool:
    """Whether `settled` would measure nothing."""
    return spec.precision != AUTO or (folder / RECORD).exists()


def share(source: Path, folder: Path) -> None:
    """Let a run that has none begin with the precision of another one, so that the two can be compared."""
    if (source / RECORD).exists() and not (folder / RECORD).exists():
        with whole_file(folder / RECORD) as draft:
            draft.write_text((source / RECORD).read_text())


def measured(
    learner: Learner, device: torch.device, clock: Callable[[], float] = time.process_time
) -> dict[Literal["fp32", "bf16"], float]:
    """Seconds of a forward and a backward pass of the first batch in each precision; infinite without a finite loss.

    Of a batch that goes through the network in parts, the first one.

    Args:
        learner: its network is copied.
        device: where it will be trained.
        clock: s; of the processor, so that what else the machine does counts little.
    """
    seconds: dict[Literal["fp32", "bf16"], float] = {"fp32": math.inf, "bf16": math.inf}
    network = copy.deepcopy(learner.network).to(device).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = next(micro_batches(learner.batch(0, 0), learner.micro_batches))
        batch = {name: x.to(device) for name, x in first.items()}
        for _ in range(ROUNDS):
            for name, best in seconds.items():
                began = clock()
                with _autocast(name, device):
                    total = learner.loss(network, batch, torch.Generator().manual_seed(0))["total"]
                total.backward()
                took = clock() - began
                seconds[name] = min(best, took) if bool(total.isfinite()) else math.inf
                network.zero_grad(set_to_none=True)
    return seconds


def quicker(seconds: Mapping[Literal["fp32", "bf16"], float]) -> Name:
    """bf16 where it saves enough, else fp32."""
    return "bf16" if seconds["bf16"] < GAIN * seconds["fp32"] else "fp32"


def _choice(learner: Learner, spec: LoopSpec, device: torch.device) -> tuple[Name, str]:
    """A precision, and why."""
    if device.type != "cpu":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU computes in bf16"
        return "fp16", "this GPU does not compute in bf16"
    steps = spec.epochs * learner.steps
    if steps < LEAST_STEPS:
        return "fp32", f"not measured for a training of {steps} steps"
    seconds = measured(learner, device)
    shown = [f"{name} {s:.3g} s of processor time a step" for name, s in seconds.items() if math.isfinite(s)]
    shown += [f"{name} no finite loss" for name, s in seconds.items() if math.isinf(s)]
    return quicker(seconds), ", ".join(shown)


def _kept(path: Path, device: torch.device) -> Name | None:
    """The precision that a run began with; None when nothing was chosen yet."""
    if not path.exists():
        return None
    try:
        name: Name = json.loads(path.read_text())["precision"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not readable ({error!r}); remove it, and the precision is chosen again") from None
    if name not in _HALF:
        raise ConfigError(f"{path}: precision {name!r}, expected one of {', '.join(_HALF)}; remove it to choose again")
    if name == FP16 and device.type == "cpu":
        raise ConfigError(
            f"{path}: this run began in fp16, and {_ON_A_CPU}; go on on a GPU, or remove it to choose again"
        )
    return name


def _autocast(name: str, device: torch.device) -> AbstractContextManager[object]:
    half = _HALF[name]
    return torch.autocast(device.type, half, enabled=half is not None)
