"""What the box sends the workstation, and who may change the box: one deployment at a time, none unattended.

Not for the changes themselves.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from deploy.box.layout import CHUNK, BoxLayout, Refusal
from deploy.box.service import Health, Service

PATIENCE_S = 3.0  # a deployment that was killed just now may still be ending
OPENINGS = 30  # of the lock in vain, 0.1 s apart: whoever undeploys does not take the folder away as often
UNDER_WAY = "another deployment to this box is under way ({}); wait until it ends, or stop it, then try again"
ORPHAN = "its workstation went away; it ends what it began"


class Wire:
    """Lines of JSON to the workstation; once it is gone, nothing."""

    def __init__(self, out: BinaryIO) -> None:
        """Messages go to `out`, which is the connection to the workstation."""
        self._out: BinaryIO | None = out

    def send(self, **message: object) -> None:
        """Write one message, a line of JSON; does nothing once the workstation is gone."""
        if self._out is not None:
            try:
                self._out.write(json.dumps(message).encode() + b"\n")
                self._out.flush()
            except OSError:
                self._out = None

    @contextmanager
    def step(self, text: str) -> Iterator[list[str]]:
        """Tell that a step begins and, with how long it took, ends; yields a list for remarks."""
        began_s, remarks = time.monotonic(), list[str]()
        self.send(begin=text)
        try:
            yield remarks
        except Exception:
            self.send(failed=text)
            raise
        self.send(end=round(time.monotonic() - began_s, 1), remark="; ".join(remarks))


@dataclass
class Session:
    """What every command on the box needs: where things lie, the service, and the workstation that asks."""

    layout: BoxLayout
    service: Service
    wire: Wire
    who: str = ""
    """Who asks, and from which workstation: user@host."""
    is_settling: bool = False
    """Between the flip and its verdict: what was begun is ended even without a workstation."""

    def situation(self) -> str:
        """What the box runs now, in one line; empty: this user may not know."""
        try:
            name, health = self.layout.running(), self.service.health()
        except OSError:
            return ""
        if not name:
            return "nothing is deployed"
        status = f" ({health.status})" if health.status else ""
        return f"{name} is current and its service is {health.phase}{status}"

    def outcome(self, health: Health, deaf_s: float | None = None) -> dict[str, Any]:
        """For people: what runs, its status, where settings and log are; after a switch how long it was deaf."""
        return {
            "running": self.layout.running(),
            "status": health.status,
            "logs": self.service.logs,
            "config": str(self.layout.config),
            "deaf_s": deaf_s,
        }


@contextmanager
def only_one(session: Session) -> Iterator[None]:
    """Hold the lock of this root; the kernel frees it when its holder ends, however it ends.

    Raises:
        Refusal: another deployment has it, and its workstation is there.
    """
    until_s, has_warned = time.monotonic() + PATIENCE_S, False
    in_vain = 0  # in a row
    while True:
        with _opened(session.layout, in_vain == OPENINGS) as lock:
            in_vain = 0 if lock else in_vain + 1
            if lock and _taken(lock.fileno(), fcntl.LOCK_EX) and _is_there(lock.fileno(), session.layout.lock):
                _record_holder(session, f"since {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC")
                yield
                return
        holder = at_work(session.layout)
        if ORPHAN in holder and not has_warned:
            session.wire.send(note=f"waiting for another deployment ({holder})")
            has_warned = True
        if holder and ORPHAN not in holder and time.monotonic() > until_s:
            raise Refusal(UNDER_WAY.format(holder))
        time.sleep(0.1)


@contextmanager
def _opened(layout: BoxLayout, is_last: bool) -> Iterator[TextIO | None]:
    """The lock file, not yet held; None if somebody who undeploys just took its folder away.

    Raises:
        OSError: it cannot be opened, or, if this `is_last` attempt fails as the others did, its folder cannot be made.
    """
    try:
        layout.base.mkdir(parents=True, exist_ok=True)
        lock = open(layout.lock, "a+")  # noqa: SIM115 - closed below
    except (FileNotFoundError, FileExistsError):
        if is_last:
            raise
        yield None
        return
    with lock:
        yield lock


def at_work(layout: BoxLayout) -> str:
    """Who changes the box just now, in words; empty: nobody."""
    try:
        with open(layout.lock) as lock:
            for _ in range(25):  # who took it just now has not said so yet
                if _taken(lock.fileno(), fcntl.LOCK_SH):
                    return ""
                if holder := lock.read():
                    return holder
                time.sleep(0.02)
            return "who does not say who it is"
    except FileNotFoundError:
        return ""


def _taken(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(lock: int, path: Path) -> bool:
    """Whether the file that was locked is still the one at `path`: who undeploys removes it."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def _record_holder(session: Session, remark: str) -> None:
    """Say in the lock file who holds it."""
    who = f" for {session.who}" if session.who else ""
    session.layout.lock.write_text(f"process {os.getpid()}{who}, {remark}")


def watch_workstation(session: Session, stdin: BinaryIO) -> None:
    """End this program when the workstation is gone; but a release that was flipped to is judged first."""

    def watch() -> None:
        while os.read(stdin.fileno(), CHUNK):  # past the buffer, which a thread at the end of a program must not hold
            pass
        if not session.is_settling:
            os._exit(1)
        _record_holder(session, ORPHAN)

    threading.Thread(target=watch, daemon=True).start()
