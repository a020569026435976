"""How many beds this box sustains: measured by playing beds to the engine in real time, and stored for the next start.

A number holds for one artefact in one runtime on one processor; after any upgrade there is none until `laennec bench`
is run again.

What is measured is how late the engine decides. Readers, engine and streams are those of the service; outbox and broker
are not in it, which the headroom is for. The sound is a recording that is repeated, for each bed from another place on.
Not for choosing a variant of the model (`edge.model.runtime`), nor for printing (`edge.commands.box`).
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.delivery.messages import Message, Node
from edge.model.backends.engine import CACHE
from edge.model.model import Model
from edge.model.runtime import cpu_name, find_variants
from edge.node.engine import Engine, phase_of
from edge.node.observer import StreamObserver
from edge.node.readers import ReaderPool, Reading
from edge.node.service import SWITCH_S, TICK_S
from edge.node.stream import NodeStream
from edge.settings.node import Stream
from edge.sources.source import Source, Wait
from edge.types import Block, Chunk, Event

HEADROOM = 0.3  # share of a core that stays free with so many beds
LATE_MS = 480.0  # that the decision of one chunk in 100 may take
SUFFIX = ".beds"
MAX_FILES = 8
FEW = 8  # streams that are not worth a measurement: the slowest box that is supported sustains them


def save_capacity(model: Model, beds: int) -> Path | None:
    """Store how many beds were sustained; None where nothing can be written."""
    return CACHE.write(_name(model.sha256, model.runtime), json.dumps(beds).encode(), MAX_FILES)


def read_capacity(model: Model) -> int | None:
    """How many beds were sustained; None if that was not measured."""
    return _read(model.sha256, model.runtime)


def warning(model: Model, streams: int, lighter: Path | None = None) -> str:
    """A line for the log if so many streams may be too many for this box; empty if not.

    Args:
        model: that scores them.
        streams: how many there are.
        lighter: the fp32 artefact of the bundled `light` model where that can take its place.
    """
    beds = read_capacity(model)
    if beds is None:
        return "" if streams <= FEW else f"streams={streams} capacity=unknown repair=run_laennec_bench"
    if streams <= beds:
        return ""
    effect = "sound_will_be_left_out" if streams > beds / (1 - HEADROOM) else "no_headroom"
    line = f"streams={streams} capacity={beds} effect={effect}"
    light = _beds_of(lighter, model) if lighter is not None else None
    if light is None:
        return f"{line} repair=fewer_streams_or_another_box"
    repair = "set_model_light" if streams <= light else "fewer_streams_or_another_box"
    return f"{line} capacity_of_light={light} repair={repair}"


def _beds_of(lighter: Path, model: Model) -> int | None:
    """How many beds the same variant of another model sustained in the same runtime; None if that was not measured."""
    found = [one.sha256 for one in find_variants(lighter) if one.variant.name == model.variant.name]
    return _read(found[0], model.runtime) if found else None


def _read(sha256: str, runtime: str) -> int | None:
    try:
        return int(json.loads(CACHE.read(_name(sha256, runtime)) or b""))
    except (ValueError, TypeError):
        return None


def _name(sha256: str, runtime: str) -> str:
    """Of the file, from what the number holds for."""
    of = [sha256, runtime, cpu_name()]
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32] + SUFFIX


BLOCK_S = 0.1  # of sound that comes at once, as from a file
WARM_S = 3.0  # at the begin of a run, until the lookahead is full; not measured
FIRST_BEDS, MOST_BEDS = 32, 4096
ATTEMPTS = 6
GROWTH = 4  # from one attempt to the next, at most
CLOSE_ENOUGH = 0.05  # share of the beds by which the answer may be too low
END_S = 5.0
NODE = Node("bench", "bench", "bench", "Test", "00000000")


@dataclass(frozen=True)
class Played:
    """What one run with so many beds measured."""

    beds: int
    p50_ms: float
    """From the moment at which the block that completes a chunk was due to its decision, median."""
    p99_ms: float
    """The same, of 99 in 100 chunks."""
    share: float
    """Computing time of this process per second, 1: one core."""
    left_out_s: float
    """Sound that was left out because it was too much, seconds."""

    @property
    def is_sustained(self) -> bool:
        """Whether chunks are decided within `LATE_MS`, nothing is left out and `HEADROOM` is free."""
        return not self.left_out_s and self.p99_ms < LATE_MS and self.share <= 1 - HEADROOM


class _Bed:
    """A source: a recording in real time, from its own place on and for ever."""

    name = "bed"

    def __init__(self, sound: NDArray[np.float32], first: int, rate_hz: int, begin_s: float) -> None:
        self._sound, self._length, self._begin_s = sound, round(BLOCK_S * rate_hz), begin_s
        self._first = first
        self._valid = np.ones(self._length, np.bool_)

    def blocks(self, stop: threading.Event) -> Iterator[Block | Wait]:
        start = 0
        while not stop.is_set():
            early_s = self._begin_s + (start // self._length + 1) * BLOCK_S - time.monotonic()
            if early_s > 0:
                yield Wait(early_s)
                continue
            first = (self._first + start) % (len(self._sound) - self._length)
            yield Block(start, self._sound[first : first + self._length], self._valid)
            start += self._length

    def close(self) -> None:
        """Nothing to release."""


class _Nowhere:
    def send(self, message: Message) -> None:
        """Take what a stream found."""


class _Lateness(StreamObserver):
    """How late each chunk of a bed is decided."""

    def __init__(self, model: Model, begin_s: float) -> None:
        self._begin_s, self._spec, self._frames = begin_s, model.spec, model.chunk.chunk_frames
        self._due_s: float | None = None
        self.late: list[tuple[float, float]] = []
        """When each chunk was decided, monotonic, and how late, both in seconds."""

    def on_chunk(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        """The block that completes a chunk is due at the end of its own sound."""
        complete = (chunk.start + self._frames - 1) * self._spec.hop_samples + self._spec.ahead_samples
        self._due_s = self._begin_s + BLOCK_S * float(np.ceil(complete / self._spec.rate_hz / BLOCK_S))

    def on_events(self, events: Sequence[Event]) -> None:
        """A chunk was decided, or the stream ends."""
        if self._due_s is not None:
            now_s = time.monotonic()
            self.late.append((now_s, now_s - self._due_s))
            self._due_s = None


def play(model: Model, beds: int, seconds: float, sound: NDArray[np.float32], beside: Sequence[Source] = ()) -> Played:
    """Play so many beds at once, all of them begun within `BLOCK_S`.

    Args:
        model: loaded artefact.
        beds: how many.
        seconds: for how long it is measured.
        sound: (N,) at the model's rate, seconds of it.
        beside: sources that are read with them and not measured, to see what they do to the others.
    """
    stop, begin_s = threading.Event(), time.monotonic() + 1 + 0.003 * beds  # until all of them are made
    begins_s = [begin_s + turn / beds * BLOCK_S for turn in range(beds)]
    sources: list[Source] = [
        _Bed(sound, round(turn / beds * len(sound)), model.rate_hz, begins_s[turn]) for turn in range(beds)
    ]
    sources += beside
    streams = [_stream(number, source, model) for number, source in enumerate(sources)]
    timed = [_Lateness(model, own_s) for own_s in begins_s]
    for stream, lateness in zip(streams, timed, strict=False):
        stream.observers.append(lateness)
    engine = Engine(model, streams, ["normal"] * len(streams))
    readings = [Reading(*each, stop, partial(engine.wake, n)) for n, each in enumerate(zip(sources, streams))]  # noqa: B905
    readers, switch_s = ReaderPool(readings, streams), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        engine.start()
        readers.start()
        _watch(readers, begin_s + WARM_S)
        from_s, computed_s = time.monotonic(), time.process_time()
        _watch(readers, from_s + seconds)
        until_s, share = time.monotonic(), (time.process_time() - computed_s) / (time.monotonic() - from_s)
    finally:
        stop.set()
        readers.finish()
        readers.join(END_S)
        engine.end(END_S)
        sys.setswitchinterval(switch_s)
    late_ms = [1000 * late_s for each in timed for at_s, late_s in each.late if from_s <= at_s < until_s]
    p50_ms, p99_ms = np.quantile(late_ms, [0.5, 0.99]).tolist() if late_ms else (float("inf"), float("inf"))
    left_out_s = sum(each.status.totals.left_out_s for each in streams[:beds])
    return Played(beds, p50_ms, p99_ms, share, left_out_s)


def _stream(number: int, source: Source, model: Model) -> NodeStream:
    settings = Stream(id=f"bed{number}", source="bed")
    return NodeStream(settings, source, model, NODE, _Nowhere(), phase_of(number, model.chunk))


def _watch(readers: ReaderPool, until_s: float) -> None:
    """Wait as the service does, which replaces threads that hang."""
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, TICK_S))
        readers.replace_hung()


def search(play_some: Callable[[int], Played], progress: Callable[[Played], None]) -> Played | None:
    """The most beds that are sustained, to a twentieth; None if not even a few are.

    Args:
        play_some: plays so many.
        progress: called with what each attempt measured.
    """
    beds, best, too_many = FIRST_BEDS, None, MOST_BEDS + 1
    for _ in range(ATTEMPTS):
        played = play_some(beds)
        progress(played)
        if played.is_sustained:
            best = played
        else:
            too_many = beds
        least = best.beds if best else 0
        if too_many - least <= max(1, CLOSE_ENOUGH * least):
            break
        # What a bed costs falls with their number, for batches become full; so there may be room for more.
        fits = int(beds * (1 - HEADROOM) / max(played.share, 1e-3))
        most = (least + too_many) // 2 if too_many <= MOST_BEDS else min(GROWTH * beds, MOST_BEDS)
        beds = min(max(fits, least + 1), most)
    return best
