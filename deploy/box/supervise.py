"""Keep the service of one root running where there is no systemd, or no right to use it: `supervise.py ROOT`.

For `make deploy ROOT=...`: the service notifies this program exactly as it would systemd (READY=1, WATCHDOG=1,
STATUS=..., over NOTIFY_SOCKET), and is started again whenever it ends. Not for booting: after a restart of the machine,
deploy again or start it by hand. A file of its own in every release: it imports nothing but the standard library.

SIGHUP: stop the service, then become the supervisor of the release that is `current` now. SIGTERM: stop it and end.
What the service is doing stands in `run/laennec/state.json`, replaced as a whole at every change.

Source: sd_notify(3), systemd.service(5) (Type=notify, WatchdogSec, Restart=always, NotifyAccess=main).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

WATCHDOG_S = 30.0  # as in the systemd unit
START_S = 600.0  # from a start to READY=1, as in the systemd unit
STOP_S = 10.0  # how long the service may take to end before it is killed
RESTART_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # pauses after failures in a row; a clean end waits the first
LOG_BYTES = 5_000_000  # the log is started anew beyond, the one before is kept


@dataclass(frozen=True)
class State:
    """What `run/laennec/state.json` holds."""

    supervisor: int
    """Process id."""
    phase: str = "starting"
    """starting, ready, stopping, waiting (to start again) or stopped."""
    release: str = ""
    token: str = ""
    """What stood in `run/laennec/wanted` when the service was started: tells a restart from the one before."""
    pid: int = 0
    ready_s: float = 0.0
    """CLOCK_MONOTONIC when READY=1 came, seconds; 0: not yet."""
    starts: int = 0
    failures: int = 0
    """Ends with an error or by the watchdog since this supervisor began."""
    status: str = ""
    """The service's own words."""
    last_end: str = ""


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no second service beside one without supervisor


def _taken(path: Path) -> int:
    """Descriptor of the lock of this root; whoever only looks whether it is free holds it for a moment."""
    lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return lock
    sys.exit("another supervisor of this root runs")


class Supervisor:
    """The service of one root, and the socket on which it speaks."""

    def __init__(self, root: Path, lock: int | None = None) -> None:
        """Take the lock; ends if another supervisor of this root has it.

        Args:
            root: below which everything lies.
            lock: descriptor of the lock, already held, from the supervisor that became this one.
        """
        self.root, self.current = root, root / "opt/laennec/current"
        self.run_dir, self.log = root / "run/laennec", root / "var/log/laennec/laennec.log"
        self.wish = 0  # the signal that came
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)  # before the lock: who sees it held may send one
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _taken(self.run_dir / "supervisor.lock") if lock is None else lock
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("")  # an abstract name of the kernel's choice: a path could be longer than a socket may be
        self.socket.settimeout(0.2)
        self.state = State(os.getpid())
        self._write()

    def _on_signal(self, number: int, _frame: object) -> None:
        self.wish = number if self.wish in (0, signal.SIGHUP) else self.wish

    def _write(self, **changes: object) -> None:
        """Note how it is now; while the disk is full, the service goes on and `_listen` tries again."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        partial = self.run_dir / "state.json.new"
        try:
            partial.write_text(json.dumps(asdict(self.state)))
            partial.replace(self.run_dir / "state.json")
        except OSError:
            self.is_noted = False
        else:
            self.is_noted = True

    def run(self) -> None:
        """Start the service again and again until a signal; returns after SIGTERM, is replaced after SIGHUP."""
        in_a_row = 0
        while not self.wish:
            began_s = time.monotonic()
            is_clean = self._serve()
            in_a_row = 0 if is_clean or time.monotonic() - began_s > 60.0 else in_a_row + 1
            pause_s = RESTART_S[min(in_a_row, len(RESTART_S) - 1)]
            until_s = time.monotonic() + pause_s
            while not self.wish and time.monotonic() < until_s:
                time.sleep(0.05)
        if self.wish == signal.SIGHUP:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # not deadly in between; what is wanted is read after it
            os.set_inheritable(self._lock, True)  # held without a gap: nobody must believe that none runs
            python = str(self.current / "venv/bin/python")  # of the release that is current now
            again = [python, "-I", str(self.current / "supervise.py"), str(self.root), str(self._lock)]
            os.execv(python, again)
        self._write(phase="stopped", pid=0, ready_s=0.0, status="")

    def _serve(self) -> bool:
        """One life of the service; whether its end was clean."""
        undo = self.root / "opt/laennec/before/undo.sh"
        if undo.exists():  # a switch that nobody has judged yet; as ExecStartPre of the systemd unit
            subprocess.run(["/bin/sh", undo, self.root], stdin=subprocess.DEVNULL, check=False)
        release = os.path.basename(os.path.realpath(self.current))
        wanted = self.run_dir / "wanted"
        token = wanted.read_text() if wanted.exists() else ""
        with self._opened_log() as log:
            try:
                child = subprocess.Popen(
                    [self.current / "venv/bin/laennec", "run", "--config", self.root / "etc/laennec/ward.yaml"],
                    env=self._environment(), cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=_die_with_parent,
                )  # fmt: skip
            except OSError as error:
                self._write(phase="waiting", token=token, failures=self.state.failures + 1, last_end=str(error))
                return False
        self._write(phase="starting", release=release, token=token, pid=child.pid, ready_s=0.0,
                    starts=self.state.starts + 1, status="")  # fmt: skip
        cause = self._listen(child)
        is_clean = cause == "" and child.returncode in (0, -signal.SIGTERM)
        end = cause or f"exit code {child.returncode}"
        failures = self.state.failures + (not is_clean and not self.wish)
        self._write(phase="waiting", pid=0, ready_s=0.0, failures=failures, last_end=end)
        return is_clean

    def _opened_log(self) -> BinaryIO:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
            return open(self.log, "ab")
        except OSError:  # a full disk keeps no log, but must not keep the service from running
            return open(os.devnull, "ab")

    def _environment(self) -> dict[str, str]:
        """What systemd would add; the folders stand in this program's own environment (`deploy.box.place`)."""
        address = "@" + self.socket.getsockname()[1:].decode()
        return {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}

    def _listen(self, child: subprocess.Popen[bytes]) -> str:
        """Take the service's messages until it ends; returns why it had to be ended, or nothing."""
        began_s, fed_s, cause = time.monotonic(), time.monotonic(), ""
        while child.poll() is None:
            message = self._message(child.pid)
            changes: dict[str, object] = {}
            if "READY=1" in message and not self.state.ready_s:
                changes |= {"phase": "ready", "ready_s": time.monotonic()}
            if "STOPPING=1" in message:
                changes["phase"] = "stopping"
            status = next((line[7:] for line in message if line.startswith("STATUS=")), self.state.status)
            if changes or status != self.state.status or not self.is_noted:
                self._write(**changes, status=status)
            if {"WATCHDOG=1", "READY=1"} & set(message) or not self.state.ready_s:
                fed_s = time.monotonic()
            if self.wish:
                self._stop(child)
            elif not self.state.ready_s and time.monotonic() - began_s > START_S:
                cause = f"it was not ready within {START_S:.0f} s"
                self._stop(child)
            elif time.monotonic() - fed_s > WATCHDOG_S:
                cause = f"the watchdog was not fed for {WATCHDOG_S:.0f} s"
                self._stop(child)
        return cause

    def _message(self, sender: int) -> list[str]:
        """Lines of the next datagram of `sender`; none after 0.2 s, or if another process sent it."""
        try:
            text, ancillary, _flags, _address = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        except (TimeoutError, InterruptedError):
            return []
        pids = [struct.unpack("3i", raw[:12])[0] for _level, kind, raw in ancillary if kind == socket.SCM_CREDENTIALS]
        return text.decode(errors="replace").splitlines() if sender in pids else []

    def _stop(self, child: subprocess.Popen[bytes]) -> None:
        """End the service; SIGTERM first, so that beds whose threads move close what is open, as under systemd."""
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1]), *(int(each) for each in sys.argv[2:])).run()
