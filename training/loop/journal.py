"""What a training says while it runs: a line with the time to go, `metrics.jsonl`, TensorBoard curves.

`metrics.jsonl` has one line for each step (epoch, step, every loss) and one for each epoch (validation, seconds). After
a kill, lines that are younger than the checkpoint are removed, because those steps will be made again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.loop.checkpoint import whole_file

METRICS = "metrics.jsonl"
CURVES = "tensorboard"
EVERY_S = 30.0  # a line within a long epoch

Report = Callable[[str], None]


class Journal:
    """The log of one run.

    Args:
        folder: of the run.
        steps: to an epoch.
        epochs: in all.
        report: called with each line for a person.
    """

    def __init__(self, folder: Path, steps: int, epochs: int, report: Report) -> None:
        self._folder, self._steps, self._epochs, self._report = folder, steps, epochs, report
        self._pending: list[dict[str, Any]] = []
        self._writer: Any = None
        self._begun = self._printed_s = time.monotonic()
        self._first = 0

    def begin(self, epoch: int, step: int) -> None:
        """Go on at a step: forget what was written after it."""
        self._first = epoch * self._steps + step
        path = self._folder / METRICS
        if path.exists():
            lines = [line for line in path.read_text().splitlines() if _is_before(line, epoch, step)]
            with whole_file(path) as draft:
                draft.write_text("".join(line + "\n" for line in lines))
        from torch.utils.tensorboard import SummaryWriter  # a second to import, and only here

        self._writer = SummaryWriter(str(self._folder / CURVES), purge_step=self._first or None)
        self._begun = self._printed_s = time.monotonic()

    def step(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """Note one step; on the disk with the next `flush`."""
        self._pending.append({"epoch": epoch, "step": step, **losses})
        now = time.monotonic()
        if now - self._printed_s > EVERY_S and step + 1 < self._steps:
            self._printed_s = now
            self._report(
                f"epoch {epoch + 1}/{self._epochs}  step {step + 1}/{self._steps}  loss {losses['total']:.4f}  "
                f"{self._to_go(epoch, step + 1)}"
            )

    def epoch(self, epoch: int, seconds: float, validation: Mapping[str, float], best: str) -> None:
        """Note an epoch's end and say it."""
        done = [line for line in self._pending if line["epoch"] == epoch and "total" in line]
        loss = sum(line["total"] for line in done) / max(1, len(done))
        self._pending.append({"epoch": epoch, "validation": dict(validation), "seconds": round(seconds, 1)})
        shown = ("validation  " if validation else "") + "  ".join(
            f"{n} {value:.4f}" for n, value in validation.items()
        )
        self._report(
            f"epoch {epoch + 1}/{self._epochs}  loss {loss:.4f}  {shown}{best}  {seconds:.0f} s  "
            f"{self._to_go(epoch + 1, 0)}"
        )

    def flush(self) -> None:
        """Bring what was noted to the disk."""
        with (self._folder / METRICS).open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in self._pending)
        for line in self._pending:
            if "validation" in line:
                at = (line["epoch"] + 1) * self._steps
                for name, value in line["validation"].items():
                    self._writer.add_scalar(f"validation/{name}", value, at)
            else:
                at = line["epoch"] * self._steps + line["step"]
                for name in line.keys() - {"epoch", "step"}:
                    self._writer.add_scalar(f"training/{name}", line[name], at)
        self._pending.clear()
        self._writer.flush()

    def close(self) -> None:
        """Close the curves."""
        if self._writer is not None:
            self._writer.close()

    def _to_go(self, epoch: int, step: int) -> str:
        done = epoch * self._steps + step - self._first
        each_s = (time.monotonic() - self._begun) / max(1, done)
        left_s = each_s * (self._epochs * self._steps - epoch * self._steps - step)
        return f"{left_s / 60:.0f} min to go" if left_s >= 90 else f"{left_s:.0f} s to go"


def seconds_of(folder: Path) -> float:
    """How long the epochs of the run in a folder took, together."""
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return float(sum(line.get("seconds", 0.0) for line in lines))


def _is_before(line: str, epoch: int, step: int) -> bool:
    """Whether a line tells of something before this step; a line that a kill cut in two does not."""
    try:
        entry = json.loads(line)
        at = (entry["epoch"] + 1, 0) if "validation" in entry else (entry["epoch"], entry["step"] + 1)
    except (ValueError, KeyError, TypeError):
        return False
    return bool(at <= (epoch, step))
