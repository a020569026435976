"""How often somebody may do something: at most so many times in so many seconds, for each of many. Pure.

Not for what is done (`edge.server.board.access`, `edge.node.alarm_inputs`). What is remembered is bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MAX_KEYS = 4096  # that a quota remembers


@dataclass
class Limit:
    """At most so many in so many seconds."""

    most: int
    seconds: float
    times: deque[float] = field(default_factory=deque)

    def is_reached(self, now_s: float) -> bool:
        """Whether another one would be too many."""
        while self.times and now_s - self.times[0] >= self.seconds:
            self.times.popleft()
        return len(self.times) >= self.most

    def count(self, now_s: float) -> None:
        """One more."""
        self.times.append(now_s)

    def take(self, now_s: float) -> bool:
        """Whether there may be one more; counts it."""
        if self.is_reached(now_s):
            return False
        self.count(now_s)
        return True


class Quotas:
    """The same limit for each of many: hosts, browsers, tokens."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._limits: dict[str, Limit] = {}

    def __len__(self) -> int:
        """How many it remembers."""
        return len(self._limits)

    def take(self, key: str, now_s: float) -> bool:
        """Whether `key` may do one more; counts it."""
        if key not in self._limits and len(self._limits) >= MAX_KEYS:
            # Who has reached the limit stays: to be forgotten would give them as many again.
            self._limits = {name: limit for name, limit in self._limits.items() if limit.is_reached(now_s)}
            if len(self._limits) >= MAX_KEYS:
                del self._limits[next(iter(self._limits))]
        return self._limits.setdefault(key, Limit(self._most, self._seconds)).take(now_s)

    def give_back(self, key: str) -> None:
        """The last one does not count."""
        limit = self._limits.get(key)
        if limit is not None and limit.times:
            limit.times.pop()
