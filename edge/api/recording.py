"""What was found in a recording, in seconds: events, scores, quality, respiratory rate. Records, a picture, a table.

Not for detecting (`edge.api.detector`). Times count from the first sample. A picture needs matplotlib, a table pandas;
neither is imported before it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.detector.recording import CAUSES
from edge.detector.sound_check import SoundAssessment
from edge.errors import LaennecError, not_installed
from edge.model.model import Model
from edge.pictures.spectrogram import DetectedEvent, PictureOptions
from edge.types import Event as SampleEvent
from edge.ward.respiratory_rate import RateReading
from edge.ward.wheeze_rate import BreathWindow

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

DIGITS = 4  # of seconds and scores in records: a tenth of a millisecond


@dataclass(frozen=True, slots=True)
class Event:
    """One change of an adventitious sound: it was confirmed (`onset`) or it is over (`end`)."""

    kind: Literal["onset", "update", "end"]
    """An `end` with the same label and onset follows each `onset`; a `Recording` has ends alone."""
    label: str
    """Class of the model, such as `wheeze`."""
    onset_s: float
    """When the sound began, seconds."""
    end_s: float | None
    """When it ended, seconds; None in an `onset`."""
    score: float
    """Highest score so far, 0 to 1."""
    mean: float
    """Mean score so far, 0 to 1."""
    threshold: float
    """Score that opened the event, 0 to 1."""
    end_reason: Literal["", "quiet", "gap", "stream_end"]
    """Why it ended: the sound stopped, sound was lost, or the recording is over; empty in an `onset`."""
    verified: bool | None
    """Whether the sound was like what the model knows; None where that was not judged."""

    @classmethod
    def of(cls, event: SampleEvent, rate_hz: int) -> Event:
        """An event whose times are samples at `rate_hz`."""
        end_s = None if event.end is None else event.end / rate_hz
        return cls(
            event.kind,
            event.label,
            event.onset / rate_hz,
            end_s,
            event.peak,
            event.mean,
            event.threshold,
            event.end_reason,
            event.verified,
        )

    def record(self) -> dict[str, Any]:
        """As the JSON lines of `laennec detect` have it, rounded; without its kind."""
        fields = {name: round(x, DIGITS) if isinstance(x, float) else x for name, x in asdict(self).items()}
        del fields["kind"]
        return fields


@dataclass(frozen=True, slots=True)
class BreathRate:
    """The respiratory rate at one moment, or why it is not known."""

    t_s: float
    """End of the sound that it is of, seconds."""
    breaths_per_min: float | None
    """None: not known."""
    confidence: float
    """Probability that the rate lies within 10 % of the best guess, 0 to 1; not calibrated on other devices."""
    measurable: float
    """Share of the last half minute that could be used, 0 to 1."""
    why: str
    """Why it is not known, else empty."""
    spread: float | None = None
    """Where breaths were counted, the longest time between two of them / the shortest: from about 2 on, irregular."""

    @classmethod
    def of(cls, reading: RateReading, frame_s: float) -> BreathRate:
        """A reading whose end is a score frame of `frame_s`."""
        rate = reading.breaths_per_min
        return cls(reading.stop * frame_s, rate, reading.confidence, reading.measurable, reading.why, reading.spread)

    def record(self) -> dict[str, Any]:
        """As the JSON lines of `laennec detect --rate` have it, rounded."""
        rate = None if self.breaths_per_min is None else round(self.breaths_per_min, 1)
        rounded = {name: round(getattr(self, name), 3) for name in ("t_s", "measurable", "confidence")}
        return {
            "t_s": rounded["t_s"],
            "breaths_per_min": rate,
            "measurable": rounded["measurable"],
            "confidence": rounded["confidence"],
            "why": self.why,
            "spread": None if self.spread is None else round(self.spread, 2),
        }


@dataclass(frozen=True, slots=True)
class Quality:
    """How much of a segment of sound could be judged, and what was wrong with the rest."""

    read_s: float
    """Length of what was read, seconds."""
    measurable_s: float
    """Of it, what could be judged, seconds; none of a segment that is not measurable as a whole and has no event."""
    verdict: SoundAssessment = field(default_factory=SoundAssessment)
    """Whether it is like what the model knows, and can be judged at all."""
    gain_db: float = 0.0
    """What was added to its level at its end, dB."""
    broken: LaennecError | None = None
    """Why a file ended early, where it did."""
    has_length: bool = True
    """Whether a file says how long it is: whether one that was cut off would be known."""
    has_8_bits: bool = False
    """Whether a file has 8 bits a sample: what is fainter than -48 dBFS is lost in it."""

    @property
    def verified(self) -> bool | None:
        """Whether it is like what the model knows; None where that was not judged."""
        return self.verdict.verified

    @property
    def reason(self) -> str:
        """Why it is not verified or not measurable, for a person; else empty."""
        return self.verdict.reason

    @property
    def cause(self) -> str:
        """Which it was: loudness, contact, device or other sound; empty where all of it is measurable."""
        return "" if self.verdict.measurable else CAUSES[self.verdict.fault][0]

    @property
    def advice(self) -> str:
        """What to do about the cause; empty where all of it is measurable."""
        return "" if self.verdict.measurable else CAUSES[self.verdict.fault][1]


@dataclass(frozen=True)
class Recording:
    """One file, scored to its end; T score frames, C classes."""

    path: Path
    events: tuple[Event, ...]
    """Each sound once, in the order in which they ended."""
    classes: tuple[str, ...]
    """(C,) what the columns of `scores` are; not all become events."""
    times_s: NDArray[np.float64]
    """(T,) begin of each score frame, seconds."""
    scores: NDArray[np.float32]
    """(T, C) probability that the class sounds in the score frame, 0 to 1; NaN where nothing could be judged."""
    quality: Quality
    respiratory_rate: tuple[BreathRate, ...]
    """Each 5 s from 8 s on, and at the end; empty for a model without breath."""
    breathing: BreathWindow | None
    """Median rate, and of each group the share of the breathing and of the breaths with its sounds (wheeze rate), over
    the last 8 h; None for such a model."""
    model: Model = field(repr=False)
    """That scored it."""
    channel: int | None = None
    """Which of several, counted from 1."""

    def plot(self, from_s: float = 0.0, to_s: float | None = None) -> Figure:
        """The spectrogram as the model gets it, the events above; the file is read again.

        Args:
            from_s: begin of the segment to draw, seconds.
            to_s: its end; None for the end of the file.

        Returns:
            A figure that belongs to no window: a notebook shows it, `savefig` writes it.

        Raises:
            ConfigError: matplotlib is not installed, or the segment lies outside of the file.
            SourceError: the file is gone.
        """
        try:
            from edge.pictures.drawing import make_figure
            from edge.pictures.spectrogram import spectrogram

            options = PictureOptions(self.path, self.model.id, self.model.spec, self.channel, from_s, to_s)
            picture = spectrogram(options, threading.Event())
            return make_figure(picture, drawn(self.events, self.model, (picture.options.from_s, picture.to_s)))
        except ImportError as error:
            raise not_installed(error) or error from None

    def to_dataframe(self) -> DataFrame:
        """The events as a table, a row each; of the scores:  pandas.DataFrame(r.scores, r.times_s, r.classes).

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise not_installed(error) or error from None
        columns = [name for name in Event.__dataclass_fields__ if name != "kind"]
        return pandas.DataFrame([[getattr(event, name) for name in columns] for event in self.events], columns=columns)


def drawn(events: Sequence[Event], model: Model, span_s: tuple[float, float]) -> list[DetectedEvent]:
    """The events that overlap a segment, begin and end in seconds, as a picture shows them."""
    groups = {label: index for index, group in enumerate(model.groups) for label in group.classes}
    ended = [(event, event.onset_s if event.end_s is None else event.end_s) for event in events]
    return [
        DetectedEvent(event.label, groups[event.label], event.onset_s, end_s)
        for event, end_s in ended
        if end_s >= span_s[0] and event.onset_s <= span_s[1]
    ]
