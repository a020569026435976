"""Files at full speed, without a broker: the same pipeline as a running node, its events as lines.

Not for beds: nothing is stored or sent. Memory stays flat: a record is written as soon as it is decided.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.artefact.model import Model
from edge.detector.pipeline import Pipeline
from edge.errors import LaennecError, SourceError
from edge.sources.opening import open_source
from edge.types import Block, Event, Scores

Record = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What `detect_file` should give."""

    channel: int | None = None
    scores: bool = False
    """Also one record per score frame."""


@dataclass(frozen=True)
class Extent:
    """How much of a file was read."""

    heard_s: float
    measurable_s: float
    """Of it, what could be judged, seconds."""


def detect_file(path: Path, model: Model, wanted: Wanted, stop: threading.Event) -> Generator[Record, None, Extent]:
    """Events (when they end) and, if wanted, score frames of one file; open events are closed when `stop` is set.

    Args:
        path: a sound file.
        model: loaded artefact.
        wanted: which channel, which records.
        stop: ends the reading early.

    Returns:
        What was read, after the last record.

    Raises:
        SourceError: the file cannot be read.
        ConfigError: the channel does not exist.
    """
    listing = _Listing(path, model)
    stop_sample = measurable = 0

    def observe(scores: Scores) -> None:
        nonlocal measurable
        measurable += int(scores.valid.sum())
        if wanted.scores:
            listing.take(scores)

    pipeline = Pipeline(model, observe=observe)
    source = open_source(str(path), model.rate_hz, wanted.channel, pace=False)
    broken: LaennecError | None = None
    try:
        for item in source.blocks(stop):
            if isinstance(item, Block):
                events = pipeline.push(item)
                stop_sample = item.stop
                yield from listing.give()
                yield from (event_record(path, event, model.rate_hz) for event in events if event.kind == "end")
    except LaennecError as error:  # cut short: what was heard is told first
        broken = error
    finally:
        source.close()
    events = pipeline.flush()
    if wanted.scores:
        listing.fill(stop_sample // model.score_hop_samples)
    yield from listing.give()
    yield from (event_record(path, event, model.rate_hz) for event in events if event.kind == "end")
    if broken is not None:
        raise broken
    extent = Extent(stop_sample / model.rate_hz, measurable * model.score_hop_samples / model.rate_hz)
    if not measurable and not stop.is_set():
        raise SourceError(
            f"{path}: nothing in {extent.heard_s:.2f} s can be judged, too short or no numbers; record again"
        )
    return extent


def event_record(path: Path, event: Event, rate_hz: int) -> Record:
    """One ended event of a file; times in seconds from its begin."""
    return {
        "file": str(path), "label": event.label, "onset_s": round(event.onset / rate_hz, 4),
        "end_s": round((event.end or event.onset) / rate_hz, 4), "score": round(event.peak, 4),
        "mean": round(event.mean, 4), "threshold": round(event.threshold, 4), "end_reason": event.end_reason,
    }  # fmt: skip


def as_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(record, allow_nan=False)


def as_row(record: Record) -> str:
    """An event record as a row for a person."""
    ended = "" if record["end_reason"] == "quiet" else f"  ({record['end_reason'].replace('_', ' ')})"
    return f"{record['onset_s']:9.2f} {record['end_s']:9.2f}  {record['label']:<15} {record['score']:5.2f}{ended}"


ROW_HEAD = f"{'onset s':>9} {'end s':>9}  {'sound':<15} {'score':>5}"


class _Listing:
    """Every score frame of a file in order; those that the model never saw are listed as not valid."""

    def __init__(self, path: Path, model: Model) -> None:
        self._path, self._classes = str(path), model.classes
        self._hop_s = model.score_hop_samples / model.rate_hz
        self._next = 0
        self._records: list[Record] = []

    def take(self, scores: Scores) -> None:
        self.fill(scores.start)
        for values, valid in zip(scores.values, scores.valid, strict=True):
            self._add([round(float(value), 5) for value in values], bool(valid))

    def fill(self, index: int) -> None:
        while self._next < index:
            self._add([0.0] * len(self._classes), valid=False)

    def give(self) -> list[Record]:
        records, self._records = self._records, []
        return records

    def _add(self, values: list[float], valid: bool) -> None:
        named = dict(zip(self._classes, values, strict=True))
        begin_s = round(self._next * self._hop_s, 6)
        record = {"file": self._path, "t_s": begin_s, "dur_s": self._hop_s, "valid": valid, "scores": named}
        self._records.append(record)
        self._next += 1
