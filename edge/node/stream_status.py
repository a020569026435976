"""The status of one stream: its totals, its state, its sound of the last seconds. Made by the thread that scores it.

Not for measuring (`edge.node.stream`), nor for when any of this is published (`edge.node.service`). A status is frozen
and replaced as a whole: whoever reads `stream.status` once has a picture that fits together, waits for nobody and
changes nothing. The alarms, the service and the metrics see a `StreamView`, which has nothing else. A status that is
old says that the thread that makes it stands still: nothing is detected on any bed, which the state as it was then
would hide.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Protocol

import numpy as np

from edge.contract.stream_status import StreamState
from edge.delivery.latency import LATE_S, LatencyCounts
from edge.detector.sound_check import SoundAssessment
from edge.model.model import Model
from edge.node.inbox import OVERLOAD, Item
from edge.node.observer import StreamObserver
from edge.settings.names import Outside
from edge.sources.source import Vitals
from edge.types import Block, Event, Gap, Scores
from edge.ward.burden import Reading
from edge.ward.coverage import Covered
from edge.ward.respiratory_rate import RateReading
from edge.ward.wheeze_rate import BreathTrend

RECENT_S = 10.0  # over which the share of measurable sound and the level are measured
MEASURABLE_SHARE = 0.5  # below it the stream is degraded
UNPLUGGED_DB = -90.0  # rms re full scale; an input that is muted or has no microphone is below, any chest far above
ENERGY_UNIT = 1e-15  # energy is summed in whole units of it: a sum of floats would lose the faint after a loud year
ALMOST_NO_SOUND = f"almost no sound (below {UNPLUGGED_DB:.0f} dBFS): check the plug, the mute switch and the gain"
GAIN_STEP_DB = 3.0  # a level that drifts is not published with every decibel
BEHIND_S = 2.0  # a stream that is further behind is degraded; up to 1.1 s are the model's chunk and lookahead
CAUGHT_UP_S = 1.7  # until it is this close again
LEAVES_OUT = "overload: this machine is too slow, sound is left out"


@dataclass(frozen=True)
class StreamTotals:
    """What one stream has received and found since the start."""

    received_s: float = 0.0
    """Sound that arrived and was not left out, seconds."""
    measurable_s: float = 0.0
    """Sound that could be judged, seconds of score frames."""
    lost_s: float = 0.0
    """Sound that was announced as lost, or left out, seconds."""
    gaps: int = 0
    """Gaps."""
    events: int = 0
    """Events that began."""
    busy_s: float = 0.0
    """Computing time: detector, messages and figures, seconds."""
    concealed_s: float = 0.0
    """Sound that stood in for what was lost, seconds; it was judged and never received."""
    left_out_s: float = 0.0
    """Of what was lost, the sound that this machine was too slow for, seconds."""

    def __add__(self, other: StreamTotals) -> StreamTotals:
        """The totals of two streams."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return StreamTotals(*(mine + theirs for mine, theirs in pairs))

    def __str__(self) -> str:
        """The summary line of a run."""
        factor = self.busy_s / self.received_s if self.received_s else 0.0
        plural = "" if self.events == 1 else "s"
        left_out = f"overload left out {self.left_out_s:.1f} s, " if self.left_out_s else ""
        return (
            f"received {self.received_s:.1f} s, measurable {self.measurable_s:.1f} s, {left_out}"
            f"{self.events} event{plural}, real-time factor {factor:.3f} (computing time per second of sound)"
        )


@dataclass(frozen=True)
class State:
    """State of a stream as published."""

    name: StreamState
    """`unknown` before the first sound."""
    reason: str
    """Why, for the operator; empty if `ok`."""
    since_s: float
    """Since when, seconds since 1970."""
    verified: bool | None = None
    """Whether it sounds like what the model knows; None where that is not judged."""
    gain_db: int = 0
    """What is added to its level, dB; published again when it has moved by `GAIN_STEP_DB`."""

    def after(self, name: StreamState, reason: str, verified: bool | None, gain_db: float, wall_s: float) -> State:
        """The state that follows; the same object where nothing has changed."""
        if (name, reason, verified) != (self.name, self.reason, self.verified):
            return State(name, reason, wall_s, verified, round(gain_db))
        return self if abs(gain_db - self.gain_db) < GAIN_STEP_DB else replace(self, gain_db=round(gain_db))


class RecentSound:
    """The shortest segment of whole blocks that is at least `RECENT_S` long."""

    def __init__(self) -> None:
        self._valid_samples = self._energy = 0
        self._blocks: deque[tuple[float, float, int, int]] = deque()  # after each late block: s, s, samples, energy
        self._share = (0.0, 0.0)  # received and measurable sound, s
        self._power = 1.0  # mean square of their valid samples, full scale = 1.0

    def push(self, newest: Block, received_s: float, measurable_s: float) -> None:
        """Take a block and the totals of the stream after it, seconds."""
        valid = newest.samples if newest.valid.all() else newest.samples[newest.valid]
        energy = float(valid @ valid)
        if not isfinite(energy):
            valid = valid[np.isfinite(valid)]
            energy = float(valid @ valid)
        self._valid_samples += len(valid)
        self._energy += round(energy / ENERGY_UNIT)
        self._blocks.append((received_s, measurable_s, self._valid_samples, self._energy))
        while len(self._blocks) > 1 and received_s - self._blocks[1][0] >= RECENT_S:
            self._blocks.popleft()
        received_before_s, measurable_before_s, samples, energy = self._blocks[0]
        self._share = (received_s - received_before_s, measurable_s - measurable_before_s)
        self._power = (self._energy - energy) * ENERGY_UNIT / max(self._valid_samples - samples, 1)

    def fault(self, strange: str) -> str:
        """What is wrong with the sound, most telling first; empty if nothing is.

        Args:
            strange: how it is not like what the model knows; empty if it is.
        """
        received_s, measurable_s = self._share
        if received_s >= RECENT_S and self._power < 10 ** (UNPLUGGED_DB / 10):
            return ALMOST_NO_SOUND
        is_little = received_s >= RECENT_S / 2 and measurable_s < MEASURABLE_SHARE * received_s  # scores come later
        return strange or ("little of the sound can be measured" if is_little else "")


class Backlog:
    """Whether a stream is behind, and how far, without a change for each of its chunks."""

    def __init__(self, words: str, late_s: float, caught_up_s: float) -> None:
        """Not behind; `words` say how, from `late_s` on until it is no more than `caught_up_s`."""
        self._words, self._late_s, self._caught_up_s = words, late_s, caught_up_s
        self._published_s: float | None = None

    def reason(self, lag_s: float) -> str:
        """`behind by N s`, or empty.

        Args:
            lag_s: sound that arrived and is not decided yet, seconds.
        """
        if lag_s <= (self._late_s if self._published_s is None else self._caught_up_s):
            self._published_s = None
            return ""
        if self._published_s is None or abs(lag_s - self._published_s) >= 1:
            self._published_s = max(2.0, float(round(lag_s)))
        return f"{self._words} {self._published_s:.0f} s"


class SoundFaults:
    """What is wrong with the sound of a stream that arrives, and with the time at which it is decided.

    Args:
        outside: what becomes of sound that is not like what the model knows, as in the settings.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside = outside.replace("_", " ")
        self.recent = RecentSound()
        self.left_out_at_s = -float("inf")
        """When sound was left out last because the machine is too slow, monotonic."""
        self._undecided = Backlog("behind by", BEHIND_S, CAUGHT_UP_S)
        self._undelivered = Backlog("events reach the broker after", LATE_S, 0.8 * LATE_S)

    def reason(self, now_s: float, lag_s: float, delivery_s: float, verdict: SoundAssessment) -> str:
        """Why the stream is degraded, most telling first; empty if it is not.

        Args:
            now_s: monotonic.
            lag_s: sound that arrived and is not decided yet, seconds.
            delivery_s: how late its events reach the broker, seconds.
            verdict: of the detector, on the sound of the last half minute.
        """
        how = self._outside if verdict.measurable else "not measurable"
        out_of_domain = f"{how}: {verdict.reason}" if verdict.verified is False else ""
        left_out = LEAVES_OUT if now_s - self.left_out_at_s < RECENT_S else ""
        undelivered = self._undelivered.reason(delivery_s)
        return self._undecided.reason(lag_s) or undelivered or left_out or self.recent.fault(out_of_domain)


OLD_S = 5.0  # twenty times the longest that a thread which scores leaves between two
STANDS_STILL = "scoring stands still"


@dataclass(frozen=True)
class StreamStatus:
    """One stream at one moment."""

    made_s: float
    """When, monotonic seconds."""
    wall_s: float
    """The same, seconds since 1970."""
    state: State
    """As it was then; see `state_at`."""
    lag_s: float = 0.0
    """Sound that had arrived, or should have been read, and was not decided; 0 for a file at full speed."""
    totals: StreamTotals = field(default_factory=StreamTotals)
    reading: Reading | None = None
    """Its burden; None before the first scores."""
    covered: tuple[Covered, ...] = ()
    """The coverage of the windows of the reading, shortest first."""
    verdict: SoundAssessment = field(default_factory=SoundAssessment)
    """Of the sound of the last scores."""
    vitals: Vitals | None = None
    """Of its device, if its source knows any."""
    chunks: LatencyCounts = field(default_factory=LatencyCounts)
    """Of the chunks of live sound: from the arrival of the last sample that one needs to its decision."""
    failure: str = ""
    """Why it ended, if not by the end of its source."""
    is_broken: bool = False
    """Whether it ended by an error of this program, which a restart may cure."""
    is_closed: bool = False
    """Whether nothing more is decided; then no newer status is made."""
    breath: RateReading | None = None
    """Its respiratory rate; None before the first 5 s."""
    is_without_breath: bool | None = None
    """Whether there was no breath for the limit of a pause, or longer; None: not known."""
    breathing: BreathTrend | None = None
    """Its breathing over a minute to a night; None: nothing received yet, or a model without breath."""
    patients: int = 0
    """Patients that were admitted to the bed since the start; what is known is of the last."""

    @property
    def reports_contact(self) -> bool:
        """Whether its device itself says that it touches somebody."""
        return self.vitals is not None and "no contact" not in self.vitals.conditions

    def is_old(self, now_s: float) -> bool:
        """Whether no thread makes it any more, though the stream is open."""
        return not self.is_closed and now_s - self.made_s > OLD_S

    def state_at(self, now_s: float) -> State:
        """The state of the stream at a moment, monotonic seconds: lost, where scoring stands still."""
        return State("lost", STANDS_STILL, self.wall_s) if self.is_old(now_s) else self.state

    def lag_at(self, now_s: float) -> float:
        """Undecided sound at a moment, seconds; where scoring stands still it grows."""
        return self.lag_s + now_s - self.made_s if self.is_old(now_s) else self.lag_s


class StreamView(Protocol):
    """A stream to all but the thread that scores."""

    @property
    def id(self) -> str:
        """Of the stream."""

    @property
    def status(self) -> StreamStatus:
        """How it is."""


class StreamCounts(StreamObserver):
    """Of one stream, since its start.

    Args:
        model: that scores it.
    """

    def __init__(self, model: Model) -> None:
        self._rate_hz, self._score_hop_s = model.rate_hz, model.score_hop_samples / model.rate_hz
        self.busy_s = 0.0
        """Computing time of the stream."""
        self._received = self._lost = self._left_out = self._gaps = self._measurable_frames = self._events = 0

    def on_item(self, item: Item) -> None:
        """Sound that arrived, or that will not come or was left out because this machine is too slow."""
        if isinstance(item, Block):
            self._received += len(item.samples)
        elif isinstance(item, Gap) and item.stop > item.start:
            self._gaps += 1
            self._lost += item.stop - item.start
            self._left_out += item.stop - item.start if item.cause == OVERLOAD else 0

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        """Score frames that could be judged, or not."""
        self._measurable_frames += int(scores.valid.sum())

    def on_events(self, events: Sequence[Event]) -> None:
        """Events, of which those count that begin."""
        self._events += sum(event.kind == "onset" for event in events)

    def received_and_measurable_s(self) -> tuple[float, float]:
        """What arrived and was not left out, and what of it could be judged, seconds."""
        return self._received / self._rate_hz, self._measurable_frames * self._score_hop_s

    def totals(self, concealed: int) -> StreamTotals:
        """In seconds, with the samples that stood in for lost ones."""
        rate_hz = self._rate_hz
        return StreamTotals(
            *self.received_and_measurable_s(),
            self._lost / rate_hz,
            self._gaps,
            self._events,
            self.busy_s,
            concealed / rate_hz,
            self._left_out / rate_hz,
        )
