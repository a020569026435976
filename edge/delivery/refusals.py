"""Which messages the broker refuses, and why: counted for the health report and the doctor.

Not for deciding when they are tried again (`edge.delivery.dispatch`). Pure bookkeeping. Only MQTT 5 has an answer for a
message that is refused; a 3.1.1 broker acknowledges it and throws it away.
"""

from __future__ import annotations


class Refusals:
    """The messages whose last PUBACK was a failure. One thread writes, others may read."""

    def __init__(self) -> None:
        self._reasons: dict[int, str] = {}

    def record(self, seq: int, refusal: str) -> None:
        """The broker answered message `seq`: empty if it has it, else its reason."""
        if refusal:
            self._reasons[seq] = refusal
        else:
            self._reasons.pop(seq, None)

    def clear(self) -> None:
        """All refused messages are sent again: those that were dropped meanwhile no longer count."""
        self._reasons = {}

    @property
    def count(self) -> int:
        """How many messages are refused."""
        return len(self._reasons)

    @property
    def reason(self) -> str:
        """Why the last of them is, in the broker's words; empty if none is."""
        reasons = list(self._reasons.values())
        return reasons[-1] if reasons else ""
