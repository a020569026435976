"""What is left out when a box is too slow for its beds: whole stretches of some streams, in a stated order.

Not for the leaving out itself (`edge.node.inbox`). Pure, on its caller's clock. When the sound that waits takes longer
than `MOST_WORK_S` to compute, streams rest, one after the other, until what is left takes half of that: a stream that
rests loses what waits and what comes in the next `REST_S`, as a gap. First those of low priority, then normal, then
high; of one priority those that were heard for longest. No stream is silenced: one that has rested is heard for
`HEARD_S` before it rests again, unless all others rest or have just rested.

Long stretches, because the model needs seconds of unbroken sound: half of each chunk would be worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_WORK_S = 1.0  # a pause of the whole box for 2 s at half of its capacity makes as much: nothing is left out for it
REST_S = 5.0
HEARD_S = 5.0
PRIORITIES = ("low", "normal", "high")  # in this order streams rest


class Shedding:
    """Chooses the streams that rest.

    Args:
        priorities: of each stream, one of `PRIORITIES`.
    """

    def __init__(self, priorities: Sequence[str]) -> None:
        """All are heard."""
        self._ranks = [PRIORITIES.index(priority) for priority in priorities]
        self._rested_until_s = [-float("inf")] * len(self._ranks)

    def choose(self, now_s: float, work_s: Sequence[float]) -> list[int]:
        """The streams that are to rest from now on.

        Args:
            now_s: the time, seconds.
            work_s: for each stream, how long the sound of it that waits takes to compute, seconds.
        """
        left_s = sum(work_s)
        if left_s <= MOST_WORK_S:
            return []
        candidates = [stream for stream, wanted_s in enumerate(work_s) if wanted_s and self._is_heard(stream, now_s)]
        chosen = []
        for stream in sorted(candidates, key=lambda stream: self._order(stream, now_s)):
            if left_s <= MOST_WORK_S / 2:
                break
            left_s -= work_s[stream]
            self._rested_until_s[stream] = now_s + REST_S
            chosen.append(stream)
        return chosen

    def _is_heard(self, stream: int, now_s: float) -> bool:
        return now_s >= self._rested_until_s[stream]

    def _order(self, stream: int, now_s: float) -> tuple[bool, int, float]:
        rested_until_s = self._rested_until_s[stream]
        return now_s - rested_until_s < HEARD_S, self._ranks[stream], rested_until_s
