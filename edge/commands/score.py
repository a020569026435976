"""`laennec score`: an archive of recordings to tables, on all cores of a machine or on a Dask cluster."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import EXIT_INTERRUPTED, ChannelOption, ModelOption, stop_on_signals
from edge.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from edge.server.archive.ledger import Ledger
    from edge.server.archive.recording import Settings

PROGRESS_S = 10.0  # between two lines of progress
ARCHIVE_HELP = "Sound files, folders, or patterns in quotes."


def score(
    archive: Annotated[list[str], typer.Argument(metavar="ARCHIVE", help=ARCHIVE_HELP)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables; made if it is not there.")],
    workers: Annotated[int | None, typer.Option(help="Processes on this machine; default: its cores.")] = None,
    scheduler: Annotated[str | None, typer.Option(metavar="URL", help="A Dask cluster, tcp://host:8786.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where --out holds results already.")] = False,
    channel: ChannelOption = None,
    model: ModelOption = None,
) -> None:
    """Score every recording of an archive once, and write events, burden, quality and answers as Parquet."""
    from edge.model.model import load_model
    from edge.server.archive.ledger import Ledger
    from edge.server.archive.listing import items
    from edge.server.archive.recording import Settings
    from edge.server.exports.tables import check_installed

    check_installed()
    if workers is not None and scheduler is not None:
        raise ConfigError("--workers and --scheduler exclude each other: a pool on this machine, or a cluster")
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers {workers}: expected 1 or more")
    where = None if model is None else str(model.absolute())
    settings = Settings(where, load_model(model).sha256, channel)
    about = {"model": settings.model_sha256, "channel": str(channel or "")}
    with stop_on_signals() as stop, Ledger(out, about, resume) as ledger:
        if gone := ledger.take_listing(items(archive)):
            print(f"{gone} recordings of an earlier run are not in this archive; they are forgotten", file=sys.stderr)
        with _pool(workers, scheduler) as (make, count):
            _run(ledger, out, settings, make, count, stop)
        total, done = ledger.counts()
        print(f"{done} of {total} recordings scored, {ledger.damaged()} of them damaged or cut off; tables in {out}")
        if stop.is_set():
            print("stopped; the same command with --resume goes on", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED)
        if done < total:
            raise SourceError(
                f"{total - done} of {total} recordings have no result, so the tables in {out} are not whole;"
                " run again with --resume"
            )


def _run(
    ledger: Ledger, out: Path, settings: Settings, make: Callable[[], Executor], count: int, stop: threading.Event
) -> None:
    from edge.server.archive.run import Run
    from edge.server.archive.shards import Shards

    run = Run(ledger, Shards(out, ledger, settings.model_sha256), settings, make)
    total, before = ledger.counts()
    began_s = printed_s = time.monotonic()

    def print_progress() -> None:
        nonlocal printed_s
        if time.monotonic() - printed_s >= PROGRESS_S:
            printed_s = time.monotonic()
            print(progress(total, before, run.done, printed_s - began_s), file=sys.stderr)

    run.go(count, stop, print_progress)


def progress(total: int, before: int, done: int, elapsed_s: float) -> str:
    """One line: how far, how fast, how long still.

    Args:
        total: recordings in the archive.
        before: of them, those that had a result when this run began.
        done: those that got one since.
        elapsed_s: since then, seconds.
    """
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    left_s = (total - before - done) / rate if rate else None
    to_go = "-" if left_s is None else f"{left_s // 3600:.0f} h {left_s % 3600 // 60:02.0f} min {left_s % 60:02.0f} s"
    return f"{before + done} of {total} recordings, {rate:.1f} a second, {to_go} to go"


@contextmanager
def _pool(workers: int | None, scheduler: str | None) -> Iterator[tuple[Callable[[], Executor], int]]:
    """What makes executors, and how many recordings they score at once."""
    if scheduler is None:
        from edge.server.archive.run import LocalPool

        count = workers or len(os.sched_getaffinity(0))
        yield (lambda: LocalPool(count)), count
        return
    from edge.server.archive.run import cluster

    with cluster(scheduler) as (executor, count):
        yield (lambda: executor), count
