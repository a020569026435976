"""How the service is started, stopped and watched: as a unit of systemd; `process` does it below a ROOT.

Not for deciding when to start it or whether it is good (`switch`).
Source: systemctl(1), systemd-run(1), systemd.service(5).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.box.child import call, last_words
from deploy.box.durable import remove, write_whole
from deploy.box.layout import BoxLayout, Refusal

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


@dataclass(frozen=True)
class Health:
    """State of the service as systemd or its own process reports it."""

    phase: str
    """starting, ready, waiting (to start again), or stopped; running: started below a ROOT by another deployment, which
    heard whether it is ready."""
    has_failed: bool = False
    """Whether it ended with an error since it was last asked to start."""
    status: str = ""
    """The service's own status, or why it ended."""
    is_asked: bool = True
    """Whether this is the state after the start that was asked for last."""

    @property
    def is_well(self) -> bool:
        """Whether it runs, and has not failed."""
        return self.phase in ("ready", "running") and not self.has_failed


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
        code, said = call(["systemctl", *argv])
        if code:
            raise Refusal(f"systemctl {' '.join(argv)} failed: {last_words(said)}")
