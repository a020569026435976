"""What an artefact says of itself: the chunks that its model hears, how events are found in its scores, its variant.

Not for cutting chunks (`edge.detector.chunks`) or tracking events (`edge.detector.tracker`): those are built from
these. The spec of the features is `edge.features.spec`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.artefact.entry import read_entry

LONGEST_TEXT = 16_384  # characters of JSON of a variant
MOST_STEP_FRAMES = 250  # 8 s of score frames of 32 ms: what is decided later is of no use at a bed


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
    """Length of the running median, odd, score frames; of no account with `step_frames`."""
    keep: float
    """An event lasts while the score stays above this share of the threshold; with `step_frames` a pause belongs to it
    if its mean is this share of that of the event; 0 to 1."""
    confirm_frames: int
    """Score frames that an event must last to count."""
    quiet_frames: int
    """Score frames of quiet that end an event; shorter pauses belong to it."""
    step_frames: int = 0
    """Score frames on each side of a change by which events begin and end (`edge.detector.change_points`); 0: they
    begin and end where the running median passes the threshold (`edge.detector.tracker`)."""

    def __post_init__(self) -> None:
        """Refuse a step that cannot be.

        Raises:
            ValueError: naming it.
        """
        if not isinstance(self.step_frames, int) or not 0 <= self.step_frames <= MOST_STEP_FRAMES:
            raise ValueError(
                f"group {self.name}: step_frames: expected 0 to {MOST_STEP_FRAMES}, found {self.step_frames}"
            )


@dataclass(frozen=True, slots=True)
class Variant:
    """Which of the artefacts of one checkpoint a file is; one that does not say is the fp32 one, for onnxruntime."""

    name: str = "fp32"
    """fp32, cpu-int8, trt-fp16, trt-int8 or trt-int8-fp16."""
    runtime: str = "onnxruntime"
    """The runtime that it is made for: onnxruntime or tensorrt."""
    precision: str = "fp32"
    """fp32, int8, fp16 or int8+fp16; inputs and outputs are float32 in all."""
    parent: str = ""
    """SHA-256 of the fp32 artefact that it was made beside; empty for that one itself."""
    checkpoint: str = ""
    """SHA-256 of the weights."""
    calibration: dict[str, Any] | None = None
    """Size, seed and SHA-256 of the sample that the ranges were measured on; None without int8."""
    made_with: dict[str, str] = field(default_factory=dict)
    """Version of each package that made it."""

    @classmethod
    def from_json(cls, text: str) -> Variant:
        """Read the entry of the metadata.

        Raises:
            ModelError: if it lacks a field or has one of another type.
        """
        return read_entry("laennec.variant", text, LONGEST_TEXT, _variant)


def _variant(fields: dict[str, Any]) -> Variant:
    texts = {key: fields[key] for key in ("name", "runtime", "precision", "parent", "checkpoint")}
    if any(not isinstance(value, str) for value in texts.values()):
        raise ValueError(f"expected text, found {texts}")
    return Variant(**texts, calibration=fields["calibration"], made_with=dict(fields["made_with"]))
