"""Processes that each train or judge something by themselves, side by side. Knows no network.

They leave Ctrl-C to their parent and die with it, however it dies; when one of them fails, or the parent is stopped,
the others do not go on for half an hour.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch

Call = tuple[Any, ...]
"""A function that can be sent to another process, and its arguments."""


def side_by_side(count: int) -> ProcessPoolExecutor:
    """So many processes, begun anew: threads of the parent are not copied."""
    return ProcessPoolExecutor(count, get_context("spawn"), _die_with_parent)


def answers(processes: ProcessPoolExecutor, calls: Sequence[Call]) -> Iterator[Any]:
    """What the calls return, as they end.

    Raises:
        Exception: what one of them raised; the other processes are gone then.
    """
    try:
        for done in as_completed([processes.submit(*call) for call in calls]):
            yield done.result()
    except BaseException:
        for process in list(processes._processes.values()):
            process.kill()
        raise


def train_all(count: int, calls: Sequence[Call], before: Call | None = None) -> None:
    """Calls that return the name of what they trained, so many at a time; `before` is done when they begin."""
    with side_by_side(count) as processes:
        for _ in answers(processes, [before] if before else []):
            pass
        for name in answers(processes, calls):
            print(f"trained {name}", flush=True)


def take_share(count: int) -> None:
    """Of the cores, for a network that is trained beside others: with one thread each, two are done twice as fast."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))


def _die_with_parent() -> None:
    """Leave Ctrl-C to the parent, and die with it: Linux kills this process then, see prctl(2)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
