"""How much of a bed's breathing has adventitious sound, and its respiratory rate, over a minute to a night. Pure.

Of each group of classes two shares, with their intervals. Of **breathing time** ("wheeze rate"): the sum over
measurable score frames of P(breath) P(sound), over the sum of P(breath). Of **breaths**, where the rate is known: the
sound between two breaths is cut where the breath score is least, three to five quarters of a breath after the last cut,
and the expected share of these breaths is the mean over them of the highest P(sound). A breath that is not all
measurable is none. The rate of a window is the median of its readings. No threshold is in any of it; burden
(`edge.ward.burden`) is what it was, and says nothing of breathing.

What is not known is None with its reason: less than half of the window measured, breath in less than `LEAST_BREATHING`
of it, the rate known in less than half of it. Breath and sounds are taken as independent given the scores, and the
highest of several scores is no probability of any: these are measures to follow one patient by, compared with nobody's
annotation yet. A crackle is not counted: a breath has crackles or has none. The interval is that of `burden_interval`.

On the grid of the readings of `edge.ward.respiratory_rate`, in steps of `STEP_S`, whose scores and reading are both
there; so any cut of the sound gives the same. Lost sound is elapsed and not measured. Memory: a night of sums, 230 kB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.model.specs import GroupSpec
from edge.types import Scores
from edge.ward.burden import LEAST_COVERAGE, burden_interval
from edge.ward.respiratory_rate import NO_BREATH, STEP_S, RateReading

WINDOWS_S = (60, 300, 3600, 28_800)
"""The last is a night."""
BATCHES = (6, 15, 15, 15)  # of each window, for the intervals; at most as `T_97_5` of `edge.ward.burden`
LEAST_BREATHING = 0.1  # of a window; breath that sounds for less is hardly heard
LEAST_WHOLE = 0.9  # of a breath that must be measurable
SEARCH = (0.75, 1.25)  # times a breath: where the next one may begin
SMOOTH_S = 0.25
ANSWER_STEPS = 4  # from one trend to the next: adding up a night takes longer than all else here
NIGHT_STEPS = round(WINDOWS_S[-1] / STEP_S)
NOT_MEASURED, LITTLE_BREATH, NO_RATE = "too little measured", "too little breath heard", "rate not known"
MEASURED, BREATHING, ANSWERED, RATE, CYCLES, COUNTED, SUMS = range(7)  # columns; then each group's time and breaths


@dataclass(frozen=True, slots=True)
class Share:
    """A share of something, and its interval of 95 %, 0 to 1; None: not known."""

    share: float | None
    low: float | None
    high: float | None
    why: str
    """Why it is not known, else empty."""


@dataclass(frozen=True, slots=True)
class GroupRate:
    """How much of the breathing has sounds of one group."""

    group: str
    of_time: Share
    of_breaths: Share


@dataclass(frozen=True, slots=True)
class BreathWindow:
    """One length of looking back."""

    window_s: int
    """Length, seconds."""
    measured_s: float
    """Of it, what was measurable, and like what the model knows, seconds."""
    breathing_s: float
    """Of that, expected seconds of breath sounds."""
    breaths: int
    """Whole ones that were counted, where the rate was known."""
    breaths_per_min: float | None
    """Median; None: not known."""
    answered: float
    """Share of the window in which the rate was known, 0 to 1."""
    why: str
    """Why the rate is not known, else empty."""
    groups: tuple[GroupRate, ...]


@dataclass(frozen=True, slots=True)
class BreathTrend:
    """The breathing of one bed up to one moment."""

    stop: int
    """Absolute index one past the last score frame of the windows."""
    windows: tuple[BreathWindow, ...]
    """Of `WINDOWS_S`, shortest first."""


def without_stopped_rate(trend: BreathTrend | None, last: RateReading | None) -> BreathTrend | None:
    """A trend whose minute has no rate where the newest reading says that no breath is heard: it is none of now."""
    if trend is None or last is None or last.why != NO_BREATH:
        return trend
    minute, *longer = trend.windows
    return replace(trend, windows=(replace(minute, breaths_per_min=None, why=NO_BREATH), *longer))


class WheezeRate:
    """The breathing of one stream.

    Args:
        groups: of classes that are looked for in breath.
        classes: C, names of the score columns.
        breath: which of them is breath.
        frame_s: seconds to one score frame.
    """

    def __init__(self, groups: Sequence[GroupSpec], classes: Sequence[str], breath: str, frame_s: float) -> None:
        self._names = [group.name for group in groups]
        self._columns = [[classes.index(name) for name in group.classes] for group in groups]
        self._breath, self._frame_s = classes.index(breath), frame_s
        self._step, self._smooth = round(STEP_S / frame_s), max(round(SMOOTH_S / frame_s), 1)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._next: int | None = None  # score frame up to which the steps are made
        self._first = 0  # score frame of the first row of `_rows`
        self._rows = np.zeros((0, 2 + len(self._names)))  # whether measured, P(breath), P(sound) of each group
        self._waiting: list[tuple[Scores, int, bool]] = []  # scores behind them: see `_rows_of`
        self._end = 0  # one past the last score frame that came
        self._begin: int | None = None  # of the breath that lasts
        self._rates: dict[int, RateReading] = {}
        self._ring = np.zeros((NIGHT_STEPS, SUMS + 2 * len(self._names)), np.float32)
        self._place = 0  # of the oldest step in it

    def push_rates(self, readings: Sequence[RateReading]) -> None:
        """Take the respiratory rates that there are now, before the scores behind them or after."""
        self._rates |= {reading.stop: reading for reading in readings}

    def push(self, scores: Scores, verified: bool | None = None) -> BreathTrend | None:
        """Take the next scores; frames that are missing are lost sound, an index that goes back is another stream.

        Args:
            scores: as `edge.ward.burden.Burden.push` takes them.
            verified: whether the stream sounded like what the model knows; None where that is not judged.

        Returns:
            How it is, each `ANSWER_STEPS` steps; else None.
        """
        count = len(scores.valid)
        if not count:
            return None
        if self._next is not None and scores.start < self._end - self._step:
            self.reset()
        if self._next is None:
            self._next = self._first = self._end = scores.start
        if scores.start - self._end > NIGHT_STEPS * self._step:  # nothing of before is in any window
            self.reset()
            self._next = self._first = self._end = scores.start
        if scores.start + count > self._end:
            self._waiting.append((scores, self._end, verified is not False))
            self._end = scores.start + count
        return self._advance()

    def at(self, frame: int) -> BreathTrend | None:
        """How it is at a later score frame if nothing comes until then; changes nothing. None before the first step."""
        if self._next is None:
            return None
        ahead = min(max(frame - self._next, 0) // self._step, NIGHT_STEPS)
        return self._trend(self._next + ahead * self._step, ahead)

    def flush(self) -> BreathTrend | None:
        """End of stream: the last step, which may be short."""
        if self._next is None or self._end == self._next:
            return None
        self._make_step(self._end)
        return self._trend(self._next, 0)

    def over(self, begin: int, stop: int) -> BreathWindow | None:
        """From one score frame to another, in whole steps of the last night; None if there is no step in it."""
        if self._next is None:
            return None
        last, first = (min(max(-(-(self._next - each) // self._step), 0), NIGHT_STEPS) for each in (begin, stop))
        rows = self._newest(last, 0)[: last - first]
        return self._window(round((stop - begin) * self._frame_s), rows, min(15, len(rows))) if len(rows) else None

    def _take_waiting(self) -> None:
        """Append the rows of what waits, all that is alike at once."""
        runs: list[list[tuple[Scores, int, bool]]] = []
        for each in self._waiting:
            scores, end, is_known = each
            if runs and scores.start == end and is_known == runs[-1][0][2]:
                runs[-1].append(each)
            else:
                runs.append([each])
        self._waiting = []
        self._rows = np.concatenate([self._rows, *map(self._rows_of, runs)])

    def _rows_of(self, run: list[tuple[Scores, int, bool]]) -> NDArray[np.float64]:
        """(T, columns) zeros for what is lost before the first scores, then a row for each frame.

        Args:
            run: scores that follow each other, each with one past the last frame before it, and whether it is known.
        """
        (first, end, is_known), skipped = run[0], max(run[0][1] - run[0][0].start, 0)
        valid = np.concatenate([scores.valid for scores, _, _ in run])[skipped:] & is_known
        values = np.concatenate([scores.values for scores, _, _ in run])[skipped:]
        values = np.where(valid[:, None], values, 0).astype(np.float64)
        lost = max(first.start - end, 0)
        rows = np.zeros((lost + len(valid), self._rows.shape[1]))
        rows[lost:, 0], rows[lost:, 1] = valid, values[:, self._breath]
        for number, columns in enumerate(self._columns):
            rows[lost:, 2 + number] = values[:, columns].sum(axis=1)
        return rows

    def _advance(self) -> BreathTrend | None:
        """Make the steps whose scores and rate are there; a rate that has not come a step later does not come."""
        assert self._next is not None
        made = False
        while True:
            stop = (self._next // self._step + 1) * self._step
            if self._end < stop or (stop not in self._rates and self._end < stop + self._step):
                break
            self._make_step(stop)
            made |= stop % (ANSWER_STEPS * self._step) == 0
        return self._trend(self._next, 0) if made else None

    def _make_step(self, stop: int) -> None:
        """Sum up to a score frame."""
        assert self._next is not None
        sums = np.zeros(self._ring.shape[1])
        self._take_waiting()
        rows = self._rows[self._next - self._first : stop - self._first]
        sums[MEASURED], sums[BREATHING] = rows[:, 0].sum(), rows[:, 1].sum()
        # P(breath) P(sound): expected frames that have both, as if the two were independent.
        sums[SUMS::2] = (rows[:, 1:2] * rows[:, 2:]).sum(axis=0)
        reading = self._rates.pop(stop, None)
        rate = None if reading is None else reading.breaths_per_min
        sums[RATE], sums[ANSWERED] = (0.0, 0.0) if rate is None else (rate, 1.0)
        if rate is None:
            self._begin = None
        else:
            self._count_breaths(60 / rate / self._frame_s, stop, sums)
        self._ring[self._place] = sums
        self._place = (self._place + 1) % NIGHT_STEPS
        self._next = stop
        kept = stop if self._begin is None else self._begin
        self._rows, self._first = self._rows[kept - self._first :], kept
        self._rates = {at: each for at, each in self._rates.items() if at > stop}

    def _count_breaths(self, period: float, stop: int, sums: NDArray[np.float64]) -> None:
        """Cut the sound up to a score frame into breaths of about `period` frames."""
        begin = self._begin if self._begin is not None else self._next
        assert begin is not None
        while True:
            first, last = (begin + round(times * period) for times in SEARCH)
            if last + self._smooth > stop:
                break
            # Wider on both sides by what the smoothing needs, so that its edges are not looked at.
            near = self._rows[first - self._smooth - self._first : last + self._smooth - self._first, 1]
            smooth = np.convolve(near, np.full(self._smooth, 1 / self._smooth), "same")[self._smooth : -self._smooth]
            end = first + int(np.argmin(smooth))
            breath = self._rows[begin - self._first : end - self._first]
            if breath[:, 0].mean() >= LEAST_WHOLE:
                sums[CYCLES] += 1
                sums[COUNTED] += len(breath)
                # The greatest of its frames: they are not independent, and 1 - prod(1 - p) would grow with each.
                sums[SUMS + 1 :: 2] += breath[:, 2:].max(axis=0)
            begin = end
        self._begin = begin

    def _newest(self, steps: int, ahead: int) -> NDArray[np.float64]:
        """(steps, columns) of the last steps, of which `ahead` have not come."""
        count = steps - min(ahead, steps)
        first = self._place - count
        wrapped, rows = max(-first, 0), np.zeros((steps, self._ring.shape[1]))
        rows[:wrapped] = self._ring[NIGHT_STEPS - wrapped :]
        rows[wrapped:count] = self._ring[max(first, 0) : self._place]
        return rows

    def _trend(self, stop: int, ahead: int) -> BreathTrend:
        night = self._newest(NIGHT_STEPS, ahead)
        pairs = zip(WINDOWS_S, BATCHES, strict=True)
        windows = [self._window(window_s, night[-round(window_s / STEP_S) :], batches) for window_s, batches in pairs]
        return BreathTrend(stop, tuple(windows))

    def _window(self, window_s: int, rows: NDArray[np.float64], batches: int) -> BreathWindow:
        """Some steps, in batches."""
        frames, each = len(rows) * self._step, np.arange(batches)
        # The first len(rows) % batches of them have a step more than the others.
        begins = each * (len(rows) // batches) + np.minimum(each, len(rows) % batches)
        parts = np.add.reduceat(rows, begins, axis=0)
        total = parts.sum(axis=0)
        answered = float(total[ANSWERED] / len(rows))
        rates = rows[rows[:, ANSWERED] > 0, RATE]
        rate = float(np.median(rates)) if answered >= LEAST_COVERAGE else None
        no_time = NOT_MEASURED if total[MEASURED] < LEAST_COVERAGE * frames else ""
        if not no_time and total[BREATHING] < LEAST_BREATHING * frames:
            no_time = LITTLE_BREATH
        no_breaths = no_time or (NO_RATE if total[COUNTED] < LEAST_COVERAGE * total[MEASURED] else "")
        groups = tuple(
            GroupRate(
                name,
                _share(parts[:, SUMS + 2 * number], parts[:, BREATHING], no_time, LITTLE_BREATH),
                _share(parts[:, SUMS + 2 * number + 1], parts[:, CYCLES], no_breaths, NO_RATE),
            )
            for number, name in enumerate(self._names)
        )
        return BreathWindow(
            window_s,
            min(float(total[MEASURED]) * self._frame_s, window_s),
            float(total[BREATHING]) * self._frame_s,
            int(total[CYCLES]),
            rate,
            answered,
            "" if rate is not None else (no_time or NO_RATE),
            groups,
        )


def _share(expected: NDArray[np.float64], of: NDArray[np.float64], why: str, too_few: str) -> Share:
    """A share with its interval; of fewer than three batches nobody knows how far they differ."""
    why = why or (too_few if np.count_nonzero(of) < 3 else "")
    if why:
        return Share(None, None, None, why)
    share, low, high = (each / 60 for each in burden_interval(expected.tolist(), of.tolist()))
    return Share(min(share, 1.0), min(low, 1.0), high, "")
