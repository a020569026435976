"""Where everything lies on a box, below "/" or below a root of one's own.

    opt/laennec/current             -> releases/0007-0.1.0-1a2b3c4d, the one thing that says what runs
    opt/laennec/releases/NAME/      venv/, ward.yaml, laennec.service, ...; complete once release.json is there; of a
                                    release that changed settings alone, venv -> ../OTHER/venv
    opt/laennec/wheels/             what was sent, by name, each checked against its SHA-256
    opt/laennec/trial.json          there while a switch is not yet known to be good: what to go back to, and
    opt/laennec/before              -> releases/0006-..., the same for `undo.sh`, which runs before every start
    opt/laennec/model-trial/        the same for another model: `promoted` as it was, `store` -> where it lies
    opt/laennec/switched.json       when the last switch was, and how long nobody was heard
    etc/laennec/ward.yaml           -> /opt/laennec/current/ward.yaml, the active settings (`settings`)
    etc/laennec/model-keys/         public keys (*.pem) of those whose models and, if there is one, releases are taken
    var/lib/laennec/                events: they outlive every release

Not for changing any of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.box.durable import read_record

KEPT_RELEASES = 3
BOARD = "board.yaml"  # in a release: the settings of a board, where there is one
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "XDG_RUNTIME_DIR")


class Refusal(Exception):  # noqa: N818 - it ends a conversation, in order
    """What was expected, what was found and what to do, in one line."""


@dataclass(frozen=True)
class Release:
    """What `release.json` holds; its presence makes a release complete."""

    name: str
    made_s: float
    """Wall clock, seconds since 1970."""
    python: str
    wheels: tuple[str, ...]
    """Names of the files in the store that it was made from."""
    after: str = ""
    """Release that ran when it was made, so what to go back to; empty: none did."""


@dataclass(frozen=True)
class Trial:
    """What `trial.json` holds, from just before a switch until the new release is known to be good."""

    new: str
    old: str
    """Release to go back to; empty: there was none."""
    had_config: bool
    """Whether ward.yaml existed; where no release had it, it lies beside it as ward.yaml.before."""
    is_untried: bool
    """Whether `new` has never run: if it is not good, it is removed."""
    hold_s: float = 60.0
    """How long it must be healthy after READY=1, seconds, whoever judges it."""
    keep: int = KEPT_RELEASES
    """How many releases stay once it is good."""


@dataclass(frozen=True)
class LastSwitch:
    """What `switched.json` holds, of the last switch that was kept."""

    to: str
    """Release, or `model ID`."""
    at_s: float
    """Wall clock, seconds since 1970."""
    deaf_s: float
    """From the end of what ran before until READY=1 of what runs now, seconds."""


class BoxLayout:
    """Every path of Laennec on a box, below one root."""

    def __init__(self, root: str) -> None:
        """`root`: "/" for the box as a whole, else a folder of one's own."""
        self.root = Path(root)
        self.base = self.root / "opt/laennec"
        self.releases, self.current, self.wheels = (self.base / name for name in ("releases", "current", "wheels"))
        self.trial, self.before, self.lock = (self.base / name for name in ("trial.json", "before", "lock"))
        self.model_trial, self.switched = self.base / "model-trial", self.base / "switched.json"
        self.board = self.current / BOARD
        self.keys = self.root / "etc/laennec/model-keys"
        self.config, self.linked_config = self.root / "etc/laennec/ward.yaml", self.current / "ward.yaml"
        self.config_before = self.config.with_name("ward.yaml.before")
        self.config_edited = self.config.with_name("ward.yaml.edited")
        self.state, self.cache = self.root / "var/lib/laennec", self.root / "var/cache/laennec"
        self.run = self.root / "run/laennec"
        self.log = self.root / "var/log/laennec/laennec.log"

    def strays(self) -> list[Path]:
        """What a killed deployment may have left half written beside the releases."""
        halves = (".ward.yaml.new", "ward.yaml.part", "ward.yaml.before.part")
        folders = (self.base, self.wheels, *self.releases.glob("*"))
        files = [path for folder in folders for path in folder.glob("*.part")]
        return [self.base / ".current.new", self.base / ".before.new", *map(self.config.with_name, halves), *files]

    def settings(self, name: str) -> Path:
        """The settings of one release."""
        return self.releases / name / "ward.yaml"

    def software(self, name: str) -> str:
        """Release whose environment a release uses: itself, or the one whose settings alone it changed."""
        return (self.releases / name / "venv").resolve().parent.name

    def next_name(self, version: str) -> str:
        """Name of a release that is about to be made: numbers only grow."""
        numbers = [int(path.name[:4]) for path in self.releases.glob("[0-9][0-9][0-9][0-9]-*")]
        return f"{max(numbers, default=0) + 1:04d}-{version}"

    def running(self) -> str:
        """Name of the current release; empty: none."""
        return os.path.basename(os.readlink(self.current)) if self.current.is_symlink() else ""

    def complete(self) -> list[Release]:
        """Complete releases, the newest first."""
        found = [read_record(path, Release) for path in sorted(self.releases.glob("*/release.json"), reverse=True)]
        return [release for release in found if release is not None]

    def variables(self) -> dict[str, str]:
        """The environment of whatever is run from a release: nothing of the deploying shell but what names the user."""
        folders = {"STATE_DIRECTORY": self.state, "CACHE_DIRECTORY": self.cache, "RUNTIME_DIRECTORY": self.run}
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**kept, **{name: str(path) for name, path in folders.items()}, "PYTHONUNBUFFERED": "1"}
