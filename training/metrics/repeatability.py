"""The same sound, the same answer: how many events come again when a recording is heard again with a small change.

An event came again (it was *kept*) if one of its group overlaps it; one that overlaps none of the first hearing is
*new*. Neither says whether an event is right, only whether it depends on what should not matter. Not for what is
changed, nor for hearing anything (`training.evaluation.repeatability`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.types import Event
from training.metrics.estimates import Metric, of_counts, share
from training.metrics.streaming import GROUP_OF


@dataclass(frozen=True, slots=True)
class HeardAgain:
    """One recording, heard several times with changes of one kind."""

    change: str
    """What was changed, in words."""
    patient: str
    is_normal: bool
    """Whether no event is right."""
    hours: float
    """Of sound, once."""
    times: int
    """How often it was heard again."""
    found: int
    """Events of the first hearing, counted each time."""
    kept: int
    """Of them, those that came again."""
    new: int
    """Events that did not come the first time."""


def compared(first: Sequence[Event], again: Sequence[Event], later: int = 0) -> tuple[int, int]:
    """Events that came again, and new ones.

    Args:
        first: ends of the first hearing.
        again: ends of another.
        later: samples that were left out at its begin.
    """
    kept = sum(any(_overlap(event, other, later) for other in again) for event in first)
    new = sum(not any(_overlap(event, other, later) for event in first) for other in again)
    return kept, new


def _overlap(event: Event, other: Event, later: int) -> bool:
    is_same_group = GROUP_OF[event.label] == GROUP_OF[other.label]
    return is_same_group and event.onset < (other.end or 0) + later and other.onset + later < (event.end or 0)


def repeatability_metrics(heard: Sequence[HeardAgain]) -> list[Metric]:
    """For each change the share of events that are kept, and new events per hour on Normal recordings.

    Args:
        heard: chest recordings; events are kept of all of them.
    """
    found = []
    for change in dict.fromkeys(one.change for one in heard):
        mine = [one for one in heard if one.change == change]
        counted = _by_patient(mine, lambda one: (one.kept, one.found))
        found.append(of_counts(f"events kept, {change}", counted, share, f"{counted[:, 1].sum():.0f} events"))
        normal = [one for one in mine if one.is_normal]
        if normal:
            rates = _by_patient(normal, lambda one: (one.new, one.hours * one.times))
            hours = sum(one.hours for one in normal)
            examples = f"{rates[:, 0].sum():.0f} events in {rates[:, 1].sum():.2f} h, {hours:.2f} h of sound"
            metric = of_counts(f"new events per hour Normal, {change}", rates, share, examples)
            found.append(replace(metric, hours=hours))
    return found


def _by_patient(
    heard: Sequence[HeardAgain], counts: Callable[[HeardAgain], tuple[float, float]]
) -> NDArray[np.float64]:
    """(P, 2) sums over the recordings of each patient."""
    totals: dict[str, NDArray[np.float64]] = {}
    for one in heard:
        totals[one.patient] = totals.get(one.patient, np.zeros(2)) + counts(one)
    return np.stack(list(totals.values()))
