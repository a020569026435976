"""Pauses of breath of one bed: sound that can be measured, in which no breath is heard for `limit_s`. Pure.

Each half second the last `WINDOW_S` are looked at (all of the limit, where that is less): how high the breath score
gets, and by how many dB the level of the sound swells where breath is heard. Breath does both; the quiet between
breaths, hum and the noise of a room that does not change do neither. Two quantiles, so that a click is no breath; a
gain changes nothing. The weights are a logistic regression of real recordings against their own quiet time, on half of
the patients of `python -m training.evaluation.breath_pauses`; on them the limit was chosen as well.

Lost and masked sound is neither breath nor pause: up to `BRIDGED_S`, which is shorter than a breath, is passed over and
not counted; after more of it the count begins anew, and a pause that was open is over for `lost sound`. What masks is a
fault of the sound, but for `no contact`: there nothing masks, no breath is heard, and nothing says that the sensor
touches.

**A pause needs evidence of contact** (a heart or a body that moves below 200 Hz, `edge.detector.quality_measures`, or
the device's own word). Without it a bed has `no breath heard: check patient and sensor`: the same, with `touches`
false. Both are dangerous until somebody has looked.

Of 54 patients that nothing was chosen on, by the network that never heard them, pauses of 20 s of a recording's own
quiet, the limit 10 s: found within 3 s of it .852 [.759, .944] as recorded, .889 [.796, .963] with a heart beside,
.611 [.481, .741] with hum 6 dB below the chest, .759 [.648, .870] where breath is 10 dB lower over its quiet. With
evidence of contact of those: .891, 1.000, .515, .512. False ones in these beds: 0, 0, 3, 12; in irregular breath (1 to
5 s of quiet between recordings) and beside a snore 0. Other stethoscopes (ICBHI, 8 patients) .214 [.067, .500]. Days of
breath: 2.23 [0.94, 4.00] false ones a bed-day over 102 beds. Wanted are .95 and less than one.

What is missed, of 65 beds of the half that was chosen on: 11, all but three with the level at the bed's own quiet and
a score of .5 to .65, which means breath on one chest and quiet on the next; in the three the quiet that was used is
louder than the breath. Tried for that: a second regression, with the fall of the median score below that of the bed's
own last minute of breath. Fitted on the chosen half it found 61 for 54 there, with no more false ones; on 60 patients
of the other half 59 for 53, and in 2.1 bed-days (four recordings of a patient at most) 12 false ones for 3, and 13 of
44 beds whose breath only becomes shallow for 8. As a veto it found the same with the same false ones. So it moves
along the same curve as a higher `ODDS` does, and is not here. What is false comes from a few patients: hours of those
that are chosen on say little, 7.6 bed-days of them had none. Hum: of 16 beds 3 are masked as mains hum, for what is
left in a pause is fainter than it.

On a grid of absolute score frames, so any cut gives the same. Not for alarms (`edge.ward.alarm_rules`), nor for breath
that is only slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edge.types import BreathSound

LIMIT_S, SHORTEST_S, LONGEST_S = 10.0, 6.0, 60.0
WINDOW_S, STEP_S = 10.0, 0.5
SCORE_S, LEVEL_S = 0.25, 0.5  # time constants: shorter than a breath, longer than a heart sound
HIGH, SWELL, FLOOR = 0.95, 0.97, 0.1  # quantiles: of the score; of the level, and what it swells from
ODDS, OF_SCORE, OF_DB = 10.5, 16.3, 1.81  # natural logarithm of the odds for a pause, less of these times
RETURN_ODDS = 2.0  # until a breath is heard again
BRIDGED_S = 0.5
LOST, BREATH, STREAM_END = "lost sound", "breath", "stream end"
UNMASKED = "no contact"  # the one fault of a sound that hides no breath


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause began or is over."""

    kind: Literal["onset", "end"]
    onset: int
    """Score frame from which on no breath was heard; an `onset` is told when the limit is reached."""
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
        self._limit = round(limit_s / frame_s)
        self._step = max(round(STEP_S / frame_s), 1)
        self._bridged = round(BRIDGED_S / frame_s)
        self._parts = frame_s / SCORE_S, frame_s / LEVEL_S
        self._window = np.zeros((2, round(min(limit_s, WINDOW_S) / frame_s)))  # a ring; in no order that matters
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._next: int | None = None
        self._still_from: int | None = None
        self._open: Pause | None = None
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
        if not len(sound.usable):
            return []
        if self._next is not None and sound.start < self._next:
            self.reset()
        found: list[Pause] = []
        if self._next is not None:
            self._miss(sound.start - self._next, found)
        self._next = sound.start
        is_masked = sound.fault not in (None, UNMASKED)
        frames = zip(sound.score.tolist(), sound.level_db.tolist(), sound.usable.tolist(), strict=True)
        for score, level_db, usable in frames:
            if usable and not is_masked:
                self._on_frame(score, level_db)
            else:
                self._miss(1, found)
            self._next += 1
            if self._next % self._step == 0 and self.is_known:
                self._judge(touches, found)
        return found

    def flush(self, why: str = STREAM_END) -> list[Pause]:
        """No sound follows that could be joined to what was: a pause that lasts is over, and the count begins anew."""
        found: list[Pause] = []
        self._close(why, found)
        self._forget()
        return found

    def _on_frame(self, score: float, level_db: float) -> None:
        """A frame of measurable sound."""
        self._missing = 0
        if not self._scored:
            self._score, self._level_db = score, level_db
        self._score += (score - self._score) * self._parts[0]
        self._level_db += (level_db - self._level_db) * self._parts[1]
        self._window[:, self._scored % self._window.shape[1]] = self._score, self._level_db
        self._scored += 1

    def _judge(self, touches: bool, found: list[Pause]) -> None:
        """Whether the window has a breath."""
        count = self._window.shape[1]
        (score, level) = np.sort(self._window, axis=1)
        swell_db = level[int(SWELL * count)] - level[int(FLOOR * count)]
        odds = ODDS - OF_SCORE * score[int(HIGH * count)] - OF_DB * swell_db
        if odds < (-RETURN_ODDS if self._open is not None else 0.0):
            self._close(BREATH, found)
            self._still_from = None
            return
        stop = self._next or 0
        if self._still_from is None:
            self._still_from = stop - count
        if self._open is not None:
            self._open = replace(self._open, touches=self._open.touches or touches)
        elif stop - self._still_from >= self._limit:
            self._open = Pause("onset", self._still_from, stop, touches)
            found.append(self._open)

    def _miss(self, count: int, found: list[Pause]) -> None:
        """Frames of lost or masked sound."""
        self._missing += count
        if self._missing > self._bridged:
            self._close(LOST, found)
            self._forget()

    def _close(self, why: str, found: list[Pause]) -> None:
        if self._open is not None:
            found.append(replace(self._open, kind="end", stop=self._next or 0, why=why))
            self._open = None

    def _forget(self) -> None:
        """Nothing is known of now."""
        self._missing = self._scored = 0
        self._score = self._level_db = 0.0
        self._still_from = None
