"""How one stream is: made by the thread that scores it, read by everybody else.

Not for measuring (`edge.node.stream`). A status is frozen and replaced as a whole: whoever reads `stream.status` once
has a picture that fits together, waits for nobody and changes nothing. The alarms, the service and the metrics see a
`StreamView`, which has nothing else. A status that is old says that the thread that makes it stands still: nothing is
detected on any bed, which the state as it was then would hide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from edge.delivery.latency import LatencyCounts
from edge.detector.sound_check import Verdict
from edge.node.stream_state import State, StreamTotals
from edge.sources.vitals import Vitals
from edge.ward.burden import Reading
from edge.ward.coverage import Covered
from edge.ward.respiratory_rate import RateReading

OLD_S = 5.0  # twenty times the longest that a thread which scores leaves between two
STANDS_STILL = "scoring stands still"


@dataclass(frozen=True)
class StreamStatus:
    """One stream at one moment."""

    made_s: float
    """When, monotonic seconds."""
    wall_s: float
    """The same, seconds since 1970."""
    state: State
    """As it was then; see `state_at`."""
    lag_s: float = 0.0
    """Sound that had arrived, or should have been read, and was not decided; 0 for a file at full speed."""
    totals: StreamTotals = field(default_factory=StreamTotals)
    reading: Reading | None = None
    """Its burden; None before the first scores."""
    covered: tuple[Covered, ...] = ()
    """The coverage of the windows of the reading, shortest first."""
    verdict: Verdict = field(default_factory=Verdict)
    """Of the sound of the last scores."""
    vitals: Vitals | None = None
    """Of its device, if its source knows any."""
    chunks: LatencyCounts = field(default_factory=LatencyCounts)
    """Of the chunks of live sound: from the arrival of the last sample that one needs to its decision."""
    failure: str = ""
    """Why it ended, if not by the end of its source."""
    is_broken: bool = False
    """Whether it ended by an error of this program, which a restart may cure."""
    is_closed: bool = False
    """Whether nothing more is decided; then no newer status is made."""
    breath: RateReading | None = None
    """Its respiratory rate; None before the first 5 s."""
    is_without_breath: bool | None = None
    """Whether no breath was heard for the limit of a pause, or longer; None: not known."""

    def is_old(self, now_s: float) -> bool:
        """Whether no thread makes it any more, though the stream is open."""
        return not self.is_closed and now_s - self.made_s > OLD_S

    def state_at(self, now_s: float) -> State:
        """The state of the stream at a moment, monotonic seconds: lost, where scoring stands still."""
        return State("lost", STANDS_STILL, self.wall_s) if self.is_old(now_s) else self.state

    def lag_at(self, now_s: float) -> float:
        """Undecided sound at a moment, seconds; where scoring stands still it grows."""
        return self.lag_s + now_s - self.made_s if self.is_old(now_s) else self.lag_s


class StreamView(Protocol):
    """A stream to all but the thread that scores."""

    @property
    def id(self) -> str:
        """Of the stream."""

    @property
    def status(self) -> StreamStatus:
        """How it is."""
