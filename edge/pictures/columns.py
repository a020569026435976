"""Frames of any number into the columns of a picture: bounded memory, and the loudest frame of a column is kept.

Not for features or for drawing. A column holds `per_column` frames, a power of two that doubles whenever the columns
run out; what it shows of each number is the largest (of a slope, the largest up or down), so a crackle of 10 ms can be
seen in an hour. A column is measurable only when every frame of it is valid: a gap is never narrower than one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.types import Frames


class Columns:
    """The columns of the frames [first, stop).

    Args:
        first: index of the first frame to draw.
        stop: index one past the last one.
        levels: numbers of a frame that are levels, its first ones; all others are slopes.
        width: M, numbers of a frame.
        most: columns there may be, even.
    """

    def __init__(self, first: int, stop: float, levels: int, width: int, most: int) -> None:
        self.first, self.stop = first, stop
        self.per_column = 1
        self.end = first  # one past the last frame that was made
        self._levels, self._width, self._most = levels, width, most
        self._peaks = np.full((most, 2 * width - levels), -np.inf, np.float32)  # behind the numbers, the slopes negated
        self._valid = np.zeros(most, np.int64)  # frames

    @property
    def full(self) -> bool:
        """Whether all frames to draw have come."""
        return self.end >= self.stop

    def reach(self, end: int) -> None:
        """Make the columns wide enough for the frames up to `end`, though they may never come."""
        while min(end, self.stop) - self.first > self._most * self.per_column:
            self._merge_pairs()

    def push(self, frames: Frames) -> None:
        """Take consecutive frames; those outside of [first, stop) are left out."""
        index = np.arange(frames.start, frames.start + len(frames.valid))
        self.end = max(self.end, frames.start + len(frames.valid))
        self.reach(self.end)
        drawn = frames.valid & (index >= self.first) & (index < self.stop)
        if not drawn.any():
            return
        values = frames.values[drawn]
        columns = (index[drawn] - self.first) // self.per_column
        np.maximum.at(self._peaks, columns, np.hstack([values, -values[:, self._levels :]]))
        np.add.at(self._valid, columns, 1)

    def values(self) -> NDArray[np.float32]:
        """(columns, M), at least one column; NaN where not every frame is valid."""
        made = int(min(self.end, self.stop)) - self.first
        frames = np.clip(made - np.arange(self._most) * self.per_column, 1, self.per_column)  # the last holds fewer
        count = max(1, -(-made // self.per_column))
        highest, lowest = self._peaks[:, : self._width].copy(), -self._peaks[:, self._width :]
        slopes = highest[:, self._levels :]
        slopes[:] = np.where(slopes >= -lowest, slopes, lowest)
        highest[self._valid < frames] = np.nan
        return highest[:count]

    def _merge_pairs(self) -> None:
        """Halve the number of columns: each pair becomes one, with the larger peak of both."""
        half = self._most // 2
        self._peaks[:half] = np.maximum(self._peaks[0::2], self._peaks[1::2])
        self._valid[:half] = self._valid[0::2] + self._valid[1::2]
        self._peaks[half:], self._valid[half:] = -np.inf, 0
        self.per_column *= 2
