"""Coverage: how much of the sound of a bed was measured, and why the rest was not, seconds by cause. Pure, one stream.

Every score frame of a window is measured or has exactly one cause, so the seconds add up to the length of the window.
Over the windows of the burden and on its grid of absolute score frames, so `measured_s` is that of the burden; any cut
of the scores gives the same. Memory does not grow. Not for events, alarms, wall time, or what is wrong with sound
(`edge.detector.quality`).

Where several causes meet, that of lost sound counts, then that of the whole stretch, then `masked`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge.types import Fault, Scores
from edge.ward.burden import HOUR_STEPS, STEP_S

Cause = Fault | Literal["not begun", "no sound", "gap", "overload", "masked", "unknown sound"]
CAUSES: tuple[Cause, ...] = (
    "not begun",  # before the first sound of the stream
    "no sound",  # the source has given nothing since
    "gap",  # lost on the way
    "overload",  # left out, because the box was too slow
    "masked",  # arrived, and its device said that it cannot be trusted, or it is no number
    "unknown sound",  # not like what the model knows
    *get_args(Fault),
)
NOT_BEGUN, NO_SOUND = CAUSES.index("not begun"), CAUSES.index("no sound")
MEASURED = len(CAUSES)  # column of what was measured
MOST_LOST = 1000  # lost stretches that wait for their scores; what more there are counts as `gap`


@dataclass(frozen=True, slots=True)
class Covered:
    """Coverage of one window."""

    window_s: int
    """Length, seconds."""
    measured_s: float
    """Of it, what was measured, seconds."""
    missing_s: dict[Cause, float]
    """The rest, seconds by cause; causes of nothing are left out."""


class Coverage:
    """The coverage of one stream.

    Args:
        hop_samples: samples to one score frame.
        rate_hz: of the sound, Hz.
        reach_samples: how far before and behind a score frame lost sound makes it invalid.
    """

    def __init__(self, hop_samples: int, rate_hz: int, reach_samples: int = 0) -> None:
        self._step_frames = max(round(STEP_S * rate_hz / hop_samples), 1)
        self._hop_samples, self._reach_samples = hop_samples, reach_samples
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._next: int | None = None  # score frame that is taken next
        self._frames = np.zeros((HOUR_STEPS + 1, len(CAUSES) + 1), np.int32)  # of each step, by cause, in a ring
        self._lost: deque[tuple[int, int, int]] = deque(maxlen=MOST_LOST)  # begin, end (samples), cause

    def lose(self, start: int, stop: int, cause: Cause) -> None:
        """Sound that will not come; call it before the scores of what follows.

        Args:
            start: absolute index of the first lost sample.
            stop: one past the last.
            cause: why.
        """
        self._lost.append((start, stop, CAUSES.index(cause)))

    def push(self, scores: Scores, cause: Cause | None = None) -> None:
        """Take the next scores.

        Args:
            scores: of any number of frames; those that were taken already are passed over.
            cause: why none of them is measured; None: those that are valid are.
        """
        stop = scores.start + len(scores.valid)
        if self._next is not None and scores.start < self._next - self._step_frames:
            self.reset()  # an index that goes back is another stream
        if self._next is None:
            self._next = scores.start
        if self._next < scores.start:  # lost; of more than an hour the last steps are enough
            first = max(self._next, (scores.start // self._step_frames - HOUR_STEPS) * self._step_frames)
            self._add(first, self._why(first, np.full(scores.start - first, CAUSES.index("gap"))))
        valid = scores.valid[self._next - scores.start :]
        rest = CAUSES.index("masked" if cause is None else cause)
        columns = np.where(valid, MEASURED if cause is None else rest, rest)
        if len(columns):
            self._add(self._next, np.where(valid, columns, self._why(self._next, columns)))
        while self._lost and self._lost[0][1] + self._reach_samples <= stop * self._hop_samples:
            self._lost.popleft()

    def over(self, window_s: int, frame: int) -> Covered:
        """The coverage of the window that ends where a step of the grid does.

        Args:
            window_s: length, whole steps, an hour at most.
            frame: absolute score frame; what lies behind the last scores was not scored.
        """
        stop, current = frame // self._step_frames, (self._next or 0) // self._step_frames
        first = stop - window_s // STEP_S
        held = np.arange(max(first, current - HOUR_STEPS), min(stop, current + 1)) % (HOUR_STEPS + 1)
        frames = self._frames[held].sum(axis=0)
        begun = int(self._frames[current % (HOUR_STEPS + 1)].sum()) if first <= current < stop else 0
        before = max(min(current, stop) - first, 0)  # steps of the window before the one that is being filled
        # In steps that are over, where no frame was counted the stream had not begun. In the one that is being filled,
        # and behind it, nothing has come yet.
        frames[NOT_BEGUN] += before * self._step_frames - (int(frames.sum()) - begun)
        frames[NO_SOUND] += (stop - first - before) * self._step_frames - begun
        seconds = frames * (STEP_S / self._step_frames)
        # Not strict: `seconds` has one column more, that of what was measured.
        missing_s = {cause: float(s) for cause, s in zip(CAUSES, seconds, strict=False) if s}
        return Covered(window_s, float(seconds[MEASURED]), missing_s)

    def _why(self, first: int, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """(T,) the columns of frames from `first` on, with those of lost sound where they depend on any."""
        out = columns
        for start, stop, cause in self._lost:
            begin = (start - self._reach_samples) // self._hop_samples - first
            end = -(-(stop + self._reach_samples) // self._hop_samples) - first
            if end > 0 and begin < len(out):
                out = out.copy() if out is columns else out
                out[max(begin, 0) : end] = cause
        return out

    def _add(self, first: int, columns: NDArray[np.int64]) -> None:
        """Count frames from `first` on, and go on behind them."""
        length, stop = self._step_frames, first + len(columns)
        self._clear(stop)
        for step in range(first // length, -(-stop // length)):
            part = columns[max(step * length - first, 0) : (step + 1) * length - first]
            self._frames[step % (HOUR_STEPS + 1)] += np.bincount(part, minlength=MEASURED + 1)
        self._next = stop

    def _clear(self, stop: int) -> None:
        """Empty the steps behind the one that is being filled, up to that of the frame `stop`."""
        assert self._next is not None
        begin, end = self._next // self._step_frames + 1, stop // self._step_frames + 1
        if begin < end:
            steps = np.arange(max(begin, end - HOUR_STEPS - 1), end)
            self._frames[steps % (HOUR_STEPS + 1)] = 0
