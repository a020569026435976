"""Frames in, the windows that the model sees out: W frames, every H frames, on a grid of absolute frame indices.

A window that ends at frame e decides the H frames [e - L - H, e - L): L frames of lookahead follow them, the rest of
the window is what came before. Each frame is decided by exactly one window, the same one however the input was cut.

    |<---------------- W frames ---------------->|
    |        past        | H decided | L ahead   |
    e - W            e - L - H     e - L         e = k H

Invalid frames (before the stream began, after it ended, lost, masked) are zeros with `valid` false, and the
model was trained with them so; nothing is repeated, mirrored or spliced. A window that decides no valid frame is never
made: hours of silence from a lost sensor cost nothing. Not for scoring (`edge.artefact.model`).
"""

from __future__ import annotations

import numpy as np

from edge.artefact.specs import WindowSpec
from edge.types import Frames, Window


class Windows:
    """The window cutter of one stream.

    Args:
        spec: lengths.
        width: M, numbers in a frame.
    """

    def __init__(self, spec: WindowSpec, width: int) -> None:
        """Start with no frame."""
        self._spec = spec
        self._values = np.zeros((spec.window_frames, width), np.float32)  # the window that ends at self._end
        self._valid = np.zeros(spec.window_frames, np.bool_)
        self._end: int | None = None  # next grid point to be reached; None before the first frame
        self._filled = 0  # absolute index one past the last frame taken
        self._first: int | None = None  # absolute index of the first valid frame

    def push(self, frames: Frames) -> list[Window]:
        """Take frames of any number; return the windows they complete, oldest first."""
        if not len(frames.valid):
            return []
        if self._end is None:
            self._end = self._grid_after(frames.start)
            self._filled = frames.start
        if self._first is None and frames.valid.any():
            self._first = frames.start + int(np.argmax(frames.valid))
        out = self._advance(frames.start)
        taken = 0
        while taken < len(frames.valid):
            count = min(self._end - self._filled, len(frames.valid) - taken)
            first = self._filled - (self._end - self._spec.window_frames)
            self._values[first : first + count] = frames.values[taken : taken + count]
            self._valid[first : first + count] = frames.valid[taken : taken + count]
            taken += count
            self._filled += count
            out += self._advance(self._filled)
        return out

    def flush(self) -> list[Window]:
        """End of stream: the windows that still have frames to decide, with no sound after them."""
        out: list[Window] = []
        stop = self._filled
        while self._end is not None and self._valid.any():
            out += self._shift(stop)
        self.reset()
        return out

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._valid[:] = False
        self._end = self._first = None

    def _grid_after(self, frame: int) -> int:
        """The first multiple of the hop past `frame`, an absolute index."""
        return (frame // self._spec.hop_frames + 1) * self._spec.hop_frames

    def _advance(self, frame: int) -> list[Window]:
        """Windows that end at or before `frame`; what lies between the last frame taken and `frame` was lost."""
        assert self._end is not None
        out: list[Window] = []
        while frame >= self._end:
            if not self._valid.any():
                self._end = self._grid_after(frame)
                break
            out += self._shift(frame)
        self._filled = max(self._filled, frame)
        return out

    def _shift(self, stop: int) -> list[Window]:
        """The window that ends at the grid point, if it decides anything; then move on by one hop.

        Args:
            stop: absolute index one past the last frame that the stream has so far, valid or not.
        """
        assert self._end is not None
        assert self._first is not None
        spec, start = self._spec, self._end - self._spec.window_frames
        values, valid = np.where(self._valid[:, None], self._values, np.float32(0)), self._valid.copy()
        window = Window(start, values, valid, max(self._first - start, 0), max(self._end - stop, 0))
        hop = spec.hop_frames
        self._values[:-hop] = self._values[hop:]
        self._valid[:-hop] = self._valid[hop:]
        self._valid[-hop:] = False
        self._end += hop
        return [window] if window.valid[spec.decided].any() else []
