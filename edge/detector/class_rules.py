"""How long and how far below its threshold a sound of one class may be: what the tracker asks of each class.

Not for the threshold itself, and not for what classes share: which of them are one group, and the running median of its
scores (`edge.artefact.specs.GroupSpec`). A class for which nothing else is said has the numbers of its group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil

from edge.artefact.specs import GroupSpec


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Of one class; an event obeys the class that it has most of so far."""

    keep: float
    """A pause belongs to an event if its mean is this share of that of the event, 0 to 1; of a model without change
    points, an event that this class opened lasts while the score stays above this share of the threshold."""
    confirm_frames: int
    """Score frames that an event must last to count."""
    quiet_frames: int
    """Score frames of quiet that end an event; shorter pauses belong to it."""


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What an operator wants of one class on one stream; None: as the model has it."""

    keep: float | None = None
    minimum_s: float | None = None
    quiet_s: float | None = None


def class_rules(groups: Iterable[GroupSpec], changes: Mapping[str, ClassChange], hop_s: float) -> dict[str, ClassRule]:
    """The rule of each class that a group names.

    Args:
        groups: of the model.
        changes: of some classes.
        hop_s: from one score frame to the next, seconds.
    """
    rules = dict[str, ClassRule]()
    for group in groups:
        usual = ClassRule(group.keep, group.confirm_frames, group.quiet_frames)
        rules |= {name: _changed(usual, changes.get(name, ClassChange()), hop_s) for name in group.classes}
    return rules


def frames_of(seconds: float, hop_s: float) -> int:
    """The least number of score frames that lasts so long; at least one."""
    return max(1, ceil(seconds / hop_s - 1e-6))  # 0.32 s of 32 ms are ten frames, whatever floats make of it


def _changed(rule: ClassRule, change: ClassChange, hop_s: float) -> ClassRule:
    return replace(
        rule,
        keep=rule.keep if change.keep is None else change.keep,
        confirm_frames=rule.confirm_frames if change.minimum_s is None else frames_of(change.minimum_s, hop_s),
        quiet_frames=rule.quiet_frames if change.quiet_s is None else frames_of(change.quiet_s, hop_s),
    )
