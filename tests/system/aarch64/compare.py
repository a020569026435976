"""Two listings of `laennec detect --jsonl --scores` of one recording side by side: same events, scores how far apart.

Not for what is right (`tests`); only for what is the same on two processors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from deploy.devices import DeployError

SCORES_WITHIN = 1e-4  # a score is from 0 to 1, and printed with five digits
FIRM = ("label", "onset_s", "end_s", "threshold", "end_reason")  # of an event: what is decided, not measured
LOOSE = ("score", "mean")


@dataclass(frozen=True)
class Comparison:
    """Differences between the scores and events that two processors found in the same recording."""

    frames: int
    """Score frames compared."""
    events: int
    """Events in the first listing."""
    events_equal: bool
    """Same classes, times, thresholds and ends in the same order, scores within `SCORES_WITHIN`."""
    largest_difference: float
    """Largest difference of two scores of the same frame and class."""

    @property
    def passed(self) -> bool:
        """Whether the second processor hears what the first one does."""
        return self.events_equal and self.frames > 0 and self.largest_difference <= SCORES_WITHIN


def compare(first: str, second: str) -> Comparison:
    """Compare two listings.

    Raises:
        DeployError: they are not of the same frames.
    """
    frames, events = _parts(first)
    frames_too, events_too = _parts(second)
    if [_frame(one) for one in frames] != [_frame(one) for one in frames_too]:
        raise DeployError(f"expected the same {len(frames)} score frames, found {len(frames_too)} others")
    largest_difference = max(
        (
            abs(one["scores"][c] - two["scores"][c])
            for one, two in zip(frames, frames_too, strict=True)
            for c in one["scores"]
        ),
        default=0.0,
    )
    equal = [_decided(one) for one in events] == [_decided(two) for two in events_too] and all(
        abs(one[key] - two[key]) <= SCORES_WITHIN for one, two in zip(events, events_too, strict=True) for key in LOOSE
    )
    return Comparison(len(frames), len(events), equal, largest_difference)


def _parts(listing: str) -> tuple[list[dict], list[dict]]:  # type: ignore[type-arg]
    records = [json.loads(line) for line in listing.splitlines()]
    return [each for each in records if "scores" in each], [each for each in records if "label" in each]


def _frame(record: dict) -> tuple[object, ...]:  # type: ignore[type-arg]
    return record["t_s"], record["dur_s"], record["valid"], sorted(record["scores"])


def _decided(record: dict) -> list[object]:  # type: ignore[type-arg]
    return [record[key] for key in FIRM]
