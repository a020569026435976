"""Work on many boxes: one first, then some at once, and no new one after the first that fails.

Not for what the work is: that is a function of one box. What was started when one failed is finished, for a box that
is left in the middle is worse than one that is done; the rest is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """What came of one box."""

    name: str
    is_good: bool
    took_s: float
    said: str
    """The last that was said of it, one line."""


@dataclass
class Rollout:
    """What came of a fleet."""

    done: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)

    def note(self, outcome: Outcome) -> None:
        """Add what came of one box."""
        (self.done if outcome.is_good else self.failed).append(outcome)


def roll_out(
    names: Sequence[str], at_once: int, work: Callable[[str], Outcome], tell: Callable[[Outcome], None]
) -> Rollout:
    """Work on every box, the first of them alone.

    Args:
        names: of the boxes, the canary first.
        at_once: how many are worked on at the same time, after the first.
        work: does it, for one box; called from several threads.
        tell: is given what came of each box, one after the other.

    Returns:
        What came of them, each list in the order of `names`; `untouched` are those that were not begun.
    """
    told, left = Rollout(), list(names)
    with ThreadPoolExecutor(at_once) as pool:
        running: set[Future[Outcome]] = set()
        while running or (left and not told.failed):
            width = at_once if told.done else 1
            while left and not told.failed and len(running) < width:
                running.add(pool.submit(work, left.pop(0)))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for each in ended:
                told.note(each.result())
                tell(each.result())
    for outcomes in (told.done, told.failed):
        outcomes.sort(key=lambda outcome: names.index(outcome.name))
    told.untouched = left
    return told


def all_at_once(names: Sequence[str], at_once: int, work: Callable[[str], Outcome]) -> list[Outcome]:
    """Ask every box, whatever the others say; in the order of the names."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, names))
