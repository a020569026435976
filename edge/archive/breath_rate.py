"""The respiratory rate of a whole sound file: a record each 5 s from 8 s on, one at its end. Full speed, no broker.

The same stages as at a bed: pipeline, `edge.detector.breath_sound`, `edge.ward.respiratory_rate`. Not for events
(`edge.detector.detect`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from edge.artefact.model import Model
from edge.detector.breath_sound import BreathSounds
from edge.detector.detect import DetectOptions, Record
from edge.detector.pipeline import Pipeline
from edge.detector.sound_check import Verdict
from edge.errors import LaennecError, SourceError
from edge.sources.file import FileSource
from edge.types import Block, Chunk, Scores
from edge.ward.respiratory_rate import TOO_SHORT, RateReading, RespiratoryRate


class RateOfStream:
    """The respiratory rate of one stream, beside its pipeline.

    Args:
        model: that the pipeline has.
        pipeline: before any sound; it is followed.
    """

    def __init__(self, model: Model, pipeline: Pipeline) -> None:
        """Nothing was heard yet."""
        self._sounds = BreathSounds(model)
        self._rate = RespiratoryRate(model.score_hop_samples / model.rate_hz)
        self._readings: list[RateReading] = []
        pipeline.follow = self._follow

    def take(self) -> list[RateReading]:
        """The readings since the last call."""
        readings, self._readings = self._readings, []
        return readings

    def flush(self) -> list[RateReading]:
        """End of stream: what is left, with that of the step that was begun."""
        return self.take() + self._rate.flush()

    def _follow(self, chunk: Chunk, scores: Scores, verdict: Verdict) -> None:
        self._readings += self._rate.push(self._sounds.push(chunk, scores, verdict.fault))


def rates_of_file(path: Path, model: Model, options: DetectOptions, stop: threading.Event) -> Iterator[Record]:
    """Records `{"file", "t_s", "breaths_per_min", "measurable", "confidence", "why"}` of one file.

    `t_s` is the end of what a record is of, seconds from the begin of the file; `breaths_per_min` is null where it is
    not known, and `why` says why.

    Args:
        path: a sound file.
        model: loaded artefact.
        options: which channel, whose device.
        stop: ends the reading early.

    Raises:
        SourceError: the file cannot be read, or is too short for a single frame.
        ConfigError: the channel does not exist.
    """
    pipeline = Pipeline(model, adaptation=options.adaptation)
    rate, source, has_said = RateOfStream(model, pipeline), FileSource(path, model.rate_hz, options.channel), False
    frame_s, broken = model.score_hop_samples / model.rate_hz, None
    try:
        for item in source.blocks(stop):
            if isinstance(item, Block):
                pipeline.push(item)
                for reading in rate.take():
                    if reading.why != TOO_SHORT:
                        has_said = True
                        yield rate_record(path, reading, frame_s)
    except LaennecError as error:  # cut short: what was read is reported first
        broken = error
    finally:
        source.close()
    pipeline.flush()
    for reading in rate.flush():
        has_said = True
        yield rate_record(path, reading, frame_s)
    if broken is not None:
        raise broken
    if not has_said and not stop.is_set():
        raise SourceError(f"{path}: too short for anything to be said of its breath; record 8 s or more")


def rate_record(path: Path, reading: RateReading, frame_s: float) -> Record:
    """One reading of a file."""
    rate = reading.breaths_per_min
    return {
        "file": str(path), "t_s": round(reading.stop * frame_s, 3),
        "breaths_per_min": None if rate is None else round(rate, 1), "measurable": round(reading.measurable, 3),
        "confidence": round(reading.confidence, 3), "why": reading.why,
    }  # fmt: skip
