"""Work that ends its own process as often as the recording says: `SIGNAL TIMES`, `large TIMES`, or nothing."""

from __future__ import annotations

import json
import os
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from edge.server.archive.recording import Job, Result, Settings

IN_A_LARGE_RESULT = "large"


def work(job: Job, _settings: Settings) -> Result:
    """Stands for `edge.server.archive.recording.work`.

    How often it began is the size of a file beside the recording.
    """
    path = Path(os.fsdecode(job.path))
    with path.with_suffix(".tries").open("ab") as tries:
        tries.write(b".")
    signal_number, _, times = path.read_text().partition(" ")
    if signal_number == IN_A_LARGE_RESULT:
        if tried(path) <= int(times):
            _die_in_a_long_write()
        return Result(job.name, f"{path.stem:0>64}", json.dumps({"status": "ok", "reason": "x" * 1_000_000}))
    if signal_number and tried(path) <= int(times):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), int(signal_number))
    return Result(job.name, f"{path.stem:0>64}", json.dumps({"status": "ok", "reason": ""}))


def _die_in_a_long_write() -> None:
    """Let this process be killed when the pipe has a part of a message of more than it holds."""
    write = os.write

    def killed(number: int, content: bytes) -> int:
        if len(content) <= 1 << 16:
            return write(number, content)
        write(number, memoryview(content)[: 1 << 15])
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it lives")

    Connection._send.__defaults__ = (killed,)  # type: ignore[attr-defined]  # what it writes with


def tried(path: Path) -> int:
    """How often it began."""
    return path.with_suffix(".tries").stat().st_size
