"""How the service is started, stopped and watched: as a unit of systemd, or below a ROOT as a process.

Below a ROOT `run.sh` starts it, and starts it again when it ends. Nobody minds a watchdog there, and nothing starts it
at boot: what has to run unattended belongs under systemd. Whether it is ready only the deployment learns that started
it. `systemd --user` is not used: it ends its services when their user logs out, unless lingering is enabled, which over
ssh takes an administrator. Not for deciding when to start it or whether it is good (`switch`).

Source: systemctl(1), systemd-run(1), systemd.service(5), loginctl(1), sd_notify(3), unix(7), flock(2).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.box.layout import BoxLayout, Refusal, call, last_words, remove, write_whole

UNIT, BOARD_UNIT = "laennec.service", "laennec-board.service"
# What a release is examined with, so that it finds the user, groups and folders that the service will have.
EXAMINED_WITH = (
    "DynamicUser",
    "User",
    "SupplementaryGroups",
    "StateDirectory",
    "CacheDirectory",
    "UMask",
    "Environment",
)
PHASES = {"active": "ready", "activating": "starting", "reloading": "starting", "deactivating": "starting"}
STOP_S = 10.0  # how long the service may take to end before it is killed, as in the unit and in `run.sh`
HEALTHY = ("ready", "running")  # phases
START_S = 5.0  # how long `run.sh` may take beyond that until it has taken over
LOG_BYTES = 5_000_000  # the log is begun anew beyond, the one before is kept


@dataclass(frozen=True)
class Health:
    """State of the service as systemd or its own process reports it."""

    phase: str
    """starting, ready, waiting (to start again), or stopped; running: started below a ROOT by another deployment, which
    learns whether it is ready."""
    has_failed: bool = False
    """Whether it ended with an error since it was last asked to start."""
    status: str = ""
    """The service's own status, or why it ended."""
    is_current: bool = True
    """Whether this is the state after the start that was asked for last."""

    @property
    def is_healthy(self) -> bool:
        """Whether it runs, and has not failed."""
        return self.phase in HEALTHY and not self.has_failed


class Service(Protocol):
    """The service, however it is run."""

    logs: str
    """Command that shows its log."""
    is_of_the_system: bool
    """Whether it has a user of its own, and starts with the machine."""

    def restart(self) -> None:
        """Start what `current` names; stop what ran before."""

    def stop(self) -> None:
        """Stop it for good."""

    def health(self) -> Health:
        """Whether it runs, and whether it ended with an error, as of now."""

    def last_lines(self, count: int) -> str:
        """The last `count` lines of its log."""

    def command_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """The command that runs `argv` as the service of `release` would be."""


class Systemd:
    """The service as a unit of systemd."""

    logs = f"journalctl -u {UNIT}"
    is_of_the_system = True

    def __init__(self, layout: BoxLayout) -> None:
        """Prepare to run the current release of `layout`; nothing is started."""
        self._layout = layout
        self._unit = layout.root / "etc/systemd/system" / UNIT
        self._board = self._unit.with_name(BOARD_UNIT)
        self._rules = layout.root / "etc/udev/rules.d"

    def restart(self) -> None:
        """Install the unit and rules of the current release, then restart."""
        write_whole(self._unit, (self._layout.current / UNIT).read_bytes())
        rules = sorted(self._layout.current.glob("*.rules"))
        for rule in rules:
            write_whole(self._rules / rule.name, rule.read_bytes())
        if rules and shutil.which("udevadm"):
            call(["udevadm", "control", "--reload"])
            call(["udevadm", "trigger", "--subsystem-match=sound", "--subsystem-match=tty"])
        self._systemctl("daemon-reload")
        call(["systemctl", "reset-failed", UNIT])  # fails where it never ran
        self._systemctl("enable", "--quiet", UNIT)
        self._systemctl("restart", "--no-block", UNIT)
        self._restart_board()

    def _restart_board(self) -> None:
        """The board of the current release, if it has one; how it does is no verdict on the node."""
        unit = self._layout.current / BOARD_UNIT
        if self._layout.board.exists() and unit.exists():
            write_whole(self._board, unit.read_bytes())
            self._systemctl("daemon-reload")
            self._systemctl("enable", "--quiet", BOARD_UNIT)
            self._systemctl("restart", "--no-block", BOARD_UNIT)
        else:
            self._remove_board()

    def _remove_board(self) -> None:
        if self._board.exists():
            self._systemctl("disable", "--now", BOARD_UNIT)
            remove(self._board)

    def stop(self) -> None:
        """Stop, disable and remove the unit, and the rules."""
        if self._unit.exists():
            self._systemctl("disable", "--now", UNIT)
        for rule in self._layout.releases.glob("*/*.rules"):
            remove(self._rules / rule.name)
        self._remove_board()
        remove(self._unit)
        self._systemctl("daemon-reload")

    def health(self) -> Health:
        """Its state by `systemctl show`."""
        _code, shown = call(["systemctl", "show", UNIT, "-p", "ActiveState,SubState,Result,StatusText,Job"])
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        phase = PHASES.get(found.get("ActiveState", ""), "stopped")
        phase = "waiting" if found.get("SubState") == "auto-restart" else phase
        result = found.get("Result", "success")
        status = found.get("StatusText") or (f"Result={result}" if result != "success" else "")
        return Health(phase, result != "success", status, found.get("Job", "") in ("", "0"))

    def last_lines(self, count: int) -> str:
        """Its last `count` lines in the journal."""
        return call(["journalctl", "-u", UNIT, "-n", count, "--no-pager", "-o", "cat"])[1]

    def command_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """By systemd-run, with the user, the groups and the folders of the unit."""
        lines = (release / UNIT).read_text().splitlines()
        chosen = [word for line in lines if line.split("=")[0] in EXAMINED_WITH for word in ("-p", line)]
        return ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *chosen, *argv]

    @staticmethod
    def _systemctl(*argv: str) -> None:
        code, output = call(["systemctl", *argv])
        if code:
            raise Refusal(f"systemctl {' '.join(argv)} failed: {last_words(output)}")


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
        layout = self._layout
        for folder in (layout.run, layout.log.parent, layout.state.parent, layout.cache):
            folder.mkdir(parents=True, exist_ok=True)
        layout.state.mkdir(mode=0o700, exist_ok=True)  # events and sound of patients
        if layout.log.exists() and layout.log.stat().st_size > LOG_BYTES:
            layout.log.replace(layout.log.with_suffix(".log.1"))
        before, self._is_ready, self._status_text = self._started, False, ""
        with open(layout.log, "ab") as log:
            self._started = started = subprocess.Popen(
                ["/bin/sh", layout.current / "run.sh", layout.root],
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
            return Health("stopped", is_current=False)
        release, failures = self._read("release"), self._read("failures").splitlines()
        is_current = self._started is None or self._read("pid") == str(self._started.pid)
        self._read_status()
        phase = "running" if self._started is None else "ready" if self._is_ready else "starting"
        status = self._status_text or " | ".join(failures[-1:]) or self.last_lines(1).strip()
        if failures and release and self._started is None:
            status = f"started again after {status}"
        if not release:
            return Health("waiting", bool(failures), status, is_current)
        return Health(phase, bool(failures), status, is_current and release == f"releases/{self._layout.running()}")

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

    def last_lines(self, count: int) -> str:
        """The last `count` lines of its log file; empty without one."""
        with suppress(OSError):
            return "\n".join(self._layout.log.read_text(errors="replace").splitlines()[-count:])
        return ""

    def command_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """As they are: it runs as this user."""
        return list(argv)
