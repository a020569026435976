"""The rules of an alarm once more, told otherwise: by what happened, not by states. It shares no code with the edge."""

from __future__ import annotations

URGENCY = "Lo", "Me", "Hi"


class SimpleAlarm:
    """One alarm. Three facts: it rings for somebody, somebody has seen it, what it rings for is over."""

    def __init__(self, urgency: int, latches: bool, delay: int, patience: int, group: int, limit: float | None) -> None:
        self.base, self.latches, self.delay, self.patience, self.group = urgency, latches, delay, patience, group
        self.usual_limit, self.own_limit = limit, None
        self.there = self.rings = self.seen = self.over = self.ignored = False
        self.there_since = self.rang_at = self.count = 0
        self.over_at: int | None = None
        self.quiet_until = self.off_until = -1
        self.is_quiet = self.is_off = False
        self.was_seen = False  # somebody has seen this episode

    @property
    def limit(self) -> float | None:
        return self.usual_limit if self.own_limit is None else self.own_limit

    @property
    def urgency(self) -> str:
        return URGENCY[min(2, self.base + self.ignored)]

    @property
    def signal(self) -> str:
        if not self.rings:
            return "Off"
        return "Latch" if self.over else "Ack" if self.seen else "On"

    @property
    def sounds(self) -> bool:
        return self.rings and not self.seen and not self.is_quiet

    def measure(self, now: int, value: float | None) -> None:
        if self.limit is None:
            self._silence()
            self.there, self.over_at = False, None
        elif value is not None:
            enough = value >= (0.7 * self.limit if self.there else self.limit)
            if enough and not self.there:
                self.there_since = now
            if self.there and not enough:
                self._went_away(now)
            self.there = enough
        self.pass_time(now)

    def _went_away(self, now: int) -> None:
        if not self.rings or self.over:
            return
        self.over_at = now
        if (self.latches or self.urgency == "Hi") and not self.seen:
            self.over = True
        else:
            self._silence()

    def pass_time(self, now: int) -> None:
        if self.is_off and now >= self.off_until:
            self.is_off = False
        if self.is_quiet and now >= self.quiet_until:
            self.is_quiet = False
        if self.there and (not self.rings or self.over) and not self.is_off and now >= self.there_since + self.delay:
            self._ring(now)
        is_waiting = self.rings and not self.seen  # also where what it rings for is over: nobody has answered
        if is_waiting and self.base < 2 and not self.ignored and now >= self.rang_at + self.patience:
            self.ignored, self.is_quiet = True, False

    def _ring(self, now: int) -> None:
        is_new = self.over_at is None or self.there_since >= self.over_at + self.group
        if is_new:
            self.count += 1
            self.rang_at = now  # patience is for the episode, however often it comes and goes
            self.ignored = self.was_seen = False
        self.rings, self.over, self.is_quiet = True, False, False
        self.seen = self.was_seen and self.urgency != "Hi"

    def _silence(self) -> None:
        self.rings = self.seen = self.over = self.is_quiet = False

    def acknowledge(self, now: int) -> None:
        if self.rings and not self.seen:
            self.was_seen, self.is_quiet = True, False
            if self.over:
                self._silence()
            else:
                self.seen = True

    def pause(self, now: int, duration: int) -> None:
        if self.rings and not self.seen:
            self.is_quiet, self.quiet_until = True, now + duration

    def inactivate(self, now: int, duration: int) -> None:
        if duration:
            self._silence()
            self.over_at, self.was_seen, self.ignored = None, False, False
        self.is_off, self.off_until = duration > 0, now + duration

    def new_patient(self, now: int, is_of_patient: bool) -> None:
        if is_of_patient:
            self._silence()
            self.there = self.over = self.ignored = self.was_seen = self.is_off = False
            self.over_at, self.own_limit = None, None
        elif self.over or self.is_off:
            self._silence()
            self.ignored = self.is_off = False
