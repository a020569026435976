"""Where everything lies on a box, below "/" or below a root of one's own, and how its files are kept whole.

    opt/laennec/current             -> releases/0007-0.1.0-1a2b3c4d, the one thing that says what runs
    opt/laennec/releases/NAME/      venv/, ward.yaml, laennec.service, ...; complete once release.json is there; of a
                                    release that changed settings alone, venv -> ../OTHER/venv
    opt/laennec/files/              what was sent, each under its SHA-256; in releases it is linked, not copied
    opt/laennec/trial.json          there while a switch is not yet known to be good: what to go back to, and
    opt/laennec/before              -> releases/0006-..., the same for `undo.sh`, which runs before every start
    opt/laennec/model-trial/        the same for another model: `promoted` as it was, `store` -> where it lies
    opt/laennec/switched.json       when the last switch was, and how long nothing was detected
    etc/laennec/ward.yaml           -> /opt/laennec/current/ward.yaml, the active settings
    etc/laennec/model-keys/         public keys (*.pem) of those whose models and, if there is one, releases are taken
    var/lib/laennec/                events: they outlive every release

Files are written aside, brought to disk, then renamed: after a power cut each is whole (`edge.files` is not on the box
yet). Not for the service (`service`), nor for switching (`switch`).
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

RETAINED_RELEASES = 3
LISTING = "files.sha256"  # in a release: every file of its environment
BOARD = "board.yaml"  # in a release: the settings of a board, where there is one
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "XDG_RUNTIME_DIR")
CHUNK = 1 << 20  # bytes
ERROR_LINES = ("FAIL", "laennec:", "ERROR")  # how the lines begin that say why something failed


class Refusal(Exception):  # noqa: N818 - it ends a conversation, in order
    """What was expected, what was found and what to do, in one line."""


class Part(NamedTuple):
    """One file of an environment."""

    sha256: str
    size: int
    """In bytes."""
    name: str
    """Below site-packages."""


def listing_of(parts: Iterable[Part]) -> str:
    """The text of `LISTING`: of each file SHA-256, size and name."""
    return "".join(f"{part.sha256} {part.size} {part.name}\n" for part in parts)


def listed(text: str) -> tuple[Part, ...]:
    """The files that such a text lists."""
    lines = (line.split(" ", 2) for line in text.splitlines())
    return tuple(Part(sha256, int(size), name) for sha256, size, name in lines)


@dataclass(frozen=True)
class Release:
    """What `release.json` holds; its presence makes a release complete."""

    name: str
    made_s: float
    """Wall clock, seconds since 1970."""
    python: str
    wheels: tuple[str, ...] = ()
    """Until 1.0 the wheels that it was made from; its workstations know no release without."""
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
    keep: int = RETAINED_RELEASES
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
        self.releases, self.current, self.files = (self.base / name for name in ("releases", "current", "files"))
        self.wheels = self.base / "wheels"  # of releases until 1.0
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

    def nearest(self) -> Path:
        """Where everything lies, or the folder above in which it would be made; as far as this user can see."""
        return next(path for path in (self.base, *self.base.parents) if os.path.exists(path))

    def strays(self) -> list[Path]:
        """What a killed deployment may have left half written beside the releases."""
        halves = (".ward.yaml.new", "ward.yaml.part", "ward.yaml.before.part")
        folders = (self.base, self.files, *self.releases.glob("*"))
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
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**passed, **{name: str(path) for name, path in folders.items()}, "PYTHONUNBUFFERED": "1"}


def write_whole(path: Path, content: bytes, like: Path | None = None, rights: tuple[int, int] | None = None) -> None:
    """Replace `path` by `content`: after a power cut either is there whole.

    Args:
        path: of the file; a link is replaced, not followed.
        content: all of it.
        like: a file whose owner and rights it gets; None: this user's.
        rights: number of the owner, and mode, instead; nobody else may read it at any moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)  # of an earlier attempt, with its rights; or a link of who owns the folder
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if rights else 0o666), "wb") as file:
        if rights is not None:
            if os.geteuid() == 0:
                os.fchown(file.fileno(), rights[0], -1)
            os.fchmod(file.fileno(), rights[1])
        if like is not None:  # before anything is in it that not everybody may read
            was = like.stat()
            if os.geteuid() == 0:
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(was.st_mode))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring what was renamed or removed within `folder` to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_disk(folder: Path) -> None:
    """Bring everything on the disk of `folder` to it: an environment is thousands of files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):  # syncfs(2); os.sync would wait for every other disk too
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or link for good, if it is there."""
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, at once and for good."""
    fresh = link.with_name("." + link.name + ".new")
    remove(fresh)
    fresh.symlink_to(target)
    os.replace(fresh, link)
    sync_folder(link.parent)


def read_record(path: Path, kind: Any) -> Any:
    """The dataclass `kind` in a JSON file; None if the file is not there or holds something else.

    Further keys are left out: a newer deployment may have written it.
    """
    try:
        tree, known = json.loads(path.read_text()), {field.name for field in fields(kind)}
        found = {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()}
        return kind(**{key: value for key, value in found.items() if key in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_record(path: Path, record: Any) -> None:
    """Write a dataclass as JSON, whole or not at all, for `read_record`."""
    write_whole(path, json.dumps(asdict(record), indent=1).encode())


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def die_with_parent() -> None:
    """End when the program above does (in a new child: this one), so that nothing goes on unseen behind its back."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)


def call(argv: Sequence[object], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end.

    Returns:
        Its exit code (127: there is no such program, or none that this user may run), and what it printed, errors too.
    """
    try:
        done = subprocess.run(
            [str(each) for each in argv],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=die_with_parent,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        return 127, str(error)
    return done.returncode, done.stdout


def must(argv: Sequence[object], what: str, environment: dict[str, str] | None = None) -> str:
    """Run a program that has to succeed; what it printed.

    Raises:
        Refusal: it failed; with the lines that say why.
        OSError: it failed for want of room on the disk.
    """
    code, output = call(argv, environment)
    if code == 0:
        return output
    if os.strerror(errno.ENOSPC) in output:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    errors = [line.strip() for line in output.splitlines() if line.strip().startswith(ERROR_LINES)]
    raise Refusal(f"{what} failed (exit code {code}): {' | '.join(errors) or last_words(output)}")


def last_words(text: str, count: int = 3) -> str:
    """The end of what a program printed, in one line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it printed nothing"


def prune(layout: BoxLayout, first: Sequence[str], keep: int) -> None:
    """Remove the releases that are too old, and the files that none of the others has.

    Args:
        layout: where they are.
        first: names that stay, whatever their age: what runs, and what ran before; empty names are none.
        keep: how many stay in all; beside them the releases whose software they use.
    """
    others = [release.name for release in layout.complete()]
    wanted = list(dict.fromkeys(name for name in (*first, *others) if name))
    named = {name for name in first if name} | set(wanted[:keep])
    needed = named | {layout.software(name) for name in named}
    for folder in layout.releases.glob("*"):
        if folder.name not in needed:
            discard(layout, folder.name)
    for path in layout.files.glob("*"):
        if path.stat().st_nlink == 1:
            path.unlink()
    shutil.rmtree(layout.wheels, ignore_errors=True)


def discard(layout: BoxLayout, name: str) -> None:
    """Remove a release; first of all it is not complete any more."""
    remove(layout.releases / name / "release.json")
    shutil.rmtree(layout.releases / name, ignore_errors=True)
