"""Sound files at full speed, without a broker: the detector of a stream, given a whole file.

Not for beds: nothing is stored or sent. `detect_file` gives what is decided as soon as it is, in flat memory; `detect`
keeps all of it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from edge.api.detector import Detector, load
from edge.api.recording import BreathRate, Event, Quality, Recording
from edge.detector.recording import nothing_judged
from edge.errors import ConfigError, LaennecError
from edge.sources.file import FileSource
from edge.types import Block, Scores
from edge.ward.respiratory_rate import TOO_SHORT


def detect(path: str | PathLike[str], detector: Detector | None = None, channel: int | None = None) -> Recording:
    """Hear one file to its end.

    Args:
        path: a sound file: WAV, FLAC, OGG, AIFF or MP3, at 4 kHz or more.
        detector: of `load`, to score many files with one model and the same options; it is reset first. None: the
            bundled model.
        channel: which of several, counted from 1.

    Raises:
        SourceError: the file cannot be read, or nothing in it can be judged; the message says why and what to do.
        ModelError: what the model gives is not a number.
        ConfigError: the channel does not exist, or must be chosen.
    """
    if not isinstance(path, str | PathLike):
        raise ConfigError(
            f"path: expected the path of a sound file, found {type(path).__name__}; samples go to load().push"
        )
    if not isinstance(detector, Detector | None):
        raise ConfigError(f"detector: expected what load() gives, found {detector!r}")
    detector, file = detector or load(), Path(path)
    items = detect_file(file, detector, channel)
    events, rates, scores = list[Event](), list[BreathRate](), list[Scores]()
    while True:
        try:
            item = next(items)
        except StopIteration as end:
            quality: Quality = end.value
            break
        if isinstance(item, Scores):
            scores.append(item)
        elif isinstance(item, BreathRate):
            rates.append(item)
        else:
            events.append(item)
    values = np.concatenate([np.where(each.valid[:, None], each.values, np.float32(np.nan)) for each in scores])
    times_s = np.arange(len(values), dtype=np.float64) * detector.frame_s
    breathing = detector.breathing(0.0, quality.read_s)
    return Recording(
        file,
        tuple(events),
        detector.model.classes,
        times_s,
        values,
        quality,
        tuple(rates),
        breathing,
        detector.model,
        channel,
    )


def detect_file(
    path: Path, detector: Detector, channel: int | None = None, stop: threading.Event | None = None
) -> Generator[Event | Scores | BreathRate, None, Quality]:
    """What is found in one file: events when they end, all score frames in order, the respiratory rate each 5 s.

    Args:
        path: a sound file.
        detector: is reset first.
        channel: which of several, counted from 1.
        stop: ends the reading early when set; open events are closed.

    Returns:
        How much of the file could be judged, after the last item.

    Raises:
        SourceError, ModelError, ConfigError: as `detect`; what could be scored was yielded before.
    """
    stop = stop or threading.Event()
    source = FileSource(path, detector.model.rate_hz, channel)
    detector.reset()
    frames = _ScoreFrames(len(detector.model.classes))
    detector.observe = frames.push
    stop_sample, broken = 0, None
    try:
        for item in source.blocks(stop):
            if isinstance(item, Block):
                events = detector.push_block(item)
                stop_sample = item.stop
                yield from frames.pop()
                yield from (event for event in events if event.kind == "end")
                yield from (rate for rate in detector.take_rates() if rate.why != TOO_SHORT)
    except LaennecError as error:  # cut short: what was read counts
        broken = error
    finally:
        source.close()
    events = detector.flush()
    frames.fill(stop_sample // detector.model.score_hop_samples)
    yield from frames.pop()
    yield from (event for event in events if event.kind == "end")
    yield from detector.take_rates()
    if not detector.valid_frames and not stop.is_set():
        read_s = stop_sample / detector.model.rate_hz
        raise broken or nothing_judged(path, source, detector.pipeline, detector.model, read_s)
    return replace(detector.whole, broken=broken, has_length=source.has_length, has_8_bits=source.has_8_bits)


class _ScoreFrames:
    """The score frames of a file without a hole: those that the model never saw are not valid."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._next = 0  # score frame that is given next
        self._waiting: list[Scores] = []

    def push(self, scores: Scores) -> None:
        """Take what the model says, after all that came before."""
        self.fill(scores.start)
        if len(scores.valid):
            self._waiting.append(scores)
            self._next = scores.start + len(scores.valid)

    def fill(self, stop: int) -> None:
        """Frames that are not valid up to `stop`, for those that the model never saw."""
        if (count := stop - self._next) > 0:
            empty = np.zeros((count, self._classes), np.float32)
            self._waiting.append(Scores(self._next, empty, np.zeros(count, np.bool_)))
            self._next = stop

    def pop(self) -> Iterator[Scores]:
        """The frames since the last call."""
        waiting, self._waiting = self._waiting, []
        return iter(waiting)
