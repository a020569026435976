"""Where everything lies on a box, below "/" or below a root of one's own.

    opt/laennec/current             -> releases/0007-0.1.0-1a2b3c4d, the one thing that says what runs
    opt/laennec/releases/NAME/      venv/, laennec.service, supervise.py, ...; complete once release.json is there
    opt/laennec/wheels/             what was sent, by name, each checked against its SHA-256
    opt/laennec/trial.json          there while a switch is not yet known to be good: what to go back to
    etc/laennec/ward.yaml           settings, and
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
    """Whether ward.yaml existed; it lies beside it as ward.yaml.before while the trial lasts."""
    is_untried: bool
    """Whether `new` has never run: if it is not good, it is removed."""


class Place:
    """Every path, below one root."""

    def __init__(self, root: str) -> None:
        """`root`: "/" for the box as a whole, else a folder of one's own."""
        self.root = Path(root)
        self.base = self.root / "opt/laennec"
        self.releases, self.current, self.wheels = (self.base / name for name in ("releases", "current", "wheels"))
        self.trial, self.lock = self.base / "trial.json", self.base / "lock"
        self.config = self.root / "etc/laennec/ward.yaml"
        self.config_before = self.config.with_name("ward.yaml.before")
        self.state, self.cache = self.root / "var/lib/laennec", self.root / "var/cache/laennec"
        self.run = self.root / "run/laennec"
        self.log = self.root / "var/log/laennec/laennec.log"

    def strays(self) -> list[Path]:
        """What a killed deployment may have left half written beside the releases."""
        return [self.base / ".current.new", *self.base.glob("*.part"), *self.wheels.glob("*.part")]

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
