"""Who keeps the service running: systemd, or `supervise.py` below a root of one's own.

Not for deciding when to start it or whether it is good (`switch`).
Source: systemctl(1), systemd-run(1), systemd.service(5).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deploy.box.child import call, last_words
from deploy.box.durable import remove, write_whole
from deploy.box.place import Place, Refusal

UNIT = "laennec.service"
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
START_S = 5.0  # how long a supervisor may take to begin
STOP_S = 15.0  # longer than the service may take to end (`supervise.STOP_S`)


@dataclass(frozen=True)
class Health:
    """How the service is."""

    phase: str
    """starting, ready, waiting (to start again), or stopped."""
    has_failed: bool = False
    """Whether it ended with an error since it was last asked to start."""
    words: str = ""
    """The service's own status, or why it ended."""
    is_asked: bool = True
    """Whether this tells of the start that was asked for last."""


class Service(Protocol):
    """Who keeps the service running."""

    logs: str
    """Command that shows its log."""

    def restart(self) -> None:
        """Start what `current` names; stop what ran before."""

    def stop(self) -> None:
        """Stop it for good."""

    def health(self) -> Health:
        """How it is now."""

    def last_lines(self, count: int) -> str:
        """The end of its log."""

    def words_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """The command that runs `argv` as the service of `release` would be."""


class Systemd:
    """The service as a unit of systemd."""

    logs = f"journalctl -u {UNIT}"

    def __init__(self, place: Place) -> None:
        """For the releases of `place`."""
        self._place = place
        self._unit = place.root / "etc/systemd/system" / UNIT
        self._rules = place.root / "etc/udev/rules.d"

    def restart(self) -> None:
        """Install the unit and rules of the current release, then restart."""
        write_whole(self._unit, (self._place.current / UNIT).read_bytes())
        rules = sorted(self._place.current.glob("*.rules"))
        for rule in rules:
            write_whole(self._rules / rule.name, rule.read_bytes())
        if rules and shutil.which("udevadm"):
            call(["udevadm", "control", "--reload"])
            call(["udevadm", "trigger", "--subsystem-match=sound", "--subsystem-match=tty"])
        self._systemctl("daemon-reload")
        call(["systemctl", "reset-failed", UNIT])  # fails where it never ran
        self._systemctl("enable", "--quiet", UNIT)
        self._systemctl("restart", "--no-block", UNIT)

    def stop(self) -> None:
        """Stop, disable and remove the unit, and the rules."""
        if self._unit.exists():
            self._systemctl("disable", "--now", UNIT)
        for rule in self._place.releases.glob("*/*.rules"):
            remove(self._rules / rule.name)
        remove(self._unit)
        self._systemctl("daemon-reload")

    def health(self) -> Health:
        """From `systemctl show`."""
        _code, shown = call(["systemctl", "show", UNIT, "-p", "ActiveState,SubState,Result,StatusText,Job"])
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        phase = PHASES.get(found.get("ActiveState", ""), "stopped")
        phase = "waiting" if found.get("SubState") == "auto-restart" else phase
        result = found.get("Result", "success")
        words = found.get("StatusText") or (f"Result={result}" if result != "success" else "")
        return Health(phase, result != "success", words, found.get("Job", "") in ("", "0"))

    def last_lines(self, count: int) -> str:
        """From the journal."""
        return call(["journalctl", "-u", UNIT, "-n", count, "--no-pager", "-o", "cat"])[1]

    def words_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """By systemd-run, with the user, the groups and the folders of the unit."""
        lines = (release / UNIT).read_text().splitlines()
        chosen = [word for line in lines if line.split("=")[0] in EXAMINED_WITH for word in ("-p", line)]
        return ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *chosen, *argv]

    @staticmethod
    def _systemctl(*argv: str) -> None:
        code, said = call(["systemctl", *argv])
        if code:
            raise Refusal(f"systemctl {' '.join(argv)} failed: {last_words(said)}")


class Supervised:
    """The service below a root of one's own, kept by `supervise.py`."""

    def __init__(self, place: Place) -> None:
        """For the releases of `place`."""
        self._place = place
        self._wanted = place.run / "wanted"
        self.logs = f"tail -f {place.log}"

    def _pid(self) -> int:
        """The supervisor's process id; 0: none runs."""
        try:
            with open(self._place.run / "supervisor.lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return 0
        except FileNotFoundError:
            return 0
        except BlockingIOError:
            return int(self._state().get("supervisor", 0))

    def _state(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return dict(json.loads((self._place.run / "state.json").read_text()))
        return {}

    def restart(self) -> None:
        """Tell the supervisor, or start one."""
        write_whole(self._wanted, os.urandom(8).hex().encode())
        if pid := self._pid():
            os.kill(pid, signal.SIGHUP)
            return
        for folder in (self._place.log.parent, self._place.state, self._place.cache):
            folder.mkdir(parents=True, exist_ok=True)
        current = self._place.current
        with open(self._place.log, "ab") as log:
            started = subprocess.Popen(
                [current / "venv/bin/python", "-I", current / "supervise.py", self._place.root], cwd="/",
                env=self._place.variables(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until_s = time.monotonic() + START_S
        while not self._pid():
            if started.poll() is not None or time.monotonic() > until_s:
                raise Refusal(f"the supervisor did not start: {last_words(self.last_lines(3))}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the supervisor and with it the service."""
        if pid := self._pid():
            os.kill(pid, signal.SIGTERM)
        until_s = time.monotonic() + STOP_S
        while self._pid():
            if time.monotonic() > until_s:
                raise Refusal(f"the supervisor (process {self._pid()}) does not end; end it by hand, then try again")
            time.sleep(0.02)

    def health(self) -> Health:
        """From what the supervisor wrote."""
        if not self._pid():
            return Health("stopped", words="no supervisor runs", is_asked=False)
        state = self._state()
        wanted = self._wanted.read_text() if self._wanted.exists() else None
        words = state.get("status") or state.get("last_end") or ""
        is_asked = state.get("token") == wanted and state.get("release") == self._place.running()
        return Health(state.get("phase", "starting"), state.get("failures", 0) > 0, words, is_asked)

    def last_lines(self, count: int) -> str:
        """From its log."""
        with suppress(OSError):
            return "\n".join(self._place.log.read_text(errors="replace").splitlines()[-count:])
        return ""

    def words_as_service(self, release: Path, argv: Sequence[object]) -> list[object]:
        """As they are: it runs as this user."""
        return list(argv)
