"""Whether the sound of a chest can be judged at all, by its last 16 s: voice, hum, steady tones, rubbing, contact.

Judged every 4 s, from 8 s of whole stretches on (`edge.detector.quality_statistics`):

    dead          no band of no frame has `SILENT_DB`
    clipping      one in a hundred samples is at full scale: ten times what makes a stream unverified
    speech        a fifth of the frames are voiced. A cry is a voice, too. The most of 1772 chest recordings is a tenth
    mains hum     lines that stay at one frequency in four of five stretches, within 2 Hz of a multiple of 50 or 60 Hz,
    steady tone   or elsewhere, together as strong as all else above 100 Hz. A wheeze ends with its breath; none of the
                  1948 recordings has such a line at all
    no contact    a linear discriminant of five statistics, none of which a gain changes, is above `POOR`:
    rubbing         slow   share of the variance of the breath band's level (dB) that a mean over 48 ms leaves: breath
                           swells, a band without breath flickers
                    above  the same of the band above it
                    fast   share of that level's modulation (0.1 Hz and more) in 4 to 8 Hz: faster than breath
                    tilt   noise floor (a tenth of the frames stay below) above the breath band minus that within it,
                           dB: noise of the air is flatter than that of a chest
                    rub    standard deviation of the level of 30 to 60 Hz, means over 128 ms, dB: a heart gives some
                           4 dB, rubbing more
                  Rubbing if `rub` adds the most to it, no contact otherwise

What was called so is called so until it is `RETURN` of the limit better. Weights and limit: logistic regression of
SPRSound's recordings of Poor Quality against the others, 2 % of which are called so; `python -m
training.evaluation.sound_quality` fits them on half of the patients and prints what they find on the other half.

Pure, for one stream; any cut of the sound gives the same. A bed that does not breathe cannot be told from a sensor that
does not touch it, so neither may ever be shown as quiet. Not for level (`edge.detector.sound_check`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.artefact.known import KnownSound
from edge.detector.quality_statistics import BIN_HZ, BREATH, HOP_S, LOW, MID, Stretch, stretch_meter
from edge.detector.sample_counts import SILENT, SILENT_DB
from edge.types import Block, Fault

STRETCHES = 8  # that are judged together
EVERY = 2  # stretches from one finding to the next, or more
LEAST = 4  # of them must be whole
MOST_WAITING = 20_000  # findings that wait for their chunks: 11 hours in one block
CLIPPED = 1e-2  # share of the samples
SPEECH = 0.2  # share of voiced frames
STEADY = 0.8  # share of the stretches
LINES = 1.0  # power of all lines / power of the rest
LINES_ABOVE_HZ, LINE_BINS = 100, 2
MAINS_HZ = (50, 60)
SLOW_FRAMES, RUB_FRAMES, FAST_HZ, QUIET = 3, 8, (4.0, 8.0), 0.1
NAMES = ("slow", "above", "fast", "tilt", "rub")
WEIGHTS = np.array([-26.8, 13.9, 12.5, 0.288, 0.459])  # as NAMES
MIDDLE = np.array([0.784, 0.762, 0.093, -19.73, 3.9])  # means of the recordings
POOR = 3.09  # of the weighted sum of what is above the middle
FALL_DB = 20.0  # from the lowest group of bands to the highest; those of the bundled model lie at the floor there
RETURN = 0.7  # of the limits, for what was called so
TEXTS: dict[Fault, str] = {
    "dead microphone": SILENT,
    "clipping": "clipped: lower the gain",
    "speech": "speech or cry over the chest",
    "mains hum": "mains hum as strong as the chest: check power supplies and cables nearby",
    "steady tone": "a steady tone as strong as the chest",
    "no contact": "no breath to be heard: check the contact with the skin",
    "rubbing": "rubbing: check how sensor and cable are fixed",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the sound."""

    fault: Fault | None = None
    """None: nothing, or it is not judged yet."""

    @property
    def reason(self) -> str:
        """For a person; empty where nothing is."""
        return "" if self.fault is None else TEXTS[self.fault]


def hears_chests(known: KnownSound | None) -> bool:
    """Whether a model knows sound that falls with frequency as that of a chest does, for which the weights hold."""
    return known is not None and known.spectrum_db[-1][1] < known.spectrum_db[0][1] - FALL_DB


class Quality:
    """The quality of one stream.

    Args:
        rate_hz: of its sound, Hz.
    """

    def __init__(self, rate_hz: int) -> None:
        """Nothing was heard yet."""
        self._meter = stretch_meter(rate_hz)
        self._buffer = np.zeros(self._meter.samples, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._number: int | None = None  # of the stretch that is being filled
        self._filled = 0  # samples of it; -1: not all of them are there
        self._recent: deque[tuple[int, Stretch]] = deque()
        self._judged = -EVERY  # number of the stretch after which it was judged last
        self._findings: deque[tuple[int, Finding]] = deque(maxlen=MOST_WAITING)  # from which sample on
        self._last = self._now = Finding()
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

    def at(self, sample: int) -> Finding:
        """What is known of the sound before a sample; not to be asked for an earlier one again."""
        while self._findings and self._findings[0][0] <= sample:
            stop, self._now = self._findings.popleft()
            self._expires = stop + STRETCHES * self._meter.samples
        self._is_over = sample >= self._expires
        return Finding() if self._is_over else self._now

    def lasts(self, sample: int) -> bool:
        """Whether what `at` said last is so until a later sample."""
        return not (self._findings and self._findings[0][0] <= sample) and (sample < self._expires or self._is_over)

    def whole(self) -> Finding:
        """The fault of more than half of everything that was judged since the start, if there is one."""
        fault, count = max(self._counts.items(), key=lambda each: each[1], default=(None, 0))
        return Finding(fault) if 2 * count > self._counts.total() else Finding()

    def _take(self, number: int, offset: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        if number != self._number:
            self._number, self._filled = number, 0
        if offset != self._filled or not valid.all() or not np.isfinite(samples).all():
            self._filled = -1
            return
        self._buffer[offset : offset + len(samples)] = samples
        self._filled += len(samples)
        if self._filled == len(self._buffer):
            self._judge(number)

    def _judge(self, number: int) -> None:
        """A stretch is whole."""
        self._recent.append((number, self._meter.measure(self._buffer)))
        while self._recent[0][0] <= number - STRETCHES:
            self._recent.popleft()
        if len(self._recent) >= LEAST and number >= self._judged + EVERY:
            self._judged = number
            self._last = Finding(fault_of([stretch for _, stretch in self._recent], self._last.fault))
            self._counts[self._last.fault] += 1
            self._findings.append(((number + 1) * self._meter.samples, self._last))


def fault_of(stretches: Sequence[Stretch], before: Fault | None = None) -> Fault | None:
    """What is wrong with some stretches, most certain first.

    Args:
        stretches: of one stream, `LEAST` or more.
        before: what was wrong until now; its limit is `RETURN` of what it is.
    """

    def limit(value: float, *faults: Fault) -> float:
        return RETURN * value if before in faults else value

    if max(float(stretch.levels_db.max()) for stretch in stretches) < SILENT_DB:
        return "dead microphone"
    clipped = np.mean([stretch.clipped for stretch in stretches])
    if clipped >= limit(CLIPPED, "clipping"):
        return "clipping"
    voiced = sum(stretch.voiced for stretch in stretches) / sum(stretch.voice_frames for stretch in stretches)
    if voiced >= limit(SPEECH, "speech"):
        return "speech"
    strength, line_hz = _steady_lines(stretches)
    if strength >= limit(LINES, "mains hum", "steady tone"):
        return (
            "mains hum" if any(abs(line_hz - each * round(line_hz / each)) <= 2 for each in MAINS_HZ) else "steady tone"
        )
    parts = WEIGHTS * (statistics(stretches) - MIDDLE)
    if parts.sum() < limit(POOR, "no contact", "rubbing"):
        return None
    return "rubbing" if NAMES[int(np.argmax(parts))] == "rub" else "no contact"


def statistics(stretches: Sequence[Stretch]) -> NDArray[np.float64]:
    """(5,) slow, above, fast, tilt (dB) and rub (dB) of some stretches."""
    levels = np.concatenate([stretch.levels_db for stretch in stretches]).astype(np.float64)
    low, breath, mid = levels[:, LOW], levels[:, BREATH], levels[:, MID]
    swing = breath - breath.mean()
    modulation = np.abs(np.fft.rfft(swing * _taper(len(swing)))) ** 2
    hz = np.fft.rfftfreq(len(swing), HOP_S)
    first, begin, end = np.searchsorted(hz, (0.1, *FAST_HZ))
    fast = modulation[begin:end].sum() / max(float(modulation[first:].sum()), 1e-6)
    tilt = _quiet(mid) - _quiet(breath)
    return np.array([_slow(breath), _slow(mid), fast, tilt, _means(low, RUB_FRAMES).std()])


@lru_cache(maxsize=2 * STRETCHES)
def _taper(length: int) -> NDArray[np.float64]:
    return np.asarray(np.hanning(length), np.float64)


def _slow(values: NDArray[np.float64]) -> float:
    return float(_means(values, SLOW_FRAMES).var() / max(values.var(), 1e-6))


def _means(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((sums[length:] - sums[:-length]) / length)


def _quiet(values: NDArray[np.float64]) -> float:
    at = int(QUIET * len(values))
    return float(np.partition(values, at)[at])


def _steady_lines(stretches: Sequence[Stretch]) -> tuple[float, float]:
    """Power of the lines that stay, relative to all else above 100 Hz, and the strongest of them, Hz."""
    counts = np.stack([stretch.lines for stretch in stretches]).sum(axis=0)
    steady = counts >= STEADY * len(stretches)
    if not steady.any():
        return 0.0, 0.0
    power = np.stack([stretch.power for stretch in stretches]).sum(axis=0, dtype=np.float64)
    near = np.convolve(steady, np.ones(2 * LINE_BINS + 1), "same") > 0
    rest = power[LINES_ABOVE_HZ // BIN_HZ :][~near[LINES_ABOVE_HZ // BIN_HZ :]].sum()
    return float(power[near].sum() / max(rest, 1e-30)), BIN_HZ * float(np.argmax(np.where(steady, power, 0)))
