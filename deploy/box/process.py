"""The service below a ROOT, without systemd: a process that `run.sh` starts, and starts again when it ends.

Not for booting, and nobody minds a watchdog here: what has to run unattended belongs under systemd. Whether the service
is ready only the deployment hears that started it; later `health` knows whether it runs.

`systemd --user` is not used: it ends its services when their user logs out, for a deployment over ssh at once, unless
lingering is enabled, which over ssh takes an administrator (loginctl(1)); and who has one can do without a ROOT.
Source: sd_notify(3), unix(7), flock(2).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deploy.box.child import last_words
from deploy.box.durable import remove
from deploy.box.layout import BoxLayout, Refusal
from deploy.box.service import Health

STOP_S = 10.0  # how long the service may take to end before it is killed, as in the unit and in `run.sh`
START_S = 5.0  # how long `run.sh` may take beyond that until it has taken over
LOG_BYTES = 5_000_000  # the log is begun anew beyond, the one before is kept


class Process:
    """The service below a root of one's own: a process that `run.sh` starts, and starts again when it ends."""

    is_of_the_system = False

    def __init__(self, layout: BoxLayout) -> None:
        """Prepare to run the current release of `layout`; nothing is started."""
        self.logs = f"tail -f {layout.log}"
        self._layout, self._lock, self._newest = layout, layout.run / "lock", layout.run / "newest"
        self._started: subprocess.Popen[bytes] | None = None  # `run.sh`, by this object
        self._socket: socket.socket | None = None
        self._is_ready, self._status_text = False, ""

    def restart(self) -> None:
        """Start what `current` names, in the place of what runs: `run.sh` ends that, so nothing can come between."""
        self._end_supervisor()
        layout = self._layout
        for folder in (layout.run, layout.log.parent, layout.state.parent, layout.cache):
            folder.mkdir(parents=True, exist_ok=True)
        layout.state.mkdir(mode=0o700, exist_ok=True)  # events and sound of patients
        if layout.log.exists() and layout.log.stat().st_size > LOG_BYTES:
            layout.log.replace(layout.log.with_suffix(".log.1"))
        with_run = (layout.current, *sorted(layout.releases.glob("*"), reverse=True))  # older releases have none
        script = next(path / "run.sh" for path in with_run if (path / "run.sh").exists())
        before, self._is_ready, self._status_text = self._started, False, ""
        with open(layout.log, "ab") as log:
            self._started = started = subprocess.Popen(
                ["/bin/sh", script, layout.root],
                env={**layout.variables(), "NOTIFY_SOCKET": self._address()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + STOP_S + START_S
        while self._read("pid") != str(started.pid):
            if started.poll() is not None or time.monotonic() > until_s:
                raise Refusal(f"the service could not be started: {last_words(self.last_lines(3))}")
            time.sleep(0.02)
        if before is not None:
            before.wait()

    def _address(self) -> str:
        """NOTIFY_SOCKET, on which `_read_status` listens; in the abstract namespace, for a path could be too long."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(f"\0laennec-{uuid.uuid4()}")
        return "@" + str(self._socket.getsockname()[1:], "ascii")

    def close(self) -> None:
        """Close the status socket; what runs goes on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def stop(self) -> None:
        """End `run.sh` and the service; kill what does not end."""
        self._end_supervisor()
        remove(self._newest)  # of two that were started, none takes over from the one that is ended
        for number, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, START_S)):
            if self._runs() and (pid := self._read("pid")):
                with suppress(ProcessLookupError):  # it ended just now
                    os.killpg(int(pid), number)
            until_s = time.monotonic() + patience_s
            while self._runs() and time.monotonic() < until_s:
                time.sleep(0.02)
        if self._runs():
            raise Refusal(f"process {self._read('pid')} does not end; end it by hand, then try again")
        if self._started is not None:
            self._started.wait()

    def _runs(self) -> bool:
        """Whether `run.sh` or the service is there: both hold the lock."""
        try:
            with open(self._lock) as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _read(self, name: str) -> str:
        """A line that `run.sh` wrote; empty: none."""
        with suppress(OSError):
            return (self._layout.run / name).read_text().strip()
        return ""

    def health(self) -> Health:
        """From what `run.sh` wrote and, of a start by this object, from what the service notified."""
        if not self._runs():
            return Health("stopped", is_asked=False)
        release, failures = self._read("release"), self._read("failures").splitlines()
        is_asked = self._started is None or self._read("pid") == str(self._started.pid)
        self._read_status()
        phase = "running" if self._started is None else "ready" if self._is_ready else "starting"
        status = self._status_text or " | ".join(failures[-1:]) or self.last_lines(1).strip()
        if failures and release and self._started is None:
            status = f"started again after {status}"
        if not release:
            return Health("waiting", bool(failures), status, is_asked)
        return Health(phase, bool(failures), status, is_asked and release == f"releases/{self._layout.running()}")

    def _read_status(self) -> None:
        """Take what the service notified since; not what other processes sent."""
        while self._socket is not None and self._started is not None:
            try:
                text, ancillary, _flags, _address = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
                sender = struct.unpack("3i", ancillary[0][2])[0]  # SCM_CREDENTIALS: process, user, group
                is_ours = os.getpgid(sender) == self._started.pid
            except BlockingIOError:
                return
            except ProcessLookupError:
                continue
            if is_ours:
                fields = dict(line.partition("=")[::2] for line in text.decode(errors="replace").splitlines())
                self._is_ready = "STOPPING" not in fields and (self._is_ready or "READY" in fields)
                self._status_text = fields.get("STATUS", self._status_text)

    def _end_supervisor(self) -> None:
        """Until 2026-11-22 a supervisor kept the service running; it would start one beside this one."""
        with suppress(OSError, ValueError), open(self._layout.run / "supervisor.lock") as lock:
            while True:
                try:
                    return fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.kill(int(json.loads(self._read("state.json"))["supervisor"]), signal.SIGTERM)
                time.sleep(0.1)

    def last_lines(self, count: int) -> str:
        """The last `count` lines of its log file; empty without one."""
        with suppress(OSError):
            return "\n".join(self._layout.log.read_text(errors="replace").splitlines()[-count:])
        return ""

    def command_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """As they are: it runs as this user."""
        return list(argv)
