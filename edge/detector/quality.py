"""Whether the sound of a chest can be judged at all, by its last 16 s: voice, hum, steady tones, rubbing, contact.

Judged every 4 s, from 8 s of whole segments on (`edge.detector.quality_measures`):

    dead          no band of no frame has `SILENT_DB`
    clipping      one in a hundred samples is at full scale: ten times what makes a stream unverified
    mains hum     lines that stay at one frequency in four of five segments, within 2 Hz of a multiple of 50 or 60 Hz,
    steady tone   or elsewhere, together as strong as all else above 100 Hz. A wheeze ends with its breath; none of the
                  1948 recordings has such a line at all
    speech        of the frames, one in ten has the harmonics of a voice above 400 Hz, or 28 in a hundred within 100
                  to 1000 Hz, where a voice is heard through the chest (no line stays: hum has harmonics, too). A cry is
                  a voice. Of 708 chest recordings of four kinds of device, one has as many
    rubbing       the bands below 110 Hz, of the breath and above move a lot and together: `RUBBING`
    no contact    the level of the breath band moves no more than that of noise (`STILL`), and there is no evidence of
                  contact (`edge.detector.quality_measures`). With it the breath pauses, or is masked: that can be
                  judged, and is no fault of the sensor. Or the breath band flickers, and neither swells as a breath nor
                  beats as a heart (`LOOSE`)

The last two are linear discriminants of how levels move (`edge.detector.quality_measures`), which neither a gain nor
the curve of a device changes; so no amount of low-frequency sound by itself makes a chest one that cannot be judged.
What was called so is called so until it is `RETURN` of the limit better, or `RETURN_ODDS`. Weights and limits: logistic
regressions of SPRSound's recordings, as they are and as through simulated devices, and of ICBHI's and a manikin's,
against sensors in the air, rubbing and SPRSound's Poor Quality; `python -m training.evaluation.sound_quality` fits them
and prints what they find on patients and devices that they were not fitted on.

Pure, for one stream; any cut of the sound gives the same. A bed that does not breathe cannot be told from a sensor that
does not touch it, so neither may ever be shown as quiet. Not for level (`edge.detector.sound_check`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.detector.quality_measures import (
    BIN_HZ,
    BREATH,
    HEART,
    LOW,
    MID,
    TRUNK,
    Movement,
    Segment,
    evidence_of_contact,
    segment_meter,
)
from edge.detector.statistics import SILENT, SILENT_DB
from edge.model.training_domain import TrainingDomain
from edge.types import Block, Fault

SEGMENTS = 8  # that are judged together
EVERY = 2  # segments from one finding to the next, or more
LEAST = 4  # of them must be whole
LEAST_S = 2 * LEAST
TOO_SHORT = f"too short to be judged as a whole (length: record {LEAST_S} s or more)"
MOST_WAITING = 20_000  # findings that wait for their chunks: 11 hours in one block
CLIPPED = 1e-2  # share of the samples
SPEECH, CHEST_SPEECH = 0.1, 0.28  # shares of voiced frames
STEADY = 0.8  # share of the segments
LINES = 1.0  # power of all lines / power of the rest
LINES_ABOVE_HZ, LINE_BINS = 100, 2
MAINS_HZ = (50, 60)


@dataclass(frozen=True, slots=True)
class Discriminant:
    """A weighted sum of statistics that is compared with a limit."""

    names: tuple[str, ...]
    """Of `NAMES`."""
    weights: tuple[float, ...]
    """Of each."""
    limit: float
    """From here on it is so, natural logarithm of the odds."""

    def excess(self, found: NDArray[np.floating]) -> float:
        """How far (S,) statistics, as `statistics` gives them, are above the limit."""
        chosen = found[[PLACES[name] for name in self.names]]
        return float(chosen @ np.array(self.weights)) - self.limit


NAMES = (
    "swing",
    "scatter",
    "slow",
    "slow above",
    "flicker",
    "burst",
    "beat",
    "breath with above",
    "skin with breath",
    "pulse of trunk",
    "pulse above",
    "heart with above",
    "trunk with breath",
)
PLACES = {name: place for place, name in enumerate(NAMES)}
STILL = Discriminant(("swing", "scatter"), (-1.47, -2.41), -13.0)
RUBBING = Discriminant(
    ("pulse of trunk", "pulse above", "heart with above", "trunk with breath"), (-0.288, 0.879, 3.19, 3.27), 13.3
)
LOOSE = Discriminant(
    ("slow", "slow above", "flicker", "burst", "beat", "breath with above", "skin with breath"),
    (-21.1, 10.3, 9.15, 0.0746, -5.32, 1.87, 4.19),
    -0.5,
)
RETURN_ODDS = 1.0
FALL_DB = 20.0  # from the strongest group of bands to the highest; those of the bundled model lie at the floor there
RETURN = 0.7  # of the limits, for what was called so
TEXTS: dict[Fault, str] = {
    "dead microphone": SILENT,
    "clipping": "clipped: lower the gain",
    "speech": "speech or cry over the chest",
    "mains hum": "mains hum as strong as the chest: check power supplies and cables nearby",
    "steady tone": "a steady tone as strong as the chest",
    "no contact": "no breath and no heart to be heard: check patient and sensor",
    "rubbing": "rubbing: check how sensor and cable are fixed",
}


@dataclass(frozen=True, slots=True)
class QualityAssessment:
    """What is wrong with the sound."""

    fault: Fault | None = None
    """None: nothing, or it is not judged yet."""
    touches: bool | None = None
    """Whether there is evidence that the sensor touches somebody (`edge.detector.quality_measures`); None: not
    judged.
    """

    @property
    def reason(self) -> str:
        """For a person; empty where nothing is."""
        return "" if self.fault is None else TEXTS[self.fault]


def is_for_chests(known: TrainingDomain | None) -> bool:
    """Whether a model knows sound that falls with frequency as that of a chest does, for which the weights hold."""
    if known is None:
        return False
    middles = [middle for _, middle, _ in known.spectrum_db]
    return middles[-1] < max(middles) - FALL_DB  # a model with a high-pass has little in the lowest group, too


class Quality:
    """The quality of one stream.

    Args:
        rate_hz: of its sound, Hz.
    """

    def __init__(self, rate_hz: int) -> None:
        self._meter = segment_meter(rate_hz)
        self._buffer = np.zeros(self._meter.samples, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._number: int | None = None  # of the segment that is being filled
        self._filled = 0  # samples of it; -1: not all of them are there
        self._recent: deque[tuple[int, Segment]] = deque()
        self._assessed = -EVERY  # number of the segment after which it was judged last
        self._findings: deque[tuple[int, QualityAssessment]] = deque(maxlen=MOST_WAITING)  # from which sample on
        self._last = self._now = QualityAssessment()
        self._expires = 0  # sample
        self._is_over = True  # whether it was past when it was asked for last
        self._counts: Counter[Fault | None] = Counter()  # of all findings

    def push(self, block: Block) -> None:
        """Take sound of any length, in order."""
        length, at = self._meter.samples, block.start
        while at < block.stop:
            number = at // length
            part = slice(at - block.start, min((number + 1) * length, block.stop) - block.start)
            self._take(number, at - number * length, block.samples[part], block.valid[part])
            at = block.start + part.stop

    def at(self, sample: int) -> QualityAssessment:
        """What is known of the sound before a sample; not to be asked for an earlier one again."""
        while self._findings and self._findings[0][0] <= sample:
            stop, self._now = self._findings.popleft()
            self._expires = stop + SEGMENTS * self._meter.samples
        self._is_over = sample >= self._expires
        return QualityAssessment() if self._is_over else self._now

    def lasts(self, sample: int) -> bool:
        """Whether what `at` said last is so until a later sample."""
        return not (self._findings and self._findings[0][0] <= sample) and (sample < self._expires or self._is_over)

    def whole(self) -> QualityAssessment:
        """The fault of more than half of everything that was judged since the start, if there is one."""
        fault, count = max(self._counts.items(), key=lambda each: each[1], default=(None, 0))
        return QualityAssessment(fault) if 2 * count > self._counts.total() else QualityAssessment()

    @property
    def is_judged(self) -> bool:
        """Whether there was ever enough sound."""
        return bool(self._counts)

    def _take(self, number: int, offset: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        if number != self._number:
            self._number, self._filled = number, 0
        if offset != self._filled or not valid.all():
            self._filled = -1
            return
        self._buffer[offset : offset + len(samples)] = samples
        self._filled += len(samples)
        if self._filled == len(self._buffer) and np.isfinite(self._buffer).all():
            self._assess(number)

    def _assess(self, number: int) -> None:
        """A segment is whole."""
        self._recent.append((number, self._meter.measure(self._buffer)))
        while self._recent[0][0] <= number - SEGMENTS:
            self._recent.popleft()
        if len(self._recent) >= LEAST and number >= self._assessed + EVERY:
            self._assessed = number
            segments = [segment for _, segment in self._recent]
            movement = movement_of(segments)
            fault = fault_of(segments, self._last.fault, movement)
            self._last = QualityAssessment(fault, evidence_of_contact(movement) > 0)
            self._counts[self._last.fault] += 1
            self._findings.append(((number + 1) * self._meter.samples, self._last))


def movement_of(segments: Sequence[Segment]) -> Movement:
    """How the levels of some segments move."""
    return Movement(np.concatenate([segment.levels_db for segment in segments]))


def fault_of(
    segments: Sequence[Segment], before: Fault | None = None, movement: Movement | None = None
) -> Fault | None:
    """What is wrong with some segments, most certain first.

    Args:
        segments: of one stream, `LEAST` or more.
        before: what was wrong until now; its limit is `RETURN` of what it is.
        movement: theirs, where that is made already.
    """

    def limit(value: float, *faults: Fault) -> float:
        return RETURN * value if before in faults else value

    movement = movement_of(segments) if movement is None else movement
    if movement.levels_db.max() < SILENT_DB:
        return "dead microphone"
    clipped = np.mean([segment.clipped for segment in segments])
    if clipped >= limit(CLIPPED, "clipping"):
        return "clipping"
    strength, line_hz = _steady_lines(segments)
    if strength >= limit(LINES, "mains hum", "steady tone"):
        return (
            "mains hum" if any(abs(line_hz - each * round(line_hz / each)) <= 2 for each in MAINS_HZ) else "steady tone"
        )
    frames = sum(segment.voice_frames for segment in segments)
    voiced, chest_voiced = (sum(counts) / frames for counts in zip(*map(_voiced, segments), strict=True))
    if voiced >= limit(SPEECH, "speech") or (not strength and chest_voiced >= limit(CHEST_SPEECH, "speech")):
        return "speech"
    return _how_it_moves(movement, before)


def _voiced(segment: Segment) -> tuple[int, int]:
    return segment.voiced, segment.chest_voiced


def _how_it_moves(movement: Movement, before: Fault | None) -> Fault | None:
    """Rubbing or no contact, by how the levels of the bands move."""

    def back(fault: Fault) -> float:
        return RETURN_ODDS if fault == before else 0.0

    found = statistics(movement)
    if RUBBING.excess(found) > -back("rubbing"):
        return "rubbing"
    if STILL.excess(found) > -back("no contact"):
        return None if evidence_of_contact(movement) > back("no contact") else "no contact"
    return "no contact" if LOOSE.excess(found) > -back("no contact") else None


def statistics(movement: Movement) -> NDArray[np.float64]:
    """(S,) how the levels of some segments move, as `NAMES`; bands as `edge.detector.quality_measures.BANDS_HZ`."""
    pulses_db, together = movement.pulse_db, movement.together()
    return np.array(
        [
            movement.swing_db(BREATH),
            movement.scatter_db(BREATH),
            movement.slow_share(BREATH),
            movement.slow_share(MID),
            movement.flicker_share(BREATH),
            movement.burst_db(BREATH),
            movement.regularity(HEART),
            together[BREATH, MID],
            together[LOW, BREATH],
            pulses_db[TRUNK],
            pulses_db[MID],
            together[HEART, MID],
            together[TRUNK, BREATH],
        ]
    )


def _steady_lines(segments: Sequence[Segment]) -> tuple[float, float]:
    """Power of the lines that stay, relative to all else above 100 Hz, and the strongest of them, Hz."""
    counts = np.stack([segment.lines for segment in segments]).sum(axis=0)
    steady = counts >= STEADY * len(segments)
    if not steady.any():
        return 0.0, 0.0
    power = np.stack([segment.power for segment in segments]).sum(axis=0, dtype=np.float64)
    near = np.convolve(steady, np.ones(2 * LINE_BINS + 1), "same") > 0
    rest = power[LINES_ABOVE_HZ // BIN_HZ :][~near[LINES_ABOVE_HZ // BIN_HZ :]].sum()
    return float(power[near].sum() / max(rest, 1e-30)), BIN_HZ * float(np.argmax(np.where(steady, power, 0)))
