"""Notifications to the service manager: ready, status, alive, stopping (sd_notify(3), sd_watchdog_enabled(3)).

Not for MQTT (`edge.node.service` publishes) and not a timer: nothing here has a thread. The loop of the service
calls `Supervision.tick`, which feeds the watchdog only while no stream hangs. A stream that is known to be lost or has
come to its end is reported, not hung; a source that does not return, scoring that does not go on, and a stream that
died of an error of this program are what the watchdog is for. Without NOTIFY_SOCKET nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.log import RateLimitedLog

DEFAULT_STALL_S = 15.0  # how long a thread may stand still where no watchdog says otherwise

logger = logging.getLogger(__name__)


class Notifier:
    """Sends datagrams to the service manager; without an address it sends nothing."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Connect nothing yet.

        Args:
            address: NOTIFY_SOCKET: a path, or `@name` in Linux's abstract namespace; empty for none.
            watchdog_s: after this long without `WATCHDOG=1` the service manager ends this process; None for never.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s if address else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> Notifier:
        """As systemd asks for in the environment; an invalid address or interval counts as none."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")) or len(address) < 2:
            return cls()
        interval, pid_text = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        is_ours = not pid_text or pid_text == str(os.getpid() if pid is None else pid)  # a child inherits the variables
        return cls(address, int(interval) / 1e6 if is_ours and interval.isdecimal() and int(interval) else None)

    def send(self, **variables: str | int) -> bool:
        """Send assignments such as READY=1; never waits.

        Returns:
            Whether the service manager has them; false where there is none.
        """
        if not self._address:
            return False
        lines = "\n".join(f"{name}={value}" for name, value in variables.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(lines.encode(), self._address)
        except OSError as error:  # its queue is full, or it is away: the next tick tries again
            logger.debug("notify failed reason=%r", error)
            return False
        return True


@dataclass(frozen=True)
class StreamHealth:
    """State of one stream and of the threads that work for it."""

    id: str
    state: str
    """`ok`, `degraded`, `lost`, `disabled`, or `unknown` before the first sound (`edge.node.stream_status.State`)."""
    reason: str
    stalled_s: float
    """For how long its source did not return or nothing was scored, seconds; 0 when it has come to its end."""
    is_broken: bool
    """Whether it ended by an error of this program, which a restart may cure."""


class Supervision:
    """Keeps the service manager informed of the node; call `tick` from the loop of the service."""

    def __init__(self, notifier: Notifier, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with a node that is not ready.

        Args:
            notifier: the way to the service manager.
            monotonic: seconds that never step.
        """
        self._notifier, self._monotonic = notifier, monotonic
        # Twice in the interval of the watchdog, as sd_watchdog_enabled(3) says.
        self._feed_s = DEFAULT_STALL_S if notifier.watchdog_s is None else notifier.watchdog_s / 2
        self._fed_s = -float("inf")
        self._is_ready = False
        self._status = ""
        self._limited_log = RateLimitedLog(logger, monotonic)

    def tick(self, streams: Sequence[StreamHealth], is_connected: bool) -> None:
        """Send what has changed, and feed the watchdog when it is due and no stream hangs.

        Args:
            streams: all enabled streams.
            is_connected: whether the broker takes messages; being ready does not wait for it.
        """
        status = describe(streams, is_connected)
        if status != self._status and self._notifier.send(STATUS=status):
            self._status = status
        if not self._is_ready and all(stream.state != "unknown" for stream in streams):
            self._is_ready = self._notifier.send(READY=1)
        hung = [stream for stream in streams if stream.is_broken or stream.stalled_s > self._feed_s]
        for stream in hung:
            what = "broke" if stream.is_broken else f"hangs for_s={stream.stalled_s:.0f}"
            outcome = "" if self._notifier.watchdog_s is None else "; the watchdog is not fed"
            self._limited_log.log(stream.id, f"stream={stream.id} {what}{outcome}", logging.ERROR)
        if self._notifier.watchdog_s is not None and not hung and self._monotonic() - self._fed_s >= self._feed_s:
            self._notifier.send(WATCHDOG=1)
            self._fed_s = self._monotonic()

    def stopping(self) -> None:
        """Report that the end has begun."""
        self._notifier.send(STOPPING=1, STATUS="closing open events")


def describe(streams: Sequence[StreamHealth], is_connected: bool) -> str:
    """One short line for `systemctl status`; it changes only when something does."""
    states = [stream.state for stream in streams]
    ok = f"{states.count('ok')} of {len(states)} streams ok"
    others = [
        f"{stream.id} {'starting' if stream.state == 'unknown' else stream.state}"
        + (f" ({stream.reason})" if stream.reason else "")
        for stream in streams
        if stream.state != "ok"
    ]
    broker = "broker connected" if is_connected else "broker away, events wait on disk"
    return "; ".join([ok, *others, broker]).replace("\n", " ")
