"""Pauses of breath of one bed: sound that can be measured, in which no breath is heard for `limit_s`. Pure.

Each second the last `WINDOW_S` are looked at (all of the limit, where that is less): how high the breath score gets,
and by how many dB the level of the sound swells, in that of three bands where it swells most. Breath does both; the
quiet between breaths, hum and the noise of a room that does not change do neither. Two quantiles, so that a click is no
breath; a gain changes nothing. The weights are a logistic regression of breath against pauses, made of real recordings'
own quiet time and of noise with its spectrum, on half of the patients of `python -m training.evaluation.breath_pauses`;
on them the limit was chosen as well: the lowest with the most pauses found, and false ones in one bed of 125.

Lost and masked sound is neither breath nor pause: up to `BRIDGED_S`, which is shorter than a breath, is passed over and
not counted; after more of it the count begins anew, and a pause that was open is over for `lost sound`. What masks is a
fault of the sound, but for `no contact`: there nothing masks, no breath is heard, and nothing says that the sensor
touches; and but for hum and tones, where the sound is no louder than it was between breaths when one was heard: they
were there, too, and are called a fault only now that nothing else sounds.

**A pause needs evidence of contact** (a heart or a body that moves below 200 Hz, `edge.detector.quality_measures`, or
the device's own word). Without it a bed has `no breath heard: check patient and sensor`: the same, with `touches`
false. Both are dangerous until somebody has looked.

Of patients that nothing was chosen on, by a network not trained on them, pauses of 20 s, the limit 10 s: found
within 3 s of it .944 [.870, 1.000] of a recording's own quiet, 1.000 in the 46 where that is as quiet as before, 1.000
where it is noise with its spectrum, .852 [.759, .944] with hum 6 dB below the chest, .759 [.648, .870] where breath is
10 dB lower over its quiet (54 patients; with evidence of contact .902, .413, .488 of the first and the last two). False
ones in these beds: 0, 0, 0, 9, 22; in irregular breath and beside a snore 0. Other stethoscopes (ICBHI, 8 patients):
.357 [.105, .802], and of noise .857 [.556, 1.000]: the quietest pieces of one patient, who has half of the recordings,
are 12 to 23 dB below its breath and 10 to 20 dB apart, so they swell when joined; the 14th is clipped.

The rule before, by the swell of the mean level, found .870, .926, .722, .833 and .214, with 0, 0, 4 and 12 false ones:
in shallow breath this one only moves along the same curve. Paired, of all patients, with false ones of a day in one bed
for either at most: +.093 [.047, .140] of 107; halves swapped +.092 [.046, .146] of 130. Days of breath with coughs,
cries and words: no false ones in 8.5 bed-days over 102 beds. With hearts of PASCAL among them, which last for 10 s
without an annotated breath, 1.29 [0.59, 2.12] a bed-day (before 1.76 [0.94, 2.70], all in them or at their edges).

What is missed: all three that are missed without hum lie 5 to 12 dB above the quiet before. In shallow breath and hum
half of them are reported early, or since before the pause: 3 s after the limit .926 and .963 are reported. Not better:
another `RETURN_ODDS`, how far score and level rise together, the level of the last minute, autocorrelation of either,
all three bands.

On a grid of absolute score frames, so any cut gives the same. Not for alarms (`edge.ward.alarm_rules`), nor for breath
that is only slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.types import BreathSound, Fault

LIMIT_S, SHORTEST_S, LONGEST_S = 10.0, 6.0, 60.0
WINDOW_S, STEP_S = 10.0, 1.0
CELL_S = 0.125  # frames that are taken together
TIMES_S = 0.25, 0.5  # of smoothing score and levels: shorter than a breath, longer than a heart sound
SIGNALS = 5  # score, levels of three bands, and whether something steady sounds beside
HIGH, SWELL, FLOOR = 0.95, 0.97, 0.1  # quantiles: of the score; of the level, and what it swells from
ODDS, OF_SCORE, OF_DB = 9.93, 9.1, 1.3  # natural logarithm of the odds for a pause, less of these times
RETURN_ODDS = 2.0  # until a breath is heard again
BRIDGED_S = 0.5
RISE_DB = 1.0  # above the quiet beside which breath was heard, and what is steady may cover it
LOST, BREATH, STREAM_END = "lost sound", "breath", "stream end"
UNMASKED = "no contact"  # the one fault of a sound that hides no breath
STEADY: tuple[Fault, ...] = ("mains hum", "steady tone")  # these hide it where they are louder than the quiet was


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause began or is over."""

    kind: Literal["onset", "end"]
    onset: int
    """Score frame from which on no breath was heard; an `onset` is published when the limit is reached."""
    stop: int
    """Score frame up to which this is known."""
    touches: bool
    """Whether there is evidence that the sensor touches somebody: at the onset, or at any time until the end."""
    why: str = ""
    """Of an end: `breath`, `lost sound` or `stream end`."""


class Pauses:
    """The pauses of one stream.

    Args:
        frame_s: seconds to one score frame.
        limit_s: from which length on it is a pause, `SHORTEST_S` to `LONGEST_S`.
    """

    def __init__(self, frame_s: float, limit_s: float = LIMIT_S) -> None:
        if not SHORTEST_S <= limit_s <= LONGEST_S:
            raise ValueError(f"limit_s: expected {SHORTEST_S:g} to {LONGEST_S:g}, found {limit_s:g}")
        self._limit, self._bridged = round(limit_s / frame_s), round(BRIDGED_S / frame_s)
        self._cell = max(round(CELL_S / frame_s), 1)  # frames
        cells = max(round(STEP_S / (self._cell * frame_s)), 1)
        self._step = cells * self._cell
        steps = max(round(min(limit_s, WINDOW_S) / (self._step * frame_s)), 1)
        self._score, self._level = (_smoothing(self._cell * frame_s / each, cells, self._cell) for each in TIMES_S)
        self._window = np.zeros((SIGNALS, steps * cells))  # a ring of cells; in no order that matters
        self._frames, self._known = np.zeros((self._step, SIGNALS)), np.zeros(self._step, np.bool_)  # of a step
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._next: int | None = None
        self._still_from: int | None = None
        self._open: Pause | None = None
        self._quiet_db: float | None = None  # the quiet between breaths, when one was heard last and nothing masked
        self._known[:] = False
        self._forget()

    @property
    def open(self) -> Pause | None:
        """The pause that lasts now."""
        return self._open

    @property
    def is_known(self) -> bool:
        """Whether there is enough measurable sound to say if this bed breathes."""
        return self._scored >= self._window.shape[1]

    def push(self, sound: BreathSound, touches: bool = False) -> list[Pause]:
        """Take the next score frames; return what began and what is over.

        Args:
            sound: of the frames after the last; an index that jumps is lost sound, one that goes back another stream.
            touches: whether there is evidence now that the sensor touches somebody.
        """
        count = len(sound.usable)
        if not count:
            return []
        if self._next is not None and sound.start < self._next:
            self.reset()
        found: list[Pause] = []
        self._next = self._skip_to(sound.start, found)
        is_steady = sound.fault in STEADY
        is_masked = not is_steady and sound.fault not in (None, UNMASKED)
        at = 0
        while at < count:
            begin = self._next % self._step
            end = min(begin + count - at, self._step)
            new, part = slice(begin, end), slice(at, at + end - begin)
            self._known[new] = False if is_masked else sound.usable[part]
            self._frames[new, 0], self._frames[new, 1:4], self._frames[new, 4] = (
                sound.score[part], sound.bands_db[part], is_steady,
            )  # fmt: skip
            self._next += end - begin
            at += end - begin
            if end == self._step:
                self._finish_step(touches, found)
        return found

    def flush(self, why: str = STREAM_END) -> list[Pause]:
        """No sound follows that could be joined to what was: a pause that lasts is over, and the count begins anew."""
        found: list[Pause] = []
        self._close(why, self._next or 0, found)
        self._known[:] = False
        self._forget()
        return found

    def _skip_to(self, frame: int, found: list[Pause]) -> int:
        """Go on over lost sound, up to a frame."""
        if self._next is None or frame - self._next > self._step + self._bridged:  # nothing of before is joined to it
            self._close(LOST, self._next or 0, found)
            self._known[:] = False
            self._forget()
            return frame
        while self._next < frame:
            begin = self._next % self._step
            end = min(begin + frame - self._next, self._step)
            self._known[begin:end] = False
            self._next += end - begin
            if end == self._step:
                self._finish_step(False, found)
        return frame

    def _finish_step(self, touches: bool, found: list[Pause]) -> None:
        """A step is whole: smooth its cells, and see whether there is a breath."""
        if self._known.all():
            self._missing = 0
            if not self._scored:
                self._last = self._frames[: self._cell].mean(axis=0)
            (of_cells, of_last), (level_of_cells, level_of_last) = self._score, self._level
            cells = np.empty((len(of_last), SIGNALS))
            cells[:, 0] = of_cells @ self._frames[:, 0] + of_last * self._last[0]
            cells[:, 1:] = level_of_cells @ self._frames[:, 1:] + np.outer(level_of_last, self._last[1:])
            self._keep(cells)
        else:
            self._take_parts(found)
        self._known[:] = False
        if self.is_known:
            self._evaluate(touches, found)

    def _take_parts(self, found: list[Pause]) -> None:
        """The same of a step in which frames are lost or masked: a cell is the mean of those that are known."""
        assert self._next is not None
        # The weight of the last cell is 1 - part after one cell, so these are the parts that `_smoothing` was given.
        rates = [1 - self._score[1][0], *[1 - self._level[1][0]] * (SIGNALS - 1)]
        for begin in range(0, self._step, self._cell):
            known = []
            for place in range(begin, begin + self._cell):
                self._missing = 0 if self._known[place] else self._missing + 1
                if self._known[place]:
                    known.append(place)
                elif self._missing > self._bridged:
                    # The first of the frames that are missing; `place` counts from the begin of this step.
                    self._close(LOST, self._next - self._step + place + 1 - self._missing, found)
                    self._forget()
                    known = []
            if known:
                cell = self._frames[known].mean(axis=0)
                self._last = cell if not self._scored else self._last + (cell - self._last) * rates
                self._keep(self._last[None])

    def _keep(self, cells: NDArray[np.float64]) -> None:
        """(T, SIGNALS) the next smoothed cells."""
        count = self._window.shape[1]
        self._window[:, np.arange(self._scored, self._scored + len(cells)) % count] = cells.T
        self._last = cells[-1]
        self._scored += len(cells)

    def _evaluate(self, touches: bool, found: list[Pause]) -> None:
        """Whether the window has a breath."""
        score, bands_db, is_steady = self._window[0], self._window[1:4], bool(self._window[4].max() > 0.5)
        count, stop = len(score), self._next or 0
        floor, swell, high = (int(each * count) for each in (FLOOR, SWELL, HIGH))
        ordered = np.partition(bands_db, (floor, swell), axis=1)
        quiet_db = float(ordered[:, floor].sum()) / len(ordered)
        if is_steady and (self._quiet_db is None or quiet_db > self._quiet_db + RISE_DB):
            self._close(LOST, stop, found)
            self._forget()
            return
        odds = ODDS - OF_SCORE * np.partition(score, high)[high] - OF_DB * (ordered[:, swell] - ordered[:, floor]).max()
        if odds < (-RETURN_ODDS if self._open is not None else 0.0):
            self._close(BREATH, stop, found)
            self._still_from = None
            self._quiet_db = self._quiet_db if is_steady else quiet_db
            return
        if self._still_from is None:
            # There is no breath in the whole window.
            self._still_from = stop - count * self._cell
        if self._open is not None:
            self._open = replace(self._open, touches=self._open.touches or touches)
        elif stop - self._still_from >= self._limit:
            self._open = Pause("onset", self._still_from, stop, touches)
            found.append(self._open)

    def _close(self, why: str, stop: int, found: list[Pause]) -> None:
        if self._open is not None:
            found.append(replace(self._open, kind="end", stop=stop, why=why))
            self._open = None

    def _forget(self) -> None:
        """Nothing is known of now."""
        self._missing = self._scored = 0
        self._last = np.zeros(SIGNALS)  # the last smoothed cell
        self._still_from = None


def _smoothing(part: float, cells: int, frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A recursive mean of cells, each the mean of some frames, as (cells, frames of a step) weights.

    Args:
        part: of the difference to the next cell, by which it moves.
        cells: of a step.
        frames: of a cell.

    Returns:
        The weights of the frames, and (cells,) of the last cell before the step.
    """
    # y[i] = (1 - p) y[i - 1] + p x[i], so y[i] = (1 - p)^(i + 1) y[-1] + the sum of p (1 - p)^(i - j) x[j], j <= i.
    behind = np.arange(cells)[:, None] - np.arange(cells)
    weights = np.where(behind >= 0, part * (1 - part) ** np.maximum(behind, 0), 0.0)
    of_last = np.asarray((1 - part) ** np.arange(1, cells + 1), np.float64)
    return np.repeat(weights / frames, frames, axis=1), of_last
