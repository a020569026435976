"""What an artefact says of itself: chunks, how events are found in scores, variant, thresholds by age.

In its metadata or beside it; bounded, read, and shown to a person as YAML. Not for cutting chunks
(`edge.detector.chunks`) or tracking events (`edge.detector.tracker`), which are built from these; the spec of the
features is `edge.features.spec`. Whatever an entry holds, what comes back is whole, or a `ModelError` names the entry.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import yaml

from edge.errors import ModelError

T = TypeVar("T")


def read_entry(name: str, text: str, longest: int, build: Callable[[Any], T]) -> T:
    """What `build` makes of a JSON text.

    Args:
        name: of the entry, such as `laennec.known`.
        text: of the entry.
        longest: how much is read at all, characters.
        build: makes it of the parsed JSON, whatever that is; a KeyError, TypeError, ValueError or AttributeError of it
            refuses the entry.

    Raises:
        ModelError: the text is too long, no JSON, nested too deeply, or refused by `build`.
    """
    try:
        if len(text) > longest:
            raise ValueError(f"{len(text)} characters, expected up to {longest}")
        return build(json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"metadata not understood: {name}: {error!r}") from error


def numbers(values: Any, count: int, largest: float) -> tuple[float, ...]:
    """So many finite numbers.

    Raises:
        TypeError, ValueError: they are no numbers, not `count` of them, or one is beyond ± `largest`.
    """
    found = tuple(float(value) for value in values)
    if len(found) != count or any(not math.isfinite(x) or abs(x) > largest for x in found):
        raise ValueError(f"expected {count} numbers within {largest:g}, found {list(found)}")
    return found


LONGEST_TEXT = 16_384  # characters of JSON of a variant
MOST_STEP_FRAMES = 250  # 8 s of score frames of 32 ms: what is decided later is of no use at a bed


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """Lengths of the chunks in which one model scores a stream, in frames."""

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


COLUMNS = 100  # lines of text are broken here


def as_text(tree: Mapping[str, Any]) -> str:
    """A card as YAML, each figure of `validation` with its interval of `intervals` beside it, at any depth."""
    return yaml.safe_dump(_joined(tree), sort_keys=False, allow_unicode=True, width=COLUMNS).rstrip("\n")


def _joined(tree: Any) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    figures, intervals = tree.get("validation"), tree.get("intervals")
    if isinstance(figures, Mapping) and isinstance(intervals, Mapping):
        with_intervals = {name: _with_interval(value, intervals.get(name)) for name, value in figures.items()}
        rest = {name: value for name, value in tree.items() if name != "intervals"}
        tree = {**rest, "validation": with_intervals}
    return {name: _joined(value) for name, value in tree.items()}


def _with_interval(value: Any, interval: Any) -> Any:
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return value
    return f"{value} ({interval[0]} to {interval[1]})"


LONGEST_AGES = 20_000  # characters of JSON of the thresholds by age
MOST_AGES = 16


@dataclass(frozen=True, slots=True)
class AgeThresholds:
    """Thresholds for patients from one age to another, in place of the model's own."""

    from_years: float
    to_years: float
    """Not of those who are as old as this."""
    thresholds: dict[str, float]
    """Scores that open events, 0 to 1, by class."""


def ages_to_json(several: Sequence[AgeThresholds]) -> str:
    """Text of the entry `laennec.ages`."""
    return json.dumps([asdict(one) for one in several])


def ages_from_json(text: str) -> tuple[AgeThresholds, ...]:
    """Read what `ages_to_json` wrote.

    Raises:
        ModelError: if it is not that, or an age or a threshold is none.
    """
    return read_entry("laennec.ages", text, LONGEST_AGES, _ages)


def _ages(rows: Any) -> tuple[AgeThresholds, ...]:
    if not isinstance(rows, list) or len(rows) > MOST_AGES:
        raise ValueError(f"expected a list of up to {MOST_AGES}")
    found = tuple(
        AgeThresholds(
            float(row["from_years"]),
            float(row["to_years"]),
            {str(name): float(threshold) for name, threshold in row["thresholds"].items()},
        )
        for row in rows
    )
    if not all(0 <= one.from_years < one.to_years <= 200 for one in found):
        raise ValueError("expected from_years below to_years, both 0 to 200")
    if not all(0 < threshold < 1 for one in found for threshold in one.thresholds.values()):
        raise ValueError("expected thresholds between 0 and 1")
    return found
