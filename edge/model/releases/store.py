"""The model store: signed models that are installed on this box, which one a start would use, and how to roll back.

    models/
      <sha256 of the manifest>/   manifest.json  manifest.sig  NAME.onnx  NAME.cpu-int8.onnx ...
      promoted                    which of them is active, and which were before (`edge.model.releases.promotions`)

Not for packages (`edge.model.releases.release`), manifests (`edge.model.releases.manifest`) or the choice between
variants (`edge.model.runtime`).

Every change that a reader can see is one rename of something complete and synced, so that after a power cut either
nothing happened or everything did. One process at a time writes; readers take no lock.

A release is checked again whenever it is opened: signature, sizes, hashes. One that fails is refused, and with it the
start; no other model is used in its place. A box that stopped is offline to its broker at once, which the ward acts on;
one that detects with a model that nobody chose, from a disk that has just lost something, looks like any other. The
error names the command that goes back.

For people and the table of a fleet, the id of a promoted model is that of its release, else the SHA-256 of the file:
two boxes with the same id run the same weights.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError, LaennecError, ModelError
from edge.files import sync
from edge.model.model import DEFAULT_PATH
from edge.model.releases.promotions import BUNDLED, INCOMING, read_history, record_history, too_old, without
from edge.model.releases.release import Release, check_release, receive
from edge.model.releases.signature import read_keys
from edge.settings.node import Models, load_config

if TYPE_CHECKING:
    from edge.settings.node import Config

LOCK = ".lock"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InstalledRelease:
    """One folder of the model store, checked."""

    sha256: str
    """Id of the release, which is the name of the folder."""
    release: Release | None
    """None if it cannot be used."""
    fault: str
    """Why it cannot be used; empty if it can."""
    is_active: bool
    """Whether it was promoted last, usable or not."""


def active_model(config: Config) -> Path | None:
    """The artefact that a node with these settings runs; None for the bundled one.

    Raises:
        ModelError: the promoted release is refused; it is not replaced by another.
        ConfigError: the model store or the keys cannot be read.
    """
    if config.model is not None:
        return config.model
    release = ModelStore(config.models.store_path, config.models.keys).active()
    if release is None:
        return None
    log.info("release=%s signed_by=%s folder=%s", release.sha256[:12], release.signer.name, release.folder)
    return release.artefact


class ModelStore:
    """The releases of one box.

    Args:
        folder: where they are; made when the first one is installed.
        keys: folder of the public keys that are trusted.
    """

    def __init__(self, folder: Path, keys: Path) -> None:
        self._folder, self._keys = folder, keys

    def active(self) -> Release | None:
        """The promoted release, checked; None for the bundled model.

        Raises:
            ModelError: if it is damaged, no longer trusted, or for a newer Laennec (this one may have been rolled
                back); it is not replaced by another.
            ConfigError: if the model store or the keys cannot be read.
        """
        history = read_history(self._folder)
        if not history or history[-1] == BUNDLED:
            return None
        try:
            return self._runnable(history[-1])
        except ModelError as error:
            raise ModelError(
                f"the promoted model is refused: {error}; or go back with `laennec model rollback` "
                "or `laennec model promote ID|bundled`"
            ) from None

    def find(self, prefix: str) -> Release | None:
        """The release whose id begins so, checked; None for `bundled`.

        Raises:
            ConfigError: no such release, or more than one.
            ModelError: as `open`.
        """
        sha256 = self._find(prefix)
        return None if sha256 == BUNDLED else self.open(sha256)

    def open(self, sha256: str) -> Release:
        """One release, checked.

        Raises:
            ModelError: if it is not there, damaged, or signed by nobody who is trusted.
        """
        release = check_release(self._folder / sha256, read_keys(self._keys))
        if release.sha256 != sha256:
            raise ModelError(f"{release.folder}: expected model {sha256[:12]}, found {release.sha256[:12]}; remove it")
        return release

    def installed(self) -> list[InstalledRelease]:
        """Every release, the oldest first; damaged ones at the end."""
        last = (read_history(self._folder) or [BUNDLED])[-1]
        names = {*self._names(), last} - {BUNDLED}  # one that is promoted and gone is listed too
        found = [self._inspect(sha256, sha256 == last) for sha256 in sorted(names)]
        return sorted(found, key=lambda one: one.release.manifest.created if one.release else "~")

    def install(self, source: Path) -> Release:
        """Check a package and copy it into the model store, completely or not at all; the active release stays.

        Raises:
            ModelError: unsigned, wrongly signed, by an expired key, damaged, cut short, for a newer Laennec, or not
                a model that this version can run.
            ConfigError: if there is no key, or the model store cannot be written.
        """
        keys = read_keys(self._keys)
        with self._writing():
            incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=self._folder))
            release = receive(source, keys, incoming, datetime.now(timezone.utc))
            return self._move_into_place(incoming, release.sha256)

    def promote(self, prefix: str, older: bool = True) -> Release | None:
        """Make a release the active one, from the next start on.

        Args:
            prefix: the first digits of its id, or `bundled`.
            older: whether it may be older than the active one.

        Returns:
            The release; None for the bundled model.

        Raises:
            ConfigError: no such release, or more than one.
            ModelError: damaged, not trusted, for a newer Laennec, or older where that is not allowed.
        """
        with self._writing():
            history = read_history(self._folder)
            sha256 = self._find(prefix)
            release = None if sha256 == BUNDLED else self._runnable(sha256)
            if release is not None and not older:
                self._refuse_older(release, history)
            if sha256 != (history or [BUNDLED])[-1]:
                record_history(self._folder, [*history, sha256])
            return release

    def rollback(self) -> Release | None:
        """Make the release active that was before the last promotion.

        Returns:
            The release; None for the bundled model.

        Raises:
            ConfigError: if nothing was promoted.
            ModelError: if it cannot be used; the last promotion stays.
        """
        with self._writing():
            history = read_history(self._folder)
            if not history:
                raise ConfigError(f"nothing to go back to: no model was promoted in {self._folder}")
            before = history[-2] if len(history) > 1 else BUNDLED
            release = None if before == BUNDLED else self._runnable(before)
            record_history(self._folder, history[:-1])
            return release

    def prune(self, keep: int, used: Iterable[Path | None] = ()) -> list[str]:
        """Remove models that are too old (`edge.model.releases.promotions`); damaged ones stay, to be looked at.

        Args:
            keep: how many stay at least.
            used: files that settings name; a model with one of them stays.

        Returns:
            Ids of those that were removed.

        Raises:
            ConfigError: the model store cannot be written.
        """
        with self._writing():
            history = read_history(self._folder)
            usable = [one for one in self.installed() if one.release is not None]
            created = {one.sha256: one.release.manifest.created for one in usable if one.release is not None}
            named = {path.resolve().parent.name for path in used if path is not None}
            gone = [sha256 for sha256 in too_old(history, created, keep) if sha256 not in named]
            if gone:
                record_history(self._folder, without(history, gone))
            for sha256 in gone:  # `_writing` removes it at the end; until then it is not half there
                os.rename(self._folder / sha256, self._folder / f"{INCOMING}{sha256}")
            return gone

    def _runnable(self, sha256: str) -> Release:
        release = self.open(sha256)
        release.manifest.check_version()
        return release

    def _refuse_older(self, release: Release, history: list[str]) -> None:
        """The active release may be damaged; its date is then unknown and does not count."""
        active = self._inspect(history[-1], True) if history and history[-1] != BUNDLED else None
        if active and active.release and release.manifest.created < active.release.manifest.created:
            raise ModelError(
                f"{release.manifest.id} of {release.manifest.created} is older than the active model, of "
                f"{active.release.manifest.created}; if you mean it: laennec model promote {release.sha256[:12]}"
            )

    def _inspect(self, sha256: str, is_active: bool) -> InstalledRelease:
        try:
            return InstalledRelease(sha256, self.open(sha256), "", is_active)
        except LaennecError as error:
            return InstalledRelease(sha256, None, str(error), is_active)

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._folder) if re.fullmatch("[0-9a-f]{64}", name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"models.path: {self._folder} cannot be read ({error.strerror})") from None

    def _find(self, prefix: str) -> str:
        if prefix == BUNDLED:
            return BUNDLED
        found = [name for name in self._names() if name.startswith(prefix)]
        if len(found) != 1 or not prefix:
            count = "none" if not found else f"{len(found)} of them"
            raise ConfigError(
                f"{prefix!r}: expected the first digits of one model id in {self._folder}, or `bundled`, found {count}"
                "; see `laennec model list`"
            )
        return found[0]

    def _move_into_place(self, incoming: Path, sha256: str) -> Release:
        """Rename a complete release to its id; a damaged one of that id is replaced."""
        present = self._inspect(sha256, False)
        if present.release is not None:
            return present.release
        target = self._folder / sha256
        incoming.chmod(0o755)  # read by the service, which is another user
        if target.exists():
            os.rename(target, f"{incoming}-damaged")  # refused until now, so nothing is lost if the power fails here
        os.rename(incoming, target)
        sync(self._folder)
        return self.open(sha256)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The lock of the one process that writes; what it or an earlier one left half done is removed at the end.

        Raises:
            ConfigError: if the disk cannot be written.
        """
        before = os.umask(0o022)  # the service reads it as another user
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel, however the process ends
                try:
                    yield
                finally:
                    for left in self._folder.glob(f"{INCOMING}*"):
                        shutil.rmtree(left) if left.is_dir() else left.unlink()
        except OSError as error:
            raise ConfigError(
                f"models.path: {self._folder} cannot be written ({error.strerror}); the active model stays"
            ) from None
        finally:
            os.umask(before)


def describe_active(config: Path | None) -> dict[str, str]:
    """Which model a node with these settings would run.

    Args:
        config: the settings; None: the defaults of this machine.

    Returns:
        `kind` (settings, promoted or bundled), `id` (SHA-256, hexadecimal), `name`, and `store`: the folder of models.

    Raises:
        ModelError: it is refused, or cannot be read.
        ConfigError: the settings, the model store or the keys cannot be read.
    """
    settings = load_config(config) if config is not None else None
    models = settings.models if settings is not None else Models()
    store = str(models.store_path)
    if settings is not None and settings.model is not None:
        return {"kind": "settings", "id": _digest(settings.model), "name": str(settings.model), "store": store}
    release = ModelStore(models.store_path, models.keys).active()
    if release is not None:
        return {"kind": "promoted", "id": release.sha256, "name": release.manifest.id, "store": store}
    return {"kind": "bundled", "id": _digest(DEFAULT_PATH), "name": DEFAULT_PATH.name, "store": store}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"model {path}: cannot be read ({error.strerror}); check the path") from None
