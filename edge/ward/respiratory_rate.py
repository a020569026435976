"""The respiratory rate of one bed from its sound: breaths per minute, or why it is not known. Pure, for one stream.

Each `STEP_S` the last `SEGMENT_S` are looked at (`edge.ward.breath_rhythm`), and the log-odds of all stretches that lie
in the last `WINDOW_S` are averaged: a reading comes 8 s after the begin, and is steadier once the window is full.
Breath slower than `SLOW` has too few breaths in a stretch: it is looked for in a minute, in frames four times as long,
and said where so few breaths were counted, too. Breaths that are **counted** with certainty need no rhythm, so
irregular breath has a rate as well; below twice `SLOW` only after that minute, for two sounds may be one breath. Else a
rate is said where `CERTAIN` of the posterior lies within 10 % of it, or `POSSIBLE` and each breath that was counted
follows the one before at about that time; and only where the breath score says that breath sounds, for a heart repeats
as well, and the next breath is not overdue: a breath that stopped has no rate. Everything else is unknown, with its
reason, never a number.

A fault of the sound takes it away where no breath can be heard for it (`BLOCKING`), and else is a reason only: a model
may not know a stethoscope, which then fails the tests of its contact, and breath is heard all the same.

Readings end on a grid of absolute score frames, so any cut of the sound gives the same, bit for bit. Lost and masked
frames are missing from the stretch, never joined; of less than `LEAST_SHARE` of a stretch nothing is said. An index
that jumps forward is lost sound, one that goes back another stream. Memory: two minutes of frames, 64 kB.

Measured on patients that nothing was chosen on: `edge/ward/README.md`. Right of the same regular windows of SPRSound by
other methods, answering as often (`python -m training.evaluation.breath_rate`): spectral peak of the breath score .929,
its autocorrelation .696; of the level 200 to 1200 Hz .714, .532. Counting takes made irregular breath, every begin of
which is known, with up to a breath's length between two, from .277 answered and .778 of those right to .635 and .933;
with up to twice that, from .046 and none to .542 and .972. In the irregular windows of SPRSound a breath is heard
(score of .5) in 69 % of the places where one is due and none annotated, in 88 % of those annotated. Not for pauses or
alarms.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge.types import BreathSound, Fault
from edge.ward.breath_rhythm import MOST_FRAMES, Count, Rhythm, candidates, counted

STEP_S = 5.0
OLD_S = 3 * STEP_S  # of sound behind a reading, and it is none of now
LEAST_S = 8.0  # of sound, before anything is said
SEGMENT_S = 15.0
WINDOW_S = 30.0
LONG_S, SLOWER = 60.0, 4  # of slow breath: its window, and how many frames are taken as one
SLOW = 12.0  # breaths per minute; three of them take 10 s
LEAST_SHARE = 0.6  # of a stretch must be known
CERTAIN, POSSIBLE = 0.75, 0.5  # of the posterior within 10 % of the answer: enough alone, and where breaths fit
SOUNDS = 0.5  # breath score from which on a breath sounds
LOUDEST, LEAST_LOUD = 0.9, 0.6  # share of a stretch's scores below what must be reached for breath to be heard
LEAST_LOUD_COUNTED = 0.7  # the same for a count, which needs no rhythm: that of coughs and cries is less
FAST, LEAST_LOUD_FAST = 55.0, 0.8  # breaths per minute from which on it may be a heart, and what must be reached then
LEAST_PAUSE_S, LEAST_BREATH_S = 0.2, 0.25  # between two breaths, and of a breath
UNEVEN = 1.5  # longest time between two breaths / shortest, from which on breath is irregular
COUNTED = 1.5  # times the rate, that may be counted
SURE = 0.9  # of the posterior within 10 % of the answer: breaths are not counted as well, which costs more
COUNT_IS_RIGHT = 0.9  # of what is counted and has no certain rhythm, on the half chosen on, that much or more
OVERDUE = 2.0  # times the time between two breaths, without any that sounds

TOO_SHORT, LOST, NO_BREATH, IRREGULAR, NOT_CLEAR = (
    "too short",
    "lost sound",
    "no breath heard",
    "irregular",
    "not clear",
)
REASONS = (TOO_SHORT, LOST, NO_BREATH, IRREGULAR, NOT_CLEAR, *get_args(Fault))
"""Why a rate is not known."""
BLOCKING: tuple[Fault, ...] = ("speech", "dead microphone")  # in which no breath can be heard
USABLE, MISSING, FIRST_FAULT = 0, 1, 2  # what is known of a frame; faults follow in their order
IS_USABLE = np.array([True, False, *(fault not in BLOCKING for fault in get_args(Fault))])  # by what is known


@dataclass(frozen=True, slots=True)
class RateReading:
    """The respiratory rate at one moment."""

    stop: int
    """Absolute index one past the last score frame that it is of."""
    breaths_per_min: float | None
    """4 to 90; None: not known."""
    confidence: float
    """Probability that the rate lies within 10 % of the best guess, 0 to 1; not calibrated on other devices."""
    measurable: float
    """Share of the window (of what there was since the begin, if that is less) that could be used, 0 to 1."""
    why: str
    """One of `REASONS` where it is not known, else empty."""
    spread: float | None = None
    """Where breaths were counted, the longest time between two of them / the shortest: from about 2 on, irregular."""


FINEST_S = max(SEGMENT_S, LONG_S / SLOWER) / MOST_FRAMES  # to a score frame: finer ones are too many


class RespiratoryRate:
    """The respiratory rate of one stream.

    Args:
        frame_s: seconds to one score frame, `FINEST_S` or more.
    """

    def __init__(self, frame_s: float) -> None:
        self.step_frames = round(STEP_S / frame_s)
        """Score frames from one reading to the next."""
        self._frame_s = frame_s
        self._segment, self._window, self._long = (round(each / frame_s) for each in (SEGMENT_S, WINDOW_S, LONG_S))
        self._long -= self._long % SLOWER
        if max(self._segment, self._long // SLOWER) > MOST_FRAMES:
            raise ValueError(f"score frames of {1000 * frame_s:.1f} ms, expected {1000 * FINEST_S:.0f} or more")
        self._fast, self._slow = candidates(frame_s), candidates(frame_s * SLOWER, SLOWER)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._next: int | None = None  # score frame that is taken next
        self._scored = 0  # frames since the begin, up to those of the longest window
        self._signals = np.zeros((2, 2 * self._long))  # breath score, level; those before `_end` are the newest
        self._state = np.full(2 * self._long, MISSING, np.int8)
        self._end = self._long
        self._recent: deque[tuple[int, NDArray[np.float64]]] = deque()  # stop and log-odds of whole stretches

    def push(self, sound: BreathSound) -> list[RateReading]:
        """Take the next score frames; return a reading for each step of the grid that they complete."""
        stop = sound.start + len(sound.usable)
        if not len(sound.usable):
            return []
        if self._next is not None and sound.start < self._next - self.step_frames:
            self.reset()
        if self._next is None:
            self._next = sound.start
        readings = self._skip_to(sound.start)
        state = np.where(sound.usable, USABLE if sound.fault is None else _code(sound.fault), MISSING)
        while self._next < stop:
            part = slice(self._next - sound.start, min(stop, self._step_end()) - sound.start)
            self._take(sound.score[part], sound.level_db[part], state[part])
            readings += self._read_at_step()
        return readings

    def flush(self) -> list[RateReading]:
        """End of stream: a reading of the step that was begun."""
        if self._next is None or self._next % self.step_frames == 0:
            return []
        return [self._reading()]

    def _step_end(self) -> int:
        assert self._next is not None
        return (self._next // self.step_frames + 1) * self.step_frames

    def _skip_to(self, frame: int) -> list[RateReading]:
        """Go on over lost sound; once nothing else is left of the longest window, no more readings come."""
        assert self._next is not None
        readings: list[RateReading] = []
        for _ in range(self._long // self.step_frames + 2):
            count = min(frame, self._step_end()) - self._next
            if count <= 0:
                return readings
            nothing = np.zeros(count)
            self._take(nothing, nothing, np.full(count, MISSING, np.int8))
            readings += self._read_at_step()
        self._next = max(self._next, frame)
        self._recent.clear()
        return readings

    def _take(self, score: NDArray[np.floating], level_db: NDArray[np.floating], state: NDArray[np.integer]) -> None:
        """Append frames of one step at most."""
        assert self._next is not None
        count = len(state)
        # Twice the longest window long: any window is one slice, and is moved to the front once in its length.
        if self._end + count > len(self._state):
            self._signals[:, : self._long] = self._signals[:, self._end - self._long : self._end].copy()
            self._state[: self._long] = self._state[self._end - self._long : self._end].copy()
            self._end = self._long
        new = slice(self._end, self._end + count)
        self._signals[0, new], self._signals[1, new], self._state[new] = score, level_db, state
        self._end += count
        self._next += count
        self._scored = min(self._scored + count, self._long)

    def _newest(self, count: int) -> NDArray[np.float64]:
        """(2, T) breath score and level of the last frames."""
        return self._signals[:, self._end - count : self._end]

    def _read_at_step(self) -> list[RateReading]:
        assert self._next is not None
        return [] if self._next % self.step_frames else [self._reading()]

    def _reading(self) -> RateReading:
        """Of what there is now."""
        assert self._next is not None
        window = self._state[self._end - min(self._window, self._scored) : self._end]
        measurable = float(np.count_nonzero(IS_USABLE[window]) / len(window))
        count = min(self._segment, self._scored)
        state = self._state[self._end - count : self._end]
        usable = IS_USABLE[state]
        known_s = float(np.count_nonzero(usable)) * self._frame_s
        log_odds = None
        if known_s >= max(LEAST_S, LEAST_SHARE * count * self._frame_s):
            log_odds = self._fast.log_odds(self._newest(count), usable)
        why = self._missing(state) if log_odds is None else ""
        rhythm = None if log_odds is None else self._fast.best(self._average(log_odds, count))
        mass = 0.0 if rhythm is None else rhythm.mass
        count_of_window = None if rhythm is None or mass >= SURE else self._count(rhythm)
        if rhythm is not None and not self._is_certain(rhythm, count, usable):
            rhythm = self._slow_rhythm()
        if count_of_window is not None and self._may_be_double(count_of_window, rhythm):
            count_of_window = None
        if count_of_window is not None:
            rhythm = Rhythm(count_of_window.breaths_per_min, max(mass, COUNT_IS_RIGHT))
        if rhythm is not None and self._is_overdue(rhythm):
            return RateReading(self._next, None, mass, measurable, NO_BREATH)
        if rhythm is not None:
            spread = None if count_of_window is None else count_of_window.spread
            return RateReading(self._next, rhythm.breaths_per_min, rhythm.mass, measurable, "", spread)
        return RateReading(self._next, None, mass, measurable, why or self._unclear(state))

    def _count(self, rhythm: Rhythm) -> Count | None:
        """The breaths of the window, where breath is heard, nothing is wrong with most of it, and they are certain."""
        count = min(self._window, self._scored)
        state = self._state[self._end - count : self._end]
        usable = IS_USABLE[state]
        if count < self._segment or 2 * np.count_nonzero(state >= FIRST_FAULT) > count or not usable.any():
            return None
        if self._loud(count, usable) < LEAST_LOUD_COUNTED:
            return None
        found = counted(self._newest(count), usable, self._frame_s, rhythm.breaths_per_min)
        return found if found is not None and self._is_loud(found.breaths_per_min, count, usable) else None

    def _may_be_double(self, found: Count, rhythm: Rhythm | None) -> bool:
        """Whether the two sounds of a slow breath may be counted as two: none was looked for yet, or one was found."""
        is_slow = rhythm is not None and rhythm.breaths_per_min < SLOW
        return found.breaths_per_min < 2 * SLOW and (is_slow or self._scored < self._long)

    def _is_loud(self, per_min: float, count: int, usable: NDArray[np.bool_]) -> bool:
        """Whether breath is heard in the last frames: surely, where a heart may be that fast."""
        return self._loud(count, usable) >= (LEAST_LOUD_FAST if per_min > FAST else LEAST_LOUD)

    def _is_certain(self, rhythm: Rhythm, count: int, usable: NDArray[np.bool_]) -> bool:
        """Whether the best candidate is sure enough."""
        if not self._is_loud(rhythm.breaths_per_min, count, usable):
            return False
        if rhythm.mass >= CERTAIN or rhythm.mass < POSSIBLE:
            return rhythm.mass >= CERTAIN
        times = np.diff(self._breaths(count, usable)) * rhythm.breaths_per_min / 60
        return len(times) > 0 and bool(times.min() > 1 / UNEVEN and times.max() < UNEVEN)

    def _is_overdue(self, rhythm: Rhythm) -> bool:
        """Whether more than one breath is missing since the last that sounded, in what is known of the sound."""
        usable = IS_USABLE[self._state[self._end - self._scored : self._end]]
        sounding = np.flatnonzero(usable & (self._newest(self._scored)[0] >= SOUNDS))
        still = np.count_nonzero(usable[sounding[-1] :]) if len(sounding) else len(usable)
        return still * self._frame_s * rhythm.breaths_per_min > OVERDUE * 60

    def _loud(self, count: int, usable: NDArray[np.bool_]) -> float:
        """The breath score that `LOUDEST` of a stretch's stay below."""
        score = self._newest(count)[0, usable]
        place = int(LOUDEST * len(score))
        return float(np.partition(score, place)[place])

    def _average(self, log_odds: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """The mean with those of the whole stretches of the window, in the order in which they came."""
        assert self._next is not None
        while self._recent and self._recent[0][0] < self._next - (self._window - self._segment):
            self._recent.popleft()
        mean = np.mean([each for _, each in self._recent] + [log_odds], axis=0)
        if count == self._segment and self._next % self.step_frames == 0:
            self._recent.append((self._next, log_odds))
        return np.asarray(mean)

    def _slow_rhythm(self) -> Rhythm | None:
        """A rate below `SLOW` that the longest window has and in which so many breaths were counted; else None."""
        count = self._scored - self._scored % SLOWER
        usable = IS_USABLE[self._state[self._end - count : self._end]]
        if count < 2 * self._segment or np.count_nonzero(usable) < LEAST_SHARE * count:
            return None
        shares = usable.reshape(-1, SLOWER).mean(axis=1)
        sums = (self._newest(count) * usable).reshape(2, -1, SLOWER).mean(axis=2)
        # The mean of four with zeros for what is unknown, by the share that is known: the mean of those that are.
        log_odds = self._slow.log_odds(sums / np.maximum(shares, 1 / SLOWER), shares > 0.5)
        rhythm = self._slow.best(np.where(self._slow.per_min < SLOW, log_odds, -np.inf))
        if rhythm is None or rhythm.mass < CERTAIN:
            return None
        expected = rhythm.breaths_per_min * count * self._frame_s / 60
        return rhythm if expected / COUNTED <= len(self._breaths(count, usable)) <= expected * COUNTED else None

    def _breaths(self, count: int, usable: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Seconds at which a breath begins in the last frames, by the breath score alone."""
        score = np.where(usable, self._newest(count)[0], 0)
        smooth = np.convolve(score, np.full(3, 1 / 3), "same")
        edges = np.flatnonzero(np.diff(np.concatenate([[False], smooth >= SOUNDS, [False]])))
        begins, ends = edges[::2] * self._frame_s, edges[1::2] * self._frame_s
        is_new = np.concatenate([[True], begins[1:] - ends[:-1] > LEAST_PAUSE_S])[: len(begins)]
        # A breath ends before the next one that is new; the first always is, which rolled stands for the last end.
        begins, ends = begins[is_new], ends[np.roll(is_new, -1)]
        return np.asarray(begins[ends - begins >= LEAST_BREATH_S])

    def _missing(self, state: NDArray[np.int8]) -> str:
        """Why too little of a stretch is known."""
        if self._scored * self._frame_s < LEAST_S:
            return TOO_SHORT
        return _name(state[~IS_USABLE[state]])

    def _unclear(self, state: NDArray[np.int8]) -> str:
        """Why a stretch that is known has no rate."""
        count, usable, faulty = len(state), IS_USABLE[state], state[state >= FIRST_FAULT]
        if 2 * len(faulty) > count:
            return _name(faulty)
        if self._loud(count, usable) < LEAST_LOUD:
            return NO_BREATH
        between = np.diff(self._breaths(count, usable))
        return IRREGULAR if len(between) >= 2 and between.max() > UNEVEN * between.min() else NOT_CLEAR


def _code(fault: Fault) -> int:
    return FIRST_FAULT + get_args(Fault).index(fault)


def _name(state: NDArray[np.int8]) -> str:
    """What most of some frames are that are not usable."""
    most = int(np.argmax(np.bincount(state, minlength=FIRST_FAULT))) if len(state) else MISSING
    return LOST if most == MISSING else get_args(Fault)[most - FIRST_FAULT]
