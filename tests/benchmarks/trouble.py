"""`python -m tests.benchmarks.trouble`: what sources that spin, stall and crash do to the beds beside them.

Plays beds in real time without and with one of each, in turns, and prints how late chunks are decided. Not for how many
beds a box sustains (`laennec bench`), and no test: it prints, whatever it finds.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Iterator, Sequence

from edge.detector.recording import samples_of
from edge.detector.warm import warm_up
from edge.model.model import load_model
from edge.node.capacity import Played, play
from edge.sources.file_search import DEMO_AUDIO
from edge.sources.source import Source, Wait
from edge.types import Block

SPIN_S = 0.02


class Spins:
    """Computes all the time and gives nothing."""

    name = "spins"

    def blocks(self, stop: threading.Event) -> Iterator[Block | Wait]:
        while not stop.is_set():
            until_s = time.thread_time() + SPIN_S
            while time.thread_time() < until_s:
                pass
            yield Wait(0.0)

    def close(self) -> None:
        """Nothing to release."""


class Stalls(Spins):
    """Does not return until the end."""

    name = "stalls"

    def blocks(self, stop: threading.Event) -> Iterator[Block | Wait]:
        stop.wait()
        yield from ()


class Crashes(Spins):
    """Fails at once."""

    name = "crashes"

    def blocks(self, stop: threading.Event) -> Iterator[Block | Wait]:
        raise RuntimeError("a source that crashes")


def _row(name: str, played: Sequence[Played]) -> str:
    p50_ms, p99_ms = ([getattr(each, key) for each in played] for key in ("p50_ms", "p99_ms"))
    return f"{name:<8} p50 {min(p50_ms):5.0f} to {max(p50_ms):5.0f} ms, p99 {min(p99_ms):5.0f} to {max(p99_ms):5.0f} ms"


def main() -> None:
    """Measure both in turns, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    logging.getLogger("edge.node").setLevel(logging.CRITICAL)
    warm_up()
    model = load_model()
    sound = samples_of(DEMO_AUDIO, model.rate_hz)
    alone, beside = list[Played](), list[Played]()
    for _ in range(given.rounds):
        alone.append(play(model, given.beds, given.seconds, sound))
        troubled: list[Source] = [Spins(), Stalls(), Crashes()]
        beside.append(play(model, given.beds, given.seconds, sound, troubled))
    print(_row("alone", alone))
    print(_row("beside", beside))


if __name__ == "__main__":
    main()
