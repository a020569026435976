"""Where everything lies on a box, below "/" or below a root of one's own.

    opt/laennec/current             -> releases/0007-0.1.0-1a2b3c4d, the one thing that says what runs
    opt/laennec/releases/NAME/      venv/, ward.yaml, laennec.service, ...; complete once release.json is there
    opt/laennec/wheels/             what was sent, by name, each checked against its SHA-256
    opt/laennec/trial.json          there while a switch is not yet known to be good: what to go back to, and
    opt/laennec/before              -> releases/0006-..., the same for `undo.sh`, which runs before every start
    etc/laennec/ward.yaml           -> /opt/laennec/current/ward.yaml, the active settings (`settings`)
    var/lib/laennec/                events: they outlive every release

Not for changing any of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.box.durable import read_record

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


class BoxLayout:
    """Every path of Laennec on a box, below one root."""

    def __init__(self, root: str) -> None:
        """`root`: "/" for the box as a whole, else a folder of one's own."""
        self.root = Path(root)
        self.base = self.root / "opt/laennec"
        self.releases, self.current, self.wheels = (self.base / name for name in ("releases", "current", "wheels"))
        self.trial, self.before, self.lock = (self.base / name for name in ("trial.json", "before", "lock"))
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
