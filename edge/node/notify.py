"""What a service manager is told: ready, how it goes, alive, stopping (systemd: sd_notify(3), sd_watchdog_enabled(3)).

Not for MQTT (`edge.node.service` tells the broker) and not a timer: nothing here has a thread. The loop of the service
calls `Supervision.tick`, which feeds the watchdog only while every stream's thread moves. A stream that is known to be
lost or has come to its end is told, not hung; a thread that stands still, and one that died of an error of this
program, are what the watchdog is for. Without NOTIFY_SOCKET nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.log import Repeats

DEFAULT_PATIENCE_S = 15.0  # how long a thread may stand still where no watchdog says otherwise

logger = logging.getLogger(__name__)


class Notifier:
    """Datagrams to the service manager; without an address it is dumb."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Connect nothing yet.

        Args:
            address: NOTIFY_SOCKET: a path, or `@name` in Linux's abstract namespace; empty for nobody.
            watchdog_s: after this long without `WATCHDOG=1` the service manager ends this process; None for never.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s if address else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> Notifier:
        """The one that systemd asks for; an address or interval that makes no sense counts as none."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")) or len(address) < 2:
            return cls()
        text, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        is_meant = not meant or meant == str(os.getpid() if pid is None else pid)  # a child inherits the variables
        return cls(address, int(text) / 1e6 if is_meant and text.isdecimal() and int(text) else None)

    def tell(self, **variables: str | int) -> bool:
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


class Pulse(threading.Event):
    """The `stop` of one stream, which also notes when it was last looked at.

    A source must look at its `stop` every 0.2 s (`edge.sources.Source`), and comes to do so only when the block before
    went through the whole pipeline: so this is the pulse of the thread, without a word from any source.
    """

    def __init__(self, stop: threading.Event, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Stand for `stop`; `monotonic` gives seconds that never step."""
        super().__init__()
        self._stop, self._monotonic = stop, monotonic
        self._moved_s = monotonic()

    def is_set(self) -> bool:
        """As `stop`."""
        self._moved_s = self._monotonic()
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """As `stop`."""
        self._moved_s = self._monotonic()
        return self._stop.wait(timeout)

    def still_s(self) -> float:
        """Since somebody last looked, seconds."""
        return self._monotonic() - self._moved_s


@dataclass(frozen=True)
class Vital:
    """What supervision must know of one stream."""

    stream: str
    state: str
    """`ok`, `degraded`, `lost`, `disabled`, or `unknown` before the first sound (`edge.node.stream.State`)."""
    reason: str
    still_s: float
    """For how long its thread has not moved, seconds; 0 when the thread has come to its end."""
    broke: bool
    """Whether its thread ended by an error of this program, which a restart may cure."""


class Supervision:
    """Tells the service manager how the node is; call `tick` from the loop of the service."""

    def __init__(self, notifier: Notifier, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with a node that is not ready.

        Args:
            notifier: the way to the service manager.
            monotonic: seconds that never step.
        """
        self._notifier, self._monotonic = notifier, monotonic
        self._feed_s = DEFAULT_PATIENCE_S if notifier.watchdog_s is None else notifier.watchdog_s / 2
        self._fed_s = -float("inf")
        self._is_ready = False
        self._status = ""
        self._repeats = Repeats(logger, monotonic)

    def tick(self, vitals: Sequence[Vital], is_connected: bool) -> None:
        """Tell what has changed, and feed the watchdog when it is due and deserved.

        Args:
            vitals: all enabled streams.
            is_connected: whether the broker takes messages; being ready does not wait for it.
        """
        status = describe(vitals, is_connected)
        if status != self._status and self._notifier.tell(STATUS=status):
            self._status = status
        if not self._is_ready and all(vital.state != "unknown" for vital in vitals):
            self._is_ready = self._notifier.tell(READY=1)
        hung = [vital for vital in vitals if vital.broke or vital.still_s > self._feed_s]
        for vital in hung:
            what = "broke" if vital.broke else f"hangs for_s={vital.still_s:.0f}"
            outcome = "" if self._notifier.watchdog_s is None else "; the watchdog is not fed"
            self._repeats.tell(vital.stream, f"stream={vital.stream} {what}{outcome}", logging.ERROR)
        if self._notifier.watchdog_s is not None and not hung and self._monotonic() - self._fed_s >= self._feed_s:
            self._notifier.tell(WATCHDOG=1)
            self._fed_s = self._monotonic()

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._notifier.tell(STOPPING=1, STATUS="closing open events")


def describe(vitals: Sequence[Vital], is_connected: bool) -> str:
    """One short line for `systemctl status`; it changes only when something does."""
    states = [vital.state for vital in vitals]
    good = f"{states.count('ok')} of {len(states)} streams heard"
    told = [
        f"{vital.stream} {'starting' if vital.state == 'unknown' else vital.state}"
        + (f" ({vital.reason})" if vital.reason else "")
        for vital in vitals
        if vital.state != "ok"
    ]
    broker = "broker connected" if is_connected else "broker away, events wait on disk"
    return "; ".join([good, *told, broker]).replace("\n", " ")
