"""What an artefact says of the chunks that its model hears and of how events are found in its scores.

Not for cutting chunks (`edge.detector.chunks`) or tracking events (`edge.detector.tracker`): those are built from
these. The spec of the features is `edge.features.spec`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """Lengths of the chunks in which one model hears a stream, in frames."""

    chunk_frames: int
    """H, new frames in a chunk, and frames that are decided with it."""
    lookahead_frames: int
    """L, frames from the end of what is decided to the end of the chunk."""
    score_frames: int
    """Feature frames to one score frame; divides the two above."""

    def __post_init__(self) -> None:
        """Refuse a chunk that cannot be.

        Raises:
            ValueError: naming the field.
        """
        if min(self.chunk_frames, self.score_frames) < 1 or self.lookahead_frames < 0:
            raise ValueError(f"chunk: lengths must be above 0, found {self}")
        if any(n % self.score_frames for n in (self.chunk_frames, self.lookahead_frames)):
            raise ValueError(f"chunk: score_frames must divide the other lengths, found {self}")

    @property
    def scores(self) -> int:
        """Score frames that are decided with one chunk."""
        return self.chunk_frames // self.score_frames


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
