"""What is left out when a box is too slow for its beds: whole stretches of some streams, in a stated order.

Not for the leaving out itself (`edge.node.inbox`). Pure, on its caller's clock. While the sound that waits takes longer
than `MOST_WORK_S` to compute, streams rest, one after the other: a stream that rests loses what waits and what comes in
the next `REST_S`, as a gap. First those of low priority, then normal, then high; of one priority those that were heard
for longest. No stream is silenced: one that has rested is heard for `HEARD_S` before it rests again, unless all others
rest or have just rested. Where those that are heard load the box to less than `MOST_LOAD`, it was only a pause, and
what waits is soon done: then twice as much may wait.

Long stretches, because the model needs seconds of unbroken sound: half of each chunk would be worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_WORK_S = 0.6  # with the 1.3 s of the model's chunk and lookahead, streams are then 2 s behind
MOST_LOAD = 0.85  # share of the time
REST_S = 5.0
HEARD_S = 5.0
PRIORITIES = ("low", "normal", "high")  # in this order streams rest


class Shedding:
    """Chooses the streams that rest.

    Args:
        priorities: of each stream, one of `PRIORITIES`.
    """

    def __init__(self, priorities: Sequence[str]) -> None:
        self._ranks = [PRIORITIES.index(priority) for priority in priorities]
        self._rested_until_s = [-float("inf")] * len(self._ranks)

    def choose(self, now_s: float, work_s: Sequence[float], load: float) -> list[int]:
        """The streams that are to rest from now on.

        Args:
            now_s: the time, seconds.
            work_s: for each stream, how long the sound of it that waits takes to compute, seconds.
            load: computing time for a second of sound of one stream, seconds.
        """
        left_s, chosen = sum(work_s), list[int]()
        if left_s <= MOST_WORK_S:
            return chosen
        heard = [stream for stream in range(len(work_s)) if now_s >= self._rested_until_s[stream]]
        waiting = [stream for stream in heard if work_s[stream]]  # a file at full speed has none, and loses nothing
        for stream in sorted(waiting, key=lambda stream: self._order(stream, now_s)):
            is_pause = (len(heard) - len(chosen)) * load <= MOST_LOAD
            if left_s <= (2 * MOST_WORK_S if is_pause else MOST_WORK_S):
                break
            left_s -= work_s[stream]
            self._rested_until_s[stream] = now_s + REST_S
            chosen.append(stream)
        return chosen

    def _order(self, stream: int, now_s: float) -> tuple[bool, int, float]:
        rested_until_s = self._rested_until_s[stream]
        is_just_back = now_s - rested_until_s < HEARD_S
        return is_just_back, 0 if is_just_back else self._ranks[stream], rested_until_s
