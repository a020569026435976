"""Work that ends its own process as often as the recording says: `SIGNAL TIMES`, or nothing. In real processes."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

from edge.archive.worker import Job, Result, Settings


def work(job: Job, _settings: Settings) -> Result:
    """Stands for `edge.archive.worker.work`; how often it began is the size of a file beside the recording."""
    path = Path(os.fsdecode(job.path))
    with path.with_suffix(".tries").open("ab") as tries:
        tries.write(b".")
    signal_number, _, times = path.read_text().partition(" ")
    if signal_number and tried(path) <= int(times):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), int(signal_number))
    return Result(job.name, f"{path.stem:0>64}", json.dumps({"status": "ok", "reason": ""}))


def tried(path: Path) -> int:
    """How often it began."""
    return path.with_suffix(".tries").stat().st_size
