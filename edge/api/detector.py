"""The detector of one stream: samples at any rate in, events in seconds out. Sans-IO: no file, no thread, no clock.

Any cut of the sound into pieces gives the same events, and those of the same sound in a file (`edge.api.detect`).
Not for many beds at once (`edge.node`), and not for files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.api.recording import BreathRate, Event, Quality
from edge.detector.breath_sound import BREATH, BreathSounds
from edge.detector.class_rules import EventOptions
from edge.detector.pipeline import Pipeline
from edge.detector.sound_check import SoundAssessment
from edge.detector.warm import warm_up
from edge.errors import ConfigError
from edge.model.adaptation import Adaptation, load_adaptation
from edge.model.model import Model
from edge.model.runtime import open_model
from edge.settings.names import model_path
from edge.settings.sections import years_of
from edge.sources.file import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, check_rate
from edge.sources.resample import RateAdapter
from edge.sources.source import LOUDEST
from edge.types import Block, Chunk, Gap, Scores
from edge.types import Event as SampleEvent
from edge.ward.respiratory_rate import FINEST_S, LOST, OLD_S, RateReading, RespiratoryRate
from edge.ward.wheeze_rate import BreathWindow, WheezeRate

MOST_READINGS = 4096  # that wait to be taken: nearly six hours
FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31}  # of the kinds of whole numbers that sound comes in


class Detector:
    """One stream from its first sample on. `laennec.load` makes one; each microphone needs its own.

    Args:
        model: loaded artefact, may be shared.
        options: what becomes an event, where that is not as the model has it.
        adaptation: of the device, checked to be of this model.
    """

    def __init__(self, model: Model, options: EventOptions | None = None, adaptation: Adaptation | None = None) -> None:
        self.model = model
        self.frame_s = model.score_hop_samples / model.rate_hz
        """Seconds to a score frame."""
        self.observe: Callable[[Scores], None] | None = None
        """Called with all scores that there are, in order."""
        self.pipeline = Pipeline(model, options, self._count, adaptation=adaptation)
        self._rate = _rate_of(model)
        if self._rate is not None:
            self.pipeline.follow = self._follow
            self._breathing = WheezeRate(model.groups, model.classes, BREATH, self.frame_s)
        self._start()

    def _start(self) -> None:
        self._adapter: RateAdapter | None = None  # of the rate of the first samples
        self._rate_hz = 0
        self._start_sample, self._stop_sample = 0, 0  # of the next samples, at their rate; received, at the model's
        self._valid, self._has_events = 0, False
        self._readings: list[RateReading] = []
        self._newest: BreathRate | None = None

    def push(self, samples: ArrayLike, rate_hz: int) -> list[Event]:
        """Take the next samples; return what they decide, which is about a second behind.

        Args:
            samples: (N,) one channel, any N: numbers with full scale = 1.0, or int16 or int32. NaN stands for a sample
                that was lost: give as many as were, and nothing that touches them is judged.
            rate_hz: their rate, Hz; half of the model's or more, the same for the whole stream.

        Raises:
            ConfigError: the rate is no whole number or another one than before, or these are no samples of one channel.
            SourceError: the rate is too low for what is listened to.
        """
        block, rate_hz = _block(self._start_sample, samples), _whole_hz(rate_hz)
        if self._adapter is None:
            check_rate("samples", rate_hz, self.model.rate_hz)
            self._adapter, self._rate_hz = RateAdapter(rate_hz, self.model.rate_hz), rate_hz
        if rate_hz != self._rate_hz:
            raise ConfigError(
                f"rate_hz: expected {self._rate_hz} as before, found {rate_hz}; make a detector for each stream"
            )
        self._start_sample = block.stop
        return self._advance(self._adapter.push(block))

    def push_block(self, block: Block) -> list[Event]:
        """Take the next samples at the model's rate, with their place in the stream.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        self._stop_sample = block.stop
        return self._events(self.pipeline.push(block))

    def flush(self) -> list[Event]:
        """End of stream: decide what is left, close what is open."""
        events = self._advance(self._adapter.flush()) if self._adapter is not None else []
        events += self._events(self.pipeline.flush())
        if self._rate is not None:
            self._store(self._rate[1].flush())
            self._breathing.flush()
        return events

    def reset(self) -> None:
        """Forget everything, as a new detector: for the next recording of the same device."""
        self.pipeline.reset()
        self.pipeline.failed_chunks = 0
        for each in (*self._rate, self._breathing) if self._rate is not None else ():
            each.reset()
        self._start()

    @property
    def quality(self) -> Quality:
        """How the sound of the last half minute is; seconds are of all since the begin."""
        return self._quality(self.pipeline.verdict)

    @property
    def whole(self) -> Quality:
        """The same of all since the begin, as one segment."""
        return self._quality(self.pipeline.whole())

    @property
    def valid_frames(self) -> int:
        """Score frames since the begin that could be judged."""
        return self._valid

    @property
    def respiratory_rate(self) -> BreathRate | None:
        """The newest, unknown once `OLD_S` came behind it; None at first, and for a model without breath."""
        self.take_rates()
        newest, now_s = self._newest, self._stop_sample / self.model.rate_hz
        if newest is None or now_s - newest.t_s <= OLD_S:
            return newest
        return replace(newest, breaths_per_min=None, confidence=0.0, measurable=0.0, why=LOST, spread=None)

    def take_rates(self) -> list[BreathRate]:
        """The respiratory rates since the last call, each 5 s of sound."""
        rates = [BreathRate.of(reading, self.frame_s) for reading in self._readings]
        self._readings.clear()
        self._newest = rates[-1] if rates else self._newest
        return rates

    def breathing(self, from_s: float, to_s: float) -> BreathWindow | None:
        """Respiratory rate, and how much of the breathing has sounds, of a segment of the last 8 h, in steps of 5 s.

        Args:
            from_s: its begin, seconds since the first sample.
            to_s: its end.

        Returns:
            None if nothing of it is known yet, and for a model without breath.
        """
        if self._rate is None:
            return None
        return self._breathing.over(round(from_s / self.frame_s), round(to_s / self.frame_s))

    def _advance(self, items: Sequence[Block | Gap]) -> list[Event]:
        return [event for item in items if isinstance(item, Block) for event in self.push_block(item)]

    def _events(self, events: list[SampleEvent]) -> list[Event]:
        self._has_events |= bool(events)
        return [Event.of(event, self.model.rate_hz) for event in events]

    def _count(self, scores: Scores) -> None:
        self._valid += int(scores.valid.sum())
        if self._rate is not None:
            self._breathing.push(scores, self.pipeline.verdict.verified)
        if self.observe is not None:
            self.observe(scores)

    def _follow(self, chunk: Chunk, scores: Scores, verdict: SoundAssessment) -> None:
        assert self._rate is not None
        sounds, rate = self._rate
        self._store(rate.push(sounds.push(chunk, scores, verdict.fault)))

    def _store(self, readings: list[RateReading]) -> None:
        """Readings until they are taken; of sound that as a whole cannot be judged, nothing is measurable."""
        self._breathing.push_rates(readings)
        if readings and not self.whole.measurable_s:
            readings = [replace(each, measurable=0.0) for each in readings]
        self._readings = [*self._readings, *readings][-MOST_READINGS:]

    def _quality(self, verdict: SoundAssessment) -> Quality:
        judged = self._valid if verdict.measurable or self._has_events else 0
        read_s = self._stop_sample / self.model.rate_hz
        return Quality(read_s, judged * self.frame_s, verdict, self.pipeline.gain_db)


def load(
    model: str | Path | None = None,
    *,
    thresholds: Mapping[str, float] | None = None,
    classes: Sequence[str] | None = None,
    age: str | None = None,
    adaptation: str | Path | None = None,
    runtime: str = "auto",
) -> Detector:
    """A detector for one stream.

    Args:
        model: `default` or `light`, the bundled ones, or a model artefact (.onnx); None: the bundled default.
        thresholds: scores that open an event, above 0 and below 1, by class, instead of the model's own.
        classes: that become events; None: all event classes of the model.
        age: of the patient, as `8 months`, `4 years` or `adult`: which thresholds hold; None: those of everybody.
        adaptation: what `laennec adapt` made for the device.
        runtime: auto, onnxruntime or tensorrt.

    Raises:
        ConfigError: a class, threshold, age or runtime that cannot be.
        ModelError: the artefact is missing, damaged, or does not fit.
    """
    for name, value in (("model", model), ("adaptation", adaptation)):
        if not isinstance(value, str | Path | None):
            raise ConfigError(f"{name}: expected the path of a file, found {value!r}")
    options = _options(thresholds, classes, age)
    warm_up()
    artefact = open_model(None if model is None else model_path(str(model)), runtime)
    return Detector(artefact, options, None if adaptation is None else load_adaptation(Path(adaptation), artefact))


def _options(thresholds: Mapping[str, float] | None, classes: Sequence[str] | None, age: str | None) -> EventOptions:
    if thresholds is not None and not isinstance(thresholds, Mapping):
        raise ConfigError(f"thresholds: expected scores by class, such as {{'wheeze': 0.5}}, found {thresholds!r}")
    for name, value in (thresholds or {}).items():
        if not (isinstance(value, Real) and 0 < value < 1):
            raise ConfigError(f"thresholds: {name}: expected a score above 0 and below 1, found {value!r}")
    if isinstance(classes, str):
        raise ConfigError(f"classes: expected several, such as [{classes!r}], found {classes!r}")
    if not isinstance(age, str | None):
        raise ConfigError(f"age: expected text such as '8 months', '4 years' or 'adult', found {age!r}")
    try:
        age_years = None if age is None else years_of(age)
    except ValueError as error:
        raise ConfigError(f"age: {age!r} {error}") from None
    return EventOptions(dict(thresholds or {}), None if classes is None else tuple(classes), age_years=age_years)


def _rate_of(model: Model) -> tuple[BreathSounds, RespiratoryRate] | None:
    """What finds the respiratory rate; None for a model without breath, or in frames that are too fine."""
    frame_s = model.score_hop_samples / model.rate_hz
    if BREATH not in model.classes or frame_s < FINEST_S:
        return None
    return BreathSounds(model), RespiratoryRate(frame_s)


def _whole_hz(rate_hz: object) -> int:
    """The rate as a whole number, where it is one that sound can have.

    Raises:
        ConfigError: it is not.
    """
    is_whole = isinstance(rate_hz, Real) and float(rate_hz).is_integer()
    if not is_whole or not LOWEST_RATE_HZ <= int(rate_hz) <= HIGHEST_RATE_HZ:  # type: ignore[call-overload]
        allowed = f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
        raise ConfigError(f"rate_hz: expected a whole number of Hz, {allowed}, found {rate_hz!r}")
    return int(rate_hz)  # type: ignore[call-overload, no-any-return]


def _block(start: int, samples: ArrayLike) -> Block:
    """Samples of one channel as a block whose first has the index `start`.

    Raises:
        ConfigError: they are of several channels, or no numbers.
    """
    array = np.asarray(samples)
    if array.ndim != 1 or (array.dtype.kind != "f" and array.dtype.name not in FULL_SCALE):
        raise ConfigError(
            f"samples: expected (N,) of one channel as float, int16 or int32, found {array.shape} {array.dtype}"
        )
    scale = FULL_SCALE.get(array.dtype.name, 1.0)
    sound: NDArray[np.float32] = (array / scale).astype(np.float32) if scale != 1.0 else array.astype(np.float32)
    valid = np.abs(sound) <= LOUDEST  # false for NaN
    return Block(start, np.where(valid, sound, np.float32(0.0)), valid)
