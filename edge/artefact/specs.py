"""What an artefact says of the windows that its model sees and of how events are found in its scores.

Not for cutting windows (`edge.detector.windows`) or tracking events (`edge.detector.tracker`): those are built from
these. The spec of the features is `edge.features.spec`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Lengths of the windows that one model scores, in frames."""

    window_frames: int
    """W, frames in a window."""
    hop_frames: int
    """H, frames from one window to the next, and frames that one window decides."""
    lookahead_frames: int
    """L, frames after the decided ones."""
    score_frames: int
    """Feature frames to one score frame; divides the three above."""

    def __post_init__(self) -> None:
        """Refuse a window that cannot be.

        Raises:
            ValueError: naming the field.
        """
        if min(self.window_frames, self.hop_frames, self.score_frames) < 1 or self.lookahead_frames < 0:
            raise ValueError(f"window: lengths must be above 0, found {self}")
        if self.window_frames < self.hop_frames + self.lookahead_frames:
            raise ValueError(f"window: window_frames must be at least hop_frames + lookahead_frames, found {self}")
        if any(n % self.score_frames for n in (self.window_frames, self.hop_frames, self.lookahead_frames)):
            raise ValueError(f"window: score_frames must divide the other lengths, found {self}")

    @property
    def decided(self) -> slice:
        """Frames of a window that it decides."""
        last = self.window_frames - self.lookahead_frames
        return slice(last - self.hop_frames, last)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """How the events of one group of classes are found; chosen in training, carried by the artefact."""

    name: str
    """`continuous` or `discontinuous`."""
    classes: tuple[str, ...]
    """Class names, a subset of the model's."""
    median_frames: int
    """Length of the running median, odd, score frames."""
    keep: float
    """An event lasts while the score stays above this share of the threshold, 0 to 1."""
    confirm_frames: int
    """Score frames that an event must last to count."""
    quiet_frames: int
    """Score frames of quiet that end an event; shorter pauses belong to it."""
