"""The folder of one run: what was asked for, by which code, on which data; and the refusal to go on with anything else.

    run.json           recipe, command, git hash, seed, versions, data fingerprint, hashes of the feature specs
    last.pt  best.pt   where to go on; the weights of the best validation
    metrics.jsonl  tensorboard/
    precision.json     what loop.precision = auto became here
    result.json        what came of it; there once it is finished

The `edge` recipe has one for each of its networks (`training.detector.cross_validation`).
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge.errors import ConfigError
from training.loop.checkpoint import whole_file

SCHEMA = "laennec.run/1"
RESULT = "result.json"
_ROOT = Path(__file__).parents[2]
_DECIDING = (
    "training/loop",
    "training/clips",
    "training/papers",
    "training/frames.py",
    "training/tasks.py",
)
_DECIDING_EDGE = ("edge/features",)
_SHOWN = 6  # differences that a message names


@dataclass(frozen=True, slots=True)
class Identity:
    """What decides the outcome of a training: two runs with equal identities have equal weights.

    Where `loop.precision` is `auto`, what it became decides as well (`training.loop.precision`).
    """

    recipe: Mapping[str, Any]
    """Every number of the recipe, the command line's changes included."""
    specs: Mapping[str, str]
    """Hash of each feature spec, by its name in the recipe."""
    records: str
    """Fingerprint of the recordings and their annotations."""
    code: str
    """Hash of the source files that decide a training (`code_hash`)."""


class RunFolder:
    """One run on the disk.

    Args:
        path: created when missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def last(self) -> Path:
        """Checkpoint to go on from."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """Weights of the best validation."""
        return self.path / "best.pt"

    def claim(self, identity: Identity) -> None:
        """Begin a run here, or see that the one begun here is this one.

        Raises:
            ConfigError: naming what differs.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / "run.json"
        if path.exists():
            differences = _differences(self.identity(), identity)
            if differences:
                raise ConfigError(
                    f"{self.path}: begun with {'; '.join(differences)}. Give another --out, or what it was begun with"
                )
            return
        if self.last.exists() or self.best.exists():
            raise ConfigError(f"{self.path}: holds checkpoints but no run.json; give another --out")
        content = {"schema": SCHEMA, **asdict(identity), **_circumstances()}
        with whole_file(path) as draft:
            draft.write_text(json.dumps(content, indent=1, default=str))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write what came of it; from now on the run counts as finished."""
        with whole_file(self.path / RESULT) as draft:
            draft.write_text(json.dumps(result, indent=1))

    def identity(self) -> Identity:
        """Of the run that lies here.

        Raises:
            ConfigError: if there is none, or it cannot be read.
        """
        path = self.path / "run.json"
        try:
            content = json.loads(path.read_text())
            if content["schema"] != SCHEMA:
                raise ConfigError(f"{path}: expected schema {SCHEMA}, found {content['schema']!r}; train again")
            return Identity(content["recipe"], content["specs"], content["records"], content["code"])
        except OSError as error:
            raise ConfigError(f"{path}: expected the folder of a run ({error.strerror}); train first") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: not readable ({error!r}); give another folder, or train again") from None


def code_hash(deciding: Sequence[str] = _DECIDING) -> str:
    """SHA-256 over the source files that decide a training.

    Args:
        deciding: files and folders of it, from the root of the repository; what computes frames is always of them.
    """
    digest = hashlib.sha256()
    for name in (*deciding, *_DECIDING_EDGE):
        path = _ROOT / name
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(source.relative_to(_ROOT).as_posix().encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _circumstances() -> dict[str, Any]:
    """What is good to know later, and does not decide."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    packages = ("torch", "numpy", "scikit-learn", "soxr", "numba")
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": _git("rev-parse", "HEAD") or "unknown",
        "git_dirty": bool(changed),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _differences(before: Identity, now: Identity) -> list[str]:
    found = []
    recipe = recipe_differences(before.recipe, json.loads(json.dumps(now.recipe, default=str)))
    if recipe:
        found.append(recipe)
    found += spec_differences(before.specs, now.specs)
    if before.records != now.records:
        found.append(f"other recordings (sha256 {before.records[:12]}, now {now.records[:12]})")
    if before.code != now.code:
        found.append(f"another version of the code (sha256 {before.code[:12]}, now {now.code[:12]})")
    return found


def recipe_differences(before: Any, now: Any) -> str:
    """In words, which keys of two recipes differ, as JSON has them; empty when none does."""
    found = _named_differences("", before, now)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"another recipe ({', '.join(found[:_SHOWN])}{more})" if found else ""


def spec_differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """In words, which feature specs differ, by their names and hashes."""
    pairs = {name: (before.get(name, "none"), now.get(name, "none")) for name in sorted(before.keys() | now.keys())}
    return [
        f"another feature spec {name} (sha256 {old[:12]}, now {new[:12]})"
        for name, (old, new) in pairs.items()
        if old != new
    ]


def _named_differences(name: str, before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(before.keys() | now.keys())
        return [
            line
            for key in keys
            for line in _named_differences(f"{name}.{key}" if name else key, before.get(key), now.get(key))
        ]
    return [] if before == now else [f"{name} was {str(before)[:40]}, now {str(now)[:40]}"]
