"""When a node tests itself, and how the tests come out: a synthetic sound must be found, and its event come back.

Not for the sound or the broker (`edge.node.self_test`). Pure, on its caller's clock. A test passes when an event of the
sound comes back within `LATE_S` of the moment at which the sound began; whatever else happens, it is missed then, also
if it never began. So every test comes to a verdict, and the reason says how far it got.
"""

from __future__ import annotations

from dataclasses import dataclass

LATE_S = 10.0  # from the begin of the sound; 2 s are the model and the tracker, the rest is for a slow network
FIRST_S = 300.0  # after the start of the node, or sooner if tests are closer to each other
NOT_BEGUN = "the test did not begin: does the node still score?"
NOT_DETECTED = "the model did not find the sound, or was too late for it"
NOT_BACK = "its event did not come back from the broker in time; may the node's user read s/self-test/event?"


@dataclass(frozen=True)
class SelfTestResult:
    """How a test came out."""

    passed: bool
    at_s: float
    """When, on the caller's clock, seconds."""
    latency_s: float | None = None
    """From the begin of the sound until its event was back; None if it was missed."""
    reason: str = ""
    """Why it was missed; empty if it passed."""


class SelfTests:
    """The tests of a node, one after the other.

    Args:
        every_s: from one test to the next, seconds.
        onset_s: from the begin of a test until its sound begins, seconds.
        now_s: the time.
    """

    def __init__(self, every_s: float, onset_s: float, now_s: float) -> None:
        self._every_s, self._onset_s = every_s, onset_s
        self._due_s = now_s + min(FIRST_S, every_s)
        self._is_begun = False
        self._idents: set[str] = set()  # events of the sound that is tested
        self.last: SelfTestResult | None = None
        self.runs = self.missed = 0

    def begin(self, now_s: float) -> bool:
        """Whether a test is due; if so, it has begun, and its sound is to be played now."""
        if self._is_begun or now_s < self._due_s:
            return False
        self._is_begun, self._due_s = True, now_s
        return True

    def decided(self, ident: str) -> None:
        """The detector decided an event of the sound, which is on its way to the broker."""
        if self._is_begun:
            self._idents.add(ident)

    def returned(self, ident: str, now_s: float) -> None:
        """An event came back; one that is late, or of an earlier test, is of no use."""
        self.look(now_s)
        if ident in self._idents:
            self._end(SelfTestResult(True, now_s, now_s - self._due_s - self._onset_s))

    def look(self, now_s: float) -> None:
        """Give up a test that is late; call it every second or so."""
        if now_s <= self._due_s + self._onset_s + LATE_S:
            return
        reason = NOT_BEGUN if not self._is_begun else NOT_BACK if self._idents else NOT_DETECTED
        self._end(SelfTestResult(False, now_s, reason=reason))

    def _end(self, verdict: SelfTestResult) -> None:
        self.last = verdict
        self.runs += 1
        self.missed += not verdict.passed
        self._is_begun = False
        self._idents.clear()
        self._due_s = max(self._due_s + self._every_s, verdict.at_s)
