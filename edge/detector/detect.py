"""Files at full speed, without a broker: the same pipeline as a running node, its events as lines.

Not for beds: nothing is stored or sent. Memory stays flat: a record is written as soon as it is decided.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.artefact.adaptation import Adaptation
from edge.artefact.model import Model
from edge.detector.pipeline import Pipeline
from edge.detector.sound_check import LEAST_S, Verdict
from edge.detector.why_not import CAUSES, TOO_SHORT, advice, nothing_judged
from edge.errors import LaennecError
from edge.sources.file import FileSource
from edge.types import Block, Event, Scores

Record = dict[str, Any]


@dataclass(frozen=True)
class DetectOptions:
    """What to read of a file and what to report of it."""

    channel: int | None = None
    """Which of several, counted from 1."""
    scores: bool = False
    """Whether to give one record per score frame besides the events."""
    adaptation: Adaptation | None = None
    """Of the device that recorded it."""


@dataclass(frozen=True)
class Coverage:
    """How much of a file could be judged."""

    read_s: float
    """Length of what was read, seconds."""
    measurable_s: float
    """Of it, what could be judged, seconds; none of a file that is not measurable as a whole and has no event."""
    verdict: Verdict = field(default_factory=Verdict)
    """Of all of its sound: whether it is like what the model knows, and can be judged at all."""
    gain_db: float = 0.0
    """What was added to its level at its end, dB."""
    broken: LaennecError | None = None
    """Why the file ended early, where it did."""
    has_length: bool = True
    """Whether the file says how long it is: whether one that was cut off would be known."""


def detect_file(
    path: Path, model: Model, options: DetectOptions, stop: threading.Event
) -> Generator[Record, None, Coverage]:
    """Events (when they end) and, if asked for, score frames of one file; open events are closed when `stop` is set.

    Args:
        path: a sound file.
        model: loaded artefact.
        options: which channel, which records.
        stop: ends the reading early.

    Returns:
        How much of the file could be judged, after the last record.

    Raises:
        SourceError: the file cannot be read, or nothing in it can be judged.
        ModelError: what the model gives is not a number.
        ConfigError: the channel does not exist.
    """
    score_records = _ScoreRecords(path, model, options.scores)
    pipeline = Pipeline(model, observe=score_records.push, adaptation=options.adaptation)
    source = FileSource(path, model.rate_hz, options.channel)
    stop_sample = 0
    broken: LaennecError | None = None

    def records(events: list[Event]) -> Iterator[Record]:
        score_records.has_events |= bool(events)
        yield from score_records.pop()
        yield from (event_record(path, event, model.rate_hz) for event in events if event.kind == "end")

    try:
        for item in source.blocks(stop):
            if isinstance(item, Block):
                events = pipeline.push(item)
                stop_sample = item.stop
                yield from records(events)
    except LaennecError as error:  # cut short: what was read counts
        broken = error
    finally:
        source.close()
    events = pipeline.flush()
    score_records.fill(stop_sample // model.score_hop_samples)
    yield from records(events)
    read_s = stop_sample / model.rate_hz
    if not score_records.valid and not stop.is_set():
        raise broken or nothing_judged(path, source, pipeline, model, read_s)
    coverage = score_records.coverage(pipeline, read_s)
    return replace(coverage, broken=broken, has_length=source.has_length)


def last_records(path: Path, coverage: Coverage) -> list[Record]:
    """What there is to say at the end of a file: the gain that it was heard with, and why it is not `verified`."""
    gain: list[Record] = [{"file": str(path), "gain_db": round(coverage.gain_db)}] if round(coverage.gain_db) else []
    verdict = coverage.verdict
    measurable = None if verdict.too_short else verdict.measurable
    said: Record = {
        "file": str(path), "verified": verdict.verified, "measurable": measurable, "reason": verdict.reason,
    }  # fmt: skip
    if not verdict.measurable:
        said["cause"] = CAUSES[verdict.fault][0]
    return [*gain, said] if verdict.reason else gain


def last_lines(coverage: Coverage) -> list[str]:
    """The same for a person; of what is too short to be judged, that it is."""
    gain_db, verdict = round(coverage.gain_db), coverage.verdict
    gain = [f"level: heard {abs(gain_db)} dB {'louder' if gain_db > 0 else 'fainter'}, as the model knows it"]
    lines = gain if gain_db else []
    if not coverage.has_length:
        lines.append("length: not in the file, as of one written to a pipe; nobody can tell whether it was cut off")
    if verdict.reason:
        lines.append(
            f"unverified: {verdict.reason}" if verdict.measurable
            else f"not measurable: {verdict.reason} ({advice(verdict.fault)})"
        )  # fmt: skip
    elif coverage.read_s < LEAST_S:
        lines.append(f"unverified: too short to be judged as a whole ({TOO_SHORT})")
    return lines


def event_record(path: Path, event: Event, rate_hz: int) -> Record:
    """One ended event of a file; times in seconds from the begin of the file."""
    return {
        "file": str(path), "label": event.label, "onset_s": round(event.onset / rate_hz, 4),
        "end_s": round((event.end or event.onset) / rate_hz, 4), "score": round(event.peak, 4),
        "mean": round(event.mean, 4), "threshold": round(event.threshold, 4), "end_reason": event.end_reason,
        "verified": event.verified,
    }  # fmt: skip


def as_line(record: Record) -> str:
    """A record of any kind as one line of JSON."""
    return json.dumps(record, allow_nan=False)


def as_row(record: Record) -> str:
    """An event record as a row of the table whose head is `ROW_HEAD`."""
    ended = "" if record["end_reason"] == "quiet" else f"  ({record['end_reason'].replace('_', ' ')})"
    sound = record["label"].replace("_", " ")
    return f"{record['onset_s']:9.2f} {record['end_s']:9.2f}  {sound:<15} {record['score']:5.2f}{ended}"


ROW_HEAD = f"{'onset s':>9} {'end s':>9}  {'sound':<15} {'score':>5}"


class _ScoreRecords:
    """A record for every score frame of a file, in order; those that the model never saw are marked as not valid."""

    def __init__(self, path: Path, model: Model, is_wanted: bool) -> None:
        """Count the valid score frames; make records of them only if wanted."""
        self._path, self._classes, self._is_wanted = str(path), model.classes, is_wanted
        self._hop_s = model.score_hop_samples / model.rate_hz
        self._next = 0  # score frame of the next record
        self._records: list[Record] = []
        self.valid = 0  # score frames that could be judged
        self.has_events = False

    def push(self, scores: Scores) -> None:
        self.valid += int(scores.valid.sum())
        if self._is_wanted:
            self.fill(scores.start)
            for values, valid in zip(scores.values, scores.valid, strict=True):
                self._add([round(float(value), 5) for value in values], bool(valid))

    def fill(self, stop: int) -> None:
        """Records up to score frame `stop` for those that the model never saw."""
        while self._is_wanted and self._next < stop:
            self._add([0.0] * len(self._classes), valid=False)

    def pop(self) -> list[Record]:
        """The records since the last call."""
        records, self._records = self._records, []
        return records

    def coverage(self, pipeline: Pipeline, read_s: float) -> Coverage:
        """How much of the file could be judged: some of it was, where something was heard."""
        verdict = pipeline.whole()
        judged = self.valid if verdict.measurable or self.has_events else 0
        return Coverage(read_s, judged * self._hop_s, verdict, pipeline.gain_db)

    def _add(self, values: list[float], valid: bool) -> None:
        named = dict(zip(self._classes, values, strict=True))
        begin_s = round(self._next * self._hop_s, 6)
        record = {"file": self._path, "t_s": begin_s, "dur_s": self._hop_s, "valid": valid, "scores": named}
        self._records.append(record)
        self._next += 1
