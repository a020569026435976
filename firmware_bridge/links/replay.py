"""A capture file as a link: its pieces come again, in their own time or faster.

Not for other files. The times in the pieces stay those of the capture, so what follows from them is the same, bit for
bit; `wall_offset_ns` places them in the time of the clock on the wall.
"""

from __future__ import annotations

from pathlib import Path

from edge.errors import SourceError
from firmware_bridge.capture import Reader
from firmware_bridge.links import TransportState
from firmware_bridge.records import LinkBytes

AT_ONCE = 256  # pieces given in one turn when not in real time


class Replay:
    """One capture file.

    Args:
        path: where it lies.
        speed: times real time; 0 for as fast as possible.

    Raises:
        SourceError: if it is no capture.
    """

    def __init__(self, path: Path, speed: float = 1.0) -> None:
        self.name = f"replay:{path}"
        self._reader = Reader(path)
        self._pieces = self._reader.pieces()
        self._speed = speed
        self._next: LinkBytes | None = None
        self._begin: tuple[int, int] | None = None  # time of the first piece, and now
        self._is_open, self._reason, self._bytes = True, "", 0
        self._advance()

    @property
    def is_over(self) -> bool:
        """Whether every piece of the capture was returned."""
        return self._next is None

    @property
    def wall_offset_ns(self) -> int:
        """What to add to a piece's time to get ns since 1970 UTC."""
        return self._reader.wall_offset_ns

    def fileno(self) -> int | None:
        """None: there is nothing to wait for but time."""
        return None

    def receive(self) -> list[LinkBytes]:
        """Nothing; `tend` gives what is due."""
        return []

    @property
    def is_drained(self) -> bool:
        """Always: what is read now counts as having arrived now."""
        return True

    def tend(self, now_ns: int) -> list[LinkBytes]:
        """The pieces whose time has come, at `speed`; as many as are read at once when it is 0."""
        if self._next is None:
            return []
        if self._begin is None:
            self._begin = self._next.arrival_ns, now_ns
        first_ns, began_ns = self._begin
        out: list[LinkBytes] = []
        while self._next is not None:
            is_due = self._next.arrival_ns - first_ns <= (now_ns - began_ns) * self._speed
            if not (is_due if self._speed else len(out) < AT_ONCE):
                break
            out.append(self._next)
            self._advance()
        return out

    def send(self, content: bytes, peer: str = "") -> bool:
        """Nothing is sent: a capture has no device behind it."""
        return False

    @property
    def state(self) -> TransportState:
        """Open until the end of the file."""
        return TransportState(self._is_open, self._reason, 1, self._bytes, 0)

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._reader.close()
        self._next, self._is_open = None, False

    def _advance(self) -> None:
        try:
            self._next = next(self._pieces, None)
        except SourceError as error:
            self._next, self._reason = None, str(error)
        if self._next is None:
            self._is_open, self._reason = False, self._reason or "end of the capture"
            self._reader.close()
        else:
            self._bytes += len(self._next.content)
