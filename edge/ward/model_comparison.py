"""What two models that score the same bed make of it: events of both, of the one alone, of the other alone.

Not for publishing and not for choosing between them (`edge.node.model_comparison`). Pure, by sample indices. Two events
are of the same sound if they are of one group and overlap, or lie within `NEAR_S` of each other; an event is judged
once, when both models have decided all that could make it one of both. What touches sound that one of them did not get
is not compared, and counted. Exchanging the two exchanges the counts of one alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

NEAR_S = 0.5  # between two events of one sound
CONFIRM_S = 3.0  # an event is published so long after its sound began, at most; it may still come
DEAF_S = 3.0  # behind sound that was left out: the model's lookahead, and the sound it needs before
MOST = 1000  # events of a group that wait for the other model; more are a model that has gone mad
Side = Literal["live", "shadow"]
SIDES: tuple[Side, Side] = ("live", "shadow")


@dataclass
class Counts:
    """Events of one group that were judged."""

    both: int = 0
    """Of the live model, with one of the other."""
    only_live: int = 0
    only_shadow: int = 0
    not_compared: int = 0
    """Of either, where the other got no sound."""


@dataclass
class _Span:
    onset: int
    end: int | None = None
    is_compared: bool = False


@dataclass
class _Group:
    """Events of one group, oldest first, by the model that found them."""

    spans: dict[Side, list[_Span]] = field(default_factory=lambda: {"live": [], "shadow": []})
    counts: Counts = field(default_factory=Counts)


class ModelComparison:
    """Compares the events of two models on one bed.

    Args:
        groups: of classes, of both models.
        rate_hz: of the sound, Hz.
    """

    def __init__(self, groups: Iterable[str], rate_hz: int) -> None:
        self._near, self._confirm = round(NEAR_S * rate_hz), round(CONFIRM_S * rate_hz)
        self._deaf = round(DEAF_S * rate_hz)
        self._groups = {group: _Group() for group in groups}
        self._gaps: list[tuple[int, int]] = []

    @property
    def counts(self) -> dict[str, Counts]:
        """By group."""
        return {name: group.counts for name, group in self._groups.items()}

    def onset(self, side: Side, group: str, onset: int) -> None:
        """A model found the begin of a sound, at this absolute sample index."""
        found = self._groups[group]
        spans = found.spans[side]
        spans.append(_Span(onset))
        if len(spans) > MOST:
            found.counts.not_compared += not spans.pop(0).is_compared

    def end(self, side: Side, group: str, onset: int, end: int) -> None:
        """The sound that began at `onset` ended; one that is not known any more is left alone."""
        for span in self._groups[group].spans[side]:
            if span.onset == onset and span.end is None:
                span.end = end

    def left_out(self, start: int, stop: int) -> None:
        """One of the models did not get this sound."""
        if self._gaps and start <= self._gaps[-1][1]:
            start = min(start, self._gaps.pop()[0])
        self._gaps.append((start, stop))

    def compare(self, decided: int) -> None:
        """Judge what can be judged.

        Args:
            decided: absolute index before which both models have decided everything.
        """
        sides = [(group, *pair) for group in self._groups.values() for pair in (SIDES, SIDES[::-1])]
        for group, side, other in sides:
            for span in group.spans[side]:
                if span.end is not None and span.end + self._near + self._confirm <= decided:
                    self._match(group, side, span, group.spans[other])
        for group, side, other in sides:
            self._forget_compared(group.spans, side, other, decided)
        first = min((span.onset for group, side, _ in sides for span in group.spans[side]), default=decided)
        needed = min(first, decided - self._confirm) - self._deaf
        self._gaps = [gap for gap in self._gaps if gap[1] > needed][-MOST:]

    def forget(self) -> None:
        """Indices begin anew: what was not judged cannot be any more."""
        for group in self._groups.values():
            for side in SIDES:
                group.counts.not_compared += sum(not span.is_compared for span in group.spans[side])
                group.spans[side] = []
        self._gaps.clear()

    def _forget_compared(self, spans: dict[Side, list[_Span]], side: Side, other: Side, decided: int) -> None:
        """Of one side, what can be the partner of nothing that the other found or may yet find."""
        first = min((span.onset for span in spans[other] if not span.is_compared), default=decided)
        needed = min(first, decided - self._confirm) - self._near
        spans[side] = [span for span in spans[side] if not span.is_compared or (span.end or 0) > needed]

    def _match(self, group: _Group, side: Side, span: _Span, others: list[_Span]) -> None:
        if span.is_compared or span.end is None:
            return
        span.is_compared, end = True, span.end
        has_other = any(
            other.onset < end + self._near and (other.end is None or other.end + self._near > span.onset)
            for other in others
        )
        if has_other:
            group.counts.both += side == "live"
        elif any(start < end and stop + self._deaf > span.onset for start, stop in self._gaps):
            group.counts.not_compared += 1
        elif side == "live":
            group.counts.only_live += 1
        else:
            group.counts.only_shadow += 1
