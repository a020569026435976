"""Files at full speed, without a broker: the same pipeline as a running node, its events as lines.

Not for beds: nothing is stored or sent. Memory stays flat: a record is written as soon as it is decided.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.model import Model
from edge.pipeline import Pipeline
from edge.sources import open_source
from edge.types import Block, Event, Scores

Record = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What `detect_file` should give."""

    channel: int | None = None
    scores: bool = False
    """Also one record per score frame."""


def detect_file(path: Path, model: Model, wanted: Wanted, stop: threading.Event) -> Iterator[Record]:
    """Events (when they end) and, if wanted, score frames of one file; open events are closed when `stop` is set.

    Args:
        path: a sound file.
        model: loaded artefact.
        wanted: which channel, which records.
        stop: ends the reading early.

    Raises:
        SourceError: the file cannot be read.
        ConfigError: the channel does not exist.
    """
    frames: list[Record] = []
    observe = _score_records(path, model, frames) if wanted.scores else None
    heard_s = 0.0
    pipeline = Pipeline(model, observe=observe)
    source = open_source(str(path), model.rate_hz, wanted.channel, pace=False)
    try:
        for item in source.blocks(stop):
            if isinstance(item, Block):
                events = pipeline.push(item)
                heard_s = item.stop / model.rate_hz
                yield from frames
                frames.clear()
                yield from (event_record(path, event, model.rate_hz) for event in events if event.kind == "end")
    finally:
        source.close()
    events = pipeline.flush()
    yield from (frame for frame in frames if frame["t_s"] < heard_s)
    yield from (event_record(path, event, model.rate_hz) for event in events if event.kind == "end")


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


def _score_records(path: Path, model: Model, into: list[Record]) -> Callable[[Scores], None]:
    hop_s = model.score_hop_samples / model.rate_hz

    def observe(scores: Scores) -> None:
        for index, (values, valid) in enumerate(zip(scores.values, scores.valid, strict=True), scores.start):
            named = {name: round(float(value), 5) for name, value in zip(model.classes, values, strict=True)}
            if index >= 0:  # the first window looks back to before the file began
                begin_s = round(index * hop_s, 6)
                into.append({"file": str(path), "t_s": begin_s, "dur_s": hop_s, "valid": bool(valid), "scores": named})

    return observe
